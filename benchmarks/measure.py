"""How times are taken and shown.

What is compared is measured in turns, so that a busy moment falls on all alike. Tables give the median over the turns, and the
range. One core is measured in processor time, which another program's turn does not lengthen; two cores, and what is waited for,
by the clock.
"""

from __future__ import annotations

import dataclasses
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from simulate.registry import load_registry
from simulate.scenarios import Scenario, default_scenario
from simulate.setups import Setup, resolve

HERE = Path(__file__).resolve().parent
ONE_THREAD = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "NUMBA")}


class Unavailable(Exception):
    """What is to be measured is not here; the text says why."""


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


@dataclasses.dataclass(frozen=True)
class Aim:
    """Something aimed at, the figure measured, and whether it meets the aim (None: not measured)."""

    aim: str
    measured: str
    met: bool | None

    def row(self) -> dict[str, str]:
        return {"aim": self.aim, "measured": self.measured, "met": {True: "yes", False: "no", None: "not measured"}[self.met]}


def at_least(aim: str, value: float | None, least: float, form: str, note: str = "") -> Aim:
    """Whether a figure is as great as aimed at."""
    if value is None or not np.isfinite(value):
        return Aim(aim, note or "-", None)
    return Aim(aim, format(value, form) + (f" ({note})" if note else ""), value >= least)


def machine() -> dict[str, Any]:
    """What is measured on."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    name = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.processor())
    return {"processor": name or platform.machine(), "cores": os.cpu_count(), "system": platform.platform(),
            "load before": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else "unknown",
            "python": platform.python_version(), "numpy": np.__version__, "date": datetime.now(UTC).isoformat(timespec="minutes")}


def default_setup(method: str, steps: int) -> Setup:
    """The default scenario by a method with so many steps a year."""
    return resolve(load_registry(), changed(default_scenario(), method, steps))


def changed(scenario: Scenario, method: str, steps: int) -> Scenario:
    return dataclasses.replace(scenario, method=method, steps_per_year=steps)


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
