"""`cost`: what every cent was for, from the log alone."""

import json
import subprocess
import sys
from pathlib import Path

from playhead import Agent, Price, Runtime
from playhead.events.errors import ModelError
from playhead.events.model_api import Reply
from playhead.events.spec.tool import Retry
from playhead.events.usage import Usage
from playhead.testing import ScriptedModel, call
from playhead.testing.scripted_model import Scripted
from tests.cli.conftest import Playhead

SONNET, HAIKU = Price(input=3, output=15), Price(input=1, output=5)
PRICES = {"sonnet": SONNET, "haiku": HAIKU}


def reply(**usage: int) -> Reply:
    return Reply(({"type": "text", "text": "ok"},), "end_turn", Usage.model_validate(usage), "m")


def runs(log: Path) -> list[str]:
    """Three runs: one mostly cached, one summary by haiku, one of a model without a price."""
    cached = reply(input_tokens=100_000, cache_read_input_tokens=900_000, output_tokens=10_000)
    script: list[Scripted] = [cached, ModelError("overloaded", "busy", status=529, retryable=True),
              reply(input_tokens=1_000_000), reply(input_tokens=7)]  # fmt: skip
    agents = [
        Agent(name="desk", model="sonnet", routing={"summarization": "haiku"}, prices=PRICES),
        Agent(name="scribe", model="sonnet", routing={"summarization": "haiku"}, prices=PRICES,
              task_type="summarization", retry=Retry(base=0.0, cap=0.0)),
        Agent(name="other", model="nobody-knows"),
    ]  # fmt: skip
    with Runtime(log, model=ScriptedModel(script)) as runtime:
        return [runtime.run(agent, "go").run_id for agent in agents]


def dollars(playhead: Playhead, *arguments: str) -> dict[str, float | None]:
    document = json.loads(playhead("cost", *arguments, "--json").out)
    return {each["name"]: each["dollars"] for each in document["groups"]}


def otherwise(playhead: Playhead, *arguments: str) -> float:
    return float(json.loads(playhead("cost", *arguments, "--json").out)["otherwise"]["dollars"])


def test_a_run_s_cost_is_told_with_what_the_cache_saved(playhead: Playhead, folder: Path) -> None:
    first, *_ = runs(folder / "playhead.db")
    said = playhead("cost", first)
    assert said.code == 0
    assert "$0.7200" in said.out
    assert "90%" in said.out
    assert "the prompt cache saved $2.4300 (77%)" in said.out
    assert max(map(len, said.out.splitlines())) <= 80


def test_costs_are_told_by_model_task_agent_and_day(playhead: Playhead, folder: Path) -> None:
    runs(folder / "playhead.db")
    assert dollars(playhead, "--by", "model") == {
        "sonnet": 0.72,
        "haiku": 1.0,
        "nobody-knows": None,
    }
    assert dollars(playhead, "--by", "agent") == {"desk": 0.72, "scribe": 1.0, "other": None}
    assert dollars(playhead, "--by", "task") == {"reasoning": None, "summarization": 1.0}
    assert list(dollars(playhead, "--by", "day").values()) == [None]
    assert dollars(playhead, "--since", "2999-01-01") == {}


def test_an_unknown_price_is_said_and_is_never_nothing(playhead: Playhead, folder: Path) -> None:
    *_, last = runs(folder / "playhead.db")
    said = playhead("cost", last).out
    assert "unknown" in said
    assert "1 call of a model whose price is not known" in said
    assert "$0" not in said
    assert "$1.7200 + unknown" in playhead("cost").out
    total = json.loads(playhead("cost", last, "--json").out)["total"]
    assert (total["dollars"], total["dollars_without_cache"]) == (None, None)


def test_what_it_would_have_cost_otherwise(playhead: Playhead, folder: Path) -> None:
    first, *_ = runs(folder / "playhead.db")
    (folder / "dear.json").write_text('{"sonnet": {"input": 30, "output": 150}}')
    assert otherwise(playhead, first, "--no-cache") == 3.15
    assert otherwise(playhead, first, "--route", "reasoning=haiku") == 0.24
    assert otherwise(playhead, first, "--prices", "dear.json") == 7.2
    assert otherwise(playhead, first, "--route", "*=claude-opus-4-6") == 1.2
    assert "-67% for the same tokens" in playhead("cost", first, "--route", "*=haiku").out


def test_a_run_s_cost_holds_that_of_the_agents_it_called(playhead: Playhead, folder: Path) -> None:
    one = reply(input_tokens=1_000_000)
    child = Agent(name="child", model="haiku", prices=PRICES)
    parent = Agent(name="parent", model="sonnet", tools=[child], prices=PRICES)
    script: list[Scripted] = [call("child", task="part"), one, one]
    with Runtime(folder / "playhead.db", model=ScriptedModel(script)) as runtime:
        runtime.register(child)
        run = runtime.run(parent, "go").run_id
    by_agent = dollars(playhead, run, "--by", "agent")
    assert by_agent["child"] == 1.0
    assert by_agent["parent"] is not None
    assert by_agent["parent"] > 3.0
    document = json.loads(playhead("cost", "--json").out)
    assert len(document["runs"]) == 2


def test_mistakes_get_one_line_each(playhead: Playhead, folder: Path) -> None:
    runs(folder / "playhead.db")
    (folder / "bad.json").write_text('{"sonnet": {"input": "dear"}}')
    for arguments, words in (
        (("--route", "haiku"), "write TASK=MODEL"),
        (("--prices", "none.json"), "No such file"),
        (("--prices", "bad.json"), "dollars a million tokens"),
        (("last", "--since", "3d"), "give one of them"),
        (("no-such-run",), "there is no run"),
    ):
        said = playhead("cost", *arguments)
        assert (said.code, len(said.err.splitlines())) == (2, 1), said
        assert words in said.err


def test_the_bill_is_told_without_the_sdk_and_without_the_price_library(folder: Path) -> None:
    runs(folder / "playhead.db")
    code = (
        "import sys; from playhead.cli import main; main(['cost']); "
        "sys.exit('anthropic' in sys.modules or 'genai_prices' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
