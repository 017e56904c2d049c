"""What a runtime's log has learned and is told to remember, across its runs."""

from collections.abc import Mapping

from playhead.events.log import Log
from playhead.facts import Retraction, known, retract
from playhead.memories import Memories
from playhead.projections.facts import Fact
from playhead.projections.recall import Memory


class Remembering:
    """The part of a Runtime that needs no run: facts and namespaces of a log."""

    _log: Log
    _memories: Memories

    def facts(self, entity: str | None = None, as_of: int | None = None) -> list[Fact]:
        """What the runs have learned of an entity, or of all: now, or at a position of the log."""
        return known(self._log, entity, as_of)

    def retract(self, run: str, seq: int, reason: str = "") -> Retraction:
        """Take back a record (a fact, a tool's result) and every fact that derives from it.

        What had used it is in the answer. Raises UsageError for a record that there is not.
        """
        return retract(self._log, run, seq, reason)

    def remember(
        self,
        text: str,
        namespace: str,
        *,
        metadata: Mapping[str, str] | None = None,
        importance: float = 0.5,
    ) -> str:
        """Have a namespace (a user, a customer, a project) remember a text; the memory's id."""
        return self._memories.remember(text, namespace, metadata or {}, importance)

    def recall(
        self,
        query: str,
        namespace: str,
        *,
        limit: int = 5,
        metadata: Mapping[str, str] | None = None,
    ) -> list[Memory]:
        """The memories of one namespace that share words with the query, the nearest first."""
        return self._memories.recall(query, namespace, limit, metadata or {})

    def forget(self, memory: str, reason: str = "") -> None:
        """Recall a memory no more; it stays in the log. Raises UsageError."""
        self._memories.forget(memory, reason)
