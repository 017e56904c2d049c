"""Evaluators: what is said of a trial. Those that are data can judge again from the log alone.

    evaluators=[Contains(), Called("find_order", before="refund"), MaxCost(0.02), Judge("Polite?")]

A plain function is one too: it gets the Trial and returns True or False, a number (how good, from 0
to 1: 1 passes), a text (why it failed), or a Score.
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Protocol, TypeAlias, cast

import jsonschema_rs
from pydantic_core import from_json, to_json

from playhead.definition.agent import Agent
from playhead.evals.case import Case, Trial
from playhead.events.errors import UsageError
from playhead.events.event import Json
from playhead.events.kinds.evaluations import EvaluatorSpec, Score
from playhead.tools.validation.did_you_mean import nearest

UserFunction: TypeAlias = Callable[[Trial], bool | float | str | Score]


class Evaluator(Protocol):
    """Judges a trial."""

    @property
    def name(self) -> str:
        """Unique in an evaluation."""
        ...

    def spec(self) -> EvaluatorSpec:
        """As it is recorded."""
        ...

    def judge(self, trial: Trial) -> Score:
        """What it says. Pure: the same trial gives the same score."""
        ...


@dataclass(frozen=True)
class _Data:
    """An evaluator that its settings describe completely."""

    kind: ClassVar[str]

    @property
    def name(self) -> str:
        """The kind, and the settings that are not the default."""
        told = [self.kind]
        for number, each in enumerate(fields(self)):
            value = getattr(self, each.name)
            if value != each.default and not isinstance(value, dict):
                told.append(str(value) if number == 0 else f"{each.name}={value}")
        return " ".join(told)

    def spec(self) -> EvaluatorSpec:
        """As it is recorded."""
        settings = {each.name: getattr(self, each.name) for each in fields(self)}
        return EvaluatorSpec(kind=self.kind, name=self.name, settings=settings)

    def _score(self, passed: bool, reason: str, value: float | None = None) -> Score:
        return Score(
            evaluator=self.name, passed=passed, reason="" if passed else reason, value=value
        )

    def check(self, case: Case) -> None:
        """Raise UsageError if the case lacks what the evaluator compares with."""


@dataclass(frozen=True)
class _Comparison(_Data):
    """Compares with a setting of its own, or with what the case expects."""

    def _wanted(self, case: Case) -> Any:
        given = getattr(self, self._setting)
        return case.expected if given is None else given

    _setting: ClassVar[str]

    def check(self, case: Case) -> None:
        """Raise UsageError if there is neither."""
        if self._wanted(case) is None:
            msg = f"{self.kind}: case {case.id} has no `expected`, and the evaluator no value"
            raise UsageError(msg)


@dataclass(frozen=True)
class Exact(_Comparison):
    """The answer, or the output, is exactly this; by default what the case expects."""

    kind: ClassVar[str] = "exact"
    _setting: ClassVar[str] = "value"
    value: Json = None

    def judge(self, trial: Trial) -> Score:
        """Compare texts without white space around them, and everything else as JSON."""
        wanted = self._wanted(trial.case)
        if isinstance(wanted, str):
            same = trial.answer.strip() == wanted.strip()
        else:
            same = _json_of(trial) == wanted
        return self._score(same, f"expected {_short(wanted)}, it was {_short(trial.answer)}")


@dataclass(frozen=True)
class Contains(_Comparison):
    """The answer contains this text, or each of these; by default what the case expects."""

    kind: ClassVar[str] = "contains"
    _setting: ClassVar[str] = "text"
    text: str | tuple[str, ...] | None = None
    ignore_case: bool = True

    def judge(self, trial: Trial) -> Score:
        """Look for each text."""
        wanted = self._wanted(trial.case)
        several = isinstance(wanted, (list, tuple))
        texts = cast("Sequence[object]", wanted) if several else [wanted]
        said = trial.answer.casefold() if self.ignore_case else trial.answer
        missing = [
            text for text in map(str, texts)
            if (text.casefold() if self.ignore_case else text) not in said
        ]  # fmt: skip
        told = ", ".join(map(_short, missing))
        return self._score(not missing, f"it lacks {told}: {_short(trial.answer)}")


@dataclass(frozen=True)
class Regex(_Comparison):
    """The regular expression is found in the answer."""

    kind: ClassVar[str] = "regex"
    _setting: ClassVar[str] = "pattern"
    pattern: str | None = None

    def __post_init__(self) -> None:
        try:
            re.compile(self.pattern or "")
        except re.error as error:
            msg = f"regex {self.pattern!r}: {error}"
            raise UsageError(msg) from error

    def judge(self, trial: Trial) -> Score:
        """Search."""
        pattern = str(self._wanted(trial.case))
        found = re.search(pattern, trial.answer) is not None
        return self._score(found, f"{pattern!r} is not in {_short(trial.answer)}")


@dataclass(frozen=True)
class JsonSchema(_Data):
    """The output (or the answer, read as JSON) fits a JSON schema."""

    kind: ClassVar[str] = "json_schema"
    schema: dict[str, Json] = field(default_factory=dict[str, Json])

    def __post_init__(self) -> None:
        try:
            jsonschema_rs.validator_for(self.schema)
        except ValueError as error:
            msg = f"json_schema: {str(error).partition(chr(10))[0]}"
            raise UsageError(msg) from error

    def judge(self, trial: Trial) -> Score:
        """Validate."""
        value = _json_of(trial)
        if value is None and trial.answer.strip() != "null":
            return self._score(False, f"the answer is not JSON: {_short(trial.answer)}")
        first = next(iter(jsonschema_rs.validator_for(self.schema).iter_errors(value)), None)
        return self._score(first is None, "" if first is None else first.message)


@dataclass(frozen=True)
class Numeric(_Comparison):
    """The last number of the answer is within a tolerance of what the case expects."""

    kind: ClassVar[str] = "numeric"
    _setting: ClassVar[str] = "value"
    tolerance: float = 0.0
    relative: float = 0.0
    """Share of the expected number; the larger of both tolerances counts."""
    value: float | None = None

    def check(self, case: Case) -> None:
        """Raise UsageError unless there is a number to compare with."""
        super().check(case)
        wanted = self._wanted(case)
        if isinstance(wanted, bool) or not isinstance(wanted, (int, float)):
            msg = f"numeric: case {case.id} expects {_short(wanted)}, which is not a number"
            raise UsageError(msg)

    def judge(self, trial: Trial) -> Score:
        """Compare. The value is the distance."""
        wanted = float(self._wanted(trial.case))
        output = trial.output
        if isinstance(output, (int, float)) and not isinstance(output, bool):
            number = float(output)
        else:
            found = re.findall(r"[-+]?\d[\d,]*(?:\.\d+)?(?:[eE][-+]?\d+)?", trial.answer)
            if not found:
                return self._score(False, f"there is no number in {_short(trial.answer)}")
            number = float(found[-1].replace(",", ""))
        near = math.isclose(number, wanted, rel_tol=self.relative, abs_tol=self.tolerance)
        told = f"expected {wanted:g}, it was {number:g}"
        return self._score(near, told, abs(number - wanted))


@dataclass(frozen=True)
class Called(_Data):
    """The trial called a tool: with these arguments, before another one, at most so often."""

    kind: ClassVar[str] = "called"
    tool: str = ""
    before: str | None = None
    """Its first call came before the first call of this tool."""
    times: int | None = None
    at_most: int | None = None
    arguments: dict[str, Json] = field(default_factory=dict[str, Json])
    """Only calls with these arguments count."""

    def __post_init__(self) -> None:
        if not self.tool:
            msg = 'called: name the tool, as in {"called": {"tool": "find_order"}}'
            raise UsageError(msg)

    @property
    def name(self) -> str:
        """As a sentence."""
        if self.times == 0 or self.at_most == 0:
            return f"never called {self.tool}"
        parts = [
            f"called {self.tool}",
            f"before {self.before}" if self.before else "",
            f"{self.times} times" if self.times is not None else "",
            f"at most {self.at_most} times" if self.at_most is not None else "",
            _short(self.arguments) if self.arguments else "",
        ]
        return " ".join(part for part in parts if part)

    def judge(self, trial: Trial) -> Score:
        """Look at the calls in their order."""
        all_calls = trial.calls
        numbers = [
            number for number, call in enumerate(all_calls)
            if call.tool == self.tool and self.arguments.items() <= call.arguments.items()
        ]  # fmt: skip
        other = [number for number, call in enumerate(all_calls) if call.tool == self.before]
        least = 1 if self.at_most is None and self.times is None else 0
        passed = (
            len(numbers) >= least
            and (self.times is None or len(numbers) == self.times)
            and (self.at_most is None or len(numbers) <= self.at_most)
            and (self.before is None or not numbers or not other or numbers[0] < other[0])
        )
        did = ", ".join(call.tool for call in all_calls) or "nothing"
        return self._score(passed, f"it called {did}", float(len(numbers)))


@dataclass(frozen=True)
class MaxCost(_Data):
    """It cost at most so many US dollars."""

    kind: ClassVar[str] = "max_cost"
    dollars: float = 0.0

    def judge(self, trial: Trial) -> Score:
        """Compare; an unknown price does not pass."""
        cost = trial.dollars
        told = "its cost is not known" if cost is None else f"it cost ${cost:.4f}"
        return self._score(cost is not None and cost <= self.dollars, told, cost)


@dataclass(frozen=True)
class MaxSeconds(_Data):
    """It took at most so many seconds, without time spent waiting for people."""

    kind: ClassVar[str] = "max_seconds"
    seconds: float = 0.0

    def judge(self, trial: Trial) -> Score:
        """Compare."""
        took = trial.seconds
        return self._score(took <= self.seconds, f"it took {took:.1f} s", took)


@dataclass(frozen=True)
class MaxSteps(_Data):
    """It took at most so many steps."""

    kind: ClassVar[str] = "max_steps"
    steps: int = 0

    def judge(self, trial: Trial) -> Score:
        """Compare."""
        took = trial.steps
        return self._score(took <= self.steps, f"it took {took} steps", float(took))


@dataclass(frozen=True)
class Function:
    """A user's function: of the trial, or of the state of the world that it left."""

    function: UserFunction

    @property
    def name(self) -> str:
        """The function's."""
        return getattr(self.function, "__name__", type(self.function).__name__)

    def spec(self) -> EvaluatorSpec:
        """By its name: it cannot judge again from the log."""
        return EvaluatorSpec(kind="function", name=self.name)

    def judge(self, trial: Trial) -> Score:
        """Ask it. One that raises does not pass, and the score says so."""
        try:
            said = self.function(trial)
        except Exception as error:
            reason = f"{self.name} raised {type(error).__name__}: {error}"
            return Score(evaluator=self.name, passed=False, reason=reason)
        return self._score(said)

    def _score(self, said: object) -> Score:
        match said:
            case Score():
                return said.model_copy(update={"evaluator": self.name})
            case bool():
                return Score(evaluator=self.name, passed=said)
            case int() | float():
                return Score(evaluator=self.name, passed=said >= 1, value=float(said))
            case str():
                return Score(evaluator=self.name, passed=not said, reason=said)
            case _:
                reason = f"{self.name} returned {type(said).__name__}: return True or False"
                return Score(evaluator=self.name, passed=False, reason=reason)


@dataclass(frozen=True, kw_only=True)
class Judge:
    """A model that judges by a rubric. Its calls are ordinary runs: recorded, priced, routed."""

    rubric: str
    """What must hold, in a sentence or a list."""
    name: str = "judge"
    model: Any = None
    """A model's name or a Model; None for the default model."""
    agent: Agent[Any] | None = None
    """Judges in place of an agent made of `model`: with routing, limits, tools of its own. Its
    answer begins with PASS or FAIL."""

    def __init__(
        self,
        rubric: str,
        *,
        name: str = "judge",
        model: Any = None,
        agent: Agent[Any] | None = None,
    ) -> None:
        if not rubric.strip():
            msg = "a judge needs a rubric: say what must hold"
            raise UsageError(msg)
        object.__setattr__(self, "rubric", rubric)
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "model", model)
        object.__setattr__(self, "agent", agent)

    def spec(self) -> EvaluatorSpec:
        """With its rubric; its runs are in the log."""
        return EvaluatorSpec(kind="judge", name=self.name, settings={"rubric": self.rubric})

    def judge(self, trial: Trial) -> Score:
        """Raise UsageError: a judge is asked by an evaluation, as a run."""
        msg = f"judge {self.name!r} needs a runtime: give it to `evaluate`"
        raise UsageError(msg)


AnyEvaluator: TypeAlias = Evaluator | Judge
Given: TypeAlias = AnyEvaluator | UserFunction | str | Mapping[str, Any]
"""What may stand in a list of evaluators: one of these classes, a function, or data."""

CLASSES: Mapping[str, Callable[..., Evaluator]] = {
    each.kind: each
    for each in (Exact, Contains, Regex, JsonSchema, Numeric, Called, MaxCost, MaxSeconds, MaxSteps)
}

MADE: Mapping[str, Callable[..., AnyEvaluator]] = {**CLASSES, "judge": Judge}


def evaluator_of(given: Given) -> AnyEvaluator:
    """An evaluator from what was given. Raises UsageError for what is none.

    As data: "exact", {"contains": "59.90"}, {"called": {"tool": "refund", "at_most": 1}},
    {"judge": "The answer is polite."}.
    """
    if isinstance(given, str):
        given = {given: None}
    if isinstance(given, Mapping):
        data: dict[str, Any] = {**given}
        return _from_data(data)
    if isinstance(given, (_Data, Function, Judge)):
        return cast("AnyEvaluator", given)
    if hasattr(given, "judge") and hasattr(given, "spec"):
        return cast("Evaluator", given)
    if callable(given):
        return Function(given)
    msg = f"{given!r} is not an evaluator: give one of {', '.join(CLASSES)}, a Judge, a function"
    raise UsageError(msg)


def _from_data(given: dict[str, Any]) -> AnyEvaluator:
    if len(given) != 1:
        msg = f'an evaluator is one name and its settings, as {{"contains": "Bonn"}}: {given}'
        raise UsageError(msg)
    ((kind, settings),) = given.items()
    made = MADE.get(kind)
    if made is None:
        close = nearest(kind, MADE)
        msg = f"there is no evaluator {kind!r}" + (f": {close}?" if close else "")
        msg += f" (there are {', '.join(MADE)})"
        raise UsageError(msg)
    try:
        if settings is None:
            return made()
        if isinstance(settings, dict) and kind != "json_schema":
            return made(**cast("dict[str, Any]", settings))
        several = isinstance(settings, list)
        return made(tuple(cast("list[object]", settings)) if several else settings)
    except TypeError as error:
        msg = f"evaluator {kind}: {str(error).replace('__init__() ', '')}"
        raise UsageError(msg) from error


def again(spec: EvaluatorSpec) -> Evaluator | None:
    """The evaluator that was recorded; None for a function and a judge."""
    made = CLASSES.get(spec.kind)
    if made is None:
        return None
    settings = dict(spec.settings)
    return made(**{k: tuple(v) if isinstance(v, list) else v for k, v in settings.items()})


def _json_of(trial: Trial) -> Json:
    if trial.output is not None:
        return trial.output
    try:
        return cast("Json", from_json(trial.answer))
    except ValueError:
        return None


def _short(value: object) -> str:
    text = value if isinstance(value, str) else to_json(value).decode()
    return repr(text if len(text) <= 120 else f"{text[:119]}...")
