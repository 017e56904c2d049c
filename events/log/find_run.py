"""Finds the run that was asked for: by id, by the beginning of an id, or by `last`."""

from playhead.events.errors import UnknownRun
from playhead.events.log.contract import Reader

LAST = "last"


def find_run(log: Reader, given: str) -> str:
    """The id of the run that was asked for.

    A complete id is looked up, and the beginning of one is searched in the index of streams; only
    `last` (the most recently started run) reads all streams. Child runs are considered only if
    nothing else matches.

    Raises UnknownRun if no run matches, or if several do.
    """
    stream = log.stream(given)
    if stream is not None and stream.kind == "run":
        return given
    beginning = "" if given == LAST else given
    runs = [each for each in log.streams(beginning) if each.kind == "run"] if given else []
    found = [run.id for run in runs if run.parent is None or run.parent_seq is not None]
    found = found or [run.id for run in runs]
    if len(found) == 1 or (found and given == LAST):
        return found[-1]
    if found:
        some = ", ".join(found[:3])
        msg = f"{given!r} is the beginning of several run ids ({some}, ...): give more of the id"
        raise UnknownRun(msg)
    where = getattr(log, "path", "this log")
    if given == LAST:
        msg = f'there are no runs in {where} yet: playhead run "GOAL" starts one'
        raise UnknownRun(msg)
    raise UnknownRun.named(given, where)
