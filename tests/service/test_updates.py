"""The stream for a page: typed values of text, tools, approvals, steps, output and the end."""

import asyncio
import json
import threading
from contextlib import suppress
from itertools import pairwise
from typing import Annotated, Any

import pytest
from pydantic import BaseModel

from playhead import (
    Agent,
    CallDeferred,
    Guardrail,
    PlayheadError,
    Redactor,
    Retry,
    Runtime,
    Secret,
    ToolContext,
    Update,
    to_sse,
    tool,
)
from playhead.events.errors import ModelError
from playhead.events.log.memory import MemoryLog
from playhead.testing import ScriptedModel, call
from playhead.toolkit import wait
from tests.support.agents import add, fail


@tool(approval=True)
def pay(euros: int) -> str:
    """Pay an amount to the customer.

    Args:
        euros: how much.
    """
    return f"{euros} paid"


def shown(*replies: Any, **more: Any) -> list[Update]:
    """All updates of a run, listened to from before the model's first reply."""
    go, left = threading.Event(), list(replies)

    async def reply(_: Any) -> Any:
        await asyncio.to_thread(go.wait, 30)
        return left.pop(0)

    quick = Retry(base=0.0, cap=0.0)
    made: Agent[Any] = Agent(name="a", model=ScriptedModel(reply), retry=quick, **more)
    found: list[Update] = []
    with Runtime(MemoryLog()) as runtime:
        run = runtime.start(made, "Go.")
        for update in run.updates():
            go.set()
            found.append(update)
            if update.type == "approval" and getattr(update, "state", "") == "waiting":
                run.approve(run.approvals()[0].call)
        with suppress(PlayheadError):
            run.wait(10)
    return found


def told(updates: list[Update]) -> list[tuple[str, ...]]:
    """Type, and state or text, of each."""
    names = ("state", "text", "status")
    return [
        (u.type, str(next((getattr(u, n) for n in names if getattr(u, n, None)), "")))
        for u in updates
    ]


def test_a_page_is_told_of_text_steps_tools_approvals_and_the_end_in_order() -> None:
    updates = shown(["I pay. ", call("pay", euros=5)], "Done.", tools=[pay])
    assert told(updates) == [
        ("run", "started"), ("step", "started"), ("text", "I pay. "), ("tool", "requested"),
        ("approval", "waiting"), ("approval", "approved"), ("tool", "started"),
        ("tool", "finished"), ("text", "Done."), ("step", "finished"), ("end", "finished"),
    ]  # fmt: skip
    finished: Any = next(u for u in updates if told([u]) == [("tool", "finished")])
    assert (finished.tool, finished.text) == ("pay", "5 paid")
    recorded = [u.seq for u in updates if u.RECORDED]
    assert all(a < b for a, b in pairwise(recorded))


def test_failures_and_refusals_of_tools_say_why() -> None:
    calls = [call("fail", why="no luck"), call("add", a="x"), call("nothing")]
    updates: list[Any] = list(shown(calls, "Well.", tools=[add, fail]))
    ends = {u.tool: (u.state, u.text) for u in updates if u.type == "tool" and u.text}
    assert ends["fail"] == ("failed", "RuntimeError: no luck")
    assert ends["add"][0] == ends["nothing"][0] == "refused"


def test_text_of_a_failed_attempt_is_discarded() -> None:
    broken = ["Half an ans", ModelError("overloaded", "later", status=529, retryable=True)]
    updates = shown(broken, "Whole.")
    kinds = [u.type for u in updates if not u.RECORDED]
    assert kinds == ["text", "text_discarded", "text"]


class Order(BaseModel):
    number: int
    items: list[str]


def test_partial_output_is_given_as_soon_as_it_fits_and_never_when_it_does_not() -> None:
    pieces = ['{"number": 1', '043, "items": ["ch', 'air", "tab', 'le"]}']
    updates: list[Any] = list(shown(pieces, output=Order))
    outputs = [u.output for u in updates if u.type == "output"]
    assert outputs[-1] == {"number": 1043, "items": ["chair", "table"]}
    assert {"number": 1043, "items": ["chair", "tab"]} in outputs
    assert updates[-1].output == outputs[-1]
    said = ['{"number": "many"', ', "items": []}'], '{"number": 1, "items": []}'
    wrong: list[Any] = list(shown(*said, output=Order))
    assert all(u.output["number"] == 1 for u in wrong if u.type == "output")


def test_results_that_a_guardrail_judges_are_not_shown() -> None:
    rule = Guardrail(name="g", on="result", words=["17"], verdict="replace", text="hidden")
    updates = shown(call("add", a=8, b=9), "Done.", tools=[add], guardrails=[rule])
    assert "17" not in "".join(map(to_sse, updates))
    assert ("tool", "finished") in told(updates)


def test_a_listener_that_comes_back_reads_on_after_the_last_record_it_has() -> None:
    log = MemoryLog()
    made: Agent[Any] = Agent(
        name="a", model=ScriptedModel([call("add", a=1, b=2), "3."]), tools=[add]
    )
    with Runtime(log) as runtime:
        run = runtime.start(made, "Go.")
        run.wait(10)
        everything = list(run.updates())
        for cut in range(len(everything)):
            last = everything[cut].seq
            assert list(run.updates(after=last)) == everything[cut + 1 :]


def test_async_listeners_get_the_same() -> None:
    async def listen(run: Any) -> list[Update]:
        return [update async for update in run.updates()]

    with Runtime(MemoryLog()) as runtime:
        run = runtime.start(Agent(name="a", model=ScriptedModel(["Hi."])), "Go.")
        run.wait(10)
        assert asyncio.run(listen(run)) == list(run.updates())


@pytest.mark.parametrize("text", ["one\nline\r\nmore", "data: x\n\nevent: end", "\u2028", ""])
def test_no_text_can_break_out_of_its_server_sent_event(text: str) -> None:
    for update in shown(text or "x", "y"):
        event = to_sse(update)
        assert event.endswith("\n\n")
        lines = event[:-2].split("\n")
        data = [line for line in lines if line.startswith("data: ")]
        assert len(data) == 1
        assert len(lines) == 2 + update.RECORDED
        assert json.loads(data[0][6:])["type"] == update.type


def test_a_run_that_fails_ends_with_the_reason() -> None:
    rule = Guardrail(name="g", on="input", words=["go"], text="not that")
    end: Any = shown("Never.", guardrails=[rule])[-1]
    assert (end.type, end.status, end.reason, end.message) == (
        "end", "failed", "guardrail", "not that",
    )  # fmt: skip


@tool
def ask(who: str) -> int:
    """Ask somebody.

    Args:
        who: a name.
    """
    raise CallDeferred(f"ask {who}", expires=0.05 if who == "nobody" else 3600)


def states(updates: list[Update], name: str) -> list[tuple[str, str | None]]:
    """State and text of a tool's updates."""
    return [(u.state, u.text) for u in updates if u.type == "tool" and u.tool == name]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("who", "end"),
    [
        ("ann", ("answered", "7")),
        ("bob", ("failed", "he is away")),
        ("nobody", ("expired", "no answer came within 0.05 s")),
    ],
)
def test_a_call_whose_answer_comes_later_is_waiting_then_answered_failed_or_expired(
    who: str, end: tuple[str, str]
) -> None:
    made: Agent[Any] = Agent(
        name="a", model=ScriptedModel([call("ask", who=who), "Done."]), tools=[ask]
    )
    found: list[Any] = []
    with Runtime(MemoryLog()) as runtime:
        run = runtime.start(made, "Go.")
        for update in run.updates():
            found.append(update)
            if getattr(update, "state", "") == "waiting":
                assert (getattr(update, "expires_at", None) or 0) > 0
                if who == "ann":
                    run.complete(update.call, 7)  # type: ignore[attr-defined]
                elif who == "bob":
                    run.fail(update.call, "he is away")  # type: ignore[attr-defined]
        assert list(run.updates()) == [u for u in found if u.RECORDED]
    begun = [("requested", None), ("started", None), ("waiting", f"ask {who}")]
    assert states(found, "ask") == [*begun, end]
    sent = [json.loads(to_sse(u).split("data: ")[1]) for u in found if u.type == "tool"]
    assert [each["state"] for each in sent[2:]] == ["waiting", end[0]]


def test_the_tool_wait_is_waiting_then_finished() -> None:
    updates = shown(call("wait", seconds=0.01), "Done.", tools=[wait])
    assert [state for state, _ in states(updates, "wait")] == [
        "requested", "started", "waiting", "finished",
    ]  # fmt: skip


@tool(deferred=True)
def quick(context: ToolContext) -> int:
    """Begin something that is answered at once.

    Args:
        context: the call.
    """
    answers[0](context.run, context.call, 3)
    return None  # type: ignore[return-value]


answers: list[Any] = []


def test_a_call_that_is_answered_before_its_attempt_has_ended_is_answered_with_it() -> None:
    made: Agent[Any] = Agent(name="a", model=ScriptedModel([call("quick"), "Done."]), tools=[quick])
    with Runtime(MemoryLog()) as runtime:
        answers[:] = [runtime.complete]
        run = runtime.start(made, "Go.")
        run.wait(10)
        found = states(list(run.updates()), "quick")
    assert found == [("requested", None), ("started", None), ("answered", "3")]


class Odd:
    """What no text can be made of."""

    def __str__(self) -> str:
        raise ValueError


def progressing(redact: Any, *said: tuple[Any, Any, Any]) -> tuple[list[Any], str]:
    """The progress updates of a call that says all this, and the run's answer."""
    listening = threading.Event()

    @tool
    def work(token: Annotated[str, Secret("TOKEN")], context: ToolContext) -> str:
        """Work.

        Args:
            token: a secret.
            context: the call.
        """
        listening.wait(30)
        for text, done, total in said:
            context.progress(text, done=done, total=total)
        return "worked"

    def answer(body: Any) -> Any:
        last = body["messages"][-1]["content"]
        return last[0]["content"] if last[0]["type"] == "tool_result" else call("work")

    made: Agent[Any] = Agent(name="a", model=ScriptedModel(answer), tools=[work])
    found: list[Any] = []
    secrets = {"TOKEN": "tok-1234567890"}.get
    with Runtime(MemoryLog(), redact=redact, secrets=secrets) as runtime:
        run = runtime.start(made, "Go.")
        for update in run.updates():
            if getattr(update, "state", "") == "started":
                listening.set()
            found.append(update)
        return [u for u in found if u.type == "progress"], run.wait(10).answer


def test_a_tools_progress_is_among_the_updates_and_their_server_sent_events() -> None:
    (half, whole), answer = progressing(None, ("half", 1, 2), ("whole", 2.0, None))
    assert answer == "worked"
    assert (half.tool, half.text, half.done, half.total) == ("work", "half", 1.0, 2.0)
    assert (whole.text, whole.done, whole.total) == ("whole", 2.0, None)
    assert half.call == half.seq
    sent = to_sse(half)
    assert sent.startswith("event: progress\ndata: ")
    assert json.loads(sent.split("data: ")[1])["text"] == "half"


def test_progress_is_masked_by_the_runtimes_redactor_and_by_the_tools_own_secrets() -> None:
    redact = Redactor(patterns=[r"customer-\d+"])
    (told,), _ = progressing(redact, ("customer-17 with tok-1234567890", None, None))
    assert told.text == "[redacted] with [secret TOKEN]"


def test_progress_that_cannot_be_told_is_left_out_and_breaks_no_call() -> None:
    nan, inf = float("nan"), float("inf")
    odd: list[Any] = [
        (Odd(), 1, 2),
        ("\ud800", nan, "x"),
        ("numbers", inf, 10**400),
        (None, True, []),
    ]
    found, answer = progressing(None, *odd)
    assert answer == "worked"
    assert [(u.text, u.done, u.total) for u in found] == [
        ("\ufffd", None, None), ("numbers", None, None), ("None", 1.0, None),
    ]  # fmt: skip
    for update in found:
        assert json.loads(to_sse(update).split("data: ")[1])


def test_a_redactor_that_fails_on_progress_breaks_no_call() -> None:
    def change(text: str) -> str:
        if "bad" in text:
            raise ValueError(text)
        return None if "none" in text else text  # type: ignore[return-value]

    found, answer = progressing(change, ("bad", 1, 2), ("none", 1, 2), ("good", 1, 2))
    assert answer == "worked"
    assert [u.text for u in found] == ["good"]


def test_the_verdicts_of_guardrails_are_among_the_updates() -> None:
    rules = [
        Guardrail(name="in", on="input", words=["stop"], text="no"),
        Guardrail(name="out", on="result", words=["17"], verdict="replace", text="hidden"),
        Guardrail(name="end", on="answer", words=["secret"], verdict="replace", text="[cut]"),
    ]
    calls = call("add", a=8, b=9)
    updates: list[Any] = list(shown(calls, "A secret.", tools=[add], guardrails=rules))
    verdicts = [u for u in updates if u.type == "guardrail"]
    assert [(u.guardrail, u.on, u.verdict, u.text) for u in verdicts] == [
        ("in", "input", "allow", None),
        ("out", "result", "replace", "hidden"),
        ("end", "answer", "replace", verdicts[2].text),
    ]
    requested = next(u for u in updates if getattr(u, "state", "") == "requested")
    assert [u.call for u in verdicts] == [None, requested.call, None]
    assert "[cut]" in verdicts[2].text
    assert to_sse(verdicts[1]).startswith(f"id: {verdicts[1].seq}\nevent: guardrail\n")
