"""Looking at who owns a log keeps nobody from owning it."""

import threading
from pathlib import Path

import pytest

from playhead.events.errors import LogOwned
from playhead.events.log.owner_lock import OwnerLock, owner_of


def test_several_may_look_at_once(tmp_path: Path) -> None:
    log = tmp_path / "a.db"
    look = OwnerLock(log, claim=False)
    assert owner_of(log) is None
    look.release()


def test_a_look_at_the_same_moment_does_not_refuse_an_owner(tmp_path: Path) -> None:
    log = tmp_path / "a.db"
    look = OwnerLock(log, claim=False)
    ends = threading.Timer(0.02, look.release)
    ends.start()
    lock = OwnerLock(log)
    ends.join()
    assert owner_of(log) is not None
    with pytest.raises(LogOwned):
        OwnerLock(log)
    lock.release()
    assert owner_of(log) is None
