"""The context: one step's messages, kept ready to send.

Format 1. The stable part is a list of messages as JSON that only grows, with a running hash, so a
longer request shares the shorter one's bytes. What changes every turn (the restated goal) is only
at the end of the last message. Facts and memories from earlier work are in the first message,
before the goal, and stay there through every compression. At every moment the request is valid for
the Messages API: each tool_use is followed by its tool_result, with a substitute if there is none
yet.

For the prompt cache, the last stable block carries a mark, and so does the block that was last in
the previous request: the first is written, the second is found again, however many blocks came
since. The marks move, but the marked blocks do not change, and the API ignores marks in comparison.

Each block's source record is known. Older messages may be replaced as ContextCompressed says; then
the stable part starts over and grows again from there.
"""

from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Any, Literal

from pydantic_core import to_json

from playhead.events.event import Block, Event, Json
from playhead.events.kinds.context import ContextCompressed
from playhead.events.kinds.tool_calls import ToolRequested
from playhead.events.model_api import Request
from playhead.events.spec.agent import AgentSpec
from playhead.events.spec.memory import MemoryRules
from playhead.events.spec.routing import Target
from playhead.projections.prompt.compression import (
    CompressionPlan,
    ContextPiece,
    cleared,
    plan,
    summary_block,
    summary_request,
)
from playhead.projections.prompt.head import RequestHead
from playhead.projections.prompt.token_bound import OVERHEAD, token_upper_bound
from playhead.projections.prompt.tool_result import SHOWN, RenderedResult, result_block

CONTEXT_FORMAT = 1
"""A released format is frozen; a change becomes a new format beside it."""

GOAL_CHARS = 1000
"""A longer goal is shortened where it is restated; its full text is in the first message."""

EMPTY_REPLY = "Your last reply was empty. Answer the goal, or call a tool."

NOT_RUN = "This call was not run: the reply that asked for it was superseded."


class Context:
    """The messages of one step, folded from its records."""

    __slots__ = (
        "_awaited", "_before", "_bound", "_digest", "_goal", "_goal_index", "_last_role", "_next",
        "_reminder", "_request", "_said", "_sent", "containers", "head", "messages", "pieces",
        "run",
    )  # fmt: skip

    def __init__(
        self,
        head: RequestHead,
        goal: str,
        past: "Context | None" = None,
        content: Iterable[Block] = (),
        recalled: Sequence[tuple[Block, int]] = (),
        *,
        history: Iterable[Block] = (),
        ordered: bool = False,
        run: str = "",
        seq: int = 0,
    ) -> None:
        """Start with the past's messages, if any, and the goal as a user message.

        Args:
            head: what precedes the messages, from `render_head`.
            goal: the first message, restated in later requests.
            past: the context at the end of the session's last run.
            content: images and documents that belong to the goal.
            recalled: facts and memories, before the goal; each with its record.
            history: messages from elsewhere, after the past's.
            ordered: whether the content says the goal, in its place among the other blocks.
            run: the run that it belongs to.
            seq: the record that contains the goal.
        """
        self.head = head
        self.run = run
        self.containers: dict[str, Json] = {}
        """The API's containers of the run that it belongs to, for the session's next run."""
        self.messages: list[bytes] = []
        """Stable messages as JSON; only ever appended to, until they are compressed."""
        self.pieces: list[ContextPiece] = []
        """What is known about each of them."""
        self._bound = 0
        self._digest = sha256()
        self._before = self._digest
        self._goal = goal
        self._reminder = b"," + to_json(_reminder(goal))
        self._next: tuple[bytes, ContextPiece] | Literal["unmade"] | None = None
        """The result of `pending`, until something is added to it."""
        self._request: tuple[RequestHead, str, Request] | None = None
        """The result of `request`, until anything changes."""
        self._said: list[tuple[Block, int]] = []
        self._awaited: list[_Awaited] = []
        self._last_role = ""
        self._sent: tuple[int, int] = (-1, past._sent[1] if past is not None else -1)
        """The last messages of the last two different requests, by index."""
        for message, piece in past.closed() if past is not None else ():
            self._add(message, piece)
        for said in history:
            blocks: list[Any] = [_unmarked(block) for block in said["content"]]  # type: ignore[union-attr, arg-type]
            self._push(str(said["role"]), blocks, [seq] * len(blocks))
        given = [(_unmarked(block), seq) for block in content]
        if ordered:
            given = [*recalled, *given]
        else:
            given += [*recalled, (_text(goal if goal.strip() else "(no goal)"), seq)]
        self._push("user", [block for block, _ in given], [source for _, source in given])
        self._goal_index = len(self.messages) - 1

    def assistant(self, content: Iterable[Block], seq: int = 0) -> None:
        """The model's reply, without blocks that the API would reject when sent back.

        What was said since its request was sent comes after it: the model has not read that yet.
        """
        blocks = sent_back(content)
        if blocks:
            self._push("assistant", blocks, [seq] * len(blocks))
            uses = (b for b in blocks if b.get("type") == "tool_use")
            self._awaited = [_Awaited(str(b.get("id", "")), seq) for b in uses]
        else:
            self._said.append((_text(EMPTY_REPLY), seq))
        self._next, self._request = "unmade", None

    def replace_reply(self, text: str, seq: int) -> None:
        """Put another text in the place of the model's reply of that record."""
        kept, block = self.closed(), _text(text)
        for index, (_, piece) in enumerate(zip(self.messages, self.pieces, strict=True)):
            if piece.role == "assistant" and piece.sources[:1] == (seq,):
                message, goal = _message("assistant", [block]), self.messages[self._goal_index]
                bound = token_upper_bound([block], message)
                kept[index] = message, ContextPiece("assistant", bound, self.run, (seq,))
                self._begin_anew(kept[: len(self.messages)], goal)
                return

    def user(self, text: str, content: Iterable[Block] = (), seq: int = 0) -> None:
        """A statement by or on behalf of the user; sent with the next request."""
        self._said += [(_unmarked(block), seq) for block in content]
        if text.strip():
            self._said.append((_text(text), seq))
        self._next, self._request = "unmade", None

    def requested(self, call: int, event: ToolRequested) -> None:
        """The call requested by one of the last reply's tool_use blocks."""
        for awaited in self._awaited:
            if awaited.call is None and awaited.use == event.use:
                awaited.call = call
                return

    def resulted(
        self, call: int, outcome: Event, seq: int = 0, shown: RenderedResult = SHOWN
    ) -> None:
        """The outcome of a call."""
        for awaited in self._awaited:
            if awaited.call == call:
                awaited.block = result_block(awaited.use, outcome, shown)
                awaited.seq, awaited.key = seq, shown.key
        self._next, self._request = "unmade", None

    def request(self, model: str, head: RequestHead | None = None) -> Request:
        """The request as it would be sent now. Costs only what was added since the last one.

        `head` is the model's head, if it is not the one that the context began with.
        """
        head = head or self.head
        made = self._request
        if made is None or made[0] is not head or made[1] != model:
            made = self._request = head, model, self._rendered(model, head)
        return made[2]

    def bound(self, head: RequestHead) -> int:
        """Upper bound of the tokens of the current request with this head."""
        pending = self.pending()
        count = len(self.messages) - (pending is None)
        ends_in_user = pending is not None or self._last_role == "user"
        own = self._bound + (0 if pending is None else pending[1].bound)
        if ends_in_user and count > self._goal_index:
            own += len(self._reminder)
        return len(head.content) + own + OVERHEAD

    def _rendered(self, model: str, head: RequestHead) -> Request:
        pending = self.pending()
        if pending is not None:
            count, digest, last = len(self.messages), self._digest.copy(), pending[0]
        elif self._last_role == "user":
            count, digest, last = len(self.messages) - 1, self._before.copy(), self.messages[-1]
        else:
            count, digest, last = len(self.messages), self._digest.copy(), b""
        reminder = self._reminder if last and count > self._goal_index else b""
        digest.update(last + reminder)
        digest.update(head.digest)
        tail = _marked(last, head.mark)[:-2] + reminder + b"]}" if last else b""
        return Request(
            head.content, self.messages, count, tail, digest.hexdigest(), model, head.endpoint,
            self.bound(head), self._marked_before(count, head.mark),
        )  # fmt: skip

    def _marked_before(self, count: int, mark: bytes) -> tuple[int, bytes] | None:
        """The last message of the previous request, marked again."""
        before, last = self._sent
        index = last if last < count else before if before < count else -1
        return (index, _marked(self.messages[index], mark)) if mark and index >= 0 else None

    def settle(self) -> None:
        """Make pending messages stable: a request that contains them was sent.

        That request renders the same afterwards, so the one already decided on is kept for sending.
        """
        made = self._request
        self._absorb()
        last = len(self.messages) - 1
        if self._last_role == "user" and last != self._sent[1]:
            self._sent = (self._sent[1], last)
        self._request = made

    def _absorb(self) -> None:
        pending = self.pending()
        self._awaited.clear()
        self._said.clear()
        self._next = None
        if pending is not None:
            self._add(*pending)
            self._last_role = "user"

    def closed(self) -> list[tuple[bytes, ContextPiece]]:
        """The messages as another run's past: every tool_use with its result."""
        kept = list(zip(self.messages, self.pieces, strict=True))
        pending = self.pending()
        return kept if pending is None else [*kept, pending]

    def pending(self) -> tuple[bytes, ContextPiece] | None:
        """What the next request adds as a user message: results, and statements."""
        if self._next == "unmade":
            self._next = self._pending()
        return self._next

    def _pending(self) -> tuple[bytes, ContextPiece] | None:
        blocks = [awaited.result() for awaited in self._awaited]
        seqs = [awaited.seq for awaited in self._awaited]
        for block, seq in self._said:
            blocks.append(block)
            seqs.append(seq)
        if not blocks:
            return None
        message = _message("user", blocks)
        return message, ContextPiece(
            "user", token_upper_bound(blocks, message), self.run, tuple(seqs),
            tuple([awaited.key for awaited in self._awaited]),
        )  # fmt: skip

    def plan(self, tokens: int, rules: MemoryRules) -> CompressionPlan | None:
        """How a request of `tokens` would be compressed; None if it cannot be."""
        return plan(self.messages, self.pieces, (self._goal_index,), tokens, rules)

    def summary_request(self, agent: AgentSpec, target: Target, upto: int) -> Request:
        """The request for a summary of the messages before `upto`, without the goal."""
        older = [m for n, m in enumerate(self.messages[:upto]) if n != self._goal_index]
        return summary_request(agent, target, older, self._goal)

    def compress(self, event: ContextCompressed, seq: int) -> None:
        """Replace the older messages. The goal moves to the front if it is among them."""
        kept = list(zip(self.messages, self.pieces, strict=True))
        older, rest = kept[: event.upto], kept[event.upto :]
        goal = kept[self._goal_index]
        if event.clears is not None:
            if event.summary is None:
                older = [_cleared(each, event.clears) for each in older]
            else:
                rest = [_cleared(each, event.clears) for each in rest]
        if event.summary is not None:
            block = summary_block(event.summary)
            message = _message("user", [block])
            said = (
                message,
                ContextPiece("user", token_upper_bound([block], message), self.run, (seq,)),
            )
            older = [goal, said] if self._goal_index < event.upto else [said]
        self._begin_anew([*older, *rest], goal[0])

    def _begin_anew(self, kept: Sequence[tuple[bytes, ContextPiece]], goal: bytes) -> None:
        self.messages, self.pieces, self._bound = [], [], 0
        self._digest = self._before = sha256()
        self._sent, self._request = (-1, -1), None
        for message, piece in kept:
            if message is goal:
                self._goal_index = len(self.messages)
            self._add(message, piece)

    def _push(self, role: str, blocks: list[Block], seqs: Sequence[int]) -> None:
        message = _message(role, blocks)
        self._add(
            message, ContextPiece(role, token_upper_bound(blocks, message), self.run, tuple(seqs))
        )
        self._last_role = role

    def _add(self, message: bytes, piece: ContextPiece) -> None:
        self.messages.append(message)
        self.pieces.append(piece)
        self._bound += piece.bound
        self._before = self._digest.copy()
        self._digest.update(message)
        self._request = None


class _Awaited:
    """A tool_use of the last reply, and its result once it exists."""

    __slots__ = ("block", "call", "key", "seq", "use")

    def __init__(self, use: str, seq: int) -> None:
        self.use = use
        self.key = ""
        self.seq = seq
        """The record of its result; until then, the record of the reply that requested it."""
        self.call: int | None = None
        """The seq of its ToolRequested, once it exists."""
        self.block: Block | None = None

    def result(self) -> Block:
        return self.block or {
            "type": "tool_result",
            "tool_use_id": self.use,
            "content": NOT_RUN,
            "is_error": True,
        }


def _message(role: str, blocks: list[Block]) -> bytes:
    return to_json({"role": role, "content": blocks})


def _reminder(goal: str) -> Block:
    shown = goal if len(goal) <= GOAL_CHARS else f"{goal[:GOAL_CHARS]} [...]"
    return _text(f"<goal>\n{shown}\n</goal>")


def sent_back(reply: Iterable[Block]) -> list[Block]:
    """A reply's blocks without blank text and final thinking: the API answers 400 to both."""
    blocks = [b for b in reply if b.get("type") != "text" or str(b.get("text", "")).strip()]
    while blocks and blocks[-1].get("type") in ("thinking", "redacted_thinking"):
        blocks.pop()
    return blocks


def _text(text: str) -> Block:
    return {"type": "text", "text": text}


def _unmarked(block: Block) -> Block:
    """Prompt cache marks are set only here: the API accepts at most four."""
    return {key: value for key, value in block.items() if key != "cache_control"}


def _marked(message: bytes, mark: bytes) -> bytes:
    """The message with a mark in its last block, which ends with the block's brace and `]}`."""
    return message[:-3] + mark + b"}]}" if mark else message


def _cleared(kept: tuple[bytes, ContextPiece], over: int) -> tuple[bytes, ContextPiece]:
    message, piece = kept
    smaller = cleared(message, piece, over)
    if smaller is message:
        return kept
    return smaller, piece._replace(bound=max(1, piece.bound - len(message) + len(smaller)))
