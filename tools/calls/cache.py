"""Results of `read` tools kept for a while: the same question gets the same answer.

In memory, where calls are performed; a hit is an event as any other, so replay needs no cache.
"""

from collections import OrderedDict
from collections.abc import Mapping
from hashlib import sha256

from playhead.events.event import Json
from playhead.events.kinds.tool_calls import ToolSucceeded
from playhead.events.spec.agent import ToolSpec
from playhead.tools.execution.attempt import Monotonic
from playhead.tools.tool import canonical

ENTRIES = 1024
"""The longest unused go first."""


class ResultCache:
    """By the tool's definition, the arguments, and the run unless the tool shares."""

    def __init__(self, monotonic: Monotonic, entries: int = ENTRIES) -> None:
        self._monotonic = monotonic
        self._entries = entries
        self._kept: OrderedDict[bytes, tuple[float, ToolSucceeded]] = OrderedDict()

    def get(self, spec: ToolSpec, arguments: Mapping[str, Json], run: str) -> ToolSucceeded | None:
        """What an equal call gave, marked as cached; None when there is none that is still good."""
        if spec.cache is None:
            return None
        key = _key(spec, arguments, run)
        until, found = self._kept.get(key, (0.0, None))
        if found is None:
            return None
        if self._monotonic() >= until:
            del self._kept[key]
            return None
        self._kept.move_to_end(key)
        return found.model_copy(update={"cached": True, "duration_ms": 0.0})

    def put(self, spec: ToolSpec, arguments: Mapping[str, Json], run: str, outcome: object) -> None:
        """Keep a success."""
        if spec.cache is None or not isinstance(outcome, ToolSucceeded):
            return
        until = self._monotonic() + spec.cache.ttl
        self._kept[_key(spec, arguments, run)] = (until, outcome)
        if len(self._kept) > self._entries:
            self._kept.popitem(last=False)


def _key(spec: ToolSpec, arguments: Mapping[str, Json], run: str) -> bytes:
    owner = "" if spec.cache is not None and spec.cache.shared else run
    return sha256(canonical([spec.name, spec.definition, dict(arguments), owner])).digest()
