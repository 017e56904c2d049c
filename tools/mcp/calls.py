"""One call of a server's tool: listed again before a run's first, then made as it was approved."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from mcp import Client, MCPError, types
from mcp_types import HEADER_MISMATCH, methods
from pydantic import Discriminator, Tag, TypeAdapter, ValidationError

from playhead.events.errors import ToolError
from playhead.events.event import Json
from playhead.tools.context import ToolContext
from playhead.tools.mcp.questions import Answer, Lapse, Questions
from playhead.tools.result import ResultRefused, first_problems

RUNS = 10_000
"""Runs whose first call is remembered; for a forgotten one the list is read once more."""

WIRE: TypeAdapter[Answer] = TypeAdapter(
    Annotated[
        Annotated[types.CallToolResult, Tag("complete")]
        | Annotated[types.InputRequiredResult, Tag("input_required")],
        Discriminator(lambda v: "input_required" if methods.is_input_required(v) else "complete"),
    ]
)

Told = Callable[[str, float, float | None, str | None], None]


def _changed(name: str) -> ToolError:
    """The definition is not the one that the run was given."""
    return ToolError(
        f"{name} is not what it was when this run began: it was changed or taken away",
        hint="Nothing was done. Go on without it; a new run gets the new definition.",
    )


class Calls:
    """The calls of one server's tools. Used on its connection's loop."""

    def __init__(self, told: Told, lapse: Lapse | None) -> None:
        """`told` hears the progress of calls; `lapse`: see Questions."""
        self._told = told
        self._questions = Questions(lapse)
        self._first = OrderedDict[str, asyncio.Task[None]]()
        self.list_again: Callable[[Client], Awaitable[None]]
        self.elicit = self._questions.elicit
        """Answers a question that the server asks in the middle of a call."""

    async def perform(
        self,
        client: Client,
        listed: types.Tool,
        arguments: dict[str, Json],
        context: ToolContext,
        unchanged: Callable[[types.Tool], bool],
    ) -> types.CallToolResult:
        """Call a tool. Raises ToolError if the server has another one of that name by now."""
        await self._listed_for(client, context.run)
        if not unchanged(listed):
            raise _changed(listed.name)

        async def progress(done: float, total: float | None, message: str | None) -> None:
            context.progress(message or listed.name, done=done, total=total)
            self._told(listed.name, done, total, message)

        async def send(responses: dict[str, Any] | None, state: str | None) -> Answer:
            meta: Any = {"playhead/key": context.key}
            request = types.CallToolRequest(
                params=types.CallToolRequestParams(
                    name=listed.name, arguments=arguments, input_responses=responses,
                    request_state=state, _meta=meta,
                )
            )  # fmt: skip
            try:
                return await _sent(client, request, progress)
            except MCPError as error:
                if error.error.code != HEADER_MISMATCH:
                    raise
            await self.list_again(client)  # the protocol's remedy: our list was too old
            if not unchanged(listed):
                raise _changed(listed.name)
            return await _sent(client, request, progress)

        return await self._questions.ask(client, send, context)

    async def _listed_for(self, client: Client, run: str) -> None:
        """List the tools again before a run's first call; its other calls wait for that."""
        listing = self._first.get(run)
        if listing is None:
            listing = asyncio.create_task(self._list(client))
            self._first[run] = listing
            if len(self._first) > RUNS:
                self._first.popitem(last=False)
        try:
            await asyncio.shield(listing)
        except BaseException:
            if self._first.get(run) is listing and (listing.done() or listing.cancelled()):
                del self._first[run]
            raise

    async def _list(self, client: Client) -> None:
        await self.list_again(client)


async def _sent(client: Client, request: types.CallToolRequest, progress: Any) -> Answer:
    """The answer as it came: the SDK's own method fails a result that its schema does not fit."""
    try:
        return await client.session.send_request(request, WIRE, progress_callback=progress)
    except ValidationError as error:
        raise ResultRefused(first_problems(error)) from error
