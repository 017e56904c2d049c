"""`doctor`: what is installed here, the settings, and what to fix."""

import inspect
import os
import platform
import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import fields
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, cast

from pydantic import BaseModel

from playhead.assembly.models import KEYS
from playhead.cli.shared import exit_codes
from playhead.cli.shared.agents import which_model
from playhead.cli.shared.log import log_path, reading, run_list
from playhead.cli.shared.options import BaseUrl, JsonOption, LogFile
from playhead.cli.shared.output import count, facts, out, say_json
from playhead.definition.agent import Agent
from playhead.definition.routing import DEFAULT_MODEL
from playhead.events.errors import PlayheadError
from playhead.events.log.owner_lock import owner_of
from playhead.events.spec.agent import Limits, LoopRules
from playhead.events.spec.memory import MemoryRules
from playhead.events.spec.plan import PlanRules
from playhead.events.spec.routing import Budget
from playhead.events.spec.tool import Retry
from playhead.events.version import VERSION
from playhead.projections.stored.run_list import find_runs
from playhead.runtime import DEFAULT_LOG, Runtime
from playhead.settings import Capacity, Telemetry
from playhead.telemetry.setup import ENDPOINTS, exporters
from playhead.tools.models.embedders import KEY as EMBEDDER_KEY
from playhead.tools.models.local.weights import find_local
from playhead.tools.sandbox.confinement import offered

FIXED = ((3, 44, 6), (3, 50, 7), (3, 51, 3))
"""SQLite before 3.51.3 can lose commits in WAL mode, but for two branches that got the fix."""

VARIABLES: Mapping[str, tuple[str, str]] = {
    "PLAYHEAD_LOG": (DEFAULT_LOG, "the log (--log)"),
    "ANTHROPIC_API_KEY": ("", "the key of the Anthropic API"),
    "ANTHROPIC_AUTH_TOKEN": ("", "a bearer token instead of a key"),
    "ANTHROPIC_BASE_URL": ("", "an Anthropic-compatible endpoint (--base-url)"),
    "PLAYHEAD_LOG_LEVEL": (
        "error",
        "of the program's log on standard error: info shows every call",
    ),
    "PLAYHEAD_EMBEDDER": (
        "offline",
        "what recall finds meaning by: offline, none, or BASE_URL MODEL DIMENSIONS",
    ),
    "PLAYHEAD_EMBEDDER_KEY": ("", "the key of that endpoint"),
    "OTEL_TRACES_EXPORTER": ("", "otlp, console or none"),
    "OTEL_EXPORTER_OTLP_ENDPOINT": ("", "where traces go"),
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": ("", "the same, for traces alone"),
    "NO_COLOR": ("", "no colour on a terminal"),
}
WORDS = ("instructions", "description")
"""Fields of Agent that are content, not settings."""

SECRET = frozenset({*KEYS, EMBEDDER_KEY})
ARGUMENTS = frozenset({
    "log", "agents", "model", "base_url", "redact", "secrets", "only_runs", "capacity",
    "telemetry", "evaluators",
})  # fmt: skip
"""Parameters of Runtime that are objects or chosen for each run, not settings with a default."""


def doctor(log: LogFile = None, base_url: BaseUrl = None, json: JsonOption = False) -> int:
    """Show what is installed, the settings, and what to fix.

    Versions, the model that would answer, the log and its owner, the exporter of traces, what the
    kernel has to confine tools with, and every setting with its default.
    """
    here = {
        "versions": dict(_versions()),
        "model": _model(base_url),
        "log": _log(log_path(log)),
        "exporter": _exporter(),
        "confinement": offered(),
    }
    if json:
        say_json(here | {"settings": list(_settings())})
        return exit_codes.OK
    for name, value in here.items():
        pairs = value.items() if isinstance(value, dict) else [(name, value)]
        out.print(facts((key, str(text)) for key, text in pairs))
        out.line()
    out.print("Settings and their defaults:")
    out.print(facts((s["name"], _setting_text(s)) for s in _settings()))
    return exit_codes.OK


def _versions() -> Iterator[tuple[str, str]]:
    yield "playhead", VERSION
    yield "Python", f"{platform.python_version()} on {platform.platform(terse=True)}"
    yield "SQLite", f"{sqlite3.sqlite_version} (sqlite3). {wal_bug(sqlite3.sqlite_version)}"
    for package in ("apsw", "anthropic", "pydantic", "pykka", "opentelemetry-sdk", "xllamacpp"):
        try:
            yield package, version(package)
        except PackageNotFoundError:
            yield package, "not installed"


def wal_bug(sqlite: str) -> str:
    """Whether the WAL bug of SQLite 3.7.0 to 3.51.2 is in this version, and what that means."""
    found = tuple(int(part) for part in sqlite.split("."))
    same_branch = any(found[:2] == fix[:2] and found >= fix for fix in FIXED)
    if found < (3, 7, 0) or found >= FIXED[-1] or same_branch:
        return "Its WAL bug is fixed here"
    return (
        "It can lose commits when one connection commits while another checkpoints; Playhead "
        "uses one connection for both, so its logs are safe"
    )


def _model(base_url: str | None) -> str:
    match which_model(base_url):
        case "endpoint":
            return f"{DEFAULT_MODEL} at {base_url}"
        case "api":
            key = next(key for key in KEYS if os.environ.get(key))
            return f"{DEFAULT_MODEL} at the Anthropic API ({key} is set)"
        case "local":
            missing = find_local()
            if missing is None:
                return "the local demonstration model: no key and no base URL are set"
            return (
                "none: set ANTHROPIC_API_KEY or ANTHROPIC_BASE_URL, or pip install "
                f"'playhead[local]' for a demonstration model ({missing})"
            )


def _log(path: Path) -> dict[str, str]:
    about = {"log": str(path.absolute())}
    if not path.exists():
        return about | {"holds": "nothing yet: the first run makes it"}
    about["owner"] = owner_of(path) or "nobody"
    try:
        with reading(path) as reader, run_list(reader) as views:
            runs = len(find_runs(views.connection))
            about["holds"] = f"{count(reader.end(), 'record')}, {count(runs, 'run')}"
    except PlayheadError as error:
        about["holds"] = f"cannot be read: {error}"
    size = sum(f.stat().st_size for f in path.parent.glob(f"{path.name}*"))
    about["size"] = f"{size / 1e6:.1f} MB with its side files"
    return about


def _exporter() -> str:
    found = exporters()
    if not found:
        return "none: OTEL_EXPORTER_OTLP_ENDPOINT is not set"
    where = next((os.environ[name] for name in ENDPOINTS if os.environ.get(name)), "its default")
    return ", ".join(f"otlp to {where}" if name == "otlp" else name for name in found)


def _settings() -> Iterator[dict[str, Any]]:
    for name, (default, what) in VARIABLES.items():
        now = os.environ.get(name)
        shown = "set" if now and name in SECRET else now
        yield {"name": name, "default": default or None, "now": shown, "what": what}
    for name, parameter in inspect.signature(Runtime).parameters.items():
        if name not in ARGUMENTS:
            yield {"name": f"Runtime({name}=)", "default": parameter.default}
    yield from _grouped(Capacity(), Telemetry())
    for field in fields(Agent):
        if isinstance(field.default, str | int | bool) and field.name not in WORDS:
            yield {"name": f"Agent({field.name}=)", "default": field.default}
    for model in (Limits, Retry, LoopRules, PlanRules, MemoryRules, Budget):
        for name, info in model.model_fields.items():
            yield {
                "name": f"{model.__name__}({name}=)",
                "default": _plain(info.get_default(call_default_factory=True)),
            }


def _grouped(*groups: Capacity | Telemetry) -> Iterator[dict[str, Any]]:
    for group in groups:
        for each in fields(group):
            default = getattr(group, each.name) or None
            yield {"name": f"{type(group).__name__}({each.name}=)", "default": default}


def _plain(default: object) -> object:
    return default.model_dump(mode="json") if isinstance(default, BaseModel) else default


def _setting_text(setting: dict[str, Any]) -> str:
    default = setting["default"]
    if isinstance(default, dict):
        default = ", ".join(f"{name} {value}" for name, value in cast("Any", default).items())
    default = "none" if default in (None, "") else str(default)
    what = f"; {setting['what']}" if "what" in setting else ""
    return f"{setting['now']} (default: {default}){what}" if setting.get("now") else default + what
