"""Targets held against an ensemble: how likely each is to be reached.

What "reached" means follows the words of the document and which way is better for the indicator: a plain number is
reached at or beyond it (to rounding), "at least" at it, "more than" above it, "about" from 5 % short of it on.
Growth targets are judged on each run's own base. A level target in money whose price basis is not stated is judged at
constant prices and at current prices.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf
from typing import Any

import numpy as np

from simulate import units
from simulate.model import Array
from simulate.runs import Trajectories, at_current_prices
from simulate.targets import Statement

GROWTH = {"gdp_growth": "gdp", "gross_industrial_output_growth": "gross_industrial_output",
          "general_budget_revenue_growth": "general_budget_revenue"}
"""Indicators that are the yearly growth of another."""


@dataclass(frozen=True)
class Attainment:
    """One target held against an ensemble.

    `value` is in `unit` (for growth targets per cent a year); `level` is the median level of the projected indicator that
    reaches it. `projected` are the 5 %, 50 % and 95 % quantiles of what the target speaks of, in `unit`. Probabilities are
    shares of the finite runs; `nominal` is the current-price reading, `average` that of the mean growth over the plan
    where a growth target names one year, else None. `imposed`: the scenario gives the projected variable itself, so that the
    probability says nothing about the region. `by_run` tells which of the finite runs reach it.
    """

    statement: Statement
    indicator: str
    year: int
    value: float
    unit: str
    level: float
    projected: tuple[float, float, float]
    probability: float
    nominal: float | None = None
    average: float | None = None
    imposed: bool = False
    by_run: Any = field(default=None, repr=False, compare=False)

    @property
    def growth(self) -> bool:
        """Whether the target is a growth rate."""
        return self.statement.indicator in GROWTH


def reached(s: Statement, x: Array, value: float, higher_is_better: bool | None) -> Any:
    """Which of `x` reach `value` as statement `s` means it; `x` and `value` in one unit."""
    match s.sense:
        case "at_least":
            return x >= value
        case "more_than":
            return x > value
        case "at_most":
            return x <= value
        case "less_than":
            return x < value
        case _:
            low, high = s.interval()
            scale = value / float(s.value) if s.value else 1.0
            ends = sorted((low * scale, high * scale))
            if higher_is_better is None:
                return (x >= ends[0]) & (x <= ends[1])
            return x >= ends[0] if higher_is_better else x <= ends[1]


def _quantiles(x: Array) -> tuple[float, float, float]:
    if not x.size:
        return float("nan"), float("nan"), float("nan")
    low, middle, high = np.quantile(x, (0.05, 0.5, 0.95))
    return float(low), float(middle), float(high)


def judge(trajectories: Trajectories, statement: Statement) -> Attainment | None:
    """Hold one target against the ensemble; None where the model does not project what it speaks of, or not for its years."""
    s = statement
    if s.value is None or s.region != trajectories.setup.scenario.region:
        return None
    id = GROWTH.get(s.indicator, s.indicator)
    first, last = trajectories.years[0], trajectories.years[-1]
    begin = s.period[0] if s.period else s.last_year
    if id not in trajectories.outputs or not (first < begin and s.last_year <= last):
        return None
    known = trajectories.registry.catalogue[s.indicator]
    keep = trajectories.finite
    x = trajectories.indicator(id)[:, keep]
    year = trajectories.index(s.last_year)
    unit = trajectories.outputs[id].unit
    path = trajectories.setup.path_points.get(trajectories.outputs[id].variable)
    imposed = path is not None and (path.after == "hold" or s.last_year <= (path.period[1] if path.period else max(path.values or (0,))))
    if s.indicator in GROWTH:
        mean = s.aggregate == "mean"
        start = trajectories.index(begin - 1)
        rate = 100 * ((x[year] / x[start]) ** (1 / (year - start)) - 1)
        value = units.convert(float(s.value), s.unit, "%")
        ok = reached(s, rate, value, True)
        average = None
        if not mean:
            over_plan = 100 * ((x[year] / x[0]) ** (1 / year) - 1)
            average = _share(reached(s, over_plan, value, True))
        needed = x[start] * (1 + value / 100) ** (year - start)
        return Attainment(s, id, s.last_year, value, "%", float(np.median(needed)) if needed.size else float("nan"), _quantiles(rate),
                          _share(ok), average=average, imposed=imposed, by_run=ok)
    def taken(y: Array) -> Array:
        """The year's value, or the sum or mean over the period."""
        if s.aggregate is None:
            return np.asarray(y[year])
        span = y[trajectories.index(begin): year + 1]
        return np.asarray(span.sum(axis=0) if s.aggregate == "sum" else span.mean(axis=0))

    x_at = taken(x)
    if s.relative_to is not None:
        if s.relative_to < first:
            return None
        base = x[trajectories.index(s.relative_to)]
        ratio = x_at / base
        ok = reached(s, ratio, float(s.value), known.higher_is_better)
        return Attainment(s, id, s.last_year, float(s.value), s.unit, float(np.median(base) * s.value) if base.size else float("nan"),
                          _quantiles(ratio), _share(ok), imposed=imposed, by_run=ok)
    value = units.convert(float(s.value), s.unit, unit)
    nominal = None
    at_current = at_current_prices(trajectories, id)
    if at_current is not None and s.price_basis != "constant":
        nominal = _share(reached(s, taken(at_current[:, keep]), value, known.higher_is_better))
    ok = reached(s, x_at, value, known.higher_is_better)
    return Attainment(s, id, s.last_year, value, unit, value, _quantiles(x_at), _share(ok), nominal=nominal, imposed=imposed, by_run=ok)


def _share(ok: Any) -> float:
    return float(np.mean(ok)) if np.size(ok) else float("nan")


def judge_all(trajectories: Trajectories) -> list[Attainment]:
    """Hold every target of the region that the model projects against the ensemble; headline indicators first."""
    found = [a for s in trajectories.registry.targets(trajectories.setup.scenario.region) if (a := judge(trajectories, s))]
    rank = {id: k for k, id in enumerate(trajectories.headline)}
    order = list(trajectories.outputs)
    return sorted(found, key=lambda a: (rank.get(a.indicator, inf), order.index(a.indicator), a.year, a.growth))


def summary(trajectories: Trajectories) -> dict[str, Any]:
    """Return the run's answer as plain data: what `simulate run --json` prints.

    Per headline indicator and report year: median, 5 % and 95 % quantiles, and the target with its probability (null
    where the plan sets none). A growth target stands in for a level where the plan states no level.
    """
    setup = trajectories.setup
    judged = judge_all(trajectories)
    indicators: dict[str, Any] = {}
    for id in trajectories.headline:
        output = trajectories.outputs[id]
        x = trajectories.indicator(id)[:, trajectories.finite]
        cells: dict[str, Any] = {}
        for year in setup.scenario.report_years:
            low, middle, high = _quantiles(x[trajectories.index(year)])
            here = [a for a in judged if a.indicator == id and a.year == year and a.statement.aggregate != "sum"]
            main = min(here, key=lambda a: a.growth) if here else None
            cells[str(year)] = {"median": middle, "p05": low, "p95": high, "target": _target(main) if main else None,
                                "probability": main.probability if main else None, "imposed": bool(main and main.imposed),
                                "other_targets": [{**_target(a), "probability": a.probability} for a in here if a is not main]}
            if main and main.nominal is not None:
                cells[str(year)]["probability_at_current_prices"] = main.nominal
        indicators[id] = {"unit": output.unit, "years": cells}
    return {"region": setup.scenario.region, "scenario": setup.scenario.id, "runs": trajectories.runs,
            "nonfinite_runs": int((~trajectories.finite).sum()), "nonfinite": trajectories.nonfinite[:20],
            "provenance": trajectories.provenance, "indicators": indicators,
            "targets": [{"indicator": a.indicator, "year": a.year, **_target(a), "probability": a.probability, "imposed": a.imposed,
                         "probability_at_current_prices": a.nominal, "probability_as_average_growth": a.average,
                         "p05": a.projected[0], "median": a.projected[1], "p95": a.projected[2]} for a in judged]}


def _target(a: Attainment) -> dict[str, Any]:
    s = a.statement
    found: dict[str, Any] = {"value": a.level, "sense": s.sense, "source": s.id}
    if a.growth or s.relative_to is not None:  # the level is ours, what it comes from is stated
        found["stated"] = {"value": s.value, "unit": s.unit, "when": s.when, "relative_to": s.relative_to}
    if s.nature:
        found["nature"] = s.nature
    return found
