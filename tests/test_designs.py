"""Designs: run k is a function of (design, seed, k) alone, and each design is what its name says."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special, stats

from simulate import designs
from simulate.designs import (
    Axis,
    Correlated,
    Correlation,
    Grid,
    LatinHypercube,
    OneAtATime,
    OneAtATimeSetting,
    Points,
    Product,
    Random,
    Sobol,
    SweepSetting,
    covering,
)
from simulate.distributions import Distribution, uniforms
from simulate.errors import InvalidInput

ABC = ("a", "b", "c")


def pair(a, b, value):
    return Correlation(between=(a, b), value=value)


EVERY = [
    Random(500, ABC), Sobol(500, ABC), LatinHypercube(500, ABC), OneAtATime(ABC, (0.1, 0.9)),
    Grid({"a": Axis(values=(1.0, 2.0, 4.0)), "b": Axis(levels=4), "c": Axis(levels=6)}),
    Grid({"a": Axis(levels=3), "b": Axis(levels=3), "c": Axis(levels=6)}, 3),
    Points({"a": (5.0, 6.0, 7.0), "b": (0.0, 0.0, 1.0)}),
    Correlated(Sobol(300, ABC), (pair("a", "c", 0.8),)),
    Product((Points({"p": (1.0, 2.0)}), Random(7, ABC), Grid({"g": Axis(levels=5)}))),
    Product((Grid({"g": Axis(levels=3)}), LatinHypercube(200, ABC))),
]


@pytest.mark.parametrize("design", EVERY, ids=lambda d: type(d).__name__)
@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_any_span_of_points_is_a_part_of_the_whole(design, data):
    start = data.draw(st.integers(0, design.size - 1))
    stop = data.draw(st.integers(start + 1, design.size))
    whole, part = design.points(3, 0, design.size), design.points(3, start, stop)
    assert list(whole) == list(part) == list(design.names)
    for name, column in whole.items():
        assert column.shape == (design.size,)
        np.testing.assert_array_equal(part[name], column[start:stop])


@pytest.mark.parametrize("design", [d for d in EVERY if isinstance(d, Random | Sobol | LatinHypercube | Correlated)],
                         ids=lambda d: type(d).__name__)
def test_sampled_points_lie_inside_the_unit_cube_and_depend_on_the_seed(design):
    one, other = design.points(0, 0, design.size), design.points(1, 0, design.size)
    for name in ABC:
        assert 0 < one[name].min() <= one[name].max() < 1
        assert (one[name] != other[name]).any()


def test_random_points_are_those_of_a_plain_run():
    np.testing.assert_array_equal(Random(100, ABC).points(7, 20, 60)["b"], uniforms(7, "b", 20, 60))


def test_sobol_points_are_more_even_than_random_ones_and_do_not_warn():
    def unevenness(design):
        points = design.points(5, 0, 512)
        return stats.qmc.discrepancy(np.column_stack([points[n] for n in ABC]))

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert unevenness(Sobol(512, ABC)) < unevenness(Random(512, ABC)) / 10
    points = Sobol(512, ABC).points(5, 0, 512)  # one point in each of 512 slices, in every dimension
    for name in ABC:
        assert sorted(np.floor(points[name] * 512)) == list(range(512))


@given(size=st.integers(1, 3000), seed=st.integers(0, 10**6))
@settings(max_examples=60, deadline=None)
def test_a_latin_hypercube_has_one_point_in_every_slice(size, seed):
    points = LatinHypercube(size, ("a", "b")).points(seed, 0, size)
    for name in ("a", "b"):
        assert sorted(np.floor(points[name] * size)) == list(range(size))


def test_the_slices_of_a_latin_hypercube_are_well_shuffled():
    size = 4000
    points = LatinHypercube(size, tuple(map(str, range(12)))).points(1, 0, size)
    r = np.corrcoef([*points.values(), np.arange(size)]) - np.eye(13)
    assert np.abs(r).max() < 4.5 / np.sqrt(size)
    places = [int(designs._permuted(np.arange(5, dtype=np.uint64), 5, str(k))[0]) for k in range(2000)]
    assert stats.chisquare(np.bincount(places, minlength=5)).pvalue > 1e-3


def test_a_far_chunk_of_a_latin_hypercube_does_not_make_the_whole():
    design = LatinHypercube(10**8, ("a",))
    points = design.points(1, 99_999_990, 10**8)["a"]
    assert len(set(np.floor(points * 10**8))) == 10


def test_a_grid_has_every_combination_once_last_axis_fastest():
    grid = Grid({"a": Axis(values=(10.0, 20.0)), "b": Axis(levels=3)})
    found = grid.points(0, 0, grid.size)
    values = grid.given["a"].quantile(found["a"])
    assert list(zip(values, found["b"], strict=True)) == [(a, b) for a in (10.0, 20.0) for b in (1 / 6, 0.5, 5 / 6)]


@pytest.mark.parametrize(("levels", "fraction"), [((2, 2, 2), 2), ((3, 3, 3), 3), ((5, 4, 6), 2), ((4, 6, 9), 3)])
def test_a_fraction_of_a_grid_keeps_every_level_equally_often(levels, fraction):
    axes = {f"x{k}": Axis(levels=n) for k, n in enumerate(levels)}
    full, part = Grid(axes), Grid(axes, fraction)
    assert part.size * fraction == full.size
    found = part.points(0, 0, part.size)
    rows = {tuple(row) for row in np.column_stack(list(found.values()))}
    assert len(rows) == part.size
    for name, axis in axes.items():
        index = np.rint(found[name] * axis.count - 0.5).astype(int)
        assert len(set(np.bincount(index, minlength=axis.count))) == 1


def test_one_at_a_time_moves_one_input_and_leaves_the_rest_at_the_median():
    found = OneAtATime(("a", "b"), (0.1, 0.9)).points(0, 0, 5)
    np.testing.assert_array_equal(found["a"], [0.5, 0.1, 0.9, 0.5, 0.5])
    np.testing.assert_array_equal(found["b"], [0.5, 0.5, 0.5, 0.1, 0.9])


def test_listed_values_come_back_exactly():
    values = tuple(np.random.default_rng(1).normal(size=997))
    design = Points({"a": values})
    np.testing.assert_array_equal(design.given["a"].quantile(design.points(0, 0, 997)["a"]), values)


def test_a_product_crosses_its_designs_with_the_same_sampled_points():
    product = Product((Grid({"g": Axis(values=(0.0, 1.0))}), Random(50, ABC)))
    found = product.points(4, 0, 100)
    np.testing.assert_array_equal(found["a"][:50], found["a"][50:])
    np.testing.assert_array_equal(found["g"], np.repeat([0.25, 0.75], 50))


def test_a_gaussian_copula_gives_the_correlations_asked_for_and_keeps_the_margins():
    design = Correlated(Random(200_000, ("a", "b", "c", "d")), (pair("a", "b", 0.7), pair("c", "b", -0.4)))
    found = design.points(2, 0, 200_000)
    r = np.corrcoef([special.ndtri(found[n]) for n in "abcd"])
    want = np.array([[1, 0.7, 0, 0], [0.7, 1, -0.4, 0], [0, -0.4, 1, 0], [0, 0, 0, 1]])
    np.testing.assert_allclose(r, want, atol=0.01)
    for name in "abcd":
        assert stats.kstest(found[name], "uniform").pvalue > 1e-4


def test_a_sampled_design_takes_what_no_other_part_covers():
    design = covering(SweepSetting(grid={"b": Axis(levels=2)}, sample="sobol").design(8), ["a", "b", "c"])
    assert (design.names, design.size) == (("b", "a", "c"), 16)
    assert covering(SweepSetting(one_at_a_time=OneAtATimeSetting()).design(8), ["a", "b"]).size == 5
    assert SweepSetting(grid={"b": Axis(levels=3)}).design(99).size == 3


@pytest.mark.parametrize(("make", "message"), [
    (lambda: Random(0), "runs: 0 is not at least 1"),
    (lambda: Sobol(2**30 + 1), "at most 1,073,741,824 points"),
    (lambda: Grid({"a": Axis(levels=2), "b": Axis(levels=3)}, 3), "fraction: 3 does not divide the numbers of levels of two axes"),
    (lambda: Points({"a": (1.0,), "b": (1.0, 2.0)}), "every point needs a value"),
    (lambda: OneAtATime(ABC, (0.0, 1.0)), "are not probabilities"),
    (lambda: Product((Random(2, ("a",)), Random(2, ("a",)))), "covered by two designs"),
    (lambda: Product((Random(2), Random(2))), "both cover all remaining"),
    (lambda: Correlated(Grid({"a": Axis(levels=2)}), ()), "only sampled inputs"),
    (lambda: Correlated(Random(2, ABC), (pair("a", "x", 0.1),)), "'x' is not among the sampled inputs"),
    (lambda: Correlated(Random(2, ABC), (pair("a", "b", 0.1), pair("b", "a", 0.2))), "named twice"),
    (lambda: Correlated(Random(2, ABC), (pair("a", "b", 0.9), pair("b", "c", 0.9), pair("a", "c", -0.9))), "contradict each other"),
    (lambda: SweepSetting(sample="none").design(1), "without any point"),
    (lambda: SweepSetting(fraction=2).design(1), "no grid"),
    (lambda: SweepSetting(points=({"a": 1.0}, {"b": 1.0})).design(1), "point 1 gives no value for 'b'"),
    (lambda: SweepSetting(points=({"a": 1.0},), correlations=(pair("a", "b", 0.5),)).design(1), "no input is sampled"),
])
def test_what_a_design_refuses(make, message):
    with pytest.raises(InvalidInput, match=message):
        make()


@pytest.mark.parametrize(("make", "message"), [
    (lambda: Axis(), "exactly one form"),
    (lambda: Axis(values=()), "no value is given"),
    (lambda: Axis(levels=0), "levels: 0"),
    (lambda: pair("a", "b", 1.0), "not between -1 and 1"),
    (lambda: pair("a", "a", 0.5), "with itself"),
])
def test_what_a_record_refuses(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_unbounded_distributions_stay_finite_at_the_ends_of_the_cube():
    normal = Distribution(normal=(0.0, 1.0))
    assert np.isfinite(normal.quantile(np.array([designs.LOW, designs.HIGH]))).all()
