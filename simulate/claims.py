"""What a plan's numbers imply by arithmetic alone: growth from base to target, and what headline claims presuppose.

No solver and no model: each row can be checked with a pocket calculator. Whether all targets can be true at once is
the consistency engine's question.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from simulate import growth, units
from simulate.indicators import Indicator
from simulate.registry import Registry
from simulate.targets import Statement

VALUE_ADDED_RATIO = (0.18, 0.30)
"""Plausible industrial value added over gross output (a prior, named as such wherever it is used)."""
DEFLATOR = (0.0, 0.015, 0.03)
"""Plausible yearly growth of the GDP deflator: low, middle, high (a prior)."""


@dataclass(frozen=True)
class Implied:
    """One target and what it implies, in the indicator's unit.

    `growth` is the discrete yearly growth in per cent from base to target (for a cumulative total: the constant yearly
    growth of the flow that sums to it); for shares and rates `change` is in percentage points instead. `stated` is the
    growth that the plan itself states for the same indicator and end, in per cent a year. Where the plan states growth
    but no level for a quantity, `growth` repeats it and `value` is None.
    """

    indicator: Indicator
    base: Statement | None
    target: Statement
    base_value: float | None
    value: float | None
    growth: float | None
    change: float | None
    stated: float | None
    remark: str = ""


@dataclass(frozen=True)
class Threshold:
    """A headline claim in threshold form: growth of at least `rate` reaches `level` only from a base of at least `base`.

    `rate` in per cent a year over `years`; money in the indicator's unit. `stated` is the base value if a document states it.
    `low`, `high` and `grounds` are what other statements imply about the base. `real_base[k]` is the threshold where the level is
    at current prices, growth is real, and the deflator grows by DEFLATOR[k].
    """

    indicator: str
    level: float
    rate: float
    years: int
    base: float
    unit: str
    stated: float | None
    low: float | None
    high: float | None
    grounds: tuple[str, ...]
    real_base: tuple[float, ...]


def _in(s: Statement, unit: str) -> float:
    return units.convert(float(s.value or 0), s.unit, unit)


def implied(registry: Registry, region: str) -> list[Implied]:
    """Return every target of `region` with the growth or change it implies, in the order of the documents."""
    base_year = registry.base_year(region)
    rows = []
    for target in sorted(registry.targets(region), key=lambda s: s.at.locus != "table"):  # the main table first
        indicator = registry.catalogue[target.indicator]
        base = registry.stated(region, target.indicator, base_year)
        base_value = _in(base, indicator.unit) if base else None
        if target.delegated:
            rows.append(Implied(indicator, base, target, base_value, None, None, None, None, "delegated"))
            continue
        stated = _stated_growth(registry, region, target)
        if indicator.kind == "rate":
            rows.append(Implied(indicator, base, target, base_value, _in(target, indicator.unit), None, None, None))
            continue
        if target.relative_to is not None:
            years = target.last_year - target.relative_to
            rate = 100 * float(growth.cagr(1.0, float(target.value or 0), years))
            rows.append(Implied(indicator, base, target, base_value, base_value * float(target.value or 0) if base_value else None, rate,
                                None, stated, "multiple"))
            continue
        value = _in(target, indicator.unit)
        rate_, change, remark = None, None, ""
        years = target.last_year - base_year
        if base_value is None:
            remark = "no base stated"
        elif target.aggregate == "sum":
            assert target.period is not None
            n = target.period[1] - target.period[0] + 1
            if base_value > 0 and target.period[0] == base_year + 1:
                rate_, remark = 100 * float(growth.flow_growth(base_value, value, n)), f"{value / n:.4g} a year on average"
            else:
                remark = f"{value / n:.4g} a year on average"
        elif indicator.kind == "share" or indicator.unit == "%":
            change = value - base_value
        elif base_value > 0 and value > 0:
            rate_ = 100 * float(growth.cagr(base_value, value, years))
        else:
            remark = "from zero: no growth rate"
        rows.append(Implied(indicator, base, target, base_value, value, rate_, change, stated, remark))
    return rows


def _stated_growth(registry: Registry, region: str, target: Statement) -> float | None:
    for s in registry.targets(region, f"{target.indicator}_growth") if f"{target.indicator}_growth" in registry.catalogue else []:
        if s.last_year == target.last_year and s.value is not None:
            return _in(s, "%")
    return None


def thresholds(registry: Registry, region: str) -> list[Threshold]:
    """Return the threshold form of every claim that states both a level and a growth rate for one quantity and year."""
    base_year = registry.base_year(region)
    found = []
    for target in registry.targets(region):
        rate = _stated_growth(registry, region, target)
        if rate is None or target.value is None or target.year is None or target.relative_to is not None:
            continue
        indicator = registry.catalogue[target.indicator]
        years = target.year - base_year
        level = _in(target, indicator.unit)
        base = registry.stated(region, target.indicator, base_year)
        low, high, grounds = _base_range(registry, region, target, rate, years)
        found.append(Threshold(
            target.indicator, level, rate, years, float(growth.threshold_base(level, rate / 100, years)), indicator.unit,
            _in(base, indicator.unit) if base else None, low, high, grounds,
            tuple(float(growth.threshold_base(level, float(growth.nominal_rate(rate / 100, d)), years)) for d in DEFLATOR)))
    return found


def _base_range(registry: Registry, region: str, target: Statement, rate: float,
                years: int) -> tuple[float | None, float | None, tuple[str, ...]]:
    """Return what other statements imply about an unstated base: GDP from output and share, and the claim's own upper end."""
    low: float | None = None
    high: float | None = None
    grounds = []
    year = registry.base_year(region)
    unit = registry.catalogue[target.indicator].unit
    if target.indicator == "gdp":
        output = registry.stated(region, "gross_industrial_output", year)
        share = next((registry.stated(region, s.share, year) for s in registry.region(region).sectors.values()
                      if s.industrial and s.share), None)
        if output is not None and share is not None:
            lows, highs = output.interval(), share.interval()
            low = VALUE_ADDED_RATIO[0] * lows[0] / (highs[1] / 100)
            high = VALUE_ADDED_RATIO[1] * lows[1] / (highs[0] / 100)
            grounds.append(f"value-added ratio {VALUE_ADDED_RATIO[0]:.2f}-{VALUE_ADDED_RATIO[1]:.2f} (prior) x output {output.value:g} "
                           f"/ industrial share {share.value:g} %: {low:.0f} to {high:.0f}")
    top = units.convert(target.interval()[1], target.unit, unit)
    if top < float("inf"):
        bound = float(growth.threshold_base(top, rate / 100, years))
        grounds.append(f"growth of at least {rate:g} % that ends at {top:.0f} or less: a base of at most {bound:.0f}")
        high = bound if high is None else min(high, bound)
    return low, high, tuple(grounds)


def as_data(registry: Registry, region: str) -> dict[str, Any]:
    """Return both tables as plain data for `--json`."""
    def source(s: Statement | None) -> str | None:
        return s.id if s else None

    return {
        "region": region, "base_year": registry.base_year(region),
        "implied": [{"indicator": r.indicator.id, "unit": r.indicator.unit, "base": r.base_value, "base_source": source(r.base),
                     "target": r.value, "when": r.target.when, "sense": r.target.sense, "nature": r.target.nature,
                     "target_source": r.target.id, "implied_growth_percent": r.growth, "change_points": r.change,
                     "stated_growth_percent": r.stated, "remark": r.remark} for r in implied(registry, region)],
        "thresholds": [{"indicator": t.indicator, "level": t.level, "unit": t.unit, "growth_percent": t.rate, "years": t.years,
                        "base_needed": t.base, "base_stated": t.stated, "base_implied_low": t.low, "base_implied_high": t.high,
                        "grounds": list(t.grounds), "base_needed_at_current_prices": dict(
                            zip((f"{100 * d:g} %" for d in DEFLATOR), t.real_base, strict=True))}
                       for t in thresholds(registry, region)],
    }
