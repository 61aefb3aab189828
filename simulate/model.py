"""A stock-and-flow model as equations that are Python functions. Pure: numpy only (pint for the unit check).

An equation's name is the variable it computes, its argument names are what it depends on, its decorator gives the
unit, its docstring the documentation. Bodies are one arithmetic `return` over the functions below, so that one source
can be evaluated on arrays, checked for units, printed and exported.

Arrays: a scalar variable has shape (runs,), one over sectors (sectors, runs). A value that is the same in all runs has
a last axis of length 1 and broadcasts.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from simulate import integrators
from simulate.compiler import Compiled
from simulate.distributions import Distribution
from simulate.errors import InvalidInput, Problem, nearest

Array = NDArray[np.float64]
Over = Literal["sector", "cluster"] | None
TimeFunction = Callable[[float, float], Array | None]
"""Value of an input at (time, within); `within` lies inside the step and settles on which side of a jump it is."""


@dataclass(frozen=True)
class Blend:
    """A value over time as a weighted sum of `rows`, arrays that do not change: a time function of which engines can see inside.

    weights(t, within) -> the weight of each row that counts, by its number; None where there is no value (outside a path's years).
    """

    rows: tuple[Array, ...]
    weights: Callable[[float, float], Mapping[int, float] | None]

    def __call__(self, t: float, within: float) -> Array | None:
        """Return the value at a moment: the last axis is 1 or runs."""
        weights = self.weights(t, within)
        if weights is None:
            return None
        result: Array | None = None
        for row, weight in weights.items():
            term = weight * self.rows[row]
            result = term if result is None else result + term
        return np.zeros(1) if result is None else result


exp, log, minimum, maximum, where = np.exp, np.log, np.minimum, np.maximum, np.where


def power(base: Any, exponent: Any) -> Any:
    """Return base**exponent for base > 0 as exp(exponent·log(base)): cheaper on arrays than a general power."""
    return np.exp(exponent * np.log(base))


def total(x: Any) -> Any:
    """Sum over the first axis, added in order, so that a run's sum does not depend on how many runs stand beside it."""
    result = x[0]
    for row in range(1, len(x)):
        result = result + x[row]
    return result


def of_sector(membership: Any, x: Any) -> Any:
    """Value of `x` (sectors, runs) in the sector that each cluster belongs to; membership (clusters, sectors, 1) is 0 or 1."""
    result = membership[:, 0] * x[0]
    for row in range(1, len(x)):
        result = result + membership[:, row] * x[row]
    return result


FUNCTIONS: dict[str, Callable[..., Any]] = {
    f.__name__: f for f in (exp, log, minimum, maximum, where, power, total, of_sector)}
_ALLOWED = (ast.BinOp, ast.UnaryOp, ast.Name, ast.Load, ast.Constant, ast.Call, ast.Compare, ast.Add, ast.Sub, ast.Mult,
            ast.Div, ast.Pow, ast.USub, ast.Lt, ast.LtE, ast.Gt, ast.GtE)


@dataclass(frozen=True)
class Equation:
    """A variable computed from others: `function` holds the formula, `over` the dimension it is arrayed by."""

    name: str
    function: Callable[..., Any]
    unit: str
    over: Over
    arguments: tuple[str, ...]
    documentation: str
    source: str | None = None

    def __call__(self, *arguments: Any) -> Any:
        """Evaluate the formula."""
        return self.function(*arguments)

    @cached_property
    def formula(self) -> ast.expr:
        """The returned expression. Raises InvalidInput if the body is more than one arithmetic return."""
        body: list[ast.stmt]
        if self.source is not None:
            body = [ast.Return(ast.parse(self.source, mode="eval").body)]
        else:
            tree = ast.parse(textwrap.dedent(inspect.getsource(self.function))).body[0]
            assert isinstance(tree, ast.FunctionDef)
            body = [node for node in tree.body if not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))]
        if len(body) != 1 or not isinstance(body[0], ast.Return) or body[0].value is None:
            raise InvalidInput(Problem(f"equation {self.name}: the body must be one return.", "Split it into several equations."))
        calls = [n for n in ast.walk(body[0].value) if isinstance(n, ast.Call) and n.args]
        tests = {id(n.args[0]) for n in calls if isinstance(n.func, ast.Name) and n.func.id == "where"}
        for node in ast.walk(body[0].value):
            named = node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else None
            if not isinstance(node, _ALLOWED) or (isinstance(node, ast.Call) and named not in FUNCTIONS):
                text = ast.unparse(node) or ast.unparse(body[0].value)  # an operator alone has no text
                raise InvalidInput(Problem(f"equation {self.name}: `{text}` is not arithmetic.",
                                           f"Use + - * / **, comparisons in where(), and {', '.join(FUNCTIONS)}."))
            if isinstance(node, ast.Compare) and (id(node) not in tests or len(node.ops) > 1):
                raise InvalidInput(Problem(f"equation {self.name}: `{ast.unparse(node)}` is a comparison, not a number.",
                                           "Compare two numbers as the first argument of where(); put one where() into another for more."))
        return body[0].value


def equation(unit: str, over: Over = None) -> Callable[[Callable[..., Any]], Equation]:
    """Make a function the equation of the variable it is named for, in `unit`, arrayed `over` a dimension or scalar."""

    def wrap(function: Callable[..., Any]) -> Equation:
        return Equation(function.__name__, function, unit, over, tuple(inspect.signature(function).parameters),
                        inspect.cleandoc(function.__doc__ or ""))

    return wrap


def formula(name: str, expression: str, unit: str, documentation: str, over: Over = None) -> Equation:
    """Make an equation from an expression as text: for families of equations that differ only in a name."""
    tree = ast.parse(expression, mode="eval")
    arguments = tuple(dict.fromkeys(n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and n.id not in FUNCTIONS))
    function = eval(f"lambda {', '.join(arguments)}: {expression}", dict(FUNCTIONS))  # our own text, never a user's
    return Equation(name, function, unit, over, arguments, documentation, expression)


@dataclass(frozen=True)
class Stock:
    """An accumulation: d/dt = sum of inflows - sum of outflows; `initial` names the variable that starts it."""

    name: str
    unit: str
    initial: str
    inflows: tuple[str, ...] = ()
    outflows: tuple[str, ...] = ()
    over: Over = None
    documentation: str = ""


@dataclass(frozen=True)
class Parameter:
    """A number the model is given; `prior` is its uncertainty, `source` its ground ("judgement" is one, if said).

    `default` is a number, or per sector or cluster a mapping with "*" for those not named; `bounds` are the least and greatest
    value that make sense, within which the model is to hold. A parameter without
    default is an input that the region's data must supply: the base-year value of `indicator`, whose unit is turned
    into the model's by `scale`.
    """

    name: str
    unit: str
    default: float | Mapping[str, float] | None
    documentation: str
    source: str = ""
    prior: Distribution | Mapping[str, Distribution] | None = None
    over: Over = None
    indicator: str | None = None
    indicator_unit: str | None = None
    scale: float = 1.0
    bounds: tuple[float, float] = (0.0, float("inf"))

    def default_for(self, element: str | None) -> float | None:
        """Default value for one sector or cluster (None: scalar)."""
        if not isinstance(self.default, Mapping):
            return self.default
        return self.default.get(element or "*", self.default["*"])

    def prior_for(self, element: str | None) -> Distribution | None:
        """Prior for one sector or cluster (None: scalar)."""
        if not isinstance(self.prior, Mapping):
            return self.prior
        return self.prior.get(element or "*", self.prior.get("*"))


@dataclass(frozen=True)
class Input:
    """A variable given over time from outside: a lever, a shock."""

    name: str
    unit: str
    documentation: str


Engine = Callable[[Compiled, Array, float, int, int, integrators.Step], dict[str, Array]]
"""Integrates as `Model.simulate` does: (equations, initial state, start, years, steps per year, method) -> kept variables."""


@dataclass(frozen=True)
class Model:
    """Stocks, parameters, inputs and equations, checked to belong together when made.

    Raises InvalidInput for a name defined twice, an argument nothing defines (with the nearest names), circular
    equations (naming the cycle), and a stock whose flows or initial value do not exist.
    """

    stocks: tuple[Stock, ...]
    parameters: tuple[Parameter, ...]
    inputs: tuple[Input, ...]
    equations: tuple[Equation, ...]
    time: str = "time"
    order: tuple[Equation, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Check names, sort equations by dependency."""
        problems: list[Problem] = []
        names = [x.name for group in (self.stocks, self.parameters, self.inputs, self.equations) for x in group] + [self.time]
        problems += [Problem(f"{name!r} is defined twice.", "Rename one of them.") for name in set(names) if names.count(name) > 1]
        for e in self.equations:
            problems += [Problem(f"equation {e.name}: nothing defines its argument {a!r}.", nearest(a, names))
                         for a in e.arguments if a not in names]
        for s in self.stocks:
            problems += [Problem(f"stock {s.name}: nothing defines {n!r}.", nearest(n, names))
                         for n in (s.initial, *s.inflows, *s.outflows) if n not in names]
        if problems:
            raise InvalidInput(problems)
        object.__setattr__(self, "order", self._sort())

    def _sort(self) -> tuple[Equation, ...]:
        known = {e.name: e for e in self.equations}
        done: dict[str, Equation] = {}

        def visit(name: str, trail: tuple[str, ...]) -> None:
            if name in trail:
                cycle = " -> ".join((*trail[trail.index(name):], name))
                raise InvalidInput(Problem(f"circular equations: {cycle}.",
                                           "Break the circle with a stock: something in it must take time."))
            if name in done:
                return
            for argument in known[name].arguments:
                if argument in known:
                    visit(argument, (*trail, name))
            done[name] = known[name]

        for name in known:
            visit(name, ())
        return tuple(done.values())

    @cached_property
    def units(self) -> dict[str, str]:
        """Unit of every variable, by name."""
        groups: tuple[Sequence[Any], ...] = (self.stocks, self.parameters, self.inputs, self.equations)
        return {x.name: x.unit for group in groups for x in group} | {self.time: "year"}

    @cached_property
    def over(self) -> dict[str, Over]:
        """Dimension of every variable, by name (None: scalar)."""
        groups: tuple[Sequence[Any], ...] = (self.stocks, self.parameters, self.equations)
        scalars: dict[str, Over] = dict.fromkeys((*(x.name for x in self.inputs), self.time))
        return scalars | {x.name: x.over for group in groups for x in group}

    @cached_property
    def constants(self) -> tuple[Equation, ...]:
        """Equations that depend on parameters alone: evaluated once a run."""
        fixed = {p.name for p in self.parameters}
        found = []
        for e in self.order:
            if all(a in fixed for a in e.arguments):
                fixed.add(e.name)
                found.append(e)
        return tuple(found)

    def needed(self, given: Iterable[str] = ()) -> tuple[Equation, ...]:
        """Return the equations that the stocks' flows need at every stage, in order, where `given` have fixed values."""
        constant = {e.name for e in self.constants} | set(given)
        known = {e.name: e for e in self.equations}
        needed: set[str] = set()
        waiting = [name for s in self.stocks for name in (*s.inflows, *s.outflows)]
        while waiting:
            name = waiting.pop()
            if name in known and name not in needed and name not in constant:
                needed.add(name)
                waiting.extend(known[name].arguments)
        return tuple(e for e in self.order if e.name in needed)

    @cached_property
    def programs(self) -> dict[object, Any]:
        """Programs written so far by `simulate` and other engines (`source` holds the text), by what they depend on."""
        return {}

    def describe(self) -> list[dict[str, str]]:
        """Return every variable as a row: name, kind, equation, unit, over, documentation, source."""
        constant = {e.name for e in self.constants}
        flows = {n for s in self.stocks for n in (*s.inflows, *s.outflows)}
        rows = [{"name": s.name, "kind": "stock", "unit": s.unit, "over": s.over or "", "source": "", "documentation": s.documentation,
                 "equation": f"d/dt = {' + '.join(s.inflows) or '0'}{''.join(' - ' + o for o in s.outflows)}; initial {s.initial}"}
                for s in self.stocks]
        rows += [{"name": e.name, "unit": e.unit, "over": e.over or "", "source": "", "documentation": e.documentation,
                  "kind": "flow" if e.name in flows else "constant" if e.name in constant else "auxiliary",
                  "equation": ast.unparse(e.formula)} for e in self.order]
        rows += [{"name": p.name, "kind": "parameter", "unit": p.unit, "over": p.over or "", "source": p.source,
                  "documentation": p.documentation, "equation": _value(p)} for p in self.parameters]
        rows += [{"name": i.name, "kind": "input", "unit": i.unit, "over": "", "source": "", "documentation": i.documentation,
                  "equation": "given over time"} for i in self.inputs]
        return rows

    def check_units(self) -> None:
        """Dry run of every equation with units, before any simulation.

        Each equation is evaluated once on bare numbers and once on quantities with units (values other than 1, so
        that a missing factor or power shows); the two must agree in the declared unit. Stocks must match their
        flows times a year, and their initial values. Raises InvalidInput with every fault.
        """
        import pint

        from simulate import units

        ureg = units.registry()
        problems: list[Problem] = []
        values: dict[str, Array] = {}
        for k, name in enumerate(self.units):
            shape = {"sector": (2, 1), "cluster": (3, 1), None: (1,)}[self.over[name]]
            size = int(np.prod(shape))
            values[name] = 0.3 + 0.6 * np.modf((k * size + np.arange(1, size + 1)) * 0.6180339887498949)[0].reshape(shape)
        if "cluster_membership" in values:
            values["cluster_membership"] = np.array([[0.3, 0.7], [0.6, 0.4], [0.8, 0.2]])[..., None]
        for e in self.equations:
            e.formula  # noqa: B018  (checks that the body is plain arithmetic)
            try:
                with np.errstate(all="ignore"):  # a formula of a user's may leave the numbers here
                    bare = np.asarray(e.function(*(values[a] for a in e.arguments)))
                    found = e.function(*(ureg.Quantity(values[a], self.units[a]) for a in e.arguments))
                    found = ureg.Quantity(found).to(e.unit)
            except (pint.DimensionalityError, ValueError, TypeError) as error:  # the others: a quantity is compared with a bare number
                problems.append(Problem(f"equation {e.name}: {error}.", f"Its unit is declared as {e.unit}; arguments: " + ", ".join(
                    f"{a} [{self.units[a]}]" for a in e.arguments)))
                continue
            if not np.allclose(found.magnitude, bare, rtol=1e-9, atol=0, equal_nan=True):
                problems.append(Problem(f"equation {e.name}: a factor between units is missing.",
                                        f"In {e.unit} it gives {float(np.ravel(bare)[0]):g} where its units say "
                                        f"{float(np.ravel(found.magnitude)[0]):g}."))
        for s in self.stocks:
            for flow in (*s.inflows, *s.outflows):
                if ureg.Quantity(1.0, self.units[flow]) * ureg.Quantity(1.0, "year") != ureg.Quantity(1.0, s.unit):
                    problems.append(Problem(f"stock {s.name} [{s.unit}]: its flow {flow} is in {self.units[flow]}.",
                                            f"A flow of it is in {s.unit}/year."))
            if ureg.Quantity(1.0, self.units[s.initial]) != ureg.Quantity(1.0, s.unit):
                problems.append(Problem(f"stock {s.name} [{s.unit}]: its initial value {s.initial} is in {self.units[s.initial]}.", ""))
        if problems:
            raise InvalidInput(problems)

    def simulate(self, parameters: Mapping[str, Array], inputs: Mapping[str, TimeFunction], *, start: float, years: int,
                 steps_per_year: int, step: integrators.Step, runs: int, elements: Mapping[str, int],
                 paths: Mapping[str, TimeFunction] | None = None, fixed: Mapping[str, Array] | None = None,
                 keep: Iterable[str] | None = None, compiled: bool = True, engine: Engine | None = None) -> dict[str, Array]:
        """Integrate `runs` runs over `years` from `start`; return the kept variables at each whole year.

        parameters: name -> array whose last axis is 1 or runs. inputs and paths: name -> function of time; a path takes
        the place of an equation wherever it is not None; `fixed` gives equations one value throughout (levers not in use), so
        that what only they need is not computed. elements: number of sectors and clusters. `compiled` False evaluates
        the equations one by one as they stand: slower, with the same bits; `engine` integrates in their stead. Where an input or
        path jumps, a year shows what held in the step that led to it (the first year: in the first step).
        Result: name -> (years + 1, runs) or (years + 1, elements, runs).
        """
        base: dict[str, Array] = dict(parameters)
        for e in self.constants:
            base[e.name] = np.atleast_1d(e.function(*(base[a] for a in e.arguments)))
        base.update(fixed or {})
        constant = {e.name for e in self.constants}
        default = [s.name for s in self.stocks] + [e.name for e in self.order if e.name not in constant]
        kept: dict[str, tuple[int, ...]] = {n: (elements[over],) if (over := self.over[n]) else ()
                                             for n in (keep if keep is not None else default)}
        rows: dict[str, slice | int] = {}
        count = 0
        for s in self.stocks:
            size = elements[s.over] if s.over else 1
            rows[s.name] = slice(count, count + size) if s.over else count
            count += size
        state = np.empty((count, runs))
        for s in self.stocks:
            state[rows[s.name]] = base[s.initial]
        paths = {n: _each(path, elements[over]) if (over := self.over[n]) else path for n, path in (paths or {}).items()}
        if engine is not None:
            return engine(Compiled(self, base, inputs, paths, rows, kept, state.shape), state, start, years, steps_per_year, step)
        equations: Compiled | _Plain = (Compiled if compiled else _Plain)(self, base, inputs, paths, rows, kept, state.shape)
        saved = {n: np.empty((years + 1, *shape, runs)) for n, shape in kept.items()}
        work = [np.empty(state.shape) for _ in range(3)]
        for year in range(years + 1):
            t = start + year
            equations.report(t, state, t + (0.5 if year == 0 else -0.5) / steps_per_year, {n: saved[n][year] for n in kept})
            if year < years:
                state = integrators.integrate(equations.rates, state, t, t + 1, steps_per_year, step, work)
        return saved


def _each(path: TimeFunction, size: int) -> TimeFunction:
    """Return `path` with a row for each of `size` elements, also where it gives one value for all of them."""
    if isinstance(path, Blend):
        return Blend(tuple(np.broadcast_to(row, (size, row.shape[-1])) for row in path.rows), path.weights)

    def course(t: float, within: float) -> Array | None:
        value = path(t, within)
        return None if value is None else np.broadcast_to(value, (size, value.shape[-1]))

    return course


class _Plain:
    """Evaluates the equations one by one, as they stand: the reference for `Compiled`."""

    def __init__(self, model: Model, base: Mapping[str, Array], inputs: Mapping[str, TimeFunction],
                 paths: Mapping[str, TimeFunction], rows: Mapping[str, slice | int], kept: Mapping[str, tuple[int, ...]],
                 shape: tuple[int, ...]) -> None:
        self.model, self.base, self.inputs, self.paths, self.rows = model, base, inputs, paths, rows
        self.dynamics = tuple(e for e in model.needed(base) if e.name not in base)
        done = {e.name for e in self.dynamics}
        self.reported = tuple(e for e in model.order if e.name not in done and e.name not in base)

    def variables(self, t: float, y: Array, within: float, equations: Sequence[Equation]) -> dict[str, Array]:
        """Return the value of every variable."""
        values = {**self.base, self.model.time: np.array([t])}
        for name, function in self.inputs.items():
            value = function(t, within)
            assert value is not None
            values[name] = value
        for name, row in self.rows.items():
            values[name] = y[row]
        for e in equations:
            given = self.paths[e.name](t, within) if e.name in self.paths else None
            values[e.name] = given if given is not None else e.function(*[values[a] for a in e.arguments])
        return values

    def rates(self, t: float, y: Array, within: float) -> Array:
        """Return d(state)/dt."""
        values = self.variables(t, y, within, self.dynamics)
        dy = np.empty_like(y)
        for s in self.model.stocks:
            target = dy[self.rows[s.name]]
            target[...] = values[s.inflows[0]] if s.inflows else 0.0
            for name in s.inflows[1:]:
                target += values[name]
            for name in s.outflows:
                target -= values[name]
        return dy

    def report(self, t: float, y: Array, within: float, out: Mapping[str, Array]) -> None:
        """Write the variables asked for into the arrays `out`."""
        values = self.variables(t, y, within, (*self.dynamics, *self.reported))
        for name, array in out.items():
            array[...] = values[name]


def _value(p: Parameter) -> str:
    if p.default is None:
        return f"base-year {p.indicator}"
    shown = ", ".join(f"{k}: {v:g}" for k, v in p.default.items()) if isinstance(p.default, Mapping) else f"{p.default:g}"
    priors = p.prior if isinstance(p.prior, Mapping) else {"": p.prior} if p.prior else {}
    bounds = "; admissible {:g} to {:g}".format(*p.bounds) if np.isfinite(p.bounds[1]) else ""
    return shown + "".join(f"; {k + ': ' if k else ''}{v}" for k, v in priors.items()) + bounds
