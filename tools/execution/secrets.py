"""Secrets: resolved for one attempt of a tool, and masked in whatever that attempt says."""

from collections.abc import Iterable

from playhead.events.event import Block, Json
from playhead.events.kinds.tool_calls import ToolFailed
from playhead.tools.context import Secret, ToolContext
from playhead.tools.execution.secret_forms import SecretForms

MIN_MASKED = 4
"""Characters; shorter secrets are not masked, since they would match everywhere."""


class SecretMissing(Exception):
    """No secret of that name is set."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"the secret {name} is not set")


class SecretMask:
    """Resolves the secrets of one attempt and masks their values in whatever it says."""

    def __init__(self) -> None:
        self._forms: dict[str, SecretForms] = {}
        """By value, the longest first: one may lie within another."""

    def resolve(self, secret: Secret, context: ToolContext) -> str:
        """The secret's value. Raises SecretMissing."""
        value = context.secrets(secret.name)
        if not value:
            raise SecretMissing(secret.name)
        if len(value) >= MIN_MASKED:
            self._forms[value] = SecretForms(value, f"[secret {secret.name}]")
            self._forms = dict(sorted(self._forms.items(), key=lambda each: -len(each[0])))
        return value

    def mask(self, value: Json) -> Json:
        """The value with each secret in it replaced by its name."""
        if not self._forms:
            return value
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, list):
            return [self.mask(each) for each in value]
        if isinstance(value, dict):
            return {self._text(name): self.mask(each) for name, each in value.items()}
        return value

    def mask_blocks(self, blocks: Iterable[Block]) -> tuple[Block, ...]:
        """Content blocks with each secret masked."""
        return tuple({name: self.mask(value) for name, value in b.items()} for b in blocks)

    def mask_failure(self, failed: ToolFailed) -> ToolFailed:
        """The failure with each secret in its message and hint masked."""
        if not self._forms:
            return failed
        hint = None if failed.hint is None else self._text(failed.hint)
        return failed.model_copy(update={"message": self._text(failed.message), "hint": hint})

    def _text(self, text: str) -> str:
        for forms in self._forms.values():
            text = forms.mask(text)
        return text
