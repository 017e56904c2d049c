"""The tools included with Playhead, each confined; and `lint`, which checks your own tools.

from playhead.toolkit import calculator, file_tools, fetch_tool
"""

from playhead.tools.builtin.address_guard import AddressGuard
from playhead.tools.builtin.calculator import calculator
from playhead.tools.builtin.clock import current_time
from playhead.tools.builtin.code import code_tools
from playhead.tools.builtin.database import database_tools
from playhead.tools.builtin.fetch import fetch_tool
from playhead.tools.builtin.files import file_tools
from playhead.tools.builtin.knowledge_base import search_kb_tool
from playhead.tools.builtin.memory import memory_tools, recall, remember
from playhead.tools.builtin.text_editor import memory_files, text_editor
from playhead.tools.builtin.wait import wait
from playhead.tools.builtin.web_search import Hit, SearchProvider, SearxNG, search_web_tool
from playhead.tools.lint.lint import Finding, lint
from playhead.tools.read_result import read_result

__all__ = [
    "AddressGuard",
    "Finding",
    "Hit",
    "SearchProvider",
    "SearxNG",
    "calculator",
    "code_tools",
    "current_time",
    "database_tools",
    "fetch_tool",
    "file_tools",
    "lint",
    "memory_files",
    "memory_tools",
    "read_result",
    "recall",
    "remember",
    "search_kb_tool",
    "search_web_tool",
    "text_editor",
    "wait",
]
