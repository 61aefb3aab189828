"""The fused kernel: the model's equations as machine code that takes a lane of runs at a time through all years (extra `fast`).

The operations that `compiler` records of the equations are written out as one loop over a lane, whose state and constants
stay in the fastest cache, and compiled by numba; what is the same in all runs is computed here by NumPy. The text is kept
on disk, named by its hash, and the machine code beside it: the next process only loads it.

Results agree with NumPy's to about 1e-14: exp and log are our own (`vectormath`), a quotient by what does not change in
time is a product, and a product and a sum may be fused. A run's result does not depend on its neighbours: short lanes are
filled up, and even one run alone goes through the same loop.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from importlib import import_module, metadata, util
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulate import algebra, runs
from simulate.compiler import MOST_PROGRAMS, Compiled, Node, Record, Shapes, needed, row_name
from simulate.errors import MissingExtra
from simulate.integrators import Step, euler, rk4
from simulate.model import Blend
from simulate.region import regional_model
from simulate.setups import Setup

Array = NDArray[np.float64]
Key = tuple[str, int | str]

LANES = {euler: 32, rk4: 16}
"""Runs in a lane: whole vectors, whose rows fit the fastest cache (32 kB, say); RK4 has three states to keep there."""

_SIGNS = {"add": "+", "subtract": "-", "multiply": "*", "divide": "/", "power": "**",
          "less": "<", "less_equal": "<=", "greater": ">", "greater_equal": ">="}
_FORMS = {"negative": "-({})", "positive": "{}", "square": "({0}) * ({0})", "reciprocal": "1.0 / ({})"}
_CONDITIONS = ("less", "less_equal", "greater", "greater_equal")


@lru_cache(maxsize=1)
def available() -> bool:
    """Whether numba is installed and works here."""
    try:
        return not import_module("numba").config.DISABLE_JIT
    except Exception:  # it refuses versions of NumPy that it does not know, with errors of its own
        return False


@lru_cache(maxsize=1)
def build() -> str:
    """What decides the last bits of the machine code: versions and processor. Raises MissingExtra without numba."""
    if not available():
        raise MissingExtra("numba", "fast")
    binding, config = import_module("llvmlite.binding"), import_module("numba").config
    features = config.CPU_FEATURES if config.CPU_FEATURES is not None else binding.get_host_cpu_features().flatten()
    return (f"numba {metadata.version('numba')}, llvmlite {metadata.version('llvmlite')}, {config.CPU_NAME or binding.get_host_cpu_name()} "
            + hashlib.sha256(features.encode()).hexdigest()[:8])


def project(setup: Setup, drawn: Mapping[str, Array], count: int, keep: Iterable[str]) -> dict[str, Array]:
    """Integrate one block of `count` runs as `runs.project` does, by the fused kernel. Raises MissingExtra without numba."""
    if not available():
        raise MissingExtra("numba", "fast")
    if count > 1:
        return runs.project(setup, drawn, count, keep, integrate)
    # one run alone would be a block in which nothing differs between runs: another kernel, with other last bits
    found = runs.project(setup, {k: np.repeat(a, 2) for k, a in drawn.items()}, 2, keep, integrate)
    return {name: array[..., :1] for name, array in found.items()}


def ready(setup: Setup, keep: Iterable[str]) -> bool:
    """Whether the machine code for these runs lies on disk, so that it need not be compiled."""
    found: list[str] = []

    def look(compiled: Compiled, state: Array, start: float, years: int, steps: int, step: Step) -> dict[str, Array]:
        found.append(_prepared(compiled, start, years, steps, step)[1].source)
        return {}

    if available():
        runs.project(setup, setup.draw(0, 2, 0), 2, keep, look)
    own = os.environ.get("NUMBA_CACHE_DIR")
    with suppress(OSError, RuntimeError):
        places = Path(own).glob("*/") if own else [folder() / "__pycache__"]
        return bool(found) and any(any(place.glob(f"{_name(found[0])}.kernel-*.nbc")) for place in places)
    return False


project.BLOCK = 16_384  # type: ignore[attr-defined]  # what it is best given at once: what is done once a block takes some milliseconds


def integrate(compiled: Compiled, state: Array, start: float, years: int, steps: int, step: Step) -> dict[str, Array]:
    """Integrate from `state` (rows, runs), `steps` steps a year; return kept variable -> (years + 1, [elements,] runs).

    Raises ValueError for a method other than euler and rk4, and for an input that is no Blend.
    """
    given, text = _prepared(compiled, start, years, steps, step)
    count = state.shape[1]
    out = np.empty((years + 1, text.reported, count))
    rows, single, table = text.numbers(compiled, given, count)
    addresses = np.array([row.ctypes.data for row in rows], dtype=np.int64)  # one array of them all would be a copy
    # a year is reported as the step that led to it saw it: mostly, that is as the step sees it that begins there
    at = np.arange(years) * (steps * (4 if step is rk4 else 1) + 1)
    same = given.variants[at] == given.variants[at + 1]
    for known in (table, given.weights):
        same &= ((known[at] == known[at + 1]) | (np.isnan(known[at]) & np.isnan(known[at + 1]))).all(axis=1)
    arguments = (addresses, single, table, given.weights, state, given.variants, same, years, steps, out)
    try:
        load(text.source)(*arguments)
    except (OSError, EOFError, pickle.UnpicklingError):  # machine code on disk that is damaged, or a disk without room for it
        _uncached(text.source)(*arguments)
    found: dict[str, Array] = {}
    row = 0
    for name, shape in compiled.kept.items():
        size = int(np.prod(shape, dtype=int))
        found[name] = out[:, row:row + size].reshape(years + 1, *shape, count)
        row += size
    return found


def _prepared(compiled: Compiled, start: float, years: int, steps: int, step: Step) -> tuple[_Given, _Text]:
    if step is not euler and step is not rk4:
        raise ValueError("the fused kernel has the methods euler and rk4")
    given = _Given(compiled, _moments(start, years, steps, step is rk4))
    texts: dict[object, Any] = compiled.model.programs  # kept with the model, as those of `compiler` are
    key = ("fused", step is rk4, compiled.signature, tuple(given.blends.items()), tuple(map(tuple, given.kinds)))
    if key not in texts:
        if len(texts) >= MOST_PROGRAMS:
            texts.clear()
        texts[key] = _Text(compiled, given, step is rk4)
    return given, texts[key]


def _moments(start: float, years: int, steps: int, four_stages: bool) -> list[tuple[float, float]]:
    """Return (time, within) of every evaluation in order: each year's report, then the stages of its steps."""
    found = []
    dt = 1 / steps
    for year in range(years + 1):
        found.append((start + year, start + year + (0.5 if year == 0 else -0.5) / steps))
        for index in range(steps if year < years else 0):
            t = start + year + index * dt
            within = t + 0.5 * dt
            found += [(t, within), (within, within), (within, within), (t + dt, within)] if four_stages else [(t, within)]
    return found


class _Given:
    """What inputs and paths give at every evaluation.

    moving: rows that are the same in all runs, by name: a number for every evaluation. blends: the others, by name: the
    columns (from, to) of `weights` (evaluations, columns) and of `rows` that they are sums of. variants: which of `kinds`
    (inputs and active paths with their shapes) holds at every evaluation.
    """

    def __init__(self, compiled: Compiled, when: Sequence[tuple[float, float]]) -> None:
        self.moving: dict[str, Array] = {compiled.model.time: np.array([t for t, _ in when])}
        self.blends: dict[str, tuple[int, int]] = {}
        self.rows: list[Array] = []
        active: list[list[tuple[str, tuple[int, ...], bool]]] = [[] for _ in when]
        tables = [np.empty((len(when), 0))]
        for name, function in compiled.given:
            if not isinstance(function, Blend):
                raise ValueError(f"{name}: an input must be a Blend for the fused kernel")
            shape = function.rows[0].shape[:-1] if function.rows else ()
            wide = any(row.shape[-1] != 1 for row in function.rows)
            table = np.zeros((len(when), len(function.rows)))
            for e, at in enumerate(when):
                weights = function.weights(*at)
                if weights is not None:
                    active[e].append((name, shape, wide))
                    for k, weight in weights.items():
                        table[e, k] = weight
            for index in np.ndindex(shape):
                if wide:
                    self.blends[row_name(name, index)] = (len(self.rows), len(self.rows) + len(function.rows))
                    self.rows += [row[index] for row in function.rows]
                    tables.append(table)
                else:
                    value = np.zeros(len(when))
                    for k, row in enumerate(function.rows):
                        value += table[:, k] * row[index][0]
                    self.moving[row_name(name, index)] = value
        self.weights = np.ascontiguousarray(np.concatenate(tables, axis=1))
        self.kinds: list[Shapes] = [list(kind) for kind in dict.fromkeys(map(tuple, active))]
        self.variants = np.array([self.kinds.index(a) for a in active])


class _Text:
    """The kernel's text, and which numbers it is called with.

    Rows of a lane's buffer: the state, the stage at which rates are taken, the sum of rates, what is reported, blends of several
    rows; then, by `slots`: leaves that the caller supplies, rows of blends, what is computed once a run, and reciprocals.
    """

    def __init__(self, compiled: Compiled, given: _Given, four_stages: bool) -> None:
        self.blends = given.blends
        record = Record()
        traces = [compiled.trace(record, kind) for kind in given.kinds]
        if compiled.model is regional_model():  # whose logarithms are of positive numbers, which no one vouches for in a user's formula
            traces = [_simplified(record, *trace) for trace in traces]
        nodes = needed(n for _, _, rates, report, _ in traces for n in (*rates, *report))
        self.state = {n.number: row for row, n in enumerate(traces[0][1])}
        self.reported = len(traces[0][3])
        self.out = 3 * len(self.state)
        several = [name for name, (a, b) in given.blends.items() if b - a > 1]
        self.blended = {name: self.out + self.reported + k for k, name in enumerate(several)}
        self.first = self.out + self.reported + len(several)
        self.leaves = [n.name for n in nodes if n.given and n.wide and not n.moving]
        self.slots: dict[Key, int] = {}
        for name in self.leaves:
            self.slot(("leaf", name))
        for k in range(len(given.rows)):
            self.slot(("row", k))
        self.nodes: dict[int, Node] = {n.number: n for n in nodes}
        self.singles: dict[int, int] = {}  # node -> position among the numbers that are the same always
        self.columns: dict[int, int] = {}  # node -> column of the numbers that are the same in all runs
        size = len(self.state)

        def row(first: int, r: int) -> str:
            return f"buffer[{first * size + r} * LANE + i]"

        state, stage, total = 0, 1, 2
        both = [f"{row(total, r)} = {row(state, r)} + a * d" for r in range(size)]
        if four_stages:
            both = [f"{end}\n        {row(stage, r)} = {row(state, r)} + b * d" for r, end in enumerate(both)]
            others = {"middle": [f"{row(total, r)} += a * d\n        {row(stage, r)} = {row(state, r)} + b * d" for r in range(size)],
                      "last": [f"{row(state, r)} = {row(total, r)} + a * d" for r in range(size)]}
        else:
            others = {"rates": [f"{row(state, r)} += a * d" for r in range(size)]}
        report = [f"buffer[{self.out + r} * LANE + i] = {{}}" for r in range(self.reported)]
        loops = []
        for k, (_, _, rates, kept, labels) in enumerate(traces):
            loops.append(self._loop(f"both{k}", state, [*rates, *kept], labels, [f"d = {{}}\n        {end}" for end in both] + report))
            loops += [self._loop(f"{name}{k}", stage if four_stages else state, rates, labels, [f"d = {{}}\n        {end}" for end in ends])
                      for name, ends in others.items()]
        loops.append(self._constants())
        numbers = {"LANE": LANES[rk4 if four_stages else euler], "STATE": size, "OUT": self.out, "REPORTED": self.reported,
                   "FIRST": self.first, "GIVEN": len(self.leaves) + len(given.rows), "ROWS": self.first + len(self.slots)}
        self.source = "\n".join([_HEAD, *(f"{n} = {v}" for n, v in numbers.items()), "", *loops, self._blends(),
                                 *(_choice(name, len(traces)) for name in ("both", *others)),
                                 _KERNEL.replace("    STEPS", _RK4 if four_stages else _EULER)])

    def numbers(self, compiled: Compiled, given: _Given, count: int) -> tuple[list[Array], Array, Array]:
        """Return what the kernel reads: rows of `count` runs, numbers that are the same always, and (evaluations, numbers)."""
        known: dict[int, Any] = {}

        def value(node: Node) -> Any:
            if node.number not in known:
                if node.literal is not None:
                    known[node.number] = node.literal
                elif node.given:
                    known[node.number] = given.moving[node.name] if node.moving else compiled.vectors[node.name]
                else:
                    known[node.number] = getattr(np, node.name)(*(value(a) for a in node.arguments))
            return known[node.number]

        when = len(given.variants)
        rows = [*(compiled.vectors[name] for name in self.leaves), *(np.broadcast_to(r, count) for r in given.rows)]
        columns = [np.broadcast_to(value(self.nodes[n]), when) for n in self.columns]
        singles = np.array([value(self.nodes[n]) for n in self.singles], dtype=float)
        return ([np.ascontiguousarray(row, dtype=float) for row in rows], singles,
                np.ascontiguousarray(np.stack(columns, axis=1), dtype=float) if columns else np.empty((when, 0)))

    def slot(self, key: Key) -> int:
        """Row of the buffer for something that does not change in time."""
        return self.slots.setdefault(key, self.first + len(self.slots))

    def _number(self, node: Node, ahead: dict[str, str]) -> str:
        """Name of a number that is the same in all runs, fetched ahead of the loop."""
        if node.literal is not None:
            return f"({node.literal!r})"
        positions = self.columns if node.moving else self.singles
        k = positions.setdefault(node.number, len(positions))
        name, source = (f"t{k}", f"table[e, {k}]") if node.moving else (f"s{k}", f"single[{k}]")
        ahead[name] = source
        return name

    def _loop(self, name: str, read: int, sinks: Sequence[Node], labels: Mapping[int, str], ends: Sequence[str]) -> str:
        """Return the function that computes `sinks` from the state in block `read` of the buffer; `ends` say where each goes."""
        ahead: dict[str, str] = {}
        lines: list[str] = []
        fetched: set[int] = set()

        def constant(key: Key) -> str:
            slot = self.slot(key)
            if slot not in fetched:
                fetched.add(slot)
                lines.append(f"c{slot} = buffer[{slot} * LANE + i]")
            return f"c{slot}"

        def place(node: Node) -> str:
            if not node.wide:
                return self._number(node, ahead)
            return f"v{node.number}" if node.moving else constant(("leaf", node.name) if node.given else ("value", node.number))

        def value(node: Node) -> str:
            if node.number in self.state:
                return f"buffer[{read * len(self.state) + self.state[node.number]} * LANE + i]"
            if node.name in self.blended:
                return f"buffer[{self.blended[node.name]} * LANE + i]"
            if node.given:
                column = self.blends[node.name][0]
                ahead[f"w{column}"] = f"weights[e, {column}]"
                return f"w{column} * {constant(('row', column))}"
            if node.name == "divide" and node.arguments[1].wide and not node.arguments[1].moving:
                return f"{place(node.arguments[0])} * {constant(('reciprocal', node.arguments[1].number))}"
            return _operation(node, place)

        everything = needed(sinks)
        rows = {row: node for node in everything if (row := self.state.get(node.number)) is not None}
        done: set[int] = set()
        for k, (end, sink) in enumerate(zip(ends, sinks, strict=True)):
            # each rate is used up at once, so that few numbers wait in registers; a stock is read before it is changed
            for node in [*needed([sink]), *([rows[k]] if k in rows else [])]:
                if node.wide and node.moving and node.number not in done:
                    done.add(node.number)
                    lines.append(f"v{node.number} = {value(node)}{_comment(node, labels)}")
            lines.append(end.format(place(sink)))
        return _function(f"{name}(buffer, single, table, weights, e, a, b)", ahead, lines)

    def _constants(self) -> str:
        """Return the function that computes, once a run, what does not change in time."""
        ahead: dict[str, str] = {}

        def place(node: Node) -> str:
            return self._number(node, ahead) if not node.wide else f"v{node.number}"

        wanted = [(key, self.nodes[int(key[1])]) for key in self.slots if key[0] in ("value", "reciprocal")]
        lines = []
        for node in needed(n for _, n in wanted):
            if node.wide:
                value = f"buffer[{self.slot(('leaf', node.name))} * LANE + i]" if node.given else _operation(node, place)
                lines.append(f"v{node.number} = {value}")
        for key, node in wanted:
            value = f"choose({place(node)}, 1.0, 0.0)" if node.name in _CONDITIONS else place(node)
            lines.append(f"buffer[{self.slot(key)} * LANE + i] = {'1.0 / ' if key[0] == 'reciprocal' else ''}{value}")
        return _function("constants(buffer, single)", ahead, lines)

    def _blends(self) -> str:
        """Return the function that adds up blends of several rows, of which most weigh nothing at any one time."""
        lines = []
        for name, slot in self.blended.items():
            a, b = self.blends[name]
            lines += [f"    for i in range(LANE):  # {name}", f"        buffer[{slot} * LANE + i] = 0.0",
                      f"    for k in range({a}, {b}):", "        w = weights[e, k]", "        if w != 0.0:",
                      "            for i in range(LANE):",
                      f"                buffer[{slot} * LANE + i] += w * buffer[({self.slot(('row', a))} - {a} + k) * LANE + i]"]
        return "\n".join(["@compiled", "def blend(buffer, weights, e):", *(lines or ["    pass"]), "", ""])


def _simplified(record: Record, moving: list[Node], state: list[Node], rates: list[Node], report: list[Node],
                labels: dict[int, str]) -> tuple[list[Node], list[Node], list[Node], list[Node], dict[int, str]]:
    before = [*rates, *report]
    after = algebra.simplified(record, before)
    return moving, state, after[:len(rates)], after[len(rates):], algebra.labelled(labels, before, after)


def _operation(node: Node, place: Callable[[Node], str]) -> str:
    if node.name == "where":
        condition, a, b = node.arguments
        test = place(condition)
        as_number = not condition.wide or (condition.moving != node.moving)  # a number, or kept as one from before the loop
        return f"choose({test + ' != 0.0' if as_number else test}, {place(a)}, {place(b)})"
    operands = [place(a) for a in node.arguments]
    if node.name in _SIGNS:
        return f" {_SIGNS[node.name]} ".join(operands)
    if node.name in _FORMS:
        return _FORMS[node.name].format(*operands)
    return f"{node.name}({', '.join(operands)})"


def _function(head: str, ahead: Mapping[str, str], lines: Sequence[str]) -> str:
    return "\n".join(["@compiled", f"def {head}:", *(f"    {name} = {source}" for name, source in ahead.items()),
                      "    for i in range(LANE):", *(f"        {line}" for line in lines or ["pass"]), "", ""])


def _choice(name: str, count: int) -> str:
    lines = [f"    {'if' if k == 0 else 'elif'} variant == {k}:\n        {name}{k}(buffer, single, table, weights, e, a, b)"
             for k in range(count)]
    return "\n".join(["@compiled", f"def {name}(variant, buffer, single, table, weights, e, a, b):", *lines, "", ""])


def _comment(node: Node, labels: Mapping[int, str]) -> str:
    return f"  # {labels[node.number]}" if node.number in labels else ""


_HEAD = '''"""Written by simulate.fast; it may be deleted at any time."""

from math import inf, nan, sqrt

import numpy as np
from numba import njit

from simulate.vectormath import EXACT, choose, exp, log, maximum, minimum, row_at

compiled = njit(cache=True, nogil=True, fastmath=EXACT, error_model="numpy")
'''

_KERNEL = '''@compiled
def kernel(addresses, single, table, weights, state, variants, same, years, steps, out):
    count = state.shape[1]
    dt = 1.0 / steps
    buffer = np.empty(ROWS * LANE)
    for first in range(0, count, LANE):
        width = min(LANE, count - first)
        for row in range(STATE):
            for i in range(LANE):
                buffer[row * LANE + i] = state[row, first + min(i, width - 1)]
        for row in range(GIVEN):
            given = row_at(addresses[row])
            for i in range(LANE):
                buffer[(FIRST + row) * LANE + i] = given[first + min(i, width - 1)]
        constants(buffer, single)
        e = 0
        for year in range(years + 1):
            apart = year == years or not same[year]
            if apart:
                blend(buffer, weights, e)
                both(variants[e], buffer, single, table, weights, e, 0.0, 0.0)
                keep(buffer, out, year, first, width)
            e += 1
            for step in range(steps if year < years else 0):
    STEPS


@compiled
def keep(buffer, out, year, first, width):
    for row in range(REPORTED):
        for i in range(width):
            out[year, row, first + i] = buffer[(OUT + row) * LANE + i]
'''

_EULER = '''\
                blend(buffer, weights, e)
                if step == 0 and not apart:
                    both(variants[e], buffer, single, table, weights, e, dt, 0.0)
                    buffer[:STATE * LANE] = buffer[2 * STATE * LANE:3 * STATE * LANE]
                    keep(buffer, out, year, first, width)
                else:
                    rates(variants[e], buffer, single, table, weights, e, dt, 0.0)
                e += 1
'''

_RK4 = '''\
                blend(buffer, weights, e)
                both(variants[e], buffer, single, table, weights, e, dt / 6.0, 0.5 * dt)
                if step == 0 and not apart:
                    keep(buffer, out, year, first, width)
                blend(buffer, weights, e + 1)
                middle(variants[e + 1], buffer, single, table, weights, e + 1, dt / 3.0, 0.5 * dt)
                blend(buffer, weights, e + 2)
                middle(variants[e + 2], buffer, single, table, weights, e + 2, dt / 3.0, dt)
                blend(buffer, weights, e + 3)
                last(variants[e + 3], buffer, single, table, weights, e + 3, dt / 6.0, 0.0)
                e += 4
'''


# ---------------------------------------------------------------- machine code, kept on disk

def folder() -> Path:
    """Where kernels are kept: $SIMULATE_CACHE, or the user's cache folder."""
    own = os.environ.get("SIMULATE_CACHE")
    if own:
        return Path(own)
    home = os.environ.get("LOCALAPPDATA" if sys.platform == "win32" else "XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "simulate"


def _name(source: str) -> str:
    arithmetic = Path(__file__).with_name("vectormath.py").read_text(encoding="utf-8")
    return "kernel_" + hashlib.sha256("\n".join((source, arithmetic, build())).encode()).hexdigest()[:24]


def load(source: str) -> Callable[..., None]:
    """Return the kernel of a text, compiled at its first call or taken from disk; where nothing can be kept, compiled anew."""
    with _LOCK:
        return _loaded(source)


_LOCK = threading.Lock()


@lru_cache(maxsize=64)
def _loaded(source: str) -> Callable[..., None]:
    name = _name(source)
    try:
        file = folder() / f"{name}.py"
        if not file.exists() or file.read_text(encoding="utf-8") != source:
            file.parent.mkdir(parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(dir=file.parent, prefix=f".{name}.", suffix=".tmp")
            with open(handle, "w", encoding="utf-8") as stream:
                stream.write(source)
            os.replace(temporary, file)
        if not os.access(file.parent, os.W_OK):
            return _uncached(source)
        spec = util.spec_from_file_location(name, file)
        assert spec is not None
        assert spec.loader is not None
        module = util.module_from_spec(spec)
        sys.modules[name] = module  # numba finds a function's module by its name
        spec.loader.exec_module(module)
        return module.kernel  # type: ignore[no-any-return]
    except (OSError, RuntimeError):  # a folder that cannot be written, or no home
        return _uncached(source)


@lru_cache(maxsize=64)
def _uncached(source: str) -> Callable[..., None]:
    space: dict[str, Any] = {"__name__": _name(source)}
    exec(compile(source.replace("cache=True, ", ""), f"<{space['__name__']}>", "exec"), space)  # our own text
    return space["kernel"]  # type: ignore[no-any-return]
