"""An MCP server over HTTP, for clients that have the token."""

import hmac
from typing import Any

import uvicorn
from mcp.server import MCPServer

from playhead.events.errors import UsageError


def serve_http(server: MCPServer, host: str, port: int, token: str) -> None:
    """Serve until Ctrl-C. Raises UsageError if the address cannot be used."""
    app = guarded(server.streamable_http_app(host=host), token)
    try:
        uvicorn.run(app, host=host, port=port, log_level="warning")
    except SystemExit as error:  # uvicorn's way to say so
        msg = f"cannot listen on {host}:{port}: is the port taken? (--port)"
        raise UsageError(msg) from error


def guarded(app: Any, token: str) -> Any:
    """The app, for requests with the bearer token."""
    wanted = f"Bearer {token}".encode()

    async def guard(scope: Any, receive: Any, send: Any) -> None:
        given = dict(scope.get("headers", ())).get(b"authorization", b"")
        if scope["type"] != "http" or hmac.compare_digest(given, wanted):
            await app(scope, receive, send)
            return
        headers = [(b"content-type", b"text/plain"), (b"www-authenticate", b"Bearer")]
        await send({"type": "http.response.start", "status": 401, "headers": headers})
        await send({"type": "http.response.body", "body": b"this needs the bearer token\n"})

    return guard
