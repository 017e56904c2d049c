"""What every event is: a fact in the past tense, frozen, closed to unknown fields, tagged by kind.

`Data` is the same strictness for the plain values that events carry. Neither knows a model API, a
terminal or a log: how an event is shown is a projection's work, how it is stored is the codec's.
"""

from typing import ClassVar, TypeAlias

from pydantic import BaseModel, ConfigDict, JsonValue

Json: TypeAlias = JsonValue
"""Any value that JSON can carry: None, bool, int, float, str, list of Json, dict of str to Json."""

Block: TypeAlias = dict[str, JsonValue]
"""One content block of the Messages API, kept verbatim (so unknown block types survive)."""


class Data(BaseModel):
    """A plain value inside an event: frozen, and an unknown field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Event(Data):
    """A fact, past tense. Subclasses set `kind: Literal[...]` with its value as the default."""

    VERSION: ClassVar[int] = 1
    """The shape's version, stored beside the kind; raised with an upcaster when fields change."""

    COMPACT: ClassVar[bool] = False
    """Whether fields at their default are not stored, for kinds that come with every step. Their
    defaults belong to the version: a test holds them."""

    kind: str


class Outcome(Event):
    """What ended an intent. Its cause is the seq of that intent."""


class Intent(Event):
    """An event that announces an effect: it is committed first, and one outcome ends it."""

    OUTCOMES: ClassVar[tuple[type[Outcome], ...]]
    """What may end it."""


Address: TypeAlias = tuple[type[Event], type[Intent] | None]
"""What roles subscribe by: the class of an event and, for an outcome, the class of its intent."""
