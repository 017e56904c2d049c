"""An MCP server over HTTP for tests, whose files say what it is.

    http_server.py FOLDER PORT [2025]

FOLDER/words is the description of `add`; while FOLDER/token exists, its content is the only bearer
token that is accepted. With `2025` it speaks only the protocol of that year, with sessions.
"""

import base64
import json
import os
import sys
from pathlib import Path
from typing import Any

import anyio
import uvicorn
from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from mcp.types import (
    AudioContent,
    BlobResourceContents,
    CallToolResult,
    ElicitRequest,
    ElicitRequestFormParams,
    ElicitResult,
    EmbeddedResource,
    ImageContent,
    InputRequests,
    InputRequiredResult,
    TextContent,
    TextResourceContents,
    ToolAnnotations,
)
from pydantic import BaseModel

FOLDER, PORT = Path(sys.argv[1]), int(sys.argv[2])
OLD = "2025" in sys.argv
READ = ToolAnnotations(read_only_hint=True)

server = MCPServer("ours")


def add(a: int, b: int) -> int:
    return a + b


def add_with(words: str) -> None:
    server.add_tool(add, description=words, annotations=READ)


add_with((FOLDER / "words").read_text())


@server.tool(description="Say which process this is.", annotations=READ)
def process() -> int:
    return os.getpid()


@server.tool(description="Note that it was called.")
def once() -> str:
    with (FOLDER / "called").open("a") as file:
        file.write("x")
    return "done"


@server.tool(description="Change what `add` is, and tell those who listen.", annotations=READ)
async def change(words: str, context: Context, tell: bool = True) -> str:
    server.remove_tool("add")
    add_with(words)
    if tell:
        await context.notify_tools_changed()
        if OLD:
            await context.session.send_tool_list_changed()
    return "changed"


@server.tool(description="Give so many characters.", annotations=READ)
def big(size: int) -> str:
    return "x" * size


@server.tool(description="Never answer.", annotations=READ)
async def hang() -> str:
    (FOLDER / "hangs").touch()
    await anyio.sleep_forever()
    return "never"


@server.tool(description="Give one of each kind of content.", annotations=READ)
def mixed() -> CallToolResult:
    data = base64.b64encode(b"\x89PNG...").decode()
    pdf = BlobResourceContents(
        uri="file:///a.pdf", mime_type="application/pdf",
        blob=base64.b64encode(b"%PDF-1.4 ...").decode(),
    )  # fmt: skip
    return CallToolResult(
        content=[
            TextContent(text="first"),
            ImageContent(data=data, mime_type="image/png"),
            ImageContent(data=data, mime_type="image/svg+xml"),
            AudioContent(data=data, mime_type="audio/wav"),
            EmbeddedResource(resource=TextResourceContents(uri="file:///a.txt", text="within")),
            EmbeddedResource(resource=pdf),
        ],
        structured_content={"rows": 3},
    )


class Name(BaseModel):
    name: str


@server.tool(description="Greet who is named when asked.", annotations=READ)
async def greet(context: Context) -> str | InputRequiredResult:
    if OLD:
        answer = await context.elicit("Who is there?", Name)
        return f"hello {answer.data.name}" if answer.action == "accept" else answer.action
    said = (context.input_responses or {}).get("who")
    if not isinstance(said, ElicitResult):
        form = ElicitRequestFormParams(
            message="Who is there?", requested_schema=Name.model_json_schema()
        )
        asked: InputRequests = {"who": ElicitRequest(params=form)}
        return InputRequiredResult(input_requests=asked, request_state="first")
    return f"hello {(said.content or {})['name']}" if said.action == "accept" else said.action


def guarded(app: Any) -> Any:
    """The app, for those with the token, and for those of 2025 only if it is to be so."""

    async def guard(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        token = FOLDER / "token"
        given = dict(scope["headers"]).get(b"authorization", b"").decode()
        if token.exists() and given != f"Bearer {token.read_text()}":
            await _answer(send, 401, b"who are you?")
            return
        body, more = b"", scope["method"] == "POST"
        while more:
            part = await receive()
            body, more = body + part.get("body", b""), part.get("more_body", False)
        if OLD and b'"server/discover"' in body:
            error = {"code": -32601, "message": "Method not found"}
            answer = {"jsonrpc": "2.0", "id": json.loads(body)["id"], "error": error}
            await _answer(send, 200, json.dumps(answer).encode())
            return
        given_body = iter([{"type": "http.request", "body": body, "more_body": False}])

        async def again() -> Any:
            return next(given_body, None) or await receive()

        await app(scope, again, send)

    return guard


async def _answer(send: Any, status: int, body: bytes) -> None:
    headers = [(b"content-type", b"application/json" if status == 200 else b"text/plain")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


if __name__ == "__main__":
    app = guarded(server.streamable_http_app())
    uvicorn.run(app, host="127.0.0.1", port=PORT, log_level="warning")
