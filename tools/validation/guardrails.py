"""Guardrails given as data: their verdict on a text. Pure, so that a role may decide on it."""

import json
from functools import lru_cache

from jsonschema_rs import Draft202012Validator, RegexOptions, ValidationError

from playhead.events.spec.guardrails import GuardrailSpec, Verdict
from playhead.tools.validation.answer import parse_output
from playhead.tools.validation.schemas import schema_fault


def verdict_on(spec: GuardrailSpec, text: str) -> Verdict:
    """The verdict of a guardrail without a function."""
    why = _applies(spec, text)
    if why is None:
        return Verdict.allow()
    if spec.verdict == "replace":
        return Verdict.replace(spec.text)
    return Verdict(verdict=spec.verdict, text=spec.text or f"guardrail {spec.name}: {why}")


def _applies(spec: GuardrailSpec, text: str) -> str | None:
    """Which condition applies, without the text itself."""
    if spec.max_chars is not None and len(text) > spec.max_chars:
        return f"the text is longer than {spec.max_chars} characters"
    folded = text.casefold() if spec.words else ""
    if any(word.casefold() in folded for word in spec.words):
        return "the text contains a word that is not allowed"
    if spec.pattern is not None and not _without(spec.pattern).is_valid(text):
        return "the text matches a pattern that is not allowed"
    if spec.json_schema is not None:
        return parse_output(spec.json_schema, text)[1]
    return None


@lru_cache(maxsize=256)
def _without(pattern: str) -> Draft202012Validator:
    """Accepts texts in which the pattern is not found, in time linear in the text."""
    return Draft202012Validator({"not": {"pattern": pattern}}, pattern_options=RegexOptions())


def data_fault(spec: GuardrailSpec) -> str | None:
    """Why the conditions cannot work; None if they can."""
    if spec.pattern is not None:
        try:
            _without(spec.pattern)
        except (ValidationError, ValueError):
            shown = json.dumps(spec.pattern)
            return f"pattern={shown} is not a regular expression without lookaround"
    if spec.json_schema is not None:
        fault = schema_fault(spec.json_schema)
        return None if fault is None else f"json_schema: {fault}"
    return None
