"""Erasing what a log holds of a person, and keeping it no longer than a rule says."""

import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from playhead.events.codec import decode
from playhead.events.errors import UsageError
from playhead.events.log.contract import Reader, Stream
from playhead.events.maintenance.erase import Erasure, Whose
from playhead.events.maintenance.erase import erase as erase_streams
from playhead.projections.metrics.run_metrics import RunMetrics
from playhead.service.decider import this_process

DAY = 86_400_000_000
"""Microseconds."""


def days(number: float) -> int:
    """That many days, in microseconds: for `retain`."""
    return round(number * DAY)


def erase(
    log: Path | str,
    *,
    run: str | None = None,
    session: str | None = None,
    namespace: str | None = None,
    reason: str,
    also: Iterable[Path | str] = (),
    words: Iterable[str] = (),
    dry_run: bool = False,
) -> Erasure:
    """Erase a run, a session or a namespace from a log that no process owns, and record that.

    What belongs together goes together: a session, a run with its forks and children, and with a
    namespace its memories. The log is rewritten: no file beside it holds the words afterwards.

    Args:
        log: the file.
        run: a whole id.
        session: its name.
        namespace: its name.
        reason: recorded; must not name the person.
        also: backups and archives, rewritten in the same way.
        words: where else they stand is in `Erasure.mentions`.
        dry_run: write nothing.

    Raises UsageError unless exactly one of run, session and namespace is given, and for a missing
    file; LogOwned while a process owns the log; LogDamaged, LogError.
    """
    if sum(each is not None for each in (run, session, namespace)) != 1:
        msg = "erase exactly one of run=, session= and namespace="
        raise UsageError(msg)
    whose = Whose(run=run, session=session, namespace=namespace)
    return _erase(log, whose, reason, also, words, dry_run=dry_run)


def retain(
    log: Path | str,
    *,
    agents: Mapping[str, int] | None = None,
    namespaces: Mapping[str, int] | None = None,
    also: Iterable[Path | str] = (),
    dry_run: bool = False,
) -> list[Erasure]:
    """Erase the runs that ended longer ago than their agent or their namespace keeps them.

    Runs that belong together go once the last of them has ended so long ago. What is remembered in
    a namespace apart from its runs stays: `erase` takes the namespace whole.

    Args:
        log: the file, which no process owns.
        agents: how long the runs of an agent are kept, by its name: `{"desk": days(90)}`.
        namespaces: the same by namespace.
        also: backups and archives, rewritten in the same way.
        dry_run: write nothing.

    Raises what `erase` raises.
    """
    now, also = time.time_ns() // 1000, list(also)
    rules = [Whose(agent=name, before=now - age) for name, age in (agents or {}).items()]
    rules += [Whose(namespace=name, before=now - age) for name, age in (namespaces or {}).items()]
    return [_erase(log, rule, "retention", also, (), dry_run=dry_run) for rule in rules]


def _erase(
    log: Path | str,
    whose: Whose,
    reason: str,
    also: Iterable[Path | str],
    words: Iterable[str],
    *,
    dry_run: bool,
) -> Erasure:
    return erase_streams(
        Path(log), whose, by=this_process(), reason=reason, also=map(Path, also), words=words,
        dry_run=dry_run, cost_of=_own_cost,
    )  # fmt: skip


def _own_cost(reader: Reader, stream: Stream) -> int | None:
    """What a run cost without what it inherited; None if a price is not known."""
    begin = stream.parent_seq or 0
    whole, inherited = RunMetrics(run=stream.id, own=True), RunMetrics(run=stream.id, own=True)
    for row in reader.read(stream.id):
        record = decode(row, reader.body)
        whole.fold(record)
        if row.seq <= begin:
            inherited.fold(record)
    if whole.unpriced:
        return None
    return whole.cost - inherited.cost
