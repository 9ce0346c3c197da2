"""Against the table of critical values in Abramowitz and Stegun, 26.10, and the closed form for one degree."""

from math import atan, pi, tan

import pytest

from netscope.statistics.student_t import t_cdf, t_quantile

TABLE = {
    (0.975, 1): 12.706,
    (0.975, 2): 4.303,
    (0.975, 3): 3.182,
    (0.975, 5): 2.571,
    (0.975, 11): 2.201,
    (0.975, 30): 2.042,
    (0.975, 120): 1.980,
    (0.995, 8): 3.355,
    (0.995, 60): 2.660,
    (0.95, 10): 1.812,
    (0.9995, 4): 8.610,
}


@pytest.mark.parametrize(("asked", "expected"), TABLE.items(), ids=str)
def test_critical_values_are_the_published_ones(asked, expected):
    assert t_quantile(*asked) == pytest.approx(expected, abs=5e-4)


@pytest.mark.parametrize("value", [-3.0, -0.5, 0.0, 1.0, 40.0])
def test_one_degree_of_freedom_is_cauchys_distribution(value):
    assert t_cdf(value, 1) == pytest.approx(0.5 + atan(value) / pi)
    assert t_quantile(0.9, 1) == pytest.approx(tan(0.4 * pi))


@pytest.mark.parametrize("degrees_of_freedom", [1, 2, 3, 8, 500])
def test_the_quantile_inverts_the_distribution(degrees_of_freedom):
    assert t_cdf(t_quantile(0.97, degrees_of_freedom), degrees_of_freedom) == pytest.approx(0.97)
