import json

from hypothesis import given
from hypothesis import strategies as st

from playhead.tools.models.local.examples import EXAMPLES, SHOWN, chosen
from playhead.tools.models.local.prompt import CONVERSATION_CHARS, RESULT_CHARS, Prompt, render
from tests.support.messages_api import Block, call, text

TOOL: Block = {
    "name": "rate",
    "description": "Tell a rate.\nMore.",
    "input_schema": {"properties": {"of": {"type": "string"}}},
}
CALCULATOR: Block = {**TOOL, "name": "calculator"}


def result(content: str | list[Block], use: str = "toolu_1") -> Block:
    return {"type": "tool_result", "tool_use_id": use, "content": content}


def prompt(*turns: str | list[Block], tools: list[Block] | None = None) -> Prompt:
    roles = ("user", "assistant")
    messages = [{"role": roles[i % 2], "content": turn} for i, turn in enumerate(turns)]
    return render({"messages": messages, "tools": tools or []})


def test_a_conversation_reads_as_the_examples_do() -> None:
    read = prompt(
        "How much\nis it?", [call("rate", {"of": "EUR"})], [result("26,000")], [text("So.")]
    )
    assert read.text == (
        'Question: How much is it?\n<tool_call>\n{"name": "rate", "arguments": {"of": "EUR"}}\n'
        "</tool_call>\nResult: 26,000\nAnswer: So.\n\n"
    )


def test_the_goal_restated_after_results_is_no_new_question() -> None:
    reminder = text("<goal>\nHow much?\n</goal>")
    read = prompt("How much?", [call("rate", {})], [result("1"), reminder])
    assert read.text.count("How much?") == 1
    assert read.answering


def test_what_the_user_says_after_results_is_a_question() -> None:
    read = prompt("How much?", [call("rate", {})], [result("1"), text("And now?")])
    assert not read.answering
    assert read.calls == []


def test_the_calls_since_the_question_are_known() -> None:
    read = prompt("1?", [call("rate", {"of": 1})], [result("1")], "One.", "2?")
    assert (read.calls, read.answering) == ([], False)
    read = prompt("2?", [call("rate", {"of": 2})], [result("2")])
    assert [json.loads(line.split("\n")[1])["arguments"] for line in read.calls] == [{"of": 2}]


def test_a_tool_is_listed_with_its_parameters_and_its_first_sentence() -> None:
    assert prompt("?", tools=[TOOL]).text.startswith("Tools:\n- rate(of): Tell a rate.\n\n")


def test_no_tools_no_examples() -> None:
    assert prompt("What is 1 + 1?").text == "Question: What is 1 + 1?\n"


def test_the_likest_example_stands_last_and_only_for_tools_that_are_there() -> None:
    shown = chosen("What is the square root of 144?", {"calculator"})
    assert shown[-1].question == "What is the square root of 25?"
    assert {c.tool for example in shown for c in example.calls} == {"calculator"}


def test_tools_without_examples_get_those_of_others() -> None:
    assert len(chosen("How much?", {"rate"})) == SHOWN


def test_the_results_of_examples_read_as_our_tools_write_them() -> None:
    for example in EXAMPLES:
        for made in example.calls:
            if made.tool != "calculator":
                compact = json.dumps(json.loads(made.result), separators=(",", ":"))
                assert made.result == compact


@given(st.lists(st.text(max_size=3000), min_size=1, max_size=20))
def test_no_conversation_is_longer_than_the_model_can_read(words: list[str]) -> None:
    turns: list[str | list[Block]] = [[text(w)] if i % 2 == 0 else w for i, w in enumerate(words)]
    assert len(prompt(*turns).text) <= CONVERSATION_CHARS


def test_a_long_result_is_cut() -> None:
    read = prompt("?", [call("rate", {})], [result("x" * 9999)])
    assert read.text.count("x") == RESULT_CHARS


def test_blocks_that_are_no_text_are_named() -> None:
    read = prompt("?", [call("rate", {})], [result([{"type": "image"}, text("a cat")])])
    assert "Result: (image) a cat\n" in read.text
