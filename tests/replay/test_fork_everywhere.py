"""Plans, children, branches, compressed contexts: a fork at any record goes the same way."""

from dataclasses import replace
from typing import Any

import pytest

from playhead import Agent, MemoryRules, Runtime
from playhead.actors.replay import replay
from playhead.events.errors import ModelError
from playhead.events.log.memory import MemoryLog
from playhead.events.maintenance.export import export
from playhead.events.maintenance.import_run import import_run
from playhead.testing import ScriptedModel
from tests.memory.long_runs import GOAL, bookworm
from tests.planning.test_plan_crashes import WHOLE, the_agent
from tests.support.agents import kinds, records
from tests.support.virtual import RUN

RULES = MemoryRules(compress_at=2000, keep_turns=4, clear_over=1000, summary_tokens=200)


def silent(_: dict[str, Any]) -> Any:
    return ModelError("asked", "the model was asked, though the log has its answer")


def silenced(agent: Agent[Any]) -> Agent[Any]:
    tools = [silenced(t) if isinstance(t, Agent) else t for t in agent.tools]
    return replace(agent, model=ScriptedModel(silent), tools=tools)


def forked_at(whole: MemoryLog, run: str, at: int, agent: Agent[Any]) -> None:
    """Fork there with nothing changed; it must end as its parent did, and replay."""
    log = MemoryLog()
    import_run(log, export(whole, run), trusted=True)
    before = len(list(log.streams()))
    with Runtime(log, [silenced(agent)], only_runs=()) as made:
        fork = made.fork(run, at)
        fork.wait(30)
    assert records(log, fork.id)[-1].event == records(whole, run)[-1].event
    assert replay(log, fork.id).matches
    assert len(list(log.streams())) == before + 1, "a child was started again"


@pytest.mark.parametrize("at", range(1, WHOLE.log.head(RUN).seq + 1, 2))
def test_a_plan_with_children_and_branches_is_forked_at_any_record(at: int) -> None:
    forked_at(WHOLE.log, RUN, at, the_agent())


def test_a_compressed_run_is_forked_at_any_record() -> None:
    agent, log = bookworm(40, RULES), MemoryLog()
    with Runtime(log) as made:
        run = made.run(agent, GOAL).run_id
    assert "context_compressed" in kinds(log, run)
    for at in range(1, log.head(run).seq + 1, 17):
        forked_at(log, run, at, agent)
