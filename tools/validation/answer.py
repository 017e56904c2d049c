"""Reads an answer against the agent's output schema. Pure, so that a role may decide on it."""

import json
import re
from hashlib import sha256
from typing import Any

from playhead.events.event import Json
from playhead.events.spec.agent import ToolSpec
from playhead.tools.validation.arguments import check
from playhead.tools.validation.dialects import each_schema, in_2020_12
from playhead.tools.validation.schemas import schema_fault

HOISTED = ("$defs", "definitions")
"""What stays at the root when a schema becomes that of one field."""

REF = re.compile(r"#(?!/\$defs/|/definitions/).*")
"""A reference to the root or into it: it moves with the schema."""

ROOTED = re.compile(r'"\$schema":|"\$ref": "#(?!/\$defs/)')
"""In a schema's text: it names its draft, or refers to more than its own definitions."""


def parse_output(schema: dict[str, Json], answer: str) -> tuple[Json, str | None]:
    """The answer as JSON that fits the schema, or None and what to tell the model.

    A Markdown fence around the JSON is accepted; any other text beside it is not.
    """
    try:
        value: Json = json.loads(_unfenced(answer), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        return (
            None,
            f"Answer with JSON only, following the output schema. It cannot be parsed: {error}",
        )
    wrong = misfit(schema, value)
    if wrong is None:
        return value, None
    return None, f"The answer does not fit the output schema: {wrong}. Answer again."


def misfit(schema: dict[str, Json], value: Json) -> str | None:
    """Why a value does not fit the schema; None if it fits."""
    text = json.dumps(schema, sort_keys=True)
    if ROOTED.search(text) is not None and schema_fault(schema) is None:
        rest = {key: value for key, value in in_2020_12(schema).items() if key != "$id"}
        schema = each_schema(rest, _under_answer)
    wrapped: dict[str, Json] = {
        "type": "object",
        "properties": {"answer": {k: v for k, v in schema.items() if k not in HOISTED}},
        "required": ["answer"],
        **{name: schema[name] for name in HOISTED if name in schema},
    }
    digest = sha256(text.encode()).hexdigest()
    spec = ToolSpec(name="answer", description="", input_schema=wrapped, definition=digest)
    wrong = check(spec, {"answer": value})
    return None if wrong is None else wrong.message


def _under_answer(schema: dict[str, Any]) -> dict[str, Any]:
    ref = schema.get("$ref")
    if isinstance(ref, str) and REF.fullmatch(ref):
        return {**schema, "$ref": f"#/properties/answer{ref[1:]}"}
    return schema


def structured(answer: str) -> Json:
    """The JSON list or object that a free-text answer consists of; None if it is anything else."""
    try:
        value: Json = json.loads(_unfenced(answer), parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, list | dict) else None


def _unfenced(answer: str) -> str:
    text = answer.strip()
    if text.startswith("```") and text.endswith("```"):
        return text[3:-3].removeprefix("json").strip()
    return text


def _no_constant(name: str) -> Json:
    msg = f"{name} is not JSON"
    raise ValueError(msg)
