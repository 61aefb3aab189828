"""Growth arithmetic against known numbers, plain loops, published figures and its own inverses."""

import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from simulate import growth as g

# World Bank, Long Term Growth Model workbook: one year of its standard model.
LTGM: dict[str, float] = {
    "investment_share": 0.17942030727863312,
    "capital_output_ratio": 2.791668176651001,
    "capital_share": 0.5041671693325043,
    "depreciation": 0.04200629144906998,
    "tfp_growth": 0.00751903560012579,
    "labour_growth": 0.018329555168747902,
}
LTGM_GROWTH, LTGM_NEXT_RATIO = 0.02798284827424724, 2.7761366463098716

# Every public function with the ranges its arguments are drawn from; a tuple is a closed range.
RATE, LEVEL, YEARS, WHOLE = (-0.5, 1.0), (0.01, 1e6), (0.5, 30.0), (1, 30)
ACCOUNTS = {
    "investment_share": (0.0, 1.5),
    "capital_output_ratio": (0.5, 10.0),
    "capital_share": (0.1, 0.9),
    "depreciation": (0.0, 0.3),
    "tfp_growth": (-0.1, 0.2),
    "labour_growth": (-0.1, 0.2),
    "human_capital_growth": (-0.1, 0.2),
}
GROWTH = {"growth": (-0.1, 0.3)}


def ranges_without(name: str) -> dict[str, tuple[float, float]]:
    """The accounting arguments but one."""
    return {key: value for key, value in ACCOUNTS.items() if key != name}


FUNCTIONS: dict[Callable[..., Any], dict[str, tuple[float, float]]] = {
    g.compound: {"start": LEVEL, "rate": RATE, "years": YEARS},
    g.multiple: {"rate": RATE, "years": YEARS},
    g.threshold_base: {"target": LEVEL, "rate": RATE, "years": YEARS},
    g.cagr: {"start": LEVEL, "end": LEVEL, "years": YEARS},
    g.required_rate: {"start": LEVEL, "target": LEVEL, "years": YEARS},
    g.years_to_reach: {"start": (1.0, 2.0), "target": (2.0, 9.0), "rate": (0.01, 1.0)},
    g.to_continuous: {"rate": RATE},
    g.to_discrete: {"rate": RATE},
    g.cumulative: {"base_flow": LEVEL, "rate": RATE, "years": WHOLE},
    g.flow_growth: {"base_flow": LEVEL, "total": LEVEL, "years": WHOLE},
    g.real_rate: {"nominal_rate": RATE, "deflator_rate": RATE},
    g.nominal_rate: {"real_rate": RATE, "deflator_rate": RATE},
    g.growth_from_investment: ACCOUNTS,
    g.investment_for_growth: GROWTH | ranges_without("investment_share"),
    g.tfp_for_growth: GROWTH | ranges_without("tfp_growth"),
    g.icor: {"investment_share": (0.0, 1.5), "growth": (0.001, 0.3)},
}
each_function = pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__)

untimed = settings(deadline=None)  # the clock of a busy machine fails no test
rates = st.floats(-0.9, 2.0)
levels = st.floats(1e-6, 1e9)
years = st.floats(0.1, 60.0)
accounts = st.fixed_dictionaries({name: st.floats(*bounds) for name, bounds in ACCOUNTS.items()})


def values(bounds: tuple[float, float]) -> st.SearchStrategy[float]:
    """Draws within the bounds, whole numbers where the bounds are."""
    return st.integers(*bounds) if isinstance(bounds[0], int) else st.floats(*bounds)  # type: ignore[arg-type]


def middles(function: Callable[..., Any]) -> dict[str, float]:
    """Good arguments: the middle of each range."""
    bounds = FUNCTIONS[function].items()
    return {name: (low + high) // 2 if isinstance(low, int) else (low + high) / 2 for name, (low, high) in bounds}


@pytest.mark.parametrize(
    ("result", "expected", "half_unit"),
    [
        (g.threshold_base(1000, 0.10, 5), 620.92, 0.005),  # hi-tech zone plan: "10 % a year, 100 billion"
        (g.multiple(0.075, 15), 2.959, 0.0005),  # TEDA plan: 7.5 % to 2035 against "three times"
        (g.cagr(5090, 7500, 5), 0.0806, 0.00005),  # TEDA plan: industrial output 2020-25
        (g.required_rate(5090, 7500, 5), 0.0806, 0.00005),
        (g.flow_growth(140.62, 937, 5), 0.097, 0.0005),  # hi-tech zone plan: cumulative fixed investment 2021-25
        (g.years_to_reach(1, 2, 0.07), 10.2448, 0.00005),  # ln 2 / ln 1.07
        (g.to_continuous(1.0), 0.693147, 5e-7),  # ln 2
        (g.compound(100, 0.1, 2), 121.0, 1e-12),
        (g.mean_growth([0.5, -0.5]), math.sqrt(0.75) - 1, 1e-15),
        (g.cumulative(100, 0.1, 2), 110 + 121, 1e-12),
        (g.real_rate(0.0815, 0.03), 0.05, 1e-15),
        (g.icor(0.4, 0.08), 5.0, 1e-15),
    ],
)
def test_known_numbers(result: float, expected: float, half_unit: float) -> None:
    """Numbers from the plan documents and from paper."""
    assert abs(result - expected) <= half_unit


def test_world_bank_figures() -> None:
    """The published growth and capital-output ratio, and both inverses, to 1e-14."""
    growth, next_ratio = g.growth_from_investment(**LTGM)
    assert growth == pytest.approx(LTGM_GROWTH, rel=0, abs=1e-14)
    assert next_ratio == pytest.approx(LTGM_NEXT_RATIO, rel=0, abs=1e-14)
    share, tfp = LTGM["investment_share"], LTGM["tfp_growth"]
    without_share = {name: value for name, value in LTGM.items() if name != "investment_share"}
    without_tfp = {name: value for name, value in LTGM.items() if name != "tfp_growth"}
    assert g.investment_for_growth(LTGM_GROWTH, **without_share) == pytest.approx(share, rel=0, abs=1e-14)
    assert g.tfp_for_growth(LTGM_GROWTH, **without_tfp) == pytest.approx(tfp, rel=0, abs=1e-14)


@untimed
@given(accounts)
def test_growth_accounting_follows_from_levels(case: dict[str, float]) -> None:
    """Rates and ratios agree with a production function written in levels."""
    a, ratio = case["capital_share"], case["capital_output_ratio"]
    productivity, labour, human = 2.0, 5.0, 1.5
    # the capital with K / Y as asked, from Y = A K^a (hL)^(1-a)
    capital = (ratio * productivity * (human * labour) ** (1 - a)) ** (1 / (1 - a))
    output = productivity * capital**a * (human * labour) ** (1 - a)
    capital = capital * (1 - case["depreciation"]) + case["investment_share"] * output
    productivity *= 1 + case["tfp_growth"]
    labour *= 1 + case["labour_growth"]
    human *= 1 + case["human_capital_growth"]
    next_output = productivity * capital**a * (human * labour) ** (1 - a)
    growth, next_ratio = g.growth_from_investment(**case)
    assert growth == pytest.approx(next_output / output - 1, abs=1e-11)
    assert next_ratio == pytest.approx(capital / next_output, rel=1e-11)


@untimed
@given(accounts)
def test_growth_accounting_inverts(case: dict[str, float]) -> None:
    """Investment and productivity come back from the growth they gave."""
    growth, _ = g.growth_from_investment(**case)
    share = case.pop("investment_share")
    assert g.investment_for_growth(growth, **case) == pytest.approx(share, abs=1e-11)
    tfp = case.pop("tfp_growth")
    assert g.tfp_for_growth(growth, share, **case) == pytest.approx(tfp, abs=1e-13)


def test_unreachable_growth_needs_more_than_output() -> None:
    """A result above 1 or below 0 is reported, not hidden: see the docstring for what each means."""
    economy = {name: value for name, value in LTGM.items() if name != "investment_share"}
    assert g.investment_for_growth(0.30, **economy) > 1
    assert g.investment_for_growth(-0.05, **economy) < 0


@untimed
@given(levels, rates, years)
def test_cagr_and_threshold_base_invert_compound(start: float, rate: float, span: float) -> None:
    """The rate and the base come back from the level."""
    end = g.compound(start, rate, span)
    assert g.cagr(start, end, span) == pytest.approx(rate, abs=1e-12)
    assert g.threshold_base(end, rate, span) == pytest.approx(start, rel=1e-12)


@untimed
@given(levels, rates.filter(lambda r: abs(r) > 1e-3), years)
def test_years_to_reach_inverts_compound(start: float, rate: float, span: float) -> None:
    """The years come back from the level, growing or falling."""
    assert g.years_to_reach(start, g.compound(start, rate, span), rate) == pytest.approx(span, rel=1e-9)


def test_years_to_reach_is_zero_at_the_target() -> None:
    """At the target already, whatever the rate."""
    assert g.years_to_reach(7, 7, [-0.1, 0.0, 0.1]).tolist() == [0.0, 0.0, 0.0]  # type: ignore[union-attr]


@untimed
@given(levels, rates, st.integers(1, 40))
def test_compound_and_cumulative_equal_a_loop(start: float, rate: float, span: int) -> None:
    """Year by year, in plain Python."""
    level, total = start, 0.0
    for _ in range(span):
        level *= 1 + rate
        total += level
    assert g.compound(start, rate, span) == pytest.approx(level, rel=1e-12)
    assert g.cumulative(start, rate, span) == pytest.approx(total, rel=1e-12)


@pytest.mark.parametrize("rate", [0.0, 1e-300, 1e-17, -1e-17, 1e-9])
def test_cumulative_keeps_its_precision_near_zero_growth(rate: float) -> None:
    """The geometric series divides by the rate; the sum must not notice."""
    assert g.cumulative(3.0, rate, 4) == pytest.approx(12 * (1 + 2.5 * rate), rel=1e-15)


@untimed
@given(levels, levels, st.lists(rates, min_size=0, max_size=6), st.integers(1, 9))
def test_required_rate_closes_the_gap(start: float, target: float, past: list[float], left: int) -> None:
    """Realised growth, then the required rate, lead to the target."""
    level = start
    for rate in past:
        level *= 1 + rate
    rate = float(g.required_rate(start, target, len(past) + left, past))
    assume(rate > -0.999)  # nearer to -1 the rate itself has lost its digits
    assert level * (1 + rate) ** left == pytest.approx(target, rel=1e-11)


def test_required_rate_takes_one_path_for_each_start() -> None:
    """Paths lie on the last axis of `achieved`; the other arguments broadcast with the rest."""
    achieved = [[0.1, 0.1], [0.0, 0.21]]
    assert np.asarray(g.required_rate([100, 100], 133.1, 3, achieved)) == pytest.approx([0.1, 0.1])
    assert g.required_rate(100, 133.1, 3, 0.21) == pytest.approx(1.1**0.5 - 1)
    assert g.required_rate(100, 133.1, 3) == g.cagr(100, 133.1, 3)


@untimed
@given(st.lists(rates, min_size=1, max_size=9))
def test_mean_growth_has_the_same_outcome(path: list[float]) -> None:
    """The mean, each year, leads where the path leads."""
    end = math.prod(1 + rate for rate in path)
    assert g.multiple(g.mean_growth(path), len(path)) == pytest.approx(end, rel=1e-12)
    rows = g.mean_growth([path, path[::-1]])
    assert np.shape(rows) == (2,)


@untimed
@given(st.floats(-0.999, 1e3))
def test_to_discrete_inverts_to_continuous(rate: float) -> None:
    """There and back."""
    assert g.to_discrete(g.to_continuous(rate)) == pytest.approx(rate, rel=1e-12, abs=1e-12)
    assert g.multiple(rate, 1) == pytest.approx(math.exp(g.to_continuous(rate)), rel=1e-12)


def test_small_rates_keep_their_digits() -> None:
    """log1p and expm1, not log(1 + x)."""
    assert g.to_continuous(1e-20) == g.to_discrete(1e-20) == g.real_rate(1e-20, 0.0) == 1e-20


@untimed
@given(rates, rates)
def test_nominal_rate_inverts_real_rate(nominal: float, deflator: float) -> None:
    """There and back, and prices times volume is value."""
    real = g.real_rate(nominal, deflator)
    assert g.nominal_rate(real, deflator) == pytest.approx(nominal, abs=1e-13)
    assert (1 + real) * (1 + deflator) == pytest.approx(1 + nominal, rel=1e-13)


@untimed
@given(st.floats(1e-6, 1e6), st.floats(1e-3, 1e6), st.integers(1, 60))
def test_flow_path_sums_to_total(base: float, ratio: float, span: int) -> None:
    """The path sums to the total, grows at flow_growth from the base, and cumulative agrees."""
    total = base * ratio
    path, growth = g.flow_path(base, total, span), g.flow_growth(base, total, span)
    assert path.shape == (span,)
    assert math.fsum(path) == pytest.approx(total, rel=1e-12)
    assert path / np.concatenate([[base], path[:-1]]) == pytest.approx(1 + growth, rel=1e-10)
    assert g.cumulative(base, growth, span) == pytest.approx(total, rel=1e-10)


@pytest.mark.parametrize("span", [1, 2, 5, 50, 1000])
@pytest.mark.parametrize("base", [1e-150, 1.0, 1e150])
def test_flow_path_is_robust(base: float, span: int) -> None:
    """Any positive total, from hundreds of orders of magnitude below the base to as many above."""
    totals = 10.0 ** np.arange(-150, 151, 12)
    assert g.flow_path(base, totals, span).sum(axis=-1) == pytest.approx(totals, rel=1e-12, abs=0)
    steady = g.flow_growth(base, base * span, span)
    assert steady == pytest.approx(0, abs=1e-13)  # the logarithm of 1e150 is known to 1e-13 only


def test_flow_paths_broadcast() -> None:
    """One path for each base and total, years last."""
    totals = np.array([[500.0], [700.0]])
    paths = g.flow_path([90.0, 100.0, 110.0], totals, 5)
    assert paths.shape == (2, 3, 5)
    assert paths.sum(axis=-1) == pytest.approx(np.broadcast_to(totals, (2, 3)))
    assert paths[1, 2] == pytest.approx(g.flow_path(110.0, 700.0, 5), rel=1e-14)


def test_flow_growth_does_not_depend_on_its_neighbours() -> None:
    """An element is the same, bit for bit, in any block."""
    generator = np.random.default_rng(0)
    base, total = generator.uniform(1, 9, 64), generator.uniform(1, 900, 64)
    together = np.asarray(g.flow_growth(base, total, 5))
    apart = [np.asarray(g.flow_growth(base[i : i + 7], total[i : i + 7], 5)) for i in range(0, 64, 7)]
    assert np.array_equal(together, np.concatenate(apart))


@each_function
@untimed
@given(st.data())
def test_arrays_equal_scalars(function: Callable[..., Any], data: st.DataObject) -> None:
    """Array arguments give, element by element, what scalars give: floats for scalars, arrays for arrays."""
    spec = FUNCTIONS[function]
    columns = {name: data.draw(st.lists(values(bounds), min_size=3, max_size=3)) for name, bounds in spec.items()}
    together = function(**columns)
    one_by_one = [function(**{name: column[i] for name, column in columns.items()}) for i in range(3)]
    if not isinstance(together, tuple):
        together, one_by_one = (together,), [(single,) for single in one_by_one]
    for array, singles in zip(together, zip(*one_by_one, strict=True), strict=True):
        assert isinstance(array, np.ndarray)
        assert array.shape == (3,)
        assert all(type(single) is float for single in singles)
        np.testing.assert_allclose(array, singles, rtol=1e-12, atol=1e-14)


@each_function
def test_arguments_broadcast(function: Callable[..., Any]) -> None:
    """A column for the first argument and a row for each other make a table."""
    middle = middles(function)
    first, *others = middle
    shaped = {first: np.full((2, 1), middle[first])} | {name: np.full(3, middle[name]) for name in others}
    result, single = function(**shaped), function(**middle)
    if not isinstance(result, tuple):
        result, single = (result,), (single,)
    for table, number in zip(result, single, strict=True):
        assert table.shape == ((2, 3) if others else (2, 1))
        np.testing.assert_allclose(table, number, rtol=1e-12)


@each_function
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, None])
def test_no_argument_may_be_missing_or_infinite(function: Callable[..., Any], bad: float | None) -> None:
    """Each argument in turn, all others good."""
    good = middles(function)
    for name in good:
        with pytest.raises(ValueError, match=rf"^{name} = (nan|-?inf): not a finite number; fill in or drop"):
            function(**good | {name: bad})


def accounts_with(**changes: float) -> Callable[[], object]:
    """A call of growth_from_investment on the published year, changed."""
    return lambda: g.growth_from_investment(**LTGM | changes)


RATE_MESSAGE = ": a rate must be above -1 (-100 %), or no positive level is left; 5 % is 0.05"
LEVEL_MESSAGE = ": must be positive: growth from or to zero or less has no rate; compare differences instead"
YEARS_MESSAGE = ": must be positive: count the years from the base to the target"
WHOLE_MESSAGE = ": must be a whole number from 1 to 1000, base year not counted"
SHARE_MESSAGE = ": must be a share between 0 and 1, neither included; 45 % is 0.45"
WEAR_MESSAGE = ": must be a share from 0 to 1 of the capital stock per year; 5 % is 0.05"
INVESTMENT_MESSAGE = ": gross investment cannot be negative; 18 % of output is 0.18"
REACH_MESSAGE = ": never reached: above the start give a positive rate, below it a negative one"
ICOR_MESSAGE = ": must be positive: without added output there is no ratio; average over more years"
LARGE_MESSAGE = ": beyond the largest float; are rates shares (5 % is 0.05)?"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: g.compound(1, -1, 5), "rate = -1.0" + RATE_MESSAGE),
        (lambda: g.compound(1, 0.1, 0), "years = 0.0" + YEARS_MESSAGE),
        (lambda: g.multiple([0.1, -1.5], 5), "rate[1] = -1.5" + RATE_MESSAGE),
        (lambda: g.threshold_base(0, 0.1, 5), "target = 0.0" + LEVEL_MESSAGE),
        (lambda: g.cagr(-1, 0, 5), "start = -1.0" + LEVEL_MESSAGE + "\nend = 0.0" + LEVEL_MESSAGE),
        (lambda: g.cagr(1, 2, [[1, 2], [3, -4]]), "years[1, 1] = -4.0" + YEARS_MESSAGE),
        (
            lambda: g.cagr(1, [math.nan, 0], 5),
            "end[0] = nan: not a finite number; fill in or drop missing values first\nend[1] = 0.0" + LEVEL_MESSAGE,
        ),
        (lambda: g.required_rate(1, 2, 5, [0.1, -1]), "achieved[1] = -1.0" + RATE_MESSAGE),
        (lambda: g.required_rate(1, 2, 1, [0.1]), "years = 1.0: must exceed the 1 already achieved; no year remains"),
        (
            lambda: g.required_rate([1, 1, 1], 2, 5, [[0.1], [0.1]]),
            "shapes do not broadcast: {'start': (3,), 'target': (), 'years': (), 'achieved': (2,)}; "
            "align the axes, sizes equal or 1",
        ),
        (lambda: g.years_to_reach(2, 1, 0.1), "target = 1.0" + REACH_MESSAGE),
        (lambda: g.years_to_reach(1, [1, 2], -0.1), "target[1] = 2.0" + REACH_MESSAGE),
        (lambda: g.years_to_reach(1, 2, 0), "target = 2.0" + REACH_MESSAGE),
        (lambda: g.years_to_reach(1, 2, [0.1, 0]), "target[1] = 2.0" + REACH_MESSAGE),
        (lambda: g.mean_growth([]), "rates: no year on the last axis, so there is no mean; give at least one rate"),
        (lambda: g.mean_growth([[0.1, -2]]), "rates[0, 1] = -2.0" + RATE_MESSAGE),
        (lambda: g.to_continuous(-1), "rate = -1.0" + RATE_MESSAGE),
        (lambda: g.cumulative(1, 0.1, 2.5), "years = 2.5" + WHOLE_MESSAGE),
        (lambda: g.flow_growth(1, 5, 0), "years = 0.0" + WHOLE_MESSAGE),
        (lambda: g.flow_growth(1, 5, 1001), "years = 1001.0" + WHOLE_MESSAGE),
        (lambda: g.flow_growth(0, -5, 5), "base_flow = 0.0" + LEVEL_MESSAGE + "\ntotal = -5.0" + LEVEL_MESSAGE),
        (
            lambda: g.flow_path(1, 5, np.array([5, 6])),  # type: ignore[arg-type]
            "years: one number, not shape (2,); paths of different lengths need a call each",
        ),
        (lambda: g.real_rate(0.1, -1), "deflator_rate = -1.0" + RATE_MESSAGE),
        (lambda: g.nominal_rate(-1, 0.1), "real_rate = -1.0" + RATE_MESSAGE),
        (lambda: g.icor(0.4, -0.01), "growth = -0.01" + ICOR_MESSAGE),
        (lambda: g.icor(-0.4, 0.05), "investment_share = -0.4" + INVESTMENT_MESSAGE),
        (accounts_with(investment_share=-0.1), "investment_share = -0.1" + INVESTMENT_MESSAGE),
        (accounts_with(capital_output_ratio=0), "capital_output_ratio = 0.0" + LEVEL_MESSAGE),
        (accounts_with(capital_share=1), "capital_share = 1.0" + SHARE_MESSAGE),
        (accounts_with(depreciation=5), "depreciation = 5.0" + WEAR_MESSAGE),
        (accounts_with(human_capital_growth=-1), "human_capital_growth = -1.0" + RATE_MESSAGE),
        (
            accounts_with(depreciation=1, investment_share=0),
            "depreciation = 1.0: with no investment all capital is worn out and nothing is produced; "
            "lower it or invest",
        ),
        (lambda: g.compound(1, [0.1, 9], 500), "result[1] = inf" + LARGE_MESSAGE),
        (lambda: g.to_discrete(1000), "result = inf" + LARGE_MESSAGE),
    ],
)
def test_bad_input_says_where_what_and_what_to_do(call: Callable[[], object], message: str) -> None:
    """Every message has an input that triggers it; the whole text is compared."""
    with pytest.raises(ValueError, match=rf"\A{re.escape(message)}\Z"):
        call()


def test_every_public_function_is_documented_with_errors_and_covered_here() -> None:
    """No function is forgotten by the tables above, nor left without a word on its errors."""
    public = {name: value for name, value in vars(g).items() if callable(value) and not name.startswith("_")}
    functions = {name for name, value in public.items() if getattr(value, "__module__", "") == g.__name__}
    assert functions == {function.__name__ for function in FUNCTIONS} | {"mean_growth", "flow_path"}
    for name in functions:
        assert "ValueError" in public[name].__doc__ or "errors" in public[name].__doc__, name
