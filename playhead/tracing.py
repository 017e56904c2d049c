"""Recorded runs as OpenTelemetry spans, with the ids and times that they had live.

from playhead.logs import LogReader
from playhead.tracing import export_trace, otlp_provider

provider = otlp_provider("http://localhost:4318")
with LogReader("fx.db") as log:
    export_trace(log, log.find("last"), provider)
provider.shutdown()
"""

from playhead.telemetry.setup import export_trace, otlp_provider

__all__ = ["export_trace", "otlp_provider"]
