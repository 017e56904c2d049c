"""The JSON schema of a Python type, as strict as a model should see it."""

import json
import math
from enum import Enum
from typing import TYPE_CHECKING, Any, cast

from pydantic import TypeAdapter
from pydantic.errors import PydanticInvalidForJsonSchema
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, JsonSchemaValue

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


PLAIN = (str, int, float, type(None))


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

    def default_schema(self, schema: Any) -> JsonSchemaValue:
        """A value with a default. Infinity and NaN, which JSON does not have, are left out."""
        made = super().default_schema(schema)
        try:
            json.dumps(made.get("default"), allow_nan=False)
        except ValueError:
            del made["default"]
        return made

    def encode_default(self, dft: Any) -> Any:
        """A default as JSON; Pydantic would make an infinity within a list a null."""
        return dft if _infinite(dft) else super().encode_default(dft)

    def is_subclass_schema(self, schema: Any) -> JsonSchemaValue:
        """`type[int]`: refused, because no value of JSON is a class."""
        msg = "a class"
        raise PydanticInvalidForJsonSchema(msg)

    def enum_schema(self, schema: Any) -> JsonSchemaValue:
        """An Enum, whose values are what the model gives."""
        for member in schema["members"]:
            if not isinstance(member.value, PLAIN) and not _comes_back(member):
                msg = f"the value of {type(member).__name__}.{member.name} cannot come from JSON"
                raise PydanticInvalidForJsonSchema(msg)
        return super().enum_schema(schema)

    def literal_schema(self, schema: Any) -> JsonSchemaValue:
        """A Literal. Pydantic takes an enum member from JSON only if it is a str or an int."""
        for value in schema["expected"]:
            if isinstance(value, Enum) and not isinstance(value, str | int):
                msg = (
                    f"Literal[{type(value).__name__}.{value.name}]: write its value, "
                    f"Literal[{value.value!r}], or make {type(value).__name__} a StrEnum"
                )
                raise PydanticInvalidForJsonSchema(msg)
        return super().literal_schema(schema)


def _comes_back(member: Enum) -> bool:
    """Whether an enum's member, as JSON, is read as that member."""
    kind: TypeAdapter[Any] = TypeAdapter(type(member))
    try:
        return bool(kind.validate_json(kind.dump_json(member)) is member)
    except ValueError:
        return False


def _infinite(value: Any) -> bool:
    """Whether there is an infinity or a NaN in a value."""
    if isinstance(value, float):
        return not math.isfinite(value)
    if isinstance(value, dict):
        return any(map(_infinite, cast("Mapping[Any, Any]", value).values()))
    several = isinstance(value, list | tuple | set | frozenset)
    return several and any(map(_infinite, cast("Iterable[Any]", value)))


def _closed(schema: JsonSchemaValue) -> JsonSchemaValue:
    if "properties" in schema:
        schema.setdefault("additionalProperties", False)
    return schema
