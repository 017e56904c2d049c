"""Facts: learned from a run, retracted, promoted from a fork."""

from typing import Literal

from playhead.events.event import Data, Event, Json


class AnswerReached(Event):
    """The run has its answer; before it ends, what it has learned is extracted."""

    kind: Literal["answer_reached"] = "answer_reached"
    answer: str
    output: Json = None


class FactLearned(Event):
    """Something was explicitly said about an entity; a later value supersedes it."""

    kind: Literal["fact_learned"] = "fact_learned"
    schema_name: str
    """The user's model that it is a field of."""
    entity: str
    field: str
    value: Json = None
    sources: tuple[int, ...]
    """The records of this run that say it."""
    quote: str = ""
    """The words that say it."""
    confidence: float
    namespace: str = ""
    """The namespace that the run works for: its later runs are told."""
    fork: str | None = None
    """The fork that it stays in until it is promoted."""


class ExtractionEnded(Event):
    """All that the run has to teach is recorded; it may end."""

    kind: Literal["extraction_ended"] = "extraction_ended"
    learned: int
    refused: int = 0
    """What the model gave without a source, or against the schema."""
    error: str | None = None


class RecordRef(Data):
    """One record."""

    run: str
    seq: int


class FactRetracted(Event):
    """Somebody took a record back, and with it every fact that derives from it."""

    kind: Literal["fact_retracted"] = "fact_retracted"
    run: str
    seq: int
    """A fact, or what facts derive from: a tool's result, a message."""
    reason: str = ""
    facts: tuple[RecordRef, ...] = ()
    """The facts taken back."""
    influenced: tuple[RecordRef, ...] = ()
    """The replies, calls and answers that had used it."""
    memories: tuple[str, ...] = ()
    """The memories that were stored from it: they are recalled no more."""


class LearningsPromoted(Event):
    """What a fork has learned and stored so far counts from here on, as any other run's does."""

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
    """Of its FactLearned."""
