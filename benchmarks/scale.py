"""Sweeps to Parquet from one run to a million: runs per second, memory, disk, and what a second process brings.

A sweep is measured in a process of its own (`python -m benchmarks.scale KERNEL WORKERS RUNS…`), whose memory, and that of its
workers, is watched from here.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.measure import HERE, Aim, Table, Unavailable, at_least, figure
from benchmarks.peers import fused_kernel
from simulate import sweeps

MILLION = 1_000_000
ROOM = 4e9
"""Bytes of disk that must be free for a million runs: they take about one GB."""


# ---------------------------------------------------------------- in the process that is measured

def child(kernel: str, workers: int, sizes: list[int]) -> None:
    """Sweep the default scenario at each size; print the seconds and bytes of each."""
    from simulate.experiments import plan_sweep
    from simulate.scenarios import default_scenario

    found = sweeps.kernel_named(kernel)
    pool = sweeps.serial() if workers == 1 else sweeps.processes(workers)
    with tempfile.TemporaryDirectory() as home:
        # once untimed: files read, programs written, the fused kernel compiled and kept on disk
        sweeps.sweep(plan_sweep(default_scenario(), points=2), Path(home) / "first", pool=pool, kernel=found)
        for k, size in enumerate(sizes):
            folder = Path(home) / str(k)
            plan = plan_sweep(default_scenario(), points=size)
            print(json.dumps({"start": size}), flush=True)
            start = time.perf_counter()
            sweeps.sweep(plan, folder, pool=pool, kernel=found)
            seconds = time.perf_counter() - start
            print(json.dumps({"seconds": seconds, "bytes": sum(f.stat().st_size for f in folder.iterdir())}), flush=True)
            shutil.rmtree(folder)


# ---------------------------------------------------------------- watching it

@dataclass
class Memory:
    """Peaks in MiB while it watches a process and its descendants: of the largest of them, and of all together.

    Together: a page that several share counts once. Only where there is /proc.
    """

    pid: int
    largest: float = 0.0
    together: float = 0.0
    stopped: threading.Event = field(default_factory=threading.Event)

    def watch(self) -> None:
        """Look ten times a second until stopped."""
        last = False
        while not last:
            last = self.stopped.wait(0.1)  # once more at the end
            now = [found for pid in descendants(self.pid) if (found := _status(pid))]
            if now:
                self.largest = max(self.largest, max(peak for peak, _ in now))
                self.together = max(self.together, sum(share for _, share in now))


def descendants(pid: int) -> list[int]:
    """A process and all that it started, where there is /proc."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError, ValueError, IndexError):
            parents[int(entry.parent.name)] = int(entry.read_text().rpartition(")")[2].split()[1])
    found = [pid]
    for one in found:
        found += [p for p, parent in parents.items() if parent == one]
    return found


def _status(pid: int) -> tuple[float, float] | None:
    """Peak of resident memory, and present memory with a share of what other processes have too (PSS), MiB."""
    with suppress(OSError, KeyError, ValueError):
        status, shares = (dict(line.split(":", 1) for line in Path(f"/proc/{pid}/{name}").read_text().splitlines() if ":" in line)
                          for name in ("status", "smaps_rollup"))
        return int(status["VmHWM"].split()[0]) / 1024, int(shares["Pss"].split()[0]) / 1024
    return None


@dataclass(frozen=True)
class Sweep:
    """One size: seconds of each repetition, bytes on disk, peaks of memory in MiB (nan where they cannot be had)."""

    seconds: list[float]
    size: int
    largest: float
    together: float

    @property
    def middle(self) -> float:
        """Median of the seconds."""
        return statistics.median(self.seconds)


def measure(kernel: str, workers: int, sizes: list[int]) -> dict[int, Sweep]:
    """Sweep at each of `sizes` (ascending, repetitions beside each other) in a new process. Raises Unavailable if that fails."""
    command = [sys.executable, "-m", "benchmarks.scale", kernel, str(workers), *map(str, sizes)]
    found: dict[int, Sweep] = {}
    with subprocess.Popen(command, cwd=HERE.parent, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        size, memory, watcher = 0, Memory(process.pid), None
        for line in process.stdout:
            told = json.loads(line)
            if "start" in told:
                size, memory = told["start"], Memory(process.pid)
                watcher = threading.Thread(target=memory.watch, daemon=True)
                watcher.start()
                continue
            memory.stopped.set()
            assert watcher is not None
            watcher.join()
            before = found.get(size)
            found[size] = Sweep([*(before.seconds if before else []), told["seconds"]], told["bytes"], memory.largest or float("nan"),
                                memory.together or float("nan"))
        memory.stopped.set()
        complaint = process.stderr.read().strip().splitlines()
    if process.returncode:
        raise Unavailable(f"the sweep fails: {' '.join(' '.join(complaint[-3:]).split()) or 'no message'}")
    return found


# ---------------------------------------------------------------- tables

Found = Mapping[tuple[str, int], Mapping[int, Sweep]]
"""By (kernel, processes): the sizes."""


def measure_all(quick: bool) -> tuple[Found, dict[str, str]]:
    """Every kernel with one process and two; and why kernels are missing."""
    found: dict[tuple[str, int], dict[int, Sweep]] = {}
    missing: dict[str, str] = {}
    large = [] if quick else [100_000, 100_000, 100_000, MILLION]
    if large and shutil.disk_usage(tempfile.gettempdir()).free < ROOM:
        large.pop()
        missing["a million runs"] = f"less than {ROOM / 1e9:.0f} GB free in {tempfile.gettempdir()}"
    small = [1, 1, 1000, 1000] if quick else [*[1] * 5, *[1000] * 7, *[10_000] * 3]
    for kernel in sweeps.KERNELS:
        try:
            if "runs:" not in sweeps.KERNELS[kernel]:
                fused_kernel()
            found[kernel, 1] = measure(kernel, 1, [*small, *large])
            if not quick:
                found[kernel, 2] = measure(kernel, 2, [1, 1, *large])
        except Unavailable as reason:
            missing[f"kernel {kernel}"] = str(reason)
    return found, missing


def cost(sizes: Mapping[int, Sweep], runs: int) -> float | None:
    """Seconds a run beyond what the sweep of one run takes; None if not measured."""
    return (sizes[runs].middle - sizes[1].middle) / (runs - 1) if runs in sizes and 1 in sizes and runs > 1 else None


def table(found: Found, missing: Mapping[str, str]) -> Table:
    """Sizes, kernels, processes."""
    rows: list[dict[str, Any]] = []
    for (kernel, workers), sizes in found.items():
        for size, s in sizes.items():
            beyond = cost(sizes, size)
            rows.append({"kernel": kernel, "processes": workers, "runs": f"{size:,}", "s": figure(s.seconds, ".3g"),
                         "runs/s": f"{size / s.middle:,.0f}",
                         "beyond one run, µs a run": f"{beyond * 1e6:.1f}" if beyond is not None else "",
                         "largest process, MiB": f"{s.largest:,.0f}", "all together, MiB": f"{s.together:,.0f}",
                         "disk, MB": f"{s.size / 1e6:,.1f}"})
    rows += [{"kernel": what, "s": f"not measured: {reason}"} for what, reason in missing.items()]
    return Table("Sweeps to Parquet", "`sweep` of the default scenario as it stands, all indicators in its report years, the inputs drawn "
                 "kept; by the clock, draws and files included. One process: the one that calls. Two: workers started afresh, whose start "
                 "(the row of 1 run) counts. A chunk has 16,384 runs, so fewer do not use a second process. Memory is looked at ten times "
                 "a second: the largest process at its peak so far, and all together, pages that they share counted once.", rows)


def aims(found: Found) -> list[Aim]:
    """What sweeps were to reach."""
    result = []
    for kernel in sweeps.KERNELS:
        one, two = found.get((kernel, 1), {}), found.get((kernel, 2), {})
        costs = {n: c for n in (1000, 10_000, 100_000, MILLION) if (c := cost(one, n))}
        spread = max(costs.values()) / min(costs.values()) - 1 if MILLION in costs and 1000 in costs else None
        text = ", ".join(f"{n:,}: {c * 1e6:.1f} µs" for n, c in costs.items())
        raw = ", ".join(f"{n:,}: {one[n].middle / n * 1e6:.1f} µs" for n in costs)
        result.append(Aim(f"cost linear from 1,000 to 1,000,000 runs within 15 % (kernel {kernel}, beyond one run)",
                          f"{spread:.0%} apart ({text}; start included {raw})" if spread is not None else "-",
                          spread <= 0.15 if spread is not None else None))
        gain = one[MILLION].middle / two[MILLION].middle if MILLION in one and MILLION in two else None
        beyond = [cost(one, MILLION), cost(two, MILLION)]
        result.append(at_least(f"two processes at least 1.8 times one: sweep of 1,000,000 runs (kernel {kernel})", gain, 1.8, ".2f",
                               f"without the workers' start {beyond[0] / beyond[1]:.2f}" if beyond[0] and beyond[1] else ""))
    million = [sizes[MILLION] for sizes in found.values() if MILLION in sizes]
    most = max((s.together for s in million), default=None)
    result.append(Aim("peak memory of 1,000,000 runs to Parquet below 1 GiB",
                      f"{most:,.0f} MiB together, largest process {max(s.largest for s in million):,.0f} MiB" if most else "-",
                      most < 1024 if most else None))
    return result


if __name__ == "__main__":
    child(sys.argv[1], int(sys.argv[2]), [int(n) for n in sys.argv[3:]])
