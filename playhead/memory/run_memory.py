"""What a run is told of its namespace: memories from the index, facts from what was learned."""

from collections.abc import Mapping

from playhead.events.kinds.facts import KnownFact
from playhead.events.kinds.memory import MemoryRecalled, Recalled
from playhead.events.log.contract import Reader
from playhead.events.spec.memory import Scope
from playhead.memory.facts import facts_view
from playhead.memory.search import Recollection
from playhead.projections.memory.facts import find_facts

FACTS = 20
"""So many facts at most, the newest first."""


class RunMemory:
    """Searches for the runs of one log; for any thread."""

    def __init__(self, log: Reader, memories: Recollection) -> None:
        self._log = log
        self._memories = memories

    def memories(
        self, scope: Scope, query: str, limit: int, metadata: Mapping[str, str] | None = None
    ) -> MemoryRecalled:
        """What the namespace remembers that is nearest to the query."""
        found = self._memories.recall(query, scope.namespace, limit, metadata, scope.forks)
        recalled = [
            Recalled(id=m.id, text=m.text, score=m.score, at=m.at, run=m.run, seq=m.seq)
            for m in found
        ]
        return MemoryRecalled(memories=tuple(recalled), position=self._memories.reached)

    def all(self, scope: Scope, query: str, limit: int) -> MemoryRecalled:
        """That, and the facts that runs of the namespace have learned."""
        found = self.memories(scope, query, limit)
        with facts_view(self._log) as views:
            known = find_facts(
                views.connection, namespace=scope.namespace, forks=scope.forks, as_of=found.position
            )
        newest = sorted(known, key=lambda fact: -fact.position)[:FACTS]
        facts = [
            KnownFact(entity=f.entity, field=f.field, value=f.value, run=f.run, seq=f.seq)
            for f in newest
        ]
        return found.model_copy(update={"facts": tuple(facts)})
