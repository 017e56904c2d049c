"""What runs remember and recall: by their tools, before their first step, in their namespace."""

import json
from pathlib import Path
from typing import Any

import pytest

from playhead import Agent, MemoryRules, RunNotFinished, Runtime, UsageError
from playhead.actors.engine.turn import Trigger
from playhead.actors.remembering.recall import recall_due
from playhead.events.kinds.memory import MemoryRecalled, MemoryStored, RecallRequested
from playhead.events.kinds.runs import CancelRequested, MessageReceived
from playhead.projections.state.fold import fold
from playhead.projections.state.run_state import RunState
from playhead.testing import ScriptedModel
from tests.memory.remembering import assistant, texts
from tests.support.agents import kinds, records, runtime


def recalled(log: Any, run: str) -> MemoryRecalled:
    return next(r.event for r in records(log, run) if isinstance(r.event, MemoryRecalled))


def test_what_one_run_remembers_another_is_told_before_its_first_step() -> None:
    agent = assistant()
    assert isinstance(agent.model, ScriptedModel)
    with runtime(agent) as (made, log):
        first = made.run(agent, "remember: Acme wants invoices by post").run_id
        second = made.run(agent, "Where do the invoices of Acme go?").run_id
        (stored,) = [r.seq for r in records(log, first) if isinstance(r.event, MemoryStored)]
        (found,) = recalled(log, second).memories
        assert (found.text, found.run, found.seq) == (
            "Acme wants invoices by post", first, stored,
        )  # fmt: skip
        assert recalled(log, second).position > stored, "the index had reached it"
        order = kinds(log, second)
        assert order[:3] == ["run_started", "recall_requested", "memory_recalled"]
        assert order.index("memory_recalled") < order.index("step_started")
        assert made.replay(first).matches
        assert made.replay(second).matches
    told = texts(agent.model.requests[-1].body)
    assert told[0].startswith("<memories>")
    assert "Acme wants invoices by post" in told[0]
    assert told[1] == "Where do the invoices of Acme go?"


def test_memory_performs_both_tools_and_what_is_stored_names_its_call() -> None:
    agent = assistant()
    with runtime(agent) as (made, log):
        first = made.run(agent, "remember: Nora signs the contracts").run_id
        result = made.run(agent, "recall: who signs contracts")
        found = records(log, first)
        done = next(r for r in found if r.event.kind == "tool_succeeded")
        stored = next(r for r in found if isinstance(r.event, MemoryStored))
        call_seq = next(r.seq for r in found if r.event.kind == "tool_requested")
    assert done.actor == "memory"
    assert (stored.actor, stored.cause) == ("memory", done.seq)
    assert isinstance(stored.event, MemoryStored)
    assert stored.event.id == f"{first}:{call_seq}"
    assert stored.event.metadata == {"kind": "note"}
    (memory,) = json.loads(result.answer.removeprefix("Done: "))["memories"]
    assert memory["text"] == "Nora signs the contracts"
    assert memory["source"] == f"{first}:{stored.seq}"


def test_a_run_never_hears_of_another_namespace() -> None:
    agent = assistant()
    with runtime(agent) as (made, log):
        made.run(agent, "remember: the price is 10", namespace="globex")
        second = made.run(agent, "recall: the price")
        assert json.loads(second.answer.removeprefix("Done: ").partition("\n")[0])["memories"] == []
        assert recalled(log, second.run_id).memories == ()
        assert made.run(agent, "recall: the price", namespace="globex").answer.count("price is 10")


def test_without_a_namespace_nothing_is_recalled_and_memory_tools_are_a_clear_mistake() -> None:
    plain = Agent(name="plain", model=ScriptedModel(["Hello."]))
    with runtime(plain) as (made, log):
        assert "recall_requested" not in kinds(log, made.run(plain, "Hi").run_id)
        with pytest.raises(UsageError, match="namespace="):
            made.run(assistant(MemoryRules()), "remember: x")


def test_a_run_may_want_to_be_told_nothing_and_nothing_stored_changes_no_request() -> None:
    silent = assistant(MemoryRules(namespace="acme", recall=0), "silent")
    curious = assistant()
    assert isinstance(silent.model, ScriptedModel)
    assert isinstance(curious.model, ScriptedModel)
    with runtime(silent, curious) as (made, log):
        assert "recall_requested" not in kinds(log, made.run(silent, "Go").run_id)
        made.run(curious, "Go")
    assert curious.model.requests[0].body == silent.model.requests[0].body


def test_a_recall_that_fails_stops_no_run(tmp_path: Path) -> None:
    agent = assistant()
    with Runtime(tmp_path / "m.db", [agent]) as made:
        views = tmp_path / "m.db.views"
        views.unlink(missing_ok=True)
        views.mkdir()
        run = made.run(agent, "What is known?").run_id
        event = recalled(made._log, run)  # pyright: ignore[reportPrivateUsage]
        assert event.error is not None
        assert made.replay(run).matches


def test_no_first_step_starts_while_recall_is_due() -> None:
    agent = assistant()
    with runtime(agent) as (made, log):
        run = made.run(agent, "remember: one").run_id
        state = RunState(run)
        for record in records(log, run):
            fold(state, record)
            if record.event.kind in ("run_started", "recall_requested"):
                assert recall_due(state)
            else:
                assert not recall_due(state)
                assert state.steps or record.event.kind in ("memory_recalled", "strategy_chosen")


def test_a_run_that_is_cancelled_while_it_recalls_ends() -> None:
    agent = assistant()
    with runtime(agent) as (made, log):
        cancelled: list[str] = []

        def cancel(state: RunState, together: Any) -> None:
            if any(isinstance(r.event, RecallRequested) for r in together) and not cancelled:
                cancelled.append(state.run)
                engine = made._engine  # pyright: ignore[reportPrivateUsage]
                event = CancelRequested(reason="enough")
                engine.arrive(state.run, Trigger(event, "user", "outside"))

        made.watch(cancel)
        run = made.start(agent, "Go")
        with pytest.raises(RunNotFinished, match="cancelled"):
            run.wait()
        assert "step_started" not in kinds(log, run.id)
        assert made.replay(run.id).matches


def test_what_is_said_before_the_first_step_is_heard_by_it() -> None:
    agent = assistant()
    assert isinstance(agent.model, ScriptedModel)
    with runtime(agent) as (made, log):
        said: list[str] = []

        def speak(state: RunState, together: Any) -> None:
            if any(isinstance(r.event, RecallRequested) for r in together) and not said:
                said.append(state.run)
                engine = made._engine  # pyright: ignore[reportPrivateUsage]
                engine.arrive(
                    state.run, Trigger(MessageReceived(text="Be brief."), "user", "outside")
                )

        made.watch(speak)
        run = made.run(agent, "Go").run_id
        order = kinds(log, run)
        assert order.index("message_received") < order.index("step_started")
        assert made.replay(run).matches
    assert "Be brief." in str(agent.model.requests[0].body["messages"])
