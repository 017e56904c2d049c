"""What is accepted as a reply, and that nothing less than a whole one ever is."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playhead.events.errors import ModelError
from playhead.events.model_api import Reply
from playhead.tools.models.anthropic import AnthropicModel
from playhead.tools.models.stream import Assembler, EventStream, read_event, strict_object
from playhead.tools.result import clean_text
from tests.support.messages_api import (
    Answer,
    Block,
    MessagesApi,
    call,
    message,
    message_events,
    sse,
    text,
)
from tests.support.rendered import request_of

THINKING = {"type": "thinking", "thinking": "Add them.", "signature": "c2ln"}
SERVER = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"q": "½"}}
FOUND = {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": [{"n": None}]}
TO_COME = {"type": "a_block_to_come", "data": {"deep": [1, 2.5, {"x": None}]}}

RECORDED: dict[str, tuple[Block, ...]] = {
    "text": (text("It is 3."),),
    "tool_use": (text("I add."), call("add", {"a": 1, "b": 2})),
    "two_tool_uses": (
        call("say", {"words": 'é"\\/\n😀', "n": [1.5, None]}, "toolu_1"),
        call("now", {}, "toolu_2"),
    ),
    "thinking": (THINKING, text("3.")),
    "server_tool": (SERVER, FOUND, TO_COME, text("Half.")),
}


def assembled(answer: Answer) -> Reply:
    assembler, events = Assembler(), EventStream()
    for data in events.feed(answer.body):
        assembler.add(json.loads(data))
    return assembler.reply()


def refused(answer: Answer) -> ModelError:
    with pytest.raises(ModelError) as raised:
        assembled(answer)
    return raised.value


@pytest.mark.parametrize("name", RECORDED)
def test_every_block_is_kept_verbatim(name: str) -> None:
    assert assembled(message(*RECORDED[name])).content == RECORDED[name]


@pytest.mark.parametrize("abrupt", [False, True])
@pytest.mark.parametrize("name", RECORDED)
def test_a_stream_cut_at_any_byte_is_never_a_reply(name: str, abrupt: bool) -> None:
    """Over HTTP and through the SDK: cut at every byte as if that were all, then mid-chunk."""
    whole = message(*RECORDED[name])
    last = len(whole.body)
    cuts = [replace(whole, cut=n, abrupt=abrupt) for n in range(0, last, 5 if abrupt else 1)]
    accepted: list[int | None] = []
    hopeless: list[ModelError] = []

    async def scenario(url: str) -> None:
        model = AnthropicModel(url)
        for cut in cuts:
            try:
                await model.reply(request_of("hi"), lambda _: None)
                accepted.append(cut.cut)
            except ModelError as error:
                hopeless.extend([] if error.retryable else [error])
        assert (await model.reply(request_of("hi"), lambda _: None)).content == RECORDED[name]
        await model.close()

    with MessagesApi([*cuts, whole]) as api:
        asyncio.run(scenario(api.url))
    assert (accepted, hopeless) == ([], [])


@given(data=st.data(), name=st.sampled_from(sorted(RECORDED)))
def test_it_does_not_matter_where_the_network_splits_the_bytes(
    data: st.DataObject, name: str
) -> None:
    body = message(*RECORDED[name]).body
    marks = sorted(data.draw(st.sets(st.integers(0, len(body)), max_size=20)))
    assembler, events = Assembler(), EventStream()
    for start, end in zip([0, *marks], [*marks, len(body)], strict=True):
        for event in events.feed(body[start:end]):
            assembler.add(json.loads(event))
    assert assembler.reply().content == RECORDED[name]


def without(drop: Callable[[dict[str, Any]], bool]) -> Answer:
    events = message_events(RECORDED["tool_use"], "tool_use")
    return Answer(sse(event for event in events if not drop(event)))


@pytest.mark.parametrize(
    "missing", ["message_start", "content_block_stop", "message_delta", "message_stop"]
)
def test_a_reply_without_one_of_its_events_is_refused(missing: str) -> None:
    error = refused(without(lambda event: event["type"] == missing))
    assert error.retryable


def test_a_reply_without_one_of_its_blocks_is_refused() -> None:
    assert refused(without(lambda event: event.get("index") == 0)).error == "truncated"


def test_windows_line_ends_and_comments_and_unknown_events_are_read_over() -> None:
    body = message(*RECORDED["text"]).body
    noise = b': a comment\n\nevent: vibe\ndata: {"type": "vibe"}\n\n'
    assert assembled(Answer((noise + body).replace(b"\n", b"\r\n"))).content == RECORDED["text"]


@pytest.mark.parametrize("reason", ["max_tokens", "model_context_window_exceeded"])
@pytest.mark.parametrize("arguments", ['{"path": "a.tx', '{"path": "a.txt"}', ""])
def test_a_call_in_a_reply_that_was_cut_off_never_starts(reason: str, arguments: str) -> None:
    error = refused(message(call("write", arguments), stop_reason=reason))
    assert (error.error, error.retryable) == ("truncated_tool_use", False)
    assert "raise max_tokens" in error.message


def test_text_that_was_cut_off_is_a_reply_that_says_so() -> None:
    assert assembled(message(text("So"), stop_reason="max_tokens")).stop_reason == "max_tokens"


def test_a_refusal_in_the_middle_of_a_call_is_a_refusal() -> None:
    assert refused(message(call("write", '{"pa'), stop_reason="refusal")).error == "refusal"


@pytest.mark.parametrize(
    "arguments",
    ['{"a": 1', '{"a": 1}}', '{"a": 1, "a": 2}', "[1]", '"a"', '{"a": NaN}', '{"a": 1e999}'],
)
def test_a_tool_input_that_is_no_strict_object_is_refused(arguments: str) -> None:
    error = refused(message(call("add", arguments)))
    assert (error.error, error.retryable) == ("malformed_reply", True)
    assert "add" in error.message


@pytest.mark.parametrize(
    "input_text",
    ['{"a": ' + "[" * 199 + "]" * 199 + "}", '{"a": ' + "1" * 5000 + "}"],
)
def test_a_tool_input_that_could_not_be_stored_is_refused(input_text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        strict_object(input_text)


def test_half_of_a_surrogate_pair_in_a_tool_input_is_mended() -> None:
    assert strict_object('{"a": ["\\ud800x", "\\ud83d\\ude00"], "\\udc00": 1.5}') == {
        "a": ["\ufffdx", "\U0001f600"], "\ufffd": 1.5,
    }  # fmt: skip


def test_a_pair_that_is_torn_over_two_events_comes_out_whole() -> None:
    assembler, shown = Assembler(), ""
    start = message(text("")).body.partition(b"event: content_block_stop")
    halves = b"".join(
        b'data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"'
        + piece
        + b'"}}\n\n'
        for piece in (b"\\ud83d", b"\\ude00", b" and \\ud800", b" \xed\xa0\x80")
    )
    for data in EventStream().feed(start[0] + halves + start[1] + start[2]):
        shown += assembler.add(read_event(data))
    assert clean_text(str(assembler.reply().content[0]["text"])) == "\U0001f600 and \ufffd \ufffd"
    shown.encode()


@pytest.mark.parametrize("data", [b'{"a": NaN}', b'{"a": "\\ud800", "b": NaN}', b'"\\ud800',
                                  b'{"a": "\\ud800", "b": 1e999}', b"\xff"])  # fmt: skip
def test_an_event_that_is_not_json_is_refused_whatever_its_text(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_event(data)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text()
    | st.floats(allow_nan=False).filter(lambda x: abs(x) != float("inf")),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text(), json_values, max_size=4), st.booleans())
def test_a_tool_input_comes_out_as_the_model_wrote_it(value: dict[str, Any], ascii_: bool) -> None:
    assert strict_object(json.dumps(value, ensure_ascii=ascii_)) == value


def test_no_input_at_all_is_an_empty_object() -> None:
    assert assembled(message(call("now", ""))).content[0]["input"] == {}


@pytest.mark.parametrize("reason", ["end_turn", "max_tokens", "refusal", "pause_turn"])
@pytest.mark.parametrize("blocks", [(), (text(""),)])
def test_a_reply_may_be_whole_and_say_nothing(reason: str, blocks: tuple[Block, ...]) -> None:
    """What follows from it is decided, and logged, elsewhere."""
    assert assembled(message(*blocks, stop_reason=reason)).content == blocks


@pytest.mark.parametrize("missing", ["id", "name"])
def test_a_call_without_an_id_or_a_name_is_refused(missing: str) -> None:
    block = {key: value for key, value in call("add", {}).items() if key != missing}
    assert refused(message(block)).error == "malformed_reply"


def test_a_stop_for_a_tool_without_a_call_is_refused() -> None:
    assert refused(message(text("I add."), stop_reason="tool_use")).error == "malformed_reply"


def test_an_unknown_stop_reason_is_named_and_not_tried_again() -> None:
    error = refused(message(text("So"), stop_reason="boredom"))
    assert (error.error, error.retryable) == ("unknown_stop_reason", False)
    assert "boredom" in error.message


def test_a_delta_that_cannot_be_kept_is_refused_by_name() -> None:
    events = list(message_events([text("So")], "end_turn"))
    events[3]["delta"] = {"type": "hum_delta", "hum": "mm"}
    error = refused(Answer(sse(events)))
    assert (error.error, error.retryable) == ("unknown_delta", False)
    assert "hum_delta" in error.message


def test_citations_are_gathered_on_their_block() -> None:
    events = list(message_events([text("So")], "end_turn"))
    cited = [{"type": "char_location", "cited_text": word} for word in ("a", "b")]
    events[4:4] = [
        {
            "type": "content_block_delta",
            "index": 0,
            "delta": {"type": "citations_delta", "citation": c},
        }
        for c in cited
    ]
    assert assembled(Answer(sse(events))).content == ({**text("So"), "citations": cited},)


def test_nothing_after_the_end_of_a_reply_changes_it() -> None:
    whole = message(*RECORDED["tool_use"])
    late = sse([{"type": "content_block_delta", "index": 1, "delta": {"type": "hum_delta"}}])
    assert assembled(replace(whole, body=whole.body + late)).content == RECORDED["tool_use"]
