"""The traces of all recorded runs, sent to Jaeger or any other OTLP endpoint.

docker run -p 4318:4318 -p 16686:16686 jaegertracing/jaeger
python docs/examples/trace.py fx.db http://localhost:4318

A run that goes on right now needs no program at all: with OTEL_EXPORTER_OTLP_ENDPOINT set, every
Runtime sends its spans by itself. Either way it is the same tree with the same ids.
"""

import sys

from playhead.events.log.sqlite.log import SqliteReader
from playhead.telemetry.setup import export_trace, otlp_provider


def main(path: str, endpoint: str) -> None:
    log = SqliteReader(path)
    provider = otlp_provider(endpoint)
    for stream in log.streams():
        if stream.kind == "run":
            print(f"run {stream.id}: {export_trace(log, stream.id, provider)} spans")
    provider.shutdown()
    log.close()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
