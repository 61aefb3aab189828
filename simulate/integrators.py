"""Fixed-step integration, vectorised over runs. Pure.

Fixed steps, because an adaptive one would couple runs that share a state array: a run's result would depend on its
neighbours.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Rates = Callable[[float, Array, float], Array]
"""d(state)/dt at (time, state, within). `within` is the middle of the step: it tells on which side of a jump that falls
on a step's edge this step lies, so that the order of a method survives jumps and kinks on step boundaries."""
Step = Callable[[Rates, float, Array, float], Array]


def euler(rates: Rates, t: float, state: Array, dt: float) -> Array:
    """Advance `state` (any shape) by one Euler step of `dt` years: order 1."""
    return state + dt * rates(t, state, t + 0.5 * dt)


def rk4(rates: Rates, t: float, state: Array, dt: float) -> Array:
    """Advance `state` (any shape) by one step of the classical Runge-Kutta method (Kutta 1901): order 4."""
    within = t + 0.5 * dt
    k = rates(t, state, within)
    result = state + (dt / 6) * k
    k = rates(within, state + (0.5 * dt) * k, within)
    result += (dt / 3) * k
    k = rates(within, state + (0.5 * dt) * k, within)
    result += (dt / 3) * k
    k = rates(t + dt, state + dt * k, within)
    result += (dt / 6) * k
    return result


def integrate(rates: Rates, state: Array, start: float, stop: float, steps: int, step: Step = rk4) -> Array:
    """Return `state` at `stop`, from `state` at `start`, in `steps` equal steps of the method `step`.

    Raises ValueError where steps < 1.
    """
    if steps < 1:
        raise ValueError(f"steps: {steps} is not at least 1")
    dt = (stop - start) / steps
    for index in range(steps):
        state = step(rates, start + index * dt, state, dt)
    return state


METHODS: dict[str, Step] = {"euler": euler, "rk4": rk4}
