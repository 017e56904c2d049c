"""What a `Depends` needs, read when its tool is defined; what cannot work is refused there."""

import inspect
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeAlias, get_args, get_origin

from playhead.events.errors import UsageError
from playhead.tools.context import Depends, Secret, ToolContext

Way: TypeAlias = Literal["value", "awaits", "yields", "awaits and yields"]


@dataclass(frozen=True, slots=True)
class Dependency:
    """A function that provides a parameter, with what it needs itself."""

    function: Callable[..., Any]
    way: Way
    context: tuple[str, ...]
    """Its parameters that receive the ToolContext."""
    given: Mapping[str, "Secret | Dependency"]
    """Its parameters that are provided in turn."""


Given: TypeAlias = Secret | Dependency


def read_given(
    hint: Any, where: str, *, awaits: bool, above: tuple[object, ...] = ()
) -> Given | None:
    """What provides a parameter with this type hint; None for one that the model gives.

    Raises UsageError, naming `where`, if it cannot be provided. `awaits`: for an async tool.
    """
    notes = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
    found = next((note for note in notes if isinstance(note, Secret | Depends)), None)
    if not isinstance(found, Depends):
        return found
    function = found.provide
    if not callable(function):
        msg = f"{where}: Depends({function!r}) is not a function"
        raise UsageError(msg)
    name = getattr(function, "__qualname__", repr(function))
    if function in above:
        msg = f"{where}: {name} depends on itself"
        raise UsageError(msg)
    way = _way(function)
    if way.startswith("awaits") and not awaits:
        msg = f"{where}: {name} is async, and the tool is not: write `async def` for the tool too"
        raise UsageError(msg)
    return _read(function, way, f"{where}: {name}", awaits, (*above, function))


def _read(
    function: Callable[..., Any], way: Way, where: str, awaits: bool, above: tuple[object, ...]
) -> Dependency:
    context: list[str] = []
    given: dict[str, Given] = {}
    for parameter, hint in _parameters(function, where):
        provided = read_given(hint, where, awaits=awaits, above=above)
        if hint is ToolContext:
            context.append(parameter.name)
        elif provided is not None:
            given[parameter.name] = provided
        elif parameter.default is parameter.empty:
            msg = (
                f"{where} takes {parameter.name}: it may take a ToolContext, an "
                "Annotated[..., Secret(...)] and an Annotated[..., Depends(...)]"
            )
            raise UsageError(msg)
    return Dependency(function, way, tuple(context), given)


def _parameters(function: Callable[..., Any], where: str) -> list[tuple[inspect.Parameter, object]]:
    """Its parameters with their types; none for a builtin that does not say."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return []
    typed = function if inspect.isroutine(function) else getattr(function, "func", None)
    if typed is None:  # a class, or an object that can be called
        typed = function.__init__ if inspect.isclass(function) else type(function).__call__
    try:
        hints = typing.get_type_hints(typed, include_extras=True)
    except (NameError, TypeError) as error:
        msg = f"{where}: its types cannot be read ({error})"
        raise UsageError(msg) from error
    fixed = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [(p, hints.get(p.name)) for p in parameters if p.kind not in fixed]


def _way(function: Callable[..., Any]) -> Way:
    plain = inspect.unwrap(function)
    plain = getattr(plain, "func", plain)  # of a functools.partial
    if not inspect.isroutine(plain) and not inspect.isclass(plain):
        plain = type(plain).__call__
    if inspect.isasyncgenfunction(plain):
        return "awaits and yields"
    if inspect.iscoroutinefunction(plain):
        return "awaits"
    return "yields" if inspect.isgeneratorfunction(plain) else "value"
