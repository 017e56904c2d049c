"""The log for reading, as MCP tools: each is a command of the CLI, in a process of its own.

So a client reads the same words and figures as a person in the terminal, also while another process
writes the log, and reading never holds up the runs of this process.
"""

import sys
from pathlib import Path
from subprocess import DEVNULL, PIPE
from typing import Annotated, Any, Literal

import anyio
from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import ToolAnnotations
from pydantic import Field

LONGEST = 200_000
"""Characters of an answer; the rest is cut, and said so."""

PATIENCE = 120.0
"""Seconds for one command."""

READS = ToolAnnotations(read_only_hint=True, open_world_hint=False)

RunId = Annotated[str, Field(description="A run's id, the beginning of one, or `last`.")]
Seq = Annotated[int, Field(ge=1, description="The number of a record of the run.")]


def add_log_tools(server: MCPServer, log: Path) -> None:
    """Add the tools that read this log."""
    reading = LogTools(log)
    for function in (
        reading.list_runs, reading.show, reading.why, reading.causes, reading.context,
        reading.cost, reading.diff, reading.verify, reading.replay, reading.approvals,
        reading.waits,
    ):  # fmt: skip
        server.add_tool(function, annotations=READS, structured_output=False)


class LogTools:
    """The tools of one log; their docstrings are what clients are told."""

    def __init__(self, log: Path) -> None:
        self._log = log

    async def _command(self, name: str, *words: str, **options: object) -> str:
        return await _said(self._log, name, words, options)

    async def list_runs(
        self,
        status: Literal["any", "open", "failed"] = "any",
        agent: str | None = None,
        since: Annotated[str | None, Field(description="Such as 90m, 12h, 3d or a date.")] = None,
        limit: Annotated[int, Field(ge=1, le=500)] = 20,
    ) -> str:
        """List the runs, the newest first: id, status, agent, goal, times. Start here."""
        only = {} if status == "any" else {status: True}
        return await self._command("runs", agent=agent, since=since, limit=limit, **only)

    async def show(self, run: RunId, thoughts: bool = False, records: bool = False) -> str:
        """Tell a run step by step: what was thought, done and seen, and because of which record.

        `records`: every record as it is in the log.
        """
        return await self._command("show", run, thoughts=thoughts, records=records)

    async def why(self, run: RunId) -> str:
        """Explain why a run failed or does not go on: the deciding record, and what to try."""
        return await self._command("why", run)

    async def causes(self, run: RunId, record: Seq, forward: bool = False) -> str:
        """Trace a record back to the goal; or `forward`, to all that it influenced."""
        return await self._command("causes", run, str(record), forward=forward)

    async def context(self, run: RunId, at: Seq | None = None) -> str:
        """Show what the model was sent, and which record each block of it comes from.

        `at`: the last request up to that record; by default the run's last request.
        """
        return await self._command("context", run, at=at)

    async def cost(
        self,
        run: RunId | None = None,
        by: Literal["model", "task", "step", "agent", "run"] = "model",
    ) -> str:
        """Show what a run and its children cost, or all runs."""
        return await self._command("cost", *([] if run is None else [run]), by=by)

    async def diff(self, run: RunId, other: RunId | None = None) -> str:
        """Compare two runs; by default a fork with the run that it was forked from."""
        return await self._command("diff", run, *([] if other is None else [other]))

    async def verify(self) -> str:
        """Check the hashes of all records, and the end of the log."""
        return await self._command("verify")

    async def replay(self, run: RunId) -> str:
        """Decide a run again from its records, without a network or tools, and compare."""
        return await self._command("replay", run)

    async def approvals(self) -> str:
        """List the calls and plans that wait for a person. They cannot be granted from here."""
        return await self._command("approvals")

    async def waits(self) -> str:
        """List what runs wait for: people, and models that are down."""
        return await self._command("waits")


async def _said(log: Path, name: str, words: tuple[str, ...], options: dict[str, Any]) -> str:
    """What a command answers. Raises ToolError with its message if it could not answer."""
    given = [
        f"--{option}" if value is True else f"--{option}={value}"
        for option, value in options.items()
        if value is not None and value is not False
    ]
    line = [sys.executable, "-m", "playhead", name, "--json", f"--log={log}", *given, "--", *words]
    try:
        with anyio.fail_after(PATIENCE):
            done = await anyio.run_process(
                line, stdin=DEVNULL, stdout=PIPE, stderr=PIPE, check=False
            )
    except TimeoutError as error:
        msg = f"no answer within {PATIENCE:g} s"
        raise ToolError(msg) from error
    said = done.stdout.decode("utf-8", "replace").strip()
    if not said:
        raise ToolError(done.stderr.decode("utf-8", "replace").strip() or f"exit {done.returncode}")
    left = len(said) - LONGEST
    return said if left <= 0 else f"{said[:LONGEST]}\n(cut: {left} more characters)"
