"""Our check agrees with the `jsonschema` package: 3,000 calls over 300 random schemas."""
# pyright: basic

from collections import Counter
from random import Random
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest

from playhead.events.spec.agent import ToolSpec
from playhead.tools.validation.arguments import check
from playhead.tools.validation.schemas import SchemaFault, tool_schema

DRAFTS = {
    4: ("http://json-schema.org/draft-04/schema#", jsonschema.Draft4Validator),
    6: ("http://json-schema.org/draft-06/schema#", jsonschema.Draft6Validator),
    7: ("http://json-schema.org/draft-07/schema#", jsonschema.Draft7Validator),
    8: ("https://json-schema.org/draft/2019-09/schema", jsonschema.Draft201909Validator),
    9: ("https://json-schema.org/draft/2020-12/schema", jsonschema.Draft202012Validator),
}
SCHEMAS, CALLS = 300, 10
NAMES = ["a", "b", "c", "ab", "x-1"]
PLAIN: list[Any] = [None, True, False, 0, 1, 2, 7, -3, 1.5, "", "a", "ab", "abc", "b1", [], {}]


class Maker:
    """Makes schemas of one draft, and values that more or less fit them."""

    def __init__(self, random: Random, draft: int) -> None:
        self.random = random
        self.draft = draft
        self.names = ["E"]
        """Of the definitions that may be referred to."""

    def some(self, rate: float) -> bool:
        return self.random.random() < rate

    def root(self) -> dict[str, Any]:
        """A schema as a tool may have it: nothing at its root that the model API refuses."""
        self.names = ["E"]
        definitions = {"E": self.leaf(), "D": self.schema(1)}
        self.names = ["D", "E"]
        made = {**self.object(3), "$schema": DRAFTS[self.draft][0], "type": "object"}
        return {**made, "definitions": definitions}

    def schema(self, depth: int) -> Any:
        if self.draft >= 6 and self.some(0.08):
            return self.some(0.7)
        if depth <= 0 or self.some(0.3):
            return self.leaf()
        makers = [self.object, self.array, self.combined, self.negated, self.referred]
        made: dict[str, Any] = self.random.choice(makers)(depth)
        return made

    def leaf(self) -> dict[str, Any]:
        kinds: list[dict[str, Any]] = [
            {"type": "integer"}, {"type": "string"}, {"type": "boolean"}, {"type": "null"}, {},
            {"type": ["integer", "string"]}, {"type": "number"},
            {"enum": self.random.sample(PLAIN, 4)},
        ]  # fmt: skip
        made = self.random.choice(kinds)
        if self.some(0.3):
            made["minimum"] = self.random.randint(-2, 2)
            if self.draft == 4 and self.some(0.5):
                made["exclusiveMinimum"] = self.some(0.7)
        if self.draft >= 6 and self.some(0.15):
            made["exclusiveMaximum"] = self.random.randint(1, 5)
        if self.some(0.2):
            made["multipleOf"] = self.random.choice([2, 3])
        if self.some(0.2):
            made["maxLength"] = self.random.randint(0, 2)
        if self.some(0.2):
            made["pattern"] = self.random.choice(["^a", "b$", "[0-9]"])
        if self.some(0.1):
            made["const"] = self.random.choice(PLAIN)  # draft-04 does not know it
        return made

    def array(self, depth: int) -> dict[str, Any]:
        made: dict[str, Any] = {"type": "array"} if self.some(0.8) else {}
        if self.some(0.5):
            tuple_ = [self.schema(depth - 1) for _ in range(self.random.randint(1, 3))]
            made["prefixItems" if self.draft == 9 else "items"] = tuple_
            if self.some(0.6):
                rest = self.some(0.4) if self.some(0.5) else self.schema(depth - 1)
                made["items" if self.draft == 9 else "additionalItems"] = rest
        else:
            made["items"] = self.schema(depth - 1)
        if self.some(0.3):
            made["uniqueItems"] = True
        if self.some(0.3):
            made["minItems"] = self.random.randint(0, 2)
        if self.some(0.2):
            made["contains"] = self.schema(0)
            if self.some(0.5):
                made["maxContains"] = self.random.randint(1, 2)  # only 2019-09 and later know it
        if self.some(0.1) and "contains" not in made:
            made["unevaluatedItems"] = self.schema(0)
        return made

    def object(self, depth: int) -> dict[str, Any]:  # noqa: C901 - a keyword after the other
        names = self.random.sample(NAMES, self.random.randint(1, 4))
        made: dict[str, Any] = {"properties": {name: self.schema(depth - 1) for name in names}}
        if self.some(0.8):
            made["type"] = "object"
        if self.some(0.4):
            made["required"] = [self.random.choice(names)]
        if self.some(0.4):
            made["additionalProperties"] = self.some(0.3) if self.some(0.5) else self.schema(0)
        if self.some(0.2):
            made["patternProperties"] = {self.random.choice(["^a", "1$"]): self.schema(0)}
        if self.some(0.15):
            made["propertyNames"] = {"maxLength": 2}
        if self.some(0.15):
            made["minProperties"] = self.random.randint(1, 2)
        if self.some(0.2):
            keyword = "dependentRequired" if self.draft > 7 or self.some(0.5) else "dependencies"
            made[keyword] = {self.random.choice(NAMES): [self.random.choice(NAMES)]}
        if self.some(0.1):
            made["dependentSchemas"] = {self.random.choice(NAMES): self.schema(0)}
        if self.some(0.1):
            made["unevaluatedProperties"] = False
        return made

    def combined(self, depth: int) -> dict[str, Any]:
        keyword = self.random.choice(["allOf", "anyOf", "oneOf"])
        return {keyword: [self.schema(depth - 1) for _ in range(self.random.randint(1, 3))]}

    def negated(self, depth: int) -> dict[str, Any]:
        if self.some(0.5):
            return {"not": self.schema(0)}
        return {"if": self.schema(0), "then": self.schema(depth - 1), "else": self.schema(0)}

    def referred(self, depth: int) -> dict[str, Any]:
        made = {"$ref": f"#/definitions/{self.random.choice(self.names)}"}
        return {**made, "maximum": 5} if self.some(0.4) else made

    def arguments(self, schema: dict[str, Any]) -> dict[str, Any]:
        value = self.value(schema, schema, 4)
        return value if isinstance(value, dict) else {}

    def value(self, schema: Any, root: Any, depth: int) -> Any:  # noqa: C901 - likewise
        """A value that often fits."""
        if not isinstance(schema, dict) or depth <= 0 or self.some(0.1):
            return self.random.choice(PLAIN)
        if "$ref" in schema:
            return self.value(root["definitions"][schema["$ref"][-1]], root, depth - 1)
        for keyword in ("anyOf", "oneOf", "allOf"):
            if keyword in schema:
                return self.value(self.random.choice(schema[keyword]), root, depth - 1)
        if "enum" in schema:
            return self.random.choice(schema["enum"])
        if "properties" in schema:
            wanted = {n: s for n, s in schema["properties"].items()
                      if self.some(0.7) or n in schema.get("required", ())}  # fmt: skip
            made = {name: self.value(each, root, depth - 1) for name, each in wanted.items()}
            if self.some(0.2):
                made[self.random.choice(NAMES)] = self.random.choice(PLAIN)
            return made
        if "items" in schema or "prefixItems" in schema:
            parts = schema.get("prefixItems", schema.get("items"))
            parts = parts if isinstance(parts, list) else [parts] * self.random.randint(0, 3)
            made_list = [self.value(each, root, depth - 1) for each in parts]
            return [*made_list, 1] if self.some(0.3) else made_list
        kinds = {"integer": (int,), "string": (str,), "boolean": (bool,), "null": (type(None),)}
        fitting = [p for p in PLAIN if type(p) in kinds.get(str(schema.get("type")), ())]
        return self.random.choice(fitting or PLAIN)


def accepted(schema: dict[str, Any]) -> tuple[dict[str, Any], str | None]:
    """The schema as a tool has it, or why no tool has it."""
    try:
        return tool_schema(schema)[0], None
    except SchemaFault as fault:
        return {}, str(fault)


@pytest.mark.parametrize("draft", DRAFTS)
def test_every_call_is_judged_as_the_jsonschema_package_judges_it(draft: int) -> None:
    """Also the schemas that are refused because they contradict themselves: nothing fits them."""
    maker = Maker(Random(f"schemas of {draft}"), draft)
    seen = Counter[str]()
    for number in range(SCHEMAS // len(DRAFTS)):
        schema = maker.root()
        judge = DRAFTS[draft][1](schema)
        judge.check_schema(schema)
        calls = [maker.arguments(schema) for _ in range(CALLS)]
        expected = [bool(judge.is_valid(each)) for each in calls]
        made, fault = accepted(schema)
        if fault is not None:
            assert "contradicts itself" in fault, schema
            assert not any(expected), schema
            seen["refused"] += CALLS
            continue
        spec = ToolSpec(name="t", description="", input_schema=made, definition=str(number))
        for arguments, fits in zip(calls, expected, strict=True):
            wrong = check(spec, arguments)
            assert (wrong is None) == fits, (schema, arguments, wrong)
            seen["valid" if wrong is None else "invalid"] += 1
            if wrong is not None:
                assert wrong.message
                assert "takes no arguments" not in str(wrong.hint) or "unknown" in wrong.message
    assert seen.total() == SCHEMAS // len(DRAFTS) * CALLS
    assert min(seen["valid"], seen["invalid"]) > 100, seen
