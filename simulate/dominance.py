"""Which feedback loop drives behaviour when: Loops That Matter scores over time, for every run of an ensemble.

After Schoenberg, Davidsen and Eberlein 2020 ("Understanding model behavior using the Loops that Matter method") with the link from
flow to stock as corrected by Schoenberg, Hayward and Eberlein 2023 ("Improving Loops that Matter"). For z = f(x, y, …) the score of
the link x -> z is |(∂f/∂x)·ẋ / ż| with the sign of ∂f/∂x; that of a flow to its stock |d(flow)/dt / (d²stock/dt²)|, minus for an
outflow. A loop's score is the product of its links' scores. What changes between stocks cancels, so that

    loop score = product of the partial derivatives along the loop · product over its stocks of |Ṡ / S̈|:

it is computed so, at an instant: the limit for small steps of the scores that others compute from differences over a step.
The relative score is a loop's part, with its sign (+ reinforcing, - balancing), in the sum of all loops' absolute scores in its
partition (stocks joined by feedback): absolute values sum to 1. All loops are enumerated, none is left out.

Scores are computed for every element of arrayed variables and summed over the loops that are the same but for the elements.
`NETTED` variables are worked into the links around them first: they repeat what is known (wanted investment divides what it
multiplies), and their loops would cancel in pairs while swelling the sum of absolute scores.

How to read them. A loop's score multiplies |Ṡ/S̈| over all its stocks: where growth is nearly steady this is large for each, so that
long loops through many stocks outweigh the short ones they are made of, and cancel one another. That is the method, and
`dominance` gives it in full; for a briefing `Dominance.among(principal(…))` sets only the named and the shortest independent loops
in relation, and `coverage` says which part of the whole they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from simulate import runs as engine
from simulate.attainment import judge_all
from simulate.errors import InvalidInput, Problem, nearest
from simulate.feedback import (
    Loop,
    admissible_points,
    canonical,
    causal_graph,
    elementary_loops,
    feedback_loops,
    independent_loops,
    link_signs,
    partial_derivatives,
)
from simulate.model import Array, Model, TimeFunction
from simulate.parameters import LEVERS
from simulate.region import LOOPS
from simulate.registry import Registry, load_registry
from simulate.runs import Trajectories
from simulate.scenarios import Scenario, load_scenario

NETTED = ("fixed_asset_investment", "investment_demand", "rd_intensity")
"""Variables that stand between others only so that a scenario can impose a path: eliminated before loops are scored."""

STILL = 1e-10
"""A stock that moves by less than this part of itself in a year stands still: its loops score 0."""

_INSTANT = 1e-3  # years between the points of a second-order one-sided difference: errors of about 1e-6
_NOISE = 1e-7  # part of what was added at which a sum counts as cancelled
_LARGE = 600.0  # bound of logarithms: a stock at an inflection has an infinite score

Node = tuple[str, int]
Gains = dict[tuple[Node, Node], Array]


@dataclass(frozen=True)
class Dominance:
    """Relative scores of feedback loops: `scores` (loops, years, runs), + reinforcing and - balancing; NaN where a run is not finite.

    Loops that never act are left out. `partition[k]` numbers the partition of loop k; `partitions` name their stocks, largest
    first. Within a partition absolute values sum to 1, or to 0 where nothing moves; loops that are the same but for their
    elements are added up, so the sum can be a little less where these oppose each other. `raw` are the scores before they are
    set in relation. `enumerated` counts the loops scored, element by element; `coverage` (partitions, years, runs) is the part of
    all loops' absolute scores that the loops shown have (1: they are all shown).
    """

    loops: tuple[Loop, ...]
    years: Array
    scores: Array
    raw: Array
    partition: tuple[int, ...]
    partitions: tuple[tuple[str, ...], ...]
    enumerated: int
    coverage: Array

    def median(self, where: Any = None) -> Array:
        """Median relative score over the runs (those of the mask `where`): (loops, years). NaN where there is no run."""
        chosen = self.scores if where is None else self.scores[..., where]
        chosen = chosen[..., np.isfinite(chosen).all(axis=(0, 1))]
        return np.median(chosen, axis=-1) if chosen.shape[-1] else np.full(chosen.shape[:2], np.nan)

    @cached_property
    def leader(self) -> Any:
        """Index of the loop with the greatest absolute score in each partition: (partitions, years, runs); -1 where nothing moves."""
        size = np.nan_to_num(np.abs(self.scores))
        found = np.full((len(self.partitions), *size.shape[1:]), -1)
        for p in range(len(self.partitions)):
            members = np.flatnonzero(np.array(self.partition) == p)
            best = size[members].argmax(axis=0)
            found[p] = np.where(size[members].max(axis=0) > 0, members[best], -1)
        return found

    def leading(self, where: Any = None) -> Array:
        """Share of the runs (those of the mask `where`) in which a loop has its partition's greatest absolute score: (loops, years)."""
        finite = np.isfinite(self.scores).all(axis=(0, 1))
        chosen = finite if where is None else finite & where
        if not chosen.any():
            return np.full(self.scores.shape[:2], np.nan)
        return np.stack([(self.leader[p][:, chosen] == k).mean(axis=-1) for k, p in enumerate(self.partition)])

    def through(self, variable: str) -> Dominance:
        """Return the loops through `variable`, in relation to these alone. Raises InvalidInput where there is none."""
        chosen = [loop for loop in self.loops if variable in loop.variables]
        if not chosen:
            known = {v for loop in self.loops for v in loop.variables}
            raise InvalidInput(Problem(f"no feedback loop passes through {variable!r} in this scenario.",
                                       nearest(variable, known, "Loops pass through")))
        return self.among(chosen)

    def among(self, loops: Iterable[Loop]) -> Dominance:
        """Return `loops` (those of these that act), in relation to these alone, by mean absolute score within each partition."""
        wanted = {loop.variables for loop in loops}
        chosen = [k for k, loop in enumerate(self.loops) if loop.variables in wanted]
        used = sorted({self.partition[k] for k in chosen})
        scores, coverage = self.scores[chosen], np.zeros((len(used), *self.scores.shape[1:]))
        for k, row in zip(chosen, scores, strict=True):
            coverage[used.index(self.partition[k])] += np.abs(row)
        for k, row in zip(chosen, scores, strict=True):
            whole = coverage[used.index(self.partition[k])]
            row[...] = np.divide(row, whole, out=np.zeros_like(row), where=whole > 0) + 0 * whole  # NaN stays NaN
        order = sorted(range(len(chosen)), key=lambda k: (self.partition[chosen[k]], -float(np.nan_to_num(np.abs(scores[k])).mean())))
        return Dominance(tuple(self.loops[chosen[k]] for k in order), self.years, scores[order], self.raw[[chosen[k] for k in order]],
                         tuple(used.index(self.partition[chosen[k]]) for k in order), tuple(self.partitions[p] for p in used),
                         self.enumerated, coverage * self.coverage[used])


def principal(found: Dominance) -> list[Loop]:
    """Return the loops to show first: the named ones and the shortest independent ones (`feedback.independent_loops`)."""
    named = {loop.name for loop in LOOPS}
    return [*dict.fromkeys([loop for loop in found.loops if loop.name in named] + independent_loops(found.loops))]


def dominance(subject: Trajectories | Scenario | str, registry: Registry | None = None, *, runs: int | None = None, seed: int | None = None,
              through: str | None = None, where: Any = None) -> Dominance:
    """Return the loop scores of a scenario (or the one named) at whole years, or of a run that kept all stocks (see `keep_for`).

    `through` takes only the loops through one variable, `where` only the runs of a mask. It takes some 200 MB a thousand runs.
    Raises InvalidInput for what `runs.run` refuses, a mask that does not fit, and trajectories without the stocks.
    """
    if not isinstance(subject, Trajectories):
        registry = registry or load_registry()
        scenario = load_scenario(subject) if isinstance(subject, str) else subject
        subject = engine.run(scenario, registry, runs=runs, seed=seed, keep=keep_for(scenario))
    setup = subject.setup
    missing = [s.name for s in setup.model.stocks if s.name not in subject.values]
    if missing:
        raise InvalidInput(Problem(f"trajectories: the stocks {', '.join(missing)} were not kept.", "Run with keep=keep_for(scenario)."))
    chosen = np.ones(subject.runs, dtype=bool) if where is None else np.asarray(where)
    if chosen.shape != (subject.runs,) or chosen.dtype != np.bool_:
        raise InvalidInput(Problem(f"where: a mask of {chosen.shape} values does not fit {subject.runs} runs.",
                                   "Give one truth value a run."))
    drawn = {k: a[chosen] for k, a in subject.drawn.items()}
    parameters = setup.parameters(drawn)
    fixed = {f"policy_{name}": np.zeros(1) for name in LEVERS
             if name not in setup.scenario.levers and f"policy_{name}" not in setup.path_points}
    stocks = {s.name: subject.values[s.name][..., chosen] for s in setup.model.stocks}
    known = feedback_loops(setup.model, link_signs(setup.model, admissible_points(setup.model)), LOOPS)
    found = loop_scores(setup.model, parameters, setup.inputs(drawn), stocks, subject.years, paths=setup.paths(parameters), fixed=fixed,
                        named=known, netted=NETTED)
    return found.through(through) if through is not None else found


def keep_for(scenario: Scenario) -> tuple[str, ...]:
    """Return the variables that a run must keep so that its loops can be scored and its targets judged."""
    from simulate.region import regional_model

    return tuple(dict.fromkeys((*engine.KEPT, *(s.name for s in regional_model().stocks))))


def reached_by_run(trajectories: Trajectories, indicator: str, year: int | None = None) -> tuple[Any, Any]:
    """Return which runs reach the target of `indicator` (in `year`; else its last), as a mask (runs,), and the target's Attainment.

    Runs that are not finite reach nothing. Raises InvalidInput where no target of the indicator can be judged.
    """
    judged = [a for a in judge_all(trajectories) if not a.imposed]
    chosen = [a for a in judged if indicator in (a.indicator, a.statement.indicator) and year in (None, a.year)]
    if not chosen:
        known = {a.indicator for a in judged} | {a.statement.indicator for a in judged}
        raise InvalidInput(Problem(f"target: no target of {indicator!r}{f' in {year}' if year else ''} can be judged in this scenario.",
                                   nearest(indicator, known, "Targets judged")))
    target = max(chosen, key=lambda a: (a.year, a.statement.indicator == indicator))
    mask = np.zeros(trajectories.runs, dtype=bool)
    mask[trajectories.finite] = target.by_run
    return mask, target


# ---------------------------------------------------------------- scores

def loop_scores(model: Model, parameters: Mapping[str, Array], inputs: Mapping[str, TimeFunction], stocks: Mapping[str, Array],
                times: Array, *, paths: Mapping[str, TimeFunction] | None = None, fixed: Mapping[str, Array] | None = None,
                named: Iterable[Loop] = (), netted: Sequence[str] = ()) -> Dominance:
    """Return the loop scores of `model` along the course of its stocks, (times, runs) or (times, elements, runs) each.

    parameters, inputs, paths and fixed as in `Model.simulate`. `netted` auxiliaries are eliminated before loops are sought; in
    `named` loops they are passed over. Loops of one name are added up; one without is called by its variables. At a jump of an
    input the scores are those of the step before it (the first time: after it).
    """
    wrong = [Problem(f"netted: {n!r} is no auxiliary of the model.", "Name auxiliaries only.") for n in netted
             if causal_graph(model).nodes.get(n, {}).get("kind") != "auxiliary"]
    if wrong:
        raise InvalidInput(wrong)
    runs = max(a.shape[-1] for a in stocks.values())
    path = _Path(model, parameters, inputs, paths or {}, fixed or {}, stocks, times, runs)
    with np.errstate(all="ignore"):
        gains, ratios = path.measure()
        for name in netted:
            _eliminate(gains, name)
    return _gather(model, gains, ratios, times, runs, named, netted)


class _Path:
    """The model along one course of its stocks."""

    def __init__(self, model: Model, parameters: Mapping[str, Array], inputs: Mapping[str, TimeFunction], paths: Mapping[str, TimeFunction],
                 fixed: Mapping[str, Array], stocks: Mapping[str, Array], times: Array, runs: int) -> None:
        self.model, self.inputs, self.paths, self.stocks, self.times, self.runs = model, inputs, paths, stocks, times, runs
        self.base: dict[str, Array] = dict(parameters)
        for e in model.constants:
            self.base[e.name] = np.atleast_1d(e.function(*(self.base[a] for a in e.arguments)))
        self.base.update(fixed)
        feeds = causal_graph(model, given=fixed)
        self.equations = [e for e in model.order if e.name not in self.base]
        self.links = [(e, [a for a in e.arguments if feeds.has_edge(a, e.name) and a not in self.base]) for e in self.equations]

    def values(self, t: float, within: float, stocks: Mapping[str, Array]) -> tuple[dict[str, Array], set[str]]:
        """Return all variables at an instant, and the names of those that a path gives."""
        values = {**self.base, **stocks, self.model.time: np.array([t])}
        given = set()
        for name, function in self.inputs.items():
            value = function(t, within)
            assert value is not None
            values[name] = value
        for e in self.equations:
            course = self.paths[e.name](t, within) if e.name in self.paths else None
            if course is not None:
                given.add(e.name)
            values[e.name] = course if course is not None else np.asarray(e.function(*(values[a] for a in e.arguments)))
        return values, given

    def rates(self, values: Mapping[str, Array]) -> dict[str, Array]:
        """Return the net flow of every stock."""
        return {s.name: sum((values[f] for f in s.inflows), np.zeros(1)) - sum((values[f] for f in s.outflows), np.zeros(1))
                for s in self.model.stocks}

    def measure(self) -> tuple[Gains, dict[Node, Array]]:
        """Return every link's partial derivative and, for every stock, log|Ṡ/S̈| (-inf where it stands still): (times, runs) each."""
        shape = (len(self.times), self.runs)
        gains: Gains = {}
        ratios: dict[Node, Array] = {}
        for at, t in enumerate(self.times):
            h = _INSTANT if at == 0 else -_INSTANT
            here = {n: a[at] for n, a in self.stocks.items()}
            values, given = self.values(t, t + h, here)
            speed = self.rates(values)
            ahead = [self.rates(self.values(t + k * h, t + h, {n: here[n] + k * h * speed[n] for n in here})[0]) for k in (1, 2)]
            for n in here:
                turn = (-3 * speed[n] + 4 * ahead[0][n] - ahead[1][n]) / (2 * h)
                ratio = np.clip(np.log(np.abs(speed[n])) - np.log(np.abs(turn)), -_LARGE, _LARGE)
                ratio = np.where(np.abs(speed[n]) > STILL * np.abs(here[n]), ratio, -np.inf)
                for row in range(len(here[n])) if here[n].ndim > 1 else (0,):
                    place = ratios.setdefault((n, row), np.empty(shape))
                    place[at] = ratio[row] if here[n].ndim > 1 else ratio
            for e, arguments in self.links:
                if e.name in given:
                    continue
                for a in arguments:
                    for row, slope in enumerate(partial_derivatives(e, values, a)):
                        rows = slope if slope.ndim > 1 else slope[None]
                        for k, gain in enumerate(rows):
                            if gain.any():
                                gains.setdefault(((a, row), (e.name, k)), np.zeros(shape))[at] = gain
        for s in self.model.stocks:
            for names, sign in ((s.inflows, 1.0), (s.outflows, -1.0)):
                for f in names:
                    for row in range(self.stocks[s.name].shape[1] if s.over else 1):
                        source = (f, row if self.model.over[f] else 0)
                        gains[source, (s.name, row)] = np.full(shape, sign)
        return gains, ratios


def _eliminate(gains: Gains, name: str) -> None:
    """Work the links through `name` into links from what leads to it to what follows; what cancels is dropped."""
    nodes = {n for link in gains for n in link if n[0] == name}
    for node in nodes:
        into = [(u, g) for (u, v), g in gains.items() if v == node]
        out = [(w, g) for (v, w), g in gains.items() if v == node]
        for u, first in into:
            for w, second in out:
                part = first * second
                old = gains.get((u, w), np.zeros(1))
                joined = old + part
                joined[np.abs(joined) <= _NOISE * (np.abs(old) + np.abs(part))] = 0.0
                gains[u, w] = joined
        for link in [x for x in gains if node in x]:
            del gains[link]
    for link in [x for x, g in gains.items() if not g.any()]:
        del gains[link]


def _gather(model: Model, gains: Gains, ratios: Mapping[Node, Array], times: Array, runs: int, named: Iterable[Loop],
            netted: Sequence[str]) -> Dominance:
    """Enumerate the loops of the links that act, score them, and sum over elements."""
    import networkx as nx

    rank = {n: k for k, n in enumerate(causal_graph(model))}
    graph: nx.DiGraph[Node] = nx.DiGraph()
    graph.add_nodes_from(sorted({n for link in gains for n in link}, key=lambda n: (rank[n[0]], n[1])))
    graph.add_edges_from(sorted(gains))
    parts = [c for c in nx.strongly_connected_components(graph) if len(c) > 1]
    where = {n: k for k, c in enumerate(parts) for n in c}
    cycles = elementary_loops(graph)
    raised = np.full((len(parts), len(times), runs), -np.inf)  # greatest log score: sums then neither overflow nor vanish
    logs, signs = [], []
    with np.errstate(all="ignore"):
        logged = {(u, v): np.log(np.abs(g)) for (u, v), g in gains.items() if u in where and where[u] == where.get(v)}
        for cycle in cycles:
            links = list(zip(cycle, (*cycle[1:], cycle[0]), strict=True))
            log = sum((ratios[n] for n in cycle if n in ratios), np.zeros(1)) + sum((logged[x] for x in links), np.zeros(1))
            sign = np.sign(gains[links[0]])
            for x in links[1:]:
                sign = sign * np.sign(gains[x])
            logs.append(log)
            signs.append(sign)
            raised[where[cycle[0]]] = np.fmax(raised[where[cycle[0]]], log)
        broken = np.any([np.isnan(r).any(axis=0) for r in ratios.values()], axis=0)
        raised = np.where(np.isfinite(raised), raised, 0.0)
        whole = np.zeros_like(raised)
        for cycle, log in zip(cycles, logs, strict=True):
            whole[where[cycle[0]]] += np.exp(log - raised[where[cycle[0]]])
        # partitions that differ by their elements only (one for every cluster) are shown as one: the mean of their relative scores
        stocks = [tuple(dict.fromkeys(n for n, _ in sorted(part, key=lambda n: rank[n[0]]) if (n, 0) in ratios)) for part in parts]
        alike = [[q for q, part in enumerate(parts) if {n for n, _ in part} == {n for n, _ in own}] for own in parts]
        known: dict[tuple[str, ...], Loop] = {}
        for loop in named:
            known.setdefault(canonical([v for v in loop.variables if v not in netted], rank), loop)
        shown: dict[str, Loop] = {}

        def label(cycle: Sequence[Node]) -> str:
            names = canonical([n for n, _ in cycle], rank)
            loop = known.get(names) or Loop(" > ".join(names), "", names)
            shown.setdefault(loop.name, loop)
            return loop.name

        summed: dict[tuple[int, str], tuple[Array, Array]] = {}
        for cycle, log, sign in zip(cycles, logs, signs, strict=True):
            p = where[cycle[0]]
            share = np.divide(np.exp(log - raised[p]), whole[p], out=np.zeros_like(raised[p]), where=whole[p] > 0) / len(alike[p])
            key = (alike[p][0], label(cycle))
            cell = summed.setdefault(key, (np.zeros(share.shape), np.zeros(share.shape)))
            cell[0][...] += sign * share
            cell[1][...] += sign * np.exp(np.minimum(log, _LARGE))
    used = sorted({p for p, _ in summed}, key=lambda p: -len(stocks[p]))
    rows = []
    for (p, name), (relative, raw) in summed.items():
        relative[:, broken] = np.nan
        if np.nan_to_num(relative).any():
            kind = "U" if (relative < 0).any() and (relative > 0).any() else "B" if (relative < 0).any() else "R"
            rows.append((replace(shown[name], polarity=kind), used.index(p), relative, raw))
    rows.sort(key=lambda r: (r[1], -float(np.nan_to_num(np.abs(r[2])).mean())))
    empty = np.zeros((0, len(times), runs))
    return Dominance(tuple(r[0] for r in rows), times, np.stack([r[2] for r in rows]) if rows else empty,
                     np.stack([r[3] for r in rows]) if rows else empty, tuple(r[1] for r in rows),
                     tuple(stocks[p] for p in used), len(cycles),
                     (raised[used] * 0 + 1.0) if used else np.zeros((0, len(times), runs)))
