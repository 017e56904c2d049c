"""What the API is told of a tool beside its name and schema, and the API's own types of tools."""

import re
from typing import Any

from playhead.events.errors import UsageError
from playhead.events.event import Json
from playhead.events.spec.agent import ToolSpec
from playhead.events.spec.schema import is_open
from playhead.tools.options import ToolOptions
from playhead.tools.validation.arguments import check

TYPE = re.compile(r"(?P<tool>[a-z_]+)_(?P<version>[0-9]{8})")

NAMES = {
    "bash": "bash", "memory": "memory", "computer": "computer",
    "text_editor": "str_replace_based_edit_tool",
}  # fmt: skip
"""The API's tools that the client performs, and the names that it gives them."""

OLD_EDITORS = ("20241022", "20250124")
"""Versions in which the text editor had another name."""

OWN = ("name", "type", "description", "input_schema", "cache_control")
"""Fields that other options set."""


def name_of_type(kind: str) -> str:
    """The name of a tool of the API. Raises UsageError for a type that no function can perform."""
    found = TYPE.fullmatch(kind)
    if found is None or found["tool"] not in NAMES:
        msg = (
            f"type={kind!r} is no tool of the API that a function can perform: use "
            f"{', '.join(NAMES)} with a version (bash_20250124); tools that the API itself "
            "performs go into Agent(server_tools=[...])"
        )
        raise UsageError(msg)
    if found["tool"] == "text_editor" and found["version"] in OLD_EDITORS:
        return "str_replace_editor"
    return NAMES[found["tool"]]


def request_fields(name: str, options: ToolOptions) -> dict[str, Json] | None:
    """The options that the API is told, as fields of the tool's definition; None for none.

    Raises UsageError for what the API would refuse.
    """
    extra = options.get("extra", {})
    for field in extra:
        if field in OWN:
            option = {"cache_control": "cache_mark"}.get(field, field)
            msg = f"tool {name}: extra has {field!r}: leave it out, {option}= sets it"
            raise UsageError(msg)
    fields: dict[str, Any] = {}
    if (strict := options.get("strict")) is not None:
        fields["strict"] = strict
    if options.get("defer_loading", False):
        fields["defer_loading"] = True
    if options.get("cache_mark", False):
        fields["cache_control"] = {"type": "ephemeral"}
    if examples := options.get("input_examples", ()):
        fields["input_examples"] = [dict(each) for each in examples]
    if fields.keys() >= {"defer_loading", "cache_control"}:
        msg = f"tool {name}: the API caches no tool with defer_loading: leave out cache_mark"
        raise UsageError(msg)
    return {**fields, **extra} or None


def check_request(spec: ToolSpec) -> None:
    """Raise UsageError for fields that the tool's own schema contradicts."""
    fields = spec.request or {}
    if fields.get("strict") and is_open(spec.input_schema):
        msg = (
            f"tool {spec.name}: the API cannot enforce a schema that allows any key: leave out "
            "strict=, or name the keys"
        )
        raise UsageError(msg)
    examples = fields.get("input_examples")
    for example in examples if isinstance(examples, list) else ():
        error = check(spec, example) if isinstance(example, dict) else None
        if error is not None:
            msg = f"tool {spec.name}: the example {example} does not fit: {error.message}"
            raise UsageError(msg)
