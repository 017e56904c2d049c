"""A real OTLP collector in this process: it decodes the protobuf that comes over HTTP or gRPC."""

import gzip
import threading
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span

SERVICE = "opentelemetry.proto.collector.trace.v1.TraceService"


class Got(NamedTuple):
    """A span as it came over the wire."""

    name: str
    trace: int
    id: int
    parent: int
    """0 without one."""
    start: int
    end: int
    kind: int
    status: int
    service: str
    attributes: tuple[tuple[str, str], ...]


class Collector:
    """Keeps what it is sent; `url` says where."""

    def __init__(self) -> None:
        self.url = ""
        self.spans: list[Got] = []
        self.metrics: list[str] = []
        """Names, as they come."""
        self.raw: list[bytes] = []
        """The bodies as they came, unpacked."""
        self._lock = threading.Lock()

    def take(self, request: ExportTraceServiceRequest) -> None:
        for resource in request.resource_spans:
            named = {a.key: a.value.string_value for a in resource.resource.attributes}
            for scope in resource.scope_spans:
                with self._lock:
                    self.spans += [_got(span, named["service.name"]) for span in scope.spans]

    def take_metrics(self, request: ExportMetricsServiceRequest) -> None:
        for resource in request.resource_metrics:
            for scope in resource.scope_metrics:
                self.metrics += [metric.name for metric in scope.metrics]

    def tree(self) -> frozenset[Got]:
        """The spans without their copies."""
        return frozenset(self.spans)


def _got(span: Span, service: str) -> Got:
    attributes = sorted((a.key, str(a.value)) for a in span.attributes)
    return Got(
        span.name, int.from_bytes(span.trace_id), int.from_bytes(span.span_id),
        int.from_bytes(span.parent_span_id or b"\0"), span.start_time_unix_nano,
        span.end_time_unix_nano, span.kind, span.status.code, service, tuple(attributes),
    )  # fmt: skip


@contextmanager
def http_collector() -> Generator[Collector]:
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            collector.raw.append(body)
            if self.path == "/v1/metrics":
                collector.take_metrics(ExportMetricsServiceRequest.FromString(body))
            else:
                collector.take(ExportTraceServiceRequest.FromString(body))
            answer = ExportTraceServiceResponse().SerializeToString()
            self.send_response(200)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    collector.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield collector
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def grpc_collector() -> Generator[Collector]:
    grpc: Any = pytest.importorskip(
        "grpc", reason="grpc is missing: pip install playhead[otlp-grpc]"
    )
    collector = Collector()

    def export(request: ExportTraceServiceRequest, _: object) -> ExportTraceServiceResponse:
        collector.take(request)
        return ExportTraceServiceResponse()

    handler = grpc.unary_unary_rpc_method_handler(
        export,
        ExportTraceServiceRequest.FromString,
        ExportTraceServiceResponse.SerializeToString,
    )
    server = grpc.server(ThreadPoolExecutor(2))
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(SERVICE, {"Export": handler}),)
    )
    collector.url = f"http://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    try:
        yield collector
    finally:
        server.stop(None).wait()
