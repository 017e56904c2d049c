"""Renders a conversation for the local model, a base model that only continues text.

It gets a list of the tools, a few worked examples, and the conversation in the same form. Requests
for larger models are too long for it: instructions are omitted, tool descriptions are reduced to
their first line, and long results and old turns are cut.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from playhead.tools.models.local.examples import Example, chosen

CALL = "<tool_call>\n"
ANSWER = "Answer:"

RESULT_CHARS = 800
"""Longer tool results are cut."""

CONVERSATION_CHARS = 5000
"""Of a longer conversation only the end is used; with the examples it fits one slot's context."""


JSON_EXAMPLES = (
    'Question: What is 12 * 7?\nAnswer: {"number": 84}\n\n'
    'Question: Which colours has the flag of France?\nAnswer: {"colours": ["blue", "white", "red"]}'
    '\n\nQuestion: How do I make tea?\nAnswer: {"steps": ["Boil water.", "Add tea."]}\n\n'
)
"""Shown before a question that wants JSON, so that the JSON is compact."""


@dataclass(frozen=True)
class Prompt:
    """The text to continue, and what may come next."""

    text: str
    tools: Sequence[Mapping[str, Any]]
    answering: bool
    """The last message is a tool's, not the user's: an answer may follow."""
    calls: Sequence[str]
    """The calls made since the user's last message, each as JSON."""


def render(body: Mapping[str, Any], *, as_json: bool = False) -> Prompt:
    """The prompt for the body of a request to the Messages API; `as_json`: the answer is JSON."""
    tools: Sequence[Mapping[str, Any]] = body.get("tools", ())
    pieces: list[str] = []
    calls: list[str] = []
    question = ""
    answering = False
    for message in body["messages"]:
        for kind, words in _parts(message):
            pieces.append(words)
            answering = kind == "result"
            if kind == "question":
                question = words
                calls.clear()
            elif kind == "call":
                calls.append(words)
    head = _head(tools, question) + (JSON_EXAMPLES if as_json else "")
    return Prompt(head + _end_of(pieces), tools, answering, calls)


def call_text(name: str, arguments: object) -> str:
    """A tool call as the model writes it."""
    call = json.dumps({"name": name, "arguments": arguments}, ensure_ascii=False)
    return f"{CALL}{call}\n</tool_call>\n"


def _head(tools: Sequence[Mapping[str, Any]], question: str) -> str:
    if not tools:
        return ""
    shown = chosen(question, {tool["name"] for tool in tools})
    lines = [_tool_line(tool) for tool in tools]
    return "Tools:\n" + "".join(lines) + "\n" + "".join(map(_example_text, shown))


def _tool_line(tool: Mapping[str, Any]) -> str:
    parameters = ", ".join(tool["input_schema"].get("properties", {}))
    first = str(tool.get("description", "")).partition("\n")[0]
    return f"- {tool['name']}({parameters}): {first}\n"


def _example_text(example: Example) -> str:
    calls = (call_text(c.tool, c.arguments) + f"Result: {c.result}\n" for c in example.calls)
    return f"Question: {example.question}\n{''.join(calls)}{ANSWER} {example.answer}\n\n"


def _parts(message: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    content = message["content"]
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
    for block in blocks:
        match block["type"]:
            case "tool_use":
                yield "call", call_text(block["name"], block["input"])
            case "tool_result":
                yield "result", f"Result: {_one_line(_text(block.get('content', '')))}\n"
            case "text" if message["role"] == "assistant":
                yield "answer", f"{ANSWER} {_one_line(block['text'])}\n\n"
            case "text" if not _is_reminder(block["text"]):
                yield "question", f"Question: {_one_line(block['text'])}\n"
            case _:
                pass


def _is_reminder(text: str) -> bool:
    """The context restates the goal after the results; this model would read a new question."""
    return text.startswith("<goal>") and text.rstrip().endswith("</goal>")


def _text(content: str | Sequence[Mapping[str, Any]]) -> str:
    if isinstance(content, str):
        return content
    return " ".join(str(block.get("text", f"({block['type']})")) for block in content)


def _one_line(text: str) -> str:
    words = " ".join(text.split())
    return words if len(words) <= RESULT_CHARS else words[:RESULT_CHARS] + " [...]"


def _end_of(pieces: Sequence[str]) -> str:
    kept, room = len(pieces), CONVERSATION_CHARS
    while kept and len(pieces[kept - 1]) <= room:
        kept -= 1
        room -= len(pieces[kept])
    return "".join(pieces[kept:])
