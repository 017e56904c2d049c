"""Pages that follow the log: server-sent events with rows, heads and lists as they change."""

import asyncio
from collections.abc import AsyncIterator

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from playhead.inspector.rendering import Renderer
from playhead.inspector.run_data import Reading
from playhead.inspector.wanted import LISTED, number, wanted_runs

LOOK = 0.25
"""Seconds between two reads of the log, for live pages."""

LOOK_AT_ALL = 1.0
"""The same, for pages that are made from all runs."""


class Live:
    """The streams."""

    def __init__(self, renderer: Renderer) -> None:
        self._renderer = renderer
        self._library = renderer.library
        self.closing = False
        """Ends the streams."""

    def routes(self) -> list[Route]:
        """Where pages listen."""
        return [
            Route("/live", self.list),
            Route("/live/changes", self.log),
            Route("/runs/{run}/live", self.run),
        ]

    async def run(self, request: Request) -> Response:
        """The rows of a run that come or change."""
        reading = await run_in_threadpool(self._library.reading, request.path_params["run"])
        after = number(request.headers.get("last-event-id"), -1)
        if after < 0:
            after = number(request.query_params.get("after"), 0)
        return _stream(self._run_events(request, reading, after))

    async def _run_events(
        self, request: Request, reading: Reading, after: int
    ) -> AsyncIterator[str]:
        head = ""
        while not self.closing:
            rows = await run_in_threadpool(reading.changed_since, after)
            if rows:
                after = len(reading.rows)
                yield _event("rows", self._renderer.rows(reading, rows), after)
            now = self._renderer.part(
                "head.html", **self._renderer.about(request, reading, "records")
            )
            if now != head:
                head = now
                yield _event("head", now, after)
            if reading.metrics.ended:
                yield _event("ended", "", after)
                return
            await asyncio.sleep(LOOK)
            yield ":\n\n"
            await run_in_threadpool(reading.catch_up)

    async def log(self, request: Request) -> Response:
        """A notice whenever the log has grown."""
        return _stream(self._changes(number(request.query_params.get("after"), 0)))

    async def _changes(self, seen: int) -> AsyncIterator[str]:
        while not self.closing:
            position = await run_in_threadpool(self._library.position)
            if position != seen:
                seen = position
                yield _event("changed", "", seen)
            await asyncio.sleep(LOOK_AT_ALL)
            yield ":\n\n"

    async def list(self, request: Request) -> Response:
        """The list of runs whenever it has changed."""
        return _stream(self._list_events(request))

    async def _list_events(self, request: Request) -> AsyncIterator[str]:
        seen = -1
        wanted = wanted_runs(request)
        while not self.closing:
            position = await run_in_threadpool(self._library.position)
            if position != seen:
                seen = position
                listed = await run_in_threadpool(self._library.runs, wanted, LISTED)
                older = wanted.older([each.row for each in listed])
                part = self._renderer.part(
                    "list.html", runs=listed, older=older, filtered=wanted.any
                )
                yield _event("runs", part, seen)
            await asyncio.sleep(LOOK)
            yield ":\n\n"


def _event(name: str, data: str, number: int) -> str:
    lines = "".join(f"data: {line}\n" for line in data.splitlines() or [""])
    return f"event: {name}\nid: {number}\n{lines}\n"


def _stream(events: AsyncIterator[str]) -> StreamingResponse:
    return StreamingResponse(events, media_type="text/event-stream")
