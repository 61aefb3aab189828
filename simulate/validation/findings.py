"""What a validation test is given (a case) and what it returns (a finding): figures measured, each with a verdict."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import isfinite, log10
from typing import Any, Literal

import numpy as np

from simulate import setups
from simulate.errors import InvalidInput, Problem
from simulate.integrators import METHODS
from simulate.model import Array, Model
from simulate.parameters import LEVERS
from simulate.region import HEADLINE, regional_model
from simulate.registry import Registry
from simulate.runs import KEPT, Trajectories
from simulate.scenarios import LeverSetting, Scenario, default_scenario
from simulate.setups import Design, Setup
from simulate.targets import Labels as Labels

Verdict = Literal["passed", "weak", "failed", "not testable"]

RANK: dict[str | None, int] = {None: 0, "not testable": 1, "passed": 2, "weak": 3, "failed": 4}
"""From harmless to grave: a finding's verdict is the gravest of its figures'."""

RUNS = 2000
"""Runs of an ensemble in which shares of runs are counted: a share of one half is known to within 2.2 points."""


def words(zh: str, en: str) -> Labels:
    """Return a text in both languages."""
    return Labels(zh=zh, en=en)


def shown(value: float | str | Labels, lang: str = "en", digits: int = 3) -> str:
    """Show a figure to `digits` significant digits, so that the last bits of another machine do not show."""
    if isinstance(value, Labels):
        return value.label(lang)
    if isinstance(value, str):
        return value
    if isinstance(value, int) or not isfinite(value):
        return f"{value:,}"
    if value == 0 or abs(value) < 1e-13:
        return "0"
    if abs(value) < 1e-4:
        return f"{value:.0e}"
    return f"{value:,.{max(0, digits - 1 - int(np.floor(log10(abs(value)))))}f}"


@dataclass(frozen=True)
class Measure:
    """One figure measured: what, its value and unit, what was demanded of it beforehand, and whether it held.

    `verdict` is None for a figure that informs and is not judged. `ratio` is how many times the demand was missed
    (1: just), which orders worries; `worry` is the sentence for a reviewer, made from the figure.
    """

    label: Labels
    value: float | str | Labels
    unit: str | Labels = ""
    verdict: Verdict | None = None
    demand: Labels | None = None
    worry: Labels | None = None
    ratio: float = 1.0

    @property
    def severity(self) -> float:
        """Order of worries: the class of the verdict first, then by how many times the demand was missed (0 to 1 within a class)."""
        if self.verdict in (None, "passed"):
            return 0.0
        return (2.0 if self.verdict == "failed" else 1.0) + 1 - 1 / max(self.ratio, 1.0)

    def shown(self, lang: str) -> str:
        """The value with its unit."""
        return f"{shown(self.value, lang)} {shown(self.unit, lang)}".strip()

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        value = {"zh": self.value.zh, "en": self.value.en} if isinstance(self.value, Labels) else self.value
        return {"figure": _both(self.label), "value": value, "unit": shown(self.unit), "verdict": self.verdict,
                "demand": _both(self.demand), "worry": _both(self.worry)}


def judged(label: Labels, value: float, unit: str | Labels, demand: Labels, *, ok: bool, soft: bool = False, ratio: float = 1.0,
           worry: Labels | None = None) -> Measure:
    """Return a figure held against its demand: passed where `ok`, else failed, or weak where `soft`."""
    return Measure(label, value, unit, "passed" if ok else "weak" if soft else "failed", demand, None if ok else worry, ratio)


def below(label: Labels, value: float, limit: float, unit: str | Labels = "", *, fail: float | None = None, worry: Labels | None = None,
          strict: bool = False) -> Measure:
    """Return a figure that is to stay at or below `limit`: weak above it, failed above `fail` (None: at once, if `strict`)."""
    ok = value <= limit
    failed = strict or not isfinite(value) or (fail is not None and value > fail)
    sign = f"≤ {limit:g}"
    return Measure(label, value, unit, "passed" if ok else "failed" if failed else "weak", words(sign, sign),
                   None if ok else worry, value / limit if limit > 0 and isfinite(value) else 10.0)


@dataclass(frozen=True)
class Finding:
    """What one test found. `data` holds what its chart draws, as plain lists."""

    test: str
    done: Labels
    figures: tuple[Measure, ...]
    note: Labels | None = None
    data: Mapping[str, Any] = field(default_factory=dict)

    @property
    def verdict(self) -> Verdict:
        """The gravest verdict among the figures."""
        found: list[Verdict] = [m.verdict for m in self.figures if m.verdict is not None]
        return max(found, key=lambda v: RANK[v], default="not testable")

    @property
    def main(self) -> Measure:
        """The figure that decides the verdict: of the gravest ones that which missed its demand most."""
        return max(self.figures, key=lambda m: (RANK[m.verdict], m.severity))

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {"test": self.test, "done": _both(self.done), "verdict": self.verdict, "figures": [m.to_json() for m in self.figures],
                "note": _both(self.note), "data": dict(self.data)}


@dataclass(frozen=True)
class StandardTest:
    """One test of the standard list: `check(case)` does it; `source` names where the list has it."""

    id: str
    title: Labels
    question: Labels
    source: str
    check: Callable[[Case], Finding]


@dataclass(frozen=True)
class Case:
    """A region's baseline under test. `model` may be another than the regional one: a fault put in on purpose must be found."""

    registry: Registry
    scenario: Scenario
    model: Model = field(default_factory=regional_model)

    @property
    def region(self) -> str:
        """Id of the region."""
        return self.scenario.region

    @cached_property
    def setup(self) -> Setup:
        """The baseline, settled."""
        return self.settle()

    def settle(self, **changes: Any) -> Setup:
        """Return the baseline with keys of the scenario changed, settled with the model under test."""
        return dataclasses.replace(setups.resolve(self.registry, dataclasses.replace(self.scenario, **changes)), model=self.model)

    def levered(self, **levels: float) -> Setup:
        """Return the baseline with levers of these strengths from the year after the base year on, built up over three years."""
        start = self.setup.base_year + 1
        return self.settle(levers={n: LeverSetting(level=v, start=start, ramp=3) for n, v in levels.items()}, uncertainties={
            k: v for k, v in self.scenario.uncertainties.items() if not k.startswith("levers.")})

    @cached_property
    def pushed(self) -> Setup:
        """The baseline with all levers at full strength."""
        return self.levered(**dict.fromkeys(LEVERS, 1.0))

    @property
    def horizon(self) -> int:
        """Last year projected."""
        return self.scenario.horizon

    @cached_property
    def medians(self) -> dict[str, Array]:
        """Every uncertain input at its median, as one run."""
        return {k: np.array([d.centre]) for k, d in self.setup.drawn.items()}

    @cached_property
    def central(self) -> Trajectories:
        """The baseline with every uncertain input at its median."""
        return self.project(self.setup, self.medians)

    @cached_property
    def ensemble(self) -> Trajectories:
        """The baseline's ensemble, the same draws as `simulate run` takes."""
        return self.project(self.setup, self.draw(RUNS))

    @cached_property
    def headline(self) -> tuple[str, ...]:
        """The region's headline indicators, of which the model computes each."""
        return self.central.headline or HEADLINE

    def draw(self, runs: int, setup: Setup | None = None, design: Design | None = None) -> dict[str, Array]:
        """Return the uncertain inputs of the first `runs` runs."""
        return (setup or self.setup).draw(0, runs, self.scenario.seed, design)

    def project(self, setup: Setup, drawn: Mapping[str, Array], *, keep: Iterable[str] = (),
                fixed: Mapping[str, Array] | None = None) -> Trajectories:
        """Project a setup on inputs `drawn` (all of one length); keeps the usual variables, all stocks, and `keep`.

        `fixed` holds variables at a value throughout.
        """
        model, scenario = setup.model, setup.scenario
        runs = max((len(a) for a in drawn.values()), default=1)
        known = {*model.over} - {p.name for p in model.parameters}
        names = tuple(dict.fromkeys(n for n in (*KEPT, *(s.name for s in model.stocks), *keep) if n in known))
        parameters = setup.parameters(drawn)
        years = scenario.horizon - setup.base_year
        with np.errstate(all="ignore"):  # a run that leaves the finite numbers is a finding
            values = model.simulate(
                parameters, setup.inputs(drawn), start=float(setup.base_year), years=years, steps_per_year=scenario.steps_per_year,
                step=METHODS[scenario.method], runs=runs, elements=setup.elements, paths=setup.paths(parameters), keep=names,
                fixed={**{f"policy_{name}": np.zeros(1) for name in LEVERS if name not in scenario.levers
                          and f"policy_{name}" not in setup.path_points}, **(fixed or {})})
        return Trajectories(setup, self.registry, setup.base_year + np.arange(years + 1.0), values, drawn, scenario.seed)

    def label(self, indicator: str) -> Labels:
        """Name of an indicator in both languages."""
        known = self.registry.catalogue[indicator]
        return words(known.zh, known.en)


def case_for(registry: Registry, region: str) -> Case:
    """Return the case of a region: its default scenario. Raises InvalidInput where it cannot be projected."""
    registry.region(region)
    return Case(registry, default_scenario(region))


def regions_to_validate(registry: Registry) -> list[str]:
    """Return the regions that name sectors and have a scenario, in the order of the registry."""
    from simulate.scenarios import list_scenarios

    known = {s.region for s in list_scenarios()}
    return [id for id, region in registry.regions.items() if region.sectors and id in known]


def choose(tests: Sequence[StandardTest], only: Sequence[str] | None) -> tuple[StandardTest, ...]:
    """Return the tests named, in the list's order; all where none is named. Raises InvalidInput for names it has not."""
    from simulate.errors import nearest

    ids = [t.id for t in tests]
    unknown = [Problem(f"--only: there is no test {name!r}.", nearest(name, ids, "Tests")) for name in only or () if name not in ids]
    if unknown:
        raise InvalidInput(unknown)
    return tuple(t for t in tests if not only or t.id in only)


def _both(text: Labels | None) -> dict[str, str] | None:
    return None if text is None else {"zh": text.zh, "en": text.en}
