"""Access control: requests from this machine, for the right host, with the token, from our pages.

A page in the same browser can send requests to this server; a name of its own can be made to point
at it. So the Host must be one of ours, the Origin too where one is sent (to change anything, one is
needed), and the token must come with each request: in a cookie that other sites cannot send, or as
a bearer. What a page may load, the browser is told: nothing from elsewhere, no script in a text.
"""

import secrets
from collections.abc import Iterable, Mapping
from urllib.parse import parse_qsl, urlencode, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

SAFE = ("GET", "HEAD")

ROLE = "playhead.role"
"""Where a request's scope says whose token came with it."""

READER, APPROVER = "reader", "approver"

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}

NO_TOKEN = (
    "This page needs its token. Open the link that `playhead serve` printed: it ends in "
    "?token=... (or send `Authorization: Bearer TOKEN`).\n"
)


class AccessGuard:
    """ASGI middleware around the whole app."""

    def __init__(
        self, app: ASGIApp, roles: Mapping[str, str], hosts: Iterable[str], port: int
    ) -> None:
        """`roles`: token -> role; the app finds the role of a request in its scope."""
        self._app = app
        self._roles = roles
        self._hosts = frozenset(_with_port(host, port) for host in hosts)
        self._cookie = f"playhead-{port}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or refuse it."""
        if scope["type"] != "http":
            msg = f"no {scope['type']} here"
            raise RuntimeError(msg)
        refusal = self._refusal(HTTPConnection(scope), scope)
        if refusal is not None:
            await refusal(scope, receive, _adding(send))
        else:
            await self._app(scope, receive, _adding(send))

    def _refusal(self, asked: HTTPConnection, scope: Scope) -> Response | None:
        headers = asked.headers
        if len(headers.getlist("host")) != 1 or headers["host"].lower() not in self._hosts:
            return PlainTextResponse("This name is not ours.\n", 421)
        if not self._our_origin(headers, scope["method"]):
            return PlainTextResponse("Requests of other sites are refused.\n", 403)
        query = parse_qsl(asked.url.query, keep_blank_values=True)
        given = next((value for name, value in query if name == "token"), None)
        if given is not None and scope["method"] in SAFE and self._role(given):
            left = [pair for pair in query if pair[0] != "token"]
            return self._sign_in(asked, given, left)
        way, _, bearer = headers.get("authorization", "").partition(" ")
        role = self._role(asked.cookies.get(self._cookie, ""))
        if way.lower() == "bearer":
            role = role or self._role(bearer.strip())
        if role is None:
            return PlainTextResponse(NO_TOKEN, 401)
        scope[ROLE] = role
        return None

    def _our_origin(self, headers: Headers, method: str) -> bool:
        if headers.get("sec-fetch-site", "same-origin") == "cross-site" and method not in SAFE:
            return False
        origin = headers.get("origin")
        if origin is None:
            return method in SAFE
        split = urlsplit(origin.lower())
        return split.scheme in ("http", "https") and split.netloc == headers["host"].lower()

    def _sign_in(self, asked: HTTPConnection, token: str, query: list[tuple[str, str]]) -> Response:
        """Keep the token in a cookie, and take it out of the address."""
        where = asked.url.path + (f"?{urlencode(query)}" if query else "")
        response = RedirectResponse(f"/{where.lstrip('/')}", 303)
        response.set_cookie(self._cookie, token, httponly=True, samesite="strict", path="/")
        return response

    def _role(self, given: str) -> str | None:
        """The role of a token; each is compared, so that the time taken says nothing."""
        found = None
        for token, role in self._roles.items():
            if secrets.compare_digest(given.encode(), token.encode()):
                found = role
        return found


def _with_port(host: str, port: int) -> str:
    name = f"[{host}]" if ":" in host else host
    return f"{name}:{port}".lower()


def _adding(send: Send) -> Send:
    async def adding(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return adding
