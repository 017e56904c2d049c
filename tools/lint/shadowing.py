"""Tools of servers that speak of other tools: a stranger's words about what is trusted.

Words are looked at, nothing is guessed: a plain word ("add") counts as a name only in quotes.
"""

import re
from collections.abc import Iterable, Iterator

from playhead.tools.tool import AnyTool

PLAIN = re.compile(r"[A-Z]?[a-z]+")
"""A name that may as well be a word of a sentence."""


def spoken_of(tool: AnyTool, names: Iterable[str]) -> Iterator[str]:
    """Those of the names that the tool's description speaks of."""
    for name in names:
        literal = re.escape(name)
        said = rf"[`'\"]{literal}[`'\"]" if PLAIN.fullmatch(name) else literal
        if re.search(rf"(?<![\w-]){said}(?![\w-])", tool.spec.description):
            yield name
