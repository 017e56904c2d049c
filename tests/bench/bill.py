"""The bill of one task: with nothing, with routing, prompt cache, tool cache, and with all three.

The task is a report on eight companies: a plan, an extraction run for each company, a summary. The
model is scripted behind real HTTP; what a request counts is worked out by the API's rules from what
was really sent (tests/support/prompt_cache.py), at the prices of the library. Each look-up costs
a cent, as paid search does. Without routing one model does it
all: the one that the hardest part needs.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from playhead import Agent, Runtime, tool
from playhead.definition.prices import prices_for
from playhead.definition.routing import DEFAULT_ROUTING
from playhead.events.log.memory import MemoryLog
from playhead.events.spec.prices import PICODOLLARS
from playhead.events.spec.tool import Cache
from playhead.tools.tool import AnyTool
from tests.bench.figures import Table
from tests.support.billing_api import Meter
from tests.support.messages_api import Block, MessagesApi, call, text

STRONG = DEFAULT_ROUTING["complex_planning"]
LOOK_UP = 0.01
"""US dollars a look-up."""

COMPANIES = 8
ROUNDS = {"complex_planning": 5, "data_extraction": 9, "summarization": 3}
SHARED = 4
"""Of an extraction's look-ups, so many are the same for every company (market, rates...)."""

INSTRUCTIONS = (
    "You are an analyst of a research desk. Work from sources, name them, and never guess a figure."
    " Convert amounts to euros at the day's rate, say which day. Keep to the house style.\n"
) * 30


class Variant(NamedTuple):
    """What is switched on."""

    name: str
    routing: bool = False
    prompt_cache: bool = False
    tool_cache: bool = False


VARIANTS = (
    Variant("none"),
    Variant("routing", routing=True),
    Variant("prompt cache", prompt_cache=True),
    Variant("tool cache", tool_cache=True),
    Variant("all three", routing=True, prompt_cache=True, tool_cache=True),
)


class Desk:
    """The tools, and how often the paid one was really asked."""

    def __init__(self, *, cached: bool) -> None:
        self.look_ups = 0

        @tool(effect="read", cache=Cache(shared=True) if cached else False)
        def look_up(source: str) -> str:
            """Look something up in a paid source.

            Args:
                source: what to look for.
            """
            self.look_ups += 1
            return f"{source}: " + "figures, dates and names of the quarter; " * 30

        self.tools: list[AnyTool] = [look_up, *map(_other_tool, range(9))]


def _other_tool(number: int) -> AnyTool:
    def other(company: str, year: int, quarter: int, currency: str = "EUR") -> str:
        """Read one kind of statement that a company has filed.

        Args:
            company: its name, as it stands in the register.
            year: four digits.
            quarter: from 1 to 4.
            currency: an ISO code.
        """
        return "nothing filed"

    return tool(effect="read", name=f"statement_{number}")(other)


def script(body: dict[str, Any]) -> list[Block]:
    """Look things up for as many rounds as the task takes, then answer."""
    goal = body["messages"][0]["content"][0]["text"]
    kind, _, company = goal.partition(": ")
    done = sum(b["type"] == "tool_result" for m in body["messages"] for b in m["content"])
    if done >= ROUNDS[kind] - 1:
        return [text(f"{goal} is done. " + "A sentence of the result. " * 20)]
    own = kind != "data_extraction" or done >= SHARED
    source = f"{company} {done}" if own else f"market {done}"
    return [text("I need this first."), call("look_up", {"source": source}, f"toolu_{done:04d}")]


def run_task(variant: Variant) -> dict[str, float]:
    """Run the whole task once; dollars for the model and for look-ups, and the cached share."""
    desk, meter = Desk(cached=variant.tool_cache), Meter(script)
    with MessagesApi(meter) as api, Runtime(MemoryLog(), base_url=api.url) as runtime:
        agents = {kind: _agent(kind, variant, desk) for kind in ROUNDS}
        results = [
            runtime.run(agents[kind], f"{kind}: {about}")
            for kind, about in (
                ("complex_planning", "plan"),
                *(("data_extraction", f"company {n}") for n in range(COMPANIES)),
                ("summarization", "report"),
            )
        ]
    ours = sum(result.metrics.cost for result in results) / PICODOLLARS
    theirs = charged(meter)
    assert abs(ours - theirs) < 1e-9, f"the log says {ours}, the server {theirs}"
    read = sum(usage["cache_read_input_tokens"] for usage in meter.usages)
    sent = sum(result.usage.input_total for result in results)
    paid = desk.look_ups * LOOK_UP
    return {"model": theirs, "look-ups": paid, "total": theirs + paid, "cached": read / sent}


def _agent(kind: str, variant: Variant, desk: Desk) -> Agent:
    return Agent(
        name=kind,
        instructions=INSTRUCTIONS,
        tools=desk.tools,
        task_type=kind,
        model=STRONG,
        routing=DEFAULT_ROUTING if variant.routing else None,
        cache="5m" if variant.prompt_cache else "off",
    )


def charged(meter: Meter, *, cached: bool = True) -> float:
    """What the provider charges for the requests that it got, in US dollars, by its own rules."""
    total = 0.0
    for body, usage in zip(meter.bodies, meter.usages, strict=True):
        model = body["model"]
        price = prices_for([model], {})[0][model]
        read, written = usage["cache_read_input_tokens"], usage["cache_creation_input_tokens"]
        plain = usage["input_tokens"]
        if not cached:
            plain, read, written = plain + read + written, 0, 0
        sent = plain + 1.25 * written + 0.1 * read
        total += (sent * price.input + usage["output_tokens"] * price.output) / 1e6
    return total


def bill() -> Iterator[Table]:
    """The table."""
    rows: list[list[object]] = []
    first = 0.0
    for variant in VARIANTS:
        found = run_task(variant)
        first = first or found["total"]
        saved = f"{1 - found['total'] / first:.0%}"
        cells = [found[name] for name in ("model", "look-ups", "total")]
        rows.append([variant.name, *cells, f"{found['cached']:.0%}", saved])
    yield Table(
        "bill",
        "The bill of one task in US dollars: ten runs over HTTP, scripted model",
        ["", "model", "look-ups", "total", "input cached", "saved"],
        rows,
        "aim: all three save at least 60 %;\n"
        "   without routing one model does it all: the one that the hardest part needs",
    )


if __name__ == "__main__":
    print(next(bill()).text)
