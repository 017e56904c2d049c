"""A run that is started once, found again, and begun with what was said elsewhere."""

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

from playhead import Agent, Image, Runtime, UsageError, tool
from playhead.events.maintenance.archive import archive
from playhead.records import RunStarted
from playhead.testing import Scripted, ScriptedModel, call
from tests.support.agents import records, runtime

SEEN: list[Any] = []


def reply(body: dict[str, Any]) -> str:
    SEEN.append(body["messages"])
    return "done"


AGENT = Agent(name="desk", model=ScriptedModel(reply))
OTHER = Agent(name="other", model=ScriptedModel(reply))


@pytest.fixture(autouse=True)
def _unseen() -> None:
    SEEN.clear()


def test_the_same_key_gives_the_same_run() -> None:
    with runtime() as (made, _):
        first = made.start(AGENT, "ship it", idempotency_key="order-1043")
        assert first.wait().answer == "done"
        again = made.start(AGENT, "ship it", idempotency_key="order-1043")
        assert (again.id, again.wait().answer) == (first.id, "done")
        assert made.start(AGENT, "ship it", idempotency_key="order-1044").id != first.id
    assert len(SEEN) == 2


def test_of_many_callers_at_once_with_one_key_one_starts_the_run() -> None:
    with runtime() as (made, _):
        ids: list[str] = []
        start = threading.Barrier(8)

        def caller() -> None:
            start.wait()
            ids.append(made.start(AGENT, "ship it", idempotency_key="order").id)

        threads = [threading.Thread(target=caller) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(ids) == 8
        assert len(set(ids)) == 1
        made.attach(ids[0]).wait()
    assert len(SEEN) == 1


@pytest.mark.parametrize(
    ("agent", "goal", "what"), [(OTHER, "ship it", "agent"), (AGENT, "ship that", "goal")]
)
def test_the_same_key_with_another_task_is_an_error(agent: Agent, goal: str, what: str) -> None:
    with runtime() as (made, _):
        made.run(AGENT, "ship it", idempotency_key="order")
        with pytest.raises(UsageError, match=f"with another {what}"):
            made.start(agent, goal, idempotency_key="order")


def test_a_blank_key_is_refused() -> None:
    with runtime() as (made, _), pytest.raises(UsageError, match="idempotency_key is blank"):
        made.start(AGENT, "ship it", idempotency_key=" ")


@tool(approval=True)
def pay() -> str:
    """Pay."""
    return "paid"


def pays(body: dict[str, Any]) -> Scripted:
    return call("pay") if len(body["messages"]) == 1 else "done"


PAYS = Agent(name="pays", model=ScriptedModel(pays), tools=[pay])


def test_after_a_restart_the_key_finds_the_open_run_and_goes_on_with_it(tmp_path: Path) -> None:
    with Runtime(tmp_path / "log.db") as made:
        run = made.start(PAYS, "pay", idempotency_key="order")
        for record in run.events():
            if record.event.kind == "approval_requested":
                break
    with Runtime(tmp_path / "log.db") as made:
        again = made.start(PAYS, "pay", idempotency_key="order")
        assert again.id == run.id
        again.approve(again.approvals()[0].call)
        assert again.wait().answer == "done"


def test_an_archive_keeps_the_hash_of_the_key(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    with Runtime(path) as made:
        made.run(AGENT, "ship it", idempotency_key="order-1043")
    assert archive(path, tmp_path / "old.db", before=2**62) is not None
    with Runtime(path) as made, pytest.raises(UsageError, match="was archived"):
        made.start(AGENT, "ship it", idempotency_key="order-1043")
    assert b"order-1043" not in path.read_bytes()


def test_runs_are_found_by_session_agent_status_labels_and_time() -> None:
    with runtime() as (made, _):
        first = made.run(AGENT, "one", session="s", metadata={"user": "Ann", "a'\"b": "x"}).run_id
        second = made.run(OTHER, "two", metadata={"user": "Ann"}).run_id
        third = made.run(AGENT, "three", metadata={"user": "Bob"}).run_id

        def found(**wanted: Any) -> list[str]:
            return [row.run for row in made.find_runs(**wanted)]

        assert found() == [third, second, first]
        assert found(session="s") == [first]
        assert found(agent="desk") == [third, first]
        assert found(metadata={"user": "Ann"}) == [second, first]
        assert found(metadata={"user": "Ann", "a'\"b": "x"}) == [first]
        assert found(metadata={"user": "Ann"}, agent="desk") == [first]
        assert found(status="open") == []
        assert found(status="finished", limit=2) == [third, second]
        rows = made.find_runs(limit=2)
        assert found(before=rows[-1].position) == [first]
        assert found(since=rows[0].started_at) == [third]
        assert made.find_runs(session="s")[0].metadata == {"user": "Ann", "a'\"b": "x"}


def test_an_open_run_is_found_by_its_status() -> None:
    with runtime() as (made, _):
        run = made.start(PAYS, "pay", metadata={"user": "Ann"})
        assert [row.run for row in made.find_runs(status="open")] == [run.id]
        run.cancel()


def test_child_runs_are_found_only_if_they_are_asked_for() -> None:
    child = Agent(name="child", description="Helps.", model=ScriptedModel(["ok"]))
    top = Agent(name="top", model=ScriptedModel([call("child", task="go"), "done"]), tools=[child])
    with runtime() as (made, _):
        run = made.run(top, "go", metadata={"user": "Ann"}).run_id
        assert [row.run for row in made.find_runs(metadata={"user": "Ann"})] == [run]
        both = made.find_runs(metadata={"user": "Ann"}, children=True)
        assert [row.agent for row in both] == ["child", "top"]


HISTORY: list[dict[str, Any]] = [
    {"role": "user", "content": "My name is Ann."},
    {"role": "assistant", "content": [{"type": "text", "text": "Hello Ann."}]},
]


def texts(message: dict[str, Any]) -> list[str]:
    return [block["text"] for block in message["content"] if block["type"] == "text"]


def test_a_run_continues_messages_from_elsewhere_which_are_recorded() -> None:
    with runtime() as (made, log):
        run = made.run(AGENT, "What is my name?", message_history=HISTORY, session="s").run_id
        (messages,) = SEEN
        assert [message["role"] for message in messages] == ["user", "assistant", "user"]
        assert texts(messages[0]) == ["My name is Ann."]
        assert texts(messages[1]) == ["Hello Ann."]
        assert texts(messages[2])[0] == "What is my name?"
        started = records(log, run)[0].event
        assert isinstance(started, RunStarted)
        assert started.history is not None
        assert made.replay(run).matches
        made.run(AGENT, "And now?", session="s")  # the session goes on with it
        assert texts(SEEN[-1][0]) == ["My name is Ann."]


@pytest.mark.parametrize(
    ("history", "why"),
    [
        ([{"role": "system", "content": "x"}], "give instructions= instead"),
        ([{"role": "user", "content": "x"}], "ends with the assistant's"),
        ([{"role": "assistant", "content": "x"}], "begins with a user message"),
        ([{"role": "user", "content": ""}], "message 1 has no content"),
        (
            [
                {"role": "user", "content": "x"},
                {"role": "assistant", "content": [{"type": "tool_use", "id": "t1"}]},
            ],
            "t1 has no tool_result",
        ),
        (
            [
                {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t2"}]},
                {"role": "assistant", "content": "x"},
            ],
            "t2 has no tool_use",
        ),
    ],
)
def test_a_history_that_the_api_would_refuse_is_refused_in_words(
    history: list[dict[str, Any]], why: str
) -> None:
    with runtime() as (made, _), pytest.raises(UsageError, match=why):
        made.start(AGENT, "hi", message_history=history)


PNG = Image(b"\x89PNG\r\n\x1a\n", "image/png")


def kinds_of(message: dict[str, Any]) -> list[str]:
    return [block.get("text") or block["type"] for block in message["content"]]


def test_images_and_texts_are_read_in_the_order_in_which_they_were_given() -> None:
    with runtime() as (made, log):
        run = made.run(AGENT, ["Compare this", PNG, "with this", PNG, "please."]).run_id
        shown = kinds_of(SEEN[0][0])
        assert shown[:5] == ["Compare this", "image", "with this", "image", "please."]
        started = records(log, run)[0].event
        assert isinstance(started, RunStarted)
        assert started.goal == "Compare this\nwith this\nplease."
        assert made.replay(run).matches


def test_so_are_those_of_a_message() -> None:
    heard = threading.Event()

    async def wait(body: dict[str, Any]) -> Scripted:
        if len(body["messages"]) == 1:
            await asyncio.to_thread(heard.wait, 20)
            return call("nothing")
        return reply(body)

    agent = Agent(name="waits", model=ScriptedModel(wait))
    with runtime() as (made, _):
        run = made.start(agent, "hi")
        run.send(["Look at", PNG, "instead."])
        heard.set()
        run.wait()
    shown = [kind for message in SEEN[0] for kind in kinds_of(message)]
    place = shown.index("Look at")
    assert shown[place : place + 3] == ["Look at", "image", "instead."]


def test_a_goal_with_something_that_is_masked_is_the_same_goal_again() -> None:
    def mask(text: str) -> str:
        return text.replace("4111", "[card]")

    with runtime(redact=mask) as (made, _):
        first = made.start(AGENT, "Charge 4111.", idempotency_key="order-1")
        assert made.start(AGENT, "Charge 4111.", idempotency_key="order-1").id == first.id
        with pytest.raises(UsageError, match="another goal"):
            made.start(AGENT, "Charge 4112.", idempotency_key="order-1")


def test_a_schedule_has_no_key_since_each_of_its_times_is_one_run() -> None:
    with runtime() as (made, _), pytest.raises(UsageError, match="has no idempotency_key"):
        made.schedule("0 9 * * 1", AGENT, "hi", idempotency_key="monday")


def test_a_part_that_is_none_is_refused_in_words() -> None:
    with runtime() as (made, _), pytest.raises(UsageError, match="is no part of a message"):
        made.start(AGENT, ["hi", 3])  # type: ignore[list-item]
