"""From equations to one function over preallocated arrays. Pure: numpy only.

The equations are called once with symbols in place of arrays; what NumPy operations they ask for is recorded, every
distinct one once. From the record one Python function is written that performs just the operations needed, in an order
in which few buffers suffice, so that they stay in the processor's cache. What depends on parameters alone is computed
before the time loop; what is the same in all runs, on one number; a product with a known 1 or 0 not at all.

The operations are those of the plain evaluation, on the same operands in the same order, so that the results have the
same bits. Two exceptions are none in effect: x * 1 is x, and a finite parameter times 0 is 0 (of either sign).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin
from numpy.typing import NDArray

Array = NDArray[np.float64]
_POWERS = {-1.0: np.reciprocal, 0.5: np.sqrt, 1.0: np.positive, 2.0: np.square}  # as ndarray.__pow__ does


@dataclass(frozen=True, eq=False)
class Node:
    """One operation on one row of runs, or a leaf. `wide`: differs between runs; `moving`: changes in the time loop."""

    number: int
    operation: str
    arguments: tuple[Node, ...] = ()
    wide: bool = False
    moving: bool = False
    literal: float | None = None
    finite: bool = False


class Record:
    """The distinct operations asked for, in the order in which they were."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.known: dict[tuple[Any, ...], Node] = {}

    def _node(self, key: tuple[Any, ...], *rest: Any) -> Node:
        if key not in self.known:
            self.known[key] = Node(len(self.nodes), *rest)
            self.nodes.append(self.known[key])
        return self.known[key]

    def literal(self, value: float) -> Node:
        """Return a number known when the code is written."""
        return self._node(("literal", value, math.copysign(1, value)), "literal", (), False, False, float(value))

    def leaf(self, name: str, wide: bool, moving: bool, finite: bool = False) -> Node:
        """Return something given: a row of a parameter, of an input, of the state."""
        return self._node(("leaf", name), name, (), wide, moving, None, finite)

    def operation(self, name: str, *arguments: Node) -> Node:
        """Return the result of NumPy's function `name`."""
        values = [a.literal for a in arguments]
        if name == "multiply":
            for one, other in (arguments, arguments[::-1]):
                if one.literal == 1:
                    return other
                if one.literal == 0 and other.finite:
                    return self.literal(0.0)
        if name == "divide" and values[1] == 1:
            return arguments[0]
        if all(v is not None for v in values):
            with np.errstate(all="ignore"):
                found = getattr(np, name)(*values)
            if isinstance(found, np.float64):
                return self.literal(float(found))
        return self._node((name, *(a.number for a in arguments)), name, arguments,
                          any(a.wide for a in arguments), any(a.moving for a in arguments))

    def symbol(self, value: Any) -> Symbol:
        """Return `value`, a symbol or a number, as a symbol."""
        if isinstance(value, Symbol):
            return value
        rows = np.empty(np.shape(value), dtype=object)
        for index in np.ndindex(rows.shape):
            rows[index] = self.literal(float(np.asarray(value)[index]))
        return Symbol(self, rows)


class Symbol(NDArrayOperatorsMixin):
    """Stands for an array in an equation: `rows` are its nodes, shaped as the array without the axis of runs."""

    def __init__(self, record: Record, rows: NDArray[np.object_]) -> None:
        self.record, self.rows = record, rows

    def __array_ufunc__(self, function: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        """Record what the arithmetic operators and NumPy's functions of arrays are asked to do."""
        if method != "__call__" or options or function.nout != 1:
            return NotImplemented
        return self._apply(function.__name__, inputs)

    def __array_function__(self, function: Callable[..., Any], types: Any, inputs: Sequence[Any], options: Mapping[str, Any]) -> Any:
        """Record where(); other functions are not for equations."""
        return self._apply("where", inputs) if function is np.where and len(inputs) == 3 and not options else NotImplemented

    def __pow__(self, exponent: Any) -> Any:
        """Record a power as arrays compute it."""
        short = _POWERS.get(exponent) if isinstance(exponent, float | int) else None
        return short(self) if short else np.power(self, exponent)

    def __getitem__(self, index: Any) -> Symbol:
        """Return a row."""
        rows = np.empty((), dtype=object)
        rows[...] = self.rows[index]
        return Symbol(self.record, self.rows[index] if isinstance(self.rows[index], np.ndarray) else rows)

    def __len__(self) -> int:
        """Return the length of the first axis."""
        return len(self.rows)

    def _apply(self, name: str, inputs: Sequence[Any]) -> Symbol:
        operands = np.broadcast(*(self.record.symbol(x).rows for x in inputs))
        rows = np.empty(operands.shape, dtype=object)
        for index, nodes in zip(np.ndindex(operands.shape), operands, strict=True):
            rows[index] = self.record.operation(name, *nodes)
        return Symbol(self.record, rows)
