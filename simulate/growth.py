"""Compound growth, flows with a given sum, real and nominal rates, growth accounting.

Conventions, the same for every function:

- Rates are annual and discrete: 0.10 is 10 % a year, 1.0 doubles a level every year. A continuous rate appears only
  where a name says so. Shares are of one whole: 0.18 is 18 %.
- Levels and flows bear any unit the caller likes, one unit per call; results bear the same.
- Scalars give a Python float; arrays broadcast and give a float64 array. In a path the years are the last axis.
- Broken inputs are gathered and raised once, as a ValueError with a line for each argument: its first bad element and
  what to do. A result too large for a float is a ValueError too: no function returns nan or inf.
"""

from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array: TypeAlias = NDArray[np.float64]
Values: TypeAlias = float | Array


class _Domain(NamedTuple):
    """The finite values an argument may take, between `low` and `high`, and what to do about others."""

    low: float
    high: float
    remedy: str
    closed: bool = False  # whether low and high themselves belong
    whole: bool = False
    path: bool = False  # whether the last axis is years, which does not broadcast


_ANY = _Domain(-np.inf, np.inf, "")
_RATE = _Domain(-1, np.inf, "a rate must be above -1 (-100 %), or no positive level is left; 5 % is 0.05")
_RATES = _RATE._replace(path=True)
_LEVEL = _Domain(0, np.inf, "must be positive: growth from or to zero or less has no rate; compare differences instead")
_YEARS = _Domain(0, np.inf, "must be positive: count the years from the base to the target")
_WHOLE = _Domain(1, 1000, "must be a whole number from 1 to 1000, base year not counted", closed=True, whole=True)
_SHARE = _Domain(0, 1, "must be a share between 0 and 1, neither included; 45 % is 0.45")
_WEAR = _Domain(0, 1, "must be a share from 0 to 1 of the capital stock per year; 5 % is 0.05", closed=True)
_INVESTMENT = _Domain(0, np.inf, "gross investment cannot be negative; 18 % of output is 0.18", closed=True)

# Overflow is not warned about where it happens: _plain finds it and says what to do.
_quiet = np.errstate(all="ignore")


def _fault(name: str, values: Array, good: NDArray[np.bool_], remedy: str) -> list[str]:
    """The line that reports the first element that is not good; empty where all are."""
    if good.all():
        return []
    at = tuple(int(i) for i in np.argwhere(~good)[0])
    where = str(list(at)) if at else ""
    return [f"{name}{where} = {float(np.broadcast_to(values, good.shape)[at])!r}: {remedy}"]


def _raise(problems: list[str]) -> None:
    if problems:
        raise ValueError("\n".join(problems))


def _checked(**inputs: tuple[ArrayLike, _Domain]) -> list[Array]:
    """Inputs as float64 arrays within their domains and of shapes that broadcast; else one ValueError for all."""
    arrays: list[Array] = []
    problems: list[str] = []
    shapes: dict[str, tuple[int, ...]] = {}
    for name, (given, domain) in inputs.items():
        x = np.asarray(given, dtype=np.float64)
        x = np.atleast_1d(x) if domain.path else x
        finite = np.isfinite(x)
        inside = (domain.low < x) & (x < domain.high)
        if domain.closed:
            inside |= (x == domain.low) | (x == domain.high)
        if domain.whole:
            inside &= x == np.floor(x)
        problems += _fault(name, x, finite, "not a finite number; fill in or drop missing values first")
        problems += _fault(name, x, inside | ~finite, domain.remedy)
        arrays.append(x)
        shapes[name] = x.shape[:-1] if domain.path else x.shape
    _raise(problems)
    try:
        np.broadcast_shapes(*shapes.values())
    except ValueError:
        raise ValueError(f"shapes do not broadcast: {shapes}; align the axes, sizes equal or 1") from None
    return arrays


def _plain(result: ArrayLike) -> Values:
    """A float for a scalar, else the array; ValueError where the result left the range of floats."""
    values = np.asarray(result, dtype=np.float64)
    _raise(_fault("result", values, np.isfinite(values), "beyond the largest float; are rates shares (5 % is 0.05)?"))
    return float(values) if values.ndim == 0 else values


@_quiet
def compound(start: ArrayLike, rate: ArrayLike, years: ArrayLike) -> Values:
    """Level after `years` of growth at `rate` per year, in the unit of `start`; start * (1 + rate)^years.

    All three broadcast; `start` may be zero or negative, `years` need not be whole.
    Raises ValueError where rate <= -1 or years <= 0. Source: compound interest.
    """
    s, r, n = _checked(start=(start, _ANY), rate=(rate, _RATE), years=(years, _YEARS))
    return _plain(s * np.power(1 + r, n))


def multiple(rate: ArrayLike, years: ArrayLike) -> Values:
    """How many times its start a level is after `years` at `rate` per year, a pure number; the two broadcast.

    Raises ValueError where rate <= -1 or years <= 0. Source: `compound`, from a start of 1.
    """
    return compound(1.0, rate, years)


@_quiet
def threshold_base(target: ArrayLike, rate: ArrayLike, years: ArrayLike) -> Values:
    """Smallest base from which growth at `rate` per year reaches `target` in `years`, in the unit of `target`.

    All three broadcast: 1000 at 10 % over 5 years needs 620.92. Raises ValueError where target <= 0, rate <= -1
    or years <= 0. Source: `compound`, solved for its start.
    """
    t, r, n = _checked(target=(target, _LEVEL), rate=(rate, _RATE), years=(years, _YEARS))
    return _plain(t * np.power(1 + r, -n))


@_quiet
def cagr(start: ArrayLike, end: ArrayLike, years: ArrayLike) -> Values:
    """Compound annual growth rate: the constant rate that leads from `start` to `end` in `years`.

    All three broadcast; `start` and `end` in one unit and on one price basis.
    Raises ValueError where a level or years <= 0. Source: `compound`, solved for its rate.
    """
    s, e, n = _checked(start=(start, _LEVEL), end=(end, _LEVEL), years=(years, _YEARS))
    return _plain(np.power(e / s, 1 / n) - 1)


@_quiet
def required_rate(start: ArrayLike, target: ArrayLike, years: ArrayLike, achieved: ArrayLike = ()) -> Values:
    """Constant rate over the years that remain, if `target` is to be met `years` after `start`.

    `achieved` holds the growth rates of the years already past, shape (..., years past); the others broadcast
    with its leading axes. With nothing achieved it is `cagr(start, target, years)`.
    Raises ValueError where a level <= 0, a rate <= -1 or no year remains. Source: `compound`.
    """
    s, t, n, past = _checked(
        start=(start, _LEVEL), target=(target, _LEVEL), years=(years, _YEARS), achieved=(achieved, _RATES)
    )
    remaining = n - past.shape[-1]
    _raise(_fault("years", n, remaining > 0, f"must exceed the {past.shape[-1]} already achieved; no year remains"))
    return _plain(np.power(t / (s * np.prod(1 + past, axis=-1)), 1 / remaining) - 1)


@_quiet
def years_to_reach(start: ArrayLike, target: ArrayLike, rate: ArrayLike) -> Values:
    """Years, fractional, until a level growing (or falling) from `start` at `rate` per year is at `target`.

    All three broadcast; zero where target equals start. Raises ValueError where a level <= 0,
    rate <= -1, or the rate leads away from the target. Source: `compound`, solved for its years.
    """
    s, t, r = _checked(start=(start, _LEVEL), target=(target, _LEVEL), rate=(rate, _RATE))
    reached = (t == s) | ((t > s) & (r > 0)) | ((t < s) & (r < 0))
    remedy = "never reached: above the start give a positive rate, below it a negative one"
    _raise(_fault("target", t, np.asarray(reached), remedy))
    return _plain(np.where(t == s, 0.0, np.log(t / s) / np.log1p(r)))


@_quiet
def mean_growth(rates: ArrayLike) -> Values:
    """Geometric mean of yearly growth rates over the last axis: the constant rate with the same outcome.

    `rates` has shape (..., years), the result (...). Raises ValueError where a rate <= -1 or there
    is no year. Source: (prod(1 + rate))^(1/years) - 1, summed in logarithms.
    """
    (r,) = _checked(rates=(rates, _RATES))
    if r.shape[-1] == 0:
        raise ValueError("rates: no year on the last axis, so there is no mean; give at least one rate")
    return _plain(np.expm1(np.mean(np.log1p(r), axis=-1)))


@_quiet
def to_continuous(rate: ArrayLike) -> Values:
    """Continuous rate per year, log(1 + rate), of the same growth as discrete `rate`; ValueError where rate <= -1."""
    (r,) = _checked(rate=(rate, _RATE))
    return _plain(np.log1p(r))


@_quiet
def to_discrete(rate: ArrayLike) -> Values:
    """Discrete rate per year, exp(rate) - 1, of the same growth as continuous `rate`; ValueError if not finite."""
    (r,) = _checked(rate=(rate, _ANY))
    return _plain(np.expm1(r))


@_quiet
def cumulative(base_flow: ArrayLike, rate: ArrayLike, years: ArrayLike) -> Values:
    """Sum of the `years` yearly flows after the base year, if each exceeds the one before by `rate`.

    All three broadcast; base_flow in a unit per year, the sum in that unit, the base year not counted. Raises
    ValueError where rate <= -1 or years is not a whole number from 1 to 1000. Source: geometric series.
    """
    b, r, n = _checked(base_flow=(base_flow, _ANY), rate=(rate, _RATE), years=(years, _WHOLE))
    return _plain(b * (1 + r) * np.where(r == 0, n, np.expm1(n * np.log1p(r)) / r))


def _log_growth(base_flow: Array, total: Array, years: Array) -> Array:
    """The z = log(1 + h) with log(sum of exp(k z), k = 1..years) = log(total / base_flow).

    The left side is convex in z with slopes from 1 to `years`: Newton's steps converge from anywhere, to the last bit
    in 9 at most (1 to 1000 years, any floats). Their number is fixed, or an element would depend on its neighbours.
    """
    goal, n = np.broadcast_arrays(np.log(total) - np.log(base_flow), years)
    k = np.arange(1, n.max(initial=1) + 1)
    z = np.zeros_like(goal)
    for _ in range(12):
        largest = np.maximum(z, n * z)  # of the exponents: taken out, so that no exponential overflows
        flows = np.where(k <= n[..., None], np.exp(k * z[..., None] - largest[..., None]), 0.0)
        whole = flows.sum(axis=-1)
        z = np.asarray(z - (largest + np.log(whole) - goal) * whole / (k * flows).sum(axis=-1))
    return z


@_quiet
def flow_growth(base_flow: ArrayLike, total: ArrayLike, years: ArrayLike) -> Values:
    """Constant growth h per year with which the `years` flows after the base year sum to `total`.

    All three broadcast; base_flow is in total's unit per year. Raises ValueError where base_flow or total <= 0,
    or years is not a whole number from 1 to 1000. Source: `cumulative`, solved for its rate.
    """
    b, t, n = _checked(base_flow=(base_flow, _LEVEL), total=(total, _LEVEL), years=(years, _WHOLE))
    return _plain(np.expm1(_log_growth(b, t, n)))


@_quiet
def flow_path(base_flow: ArrayLike, total: ArrayLike, years: int) -> Array:
    """Yearly flows, shape (..., years), growing at `flow_growth` from the base year and summing to `total`.

    base_flow and total broadcast to (...); flows are in the unit of base_flow, the first of the year after the
    base. Raises ValueError as `flow_growth` does, and where years is not one number. Source: `flow_growth`.
    """
    b, t, n = _checked(base_flow=(base_flow, _LEVEL), total=(total, _LEVEL), years=(years, _WHOLE))
    if n.ndim:
        raise ValueError(f"years: one number, not shape {n.shape}; paths of different lengths need a call each")
    return np.asarray(_plain(b[..., None] * np.exp(np.arange(1, int(n) + 1) * _log_growth(b, t, n)[..., None])))


@_quiet
def real_rate(nominal_rate: ArrayLike, deflator_rate: ArrayLike) -> Values:
    """Growth at constant prices, from growth at current prices and of the deflator; the two broadcast.

    Raises ValueError where a rate <= -1. Source: Fisher's exact form, (1 + nominal) / (1 + deflator) - 1.
    """
    n, d = _checked(nominal_rate=(nominal_rate, _RATE), deflator_rate=(deflator_rate, _RATE))
    return _plain((n - d) / (1 + d))


@_quiet
def nominal_rate(real_rate: ArrayLike, deflator_rate: ArrayLike) -> Values:
    """Growth at current prices, from growth at constant prices and of the deflator; the two broadcast.

    Raises ValueError where a rate <= -1. Source: Fisher's exact form, (1 + real) * (1 + deflator) - 1.
    """
    r, d = _checked(real_rate=(real_rate, _RATE), deflator_rate=(deflator_rate, _RATE))
    return _plain(r + d + r * d)


# Growth accounting: Cobb-Douglas with Hicks-neutral productivity, Y = A K^a (h L)^(1 - a), as in the World
# Bank's Long Term Growth Model (Loayza and Pennings, eds., 2022). Invested this year, capital works the next.


def _capital_growth(investment_share: Array, capital_output_ratio: Array, depreciation: Array) -> Array:
    """Next year's capital relative to this year's."""
    factor = np.asarray(1 - depreciation + investment_share / capital_output_ratio)
    remedy = "with no investment all capital is worn out and nothing is produced; lower it or invest"
    _raise(_fault("depreciation", depreciation, factor > 0, remedy))
    return factor


@_quiet
def growth_from_investment(
    investment_share: ArrayLike, capital_output_ratio: ArrayLike, capital_share: ArrayLike, depreciation: ArrayLike,
    tfp_growth: ArrayLike, labour_growth: ArrayLike, human_capital_growth: ArrayLike = 0.0
) -> tuple[Values, Values]:
    """Output growth to next year, and next year's capital-output ratio, from this year's investment.

    1 + g = (1 + tfp) * (1 - d + (I/Y)/(K/Y))^a * ((1 + human) * (1 + labour))^(1 - a); all broadcast. I/Y is gross,
    K/Y in years, depreciation d per year, capital_share a the output elasticity of capital; growth rates are those
    to next year, tfp_growth Hicks-neutral (a Harrod-neutral rate times 1 - a, nearly). Raises ValueError for I/Y < 0,
    K/Y <= 0, a outside (0, 1), d outside [0, 1], rates <= -1, or no capital left. Source: World Bank, as above.
    """
    i, k, a, d, tfp, labour, human = _checked(
        investment_share=(investment_share, _INVESTMENT), capital_output_ratio=(capital_output_ratio, _LEVEL),
        capital_share=(capital_share, _SHARE), depreciation=(depreciation, _WEAR), tfp_growth=(tfp_growth, _RATE),
        labour_growth=(labour_growth, _RATE), human_capital_growth=(human_capital_growth, _RATE),
    )
    capital = _capital_growth(i, k, d)
    output = (1 + tfp) * np.power(capital, a) * np.power((1 + human) * (1 + labour), 1 - a)
    return _plain(output - 1), _plain(k * capital / output)


@_quiet
def investment_for_growth(
    growth: ArrayLike, capital_output_ratio: ArrayLike, capital_share: ArrayLike, depreciation: ArrayLike,
    tfp_growth: ArrayLike, labour_growth: ArrayLike, human_capital_growth: ArrayLike = 0.0
) -> Values:
    """Gross investment, as a share of this year's output, that makes output grow by `growth` to next year.

    The inverse of `growth_from_investment`, with its units, broadcasting, errors and source. A result above 1 is not
    to be had without inflow from outside; below 0, growth would exceed `growth` without any investment.
    """
    g, k, a, d, tfp, labour, human = _checked(
        growth=(growth, _RATE), capital_output_ratio=(capital_output_ratio, _LEVEL),
        capital_share=(capital_share, _SHARE), depreciation=(depreciation, _WEAR), tfp_growth=(tfp_growth, _RATE),
        labour_growth=(labour_growth, _RATE), human_capital_growth=(human_capital_growth, _RATE),
    )
    other = (1 + tfp) * np.power((1 + human) * (1 + labour), 1 - a)
    return _plain((np.power((1 + g) / other, 1 / a) - (1 - d)) * k)


@_quiet
def tfp_for_growth(
    growth: ArrayLike, investment_share: ArrayLike, capital_output_ratio: ArrayLike, capital_share: ArrayLike,
    depreciation: ArrayLike, labour_growth: ArrayLike, human_capital_growth: ArrayLike = 0.0
) -> Values:
    """Growth of total factor productivity (Hicks-neutral) that `growth` implies: the Solow residual.

    Units, broadcasting, errors and source as for `growth_from_investment`.
    """
    g, i, k, a, d, labour, human = _checked(
        growth=(growth, _RATE), investment_share=(investment_share, _INVESTMENT),
        capital_output_ratio=(capital_output_ratio, _LEVEL), capital_share=(capital_share, _SHARE),
        depreciation=(depreciation, _WEAR), labour_growth=(labour_growth, _RATE),
        human_capital_growth=(human_capital_growth, _RATE),
    )
    inputs = np.power(_capital_growth(i, k, d), a) * np.power((1 + human) * (1 + labour), 1 - a)
    return _plain((1 + g) / inputs - 1)


@_quiet
def icor(investment_share: ArrayLike, growth: ArrayLike) -> Values:
    """Incremental capital-output ratio, in years: gross investment per unit of added yearly output.

    investment_share (of output) and growth (of output, at constant prices) broadcast.
    Raises ValueError where investment_share < 0 or growth <= 0. Source: Harrod-Domar, (I/Y) / g.
    """
    remedy = "must be positive: without added output there is no ratio; average over more years"
    i, g = _checked(investment_share=(investment_share, _INVESTMENT), growth=(growth, _Domain(0, np.inf, remedy)))
    return _plain(i / g)
