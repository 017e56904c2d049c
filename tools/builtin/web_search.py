"""`search_web`, over any search engine that implements one small protocol.

The API's own search, performed by the model's provider, does not need it:
`Agent(server_tools=[{"type": "web_search_20250305", "name": "web_search"}])`.
"""

from collections.abc import Callable, Sequence
from typing import Annotated, Protocol
from urllib.parse import urlencode, urlsplit

from pydantic import BaseModel, Field, ValidationError

from playhead.events.errors import ToolError, UsageError
from playhead.tools.builtin.address_guard import PORTS, AddressGuard
from playhead.tools.builtin.guarded_http import get
from playhead.tools.context import Secret, ToolContext
from playhead.tools.tool import AnyTool, tool

SECONDS = 15.0


class Hit(BaseModel):
    """One result."""

    title: str
    url: str
    snippet: str = Field("", validation_alias="content")


class SearchProvider(Protocol):
    """A search engine."""

    def search(self, query: str, count: int, secret: Callable[[str], str]) -> Sequence[Hit]:
        """At most `count` hits, best first. Raises ToolError; `secret` gives a secret by name."""
        ...


class _Found(BaseModel):
    results: list[Hit]


class SearxNG:
    """A SearXNG server, or anything that answers `/search?q=...&format=json` like one."""

    def __init__(self, url: str, *, key: Secret | None = None) -> None:
        """The server's address; the value of `key` is sent as a bearer token."""
        parts = urlsplit(url)
        if parts.scheme not in PORTS or not parts.hostname:
            msg = f"SearxNG({url!r}): give the full address, such as https://search.example.com"
            raise UsageError(msg)
        self._url = url.rstrip("/")
        self._key = key
        port = parts.port or PORTS[parts.scheme]
        self._guard = AddressGuard(allow=(f"{parts.hostname}:{port}",))

    def search(self, query: str, count: int, secret: Callable[[str], str]) -> Sequence[Hit]:
        """Ask the server."""
        headers = {"Accept": "application/json"}
        if self._key is not None:
            headers["Authorization"] = f"Bearer {secret(self._key.name)}"
        asked = f"{self._url}/search?{urlencode({'q': query, 'format': 'json'})}"
        response = get(asked, self._guard, seconds=SECONDS, headers=headers)
        if response.status != 200:
            msg = f"the search engine answered {response.status}"
            raise ToolError(msg, hint="Continue without searching, and say so.", retry_after=60)
        try:
            return _Found.model_validate_json(response.body).results[:count]
        except ValidationError as error:
            msg = "the search engine returned no list of results"
            raise ToolError(msg, hint="Continue without searching, and say so.") from error


def search_web_tool(provider: SearchProvider) -> AnyTool:
    """The tool `search_web` for that engine."""

    def search_web(
        query: Annotated[str, Field(min_length=1, max_length=400)],
        context: ToolContext,
        count: Annotated[int, Field(ge=1, le=20)] = 5,
    ) -> list[Hit]:
        """Search the public web.

        Use it to find pages on a topic; read the promising ones with fetch before you rely on them.

        Args:
            query: A few search words, as typed into a search engine.
            context: Not shown to the model.
            count: The maximum number of hits.

        Returns:
            Hits with title, address and a snippet, best first.
        """

        def secret(name: str) -> str:
            value = context.secrets(name)
            if not value:
                msg = f"search_web needs the secret {name}, which is not set"
                raise ToolError(msg, hint="Continue without searching, and say so.")
            return value

        return list(provider.search(query, count, secret))[:count]

    empty = "Use fewer or other words."
    return tool(search_web, effect="read", timeout=SECONDS + 10, cache=True, when_empty=empty)
