"""The tools that list and read a server's resources, and list its prompts."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from playhead.tools.definition.names import api_name
from playhead.tools.mcp.convert import Adoption
from playhead.tools.mcp.results import shown_resource
from playhead.tools.tool import AnyTool, tool

if TYPE_CHECKING:
    from mcp import Client

Use = Callable[["Callable[[Client], Any]"], Awaitable[Any]]
"""Use the server's connection."""

PAGES = 100
"""Pages of a list that are read."""


def reading_tools(use: Use, how: Adoption, server: str) -> list[AnyTool]:
    """The tools, for one server."""

    async def list_resources() -> list[dict[str, str]]:
        """List the resources that can be read from this server.

        Use it before read_resource to find their addresses. An address with {braces} is a
        template: fill it in.

        Returns:
            The resources with name, uri and description.
        """
        found = await use(lambda client: _every(client.list_resources, "resources"))
        made = await use(
            lambda client: _every(client.list_resource_templates, "resource_templates")
        )
        return [
            *(
                {"name": r.name, "uri": str(r.uri), "description": r.description or ""}
                for r in found
            ),
            *(
                {"name": t.name, "uri": t.uri_template, "description": t.description or ""}
                for t in made
            ),
        ]

    async def read_resource(uri: str) -> object:
        """Read one resource of this server.

        Use list_resources first when you do not know its address.

        Args:
            uri: The address, as given by list_resources.

        Returns:
            Its text, image or document.
        """
        found = await use(lambda client: client.read_resource(uri))
        parts = [shown_resource(each) for each in found.contents]
        texts = [part for part in parts if isinstance(part, str)]
        return parts if len(texts) < len(parts) else "\n".join(texts)

    async def list_prompts() -> list[dict[str, object]]:
        """List the prompts that this server offers to people.

        Use it to see which tasks the server is made for.

        Returns:
            The prompts with name, description and arguments.
        """
        found = await use(lambda client: _every(client.list_prompts, "prompts"))
        return [
            {
                "name": each.name,
                "description": each.description or "",
                "arguments": [given.name for given in each.arguments or ()],
            }
            for each in found
        ]

    prefix = api_name(how.prefix or server).strip("_")
    timeout, chars = how.timeout, how.max_chars
    return [
        tool(
            list_resources, name=f"{prefix}_list_resources"[:64], effect="read", timeout=timeout,
            max_chars=chars,
        ),
        tool(
            read_resource, name=f"{prefix}_read_resource"[:64], effect="read", timeout=timeout,
            max_chars=chars,
        ),
        tool(
            list_prompts, name=f"{prefix}_list_prompts"[:64], effect="read", timeout=timeout,
            max_chars=chars,
        ),
    ]  # fmt: skip


async def _every(page: Callable[..., Awaitable[Any]], name: str) -> list[Any]:
    """All entries of a list; none if the server has no such list."""
    from mcp import MCPError
    from mcp.types import METHOD_NOT_FOUND

    entries, cursor = list[Any](), None
    for _ in range(PAGES):
        try:
            found = await page(cursor=cursor)
        except MCPError as error:
            if error.error.code == METHOD_NOT_FOUND:
                return entries
            raise
        entries += getattr(found, name)
        cursor = found.next_cursor
        if cursor is None:
            break
    return entries
