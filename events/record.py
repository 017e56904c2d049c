"""Records: an event in its envelope, in two forms.

`Record` is what roles and projections see; `Stored` is what a log keeps: one row, its payload still
bytes. Logs speak `Stored` only, so a record of a kind unknown here passes through them unharmed.
"""

from hashlib import sha256
from typing import Literal, NamedTuple, TypeAlias

from pydantic_core import to_json

from playhead.events.event import Event

Origin: TypeAlias = Literal["outside", "effect", "decided"]
"""Who brought it: somebody outside, the world answering an intent, or a role deciding."""

Actor: TypeAlias = Literal["user", "runtime", "planner", "executor", "tool", "memory"]

GENESIS = b""
"""The hash before a run's first record."""


ENVELOPE = slice(1, 14)
"""The fields of `Stored` around the payload, from `run` to `version`. The epoch is not one of them:
a take-over changes who may write, not what was written."""


class Record(NamedTuple):
    """One event of one run, as the roles see it."""

    run: str
    seq: int
    """Dense from 1 within the run."""
    at: int
    """Microseconds since the Unix epoch; never goes back within a run."""
    actor: str
    origin: Origin
    cause: int | None
    """The seq of the record that led to this one: for an outcome its intent."""
    event: Event
    held: bool = False
    """Folded but not decided; the turn of the next RunResumed decides it."""
    command: str | None = None
    """The id of the command that brought it, unique in the log."""
    traceparent: str | None = None
    """W3C trace context of the caller, on a run's first record."""
    imported: bool = False
    """It did not happen in this log: somebody brought it in, and nobody here vouches for it."""
    key_id: str | None = None
    """The key that its payload (data and bodies) is encrypted with; None when it is plain."""
    hash: bytes = GENESIS
    position: int = 0
    """The place in the whole log, from 1; 0 until it is committed. Not part of the hash."""


class Stored(NamedTuple):
    """One row of the log. `hash` covers the run's previous hash and every field but `position`."""

    position: int
    run: str
    seq: int
    at: int
    actor: str
    origin: str
    cause: int | None
    held: bool
    command: str | None
    traceparent: str | None
    imported: bool
    key_id: str | None
    kind: str
    version: int
    data: bytes
    """The event as JSON, without its kind and without the fields moved to bodies."""
    bodies: str | None
    """JSON: field name -> SHA-256 (hex) of the body that holds the field's JSON; None without."""
    hash: bytes

    def computed_hash(self, previous: bytes) -> bytes:
        """The SHA-256 that this row must carry, given the hash of the run's record before it."""
        return chained(previous, self[ENVELOPE], self.data, self.bodies)


def chained(
    previous: bytes, envelope: tuple[object, ...], data: bytes, bodies: str | None
) -> bytes:
    """The hash of a row: over the hash before it, its envelope (run to version) and its payload."""
    digest = sha256(previous)
    digest.update(to_json(envelope))
    digest.update(b"%d " % len(data))  # so that no byte can move between the two
    digest.update(data)
    if bodies is not None:
        digest.update(bodies.encode())
    return digest.digest()
