"""The regional model with one scenario's values as an XMILE 1.0 document, for PySD, Stella, Simlin and their kin.

Written for the least of its readers: constants are auxiliaries, arrays are expanded to plain names (capital_industry),
sums are written out, every operation has its parentheses, and nothing but + - * / ^, comparisons, IF THEN ELSE, EXP, LN,
MIN, MAX and TIME is used. Integration is Euler's: two of the readers run any other method as Euler without a word. Paths
are nested IFs, not graphical functions: PySD keeps only eight digits of the points of those.

A power is written EXP(a * LN(b)), not b ^ a: it is how the engine computes it, so it is the same number bit for bit, and
a negative base, an error, gives NaN everywhere, where b ^ a gives a complex number in Python.

Time: `within_step` is the middle of the step, and settles on which side of a jump the step lies (see `integrators`). A
program reports at time t what holds in the step that begins there; our tables report what held in the step that led
there. Where the two differ at a whole year, since a path ends or a lever jumps, a second auxiliary `…_reported` has ours.
"""

from __future__ import annotations

import ast
import math
import os
import tempfile
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from itertools import product
from pathlib import Path

import numpy as np

from simulate.errors import InvalidInput, Problem, nearest
from simulate.model import Array, Parameter
from simulate.parameters import LEVERS
from simulate.runs import KEPT
from simulate.setups import DATE_SHIFT, Setup

NAMESPACE = "http://docs.oasis-open.org/xmile/ns/XMILE/v1.0"
SUFFIXES = (".xmile", ".stmx", ".xml")
RESERVED = frozenset(
    "abs and arccos arcsin arctan cos delay delay1 delay3 delayn dt else exp exprnd final_time forcst if inf init initial_time int ln "
    "log10 lognormal lookup max mean min mod normal not or pi poisson previous prod pulse ramp random rank saveper self sin size smth1 "
    "smth3 smthn sqrt starttime std stddev step stoptime sum tan then time time_step trend".split())

_OPERATORS: dict[type[ast.operator], str] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.Pow: "^"}
_COMPARISONS: dict[type[ast.cmpop], str] = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">="}
_FUNCTIONS = {"exp": "EXP", "log": "LN", "minimum": "MIN", "maximum": "MAX"}
_RISING = "minimum(maximum((time - (date{0} - date_shift)) / years{0}, 0), 1)"

Key = tuple[str, ...]
"""A variable of the model and the element of each of its dimensions: ("capital", "industry")."""


@dataclass(frozen=True)
class Variable:
    """A variable as it stands in the file; `origin` is its name in the model, `uses` are the names in its equation."""

    name: str
    origin: str
    kind: str
    equation: str
    unit: str
    documentation: str
    uses: tuple[str, ...] = ()
    inflows: tuple[str, ...] = ()
    outflows: tuple[str, ...] = ()


@dataclass
class _Scope:
    """Where an expression stands: the elements, names of its own, whether it is a `…_reported`; `uses` gathers what it names."""

    at: Mapping[str, str] = field(default_factory=dict)
    local: Mapping[str, str] = field(default_factory=dict)
    late: bool = False
    uses: dict[str, None] = field(default_factory=dict)

    def inside(self, dimension: str, element: str) -> _Scope:
        """The same place at one element of a dimension."""
        return _Scope({**self.at, dimension: element}, self.local, self.late, self.uses)


class _Writer:
    """Writes the variables of one setup."""

    def __init__(self, setup: Setup, drawn: Mapping[str, Array], steps_per_year: int) -> None:
        self.setup, self.model, self.drawn, self.steps = setup, setup.model, drawn, steps_per_year
        self.elements: dict[str | None, tuple[str, ...]] = {"sector": setup.sectors, "cluster": setup.clusters}
        self.parameters = setup.parameters(drawn)
        self.inputs, self.paths = setup.inputs(drawn), setup.paths(self.parameters)
        self.names = _plain_names(setup)
        self.taken = set(RESERVED) | set(self.names.values())
        self.variables: list[Variable] = []
        self.late = self._changed_at_whole_years()
        self.twins = {(n, *e): self.claim(f"{self.names[(n, *e)]}_reported") for n in self.late for e in self.positions(n)}

    def claim(self, wanted: str) -> str:
        """A name not in use, `wanted` if that is free."""
        name = next(n for k in range(1, len(self.taken) + 2) if (n := wanted if k == 1 else f"{wanted}_{k}") not in self.taken)
        self.taken.add(name)
        return name

    def positions(self, name: str) -> list[Key]:
        """The elements that a variable is expanded over; one empty tuple for a scalar."""
        return list(product(*(self.elements[d] for d in _dimensions(self.setup, name))))

    # ------------------------------------------------------------ expressions

    def text(self, node: ast.expr, scope: _Scope) -> str:
        """Write an expression of the model as XMILE. Raises InvalidInput for what XMILE cannot say."""
        match node:
            case ast.Constant(value=int() | float() as value):
                return _number(float(value))
            case ast.Name(id=name):
                return self.resolve(name, scope)
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
                return f"({self.text(left, scope)} {_OPERATORS[type(op)]} {self.text(right, scope)})"
            case ast.UnaryOp(op=ast.USub(), operand=operand):  # PySD regroups a chain that holds a unary minus
                return f"(0 - {self.text(operand, scope)})"
            case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _COMPARISONS:
                return f"({self.text(left, scope)} {_COMPARISONS[type(op)]} {self.text(right, scope)})"
            case ast.Call(func=ast.Name(id=name), args=arguments):
                return self.call(name, arguments, scope)
        raise InvalidInput(Problem(f"`{ast.unparse(node)}` cannot be written in XMILE.", "Use + - * / **, single comparisons in "
                                   "where(), exp, log, minimum, maximum, power, total and of_sector."))

    def call(self, name: str, arguments: Sequence[ast.expr], scope: _Scope) -> str:
        """Write a function of the model."""
        if name == "total":
            over = {self.model.over[n.id] for n in ast.walk(arguments[0]) if isinstance(n, ast.Name) and n.id in self.model.over} - {None}
            return _sum([self.text(arguments[0], scope.inside(d, e)) for d in over if d for e in self.elements[d]])
        if name == "of_sector":
            return _sum([f"({self.text(arguments[0], inside)} * {self.text(arguments[1], inside)})"
                         for inside in (scope.inside("sector", s) for s in self.setup.sectors)])
        written = [self.text(a, scope) for a in arguments]
        if name == "where":
            return f"(IF {written[0]} THEN {written[1]} ELSE {written[2]})"
        if name == "power":
            return f"EXP({written[1]} * LN({written[0]}))"
        return f"{_FUNCTIONS[name]}({', '.join(written)})"

    def resolve(self, name: str, scope: _Scope) -> str:
        """The plain name of what an expression names."""
        if name == self.model.time:
            return "TIME"
        if name == "within":
            plain = "within_step_reported" if scope.late else "within_step"
        elif name in scope.local or name not in self.model.over:
            plain = scope.local.get(name, name)
        else:
            key = (name, *(scope.at.get(d, "") for d in _dimensions(self.setup, name)))
            if key not in self.names:
                raise InvalidInput(Problem(f"{name} is an array where a single number is meant.", "Write total() around it."))
            plain = self.twins.get(key, self.names[key]) if scope.late else self.names[key]
        scope.uses[plain] = None
        return plain

    def parse(self, expression: str, scope: _Scope) -> str:
        """Write an expression given as text."""
        return self.text(ast.parse(expression, mode="eval").body, scope)

    # ------------------------------------------------------------ variables

    def add(self, name: str, origin: str, equation: str, unit: str, documentation: str, scope: _Scope | None = None) -> str:
        """Add an auxiliary, or a flow if `origin` is one; return its name."""
        kind = "flow" if origin in self.flows and not (scope and scope.late) else "aux"
        self.variables.append(Variable(name, origin, kind, equation, unit, documentation, tuple(scope.uses) if scope else ()))
        return name

    def constant(self, wanted: str, origin: str, value: float, unit: str, documentation: str) -> str:
        """Add a number under a name of its own; return the name."""
        return self.add(self.claim(wanted), origin, _number(value), unit, documentation)

    def write(self) -> list[Variable]:
        """All variables, in the model's order. Raises InvalidInput with everything that cannot be expressed."""
        self.flows = {n for s in self.model.stocks for n in (*s.inflows, *s.outflows)}
        for s in self.model.stocks:
            for at in self.positions(s.name):
                scope = _Scope(self.at(s.name, at))
                initial = self.resolve(s.initial, scope)
                inflows, outflows = ([self.resolve(n, _Scope(scope.at)) for n in names] for names in (s.inflows, s.outflows))
                self.variables.append(Variable(self.names[(s.name, *at)], s.name, "stock", initial, s.unit, s.documentation, (initial,),
                                               tuple(inflows), tuple(outflows)))
        problems = self._check_flows()
        courses = {name: self._course(name) for name in self.paths}
        for e in self.model.order:
            for late in (False, True) if e.name in self.late else (False,):
                for at in self.positions(e.name):
                    scope = _Scope(self.at(e.name, at), late=late)
                    try:
                        written = self.text(e.formula, scope)
                        if e.name in courses:
                            last, paths = courses[e.name]
                            written = self._imposed(paths[at], last, written, scope)
                    except InvalidInput as error:
                        problems += [Problem(f"equation {e.name}: {p.what}", p.remedy) for p in error.problems]
                        continue
                    key = (e.name, *at)
                    self.add(self.twins[key] if late else self.names[key], e.name, written, e.unit,
                             e.documentation + (" Imposed by a path in its years." if e.name in courses else "") + late * _LATE, scope)
        problems += self._inputs()
        for p in self.model.parameters:
            self._parameter(p)
        if problems:
            raise InvalidInput(problems)
        self._clock()
        return self.variables

    def at(self, name: str, elements: Key) -> dict[str, str]:
        """The elements of a variable by dimension."""
        return dict(zip(_dimensions(self.setup, name), elements, strict=True))

    def _check_flows(self) -> list[Problem]:
        """What cannot be drawn as pipes: a flow into two stocks, or out of two."""
        problems = []
        for way in ("inflows", "outflows"):
            met = [n for v in self.variables for n in getattr(v, way)]
            problems += [Problem(f"{n} is among the {way} of several stocks; in XMILE a flow has one source and one end.",
                                 "Give each stock a flow of its own.") for n in dict.fromkeys(met) if met.count(n) > 1]
        return problems

    def _parameter(self, p: Parameter) -> None:
        origins = {o.name: o for o in self.setup.origins}
        for at, value in zip(self.positions(p.name), self.parameters[p.name].reshape(-1).tolist(), strict=True):
            key, name = f"{p.name}[{at[0]}]" if at else p.name, self.names[(p.name, *at)]
            origin, given = origins.get(key), self.setup.drawn.get(key)
            notes = [p.documentation, f"Source: {f'{origin.grade}: {origin.basis}' if origin else p.source or 'not given'}."]
            if given is not None:
                notes.append(f"Uncertain, {given}: {'one draw' if key in self.drawn and self.drawn[key] != given.centre else 'the median'} here.")
            scope, equation = _Scope(), _number(value)
            if p.name == "sector_share" and key not in self.setup.values:
                others = [self.names[(p.name, s)] for s in self.setup.sectors if f"{p.name}[{s}]" in self.setup.values]
                scope.uses.update(dict.fromkeys(others))
                equation = f"(1 - {_sum(others)})" if others else "1"
            elif p.name == "cluster_membership" and self.setup.region.clusters[at[0]].sector is None:
                equation = self.resolve("sector_share", scope.inside("sector", at[1]))
            self.add(name, p.name, equation, p.unit, " ".join(notes), scope)

    # ------------------------------------------------------------ what the scenario gives over time

    def _inputs(self) -> list[Problem]:
        """Add levers and shocks; return what is not known here."""
        problems = []
        for i in self.model.inputs:
            if i.name.removeprefix("lever_") in LEVERS:
                expression, local = self._lever(i.name.removeprefix("lever_"))
            elif i.name in ("investment_shift", "shock_rate"):
                expression, local = self._shocks(i.name)
            else:
                problems.append(Problem(f"the input {i.name} has no form in XMILE yet.", "Add one to `simulate/interop/xmile.py`."))
                continue
            for late in (False, True) if i.name in self.late else (False,):
                scope = _Scope(local=local, late=late)
                self.add(self.twins[(i.name,)] if late else self.names[(i.name,)], i.name, self.parse(expression, scope), i.unit,
                         i.documentation + late * _LATE, scope)
        return problems

    def _lever(self, lever: str) -> tuple[str, dict[str, str]]:
        setting, name = self.setup.scenario.levers.get(lever), f"lever_{lever}"
        if setting is None:
            return "0", {}
        level = float(self.drawn.get(f"levers.{lever}", np.array([setting.level]))[0])
        local = {"level": self.constant(f"{name}_level", name, level, "1", f"Strength of the lever {lever} when fully built up"),
                 "date": self.constant(f"{name}_date", name, setting.start, "year", f"Calendar date from which the lever {lever} is in force")}
        if setting.ramp == 0:
            return "where(within >= date - date_shift, level, 0)", local
        local["years"] = self.constant(f"{name}_ramp", name, setting.ramp, "year", f"Time in which the lever {lever} is built up")
        return "level * " + _RISING.format(""), local

    def _shocks(self, name: str) -> tuple[str, dict[str, str]]:
        terms, local = [], {}
        for k, (id, shock) in enumerate(self.setup.scenario.shocks.items()):
            if (shock.on == "utilisation") != (name == "shock_rate"):
                continue
            stem = self.claim("_".join(filter(None, ("shock", _legal(id) or str(k + 1)))))
            size = float(self.drawn.get(f"shocks.{id}", np.array([shock.size]))[0])
            local[f"size{k}"] = self.constant(f"{stem}_size", name, size, "1", f"Part of {shock.on} that the shock {id!r} takes away")
            local[f"date{k}"] = self.constant(f"{stem}_date", name, shock.start, "year", f"Calendar date on which the shock {id!r} begins")
            local[f"years{k}"] = self.constant(f"{stem}_duration", name, shock.duration, "year", f"Time over which the shock {id!r} builds up")
            terms.append(f"(1 - size{k} * {_RISING.format(k)})" if name == "investment_shift" else
                         f"where(within >= date{k} - date_shift, where(within < date{k} + years{k} - date_shift, "
                         f"-log(1 - size{k}) / years{k}, 0), 0)")
        if name == "shock_rate":
            return " + ".join(terms) or "0", local
        return " * ".join(terms) or "1", local

    def _course(self, name: str) -> tuple[float, dict[Key, str]]:
        """Add a path's course, linear between its years; return the time it ends and its names by element."""
        setting = self.setup.path_points[name]
        period = setting.period or (0, -1)
        years = sorted({*(setting.values or ()), *range(period[0], period[1] + 1)})
        years = ([self.setup.base_year] if self.setup.base_year < years[0] else []) + years  # it starts at the base year at the latest
        found: dict[Key, str] = {}
        for k, at in enumerate(self.positions(name)):
            stem, local = self.claim(f"path_{self.names[(name, *at)]}"), {}
            for year in years:
                value = self.paths[name](float(year), float(year))
                assert value is not None
                local[f"y{year}"] = self.constant(
                    f"{stem}_{year}", "path", float(np.broadcast_to(value[..., 0], len(self.positions(name)))[k]), self.model.units[name],
                    f"Point of the course of {name} in {year}. Source: {setting.source or 'the scenario'}.")
            course = f"y{years[-1]}"
            for a, b in reversed(list(zip(years, years[1:], strict=False))):
                course = f"where(time < {b}, y{a} + (y{b} - y{a}) * ((time - {a}) / ({b - a} * one_year)), {course})"
            scope = _Scope(local=local)
            found[at] = self.add(
                stem, "path", self.parse(course, scope), self.model.units[name], f"Course of {name} that the scenario imposes; "
                f"{'its last value holds' if setting.after == 'hold' else 'the equation resumes'} after {years[-1]}", scope)
        return (math.inf if setting.after == "hold" else years[-1]), found

    def _imposed(self, path: str, last: float, formula: str, scope: _Scope) -> str:
        """The equation of a variable on which a path is imposed until `last`."""
        if last == math.inf:
            scope.uses.clear()
            return self.resolve(path, scope)
        return f"(IF ({self.resolve('within', scope)} > {_number(last)}) THEN {formula} ELSE {self.resolve(path, scope)})"

    def _changed_at_whole_years(self) -> dict[str, None]:
        """The variables whose reported value at some whole year is not the one that the step from there on uses: the kept ones
        and what they need."""
        half = 0.5 / self.steps
        changed: dict[str, None] = {}
        for name, function in {**self.inputs, **self.paths}.items():
            for year in range(self.setup.base_year + 1, self.setup.scenario.horizon + 1):
                before, after = function(float(year), year - half), function(float(year), year + half)
                if (before is None) != (after is None) or (before is not None and after is not None and not np.array_equal(before, after)):
                    changed[name] = None
        for e in self.model.order:
            if any(a in changed for a in e.arguments):
                changed[e.name] = None
        arguments = {e.name: e.arguments for e in self.model.order}
        wanted: dict[str, None] = {}
        waiting = [n for n in KEPT if n in changed]
        while waiting:
            name = waiting.pop()
            if name not in wanted:
                wanted[name] = None
                waiting += [a for a in arguments.get(name, ()) if a in changed]
        return wanted

    def _clock(self) -> None:
        """Add what counts time, as far as it is used."""
        start = _number(float(self.setup.base_year))
        clock = [
            ("within_step_reported", f"MAX((TIME - half_step), ({start} + half_step))", ("half_step",), "Middle of the step that led here"),
            ("within_step", "(TIME + half_step)", ("half_step",), "Middle of the step that begins here: it settles on which side of a jump the step lies"),
            ("one_year", "1", (), "The unit of time: it makes a number of a time"),
            ("half_step", _number(0.5 / self.steps), (), "Half of the step of integration: change it with DT"),
            ("date_shift", _number(DATE_SHIFT), (), "A calendar date d is the model time d - 0.5: time t is the middle of calendar year t")]
        for name, equation, uses, documentation in clock:
            if any(name in v.uses for v in self.variables):
                self.variables.append(Variable(name, "time", "aux", equation, "year", documentation, uses))


_LATE = " As tables report it: the value in the step that led here, where a jump falls on this time."


def _dimensions(setup: Setup, name: str) -> tuple[str, ...]:
    over = setup.model.over[name]
    return () if over is None else ("cluster", "sector") if name == "cluster_membership" else (over,)


def _plain_names(setup: Setup) -> dict[Key, str]:
    """A legal name, unique but for case, for every variable and element; scalars keep the model's."""
    taken = set(RESERVED) | {"within_step", "within_step_reported", "half_step", "one_year", "date_shift"}
    names: dict[Key, str] = {}
    elements: dict[str, tuple[str, ...]] = {"sector": setup.sectors, "cluster": setup.clusters}
    for scalars in (True, False):
        for name in (n for n in setup.model.over if n != setup.model.time):
            dimensions = _dimensions(setup, name)
            if scalars == bool(dimensions):
                continue
            for at in product(*(elements[d] for d in dimensions)):
                parts = [_legal(e) or str(elements[d].index(e) + 1) for d, e in zip(dimensions, at, strict=True)]
                wanted = ["_".join((name, *parts)), "_".join((name, *dimensions, *parts))]
                plain = next(n for n in (*wanted, *(f"{wanted[1]}_{k}" for k in range(2, len(taken) + 3))) if n.lower() not in taken)
                taken.add(plain.lower())
                names[(name, *at)] = plain
    return names


def _legal(name: str) -> str:
    """`name` as part of an identifier: letters a-z, digits, single underscores; empty if nothing is left."""
    return "_".join("".join(c if c.isascii() and c.isalnum() else " " for c in name).split()).lower()


def _number(value: float) -> str:
    """A number that reads back as the same float; a negative one in parentheses."""
    if not math.isfinite(value):
        raise InvalidInput(Problem(f"{value} cannot be written in XMILE.", "Give finite numbers."))
    text = str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)
    return f"({text})" if value < 0 else text


def _sum(terms: Sequence[str]) -> str:
    if not terms:
        raise InvalidInput(Problem("the sum over no elements has no value.", "Give the region sectors, or leave the sum out."))
    written = terms[0]
    for term in terms[1:]:
        written = f"({written} + {term})"
    return written


# ---------------------------------------------------------------- the diagram

_SCENARIO = ("lever_", "policy_", "cost_", "planned_policy_cost", "funding", "shock_rate", "investment_shift", "path", "time")
_STEP, _ROW, _STOCKS, _PAGE = 120, 90, 300, 3600
Point = tuple[float, float]


@dataclass
class _Frame:
    """One part of the diagram: what it shows, and where, from its own upper left corner."""

    title: str
    stocks: Sequence[Variable] = ()
    members: list[str] = field(default_factory=list)
    ghosts: list[str] = field(default_factory=list)
    places: dict[str, Point] = field(default_factory=dict)
    pipes: dict[str, list[Point]] = field(default_factory=dict)
    size: Point = (0.0, 0.0)


def _frames(variables: Sequence[Variable]) -> list[_Frame]:
    """Share the variables out: a frame for each chain of stocks, one for the scenario, one for results that feed nothing back.

    An auxiliary stands in the frame whose flows it is nearest to, counted in equations; elsewhere it is shown as a ghost.
    """
    known = {v.name: v for v in variables}
    chains: list[list[Variable]] = []
    for v in (v for v in variables if v.kind == "stock"):
        flows = {*v.inflows, *v.outflows}
        joined = [c for c in chains if any(flows & {*s.inflows, *s.outflows} for s in c)]
        chains = [c for c in chains if c not in joined] + [[*(s for c in joined for s in c), v]]
    frames = [_Frame(f"Part {k}: {', '.join(s.name for s in chain)}".replace("_", " "), _downstream(chain)) for k, chain in enumerate(chains, 1)]
    scenario = _Frame("Levers, shocks, paths, budget")
    results = _Frame("Results that feed nothing back")
    home: dict[str, _Frame] = {}
    for frame in frames:
        for s in frame.stocks:
            for name in (*s.inflows, *s.outflows, s.name):
                home.setdefault(name, frame)
    home |= {v.name: scenario for v in variables if v.name not in home and v.origin.startswith(_SCENARIO)}
    waiting = list(home)
    for name in waiting:  # grows as it goes: nearest first
        for u in known[name].uses:
            if u not in home:
                home[u] = home[name]
                waiting.append(u)
    for v in variables:
        home.setdefault(v.name, results).members.append(v.name)
    found = [f for f in (*frames, scenario, results) if f.members]
    for frame in found:
        frame.ghosts = list(dict.fromkeys(u for n in frame.members for u in known[n].uses if home[u] is not frame))
    return found


def _downstream(chain: Sequence[Variable]) -> list[Variable]:
    """The stocks of a chain in the order of flow, as far as it has one."""
    rest, ordered = list(chain), []
    while rest:
        first = next((s for s in rest if not any({*s.inflows} & {*o.outflows} for o in rest if o is not s)), rest[0])
        rest.remove(first)
        ordered.append(first)
    return ordered


def _pipes(frame: _Frame) -> None:
    """Place the stocks of a frame in a line, and its flows as pipes between them, or from and to clouds."""
    line, y = frame.stocks, 150.0
    x = {s.name: 210.0 + k * _STOCKS for k, s in enumerate(line)}
    frame.places |= {s.name: (x[s.name], y) for s in line}
    into = {f: s.name for s in line for f in s.inflows}
    out_of = {f: s.name for s in line for f in s.outflows}
    free = {(s.name, side): [1, -1, 2, -2, 3, -3, 4, -4] for s in line for side in ("in", "out")}
    for flow in dict.fromkeys((*into, *out_of)):
        source, end = out_of.get(flow), into.get(flow)
        if source and end and x[end] - x[source] == _STOCKS:
            pipe = [(x[source] + 22, y), (x[end] - 22, y)]
        elif source and end:
            low = y + 95
            pipe = [(x[source] + 8, y + 17), (x[source] + 8, low), (x[end] - 8, low), (x[end] - 8, y + 17)]
        elif end and end == line[0].name and flow == line[0].inflows[0]:
            pipe = [(x[end] - 150, y), (x[end] - 22, y)]
        elif source and source == line[-1].name and flow == line[-1].outflows[0]:
            pipe = [(x[source] + 22, y), (x[source] + 150, y)]
        else:
            stock, way = (end, -1) if end else (source, 1)
            assert stock
            k = free[(stock, "in" if end else "out")].pop(0)
            side, level = (1 if k > 0 else -1), 55 + 45 * (abs(k) - 1)
            bend = x[stock] + side * (20 - 6 * abs(k))
            pipe = [(x[stock] + side * 125, y + way * level), (bend, y + way * level), (bend, y + way * 17)]
            if not end:
                pipe.reverse()
        longest = max(zip(pipe, pipe[1:], strict=False), key=lambda ends: math.dist(*ends))
        frame.places[flow] = ((longest[0][0] + longest[1][0]) / 2, (longest[0][1] + longest[1][1]) / 2)
        frame.pipes[flow] = pipe


def _arrange(frame: _Frame, known: Mapping[str, Variable]) -> None:
    """Place a frame's auxiliaries and ghosts in rows below its stocks, each a row below all that it feeds, near to it."""
    _pipes(frame)
    loose = [n for n in (*frame.members, *frame.ghosts) if n not in frame.places]
    users: dict[str, list[str]] = {n: [] for n in loose}
    for n in frame.members:
        for u in dict.fromkeys(known[n].uses):
            if u in users:
                users[u].append(n)
    depth: dict[str, int] = {}

    def level(name: str) -> int:
        if name not in depth:
            depth[name] = 1 + max((level(u) for u in users[name] if u in users and u not in frame.ghosts), default=0)
        return depth[name]

    columns = max(math.ceil(len(frame.stocks) * _STOCKS / _STEP), math.ceil(1.3 * math.sqrt(len(loose))), 3)
    top = 300.0 if frame.stocks else 80.0
    for rank in range(1, max(map(level, loose), default=0) + 1):
        row = [n for n in loose if level(n) == rank]
        want = {n: float(np.mean([frame.places[u][0] for u in users[n]] or [_STEP * columns / 2])) for n in row}
        row.sort(key=lambda n: want[n])
        rows = math.ceil(len(row) / columns)
        for part in (row[k::rows] for k in range(rows)):
            left = float(np.mean([want[n] for n in part])) - _STEP * (len(part) - 1) / 2
            left = min(max(left, 70.0), max(70.0, 70.0 + _STEP * (columns - len(part))))
            frame.places |= {n: (left + _STEP * k, top) for k, n in enumerate(part)}
            top += _ROW
    frame.size = (max([x for x, _ in frame.places.values()] + [x for pipe in frame.pipes.values() for x, _ in pipe]) + 80, top)


def _view(parent: ET.Element, variables: Sequence[Variable]) -> None:
    """Write the diagram: frames side by side on pages as wide as a wall."""
    known = {v.name: v for v in variables}
    frames = _frames(variables)
    corners: list[Point] = []
    x = y = tallest = 40.0
    for frame in frames:
        _arrange(frame, known)
        if x > 40 and x + frame.size[0] > _PAGE:
            x, y, tallest = 40.0, y + tallest + 40, 0.0
        corners.append((x, y))
        x, tallest = x + frame.size[0] + 40, max(tallest, frame.size[1])
    size = {"width": f"{_PAGE + 80}", "height": f"{y + tallest + 40:g}"}
    view = ET.SubElement(ET.SubElement(parent, "views"), "view", {
        "type": "stock_flow", "order": "0", **size, "page_width": size["width"], "page_height": size["height"], "page_sequence": "row",
        "page_orientation": "landscape", "show_pages": "false", "home_page": "0", "home_view": "true", "zoom": "100"})
    uid = 0
    for frame, corner in zip(frames, corners, strict=True):
        def put(tag: str, point: Point, parent: ET.Element = view, corner: Point = corner, **more: str) -> ET.Element:
            return ET.SubElement(parent, tag, {**more, "x": f"{point[0] + corner[0]:g}", "y": f"{point[1] + corner[1]:g}"})

        ghosts: dict[str, int] = {}
        put("group", (0, 0), name=frame.title, width=f"{frame.size[0]:g}", height=f"{frame.size[1]:g}", locked="false")
        for n in frame.members:
            shown = put(known[n].kind, frame.places[n], name=_label(n), **({"label_side": "top"} if known[n].kind == "stock" else {}))
            if n in frame.pipes:
                points = ET.SubElement(shown, "pts")
                for point in frame.pipes[n]:
                    put("pt", point, points)
        for n in frame.ghosts:
            uid += 1
            ghosts[n] = uid
            ET.SubElement(put("alias", frame.places[n], uid=str(uid)), "of").text = n
        for n in frame.members:
            for u in dict.fromkeys(known[n].uses):
                (x0, y0), (x1, y1) = frame.places[u], frame.places[n]
                uid += 1
                connector = ET.SubElement(view, "connector", uid=str(uid), angle=f"{math.degrees(math.atan2(y0 - y1, x1 - x0)) % 360:.6g}")
                start = ET.SubElement(connector, "from")
                if u in ghosts:
                    ET.SubElement(start, "alias", uid=str(ghosts[u]))
                else:
                    start.text = u
                ET.SubElement(connector, "to").text = n


def _label(name: str, width: int = 15) -> str:
    r"""A name broken into lines by "\n", which XMILE takes for the space it stands for."""
    lines = [""]
    for word in name.split("_"):
        if lines[-1] and len(lines[-1]) + 1 + len(word) > width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return "\\n".join(lines)


# ---------------------------------------------------------------- the document

def expanded_names(setup: Setup) -> dict[Key, str]:
    """Return the plain name in the file of every variable and its elements: ("capital", "industry") -> "capital_industry"."""
    return {key: name for key, name in _plain_names(setup).items()}


def xmile(setup: Setup, drawn: Mapping[str, Array] | None = None, *, steps_per_year: int = 16) -> str:
    """Return the setup's model as an XMILE 1.0 document, to be integrated by Euler's method with 1/steps_per_year years.

    Uncertain inputs stand at their medians, or where `drawn` gives them (key -> array of one number). `steps_per_year` is
    a power of two, so that the step is exact as a decimal and no program drifts off whole years. Raises InvalidInput for
    other steps, unknown or several drawn values, numbers that are not finite, and equations that XMILE cannot say.
    """
    problems = []
    if not (1 <= steps_per_year <= 1024 and steps_per_year & (steps_per_year - 1) == 0):
        problems.append(Problem(f"steps_per_year: {steps_per_year} is not a power of two from 1 to 1024.",
                                "Only then is the step a plain number that adds up to whole years in every program: 4, 8, 16, 32."))
    for key, value in (drawn or {}).items():
        if key not in setup.drawn:
            problems.append(Problem(f"drawn: nothing uncertain is called {key!r} here.", nearest(key, setup.drawn)))
        elif np.size(value) != 1:
            problems.append(Problem(f"drawn: {np.size(value)} values are given for {key!r}; a file holds one run.", "Choose a run."))
    if problems:
        raise InvalidInput(problems)
    values = {k: np.array([d.centre]) for k, d in setup.drawn.items()} | {k: np.reshape(v, 1) for k, v in (drawn or {}).items()}
    variables = _Writer(setup, values, steps_per_year).write()
    scenario = setup.scenario
    root = ET.Element("xmile", {"version": "1.0", "xmlns": NAMESPACE})
    header = ET.SubElement(root, "header")
    ET.SubElement(header, "vendor").text = "simulate"
    ET.SubElement(header, "product", version=metadata.version("simulate"), lang="en").text = "simulate"
    ET.SubElement(ET.SubElement(header, "options", namespace="std"), "has_model_view")
    ET.SubElement(header, "name").text = scenario.id
    ET.SubElement(header, "caption").text = f"{scenario.label.en} ({scenario.label.zh})"
    specs = ET.SubElement(root, "sim_specs", method="euler", time_units="year")
    for tag, number in (("start", setup.base_year), ("stop", scenario.horizon), ("dt", 1 / steps_per_year)):
        ET.SubElement(specs, tag).text = _number(float(number))
    model = ET.SubElement(root, "model")
    _variables(ET.SubElement(model, "variables"), variables)
    _view(model, variables)
    ET.indent(root)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _variables(parent: ET.Element, variables: Iterable[Variable]) -> None:
    """Write the variables: stocks, flows, auxiliaries, each group in the model's order."""
    for v in sorted(variables, key=lambda v: ("stock", "flow", "aux").index(v.kind)):
        element = ET.SubElement(parent, v.kind, name=v.name)
        ET.SubElement(element, "doc").text = v.documentation
        ET.SubElement(element, "eqn").text = v.equation
        for tag, names in (("inflow", v.inflows), ("outflow", v.outflows)):
            for name in names:
                ET.SubElement(element, tag).text = name
        ET.SubElement(element, "units").text = v.unit


def write_xmile(path: Path | str, setup: Setup, drawn: Mapping[str, Array] | None = None, *, steps_per_year: int = 16) -> Path:
    """Write `xmile(...)` to `path`, through a temporary name, and return it. Raises InvalidInput as that does, or for a name
    that readers would not open, and OSError where the file cannot be written."""
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES:
        raise InvalidInput(Problem(f"path: {path.name} does not end in {', '.join(SUFFIXES)}: PySD and Stella would not open it.",
                                   f"Name it {path.stem}.xmile."))
    text = xmile(setup, drawn, steps_per_year=steps_per_year)
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    path.chmod(0o644)
    return path
