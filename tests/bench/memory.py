"""What memory costs and saves: tokens sent by a long run with and without compression."""

from collections.abc import Iterator

from playhead import MemoryRules, Runtime
from playhead.events.log.memory import MemoryLog
from playhead.testing import ScriptedModel
from tests.bench.figures import Table
from tests.memory.long_runs import GOAL, bookworm, sent_tokens

STEPS = (50, 100, 200, 400)


def memory() -> Iterator[Table]:
    """Tokens."""
    yield tokens()


def tokens() -> Table:
    """The same scripted run, its step taken from the last tool result."""
    rows: list[list[object]] = []
    for steps in STEPS:
        without, _, highest = sent(steps, MemoryRules(compress_at=0))
        with_, summaries, high = sent(steps, MemoryRules(compress_at=4000))
        rows.append([steps, without, with_, without / with_, highest, high, summaries])
    return Table(
        "tokens",
        "Input tokens of one run, whole and compressed at 4,000 tokens, summaries counted",
        ["steps", "whole", "compressed", "ratio", "largest", "largest", "summaries"],
        rows,
        "aim: linear in the steps, no request over the threshold",
    )


def sent(steps: int, rules: MemoryRules) -> tuple[int, int, int]:
    """Input tokens in all, how many were asked for a summary, the largest request of the step."""
    agent = bookworm(steps, rules)
    model = agent.model
    assert isinstance(model, ScriptedModel)
    with Runtime(MemoryLog(), [agent]) as runtime:
        used = runtime.run(agent, GOAL).usage.input_total
    requests = sent_tokens(model)
    return used, len(model.requests) - len(requests), max(requests)
