"""Tools of the API that the client performs, and what the API is told of each tool."""

from pathlib import Path
from typing import Any

import pytest

from playhead import (
    Agent,
    Document,
    Image,
    Runtime,
    SearchResult,
    ToolReference,
    UsageError,
    tool,
)
from playhead.events.log.memory import MemoryLog
from playhead.projections.prompt.head import render_head
from playhead.toolkit import memory_files, text_editor
from playhead.tools.tool import AnyTool
from tests.models.exchanges import SEARCH_TOOL
from tests.support.agents import records
from tests.support.messages_api import MessagesApi, call, message, text
from tests.support.strict_api import strict


def ran(agent: Agent[Any], *calls: dict[str, Any]) -> tuple[list[dict[str, Any]], list[Any]]:
    """The requests that a strict server received for these calls, and the last results."""
    answers = iter([message(each) for each in calls] + [message(text("Done."))])
    log = MemoryLog()
    with (
        MessagesApi(strict(lambda _: next(answers))) as api,
        Runtime(log, base_url=api.url) as runtime,
    ):
        run = runtime.run(agent, "go").run_id
        assert runtime.replay(run).matches
        assert [r.event.kind for r in records(log, run)][-1] == "run_finished"
    results = [
        block["content"]
        for said in api.requests[-1]["messages"]
        for block in said["content"]
        if block["type"] == "tool_result"
    ]
    return api.requests, results


@tool(type="bash_20250124")
def bash(command: str | None = None, restart: bool = False) -> str:
    """Not shown to the model."""
    return "restarted" if restart else f"ran {command}"


def test_a_tool_of_the_api_is_declared_by_type_and_performed_by_the_users_function() -> None:
    requests, results = ran(
        Agent(name="a", tools=[bash], cache="off"), call("bash", {"command": "ls"})
    )
    assert requests[0]["tools"] == [{"type": "bash_20250124", "name": "bash"}]
    assert results == ["ran ls"]


@pytest.mark.parametrize("kind", ["web_search_20250305", "bash", "computer_toolset_20260801", ""])
def test_a_type_that_no_function_can_perform_is_refused_when_it_is_defined(kind: str) -> None:
    with pytest.raises(UsageError, match="no tool of the API that a function can perform"):

        @tool(type=kind)
        def it() -> str:
            return ""


def test_the_text_editor_has_the_name_of_its_version() -> None:
    def edit(command: str) -> str:
        return command

    assert tool(edit, type="text_editor_20250124").spec.name == "str_replace_editor"
    assert tool(edit, type="text_editor_20250728").spec.name == "str_replace_based_edit_tool"


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def told(*tools: AnyTool, **options: Any) -> list[dict[str, Any]]:
    """What the API is told of an agent's tools; it takes it."""
    requests, _ = ran(Agent(name="a", tools=tools, **options))
    return list(requests[0]["tools"])


def test_strict_loading_examples_and_extras_are_told_per_tool() -> None:
    example: dict[str, Any] = {"a": 1, "b": 2}
    extra: dict[str, Any] = {"allowed_callers": ["direct"], "eager_input_streaming": True}
    one = tool(add, name="one", strict=True, input_examples=[example], extra=extra)
    two = tool(add, name="two", defer_loading=True, strict=False)
    first, second = told(one, two, strict_tools=True, cache="off")
    assert first["strict"] is True
    assert first["input_schema"]["additionalProperties"] is False
    assert first["input_examples"] == [example]
    assert {name: first[name] for name in extra} == extra
    assert (second["strict"], second["defer_loading"]) == (False, True)


def test_the_cache_mark_is_on_the_tool_that_asks_for_it_or_on_the_last_that_is_loaded() -> None:
    def marked(*tools: AnyTool, **options: Any) -> list[str]:
        return [each["name"] for each in told(*tools, **options) if "cache_control" in each]

    one, two = tool(add, name="one"), tool(add, name="two")
    assert marked(one, two) == ["two"]
    assert marked(tool(add, name="one", cache_mark=True), two) == ["one"]
    assert marked(one, tool(add, name="two", defer_loading=True)) == ["one"]
    assert marked(tool(add, name="one", cache_mark=True), two, cache="off") == ["one"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"input_examples": [{"a": "x", "b": 1}]}, "does not fit"),
        ({"extra": {"cache_control": {}}}, "cache_mark= sets it"),
        ({"extra": {"input_schema": {}}}, "leave it out"),
        ({"defer_loading": True, "cache_mark": True}, "leave out cache_mark"),
    ],
)
def test_what_the_api_would_refuse_of_a_tool_is_refused_when_it_is_defined(
    options: dict[str, Any], words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        tool(add, **options)


def test_strict_for_a_schema_that_allows_any_key_is_refused() -> None:
    def put(values: dict[str, int]) -> str:
        """Put."""
        return str(values)

    with pytest.raises(UsageError, match="cannot enforce a schema that allows any key"):
        tool(put, strict=True)


def test_an_agent_with_deferred_tools_only_is_refused() -> None:
    with pytest.raises(UsageError, match="the API wants one without it"):
        Agent(name="a", tools=[tool(add, defer_loading=True)])


def test_one_check_finds_a_name_that_two_sources_of_tools_share() -> None:
    searches = tool(add, name="web_search")
    for tools, options in (
        ([searches], {"server_tools": [SEARCH_TOOL]}),
        ([searches], {"extra": {"tools": [SEARCH_TOOL]}}),
        ([searches, Agent(name="web_search")], {}),
        ([bash, Agent(name="bash")], {}),
    ):
        with pytest.raises(UsageError, match="are both named"):
            Agent(name="a", tools=tools, **options)  # type: ignore[arg-type]


def test_the_definition_of_a_tool_covers_its_type_and_fields() -> None:
    plain, deferred = tool(add), tool(add, defer_loading=True)
    assert plain.spec.definition != deferred.spec.definition
    assert plain.spec.request is None


FOUND = SearchResult("https://example.org", "Hue", ["Hue is a city.", "It has a river."])


@pytest.mark.parametrize(
    ("result", "content"),
    [
        (
            FOUND,
            {
                "type": "search_result", "source": "https://example.org", "title": "Hue",
                "content": [text("Hue is a city."), text("It has a river.")],
                "citations": {"enabled": True},
            },
        ),
        (ToolReference("one"), {"type": "tool_reference", "tool_name": "one"}),
        (
            Document("Hue is a city.", "Notes", context="From 2020", citations=True),
            {
                "type": "document", "title": "Notes", "context": "From 2020",
                "citations": {"enabled": True},
                "source": {
                    "type": "text", "media_type": "text/plain", "data": "Hue is a city.",
                },
            },
        ),
    ],
)  # fmt: skip
def test_a_result_may_be_a_search_result_a_tool_reference_or_a_document_with_citations(
    result: Any, content: dict[str, Any]
) -> None:
    @tool
    def look() -> Any:
        """Look."""
        return result

    _, results = ran(Agent(name="a", tools=[look, tool(add, name="one")]), call("look", {}))
    assert results == [[content]]


def test_a_search_result_without_text_fails_in_words() -> None:
    @tool
    def look() -> list[Any]:
        """Look."""
        return [SearchResult("s", "t", " "), Image(b"x")]

    _, (result,) = ran(Agent(name="a", tools=[look]), call("look", {}))
    assert "has no text" in str(result)


def edits(made: AnyTool, *commands: dict[str, Any]) -> list[Any]:
    calls = [call(made.spec.name, each, f"toolu_{n}") for n, each in enumerate(commands)]
    return ran(Agent(name="a", tools=[made]), *calls)[1]


def test_the_text_editor_works_on_the_files_of_its_folder_and_on_no_others(tmp_path: Path) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    (tmp_path / "out.txt").write_text("secret")
    (folder / "link").symlink_to(tmp_path / "out.txt")
    said = edits(
        text_editor(folder),
        {"command": "create", "path": "/src/a.py", "file_text": "one\ntwo\nthree\n"},
        {"command": "str_replace", "path": "src/a.py", "old_str": "two", "new_str": "2"},
        {"command": "insert", "path": "src/a.py", "insert_line": 0, "insert_text": "zero"},
        {"command": "view", "path": "/src/a.py", "view_range": [1, 2]},
        {"command": "view", "path": "/"},
        {"command": "view", "path": "../out.txt"},
        {"command": "view", "path": "link"},
        {"command": "str_replace", "path": "src/a.py", "old_str": "e", "new_str": "x"},
        {"command": "create", "path": "b.txt"},
    )
    assert (folder / "src" / "a.py").read_text() == "zero\none\n2\nthree\n"
    assert said[3] == "     1\tzero\n     2\tone"
    assert said[4] == "link\nsrc/"
    for result, words in zip(
        said[5:],
        ["leads out of its folder", "links are not followed", "occurs 4 times", "needs file_text"],
        strict=True,
    ):
        assert words in str(result)
    assert (tmp_path / "out.txt").read_text() == "secret"


def test_the_memory_of_one_namespace_is_kept_apart_from_anothers(tmp_path: Path) -> None:
    ada, bob = memory_files(tmp_path, "ada"), memory_files(tmp_path, "../ada")
    assert render_head(Agent(name="a", tools=[ada], cache="off").spec()).content.count(
        b'{"type":"memory_20250818","name":"memory"}'
    )
    said = edits(
        ada,
        {"command": "create", "path": "/memories/a.txt", "file_text": "likes tea\n"},
        {"command": "view", "path": "/memories"},
        {"command": "rename", "old_path": "/memories/a.txt", "new_path": "/memories/b/a.txt"},
        {"command": "view", "path": "/memories/b/a.txt"},
        {"command": "delete", "path": "/memories/b"},
        {"command": "view", "path": "/etc/passwd"},
        {"command": "delete", "path": "/memories"},
    )
    assert said[1] == "a.txt"
    assert said[3] == "     1\tlikes tea"
    assert "outside of the memory" in str(said[5])
    assert "workspace itself" in str(said[6])
    (there,) = edits(bob, {"command": "view", "path": "/memories"})
    assert there == "(the folder is empty)"
    assert list((tmp_path / "ada").iterdir()) == []


def test_an_edit_that_a_crash_cut_off_is_not_made_twice(tmp_path: Path) -> None:
    assert text_editor(tmp_path).spec.effect == memory_files(tmp_path, "a").spec.effect == "once"
    with pytest.raises(UsageError):
        text_editor(tmp_path / "nowhere")
