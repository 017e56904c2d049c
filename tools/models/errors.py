"""What can go wrong with a model call, in one table: its name, and whether to retry.

An error's `type` in the body takes precedence over the HTTP status: inside a stream the status is
always 200, and proxies put their own statuses on errors of the API.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple, cast

from playhead.events.errors import ModelError

LONGEST_WAIT = 3600.0
"""Seconds; longer waits that a server asks for are cut to this."""


class ModelFault(NamedTuple):
    """The fault's name, whether the same request may work later, and what a user can do."""

    error: str
    retryable: bool
    advice: str = ""


_TYPES: Mapping[str, ModelFault] = {
    "invalid_request_error": ModelFault("invalid_request", False),
    "authentication_error": ModelFault(
        "authentication", False, "the API key was refused: set ANTHROPIC_API_KEY"
    ),
    "billing_error": ModelFault(
        "billing", False, "the account cannot be billed: see its billing page"
    ),
    "permission_error": ModelFault("permission", False, "the API key may not do this"),
    "not_found_error": ModelFault("not_found", False, "check the model's name and the base URL"),
    "request_too_large": ModelFault("request_too_large", False, "the request is too large"),
    "rate_limit_error": ModelFault("rate_limit", True),
    "timeout_error": ModelFault("timeout", True),
    "conflict_error": ModelFault("conflict", True),
    "api_error": ModelFault("server_error", True),
    "overloaded_error": ModelFault("overloaded", True),
}

_STATUSES: Mapping[int, ModelFault] = {
    400: _TYPES["invalid_request_error"],
    401: _TYPES["authentication_error"],
    402: _TYPES["billing_error"],
    403: _TYPES["permission_error"],
    404: _TYPES["not_found_error"],
    408: _TYPES["timeout_error"],
    409: _TYPES["conflict_error"],
    413: _TYPES["request_too_large"],
    422: _TYPES["invalid_request_error"],
    429: _TYPES["rate_limit_error"],
    503: _TYPES["overloaded_error"],
    529: _TYPES["overloaded_error"],
}

_UNPAID = frozenset(
    {
        "contract_spend_limit_reached",
        "enforced_spend_limit_reached",
        "linked_organization_spend_limit_reached",
        "linked_organization_billing_unavailable",
    }
)
"""`error.details.error_code` of a 429 that waiting does not fix."""

_SPENT = ModelFault("spend_limit", False, "the account's spend limit is reached: raise it, or wait")


def truncated(why: str) -> ModelError:
    """The reply ended early."""
    return ModelError("truncated", why, retryable=True)


def malformed(why: str) -> ModelError:
    """Not a reply of the Messages API; retryable, since restarting proxies answer so."""
    return ModelError("malformed_reply", why, retryable=True)


def stream_error(event: Mapping[str, Any]) -> ModelError:
    """The error in an `error` event of a stream that began with 200."""
    return refused(200, event, {})


def refused(status: int, body: object, headers: Mapping[str, str]) -> ModelError:
    """The error in an HTTP response. `body` is its JSON (`{"error": {...}}`) or its text."""
    told = _mapping(_mapping(body).get("error") or body)  # Bedrock's errors are bare
    fault = _fault(status, told)
    said = one_line(told.get("message") or (body if isinstance(body, str) else "")) or "no message"
    where = "an error in the stream" if status == 200 else f"HTTP {status}"
    return ModelError(
        fault.error,
        f"{fault.advice} ({where}: {said})" if fault.advice else f"{where}: {said}",
        status=status,
        retryable=_server_says(headers, fault.retryable),
        retry_after=retry_after(headers),
    )


def _mapping(value: object) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else {}


def _fault(status: int, told: Mapping[str, Any]) -> ModelFault:
    code = _mapping(told.get("details")).get("error_code")
    if code in _UNPAID or (status == 429 and "spend limit" in str(told.get("message")).lower()):
        return _SPENT
    return _TYPES.get(str(told.get("type"))) or by_status(status)


def by_status(status: int) -> ModelFault:
    """The fault that an HTTP status alone says."""
    if fault := _STATUSES.get(status):
        return fault
    if 400 <= status < 500:
        return ModelFault("invalid_request", False)
    return ModelFault("server_error", status == 200 or status >= 500)


def _server_says(headers: Mapping[str, str], retryable: bool) -> bool:
    return {"true": True, "false": False}.get(headers.get("x-should-retry", ""), retryable)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that the server asks us to wait, from 0 to LONGEST_WAIT; None if it did not say.

    `retry-after` is a number of seconds or an HTTP date (RFC 9110, 10.2.3), `retry-after-ms` wins.
    """
    try:
        if milliseconds := headers.get("retry-after-ms"):
            return _bounded(float(milliseconds) / 1000)
    except ValueError:
        pass
    told = headers.get("retry-after")
    if not told:
        return None
    try:
        return _bounded(float(told))
    except ValueError:
        return _until(told, headers.get("date"))


def _until(date: str, now: str | None) -> float | None:
    """By the server's own clock if it sent one: ours may be wrong."""
    try:
        then = parsedate_to_datetime(date)
        start = parsedate_to_datetime(now) if now else datetime.now(UTC)
        return _bounded((then - start).total_seconds())
    except (ValueError, TypeError):
        return None


def _bounded(seconds: float) -> float | None:
    return min(max(seconds, 0.0), LONGEST_WAIT) if seconds == seconds else None


def one_line(text: object) -> str:
    """A server's message shortened to one line."""
    words = " ".join(str(text).split())
    return words if len(words) <= 300 else words[:299] + "…"
