"""Every client of ours, held to the contract that users' own models are held to."""

import json
from collections.abc import Generator
from contextlib import contextmanager

from playhead.events.model_api import Model, Reply
from playhead.testing import ScriptedModel
from playhead.testing.model_contract import (
    HttpModelContract,
    ModelContract,
    Said,
    block,
    reply_of,
)
from playhead.tools.models.anthropic import AnthropicModel
from playhead.tools.models.openai.model import OpenAIModel
from tests.support.messages_api import message_events, sse
from tests.support.openai_api import (
    chat_chunks,
    chat_stream,
    data,
    named,
    responses_events,
    responses_stream,
)

OPENAI_CODES = {"overloaded": "server_overloaded", "rate_limit": "rate_limit_exceeded"}
BEGUN = reply_of(block("So far"))


class TestScriptedModel(ModelContract):
    @contextmanager
    def answering(self, *said: Said) -> Generator[Model]:
        yield ScriptedModel(list(said))


class TestAnthropicModel(HttpModelContract):
    def model(self, url: str, timeout: float = 60.0) -> Model:
        return AnthropicModel(url, timeout=timeout)

    def stream(self, reply: Reply) -> bytes:
        used = reply.usage.model_dump()
        usage = {name: used[name] for name in ("input_tokens", "cache_read_input_tokens")}
        events = list(message_events(list(reply.content), reply.stop_reason, 7, usage))
        for event in events:
            if event["type"] == "message_start":
                event["message"]["model"] = reply.model
            if event["type"] == "message_delta":
                thought = {"thinking_tokens": used["thinking_tokens"]}
                event["usage"]["output_tokens_details"] = thought
        return sse(events)

    def failure(self, error: str) -> bytes:
        told = {"type": f"{error}_error", "message": "no"}
        return json.dumps({"type": "error", "error": told}).encode()

    def broken(self, error: str) -> bytes:
        begun = list(message_events(list(BEGUN.content), "end_turn"))[:4]
        told = {"type": f"{error}_error", "message": "in the middle"}
        return sse([*begun, {"type": "error", "error": told}])


class OpenAI(HttpModelContract):
    def failure(self, error: str) -> bytes:
        kind = {"invalid_request": "invalid_request_error"}.get(error, "error")
        told = {"message": "no", "type": kind, "param": None, "code": OPENAI_CODES.get(error)}
        return json.dumps({"error": told}).encode()


class TestChatCompletions(OpenAI):
    def model(self, url: str, timeout: float = 60.0) -> Model:
        return OpenAIModel(url, api="chat", timeout=timeout)

    def stream(self, reply: Reply) -> bytes:
        return chat_stream(reply)

    def broken(self, error: str) -> bytes:
        told = {"message": "in the middle", "type": "error", "code": OPENAI_CODES[error]}
        return data([*list(chat_chunks(BEGUN))[:2], {"error": told}])


class TestResponses(OpenAI):
    def model(self, url: str, timeout: float = 60.0) -> Model:
        return OpenAIModel(url, api="responses", timeout=timeout)

    def stream(self, reply: Reply) -> bytes:
        return responses_stream(reply)

    def broken(self, error: str) -> bytes:
        told = {"type": "error", "code": OPENAI_CODES[error], "message": "in the middle"}
        return named([*list(responses_events(BEGUN))[:4], told])
