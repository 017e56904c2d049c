"""The openai SDK over real HTTP: what is said in both protocols, and what comes back of it."""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from openai.types.chat import ChatCompletionChunk
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import BaseModel, TypeAdapter

from playhead import Agent, Runtime, Target, tool
from playhead.definition.prices import prices_for
from playhead.events.envelope import stop_text
from playhead.events.errors import ModelError
from playhead.events.log.memory import MemoryLog
from playhead.events.model_api import Reply, Request
from playhead.events.usage import Usage
from playhead.projections.tracing.semconv import provider
from playhead.testing.model_contract import ClosedAfter, block, reply_of, run, use
from playhead.testing.stub_server import JSON, Answer, StubServer
from playhead.tools.models.anthropic import AnthropicModel
from playhead.tools.models.openai.chat_request import chat_body
from playhead.tools.models.openai.model import Api, OpenAIModel
from playhead.tools.models.openai.providers import PROVIDERS
from playhead.tools.models.openai.responses_request import responses_body
from tests.support.agents import add
from tests.support.messages_api import MessagesApi, message, text
from tests.support.openai_api import (
    chat_chunks,
    chat_stream,
    chunk,
    data,
    delta,
    item_events,
    item_of,
    named,
    refused_chat,
    refused_responses,
    response,
    responses_events,
    responses_stream,
)
from tests.support.rendered import request_of

APIS: list[Api] = ["chat", "responses"]
STREAMS: dict[str, Callable[[Reply], bytes]] = {"chat": chat_stream, "responses": responses_stream}
BODIES: dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    "chat": partial(chat_body, official=True), "responses": responses_body,
}  # fmt: skip
REFUSED: dict[str, Callable[[dict[str, Any]], str | None]] = {
    "chat": refused_chat, "responses": refused_responses,
}  # fmt: skip

PNG = {"type": "base64", "media_type": "image/png", "data": "aGk="}
PDF = {"type": "base64", "media_type": "application/pdf", "data": "aGk="}
CALCULATOR: dict[str, Any] = {
    "name": "calculator", "description": "Calculate.",
    "input_schema": {"type": "object", "properties": {"x": {"type": "string"}}},
}  # fmt: skip


def ask(api: Api, body: bytes, request: Request | None = None, kind: Any = None) -> Reply:
    answer = Answer(body) if kind is None else Answer(body, headers=kind)
    with StubServer([answer]) as server:
        model = OpenAIModel(server.url, api=api)
        return run(model, lambda m: m.reply(request or request_of("hi"), lambda _: None))


def result(number: int, content: Any, **more: Any) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": f"call_{number}", "content": content, **more}


CONVERSATION: tuple[list[dict[str, Any]], ...] = (
    [{"type": "text", "text": "What is in it?"}, {"type": "image", "source": PNG},
     {"type": "document", "title": "a.pdf", "source": PDF}],
    [{"type": "thinking", "thinking": "Claude's own", "signature": "c2ln"}, block("I look."),
     use(1, "add", {"a": 1}), use(2, "photo", {})],
    [result(1, "2"), result(2, [block("here:"), {"type": "image", "source": PNG}], is_error=True),
     block("<goal>\nWhat?\n</goal>")],
)  # fmt: skip


@pytest.mark.parametrize("api", APIS)
def test_a_conversation_of_every_block_is_said_as_the_api_accepts_it(api: Api) -> None:
    marked = {"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}
    request = request_of(*CONVERSATION, system=[marked], tools=[CALCULATOR])
    said = BODIES[api](request.body)
    assert REFUSED[api](said) is None
    assert "cache_control" not in json.dumps(said)
    assert "Claude's own" not in json.dumps(said)


def test_chat_completions_are_said_in_their_own_words() -> None:
    said = BODIES["chat"](request_of(*CONVERSATION, system="Be brief.", tools=[CALCULATOR]).body)
    calls = [
        {"id": "call_1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}},
        {"id": "call_2", "type": "function", "function": {"name": "photo", "arguments": "{}"}},
    ]
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}}
    pdf = {"filename": "a.pdf", "file_data": "data:application/pdf;base64,aGk="}
    assert said["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [
            {"type": "text", "text": "What is in it?"}, image, {"type": "file", "file": pdf}]},
        {"role": "assistant", "content": "I look.", "tool_calls": calls},
        {"role": "tool", "tool_call_id": "call_1", "content": "2"},
        {"role": "tool", "tool_call_id": "call_2", "content":
         "The call failed.\n\nhere:\n\n(1 more in the next message, as the result of this call)"},
        {"role": "user", "content": [image, {"type": "text", "text": "<goal>\nWhat?\n</goal>"}]},
    ]  # fmt: skip
    assert said["tools"][0]["function"]["parameters"] == CALCULATOR["input_schema"]
    assert said["max_completion_tokens"] == 100
    assert chat_body(request_of("hi").body, official=False)["max_tokens"] == 100


def test_responses_are_said_in_their_own_words() -> None:
    said = BODIES["responses"](request_of(*CONVERSATION, system="Be brief.").body)
    image = {"type": "input_image", "image_url": "data:image/png;base64,aGk=", "detail": "auto"}
    assert said["instructions"] == "Be brief."
    assert (said["store"], said["include"]) == (False, ["reasoning.encrypted_content"])
    assert said["input"][1:] == [
        {"type": "message", "role": "assistant", "content": "I look."},
        {"type": "function_call", "call_id": "call_1", "name": "add", "arguments": '{"a": 1}'},
        {"type": "function_call", "call_id": "call_2", "name": "photo", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "call_1", "output": "2"},
        {"type": "function_call_output", "call_id": "call_2", "output": [
            {"type": "input_text", "text": "The call failed."},
            {"type": "input_text", "text": "here:"}, image]},
        {"type": "message", "role": "user", "content": [
            {"type": "input_text", "text": "<goal>\nWhat?\n</goal>"}]},
    ]  # fmt: skip


CLOSED = {
    "type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"],
    "additionalProperties": False,
}  # fmt: skip


@pytest.mark.parametrize(("schema", "strict"), [
    (CLOSED, True),
    ({**CLOSED, "required": []}, False),
    ({**CLOSED, "properties": {"n": {"type": "integer", "default": 1}}}, False),
    ({**CLOSED, "properties": {"n": {"type": "array", "items": CLOSED}}}, True),
    ({**CLOSED, "properties": {"n": {"anyOf": [{**CLOSED, "required": []}]}}}, False),
])  # fmt: skip
def test_a_schema_is_enforced_strictly_where_strict_mode_accepts_it(
    schema: dict[str, Any], strict: bool
) -> None:
    output = {"format": {"type": "json_schema", "schema": schema}}
    tool = {**CALCULATOR, "input_schema": schema, "strict": True}
    body = request_of("hi", output_config=output, tools=[tool]).body
    chat, responses = BODIES["chat"](body), BODIES["responses"](body)
    assert chat["response_format"]["json_schema"]["strict"] is strict
    assert responses["text"]["format"]["strict"] is strict
    assert responses["tools"][0]["strict"] is strict
    assert chat["tools"][0]["function"].get("strict", False) is strict
    assert chat["response_format"]["json_schema"]["schema"] == schema


@pytest.mark.parametrize(("ours", "chat", "responses"), [
    ({"type": "auto"}, "auto", "auto"),
    ({"type": "any"}, "required", "required"),
    ({"type": "none"}, "none", "none"),
    ({"type": "tool", "name": "calculator"},
     {"type": "function", "function": {"name": "calculator"}},
     {"type": "function", "name": "calculator"}),
])  # fmt: skip
def test_a_choice_of_tools_is_translated(ours: Any, chat: Any, responses: Any) -> None:
    choice = {**ours, "disable_parallel_tool_use": True}
    body = request_of("hi", tools=[CALCULATOR], tool_choice=choice).body
    for said, wanted in ((BODIES["chat"](body), chat), (BODIES["responses"](body), responses)):
        assert (said["tool_choice"], said["parallel_tool_calls"]) == (wanted, False)


@pytest.mark.parametrize(("fields", "effort"), [
    ({}, None),
    ({"thinking": {"type": "adaptive"}}, None),
    ({"thinking": {"type": "disabled"}}, "none"),
    ({"thinking": {"type": "enabled", "budget_tokens": 1024}}, "low"),
    ({"thinking": {"type": "enabled", "budget_tokens": 8000}}, "medium"),
    ({"thinking": {"type": "enabled", "budget_tokens": 32000}}, "high"),
    ({"output_config": {"effort": "max"}}, "xhigh"),
])  # fmt: skip
def test_thinking_is_asked_for_as_an_effort(fields: Any, effort: str | None) -> None:
    body = request_of("hi", **fields).body
    assert BODIES["chat"](body).get("reasoning_effort") == effort
    assert BODIES["responses"](body).get("reasoning", {}).get("effort") == effort


@pytest.mark.parametrize(("api", "fields", "word"), [
    ("responses", {"stop_sequences": ["x"]}, "stop_sequences"),
    ("chat", {"context_management": {}}, "context_management"),
    ("chat", {"mcp_servers": []}, "mcp_servers"),
    ("chat", {"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "web_search"),
    ("responses", {"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "web_search"),
    ("chat", {"tools": [{"type": "web_search"}]}, "web_search"),
])  # fmt: skip
def test_what_has_no_words_is_refused_in_words_before_anything_is_sent(
    api: Api, fields: Any, word: str
) -> None:
    with StubServer([]) as server, pytest.raises(ModelError, match=word) as raised:
        run(
            OpenAIModel(server.url, api=api),
            lambda m: m.reply(request_of("hi", **fields), lambda _: None),
        )
    assert (raised.value.error, raised.value.retryable) == ("invalid_request", False)
    assert server.bodies == []


def test_a_file_by_id_and_an_unknown_block_are_refused_in_words() -> None:
    for odd in ({"type": "image", "source": {"type": "file", "file_id": "f"}}, {"type": "smell"}):
        for api in APIS:
            with pytest.raises(ModelError, match=str(odd["type"])):
                BODIES[api](request_of([odd]).body)


def test_tools_of_the_responses_api_go_as_they_are() -> None:
    own = {"type": "web_search", "search_context_size": "low"}
    body = request_of("hi", tools=[CALCULATOR, {**own, "cache_control": {}}]).body
    assert responses_body(body)["tools"][1] == own


@pytest.mark.parametrize("api", APIS)
def test_each_request_begins_with_the_messages_of_the_one_before(api: Api) -> None:
    """So that a cache by prefix finds them again: only the restated goal at the end moves."""

    def script(reply: Reply) -> Answer:
        return Answer(STREAMS[api](reply))

    calls = [reply_of(block(f"{n}"), use(n, "add", {"a": n, "b": 1})) for n in range(4)]
    answers = [script(each) for each in [*calls, reply_of(block("done"))]]
    with StubServer(answers) as server:
        model = OpenAIModel(server.url, api=api)
        with Runtime(MemoryLog(), model=ClosedAfter(model, 5)) as runtime:
            agent = Agent(name="a", model="gpt-5", instructions="Add.", tools=[add])
            assert runtime.run(agent, "count").answer == "done"
    key = "messages" if api == "chat" else "input"
    sent = [[json.dumps(each) for each in json.loads(b)[key]] for b in server.bodies]
    for before, after in pairwise(sent):
        stable = before[:-1] if len(before) > 2 else before
        assert after[: len(stable)] == stable


# What comes back


@pytest.mark.parametrize("api", APIS)
def test_fixtures_parse_as_the_sdks_own_types(api: Api) -> None:
    reply = reply_of(block("Hello"), use(1, "add", {"a": 1}))
    events: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
    if api == "chat":
        for each in chat_chunks(reply):
            ChatCompletionChunk.model_validate(each)
    else:
        for each in responses_events(reply):
            events.validate_python(each)
        Response.model_validate(response(reply, item_of(block("Hello"), 1)))


THOUGHT = {"type": "thinking", "thinking": "two and\u00a0one"}


def test_reasoning_comes_back_encrypted_and_goes_back_as_it_came() -> None:
    reply = reply_of(THOUGHT, block("I add."), use(1, "add", {"a": 1}))
    found = ask("responses", responses_stream(reply))
    assert [b["type"] for b in found.content] == ["thinking", "text", "tool_use"]
    assert found.content[0]["thinking"] == "two and\u00a0one"
    again = request_of("hi", [dict(b) for b in found.content], [result(1, "2")])
    said = responses_body(again.body)
    assert refused_responses(said) is None
    items = [item_of(dict(b), n) for n, b in enumerate(reply.content)]
    assert said["input"][1:4] == items
    assert "rs_0" not in json.dumps(chat_body(again.body, official=False))


def test_an_item_that_nobody_knows_is_kept_and_goes_back() -> None:
    search: dict[str, Any] = {
        "type": "web_search_call",
        "id": "ws_1",
        "status": "completed",
        "action": {},
    }
    reply = reply_of(block("found"))
    items = [search, item_of(block("found"), 1)]
    found = ask("responses", named(item_events(reply, items)))
    assert found.content[0] == {"type": "openai_item", "openai": search}
    again = request_of("hi", [dict(b) for b in found.content], "more")
    assert responses_body(again.body)["input"][1:3] == items


def test_several_texts_of_one_message_go_back_as_one_item() -> None:
    item = item_of(block("a"), 1)
    item["content"] = [
        {"type": "output_text", "text": t, "annotations": [], "logprobs": []} for t in "ab"
    ]
    item["phase"] = "commentary"
    found = ask("responses", named(item_events(reply_of(block("x")), [item])))
    assert [b["text"] for b in found.content] == ["a", "b"]
    said = responses_body(request_of("hi", [dict(b) for b in found.content], "more").body)
    (again,) = [each for each in said["input"] if each.get("role") == "assistant"]
    assert (again["id"], again["phase"]) == (item["id"], "commentary")
    assert [part["text"] for part in again["content"]] == ["a", "b"]
    assert refused_responses(said) is None


def test_thinking_in_the_clear_goes_back_under_its_servers_name_where_tools_were_called() -> None:
    found = ask("chat", chat_stream(reply_of(THOUGHT, block("I add."), use(1, "add", {"a": 1}))))
    assert found.content[0] == {**THOUGHT, "openai": {"field": "reasoning_content"}}
    blocks = [dict(b) for b in found.content]
    said = chat_body(request_of("hi", blocks, [result(1, "2")]).body, official=False)
    assert said["messages"][1]["reasoning_content"] == "two and\u00a0one"
    assert refused_chat(said, frozenset({"reasoning_content"})) is None
    assert refused_chat(said) is not None  # OpenAI itself never sent such a field
    said = chat_body(request_of("hi", blocks[:2], "more").body, official=False)
    assert "reasoning_content" not in said["messages"][1]


def test_the_signature_of_a_thought_goes_back_with_its_call() -> None:
    extra = {"google": {"thought_signature": "c2ln"}}
    call = {"id": "c", "type": "function", "function": {"name": "add", "arguments": "{}"}}
    chunks = [chunk(delta({"tool_calls": [{"index": 0, **call, "extra_content": extra}]}, "stop"))]
    found = ask("chat", data(chunks) + b"data: [DONE]\n\n")
    assert found.stop_reason == "tool_use"
    said = chat_body(
        request_of("hi", [dict(b) for b in found.content], [
            {"type": "tool_result", "tool_use_id": "c", "content": "1"}]).body,
        official=False,
    )  # fmt: skip
    assert said["messages"][1]["tool_calls"][0]["extra_content"] == extra


def whole_chat(message: dict[str, Any], finish: str, **more: Any) -> bytes:
    choice = {"index": 0, "message": message, "finish_reason": finish}
    return json.dumps({"model": "m", "choices": [choice], **more}).encode()


CALL = {"type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}


@pytest.mark.parametrize("calls", [
    [{"id": "functions.add:0", "index": 0, **CALL}, {"id": "functions.add:1", "index": 0, **CALL}],
    [{"index": 0, **CALL}, {"index": 0, **CALL}],
    [{"id": "", **CALL}, {"id": "", **CALL}],
    [{"id": "x", "index": 0, "function": {"name": "add", "arguments": {"a": 1}}},
     {"id": "y", "index": 1, "function": {"name": "add", "arguments": {"a": 1}}}],
])  # fmt: skip
def test_calls_of_servers_that_number_and_name_them_otherwise_are_told_apart(
    calls: Sequence[Any],
) -> None:
    found = ask("chat", whole_chat({"content": "", "tool_calls": calls}, "stop"), kind=JSON)
    assert [b["input"] for b in found.content] == [{"a": 1}, {"a": 1}]
    ids = [str(b["id"]) for b in found.content]
    assert len(set(ids)) == 2
    assert all(char.isalnum() or char in "_-" for use in ids for char in use)


def test_usage_counts_what_the_cache_gave_and_what_was_thought_apart() -> None:
    usage = {
        "prompt_tokens": 100, "completion_tokens": 30, "total_tokens": 130,
        "prompt_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 10},
        "completion_tokens_details": {"reasoning_tokens": 20},
    }  # fmt: skip
    found = ask("chat", whole_chat({"content": "x"}, "stop", usage=usage), kind=JSON)
    assert found.usage == Usage(
        input_tokens=30, output_tokens=30, cache_read_input_tokens=60,
        cache_creation_input_tokens=10, thinking_tokens=20,
    )  # fmt: skip


@pytest.mark.parametrize("api", APIS)
def test_a_server_that_tells_no_usage_is_never_counted_as_free(api: Api) -> None:
    reply = reply_of(block("Hello, world"))
    document = {**response(reply, item_of(block("Hello, world"), 1)), "usage": None}
    body = json.dumps(document).encode()
    if api == "chat":
        body = whole_chat({"content": "Hello, world"}, "stop")
    found = ask(api, body, kind=JSON)
    assert found.usage.input_tokens >= 2
    assert found.usage.output_tokens >= 12


@pytest.mark.parametrize("api", APIS)
def test_a_refusal_is_told_as_one_with_its_words(api: Api) -> None:
    body = whole_chat({"refusal": "I will not."}, "stop")
    if api == "responses":
        item = {
            **item_of(block("x"), 1),
            "content": [{"type": "refusal", "refusal": "I will not."}],
        }
        body = json.dumps(response(reply_of(block("x")), item)).encode()
    found = ask(api, body, kind=JSON)
    assert (found.stop_reason, found.content[0]["text"]) == ("refusal", "I will not.")
    assert stop_text(found.envelope) == "I will not."


@pytest.mark.parametrize("api", APIS)
def test_fields_beside_the_content_are_kept_and_those_that_repeat_the_request_are_not(
    api: Api,
) -> None:
    more = {"service_tier": "flex", "system_fingerprint": "fp_1", "new": {"field": [1]}}
    usage: dict[str, Any] = {
        "prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11,
        "completion_tokens_details": {"audio_tokens": 4},
    }  # fmt: skip
    body = whole_chat({"content": "x"}, "stop", usage=usage, **more)
    wanted: dict[str, Any] = {**more, "usage": {"details": {"audio_tokens": 4}}}
    if api == "responses":
        reply = reply_of(block("x"))
        whole = {**response(reply, item_of(block("x"), 1)), "instructions": "Be.", **more}
        body, wanted = json.dumps(whole).encode(), {"id": "resp_1", **more}
    assert ask(api, body, kind=JSON).envelope == wanted


@pytest.mark.parametrize(("status", "told", "error", "retryable"), [
    (429, {"code": "insufficient_quota"}, "spend_limit", False),
    (429, {"code": "rate_limit_exceeded"}, "rate_limit", True),
    (401, {"type": "invalid_request_error", "code": "invalid_api_key"}, "authentication", False),
    (404, {"type": "invalid_request_error", "code": "model_not_found"}, "not_found", False),
    (400, {"code": "context_length_exceeded"}, "invalid_request", False),
    (400, {"code": "content_filter"}, "refusal", False),
    (500, {"code": 500, "type": "server_error"}, "server_error", True),
    (503, {"code": 503, "type": "unavailable_error"}, "overloaded", True),
])  # fmt: skip
@pytest.mark.parametrize("shape", ["inside", "listed", "bare"])
def test_errors_are_named_in_every_shape_that_servers_give_them(
    status: int, told: Any, error: str, retryable: bool, shape: str
) -> None:
    said = {"message": "because", **told}
    shapes: dict[str, Any] = {"inside": {"error": said}, "listed": [{"error": said}], "bare": said}
    body = json.dumps(shapes[shape]).encode()
    with StubServer([Answer(body, status, JSON)]) as server, pytest.raises(ModelError) as raised:
        run(
            OpenAIModel(server.url, key="MY_KEY"),
            lambda m: m.reply(request_of("hi"), lambda _: None),
        )
    assert (raised.value.error, raised.value.retryable) == (error, retryable)
    assert "because" in raised.value.message
    assert error != "authentication" or "set MY_KEY" in raised.value.message


def test_a_response_that_failed_says_why_and_what_it_used() -> None:
    failed = {**response(reply_of(block("x"))), "status": "failed",
              "error": {"code": "server_error", "message": "sorry"}}  # fmt: skip
    with pytest.raises(ModelError, match="sorry") as raised:
        ask("responses", named([{"type": "response.failed", "response": failed}]))
    assert (raised.value.error, raised.value.retryable) == ("server_error", True)
    assert raised.value.usage is not None
    assert raised.value.usage.output_tokens == 7


@pytest.mark.parametrize(("headers", "seconds"), [
    ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "1m2.5s"}, 62.5),
    ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "120ms",
      "x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "1s"}, 1.0),
    ({"x-ratelimit-remaining-tokens": "9", "x-ratelimit-reset-tokens": "6m0s"}, None),
    ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "soon"}, None),
    ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "6m0s",
      "retry-after": "3"}, 3.0),
])  # fmt: skip
def test_the_rate_limits_headers_say_how_long_to_wait(headers: Any, seconds: float | None) -> None:
    answer = Answer(b'{"error": {"message": "slow"}}', 429, {**JSON, **headers})
    with StubServer([answer]) as server, pytest.raises(ModelError) as raised:
        run(OpenAIModel(server.url), lambda m: m.reply(request_of("hi"), lambda _: None))
    assert raised.value.retry_after == seconds


# Where it is asked


def test_gateways_get_their_headers_and_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_KEY", "k-1")
    with StubServer([Answer(chat_stream(reply_of(block("hi"))))]) as server:
        model = OpenAIModel(f"{server.url}/v1", key="GATEWAY_KEY", headers={"x-title": "me"})
        run(model, lambda m: m.reply(request_of("hi"), lambda _: None))
    assert server.paths == ["/v1/chat/completions"]
    assert server.headers[0]["authorization"] == "Bearer k-1"
    assert server.headers[0]["x-title"] == "me"


def test_without_a_key_and_a_base_url_the_message_says_what_to_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ModelError, match="set OPENAI_API_KEY") as raised:
        asyncio.run(OpenAIModel().reply(request_of("hi"), lambda _: None))
    assert (raised.value.error, raised.value.retryable) == ("authentication", False)


def test_a_client_of_ones_own_is_used_and_left_open() -> None:
    from openai import AsyncAzureOpenAI

    async def scenario(url: str) -> None:
        client = AsyncAzureOpenAI(
            azure_endpoint=url, azure_deployment="mine", api_version="2026-01-01", api_key="x"
        )
        model = OpenAIModel(client=client, api="chat")
        reply = await model.reply(request_of("hi", model="mine"), lambda _: None)
        assert reply.content[0]["text"] == "hi"
        await model.close()
        assert not client.is_closed()
        await client.close()

    with StubServer([Answer(chat_stream(reply_of(block("hi"))))]) as server:
        asyncio.run(scenario(server.url))
    (path,) = server.paths
    assert path == "/openai/deployments/mine/chat/completions?api-version=2026-01-01"


@pytest.mark.parametrize(("model", "variable", "path"), [
    ("openai:gpt-5", "OPENAI_BASE_URL", "/chat/completions"),
    ("openai-responses:gpt-5", "OPENAI_BASE_URL", "/responses"),
    ("azure:gpt-5", "AZURE_OPENAI_ENDPOINT", "/openai/v1/chat/completions"),
    ("gemini:gemini-3-pro", "GEMINI_BASE_URL", "/chat/completions"),
    ("ollama:llama3.2:3b", "OLLAMA_BASE_URL", "/chat/completions"),
    ("vllm:mine", "VLLM_BASE_URL", "/chat/completions"),
    ("llamacpp:mine", "LLAMA_BASE_URL", "/chat/completions"),
])  # fmt: skip
def test_the_word_before_a_models_name_says_where_it_is_asked(
    model: str, variable: str, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = "responses" if "responses" in model else "chat"
    with StubServer([Answer(STREAMS[api](reply_of(block("hi"))))]) as server:
        monkeypatch.setenv(variable, server.url)
        with Runtime(MemoryLog()) as runtime:
            result = runtime.run(Agent(name="a", model=model), "go")
    assert result.answer == "hi"
    assert server.paths == [path]
    assert json.loads(server.bodies[0])["model"] == model.partition(":")[2]


def test_an_agent_of_either_provider_falls_back_to_the_other_with_what_it_understands(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    busy = Answer(b'{"error": {"message": "busy", "code": "server_overloaded"}}', 503, JSON)
    thought = reply_of(THOUGHT, use(1, "add", {"a": 1, "b": 2}))
    with (
        StubServer([Answer(responses_stream(thought)), busy]) as openai,
        MessagesApi([message(text("3"))]) as api,
    ):
        monkeypatch.setenv("OPENAI_BASE_URL", openai.url)
        agent = Agent(
            name="a", model="openai-responses:gpt-5", tools=[add],
            fallback=[Target(model="anthropic:claude-sonnet-4-6")],
        )  # fmt: skip
        with Runtime(MemoryLog(), base_url=api.url) as runtime:
            result = runtime.run(agent, "go")
            assert result.answer == "3"
            assert runtime.replay(result.run_id).matches
    (body,) = api.requests
    assert body["model"] == "claude-sonnet-4-6"
    assert "openai" not in json.dumps(body)
    assert [b["type"] for b in body["messages"][1]["content"]] == ["tool_use"]


def test_a_word_in_the_arguments_of_a_call_changes_nothing_of_a_request() -> None:
    given = {**use(1, "add", {"openai": 1}), "input": {"openai": 1}}
    request = request_of("hi", [given], [result(1, "2")])
    with MessagesApi([message(text("x"))]) as api:
        run(AnthropicModel(api.url), lambda m: m.reply(request, lambda _: None))
    assert api.requests == [{"stream": True, **request.body}]


class Sum(BaseModel):
    total: int


@tool(effect="read")
def photo() -> str:
    """Take a photo."""
    return "done"


@pytest.mark.parametrize("api", APIS)
def test_structured_output_and_prices_work_as_with_any_model(api: Api) -> None:
    answer = reply_of(block('{"total": 3}'))
    with StubServer([Answer(STREAMS[api](answer))]) as server:
        where = OpenAIModel(server.url, api=api)
        agent = Agent(name="a", model="openai:gpt-4o", output=Sum, tools=[photo])
        with Runtime(MemoryLog(), model=ClosedAfter(where, 1)) as runtime:
            result = runtime.run(agent, "go")
    assert result.output == Sum(total=3)
    price = prices_for(["openai:gpt-4o"], {})[0]["openai:gpt-4o"]
    assert price.read < price.input  # the price of what the cache gave
    bill = (11 * price.input + 3 * price.read + 7 * price.output) / 1e6
    assert result.metrics.dollars == pytest.approx(bill)


@pytest.mark.parametrize(("model", "wanted"), [
    ("claude-sonnet-4-6", "anthropic"), ("anthropic:claude-sonnet-4-6", "anthropic"),
    ("openai-chat:gpt-5", "openai"), ("azure:mine", "azure.ai.openai"), ("vllm:mine", "vllm"),
])  # fmt: skip
def test_traces_name_the_provider_that_is_asked(model: str, wanted: str) -> None:
    assert provider(model) == wanted


def test_the_readmes_table_and_the_docs_name_every_provider() -> None:
    root = Path(__file__).resolve().parents[2]
    readme = (root / "README.md").read_text("utf-8")
    docs = (root / "docs/models-and-cost.md").read_text("utf-8")
    assert [name for name in PROVIDERS if f"`{name}:" not in docs] == []
    plain = [name for name in PROVIDERS if "-" not in name]  # the others say which protocol
    assert [name for name in plain if f"`{name}:" not in readme] == []
