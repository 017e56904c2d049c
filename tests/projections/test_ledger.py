"""What calls cost: exact sums, unknown prices, cut-off calls, and what it would have been."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playhead.definition.prices import prices_for
from playhead.events.event import Event
from playhead.events.kinds.model_calls import ModelAnswered, ModelFailed, ModelRequested
from playhead.events.kinds.runs import RunStarted
from playhead.events.record import Record
from playhead.events.spec.agent import AgentSpec, ModelSettings
from playhead.events.spec.prices import PICODOLLARS, Price, Tier
from playhead.events.usage import Usage
from playhead.projections.cost.ledger import bill, grouped, ledger, repriced
from playhead.projections.cost.pricing import cost_of, most, uncached
from playhead.projections.metrics.run_metrics import RunMetrics

SONNET = Price(input=3, output=15)
OPUS = Price(input=5, output=25)

tokens = st.integers(0, 2_000_000)


@st.composite
def usages_of_all_kinds(draw: st.DrawFn) -> Usage:
    written = draw(tokens)
    return Usage(
        input_tokens=draw(tokens), output_tokens=draw(tokens),
        cache_creation_input_tokens=written, cache_read_input_tokens=draw(tokens),
        cache_creation_1h_input_tokens=draw(st.integers(0, written)),
    )  # fmt: skip


usages = usages_of_all_kinds()


def run(*calls: tuple[str, str, Event], prices: dict[str, Price] | None = None) -> list[Record]:
    """A run of some calls: (task, model, outcome)."""
    priced = {"sonnet": SONNET, "opus": OPUS} if prices is None else prices
    agent = AgentSpec(
        name="a",
        instructions="",
        model=ModelSettings(model="sonnet", max_tokens=100),
        prices=priced,
    )
    records = [
        Record("r", 1, 1, "user", "outside", None, RunStarted(goal="g", agent=agent, code="c"))
    ]
    for task, model, outcome in calls:
        asked = ModelRequested(
            step="s", round=1, attempt=1, model=model, request="", reserved_tokens=500,
            reserved_cost=7_000_000, task=task,
        )  # fmt: skip
        seq = len(records) + 1
        at = seq * 86_400_000_000
        records.append(Record("r", seq, at, "executor", "decided", 1, asked))
        records.append(Record("r", seq + 1, at, "executor", "effect", seq, outcome))
    return records


def answered(**usage: int) -> ModelAnswered:
    return ModelAnswered(
        content=(),
        stop_reason="end_turn",
        usage=Usage.model_validate(usage),
        model="m",
        duration_ms=1.0,
    )


def failed(error: str, status: int | None = None, usage: Usage | None = None) -> ModelFailed:
    return ModelFailed(error=error, message="", status=status, retryable=True, usage=usage)


def test_a_call_costs_what_the_api_charges_for_each_kind_of_token() -> None:
    usage = Usage(
        input_tokens=1_000_000, output_tokens=1_000_000, cache_creation_input_tokens=2_000_000,
        cache_creation_1h_input_tokens=1_000_000, cache_read_input_tokens=1_000_000,
        web_search_requests=1000,
    )  # fmt: skip
    price = Price(input=3, output=15, web_search=10)
    assert cost_of(price, usage) == (3 + 15 + 3.75 + 6 + 0.3 + 10) * PICODOLLARS


def test_a_long_request_is_charged_by_its_tier_as_a_whole() -> None:
    price = Price(input=3, output=15, tiers=(Tier(input=6, output=22.5, above=200_000),))
    assert cost_of(price, Usage(input_tokens=200_000)) == 200_000 * 3_000_000
    assert cost_of(price, Usage(input_tokens=100_001, cache_read_input_tokens=100_000)) == (
        100_001 * 6_000_000 + 100_000 * 600_000
    )


@given(usages, st.sampled_from(["5m", "1h"]))
def test_no_usage_within_a_bound_costs_more_than_the_bound(usage: Usage, cache: str) -> None:
    price = Price(input=3, output=15, tiers=(Tier(input=6, output=22.5, above=200_000),))
    if cache == "5m":
        usage = usage.model_copy(update={"cache_creation_1h_input_tokens": 0})
    assert cost_of(price, usage) <= most(price, usage.input_total, usage.output_tokens, cache)


def test_an_unknown_price_is_shown_and_in_no_sum() -> None:
    records = run(
        ("t", "sonnet", answered(input_tokens=1)), ("t", "other", answered(input_tokens=9))
    )
    total = bill("total", ledger(records))
    assert (total.cost, total.unpriced, total.calls) == (3_000_000, 1, 2)
    metrics = RunMetrics()
    for record in records:
        metrics.fold(record)
    assert metrics.dollars is None


@pytest.mark.parametrize("error", ["interrupted", "timeout", "connection", "cancelled"])
def test_a_call_that_broke_off_counts_for_all_that_was_set_aside(error: str) -> None:
    (line,) = ledger(run(("t", "sonnet", failed(error))))
    assert (line.cost, line.estimated) == (7_000_000, True)


def test_a_stream_that_broke_off_counts_its_input_and_the_longest_reply() -> None:
    cut = failed("truncated", usage=Usage(input_tokens=10, output_tokens=1))
    (line,) = ledger(run(("t", "sonnet", cut)))
    assert line.cost == 10 * 3_000_000 + 100 * 15_000_000


@pytest.mark.parametrize("status", [400, 429, 500, 529])
def test_what_the_api_refused_costs_nothing(status: int) -> None:
    (line,) = ledger(run(("t", "sonnet", failed("x", status))))
    assert (line.cost, line.estimated) == (0, False)


def test_lines_are_summed_by_model_task_and_day() -> None:
    records = run(
        ("plan", "opus", answered(input_tokens=10)),
        ("reasoning", "sonnet", answered(input_tokens=10)),
        ("reasoning", "sonnet", answered(output_tokens=10)),
    )
    lines = list(ledger(records))
    sums = {b.name: b.cost // 1_000_000 for b in grouped(lines, "model")}
    assert sums == {"opus": 50, "sonnet": 180}
    assert {b.name: b.calls for b in grouped(lines, "task")} == {"plan": 1, "reasoning": 2}
    assert [b.name for b in grouped(lines, "day")] == ["1970-01-03", "1970-01-05", "1970-01-07"]


@given(st.lists(usages, max_size=8))
def test_groups_of_any_kind_add_up_to_the_whole(found: list[Usage]) -> None:
    calls = [("t" * (n % 3), "opus" if n % 2 else "sonnet", answered(**u.model_dump()))
             for n, u in enumerate(found)]  # fmt: skip
    lines = list(ledger(run(*calls)))
    total = bill("total", lines)
    for by in ("run", "session", "agent", "step", "task", "model", "day"):
        assert sum(b.cost for b in grouped(lines, by)) == total.cost


def test_what_if_another_model_or_no_cache_or_other_prices() -> None:
    used: dict[str, Any] = {"input_tokens": 10, "cache_read_input_tokens": 90, "output_tokens": 1}
    lines = list(ledger(run(("plan", "opus", answered(**used)))))
    prices = {"opus": OPUS, "sonnet": SONNET}.get

    def cost(**what: Any) -> float:
        return bill("", repriced(lines, prices, **what)).cost / 1_000_000

    assert cost() == bill("", lines).cost / 1_000_000 == 10 * 5 + 90 * 0.5 + 25
    assert cost(routing={"*": "sonnet"}) == 10 * 3 + 90 * 0.3 + 15
    assert cost(routing={"reasoning": "sonnet"}) == cost()
    assert cost(cached=False) == 100 * 5 + 25
    dear = bill("", repriced(lines, {"opus": Price(input=50, output=250)}.get))
    assert dear.cost == 10 * bill("", lines).cost
    assert bill("", repriced(lines, lambda _: None)).unpriced == 1


@given(usages)
def test_leaving_the_cache_out_changes_no_token(usage: Usage) -> None:
    plain = uncached(usage)
    assert (plain.input_tokens, plain.output_tokens) == (usage.input_total, usage.output_tokens)


def test_the_library_knows_the_models_of_the_default_table_and_says_its_version() -> None:
    models = ["claude-haiku-4-5-20251001", "claude-sonnet-4-6", "claude-opus-4-6", "no-such-model"]
    prices, table = prices_for(models, {}, datetime(2026, 6, 1, tzinfo=UTC))
    assert sorted(prices) == sorted(models[:3])
    assert table.startswith("genai-prices ")
    haiku = prices["claude-haiku-4-5-20251001"]
    assert (haiku.input, haiku.written, haiku.read, haiku.output) == (1, 1.25, 0.1, 5)


def test_the_library_s_tiers_are_ours() -> None:
    prices, _ = prices_for(["claude-sonnet-4-6"], {}, datetime(2026, 3, 1, tzinfo=UTC))
    (tier,) = prices["claude-sonnet-4-6"].tiers
    assert (tier.above, tier.input, tier.output) == (200_000, 6, 22.5)


def test_own_prices_hold_before_the_library_s() -> None:
    own = {"claude-sonnet-4-6": Price(input=1, output=2), "mine": Price(input=9, output=9)}
    prices, table = prices_for(["claude-sonnet-4-6", "mine"], own)
    assert prices == own
    assert table == "own"
