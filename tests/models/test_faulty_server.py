"""A hundred runs against a server that fails, refuses and limits: none is lost, none is unfair."""

import json
import threading
import time
from collections import Counter
from random import Random
from typing import Any

from playhead import Agent, BreakerRule, Capacity, RateLimit, Retry, Runtime, Target
from playhead.events.log.memory import MemoryLog
from tests.support.agents import add
from tests.support.messages_api import Answer, MessagesApi, call, failure, message, text

RUNS = 100
STEPS = 3


class FaultyServer:
    """Fails at random, and answers 429 to whatever is over its limit, as it sees it."""

    def __init__(self, faults: float, requests: int | None = None, seconds: float = 0.5) -> None:
        self._random = Random(7)
        self._faults = faults
        self._requests = requests
        self._seconds = seconds
        self._lock = threading.Lock()
        self._times: list[float] = []
        self.opened = threading.Event()
        """Nothing is answered before."""
        self.over = 0
        """Requests beyond the limit."""
        self.served: list[str] = []
        """The goals, in the order in which they were answered."""

    def __call__(self, content: bytes) -> Answer:
        body: dict[str, Any] = json.loads(content)
        self.opened.wait(timeout=60)
        with self._lock:
            now = time.monotonic()
            self._times = [then for then in self._times if then > now - self._seconds] + [now]
            if self._requests is not None and len(self._times) > self._requests:
                self.over += 1
                return failure(429, "rate_limit_error", headers={"retry-after": "0.1"})
            if self._random.random() < self._faults:
                return self._fault(body)
            self.served.append(body["messages"][0]["content"][0]["text"])
        done = str(body).count("'tool_result'")
        if done >= STEPS:
            return message(text("done"))
        return message(call("add", {"a": done, "b": 1}, f"toolu_{done}"))

    def _fault(self, _: dict[str, Any]) -> Answer:
        whole = message(text("never seen whole"))
        return self._random.choice((
            failure(529, "overloaded_error"), failure(500, "api_error"), failure(503),
            Answer(whole.body, cut=90), Answer(whole.body, cut=90, abrupt=True),
            Answer(b"<html>restarting</html>", headers={"content-type": "text/html"}),
        ))  # fmt: skip


def results(api: MessagesApi, agent: Agent, *servers: FaultyServer, **options: Any) -> list[str]:
    """The answers of a hundred runs at once."""
    with Runtime(MemoryLog(), base_url=api.url, **options) as runtime:
        runs = [runtime.start(agent, f"goal {n}") for n in range(RUNS)]
        for server in servers:
            server.opened.set()
        return [run.wait(timeout=100).answer for run in runs]


def test_no_run_is_lost_when_a_third_of_the_calls_fail() -> None:
    server = FaultyServer(faults=0.3)
    retry = Retry(attempts=30, base=0.01, cap=0.05)
    agent = Agent(name="a", tools=[add], retry=retry)
    with MessagesApi(server) as api:
        breaker = BreakerRule(failures=8, seconds=0.05)
        assert results(api, agent, server, capacity=Capacity(breaker=breaker)) == ["done"] * RUNS


def test_a_dead_endpoint_is_left_for_the_other_one_and_no_run_is_lost() -> None:
    dead, alive = FaultyServer(faults=1.0), FaultyServer(faults=0.0)
    agent = Agent(
        name="a", tools=[add], model="claude-sonnet-4-6",
        fallback=[Target(model="claude-sonnet-4-6", endpoint="other")],
        retry=Retry(attempts=4, base=0.01, cap=0.05),
    )  # fmt: skip
    with MessagesApi(dead) as broken, MessagesApi(alive) as api:
        breaker = BreakerRule(failures=3, seconds=3600.0)
        assert results(
            broken,
            agent,
            dead,
            alive,
            endpoints={"other": api.url},
            capacity=Capacity(breaker=breaker),
        ) == (["done"] * RUNS)
        assert len(alive.served) == RUNS * (STEPS + 1)
        assert len(broken.bodies) <= RUNS  # those under way when it was found out


def test_no_request_goes_beyond_the_limit_and_the_runs_are_served_in_turn() -> None:
    server = FaultyServer(faults=0.0, requests=60)
    agent = Agent(name="a", tools=[add], retry=Retry(attempts=1))
    with MessagesApi(server) as api:
        limits = {"*": RateLimit(requests=60, seconds=0.5)}
        assert (
            results(api, agent, server, capacity=Capacity(rate_limits=limits, model_calls=20))
            == ["done"] * RUNS
        )
    assert server.over == 0
    rounds = [server.served[n : n + RUNS] for n in range(0, len(server.served), RUNS)]
    for served in rounds:  # nobody has a second turn long before somebody has a first
        assert max(Counter(served).values()) <= 2
