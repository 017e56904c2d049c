"""The codec: an event is stored only if it comes back equal, and what is stored stays readable."""

import json
import math
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from playhead.events.codec import (
    INLINE,
    NO_BODIES,
    UnknownEvent,
    Upcaster,
    body_refs,
    decode,
    encode,
    payload,
    seal,
)
from playhead.events.errors import LogDamaged, NotStorable
from playhead.events.event import Event
from playhead.events.kinds.runs import MessageReceived
from playhead.events.kinds.tool_calls import ToolRequested, ToolSucceeded
from playhead.events.log.contract import Head
from playhead.events.log.memory import MemoryLog
from playhead.events.maintenance.verify import verify
from playhead.events.record import Record, Stored
from playhead.events.registry import ENDINGS, INTENTS, KINDS, OUTCOMES
from playhead.testing.appends import append_of, say, write
from tests.events.generated import events, integers, jsons, texts


def record_of(event: Event) -> Record:
    return Record("a", 1, 1, "user", "outside", None, event)


def requested(value: Any) -> ToolRequested:
    return ToolRequested(step="1", tool="t", arguments={"x": value})


def result(value: Any) -> ToolSucceeded:
    """As no caller should make it: Pydantic did not look."""
    return ToolSucceeded.model_construct(result=value, duration_ms=1.0)


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


@given(events)
def test_every_event_that_is_stored_comes_back_equal(event: Event) -> None:
    row, bodies = seal(record_of(event), b"")
    record = decode(row, bodies.__getitem__)
    assert record.event == event
    assert type(record.event) is type(event)
    assert json.loads(payload(row, bodies.__getitem__)) == json.loads(
        event.model_dump_json(exclude_none=True, exclude_defaults=event.COMPACT, exclude={"kind"})
    )


@given(jsons)
def test_a_json_value_keeps_its_types_too(value: Any) -> None:
    row, bodies = seal(record_of(requested(value)), b"")
    event = decode(row, bodies.__getitem__).event
    assert isinstance(event, ToolRequested)
    assert repr(event.arguments) == repr({"x": value})


@given(events)
def test_what_a_row_points_at_is_what_it_brings(event: Event) -> None:
    row, bodies = seal(record_of(event), b"")
    assert set(body_refs(row).values()) == set(bodies)
    assert (row.bodies is None) == (not bodies)
    if len(row.data) > INLINE:  # nothing big was left to move
        fields = json.loads(row.data)
        assert all(len(json.dumps(value)) < 4 * INLINE for value in fields.values())


@pytest.mark.parametrize(
    "value",
    [
        math.nan,
        math.inf,
        -math.inf,
        [1, {"x": math.nan}],
        "\ud800",
        {"\udfff": 1},
        10**5000,
        -(10**5000),
        nested(250),
    ],
    ids=["nan", "inf", "-inf", "deep nan", "surrogate", "surrogate key", "huge", "-huge", "deep"],
)
def test_a_value_that_json_would_change_is_refused_by_type(value: Any) -> None:
    with pytest.raises(NotStorable) as refused:
        seal(record_of(requested(value)), b"")
    assert refused.value.kind == "tool_requested"
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "value",
    [b"x", {1: 2}, (1, 2), {1}, object(), nested(100_000), bytearray(b"x")],
    ids=["bytes", "int key", "tuple", "set", "object", "depth bomb", "bytearray"],
)
def test_what_is_no_json_is_refused_when_made_and_when_stored(value: Any) -> None:
    with pytest.raises(ValidationError):
        requested(value)
    with pytest.raises(NotStorable):
        encode(result(value))


@given(texts, integers)
def test_the_hash_covers_the_envelope_the_payload_and_what_came_before(
    text: str, cause: int
) -> None:
    record = record_of(MessageReceived(text=text))
    row, _ = seal(record, b"before")
    assert row.hash == row.computed_hash(b"before")
    assert row.hash != row.computed_hash(b"other")
    for other in (
        record._replace(cause=cause),
        record._replace(held=True),
        record._replace(event=MessageReceived(text=f"{text}.")),
        record._replace(actor="tool"),
        record._replace(command="c"),
        record._replace(traceparent="t"),
        record._replace(imported=True),
        record._replace(key_id="k"),
    ):
        assert seal(other, b"before")[0].hash != row.hash
    assert row._replace(position=7).computed_hash(b"before") == row.hash


def test_no_byte_can_move_between_payload_and_bodies() -> None:
    row, _ = seal(record_of(MessageReceived(text="x")), b"")
    whole = row._replace(data=b'{"a":1}', bodies="{}")
    moved = row._replace(data=b'{"a":1}{}', bodies=None)
    assert whole.computed_hash(b"") != moved.computed_hash(b"")


def test_what_is_encrypted_is_kept_whole_and_decided_on_by_nobody() -> None:
    row, _ = seal(record_of(MessageReceived(text="x"))._replace(key_id="k", imported=True), b"")
    record = decode(row._replace(data=b"\xff\x00"), NO_BODIES.__getitem__)
    assert record.event == UnknownEvent(kind="message_received", version=1, fields={})
    assert (record.key_id, record.imported, record.hash) == ("k", True, row.hash)


def test_a_body_that_is_gone_is_damage_not_a_key_error() -> None:
    row, _ = seal(record_of(result("x" * 9000)), b"")
    with pytest.raises(LogDamaged, match="record 1"):
        decode(row, NO_BODIES.__getitem__)


@pytest.mark.parametrize("data", [b"rubbish", b'{"txt":"x"}', b"{}", b'{"text":1}', b"[]"])
def test_a_payload_that_does_not_fit_its_kind_is_damage(data: bytes) -> None:
    row, _ = seal(record_of(MessageReceived(text="x")), b"")
    with pytest.raises(LogDamaged, match=r"run a record 1 \(message_received version 1\)"):
        decode(row._replace(data=data), NO_BODIES.__getitem__)


# Older and newer shapes


def old_row(version: int, data: bytes) -> Stored:
    row, _ = seal(record_of(MessageReceived(text="x")), b"")
    row = row._replace(version=version, data=data)
    return row._replace(hash=row.computed_hash(b""))


def name_the_words(fields: dict[str, Any]) -> dict[str, Any]:
    return {"words": fields["w"]}


def join_the_words(fields: dict[str, Any]) -> dict[str, Any]:
    return {"text": " ".join(fields["words"])}


UPCASTERS: dict[tuple[str, int], Upcaster] = {
    ("message_received", -1): name_the_words,
    ("message_received", 0): join_the_words,
}


def test_an_old_shape_is_read_through_every_upcaster_in_between() -> None:
    row = old_row(-1, b'{"w":["hello","world"]}')
    event = decode(row, NO_BODIES.__getitem__, UPCASTERS).event
    assert event == MessageReceived(text="hello world")
    row = old_row(0, b'{"words":["hi"]}')
    assert decode(row, NO_BODIES.__getitem__, UPCASTERS).event == MessageReceived(text="hi")


def test_an_old_shape_without_an_upcaster_is_named() -> None:
    with pytest.raises(LogDamaged, match="version 0"):
        decode(old_row(0, b'{"words":["hi"]}'), NO_BODIES.__getitem__)


def test_an_upcaster_that_gives_a_wrong_shape_is_named() -> None:
    with pytest.raises(LogDamaged, match="version 0"):
        decode(
            old_row(0, b"{}"),
            NO_BODIES.__getitem__,
            {("message_received", 0): lambda _: {"text": 1}},
        )


@given(
    st.dictionaries(texts, jsons, max_size=4),
    st.sampled_from([("never_heard_of", 1), ("message_received", 2)]),
)
def test_an_unknown_kind_or_a_newer_version_is_kept_whole(
    fields: dict[str, Any], kind: tuple[str, int]
) -> None:
    data = json.dumps(fields).encode()
    row = old_row(kind[1], data)._replace(kind=kind[0])
    event = decode(row, NO_BODIES.__getitem__).event
    assert event == UnknownEvent(kind=kind[0], version=kind[1], fields=json.loads(data))
    with pytest.raises(NotStorable):
        encode(event)


def test_an_unknown_kind_passes_through_a_log_unharmed_and_is_verified() -> None:
    log = MemoryLog()
    append = append_of("a", MessageReceived(text="x"))
    row = append.rows[0]._replace(kind="never_heard_of", data=b'{"new": [1, 2.50], "n": null}')
    row = row._replace(hash=row.computed_hash(b""))
    write(log, append._replace(rows=(row,)))
    say(log, "a", "afterwards")
    (first, _) = log.read("a")
    assert first == row._replace(position=1)
    exported = {"kind": first.kind, **json.loads(payload(first, log.body))}
    assert exported == {"kind": "never_heard_of", "new": [1, 2.5], "n": None}
    assert [p.fault for p in verify(log, None).problems] == ["no_anchor"]
    assert log.head("a") == Head(2, list(log.read("a"))[-1].hash)


# The table of kinds


@pytest.mark.parametrize("cls", KINDS.values(), ids=KINDS.keys())
def test_a_kind_is_written_once_as_a_literal_with_its_default(cls: type[Event]) -> None:
    field = cls.model_fields["kind"]
    assert get_args(field.annotation) == (field.default,)
    assert KINDS[field.default] is cls
    assert cls.__doc__


@pytest.mark.parametrize("cls", KINDS.values(), ids=KINDS.keys())
def test_a_field_that_may_be_none_is_none_by_default(cls: type[Event]) -> None:
    """None is not stored, so a field that is absent must mean None."""
    for name, field in cls.model_fields.items():
        if type(None) in get_args(field.annotation):
            assert field.default is None, name


def test_the_kinds_that_begin_and_end_things_exist() -> None:
    assert {*INTENTS, *ENDINGS, *OUTCOMES} <= KINDS.keys()
