"""How sure a figure is, with scipy. Trials of one case belong together: cases are the sample.

Wilson, E. B. (1927) for shares; Efron's bootstrap over cases for means; a sign-flip permutation
test for pairs, exact where there are few cases.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from playhead.events.errors import UsageError

RESAMPLES = 2000
FLIPS = 9999
LEVEL = 0.05


class Interval(NamedTuple):
    """A figure and its 95 % confidence interval."""

    value: float
    low: float
    high: float


def _stats() -> Any:
    try:
        import scipy.stats  # type: ignore[import-untyped]
    except ImportError as error:
        msg = "evaluations need the extra: pip install 'playhead[evals]'"
        raise UsageError(msg) from error
    return scipy.stats


def share(passed: int, of: int) -> Interval:
    """A share of cases; the interval by Wilson's score."""
    low, high = _stats().binomtest(passed, of).proportion_ci(0.95, "wilson")
    return Interval(passed / of, float(low), float(high))


def mean_share(shares: Sequence[float]) -> Interval:
    """The mean of a share that each case has; Wilson's interval where each is all or nothing."""
    whole = sum(1 for each in shares if each in (0, 1))
    if whole == len(shares):
        return share(round(sum(shares)), len(shares))
    found = mean(shares)
    return Interval(found.value, max(0.0, found.low), min(1.0, found.high))


def mean(values: Sequence[float]) -> Interval:
    """The mean over cases; the interval by bootstrap."""
    import numpy as np

    sample = np.asarray(values, float)
    middle = float(sample.mean())
    if len(sample) < 2 or float(np.ptp(sample)) == 0.0:
        return Interval(middle, middle, middle)
    found = _stats().bootstrap(
        (sample,), np.mean, n_resamples=RESAMPLES, method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval  # fmt: skip
    return Interval(middle, float(found.low), float(found.high))


def p_value(differences: Sequence[float]) -> float:
    """How often chance alone gives a mean difference this large between equal variants."""
    import numpy as np

    sample = np.asarray(differences, float)
    sample = sample[sample != 0]  # equal pairs say nothing about the sign
    if len(sample) == 0:
        return 1.0
    found = _stats().permutation_test(
        (sample,), np.mean, permutation_type="samples", n_resamples=FLIPS, vectorized=True,
        rng=np.random.default_rng(0),
    )  # fmt: skip
    return float(found.pvalue)
