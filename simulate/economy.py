"""Statements and identities assembled into one system of quantities: what `consistency` asks its questions of.

Every statement in use becomes one or two one-sided bounds on a quantity. Bounds on one side of one quantity are kept as
one item, the tightest deciding and the others named as its equals.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import ceil, exp, floor, inf, isfinite, log
from typing import Literal

from simulate import units
from simulate.errors import InvalidInput, Problem, nearest
from simulate.identities import Identities, Instance, Prior, Quantity, Time
from simulate.registry import Registry
from simulate.solver import DEFAULT, HUGE, TINY, TOLERANCE, Element, Limits, Oracle, Row, System, Terms, bits
from simulate.targets import Statement

Side = Literal["at_least", "at_most"]
_SHARES = ("%", "百分点")
GOALS = ("target", "vision")


@dataclass(frozen=True)
class Source:
    """A bound by one statement: its limit in the statement's unit, and inside the system."""

    statement: Statement
    limit: float
    inner: float

    @property
    def rank(self) -> tuple[int, bool, int]:
        """Order in which statements are cited: tables first, bounds that are printed, documents as given."""
        s = self.statement
        return ("table", "text", "note", "box").index(s.at.locus), s.sense == "about", s.role not in GOALS


@dataclass(frozen=True)
class Item:
    """One side of one quantity: by statements (the tightest first), or by a prior."""

    quantity: Quantity
    side: int
    sources: tuple[Source, ...] = ()
    prior: Instance | None = None

    @property
    def name(self) -> tuple[object, ...]:
        """What it is, the same in every economy."""
        return (self.prior.id if self.prior else "", self.quantity, self.side)

    @property
    def word(self) -> Side:
        """The side in words."""
        return "at_least" if self.side > 0 else "at_most"


class Scale:
    """Between an indicator's unit and the numbers inside the system: shares for percentages, factors for growth rates."""

    def __init__(self, identities: Identities) -> None:
        """Hold what tells growth rates and units."""
        self.identities = identities

    def factor(self, indicator: str) -> float:
        """What a value in the catalogue's unit is multiplied by."""
        return 0.01 if self.identities.indicator(indicator).unit in _SHARES else 1.0

    def inner(self, indicator: str, value: float) -> float:
        """The number inside the system, from a value in the catalogue's unit."""
        return value * self.factor(indicator) + (1.0 if self.identities.is_growth(indicator) else 0.0)

    def outer(self, quantity: Quantity, value: float) -> float:
        """A value in the catalogue's unit, from the number inside the system."""
        if isinstance(quantity.time, tuple) and quantity.time[0] == "multiple":
            return value
        return (value - (1.0 if self.identities.is_growth(quantity.indicator) else 0.0)) / self.factor(quantity.indicator)

    def plain(self, quantity: Quantity, value: float) -> float:
        """The number a formula means: a share, a rate, a level."""
        return value - 1.0 if self.identities.is_growth(quantity.indicator) else value

    def signed(self, quantity: Quantity) -> bool:
        """Whether it may be negative: changes, leads, rates other than growth."""
        indicator = self.identities.indicator(quantity.indicator)
        grows = self.identities.is_growth(quantity.indicator)
        change = isinstance(quantity.time, tuple) and quantity.time[0] == "change"
        return not grows and (indicator.unit == "百分点" or indicator.kind == "rate" or change)


def quantity_of(s: Statement, registry: Registry, identities: Identities, readings: Mapping[str, str]) -> Quantity:
    """The quantity a statement speaks of, under `readings`."""
    indicator, document = registry.catalogue[s.indicator], registry.documents.get(s.document)
    time: Time = s.last_year
    if s.period is not None:
        time = (str(s.aggregate), s.period[0], s.period[1])
    elif s.relative_to is not None:
        time = ("multiple" if s.unit == "倍" and indicator.unit != "倍" else "change", s.relative_to, s.last_year)
    elif (identities.is_growth(s.indicator) and s.role in GOALS and readings.get("growth_in_year") == "average"
          and document is not None and document.base_year is not None and document.base_year < s.last_year):
        time = ("mean", document.base_year + 1, s.last_year)
    name = s.indicator
    if s.price_basis and readings.get("prices") != s.price_basis and any(t.spec.id for t in identities.templates
                                                                        if any(r.indicator == f"{name}~{s.price_basis}" for r in t.refs)):
        name = f"{name}~{s.price_basis}"
    return Quantity(name, s.place, time)


def limits_of(s: Statement, registry: Registry, readings: Mapping[str, str]) -> tuple[float, float]:
    """Least and greatest value a statement allows, in its own unit, under `readings`; InvalidInput if there is none."""
    indicator = registry.catalogue[s.indicator]
    low, high = s.interval()
    if indicator.kind == "count" and not units.VOCABULARY.get(s.unit, ("1",))[0][:1].isdigit() and s.aggregate != "mean":
        low, high = (ceil(low - 1e-9) if isfinite(low) else low), (floor(high + 1e-9) if isfinite(high) else high)  # whole firms
    if low > high:
        raise InvalidInput(Problem(f"{s.id}: {s.value:g} {s.unit} allows no value: things counted are whole.",
                                   "Check the number, its unit, or the kind of the indicator.", registry.places.get(s.id)))
    if readings.get("targets") == "floor" and s.role in GOALS and s.sense in ("equal", "about"):
        if indicator.higher_is_better:
            high = inf
        elif indicator.higher_is_better is False:
            low = -inf
    return low, high


@dataclass(frozen=True)
class Component:
    """Quantities tied by identities: its oracle and which of its items are statements and priors."""

    oracle: Oracle
    items: tuple[int, ...]
    statements: int
    priors: int


class Economy:
    """The quantities of some places under one choice of readings, with all that is said of them."""

    def __init__(self, registry: Registry, identities: Identities, places: Mapping[str, str | None], readings: Mapping[str, str],
                 statements: Sequence[Statement], *, keep: Iterable[Quantity] = (), priors: bool = True,
                 limits: Limits = DEFAULT) -> None:
        """Assemble `statements` about `places` (place -> the one it lies within); `keep` are quantities asked about."""
        self.registry, self.identities, self.readings, self.limits = registry, identities, dict(readings), limits
        self.scale = Scale(identities)
        self.quantities: dict[Quantity, int] = {}
        self.system = System()
        stated: dict[tuple[str, str], set[Time]] = {}
        spans: dict[str, set[tuple[int, int]]] = {}
        bounds: dict[tuple[Quantity, int], list[Source]] = {}
        for s in statements:
            q = quantity_of(s, registry, identities, readings)
            stated.setdefault((q.indicator, q.place), set()).add(q.time)
            self._spans(s, q, spans.setdefault(q.place, set()))
            low, high = limits_of(s, registry, readings)
            indicator = registry.catalogue[s.indicator]
            multiple = isinstance(q.time, tuple) and q.time[0] == "multiple"
            ratio = 1.0 if multiple or (s.relative_to and s.unit == indicator.unit) else units.factor(s.unit, indicator.unit)
            for side, limit in ((1, low), (-1, high)):
                if isfinite(limit):
                    inner = limit if multiple else self.scale.inner(s.indicator, limit * ratio)
                    bounds.setdefault((q, side), []).append(Source(s, limit, inner))
        for q in keep:
            stated.setdefault((q.indicator, q.place), set()).add(q.time)
            if isinstance(q.time, tuple) and q.time[0] in ("mean", "sum"):
                spans.setdefault(q.place, set()).add((q.time[1] - 1, q.time[2]))
        self.instances = identities.instances(stated, spans, places, readings)
        self.items: list[Item] = []
        for (q, side), sources in bounds.items():
            sources.sort(key=lambda source: (-side * source.inner, source.rank))
            self._item(Item(q, side, tuple(sources)), self.index(q), sources[0].inner)
        for tag, instance in enumerate(self.instances):
            left, right = instance.sides(self._terms)
            if not isinstance(instance.template.spec, Prior):
                self.system.add(left, instance.relation, right, tag)
            elif priors:
                self._prior(instance, left, tag)
        left, dropped = self.system.prune({self.index(q) for q in keep} | {e.variable for e in self.system.elements})
        self.dropped = [(v, self.system.rows[r]) for v, r in dropped]
        self.system.rows = [self.system.rows[r] for r in left]

    @staticmethod
    def _spans(s: Statement, q: Quantity, spans: set[tuple[int, int]]) -> None:
        if isinstance(q.time, tuple):
            spans.add((q.time[1] - (q.time[0] in ("mean", "sum")), q.time[2]))

    def index(self, q: Quantity) -> int:
        """The variable of a quantity, made where there is none."""
        if q not in self.quantities:
            high = 1.0 if self.identities.indicator(q.indicator).kind == "share" and isinstance(q.time, int) else inf
            signed = self.scale.signed(q)
            domain = (0.02, 50.0) if self.identities.is_growth(q.indicator) else (TINY, HUGE)  # a factor a year
            self.quantities[q] = self.system.variable(-inf if signed else 0.0, high, signed, domain)
        return self.quantities[q]

    def _terms(self, q: Quantity) -> Terms:
        term = Terms.variable(self.index(q))
        return term - 1.0 if self.identities.is_growth(q.indicator) else term

    def _item(self, item: Item, variable: int, value: float) -> None:
        self.items.append(item)
        self.system.elements.append(Element(variable, item.side, value))

    def _prior(self, instance: Instance, expression: Terms, tag: int) -> None:
        spec = instance.template.spec
        assert isinstance(spec, Prior)
        ref = instance.template.refs[0]
        q = instance.resolve(ref)
        assert q is not None
        factor = 0.01 if spec.unit in _SHARES else 1.0
        if len(instance.template.refs) == 1 and instance.template.tree.__class__.__name__ in ("Name", "Subscript", "Attribute"):
            variable, shift = self.index(q), 1.0 if self.identities.is_growth(q.indicator) else 0.0
        else:
            q = Quantity(spec.id, instance.place, q.time)
            variable, shift = self.system.variable(), 0.0
            self.system.add(Terms.variable(variable), "==", expression, tag)
        for side, value in ((1, spec.low), (-1, spec.high)):
            self._item(Item(q, side, prior=instance), variable, value * factor + shift)

    @cached_property
    def components(self) -> list[Component]:
        """The parts that share no quantity and hold at least one identity or band."""
        parts = []
        for part in self.system.components():
            if part.rows or any(self.items[e].prior for e in bits(part.mask)):
                oracle = Oracle(part, self.limits)
                items = tuple(e for e in range(len(self.items)) if oracle.mask >> e & 1)
                priors = sum(1 << e for e in items if self.items[e].prior)
                parts.append(Component(oracle, items, oracle.mask & ~priors, priors))
        return parts

    @cached_property
    def alone(self) -> dict[int, tuple[int | None, int | None]]:
        """Variables that no identity ties: their lower and upper item."""
        tied = {v for row in self.system.rows for v, _ in row.parts} | {
            element.variable for item, element in zip(self.items, self.system.elements, strict=True) if item.prior}
        single: dict[int, tuple[int | None, int | None]] = {}
        for e, element in enumerate(self.system.elements):
            if element.variable not in tied:
                low, high = single.get(element.variable, (None, None))
                single[element.variable] = (e, high) if element.side > 0 else (low, e)
        return single

    def signature(self, component: Component) -> tuple[object, ...]:
        """What a component says, independent of the numbers of its variables: equal signatures have equal answers."""
        names = {v: q for q, v in self.quantities.items()}
        part = component.oracle.system
        rows = tuple((row.logs, tuple((names.get(v, v) if v not in part.made else tuple((names.get(u, u), p) for u, p in part.made[v]), a)
                                      for v, a in row.parts), row.b, row.equal) for row in part.rows)
        return rows, tuple((self.items[e].name, self.system.elements[e].value) for e in component.items)

    def component_of(self, variable: int) -> Component | None:
        """The component a variable is in."""
        return next((c for c in self.components if variable in c.oracle.used), None)

    # --- values

    def complete(self, values: Mapping[int, float]) -> dict[Quantity, float]:
        """Values inside the system by quantity, with those that dropped rows determine."""
        known = dict(values)
        for v, row in reversed(self.dropped):
            others = [(u, a) for u, a in row.parts if u != v]
            if v not in known and row.equal and all(u in known for u, _ in others):
                a = dict(row.parts)[v]
                rest = row.b - sum(c * (log(max(known[u], TINY)) if row.logs else known[u]) for u, c in others)
                known[v] = exp(rest / a) if row.logs else rest / a
        return {q: known[v] for q, v in self.quantities.items() if v in known}

    def violations(self, values: Mapping[Quantity, float], without: Iterable[str] = ()) -> list[str]:
        """What `values` break, checked in plain arithmetic on the formulas as written and the bounds as stated."""
        wrong: list[str] = []
        for item, element in zip(self.items, self.system.elements, strict=True):
            if item.prior is None and item.quantity in values and item.sources:
                for source in item.sources:
                    gap = item.side * (values[item.quantity] - source.inner)
                    if gap < -TOLERANCE * max(abs(element.value), TINY):
                        wrong.append(source.statement.id)
        for instance in self.instances:
            if isinstance(instance.template.spec, Prior):
                continue
            try:
                left, right = instance.sides(lambda q: self.scale.plain(q, values[q]))
            except KeyError:
                continue  # a quantity that nothing determines
            size = TOLERANCE * max(abs(left), abs(right), 1.0 if instance.template.span and abs(left) < 2 else 0.0)
            gap = left - right if instance.relation != ">=" else right - left
            if (abs(gap) if instance.relation == "==" else gap) > size:
                wrong.append(instance.id)
        return [w for w in wrong if w not in set(without)]


def scope(registry: Registry, region: str) -> tuple[dict[str, str | None], frozenset[str]]:
    """Places that matter to `region` (place -> the one it lies within), and those that are its own.

    Its own: the region and all scopes within. Besides: what it lies within, what lies within it, and scopes beside it.
    """
    registry.region(region)
    parents: dict[str, str | None] = {id: r.within for id, r in registry.regions.items()}
    parents.update({id: s.within for id, s in registry.scopes.items() if id not in registry.regions})

    def chain(place: str) -> list[str]:
        line = [place]
        while (up := parents.get(line[-1])) is not None and up not in line:
            line.append(up)
        return line

    above = chain(region)
    below = {place for place in parents if region in chain(place)}
    beside = {id for id in registry.scopes if parents[id] in above and id not in registry.regions}
    own = {place for place in below if place == region or place not in registry.regions}
    wanted = {*above, *below, *beside}
    return {place: parents[place] for place in parents if place in wanted}, frozenset(own)


def in_use(registry: Registry, places: Iterable[str]) -> list[Statement]:
    """Statements with a value about `places` that no other is preferred over."""
    wanted = set(places)
    return [s for s in registry.statements if s.place in wanted and s.value is not None and s.id not in registry.superseded]


def parse_time(text: str | int | None) -> Time | None:
    """2025; or 2021-2025Σ and 2021-2025⌀ (also sum:2021-2025, mean:2021-2025). InvalidInput otherwise."""
    if text is None or isinstance(text, int):
        return text
    word, _, span = text.strip().rpartition(":")
    kind = {"sum": "sum", "mean": "mean", "": {"Σ": "sum", "⌀": "mean"}.get(span[-1:], "")}.get(word)
    first, _, last = span.rstrip("Σ⌀ ").partition("-")
    if not word and first.isdigit() and not last:
        return int(first)
    if kind and first.isdigit() and last.isdigit() and int(first) < int(last):
        return (kind, int(first), int(last))
    raise InvalidInput(Problem(f"time: {text!r} is not understood.", "Write 2025, mean:2021-2025 or sum:2021-2025."))


def unknown_quantity(economy: Economy, indicator: str, place: str, time: Time | None) -> InvalidInput:
    """The error for a quantity that no statement or identity touches."""
    economy.identities.indicator(indicator)
    known = sorted({q.indicator for q in economy.quantities if q.place == place})
    times = sorted({q.when for q in economy.quantities if q.place == place and q.indicator == indicator})
    what = f"no statement or identity touches {indicator} of {place}" + (f" at {Quantity(indicator, place, time).when}." if time else ".")
    return InvalidInput(Problem(what, f"Known times: {', '.join(times)}." if times else nearest(indicator, known, "Quantities")))


__all__ = ["Component", "Economy", "Item", "Row", "Scale", "Source", "in_use", "limits_of", "parse_time", "quantity_of", "scope"]
