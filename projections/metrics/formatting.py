"""Numbers as people read them: what each indicator is called, durations, dollars, shares."""

from collections.abc import Mapping

from playhead.events.spec.prices import PICODOLLARS

CALLED: Mapping[str, str] = {
    "completion_rate": "tasks completed",
    "steps_per_task": "steps per task",
    "tool_error_rate": "tool errors",
    "cost_ratio": "cost against baseline",
    "p95_seconds": "p95 duration",
    "judged_pass_rate": "passed by evaluators",
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
            return dollars_text(value)
        case _:
            return f"{value:,.4g}" if value % 1 else f"{value:,.0f}"


def duration_text(seconds: float) -> str:
    """Seconds in the unit that a person would choose."""
    if seconds < 0.01:
        return f"{seconds * 1000:.3g} ms"
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 120:
        return f"{seconds:.3g} s"
    minutes, left = divmod(round(seconds), 60)
    return f"{minutes} min {left} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def dollars_text(dollars: float) -> str:
    """Cents where they matter, more digits for less than that."""
    size = abs(dollars)
    digits = 2 if size >= 10 else 4 if size >= 0.01 or not size else 6
    return f"{'-' if dollars < 0 else ''}${size:,.{digits}f}"


def cost_text(picodollars: int) -> str:
    """An amount of picodollars as dollars."""
    return dollars_text(picodollars / PICODOLLARS)
