"""What a model's name says about where it is asked: `openai:gpt-5` is a provider and its own name.

A name without a known provider in front is sent as it is (`llama3.2:3b` is one name).
"""

from typing import NamedTuple

PROVIDERS = frozenset({
    "anthropic", "openai", "openai-chat", "openai-responses", "azure", "gemini", "ollama", "vllm",
    "llamacpp",
})  # fmt: skip


class ModelName(NamedTuple):
    """A name in two parts."""

    provider: str
    """Empty where the name has none."""
    name: str
    """What the provider calls it."""


def model_name(model: str) -> ModelName:
    """The provider and the provider's name of a model."""
    provider, _, name = model.partition(":")
    return ModelName(provider, name) if name and provider in PROVIDERS else ModelName("", model)
