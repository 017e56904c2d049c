"""Stored views in a simulated run: kept across processes, then compared with a fresh fold."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from playhead.events.log.contract import Reader
from playhead.projections.memory.facts import Facts
from playhead.projections.memory.index import Recall
from playhead.projections.metrics.view import RunMetricsView
from playhead.projections.stored.run_list import RunList
from playhead.projections.stored.view import View, Views
from playhead.projections.stored.wait_list import WaitList


def catch_up(reader: Reader, path: Path) -> None:
    """Fold the log's records into the views of a file."""
    views = Views(reader, path, _views(reader))
    views.catch_up()
    views.close()


def differences(reader: Reader, path: Path) -> list[str]:
    """The tables of a file that differ from a fresh fold of the log."""
    kept = Views(reader, path, _views(reader))
    fresh = Views(reader, ":memory:", _views(reader))
    try:
        kept.catch_up()
        fresh.catch_up()
        mine, anew = _tables(kept), _tables(fresh)
        return [name for name in mine.keys() | anew.keys() if mine.get(name) != anew.get(name)]
    finally:
        kept.close()
        fresh.close()


def _views(reader: Reader) -> Sequence[View]:
    return [RunList(), WaitList(reader), RunMetricsView(), Facts(), Recall()]


def _tables(views: Views) -> dict[str, list[Any]]:
    # The content of FTS5's own tables depends on when they were written, not only on the data.
    query = "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type != 'shadow'"
    query += " AND name NOT LIKE 'sqlite_%'"  # these describe the file's layout, not its content
    listed = views.connection.execute(query)
    names = [name for (name,) in listed.fetchall()]
    return {
        name: sorted(views.connection.execute(f'SELECT * FROM "{name}"').fetchall(), key=repr)
        for name in names
    }
