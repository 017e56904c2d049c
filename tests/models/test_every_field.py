"""One table: every field of a reply is in the log, in the next request, in `show` and on the bill.

Written by hand from the providers' references. A row is one field; its columns say where it must
be found. A field that belongs in no later request must not be in one.
"""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any, Literal, NamedTuple, TypeAlias, cast

import pytest

from playhead import Agent, AnthropicModel, OpenAIModel, Price, RunNotFinished, Runtime
from playhead.cli.shared.run_format import who_and_why
from playhead.cli.shared.run_summary import read_summary
from playhead.events.kinds.model_calls import ModelAnswered
from playhead.events.log.memory import MemoryLog
from playhead.events.model_api import Reply
from playhead.events.record import Record
from playhead.projections.cost.ledger import ledger
from playhead.testing.model_contract import block, reply_of, use
from playhead.testing.stub_server import Answer, StubServer
from tests.models.exchanges import (
    CODE_TOOL,
    COMPACTED,
    CONTAINER,
    EDITS,
    EXCHANGES,
    RAN,
    REDACTED,
    REFUSED,
    SAID,
    SEARCHED,
    THOUGHT,
    Exchange,
    tokens,
)
from tests.support.agents import add, records
from tests.support.messages_api import sse
from tests.support.openai_api import (
    chat_stream,
    chunk,
    data,
    delta,
    item_events,
    item_of,
    named,
    responses_stream,
)

Protocol: TypeAlias = Literal["messages", "chat", "responses"]

PRICES = {
    "m": Price(
        input=3, output=15, cache_write=3.75, cache_write_1h=6, cache_read=0.3, web_search=10,
        code_execution=4.17,
    ),
    "claude-sonnet-4-6": Price(input=3, output=15),
    "claude-opus-4-6": Price(input=5, output=25),
}  # fmt: skip
"""Dollars per million tokens, and per thousand searches."""

USUAL = 11 * 3 + 2 * 3.75 + 3 * 0.3 + 7 * 15
"""Micro-dollars of the stub's usual usage."""


class Field(NamedTuple):
    """One row."""

    name: str
    protocol: Protocol
    reply: bytes
    log: tuple[str, Any]
    """Where it is in the recorded reply, and what stands there."""
    sent: Any
    """What the next request holds of it; NOWHERE if it does not belong there."""
    show: str
    """Words of `playhead show --thoughts`."""
    bill: float = USUAL
    """Micro-dollars."""


NOWHERE = object()


def said(*blocks: dict[str, Any], stop: str = "end_turn", **more: Any) -> bytes:
    """A reply of the Messages API."""
    return sse(Exchange(list(blocks), stop, **more).events)


def used(**fields: Any) -> bytes:
    return said(SAID, usage={**tokens(100, 0), **fields}, output_tokens=10)


TO_COME = {"type": "to_come", "x": 1}
HUNDRED = 100 * 3 + 10 * 15


def field(name: str, log: tuple[str, Any], sent: Any, show: str, **more: Any) -> Field:
    """A row of the Messages API, of one of the recorded exchanges unless `reply` is given."""
    exchange = more.pop("of", None)
    reply = more.pop("reply", None) or sse(EXCHANGES[exchange].events)
    return Field(name, "messages", reply, log, sent, show, **more)


PASSES = 23_000 * 3 + 1_000 * 15 + 180_000 * 3 + 3_500 * 15 + 2_000 * 5 + 500 * 25

MESSAGES = [
    field("text", ("content.2", SAID), SAID, "There is one file.", of="thinking"),
    field("thinking", ("content.0.thinking", THOUGHT["thinking"]), THOUGHT, "one\u00a0and",
          of="thinking"),
    field("thinking's signature", ("content.0.signature", "c2lnbmVk=="), "c2lnbmVk==", "one",
          of="thinking"),
    field("redacted thinking", ("content.1", REDACTED), REDACTED, "(encrypted by the provider)",
          of="thinking"),
    field("a server tool's call", ("content.0", RAN[0]), RAN[0],
          'bash_code_execution(command="ls"), run by the API', of="container",
          bill=USUAL + 4_170),
    field("a server tool's result", ("content.1", RAN[1]), RAN[1], "stdout a.csv", of="container",
          bill=USUAL + 4_170),
    field("programs run by the API", ("usage.code_executions", 1), NOWHERE, "1 code execution",
          of="container", bill=USUAL + 4_170),
    field("container", ("envelope.container", CONTAINER), {"container": CONTAINER["id"]},
          "container container_011", of="container", bill=USUAL + 4_170),
    field("searches", ("usage.web_search_requests", 1), NOWHERE, "1 web search",
          of="server tools, citations", bill=USUAL + 10_000),
    field("a search's encrypted result", ("content.1.content.0.encrypted_content", "ZW5jcnlwdGVk"),
          SEARCHED[1], "title Hue", of="server tools, citations", bill=USUAL + 10_000),
    field("citations", ("content.2.citations", SEARCHED[2]["citations"]), SEARCHED[2],
          "cites Hue (https://example.org)", of="server tools, citations", bill=USUAL + 10_000),
    field("pause_turn", ("stop_reason", "pause_turn"), SEARCHED[0], "stopped: pause_turn",
          of="pause_turn"),
    field("compaction", ("content.0", COMPACTED), COMPACTED,
          "the API compacted the conversation: So far: one file.", of="compaction"),
    field("iterations", ("usage.iterations.2.output_tokens", 500), NOWHERE, "210,000 tokens",
          of="iterations", bill=PASSES * 1.1),
    field("context_management", ("envelope.context_management", EDITS), NOWHERE,
          "context edited by the API: type clear_tool_uses_20250919", of="iterations",
          bill=PASSES * 1.1),
    field("inference_geo", ("usage.rates", ["us"]), NOWHERE, "model:", of="iterations",
          bill=PASSES * 1.1),
    field("stop_details", ("envelope.stop_details", REFUSED), NOWHERE,
          "cyber: It asks for an exploit.", of="refusal"),
    field("stop_sequence", ("envelope.stop_sequence", "END"), NOWHERE, "stopped at 'END'",
          of="stop sequence"),
    field("a field to come", ("envelope.hologram", {"deep": [1, "é"]}), NOWHERE,
          "hologram: deep [1, 'é']",
          reply=said(SAID, more={"start": {"hologram": {"deep": [1, "é"]}}})),
    field("a block to come", ("content.0", TO_COME), TO_COME, "a block of type to_come",
          reply=said(TO_COME, SAID)),
    field("input_tokens", ("usage.input_tokens", 100), NOWHERE, "110 tokens (10 out)",
          reply=used(), bill=HUNDRED),
    field("cache_read_input_tokens", ("usage.cache_read_input_tokens", 50), NOWHERE, "160 tokens",
          reply=used(cache_read_input_tokens=50), bill=HUNDRED + 50 * 0.3),
    field("cache kept for an hour", ("usage.cache_creation_1h_input_tokens", 20), NOWHERE,
          "150 tokens", bill=HUNDRED + 20 * 3.75 + 20 * 6, reply=used(
              cache_creation_input_tokens=40, cache_creation={"ephemeral_1h_input_tokens": 20})),
    field("thinking_tokens", ("usage.thinking_tokens", 4), NOWHERE, "110 tokens (10 out)",
          reply=used(output_tokens_details={"thinking_tokens": 4}), bill=HUNDRED),
    field("service_tier", ("usage.rates", ["batch"]), NOWHERE, "110 tokens",
          reply=used(service_tier="batch"), bill=HUNDRED / 2),
    field("speed", ("usage.rates", ["fast"]), NOWHERE, "110 tokens",
          reply=used(speed="fast"), bill=HUNDRED * 6),
    field("a count to come", ("envelope.usage.new_count", 3), NOWHERE, "110 tokens",
          reply=used(new_count=3), bill=HUNDRED),
]  # fmt: skip

CALLED = use(1, "add", {"a": 1, "b": 2})
OPENAI = 10 * 3 + 5 * 15
"""Micro-dollars of the usage of `reply_of`."""


def chat(said: dict[str, Any], finish: str = "stop", **choice: Any) -> bytes:
    """A reply of Chat Completions in one chunk, with its usage."""
    usage = {
        "prompt_tokens": 30, "completion_tokens": 5, "total_tokens": 35,
        "prompt_tokens_details": {"cached_tokens": 20, "cache_write_tokens": 4},
        "completion_tokens_details": {"reasoning_tokens": 2, "audio_tokens": 1},
    }  # fmt: skip
    first = chunk({**delta(said, finish), **choice}, model="m")
    last = {**chunk(usage=usage, model="m"), "system_fingerprint": "fp_1"}
    return data([first, last]) + b"data: [DONE]\n\n"


CHAT_BILL = 6 * 3 + 20 * 0.3 + 4 * 3.75 + 5 * 15
URL = {
    "type": "url_citation",
    "url_citation": {"title": "Hue", "url": "https://example.org", "start_index": 0,
                     "end_index": 3},
}  # fmt: skip
LOGPROBS: dict[str, Any] = {
    "content": [{"token": "x", "logprob": -0.5, "bytes": None, "top_logprobs": []}]
}
DETAILS = [{"type": "reasoning.encrypted", "data": "c2VjcmV0", "index": 0}]
CALL = {"id": "c_1", "type": "function", "index": 0,
        "function": {"name": "add", "arguments": '{"a": 1, "b": 2}'}}  # fmt: skip


def of_chat(
    name: str, reply: bytes, log: tuple[str, Any], sent: Any, show: str, bill: float = CHAT_BILL
) -> Field:
    return Field(name, "chat", reply, log, sent, show, bill)


CHAT = [
    of_chat("content", chat({"content": "x"}), ("content.0.text", "x"),
            {"role": "assistant", "content": "x"}, "x"),
    of_chat("tool_calls", chat({"tool_calls": [CALL]}, "tool_calls"),
            ("content.0.input", {"a": 1, "b": 2}), {"id": "c_1", "type": "function"},
            "add(a=1, b=2)"),
    of_chat("reasoning_content", chat({"reasoning_content": "hm", "tool_calls": [CALL]}),
            ("content.0.thinking", "hm"), {"reasoning_content": "hm"}, "hm"),
    of_chat("reasoning_details", chat({"reasoning_details": DETAILS, "tool_calls": [CALL]}),
            ("content.0.openai.reasoning_details", DETAILS), {"reasoning_details": DETAILS},
            "(encrypted by the provider)"),
    of_chat("extra_content", chat({"tool_calls": [{**CALL, "extra_content": {"g": "c2ln"}}]}),
            ("content.0.openai.extra_content", {"g": "c2ln"}), {"extra_content": {"g": "c2ln"}},
            "add(a=1, b=2)"),
    of_chat("annotations", chat({"content": "x", "annotations": [URL]}),
            ("envelope.annotations", [URL]), NOWHERE, "cites Hue (https://example.org)"),
    of_chat("a message's field to come", chat({"content": "x", "aura": "blue"}),
            ("envelope.aura", "blue"), NOWHERE, "aura: blue"),
    of_chat("logprobs", chat({"content": "x"}, logprobs=LOGPROBS),
            ("envelope.logprobs", LOGPROBS), NOWHERE, "logprobs: "),
    of_chat("refusal", chat({"refusal": "I will not."}), ("envelope.stop_details.explanation",
            "I will not."), NOWHERE, "the model refused to answer: I will not."),
    of_chat("finish_reason", chat({"content": "x"}, "length"), ("stop_reason", "max_tokens"),
            NOWHERE, "the reply was cut at max_tokens"),
    of_chat("system_fingerprint", chat({"content": "x"}), ("envelope.system_fingerprint", "fp_1"),
            NOWHERE, "system_fingerprint: fp_1"),
    of_chat("cached_tokens", chat({"content": "x"}), ("usage.cache_read_input_tokens", 20),
            NOWHERE, "35 tokens"),
    of_chat("cache_write_tokens", chat({"content": "x"}), ("usage.cache_creation_input_tokens", 4),
            NOWHERE, "35 tokens"),
    of_chat("reasoning_tokens", chat({"content": "x"}), ("usage.thinking_tokens", 2), NOWHERE,
            "35 tokens (5 out)"),
    of_chat("other counts", chat({"content": "x"}), ("envelope.usage.details.audio_tokens", 1),
            NOWHERE, "35 tokens"),
]  # fmt: skip

MESSAGE = item_of(block("x"), 7)
CITED = {"type": "url_citation", "title": "Hue", "url": "https://example.org", "start_index": 0,
         "end_index": 1}  # fmt: skip
PART = {"type": "output_text", "text": "x", "annotations": [CITED], "logprobs": []}
LOOKED = {"type": "web_search_call", "id": "ws_1", "status": "completed",
          "action": {"type": "search", "query": "Hue"}}  # fmt: skip
REASONED = item_of({"type": "thinking", "thinking": "hm"}, 3)
NO = {**MESSAGE, "content": [{"type": "refusal", "refusal": "I will not."}]}


def of_responses(
    name: str,
    items: list[dict[str, Any]],
    log: tuple[str, Any],
    sent: Any,
    show: str,
    more: float = 0,
    stop: str = "end_turn",
) -> Field:
    """A row of the Responses API."""
    reply = reply_of(block("x"))
    whole = Reply(reply.content, stop, reply.usage, "m")
    events = [
        {**e, "response": {**e["response"], "service_tier": "default"}} if "response" in e else e
        for e in item_events(whole, items)
    ]
    bill = more + reply.usage.input_tokens * 3 + reply.usage.output_tokens * 15
    bill += reply.usage.cache_read_input_tokens * 0.3
    return Field(name, "responses", named(events), log, sent, show, bill)


RESPONSES = [
    of_responses("an item's id", [{**MESSAGE, "phase": "final_answer"}],
                 ("content.0.openai.id", "msg_7"), {"id": "msg_7", "phase": "final_answer"}, "x"),
    of_responses("annotations", [{**MESSAGE, "content": [PART]}],
                 ("content.0.openai.part.annotations", [CITED]), {"annotations": [CITED]},
                 "cites Hue (https://example.org)"),
    of_responses("a reasoning summary", [REASONED, MESSAGE], ("content.0.thinking", "hm"),
                 {"summary": [{"type": "summary_text", "text": "hm"}]}, "hm"),
    of_responses("encrypted reasoning", [REASONED, MESSAGE],
                 ("content.0.openai.encrypted_content", "c2VjcmV0"),
                 {"encrypted_content": "c2VjcmV0", "id": "rs_3"}, "hm"),
    of_responses("a function call's id", [item_of(CALLED, 2)], ("content.0.openai.id", "fc_2"),
                 {"type": "function_call", "id": "fc_2", "call_id": CALLED["id"]},
                 "add(a=1, b=2)"),
    of_responses("a call of the API's own tool", [LOOKED, MESSAGE],
                 ("content.0.openai", LOOKED), LOOKED,
                 "web_search_call(action query Hue), run by the API", 10_000),
    of_responses("searches", [LOOKED, MESSAGE], ("usage.web_search_requests", 1), NOWHERE,
                 "1 web search", 10_000),
    of_responses("refusal", [NO], ("envelope.stop_details.explanation", "I will not."), NOWHERE,
                 "the model refused to answer: I will not."),
    of_responses("incomplete_details", [MESSAGE], ("envelope.incomplete_details.reason",
                 "max_output_tokens"), NOWHERE, "the reply was cut at max_tokens",
                 stop="max_tokens"),
    of_responses("service_tier", [MESSAGE], ("envelope.service_tier", "default"), NOWHERE,
                 "service_tier: default"),
    of_responses("the response's id", [MESSAGE], ("envelope.id", "resp_1"), NOWHERE, "x"),
]  # fmt: skip

TABLE = [*MESSAGES, *CHAT, *RESPONSES]
LAST = {
    "messages": said(SAID),
    "chat": chat_stream(reply_of(block("Done."))),
    "responses": responses_stream(reply_of(block("Done."))),
}


def played(row: Field) -> tuple[list[dict[str, Any]], list[Record]]:
    """Two goals in one session, the first answered by the row's reply: requests, first run."""
    answers = [Answer(row.reply), *[Answer(LAST[row.protocol])] * 3]
    log = MemoryLog()
    with StubServer(answers) as server:
        model: Any = (
            AnthropicModel(server.url, "key")
            if row.protocol == "messages"
            else OpenAIModel(server.url, "key", api=row.protocol)
        )
        own = [CODE_TOOL] if row.protocol == "messages" else []
        agent = Agent(name="a", model="m", prices=PRICES, tools=[add], server_tools=own)
        with Runtime(log, model=model) as runtime:
            runs: list[str] = []
            for goal in ("one", "two"):
                run = runtime.start(agent, goal, session="s")
                with suppress(RunNotFinished):
                    run.wait()
                assert runtime.replay(run.id).matches
                runs.append(run.id)
        return server.requests, records(log, runs[0])


def at(value: Any, path: str) -> Any:
    """What stands at a path like `content.0.text`."""
    found = value
    for step in path.split("."):
        found = found[int(step) if step.isdigit() else step]
    return found


def parts(value: object) -> Iterator[object]:
    """A JSON value and everything in it."""
    yield value
    inner: list[object] = []
    if isinstance(value, dict):
        inner = list(cast("dict[str, object]", value).values())
    elif isinstance(value, list):
        inner = cast("list[object]", value)
    for each in inner:
        yield from parts(each)


def holds(body: object, wanted: object) -> bool:
    """Whether a value is somewhere in it; of an object, at least these fields."""
    for part in parts(body):
        if isinstance(wanted, dict) and isinstance(part, dict):
            fields, found = cast("dict[str, Any]", wanted), cast("dict[str, Any]", part)
            if all(name in found and found[name] == each for name, each in fields.items()):
                return True
        elif part == wanted:
            return True
    return False


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row.protocol}: {row.name}")
def test_a_field_is_in_the_log_in_the_next_request_in_show_and_on_the_bill(row: Field) -> None:
    requests, run = played(row)
    answered = next(r for r in run if isinstance(r.event, ModelAnswered))
    path, value = row.log
    assert at(answered.event.model_dump(mode="json"), path) == value, "log"
    if row.sent is NOWHERE:
        name = path.rpartition(".")[2]
        assert not holds(requests[1], {name: value}), "next request"
    else:
        assert holds(requests[1], row.sent), "next request"
    summary = read_summary(run[0].run, run)
    shown = [f"{e.text}\n{who_and_why(e, cost)}" for e, cost in summary.told(thoughts=True)]
    assert row.show in "\n".join(shown), "show"
    line = next(iter(ledger(run)))
    assert line.cost is not None
    assert line.cost / 10**6 == pytest.approx(row.bill), "bill"
