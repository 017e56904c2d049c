"""Worked examples for the local model, and the selection of those most similar to a question.

A base model continues the text before it and copies what is nearest: hence few examples, the most
similar one last. Results look exactly like those of our own tools.
"""

import json
import re
from collections.abc import Collection, Sequence
from typing import NamedTuple

SHOWN = 5
"""The number of examples before a question."""


class ExampleCall(NamedTuple):
    """A tool call and its result."""

    tool: str
    arguments: dict[str, str]
    result: str


class Example(NamedTuple):
    """A question, the calls it led to in order, and the answer."""

    question: str
    calls: Sequence[ExampleCall]
    answer: str


def chosen(question: str, tools: Collection[str]) -> Sequence[Example]:
    """The examples before a question, the most similar last; for these tools if possible."""
    fitting = [e for e in EXAMPLES if all(call.tool in tools for call in e.calls)] or EXAMPLES
    words = _words(question)
    return sorted(fitting, key=lambda example: _similarity(words, example))[-SHOWN:]


def _similarity(words: frozenset[str], example: Example) -> float:
    other = _words(example.question)
    return len(words & other) / len(words | other)


def _words(text: str) -> frozenset[str]:
    """Words and punctuation; all numbers are treated as equal."""
    return frozenset(re.findall(r"[a-z]+|0|[^\w\s]", re.sub(r"\d+", " 0 ", text.lower())))


def _json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


def _calculated(expression: str, result: str) -> ExampleCall:
    return ExampleCall("calculator", {"expression": expression}, result)


def _told(zone: str, time: str) -> ExampleCall:
    told = {"time": time, "weekday": "Friday", "timezone": zone}
    return ExampleCall("current_time", {"timezone": zone}, _json(told))


def _listed(folder: str, *paths: str) -> ExampleCall:
    entries = [{"path": path, "kind": "file", "bytes": 19} for path in paths]
    told = {"folder": folder, "entries": entries, "total": len(paths), "next_offset": None}
    return ExampleCall("list_files", {"folder": folder}, _json(told))


def _opened(path: str, text: str) -> ExampleCall:
    told = {"path": path, "text": text, "bytes": len(text), "next_offset": None}
    return ExampleCall("read_file", {"path": path}, _json(told))


def _sum(question: str, expression: str, result: str, answer: str) -> Example:
    return Example(question, [_calculated(expression, result)], answer)


def _time(question: str, zone: str, time: str, answer: str) -> Example:
    return Example(question, [_told(zone, time)], answer)


def _list(question: str, folder: str, paths: Sequence[str], answer: str) -> Example:
    return Example(question, [_listed(folder, *paths)], answer)


def _read(question: str, path: str, text: str) -> Example:
    return Example(question, [_opened(path, text)], f"{path} says: {text}")


EXAMPLES: Sequence[Example] = (
    _time(
        "What time is it in Tokyo?",
        "Asia/Tokyo",
        "2024-03-01T18:32:07+09:00",
        "In Tokyo it is 2024-03-01T18:32:07+09:00, a Friday.",
    ),
    _time(
        "What time is it in Berlin?",
        "Europe/Berlin",
        "2024-05-17T14:20:33+02:00",
        "In Berlin it is 2024-05-17T14:20:33+02:00, a Friday.",
    ),
    _time(
        "What is the time in UTC?",
        "UTC",
        "2024-08-09T07:41:58+00:00",
        "In UTC it is 2024-08-09T07:41:58+00:00, a Friday.",
    ),
    _time(
        "What day is it today?",
        "UTC",
        "2024-03-01T09:05:41+00:00",
        "Today is Friday, 2024-03-01.",
    ),
    _time(
        "What time is it in Los Angeles?",
        "America/Los_Angeles",
        "2024-11-08T05:03:19-08:00",
        "In Los Angeles it is 2024-11-08T05:03:19-08:00, a Friday.",
    ),
    _list(
        "Which files are there?", ".", ["plan.md", "data.csv"], "There are plan.md and data.csv."
    ),
    _list("List the files.", ".", ["letter.txt", "b.py"], "There are letter.txt and b.py."),
    _list(
        "What is in the folder drafts?",
        "drafts",
        ["drafts/intro.txt"],
        "The folder drafts holds drafts/intro.txt.",
    ),
    _list(
        "List the files in the folder src.",
        "src",
        ["src/a.py", "src/b.py"],
        "The folder src holds src/a.py and src/b.py.",
    ),
    _read("What does plan.md say?", "plan.md", "Buy milk and bread."),
    _read("Read letter.txt.", "letter.txt", "Dear Tom, come on Friday."),
    _read("Read drafts/intro.txt.", "drafts/intro.txt", "Once there was a fox."),
    _read("What is in data.csv?", "data.csv", "x,y\\n5,8"),
    _sum("What is 15 percent of 80?", "80 * 15 / 100", "12", "15 percent of 80 is 12."),
    _sum("How much is 8% of 250?", "250 * 8 / 100", "20", "8% of 250 is 20."),
    _sum("What is 3 to the power of 4?", "3 ** 4", "81", "3 to the power of 4 is 81."),
    _sum("What is the square root of 25?", "sqrt(25)", "5", "The square root of 25 is 5."),
    _sum(
        "Tom has 15 apples and buys 27 more. How many apples does he have?",
        "15 + 27",
        "42",
        "Tom has 42 apples.",
    ),
    _sum(
        "A pen costs 3 euros. What do 14 pens cost?",
        "14 * 3",
        "42",
        "14 pens cost 42 euros.",
    ),
    _sum("What is (4 + 6) * 3?", "(4 + 6) * 3", "30", "(4 + 6) * 3 is 30."),
    _sum("What is 96 / 4?", "96 / 4", "24", "96 / 4 is 24."),
    _sum("How much is 500 - 123?", "500 - 123", "377", "500 - 123 is 377."),
    _sum("Calculate 19 + 2.5.", "19 + 2.5", "21.5", "19 + 2.5 is 21.5."),
    _sum("What is 12 * 7?", "12 * 7", "84", "12 * 7 is 84."),
    Example(
        "What is the time in Rome, and what is 8 * 9?",
        [_told("Europe/Rome", "2024-06-07T20:11:46+02:00"), _calculated("8 * 9", "72")],
        "In Rome it is 2024-06-07T20:11:46+02:00, a Friday, and 8 * 9 is 72.",
    ),
    Example(
        "What is 30 * 3, and what time is it in UTC?",
        [_calculated("30 * 3", "90"), _told("UTC", "2024-02-09T10:51:22+00:00")],
        "30 * 3 is 90, and in UTC it is 2024-02-09T10:51:22+00:00, a Friday.",
    ),
    Example(
        "Read plan.md and calculate 5 * 15.",
        [_opened("plan.md", "Buy milk."), _calculated("5 * 15", "75")],
        "plan.md says: Buy milk. 5 * 15 is 75.",
    ),
    Example(
        "Look at what there is, then read b.txt.",
        [_listed(".", "a.py", "b.txt"), _opened("b.txt", "See you soon.")],
        "There are a.py and b.txt. b.txt says: See you soon.",
    ),
)
