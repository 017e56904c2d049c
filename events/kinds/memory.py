"""What a run remembers and learns: its context compressed, facts, facts taken back."""

from typing import Literal

from pydantic import Field

from playhead.events.event import Data, Event, Intent, Outcome
from playhead.events.kinds.facts import KnownFact


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


class MemoryRecalled(Outcome):
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


class RecallRequested(Intent):
    """Before its first step the run asks what its namespace remembers of the goal."""

    OUTCOMES = (MemoryRecalled,)

    kind: Literal["recall_requested"] = "recall_requested"
    namespace: str
    query: str
    limit: int


class MemoryForgotten(Event):
    """A memory is not to be recalled any more; it stays in the log."""

    kind: Literal["memory_forgotten"] = "memory_forgotten"
    id: str
    namespace: str
    reason: str = ""


class Embedded(Outcome):
    """The vectors of the memories that were asked for, or why there are none."""

    kind: Literal["embedded"] = "embedded"
    vectors: str = ""
    """Base64 of little-endian float16 of unit length, one memory after the other, as requested."""
    error: str | None = None


class EmbedRequested(Intent):
    """Memories of a namespace are given vectors by one embedder; lies in memory/NAMESPACE."""

    OUTCOMES = (Embedded,)

    kind: Literal["embed_requested"] = "embed_requested"
    memories: tuple[str, ...]
    """Their ids, wherever they are stored."""
    embedder: str
    version: str
    dimensions: int
