"""The hand-written C kernel: compiled, asked how far it is vectorised, and run on the model's parameters."""

from __future__ import annotations

import ctypes
import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measure import HERE, Unavailable
from simulate.model import Array
from simulate.setups import Setup

SOURCE = HERE / "kernel.c"
FLAGS = ("-std=gnu11", "-O3", "-march=native", "-ffast-math", "-fPIC")
TELLING = "-fopt-info-vec"  # of gcc: what was vectorised
OUTPUTS = ("gdp", "gross_industrial_output", "high_tech_enterprises", "rd_intensity")  # in the order of kernel.c
GROUPS = ("scalar_names", "sector_names", "cluster_names")
VECTOR_CALL = re.compile(r"_ZGV[b-en][NM]\d+v_(exp|log)\w*")  # the C library's vector functions: ISA, mask, lanes


def compiler() -> str:
    """The C compiler: $CC, else cc, gcc or clang. Raises Unavailable where there is none."""
    found = next((path for name in (os.environ.get("CC"), "cc", "gcc", "clang") if name and (path := shutil.which(name))), None)
    if found is None:
        raise Unavailable("no C compiler: neither $CC nor cc, gcc or clang")
    return found


def compiled(sources: Sequence[Path], flags: Sequence[str], target: Path) -> str:
    """Compile C files into a shared library; return what the compiler says. Raises Unavailable with its complaint.

    It is linked without -ffast-math: with it, loading the library would switch this process's denormal numbers off.
    """
    program = compiler()
    said = ""
    objects = [target.with_name(f"{target.stem}-{source.stem}.o") for source in sources]
    for source, made in zip(sources, objects, strict=True):
        said += _done([program, *flags, "-c", str(source), "-o", str(made)])
    temporary = target.with_suffix(".part")
    said += _done([program, "-shared", *map(str, objects), "-o", str(temporary), "-lm"])
    temporary.replace(target)
    return said


def _done(command: Sequence[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"{command[0]}: {error}") from None
    if done.returncode:
        raise Unavailable(f"{command[0]} fails: {(done.stderr.strip().splitlines() or ['no message'])[0]}")
    return done.stdout + done.stderr


@dataclass(frozen=True)
class Report:
    """How far the kernel is vectorised.

    loops: bytes of the vectors that each loop of kernel.c got, by line, as the compiler reports it (gcc); calls: to the C
    library's vector exp and log; registers: instructions on vectors, by their width in bits.
    """

    loops: Mapping[int, int]
    calls: Mapping[str, int]
    registers: Mapping[int, int]

    @property
    def main(self) -> int:
        """Bytes of the vectors that the loop over lanes in `stage` got; 0 if it did not become one of vectors."""
        lines = SOURCE.read_text(encoding="utf-8").splitlines()
        head = next(k for k, line in enumerate(lines) if line.startswith("stage("))
        return max((width for line, width in self.loops.items() if head < line <= head + 4), default=0)


class Kernel:
    """kernel.c for one region's numbers of sectors and clusters, compiled in `folder` with more `flags`."""

    def __init__(self, setup: Setup, folder: Path, flags: Sequence[str] = ()) -> None:
        shape = (f"-DSECTORS={len(setup.sectors)}", f"-DCLUSTERS={len(setup.clusters)}", *flags)
        key = hashlib.sha256("\n".join([SOURCE.read_text(encoding="utf-8"), *FLAGS, *shape]).encode()).hexdigest()[:16]
        self.path, self.flags = folder / f"kernel-{key}.so", (*FLAGS, *shape)
        self.said = self.path.with_suffix(".txt")
        if not self.path.exists():
            try:
                told = compiled([SOURCE], (*self.flags, TELLING), self.path)
            except Unavailable:
                told = compiled([SOURCE], self.flags, self.path)
            self.said.write_text(told, encoding="utf-8")
        self.library: Any = ctypes.CDLL(str(self.path))
        self.names = [ctypes.c_char_p.in_dll(self.library, group).value.decode().split() for group in GROUPS]  # type: ignore[union-attr]
        self.lanes = ctypes.c_int.in_dll(self.library, "lanes").value
        pointer, number = ctypes.c_void_p, ctypes.c_int
        self.library.project.argtypes = [pointer, pointer, *[ctypes.c_long] * 3, *[number] * 3, *[pointer] * 4]
        self.library.project.restype = None

    def project(self, setup: Setup, drawn: Mapping[str, Array], count: int, threads: int = 1) -> dict[str, Array]:
        """The headline variables of `count` runs, (years + 1, runs) each, as `runs.project` gives them.

        Raises Unavailable for a scenario with levers, shocks or paths: the C code does not have them.
        """
        scenario = setup.scenario
        if scenario.levers or scenario.shocks or scenario.paths:
            raise Unavailable(f"the C kernel has no levers, shocks and paths; {scenario.id} has")
        parameters = setup.parameters(drawn)
        rows = [np.ascontiguousarray(row) for names in self.names for name in names for row in np.atleast_2d(parameters[name])]
        addresses = (ctypes.c_void_p * len(rows))(*(row.ctypes.data for row in rows))
        certain = (ctypes.c_int * len(rows))(*(row.size == 1 for row in rows))
        years = scenario.horizon - setup.base_year
        out = {name: np.empty((years + 1, count)) for name in OUTPUTS}

        def part(first: int, last: int) -> None:
            self.library.project(addresses, certain, count, first, last, years, scenario.steps_per_year,
                                 {"euler": 1, "rk4": 4}[scenario.method], *(array.ctypes.data for array in out.values()))

        if threads == 1:
            part(0, count)
        else:
            blocks = -(-count // self.lanes)
            edges = [min(count, blocks * k // threads * self.lanes) for k in range(threads + 1)]
            with ThreadPoolExecutor(threads) as pool:  # ctypes lets go of Python's lock
                list(pool.map(part, edges, edges[1:]))
        return out

    def report(self) -> Report:
        """What the compiler says of the loops (gcc), and what is in the machine code (objdump)."""
        said = self.said.read_text(encoding="utf-8")
        loops: dict[int, int] = {}
        for line, width in re.findall(rf"{re.escape(SOURCE.name)}:(\d+):\d+: optimized:\s+loop vectorized using (\d+) byte vectors", said):
            loops[int(line)] = max(int(width), loops.get(int(line), 0))
        if shutil.which("objdump") is None:
            return Report(loops, {}, {})
        code = _done(["objdump", "-d", "--no-show-raw-insn", str(self.path)])
        calls: dict[str, int] = {}
        for match in VECTOR_CALL.finditer("\n".join(line for line in code.splitlines() if "call" in line)):
            calls[match.group(0)] = calls.get(match.group(0), 0) + 1
        arithmetic = [line for line in code.splitlines() if re.search(r"\sv(f[n]?m|add|sub|mul|div|min|max)\w*pd\s", line)]
        widths = {512: "%zmm", 256: "%ymm", 128: "%xmm"}
        registers = dict.fromkeys(widths, 0)
        for line in arithmetic:
            registers[next(bits for bits, name in widths.items() if name in line)] += 1
        return Report(loops, calls, registers)
