"""The inspector as a server of its own: one thread, one port, this machine only."""

import ipaddress
import secrets
import socket
import threading
from collections.abc import Sequence
from types import TracebackType
from typing import Self

import uvicorn

from playhead.events.errors import UsageError
from playhead.events.log.contract import Reader
from playhead.inspector.access import APPROVER, READER, AccessGuard
from playhead.inspector.control import Control
from playhead.inspector.log_data import Library
from playhead.inspector.pages import Pages
from playhead.projections.metrics.alert_rules import ALERT_RULES, AlertRule

LOOPBACK = ("127.0.0.1", "localhost", "::1")


class Inspector:
    """Serves a log's pages until it is closed. `url` is the link to open."""

    def __init__(
        self,
        reader: Reader,
        *,
        control: Control | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        token: str | None = None,
        reader_token: str | None = None,
        names: Sequence[str] = (),
        rules: Sequence[AlertRule] = ALERT_RULES,
    ) -> None:
        """Bind the port.

        Args:
            reader: the log; it stays its owner's to close.
            control: acts on runs for the approver; without it everything can only be read.
            host: the address to listen on.
            port: 0 for any that is free.
            token: part of the approver's link; by default a random one.
            reader_token: part of the link of those who may only look; by default a random one.
            names: further names by which browsers may reach it.
            rules: targets and alerts of the metrics page.

        Raises UsageError when the address cannot be had.
        """
        try:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            self._socket = socket.create_server((host, port), family=family)
        except OSError as error:
            msg = f"{host}:{port} cannot be listened on: {error.strerror or error}"
            raise UsageError(msg) from error
        self.port: int = self._socket.getsockname()[1]
        self.token = token or secrets.token_urlsafe(24)
        self.reader_token = reader_token or secrets.token_urlsafe(24)
        self._library = Library(reader)
        self._pages = Pages(self._library, control, rules)
        allowed = [*(LOOPBACK if is_loopback(host) else (host,)), *names]
        roles = {self.token: APPROVER, self.reader_token: READER}
        app = AccessGuard(self._pages.app(), roles, allowed, self.port)
        self._server = uvicorn.Server(
            uvicorn.Config(
                app, log_config=None, access_log=False, lifespan="off", ws="none",
                server_header=False, timeout_graceful_shutdown=1,
            )
        )  # fmt: skip
        self._thread: threading.Thread | None = None
        self._name = f"[{host}]" if ":" in host else host

    @property
    def url(self) -> str:
        """The approver's link: whoever has it may read all, and act where that is allowed."""
        return f"http://{self._name}:{self.port}/?token={self.token}"

    @property
    def reader_url(self) -> str:
        """The reader's link: whoever has it may read all, and change nothing."""
        return f"http://{self._name}:{self.port}/?token={self.reader_token}"

    def start(self) -> Self:
        """Serve on a thread of its own."""
        self._thread = threading.Thread(target=self.serve, name="playhead-inspector", daemon=True)
        self._thread.start()
        return self

    def serve(self) -> None:
        """Serve until `close`, or Ctrl-C on the main thread."""
        self._server.run(sockets=[self._socket])

    def close(self) -> None:
        """End the live streams, then the server. Safe to call twice."""
        self._pages.live.closing = True
        self._server.should_exit = True
        if self._thread is not None:
            self._thread.join()
        self._socket.close()
        self._library.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach the address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
