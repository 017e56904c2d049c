"""Playhead: an event-sourced actor runtime for LLM agents.

    from playhead import Agent, Runtime, tool

Public too: `playhead.toolkit` (tools that come along), `playhead.records` (every event),
`playhead.logs` (reading a log, and what a log backend is made of), `playhead.views` (a run told and
drawn), `playhead.tracing` (recorded runs as spans), `playhead.testing` and `playhead.simulation`.
Any other module may change without notice.
"""

from types import ModuleType
from typing import TYPE_CHECKING

from playhead.lazy import lazy_names

if TYPE_CHECKING:
    from playhead.public import *  # noqa: F403


def _public() -> ModuleType:
    import playhead.public as public  # `from playhead import` would ask for the name here again

    return public


if not TYPE_CHECKING:
    __getattr__, __dir__ = lazy_names(__name__, _public)
