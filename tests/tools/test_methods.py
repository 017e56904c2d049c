"""`@tool` above a method: each object has a tool of its own."""

import pytest

from playhead.events.errors import UsageError
from playhead.tools.context import ToolContext
from playhead.tools.tool import by_name, tool
from tests.tools.calls import call, result_of


class Crm:
    def __init__(self, name: str) -> None:
        self.name = name

    @tool(effect="read", max_chars=500)
    def search(self, text: str, context: ToolContext) -> str:
        """Search the contacts.

        Args:
            text: What to look for.
        """
        return f"{self.name}: {text} ({context.key})"


def test_a_method_with_tool_above_it_is_a_tool_of_each_object() -> None:
    one, other = Crm("one"), Crm("other")
    assert result_of(call(one.search, text="ada")) == "one: ada (run:7)"
    assert result_of(call(other.search, text="ada")) == "other: ada (run:7)"
    assert list(one.search.spec.input_schema["properties"]) == ["text"]  # type: ignore[arg-type]
    assert one.search.spec == other.search.spec
    assert one.search.spec.max_chars == 500
    assert by_name([one.search])["search"].spec.description == "Search the contacts."


def test_a_method_without_its_object_is_no_tool_to_be_called() -> None:
    context = ToolContext("run", 7)
    assert Crm.search(Crm("one"), "ada", context) == "one: ada (run:7)"
    with pytest.raises(UsageError, match="is a method: pass it from an object"):
        by_name([Crm.search])
