"""What can go wrong with a call over OpenAI's protocols, by the error's code, else by its status.

Servers that speak them differ: `code` may be a word or a status, the error may be bare, in a
list, or text. What says nothing counts by its HTTP status.
"""

import json
import re
from collections.abc import Mapping
from typing import Any, cast

from playhead.events.errors import ModelError
from playhead.tools.models.errors import LONGEST_WAIT, ModelFault, by_status, one_line, retry_after

_CODES: Mapping[str, ModelFault] = {
    "insufficient_quota": ModelFault(
        "spend_limit", False, "the account's quota is used up: raise it, or wait"
    ),
    "billing_hard_limit_reached": ModelFault("billing", False, "the account cannot be billed"),
    "context_length_exceeded": ModelFault(
        "invalid_request", False, "the prompt is longer than the model's context window"
    ),
    "model_not_found": ModelFault("not_found", False, "check the model's name"),
    "content_filter": ModelFault("refusal", False),
    "content_policy_violation": ModelFault("refusal", False),
    "invalid_prompt": ModelFault("refusal", False),
    "bio_policy": ModelFault("refusal", False),
    "misalignment_policy_violation": ModelFault("refusal", False),
    "rate_limit_exceeded": ModelFault("rate_limit", True),
    "server_error": ModelFault("server_error", True),
    "internal_error": ModelFault("server_error", True),
    "overloaded": ModelFault("overloaded", True),
    "overloaded_error": ModelFault("overloaded", True),
    "server_overloaded": ModelFault("overloaded", True),
    "slow_down": ModelFault("overloaded", True),
}

_IN_STREAM: Mapping[str, ModelFault] = {
    "invalid_request_error": ModelFault("invalid_request", False),
    "rate_limit_error": ModelFault("rate_limit", True),
    "authentication_error": ModelFault("authentication", False),
}
"""Types that say something where the status is 200: elsewhere the status says more."""

_SPAN = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def refused(status: int, body: bytes | object, headers: Mapping[str, str], key: str) -> ModelError:
    """The error in an HTTP response, or in a stream (status 200).

    Args:
        status: of the response.
        body: its bytes, or its JSON.
        headers: of the response.
        key: the environment variable that holds the API key, for the advice.
    """
    told, text = _told(body)
    fault = _fault(status, told)
    if fault.error == "authentication":
        fault = fault._replace(advice=f"the API key was refused: set {key}")
    said = one_line(told.get("message") or text) or "no message"
    where = "an error in the stream" if status == 200 else f"HTTP {status}"
    should = {"true": True, "false": False}.get(headers.get("x-should-retry", ""))
    return ModelError(
        fault.error,
        f"{fault.advice} ({where}: {said})" if fault.advice else f"{where}: {said}",
        status=status,
        retryable=fault.retryable if should is None else should,
        retry_after=wait_of(headers),
    )


def _told(body: bytes | object) -> tuple[Mapping[str, Any], str]:
    """The error object, and what was said if there is none."""
    value, text = body, ""
    if isinstance(body, bytes):
        text = body.decode("utf-8", "replace")
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            return {}, text
    if isinstance(value, list) and value:
        value = cast("list[object]", value)[0]
    if not isinstance(value, Mapping):
        return {}, text
    found = cast("Mapping[str, Any]", value)
    inner = found.get("error")
    if isinstance(inner, Mapping):
        return cast("Mapping[str, Any]", inner), text
    return (found, text) if "message" in found else ({"message": inner or text}, text)


def _fault(status: int, told: Mapping[str, Any]) -> ModelFault:
    code, kind = str(told.get("code") or ""), str(told.get("type") or "")
    if found := _CODES.get(code) or _CODES.get(kind):
        return found
    if status != 200:
        return by_status(status)
    if code.isdigit() and 400 <= int(code) < 600:
        return by_status(int(code))
    return _IN_STREAM.get(code) or _IN_STREAM.get(kind) or ModelFault("server_error", True)


def wait_of(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait: `retry-after`, else until the limit that is used up has room again."""
    if (told := retry_after(headers)) is not None:
        return told
    waits = [
        seconds
        for what in ("requests", "tokens")
        if headers.get(f"x-ratelimit-remaining-{what}") == "0"
        and (seconds := _span(headers.get(f"x-ratelimit-reset-{what}", ""))) is not None
    ]
    return max(waits, default=None)


def _span(text: str) -> float | None:
    """Seconds of `6m0s`, `120ms` or `1.5s`."""
    found = _SPAN.findall(text)
    if not found or "".join(n + unit for n, unit in found) != text:
        return None
    return min(sum(float(n) * _SECONDS[unit] for n, unit in found), LONGEST_WAIT)
