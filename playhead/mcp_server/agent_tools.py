"""Agents as MCP tools: a call is a run, with its progress, its cancellation and its id.

What waits for a person is shown, and cannot be granted over MCP: who started a run must not be who
approves what it does.
"""

import contextlib
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import anyio
from anyio.to_thread import run_sync
from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from mcp.types import ToolAnnotations
from pydantic import BaseModel, Field

from playhead.definition.agent import Agent
from playhead.events.errors import PlayheadError, RunNotFinished
from playhead.events.kinds.approvals import ApprovalRequested
from playhead.projections.history.timeline import timeline
from playhead.run import Run
from playhead.tools.definition.names import api_name

Start = Callable[[Agent[Any], str, str | None], Run[Any]]
"""(agent, task, session) -> its run, in the log."""

SHOWN = 200
"""Characters of a progress message."""

ACTS = ToolAnnotations(read_only_hint=False, destructive_hint=True, idempotent_hint=False)


class RunResult(BaseModel):
    """What became of a run."""

    run: str
    """Its id: the tools that read the log take it."""
    status: str
    answer: str | None = None
    output: Any = None
    """The answer as the agent's output type."""
    reason: str | None = None
    """Why there is no answer."""
    waits_for_a_person: list[str] = Field(default_factory=list[str])
    """What must be approved before it goes on; not over MCP."""


def add_agent_tools(server: MCPServer, start: Start, agents: Sequence[Agent[Any]]) -> None:
    """Add a tool for each agent."""
    for agent in agents:
        server.add_tool(
            _calls(start, agent),
            name=api_name(agent.name),
            description=agent.description or f"Give a task to the agent {agent.name}.",
            annotations=ACTS,
        )


def _calls(start: Start, agent: Agent[Any]) -> Any:
    async def call(
        context: Context,
        task: Annotated[str, Field(description="What to do, with all that it needs to know.")],
        session: Annotated[
            str | None, Field(description="Go on from what this session has said so far.")
        ] = None,
        wait_seconds: Annotated[
            float | None,
            Field(gt=0, description="Answer after so long at the latest; the run goes on."),
        ] = None,
    ) -> RunResult:
        run = await run_sync(start, agent, task, session)
        try:
            with anyio.move_on_after(wait_seconds):
                return await _followed(run, context)
        except anyio.get_cancelled_exc_class():
            with anyio.CancelScope(shield=True):
                await run_sync(_cancel, run)
            raise
        return _stands(run)

    return call


async def _followed(run: Run[Any], context: Context) -> RunResult:
    """Tell what happens, until the run's end."""
    async for record in run.events():
        said = "; ".join(f"{entry.heading}: {entry.text}" for entry in timeline([record]))
        if isinstance(record.event, ApprovalRequested):
            said += f" (playhead approve {run.id} {record.event.call})"
        if said:
            await context.report_progress(record.seq, message=f"run {run.id}: {said}"[:SHOWN])
    try:
        result = await run
    except RunNotFinished as ended:
        return RunResult(run=run.id, status=ended.status, reason=str(ended.reason))
    output = result.output
    shown = output.model_dump(mode="json") if isinstance(output, BaseModel) else output
    same = shown == result.answer
    return RunResult(
        run=run.id, status="finished", answer=result.answer, output=None if same else shown
    )


def _stands(run: Run[Any]) -> RunResult:
    waiting = [f"call {each.call}: {each.tool}" for each in run.approvals()]
    return RunResult(run=run.id, status=run.status, waits_for_a_person=waiting)


def _cancel(run: Run[Any]) -> None:
    with contextlib.suppress(PlayheadError):  # it may have ended meanwhile
        run.cancel("the MCP client cancelled the call")
