"""Verdicts on a plan: statements and identities of one region tested together, with certificates and other readings."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from simulate.economy import Component, Economy, Item, Source, in_use, limits_of, quantity_of, scope
from simulate.identities import Identities, Prior, Quantity, load_identities
from simulate.registry import Registry
from simulate.solver import DEFAULT, Limits, bits
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
class Session:
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
        """Places that matter (see `scope`)."""
        return scope(self.registry, self.region)[0]

    @property
    def own(self) -> frozenset[str]:
        """The region and its scopes."""
        return scope(self.registry, self.region)[1]

    def economy(self, readings: Mapping[str, str]) -> Economy:
        """The economy under `readings`, built once."""
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


def claim_of(economy: Economy, item: Item, source: Source | None, instead: tuple[str, ...] = ()) -> Claim:
    """The row of a conflict that cites `source`, or the prior where there is none."""
    q = item.quantity
    year = q.time if isinstance(q.time, int) else q.time[-1]
    if source is None:
        assert item.prior is not None
        assert isinstance(item.prior.template.spec, Prior)
        spec = item.prior.template.spec
        value = spec.low if item.side > 0 else spec.high
        return Claim(f"prior:{spec.id}", q.indicator, q.place, q.when, item.word, value, value, spec.unit, spec.source, "prior", (), year)
    s = source.statement
    return Claim(s.id, s.indicator, s.place, q.when, item.word, float(s.value or 0), source.limit, s.unit, f"{s.document}: {s.at}",
                 "statement", instead, year)


def conflict_of(economy: Economy, component: Component | None, mask: int) -> Conflict:
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
    claims = tuple(claim_of(economy, items[e], cited.get(e), instead.get(e, ())) for e in before)
    return Conflict(claims, tuple(economy.instances[tag].id for tag in tags), (), checked)


def _dissolves(session: Session, economy: Economy, mask: int) -> tuple[dict[str, str], ...]:
    """Single other readings under which the same sides of the same statements hold together."""
    wanted = {(source.statement.id, economy.items[e].side) for e in bits(mask) for source in economy.items[e].sources}
    priors = {(p.id, economy.items[e].side) for e in bits(mask) if (p := economy.items[e].prior)}
    found = []
    for name, reading in session.identities.readings.items():
        for option in reading.options:
            if not reading.tried or option == economy.readings[name] or not affects(session, economy, name, option):
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


def affects(session: Session, economy: Economy, name: str, option: str) -> bool:
    """Whether another option of a reading changes anything in this economy."""
    other = {**economy.readings, name: option}
    known = {q.indicator for q in economy.quantities}
    options = (option, economy.readings[name])
    if any((t.spec.when or {}).get(name) in options and t.indicators & known for t in session.identities.templates):
        return True
    registry, identities, now = session.registry, session.identities, economy.readings
    return any(quantity_of(s, registry, identities, other) != quantity_of(s, registry, identities, now)
               or limits_of(s, registry, other) != limits_of(s, registry, now) for s in session.statements)


def _own(economy: Economy, mask: int, own: frozenset[str]) -> bool:
    return any(economy.items[e].quantity.place in own for e in bits(mask))


def _word(session: Session, economy: Economy) -> Word:
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
    others = sum(1 << e for e in bits(statements) if economy.items[e].quantity.place not in own)
    if others and not oracle.ask(others | component.priors).feasible:
        return None  # whose conflict it is takes a closer look
    whole = oracle.ask(oracle.mask).feasible
    if whole:
        return "consistent"
    alone = oracle.ask(statements).feasible
    return "strained" if alone and whole is False else "undecided" if alone is None or alone else "inconsistent"


def _mine(session: Session, economy: Economy, component: Component) -> Word:
    """What a component says that is the region's own."""
    found = session.finding(economy, component)
    mine = [any(_own(economy, m, session.own) for m in masks) for masks in (found.conflicts, found.strains)]
    return "inconsistent" if mine[0] else "strained" if mine[1] else "undecided" if found.word == "undecided" else "consistent"


def _overall(session: Session, economy: Economy) -> Word:
    """The verdict from the findings on all components."""
    words: set[Word] = {"inconsistent"} if any(_crossed(economy, pair) for pair in economy.alone.values()) else set()
    words |= {_mine(session, economy, component) for component in economy.components}
    order: tuple[Word, ...] = ("inconsistent", "undecided", "strained", "consistent")
    return next((word for word in order if word in words), "consistent")


def foreign(session: Session, economy: Economy, component: Component) -> bool:
    """Whether all conflicts of a component are other regions' own affair."""
    found = session.finding(economy, component)
    return found.word in ("inconsistent", "strained") and not any(
        _own(economy, m, session.own) for m in (*found.conflicts, *found.strains))


def open_session(registry: Registry, region: str, identities: Identities | None, limits: Limits,
                 statements: Sequence[Statement] | None = None) -> Session:
    """A session on `region`; InvalidInput where it is not known."""
    registry.region(region)
    chosen = identities or load_identities(registry.catalogue)
    session = Session(registry, chosen, region, (), limits)
    session.statements = in_use(registry, session.places) if statements is None else statements
    return session


def chosen_readings(session: Session, reading: str, readings: Mapping[str, str] | None) -> dict[str, str]:
    """All readings: the sense of targets, those given, the defaults."""
    return session.identities.chosen(**{"targets": reading, **(readings or {})})


def check(registry: Registry, region: str, *, reading: str = "plan", readings: Mapping[str, str] | None = None,
          identities: Identities | None = None, limits: Limits = DEFAULT, alternatives: bool = True) -> Verdict:
    """Whether all statements about `region` can be true at once, with the proof.

    Counted in are the region, its scopes, what it lies within and what lies within it; a conflict is the region's if it
    names a statement about the region. `alternatives`: also try every other single reading. InvalidInput for an unknown
    region or reading, and for a statement that allows no value.
    """
    session = open_session(registry, region, identities, limits)
    return _verdict(session, chosen_readings(session, reading, readings), alternatives)


def _verdict(session: Session, readings: Mapping[str, str], alternatives: bool) -> Verdict:
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
                    made = conflict_of(economy, component, mask)
                    dissolving = _dissolves(session, economy, mask) if alternatives else ()
                    kept.append(dataclasses.replace(made, dissolves_if=dissolving))
                    complete &= made.checked
        give_way += [tuple(p.id for e in bits(m) if (p := economy.items[e].prior)) for m in found.give_way]
        if foreign(session, economy, component):
            notes.append("statements about other places clash among themselves and were partly left out of the witness")
        off |= found.off
        answer = component.oracle.ask(component.oracle.mask & ~found.off)
        for v in component.oracle.used if answer.values else ():
            values[v] = (answer.values or [])[v]
    for v, pair in economy.alone.items():
        if _crossed(economy, pair):
            conflicts.append(conflict_of(economy, None, sum(1 << e for e in pair if e is not None)))
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
        for option in reading.options if reading.tried else ():
            used = readings[name] == option
            same = used or not affects(session, economy, name, option)
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
