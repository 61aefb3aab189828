"""Back-test: scores against hand-made and published numbers, and nothing after the split in what is projected."""

import dataclasses
import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulate import plots_calibration, setups
from simulate.backtest import LEVELS, NAIVE, Backtest, Coverage, backtest, crps, naive, theil
from simulate.distributions import Distribution
from simulate.errors import InvalidInput
from simulate.outturns import Point, basis_of, error_covariance, hindsights, history, links, recorded
from simulate.registry import Registry, load_registry
from simulate.runs import run
from simulate.scenarios import load_scenario
from simulate.targets import Outturn

REGISTRY = load_registry()
CITY = load_scenario("tianjin-baseline")
BASE = REGISTRY.base_year("tianjin")


def with_outturns(*added: Outturn, keep=lambda o: True) -> Registry:
    """The registry with other recorded values."""
    return dataclasses.replace(REGISTRY, outturns=(*(o for o in REGISTRY.outturns if keep(o)), *added))


def outturn(indicator="gdp_growth", year=BASE + 1, value=4.0, unit="%", region="tianjin", grade="A", **more) -> Outturn:
    return Outturn(indicator=indicator, year=year, value=value, unit=unit, region=region, grade=grade, source="a test", **more)


def at_base(o: Outturn) -> bool:
    return o.region != "tianjin" or o.year <= BASE


@cache
def found(scenario: str = "tianjin-baseline", fit: bool = True) -> Backtest:
    return backtest(REGISTRY, scenario, runs=400, fit=fit)


def refused(*arguments, **options) -> str:
    with pytest.raises(InvalidInput) as caught:
        backtest(*arguments, **options)
    return str(caught.value)


# ---------------------------------------------------------------- scores

def test_theil_by_hand():
    """Forecasts 1, 2, 3 of 2, 4, 3: errors -1, -2, 0, worked out on paper."""
    t = theil([1, 2, 3], [2, 4, 3], [2, 2, 2])
    assert t.n == 3
    assert t.rmse == pytest.approx((5 / 3) ** 0.5)
    assert t.u1 == pytest.approx((5 / 3) ** 0.5 / ((14 / 3) ** 0.5 + (29 / 3) ** 0.5))
    assert t.u2 == pytest.approx((5 / 5) ** 0.5)
    assert t.bias == pytest.approx(1.0 / (5 / 3))
    assert t.variance == pytest.approx(0.0, abs=1e-12)
    assert t.covariance == pytest.approx(0.4)


def test_theil_tells_a_constant_error_from_a_wrong_spread():
    actual = np.array([1.0, 2.0, 4.0, 5.0])
    assert theil(actual + 1, actual).bias == pytest.approx(1)
    stretched = 3 + 2 * (actual - 3)
    assert theil(stretched, actual).variance == pytest.approx(1)
    assert theil(actual[::-1], actual).covariance == pytest.approx(1)
    assert theil(actual, actual, actual + 1).u2 == 0


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.floats(-10, 10), st.floats(-10, 10)), min_size=2, max_size=8).filter(
    lambda pairs: max(abs(f - a) for f, a in pairs) > 1e-3))
def test_the_shares_of_theil_add_up_and_u1_is_at_most_one(pairs):
    f, a = zip(*pairs, strict=True)
    t = theil(f, a)
    assert t.bias + t.variance + t.covariance == pytest.approx(1, abs=1e-6)
    assert -1e-9 <= t.u1 <= 1 + 1e-9


def test_crps_is_the_slow_double_sum_and_that_of_a_normal_distribution():
    x, y = np.random.default_rng(1).normal(2, 3, 60), 4.1
    slow = sum(abs(a - y) for a in x) / 60 - sum(abs(a - b) for a in x for b in x) / (2 * 60**2)
    assert crps(x, y) == pytest.approx(slow)
    assert crps(np.array([3.0]), 5.0) == 2.0
    # Gneiting and Raftery 2007, equation 5: a standard normal forecast of 0 scores (sqrt 2 - 1)/sqrt(pi)
    from scipy.special import ndtri
    assert crps(ndtri((np.arange(20_000) + 0.5) / 20_000), 0.0) == pytest.approx((2**0.5 - 1) / np.pi**0.5, abs=1e-4)


@pytest.mark.parametrize(("inside", "n", "low", "high"), [(0, 10, 0.0, 0.3085), (5, 10, 0.1871, 0.8129), (10, 10, 0.6915, 1.0)])
def test_interval_of_coverage_is_the_tabled_one_of_clopper_and_pearson(inside, n, low, high):
    assert Coverage(90, n, inside).interval == pytest.approx((low, high), abs=5e-5)
    assert Coverage(50, 0, 0).interval == (0, 1)


# ---------------------------------------------------------------- which records count

def test_recorded_growth_of_the_city_is_counted_and_what_must_not_be_scored_is_not():
    status = {h.point.name: h.point.status for h in found().held}
    growth = {h.point.year: h.point.value for h in found().held if h.point.indicator == "gdp_growth"}
    assert growth == {2021: 6.6, 2022: 1.0, 2023: 4.3, 2024: 5.1, 2025: 4.8}
    assert {status[f"gdp_growth@{y}"] for y in growth} == {"counted"}
    assert status["gdp@2024"] == "new basis"
    assert status["high_tech_enterprises@2024"] == "bound"
    assert {h.point.name: h.point.status for h in found("teda-baseline").held} == {
        "gdp_growth@2021[1-6]": "part of a year", "gdp@2024": "not independent", "high_tech_enterprises@2024": "counted"}
    assert {h.point.status for h in found("thz-baseline").held} == {"part of a year"}
    assert not found("thz-baseline").counted


def test_of_two_vintages_the_revised_is_taken_and_bad_ones_are_not():
    registry = with_outturns(outturn(year=2021, value=5.0, vintage="preliminary"),
                             outturn(year=2021, value=5.5, vintage="revised", grade="B"),
                             outturn(year=2022, value=9.0, vintage="superseded"), outturn(year=2023, value=9.0, role="target"),
                             outturn(year=2024, value=9.0, note="old coverage"), keep=at_base)
    points = recorded(registry, setups.resolve(registry, CITY), BASE)
    assert [(p.year, p.value) for p in points] == [(2021, 5.5)]


@pytest.mark.parametrize(("words", "basis"), [
    ("revised (4th census)", "same"), ("preliminary (pre 5th census)", "same"), ("preliminary (post 5th census base)", "later"),
    ("superseded", "superseded"), ("as published then (old GDP)", "earlier"), (None, "same")])
def test_statistical_basis_as_the_vintage_says_it(words, basis):
    assert basis_of(outturn(vintage=words)) == basis


def test_half_a_year_becomes_a_band_and_its_level_is_never_doubled():
    (h1, *_), told = found("thz-baseline").held, " ".join(found("thz-baseline").sentences("en"))
    assert h1.point.band == pytest.approx((11.1 / 2, 11.1))
    assert not h1.naive
    assert "gdp" not in {h.point.indicator for h in found("thz-baseline").held}
    assert "No whole-year value" in told and "half a year on a low base" in told


def test_inputs_set_with_later_knowledge_are_named():
    years = {a.indicator: y for a, y in hindsights(REGISTRY, setups.resolve(REGISTRY, load_scenario("teda-baseline")))}
    assert years == {"gdp": (2022, 2024)}
    assert "was set with data from after 2020" in " ".join(found("teda-baseline").sentences("en"))


def test_history_stands_on_one_basis_and_takes_plans_where_nothing_else_is_recorded():
    level = history(REGISTRY, "tianjin", "gdp", BASE)
    assert level[2020] == 14007.99 and list(level) == list(range(2015, 2021))
    assert history(REGISTRY, "tianjin", "rd_intensity", BASE) == {2020: 3.2}  # 2015 stands on the old GDP
    assert history(REGISTRY, "tianjin", "high_tech_enterprises", 2030) == {2017: 4093, 2020: 7420}  # "more than 12000" is no value
    assert history(REGISTRY, "teda", "gdp_growth", BASE) == {2017: 5.1, 2020: 1.8}


# ---------------------------------------------------------------- naive forecasts

def test_naive_forecasts_by_hand():
    setup = setups.resolve(REGISTRY, CITY)

    def told(indicator: str, year: int, split: int = BASE) -> dict[str, float]:
        point = next(p for p in recorded(REGISTRY, setup, BASE) if (p.indicator, p.year) == (indicator, year))
        return naive(REGISTRY, setup, point, split)

    level = told("gdp", 2022)
    assert level["unchanged"] == 14007.99
    assert level["last"] == pytest.approx(14007.99 * (14007.99 / 14055.46) ** 2)
    assert level["average"] == pytest.approx(14007.99 * (14007.99 / 10879.51) ** (2 / 5))
    prices = setup.values["deflator_growth"]
    assert isinstance(prices, Distribution)
    real = 100 * ((14007.99 / 10879.51) ** 0.2 * np.exp(-prices.centre) - 1)
    assert told("gdp_growth", 2023) == pytest.approx({"last": 1.5, "average": real})
    assert told("gdp_growth", 2025, split=2022) == pytest.approx({"last": 1.0, "average": (1.5 + 6.6 + 1.0) / 3})
    assert told("high_tech_enterprises", 2024) == pytest.approx(
        {"unchanged": 7420, "last": 7420 * (7420 / 4093) ** (4 / 3), "average": 7420 * (7420 / 4093) ** (4 / 3)})
    assert told("rd_intensity", 2022) == {"unchanged": 3.2}


def test_nothing_after_the_split_enters_projection_fit_or_naive_forecasts():
    """Whatever was recorded later, what is projected and the naive forecasts are the same to the last bit."""
    later = dataclasses.replace(REGISTRY, outturns=tuple(
        dataclasses.replace(o, value=o.value * 1.7) if o.year > BASE else o for o in REGISTRY.outturns))
    one, other = found(), backtest(later, "tianjin-baseline", runs=400)
    assert [h.point.name for h in one.held] == [h.point.name for h in other.held]
    for a, b in zip(one.held, other.held, strict=True):
        assert a.point.value != b.point.value
        assert a.quantiles == b.quantiles and a.predictive == b.predictive and a.naive == b.naive
    assert one.fit.moments == other.fit.moments


# ---------------------------------------------------------------- the projection

def test_without_fit_it_is_the_ensemble_that_run_makes():
    direct = run(dataclasses.replace(CITY, horizon=2025, report_years=(2025,)), REGISTRY, runs=400)
    x = direct.indicator("gdp")
    growth = 100 * (x[1:] / x[:-1] - 1)
    for h in found(fit=False).held:
        if h.point.indicator == "gdp_growth":
            assert h.quantiles == pytest.approx(np.quantile(growth[h.point.year - BASE - 1], LEVELS))
            assert h.rank == pytest.approx(float(np.mean(growth[h.point.year - BASE - 1] < h.point.value)))
        if h.point.name == "gdp@2022":  # at current prices, as recorded
            assert h.median == pytest.approx(float(np.median(direct.values["nominal_gdp"][2])))


def test_a_record_at_the_median_is_inside_and_one_far_off_is_not():
    medians = {h.point.year: h.median for h in found(fit=False).held if h.point.indicator == "gdp_growth"}
    inside = backtest(with_outturns(*(outturn(year=y, value=v) for y, v in medians.items()), keep=at_base), CITY, runs=400, fit=False)
    assert [inside.coverage(b).inside for b in (50, 90)] == [5, 5]
    assert [round(h.rank, 2) for h in inside.held] == [0.5] * 5
    assert inside.means["gdp_growth"].rank == pytest.approx(0.5, abs=0.1)
    outside = backtest(with_outturns(*(outturn(year=y, value=v + 9) for y, v in medians.items()), keep=at_base), CITY, runs=400, fit=False)
    assert [outside.coverage(b).inside for b in (50, 90)] == [0, 0]
    assert [h.rank for h in outside.held] == [1.0] * 5
    assert outside.theil["gdp_growth"].bias == pytest.approx(1, abs=1e-3)
    assert "too narrow" in " ".join(outside.sentences("en"))


def test_yearly_disturbances_widen_bands_as_their_variance_says():
    h = next(h for h in found().held if h.point.name == "gdp_growth@2023")
    model, wide = (q[4] - q[0] for q in (h.quantiles, h.predictive))
    assert wide == pytest.approx((model**2 + (100 * 2 * 1.645 * np.hypot(0.02, 0.002)) ** 2) ** 0.5, rel=0.12)


def test_a_bound_is_judged_on_its_side_and_kept_out_of_coverage():
    h = next(h for h in found().held if h.point.status == "bound")
    assert h.probability == pytest.approx(1 - h.rank)
    assert h.median_error == max(12000 - h.median, 0)
    assert h not in found().counted


# ---------------------------------------------------------------- the fit to the record up to the base year

def test_the_fit_is_the_conjugate_posterior_where_all_is_normal():
    """Trend and deflator normal, utilisation certain: two linear observations, so the posterior is known in closed form."""
    normal = dataclasses.replace(CITY, parameters={"utilisation_base": 0.98}, uncertainties={
        "trend_growth_base": Distribution(normal=(0.04, 0.01)), "deflator_growth": Distribution(normal=(0.015, 0.008))})
    setup = setups.resolve(REGISTRY, normal)
    used = [k for k in links(REGISTRY, setup) if k.used]
    assert {k.rates for k in used} == {("trend_growth_base", "deflator_growth"), ("trend_growth_base",)}
    design = np.array([[1.0, 1.0 * (len(k.rates) > 1)] for k in used])
    observed = np.array([k.observed - (np.log(0.98) if k.logarithms else 0) for k in used])
    precision = np.diag([k.sd**-2 for k in used])
    prior = np.diag([0.01**-2, 0.008**-2])
    covariance = np.linalg.inv(prior + design.T @ precision @ design)
    mean = covariance @ (prior @ [0.04, 0.015] + design.T @ precision @ observed)
    b = backtest(REGISTRY, normal, runs=4000)
    for n, k in (("trend_growth_base", 0), ("deflator_growth", 1)):
        (m, sd), (drawn_m, drawn_sd) = b.fit.moments[n][1], (b.trajectories.drawn[n].mean(), b.trajectories.drawn[n].std())
        assert (m, sd) == pytest.approx((mean[k], covariance[k, k] ** 0.5), rel=0.03)
        assert (drawn_m, drawn_sd) == pytest.approx((m, sd), rel=0.03)


def test_what_the_regions_data_already_rest_on_is_not_used_twice():
    by_name = {k.name: k.used for k in found().fit.links}
    assert by_name["growth of certified firms before the base year"] is False
    assert by_name["growth of the base year"] is True
    assert "certified_growth_base" not in found().fit.moments


def test_errors_share_the_years_that_they_have_in_common():
    """By hand: growth and level share the first year's disturbance, the level has its deflator's besides."""
    points = [Point("gdp_growth", "gdp", "growth", "r", 2021, 5.0, "%", "equal", "A", "counted", ""),
              Point("gdp", "gdp", "money", "r", 2022, 1.0, "亿元", "equal", "C", "counted", "", nominal=True)]
    expected = [[0.02**2 + 0.002**2, 0.02**2], [0.02**2, 2 * 0.02**2 + 2 * 0.015**2 + 0.05**2]]
    assert error_covariance(points, 2020) == pytest.approx(np.array(expected))
    assert error_covariance(points, 2020, disturbance=0) == pytest.approx(np.diag([0.002**2, 0.05**2]))


# ---------------------------------------------------------------- words, charts, command

def test_it_says_where_a_naive_forecast_is_no_worse():
    registry = with_outturns(*(outturn(year=BASE + k, value=1.5) for k in (1, 2, 3)), keep=at_base)
    b = backtest(registry, CITY, runs=100)
    assert b.errors["gdp_growth"]["last"] == pytest.approx(0)
    assert any("no better than 'last growth continued'" in s for s in b.sentences("en"))
    assert any("不比“延续上期增速”更好" in s for s in b.sentences("zh"))
    assert len(found().sentences("zh")) == len(found().sentences("en"))


def test_what_a_scenario_was_fitted_to_is_not_validated_on():
    fitted = dataclasses.replace(CITY, fitted={"gdp_growth": (2021, 2022), "gdp": (2021,)})
    b = backtest(REGISTRY, fitted, runs=100)
    assert b.split == 2022 and min(h.point.year for h in b.held) == 2023
    assert not b.fit.links
    everything = dataclasses.replace(CITY, fitted={"gdp_growth": (2021, 2025)})
    assert "was fitted to records up to 2025: fit up to an earlier year" in refused(REGISTRY, everything)
    early = backtest(REGISTRY, fitted, runs=100, split=2020)
    assert {h.point.name for h in early.held if h.point.status == "fitted"} == {"gdp_growth@2021", "gdp_growth@2022", "gdp@2021"}
    assert all(h.point.status != "fitted" for h in early.counted)
    assert any("used to fit the parameters" in s for s in early.sentences("en"))


@pytest.mark.parametrize("lang", ["zh", "en"])
@pytest.mark.parametrize("scenario", ["tianjin-baseline", "thz-baseline", "teda-baseline"])
def test_every_series_has_a_chart_that_marks_every_record(scenario, lang):
    b = found(scenario)
    for name in {h.point.indicator for h in b.held}:
        figure = plots_calibration.backtest_chart(b, name, lang)
        figure.canvas.draw()  # a glyph that the font lacks is a warning, and so an error
        marked = {str(line.get_gid()) for line in figure.axes[0].lines} & {f"recorded {h.point.name}" for h in b.held}
        assert len(marked) == sum(h.point.indicator == name and h.point.band is None for h in b.held)
    with pytest.raises(InvalidInput, match="holds no value"):
        plots_calibration.backtest_chart(b, "gdp_grwth", lang)


@pytest.mark.parametrize(("options", "message"), [
    ({"region": "tianjing"}, "Did you mean 'tianjin'"), ({"scenario": "tianjin-basline"}, "Did you mean"),
    ({"scenario": "nidz-baseline"}, "no value recorded after 2014"),
    ({"scenario": "tianjin-baseline", "split": 2019}, "before the base year 2020"),
    ({"scenario": "tianjin-baseline", "split": 2025}, "no value recorded after 2025"),
    ({"scenario": "tianjin-baseline", "runs": 5}, "too few"), ({"scenario": "tianjin-baseline", "seed": -1}, "negative")])
def test_wrong_input_is_refused_in_one_message(options, message):
    assert message in refused(REGISTRY, **options)


def simulate(*arguments):
    env = {**os.environ, "SIMULATE_LANG": "en", "PYTHONWARNINGS": "error"}
    command = [sys.executable, "-m", "simulate", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, encoding="utf-8", env=env)


def test_the_command_prints_json_and_writes_charts(tmp_path: Path):
    done = simulate("backtest", "--region", "tianjin", "--runs", 100, "--json", "--out", tmp_path / "charts")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert {p["indicator"] for p in told["points"]} == {"gdp_growth", "gdp", "high_tech_enterprises", "rd_intensity"}
    assert {c["n"] for c in told["coverage"]} == {sum(p["status"] == "counted" for p in told["points"])}
    assert set(told["theil"]) == {"gdp_growth", "gdp"}
    assert set(told["errors"]["gdp_growth"]) >= {"model", "last", "average", "crps"} and set(NAIVE) >= {"last", "average"}
    assert sorted(f.name for f in (tmp_path / "charts").iterdir()) == [
        "backtest-gdp.png", "backtest-gdp_growth.png", "backtest-high_tech_enterprises.png", "backtest-rd_intensity.png"]


def test_the_command_speaks_plainly_and_refuses_nonsense(tmp_path: Path):
    done = simulate("backtest", "thz-baseline", "--runs", 50, "--lang", "zh")
    assert done.returncode == 0 and "没有可计分的全年记录值" in done.stdout
    (tmp_path / "file").touch()
    wrong = simulate("backtest", "--region", "nowhere")
    assert (wrong.returncode, wrong.stdout) == (2, "") and "region: 'nowhere' is not known" in wrong.stderr
    assert simulate("backtest", "--region", "tianjin", "--out", tmp_path / "file").returncode == 2
