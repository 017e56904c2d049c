"""Guardrails: the question to a guardrail's function, and the verdict of any guardrail."""

from typing import Literal

from playhead.events.event import Event
from playhead.events.kinds.approvals import RuleAsked
from playhead.events.spec.guardrails import Place, VerdictName


class GuardrailAsked(RuleAsked):
    """What does the guardrail's function say of this text?"""

    kind: Literal["guardrail_asked"] = "guardrail_asked"
    guardrail: str
    on: Place
    about: int
    """The seq of the record whose text is judged."""
    text: str
    """SHA-256 (hex) of the text, as earlier guardrails have replaced it."""


class GuardrailDecided(Event):
    """A guardrail's verdict: of a function, or decided on data alone."""

    kind: Literal["guardrail_decided"] = "guardrail_decided"
    guardrail: str
    on: Place
    about: int
    """The seq of the record whose text was judged."""
    step: str | None = None
    """The step whose answer or tool's result it is; None for input."""
    verdict: VerdictName
    text: str | None = None
    """The message, or the replacement; None when allowed."""
    error: str | None = None
    """Why the function gave no verdict: its guardrail then blocks."""

    @property
    def said(self) -> str:
        """The verdict, and its text if it has one."""
        return self.verdict if self.text is None else f"{self.verdict}: {self.text}"
