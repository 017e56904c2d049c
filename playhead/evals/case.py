"""A case of a dataset, and a trial of it as the evaluators see it."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from playhead.events.errors import UsageError
from playhead.events.event import Json
from playhead.events.spec.prices import PICODOLLARS
from playhead.testing.recorded_run import Called, RecordedRun


@dataclass(frozen=True, kw_only=True)
class Case:
    """One task of a dataset. Raises UsageError for one that cannot be tried."""

    goal: str = ""
    """What the agent is asked; `{name}` stands for an input of that name, if there are inputs."""
    id: str = ""
    """Unique in its dataset; by default its number."""
    inputs: Mapping[str, Json] = field(default_factory=dict[str, Json])
    expected: Json = None
    """What evaluators compare with: a text, a number, an object."""
    metadata: Mapping[str, str] = field(default_factory=dict[str, str])
    """Recorded with its runs."""
    evaluators: tuple[Any, ...] = ()
    """Evaluators of this case, besides the dataset's."""
    labels: Mapping[str, bool] = field(default_factory=dict[str, bool])
    """What people say of it, by the name of a judge: how far they agree is reported."""
    run: str | None = None
    """A recorded run: judged as it is, without a new one, if `at` is None and no agent is given."""
    at: int | None = None
    """A record of `run`: each trial is a fork there, so what came before costs nothing."""
    user: str | None = None
    """Instructions for a simulated user, who speaks with the agent for several turns."""
    set_up: Callable[["Case"], Any] | None = None
    """Makes the world before each trial. Context variables that it sets are seen by the tools."""
    clean_up: Callable[[Any], None] | None = None
    """Gets what `set_up` returned, after the trial, however it ended."""

    def __post_init__(self) -> None:
        if not self.goal.strip() and self.run is None:
            msg = f"case {self.id or '(without an id)'}: give a goal, or a run"
            raise UsageError(msg)
        if self.at is not None and self.run is None:
            msg = f"case {self.id}: at= is a record of run=, which is missing"
            raise UsageError(msg)

    def text(self) -> str:
        """The goal, with its inputs. Raises UsageError for one that is missing."""
        if not self.inputs:
            return self.goal

        def of(found: re.Match[str]) -> str:
            if found[1] not in self.inputs:
                msg = f"case {self.id}: the goal names {{{found[1]}}}, which is not in its inputs"
                raise UsageError(msg)
            return str(self.inputs[found[1]])

        return re.sub(r"\{(\w+)\}", of, self.goal)

    def document(self) -> dict[str, Json]:
        """What the case is, as data: what its digest is made of."""
        return {
            "id": self.id, "goal": self.goal, "inputs": dict(self.inputs),
            "expected": self.expected, "metadata": dict(self.metadata), "run": self.run,
            "at": self.at, "user": self.user,
        }  # fmt: skip


@dataclass(frozen=True)
class Trial:
    """A case tried once, at its end: what evaluators and functions judge."""

    case: Case
    runs: tuple[RecordedRun, ...]
    """Its run; one for each turn, if a simulated user spoke."""
    status: str
    """finished, failed, cancelled, or waiting: nobody answered."""
    reason: str = ""
    """Why it did not finish."""
    world: Any = None
    """What `set_up` returned."""

    @property
    def run(self) -> RecordedRun:
        """The last run."""
        return self.runs[-1]

    @property
    def answer(self) -> str:
        """The last answer; blank if there is none."""
        return self.run.answer or ""

    @property
    def output(self) -> Json:
        """The last answer as the agent's output type has it; None for plain text."""
        return self.run.output

    @property
    def calls(self) -> list[Called]:
        """The tool calls of all runs, in order."""
        return [call for run in self.runs for call in run.calls]

    @property
    def dollars(self) -> float | None:
        """What it cost, with its children; None if the price of a call is not known."""
        return None if self.cost is None else self.cost / PICODOLLARS

    @property
    def cost(self) -> int | None:
        """As `dollars`, in picodollars."""
        total = 0
        for run in self.runs:
            metrics = run.metrics
            if metrics.known_cost is None or metrics.below.unpriced:
                return None
            total += metrics.known_cost + metrics.below.cost
        return total

    @property
    def seconds(self) -> float:
        """From the first record to the last of each run, without time spent waiting for people."""
        return sum(run.metrics.seconds for run in self.runs)

    @property
    def tokens(self) -> int:
        """Of all model calls, with those of children."""
        return sum(run.metrics.tokens + run.metrics.below.tokens for run in self.runs)

    @property
    def steps(self) -> int:
        """Rounds of the model."""
        return sum(run.metrics.steps for run in self.runs)

    @property
    def tool_calls(self) -> int:
        """Calls that the model requested."""
        return sum(run.metrics.tool_calls for run in self.runs)
