"""Where metrics go, as the standard OTEL_* variables say; and what those variables have in common.

Metrics are sent only when they are asked for by name: OTEL_METRICS_EXPORTER, or an endpoint for
metrics. An endpoint for everything is often one that takes traces alone (Jaeger is).
"""

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from playhead.events.errors import UsageError

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics import MeterProvider as SdkProvider
    from opentelemetry.sdk.metrics.export import MetricExporter
    from opentelemetry.sdk.resources import Resource

METRICS = "OTEL_METRICS_EXPORTER"
METRICS_ENDPOINT = "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT"


def asked_for(environ: Mapping[str, str], variable: str, *endpoints: str) -> list[str]:
    """The exporters that a signal's variables ask for."""
    if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return []
    asked = environ.get(variable, "").strip()
    if not asked:
        return ["otlp"] if any(environ.get(name) for name in endpoints) else []
    return [name for part in asked.split(",") if (name := part.strip()) not in ("", "none")]


def protocol(environ: Mapping[str, str], signal: str) -> str:
    """The OTLP protocol of a signal: http/protobuf or grpc. Raises UsageError for another."""
    names = (f"OTEL_EXPORTER_OTLP_{signal}_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
    found = next((environ[name] for name in names if environ.get(name)), "http/protobuf").strip()
    if found not in ("http/protobuf", "grpc"):
        msg = f"OTLP protocol {found!r}: choose http/protobuf or grpc"
        raise UsageError(msg)
    return found


NO_GRPC = "OTLP over gRPC is not installed: pip install playhead[otlp-grpc]"


def resource() -> "Resource":
    """What sends, as OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES say; else `playhead`."""
    from opentelemetry.sdk.resources import Resource

    said = os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    named = "OTEL_SERVICE_NAME" in os.environ or "service.name=" in said
    return Resource.create({} if named else {"service.name": "playhead"})


def meter_provider_from_env(environ: Mapping[str, str] = os.environ) -> "SdkProvider | None":
    """A provider as the standard variables ask for it; None if they do not.

    It sends every OTEL_METRIC_EXPORT_INTERVAL milliseconds, and what waits on `shutdown`. Raises
    UsageError for an exporter or a protocol that is unknown or not installed.
    """
    names = asked_for(environ, METRICS, METRICS_ENDPOINT)
    if not names:
        return None
    made = [_exporter(name, environ) for name in names]
    from opentelemetry.sdk.metrics import MeterProvider as SdkProvider
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader

    readers = [PeriodicExportingMetricReader(exporter) for exporter in made]
    return SdkProvider(readers, resource(), shutdown_on_exit=False)


def _exporter(name: str, environ: Mapping[str, str]) -> "MetricExporter":
    if name == "console":
        from opentelemetry.sdk.metrics.export import ConsoleMetricExporter

        return ConsoleMetricExporter()
    if name != "otlp":
        msg = f"{METRICS} is {name!r}: choose otlp, console or none"
        raise UsageError(msg)
    if protocol(environ, "METRICS") == "grpc":
        try:
            from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import (
                OTLPMetricExporter as Grpc,
            )
        except ImportError as error:
            raise UsageError(NO_GRPC) from error
        return Grpc()
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter as Http

    return Http()
