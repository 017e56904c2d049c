"""What an agent is given that it cannot use is refused in words, when it is written."""

from typing import Any

import pytest

from playhead import Agent, UsageError
from playhead.testing import ScriptedModel

LEFT_OUT = "be left out for the default"


@pytest.mark.parametrize(
    "field",
    [
        "model", "prices", "limits", "loops", "plan", "budget", "memory", "retry", "tools",
        "instructions", "description", "fallback", "extra", "max_tokens", "stop_sequences",
        "server_tools", "task_type",
    ],
)  # fmt: skip
def test_none_where_a_value_belongs_is_refused_by_name(field: str) -> None:
    wrong: Any = {field: None}
    with pytest.raises(UsageError, match=f"agent 'a': {field}=None must be .*{LEFT_OUT}"):
        Agent(name="a", **wrong)


@pytest.mark.parametrize(
    ("field", "value"),
    [("model", 7), ("limits", {"max_steps": 3}), ("tools", "add"), ("prices", [1])],
)
def test_a_value_of_another_kind_is_refused_by_name(field: str, value: Any) -> None:
    wrong: Any = {field: value}
    with pytest.raises(UsageError, match=f"agent 'a': {field}=.*{LEFT_OUT}"):
        Agent(name="a", **wrong)


def test_an_agent_without_a_name_is_refused() -> None:
    nameless: Any = {"name": None}
    with pytest.raises(UsageError, match="needs a name"):
        Agent(**nameless, model=ScriptedModel([]))
