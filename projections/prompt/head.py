"""The head of a request: the model, its settings, tools and instructions, before any message.

Format 1. Its bytes are the same for every request to the same target, except for a forced
tool_choice, which applies to a step's first request only: the tool would be called repeatedly.
"""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any, NamedTuple, cast

from pydantic_core import to_json

from playhead.events.event import Json
from playhead.events.spec.agent import AgentSpec, ToolSpec
from playhead.events.spec.model_name import model_name
from playhead.events.spec.routing import Target
from playhead.events.spec.schema import is_open

MARKS: Mapping[str, dict[str, Json]] = {
    "5m": {"type": "ephemeral"},
    "1h": {"type": "ephemeral", "ttl": "1h"},
}
"""The API's cache_control at each prompt cache breakpoint, by how long the entry is kept."""

FORMATS = frozenset({
    "date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid",
})  # fmt: skip

KEPT = frozenset({
    "type", "enum", "const", "title", "description", "properties", "required", "items", "$ref",
    "$defs", "anyOf", "allOf", "additionalProperties", "default",
})  # fmt: skip
"""Schema keywords that the API accepts in schemas that it enforces."""


NOT_DESCRIBED = ("oneOf", "discriminator")


class RequestHead(NamedTuple):
    """A request up to its messages."""

    content: bytes
    """JSON up to and including `"messages":[`."""
    digest: bytes
    endpoint: str = ""
    mark: bytes = b""
    """The JSON that marks a message block, after the block's last field; empty for none."""


def render_head(
    agent: AgentSpec,
    target: Target | str | None = None,
    *,
    first: bool = False,
    container: str | None = None,
) -> RequestHead:
    """The head of the agent's requests to a target, its own model by default.

    Args:
        agent: the agent.
        target: the model and endpoint; None for the agent's own model.
        first: for a step's first request.
        container: the API's container, with the files of earlier replies.
    """
    if not isinstance(target, Target):
        target = Target(model=target or agent.model.model)
    mark = MARKS.get(agent.model.cache)
    fields: dict[str, object] = {
        "model": model_name(target.model).name,
        "max_tokens": target.max_tokens or agent.model.max_tokens,
        "tools": _tools(agent, mark),
        "system": _system(_instructions(agent), mark),
        **_settings(agent, first),
        **agent.model.extra,
        **target.extra,
    }
    if container is not None:
        fields["container"] = _container(fields.get("container"), container)
    if agent.output_schema is not None and not is_open(agent.output_schema):
        config = fields.get("output_config")
        schema = {"type": "json_schema", "schema": enforceable(agent.output_schema)}
        fields["output_config"] = {**(config if isinstance(config, dict) else {}), "format": schema}
    present = {name: value for name, value in fields.items() if value not in (None, "", [], ())}
    content = to_json(present)[:-1] + b',"messages":['
    in_block = b"" if mark is None else b',"cache_control":' + to_json(mark)
    return RequestHead(content, sha256(content).digest(), target.endpoint, in_block)


def _container(given: object, name: str) -> object:
    """The container of earlier replies; a settings' own container, by id, takes precedence."""
    if isinstance(given, str):
        return given
    if isinstance(given, dict):
        return {"id": name, **cast("dict[str, Json]", given)}
    return name


def _tools(agent: AgentSpec, mark: dict[str, Json] | None) -> list[dict[str, Any]]:
    tools = [_tool(tool, strict=agent.model.strict_tools) for tool in agent.tools]
    tools += [dict(tool) for tool in agent.model.server_tools]
    if mark is not None:
        loaded = [tool for tool in tools if not tool.get("defer_loading")]
        marked = [tool for tool in tools if tool.pop("cache_control", None) is not None]
        for tool in (marked or loaded)[-1:]:
            tool["cache_control"] = mark
    return tools


def _tool(tool: ToolSpec, *, strict: bool) -> dict[str, Any]:
    fields = tool.request or {}
    if tool.type is not None:
        return {"type": tool.type, "name": tool.name, **fields}
    described: dict[str, Any] = {"name": tool.name, "description": tool.description}
    if fields.get("strict", strict) and not is_open(tool.input_schema):
        schema = enforceable(tool.input_schema)
        return {**described, "input_schema": schema, "strict": True, **fields}
    return {**described, "input_schema": tool.input_schema, **fields}


def _instructions(agent: AgentSpec) -> str:
    """Includes the output schema if the API cannot enforce it."""
    if agent.output_schema is None or not is_open(agent.output_schema):
        return agent.instructions
    schema = to_json(agent.output_schema).decode()
    return f"{agent.instructions}\n\nAnswer with JSON only, by this JSON schema: {schema}".strip()


def _system(instructions: str, mark: dict[str, Json] | None) -> object:
    if not instructions or mark is None:
        return instructions
    return [{"type": "text", "text": instructions, "cache_control": mark}]


def _settings(agent: AgentSpec, first: bool) -> dict[str, object]:
    settings, choice = agent.model, agent.model.tool_choice
    forced = choice is not None and choice.get("type") in ("any", "tool")
    return {
        "thinking": settings.thinking,
        "tool_choice": choice if first or not forced else None,
        "stop_sequences": settings.stop_sequences,
    }


def enforceable(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema in the form that the API enforces; other constraints become descriptions.

    The API requires closed objects and accepts no bounds on numbers, lengths and counts; these are
    checked with the answer or the call.
    """
    kept = {key: _inside(key, value) for key, value in schema.items() if key in KEPT}
    other = {key: value for key, value in schema.items() if key not in (*KEPT, *NOT_DESCRIBED)}
    if "oneOf" in schema:
        kept["anyOf"] = _inside("anyOf", schema["oneOf"])
    if other.get("format") in FORMATS:
        kept["format"] = other.pop("format")
    if other.get("minItems") in (0, 1):
        kept["minItems"] = other.pop("minItems")
    if kept.get("type") == "object":
        kept.setdefault("properties", {})
        kept["additionalProperties"] = False
    if other:
        words = "{" + ", ".join(f"{key}: {value}" for key, value in other.items()) + "}"
        kept["description"] = "\n\n".join(filter(None, (kept.get("description"), words)))
    return kept


def _inside(keyword: str, value: Any) -> Any:
    match keyword:
        case "properties" | "$defs":
            return {name: enforceable(inner) for name, inner in value.items()}
        case "anyOf" | "allOf":
            return [enforceable(inner) for inner in value]
        case "items" if isinstance(value, dict):
            return enforceable(cast("dict[str, Any]", value))
        case _:
            return value
