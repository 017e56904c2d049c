"""The other model: the openai SDK against Chat Completions or the Responses API, streaming.

The request is translated from the Messages API's form, which the log renders, and the reply back
into its blocks; the log holds nothing else. The SDK is imported by the first call.
"""

import os
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from playhead.events.errors import ModelError, UsageError
from playhead.events.model_api import OnText, Reply, Request
from playhead.tools.models.errors import malformed, one_line
from playhead.tools.models.exchange import (
    CONNECT_TIMEOUT,
    content_kind,
    http_client,
    lost,
    no_reply,
)
from playhead.tools.models.openai.chat_request import chat_body
from playhead.tools.models.openai.chat_stream import ChatStream
from playhead.tools.models.openai.errors import refused
from playhead.tools.models.openai.responses_request import responses_body
from playhead.tools.models.openai.responses_stream import ResponsesStream
from playhead.tools.models.openai.words import Json
from playhead.tools.models.sdk_client import SdkClient, read_raw
from playhead.tools.models.stream import Assembler

if TYPE_CHECKING:
    from openai import AsyncOpenAI, AsyncStream

Api: TypeAlias = Literal["chat", "responses"]

OFFICIAL = (".openai.com", ".azure.com", ".microsoft.com")
"""Ends of the hosts that know every field of the protocols."""

INSTALL = "pip install 'playhead[openai]'"


class OpenAIModel:
    """Any endpoint that speaks Chat Completions or the Responses API.

    `base_url` and `api_key` default to what the SDK finds (OPENAI_BASE_URL, and the variable named
    by `key`); a custom endpoint may not need a key. `api` is by default `responses` for OpenAI and
    Azure, `chat` for every other server. `headers` go with each request, as gateways want.
    `timeout` (seconds) bounds the whole call. A custom `client` (`AsyncAzureOpenAI`...) is closed
    by its owner; `make_client` makes one when it is first needed.
    """

    def __init__(
        self,
        base_url: str | None = None,
        api_key: str | None = None,
        *,
        api: Api | None = None,
        key: str = "OPENAI_API_KEY",
        headers: Mapping[str, str] | None = None,
        client: "AsyncOpenAI | None" = None,
        make_client: "Callable[[], AsyncOpenAI] | None" = None,
        timeout: float = 600.0,
    ) -> None:
        if api not in (None, "chat", "responses"):
            msg = f"OpenAIModel(api={api!r}): chat or responses, or leave it out"
            raise UsageError(msg)
        self._base_url = base_url
        self._api_key = api_key
        self._api: Api | None = api
        self._key = key
        self._headers = dict(headers or {})
        self._timeout = timeout
        self._client: SdkClient[AsyncOpenAI] = SdkClient(
            client, make_client or self._make, base_url=base_url, timeout=timeout, install=INSTALL
        )

    async def reply(self, request: Request, on_text: OnText) -> Reply:
        """Ask once. Raises ModelError, `retryable` where the same request may work later."""
        return await self._client.attempt(
            lambda assembler: self._ask(request, assembler, on_text), self._model_error
        )

    async def close(self) -> None:
        """Close the connections, unless the client is the caller's; a later call opens new ones."""
        await self._client.close()

    async def _ask(self, request: Request, assembler: Assembler, on_text: OnText) -> Reply:
        client = await self._client.open()
        official = (client.base_url.host or "").endswith(OFFICIAL)
        api = self._api or ("responses" if official else "chat")
        path, body = _request(api, request, official=official)
        reader = (ResponsesStream if api == "responses" else ChatStream)(
            request, assembler, self._key
        )
        async with self._stream(client, path, body) as stream:
            headers = stream.response.headers
            if content_kind(headers).endswith("json"):
                on_text(reader.whole(await stream.response.aread()))
            else:
                await read_raw(stream.response.aiter_bytes(), reader.feed, on_text)
            if not assembler.started:
                raise no_reply(headers)
            return assembler.reply(headers.get("x-request-id"))

    @asynccontextmanager
    async def _stream(
        self, client: "AsyncOpenAI", path: str, body: Json
    ) -> "AsyncGenerator[AsyncStream[object]]":
        from openai import AsyncStream

        stream = await client.post(
            path,
            cast_to=object,
            stream=True,
            stream_cls=AsyncStream[object],
            body=body,
            options={"max_retries": 0, "headers": self._headers},
        )
        try:
            yield stream
        finally:
            await stream.close()

    def _make(self) -> "AsyncOpenAI":
        from openai import (
            AsyncOpenAI,
            DefaultAioHttpClient,
            DefaultAsyncHttpxClient,
            Timeout,
        )

        key = self._api_key or os.environ.get(self._key)
        if not key:
            if not (self._base_url or os.environ.get("OPENAI_BASE_URL")):
                message = f"no API key: set {self._key}, or give your own base URL"
                raise ModelError(error="authentication", message=message)
            key = "none"  # the SDK sends no request without a key; such an endpoint needs none
        return AsyncOpenAI(
            base_url=self._base_url,
            api_key=key,
            max_retries=0,
            http_client=http_client(DefaultAioHttpClient, DefaultAsyncHttpxClient),
            timeout=Timeout(self._timeout, connect=min(CONNECT_TIMEOUT, self._timeout)),
        )

    def _model_error(self, error: Exception) -> ModelError:
        import httpx2
        import openai

        match error:
            case openai.APIStatusError(response=response):
                return refused(error.status_code, response.content, response.headers, self._key)
            case openai.APIConnectionError() | httpx2.TransportError():
                return lost(self._client.url, error)
            case AssertionError() | ValueError() | httpx2.HTTPError() | openai.APIError():
                return malformed(
                    f"{self._client.url}: {type(error).__name__} {one_line(error)}".rstrip()
                )
            case _:
                return ModelError("client_error", f"{type(error).__name__}: {one_line(error)}")


def _request(api: Api, request: Request, *, official: bool) -> tuple[str, Json]:
    """The path and the body; `prompt_cache_key` sends requests with one head to one cache."""
    body: dict[str, Any] = request.body
    if api == "responses":
        path, said = "/responses", responses_body(body)
    else:
        path, said = "/chat/completions", chat_body(body, official=official)
    if official:
        said.setdefault("prompt_cache_key", sha256(request.head).hexdigest()[:32])
    return path, said
