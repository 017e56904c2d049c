"""What the performing half of the roles may reach: the only way from an actor to the world."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from playhead.events.request import Model
from playhead.tools.tool import AnyTool
from playhead.tools.workers import Workers

OnText: TypeAlias = Callable[[str, int, str], None]
"""(run, seq of the ModelRequested, piece of text); an empty piece: forget what came before."""


@dataclass(slots=True)
class World:
    """Models, tools, threads and a clock. Replay has none."""

    model: Callable[[str], Model]
    """Agent's name -> what answers its requests."""
    tool: Callable[[str, str], AnyTool | None]
    """(agent's name, tool's name) -> its code."""
    workers: Workers
    monotonic: Callable[[], float]
    """Seconds from some fixed moment."""
    on_text: OnText
    in_flight: int = 64
    """Model calls under way at once, over all runs; the others wait in order."""
