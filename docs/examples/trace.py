"""The traces of all recorded runs, sent to Jaeger or any other OTLP endpoint.

docker run -p 4318:4318 -p 16686:16686 jaegertracing/jaeger
python docs/examples/trace.py fx.db http://localhost:4318

A run that goes on right now needs no program at all: with OTEL_EXPORTER_OTLP_ENDPOINT set, every
Runtime sends its spans by itself. Either way it is the same tree with the same ids.
"""

import sys

from playhead.logs import LogReader
from playhead.tracing import export_trace, otlp_provider


def main(path: str, endpoint: str) -> None:
    provider = otlp_provider(endpoint)
    with LogReader(path) as log:
        for run in log.runs():
            print(f"run {run}: {export_trace(log, run, provider)} spans")
    provider.shutdown()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
