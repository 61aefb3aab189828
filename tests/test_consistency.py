"""The consistency engine against truths worked by hand, stated here in plain arithmetic apart from the engine."""

from __future__ import annotations

import pytest

from simulate import growth
from simulate.consistency import Verdict, accounting, apply, check, implied, repair, what_if
from simulate.errors import InvalidInput
from simulate.identities import load_identities
from simulate.registry import Registry, load_registry


@pytest.fixture(scope="module")
def registry() -> Registry:
    return load_registry()


@pytest.fixture(scope="module")
def hi_tech(registry: Registry) -> Verdict:
    return check(registry, "thz")


@pytest.fixture(scope="module")
def teda(registry: Registry) -> Verdict:
    return check(registry, "teda")


def bounds(conflict) -> set[tuple[str, str, float]]:
    return {(c.indicator, c.side, c.value) for c in conflict.claims}


# --- hi-tech zone, clusters

IT, SERVICES = ("cluster_revenue_it_innovation", "at_least", 1500.0), ("cluster_revenue_emerging_services", "at_least", 1500.0)
ENERGY, MEDICINE = ("cluster_revenue_new_energy", "at_least", 500.0), ("cluster_revenue_biomedicine", "at_least", 200.0)
EQUIPMENT = ("cluster_revenue_high_end_equipment", "at_least", 200.0)
ROOM = {("gross_industrial_output", "at_most", 1200.0), ("services_revenue", "at_most", 2450.0)}


def test_five_clusters_exceed_output_and_services_revenue(hi_tech):
    room = 1200.5 + 2450.5
    assert 1499.5 + 1499.5 + 499.5 + 199.5 > room  # one of the two clusters of 200 is enough
    assert 1499.5 + 1499.5 + 499.5 <= room and 1499.5 + 499.5 + 2 * 199.5 <= room  # and none else can be left out
    clashes = [bounds(c) for c in hi_tech.conflicts if "clusters_within_turnover@2025 (thz)" in c.identities]
    assert len(clashes) == 2
    assert set(map(frozenset, clashes)) == {frozenset({IT, SERVICES, ENERGY, one, *ROOM}) for one in (MEDICINE, EQUIPMENT)}
    assert hi_tech.verdict == "inconsistent"


def test_the_clusters_fit_if_they_may_include_wholesale(hi_tech):
    assert 3900 <= 1200 + 2450 + 4400
    for conflict in hi_tech.conflicts:
        if "clusters_within_turnover@2025 (thz)" in conflict.identities:
            assert {"reading": "clusters", "option": "with_wholesale"} in conflict.dissolves_if


def test_a_mixed_cluster_may_be_split_between_output_and_services(registry):
    """Fewer statements, the second form: 900 of output taken, 300 left for hardware, so 1,200 + 1,500 > 2,450 of services."""
    hardware = 1200.5 - (199.5 + 499.5 + 199.5)
    assert 1499.5 - hardware + 1499.5 > 2450.5


# --- hi-tech zone, ranges without that nesting

WIDE = {"clusters": "with_wholesale"}


def test_implied_gdp_of_the_base_year(registry):
    low, high = 0.18 * 718.245 / 0.265, 1050 / 1.1**5
    found, = implied(registry, "thz", "gdp", 2020, readings=WIDE)
    assert (found.low, found.high) == (pytest.approx(low, rel=1e-5), pytest.approx(high, rel=1e-5))
    assert (round(low), round(high)) == (488, 652)
    assert {(c.indicator, c.kind) for c in found.low_binding} == {
        ("gross_industrial_output", "statement"), ("manufacturing_share", "statement"), ("va_rate", "prior")}
    assert {c.indicator for c in found.high_binding} == {"gdp_growth", "gdp"}


def test_implied_mean_growth(registry):
    high = (1050 / (0.18 * 718.245 / 0.265)) ** 0.2 - 1
    found, = implied(registry, "thz", "gdp_growth", "mean:2021-2025", readings=WIDE, including=True)
    assert (found.low, found.high) == (pytest.approx(10, abs=1e-4), pytest.approx(100 * high, abs=1e-3))
    assert round(100 * high, 1) == 16.6


def test_implied_growth_of_investment(registry):
    ends = [100 * growth.flow_growth(b, t, 5) for b, t in ((140.625, 936.5), (140.615, 937.5))]
    found, = implied(registry, "thz", "fixed_asset_investment_growth", "mean:2021-2025", readings=WIDE)
    assert (found.low, found.high) == (pytest.approx(ends[0], abs=1e-3), pytest.approx(ends[1], abs=1e-3))
    assert round(100 * growth.flow_growth(140.62, 937, 5), 1) == 9.7


def test_constant_value_added_ratio_clashes_with_share_output_and_growth(registry):
    assert 0.265 / 0.29 * 1200.5 / 718.245 < 1.1**5
    verdict = check(registry, "thz", readings={**WIDE, "value_added_ratio": "constant"}, alternatives=False)
    assert {"manufacturing_share", "gross_industrial_output", "gdp_growth"} in [{c.indicator for c in x.claims} for x in verdict.conflicts]


def test_employment_outgrows_the_insured(registry, hi_tech):
    employment, insured = growth.cagr(1, 1.1**5 / (51 / 38), 5), growth.cagr(12.4, 13.6, 5)
    assert (round(100 * employment, 1), round(100 * insured, 1)) == (3.7, 1.9)
    found, = implied(registry, "thz", "employment_growth", "mean:2021-2025", readings=WIDE)
    assert found.low == pytest.approx(100 * growth.cagr(1, 1.1**5 / (51.5 / 37.5), 5), abs=1e-3)
    assert any("prior:insured_with_employment" in strain.ids for strain in hi_tech.strains)


# --- TEDA


def test_three_times_by_2035_agrees_with_its_growth(registry, teda):
    assert abs(1.075**15 / 3 - 1) < 0.014
    named = {c.indicator for x in (*teda.conflicts, *teda.strains) for c in x.claims}
    assert "gross_industrial_output_growth" not in named
    found, = implied(registry, "teda", "gross_industrial_output_growth", "mean:2021-2025", readings={"people": "other"})
    assert found.low == pytest.approx(100 * growth.cagr(5090.5, 7499.5, 5), abs=1e-3)
    assert round(100 * growth.cagr(5090, 7500, 5), 2) == 8.06


def test_patents_per_resident(teda):
    assert 200.5 * 30.5 < 7000
    clash, = [c for c in teda.conflicts if any(i.startswith("patents_per_head") for i in c.identities)]
    assert bounds(clash) == {("valid_invention_patents", "at_least", 7000.0), ("resident_population", "at_most", 30.0),
                             ("invention_patents_per_10k_people", "at_most", 200.0)}
    assert {"reading": "people", "option": "other"} in clash.dissolves_if


# --- across documents


@pytest.mark.parametrize("region", ["thz", "tianjin"])
def test_firms_of_the_zone_and_of_the_city(registry, region):
    assert round(1597 / 0.2165 + 0.5) == 7377 and int(1597 / 0.2155) == 7410
    verdict = check(registry, region, alternatives=False)
    assert {("high_tech_enterprises", "at_most", 1597.0), ("high_tech_enterprises_share_of_city", "at_least", 21.6),
            ("high_tech_enterprises", "at_least", 7420.0)} in [bounds(c) for c in verdict.conflicts]


def test_the_city_total_that_the_share_implies(registry):
    found, = implied(registry, "tianjin", "high_tech_enterprises", 2020)
    assert (found.low, found.high) == (pytest.approx(1597 / 0.2165, rel=1e-6), pytest.approx(1597 / 0.2155, rel=1e-6))


def test_city_rd_intensity_in_two_documents(registry):
    assert "thz-14fyp:rd_intensity[tianjin]@2020" in registry.superseded and 3.25 < 3.275


def test_two_zones_fit_within_the_city(registry):
    assert (1597 + 784) / 7420 == pytest.approx(0.321, abs=5e-4) and (2500 + 1500) / 11600 == pytest.approx(0.345, abs=5e-4)
    assert round(100 * growth.cagr(7420 - 2381, 11600 - 4000, 5), 2) == 8.57
    verdict = check(registry, "tianjin", alternatives=False)
    assert not any("together_within_parent" in i for c in verdict.conflicts for i in c.identities)


# --- growth accounting


def test_ten_percent_needs_productivity_beyond_its_band(registry):
    needs = {n.indicator: n for n in accounting(registry, "thz", readings=WIDE)}
    tfp = needs["tfp_growth"]
    assert tfp.verdict == "above" and tfp.low is not None and 4 < tfp.low < 6 and "above what is plausible" in tfp.en


# --- repair, what-if, readings


def test_repair_of_the_clusters_is_the_cheapest_and_mends_them(registry):
    found = repair(registry, "thz")
    assert [(c.indicator, c.stated) for c in found.changes] == [("services_revenue", 2450.0)]
    needed = 2 * 1500 + 499.5 + 2 * 199.5 - 1200.5  # two of the texts say more than 1,500 and more than 500
    assert needed - 1.5 <= found.changes[0].needed <= needed + 1.5
    after = check(apply(registry, found.changes), "thz", alternatives=False)
    assert not any("clusters" in i for c in after.conflicts for i in c.identities)
    assert found.facts and found.facts[0].ids == {c.id for c in found.facts[0].claims}


def test_repairs_that_tie_are_listed(registry):
    found = repair(registry, "teda")
    assert found.tied and len(found.alternatives) == 2
    mended = check(apply(registry, found.changes), "teda", alternatives=False)
    assert mended.verdict in ("consistent", "strained")


def test_what_if_a_target_is_raised(registry):
    found = what_if(registry, "thz", {"services_revenue@2025": 2700})
    assert len(found["dissolved"]) == 2 and not found["appeared"]


def test_targets_as_floors(registry, teda):
    assert {"reading": "targets", "option": "floor", "used": False, "verdict": "consistent"} in [dict(r) for r in teda.readings]
    assert check(registry, "teda", reading="floor", alternatives=False).witness


def test_json_has_the_promised_keys(hi_tech):
    data = hi_tech.to_json()
    assert {"region", "verdict", "readings", "conflicts", "witness"} <= set(data)
    row = data["conflicts"][0]["statements"][0]
    assert {"id", "indicator", "year", "side", "value", "unit", "source"} <= set(row) and row["side"] in ("at_least", "at_most")


# --- bad input


def test_unknown_names(registry):
    with pytest.raises(InvalidInput, match="is not known"):
        check(registry, "nowhere")
    with pytest.raises(InvalidInput, match="not an option"):
        check(registry, "thz", reading="ceiling")
    with pytest.raises(InvalidInput, match="no statement or identity touches"):
        implied(registry, "thz", "dredging_volume", 2025)
    with pytest.raises(InvalidInput, match="is not understood"):
        what_if(registry, "thz", {"gdp@2025": "a lot"})


def test_an_identity_naming_an_unknown_indicator(registry, tmp_path):
    file = tmp_path / "more.yaml"
    file.write_text("identities:\n  - {id: wrong, zh: 错, en: wrong, formula: gpd == labour_productivity * employment}\n", encoding="utf-8")
    with pytest.raises(InvalidInput, match="'gpd' is neither an indicator nor an auxiliary") as caught:
        load_identities(registry.catalogue, file)
    assert "more.yaml:2" in str(caught.value) and "'gdp'" in str(caught.value)
