"""Facts extracted by the real local model. What it finds is its own affair; what is kept is not."""

import pytest
from pydantic import BaseModel

from playhead import Agent, Runtime
from playhead.assembly.models import KEYS
from playhead.events.kinds.facts import ExtractionEnded, FactLearned
from playhead.events.kinds.model_calls import ModelAnswered
from playhead.events.log.memory import MemoryLog
from playhead.tools.models.local.weights import find_local
from tests.support.agents import kinds, records

pytestmark = pytest.mark.skipif(find_local() is not None, reason=str(find_local()))


class Animal(BaseModel):
    """An animal that was spoken of."""

    name: str = ""
    colour: str = ""


def test_the_local_model_is_asked_what_was_said_and_only_what_has_a_source_is_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in (*KEYS, "ANTHROPIC_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    log = MemoryLog()
    agent = Agent(name="local", facts=Animal, max_tokens=120)
    with Runtime(log) as runtime:
        run = runtime.run(agent, "My dog is called Rex. Rex is brown. Say hello.").run_id
        assert runtime.replay(run).matches
        known = runtime.memory.facts()
    found = records(log, run)
    facts = [r.event for r in found if isinstance(r.event, FactLearned)]
    (ended,) = [r.event for r in found if isinstance(r.event, ExtractionEnded)]
    assert sum(isinstance(r.event, ModelAnswered) for r in found) == 2
    assert ended.learned == len(facts) == len([f for f in known if f.run == run])
    assert all(set(fact.sources) <= {r.seq for r in found} for fact in facts)
    assert kinds(log, run)[-2:] == ["extraction_ended", "run_finished"]
