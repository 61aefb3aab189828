"""Fixed-step integration, vectorised over runs. Pure.

Fixed steps, because an adaptive one would couple runs that share a state array: a run's result would depend on its
neighbours.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Rates = Callable[[float, Array, float], Array]
"""d(state)/dt at (time, state, within). `within` is the middle of the step: it tells on which side of a jump that falls
on a step's edge this step lies, so that the order of a method survives jumps and kinks on step boundaries. The array
may be the same at every call, filled anew; it is not to be changed."""
Step = Callable[[Rates, float, Array, float], Array]


def euler(rates: Rates, t: float, state: Array, dt: float, work: Sequence[Array] | None = None) -> Array:
    """Advance `state` (any shape) by one Euler step of `dt` years: order 1. With `work`, the result is its first array."""
    result: Array = np.multiply(rates(t, state, t + 0.5 * dt), dt, out=work[0] if work else None)
    result += state
    return result


def rk4(rates: Rates, t: float, state: Array, dt: float, work: Sequence[Array] | None = None) -> Array:
    """Advance `state` (any shape) by one step of the classical Runge-Kutta method (Kutta 1901): order 4.

    With `work`, two arrays of that shape other than `state`, the result is the first.
    """
    result, stage = work or (np.empty(np.shape(state)), np.empty(np.shape(state)))
    within = t + 0.5 * dt
    k = rates(t, state, within)
    np.multiply(k, dt / 6, out=result)
    result += state
    for at, share, weight in ((within, 0.5 * dt, dt / 3), (within, 0.5 * dt, dt / 3), (t + dt, dt, dt / 6)):
        np.multiply(k, share, out=stage)
        stage += state
        k = rates(at, stage, within)
        np.multiply(k, weight, out=stage)
        result += stage
    return result


def integrate(rates: Rates, state: Array, start: float, stop: float, steps: int, step: Step = rk4,
              work: Sequence[Array] | None = None) -> Array:
    """Return `state` at `stop`, from `state` at `start`, in `steps` equal steps of the method `step`.

    `work`: three arrays shaped as `state` to use again from call to call, as new memory costs more than a step; the
    result is one of them, and `state` may be. Raises ValueError where steps < 1.
    """
    if steps < 1:
        raise ValueError(f"steps: {steps} is not at least 1")
    dt = (stop - start) / steps
    first, second, third = work or [np.empty(np.shape(state)) for _ in range(3)]
    for index in range(steps):
        t = start + index * dt
        if step is euler or step is rk4:
            state = step(rates, t, state, dt, (second if state is first else first, third))
        else:
            state = step(lambda *at: np.array(rates(*at)), t, state, dt)
    return state


METHODS: dict[str, Step] = {"euler": euler, "rk4": rk4}
