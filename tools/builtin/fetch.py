"""`fetch`: reads a page of the public web as text."""

from importlib import import_module

from pydantic import BaseModel

from playhead.events.errors import ToolError, UsageError
from playhead.tools.builtin.address_guard import AddressGuard
from playhead.tools.builtin.guarded_http import Response, get
from playhead.tools.tool import AnyTool, tool

SECONDS = 20.0
CHARS = 30_000

READABLE = ("application/json", "application/xml", "application/xhtml+xml", "application/ld+json")


class Page(BaseModel):
    """A page as text."""

    url: str
    """After redirects."""
    media_type: str
    text: str
    whole: bool
    """False when it was larger than what is fetched."""


def fetch_tool(guard: AddressGuard | None = None, *, seconds: float = SECONDS) -> AnyTool:
    """The tool `fetch`. `guard` may open ports and hosts of one's own.

    Raises UsageError without the extra `web`.
    """
    try:
        get_text = import_module("inscriptis").get_text
    except ImportError as error:
        msg = "fetch reads HTML with a library that is not installed: pip install 'playhead[web]'"
        raise UsageError(msg) from error
    given = guard or AddressGuard()

    def fetch(url: str) -> Page:
        """Read one page of the public web, as text.

        Use it when you know the address of a page, for example from a search. It runs no scripts
        and logs in nowhere.

        Args:
            url: The whole address, such as "https://example.com/page".

        Returns:
            The address after redirects, the media type, and the text of the page (HTML without its
            tags); `whole` is false when the page was too large and its end is missing.
        """
        response = get(url, given, seconds=seconds)
        _check(response)
        text = response.text()
        if response.media_type in ("text/html", "application/xhtml+xml") and text.strip():
            text = str(get_text(text))
        return Page(
            url=response.url, media_type=response.media_type, text=text, whole=response.whole
        )

    return tool(fetch, effect="read", timeout=seconds + 10, max_chars=CHARS)


def _check(response: Response) -> None:
    """Raise ToolError for what is no page of text."""
    if response.status == 429 or response.status >= 500:
        after = response.headers.get("Retry-After", "")
        msg = f"the server answered {response.status}"
        seconds = float(after) if after.isdecimal() else 30.0
        raise ToolError(msg, hint="Use another source meanwhile.", retry_after=min(seconds, 3600.0))
    if response.status >= 400:
        msg = f"the server answered {response.status}"
        raise ToolError(msg, hint="Check the address, or use another page.")
    if response.headers.get("Content-Encoding", "identity") != "identity":
        msg = "the page came compressed, though that was not asked for"
        raise ToolError(msg, hint="Use another page.")
    kind = response.media_type
    if not (kind.startswith("text/") or kind in READABLE):
        msg = f"it is {kind}, no text"
        raise ToolError(msg, hint="Only pages of text can be fetched.")
