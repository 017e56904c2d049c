"""A runtime belongs to the process that made it; real processes, forked and spawned."""

import multiprocessing
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from multiprocessing.connection import Connection
from pathlib import Path
from textwrap import dedent

import pytest

from playhead import Agent, InheritedByFork, LogOwned, Record, Runtime
from playhead.logs import LogReader
from playhead.testing import ScriptedModel
from tests.house.sources import ROOT

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no fork on Windows")

PATIENCE = 30
"""Seconds after which a child counts as hanging."""

AGENT = Agent[str](name="greeter", model=ScriptedModel(lambda _: "hello"))


def in_a_child(work: Callable[[], object]) -> str:
    """What the work gave or raised in a forked process; the child never returns to pytest."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            said = f"gave {work()}"
        except BaseException as error:
            said = f"{type(error).__name__}: {error}"
        os.write(writing, said.encode()[:4000])
        os._exit(0)
    os.close(writing)
    heard, _, _ = select.select([reading], [], [], PATIENCE)
    if not heard:
        os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    with os.fdopen(reading, "rb") as pipe:
        return pipe.read().decode() if heard else "HANGS"


def left(runtime: Runtime) -> str:
    with runtime:
        return "entered"


CALLS: dict[str, Callable[[Runtime, str], object]] = {
    "run": lambda runtime, _: runtime.run(AGENT, "again"),
    "start": lambda runtime, _: runtime.start(AGENT, "again"),
    "close": lambda runtime, _: runtime.close(),
    "attach": lambda runtime, run: runtime.attach(run),
    "replay": lambda runtime, run: runtime.replay(run),
    "fork": lambda runtime, run: runtime.fork(run),
    "register": lambda runtime, _: runtime.register(AGENT),
    "watch": lambda runtime, _: runtime.watch(print),
    "serve": lambda runtime, _: runtime.serve(),
    "status": lambda runtime, run: runtime.runs.status(run),
    "approvals": lambda runtime, _: runtime.runs.approvals(),
    "listen": lambda runtime, run: list(runtime.runs.listen(run, Record)),
    "resolve": lambda runtime, run: runtime.runs.resolve(run, 1, succeeded=True),
    "remember": lambda runtime, _: runtime.memory.remember("x", "acme"),
    "recall": lambda runtime, _: runtime.memory.recall("x", "acme"),
    "facts": lambda runtime, _: runtime.memory.facts(),
}


def test_a_child_is_told_to_make_its_own_runtime_and_the_parent_goes_on(tmp_path: Path) -> None:
    with Runtime(tmp_path / "a.db", [AGENT]) as runtime:
        run = runtime.start(AGENT, "greet")
        run.wait()
        listening = run.events()
        for name, call in CALLS.items():
            said = in_a_child(lambda call=call: call(runtime, run.id))  # type: ignore[misc]
            assert said.startswith("InheritedByFork: "), (name, said)
            assert "make the Runtime after the fork" in said
        for held in (run.wait, run.cancel, lambda: run.status, lambda: list(listening)):
            assert in_a_child(held).startswith("InheritedByFork: ")
        assert in_a_child(lambda: repr(run)).startswith("gave <Run ")
        assert in_a_child(lambda: left(runtime)) == "gave entered"
        assert runtime.run(AGENT, "again").answer == "hello"
        with pytest.raises(LogOwned):
            Runtime(tmp_path / "a.db")
    with LogReader(tmp_path / "a.db") as log:
        assert [log.replay(run).matches for run in log.runs()] == [True, True]


def test_a_child_works_with_a_runtime_of_its_own(tmp_path: Path) -> None:
    def own() -> str:
        with Runtime(tmp_path / "child.db") as mine:
            return mine.run(AGENT, "greet").answer

    with Runtime(tmp_path / "parent.db", [AGENT]) as runtime:
        runtime.run(AGENT, "greet")
        assert in_a_child(own) == "gave hello"
        assert runtime.run(AGENT, "again").answer == "hello"


def test_an_inherited_reader_says_to_open_it_after_the_fork(tmp_path: Path) -> None:
    with Runtime(tmp_path / "a.db", [AGENT]) as runtime:
        runtime.run(AGENT, "greet")
    with LogReader(tmp_path / "a.db") as log:
        assert "open it after the fork" in in_a_child(log.runs)
        assert in_a_child(log.close) == "gave None"
        assert len(log.runs()) == 1


def _worker(pipe: "Connection[object, object]", runtime: Runtime) -> None:
    try:
        pipe.send(runtime.run(AGENT, "greet").answer)
    except Exception as error:
        pipe.send(error)  # its facts come along


def test_a_multiprocessing_worker_hands_the_error_to_its_parent(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    with Runtime(tmp_path / "a.db", [AGENT]) as runtime:
        ours, theirs = context.Pipe()
        worker = context.Process(target=_worker, args=(theirs, runtime))
        worker.start()
        assert ours.poll(PATIENCE)
        error = ours.recv()
        worker.join(PATIENCE)
        assert isinstance(error, InheritedByFork)
        assert error.owner == os.getpid()
        assert worker.exitcode == 0
        ours.close()
        theirs.close()


def test_a_second_server_worker_on_one_log_is_told_to_have_its_own(tmp_path: Path) -> None:
    """`uvicorn --workers 2`: each is a process that imports the app."""
    (tmp_path / "app.py").write_text(
        dedent(f"""
        from playhead import Runtime

        runtime = Runtime({str(tmp_path / "a.db")!r})

        async def app(scope, receive, send):
            raise NotImplementedError
        """)
    )
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    command = [sys.executable, "-m", "uvicorn", "app:app", "--workers", "2", "--port", port]
    server = subprocess.Popen(
        command, cwd=tmp_path, stderr=subprocess.PIPE, text=True, start_new_session=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    try:
        assert server.stderr is not None
        said = next((line for line in server.stderr if "LogOwned: " in line), "")
        assert "needs a log for each worker" in said
        assert "uvicorn --workers" in said
        assert str(tmp_path / "a.db") in said
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()
        server.stderr.close()  # type: ignore[union-attr]
