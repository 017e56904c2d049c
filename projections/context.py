"""The context: one step's messages, kept ready to be sent.

Format 1. The stable part is a list of messages as JSON that only grows, with a running hash, so a
longer request shares the shorter one's bytes. What changes every turn (the goal, restated) stands
at the end of the last message only. At every moment the request is valid for the Messages API:
each tool_use is followed by its tool_result, made up where there is none.
"""

from collections.abc import Iterable
from hashlib import sha256

from pydantic_core import to_json

from playhead.events.event import Block, Event
from playhead.events.request import Request
from playhead.events.spec import AgentSpec
from playhead.events.tool_calls import ToolRequested
from playhead.projections.results import result_block

CONTEXT_FORMAT = 1
"""A released format is frozen; a change is a new format beside it."""

GOAL_CHARS = 1000
"""A longer goal is cut where it is restated; its full text is in the first message."""

EMPTY_REPLY = "Your last reply was empty. Answer the goal, or call a tool."

NOT_RUN = "This call was not run: the reply that asked for it was superseded."


class Context:
    """The messages of one step, folded from its records."""

    __slots__ = (
        "_awaited", "_before", "_digest", "_goal", "_goal_index", "_last_role", "_texts",
        "head", "messages", "size",
    )  # fmt: skip

    def __init__(self, head: bytes, goal: str, past: "Context | None" = None) -> None:
        """Start with the past's messages, if any, and the goal as the user's.

        Args:
            head: the request's JSON up to and including `"messages":[`, from `render_head`.
            goal: what is to be reached; the first message, restated in later requests.
            past: the context with which the session's last run ended.
        """
        self.head = head
        self.messages: list[bytes] = []
        """Stable messages as JSON; they are only ever added to."""
        self.size = len(head)
        """Bytes of head and stable messages: an upper bound of their tokens."""
        self._digest = sha256(head)
        self._before = self._digest
        self._goal = goal
        self._texts: list[str] = []
        self._awaited: list[_Awaited] = []
        self._last_role = ""
        for message in past.closed() if past is not None else ():
            self._add(message)
        self._push("user", [{"type": "text", "text": goal or "(no goal)"}])
        self._goal_index = len(self.messages) - 1

    def assistant(self, content: Iterable[Block]) -> None:
        """The model's reply. Blocks that the API would refuse back (empty text) are left out."""
        self.settle()
        blocks = [b for b in content if b.get("type") != "text" or b.get("text")]
        if blocks:
            self._push("assistant", blocks)
            uses = (b for b in blocks if b.get("type") == "tool_use")
            self._awaited = [_Awaited(str(b.get("id", ""))) for b in uses]
        else:
            self._texts.append(EMPTY_REPLY)

    def user(self, text: str) -> None:
        """Something the user, or the runtime on its behalf, says; it goes out with what is next."""
        self._texts.append(text)

    def requested(self, call: int, event: ToolRequested) -> None:
        """The wish for one of the last reply's tool_use blocks."""
        for awaited in self._awaited:
            if awaited.call is None and awaited.use == event.use:
                awaited.call = call
                return

    def resulted(self, call: int, outcome: Event) -> None:
        """What became of a call."""
        for awaited in self._awaited:
            if awaited.call == call:
                awaited.block = result_block(awaited.use, outcome)

    def request(self, model: str) -> Request:
        """The request as it would be sent now. Costs what was added since the last one."""
        pending = self._pending()
        if pending:
            count, digest, last = len(self.messages), self._digest.copy(), pending
        elif self._last_role == "user":
            count, digest, last = len(self.messages) - 1, self._before.copy(), self.messages[-1]
        else:
            count, digest, last = len(self.messages), self._digest.copy(), b""
        if last and count > self._goal_index:
            last = last[:-2] + b"," + to_json(self._reminder()) + b"]}"
        digest.update(last)
        return Request(self.head, self.messages, count, last, digest.hexdigest(), model)

    def settle(self) -> None:
        """What was pending is stable from now on: a request went out with it."""
        pending = self._pending()
        self._awaited.clear()
        self._texts.clear()
        if pending:
            self._add(pending)
            self._last_role = "user"

    def closed(self) -> list[bytes]:
        """The messages as another run's past: every tool_use with its result."""
        pending = self._pending()
        return [*self.messages, pending] if pending else self.messages

    def _pending(self) -> bytes:
        blocks: list[Block] = [awaited.result() for awaited in self._awaited]
        blocks += [{"type": "text", "text": text} for text in self._texts if text]
        return _message("user", blocks) if blocks else b""

    def _reminder(self) -> Block:
        goal = self._goal
        short = goal if len(goal) <= GOAL_CHARS else goal[:GOAL_CHARS] + " [...]"
        return {"type": "text", "text": f"<goal>\n{short}\n</goal>"}

    def _push(self, role: str, blocks: list[Block]) -> None:
        self._add(_message(role, blocks))
        self._last_role = role

    def _add(self, message: bytes) -> None:
        self.messages.append(message)
        self.size += len(message)
        self._before = self._digest.copy()
        self._digest.update(message)


class _Awaited:
    """A tool_use of the last reply, and its result once there is one."""

    __slots__ = ("block", "call", "use")

    def __init__(self, use: str) -> None:
        self.use = use
        self.call: int | None = None
        """The seq of its ToolRequested, once there is one."""
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


def render_head(agent: AgentSpec, model: str) -> bytes:
    """The request's JSON up to its messages: the same bytes for every request of a run."""
    fields: dict[str, object] = {
        "model": model,
        "max_tokens": agent.model.max_tokens,
        "system": agent.instructions,
        "tools": [
            {"name": t.name, "description": t.description, "input_schema": t.input_schema}
            for t in agent.tools
        ],
        **agent.model.extra,
    }
    if agent.output_schema is not None:
        fields["output_config"] = {"format": {"type": "json_schema", "schema": agent.output_schema}}
    present = {name: value for name, value in fields.items() if value not in ("", [])}
    return to_json(present)[:-1] + b',"messages":['
