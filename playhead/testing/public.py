"""Everything that `from playhead.testing import ...` gives."""

from playhead.testing.recorded_run import Called, RecordedRun
from playhead.testing.scripted_model import Call, Part, Script, Scripted, ScriptedModel, call

__all__ = [
    "Call",
    "Called",
    "Part",
    "RecordedRun",
    "Script",
    "Scripted",
    "ScriptedModel",
    "call",
]
