"""What the Messages API refuses with 400, checked by the SDK's own types: a policy around another.

    MessagesApi(strict(counting(3)))

Refused are unknown fields anywhere, values of the wrong type, a first message that is not the
user's, calls without their results right after them, and results without a call.
"""

import importlib
import json
import pkgutil
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from typing import Any, Union, cast, get_args

import anthropic.types.beta
from pydantic import ConfigDict, TypeAdapter, ValidationError

from tests.support.messages_api import Answer, failure

Block = dict[str, Any]


@cache
def _types() -> tuple[TypeAdapter[Any], TypeAdapter[Any]]:
    """The SDK's types of a request and of a block in it, in which unknown fields are errors."""
    for module in pkgutil.iter_modules(anthropic.types.beta.__path__):
        if module.name.endswith(("_param", "_params")):
            found = importlib.import_module(f"anthropic.types.beta.{module.name}")
            for value in vars(found).values():
                is_dict = isinstance(value, type) and hasattr(value, "__required_keys__")
                if is_dict and not hasattr(value, "__pydantic_config__"):
                    value.__pydantic_config__ = ConfigDict(extra="forbid", strict=True)
    from anthropic.types.beta.beta_content_block_param import BetaContentBlockParam
    from anthropic.types.beta.message_create_params import MessageCreateParamsStreaming

    with warnings.catch_warnings(action="ignore"):  # one type declares that it takes more fields
        blocks = [t for t in get_args(BetaContentBlockParam) if hasattr(t, "__required_keys__")]
        any_block: Any = Union[tuple(blocks)]  # noqa: UP007 - made of a list
        return TypeAdapter(MessageCreateParamsStreaming), TypeAdapter(any_block)


def refused(body: Mapping[str, Any]) -> str | None:
    """Why the API would refuse a request; None if it would not."""
    request, block = _types()
    try:
        _read(request.validate_python(body))
        for message in body["messages"]:  # the SDK also takes its own, looser, types of replies
            for each in message["content"] if isinstance(message["content"], list) else ():
                _read(block.validate_python(each))
    except ValidationError as error:
        first = error.errors()[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    return next(_misplaced(body["messages"]), None)


def _read(value: object) -> None:
    """Pydantic checks what is declared as an Iterable only when it is read."""
    inner: Iterable[object] = ()
    if isinstance(value, Mapping):
        inner = cast("Mapping[str, object]", value).values()
    elif isinstance(value, Iterable) and not isinstance(value, str | bytes):
        inner = cast("Iterable[object]", value)
    for each in inner:
        _read(each)


def _misplaced(messages: list[Block]) -> Iterator[str]:
    if not messages or messages[0]["role"] != "user":
        yield "messages: the first message must use the user role"
    asked: list[str] = []
    for number, message in enumerate(messages):
        content = message["content"]
        blocks: list[Block] = [] if isinstance(content, str) else content
        given = [b["tool_use_id"] for b in blocks if b["type"] == "tool_result"]
        if sorted(given) != sorted(asked):
            yield f"messages.{number}: tool_result blocks {given} do not answer {asked}"
        if any(b["type"] == "tool_result" for b in blocks[len(given) :]):
            yield f"messages.{number}: tool_result blocks must come first"
        if message["role"] == "assistant" and blocks and "thinking" in blocks[-1]["type"]:
            yield f"messages.{number}: the final block must not be thinking"
        if any(b["type"] == "text" and not b["text"].strip() for b in blocks):
            yield f"messages.{number}: text content blocks must contain non-whitespace text"
        asked = [b["id"] for b in blocks if b["type"] == "tool_use"]
    if asked:
        yield f"messages: tool_use ids without tool_result: {asked}"


def strict(policy: Callable[[bytes], Answer]) -> Callable[[bytes], Answer]:
    """The policy for requests that the API would take; 400 for all others."""

    def answer(content: bytes) -> Answer:
        why = refused(json.loads(content))
        return policy(content) if why is None else failure(400, "invalid_request_error", why)

    return answer
