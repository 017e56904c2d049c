"""What can be called: functions, methods, partials, objects, cached functions and wrappers."""

import contextlib
import functools
import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import Any, get_args, get_origin

from playhead.events.errors import UsageError


def written(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function whose names, types and docstring count: in a partial, or behind an object."""
    inner = _unpacked(function)
    if inspect.isroutine(inner) or hasattr(inner, "__wrapped__"):
        return inner
    return type(inner).__call__


def _unpacked(function: Any) -> Callable[..., Any]:
    """What a partial or a staticmethod calls in the end."""
    while isinstance(function, functools.partial | staticmethod):
        held: Any = function  # pyright: ignore[reportUnknownVariableType]
        function = held.func if hasattr(held, "func") else held.__func__
    found: Callable[..., Any] = function
    return found


def name_of(function: Callable[..., Any]) -> str:
    """Its name; for an object that can be called, the name of its class."""
    inner = written(function)
    if inner.__name__ != "__call__":
        return inner.__name__
    while isinstance(function, functools.partial):
        function = function.func
    return type(function).__name__


def described(function: Callable[..., Any]) -> str:
    """Its docstring; an object that can be called may have it at its class."""
    inner = written(function)
    doc = inspect.getdoc(inner)
    if inner.__name__ == "__call__" and (not doc or doc == type.__call__.__doc__):
        doc = inspect.getdoc(type(function))
    return doc or ""


def fixed_by_partial(function: Callable[..., Any]) -> set[str]:
    """The keywords that a partial has set; nobody else sets them."""
    fixed = set[str]()
    while isinstance(function, functools.partial):
        fixed |= function.keywords.keys()
        function = function.func
    return fixed


def is_async(function: Callable[..., Any]) -> bool:
    """Whether calling it certainly gives something to await, or to iterate over with `async`."""
    inner = written(function)
    return inspect.iscoroutinefunction(inner) or inspect.isasyncgenfunction(inner)


def unusable(function: Callable[..., Any]) -> str | None:
    """Why no call of it can succeed, although it looks like a function; None if one may."""
    inner = written(function)
    if getattr(inner, "__globals__", {}).get("__name__") == contextlib.__name__:
        return "it is a context manager: enter it inside of a function, and return what is known"
    if hasattr(inner, "dispatch") and hasattr(inner, "registry"):
        return "singledispatch looks at arguments without a name: take one of its functions"
    if _is_cached(inner) and inspect.iscoroutinefunction(inspect.unwrap(inner)):
        return (
            "its cache keeps a coroutine, which can be awaited only once: remove the cache, and "
            "set cache= here"
        )
    return None


def keep_hashable(function: Callable[..., Any], parameter: str, hint: Any, name: str) -> None:
    """Raise UsageError for a parameter that a cached function cannot look up."""
    if _is_cached(written(function)) and (kind := next(_unhashable(hint), None)) is not None:
        msg = (
            f"tool {name}: parameter {parameter} is a {getattr(kind, '__name__', kind)}, which "
            "lru_cache cannot look up: take a tuple, or remove the cache and set cache= here"
        )
        raise UsageError(msg)


def _is_cached(function: Callable[..., Any]) -> bool:
    return hasattr(function, "cache_info") and hasattr(function, "__wrapped__")


def _unhashable(hint: Any) -> Iterator[Any]:
    kind = get_origin(hint) or hint
    if isinstance(kind, type) and (kind.__hash__ is None or kind is Sequence):  # pyright: ignore[reportUnnecessaryComparison]
        yield kind
    for each in get_args(hint):
        yield from _unhashable(each)
