"""Evaluations: a dataset tried on one or several variants of an agent, and what was judged.

The stream `evaluation/ID` holds one evaluation: its settings, one record for each trial, its end.
The stream `evaluation/online` holds what was judged of the runs of production as they ended.
"""

from typing import Literal

from pydantic import Field

from playhead.events.event import Data, Event, Json


class EvaluatorSpec(Data):
    """An evaluator, as data: enough to judge again, unless it is a function or a model."""

    kind: str
    """exact, contains, regex, json_schema, numeric, called, max_cost, max_seconds, max_steps,
    function or judge."""
    name: str
    """Unique in its evaluation."""
    settings: dict[str, Json] = Field(default_factory=dict)


class Score(Data):
    """What one evaluator says of one trial."""

    evaluator: str
    passed: bool
    value: float | None = None
    """A number, where the evaluator has one: dollars, seconds, a distance."""
    reason: str = ""
    run: str | None = None
    """The judge's run."""


class Variant(Data):
    """One of the agents that are compared."""

    name: str
    agent: str
    """The agent's name."""
    options: dict[str, Json] = Field(default_factory=dict)
    """What was set in place of the agent's own: model, strategy."""


class EvaluationStarted(Event):
    """An evaluation began: which cases, which variants, how often, judged by what."""

    kind: Literal["evaluation_started"] = "evaluation_started"
    dataset: str
    digest: str
    """SHA-256 (hex) of the cases as data."""
    cases: tuple[str, ...]
    """Their ids, in order."""
    variants: tuple[Variant, ...]
    repeats: int
    """How many trials of each case (k)."""
    evaluators: tuple[EvaluatorSpec, ...]
    max_cost: float | None = None
    """US dollars, for the trials and the judges together."""


class TrialEnded(Event):
    """One trial of one case came to its end and was judged."""

    kind: Literal["trial_ended"] = "trial_ended"
    variant: str
    case: str
    trial: int
    """From 1 on."""
    runs: tuple[str, ...]
    """Its run; those of each turn, if a simulated user spoke."""
    status: str
    """Of the last run: finished, failed, cancelled; waiting: nobody answered; or budget: its share
    of the evaluation's budget was too small, so that it says nothing and counts only as cost."""
    passed: bool
    """Whether it finished, and every evaluator passed it."""
    scores: tuple[Score, ...]
    expected: Json = None
    """What the case expects, as the evaluators read it."""
    labels: dict[str, bool] = Field(default_factory=dict)
    """What people said of it, by the judge's name."""
    reason: str = ""
    """Why it did not finish."""
    cost: int | None = None
    """Picodollars; None if the price of a call is not known."""
    judged_for: int | None = None
    """Picodollars that judges and the simulated user took; None if a price is not known."""
    tokens: int = 0
    steps: int = 0
    tool_calls: int = 0
    seconds: float = 0.0
    """From its first record to its last, without the time in which it waited for people."""


class EvaluationEnded(Event):
    """Nothing more is tried."""

    kind: Literal["evaluation_ended"] = "evaluation_ended"
    reason: Literal["finished", "budget"]


class RunJudged(Event):
    """A run of production was judged after its end."""

    kind: Literal["run_judged"] = "run_judged"
    run: str
    agent: str
    status: str
    score: Score
    passed: bool
    """Whether it finished, and the evaluator passed it."""
    judged_for: int | None = None
    """Picodollars that judges took; None if a price is not known."""
