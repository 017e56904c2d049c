"""Which model answers an agent's requests: its own, the runtime's, the API, or the local one."""

import os

import structlog

from playhead.agent import Agent
from playhead.events.errors import ModelError
from playhead.events.request import Model
from playhead.tools.anthropic_model import AnthropicModel
from playhead.tools.local_model import LocalModel
from playhead.tools.local_weights import find_local

program_log = structlog.get_logger("playhead.model")

NO_KEY = "no API key and no base URL: set ANTHROPIC_API_KEY, or give base_url"

KEYS = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN")


class Models:
    """Makes models when they are first needed, and closes those it made."""

    def __init__(self, model: Model | None, base_url: str | None) -> None:
        self._given = model
        self._base_url = base_url or os.environ.get("ANTHROPIC_BASE_URL")
        self._made: Model | None = None

    def of(self, agent: Agent[object]) -> Model:
        """What answers the agent. Raises ModelError when there is nothing to ask."""
        if not isinstance(agent.model, str):
            return agent.model
        if self._given is not None:
            return self._given
        if self._made is None:
            self._made = self._make()
        return self._made

    async def close(self) -> None:
        """Close what was made here."""
        if self._made is not None:
            await self._made.close()

    def _make(self) -> Model:
        if self._base_url or any(os.environ.get(key) for key in KEYS):
            return AnthropicModel(self._base_url)
        missing = find_local()
        if missing is None:
            program_log.warning("model.demonstration", model="local", advice=NO_KEY)
            return LocalModel()
        message = f"{NO_KEY}, or pip install 'playhead[local]' for a small demonstration model"
        raise ModelError(error="no_model", message=message)
