"""Back-test: a projection from what was known by a year, held against the recorded values of later years and against naive forecasts.

What the parameters carry of the past is fitted to the record up to the base year by weighting draws from the priors
(sampling-importance resampling: Rubin 1988; Smith and Gelfand 1992). No value after the split enters. Points that were used to set
an input, stand on another statistical basis, or speak for part of a year are shown and kept out of every score.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from simulate import outturns, setups, units
from simulate.attainment import GROWTH
from simulate.distributions import uniforms
from simulate.errors import InvalidInput, Problem
from simulate.model import Array
from simulate.outturns import Link, Point
from simulate.registry import Registry
from simulate.runs import BLOCK, Trajectories, project
from simulate.scenarios import Scenario, default_scenario, load_scenario
from simulate.setups import Setup

LEVELS = (0.05, 0.25, 0.50, 0.75, 0.95)
"""Quantiles of every projection: ends of the 90 % and the 50 % band, and the median."""

NAIVE = {"unchanged": {"zh": "维持上年值", "en": "last value held"}, "last": {"zh": "延续上期增速", "en": "last growth continued"},
         "average": {"zh": "延续平均增速", "en": "average growth continued"}}
"""The naive forecasts, from values known by the split year."""


@dataclass(frozen=True)
class Held:
    """One recorded value held against the projection, all in the point's unit.

    `quantiles` (at `LEVELS`) are those of the runs, `predictive` with the disturbances of single years and errors of measurement
    added. `rank` is the share of runs below the recorded value; `probability` the share that satisfies a bound, or lies in the
    band of a part of a year. `crps` is the continuous ranked probability score of the runs (Gneiting and Raftery 2007), an
    absolute error where the forecast is one number. `naive` maps the names of `NAIVE` to forecasts, where the record allows.
    """

    point: Point
    quantiles: tuple[float, ...]
    predictive: tuple[float, ...]
    rank: float
    probability: float | None
    crps: float
    crps_predictive: float
    naive: Mapping[str, float]

    @property
    def median(self) -> float:
        """Median of the runs."""
        return self.quantiles[2]

    @property
    def error(self) -> float:
        """Recorded value less median."""
        return self.point.value - self.median

    def inside(self, band: int, predictive: bool = False) -> bool:
        """Whether the recorded value lies in the `band` (50 or 90) per cent band."""
        q = self.predictive if predictive else self.quantiles
        low, high = {50: (q[1], q[3]), 90: (q[0], q[4])}[band]
        return low <= self.point.value <= high

    def naive_error(self, name: str) -> float | None:
        """Absolute error of a naive forecast; of a bound, how far the forecast misses it."""
        return None if name not in self.naive else _miss(self.point, self.naive[name])

    @property
    def median_error(self) -> float:
        """Absolute error of the median; of a bound, how far the median misses it."""
        return _miss(self.point, self.median)


def _miss(p: Point, forecast: float) -> float:
    if p.sense in ("equal", "about"):
        return abs(p.value - forecast)
    return max(p.value - forecast, 0.0) if p.low_side else max(forecast - p.value, 0.0)


@dataclass(frozen=True)
class Coverage:
    """How many of `n` values lie in the band, with the 95 % interval of the share (Clopper and Pearson 1934)."""

    band: int
    n: int
    inside: int

    @property
    def share(self) -> float:
        """Share inside (NaN where n is 0)."""
        return self.inside / self.n if self.n else float("nan")

    @cached_property
    def interval(self) -> tuple[float, float]:
        """95 % interval of the share, had the values been independent."""
        if not self.n:
            return 0.0, 1.0
        from scipy.stats import beta

        low = float(beta.ppf(0.025, self.inside, self.n - self.inside + 1)) if self.inside else 0.0
        high = float(beta.ppf(0.975, self.inside + 1, self.n - self.inside)) if self.inside < self.n else 1.0
        return low, high


@dataclass(frozen=True)
class Theil:
    """Theil's inequality coefficients (1958, 1966) of `n` forecasts, and the shares of the mean square error.

    `u1` = RMSE/(root mean square of forecasts + that of recorded values); `u2` = RMSE over that of the naive forecast
    `against`. Shares: `bias` (means), `variance` (spreads), `covariance` (the rest); they add up to 1.
    """

    n: int
    u1: float
    u2: float | None
    bias: float
    variance: float
    covariance: float
    rmse: float
    against: str = "last"


def theil(forecast: Sequence[float] | Array, actual: Sequence[float] | Array, naive: Sequence[float] | Array | None = None,
          against: str = "last") -> Theil:
    """Return Theil's coefficients of forecasts against actual values (same shape and unit; at least two)."""
    f, a = np.asarray(forecast, dtype=float), np.asarray(actual, dtype=float)
    mse = float(np.mean((f - a) ** 2))
    sf, sa = float(f.std()), float(a.std())
    bias = float(f.mean() - a.mean()) ** 2
    variance = (sf - sa) ** 2
    covariance = max(mse - bias - variance, 0.0)  # = 2(1 - r)·sf·sa
    whole = mse if mse > 0 else float("nan")
    scale = float(np.sqrt(np.mean(f**2)) + np.sqrt(np.mean(a**2)))
    u2 = None
    if naive is not None:
        other = float(np.sqrt(np.mean((np.asarray(naive, dtype=float) - a) ** 2)))
        u2 = float(np.sqrt(mse)) / other if other > 0 else None
    return Theil(len(f), float(np.sqrt(mse)) / scale if scale else float("nan"), u2, bias / whole, variance / whole, covariance / whole,
                 float(np.sqrt(mse)), against)


def crps(runs: Array, value: float) -> float:
    """Return the continuous ranked probability score of an ensemble: mean |x - value| - mean |x - x'| / 2, in the unit of x."""
    x = np.sort(runs)
    n = len(x)
    spread = 2 * float(np.sum((2 * np.arange(1, n + 1) - n - 1) * x)) / n**2
    return float(np.mean(np.abs(x - value))) - spread / 2


@dataclass(frozen=True)
class Mean:
    """Mean yearly growth over `years` years in per cent: recorded, the runs' quantiles (at `LEVELS`), the share of runs below."""

    years: int
    value: float
    quantiles: tuple[float, ...]
    rank: float


@dataclass(frozen=True)
class Fit:
    """How the record up to the base year was used: `links` weighed, `effective` draws left of `draws` (1/sum of squared weights).

    `moments` maps each parameter concerned to its (mean, standard deviation) before and after.
    """

    links: tuple[Link, ...]
    draws: int
    effective: float
    moments: Mapping[str, tuple[tuple[float, float], tuple[float, float]]]


@dataclass(frozen=True)
class Backtest:
    """A projection held against recorded values after `split`.

    `held` are all points; only those of status counted enter scores, bounds too in the mean absolute errors.
    """

    setup: Setup
    registry: Registry
    split: int
    runs: int
    seed: int
    held: tuple[Held, ...]
    fit: Fit
    trajectories: Trajectories = field(repr=False)

    @property
    def counted(self) -> tuple[Held, ...]:
        """The points that enter coverage, Theil's U and CRPS."""
        return tuple(h for h in self.held if h.point.status == "counted")

    @cached_property
    def series(self) -> dict[str, tuple[Held, ...]]:
        """The counted points and bounds by indicator."""
        found: dict[str, list[Held]] = {}
        for h in self.held:
            if h.point.status in ("counted", "bound"):
                found.setdefault(h.point.indicator, []).append(h)
        return {name: tuple(hs) for name, hs in found.items()}

    def coverage(self, band: int, predictive: bool = False, indicator: str | None = None) -> Coverage:
        """Return how many counted points (of one indicator) lie in the 50 or 90 per cent band."""
        hs = [h for h in self.counted if indicator in (None, h.point.indicator)]
        return Coverage(band, len(hs), sum(h.inside(band, predictive) for h in hs))

    @cached_property
    def theil(self) -> dict[str, Theil]:
        """Theil's U by indicator, where at least two points count."""
        found = {}
        for name, hs in self.series.items():
            exact = [h for h in hs if h.point.status == "counted"]
            if len(exact) >= 2:
                reference = next((r for r in ("last", "unchanged") if all(r in h.naive for h in exact)), None)
                found[name] = theil([h.median for h in exact], [h.point.value for h in exact],
                                    [h.naive[reference] for h in exact] if reference else None, reference or "none")
        return found

    @cached_property
    def errors(self) -> dict[str, dict[str, float]]:
        """Mean absolute error by indicator: of the median ("model"), of each naive forecast that all its points have; bias, mean CRPS."""
        found: dict[str, dict[str, float]] = {}
        for name, hs in self.series.items():
            row = {"model": float(np.mean([h.median_error for h in hs]))}
            for other in NAIVE:
                misses = [h.naive_error(other) for h in hs]
                if all(m is not None for m in misses):
                    row[other] = float(np.mean([m for m in misses if m is not None]))
            exact = [h for h in hs if h.point.status == "counted"]
            if exact:
                row["bias"] = float(np.mean([h.error for h in exact]))
                row["crps"] = float(np.mean([h.crps for h in exact]))
                row["crps_predictive"] = float(np.mean([h.crps_predictive for h in exact]))
            found[name] = row
        return found

    @cached_property
    def means(self) -> dict[str, Mean]:
        """Mean yearly growth since the base year, where every year of at least two is recorded: good and bad years cancel in it."""
        found = {}
        for name, hs in self.series.items():
            exact = sorted((h.point for h in hs if h.point.status == "counted" and h.point.kind == "growth"), key=lambda p: p.year)
            base, n = self.setup.base_year, len(exact)
            if n >= 2 and [p.year for p in exact] == list(range(base + 1, base + n + 1)):
                x = self.trajectories.indicator(exact[0].of)[:, self.trajectories.finite]
                rate = 100 * ((x[n] / x[0]) ** (1 / n) - 1)
                value = 100 * float(np.expm1(np.mean([p.observed for p in exact])))
                q = [float(v) for v in np.quantile(rate, LEVELS)]
                found[name] = Mean(n, value, tuple(q), float(np.mean(rate < value)))
        return found

    def sentences(self, lang: str = "zh") -> list[str]:
        """Say plainly what the comparison shows: bands, bias, where the model is no better than a naive forecast, what was left out."""
        return [*_scores(self, lang), *_against_naive(self, lang), *_aside(self, lang)]

    def plain(self) -> dict[str, Any]:
        """Return the back-test as plain data for JSON."""
        points = []
        for h in self.held:
            p = h.point
            points.append({
                "indicator": p.indicator, "region": p.region, "year": p.year, "months": p.months, "recorded": p.value, "unit": p.unit,
                "sense": p.sense, "grade": p.grade, "vintage": p.vintage, "source": p.source, "status": p.status, "band": p.band,
                "quantiles": dict(zip(map(str, LEVELS), h.quantiles, strict=True)),
                "predictive": dict(zip(map(str, LEVELS), h.predictive, strict=True)),
                "inside_50": h.inside(50), "inside_90": h.inside(90), "rank": h.rank, "probability": h.probability, "crps": h.crps,
                "crps_predictive": h.crps_predictive, "naive": dict(h.naive), "error": h.error,
                "naive_errors": {n: h.naive_error(n) for n in h.naive}})
        cover = [{"band": c.band, "predictive": predictive, "n": c.n, "inside": c.inside, "interval_95": c.interval}
                 for predictive in (False, True) for c in (self.coverage(50, predictive), self.coverage(90, predictive))]
        return {"region": self.setup.scenario.region, "scenario": self.setup.scenario.id, "split": self.split, "runs": self.runs,
                "seed": self.seed, "points": points, "coverage": cover, "errors": self.errors,
                "theil": {n: dataclasses.asdict(t) for n, t in self.theil.items()},
                "mean_growth": {n: dataclasses.asdict(m) for n, m in self.means.items()},
                "fit": {"links": [{"name": k.name, "observed": k.observed, "sd": k.sd, "parameters": [*k.rates, *k.logarithms],
                                   "years": k.years, "used": k.used} for k in self.fit.links],
                        "draws": self.fit.draws, "effective": self.fit.effective,
                        "moments": {n: {"prior": m[0], "fitted": m[1]} for n, m in self.fit.moments.items()}},
                "hindsight": [{"input": a.indicator or a.parameter, "years": y, "basis": a.basis}
                              for a, y in outturns.hindsights(self.registry, self.setup)],
                "sentences": {lang: self.sentences(lang) for lang in ("zh", "en")}, "provenance": self.trajectories.provenance}


def backtest(registry: Registry, scenario: Scenario | str | None = None, *, region: str | None = None, split: int | None = None,
             runs: int = 2000, seed: int | None = None, fit: bool = True,
             progress: Callable[[int, int], None] | None = None) -> Backtest:
    """Project `scenario` (default: that of `region`) from its base year and hold it against recorded values after `split`.

    `split` is the last year known: the base year, or the last year that the scenario's parameters were fitted to. With `fit` the
    draws are weighed by the record up to the base year, unless the scenario was fitted already. Naive forecasts use values up to
    `split`. Raises InvalidInput where the region has no recorded value after `split` that the model projects.
    """
    if scenario is None:
        if region is not None:
            registry.region(region)
        scenario = default_scenario(region)
    chosen = load_scenario(scenario) if isinstance(scenario, str) else scenario
    if region is not None and region != chosen.region:
        registry.region(region)
        chosen = dataclasses.replace(chosen, region=region, id=f"{chosen.id}@{region}", fitted={})  # to another place's records
    if runs < 20:
        raise InvalidInput(Problem(f"runs: {runs} is too few to tell a 90 % band.", "Give at least 20; 2000 is usual."))
    seed = chosen.seed if seed is None else seed
    if seed < 0:
        raise InvalidInput(Problem(f"seed: {seed} is negative.", "Give a whole number from 0 on."))
    base = registry.base_year(chosen.region)
    known = [y for years in chosen.fitted.values() for y in years]
    split = max([base, *known]) if split is None else split
    if split < base:
        raise InvalidInput(Problem(f"split: {split} is before the base year {base}: the projection begins there.",
                                   f"Give {base} or a later year."))
    setup = setups.resolve(registry, dataclasses.replace(chosen, horizon=max(chosen.horizon, base + 1)))
    points = [p for p in outturns.recorded(registry, setup, split) if p.year <= chosen.horizon]
    if not points:
        remedy = "Add outturns: to a seed file (see --data), or choose an earlier split or another region."
        if known:
            remedy = f"The scenario was fitted to records up to {max(known)}: fit up to an earlier year (calibrate --until)."
        what = f"region {chosen.region!r}: no value recorded after {split} can be held against the projection."
        raise InvalidInput(Problem(what, remedy))
    horizon = max(p.year for p in points)
    short = dataclasses.replace(chosen, horizon=horizon, report_years=(horizon,))
    setup = setups.resolve(registry, short)
    drawn, how = _fitted(registry, setup, runs, seed, fit and not chosen.fitted)
    trajectories = _projected(registry, setup, drawn, runs, seed, points, progress)
    good = trajectories.finite
    if not good.any():
        raise InvalidInput(Problem("backtest: no run stayed within the finite numbers.",
                                   "Check the scenario's parameters with `simulate run`."))
    told = outturns.predicted(trajectories, points)[:, good]
    spread = np.sqrt(np.diag(outturns.error_covariance(points, base)))
    held = tuple(_hold(registry, setup, p, x, sd, split, seed) for p, x, sd in zip(points, told, spread, strict=True))
    return Backtest(setup, registry, split, runs, seed, held, how, trajectories)


def _projected(registry: Registry, setup: Setup, drawn: Mapping[str, Array], runs: int, seed: int, points: Sequence[Point],
               progress: Callable[[int, int], None] | None) -> Trajectories:
    """Project runs whose uncertain values are `drawn`, in blocks, keeping what the points and the charts need."""
    years = setup.scenario.horizon - setup.base_year
    names = ["gdp", "price_level", "high_tech_enterprises", "rd_intensity", "gross_industrial_output", "labour_productivity", "employment",
             "fixed_asset_investment", "market_entities", "eaglet_enterprises", "gazelle_enterprises", "listed_enterprises",
             "general_budget_revenue", "industrial_share", "cluster_revenue"]
    over = setup.model.over
    values = {n: np.empty((years + 1, *((setup.elements[o],) if (o := over[n]) else ()), runs)) for n in names}
    for start in range(0, runs, BLOCK):
        stop = min(start + BLOCK, runs)
        for n, array in project(setup, {k: a[start:stop] for k, a in drawn.items()}, stop - start, names).items():
            values[n][..., start:stop] = array
        if progress:
            progress(stop, runs)
    return Trajectories(setup, registry, setup.base_year + np.arange(years + 1.0), values, dict(drawn), seed)


def _fitted(registry: Registry, setup: Setup, runs: int, seed: int, fit: bool) -> tuple[dict[str, Array], Fit]:
    """Return draws that carry the record up to the base year: priors weighed by it and resampled systematically."""
    every = outturns.links(registry, setup) if fit else []
    used = [k for k in every if k.used]
    if not used:
        return setup.draw(0, runs, seed), Fit(tuple(every), runs, float(runs), {})
    many = 8 * runs  # weighing costs nothing beside projecting
    prior = setup.draw(0, many, seed)
    parameters = setup.parameters(prior)
    logs = -0.5 * sum((((k.observed - k.predicted(parameters)) / k.sd) ** 2 for k in used), np.zeros(many))
    weights = np.exp(logs - logs.max())
    weights /= weights.sum()
    offset = (np.arange(runs) + float(uniforms(seed, "backtest/resample", 0, 1)[0])) / runs
    # stratify along the prior draws' own order: each is taken floor or ceil of runs x weight times
    chosen = np.searchsorted(np.cumsum(weights), offset * (1 - 1e-12)).clip(max=many - 1)
    names = sorted({n for k in used for n in (*k.rates, *k.logarithms) if n in prior})

    def moments(n: str) -> tuple[tuple[float, float], tuple[float, float]]:
        x = prior[n]
        mean = float(weights @ x)
        return (float(x.mean()), float(x.std())), (mean, float(np.sqrt(weights @ (x - mean) ** 2)))

    return {k: a[chosen] for k, a in prior.items()}, Fit(tuple(every), many, float(1 / np.sum(weights**2)), {n: moments(n) for n in names})


def _hold(registry: Registry, setup: Setup, p: Point, x: Array, sd: float, split: int, seed: int) -> Held:
    from scipy.special import ndtri

    noise = ndtri(uniforms(seed, f"backtest/{p.name}", 0, len(x))) * sd
    with np.errstate(all="ignore"):
        disturbed = outturns.from_error_scale(p, outturns.on_error_scale(p, x) + noise)
    probability = None
    if p.band is not None:
        probability = float(np.mean((x >= p.band[0]) & (x <= p.band[1])))
    elif p.sense not in ("equal", "about"):
        probability = float(np.mean(x >= p.value if p.low_side else x <= p.value))
    q, d = np.quantile(x, LEVELS), np.quantile(disturbed, LEVELS)
    rank = float(np.mean(x < p.value) + 0.5 * np.mean(x == p.value))
    return Held(p, tuple(map(float, q)), tuple(map(float, d)), rank, probability, crps(x, p.value), crps(disturbed, p.value),
                {} if p.band is not None else naive(registry, setup, p, split))


def naive(registry: Registry, setup: Setup, point: Point, split: int) -> dict[str, float]:
    """Return the naive forecasts of a point from values known by `split`, by name; those that the record does not allow are absent.

    Growth: the last recorded rate, and the mean of the recorded rates; where fewer than two are recorded, the mean growth at
    current prices less the prior median of the deflator's. Levels and counts: the last value, carried on at its last and at its
    mean growth. Ratios: the last value, and its mean yearly change carried on.
    """
    record = outturns.history(registry, point.region, point.indicator, split)
    years = list(record)
    found: dict[str, float] = {}
    if point.kind == "growth":
        if record:
            found["last"] = record[years[-1]]
        if len(record) >= 2:
            found["average"] = float(np.mean(list(record.values())))
        else:
            level = outturns.history(registry, point.region, GROWTH[point.indicator], split)
            if len(level) >= 3:
                first, last = min(level), max(level)
                drift = setup.values.get("deflator_growth", 0.0)
                prices = float(drift) if isinstance(drift, float | int) else drift.centre
                found["average"] = 100 * float(np.expm1(np.log(level[last] / level[first]) / (last - first) - prices))
        return found
    if not record:
        return {}
    ahead, end = point.year - years[-1], record[years[-1]]
    found["unchanged"] = end
    if point.kind == "ratio":
        if len(record) >= 2:
            found["average"] = end + ahead * (end - record[years[0]]) / (years[-1] - years[0])
        return found
    if len(record) >= 2:
        for name, k in (("last", -2), ("average", 0)):
            found[name] = end * (end / record[years[k]]) ** (ahead / (years[-1] - years[k]))
    return found


# ---------------------------------------------------------------- in words

CLEARLY = 0.95
"""A model whose mean absolute error is not below this part of a naive forecast's is called no better."""

REASONS = {
    "part of a year": ("只覆盖部分月份（低基数年份的半年增速不能当作全年）",
                       "part of a year only (half a year on a low base is not the year)"),
    "new basis": ("统计口径已变（普查修订等），不能与基年相接",
                  "on a later statistical basis (census), not to be chained with the base year"),
    "not independent": ("已用于推算基年输入，检验不了什么", "used to set a base-year input, so it tests nothing"),
    "fitted": ("已用于拟合参数，不再用来检验", "used to fit the parameters, so not validated on"),
}
"""Why a point is shown and not scored, in Chinese and English."""


def _say(lang: str, zh: str, en: str) -> str:
    return en if lang == "en" else zh


def _shown(x: float, p: Point) -> str:
    return f"{x:,.0f}" if abs(x) >= 1000 else f"{x:.2f}" if p.unit == "%" else f"{x:,.1f}"


def _unit(p: Point, lang: str) -> str:
    return _say(lang, "个百分点", "points") if p.unit == "%" else units.label(p.unit, lang)


def _scores(b: Backtest, lang: str) -> list[str]:
    """Bands and bias."""
    if not b.counted:
        return [_say(lang, f"{b.split}年之后没有可计分的全年记录值：以下仅供对照，区间未得到检验。",
                     f"No whole-year value after {b.split} can be scored: what follows is for comparison, and the bands stay untested.")]
    found = []
    for predictive in (False, True):
        half, nine = b.coverage(50, predictive), b.coverage(90, predictive)
        (low, high), (low9, high9) = half.interval, nine.interval
        what = _say(lang, "加上单年扰动与统计误差，", "With yearly disturbances and errors of record, the ") if predictive else _say(
            lang, "各次模拟的", "The runs' ")
        found.append(_say(
            lang, f"{what}50%区间含{half.n}个记录值中的{half.inside}个，90%区间含{nine.inside}个（样本少：覆盖率的95%区间为"
                  f"{low:.0%}–{high:.0%}与{low9:.0%}–{high9:.0%}，且各点并不独立）。",
            f"{what}50 % band holds {half.inside} of {half.n} recorded values, the 90 % band {nine.inside} (few values: 95 % intervals of "
            f"the shares {low:.0%} to {high:.0%} and {low9:.0%} to {high9:.0%}, and the values are not independent)."))
        if not predictive and (high < 0.5 or high9 < 0.9):
            found.append(_say(lang, "区间偏窄，非偶然可以解释。", "The bands are too narrow, beyond what chance explains."))
    for name, hs in b.series.items():
        exact = [h for h in hs if h.point.status == "counted"]
        if len(exact) < 2:
            continue
        p, label, n = exact[0].point, b.registry.catalogue[name].label(lang), len(exact)
        above, mean = sum(h.error > 0 for h in exact), float(np.mean([h.error for h in exact]))
        size, unit = _shown(abs(mean), p), _unit(p, lang)
        half, nine = b.coverage(50, indicator=name), b.coverage(90, indicator=name)
        found.append(_say(
            lang, f"{label}：50%区间含{n}个中的{half.inside}个，90%区间含{nine.inside}个；"
                  f"记录值平均比中位数{'高' if mean > 0 else '低'}{size}{unit}，{n}年中有{above}年高于中位数。",
            f"{label}: 50 % band {half.inside} of {n}, 90 % band {nine.inside}; recorded values lie {size} {unit} "
            f"{'above' if mean > 0 else 'below'} the median on average, {above} of {n} above it."))
        m = b.means.get(name)
        if m is not None:
            least, middle, most = (f"{m.quantiles[k]:.2f}" for k in (0, 2, 4))
            found.append(_say(lang, f"{label}：{m.years}年平均记录为{m.value:.2f}%，模拟中位数{middle}%（90%区间{least}%–{most}%），"
                                    f"{m.rank:.0%}的模拟更低。",
                              f"{label}: recorded mean of {m.years} years {m.value:.2f} %, the runs' {middle} % (90 % band {least} to "
                              f"{most}), {m.rank:.0%} of runs lower."))
    return found


def _against_naive(b: Backtest, lang: str) -> list[str]:
    """Where the model is no better than a naive forecast, series by series; no better first."""
    better, not_better = [], []
    for name, row in b.errors.items():
        hs = b.series[name]
        label, p, n = b.registry.catalogue[name].label(lang), hs[0].point, len(hs)
        unit = _unit(p, lang)
        for other, words in NAIVE.items():
            if other not in row:
                continue
            what, mine, theirs = words[lang], _shown(row["model"], p), _shown(row[other], p)
            numbers = _say(lang, f"平均绝对误差{mine}对{theirs}{unit}（n={n}）",
                           f"mean absolute error {mine} against {theirs} {unit} (n = {n})")
            if p.kind == "growth" and other == "average" and len(outturns.history(b.registry, p.region, name, b.split)) < 2:
                what += _say(lang, "（现价记录减平减指数先验中位数：实际增速的记录不足两年）",
                             " (at current prices, less the deflator's prior median: fewer than two real rates are recorded)")
            if row["model"] == row[other] == 0:
                not_better.append(_say(lang, f"{label}：记录只是一侧界限，模型与“{what}”都满足，分不出优劣（n={n}）。",
                                       f"{label}: the record is a bound that both the model and '{what}' satisfy: no telling apart "
                                       f"(n = {n})."))
            elif row["model"] > CLEARLY * row[other]:
                not_better.append(_say(lang, f"{label}：模型不比“{what}”更好，{numbers}。",
                                       f"{label}: the model is no better than '{what}': {numbers}."))
            else:
                better.append(_say(lang, f"{label}：模型优于“{what}”，{numbers}。",
                                   f"{label}: the model is better than '{what}': {numbers}."))
        if not any(other in row for other in NAIVE):
            better.append(_say(lang, f"{label}：{b.split}年前的记录不足以作出任何天真预测。",
                               f"{label}: the record up to {b.split} allows no naive forecast."))
    return not_better + better


def _aside(b: Backtest, lang: str) -> list[str]:
    """What was shown and not scored, what the fit used, and later knowledge in the inputs."""
    found = []
    comma, base = _say(lang, "、", ", "), b.setup.base_year
    for reason, (zh, en) in REASONS.items():
        names = comma.join(h.point.name for h in b.held if h.point.status == reason)
        if names:
            found.append(_say(lang, f"不计分：{names}，{zh}。", f"Not scored: {names}: {en}."))
    for h in b.held:
        p = h.point
        chance = f"{h.probability:.0%}" if h.probability is not None else ""
        if p.status == "bound":
            side, value = _say(lang, "高于" if p.low_side else "低于", "above" if p.low_side else "below"), f"{p.value:,.10g}"
            found.append(_say(lang, f"{p.name}：记录为{side}{value}{p.unit}，{chance}的模拟符合。",
                              f"{p.name}: recorded as {side} {value} {units.label(p.unit, lang)}; {chance} of runs agree."))
        if p.band is not None:
            low, high = (f"{x:.1f}" for x in p.band)
            found.append(_say(lang, f"{p.name}：全年约在{low}%–{high}%之间（其余月份零增长至同速），"
                                    f"模型全年中位数{h.median:.1f}%，{chance}的模拟落入。",
                              f"{p.name}: puts the year between {low} and {high} % (rest of the year: none to the same growth); the "
                              f"model's year has median {h.median:.1f} %, {chance} of runs lie within."))
    for k in b.fit.links:
        label, on = k.label(lang), comma.join((*k.rates, *k.logarithms))
        span = f"{min(k.years)}" + (f"–{max(k.years)}" if len(k.years) > 1 else "")
        rate, sd = f"{100 * k.observed:.1f}", f"{100 * k.sd:.1f}"
        found.append(_say(lang, f"拟合使用：{label}（{span}）{rate}%±{sd}点，约束{on}。",
                          f"Fitted to: {label} ({span}) {rate} % ± {sd} points, on {on}.") if k.used else _say(
            lang, f"未再使用：{label}，地区数据已据此设定参数。", f"Not used again: {label}; the region's data already rest on it."))
    if b.setup.scenario.fitted:
        found.append(_say(lang, "参数来自情景文件中的拟合结果。", "Parameters are those that the scenario was fitted with."))
    elif not any(k.used for k in b.fit.links):
        found.append(_say(lang, f"参数取先验：未用{base}年及以前的记录拟合。",
                          f"Parameters are the priors: nothing was fitted to the record up to {base}."))
    for a, years in outturns.hindsights(b.registry, b.setup):
        what, when = a.indicator or a.parameter, comma.join(map(str, years))
        found.append(_say(lang, f"注意：输入{what}的推算用到了{base}年以后的数据（{when}），并非当时所知。",
                          f"Mind: the input {what} was set with data from after {base} ({when}): not known at the time."))
    if b.setup.scenario.shocks:
        found.append(_say(lang, "情景含冲击：其年份与大小若为事后设定，本检验便不是真正的事前预测。",
                          "The scenario holds shocks: where their years and sizes were set with hindsight, this is no test of a forecast."))
    found.append(_say(lang, "模型结构与先验写于这些年份之后，作者当时已知的事无法从检验中抹去；记录取现今公布值，不是当时的版本。",
                      "Structure and priors were written after these years: no back-test undoes what their authors knew. Records are as "
                      "published now, not as known then."))
    return found
