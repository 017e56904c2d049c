"""The names on our spans: one table, the conventions it follows, and a switch for older names.

We follow OpenTelemetry's semantic conventions 1.41.0, the last release that held the GenAI names
(their own repository's v0.1.0 keeps those used here), and its messaging conventions. `V1_36` gives
the names of 1.36.0, which many back ends still read. Span names, and so ids, are the same in both.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from playhead.events.errors import UsageError


@dataclass(frozen=True, slots=True)
class Names:
    """What differs between the versions."""

    version: str
    schema_url: str
    provider: str
    instructions: str
    input_messages: str
    output_messages: str


LATEST = Names(
    version="1.41.0",
    schema_url="https://opentelemetry.io/schemas/1.41.0",
    provider="gen_ai.provider.name",
    instructions="gen_ai.system_instructions",
    input_messages="gen_ai.input.messages",
    output_messages="gen_ai.output.messages",
)

V1_36 = replace(
    LATEST,
    version="1.36.0",
    schema_url="https://opentelemetry.io/schemas/1.36.0",
    provider="gen_ai.system",
    instructions="gen_ai.system.message",
    input_messages="gen_ai.prompt",
    output_messages="gen_ai.completion",
)

CONVENTIONS: Mapping[str, Names] = {"latest": LATEST, "1.36": V1_36}
"""How users choose: PLAYHEAD_SEMCONV."""


def conventions(chosen: str) -> Names:
    """The names of that version. Raises UsageError for one that is not in the table."""
    if chosen in CONVENTIONS:
        return CONVENTIONS[chosen]
    known = " or ".join(CONVENTIONS)
    msg = f"PLAYHEAD_SEMCONV is {chosen!r}: choose {known}"
    raise UsageError(msg)


PROVIDER = "anthropic"
"""Whose API the models speak, whoever serves them."""

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
