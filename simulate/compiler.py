"""From equations to functions over preallocated arrays. Pure: numpy only.

Equations are called once with symbols in place of arrays, and the NumPy operations they ask for are recorded, every
distinct one once, row by row (a sector or cluster is a row of runs). From the record two Python functions are written
that perform only the operations needed, into few buffers used again and again, so that these stay in the processor's
cache. What does not change in time is computed once, before the time loop; what is the same in all runs, on one number;
a product with a known 1 or 0 not at all.

The operations are those of the plain evaluation, on the same operands in the same order, so that the bits are the same.
(x·1 is x; a finite parameter times 0 is 0: only the sign of a zero may differ.)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin
from numpy.typing import NDArray

if TYPE_CHECKING:
    from simulate.model import Model, TimeFunction

Array = NDArray[np.float64]
Functions = tuple[Callable[..., None], Callable[..., None]]
Shapes = Sequence[tuple[str, tuple[int, ...], bool]]
"""What is given at a moment: name, shape without the axis of runs, whether it differs between runs."""

MOST_PROGRAMS = 200
"""Programs that a model keeps; at more it forgets them all, so that endless scenarios do not fill the memory."""

_POWERS: dict[float, Callable[[Any], Any]] = {-1: np.reciprocal, 0.5: np.sqrt, 1: np.positive, 2: np.square}  # as arrays do
_FRESH = ("where", "less", "less_equal", "greater", "greater_equal")  # results that go into no buffer


@dataclass(frozen=True, eq=False)
class Node:
    """An operation on rows of runs, or a leaf (no arguments): something given, or a literal number.

    wide: differs between runs. moving: changes in time. finite: known to be so.
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
        return self.known.setdefault(("literal", repr(float(value))), Node(len(self.known), "literal", literal=float(value)))

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
                return self.literal(getattr(np, name)(*numbers))
        return self.known.setdefault((name, *(a.number for a in arguments)), Node(
            len(self.known), name, arguments, any(a.wide for a in arguments), any(a.moving for a in arguments)))


class Symbol(NDArrayOperatorsMixin):
    """Stands for an array in an equation: `rows` holds its nodes, shaped as the array without the axis of runs."""

    def __init__(self, record: Record, rows: Any) -> None:
        self.record = record
        self.rows: Any = np.empty(np.shape(rows), dtype=object)
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
        return short(self) if short else self._apply("power", (self, exponent))

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
    bind: Callable[[Sequence[Array], int], Functions]


def write(moving: Sequence[Node], state: Sequence[Node], rates: Sequence[Node], report: Sequence[Node],
          labels: Mapping[int, str]) -> Program:
    """Write the program that computes the nodes `rates` and `report`; `labels` (by node number) become comments."""
    d, o = [(f"d{k}", n) for k, n in enumerate(rates)], [(f"o{k}", n) for k, n in enumerate(report)]
    unpacked = [_unpack([_place(n) for n in moving], "moving"), _unpack([_place(n) for n in state], "y"), _unpack([r for r, _ in d], "d")]
    functions = (("rates(moving, y, d)", unpacked, _Body(d, labels)),
                 ("report(moving, y, d, o)", [*unpacked, _unpack([r for r, _ in o], "o")], _Body(d + o, labels)))
    nodes = needed((*rates, *report))
    still = [n for n in nodes if not n.moving]
    given = [n for n in still if n.given]
    lines = ["def bind(given, runs):", _unpack([_place(n) for n in given], "given")]
    lines += [f"{_place(n)} = asarray({_call(n) if n.arguments else n.literal}){_comment(n, labels)}" for n in still if not n.given]
    lines += [f"b{k} = empty(runs)" for k in range(max(body.buffers for _, _, body in functions))]
    lines += dict.fromkeys(f"{name} = empty(())" for _, _, body in functions for name in body.single)
    for head, first, body in functions:
        lines += [f"def {head}:", *(f"    {line}" for line in first + body.lines)]
    source = "\n    ".join([*lines, "return rates, report"]) + "\n"
    names = {name: getattr(np, name) for name in ("asarray", "empty", "inf", "nan", "positive", *(n.name for n in nodes if n.arguments))}
    exec(compile(source, "<compiled equations>", "exec"), names)  # our own text: names of leaves, operations and numbers
    return Program(source, tuple(n.name for n in given), names["bind"])


class _Body:
    """The body of one function: operations, each into a row that is asked for or into a buffer that is free."""

    def __init__(self, sinks: Sequence[tuple[str, Node]], labels: Mapping[int, str]) -> None:
        self.lines: list[str] = []
        self.single: list[str] = []  # numbers that are the same in all runs
        self.buffers = 0
        free: list[str] = []
        places: dict[int, str] = {}
        wanted: dict[int, list[str]] = {}
        for row, node in sinks:
            wanted.setdefault(node.number, []).append(row)
        nodes = needed(node for _, node in sinks)
        last = {a.number: n for n in nodes for a in n.arguments}
        for node in nodes:
            rows = wanted.get(node.number, [])
            place = _place(node)
            if node.moving and node.arguments:
                call = _call(node, places)
                free += dict.fromkeys(places[a.number] for a in node.arguments
                                      if last[a.number] is node and places.get(a.number, "")[:1] == "b")
                if node.name in _FRESH:
                    self.lines.append(f"{place} = {call}{_comment(node, labels)}")
                else:
                    if not node.wide:
                        self.single.append(place)
                    elif rows:
                        place = rows.pop(0)
                    elif free:
                        place = free.pop()
                    else:
                        place = f"b{self.buffers}"
                        self.buffers += 1
                    self.lines.append(f"{call[:-1]}, out={place}){_comment(node, labels)}")
                places[node.number] = place
            self.lines += [f"positive({place}, out={row})" for row in rows]


def needed(roots: Iterable[Node]) -> list[Node]:
    """Return `roots` and all they depend on: operands first, each close before its first use, so that few wait in buffers."""
    found: dict[int, Node] = {}
    for root in roots:
        waiting = [root]
        while waiting:
            missing = next((a for a in waiting[-1].arguments if a.number not in found), None)
            if missing:
                waiting.append(missing)
            else:
                node = waiting.pop()
                found[node.number] = node
    return list(found.values())


def _place(node: Node) -> str:
    """Name of a node's result where it is in no buffer: of a leaf, of what does not change in time, of a single number."""
    return f"{node.name}_{node.number}" if node.given else f"{'v' if node.moving else 'c'}{node.number}"


def _call(node: Node, places: Mapping[int, str] | None = None) -> str:
    return f"{node.name}({', '.join((places or {}).get(a.number) or _place(a) for a in node.arguments)})"


def _comment(node: Node, labels: Mapping[int, str]) -> str:
    return f"  # {labels[node.number]}" if node.number in labels else ""


def _unpack(names: Sequence[str], source: str) -> str:
    return f"{', '.join(names)}, = {source}" if names else f"assert not len({source})"


class Compiled:
    """Evaluates a model's equations by programs, one for each combination of shapes and active paths that is met.

    base: values that do not change in time, by name. rows: where each stock stands in the state, an array of `shape`.
    kept: the variables to report, with their shapes without the axis of runs.
    """

    def __init__(self, model: Model, base: Mapping[str, Array], inputs: Mapping[str, TimeFunction], paths: Mapping[str, TimeFunction],
                 rows: Mapping[str, slice | int], kept: Mapping[str, tuple[int, ...]], shape: tuple[int, ...]) -> None:
        equations = {e.name: e for e in model.order if e.name not in base}
        needed: set[str] = set()
        waiting = [*kept, *(n for s in model.stocks for n in (*s.inflows, *s.outflows))]
        while waiting:
            name = waiting.pop()
            if name not in needed:
                needed.add(name)
                waiting += equations[name].arguments if name in equations else ()
        self.model, self.rows, self.kept = model, rows, kept
        self.equations = tuple(e for e in equations.values() if e.name in needed)
        self.given = tuple((n, f) for group, known in ((inputs, needed), (paths, equations)) for n, f in group.items() if n in known)
        self.base = {n: a for n, a in base.items() if n in needed}
        self.vectors = {row_name(n, k): v for n, a in self.base.items() for k, v in zip(np.ndindex(a.shape[:-1]), _vectors(a), strict=True)}
        with np.errstate(all="ignore"):
            self.leaves = {n: (v.ndim > 0, _finite(v), float(v) if v.ndim == 0 and repr(float(v)) in ("0.0", "1.0") else None)
                           for n, v in self.vectors.items()}
        layout = [(n, r.stop - r.start if isinstance(r, slice) else 1) for n, r in rows.items()]
        self.signature = tuple(map(tuple, (kept.items(), self.leaves.items(), [(n, a.shape[:-1]) for n, a in self.base.items()], layout)))
        self.bound: dict[object, Functions] = {}
        self.d = np.empty(shape)
        self.latest: tuple[Array, Functions, list[Array]] | None = None

    def rates(self, t: float, y: Array, within: float) -> Array:
        """Return d(state)/dt, in the same array at every call."""
        functions, moving = self._at(t, within)
        latest, self.latest = self.latest, None
        if not (latest and latest[0] is y and latest[1] is functions and all(map(np.array_equal, latest[2], moving))):
            functions[0](moving, y, self.d)
        return self.d

    def report(self, t: float, y: Array, within: float, out: Mapping[str, Array]) -> None:
        """Write the variables kept into the arrays `out`; the rates too, which mostly serve the step that begins here."""
        functions, moving = self._at(t, within)
        functions[1](moving, y, self.d, [row for a in out.values() for row in (a if a.ndim > 1 else [a])])
        self.latest = (y, functions, moving)

    def _at(self, t: float, within: float) -> tuple[Functions, list[Array]]:
        """Return the functions that serve at this moment, and the rows of time, inputs and paths."""
        found = [(name, a) for name, function in self.given if (a := function(t, within)) is not None]
        shapes = tuple((name, a.shape[:-1], a.shape[-1] != 1) for name, a in found)
        if shapes not in self.bound:
            programs = self.model.programs
            program = programs.get((self.signature, shapes)) or self._write(shapes)
            if len(programs) >= MOST_PROGRAMS:
                programs.clear()
            programs[self.signature, shapes] = program
            self.bound[shapes] = program.bind([self.vectors[n] for n in program.constants], self.d.shape[1])
        return self.bound[shapes], [np.array(t), *(v for _, a in found for v in _vectors(a))]

    def _write(self, shapes: Shapes) -> Program:
        """Write the program for inputs and active paths of these shapes."""
        return write(*self.trace(Record(), shapes))

    def trace(self, record: Record, shapes: Shapes) -> tuple[list[Node], list[Node], list[Node], list[Node], dict[int, str]]:
        """Record the equations; return what moves, the state, its rates, what to report, and the names of nodes by number."""
        values: dict[str, Symbol] = {}
        labels: dict[int, str] = {}

        def define(name: str, shape: tuple[int, ...], leaf: Callable[[str], Node]) -> list[Node]:
            nodes = [leaf(row_name(name, index)) for index in np.ndindex(shape)]
            values[name] = Symbol(record, np.array(nodes, dtype=object).reshape(shape))
            return nodes

        def moves(wide: bool) -> Callable[[str], Node]:
            return lambda row: record.leaf(row, wide=wide, moving=True)

        def still(row: str) -> Node:
            wide, finite, literal = self.leaves[row]
            return record.leaf(row, wide=wide, finite=finite) if literal is None else record.literal(literal)

        for name, a in self.base.items():
            define(name, a.shape[:-1], still)
        moving = define(self.model.time, (), moves(False))
        for name, shape, wide in shapes:
            moving += define(name, shape, moves(wide))
        state = [n for name, rows in self.rows.items()
                 for n in define(name, (rows.stop - rows.start,) if isinstance(rows, slice) else (), moves(True))]
        for e in self.equations:
            if e.name not in values:
                value = e.function(*(values[a] for a in e.arguments))
                values[e.name] = value if isinstance(value, Symbol) else Symbol(record, record.literal(value))
            for index in np.ndindex(values[e.name].rows.shape):
                labels.setdefault(values[e.name].rows[index].number, row_name(e.name, index))
        rates: list[Node] = []
        for s in self.model.stocks:
            change = values[s.inflows[0]] if s.inflows else Symbol(record, record.literal(0.0))
            for name in s.inflows[1:]:
                change = change + values[name]
            for name in s.outflows:
                change = change - values[name]
            rates += list(np.broadcast_to(change.rows, values[s.name].rows.shape).flat)
        report = [n for name, shape in self.kept.items() for n in np.broadcast_to(values[name].rows, shape).flat]
        return moving, state, rates, report, labels


def _finite(a: Array) -> bool:
    return isfinite(a.sum()) or bool(np.isfinite(a).all())  # mostly the first, which is quicker, settles it


def row_name(name: str, index: tuple[int, ...]) -> str:
    """Name of one element's row of an arrayed variable."""
    return "__".join((name, *map(str, index)))  # two: an arrayed x and a scalar x_0 may both be there


def _vectors(array: Array) -> list[Array]:
    """Rows of runs of an array; where the last axis is 1, numbers (arrays without axes)."""
    if array.ndim == 1:  # the same, sooner: this is called at every step
        return [array if array.size != 1 else array.reshape(())]
    a = array if array.shape[-1] != 1 else array[..., 0]
    return [a[(*index, ...)] for index in np.ndindex(array.shape[:-1])]
