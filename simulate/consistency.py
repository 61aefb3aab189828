"""Can the targets of a plan all be true at once? Verdicts with certificates, implied ranges, repairs, what-if.

Public functions; all take a loaded `Registry` and give plain data:

- `check(registry, region)` -> `Verdict`: consistent with a witness, strained, inconsistent with all minimal conflicts, undecided;
- `check_all(registry)` -> a verdict for each region that has a plan;
- `implied(registry, region, indicator, year)`: the range all other statements leave, and which of them bind at each end;
- `repair(registry, region)`: the smallest change of targets that makes the plan consistent, with alternatives;
- `what_if(registry, region, {"indicator@year": "value"})`: the verdict with statements added or replaced;
- `accounting(registry, region)`: what the growth target needs in productivity, investment and capital;
- `identities.listing(identities)`: all identities and plausibility bands.

`reading` is `plan` (the plan describes one world) or `floor` (targets are floors); `readings` sets the others, see
`identities.yaml`. Limits of the solver give `undecided`, never a verdict.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from math import ceil, floor, inf, isfinite
from typing import Any, Literal

from simulate.accounting import Need, bands, need
from simulate.economy import GOALS, Component, Economy, Item, Source, in_use, limits_of, parse_time, quantity_of, scope, unknown_quantity
from simulate.errors import InvalidInput, Problem, nearest
from simulate.identities import Identities, Prior, Quantity, Time, load_identities
from simulate.registry import Registry
from simulate.solver import DEFAULT, Element, Limits, Oracle, bits
from simulate.targets import Source as At
from simulate.targets import Statement

Word = Literal["consistent", "strained", "inconsistent", "undecided"]


@dataclass(frozen=True)
class Claim:
    """One row of a conflict: a statement (or prior) and the side of it that clashes."""

    id: str
    indicator: str
    place: str
    time: str
    side: str
    value: float
    limit: float
    unit: str
    source: str
    kind: Literal["statement", "prior"] = "statement"
    instead: tuple[str, ...] = ()
    year: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain data; `value` as printed, `limit` after rounding, `instead`: statements that would do in its place."""
        return {**dataclasses.asdict(self), "instead": list(self.instead)}


@dataclass(frozen=True)
class Conflict:
    """Statements that cannot all hold under the identities named, of which none can be left out."""

    claims: tuple[Claim, ...]
    identities: tuple[str, ...]
    dissolves_if: tuple[dict[str, str], ...] = ()
    checked: bool = True

    @property
    def ids(self) -> frozenset[str]:
        """Ids of its statements and priors."""
        return frozenset(claim.id for claim in self.claims)

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {"statements": [claim.to_json() for claim in self.claims], "identities": list(self.identities),
                "dissolves_if": [dict(d) for d in self.dissolves_if], "checked": self.checked}


@dataclass(frozen=True)
class Verdict:
    """The answer for one region under one choice of readings, with its certificate."""

    region: str
    verdict: Word
    reading: Mapping[str, str]
    conflicts: tuple[Conflict, ...] = ()
    strains: tuple[Conflict, ...] = ()
    give_way: tuple[tuple[str, ...], ...] = ()
    witness: Mapping[Quantity, float] = field(default_factory=dict)
    readings: tuple[dict[str, Any], ...] = ()
    complete: bool = True
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain data: the object that `simulate check --json` prints for a region."""
        return {"region": self.region, "verdict": self.verdict, "reading": dict(self.reading), "readings": [dict(r) for r in self.readings],
                "conflicts": [c.to_json() for c in self.conflicts], "strains": [c.to_json() for c in self.strains],
                "give_way": [list(g) for g in self.give_way],
                "witness": {f"{q.indicator}@{q.when.replace(' ', '')}[{q.place}]": v for q, v in self.witness.items()},
                "complete": self.complete, "notes": list(self.notes)}


@dataclass(frozen=True)
class _Finding:
    """What one component says."""

    word: Word
    conflicts: tuple[int, ...] = ()
    strains: tuple[int, ...] = ()
    give_way: tuple[int, ...] = ()
    off: int = 0
    complete: bool = True


@dataclass
class _Session:
    """Economies of one region under several readings, and what is already known of their components."""

    registry: Registry
    identities: Identities
    region: str
    statements: Sequence[Statement]
    limits: Limits
    economies: dict[tuple[str, ...], Economy] = field(default_factory=dict)
    memory: dict[tuple[object, ...], _Finding] = field(default_factory=dict)
    drop_own_band: bool = False
    words: dict[tuple[object, ...], Word] = field(default_factory=dict)

    @property
    def places(self) -> dict[str, str | None]:
        return scope(self.registry, self.region)[0]

    @property
    def own(self) -> frozenset[str]:
        return scope(self.registry, self.region)[1]

    def economy(self, readings: Mapping[str, str]) -> Economy:
        key = tuple(sorted(f"{k}={v}" for k, v in readings.items()))
        if key not in self.economies:
            self.economies[key] = Economy(self.registry, self.identities, self.places, readings, self.statements, limits=self.limits)
        return self.economies[key]

    def finding(self, economy: Economy, component: Component) -> _Finding:
        """Consistent, strained, inconsistent or undecided, with conflicts as masks of the economy's items."""
        signature = economy.signature(component)
        if signature not in self.memory:
            found = _find(component)
            self.memory[signature] = dataclasses.replace(found, conflicts=_rank(component, found.conflicts),
                                                         strains=_rank(component, found.strains),
                                                         give_way=_rank(component, found.give_way),
                                                         off=_rank(component, (found.off,))[0])
        known = self.memory[signature]
        back = component.items

        def here(masks: tuple[int, ...]) -> tuple[int, ...]:
            return tuple(sum(1 << back[i] for i in bits(m)) for m in masks)

        return dataclasses.replace(known, conflicts=here(known.conflicts), strains=here(known.strains), give_way=here(known.give_way),
                                   off=here((known.off,))[0])


def _rank(component: Component, masks: Iterable[int]) -> tuple[int, ...]:
    """Masks with items counted within the component, so that they fit any component of the same signature."""
    position = {e: i for i, e in enumerate(component.items)}
    return tuple(sum(1 << position[e] for e in bits(mask)) for mask in masks)


def _find(component: Component) -> _Finding:
    oracle, statements, priors = component.oracle, component.statements, component.priors
    whole = oracle.ask(oracle.mask).feasible
    if whole:
        return _Finding("consistent")
    alone = oracle.ask(statements).feasible
    if alone:
        if whole is None:
            return _Finding("undecided", complete=False)
        bands, ways, complete = oracle.conflicts(priors, statements)
        return _Finding("strained", strains=tuple(bands),
                        give_way=_smallest(ways), off=_smallest(ways)[0] if ways else priors, complete=complete)
    if alone is None:
        return _Finding("undecided", complete=False)
    conflicts, ways, complete = oracle.conflicts(statements)
    if not conflicts:
        return _Finding("undecided", complete=False)
    off = _smallest(ways)[0] if ways else 0
    for mask in conflicts if not ways else ():
        off |= mask
    strains: tuple[int, ...] = ()
    give_way: tuple[int, ...] = ()
    rest = statements & ~off
    if oracle.ask(rest | priors).feasible is False and oracle.ask(rest).feasible:
        bands, relief, _ = oracle.conflicts(priors, rest)
        strains = tuple(bands)
        give_way = _smallest(relief)
        off |= give_way[0] if give_way else priors
    return _Finding("inconsistent", tuple(conflicts), strains, give_way, off, complete)


def _smallest(masks: Iterable[int]) -> tuple[int, ...]:
    listed = sorted(masks, key=int.bit_count)
    return tuple(m for m in listed if m.bit_count() == listed[0].bit_count())


def _claim(economy: Economy, item: Item, source: Source | None, instead: tuple[str, ...] = ()) -> Claim:
    q = item.quantity
    year = q.time if isinstance(q.time, int) else q.time[-1]
    if source is None:
        assert item.prior is not None and isinstance(item.prior.template.spec, Prior)
        spec = item.prior.template.spec
        value = spec.low if item.side > 0 else spec.high
        return Claim(f"prior:{spec.id}", q.indicator, q.place, q.when, item.word, value, value, spec.unit, spec.source, "prior", (), year)
    s = source.statement
    return Claim(s.id, s.indicator, s.place, q.when, item.word, float(s.value or 0), source.limit, s.unit, f"{s.document}: {s.at}",
                 "statement", instead, year)


def _conflict(economy: Economy, component: Component | None, mask: int) -> Conflict:
    """The conflict of a mask, each row citing the best-placed statement that suffices."""
    elements, items = economy.system.elements, economy.items
    before = {e: elements[e] for e in bits(mask)}
    cited: dict[int, Source] = {}
    rows = None if component is None else component.oracle.all_rows

    def clash() -> bool:
        if component is None or rows is None:
            a, b = (elements[e] for e in before)
            return a.side * a.value > -b.side * b.value
        return component.oracle.ask(mask, rows).feasible is False

    instead: dict[int, tuple[str, ...]] = {}
    for e in before:
        if items[e].prior is None:
            enough = []
            for source in items[e].sources:
                elements[e] = before[e]._replace(value=source.inner)
                if source.inner == before[e].value or clash():
                    enough.append(source)
            best = min(enough, key=lambda s: s.rank)
            cited[e], elements[e] = best, before[e]._replace(value=best.inner)
            instead[e] = tuple(s.statement.id for s in enough if s is not best)
    checked = clash()
    if component is not None:
        checked = checked and all(component.oracle.ask(mask & ~(1 << e), rows).feasible is True for e in before)
    tags = component.oracle.rows_of(mask) if component is not None else []
    for e, element in before.items():
        elements[e] = element
    claims = tuple(_claim(economy, items[e], cited.get(e), instead.get(e, ())) for e in before)
    return Conflict(claims, tuple(economy.instances[tag].id for tag in tags), (), checked)


def _dissolves(session: _Session, economy: Economy, mask: int) -> tuple[dict[str, str], ...]:
    """Single other readings under which the same sides of the same statements hold together."""
    wanted = {(source.statement.id, economy.items[e].side) for e in bits(mask) for source in economy.items[e].sources}
    priors = {(p.id, economy.items[e].side) for e in bits(mask) if (p := economy.items[e].prior)}
    found = []
    for name, reading in session.identities.readings.items():
        for option in reading.options:
            if option == economy.readings[name] or not _affects(session, economy, name, option):
                continue
            other = session.economy({**economy.readings, name: option})
            chosen = sum(1 << e for e, item in enumerate(other.items) if (item.prior and (item.prior.id, item.side) in priors)
                         or any((s.statement.id, item.side) in wanted for s in item.sources))
            asked = [c for c in other.components if c.oracle.mask & chosen]
            if all(c.oracle.ask(c.oracle.mask & chosen).feasible for c in asked) and not any(
                    _crossed(other, pair) for pair in other.alone.values() if all(e is not None and chosen >> e & 1 for e in pair)):
                found.append({"reading": name, "option": option})
    return tuple(found)


def _crossed(economy: Economy, pair: tuple[int | None, int | None]) -> bool:
    low, high = pair
    if low is None or high is None:
        return False
    a, b = economy.system.elements[low].value, economy.system.elements[high].value
    return a > b + 2e-7 * abs(a)


def _affects(session: _Session, economy: Economy, name: str, option: str) -> bool:
    """Whether another option of a reading changes anything in this economy."""
    other = {**economy.readings, name: option}
    known = {q.indicator for q in economy.quantities}
    if any((t.spec.when or {}).get(name) in (option, economy.readings[name]) and t.indicators & known for t in session.identities.templates):
        return True
    return any(quantity_of(s, session.registry, session.identities, other) != quantity_of(s, session.registry, session.identities, economy.readings)
               or limits_of(s, session.registry, other) != limits_of(s, session.registry, economy.readings) for s in session.statements)


def _own(economy: Economy, mask: int, own: frozenset[str]) -> bool:
    return any(economy.items[e].quantity.place in own for e in bits(mask))


def _word(session: _Session, economy: Economy) -> Word:
    """The verdict alone: what other places say is left out as far as it clashes by itself."""
    words: set[Word] = {"inconsistent"} if any(_crossed(economy, pair) for pair in economy.alone.values()) else set()
    for component in economy.components:
        if _own(economy, component.oracle.mask & component.statements, session.own):
            key = ("word", economy.signature(component))
            if key not in session.words:
                session.words[key] = _quick(economy, component, session.own) or _mine(session, economy, component)
            words.add(session.words[key])
    order: tuple[Word, ...] = ("inconsistent", "undecided", "strained", "consistent")
    return next((word for word in order if word in words), "consistent")


def _quick(economy: Economy, component: Component, own: frozenset[str]) -> Word | None:
    oracle, statements = component.oracle, component.statements
    foreign = sum(1 << e for e in bits(statements) if economy.items[e].quantity.place not in own)
    if foreign and not oracle.ask(foreign | component.priors).feasible:
        return None  # whose conflict it is takes a closer look
    whole = oracle.ask(oracle.mask).feasible
    if whole:
        return "consistent"
    alone = oracle.ask(statements).feasible
    return "strained" if alone and whole is False else "undecided" if alone is None or alone else "inconsistent"


def _mine(session: _Session, economy: Economy, component: Component) -> Word:
    """What a component says that is the region's own."""
    found = session.finding(economy, component)
    mine = [any(_own(economy, m, session.own) for m in masks) for masks in (found.conflicts, found.strains)]
    return "inconsistent" if mine[0] else "strained" if mine[1] else "undecided" if found.word == "undecided" else "consistent"


def _overall(session: _Session, economy: Economy) -> Word:
    """The verdict from the findings on all components."""
    words: set[Word] = {"inconsistent"} if any(_crossed(economy, pair) for pair in economy.alone.values()) else set()
    words |= {_mine(session, economy, component) for component in economy.components}
    order: tuple[Word, ...] = ("inconsistent", "undecided", "strained", "consistent")
    return next((word for word in order if word in words), "consistent")


def _foreign(session: _Session, economy: Economy, component: Component) -> bool:
    """Whether all conflicts of a component are other regions' own affair."""
    found = session.finding(economy, component)
    return found.word in ("inconsistent", "strained") and not any(
        _own(economy, m, session.own) for m in (*found.conflicts, *found.strains))


@lru_cache(maxsize=4)
def _identities(catalogue: Any) -> Identities:
    return load_identities(catalogue)


def _session(registry: Registry, region: str, identities: Identities | None, limits: Limits,
             statements: Sequence[Statement] | None = None) -> _Session:
    registry.region(region)
    chosen = identities or load_identities(registry.catalogue)
    session = _Session(registry, chosen, region, (), limits)
    session.statements = in_use(registry, session.places) if statements is None else statements
    return session


def _readings(session: _Session, reading: str, readings: Mapping[str, str] | None) -> dict[str, str]:
    return session.identities.chosen(**{"targets": reading, **(readings or {})})


def check(registry: Registry, region: str, *, reading: str = "plan", readings: Mapping[str, str] | None = None,
          identities: Identities | None = None, limits: Limits = DEFAULT, alternatives: bool = True) -> Verdict:
    """Whether all statements about `region` can be true at once, with the proof.

    Counted in are the region, its scopes, what it lies within and what lies within it; a conflict is the region's if it
    names a statement about the region. `alternatives`: also try every other single reading. InvalidInput for an unknown
    region or reading, and for a statement that allows no value.
    """
    session = _session(registry, region, identities, limits)
    return _verdict(session, _readings(session, reading, readings), alternatives)


def _verdict(session: _Session, readings: Mapping[str, str], alternatives: bool) -> Verdict:
    economy = session.economy(readings)
    conflicts: list[Conflict] = []
    strains: list[Conflict] = []
    give_way: list[tuple[str, ...]] = []
    notes: list[str] = []
    complete, off = True, 0
    values: dict[int, float] = {}
    for component in economy.components:
        found = session.finding(economy, component)
        complete &= found.complete
        for masks, kept in ((found.conflicts, conflicts), (found.strains, strains)):
            for mask in masks:
                if _own(economy, mask, session.own):
                    made = _conflict(economy, component, mask)
                    dissolving = _dissolves(session, economy, mask) if alternatives else ()
                    kept.append(dataclasses.replace(made, dissolves_if=dissolving))
                    complete &= made.checked
        give_way += [tuple(p.id for e in bits(m) if (p := economy.items[e].prior)) for m in found.give_way]
        if _foreign(session, economy, component):
            notes.append("statements about other places clash among themselves and were partly left out of the witness")
        off |= found.off
        answer = component.oracle.ask(component.oracle.mask & ~found.off)
        for v in component.oracle.used if answer.values else ():
            values[v] = (answer.values or [])[v]
    for v, pair in economy.alone.items():
        if _crossed(economy, pair):
            conflicts.append(_conflict(economy, None, sum(1 << e for e in pair if e is not None)))
        ends = [economy.system.elements[e].value for e in pair if e is not None]
        values[v] = sum(ends) / len(ends)
    word = _overall(session, economy)
    witness: dict[Quantity, float] = {}
    if word in ("consistent", "strained"):
        inner = economy.complete({v: x for v, x in values.items() if x})
        skipped = [s.statement.id for e in bits(off) for s in economy.items[e].sources]
        broken = economy.violations(inner, skipped)
        if broken:
            word, complete = "undecided", False
            notes.append(f"the witness breaks {', '.join(broken[:5])} in plain arithmetic")
        witness = {q: economy.scale.outer(q, x) for q, x in inner.items()}
    rows: list[dict[str, Any]] = []
    for name, reading in session.identities.readings.items() if alternatives else ():
        for option in reading.options:
            used = readings[name] == option
            same = used or not _affects(session, economy, name, option)
            other = word if same else _word(session, session.economy({**readings, name: option}))
            rows.append({"reading": name, "option": option, "used": used, "verdict": other})
    return Verdict(session.region, word, dict(readings), tuple(conflicts), tuple(strains), tuple(dict.fromkeys(give_way)), witness,
                   tuple(rows), complete, tuple(dict.fromkeys(notes)))


def check_all(registry: Registry, *, reading: str = "plan", readings: Mapping[str, str] | None = None,
              identities: Identities | None = None, limits: Limits = DEFAULT, alternatives: bool = True) -> list[Verdict]:
    """A verdict for each region that has a plan or statements of its own."""
    regions = [id for id in registry.regions if any(s.place == id for s in registry.statements)]
    return [check(registry, region, reading=reading, readings=readings, identities=identities, limits=limits,
                  alternatives=alternatives) for region in regions]


# --- ranges


@dataclass(frozen=True)
class Range:
    """What the other statements leave for a quantity, in its catalogue unit; an end None is open, `decided` False not known."""

    quantity: Quantity
    unit: str
    low: float | None
    high: float | None
    low_binding: tuple[Claim, ...] = ()
    high_binding: tuple[Claim, ...] = ()
    stated: tuple[Claim, ...] = ()
    reading: Mapping[str, str] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()
    decided: bool = True

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {"indicator": self.quantity.indicator, "place": self.quantity.place, "time": self.quantity.when, "unit": self.unit,
                "low": self.low, "high": self.high, "low_binding": [c.to_json() for c in self.low_binding],
                "high_binding": [c.to_json() for c in self.high_binding], "stated": [c.to_json() for c in self.stated],
                "reading": dict(self.reading), "left_out": list(self.left_out), "decided": self.decided}


def implied(registry: Registry, region: str, indicator: str, year: int | str | None = None, *, reading: str = "plan",
            readings: Mapping[str, str] | None = None, priors: bool = True, including: bool = False,
            identities: Identities | None = None, limits: Limits = DEFAULT) -> list[Range]:
    """The range that all statements but those on the quantity itself leave for it, and which bind at each end.

    `including`: count those on the quantity too; `priors` False: leave all plausibility bands out.

    `year`: 2025, "mean:2021-2025" (⌀) or "sum:2021-2025" (Σ); None: every time anything touches. Where the others clash
    among themselves, the first single reading that reconciles them is used, else the smallest set of them is left out;
    `reading` and `left_out` of the result say so. InvalidInput for a quantity that nothing touches.
    """
    session = _session(registry, region, identities, limits)
    chosen, time = _readings(session, reading, readings), parse_time(year)
    session.identities.indicator(indicator)
    first = session.economy(chosen)
    times = [time] if time is not None else sorted({q.time for q in first.quantities if q.place == region and q.indicator == indicator}, key=str)
    if not times:
        raise unknown_quantity(first, indicator, region, time)
    return [_range(session, Quantity(indicator, region, t), chosen, priors, including) for t in times]


def _range(session: _Session, q: Quantity, readings: Mapping[str, str], priors: bool, including: bool = False,
           cite: bool = True) -> Range:
    def build(chosen: Mapping[str, str]) -> tuple[Economy, Component | None, int, int]:
        economy = Economy(session.registry, session.identities, session.places, chosen, session.statements, keep=[q], priors=priors,
                          limits=session.limits)
        variable = economy.index(q)
        component = economy.component_of(variable)
        mine = sum(1 << e for e, item in enumerate(economy.items) if item.quantity == q and not (including and item.sources)
                   and (item.sources or session.drop_own_band))
        return economy, component, variable, (component.oracle.mask if component else 0) & ~mine

    economy, component, v, mask = build(readings)
    stated = tuple(_claim(economy, item, item.sources[0]) for item in economy.items if item.quantity == q and item.sources)
    unit = session.identities.indicator(q.indicator).unit
    if component is None:
        if not stated:
            raise unknown_quantity(session.economy(readings), q.indicator, q.place, q.time)
        return Range(q, unit, None, None, stated=stated, reading=dict(readings))
    off = 0
    if component.oracle.ask(mask & component.statements).feasible is False:
        trials = [{**readings, name: option} for name, other in sorted(session.identities.readings.items(), key=lambda r: r[0] == "targets")
                  for option in other.options if option != readings[name] and _affects(session, economy, name, option)]
        for chosen in trials:
            trial = build(chosen)
            if trial[1] is not None and trial[1].oracle.ask(trial[3] & trial[1].statements).feasible:
                economy, component, v, mask = trial
                break
        else:
            _, ways, _ = component.oracle.conflicts(mask & component.statements)
            off = min(ways, key=int.bit_count, default=mask & component.statements)
    assert component is not None
    if component.oracle.ask(mask & ~off).feasible is False:
        _, ways, _ = component.oracle.conflicts(mask & component.priors, mask & component.statements & ~off)
        off |= min(ways, key=int.bit_count, default=component.priors)
    mask &= ~off
    readings = economy.readings
    left_out = tuple(economy.items[e].sources[0].statement.id if economy.items[e].sources else f"prior:{economy.items[e].quantity.indicator}"
                     for e in bits(off))
    assert component is not None
    ends: list[float | None] = []
    binding: list[tuple[Claim, ...]] = []
    decided = True
    for side in (-1, 1):
        end, _ = component.oracle.extreme(v, side, mask)
        decided &= end is not None
        open_ = end is None or not isfinite(end) or (end == 0.0 and not session.identities.is_growth(q.indicator))
        ends.append(None if open_ or end is None else economy.scale.outer(q, end))
        binding.append(() if open_ or end is None or not cite else _binding(economy, component, v, side, end, mask))
    return Range(q, unit, ends[0], ends[1], binding[0], binding[1], stated, dict(readings), left_out, decided)


def _binding(economy: Economy, component: Component, v: int, side: int, end: float, mask: int) -> tuple[Claim, ...]:
    """Statements that keep a variable from going past its end: a minimal conflict with the demand that it does."""
    size = abs(end) if not economy.scale.identities.is_growth(next(q for q, i in economy.quantities.items() if i == v).indicator) else 0.02
    economy.system.elements.append(Element(v, side, end + side * 2e-3 * size))
    try:
        oracle = Oracle(component.oracle.system, economy.limits)
        core = oracle.shrink(mask, 1 << (len(economy.system.elements) - 1))
    finally:
        economy.system.elements.pop()
    return tuple(_claim(economy, economy.items[e], economy.items[e].sources[0] if economy.items[e].sources else None)
                 for e in bits(core))


def accounting(registry: Registry, region: str, *, reading: str = "plan", readings: Mapping[str, str] | None = None,
               identities: Identities | None = None, limits: Limits = DEFAULT) -> list[Need]:
    """What the plan's growth needs, given its own investment and employment: each need against its plausibility band.

    Investment over GDP, incremental capital-output ratio and growth of total factor productivity, for each span in which the
    plan states growth of GDP or its levels; empty where it states too little. The band on a need itself is left out.
    """
    session = _session(registry, region, identities, limits)
    chosen = {**_readings(session, reading, readings), "growth_accounting": "included"}
    if "growth_accounting" not in session.identities.readings:
        return []
    economy = session.economy(chosen)
    named = bands(session.identities)
    session.drop_own_band = True
    found = []
    for q in economy.quantities:
        if q.place == region and q.indicator in named and isinstance(q.time, tuple) and q.time[0] == "mean" and q.indicator in (
                "investment_share", "icor", "tfp_growth"):
            target = next((s for s in session.statements if quantity_of(s, registry, session.identities, chosen)
                           == Quantity("gdp_growth", region, q.time)), None)
            r = _range(session, q, chosen, priors=True, cite=False)
            if r.low is not None or r.high is not None:
                found.append(need(session.identities, q.indicator, q.time[1:], r.low, r.high, float(target.value or 0) if target else None))
    return found


# --- repair and what-if


@dataclass(frozen=True)
class Change:
    """A target as stated, as needed, and the relative change."""

    id: str
    indicator: str
    place: str
    time: str
    stated: float
    needed: float
    change: float
    unit: str
    binding: bool
    source: str


@dataclass(frozen=True)
class Repair:
    """Changes that make a plan consistent; `cost` is their summed relative size. `facts`: clashes no target can mend."""

    region: str
    changes: tuple[Change, ...]
    cost: float
    tier: Literal["none", "targets", "binding targets", "impossible"]
    tied: bool = False
    alternatives: tuple[Repair, ...] = ()
    facts: tuple[Conflict, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain data: table `stated / needed / change` and alternatives."""
        return {"region": self.region, "tier": self.tier, "cost": self.cost, "tied": self.tied,
                "changes": [dataclasses.asdict(c) for c in self.changes],
                "alternatives": [a.to_json() for a in self.alternatives], "facts": [c.to_json() for c in self.facts]}


def _targets(economy: Economy, mask: int, own: frozenset[str], binding: bool) -> dict[int, float]:
    """Items of `mask` that a repair may move: own targets, binding ones only if asked."""
    free = {}
    for e in bits(mask):
        sources = economy.items[e].sources
        if sources and economy.items[e].quantity.place in own and all(s.statement.role in GOALS for s in sources):
            if binding or not any(s.statement.nature == "binding" for s in sources):
                free[e] = 100.0 if any(s.statement.nature == "binding" for s in sources) else 1.0
    return free


def _changes(economy: Economy, moved: Mapping[int, float], values: Sequence[float]) -> tuple[Change, ...]:
    rows = []
    for e in moved:
        item, x = economy.items[e], values[economy.system.elements[e].variable]
        best = min(item.sources, key=lambda s: s.rank)
        s, stated = best.statement, float(best.statement.value or 0)
        slope = (best.inner - (1.0 if economy.identities.is_growth(s.indicator) else 0.0)) / best.limit if best.limit else 1.0
        target = (x - (1.0 if economy.identities.is_growth(s.indicator) else 0.0)) / slope
        digits = 10.0 ** -round(_digits(s))
        shift = target - best.limit  # how far the end of the interval must move
        needed = stated + (floor(shift / digits + 1e-9) if shift < 0 else ceil(shift / digits - 1e-9)) * digits
        rows.append(Change(s.id, s.indicator, s.place, item.quantity.when, stated, round(needed, 10), needed / stated - 1 if stated else inf,
                           s.unit, s.nature == "binding", f"{s.document}: {s.at}"))
    return tuple(rows)


def _digits(s: Statement) -> int:
    text = repr(s.value)
    return len(text.partition(".")[2]) if "." in text and "e" not in text else 0


def repair(registry: Registry, region: str, *, reading: str = "plan", readings: Mapping[str, str] | None = None,
           identities: Identities | None = None, limits: Limits = DEFAULT, within_bands: bool = False, alternatives: int = 4) -> Repair:
    """The smallest change of the region's targets (least sum of relative changes) with which its plan is consistent.

    Facts are never changed; binding targets only where changing the others is not enough. `within_bands`: also bring
    every plausibility band to hold. Alternatives move a target the best repair leaves alone, cheapest first; `tied` marks
    those that cost the same. Clashes among facts alone are listed in `facts`: no target can mend them.
    """
    session = _session(registry, region, identities, limits)
    economy = session.economy(_readings(session, reading, readings))
    changes: list[Change] = []
    others: list[Repair] = []
    facts: list[Conflict] = []
    cost, tier = 0.0, 0
    for component in economy.components:
        oracle = component.oracle
        found = session.finding(economy, component)
        mask = oracle.mask if within_bands and found.word == "strained" else component.statements
        if found.word == "consistent" or (found.word == "strained" and not within_bands) or _foreign(session, economy, component):
            continue
        movable = _targets(economy, mask, session.own, True)
        for m in found.conflicts:
            if not any(e in movable for e in bits(m)):
                facts.append(_conflict(economy, component, m))
                mask &= ~(m & -m)
        if oracle.ask(mask).feasible:
            continue
        result = None
        for level, binding in ((1, False), (2, True)):
            free = _targets(economy, mask, session.own, binding)
            hard = mask & ~sum(1 << e for e in free)
            result = oracle.relax(hard, free)
            if result is not None:
                tier = max(tier, level)
                break
        if result is None:
            tier = 3
            continue
        moved, values, price = result
        best = _changes(economy, moved, values)
        changes += best
        cost += price
        seen = {frozenset(moved)}
        queue = [frozenset({e}) for e in moved]
        while queue and len(others) < alternatives:
            without = queue.pop(0)
            again = oracle.relax(hard | sum(1 << e for e in without), {e: w for e, w in free.items() if e not in without})
            if again is not None and frozenset(again[0]) not in seen:
                seen.add(frozenset(again[0]))
                others.append(Repair(region, _changes(economy, again[0], again[1]), again[2], "targets" if level == 1 else "binding targets",
                                     again[2] <= price * (1 + 1e-3)))
                queue += [without | {e} for e in again[0]]
    words: tuple[Literal["none", "targets", "binding targets", "impossible"], ...] = ("none", "targets", "binding targets", "impossible")
    ranked = tuple(sorted(others, key=lambda r: r.cost))
    return Repair(region, tuple(changes), cost, words[tier], any(r.tied for r in ranked), ranked, tuple(facts))


def apply(registry: Registry, changes: Iterable[Change]) -> Registry:
    """The registry with the targets of a repair as needed: every statement on the same quantity follows."""
    wanted = {c.id: c for c in changes}
    keys = {s.key: wanted[s.id] for s in registry.statements if s.id in wanted}
    statements = []
    for s in registry.statements:
        change = keys.get(s.key)
        if change is not None and s.value is not None:
            value = change.needed if s.unit == change.unit else s.value * (1 + change.change)
            s = dataclasses.replace(s, value=int(value) if float(value).is_integer() and isinstance(s.value, int) else value,
                                    sense="equal" if s.id in wanted and s.sense in ("equal", "about") else s.sense)
        statements.append(s)
    return dataclasses.replace(registry, statements=tuple(statements))


_SENSES = {">=": "at_least", ">": "more_than", "<=": "at_most", "<": "less_than", "~": "about", "": "equal"}


def assume(registry: Registry, region: str, settings: Mapping[str, str | float]) -> Registry:
    """The registry with statements about `region` set: {"gdp@2025": 900, "gdp_growth@mean:2021-2025": ">=8"}.

    A value replaces all statements on the quantity (targets after the base year, facts before); units are the catalogue's.
    """
    statements = list(registry.statements)
    base = registry.base_year(region)
    problems: list[Problem] = []
    for name, given in settings.items():
        indicator, _, when = name.partition("@")
        match = re.fullmatch(r"\s*(>=|<=|>|<|~)?\s*(-?\d+(?:\.\d+)?(?:e-?\d+)?)\s*", str(given))
        time: Time | None = None
        try:
            time = parse_time(when)
        except InvalidInput as error:
            problems += error.problems
        if indicator not in registry.catalogue:
            problems.append(Problem(f"indicator: {indicator!r} is not in the catalogue.", nearest(indicator, registry.catalogue)))
        elif not when or match is None:
            problems.append(Problem(f"set: {name}={given} is not understood.", "Write indicator@year=value, as gdp@2025=900 or gdp@2025=>=900."))
        if problems or match is None or time is None:
            continue
        number = float(match[2])
        value = int(number) if number.is_integer() and "." not in match[2] else number
        last = time if isinstance(time, int) else time[2]
        period = None if isinstance(time, int) else (time[1], time[2])
        goal = last > base
        plan = registry.region(region).plan or ""
        made = Statement(indicator=indicator, unit=registry.catalogue[indicator].unit, sense=_SENSES[match[1] or ""],  # type: ignore[arg-type]
                         role="target" if goal else "achieved", at=At(locus="note", section="what-if"), region=region, value=value,
                         year=time if isinstance(time, int) else None, period=period, id=f"what-if:{name}", document=plan,
                         aggregate=None if isinstance(time, int) else time[0])  # type: ignore[arg-type]
        statements = [s for s in statements if not (s.indicator == indicator and s.place == region and s.year == made.year
                                                    and s.period == made.period and s.relative_to is None)] + [made]
    if problems:
        raise InvalidInput(problems)
    return dataclasses.replace(registry, statements=tuple(statements))


def what_if(registry: Registry, region: str, settings: Mapping[str, str | float], *, reading: str = "plan",
            readings: Mapping[str, str] | None = None, identities: Identities | None = None, limits: Limits = DEFAULT) -> dict[str, Any]:
    """The verdict before and after `settings` (see `assume`), and which conflicts appear and dissolve."""
    chosen = identities or load_identities(registry.catalogue)
    before, after = (check(r, region, reading=reading, readings=readings, identities=chosen, limits=limits, alternatives=False)
                     for r in (registry, assume(registry, region, settings)))
    old, new = ({c.ids: c for c in (*v.conflicts, *v.strains)} for v in (before, after))
    return {"region": region, "set": {k: str(v) for k, v in settings.items()}, "before": before.to_json(), "after": after.to_json(),
            "appeared": [c.to_json() for ids, c in new.items() if ids not in old],
            "dissolved": [c.to_json() for ids, c in old.items() if ids not in new]}


__all__ = ["Change", "Claim", "Conflict", "Range", "Repair", "Verdict", "apply", "assume", "check", "check_all", "implied", "quantity_of",
           "repair", "what_if"]
