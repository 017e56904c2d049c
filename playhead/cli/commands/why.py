"""`why`: on one screen, why a run is not finished, which record shows it, and what to try."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.text import Text

from playhead.cli.shared import exit_codes
from playhead.cli.shared.log import find, log_option, reading, records
from playhead.cli.shared.options import JsonOption, LogFile, RunId
from playhead.cli.shared.output import count, local_time, out, plain, say_json, styled
from playhead.cli.shared.run_format import entry_row, under_way, who_and_why
from playhead.cli.shared.run_summary import RunSummary, read_summary
from playhead.events.record import Record
from playhead.projections.history.reasons import reasons
from playhead.projections.history.timeline import TROUBLE
from playhead.projections.state.waits import APPROVALS, DEFERRED, wait_text

BEFORE = 4
"""Entries that are shown before the end."""

REASONS = 3
"""Explanations that are shown."""

CIRCLES = "playhead show {run} --thoughts   (does it go in circles?)"
KEY = (
    "is the right key in ANTHROPIC_API_KEY, for the right endpoint (--base-url)? `playhead doctor`"
)
LATER = "run it again later: every attempt that failed is in the log (playhead show {run})"
REQUEST = "look at what was asked: playhead show {run} --records"
LOCAL = "set ANTHROPIC_API_KEY, give --base-url, or pip install 'playhead[local]'"

ADVICE: Mapping[str, tuple[str, ...]] = {
    "max_steps": (CIRCLES, "allow more: playhead run ... --max-steps N, or Limits(max_steps=N)"),
    "max_model_calls": (CIRCLES, "allow more: Limits(max_model_calls=N)"),
    "max_tool_calls": (CIRCLES, "allow more: Limits(max_tool_calls=N)"),
    "max_tokens": (
        "the run's tokens: Limits(max_tokens=N); one reply's: Agent(max_tokens=N)",
        "shorter tool results also help: playhead show {run}",
    ),
    "max_seconds": ("which record took so long? playhead show {run}", "Limits(max_seconds=N)"),
    "max_cost": (
        "what cost what: playhead cost {run} --by model",
        "allow more: Limits(max_cost=DOLLARS), or go on with a cheaper model: Budget(...)",
    ),
    "quota_reached": (
        "who used it? playhead cost --quota tenant (or session, agent)",
        'allow more: Capacity(quotas=[Quota(...)]), or wait: Quota(when_reached="wait")',
    ),
    "unknown_price": ("say what the model costs: Agent(prices={{...}})",),
    "output_rule": ("the output type's own validator raised: fix it, then start again",),
    "authentication": (KEY,),
    "permission": (KEY,),
    "billing": ("the account cannot pay: see its billing page",),
    "spend_limit": ("the account's spend limit is reached: raise it, or wait",),
    "not_found": ("check the model's name (--model) and the endpoint (--base-url)",),
    "invalid_request": (REQUEST, "a model may refuse a setting: look at Agent(extra=...)"),
    "request_too_large": ("shorter tool results, or a new session", REQUEST),
    "model_context_window_exceeded": ("a new session, shorter tool results, or another model",),
    "rate_limit": (LATER,),
    "overloaded": (LATER,),
    "server_error": (LATER,),
    "timeout": (LATER,),
    "unreachable": ("is the endpoint up, and reachable from here? `playhead doctor`", LATER),
    "connection": ("is the endpoint up, and reachable from here? `playhead doctor`", LATER),
    "truncated": (LATER,),
    "malformed_reply": ("is it an Anthropic-compatible endpoint (--base-url)?", LATER),
    "refusal": ("say the goal differently, or use another model (--model)",),
    "empty_reply": ("another model (--model), or plainer instructions",),
    "invalid_output": ("compare the answer with the output type: playhead show {run} --thoughts",),
    "no_local_model": (LOCAL,),
    "no_model": (LOCAL,),
    "script_ended": ("give the ScriptedModel one more reply",),
    "loop": (CIRCLES, "say in the instructions what to do instead"),
    "paused": ("playhead resume {run}",),
    "cancelled": ('start it again: playhead run "GOAL"',),
    "waiting_for_model": (
        "nothing: it asks again by itself while a process has it",
        "ask at once, or have a process take it up: playhead resume {run}",
    ),
    "waiting_for_answer": (
        "what for, and until when: playhead waits",
        "answer it: playhead complete {run} CALL RESULT",
    ),
    "waiting_for_person": ("playhead approvals", "what it did so far: playhead show {run}"),
    "running": ("if no process works on it: playhead resume {run}",),
}
OTHERWISE = ("playhead show {run} --thoughts", "playhead show {run} --records")


def why(run: RunId, log: LogFile = None, json: JsonOption = False) -> int:
    """Explain why a run failed or does not go on.

    Which record says so, what came before it, and what to try.
    """
    with reading(log) as reader:
        run = find(reader, run)
        summary = read_summary(run, records(reader, run))
    named = f"{run}{log_option(log)}"
    word, message = summary.reason
    decisive = deciding(summary)
    if json:
        about: dict[str, Any] = {"record": decisive.seq, "kind": decisive.event.kind}
        about["explained_by"] = [
            {"what": each.what, "text": each.text, "records": each.records}
            for each in reasons(summary.records.values())
        ]
        say_json(summary.summary() | about | {"try": advice(summary, named)})
        return exit_codes.OK
    out.print(Text.assemble(f"run {run} ", styled(summary.status), plain(_because(word, message))))
    if summary.status == "finished":
        out.print(_troubles(summary))
        return exit_codes.OK
    _waits(summary)
    found = reasons(summary.records.values())
    for n, reason in enumerate(found[:REASONS]):
        title = "What explains it:" if n == 0 else "and:"
        out.print(plain(f"\n{title} {reason.text}" if n == 0 else f"{title} {reason.text}"))
        out.print(f"  at {record_numbers(reason.records)}", style="dim")
    cause = "" if decisive.cause is None else f", because of {decisive.cause}"
    out.print(f"record {decisive.seq}: {decisive.event.kind}, {decisive.actor}{cause}", style="dim")
    out.print("\nWhat came before:")
    before = [told for told in summary.told(thoughts=False) if told[0].seq <= decisive.seq]
    for entry, cost in before[-BEFORE:]:
        out.print(entry_row(entry, who_and_why(entry, cost)))
    out.print("\nWhat to try:")
    for line in advice(summary, named):
        out.print(f"  - {line}")
    return exit_codes.OK


def deciding(summary: RunSummary) -> Record:
    """The decisive record: what opened the turn of the end, or the last one.

    A limit or a loop is decided in that turn; then it is that decision.
    """
    last = next(reversed(summary.records.values()))
    if summary.ending is None:
        return last
    trigger = summary.trigger(last.seq)
    turn = (r for seq, r in summary.records.items() if trigger.seq < seq < last.seq)
    decided = (r for r in turn if r.event.kind in ("limit_reached", "loop_detected"))
    return next(decided, trigger)


def advice(summary: RunSummary, run: str) -> list[str]:
    """What to try, most likely first; `run` is how commands name the run."""
    found = reasons(summary.records.values())
    word = summary.reason[0] if summary.status == "failed" else summary.status
    helpful = [command for reason in found[:REASONS] for command in reason.commands]
    key = "loop" if word.startswith("loop") else word
    if key == "running" and summary.waits:
        about = {wait.about for wait in summary.waits.values()}
        if about & set(APPROVALS):
            key = "waiting_for_person"
        elif about & set(DEFERRED):
            key = "waiting_for_answer"
        else:
            key = "waiting_for_model"
    lines = [command.format(run=run) for command in helpful]
    if not {"agent", "workspace"} & summary.started.metadata.keys():  # embedded: nothing says where
        agent = f" --agent MODULE:{summary.agent.name}"
        lines = [line + agent if " fork " in line else line for line in lines]
    lines += [line.format(run=run) for line in ADVICE.get(key, OTHERWISE)]
    return list(dict.fromkeys(lines))


def record_numbers(seqs: Sequence[int]) -> str:
    """Records by number; of many, the first and the last few."""
    named = [str(seq) for seq in seqs]
    if len(named) > 6:
        named = [*named[:3], "...", *named[-2:]]
    return f"record{'' if len(seqs) == 1 else 's'} {', '.join(named)}"


def _because(word: str, message: str) -> str:
    if not message:
        return ""
    return f": {message}" if word in ("", "paused", message) else f": {word}\n{message}"


def _troubles(summary: RunSummary) -> str:
    errors = summary.metrics.tool_errors + summary.metrics.model_failures
    if not errors:
        return "nothing went wrong on the way"
    seqs = [str(e.seq) for e, _ in summary.told(thoughts=False) if e.heading in TROUBLE]
    return f"{count(errors, 'error')} on the way, at {', '.join(seqs)}: playhead show {summary.run}"


def _waits(summary: RunSummary) -> None:
    for wait in summary.waits.values():
        out.print(plain(f"since record {wait.seq} it {wait_text(wait, local_time)}"))
    for record in summary.open.values():
        out.print(f"since record {record.seq} it is {under_way(record.event, summary)}")
