"""Records: an event in its envelope, in two forms.

`Record` is what roles and projections see; `Stored` is what a log keeps: one row, with its payload
as bytes. Logs handle only `Stored`, so records of unknown kinds pass through them unchanged.
"""

from hashlib import sha256
from typing import Literal, NamedTuple, TypeAlias

from pydantic_core import to_json

from playhead.events.event import Event

Origin: TypeAlias = Literal["outside", "effect", "decided"]
"""Where it came from: someone outside, the world answering an intent, or a role's decision."""

Actor: TypeAlias = Literal["user", "runtime", "planner", "executor", "tool", "memory"]
"""Who produced it: a person or program outside, the runtime, or one of the four roles."""

GENESIS = b""
"""The hash before a run's first record."""


class Record(NamedTuple):
    """One event of one run, as the roles see it."""

    run: str
    seq: int
    """Consecutive from 1 within the run."""
    at: int
    """Microseconds since the Unix epoch; never decreases within a run."""
    actor: str
    origin: Origin
    cause: int | None
    """The seq of the record that led to this one; for an outcome, its intent."""
    event: Event
    held: bool = False
    """Folded but not decided on; the turn of the next RunResumed decides it."""
    command: str | None = None
    """The id of the command that produced it, unique in the log."""
    traceparent: str | None = None
    """W3C trace context of the caller, on a run's first record."""
    imported: bool = False
    """It did not happen in this log: it was imported, and this log does not vouch for it."""
    key_id: str | None = None
    """The key that encrypts its payload (data and bodies); None if it is not encrypted."""
    hash: bytes = GENESIS
    position: int = 0
    """The position in the whole log, from 1; 0 until it is committed. Not part of the hash."""


class Stored(NamedTuple):
    """One row of the log. `hash` covers the run's previous hash and every field but `position`.

    The epoch in which it was written is not part of the hash: a log stores that beside the row.
    """

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
    """JSON: field name -> SHA-256 (hex) of the body with the field's JSON; None without bodies."""
    hash: bytes

    def computed_hash(self, previous: bytes) -> bytes:
        """The SHA-256 that this row must have, given the hash of the run's previous record."""
        return chained(previous, self[1:14], self.data, self.bodies)


def chained(
    previous: bytes, envelope: tuple[object, ...], data: bytes, bodies: str | None
) -> bytes:
    """The hash of a row: over the previous hash, its envelope (run to version) and its payload."""
    digest = sha256(previous)
    digest.update(to_json(envelope))
    digest.update(b"%d " % len(data))  # so that no byte can move from one to the other
    digest.update(data)
    if bodies is not None:
        digest.update(bodies.encode())
    return digest.digest()
