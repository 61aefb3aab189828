"""The regional model: base year, conservation, steady state, extreme conditions, monotone levers, named loops."""

import dataclasses
import functools
import itertools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulate import runs, units
from simulate.model import Stock
from simulate.parameters import LEVERS
from simulate.region import LOOPS, Loop, regional_model
from simulate.registry import load_registry
from simulate.runs import Trajectories
from simulate.scenarios import LeverSetting, Scenario, Shock, load_scenario

MODEL = regional_model()
STOCKS = tuple(s.name for s in MODEL.stocks)
EVERYTHING = (*STOCKS, *(e.name for e in MODEL.equations))
REGIONS = ("thz", "teda", "tianjin")
each_region = pytest.mark.parametrize("region", REGIONS)
untimed = settings(deadline=None, max_examples=12)


def baseline(region: str, **changes: Any) -> Scenario:
    return dataclasses.replace(load_scenario(f"{region}-baseline"), **changes)


def levers(level: float = 1.0, start: float = 2021.0, ramp: float = 0.0, names: Any = tuple(LEVERS)) -> dict[str, LeverSetting]:
    return {name: LeverSetting(level=level, start=start, ramp=ramp) for name in names}


def with_parameters(region: str, parameters: Mapping[str, float], **changes: Any) -> Scenario:
    return baseline(region, parameters=dict(parameters), **changes)


@functools.cache
def ensemble(region: str) -> Trajectories:
    return runs.run(baseline(region), runs=300, keep=EVERYTHING)


# ---------------------------------------------------------------- base year

@each_region
def test_stated_baselines_are_reproduced(region: str) -> None:
    """Every projected indicator that a document states for the base year starts there, in every run of an ensemble."""
    found, registry = ensemble(region), load_registry()
    checked = set()
    for id, output in found.outputs.items():
        stated = registry.stated(region, id, found.setup.base_year)
        if stated is not None and stated.sense == "equal":
            value = units.convert(float(stated.value or 0), stated.unit, output.unit)
            assert found.indicator(id)[0] == pytest.approx(np.full(300, value), rel=1e-9), id
            checked.add(id)
    assert len(checked) >= {"thz": 15, "teda": 9, "tianjin": 2}[region]


@each_region
def test_assumed_base_values_are_reproduced(region: str) -> None:
    """An input that no document states starts at what the run has drawn for it."""
    found = ensemble(region)
    checked = 0
    for key, drawn in found.drawn.items():
        variable = key.removesuffix("_base")
        if key.endswith("_base") and variable in found.values and key in {o.name for o in found.setup.origins}:
            assert found.values[variable][0] == pytest.approx(drawn, rel=1e-9), key
            checked += 1
    assert checked >= {"thz": 1, "teda": 2, "tianjin": 7}[region]


@each_region
def test_base_year_is_consistent(region: str) -> None:
    """What must fit together in the base year does, in every run."""
    found = ensemble(region)
    v = {name: array[0] for name, array in found.values.items()}
    p = found.setup.parameters(found.drawn)
    close = functools.partial(pytest.approx, rel=1e-9)
    assert v["output"].sum(axis=0) == close(v["gdp"])
    assert v["output"] == close(v["value_added_base"])
    assert v["labour_productivity"] * v["employment"] == close(v["gdp"])
    assert v["labour_supply"] == close(v["employment"])
    industry = (p["industrial"] * v["output"]).sum(axis=0)
    assert v["value_added_ratio"] * v["gross_industrial_output"] == close(industry)
    assert v["industrial_share"] * v["gdp"] == close(industry)
    assert v["rd_expenditure"] == close(p["rd_intensity_base"] * v["gdp"])
    assert v["certified_1"] + v["certified_2"] + v["certified_3"] == close(np.broadcast_to(p["high_tech_enterprises_base"], (300,)))
    assert v["completion"] == close(v["capital_formation"])
    assert v["capital_formation"].sum(axis=0) == close(p["capital_formation_share"] * v["fixed_asset_investment"])
    assert v["rd_matured"] == close(v["rd_effective"])
    assert v["desired_labour"] == close(v["labour"])
    for name in ("total_factor_productivity", "human_capital", "real_wage", "outside_wage", "technology", "price_level", "funding",
                 "energy_intensity", "return_index", "cluster_position"):
        assert v[name] == close(np.ones_like(v[name])), name
    assert v["nominal_gdp"] == close(v["gdp"])
    assert v["general_budget_revenue"] == close(p["budget_share_base"] * v["gdp"])


@each_region
def test_base_growth_is_the_drawn_one(region: str) -> None:
    """Rates of change in the base year: what the base-growth parameters say."""
    found = ensemble(region)
    v = {name: array[0] for name, array in found.values.items()}
    p = found.setup.parameters(found.drawn)
    close = functools.partial(pytest.approx, rel=1e-9)
    assert v["completion"] - v["depreciation"] == close(p["trend_growth_base"] * v["capital"])
    assert v["rd_matured"] - v["knowledge_obsolescence"] == close(p["trend_growth_base"] * v["knowledge"])
    assert v["registrations"] - v["deregistrations"] == close(p["entity_growth_base"] * v["market_entities"])
    closures = v["closures_1"] + v["closures_2"] + v["closures_3"]
    assert v["recognitions"] + v["renewals"] - v["expiries"] - closures == close(p["certified_growth_base"] * v["high_tech_enterprises"])
    for name, gain, loss in (("eaglet_enterprises", "eaglet_entries", ("gazelle_promotions", "eaglet_exits")),
                             ("gazelle_enterprises", "gazelle_promotions", ("listings", "gazelle_exits")),
                             ("listed_enterprises", "listings", ("delistings",))):
        net = v[gain] - sum(v[x] for x in loss)
        assert net == pytest.approx(p["ladder_growth_base"] * v[name], rel=1e-9, abs=1e-12 * v[gain].max()), name
    exits = v["recognitions"] + v["candidate_exits"]
    entered = v["technology_startups"] + v["reapplicants"]
    enough = p["replenishment"] * exits >= v["reapplicants"]
    assert entered[enough] == close((p["replenishment"] * exits)[enough])
    assert (v["technology_startups"][~enough] == 0).all()


# ---------------------------------------------------------------- conservation

BUSY: dict[str, Any] = {  # everything that can move, moves
    "levers": levers(0.7, 2021.25, 2.0), "shocks": {"slump": Shock(start=2023.0, size=0.2, duration=1.5, on="investment")}}


@pytest.mark.parametrize("region", ["thz", "tianjin"])
def test_stocks_change_by_their_flows(region: str) -> None:
    """With one Euler step a year, next year's stock is this year's plus this year's flows: nothing else moves a stock."""
    v = runs.run(baseline(region, method="euler", steps_per_year=1, **BUSY), runs=20, keep=EVERYTHING).values
    balance = {
        "capital": v["completion"] - v["depreciation"],
        "pipeline": v["capital_formation"] - v["completion"],
        "knowledge": v["rd_matured"] - v["knowledge_obsolescence"],
        "rd_in_progress": v["rd_expenditure"] * (v["rd_effective"] / v["rd_expenditure"]) - v["rd_matured"],
        "candidates": v["technology_startups"] + v["reapplicants"] - v["recognitions"] - v["candidate_exits"],
        "market_entities": v["registrations"] - v["deregistrations"],
        "labour": v["net_hiring"],
        "labour_supply": v["labour_inflow"],
        "utilisation": v["recovery"] - v["shock_loss"],
        "technology": v["technology_growth"],
        "cluster_position": v["cluster_gain"] - v["cluster_saturation"],
        "value_added_ratio": v["value_added_ratio_gain"],
        "energy_intensity": -v["energy_saving"],
        "certified_1": v["recognitions"] + v["renewals"] + v["relocations"] - v["ageing_1"] - v["closures_1"],
        "certified_2": v["ageing_1"] - v["ageing_2"] - v["closures_2"],
        "certified_3": v["ageing_2"] - v["expiries"] - v["closures_3"],
        "eaglet_enterprises": v["eaglet_entries"] - v["gazelle_promotions"] - v["eaglet_exits"],
        "gazelle_enterprises": v["gazelle_promotions"] - v["listings"] - v["gazelle_exits"],
        "listed_enterprises": v["listings"] - v["delistings"],
    }
    assert set(balance) == set(STOCKS)
    for name, net in balance.items():
        assert v[name][1:] == pytest.approx(v[name][:-1] + net[:-1], rel=1e-12), name


def with_meters(*flows: str) -> Any:
    """The model with a meter on each of the flows: a stock, started anywhere, that only gathers it."""
    start = {("CNY100M/year", "sector"): "pipeline_base", ("CNY100M/year", None): "knowledge_base", ("firm/year", None): "candidates_base"}
    meters = tuple(Stock(f"sum_of_{flow}", MODEL.units[flow].removesuffix("/year"), start[MODEL.units[flow], MODEL.over[flow]], (flow,), (),
                         MODEL.over[flow]) for flow in flows)
    return dataclasses.replace(MODEL, stocks=(*MODEL.stocks, *meters))


METERED = ("completion", "depreciation", "capital_formation", "rd_effective", "rd_matured", "knowledge_obsolescence",
           "technology_startups", "relocations", "reapplicants", "candidate_exits", "closures_1", "closures_2", "closures_3", "expiries",
           "renewals", "recognitions")


@functools.cache
def metered() -> tuple[Callable[[str], Any], Mapping[str, Any]]:
    """What each flow has summed to since the base year, by year and run, and the trajectories, with the default method."""
    model = with_meters(*METERED)
    setup = dataclasses.replace(runs.run(baseline("thz", **BUSY), runs=1).setup, model=model)
    values = runs.project(setup, setup.draw(0, 10, 5), 10, [s.name for s in model.stocks])
    return lambda flow: values[f"sum_of_{flow}"] - values[f"sum_of_{flow}"][0], values


def test_capital_is_conserved() -> None:
    """What was invested is in the pipeline, in capital, or worn out."""
    summed, v = metered()
    grown = {name: v[name] - v[name][0] for name in STOCKS}
    assert grown["capital"] == pytest.approx(summed("completion") - summed("depreciation"), rel=1e-10, abs=1e-9)
    assert grown["capital"] + grown["pipeline"] == pytest.approx(summed("capital_formation") - summed("depreciation"), rel=1e-10, abs=1e-9)
    assert summed("completion")[-1].min() > 100


def test_knowledge_is_conserved() -> None:
    """What was researched is under way, known, or obsolete."""
    summed, v = metered()
    grown = {name: v[name] - v[name][0] for name in STOCKS}
    assert grown["knowledge"] == pytest.approx(summed("rd_matured") - summed("knowledge_obsolescence"), rel=1e-10, abs=1e-9)
    assert grown["knowledge"] + grown["rd_in_progress"] == pytest.approx(
        summed("rd_effective") - summed("knowledge_obsolescence"), rel=1e-10, abs=1e-9)
    assert summed("rd_effective")[-1].min() > 100


def test_firms_are_conserved() -> None:
    """Technology firms are candidates or certified; they come by founding or moving in, and go by closing or for good on lapsing."""
    summed, v = metered()
    certified = v["certified_1"] + v["certified_2"] + v["certified_3"]
    closed = summed("closures_1") + summed("closures_2") + summed("closures_3")
    gone = summed("expiries") - summed("renewals") - summed("reapplicants")
    firms = certified + v["candidates"]
    came_and_went = summed("technology_startups") + summed("relocations") - summed("candidate_exits") - closed - gone
    assert firms - firms[0] == pytest.approx(came_and_went, rel=1e-10, abs=1e-8)
    assert certified - certified[0] == pytest.approx(
        summed("recognitions") + summed("relocations") - closed - summed("expiries") + summed("renewals"), rel=1e-10, abs=1e-8)
    assert gone[-1].min() > 10
    assert summed("relocations")[-1].max() > 10


# ---------------------------------------------------------------- steady state

STILL = {"trend_growth_base": 0.0, "productivity_growth": 0.0, "human_capital_growth": 0.0, "natural_labour_growth": 0.0,
         "outside_wage_growth": 0.0, "certified_growth_base": 0.0, "entity_growth_base": 0.0, "ladder_growth_base": 0.0,
         "value_added_ratio_drift": 0.0, "cluster_premium": 0.0, "energy_saving_rate": 0.0, "deflator_growth": 0.0,
         "utilisation_base": 1.0, "replenishment": 1.0, "certified_closure_rate": 0.0}


@each_region
def test_steady_state(region: str) -> None:
    """Nothing grows, nothing is done: fifteen years on, every variable of every run is where it was."""
    scenario = with_parameters(region, STILL, uncertainties={})
    found = runs.run(scenario, runs=50, keep=EVERYTHING)
    assert len(found.years) == 16
    for name, array in found.values.items():
        if name == "elapsed" or not array.size:
            continue
        scale = max(float(np.abs(array).max()), 1e-12)
        size = {"net_hiring": float(np.abs(found.values["labour"]).max())}.get(name, 1.0 if MODEL.units[name] in ("1", "1/year") else scale)
        assert np.abs(array - array[0]).max() <= 1e-11 * max(scale, size), name


@pytest.mark.parametrize(("parameter", "value", "moves"), [
    ("productivity_growth", 0.01, "gdp"), ("outside_wage_growth", 0.01, "labour_supply"), ("utilisation_base", 0.9, "gdp"),
    ("replenishment", 0.5, "candidates"), ("cluster_premium", 0.1, "cluster_position"), ("deflator_growth", 0.01, "price_level"),
    ("entity_growth_base", 0.05, "market_entities"), ("ladder_growth_base", 0.05, "listed_enterprises"),
    ("certified_growth_base", 0.1, "high_tech_enterprises"), ("trend_growth_base", 0.03, "capital"),
    ("value_added_ratio_drift", 0.001, "value_added_ratio"), ("energy_saving_rate", 0.01, "energy_intensity")])
def test_each_growth_parameter_moves_it(parameter: str, value: float, moves: str) -> None:
    """The steady state is one because every source of growth is shut, not because the model cannot move."""
    array = runs.run(with_parameters("thz", {**STILL, parameter: value}), central=True, keep=[moves]).values[moves]
    assert np.abs(array[-1] / array[0] - 1).min() > 0.01


# ---------------------------------------------------------------- extreme conditions

EXTREMES: dict[str, dict[str, float]] = {
    "no research": {"rd_intensity_base": 1e-12},
    "no certificate renewed": {"renewal_share": 0.0},
    "every certificate renewed": {"renewal_share": 1.0},
    "nothing lapses, closes or grows": {"renewal_share": 1.0, "certified_growth_base": 0.0, "certified_closure_rate": 0.0},
    "recognition hardly ever": {"recognition_rate": 1e-3},
    "recognition at once": {"recognition_rate": 4.0},
    "the pool is not refilled": {"replenishment": 0.0, "reapplication_share": 0.0},
    "no labour comes": {"natural_labour_growth": 0.0, "migration_response": 0.0},
    "labour leaves": {"natural_labour_growth": -0.05, "migration_response": 0.0},
    "half idle": {"utilisation_base": 0.5},
    "no elasticity": {"return_response": 0.0, "wage_response": 0.0, "knowledge_elasticity": 0.0, "entry_elasticity": 0.0,
                      "firm_rd_elasticity": 0.0, "budget_elasticity": 0.0, "migration_response": 0.0},
    "technology falls": {"productivity_growth": -0.03, "human_capital_growth": 0.0},
    "no budget": {"policy_budget_share": 0.0},
    "all industry": {"sector_share[industry]": 0.999},
    "hardly any industry": {"sector_share[industry]": 0.001, "gross_industrial_output_base": 2.5},
    "no ladder": {"eaglet_enterprises_base": 0.0, "gazelle_enterprises_base": 0.0, "listed_enterprises_base": 0.0},
    "eaglets not followed": {"eaglet_enterprises_base": 0.0},
    "gazelles not followed": {"gazelle_enterprises_base": 0.0},
    "only listed firms followed": {"eaglet_enterprises_base": 0.0, "gazelle_enterprises_base": 0.0},
    "no entry, no exit": {"deregistration_rate": 0.0, "entity_growth_base": 0.0},
}


@pytest.mark.parametrize("level", [None, 0.0, 1.0])
@pytest.mark.parametrize("case", EXTREMES)
def test_extreme_conditions(case: str, level: float | None) -> None:
    """Whatever is drawn beside them: every stock stays finite and none falls below zero, for thirty years (half idle, where
    returns double in a few years and draw ever more labour in, for the fifteen of a plan)."""
    horizon = 2035 if case == "half idle" else 2050
    scenario = with_parameters("thz", EXTREMES[case], horizon=horizon, levers={} if level is None else levers(level))
    found = runs.run(scenario, runs=100, keep=(*STOCKS, "gdp", "rd_intensity", "fixed_asset_investment", "funding"))
    for name, array in found.values.items():
        assert np.isfinite(array).all(), name
        assert array.min() >= 0, name
    assert found.values["gdp"].min() > 0
    assert found.values["funding"].max() <= 1


@each_region
def test_long_horizon(region: str) -> None:
    found = runs.run(baseline(region, horizon=2060, levers=levers(1.0, ramp=3.0)), runs=200, keep=(*STOCKS, "gdp", "rd_intensity"))
    for name, array in found.values.items():
        assert np.isfinite(array).all(), name
        assert (array >= 0).all(), name
    assert (found.values["cluster_position"] <= found.setup.parameters(found.drawn)["cluster_ceiling"] + 1e-12).all()


def test_no_research_means_no_growth_from_it() -> None:
    """Knowledge scales with research: the same relative course, and no certificate where nobody is certified anew."""
    some, none = (runs.run(with_parameters("thz", {"rd_intensity_base": x}), runs=10) for x in (0.05, 1e-12))
    assert none.values["gdp"] == pytest.approx(some.values["gdp"], rel=1e-9)
    assert none.values["rd_expenditure"] == pytest.approx(some.values["rd_expenditure"] * 2e-11, rel=1e-9)


def test_lapse_without_recognition() -> None:
    """No renewal, no recognition, no arrival: the certificates in force run out by exactly the ageing chain."""
    parameters = {"renewal_share": 0.0, "reapplication_share": 0.0, "replenishment": 0.0, "certified_closure_rate": 0.0,
                  "recognition_rate": 200.0, "candidate_exit_rate": 0.0, "certified_growth_base": 0.0}
    found = runs.run(with_parameters("thz", parameters, steps_per_year=128, horizon=2024), central=True, keep=["high_tech_enterprises"])
    t, third = np.arange(5.0), 1597 / 3
    pool = third / 200  # what the candidates still hand over
    c1, c2, c3 = np.exp(-t), t * np.exp(-t), t**2 / 2 * np.exp(-t)
    expected = third * ((c1) + (c2 + c1) + (c3 + c2 + c1)) + pool * (c1 + c2 + c3) * (t > 0)
    assert found.values["high_tech_enterprises"][:, 0] == pytest.approx(expected, rel=1e-4)


def test_utilisation_recovers_as_an_exponential() -> None:
    found = runs.run(with_parameters("thz", {"utilisation_base": 0.5, "recovery_time": 2.0}, steps_per_year=16), central=True)
    assert found.values["utilisation"][:, 0] == pytest.approx(1 - 0.5 * np.exp(-np.arange(16) / 2), rel=1e-7)


def test_levers_at_zero_are_no_levers() -> None:
    without, zero = (runs.run(baseline("teda", levers=x), runs=20, keep=EVERYTHING).values for x in ({}, levers(0.0)))
    for name in EVERYTHING:
        assert zero[name] == pytest.approx(without[name], rel=1e-14), name


def test_without_a_budget_levers_do_nothing() -> None:
    unpaid = functools.partial(with_parameters, "teda", {"policy_budget_share": 0.0})
    without, unfunded = (runs.run(unpaid(levers=x), runs=20, keep=("gdp", "policy_cost")).values for x in ({}, levers(1.0)))
    assert unfunded["gdp"] == pytest.approx(without["gdp"], rel=1e-14)
    assert (unfunded["policy_cost"] == 0).all()


def test_cost_never_exceeds_the_budget() -> None:
    found = runs.run(with_parameters("thz", {"policy_budget_share": 0.1}, levers=levers(1.0)), runs=100,
                     keep=("policy_cost", "general_budget_revenue", "planned_policy_cost", "funding"))
    v = found.values
    assert (v["policy_cost"] <= 0.1 * v["general_budget_revenue"] * (1 + 1e-12)).all()
    assert (v["policy_cost"] <= v["planned_policy_cost"] * (1 + 1e-12)).all()
    assert (v["funding"][-1] < 1).any()
    bound = v["funding"] < 1
    assert v["policy_cost"][bound] == pytest.approx(0.1 * v["general_budget_revenue"][bound], rel=1e-12)


# ---------------------------------------------------------------- monotone levers

AIM = {"investment_promotion": ("gdp", 1), "rd_support": ("rd_expenditure", 1), "enterprise_cultivation": ("high_tech_enterprises", 1),
       "business_environment": ("market_entities", 1), "talent": ("labour_supply", 1), "ai_digital": ("total_factor_productivity", 1),
       "green": ("energy_intensity", -1), "finance": ("capital", 1), "trade_consumption": ("utilisation", 1),
       "lead_clusters": ("cluster_revenue", 1)}


def test_every_lever_has_its_aim() -> None:
    assert set(AIM) == set(LEVERS)


@pytest.mark.parametrize("lever", AIM)
def test_more_of_a_lever_never_hurts_its_aim(lever: str) -> None:
    """Four strengths, the same draws: what the lever is for moves one way from each to the next, in every run."""
    aim, sign = AIM[lever]
    reached = [runs.run(baseline("thz", levers=levers(x, names=(lever,))), runs=20, keep=(aim,)) for x in (0.0, 0.3, 0.7, 1.0)]
    for less, more in itertools.pairwise(reached):
        for weak, strong in zip(less.values[aim][-1].ravel(), more.values[aim][-1].ravel(), strict=True):
            assert sign * (strong - weak) >= -1e-12 * abs(weak)
    assert (sign * (reached[-1].values[aim][-1] - reached[0].values[aim][-1]) > 0).all()


@pytest.mark.parametrize("lever", ["investment_promotion", "rd_support", "talent", "ai_digital", "finance", "trade_consumption",
                                   "enterprise_cultivation", "business_environment"])
def test_more_of_a_lever_never_lowers_gdp(lever: str) -> None:
    reached = [runs.run(baseline("teda", levers=levers(x, names=(lever,))), runs=20, keep=("gdp",)).values["gdp"]
               for x in (0.0, 0.3, 0.7, 1.0)]
    for less, more in itertools.pairwise(reached):
        assert (more >= less * (1 - 1e-13)).all()
    assert (reached[-1][-1] > reached[0][-1]).all()


@pytest.mark.parametrize(("parameter", "low", "high", "variable", "sign"), [
    ("productivity_growth", 0.0, 0.01, "gdp", 1), ("depreciation_rate", 0.06, 0.09, "capital_base", -1),
    ("renewal_share", 0.6, 0.9, "certified_3", 1), ("rd_lag", 1.0, 3.0, "rd_in_progress", 1),
    ("natural_labour_growth", -0.01, 0.01, "gdp", 1), ("outside_wage_growth", 0.02, 0.05, "labour_supply", -1),
    ("candidate_exit_rate", 0.05, 0.2, "technology_startups", 1), ("human_capital_growth", 0.0, 0.01, "labour_productivity", 1),
    ("value_added_ratio_drift", -0.002, 0.002, "gross_industrial_output", -1), ("entry_elasticity", 0.0, 1.2, "market_entities", 1)])
def test_direction_of_parameters(parameter: str, low: float, high: float, variable: str, sign: int) -> None:
    weak, strong = (runs.run(with_parameters("thz", {parameter: x}), runs=40, keep=(variable,)).values[variable][-1] for x in (low, high))
    assert (sign * (strong - weak) > 0).all()


@untimed
@given(st.floats(0.01, 0.3), st.floats(2021.0, 2030.0), st.floats(0.25, 3.0))
def test_a_shock_never_raises_output(size: float, start: float, duration: float) -> None:
    plain = ensemble("thz").values["gdp"][:, :10]
    hit = runs.run(baseline("thz", shocks={"hit": Shock(start=start, size=size, duration=duration)}), runs=10, keep=("gdp",)).values["gdp"]
    assert (hit <= plain * (1 + 1e-12)).all()
    assert (hit[-1] < plain[-1]).all()


def test_an_investment_shock_lasts() -> None:
    plain = ensemble("thz").values
    hit = runs.run(baseline("thz", shocks={"hit": Shock(start=2022.0, size=0.3, on="investment")}), runs=300,
                   keep=("own_investment", "return_index", "output"))
    v = hit.values
    ratio = v["own_investment"] / (v["output"] * v["return_index"] ** hit.drawn["return_response"])
    usual = plain["own_investment"] / (plain["output"] * plain["return_index"] ** hit.drawn["return_response"])
    left = np.array([1.0, 1.0, 0.85, *[0.7] * 13])  # the date 2022.0 is model time 2021.5: half is there at 2022
    assert ratio / usual == pytest.approx(np.broadcast_to(left[:, None, None], ratio.shape), rel=1e-12)


# ---------------------------------------------------------------- loops

BOUND = with_parameters("thz", {"policy_budget_share": 0.05}, levers=levers(1.0))


@functools.cache
def state() -> dict[str, Any]:
    """Every variable of one run with funded levers short of money, some years on: no derivative is zero by accident."""
    names = (*EVERYTHING, *(i.name for i in MODEL.inputs))
    found = runs.run(BOUND, central=True, keep=names)
    values: dict[str, Any] = dict(found.setup.parameters(found.drawn))
    values |= {name: found.values[name][6] for name in names}
    values["time"] = found.years[6:7]
    assert float(values["funding"][0]) < 1
    return values


EQUATIONS = {e.name: e for e in MODEL.equations}
FLOWS = {s.name: {**dict.fromkeys(s.outflows, -1), **dict.fromkeys(s.inflows, 1)} for s in MODEL.stocks}


def link(cause: str, effect: str) -> int:
    """Sign of the direct influence: of a flow on its stock, else of the partial derivative, all else held still."""
    if effect in FLOWS:
        return FLOWS[effect][cause]
    equation, values = EQUATIONS[effect], state()

    def at(step: float) -> Any:  # by size: a cause may be negative, as migration out is
        return np.asarray(equation.function(*(values[a] + (step * np.abs(values[a]) if a == cause else 0.0) for a in equation.arguments)))

    slopes = np.sign(at(1e-6) - at(-1e-6))
    assert (slopes == slopes.flat[0]).all(), f"{cause} -> {effect} has no one sign: {slopes.ravel()}"
    return int(slopes.flat[0])


def links(loop: Loop) -> list[tuple[str, str]]:
    return list(zip(loop.variables, (*loop.variables[1:], loop.variables[0]), strict=True))


each_loop = pytest.mark.parametrize("loop", LOOPS, ids=lambda x: x.name)


@each_loop
def test_a_named_loop_is_a_cycle(loop: Loop) -> None:
    """Every variable influences the next directly, and some stock lies on the way."""
    for cause, effect in links(loop):
        influences = FLOWS[effect] if effect in FLOWS else EQUATIONS[effect].arguments
        assert cause in influences, f"{cause} does not act on {effect}"
    assert set(loop.variables) & set(STOCKS)
    assert len(set(loop.variables)) == len(loop.variables)


@each_loop
def test_polarity_of_a_named_loop(loop: Loop) -> None:
    signs = {f"{cause} -> {effect}": link(cause, effect) for cause, effect in links(loop)}
    assert 0 not in signs.values(), signs
    assert ("R" if np.prod(list(signs.values())) > 0 else "B") == loop.polarity, signs


def test_the_specified_loops_are_named() -> None:
    names = " ".join(x.name for x in LOOPS)
    for wanted in ("investment", "diminishing returns", "knowledge", "wage", "migration", "renewal", "lapse", "entry", "budget"):
        assert wanted in names
    assert {x.polarity for x in LOOPS} == {"R", "B"}


@pytest.mark.parametrize(("cut", "parameters"), [
    ("knowledge", {"knowledge_elasticity": 0.0}), ("returns", {"return_response": 0.0}), ("wage", {"wage_response": 0.0}),
    ("migration", {"migration_response": 0.0}), ("entry", {"entry_elasticity": 0.0}),
    ("research of certified firms", {"firm_rd_elasticity": 0.0})])
def test_cutting_a_loop_changes_the_course(cut: str, parameters: dict[str, float]) -> None:
    """A loop that is named does something: without it the same draws go elsewhere."""
    watched = "rd_expenditure" if cut == "research of certified firms" else "market_entities" if cut == "entry" else "gdp"
    whole, open_ = (runs.run(with_parameters("thz", p), central=True, keep=(watched,)).values[watched][-1] for p in ({}, parameters))
    assert abs(float(open_[0] / whole[0]) - 1) > 1e-4
