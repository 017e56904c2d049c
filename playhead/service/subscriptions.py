"""Delivers a run's records as they are committed, and its text as it streams in."""

import asyncio
import math
import queue
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from typing import Generic, NamedTuple, TypeAlias, TypeVar

from playhead.events.errors import RunNotFinished, RuntimeClosed
from playhead.events.event import Event, Json
from playhead.events.kinds.runs import RunFinished
from playhead.events.logger import ProgramLogger
from playhead.events.record import Record
from playhead.events.registry import ENDINGS
from playhead.projections.metrics.run_metrics import RunMetrics
from playhead.projections.state.run_state import RunState
from playhead.service.held_text import HeldText
from playhead.service.loop_thread import LoopThread

program_log = ProgramLogger("playhead.subscriptions")


class TextChunk(NamedTuple):
    """A piece of a reply as it streams in. Not an event: the log has the complete reply."""

    request: int
    """The seq of the ModelRequested that it answers."""
    text: str
    discarded: bool = False
    """Whether the attempt failed: discard its streamed text."""


class ToolProgress(NamedTuple):
    """How far a tool says that its call is. Not an event: it is not recorded."""

    call: int
    """The seq of the call's ToolRequested."""
    text: str
    done: float | None = None
    total: float | None = None
    """`done` of `total`, in any unit."""


LOOK = 0.5
"""Seconds per wait: Python handles signals in between."""

Piece: TypeAlias = Record | TextChunk | ToolProgress
"""What a listener may hear."""

Item: TypeAlias = Piece | Exception | None
"""An exception: the run waits for the storage, or was dropped. None: the runtime is closing."""

Deliver: TypeAlias = Callable[[Item], None]


class Subscriptions:
    """Delivers each run's items to its subscribers. Items arrive on the loop, in order."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._closed = False
        self._subscribers: dict[str, list[Deliver]] = {}
        self._held = HeldText()

    def subscribe(self, run: str, deliver: Deliver) -> Callable[[], None]:
        """From now on `deliver` gets the run's items; the returned function unsubscribes."""
        with self._lock:
            closed = self._closed
            self._subscribers.setdefault(run, []).append(deliver)
        if closed:
            deliver(None)

        def unsubscribe() -> None:
            with self._lock:
                left = self._subscribers.get(run, [])
                if deliver in left:
                    left.remove(deliver)
                if not left:
                    self._subscribers.pop(run, None)

        return unsubscribe

    def committed(self, state: RunState, records: Sequence[Record]) -> None:
        """An engine's watcher: a turn is in the log."""
        for request, text in self._held.committed(state, records):
            self._give(state.run, request, text)
        for deliver in self._of(state.run):
            for record in records:
                _hand(deliver, record)
        if state.ending is not None:
            with self._lock:
                self._subscribers.pop(state.run, None)

    def text(self, run: str, request: int, text: str) -> None:
        """A piece of text arrived; an empty one means that the attempt failed."""
        if not self._held.piece(run, request, text):
            self._give(run, request, text)

    def _give(self, run: str, request: int, text: str) -> None:
        for deliver in self._of(run):
            _hand(deliver, TextChunk(request, text, discarded=not text))

    def progress_from(
        self, loop: asyncio.AbstractEventLoop, redact: Callable[[str], str]
    ) -> Callable[[str, int, str, float | None, float | None], None]:
        """What a tool calls on its own thread; it costs nothing while nobody listens.

        It never raises: what cannot be told is left out.
        """

        def told(run: str, call: int, text: str, done: float | None, total: float | None) -> None:
            if run not in self._subscribers:
                return
            try:
                masked = "".join([redact(str(text))])  # whatever else it returns raises here
                progress = ToolProgress(call, masked, _finite(done), _finite(total))
                loop.call_soon_threadsafe(self._progressed, run, progress)
            except Exception as error:  # user code: str(), redact(); or the loop has closed
                program_log.warning(
                    "progress.left_out", run=run, call=call, error=type(error).__name__
                )

        return told

    def _progressed(self, run: str, progress: ToolProgress) -> None:
        for deliver in self._of(run):
            _hand(deliver, progress)

    def warned(self, run: str, error: Exception) -> None:
        """The run waits for the storage, or this process dropped it: waiting callers are told."""
        for deliver in self._of(run):
            deliver(error)

    def close(self) -> None:
        """Tell all subscribers that no more items follow."""
        with self._lock:
            self._closed = True
            everyone = [d for delivers in self._subscribers.values() for d in delivers]
        for deliver in everyone:
            _hand(deliver, None)

    def _of(self, run: str) -> list[Deliver]:
        if run not in self._subscribers:
            return []
        with self._lock:
            return list(self._subscribers.get(run, ()))


def _finite(value: object) -> float | None:
    """The number; None for anything that is not a finite one."""
    if value is None:
        return None
    try:
        number = float(value)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _hand(deliver: Deliver, item: Item) -> None:
    """A subscriber that fails (its loop has ended, its callback raised) harms no other."""
    try:
        deliver(item)
    except BaseException:
        program_log.exception("subscriber.raised")


T = TypeVar("T", bound=Piece)


class Listening(Generic[T]):
    """The items of one run, for `for` or `async for`; ends when the run ends.

    Raises StorageUnavailable if the run has waited for the storage too long (it continues by itself
    when the storage works, and can be listened to again), and LogError if this process may no
    longer write the run.
    """

    def __init__(
        self,
        thread: LoopThread,
        subscriptions: Subscriptions,
        run: str,
        recorded: Callable[[], Iterator[Record]],
        *kinds: type[T],
    ) -> None:
        self._thread = thread
        self._subscriptions = subscriptions
        self._run = run
        self._kinds = kinds
        self._recorded = recorded

    def __iter__(self) -> Iterator[T]:
        """Listens from the moment when the first item is requested."""
        self._thread.check_may_wait()
        items: queue.SimpleQueue[Item] = queue.SimpleQueue()
        return self._items(items, self._subscriptions.subscribe(self._run, items.put))

    def _items(
        self, items: "queue.SimpleQueue[Item]", unsubscribe: Callable[[], None]
    ) -> Iterator[T]:
        try:
            sieve = _Sieve(self._kinds)
            for record in self._recorded():
                yield from sieve.take(record)
            while not sieve.ended or not items.empty():  # text that came while the log was read
                try:
                    yield from sieve.take(items.get(timeout=LOOK))
                except queue.Empty:  # a Ctrl-C that came just before the wait is handled here
                    continue
        finally:
            unsubscribe()

    async def __aiter__(self) -> AsyncIterator[T]:
        self._thread.check()
        loop = asyncio.get_running_loop()
        items: asyncio.Queue[Item] = asyncio.Queue()

        def deliver(item: Item) -> None:
            loop.call_soon_threadsafe(items.put_nowait, item)

        unsubscribe = self._subscriptions.subscribe(self._run, deliver)
        try:
            sieve = _Sieve(self._kinds)
            for record in self._recorded():
                for item in sieve.take(record):
                    yield item
            await asyncio.sleep(0)  # what came while the log was read
            while not sieve.ended or not items.empty():
                for item in sieve.take(await items.get()):
                    yield item
        finally:
            unsubscribe()


class _Sieve(Generic[T]):
    """Passes each record once, whether it was read or delivered, and detects the end."""

    def __init__(self, kinds: tuple[type[T], ...]) -> None:
        self.ended = False
        self._kinds = kinds
        self._seq = 0

    def take(self, item: Item) -> list[T]:
        if item is None:
            self.ended = True
            return []
        if isinstance(item, Exception):
            raise item
        if isinstance(item, Record):
            if item.seq <= self._seq:
                return []
            self._seq = item.seq
            self.ended = item.event.kind in ENDINGS
        return [item] if isinstance(item, self._kinds) else []


Records: TypeAlias = Callable[[str, int], Iterator[Record]]
"""(run, seq) -> its records after that one, up to the end of the log."""


class RunEnd(NamedTuple):
    """The result of a run that has reached its goal."""

    answer: str
    output: Json
    metrics: RunMetrics
    agent: str | None = None


class PendingResult:
    """One caller who waits for one run."""

    def __init__(self, run: str, records: Records) -> None:
        """Read what is already in the log, on the caller's thread, because it may be a lot."""
        self.answer: Future[RunEnd] = Future()
        """RunNotFinished if the run has no answer, LogError if the log cannot be written.
        Cancelled by a caller who stops waiting."""
        self._run = run
        self._records = records
        self._metrics = RunMetrics()
        self._catch_up()

    def begin(
        self,
        subscriptions: Subscriptions,
        settled: Callable[[str], Event | None],
        let_go: Mapping[str, Exception],
    ) -> None:
        """Listen from now on. Called on the loop, so no turn is missed after reading."""
        self._catch_up()
        unsubscribe = subscriptions.subscribe(self._run, self._hear)
        self.answer.add_done_callback(lambda _: unsubscribe())
        event = settled(self._run)
        if event is not None:
            self._settle(event)
        elif self._run in let_go:
            self._hear(let_go[self._run])

    def _catch_up(self) -> None:
        for record in self._records(self._run, self._metrics.seq):
            self._metrics.fold(record)

    def _hear(self, item: Item) -> None:
        if isinstance(item, TextChunk | ToolProgress) or self.answer.done():
            return
        if item is None:
            closed = f"the runtime was closed before run {self._run} ended"
            self.answer.set_exception(RuntimeClosed(closed))
            return
        if isinstance(item, Exception):
            self.answer.set_exception(item)
            return
        self._metrics.fold(item)
        if item.event.kind in ENDINGS or item.event.kind == "run_paused":
            self._settle(item.event)

    def _settle(self, event: Event) -> None:
        if self.answer.done():
            return
        if isinstance(event, RunFinished):
            self.answer.set_result(RunEnd(event.answer, event.output, self._metrics, event.agent))
            return
        status = ENDINGS.get(event.kind, "paused")
        message = getattr(event, "message", None) or getattr(event, "reason", "")
        self.answer.set_exception(RunNotFinished(self._run, status, str(message)))
