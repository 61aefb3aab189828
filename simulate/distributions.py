"""Probability distributions as data, evaluated by inverse transform. Pure.

A draw is `quantile(u)` of a uniform number u: run k of an ensemble depends on (seed, name, k) alone, and any
design of points in the unit cube (Sobol, Latin hypercube) can take the place of random numbers.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from simulate.records import record

if TYPE_CHECKING:  # the registry reads distributions without drawing from them: it need not wait for numpy
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]


@record
class Distribution:
    """One distribution; exactly one field is set. Values are in the unit of what they describe.

    uniform [low, high]; triangular [low, mode, high]; normal [mean, standard deviation];
    lognormal [median, standard deviation of the logarithm]; beta [a, b, low, high]; choice [value, …], equally likely.
    """

    uniform: tuple[float, ...] | None = None
    triangular: tuple[float, ...] | None = None
    normal: tuple[float, ...] | None = None
    lognormal: tuple[float, ...] | None = None
    beta: tuple[float, ...] | None = None
    choice: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        """Check the one field that is set."""
        names = [name for name in ("uniform", "triangular", "normal", "lognormal", "beta", "choice") if getattr(self, name)]
        if len(names) != 1:
            raise ValueError("exactly one distribution must be named here.\n"
                             "Write one of uniform: [low, high], triangular: [low, mode, high], normal: [mean, sd], "
                             "lognormal: [median, sigma], beta: [a, b, low, high], choice: [value, …].")
        kind, values = names[0], getattr(self, names[0])
        count = {"uniform": 2, "triangular": 3, "normal": 2, "lognormal": 2, "beta": 4}.get(kind, len(values))
        if len(values) != count:
            forms = ("uniform: [low, high], triangular: [low, mode, high], normal: [mean, sd], lognormal: [median, sigma] or "
                     "beta: [a, b, low, high]")
            raise ValueError(f"{kind}: {len(values)} numbers given, {count} needed.\nWrite {forms}.")
        if kind == "uniform" and not values[0] < values[1]:
            raise ValueError(f"uniform: low {values[0]:g} is not below high {values[1]:g}.\nWrite [low, high].")
        if kind == "triangular" and not (values[0] <= values[1] <= values[2] and values[0] < values[2]):
            raise ValueError("triangular: the numbers must rise: low <= mode <= high.\nWrite [low, mode, high].")
        if kind in ("normal", "lognormal") and not values[1] > 0:
            raise ValueError(f"{kind}: the spread {values[1]:g} must be above 0.\nWrite [centre, spread].")
        if kind == "lognormal" and not values[0] > 0:
            raise ValueError(f"lognormal: the median {values[0]:g} must be above 0.\nWrite [median, sigma].")
        if kind == "beta" and not (values[0] > 0 and values[1] > 0 and values[2] < values[3]):
            raise ValueError("beta: a and b must be above 0, and low below high.\nWrite [a, b, low, high].")

    @property
    def kind(self) -> str:
        """Name of the distribution."""
        return next(n for n in ("uniform", "triangular", "normal", "lognormal", "beta", "choice") if getattr(self, n))

    @property
    def numbers(self) -> tuple[float, ...]:
        """The numbers of the field that is set."""
        return tuple(float(x) for x in getattr(self, self.kind))

    def quantile(self, u: Array) -> Array:
        """Inverse of the cumulative distribution at `u` (any shape, values in (0, 1))."""
        import numpy as np

        u = np.asarray(u, dtype=float)
        a = self.numbers
        match self.kind:
            case "uniform":
                return a[0] + (a[1] - a[0]) * u
            case "triangular":
                low, mode, high = a
                width, left = high - low, mode - low
                rising = low + np.sqrt(u * width * left)
                falling = high - np.sqrt((1 - u) * width * (high - mode))
                return np.where(u * width <= left, rising, falling)
            case "choice":
                return np.asarray(np.asarray(a)[np.minimum((u * len(a)).astype(int), len(a) - 1)])
        from scipy import special  # only where needed: the import costs more than most runs

        match self.kind:
            case "normal":
                return np.asarray(a[0] + a[1] * special.ndtri(u))
            case "lognormal":
                return np.asarray(a[0] * np.exp(a[1] * special.ndtri(u)))
            case _:
                return np.asarray(a[2] + (a[3] - a[2]) * special.betaincinv(a[0], a[1], u))

    @property
    def support(self) -> tuple[float, float]:
        """Least and greatest value; for unbounded ones the 0.1 % and 99.9 % quantiles."""
        if self.kind == "choice":
            return min(self.numbers), max(self.numbers)
        if self.kind in ("normal", "lognormal"):
            return self._at(0.001), self._at(0.999)
        return (self.numbers[2], self.numbers[3]) if self.kind == "beta" else (self.numbers[0], self.numbers[-1])

    @property
    def centre(self) -> float:
        """The median."""
        return self._at(0.5)

    def _at(self, probability: float) -> float:
        import numpy as np

        return float(self.quantile(np.array([probability]))[0])

    def __str__(self) -> str:
        """Short form for tables: name and numbers."""
        return f"{self.kind} [{', '.join(f'{x:g}' for x in self.numbers)}]"


def uniforms(seed: int, name: str, start: int, stop: int) -> Array:
    """Uniform numbers in (0, 1) for runs `start`..`stop`-1 of the quantity `name`: shape (stop - start,).

    Counter-based (Philox): number k depends on (seed, name, k) alone, whatever block, process or machine asks.
    """
    import numpy as np

    key = int.from_bytes(hashlib.sha256(f"{seed}/{name}".encode()).digest()[:16], "little")
    generator: Any = np.random.Philox(key=key)
    generator.advance(start // 4)  # one counter value yields four numbers
    raw = generator.random_raw(stop - start + start % 4)[start % 4 :]
    uniform: Array = ((raw >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53
    return uniform
