"""The tools that come with Playhead, each confined.

from playhead.toolkit import calculator, file_tools, fetch_tool
"""

from playhead.tools.addresses import Guard
from playhead.tools.calculator import calculator
from playhead.tools.clock import current_time
from playhead.tools.code import code_tools
from playhead.tools.database import database_tools
from playhead.tools.fetch import fetch_tool
from playhead.tools.files import file_tools
from playhead.tools.knowledge import search_kb_tool
from playhead.tools.reading_on import read_result
from playhead.tools.remembering import memory_tools, recall, remember
from playhead.tools.web_search import Hit, SearchProvider, SearxNG, search_web_tool

__all__ = [
    "Guard",
    "Hit",
    "SearchProvider",
    "SearxNG",
    "calculator",
    "code_tools",
    "current_time",
    "database_tools",
    "fetch_tool",
    "file_tools",
    "memory_tools",
    "read_result",
    "recall",
    "remember",
    "search_kb_tool",
    "search_web_tool",
]
