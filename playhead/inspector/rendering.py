"""Templates and what every page shows: the log, who looks, and of a run its head."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse

from playhead.inspector.access import APPROVER, ROLE
from playhead.inspector.control import Control
from playhead.inspector.filters import FILTERS
from playhead.inspector.log_data import Library
from playhead.inspector.run_data import Reading
from playhead.projections.history.record_rows import Row
from playhead.projections.state.waits import shown_status

HERE = Path(__file__).parent


class Renderer:
    """Renders templates over one log."""

    def __init__(self, library: Library, control: Control | None) -> None:
        self.library = library
        self.control = control
        self._env = Environment(
            loader=FileSystemLoader(HERE / "templates"), autoescape=True,
            undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
        )  # fmt: skip
        filters: dict[str, Any] = self._env.filters
        filters.update(FILTERS)

    def allowed(self, request: Request) -> bool:
        """Whether whoever asks may change anything."""
        role = request.scope.get(ROLE, APPROVER)
        return self.control is not None and role == APPROVER

    def part(self, template: str, **values: Any) -> str:
        """A piece of a page."""
        return self._env.get_template(template).render(**values)

    def page(
        self, request: Request, template: str, status_code: int = 200, **values: Any
    ) -> HTMLResponse:
        """A whole page."""
        about = {
            "log": self.library.name, "path": request.url.path, "allowed": self.allowed(request),
            "waiting": self.library.waiting(),
        }  # fmt: skip
        return HTMLResponse(self.part(template, **about | values), status_code)

    def message(
        self, request: Request, status: int, title: str, text: str, back: str
    ) -> HTMLResponse:
        """A page that says one thing."""
        return self.page(request, "message.html", status, title=title, text=text, back=back)

    def about(self, request: Request, reading: Reading, tab: str) -> dict[str, Any]:
        """What the head of a run's pages shows."""
        library = self.library
        begin, end = reading.span
        waits = library.waits(reading.run)
        status = library.status_now(reading.metrics.status or "running")
        return {
            "run": reading, "tab": tab, "parent": library.parent(reading.run),
            "below": library.below(reading.run), "begin": begin, "end": end,
            "total": len(reading.rows), "approvals": reading.approvals(), "status": status,
            "shown_status": shown_status(status, [each.wait.about for each in waits]),
            "waits": waits, "allowed": self.allowed(request),
        }  # fmt: skip

    def rows(self, reading: Reading, rows: Sequence[Row]) -> str:
        """Rows of a run's records."""
        begin, end = reading.span
        return self.part("rows.html", run=reading, rows=rows, begin=begin, end=end, at=None)
