"""Agent Skills: loaded in steps, pinned by hash, recorded; and checked against their format."""

from pathlib import Path
from typing import Any

import pytest

from playhead import Agent, Runtime, UsageError
from playhead.actors.replay import replay
from playhead.events.kinds.runs import RunStarted
from playhead.events.kinds.tool_calls import ToolFailed, ToolSucceeded
from playhead.events.log.memory import MemoryLog
from playhead.testing import ScriptedModel, call
from playhead.tools.skills.skill import PART, Skill
from tests.cli.conftest import Playhead, folder, playhead
from tests.support.agents import records

__all__ = ["folder", "playhead"]  # fixtures

HEAD = "---\nname: refunds\ndescription: Refund an order. Use it when goods came back.\n---\n"


def skill(place: Path, head: str = HEAD, body: str = "Pay at most 50 euros.") -> Path:
    """A skill's folder, with one reference."""
    made = place / "refunds"
    (made / "references").mkdir(parents=True, exist_ok=True)
    (made / "SKILL.md").write_text(head + body)
    (made / "references" / "limits.md").write_text("Over 50 euros: ask.")
    return made


def agent(place: Path, *replies: Any, **more: Any) -> Agent[Any]:
    model = ScriptedModel(list(replies) or ["Done."])
    return Agent(name="desk", instructions="You help.", model=model, skills=[place], **more)


def results(log: MemoryLog, run: str) -> list[Any]:
    ends = [r.event for r in records(log, run) if isinstance(r.event, ToolSucceeded | ToolFailed)]
    return [e.result if isinstance(e, ToolSucceeded) else e.message for e in ends]


def test_the_prompt_holds_name_and_description_and_the_body_only_once_it_is_asked_for(
    tmp_path: Path,
) -> None:
    made = agent(
        skill(tmp_path), call("load_skill", name="refunds"),
        call("read_skill_file", skill="refunds", path="references/limits.md"), "Done.",
    )  # fmt: skip
    log = MemoryLog()
    with Runtime(log) as runtime:
        run = runtime.run(made, "Refund order 1.").run_id
    assert isinstance(made.model, ScriptedModel)
    first, second, third = (str(request.body) for request in made.model.requests)
    assert "Refund an order. Use it when goods came back." in first
    assert "You help." in first
    assert "Pay at most 50 euros." not in first
    assert "Pay at most 50 euros." in second
    assert "references/limits.md" in second
    assert "Over 50 euros: ask." in third
    assert replay(log, run).matches


def test_a_run_says_which_version_of_which_skill_it_had_and_loaded(tmp_path: Path) -> None:
    versions = list[str]()
    for body in ("Pay at most 50 euros.", "Pay at most 90 euros."):
        made = agent(skill(tmp_path, body=body), call("load_skill", name="refunds"), "Done.")
        log = MemoryLog()
        with Runtime(log) as runtime:
            run = runtime.run(made, "Refund.").run_id
        started = records(log, run)[0].event
        assert isinstance(started, RunStarted)
        (spec,) = started.agent.skills
        assert f'version="{spec.definition}"' in results(log, run)[0]
        assert body in results(log, run)[0]
        versions.append(spec.definition)
    assert len(set(versions)) == 2


def test_any_change_of_any_file_is_another_version(tmp_path: Path) -> None:
    before = Skill(skill(tmp_path)).spec.definition
    (tmp_path / "refunds" / "references" / "limits.md").write_text("Never ask.")
    assert Skill(tmp_path / "refunds").spec.definition != before


def test_a_file_changed_after_the_agent_was_defined_is_never_read(tmp_path: Path) -> None:
    made = agent(
        skill(tmp_path), call("load_skill", name="refunds"),
        call("read_skill_file", skill="refunds", path="references/limits.md"), "Done.",
    )  # fmt: skip
    skill(tmp_path, body="Pay any amount.")
    (tmp_path / "refunds" / "references" / "limits.md").write_text("Never ask.")
    log = MemoryLog()
    with Runtime(log) as runtime:
        run = runtime.run(made, "Refund.").run_id
    assert all("was changed after the agent was defined" in found for found in results(log, run))


def test_a_skill_that_changed_since_its_first_use_is_refused_until_it_is_approved(
    playhead: Playhead, folder: Path
) -> None:
    skill(folder)
    (folder / "desk.py").write_text(
        "from playhead import Agent\n"
        "from playhead.testing import ScriptedModel, call\n"
        "model = ScriptedModel([call('load_skill', name='refunds'), 'Done.'])\n"
        "agent = Agent(name='desk', model=model, skills=['refunds'])\n"
    )

    def loaded() -> tuple[str, int]:
        made = agent(folder / "refunds", call("load_skill", name="refunds"), "Done.")
        with Runtime(folder / "playhead.db") as runtime:
            run = runtime.start(made, "Refund.")
            run.wait(10)
            found = [r.event for r in run.events()]
        started = found[0]
        assert isinstance(started, RunStarted)
        ends = [e for e in found if isinstance(e, ToolSucceeded | ToolFailed)]
        return ends[0].kind, len(started.agent.skills)

    assert loaded() == ("tool_succeeded", 1)
    skill(folder, body="Pay any amount.")
    assert loaded() == ("tool_failed", 0)
    shown = playhead("approve-tools", "desk.py:agent")
    assert shown.code == 1
    assert "Pay any amount." in shown.out
    assert loaded() == ("tool_failed", 0)
    assert playhead("approve-tools", "desk.py:agent", "--accept").code == 0
    assert loaded() == ("tool_succeeded", 1)


def test_an_agents_md_is_in_the_prompt_and_an_agent_does_not_start_with_a_changed_one(
    tmp_path: Path,
) -> None:
    (tmp_path / "AGENTS.md").write_text("Always answer in French.")
    log = MemoryLog()
    made = agent(tmp_path / "AGENTS.md")
    with Runtime(log) as runtime:
        run = runtime.run(made, "Hello.").run_id
    started = records(log, run)[0].event
    assert isinstance(started, RunStarted)
    assert "Always answer in French." in started.agent.instructions
    assert [tool.name for tool in started.agent.tools] == []
    assert started.agent.skills[0].kind == "instructions"
    (tmp_path / "AGENTS.md").write_text("Always answer in Latin.")
    with pytest.raises(UsageError, match="approve-tools"), Runtime(log) as runtime:
        runtime.run(agent(tmp_path / "AGENTS.md"), "Hello.")


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("../secret.txt", "has no file"), ("/etc/passwd", "has no file"),
        ("references", "has no file"), ("SKILL.md/..", "has no file"),
    ],
)  # fmt: skip
def test_nothing_outside_of_the_skills_folder_is_read(tmp_path: Path, path: str, why: str) -> None:
    (tmp_path / "secret.txt").write_text("secret")
    made = agent(skill(tmp_path), call("read_skill_file", skill="refunds", path=path), "Done.")
    log = MemoryLog()
    with Runtime(log) as runtime:
        run = runtime.run(made, "Refund.").run_id
    assert why in results(log, run)[0]


def test_a_file_that_became_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("Over 50 euros: ask.")
    read = call("read_skill_file", skill="refunds", path="references/limits.md")
    made = agent(skill(tmp_path), read, "Done.")
    limits = tmp_path / "refunds" / "references" / "limits.md"
    limits.unlink()
    limits.symlink_to(tmp_path / "secret.txt")
    log = MemoryLog()
    with Runtime(log) as runtime:
        run = runtime.run(made, "Refund.").run_id
    assert "ask." not in results(log, run)[0]


def test_a_long_file_is_read_in_parts_to_its_end(tmp_path: Path) -> None:
    place, text = skill(tmp_path), "".join(f"{n} " for n in range(PART // 3))
    (place / "long.md").write_text(text)
    reads = [call("read_skill_file", skill="refunds", path="long.md", offset=n)
             for n in (0, PART)]  # fmt: skip
    log = MemoryLog()
    with Runtime(log) as runtime:
        run = runtime.run(agent(place, reads, "Done."), "Read.").run_id
    second, first = sorted(results(log, run), key=lambda text: "[more: offset=" in text)
    assert first.partition("\n[more: offset=")[0] + second == text
    assert f"[more: offset={PART} of" in first


def test_optional_fields_are_recorded(tmp_path: Path) -> None:
    head = HEAD[:-4] + (
        "license: Apache-2.0\ncompatibility: Needs git\n"
        'metadata:\n  version: "1.0"\nallowed-tools: Bash(git:*) Read\n---\n'
    )
    spec = Skill(skill(tmp_path, head)).spec
    assert (spec.license, spec.compatibility) == ("Apache-2.0", "Needs git")
    assert (spec.metadata, spec.allowed_tools) == ({"version": "1.0"}, ("Bash(git:*)", "Read"))


@pytest.mark.parametrize(
    ("head", "why"),
    [
        ("Refunds.\n", "must begin with front matter"),
        ("---\nname: refunds\n---\n", "has no description"),
        ("---\ndescription: d\n---\n", "has no name"),
        ("---\nname: Refunds\ndescription: d\n---\n", "a-z, 0-9 and single hyphens"),
        ("---\nname: -refunds\ndescription: d\n---\n", "single hyphens"),
        ("---\nname: re--funds\ndescription: d\n---\n", "single hyphens"),
        ("---\nname: other\ndescription: d\n---\n", "must be that of its folder"),
        (f"---\nname: {'r' * 65}\ndescription: d\n---\n", "1 to 64 characters"),
        (f"---\nname: refunds\ndescription: {'d' * 1025}\n---\n", "1 to 1024 characters"),
        ("---\nname: refunds\ndescription: ''\n---\n", "1 to 1024 characters"),
        (f"---\nname: refunds\ndescription: d\ncompatibility: {'c' * 501}\n---\n", "1 to 500"),
        ("---\nname: refunds\ndescription: d\nmetadata:\n  version: 1.0\n---\n", "quote numbers"),
        ("---\nname: refunds\ndescription: d\nallowed-tools: [a]\n---\n", "must be a text"),
        ("---\nname: refunds\ndescription: d\ncolour: red\n---\n", "unknown fields colour"),
        ("---\nname: [\n---\n", "is not YAML"),
        ("---\n- a\n---\n", "a map of fields"),
    ],
)
def test_what_the_specification_does_not_allow_is_refused_when_the_agent_is_defined(
    tmp_path: Path, head: str, why: str
) -> None:
    with pytest.raises(UsageError, match="skill refunds") as refused:
        agent(skill(tmp_path, head))
    assert why in str(refused.value)


def test_the_longest_values_that_the_specification_allows_are_accepted(tmp_path: Path) -> None:
    made = tmp_path / ("r" * 64)
    made.mkdir()
    head = f"---\nname: {'r' * 64}\ndescription: {'d' * 1024}\ncompatibility: {'c' * 500}\n---\n"
    (made / "SKILL.md").write_text(head)
    assert len(Skill(made).spec.description) == 1024


def test_a_folder_without_a_skill_and_two_skills_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"there is no SKILL\.md"):
        agent(tmp_path)
    with pytest.raises(UsageError, match="there is no folder or file"):
        agent(tmp_path / "nowhere")
    place = skill(tmp_path)
    with pytest.raises(UsageError, match="two of its skills have the same name"):
        Agent(name="a", model=ScriptedModel([]), skills=[place, place])
