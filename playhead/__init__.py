"""Playhead: an event-sourced actor runtime for LLM agents.

    from playhead import Agent, Runtime, tool

Also public: `playhead.toolkit` (the included tools), `playhead.records` (every event),
`playhead.logs` (reading a log, and the parts of a log backend), `playhead.views` (a run as text and
diagrams), `playhead.tracing` (recorded runs as spans), `playhead.testing` and
`playhead.simulation`. Any other module may change without notice.
"""

from types import ModuleType
from typing import TYPE_CHECKING

from playhead.lazy import lazy_names

if TYPE_CHECKING:
    from playhead.public import *  # noqa: F403


def _public() -> ModuleType:
    import playhead.public as public  # `from playhead import` would call __getattr__ again

    return public


if not TYPE_CHECKING:
    __getattr__, __dir__ = lazy_names(__name__, _public)
