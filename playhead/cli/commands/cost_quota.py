"""`cost --quota`: what counts towards the quotas of the current period."""

import time
from pathlib import Path

from playhead.cli.shared import exit_codes
from playhead.cli.shared.log import reading
from playhead.cli.shared.output import columns, out, plain, say_json
from playhead.events.errors import UsageError
from playhead.events.spec.prices import PICODOLLARS
from playhead.projections.metrics.formatting import cost_text
from playhead.projections.stored.spending import Spending, find_used
from playhead.projections.stored.view import Views
from playhead.service.quotas import PERIODS, Period, period_of


def show_quota(by: str, per: str, log: Path | None, *, json: bool) -> int:
    """Print what each group has used; open calls count for all that they may use."""
    periods: dict[str, Period] = {each: each for each in PERIODS}
    period = periods.get(per)
    if period is None:
        msg = f"--per {per}: write {', '.join(PERIODS)}"
        raise UsageError(msg)
    since, until = period_of(period, time.time_ns() // 1000)
    with reading(log) as reader, Views.of(reader, [Spending(reader)]) as views:
        found = find_used(views.connection, by, since=since, until=until)
    if json:
        groups = [
            {
                by: used.group or None, "calls": used.calls, "tokens": used.tokens,
                "dollars": used.cost / PICODOLLARS, "unpriced_calls": used.unpriced,
            }
            for used in found
        ]  # fmt: skip
        say_json({"by": by, "per": period, "since": since, "until": until, "groups": groups})
        return exit_codes.OK
    table = columns(by, "calls", "tokens", "cost")
    for used in found:
        cost = cost_text(used.cost) + (" + unknown" if used.unpriced else "")
        name = plain(used.group or "(none)")
        table.add_row(name, f"{used.calls:,}", f"{used.tokens:,}", cost)
    out.print(table if found else f"no model calls in this {period}")
    return exit_codes.OK
