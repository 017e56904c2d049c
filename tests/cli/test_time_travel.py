"""fork, diff, causes, show --at, tail, export, import and check-compat as a person uses them."""

import json
from pathlib import Path

import pytest

from tests.cli.agents import HERE
from tests.cli.conftest import Playhead
from tests.cli.processes import playhead_process
from tests.maintenance.test_verify import damage


@pytest.fixture
def run(playhead: Playhead) -> str:
    """A run of the adder: 1 goal, 6 the call of add, 8 its result, 12 the answer."""
    playhead("run", "add", "--agent", f"{HERE}:adder")
    (row,) = json.loads(playhead("runs", "--json").out)
    return str(row["run"])


def test_a_fork_is_shown_live_and_compared_with_its_parent(playhead: Playhead, run: str) -> None:
    said = playhead("fork", run, "--at", "4", "--max-steps", "1")
    assert said.code == 1
    assert f"forked from {run} at record 3 (rounded down from 4)" not in said.err
    assert "max_steps" in said.err
    same = playhead("fork", run, "--at", "3", "--json")
    assert json.loads(same.out)["parent"] == {"run": run, "at": 1}
    assert json.loads(same.out)["answer"] == "It is 21."
    found = playhead("diff", "last")
    assert (found.code, found.err) == (0, "")
    assert "did the same" in found.out
    shown = playhead("show", "last").out
    assert f"forked from {run} at 1" in shown
    assert "matches" in playhead("replay", "last").out


def test_a_fork_says_where_it_was_cut(playhead: Playhead, run: str) -> None:
    said = playhead("fork", run, "--at", "3")
    assert "at record 1 (rounded down from 3), which is decided on anew" in " ".join(
        said.err.split()
    )


def test_a_fork_may_wait_for_resume(playhead: Playhead, run: str) -> None:
    said = playhead("fork", run, "--hold", "--json")
    fork = json.loads(said.out)["run"]
    (row,) = [r for r in json.loads(playhead("runs", "--json").out) if r["run"] == fork]
    assert (row["status"], row["parent"]) == ("open", run)
    assert playhead("resume", fork).out == "It is 21.\n"


def test_another_result_makes_another_answer(playhead: Playhead, run: str) -> None:
    playhead("fork", run, "--tool-result", "6=1000")
    document = json.loads(playhead("diff", "last", "--json").out)
    parting = document["entries"][document["parting"]]
    assert (parting["left"]["text"], parting["right"]["text"]) == ("21", "1000")
    assert playhead("diff", "last").code == 1


def test_a_page_of_a_diff_holds_no_markup_of_a_model(playhead: Playhead, folder: Path) -> None:
    for goal in ("one", "<script>alert(1)</script>"):
        playhead("run", goal, "--agent", f"{HERE}:adder")
    runs = [row["run"] for row in json.loads(playhead("runs", "--json").out)]
    assert playhead("diff", *runs, "--html", "diff.html").code == 1
    page = (folder / "diff.html").read_text()
    assert "&lt;script&gt;" in page
    assert "<script" not in page


def test_the_state_at_a_record_and_what_it_changed(playhead: Playhead, run: str) -> None:
    said = playhead("show", run, "--at", "7", "--json")
    document = json.loads(said.out)
    assert document["state"]["open"] == {"7": "7 tool_started"}
    assert "spent.tool_calls" in [change["path"] for change in document["changes"]]
    told = playhead("show", run, "--at", "7").out
    assert "add(a=17, b=4)" in told
    assert max(map(len, told.splitlines())) <= 80
    for command in (("show", run, "--at", "99"), ("replay", run, "--to", "99")):
        said = playhead(*command)
        assert (said.code, "there is no record 99" in said.err) == (2, True)


def test_causes_lead_back_to_the_goal_and_forward_to_the_answer(
    playhead: Playhead, run: str
) -> None:
    back = json.loads(playhead("causes", run, "12", "--json").out)["records"]
    assert [back[0]["kind"], back[-1]["kind"]] == ["run_started", "run_finished"]
    forward = json.loads(playhead("causes", run, "8", "--forward", "--json").out)["records"]
    assert forward[0]["kind"] == "tool_succeeded"
    assert forward[-1]["kind"] == "run_finished"
    assert "It is 21." in playhead("causes", run, "12").out
    assert playhead("causes", run, "99").code == 2


def test_a_run_is_exported_and_imported_with_all_its_records_and_hashes_of_its_own(
    playhead: Playhead, run: str
) -> None:
    assert playhead("export", run, "-o", "run.jsonl").code == 0
    assert "2 runs" not in playhead("import", "run.jsonl", "--log", "other.db").out
    before = json.loads(playhead("show", run, "--records", "--json").out)["log"]
    after = json.loads(playhead("show", run, "--records", "--json", "--log", "other.db").out)["log"]
    assert [(r["seq"], r["event"]) for r in before] == [(r["seq"], r["event"]) for r in after]
    assert not {r["hash"] for r in before} & {r["hash"] for r in after}
    assert "0 new records" in playhead("import", "run.jsonl", "--log", "other.db").out
    assert playhead("export", run).out.encode() == Path("run.jsonl").read_bytes()


def test_a_redacted_run_says_so_verifies_and_refuses_to_replay(
    playhead: Playhead, run: str
) -> None:
    playhead("export", run, "--redact", "-o", "run.jsonl")
    assert "(redacted)" in playhead("import", "run.jsonl", "--log", "other.db").out
    verified = playhead("verify", "--log", "other.db")
    assert (verified.code, "1 run of them redacted" in verified.out) == (0, True)
    assert json.loads(playhead("verify", "--log", "other.db", "--json").out)["redacted"] == 1
    for command in (("fork", run, "--at", "1"), ("resume", run)):
        (line,) = playhead(*command, "--log", "other.db").err.splitlines()
        assert "redacted copy" in line or "finished already" in line
    said = playhead("replay", run, "--log", "other.db")
    assert said.code == 2
    assert "redacted" in said.err
    document = json.loads(playhead("show", run, "--log", "other.db", "--json").out)
    texts = [entry["text"] for entry in document["entries"]]
    assert [text for text in texts if "21" in text or "17" in text] == []
    assert document["answer"] == "[redacted]"


def test_a_file_that_is_no_export_is_one_line(playhead: Playhead, folder: Path) -> None:
    (folder / "x.jsonl").write_text("hello\n")
    said = playhead("import", "x.jsonl")
    assert said.code == 3
    assert len(said.err.splitlines()) == 1


def test_tail_follows_a_run_of_another_process_to_its_end(playhead: Playhead) -> None:
    with playhead_process("run", "wait", "--agent", f"{HERE}:waiter") as process:
        assert process.stderr is not None
        while not Path("playhead.db").exists() or playhead("runs", "--json").out in ("[]\n", ""):
            assert process.poll() is None
        with playhead_process("tail", "last", "--json") as tail:
            assert tail.stdout is not None
            kinds: list[str] = []
            for line in tail.stdout:
                kinds.append(json.loads(line)["event"]["kind"])
                if kinds.count("tool_started") == 2 and not Path("go").exists():
                    process.kill()  # the second tool waits for ever: take the run up again
                    process.wait()
                    Path("go").touch()
                    with playhead_process("resume", "last") as again:
                        assert again.wait(60) == 0
            assert tail.wait(60) == 0
    assert kinds[0] == "run_started"
    assert kinds[-1] == "run_finished"
    assert kinds.count("run_started") == 1


def test_check_compat_names_the_runs_that_would_act_differently(
    playhead: Playhead, run: str
) -> None:
    playhead("run", "again", "--agent", f"{HERE}:adder")
    assert playhead("check-compat").code == 0
    rewrite(Path("playhead.db"), run)
    said = playhead("check-compat", "--json")
    assert said.code == 1
    document = json.loads(said.out)
    assert (document["checked"], document["different"]) == (2, 1)
    assert document["runs"][0]["run"] == run
    assert document["runs"][0]["record"] == 11
    assert "would act differently" in playhead("check-compat").out


def test_a_redacted_copy_fails_no_compatibility_check(playhead: Playhead, run: str) -> None:
    playhead("export", run, "--redact", "-o", "run.jsonl")
    playhead("import", "run.jsonl", "--log", "other.db")
    said = playhead("check-compat", "--log", "other.db", "--json")
    assert said.code == 0
    document = json.loads(said.out)
    assert (document["checked"], document["different"], document["redacted"]) == (0, 0, 1)


def rewrite(path: Path, run: str) -> None:
    """The run as other code would have left it: another answer of the step, hashes and all."""
    from playhead.events.log.sqlite.log import SqliteReader

    reader = SqliteReader(path)
    rows = list(reader.read(run))
    reader.close()
    previous = b""
    changes: list[str] = []
    for row in rows:
        data = row.data.replace(b"21", b"22") if row.kind == "step_finished" else row.data
        changed = row._replace(data=data)
        previous = changed.computed_hash(previous)
        changes.append(
            f"UPDATE records SET data = x'{data.hex()}', hash = x'{previous.hex()}'"
            f" WHERE position = {row.position}"
        )
    damage(path, *changes)


def test_an_edited_payload_is_found_by_verify_and_by_replay(playhead: Playhead, run: str) -> None:
    damage(
        Path("playhead.db"),
        "UPDATE records SET data = CAST(replace(CAST(data AS TEXT), '21', '22') AS BLOB)"
        " WHERE kind = 'tool_succeeded'",
    )
    assert "record 8" in playhead("verify").out
    said = playhead("replay", run)
    assert said.code == 3
    assert "record 8 was altered" in said.err


def test_a_backtest_says_what_would_have_been_stopped_and_whether_rightly(
    playhead: Playhead, run: str
) -> None:
    playhead("run", "for ever", "--agent", f"{HERE}:runaway", "--max-steps", "6")
    said = playhead("backtest", "--limits", "max_steps=3", "--json")
    document = json.loads(said.out)
    assert (document["runs"], document["fired"], document["wrong"]) == (2, 1, 0)
    assert said.code == 0
    assert document["verdicts"][0]["saved"]["steps"] == 3
    wrong = playhead("backtest", "--limits", "max_steps=1", "--guard", "no_progress=2:4")
    assert wrong.code == 1
    assert "1 run of them finished well" in wrong.out
    assert max(map(len, wrong.out.splitlines())) <= 80


def test_a_backtest_tries_a_guardrail_on_recorded_texts_and_names_runs_it_would_wrongly_block(
    playhead: Playhead, run: str, folder: Path
) -> None:
    (folder / "rules.py").write_text(
        "from playhead import Guardrail, Verdict\n"
        "def judge(text):\n"
        "    if '42' in text: raise OSError('down')\n"
        "    return Verdict.replace('x') if len(text) > 2 else True\n"
        "goal = Guardrail(name='goal', on='input', check=judge)\n"
        "never = Guardrail(name='never', on='answer', pattern='.')\n"
        "fine = Guardrail(name='fine', on='result', max_chars=10000)\n"
    )
    tried = playhead("backtest", "--guardrail", "rules.py:goal", "--json")
    found = json.loads(tried.out)["guardrail"]
    assert (tried.code, found["judged"], found["wrong"]) == (0, 1, 0)
    assert [(v["on"], v["seq"], v["verdict"]) for v in found["verdicts"]] == [
        ("input", 1, "replace")
    ]
    wrong = playhead("backtest", "--guardrail", "rules.py:never")
    assert wrong.code == 1
    assert "1 run that finished well would be blocked" in wrong.out
    assert "all allowed" in playhead("backtest", "--guardrail", "rules.py:fine").out
    for reference in ("rules.py", "rules.py:nothing", "nowhere:rule"):
        said = playhead("backtest", "--guardrail", reference)
        assert (said.code, len(said.err.splitlines())) == (2, 1)


def test_a_backtest_prices_the_same_tokens_otherwise(
    playhead: Playhead, run: str, folder: Path
) -> None:
    (folder / "prices.json").write_text('{"dear": {"input": 1000, "output": 1000}}')
    said = playhead("backtest", "--routing", "*=dear", "--prices", "prices.json", "--json")
    bills = json.loads(said.out)["bills"]
    assert bills["as it was"]["unpriced"] == 2
    assert bills["otherwise"]["cost"] > 0


@pytest.mark.parametrize(
    "arguments",
    [(), ("--limits", "max_steps"), ("--limits", "steps=3"), ("--guard", "cycle=3"),
     ("--guard", "circle=1:2")],
)  # fmt: skip
def test_nothing_to_try_is_a_mistake_of_one_line(
    playhead: Playhead, run: str, arguments: tuple[str, ...]
) -> None:
    said = playhead("backtest", *arguments)
    assert (said.code, said.out) == (2, "")
    assert len(said.err.splitlines()) == 1
