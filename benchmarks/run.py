"""Measure this machine: our engines beside peers and C, sweeps to a million runs, cold start, accuracy.

`python -m benchmarks.run [--quick]` prints tables and writes them to benchmarks/results/ (latest.json, latest.md): first the aims
and what was found of each. What is not installed (a C compiler, numba, PySD, pysimlin, SDEverywhere) is named in its row and left out.
SDEverywhere is looked for in $SDEVERYWHERE/node_modules (`peers.sdeverywhere` says more).
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import peers, scale
from benchmarks.measure import HERE, ONE_THREAD, Table, Unavailable, changed, default_setup, figure, in_turns, machine, taken
from benchmarks.peers import integrate
from simulate import runs
from simulate.integrators import METHODS
from simulate.model import Array
from simulate.region import HEADLINE
from simulate.registry import Registry, load_registry
from simulate.scenarios import Scenario, default_scenario
from simulate.setups import Setup, resolve

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

Project = Callable[[Setup, Mapping[str, Array], int, tuple[str, ...]], Mapping[str, Array]]


def kernels() -> dict[str, Project]:
    """Our kernels that are there."""
    found: dict[str, Project] = {"compiled NumPy": runs.project}
    try:
        found["fused (numba)"] = peers.fused_kernel()
    except Unavailable as reason:
        print(f"fused kernel: not measured: {reason}")
    return found


def ensemble(setup: Setup, count: int, project: Project, block: int = runs.BLOCK) -> None:
    """Draw and integrate `count` runs, block by block."""
    for start in range(0, count, block):
        stop = min(start + block, count)
        project(setup, setup.draw(start, stop, 1), stop - start, HEADLINE)


def throughput(quick: bool) -> Table:
    """Runs per second on one core, by number of runs."""
    ours = kernels()
    setups = {s: default_setup(*s) for s in (SCHEMES[::2] if quick else SCHEMES)}
    plans = ((1, 10, 1), (1000, 3, 3)) if quick else ((1, 50, 4), (1000, 7, 6), (20_000, 5, 12), (100_000, 3, 14))
    keys = [(scheme, name) for scheme in setups for name in ours]
    for scheme, name in keys:  # programs written, memory touched
        for count in (1, 1000):
            ensemble(setups[scheme], count, ours[name])
    times = {count: in_turns({(s, n): partial(ensemble, setups[s], count, ours[n]) for s, n in keys}, most, seconds)
             for count, most, seconds in plans}
    rows = [{"method": f"{s[0]}, {s[1]} steps", "kernel": n} | {f"{count:,} runs, runs/s": figure([count / t for t in times[count][s, n]])
                                                                for count, _, _ in plans} for s, n in keys]
    setup = setups[SCHEMES[0]]
    return Table("Throughput", f"{setup.scenario.id}, {setup.scenario.horizon - setup.base_year} years, {len(setup.drawn)} uncertain "
                 f"inputs, one core, blocks of {runs.BLOCK:,} runs, four variables kept, "
                 "draws included. Median (least to greatest; turns).", rows)


def block_sizes() -> Table:
    """What the number of runs worked through at once does."""
    setup = default_setup("rk4", 2)
    ours = kernels()
    times = in_turns({(n, b): partial(ensemble, setup, BLOCKS[-1], ours[n], b) for n in ours for b in BLOCKS}, 3, 10)
    rows = [{"block, runs": f"{b:,}"} | {f"{n}, runs/s": figure([BLOCKS[-1] / t for t in times[n, b]]) for n in ours} for b in BLOCKS]
    return Table("Block size", f"{setup.scenario.id}, rk4 with 2 steps, {BLOCKS[-1]:,} runs, draws included. In use: {runs.BLOCK:,}.", rows)


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
    schemes = [(method, steps) for method in METHODS for steps in ((2, 4, 8) if quick else (1, 2, 4, 8, 16, 32))]
    found = {s: resolve(registry, changed(scenario, *s)) for s in schemes}
    ours = kernels()
    actions = {(s, n): partial(project, found[s], many, count, HEADLINE) for s in schemes for n, project in ours.items()}
    for action in actions.values() if len(ours) > 1 else ():
        action()
    times = in_turns(actions, 1 if quick else 3, 8)
    rows: list[dict[str, Any]] = []
    for scheme in schemes:
        near = integrate(found[scheme], drawn, 256, True)
        errors = np.stack([np.abs(near[n] / exact[n] - 1) for n in HEADLINE]).max(axis=(0, 1))
        good = np.isfinite(errors)
        worst, middle = (errors[good].max(), np.median(errors[good])) if good.any() else (np.nan, np.nan)
        rows.append({"method": scheme[0], "steps a year": scheme[1], "greatest error": f"{worst:.1e}", "median error": f"{middle:.1e}",
                     "runs not finite": int((~good).sum())} | {f"{n}, runs/s": figure([count / t for t in times[scheme, n]]) for n in ours})
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
    parser.add_argument("--quick", action="store_true", help="fewer sizes and turns, no second process: under half a minute")
    quick = parser.parse_args().quick
    if any(os.environ.get(name) != "1" for name in ONE_THREAD):  # these are read when numpy is imported
        command = [sys.executable, "-m", "benchmarks.run", *sys.argv[1:]]
        sys.exit(subprocess.run(command, env=os.environ | ONE_THREAD, cwd=HERE.parent, check=False).returncode)
    start = time.perf_counter()
    about = machine() | peers.versions()
    registry, scenario = load_registry(), default_scenario()
    head = "# Benchmarks\n\n" + "\n".join(f"- {name}: {value}" for name, value in about.items()) + "\n"
    print(head)
    tables: list[Table] = []

    def show(table: Table) -> None:
        tables.append(table)
        print(table.markdown(), flush=True)
        print(f"({time.perf_counter() - start:.0f} s so far)\n", file=sys.stderr)

    with tempfile.TemporaryDirectory() as folder:
        engines = peers.measure(Path(folder), quick)
        show(peers.table(engines))
        kernel, limit = peers.kernel_table(Path(folder), quick)
        show(kernel)
    sweeps = scale.measure_all(quick)
    show(scale.table(*sweeps))
    others: list[Callable[[], Table]] = [partial(throughput, quick), partial(whole_run, registry, scenario, quick),
                                         partial(accuracy, registry, scenario, quick), partial(cold_start, 1 if quick else 4)]
    if not quick:
        others += [block_sizes, partial(consistency_checks, registry)]
    for measure in others:
        show(measure())
    seconds = time.perf_counter() - start
    reading = Table("Reading", f"What was aimed at, and what was found{' (a quick run: rough, and not all of it)' if quick else ''}. The "
                    f"other tables say how it was measured. The whole took {seconds:.0f} s.",
                    [aim.row() for aim in (*peers.aims(engines, limit), *scale.aims(sweeps[0]))])
    print(reading.markdown())
    folder_of_results = HERE / "results"
    folder_of_results.mkdir(exist_ok=True)
    result = {"machine": about, "quick": quick, "seconds": round(seconds, 1), "tables": [dataclasses.asdict(t) for t in (reading, *tables)]}
    for name, text in (("latest.md", "\n".join([head, *(t.markdown() for t in (reading, *tables))])),
                       ("latest.json", json.dumps(result, indent=1, ensure_ascii=False))):
        temporary = folder_of_results / f".{name}.part"
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(folder_of_results / name)


if __name__ == "__main__":
    main()
