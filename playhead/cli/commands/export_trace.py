"""`export-trace`: the traces of recorded runs, made from the log alone."""

import logging
from typing import Annotated, Any

import typer

from playhead.cli.shared import exit_codes
from playhead.cli.shared.log import find, reading, run_list
from playhead.cli.shared.options import JsonOption, LogFile, parse_time
from playhead.cli.shared.output import count, err, out, say_json
from playhead.events.codec import decode
from playhead.events.errors import UsageError
from playhead.events.log.contract import Reader
from playhead.events.log.sqlite.reader import SqliteReader
from playhead.projections.stored.run_list import find_runs
from playhead.projections.tracing.ids import origin_of
from playhead.telemetry.setup import export_trace as export_to
from playhead.telemetry.setup import exporters, otlp_provider, provider_from_env


class Delivery:
    """How many spans were taken, and how many were not."""

    def __init__(self) -> None:
        self.taken = self.lost = 0

    def sent(self, spans: int, taken: bool) -> None:
        """A batch went out."""
        self.taken += spans * taken
        self.lost += spans * (not taken)


def export_trace(
    run: Annotated[
        str | None,
        typer.Argument(metavar="[RUN]", help="A run's id, a prefix of it, or `last`."),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(metavar="WHEN", help="All runs started since: 90m, 12h, 3d, 2030-01-31."),
    ] = None,
    otlp: Annotated[
        str | None,
        typer.Option(
            "--otlp",
            metavar="URL",
            help="An OTLP endpoint, such as Jaeger's http://localhost:4318.",
            show_default="as the OTEL_EXPORTER_OTLP_* variables say",
        ),
    ] = None,
    content: Annotated[
        bool, typer.Option("--content", help="Include prompts, arguments, results and messages.")
    ] = False,
    log: LogFile = None,
    json: JsonOption = False,
) -> int:
    """Send the traces of recorded runs.

    The spans have the ids and times of the live run, so sending them twice gives the same spans.
    """
    if (run is None) == (since is None):
        msg = "give a run, or --since WHEN for all runs since then"
        raise UsageError(msg)
    delivery = Delivery()
    logging.getLogger("opentelemetry").addHandler(logging.NullHandler())  # we say it ourselves
    provider = _provider(otlp, delivery)
    try:
        with reading(log) as reader:
            told: list[dict[str, Any]] = []
            for each in _chosen(reader, run, since):
                spans = export_to(reader, each, provider, content=content)
                told.append(_told(reader, each, spans))
    finally:
        provider.shutdown()
    if json:
        say_json({"runs": told, "taken": delivery.taken, "lost": delivery.lost})
    else:
        _say(told, delivery, otlp or "the exporter")
    return exit_codes.NO if delivery.lost else exit_codes.OK


def _provider(url: str | None, delivery: Delivery) -> Any:
    if url is not None and "://" not in url:
        msg = f"--otlp {url}: write a URL, such as http://localhost:4318"
        raise UsageError(msg)
    if url is not None or "otlp" in exporters():
        return otlp_provider(url, sent=delivery.sent)
    provider = provider_from_env()
    if provider is None:
        msg = "nowhere to send to: give --otlp URL, or set OTEL_EXPORTER_OTLP_ENDPOINT"
        raise UsageError(msg)
    return provider


def _chosen(reader: SqliteReader, run: str | None, since: str | None) -> list[str]:
    if run is not None:
        return [find(reader, run)]
    assert since is not None
    with run_list(reader) as views:
        rows = find_runs(views.connection, since=parse_time(since, "--since"))
    return [row.run for row in reversed(rows)]


def _told(reader: Reader, run: str, spans: int) -> dict[str, Any]:
    row = next(reader.read(run, 0, 1))  # of a fork: its parent's, in a trace of its own
    first = decode(row, reader.body)._replace(run=run)
    return {"run": run, "trace": f"{origin_of(first).trace:032x}", "spans": spans}


def _say(told: list[dict[str, Any]], delivery: Delivery, where: str) -> None:
    for each in told:
        out.print(f"run {each['run']}: {count(each['spans'], 'span')}, trace {each['trace']}")
    if not told:
        out.print("no run started since then")
    elif delivery.lost:
        lost = count(delivery.lost, "span")
        err.print(f"{where} did not take {lost}: is it there? Sending again does no harm")
    else:
        out.print(f"given to {where}", style="dim")
