"""Playhead: an event-sourced actor runtime for LLM agents.

from playhead import Agent, Runtime, tool
"""

from playhead.agent import Agent
from playhead.alerts import Alert, Alerts
from playhead.events.errors import PlayheadError, RunNotFinished, ToolError, UsageError
from playhead.events.memory_rules import MemoryRules
from playhead.events.plans import PlanRules
from playhead.events.prices import Price
from playhead.events.routing import Budget, Route, Target
from playhead.events.spec import Limits, Retry
from playhead.events.tool_policy import Cache, Rate
from playhead.events.version import VERSION as __version__  # noqa: N811 - the usual name
from playhead.memories import NewMemory
from playhead.projections.alert_rules import AlertRule
from playhead.projections.recall_search import Ranking
from playhead.redaction import Redactor
from playhead.run import Result, Run
from playhead.runtime import Runtime
from playhead.tools.content import Document, Image
from playhead.tools.context import Depends, OutcomeUnknown, Secret, ToolContext
from playhead.tools.embedders import Embedder, EndpointEmbedder
from playhead.tools.groups import group
from playhead.tools.mcp_server import mcp
from playhead.tools.options import Subprocess
from playhead.tools.rates import BreakerRule, RateLimit
from playhead.tools.tool import tool

__all__ = [
    "Agent",
    "Alert",
    "AlertRule",
    "Alerts",
    "BreakerRule",
    "Budget",
    "Cache",
    "Depends",
    "Document",
    "Embedder",
    "EndpointEmbedder",
    "Image",
    "Limits",
    "MemoryRules",
    "NewMemory",
    "OutcomeUnknown",
    "PlanRules",
    "PlayheadError",
    "Price",
    "Ranking",
    "Rate",
    "RateLimit",
    "Redactor",
    "Result",
    "Retry",
    "Route",
    "Run",
    "RunNotFinished",
    "Runtime",
    "Secret",
    "Subprocess",
    "Target",
    "ToolContext",
    "ToolError",
    "UsageError",
    "__version__",
    "group",
    "mcp",
    "tool",
]
