"""A rendered model request, the reply, and the protocol between the executor and a model."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

from playhead.events.event import Block, Json
from playhead.events.usage import Usage


@dataclass(frozen=True, slots=True)
class Request:
    """One request to the Messages API, already rendered to JSON.

    The stable prefix is kept as bytes, piece by piece: a longer request of the same step shares the
    pieces of the shorter one byte for byte, so encoding and hashing continue where they stopped.
    It does not contain `stream`: the model's client chooses how the reply is transferred.
    """

    head: bytes
    """The JSON object up to and including `"messages":[`."""
    messages: Sequence[bytes]
    """The stable messages, each as JSON; only the first `count` belong to this request."""
    count: int
    tail: bytes
    """The last message, as JSON: it carries what changes on each turn. May be empty."""
    hash: str
    """SHA-256 (hex) over all of the above, without the prompt cache marks in messages."""
    model: str
    endpoint: str = ""
    """The endpoint to send it to; empty for the Runtime's own."""
    bound: int = 0
    """An upper bound of the tokens that the API will count for all of the above."""
    marked: tuple[int, bytes] | None = None
    """A stable message's index, and the message with a prompt cache mark in it."""

    @property
    def content(self) -> bytes:
        """The body of the HTTP request."""
        pieces = list(self.messages[: self.count])
        if self.marked is not None:
            pieces[self.marked[0]] = self.marked[1]
        if self.tail:
            pieces.append(self.tail)
        return self.head + b",".join(pieces) + b"]}"

    @property
    def body(self) -> dict[str, Any]:
        """The body as Python values."""
        body: dict[str, Any] = json.loads(self.content)
        return body


@dataclass(frozen=True, slots=True)
class Reply:
    """A complete reply: message_stop arrived and every tool input was parsed."""

    content: tuple[Block, ...]
    stop_reason: str
    usage: Usage
    model: str
    request_id: str | None = None
    envelope: Mapping[str, Json] = field(default_factory=dict[str, Json])
    """The other fields of the provider's reply, verbatim (see events/envelope.py)."""


OnText: TypeAlias = Callable[[str], None]
"""Called with each piece of text as it streams in; these pieces are not events."""


@dataclass(frozen=True, slots=True)
class BatchJob:
    """A request that a batch is to answer."""

    id: str
    """Its id in a batch: the same however often it is asked about."""
    batch: str
    """The batch that holds it; empty if that is not known."""
    since: int | None = None
    """Look first for a batch that was made from then on: an earlier attempt may have made it.
    Microseconds since the epoch; None if nothing was submitted before."""
    cancel: bool = False
    """Cancel the batch first, unless it has ended: the reply is no longer wanted."""


class Model(Protocol):
    """Something that answers requests. The real one is the anthropic SDK."""

    async def reply(self, request: Request, on_text: OnText) -> Reply:
        """Ask once. Raises ModelError, also for a cut or malformed reply: never a partial Reply."""
        ...

    async def close(self) -> None:
        """Release connections and processes."""
        ...
