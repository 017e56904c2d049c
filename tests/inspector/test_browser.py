"""The inspector in a real browser. Screenshots are kept under artifacts/ to be looked at."""

import threading

from playwright.sync_api import Browser, Page, Response, expect

from playhead import Runtime
from playhead.events.kinds.runs import RunFinished, RunStarted
from playhead.events.log.memory import MemoryLog
from playhead.events.spec.agent import AgentSpec, ModelSettings
from playhead.inspector.pages import BARS, CHUNK
from playhead.inspector.server import Inspector
from playhead.inspector.wanted import LISTED
from playhead.testing import call
from playhead.testing.appends import append_of, write
from tests.house.sources import ROOT
from tests.inspector.runs import EVIL, agent, go, hostile, long_run

ARTIFACTS = ROOT / "artifacts"


def keep(page: Page, name: str) -> None:
    ARTIFACTS.mkdir(exist_ok=True)
    page.screenshot(path=str(ARTIFACTS / f"inspector-{name}.png"))


def test_a_run_is_watched_live(page: Page, log: MemoryLog) -> None:
    go.clear()
    someone = agent([call("wait"), call("add", a=1, b=2), "It is 3."])
    with Runtime(log, [someone]) as runtime:
        server = runtime.serve()
        page.goto(server.url)
        expect(page.get_by_text("No runs here yet")).to_be_visible()
        run = runtime.start(someone, "What is 1 + 2?")
        page.get_by_role("link", name="What is 1 + 2?").click()
        page.get_by_role("link", name="Records").click()
        expect(page.locator(".row", has_text="starts wait")).to_be_visible()
        expect(page.locator("#head .status")).to_have_text("running")
        keep(page, "live")
        go.set()
        expect(page.locator("#head .status")).to_have_text("finished")
        expect(page.locator(".row.on")).to_contain_text("It is 3.")
        expect(page.locator("#state-at h2")).to_contain_text("run finished")
        run.wait()
        count = len(list(run.events()))
        assert page.locator(".row").count() == count
        page.goto("about:blank")


def test_the_arrow_keys_travel_through_time(page: Page, log: MemoryLog) -> None:
    run = hostile(log)
    with Inspector(log).start() as server:
        page.goto(server.url)
        page.goto(f"http://127.0.0.1:{server.port}/runs/{run}/records?at=1")
        expect(page.locator("#state-at")).to_contain_text("the model has been told nothing yet")
        for expected in ("strategy chosen", "step started", "model requested", "model answered"):
            page.keyboard.press("ArrowDown")
            expect(page.locator("#state-at h2")).to_contain_text(expected)
        expect(page.locator(".message.new")).to_have_count(1)
        expect(page.locator(".row.on")).to_contain_text("Reply")
        assert page.url.endswith("?at=5")
        keep(page, "time-travel")
        page.keyboard.press("ArrowLeft")
        expect(page.locator("#state-at h2")).to_contain_text("model requested")
        page.keyboard.press("End")
        expect(page.locator("#state-at h2")).to_contain_text("run finished")
        page.keyboard.press("Home")
        expect(page.locator("#state-at h2")).to_contain_text("run started")
        page.go_back()
        expect(page.locator(".runs")).to_be_visible()


def test_an_approval_is_given_from_the_page(page: Page, log: MemoryLog) -> None:
    someone = agent([call("pay", euros=5), "Paid."])
    with Runtime(log, [someone]) as runtime:
        server = runtime.serve()
        run = runtime.start(someone, "Pay 5 EUR.")
        page.goto(server.url)
        page.get_by_role("link", name="Pay 5 EUR.").click()
        expect(page.locator(".asks h2")).to_have_text("pay waits for you")
        keep(page, "approval")
        page.locator("summary", has_text="Approve").click()
        page.get_by_role("button", name="Yes, approve").click()
        expect(page.locator("#head .status")).to_have_text("finished")
        assert run.wait().answer == "Paid."
        expect(page.locator(".asks")).to_have_count(0)
        page.goto("about:blank")  # it follows the log no more


def test_metrics_and_approvals_follow_the_log(page: Page, log: MemoryLog) -> None:
    someone = agent([call("pay", euros=5), "Paid."])
    with Runtime(log, [someone]) as runtime:
        server = runtime.serve()
        page.goto(server.url)
        page.get_by_role("link", name="Waiting").click()
        expect(page.locator("main")).to_contain_text("Nothing waits for you")
        run = runtime.start(someone, "Pay 5 EUR.")
        expect(page.locator(".asks h2")).to_have_text("pay waits for you")
        page.get_by_role("link", name="Metrics").click()
        waiting = page.locator(".cards article", has_text="approvals waiting").locator(".value")
        expect(waiting).to_have_text("1")
        run.deny(run.approvals()[0].call)
        expect(waiting).to_have_text("0")
        page.goto("about:blank")


def test_a_denial_carries_its_reason_to_the_model(page: Page, log: MemoryLog) -> None:
    someone = agent([call("pay", euros=5), "Not paid."])
    with Runtime(log, [someone]) as runtime:
        server = runtime.serve()
        run = runtime.start(someone, "Pay 5 EUR.")
        next(r for r in run.events() if r.event.kind == "approval_requested")
        page.goto(server.url)
        page.get_by_role("link", name="Waiting").click()
        page.locator("summary", has_text="Deny").click()
        page.locator(".asks").get_by_label("Reason").fill("too dear")
        page.get_by_role("button", name="Yes, deny").click()
        expect(page.locator("#head .status")).to_have_text("finished")
        page.goto("about:blank")
        refusal = next(r.event for r in run.events() if r.event.kind == "approval_decided")
        assert (refusal.approved, refusal.reason) == (False, "too dear")  # type: ignore[attr-defined]


def test_a_run_of_ten_thousand_records_comes_in_pieces_as_it_is_scrolled(
    page: Page, log: MemoryLog
) -> None:
    run = long_run(log, 10_000)
    with Inspector(log).start() as server:
        page.goto(server.url)
        asked: list[str] = []
        page.on("response", lambda answer: asked.append(answer.url))
        page.goto(f"http://127.0.0.1:{server.port}/runs/{run}/records?at=1")
        expect(page.locator("#r1")).to_be_visible()
        took = page.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd")
        assert page.locator(".row").count() < 1000
        page.keyboard.press("End")
        expect(page.locator(".row.on")).to_contain_text("Done.")
        page.locator("#scroll").evaluate("e => e.scrollTop = e.scrollHeight / 2")
        expect(page.locator("#r5100")).to_be_attached()
        frames = page.evaluate(SCROLL)
        ARTIFACTS.mkdir(exist_ok=True)
        measured = f"10,000 records: loaded in {took:.0f} ms; {frames}\n"
        (ARTIFACTS / "inspector-long-run.txt").write_text(measured)
        keep(page, "long-run")
        assert len([url for url in asked if "/rows?" in url]) < 60


def test_the_story_and_the_waterfall_of_ten_thousand_records_come_in_pieces(
    page: Page, log: MemoryLog
) -> None:
    run = long_run(log, 10_000)
    with Inspector(log).start() as server:
        page.goto(server.url)
        page.goto(f"http://127.0.0.1:{server.port}/runs/{run}")
        assert page.locator(".story > li").count() <= CHUNK
        expect(page.locator(".story > li").last).to_contain_text("Done.")
        page.get_by_role("link", name="earlier entries").click()
        expect(page.locator(".story > li").first).to_be_visible()
        page.get_by_role("link", name="Waterfall").click()
        assert page.locator(".bar:not(.scale)").count() <= BARS
        before = page.locator(".range").text_content()
        page.get_by_role("link", name="Zoom in", exact=True).click()
        expect(page.locator(".range")).not_to_have_text(before or "")
        page.goto("about:blank")


def test_a_list_of_ten_thousand_runs_comes_in_pages_and_is_searched(
    page: Page, log: MemoryLog
) -> None:
    spec = AgentSpec(name="many", instructions="", model=ModelSettings(model="m"))
    for n in range(10_000):
        started = RunStarted(goal=f"Deliver parcel {n}.", agent=spec, code="1")
        write(log, append_of(f"run-{n:05}", started, RunFinished(answer="Delivered.")))
    with Inspector(log).start() as server:
        page.goto(server.url)
        rows = page.locator(".runs tbody tr")
        expect(rows).to_have_count(LISTED)
        expect(rows.first).to_contain_text("Deliver parcel 9999.")
        page.get_by_role("link", name="Older runs").click()
        expect(rows.first).to_contain_text(f"Deliver parcel {9999 - LISTED}.")
        page.get_by_label("Search", exact=True).fill("parcel 4711")
        page.get_by_role("button", name="Search").click()
        expect(rows).to_have_count(1)
        took = page.evaluate("performance.getEntriesByType('navigation')[0].responseEnd")
        ARTIFACTS.mkdir(exist_ok=True)
        (ARTIFACTS / "inspector-many-runs.txt").write_text(f"10,000 runs: found in {took:.0f} ms\n")
        page.goto("about:blank")


SCROLL = """async () => {
  const box = document.getElementById("scroll"), times = [];
  box.scrollTop = 0;
  let last = performance.now();
  for (let n = 0; n < 120; n++) {
    box.scrollTop += 400;
    await new Promise(requestAnimationFrame);
    const now = performance.now(); times.push(now - last); last = now;
  }
  times.sort((a, b) => a - b);
  return `120 frames of scrolling: median ${times[60].toFixed(1)} ms, 95 % within ` +
    `${times[114].toFixed(1)} ms, longest ${times[119].toFixed(1)} ms`;
}"""
"""Scrolls 48,000 pixels frame by frame; what the frames took."""


def test_what_a_model_says_does_nothing_in_the_browser(page: Page, log: MemoryLog) -> None:
    run = hostile(log)
    with Inspector(log).start() as server:
        page.goto(server.url)
        for path in ("", "/waterfall", "/records", "/plan", "/memory", "/cost", "/fork"):
            page.goto(f"http://127.0.0.1:{server.port}/runs/{run}{path}")
            expect(page.locator("h1")).to_contain_text(EVIL)
            assert page.title() != "owned"
        page.goto(f"http://127.0.0.1:{server.port}/runs/{run}")
        expect(page.locator(".hidden").first).to_have_text("U+202E")
        keep(page, "hostile")


def test_a_page_of_another_site_can_neither_read_nor_frame_nor_post(
    browser: Browser, log: MemoryLog
) -> None:
    someone = agent([call("pay", euros=5), "Paid."])
    with Runtime(log, [someone]) as runtime, elsewhere() as there:
        server = runtime.serve()
        run = runtime.start(someone, "Pay.")
        waiting = next(r for r in run.events() if r.event.kind == "approval_requested")
        (asked,) = run.approvals()
        context = browser.new_context()
        page = context.new_page()
        page.goto(server.url)
        ours = f"http://127.0.0.1:{server.port}"
        page.goto(there)
        answers: list[Response] = []
        page.on("response", lambda answer: answers.append(answer))
        read = "url => fetch(url, {credentials: 'include'}).then(a => a.text(), e => 'refused')"
        assert page.evaluate(read, ours) == "refused"
        form = f"{ours}/runs/{run.id}/approvals/{asked.call}"
        page.set_content(
            f'<iframe src="{ours}"></iframe><form method="post" action="{form}">'
            f'<input name="binding" value="{asked.binding}"><button name="verdict" '
            'value="approve">x</button></form>'
        )
        page.get_by_role("button").click()
        page.wait_for_url(form)
        assert [a.status for a in answers if a.url == form] == [403]
        assert run.approvals() == [asked]
        assert waiting.seq > 0
        context.close()
        run.cancel()


def test_without_the_token_a_browser_sees_how_to_get_in(browser: Browser, log: MemoryLog) -> None:
    hostile(log)
    with Inspector(log).start() as server:
        context = browser.new_context()
        page = context.new_page()
        answer = page.goto(f"http://127.0.0.1:{server.port}/")
        assert answer is not None
        assert answer.status == 401
        expect(page.locator("body")).to_contain_text("needs its token")
        context.close()


class elsewhere:  # noqa: N801 - used as a context manager
    """Another site: a server of its own that serves an empty page."""

    def __enter__(self) -> str:
        from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

        class Empty(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "text/html")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Empty)
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}
        )
        self._thread.start()
        return f"http://localhost:{self._server.server_port}/"

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
