"""Agents that add, well or badly, and sums; `python -m tests.evals.sums LOG` tries them."""

import sys
from collections.abc import Mapping
from typing import Any

from playhead import Agent, Price, Runtime, tool
from playhead.evals import Case, Dataset, Numeric, Report, TrialEnded, evaluate
from playhead.testing import ScriptedModel, call

PRICES = {"custom": Price(input=1.0, output=2.0)}


@tool(effect="read")
def add(a: int, b: int) -> int:
    """Add two whole numbers, and return the sum. Use it for every sum in a goal.

    Args:
        a: The first number.
        b: The second number.
    """
    return a + b


def goal_of(body: Mapping[str, Any]) -> str:
    """The last thing that a user said."""
    said = [
        block["text"]
        for message in body["messages"]
        if message["role"] == "user"
        for block in message["content"]
        if block["type"] == "text"
    ]
    return str(said[-1])


def numbers(body: Mapping[str, Any]) -> list[int]:
    """The numbers of the goal."""
    return [int(word) for word in goal_of(body).split() if word.isdigit()]


def result_of(body: Mapping[str, Any]) -> Any:
    """What a tool has just answered; None if none has."""
    blocks = body["messages"][-1]["content"]
    return next((b["content"] for b in blocks if b["type"] == "tool_result"), None)


def by_tool(body: Mapping[str, Any]) -> Any:
    """Calls the tool, and says what it says."""
    if result_of(body) is not None:
        return f"It is {result_of(body)}."
    a, b = numbers(body)[:2]
    return call("add", a=a, b=b)


def by_heart(body: Mapping[str, Any]) -> Any:
    """Knows even sums only."""
    total = sum(numbers(body))
    return f"It is {total}." if total % 2 == 0 else "It is 7."


def sums(script: Any, **more: Any) -> Agent[Any]:
    """An agent that adds."""
    return Agent(name="sums", model=ScriptedModel(script), tools=[add], prices=PRICES, **more)


def dataset(cases: int = 10, **more: Any) -> Dataset:
    """Sums of which every second one is even."""
    return Dataset(
        "sums",
        [
            Case(goal="What is {a} plus {b} ?", inputs={"a": n, "b": 2}, expected=n + 2, **more)
            for n in range(1, cases + 1)
        ],
        [Numeric()],
    )


def told(report: Report) -> Any:
    """What must not depend on where an evaluation was cut off: all but time, and what it cost."""
    variants = [
        (
            v.name,
            v.trials,
            v.missing,
            v.pass_1,
            v.pass_k,
            v.steps,
            v.tool_calls,
            v.statuses,
            v.evaluators,
            [(t.case, t.trial, t.scores) for t in v.failed],
        )
        for v in report.variants
    ]
    compared = [(c.cases, c.difference, c.p, c.better, c.worse) for c in report.comparisons]
    return variants, compared


def again(log: str) -> Report:
    """Try the sums, or go on with it; prints a line for each trial."""

    def tell(trial: TrialEnded) -> None:
        sys.stdout.write(f"{trial.case}\n")
        sys.stdout.flush()

    with Runtime(log, durability="normal", only_runs=()) as runtime:
        return evaluate(
            runtime, dataset(12), {"tool": sums(by_tool), "heart": sums(by_heart)}, repeats=3,
            concurrency=4, evaluation="killed", on_trial=tell,
        )  # fmt: skip


if __name__ == "__main__":
    again(sys.argv[1])
