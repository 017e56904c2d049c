"""What the cache of a tool saves: a scripted task whose runs ask the same questions."""

import time
from collections.abc import Iterator

from playhead import Agent, Cache, Limits, Runtime, tool
from playhead.events.log.memory import MemoryLog
from playhead.testing import ScriptedModel, call
from tests.bench.figures import Table

QUESTIONS = 20
RUNS = 5
CALLS = QUESTIONS * RUNS
LATENCY = 0.02
"""Seconds that an answer takes when it is not in the cache."""


def cached() -> Iterator[Table]:
    """Wall time of the same task without and with the cache."""
    rows: list[list[object]] = []
    for name, cache in (("uncached", False), ("cached", Cache(shared=True))):
        seconds, asked = task(cache)
        rows.append([name, CALLS, asked, seconds * 1000 / CALLS])
    first, last = (float(str(row[3])) for row in rows)
    yield Table(
        "cached",
        f"{RUNS} runs ask the same {QUESTIONS} questions; an answer takes {LATENCY * 1000:g} ms",
        ["", "calls", "asked", "ms a call"],
        rows,
        f"the cache makes it {first / last:.1f} times as fast",
    )


def task(cache: Cache | bool) -> tuple[float, int]:
    """Seconds for all the runs, and how often the tool itself was asked."""
    asked = list[str]()

    @tool(effect="read", cache=cache)
    def look_up(question: str) -> str:
        """Look an answer up."""
        asked.append(question)
        time.sleep(LATENCY)
        return f"the answer to {question}"

    script = [call("look_up", question=f"question {n}") for n in range(QUESTIONS)]
    model = ScriptedModel([*script, "Done."] * RUNS)
    limits = Limits(max_steps=QUESTIONS + 1)
    agent = Agent(name="cached", model=model, tools=[look_up], limits=limits)
    with Runtime(MemoryLog(), [agent]) as runtime:
        began = time.perf_counter()
        for _ in range(RUNS):
            runtime.run(agent, "Find out.")
        return time.perf_counter() - began, len(asked)
