"""The model: the anthropic SDK against the Messages API, streaming, one attempt per call.

The SDK is imported by the first call, not by this module: it is the slowest import of all, and
reading a log does not need it. Requests are sent as the bytes that were rendered and hashed, and
the stream is read raw (see stream.py).
"""

import asyncio
import json
import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from pydantic_core import to_json

from playhead.events.errors import ModelError
from playhead.events.model_api import BatchJob, OnText, Reply, Request
from playhead.tools.models.errors import malformed, one_line, refused
from playhead.tools.models.exchange import (
    CONNECT_TIMEOUT,
    content_kind,
    http_client,
    lost,
    no_reply,
)
from playhead.tools.models.sdk_client import SdkClient, read_raw
from playhead.tools.models.stream import Assembler, StreamEvent, read_event

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Mapping

    from anthropic import AsyncAnthropic, AsyncStream
    from anthropic.lib.bedrock import AsyncAnthropicBedrock
    from anthropic.lib.vertex import AsyncAnthropicVertex

    AnyClient: TypeAlias = AsyncAnthropic | AsyncAnthropicBedrock | AsyncAnthropicVertex

COUNTED = frozenset({
    "model", "messages", "system", "tools", "tool_choice", "thinking", "output_config",
})  # fmt: skip
"""Fields of a request whose tokens the API counts."""

OTHERS = b'"openai":'
"""In a request that may hold blocks of another provider."""

INSTALL = "pip install 'playhead[bedrock]' or [vertex]"

_KEYS = frozenset({"ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"})


class AnthropicModel:
    """Any endpoint that speaks the Messages API.

    `base_url` and `api_key` default to what the SDK finds (ANTHROPIC_BASE_URL, ANTHROPIC_API_KEY);
    a custom endpoint may not need a key. `timeout` (seconds) bounds the whole call.
    A custom `client` (Bedrock, Vertex, with middleware) is used as the SDK intends: it receives the
    body as a dict and decodes its own stream, and its owner closes it. `make_client` makes one
    when it is first needed.
    """

    def __init__(
        self,
        base_url: str | None = None,
        api_key: str | None = None,
        *,
        client: "AnyClient | None" = None,
        make_client: "Callable[[], AnyClient] | None" = None,
        timeout: float = 600.0,
    ) -> None:
        self._base_url = base_url
        self._api_key = api_key
        self._timeout = timeout
        self._is_own = client is None and make_client is None
        """Our own client: it takes the body as bytes, and we read its stream raw."""
        self._client: SdkClient[AnyClient] = SdkClient(
            client, make_client or self._make, base_url=base_url, timeout=timeout, install=INSTALL
        )

    async def reply(self, request: Request, on_text: OnText) -> Reply:
        """Ask once. Raises ModelError, `retryable` where the same request may work later."""
        return await self._client.attempt(
            lambda assembler: self._ask(request, assembler, on_text), self._model_error
        )

    async def reply_in_batch(self, request: Request, job: BatchJob) -> Reply:
        """Ask, or ask about, a batch. Raises ModelError, batch_pending while it has not ended."""
        from playhead.tools.models.batches import reply_in_batch

        client = await self._client.open()
        try:
            async with asyncio.timeout(self._timeout):
                return await reply_in_batch(client, request, job)
        except ModelError:
            raise
        except Exception as error:
            failed = self._model_error(error)
            failed.batch = job.batch or None  # which may be answered, and billed, all the same
            raise failed from error

    async def count_tokens(self, request: Request) -> int:
        """The input tokens of the request, as the API counts them. Raises ModelError."""
        client = await self._client.open()
        body = {key: value for key, value in request.body.items() if key in COUNTED}
        try:
            counted = await client.post("/v1/messages/count_tokens", cast_to=object, body=body)
            return int(cast("StreamEvent", counted)["input_tokens"])
        except Exception as error:
            raise self._model_error(error) from error

    async def close(self) -> None:
        """Close the connections, unless the client is the caller's; a later call opens new ones."""
        await self._client.close()

    async def _ask(self, request: Request, assembler: Assembler, on_text: OnText) -> Reply:
        async with self._stream(request) as stream:
            headers = stream.response.headers
            if content_kind(headers).endswith("json"):
                on_text(assembler.whole(await stream.response.aread()))
            elif self._is_own:
                await read_raw(
                    stream.response.aiter_bytes(),
                    lambda data: assembler.add(read_event(data)),
                    on_text,
                )
            else:
                await _read_decoded(stream, assembler, on_text)
            if not assembler.started:
                raise no_reply(headers)
            return assembler.reply(headers.get("request-id"))

    @asynccontextmanager
    async def _stream(self, request: Request) -> "AsyncGenerator[AsyncStream[object]]":
        client = await self._client.open()
        from anthropic import AsyncStream

        content = request.content
        if OTHERS in content:
            content = to_json(without_others(request.body))
        if not self._is_own:
            body: Mapping[str, Any] = {"body": {**json.loads(content), "stream": True}}
        else:
            body = {"content": b'{"stream":true,' + content[1:]}
        stream = await client.post(
            "/v1/messages",
            cast_to=object,
            stream=True,
            stream_cls=AsyncStream[object],
            options={"max_retries": 0},
            **body,
        )
        try:
            yield stream
        finally:
            await stream.close()

    def _make(self) -> "AsyncAnthropic":
        from anthropic import (
            AsyncAnthropic,
            DefaultAioHttpClient,
            DefaultAsyncHttpxClient,
            Timeout,
        )

        key = self._api_key
        if key is None and not _KEYS & os.environ.keys() and self._has_own_endpoint():
            key = "none"  # the SDK sends no request without a key; such an endpoint needs none
        return AsyncAnthropic(
            base_url=self._base_url,
            api_key=key,
            max_retries=0,
            http_client=http_client(DefaultAioHttpClient, DefaultAsyncHttpxClient),
            timeout=Timeout(self._timeout, connect=min(CONNECT_TIMEOUT, self._timeout)),
        )

    def _has_own_endpoint(self) -> bool:
        return bool(self._base_url or os.environ.get("ANTHROPIC_BASE_URL"))

    def _model_error(self, error: Exception) -> ModelError:
        import anthropic
        import httpx2

        match error:
            case anthropic.APIStatusError():
                return refused(error.status_code, error.body, error.response.headers)
            case anthropic.APIConnectionError() | httpx2.TransportError():
                return lost(self._client.url, error)
            case anthropic.CredentialsError():
                return ModelError("authentication", one_line(error))
            case TypeError() if "authentication" in str(error):
                message = "no API key: set ANTHROPIC_API_KEY, or give your own base URL"
                return ModelError("authentication", message)
            case AssertionError() | ValueError() | httpx2.HTTPError() | anthropic.APIError():
                return malformed(
                    f"{self._client.url}: {type(error).__name__} {one_line(error)}".rstrip()
                )
            case _:
                return ModelError("client_error", f"{type(error).__name__}: {one_line(error)}")


async def _read_decoded(
    stream: "AsyncStream[object]", assembler: Assembler, on_text: OnText
) -> None:
    async for event in stream:
        if piece := assembler.add(cast("StreamEvent", event)):
            on_text(piece)


def without_others(body: dict[str, Any]) -> dict[str, Any]:
    """The request without what a model behind another protocol left in the messages.

    Such blocks keep it in their field `openai`; their thinking has no signature of this API.
    """
    messages = [{**m, "content": _own_blocks(m["content"])} for m in body["messages"]]
    return {**body, "messages": [message for message in messages if message["content"]]}


def _own_blocks(content: Any) -> Any:
    if isinstance(content, str):
        return content
    return [
        {key: value for key, value in block.items() if key != "openai"}
        for block in content
        if not ("openai" in block and block["type"] in ("thinking", "openai_item"))
    ]
