"""The Messages API's usage as ours; what Usage has no field for is kept apart."""

from collections.abc import Iterable, Mapping
from typing import Any, cast

from pydantic import ValidationError

from playhead.events.event import Block
from playhead.events.usage import Iteration, Tokens, Usage
from playhead.tools.models.errors import malformed

DETAILS: Mapping[str, Mapping[str, str]] = {
    "cache_creation": {"ephemeral_1h_input_tokens": "cache_creation_1h_input_tokens"},
    "output_tokens_details": {"thinking_tokens": "thinking_tokens"},
    "server_tool_use": {"web_search_requests": "web_search_requests"},
}
"""Group of the API's usage -> its fields and our names for them."""

EXECUTIONS = frozenset({
    "code_execution", "bash_code_execution", "text_editor_code_execution",
})  # fmt: skip
"""Names of server_tool_use blocks that run code in a container."""

RATES = (("service_tier", "batch"), ("speed", "fast"), ("inference_geo", "us"))
"""Fields of the API's usage, and the value with which the rate of that name applies."""

TAKEN = frozenset({*Tokens.model_fields, "iterations"})


class UsageCount:
    """Counts are totals: a later count replaces an earlier one."""

    def __init__(self) -> None:
        self._told: dict[str, Any] = {}

    def add(self, usage: Mapping[str, Any] | None) -> None:
        """Take in the usage of one event."""
        self._told |= {name: n for name, n in (usage or {}).items() if n is not None}

    @property
    def so_far(self) -> Usage | None:
        """The usage reported so far; None if there is none, or it cannot be read."""
        try:
            return _usage(self._told) if self._told else None
        except (ValidationError, AttributeError, TypeError):
            return None

    def complete(self, content: Iterable[Block]) -> tuple[Usage, dict[str, Any]]:
        """A whole reply's usage, and the fields that have no place in it. Raises ModelError."""
        try:
            usage = _usage(self._told)
        except (ValidationError, AttributeError, TypeError) as error:
            raise malformed(why="the usage of the reply does not consist of numbers") from error
        ran = sum(b["type"] == "server_tool_use" and b.get("name") in EXECUTIONS for b in content)
        if ran:
            usage = usage.model_copy(update={"code_executions": ran})
        return usage, _unplaced(self._told)


def _usage(told: Mapping[str, Any]) -> Usage:
    fields = _tokens(told, Usage.model_fields)
    fields.pop("iterations", None)
    if listed := told.get("iterations"):
        fields["iterations"] = tuple(_iteration(each) for each in listed)
    rates = tuple([rate for name, rate in RATES if told.get(name) == rate])
    return Usage.model_validate({**fields, "rates": rates}, strict=True)


def _iteration(told: Mapping[str, Any]) -> Iteration:
    return Iteration.model_validate(_tokens(told, Iteration.model_fields), strict=True)


def _tokens(told: Mapping[str, Any], known: Iterable[str]) -> dict[str, Any]:
    """The fields that we know, those of groups included."""
    found = {name: told[name] for name in known if told.get(name) is not None}
    for group, fields in DETAILS.items():
        details: Mapping[str, Any] = told.get(group) or {}
        found |= {ours: details[theirs] for theirs, ours in fields.items() if details.get(theirs)}
    return {name: found[name] for name in known if name in found}


def _unplaced(told: Mapping[str, Any]) -> dict[str, Any]:
    """The API's fields that Usage does not have, verbatim."""
    left: dict[str, Any] = {}
    for name, value in told.items():
        if name in DETAILS and isinstance(value, Mapping):
            group = cast("Mapping[str, Any]", value)
            more = {k: v for k, v in group.items() if k not in (*DETAILS[name], *IMPLIED) and v}
            left |= {name: more} if more else {}
        elif name not in TAKEN or (name == "iterations" and not all(map(_is_known, value))):
            left[name] = value
    return left


def _is_known(iteration: Mapping[str, Any]) -> bool:
    """Whether everything that the API says of an iteration has a place in Iteration."""
    return iteration.keys() <= {*Iteration.model_fields, "cache_creation"}


IMPLIED = ("ephemeral_5m_input_tokens",)
"""Follows from the other counts."""
