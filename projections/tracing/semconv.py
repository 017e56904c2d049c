"""The names on our spans and metrics, in one table.

They follow OpenTelemetry's semantic conventions 1.41.0, the last release that held the GenAI names
(their own repository's v0.1.0 keeps those used here), and its messaging conventions.
"""

from collections.abc import Mapping

from playhead.events.spec.model_name import model_name

SCHEMA_URL = "https://opentelemetry.io/schemas/1.41.0"

PROVIDERS = {
    "": "anthropic", "openai-chat": "openai", "openai-responses": "openai",
    "azure": "azure.ai.openai", "gemini": "gcp.gemini",
}  # fmt: skip
"""The provider in front of a model's name -> OpenTelemetry's word; others are their own."""

SYSTEM = "playhead"
"""The messaging system."""

# Operations, and with a name behind them the names of spans
INVOKE_AGENT = "invoke_agent"
CHAT = "chat"
EXECUTE_TOOL = "execute_tool"
PLAN = "plan"
PROCESS = "process"
PERFORM = "perform"
"""Any other effect; ours."""

EFFECTS: Mapping[str, str] = {
    "recall_requested": "search_memory",
    "embed_requested": "embeddings",
}
"""Intents of memory -> the conventions' operation."""

# General
ERROR_TYPE = "error.type"
HTTP_STATUS = "http.response.status_code"

# GenAI
OPERATION = "gen_ai.operation.name"
PROVIDER_NAME = "gen_ai.provider.name"
INSTRUCTIONS = "gen_ai.system_instructions"
INPUT_MESSAGES = "gen_ai.input.messages"
OUTPUT_MESSAGES = "gen_ai.output.messages"
AGENT = "gen_ai.agent.name"
CONVERSATION = "gen_ai.conversation.id"
REQUEST_MODEL = "gen_ai.request.model"
RESPONSE_MODEL = "gen_ai.response.model"
FINISH_REASONS = "gen_ai.response.finish_reasons"
INPUT_TOKENS = "gen_ai.usage.input_tokens"
"""All of them, those read from and written to the cache included."""
OUTPUT_TOKENS = "gen_ai.usage.output_tokens"
CACHE_READ = "gen_ai.usage.cache_read.input_tokens"
CACHE_WRITE = "gen_ai.usage.cache_creation.input_tokens"
TOOL = "gen_ai.tool.name"
TOOL_TYPE = "gen_ai.tool.type"
TOOL_CALL = "gen_ai.tool.call.id"
TOOL_ARGUMENTS = "gen_ai.tool.call.arguments"
TOOL_RESULT = "gen_ai.tool.call.result"

# Messaging: the kind is the destination, the role that subscribes to it the consumer group
MESSAGING_SYSTEM = "messaging.system"
MESSAGING_OPERATION = "messaging.operation.name"
MESSAGING_TYPE = "messaging.operation.type"
DESTINATION = "messaging.destination.name"
CONSUMER = "messaging.consumer.group.name"
MESSAGE = "messaging.message.id"
MESSAGE_CONVERSATION = "messaging.message.conversation_id"

# Ours
RUN = "playhead.run"
SESSION = "playhead.session"
SEQ = "playhead.seq"
STATUS = "playhead.status"
ATTEMPT = "playhead.attempt"
ROUND = "playhead.round"
PURPOSE = "playhead.purpose"
"""What a model call is for, where it is not a step's next reply."""
CONFINED = "playhead.confined"
"""What held the process of a tool that has one of its own, such as "landlock7+seccomp"."""
DECIDED = "playhead.decided"
"""The kinds that the role decided on the message, in order."""
RETRY = "playhead.retry"
"""A span event; the others are named after their kind."""

# Metrics: the first two are the conventions', the others ours
METRIC_DURATION = "gen_ai.client.operation.duration"
METRIC_TOKENS = "gen_ai.client.token.usage"
TOKEN_TYPE = "gen_ai.token.type"
METRIC_RUNS = "playhead.runs"
METRIC_RUN_DURATION = "playhead.run.duration"
METRIC_STEPS = "playhead.run.steps"
METRIC_COST = "playhead.cost"
METRIC_RETRIES = "playhead.retries"
METRIC_GUARDS = "playhead.guard.stops"
METRIC_APPROVALS = "playhead.approvals.waiting"


def provider(model: str) -> str:
    """The API that a model speaks, whichever endpoint serves it."""
    named = model_name(model).provider
    return PROVIDERS.get(named, named)
