"""One guarded HTTP request after the other: bounded in size, time and redirects.

On the standard library's client, so that the connection goes to the address that was checked. Its
own timeout is for one read; here each read gets what is left of the whole.
"""

import http.client
import io
import socket
import ssl
import time
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import urljoin

from playhead.events.errors import ToolError
from playhead.tools.builtin.address_guard import AddressGuard, ResolvedAddress

REDIRECTS = 5
MAX_BYTES = 2_000_000
CHUNK = 65_536
AGENT = "playhead"


class Response(NamedTuple):
    """What a server answered."""

    url: str
    """After redirects."""
    status: int
    headers: http.client.HTTPMessage
    body: bytes
    whole: bool
    """Not cut at the bound."""

    @property
    def media_type(self) -> str:
        """Such as text/html."""
        return self.headers.get_content_type()

    def text(self) -> str:
        """The body by the charset that it says, or UTF-8."""
        charset = self.headers.get_content_charset() or "utf-8"
        try:
            return self.body.decode(charset, "replace")
        except LookupError:
            return self.body.decode("utf-8", "replace")


def get(
    url: str,
    guard: AddressGuard,
    *,
    seconds: float,
    headers: Mapping[str, str] | None = None,
    max_bytes: int = MAX_BYTES,
) -> Response:
    """GET, redirects followed. Raises ToolError for whatever goes wrong.

    `seconds` bounds the whole; `headers` are sent to the first host only.
    """
    deadline = time.monotonic() + seconds
    first: str | None = None
    for _ in range(REDIRECTS + 1):
        place = guard.place(url)
        first = first or place.host
        sent = (headers or {}) if place.host == first else {}
        response = _asked(url, place, deadline, sent, max_bytes)
        onward = response.headers.get("Location")
        if response.status not in (301, 302, 303, 307, 308) or onward is None:
            return response
        url = urljoin(url, onward)
    msg = f"more than {REDIRECTS} redirects"
    raise ToolError(msg, hint="Try another page.")


class _TimedReader(io.RawIOBase):
    """A socket's reader whose reads all end at one deadline, however little each of them brings."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket, deadline: float) -> None:
        self._raw = raw
        self._sock = sock
        self._deadline = deadline

    def readable(self) -> bool:
        """Yes."""
        return True

    def readinto(self, buffer: Any) -> int | None:
        """One read. Raises TimeoutError at the deadline."""
        self._sock.settimeout(_left(self._deadline))
        return self._raw.readinto(buffer)

    def close(self) -> None:
        """Let go of the socket."""
        self._raw.close()
        super().close()


class _Connection(http.client.HTTPConnection):
    """Connects to the checked address, whatever the name resolves to by now."""

    def __init__(self, place: ResolvedAddress, deadline: float) -> None:
        super().__init__(place.host, place.port)
        self._place = place
        self._deadline = deadline
        self.response_class = self._response  # type: ignore[assignment]

    def connect(self) -> None:
        """Open the socket, with TLS where it is asked for."""
        place = self._place
        sock = socket.create_connection((place.address, place.port), _left(self._deadline))
        self.sock = sock
        if place.scheme == "https":
            sock.settimeout(_left(self._deadline))  # for the handshake as a whole
            context = ssl.create_default_context()
            self.sock = context.wrap_socket(sock, server_hostname=place.host)

    def _response(
        self, sock: socket.socket, *args: Any, **options: Any
    ) -> http.client.HTTPResponse:
        response = http.client.HTTPResponse(sock, *args, **options)
        raw = response.fp.detach()
        response.fp = io.BufferedReader(_TimedReader(raw, sock, self._deadline))
        return response


def _asked(
    url: str, place: ResolvedAddress, deadline: float, headers: Mapping[str, str], max_bytes: int
) -> Response:
    connection = _Connection(place, deadline)
    try:
        fixed = {"User-Agent": AGENT, "Accept-Encoding": "identity", **headers}
        connection.request("GET", place.target, headers=fixed)
        answer = connection.getresponse()
        body, whole = _body(answer, max_bytes)
        return Response(url, answer.status, answer.headers, body, whole)
    except TimeoutError as error:
        msg = f"{place.host} gave no whole answer in time"
        raise ToolError(msg, hint="Try it later, or another page.", retry_after=30) from error
    except ssl.SSLError as error:
        msg = f"{place.host}: no safe connection: {error.reason or error}"
        raise ToolError(msg, hint="Try another page.") from error
    except (OSError, http.client.HTTPException) as error:
        why = str(error) or type(error).__name__
        msg = f"{place.host} cannot be reached: {why[:200]}"
        raise ToolError(msg, hint="Try it later, or another page.") from error
    finally:
        connection.close()


def _body(answer: http.client.HTTPResponse, max_bytes: int) -> tuple[bytes, bool]:
    pieces, size = list[bytes](), 0
    while size <= max_bytes:
        piece = answer.read1(CHUNK)
        if not piece:
            return b"".join(pieces), True
        pieces.append(piece)
        size += len(piece)
    return b"".join(pieces)[:max_bytes], False


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
