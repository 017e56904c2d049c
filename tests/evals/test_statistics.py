"""What the figures of a comparison may claim."""

import random
import subprocess
import sys

from playhead.projections.evaluation.statistics import LEVEL, mean, mean_share, p_value, share


def gains(
    dice: random.Random, cases: int, before: float, after: float, repeats: int
) -> list[float]:
    """Differences of shares that `repeats` trials of each case give."""

    def rate(chance: float) -> float:
        return sum(dice.random() < chance for _ in range(repeats)) / repeats

    return [rate(after) - rate(before) for _ in range(cases)]


def test_two_equal_variants_differ_significantly_in_at_most_five_percent_of_the_comparisons() -> (
    None
):
    dice = random.Random(23)
    found = sum(p_value(gains(dice, 30, 0.7, 0.7, 3)) < LEVEL for _ in range(200))
    assert found <= 0.05 * 200


def test_a_variant_that_is_worse_by_thirty_points_is_found() -> None:
    dice = random.Random(23)
    found = sum(p_value(gains(dice, 30, 0.8, 0.5, 3)) < LEVEL for _ in range(50))
    assert found >= 48


def test_the_interval_of_a_mean_holds_the_true_mean_nineteen_times_in_twenty() -> None:
    dice = random.Random(5)
    inside = 0
    for _ in range(200):
        _, low, high = mean([dice.gauss(10, 3) for _ in range(40)])
        inside += low <= 10 <= high
    assert inside >= 0.9 * 200


def test_a_share_of_all_cases_is_not_said_to_be_certain() -> None:
    value, low, high = share(30, 30)
    assert value == 1.0
    assert low < 0.9
    assert high == 1.0
    assert mean_share([1.0] * 30) == share(30, 30)


def test_shares_stay_between_none_and_all() -> None:
    _, low, high = mean_share([1.0, 1.0, 0.5, 1.0])
    assert 0 <= low <= high <= 1


def test_without_scipy_the_error_names_the_extra() -> None:
    program = (
        "import sys; sys.modules['scipy'] = sys.modules['scipy.stats'] = None\n"
        "from playhead.projections.evaluation.statistics import share\n"
        "share(1, 2)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert "pip install 'playhead[evals]'" in done.stderr
