"""What goes over the wire and comes back: every kind of block, stop reason and usage field."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from anthropic.lib.vertex import AsyncAnthropicVertex
from pydantic import BaseModel, Field

from playhead import Agent, Image, RunNotFinished, Runtime, ToolError, UsageError, tool
from playhead.assembly.models import endpoint_model
from playhead.events.kinds.model_calls import ModelAnswered
from playhead.events.log.memory import MemoryLog
from playhead.events.model_api import Reply, Request
from playhead.events.spec.agent import AgentSpec, ModelSettings
from playhead.projections.prompt.context import Context
from playhead.projections.prompt.head import enforceable, render_head
from playhead.simulation.faults.valid_request import invalid_request
from playhead.testing import ScriptedModel
from playhead.testing import call as call_of
from playhead.tools.models.anthropic import AnthropicModel
from tests.support.agents import add, records
from tests.support.messages_api import Answer, Block, MessagesApi, call, message, text
from tests.support.prompt_cache import unmarked

IMAGE: Block = {
    "type": "image",
    "source": {"type": "base64", "media_type": "image/png", "data": "aGk="},
}
DOCUMENT: Block = {
    "type": "document", "title": "Notes", "citations": {"enabled": True},
    "source": {"type": "text", "media_type": "text/plain", "data": "Hue is a city."},
}  # fmt: skip

REPLIED: dict[str, dict[str, Any]] = {
    "text": text("Hello"),
    "text with citations": {
        "type": "text", "text": "Hue is a city.",
        "citations": [{
            "type": "char_location", "cited_text": "Hue is a city.", "document_index": 0,
            "document_title": "Notes", "start_char_index": 0, "end_char_index": 14, "file_id": None,
        }],
    },
    "thinking": {"type": "thinking", "thinking": "two\u00a0and\n", "signature": "c2lnbmVk=="},
    "redacted_thinking": {"type": "redacted_thinking", "data": "b3BhcXVl"},
    "server_tool_use": {
        "type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search",
        "input": {"query": "x"},
    },
    "web_search_tool_result": {
        "type": "web_search_tool_result", "tool_use_id": "srvtoolu_1",
        "content": [{
            "type": "web_search_result", "url": "https://example.org", "title": "An example",
            "encrypted_content": "ZW5jcnlwdGVk", "page_age": None,
        }],
    },
    "web_fetch_tool_result": {
        "type": "web_fetch_tool_result", "tool_use_id": "srvtoolu_2",
        "content": {"type": "web_fetch_tool_result_error", "error_code": "url_not_accessible"},
    },
    "code_execution_tool_result": {
        "type": "code_execution_tool_result", "tool_use_id": "srvtoolu_3",
        "content": {
            "type": "code_execution_result", "stdout": "4\n", "stderr": "", "return_code": 0,
            "content": [],
        },
    },
    "mcp_tool_use": {
        "type": "mcp_tool_use", "id": "mcptoolu_1", "name": "echo", "server_name": "s", "input": {},
    },
    "mcp_tool_result": {
        "type": "mcp_tool_result", "tool_use_id": "mcptoolu_1", "is_error": False,
        "content": [{"type": "text", "text": "echo"}],
    },
    "container_upload": {"type": "container_upload", "file_id": "file_1"},
    "a kind to come": {"type": "hologram", "payload": {"deep": [1, None, 2.5, "é\u2028"]}},
}  # fmt: skip


def assistant(body: dict[str, Any]) -> list[Any]:
    """The blocks of all the assistant's messages."""
    return [b for m in body["messages"] if m["role"] == "assistant" for b in m["content"]]


def ran(
    agent: Agent[Any], *answers: Answer, **options: Any
) -> tuple[Any, list[dict[str, Any]], Any]:
    """The result of a run over HTTP, the requests that were received, and its records."""
    log = MemoryLog()
    with MessagesApi(answers) as api, Runtime(log, base_url=api.url) as runtime:
        result = runtime.run(agent, "go", **options)
        return result, api.requests, records(log, result.run_id)


@pytest.mark.parametrize("kind", REPLIED)
def test_a_block_of_a_reply_goes_into_the_next_request_unchanged(kind: str) -> None:
    use = call("add", {"a": 1, "b": 2})
    agent = Agent(name="a", tools=[add])
    _, requests, _ = ran(agent, message(REPLIED[kind], use), message(text("3")))
    assert assistant(requests[1]) == [REPLIED[kind], use]


BLANK, THOUGHT = text(" \n"), REPLIED["thinking"]


@pytest.mark.parametrize(
    ("blocks", "sent"),
    [
        ([BLANK, call("add", {"a": 1, "b": 2})], [call("add", {"a": 1, "b": 2})]),
        ([BLANK], []),
        ([THOUGHT], []),
        ([THOUGHT, BLANK], []),
        ([THOUGHT, REPLIED["redacted_thinking"]], []),
    ],
)
def test_what_the_api_would_refuse_of_its_own_reply_is_not_sent_back(
    blocks: list[Block], sent: list[Block]
) -> None:
    agent = Agent(name="a", tools=[add])
    result, requests, _ = ran(agent, message(*blocks), message(text("3")))
    assert result.answer == "3"
    assert assistant(requests[1]) == sent
    assert invalid_request(requests[1]) is None


def test_thoughts_and_blanks_alone_are_empty_replies() -> None:
    with pytest.raises(RunNotFinished, match="3 empty replies in a row"):
        ran(Agent(name="a"), *[message(THOUGHT), message(BLANK), message(THOUGHT, BLANK)])


def _blank_text() -> str:
    return " \n"


def _blank_beside_an_image() -> list[Any]:
    return [" ", Image(b"hi", "image/png")]


def _fails_in_silence() -> str:
    raise ToolError(" ")


@pytest.mark.parametrize("code", [_blank_text, _blank_beside_an_image, _fails_in_silence])
def test_no_result_of_a_tool_is_blank_to_the_api(code: Callable[[], Any]) -> None:
    agent = Agent(name="a", tools=[tool(code, effect="read", description="Do it.")])
    _, requests, _ = ran(agent, message(call(code.__name__, {})), message(text("so")))
    assert invalid_request(requests[1]) is None


def test_a_paused_turn_goes_on_with_what_the_api_s_own_tools_had_done() -> None:
    done = [REPLIED["server_tool_use"], REPLIED["web_search_tool_result"]]
    result, requests, _ = ran(
        Agent(name="a"), message(*done, stop_reason="pause_turn"), message(text("found"))
    )
    assert result.answer == "found"
    assert assistant(requests[1]) == done
    assert requests[1]["messages"][-1]["role"] == "assistant"


def test_parallel_calls_come_back_in_one_message_in_the_order_of_the_reply() -> None:
    uses = [call("add", {"a": n, "b": 1}, f"toolu_{n}") for n in range(5)]
    _, requests, _ = ran(Agent(name="a", tools=[add]), message(*uses), message(text("all")))
    results = [b for b in requests[1]["messages"][-1]["content"] if b["type"] == "tool_result"]
    assert [(b["tool_use_id"], b["content"]) for b in results] == [
        (f"toolu_{n}", str(n + 1)) for n in range(5)
    ]


@pytest.mark.parametrize(
    ("reason", "ends"),
    [
        ("end_turn", "finished"), ("stop_sequence", "finished"),
        ("max_tokens", "cut at max_tokens"), ("refusal", "refused"),
        ("model_context_window_exceeded", "context window"),
        ("a reason to come", "upgrade Playhead"),
    ],
)  # fmt: skip
def test_every_stop_reason_has_its_end(reason: str, ends: str) -> None:
    answer = message(text("so far"), stop_reason=reason)
    if ends == "finished":
        assert ran(Agent(name="a"), answer)[0].answer == "so far"
        return
    with pytest.raises(RunNotFinished, match=ends):
        ran(Agent(name="a"), answer)


def test_every_field_of_the_usage_is_counted() -> None:
    usage = {
        "input_tokens": 11, "cache_creation_input_tokens": 22, "cache_read_input_tokens": 33,
        "cache_creation": {"ephemeral_5m_input_tokens": 20, "ephemeral_1h_input_tokens": 2},
        "server_tool_use": {"web_search_requests": 4, "web_fetch_requests": 1},
        "service_tier": "standard", "inference_geo": "eu", "speed": None,
    }  # fmt: skip
    answer = message(text("hi"), usage=usage)
    body = answer.body.replace(
        b'"usage": {"output_tokens": 7}',
        b'"usage": {"output_tokens": 9, "output_tokens_details": {"thinking_tokens": 5}}',
    )
    _, _, seen = ran(Agent(name="a"), Answer(body))
    (counted,) = [r.event.usage for r in seen if isinstance(r.event, ModelAnswered)]
    assert counted.model_dump(exclude_defaults=True) == {
        "input_tokens": 11, "output_tokens": 9, "cache_creation_input_tokens": 22,
        "cache_read_input_tokens": 33, "cache_creation_1h_input_tokens": 2, "thinking_tokens": 5,
        "web_search_requests": 4,
    }  # fmt: skip


def test_images_and_documents_go_out_with_the_goal() -> None:
    with (
        MessagesApi([message(text("seen"))]) as api,
        Runtime(MemoryLog(), base_url=api.url) as runtime,
    ):
        result = runtime.run(Agent(name="a"), "look", content=[IMAGE, DOCUMENT])
        (first,) = api.requests
        blocks = [unmarked(block) for block in first["messages"][0]["content"]]
        assert blocks == [IMAGE, DOCUMENT, text("look")]
        assert runtime.replay(result.run_id).matches


def test_settings_of_the_agent_stand_in_every_request() -> None:
    search: Block = {"type": "web_search_20250305", "name": "web_search", "max_uses": 3}
    agent = Agent(
        name="a", tools=[add], server_tools=[search], strict_tools=True, cache="off",
        thinking={"type": "enabled", "budget_tokens": 2000}, tool_choice={"type": "auto"},
        stop_sequences=["END"], extra={"metadata": {"user_id": "u"}},
    )  # fmt: skip
    _, requests, _ = ran(agent, message(call("add", {"a": 1, "b": 2})), message(text("3")))
    for body in requests:
        assert body["thinking"] == {"type": "enabled", "budget_tokens": 2000}
        assert body["tool_choice"] == {"type": "auto"}
        assert body["stop_sequences"] == ["END"]
        assert body["metadata"] == {"user_id": "u"}
        ours, theirs = body["tools"]
        assert ours["strict"] is True
        assert ours["input_schema"]["additionalProperties"] is False
        assert theirs == search


class Rate(BaseModel):
    """A rate."""

    pair: str = Field(min_length=7, max_length=7)
    rate: float = Field(gt=0)
    tags: list[str] = Field(min_length=1, max_length=3)


class Open(BaseModel):
    """Any keys at all."""

    counts: dict[str, int]


def test_an_output_type_is_asked_for_as_a_schema_that_the_api_enforces() -> None:
    answer = '{"pair": "EUR/VND", "rate": 27000.5, "tags": ["fx"]}'
    result, requests, _ = ran(Agent(name="a", output=Rate), message(text(answer)))
    assert result.output == Rate(pair="EUR/VND", rate=27000.5, tags=["fx"])
    schema = requests[0]["output_config"]["format"]["schema"]
    assert schema["additionalProperties"] is False
    assert schema["properties"]["rate"] == {
        "type": "number", "title": "Rate", "description": "{exclusiveMinimum: 0}",
    }  # fmt: skip
    assert schema["properties"]["tags"]["minItems"] == 1
    assert "maxItems" not in schema["properties"]["tags"]


def test_a_schema_that_the_api_cannot_enforce_is_told_in_words() -> None:
    result, requests, _ = ran(
        Agent(name="a", instructions="Count.", output=Open), message(text('{"counts": {"a": 1}}'))
    )
    assert result.output == Open(counts={"a": 1})
    assert "output_config" not in requests[0]
    assert "by this JSON schema" in requests[0]["system"][0]["text"]


def test_the_schema_of_nested_types_and_unions_is_closed_everywhere() -> None:
    schema = {
        "$defs": {
            "A": {"type": "object", "properties": {"x": {"type": "string", "pattern": "a+"}}}
        },
        "oneOf": [{"$ref": "#/$defs/A"}, {"type": "array", "items": {"type": "object"}}],
        "discriminator": {"propertyName": "x"},
    }  # fmt: skip
    assert enforceable(schema) == {
        "$defs": {
            "A": {
                "type": "object", "additionalProperties": False,
                "properties": {"x": {"type": "string", "description": "{pattern: a+}"}},
            }
        },
        "anyOf": [
            {"$ref": "#/$defs/A"},
            {
                "type": "array",
                "items": {"type": "object", "properties": {}, "additionalProperties": False},
            },
        ],
    }  # fmt: skip


def request() -> Request:
    spec = AgentSpec(name="a", instructions="Be brief.", model=ModelSettings(model="claude-x"))
    return Context(render_head(spec), "hello").request("claude-x")


def test_tokens_are_counted_by_the_api() -> None:
    async def scenario(url: str) -> int:
        model = AnthropicModel(url)
        try:
            return await model.count_tokens(request())
        finally:
            await model.close()

    counted = Answer(b'{"input_tokens": 42}', headers={"content-type": "application/json"})
    with MessagesApi([counted]) as api:
        assert asyncio.run(scenario(api.url)) == 42
        assert sorted(api.requests[0]) == ["messages", "model", "system"]


def test_vertex_is_asked_through_the_sdk_s_own_client() -> None:
    async def scenario(url: str) -> Reply:
        client = AsyncAnthropicVertex(
            project_id="p", region="eu", base_url=url, access_token="t", max_retries=0
        )
        async with client:
            return await AnthropicModel(client=client).reply(request(), lambda _: None)

    with MessagesApi([message(text("from there"))]) as api:
        assert asyncio.run(scenario(api.url)).content == (text("from there"),)
        (sent,) = api.requests
    assert "anthropic_version" in sent
    assert "model" not in sent


@pytest.mark.parametrize("where", ["", "ftp://x", "vertex:project", "bedrock:", "somewhere"])
def test_an_endpoint_in_words_that_nobody_understands_is_a_mistake_of_the_author(
    where: str,
) -> None:
    with pytest.raises(UsageError, match="bedrock:REGION"):
        endpoint_model(where)


@pytest.mark.parametrize("where", ["https://example.org", "vertex:p/eu", "bedrock:eu-west-1"])
def test_an_endpoint_in_words_becomes_a_model_without_asking_it(where: str) -> None:
    assert isinstance(endpoint_model(where), AnthropicModel)


def test_a_blank_goal_is_refused_and_not_logged() -> None:
    log = MemoryLog()
    with Runtime(log) as runtime, pytest.raises(UsageError, match="the goal is blank"):
        runtime.start(Agent(name="a", model=ScriptedModel([])), " \n")
    assert not list(log.streams())


def test_a_blank_message_is_refused_and_not_logged() -> None:
    @tool(approval=True)
    def pay() -> None:
        """Pay."""

    agent = Agent(name="a", model=ScriptedModel([call_of("pay"), "done"]), tools=[pay])
    with Runtime(MemoryLog(), agents=[agent]) as runtime:
        run = runtime.start(agent, "go")
        next(r for r in run.events() if r.event.kind == "approval_requested")
        with pytest.raises(UsageError, match="the message is blank"):
            run.send("  ")
        run.cancel()
