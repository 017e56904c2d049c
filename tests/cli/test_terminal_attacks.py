"""What a model, a tool or a file says moves no cursor, names no window and turns no text around."""

import json
import re
import subprocess
import sys
import threading
import warnings
from pathlib import Path
from typing import Any

import pytest

from playhead import Agent, tool
from playhead.testing import ScriptedModel, call
from tests.cli.conftest import Playhead

pytest.importorskip("pty", reason="a system with terminals (POSIX)")
from tests.cli.test_terminal import at_a_terminal

ATTACKS = {
    "window title": "\x1b]0;EVIL\x07", "clear": "\x1b[2J\x1b[3JEVIL", "colour": "\x1b[8mEVIL",
    "link": "\x1b]8;;http://evil/\x1b\\EVIL\x1b]8;;\x1b\\", "8 bit": "\x9b2JEVIL\x9d0;EVIL\x9c",
    "device": "\x1bPEVIL\x1b\\\x1bcEVIL", "back": "EVIL\x08\x08\x08\x08safe",
    "return": "EVIL\rsafe",
    "override": "\u202eLIVE\u202c", "isolate": "\u2066EVIL\u2069",
    "marks": "\u200e\u200f\u061cEVIL",
}  # fmt: skip
EVIL = " ".join(ATTACKS.values())
BIDI = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
OURS = re.compile(r"\x1b\[(\?25[lh]|[0-9;]*m|[0-9]*[AK]|2K)|\r(?=\n|\x1b\[)")
"""What our consoles and a live display write: colours, and moves within its lines."""


def harmless(said: str) -> bool:
    rest = OURS.sub("", said)
    return (
        "\x1b[8m" not in said
        and not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f]", rest)
        and not BIDI.search(rest)
    )


@tool(effect="read")
def look() -> str:
    """Look at a page, and print and warn as a library does.

    Returns:
        What it says.
    """
    print(EVIL)  # noqa: T201
    print(EVIL, file=sys.stderr)  # noqa: T201
    warnings.warn(EVIL, stacklevel=1)
    threading.Thread(target=fail).start()
    return EVIL


def fail() -> None:
    raise ValueError(EVIL)


@tool(effect="read")
def broken() -> str:
    """Raise an error that quotes a page."""
    raise ValueError(EVIL)


def _said(body: dict[str, Any]) -> Any:
    seen = sum(
        block["type"] == "tool_result"
        for message in body["messages"]
        if isinstance(message["content"], list)
        for block in message["content"]
    )
    return [[EVIL, call("look")], [EVIL, call("broken")], f"It says {EVIL}"][seen]


quoting = Agent(name="quoting", model=ScriptedModel(_said), tools=[look, broken])
AGENT = ("--agent", "tests.cli.test_terminal_attacks:quoting")


def test_the_attacks_would_be_seen() -> None:
    assert not any(harmless(attack) for attack in ATTACKS.values())


def test_no_command_at_a_terminal_writes_an_attack(folder: Path) -> None:
    goal = EVIL.replace("\x00", "")
    said = at_a_terminal("run", goal, *AGENT)
    assert "EVIL" in said
    assert harmless(said), re.sub(OURS, "", said)
    for command in (
        ("show", "last", "--thoughts", "--full"), ("show", "last", "--json"), ("runs",),
        ("context", "last"), ("why", "last"), ("export", "last"), ("show", EVIL),
        ("run", "x", "--agent", EVIL), (EVIL,),
    ):  # fmt: skip
        said = at_a_terminal(*command)
        assert said
        assert harmless(said), (command, re.sub(OURS, "", said)[:2000])


def test_json_to_a_terminal_is_json_and_says_the_same(folder: Path) -> None:
    at_a_terminal("run", "look", *AGENT)
    document = json.loads(at_a_terminal("show", "last", "--json"))
    assert any(EVIL in leaf for leaf in _leaves(document))


def _leaves(value: Any) -> list[str]:
    if isinstance(value, dict | list):
        inside: list[Any] = [*value.values()] if isinstance(value, dict) else [*value]
        return [leaf for inner in inside for leaf in _leaves(inner)]
    return [str(value)]


FAULT = """
import sys
import playhead.cli.app as app
def fault(arguments): raise RuntimeError(sys.argv[1])
app._run = fault
sys.exit(app.main(["runs"]))
"""


def test_the_traceback_of_a_fault_of_ours_is_harmless_too(folder: Path) -> None:
    said = at_a_terminal(EVIL.replace("\x00", ""), command=("-c", FAULT))
    assert "Traceback" in said
    assert "EVIL" in said
    assert harmless(said)


def test_in_a_pipe_an_export_keeps_its_bytes(playhead: Playhead, folder: Path) -> None:
    playhead("run", "look", *AGENT)
    playhead("export", "last", "-o", "file")
    piped = subprocess.run(
        [sys.executable, "-m", "playhead", "export", "last"], capture_output=True, check=True
    )
    assert piped.stdout == Path("file").read_bytes()


@pytest.mark.parametrize("given", ["short", "with a space in the token", "täglich-ein-token-mehr"])
def test_a_token_that_is_none_is_refused_from_either_place(
    playhead: Playhead, folder: Path, monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    Path("token").write_text(given)
    said = playhead("serve", "--token-file", "token")
    assert (said.code, "16 or more" in said.err, given in said.err) == (2, True, False)
    monkeypatch.setenv("PLAYHEAD_TOKEN", given)
    assert "$PLAYHEAD_TOKEN" in playhead("serve").err


def test_no_option_takes_the_token_itself(playhead: Playhead) -> None:
    assert playhead("serve", "--token", "0123456789abcdef").code == 2
