"""Distributions against SciPy's, and random numbers that depend on seed, name and number alone."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from simulate.distributions import Distribution, uniforms

U = np.array([1e-9, 1e-4, 0.01, 0.2, 0.3333, 0.5, 0.6, 0.87, 0.999, 1 - 1e-9])
untimed = settings(deadline=None)

# ours, SciPy's
CONTINUOUS = {
    "uniform": (Distribution(uniform=(-2.0, 3.0)), stats.uniform(-2, 5)),
    "triangular": (Distribution(triangular=(1.0, 1.5, 4.0)), stats.triang(0.5 / 3, 1, 3)),
    "triangular, mode at the left": (Distribution(triangular=(1.0, 1.0, 4.0)), stats.triang(0, 1, 3)),
    "triangular, mode at the right": (Distribution(triangular=(-1.0, 2.0, 2.0)), stats.triang(1, -1, 3)),
    "normal": (Distribution(normal=(5.0, 0.25)), stats.norm(5, 0.25)),
    "lognormal": (Distribution(lognormal=(2.0, 0.5)), stats.lognorm(0.5, scale=2)),
    "beta": (Distribution(beta=(2.0, 5.0, 10.0, 20.0)), stats.beta(2, 5, 10, 10)),
}
each = pytest.mark.parametrize(("ours", "theirs"), CONTINUOUS.values(), ids=CONTINUOUS)


@each
def test_quantiles(ours: Distribution, theirs: Any) -> None:
    assert ours.quantile(U) == pytest.approx(theirs.ppf(U), rel=1e-9, abs=1e-12)
    assert ours.centre == pytest.approx(theirs.median(), rel=1e-12, abs=1e-12)


@each
def test_shape_of_quantiles(ours: Distribution, theirs: Any) -> None:
    assert ours.quantile(U.reshape(2, 5)).tolist() == ours.quantile(U).reshape(2, 5).tolist()
    assert ours.quantile(np.array(0.3)).shape == ()


@each
def test_support(ours: Distribution, theirs: Any) -> None:
    unbounded = ours.kind in ("normal", "lognormal")
    expected = theirs.ppf([0.001, 0.999]) if unbounded else theirs.support()
    assert ours.support == pytest.approx(tuple(expected), rel=1e-9)


@each
def test_draws_have_the_distribution(ours: Distribution, theirs: Any) -> None:
    """Kolmogorov-Smirnov on the numbers that runs 0 to 19999 of a fixed seed would draw."""
    assert stats.kstest(ours.quantile(uniforms(11, "anything", 0, 20_000)), theirs.cdf).pvalue > 0.001


@untimed
@given(st.floats(-1e3, 1e3), st.floats(0.01, 1e3), st.floats(0.01, 1e3), st.floats(1e-9, 1 - 1e-9))
def test_triangular_inverts_its_cumulative(low: float, rise: float, fall: float, u: float) -> None:
    mode, high = low + rise, low + rise + fall
    x = float(Distribution(triangular=(low, mode, high)).quantile(np.array([u]))[0])
    assert low <= x <= high
    below = (x - low) ** 2 / (high - low) / (mode - low) if x <= mode else 1 - (high - x) ** 2 / (high - low) / (high - mode)
    assert below == pytest.approx(u, abs=1e-8)


def test_choice() -> None:
    ours = Distribution(choice=(3.0, 1.0, 7.0))
    assert ours.quantile(np.array([0.01, 0.33, 0.34, 0.66, 0.67, 1 - 1e-17])).tolist() == [3, 3, 1, 1, 7, 7]
    assert (ours.support, ours.centre) == ((1.0, 7.0), 1.0)
    drawn = ours.quantile(uniforms(1, "choice", 0, 30_000))
    assert [np.mean(drawn == x) for x in ours.numbers] == pytest.approx([1 / 3] * 3, abs=0.01)


def test_kind_numbers_and_text() -> None:
    ours = Distribution(triangular=(0.05, 0.096, 1))
    assert (ours.kind, ours.numbers) == ("triangular", (0.05, 0.096, 1.0))
    assert str(ours) == "triangular [0.05, 0.096, 1]"


@pytest.mark.parametrize(("given_", "message"), [
    ({}, "exactly one distribution must be named here"),
    ({"uniform": (0.0, 1.0), "normal": (0.0, 1.0)}, "exactly one distribution must be named here"),
    ({"choice": ()}, "exactly one distribution must be named here"),
    ({"uniform": (0.0, 1.0, 2.0)}, "uniform: 3 numbers given, 2 needed"),
    ({"triangular": (0.0, 1.0)}, "triangular: 2 numbers given, 3 needed"),
    ({"beta": (1.0, 1.0)}, "beta: 2 numbers given, 4 needed"),
    ({"uniform": (1.0, 1.0)}, "uniform: low 1 is not below high 1"),
    ({"triangular": (0.0, 2.0, 1.0)}, "triangular: the numbers must rise"),
    ({"triangular": (2.0, 1.0, 3.0)}, "triangular: the numbers must rise"),
    ({"triangular": (1.0, 1.0, 1.0)}, "triangular: the numbers must rise"),
    ({"normal": (0.0, 0.0)}, "normal: the spread 0 must be above 0"),
    ({"lognormal": (1.0, -1.0)}, "lognormal: the spread -1 must be above 0"),
    ({"lognormal": (0.0, 1.0)}, "lognormal: the median 0 must be above 0"),
    ({"beta": (0.0, 1.0, 0.0, 1.0)}, "beta: a and b must be above 0, and low below high"),
    ({"beta": (1.0, 1.0, 1.0, 1.0)}, "beta: a and b must be above 0, and low below high"),
])
def test_errors(given_: dict[str, tuple[float, ...]], message: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011  (the message is compared below)
        Distribution(**given_)
    what, remedy = str(caught.value).split("\n")
    assert what.startswith(message)
    assert "[" in remedy


# ---------------------------------------------------------------- random numbers

STREAM = uniforms(7, "capital_share[industry]", 0, 1000)


@untimed
@given(st.integers(0, 999), st.integers(0, 999))
def test_a_slice_of_one_stream(a: int, b: int) -> None:
    start, stop = min(a, b), max(a, b)
    assert uniforms(7, "capital_share[industry]", start, stop).tolist() == STREAM[start:stop].tolist()


@untimed
@given(st.integers(1, 300))
def test_any_block_size(block: int) -> None:
    parts = [uniforms(7, "capital_share[industry]", a, min(a + block, 1000)) for a in range(0, 1000, block)]
    assert np.concatenate(parts).tolist() == STREAM.tolist()


def test_far_out_in_the_stream() -> None:
    """Run 100,000,000 without those before it; neighbours agree wherever a slice begins."""
    far = uniforms(3, "x", 10**8, 10**8 + 9)
    for k in range(9):
        assert uniforms(3, "x", 10**8 + k, 10**8 + 9).tolist() == far[k:].tolist()


def test_within_the_open_interval() -> None:
    assert STREAM.min() > 0
    assert STREAM.max() < 1
    assert len(set(STREAM)) == 1000


def test_seeds_and_names_are_streams_of_their_own() -> None:
    streams = [uniforms(seed, name, 0, 4000) for seed in (0, 1, 2, 12) for name in ("", "a", "b", "2/a")]
    assert len({tuple(s[:10]) for s in streams}) == len(streams)
    correlation = np.corrcoef(streams) - np.eye(len(streams))
    assert np.abs(correlation).max() < 0.08
    assert all(stats.kstest(s, "uniform").pvalue > 1e-4 for s in streams)


def test_known_numbers() -> None:
    """The first numbers of one stream, so that no release changes anybody's runs unnoticed."""
    assert uniforms(1, "gdp_base", 0, 3).tolist() == FIRST


FIRST = [0.5883412264177696, 0.6032683713985671, 0.4073669699850942]
