"""Providers that speak OpenAI's protocols, by the word in front of a model's name."""

import os
from typing import NamedTuple

from playhead.events.errors import UsageError
from playhead.tools.models.openai.model import Api, OpenAIModel


class Provider(NamedTuple):
    """Where a provider is, and which variables say otherwise."""

    key: str
    """The environment variable with the API key."""
    where: str = ""
    """The environment variable with the base URL."""
    base_url: str | None = None
    api: Api | None = None


PROVIDERS = {
    "openai": Provider("OPENAI_API_KEY"),
    "openai-chat": Provider("OPENAI_API_KEY", api="chat"),
    "openai-responses": Provider("OPENAI_API_KEY", api="responses"),
    "azure": Provider("AZURE_OPENAI_API_KEY", "AZURE_OPENAI_ENDPOINT"),
    "gemini": Provider(
        "GEMINI_API_KEY",
        "GEMINI_BASE_URL",
        "https://generativelanguage.googleapis.com/v1beta/openai/",
        "chat",
    ),
    "ollama": Provider("OLLAMA_API_KEY", "OLLAMA_BASE_URL", "http://127.0.0.1:11434/v1", "chat"),
    "vllm": Provider("VLLM_API_KEY", "VLLM_BASE_URL", "http://127.0.0.1:8000/v1", "chat"),
    "llamacpp": Provider("LLAMA_API_KEY", "LLAMA_BASE_URL", "http://127.0.0.1:8080/v1", "chat"),
}


def provider_model(name: str) -> OpenAIModel:
    """The model at a provider. Raises UsageError where only a variable says where that is."""
    found = PROVIDERS[name]
    url = (os.environ.get(found.where) if found.where else None) or found.base_url
    if name == "azure":
        if url is None:
            msg = "azure: set AZURE_OPENAI_ENDPOINT to https://RESOURCE.openai.azure.com"
            raise UsageError(msg)
        if "/openai/" not in url:
            url = f"{url.rstrip('/')}/openai/v1/"
    return OpenAIModel(url, api=found.api, key=found.key)
