"""`approvals`, `approve`, `deny`, `resolve`: what runs ask of a person."""

from contextlib import closing
from typing import Annotated, Any, TypeAlias

import typer
from pydantic import TypeAdapter, ValidationError

from playhead.actors.append import unknown_call
from playhead.cli.commands.send import tell
from playhead.cli.shared import exit_codes
from playhead.cli.shared.log import find, log_option, log_path, reading, records
from playhead.cli.shared.options import JsonOption, LogFile, RunId
from playhead.cli.shared.output import facts, local_time, out, say_json
from playhead.cli.shared.run_summary import read_summary
from playhead.events.errors import UsageError
from playhead.events.event import Event
from playhead.events.event import Json as JsonValue
from playhead.events.kinds.approvals import ApprovalDecided
from playhead.events.kinds.tool_calls import ToolResolved
from playhead.events.log.contract import Reader
from playhead.projections.history.timeline import call_text, plan_text, questions_text
from playhead.projections.state.calls.approvals import OpenApproval
from playhead.runtime import Runtime
from playhead.service.decider import this_process
from playhead.service.wait_reader import WaitReader

ARGUMENTS = TypeAdapter(dict[str, JsonValue])

CallId: TypeAlias = Annotated[
    int, typer.Argument(metavar="CALL", help="The call's number, from `playhead approvals`.")
]


def approvals(log: LogFile = None, json: JsonOption = False) -> int:
    """List the calls and plans that wait for a person."""
    with reading(log) as reader, closing(WaitReader(reader)) as waits:
        waiting = waits.approvals()
    if json:
        say_json([_document(each) for each in waiting])
        return exit_codes.OK
    for each in waiting:
        until = "" if each.expires_at is None else f", until {local_time(each.expires_at)}"
        call = f"{each.call}, effect {each.effect}{until}"
        what = ("call", call) if each.about != "plan" else ("plan", f"{each.call}{until}")
        answer = " --arguments JSON" if each.about == "input" else ""
        wants = f"{each.tool}({call_text(each.arguments)})"
        asks = questions_text(each.questions or {})
        out.print(facts([
            ("run", f"{each.run}: {each.goal}"),
            what,
            ("wants", wants if each.about != "plan" else plan_text(each.plan)),
            *([("asks", asks)] if asks else []),
            *([] if each.rule_error is None else [("rule", f"failed: {each.rule_error}")]),
            ("say", f"playhead approve {each.run} {each.call}{answer}{log_option(log)}"),
        ]))  # fmt: skip
        out.line()
    if not waiting:
        out.print("nothing waits for a person")
    return exit_codes.OK


def approve(
    run: RunId,
    call: CallId,
    arguments: Annotated[
        str | None,
        typer.Option(metavar="JSON", help="Other arguments; or the answer to what it asks."),
    ] = None,
    log: LogFile = None,
) -> int:
    """Let a call or a plan start.

    What is approved is this call of this tool with these arguments, or these steps, and nothing
    else. `playhead plan edit` approves a plan with other steps.
    """
    changed = None if arguments is None else _arguments(arguments)

    def word(reader: Reader, run: str) -> Event:
        found = _open_call(reader, run, call)
        return ApprovalDecided(
            call=call, binding=found.binding, approved=True, arguments=changed, by=this_process()
        )

    return tell(log, run, word)


def deny(
    run: RunId,
    call: CallId,
    reason: Annotated[
        str | None, typer.Option(metavar="TEXT", help="The reason; the model reads it.")
    ] = None,
    log: LogFile = None,
) -> int:
    """Refuse a call, or a plan."""

    def word(reader: Reader, run: str) -> Event:
        found = _open_call(reader, run, call)
        return ApprovalDecided(
            call=call, binding=found.binding, approved=False, reason=reason, by=this_process()
        )

    return tell(log, run, word)


def resolve(
    run: RunId,
    call: CallId,
    succeeded: Annotated[
        bool | None,
        typer.Option("--succeeded/--failed", help="Whether it took effect.", show_default=False),
    ] = None,
    note: Annotated[str, typer.Option(metavar="TEXT", help="What you found.")] = "",
    log: LogFile = None,
) -> int:
    """Record whether a call with an unknown outcome took effect."""
    if succeeded is None:
        msg = "resolve: say what became of the call: --succeeded or --failed"
        raise UsageError(msg)
    with reading(log) as reader:
        run = find(reader, run)
        ended = read_summary(run, records(reader, run)).ending is not None
        unknown_call(reader, run, call)
    if not ended:
        event = ToolResolved(run=run, call=call, succeeded=succeeded, note=note)
        return tell(log, run, lambda _, __: event)
    with Runtime(log_path(log), only_runs=()) as runtime:
        runtime.runs.resolve(run, call, succeeded=succeeded, note=note)
    out.print(f"recorded beside run {run}, which has ended")
    return exit_codes.OK


def _document(each: OpenApproval) -> dict[str, Any]:
    return each._asdict() | {"plan": [step.model_dump(mode="json") for step in each.plan]}


def _open_call(reader: Reader, run: str, call: int) -> OpenApproval:
    with closing(WaitReader(reader)) as waits:
        found = {each.call: each for each in waits.approvals(run)}
    if call not in found:
        calls = ", ".join(map(str, found)) or "none"
        msg = f"call {call} of run {run} waits for no approval (waiting: {calls})"
        raise UsageError(msg)
    return found[call]


def _arguments(text: str) -> dict[str, JsonValue]:
    try:
        return ARGUMENTS.validate_json(text)
    except ValidationError as error:
        msg = f"--arguments: not a JSON object: {text}"
        raise UsageError(msg) from error
