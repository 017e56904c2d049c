"""A confined tool reaches nothing of the program that it belongs to, on every level of the kernel.

The levels are the ABIs of Landlock that this kernel has; pytest's header says what it has. Ordinary
users are tried as well as root, with namespaces and without (as in most containers).
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from playhead import Agent, Runtime, Subprocess, UsageError, tool
from playhead.cli.commands.doctor import doctor
from playhead.cli.commands.show import show
from playhead.events.kinds.tool_calls import ToolSucceeded
from playhead.events.log.sqlite.log import SqliteLog
from playhead.testing import ScriptedModel
from playhead.testing import call as requested
from playhead.tools.builtin.code import code_tools
from playhead.tools.builtin.database import database_tools
from playhead.tools.builtin.files import file_tools
from playhead.tools.builtin.knowledge_base import search_kb_tool
from playhead.tools.execution.workers import Threads
from playhead.tools.mcp.server import mcp
from playhead.tools.sandbox import landlock
from playhead.tools.sandbox.confinement import Offer, lacking, offered
from playhead.tools.sandbox.sandbox import WAYS, Sandbox
from playhead.tools.tool import AnyTool
from tests.house.sources import ROOT
from tests.tools import attacks, hostile
from tests.tools.attacked import LEVELS
from tests.tools.calls import call, failure_of, result_of

USERS = [0, 65534] if os.getuid() == 0 else [os.getuid()]

needs_landlock = pytest.mark.skipif(
    not landlock.abi(), reason="this kernel has no Landlock: boot a newer one to test confinement"
)


def attacked(user: int, which: str) -> dict[str, Any]:
    """What came of the attacks on a program of that user."""
    with tempfile.TemporaryDirectory() as folder:  # pytest's folders are closed to other users
        done = subprocess.run(
            [sys.executable, "-m", "tests.tools.attacked", folder, str(user), which],
            cwd=ROOT, capture_output=True, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@needs_landlock
@pytest.mark.parametrize("user", USERS)
def test_no_attack_on_the_owner_works_on_any_level(user: int) -> None:
    came = attacked(user, "levels")
    ends = {name: each["ends"] for name, each in came["found"].items()}
    assert len(ends) == len(LEVELS) * len(WAYS) * 2
    assert {len(each) for each in ends.values()} == {
        len(attacks.ATTACKS), len(attacks.ATTACKS | attacks.NETWORK)
    }  # fmt: skip
    worked = {
        name: [what for what, end in each.items() if end == "worked"] for name, each in ends.items()
    }
    assert [each for each in worked.items() if each[1]] == []
    assert not came["suffered"]
    assert {n for n in came["beside"] if n.startswith("a.db")} == {
        "a.db", "a.db-shm", "a.db-wal", "a.db.anchor", "a.db.owner"
    }  # fmt: skip
    levels = {name: each["confined"] for name, each in came["found"].items()}
    for name, confined in levels.items():
        _, way, level = name.split()
        assert confined.startswith(f"landlock{level}+seccomp")
        assert confined.endswith("+namespace") == (way == "namespace")


@pytest.mark.parametrize("user", USERS)
def test_the_same_attacks_work_where_nothing_confines_them(user: int) -> None:
    worked = attacked(user, "attack_freely")["found"]["attack_freely"]["ends"]
    assert {"read the log", "write the log", "in a grandchild", "a Unix socket by path"} <= {
        *worked
    }
    assert {"a Unix socket by name", "a datagram from a pair", "netlink"} <= {*worked}


@needs_landlock
@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("way", WAYS)
def test_threads_programs_and_files_of_its_own_work_confined(way: str, level: int) -> None:
    workers = Threads(sandbox=Sandbox(4, (way,), level))
    try:
        done = result_of(call(attacks.work, workers))
    finally:
        workers.close()
    assert done == ["thread", "exec", "asyncio 0", "text", "sqlite"]


def test_where_the_kernel_has_no_landlock_a_call_that_requires_it_is_refused_in_words() -> None:
    workers = Threads(sandbox=Sandbox(4, newest=0))
    try:
        failed = failure_of(call(attacks.work, workers))
    finally:
        workers.close()
    assert failed.error == "refused"
    assert "has no Landlock" in failed.message
    assert 'confine="auto"' in failed.message


def test_one_that_does_not_require_it_runs_with_what_there_is_and_is_warned_of_once() -> None:
    workers = Threads(sandbox=Sandbox(4, newest=0))
    try:
        with capture_logs() as logs:
            outcomes = [call(hostile.add, workers, a=1, b=2) for _ in range(2)]
    finally:
        workers.close()
    assert [result_of(each) for each in outcomes] == [3, 3]
    assert not str(outcomes[0].model_dump()["confined"]).startswith("landlock")
    assert [line["event"] for line in logs].count("tool.not_confined") == 1


def test_a_path_that_is_not_there_is_told_before_anything_runs(tmp_path: Path) -> None:
    given = Subprocess(reads=[tmp_path / "nowhere"])
    failed = failure_of(call(tool(hostile.add.function, effect="read", subprocess=given), a=1, b=2))
    assert failed.error == "refused"
    assert "nowhere, which is not there" in failed.message


def test_a_confinement_of_no_kind_is_refused_when_it_is_said() -> None:
    with pytest.raises(UsageError, match='choose "require", "auto" or "off"'):
        Subprocess(confine="maybe")  # type: ignore[arg-type]


def test_doctor_says_what_the_kernel_has(capsys: pytest.CaptureFixture[str]) -> None:
    doctor()
    assert offered() in " ".join(capsys.readouterr().out.split())


PAID: list[int] = []


@tool(approval=True)
def pay(amount: int) -> str:
    """Pay.

    Args:
        amount: in euro.
    """
    PAID.append(amount)
    return "paid"


APPROVE = """
from playhead.events.kinds.approvals import ApprovalDecided, Decider
from playhead.events.codec import decode
from playhead.events.log.inbox import Inbox
from playhead.events.log.sqlite.reader import SqliteReader

reader, asked = SqliteReader({log!r}), None
while asked is None:
    for row in reader.follow():
        if row.kind == "approval_requested":
            asked = row
event = decode(asked, reader.body).event
by = Decider(user="ada", process=1)
verdict = ApprovalDecided(call=event.call, binding=event.binding, approved=True, by=by)
Inbox({log!r}).put(asked.run, verdict)
"""


@needs_landlock
@pytest.mark.parametrize("confine", ["require", "off"])
def test_the_models_code_cannot_approve_its_own_payment(
    tmp_path: Path, confine: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """With `off` it can: so the attack is one."""
    PAID.clear()
    log = tmp_path / "log" / "a.db"
    log.parent.mkdir()
    code = requested("run_python", code=APPROVE.format(log=str(log)), seconds=60)
    model = ScriptedModel([[requested("pay", amount=1_000_000), code], "done"])
    [python] = code_tools(approval=False, confined=Subprocess(confine=confine))
    agent = Agent(name="payer", model=model, tools=[pay, python])
    with Runtime(log, [agent]) as runtime:
        run = runtime.start(agent, "pay")
        if confine == "off":
            run.wait()
            assert PAID == [1_000_000]
            return
        ran: Any = next(r.event for r in run.events() if isinstance(r.event, ToolSucceeded))
        assert ran.result["exit_status"] == 1
        assert [each.tool for each in run.approvals()] == ["pay"]
        run.cancel()
    assert PAID == []
    assert not log.with_name("a.db.inbox").exists()
    show(run.id, log=log)
    assert "confined:landlock" in "".join(capsys.readouterr().out.split())


def around(log: Path, made: list[AnyTool]) -> None:
    with Runtime(log, [Agent(name="a", model=ScriptedModel(["x"]), tools=made)]):
        """It must not come this far."""


AROUND: list[Callable[[Path], list[AnyTool]]] = [
    lambda folder: file_tools(folder),
    lambda folder: file_tools(folder.parent, write=True, beside_log=True),
    lambda folder: [search_kb_tool(folder)],
    lambda folder: database_tools(folder / "a.db"),
    lambda folder: database_tools(folder / "a.db.views"),
    lambda folder: code_tools(folder),
    lambda folder: code_tools(confined=Subprocess(reads=[folder / "a.db"])),
    lambda folder: code_tools(confined=Subprocess(writes=[folder.parent])),
]


@pytest.mark.parametrize("made", AROUND)
def test_a_tool_on_the_logs_folder_is_refused_when_the_runtime_starts(
    tmp_path: Path, made: Callable[[Path], list[AnyTool]]
) -> None:
    folder = tmp_path / "log"
    folder.mkdir()
    linked = tmp_path / "linked"
    linked.symlink_to(folder)
    SqliteLog(folder / "a.db").close()
    (folder / "a.db.views").touch()
    with pytest.raises(UsageError, match=r"the log .*a\.db"):
        around(folder / "a.db", made(folder))
    with pytest.raises(UsageError, match=r"the log .*a\.db"):
        around(folder / "a.db", made(linked))


def test_files_of_the_log_are_refused_by_name_and_by_inode(tmp_path: Path) -> None:
    work, log = tmp_path / "work", tmp_path / "work" / "a.db"
    work.mkdir()
    read, write = file_tools(work)[1], file_tools(work, write=True)[3]
    with SqliteLog(log):
        (work / "other").hardlink_to(log)
        before = log.read_bytes()
        for path in ("a.db", "a.db-wal", "other"):
            assert "is the log of this program" in failure_of(call(read, path=path)).message
        for path in ("a.db", "a.db-journal", "a.db.inbox"):
            ended = call(write, path=path, text="x", overwrite=True)
            assert "is the log of this program" in failure_of(ended).message
        assert log.read_bytes() == before
        assert not log.with_name("a.db.inbox").exists()


SECRETS = (".env", ".env.local", "server.pem", "deep/.ssh/id_ed25519", "credentials.json")


def test_file_tools_leave_keys_and_passwords_alone_unless_told(tmp_path: Path) -> None:
    for path in (*SECRETS, ".env.example", "notes.txt"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("TOKEN=1")
    _, read, search, write = file_tools(tmp_path, write=True)
    for path in SECRETS:
        assert "left alone" in failure_of(call(read, path=path)).message
        ended = call(write, path=path, text="x", overwrite=True)
        assert "left alone" in failure_of(ended).message
        assert (tmp_path / path).read_text() == "TOKEN=1"
    found = {each["path"] for each in result_of(call(search, text="TOKEN"))}
    assert found == {".env.example", "notes.txt"}
    told = file_tools(tmp_path, private=True)[1]
    assert result_of(call(told, path=".env"))["text"] == "TOKEN=1"


SERVER = """
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from mcp.server import MCPServer
server = MCPServer("reader")

@server.tool(description="Read a file. Returns its text.")
def read(path: str) -> str:
    return Path(path).read_text()

@server.tool(description="Write a file. Returns nothing.")
def write(path: str) -> None:
    Path(path).write_text("x")

server.run()
"""


@needs_landlock
@pytest.mark.parametrize("hide", ["log", None])
def test_a_server_started_here_sees_everything_but_the_log(tmp_path: Path, hide: Any) -> None:
    (tmp_path / "server.py").write_text(SERVER)
    (tmp_path / "there").write_text("there")
    (tmp_path / "work").mkdir()
    with SqliteLog(tmp_path / "a.db") as log:
        (tmp_path / "a.db.views").write_text("views")
        server = mcp([sys.executable, str(tmp_path / "server.py")], name="files", hide=hide)
        server.connect()
        try:
            read, write = server.tools
            assert result_of(call(read, path=str(tmp_path / "there"))) == {"result": "there"}
            assert call(write, path=str(tmp_path / "work" / "new")).kind == "tool_succeeded"
            environ = f"/proc/{os.getpid()}/environ"
            for path in (f"{log.path}.views", environ):
                ended = call(read, path=path)
                assert (ended.kind == "tool_failed") == (hide == "log"), (path, ended)
            ended = call(write, path=f"{log.path}.inbox")
            assert Path(f"{log.path}.inbox").exists() == (hide is None)
        finally:
            server.close()


@pytest.fixture
def imported_from(tmp_path: Path) -> Iterator[Path]:
    sys.path.insert(0, str(tmp_path))
    yield tmp_path
    sys.path.remove(str(tmp_path))


@needs_landlock
def test_a_log_in_a_folder_that_tools_import_from_is_not_among_what_they_read(
    imported_from: Path,
) -> None:
    (imported_from / "data").write_text("data")
    views = imported_from / "a.db.views"
    with SqliteLog(imported_from / "a.db") as log:
        views.touch()
        assert result_of(call(hostile.peek, path=str(imported_from / "data"))) == "data"
        for path in (log.path, views):
            assert failure_of(call(hostile.peek, path=str(path))).error == "PermissionError"
    assert result_of(call(hostile.peek, path=str(views))) == ""


def test_what_is_missing_is_said_with_what_to_do() -> None:
    said = lacking(Offer(0, seccomp=True))
    assert "no Landlock" in said
    assert "Linux 5.13" in said
    assert "no seccomp" not in said
