"""The regional model with one scenario's values as an XMILE 1.0 document, for PySD, Stella, Simlin and their kin.

Written for the least of its readers: constants are auxiliaries, arrays are expanded to plain names (capital_industry), sums are written
out, every operation has its parentheses, and nothing but + - * / ^, comparisons, IF THEN ELSE, EXP, LN, MIN, MAX and TIME is used.
Integration is Euler's: two of the readers run any other method as Euler without a word. Paths are nested IFs, not graphical functions:
PySD 3.14 keeps only eight digits of the points of those. A power is written EXP(a * LN(b)), not b ^ a: the engine computes it so, hence
it rounds the same, and a negative base, an error, gives NaN everywhere, where b ^ a gives a complex number in Python.

Time: `within_step`, the middle of the step, settles on which side of a jump the step lies (see `integrators`). A program reports at time
t what holds in the step that begins there; our tables report what held in the step that led there. Where the two differ at a whole year,
since a path ends or a lever jumps, a second auxiliary `…_reported` has ours.
"""

from __future__ import annotations

import ast
import math
import os
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from importlib import metadata
from itertools import count, pairwise, product
from pathlib import Path

import numpy as np

from simulate.errors import InvalidInput, Problem, nearest
from simulate.model import Array, Equation, Input, Parameter
from simulate.parameters import LEVERS
from simulate.runs import KEPT
from simulate.setups import DATE_SHIFT, Setup

NAMESPACE = "http://docs.oasis-open.org/xmile/ns/XMILE/v1.0"
SUFFIXES = (".xmile", ".stmx", ".xml")
_KEYWORDS = """abs and arccos arcsin arctan cos delay delay1 delay3 delayn dt else exp exprnd final_time forcst if inf init initial_time int
    ln log10 lognormal lookup max mean min mod normal not or pi poisson previous prod pulse ramp random rank saveper self sin size smth1
    smth3 smthn sqrt starttime std stddev step stoptime sum tan then time time_step trend"""
_CLOCK = ("within_step", "within_step_reported", "half_step", "one_year", "date_shift")
RESERVED = frozenset((*_KEYWORDS.split(), *_CLOCK))
"""What no variable may be called, in small letters: XMILE's functions and keywords, PySD's control variables, our own."""

_OPERATORS: dict[type[ast.operator], str] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.Pow: "^"}
_COMPARISONS: dict[type[ast.cmpop], str] = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">="}
_FUNCTIONS = {"exp": "EXP", "log": "LN", "minimum": "MIN", "maximum": "MAX"}
_RISEN = "minimum(maximum((time - (date{0} - date_shift)) / years{0}, 0), 1)"
_ACTIVE = "where(within >= date{0} - date_shift, where(within < date{0} + years{0} - date_shift, -log(1 - size{0}) / years{0}, 0), 0)"
_LATE = " As tables report it: the value in the step that led here, where a jump falls on this time."

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
        self.parameters = setup.parameters(drawn)
        self.inputs, self.paths = setup.inputs(drawn), setup.paths(self.parameters)
        self.flows = {n for s in setup.model.stocks for n in (*s.inflows, *s.outflows)}
        self.names = expanded_names(setup)
        self.taken = {*RESERVED, *self.names.values()}
        self.late = self._changed_at_whole_years()
        self.twins = {key: self.claim(f"{name}_reported") for key, name in self.names.items() if key[0] in self.late}
        self.variables: list[Variable] = []
        self.problems: list[Problem] = []

    def write(self) -> list[Variable]:
        """Return all variables, in the model's order. Raises InvalidInput with everything that cannot be expressed."""
        for s in self.model.stocks:
            for at in _positions(self.setup, s.name):
                inflows, outflows = (tuple(self.plain(n, at) for n in names) for names in (s.inflows, s.outflows))
                name, initial = self.plain(s.name, at), self.plain(s.initial, at)
                self.variables.append(Variable(name, s.name, "stock", initial, s.unit, s.documentation, (initial,), inflows, outflows))
        for way in ("inflows", "outflows"):
            met = [n for v in self.variables for n in getattr(v, way)]
            self.problems += [Problem(f"{n} is among the {way} of several stocks; in XMILE a flow has one source and one end.",
                                      "Give each stock a flow of its own.") for n in dict.fromkeys(met) if met.count(n) > 1]
        courses = {name: self.course(name) for name in self.paths}
        for e, local in [*((e, {}) for e in self.model.order), *map(self.given, self.model.inputs)]:
            self.emit(e, local, courses.get(e.name))
        for p in self.model.parameters:
            self.parameter(p)
        if self.problems:
            raise InvalidInput(self.problems)
        self.clock()
        return self.variables

    def emit(self, e: Equation, local: Mapping[str, str], course: tuple[float, list[str]] | None) -> None:
        """Add a variable at each of its elements, under the path imposed on it, and its `…_reported` where it has one."""
        for late, (k, at) in product((False, True) if e.name in self.late else (False,), enumerate(_positions(self.setup, e.name))):
            scope = _Scope(at, local, late)
            try:
                written = self.text(e.formula, scope)
            except InvalidInput as error:
                self.problems += [Problem(f"equation {e.name}: {p.what}", p.remedy) for p in error.problems]
                continue
            if course and course[0] == math.inf:
                scope.uses.clear()
                written = course[1][k]
            elif course:
                written = f"(IF ({self.resolve('within', scope)} > {_number(course[0])}) THEN {written} ELSE {course[1][k]})"
            uses = (*scope.uses, *([course[1][k]] if course else []))
            note = e.documentation + " Imposed by a path." * bool(course) + _LATE * late
            kind = "flow" if e.name in self.flows and not late else "aux"
            self.variables.append(Variable(self.plain(e.name, at, late), e.name, kind, written, e.unit, note, uses))

    def claim(self, wanted: str) -> str:
        """Return a name not in use, `wanted` if that is free."""
        name = _free([wanted], self.taken)
        self.taken.add(name)
        return name

    def constant(self, wanted: str, origin: str, value: float, unit: str, documentation: str) -> str:
        """Add a number; return its name."""
        name = self.claim(wanted)
        self.variables.append(Variable(name, origin, "aux", _number(value), unit, documentation))
        return name

    def text(self, node: ast.expr, scope: _Scope) -> str:
        """Write an expression of the model as XMILE. Raises InvalidInput for what XMILE cannot say."""
        match node:
            case ast.Constant(value=int() | float() as value):
                return _number(float(value))
            case ast.Name(id=name):
                return self.resolve(name, scope)
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
                return f"({self.text(left, scope)} {_OPERATORS[type(op)]} {self.text(right, scope)})"
            case ast.UnaryOp(op=ast.USub(), operand=operand):  # no unary minus: PySD regroups a chain that holds one
                return f"(0 - {self.text(operand, scope)})"
            case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _COMPARISONS:
                return f"({self.text(left, scope)} {_COMPARISONS[type(op)]} {self.text(right, scope)})"
            case ast.Call(func=ast.Name(id="total"), args=[x]):
                return _sum([self.text(x, scope.inside(d, e)) for d in self.spread(x) for e in _elements(self.setup)[d]])
            case ast.Call(func=ast.Name(id="of_sector"), args=[membership, x]):
                inside = [scope.inside("sector", s) for s in self.setup.sectors]
                return _sum([f"({self.text(membership, s)} * {self.text(x, s)})" for s in inside])
            case ast.Call(func=ast.Name(id="where"), args=[condition, yes, no]):
                return f"(IF {self.text(condition, scope)} THEN {self.text(yes, scope)} ELSE {self.text(no, scope)})"
            case ast.Call(func=ast.Name(id="power"), args=[base, exponent]):
                return f"EXP({self.text(exponent, scope)} * LN({self.text(base, scope)}))"
            case ast.Call(func=ast.Name(id=name), args=arguments) if name in _FUNCTIONS:
                return f"{_FUNCTIONS[name]}({', '.join(self.text(a, scope) for a in arguments)})"
        raise InvalidInput(Problem(f"`{ast.unparse(node)}` cannot be written in XMILE.", "Use + - * / **, single comparisons in "
                                   "where(), exp, log, minimum, maximum, power, total and of_sector."))

    def spread(self, node: ast.AST) -> set[str]:
        """Return the dimension that an expression is arrayed by."""
        match node:
            case ast.Call(func=ast.Name(id="total" | "of_sector" as name)):
                return {"cluster"} if name == "of_sector" else set()
            case ast.Name(id=name):
                return {over} if (over := self.model.over.get(name)) else set()
        return {d for child in ast.iter_child_nodes(node) for d in self.spread(child)}

    def resolve(self, name: str, scope: _Scope) -> str:
        """Return the plain name of what an expression names, and note it."""
        if name == self.model.time:
            return "TIME"
        if name == "within":
            plain = "within_step_reported" if scope.late else "within_step"
        else:
            plain = scope.local.get(name) or (name if name in _CLOCK else self.plain(name, scope.at, scope.late))
        scope.uses[plain] = None
        return plain

    def plain(self, name: str, at: Mapping[str, str], late: bool = False) -> str:
        """Return the name in the file of a variable of the model at these elements."""
        key = (name, *(at.get(d, "") for d in _dimensions(self.setup, name)))
        if key not in self.names:
            raise InvalidInput(Problem(f"{name} is an array where one number is meant.", "Write total() around it."))
        return self.twins.get(key, self.names[key]) if late else self.names[key]

    def parameter(self, p: Parameter) -> None:
        """Add a parameter's numbers, each with its ground; what is made of others is written so."""
        origins = {o.name: o for o in self.setup.origins}
        for at, value in zip(_positions(self.setup, p.name), self.parameters[p.name].reshape(-1).tolist(), strict=True):
            key = f"{p.name}[{next(iter(at.values()))}]" if at else p.name
            origin, prior = origins.get(key), self.setup.drawn.get(key)
            note = f"{p.documentation}. Source: {f'{origin.grade}: {origin.basis}' if origin else p.source or 'not given'}."
            if prior is not None:
                note += f" Uncertain ({prior}), here {'its median' if value == prior.centre else 'one draw'}."
            if not math.isfinite(value):
                self.problems.append(Problem(f"{key}: {value} cannot be written in XMILE.", "Give a finite number."))
                continue
            scope, written = _Scope(at), _number(value)
            if p.name == "sector_share" and key not in self.setup.values:
                others = [s for s in self.setup.sectors if f"{p.name}[{s}]" in self.setup.values]
                written = f"(1 - {_sum([self.resolve(p.name, scope.inside('sector', s)) for s in others])})" if others else "1"
            elif p.name == "cluster_membership" and self.setup.region.clusters[at["cluster"]].sector is None:
                written = self.resolve("sector_share", scope)
            self.variables.append(Variable(self.plain(p.name, at), p.name, "aux", written, p.unit, note, tuple(scope.uses)))

    def given(self, i: Input) -> tuple[Equation, dict[str, str]]:
        """Add what an input is made of; return its equation and the names of its own in it."""
        local: dict[str, str] = {}

        def number(key: str, wanted: str, value: float, unit: str, documentation: str) -> None:
            local[key] = self.constant(wanted, i.name, value, unit, documentation)

        lever, scenario = i.name.removeprefix("lever_"), self.setup.scenario
        terms = []
        if setting := scenario.levers.get(lever):
            level = float(self.drawn.get(f"levers.{lever}", np.array([setting.level]))[0])
            number("level", f"{i.name}_level", level, "1", f"Strength of the lever {lever} when fully built up")
            number("date", f"{i.name}_date", setting.start, "year", f"Calendar date from which the lever {lever} is in force")
            if setting.ramp:
                number("years", f"{i.name}_ramp", setting.ramp, "year", f"Time in which the lever {lever} is built up")
            terms.append("level * " + _RISEN.format("") if setting.ramp else "where(within >= date - date_shift, level, 0)")
        elif lever not in LEVERS and i.name not in ("investment_shift", "shock_rate"):
            self.problems.append(Problem(f"the input {i.name} has no form in XMILE yet.", "Add one to `simulate/interop/xmile.py`."))
        for k, (id, shock) in enumerate(scenario.shocks.items()):
            if i.name == ("shock_rate" if shock.on == "utilisation" else "investment_shift"):
                stem = self.claim(f"shock_{_legal(id) or k + 1}")
                size = float(self.drawn.get(f"shocks.{id}", np.array([shock.size]))[0])
                number(f"size{k}", f"{stem}_size", size, "1", f"Part of {shock.on} that the shock {id!r} takes away")
                number(f"date{k}", f"{stem}_date", shock.start, "year", f"Calendar date on which the shock {id!r} begins")
                number(f"years{k}", f"{stem}_duration", shock.duration, "year", f"Time in which the shock {id!r} builds up")
                terms.append(_ACTIVE.format(k) if i.name == "shock_rate" else f"(1 - size{k} * {_RISEN.format(k)})")
        expression = (" * ".join(terms) or "1") if i.name == "investment_shift" else (" + ".join(terms) or "0")
        return Equation(i.name, lambda: None, i.unit, None, (), i.documentation, expression), local

    def course(self, name: str) -> tuple[float, list[str]]:
        """Add a path's course, linear between its years; return when it ends and its names, one an element."""
        setting, positions = self.setup.path_points[name], _positions(self.setup, name)
        period = setting.period or (0, -1)
        years = sorted({*(setting.values or ()), *range(period[0], period[1] + 1)})
        years = ([self.setup.base_year] if self.setup.base_year < years[0] else []) + years  # it starts at the base year at the latest
        found = []
        for k, at in enumerate(positions):
            stem, local = self.claim(f"path_{self.plain(name, at)}"), {}
            for year in years:
                value = self.paths[name](float(year), float(year))
                assert value is not None
                local[f"y{year}"] = self.constant(
                    f"{stem}_{year}", "path", float(np.broadcast_to(value[..., 0], len(positions))[k]), self.model.units[name],
                    f"Point of the course of {name} in {year}. Source: {setting.source or 'the scenario'}.")
            course = f"y{years[-1]}"
            for a, b in reversed(list(pairwise(years))):
                course = f"where(time < {b}, y{a} + (y{b} - y{a}) * ((time - {a}) / ({b - a} * one_year)), {course})"
            scope = _Scope(local=local)
            written = self.text(ast.parse(course, mode="eval").body, scope)
            note = f"{'its last value holds' if setting.after == 'hold' else 'the equation resumes'} after {years[-1]}"
            self.variables.append(Variable(stem, "path", "aux", written, self.model.units[name],
                                           f"Course of {name} that the scenario imposes; {note}.", tuple(scope.uses)))
            found.append(stem)
        return (math.inf if setting.after == "hold" else years[-1]), found

    def _changed_at_whole_years(self) -> set[str]:
        """The kept variables whose value at some whole year is not the same before and after it, and what they need for that."""
        half = 0.5 / self.steps
        changed: set[str] = set()
        for name, function in {**self.inputs, **self.paths}.items():
            for year in range(self.setup.base_year + 1, self.setup.scenario.horizon + 1):
                before, after = function(float(year), year - half), function(float(year), year + half)
                if (before is None) != (after is None) or not np.array_equal(before, after):  # type: ignore[arg-type]
                    changed.add(name)
        for e in self.model.order:
            if changed.intersection(e.arguments):
                changed.add(e.name)
        wanted = changed.intersection(KEPT)
        for e in reversed(self.model.order):
            if e.name in wanted:
                wanted |= changed.intersection(e.arguments)
        return wanted

    def clock(self) -> None:
        """Add what counts time, as far as it is used."""
        start = _number(float(self.setup.base_year))
        for name, written, uses, note in (
                ("within_step_reported", f"MAX((TIME - half_step), ({start} + half_step))", ("half_step",), "Middle of the step before"),
                ("within_step", "(TIME + half_step)", ("half_step",), "Middle of the step that begins here: the side of a jump it lies on"),
                ("half_step", _number(0.5 / self.steps), (), "Half of the step of integration: change it with DT"),
                ("one_year", "1", (), "The unit of time: it makes a number of a time"),
                ("date_shift", _number(DATE_SHIFT), (), "A calendar date d is the model time d - 0.5: time t is the middle of year t")):
            if any(name in v.uses for v in self.variables):
                self.variables.append(Variable(name, "time", "aux", written, "year", note, uses))


def _elements(setup: Setup) -> dict[str, tuple[str, ...]]:
    return {"sector": setup.sectors, "cluster": setup.clusters}


def _dimensions(setup: Setup, name: str) -> tuple[str, ...]:
    over = setup.model.over[name]
    return () if over is None else ("cluster", "sector") if name == "cluster_membership" else (over,)


def _positions(setup: Setup, name: str) -> list[dict[str, str]]:
    """The elements a variable is expanded over, by dimension; one empty mapping for a scalar."""
    dimensions = _dimensions(setup, name)
    return [dict(zip(dimensions, at, strict=True)) for at in product(*(_elements(setup)[d] for d in dimensions))]


def _free(wanted: Sequence[str], taken: set[str]) -> str:
    """The first wanted name that is not taken, else the last with a number."""
    return next(n for n in (*wanted, *(f"{wanted[-1]}_{k}" for k in range(2, len(taken) + 3))) if n not in taken)


def _legal(name: str) -> str:
    """`name` as part of an identifier: letters a-z, digits, single underscores; empty if nothing is left."""
    return "_".join("".join(c if c.isascii() and c.isalnum() else " " for c in name).split()).lower()


def _number(value: float) -> str:
    """A number that reads back as the same float; a negative one in parentheses."""
    if not math.isfinite(value):
        raise InvalidInput(Problem(f"the number {value} cannot be written in XMILE.", "Give finite numbers."))
    text = str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)
    return f"({text})" if value < 0 else text


def _sum(terms: Sequence[str]) -> str:
    if not terms:
        raise InvalidInput(Problem("a sum over no elements has no value.", "Give the region sectors and clusters, or leave the sum out."))
    return reduce(lambda one, other: f"({one} + {other})", terms)


# ---------------------------------------------------------------- the diagram

_SCENARIO = ("lever_", "policy_", "cost_", "planned_policy_cost", "funding", "shock_rate", "investment_shift", "path", "time")
_STEP, _ROW, _STOCKS, _PAGE = 120, 90, 300, 3600  # pixels: between auxiliaries, between their rows, between stocks, width in all
Point = tuple[float, float]


@dataclass
class _Frame:
    """One part of the diagram: what it shows, and where, from its own upper left corner."""

    title: str
    stocks: Sequence[Variable] = ()
    members: list[Variable] = field(default_factory=list)
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
        joined = [c for c in chains if any({*v.inflows, *v.outflows} & {*s.inflows, *s.outflows} for s in c)]
        chains = [c for c in chains if c not in joined] + [[*(s for c in joined for s in c), v]]
    frames = [_Frame(f"Part {k}: {', '.join(s.name for s in chain)}".replace("_", " "), chain)
              for k, chain in enumerate(map(_downstream, chains), 1)]
    scenario, results = _Frame("Levers, shocks, paths, budget"), _Frame("Results that feed nothing back")
    home = {name: frame for frame in frames for s in frame.stocks for name in (*s.inflows, *s.outflows, s.name)}
    home |= {v.name: scenario for v in variables if v.name not in home and v.origin.startswith(_SCENARIO)}
    waiting = list(home)
    for name in waiting:  # grows as it goes: nearest first
        for u in known[name].uses:
            if u not in home:
                home[u] = home[name]
                waiting.append(u)
    for v in variables:
        home.setdefault(v.name, results).members.append(v)
    for frame in (*frames, scenario, results):
        frame.ghosts = list(dict.fromkeys(u for v in frame.members for u in v.uses if home[u] is not frame))
    return [f for f in (*frames, scenario, results) if f.members]


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
    frame.places |= {name: (at, y) for name, at in x.items()}
    into = {f: s.name for s in line for f in s.inflows}
    out_of = {f: s.name for s in line for f in s.outflows}
    free = {(s.name, way): [1, -1, 2, -2, 3, -3, 4, -4] for s in line for way in (-1, 1)}
    for flow in dict.fromkeys((*into, *out_of)):
        source, end = out_of.get(flow), into.get(flow)
        if source and end and x[end] - x[source] == _STOCKS:
            pipe = [(x[source] + 22, y), (x[end] - 22, y)]
        elif source and end:
            pipe = [(x[source] + 8, y + 17), (x[source] + 8, y + 95), (x[end] - 8, y + 95), (x[end] - 8, y + 17)]
        else:
            stock, way = next((s, way) for s in line for way, name in ((-1, end), (1, source)) if s.name == name)
            outer, flows = (line[0], stock.inflows) if way < 0 else (line[-1], stock.outflows)
            if stock is outer and flow == flows[0]:
                pipe = [(x[stock.name] + way * 150, y), (x[stock.name] + way * 22, y)]
            else:
                k = free[(stock.name, way)].pop(0)
                side, level = (1 if k > 0 else -1), y + way * (10 + 45 * abs(k))
                bend = x[stock.name] + side * (20 - 6 * abs(k))
                pipe = [(x[stock.name] + side * 125, level), (bend, level), (bend, y + way * 17)]
            if way > 0:
                pipe.reverse()
        start, stop = max(pairwise(pipe), key=lambda ends: math.dist(*ends))
        frame.places[flow] = ((start[0] + stop[0]) / 2, (start[1] + stop[1]) / 2)
        frame.pipes[flow] = pipe


def _arrange(frame: _Frame) -> None:
    """Place a frame's auxiliaries and ghosts in rows below its stocks, each a row below all that it feeds, near to it."""
    _pipes(frame)
    loose = [n for n in (*(v.name for v in frame.members), *frame.ghosts) if n not in frame.places]
    users: dict[str, list[str]] = {n: [v.name for v in frame.members if n in v.uses] for n in loose}
    depth: dict[str, int] = {}

    def level(name: str) -> int:
        if name not in depth:
            depth[name] = 1 + max((level(u) for u in users[name] if u in users), default=0)
        return depth[name]

    columns = max(math.ceil(len(frame.stocks) * _STOCKS / _STEP), math.ceil(1.3 * math.sqrt(len(loose))), 3)
    top = 300.0 if frame.stocks else 80.0
    for rank in range(1, max(map(level, loose), default=0) + 1):
        want = {n: float(np.mean([frame.places[u][0] for u in users[n]] or [_STEP * columns / 2])) for n in loose if level(n) == rank}
        row = sorted(want, key=lambda n: want[n])
        rows = math.ceil(len(row) / columns)
        for part in (row[k::rows] for k in range(rows)):
            left = float(np.mean([want[n] for n in part])) - _STEP * (len(part) - 1) / 2
            left = max(min(left, 70.0 + _STEP * (columns - len(part))), 70.0)
            frame.places |= {n: (left + _STEP * k, top) for k, n in enumerate(part)}
            top += _ROW
    frame.size = (80 + max(x for points in (frame.places.values(), *frame.pipes.values()) for x, _ in points), top)


def _view(parent: ET.Element, variables: Sequence[Variable]) -> None:
    """Write the diagram: frames side by side on a page as wide as a wall, connectors within each."""
    frames = _frames(variables)
    corners: list[Point] = []
    x = y = tallest = 40.0
    for frame in frames:
        _arrange(frame)
        if x + frame.size[0] > _PAGE:
            x, y, tallest = 40.0, y + tallest + 40, 0.0
        corners.append((x, y))
        x, tallest = x + frame.size[0] + 40, max(tallest, frame.size[1])
    width, height = f"{_PAGE + 80}", f"{y + tallest + 40:g}"
    view = ET.SubElement(ET.SubElement(parent, "views"), "view", {
        "type": "stock_flow", "order": "0", "width": width, "height": height, "page_width": width, "page_height": height, "zoom": "100",
        "page_sequence": "row", "page_orientation": "landscape", "show_pages": "false", "home_page": "0", "home_view": "true"})
    uids = count(1)
    for frame, (left, top) in zip(frames, corners, strict=True):
        def at(point: Point, left: float = left, top: float = top) -> dict[str, str]:
            return {"x": f"{point[0] + left:g}", "y": f"{point[1] + top:g}"}

        ET.SubElement(view, "group", {"name": frame.title, **at((0, 0)), "width": f"{frame.size[0]:g}", "height": f"{frame.size[1]:g}",
                                      "locked": "false"})
        for v in frame.members:
            shown = ET.SubElement(view, v.kind, {"name": _label(v.name), **at(frame.places[v.name])})
            if v.name in frame.pipes:
                points = ET.SubElement(shown, "pts")
                for point in frame.pipes[v.name]:
                    ET.SubElement(points, "pt", at(point))
        ghosts = {n: str(next(uids)) for n in frame.ghosts}
        for n, uid in ghosts.items():
            ET.SubElement(ET.SubElement(view, "alias", {"uid": uid, **at(frame.places[n])}), "of").text = n
        for v in frame.members:
            for u in v.uses:
                (x0, y0), (x1, y1) = frame.places[u], frame.places[v.name]
                angle = math.degrees(math.atan2(y0 - y1, x1 - x0)) % 360
                connector = ET.SubElement(view, "connector", uid=str(next(uids)), angle=f"{angle:.6g}")
                start = ET.SubElement(connector, "from")
                if u in ghosts:
                    ET.SubElement(start, "alias", uid=ghosts[u])
                else:
                    start.text = u
                ET.SubElement(connector, "to").text = v.name


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
    """Return the name in the file of every variable and its elements: ("capital", "industry") -> "capital_industry".

    Names are legal and differ by more than case; scalars keep the model's, an array's name that is taken gets its dimension.
    """
    taken, names = set(RESERVED), {}
    order = sorted((n for n in setup.model.over if n != setup.model.time), key=lambda n: len(_dimensions(setup, n)))
    for name in order:
        for at in _positions(setup, name):
            parts = [_legal(e) or str(_elements(setup)[d].index(e) + 1) for d, e in at.items()]
            plain = _free(["_".join((name, *parts)), "_".join((name, *at, *parts))], taken)
            taken.add(plain)
            names[(name, *at.values())] = plain
    return names


def xmile(setup: Setup, drawn: Mapping[str, Array] | None = None, *, steps_per_year: int = 16) -> str:
    """Return the setup's model as an XMILE 1.0 document, to be integrated by Euler's method in steps of 1/steps_per_year years.

    Uncertain inputs stand at their medians, or where `drawn` gives them (key -> array of one number). `steps_per_year` is
    a power of two, so that the step is exact as a decimal and no program drifts off whole years. Raises InvalidInput for
    other steps, unknown or several drawn values, numbers that are not finite, and equations that XMILE cannot say.
    """
    problems = []
    if steps_per_year not in (2**k for k in range(11)):
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
    listed = ET.SubElement(model, "variables")
    for v in sorted(variables, key=lambda v: ("stock", "flow", "aux").index(v.kind)):
        element = ET.SubElement(listed, v.kind, name=v.name)
        flows = [("inflow", n) for n in v.inflows] + [("outflow", n) for n in v.outflows]
        for tag, text in (("doc", v.documentation), ("eqn", v.equation), *flows, ("units", v.unit)):
            ET.SubElement(element, tag).text = text
    for frame in _frames(variables):
        group = ET.SubElement(listed, "group", name=frame.title)
        for v in frame.members:
            ET.SubElement(group, "entity", name=v.name)
    _view(model, variables)
    ET.indent(root)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def write_xmile(path: Path | str, setup: Setup, drawn: Mapping[str, Array] | None = None, *, steps_per_year: int = 16) -> Path:
    """Write `xmile(...)` to `path`, through a temporary name, and return the path.

    Raises InvalidInput as `xmile` does and for a name that its readers would not open, OSError where it cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES:
        raise InvalidInput(Problem(f"path: {path.name} does not end in {', '.join(SUFFIXES)}: PySD and Stella would not open it.",
                                   f"Name it {path.stem}.xmile."))
    text = xmile(setup, drawn, steps_per_year=steps_per_year)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return path
