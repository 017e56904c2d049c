"""Everything that `from playhead import ...` provides, imported on first use."""

from playhead.actors.replay import Divergence, ReplayReport
from playhead.definition.agent import Agent
from playhead.definition.guardrails import Guardrail
from playhead.events.errors import (
    AdmissionRefused,
    AnswerRefused,
    CalledOnLoop,
    HeadMoved,
    InheritedByFork,
    LogBehindAnchor,
    LogClosed,
    LogDamaged,
    LogError,
    LogLost,
    LogOwned,
    LogTooNew,
    ModelError,
    NotStorable,
    PlayheadError,
    RedactedRun,
    RunNotFinished,
    RunTakenOver,
    RuntimeClosed,
    ServerUnreachable,
    SessionBusy,
    StorageUnavailable,
    ToolError,
    UnknownRun,
    UsageError,
)
from playhead.events.model_api import Model, OnText, Reply, Request
from playhead.events.record import Record
from playhead.events.spec.agent import Limits, LoopRules, ModelSettings, Threshold
from playhead.events.spec.guardrails import Verdict
from playhead.events.spec.memory import FactSchema, MemoryRules
from playhead.events.spec.plan import PlanRules
from playhead.events.spec.prices import Price, Tier
from playhead.events.spec.routing import Budget, Route, Target
from playhead.events.spec.tool import Cache, Deferral, Rate, Retry
from playhead.events.usage import Usage
from playhead.events.version import VERSION as __version__  # noqa: N811 - the usual name
from playhead.forking import Instead
from playhead.memory.facts import Retraction
from playhead.memory.store import Memory, NewMemory
from playhead.notices.notice import Notice, Notify
from playhead.projections.memory.facts import Fact
from playhead.projections.memory.hits import MemoryHit
from playhead.projections.memory.listing import MemoryPage
from playhead.projections.memory.search import Ranking
from playhead.projections.metrics.alert_rules import ALERT_RULES, AlertRule
from playhead.projections.metrics.run_metrics import RunMetrics
from playhead.projections.state.calls.approvals import OpenApproval
from playhead.projections.state.waits import Wait
from playhead.projections.stored.wait_list import OpenWait
from playhead.run import Result, Run
from playhead.runtime import Runtime
from playhead.scheduling.schedule_list import Schedule
from playhead.service.quotas import Quota
from playhead.service.redaction import Redactor
from playhead.service.run_control import RunControl
from playhead.service.subscriptions import TextChunk, ToolProgress
from playhead.service.updates import (
    ApprovalUpdate,
    EndUpdate,
    GuardrailUpdate,
    MessageUpdate,
    OutputUpdate,
    ProgressUpdate,
    RunUpdate,
    StepUpdate,
    TextDiscarded,
    TextUpdate,
    ToolUpdate,
    Update,
    to_sse,
)
from playhead.settings import Capacity, RunOptions, Telemetry
from playhead.telemetry.alerts import Alert, Alerts
from playhead.tools.content import Document, Image, SearchResult, ToolReference
from playhead.tools.context import (
    CallDeferred,
    Depends,
    OutcomeUnknown,
    RunContext,
    Secret,
    ToolContext,
)
from playhead.tools.groups import group
from playhead.tools.mcp.server import mcp
from playhead.tools.models.anthropic import AnthropicModel
from playhead.tools.models.embedders import Embedder, EmbedError, EndpointEmbedder
from playhead.tools.models.openai.model import OpenAIModel
from playhead.tools.models.rate_limit import BreakerRule, RateLimit
from playhead.tools.options import Subprocess, ToolOptions
from playhead.tools.tool import Tool, tool

__all__ = [
    "ALERT_RULES",
    "AdmissionRefused",
    "Agent",
    "Alert",
    "AlertRule",
    "Alerts",
    "AnswerRefused",
    "AnthropicModel",
    "ApprovalUpdate",
    "BreakerRule",
    "Budget",
    "Cache",
    "CallDeferred",
    "CalledOnLoop",
    "Capacity",
    "Deferral",
    "Depends",
    "Divergence",
    "Document",
    "EmbedError",
    "Embedder",
    "EndUpdate",
    "EndpointEmbedder",
    "Fact",
    "FactSchema",
    "Guardrail",
    "GuardrailUpdate",
    "HeadMoved",
    "Image",
    "InheritedByFork",
    "Instead",
    "Limits",
    "LogBehindAnchor",
    "LogClosed",
    "LogDamaged",
    "LogError",
    "LogLost",
    "LogOwned",
    "LogTooNew",
    "LoopRules",
    "Memory",
    "MemoryHit",
    "MemoryPage",
    "MemoryRules",
    "MessageUpdate",
    "Model",
    "ModelError",
    "ModelSettings",
    "NewMemory",
    "NotStorable",
    "Notice",
    "Notify",
    "OnText",
    "OpenAIModel",
    "OpenApproval",
    "OpenWait",
    "OutcomeUnknown",
    "OutputUpdate",
    "PlanRules",
    "PlayheadError",
    "Price",
    "ProgressUpdate",
    "Quota",
    "Ranking",
    "Rate",
    "RateLimit",
    "Record",
    "RedactedRun",
    "Redactor",
    "ReplayReport",
    "Reply",
    "Request",
    "Result",
    "Retraction",
    "Retry",
    "Route",
    "Run",
    "RunContext",
    "RunControl",
    "RunMetrics",
    "RunNotFinished",
    "RunOptions",
    "RunTakenOver",
    "RunUpdate",
    "Runtime",
    "RuntimeClosed",
    "Schedule",
    "SearchResult",
    "Secret",
    "ServerUnreachable",
    "SessionBusy",
    "StepUpdate",
    "StorageUnavailable",
    "Subprocess",
    "Target",
    "Telemetry",
    "TextChunk",
    "TextDiscarded",
    "TextUpdate",
    "Threshold",
    "Tier",
    "Tool",
    "ToolContext",
    "ToolError",
    "ToolOptions",
    "ToolProgress",
    "ToolReference",
    "ToolUpdate",
    "UnknownRun",
    "Update",
    "Usage",
    "UsageError",
    "Verdict",
    "Wait",
    "__version__",
    "group",
    "mcp",
    "to_sse",
    "tool",
]
