"""Who may call the model when: in flight, per minute, in turn, and past a broken endpoint.

Time is virtual: a minute passes as soon as nothing else is left to do.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playhead.events.errors import ModelError
from playhead.simulation.process.virtual_loop import VirtualLoop
from playhead.tools.models.admission import Admission
from playhead.tools.models.rate_limit import BreakerRule, RateLimit


def at_once(scenario: Callable[[VirtualLoop], Awaitable[None]]) -> None:
    """Run a scenario to its end on a virtual clock."""
    loop = VirtualLoop()
    asyncio.set_event_loop(loop)
    try:
        task = asyncio.ensure_future(scenario(loop), loop=loop)
        loop.run_until_idle()
        task.result()
    finally:
        asyncio.set_event_loop(None)
        loop.close()


async def passed(loop: VirtualLoop, seconds: float) -> None:
    """So much virtual time has passed."""
    over = asyncio.Event()
    loop.call_later(seconds, over.set)
    await over.wait()


class Endpoint:
    """Sees when calls begin and end, and what they count."""

    def __init__(self, loop: VirtualLoop, admission: Admission, name: str = "") -> None:
        self.loop, self.admission, self.name = loop, admission, name
        self.began: list[tuple[float, str]] = []
        self.spans: list[tuple[float, float, int]] = []
        self.now = self.most = 0

    async def call(
        self, run: str, *, tokens: int = 10, used: int | None = None, takes: float = 1.0,
        error: str | None = None, patient: bool = True,
    ) -> None:  # fmt: skip
        turn = self.admission.turn(run, self.name, "m", tokens, patient=patient)
        async with turn as mine:
            start = self.loop.time()
            self.began.append((start, run))
            self.now += 1
            self.most = max(self.most, self.now)
            try:
                await passed(self.loop, takes)
            finally:
                self.now -= 1
            mine.tokens = tokens if used is None else used
            self.spans.append((start, self.loop.time(), mine.tokens))
            if error is not None:
                raise ModelError(error, "no", retryable=True)


@given(
    st.integers(1, 5),
    st.integers(50, 200),
    st.lists(
        st.tuples(
            st.integers(0, 5), st.integers(1, 50), st.floats(0.0, 90.0), st.floats(0.01, 30.0)
        ),
        max_size=25,
    ),
)
def test_no_span_of_a_minute_holds_more_requests_or_tokens_than_the_limit(
    requests: int, tokens: int, calls: list[tuple[int, int, float, float]]
) -> None:
    limit = RateLimit(requests=requests, tokens=tokens)

    async def scenario(loop: VirtualLoop) -> None:
        api = Endpoint(loop, Admission(64, loop.time, {"m": limit}))

        async def later(run: int, bound: int, at: float, takes: float) -> None:
            await passed(loop, at)
            await api.call(f"run {run}", tokens=bound, used=bound // 2 + 1, takes=takes)

        await asyncio.gather(*(later(*call) for call in calls))
        assert len(api.spans) == len(calls)
        for _, end, _ in api.spans:  # wherever within each call the server looks at its clock
            seen = [c for c in api.spans if c[0] < end + 60.0 and c[1] >= end]
            assert len(seen) <= requests
            assert sum(c[2] for c in seen) <= tokens

    at_once(scenario)


@given(st.lists(st.integers(1, 6), min_size=2, max_size=12), st.integers(1, 4))
def test_runs_take_turns_however_many_calls_each_has(calls: list[int], in_flight: int) -> None:
    async def scenario(loop: VirtualLoop) -> None:
        api = Endpoint(loop, Admission(in_flight, loop.time))
        waiting = [api.call(f"run {n}") for n, count in enumerate(calls) for _ in range(count)]
        await asyncio.gather(*waiting)
        left = dict(enumerate(calls))
        assert api.most <= in_flight
        served: deque[str] = deque(run for _, run in api.began[in_flight:])
        for run in (run for _, run in api.began[:in_flight]):
            left[int(run.split()[1])] -= 1
        while served:
            waits = sum(count > 0 for count in left.values())
            together = [served.popleft() for _ in range(min(waits, len(served)))]
            assert len(set(together)) == len(together)
            for run in together:
                left[int(run.split()[1])] -= 1

    at_once(scenario)


def test_a_call_counts_for_what_it_may_use_until_it_has_ended() -> None:
    async def scenario(loop: VirtualLoop) -> None:
        api = Endpoint(loop, Admission(64, loop.time, {"*": RateLimit(tokens=100)}))
        await asyncio.gather(*(api.call(f"r{n}", tokens=60, used=10, takes=5.0) for n in range(3)))
        assert [at for at, _ in api.began] == [0.0, 5.0, 10.0]

    at_once(scenario)


def test_a_call_larger_than_the_limit_goes_alone() -> None:
    async def scenario(loop: VirtualLoop) -> None:
        api = Endpoint(loop, Admission(64, loop.time, {"m": RateLimit(tokens=100)}))
        await asyncio.gather(*(api.call(f"r{n}", tokens=500) for n in range(2)))
        first, second = api.began
        assert second[0] - first[0] >= 60.0

    at_once(scenario)


def test_what_the_server_says_of_its_limit_holds_the_lane() -> None:
    async def scenario(loop: VirtualLoop) -> None:
        admission = Admission(64, loop.time, {"m": RateLimit(requests=100)})
        api = Endpoint(loop, admission)
        with pytest.raises(ModelError):
            async with admission.turn("r", "", "m", 1, patient=True):
                raise ModelError("rate_limit", "slow", retryable=True, retry_after=20.0)
        await api.call("r")
        assert api.began == [(20.0, "r")]

    at_once(scenario)


def test_one_model_at_its_limit_holds_up_no_other() -> None:
    async def scenario(loop: VirtualLoop) -> None:
        admission = Admission(64, loop.time, {"m": RateLimit(requests=1)})
        slow, free = Endpoint(loop, admission), Endpoint(loop, admission, "elsewhere")
        await asyncio.gather(slow.call("a"), slow.call("a"), free.call("a"))
        assert [at for at, _ in free.began] == [0.0]
        assert slow.began[1][0] >= 60.0

    at_once(scenario)


def test_a_cancelled_wait_gives_its_place_away() -> None:
    async def scenario(loop: VirtualLoop) -> None:
        api = Endpoint(loop, Admission(1, loop.time))
        first, second, third = (loop.create_task(api.call(f"r{n}")) for n in range(3))
        await passed(loop, 0.5)
        second.cancel()
        await asyncio.gather(first, third)
        assert [run for _, run in api.began] == ["r0", "r2"]
        first = loop.create_task(api.call("again"))
        await passed(loop, 0.5)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        await api.call("free")

    at_once(scenario)


def test_a_broken_endpoint_rests_then_one_call_tries_it_and_the_others_wait() -> None:
    rule = BreakerRule(failures=3, seconds=30.0)

    async def scenario(loop: VirtualLoop) -> None:
        api = Endpoint(loop, Admission(64, loop.time, breaker=rule))
        for n in range(3):
            with pytest.raises(ModelError, match="overloaded"):
                await api.call(f"r{n}", error="overloaded")
        await asyncio.gather(*(api.call(f"late {n}", takes=2.0) for n in range(4)))
        tried, *others = (at for at, _ in api.began[3:])
        assert tried == 33.0
        assert others == [35.0] * 3

    at_once(scenario)


def test_who_has_somewhere_else_to_go_is_told_at_once_that_an_endpoint_is_broken() -> None:
    rule = BreakerRule(failures=1, seconds=30.0)

    async def scenario(loop: VirtualLoop) -> None:
        api = Endpoint(loop, Admission(64, loop.time, breaker=rule))
        with pytest.raises(ModelError, match="timeout"):
            await api.call("r", error="timeout")
        with pytest.raises(ModelError) as told:
            await api.call("r", patient=False)
        assert (told.value.error, told.value.retryable) == ("circuit_open", True)
        assert told.value.retry_after == 30.0
        await Endpoint(loop, api.admission, "other").call("r", patient=False)

    at_once(scenario)


def test_a_fault_of_the_request_says_nothing_of_the_endpoint() -> None:
    async def scenario(loop: VirtualLoop) -> None:
        api = Endpoint(loop, Admission(64, loop.time, breaker=BreakerRule(failures=1)))
        for error in ("invalid_request", "rate_limit", "refusal"):
            with pytest.raises(ModelError, match=error):
                await api.call("r", error=error)
        await api.call("r")
        assert [after[0] - before[0] for before, after in pairwise(api.began)] == [1.0] * 3

    at_once(scenario)
