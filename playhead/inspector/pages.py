"""The pages: each is one function from a request to a template, with data from `Library`."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, Protocol

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import (
    HTMLResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from playhead.events.errors import UnknownRun, UsageError
from playhead.events.event import Event, Json
from playhead.events.kinds.approvals import ApprovalDecided
from playhead.events.kinds.tool_calls import CallAnswered
from playhead.events.log.inbox import Inbox
from playhead.inspector.charts import run_chart
from playhead.inspector.filters import FILTERS
from playhead.inspector.log_data import Library, alerts
from playhead.inspector.plan_layout import plan_graph
from playhead.inspector.run_data import Reading
from playhead.inspector.run_memory import remembered
from playhead.projections.history.diff import difference
from playhead.projections.history.record_rows import Row
from playhead.projections.history.timeline import timeline
from playhead.projections.metrics.alert_rules import ALERT_RULES, AlertRule
from playhead.projections.metrics.indicators import by_agent, by_model, by_tool, indicators
from playhead.projections.metrics.prometheus import prometheus
from playhead.projections.state.waits import APPROVALS, DEFERRED
from playhead.service.decider import this_process
from playhead.service.redaction import Redactor
from playhead.service.wait_reader import approval_of

ANSWER = TypeAdapter(dict[str, Json])

PATIENCE = 5.0
"""Seconds to wait for the owner of the log."""


class Tell(Protocol):
    """Has an event appended to a run. Raises UsageError when it does not apply."""

    def __call__(self, run: str, event: Event, /) -> None:
        """Append it."""
        ...


def answer_of(call: int, text: str, *, succeeded: bool) -> CallAnswered:
    """The answer of a deferred call as a person typed it: JSON, and anything else as text."""
    if not succeeded:
        return CallAnswered(call=call, error=text or "it failed", by=this_process())
    try:
        result: Json = from_json(text)
    except ValueError:
        result = text
    return CallAnswered(call=call, result=result, by=this_process())


def verdict(call: int, binding: str, *, approved: bool, reason: str) -> ApprovalDecided:
    """What a person said; `binding` is of what was shown to them."""
    return ApprovalDecided(
        call=call, binding=binding, approved=approved, reason=reason or None, by=this_process()
    )


def _answer(text: str) -> dict[str, Json] | None:
    """What a person typed as the answer to a tool. Raises UsageError."""
    if not text.strip():
        return None
    try:
        return ANSWER.validate_json(text)
    except ValidationError as error:
        msg = f"the answer is not a JSON object: {text[:200]}"
        raise UsageError(msg) from error


def through_inbox(path: Path) -> Tell:
    """Leave the event for the log's owner, and wait up to PATIENCE for the answer."""

    def tell(run: str, event: Event, /) -> None:
        inbox = Inbox(path)
        try:
            command = inbox.put(run, Redactor().event(event))
            until = time.monotonic() + PATIENCE
            while time.monotonic() < until:
                found = inbox.find(command.id)
                if found is None:
                    return
                if found.answer is not None:
                    inbox.remove(command.id)
                    raise UsageError(found.answer)
                time.sleep(0.05)
        finally:
            inbox.close()
        msg = f"left for the process that takes the run up (playhead resume {run})"
        raise UsageError(msg)

    return tell


HERE = Path(__file__).parent

CHUNK = 200
"""Rows that are sent together."""

LISTED = 200
"""Runs in the list."""

LOOK = 0.25
"""Seconds between two reads of the log, for live pages."""

LOOK_AT_ALL = 1.0
"""The same, for pages that are made from all runs."""


class Pages:
    """The inspector's pages over one log."""

    def __init__(
        self,
        library: Library,
        tell: Tell | None = None,
        rules: Sequence[AlertRule] = ALERT_RULES,
    ) -> None:
        """`tell` appends a person's verdict; without it approvals can only be read."""
        self._rules = rules
        self._library = library
        self._tell = tell
        self.closing = False
        """Ends the live streams."""
        self._env = Environment(
            loader=FileSystemLoader(HERE / "templates"), autoescape=True,
            undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
        )  # fmt: skip
        filters: dict[str, Any] = self._env.filters
        filters.update(FILTERS)

    def app(self) -> Starlette:
        """The ASGI app, without a guard around it."""
        run = "/runs/{run}"
        return Starlette(
            routes=[
                Route("/", self.runs),
                Route("/live", self.live_list),
                Route("/live/changes", self.live_log),
                Route("/metrics", self.metrics),
                Route("/metrics.txt", self.prometheus),
                Route("/approvals", self.approvals),
                Route("/compare", self.compare),
                Route(run, self.run),
                Route(run + "/rows", self.rows),
                Route(run + "/at/{seq:int}", self.at),
                Route(run + "/timeline", self.timeline),
                Route(run + "/plan", self.plan),
                Route(run + "/facts", self.facts),
                Route(run + "/live", self.live_run),
                Route(run + "/approvals/{call:int}", self.decide, methods=["POST"]),
                Route(run + "/answers/{call:int}", self.answer, methods=["POST"]),
                Mount("/static", StaticFiles(directory=HERE / "static")),
            ],
            exception_handlers={UnknownRun: self._unknown, 404: self._unknown},
        )

    def runs(self, request: Request) -> Response:
        """The list of runs."""
        wanted = _wanted(request)
        listed = self._library.runs(limit=LISTED, **wanted)
        query = str(request.url.query)
        return self._page("runs.html", runs=listed, wanted=wanted, query=query)

    def run(self, request: Request) -> Response:
        """A run's records, and the state at the one in `at`."""
        reading = self._reading(request)
        last = len(reading.rows)
        at = min(max(1, _number(request.query_params.get("at"), last)), last)
        first = (at - 1) // CHUNK * CHUNK
        return self._page(
            "run.html", **self._about(reading, "records"), rows=reading.rows[first : first + CHUNK],
            first=first + 1, chunk=CHUNK, state=reading.at(at), at=at,
            whole="whole" in request.query_params,
        )  # fmt: skip

    def rows(self, request: Request) -> Response:
        """Some rows of a run, for the page to put in."""
        reading = self._reading(request)
        first = max(1, _number(request.query_params.get("from"), 1))
        rows = reading.rows[first - 1 : first - 1 + CHUNK]
        return HTMLResponse(self._rows(reading, rows))

    def at(self, request: Request) -> Response:
        """The run as it stood at a record, for the page to put in."""
        reading = self._reading(request)
        try:
            state = reading.at(request.path_params["seq"])
        except IndexError:
            return PlainTextResponse("There is no such record.\n", 404)
        about = self._about(reading, "records")
        return HTMLResponse(
            self._env.get_template("state_at.html").render(state=state, whole=False, **about)
        )

    def timeline(self, request: Request) -> Response:
        """A run as a timeline: thoughts, actions, observations."""
        reading = self._reading(request)
        entries = list(timeline(reading.records))
        return self._page("timeline.html", **self._about(reading, "timeline"), entries=entries)

    def plan(self, request: Request) -> Response:
        """A run's steps and what each waited for."""
        reading = self._reading(request)
        graph = plan_graph(reading.records)
        return self._page("plan.html", **self._about(reading, "plan"), graph=graph)

    def facts(self, request: Request) -> Response:
        """What a run recalled, learned and forgot."""
        reading = self._reading(request)
        found = remembered(reading)
        return self._page("facts.html", **self._about(reading, "facts"), found=found)

    def compare(self, request: Request) -> Response:
        """Two runs side by side."""
        left, right = (request.query_params.get(side, "") for side in ("left", "right"))
        sides = [self._library.reading(run) if run else None for run in (left, right)]
        found = sides[0] and sides[1] and difference(sides[0].records, sides[1].records)
        listed = self._library.runs(limit=LISTED)
        return self._page(
            "compare.html", left=left, right=right, sides=sides, found=found, runs=listed
        )

    def metrics(self, request: Request) -> Response:
        """Indicators, targets, alerts, charts."""
        agent = request.query_params.get("agent") or None
        position = self._library.position()
        everyone = self._library.metrics()
        found = [m for m in everyone if agent in (None, m.agent)]
        return self._page(
            "metrics.html", position=position, found=found,
            agent=agent, agents=list(by_agent(everyone)),
            indicators=indicators(found, (), self._rules, agent), tools=by_tool(found),
            alerts=alerts(everyone, self._rules), models=by_model(found), charts=run_chart(found),
        )  # fmt: skip

    def prometheus(self, _: Request) -> Response:
        """Run metrics for Prometheus to scrape, with the token as a bearer."""
        return PlainTextResponse(prometheus(self._library.metrics(), self._rules))

    def approvals(self, request: Request) -> Response:
        """Everything that waits for a person."""
        position = self._library.position()
        waits = self._library.waits()
        found = [approval_of(each) for each in waits if each.wait.about in APPROVALS]
        said = request.query_params.get("said")
        return self._page(
            "approvals.html",
            position=position,
            approvals=found,
            answers=[each for each in waits if each.wait.about in DEFERRED],
            others=[each for each in waits if each.wait.about == "model"],
            said=said,
            allowed=self._tell is not None,
        )

    async def decide(self, request: Request) -> Response:
        """Append a person's verdict; bound to what they were shown."""
        if self._tell is None:
            return PlainTextResponse("Approvals are read-only here: --allow-approvals\n", 403)
        form = await request.form()
        run, call = request.path_params["run"], request.path_params["call"]
        event = verdict(
            call, str(form.get("binding", "")), approved=form.get("verdict") == "approve",
            reason=str(form.get("reason", "")),
        )  # fmt: skip
        try:
            event = event.model_copy(update={"arguments": _answer(str(form.get("answer", "")))})
        except UsageError as error:
            return self._not_recorded(run, error)
        return await self._tell_run(run, event)

    async def answer(self, request: Request) -> Response:
        """Append the answer of a deferred call: JSON, or text."""
        if self._tell is None:
            return PlainTextResponse("Answers are read-only here: --allow-approvals\n", 403)
        form = await request.form()
        run, call = request.path_params["run"], request.path_params["call"]
        succeeded = form.get("verdict") == "complete"
        return await self._tell_run(
            run, answer_of(call, str(form.get("answer", "")), succeeded=succeeded)
        )

    async def _tell_run(self, run: str, event: Event) -> Response:
        assert self._tell is not None
        try:
            await run_in_threadpool(self._tell, run, event)
        except UsageError as error:
            return self._not_recorded(run, error)
        return RedirectResponse(f"/runs/{run}", 303)

    def _not_recorded(self, run: str, error: UsageError) -> Response:
        title = "It was not recorded"
        return self._page("message.html", 409, title=title, text=str(error), run=run)

    async def live_run(self, request: Request) -> Response:
        """The rows of a run that come or change, as server-sent events."""
        reading = await run_in_threadpool(self._reading, request)
        after = _number(request.headers.get("last-event-id"), -1)
        if after < 0:
            after = _number(request.query_params.get("after"), 0)
        return _stream(self._run_events(reading, after))

    async def _run_events(self, reading: Reading, after: int) -> AsyncIterator[str]:
        head = ""
        while not self.closing:
            rows = await run_in_threadpool(reading.changed_since, after)
            if rows:
                after = len(reading.rows)
                yield _event("rows", self._rows(reading, rows), after)
            now = self._env.get_template("head.html").render(**self._about(reading, "records"))
            if now != head:
                head = now
                yield _event("head", now, after)
            if reading.metrics.ended:
                yield _event("ended", "", after)
                return
            await asyncio.sleep(LOOK)
            yield ":\n\n"
            await run_in_threadpool(reading.catch_up)

    async def live_log(self, request: Request) -> Response:
        """A notice whenever the log has grown, as server-sent events."""
        return _stream(self._changes(_number(request.query_params.get("after"), 0)))

    async def _changes(self, seen: int) -> AsyncIterator[str]:
        while not self.closing:
            position = await run_in_threadpool(self._library.position)
            if position != seen:
                seen = position
                yield _event("changed", "", seen)
            await asyncio.sleep(LOOK_AT_ALL)
            yield ":\n\n"

    async def live_list(self, request: Request) -> Response:
        """The list of runs whenever it has changed, as server-sent events."""
        return _stream(self._list_events(request))

    async def _list_events(self, request: Request) -> AsyncIterator[str]:
        seen = -1
        wanted = _wanted(request)
        while not self.closing:
            position = await run_in_threadpool(self._library.position)
            if position != seen:
                seen = position
                listed = await run_in_threadpool(lambda: self._library.runs(limit=LISTED, **wanted))
                yield _event("runs", self._env.get_template("list.html").render(runs=listed), seen)
            await asyncio.sleep(LOOK)
            yield ":\n\n"

    def _about(self, reading: Reading, tab: str) -> dict[str, Any]:
        above, below = self._library.family(reading.run)
        begin, end = reading.span
        return {
            "run": reading, "tab": tab, "above": above, "below": below, "begin": begin, "end": end,
            "total": len(reading.rows), "approvals": reading.approvals(),
            "status": self._library.status_now(reading.metrics.status or "running"),
            "waits": [each.wait for each in self._library.waits(reading.run)],
            "allowed": self._tell is not None,
        }  # fmt: skip

    def _rows(self, reading: Reading, rows: Sequence[Row]) -> str:
        begin, end = reading.span
        template = self._env.get_template("rows.html")
        return template.render(run=reading, rows=rows, begin=begin, end=end, at=None)

    def _reading(self, request: Request) -> Reading:
        return self._library.reading(request.path_params["run"])

    def _page(self, template: str, status_code: int = 200, **values: Any) -> HTMLResponse:
        page = self._env.get_template(template)
        return HTMLResponse(page.render(log=self._library.name, **values), status_code)

    def _unknown(self, request: Request, error: Exception) -> Response:
        text = str(error) if isinstance(error, UnknownRun) else "There is no such page."
        return self._page("message.html", 404, title="Not here", text=text, run=None)


def _wanted(request: Request) -> dict[str, Any]:
    """The filters in an address: ?status=, agent=, session=, run= and any number of label=K=V."""
    given = request.query_params
    names = {"status": "status", "agent": "agent", "session": "session", "beginning": "run"}
    wanted: dict[str, Any] = {name: given.get(there) or None for name, there in names.items()}
    labels = [each.partition("=") for each in given.getlist("label") if each]
    return wanted | {"metadata": {key: value for key, _, value in labels}}


def _number(text: str | None, otherwise: int) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 10 else otherwise


def _event(name: str, data: str, number: int) -> str:
    lines = "".join(f"data: {line}\n" for line in data.splitlines() or [""])
    return f"event: {name}\nid: {number}\n{lines}\n"


def _stream(events: AsyncIterator[str]) -> StreamingResponse:
    return StreamingResponse(events, media_type="text/event-stream")
