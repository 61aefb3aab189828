"""From registry and scenario to numbers: which value or distribution each model parameter takes, and why.

Order of precedence for a parameter: the scenario's uncertainty, the scenario's value, what a document states, the
region's assumption, the model's prior. Nothing that no document states is silently fixed: it is listed.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from simulate import growth, units
from simulate.distributions import Distribution, uniforms
from simulate.errors import InvalidInput, Problem, nearest
from simulate.model import Array, Blend, Model, Parameter, TimeFunction
from simulate.parameters import BASE_VALUES, LEVERS
from simulate.region import OUTPUTS, regional_model
from simulate.registry import Registry
from simulate.scenarios import PathSetting, Scenario, parameter_and_element
from simulate.targets import Assumption, Region

Value = float | Distribution
Design = Callable[[str, int, int], Array]
"""Uniform numbers in (0, 1) for (name, first run, end): random by default; a sweep may give any other design."""

DATE_SHIFT = 0.5  # a calendar date d is the model time d - 0.5: time t is the middle of year t


@dataclass(frozen=True)
class Origin:
    """Where a base value came from: stated in a document, assumed (with grade), or set by the scenario."""

    name: str
    value: Value
    unit: str
    grade: str
    basis: str


@dataclass(frozen=True)
class Setup:
    """All that a run needs, apart from the numbers drawn: values by key, names of elements, times."""

    model: Model
    scenario: Scenario
    region: Region
    base_year: int
    sectors: tuple[str, ...]
    clusters: tuple[str, ...]
    values: Mapping[str, Value]
    origins: tuple[Origin, ...]
    path_points: Mapping[str, PathSetting] = field(default_factory=dict)

    @property
    def elements(self) -> dict[str, int]:
        """Number of sectors and clusters."""
        return {"sector": len(self.sectors), "cluster": len(self.clusters)}

    @property
    def drawn(self) -> dict[str, Distribution]:
        """What is uncertain, by key."""
        scenario = {k: d for k, d in self.scenario.uncertainties.items() if "." in k}
        return {k: v for k, v in self.values.items() if isinstance(v, Distribution)} | scenario

    @property
    def unstated(self) -> tuple[Origin, ...]:
        """Base values that no document states."""
        return tuple(o for o in self.origins if o.grade != "stated")

    def draw(self, start: int, stop: int, seed: int, design: Design | None = None) -> dict[str, Array]:
        """Return the uncertain values of runs `start`..`stop`-1, each of shape (stop - start,)."""
        points = design or (lambda name, a, b: uniforms(seed, name, a, b))
        return {k: d.quantile(points(k, start, stop)) for k, d in self.drawn.items()}

    def parameters(self, drawn: Mapping[str, Array]) -> dict[str, Array]:
        """Return the model's parameter arrays: last axis 1 where certain, else runs."""
        def value(key: str) -> Array:
            if key in drawn:
                return drawn[key]
            v = self.values[key]
            return np.array([v.centre if isinstance(v, Distribution) else float(v)])

        def stacked(keys: list[str]) -> Array:
            rows = [value(k) for k in keys]
            return np.stack(np.broadcast_arrays(*rows)) if rows else np.empty((0, 1))

        result: dict[str, Array] = {}
        for p in self.model.parameters:
            if p.name == "cluster_membership":
                continue  # made of sector_share, below
            if p.name == "sector_share":
                given = {s: value(f"sector_share[{s}]") for s in self.sectors if f"sector_share[{s}]" in self.values}
                rest = 1.0 - sum(given.values(), np.zeros(1))
                result[p.name] = np.stack(np.broadcast_arrays(*(given.get(s, rest) for s in self.sectors)))
            elif p.over == "sector":
                result[p.name] = stacked([f"{p.name}[{s}]" for s in self.sectors])
            elif p.over == "cluster":
                result[p.name] = stacked([f"{p.name}[{c}]" for c in self.clusters])
            else:
                result[p.name] = value(p.name)
        share = result["sector_share"]
        own = [self.region.clusters[c].sector for c in self.clusters]
        result["cluster_membership"] = np.stack([
            share if sector is None else np.broadcast_to(np.array([[float(sector == s)] for s in self.sectors]), share.shape)
            for sector in own]) if own else np.empty((0, len(self.sectors), 1))
        return result

    def inputs(self, drawn: Mapping[str, Array]) -> dict[str, TimeFunction]:
        """Return the levers' and shocks' functions of time."""
        functions: dict[str, TimeFunction] = {}
        for name in LEVERS:
            setting = self.scenario.levers.get(name)
            level = drawn.get(f"levers.{name}", np.array([setting.level if setting else 0.0]))
            functions[f"lever_{name}"] = _ramp(level, setting.start - DATE_SHIFT, setting.ramp) if setting else _ramp(level, -np.inf, 0)

        def size(name: str) -> Array:
            return drawn.get(f"shocks.{name}", np.array([self.scenario.shocks[name].size]))

        falls = [_ramp(size(name), s.start - DATE_SHIFT, s.duration) for name, s in self.scenario.shocks.items() if s.on == "investment"]
        shocks = [(s.start - DATE_SHIFT, s.start + s.duration - DATE_SHIFT, -np.log1p(-size(name)) / s.duration)
                  for name, s in self.scenario.shocks.items() if s.on == "utilisation"]
        rate = Blend(tuple(rate for _, _, rate in shocks),
                     lambda t, within: {k: 1.0 for k, (begin, end, _) in enumerate(shocks) if begin <= within < end})
        return functions | {"shock_rate": rate, "investment_shift": _remainder(falls)}

    def paths(self, parameters: Mapping[str, Array]) -> dict[str, TimeFunction]:
        """Return the imposed paths' functions of time; None outside their years."""
        if not self.path_points:
            return {}
        known = dict(parameters)
        for e in self.model.constants:
            known[e.name] = np.atleast_1d(e.function(*(known[a] for a in e.arguments)))
        return {name: _path(setting, self.base_year, known.get(f"{name}_base"))
                for name, setting in self.path_points.items()}


def _ramp(level: Array, start: float, years: float) -> Blend:
    def strength(t: float, within: float) -> dict[int, float]:
        if years == 0:
            return {0: float(within >= start)}
        return {0: min(max((t - start) / years, 0.0), 1.0)}

    return Blend((level,), strength)


def _remainder(falls: Sequence[Blend]) -> Blend:
    """What is left of 1 after all `falls`: their product (1 - a)(1 - b)… multiplied out, one row for every term."""
    terms = [term for size in range(len(falls) + 1) for term in itertools.combinations(range(len(falls)), size)]

    def weights(t: float, within: float) -> dict[int, float]:
        strengths = [next(iter((f.weights(t, within) or {}).values())) for f in falls]
        return {k: math.prod(-strengths[f] for f in term) for k, term in enumerate(terms)}

    return Blend(tuple(np.prod(np.broadcast_arrays(np.ones(1), *(falls[f].rows[0] for f in term)), axis=0) for term in terms), weights)


def _path(setting: PathSetting, base_year: int, base: Array | None) -> Blend:
    if setting.total is not None:
        assert setting.period is not None
        first, last = setting.period
        if base is None:
            raise InvalidInput(Problem("a cumulative total needs a variable with a base-year value.", "Give values: by year instead."))
        yearly = growth.flow_path(base, setting.total, last - first + 1)
        points = {first + k: yearly[..., k] for k in range(last - first + 1)}
    else:
        assert setting.values is not None
        points = {year: np.array([v]) for year, v in setting.values.items()}
    if base_year < min(points):
        points[base_year] = base if base is not None else points[min(points)]
    years = sorted(points)

    def weights(t: float, within: float) -> dict[int, float] | None:
        if within < years[0]:
            return None
        if within > years[-1]:
            return {len(years) - 1: 1.0} if setting.after == "hold" else None
        k = next(i for i in range(len(years) - 1, -1, -1) if years[i] <= within)
        if k == len(years) - 1:
            return {k: 1.0}
        share = min(max((t - years[k]) / (years[k + 1] - years[k]), 0.0), 1.0)
        return {k: 1 - share, k + 1: share}

    return Blend(tuple(np.atleast_1d(points[year]) for year in years), weights)


class _Resolver:
    """Settles every parameter's value for one scenario; gathers what is missing."""

    def __init__(self, registry: Registry, scenario: Scenario, model: Model) -> None:
        self.registry, self.scenario, self.model = registry, scenario, model
        self.region = registry.region(scenario.region, scenario.place("region"))
        self.base_year = registry.base_year(scenario.region)
        self.problems: list[Problem] = []
        self.values: dict[str, Value] = {}
        self.origins: list[Origin] = []

    def set_by_scenario(self, *keys: str) -> Value | None:
        for key in keys:
            if key in self.scenario.uncertainties:
                return self.scenario.uncertainties[key]
            if key in self.scenario.parameters:
                return self.scenario.parameters[key]
        return None

    def base_value(self, key: str, indicator: str, unit: str, scale: float, default: float | None = None) -> None:
        """Settle a base-year value: scenario, document, assumption, default."""
        chosen = self.set_by_scenario(key)
        where = self.scenario.region
        if chosen is not None:
            self.origins.append(Origin(key, chosen, "model units", "scenario", f"set by the scenario {self.scenario.id}"))
            self.values[key] = chosen
            return
        stated = self.registry.stated(where, indicator, self.base_year)
        assumed = self.registry.assumption(where, indicator=indicator)
        if stated is not None and stated.sense == "equal":
            assert stated.value is not None
            value: Value = units.convert(float(stated.value), stated.unit, unit)
            self.origins.append(Origin(key, value, unit, "stated", f"{stated.document}: {stated.at}"))
            self.values[key] = units.convert(float(stated.value), stated.unit, unit) * scale
        elif assumed is not None:
            factor = units.factor(assumed.unit or unit, unit)
            self.origins.append(Origin(key, _scaled(_value(assumed), factor), unit, assumed.grade, assumed.basis))
            self.values[key] = _scaled(_value(assumed), factor * scale)
        elif default is not None:
            self.values[key] = default
        else:
            self.problems.append(Problem(
                f"region {where!r}: no document states {indicator!r} for {self.base_year} and nothing is assumed for it; "
                "the model needs it.",
                f"Add a statement {{indicator: {indicator}, region: {where}, year: {self.base_year}, value: …, unit: {unit}, …}} "
                f"or, under assumptions:, {{indicator: {indicator}, region: {where}, unit: {unit}, range: {{uniform: [low, high]}}, "
                f"grade: judgement, basis: …}} to a seed file; or set {key} in the scenario."))

    def behaviour(self, p: Parameter, element: str | None) -> None:
        key = f"{p.name}[{element}]" if element else p.name
        chosen = self.set_by_scenario(key, p.name)
        if chosen is None:
            assumed = self.registry.assumption(self.scenario.region, parameter=key) or self.registry.assumption(
                self.scenario.region, parameter=p.name)
            if assumed is not None:
                chosen = _value(assumed)
                self.origins.append(Origin(key, chosen, p.unit, assumed.grade, assumed.basis))
        if chosen is None:
            prior, default = p.prior_for(element), p.default_for(element)
            chosen = prior if prior is not None else default
        if chosen is None:
            raise AssertionError(f"parameter {key} has neither default nor data")
        self.values[key] = chosen

    def resolve(self) -> Setup:
        sectors, clusters = tuple(self.region.sectors), tuple(self.region.clusters)
        if not sectors:
            raise InvalidInput(Problem(f"region {self.scenario.region!r} names no sectors, so it cannot be projected.",
                                       "Give sectors: {industry: {zh:, en:, share: manufacturing_share, industrial: true}, "
                                       "services: {zh:, en:}} under the region in a seed file."))
        if self.scenario.horizon <= self.base_year:
            self.problems.append(Problem(f"horizon: {self.scenario.horizon} is not after the base year {self.base_year}.",
                                         "Give a later year.", self.scenario.place("horizon")))
        self.problems += [Problem(f"report_years: {year} is not after the base year {self.base_year}.", "Give later years.",
                                  self.scenario.place("report_years"))
                          for year in self.scenario.report_years if year <= self.base_year and year != self.scenario.horizon]
        self.region_data()
        for p in self.model.parameters:
            if p in BASE_VALUES:
                self.base_value(p.name, self.region.inputs.get(p.name.removesuffix("_base"), p.indicator or ""),
                                p.indicator_unit or "", p.scale, p.default_for(None))
            elif p.name == "base_year":
                self.values[p.name] = float(self.base_year)
            elif p.name == "sector_share":
                for name, sector in self.region.sectors.items():
                    if sector.share:
                        self.base_value(f"sector_share[{name}]", sector.share, "%", 0.01)
            elif p.name == "industrial":
                for name, sector in self.region.sectors.items():
                    self.values[f"industrial[{name}]"] = float(sector.industrial)
            elif p.name == "cluster_revenue_base":
                for name, cluster in self.region.clusters.items():
                    self.base_value(f"cluster_revenue_base[{name}]", cluster.revenue, "亿元", 1.0)
            elif p.name != "cluster_membership":
                for element in {"sector": sectors, "cluster": clusters, None: (None,)}[p.over]:
                    self.behaviour(p, element)
        for section in ("parameters", "uncertainties"):
            for key in getattr(self.scenario, section):
                name, element = parameter_and_element(key)
                over = self.model.over.get(name)
                known = {"sector": sectors, "cluster": clusters}.get(over or "", ())
                if element and element not in known:
                    self.problems.append(Problem(f"{section}.{key}: the region has no {over or 'part'} {element!r}.",
                                                 f"Known: {', '.join(known) or 'none'}.", self.scenario.place(section, key)))
        paths = {name: self.path(name, setting) for name, setting in self.scenario.paths.items()}
        if self.problems:
            raise InvalidInput(self.problems)
        return Setup(self.model, self.scenario, self.region, self.base_year, sectors, clusters, self.values, tuple(self.origins),
                     {n: p for n, p in paths.items() if p is not None})

    def region_data(self) -> None:
        """Check the names that the region's description and assumptions use for the model's parameters."""
        where = self.scenario.region
        known = {p.name: p for p in self.model.parameters}
        feeds = [p.name.removesuffix("_base") for p in BASE_VALUES]
        self.problems += [Problem(f"region {where!r}: inputs: the model takes no {name!r}.", nearest(name, feeds, "Inputs"))
                          for name in self.region.inputs if name not in feeds]
        for assumed in self.registry.assumptions:
            if assumed.region != where or assumed.parameter is None:
                continue
            name, _ = parameter_and_element(assumed.parameter)
            if name not in known:
                self.problems.append(Problem(f"region {where!r}: assumptions: the model has no parameter {name!r}.", nearest(name, known)))
                continue
            low, high = known[name].bounds
            least, greatest = assumed.range.support if assumed.range else (assumed.best, assumed.best)
            if least < low or greatest > high:
                self.problems.append(Problem(
                    f"region {where!r}: assumptions: {assumed.parameter} from {least:g} to {greatest:g} lies outside {low:g} to {high:g}.",
                    f"{known[name].documentation} [{known[name].unit}]."))

    def path(self, name: str, setting: PathSetting) -> PathSetting | None:
        """Turn a path into model units, taking the plan's own targets where it says so."""
        where = self.scenario.place("paths", name)
        last = max(setting.values) if setting.values else setting.period[0] if setting.period else self.base_year + 1
        if last < self.base_year or (setting.period and last == self.base_year):
            self.problems.append(Problem(f"paths.{name}: {last} lies before the years that are projected, from {self.base_year} on.",
                                         "Give later years.", where))
        output = next((o for o in OUTPUTS if o.variable == name), None)

        def to_model(value: float, unit: str | None) -> float:
            if output is not None:
                return units.convert(value, unit or output.unit, output.unit) / output.scale
            if unit in (None, self.model.units[name]):
                return value
            if unit == "%":
                return value / 100
            self.problems.append(Problem(f"paths.{name}: the unit {unit!r} does not fit {self.model.units[name]}.",
                                         f"Leave unit out, or write % or {self.model.units[name]}.", where))
            return value

        if not setting.from_plan:
            values = {y: to_model(v, setting.unit) for y, v in setting.values.items()} if setting.values else None
            total = to_model(setting.total, setting.unit) if setting.total is not None else None
            return PathSetting(values=values, total=total, period=setting.period, after=setting.after, source=setting.source)
        targets = self.registry.targets(self.scenario.region, output.indicator) if output else []
        sums = [s for s in targets if s.aggregate == "sum" and s.value is not None]
        levels = [s for s in targets if s.year is not None and s.value is not None and s.relative_to is None]
        if sums:
            s = sums[0]
            return PathSetting(total=to_model(float(s.value or 0), s.unit), period=s.period, after=setting.after, source=s.id)
        if levels:
            return PathSetting(values={s.last_year: to_model(float(s.value or 0), s.unit) for s in levels}, after=setting.after,
                               source=", ".join(s.id for s in levels))
        self.problems.append(Problem(f"paths.{name}: the plan of {self.scenario.region!r} states no target for it.",
                                     "Give values: or total: instead of from_plan.", where))
        return None


def _value(assumed: Assumption) -> Value:
    return assumed.range if assumed.range is not None else float(assumed.best)


def _scaled(value: Value, factor: float) -> Value:
    if not isinstance(value, Distribution) or factor == 1.0:
        return value if isinstance(value, Distribution) else value * factor
    numbers: list[Any] = list(value.numbers)
    scaled = {"beta": lambda: [*numbers[:2], numbers[2] * factor, numbers[3] * factor],
              "lognormal": lambda: [numbers[0] * factor, numbers[1]]}.get(value.kind, lambda: [x * factor for x in numbers])()
    return Distribution(**{value.kind: tuple(scaled)})


def resolve(registry: Registry, scenario: Scenario) -> Setup:
    """Settle every input of `scenario`. Raises InvalidInput naming each input that is missing and how to supply it."""
    return _Resolver(registry, scenario, regional_model()).resolve()
