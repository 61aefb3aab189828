"""Ensembles: numbered runs that do not know of each other, inputs over time, results as tables, and targets held against them."""

import dataclasses
import functools
from collections.abc import Iterable
from math import inf
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

from simulate import runs
from simulate.attainment import Attainment, judge, judge_all, reached, summary
from simulate.distributions import Distribution, uniforms
from simulate.errors import InvalidInput
from simulate.model import Array
from simulate.parameters import LEVERS
from simulate.runs import KEPT, Trajectories, run
from simulate.scenarios import LeverSetting, PathSetting, Scenario, Shock, load_scenario
from simulate.targets import Sense, Source, Statement

THZ = load_scenario("thz-baseline")
SHORT = dataclasses.replace(THZ, horizon=2026, report_years=(2025,))
MIXED = dataclasses.replace(  # all at once: levers drawn, shocks drawn, paths by run and by value
    SHORT, levers={name: LeverSetting(level=0.8, start=2021.0 + 0.3 * k, ramp=k % 3) for k, name in enumerate(LEVERS)},
    shocks={"hit": Shock(start=2022.0, size=0.05)}, paths={"gdp": PathSetting(total=2000.0, period=(2021, 2023))},
    uncertainties={"levers.talent": Distribution(uniform=(0.0, 1.0)), "shocks.hit": Distribution(uniform=(0.0, 0.1))})
untimed = settings(deadline=None, max_examples=10)


def changed(scenario: Scenario, **changes: Any) -> Scenario:
    return dataclasses.replace(scenario, **changes)


def same_bits(a: Any, b: Any) -> bool:
    return bool(np.array_equal(np.ascontiguousarray(a).view(np.int64), np.ascontiguousarray(b).view(np.int64)))


def refused(scenario: Any, **options: Any) -> str:
    with pytest.raises(InvalidInput) as caught:
        run(scenario, **options)
    return str(caught.value)


# ---------------------------------------------------------------- run k is run k

BRIEF = {"horizon": 2023, "steps_per_year": 2}
ENSEMBLES = {"baseline": SHORT, "mixed": changed(MIXED, **BRIEF), "euler": changed(MIXED, method="euler", **BRIEF),
             "city": changed(load_scenario("tianjin-strong-policy"), **BRIEF)}
COUNT = 21
each_ensemble = pytest.mark.parametrize("name", ["mixed", "euler", "city"])


@functools.cache
def ensemble(name: str) -> Trajectories:
    return run(ENSEMBLES[name], runs=COUNT)


@each_ensemble
@untimed
@given(k=st.integers(0, COUNT - 1))
def test_a_run_alone(name: str, k: int) -> None:
    """Bit for bit what it is among others."""
    alone, among = run(ENSEMBLES[name], first=k, runs=1), ensemble(name)
    assert set(alone.values) == set(KEPT)
    for variable, array in alone.values.items():
        assert same_bits(array, among.values[variable][..., k : k + 1]), variable
    for key, array in alone.drawn.items():
        assert same_bits(array, among.drawn[key][k : k + 1]), key


@each_ensemble
@untimed
@example(block=1, first=COUNT - 6)
@given(block=st.integers(2, COUNT + 3), first=st.integers(0, COUNT - 1))
def test_any_block_size_from_any_run(name: str, block: int, first: int) -> None:
    some, among = run(ENSEMBLES[name], first=first, runs=COUNT - first, block=block), ensemble(name)
    for variable, array in some.values.items():
        assert same_bits(array, among.values[variable][..., first:]), variable


def test_beyond_one_block_of_the_default_size() -> None:
    """The last runs of an ensemble longer than a block, and as many alone."""
    count = runs.BLOCK + 5
    whole = run(MIXED, runs=count, keep=("gdp", "high_tech_enterprises"))
    tail = run(MIXED, first=count - 9, runs=9, keep=("gdp", "high_tech_enterprises"))
    for variable in whole.values:
        assert same_bits(whole.values[variable][..., -9:], tail.values[variable])
    assert len(np.unique(whole.values["gdp"][-1])) == count


MORE = (*KEPT, "capital_formation", "net_hiring", "value_added_base", "cluster_gain")


@functools.cache
def all_kept() -> Trajectories:
    return run(ENSEMBLES["mixed"], runs=7, keep=MORE)


@untimed
@given(st.sets(st.sampled_from(MORE), min_size=1))
def test_what_is_kept_does_not_matter(keep: set[str]) -> None:
    narrow = run(ENSEMBLES["mixed"], runs=7, keep=keep)
    assert set(narrow.values) == keep
    for variable in keep:
        assert same_bits(narrow.values[variable], all_kept().values[variable]), variable


def test_seeds() -> None:
    """Seed 0 is a seed like any other."""
    zero, again, one, own = (run(SHORT, runs=5, seed=s) for s in (0, 0, 1, None))
    assert same_bits(zero.values["gdp"], again.values["gdp"])
    assert zero.seed == 0
    assert (zero.values["gdp"][-1] != one.values["gdp"][-1]).all()
    assert own.seed == SHORT.seed
    assert same_bits(run(changed(SHORT, seed=0), runs=5).values["gdp"], zero.values["gdp"])


def test_scenarios_share_their_draws() -> None:
    """Run k of two scenarios differs by what the scenarios differ in, not by chance."""
    a, b = run(SHORT, runs=9), run(changed(SHORT, levers={"talent": LeverSetting(start=2021.0)}), runs=9)
    for key in a.drawn:
        assert same_bits(a.drawn[key], b.drawn[key])


def test_central_run() -> None:
    """Every uncertain input at its median, the run that a design of halves gives."""
    central = run(MIXED, central=True)
    assert central.runs == 1
    assert central.drawn.keys() == central.setup.drawn.keys()
    for key, distribution in central.setup.drawn.items():
        assert central.drawn[key].tolist() == [distribution.centre], key
    halves = run(MIXED, runs=3, design=lambda name, start, stop: np.full(stop - start, 0.5))
    for variable, array in central.values.items():
        assert same_bits(np.broadcast_to(array, halves.values[variable].shape), halves.values[variable]), variable


def test_design() -> None:
    """Points of one's own in the place of random numbers, asked for by name and run, block by block."""
    asked: list[tuple[str, int, int]] = []

    def design(name: str, start: int, stop: int) -> Array:
        asked.append((name, start, stop))
        return (np.arange(start, stop) + 0.5) / 20

    found = run(SHORT, runs=10, first=4, block=4, design=design)
    names = set(found.setup.drawn)
    assert set(asked) == {(n, a, b) for n in names for a, b in ((4, 8), (8, 12), (12, 14))}
    for key, distribution in found.setup.drawn.items():
        assert same_bits(found.drawn[key], distribution.quantile((np.arange(4, 14) + 0.5) / 20)), key


def test_random_design_is_the_default() -> None:
    found = run(SHORT, runs=6, first=3)
    for key, distribution in found.setup.drawn.items():
        assert same_bits(found.drawn[key], distribution.quantile(uniforms(SHORT.seed, key, 3, 9))), key


def test_progress() -> None:
    told: list[tuple[int, int]] = []
    run(SHORT, runs=10, block=4, progress=lambda done, count: told.append((done, count)))
    assert told == [(4, 10), (8, 10), (10, 10)]


def test_scenario_by_name() -> None:
    found = run("thz-baseline", runs=2)
    assert found.setup.scenario.id == "thz-baseline"
    assert found.years.tolist() == list(range(2020, 2036))


@pytest.mark.parametrize(("options", "message"), [
    ({"runs": 0}, "runs: 0 is not at least 1."), ({"runs": 2, "seed": -1}, "seed: -1 is negative."),
    ({"runs": 2, "keep": ("gpd",)}, "keep: the model computes no variable 'gpd'.\n    Did you mean 'gdp'"),
    ({"runs": 2, "keep": ("capital_share",)}, "keep: the model computes no variable 'capital_share'.")])
def test_invalid_requests(options: dict[str, Any], message: str) -> None:
    assert message in refused(SHORT, **options)


# ---------------------------------------------------------------- runs that leave the finite numbers

# Labour adjusts within days, far faster than the steps: the numbers of every such run blow up.
WILD = changed(SHORT, horizon=2035, uncertainties={"hiring_time": Distribution(choice=(1.0, 0.005))})


@functools.cache
def wild() -> Trajectories:
    return run(WILD, runs=30, first=100)


def test_lost_runs_are_counted_and_listed_with_their_parameters() -> None:
    found = wild()
    lost = found.drawn["hiring_time"] == 0.005
    assert 5 < lost.sum() < 25
    assert (found.finite == ~lost).all()
    assert found.runs == 30
    listed = found.nonfinite
    assert [x["run"] for x in listed] == (100 + np.flatnonzero(lost)).tolist()
    for x, k in zip(listed, np.flatnonzero(lost), strict=True):
        assert x == {"run": 100.0 + k, **{key: float(array[k]) for key, array in found.drawn.items()}}
        assert x["hiring_time"] == 0.005


def test_lost_runs_are_not_a_number_from_there_on() -> None:
    gdp = wild().values["gdp"][:, ~wild().finite]
    good = np.isfinite(gdp)
    assert good[0].all()
    assert not good[-1].any()
    assert np.isnan(gdp[~good]).all()
    assert (good[:-1] >= good[1:]).all()


def test_lost_runs_do_not_touch_the_others() -> None:
    calm = run(changed(WILD, uncertainties={}, parameters={"hiring_time": 1.0}), runs=30, first=100)
    for variable, array in wild().values.items():
        assert same_bits(array[..., wild().finite], calm.values[variable][..., wild().finite]), variable


def test_quantiles_and_probabilities_leave_lost_runs_out() -> None:
    found = wild()
    kept = found.values["gdp"][:, found.finite]
    frame = found.quantiles((0.1, 0.9), ["gdp"])
    for k, year in enumerate(range(2020, 2036)):
        assert frame.loc[("gdp", year)].tolist() == pytest.approx(np.quantile(kept[k], (0.1, 0.9)).tolist(), rel=1e-14)
    target = statement(value=float(np.median(kept[5])), sense="at_least", unit="亿元")
    judged = judged_by(found, target)
    assert judged.probability == np.mean(kept[5] >= target.value)
    assert judged.projected == pytest.approx(np.quantile(kept[5], (0.05, 0.5, 0.95)))
    told = summary(found)
    assert told["runs"] == 30
    assert told["nonfinite_runs"] == (~found.finite).sum() == len(told["nonfinite"])


def test_when_every_run_is_lost() -> None:
    found = run(changed(WILD, uncertainties={}, parameters={"hiring_time": 0.005}), runs=3)
    assert not found.finite.any()
    assert found.quantiles(indicators=["gdp"]).isna().all().all()
    assert np.isnan(judged_by(found, statement(value=1000, sense="at_least", unit="亿元")).probability)


# ---------------------------------------------------------------- paths

def course(variable: str, setting: PathSetting, scenario: Scenario = THZ, count: int = 8, **changes: Any) -> Array:
    return run(changed(scenario, paths={variable: setting}, **changes), runs=count, keep=(variable,)).values[variable]


@pytest.mark.parametrize("method", ["rk4", "euler"])
@pytest.mark.parametrize("steps", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("after", ["resume", "hold"])
def test_a_cumulative_path_sums_to_its_total(method: str, steps: int, after: Any) -> None:
    """937 over 2021-2025 is 937: the sum of the yearly values, growing at one rate from the base."""
    path = PathSetting(total=937.0, period=(2021, 2025), after=after)
    found = course("fixed_asset_investment", path, method=method, steps_per_year=steps)
    assert found[1:6].sum(axis=0) == pytest.approx(np.full(8, 937.0), rel=1e-12)
    growth = found[1:6] / found[:5]
    assert growth == pytest.approx(np.broadcast_to(growth[0], growth.shape), rel=1e-12)
    assert found[0] == pytest.approx(np.full(8, 140.62), rel=1e-15)


def test_a_cumulative_path_from_an_uncertain_base() -> None:
    """Each run reaches the total from its own base, at its own rate."""
    found = course("fixed_asset_investment", PathSetting(total=40_000.0, period=(2021, 2025)), load_scenario("tianjin-baseline"))
    assert len(np.unique(found[0])) == 8
    assert found[1:6].sum(axis=0) == pytest.approx(np.full(8, 40_000.0), rel=1e-12)


def test_a_path_from_the_plan() -> None:
    found = run(load_scenario("thz-plan"), runs=8, keep=("fixed_asset_investment", "rd_intensity", "labour_supply_growth"))
    assert found.values["fixed_asset_investment"][1:6].sum(axis=0) == pytest.approx(np.full(8, 937.0), rel=1e-12)
    assert found.values["rd_intensity"][5:, :] == pytest.approx(np.full((11, 8), 0.056), rel=1e-14)
    assert found.values["rd_intensity"][2] == pytest.approx(np.full(8, 0.0516 + (0.056 - 0.0516) * 2 / 5), rel=1e-14)
    assert found.values["labour_supply_growth"][:6] == pytest.approx(np.full((6, 8), 0.0186), rel=1e-14)
    assert found.provenance["paths"]["fixed_asset_investment"].startswith("thz-14fyp:fixed_asset_investment@2021-2025")


def test_values_are_met_and_joined_by_straight_lines() -> None:
    found = course("fixed_asset_investment", PathSetting(values={2022: 100.0, 2025: 160.0, 2026: 150.0}))
    assert found[:7, 0] == pytest.approx([140.62, (140.62 + 100) / 2, 100, 120, 140, 160, 150], rel=1e-14)


def test_after_the_last_year_the_equation_resumes() -> None:
    found = run(changed(THZ, paths={"rd_intensity": PathSetting(values={2023: 9.0}, unit="%")}), runs=4,
                keep=("rd_intensity", "rd_demand", "gdp"))
    v = found.values
    assert v["rd_intensity"][3] == pytest.approx(np.full(4, 0.09), rel=1e-14)
    assert v["rd_intensity"][4:] == pytest.approx(v["rd_demand"][4:] / v["gdp"][4:], rel=1e-14)
    assert (np.abs(v["rd_intensity"][4] - 0.09) > 0.02).all()


def test_after_the_last_year_the_value_holds() -> None:
    found = course("rd_intensity", PathSetting(values={2023: 9.0}, unit="%", after="hold"))
    assert found[3:] == pytest.approx(np.full((13, 8), 0.09), rel=1e-14)


def test_a_path_moves_what_depends_on_it() -> None:
    low, high = (run(changed(THZ, paths={"fixed_asset_investment": PathSetting(values={2021: x, 2030: x}, unit="亿元")}), runs=5,
                     keep=("capital", "gdp", "capital_formation")) for x in (50.0, 500.0))
    assert (high.values["gdp"][-1] > 1.2 * low.values["gdp"][-1]).all()
    assert high.values["capital_formation"][5].sum(axis=0) == pytest.approx(500 * high.drawn["capital_formation_share"], rel=1e-12)


def test_a_path_in_another_unit() -> None:
    """0.02 万亿元 is 200 亿元."""
    found = course("fixed_asset_investment", PathSetting(values={2023: 0.02}, unit="万亿元"))
    assert found[3] == pytest.approx(np.full(8, 200.0), rel=1e-14)


def test_a_path_for_each_sector_is_each_sectors() -> None:
    """One value for a variable by sector: each has it, and their sum is what is invested."""
    v = run(changed(THZ, paths={"own_investment": PathSetting(values={2021: 70.0, 2030: 70.0})}), runs=4,
            keep=("own_investment", "fixed_asset_investment", "capital_formation")).values
    assert v["own_investment"][1:11] == pytest.approx(np.full((10, 2, 4), 70.0))
    assert v["fixed_asset_investment"][1:11] == pytest.approx(np.full((10, 4), 140.0))


def test_a_path_for_a_policy_without_its_lever() -> None:
    """A policy may be imposed whether or not a lever is set."""
    found = course("policy_talent", PathSetting(values={2021: 0.5, 2030: 0.5}))
    assert found[1:11] == pytest.approx(np.full((10, 8), 0.5))


@pytest.mark.parametrize(("variable", "setting", "message"), [
    ("fixed_asset_investment", PathSetting(values={2021: 1.0}, unit="家"), "unit: '家' cannot be read as '亿元'"),
    ("labour_supply_growth", PathSetting(values={2021: 1.0}, unit="家"), "paths.labour_supply_growth: the unit '家' does not fit 1/year."),
    ("employment", PathSetting(from_plan=True), "paths.employment: the plan of 'thz' states no target for it."),
    ("real_wage", PathSetting(from_plan=True), "paths.real_wage: the plan of 'thz' states no target for it."),
    ("real_wage", PathSetting(total=7.0, period=(2021, 2025)), "a cumulative total needs a variable with a base-year value."),
])
def test_paths_that_cannot_be(variable: str, setting: PathSetting, message: str) -> None:
    assert message in refused(changed(THZ, paths={variable: setting}), runs=1)


# ---------------------------------------------------------------- levers and shocks

@pytest.mark.parametrize(("start", "ramp", "expected"), [
    (2023.5, 2.0, [0, 0, 0, 0, 0.4, 0.8, 0.8]),  # mid-2023 is model time 2023, full at 2025
    (2023.0, 0.0, [0, 0, 0, 0.8, 0.8, 0.8, 0.8]),  # from 1 January on: the middle of 2022 without, of 2023 with it
    (2022.0, 2.0, [0, 0, 0.2, 0.6, 0.8, 0.8, 0.8]),  # the middle of 2022 is half a year after 1 January
    (2025.75, 2.0, [0, 0, 0, 0, 0, 0, 0.3]),
    (2018.0, 1.0, [0.8] * 7),
    (2030.0, 0.0, [0] * 7)])
def test_timing_of_levers(start: float, ramp: float, expected: list[float]) -> None:
    found = run(changed(SHORT, levers={"talent": LeverSetting(level=0.8, start=start, ramp=ramp)}), runs=2,
                keep=("lever_talent", "policy_talent", "lever_green", "policy_green"))
    assert found.values["lever_talent"] == pytest.approx(np.tile(expected, (2, 1)).T, abs=1e-12)
    assert found.values["policy_talent"] == pytest.approx(found.values["lever_talent"], rel=1e-14)
    assert (found.values["lever_green"] == 0).all()
    assert (found.values["policy_green"] == 0).all()


def test_uncertain_lever() -> None:
    scenario = changed(SHORT, levers={"talent": LeverSetting(start=2021.0)},
                       uncertainties={"levers.talent": Distribution(uniform=(0.2, 0.6))})
    found = run(scenario, runs=9, keep=("lever_talent",))
    assert found.drawn["levers.talent"].min() > 0.2
    assert same_bits(found.values["lever_talent"][-1], found.drawn["levers.talent"])


FROZEN = changed(SHORT, parameters={"recovery_time": 1e15, "utilisation_base": 1.0})


def utilisation(*shocks: Shock, **changes: Any) -> Any:
    return run(changed(FROZEN, shocks={str(k): s for k, s in enumerate(shocks)}, **changes), central=True,
               keep=("utilisation",)).values["utilisation"][:, 0]


@pytest.mark.parametrize("size", [0.01, 0.2, 0.6])
@pytest.mark.parametrize(("start", "duration"), [(2022.0, 1.0), (2022.25, 0.25), (2021.5, 2.5)])
def test_a_shock_loses_exactly_its_size(size: float, start: float, duration: float) -> None:
    """With no recovery, what is left after a shock is 1 - size, however long it takes."""
    found = utilisation(Shock(start=start, size=size, duration=duration), steps_per_year=32)
    assert found[-1] == pytest.approx(1 - size, rel=5e-6)
    assert found[0] == 1.0
    assert (np.diff(found) <= 1e-12).all()


def test_a_shock_falls_in_its_time() -> None:
    """The calendar year 2022 is model time 2021.5 to 2022.5: half of the loss, in logarithms, is there in its middle."""
    found = utilisation(Shock(start=2022.0, size=0.19, duration=1.0), steps_per_year=64)
    assert found == pytest.approx([1, 1, 0.9, 0.81, 0.81, 0.81, 0.81], rel=1e-9)


def test_shocks_compound() -> None:
    together = utilisation(Shock(start=2022.0, size=0.2), Shock(start=2022.0, size=0.1, duration=2.0), steps_per_year=64)
    assert together[-1] == pytest.approx(0.8 * 0.9, rel=1e-9)


def test_a_shock_is_made_good() -> None:
    found = utilisation(Shock(start=2021.0, size=0.2), parameters={"recovery_time": 0.5, "utilisation_base": 1.0}, horizon=2030)
    assert 0.8 < found[1] < 0.95
    assert found[-1] == pytest.approx(1.0, abs=1e-6)


def test_uncertain_shock() -> None:
    scenario = changed(FROZEN, shocks={"hit": Shock(start=2022.0, size=0.0)}, steps_per_year=64,
                       uncertainties={"shocks.hit": Distribution(uniform=(0.1, 0.4))})
    found = run(scenario, runs=5, keep=("utilisation",))
    assert found.values["utilisation"][-1] == pytest.approx(1 - found.drawn["shocks.hit"], rel=1e-9)


def test_an_investment_shock_falls_in_its_time_and_stays() -> None:
    found = run(changed(SHORT, shocks={"slump": Shock(start=2022.0, size=0.2, duration=2.0, on="investment")}), runs=2,
                keep=("investment_shift",)).values["investment_shift"]
    assert found == pytest.approx(np.tile([1, 1, 0.95, 0.85, 0.8, 0.8, 0.8], (2, 1)).T, rel=1e-12)


# ---------------------------------------------------------------- results

def test_shapes_and_years() -> None:
    found = ensemble("baseline")
    assert found.years.tolist() == [2020, 2021, 2022, 2023, 2024, 2025, 2026]
    assert found.values["gdp"].shape == (7, COUNT)
    assert found.values["capital"].shape == (7, 2, COUNT)
    assert found.values["cluster_revenue"].shape == (7, 5, COUNT)
    assert found.index(2025) == 5
    for year in (2019, 2027):
        with pytest.raises(InvalidInput, match=f"year: {year} lies outside the projection 2020-2026"):
            found.index(year)


def test_indicators_are_in_catalogue_units() -> None:
    found = ensemble("baseline")
    assert (found.indicator("rd_intensity") == 100 * found.values["rd_intensity"]).all()
    assert (found.indicator("manufacturing_share") == 100 * found.values["industrial_share"]).all()
    assert found.indicator("listed_technology_companies") is found.values["listed_enterprises"]
    names = found.setup.clusters
    for k, name in enumerate(names):
        assert (found.indicator(f"cluster_revenue_{name}") == found.values["cluster_revenue"][:, k]).all()
    for id, output in found.outputs.items():
        assert output.unit == found.registry.catalogue[id].unit
    with pytest.raises(InvalidInput, match="the model does not project 'gdb'") as caught:
        found.indicator("gdb")
    assert "Did you mean 'gdp'" in str(caught.value)


def test_an_indicator_not_followed_is_not_projected() -> None:
    outputs = run(load_scenario("tianjin-baseline"), runs=2).outputs
    assert "listed_companies" not in outputs
    assert "eaglet_enterprises" in outputs


def test_to_pandas() -> None:
    found = run(SHORT, runs=4, first=10)
    frame = found.to_pandas()
    assert isinstance(frame, pd.DataFrame)
    assert frame.index.names == ["run", "year"]
    assert list(frame.columns) == list(found.outputs)
    assert len(frame) == 4 * 7
    for k in range(4):
        for year in (2020, 2023, 2026):
            for id in ("gdp", "rd_intensity", "cluster_revenue_biomedicine"):
                assert frame.loc[(10 + k, year), id] == found.indicator(id)[year - 2020, k]
    assert list(found.to_pandas(["gdp"]).columns) == ["gdp"]


def test_quantiles() -> None:
    found = ensemble("baseline")
    frame = found.quantiles((0.25, 0.5))
    assert frame.index.names == ["indicator", "year"]
    assert list(frame.columns) == [0.25, 0.5]
    assert len(frame) == 7 * len(found.outputs)
    in_order = np.sort(found.indicator("rd_intensity")[5])
    assert frame.loc[("rd_intensity", 2025), 0.5] == in_order[COUNT // 2]
    assert frame.loc[("rd_intensity", 2025), 0.25] == in_order[COUNT // 4]


def test_dataset() -> None:
    found = run(SHORT, runs=3, first=7)
    data = found.dataset
    assert set(data.data_vars) == set(KEPT)
    assert data["gdp"].dims == ("year", "run")
    assert data["capital"].dims == ("year", "sector", "run")
    assert data["cluster_revenue"].dims == ("year", "cluster", "run")
    assert data["sector"].values.tolist() == ["industry", "services"]
    assert data["cluster"].values.tolist() == list(found.setup.clusters)
    assert data["year"].values.tolist() == list(range(2020, 2027))
    assert data["run"].values.tolist() == [7, 8, 9]
    for name in KEPT:
        assert data[name].attrs["units"] == found.setup.model.units[name]
        assert data[name].attrs["long_name"]
    assert float(data["capital"].sel(year=2023, sector="services", run=8)) == found.values["capital"][3, 1, 1]
    assert data.attrs == {"region": "thz", "scenario": "thz-baseline", "seed": SHORT.seed}


@pytest.mark.parametrize("variable", ["gdp", "lever_talent", "capital_base", "cluster_position"])
def test_dataset_of_any_kind_of_variable(variable: str) -> None:
    data = run(SHORT, runs=2, keep=(variable,)).dataset
    assert list(data.data_vars) == [variable]
    assert data[variable].sizes["run"] == 2


def test_time_is_no_variable_to_keep() -> None:
    with pytest.raises(InvalidInput, match="computes no variable 'time'"):
        run(SHORT, runs=2, keep=("time",))


def test_provenance() -> None:
    """Versions, seed, method, and every input that no document states."""
    found = run(MIXED, runs=2, first=5, seed=0)
    told = found.provenance
    assert (told["seed"], told["first_run"], told["method"], told["steps_per_year"]) == (0, 5, "rk4", 4)
    assert (told["base_year"], told["horizon"]) == (2020, 2026)
    assert {x["input"] for x in told["unstated_inputs"]} >= {"gdp_base"}
    assert all(x["grade"] != "stated" and x["basis"] for x in told["unstated_inputs"])
    assert told["base_values"]["high_tech_enterprises_base"]["value"] == 1597.0
    assert not set(told["base_values"]) & {x["input"] for x in told["unstated_inputs"]}
    assert set(told["uncertain"]) == set(found.drawn) >= {"levers.talent", "shocks.hit", "gdp_base"}
    assert told["paths"] == {"gdp": "given by the scenario"}
    assert all(len(digest) == 64 for digest in told["inputs_sha256"].values())
    assert {"scenarios/thz-baseline.yaml", "seeds/regions.yaml"} <= set(told["inputs_sha256"])


# ---------------------------------------------------------------- attainment

def statement(indicator: str = "gdp", sense: Sense = "equal", value: float = 1000, unit: str = "亿元", year: int | None = 2025,
              **others: Any) -> Statement:
    return Statement(indicator=indicator, region="thz", unit=unit, sense=sense, role="target", at=Source(locus="table", section="test"),
                     year=year, value=value, **others)


UP, DOWN, NEITHER = True, False, None
X = np.array([94.9, 95.0, 99.49, 99.5, 99.9, 100.0, 100.1, 100.5, 100.51, 105.0, 105.1])


@pytest.mark.parametrize(("sense", "better", "low", "high"), [
    ("at_least", UP, 100.0, inf), ("at_least", DOWN, 100.0, inf), ("at_least", NEITHER, 100.0, inf),
    ("more_than", UP, 100.1, inf), ("more_than", DOWN, 100.1, inf), ("more_than", NEITHER, 100.1, inf),
    ("at_most", UP, -inf, 100.0), ("at_most", DOWN, -inf, 100.0), ("at_most", NEITHER, -inf, 100.0),
    ("less_than", UP, -inf, 99.9), ("less_than", DOWN, -inf, 99.9), ("less_than", NEITHER, -inf, 99.9),
    ("equal", UP, 99.5, inf), ("equal", DOWN, -inf, 100.5), ("equal", NEITHER, 99.5, 100.5),
    ("about", UP, 95.0, inf), ("about", DOWN, -inf, 105.0), ("about", NEITHER, 95.0, 105.0)])
def test_what_reached_means(sense: Sense, better: bool | None, low: float, high: float) -> None:
    """A hundred as printed: a half either way is rounding, five per cent is "about"; the words decide, else the indicator."""
    found = reached(statement(value=100, sense=sense), X, 100.0, better)
    assert found.tolist() == [low <= x <= high for x in X.tolist()]


def test_reached_in_another_unit() -> None:
    """Rounding scales with the unit: 9.2 万家 is 92,000 firms, give or take 500."""
    s = statement("market_entities", "equal", 9.2, "万家")
    assert reached(s, np.array([91_499.0, 91_501.0, 92_499.0, 92_501.0]), 92_000.0, None).tolist() == [False, True, True, False]


def test_reached_for_a_fall() -> None:
    s = statement("gdp_growth", "equal", -1.5, "%")
    assert reached(s, np.array([-1.56, -1.54, -1.46, -1.44]), -1.5, None).tolist() == [False, True, True, False]
    assert reached(s, np.array([-1.56, -1.54, -1.46, -1.44]), -1.5, True).tolist() == [False, True, True, True]


def test_reached_for_nothing() -> None:
    """A target of zero: none, to rounding."""
    assert reached(statement("schools", "equal", 0, "个"), np.array([0.0, 0.4, 0.6]), 0.0, False).tolist() == [True, True, False]


@functools.cache
def template() -> Trajectories:
    return run(changed(SHORT, horizon=2025), runs=4, keep=("gdp", "gross_industrial_output", "fixed_asset_investment", "rd_intensity",
                                                           "high_tech_enterprises", "price_level"))


def by_hand(**values: Any) -> Trajectories:
    """Trajectories of 2020-2025 for four runs with these values, one row a year; prices rise by half a tenth a year."""
    found = {name: np.array(array, dtype=float) for name, array in template().values.items()}
    found["price_level"] = np.broadcast_to(1 + 0.05 * np.arange(6.0)[:, None], (6, 4)).copy()
    for name, rows in values.items():
        found[name] = np.array(rows, dtype=float)
    return dataclasses.replace(template(), values=found)


def judged_by(trajectories: Trajectories, s: Statement) -> Attainment:
    found = judge(trajectories, s)
    assert found is not None
    return found


GDP = [[500, 600, 500, 400], [550, 630, 500, 404], [605, 660, 500, 410], [665, 690, 500, 420], [730, 720, 500, 430], [803, 750, 500, 440]]


def test_level_target() -> None:
    found = judged_by(by_hand(gdp=GDP), statement(value=750, sense="at_least"))
    assert (found.probability, found.value, found.level, found.unit) == (0.5, 750, 750, "亿元")
    assert found.projected == pytest.approx(np.quantile([803, 750, 500, 440], (0.05, 0.5, 0.95)))
    assert found.nominal == 0.5  # prices are a quarter up: 1003.75, 937.5, 625, 550
    assert judged_by(by_hand(gdp=GDP), statement(value=620, sense="more_than")).nominal == 0.75
    assert judged_by(by_hand(gdp=GDP), statement(value=620, sense="more_than", price_basis="constant")).nominal is None
    assert judged_by(by_hand(gdp=GDP), statement(value=620, sense="more_than")).average is None


def test_level_target_in_another_unit() -> None:
    found = judged_by(by_hand(gdp=GDP), statement(value=0.075, sense="equal", unit="万亿元"))  # to rounding: from 745 亿元
    assert (found.value, found.unit, found.probability) == (750, "亿元", 0.5)


def test_target_of_an_indicator_in_per_cent() -> None:
    rows = np.tile([0.0554, 0.0556, 0.056, 0.07], (6, 1))
    found = judged_by(by_hand(rd_intensity=rows), statement("rd_intensity", "equal", 5.6, "%"))
    assert (found.probability, found.unit, found.nominal) == (0.75, "%", None)
    assert judged_by(by_hand(rd_intensity=rows), statement("rd_intensity", "at_least", 5.6, "%")).probability == 0.5


def test_growth_of_one_year() -> None:
    """From 2024 to 2025: 10.0, 4.17, 0 and 2.33 per cent; over the plan: 9.94, 4.56, 0 and 1.92."""
    found = judged_by(by_hand(gdp=GDP), statement("gdp_growth", "at_least", 2, "%"))
    assert found.growth
    assert (found.indicator, found.unit, found.value) == ("gdp", "%", 2)
    assert found.projected[1] == pytest.approx(100 * np.median([803 / 730, 750 / 720, 1, 440 / 430]) - 100)
    assert found.probability == 0.75
    assert found.average == 0.5
    assert found.level == pytest.approx(np.median(np.array([730, 720, 500, 430]) * 1.02))
    for value, probability, average in ((9.5, 0.25, 0.25), (4.3, 0.25, 0.5), (4.1, 0.5, 0.5), (1.9, 0.75, 0.75)):
        found = judged_by(by_hand(gdp=GDP), statement("gdp_growth", "at_least", value, "%"))
        assert (found.probability, found.average) == (probability, average)


def test_mean_growth_over_a_period() -> None:
    """Five years from 2020 on: 1.0994^5 = 803/500, 1.0456^5, 1, 1.0192^5."""
    target = statement("gdp_growth", "at_least", 4.5, "%", year=None, period=(2021, 2025), aggregate="mean")
    found = judged_by(by_hand(gdp=GDP), target)
    assert found.probability == 0.5
    assert found.average is None
    assert found.projected[2] == pytest.approx(np.quantile([100 * ((a / b) ** 0.2 - 1) for a, b in zip(GDP[5], GDP[0], strict=True)], 0.95))
    assert found.level == pytest.approx(np.median(np.array(GDP[0]) * 1.045**5))
    part = statement("gdp_growth", "at_least", 9.9, "%", year=None, period=(2022, 2024), aggregate="mean")
    assert judged_by(by_hand(gdp=GDP), part).projected[2] == pytest.approx(
        np.quantile([100 * ((a / b) ** (1 / 3) - 1) for a, b in zip(GDP[4], GDP[1], strict=True)], 0.95))


def test_growth_to_rounding() -> None:
    """8 per cent is reached from 7.5 on."""
    last = 430 * np.array([1.0749, 1.0751, 1.079, 1.2])
    rows = [*GDP[:4], [430] * 4, last]
    assert judged_by(by_hand(gdp=rows), statement("gdp_growth", "equal", 8, "%")).probability == 0.75
    assert judged_by(by_hand(gdp=rows), statement("gdp_growth", "at_least", 8, "%")).probability == 0.25


def test_sum_over_a_period() -> None:
    rows = np.array([[140.62] * 4, *[[187.3, 187.4, 187.5, 100.0]] * 5])  # sums 936.5, 937, 937.5, 500
    target = {"year": None, "period": (2021, 2025), "aggregate": "sum"}
    trajectories = by_hand(fixed_asset_investment=rows)
    assert judged_by(trajectories, statement("fixed_asset_investment", "equal", 937, **target)).probability == 0.75
    found = judged_by(trajectories, statement("fixed_asset_investment", "at_least", 936.9, **target))
    assert found.probability == 0.5
    assert found.projected[1] == pytest.approx(np.median([936.5, 937, 937.5, 500]))
    # at current prices 1.15 times as much: the mean of 1.05 to 1.25
    assert judged_by(trajectories, statement("fixed_asset_investment", "at_least", 1077.5, **target)).nominal == 0.5


def test_mean_over_a_period() -> None:
    rows = np.array([[0.05] * 4, *[[0.05 + 0.001 * k, 0.055, 0.06, 0.04] for k in range(1, 6)]])  # means 5.3, 5.5, 6, 4
    target = statement("rd_intensity", "at_least", 5.4, "%", year=None, period=(2021, 2025), aggregate="mean")
    found = judged_by(by_hand(rd_intensity=rows), target)
    assert found.probability == 0.5
    assert found.projected[1] == pytest.approx(np.median([5.3, 5.5, 6, 4]))


def test_relative_target() -> None:
    """Twice the level of 2020, each run from its own: 1.606, 1.25, 1 and 1.1 times."""
    s = functools.partial(statement, unit="倍", relative_to=2020)
    trajectories = by_hand(gdp=GDP)
    assert judged_by(trajectories, s(sense="at_least", value=1.1)).probability == 0.75
    assert judged_by(trajectories, s(sense="equal", value=1.6)).probability == 0.25
    found = judged_by(trajectories, s(sense="equal", value=1.25))
    assert found.probability == 0.5
    assert found.level == pytest.approx(np.median(GDP[0]) * 1.25)
    assert found.unit == "倍"
    assert judge(trajectories, statement(unit="倍", relative_to=2015, value=2)) is None


@pytest.mark.parametrize("s", [
    statement("schools", unit="个"), statement(year=2026), statement(year=2020), statement(year=None, period=(2020, 2025), aggregate="sum"),
    statement(year=None, period=(2021, 2030), aggregate="mean"), dataclasses.replace(statement(), region="teda"),
    dataclasses.replace(statement(), value=None, delegated=True)],
    ids=["not projected", "later", "base year", "begins at the base", "ends later", "another region", "delegated"])
def test_targets_that_cannot_be_judged(s: Statement) -> None:
    assert judge(by_hand(gdp=GDP), s) is None


def test_all_targets_of_a_region() -> None:
    """Each projected target once, the headline first, every probability a share of the runs."""
    found = judge_all(ensemble("baseline"))
    ids = [a.indicator for a in found]
    assert ids[0] == "gdp"
    assert list(dict.fromkeys(ids))[:4] == ["gdp", "gross_industrial_output", "high_tech_enterprises", "rd_intensity"]
    assert len({(a.statement.indicator, a.statement.when) for a in found}) == len(found)
    assert {"fixed_asset_investment", "market_entities", "cluster_revenue_it_innovation"} <= set(ids)

    def shares(values: Iterable[float | None]) -> bool:
        return all(v is None or (0 <= v <= 1 and (v * COUNT) == pytest.approx(round(v * COUNT), abs=1e-9)) for v in values)

    assert shares(x for a in found for x in (a.probability, a.nominal, a.average))


def test_summary() -> None:
    trajectories = ensemble("baseline")
    told = summary(trajectories)
    assert (told["region"], told["scenario"], told["runs"]) == ("thz", "thz-baseline", COUNT)
    assert (told["nonfinite_runs"], told["nonfinite"]) == (0, [])
    cell = told["indicators"]["high_tech_enterprises"]["years"]["2025"]
    low, middle, high = np.quantile(trajectories.values["high_tech_enterprises"][5], (0.05, 0.5, 0.95))
    assert (cell["p05"], cell["median"], cell["p95"]) == pytest.approx((low, middle, high))
    assert cell["target"]["value"] == 2500
    assert cell["probability"] == np.mean(trajectories.values["high_tech_enterprises"][5] >= 2499.5)
    assert len(told["targets"]) == len(judge_all(trajectories))


def test_a_run_honours_the_correlations_of_its_scenario() -> None:
    """As a sweep does, run for run; each input keeps its own distribution."""
    from simulate.designs import Correlation, SweepSetting
    from simulate.experiments import plan_sweep, rows

    pair = ("productivity_growth", "outside_wage_growth")
    plain = dataclasses.replace(load_scenario("thz-baseline"), method="euler", steps_per_year=1)
    scenario = dataclasses.replace(plain, sweep=SweepSetting(sample="random", correlations=(Correlation(between=pair, value=0.8),)))
    found, alone = run(scenario, runs=3000, keep=["gdp"]), run(plain, runs=3000, keep=["gdp"])
    assert spearmanr(*(found.drawn[n] for n in pair)).statistic == pytest.approx(6 / np.pi * np.arcsin(0.4), abs=0.03)
    assert abs(spearmanr(*(alone.drawn[n] for n in pair)).statistic) < 0.06
    np.testing.assert_allclose(*(np.quantile(t.drawn[pair[1]], [0.1, 0.5, 0.9]) for t in (found, alone)), rtol=0.02)
    later = run(scenario, runs=10, first=40, keep=["gdp"])
    np.testing.assert_array_equal(later.values["gdp"], found.values["gdp"][:, 40:50])
    swept = rows(plan_sweep(scenario, points=50, keep=["gdp"]), 0, 50)
    np.testing.assert_array_equal(swept["gdp@2035"].to_numpy(), found.values["gdp"][-1, :50])
    central = run(scenario, central=True, keep=["gdp"])
    np.testing.assert_array_equal(central.values["gdp"], run(plain, central=True, keep=["gdp"]).values["gdp"])
