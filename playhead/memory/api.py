"""What a runtime's log has learned and is told to remember, across its runs."""

from collections.abc import Iterable, Mapping

from playhead.events.log.contract import Log
from playhead.memory.facts import Retraction, known, promote, retract
from playhead.memory.search import BY_RANK
from playhead.memory.store import Memories, NewMemory
from playhead.projections.memory.facts import Fact
from playhead.projections.memory.search import MemoryHit, Ranking
from playhead.service.run_index import find_run


class Remembering:
    """The part of a Runtime that needs no run: facts and namespaces of a log."""

    _log: Log
    _memories: Memories

    def facts(self, entity: str | None = None, as_of: int | None = None) -> list[Fact]:
        """What the runs have learned of an entity, or of all: now, or at a position of the log."""
        return known(self._log, entity, as_of)

    def retract(self, run: str, seq: int, reason: str = "") -> Retraction:
        """Take back a record (a tool's result, a fact, a memory) and what derives from it.

        That is every fact and every memory that was stored by somebody who had seen it.

        What had used it is in the answer. Raises UsageError for a record that there is not.
        """
        return retract(self._log, run, seq, reason)

    def promote(self, run: str, reason: str = "") -> None:
        """Let what a fork has learned and stored so far count, as any other run's does.

        Until then it stays in the fork, and in the runs that the fork started. Raises UsageError
        for a run that is no fork.
        """
        promote(self._log, find_run(self._log, run), reason)

    def remember(
        self,
        text: str,
        namespace: str,
        *,
        metadata: Mapping[str, str] | None = None,
        importance: float = 0.5,
    ) -> str:
        """Have a namespace (a user, a customer, a project) remember a text; the memory's id.

        `metadata` is for filters, `importance` is from 0 to 1. Raises UsageError.
        """
        return self._memories.remember(text, namespace, metadata or {}, importance)

    def remember_all(self, memories: Iterable[NewMemory | str], namespace: str) -> list[str]:
        """Remember many texts at once, thousands a second; their ids, in order."""
        new = [NewMemory(each) if isinstance(each, str) else each for each in memories]
        return self._memories.remember_all(new, namespace)

    def recall(
        self,
        query: str,
        namespace: str,
        *,
        limit: int = 5,
        metadata: Mapping[str, str] | None = None,
        since: int | None = None,
        until: int | None = None,
        ranking: Ranking = BY_RANK,
    ) -> list[MemoryHit]:
        """The memories of one namespace that share words or meaning with the query, best first.

        `metadata` must be theirs; they were stored from `since` on and before `until` (microseconds
        since the epoch); `ranking` says what counts how much.
        """
        return self._memories.recall(
            query, namespace, limit, metadata, ranking=ranking, since=since, until=until
        )

    def forget(self, memory: str, reason: str = "") -> None:
        """Recall a memory no more; it stays in the log. Raises UsageError."""
        self._memories.forget(memory, reason)
