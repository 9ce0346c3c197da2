import random
from math import exp

import pytest

from netscope.statistics import Difference, apply_holm_correction, compare_pairs, compare_series


def noisy(mean, count, share, seed):
    rng = random.Random(seed)
    return [mean * (1 + share * rng.gauss(0, 1)) for _ in range(count)]


def difference(low, high, p_value=0.001, degrees_of_freedom=20):
    return Difference(
        ratio=(low * high) ** 0.5,
        low=low,
        high=high,
        level=0.95,
        p_value=p_value,
        degrees_of_freedom=degrees_of_freedom,
    )


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (1.2, 1.4, "faster"),
        (0.7, 0.8, "slower"),
        (0.95, 1.05, "inconclusive"),
        (0.995, 1.005, "equivalent"),
        (1.002, 1.004, "equivalent"),
        (1.005, 1.02, "faster"),
        (0.97, 0.999, "slower"),
    ],
)
def test_a_verdict_is_what_the_interval_says(low, high, verdict):
    assert difference(low, high).verdict == verdict


def test_a_ratio_is_the_second_time_over_the_first():
    found = compare_pairs(noisy(1.0, 60, 0.01, 3), noisy(1.42, 60, 0.01, 4))
    assert found.low < 1.42 < found.high
    assert found.half_width < 0.02
    assert found.verdict == "faster"


def test_what_drifts_steadily_cancels_between_a_turn_and_its_reverse():
    first, second, now = [], [], 0
    for turn in range(40):
        for series in (first, second) if turn % 2 == 0 else (second, first):
            series.append(exp(0.01 * now))
            now += 1
    found = compare_pairs(first, second)
    assert found.ratio == pytest.approx(1, abs=1e-12)
    assert found.verdict == "equivalent"


def test_two_runs_are_compared_by_both_of_their_noises():
    found = compare_series(noisy(1.0, 60, 0.02, 1), noisy(1.1, 30, 0.05, 2))
    assert found.low < 1.1 < found.high
    assert found.half_width > compare_series(noisy(1.0, 60, 0.02, 1), noisy(1.1, 30, 0.02, 2)).half_width


def test_exactly_equal_series_differ_in_nothing():
    found = compare_series([1.0] * 20, [1.0] * 20)
    assert (found.ratio, found.p_value, found.verdict) == (1.0, 1.0, "equivalent")


def test_holms_levels_go_from_the_smallest_p_value_on():
    found = apply_holm_correction([difference(1.1, 1.3, 0.02), difference(1.2, 1.4, 0.001), difference(0.9, 1.2, 0.4)])
    # 0.001 <= 0.05 / 3; 0.02 <= 0.05 / 2; 0.4 > 0.05.
    assert [item.level for item in found] == pytest.approx([1 - 0.05 / 2, 1 - 0.05 / 3, 0.95])
    assert found[1].half_width > 0.1


def test_behind_the_first_that_holms_procedure_keeps_nothing_is_rejected():
    found = apply_holm_correction([difference(1.1, 1.3, 0.02), difference(1.05, 1.3, 0.03), difference(0.9, 1.2, 0.4)])
    # 0.02 > 0.05 / 3, so all three are held to that level.
    assert [item.level for item in found] == pytest.approx([1 - 0.05 / 3] * 3)


def test_a_single_comparison_keeps_its_interval():
    (found,) = apply_holm_correction([difference(1.1, 1.3)])
    assert (found.low, found.high, found.level) == pytest.approx((1.1, 1.3, 0.95))
