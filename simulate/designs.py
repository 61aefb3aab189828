"""Designs: which points of the input space the runs of a sweep stand on. Pure.

A design covers some inputs by name and has a number of points. Point k is a uniform number in [0, 1] for every input
covered, which the input's distribution turns into a value; it depends on (design, seed, k) alone, so that any chunk of
runs can be worked out anywhere. Values given explicitly (grids, lists) become a distribution of equally likely choices,
kept in `given`, and the points pick them one by one.
"""

from __future__ import annotations

import hashlib
import itertools
import math
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from simulate.distributions import Distribution, uniforms
from simulate.errors import InvalidInput, Problem, nearest
from simulate.records import record

Array = NDArray[np.float64]
LOW, HIGH = 2.0**-54, 1 - 2.0**-53
"""Ends of the open unit interval: what is sampled stays within, so that an unbounded distribution stays finite."""
MAX_SOBOL = 2**30
ROUNDS = 8  # of the keyed permutation: 4 already hide the order of its arguments


class Design(Protocol):
    """What every design offers."""

    @property
    def names(self) -> tuple[str, ...] | None:
        """Inputs covered; None for a sampled design that takes all inputs no other design covers."""

    @property
    def size(self) -> int:
        """Number of points."""

    @property
    def given(self) -> Mapping[str, Distribution]:
        """Inputs whose values the design states, as equally likely choices."""

    def points(self, seed: int, start: int, stop: int) -> dict[str, Array]:
        """Return points `start`..`stop`-1: for each input covered, numbers in [0, 1] of shape (stop - start,)."""


@dataclass(frozen=True)
class _Sampled(ABC):
    """A design that fills the unit cube with `size` points; `names` None covers whatever no other design does."""

    size: int
    names: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        """Check the number of points."""
        if self.size < 1:
            raise InvalidInput(Problem(f"runs: {self.size} is not at least 1.", "Give a whole number from 1 on."))

    @property
    def given(self) -> Mapping[str, Distribution]:
        """Nothing: values come from the inputs' own distributions."""
        return {}

    @abstractmethod
    def points(self, seed: int, start: int, stop: int) -> dict[str, Array]:
        """Return points `start`..`stop`-1."""


@dataclass(frozen=True)
class Random(_Sampled):
    """Independent random points, the same as those of `runs.run`: number k of an input depends on (seed, name, k)."""

    def points(self, seed: int, start: int, stop: int) -> dict[str, Array]:
        """Return points `start`..`stop`-1."""
        return {name: uniforms(seed, name, start, stop) for name in self.names or ()}


@dataclass(frozen=True)
class Sobol(_Sampled):
    """Scrambled Sobol points (Joe and Kuo's directions; Matousek's linear scramble and a digital shift, from scipy).

    Best where `size` is a power of two. Points are multiples of 2**-30, moved to the middle of their cell.
    """

    def __post_init__(self) -> None:
        """Check the number of points."""
        super().__post_init__()
        if self.size > MAX_SOBOL:
            raise InvalidInput(Problem(f"runs: a Sobol design has at most {MAX_SOBOL:,} points.", "Use random points beyond that."))

    def points(self, seed: int, start: int, stop: int) -> dict[str, Array]:
        """Return points `start`..`stop`-1."""
        if not self.names or stop <= start:
            return {name: np.empty(max(stop - start, 0)) for name in self.names or ()}
        cube = _sobol(len(self.names), seed, start, stop) + 2.0**-31
        return {name: np.ascontiguousarray(cube[:, j]) for j, name in enumerate(self.names)}


_held = threading.local()  # the generator last used in this thread: going on from it saves passing over earlier points


def _sobol(dimensions: int, seed: int, start: int, stop: int) -> Array:
    from scipy.stats import qmc  # slow to import

    key, engine = getattr(_held, "sobol", (None, None))  # type: tuple[object, Any]
    if key != (dimensions, seed) or engine.num_generated > start:
        digest = hashlib.sha256(f"{seed}/sobol".encode()).digest()
        engine = qmc.Sobol(dimensions, scramble=True, bits=30, seed=np.random.default_rng(np.frombuffer(digest, dtype=np.uint32)))
        _held.sobol = (dimensions, seed), engine
    if start > engine.num_generated:
        engine.fast_forward(start - engine.num_generated)
    first = engine.random(1)  # alone, because scipy warns of a first request that is no power of two
    return np.asarray(np.concatenate([first, engine.random(stop - start - 1)]) if stop > start + 1 else first)


@dataclass(frozen=True)
class LatinHypercube(_Sampled):
    """A Latin hypercube: in every input, one point in each of `size` equal slices, placed at random within it.

    The slices are shuffled by a keyed permutation (an alternating Feistel network over Z_a x Z_b with a·b just above
    `size`, walked until it falls below `size`), which gives the slice of point k without shuffling all of them: time and
    memory of a chunk do not depend on `size`, and point k depends on (size, seed, name, k) alone. scipy's own sampler
    would have to make the whole hypercube for every chunk.
    """

    def points(self, seed: int, start: int, stop: int) -> dict[str, Array]:
        """Return points `start`..`stop`-1."""
        k = np.arange(start, stop, dtype=np.uint64)
        return {name: np.clip((_permuted(k, self.size, f"{seed}/{name}/latin") + uniforms(seed, f"{name}/latin", start, stop)) / self.size,
                              LOW, HIGH) for name in self.names or ()}


def _permuted(k: NDArray[np.uint64], size: int, key: str) -> Array:
    """Return the places of the numbers `k` in a permutation of 0..size-1 that `key` alone determines."""
    a = math.isqrt(size - 1) + 1
    b = -(-size // a)
    digest = hashlib.sha512(key.encode()).digest()
    keys = np.frombuffer(digest, dtype="<u8")[:ROUNDS]

    def mixed(x: NDArray[np.uint64], key: Any, below: int) -> NDArray[np.uint64]:
        x = x * np.uint64(0x9E3779B97F4A7C15) + key  # splitmix64 (Steele, Lea and Flood 2014)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return ((x >> np.uint64(32)) * np.uint64(below)) >> np.uint64(32)

    def once(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
        left, right = x // np.uint64(b), x % np.uint64(b)
        for turn, key in enumerate(keys):
            if turn % 2:
                left = (left + mixed(right, key, a)) % np.uint64(a)
            else:
                right = (right + mixed(left, key, b)) % np.uint64(b)
        return left * np.uint64(b) + right

    with np.errstate(over="ignore"):
        found = once(k)
        while (outside := found >= size).any():
            found[outside] = once(found[outside])
    return found.astype(np.float64)


@record
class Axis:
    """Levels of one input: `values` in its own unit, or a number of `levels` equally far apart in probability."""

    values: tuple[float, ...] | None = None
    levels: int | None = None

    def __post_init__(self) -> None:
        """Check that exactly one form is given."""
        if (self.values is None) == (self.levels is None):
            raise ValueError("an axis is given in exactly one form.\nWrite values: [0, 0.5, 1], or levels: 5.")
        if self.values is not None and not self.values:
            raise ValueError("values: no value is given.\nWrite values: [0, 0.5, 1].")
        if self.levels is not None and not 1 <= self.levels <= 1_000_000:
            raise ValueError(f"levels: {self.levels} is not between 1 and 1,000,000.\nGive a whole number.")

    @property
    def count(self) -> int:
        """Number of levels."""
        return len(self.values) if self.values is not None else self.levels or 0


@dataclass(frozen=True)
class Grid:
    """Every combination of the axes' levels, the last axis changing fastest; with `fraction` f, every f-th of them.

    A fraction keeps the combinations whose level numbers add up to a multiple of f (the regular fraction L^(k-1) where
    all axes have f levels): every level of every axis still occurs equally often. For that, f must divide the number of
    levels of two axes at least.
    """

    axes: Mapping[str, Axis]
    fraction: int = 1

    def __post_init__(self) -> None:
        """Check the fraction."""
        if self.fraction < 1 or (self.fraction > 1 and sum(a.count % self.fraction == 0 for a in self.axes.values()) < 2):
            raise InvalidInput(Problem(f"fraction: {self.fraction} does not divide the numbers of levels of two axes.",
                                       f"Levels: {', '.join(f'{n} {a.count}' for n, a in self.axes.items())}."))

    @property
    def names(self) -> tuple[str, ...]:
        """Inputs covered."""
        return tuple(self.axes)

    @property
    def given(self) -> Mapping[str, Distribution]:
        """Inputs whose values are given."""
        return {n: Distribution(choice=a.values) for n, a in self.axes.items() if a.values is not None}

    @property
    def _tied(self) -> str | None:
        """The axis that the fraction thins out: the last whose levels it divides."""
        return next((n for n in reversed(tuple(self.axes)) if self.axes[n].count % self.fraction == 0), None)

    @property
    def size(self) -> int:
        """Number of points."""
        return math.prod(a.count for a in self.axes.values()) // self.fraction

    def points(self, seed: int, start: int, stop: int) -> dict[str, Array]:
        """Return points `start`..`stop`-1; the seed does not matter."""
        tied = self._tied if self.fraction > 1 else None
        k = np.arange(start, stop)
        level: dict[str, NDArray[np.int64]] = {}
        for name, axis in reversed(tuple(self.axes.items())):
            count = axis.count // self.fraction if name == tied else axis.count
            level[name], k = k % count, k // count
        if tied is not None:
            others = sum((v for n, v in level.items() if n != tied), np.zeros(stop - start, dtype=np.int64))
            level[tied] = level[tied] * self.fraction + (-others) % self.fraction
        return {n: (level[n] + 0.5) / a.count for n, a in self.axes.items()}


@dataclass(frozen=True)
class OneAtATime:
    """Point 0 has every input at its median; then each input in turn takes its quantiles `at`, all others at the median."""

    names: tuple[str, ...] | None = None
    at: tuple[float, ...] = (0.05, 0.95)

    def __post_init__(self) -> None:
        """Check the quantiles."""
        if not self.at or not all(0 < p < 1 for p in self.at):
            raise InvalidInput(Problem(f"at: {list(self.at)} are not probabilities between 0 and 1.", "Write at: [0.05, 0.95]."))

    @property
    def given(self) -> Mapping[str, Distribution]:
        """Nothing: values come from the inputs' own distributions."""
        return {}

    @property
    def size(self) -> int:
        """Number of points."""
        return 1 + len(self.names or ()) * len(self.at)

    def points(self, seed: int, start: int, stop: int) -> dict[str, Array]:
        """Return points `start`..`stop`-1; the seed does not matter."""
        k = np.arange(start, stop) - 1
        moved, level = k // len(self.at), np.asarray(self.at)[k % len(self.at)]
        return {name: np.where(moved == j, level, 0.5) for j, name in enumerate(self.names or ())}


@dataclass(frozen=True)
class Points:
    """An explicit list: `columns[name]` holds the value of an input at every point, in the input's own unit."""

    columns: Mapping[str, tuple[float, ...]]

    def __post_init__(self) -> None:
        """Check that the columns are equally long."""
        if len({len(c) for c in self.columns.values()}) != 1 or not self.size:
            raise InvalidInput(Problem("points: every point needs a value for the same inputs.",
                                       "Write points: [{a: 1, b: 2}, {a: 3, b: 4}]."))

    @property
    def names(self) -> tuple[str, ...]:
        """Inputs covered."""
        return tuple(self.columns)

    @cached_property
    def given(self) -> Mapping[str, Distribution]:
        """The values."""
        return {n: Distribution(choice=c) for n, c in self.columns.items()}

    @property
    def size(self) -> int:
        """Number of points."""
        return len(next(iter(self.columns.values()), ()))

    def points(self, seed: int, start: int, stop: int) -> dict[str, Array]:
        """Return points `start`..`stop`-1; the seed does not matter."""
        return dict.fromkeys(self.columns, (np.arange(start, stop) + 0.5) / self.size)


@dataclass(frozen=True)
class Product:
    """Every point of each design with every point of the others, the last design's changing fastest.

    A sampled design in a product gives the same points beside each point of the others: differences between them are
    then not blurred by the draw.
    """

    designs: tuple[Design, ...]

    def __post_init__(self) -> None:
        """Check that no input is covered twice."""
        names = [n for d in self.designs for n in d.names or ()]
        twice = sorted({n for n in names if names.count(n) > 1})
        if twice:
            raise InvalidInput(Problem(f"the input {twice[0]!r} is covered by two designs of a product.", "Leave it out of one of them."))
        if sum(d.names is None for d in self.designs) > 1:
            raise InvalidInput(Problem("two designs of a product would both cover all remaining inputs.",
                                       "Name the inputs of one of them."))

    @property
    def names(self) -> tuple[str, ...] | None:
        """Inputs covered."""
        return None if any(d.names is None for d in self.designs) else tuple(n for d in self.designs for n in d.names or ())

    @property
    def given(self) -> Mapping[str, Distribution]:
        """Inputs whose values are given."""
        return {n: x for d in self.designs for n, x in d.given.items()}

    @property
    def size(self) -> int:
        """Number of points."""
        return math.prod(d.size for d in self.designs)

    def points(self, seed: int, start: int, stop: int) -> dict[str, Array]:
        """Return points `start`..`stop`-1."""
        found: dict[str, Array] = {}
        stride = 1
        for design in reversed(self.designs):
            found = _strided(design, seed, start, stop, stride) | found
            stride *= design.size
        return found


def _strided(design: Design, seed: int, start: int, stop: int, stride: int) -> dict[str, Array]:
    """Points of a factor of a product: it moves on every `stride` points, and starts again after its last."""
    k = np.arange(start, stop) // stride
    if design.size <= max(stop - start, 1):
        whole = design.points(seed, 0, design.size)
        return {n: a[k % design.size] for n, a in whole.items()}
    pieces: list[dict[str, Array]] = []  # at most two: the factor starts again no more than once within so few points
    for turn in range(int(k[0]) // design.size, int(k[-1]) // design.size + 1):
        here = k[k // design.size == turn] - turn * design.size
        part = design.points(seed, int(here[0]), int(here[-1]) + 1)
        pieces.append({n: a[here - here[0]] for n, a in part.items()})
    return {n: np.concatenate([p[n] for p in pieces]) for n in pieces[0]}


@record
class Correlation:
    """Correlation `value` of two inputs in a Gaussian copula: that of their normal scores (rank correlation (6/π)·asin(value/2))."""

    between: tuple[str, str]
    value: float

    def __post_init__(self) -> None:
        """Check ranges."""
        if not -1 < self.value < 1:
            raise ValueError(f"value: {self.value:g} is not between -1 and 1.\nGive a correlation, ends excluded.")
        if self.between[0] == self.between[1]:
            raise ValueError("between: an input is correlated with itself.\nName two inputs.")


@dataclass(frozen=True)
class Correlated:
    """A sampled design whose inputs are correlated by a Gaussian copula; pairs not named are uncorrelated given these zeros.

    Every input keeps its own distribution. The points' evenness (slices, low discrepancy) holds before correlating: exactly
    for inputs in no pair and for the first of them in each pair, approximately for the others.
    """

    of: Design
    pairs: tuple[Correlation, ...]

    def __post_init__(self) -> None:
        """Check that the correlations can hold together."""
        if not isinstance(self.of, _Sampled):
            raise InvalidInput(Problem("correlations: only sampled inputs can be correlated.",
                                       "Use sample: random, sobol or latin_hypercube."))
        keys = [frozenset(p.between) for p in self.pairs]
        if len(set(keys)) < len(keys):
            raise InvalidInput(Problem("correlations: a pair of inputs is named twice.", "Keep one of them."))
        unknown = [n for p in self.pairs for n in p.between if self.of.names is not None and n not in self.of.names]
        if unknown:
            raise InvalidInput(Problem(f"correlations: {unknown[0]!r} is not among the sampled inputs.",
                                       nearest(unknown[0], self.of.names or (), "Sampled")))
        least = float(np.linalg.eigvalsh(self.matrix)[0]) if self.pairs else 1.0
        if least < 1e-9:
            raise InvalidInput(Problem(f"correlations: they contradict each other (the matrix has the eigenvalue {least:.3g}).",
                                       "Name all pairs among inputs that are strongly correlated, or make the values smaller."))

    @property
    def correlated(self) -> tuple[str, ...]:
        """Inputs that stand in a pair, in the order of first mention."""
        return tuple(dict.fromkeys(n for p in self.pairs for n in p.between))

    @property
    def matrix(self) -> Array:
        """Correlation matrix of those inputs' normal scores."""
        order = {n: j for j, n in enumerate(self.correlated)}
        matrix = np.eye(len(order))
        for p in self.pairs:
            i, j = (order[n] for n in p.between)
            matrix[i, j] = matrix[j, i] = p.value
        return matrix

    @property
    def names(self) -> tuple[str, ...] | None:
        """Inputs covered."""
        return self.of.names

    @property
    def given(self) -> Mapping[str, Distribution]:
        """Nothing: values come from the inputs' own distributions."""
        return self.of.given

    @property
    def size(self) -> int:
        """Number of points."""
        return self.of.size

    def points(self, seed: int, start: int, stop: int) -> dict[str, Array]:
        """Return points `start`..`stop`-1."""
        from scipy import special

        found = self.of.points(seed, start, stop)
        scores = {n: special.ndtri(found[n]) for n in self.correlated}
        for name, row in zip(self.correlated, np.linalg.cholesky(self.matrix), strict=True):
            mixed = np.zeros(stop - start)
            for weight, score in zip(row, scores.values(), strict=True):  # in order: a product of matrices may round
                if weight != 0:                                           # differently for other numbers of runs
                    mixed = mixed + weight * score
            found[name] = np.clip(special.ndtr(mixed), LOW, HIGH)
        return found


def covering(design: Design, names: Iterable[str]) -> Design:
    """Return `design` where a part that covers "all other inputs" covers those of `names` that no other part does."""
    if isinstance(design, Product):
        taken = {n for d in design.designs for n in d.names or ()}
        rest = [n for n in names if n not in taken]
        return Product(tuple(covering(d, rest) for d in design.designs))
    if isinstance(design, Correlated):
        return Correlated(covering(design.of, names), design.pairs)
    if design.names is None and isinstance(design, _Sampled | OneAtATime):
        return replace(design, names=tuple(names))
    return design


def hook(points: Mapping[str, Array]) -> Any:
    """Return `points` as what `setups.Setup.draw` asks for its uniform numbers; inputs not covered are at their median."""
    return lambda name, start, stop: points[name] if name in points else np.full(stop - start, 0.5)


@record
class OneAtATimeSetting:
    """One-at-a-time design: the `inputs` (all uncertain ones if left out) and the quantiles `at` which each is tried."""

    inputs: tuple[str, ...] | None = None
    at: tuple[float, ...] = (0.05, 0.95)


Sample = Literal["random", "sobol", "latin_hypercube", "none"]


@record
class SweepSetting:
    """What stands under `sweep:` in a scenario. All parts given are combined: a sweep is the product of its parts.

    `sample` covers every uncertain input that no other part names (`none`: they stay at their medians; the default where
    there is a grid, a list or one_at_a_time). `structures` holds, per question, named answers: equation -> formula. The
    model's own equations are always the first answer, named `model`.
    """

    runs: int | None = None
    sample: Sample | None = None
    inputs: dict[str, Distribution] = field(default_factory=dict)
    grid: dict[str, Axis] = field(default_factory=dict)
    fraction: int = 1
    one_at_a_time: OneAtATimeSetting | None = None
    points: tuple[dict[str, float], ...] = ()
    correlations: tuple[Correlation, ...] = ()
    structures: dict[str, dict[str, dict[str, str]]] = field(default_factory=dict)
    scenarios: tuple[str, ...] = ()

    def design(self, runs: int) -> Design:
        """Return the design, whose sampled part has `runs` points. Raises InvalidInput where its parts do not fit."""
        return Product(tuple(self._parts(runs)))

    def _parts(self, runs: int) -> Iterator[Design]:
        if self.points:
            names = dict.fromkeys(itertools.chain.from_iterable(self.points))
            missing = [(k, n) for k, p in enumerate(self.points) for n in names if n not in p]
            if missing:
                raise InvalidInput(Problem(f"points: point {missing[0][0] + 1} gives no value for {missing[0][1]!r}.",
                                           "Every point names the same inputs."))
            yield Points({n: tuple(p[n] for p in self.points) for n in names})
        if self.grid:
            yield Grid(self.grid, self.fraction)
        elif self.fraction != 1:
            raise InvalidInput(Problem("fraction: there is no grid to take a fraction of.", "Add grid:, or leave fraction out."))
        if self.one_at_a_time is not None:
            yield OneAtATime(self.one_at_a_time.inputs, self.one_at_a_time.at)
        sampled: dict[str, type[_Sampled]] = {"random": Random, "sobol": Sobol, "latin_hypercube": LatinHypercube}
        alone = not (self.points or self.grid or self.one_at_a_time)
        if self.sample in sampled or (self.sample is None and alone):
            design = sampled[self.sample or "random"](runs)
            yield Correlated(design, self.correlations) if self.correlations else design
        elif self.correlations:
            raise InvalidInput(Problem("correlations: no input is sampled.", "Add sample: random, sobol or latin_hypercube."))
        elif alone:
            raise InvalidInput(Problem("sample: none leaves the sweep without any point.", "Add a grid, points or one_at_a_time."))
