"""Secrets of a call: resolved when it is performed, and hidden in whatever it says."""

from collections.abc import Iterable

from playhead.events.event import Block, Json
from playhead.events.kinds.tool_calls import ToolFailed
from playhead.tools.context import Secret, ToolContext
from playhead.tools.execution.secret_forms import SecretForms

SHORT = 4
"""Characters of a value that is too short to be looked for: it would be found everywhere."""


class SecretMissing(Exception):
    """There is no secret of that name."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"the secret {name} is not set")


class Hidden:
    """The secrets that one attempt was given."""

    def __init__(self) -> None:
        self._forms: dict[str, SecretForms] = {}
        """By value, the longest first: one may lie within another."""

    def resolve(self, secret: Secret, context: ToolContext) -> str:
        """Its value. Raises SecretMissing."""
        value = context.secrets(secret.name)
        if not value:
            raise SecretMissing(secret.name)
        if len(value) >= SHORT:
            self._forms[value] = SecretForms(value, f"[secret {secret.name}]")
            self._forms = dict(sorted(self._forms.items(), key=lambda each: -len(each[0])))
        return value

    def hide(self, value: Json) -> Json:
        """The value with each secret in it replaced by its name."""
        if not self._forms:
            return value
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, list):
            return [self.hide(each) for each in value]
        if isinstance(value, dict):
            return {self._text(name): self.hide(each) for name, each in value.items()}
        return value

    def in_blocks(self, blocks: Iterable[Block]) -> tuple[Block, ...]:
        """Content blocks without secrets."""
        return tuple({name: self.hide(value) for name, value in b.items()} for b in blocks)

    def in_failure(self, failed: ToolFailed) -> ToolFailed:
        """The failure, its words without secrets."""
        if not self._forms:
            return failed
        hint = None if failed.hint is None else self._text(failed.hint)
        return failed.model_copy(update={"message": self._text(failed.message), "hint": hint})

    def _text(self, text: str) -> str:
        for forms in self._forms.values():
            text = forms.hide(text)
        return text
