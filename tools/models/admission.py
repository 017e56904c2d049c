"""Who may call the model now: calls in flight, requests and tokens per minute, broken endpoints.

Shared by all runs of a Runtime. Calls wait in lanes, one per model at an endpoint. Within a lane,
runs take turns, so a run with many calls holds up no other. Only a call that has a fallback fails
with `circuit_open`; all others wait until they are admitted.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from playhead.events.errors import ModelError
from playhead.tools.models.rate_limit import Breaker, BreakerRule, RateLimit, Window

Lane = tuple[str, str]
"""(endpoint, model)."""


@dataclass(slots=True, eq=False)
class AdmittedCall:
    """A call that has been admitted, or will be."""

    lane: Lane
    tokens: int
    """The tokens reserved for it until it ends, then the tokens that it used."""
    ended: float | None = None
    probes: bool = False
    """It probes a broken endpoint; no other call is sent there meanwhile."""


@dataclass(slots=True, eq=False)
class _Waiter:
    run: str
    call: AdmittedCall
    patient: bool
    admitted: asyncio.Future[None]


@dataclass(slots=True)
class _Queue:
    """The waiting calls of one lane: the runs in turn, each with its calls in order."""

    runs: OrderedDict[str, deque[_Waiter]] = field(default_factory=OrderedDict)

    def put(self, waiter: _Waiter) -> None:
        self.runs.setdefault(waiter.run, deque()).append(waiter)

    def first(self) -> _Waiter | None:
        while self.runs:
            run, waiters = next(iter(self.runs.items()))
            while waiters and waiters[0].admitted.done():  # its caller was cancelled
                waiters.popleft()
            if waiters:
                return waiters[0]
            del self.runs[run]
        return None

    def take(self) -> _Waiter:
        run, waiters = self.runs.popitem(last=False)
        waiter = waiters.popleft()
        if waiters:
            self.runs[run] = waiters
        return waiter


class Admission:
    """Admits calls. Used on the runtime's loop only."""

    def __init__(
        self,
        in_flight: int,
        monotonic: Callable[[], float],
        limits: Mapping[str, RateLimit] | None = None,
        breaker: BreakerRule | None = None,
        quotas: Callable[[str, int], None] | None = None,
    ) -> None:
        """Start with no calls in flight.

        Args:
            in_flight: the maximum number of calls in flight, over all lanes.
            monotonic: seconds since some fixed moment, on the loop's clock.
            limits: by model; "*" for every model without its own.
            breaker: when an endpoint counts as broken.
            quotas: called on a thread with a call's run and seq; raises ModelError to refuse it.
        """
        self._free = in_flight
        self._monotonic = monotonic
        self._limits = limits or {}
        self._rule = breaker or BreakerRule()
        self._quotas = quotas
        self._queues: OrderedDict[Lane, _Queue] = OrderedDict()
        self._windows: dict[Lane, Window] = {}
        self._breakers: dict[str, Breaker] = {}
        self._timer: asyncio.TimerHandle | None = None

    async def within_quotas(self, run: str, seq: int) -> None:
        """Raise ModelError if a call would pass a quota over several runs."""
        if self._quotas is not None:
            await asyncio.to_thread(self._quotas, run, seq)

    @asynccontextmanager
    async def turn(
        self, run: str, endpoint: str, model: str, tokens: int, *, patient: bool
    ) -> AsyncGenerator[AdmittedCall]:
        """Wait until the call is admitted; it is in flight inside the block.

        Set `tokens` of the yielded call to what it really used. A ModelError raised inside counts
        against the endpoint. `patient`: wait for a broken endpoint; otherwise raise circuit_open.
        """
        call = AdmittedCall((endpoint, model), tokens)
        await self._enter(run, call, patient)
        error: str | None = "cancelled"
        try:
            yield call
            error = None
        except ModelError as failed:
            error = failed.error
            if failed.error == "rate_limit":
                self._window(call.lane).hold(self._monotonic(), failed.retry_after)
            raise
        finally:
            self._leave(call, error)

    async def _enter(self, run: str, call: AdmittedCall, patient: bool) -> None:
        if call.lane not in self._queues and self._wait(call) == 0.0:
            self._admit(call)
            return
        if not patient and (broken := self._broken(call)) is not None:
            raise broken
        waiter = _Waiter(run, call, patient, asyncio.get_running_loop().create_future())
        self._queues.setdefault(call.lane, _Queue()).put(waiter)
        self._serve()
        try:
            await waiter.admitted
        except asyncio.CancelledError:
            if waiter.admitted.done() and not waiter.admitted.cancelled():
                self._leave(call, "cancelled")
            raise

    def _broken(self, call: AdmittedCall) -> ModelError | None:
        endpoint = call.lane[0]
        wait = self._breaker(endpoint).wait(self._monotonic())
        if wait == 0.0:
            return None
        message = f"endpoint {endpoint or '(default)'} has failed repeatedly and is paused"
        return ModelError("circuit_open", message, retryable=True, retry_after=wait)

    def _admit(self, call: AdmittedCall) -> None:
        self._free -= 1
        call.probes = self._breaker(call.lane[0]).admit()
        self._window(call.lane).add(call)

    def _leave(self, call: AdmittedCall, error: str | None) -> None:
        self._free += 1
        call.ended = self._monotonic()
        self._breaker(call.lane[0]).ended(call.ended, error, probe=call.probes)
        self._window(call.lane).ended(call)
        self._serve()

    def _wait(self, call: AdmittedCall) -> float | None:
        """Seconds until the call may start: 0 for now, None for when another call has ended."""
        if self._free <= 0:
            return None
        now = self._monotonic()
        broken = self._breaker(call.lane[0]).wait(now)
        full = self._window(call.lane).wait(now, call.tokens)
        if broken is None or full is None:
            return None
        return max(broken, full)

    def _serve(self) -> None:
        """Admit all calls that may start now; set a timer for the next one."""
        soonest: float | None = None
        for lane in list(self._queues):
            waits = self._serve_lane(lane)
            if waits is not None:
                soonest = waits if soonest is None else min(soonest, waits)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if soonest is not None:
            self._timer = asyncio.get_running_loop().call_later(soonest, self._serve)

    def _serve_lane(self, lane: Lane) -> float | None:
        queue = self._queues[lane]
        while (waiter := queue.first()) is not None:
            if not waiter.patient and (broken := self._broken(waiter.call)) is not None:
                queue.take().admitted.set_exception(broken)
                continue
            wait = self._wait(waiter.call)
            if wait is None or wait > 0.0:
                self._queues.move_to_end(lane)
                return wait
            queue.take()
            self._admit(waiter.call)
            waiter.admitted.set_result(None)
        del self._queues[lane]
        return None

    def _breaker(self, endpoint: str) -> Breaker:
        found = self._breakers.get(endpoint)
        if found is None:
            found = self._breakers[endpoint] = Breaker(self._rule)
        return found

    def _window(self, lane: Lane) -> Window:
        found = self._windows.get(lane)
        if found is None:
            limit = self._limits.get(lane[1]) or self._limits.get("*")
            found = self._windows[lane] = Window(limit)
        return found
