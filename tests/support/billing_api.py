"""A stub of the Messages API with a meter: usage is computed from the requests it received."""

import json
import threading
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from tests.support.messages_api import Answer, Block, message
from tests.support.prompt_cache import PromptCache

Script: TypeAlias = Callable[[dict[str, Any]], Sequence[Block]]
"""From a request's body to the blocks of the reply."""


class Meter:
    """A policy for MessagesApi: follows the script, counts like the API, and keeps account."""

    def __init__(self, script: Script, least: int = 1024) -> None:
        self._script = script
        self._cache = PromptCache(least)
        self._lock = threading.Lock()
        self.bodies: list[dict[str, Any]] = []
        self.usages: list[dict[str, Any]] = []
        """For each request, in order: the API's usage fields, including output_tokens."""

    def __call__(self, content: bytes) -> Answer:
        body = json.loads(content)
        blocks = self._script(body)
        written = len(json.dumps(blocks)) // 4 + 1
        with self._lock:
            usage = self._cache.usage(body)
            self.bodies.append(body)
            self.usages.append({**usage, "output_tokens": written})
        return message(*blocks, output_tokens=written, usage=usage)
