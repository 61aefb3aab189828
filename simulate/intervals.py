"""Sums of products of positive quantities as rows, and intervals narrowed through them, each end with what made it.

A row is linear, either in the quantities or in their logarithms; a product inside a sum becomes a quantity of its own, and
a sum of powers of one quantity a curve. Bounds come in `Element`s that can be switched on and off (bit e of a mask).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from math import exp, inf, isfinite, log
from typing import NamedTuple

SLACK = 1e-7
TOLERANCE = 1e-6
TINY, HUGE = 1e-6, 1e9
_LEAST = 1e-300


class Terms:
    """A sum of products of powers of variables: {((variable, power), ...): coefficient}."""

    __slots__ = ("of",)

    def __init__(self, of: dict[tuple[tuple[int, float], ...], float]) -> None:
        self.of = of

    @classmethod
    def variable(cls, index: int) -> Terms:
        """The variable itself."""
        return cls({((index, 1.0),): 1.0})

    @staticmethod
    def _of(other: Terms | float) -> dict[tuple[tuple[int, float], ...], float]:
        return other.of if isinstance(other, Terms) else {(): float(other)}

    def __add__(self, other: Terms | float) -> Terms:
        result = dict(self.of)
        for key, c in self._of(other).items():
            total = result.get(key, 0.0) + c
            if abs(total) <= 1e-15 * max(abs(c), 1e-300):
                result.pop(key, None)
            else:
                result[key] = total
        return Terms(result)

    __radd__ = __add__

    def __mul__(self, other: Terms | float) -> Terms:
        result = Terms({})
        for a, ca in self.of.items():
            part: dict[tuple[tuple[int, float], ...], float] = {}
            for b, cb in self._of(other).items():
                powers = dict(a)
                for v, p in b:
                    powers[v] = powers.get(v, 0.0) + p
                key = tuple(sorted((v, p) for v, p in powers.items() if p))
                part[key] = part.get(key, 0.0) + ca * cb
            result = result + Terms(part)
        return result

    __rmul__ = __mul__

    def __sub__(self, other: Terms | float) -> Terms:
        return self + Terms({key: -c for key, c in self._of(other).items()})

    def __rsub__(self, other: float) -> Terms:
        return self * -1.0 + other

    def __truediv__(self, other: Terms | float) -> Terms:
        return self * (other**-1.0 if isinstance(other, Terms) else 1.0 / other)

    def __rtruediv__(self, other: float) -> Terms:
        return self**-1.0 * other

    def __pow__(self, power: float) -> Terms:
        terms = {key: c for key, c in self.of.items() if c}
        if len(terms) == 1:
            (key, c), = terms.items()
            if c > 0:
                return Terms({tuple((v, p * power) for v, p in key): c**power})
        if power == int(power) and 1 <= power <= 8:
            result = self
            for _ in range(int(power) - 1):
                result = result * self
            return result
        raise ValueError("a power of a sum or difference cannot be taken; write it as a product")


class Element(NamedTuple):
    """A bound that can be switched: `side` +1 (at least) or -1 (at most)."""

    variable: int
    side: int
    value: float


class Row(NamedTuple):
    """sum(a z) == or <= b, z being the variables or (`logs`) their logarithms; `tag`: the identity it belongs to."""

    logs: bool
    parts: tuple[tuple[int, float], ...]
    b: float
    equal: bool
    tag: int


class State:
    """Intervals of variables (and of their logarithms) with the bits of what made each end."""

    __slots__ = ("high", "high_why", "lhigh", "llow", "low", "low_why")

    def __init__(self, n: int) -> None:
        self.low, self.high, self.llow, self.lhigh = [-inf] * n, [inf] * n, [-inf] * n, [inf] * n
        self.low_why, self.high_why = [0] * n, [0] * n

    def copy(self) -> State:
        """Another one with the same intervals."""
        other = State(0)
        for name in self.__slots__:
            setattr(other, name, list(getattr(self, name)))
        return other


class Empty(Exception):
    """No value is left; carries the bits responsible."""


def logarithm(x: float) -> float:
    """The logarithm, of 1e-300 where there is none."""
    return log(x) if x > _LEAST else log(_LEAST)


@dataclass
class System:
    """Variables, rows and elements. Variables are positive unless `signed`."""

    low: list[float] = field(default_factory=list)
    high: list[float] = field(default_factory=list)
    signed: list[bool] = field(default_factory=list)
    free: list[tuple[bool, bool]] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    elements: list[Element] = field(default_factory=list)
    products: dict[tuple[tuple[int, float], ...], int] = field(default_factory=dict)
    made: dict[int, tuple[tuple[int, float], ...]] = field(default_factory=dict)
    shapes: dict[int, tuple[int, tuple[tuple[float, float], ...]]] = field(default_factory=dict)

    def variable(self, low: float = 0.0, high: float = inf, signed: bool = False, domain: tuple[float, float] = (TINY, HUGE)) -> int:
        """Add a variable; return its index. Ends that are not given are those of the `domain`, and count as free."""
        self.free.append((low in (0.0, -inf), high == inf))
        self.low.append(low if signed else max(low, domain[0]))
        self.high.append(high if signed else min(high, domain[1]))
        self.signed.append(signed)
        return len(self.low) - 1

    def add(self, left: Terms | float, relation: str, right: Terms | float, tag: int) -> None:
        """Add left == right, left <= right or left >= right."""
        difference = Terms({(): 0.0}) + left - right
        if relation == ">=":
            difference = difference * -1.0
        terms = [(key, c) for key, c in difference.of.items() if abs(c) > 1e-300]
        if not any(key for key, _ in terms):
            return
        equal = relation == "=="
        plain = not any(self.signed[v] for key, _ in terms for v, _ in key)
        if len(terms) == 2 and terms[0][1] * terms[1][1] < 0 and plain:
            (up, cu), (down, cd) = terms if terms[0][1] > 0 else terms[::-1]
            parts = dict(up)
            for v, p in down:
                parts[v] = parts.get(v, 0.0) - p
            self.rows.append(Row(True, tuple((v, p) for v, p in parts.items() if p), log(-cd / cu), equal, tag))
            return
        if equal and plain and self._factored(terms, tag):
            return
        parts = {}
        for key, c in terms:
            if key:
                parts[self._product(key, tag)] = c
        self.rows.append(Row(False, tuple(parts.items()), -sum(c for key, c in terms if not key), equal, tag))

    def _factored(self, terms: list[tuple[tuple[tuple[int, float], ...], float]], tag: int) -> bool:
        """Add a row one == common * curve(q) as a product and a rising curve in one variable, where it has that form."""
        for one, c in terms:
            rest = [(dict(key), -d / c) for key, d in terms if key != one]
            common = {v: min(key.get(v, 0.0) for key, _ in rest) for key, _ in rest for v in key}
            left = [(tuple((v, p - common[v]) for v, p in key.items() if p != common[v]), d) for key, d in rest]
            over = {v for key, _ in left for v, _ in key}
            if not one or len(over) != 1 or not all(d > 0 and key[0][1] > 0 for key, d in left if key):
                continue
            q, curve = over.pop(), self.variable(domain=(1e-15, 1e18))
            self.made[curve] = tuple((v, p) for key, _ in left for v, p in key)
            self.shapes[curve] = (q, tuple((d, key[0][1] if key else 0.0) for key, d in left))
            powers = tuple((self._product(key, tag), -d) for key, d in left if key)
            self.rows.append(Row(False, ((curve, 1.0), *powers), sum(d for key, d in left if not key), True, tag))
            product = {v: -p for v, p in common.items() if p}
            for v, p in (*one, (curve, -1.0)):
                product[v] = product.get(v, 0.0) + p
            self.rows.append(Row(True, tuple((v, p) for v, p in product.items() if p), 0.0, True, tag))
            return True
        return False

    def _product(self, key: tuple[tuple[int, float], ...], tag: int) -> int:
        if len(key) == 1 and key[0][1] == 1.0:
            return key[0][0]
        if any(self.signed[v] for v, _ in key):
            raise ValueError("a quantity that may be negative cannot be multiplied")
        if key not in self.products:
            index = self.products[key] = self.variable(domain=(1e-15, 1e18))
            self.made[index] = key
            self.rows.append(Row(True, (*key, (index, -1.0)), 0.0, True, tag))
        return self.products[key]

    # --- parts that touch nothing else

    def prune(self, bounded: set[int], rows: Iterable[int] | None = None) -> tuple[list[int], list[tuple[int, int]]]:
        """Leave out rows that a variable found nowhere else, and not in `bounded`, can always satisfy.

        Returns the rows left and (variable, row) in the order of leaving out.
        """
        left = set(range(len(self.rows)) if rows is None else rows)
        count: dict[int, set[int]] = {}
        for r in left:
            for v, _ in self.rows[r].parts:
                count.setdefault(v, set()).add(r)
        dropped: list[tuple[int, int]] = []
        queue = [v for v, within in count.items() if len(within) == 1]
        while queue:
            v = queue.pop()
            if v in bounded or len(count[v]) != 1:
                continue
            r, = count[v]
            row = self.rows[r]
            a = dict(row.parts)[v]
            free_low, free_high = self.free[v]
            if row.logs:
                ok = free_low and free_high if row.equal else free_low if a > 0 else free_high
            elif self.signed[v]:
                ok = free_low and free_high
            elif row.equal:  # a sum of positive parts
                ok = free_low and free_high and row.b / a >= 0 and all(c / a < 0 and not self.signed[u] for u, c in row.parts if u != v)
            else:
                ok = a < 0 and free_high
            if ok:
                dropped.append((v, r))
                left.discard(r)
                for u, _ in row.parts:
                    count[u].discard(r)
                    if len(count[u]) == 1:
                        queue.append(u)
        return sorted(left), dropped

    def components(self) -> list[Part]:
        """Split into systems that share no variable; variables and elements keep their numbers."""
        root = list(range(len(self.low)))

        def find(v: int) -> int:
            while root[v] != v:
                root[v] = root[root[v]]
                v = root[v]
            return v

        for row in self.rows:
            first = find(row.parts[0][0])
            for v, _ in row.parts[1:]:
                root[find(v)] = first
        parts: dict[int, list[Row]] = {}
        for row in self.rows:
            parts.setdefault(find(row.parts[0][0]), []).append(row)
        owners: dict[int, list[int]] = {}
        for e, element in enumerate(self.elements):
            owners.setdefault(find(element.variable), []).append(e)
        return [Part(self.low, self.high, self.signed, self.free, parts.get(top, []), self.elements, self.products, self.made, self.shapes,
                      mask=sum(1 << e for e in owners.get(top, ()))) for top in {*parts, *owners}]

    # --- intervals

    def start(self, mask: int, used: Sequence[int]) -> State:
        """Domains and the elements of `mask`."""
        s = State(len(self.low))
        for v in used:
            s.low[v], s.high[v] = self.low[v], self.high[v]
            if not self.signed[v]:
                s.llow[v], s.lhigh[v] = logarithm(self.low[v]), logarithm(self.high[v])
        for e in bits(mask):
            self.tighten(s, self.elements[e].variable, self.elements[e].side, self.elements[e].value
                          - self.elements[e].side * SLACK * abs(self.elements[e].value), 1 << e, exact=True)
        return s

    def tighten(self, s: State, v: int, side: int, value: float, why: int, exact: bool = False) -> bool:
        """Move one end of an interval if that gains something (`exact`: anything); raise Empty where nothing is left."""
        signed = self.signed[v]
        if side > 0:
            if value <= s.low[v]:
                return False
            gap = s.high[v] - s.low[v]
            gain = value - s.low[v] > (0.02 * gap if isfinite(gap) and gap < 1e12 else 0.0) + 1e-13 * abs(value) if signed else (
                logarithm(value) - s.llow[v] > 0.02 * (s.lhigh[v] - s.llow[v]) + 1e-12)
            if not gain and not exact and value <= s.high[v]:
                return False
            s.low[v], s.low_why[v] = value, why
            if not signed:
                s.llow[v] = logarithm(value)
        else:
            value = value if signed else max(value, TINY if value >= 0 else _LEAST)
            if value >= s.high[v]:
                return False
            gap = s.high[v] - s.low[v]
            gain = s.high[v] - value > (0.02 * gap if isfinite(gap) and gap < 1e12 else 0.0) + 1e-13 * abs(value) if signed else (
                s.lhigh[v] - logarithm(value) > 0.02 * (s.lhigh[v] - s.llow[v]) + 1e-12)
            if not gain and not exact and value >= s.low[v]:
                return False
            s.high[v], s.high_why[v] = value, why
            if not signed:
                s.lhigh[v] = logarithm(value)
        if s.low[v] > s.high[v]:
            if s.low[v] - s.high[v] > 1e-9 * max(abs(s.low[v]), abs(s.high[v])):
                raise Empty(s.low_why[v] | s.high_why[v])
            if side > 0:
                s.low[v], s.llow[v] = s.high[v], s.lhigh[v]
            else:
                s.high[v], s.lhigh[v] = s.low[v], s.llow[v]
        return True

    def _along(self, s: State, curve: int, why: int) -> list[int]:
        """Narrow a curve and its variable by each other; the curve rises with it."""
        q, terms = self.shapes[curve]

        def height(y: float) -> float:
            return sum(d * exp(p * y) for d, p in terms)

        def where(target: float, y: float, z: float) -> float:
            for _ in range(44):
                m = (y + z) / 2
                y, z = (m, z) if height(m) < target else (y, m)
            return z

        moved = []
        bottom, top = height(s.llow[q]), height(s.lhigh[q])
        if bottom > s.low[curve] and self.tighten(s, curve, 1, bottom * (1 - 1e-11), why | s.low_why[q]):
            moved.append(curve)
        if top < s.high[curve] and self.tighten(s, curve, -1, top * (1 + 1e-11), why | s.high_why[q]):
            moved.append(curve)
        y, z = s.llow[q], s.lhigh[q]
        if height(y) < s.low[curve] * (1 - 1e-9) and self.tighten(s, q, 1, exp(where(s.low[curve], y, z) - 1e-11), why | s.low_why[curve]):
            moved.append(q)
        if height(z) > s.high[curve] * (1 + 1e-9) and self.tighten(
                s, q, -1, exp(where(s.high[curve], y, z) + 1e-11), why | s.high_why[curve]):
            moved.append(q)
        return moved

    def propagate(self, s: State, rows: Sequence[int], watch: dict[int, list[int]], queue: Iterable[int], bit: int) -> None:
        """Narrow intervals through the rows until nothing moves; raise Empty with the bits responsible."""
        pending = dict.fromkeys(queue)
        budget = 20 * len(rows) + 100
        while pending and budget:
            budget -= 1
            r = next(iter(pending))
            del pending[r]
            row = self.rows[r]
            if not row.logs and row.parts[0][0] in self.shapes:
                for v in self._along(s, row.parts[0][0], 1 << (bit + r)):
                    pending.update((other, None) for other in watch[v] if other != r)
                continue
            lows, highs = (s.llow, s.lhigh) if row.logs else (s.low, s.high)
            for sign in (1.0, -1.0) if row.equal else (1.0,):
                b, total, infinite, scale = sign * row.b, 0.0, [], abs(row.b)
                for v, a in row.parts:
                    c = sign * a
                    end = lows[v] if c > 0 else highs[v]
                    if not -1e14 < end < 1e14 and not row.logs:
                        infinite.append(v)
                    else:
                        total += c * end
                        scale = max(scale, abs(c * end))
                if len(infinite) > 1:
                    continue
                margin = 1e-11 if row.logs else 1e-11 * scale
                for v, a in row.parts:
                    if infinite and v != infinite[0]:
                        continue
                    c = sign * a
                    rest = total if infinite else total - c * (lows[v] if c > 0 else highs[v])
                    limit = (b - rest + margin) / c
                    side = -1 if c > 0 else 1
                    if (limit >= highs[v]) if side < 0 else (limit <= lows[v]):
                        continue
                    why = 1 << (bit + r)
                    for u, d in row.parts:
                        if u != v:
                            why |= s.low_why[u] if sign * d > 0 else s.high_why[u]
                    if row.logs and not -700 < limit < 700:
                        limit = -700.0 if limit < 0 else 700.0
                    moved = self.tighten(s, v, side, exp(limit) if row.logs else limit, why)
                    if moved:
                        for other in watch[v]:
                            if other != r:
                                pending[other] = None
                        lows, highs = (s.llow, s.lhigh) if row.logs else (s.low, s.high)
                        total = total if infinite else rest + c * (lows[v] if c > 0 else highs[v])


@dataclass
class Part(System):
    """A component of a system: its rows, and the mask of its elements."""

    mask: int = 0


def bits(mask: int) -> Iterator[int]:
    """The elements in a mask, in order."""
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low
