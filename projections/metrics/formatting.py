"""Figures in words: what each is called, and a value as a person reads it."""

from collections.abc import Mapping

CALLED: Mapping[str, str] = {
    "completion_rate": "tasks completed",
    "steps_per_task": "steps per task",
    "tool_error_rate": "tool errors",
    "cost_ratio": "cost against before",
    "p95_seconds": "95 % are done within",
    "cost_per_task": "cost per task",
    "tokens_per_task": "tokens per task",
    "cache_hit_rate": "prompt cache hits",
    "runs": "runs",
    "open_runs": "open runs",
    "approvals_waiting": "approvals waiting",
    "guard_stops": "stopped by a guard",
    "retries": "retries",
}


def value_text(value: float | None, unit: str) -> str:
    """A value with its unit: "share", "s", "USD", or "" for a plain number."""
    if value is None:
        return "unknown"
    match unit:
        case "share":
            return f"{value * 100:.3g} %"
        case "s":
            return duration_text(value)
        case "USD":
            return f"${value:,.4f}" if value < 1 else f"${value:,.2f}"
        case _:
            return f"{value:,.4g}" if value % 1 else f"{value:,.0f}"


def duration_text(seconds: float) -> str:
    """Seconds in the unit that a person would choose."""
    if seconds < 1:
        return f"{seconds * 1000:.3g} ms"
    if seconds < 120:
        return f"{seconds:.3g} s"
    minutes, left = divmod(round(seconds), 60)
    return f"{minutes} min {left} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
