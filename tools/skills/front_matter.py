"""The front matter of a SKILL.md, checked against the Agent Skills specification.

Source: https://agentskills.io/specification.
"""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple, cast

from pydantic import TypeAdapter, ValidationError

from playhead.events.errors import UsageError

NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_METADATA = TypeAdapter(dict[str, str])
MOST = {"name": 64, "description": 1024, "compatibility": 500}
"""The longest value of a field, in characters."""
FIELDS = ("name", "description", "license", "compatibility", "metadata", "allowed-tools")


class FrontMatter(NamedTuple):
    """What a SKILL.md says about itself, and the rest of it."""

    name: str
    description: str
    body: str
    license: str | None
    compatibility: str | None
    metadata: dict[str, str]
    allowed_tools: tuple[str, ...]


def read_front_matter(text: str, folder: str) -> FrontMatter:
    """Read a SKILL.md; `folder` is its folder's name.

    Raises UsageError for what the specification does not allow, and where PyYAML is missing.
    """
    head, body = _split(text, folder)
    fields = _fields(head, folder)
    unknown = [name for name in fields if name not in FIELDS]
    if unknown:
        raise _wrong(folder, f"it has the unknown fields {', '.join(map(str, unknown))}")
    for name, most in MOST.items():
        value = fields.get(name)
        if name in fields and not (isinstance(value, str) and 0 < len(value.strip()) <= most):
            raise _wrong(folder, f"{name} must be a text of 1 to {most} characters")
    for name in ("name", "description"):
        if name not in fields:
            raise _wrong(folder, f"it has no {name}")
    name = fields["name"]
    if NAME.fullmatch(name) is None:
        raise _wrong(folder, f"name {name!r} may have a-z, 0-9 and single hyphens between them")
    if name != folder:
        raise _wrong(folder, f"its name is {name!r}, and must be that of its folder, {folder!r}")
    return FrontMatter(
        name, fields["description"].strip(), body.strip(), _text(fields, "license", folder),
        fields.get("compatibility"), _metadata(fields, folder),
        tuple((_text(fields, "allowed-tools", folder) or "").split()),
    )  # fmt: skip


def _split(text: str, folder: str) -> tuple[str, str]:
    found = re.match(r"\ufeff?---[ \t]*\r?\n(.*?)^---[ \t]*\r?$\n?", text, re.DOTALL | re.MULTILINE)
    if found is None:
        raise _wrong(folder, "it must begin with front matter between two lines of ---")
    return found[1], text[found.end() :]


def _fields(head: str, folder: str) -> Mapping[str, Any]:
    try:
        import yaml  # type: ignore[import-untyped]
    except ImportError as error:
        msg = "skills need PyYAML: pip install 'playhead[skills]'"
        raise UsageError(msg) from error
    try:
        fields = yaml.safe_load(head)
    except yaml.YAMLError as error:
        why = " ".join(str(error).split())[:200]
        raise _wrong(folder, f"its front matter is not YAML: {why}") from error
    if not isinstance(fields, dict):
        raise _wrong(folder, "its front matter must be a map of fields")
    return cast("dict[str, Any]", fields)


def _text(fields: Mapping[str, Any], name: str, folder: str) -> str | None:
    value = fields.get(name)
    if value is not None and not isinstance(value, str):
        raise _wrong(folder, f"{name} must be a text")
    return value


def _metadata(fields: Mapping[str, Any], folder: str) -> dict[str, str]:
    try:
        return _METADATA.validate_python(fields.get("metadata") or {}, strict=True)
    except ValidationError as error:
        why = 'metadata must map texts to texts: quote numbers, such as "1.0"'
        raise _wrong(folder, why) from error


def _wrong(folder: str, why: str) -> UsageError:
    return UsageError(f"skill {folder}: SKILL.md: {why}")
