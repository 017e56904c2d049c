"""How does a server ask something in the middle of a call, and how does the answer reach it?

Under 2026-07-28 the call ends with what is required and is made again with the answers. Under 2025
the server keeps the call open and waits: the call is parked here, and bound to its session.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any

from mcp import Client, types
from mcp.types import ElicitRequest, ElicitRequestParams, ElicitResult, InputRequiredResult

from playhead.events.errors import ToolError
from playhead.tools.context import InputGiven, InputRequired, ToolContext
from playhead.tools.mcp.convert import SessionOver

ROUNDS = 10
"""Times that one attempt of a call is made again for a server that asks nothing."""

PARKED = "session:"
"""How the state of a call begins that its server keeps open."""

PARKED_AT_ONCE = 1_000

Lapse = Callable[[str, int], None]

Answer = types.CallToolResult | InputRequiredResult
Send = Callable[[dict[str, Any] | None, str | None], Awaitable[Answer]]
"""Make the call, with the answers and the state of an earlier round."""


class OpenCall:
    """A call that a server works on, and the question that it waits for."""

    def __init__(self, client: Client, context: ToolContext) -> None:
        self.client = client
        self.context = context
        self.task: asyncio.Task[Answer] | None = None
        self.question: ElicitRequestParams | None = None
        self.answer: asyncio.Future[ElicitResult] | None = None
        self.asked = asyncio.Event()


CALL: ContextVar[OpenCall | None] = ContextVar("CALL", default=None)


class Questions:
    """The open calls of one connection. Used on its loop."""

    def __init__(self, lapse: Lapse | None) -> None:
        """`lapse` is called with (run, call) when the session of a parked call is over."""
        self._lapse = lapse
        self._open: list[OpenCall] = []
        self._parked: dict[str, OpenCall] = {}

    async def elicit(self, params: ElicitRequestParams) -> ElicitResult | types.ErrorData:
        """The server asks: wait until a person answers, or the session ends.

        Over stdio the protocol does not say in which call: then in the oldest that is not parked.
        """
        free = [call for call in self._open if call.answer is None]
        call = CALL.get()
        call = call if call in free else next(iter(free), None)
        if call is None:
            return ElicitResult(action="cancel")
        call.question = params
        call.answer = asyncio.get_running_loop().create_future()
        call.asked.set()
        try:
            return await call.answer
        finally:
            call.answer = call.question = None

    async def ask(self, client: Client, send: Send, context: ToolContext) -> types.CallToolResult:
        """Make a call, or go on with it. Raises InputRequired when a person must answer first."""
        given = context.input
        if given is not None and given.state is not None and given.state.startswith(PARKED):
            return await self._await(self._answered(client, given, context))
        answers = None if given is None else dict(given.responses)
        call = OpenCall(client, context)
        CALL.set(call)
        state = None if given is None else given.state
        call.task = asyncio.create_task(_rounds(send, answers, state))
        call.task.add_done_callback(_retrieve)
        self._open.append(call)
        return await self._await(call)

    def _answered(self, client: Client, given: InputGiven, context: ToolContext) -> OpenCall:
        call = self._parked.pop(given.state or "", None)
        if call is None or call.client is not client or call.answer is None:
            raise SessionOver
        [answer] = given.responses.values()
        call.asked.clear()
        call.context = context
        self._open.append(call)
        call.answer.set_result(ElicitResult.model_validate(answer))
        return call

    async def _await(self, call: OpenCall) -> types.CallToolResult:
        """Wait for the call's end, or until its server asks."""
        task = call.task
        assert task is not None
        asked = asyncio.create_task(call.asked.wait())
        try:
            await asyncio.wait([task, asked], return_when=asyncio.FIRST_COMPLETED)
        except BaseException:
            self._forget(call)
            task.cancel()
            await asyncio.wait([task])
            raise
        finally:
            asked.cancel()
        if not task.done():
            self._park(call)
        self._forget(call)
        return _complete(await task)

    def _forget(self, call: OpenCall) -> None:
        if call in self._open:
            self._open.remove(call)

    def _park(self, call: OpenCall) -> None:
        state = PARKED + secrets.token_hex(8)
        while len(self._parked) >= PARKED_AT_ONCE:
            _, oldest = self._parked.popitem()
            if oldest.task is not None:
                oldest.task.cancel()
        self._parked[state] = call
        assert call.task is not None
        call.task.add_done_callback(lambda _: self._over(state))
        assert call.question is not None
        request = ElicitRequest(params=call.question)
        raise InputRequired({"question": _as_json(request)}, state, bound="session")

    def _over(self, state: str) -> None:
        """A parked call has ended by itself: nobody can answer its question any more."""
        call = self._parked.pop(state, None)
        if call is not None and self._lapse is not None:
            self._lapse(call.context.run, call.context.call)


async def _rounds(send: Send, answers: dict[str, Any] | None, state: str | None) -> Answer:
    """The call, made again while its server asks nothing but to be called again."""
    for _ in range(ROUNDS):
        found = await send(answers, state)
        if not isinstance(found, InputRequiredResult) or found.input_requests:
            return found
        answers, state = None, found.request_state
    msg = f"the server asked {ROUNDS} times to be called again, without an answer"
    raise ToolError(msg)


def _complete(found: Answer) -> types.CallToolResult:
    if not isinstance(found, InputRequiredResult):
        return found
    requests = found.input_requests or {}
    for request in requests.values():
        if not isinstance(request, ElicitRequest):
            msg = f"the server asks for {request.method}, which is not offered to servers"
            raise ToolError(msg, hint="Do without this tool.")
    raise InputRequired(
        {key: _as_json(each) for key, each in requests.items()}, found.request_state
    )


def _as_json(request: types.InputRequest) -> dict[str, Any]:
    if request.params is None:
        return {}
    return request.params.model_dump(mode="json", by_alias=True, exclude_none=True)


def _retrieve(task: "asyncio.Task[Answer]") -> None:
    """Nobody may be there any more to see how a parked call failed."""
    if not task.cancelled():
        task.exception()
