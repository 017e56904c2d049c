"""A real browser, and a page in which nothing may go wrong."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from playhead.events.log.memory import MemoryLog
from playhead.events.log.sqlite.reader import SqliteReader
from playhead.inspector.server import Inspector
from tests.inspector.scenes import Scenes, play

CHROMIUM = shutil.which("chromium")
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
LAPTOP, PHONE = (1280, 820), (390, 844)


expect.set_options(timeout=30_000)  # milliseconds: a busy machine is late, not wrong


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Not longer than a module: while it is open, an event loop runs on this thread."""
    if CHROMIUM is None:
        pytest.skip("chromium is missing: apt install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page in which nothing may go wrong: no error, nothing refused by the policy."""
    context = browser.new_context(viewport={"width": LAPTOP[0], "height": LAPTOP[1]})
    page = context.new_page()
    wrong: list[str] = []
    page.on("console", lambda m: wrong.append(m.text) if m.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    yield page
    context.close()
    assert wrong == []


@pytest.fixture
def log() -> MemoryLog:
    return MemoryLog()


class Played:
    """The scenes, in a log that no process has any more, and a server over it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.runs: Scenes = play(str(path))


@pytest.fixture(scope="session")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Played:
    return Played(tmp_path_factory.mktemp("scenes") / "playhead.db")


@pytest.fixture
def served(scenes: Played) -> Iterator[Inspector]:
    """The scenes, to be looked at only."""
    reader = SqliteReader(scenes.path)
    with Inspector(reader).start() as server:
        yield server
    reader.close()
