"""Tool shadowing: a server's tool whose description mentions tools that are not the server's.

Only literal names are found. A name that is an ordinary word ("add") counts only in quotes.
"""

import re
from collections.abc import Iterable, Iterator

from playhead.tools.tool import AnyTool

ORDINARY_WORD = re.compile(r"[A-Z]?[a-z]+")
"""A name that could be an ordinary word of a sentence."""


def named_tools(tool: AnyTool, names: Iterable[str]) -> Iterator[str]:
    """The names that the tool's description mentions."""
    for name in names:
        literal = re.escape(name)
        said = rf"[`'\"]{literal}[`'\"]" if ORDINARY_WORD.fullmatch(name) else literal
        if re.search(rf"(?<![\w-]){said}(?![\w-])", tool.spec.description):
            yield name
