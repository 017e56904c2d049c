"""How the pages look and read: accessible, whole words, and on a phone a page for each thing."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from playhead.inspector.server import Inspector
from tests.house.sources import ROOT
from tests.inspector.conftest import LAPTOP, PHONE, Played

AXE = ROOT / ".venv" / "node" / "node_modules" / "axe-core" / "axe.min.js"


def paths(scenes: Played) -> list[str]:
    runs = scenes.runs
    tabs = ("", "/waterfall", "/records", "/records/5", "/cost", "/plan", "/memory", "/fork")
    return [
        "/", "/?q=nothing+has+these+words", "/waiting", "/metrics", "/memory", "/compare",
        f"/compare?left={runs.answered}&right={runs.forked}", "/sessions/ada@example.com",
        *(f"/runs/{runs.planned}{tab}" for tab in tabs),
        f"/runs/{runs.failed}", f"/runs/{runs.waiting}", "/nowhere",
    ]  # fmt: skip


@pytest.fixture(params=["1280", "390", "dark"])
def look(browser: Browser, served: Inspector, request: pytest.FixtureRequest) -> Iterator[Page]:
    size = PHONE if request.param == "390" else LAPTOP
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]}, has_touch=size == PHONE,
        color_scheme="dark" if request.param == "dark" else "light",
    )  # fmt: skip
    page = context.new_page()
    page.goto(served.url)
    yield page
    context.close()


@pytest.mark.skipif(not AXE.exists(), reason="axe-core is missing: make setup-node")
def test_no_page_has_a_fault_that_axe_finds(look: Page, served: Inspector, scenes: Played) -> None:
    wrong: list[str] = []
    for path in paths(scenes):
        look.goto(f"http://127.0.0.1:{served.port}{path}")
        look.evaluate(AXE.read_text())
        found: dict[str, Any] = look.evaluate("axe.run({resultTypes: ['violations']})")
        wrong += [
            f"{path}: {fault['id']}: {node['target']} {node['failureSummary']}"
            for fault in found["violations"]
            for node in fault["nodes"][:2]
        ]
    assert wrong == []


BROKEN = """() => {
  const walker = document.createTreeWalker(document.querySelector("main"), NodeFilter.SHOW_TEXT);
  const broken = [];
  while (walker.nextNode()) {
    const node = walker.currentNode;
    const style = getComputedStyle(node.parentElement);
    if (style.visibility === "hidden" || !node.parentElement.getClientRects().length) continue;
    for (const word of node.data.matchAll(/[\\p{L}\\p{N}]+/gu)) {
      if (word[0].length > 24) continue;
      const range = document.createRange();
      range.setStart(node, word.index);
      range.setEnd(node, word.index + word[0].length);
      const lines = new Set([...range.getClientRects()].map((r) => Math.round(r.top)));
      if (lines.size > 1) broken.push(word[0]);
    }
  }
  return broken;
}"""
"""The words that stand on two lines."""

WIDE = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"


def test_no_word_is_broken_in_the_middle_and_no_page_is_wider_than_the_screen(
    look: Page, served: Inspector, scenes: Played
) -> None:
    wrong: dict[str, object] = {}
    for path in paths(scenes):
        look.goto(f"http://127.0.0.1:{served.port}{path}")
        look.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
        broken, wide = look.evaluate(BROKEN), look.evaluate(WIDE)
        if broken or wide:
            wrong[path] = (broken, wide)
    assert wrong == {}


def test_on_a_phone_a_record_opens_as_a_page_of_its_own_and_no_keys_are_named(
    browser: Browser, served: Inspector, scenes: Played
) -> None:
    context = browser.new_context(
        viewport={"width": PHONE[0], "height": PHONE[1]}, has_touch=True, is_mobile=True
    )
    page = context.new_page()
    page.goto(served.url)
    page.goto(f"http://127.0.0.1:{served.port}/runs/{scenes.runs.answered}/records")
    expect(page.locator("kbd").first).not_to_be_visible()
    expect(page.locator("#state-at")).not_to_be_visible()
    page.locator("#r5").tap()
    expect(page.locator(".alone h2")).to_contain_text("model answered")
    assert page.url.endswith(f"/runs/{scenes.runs.answered}/records/5")
    page.go_back()
    expect(page.locator("#r5")).to_be_visible()
    context.close()


def test_the_page_needs_nothing_from_elsewhere(
    page: Page, served: Inspector, scenes: Played
) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(served.url)
    for path in paths(scenes)[:-1]:
        page.goto(f"http://127.0.0.1:{served.port}{path}")
    page.goto("about:blank")
    ours = f"http://127.0.0.1:{served.port}/"
    assert [url for url in asked if not url.startswith((ours, "about:"))] == []
