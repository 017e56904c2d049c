"""`context`: what the model was sent, block by block, each with its record."""

import json

from tests.cli.conftest import Playhead
from tests.cli.test_look import run


def test_context_shows_a_request_and_the_record_behind_each_block(playhead: Playhead) -> None:
    run(playhead, "adder")
    told = json.loads(playhead("context", "last", "--json").out)
    found = [(b["role"], b["type"], b["seq"]) for b in told["blocks"]]
    assert ("user", "text", 3) in found, "the goal, from the step's start"
    assert ("assistant", "tool_use", 5) in found
    assert ("user", "tool_result", 8) in found
    assert found[-1] == ("user", "text", None), "the goal, restated"
    lines = playhead("context", "last", "--why").out
    assert "<- record 8" in lines
    assert "<- the goal, restated" in lines


def test_context_diff_names_the_first_block_that_differs(playhead: Playhead) -> None:
    run(playhead, "adder")
    told = json.loads(playhead("context", "last", "--diff", "--json").out)
    assert told["before"] is None, "the first request ended there"
    assert told["now"]["role"] == "assistant"
    assert told["now"]["seq"] == 5


def test_context_at_an_early_record_shows_the_request_of_that_moment(playhead: Playhead) -> None:
    run(playhead, "adder")
    first = json.loads(playhead("context", "last", "--at", "4", "--json").out)
    assert first["request"] == 4
    said = playhead("context", "last", "--at", "2")
    assert said.code == 2
    assert "asked the model nothing" in said.err
