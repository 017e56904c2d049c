"""Threads for synchronous tools: few, made when needed, and replaced when a tool never returns.

Not concurrent.futures: there a hung thread keeps its slot for ever and the interpreter waits for it
at exit. Here the threads are daemons; an abandoned one gives up its slot and ends with its work.
"""

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from playhead.events.logger import ProgramLogger

log = ProgramLogger("playhead.tool")

MAX_ABANDONED = 32
"""Threads that may hang beside the pool; after that a hung one keeps its slot until it returns."""


@dataclass(eq=False, slots=True)
class PoolJob:
    """Work in the pool; its fields are written under the pool's lock."""

    name: str
    work: Callable[[], None]
    """Must not raise."""
    thread: threading.Thread | None = None
    over: bool = False
    abandoned: bool = False


class SyncPool:
    """At most `max_threads` threads that work, and `max_abandoned` that hang."""

    def __init__(self, max_threads: int = 8, max_abandoned: int = MAX_ABANDONED) -> None:
        self._max_threads = max_threads
        self._max_abandoned = max_abandoned
        self._changed = threading.Condition()
        self._waiting: deque[PoolJob] = deque()
        self._idle = 0
        self._threads = 0
        self._abandoned = 0
        self._closed = False

    def submit(self, name: str, work: Callable[[], None]) -> PoolJob:
        """Run `work` on a thread as soon as one is free."""
        job = PoolJob(name, work)
        with self._changed:
            self._waiting.append(job)
            self._man()
        return job

    def abandon(self, job: PoolJob) -> None:
        """Nobody waits for this job any more: give its slot to another thread."""
        with self._changed:
            if job.over or job.abandoned or job.thread is None:
                return
            job.thread.name = f"{job.thread.name} (abandoned)"
            if self._abandoned >= self._max_abandoned:
                log.error("tool_threads.exhausted", tool=job.name, hanging=self._abandoned)
                return
            job.abandoned = True
            self._abandoned += 1
            self._threads -= 1
            self._man()

    def close(self) -> None:
        """Let the threads end once they are idle; those that hang are left to themselves."""
        with self._changed:
            self._closed = True
            self._waiting.clear()
            self._changed.notify_all()

    def _man(self) -> None:
        if self._idle >= len(self._waiting):
            self._changed.notify()
        elif self._waiting and self._threads < self._max_threads:
            self._threads += 1
            threading.Thread(target=self._serve, name="playhead-tool", daemon=True).start()

    def _serve(self) -> None:
        me = threading.current_thread()
        while (job := self._next(me)) is not None:
            me.name = f"playhead-tool {job.name}"
            job.work()
            with self._changed:
                job.over = True
                if job.abandoned:
                    self._abandoned -= 1
                    return
            me.name = "playhead-tool"
            del job  # with the context variables that it ran in

    def _next(self, me: threading.Thread) -> PoolJob | None:
        with self._changed:
            self._idle += 1
            while not self._waiting and not self._closed:
                self._changed.wait()
            self._idle -= 1
            if not self._waiting:
                self._threads -= 1
                return None
            job = self._waiting.popleft()
            job.thread = me
            return job
