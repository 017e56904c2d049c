"""The inside of a sandbox: what the spawned process does with the call that it was given.

It finds the tool by module and name, performs one attempt, and writes two lines: `started`, just
before the tool's own code runs, and the outcome as JSON. What the tool prints goes elsewhere.
"""

import asyncio
import contextlib
import importlib
import os
import runpy
import sys
import time
from collections.abc import Mapping
from functools import reduce
from types import ModuleType
from typing import Any, get_type_hints

from playhead.events.spec.agent import ToolSpec
from playhead.tools.context import ToolContext
from playhead.tools.definition.given_schema import signature_of
from playhead.tools.execution.attempt import Answer, Attempt
from playhead.tools.tool import AnyTool, Tool

STARTED = b"started\n"

BOOT = (
    "import json, sys; job = json.load(sys.stdin.buffer); sys.path[:] = job['path']; "
    "from playhead.tools.sandbox.child import perform; perform(job)"
)
"""What `python -c` runs; stdin is the job."""


def perform(job: Mapping[str, Any]) -> None:
    """Perform the call and end the process, whatever threads the tool has left behind."""
    out = os.dup(1)
    os.dup2(2, 1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    attempt = Attempt(_tool(job), job["arguments"], _context(job), time.monotonic)
    _write(out, STARTED)
    answer = _answer(attempt)
    with contextlib.suppress(Exception):  # a tool may have closed it
        sys.stdout.flush()
    _write(out, answer.model_dump_json(exclude_none=True).encode())
    os._exit(0)


def _answer(attempt: Attempt) -> Answer:
    answer = None if attempt.tool.signature.awaits else attempt.perform()
    return asyncio.run(attempt.perform_async()) if answer is None else answer


def _tool(job: Mapping[str, Any]) -> AnyTool:
    spec = ToolSpec.model_validate(job["spec"])
    found = reduce(getattr, job["function"].split("."), _module(job))
    if isinstance(found, Tool):
        return Tool(found.function, spec, found.signature)
    given: object = spec.input_schema if job["given"] == "schema" else None
    if job["given"] == "type":
        given = get_type_hints(found)[job["raw"]]
    return Tool(found, spec, signature_of(found, spec.name, spec.description, given))


def _module(job: Mapping[str, Any]) -> Any:
    """The tool's module; a script's is run again under another name, as multiprocessing does."""
    if job["module"] != "__main__":
        return importlib.import_module(job["module"])
    module = ModuleType("__mp_main__")
    vars(module).update(runpy.run_path(job["file"], run_name="__mp_main__"))
    sys.modules["__main__"] = sys.modules["__mp_main__"] = module
    return module


def _context(job: Mapping[str, Any]) -> ToolContext:
    secrets: dict[str, str] = job["secrets"]
    return ToolContext(job["run"], job["call"], job["attempt"], secrets=secrets.get)


def _write(fd: int, data: bytes) -> None:
    while data:
        data = data[os.write(fd, data) :]
