"""Every exception keeps its facts when it crosses to another process."""

import copy
import inspect
import pickle
from types import UnionType
from typing import Any, get_args, get_type_hints

import pytest

from playhead import public
from playhead.events import errors
from playhead.events.usage import Usage

SAMPLES: dict[object, object] = {
    str: "a text", int: 3, float: 1.5, bool: True, Usage: Usage(output_tokens=7),
}  # fmt: skip


def exceptions() -> list[type[BaseException]]:
    """The whole tree, and what is public beside it."""
    found: list[type[BaseException]] = [errors.PlayheadError]
    for each in found:  # it grows while it is walked
        found += [one for one in each.__subclasses__() if one.__module__.startswith("playhead.")]
    shown = [getattr(public, name) for name in public.__all__]
    others = [o for o in shown if isinstance(o, type) and issubclass(o, BaseException)]
    return sorted({*found, *others}, key=lambda each: each.__name__)


def sample(kind: type[BaseException]) -> BaseException:
    """An instance with a value for each parameter."""
    if kind.__init__ in (Exception.__init__, BaseException.__init__):
        return kind("what was wrong")
    hints = get_type_hints(kind.__init__)
    given: dict[str, Any] = {}
    for name in list(inspect.signature(kind.__init__).parameters)[1:]:
        wanted = get_args(hints[name])[0] if isinstance(hints[name], UnionType) else hints[name]
        given[name] = SAMPLES[wanted]
    return kind(**given)


@pytest.mark.parametrize("kind", exceptions(), ids=lambda kind: kind.__name__)
def test_an_exception_survives_pickling_and_copying_with_its_facts(
    kind: type[BaseException],
) -> None:
    error = sample(kind)
    error.add_note("a note")
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        again = pickle.loads(pickle.dumps(error, protocol))
        assert type(again) is kind
        assert (str(again), again.args, vars(again)) == (str(error), error.args, vars(error))
    assert vars(copy.copy(error)) == vars(error)


def test_a_subclass_of_a_program_with_a_constructor_of_its_own_survives_too() -> None:
    again = pickle.loads(pickle.dumps(OutOfStock("nails", left=2)))
    assert (str(again), again.item, again.left, again.hint) == (
        "no nails", "nails", 2, "order some"
    )  # fmt: skip


class OutOfStock(errors.ToolError):
    """As a program would write it."""

    def __init__(self, item: str, *, left: int) -> None:
        super().__init__(f"no {item}", hint="order some")
        self.item = item
        self.left = left
