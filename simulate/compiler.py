"""From equations to one function over preallocated arrays. Pure: numpy only.

Equations are called once with symbols in place of arrays, and the NumPy operations they ask for are recorded, every
distinct one once. From the record two Python functions are written that perform only the operations needed, in an order
in which few buffers suffice, so that these stay in the processor's cache. What does not change in time is computed once,
before the time loop; what is the same in all runs, on one number; a product with a known 1 or 0 not at all.

The operations are those of the plain evaluation, on the same operands in the same order, so that the bits are the same.
(x·1 is x; a finite parameter times 0 is 0: only the sign of a zero may differ.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin
from numpy.typing import NDArray

_POWERS: dict[float, Callable[[Any], Any]] = {-1: np.reciprocal, 0.5: np.sqrt, 1: np.positive, 2: np.square}  # as arrays do
_FRESH = ("where", "less", "less_equal", "greater", "greater_equal")  # not written into a buffer of numbers


@dataclass(frozen=True, eq=False)
class Node:
    """An operation on one row of runs, or a leaf (no arguments): something given, or a literal number.

    wide: differs between runs. moving: changes in time. finite: known to be so. `number` orders nodes by first use.
    """

    number: int
    name: str
    arguments: tuple[Node, ...] = ()
    wide: bool = False
    moving: bool = False
    finite: bool = False
    literal: float | None = None

    @property
    def given(self) -> bool:
        """Whether the node is a leaf that the caller supplies."""
        return not self.arguments and self.literal is None


class Record:
    """The distinct operations that equations ask for."""

    def __init__(self) -> None:
        self.known: dict[tuple[Any, ...], Node] = {}

    def leaf(self, name: str, *, wide: bool, moving: bool = False, finite: bool = False) -> Node:
        """Return something that the caller supplies."""
        return self.known.setdefault((name,), Node(len(self.known), name, (), wide, moving, finite))

    def literal(self, value: float) -> Node:
        """Return a number known when the code is written."""
        return self.known.setdefault(("literal", str(value)), Node(len(self.known), "literal", literal=float(value)))

    def operation(self, name: str, *arguments: Node) -> Node:
        """Return the result of NumPy's function `name`."""
        if name == "multiply":
            for one, other in (arguments, arguments[::-1]):
                if one.literal == 1:
                    return other
                if one.literal == 0 and other.finite:
                    return one
        if name == "divide" and arguments[1].literal == 1:
            return arguments[0]
        numbers = [a.literal for a in arguments]
        if name not in _FRESH and None not in numbers:
            with np.errstate(all="ignore"):
                return self.literal(float(getattr(np, name)(*numbers)))
        return self.known.setdefault((name, *(a.number for a in arguments)), Node(
            len(self.known), name, arguments, any(a.wide for a in arguments), any(a.moving for a in arguments)))


class Symbol(NDArrayOperatorsMixin):
    """Stands for an array in an equation: `rows` holds its nodes, shaped as the array without the axis of runs."""

    def __init__(self, record: Record, rows: Any) -> None:
        self.record = record
        self.rows: NDArray[np.object_] = np.empty(np.shape(rows), dtype=object)
        self.rows[...] = rows

    def __array_ufunc__(self, function: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        """Record arithmetic and NumPy's functions of arrays."""
        return self._apply(function.__name__, inputs) if method == "__call__" and not options else NotImplemented

    def __array_function__(self, function: Any, types: Any, inputs: Sequence[Any], options: Mapping[str, Any]) -> Any:
        """Record where()."""
        return self._apply("where", inputs) if function is np.where and not options else NotImplemented

    def __pow__(self, exponent: Any) -> Any:
        """Record a power."""
        short = _POWERS.get(exponent) if isinstance(exponent, float | int) else None
        return short(self) if short else np.power(self, exponent)

    def __getitem__(self, index: Any) -> Symbol:
        """Return a part."""
        return Symbol(self.record, self.rows[index])

    def __len__(self) -> int:
        """Return the length of the first axis."""
        return len(self.rows)

    def _apply(self, name: str, inputs: Sequence[Any]) -> Symbol:
        operands = np.broadcast(*(x.rows if isinstance(x, Symbol) else np.array(self.record.literal(x)) for x in inputs))
        rows = [self.record.operation(name, *nodes) for nodes in operands]
        return Symbol(self.record, np.array(rows, dtype=object).reshape(operands.shape))


@dataclass(frozen=True)
class Program:
    """Two functions as written: `rates(moving, y, d)` fills the rows d; `report(moving, y, d, o)` the rows d and o.

    `bind(given, runs)` makes them, once it has computed what does not change in time from the arrays `given`, whose
    names (as the leaves were named) are `constants`. `moving` and `y` hold the leaves that change, rows of runs.
    """

    source: str
    constants: tuple[str, ...]
    bind: Callable[[Sequence[Any], int], tuple[Callable[..., None], Callable[..., None]]]


def write(moving: Sequence[Node], state: Sequence[Node], rates: Sequence[Node], report: Sequence[Node],
          labels: Mapping[int, str]) -> Program:
    """Write the program that computes the nodes `rates` and `report`; `labels` (by node number) become comments."""
    d, o = [(f"d{k}", n) for k, n in enumerate(rates)], [(f"o{k}", n) for k, n in enumerate(report)]
    still = [n for n in _needed((*rates, *report)) if not n.moving]
    given = [n for n in still if n.given]
    bodies = {"rates(moving, y, d)": _Body(d, labels), "report(moving, y, d, o)": _Body(d + o, labels)}
    lines = ["def bind(given, runs):", _unpack([_place(n) for n in given], "given")]
    lines += [f"{_place(n)} = asarray({_call(n) if n.arguments else n.literal}){_comment(n, labels)}" for n in still if not n.given]
    lines += [f"b{k} = empty(runs)" for k in range(max(b.buffers for b in bodies.values()))]
    lines += dict.fromkeys(f"{s} = empty(())" for b in bodies.values() for s in b.single)
    for head, body in bodies.items():
        leaves = [_unpack([_place(n) for n in moving], "moving"), _unpack([_place(n) for n in state], "y")]
        leaves += [_unpack([row for row, _ in rows], name) for name, rows in (("d", d), ("o", o)) if name in head.partition("(")[2]]
        lines += [f"def {head}:", *(f"    {line}" for line in leaves + body.lines)]
    source = "\n    ".join([*lines, "return rates, report"]) + "\n"
    names: dict[str, Any] = {n.name: getattr(np, n.name) for n in _needed((*rates, *report)) if n.arguments}
    names |= {"asarray": np.asarray, "copyto": np.copyto, "empty": np.empty}
    exec(compile(source, "<compiled equations>", "exec"), names)
    return Program(source, tuple(n.name for n in given), names["bind"])


class _Body:
    """The body of one function: operations, each into a row that is asked for or a buffer that is free."""

    def __init__(self, sinks: Iterable[tuple[str, Node]], labels: Mapping[int, str]) -> None:
        self.lines: list[str] = []
        self.single: list[str] = []
        self.buffers = 0
        free: list[str] = []
        places: dict[int, str] = {}
        wanted: dict[int, list[str]] = {}
        for row, node in sinks:
            wanted.setdefault(node.number, []).append(row)
        nodes = _needed(node for _, node in sinks)
        last = {a.number: n for n in nodes for a in n.arguments}
        for node in nodes:
            rows = wanted.get(node.number, [])
            if not node.moving or not node.arguments:
                self.lines += [f"copyto({row}, {_place(node)})" for row in rows]
                continue
            call = _call(node, places)
            free += {places[a.number] for a in node.arguments if last[a.number] is node and places.get(a.number, "")[:1] == "b"}
            if node.name in _FRESH:
                place, line = f"v{node.number}", f"v{node.number} = {call}"
            else:
                if not node.wide:
                    place = f"s{node.number}"
                    self.single.append(place)
                elif rows:
                    place = rows.pop(0)
                else:
                    if not free:
                        free.append(f"b{self.buffers}")
                        self.buffers += 1
                    place = free.pop()
                line = f"{call[:-1]}, {place})"
            places[node.number] = place
            self.lines += [line + _comment(node, labels), *(f"copyto({row}, {place})" for row in rows)]


def _needed(roots: Iterable[Node]) -> list[Node]:
    """Return `roots` and all they depend on, operands first, each next to where it is first needed."""
    found: dict[int, Node] = {}

    def visit(node: Node) -> None:
        for a in node.arguments:
            if a.number not in found:
                visit(a)
        found[node.number] = node

    for root in roots:
        if root.number not in found:
            visit(root)
    return list(found.values())


def _place(node: Node) -> str:
    """Name of what is there before a function's operations: a leaf, or a result that does not change in time."""
    return f"{node.name}_{node.number}" if node.given else f"c{node.number}"


def _call(node: Node, places: Mapping[int, str] | None = None) -> str:
    return f"{node.name}({', '.join((places or {}).get(a.number) or _place(a) for a in node.arguments)})"


def _comment(node: Node, labels: Mapping[int, str]) -> str:
    return f"  # {labels[node.number]}" if node.number in labels else ""


def _unpack(names: Sequence[str], source: str) -> str:
    return f"{', '.join(names)}, = {source}" if names else f"assert not len({source})"
