"""The options of a run are checked by name, and mean the same for `start` and `run`."""

from typing import Any

import pytest

from playhead import Agent, Capacity, Runtime, UsageError
from playhead.logs import MemoryLog
from playhead.records import RunStarted
from playhead.testing import ScriptedModel


def test_an_option_that_does_not_exist_is_refused_with_the_one_that_was_meant() -> None:
    agent = Agent(name="a", model=ScriptedModel([]))
    misspelt: dict[str, Any] = {"sesion": "s"}
    with Runtime(log := MemoryLog()) as runtime:
        for begin in (runtime.start, runtime.run):
            with pytest.raises(UsageError) as caught:
                begin(agent, "go", **misspelt)
            assert "session=?" in str(caught.value)
    assert list(log.streams()) == []


def test_the_options_stand_in_the_first_record() -> None:
    agent = Agent(name="a", model=ScriptedModel(["Hello."]))
    with Runtime(MemoryLog()) as runtime:
        run = runtime.start(agent, "go", session="s", metadata={"who": "Ada"})
        run.wait()
        started = next(iter(run.events())).event
    assert isinstance(started, RunStarted)
    assert (started.session, started.metadata) == ("s", {"who": "Ada"})


def test_the_watchers_have_heard_of_the_end_when_a_run_is_waited_for() -> None:
    agent, heard = Agent(name="a", model=ScriptedModel(["Hello."] * 20)), list[str]()
    with Runtime(MemoryLog(), capacity=Capacity(open_runs=1)) as runtime:
        runtime.watch(lambda _, records: heard.append(records[-1].event.kind))
        for _ in range(20):
            runtime.run(agent, "go")
            assert heard[-1] == "run_finished"
