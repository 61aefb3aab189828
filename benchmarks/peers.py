"""One regional model, one method, the same runs: our engine beside other programs, beside plain loops, and beside C.

All integrate the default scenario by Euler's method with eight steps a year, which every one of them can; our engines and the C
kernel by RK4 too. Each is given the values already drawn, the fast ones as arrays, and only those that this scenario's results
depend on. Two cores: two processes that each hold the engine ready, by the clock.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import multiprocessing
import os
import shutil
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.kernel import FLAGS, Kernel, compiled, compiler
from benchmarks.measure import HERE, Aim, Table, Unavailable, at_least, default_setup, figure, in_turns
from simulate import runs
from simulate.integrators import METHODS
from simulate.model import Array
from simulate.parameters import LEVERS
from simulate.region import HEADLINE
from simulate.scenarios import parameter_and_element
from simulate.setups import Setup

Run = Callable[[Mapping[str, Array], int], Mapping[str, Array]]
"""Projects runs whose values are drawn: (drawn, runs) -> headline variable -> (years + 1, runs)."""

Key = tuple[str, tuple[str, int]]
"""An engine's name, and a method with its steps a year."""

EULER, RK4 = ("euler", 8), (("rk4", 2), ("rk4", 4))
VARIANTS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("own exp and log, 32 lanes", ()), ("own exp and log, 64 lanes", ("-DLANES=64",)),
    ("the C library's vector exp and log, 32 lanes", ("-DLIBMVEC",)))
BARE = ("-DWITHOUT_EXP_AND_LOG",)


# ---------------------------------------------------------------- ours

def integrate(setup: Setup, drawn: Mapping[str, Array], count: int, compiled: bool) -> dict[str, Array]:
    """As `runs.project`, with the choice of evaluation."""
    scenario = setup.scenario
    parameters = setup.parameters(drawn)
    with np.errstate(all="ignore"):
        return setup.model.simulate(
            parameters, setup.inputs(drawn), start=float(setup.base_year), years=scenario.horizon - setup.base_year,
            steps_per_year=scenario.steps_per_year, step=METHODS[scenario.method], runs=count, elements=setup.elements,
            paths=setup.paths(parameters), keep=HEADLINE, compiled=compiled,
            fixed={f"policy_{n}": np.zeros(1) for n in LEVERS if n not in scenario.levers})


def in_blocks(project: Run, block: int, drawn: Mapping[str, Array], count: int) -> dict[str, Array]:
    """Project `block` runs at a time."""
    parts = [project({k: a[start:start + block] for k, a in drawn.items()}, min(block, count - start)) for start in range(0, count, block)]
    return {name: np.concatenate([p[name] for p in parts], axis=-1) for name in HEADLINE}


def plain_loop(setup: Setup, folder: Path) -> Run:
    return partial(in_blocks, lambda drawn, count: integrate(setup, drawn, count, False), 1)


def plain_blocks(setup: Setup, folder: Path) -> Run:
    return partial(in_blocks, lambda drawn, count: integrate(setup, drawn, count, False), runs.BLOCK)


def compiled_loop(setup: Setup, folder: Path) -> Run:
    return partial(in_blocks, lambda drawn, count: integrate(setup, drawn, count, True), 1)


def compiled_blocks(setup: Setup, folder: Path) -> Run:
    return partial(in_blocks, lambda drawn, count: runs.project(setup, drawn, count, HEADLINE), runs.BLOCK)


def fused(setup: Setup, folder: Path) -> Run:
    project = fused_kernel()
    return partial(in_blocks, lambda drawn, count: project(setup, drawn, count, HEADLINE), getattr(project, "BLOCK", runs.BLOCK))


def fused_kernel() -> Any:
    """`simulate.fast.project`. Raises Unavailable where it, or numba, is not there."""
    try:
        importlib.import_module("numba")
        return importlib.import_module("simulate.fast").project
    except (ImportError, AttributeError, SyntaxError) as error:
        raise Unavailable(f"{error}") from None


def c_kernel(setup: Setup, folder: Path, flags: tuple[str, ...] = ()) -> Run:
    return partial(Kernel(setup, folder, flags).project, setup)


def python_loop(setup: Setup, folder: Path) -> Run:
    """The plain simulator of the tests: floats and dictionaries."""
    tests = str(HERE.parent / "tests")
    sys.path.insert(0, tests)
    try:
        naive, world = importlib.import_module("naive"), importlib.import_module("test_naive").world
    except ImportError as error:
        raise Unavailable(f"tests/naive.py cannot be used: {error}") from None
    finally:
        sys.path.remove(tests)
    scenario = setup.scenario

    def run(drawn: Mapping[str, Array], count: int) -> dict[str, Array]:
        parameters = setup.parameters(drawn)
        out = []
        for k in range(count):
            rows = naive.simulate(world(setup, parameters, drawn, k), scenario.horizon - setup.base_year, scenario.steps_per_year,
                                  getattr(naive, scenario.method))
            out.append([[row[name] for row in rows] for name in HEADLINE])
        return dict(zip(HEADLINE, np.moveaxis(np.array(out), 0, -1), strict=True))

    return run


# ---------------------------------------------------------------- others, from the exported model

def exported(setup: Setup, folder: Path) -> tuple[Path, dict[str, str]]:
    """The model as XMILE, and the names there of the inputs that this scenario's results depend on, by their key."""
    from simulate.interop.xmile import expanded_names, write_xmile

    path = folder / "model.xmile"
    if not path.exists():
        write_xmile(path, setup, steps_per_year=setup.scenario.steps_per_year)
    used: set[str] = set()
    waiting = [*HEADLINE, *(n for s in setup.model.stocks for n in (s.initial, *s.inflows, *s.outflows))]
    given = {f"policy_{n}" for n in LEVERS if n not in setup.scenario.levers}
    equations = {e.name: e for e in setup.model.equations}
    while waiting:
        name = waiting.pop()
        if name not in used and name not in given:
            used.add(name)
            waiting += equations[name].arguments if name in equations else ()
    names = expanded_names(setup)
    keys = [k for k in setup.drawn if (n := parameter_and_element(k)[0]) in used and (setup.scenario.levers or not n.endswith("_effect"))]
    return path, {k: names[tuple(x for x in parameter_and_element(k) if x)] for k in keys}


@contextmanager
def without_warnings() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def peer(name: str) -> Any:
    """Another program's module. Raises Unavailable with the way to get it."""
    try:
        with without_warnings():
            return importlib.import_module(name)
    except ImportError as error:
        raise Unavailable(f"{error}; pip install 'simulate[peers]'") from None


def pysd(setup: Setup, folder: Path) -> Run:
    module = peer("pysd")
    path, names = exported(setup, folder)
    with without_warnings():
        model = module.read_xmile(str(path)) if not path.with_suffix(".py").exists() else module.load(str(path.with_suffix(".py")))
    years = list(range(setup.base_year, setup.scenario.horizon + 1))

    def run(drawn: Mapping[str, Array], count: int) -> dict[str, Array]:
        with without_warnings():
            found = [model.run(params={n: float(drawn[k][i]) for k, n in names.items()}, return_columns=list(HEADLINE),
                               return_timestamps=years) for i in range(count)]
        return {name: np.stack([f[name].to_numpy(float) for f in found], axis=-1) for name in HEADLINE}

    return run


def simlin(setup: Setup, folder: Path) -> Run:
    """pysimlin at its fastest: one simulation, reset and given other values."""
    module = peer("simlin")
    path, names = exported(setup, folder)
    simulation = module.load(str(path)).simulate()
    steps = setup.scenario.steps_per_year

    def run(drawn: Mapping[str, Array], count: int) -> dict[str, Array]:
        values = {n: drawn[k].tolist() for k, n in names.items()}
        found = []
        for i in range(count):
            simulation.reset()
            for name, x in values.items():
                simulation.set_value(name, x[i])
            simulation.run_to_end()
            found.append([simulation.get_series(name)[::steps] for name in HEADLINE])
        return dict(zip(HEADLINE, np.moveaxis(np.array(found), 0, -1), strict=True))

    return run


MANY = """
#include <stddef.h>
void runModel(double* inputs, double* outputs);
__attribute__((visibility("default"))) void many(double* inputs, double* outputs, long runs, long given, long results) {
  for (long k = 0; k < runs; k++) runModel(inputs + k * given, outputs + k * results);
}
"""


def _sdeverywhere() -> Path:
    return Path(os.environ.get("SDEVERYWHERE", HERE.parent))


def sdeverywhere(setup: Setup, folder: Path) -> Run:
    """SDEverywhere's C, generated from the XMILE file, with its runtime, under the compiler flags of our kernel.

    $SDEVERYWHERE names a folder in whose node_modules are its packages cli (for the runtime in C) and compile, of a version that reads
    XMILE: from npm, or from the project's repository, where its package parse must be built first.
    """
    path, names = exported(setup, folder)
    library = folder / "sdeverywhere.so"
    if not library.exists():
        home, node = _sdeverywhere(), shutil.which("node")
        runtime = home / "node_modules" / "@sdeverywhere" / "cli" / "src" / "c"
        if node is None or not runtime.is_dir():
            raise Unavailable("no node" if node is None else "$SDEVERYWHERE names no folder with its packages in node_modules")
        made = folder / "sdeverywhere"
        shutil.copytree(runtime, made, dirs_exist_ok=True)
        (made / "spec.json").write_text(json.dumps({"inputVarNames": [*names.values()], "outputVarNames": [*HEADLINE]}))
        done = subprocess.run([node, str(HERE / "sdeverywhere.mjs"), *map(str, (home.resolve(), path, made / "spec.json", made))],
                              capture_output=True, text=True, check=False)
        if done.returncode:
            raise Unavailable(f"SDEverywhere fails: {next((x for x in done.stderr.splitlines() if 'rror' in x), 'no message')}")
        (made / "generated.c").write_text((made / "model.c").read_text(encoding="utf-8"), encoding="utf-8")
        shutil.copy(runtime / "model.c", made / "model.c")  # of the same name as what is generated
        (made / "many.c").write_text(MANY)
        # hidden: its `step` would otherwise be the C library's
        sources = [made / f"{n}.c" for n in ("generated", "model", "vensim", "allocation", "macros", "many") if (made / f"{n}.c").exists()]
        compiled(sources, ("-std=gnu11", "-O3", "-march=native", "-ffast-math", "-fPIC", "-fvisibility=hidden", "-w", f"-I{made}"), library)
    many: Any = ctypes.CDLL(str(library)).many
    many.argtypes, many.restype = [ctypes.c_void_p] * 2 + [ctypes.c_long] * 3, None
    steps = setup.scenario.steps_per_year
    points = (setup.scenario.horizon - setup.base_year) * steps + 1

    def run(drawn: Mapping[str, Array], count: int) -> dict[str, Array]:
        inputs = np.ascontiguousarray(np.stack([drawn[k] for k in names], axis=-1))
        found = np.empty((count, len(HEADLINE), points))
        many(inputs.ctypes.data, found.ctypes.data, count, inputs.shape[1], len(HEADLINE) * points)
        return {name: found[:, k, ::steps].T for k, name in enumerate(HEADLINE)}

    return run


def versions() -> dict[str, str]:
    """Versions of what is measured beside us; without what is not installed."""
    found: dict[str, str] = {}
    for name in ("pysd", "pysimlin", "numba"):
        with suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    with suppress(OSError, ValueError, KeyError):
        text = (_sdeverywhere() / "node_modules" / "@sdeverywhere" / "compile" / "package.json").read_text(encoding="utf-8")
        found["sdeverywhere"] = json.loads(text)["version"]
    with suppress(Unavailable, OSError, IndexError):
        found["compiler"] = subprocess.run([compiler(), "--version"], capture_output=True, text=True, check=False).stdout.splitlines()[0]
    return found


# ---------------------------------------------------------------- the engines

@dataclass(frozen=True)
class Engine:
    """One row: how to prepare it (in a folder for its files), and how many runs to time at once, some tenths of a second's."""

    name: str
    prepare: Callable[[Setup, Path], Run]
    count: int
    methods: tuple[tuple[str, int], ...] = (EULER,)
    checked: int = 200


ENGINES: tuple[Engine, ...] = (
    Engine("PySD, exported XMILE", pysd, 8, checked=3),
    Engine("plain Python loop (tests/naive.py)", python_loop, 32, checked=5),
    Engine("plain NumPy, one run at a time", plain_loop, 16, checked=5),
    Engine("ours, compiled NumPy, one run at a time", compiled_loop, 64, checked=20),
    Engine("pysimlin, reset and set values", simlin, 500, checked=20),
    Engine("SDEverywhere, generated C", sdeverywhere, 4_000),
    Engine("plain NumPy, blocks", plain_blocks, 8_192),
    Engine("ours, compiled NumPy, blocks", compiled_blocks, 16_384, (EULER, *RK4)),
    Engine("ours, fused kernel (numba)", fused, 32_768, (EULER, *RK4)),
    Engine("C by hand, -O3 -march=native -ffast-math", c_kernel, 65_536, (EULER, *RK4)))
PYSD, NUMPY, FUSED, BY_HAND = ENGINES[0].name, *(e.name for e in ENGINES[-3:])


def disagreement(run: Run, setup: Setup, count: int) -> float:
    """Greatest relative difference of a headline variable in any year from `runs.project`, over runs that are finite there."""
    drawn = setup.draw(0, count, 1)
    expected = runs.project(setup, drawn, count, HEADLINE)
    found = run(drawn, count)
    finite = np.logical_and.reduce([np.isfinite(expected[name]).all(axis=0) for name in HEADLINE])
    return max(float(np.abs(found[name] / expected[name] - 1)[:, finite].max()) for name in HEADLINE)


def _work(connection: Any, folder: Path) -> None:
    """A worker: told an engine and a method, prepares it; told to go, computes; answers each."""
    ready: dict[Key, Callable[[], object]] = {}
    setups: dict[tuple[str, int], Setup] = {}
    engines = {e.name: e for e in ENGINES}
    while (told := connection.recv()) is not None:
        name, method = key = told
        if key not in ready:
            setup = setups.setdefault(method, default_setup(*method))
            count = engines[name].count
            ready[key] = partial(engines[name].prepare(setup, folder), setup.draw(0, count, 1), count)
        ready[key]()
        connection.send(None)


class Pair:
    """Two processes that compute the same engine at the same time."""

    def __init__(self, folder: Path) -> None:
        context = multiprocessing.get_context("spawn")
        self.ends, self.processes = [], []
        for _ in range(2):
            ours, theirs = context.Pipe()
            process = context.Process(target=_work, args=(theirs, folder), daemon=True)
            process.start()
            theirs.close()
            self.ends.append(ours)
            self.processes.append(process)

    def run(self, key: Key, many: int) -> None:
        """Let one or both compute. Raises EOFError where a process died."""
        for end in self.ends[:many]:
            end.send(key)
        for end in self.ends[:many]:
            end.recv()

    def close(self) -> None:
        for end, process in zip(self.ends, self.processes, strict=True):
            with suppress(OSError):
                end.send(None)
            process.join()


@dataclass(frozen=True)
class Measured:
    """Runs per second, turn by turn: one core; two processes; gains: two processes over one, by the clock. Reasons for what lacks."""

    one: Mapping[Key, list[float]]
    two: Mapping[Key, list[float]]
    gains: Mapping[Key, list[float]]
    disagreements: Mapping[Key, float]
    missing: Mapping[str, str]

    def rate(self, name: str, method: tuple[str, int] = EULER, cores: int = 1) -> float | None:
        """Median runs per second, if measured."""
        rates = (self.one if cores == 1 else self.two).get((name, method))
        return statistics.median(rates) if rates else None


def measure(folder: Path, quick: bool) -> Measured:
    """Run every engine that is there, in turns."""
    share = 8 if quick else 1
    missing: dict[str, str] = {}
    far: dict[Key, float] = {}
    actions: dict[Key, Callable[[], object]] = {}
    setups = {method: default_setup(*method) for method in (EULER, *RK4)}
    for engine in ENGINES:
        count = max(1, engine.count // share)
        for method in engine.methods:
            if engine.name in missing or (quick and method not in (EULER, RK4[-1])):
                continue
            setup = setups[method]
            try:
                run = engine.prepare(setup, folder)
                far[engine.name, method] = disagreement(run, setup, max(2, engine.checked // share))
            except Unavailable as reason:
                missing[engine.name] = str(reason)
                continue
            except Exception as error:  # another program's failure is a line of the table, not the end of the benchmark
                missing[engine.name] = f"fails: {type(error).__name__}: {error}".splitlines()[0][:150]
                continue
            drawn = setup.draw(0, count, 1)
            actions[engine.name, method] = partial(run, drawn, count)
            actions[engine.name, method]()  # once untimed
    counts = {key: max(1, next(e.count for e in ENGINES if e.name == key[0]) // share) for key in actions}
    one = {key: [counts[key] / t for t in times] for key, times in in_turns(actions, 1 if quick else 5, 40).items()}
    two, gains = ({}, {}) if quick else _on_two(folder, counts)
    return Measured(one, two, gains, far, missing)


def _on_two(folder: Path, counts: Mapping[Key, int]) -> tuple[dict[Key, list[float]], dict[Key, list[float]]]:
    """Runs per second of two processes together, and their gain over one of them, by the clock."""
    pair = Pair(folder)
    try:
        for key in counts:
            pair.run(key, 2)
        times = in_turns({(key, many): partial(pair.run, key, many) for key in counts for many in (1, 2)}, 4, 60, time.perf_counter)
    except (EOFError, OSError) as error:
        print(f"two processes: one of them died ({type(error).__name__})")
        return {}, {}
    finally:
        pair.close()
    return ({key: [2 * n / t for t in times[key, 2]] for key, n in counts.items()},
            {key: [2 * a / b for a, b in zip(times[key, 1], times[key, 2], strict=True)] for key in counts})


def table(found: Measured) -> Table:
    """Engines against each other."""
    base = found.rate(PYSD)
    rows = []
    for engine in ENGINES:
        for method in engine.methods:
            key = (engine.name, method)
            row = {"engine": engine.name, "method": f"{method[0]}, {method[1]} steps"}
            if key not in found.one:
                row["runs/s, one core"] = f"not measured: {found.missing.get(engine.name, 'left out of a quick run')}"
            else:
                one, two = found.rate(*key), found.rate(*key, cores=2)
                row["runs/s, one core"] = figure(found.one[key])
                row["runs/s, two cores"] = figure(found.two[key]) if two else "not measured"
                row["two / one"] = figure(found.gains[key], ".2f") if two else ""
                row["times PySD"] = f"{one / base:,.3g}" if one and base else ""
                row["two cores / PySD on one"] = f"{two / base:,.3g}" if two and base else ""
                row["greatest difference"] = f"{found.disagreements[key]:.0e}"
            rows.append(row)
    setup = default_setup(*EULER)
    return Table("Beside peers", f"{setup.scenario.id}, {setup.scenario.horizon - setup.base_year} years, values already drawn, headline "
                 "variables at each year. Median (least to greatest; turns): one core in processor time; two cores as two processes, and "
                 "their gain over one, by the clock. Greatest difference: relative, from our compiled NumPy, over years and runs. PySD has "
                 "no parallel runs of its own: the last ratio is against its one core.", rows)


def kernel_table(folder: Path, quick: bool) -> tuple[Table, dict[str, float]]:
    """Variants of the C kernel: what the compiler made of them, and how fast they are; and the best rate by method."""
    methods = (EULER, RK4[-1])
    setups = {method: default_setup(*method) for method in methods}
    count = 8_192 if quick else 32_768
    drawn = setups[EULER].draw(0, count, 1)
    rows: list[dict[str, Any]] = []
    variants = VARIANTS[:1] if quick else VARIANTS
    try:
        kernels = {name: Kernel(setups[EULER], folder, flags) for name, flags in variants}
        bare = Kernel(setups[EULER], folder, BARE)
        actions = {(name, method): partial(k.project, setup, drawn, count)
                   for name, k in (*kernels.items(), ("bare", bare)) for method, setup in setups.items()}
        for action in actions.values():
            action()
        times = in_turns(actions, 1 if quick else 5, 20)
    except Unavailable as reason:
        return Table("The C kernel", "", [{"variant": f"not measured: {reason}"}]), {}
    rates = {key: [count / t for t in values] for key, values in times.items()}
    best = {f"{m[0]} {m[1]}": max(statistics.median(rates[name, m]) for name in kernels) for m in methods}
    for name, kernel in kernels.items():
        report = kernel.report()
        row = {"variant": name, "vectors of the main loop": f"{8 * report.main} bits" if report.loops else "not reported",
               "calls of vector exp, log": ", ".join(f"{n} {f}" for f, n in sorted(report.calls.items())) or "none (inlined)",
               "arithmetic on 512 / 256 / 128 bits": " / ".join(str(n) for n in report.registers.values()) or "not reported"}
        for method in methods:
            row[f"{method[0]} {method[1]}, runs/s"] = figure(rates[name, method])
        row["exp and log take"] = " ".join(
            f"{1 - statistics.median(rates[name, m]) / statistics.median(rates['bare', m]):.0%} ({m[0]})" for m in methods)
        row["greatest difference"] = f"{max(disagreement(partial(kernel.project, s), s, 200) for s in setups.values()):.0e}"
        rows.append(row)
    return Table("The C kernel", f"kernel.c: {' '.join(FLAGS)}. One core. `exp and log take`: part of the time that goes when both are "
                 "replaced by one addition. A stage of this scenario takes 9 logarithms and 8 exponentials.", rows), best


def aims(found: Measured, best: Mapping[str, float]) -> list[Aim]:
    """What the engines were to reach. `best`: of the C kernel, by method."""

    def compared(aim: str, one: float | None, other: float | None, least: float, form: str, *names: str) -> Aim:
        why = next((found.missing[n] for n in names if n in found.missing), "")
        if not one or not other:
            return Aim(aim, why or "-", None)
        return at_least(aim, one / other, least, form, f"{one:,.0f} / {other:,.0f} runs/s")

    base = found.rate(PYSD)
    result = [compared("NumPy blocks at least 1,000 times PySD (one core each, Euler)", found.rate(NUMPY), base, 1000, ",.0f", PYSD)]
    for method in (EULER, RK4[-1]):
        limit = max(best.get(f"{method[0]} {method[1]}", 0.0), found.rate(BY_HAND, method) or 0.0)
        result.append(compared(f"fused kernel at least 80 % of the C kernel ({method[0]}, {method[1]} steps, one core)",
                               found.rate(FUSED, method), limit, 0.8, ".0%", FUSED, BY_HAND))
    result.append(compared("fused kernel on two cores at least 7,000 times PySD on one", found.rate(FUSED, cores=2), base, 7000, ",.0f",
                           FUSED, PYSD))
    gains = found.gains.get((FUSED, EULER))
    result.append(at_least("two processes at least 1.8 times one: fused kernel alone", statistics.median(gains) if gains else None, 1.8,
                           ".2f", found.missing.get(FUSED, "")))
    return result
