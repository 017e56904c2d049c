"""The pages: each is one function from a request to a template, with data from `Library`."""

from collections.abc import Iterator, Sequence
from contextlib import closing

from starlette.applications import Starlette
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

from playhead.events.errors import UnknownRun
from playhead.events.kinds.tool_calls import ToolRequested
from playhead.events.maintenance.export import export
from playhead.inspector.actions import Actions
from playhead.inspector.charts import run_charts
from playhead.inspector.control import Control
from playhead.inspector.evaluations import Evaluations
from playhead.inspector.live import Live
from playhead.inspector.log_data import Library, alerts
from playhead.inspector.plan_layout import plan_graph
from playhead.inspector.rendering import HERE, Renderer
from playhead.inspector.run_cost import BY, run_cost
from playhead.inspector.run_data import Reading
from playhead.inspector.run_memory import remembered
from playhead.inspector.wanted import LISTED, SINCE, STATUSES, number, wanted_runs
from playhead.memory.index import MemoryIndex
from playhead.projections.history.diff import difference
from playhead.projections.history.waterfall import ticks, waterfall
from playhead.projections.memory.filter import Filter
from playhead.projections.metrics.alert_rules import ALERT_RULES, AlertRule
from playhead.projections.metrics.indicators import by_agent, by_model, by_tool, indicators
from playhead.projections.metrics.prometheus import prometheus
from playhead.projections.state.waits import APPROVALS, DEFERRED
from playhead.service.wait_reader import approval_of

CHUNK = 200
"""Rows of records that are sent together, and entries of a story on one page."""

BARS = 400
"""Bars of a waterfall on one page."""

MEMORIES = 50


class Pages:
    """The inspector's pages over one log."""

    def __init__(
        self,
        library: Library,
        control: Control | None = None,
        rules: Sequence[AlertRule] = ALERT_RULES,
    ) -> None:
        """`control` acts on runs; without it everything can only be read."""
        self._rules = rules
        self._library = library
        self._renderer = Renderer(library, control)
        self.live = Live(self._renderer)

    def app(self) -> Starlette:
        """The ASGI app, without a guard around it."""
        run = "/runs/{run}"
        return Starlette(
            routes=[
                Route("/", self.runs),
                Route("/metrics", self.metrics),
                Route("/metrics.txt", self.prometheus),
                Route("/waiting", self.waiting),
                Route("/compare", self.compare),
                Route("/memory", self.memory),
                Route("/sessions/{session:path}", self.session),
                *self.live.routes(),
                Route(run, self.story),
                Route(run + "/waterfall", self.waterfall),
                Route(run + "/records", self.records),
                Route(run + "/records/{seq:int}", self.record),
                Route(run + "/rows", self.rows),
                Route(run + "/at/{seq:int}", self.at),
                Route(run + "/cost", self.cost),
                Route(run + "/plan", self.plan),
                Route(run + "/memory", self.run_memory),
                Route(run + "/fork", self.fork),
                Route(run + "/export", self.export),
                *Actions(self._renderer).routes(),
                *Evaluations(self._renderer).routes(),
                Mount("/static", StaticFiles(directory=HERE / "static")),
            ],
            exception_handlers={UnknownRun: self._unknown, 404: self._unknown},
        )

    def runs(self, request: Request) -> Response:
        """The list of runs."""
        wanted = wanted_runs(request)
        listed = self._library.runs(wanted, LISTED)
        return self._renderer.page(
            request, "runs.html", runs=listed, wanted=wanted, filtered=wanted.any,
            older=wanted.older([each.row for each in listed]),
            statuses=STATUSES, ages=SINCE, agents=self._library.agents(),
        )  # fmt: skip

    def story(self, request: Request) -> Response:
        """What happened: the entries of a run's story, its end first in view."""
        if "at" in request.query_params:
            return RedirectResponse(f"{request.url.path}/records?{request.url.query}", 303)
        reading = self._reading(request)
        told = reading.story()
        first = number(request.query_params.get("from"), max(1, len(told) - CHUNK + 1))
        return self._renderer.page(
            request, "story.html", **self._renderer.about(request, reading, "story"),
            told=told[max(0, first - 1) : max(0, first - 1) + CHUNK], first=max(1, first),
            chunk=CHUNK, entries=len(told), position=self._library.position(),
        )  # fmt: skip

    def waterfall(self, request: Request) -> Response:
        """What took the time: bars over a scale, as far in as was asked."""
        reading = self._reading(request)
        begin, end = reading.span
        whole = max(1, end - begin)
        given = request.query_params
        left = min(number(given.get("from"), 0), whole - 1)
        right = min(max(number(given.get("to"), whole), left + 1), whole)
        bars = [
            bar
            for bar in waterfall(reading.records, reading.rows)
            if bar.row.begin - begin <= right
            and (bar.row.end if bar.row.end is not None else end) - begin >= left
        ]
        return self._renderer.page(
            request, "waterfall.html", **self._renderer.about(request, reading, "waterfall"),
            bars=bars[:BARS], more=max(0, len(bars) - BARS), left=left, right=right, whole=whole,
            scale=ticks(left / 1e6, right / 1e6),
        )  # fmt: skip

    def records(self, request: Request) -> Response:
        """A run's records, and the state at the one in `at`."""
        reading = self._reading(request)
        last = len(reading.rows)
        at = min(max(1, number(request.query_params.get("at"), last)), last)
        first = (at - 1) // CHUNK * CHUNK
        return self._renderer.page(
            request, "records.html", **self._renderer.about(request, reading, "records"),
            rows=reading.rows[first : first + CHUNK], first=first + 1, chunk=CHUNK,
            state=reading.at(at), at=at, whole="whole" in request.query_params,
        )  # fmt: skip

    def record(self, request: Request) -> Response:
        """One record as a page of its own, as a small screen shows it."""
        reading = self._reading(request)
        try:
            state = reading.at(request.path_params["seq"])
        except IndexError:
            return self._unknown(request, UnknownRun("There is no such record."))
        return self._renderer.page(
            request, "record.html", **self._renderer.about(request, reading, "records"),
            state=state, whole="whole" in request.query_params,
        )  # fmt: skip

    def rows(self, request: Request) -> Response:
        """Some rows of a run, for the page to put in."""
        reading = self._reading(request)
        first = max(1, number(request.query_params.get("from"), 1))
        rows = reading.rows[first - 1 : first - 1 + CHUNK]
        return HTMLResponse(self._renderer.rows(reading, rows))

    def at(self, request: Request) -> Response:
        """The run as it stood at a record, for the page to put in."""
        reading = self._reading(request)
        try:
            state = reading.at(request.path_params["seq"])
        except IndexError:
            return PlainTextResponse("There is no such record.\n", 404)
        about = self._renderer.about(request, reading, "records")
        return HTMLResponse(self._renderer.part("state_at.html", state=state, whole=False, **about))

    def cost(self, request: Request) -> Response:
        """What a run cost, by model, step or kind of task."""
        reading = self._reading(request)
        by = request.query_params.get("by", "model")
        return self._renderer.page(
            request, "cost.html", **self._renderer.about(request, reading, "cost"), ways=BY,
            cost=run_cost(reading.run, reading.records, by),
        )  # fmt: skip

    def plan(self, request: Request) -> Response:
        """A run's steps and what each waited for."""
        reading = self._reading(request)
        graph = plan_graph(reading.records)
        about = self._renderer.about(request, reading, "plan")
        return self._renderer.page(request, "plan.html", **about, graph=graph)

    def run_memory(self, request: Request) -> Response:
        """What a run recalled, learned and forgot."""
        reading = self._reading(request)
        about = self._renderer.about(request, reading, "memory")
        return self._renderer.page(request, "facts.html", **about, found=remembered(reading))

    def fork(self, request: Request) -> Response:
        """What if: a form for a fork with a change."""
        reading = self._reading(request)
        calls = [
            (r.seq, r.event.tool) for r in reading.records if isinstance(r.event, ToolRequested)
        ]
        at, call = (number(request.query_params.get(name), 0) for name in ("at", "call"))
        return self._renderer.page(
            request, "fork.html", **self._renderer.about(request, reading, "fork"),
            calls=calls[-200:], at=at, call=call,
        )  # fmt: skip

    def export(self, request: Request) -> Response:
        """A run as lines of JSON, as `playhead export` writes it."""
        run = self._reading(request).run
        lines: Iterator[bytes] = export(self._library.reader, run)
        named = {"Content-Disposition": f'attachment; filename="{run}.jsonl"'}
        return StreamingResponse(lines, media_type="application/x-ndjson", headers=named)

    def session(self, request: Request) -> Response:
        """A session: its runs as a conversation, and what they cost together."""
        session = request.path_params["session"]
        turns = self._library.session(session)
        if not turns:
            return self._unknown(request, UnknownRun(f"No run belongs to session {session!r}."))
        return self._renderer.page(
            request, "session.html", session=session, turns=turns,
            position=self._library.position(),
        )  # fmt: skip

    def memory(self, request: Request) -> Response:
        """What a namespace remembers and knows; without one, the namespaces."""
        namespace = request.query_params.get("namespace") or None
        after = number(request.query_params.get("after"), 0) or None
        with closing(MemoryIndex(self._library.reader)) as index:
            known = index.namespaces()
            page = index.page(Filter(namespace), MEMORIES, after) if namespace else None
        facts = self._library.facts(namespace) if namespace else []
        return self._renderer.page(
            request, "memory.html", namespace=namespace, known=known, page=page, facts=facts,
            spaces=self._library.fact_namespaces(),
        )  # fmt: skip

    def compare(self, request: Request) -> Response:
        """Two runs side by side."""
        left, right = (request.query_params.get(side, "") for side in ("left", "right"))
        sides = [self._library.reading(run) if run else None for run in (left, right)]
        found = sides[0] and sides[1] and difference(sides[0].records, sides[1].records)
        return self._renderer.page(
            request, "compare.html", left=left, right=right, sides=sides, found=found,
            runs=self._library.newest(LISTED),
        )  # fmt: skip

    def metrics(self, request: Request) -> Response:
        """Indicators, targets, alerts, charts."""
        agent = request.query_params.get("agent") or None
        position = self._library.position()
        everyone = self._library.metrics()
        found = [m for m in everyone if agent in (None, m.agent)]
        return self._renderer.page(
            request, "metrics.html", position=position, found=found, agent=agent,
            agents=list(by_agent(everyone)), charts=run_charts(found), tools=by_tool(found),
            indicators=indicators(found, (), self._rules, agent), models=by_model(found),
            alerts=alerts(everyone, self._rules),
        )  # fmt: skip

    def prometheus(self, _: Request) -> Response:
        """Run metrics for Prometheus to scrape, with the token as a bearer."""
        return PlainTextResponse(prometheus(self._library.metrics(), self._rules))

    def waiting(self, request: Request) -> Response:
        """Everything that waits: for a person, an answer, a time, a model."""
        position = self._library.position()
        waits = self._library.waits()
        return self._renderer.page(
            request, "waiting.html", position=position,
            approvals=[approval_of(each) for each in waits if each.wait.about in APPROVALS],
            answers=[each for each in waits if each.wait.about in DEFERRED],
            others=[each for each in waits if each.wait.about == "model"],
        )  # fmt: skip

    def _reading(self, request: Request) -> Reading:
        return self._library.reading(request.path_params["run"])

    def _unknown(self, request: Request, error: Exception) -> Response:
        text = str(error) if isinstance(error, UnknownRun) else "There is no such page."
        return self._renderer.message(request, 404, "Not here", text, "/")
