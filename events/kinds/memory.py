"""What a run recalls from its namespace's memories, and how they are stored and forgotten."""

from typing import Literal

from pydantic import Field

from playhead.events.event import Data, Event, Intent, Outcome
from playhead.events.kinds.facts import KnownFact


class MemoryStored(Event):
    """A memory was stored for a namespace, across runs, by a person, a program or a run's tool."""

    kind: Literal["memory_stored"] = "memory_stored"
    id: str
    namespace: str
    text: str
    metadata: dict[str, str] = Field(default_factory=dict)
    """Used by filters."""
    importance: float = 0.5
    """From 0 to 1."""
    fork: str | None = None
    """The fork that keeps the memory to itself until it is promoted."""
    said_at: int | None = None
    """When it was true or said, in microseconds since the epoch; None: when it was stored."""
    said_by: str = ""
    supersedes: tuple[str, ...] = ()
    """The ids of older memories of the namespace that are out of date now."""


class Recalled(Data):
    """A memory as a search found it."""

    id: str
    text: str
    score: float
    """Higher means more similar; comparable only within that search."""
    at: int
    """When it was stored: microseconds since the epoch."""
    run: str
    """The stream of its MemoryStored: a run, or memory/NAMESPACE."""
    seq: int
    """The seq of its MemoryStored."""
    said_at: int | None = None
    """When it was true or said, if that is not when it was stored."""
    said_by: str = ""
    times: int = 1
    """How many memories say the same; this is the newest of them."""
    superseded: bool = False
    """A newer memory says that it is out of date."""


class MemoryRecalled(Outcome):
    """The result of a search. Finding nothing, or an error, does not stop a run."""

    kind: Literal["memory_recalled"] = "memory_recalled"
    memories: tuple[Recalled, ...] = ()
    """Most similar first."""
    facts: tuple[KnownFact, ...] = ()
    """Facts learned by runs of the namespace, newest first."""
    position: int = 0
    """The log position that the index had reached."""
    error: str | None = None
    duration_ms: float | None = None


class RecallRequested(Intent):
    """Before its first step the run asks what its namespace remembers about the goal."""

    OUTCOMES = (MemoryRecalled,)

    kind: Literal["recall_requested"] = "recall_requested"
    namespace: str
    query: str
    limit: int
    tokens: int = 0
    """The room for what is found; 0: what the context has."""


class MemoryForgotten(Event):
    """A memory is no longer recalled; it stays in the log."""

    kind: Literal["memory_forgotten"] = "memory_forgotten"
    id: str
    namespace: str
    reason: str = ""


class NamespaceForgotten(Event):
    """Nothing that a namespace remembered or learned is recalled any more; it stays in the log."""

    kind: Literal["namespace_forgotten"] = "namespace_forgotten"
    namespace: str
    reason: str = ""


class Embedded(Outcome):
    """The vectors of the requested memories, or why there are none."""

    kind: Literal["embedded"] = "embedded"
    vectors: str = ""
    """Base64 of little-endian float16 vectors of unit length, in the order requested."""
    error: str | None = None


class EmbedRequested(Intent):
    """One embedder computes vectors for memories of a namespace; stored in memory/NAMESPACE."""

    OUTCOMES = (Embedded,)

    kind: Literal["embed_requested"] = "embed_requested"
    memories: tuple[str, ...]
    """Their ids, regardless of the stream that holds them."""
    embedder: str
    version: str
    dimensions: int
