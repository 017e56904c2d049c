"""Reads an answer against the agent's output schema. Pure, so that a role may decide on it."""

import json
from hashlib import sha256

from playhead.events.event import Json
from playhead.events.spec.agent import ToolSpec
from playhead.tools.validation.arguments import check


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
    wrapped: dict[str, Json] = {
        "type": "object",
        "properties": {"answer": {k: v for k, v in schema.items() if k != "$defs"}},
        "required": ["answer"],
    }
    if "$defs" in schema:
        wrapped["$defs"] = schema["$defs"]
    digest = sha256(json.dumps(schema, sort_keys=True).encode()).hexdigest()
    spec = ToolSpec(name="answer", description="", input_schema=wrapped, definition=digest)
    wrong = check(spec, {"answer": value})
    return None if wrong is None else wrong.message


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
