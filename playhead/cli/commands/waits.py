"""`waits`: what the open runs of a log wait for: a person, an answer, a time, a model."""

from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Any

from playhead.cli.shared import exit_codes
from playhead.cli.shared.log import log_option, reading
from playhead.cli.shared.options import JsonOption, LogFile
from playhead.cli.shared.output import facts, local_time, out, say_json
from playhead.events.kinds.notices import NoticeSent
from playhead.notices.notifier import sent
from playhead.projections.history.timeline import call_text
from playhead.projections.state.waits import About, wait_text
from playhead.projections.stored.wait_list import OpenWait
from playhead.service.wait_reader import WaitReader

SAY: Mapping[About, str] = {
    "call": "approve {} {}",
    "plan": "approve {} {}",
    "answer": "complete {} {} RESULT",
    "time": "complete {} {} RESULT",
    "model": "resume {}",
}
"""What ends a wait at once, from its run and call."""


def waits(log: LogFile = None, json: JsonOption = False) -> int:
    """List what open runs wait for.

    A person (`playhead approvals` says what about), the answer of a deferred call, a time, or a
    model that is down.
    """
    with reading(log) as reader, closing(WaitReader(reader)) as waiting:
        found = waiting.waits()
        told = {each.run: sent(reader, each.run) for each in found}
    if json:
        say_json([_document(each, told[each.run]) for each in found])
        return exit_codes.OK
    for each in found:
        call = each.wait.call
        asks = [("asks", f"{each.tool}({call_text(each.arguments)})")] if call and each.tool else []
        out.print(facts([
            ("run", f"{each.run}: {each.goal}"),
            ("it", wait_text(each.wait, local_time)),
            *asks,
            *(("told", _told(one)) for one in told[each.run] if one.wait == each.wait.seq),
            ("say", f"playhead {SAY[each.wait.about].format(each.run, call)}{log_option(log)}"),
        ]))  # fmt: skip
        out.line()
    if not found:
        out.print("no run waits for anything")
    return exit_codes.OK


def _told(notice: NoticeSent) -> str:
    return notice.level if notice.to is None else f"{notice.to} ({notice.level})"


def _document(each: OpenWait, told: Sequence[NoticeSent]) -> dict[str, Any]:
    wait = each.wait
    return {
        "run": each.run, "wait": wait.seq, "about": wait.about, "since": wait.since,
        "until": wait.until, "agent": each.agent, "session": each.session, "goal": each.goal,
        "call": wait.call, "step": wait.step, "tool": each.tool or None,
        "effect": each.effect or None, "arguments": each.arguments,
        "binding": wait.binding, "error": wait.error,
        "message": wait.message, "tries": wait.tries,
        "told": [{"level": n.level, "to": n.to} for n in told if n.wait == wait.seq],
        "plan": [step.model_dump(mode="json") for step in each.plan],
    }  # fmt: skip
