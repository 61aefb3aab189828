"""Recorded values as observations of the model: which of them it can be held against, how well each is known, what came before.

All errors are on the logarithm of what is observed: of a level, a count or a ratio, or of one plus a growth rate. Two kinds
are told apart: error of measurement, by the grade of the source, and the disturbances of single years, which the model leaves
out and which add up in levels. Records are those now published for a year, not those known at the time.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from simulate import units
from simulate.attainment import GROWTH
from simulate.model import Array
from simulate.region import OUTPUTS
from simulate.registry import Registry
from simulate.runs import Trajectories, at_current_prices
from simulate.setups import Setup
from simulate.targets import Assumption, Outturn

Kind = Literal["growth", "money", "count", "ratio"]
Status = Literal["counted", "bound", "part of a year", "new basis", "not independent", "fitted"]

MEASUREMENT: Mapping[Kind, Mapping[str, float]] = {
    "growth": {"A": 0.002, "B": 0.003, "C": 0.010}, "money": {"A": 0.005, "B": 0.010, "C": 0.050},
    "count": {"A": 0.010, "B": 0.020, "C": 0.050}, "ratio": {"A": 0.020, "B": 0.030, "C": 0.080}}
"""Standard deviation of the error of measurement, by kind and grade of source: judgement."""

DISTURBANCE: Mapping[Kind, float] = {"growth": 0.020, "money": 0.020, "count": 0.040, "ratio": 0.030}
"""Standard deviation of one year's disturbance: judgement (Chinese provinces' real growth varies by some two points)."""

PRICES = 0.015
"""Standard deviation of one year's disturbance of the deflator: judgement."""


@dataclass(frozen=True)
class Point:
    """A recorded value that the model projects: `value` in `unit` for calendar `year`.

    `of` is the projected indicator that it is, or is the growth of. `status` says whether it counts: as "counted", as a "bound"
    (more than, at least: one side only), or why not. For part of a year, `band` is where the year's growth lies if growth in
    the rest of the year is between none and the same.
    """

    indicator: str
    of: str
    kind: Kind
    region: str
    year: int
    value: float
    unit: str
    sense: str
    grade: str
    status: Status
    source: str
    vintage: str = ""
    nominal: bool = False
    months: tuple[int, int] | None = None
    band: tuple[float, float] | None = None

    @property
    def name(self) -> str:
        """Indicator and year, as in gdp_growth@2023."""
        return f"{self.indicator}@{self.year}" + (f"[{self.months[0]}-{self.months[1]}]" if self.months else "")

    @property
    def observed(self) -> float:
        """What is observed, on the scale of errors (logarithm)."""
        return float(on_error_scale(self, np.array(self.value)))

    @property
    def low_side(self) -> bool:
        """Whether a bound is a lower one."""
        return self.sense in ("at_least", "more_than")


def on_error_scale(point: Point, x: Array) -> Array:
    """Return values of what `point` observes (in its unit, any shape) on the scale of errors: logarithms."""
    return np.log1p(x / 100) if point.kind == "growth" else np.log(x)


def from_error_scale(point: Point, x: Array) -> Array:
    """Inverse of `on_error_scale`."""
    return 100 * np.expm1(x) if point.kind == "growth" else np.exp(x)


def basis_of(outturn: Outturn) -> Literal["same", "earlier", "later", "superseded"]:
    """Return which statistical basis a recorded value stands on, as its vintage and note say in words.

    "earlier" and "later" must not be chained with "same": a census or a change of coverage lies between.
    """
    words = f"{outturn.vintage or ''} {outturn.note or ''}".lower()
    if "superseded" in words:
        return "superseded"
    if re.search(r"\bpost\b", words):
        return "later"
    return "earlier" if re.search(r"\bold\b|pre-squeeze|registered-place", words) else "same"


def _rank(outturn: Outturn) -> tuple[bool, str]:
    """Revised values before preliminary ones, then by grade."""
    return not (outturn.vintage or "").startswith(("revised", "final")), outturn.grade


def _whole_year(outturn: Outturn) -> bool:
    return outturn.months in (None, (1, 12))


def recorded(registry: Registry, setup: Setup, after: int, until: int | None = None) -> list[Point]:
    """Return the recorded values of the setup's region for years after `after` (up to `until`) that the model can be held against.

    Of several vintages of one value the best is taken: revised before preliminary, better grade first. Left out: superseded
    values, values of an earlier statistical basis, levels of part of a year, indicators that are not projected.
    """
    region = setup.scenario.region
    projected = set(_sources(setup))
    hindsight = {(a.indicator, year) for a, years in hindsights(registry, setup) for year in years}
    best: dict[tuple[str, int, tuple[int, int] | None], Outturn] = {}
    for o in registry.outturns:
        whole = _whole_year(o)
        if (o.region != region or o.role != "achieved" or o.year <= after or (until is not None and o.year > until)
                or GROWTH.get(o.indicator, o.indicator) not in projected or basis_of(o) in ("superseded", "earlier")
                or (not whole and o.indicator not in GROWTH)):
            continue
        key = (o.indicator, o.year, None if whole else o.months)
        if key not in best or _rank(o) < _rank(best[key]):
            best[key] = o
    found = [_point(registry, region, o, hindsight, setup.scenario.fitted) for o in best.values()]
    return sorted(found, key=lambda p: (p.kind != "growth", p.indicator, p.year, p.months or (0, 0)))


def _sources(setup: Setup) -> dict[str, str]:
    """Return the model's variable behind every indicator that the setup's region projects."""
    found = {setup.region.inputs.get(o.variable, o.indicator): o.variable for o in OUTPUTS}
    found |= {c.revenue: "cluster_revenue" for c in setup.region.clusters.values()}
    return found | {s.share: "industrial_share" for s in setup.region.sectors.values() if s.industrial and s.share}


def variables(setup: Setup, points: Iterable[Point]) -> tuple[str, ...]:
    """Return the model's variables that predictions of `points` need."""
    source = _sources(setup)
    return tuple(dict.fromkeys(["gdp", "price_level", *(source[p.of] for p in points)]))


def _point(registry: Registry, region: str, o: Outturn, hindsight: set[tuple[str | None, int]],
           fitted: Mapping[str, tuple[int, ...]]) -> Point:
    known = registry.catalogue[o.indicator]
    of = GROWTH.get(o.indicator, o.indicator)
    money = "CNY" in units.VOCABULARY[known.unit][0]
    kind: Kind = "growth" if o.indicator in GROWTH else "ratio" if known.kind in ("ratio", "share") else "money" if money else "count"
    value = units.convert(o.value, o.unit, known.unit)
    part = not _whole_year(o)
    status: Status = ("fitted" if o.year in fitted.get(o.indicator, ()) else "part of a year" if part
                      else "not independent" if (of, o.year) in hindsight
                      else "new basis" if basis_of(o) == "later" and kind != "growth"
                      else "counted" if o.sense in ("equal", "about") else "bound")
    band = None
    if part and o.months is not None:
        share = (o.months[1] - o.months[0] + 1) / 12
        low, high = sorted((share * value, value))
        band = (low, high)
    return Point(o.indicator, of, kind, region, o.year, value, known.unit, o.sense, o.grade, status, o.source, o.vintage or "",
                 money and o.price_basis != "constant", o.months if part else None, band)


def hindsights(registry: Registry, setup: Setup) -> list[tuple[Assumption, tuple[int, ...]]]:
    """Return the region's assumptions in use whose stated basis names years after the base year, with those years.

    What was set with later knowledge cannot be tested on the same values.
    """
    last = max((o.year for o in registry.outturns if o.role == "achieved"), default=setup.base_year)
    used = {o.basis for o in setup.unstated}
    found = []
    for a in registry.assumptions:
        if a.region == setup.scenario.region and a.basis in used:
            years = tuple(sorted({int(y) for y in re.findall(r"(?<!\d)\d{4}(?![\d.]*\d)", a.basis) if setup.base_year < int(y) <= last}))
            if years:
                found.append((a, years))
    return found


def history(registry: Registry, region: str, indicator: str, until: int) -> dict[int, float]:
    """Return the recorded values of `indicator` by year up to `until`, in its catalogue unit, on one statistical basis.

    Recorded values come before what documents state for the year; money is at current prices.
    """
    unit = registry.catalogue[indicator].unit
    best: dict[int, Outturn] = {}
    for o in registry.outturns:
        if (o.region == region and o.indicator == indicator and o.year <= until and o.role == "achieved" and _whole_year(o)
                and o.sense in ("equal", "about") and basis_of(o) == "same" and (o.year not in best or _rank(o) < _rank(best[o.year]))):
            best[o.year] = o
    found = {year: units.convert(o.value, o.unit, unit) for year, o in best.items()}
    for s in registry.find(region=region, indicator=indicator, roles=("baseline", "achieved", "context"), used=True):
        if s.year is not None and s.year <= until and s.value is not None and s.sense in ("equal", "about") and s.relative_to is None:
            stated = registry.stated(region, indicator, s.year)
            if stated is not None and stated.value is not None and stated.sense in ("equal", "about"):
                found.setdefault(s.year, units.convert(float(stated.value), stated.unit, unit))
    return dict(sorted(found.items()))


def predicted(trajectories: Trajectories, points: Iterable[Point]) -> Array:
    """Return what the runs say of each point, in its unit: shape (points, runs). Growth is that of the whole year."""
    rows = []
    for p in points:
        x = at_current_prices(trajectories, p.of) if p.nominal else None
        x = trajectories.indicator(p.of) if x is None else x
        k = trajectories.index(p.year)
        factor = units.factor(trajectories.outputs[p.of].unit, p.unit) if p.kind != "growth" else 1.0
        with np.errstate(all="ignore"):
            rows.append(100 * (x[k] / x[k - 1] - 1) if p.kind == "growth" else factor * x[k])
    return np.array(rows).reshape(len(rows), trajectories.runs)


def error_covariance(points: Iterable[Point], base_year: int, disturbance: float = 1.0) -> Array:
    """Return the covariance of the errors of `points` on their scale: shape (points, points).

    Measurement on the diagonal; a year's disturbance is shared by that year's growth and all later levels of the same
    indicator, and all money at current prices shares the deflator's. `disturbance` scales the yearly ones (0: measurement only).
    """
    given = list(points)
    columns: dict[tuple[str, int], list[float]] = {}
    for row, p in enumerate(given):
        years = [p.year] if p.kind == "growth" else range(base_year + 1, p.year + 1)
        sources = [(p.of, DISTURBANCE[p.kind])] + ([("price level", PRICES)] if p.nominal else [])
        for name, size in sources:
            for year in years:
                columns.setdefault((name, year), [0.0] * len(given))[row] = disturbance * size
    loadings = np.array(list(columns.values())).reshape(len(columns), len(given)).T
    return np.asarray(loadings @ loadings.T + np.diag([MEASUREMENT[p.kind][p.grade] ** 2 for p in given]))


# ---------------------------------------------------------------- what the years up to the base year say of the base-year trends

@dataclass(frozen=True)
class Link:
    """What the record up to the base year says of parameters: `observed` = their sum (of logarithms for `logarithms`) ± `sd`.

    All are rates a year, continuous. `used` is false where the region's data already rest on the same record.
    """

    name: str
    observed: float
    sd: float
    rates: tuple[str, ...]
    logarithms: tuple[str, ...] = ()
    years: tuple[int, ...] = ()
    used: bool = True

    def label(self, lang: str) -> str:
        """Name for a reader of `lang` (zh or en)."""
        return LINKS_ZH.get(self.name, self.name) if lang == "zh" else self.name

    def predicted(self, parameters: Mapping[str, Array]) -> Array:
        """Return what the parameters say: shape (runs,), or (1,) where all are certain."""
        return sum((parameters[n] for n in self.rates), np.zeros(1)) + sum((np.log(parameters[n]) for n in self.logarithms), np.zeros(1))


LINKS_ZH = {
    "real growth before the base year": "基年前的实际增速", "growth of the base year": "基年增速",
    "growth at current prices before the base year": "基年前的现价增速",
    "growth of certified firms before the base year": "基年前高新技术企业增速"}


def links(registry: Registry, setup: Setup) -> list[Link]:
    """Return what recorded values of years up to the base year say of the parameters that carry the past into the projection.

    Trend: mean real growth before the base year or, where no two years are recorded, growth at current prices as trend plus
    deflator. Base year: its growth as trend plus what utilisation lost, had it been normal the year before. Certified firms:
    their mean growth.
    """
    region, base = setup.scenario.region, setup.base_year
    settled = {o.name for o in setup.origins}
    found: list[Link] = []

    def add(name: str, observed: float, sd: float, rates: tuple[str, ...], years: Iterable[int], logarithms: tuple[str, ...] = ()) -> None:
        names = (*rates, *logarithms)
        if any(n in setup.drawn for n in names):
            found.append(Link(name, observed, sd, rates, logarithms, tuple(years), not settled.intersection(names)))

    year_sd = DISTURBANCE["growth"]
    rates = {y: float(np.log1p(g / 100)) for y, g in history(registry, region, "gdp_growth", base).items()}
    before = {y: g for y, g in rates.items() if y < base}
    level = history(registry, region, "gdp", base - 1)
    if len(before) >= 2 or (before and len(level) < 3):
        add("real growth before the base year", float(np.mean(list(before.values()))), year_sd / len(before) ** 0.5,
            ("trend_growth_base",), before)
    elif len(level) >= 3:
        first, last = min(level), max(level)
        gap = last - first
        add("growth at current prices before the base year", float(np.log(level[last] / level[first])) / gap,
            float(np.hypot(year_sd, PRICES)) / gap ** 0.5, ("trend_growth_base", "deflator_growth"), level)
    if base in rates:
        add("growth of the base year", rates[base], year_sd, ("trend_growth_base",), (base,), ("utilisation_base",))
    firms = history(registry, region, "high_tech_enterprises", base)
    if len(firms) >= 2:
        first, last = min(firms), max(firms)
        gap = last - first
        add("growth of certified firms before the base year", float(np.log(firms[last] / firms[first])) / gap,
            DISTURBANCE["count"] * (1 + 1 / gap) ** 0.5, ("certified_growth_base",), firms)
    return found
