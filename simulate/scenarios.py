"""Scenarios: levers, shocks, paths and uncertainties as YAML; a scenario may extend another.

Times of levers and shocks are calendar dates as decimal years: 2026 is 1 January 2026, 2025.75 is 1 October 2025.
The model's time t stands for the middle of calendar year t, where a year's flow equals its yearly total, so a date d
acts from model time d - 0.5 on.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from typing import Any, Literal

import numpy as np

from simulate import documents, units
from simulate.designs import SweepSetting
from simulate.distributions import Distribution
from simulate.errors import InvalidInput, Place, Problem, in_order, nearest
from simulate.parameters import LEVERS
from simulate.records import record
from simulate.region import OUTPUTS, regional_model
from simulate.targets import Labels

MAX_RUNS = 100_000_000


def _raise(problems: list[str]) -> None:
    """Raise all `problems` as one ValueError, parted by empty lines as `documents` reads them."""
    if problems:
        raise ValueError("\n\n".join(problems))


def _dates(**dates: float | None) -> list[str]:
    """Return a problem for each of `dates` whose year has not four digits (20205 for 2025)."""
    return [f"{name}: {date:g} is not a date in a year of four digits.\nWrite it like 2025, or 2025.5 for the middle of the year."
            for name, date in dates.items() if date is not None and not 1000 <= date < 10000]


@record
class LeverSetting:
    """A policy lever: strength 0..1, in force from `start` (calendar date), built up over `ramp` years."""

    level: float = 1.0
    start: float = 0.0
    ramp: float = 0.0

    def __post_init__(self) -> None:
        """Check ranges."""
        problems = _dates(start=self.start or None)
        if not 0 <= self.level <= 1:
            problems.append(f"level: {self.level:g} is not between 0 (none) and 1 (full).\nGive a share of full strength.")
        if not self.ramp >= 0:
            problems.append(f"ramp: {self.ramp:g} is negative.\nGive the years until full strength, 0 for at once.")
        _raise(problems)


@record
class Shock:
    """A loss of `size` that builds up between `start` (calendar date) and `start + duration` years.

    On `utilisation` it is made good afterwards as capacity use recovers; on `investment` (firms' own) it lasts.
    """

    start: float
    size: float
    duration: float = 1.0
    on: Literal["utilisation", "investment"] = "utilisation"

    def __post_init__(self) -> None:
        """Check ranges."""
        problems = _dates(start=self.start)
        if not 0 <= self.size < 1:
            problems.append(f"size: {self.size:g} is not a share from 0 to below 1.\n0.03 loses 3 %.")
        if not self.duration > 0:
            problems.append(f"duration: {self.duration:g} is not above 0.\nGive years; 1 spreads the loss over a year.")
        _raise(problems)


@record
class PathSetting:
    """A variable's course given from outside: yearly `values`, a cumulative `total` over `period`, or the plan's own target.

    A total is spread so that the flow grows from its base value at one constant yearly rate. After the last year the
    equation resumes, or the last value holds. `source` says where the numbers come from.
    """

    values: dict[int, float] | None = None
    total: float | None = None
    period: tuple[int, ...] | None = None
    from_plan: bool = False
    unit: str | None = None
    after: Literal["resume", "hold"] = "resume"
    source: str | None = None

    def __post_init__(self) -> None:
        """Check that exactly one form is given."""
        problems = [problem for year in self.values or {} for problem in _dates(values=year)]
        if (self.values is not None) + (self.total is not None) + self.from_plan != 1:
            problems.append("a path is given in exactly one form.\n"
                            "Write values: {2021: …}, or total: with period: [2021, 2025], or from_plan: true.")
        if (self.total is None) != (self.period is None):
            problems.append("a cumulative total needs its period, and a period its total.\nWrite total: 937 and period: [2021, 2025].")
        if self.period is not None:
            problems += [problem for year in self.period for problem in _dates(period=year)]
            if len(self.period) != 2 or not 0 <= self.period[1] - self.period[0] < 1000:
                problems.append(f"period: {list(self.period)} is not a first and a last year.\nWrite period: [2021, 2025].")
        if self.values is not None and not self.values:
            problems.append("values: no year is given.\nWrite values: {2021: …, 2025: …}.")
        if self.total is not None and not self.total > 0:
            problems.append(f"total: {self.total:g} is not above 0.\nGive the sum over the period.")
        _raise(problems)


@record
class ScenarioFile:
    """What a scenario file may hold. With `extends`, every key not given is taken from that scenario."""

    label: Labels | None = None
    description: Labels | None = None
    extends: str | None = None
    default: bool = False
    region: str | None = None
    horizon: int | None = None
    report_years: tuple[int, ...] | None = None
    runs: int | None = None
    seed: int | None = None
    method: Literal["rk4", "euler"] | None = None
    steps_per_year: int | None = None
    levers: dict[str, LeverSetting | None] = field(default_factory=dict)
    shocks: dict[str, Shock | None] = field(default_factory=dict)
    parameters: dict[str, float | None] = field(default_factory=dict)
    uncertainties: dict[str, Distribution | None] = field(default_factory=dict)
    paths: dict[str, PathSetting | None] = field(default_factory=dict)
    fitted: dict[str, tuple[int, ...]] = field(default_factory=dict)  # indicator -> years that its parameters were fitted to
    sweep: SweepSetting | None = None


@dataclass(frozen=True)
class Scenario:
    """A scenario ready to run: every key settled, `extends` worked in."""

    id: str
    label: Labels
    region: str
    horizon: int
    report_years: tuple[int, ...]
    runs: int = 2000
    seed: int = 1
    method: str = "rk4"
    steps_per_year: int = 4
    levers: Mapping[str, LeverSetting] = field(default_factory=dict)
    shocks: Mapping[str, Shock] = field(default_factory=dict)
    parameters: Mapping[str, float] = field(default_factory=dict)
    uncertainties: Mapping[str, Distribution] = field(default_factory=dict)
    paths: Mapping[str, PathSetting] = field(default_factory=dict)
    fitted: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    sweep: SweepSetting | None = None
    default: bool = False
    description: Labels | None = None
    digests: Mapping[str, str] = field(default_factory=dict)
    places: Mapping[str, Place] = field(default_factory=dict, repr=False)

    def with_levers(self, **levels: float) -> Scenario:
        """Return this scenario with the strengths of the levers named changed."""
        for name in levels:
            if name not in LEVERS:
                raise InvalidInput(Problem(f"levers.{name}: no such lever.", nearest(name, LEVERS, "Levers")))
        for name, level in levels.items():
            if not 0 <= level <= 1:
                raise InvalidInput(Problem(f"levers.{name}: {level:g} is not between 0 (none) and 1 (full).",
                                           "Give a share of full strength."))
        changed = {n: dataclasses.replace(self.levers.get(n, LeverSetting()), level=v) for n, v in levels.items()}
        return dataclasses.replace(self, levers={**self.levers, **changed})

    def place(self, *path: str) -> Place | None:
        """Where the key stands that was given last (in this file or one it extends)."""
        return self.places.get("/".join(path))


def parameter_and_element(name: str) -> tuple[str, str | None]:
    """Split `capital_share[industry]` into parameter and element; a plain name has element None."""
    match = re.fullmatch(r"(\w+)\[(\w+)\]", name)
    return (match[1], match[2]) if match else (name, None)


def _checks(file: ScenarioFile, document: documents.Document) -> Iterator[Problem]:
    """Yield what is wrong with one file on its own: `file` holds what is valid of `document`, which names more."""
    at = document.place

    def names(section: str) -> list[str]:
        held = document.data.get(section) if isinstance(document.data, dict) else None
        return list(held) if isinstance(held, dict) else []

    for name in names("levers"):
        if name not in LEVERS:
            yield Problem(f"levers.{name}: no such lever.", nearest(name, LEVERS, "Levers"), at(("levers", name), of_key=True))
    for section in ("parameters", "uncertainties"):
        for key in names(section):
            if section == "uncertainties" and key.partition(".")[0] in ("levers", "shocks"):
                continue  # checked once `extends` is worked in
            if (problem := _parameter(key, getattr(file, section).get(key))) is not None:
                what, remedy, of_key = problem
                yield Problem(f"{section}.{key}: {what}", remedy, at((section, key), of_key))
    for name in names("paths"):
        for inner, what, remedy in _path(name, file.paths.get(name)):
            yield Problem(f"{'.'.join(('paths', name, *inner))}: {what}", remedy, at(("paths", name, *inner), of_key=not inner))
    for key, years in (("horizon", (file.horizon,)), ("report_years", file.report_years or ())):
        for year in years:
            if year is not None and not 1000 <= year <= 9999:
                yield Problem(f"{key}: {year} is not a year of four digits.", "Write it like 2035.", at((key,)))
    if file.runs is not None and not 1 <= file.runs <= MAX_RUNS:
        yield Problem(f"runs: {file.runs} is not between 1 and {MAX_RUNS:,}.", "Give a number of runs; 2000 is usual.", at(("runs",)))
    if file.seed is not None and file.seed < 0:
        yield Problem(f"seed: {file.seed} is negative.", "Give a whole number from 0 on.", at(("seed",)))
    if file.steps_per_year is not None and not 1 <= file.steps_per_year <= 1024:
        yield Problem(f"steps_per_year: {file.steps_per_year} is not between 1 and 1024.", "4 is exact enough with rk4, 16 with euler.",
                      at(("steps_per_year",)))


def _parameter(key: str, value: float | Distribution | None) -> tuple[str, str, bool] | None:
    """Return what is wrong with a value or distribution for the parameter `key`, the remedy, and whether the key is at fault."""
    known = {p.name: p for p in regional_model().parameters}
    name, element = parameter_and_element(key)
    if name not in known:
        return "the model has no such parameter.", nearest(name, known) or "`simulate model` lists all.", True
    parameter = known[name]
    if name in ("base_year", "industrial", "cluster_membership"):
        return "it follows from the region's description.", "Change the region in a seed file.", True
    if element is not None and parameter.over is None:
        return f"{name} is one number, not one for each sector or cluster.", f"Write {name}.", True
    if element is None and name in ("sector_share", "cluster_revenue_base"):
        return f"it is one number for each {parameter.over}.", f"Name the {parameter.over}: {name}[…].", True
    if value is None:
        return None
    low, high = parameter.bounds
    with np.errstate(all="ignore"):  # what overflows is infinite, and said to be
        least, greatest = value.support if isinstance(value, Distribution) else (value, value)
    if low <= least and greatest <= high and isfinite(least) and isfinite(greatest):
        return None
    wrong = greatest if low <= least and isfinite(least) else least
    head = f"it reaches {wrong:g}, which is" if isinstance(value, Distribution) else f"{wrong:g} is"
    unit = "" if parameter.unit == "1" else f" [{parameter.unit}]"
    bounds = "not finite" if not isfinite(wrong) else "not above 0" if low else "below 0"
    if isfinite(high):
        bounds = f"not between {low:g} and {high:g}"
    given = parameter.default
    usual = ", ".join(f"{n} {v:g}" for n, v in given.items()) if isinstance(given, Mapping) else given
    return (f"{head} {bounds}{unit}.", f"{parameter.documentation}; {'the region supplies it' if usual is None else f'default {usual}'}.",
            False)


def _path(name: str, setting: PathSetting | None) -> Iterator[tuple[tuple[str, ...], str, str]]:
    """Yield the key inside a path for the variable `name` that is wrong, what is wrong, and the remedy."""
    model = regional_model()
    constants = {e.name for e in model.constants}
    computed = {e.name for e in model.equations} - constants
    stock = next((s for s in model.stocks if s.name == name), None)
    if stock is not None:
        yield (), "a stock follows from its flows.", f"Give a path to one of them: {', '.join((*stock.inflows, *stock.outflows))}."
        return
    if name not in computed:
        yield (), "the model computes no such variable.", nearest(name, computed) or "`simulate model` lists all."
        return
    if setting is None:
        return
    output = next((o for o in OUTPUTS if o.variable == name), None)
    if output is not None and setting.unit is not None:
        try:
            units.factor(setting.unit, output.unit)
        except InvalidInput as invalid:
            yield ("unit",), invalid.problems[0].what.removeprefix("unit: "), invalid.problems[0].remedy
    elif setting.unit is not None:
        expected = model.units[name]
        if setting.unit != expected and not (setting.unit == "%" and expected in ("1", "1/year")):
            yield ("unit",), f"{setting.unit!r} does not fit {expected}.", f"Leave unit out, or write {expected}."
    for year, value in (setting.values or {}).items():
        if output is not None and value < 0:
            yield ("values", str(year)), f"{value:g} is below 0.", f"{output.indicator} cannot be negative."
    has_base = model.over[name] is None and f"{name}_base" in {*constants, *(p.name for p in model.parameters)}
    if setting.total is not None and not has_base:
        yield ("total",), "a cumulative total needs a variable with a base-year value to grow from.", "Give values: by year instead."


def _merge(child: ScenarioFile, parent: ScenarioFile) -> ScenarioFile:
    merged: dict[str, Any] = {}
    for f in dataclasses.fields(ScenarioFile):
        mine, theirs = getattr(child, f.name), getattr(parent, f.name)
        if isinstance(mine, dict):
            merged[f.name] = {**theirs, **mine}
        else:
            merged[f.name] = mine if mine is not None else theirs
    # the child's word counts: its value ends the parent's uncertainty, and its uncertainty the parent's value
    settled = {name for name, value in child.parameters.items() if value is not None}
    settled |= {f"{kind}.{name}" for kind in ("levers", "shocks") for name in getattr(child, kind)}
    merged["uncertainties"] = {k: v for k, v in merged["uncertainties"].items() if k not in settled or k in child.uncertainties}
    drawn = {name for name, value in child.uncertainties.items() if value is not None}
    merged["parameters"] = {k: v for k, v in merged["parameters"].items() if k not in drawn or k in child.parameters}
    merged["default"], merged["extends"] = child.default, None
    return ScenarioFile(**merged)


@dataclass
class _Reading:
    """What has been read of a scenario and those it extends."""

    problems: list[Problem] = field(default_factory=list)
    digests: dict[str, str] = field(default_factory=dict)
    places: dict[str, Place] = field(default_factory=dict)
    whole: bool = True  # False: a part could not be read at all, so what is missing may stand there

    def read(self, file: Path, trail: tuple[Path, ...] = ()) -> ScenarioFile:
        """Return the scenario in `file` with all that it extends worked in; gather every problem."""
        try:
            document = documents.read(file)
        except InvalidInput as invalid:
            self.problems.extend(invalid.problems)
            self.whole = False
            return ScenarioFile()
        own, _, problems = documents.usable(ScenarioFile, document)
        self.problems.extend(problems)
        self.whole &= own is not None
        own = own or ScenarioFile()
        self.problems.extend(_checks(own, document))
        parent = ScenarioFile()
        if own.extends is not None:
            where = document.place(("extends",))
            try:
                above = find(own.extends, beside=file.parent, where=where)
                seen = [p.resolve() for p in (*trail, file)]
                if above.resolve() in seen:
                    chain = " -> ".join(p.stem for p in (*trail, file, above))
                    raise InvalidInput(Problem(f"extends: the scenarios extend each other in a circle: {chain}.",
                                               "Let one of them stand alone.", where))
                parent = self.read(above, (*trail, file))
            except InvalidInput as invalid:
                self.problems.extend(invalid.problems)
                self.whole = False
        for name, shock in own.shocks.items():
            if shock is None and name not in parent.shocks and self.whole:
                self.problems.append(Problem(f"shocks.{name}: there is no such shock to take away.",
                                             nearest(name, parent.shocks, "Inherited"), document.place(("shocks", name), of_key=True)))
        self.digests[file.name] = document.digest
        self.places.update(document.places())
        return _merge(own, parent)


def find(name: str, beside: Path | None = None, where: Place | None = None) -> Path:
    """Return the file of the scenario `name`: a path, or a name beside the asking file or among the package's own."""
    given = Path(name)
    own = documents.data_folder("scenarios")
    folders = ([beside] if beside else []) + [Path(), own]
    for candidate in [f / given for f in folders] + [f / f"{name}.yaml" for f in folders]:
        with suppress(OSError, ValueError):  # a name no file can have
            if candidate.is_file():
                return candidate
    names = {p.stem for f in folders if f != Path() for p in f.glob("*.yaml")}
    raise InvalidInput(Problem(f"scenario: there is no {name!r}, neither as a file nor by name.",
                               nearest(name, names) or "`simulate scenarios` lists all.", where))


def load_scenario(name: str | Path) -> Scenario:
    """Read a scenario by file or name, with all that it extends.

    Raises InvalidInput with every problem of the file: unknown keys, levers, parameters and variables (with the nearest
    names), values out of range, missing keys.
    """
    file = find(str(name))
    reading = _Reading()
    merged = reading.read(file)
    problems, places = reading.problems, reading.places
    if not reading.whole:
        raise InvalidInput(in_order(problems))
    faulty = set(places) if problems else set()  # a key that stands there and was left out for a problem is not missing
    problems += [Problem(f"{key!r} is missing.", f"Add {key}: …, or extends: a scenario that has it.", Place(file, 1, 1))
                 for key in ("region", "horizon") if getattr(merged, key) is None and key not in faulty]
    shown = {n: v for n, v in merged.levers.items() if v is not None}
    shocks = {n: v for n, v in merged.shocks.items() if v is not None}
    for key, value in merged.uncertainties.items():
        kind, _, name_ = key.partition(".")
        if kind in ("levers", "shocks") and value is not None:
            held: Mapping[str, Any] = shown if kind == "levers" else shocks
            if name_ not in held and f"{kind}/{name_}" not in faulty:
                problems.append(Problem(f"uncertainties.{key}: the scenario sets no such {kind[:-1]}.",
                                        nearest(name_, held, "Set") or f"Set it under {kind}: first.",
                                        places.get(f"uncertainties/{key}")))
            elif value.support[0] < 0 or value.support[1] > 1:
                problems.append(Problem(f"uncertainties.{key}: {value} does not lie between 0 and 1.",
                                        "Give a range of strengths (levers) or of shares lost (shocks).",
                                        places.get(f"uncertainties/{key}")))
    for year in merged.report_years or ():
        if merged.horizon is not None and year > merged.horizon:
            problems.append(Problem(f"report_years: {year} lies after the horizon {merged.horizon}.", "Move the horizon, or drop the year.",
                                    places.get("report_years")))
    if problems:
        raise InvalidInput(in_order(problems))
    given = {f.name: getattr(merged, f.name) for f in dataclasses.fields(ScenarioFile)
             if f.name in ("runs", "seed", "method", "steps_per_year", "sweep") and getattr(merged, f.name) is not None}
    assert merged.region is not None
    assert merged.horizon is not None
    return Scenario(
        id=file.stem, label=merged.label or Labels(zh=file.stem, en=file.stem), region=merged.region, horizon=merged.horizon,
        report_years=merged.report_years or (merged.horizon,), levers=shown, shocks=shocks, default=merged.default,
        parameters={n: v for n, v in merged.parameters.items() if v is not None and merged.uncertainties.get(n) is None},
        uncertainties={n: v for n, v in merged.uncertainties.items() if v is not None},
        paths={n: v for n, v in merged.paths.items() if v is not None}, fitted=merged.fitted,
        description=merged.description, digests=reading.digests, places=places, **given)


def list_scenarios(folder: Path | None = None) -> list[Scenario]:
    """Return the package's scenarios (or those of `folder`), by name."""
    return [load_scenario(file) for file in sorted((folder or documents.data_folder("scenarios")).glob("*.yaml"))]


def default_scenario(region: str | None = None) -> Scenario:
    """Return the scenario marked `default: true` (of `region`, else of all); the first by name if none is marked."""
    found = [s for s in list_scenarios() if region in (None, s.region)]
    if not found:
        raise InvalidInput(Problem(f"there is no scenario for the region {region!r}.", "`simulate scenarios` lists all."))
    return next((s for s in found if s.default), found[0])

