"""Memory search in simulated runs: the real index over the log, with faults and crashes."""

from collections.abc import Callable, Mapping, Sequence
from random import Random

from playhead.events.kinds.memory import MemoryRecalled
from playhead.events.spec.memory import Scope
from playhead.memory.index import MemoryIndex
from playhead.simulation.faults.mix import Mix
from playhead.simulation.faults.role import Alive


class FaultyMemory:
    """Searches like a runtime, or fails; its process may die before or after."""

    def __init__(self, memory: MemoryIndex, process: Alive, random: Random, mix: Mix) -> None:
        self._memory = memory
        self._process = process
        self._random = random
        self._mix = mix

    def memories(
        self, scope: Scope, query: str, limit: int, metadata: Mapping[str, str] | None = None
    ) -> MemoryRecalled:
        """For the tool."""
        return self._search("call", lambda: self._memory.memories(scope, query, limit, metadata))

    def near(self, scope: Scope, query: str, limit: int) -> MemoryRecalled:
        """For the tool that remembers."""
        return self._search("call", lambda: self._memory.near(scope, query, limit))

    def missing(self, scope: Scope, ids: Sequence[str]) -> list[str]:
        """For the tool that remembers."""
        return self._memory.missing(scope, ids)

    def all(self, scope: Scope, query: str, limit: int, tokens: int) -> MemoryRecalled:
        """For the start of a run."""
        return self._search("start", lambda: self._memory.all(scope, query, limit, tokens))

    def _search(self, kind: str, search: Callable[[], MemoryRecalled]) -> MemoryRecalled:
        self._process.reach("recall.before", kind)
        if self._random.random() < self._mix.tool_error:
            msg = "simulated: the index cannot be read"
            raise OSError(msg)
        found = search()
        self._process.reach("recall.after", kind)
        return found
