"""`make screenshots`: the inspector at 1280 and 390 pixels, light and dark, for the docs.

python -m tests.inspector.screenshots [FOLDER]
"""

import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from playhead.events.log.sqlite.reader import SqliteReader
from playhead.inspector.control import OverInbox
from playhead.inspector.server import Inspector
from tests.house.sources import ROOT
from tests.inspector.conftest import CHROMIUM, FLAGS, LAPTOP, PHONE
from tests.inspector.scenes import Scenes, play

LOOKS = {"1280": (LAPTOP, "light"), "390": (PHONE, "light"), "dark": (LAPTOP, "dark")}


def pages(runs: Scenes) -> dict[str, str]:
    """The pages that are drawn, by the name of their picture."""
    return {
        "runs": "/", "story": f"/runs/{runs.answered}", "failed": f"/runs/{runs.failed}",
        "waiting": f"/runs/{runs.waiting}", "waterfall": f"/runs/{runs.planned}/waterfall",
        "plan": f"/runs/{runs.planned}/plan", "metrics": "/metrics",
        "compare": f"/compare?left={runs.answered}&right={runs.forked}",
    }  # fmt: skip


def draw(browser: Browser, server: Inspector, runs: Scenes, folder: Path) -> None:
    """Take every picture."""
    for look, (size, scheme) in LOOKS.items():
        context = browser.new_context(
            viewport={"width": size[0], "height": size[1]}, color_scheme=scheme,  # type: ignore[arg-type]
            is_mobile=size == PHONE, has_touch=size == PHONE,
        )  # fmt: skip
        page = context.new_page()
        page.goto(server.url)
        for name, path in pages(runs).items():
            page.goto(f"http://127.0.0.1:{server.port}{path}")
            page.screenshot(path=str(folder / f"inspector-{name}-{look}.png"))
        context.close()


def main(folder: Path) -> None:
    """Play the scenes, and draw them."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place, sync_playwright() as playwright:
        log = Path(place) / "playhead.db"
        runs = play(str(log))
        reader = SqliteReader(log)
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        with Inspector(reader, control=OverInbox(log)).start() as server:
            draw(browser, server, runs, folder)
        browser.close()
        reader.close()
    print(f"the inspector's pages are in {folder}")  # noqa: T201


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "images" / "inspector")
