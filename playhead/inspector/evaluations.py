"""The pages of the evaluations in a log."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from playhead.evals.evaluation_log import evaluation_report, evaluations
from playhead.events.errors import UsageError
from playhead.inspector.rendering import Renderer

NEWEST = 50
SHOWN = 100
"""Failed trials on a page."""


class Evaluations:
    """Which evaluations there are, and the report of each."""

    def __init__(self, renderer: Renderer) -> None:
        self._renderer = renderer

    def routes(self) -> list[BaseRoute]:
        """Their addresses."""
        return [
            Route("/evaluations", self.all),
            Route("/evaluations/{evaluation:path}", self.one),
        ]

    def all(self, request: Request) -> Response:
        """The newest evaluations."""
        reader = self._renderer.library.reader
        names = evaluations(reader)[::-1]
        try:
            found = [evaluation_report(reader, name) for name in names[:NEWEST]]
        except UsageError as missing:  # the extra that computes the figures
            return self._renderer.message(request, 501, "Evaluations", str(missing), "/")
        return self._renderer.page(request, "evaluations.html", found=found, total=len(names))

    def one(self, request: Request) -> Response:
        """A report: each variant, what failed and why, the comparisons."""
        name = request.path_params["evaluation"]
        try:
            report = evaluation_report(self._renderer.library.reader, name)
        except UsageError as wrong:
            return self._renderer.message(
                request, 404, "No such evaluation", str(wrong), "/evaluations"
            )
        return self._renderer.page(request, "evaluation.html", report=report, shown=SHOWN)
