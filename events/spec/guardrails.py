"""Guardrails as a run records them, and the verdicts that they give."""

from typing import Literal, TypeAlias

from pydantic import model_validator

from playhead.events.event import Data, Json

Place: TypeAlias = Literal["input", "result", "answer"]
"""What is judged: the goal and messages; what a tool gave; the run's answer."""

VerdictName: TypeAlias = Literal["allow", "block", "replace", "ask_again"]


class Verdict(Data):
    """What a guardrail says of a text. Made with `allow()`, `block("why")` and so on."""

    verdict: VerdictName
    text: str = ""
    """block, ask_again: the message, to the caller or the model. replace: the new text."""

    @classmethod
    def allow(cls) -> "Verdict":
        """The text may be used."""
        return cls(verdict="allow")

    @classmethod
    def block(cls, message: str) -> "Verdict":
        """The run fails with the reason `guardrail` and this message."""
        return cls(verdict="block", text=message)

    @classmethod
    def replace(cls, text: str) -> "Verdict":
        """This text is used instead."""
        return cls(verdict="replace", text=text)

    @classmethod
    def ask_again(cls, message: str) -> "Verdict":
        """The model reads the message instead of the result, or after its answer, and goes on."""
        return cls(verdict="ask_again", text=message)

    @model_validator(mode="after")
    def _says_what(self) -> "Verdict":
        if self.verdict in ("block", "ask_again") and not self.text.strip():
            msg = f"a verdict {self.verdict} needs a message"
            raise ValueError(msg)
        return self


class GuardrailSpec(Data):
    """A guardrail: a function that is asked, or data on which the run decides by itself."""

    name: str
    on: Place
    function: bool = False
    """Whether a function gives the verdict; if so, the conditions below are empty."""
    words: tuple[str, ...] = ()
    """The verdict applies to a text that contains one of these, whatever the case."""
    pattern: str | None = None
    """... in which this regular expression is found (linear time: no lookaround)."""
    max_chars: int | None = None
    """... that is longer."""
    json_schema: dict[str, Json] | None = None
    """... that is not JSON that fits."""
    verdict: VerdictName = "block"
    """The verdict where a condition applies; any other text is allowed."""
    text: str = ""
    """The message or the replacement."""
    tools: tuple[str, ...] | None = None
    """For results: of these tools only."""
    beside: bool = False
    """For input: the model is asked at the same time; its reply is used only after the verdict."""
    stream: Literal["hold", "discard"] = "hold"
    """Text that streams in before the verdict is held back, or shown and discarded if need be."""
