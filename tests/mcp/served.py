"""A server over HTTP in a process of its own, which a test can kill and start again."""

import contextlib
import socket
import subprocess
import sys
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

from playhead.tools.mcp.server import McpServer, mcp

SERVER = Path(__file__).with_name("http_server.py")


class Served:
    """The process. It keeps its port when it is started again."""

    def __init__(self, folder: Path, *words: str) -> None:
        self.folder = folder
        self._words = words
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/mcp"

    def start(self) -> None:
        command = [sys.executable, str(SERVER), str(self.folder), str(self.port), *self._words]
        self.process = subprocess.Popen(command)
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
                return
            assert self.process.poll() is None
            time.sleep(0.05)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def server(self, **options: Any) -> McpServer:
        return mcp(self.url, name="ours", **options)


@contextlib.contextmanager
def served(folder: Path, *words: str) -> Generator[Served]:
    folder.mkdir(exist_ok=True)
    (folder / "words").write_text("Add two integers. Returns the sum.")
    made = Served(folder, *words)
    made.start()
    try:
        yield made
    finally:
        made.kill()
