"""Properties of the consistency engine on random economies of an invented region and plan (2030-2035)."""

from __future__ import annotations

import dataclasses
from math import log

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from simulate.consistency import apply, check, implied, repair
from simulate.errors import InvalidInput
from simulate.identities import Quantity, load_identities
from simulate.registry import Registry, load_registry
from simulate.solver import Element, Limits, Oracle, System, Terms, bits
from simulate.targets import DocumentInfo, Labels, Region, Source, Statement

CATALOGUE = load_registry().catalogue
IDENTITIES = load_identities(CATALOGUE)
BASE, END, YEARS = 2030, 2035, 5
slow = settings(max_examples=200, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])


def plan(*statements: Statement) -> Registry:
    """A registry of one invented port with one plan."""
    document = DocumentInfo(id="p", kind="plan", title=Labels(zh="规划", en="plan"), region="port", base_year=BASE, period=(BASE + 1, END))
    port = Region(zh="港", en="Port", plan="p", within="delta")
    named = tuple(dataclasses.replace(s, id=s.id or f"p:{i}:{s.indicator}@{s.when.replace(' ', '')}", document="p")
                  for i, s in enumerate(statements))
    return Registry(CATALOGUE, {"p": document}, {"port": port, "delta": Region(zh="三角洲", en="Delta")}, {}, named, ())


def says(indicator: str, value: float, digits: int = 2, year: int | None = END, place: str = "port", **more) -> Statement:
    rounded = round(value, digits)
    goal = year is None or year > BASE
    fields = {"sense": "equal", "role": "target" if goal else "baseline", "unit": CATALOGUE[indicator].unit, "year": year, **more}
    return Statement(indicator=indicator, region=place, value=int(rounded) if digits == 0 else rounded,
                     at=Source(locus="table", section="1"), **fields)


rates = st.floats(-0.03, 0.15)


@st.composite
def economies(draw) -> tuple[Statement, ...]:
    """Statements read off one economy that exists, rounded as plans round."""
    gdp, g, share = draw(st.floats(50, 5000)), draw(rates), draw(st.tuples(st.floats(0.1, 0.5), st.floats(0.1, 0.5)))
    va = draw(st.tuples(st.floats(0.19, 0.29), st.floats(0.19, 0.29)))
    product = draw(st.tuples(st.floats(10, 60), st.floats(10, 60)))
    invest, h, digits = gdp * draw(st.floats(0.15, 0.5)), draw(rates), draw(st.integers(0, 3))
    end = gdp * (1 + g) ** YEARS
    output = (share[0] * gdp / va[0], share[1] * end / va[1])
    parts = draw(st.lists(st.floats(0.01, 0.3), min_size=2, max_size=3))
    clusters = ("cluster_revenue_biomedicine", "cluster_revenue_new_energy", "cluster_revenue_high_end_equipment")
    delta = draw(st.floats(1.01, 9))
    made = [
        says("gdp", gdp, digits, BASE), says("gdp", end, digits),
        says("gdp_growth", 100 * g, 1, None, period=(BASE + 1, END), aggregate="mean"),
        says("manufacturing_share", 100 * share[0], 1, BASE), says("manufacturing_share", 100 * share[1], 1),
        says("gross_industrial_output", output[0], digits, BASE), says("gross_industrial_output", output[1], digits),
        says("labour_productivity", product[0], 1, BASE), says("labour_productivity", product[1], 1),
        says("fixed_asset_investment", invest, 2, BASE),
        says("fixed_asset_investment", sum(invest * (1 + h) ** k for k in range(1, YEARS + 1)), 1, None, period=(BASE + 1, END),
             aggregate="sum"),
        says("gdp", delta * end, digits, place="delta"), says("gdp_share_of_city", 100 / delta, 2),
        *(says(c, p * output[1], digits) for c, p in zip(clusters, parts, strict=False)),
    ]
    keep = draw(st.lists(st.booleans(), min_size=len(made), max_size=len(made)))
    return tuple(s for s, kept in zip(made, keep, strict=True) if kept) or tuple(made[:1])


@slow
@given(economies())
def test_an_economy_that_exists_is_never_called_inconsistent(statements):
    verdict = check(plan(*statements), "port", identities=IDENTITIES, alternatives=False)
    assert verdict.verdict in ("consistent", "strained")
    at = verdict.witness
    for s in statements:
        time = s.year if s.period is None else (s.aggregate, *s.period)
        x, (low, high) = at[Quantity(s.indicator, s.place, time)], s.interval()
        assert low - 1e-6 * abs(low) - 1e-9 <= x <= high + 1e-6 * abs(high) + 1e-9

    def q(name: str, time, place: str = "port") -> float | None:
        return at.get(Quantity(name, place, time))

    mean, total = ("mean", BASE + 1, END), ("sum", BASE + 1, END)
    ties = [
        (lambda a, b, c: (a, b * (1 + c / 100) ** YEARS), q("gdp", END), q("gdp", BASE), q("gdp_growth", mean)),
        (lambda a, b, c: (a, sum(b * (1 + c / 100) ** k for k in range(1, YEARS + 1))), q("fixed_asset_investment", total),
         q("fixed_asset_investment", BASE), q("fixed_asset_investment_growth", mean)),
        *((lambda a, b, c: (a, b * c), q("gdp", y), q("labour_productivity", y), q("employment", y)) for y in (BASE, END)),
        *((lambda a, b, c, d: (a * b, c * d), q("gdp", y), q("manufacturing_share", y), q("va_rate", y), q("gross_industrial_output", y))
          for y in (BASE, END)),
        (lambda a, b, c: (100 * a, b * c), q("gdp", END), q("gdp_share_of_city", END), q("gdp", END, "delta")),
    ]
    for tie, *values in ties:
        if None not in values:
            left, right = tie(*values)
            assert left == pytest.approx(right, rel=2e-6)


@slow
@given(economies(), st.integers(0, 20), st.floats(0.5, 1.8))
def test_conflicts_are_infeasible_and_minimal(statements, which, factor):
    spoilt = list(statements)
    at = which % len(spoilt)
    value = round(spoilt[at].value * factor, 2)
    spoilt[at] = dataclasses.replace(spoilt[at], value=min(value, 99.0) if CATALOGUE[spoilt[at].indicator].kind == "share" else value)
    registry = plan(*spoilt)
    verdict = check(registry, "port", identities=IDENTITIES, alternatives=False)
    assert verdict.verdict != "undecided"
    by_id = {s.id: s for s in registry.statements}
    for conflict in verdict.conflicts:
        assert conflict.checked
        rows = [by_id[claim.id] for claim in conflict.claims]
        assert check(plan(*rows), "port", identities=IDENTITIES, alternatives=False).verdict == "inconsistent"
        for row in rows:
            rest = [r for r in rows if r is not row]
            if rest:
                assert check(plan(*rest), "port", identities=IDENTITIES, alternatives=False).verdict != "inconsistent"


@settings(slow, max_examples=25)
@given(economies(), st.floats(0.6, 1.5))
def test_a_repaired_plan_is_consistent(statements, factor):
    spoilt = [dataclasses.replace(s, value=round(s.value * factor, 2)) if (s.indicator, s.place, s.year) == ("gdp", "port", END) else s
              for s in statements]
    registry = plan(*spoilt)
    found = repair(registry, "port", identities=IDENTITIES, alternatives=0)
    if found.tier != "impossible" and not found.facts:
        mended = check(apply(registry, found.changes), "port", identities=IDENTITIES, alternatives=False)
        assert mended.verdict in ("consistent", "strained")


@settings(slow, max_examples=30)
@given(st.floats(1, 1e4), rates, st.integers(0, 2))
def test_an_implied_range_holds_what_was_left_out(start, rate, digits):
    end = start * (1 + rate) ** YEARS
    registry = plan(says("gdp", end, digits), says("gdp_growth", 100 * rate, 1, None, period=(BASE + 1, END), aggregate="mean"))
    if registry.statements[0].interval()[0] <= 0:
        return
    found, = implied(registry, "port", "gdp", BASE, identities=IDENTITIES, priors=False)
    assert found.low is not None and found.high is not None
    assert found.low * (1 - 1e-5) <= start <= found.high * (1 + 1e-5)


def hard_case() -> tuple[System, int]:
    """No bound on any scale, and a clash that only all products together show: x y = z, z = 2 w, w = x v, v = 3 y."""
    system = System()
    x, y, z, w, v = (system.variable() for _ in range(5))
    t = Terms.variable
    for tag, (left, right) in enumerate(((t(x) * t(y), t(z)), (t(z), 2 * t(w)), (t(w), t(x) * t(v)), (t(v), 3 * t(y)))):
        system.add(left, "==", right, tag)
    system.elements += [Element(x, 1, 1.0), Element(y, 1, 1.0), Element(v, -1, 1e6), Element(z, -1, 1e6), Element(w, 1, 0.1),
                        Element(y, -1, 1e5)]
    return system, 63


def test_solver_limits_give_undecided():
    system, mask = hard_case()
    assert Oracle(system, Limits(seconds=0, nodes=0)).ask(mask).feasible is None
    assert Oracle(system).ask(mask).feasible is False


@settings(slow, max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from([1, -1]), st.floats(0.1, 10)), min_size=2, max_size=7),
       st.floats(0.5, 2), st.floats(0.5, 2))
@example([(0, 1, 1.0), (1, 1, 4.0), (1, 1, 5.0), (2, 1, 1.0)], 0.5, 1.0)  # a bound little tighter than another one counts
def test_minimal_conflicts_against_brute_force(bounds, a, b):
    """All minimal conflicts of x y == a z and z == b w, against every subset tried by linear arithmetic in logarithms."""
    from scipy.optimize import linprog

    system = System()
    x, y, z, w = (system.variable() for _ in range(4))
    system.add(Terms.variable(x) * Terms.variable(y), "==", a * Terms.variable(z), 0)
    system.add(Terms.variable(z), "==", b * Terms.variable(w), 1)
    system.elements += [Element(v, side, value) for v, side, value in bounds]

    def feasible(mask: int) -> bool:
        box = [[log(1e-6), log(1e9)] for _ in range(4)]
        for e in bits(mask):
            v, side, value = bounds[e]
            box[v][side < 0] = max(box[v][0], log(value)) if side > 0 else min(box[v][1], log(value))
        if any(low > high + 1e-9 for low, high in box):
            return False
        return linprog([0] * 4, A_eq=[[1, 1, -1, 0], [0, 0, 1, -1]], b_eq=[log(a), log(b)], bounds=box).status == 0

    count = len(bounds)
    bad = [m for m in range(1 << count) if not feasible(m)]
    least = {m for m in bad if not any(o != m and o & ~m == 0 for o in bad)}
    found, corrections, complete = Oracle(system).conflicts((1 << count) - 1, limit=100, tries=1000)
    assert complete and set(found) == least
    assert all(feasible(((1 << count) - 1) & ~c) for c in corrections)


def test_a_statement_that_allows_no_value():
    with pytest.raises(InvalidInput, match="things counted are whole"):
        check(plan(says("high_tech_enterprises", 2.5, 1)), "port", identities=IDENTITIES)
