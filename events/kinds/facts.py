"""Facts: learned from a run, retracted, promoted from a fork."""

from typing import Literal

from playhead.events.event import Data, Event, Json


class AnswerReached(Event):
    """The run has its answer; before it ends, facts are extracted from it."""

    kind: Literal["answer_reached"] = "answer_reached"
    answer: str
    output: Json = None


class FactLearned(Event):
    """Something was explicitly stated about an entity; a later value supersedes it."""

    kind: Literal["fact_learned"] = "fact_learned"
    schema_name: str
    """The name of the user's model that defines this field."""
    entity: str
    field: str
    value: Json = None
    sources: tuple[int, ...]
    """The records of this run that state it."""
    quote: str = ""
    """The words that state it."""
    confidence: float
    namespace: str = ""
    """The namespace that the run works for; later runs in it receive the fact."""
    fork: str | None = None
    """The fork that keeps the fact to itself until it is promoted."""


class ExtractionEnded(Event):
    """All facts from the run are recorded; it may end."""

    kind: Literal["extraction_ended"] = "extraction_ended"
    learned: int
    refused: int = 0
    """Facts that the model gave without a source or that violate the schema."""
    error: str | None = None


class RecordRef(Data):
    """One record."""

    run: str
    seq: int


class FactRetracted(Event):
    """Someone retracted a record, and with it every fact derived from it."""

    kind: Literal["fact_retracted"] = "fact_retracted"
    run: str
    seq: int
    """A fact, or a source of facts: a tool's result or a message."""
    reason: str = ""
    facts: tuple[RecordRef, ...] = ()
    """The retracted facts."""
    influenced: tuple[RecordRef, ...] = ()
    """The replies, calls and answers that had used it."""
    memories: tuple[str, ...] = ()
    """Memories stored from it; they are no longer recalled."""


class LearningsPromoted(Event):
    """What a fork has learned and stored so far becomes visible, like that of any other run."""

    kind: Literal["learnings_promoted"] = "learnings_promoted"
    run: str
    """The fork; the runs that it started are promoted with it."""
    reason: str = ""


class KnownFact(Data):
    """A fact as it was known when it was recalled."""

    entity: str
    field: str
    value: Json = None
    run: str
    seq: int
    """The seq of its FactLearned."""
