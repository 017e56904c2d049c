"""What a run remembers and learns: its context compressed, facts, facts taken back."""

from typing import Literal

from pydantic import Field

from playhead.events.event import Data, Event, Json


class Covered(Data):
    """Records of one run that a compressed part of the context stands for."""

    run: str
    first: int
    last: int


class ContextFilled(Event):
    """The step's next request would pass the threshold: its older turns are compressed first."""

    kind: Literal["context_filled"] = "context_filled"
    step: str
    tokens: int
    """At most so many would have been sent."""
    threshold: int


class ContextCompressed(Event):
    """Older messages of a step are replaced; the goal and the last turns stand as they were."""

    kind: Literal["context_compressed"] = "context_compressed"
    step: str
    upto: int
    """The messages before this one are the older ones."""
    summary: str | None = None
    """What stands in their place; None where clearing their big results was enough."""
    clears: int | None = None
    """Bytes over which the tool results that stay were cleared; None for none."""
    covers: tuple[Covered, ...]
    """The records that the summary, or the cleared results, stand for."""
    error: str | None = None
    """Why there is no better summary, where the model gave none."""


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


class MemoryStored(Event):
    """A namespace is to remember something, across runs: somebody says so, or a run's tool."""

    kind: Literal["memory_stored"] = "memory_stored"
    id: str
    namespace: str
    text: str
    metadata: dict[str, str] = Field(default_factory=dict)
    """For filters."""
    importance: float = 0.5
    """From 0 to 1."""
    fork: str | None = None
    """The fork that it stays in until it is promoted."""


class Recalled(Data):
    """A memory as a search found it."""

    id: str
    text: str
    score: float
    """Higher is nearer; of that search only."""
    at: int
    """When it was stored: microseconds since the epoch."""
    run: str
    """The stream of its MemoryStored: a run, or memory/NAMESPACE."""
    seq: int
    """Of its MemoryStored."""


class KnownFact(Data):
    """A fact as it was known when it was recalled."""

    entity: str
    field: str
    value: Json = None
    run: str
    seq: int
    """Of its FactLearned."""


class RecallRequested(Event):
    """Before its first step the run asks what its namespace remembers of the goal."""

    kind: Literal["recall_requested"] = "recall_requested"
    namespace: str
    query: str
    limit: int


class MemoryRecalled(Event):
    """What was found. Nothing, or an error, stops no run."""

    kind: Literal["memory_recalled"] = "memory_recalled"
    memories: tuple[Recalled, ...] = ()
    """The nearest first."""
    facts: tuple[KnownFact, ...] = ()
    """What runs of the namespace have learned, the newest first."""
    position: int = 0
    """The position in the log that the index had reached."""
    error: str | None = None
    duration_ms: float | None = None


class MemoryForgotten(Event):
    """A memory is not to be recalled any more; it stays in the log."""

    kind: Literal["memory_forgotten"] = "memory_forgotten"
    id: str
    namespace: str
    reason: str = ""


class EmbedRequested(Event):
    """Memories of a namespace are given vectors by one embedder; lies in memory/NAMESPACE."""

    kind: Literal["embed_requested"] = "embed_requested"
    memories: tuple[str, ...]
    """Their ids, wherever they are stored."""
    embedder: str
    version: str
    dimensions: int


class Embedded(Event):
    """The vectors of the memories that were asked for, or why there are none."""

    kind: Literal["embedded"] = "embedded"
    vectors: str = ""
    """Base64 of little-endian float16 of unit length, one memory after the other, as requested."""
    error: str | None = None
