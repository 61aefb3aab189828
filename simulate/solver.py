"""Whether bounds can hold together under rows, which minimal ones cannot, and the extremes of a quantity.

Three methods, cheapest first: interval propagation (`intervals`), which proves most infeasibilities and names the bounds it
used; a dive, which fixes quantities to the middle of what propagation leaves; SCIP, a global nonconvex solver,
for the rest and for optima. The only module that imports pyscipopt.

Tolerances: bounds are widened by `SLACK` (relative); a solution satisfies rows and bounds to `TOLERANCE` (relative).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import exp, inf, isfinite, log
from typing import Any, NamedTuple

from simulate.intervals import HUGE, SLACK, TINY, TOLERANCE, Element, Empty, Part, Row, State, System, Terms, bits, logarithm


@dataclass(frozen=True)
class Limits:
    """How long one question to the global solver may take, in seconds and in nodes of its tree."""

    seconds: float = 5.0
    nodes: int = 50_000


DEFAULT = Limits()


class Answer(NamedTuple):
    """Feasible (True, with values), infeasible (False, with the mask of elements and rows used), or not known (None)."""

    feasible: bool | None
    values: list[float] | None = None
    core: int = 0


class Oracle:
    """Answers whether elements can hold together, remembering solutions and cores."""

    def __init__(self, system: System, limits: Limits = DEFAULT) -> None:
        self.system, self.limits = system, limits
        self.bit = len(system.elements)
        self.mask = system.mask if isinstance(system, Part) else (1 << self.bit) - 1
        used = {v for row in system.rows for v, _ in row.parts} | {system.elements[e].variable for e in bits(self.mask)}
        self.used = sorted(used)
        self.all_rows = range(len(system.rows))
        self.hints = _hints(system, self.mask)
        self.solutions: list[tuple[int, list[float]]] = []
        self.cores: list[int] = []
        self.calls = 0
        self.splits = 150 if limits.nodes > 0 else 0

    def ask(self, mask: int, rows: Iterable[int] | None = None, fresh: bool = False) -> Answer:
        """Whether the elements of `mask` hold together under the rows (`rows`: some only; `fresh`: without memory)."""
        whole = rows is None
        if whole and not fresh:
            for satisfied, values in self.solutions:
                if mask & ~satisfied == 0:
                    return Answer(True, values)
            for core in self.cores:
                if core & ~mask & ((1 << self.bit) - 1) == 0:
                    return Answer(False, None, core)
        chosen, watch = self._relevant({self.system.elements[e].variable for e in bits(mask)}, self.all_rows if rows is None else rows)
        try:
            state = self.system.start(mask, list(watch))
            self.system.propagate(state, chosen, watch, chosen, self.bit)
        except Empty as empty:
            core = int(empty.args[0])
            if whole:
                self.cores.append(core)
            return Answer(False, None, core)
        values = self._dive(state, chosen, watch, mask) or []
        if not values:
            split = self._refute(state, chosen, watch, [self.splits if mask.bit_count() > 12 else 0])
            answer = Answer(False, None, split) if split is not None else self._scip(mask, chosen, state)
            if answer.feasible is False and whole:
                self.cores.append(answer.core)
            if answer.values is None:
                return answer
            values = list(answer.values)
        if whole:
            self.solutions.append((self._satisfied(values, set(watch)), values))
        return Answer(True, values)

    def _relevant(self, bounded: set[int], rows: Iterable[int]) -> tuple[list[int], dict[int, list[int]]]:
        """Rows that bear on the bounded variables, and the rows each variable is in."""
        left, _ = self.system.prune(bounded, rows)
        within: dict[int, list[int]] = {}
        for r in left:
            for v, _ in self.system.rows[r].parts:
                within.setdefault(v, []).append(r)
        for r in left:  # a curve moves with its variable
            if not self.system.rows[r].logs and (shape := self.system.shapes.get(self.system.rows[r].parts[0][0])):
                within.setdefault(shape[0], []).append(r)
        watch: dict[int, list[int]] = {v: [] for v in bounded}
        chosen: dict[int, None] = {}
        queue = list(bounded)  # rows that no bound reaches hold by themselves: identities alone are satisfiable
        while queue:
            v = queue.pop()
            watch[v] = within.get(v, [])
            for r in watch[v]:
                if r not in chosen:
                    chosen[r] = None
                    for u, _ in self.system.rows[r].parts:
                        if u not in watch:
                            watch[u] = []
                            queue.append(u)
        return sorted(chosen), watch

    def _satisfied(self, values: Sequence[float], valued: Iterable[int], more: int = 0) -> int:
        mask, known = 0, set(valued)
        for e in bits(self.mask | more):
            v, side, bound = self.system.elements[e]
            if v in known and side * (values[v] - bound) >= -TOLERANCE * max(abs(bound), TINY):
                mask |= 1 << e
        return mask

    def holds(self, values: Sequence[float], mask: int, rows: Iterable[int], valued: Iterable[int]) -> bool:
        """Whether values satisfy rows and elements, to `TOLERANCE`."""
        for r in rows:
            row = self.system.rows[r]
            terms = [a * (logarithm(values[v]) if row.logs else values[v]) for v, a in row.parts]
            gap = sum(terms) - row.b
            if (abs(gap) if row.equal else gap) > TOLERANCE * (1.0 if row.logs else max(abs(row.b), *map(abs, terms), TINY)):
                return False
        return not mask & ~self._satisfied(values, valued, mask)

    def _dive(self, state: State, rows: list[int], watch: dict[int, list[int]], mask: int) -> list[float] | None:
        """Fix variables one after the other to the middle of what propagation leaves, halving where that is too bold."""
        system, open_ = self.system, set(watch)
        totals = {v for r in rows if not system.rows[r].logs and system.rows[r].equal for v, _ in system.rows[r].parts}
        rank = {v: (v in system.made, v in totals) for v in watch}
        steps = 12 * len(open_) + 60
        while open_ and steps:
            steps -= 1
            v = min(open_, key=lambda u: (*rank[u], state.lhigh[u] - state.llow[u] if not system.signed[u] else 50.0, u))
            x = self._middle(state, v)
            after = self._narrowed(state, v, x, x, rows, watch)
            if after is not None:
                state = after
                open_.discard(v)
                continue
            x = self._middle(state, v, hint=False)
            upper = self._narrowed(state, v, x, state.high[v], rows, watch)
            lower = self._narrowed(state, v, state.low[v], x, rows, watch)
            both = [s for s in (upper, lower) if s is not None]
            if not both or state.high[v] - state.low[v] <= 1e-12 * abs(x):
                return None
            state = min(both, key=lambda s: s.lhigh[v] - s.llow[v] if not system.signed[v] else s.high[v] - s.low[v])
        if open_:
            return None
        values = [0.0] * len(system.low)
        for v in watch:
            values[v] = state.low[v]
        return values if self.holds(values, mask, rows, watch) else None

    def _refute(self, state: State, rows: list[int], watch: dict[int, list[int]], budget: list[int]) -> int | None:
        """Bits of elements and rows that leave nothing, found by halving intervals; None where that does not settle it."""
        best, v = 1e-4, -1
        for u in watch:
            if u not in self.system.made and len(watch[u]) > 1 and not self.system.signed[u]:
                width = state.lhigh[u] - state.llow[u]
                if best < width < 4.0 and state.low_why[u] | state.high_why[u]:
                    best, v = width, u
        if v < 0:
            return None
        x, why = (state.low[v] * state.high[v]) ** 0.5, 0
        for low, high in ((state.low[v], x), (x, state.high[v])):
            if budget[0] <= 0:
                return None
            budget[0] -= 1
            s = state.copy()
            s.low[v], s.high[v], s.llow[v], s.lhigh[v] = low, high, logarithm(low), logarithm(high)
            try:
                self.system.propagate(s, rows, watch, watch[v], self.bit)
            except Empty as empty:
                why |= int(empty.args[0])
                continue
            deeper = self._refute(s, rows, watch, budget)
            if deeper is None:
                return None
            why |= deeper
        return why | state.low_why[v] | state.high_why[v]

    def _middle(self, state: State, v: int, hint: bool = True) -> float:
        """Where to fix a variable: the middle of all bounds on it, in use or not; else the middle of what is left."""
        low, high = state.low[v], state.high[v]
        if hint and v in self.hints and low < self.hints[v] < high:
            return self.hints[v]
        if self.system.signed[v]:
            x = (low + high) / 2 if isfinite(low) and isfinite(high) else low if isfinite(low) else high if isfinite(high) else 0.0
        elif high < 20 * low:
            x = (low * high) ** 0.5 if high > 2 * low else (low + high) / 2
        else:
            x = 1.05 * low if low > 1.1 * self.system.low[v] else 0.7 * high if high < 0.9 * self.system.high[v] else 1.0
        return min(max(x, low), high)

    def _narrowed(self, state: State, v: int, low: float, high: float, rows: list[int], watch: dict[int, list[int]]) -> State | None:
        """The state with a variable between low and high, propagated; None where nothing is left."""
        s = state.copy()
        s.low[v], s.high[v] = low, high
        if not self.system.signed[v]:
            s.llow[v], s.lhigh[v] = logarithm(low), logarithm(high)
        try:
            self.system.propagate(s, rows, watch, watch[v], self.bit)
        except Empty:
            return None
        return s

    # --- the global solver

    def _build(self, mask: int, rows: list[int], state: State, elastic: dict[int, float] | None = None) -> _Model:
        pyscipopt = _pyscipopt()
        model = pyscipopt.Model()
        model.hideOutput()
        model.setParam("limits/time", max(self.limits.seconds, 1e-3))
        model.setParam("limits/nodes", self.limits.nodes)
        model.setParam("numerics/feastol", 1e-7)
        model.setParam("misc/printreason", False)
        system = self.system
        in_logs = {v for r in rows if system.rows[r].logs for v, _ in system.rows[r].parts}
        in_plain = {v for r in rows if not system.rows[r].logs for v, _ in system.rows[r].parts}
        touched = in_logs | in_plain | {system.elements[e].variable for e in bits(mask)}
        built = _Model(model, {}, {}, {}, {})
        free = {system.elements[e].variable for e in elastic or {}}
        for v in sorted(touched):
            low, high = state.low[v], state.high[v]
            if system.signed[v]:
                size = max((abs(x) for x in (low, high) if isfinite(x)), default=1.0) or 1.0
                built.scale[v] = size
                built.x[v] = model.addVar(lb=low / size if isfinite(low) else None, ub=high / size if isfinite(high) else None)
                continue
            size = built.scale[v] = exp((state.llow[v] + state.lhigh[v]) / 2) if state.lhigh[v] - state.llow[v] < 12 else 1.0
            if v in in_logs or v in free or v not in in_plain:
                built.y[v] = model.addVar(lb=state.llow[v] - log(size), ub=state.lhigh[v] - log(size))
            if v in in_plain:
                built.x[v] = model.addVar(lb=low / size, ub=high / size)
            if v in built.x and v in built.y:
                model.addCons(built.x[v] == pyscipopt.exp(built.y[v]))
        for r in rows:
            row = system.rows[r]
            if row.logs:
                left = pyscipopt.quicksum(a * built.y[v] for v, a in row.parts)
                right = row.b - sum(a * log(built.scale[v]) for v, a in row.parts)
            else:
                unit = max(abs(a) * built.scale[v] for v, a in row.parts)
                left = pyscipopt.quicksum(a * built.scale[v] / unit * built.x[v] for v, a in row.parts)
                right = row.b / unit
            model.addCons(left == right if row.equal else left <= right)
        for e, weight in (elastic or {}).items():
            v, side, bound = system.elements[e]
            gap = built.slack[e] = model.addVar(lb=0.0, obj=weight)
            if v in built.y:
                at = logarithm(bound) - log(built.scale[v])
                model.addCons(built.y[v] + gap >= at if side > 0 else built.y[v] - gap <= at)
            else:
                at, width = bound / built.scale[v], max(abs(bound), TINY) / built.scale[v]
                model.addCons(built.x[v] + width * gap >= at if side > 0 else built.x[v] - width * gap <= at)
        return built

    def _values(self, built: _Model) -> list[float]:
        values = [0.0] * len(self.system.low)
        model = built.model
        for v in {*built.x, *built.y}:
            size = built.scale[v]
            values[v] = size * exp(model.getVal(built.y[v])) if v in built.y else size * model.getVal(built.x[v])
        return values

    def _scip(self, mask: int, rows: list[int], state: State) -> Answer:
        self.calls += 1
        if self.limits.seconds <= 0 or self.limits.nodes <= 0:
            return Answer(None)
        built = self._build(mask, rows, state)
        built.model.setParam("limits/solutions", 1)
        status = built.run()
        if status != "failed" and built.model.getNSols():
            values = self._values(built)
            return Answer(True, values) if self.holds(values, mask, rows, {*built.x, *built.y}) else Answer(None)
        if status == "infeasible":
            core = mask
            for r in rows:
                core |= 1 << (self.bit + r)
            return Answer(False, None, core)
        return Answer(None)

    def extreme(self, v: int, side: int, mask: int) -> tuple[float | None, list[float] | None]:
        """The least (side -1) or greatest (+1) value of a variable: (±inf if unbounded, None if not known) and where."""
        rows, watch = self._relevant({v, *(self.system.elements[e].variable for e in bits(mask))}, self.all_rows)
        state = self.system.start(mask, list(watch))
        self.system.propagate(state, rows, watch, rows, self.bit)
        end = state.high[v] if side > 0 else state.low[v]
        if state.high[v] - state.low[v] <= TOLERANCE * abs(state.high[v]):
            return end, None
        if self.limits.seconds <= 0 or self.limits.nodes <= 0:
            return None, None
        built = self._build(mask, rows, state)
        z = built.y.get(v, built.x.get(v))
        built.model.setObjective(z, "maximize" if side > 0 else "minimize")
        built.model.setParam("limits/gap", 1e-6)
        status = built.run()
        if status not in ("optimal", "gaplimit"):
            return (side * inf, None) if status in ("unbounded", "inforunbd") else (None, None)
        values = self._values(built)
        domain = self.system.high[v] if side > 0 else self.system.low[v]
        at_domain = self.system.free[v][side > 0] and abs(logarithm(abs(values[v])) - logarithm(domain)) < 0.7 and not self.system.signed[v]
        return (inf if side > 0 else 0.0) if at_domain else values[v], values

    def relax(self, hard: int, elastic: dict[int, float]) -> tuple[dict[int, float], list[float], float] | None:
        """Least weighted relative change (in logarithms) of the elastic elements with which all rows and `hard` hold.

        Returns (change of each element, values, cost), or None where no change helps or the limit is reached.
        """
        rows, watch = self._relevant({self.system.elements[e].variable for e in (*bits(hard), *elastic)}, self.all_rows)
        try:
            state = self.system.start(hard, list(watch))
            self.system.propagate(state, rows, watch, rows, self.bit)
        except Empty:
            return None
        built = self._build(hard | sum(1 << e for e in elastic), rows, state, elastic)
        built.model.setParam("limits/gap", 1e-6)
        if built.run() not in ("optimal", "gaplimit"):
            return None
        changes = {e: built.model.getVal(gap) for e, gap in built.slack.items()}
        return {e: c for e, c in changes.items() if c > 1e-7}, self._values(built), float(built.model.getObjVal())

    # --- conflicts

    def shrink(self, core: int, hard: int = 0) -> int:
        """A minimal infeasible subset of the elements of `core` (with `hard` always on); what is undecided stays in."""
        elements = (1 << self.bit) - 1
        core &= elements & ~hard
        todo = list(bits(core))
        size = max(1, len(todo) // 4)
        while todo:
            part = [e for e in todo[:size] if core >> e & 1]
            if part:
                answer = self.ask(core & ~sum(1 << e for e in part) | hard)
                if answer.feasible is False:
                    core &= answer.core & elements & ~sum(1 << e for e in part)
                elif len(part) > 1:
                    size = max(1, size // 2)
                    continue
            todo = todo[size:]
        return core

    def conflicts(self, mask: int, hard: int = 0, limit: int = 12, tries: int = 150) -> tuple[list[int], list[int], bool]:
        """Minimal conflicts within `mask` and `hard`, the minimal parts of `mask` that end them, and whether these are all.

        Smallest hitting sets of the conflicts known so far are left out in turn: what remains is either feasible (the
        set is a minimal correction) or yields a conflict not yet known.
        """
        known: list[int] = []
        hitting: list[int] = [0]
        corrections: list[int] = []
        while len(known) < limit and tries:
            todo = [h for h in sorted(hitting, key=int.bit_count) if h not in corrections]
            if not todo:
                return known, corrections, True
            tries -= 1
            answer = self.ask(mask & ~todo[0] | hard)
            if answer.feasible:
                corrections.append(todo[0])
                continue
            found = self.shrink(answer.core) if answer.feasible is False else 0
            if not found & mask:
                return known, corrections, False
            known.append(found)
            grown = {h if h & found else h | 1 << e for h in hitting for e in ([0] if h & found else bits(found & mask))}
            hitting = _minimal(grown)
            if len(hitting) > 3000:
                break
        return known, corrections, False

    def rows_of(self, mask: int) -> list[int]:
        """A minimal set of tags of rows under which the elements of `mask` clash."""
        answer = self.ask(mask, fresh=True)
        rows = [r for r in self.all_rows if answer.core >> (self.bit + r) & 1]
        tags = sorted({self.system.rows[r].tag for r in rows})
        for tag in list(tags):
            if len(tags) > 1:
                fewer = [r for r in rows if self.system.rows[r].tag != tag]
                if self.ask(mask, fewer).feasible is False:
                    rows = fewer
                    tags.remove(tag)
        return tags


def _hints(system: System, mask: int) -> dict[int, float]:
    """The middle of the tightest bounds on each variable."""
    ends: dict[int, tuple[float, float]] = {}
    for e in bits(mask):
        v, side, value = system.elements[e]
        low, high = ends.get(v, (-inf, inf))
        ends[v] = (max(low, value), high) if side > 0 else (low, min(high, value))
    return {v: (low + high) / 2 if isfinite(low) and isfinite(high) else 1.02 * low if isfinite(low) else high / 1.02
            for v, (low, high) in ends.items()}


def _minimal(sets: Iterable[int]) -> list[int]:
    result: list[int] = []
    for s in sorted(sets, key=int.bit_count):
        if not any(r & ~s == 0 for r in result):
            result.append(s)
    return result


class _Model(NamedTuple):
    """A SCIP model and its variables by ours: plain, logarithmic, slack; with the scale of each."""

    model: Any
    x: dict[int, Any]
    y: dict[int, Any]
    slack: dict[int, Any]
    scale: dict[int, float]

    def run(self) -> str:
        """Solve; return the solver's status, or failed where its arithmetic gave up."""
        try:
            with _silenced():
                self.model.optimize()
        except Exception:  # numerical trouble in the LP solver: as if a limit had been reached
            return "failed"
        return str(self.model.getStatus())


@contextmanager
def _silenced() -> Iterator[None]:
    """Keep what SCIP's LP solver writes to the process's standard error (past `hideOutput`) from the user."""
    sys.stderr.flush()
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _pyscipopt() -> Any:
    import pyscipopt  # slow to import, and most plans need it for a few components only

    return pyscipopt


__all__ = ["DEFAULT", "HUGE", "SLACK", "TINY", "TOLERANCE", "Answer", "Element", "Limits", "Oracle", "Row", "System", "Terms", "bits"]
