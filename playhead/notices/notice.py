"""What a person is told about a wait, and by which rule: `Runtime(notify=Notify(...))`."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from playhead.events.errors import UsageError
from playhead.events.event import Json
from playhead.events.kinds.notices import Level
from playhead.projections.history.timeline import call_text, plan_text
from playhead.projections.state.waits import About
from playhead.projections.stored.wait_list import OpenWait


@dataclass(frozen=True, slots=True)
class Notice:
    """One message about one wait of a run."""

    key: str
    """The same if it has to be told again, after a crash: tell it once per key."""
    level: Level
    """asked: the wait has begun. reminder: it still lasts. escalation: someone else is told."""
    to: str | None
    """The assignee, or whom it is escalated to."""
    what: str
    """What is asked, as text."""
    run: str
    call: int
    """What to approve, deny, complete or fail: the call, or the plan."""
    about: About
    """call or plan: an approval. answer: the answer of a deferred call."""
    tool: str
    arguments: dict[str, Json]
    agent: str
    session: str | None
    goal: str
    since: int
    """Microseconds since the epoch, like `until`."""
    until: int | None
    """When it lapses."""
    link: str | None
    """Where to answer."""

    @property
    def subject(self) -> str:
        """One line."""
        begins = {"asked": "", "reminder": "Reminder: ", "escalation": "Escalated: "}[self.level]
        does = {"call": "approval of", "plan": "review of a plan", "answer": "answer of"}
        tool = "" if self.about == "plan" else f" {self.tool}"
        return f"{begins}{self.agent} waits for {does.get(self.about, 'you:')}{tool}"


class Step(NamedTuple):
    """One notice of the rule."""

    after: float
    level: Level
    to: str | None


Assignee: TypeAlias = str | Callable[[OpenWait], str | None] | None


@dataclass(frozen=True, kw_only=True)
class Notify:
    """Who is told about each wait for a person, and when."""

    tell: Callable[[Notice], None]
    """Sends it: an e-mail, a chat message. Called on a thread of its own, one notice at a time; if
    it raises, it is called again later."""
    assignee: Assignee = None
    """Who is to answer: a name or an address, or a function of the wait."""
    remind: Sequence[float] = ()
    """Seconds after which the assignee is told again, each once, while it still waits."""
    escalate: Sequence[tuple[float, str]] = ()
    """(seconds, who): who else is told after that time, while it still waits."""
    link: str | None = None
    """Where to answer, with {run}, {call} and {wait}: "https://desk.example/runs/{run}"."""
    about: Sequence[About] = ("call", "plan", "answer")
    """Which waits: approvals of calls and plans, answers of deferred calls."""

    def __post_init__(self) -> None:
        """Raise UsageError for a rule that cannot work."""
        for seconds in (*self.remind, *(after for after, _ in self.escalate)):
            if not 0 < seconds < float("inf"):
                msg = f"Notify: {seconds!r} must be a positive number of seconds"
                raise UsageError(msg)
        try:
            self.where("run", 1, 1)
        except (KeyError, IndexError, ValueError) as error:
            msg = f"Notify(link={self.link!r}): it may contain {{run}}, {{call}} and {{wait}}"
            raise UsageError(msg) from error

    def steps(self) -> list[Step]:
        """The rule's notices, by time."""
        reminders = [Step(after, "reminder", None) for after in self.remind]
        escalations = [Step(after, "escalation", to) for after, to in self.escalate]
        return sorted(
            [Step(0.0, "asked", None), *reminders, *escalations], key=lambda step: step.after
        )

    def where(self, run: str, call: int, wait: int) -> str | None:
        """The link of a wait."""
        return None if self.link is None else self.link.format(run=run, call=call, wait=wait)

    def notice(self, found: OpenWait, number: int) -> Notice:
        """What is told about a wait by one step of the rule."""
        step, wait = self.steps()[number], found.wait
        to = step.to or (self.assignee(found) if callable(self.assignee) else self.assignee)
        asks = plan_text(found.plan) if wait.about == "plan" else ""
        asks = asks or f"{found.tool}({call_text(found.arguments)})"
        note = f"\n{wait.message}" if wait.message else ""
        return Notice(
            f"{found.run}:{wait.seq}:{number}", step.level, to, asks + note, found.run,
            wait.call or 0, wait.about, found.tool, found.arguments, found.agent, found.session,
            found.goal, wait.since, wait.until, self.where(found.run, wait.call or 0, wait.seq),
        )  # fmt: skip
