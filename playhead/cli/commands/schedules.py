"""`schedules`, `unschedule`: runs that start at the times of a cron expression."""

from typing import Annotated, Any

import typer

from playhead.cli.commands.send import through_inbox
from playhead.cli.shared import exit_codes
from playhead.cli.shared.log import log_path, reading
from playhead.cli.shared.options import JsonOption, LogFile
from playhead.cli.shared.output import facts, local_time, out, say_json
from playhead.events.errors import LogOwned, UsageError
from playhead.events.kinds.schedules import FiringsMissed, ScheduleCancelled, ScheduleFired
from playhead.events.log.contract import Reader
from playhead.events.record import Record
from playhead.runtime import Runtime
from playhead.scheduling.due import next_time
from playhead.scheduling.schedule_list import STREAM, Schedule, firings
from playhead.scheduling.schedule_list import schedules as read_schedules


def schedules(log: LogFile = None, json: JsonOption = False) -> int:
    """List the schedules.

    The next time of each, and what became of its last times.
    """
    with reading(log) as reader:
        found = [_document(reader, each) for each in read_schedules(reader).values()]
    if json:
        say_json(found)
        return exit_codes.OK
    for each in found:
        coming = "never" if each["next"] is None else local_time(each["next"])
        out.print(facts([
            ("schedule", f"{each['schedule']}: {each['cron']} ({each['timezone']})"),
            ("starts", f"{each['agent']}: {each['goal']}"),
            ("next", coming),
            *(("then", _text(last)) for last in each["last"]),
        ]))  # fmt: skip
        out.line()
    if not found:
        out.print("no schedules")
    return exit_codes.OK


def unschedule(
    schedule: Annotated[str, typer.Argument(metavar="SCHEDULE", help="From `playhead schedules`.")],
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Recorded in the log.")] = "",
    log: LogFile = None,
) -> int:
    """Cancel a schedule.

    Nothing starts by it any more; runs that it has started go on.
    """
    with reading(log) as reader:
        known = read_schedules(reader)
    if schedule not in known:
        msg = f"there is no schedule {schedule!r} (schedules: {', '.join(known) or 'none'})"
        raise UsageError(msg)
    path = log_path(log)
    try:
        runtime = Runtime(path, only_runs=())
    except LogOwned as owned:
        event = ScheduleCancelled(schedule=schedule, reason=reason)
        return through_inbox(path, STREAM, event, owned.owner)
    with runtime:
        runtime.cancel_schedule(schedule, reason)
    out.print(f"schedule {schedule} is cancelled")
    return exit_codes.OK


def _document(reader: Reader, each: Schedule) -> dict[str, Any]:
    set_ = each.set
    return {
        "schedule": each.id, "cron": set_.cron, "timezone": set_.timezone, "agent": set_.agent,
        "goal": set_.goal, "missed": set_.missed, "options": set_.options, "since": each.since,
        "next": next_time(each, each.done), "last": [_last(r) for r in firings(reader, each.id, 5)],
    }  # fmt: skip


def _last(record: Record) -> dict[str, Any]:
    return record.event.model_dump(mode="json", exclude={"schedule"})


def _text(last: dict[str, Any]) -> str:
    if last["kind"] == ScheduleFired.model_fields["kind"].default:
        late = ", late" if last["late"] else ""
        return f"{local_time(last['due'])}: run {last['run']}{late}"
    assert last["kind"] == FiringsMissed.model_fields["kind"].default
    first, final = local_time(last["first"]), local_time(last["last"])
    when = first if last["count"] == 1 else f"{first} to {final}, {last['count']} times"
    return f"{when}: missed, {last['reason']}"
