"""Chooses the model that answers an agent's requests: its own, the runtime's, the API, or local."""

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from playhead.definition.agent import Agent
from playhead.events.errors import ModelError, UsageError
from playhead.events.logger import ProgramLogger
from playhead.events.model_api import Model
from playhead.events.spec.agent import AgentSpec
from playhead.events.spec.prices import Price
from playhead.projections.cost.targets import all_targets
from playhead.tools.models.anthropic import AnthropicModel
from playhead.tools.models.local.model import LocalModel
from playhead.tools.models.local.weights import find_local

if TYPE_CHECKING:
    from anthropic.lib.bedrock import AsyncAnthropicBedrock
    from anthropic.lib.vertex import AsyncAnthropicVertex

program_log = ProgramLogger("playhead.model")

NO_KEY = "no API key and no base URL: set ANTHROPIC_API_KEY, or give base_url"

FREE = Price(input=0, output=0)
"""The local model is free."""

KEYS = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN")


class Models:
    """Creates models when first needed, and closes those that it created."""

    def __init__(
        self,
        model: Model | None,
        base_url: str | None,
        endpoints: Mapping[str, Model | str] | None = None,
    ) -> None:
        self._given = model
        self._base_url = base_url or os.environ.get("ANTHROPIC_BASE_URL")
        self._made: Model | None = None
        given = dict(endpoints or {})
        self._made_endpoints = {
            name: endpoint_model(where) for name, where in given.items() if isinstance(where, str)
        }
        self._endpoints: Mapping[str, Model | str] = given

    def of(self, agent: Agent[object]) -> Model:
        """The model that answers the agent. Raises ModelError if there is none."""
        if not isinstance(agent.model, str):
            return agent.model
        if self._given is not None:
            return self._given
        if self._made is None:
            self._made = self._make()
        return self._made

    def at(self, endpoint: str) -> Model | None:
        """The model at a named endpoint; None for an unknown name."""
        given = self._endpoints.get(endpoint)
        return self._made_endpoints[endpoint] if isinstance(given, str) else given

    def check(self, agent: Agent[object], spec: AgentSpec) -> AgentSpec:
        """The agent as it will run here. Raises UsageError for an unknown endpoint."""
        unknown = sorted({t.endpoint for t in all_targets(spec)} - {"", *self._endpoints})
        if unknown:
            msg = (
                f"agent {spec.name!r} is routed to the endpoint {unknown[0]!r}: give the Runtime "
                f"endpoints={{{unknown[0]!r}: ...}}"
            )
            raise UsageError(msg)
        if not self.is_local(agent):
            return spec
        free = {target.model: FREE for target in all_targets(spec)}
        return spec.model_copy(update={"prices": free, "price_table": "the local model is free"})

    def is_local(self, agent: Agent[object]) -> bool:
        """Whether the local model answers the agent."""
        return isinstance(agent.model, str) and self._given is None and not self._has_api()

    async def close(self) -> None:
        """Close the models created here."""
        for made in (self._made, *self._made_endpoints.values()):
            if made is not None:
                await made.close()

    def _has_api(self) -> bool:
        return bool(self._base_url) or any(os.environ.get(key) for key in KEYS)

    def _make(self) -> Model:
        if self._has_api():
            return AnthropicModel(self._base_url)
        missing = find_local()
        if missing is None:
            program_log.warning("model.demonstration", model="local", advice=NO_KEY)
            return LocalModel()
        message = f"{NO_KEY}, or pip install 'playhead[local]' for a small demonstration model"
        raise ModelError(error="no_model", message=message)


def endpoint_model(where: str) -> Model:
    """The model at an endpoint: a URL, bedrock:REGION, or vertex:PROJECT/REGION.

    Credentials are those that the SDK finds. Raises UsageError.
    """
    kind, _, rest = where.partition(":")
    if kind in ("http", "https"):
        return AnthropicModel(where)
    if kind == "bedrock" and rest:
        return AnthropicModel(make_client=lambda: _bedrock(rest))
    project, slash, region = rest.partition("/")
    if kind == "vertex" and slash:
        return AnthropicModel(make_client=lambda: _vertex(project, region))
    msg = f"endpoint {where!r}: write a URL, bedrock:REGION, or vertex:PROJECT/REGION"
    raise UsageError(msg)


def _bedrock(region: str) -> "AsyncAnthropicBedrock":
    from anthropic.lib.bedrock import AsyncAnthropicBedrock

    return AsyncAnthropicBedrock(aws_region=region, max_retries=0)


def _vertex(project: str, region: str) -> "AsyncAnthropicVertex":
    from anthropic.lib.vertex import AsyncAnthropicVertex

    return AsyncAnthropicVertex(project_id=project, region=region, max_retries=0)
