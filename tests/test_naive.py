"""The engine against the plain simulator of `naive.py`: every variable, every year, every scenario, both methods."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import naive
import numpy as np
import pytest

from simulate import runs
from simulate.distributions import Distribution
from simulate.scenarios import LeverSetting, PathSetting, Scenario, Shock, list_scenarios, load_scenario
from simulate.setups import Setup

SCENARIOS = {s.id: s for s in list_scenarios()}
METHODS = {"euler": naive.euler, "rk4": naive.rk4}

# A difference of two numbers is compared on the scale of those numbers, not on its own.
SCALE = {"net_hiring": "labour", "migration": "real_wage", "recovery": "utilisation", "labour_supply_growth": "real_wage",
         "labour_inflow": "labour_supply",
         "value_added_ratio_gain": "value_added_ratio", "technology_growth": "technology", "log_gdp_index": "utilisation"}

THZ = load_scenario("thz-baseline")
CASES: dict[str, Scenario] = {
    # jumps and kinks on and off the edges of steps, levers drawn, a budget that binds
    "levers": dataclasses.replace(
        THZ, steps_per_year=4, parameters={"policy_budget_share": 0.03},
        levers={name: LeverSetting(level=0.3 + 0.07 * k, start=2019.5 + 0.6 * k, ramp=float(k % 4)) for k, name in enumerate(naive.LEVERS)},
        uncertainties={"levers.rd_support": Distribution(uniform=(0.2, 1.0)), "cost_talent": Distribution(uniform=(0.0, 0.1))}),
    "shocks": dataclasses.replace(
        THZ, steps_per_year=3, levers={"trade_consumption": LeverSetting(level=1.0, start=2022.0)},
        shocks={"long": Shock(start=2021.1, size=0.3, duration=2.3), "over it": Shock(start=2022.5, size=0.2, duration=0.5),
                "slump": Shock(start=2020.0, size=0.4, duration=1.5, on="investment"),
                "second": Shock(start=2024.2, size=0.1, duration=0.7, on="investment")},
        uncertainties={"shocks.long": Distribution(uniform=(0.0, 0.5)), "shocks.second": Distribution(choice=(0.1, 0.9))}),
    "paths": dataclasses.replace(
        THZ, steps_per_year=2, levers={"talent": LeverSetting(level=1.0, start=2021.0, ramp=5.0)},
        paths={"fixed_asset_investment": PathSetting(total=1500.0, period=(2022, 2026), after="hold"),
               "rd_intensity": PathSetting(values={2023: 9.0, 2024: 4.0, 2029: 6.5}, unit="%"),
               "labour_supply_growth": PathSetting(values={2022: 0.03, 2024: -0.02}, after="hold"),
               "registrations": PathSetting(values={2020: 0.5, 2021: 1.5, 2026: 0.1}),
               "cluster_revenue": PathSetting(values={2025: 300.0}),
               "real_wage": PathSetting(values={2033: 1.4}, after="hold"),
               "gdp": PathSetting(total=7000.0, period=(2021, 2030)),
               "policy_talent": PathSetting(values={2021: 0.2, 2030: 0.9}),
               "high_tech_enterprises": PathSetting(values={2022: 2500.0}, unit="家")}),
    "one step a year": dataclasses.replace(THZ, steps_per_year=1, levers={"finance": LeverSetting(level=1.0, start=2023.5, ramp=2.0)}),
    "parameters": dataclasses.replace(
        THZ, steps_per_year=4, parameters={"capital_share[industry]": 0.2, "depreciation_rate": 0.2, "cluster_premium[biomedicine]": 0.4,
                                           "eaglet_enterprises_base": 7.0, "replenishment": 0.0, "certificate_step": 2.0,
                                           "utilisation_base": 0.5, "sector_share[industry]": 0.9}),
}


def numbers(setup: Setup, parameters: Mapping[str, Any], k: int) -> dict[str, Any]:
    """Run k's parameters as plain floats, by element where there are elements."""
    names = {"sector": setup.sectors, "cluster": setup.clusters}
    found: dict[str, Any] = {}
    for p in setup.model.parameters:
        array = parameters[p.name]
        if p.name == "cluster_membership":
            continue
        column = array[..., k if array.shape[-1] > 1 else 0]
        found[p.name] = dict(zip(names[p.over], column.tolist(), strict=True)) if p.over else float(column)
    return found


def world(setup: Setup, parameters: Mapping[str, Any], drawn: Mapping[str, Any], k: int) -> naive.World:
    """Run k as the plain simulator wants it."""
    s = setup.scenario

    def size(key: str, given: float) -> float:
        return float(drawn[key][k]) if key in drawn else given

    return naive.World(
        numbers(setup, parameters, k), setup.base_year, setup.sectors, {c: setup.region.clusters[c].sector for c in setup.clusters},
        {n: naive.Lever(size(f"levers.{n}", v.level), v.start, v.ramp) for n, v in s.levers.items()},
        tuple(naive.Shock(v.on, v.start, size(f"shocks.{n}", v.size), v.duration) for n, v in s.shocks.items()),
        {n: naive.Path(v.after == "hold", v.values, v.total, v.period) for n, v in setup.path_points.items()})  # type: ignore[arg-type]


def compare(scenario: Scenario, count: int) -> None:
    """Every variable of `count` runs at every year, within 1e-12 of its scale."""
    setup = runs.setups.resolve(runs.load_registry(), scenario)
    model = setup.model
    names = [s.name for s in model.stocks] + [e.name for e in model.equations] + [i.name for i in model.inputs]
    found = runs.run(scenario, runs=count, keep=names)
    assert found.finite.all()
    parameters = setup.parameters(found.drawn)
    elements = {"sector": setup.sectors, "cluster": setup.clusters}
    faults = []
    for k in range(count):
        rows = naive.simulate(world(setup, parameters, found.drawn, k), scenario.horizon - setup.base_year, scenario.steps_per_year,
                              METHODS[scenario.method])
        expected = {n: np.array([list(r[n].values()) if model.over[n] else [r[n]] for r in rows]) for n in names}
        for n in names:
            over = model.over[n]
            assert not over or tuple(rows[0][n]) == elements[over]
            engine = found.values[n][..., k].reshape(expected[n].shape)
            scale = np.maximum(np.abs(expected[n]), np.abs(expected[SCALE[n]]) if n in SCALE else 0)
            error = np.abs(engine - expected[n])
            bad = error > 1e-12 * scale
            if bad.any():
                year = int(np.argwhere(bad)[0][0])
                faults.append(f"run {k}: {n} in year {year}: engine {engine[year]}, plain {expected[n][year]}")
    assert not faults, "\n".join(faults[:20])


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("id", SCENARIOS)
def test_scenarios(id: str, method: str) -> None:
    compare(dataclasses.replace(SCENARIOS[id], method=method), 2)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("case", CASES)
def test_hard_cases(case: str, method: str) -> None:
    compare(dataclasses.replace(CASES[case], method=method), 3)


def test_a_policy_imposed_without_its_lever() -> None:
    compare(dataclasses.replace(THZ, paths={"policy_talent": PathSetting(values={2021: 0.2, 2030: 0.9})}), 1)


def test_the_three_regions_are_there() -> None:
    assert {s.region for s in SCENARIOS.values()} >= {"thz", "teda", "tianjin"}
    assert any(s.levers for s in SCENARIOS.values())
    assert any(s.shocks for s in SCENARIOS.values())
    assert any(s.paths for s in SCENARIOS.values())


def test_the_plain_simulator_on_its_own() -> None:
    """Its pieces against numbers from paper, so that it is a witness and not an echo."""
    assert naive.growth_to_total(100.0, 110 + 121 + 133.1, 3) == pytest.approx(0.1, rel=1e-12)
    assert naive.risen(2021.0, 2.0, 2021.0, 2021.1) == 0.25  # half a year after 1 January 2021, of two years
    assert [naive.risen(2021.0, 0.0, 2020.5, m) for m in (2020.4, 2020.6)] == [0.0, 1.0]
    rate = naive.shock_rate((naive.Shock("utilisation", 2022.0, 0.2, 2.0),), 2022.0)
    assert math.exp(-2 * rate) == pytest.approx(0.8, rel=1e-15)
    assert naive.imposed({2020: 1.0, 2022: 3.0}, False, 2021.5, 2021.5) == 2.5
    assert naive.imposed({2020: 1.0, 2022: 3.0}, False, 2022.0, 2021.9) == 3.0
    assert naive.imposed({2020: 1.0, 2022: 3.0}, False, 2022.0, 2022.1) is None
    assert naive.imposed({2020: 1.0, 2022: 3.0}, True, 2030.0, 2030.1) == 3.0
    decay = naive.rk4(lambda s, t, m: {"x": -s["x"]}, {"x": 1.0}, 0.0, 0.1)
    assert decay["x"] == pytest.approx(1 - 0.1 + 0.1**2 / 2 - 0.1**3 / 6 + 0.1**4 / 24, rel=1e-15)
    assert naive.euler(lambda s, t, m: {"x": -s["x"]}, {"x": 1.0}, 0.0, 0.1)["x"] == 0.9
