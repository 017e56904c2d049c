"""The marks of the prompt cache, and the prefix that requests share."""

import json
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from playhead.events.event import Block
from playhead.events.kinds.tool_calls import ToolRequested, ToolSucceeded
from playhead.events.model_api import Request
from playhead.events.spec.agent import AgentSpec, ModelSettings, ToolSpec
from playhead.projections.prompt.context import Context
from playhead.projections.prompt.head import render_head
from tests.support.prompt_cache import PromptCache, blocks, marks, unmarked

TOOL = ToolSpec(name="add", description="Add.", input_schema={"type": "object", "properties": {}})


def spec(**settings: Any) -> AgentSpec:
    model = ModelSettings(model="m", **settings)
    return AgentSpec(name="a", instructions="Be brief.", model=model, tools=(TOOL, TOOL))


def grown(rounds: list[int], agent: AgentSpec, past: Context | None = None) -> list[Request]:
    """The requests of a step whose replies made so many calls each."""
    context = Context(render_head(agent), "count", past)
    requests: list[Request] = []
    seq = 0
    for number, calls in enumerate(rounds):
        requests.append(context.request("m"))
        context.settle()
        uses = [f"u{number}.{n}" for n in range(calls)]
        said: list[Block] = [
            {"type": "tool_use", "id": u, "name": "add", "input": {}} for u in uses
        ]
        context.assistant([{"type": "text", "text": f"round {number}"}, *said])
        for use in uses:
            seq += 1
            requested = ToolRequested(step="s", tool="add", arguments={}, use=use)
            context.requested(seq, requested)
            context.resulted(seq, ToolSucceeded(result="r" * (seq % 7 * 100), duration_ms=1.0))
        if not calls:
            context.user("go on")
    requests.append(context.request("m"))
    return requests


rounds = st.lists(st.integers(0, 30), min_size=1, max_size=6)


def content(request: Request) -> list[str]:
    """The blocks that are there to stay, without marks: not the goal restated at the end."""
    found = [json.dumps([where, unmarked(block)]) for where, block in blocks(request.body)]
    return [block for block in found if "<goal>" not in block]


@given(rounds)
def test_a_request_is_the_beginning_of_the_next_but_for_its_marks(calls: list[int]) -> None:
    requests = grown(calls, spec())
    for shorter, longer in pairwise(requests):
        before = content(shorter)
        assert content(longer)[: len(before)] == before


@given(rounds)
def test_stable_messages_go_out_as_the_same_bytes_but_for_the_marked_ones(calls: list[int]) -> None:
    requests = grown(calls, spec())
    longest = requests[-1]
    for request in requests:
        assert request.head is longest.head
        moved = [] if request.marked is None else [request.marked[0]]
        sent = json.loads(request.content)["messages"]
        for n in range(request.count):
            if n not in moved:
                assert json.dumps(sent[n]) == json.dumps(json.loads(longest.messages[n]))


@given(rounds)
def test_no_request_has_more_than_the_four_marks_that_the_api_takes(calls: list[int]) -> None:
    for request in grown(calls, spec()):
        assert 3 <= marks(request.body) <= 4


@given(rounds)
def test_every_request_after_the_first_reads_all_that_the_one_before_wrote(
    calls: list[int],
) -> None:
    cache, held = PromptCache(least=1), 0
    for request in grown(calls, spec()):
        usage = cache.usage(request.body)
        assert usage["cache_read_input_tokens"] == held
        held += usage["cache_creation_input_tokens"]


def test_marks_stand_on_the_last_tool_the_instructions_and_the_last_stable_blocks() -> None:
    request = grown([1, 1], spec(cache="1h"))[-1]
    body = request.body
    hour = {"type": "ephemeral", "ttl": "1h"}
    assert [tool.get("cache_control") for tool in body["tools"]] == [None, hour]
    assert body["system"][-1]["cache_control"] == hour
    marked = [n for n, m in enumerate(body["messages"]) if "cache_control" in str(m)]
    assert marked == [len(body["messages"]) - 3, len(body["messages"]) - 1]
    last = body["messages"][-1]["content"]
    assert last[-1]["text"].startswith("<goal>")
    assert "cache_control" not in last[-1]
    assert last[-2]["cache_control"] == hour


def test_without_the_cache_there_is_no_mark() -> None:
    assert all(marks(request.body) == 0 for request in grown([1, 3], spec(cache="off")))


def test_a_retry_marks_as_its_first_attempt_did_and_is_the_same_request() -> None:
    context = Context(render_head(spec()), "goal")
    first = context.request("m")
    context.settle()
    again = context.request("m")
    assert (again.hash, again.content) == (first.hash, first.content)


def test_marks_that_come_with_content_are_not_sent() -> None:
    image: Block = {"type": "image", "source": {}, "cache_control": {"type": "ephemeral"}}
    context = Context(render_head(spec(cache="off")), "see", content=[image])
    context.user("and this", [image])
    assert marks(context.request("m").body) == 0


def test_a_session_goes_on_from_the_entry_that_its_last_run_wrote() -> None:
    agent = spec()
    cache = PromptCache(least=1)
    past = Context(render_head(agent), "first")
    cache.usage(past.request("m").body)
    past.settle()
    past.assistant([{"type": "text", "text": "done"}])
    usage = cache.usage(Context(render_head(agent), "second", past).request("m").body)
    assert usage["cache_read_input_tokens"] > usage["cache_creation_input_tokens"]
