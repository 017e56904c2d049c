"""Schemas of answers, whatever their draft and their references: the culprit is named."""

from typing import Any

import pytest

from playhead.tools.validation.answer import misfit

DRAFT_07 = "http://json-schema.org/draft-07/schema#"
TUPLE: dict[str, Any] = {
    "$schema": DRAFT_07,
    "type": "object",
    "properties": {"a": {"type": "array", "items": [{"type": "string"}, {"type": "number"}]}},
}
NAMED: dict[str, Any] = {
    "$schema": DRAFT_07,
    "type": "object",
    "properties": {"a": {"$ref": "#/definitions/x"}},
    "definitions": {"x": {"type": "string"}},
}
ITSELF: dict[str, Any] = {
    "type": "object", "properties": {"a": {"$ref": "#"}}, "additionalProperties": False,
}  # fmt: skip
BESIDE: dict[str, Any] = {
    "type": "object", "properties": {"a": {"$ref": "#/properties/b"}, "b": {"type": "string"}},
}  # fmt: skip


@pytest.mark.parametrize(
    ("schema", "right", "wrong", "said"),
    [
        ({"$schema": DRAFT_07, "type": "string"}, "x", 3, "answer: expected string, got 3"),
        (TUPLE, {"a": ["x", 1]}, {"a": ["x", "y"]}, 'answer.a[1]: expected number, got "y"'),
        (NAMED, {"a": "x"}, {"a": 3}, "answer.a: expected string, got 3"),
        (ITSELF, {"a": {}}, {"a": {"c": 3}}, "unknown field `answer.a.c`"),
        (BESIDE, {"a": "x"}, {"a": 3}, "answer.a: expected string, got 3"),
    ],
    ids=["draft", "tuple", "definitions", "itself", "beside"],
)
def test_an_answer_that_does_not_fit_is_told_where(
    schema: dict[str, Any], right: Any, wrong: Any, said: str
) -> None:
    assert misfit(schema, right) is None
    assert said in str(misfit(schema, wrong))
