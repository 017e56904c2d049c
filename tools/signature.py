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
from typing import Annotated, Any, get_args, get_origin

import docstring_parser
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, create_model
from pydantic.errors import PydanticUserError
from pydantic.fields import FieldInfo
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, JsonSchemaValue

from playhead.events.errors import UsageError
from playhead.events.event import Json
from playhead.tools.content import SHOWN
from playhead.tools.context import Depends, Secret, ToolContext

AWAITABLES = (collections.abc.Awaitable, collections.abc.Coroutine)


@dataclass(frozen=True, slots=True)
class Signature:
    """What a function takes from the model, and what it returns."""

    arguments: type[BaseModel]
    """Validates the arguments; each field's alias is the parameter's name."""
    fields: Mapping[str, str]
    """Parameter -> its field in `arguments`."""
    required: frozenset[str]
    """Parameters without a default of their own."""
    context: str | None
    """The parameter that receives the ToolContext; the model does not see it."""
    given: Mapping[str, Secret | Depends]
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
    """The one parameter that receives all arguments as they came; None for one parameter each."""


class StrictSchema(GenerateJsonSchema):
    """Pydantic's JSON schema, closed to unknown fields, without titles that repeat names."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.ignored_warning_kinds = {"non-serializable-default"}

    def generate(self, schema: Any, mode: JsonSchemaMode = "validation") -> JsonSchemaValue:
        """The whole schema with its definitions."""
        made = super().generate(schema, mode)
        for each in (made, *made.get("$defs", {}).values()):
            each.pop("title", None)
        return made

    def field_title_should_be_set(self, schema: Any) -> bool:
        """Never."""
        return False

    def model_schema(self, schema: Any) -> JsonSchemaValue:
        """A Pydantic model."""
        return _closed(super().model_schema(schema))

    def dataclass_schema(self, schema: Any) -> JsonSchemaValue:
        """A dataclass."""
        return _closed(super().dataclass_schema(schema))

    def typed_dict_schema(self, schema: Any) -> JsonSchemaValue:
        """A TypedDict."""
        return _closed(super().typed_dict_schema(schema))


def _closed(schema: JsonSchemaValue) -> JsonSchemaValue:
    if "properties" in schema:
        schema.setdefault("additionalProperties", False)
    return schema


def read_signature(function: Callable[..., Any], name: str, description: str | None) -> Signature:
    """Read `function` as a tool. Raises UsageError if a model could not call it."""
    hints = _hints(function, name)
    doc = docstring_parser.parse(inspect.getdoc(function) or "")
    told = {p.arg_name.lstrip("*"): p.description for p in doc.params}
    parameters = inspect.signature(function).parameters.values()
    context = [p.name for p in parameters if hints.get(p.name) is ToolContext]
    if len(context) > 1:
        msg = f"tool {name}: more than one parameter is a ToolContext: {', '.join(context)}"
        raise UsageError(msg)
    given = {p.name: g for p in parameters if (g := _given(hints.get(p.name))) is not None}
    shown = [p for p in parameters if p.name not in context and p.name not in given]
    fields = {p.name: f"p{i}" for i, p in enumerate(shown)}
    for parameter in shown:
        _accept(parameter, hints, name)
    declared = {
        fields[p.name]: (hints[p.name], _field(p, hints[p.name], told.get(p.name))) for p in shown
    }
    arguments = _model(declared, fields, name)
    returned, awaits = _returned(function, hints)
    return Signature(
        arguments=arguments,
        fields=fields,
        required=frozenset(p.name for p in shown if p.default is p.empty),
        context=context[0] if context else None,
        given=given,
        result=_result(returned, name),
        shows_content=_has_content(returned),
        awaits=awaits,
        schema=arguments.model_json_schema(schema_generator=StrictSchema),
        description=description or _description(doc, name),
    )


def _given(hint: Any) -> Secret | Depends | None:
    notes = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
    return next((note for note in notes if isinstance(note, Secret | Depends)), None)


def _hints(function: Callable[..., Any], name: str) -> dict[str, Any]:
    try:
        return typing.get_type_hints(function, include_extras=True)
    except (NameError, TypeError) as error:
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
    except (PydanticUserError, TypeError, ValueError) as error:
        for parameter, field in fields.items():
            _try(declared[field][0], f"tool {name}: parameter {parameter}")
        msg = f"tool {name}: {_line(error)}"
        raise UsageError(msg) from error
    return model


def _try(hint: Any, where: str) -> None:
    try:
        TypeAdapter(hint).json_schema(schema_generator=StrictSchema)
    except (PydanticUserError, TypeError, ValueError) as error:
        msg = (
            f"{where} has a type that JSON cannot carry ({_line(error)}): use str, numbers, lists, "
            "dicts, dataclasses or Pydantic models"
        )
        raise UsageError(msg) from error


def _line(error: Exception) -> str:
    return str(error).partition("\n")[0].rstrip(".")


def _returned(function: Callable[..., Any], hints: Mapping[str, Any]) -> tuple[Any, bool]:
    returned = hints.get("return", Any)
    if inspect.iscoroutinefunction(function):
        return returned, True
    if get_origin(returned) in AWAITABLES:
        return get_args(returned)[-1], True
    return returned, returned in AWAITABLES


def _result(returned: Any, name: str) -> TypeAdapter[Any] | None:
    if returned is Any or returned is object or returned in AWAITABLES or _has_content(returned):
        return None
    try:
        return TypeAdapter(returned)
    except (PydanticUserError, TypeError, ValueError) as error:
        msg = (
            f"tool {name}: its result has a type that JSON cannot carry ({_line(error)}): return a "
            "str, a number, a list, a dict, a dataclass or a Pydantic model"
        )
        raise UsageError(msg) from error


def _has_content(returned: Any) -> bool:
    return returned in SHOWN or any(_has_content(each) for each in get_args(returned))


def _description(doc: docstring_parser.Docstring, name: str) -> str:
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
