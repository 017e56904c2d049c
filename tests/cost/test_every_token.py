"""Every billed token is on the bill, whatever the shape of the usage that the API reports."""

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from playhead import Agent, Limits, Price, Runtime, UsageError
from playhead.events.kinds.model_calls import ModelRequested
from playhead.events.log.memory import MemoryLog
from playhead.events.spec.prices import PICODOLLARS, Tier
from playhead.projections.cost.ledger import ledger
from tests.models.exchanges import CODE_TOOL, EXCHANGES, RAN, SAID, tokens
from tests.support.agents import records
from tests.support.messages_api import Answer, Block, MessagesApi, message, sse

LONG = Tier(input=6, output=22.5, above=2_000)
PRICES = {
    "sonnet": Price(
        input=3, output=15, cache_write=3.75, cache_write_1h=6, cache_read=0.3, web_search=10,
        code_execution=4.17, tiers=(LONG,),
    ),
    "opus": Price(input=5, output=25, cache_write=6.25, cache_write_1h=10, cache_read=0.5),
    "haiku": Price(input=1, output=5),
}  # fmt: skip
FACTORS = {
    ("service_tier", "batch"): Fraction(1, 2), ("speed", "fast"): Fraction(6),
    ("inference_geo", "us"): Fraction(11, 10),
}  # fmt: skip

count = st.integers(0, 5_000)


@st.composite
def counts(draw: st.DrawFn) -> dict[str, Any]:
    """The token fields of a reply or of one of its passes."""
    written, for_an_hour = draw(count), draw(count)
    found: dict[str, Any] = {
        "input_tokens": draw(count), "output_tokens": draw(count),
        "cache_read_input_tokens": draw(count),
        "cache_creation_input_tokens": written + for_an_hour,
    }  # fmt: skip
    if for_an_hour or draw(st.booleans()):
        found["cache_creation"] = {
            "ephemeral_5m_input_tokens": written, "ephemeral_1h_input_tokens": for_an_hour,
        }  # fmt: skip
    return found


named = st.sampled_from(["sonnet", "opus", "haiku", "sonnet-20260101"])
passes = st.lists(
    st.one_of(
        st.tuples(st.just("message"), st.none() | named, counts()),
        st.tuples(st.just("fallback_message"), named, counts()),
        st.tuples(st.just("compaction"), st.none(), counts()),
        st.tuples(st.just("advisor_message"), named, counts()),
        st.tuples(st.just("a_type_to_come"), st.none() | named, counts()),
    ),
    max_size=4,
)


@st.composite
def usages(draw: st.DrawFn) -> dict[str, Any]:
    """What the API may report: its totals cover the passes of the models that reply."""
    listed: list[dict[str, Any]] = [
        {"type": kind, **({} if model is None else {"model": model}), **used}
        for kind, model, used in draw(passes)
    ]
    replied: list[dict[str, Any]] = [
        each for each in listed if "message" in each["type"] and "adv" not in each["type"]
    ]
    usage: dict[str, Any] = draw(counts())
    if replied:
        usage = {n: sum(p[n] for p in replied) for n in tokens(0, 0)}
        details = [p.get("cache_creation", {}) for p in replied]
        hours = sum(each.get("ephemeral_1h_input_tokens", 0) for each in details)
        usage["cache_creation"] = {"ephemeral_1h_input_tokens": hours}
    if listed:
        usage["iterations"] = listed
    for name, value in FACTORS:
        usage[name] = draw(st.sampled_from([None, "standard", value]))
    searches = draw(st.integers(0, 3))
    usage["server_tool_use"] = {"web_search_requests": searches, "web_fetch_requests": 1}
    return usage


def tokens_cost(model: str, used: dict[str, Any]) -> Fraction:
    price = PRICES[model.removesuffix("-20260101")]
    sent = sum(used[name] for name in used if name.endswith("input_tokens"))
    rates = LONG if model.startswith("sonnet") and sent > LONG.above else price
    written = used["cache_creation_input_tokens"]
    hours = used.get("cache_creation", {}).get("ephemeral_1h_input_tokens", 0)
    dollars = (
        used["input_tokens"] * rates.input
        + used["output_tokens"] * rates.output
        + used["cache_read_input_tokens"] * rates.read
        + (written - hours) * rates.written
        + hours * rates.written_1h
    )
    return Fraction(dollars).limit_denominator(10**6) / 10**6


def charged(usage: dict[str, Any], programs: int) -> Fraction:
    """What the API bills, in dollars: each pass at its model's price, or else the totals."""
    listed = usage.get("iterations", [])
    replied = [p for p in listed if p["type"] in ("message", "fallback_message")]
    total = sum((tokens_cost(p.get("model", "sonnet"), p) for p in listed), Fraction(0))
    if not replied:
        total += tokens_cost("sonnet", usage)
    for (name, value), factor in FACTORS.items():
        total *= factor if usage[name] == value else 1
    searches = usage["server_tool_use"]["web_search_requests"]
    return total + Fraction(searches, 100) + programs * Fraction(5, 12 * 100)


def test_what_is_reckoned_is_never_less_than_what_is_billed_for_any_shape_of_usage() -> None:
    log, reply = MemoryLog(), [Answer(b"")]
    agent = Agent(name="a", model="sonnet", prices=PRICES, server_tools=[CODE_TOOL])

    with MessagesApi(lambda _: reply[0]) as api, Runtime(log, base_url=api.url) as runtime:

        @settings(max_examples=150, deadline=None)
        @given(usages(), st.integers(0, 2))
        def check(usage: dict[str, Any], programs: int) -> None:
            written = usage["output_tokens"]
            final = {name: usage[name] for name in ("iterations",) if name in usage}
            start = {n: v for n, v in usage.items() if n != "iterations"} | {"output_tokens": 1}
            ran = [{**b, "id": f"srvtoolu_{n}"} for n in range(programs) for b in RAN[:1]]
            blocks: list[Block] = [*ran, SAID]
            reply[0] = message(*blocks, output_tokens=written, usage=start, final=final)
            result = runtime.run(agent, "go")
            (line,) = ledger(records(log, result.run_id))
            bill = charged(usage, programs) * PICODOLLARS
            assert line.cost is not None
            assert line.cost >= int(bill)
            assert result.metrics.cost == line.cost
            if not usage.get("iterations"):
                assert line.cost - bill <= programs * PICODOLLARS / 10**5  # and exact

        check()


def test_the_example_of_a_compaction_and_an_advisor_is_billed_at_each_models_price() -> None:
    """180k tokens of compaction and an advisor beside a small reply: most of the bill."""
    answer = Answer(sse(EXCHANGES["iterations"].events))
    prices = {
        "claude-sonnet-4-6": Price(input=3, output=15), "claude-opus-4-6": Price(input=5, output=25)
    }  # fmt: skip
    agent = Agent(name="a", model="claude-sonnet-4-6", prices=prices)
    log = MemoryLog()
    with MessagesApi([answer]) as api, Runtime(log, base_url=api.url) as runtime:
        result = runtime.run(agent, "go")
    (line,) = ledger(records(log, result.run_id))
    sonnet, opus = 203_000 * 3 + 4_500 * 15, 2_000 * 5 + 500 * 25
    assert line.cost == round((sonnet + opus) * 1.1 * 10**6)


def test_a_pass_of_a_model_without_a_price_makes_the_cost_unknown_and_says_so() -> None:
    listed = [{"type": "advisor_message", "model": "unheard-of", **tokens(1, 1)}]
    answer = message(SAID, final={"iterations": listed})
    agent = Agent(name="a", model="sonnet", prices=PRICES)
    with MessagesApi([answer]) as api, Runtime(MemoryLog(), base_url=api.url) as runtime:
        result = runtime.run(agent, "go")
    assert result.metrics.unpriced == 1


ADVISOR: Block = {"type": "advisor_20260301", "name": "advisor", "model": "claude-opus-4-6"}


def test_a_model_that_a_server_tool_or_a_fallback_names_has_its_price_recorded() -> None:
    fallbacks: Any = [{"model": "claude-haiku-4-5"}]
    agent = Agent(
        name="a", model="claude-sonnet-4-5", server_tools=[ADVISOR], extra={"fallbacks": fallbacks}
    )
    assert {"claude-opus-4-6", "claude-haiku-4-5"} <= agent.spec().prices.keys()


COMPACTS: Any = {"edits": [{"type": "compact_20260112"}]}
CLEARS: Any = {"edits": [{"type": "clear_tool_uses_20250919"}]}


@pytest.mark.parametrize("limits", [Limits(max_cost=1.0), Limits(max_tokens=1000)])
@pytest.mark.parametrize(
    "extra",
    [
        {"context_management": COMPACTS}, {"mcp_servers": []}, {"tools": [ADVISOR]},
        {"fallbacks": "default"}, {"compaction": {"type": "summarize"}},
        {"thread": {"type": "create"}},
    ],
)  # fmt: skip
def test_an_extra_that_may_bill_without_bound_is_refused_with_a_limit(
    extra: dict[str, Any], limits: Limits
) -> None:
    agent = Agent(name="a", model="claude-sonnet-4-5", extra=extra, limits=limits)
    with pytest.raises(UsageError, match=f"{next(iter(extra))!r} in extra with max_cost"):
        agent.spec()


def test_clearing_old_results_bills_nothing_more_and_is_allowed_with_a_limit() -> None:
    extra: dict[str, Any] = {"context_management": CLEARS}
    Agent(name="a", model="claude-sonnet-4-5", extra=extra, limits=Limits(max_cost=1.0)).spec()


def test_fast_mode_and_inference_in_the_us_are_reserved_at_their_own_rates() -> None:
    def reserved(**extra: Any) -> int:
        agent = Agent(name="a", model="sonnet", prices=PRICES, extra=extra)
        log = MemoryLog()
        with MessagesApi([message(SAID)]) as api, Runtime(log, base_url=api.url) as runtime:
            run = runtime.run(agent, "go").run_id
        asked = [r.event for r in records(log, run) if isinstance(r.event, ModelRequested)]
        return asked[0].reserved_cost or 0

    assert reserved(speed="fast", inference_geo="us") > 6.5 * reserved() > 0
