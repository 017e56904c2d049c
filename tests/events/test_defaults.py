"""Compact kinds do not store fields at their default: so a default never changes in a version."""

import json

from playhead.events.registry import KINDS
from playhead.events.usage import Usage

MODEL_CALL: dict[str, object] = {
    "not_before": None, "reserved_cost": None, "task": "reasoning", "reason": "",
    "endpoint": "", "variant": 0, "fallbacks": 0, "waited": False, "container": None, "batch": None,
    "batch_job": "", "batch_lost": False, "batch_cancel": False,
}  # fmt: skip

KNOWN: dict[tuple[str, int], dict[str, object]] = {
    ("model_requested", 1): MODEL_CALL,
    ("summary_requested", 1): MODEL_CALL,
    ("extraction_requested", 1): MODEL_CALL,
    ("model_answered", 1): {"request_id": None, "envelope": {}},
    ("model_failed", 1): {
        "status": None, "retry_after": None, "duration_ms": None, "usage": None, "batch": None,
    },
    ("tool_requested", 1): {"use": None},
    ("tool_started", 1): {"not_before": None},
    ("memory_tool_started", 1): {"not_before": None},
    ("tool_succeeded", 1): {"result": None, "content": None, "cached": None, "confined": None},
    ("tool_failed", 1): {
        "hint": None, "retry_after": None, "retryable": None, "duration_ms": None, "confined": None,
    },
}  # fmt: skip
"""What was written without a field is read back with this."""


def test_the_defaults_of_compact_kinds_are_those_of_their_version() -> None:
    found = {
        (kind, cls.VERSION): {
            name: field.get_default(call_default_factory=True)
            for name, field in cls.model_fields.items()
            if name != "kind" and not field.is_required()
        }
        for kind, cls in KINDS.items()
        if cls.COMPACT
    }
    assert found == KNOWN


def test_an_empty_usage_is_all_zeros_and_lists_nothing() -> None:
    empty = json.loads(Usage().model_dump_json())
    assert [value for value in empty.values() if value] == []
