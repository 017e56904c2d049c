"""Chooses the model that answers an agent's requests: its own, the runtime's, the API, or local."""

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from playhead.definition.agent import Agent
from playhead.events.errors import ModelError, UsageError
from playhead.events.logger import ProgramLogger
from playhead.events.model_api import Model
from playhead.events.spec.agent import AgentSpec
from playhead.events.spec.model_name import model_name
from playhead.events.spec.prices import Price
from playhead.projections.cost.targets import all_targets
from playhead.tools.models.anthropic import AnthropicModel
from playhead.tools.models.local.model import LocalModel
from playhead.tools.models.local.weights import find_local
from playhead.tools.models.openai.model import OpenAIModel
from playhead.tools.models.openai.providers import PROVIDERS, provider_model

if TYPE_CHECKING:
    from anthropic.lib.bedrock import AsyncAnthropicBedrock
    from anthropic.lib.vertex import AsyncAnthropicVertex

program_log = ProgramLogger("playhead.model")

NO_KEY = "no API key and no base URL: set ANTHROPIC_API_KEY, or give base_url"

FREE = Price(input=0, output=0)
"""The local model is free."""

CLIENTS = (AnthropicModel, OpenAIModel)
"""Clients of ours: their connections belong to one loop, and open again on another."""

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
        self._given_clients: set[Model] = set()
        self._made_providers: dict[str, Model] = {}
        given = dict(endpoints or {})
        self._made_endpoints = {
            name: endpoint_model(where) for name, where in given.items() if isinstance(where, str)
        }
        self._endpoints: Mapping[str, Model | str] = given

    def of(self, agent: Agent[object], model: str) -> Model:
        """The model that answers the agent's requests to a model of that name.

        A name with a provider in front (`openai:...`) goes there, unless the agent or the Runtime
        was given a model object. Raises ModelError if there is none.
        """
        provider = model_name(model).provider
        if not isinstance(agent.model, str) and (not provider or model == agent.model_name):
            if isinstance(agent.model, CLIENTS):
                self._given_clients.add(agent.model)
            return agent.model
        if self._given is not None:
            return self._given
        if provider in PROVIDERS:
            return self._provider(provider)
        if self._made is None:
            self._made = self._make(demonstration=not provider)
        return self._made

    def _provider(self, name: str) -> Model:
        if name not in self._made_providers:
            self._made_providers[name] = provider_model(name)
        return self._made_providers[name]

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
        if self._given is None:
            self._check_providers(spec)
        if not self.is_local(agent):
            return spec
        unnamed = [t.model for t in all_targets(spec) if not model_name(t.model).provider]
        free = {**spec.prices, **dict.fromkeys(unnamed, FREE)}
        return spec.model_copy(update={"prices": free, "price_table": "the local model is free"})

    def _check_providers(self, spec: AgentSpec) -> None:
        for target in all_targets(spec):
            provider = model_name(target.model).provider
            if provider in PROVIDERS and not target.endpoint:
                self._provider(provider)

    def is_local(self, agent: Agent[object]) -> bool:
        """Whether the local model answers the agent."""
        if not isinstance(agent.model, str) or model_name(agent.model).provider:
            return False
        return self._given is None and not self._has_api()

    async def close(self) -> None:
        """Close the models created here, and the connections that given ones opened here."""
        for model in (self._given, *self._given_clients, *self._endpoints.values()):
            if isinstance(model, CLIENTS):
                await model.close()
        made_here = (*self._made_endpoints.values(), *self._made_providers.values())
        for made in (self._made, *made_here):
            if made is not None:
                await made.close()

    def _has_api(self) -> bool:
        return bool(self._base_url) or any(os.environ.get(key) for key in KEYS)

    def _make(self, *, demonstration: bool) -> Model:
        if self._has_api() or not demonstration:
            return AnthropicModel(self._base_url)
        missing = find_local()
        if missing is None:
            program_log.warning("model.demonstration", model="local", advice=NO_KEY)
            return LocalModel()
        message = f"{NO_KEY}, or pip install 'playhead[local]' for a small demonstration model"
        raise ModelError(error="no_model", message=message)


def endpoint_model(where: str) -> Model:
    """The model at an endpoint: a URL, openai+URL, bedrock:REGION, or vertex:PROJECT/REGION.

    Credentials are those that the SDK finds. Raises UsageError.
    """
    kind, _, rest = where.partition(":")
    if kind in ("http", "https"):
        return AnthropicModel(where)
    if kind in ("openai+http", "openai+https"):
        return OpenAIModel(where.removeprefix("openai+"))
    if kind == "bedrock" and rest:
        return AnthropicModel(make_client=lambda: _bedrock(rest))
    project, slash, region = rest.partition("/")
    if kind == "vertex" and slash:
        return AnthropicModel(make_client=lambda: _vertex(project, region))
    msg = f"endpoint {where!r}: write a URL, openai+URL, bedrock:REGION, or vertex:PROJECT/REGION"
    raise UsageError(msg)


def _bedrock(region: str) -> "AsyncAnthropicBedrock":
    from anthropic.lib.bedrock import AsyncAnthropicBedrock

    return AsyncAnthropicBedrock(aws_region=region, max_retries=0)


def _vertex(project: str, region: str) -> "AsyncAnthropicVertex":
    from anthropic.lib.vertex import AsyncAnthropicVertex

    return AsyncAnthropicVertex(project_id=project, region=region, max_retries=0)
