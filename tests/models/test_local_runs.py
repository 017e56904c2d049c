"""Structured output and routing with the real local model. What it says is its own affair."""

import pytest
from pydantic import BaseModel, Field, field_validator

from playhead import Agent, Limits, Runtime
from playhead.assembly.models import KEYS
from playhead.events.kinds.model_calls import ModelRequested
from playhead.events.log.memory import MemoryLog
from playhead.tools.models.local.weights import find_local
from tests.support.agents import kinds, records

pytestmark = pytest.mark.skipif(find_local() is not None, reason=str(find_local()))


class Sum(BaseModel):
    """A number."""

    number: int = Field(ge=-1000, le=1000)

    @field_validator("number")
    @classmethod
    def seen(cls, number: int) -> int:
        """A validator that no JSON schema tells of."""
        return number


def test_an_output_type_and_a_router_with_the_local_model(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*KEYS, "ANTHROPIC_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    log = MemoryLog()
    agent = Agent(
        name="local", output=Sum, router=lambda _: "data_extraction", max_tokens=60,
        limits=Limits(max_cost=0.01),
    )  # fmt: skip
    with Runtime(log) as runtime:
        result = runtime.run(agent, "What is 2 + 3? Give the number.")
        assert isinstance(result.output, Sum)
        assert result.metrics.dollars == 0.0
        assert runtime.replay(result.run_id).matches
    (asked,) = [r.event for r in records(log, result.run_id) if isinstance(r.event, ModelRequested)]
    assert (asked.task, asked.model) == ("data_extraction", "claude-haiku-4-5-20251001")
    assert kinds(log, result.run_id).count("rule_answered") == 2
