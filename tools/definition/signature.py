"""From a typed function to what a model is told: a strict JSON schema and a description.

The signature becomes a Pydantic model (with field names of its own, so that a parameter may be
called `schema` or `copy`); the docstring gives the descriptions. A function that a model could not
call is refused here, when it is defined, not when it is called.
"""

import collections.abc
import inspect
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple, get_args, get_origin

import docstring_parser
from pydantic import BaseModel, ConfigDict, Field, PydanticUserError, TypeAdapter, create_model
from pydantic.fields import FieldInfo

from playhead.events.errors import UsageError
from playhead.events.event import Json
from playhead.tools.content import SHOWN
from playhead.tools.context import ToolContext
from playhead.tools.definition.callables import (
    described,
    fixed_by_partial,
    is_async,
    keep_hashable,
    unusable,
    written,
)
from playhead.tools.definition.dependencies import Dependency, Given, read_given
from playhead.tools.definition.strict_schema import StrictSchema

AWAITABLES = (collections.abc.Awaitable, collections.abc.Coroutine)

YIELDS = (
    collections.abc.Iterator, collections.abc.Generator, collections.abc.AsyncIterator,
    collections.abc.AsyncGenerator, collections.abc.AsyncIterable,
)  # fmt: skip
"""What a generator returns: its result is the list of what it yields."""

EVERY = "**"
"""`Signature.raw` of a function that takes all arguments as keywords."""


@dataclass(frozen=True, slots=True)
class Signature:
    """What a function takes from the model, and what it returns."""

    arguments: type[BaseModel]
    """Validates the arguments; each field's alias is the parameter's name (`raw`: a RootModel)."""
    fields: Mapping[str, str]
    """Parameter -> its field in `arguments`."""
    required: frozenset[str]
    """Parameters without a default of their own."""
    context: str | None
    """The parameter that receives the ToolContext; the model does not see it."""
    given: Mapping[str, Given]
    """Parameters filled in when a call is performed; the model does not see them."""
    result: TypeAdapter[Any] | None
    """The declared return type; None if nothing (or Any) is declared."""
    shows_content: bool
    """Whether the declared return type contains images or documents."""
    awaits: bool
    """Whether calling it returns an awaitable."""
    schema: dict[str, Json]
    description: str
    raw: str | None = None
    """The one parameter that receives all arguments, `**` for all as keywords as they came; None
    for one parameter each."""

    @property
    def asks(self) -> bool:
        """Whether it takes the ToolContext, or depends on something that may."""
        depends = (isinstance(each, Dependency) for each in self.given.values())
        return self.context is not None or any(depends)

    def answer_schema(self) -> dict[str, Json] | None:
        """The JSON schema of what the annotation says that it returns; None for any value."""
        if self.result is None:
            return None
        try:
            schema: dict[str, Json] = self.result.json_schema(mode="serialization")
        except PydanticUserError:  # no schema says what it takes
            return None
        return None if schema == {"type": "null"} else schema


class Parameters(NamedTuple):
    """A function's parameters, divided into those of the model and those filled in here."""

    shown: list[inspect.Parameter]
    hints: Mapping[str, Any]
    context: str | None
    given: Mapping[str, Given]


def read_parameters(function: Callable[..., Any], name: str) -> Parameters:
    """Read what a function takes. Raises UsageError if that cannot be read."""
    if (why := unusable(function)) is not None:
        msg = f"tool {name}: {why}"
        raise UsageError(msg)
    hints = _hints(function, name)
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (ValueError, TypeError) as error:
        msg = f"tool {name}: its parameters cannot be read: call it from a function with types"
        raise UsageError(msg) from error
    fixed = fixed_by_partial(function)
    context = [p.name for p in parameters if hints.get(p.name) is ToolContext]
    if len(context) > 1:
        msg = f"tool {name}: more than one parameter is a ToolContext: {', '.join(context)}"
        raise UsageError(msg)
    awaits = read_result_type(function, hints, name).awaits
    provided = (
        (p, read_given(hints.get(p.name), f"tool {name}: parameter {p.name}", awaits=awaits))
        for p in parameters
    )
    given = {p.name: g for p, g in provided if g is not None}
    hidden = {*context, *given, *fixed}
    shown = [p for p in parameters if p.name not in hidden]
    return Parameters(shown, hints, context[0] if context else None, given)


def read_signature(function: Callable[..., Any], name: str, description: str | None) -> Signature:
    """Read `function` as a tool. Raises UsageError if a model could not call it."""
    shown, hints, context, given = read_parameters(function, name)
    doc = docstring_parser.parse(described(function))
    told = {p.arg_name.lstrip("*"): p.description for p in doc.params}
    fields = {p.name: f"p{i}" for i, p in enumerate(shown)}
    for parameter in shown:
        _accept(parameter, hints, name)
        keep_hashable(function, parameter.name, hints[parameter.name], name)
    declared = {
        fields[p.name]: (hints[p.name], _field(p, hints[p.name], told.get(p.name))) for p in shown
    }
    arguments = _model(declared, fields, name)
    returned = read_result_type(function, hints, name)
    return Signature(
        arguments=arguments,
        fields=fields,
        required=frozenset(p.name for p in shown if p.default is p.empty),
        context=context,
        given=given,
        result=returned.adapter,
        shows_content=returned.shows_content,
        awaits=returned.awaits,
        schema=arguments.model_json_schema(schema_generator=StrictSchema),
        description=description or description_of(doc, name),
    )


def _hints(function: Callable[..., Any], name: str) -> dict[str, Any]:
    try:
        return typing.get_type_hints(written(function), include_extras=True)
    except Exception as error:  # an annotation is any code
        msg = (
            f"tool {name}: its types cannot be read ({error}): import them outside of "
            "`if TYPE_CHECKING:` and define them before the function"
        )
        raise UsageError(msg) from error


def _accept(parameter: inspect.Parameter, hints: Mapping[str, Any], name: str) -> None:
    where = f"tool {name}: parameter {parameter.name}"
    if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
        msg = f"{where} takes any number of values: give each a parameter with a name and a type"
        raise UsageError(msg)
    if parameter.kind is parameter.POSITIONAL_ONLY:
        msg = f"{where} is positional-only, but a model passes arguments by name: remove the `/`"
        raise UsageError(msg)
    if parameter.name in ("self", "cls") and parameter.name not in hints:
        msg = f"{where}: make the tool from a bound method: tool(thing.method)"
        raise UsageError(msg)
    if parameter.name not in hints:
        msg = f"{where} has no type: write, for example, `{parameter.name}: str`"
        raise UsageError(msg)
    if isinstance(parameter.default, FieldInfo):
        msg = f"{where} has a Field as its default: write Annotated[..., Field(...)]"
        raise UsageError(msg)


def _field(parameter: inspect.Parameter, hint: Any, told: str | None) -> Any:
    """The docstring describes a parameter unless its annotation does."""
    names = dict.fromkeys(("alias", "validation_alias", "serialization_alias"), parameter.name)
    more: dict[str, Any] = {**names}
    notes = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
    said = next((note for note in notes if isinstance(note, str)), told)
    if said and not any(isinstance(n, FieldInfo) and n.description for n in notes):
        more["description"] = " ".join(said.split())
    if parameter.default is not parameter.empty:
        more["default"] = parameter.default
    return Field(**more)


def _model(declared: dict[str, Any], fields: Mapping[str, str], name: str) -> type[BaseModel]:
    try:
        model: type[BaseModel] = create_model(
            "Arguments", __config__=ConfigDict(extra="forbid", defer_build=False), **declared
        )
        model.model_json_schema(schema_generator=StrictSchema)
    except Exception as error:  # a type may bring any code of its own
        for parameter, field in fields.items():
            check_type(declared[field][0], f"tool {name}: parameter {parameter}")
        msg = f"tool {name}: {_line(error)}"
        raise UsageError(msg) from error
    for parameter, field in fields.items():
        if field not in model.model_fields:
            msg = f"tool {name}: parameter {parameter} is annotated as no value (ClassVar)"
            raise UsageError(msg)
    return model


def check_type(hint: Any, where: str) -> TypeAdapter[Any]:
    """The type's validator. Raises UsageError if JSON cannot carry its values."""
    try:
        adapter: TypeAdapter[Any] = TypeAdapter(hint)
        adapter.json_schema(schema_generator=StrictSchema)
    except Exception as error:
        msg = (
            f"{where} has a type that JSON cannot carry ({_line(error)}): use str, numbers, lists, "
            "dicts, dataclasses or Pydantic models"
        )
        raise UsageError(msg) from error
    return adapter


def _line(error: Exception) -> str:
    """What Pydantic says, in one line, without its advice to those who write models."""
    text = str(error).partition("\n\nFor further")[0].partition(". Set `")[0]
    return " ".join(text.split()).rstrip(".")[:300]


class Returned(NamedTuple):
    """What a function returns."""

    adapter: TypeAdapter[Any] | None
    shows_content: bool
    awaits: bool


def read_result_type(function: Callable[..., Any], hints: Mapping[str, Any], name: str) -> Returned:
    """Read the declared result. Raises UsageError if JSON cannot carry it."""
    returned, awaits = hints.get("return", Any), is_async(function)
    if not awaits and get_origin(returned) in AWAITABLES:
        returned, awaits = get_args(returned)[-1], True
    if not awaits and returned in AWAITABLES:
        returned, awaits = Any, True
    if get_origin(returned) in YIELDS:
        returned = list[get_args(returned)[0]]  # type: ignore[misc]
    shows = _has_content(returned)
    if returned is Any or returned is object or returned in YIELDS or shows:
        return Returned(None, shows, awaits)
    try:
        return Returned(TypeAdapter(returned), shows, awaits)
    except Exception as error:
        msg = (
            f"tool {name}: its result has a type that JSON cannot carry ({_line(error)}): return a "
            "str, a number, a list, a dict, a dataclass or a Pydantic model"
        )
        raise UsageError(msg) from error


def _has_content(returned: Any) -> bool:
    return returned in SHOWN or any(_has_content(each) for each in get_args(returned))


def description_of(doc: docstring_parser.Docstring, name: str) -> str:
    """What it does and when to use it, what it returns, and its examples."""
    parts = [doc.short_description, doc.long_description]
    if doc.returns and doc.returns.description:
        parts.append(f"Returns: {doc.returns.description}")
    for each in doc.examples:
        shown = "\n".join(filter(None, (each.snippet, each.description)))
        parts.append(f"Example: {shown}" if shown else None)
    text = "\n\n".join(part.strip() for part in parts if part and part.strip())
    if not text:
        msg = (
            f"tool {name} has no description: write a docstring that says what it does, when to "
            "use it and what it returns (or set description=)"
        )
        raise UsageError(msg)
    return text
