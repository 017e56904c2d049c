"""The real SDK against a real HTTP server on this machine."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from playhead.events.errors import ModelError
from playhead.events.model_api import Reply, Request
from playhead.events.usage import Usage
from playhead.testing.model_contract import run
from playhead.tools.models.anthropic import AnthropicModel
from tests.support.messages_api import (
    JSON,
    Answer,
    MessagesApi,
    call,
    counting,
    failure,
    message,
    message_events,
    sse,
    text,
)
from tests.support.rendered import request_of, request_with

HI = request_of("hi")


def ask(answer: Answer | Sequence[Answer], request: Request = HI, timeout: float = 60.0) -> Reply:
    """The reply to the last of as many questions as there are answers."""
    answers = [answer] if isinstance(answer, Answer) else answer

    async def scenario(url: str) -> Reply:
        model = AnthropicModel(base_url=url, timeout=timeout)
        try:
            for _ in answers[:-1]:
                with pytest.raises(ModelError):
                    await model.reply(request, lambda _: None)
            return await model.reply(request, lambda _: None)
        finally:
            await model.close()

    with MessagesApi(answers) as api:
        return asyncio.run(scenario(api.url))


def fault(answer: Answer, timeout: float = 60.0) -> ModelError:
    with pytest.raises(ModelError) as raised:
        ask(answer, timeout=timeout)
    return raised.value


def test_a_whole_reply_comes_with_its_blocks_usage_and_request_id() -> None:
    reply = ask(message(text("I add."), call("add", {"a": 1, "b": [2, {"c": 'é"\\ 😀'}]})))
    assert reply == Reply(
        content=(text("I add."), call("add", {"a": 1, "b": [2, {"c": 'é"\\ 😀'}]})),
        stop_reason="tool_use",
        usage=Usage(
            input_tokens=11,
            output_tokens=7,
            cache_creation_input_tokens=2,
            cache_read_input_tokens=3,
        ),
        model="claude-stub",
        request_id="req_1",
        envelope={"id": "msg_1"},
    )


def test_the_request_goes_out_as_it_was_rendered_and_asks_for_a_stream() -> None:
    request = request_of("What is ½?", thinking={"type": "enabled", "budget_tokens": 1024})
    with MessagesApi([message(text("0.5"))]) as api:
        run(AnthropicModel(api.url, "key-1"), lambda m: m.reply(request, lambda _: None))
    assert api.requests == [{"stream": True, **request.body}]
    assert api.bodies[0].endswith(request.content[1:])
    assert api.headers[0]["content-type"] == "application/json"
    assert "anthropic-version" in api.headers[0]
    assert any("key-1" in value for value in api.headers[0].values())


def test_text_comes_piece_by_piece_before_the_reply_is_whole() -> None:
    """The stream breaks after the first piece: the piece was told, and there is no reply."""
    whole = message(text("Hello, world"))
    cut = whole.body.index(b"world")
    pieces: list[str] = []

    with MessagesApi([replace(whole, cut=cut)]) as api, pytest.raises(ModelError):
        run(AnthropicModel(api.url), lambda m: m.reply(HI, pieces.append))
    assert pieces == ["Hello, "]


def test_calls_one_after_the_other_share_a_connection() -> None:
    async def scenario(url: str) -> None:
        model = AnthropicModel(url)
        for _ in range(5):
            await model.reply(HI, lambda _: None)
            opened.append(api.connections)
        await model.close()

    opened: list[int] = []
    with MessagesApi(counting(0)) as api:
        asyncio.run(scenario(api.url))
    assert opened == [1, 1, 1, 1, 1]


def test_a_run_of_many_steps_goes_over_the_wire() -> None:
    async def scenario(url: str) -> list[str]:
        model = AnthropicModel(url)
        messages: list[dict[str, Any]] = [{"role": "user", "content": "go"}]
        reasons: list[str] = []
        for _ in range(6):
            reply = await model.reply(request_with(messages), lambda _: None)
            reasons.append(reply.stop_reason)
            uses = [block["id"] for block in reply.content if block["type"] == "tool_use"]
            results = [{"type": "tool_result", "tool_use_id": u, "content": "1"} for u in uses]
            messages.append({"role": "assistant", "content": list(reply.content)})
            messages.append({"role": "user", "content": results})
        await model.close()
        return reasons

    with MessagesApi(counting(5)) as api:
        assert asyncio.run(scenario(api.url)) == ["tool_use"] * 5 + ["end_turn"]


STATUSES = [
    (400, "invalid_request_error", "invalid_request", False),
    (401, "authentication_error", "authentication", False),
    (402, "billing_error", "billing", False),
    (403, "permission_error", "permission", False),
    (404, "not_found_error", "not_found", False),
    (408, "", "timeout", True),
    (409, "", "conflict", True),
    (413, "request_too_large", "request_too_large", False),
    (418, "", "invalid_request", False),
    (422, "", "invalid_request", False),
    (429, "rate_limit_error", "rate_limit", True),
    (500, "api_error", "server_error", True),
    (501, "", "server_error", True),
    (502, "", "server_error", True),
    (503, "", "overloaded", True),
    (504, "timeout_error", "timeout", True),
    (504, "", "server_error", True),
    (529, "overloaded_error", "overloaded", True),
    (500, "overloaded_error", "overloaded", True),
    (400, "a_type_to_come", "invalid_request", False),
    (599, "a_type_to_come", "server_error", True),
]


@pytest.mark.parametrize(("status", "kind", "word", "retryable"), STATUSES)
def test_every_status_has_a_word_and_says_whether_to_try_again(
    status: int, kind: str, word: str, retryable: bool
) -> None:
    error = fault(failure(status, kind, "the server's\nreason"))
    assert (error.error, error.status, error.retryable) == (word, status, retryable)
    assert "the server's reason" in error.message


@pytest.mark.parametrize(
    ("kind", "word", "retryable"), [(k, w, r) for _, k, w, r in STATUSES if k.endswith("_error")]
)
def test_an_error_inside_a_stream_counts_by_its_type(kind: str, word: str, retryable: bool) -> None:
    events = [*list(message_events([text("So far")], "end_turn"))[:4]]
    told = {"type": "error", "error": {"type": kind, "message": "in the middle"}}
    error = fault(Answer(sse([*events, told])))
    assert (error.error, error.retryable) == (word, retryable)
    assert "in the middle" in error.message


@pytest.mark.parametrize("code", ["enforced_spend_limit_reached", "contract_spend_limit_reached"])
def test_a_spend_limit_is_not_tried_again(code: str) -> None:
    error = fault(failure(429, "rate_limit_error", "x", details={"error_code": code}))
    assert (error.error, error.retryable) == ("spend_limit", False)


def test_the_server_may_say_itself_whether_to_try_again() -> None:
    no, yes = {"x-should-retry": "false"}, {"x-should-retry": "true"}
    assert not fault(failure(529, "overloaded_error", headers=no)).retryable
    assert fault(failure(400, "invalid_request_error", headers=yes)).retryable


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "1500", "retry-after": "7"}, 1.5),
        ({"retry-after-ms": "soon", "retry-after": "7"}, 7.0),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after": "1e99"}, 3600.0),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "soon"}, None),
        (
            {
                "date": "Wed, 21 Oct 2026 07:28:00 GMT",
                "retry-after": "Wed, 21 Oct 2026 07:28:42 GMT",
            },
            42.0,
        ),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0),
        ({"retry-after": "Wed, 21 Oct 9999 07:28:00 GMT"}, 3600.0),
    ],
)
def test_retry_after_is_honoured_within_bounds(
    headers: dict[str, str], seconds: float | None
) -> None:
    assert fault(failure(429, "rate_limit_error", headers=headers)).retry_after == seconds


@pytest.mark.parametrize(
    "answer",
    [
        Answer(b"<html>maintenance</html>", headers={"content-type": "text/html"}),
        Answer(b"", headers={"content-type": "text/html"}),
        Answer(b'{"type":"message","content":[]}', headers=JSON),
        Answer(b"data: {no json}\n\n"),
        Answer(b"data: [1]\n\n"),
        Answer(b'data: {"type":"content_block_stop","index":3}\n\n'),
        Answer(b'data: {"type":"message_start","message":{"model":"m","content":7}}\n\n'),
        Answer(b"data: \xff\xfe\n\n"),
        Answer(
            b"not gzip", headers={"content-type": "text/event-stream", "content-encoding": "gzip"}
        ),
    ],
)
def test_an_answer_that_is_no_reply_is_malformed_and_worth_another_try(answer: Answer) -> None:
    error = fault(answer)
    assert (error.error, error.retryable) == ("malformed_reply", True)
    assert "\n" not in str(error)


WHOLE = {
    "type": "message", "role": "assistant", "model": "m", "stop_reason": "tool_use",
    "content": [{"type": "text", "text": "So \ud800"},
                {"type": "tool_use", "id": "t", "name": "add", "input": {"a": 1}}],
    "usage": {"input_tokens": 3, "output_tokens": 4},
}  # fmt: skip


def whole(**other: Any) -> Answer:
    return Answer(json.dumps({**WHOLE, **other}).encode(), headers=JSON)


def test_an_endpoint_that_answers_with_one_document_instead_of_a_stream_is_read() -> None:
    pieces: list[str] = []
    with MessagesApi([whole()]) as api:
        reply = run(AnthropicModel(api.url), lambda m: m.reply(HI, pieces.append))
        assert len(api.bodies) == 1
    assert [block["type"] for block in reply.content] == ["text", "tool_use"]
    assert reply.content[1]["input"] == {"a": 1}
    assert (reply.stop_reason, reply.usage.input_tokens) == ("tool_use", 3)
    assert pieces == ["So \ufffd"]


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (whole(stop_reason="max_tokens"), "truncated_tool_use"),
        (whole(content=[{"type": "tool_use", "id": "t", "name": "add", "input": "{}"}]),
         "malformed_reply"),
        (whole(stop_reason=None), "truncated"),
        (whole(stop_reason="tired"), "unknown_stop_reason"),
        (whole(type="error", error={"type": "overloaded_error", "message": "later"}), "overloaded"),
        (Answer(b'{"choices": []}', headers=JSON), "malformed_reply"),
        (Answer(b'{"type": "mess', headers=JSON), "malformed_reply"),
    ],
)  # fmt: skip
def test_a_document_is_held_to_what_a_stream_is_held_to(answer: Answer, error: str) -> None:
    assert fault(answer).error == error


def test_an_empty_stream_is_truncated() -> None:
    assert fault(Answer(b"")).error == "truncated"


def test_no_server_is_a_connection_error_that_names_the_url() -> None:
    with MessagesApi([]) as api:
        gone = api.url
    with pytest.raises(ModelError, match=gone) as raised:
        run(AnthropicModel(gone), lambda m: m.reply(HI, lambda _: None))
    assert (raised.value.error, raised.value.retryable) == ("unreachable", True)


def test_a_silent_server_is_a_timeout() -> None:
    error = fault(replace(message(text("Hello")), cut=200, hang=True), timeout=0.2)
    assert (error.error, error.retryable) == ("timeout", True)


def test_a_silent_server_is_let_go_when_the_call_is_cancelled() -> None:
    async def scenario(url: str) -> None:
        spoke = asyncio.Event()
        model = AnthropicModel(url)
        asking = asyncio.create_task(model.reply(HI, lambda _: spoke.set()))
        await spoke.wait()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await model.close()

    whole = message(text("Hello, world"))
    with MessagesApi([replace(whole, cut=len(whole.body) - 200, hang=True)]) as api:
        asyncio.run(scenario(api.url))
        assert api.dropped.wait(timeout=30)


def test_without_a_key_and_a_base_url_the_message_says_what_to_set(
    tmp_path: object, request: pytest.FixtureRequest
) -> None:
    patch = pytest.MonkeyPatch()
    request.addfinalizer(patch.undo)
    for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_BASE_URL"):
        patch.delenv(name, raising=False)
    patch.setenv("HOME", str(tmp_path))
    with pytest.raises(ModelError, match="set ANTHROPIC_API_KEY") as raised:
        run(AnthropicModel(), lambda m: m.reply(HI, lambda _: None))
    assert (raised.value.error, raised.value.retryable) == ("authentication", False)


def test_an_error_leaves_the_model_fit_for_the_next_call() -> None:
    assert ask([failure(500, "api_error"), Answer(b""), message(text("Hello"))]).content


def test_a_client_of_ones_own_serves_with_its_middleware() -> None:
    from anthropic import AsyncAnthropic

    asked: list[Any] = []

    async def watch(request: Any, call_next: Any) -> Any:
        asked.append(request.options.json_data)
        return await call_next(request)

    async def scenario(url: str) -> tuple[Reply, ModelError]:
        client = AsyncAnthropic(base_url=url, api_key="x", middleware=[watch])
        model = AnthropicModel(client=client)
        reply = await model.reply(HI, lambda _: None)
        with pytest.raises(ModelError) as raised:
            await model.reply(HI, lambda _: None)
        await model.close()
        assert not client.is_closed()
        await client.close()
        return reply, raised.value

    told = {"type": "error", "error": {"type": "overloaded_error", "message": "busy"}}
    answers = [message(text("I add."), call("add", {"a": 1})), Answer(sse([told]))]
    with MessagesApi(answers) as api:
        reply, error = asyncio.run(scenario(api.url))
    assert reply.content == (text("I add."), call("add", {"a": 1}))
    assert (error.error, error.retryable) == ("overloaded", True)
    assert asked[0] == {**HI.body, "stream": True}
    assert len(api.bodies) == 2  # the SDK's own retries are off
    assert json.loads(api.bodies[0]) == asked[0]
