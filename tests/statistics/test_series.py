import random
from math import inf, sqrt
from statistics import mean, stdev

import pytest

from netscope.statistics import compute_percentile, count_outliers, estimate_mean, estimate_trend
from netscope.statistics.series import estimate_autocorrelation
from netscope.statistics.student_t import t_quantile


def autoregressive(rho, count, seed=0):
    """Standard normal values, each correlated by ``rho`` with the one before."""
    rng = random.Random(seed)
    value = rng.gauss(0, 1)
    values = []
    for _ in range(count):
        value = rho * value + sqrt(1 - rho * rho) * rng.gauss(0, 1)
        values.append(value)
    return values


def test_the_interval_is_at_least_students_for_independent_values():
    values = [10 + noise for noise in autoregressive(0.0, 40)]
    estimate = estimate_mean(values)
    students = t_quantile(0.975, 39) * stdev(values) / sqrt(40)
    assert estimate.mean == pytest.approx(mean(values))
    assert 0.999 * students < estimate.half_width < 1.5 * students
    assert estimate.batch_size == 1


def test_correlated_neighbours_are_joined_until_they_are_not():
    estimate = estimate_mean([10 + noise for noise in autoregressive(0.9, 4096)])
    assert estimate.batch_size >= 8
    assert estimate.autocorrelation <= 0.2
    assert estimate.batches == 4096 // estimate.batch_size


@pytest.mark.parametrize("rho", [0.0, 0.3, 0.6])
def test_the_autocorrelation_has_no_bias_in_short_series(rho):
    found = mean(estimate_autocorrelation(autoregressive(rho, 24, seed)) for seed in range(800))
    assert found == pytest.approx(rho, abs=0.03)


@pytest.mark.parametrize(("values", "half_width"), [([], inf), ([1.0], inf), ([2.0] * 20, 0.0)])
def test_what_an_interval_needs(values, half_width):
    assert estimate_mean(values).half_width == half_width


def test_a_leftover_without_a_batch_is_in_the_mean():
    values = [10 + noise for noise in autoregressive(0.9, 1001)]
    assert estimate_mean(values).mean == pytest.approx(mean(values))


def test_a_trend_is_told_over_the_whole_length_whatever_outliers_do():
    times = list(range(101))
    values = [1 + 0.0005 * time for time in times]
    values[50] = 30.0
    found = estimate_trend(times, values)
    assert found.change == pytest.approx(0.05 / 1.025, rel=0.01)
    assert found.low <= found.change <= found.high


def test_noise_has_no_trend_more_often_than_chance():
    alarms = sum(
        1
        for seed in range(200)
        if not (found := estimate_trend(range(60), [1 + 0.01 * noise for noise in autoregressive(0.0, 60, seed)])).low
        <= 0
        <= found.high
    )
    assert alarms / 200 <= 0.08


def test_a_long_series_is_joined_before_its_slopes_are_taken():
    found = estimate_trend(range(5000), [1 + 0.00001 * time for time in range(5000)])
    assert found.change == pytest.approx(0.05 / 1.025, rel=0.02)


def test_outliers_are_counted_from_the_median_deviation():
    values = [10 + 0.01 * noise for noise in autoregressive(0.0, 100)]
    assert count_outliers(values) <= 1
    assert count_outliers([*values, 11.0, 9.0]) - count_outliers(values) == 2


@pytest.mark.parametrize(
    ("count", "share", "expected"),
    [(19, 0.5, None), (20, 0.5, 9), (100, 0.9, 89), (99, 0.9, None), (1000, 0.99, 989), (9_999, 0.999, None),
     (10_000, 0.999, 9_989)],
)  # fmt: skip
def test_a_percentile_needs_ten_values_beyond_it(count, share, expected):
    assert compute_percentile(list(range(count)), share) == expected
