"""Calibration: the sampler against posteriors known in closed form, the whole against data it made itself, the overlay in use."""

import dataclasses
import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from scipy import optimize, stats

from simulate import calibration, experiments, outturns
from simulate.backtest import backtest
from simulate.calibration import (
    Calibration,
    Check,
    Posterior,
    by_least_squares,
    by_sampler,
    calibrate,
    marginal,
    observations,
    overlay,
    posterior,
    sample,
    sbc,
    split_r_hat,
)
from simulate.distributions import Distribution
from simulate.errors import InvalidInput
from simulate.registry import load_registry
from simulate.runs import run
from simulate.scenarios import load_scenario

REGISTRY = load_registry()
CITY = load_scenario("tianjin-baseline")
BASE = REGISTRY.base_year("tianjin")
CHEAP = dataclasses.replace(CITY, method="euler", steps_per_year=2)  # one step a year overshoots where recovery is quick
NORMAL = dataclasses.replace(CITY, parameters={"utilisation_base": 0.98}, uncertainties={  # linear and normal: known in closed form
    "trend_growth_base": Distribution(normal=(0.04, 0.01)), "deflator_growth": Distribution(normal=(0.015, 0.008))})
KEY = ("trend_growth_base", "deflator_growth")


@cache
def target() -> Posterior:
    return posterior(REGISTRY, CHEAP, until=2023)


@cache
def quick() -> Calibration:
    return calibrate(REGISTRY, CHEAP, until=2023, quick=True)


def conjugate() -> tuple[np.ndarray, np.ndarray]:
    """Posterior mean and covariance of trend and deflator given the base-year record."""
    _, links = observations(REGISTRY, NORMAL, BASE)
    design = np.array([[1.0, 1.0 * (len(k.rates) > 1)] for k in links])
    observed = np.array([k.observed - (np.log(0.98) if k.logarithms else 0) for k in links])
    precision, prior = np.diag([k.sd**-2 for k in links]), np.diag([0.01**-2, 0.008**-2])
    covariance = np.linalg.inv(prior + design.T @ precision @ design)
    return covariance @ (prior @ [0.04, 0.015] + design.T @ precision @ observed), covariance


def refused(call, *arguments, **options) -> str:
    with pytest.raises(InvalidInput) as caught:
        call(*arguments, **options)
    return str(caught.value)


# ---------------------------------------------------------------- the sampler

def test_the_sampler_finds_a_normal_distribution_and_says_that_it_did():
    mean, covariance = np.array([1.0, -2.0, 0.5]), np.array([[1.0, 0.6, 0], [0.6, 2.0, -0.3], [0, -0.3, 0.5]])
    inverse = np.linalg.inv(covariance)

    def density(z):
        return -0.5 * np.einsum("ij,jk,ik->i", z - mean, inverse, z - mean)

    chains = sample(density, np.zeros(3), np.eye(3), walkers=32, steps=900, seed=3)
    assert chains.converged
    error = 4 * np.sqrt(np.diag(covariance) / chains.effective)
    assert np.all(np.abs(chains.flat.mean(axis=0) - mean) < error)
    assert np.cov(chains.flat.T) == pytest.approx(covariance, abs=0.2)
    assert chains.r_hat.max() < 1.01 and 0.1 < chains.acceptance < 0.9
    assert chains.effective.max() < chains.flat.shape[0]
    short = sample(density, np.zeros(3), np.eye(3), walkers=32, steps=60, seed=3)
    assert not short.converged
    assert np.array_equal(short.z, sample(density, np.zeros(3), np.eye(3), walkers=32, steps=60, seed=3).z)
    assert not np.array_equal(short.z, sample(density, np.zeros(3), np.eye(3), walkers=32, steps=60, seed=4).z)


def test_r_hat_is_one_for_one_distribution_and_not_for_others():
    rng = np.random.default_rng(0)
    same = rng.standard_normal((4, 2000))
    assert split_r_hat(same) == pytest.approx(1, abs=0.005)
    assert split_r_hat(same + np.array([0, 0, 0, 1.0])[:, None]) > 1.1
    assert split_r_hat(same * np.array([1, 1, 1, 3.0])[:, None]) > 1.05  # means agree, tails do not: folding finds it
    assert split_r_hat(same + np.linspace(0, 2, 2000)) > 1.1  # a trend: halves find it
    assert split_r_hat(np.exp(5 * same)) == pytest.approx(split_r_hat(same), abs=0.005)  # ranks: no moments needed


def test_r_hat_of_normal_scores_by_hand():
    """Gelman and Rubin's ratio of four halves, written out, on values whose scores are themselves."""
    x = stats.norm.ppf((stats.rankdata(np.random.default_rng(5).standard_normal(400)) - 0.375) / 400.25).reshape(2, 200)
    parts = [x[0, :100], x[0, 100:], x[1, :100], x[1, 100:]]
    within = np.mean([p.var(ddof=1) for p in parts])
    between = 100 * np.var([p.mean() for p in parts], ddof=1)
    bulk = ((99 / 100 * within + between / 100) / within) ** 0.5
    assert split_r_hat(x) >= bulk - 1e-9
    assert min(abs(split_r_hat(x) - bulk), abs(split_r_hat(x) - 1)) < 0.05


@pytest.mark.parametrize(("options", "message"), [({"walkers": 4}, "at least 8"), ({"walkers": 33}, "odd"), ({"steps": 5}, "at least 30")])
def test_too_few_walkers_or_steps_are_refused(options, message):
    assert message in refused(sample, lambda z: -z[:, 0] ** 2, np.zeros(1), np.eye(1), **options)


def test_without_emcee_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "emcee", None)
    assert "simulate[calibration]" in refused(sample, lambda z: -z[:, 0] ** 2, np.zeros(1), np.eye(1))


# ---------------------------------------------------------------- the posterior

def test_least_squares_and_sampler_give_the_conjugate_posterior_where_it_is_known():
    mean, covariance = conjugate()
    sd = np.sqrt(np.diag(covariance))
    fast = calibrate(REGISTRY, NORMAL, until=BASE, parameters=KEY, quick=True)
    mode = [float(x[0]) for x in fast.posterior.values(fast.mode[None]).values()]
    assert mode == pytest.approx(mean, rel=1e-5)
    _, curved = fast.posterior.maximum()
    scale = np.diag([0.01, 0.008])
    assert scale @ curved @ scale == pytest.approx(covariance, rel=1e-4)
    full = calibrate(REGISTRY, NORMAL, until=BASE, parameters=KEY, walkers=80, steps=300)
    assert full.draws.mean(axis=0) == pytest.approx(mean, abs=0.15 * sd.min())
    assert np.diag(np.cov(full.draws.T)) == pytest.approx(np.diag(covariance), rel=0.15)
    assert full.correlations[("deflator_growth", "trend_growth_base")] == pytest.approx(covariance[0, 1] / sd.prod(), abs=0.08)
    contraction = {row.name: row.contraction for row in full.learnt}
    assert contraction["trend_growth_base"] == pytest.approx(1 - covariance[0, 0] / 0.01**2, abs=0.05)


def test_a_parameter_left_out_is_integrated_over():
    """The trend fitted alone has the same posterior as beside the deflator, whose prior spread is added to the errors."""
    mean, covariance = conjugate()
    alone = posterior(REGISTRY, NORMAL, until=BASE, parameters=KEY[:1], runs=40_000)
    mode, curved = alone.maximum()
    assert 0.04 + 0.01 * mode[0] == pytest.approx(mean[0], rel=0.002)
    assert 0.01 * curved[0, 0] ** 0.5 == pytest.approx(covariance[0, 0] ** 0.5, rel=0.01)


def test_the_log_probability_is_that_of_textbook_densities():
    """Against scipy's multivariate normal and normal survival function, one run at a time, up to the constant."""
    p = posterior(REGISTRY, CHEAP)
    assert p.bounds and p.links and len(p.points) > 5
    z = np.random.default_rng(2).standard_normal((4, len(p.names)))
    n, m = len(p.points), len(p.bounds)
    exact = np.r_[0:n, n + m : len(p.observed)]
    slow = []
    for row in z:
        told = p.predict(row[None])[:, 0]
        slow.append(stats.multivariate_normal(told[exact], p.root @ p.root.T).logpdf(p.observed[exact])
                    + stats.norm.logsf(p.observed[n : n + m], told[n : n + m], p.bound_sd).sum() + stats.norm.logpdf(row).sum())
    fast = p.log_probability(z)
    assert fast - fast[0] == pytest.approx(np.array(slow) - slow[0], abs=1e-8)


def test_one_run_of_a_block_is_the_same_alone_and_agrees_with_a_run_of_the_scenario():
    p = target()
    z = np.random.default_rng(2).standard_normal((3, len(p.names)))
    assert p.predict(z)[:, 1] == pytest.approx(p.predict(z[1:2])[:, 0], rel=1e-12)
    values = {n: float(x[0]) for n, x in p.values(z[:1]).items()}
    fixed = dataclasses.replace(p.setup.scenario, parameters=values, uncertainties={})
    told = outturns.predicted(run(fixed, REGISTRY, central=True), p.points)[:, 0]
    expected = [outturns.on_error_scale(o, x) for o, x in zip(p.points, told, strict=True)]
    assert (p.predict(z[:1])[:, 0] - p.offset)[: len(expected)] == pytest.approx(np.array(expected), rel=1e-9)


def test_the_mode_is_where_another_minimiser_finds_it():
    p = target()
    mode, _ = p.maximum()
    found = optimize.minimize(lambda z: -p.log_probability(z[None])[0], mode + 0.3, method="BFGS", options={"gtol": 1e-4})
    assert mode == pytest.approx(found.x, abs=2e-3)


def test_a_bound_pulls_only_as_far_as_it_is_not_met():
    p = posterior(REGISTRY, CHEAP, parameters=["certified_growth_base"])
    (bound,) = p.bounds
    lower = dataclasses.replace(p, observed=p.observed - np.array([float(k == len(p.points)) for k in range(len(p.observed))]))
    beyond, half = (x.log_likelihood(x.predict(np.array([[2.5], [-2.5]]))) for x in (lower, p))
    assert bound.low_side and half[0] > half[1]  # more growth satisfies "more than"
    assert np.ptp(beyond) < 0.1 * np.ptp(half)  # far above the bound nothing more is gained


def test_by_default_what_the_data_can_tell_of_is_fitted():
    names = target().names
    assert {"trend_growth_base", "deflator_growth"} <= set(names)
    assert not [n for n in names if n.startswith("cost_") or n.endswith("_effect")]  # no lever is pulled
    assert len(names) <= calibration.MOST
    contraction = {row.name: row.contraction for row in quick().learnt}
    assert max(contraction.values()) > 0.2
    silent = calibrate(REGISTRY, CHEAP, until=2023, quick=True, parameters=["trend_growth_base", "cost_talent"])
    told = {row.name: row.contraction for row in silent.learnt}
    assert abs(told["cost_talent"]) < calibration.LEARNT < told["trend_growth_base"]


def test_only_data_up_to_the_year_given_enter():
    points, links = observations(REGISTRY, CITY, 2022)
    assert max(p.year for p in points) == 2022 and links
    assert not observations(REGISTRY, CITY, BASE)[0]
    later = dataclasses.replace(REGISTRY, outturns=tuple(
        dataclasses.replace(o, value=o.value * 1.3) if o.year > 2022 else o for o in REGISTRY.outturns))
    one, other = (calibrate(r, CHEAP, until=2022, quick=True, parameters=KEY) for r in (REGISTRY, later))
    assert np.array_equal(one.draws, other.draws)


@pytest.mark.parametrize(("options", "message"), [
    ({"until": 2019}, "until: 2019 is before the base year 2020"), ({"parameters": ["trend_growth"]}, "Did you mean 'trend_growth_base'"),
    ({"parameters": []}, "none is named"), ({"seed": -1}, "negative"), ({"parameters": ["firms_per_10k"]}, "not an uncertain parameter")])
def test_wrong_input_is_refused(options, message):
    assert message in refused(calibrate, REGISTRY, CHEAP, quick=True, **options)


def test_a_region_without_records_is_refused():
    assert "nothing is recorded" in refused(calibrate, REGISTRY, load_scenario("nidz-baseline"), quick=True)


# ---------------------------------------------------------------- simulation-based check

def test_the_check_passes_where_all_is_linear_and_normal():
    p = posterior(REGISTRY, NORMAL, until=BASE, parameters=KEY)
    checked = sbc(p, 120, fit=by_least_squares, seed=2)
    assert checked.passed, (checked.covered(0.5), checked.covered(0.9), checked.uniformity())


def test_the_check_passes_on_the_model_with_all_that_is_recorded():
    """Data made by the model with every parameter drawn; growth, levels, counts, a bound: intervals cover at their rate."""
    p = posterior(REGISTRY, CITY)
    assert p.bounds and p.links and len(p.names) > 6
    checked = sbc(p, 300, seed=5)
    assert checked.effective > 50
    assert checked.passed, (checked.covered(0.5), checked.covered(0.9), checked.uniformity())


def test_the_sampler_and_weighed_prior_draws_find_the_same_posterior_of_the_model():
    p = posterior(REGISTRY, CHEAP, until=2022, parameters=("trend_growth_base", "deflator_growth", "utilisation_base"))
    prior = np.random.default_rng(0).standard_normal((40_000, 3))
    logs = p.log_likelihood(p.predict(prior))
    weights = np.exp(logs - logs.max()) / np.exp(logs - logs.max()).sum()
    mean = weights @ prior
    sd = np.sqrt(weights @ (prior - mean) ** 2)
    chains = sample(p.log_probability, *p.maximum(), walkers=120, steps=90)
    assert chains.flat.mean(axis=0) == pytest.approx(mean, abs=0.08)
    assert chains.flat.std(axis=0) == pytest.approx(sd, rel=0.08)
    assert np.all(sd < 0.97)


def test_the_check_runs_with_the_sampler():
    p = posterior(REGISTRY, NORMAL, until=BASE, parameters=KEY)
    checked = sbc(p, 20, fit=by_sampler(walkers=12, steps=30), seed=3)
    assert checked.effective is None and checked.ranks.shape == (20, 2)
    assert np.ptp(checked.ranks) > 0.5


def test_the_check_fails_where_errors_are_larger_than_the_fit_believes():
    p = posterior(REGISTRY, NORMAL, until=BASE, parameters=KEY)
    assert not sbc(dataclasses.replace(p, noise=16 * p.noise), 100, seed=2).passed


def test_ranks_that_are_not_uniform_are_found():
    rng = np.random.default_rng(0)
    assert Check(("a",), rng.uniform(size=(200, 1))).passed
    assert not Check(("a",), rng.beta(2, 2, size=(200, 1))).passed  # too wide a posterior
    assert not Check(("a",), rng.beta(0.5, 0.5, size=(200, 1))).passed  # too narrow
    assert not Check(("a",), rng.uniform(size=(200, 1)) ** 2).passed  # biased
    assert "at least 20" in refused(sbc, target(), 5)


# ---------------------------------------------------------------- the overlay

@pytest.mark.parametrize("prior", [Distribution(uniform=(2, 5)), Distribution(triangular=(0.1, 0.2, 0.9)), Distribution(normal=(3, 2)),
                                   Distribution(lognormal=(3, 0.4)), Distribution(beta=(2, 3, -1, 1))])
def test_a_marginal_keeps_mean_spread_and_support(prior):
    draws = prior.quantile(0.3 + 0.4 * (np.arange(5000) + 0.5) / 5000)
    told = marginal(prior, draws)
    x = told.quantile((np.arange(20_000) + 0.5) / 20_000)
    assert (x.mean(), x.std()) == pytest.approx((draws.mean(), draws.std()), rel=0.01)
    if prior.kind not in ("normal", "lognormal"):
        assert told.support == pytest.approx(prior.support)


def test_the_overlay_is_a_scenario_that_run_sweep_and_backtest_accept(tmp_path: Path):
    file = tmp_path / "fitted.yaml"
    file.write_text(overlay(quick(), "tianjin-baseline"), encoding="utf-8")
    scenario = load_scenario(file)
    assert scenario.region == "tianjin" and scenario.label.en == "Tianjin: baseline (fitted)"
    assert scenario.fitted == {"gdp": (2021, 2022, 2023), "gdp_growth": (2021, 2022, 2023), "rd_intensity": (2022,)}
    drawn = run(scenario, REGISTRY, runs=2000, keep=["gdp"]).drawn
    for row in quick().learnt:
        assert (drawn[row.name].mean(), drawn[row.name].std()) == pytest.approx(row.posterior, rel=0.1), row.name
    assert scenario.sweep is not None
    plan = experiments.plan_sweep(scenario, REGISTRY, points=64)
    assert plan.runs == 64
    for pair in scenario.sweep.correlations:
        assert pair.value == pytest.approx(quick().correlations[pair.between], abs=1e-3)
    held = backtest(REGISTRY, scenario, runs=200)
    assert held.split == 2023 and {h.point.year for h in held.held} == {2024, 2025}
    fewer = "nothing is recorded up to 2023"
    assert fewer in refused(calibrate, REGISTRY, scenario, until=2023, quick=True)  # no second use of the same points
    again = calibrate(REGISTRY, scenario, quick=True)
    assert {p.year for p in again.posterior.points} == {2024, 2025}
    assert again.fitted["gdp_growth"] == (2021, 2022, 2023, 2024, 2025)


def test_fitting_narrows_what_was_fitted_to():
    for row in quick().comparison:
        if row["observation"].startswith("gdp"):
            assert row["fitted"][2] - row["fitted"][0] < row["prior"][2] - row["prior"][0]


def simulate(*arguments):
    env = {**os.environ, "SIMULATE_LANG": "en", "PYTHONWARNINGS": "error"}
    command = [sys.executable, "-m", "simulate", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, encoding="utf-8", env=env)


def test_the_command_samples_and_says_that_so_few_steps_have_not_converged(tmp_path: Path):
    out = tmp_path / "fit.yaml"
    done = simulate("calibrate", "tianjin-baseline", "--until", BASE, "--walkers", 16, "--steps", 60, "--out", out)
    assert done.returncode == 0, done.stderr
    assert "NOT CONVERGED" in done.stdout and "R-hat" in done.stdout
    assert "NOT CONVERGED" in out.read_text(encoding="utf-8")
    assert load_scenario(out).fitted == {"gdp": (BASE,)}
    assert not list(tmp_path.glob(".*"))
    again = simulate("calibrate", "tianjin-baseline", "--quick", "--out", out)
    assert again.returncode == 2 and "exists already" in again.stderr
    told = simulate("calibrate", "tianjin-baseline", "--quick", "--until", BASE, "--out", out, "--force", "--json")
    assert told.returncode == 0, told.stderr
    data = json.loads(told.stdout)
    assert data["method"] == "least squares" and data["converged"] is None and data["parameters"] and data["observations"]
    second = tmp_path / "second" / "fit.yaml"  # a fit of a fit, elsewhere: finds the first, and remembers its years
    second.parent.mkdir()
    done = simulate("calibrate", out, "--quick", "--until", 2022, "--parameters", "deflator_growth", "--out", second, "--lang", "zh")
    assert done.returncode == 0 and "快速拟合" in done.stdout, done.stderr
    assert load_scenario(second).fitted == {"gdp": (BASE, 2021, 2022), "gdp_growth": (2021, 2022), "rd_intensity": (2022,)}
    assert "trend_growth_base" in load_scenario(second).uncertainties


@pytest.mark.parametrize(("options", "message"), [
    (["tianjin-basline"], "Did you mean"), (["tianjin-baseline", "--until", 2019], "before the base year"),
    (["tianjin-baseline", "--parameters", "nonsense"], "not an uncertain parameter"),
    (["tianjin-baseline", "--out", "/nowhere/at/all/fit.yaml"], "is not a folder"),
    (["tianjin-baseline", "--out", "fit.txt"], "not a YAML file"),
    (["tianjin-baseline", "--walkers", 0], "walkers: 0 is too few"), (["tianjin-baseline", "--check", 3], "show nothing")])
def test_the_command_refuses_nonsense(options, message):
    done = simulate("calibrate", *options)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr and "Traceback" not in done.stderr
