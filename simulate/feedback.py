"""The feedback structure of a model: its causal graph, the sign of every link, all its loops and their polarity. Pure.

A link runs from an argument to the equation that uses it, and from a flow to the stock it fills or drains. Its sign is that of
the equation's partial derivative: '+', '-', '±' where it depends on the state or on parameters, '0' where it was never seen to act.
A loop's polarity is the product of its links' signs: R (reinforcing), B (balancing), U (undetermined) where a link has both signs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from simulate.errors import InvalidInput, Problem

if TYPE_CHECKING:
    import networkx as nx

    from simulate.model import Equation, Model

Array = NDArray[np.float64]
Link = tuple[str, str]

STEP = 1e-6
"""Relative step of the central differences that give partial derivatives (their error is then about 1e-10)."""

MOST_LOOPS = 50_000
"""Loops enumerated before giving up: their number can grow exponentially with the links."""

_SIGNS = {(True, True): "±", (True, False): "+", (False, True): "-", (False, False): "0"}


@dataclass(frozen=True)
class Loop:
    """A feedback loop: polarity (R reinforcing, B balancing, U undetermined) and its variables in causal order."""

    name: str
    polarity: str
    variables: tuple[str, ...]

    @property
    def links(self) -> tuple[Link, ...]:
        """The loop's links (from, to), the last back to the first variable."""
        return tuple(zip(self.variables, (*self.variables[1:], self.variables[0]), strict=True))


def causal_graph(model: Model, given: Iterable[str] = ()) -> nx.DiGraph[str]:
    """Return the causal graph of what changes in time: stocks, flows and auxiliaries (`kind` of each node), no constants.

    An arrayed variable is one node. A link from a flow to a stock has `flow` +1 (inflow) or -1 (outflow), others 0. Variables
    in `given` follow a path from outside: nothing leads to them.
    """
    import networkx as nx

    flows = {n for s in model.stocks for n in (*s.inflows, *s.outflows)}
    fixed = {e.name for e in model.constants}
    graph: nx.DiGraph[str] = nx.DiGraph()
    graph.add_nodes_from((s.name for s in model.stocks), kind="stock")
    moving = [e for e in model.order if e.name not in fixed]
    graph.add_nodes_from((e.name for e in moving if e.name in flows), kind="flow")
    graph.add_nodes_from((e.name for e in moving if e.name not in flows), kind="auxiliary")
    outside = set(given)
    for e in moving:
        graph.add_edges_from(((a, e.name) for a in e.arguments if a in graph and e.name not in outside), flow=0)
    for s in model.stocks:
        graph.add_edges_from(((f, s.name) for f in s.inflows), flow=1)
        graph.add_edges_from(((f, s.name) for f in s.outflows), flow=-1)
    return graph


def partial_derivatives(e: Equation, values: Mapping[str, Array], argument: str) -> list[Array]:
    """Return the partial derivatives of equation `e` by `argument`: one array for each element of it (one if it is a scalar).

    `values` hold every argument, with runs on the last axis. Each result has the shape of the equation's value. Derivatives are
    central differences; at a kink (minimum, maximum, where) they are the mean of both sides.
    """
    arguments = [values[a] for a in e.arguments]
    at = e.arguments.index(argument)
    x = values[argument]
    found = []
    for row in range(len(x)) if x.ndim > 1 else (...,):
        size = np.maximum(np.abs(x[row]), 1e-9) * STEP
        ends = []
        for side in (size, -size):
            moved = np.array(np.broadcast_to(x, (*x.shape[:-1], max(x.shape[-1], size.shape[-1]))))
            moved[row] = x[row] + side
            arguments[at] = moved
            ends.append(np.asarray(e.function(*arguments)))
        found.append((ends[0] - ends[1]) / (2 * size))
    return found


def link_signs(model: Model, points: Mapping[str, Array], graph: nx.DiGraph[str] | None = None) -> dict[Link, str]:
    """Return the sign of every link of the causal graph over `points`: values of all variables, runs on the last axis.

    A derivative counts as zero below 1e-9 of the equation's value over the argument's: rounding makes no link.
    """
    graph = causal_graph(model) if graph is None else graph
    equations = {e.name: e for e in model.order}
    signs: dict[Link, str] = {}
    for source, target, flow in graph.edges(data="flow"):
        if flow:
            signs[source, target] = "+" if flow > 0 else "-"
            continue
        e = equations[target]
        up = down = False
        for k, derivative in enumerate(partial_derivatives(e, points, source)):
            x = points[source][k] if points[source].ndim > 1 else points[source]
            effect = derivative * np.abs(x)
            least = 1e-9 * np.abs(points[target])
            up, down = up or bool((effect > least).any()), down or bool((effect < -least).any())
        signs[source, target] = _SIGNS[up, down]
    return signs


def elementary_loops(graph: nx.DiGraph[Any], most: int = MOST_LOOPS) -> list[tuple[Any, ...]]:
    """Return every elementary circuit of `graph`, each begun at its first node in the graph's order, shortest first.

    Raises InvalidInput where there are more than `most`.
    """
    import networkx as nx

    rank = {n: k for k, n in enumerate(graph)}
    found = list(islice(nx.simple_cycles(graph), most + 1))
    if len(found) > most:
        raise InvalidInput(Problem(f"the causal graph has more than {most:,} feedback loops.",
                                   "Join sectors, or impose paths on variables that couple everything."))
    return sorted((canonical(c, rank) for c in found), key=lambda c: (len(c), [rank[n] for n in c]))


def canonical(cycle: Sequence[Any], rank: Mapping[Any, int]) -> tuple[Any, ...]:
    """Return `cycle` begun at its node of least rank."""
    start = min(range(len(cycle)), key=lambda k: rank[cycle[k]])
    return (*cycle[start:], *cycle[:start])


def polarity(signs: Iterable[str]) -> str:
    """Return the polarity that links of these signs make: R, B, or U where one is '±' or '0'."""
    seen = list(signs)
    if "±" in seen or "0" in seen:
        return "U"
    return "B" if seen.count("-") % 2 else "R"


def feedback_loops(model: Model, signs: Mapping[Link, str], named: Iterable[Loop] = (), given: Iterable[str] = ()) -> list[Loop]:
    """Return every feedback loop of the model (arrayed variables as one node): first the named ones, then the others by length.

    A loop of one stock and one flow without a name is called by the flow, others R1, B2, U3…, by polarity and in order. A named loop
    keeps its name and its first variable, and gets the polarity of its links; one that is cut (by `given`, see `causal_graph`) is
    left out. Raises InvalidInput where a named loop is no loop of the model at all.
    """
    whole = causal_graph(model)
    graph = causal_graph(model, given)
    rank = {n: k for k, n in enumerate(whole)}
    problems, found = [], {}
    for loop in named:
        missing = [f"{a} -> {b}" for a, b in loop.links if not whole.has_edge(a, b)]
        if missing or len(set(loop.variables)) < len(loop.variables):
            problems.append(Problem(f"loop {loop.name!r}: the model has no link {', '.join(missing) or '(a variable stands twice)'}.",
                                    "Name the variables in causal order, each once."))
        elif all(graph.has_edge(*link) for link in loop.links):
            found[canonical(loop.variables, rank)] = Loop(loop.name, polarity(signs[x] for x in loop.links), loop.variables)
    if problems:
        raise InvalidInput(problems)
    counts = {"R": 0, "B": 0, "U": 0}
    others = []
    for cycle in elementary_loops(graph):
        if cycle not in found:
            kind = polarity(signs[x] for x in Loop("", "", cycle).links)
            counts[kind] += len(cycle) > 2
            others.append(Loop(cycle[1] if len(cycle) == 2 else f"{kind}{counts[kind]}", kind, cycle))
    return [*found.values(), *others]


def independent_loops(loops: Iterable[Loop]) -> list[Loop]:
    """Return the shortest independent loops among `loops`, shortest first: few and simple loops that hold every link of them all.

    After Oliva 2004 ("Model structure analysis through graph theory"): a loop is taken if it has a link that none before it has.
    A loop in which a variable stands twice (it passes through several elements) is never taken.
    """
    held: set[Link] = set()
    found = []
    for loop in sorted(loops, key=lambda x: len(x.variables)):
        if len(set(loop.variables)) == len(loop.variables) and not held.issuperset(loop.links):
            held.update(loop.links)
            found.append(loop)
    return found


def admissible_points(model: Model, runs: int = 256, seed: int = 0, elements: Mapping[str, int] | None = None) -> dict[str, Array]:
    """Return values of all variables at `runs` random admissible points: parameters from their priors, stocks around their start.

    What the region's data would supply is drawn as positive numbers (in every fourth run 0, where the default is 0); levers lie
    between 0 and 1, time up to 15 years after the base year, stocks within a factor of about three of their initial values.
    The same seed gives the same points.
    """
    random = np.random.default_rng(seed)
    sizes = {"sector": 2, "cluster": 2} if elements is None else dict(elements)
    values: dict[str, Array] = {}
    rest = np.arange(runs) % 4 == 0
    for p in model.parameters:
        names: list[str | None] = [None]
        if p.over:
            named = [k for k in (p.default if isinstance(p.default, Mapping) else ()) if k != "*"]
            names = list([*named, *["*"] * sizes[p.over]][: sizes[p.over]])
        rows = []
        for name in names:
            prior, default = p.prior_for(name), p.default_for(name)
            if prior is not None:
                rows.append(prior.quantile(random.uniform(0.01, 0.99, runs)))
            elif default is not None and default > 0:
                rows.append(np.full(runs, default))
            else:
                drawn = random.lognormal(3, 1, runs) if p.unit != "1" else random.uniform(0.1, 0.9, runs)
                rows.append(np.where(rest, 0.0, drawn) if default == 0 else drawn)
        values[p.name] = np.stack(rows) if p.over else rows[0]
    if "base_year" in values:
        values["base_year"] = np.zeros(runs)
    if "cluster_membership" in values:
        share = random.uniform(0.2, 0.8, (sizes["cluster"], 1, runs))
        values["cluster_membership"] = np.concatenate([share / (sizes["sector"] - 1 or 1)] * (sizes["sector"] - 1) + [1 - share], axis=1)
    for i in model.inputs:
        values[i.name] = random.uniform(0.05, 1.0, runs)
    values[model.time] = random.uniform(0, 15, runs)
    with np.errstate(all="ignore"):
        for e in model.constants:
            values[e.name] = np.asarray(e.function(*(values[a] for a in e.arguments)))
        for s in model.stocks:
            start = values[s.initial]
            values[s.name] = start * random.lognormal(0, 0.4, (*start.shape[:-1], runs))
        for e in model.order:
            if e.name not in values:
                values[e.name] = np.asarray(e.function(*(values[a] for a in e.arguments)))
    return values
