"""Run a scenario: an ensemble of projections, and how likely each target is to be reached."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib import metadata
from typing import TYPE_CHECKING, Any

import numpy as np

from simulate import designs, setups
from simulate.errors import InvalidInput, Problem, nearest
from simulate.integrators import METHODS
from simulate.model import Array, Engine
from simulate.parameters import LEVERS
from simulate.region import HEADLINE, OUTPUTS, Output
from simulate.registry import Registry, load_registry
from simulate.scenarios import Scenario, load_scenario
from simulate.setups import Design, Setup

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

BLOCK = 4096
"""Runs worked through at once: state and temporaries stay in the processor's cache (measured in `benchmarks/`)."""

KEPT = (
    *(o.variable for o in OUTPUTS),
    "nominal_gdp", "price_level", "value_added_ratio", "industrial_share", "rd_expenditure",
    "labour_supply", "utilisation", "total_factor_productivity", "real_wage", "energy_intensity", "policy_cost", "funding",
    "output", "capital", "cluster_revenue")
"""Variables kept in a result unless others are asked for."""


@dataclass(frozen=True)
class Trajectories:
    """The result of a run: `values[name]` has shape (years, runs), or (years, elements, runs) for sectors and clusters.

    Values are in the model's units (`setup.model.units`); `years` are calendar years from the base year on.
    `drawn[key]` holds the uncertain inputs of every run. A run whose numbers left the finite range is NaN from there on,
    listed in `nonfinite`, and left out of quantiles and probabilities.
    """

    setup: Setup
    registry: Registry
    years: Array
    values: Mapping[str, Array]
    drawn: Mapping[str, Array]
    seed: int
    first: int = 0

    @property
    def runs(self) -> int:
        """Number of runs."""
        return int(next(iter(self.values.values())).shape[-1])

    @cached_property
    def finite(self) -> Any:
        """Which runs stayed finite in every kept variable: shape (runs,)."""
        good = np.ones(self.runs, dtype=bool)
        for array in self.values.values():
            good &= np.isfinite(array).reshape(-1, self.runs).all(axis=0)
        return good

    @property
    def nonfinite(self) -> list[dict[str, float]]:
        """The runs that left the finite numbers: their number and parameters."""
        return [{"run": float(self.first + k), **{n: float(a[k]) for n, a in self.drawn.items()}} for k in np.flatnonzero(~self.finite)]

    def index(self, year: int) -> int:
        """Position of `year` on the year axis. Raises InvalidInput for a year outside the projection."""
        position = int(year - self.years[0])
        if not 0 <= position < len(self.years):
            raise InvalidInput(Problem(f"year: {year} lies outside the projection {self.years[0]:g}-{self.years[-1]:g}.",
                                       "Choose a year in between, or move the scenario's horizon."))
        return position

    def indicator(self, id: str) -> Array:
        """Values of an indicator in its catalogue unit: shape (years, runs). Raises InvalidInput if it is not projected."""
        output = self.outputs.get(id)
        if output is None:
            raise InvalidInput(Problem(f"indicator: the model does not project {id!r}.", nearest(id, self.outputs, "Projected")))
        variable, _, element = output.variable.partition("[")
        array = self.values[variable]
        if element:
            array = array[:, self.setup.clusters.index(element.rstrip("]"))]
        return array * output.scale if output.scale != 1 else array

    @cached_property
    def outputs(self) -> dict[str, Output]:
        """The projected indicators of this region by id: the model's, its clusters', and its industrial share."""
        found: dict[str, Output] = {}
        renamed = {f"{name}": indicator for name, indicator in self.setup.region.inputs.items()}
        for o in OUTPUTS:
            if o.variable in self.values and not (self.values[o.variable][0] == 0).all():
                indicator = renamed.get(o.variable, o.indicator)
                found[indicator] = Output(o.variable, indicator, o.unit, o.scale)
        if "cluster_revenue" in self.values:
            for name in self.setup.clusters:
                indicator = self.setup.region.clusters[name].revenue
                found[indicator] = Output(f"cluster_revenue[{name}]", indicator, "亿元")
        industrial = [s for s in self.setup.region.sectors.values() if s.industrial and s.share]
        if len(industrial) == 1 and industrial[0].share and "industrial_share" in self.values:
            found[industrial[0].share] = Output("industrial_share", industrial[0].share, "%", 100.0)
        return found

    @property
    def headline(self) -> tuple[str, ...]:
        """The indicators that tables and plots show first: the region's choice, else the model's."""
        return tuple(id for id in self.setup.region.headline or HEADLINE if id in self.outputs)

    def quantiles(self, probabilities: Iterable[float] = (0.05, 0.5, 0.95), indicators: Iterable[str] | None = None) -> pd.DataFrame:
        """Return quantiles over finite runs, one row an indicator and year, one column a probability; catalogue units."""
        import pandas as pd

        points = list(probabilities)
        rows = {}
        for id in indicators or self.outputs:
            x = self.indicator(id)[:, self.finite]
            found = np.quantile(x, points, axis=1) if x.size else np.full((len(points), len(self.years)), np.nan)
            for k, year in enumerate(self.years):
                rows[(id, int(year))] = found[:, k]
        frame = pd.DataFrame.from_dict(rows, orient="index", columns=points)
        frame.index = pd.MultiIndex.from_tuples(rows, names=["indicator", "year"])
        return frame

    @cached_property
    def dataset(self) -> xr.Dataset:
        """The kept variables as an xarray Dataset over (year, sector | cluster, run), with units and documentation."""
        import xarray as xr

        model = self.setup.model
        documentation = {row["name"]: row["documentation"] for row in model.describe()}
        data = {}
        for name, array in self.values.items():
            over = model.over[name]
            dims = ("year", over, "run") if over else ("year", "run")
            data[name] = xr.DataArray(array, dims=dims, attrs={"units": model.units[name], "long_name": documentation[name]})
        coords: dict[str, Any] = {"year": self.years.astype(int), "run": np.arange(self.first, self.first + self.runs)}
        for dim, names in (("sector", self.setup.sectors), ("cluster", self.setup.clusters)):
            if any(dim in d.dims for d in data.values()):
                coords[dim] = list(names)
        scenario = self.setup.scenario
        return xr.Dataset(data, coords=coords, attrs={"region": scenario.region, "scenario": scenario.id, "seed": self.seed})

    def to_pandas(self, indicators: Iterable[str] | None = None) -> pd.DataFrame:
        """Return the projected indicators in catalogue units: one row a run and year, one column an indicator."""
        import pandas as pd

        index = pd.MultiIndex.from_product([range(self.first, self.first + self.runs), self.years.astype(int)], names=["run", "year"])
        return pd.DataFrame({id: self.indicator(id).T.reshape(-1) for id in indicators or self.outputs}, index=index)

    @property
    def provenance(self) -> dict[str, Any]:
        """Where the result comes from: versions, seed, method, hashes of inputs, and the inputs that no document states."""
        scenario = self.setup.scenario
        return {
            "simulate": metadata.version("simulate"), "python": platform.python_version(), "numpy": np.__version__,
            "seed": self.seed, "first_run": self.first, "method": scenario.method, "steps_per_year": scenario.steps_per_year,
            "base_year": self.setup.base_year, "horizon": scenario.horizon,
            "inputs_sha256": {**{f"scenarios/{k}": v for k, v in scenario.digests.items()},
                              **{f"seeds/{k}": v for k, v in self.registry.digests.items()}},
            "base_values": {o.name: {"value": _plain(o.value), "unit": o.unit, "basis": o.basis}
                            for o in self.setup.origins if o.grade == "stated"},
            "unstated_inputs": [{"input": o.name, "value": _plain(o.value), "unit": o.unit, "grade": o.grade, "basis": o.basis}
                                for o in self.setup.unstated],
            "paths": {n: p.source or "given by the scenario" for n, p in self.setup.path_points.items()},
            "uncertain": {k: str(d) for k, d in self.setup.drawn.items()},
        }


def _plain(value: object) -> float | str:
    return value if isinstance(value, float) else str(value)


def run(scenario: Scenario | str, registry: Registry | None = None, *, runs: int | None = None, seed: int | None = None,
        first: int = 0, keep: Iterable[str] | None = None, block: int = BLOCK, central: bool = False,
        design: Design | None = None, progress: Callable[[int, int], None] | None = None) -> Trajectories:
    """Project a scenario (or the one named) as an ensemble of `runs` runs, numbered from `first`.

    Run k depends on (scenario, seed, k) alone: it is bit-identical alone, in any ensemble and any block size. Inputs that the
    scenario's `sweep:` correlates are correlated here too. `central` gives one run with every uncertain input at its median.
    `keep` names the variables to keep (default: `KEPT`). `progress(done, runs)` is called after every block. Raises InvalidInput
    for missing or invalid inputs.
    """
    registry = registry or load_registry()
    scenario = load_scenario(scenario) if isinstance(scenario, str) else scenario
    setup = setups.resolve(registry, scenario)
    count = 1 if central else runs if runs is not None else scenario.runs
    seed = scenario.seed if seed is None else seed
    if count < 1:
        raise InvalidInput(Problem(f"runs: {count} is not at least 1.", "Give a whole number from 1 on."))
    if seed < 0:
        raise InvalidInput(Problem(f"seed: {seed} is negative.", "Give a whole number from 0 on."))
    names = tuple(keep) if keep is not None else KEPT
    computed = set(setup.model.over) - {setup.model.time, *(p.name for p in setup.model.parameters)}
    unknown = [Problem(f"keep: the model computes no variable {n!r}.", nearest(n, computed)) for n in names if n not in computed]
    if unknown:
        raise InvalidInput(unknown)
    setup.model.check_units()
    years = scenario.horizon - setup.base_year
    related = tuple(pair for pair in scenario.sweep.correlations if set(pair.between) <= setup.drawn.keys()) if (
        design is None and not central and scenario.sweep is not None) else ()
    correlated = designs.covering(designs.Correlated(designs.Random(first + count), related), setup.drawn) if related else None
    values = {n: np.empty((years + 1, *((setup.elements[over],) if (over := setup.model.over[n]) else ()), count)) for n in names}
    drawn_all: dict[str, Array] = {k: np.empty(count) for k in setup.drawn}
    for start in range(0, count, block):
        stop = min(start + block, count)
        if central:
            drawn = {k: np.array([d.centre]) for k, d in setup.drawn.items()}
        else:
            if correlated is not None:
                design = designs.hook(correlated.points(seed, first + start, first + stop))
            drawn = setup.draw(first + start, first + stop, seed, design)
        for k, array in drawn.items():
            drawn_all[k][start:stop] = array
        for n, array in project(setup, drawn, stop - start, names).items():
            values[n][..., start:stop] = array
        if progress:
            progress(stop, count)
    return Trajectories(setup, registry, setup.base_year + np.arange(years + 1.0), values, drawn_all, seed, first)


def project(setup: Setup, drawn: Mapping[str, Array], runs: int, keep: Iterable[str], engine: Engine | None = None) -> dict[str, Array]:
    """Integrate one block of runs whose uncertain values are `drawn`; arrays (years + 1, [elements,] runs)."""
    scenario = setup.scenario
    parameters = setup.parameters(drawn)
    with np.errstate(all="ignore"):  # what leaves the finite numbers is found, counted and reported by run
        return setup.model.simulate(
            parameters, setup.inputs(drawn), start=float(setup.base_year), years=scenario.horizon - setup.base_year,
            steps_per_year=scenario.steps_per_year, step=METHODS[scenario.method], runs=runs, elements=setup.elements,
            paths=setup.paths(parameters), keep=keep, engine=engine,
            fixed={f"policy_{name}": np.zeros(1) for name in LEVERS
                   if name not in scenario.levers and f"policy_{name}" not in setup.path_points})


def at_current_prices(trajectories: Trajectories, id: str) -> Array | None:
    """Values of a money indicator at current prices, (years, runs), by the GDP deflator; None for other indicators."""
    if trajectories.outputs[id].unit not in ("亿元", "万元/人") or "price_level" not in trajectories.values:
        return None
    return trajectories.indicator(id) * trajectories.values["price_level"]
