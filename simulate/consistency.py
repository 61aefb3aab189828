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
from math import ceil, floor, inf, isfinite
from typing import Any, Literal

from simulate.accounting import Need, bands, need
from simulate.economy import GOALS, Component, Economy, parse_time, quantity_of, unknown_quantity
from simulate.errors import InvalidInput, Problem, nearest
from simulate.identities import Identities, Quantity, Time, load_identities
from simulate.registry import Registry
from simulate.solver import DEFAULT, Element, Limits, Oracle, bits
from simulate.targets import Source as At
from simulate.targets import Statement
from simulate.verdicts import (
    Claim,
    Conflict,
    Session,
    Verdict,
    affects,
    check,
    check_all,
    chosen_readings,
    claim_of,
    conflict_of,
    foreign,
    open_session,
)

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
    session = open_session(registry, region, identities, limits)
    chosen, time = chosen_readings(session, reading, readings), parse_time(year)
    session.identities.indicator(indicator)
    first = session.economy(chosen)
    known = {q.time for q in first.quantities if q.place == region and q.indicator == indicator}
    times = [time] if time is not None else sorted(known, key=str)
    if not times:
        raise unknown_quantity(first, indicator, region, time)
    return [_range(session, Quantity(indicator, region, t), chosen, priors, including) for t in times]


def _range(session: Session, q: Quantity, readings: Mapping[str, str], priors: bool, including: bool = False,
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
    stated = tuple(claim_of(economy, item, item.sources[0]) for item in economy.items if item.quantity == q and item.sources)
    unit = session.identities.indicator(q.indicator).unit
    if component is None:
        if not stated:
            raise unknown_quantity(session.economy(readings), q.indicator, q.place, q.time)
        return Range(q, unit, None, None, stated=stated, reading=dict(readings))
    off = 0
    if component.oracle.ask(mask & component.statements).feasible is False:
        trials = [{**readings, name: option} for name, other in sorted(session.identities.readings.items(), key=lambda r: r[0] == "targets")
                  for option in other.options if option != readings[name] and affects(session, economy, name, option)]
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
    left_out = tuple(item.sources[0].statement.id if item.sources else f"prior:{item.quantity.indicator}"
                     for item in (economy.items[e] for e in bits(off)))
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
    return tuple(claim_of(economy, economy.items[e], economy.items[e].sources[0] if economy.items[e].sources else None)
                 for e in bits(core))


def accounting(registry: Registry, region: str, *, reading: str = "plan", readings: Mapping[str, str] | None = None,
               identities: Identities | None = None, limits: Limits = DEFAULT) -> list[Need]:
    """What the plan's growth needs, given its own investment and employment: each need against its plausibility band.

    Investment over GDP, incremental capital-output ratio and growth of total factor productivity, for each span in which the
    plan states growth of GDP or its levels; empty where it states too little. The band on a need itself is left out.
    """
    session = open_session(registry, region, identities, limits)
    chosen = {**chosen_readings(session, reading, readings), "growth_accounting": "included"}
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
        firm = any(s.statement.nature == "binding" for s in sources)
        goals = bool(sources) and all(s.statement.role in GOALS for s in sources)
        if goals and economy.items[e].quantity.place in own and (binding or not firm):
            free[e] = 100.0 if firm else 1.0
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
        share = needed / stated - 1 if stated else inf
        rows.append(Change(s.id, s.indicator, s.place, item.quantity.when, stated, round(needed, 10), share,
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
    session = open_session(registry, region, identities, limits)
    economy = session.economy(chosen_readings(session, reading, readings))
    changes: list[Change] = []
    others: list[Repair] = []
    facts: list[Conflict] = []
    cost, tier = 0.0, 0
    for component in economy.components:
        oracle = component.oracle
        found = session.finding(economy, component)
        mask = oracle.mask if within_bands and found.word == "strained" else component.statements
        if found.word == "consistent" or (found.word == "strained" and not within_bands) or foreign(session, economy, component):
            continue
        movable = _targets(economy, mask, session.own, True)
        for m in found.conflicts:
            if not any(e in movable for e in bits(m)):
                facts.append(conflict_of(economy, component, m))
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
                others.append(Repair(region, _changes(economy, again[0], again[1]), again[2],
                                     "targets" if level == 1 else "binding targets",
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
            problems.append(Problem(f"set: {name}={given} is not understood.",
                                    "Write indicator@year=value, as gdp@2025=900 or gdp@2025=>=900."))
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
