"""What a sweep computes: its plan (cases x points of a design, columns to keep) and the rows of any span of runs.

Runs are numbered case by case (scenario by scenario, and within each every combination of structures), within a case as
the design numbers its points. All cases stand on the same points, so that differences between them are not blurred.
"""

from __future__ import annotations

import ast
import dataclasses
import hashlib
import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from importlib import metadata
from typing import Any

import numpy as np

from simulate import designs, runs, setups
from simulate.attainment import GROWTH
from simulate.designs import Design, SweepSetting
from simulate.distributions import Distribution
from simulate.errors import InvalidInput, Place, Problem, nearest
from simulate.model import FUNCTIONS, Array, Equation, Model, formula
from simulate.parameters import LEVERS
from simulate.region import Output, regional_model
from simulate.registry import Registry, load_registry
from simulate.scenarios import MAX_RUNS, LeverSetting, Scenario, load_scenario, parameter_and_element
from simulate.setups import Setup
from simulate.targets import Statement

LONGEST_FORMULA = 2000

Kernel = Callable[[Setup, Mapping[str, Array], int, Iterable[str]], dict[str, Array]]
"""What integrates a block of runs, as `runs.project` does: (setup, drawn, runs, keep) -> variable -> (years + 1, [elements,] runs)."""


@dataclass(frozen=True)
class Column:
    """A column of results: what `id` (an indicator, or a variable of the model) is in `year`; not `asked`: kept for a target's sake."""

    id: str
    year: int
    unit: str
    asked: bool = True

    @property
    def name(self) -> str:
        """Name in the files."""
        return f"{self.id}@{self.year}"


@dataclass(frozen=True)
class Case:
    """One scenario with one answer to every structural question; `outputs` says where each column's values are found."""

    scenario: Scenario
    structure: Mapping[str, str]
    formulas: Mapping[str, str]
    outputs: Mapping[str, Output] = field(default_factory=dict)

    @property
    def kept(self) -> tuple[str, ...]:
        """The variables that its columns are made of."""
        return tuple(dict.fromkeys(o.variable.partition("[")[0] for o in self.outputs.values()))

    def setup(self, registry: Registry) -> Setup:
        """Return what its runs need."""
        setup = setups.resolve(registry, self.scenario)
        return dataclasses.replace(setup, model=swapped(tuple(self.formulas.items()))) if self.formulas else setup


@dataclass(frozen=True)
class Plan:
    """A sweep to be computed: run k is point k % design.size of the design in case k // design.size."""

    cases: tuple[Case, ...]
    registry: Registry
    design: Design
    seed: int
    columns: tuple[Column, ...]
    inputs: tuple[str, ...]

    @property
    def runs(self) -> int:
        """Number of runs."""
        return len(self.cases) * self.design.size

    @cached_property
    def setups(self) -> tuple[Setup, ...]:
        """What each case's runs need."""
        return tuple(case.setup(self.registry) for case in self.cases)

    @property
    def questions(self) -> tuple[str, ...]:
        """Structural questions."""
        return tuple(self.cases[0].structure)

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what is made from the rest: models do not travel between processes, and a worker forms its own digest."""
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}

    @cached_property
    def description(self) -> dict[str, Any]:
        """All that decides the values, as plain data: equal descriptions give equal files."""
        return {
            "cases": [{
                "scenario": c.scenario.id, "region": c.scenario.region, "structure": dict(c.structure), "formulas": dict(c.formulas),
                "base_year": s.base_year, "horizon": c.scenario.horizon, "files_sha256": dict(c.scenario.digests),
                "inputs_sha256": _digest([s.values, s.path_points, c.scenario.levers, c.scenario.shocks, s.drawn, c.scenario.method,
                                          c.scenario.steps_per_year, s.sectors, s.clusters]),
                "model_sha256": _digest(s.model.describe())} for c, s in zip(self.cases, self.setups, strict=True)],
            "registry_sha256": dict(self.registry.digests), "design": plain(self.design), "seed": self.seed, "runs": self.runs,
            "inputs": list(self.inputs), "columns": [c.name for c in self.columns],
            "software": {n: metadata.version(n) for n in ("simulate", "numpy", "scipy", "pyarrow")}}

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the description."""
        return _digest(self.description)


def plain(value: Any) -> Any:
    """Return a value as JSON would hold it; records with their type, so that two of equal content differ."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {"is": type(value).__name__, **{f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}}
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    return [plain(v) for v in value] if isinstance(value, list | tuple) else value


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(plain(value), ensure_ascii=False).encode()).hexdigest()


@lru_cache(maxsize=32)
def swapped(formulas: tuple[tuple[str, str], ...]) -> Model:
    """Return the regional model with equations replaced by the `formulas` given as (equation, text), checked for shape and units.

    Raises InvalidInput for an equation the model does not have, text that is no arithmetic on its variables, and units
    that do not fit.
    """
    model = regional_model()
    known = {e.name: e for e in model.equations}
    changed: dict[str, Equation] = {}
    for name, text in formulas:
        where = f"structures: {name}"
        if name not in known:
            raise InvalidInput(Problem(f"{where}: the model has no such equation.", nearest(name, known) or "`simulate model` lists all."))
        try:
            tree = ast.parse(text[: LONGEST_FORMULA + 1].strip(), mode="eval")
            ast.unparse(tree)
        except (SyntaxError, ValueError, RecursionError, MemoryError):  # also a null byte, or brackets without end
            tree = None
        if tree is None or len(text) > LONGEST_FORMULA:
            raise InvalidInput(Problem(f"{where}: {text[:60]!r} is not a formula.", f"Write arithmetic with {', '.join(FUNCTIONS)}."))
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant):
                if isinstance(node.value, bool) or not isinstance(node.value, int | float):
                    raise InvalidInput(Problem(f"{where}: {node.value!r} is not a number.", "Write plain numbers."))
                node.value = float(node.value)
            if isinstance(node, ast.Call) and node.keywords:
                raise InvalidInput(Problem(f"{where}: `{ast.unparse(node)}` names an argument.", "Give arguments in order."))
        arithmetic = ast.unparse(tree)
        e = known[name]
        Equation(name, float, e.unit, e.over, (), "", arithmetic).formula  # noqa: B018  (refuses all but arithmetic before it is evaluated)
        changed[name] = formula(name, arithmetic, e.unit, e.documentation, e.over)
    made = dataclasses.replace(model, equations=tuple(changed.get(e.name, e) for e in model.equations))
    sizes: dict[str | None, tuple[int, ...]] = {"sector": (2, 1), "cluster": (3, 1), None: (1,)}
    for name, e in changed.items():
        values = [np.full((3, 2, 1) if a == "cluster_membership" else sizes[made.over[a]], 0.5) for a in e.arguments]
        try:
            with np.errstate(all="ignore"):
                shape = np.shape(e.function(*values))
        except (TypeError, ValueError, IndexError, ArithmeticError) as error:
            raise InvalidInput(Problem(f"structures: {name}: cannot be evaluated: {error}.",
                                       "Check functions and their arguments.")) from None
        if shape not in ((), (1,), sizes[e.over]):
            has = "sector or cluster" if len(shape) > 1 else "region"
            raise InvalidInput(Problem(f"structures: {name}: the formula has values per {has}, the variable per {e.over or 'region'}.",
                                       "Use total() to sum over sectors."))
    made.check_units()
    return made


def _with_inputs(scenario: Scenario, inputs: Mapping[str, Distribution]) -> Scenario:
    """Return `scenario` with the uncertainties of a sweep in place of its own values; a lever it lacks acts from the start."""
    known = {p.name: p for p in regional_model().parameters}
    levers, problems = dict(scenario.levers), []
    for key, value in inputs.items():
        kind, _, name = key.partition(".")
        low, high = 0.0, 1.0
        if kind == "levers" and name in LEVERS:
            levers.setdefault(name, LeverSetting())
        elif kind in ("levers", "shocks") and name and name not in scenario.shocks:
            problems.append(Problem(f"sweep: {key}: the scenario {scenario.id} has no such {kind[:-1]}.",
                                    nearest(name, LEVERS if kind == "levers" else scenario.shocks, kind.capitalize())))
            continue
        elif not name:
            parameter = known.get(parameter_and_element(key)[0])
            if parameter is None:
                problems.append(Problem(f"sweep: {key}: the model has no such parameter.",
                                        nearest(key, known) or "`simulate model` lists all."))
                continue
            low, high = parameter.bounds
        least, greatest = value.support
        if least < low or greatest > high or (kind == "shocks" and greatest >= 1):
            problems.append(Problem(f"sweep: {key}: {least if least < low else greatest:g} lies outside {low:g} to {high:g}.",
                                    "Choose values within."))
    if problems:
        raise InvalidInput(problems)
    return dataclasses.replace(scenario, levers=levers, uncertainties={**scenario.uncertainties, **inputs})


def target_columns(s: Statement, id: str, base_year: int, horizon: int) -> set[tuple[str, int]]:
    """Return the columns (id, year) that `attainment.judge` needs for the target `s` on the indicator `id`; none if it will not."""
    begin, end = s.period[0] if s.period else s.last_year, s.last_year
    if s.value is None or not (base_year < begin and end <= horizon):
        return set()
    if s.indicator in GROWTH:
        return {(id, end), (id, begin - 1), (id, base_year)}
    years = set(range(begin, end + 1)) if s.aggregate else {end}
    if s.relative_to is not None:
        return {(id, y) for y in years | {s.relative_to}} if base_year <= s.relative_to <= horizon else set()
    return {(i, y) for y in years for i in ((id,) if s.price_basis == "constant" else (id, "price_level"))}


def plan_sweep(scenario: Scenario | str, registry: Registry | None = None, *, setting: SweepSetting | None = None,
               design: Design | None = None, points: int | None = None, seed: int | None = None, keep: Iterable[str] | None = None,
               years: Iterable[int] | None = None, inputs: bool = True) -> Plan:
    """Return the plan of a sweep over `scenario`.

    `setting` takes the place of the scenario's own `sweep:`; `design` that of the setting's grid, lists and sample; `points`
    is the number of points of its sampled part. `keep` names indicators and variables of the model (default: every
    projected indicator), `years` the years kept (default: the scenarios' report years). What the targets of kept indicators
    need besides (base years, sums, the price level) is kept by itself. `inputs`: keep the inputs drawn.
    Raises InvalidInput for names that do not exist and parts that do not fit.
    """
    registry = registry or load_registry()
    first = load_scenario(scenario) if isinstance(scenario, str) else scenario
    with _placed(first if setting is None and first.sweep is not None else None):
        return _planned(first, registry, setting or first.sweep or SweepSetting(), design, points, seed, keep, years, inputs)


@contextmanager
def _placed(scenario: Scenario | None) -> Iterator[None]:
    """Say of problems where they stand in the file of `scenario`, if they come from there: at the key they name, else at `sweep:`."""
    try:
        yield
    except InvalidInput as invalid:
        if scenario is None:
            raise
        keys = {path.rpartition("/")[2]: place for path, place in scenario.places.items() if path.startswith("sweep/")}

        def place(problem: Problem) -> Place | None:
            named = sorted((key for key in keys if not key.isdigit() and key in problem.what), key=len)
            return problem.where or (keys[named[-1]] if named else scenario.place("sweep"))

        raise InvalidInput([dataclasses.replace(p, where=place(p)) for p in invalid.problems]) from None


def _planned(first: Scenario, registry: Registry, setting: SweepSetting, design: Design | None, points: int | None, seed: int | None,
             keep: Iterable[str] | None, years: Iterable[int] | None, inputs: bool) -> Plan:
    count = points if points is not None else setting.runs if setting.runs is not None else first.runs
    seed = first.seed if seed is None else seed
    if seed < 0:
        raise InvalidInput(Problem(f"seed: {seed} is negative.", "Give a whole number from 0 on."))
    scenarios = [first] + [load_scenario(name) for name in setting.scenarios if name != first.id]
    if len({s.id for s in scenarios}) < len(scenarios):
        raise InvalidInput(Problem("sweep: two scenarios have one name.", "Rename one of the files."))
    design = design or setting.design(count)
    scenarios = [_with_inputs(s, {**setting.inputs, **design.given}) for s in scenarios]
    answers = [[("model", dict[str, str]()), *found.items()] for found in setting.structures.values()]
    cases = []
    for s in scenarios:
        for chosen in itertools.product(*answers):
            changes = [item for _, formulas in chosen for item in formulas.items()]
            if len(dict(changes)) < len(changes):
                raise InvalidInput(Problem("structures: two questions change the same equation.",
                                           "Let each equation stand under one question."))
            cases.append(Case(s, dict(zip(setting.structures, (name for name, _ in chosen), strict=True)), dict(changes)))
    made = [case.setup(registry) for case in cases]
    regional_model().check_units()
    drawn = tuple(dict.fromkeys(n for setup in made for n in setup.drawn))
    design = designs.covering(design, drawn)
    unknown = [n for n in design.names or () if n not in drawn]
    if unknown:
        elements = [n for n in drawn if n.startswith(f"{unknown[0]}[")]
        raise InvalidInput(Problem(f"sweep: the input {unknown[0]!r} is not uncertain in any scenario.",
                                   f"Name one of {', '.join(elements)}." if elements else
                                   "Give its values, or its distribution under inputs:. " + nearest(unknown[0], drawn)))
    if not 1 <= design.size * len(cases) <= MAX_RUNS:
        raise InvalidInput(Problem(f"runs: {design.size * len(cases):,} is not between 1 and {MAX_RUNS:,}.",
                                   "Take fewer points or levels."))
    outputs = [_outputs(setup, registry) for setup in made]
    wanted = list(keep) if keep is not None else list(dict.fromkeys(i for o in outputs for i in o))
    wanted = _expanded(wanted, made, outputs)
    asked = sorted(set(years)) if years is not None else sorted({y for c in cases for y in c.scenario.report_years})
    outside = [y for y in asked if not any(s.base_year <= y <= s.scenario.horizon for s in made)]
    if outside:
        raise InvalidInput(Problem(f"years: {outside[0]} lies outside the projection {made[0].base_year}-{made[0].scenario.horizon}.",
                                   "Choose a year in between, or move the scenario's horizon."))
    shown = set(wanted)
    pairs = {(id, year) for id in wanted for year in asked}
    for setup, found in zip(made, outputs, strict=True):
        for target in registry.targets(setup.scenario.region):
            id = GROWTH.get(target.indicator, target.indicator)
            if id in wanted and id in found:
                pairs |= target_columns(target, id, setup.base_year, setup.scenario.horizon)
    if any(id == "price_level" for id, _ in pairs) and "price_level" not in wanted:
        wanted.append("price_level")
    known = {id: o for found in reversed(outputs) for id, o in found.items()}
    unit = {id: known[id].unit if id in known else made[0].model.units[id.partition("[")[0]] for id in wanted}
    columns = tuple(Column(id, year, unit[id], id in shown and year in asked)
                    for id in wanted for year in sorted(y for i, y in pairs if i == id))
    final = tuple(dataclasses.replace(case, outputs={
        id: found.get(id) or Output(id, id, unit[id]) for id in wanted
        if id in found or (id not in known and parameter_and_element(id)[1] in (None, *setup.sectors, *setup.clusters))})
        for case, found, setup in zip(cases, outputs, made, strict=True))
    return Plan(final, registry, design, seed, columns, drawn if inputs else ())


def _outputs(setup: Setup, registry: Registry) -> Mapping[str, Output]:
    """Return the indicators that a setup projects."""
    drawn = {k: np.array([d.centre]) for k, d in setup.drawn.items()}
    values = runs.project(setup, drawn, 1, runs.KEPT)
    years = setup.base_year + np.arange(len(values["gdp"]), dtype=float)
    return runs.Trajectories(setup, registry, years, values, drawn, 0).outputs


def _expanded(names: Iterable[str], made: Iterable[Setup], outputs: Iterable[Mapping[str, Output]]) -> list[str]:
    """Return indicators and variables to keep, those over sectors or clusters element by element."""
    indicators = {i for o in outputs for i in o}
    result: dict[str, None] = {}
    for name in names:
        base = name.partition("[")[0]
        found: list[str] = [name] if name in indicators else []
        for setup in made if not found else ():
            over = setup.model.over.get(base)
            if base in {p.name for p in setup.model.parameters} or base not in setup.model.over:
                continue
            elements = {"sector": setup.sectors, "cluster": setup.clusters, None: ()}[over]
            found += [n for n in ([f"{base}[{e}]" for e in elements] or [base]) if name in (n, base)]
        if not found:
            raise InvalidInput(Problem(f"keep: there is neither an indicator nor a variable {name!r}.",
                                       nearest(name, indicators | set(regional_model().over), "") or "`simulate model` lists all."))
        result |= dict.fromkeys(found)
    return list(result)


def schema(plan: Plan) -> Any:
    """Return the Arrow schema of a plan's files; units are in the columns' metadata."""
    import pyarrow as pa

    units = regional_model().units
    word = pa.dictionary(pa.int16(), pa.string())
    fields = [pa.field("run", pa.int64()), pa.field("scenario", word, metadata={"kind": "case"})]
    fields += [pa.field(f"structure.{q}", word, metadata={"kind": "case"}) for q in plan.questions]
    fields += [pa.field(n, pa.float64(), metadata={"kind": "input", "unit": units.get(n.partition("[")[0], "1")}) for n in plan.inputs]
    fields += [pa.field(c.name, pa.float64(), metadata={"kind": "result", "id": c.id, "year": str(c.year), "unit": c.unit,
                                                        "kept_for": "report" if c.asked else "target"}) for c in plan.columns]
    return pa.schema([*fields, pa.field("finite", pa.bool_())])


class Halted(Exception):
    """Raised where a sweep that has ended for another reason lets go of its workers."""


def rows(plan: Plan, start: int, stop: int, kernel: Kernel = runs.project, halted: Callable[[], bool] = lambda: False) -> Any:
    """Compute runs `start`..`stop`-1 and return them as an Arrow table; a column that a case does not have is null there.

    `finite` says whether every variable kept is finite in every year of the projection, reported or not. `halted` is asked
    before every block of runs; Halted is raised when it says so.
    """
    import pyarrow as pa

    count, block = stop - start, getattr(kernel, "BLOCK", runs.BLOCK)
    table = {n: np.full(count, np.nan) for n in (*plan.inputs, *(c.name for c in plan.columns))}
    absent = {n: np.ones(count, dtype=bool) for n in table}
    finite = np.ones(count, dtype=bool)
    case_of = np.arange(start, stop) // plan.design.size
    for number in range(start // plan.design.size, (stop - 1) // plan.design.size + 1):
        case, setup = plan.cases[number], plan.setups[number]
        begin, end = max(start, number * plan.design.size), min(stop, (number + 1) * plan.design.size)
        low, high = begin - number * plan.design.size, end - number * plan.design.size
        drawn = setup.draw(low, high, plan.seed, designs.hook(plan.design.points(plan.seed, low, high)))
        for name in plan.inputs:
            if name in drawn:
                table[name][begin - start:end - start] = drawn[name]
                absent[name][begin - start:end - start] = False
        keep = case.kept
        for at in range(begin, end, block):
            if halted():
                raise Halted
            size = min(block, end - at)
            part = slice(at - start, at - start + size)
            found = kernel(setup, {n: a[at - begin:at - begin + size] for n, a in drawn.items()}, size, keep)
            for array in found.values():
                finite[part] &= np.isfinite(array).reshape(-1, size).all(axis=0)
            for column in plan.columns:
                output, index = case.outputs.get(column.id), column.year - setup.base_year
                if output is None or not 0 <= index <= case.scenario.horizon - setup.base_year:
                    continue
                variable, _, element = output.variable.partition("[")
                value = found[variable][index]
                if element:
                    elements = setup.clusters if setup.model.over[variable] == "cluster" else setup.sectors
                    value = value[elements.index(element.rstrip("]"))]
                table[column.name][part] = value * output.scale if output.scale != 1 else value
                absent[column.name][part] = False

    def arrow(kind: Any, array: Any, lacking: Any = None) -> Any:  # pa.array would import pandas, which no worker needs
        valid = None if lacking is None or not lacking.any() else pa.py_buffer(np.packbits(~lacking, bitorder="little").tobytes())
        data = np.packbits(array, bitorder="little") if array.dtype == bool else np.ascontiguousarray(array)
        return pa.Array.from_buffers(kind, count, [valid, pa.py_buffer(data)])

    def words(values: list[str]) -> Any:
        distinct = list(dict.fromkeys(values))
        index = np.array([distinct.index(v) for v in values], dtype=np.int16)[case_of]
        return pa.DictionaryArray.from_arrays(arrow(pa.int16(), index), pa.array(distinct))

    columns = [arrow(pa.int64(), np.arange(start, stop)), words([c.scenario.id for c in plan.cases])]
    columns += [words([c.structure[q] for c in plan.cases]) for q in plan.questions]
    columns += [arrow(pa.float64(), a, absent[n]) for n, a in table.items()]
    return pa.Table.from_arrays([*columns, arrow(pa.bool_(), finite)], schema=schema(plan))
