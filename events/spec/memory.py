"""An agent's memory settings, as data: the thresholds and the schema that RunStarted records."""

from typing import NamedTuple

from playhead.events.event import Data, Json


class FactSchema(Data):
    """Which facts about an entity to learn: the user's Pydantic model, as data."""

    name: str
    """The model's name: what kind of thing the facts are about."""
    json_schema: dict[str, Json]
    """JSON schema of the model (an object); each property is a fact."""
    entity: str = ""
    """The entity that the facts are about; empty if the model names it."""


class Scope(NamedTuple):
    """What a run may recall, and where its memories are stored."""

    namespace: str = ""
    forks: tuple[str, ...] = ()
    """The forks that it is, or was started by; it also sees what they keep to themselves."""

    @property
    def fork(self) -> str | None:
        """The fork in which its facts and memories stay."""
        return self.forks[-1] if self.forks else None


NO_MEMORY = Scope()
"""The scope of a run without a namespace."""


class MemoryRules(Data):
    """The three layers: what stays in the context, what is recalled, what is learned."""

    keep_turns: int = 4
    """The last rounds (a reply and its results) that stay verbatim when older ones are compressed;
    fewer if even these do not fit."""
    compress_at: int = 100_000
    """Upper bound of a request's tokens from which on its older turns are compressed first; 0 for
    never."""
    clear_over: int = 4000
    """Bytes from which on an older tool result is cleared, before anything is summarised."""
    summary_tokens: int = 1024
    """The maximum length of a summary, in tokens."""
    facts: FactSchema | None = None
    """What is extracted after the answer; None for nothing."""
    namespace: str = ""
    """Whose memory the runs read and write: a user, a customer, a project; empty for none."""
    recall: int = 5
    """Memories that a run receives before its first step, at most; 0 for none."""
    recall_tokens: int = 0
    """The room for them, filled by what is nearest; 0 for about 2,000 tokens."""
