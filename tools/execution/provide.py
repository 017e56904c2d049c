"""Provides a tool's dependencies for one attempt; the stack that it is given cleans them up."""

from collections.abc import Mapping
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from typing import Any

from playhead.tools.context import Secret, ToolContext
from playhead.tools.definition.dependencies import Dependency, Given
from playhead.tools.execution.secrets import SecretMask


class Swallowed(Exception):
    """A dependency caught what its tool raised, and did not raise it again."""

    def __init__(self) -> None:
        super().__init__("a dependency hid the error of the tool: let it raise again after `yield`")


def provide(
    needed: Mapping[str, Dependency], context: ToolContext, secrets: SecretMask, stack: ExitStack
) -> dict[str, Any]:
    """Their values, by parameter; a function that several need is called once."""
    made: dict[object, Any] = {}

    def value(source: Given) -> Any:
        if isinstance(source, Secret):
            return secrets.resolve(source, context)
        if source.function not in made:
            given = {name: value(each) for name, each in source.given.items()}
            given |= dict.fromkeys(source.context, context)
            if source.way == "yields":
                entered = contextmanager(source.function)(**given)
                made[source.function] = stack.enter_context(entered)
            else:
                made[source.function] = source.function(**given)
        return made[source.function]

    return {name: value(each) for name, each in needed.items()}


async def provide_async(
    needed: Mapping[str, Dependency],
    context: ToolContext,
    secrets: SecretMask,
    stack: AsyncExitStack,
) -> dict[str, Any]:
    """The same for an async tool, whose dependencies may be async too."""
    made: dict[object, Any] = {}

    async def value(source: Given) -> Any:
        if isinstance(source, Secret):
            return secrets.resolve(source, context)
        if source.function not in made:
            given = {name: await value(each) for name, each in source.given.items()}
            given |= dict.fromkeys(source.context, context)
            made[source.function] = await _call(source, given, stack)
        return made[source.function]

    return {name: await value(each) for name, each in needed.items()}


async def _call(source: Dependency, given: Mapping[str, Any], stack: AsyncExitStack) -> Any:
    match source.way:
        case "yields":
            return stack.enter_context(contextmanager(source.function)(**given))
        case "awaits":
            return await source.function(**given)
        case "awaits and yields":
            entered = asynccontextmanager(source.function)(**given)
            return await stack.enter_async_context(entered)
        case _:
            return source.function(**given)
