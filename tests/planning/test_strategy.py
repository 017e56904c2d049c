"""Which strategy for which goal: by stated rules, with the reason in the log."""

from typing import Any

import pytest
from pydantic import BaseModel

from playhead import Agent, PlanRules, RunNotFinished, UsageError, tool
from playhead.actors.planning.strategy import choose, count_tasks, parallel_work
from playhead.events.kinds.approvals import FunctionAsked, RuleAsked
from playhead.events.kinds.runs import StrategyChosen
from playhead.events.wording import same_but_for_wording
from playhead.testing import ScriptedModel
from tests.planning.goals import goals, in_session, planned
from tests.support.agents import add, kinds, records, runtime
from tests.support.virtual import Play, of_kind


def many(count: int) -> list[Any]:
    return [tool(add.function, name=f"tool{n}", effect="read") for n in range(count)]


LISTED = "Do this:\n1. find\n2. read\n3. weigh\n4. write\n5. send"


@pytest.mark.parametrize(
    ("goal", "tools", "strategy", "because"),
    [
        ("What is the capital of France?", 0, "direct", "no tools"),
        ("What is 2 + 3?", 1, "react", "one tool"),
        ("Look it up and tell me", 4, "react", "4 tools"),
        (LISTED, 2, "plan", "5 tasks"),
        ("Rate these:\n- a\n- b\n- c\n- d\n- e\n- f", 0, "plan", "6 tasks"),
        ("- a\n- b\n- c\n- d\n- e\n- f", 0, "direct", "no tools"),
        ("Compare Asana, Jira, Linear, Monday and Trello", 2, "plan", "5 tasks"),
        ("Find the price for each competitor", 2, "plan", "'for each'"),
        ("Fetch both in parallel", 1, "plan", "'in parallel'"),
        ("Book me a nice trip", 5, "react", "a maybe: 5 tools"),
    ],
)
def test_the_rules_choose_and_say_why(goal: str, tools: int, strategy: str, because: str) -> None:
    spec = Agent(name="a", model=ScriptedModel([]), tools=many(tools)).spec()
    chosen = choose(goal, spec)
    assert (chosen.strategy, because in chosen.reason) == (strategy, True), chosen.reason


def test_a_maybe_says_what_to_measure() -> None:
    spec = Agent(name="a", model=ScriptedModel([]), tools=many(6)).spec()
    reason = choose("Book me a nice trip", spec).reason
    assert all(word in reason for word in ("seconds", "model calls", "tokens", 'strategy="plan"'))


def test_who_wants_to_review_plans_gets_plans() -> None:
    rules = PlanRules(review="always")
    spec = Agent(name="a", model=ScriptedModel([]), plan=rules).spec()
    assert choose("Hello", spec).strategy == "plan"


@pytest.mark.parametrize(
    ("goal", "tasks"),
    [
        ("2 + 3", 0),
        ("one, two, three, four, five", 0),
        ("1. One-way 2. Economy 3. Aisle 4. Tomorrow 5. Cash", 0),
        ("Order 1. was fine. Order 2. was late.", 0),
        ("1) find 2) read", 2),
        ("Find a hotel, book it and tell me the price", 3),
        ("Please check Oslo, Rome and Lima", 3),
    ],
)
def test_tasks_are_counted_by_eye(goal: str, tasks: int) -> None:
    assert count_tasks(goal) == tasks


@pytest.mark.parametrize(
    ("goal", "word"),
    [
        ("the same for each of us", None),
        ("Book it for all passengers", None),
        ("Fetch it. We both leave at the same time", None),
        ("Could you check the price for each supplier?", "for each"),
    ],
)
def test_words_of_parallelism_count_where_work_is_asked_for(goal: str, word: str | None) -> None:
    assert parallel_work(goal) == word


@pytest.mark.parametrize("half", ["seen", "kept"])
def test_labelled_chat_is_answered_and_labelled_tasks_are_planned(half: str) -> None:
    chat, tasks = (
        [goal.text for goal in goals() if (goal.kind, goal.half) == (kind, half)]
        for kind in ("chat", "task")
    )
    assert (len(chat), len(tasks)) == (75, 30)
    assert sum(map(planned, chat)) <= 1
    assert sum(map(planned, tasks)) >= 28
    assert not any(map(in_session, [*chat, *tasks]))


def test_no_turn_of_a_session_becomes_a_plan_unless_the_agent_says_so() -> None:
    rules = Agent(name="a", model=ScriptedModel(["hi", "again"]), tools=[add])
    with runtime(rules) as (made, log):
        for _ in range(2):
            run = made.run(rules, LISTED, session="s").run_id
            (chosen,) = of_kind(records(log, run), StrategyChosen)
            assert chosen.strategy == "react"
            assert "a turn of a session" in chosen.reason
            assert made.replay(run).matches


def test_another_reason_for_the_same_strategy_is_no_divergence() -> None:
    one = StrategyChosen(strategy="react", reason="one tool")
    assert same_but_for_wording(one, StrategyChosen(strategy="react", reason="a single tool"))
    assert not same_but_for_wording(one, StrategyChosen(strategy="plan", reason="one tool"))


def test_an_agent_may_say_it_itself() -> None:
    agent = Agent(name="a", model=ScriptedModel(["hi"]), tools=[add], strategy="direct")
    play = Play(agent).start("for each of five, in parallel")
    assert of_kind(play.records, StrategyChosen)[0].strategy == "direct"
    assert "tools" not in agent.model.requests[0].body  # type: ignore[union-attr]
    with pytest.raises(UsageError, match="must be one of auto, direct"):
        Agent(name="a", strategy="wander")  # type: ignore[arg-type]


def test_a_function_of_the_users_is_asked_as_an_effect() -> None:
    asked: list[tuple[str, list[str]]] = []

    def which(goal: str, tools: list[str]) -> str:
        asked.append((goal, tools))
        return "direct"

    agent = Agent(name="a", model=ScriptedModel(["hi"]), tools=[add], strategy=which)
    with runtime(agent) as (made, log):
        run = made.run(agent, "hello").run_id
        assert asked == [("hello", ["add"])]
        assert kinds(log, run)[:4] == [
            "run_started", "strategy_asked", "rule_answered", "strategy_chosen",
        ]  # fmt: skip
        assert made.replay(run).matches
    assert len(asked) == 1


@pytest.mark.parametrize("answer", ["wander", None, RuntimeError("no idea")])
def test_a_function_that_names_no_strategy_leaves_it_to_the_rules(answer: Any) -> None:
    def which(goal: str, tools: list[str]) -> Any:
        if isinstance(answer, Exception):
            raise answer
        return answer

    agent = Agent(name="a", model=ScriptedModel(["hi"]), strategy=which)
    with runtime(agent) as (made, log):
        run = made.run(agent, "hello").run_id
        (chosen,) = of_kind(records(log, run), StrategyChosen)
    assert chosen.strategy == "direct"
    assert "the strategy function gave none" in chosen.reason


class Grade(BaseModel):
    mark: int


def test_a_rule_based_task_is_a_plain_function_and_no_model_call_at_all() -> None:
    model = ScriptedModel([])

    def grade(goal: str) -> Grade:
        return Grade(mark=len(goal))

    agent = Agent(name="grader", model=model, output=Grade, function=grade)
    with runtime(agent) as (made, log):
        result = made.run(agent, "four")
        assert result.output == Grade(mark=4)
        assert model.requests == []
        (asked,) = of_kind(records(log, result.run_id), RuleAsked)
        assert isinstance(asked, FunctionAsked)
        assert made.replay(result.run_id).matches


def test_a_plain_function_that_fails_fails_its_run_and_says_how() -> None:
    def refuse(goal: str) -> str:
        raise ValueError(f"not {goal}")

    agent = Agent(name="refuser", model=ScriptedModel([]), function=refuse)
    with runtime(agent) as (made, _), pytest.raises(RunNotFinished, match="ValueError: not this"):
        made.run(agent, "this")
