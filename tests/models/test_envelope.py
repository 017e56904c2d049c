"""Nothing of a reply is lost: into the log, the next request, what people are shown, the bill."""

from contextlib import suppress
from typing import Any, cast

import pytest
from anthropic.types.beta import BetaRawMessageStreamEvent
from pydantic import BaseModel, TypeAdapter

from playhead import Agent, RunNotFinished, Runtime
from playhead.events.envelope import envelope_lines, stop_text
from playhead.events.kinds.model_calls import ModelAnswered, ModelRequested
from playhead.events.log.memory import MemoryLog
from playhead.events.record import Record
from playhead.projections.history.timeline import timeline
from tests.models.exchanges import (
    CODE_TOOL,
    CONTAINER,
    EDITS,
    EXCHANGES,
    ITERATIONS,
    RAN,
    REFUSED,
    SAID,
    Exchange,
)
from tests.support.agents import records
from tests.support.messages_api import Answer, MessagesApi, message, sse, text
from tests.support.strict_api import refused, strict

EVENT: TypeAdapter[BetaRawMessageStreamEvent] = TypeAdapter(BetaRawMessageStreamEvent)


def unknown(value: object, path: str = "") -> list[str]:
    """Fields that the SDK's types do not have, in what it parsed."""
    if isinstance(value, list):
        return [each for one in cast("list[object]", value) for each in unknown(one, path)]
    if not isinstance(value, BaseModel):
        return []
    inner = [(f"{path}.{name}", getattr(value, name)) for name in type(value).model_fields]
    found = [f"{path}.{name}" for name in value.model_extra or {}]
    return found + [each for where, one in inner for each in unknown(one, where)]


@pytest.mark.parametrize("name", EXCHANGES)
def test_a_recorded_exchange_is_read_by_the_types_of_the_sdk(name: str) -> None:
    for event in EXCHANGES[name].events:
        if event["type"] != "ping":
            assert unknown(EVENT.validate_python(event)) == []


def ran(
    agent: Agent[Any], *replies: Exchange | Answer, session: str | None = None, goals: int = 1
) -> tuple[list[dict[str, Any]], list[list[Record]]]:
    """The requests that a strict server received, and the records of each run."""
    answers = iter([r if isinstance(r, Answer) else Answer(sse(r.events)) for r in replies])
    log = MemoryLog()
    runs: list[list[Record]] = []
    with (
        MessagesApi(strict(lambda _: next(answers))) as api,
        Runtime(log, base_url=api.url) as runtime,
    ):
        for number in range(goals):
            run = runtime.start(agent, f"go {number}", session=session)
            with suppress(RunNotFinished):
                run.wait()
            runs.append(records(log, run.id))
            assert runtime.replay(run.id).matches
    return api.requests, runs


def answers(run: list[Record]) -> list[ModelAnswered]:
    return [r.event for r in run if isinstance(r.event, ModelAnswered)]


@pytest.mark.parametrize("name", EXCHANGES)
def test_the_blocks_of_a_reply_are_in_the_log_and_in_the_next_request_of_its_session(
    name: str,
) -> None:
    exchange = EXCHANGES[name]
    again = exchange.stop_reason in ("pause_turn", "compaction")
    agent = Agent(name="a", server_tools=[CODE_TOOL])
    ends = [] if again else [message(text("Again."))]
    requests, runs = ran(
        agent, exchange, message(text("Done.")), *ends, session="s", goals=1 if again else 2
    )
    first = answers(runs[0])[0]
    assert list(first.content) == exchange.blocks
    sent = [b for m in requests[1]["messages"] if m["role"] == "assistant" for b in m["content"]]
    assert sent == ([] if exchange.stop_reason == "refusal" else exchange.blocks)


def test_the_container_of_a_reply_is_named_in_the_next_requests_of_its_run_and_session() -> None:
    used = EXCHANGES["container"]
    asks_again = Exchange(used.blocks[:2], "pause_turn", more=used.more)
    agent = Agent(name="a", server_tools=[CODE_TOOL])
    requests, runs = ran(agent, asks_again, message(SAID), message(SAID), session="s", goals=2)
    assert [request.get("container") for request in requests] == [
        None, CONTAINER["id"], CONTAINER["id"],
    ]  # fmt: skip
    assert answers(runs[0])[0].envelope["container"] == CONTAINER
    asked = [r.event for r in runs[0] if isinstance(r.event, ModelRequested)]
    assert [each.container for each in asked] == [None, CONTAINER["id"]]


def test_a_container_that_has_expired_or_that_no_tool_can_use_is_not_named() -> None:
    gone = {"id": "container_1", "expires_at": "2020-01-01T00:00:00Z", "skills": None}
    paused = Exchange(RAN, "pause_turn", more={"delta": {"container": gone}})
    requests, _ = ran(Agent(name="a", server_tools=[CODE_TOOL]), paused, message(SAID))
    assert "container" not in requests[1]
    lasting = Exchange(RAN, "pause_turn", more={"delta": {"container": CONTAINER}})
    requests, _ = ran(Agent(name="a"), lasting, message(SAID))
    assert "container" not in requests[1]


def test_a_container_with_skills_keeps_them_beside_its_id() -> None:
    skills: Any = [{"type": "anthropic", "skill_id": "pptx", "version": "latest"}]
    agent = Agent(name="a", server_tools=[CODE_TOOL], extra={"container": {"skills": skills}})
    lasting = Exchange(RAN, "pause_turn", more={"delta": {"container": CONTAINER}})
    requests, _ = ran(agent, lasting, message(SAID))
    assert requests[0]["container"] == {"skills": skills}
    assert requests[1]["container"] == {"id": CONTAINER["id"], "skills": skills}


def test_every_other_field_of_the_message_is_recorded_verbatim() -> None:
    to_come = {"hologram": {"deep": [1, None, "é"]}, "diagnostics": None}
    exchange = Exchange(
        [SAID], "end_turn", {"input_tokens": 1, "service_tier": "standard", "new_count": 3},
        more={"start": to_come, "beside": {"context_management": EDITS, "late": 1}},
    )  # fmt: skip
    _, (run,) = ran(Agent(name="a"), exchange)
    assert answers(run)[0].envelope == {
        "id": "msg_1", "hologram": {"deep": [1, None, "é"]}, "context_management": EDITS, "late": 1,
        "usage": {"service_tier": "standard", "new_count": 3},
    }  # fmt: skip


def test_a_refusal_says_its_category_and_explanation_in_why_and_in_show() -> None:
    _, (run,) = ran(Agent(name="a"), EXCHANGES["refusal"])
    assert answers(run)[0].envelope["stop_details"] == REFUSED
    said = "cyber: It asks for an exploit."
    failed = [entry.text for entry in timeline(run) if entry.heading == "Failed"]
    assert failed
    assert all(said in each for each in failed)
    with (
        MessagesApi([Answer(sse(EXCHANGES["refusal"].events))]) as api,
        Runtime(MemoryLog(), base_url=api.url) as runtime,
        pytest.raises(RunNotFinished, match=said),
    ):
        runtime.run(Agent(name="a"), "go")


def test_a_stop_sequence_a_container_and_edits_of_the_context_are_shown() -> None:
    for name, words in (
        ("stop sequence", "stopped at 'END'"),
        ("container", "container container_011"),
        ("iterations", "context edited by the API: type clear_tool_uses_20250919"),
    ):
        _, (run,) = ran(Agent(name="a", server_tools=[CODE_TOOL]), EXCHANGES[name])
        assert any(words in entry.text for entry in timeline(run)), name


def test_a_reply_without_details_of_its_stop_adds_no_words() -> None:
    assert stop_text({"stop_details": {"type": "refusal"}}) == ""
    assert envelope_lines({"id": "msg_1", "usage": {"service_tier": "standard"}}) == []
    recommended: Any = {"category": "bio", "recommended_model": "claude-x"}
    assert stop_text({"stop_details": recommended}) == "bio (the API recommends claude-x)"


def test_the_passes_behind_a_reply_are_in_its_usage() -> None:
    _, (run,) = ran(Agent(name="a"), EXCHANGES["iterations"])
    usage = answers(run)[0].usage
    listed = [{k: v for k, v in each.items() if v} for each in ITERATIONS]
    assert [each.model_dump(exclude_defaults=True) for each in usage.iterations] == listed
    assert usage.total == 23_000 + 1_000 + 183_500 + 2_500
    assert usage.rates == ("us",)


REFUSED_BY_THE_API: list[tuple[dict[str, Any], str]] = [
        ({"bogus": 1}, "bogus"),
        ({"messages": [{"role": "assistant", "content": [SAID]}]}, "the user role"),
        ({"messages": [{"role": "user", "content": [{**SAID, "x": 1}]}]}, "x"),
        ({"tools": [{"name": "a"}]}, "input_schema"),
        (
            {"messages": [
                {"role": "user", "content": [SAID]},
                {"role": "assistant", "content": [
                    {"type": "tool_use", "id": "t", "name": "a", "input": {}},
                ]},
            ]},
            "without tool_result",
        ),
        (
            {"messages": [{"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "t", "content": "x"},
            ]}]},
            "do not answer",
        ),
]  # fmt: skip


@pytest.mark.parametrize(("body", "why"), REFUSED_BY_THE_API)
def test_the_strict_stub_refuses_what_the_api_refuses(body: dict[str, Any], why: str) -> None:
    fine = {
        "model": "m", "max_tokens": 1, "stream": True,
        "messages": [{"role": "user", "content": [SAID]}],
    }  # fmt: skip
    assert refused(fine) is None
    assert why in (refused({**fine, **body}) or "")
