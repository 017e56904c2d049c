"""Each question that people bring is answered in at most two clicks from the list of runs."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

from playhead import Runtime
from playhead.events.log.memory import MemoryLog
from playhead.inspector.server import Inspector
from playhead.testing import call
from tests.inspector.conftest import Played
from tests.inspector.runs import agent


class Clicks:
    """A person who begins at the list of runs, and whose clicks are counted."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.clicks = 0
        page.goto(url)

    def click(self, found: Locator) -> None:
        found.first.click()
        self.clicks += 1

    def open_run(self, run: str) -> None:
        self.click(self.page.locator(f'.goal > a[href="/runs/{run}"]'))


@pytest.fixture
def person(page: Page, served: Inspector) -> Iterator[Clicks]:
    person = Clicks(page, served.url)
    yield person
    assert 1 <= person.clicks <= 2
    page.goto("about:blank")


def test_what_happened(person: Clicks, scenes: Played) -> None:
    person.open_run(scenes.runs.answered)
    story = person.page.locator(".story > li")
    expect(story.locator(".heading")).to_have_text(
        ["Goal", "Strategy", "Thought", "Action", "Observation", "Answer"]
    )
    expect(story.nth(3)).to_contain_text('find_order(number="1043")')
    expect(story.nth(4)).to_contain_text("59.9")
    expect(story.nth(5)).to_contain_text("was paid on 12 November 2026.")


def test_why_it_failed(person: Clicks, scenes: Played) -> None:
    person.open_run(scenes.runs.failed)
    why = person.page.locator(".why")
    expect(why).to_contain_text("find_order failed")
    expect(why).to_contain_text("with the same error")
    expect(why).to_contain_text(f"playhead why {scenes.runs.failed}")
    assert why.bounding_box()["y"] < 400  # type: ignore[index]


def test_what_it_cost(person: Clicks, scenes: Played) -> None:
    person.open_run(scenes.runs.answered)
    expect(person.page.locator("#head .facts")).to_contain_text("$0.0")
    person.click(person.page.get_by_role("link", name="Cost"))
    expect(person.page.locator(".total td").last).to_contain_text("$0.0")
    expect(person.page.locator("table").first).to_contain_text("claude-haiku-4-5-20251001")


def test_a_cost_that_is_not_known_is_unknown_and_not_zero(person: Clicks, scenes: Played) -> None:
    person.open_run(scenes.runs.unpriced)
    expect(person.page.locator("#head .facts")).to_contain_text("unknown cost")
    person.click(person.page.get_by_role("link", name="Cost"))
    expect(person.page.locator(".total td").last).to_have_text("unknown")


def test_what_waits_for_me(person: Clicks, scenes: Played) -> None:
    person.click(person.page.get_by_role("link", name="Waiting"))
    asks = person.page.locator(".asks article")
    expect(asks).to_have_count(1)
    expect(asks).to_contain_text("refund waits for you")
    expect(asks).to_contain_text("59.9")
    expect(asks).to_contain_text(f"playhead approve {scenes.runs.waiting}")


def test_what_waits_for_me_is_a_filter_of_the_list_too(person: Clicks, scenes: Played) -> None:
    person.click(person.page.locator(".pills a", has_text="waits for you"))
    expect(person.page.locator(".runs tbody tr")).to_have_count(1)
    expect(person.page.locator(".runs .status")).to_have_text("waits for you")


def test_what_if(person: Clicks, scenes: Played) -> None:
    person.open_run(scenes.runs.answered)
    person.click(person.page.get_by_role("link", name="what if it gave something else?"))
    expect(person.page.locator(".whatif")).to_contain_text("--tool-result 6=RESULT")


def test_what_became_of_the_fork(person: Clicks, scenes: Played) -> None:
    person.open_run(scenes.runs.forked)
    person.click(person.page.get_by_role("link", name="compare", exact=True))
    differs = person.page.locator(".pair.differs")
    expect(differs.first).to_contain_text("2026-12-01")
    expect(person.page.locator("details.shared").first).to_contain_text("are the same")


def test_what_took_the_time(person: Clicks, scenes: Played) -> None:
    person.open_run(scenes.runs.planned)
    person.click(person.page.get_by_role("link", name="Waterfall"))
    bars = person.page.locator(".bar:not(.scale)")
    expect(bars.first.locator("rect")).to_have_class("run")
    expect(person.page.locator(".scale text").first).to_have_text("0")
    assert bars.count() > 8


def test_what_a_customer_said_in_a_session(person: Clicks, scenes: Played) -> None:
    person.click(person.page.get_by_role("link", name="session ada@example.com"))
    story = person.page.locator(".story")
    expect(story).to_contain_text("And how much was it?")
    expect(story).to_contain_text("You paid 59.90 EUR.")


def test_who_takes_up_a_run_that_nobody_has(person: Clicks, scenes: Played) -> None:
    person.open_run(scenes.runs.waiting)
    nobody = person.page.locator(".nobody")
    expect(nobody).to_contain_text("Nobody runs it")
    expect(nobody).to_contain_text("the clock stopped")
    expect(nobody).to_contain_text(f"playhead resume {scenes.runs.waiting}")
    expect(nobody).to_contain_text("support-desk")
    assert person.page.locator(".status.running, rect.open").count() == 0


def found(page: Page) -> list[str]:
    return [str(text) for text in page.locator(".runs .goal > a").all_text_contents()]


@pytest.mark.parametrize(
    ("query", "goals"),
    [
        ("q=97%25+on+time", ["Which supplier should we keep next year?"]),
        ("q=12+November+paid", ["When was order 1043 paid?"]),
        ("q=%22%27%29+OR+NEAR", []),
        ("agent=procurement", ["Which supplier should we keep next year?"]),
        ("session=ada%40example.com&q=how+much", ["And how much was it?"]),
        ("label=channel%3Dchat", ["Say hello to Grace."]),
        ("status=failed", ["Refund order 99817 of last year."]),
        ("status=waits", ["Refund order 1043: it arrived broken."]),
        ("since=1h&q=grace", ["Say hello to Grace."]),
        ("until=2020-01-01", []),
        ("cost=100", []),
    ],
)
def test_runs_are_found_by(page: Page, served: Inspector, query: str, goals: list[str]) -> None:
    page.goto(served.url)
    page.goto(f"http://127.0.0.1:{served.port}/?{query}")
    expect(page.locator("main")).to_contain_text(goals[0] if goals else "No run is like that")
    shown = found(page)
    assert len(shown) == len(goals) or "paid" in query
    for goal in goals:
        assert any(goal in text for text in shown)
    page.goto("about:blank")


def test_a_cost_filter_leaves_out_what_is_cheaper_or_unknown(
    page: Page, served: Inspector, scenes: Played
) -> None:
    page.goto(served.url)
    page.goto(f"http://127.0.0.1:{served.port}/?cost=0.0000001")
    expect(page.locator(".runs tbody tr").first).to_be_visible()
    ids = page.locator(".runs .id").all_text_contents()
    assert scenes.runs.answered in ids
    assert scenes.runs.unpriced not in ids
    page.goto("about:blank")


def test_every_action_is_asked_twice_and_done(page: Page, log: MemoryLog) -> None:
    someone = agent([call("pay", euros=5), "Paid."])
    with Runtime(log, [someone]) as runtime:
        server = runtime.serve()
        run = runtime.start(someone, "Pay 5 EUR.")
        next(r for r in run.events() if r.event.kind == "approval_requested")
        page.goto(server.url)
        page.get_by_role("link", name="Pay 5 EUR.").click()
        yes = page.get_by_role("button", name="Yes, cancel the run")
        expect(yes).not_to_be_visible()
        page.locator("summary", has_text="Cancel").click()
        yes.click()
        expect(page.locator("#head .status")).to_have_text("cancelled")
        page.get_by_role("link", name="What if", exact=True).click()
        page.get_by_label("A message from the user").fill("Pay nothing.")
        page.locator("summary", has_text="Fork").last.click()
        page.get_by_role("button", name="Yes, fork the run").click()
        expect(page.locator(".crumbs")).to_contain_text(f"forked from {run.id}")
        page.goto("about:blank")


def test_a_command_is_copied_with_a_click(page: Page, served: Inspector, scenes: Played) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(served.url)
    page.goto(f"http://127.0.0.1:{served.port}/runs/{scenes.runs.failed}")
    page.get_by_role("button", name="Copy").first.click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == f"playhead why {scenes.runs.failed}"
    page.goto("about:blank")
