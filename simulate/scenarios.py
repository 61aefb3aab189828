"""Scenarios: levers, shocks, paths and uncertainties as YAML; a scenario may extend another.

Times of levers and shocks are calendar dates as decimal years: 2026 is 1 January 2026, 2025.75 is 1 October 2025.
The model's time t stands for the middle of calendar year t, where a year's flow equals its yearly total, so a date d
acts from model time d - 0.5 on.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from simulate import documents
from simulate.distributions import Distribution
from simulate.errors import InvalidInput, Place, Problem, nearest
from simulate.model import Parameter
from simulate.parameters import LEVERS
from simulate.records import record
from simulate.region import regional_model
from simulate.targets import Labels

MAX_RUNS = 100_000_000


@record
class LeverSetting:
    """A policy lever: strength 0..1, in force from `start` (calendar date), built up over `ramp` years."""

    level: float = 1.0
    start: float = 0.0
    ramp: float = 0.0

    def __post_init__(self) -> None:
        """Check ranges."""
        if not 0 <= self.level <= 1:
            raise ValueError(f"level: {self.level:g} is not between 0 (none) and 1 (full).\nGive a share of full strength.")
        if self.ramp < 0:
            raise ValueError(f"ramp: {self.ramp:g} is negative.\nGive the years until full strength, 0 for at once.")


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
        if not 0 <= self.size < 1:
            raise ValueError(f"size: {self.size:g} is not a share from 0 to below 1.\n0.03 loses 3 %.")
        if not self.duration > 0:
            raise ValueError(f"duration: {self.duration:g} is not above 0.\nGive years; 1 spreads the loss over a year.")


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
        if (self.values is not None) + (self.total is not None) + self.from_plan != 1:
            raise ValueError("a path is given in exactly one form.\n"
                             "Write values: {2021: …}, or total: with period: [2021, 2025], or from_plan: true.")
        if (self.total is None) != (self.period is None) or (self.period is not None and len(self.period) != 2):
            raise ValueError("a cumulative total needs its period, and a period its total.\nWrite total: 937 and period: [2021, 2025].")
        if self.values is not None and not self.values:
            raise ValueError("values: no year is given.\nWrite values: {2021: …, 2025: …}.")
        if self.total is not None and not self.total > 0:
            raise ValueError(f"total: {self.total:g} is not above 0.\nGive the sum over the period.")


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
    default: bool = False
    description: Labels | None = None
    digests: Mapping[str, str] = field(default_factory=dict)
    places: Mapping[str, Place] = field(default_factory=dict, repr=False)

    def with_levers(self, **levels: float) -> Scenario:
        """Return this scenario with the strengths of the levers named changed."""
        for name in levels:
            if name not in LEVERS:
                raise InvalidInput(Problem(f"levers.{name}: no such lever.", nearest(name, LEVERS, "Levers")))
        changed = {n: dataclasses.replace(self.levers.get(n, LeverSetting()), level=v) for n, v in levels.items()}
        return dataclasses.replace(self, levers={**self.levers, **changed})

    def place(self, *path: str) -> Place | None:
        """Where the key stands that was given last (in this file or one it extends)."""
        return self.places.get("/".join(path))


def parameter_and_element(name: str) -> tuple[str, str | None]:
    """Split `capital_share[industry]` into parameter and element; a plain name has element None."""
    match = re.fullmatch(r"(\w+)\[(\w+)\]", name)
    return (match[1], match[2]) if match else (name, None)


def domain(parameter: Parameter) -> tuple[float, float]:
    """Return the least and greatest value that make sense for a parameter."""
    if parameter.name.endswith("_share"):
        return 0.0, 1.0
    prior = parameter.prior if isinstance(parameter.prior, Distribution) else None
    if prior is not None and prior.support[0] < 0:
        return -0.5, 0.5
    divides = parameter.unit == "year" or parameter.name in ("recognition_rate", "utilisation_base", "cluster_ceiling") or (
        parameter.indicator is not None and parameter.default is None)
    return (1e-12 if divides else 0.0), float("inf")


def _checks(file: ScenarioFile, document: documents.Document) -> Iterator[Problem]:
    """Yield what is wrong with one file on its own."""
    model = regional_model()
    known = {p.name: p for p in model.parameters}
    at = document.place
    for name in file.levers:
        if name not in LEVERS:
            yield Problem(f"levers.{name}: no such lever.", nearest(name, LEVERS, "Levers"), at(("levers", name), of_key=True))
    for section in ("parameters", "uncertainties"):
        for key, value in getattr(file, section).items():
            if section == "uncertainties" and key.partition(".")[0] in ("levers", "shocks"):
                continue  # checked once `extends` is worked in
            name, _ = parameter_and_element(key)
            if name not in known:
                yield Problem(f"{section}.{key}: the model has no such parameter.",
                              nearest(name, known) or "`simulate model` lists all.", at((section, key), of_key=True))
                continue
            if value is None:
                continue
            low, high = domain(known[name])
            least, greatest = value.support if isinstance(value, Distribution) else (value, value)
            if least < low or greatest > high:
                yield Problem(f"{section}.{key}: {least if least < low else greatest:g} lies outside {low:g} to {high:g} [{known[name].unit}].",
                              f"{known[name].documentation}; default {known[name].default}.", at((section, key)))
    computed = {e.name for e in model.equations} - {e.name for e in model.constants}
    for name in file.paths:
        if name not in computed:
            yield Problem(f"paths.{name}: the model computes no such variable.", nearest(name, computed) or "`simulate model` lists all.",
                          at(("paths", name), of_key=True))
    if file.runs is not None and not 1 <= file.runs <= MAX_RUNS:
        yield Problem(f"runs: {file.runs} is not between 1 and {MAX_RUNS:,}.", "", at(("runs",)))
    if file.seed is not None and file.seed < 0:
        yield Problem(f"seed: {file.seed} is negative.", "Give a whole number from 0 on.", at(("seed",)))
    if file.steps_per_year is not None and not 1 <= file.steps_per_year <= 1024:
        yield Problem(f"steps_per_year: {file.steps_per_year} is not between 1 and 1024.", "4 is exact enough with rk4, 16 with euler.",
                      at(("steps_per_year",)))


def _merge(child: ScenarioFile, parent: ScenarioFile) -> ScenarioFile:
    merged: dict[str, Any] = {}
    for f in dataclasses.fields(ScenarioFile):
        mine, theirs = getattr(child, f.name), getattr(parent, f.name)
        if isinstance(mine, dict):
            merged[f.name] = {**theirs, **mine}
        else:
            merged[f.name] = mine if mine is not None else theirs
    for mine, theirs in (("parameters", "uncertainties"), ("uncertainties", "parameters")):  # the child's word counts
        merged[theirs] = {k: v for k, v in merged[theirs].items() if k not in getattr(child, mine) or k in getattr(child, theirs)}
    merged["default"], merged["extends"] = child.default, None
    return ScenarioFile(**merged)


def _read(file: Path, trail: tuple[Path, ...] = ()) -> tuple[ScenarioFile, dict[str, str], dict[str, Place]]:
    document = documents.read(file)
    own: ScenarioFile = documents.validate(ScenarioFile, document)
    problems = list(_checks(own, document))
    if problems:
        raise InvalidInput(problems)
    digests = {file.name: document.digest}
    places = document.places()
    if own.extends is None:
        return own, digests, places
    where = document.place(("extends",))
    parent = find(own.extends, beside=file.parent, where=where)
    if parent in (*trail, file):
        chain = " -> ".join(p.stem for p in (*trail, file, parent))
        raise InvalidInput(Problem(f"extends: the scenarios extend each other in a circle: {chain}.", "Let one of them stand alone.", where))
    theirs, their_digests, their_places = _read(parent, (*trail, file))
    return _merge(own, theirs), {**their_digests, **digests}, {**their_places, **places}


def find(name: str, beside: Path | None = None, where: Place | None = None) -> Path:
    """Return the file of the scenario `name`: a path, or a name beside the asking file or among the package's own."""
    given = Path(name)
    own = documents.data_folder("scenarios")
    folders = [Path()] + ([beside] if beside else []) + [own]
    for candidate in [f / given for f in folders] + [f / f"{name}.yaml" for f in folders]:
        if candidate.is_file():
            return candidate
    names = {p.stem for f in folders[1:] for p in f.glob("*.yaml")}
    raise InvalidInput(Problem(f"scenario: there is no {name!r}, neither as a file nor by name.",
                               nearest(name, names) or "`simulate scenarios` lists all.", where))


def load_scenario(name: str | Path) -> Scenario:
    """Read a scenario by file or name, with all that it extends.

    Raises InvalidInput with every problem of the file: unknown keys, levers, parameters and variables (with the nearest
    names), values out of range, missing keys.
    """
    file = find(str(name))
    merged, digests, places = _read(file)
    problems = [Problem(f"{key!r} is missing.", f"Add {key}: …, or extends: a scenario that has it.", Place(file, 1, 1))
                for key in ("region", "horizon") if getattr(merged, key) is None]
    shown = {n: v for n, v in merged.levers.items() if v is not None}
    shocks = {n: v for n, v in merged.shocks.items() if v is not None}
    for key, value in merged.uncertainties.items():
        kind, _, name_ = key.partition(".")
        if kind in ("levers", "shocks") and value is not None:
            held: Mapping[str, Any] = shown if kind == "levers" else shocks
            if name_ not in held:
                problems.append(Problem(f"uncertainties.{key}: the scenario sets no such {kind[:-1]}.",
                                        nearest(name_, held, "Set") or f"Set it under {kind}: first.",
                                        places.get(f"uncertainties/{key}")))
            elif value.support[0] < 0 or value.support[1] > 1:
                problems.append(Problem(f"uncertainties.{key}: the range must lie between 0 and 1.", "",
                                        places.get(f"uncertainties/{key}")))
    for year in merged.report_years or ():
        if merged.horizon is not None and year > merged.horizon:
            problems.append(Problem(f"report_years: {year} lies after the horizon {merged.horizon}.", "Move the horizon, or drop the year.",
                                    places.get("report_years")))
    if problems:
        raise InvalidInput(problems)
    given = {f.name: getattr(merged, f.name) for f in dataclasses.fields(ScenarioFile)
             if f.name in ("runs", "seed", "method", "steps_per_year") and getattr(merged, f.name) is not None}
    assert merged.region is not None
    assert merged.horizon is not None
    return Scenario(
        id=file.stem, label=merged.label or Labels(zh=file.stem, en=file.stem), region=merged.region, horizon=merged.horizon,
        report_years=merged.report_years or (merged.horizon,), levers=shown, shocks=shocks, default=merged.default,
        parameters={n: v for n, v in merged.parameters.items() if v is not None and merged.uncertainties.get(n) is None},
        uncertainties={n: v for n, v in merged.uncertainties.items() if v is not None},
        paths={n: v for n, v in merged.paths.items() if v is not None},
        description=merged.description, digests=digests, places=places, **given)


def list_scenarios(folder: Path | None = None) -> list[Scenario]:
    """Return the package's scenarios (or those of `folder`), by name."""
    return [load_scenario(file) for file in sorted((folder or documents.data_folder("scenarios")).glob("*.yaml"))]


def default_scenario(region: str | None = None) -> Scenario:
    """Return the scenario marked `default: true` (of `region`, else of all); the first by name if none is marked."""
    found = [s for s in list_scenarios() if region in (None, s.region)]
    if not found:
        raise InvalidInput(Problem(f"there is no scenario for the region {region!r}.", "`simulate scenarios` lists all."))
    return next((s for s in found if s.default), found[0])

