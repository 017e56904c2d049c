"""Playhead: an event-sourced actor runtime for LLM agents.

from playhead import Agent, Runtime, tool
"""

from playhead.definition.agent import Agent
from playhead.events.errors import PlayheadError, RunNotFinished, ToolError, UsageError
from playhead.events.spec.agent import Limits
from playhead.events.spec.memory import MemoryRules
from playhead.events.spec.plan import PlanRules
from playhead.events.spec.prices import Price
from playhead.events.spec.routing import Budget, Route, Target
from playhead.events.spec.tool import Cache, Rate, Retry
from playhead.events.version import VERSION as __version__  # noqa: N811 - the usual name
from playhead.memory.store import NewMemory
from playhead.projections.memory.search import Ranking
from playhead.projections.metrics.alert_rules import AlertRule
from playhead.run import Result, Run
from playhead.runtime import Runtime
from playhead.service.redaction import Redactor
from playhead.settings import Capacity, RunOptions, Telemetry
from playhead.telemetry.alerts import Alert, Alerts
from playhead.tools.content import Document, Image
from playhead.tools.context import Depends, OutcomeUnknown, Secret, ToolContext
from playhead.tools.groups import group
from playhead.tools.mcp.server import mcp
from playhead.tools.models.embedders import Embedder, EndpointEmbedder
from playhead.tools.models.rate_limit import BreakerRule, RateLimit
from playhead.tools.options import Subprocess
from playhead.tools.tool import tool

__all__ = [
    "Agent",
    "Alert",
    "AlertRule",
    "Alerts",
    "BreakerRule",
    "Budget",
    "Cache",
    "Capacity",
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
    "RunOptions",
    "Runtime",
    "Secret",
    "Subprocess",
    "Target",
    "Telemetry",
    "ToolContext",
    "ToolError",
    "UsageError",
    "__version__",
    "group",
    "mcp",
    "tool",
]
