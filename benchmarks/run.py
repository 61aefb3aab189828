"""Measure cold start, ensemble throughput and accuracy on this machine: `python -m benchmarks.run [--quick]`.

What is compared is measured in turns, in one process with one thread, so that a busy moment falls on all alike. Tables give
the median over the turns, and the range. Times are processor time, which another program's turn does not lengthen; only
cold starts are by the clock. Results go to benchmarks/results/ (latest.json, latest.md).
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from simulate import runs
from simulate.integrators import METHODS
from simulate.model import Array
from simulate.parameters import LEVERS
from simulate.region import HEADLINE
from simulate.registry import Registry, load_registry
from simulate.scenarios import Scenario, default_scenario
from simulate.setups import Setup, resolve

ONE_THREAD = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "NUMEXPR")}
HERE = Path(__file__).resolve().parent
SCHEMES = (("euler", 8), ("rk4", 2), ("rk4", 4), ("rk4", 8))
BLOCKS = (512, 1024, 2048, 4096, 8192, 16_384)
MEMORY = """
import re, resource
from dataclasses import replace
from pathlib import Path
from simulate import runs
from simulate.registry import load_registry
from simulate.scenarios import default_scenario
def peak():
    status = Path("/proc/self/status")  # where there is one: getrusage there counts the parent's memory too
    own = re.search(r"VmHWM:\\s*(\\d+) kB", status.read_text()) if status.exists() else None
    return (int(own.group(1)) if own else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) / 1024
registry, scenario = load_registry(), replace(default_scenario(), method="euler", steps_per_year=1)  # as much memory, less time
runs.run(scenario, registry, runs=1, keep={keep})
before = peak()
runs.run(scenario, registry, runs={count}, keep={keep})
print(before, peak())
"""
REGISTRY = """
import time
from simulate.registry import load_registry
start = time.perf_counter()
load_registry()
print(time.perf_counter() - start)
"""


@dataclasses.dataclass(frozen=True)
class Table:
    """One result: a title, what the numbers are, and rows."""

    title: str
    note: str
    rows: list[dict[str, Any]]

    def markdown(self) -> str:
        names = list(dict.fromkeys(n for row in self.rows for n in row))
        cells = [names, *([str(row.get(n, "")) for n in names] for row in self.rows)]
        widths = [max(len(line[k]) for line in cells) for k in range(len(names))]
        lines = ["| " + " | ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)) + " |" for line in cells]
        rule = "|" + "|".join("-" * (w + 2) for w in widths) + "|"
        return "\n".join([f"## {self.title}", "", self.note, "", lines[0], rule, *lines[1:], ""])


def machine() -> dict[str, Any]:
    """What is measured on."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    name = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.processor())
    return {"processor": name or platform.machine(), "cores": os.cpu_count(), "system": platform.platform(),
            "load before": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else "unknown",
            "python": platform.python_version(), "numpy": np.__version__, "date": datetime.now(UTC).isoformat(timespec="minutes")}


def taken(action: Callable[[], object], clock: Callable[[], float] = time.process_time) -> float:
    """Seconds that `action` takes."""
    start = clock()
    action()
    return clock() - start


def in_turns(actions: Mapping[Any, Callable[[], object]], most: int, seconds: float,
             clock: Callable[[], float] = time.process_time) -> dict[Any, list[float]]:
    """Times of each action, taken in turns: at least one turn, at most `most`, no new one that would pass `seconds`."""
    times: dict[Any, list[float]] = {key: [] for key in actions}
    start = time.perf_counter()
    for turn in range(1, most + 1):
        for key, action in actions.items():
            times[key].append(taken(action, clock))
        if (time.perf_counter() - start) * (turn + 1) / turn > seconds:
            break
    return times


def figure(values: Sequence[float], form: str = ",.0f") -> str:
    """Median and range, as text."""
    middle = format(statistics.median(values), form)
    return middle if len(values) == 1 else f"{middle} ({format(min(values), form)} to {format(max(values), form)}; {len(values)})"


# ---------------------------------------------------------------- cold start

def cold_start(turns: int) -> Table:
    """Whole processes, from nothing to the end of the output."""
    commands = {"python -c pass": ["-c", "pass"], "python -c 'import numpy'": ["-c", "import numpy"],
                "simulate --help": ["-m", "simulate", "--help"], "simulate run": ["-m", "simulate", "run"],
                "load the registry (import apart)": ["-c", REGISTRY]}
    rows: list[dict[str, Any]] = []
    usable: dict[str, list[str]] = {}
    with tempfile.TemporaryDirectory() as folder:
        def run(arguments: list[str]) -> subprocess.CompletedProcess[str]:
            return subprocess.run([sys.executable, *arguments], cwd=folder, capture_output=True, text=True, encoding="utf-8", check=False)

        for name, arguments in commands.items():
            trial = run(arguments)
            if trial.returncode or (name.startswith("simulate") and not trial.stdout.strip()):
                reason = (trial.stderr.strip().splitlines() or ["it printed nothing"])[-1]
                print(f"skipped: `{name}` does not work: {reason}")
                rows.append({"what": name, "median, s": f"skipped: {reason}"})
            else:
                usable[name] = arguments
        inside: list[float] = []

        def load() -> None:
            inside.append(float(run(["-c", REGISTRY]).stdout))

        times = in_turns({n: load if a[-1] is REGISTRY else partial(run, a) for n, a in usable.items()}, turns, 20, time.perf_counter)
    for name in times:
        values = inside if usable[name][-1] is REGISTRY else times[name]
        rows.append({"what": name, "median, s": f"{statistics.median(values):.3f}", "least, s": f"{min(values):.3f}", "times": len(values)})
    return Table("Cold start", "Each a new process, by the clock, after one that is not counted (its files are then in the disk cache).",
                 rows)


# ---------------------------------------------------------------- throughput

def changed(scenario: Scenario, method: str, steps: int) -> Scenario:
    return dataclasses.replace(scenario, method=method, steps_per_year=steps)


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


def ensemble(setup: Setup, count: int, compiled: bool, block: int = runs.BLOCK) -> None:
    """Draw and integrate `count` runs, block by block."""
    for start in range(0, count, block):
        stop = min(start + block, count)
        integrate(setup, setup.draw(start, stop, 1), stop - start, compiled)


def scalar_loop(setup: Setup) -> Callable[[], object] | None:
    """One run by the plain Python simulator of the tests, if it is there."""
    folder = str(HERE.parent / "tests")
    sys.path.insert(0, folder)
    try:
        import naive
        from test_naive import world
    except ImportError as error:
        print(f"skipped: plain Python loop: {error}")
        return None
    finally:
        sys.path.remove(folder)
    drawn = setup.draw(0, 2, 1)
    one = world(setup, setup.parameters(drawn), drawn, 0)
    scenario = setup.scenario
    return lambda: naive.simulate(one, scenario.horizon - setup.base_year, scenario.steps_per_year, getattr(naive, scenario.method))


def throughput(registry: Registry, scenario: Scenario, quick: bool) -> Table:
    """Runs per second on one core."""
    setups = {s: resolve(registry, changed(scenario, *s)) for s in SCHEMES}
    for setup in setups.values():  # programs written, memory touched
        for count, compiled in ((1, True), (2, True), (2, False)):
            ensemble(setup, count, compiled)
    plans = ((1, 20, 1), (1000, 5, 4), (20_000, 1, 1)) if quick else ((1, 50, 3), (1000, 7, 6), (20_000, 5, 16), (100_000, 3, 10))
    rows = []
    for count, most, seconds in plans:
        actions: dict[Any, Callable[[], object]] = {}
        for scheme, setup in setups.items():
            actions[scheme, "compiled"] = partial(ensemble, setup, count, True)
            if count <= 1000 or (count == 20_000 and not quick and scheme in SCHEMES[:2]):  # the others would take too long
                actions[scheme, "plain"] = partial(ensemble, setup, count, False)
            loop = scalar_loop(setup) if count == 1 else None
            if loop:
                actions[scheme, "scalar"] = loop
        times = in_turns(actions, most, seconds)
        for scheme in SCHEMES:
            row = {"method": f"{scheme[0]}, {scheme[1]} steps", "runs": f"{count:,}"}
            for key, title in (("compiled", "compiled"), ("plain", "plain NumPy"), ("scalar", "Python loop")):
                values = times.get((scheme, key))
                row[f"{title}, runs/s"] = figure([count / t for t in values]) if values else "not measured"
            if (scheme, "plain") in times:
                gains = [p / c for c, p in zip(times[scheme, "compiled"], times[scheme, "plain"], strict=True)]
                row["compiled / plain"] = f"{statistics.median(gains):.2f}"
            rows.append(row)
    years = scenario.horizon - setups[SCHEMES[0]].base_year
    return Table("Throughput", f"{scenario.id}, {years} years, {len(setups[SCHEMES[0]].drawn)} uncertain inputs, one core, blocks of "
                 f"{runs.BLOCK:,} runs, four variables kept, draws included. Median (least to greatest; turns). The Python loop is "
                 "tests/naive.py, one run. Plain NumPy asks for new memory all the time: its speed moves with what this process "
                 "did before.", rows)


def block_sizes(registry: Registry, scenario: Scenario) -> Table:
    """What the number of runs worked through at once does."""
    setup = resolve(registry, changed(scenario, "rk4", 2))
    times = in_turns({block: partial(ensemble, setup, BLOCKS[-1], True, block) for block in BLOCKS}, 3, 6)
    rows = [{"block, runs": f"{block:,}", "runs/s": figure([BLOCKS[-1] / t for t in times[block]])} for block in BLOCKS]
    return Table("Block size", f"{scenario.id}, rk4 with 2 steps, {BLOCKS[-1]:,} runs, draws included. In use: {runs.BLOCK:,}.", rows)


def whole_run(registry: Registry, scenario: Scenario, quick: bool) -> Table:
    """`run` as users call it, and the memory it takes."""
    rows = []
    for count in (1, 1000) if quick else (1, 1000, 20_000, 100_000):
        keep: Any = None if count <= 20_000 else HEADLINE
        seconds = [taken(partial(runs.run, scenario, registry, runs=count, keep=keep)) for _ in range(1 if quick or count > 1000 else 5)]
        text = MEMORY.format(keep=repr(HEADLINE), count=count)
        child = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=False)
        before, peak = map(float, child.stdout.split()) if child.returncode == 0 else (float("nan"), float("nan"))
        rows.append({"runs": f"{count:,}", "variables kept": len(runs.KEPT if keep is None else keep), "s": figure(seconds, ".3f"),
                     "runs/s": figure([count / s for s in seconds]), "peak memory, MB": f"{peak:.0f}",
                     "more than for one run, MB": f"{peak - before:.0f}"})
    return Table("The whole of run()", f"{scenario.id} as it stands: {scenario.method}, {scenario.steps_per_year} steps a year. "
                 "Peak memory: of another process, with four variables kept.", rows)


# ---------------------------------------------------------------- error against cost

def accuracy(registry: Registry, scenario: Scenario, quick: bool) -> Table:
    """Error of the headline indicators against RK4 with 64 steps, and what it costs."""
    setup = resolve(registry, scenario)
    count = runs.BLOCK // 4 if quick else runs.BLOCK
    drawn, many = setup.draw(0, 256, 1), setup.draw(0, count, 1)
    exact = integrate(resolve(registry, changed(scenario, "rk4", 64)), drawn, 256, True)
    schemes = [(method, steps) for method in METHODS for steps in ((1, 2, 4, 8) if quick else (1, 2, 4, 8, 16, 32))]
    found = {s: resolve(registry, changed(scenario, *s)) for s in schemes}
    times = in_turns({s: partial(integrate, x, many, count, True) for s, x in found.items()}, 1 if quick else 3, 8)
    rows: list[dict[str, Any]] = []
    for scheme in schemes:
        near = integrate(found[scheme], drawn, 256, True)
        errors = np.stack([np.abs(near[n] / exact[n] - 1) for n in HEADLINE]).max(axis=(0, 1))
        good = np.isfinite(errors)
        worst, middle = (errors[good].max(), np.median(errors[good])) if good.any() else (np.nan, np.nan)
        rows.append({"method": scheme[0], "steps a year": scheme[1], "greatest error": f"{worst:.1e}", "median error": f"{middle:.1e}",
                     "runs not finite": int((~good).sum()), "runs/s": figure([count / t for t in times[scheme]])})
    return Table("Error against cost", f"{scenario.id}: relative error of {', '.join(HEADLINE)} at any year to {scenario.horizon}, against "
                 f"rk4 with 64 steps, over 256 drawn runs. Cost: {count:,} runs at once, without draws.", rows)


def consistency_checks(registry: Registry) -> Table:
    """Verdicts: each plan under the chosen readings alone, and with every alternative reading tried."""
    from simulate import consistency

    def verdict(region: str, alternatives: bool) -> Callable[[], object]:
        return partial(consistency.check, registry, region, alternatives=alternatives)

    regions = [v.region for v in consistency.check_all(registry, alternatives=False)]  # also imports the solver
    actions: dict[tuple[str, str], Callable[[], object]] = {}
    for region in regions:
        actions[region, "verdict with certificate"] = verdict(region, False)
        actions[region, "and every other reading"] = verdict(region, True)
    actions["all plans", "verdict with certificate"] = partial(consistency.check_all, registry, alternatives=False)
    actions["all plans", "and every other reading"] = partial(consistency.check_all, registry)
    times = in_turns(actions, 3, 30)
    return Table("Consistency", "Processor time of one verdict, after the solver is imported.",
                 [{"plan": plan, "what": what, "median, s": f"{statistics.median(v):.2f}", "least, s": f"{min(v):.2f}", "times": len(v)}
                  for (plan, what), v in times.items()])


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure speed and accuracy on this machine.")
    parser.add_argument("--quick", action="store_true", help="fewer sizes and turns: under 20 seconds")
    quick = parser.parse_args().quick
    if any(os.environ.get(name) != "1" for name in ONE_THREAD):  # these are read when numpy is imported
        command = [sys.executable, str(HERE / "run.py"), *sys.argv[1:]]
        sys.exit(subprocess.run(command, env=os.environ | ONE_THREAD, check=False).returncode)
    start = time.perf_counter()
    about = machine()
    registry, scenario = load_registry(), default_scenario()
    head = "# Benchmarks\n\n" + "\n".join(f"- {name}: {value}" for name, value in about.items()) + "\n"
    print(head)
    tables: list[Table] = []
    for measure in (partial(cold_start, 1 if quick else 4), partial(throughput, registry, scenario, quick),
                    *([] if quick else [partial(block_sizes, registry, scenario)]), partial(whole_run, registry, scenario, quick),
                    partial(accuracy, registry, scenario, quick), partial(consistency_checks, registry)):
        tables.append(measure())
        print(tables[-1].markdown(), flush=True)
    seconds = time.perf_counter() - start
    print(f"Took {seconds:.0f} s.")
    folder = HERE / "results"
    folder.mkdir(exist_ok=True)
    (folder / "latest.md").write_text("\n".join([head, *(t.markdown() for t in tables)]), encoding="utf-8")
    result = {"machine": about, "quick": quick, "seconds": round(seconds, 1), "tables": [dataclasses.asdict(t) for t in tables]}
    (folder / "latest.json").write_text(json.dumps(result, indent=1, ensure_ascii=False), encoding="utf-8")


if __name__ == "__main__":
    main()
