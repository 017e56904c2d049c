"""A run's agent, as recorded by its start or by its latest fork."""

from playhead.events.codec import decode
from playhead.events.errors import UnknownRun
from playhead.events.kinds.forks import RunForked
from playhead.events.kinds.runs import RunStarted
from playhead.events.log.contract import Reader
from playhead.events.spec.agent import AgentSpec


def agent_of(log: Reader, run: str, at: int | None = None) -> AgentSpec:
    """A run's agent after record `at`, as recorded by its start or by its latest fork."""
    stream = log.stream(run)
    while stream is not None and stream.parent is not None and stream.parent_seq is not None:
        first = stream.parent_seq + 1
        if at is None or at >= first:
            forked = decode(next(log.read(stream.id, first - 1, first)), log.body).event
            if isinstance(forked, RunForked) and forked.agent is not None:
                return forked.agent
        stream = log.stream(stream.parent)
    row = None if stream is None else next(log.read(stream.id, 0, 1), None)
    event = None if row is None else decode(row, log.body).event
    if not isinstance(event, RunStarted):
        raise UnknownRun.named(run)
    return event.agent
