"""An MCP server for tests: it adds, dies in mid-call, waits, and is what a file says that it is.

    our_server.py WORDS [http]

WORDS is a file: what it holds is the description of `add`. A file `extra` beside it names one tool
more. Over stdio, or HTTP on a port it says.
"""

import os
import sys
from pathlib import Path

import anyio
from mcp.server import MCPServer
from mcp.server.mcpserver import Context, Image
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import (
    ElicitRequest,
    ElicitRequestFormParams,
    ElicitResult,
    InputRequests,
    InputRequiredResult,
    ToolAnnotations,
)

WORDS = Path(sys.argv[1])

server = MCPServer("ours")
READ = ToolAnnotations(read_only_hint=True)
AGAIN = ToolAnnotations(idempotent_hint=True)


@server.tool(description=WORDS.read_text(), annotations=READ)
def add(a: int, b: int) -> int:
    return a + b


@server.tool(name="dots.in/name", description="Say its own name.", annotations=READ)
def dotted() -> str:
    return "dots.in/name"


@server.tool(description="End the server in mid-call, but not the second time.", annotations=AGAIN)
def die_once() -> str:
    died = WORDS.with_name("died")
    if died.exists():
        return "alive"
    died.touch()
    os._exit(1)


@server.tool(description="End the server in mid-call.")
def die() -> str:
    os._exit(1)


@server.tool(description="Take effect.")
def once() -> str:
    return "done"


@server.tool(description="Greet who is named when asked.", annotations=READ)
def greet(context: Context) -> str | InputRequiredResult:
    said = (context.input_responses or {}).get("who")
    if isinstance(said, ElicitResult):
        return f"hello {(said.content or {})['name']}" if said.action == "accept" else said.action
    schema = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
    form = ElicitRequestFormParams(message="Who is there?", requested_schema=schema)
    asked: InputRequests = {"who": ElicitRequest(params=form)}
    return InputRequiredResult(input_requests=asked)


@server.tool(description="Say what the request carried beside its arguments.", annotations=READ)
def meta(context: Context) -> dict[str, str]:
    carried = context.request_context.meta or {}
    return {name: str(value) for name, value in dict(carried).items()}


@server.tool(description="Fail.", annotations=READ)
def fail() -> str:
    msg = "no such thing"
    raise ToolError(msg)


@server.tool(description="Show a picture.", annotations=READ)
def picture() -> Image:
    return Image(data=b"\x89PNG...", format="png")


@server.tool(description="Wait until cancelled, and say so in a FIFO.", annotations=READ)
async def wait(context: Context) -> str:
    await context.report_progress(1, 2, "half")
    try:
        await anyio.sleep_forever()
    except BaseException:
        WORDS.with_name("cancelled").write_text("yes")
        raise
    return "never"


EXTRA = WORDS.with_name("extra")
if EXTRA.exists():

    @server.tool(name=EXTRA.read_text(), description="Say something else.", annotations=READ)
    def extra() -> str:
        return "something else"


if __name__ == "__main__":
    server.run()
