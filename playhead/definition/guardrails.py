"""Guardrails as an author writes them, and the checks that they make sense."""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from playhead.actors.requests.guardrails import unusable
from playhead.events.errors import UsageError
from playhead.events.event import Json
from playhead.events.spec.guardrails import GuardrailSpec, Place, Verdict, VerdictName
from playhead.tools.validation.guardrails import data_fault

Check: TypeAlias = Callable[[str], Verdict | bool | Awaitable[Verdict | bool]]
"""Takes the text; returns a Verdict, or True to allow it. It may be async."""

CHOICES: Mapping[str, tuple[str, ...]] = {
    "on": ("input", "result", "answer"),
    "verdict": ("block", "replace", "ask_again"),
    "stream": ("hold", "discard"),
}
"""The values that each field accepts."""


@dataclass(frozen=True, kw_only=True)
class Guardrail:
    """Judges a text before it is used: a function (`check=`), or conditions given as data.

    Given as data, the verdict applies to a text that meets any condition; others are allowed. A
    function that raises, gives no answer in 30 s or returns anything else blocks.
    """

    name: str
    on: Place
    """`input`: the goal and messages. `result`: what tools give, and their failures. `answer`: the
    run's answer, before its schema is checked."""
    check: Check | None = None
    words: Sequence[str] = ()
    """A text that contains one of these, whatever the case."""
    pattern: str | None = None
    """A text in which this is found: a regular expression without lookaround."""
    max_chars: int | None = None
    """A longer text."""
    json_schema: Mapping[str, Json] | None = None
    """A text that is not JSON that fits."""
    verdict: VerdictName = "block"
    """block: the run fails with the reason `guardrail`. replace: `text` is used instead.
    ask_again: the model reads `text`, and goes on (not for input)."""
    text: str = ""
    """The message or the replacement; without one, the message says which condition applied."""
    tools: Sequence[str] | None = None
    """Only results of these tools."""
    beside: bool = False
    """For input: ask the model at the same time. Its reply is used only after the verdict."""
    stream: Literal["hold", "discard"] = "hold"
    """What `run.stream()` does with text before the verdict on it: hold it back, or give it at once
    and have it discarded if the verdict is not to allow it."""

    def __post_init__(self) -> None:
        fault = next(self._faults(), None)
        if fault is not None:
            msg = f"guardrail {self.name!r}: {fault}"
            raise UsageError(msg)

    def _faults(self) -> Iterator[str]:
        for field, allowed in CHOICES.items():
            value = getattr(self, field)
            if value not in allowed:
                yield f"{field}={value!r} must be {', '.join(allowed[:-1])} or {allowed[-1]}"
        if isinstance(self.words, str) or not all(self.words):
            yield f"words={self.words!r} must be a list of words"
        if self.tools is not None and self.on != "result":
            yield "tools= is for results: give on='result'"
        if self.beside and self.on != "input":
            yield "beside=True is for input: an answer exists only after the model call"
        yield from self._condition_faults()

    def _condition_faults(self) -> Iterator[str]:
        conditions = (self.pattern, self.max_chars, self.json_schema)
        given = bool(self.words) or any(each is not None for each in conditions)
        if (self.check is None) != given or not (self.check is None or callable(self.check)):
            yield (
                "give either check=, a function, or conditions (words, pattern, max_chars, "
                "json_schema)"
            )
        fault = data_fault(self.spec())
        if fault is None and self.check is None:
            fault = unusable(self.spec(), self.verdict)
        if fault is not None:
            yield fault

    def spec(self) -> GuardrailSpec:
        """The guardrail as a run records it."""
        return GuardrailSpec(
            name=self.name, on=self.on, function=self.check is not None, words=tuple(self.words),
            pattern=self.pattern, max_chars=self.max_chars,
            json_schema=None if self.json_schema is None else dict(self.json_schema),
            verdict=self.verdict, text=self.text,
            tools=None if self.tools is None else tuple(self.tools),
            beside=self.beside, stream=self.stream,
        )  # fmt: skip


def check_guardrails(agent: str, guardrails: Sequence[object], *, function: bool) -> None:
    """Raise UsageError for anything but guardrails with different names that can be applied.

    `function`: the agent's answer may be that of a user function.
    """
    names = set[str]()
    for each in guardrails:
        if not isinstance(each, Guardrail):
            msg = f"agent {agent!r}: guardrails={each!r}: give Guardrail(...)"
            raise UsageError(msg)
        if each.name in names:
            msg = f"agent {agent!r}: two guardrails are named {each.name!r}: rename one"
            raise UsageError(msg)
        if function and each.on == "answer":
            msg = (
                f"agent {agent!r}: guardrail {each.name!r} judges a model's answer, but the agent "
                "is a function: check the answer there"
            )
            raise UsageError(msg)
        names.add(each.name)
