"""Which agent a command means: the user's, by reference, or the default assistant.

What `resume` needs to find it again stands in the metadata of the run.
"""

import importlib
import importlib.util
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, TypeAlias, TypeGuard, TypeVar

from playhead.assembly.models import KEYS
from playhead.cli.shared.run_summary import RunSummary
from playhead.definition.agent import Agent
from playhead.definition.routing import DEFAULT_MODEL
from playhead.events.errors import RedactedRun, UsageError
from playhead.tools.builtin.calculator import calculator
from playhead.tools.builtin.clock import current_time
from playhead.tools.builtin.files import file_tools
from playhead.tools.models.local.weights import find_local

AnyAgent: TypeAlias = Agent[Any]
T = TypeVar("T")

ASSISTANT = "assistant"
INSTRUCTIONS = (
    "You are a careful assistant. Use calculator for arithmetic, current_time for the date and the "
    "time, list_files and read_file for what the files of the workspace say. Never guess what a "
    "tool can tell. Answer in a few plain sentences."
)


@dataclass(frozen=True)
class ChosenAgent:
    """An agent, and how to find it again."""

    agent: AnyAgent
    metadata: Mapping[str, str]


def assistant(workspace: Path, model: str = DEFAULT_MODEL) -> AnyAgent:
    """The default: it calculates, tells the time, lists and reads the files of one folder."""
    return Agent(
        name=ASSISTANT,
        instructions=INSTRUCTIONS,
        model=model,
        tools=[calculator, current_time, *file_tools(workspace, beside_log=True)],
    )


def choose(
    reference: str | None, workspace: Path | None, model: str | None, max_steps: int | None
) -> ChosenAgent:
    """The agent of `playhead run`. Raises UsageError where there is none."""
    if reference is None:
        folder = (workspace or Path()).resolve()
        agent = assistant(folder)
        metadata = {"workspace": str(folder)}
    elif workspace is not None:
        msg = "--workspace is for the default assistant: leave it out with --agent"
        raise UsageError(msg)
    else:
        agent = load(reference)
        metadata = {"agent": absolute(reference), "folder": str(Path.cwd())}
    if model is not None:
        agent = replace(agent, model=model)
        metadata["model"] = model
    if max_steps is not None:
        limits = agent.limits.model_copy(update={"max_steps": max_steps})
        agent = replace(agent, limits=limits)
    return ChosenAgent(agent, metadata)


def again(summary: RunSummary, reference: str | None) -> AnyAgent:
    """The agent of a run that is in the log.

    Raises UsageError where it cannot be found, and RedactedRun.
    """
    spec = summary.agent
    metadata = {} if summary.imported else summary.started.metadata
    if summary.started.redacted:
        raise RedactedRun(summary.run, "continued or forked")
    found = reference or metadata.get("agent")
    if found is not None:
        folder = None if reference else metadata.get("folder")
        agent = load(found, folder)
    elif "workspace" in metadata:
        agent = assistant(Path(metadata["workspace"]))
    else:
        msg = f"the log does not say where the agent {spec.name!r} is: add --agent module:name"
        raise UsageError(msg)
    if agent.name != spec.name:
        msg = f"the run's agent is {spec.name!r}, but this one is {agent.name!r}"
        raise UsageError(msg)
    return replace(agent, model=metadata["model"]) if "model" in metadata else agent


def load(reference: str, folder: str | None = None) -> AnyAgent:
    """The agent at `module:name` or `file.py:name`; without a name the only one there.

    Args:
        reference: where it is.
        folder: where its modules are looked for; the working folder by default.

    Raises UsageError.
    """
    where, colon, name = reference.rpartition(":")
    if not colon or name.endswith(".py"):
        where, name = reference, ""
    module = _import(where, folder or str(Path.cwd()))
    if name:
        found: object = getattr(module, name, None)
        if _is_agent(found):
            return found
        problem = "is not an Agent" if hasattr(module, name) else "does not exist there"
        msg = f"--agent {reference}: {name} {problem}; {_offer(module, where)}"
        raise UsageError(msg)
    agents = _agents(module)
    if len(agents) != 1:
        msg = f"--agent {reference}: which one? {_offer(module, where)}"
        raise UsageError(msg)
    return next(iter(agents.values()))


def load_named(reference: str, option: str, kind: type[T]) -> T:
    """What stands at `module:name` or `file.py:name`. Raises UsageError, naming the option."""
    where, colon, name = reference.rpartition(":")
    if not colon:
        msg = f"{option} {reference}: write module:name or file.py:name"
        raise UsageError(msg)
    found: object = getattr(_import(where, str(Path.cwd())), name, None)
    if not isinstance(found, kind):
        msg = f"{option} {reference}: there is no {kind.__name__} {name} at the top of that module"
        raise UsageError(msg)
    return found


def absolute(reference: str) -> str:
    """The reference so that it can be followed from another folder."""
    where, colon, name = reference.rpartition(":")
    if where.endswith(".py"):
        return f"{Path(where).resolve()}{colon}{name}"
    if reference.endswith(".py"):
        return str(Path(reference).resolve())
    return reference


def _agents(module: ModuleType) -> dict[str, AnyAgent]:
    return {name: value for name, value in vars(module).items() if _is_agent(value)}


def _is_agent(value: object) -> TypeGuard[AnyAgent]:
    return isinstance(value, Agent)


def _offer(module: ModuleType, where: str) -> str:
    names = ", ".join(f"{where}:{name}" for name in _agents(module))
    return f"there is {names}" if names else "there is no Agent at the top of that module"


def _import(where: str, folder: str) -> ModuleType:
    try:
        if where.endswith(".py"):
            return _from_file(Path(where))
        if folder not in sys.path:
            sys.path.insert(0, folder)
        return importlib.import_module(where)
    except UsageError:
        raise
    except Exception as error:
        if isinstance(error, ModuleNotFoundError) and where.startswith(f"{error.name}"):
            msg = f"there is no module {where} here ({folder})"
            raise UsageError(msg) from error
        why = f"{type(error).__name__}: {error}".partition("\n")[0]
        msg = f"{where} cannot be imported: {why}"
        raise UsageError(msg) from error


def _from_file(path: Path) -> ModuleType:
    if not path.is_file():
        msg = f"there is no file {path}"
        raise UsageError(msg)
    path = path.resolve()
    if str(path.parent) not in sys.path:
        sys.path.insert(0, str(path.parent))  # as `python path` would have it
    name = path.stem if path.stem not in sys.modules else f"agent_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # so that its types can be found by name
    spec.loader.exec_module(module)
    return module


DEMONSTRATION = (
    "No ANTHROPIC_API_KEY and no --base-url: a small local model answers, on this CPU. It is a "
    "demonstration model: it shows the runtime and is not an assistant."
)


def which_model(base_url: str | None) -> Literal["api", "endpoint", "local"]:
    """What answers an agent whose model is a name."""
    if base_url:
        return "endpoint"
    return "api" if any(os.environ.get(key) for key in KEYS) else "local"


def demonstration(agent: AnyAgent, base_url: str | None) -> str | None:
    """What to say when the local model will answer, else None.

    Raises UsageError when nothing can answer: nothing was started then.
    """
    if not isinstance(agent.model, str) or which_model(base_url) != "local":
        return None
    if find_local() is not None:
        msg = (
            "there is no model to ask: set ANTHROPIC_API_KEY, or give --base-url URL, or "
            "pip install 'playhead[local]' for a small local demonstration model"
        )
        raise UsageError(msg)
    return DEMONSTRATION
