"""OpenAI's two protocols as a server sends them, and what the APIs refuse of a request.

with StubServer(checked("chat", [Answer(chat_stream(reply))])) as api: ...
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeAlias

from openai.types.chat import (
    ChatCompletionAssistantMessageParam,
    ChatCompletionSystemMessageParam,
    ChatCompletionToolMessageParam,
    ChatCompletionUserMessageParam,
    completion_create_params,
)
from openai.types.responses import response_create_params, response_input_item_param
from openai.types.responses.response_function_tool_call_param import ResponseFunctionToolCallParam
from openai.types.responses.response_output_message_param import ResponseOutputMessageParam
from openai.types.responses.response_reasoning_item_param import ResponseReasoningItemParam

from playhead.events.model_api import Reply
from playhead.testing.stub_server import JSON, Answer

Json: TypeAlias = dict[str, Any]

FINISH = {
    "end_turn": "stop", "max_tokens": "length", "tool_use": "tool_calls",
    "refusal": "content_filter",
}  # fmt: skip

PIECE = 7


def pieces(text: str) -> list[str]:
    return [text[i : i + PIECE] for i in range(0, len(text), PIECE)]


def arguments_of(block: Json) -> str:
    given = block["input"]
    return given if isinstance(given, str) else json.dumps(given)


# Chat Completions


def data(events: Iterable[Json]) -> bytes:
    return b"".join(f"data: {json.dumps(e, ensure_ascii=False)}\n\n".encode() for e in events)


def chunk(*choices: Json, usage: Json | None = None, model: str = "model-1") -> Json:
    return {
        "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": model,
        "choices": list(choices), "usage": usage,
    }  # fmt: skip


def delta(said: Json, finish: str | None = None) -> Json:
    return {"index": 0, "delta": said, "finish_reason": finish, "logprobs": None}


def chat_usage(reply: Reply) -> Json:
    used = reply.usage
    return {
        "prompt_tokens": used.input_total, "completion_tokens": used.output_tokens,
        "total_tokens": used.total,
        "prompt_tokens_details": {"cached_tokens": used.cache_read_input_tokens},
        "completion_tokens_details": {"reasoning_tokens": used.thinking_tokens},
    }  # fmt: skip


def chat_chunks(reply: Reply) -> Iterator[Json]:
    yield chunk(delta({"role": "assistant", "content": ""}), model=reply.model)
    calls = 0
    for block in reply.content:
        match block["type"]:
            case "text":
                for piece in pieces(str(block["text"])):
                    yield chunk(delta({"content": piece}), model=reply.model)
            case "thinking":
                for piece in pieces(str(block["thinking"])):
                    yield chunk(delta({"reasoning_content": piece}), model=reply.model)
            case _:
                function = {"name": block["name"], "arguments": ""}
                call: Json = {"id": block["id"], "type": "function", "function": function}
                yield chunk(delta({"tool_calls": [{"index": calls, **call}]}), model=reply.model)
                for piece in pieces(arguments_of(block)):
                    more = {"index": calls, "function": {"arguments": piece}}
                    yield chunk(delta({"tool_calls": [more]}), model=reply.model)
                calls += 1
    yield chunk(delta({}, FINISH.get(reply.stop_reason, reply.stop_reason)), model=reply.model)
    yield chunk(usage=chat_usage(reply), model=reply.model)


def chat_stream(reply: Reply) -> bytes:
    return data(chat_chunks(reply)) + b"data: [DONE]\n\n"


# Responses


def named(events: Iterable[Json]) -> bytes:
    return b"".join(
        f"event: {e['type']}\ndata: {json.dumps(e, ensure_ascii=False)}\n\n".encode()
        for e in events
    )


def item_of(block: Json, number: int) -> Json:
    status = {"status": "completed"}
    match block["type"]:
        case "text":
            part: Json = {"type": "output_text", "text": block["text"], "annotations": []}
            return {"type": "message", "id": f"msg_{number}", "role": "assistant", **status,
                    "content": [part]}  # fmt: skip
        case "thinking":
            said = [{"type": "summary_text", "text": block["thinking"]}]
            return {"type": "reasoning", "id": f"rs_{number}", "summary": said,
                    "encrypted_content": "c2VjcmV0"}  # fmt: skip
        case _:
            return {"type": "function_call", "id": f"fc_{number}", "call_id": block["id"],
                    "name": block["name"], "arguments": arguments_of(block), **status}  # fmt: skip


def response(reply: Reply, *items: Json) -> Json:
    used = reply.usage
    usage = {
        "input_tokens": used.input_total, "output_tokens": used.output_tokens,
        "total_tokens": used.total,
        "input_tokens_details": {
            "cached_tokens": used.cache_read_input_tokens, "cache_write_tokens": 0,
        },
        "output_tokens_details": {"reasoning_tokens": used.thinking_tokens},
    }  # fmt: skip
    whole: Json = {
        "id": "resp_1", "object": "response", "created_at": 1, "status": "completed",
        "model": reply.model, "output": list(items), "usage": usage, "error": None,
        "incomplete_details": None, "instructions": None, "metadata": {}, "tools": [],
        "tool_choice": "auto", "parallel_tool_calls": True, "temperature": 1.0, "top_p": 1.0,
    }  # fmt: skip
    if reply.stop_reason in ("end_turn", "tool_use"):
        return whole
    why = {"max_tokens": "max_output_tokens", "refusal": "content_filter"}
    reason = why.get(reply.stop_reason, reply.stop_reason)
    return {**whole, "status": "incomplete", "incomplete_details": {"reason": reason}}


def responses_events(reply: Reply) -> Iterator[Json]:
    items = [item_of(block, n) for n, block in enumerate(reply.content)]
    return item_events(reply, items)


def item_events(reply: Reply, items: Sequence[Json]) -> Iterator[Json]:
    whole, number = response(reply, *items), iter(range(100_000))
    begun: Json = {**whole, "status": "in_progress", "output": [], "usage": None}

    def event(kind: str, **fields: Any) -> Json:
        return {"type": kind, "sequence_number": next(number), **fields}

    yield event("response.created", response=begun)
    for n, item in enumerate(items):
        at = {"item_id": item["id"], "output_index": n}
        yield event("response.output_item.added", output_index=n, item={**item, **_empty(item)})
        if item["type"] == "message":
            for piece in pieces(item["content"][0].get("text", "")):
                where: Json = {**at, "content_index": 0, "logprobs": []}
                yield event("response.output_text.delta", delta=piece, **where)
        elif item["type"] == "function_call":
            for piece in pieces(item["arguments"]):
                yield event("response.function_call_arguments.delta", delta=piece, **at)
        yield event("response.output_item.done", output_index=n, item=item)
    yield event(f"response.{whole['status']}", response=whole)


def _empty(item: Json) -> Json:
    cleared: dict[str, Json] = {"message": {"content": []}, "function_call": {"arguments": ""}}
    return cleared.get(item["type"], {})


def responses_stream(reply: Reply) -> bytes:
    return named(responses_events(reply))


# What the APIs refuse

CHAT_FIELDS = (
    completion_create_params.CompletionCreateParamsStreaming.__annotations__.keys()
    | completion_create_params.CompletionCreateParamsBase.__annotations__.keys()
)
RESPONSES_FIELDS = (
    response_create_params.ResponseCreateParamsStreaming.__annotations__.keys()
    | response_create_params.ResponseCreateParamsBase.__annotations__.keys()
)
ROLES = {
    "system": ChatCompletionSystemMessageParam, "user": ChatCompletionUserMessageParam,
    "assistant": ChatCompletionAssistantMessageParam, "tool": ChatCompletionToolMessageParam,
}  # fmt: skip
ITEMS = {
    "message": ResponseOutputMessageParam, "function_call": ResponseFunctionToolCallParam,
    "function_call_output": response_input_item_param.FunctionCallOutput,
    "reasoning": ResponseReasoningItemParam,
}  # fmt: skip


def refused_chat(body: Json, extra: frozenset[str] = frozenset()) -> str | None:
    """Why Chat Completions would answer 400, or None; `extra`: fields of this server's own."""
    if unknown := body.keys() - CHAT_FIELDS:
        return f"unknown parameters {sorted(unknown)}"
    awaited: list[str] = []
    for n, message in enumerate(body["messages"]):
        if unknown := message.keys() - ROLES[message["role"]].__annotations__.keys() - extra:
            return f"messages[{n}]: unknown fields {sorted(unknown)}"
        if not message.get("content") and not message.get("tool_calls"):
            return f"messages[{n}]: no content"
        if wrong := _unpaired(message, awaited):
            return f"messages[{n}]: {wrong}"
    return f"the calls {awaited} have no tool messages" if awaited else None


def _unpaired(message: Json, awaited: list[str]) -> str | None:
    """Tool messages directly follow the calls that they answer, one each."""
    if message["role"] == "tool":
        if message["tool_call_id"] not in awaited:
            return "a tool message without its call"
        awaited.remove(message["tool_call_id"])
    elif awaited:
        return f"the calls {awaited} have no tool messages"
    if message["role"] == "assistant":
        awaited += [call["id"] for call in message.get("tool_calls", ())]
    return None


def refused_responses(body: Json) -> str | None:
    """Why the Responses API would answer 400, or None."""
    if unknown := body.keys() - RESPONSES_FIELDS:
        return f"unknown parameters {sorted(unknown)}"
    items: list[Json] = body["input"]
    ids = [item["id"] for item in items if "id" in item]
    if len(set(ids)) < len(ids):
        return "an id occurs twice"
    calls: set[str] = set()
    for n, item in enumerate(items):
        if wrong := _wrong_item(item, items[n + 1 : n + 2], calls):
            return f"input[{n}]: {wrong}"
    return f"the calls {sorted(calls)} have no outputs" if calls else None


def _wrong_item(item: Json, after: Sequence[Json], calls: set[str]) -> str | None:
    kind, known = item["type"], ITEMS.get(item["type"])
    if known is not None and (unknown := item.keys() - known.__annotations__.keys()):
        return f"unknown fields {sorted(unknown)}"
    if kind == "function_call":
        calls.add(item["call_id"])
    if kind == "function_call_output":
        if item["call_id"] not in calls:
            return "an output without its call"
        calls.remove(item["call_id"])
    own = [i for i in after if i.get("role") != "user" and i["type"] != "function_call_output"]
    if kind == "reasoning" and not own:
        return "a reasoning item without the item that must follow it"
    return None


REFUSED: dict[str, Callable[[Json], str | None]] = {
    "/chat/completions": refused_chat, "/responses": refused_responses,
}  # fmt: skip


def checked(path: str, answers: Sequence[Answer]) -> Callable[[bytes], Answer]:
    """The answers in order, if the API accepts the request; else its 400."""
    left = iter(answers)

    def policy(body: bytes) -> Answer:
        wrong = REFUSED[path](json.loads(body))
        if wrong is not None:
            told = {"message": wrong, "type": "invalid_request_error", "code": None, "param": None}
            return Answer(json.dumps({"error": told}).encode(), 400, JSON)
        return next(left)

    return policy
