"""A tool that could never be called is refused when it is defined, in one line."""

from typing import Any

import pytest

from playhead.events.errors import UsageError
from playhead.events.spec.agent import ToolSpec
from playhead.tools.definition.given_schema import raw_signature
from playhead.tools.lint.lint import lint
from playhead.tools.tool import AnyTool, Tool, tool
from playhead.tools.validation.arguments import check
from playhead.tools.validation.schemas import tool_schema_fault


def spec(schema: dict[str, Any]) -> ToolSpec:
    return ToolSpec(name="store", description="", input_schema=schema, definition=repr(schema))


def a(schema: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {"a": schema}}


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        (a({"type": "float"}), 'not valid at properties.a.type: "float"'),
        ({"type": "object", "required": None}, "not valid at required: null"),
        (a({"$ref": "#/$defs/X"}), "'/$defs/X' does not exist"),
        (a({"$ref": "https://example.com/x.json"}), "https://example.com/x.json"),
        (a({"pattern": "("}), "not valid at properties.a.pattern"),
        ({"type": "array"}, "of type 'array': the arguments of a tool are an object"),
        ({"type": "object", "oneOf": [a({})]}, "oneOf at the root"),
        ({"type": "object", "properties": {"a b": {}}}, "argument 'a b'"),
        ({"type": "object", "properties": {"a" * 65: {}}}, "1 to 64"),
    ],
)
def test_a_schema_that_no_call_could_meet_is_named_with_its_place(
    schema: dict[str, Any], why: str
) -> None:
    assert why in (tool_schema_fault(schema) or "")


def test_a_boolean_subschema_is_legal_for_calls_and_for_the_lint() -> None:
    schema = a(True)
    assert tool_schema_fault(schema) is None
    assert check(spec(schema), {"a": [1]}) is None

    async def store(arguments: dict[str, Any], context: object) -> str:
        return "stored"

    made: AnyTool = Tool(store, spec(schema), raw_signature(schema, ""))
    assert "field_untold" in {finding.rule for finding in lint([made])}


def test_an_argument_with_a_name_that_the_model_api_refuses_is_refused() -> None:
    def buy(größe: int) -> int:
        """Buy one."""
        return größe

    with pytest.raises(UsageError, match="tool buy: its argument 'größe' has a name"):
        tool(buy)


def test_an_approval_rule_that_cannot_be_read_is_refused() -> None:
    def pay(amount: int) -> int:
        """Pay."""
        return amount

    with pytest.raises(UsageError, match=r"approval= cannot be used.*\"number or so\""):
        tool(pay, approval=a({"type": "number or so"}))
    tool(pay, approval={"oneOf": [a({"minimum": 100}), a({"maximum": 0})]})
    for odd in (float("nan"), float("inf"), {1, 2}):
        with pytest.raises(UsageError, match=r"tool pay: approval= cannot be used: .*not JSON"):
            tool(pay, approval=a({"enum": [odd]}))
    with pytest.raises(UsageError, match=r"approval= cannot be used: .*half of a surrogate pair"):
        tool(pay, approval=a({"const": "\ud800"}))


@pytest.mark.parametrize(("odd", "why"), [("\ud800", "half of a surrogate pair"), (3, "a text")])
def test_words_for_an_empty_result_that_cannot_be_told_are_refused(odd: Any, why: str) -> None:
    def look(amount: int) -> int:
        """Look."""
        return amount

    with pytest.raises(UsageError, match=f"tool look: when_empty=.*{why}"):
        tool(look, effect="read", when_empty=odd)


@pytest.mark.parametrize(
    ("schema", "arguments", "message", "hint"),
    [
        (
            a({"oneOf": [{"type": "integer"}, {"type": "number"}]}),
            {"a": 1},
            "a: fits more than one alternative, must fit exactly one: integer or number",
            "store takes a (integer or number, optional).",
        ),
        (a(False), {"a": 1}, "a: not allowed", "store takes no arguments."),
        (
            {"type": "object", "propertyNames": {"pattern": "^x"}, "minProperties": 1},
            {"a": 1},
            'the arguments: the field name "a" does not fit {"pattern": "^x"}',
            'store takes fields that fit {"propertyNames": {"pattern": "^x"}, "minProperties": 1}.',
        ),
        (
            a({"unevaluatedItems": False}),
            {"a": [1]},
            "a: has items that are not allowed, got [1]",
            "store takes a (any value, optional).",
        ),
        (
            {"$ref": "#/$defs/X", "$defs": {"X": {**a({"type": "string"}), "required": ["a"]}}},
            {},
            "a: missing, expected string",
            "store takes a (string).",
        ),
        (
            {"type": "object", "required": ["a"]},
            {},
            "a: missing, expected any value",
            'store takes fields that fit {"required": ["a"]}.',
        ),
    ],
)
def test_the_message_says_what_is_wrong_and_the_hint_does_not_contradict_it(
    schema: dict[str, Any], arguments: dict[str, Any], message: str, hint: str
) -> None:
    error = check(spec(schema), arguments)
    assert error is not None
    assert (error.message, error.hint) == (message, hint)
