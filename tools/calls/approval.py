"""When a call needs a person's approval, and what exactly is approved."""

from collections.abc import Mapping
from hashlib import sha256

from playhead.events.event import Json
from playhead.events.kinds.approvals import RuleAnswered
from playhead.events.spec.agent import ToolSpec
from playhead.events.spec.tool import Approval
from playhead.tools.calls.user_functions import ask
from playhead.tools.execution.workers import Workers
from playhead.tools.tool import AnyTool, canonical
from playhead.tools.validation.arguments import check


def binding(spec: ToolSpec, arguments: Mapping[str, Json]) -> str:
    """SHA-256 (hex) over what is approved: the tool, its definition, these arguments."""
    return sha256(canonical([spec.name, spec.definition, dict(arguments)])).hexdigest()


def matches(approval: Approval, arguments: Mapping[str, Json]) -> bool:
    """Whether a rule given as data wants a person: the arguments fit its schema."""
    return matches_schema(approval.argument_schema or {}, arguments)


def matches_schema(schema: dict[str, Json], value: Mapping[str, Json]) -> bool:
    """Whether an object fits a schema that is a rule."""
    digest = sha256(canonical(schema)).hexdigest()
    rule = ToolSpec(name="rule", description="", input_schema=schema, definition=digest)
    return check(rule, value) is None


async def ask_approval(
    tool: AnyTool, arguments: Mapping[str, Json], workers: Workers
) -> RuleAnswered:
    """Ask the tool's own function whether this call needs a person."""
    if tool.needs_approval is None:
        return RuleAnswered(error=f"{tool.spec.name} has no approval function any more")
    name = f"{tool.spec.name}.approval"
    said = await ask(name, tool.needs_approval, (dict(arguments),), workers)
    if said.error is None and not isinstance(said.value, bool):
        return RuleAnswered(error=f"{name} answered {type(said.value).__name__}, not a bool")
    return RuleAnswered(answer=said.value, error=said.error)
