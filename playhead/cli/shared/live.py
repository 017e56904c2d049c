"""Follows a run: each entry once it is committed, and on a terminal the streamed text."""

from collections.abc import Iterable
from pathlib import Path
from types import TracebackType

from rich.live import Live as Region
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from playhead.cli.shared.log import log_option
from playhead.cli.shared.output import err, plain
from playhead.cli.shared.run_format import cost_text, entry_row, under_way
from playhead.cli.shared.run_summary import RunSummary
from playhead.events.kinds.approvals import ApprovalRequested
from playhead.events.record import Record
from playhead.events.registry import ENDINGS
from playhead.projections.history.story import Cost
from playhead.projections.history.timeline import timeline
from playhead.projections.plan.drawing import as_text
from playhead.projections.plan.plan import plan_of
from playhead.service.subscriptions import Piece, TextChunk, ToolProgress

TAIL = 400
"""Characters of a reply that are shown while it streams."""


def progress_text(said: ToolProgress) -> str:
    """How far a tool says that its call is, on one line."""
    of = "" if said.total is None else f" of {said.total:g}"
    count = "" if said.done is None else f" ({said.done:g}{of})"
    return f"{said.text}{count}"


class Live:
    """Prints to standard error; `quiet` prints nothing. A context manager."""

    def __init__(
        self, run: str, after: int = 0, *, log: Path | None = None, quiet: bool = False
    ) -> None:
        """Follow a run; records up to `after` were shown before. `log`: as it was named."""
        self.summary = RunSummary(run)
        self._after = after
        self._log = log
        self.quiet = quiet
        self._text = ""
        self._status = ""
        self._region: Region | None = None
        if err.is_terminal and not quiet:
            self._region = Region(
                console=err, transient=True, refresh_per_second=8, get_renderable=self._render
            )

    def follow(self, items: Iterable[Piece]) -> None:
        """Show what comes until the run ends or is paused, or the runtime closes."""
        for item in items:
            if isinstance(item, TextChunk):
                self._text = "" if item.discarded else self._text + item.text
            elif isinstance(item, ToolProgress):
                self._status = progress_text(item)
            elif self._record(item):
                return

    def _record(self, record: Record) -> bool:
        """Show a record; whether it is the last one to wait for."""
        if record.seq in self.summary.records:
            return False
        self.summary.fold(record)
        self._status = under_way(record.event, self.summary) or self._status
        if record.event.kind == "model_answered":
            self._text = ""
        if record.seq <= self._after:
            return False
        if not self.quiet:
            self._print(record)
        return record.event.kind in ENDINGS or record.event.kind == "run_paused"

    def _print(self, record: Record) -> None:
        for entry in timeline([record]):
            if entry.heading in ("Goal", "Strategy", "Answer"):
                continue
            note = cost_text(Cost(entry.duration_ms, entry.usage))
            err.print(entry_row(entry, note, seq=False))
        if isinstance(record.event, ApprovalRequested):
            named = f"{record.run} {record.event.call}{log_option(self._log)}"
            others = "deny, or plan edit" if record.event.about == "plan" else "deny"
            said = f"  playhead approve {named}   (or {others})"
            err.print(said, style="dim", soft_wrap=True)

    def _render(self) -> Table:
        grid = Table.grid()
        plan = plan_of(self.summary.records.values())
        if plan is not None:
            grid.add_row(Text(plain(as_text(plan)), style="dim"))
        if self._text.strip():
            grid.add_row(Text(plain(self._text[-TAIL:]), style="dim"))
        grid.add_row(Spinner("dots", Text(plain(self._status), style="dim")))
        return grid

    def __enter__(self) -> "Live":
        if self._region is not None:
            self._region.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._region is not None:
            self._region.stop()
