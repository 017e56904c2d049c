"""When the next attempt may start: exponential backoff, with jitter derived from the record."""

from hashlib import sha256

from playhead.events.record import Record
from playhead.events.spec.tool import Retry


def not_before(failed: Record, attempt: int, retry: Retry, asked: float | None) -> int:
    """Microseconds since the epoch before which the next attempt does not start.

    Equal jitter: half of base * 2^(attempt-1), capped, plus up to the other half. The jitter
    derives from (run, seq), so replay finds the same time. A delay that the server asks for
    (seconds) is honoured up to the cap.
    """
    wait = jittered(failed, min(retry.cap, retry.base * 2 ** (attempt - 1)))
    if asked is not None:
        wait = max(wait, min(asked, retry.cap))
    return failed.at + int(wait * 1_000_000)


def jittered(failed: Record, full: float) -> float:
    """Half of `full`, plus a part of the other half that depends only on the record."""
    seed = sha256(f"{failed.run}:{failed.seq}".encode()).digest()
    return full / 2 + full / 2 * (int.from_bytes(seed[:4]) / 2**32)
