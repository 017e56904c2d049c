"""When a call needs a person's approval, and what exactly is approved."""

import json
from collections.abc import Mapping
from hashlib import sha256

from playhead.events.event import Json
from playhead.events.kinds.approvals import RuleAnswered
from playhead.events.spec.agent import ToolSpec
from playhead.events.spec.tool import Approval
from playhead.tools.calls.user_functions import Unusable, ask_rule
from playhead.tools.execution.workers import Workers
from playhead.tools.tool import AnyTool, canonical
from playhead.tools.validation.arguments import check
from playhead.tools.validation.schemas import text_fault


def binding(spec: ToolSpec, arguments: Mapping[str, Json]) -> str:
    """SHA-256 (hex) of what is approved: the tool, its definition, and these arguments."""
    return sha256(canonical([spec.name, spec.definition, dict(arguments)])).hexdigest()


def arguments_fault(given: object) -> str | None:
    """Why something cannot be the arguments that a person gives; None if it can."""
    if not isinstance(given, dict):
        return f"{given!r:.80} is not a dict of the arguments by name"
    try:
        text = json.dumps(given, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        return f"they are not JSON: {error}"[:200]
    return text_fault("a text in them", text)


def matches(approval: Approval, arguments: Mapping[str, Json]) -> bool:
    """Whether a rule given as a schema requires approval: the arguments fit it."""
    return matches_schema(approval.argument_schema or {}, arguments)


def matches_schema(schema: dict[str, Json], value: Mapping[str, Json]) -> bool:
    """Whether an object fits a schema that serves as a rule."""
    digest = sha256(canonical(schema)).hexdigest()
    rule = ToolSpec(name="rule", description="", input_schema=schema, definition=digest)
    return check(rule, value) is None


async def ask_approval(
    tool: AnyTool, arguments: Mapping[str, Json], workers: Workers
) -> RuleAnswered:
    """Ask the tool's own function whether this call needs approval."""
    if tool.needs_approval is None:
        return RuleAnswered(error=f"{tool.spec.name} no longer has an approval function")
    name = f"{tool.spec.name}.approval"

    def accept(value: object) -> Json:
        if not isinstance(value, bool):
            msg = f"{name} returned {type(value).__name__}, not a bool"
            raise Unusable(msg)
        return value

    return await ask_rule(name, tool.needs_approval, (dict(arguments),), workers, accept)
