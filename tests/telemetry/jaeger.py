"""A real Jaeger in a process of its own: $JAEGER_BIN, or what `make jaeger` has built."""

import json
import os
import socket
import subprocess
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.error import HTTPError
from urllib.request import urlopen

from tests.house.sources import ROOT

BUILT = ROOT / "artifacts" / "jaeger" / "jaeger"


def binary() -> Path | None:
    """Where Jaeger is; None where it is not."""
    named = os.environ.get("JAEGER_BIN")
    path = Path(named) if named else BUILT
    return path if path.is_file() else None


class JaegerSpan(NamedTuple):
    """A span as Jaeger gives it back."""

    name: str
    trace: int
    id: int
    parent: int | None
    start: int
    """Microseconds, as Jaeger keeps them."""
    kind: str
    failed: bool
    tags: dict[str, Any]


class Jaeger:
    """A running Jaeger with its own memory."""

    def __init__(self, http: int, grpc: int, query: int) -> None:
        self.http = f"http://127.0.0.1:{http}"
        self.grpc = f"http://127.0.0.1:{grpc}"
        self.query = f"http://127.0.0.1:{query}"

    def trace(self, trace: int, spans: int) -> list[JaegerSpan]:
        """A trace once so many of its spans are stored."""
        found: Any = None
        for _ in range(5000):
            found = self._ask(f"/api/traces/{trace:032x}")
            if found and len(found[0]["spans"]) >= spans:
                return [_span(each) for each in found[0]["spans"]]
        raise AssertionError(f"{spans} spans of {trace:032x} have not come: {found}")

    def services(self) -> list[str]:
        """Who sent something."""
        return list(self._ask("/api/services"))

    def _ask(self, path: str) -> Any:
        try:
            with urlopen(self.query + path, timeout=30) as answer:
                return json.load(answer)["data"]
        except HTTPError:
            return None


def _span(each: dict[str, Any]) -> JaegerSpan:
    tags = {tag["key"]: tag["value"] for tag in each["tags"]}
    parents = [r["spanID"] for r in each["references"] if r["refType"] == "CHILD_OF"]
    return JaegerSpan(
        each["operationName"], int(each["traceID"], 16), int(each["spanID"], 16),
        int(parents[0], 16) if parents else None, each["startTime"],
        str(tags.get("span.kind", "internal")), bool(tags.get("error")), tags,
    )  # fmt: skip


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [
            stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)
        ]
        return [each.getsockname()[1] for each in sockets]


@contextmanager
def running(path: Path) -> Generator[Jaeger]:
    """Jaeger until the end of the block."""
    http, grpc, query, *others = _free_ports(7)
    flags = {
        "collector.otlp.http.host-port": http, "collector.otlp.grpc.host-port": grpc,
        "query.http-server.host-port": query, "query.grpc-server.host-port": others[0],
        "collector.http-server.host-port": others[1],
        "collector.grpc-server.host-port": others[2], "admin.http.host-port": others[3],
    }  # fmt: skip
    command = [str(path), *(f"--{name}=127.0.0.1:{port}" for name, port in flags.items())]
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stderr is not None
        said: list[str] = []
        for line in process.stderr:
            said.append(line)
            if '"ready"' in line:
                break
        else:
            raise AssertionError("".join(said)[-3000:])
        yield Jaeger(http, grpc, query)
    finally:
        process.terminate()
        process.communicate()
