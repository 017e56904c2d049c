"""How an agent remembers, as data: the thresholds and the schema that RunStarted records."""

from typing import NamedTuple

from playhead.events.event import Data, Json


class FactSchema(Data):
    """What is worth knowing about an entity: the user's Pydantic model, as data."""

    name: str
    """The model's name: what kind of thing the facts are about."""
    json_schema: dict[str, Json]
    """JSON schema of the model (an object); each property is a fact."""
    entity: str = ""
    """Whom the facts are about; empty where the model is to say it."""


class Scope(NamedTuple):
    """What a run may recall, and where what it stores goes."""

    namespace: str = ""
    forks: tuple[str, ...] = ()
    """The forks that it is, or was started by: it knows what they keep to themselves."""

    @property
    def fork(self) -> str | None:
        """The fork that what it learns stays in."""
        return self.forks[-1] if self.forks else None


NO_MEMORY = Scope()
"""Of a run without a namespace."""


class MemoryRules(Data):
    """The three layers: what stays in the context, what is recalled, what is learned."""

    keep_turns: int = 4
    """The last rounds (a reply and its results) that stay verbatim when older ones are compressed;
    fewer where even they do not fit."""
    compress_at: int = 100_000
    """Tokens of a request, counted as the most that they can be, from which on its older turns are
    compressed first; 0 for never."""
    clear_over: int = 4000
    """Bytes of an older tool result from which on it is cleared, before anything is summarised."""
    summary_tokens: int = 1024
    """The longest summary."""
    facts: FactSchema | None = None
    """What is extracted after the answer; None for nothing."""
    namespace: str = ""
    """Whose memory the runs read and write: a user, a customer, a project; empty for none."""
    recall: int = 5
    """Memories that a run is told of before its first step; 0 for none."""
