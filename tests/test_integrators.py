"""Measured order of the integrators: on equations with a known solution, across jumps and kinks, and on the regional model."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from simulate import runs
from simulate.integrators import METHODS, Array, Step, euler, integrate, rk4
from simulate.region import HEADLINE
from simulate.scenarios import LeverSetting, Scenario, Shock, load_scenario

ORDER = {"euler": 1, "rk4": 4}
each_method = pytest.mark.parametrize("method", METHODS)


@dataclasses.dataclass(frozen=True)
class Equation:
    """dy/dt with its solution at t = 2 from `start` at t = 0."""

    rates: Callable[[float, Array, float], Array]
    start: Array
    end: Array


def _linear() -> Equation:
    """Three decays towards 3, side by side."""
    k = np.array([0.3, 1.0, 2.0])
    return Equation(lambda t, y, within: k * (3 - y), np.zeros(3), 3 * (1 - np.exp(-2 * k)))


def _logistic() -> Equation:
    y = np.array([0.1, 0.5])
    return Equation(lambda t, y, within: 1.5 * y * (1 - y), y, 1 / (1 + (1 / y - 1) * np.exp(-3.0)))


def _driven_by_time() -> Equation:
    """dy/dt = y cos t: the method must take its times where it says."""
    return Equation(lambda t, y, within: y * np.cos(t), np.ones(1), np.exp(np.sin([2.0])))


def _jump() -> Equation:
    """The inflow sets in at once at t = 1."""
    return Equation(lambda t, y, within: float(within >= 1) - y, np.ones(1), np.array([np.exp(-2.0) + 1 - np.exp(-1.0)]))


def _ramp() -> Equation:
    """The inflow rises from t = 0.5 to t = 1.5, then stays."""
    rise = np.exp(-0.5) * (np.exp(-1.0))  # what the inflow up to 1.5, (t - 0.5) - 1 + exp(-(t - 0.5)), leaves at 2
    return Equation(lambda t, y, within: min(max(t - 0.5, 0.0), 1.0) - y, np.ones(1),
                    np.array([np.exp(-2.0) + rise + 1 - np.exp(-0.5)]))


EQUATIONS = {"linear": _linear(), "logistic": _logistic(), "driven by time": _driven_by_time(), "jump": _jump(), "ramp": _ramp()}


def orders(errors: list[float]) -> Any:
    """Order between each number of steps and its double."""
    return np.log2(np.array(errors[:-1]) / np.array(errors[1:]))


def error(equation: Equation, step: Step, steps: int) -> float:
    return float(np.abs(integrate(equation.rates, equation.start, 0.0, 2.0, steps, step) - equation.end).max())


@each_method
@pytest.mark.parametrize("name", EQUATIONS)
def test_order(name: str, method: str) -> None:
    found = orders([error(EQUATIONS[name], METHODS[method], steps) for steps in (16, 32, 64, 128)])
    assert found == pytest.approx(ORDER[method], abs=0.25)
    assert found[-1] == pytest.approx(ORDER[method], abs=0.12)


@pytest.mark.parametrize("name", ["jump", "ramp"])
def test_a_break_within_a_step_costs_the_order(name: str) -> None:
    """What the breaks on step edges are spared: with an odd number of steps they fall inside one."""
    on, off = (error(EQUATIONS[name], rk4, steps) for steps in (64, 63))
    assert off > 50 * on


@each_method
def test_one_step_by_hand(method: str) -> None:
    """dy/dt = -y: the step is the Taylor series of exp to the method's order."""
    expected = {"euler": 0.9, "rk4": 1 - 0.1 + 0.005 - 0.001 / 6 + 0.0001 / 24}[method]
    assert METHODS[method](lambda t, y, within: -y, 0.0, np.ones(1), 0.1) == pytest.approx(expected, rel=1e-15)


@each_method
def test_times_at_which_rates_are_asked_for(method: str) -> None:
    """Stages inside the step, `within` always in its middle."""
    asked: list[tuple[float, float]] = []

    def rates(t: float, y: Array, within: float) -> Array:
        asked.append((t, within))
        return np.zeros(1)

    integrate(rates, np.zeros(1), 10.0, 11.0, 2, METHODS[method])
    stages = {"euler": [0.0], "rk4": [0.0, 0.25, 0.25, 0.5]}[method]
    assert asked == [(10 + begin + s, 10.25 + begin) for begin in (0.0, 0.5) for s in stages]


@each_method
def test_state_is_left_alone(method: str) -> None:
    state = np.arange(6.0).reshape(2, 3)
    result = integrate(lambda t, y, within: y, state, 0.0, 1.0, 3, METHODS[method])
    assert result.shape == (2, 3)
    assert state.tolist() == [[0, 1, 2], [3, 4, 5]]


@each_method
def test_columns_do_not_know_of_each_other(method: str) -> None:
    """A run's result is the same bits whatever stands beside it."""
    start = np.array([[0.1, 0.4, 0.9], [0.3, 0.2, 0.7]])

    def rates(t: float, y: Array, within: float) -> Array:
        return np.stack([y[0] * (1 - y[1]), -y[1] * np.exp(y[0])])

    together = integrate(rates, start, 0.0, 3.0, 12, METHODS[method])
    for k in range(3):
        alone = integrate(rates, start[:, k : k + 1], 0.0, 3.0, 12, METHODS[method])
        assert (alone[:, 0] == together[:, k]).all()


@pytest.mark.parametrize("steps", [0, -1])
def test_no_step(steps: int) -> None:
    with pytest.raises(ValueError, match=f"steps: {steps} is not at least 1"):
        integrate(lambda t, y, within: y, np.ones(1), 0.0, 1.0, steps, euler)


# ---------------------------------------------------------------- the regional model

BREAKS = dataclasses.replace(  # all on quarters of a model year: dates less half a year
    load_scenario("thz-baseline"),
    levers={"investment_promotion": LeverSetting(level=0.6, start=2021.5, ramp=3.0), "rd_support": LeverSetting(level=0.5, start=2022.25),
            "talent": LeverSetting(level=0.8, start=2023.75, ramp=1.5)},
    shocks={"disruption": Shock(start=2022.0, size=0.05, duration=1.0),
            "slump": Shock(start=2025.25, size=0.1, duration=0.75, on="investment")})
REGIONAL = {"baseline": load_scenario("teda-baseline"), "breaks": BREAKS}
STEPS = {"baseline": (2, 4, 8, 16), "breaks": (4, 8, 16)}


@functools.cache
def exact(case: str) -> dict[str, float]:
    return headline(REGIONAL[case], "rk4", 128)


def headline(scenario: Scenario, method: str, steps: int) -> dict[str, float]:
    """The headline four in the last year, every uncertain input at its median."""
    found = runs.run(dataclasses.replace(scenario, method=method, steps_per_year=steps), central=True, keep=HEADLINE)
    return {name: float(found.values[name][-1, 0]) for name in HEADLINE}


@each_method
@pytest.mark.parametrize("case", REGIONAL)
def test_order_on_the_regional_model(case: str, method: str) -> None:
    found = [headline(REGIONAL[case], method, steps) for steps in STEPS[case]]
    for name in HEADLINE:
        order = orders([abs(x[name] - exact(case)[name]) for x in found])
        assert order[-1] == pytest.approx(ORDER[method], abs=0.3), name
        assert order == pytest.approx(ORDER[method], abs=0.8), name


def test_the_default_is_exact_enough() -> None:
    """Four steps of the default method a year: the headline four to one part in a million; Euler is not that good with 32."""
    scenario = REGIONAL["baseline"]
    default = headline(scenario, scenario.method, scenario.steps_per_year)
    crude = headline(scenario, "euler", 32)
    for name in HEADLINE:
        assert default[name] == pytest.approx(exact("baseline")[name], rel=1e-6)
        assert crude[name] == pytest.approx(exact("baseline")[name], rel=3e-3)
    assert max(abs(crude[n] / exact("baseline")[n] - 1) for n in HEADLINE) > 1e-5
