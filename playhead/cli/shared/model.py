"""Which model will answer, said before anything starts."""

import os
from typing import Literal

from playhead.assembly.models import KEYS
from playhead.cli.shared.agents import AnyAgent
from playhead.events.errors import UsageError
from playhead.tools.models.local.weights import find_local

DEMONSTRATION = (
    "No ANTHROPIC_API_KEY and no --base-url: a small local model answers, on this CPU. It is a "
    "demonstration model: it shows the runtime and is no assistant."
)


def which_model(base_url: str | None) -> Literal["api", "endpoint", "local"]:
    """What answers an agent whose model is a name."""
    if base_url:
        return "endpoint"
    return "api" if any(os.environ.get(key) for key in KEYS) else "local"


def demonstration(agent: AnyAgent, base_url: str | None) -> str | None:
    """What to say when the local model will answer, else None.

    Raises UsageError when nothing can answer: nothing was started then.
    """
    if not isinstance(agent.model, str) or which_model(base_url) != "local":
        return None
    if find_local() is not None:
        msg = (
            "there is no model to ask: set ANTHROPIC_API_KEY, or give --base-url URL, or "
            "pip install 'playhead[local]' for a small local demonstration model"
        )
        raise UsageError(msg)
    return DEMONSTRATION
