"""Explains invalid arguments: the field, what is allowed, and the nearest valid value.

The text is composed from the structure of each error (where, which keyword, the schema there), so
that it is the same under every version of the validation library: a replay compares it.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias, cast

from jsonschema_rs import ValidationError

from playhead.events.event import Json
from playhead.tools.validation.did_you_mean import nearest

SHOWN = 3
"""The number of problems explained at once."""

Path: TypeAlias = Sequence[str | int]
Schema: TypeAlias = Mapping[str, Any]


class ArgumentProblem(NamedTuple):
    """One problem. Sorted, unknown fields come first, because they explain missing ones."""

    rank: int
    path: str
    text: str
    meant: str = ""
    """The field that was probably meant; that it is missing need not be reported too."""


def problems(errors: Iterable[ValidationError], schema: Json, arguments: Any) -> str:
    """The first few problems in one line, and how many more there are."""
    found: set[ArgumentProblem] = set()
    for error in errors:
        found.update(_problems(error, schema, arguments))
    ordered = sorted(found)
    meant = {p.meant for p in ordered}
    told = [p for p in ordered if p.rank != 1 or p.path not in meant]
    more = f"; and {len(told) - SHOWN} more" if len(told) > SHOWN else ""
    return "; ".join(p.text for p in told[:SHOWN]) + more


OPEN = (
    "required", "additionalProperties", "patternProperties", "unevaluatedProperties",
    "propertyNames", "minProperties", "oneOf", "anyOf", "allOf", "not", "if", "dependentRequired",
    "dependentSchemas",
)  # fmt: skip
"""Keywords by which a schema without properties still asks for, or allows, arguments."""


def takes(name: str, schema: Schema) -> str:
    """One line that says what a tool takes."""
    root = schema
    for _ in range(8):  # a chain of references
        target = _schema(_ref(schema.get("$ref"), root))
        if target is None:
            break
        schema = {**{k: v for k, v in schema.items() if k != "$ref"}, **target}
    fields = {k: sub for k, sub in schema.get("properties", {}).items() if sub is not False}
    if not fields:
        rules = {keyword: schema[keyword] for keyword in OPEN if schema.get(keyword)}
        return f"{name} takes {'fields that fit ' + show(rules) if rules else 'no arguments'}."
    required = schema.get("required", ())
    listed = [
        f"{field} ({allowed(sub, root)}{'' if field in required else ', optional'})"
        for field, sub in fields.items()
    ]
    return f"{name} takes {', '.join(listed[:30])}{', ...' if len(listed) > 30 else ''}."


def allowed(anything: Any, root: Json | Schema, depth: int = 0) -> str:
    """The values that a schema allows, in short: `integer or null`."""
    schema = _schema(anything)
    if schema is None or depth > 8:
        return "any value"
    if "$ref" in schema:
        return allowed(_ref(schema["$ref"], root), root, depth + 1)
    if "const" in schema:
        return show(schema["const"])
    if "enum" in schema:
        return f"one of {', '.join(show(v) for v in schema['enum'][:20])}"
    for keyword in ("anyOf", "oneOf"):
        if keyword in schema:
            words = [allowed(branch, root, depth + 1) for branch in schema[keyword]]
            return " or ".join(dict.fromkeys(words))
    types: str | list[str] = schema.get("type", ())
    if not types:
        words = [allowed(part, root, depth + 1) for part in schema.get("allOf", ())]
        return next((each for each in words if each != "any value"), "any value")
    return types if isinstance(types, str) else " or ".join(types)


def show(value: Any) -> str:
    """A value as JSON, shortened."""
    if isinstance(value, int) and value.bit_length() > 256:
        return "an integer with very many digits"
    try:
        text = json.dumps(value, ensure_ascii=False, default=repr)
    except (ValueError, RecursionError):
        return "a deeply nested value"
    return text if len(text) <= 60 else f"{text[:57]}..."


def _problems(error: ValidationError, root: Json, arguments: Any) -> Iterable[ArgumentProblem]:
    path, keyword = _path(arguments, error.instance_path), error.kind.name
    value = _at(arguments, path)
    schema = _described(error, root)
    if (rare := _rare(error, schema, value)) is not None:
        return [_problem(path, rare)]
    if keyword in ("additionalProperties", "unevaluatedProperties"):
        return _unknown(getattr(error.kind, "unexpected", ()), schema, path)
    if keyword == "required":
        return [_missing(_property(error), schema, root, path)]
    if keyword in ("anyOf", "oneOf"):
        return _of_branches(error, schema, root, arguments)
    if keyword in BOUNDS:
        bound = BOUNDS[keyword](schema[keyword])
        return [_problem(path, f"{bound}, got {_measured(keyword, value)}")]
    if keyword in ("type", "enum", "const"):
        return [_other(path, value, allowed(schema, root), schema.get("enum", ()))]
    return [_problem(path, f"{show(value)} does not fit {keyword}: {show(schema.get(keyword))}")]


def _described(error: ValidationError, root: Json) -> Schema:
    """The schema that an error comes from; below an `$id`, only as much as the error repeats."""
    keyword, value = error.kind.name, error.kind.value
    found = _schema(_at(root, error.schema_path[:-1]))
    if found is not None and (keyword in found or keyword in WITHOUT_A_KEYWORD):
        return found
    return {} if keyword in ("anyOf", "oneOf") else {keyword: value}


WITHOUT_A_KEYWORD = frozenset({"falseSchema", "required", "contains"})
"""Errors that come from a keyword of another name, or from none."""


def _rare(error: ValidationError, schema: Schema, value: Any) -> str | None:
    """The text for a keyword that says nothing by itself, or None for any other keyword."""
    match error.kind.name:
        case "falseSchema":
            return "not allowed"
        case "propertyNames":
            names = getattr(error.kind, "error", error)
            return f"the field name {show(names.instance)} does not fit {_rule_of(names)}"
        case "unevaluatedItems" | "additionalItems":
            return f"has items that are not allowed, got {show(value)}"
        case "not":
            return f"must not fit {show(error.kind.value)}, got {show(value)}"
        case "contains":
            return _contains(str(error.schema_path[-1]), schema, value)
        case _:
            return None


def _rule_of(names: ValidationError) -> str:
    rule = {} if names.kind.name == "falseSchema" else {names.kind.name: names.kind.value}
    return show(rule) if rule else "any allowed name"


def _contains(keyword: str, schema: Schema, value: Any) -> str:
    rule = show(schema.get("contains", True))
    match keyword:
        case "minContains":
            most = f"must have at least {schema.get(keyword)} items that fit {rule}"
        case "maxContains":
            most = f"must have at most {schema.get(keyword)} items that fit {rule}"
        case _:
            most = f"must have an item that fits {rule}"
    return f"{most}, got {show(value)}"


def _problem(path: Path, text: str) -> ArgumentProblem:
    where = _name(path)
    return ArgumentProblem(2, where, f"{where or 'the arguments'}: {text}")


def _unknown(names: Iterable[str], schema: Schema, path: Path) -> Iterable[ArgumentProblem]:
    fields: Schema = schema.get("properties", {})
    for name in names:
        close = nearest(name, fields)
        if close:
            more = f"did you mean `{close}`?"
        elif fields:
            more = f"allowed are {', '.join(f'`{f}`' for f in list(fields)[:10])}"
        else:
            more = "none is allowed here"
        where = _name([*path, name])
        meant = _name([*path, close]) if close else ""
        yield ArgumentProblem(0, where, f"unknown field `{where}`: {more}", meant)


def _property(error: ValidationError) -> str:
    return str(getattr(error.kind, "property", ""))


def _missing(name: str, schema: Schema, root: Json, path: Path) -> ArgumentProblem:
    sub = schema.get("properties", {}).get(name, True)
    where = _name([*path, name])
    return ArgumentProblem(1, where, f"{where}: missing, expected {allowed(sub, root)}")


def _other(path: Path, value: Any, words: str, options: Sequence[Any] = ()) -> ArgumentProblem:
    text = f"expected {words}, got {show(value)}"
    return _problem(path, text + _suggestion(value, words, options))


def _of_branches(
    error: ValidationError, schema: Schema, root: Json, arguments: Any
) -> Iterable[ArgumentProblem]:
    """The problems of the branch that was probably meant, where one stands out."""
    branches: Sequence[Sequence[ValidationError]] = getattr(error.kind, "context", ())
    here = _path(arguments, error.instance_path)
    if error.kind.name == "oneOf" and not all(branches):
        words = " or ".join(_alternative(each, root) for each in schema.get("oneOf", ()))
        text = "fits more than one alternative, must fit exactly one"
        return [_problem(here, f"{text}: {words}" if words else text)]
    meant = [b for b in branches if not any(_refuses_whole(e, error) for e in b)]
    if not meant:
        return [_other(here, _at(arguments, here), allowed(schema, root))]
    tags = [[e for e in branch if e.kind.name == "const"] for branch in meant]
    if len(meant) > 1 and all(tags):
        firsts = [branch[0] for branch in tags]
        words = " or ".join(show(_at(root, e.schema_path)) for e in firsts)
        path = _path(arguments, firsts[0].instance_path)
        return [_other(path, _at(arguments, path), words)]
    best = min(meant, key=lambda b: (sum(e.kind.name == "const" for e in b), len(b)))
    return [p for e in best for p in _problems(e, root, arguments)]


def _alternative(branch: Any, root: Json) -> str:
    words = allowed(branch, root)
    return show(branch) if words == "any value" and branch else words


def _refuses_whole(error: ValidationError, outer: ValidationError) -> bool:
    whole = error.instance_path == outer.instance_path
    return whole and error.kind.name in ("type", "enum", "const")


def _suggestion(value: Any, words: str, options: Sequence[Any]) -> str:
    """The nearest value of an enum, or the JSON inside a string."""
    if not isinstance(value, str):
        return ""
    close = nearest(value, [v for v in options if isinstance(v, str)])
    if close:
        return f": did you mean {show(close)}?"
    try:
        inside = json.loads(value) if len(value) < 10_000 else value
    except (ValueError, RecursionError):
        return ""
    if _type(inside) in words.split(" or "):
        return f": did you mean {show(inside)}, without the quotes around it?"
    return ""


def _type(value: Any) -> str:
    names = {bool: "boolean", int: "integer", float: "number", list: "array", dict: "object"}
    return next((word for kind, word in names.items() if type(value) is kind), "")


BOUNDS: Mapping[str, Callable[[Any], str]] = {
    "minimum": lambda bound: f"must be at least {show(bound)}",
    "maximum": lambda bound: f"must be at most {show(bound)}",
    "exclusiveMinimum": lambda bound: f"must be more than {show(bound)}",
    "exclusiveMaximum": lambda bound: f"must be less than {show(bound)}",
    "multipleOf": lambda bound: f"must be a multiple of {show(bound)}",
    "minLength": lambda bound: f"must have at least {bound} characters",
    "maxLength": lambda bound: f"must have at most {bound} characters",
    "minItems": lambda bound: f"must have at least {bound} items",
    "maxItems": lambda bound: f"must have at most {bound} items",
    "minProperties": lambda bound: f"must have at least {bound} fields",
    "maxProperties": lambda bound: f"must have at most {bound} fields",
    "uniqueItems": lambda _: "must not contain an item twice",
    "pattern": lambda bound: f"must match the pattern {show(bound)}",
}


def _measured(keyword: str, value: Any) -> str:
    return str(len(value)) if keyword[3:] in ("Length", "Items", "Properties") else show(value)


def _name(path: Path) -> str:
    """A path in the usual notation: `items[1].amount`."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}"
    text = text.removeprefix(".")
    return text if len(text) <= 200 else f"{text[:100]}...{text[-97:]}"


def _schema(value: Any) -> Schema | None:
    return cast("Schema", value) if isinstance(value, Mapping) else None


def _ref(pointer: Any, root: Any) -> Any:
    """What a reference within the document names; True, any value, where that is not found."""
    if not isinstance(pointer, str) or not pointer.startswith("#"):
        return True
    if pointer.startswith("#/"):
        steps = [s.replace("~1", "/").replace("~0", "~") for s in pointer[2:].split("/")]
        return _at(root, steps)
    return root if pointer == "#" else _anchored(pointer[1:], root)


def _anchored(name: str, root: Any) -> Any:
    """The definition with this `$anchor`."""
    definitions = {**root.get("$defs", {}), **root.get("definitions", {})}
    for each in map(_schema, definitions.values()):
        if each is not None and name in (each.get("$anchor"), each.get("$dynamicAnchor")):
            return each
    return True


def _at(value: Any, path: Path) -> Any:
    for step in path:
        try:
            value = value[_step(value, step)]
        except (KeyError, IndexError, TypeError):
            return None
    return value


def _path(value: Any, path: Path) -> Path:
    """The library reports a key such as "0" as a number; the value tells them apart."""
    return [_step(_at(value, path[:i]), step) for i, step in enumerate(path)]


def _step(value: Any, step: str | int) -> str | int:
    return str(step) if isinstance(value, Mapping) else step
