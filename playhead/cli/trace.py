"""`export-trace`: the trace of a recorded run, made from the log alone."""

from typing import Annotated

import typer

from playhead.cli import exits
from playhead.cli.find import find, reading
from playhead.cli.options import LogFile, RunId
from playhead.cli.output import count, out
from playhead.telemetry import export_trace as export_to
from playhead.telemetry import otlp_provider


def export_trace(
    run: RunId,
    endpoint: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="An OTLP endpoint, such as Jaeger's http://localhost:4318.",
            show_default="as the OTEL_EXPORTER_OTLP_* variables say",
        ),
    ] = None,
    content: Annotated[
        bool, typer.Option("--content", help="With what was said, not only that it was.")
    ] = False,
    log: LogFile = None,
) -> int:
    """Send the trace of a recorded run.

    The spans carry the ids and times that they had, or would have had, while the run went on.
    """
    provider = otlp_provider(endpoint)
    with reading(log) as reader:
        run = find(reader, run)
        sent = export_to(reader, run, provider, content=content)
    provider.shutdown()
    out.print(f"run {run}: {count(sent, 'span')} given to {endpoint or 'the exporter'}")
    return exits.OK
