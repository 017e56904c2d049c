"""Strategies for events of every kind, derived from the types of their fields."""

import types
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin

from hypothesis import strategies as st
from pydantic import BaseModel, JsonValue

from playhead.events.event import Event
from playhead.events.registry import KINDS
from playhead.events.spec.agent import AgentSpec, ToolSpec

texts = st.text(st.characters(codec="utf-8"), max_size=40)
floats = st.floats(allow_nan=False, allow_infinity=False)
integers = st.one_of(st.integers(), st.integers(-(2**80), 2**80))

jsons: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), integers, floats, texts, st.just("x" * 1500)),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(texts, inner, max_size=4)),
    max_leaves=12,
)

SIMPLE: dict[Any, st.SearchStrategy[Any]] = {
    str: texts,
    int: integers,
    float: floats,
    bool: st.booleans(),
    type(None): st.none(),
    JsonValue: jsons,
}


def of_type(wanted: Any) -> st.SearchStrategy[Any]:
    """Values of an annotation as the events use them."""
    if wanted in SIMPLE:
        return SIMPLE[wanted]
    origin, arguments = get_origin(wanted), get_args(wanted)
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin in (Union, types.UnionType):
        return st.one_of([of_type(argument) for argument in arguments])
    if origin is tuple:
        return st.lists(of_type(arguments[0]), max_size=3).map(tuple)
    if origin is dict:
        return st.dictionaries(texts, of_type(arguments[1]), max_size=4)
    assert issubclass(wanted, BaseModel), wanted
    if wanted is AgentSpec:  # an agent's tool may be an agent, and so on
        return st.deferred(lambda: of_agent())
    return of_model(wanted)


def of_model(cls: type[BaseModel], without: str = "") -> st.SearchStrategy[Any]:
    """Instances of a Pydantic model, its optional fields given or left out."""
    fields = {n: of_type(field.annotation) for n, field in cls.model_fields.items() if n != without}
    required = {n: fields[n] for n in fields if cls.model_fields[n].is_required()}
    optional = {n: fields[n] for n in fields.keys() - required.keys() if n != "kind"}
    return st.fixed_dictionaries(required, optional=optional).map(lambda given: cls(**given))


@cache
def of_agent() -> st.SearchStrategy[Any]:
    """Agents; few of their tools are agents, and none of those has tools."""
    plain = of_model(AgentSpec, without="tools")
    nothing: st.SearchStrategy[dict[str, Any]] = st.just({})
    child = st.builds(ToolSpec, name=texts, description=texts, input_schema=nothing, agent=plain)
    tools = st.lists(of_model(ToolSpec, without="agent") | child, max_size=2).map(tuple)
    return st.builds(_with_tools, plain, tools)


def _with_tools(agent: AgentSpec, tools: tuple[ToolSpec, ...]) -> AgentSpec:
    return agent.model_copy(update={"tools": tools})


events: st.SearchStrategy[Event] = st.one_of([of_model(cls) for cls in KINDS.values()])
