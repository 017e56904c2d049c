"""MCP servers as toolsets: `Agent(tools=[mcp("mcp-server-git"), mcp("https://...")])`."""

import shlex
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeAlias
from urllib.parse import urlsplit

from playhead.events.errors import ServerUnreachable, ToolError, UsageError
from playhead.events.event import Json
from playhead.events.logger import ProgramLogger
from playhead.events.spec.tool import Effect
from playhead.tools.context import (
    InputRequired,
    OutcomeUnknown,
    Secret,
    Secrets,
    ToolContext,
    from_environment,
)
from playhead.tools.mcp.convert import Adoption, definition_of, to_tool
from playhead.tools.mcp.reading import reading_tools
from playhead.tools.mcp.results import to_result
from playhead.tools.options import NeedsApproval
from playhead.tools.tool import AnyTool

if TYPE_CHECKING:
    from mcp import Client, types

    from playhead.tools.mcp.calls import Calls
    from playhead.tools.mcp.connection import McpConnection

log = ProgramLogger("playhead.mcp")

Judge: TypeAlias = Callable[[str, Mapping[str, str]], Mapping[str, str]]
"""(server, tool -> definition) -> tool -> why it is refused; all others are accepted."""

Lapse: TypeAlias = Callable[[str, int], None]
"""(run, call): the server's question in that call can be answered no more."""

AGAIN_AFTER = 1.0
"""Seconds after which a call of a server that was away may work."""

CONNECTING = 30.0
"""Seconds, by default, for a server to start and answer the first time."""

Progress: TypeAlias = Callable[[str, float, float | None, str | None], None]
"""(tool, progress, total, message), from the server; called on the connection's thread."""


def mcp(
    where: str | Sequence[str],
    *,
    name: str | None = None,
    prefix: str = "",
    only: Sequence[str] | None = None,
    effects: Mapping[str, Effect] | None = None,
    approval: bool | Mapping[str, NeedsApproval] = False,
    timeout: float = 60.0,
    connect_timeout: float = CONNECTING,
    required: bool = True,
    environment: Mapping[str, str | Secret] | None = None,
    headers: Mapping[str, str | Secret] | None = None,
    auth: object = None,
    resources: bool = False,
    max_chars: int | None = 30_000,
    on_progress: Progress | None = None,
    hide: Literal["log"] | None = "log",
) -> "McpServer":
    """An MCP server's tools. `where` is a command (stdio) or the URL of a streamable HTTP server.

    Args:
        where: "mcp-server-git --repository .", the same as a list, or "https://host/mcp".
        name: its name in logs and pins; the name of the program or host by default.
        prefix: put before the name of each of its tools.
        only: the names (on the server) of the tools to offer; None for all.
        effects: by a tool's name on the server; overrules the server's annotations.
        approval: whether a person approves each call; or, by a tool's name on the server, True, a
            JSON schema or a function, as for `@tool` ("*" stands for all others).
        timeout: seconds for one attempt of a call.
        connect_timeout: seconds for the server to start and list its tools.
        required: whether agents with this server are refused while it cannot be reached; otherwise
            they start without its tools, and have them as soon as it can be.
        environment: for a command, in addition to the few variables that every program needs.
        headers: for a URL. Secrets are read again when the server refuses them (401).
        auth: for a URL, in place of secrets in headers: an `httpx2.Auth`, such as the SDK's
            `OAuthClientProvider` or `ClientCredentialsOAuthProvider`.
        resources: whether to offer tools that list and read its resources, and list its prompts.
        max_chars: characters of a result that the model sees.
        on_progress: called when a call reports progress.
        hide: what a command does not see: the logs of this process and the files beside them, where
            the kernel has Landlock; it may then make nothing new in their folder and those above.
            None: it sees what its user sees.

    Raises UsageError if `where` is neither a command nor a URL.
    """
    if not connect_timeout > 0:
        msg = f"mcp(connect_timeout={connect_timeout!r}): it must be a positive number of seconds"
        raise UsageError(msg)
    words = [where] if isinstance(where, str) and _is_url(where) else _words(where)
    wanted = None if only is None else frozenset(only)
    how = Adoption(
        server=name or _named(words),
        prefix=prefix,
        timeout=timeout,
        effects=dict(effects or {}),
        approval=approval if isinstance(approval, bool) else dict(approval),
        max_chars=max_chars,
    )
    given = dict((headers if _is_url(words[0]) else environment) or {})
    return McpServer(
        words, how, given, wanted, resources=resources, on_progress=on_progress, hide=hide,
        connecting=connect_timeout, required=required, auth=auth,
    )  # fmt: skip


class McpServer:
    """The tools of one server. The runtime connects and closes it."""

    def __init__(
        self,
        words: Sequence[str],
        how: Adoption,
        given: Mapping[str, str | Secret],
        only: frozenset[str] | None,
        *,
        connecting: float,
        required: bool,
        resources: bool,
        on_progress: Progress | None,
        hide: Literal["log"] | None = "log",
        auth: object = None,
    ) -> None:
        self._words = list(words)
        self._how = how
        self._given = given
        self._only = only
        self._connecting = connecting
        self._required = required
        self._resources = resources
        self._on_progress = on_progress
        self._hide = hide
        self._auth = auth
        self._connection: McpConnection | None = None
        self._calls: Calls | None = None
        self._tools: tuple[AnyTool, ...] = ()
        self._judges: list[Judge] = []
        """Of each runtime that uses it: what one of them refuses is offered to none."""
        self._changed: list[Callable[[], None]] = []
        self._last: tuple[list[types.Tool], Mapping[str, str]] | None = None
        self._judging = threading.RLock()
        self._unknown: set[str] = set()
        self.refused: dict[str, str] = {}
        """The tools (by their names on the server) that are not offered, and why."""
        self.listed: dict[str, types.Tool] = {}
        """The server's latest list, by the names on the server."""

    @property
    def name(self) -> str:
        """The name by which it is selected and pinned."""
        return self._how.server

    @property
    def tools(self) -> Sequence[AnyTool]:
        """Its tools as last listed; none before it is connected."""
        return self._tools

    def __repr__(self) -> str:
        return f"<MCP server {self.name} with {len(self._tools)} tools>"

    def connect(
        self,
        judge: Judge | None = None,
        changed: Callable[[], None] | None = None,
        secrets: Secrets = from_environment,
        lapse: Lapse | None = None,
    ) -> None:
        """Start or reach the server and list its tools; if it is connected, judge them too.

        `changed` is called when its tools have changed, `lapse` when a question that it asks ends
        with its session. Raises ServerUnreachable if it is required
        and cannot be reached, and UsageError if a secret or the extra `mcp` is missing.
        """
        with self._judging:
            if judge is not None and judge not in self._judges:
                self._judges.append(judge)
            if changed is not None and changed not in self._changed:
                self._changed.append(changed)
            if self._connection is not None:
                if self._last is not None:
                    self._arrived(*self._last)
                return
        self._connection = self._open(secrets, lapse)
        try:
            self._connection.wait(self._connecting)
        except ConnectionError as error:
            if not self._required:
                log.warning("mcp.left_out", server=self.name, error=str(error)[:500])
                return
            self.close()
            msg = f"the MCP server {self.name} ({self._words[0]}) cannot be reached: {error}"
            raise ServerUnreachable(msg) from error

    def _open(self, secrets: Secrets, lapse: Lapse | None) -> "McpConnection":
        try:
            from playhead.tools.mcp.calls import Calls
            from playhead.tools.mcp.connection import McpConnection
            from playhead.tools.mcp.transports import over_http, stdio
        except ImportError as error:
            msg = "MCP servers need the extra `mcp`: pip install 'playhead[mcp]'"
            raise UsageError(msg) from error

        def given() -> dict[str, str]:
            return {name: self._resolved(value, secrets) for name, value in self._given.items()}

        def transport() -> Any:
            if _is_url(self._words[0]):
                return over_http(self._words[0], given, self._auth)
            return stdio(self._words, given, hide_log=self._hide == "log")

        given()  # a missing secret is told at once
        self._calls = calls = Calls(self._told, lapse)
        connection = McpConnection(
            self.name, transport, self._arrived, elicit=calls.elicit, connecting=self._connecting
        )
        calls.list_again = connection.list_again
        return connection

    def close(self) -> None:
        """Disconnect; a server that was started here is stopped."""
        connection = self.release()
        if connection is not None:
            connection.close()

    def release(self) -> "McpConnection | None":
        """Give up its connection, which the caller must close; None if it has none."""
        with self._judging:
            connection, self._connection = self._connection, None
            self._judges.clear()
            self._changed.clear()
            self._last = None
        return connection

    def _resolved(self, value: str | Secret, secrets: Secrets) -> str:
        if isinstance(value, str):
            return value
        found = secrets(value.name)
        if not found:
            msg = f"the MCP server {self.name} needs the secret {value.name}, which is not set"
            raise UsageError(msg)
        return found

    def _arrived(self, listed: "list[types.Tool]", left_out: Mapping[str, str]) -> None:
        """The server has listed its tools (on the connection's thread)."""
        with self._judging:
            self._last = listed, left_out
            self._take(listed, left_out)

    def _take(self, listed: "list[types.Tool]", left_out: Mapping[str, str]) -> None:
        wanted = [each for each in listed if self._wants(each.name)]
        self.listed = {each.name: each for each in wanted}
        refused = {name: why for name, why in left_out.items() if self._wants(name)}
        refused |= self._judged()
        made = self._made(refused)
        for name, why in refused.items():
            if self.refused.get(name) != why:
                log.warning("mcp.tool_refused", server=self.name, tool=name, why=why)
        self.refused = refused
        self._check_names(left_out)
        if self._resources:
            made += reading_tools(self._use, self._how, self.name)
        before = {each.spec.definition for each in self._tools}
        self._tools = tuple(made)
        if {each.spec.definition for each in made} != before:
            for changed in self._changed:
                changed()

    def _made(self, refused: dict[str, str]) -> list[AnyTool]:
        """The tools that are offered; one that cannot be made is refused."""
        made = list[AnyTool]()
        for name, each in self.listed.items():
            if name not in refused:
                try:
                    made.append(to_tool(each, self._how, self._call))
                except UsageError as error:
                    refused[name] = str(error)
        return made

    def _judged(self) -> dict[str, str]:
        """What is refused, and why: by any of those that use the server."""
        definitions = {name: definition_of(each) for name, each in self.listed.items()}
        refused: dict[str, str] = {}
        for judge in self._judges:
            refused |= judge(self.name, definitions)
        return refused

    def _wants(self, name: str) -> bool:
        return self._only is None or name in self._only

    def _check_names(self, left_out: Mapping[str, str]) -> None:
        """A rule for a tool that the server does not have may be a rule that is misspelled."""
        rules = [] if isinstance(self._how.approval, bool) else list(self._how.approval)
        ruled = {*rules, *self._how.effects, *(self._only or ())} - {"*"}
        unknown = ruled - self.listed.keys() - left_out.keys()
        if unknown and unknown != self._unknown:
            log.warning("mcp.unknown_tools", server=self.name, tools=sorted(unknown))
        self._unknown = unknown

    def _told(self, tool: str, done: float, total: float | None, message: str | None) -> None:
        if self._on_progress is None:
            return
        try:
            self._on_progress(tool, done, total, message)
        except BaseException:  # it must end neither the call nor the connection
            log.exception("mcp.progress.raised", server=self.name, tool=tool)

    async def _call(
        self, listed: "types.Tool", arguments: dict[str, Json], context: ToolContext
    ) -> object:
        async def work(client: "Client") -> object:
            assert self._calls is not None
            return await self._calls.perform(client, listed, arguments, context, self._unchanged)

        return to_result(await self._use(work))

    def _unchanged(self, listed: "types.Tool") -> bool:
        """Whether a tool is still what it was when it was listed, and not refused since."""
        now = self.listed.get(listed.name)
        same = now is not None and definition_of(now) == definition_of(listed)
        return same and listed.name not in self.refused

    async def _use(self, work: "Callable[[Client], Any]") -> Any:
        if self._connection is None:
            msg = f"the MCP server {self.name} is not connected"
            raise ConnectionError(msg)
        try:
            return await self._connection.use(work, self._how.timeout / 2)
        except (ToolError, OutcomeUnknown, InputRequired):
            raise
        except ConnectionError as error:
            hint = "Nothing was done, and the arguments are not the reason. Go on without it."
            raise ToolError(str(error), hint=hint, retry_after=AGAIN_AFTER) from error
        except Exception as error:
            code = getattr(getattr(error, "error", None), "code", None)
            if code is None:
                raise
            raise ToolError(
                str(error), hint="Correct the arguments, or do something else."
            ) from error


def _is_url(text: str) -> bool:
    return urlsplit(text).scheme in ("http", "https")


def _words(where: str | Sequence[str]) -> list[str]:
    try:
        words = shlex.split(where) if isinstance(where, str) else list(where)
    except ValueError as error:
        msg = f"mcp({where!r}): {error}"
        raise UsageError(msg) from error
    if not words:
        msg = 'mcp(""): give a command, such as "mcp-server-git", or an http(s) URL'
        raise UsageError(msg)
    return words


def _named(words: Sequence[str]) -> str:
    """The host of a URL; for a command, the program, or what an interpreter or npx runs."""
    if _is_url(words[0]):
        return urlsplit(words[0]).hostname or "server"
    operands = [word for word in words if not word.startswith("-")]
    runner = operands[0].rpartition("/")[2] in ("npx", "uvx", "node", "python", "python3")
    chosen = operands[1] if runner and len(operands) > 1 else operands[0]
    return chosen.rpartition("/")[2]
