"""The compiled evaluation against the plain one, bit for bit; and a run against itself in other company."""

import dataclasses
from typing import Any

import numpy as np
import pytest

from simulate import compiler, runs
from simulate.distributions import Distribution
from simulate.integrators import METHODS, euler, rk4
from simulate.model import Array, Input, Model, Parameter, Stock, equation, exp, log, maximum, minimum, of_sector, power, total, where
from simulate.parameters import LEVERS
from simulate.registry import load_registry
from simulate.scenarios import LeverSetting, PathSetting, Scenario, Shock, load_scenario
from simulate.setups import resolve

# ---------------------------------------------------------------- a toy model with every kind of operation


@equation("1", over="sector")
def strength(share, drive, time):
    """Share of each sector times what drives it."""
    return share * (drive / 2 + 1e-3 * (time - 2000))


@equation("1")
def whole(strength):
    """Sum over sectors."""
    return total(strength)


@equation("1", over="cluster")
def local(membership, strength, weight):
    """Strength where a cluster belongs."""
    return of_sector(membership, strength) * weight


@equation("1/year", over="sector")
def growth(level, strength, ceiling, switched_off):
    """Powers, roots, minima and choices in one body."""
    return where(level > 0.5 * ceiling, minimum(strength, level**0.5), maximum(strength, level**2)) * (1 + ceiling * switched_off) + (
        level**3 * power(strength, 0.3) - -level**-1 + strength**strength) / 1000


@equation("1/year", over="sector")
def loss(level, whole, unit):
    """Shared and unit factors."""
    return unit * exp(0.1 * log(level)) * whole / unit


@equation("1")
def switched_off(drive):
    """Replaced by a fixed zero below."""
    return drive


@equation("1/year")
def drift(drive, unit):
    """The same in all runs."""
    return drive / 100 * unit


@equation("1/year", over="cluster")
def spread(local, place):
    """Of a cluster that may not be there."""
    return local - place


TOY = Model(
    (Stock("level", "1", "level_base", ("growth",), ("loss",), "sector"), Stock("slow", "1", "unit", ("drift",), ()),
     Stock("still", "1", "unit", (), ("drift", "drift")), Stock("place", "1", "weight", ("spread",), (), "cluster")),
    (*(Parameter(name, "1", 1.0, name, over="sector") for name in ("level_base", "share")),
     *(Parameter(name, "1", 1.0, name) for name in ("ceiling", "unit")),
     *(Parameter(name, "1", 1.0, name, over="cluster") for name in ("weight", "membership"))),
    (Input("drive", "1", "drive"),), (strength, whole, local, growth, loss, switched_off, drift, spread))

RANDOM = np.random.default_rng(3)
WIDE: dict[str, Array] = {
    "level_base": RANDOM.uniform(0.5, 2, (2, 9)), "share": RANDOM.uniform(0.1, 1, (2, 9)), "ceiling": RANDOM.uniform(1, 3, 9),
    "unit": np.ones(1), "weight": RANDOM.uniform(0.5, 2, (3, 9)), "membership": np.array([[1.0, 0], [0, 1], [0.5, 0.5]])[..., None]}
CERTAIN = {n: a[..., :1] for n, a in WIDE.items()}


def drive(t: float, within: float) -> Array:
    """One value for all runs, later a value for each, which jumps where a year begins."""
    return np.array([0.4 + 0.1 * (t - 2000)]) if within < 2001.5 else np.linspace(0.3, 0.9, 9) * (1 if within < 2002 else 2)


def toy(parameters: dict[str, Array], compiled: bool, method: str = "rk4", clusters: int = 3, **more: Any) -> dict[str, Array]:
    given = {**parameters, "weight": parameters["weight"][:clusters], "membership": parameters["membership"][:clusters]}
    with np.errstate(all="ignore"):
        return TOY.simulate(given, {"drive": drive}, start=2000.0, years=3, steps_per_year=2, step=METHODS[method], runs=9,
                            elements={"sector": 2, "cluster": clusters}, compiled=compiled, **more)


def same(one: dict[str, Array], other: dict[str, Array]) -> None:
    assert list(one) == list(other)
    for name, array in one.items():
        assert array.shape == other[name].shape
        assert np.array_equal(array, other[name], equal_nan=True), name


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("parameters", [WIDE, CERTAIN, WIDE | {"share": CERTAIN["share"]}, CERTAIN | {"ceiling": WIDE["ceiling"]}],
                         ids=["wide", "certain", "certain share", "wide ceiling"])
def test_toy(parameters: dict[str, Array], method: str) -> None:
    same(toy(parameters, True, method), toy(parameters, False, method))


def test_fixed_paths_and_no_clusters() -> None:
    def whole_path(t: float, within: float) -> Array | None:
        return None if within < 2000.5 else np.array([0.7 + t - 2000]) if within < 2002 else np.linspace(0.5, 1, 9)

    def strength_path(t: float, within: float) -> Array | None:
        return np.full((2, 1), 0.5) if within < 2001 else None if within < 2002 else np.array([0.6])

    more: dict[str, Any] = {"fixed": {"switched_off": np.zeros(1)}, "paths": {"whole": whole_path, "strength": strength_path},
                            "clusters": 0, "keep": ("level", "whole", "strength", "switched_off", "unit", "drive", "local", "time")}
    found = toy(WIDE, True, **more)
    same(found, toy(WIDE, False, **more))
    assert found["local"].shape == (4, 0, 9)
    assert (found["switched_off"] == 0).all()
    assert found["strength"][3].tolist() == [[0.6] * 9] * 2


def test_numbers_that_are_not_finite_stay_where_they_were() -> None:
    ceiling = WIDE["ceiling"].copy()
    ceiling[2:4] = np.inf, np.nan  # times the fixed zero: not a number, though the factor is known to be 0
    level = WIDE["level_base"].copy()
    level[0, 5:7] = 0, -1
    parameters = WIDE | {"ceiling": ceiling, "level_base": level}
    found = toy(parameters, True, fixed={"switched_off": np.zeros(1)})
    same(found, toy(parameters, False, fixed={"switched_off": np.zeros(1)}))
    assert np.isnan(found["level"][1:, :, 2:4]).all()
    assert np.isfinite(found["level"][:, :, [0, 1, 4, 7, 8]]).all()


def test_a_method_of_ones_own() -> None:
    """It may keep the rates it was given, and look first at another state than the one it starts from."""

    def two_stages(rates: Any, t: float, state: Array, dt: float) -> Array:
        first = rates(t, 1.01 * state, t + dt / 2)
        second = rates(t + dt / 2, state + dt / 2 * first, t + dt / 2)
        assert not np.shares_memory(first, second)
        return np.asarray(state + dt * (0.1 * first + 0.9 * second))

    given: dict[str, Any] = {"start": 2000.0, "years": 2, "steps_per_year": 3, "runs": 9, "elements": {"sector": 2, "cluster": 3}}
    found = TOY.simulate(WIDE, {"drive": drive}, step=two_stages, **given)
    same(found, TOY.simulate(WIDE, {"drive": drive}, step=two_stages, compiled=False, **given))
    assert found["slow"] == pytest.approx(TOY.simulate(WIDE, {"drive": drive}, step=rk4, **given)["slow"], rel=1e-4)


# ---------------------------------------------------------------- what is written

@equation("1/year")
def gain(mass, mass_base, rate, help, rate_help, unit):
    """A product with a fixed 0, one with 1, a part that is known before the time loop."""
    return (1 + rate_help * help) * log(mass / mass_base) * unit + exp(rate * rate)


@equation("1")
def help(rate):
    """Not in use: fixed at 0."""
    return rate


@equation("1/year")
def waste(mass, mass_base, rate):
    """Has a part in common with the gain."""
    return rate * log(mass / mass_base)


def test_the_text_of_a_program() -> None:
    """Nothing twice, nothing in the loop that does not change in it, no product with a known 1 or 0, few buffers."""
    model = Model((Stock("mass", "1", "mass_base", ("gain",), ("waste",)),),
                  tuple(Parameter(n, "1", 1.0, n) for n in ("mass_base", "rate", "rate_help", "unit")), (), (gain, help, waste))
    wide = np.array([2.0, 3.0])
    model.simulate({"mass_base": wide, "rate": np.array([0.1]), "rate_help": wide, "unit": np.ones(1)}, {}, start=2000.0, years=1,
                   steps_per_year=1, step=euler, runs=2, elements={}, fixed={"help": np.zeros(1)}, keep=("waste", "help"))
    program, = model.programs.values()
    assert program.source.splitlines() == """\
def bind(given, runs):
    mass_base_0, rate_1, = given
    c9 = asarray(multiply(rate_1, rate_1))
    c10 = asarray(exp(c9))
    c4 = asarray(0.0)
    b0 = empty(runs)
    b1 = empty(runs)
    def rates(moving, y, d):
        time_5, = moving
        mass_6, = y
        d0, = d
        divide(mass_6, mass_base_0, out=b0)
        log(b0, out=b0)
        add(b0, c10, out=b1)  # gain
        multiply(rate_1, b0, out=b0)  # waste
        subtract(b1, b0, out=d0)
    def report(moving, y, d, o):
        time_5, = moving
        mass_6, = y
        d0, = d
        o0, o1, = o
        divide(mass_6, mass_base_0, out=b0)
        log(b0, out=b0)
        add(b0, c10, out=b1)  # gain
        multiply(rate_1, b0, out=o0)  # waste
        subtract(b1, o0, out=d0)
        positive(c4, out=o1)
    return rates, report
""".splitlines()


def test_programs_are_kept_but_not_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiler, "MOST_PROGRAMS", 3)
    TOY.programs.clear()
    for _ in range(3):
        toy(WIDE, True)
    assert len(TOY.programs) == 2
    for keep in ("level", "slow", "whole"):
        toy(WIDE, True, keep=(keep,))
        assert len(TOY.programs) <= 3


# ---------------------------------------------------------------- the regional model

THZ = load_scenario("thz-baseline")
CASES: dict[str, Scenario] = {
    **{name: load_scenario(name) for name in ("thz-plan", "thz-shock", "tianjin-baseline", "teda-strong-policy")},
    "uncertain levers and shocks": dataclasses.replace(
        THZ, levers={"talent": LeverSetting(level=0.8, start=2022.0, ramp=2.0), "green": LeverSetting(level=1.0, start=2021.5)},
        shocks={"loss": Shock(start=2023.0, size=0.2, duration=1.0), "slump": Shock(start=2024.0, size=0.3, duration=0.5, on="investment")},
        uncertainties={"levers.talent": Distribution(uniform=(0.2, 1.0)), "shocks.loss": Distribution(uniform=(0.0, 0.4))}),
    "paths": dataclasses.replace(THZ, paths={
        "fixed_asset_investment": PathSetting(total=1500.0, period=(2022, 2026), after="hold"),
        "own_investment": PathSetting(values={2027: 70.0, 2029: 80.0}),
        "rd_intensity": PathSetting(values={2023: 9.0, 2024: 4.0}, unit="%")}),
}


@pytest.mark.parametrize("name", CASES)
def test_regional_model(name: str) -> None:
    scenario = dataclasses.replace(CASES[name], method="euler", steps_per_year=2)
    setup = resolve(load_registry(), scenario)
    drawn = setup.draw(0, 5, 1)
    parameters = setup.parameters(drawn)

    def project(compiled: bool) -> dict[str, Array]:
        return setup.model.simulate(
            parameters, setup.inputs(drawn), start=float(setup.base_year), years=scenario.horizon - setup.base_year, steps_per_year=2,
            step=euler, runs=5, elements=setup.elements, paths=setup.paths(parameters), compiled=compiled,
            fixed={f"policy_{n}": np.zeros(1) for n in LEVERS if n not in scenario.levers})

    same(project(True), project(False))


@pytest.mark.parametrize("name", ["thz-plan", "uncertain levers and shocks"])
def test_a_run_is_the_same_in_any_company(name: str) -> None:
    """Alone, in blocks of 7, first or last of 4,096: the same bits, whatever NumPy does with short or odd arrays."""
    scenario = dataclasses.replace(CASES[name], method="euler", steps_per_year=1)

    def some(first: int, count: int, block: int) -> dict[str, Array]:
        return dict(runs.run(scenario, runs=count, first=first, block=block).values)

    full = some(0, 4099, 4096)
    for first, count, block in ((4085, 14, 7), (0, 1, 1), (4095, 1, 1), (4096, 3, 1)):
        same(some(first, count, block), {n: a[..., first:first + count] for n, a in full.items()})
