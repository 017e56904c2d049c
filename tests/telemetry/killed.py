"""A process that is killed in the middle of a tool call: `python -m tests.telemetry.killed LOG`.

It says the run's id and then, from within the tool, `waiting`.
"""

import sys
import threading

from playhead import Agent, Runtime, tool
from playhead.testing import Scripted, ScriptedModel, call

HANG = threading.Event()
"""Whether the tool waits for the end; set only in the process that is to be killed."""


@tool(effect="read")
def look() -> str:
    """Look."""
    if HANG.is_set():
        print("waiting", flush=True)  # noqa: T201 - this is how it tells
        threading.Event().wait()
    return "seen"


def agent(script: list[Scripted]) -> Agent[str]:
    return Agent(name="looker", model=ScriptedModel(script), tools=[look])


def main() -> None:
    HANG.set()
    someone = agent([call("look")])
    with Runtime(sys.argv[1], agents=[someone]) as runtime:
        run = runtime.start(someone, "Look.")
        print(run.id, flush=True)  # noqa: T201
        run.wait()


if __name__ == "__main__":
    main()
