"""What every event is: a fact in the past tense, frozen, closed to unknown fields, tagged by kind.

`Data` is equally strict, for the plain values that events carry. Neither class knows about model
APIs, terminals or logs: projections display events, and the codec stores them.
"""

from typing import ClassVar, TypeAlias

from pydantic import BaseModel, ConfigDict, JsonValue

Json: TypeAlias = JsonValue
"""Any value that JSON can carry: None, bool, int, float, str, list of Json, dict of str to Json."""

Block: TypeAlias = dict[str, JsonValue]
"""One content block of the Messages API, kept verbatim (so unknown block types survive)."""


class Data(BaseModel):
    """A plain value inside an event: frozen; unknown fields are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Event(Data):
    """A fact, in the past tense. Subclasses set `kind: Literal[...]` with its value as default."""

    VERSION: ClassVar[int] = 1
    """The shape's version, stored with the kind; raised, with an upcaster, when fields change."""

    COMPACT: ClassVar[bool] = False
    """Whether fields at their default are not stored, for kinds recorded at every step. The
    defaults belong to the version, and a test pins them."""

    kind: str


class Outcome(Event):
    """The result of an intent. Its cause is the seq of that intent."""


class Intent(Event):
    """An event that announces an effect: it is committed first, and exactly one outcome ends it."""

    OUTCOMES: ClassVar[tuple[type[Outcome], ...]]
    """The outcomes that may end it."""


Address: TypeAlias = tuple[type[Event], type[Intent] | None]
"""What roles subscribe to: the class of an event and, for an outcome, the class of its intent."""
