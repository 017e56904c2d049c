"""Recorded runs as pytest cases: a marker names a file or a folder, a fixture returns the run.

    @pytest.mark.playhead("runs/refund.jsonl")
    def test_it_looks_before_it_pays(playhead_run):
        playhead_run.assert_called("find_order", before="refund")

Each case begins with a replay: the installed code must decide as recorded. With
`--playhead-update` the goals are run again with the marker's `agent`, and the files rewritten.

With Playhead installed, every pytest run imports this module, so the rest of Playhead is imported
only when the fixture is used.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playhead.definition.agent import Agent
    from playhead.testing.recorded_run import RecordedRun

MARKER = (
    "playhead(path, *, agent=None, replay=True): a recorded run (`playhead export RUN -o FILE`), "
    "or a folder of them, as the fixture playhead_run; agent records it again with "
    "--playhead-update"
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --playhead-update."""
    parser.getgroup("playhead").addoption(
        "--playhead-update",
        action="store_true",
        help="run the goals of recorded runs again, live, and rewrite their files",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line("markers", MARKER)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One case for each file that the marker names."""
    marker = metafunc.definition.get_closest_marker("playhead")
    if marker is None or "playhead_run" not in metafunc.fixturenames:
        return
    if not marker.args:
        pytest.fail("pytest.mark.playhead needs the path of a recorded run, or of a folder of them")
    paths = _files(Path(metafunc.definition.path).parent, str(marker.args[0]))
    metafunc.parametrize("playhead_run", paths, ids=[path.stem for path in paths], indirect=True)


def _files(folder: Path, given: str) -> list[Path]:
    """The files that the marker names, relative to the test's own folder."""
    path = folder / given
    if path.is_file():
        return [path]
    files = sorted(path.glob("*.jsonl")) if path.is_dir() else []
    if not files:
        pytest.fail(f"pytest.mark.playhead({given!r}): there is no recorded run at {path}")
    return files


@pytest.fixture
def playhead_run(request: pytest.FixtureRequest) -> "RecordedRun":
    """The recorded run that the test's marker names, replayed."""
    from playhead.events.errors import PlayheadError
    from playhead.testing.recorded_run import RecordedRun

    marker = request.node.get_closest_marker("playhead")
    if marker is None:
        pytest.fail('the fixture playhead_run needs @pytest.mark.playhead("path/of/run.jsonl")')
    path: Path = request.param
    try:
        run = RecordedRun.load(path)
        if request.config.getoption("--playhead-update"):
            run = _recorded_again(run, path, marker.kwargs.get("agent"))
        if marker.kwargs.get("replay", True):
            run.assert_replays()
    except AssertionError as error:
        pytest.fail(f"{path}: {error}\n{HINT}", pytrace=False)
    except PlayheadError as error:
        pytest.fail(f"{path}: {error}", pytrace=False)
    return run


HINT = (
    "the code acts differently now: if that is intended, record it again "
    "(@pytest.mark.playhead(..., agent=...) and pytest --playhead-update)"
)


def _recorded_again(run: "RecordedRun", path: Path, agent: "Agent[object] | None") -> "RecordedRun":
    if agent is None:
        pytest.fail(f"{path}: --playhead-update needs the marker's agent=...", pytrace=False)
    again = run.again(agent)
    again.save(path)
    return again
