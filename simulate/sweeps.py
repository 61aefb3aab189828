"""Sweeps: a plan's runs -> chunks -> one Parquet file each, on any executor; what dies is taken up where it stopped.

A chunk's bytes are a function of (plan, kernel, chunk) alone. Every file is written under a temporary name and renamed by
the process that called `sweep`, so that what dies leaves at most a temporary file behind, which the next call removes.
Threads and clusters hand their files over in memory (a cluster needs no shared disk), processes by those temporary files.
"""

from __future__ import annotations

import errno
import hashlib
import json
import multiprocessing
import os
import pickle
import pkgutil
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    CancelledError,
    Executor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
    wait,
)
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache, partial
from importlib import import_module
from io import BytesIO
from multiprocessing.connection import wait as ended
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from simulate import fast, runs
from simulate.errors import InvalidInput, MissingExtra, Place, Problem
from simulate.experiments import Kernel, Plan, plain, rows, schema

FORMAT, SCHEMA, MANIFEST = "simulate sweep", 1, "manifest.json"
CHUNK = 16_384
"""Runs in a chunk unless another number is asked for: some 10 MB, a few seconds of one core."""
MAX_CHUNK = 1_000_000
LOSSES = 3
"""Times that workers may die with no chunk finished in between, before the sweep stops."""
KERNELS = {"numpy": "simulate.runs:project", "numba": "simulate.fast:project"}
"""Kernels by name. A manifest names the kernel that made its files; only these are looked up by what a file says."""


PAYS, COMPILING_PAYS = 20_000, 500_000
"""Runs of one case from which the fused kernel gains more than loading it takes, or compiling it (ten seconds or so)."""


# ---------------------------------------------------------------- executors

class Serial(Executor):
    """Runs every task at once, in this process."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run the task and return its finished future."""
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


class _Processes(ProcessPoolExecutor):
    """Processes started afresh (spawned), that stop at the next block of runs once `halt` is set.

    They are never terminated: a worker that dies while it sends a long result leaves its parent waiting for the rest of it.
    """

    def __init__(self, workers: int) -> None:
        context = multiprocessing.get_context("spawn")
        self.halt = context.RawValue("b", 0)  # without a lock, which a killed worker might hold
        super().__init__(workers, mp_context=context, initializer=_attend, initargs=(self.halt,))


class _Threads(ThreadPoolExecutor):
    """Threads that stop at the next block of runs once `halt` is set."""

    def __init__(self, workers: int) -> None:
        self.halt = SimpleNamespace(value=0)
        super().__init__(workers, initializer=lambda: setattr(_own, "halt", self.halt))


_own = threading.local()  # of the thread that computes: whether it shall stop


@dataclass(frozen=True)
class Pool:
    """How to come by an executor: `make` makes one (again, after its workers died), `lost` are the errors that say they did.

    `spools`: plan and results go through files in the sweep's folder rather than through the executor. `local`: what it
    computes, it computes on this machine, with what is installed here.
    """

    make: Callable[[], Executor]
    workers: int
    lost: tuple[type[BaseException], ...] = (BrokenExecutor, CancelledError)
    owned: bool = True
    spools: bool = False
    local: bool = True


def serial() -> Pool:
    """Compute in this process alone."""
    return Pool(Serial, 1)


def threads(workers: int | None = None) -> Pool:
    """Compute in threads of this process: no start-up, but Python's lock is shared."""
    count = _count(workers)
    return Pool(partial(_Threads, count), count)


def processes(workers: int | None = None) -> Pool:
    """Compute in processes started afresh (spawned), one a core unless told otherwise."""
    count = _count(workers)
    return Pool(partial(_Processes, count), count, (BrokenExecutor, CancelledError, BrokenPipeError, ConnectionResetError), spools=True)


def existing(executor: Executor, workers: int | None = None) -> Pool:
    """Compute on an executor of yours, which stays open. `workers` bounds the chunks under way."""
    return Pool(lambda: executor, _count(workers or getattr(executor, "_max_workers", None)), owned=False,
                spools=isinstance(executor, ProcessPoolExecutor), local=isinstance(executor, ProcessPoolExecutor | ThreadPoolExecutor))


@contextmanager
def dask(address: str) -> Iterator[Pool]:
    """Compute on a running Dask cluster, through its executor. Raises MissingExtra where `distributed` is not installed.

    Workers need this version of simulate, NumPy, SciPy and Arrow; what they compute comes back over the network, so they
    need no disk. A task of a worker that dies goes to another. As many chunks are under way as there were threads when the
    sweep began, and one more.
    """
    try:
        distributed: Any = import_module("distributed")
    except ImportError:
        raise MissingExtra("distributed", "dask") from None
    try:
        lost = (distributed.KilledWorker, CancelledError, OSError, getattr(distributed.client, "ClosedClientError", CancelledError))
        client = distributed.Client(address, timeout=10, set_as_default=False)
    except (OSError, ValueError, TypeError, ImportError) as error:
        raise InvalidInput(Problem(f"dask: no scheduler answers at {address}: {type(error).__name__}.",
                                   "Give its address as the scheduler prints it, tcp://host:port.")) from None
    try:
        try:
            client.wait_for_workers(1, timeout=60)
        except TimeoutError:
            raise InvalidInput(Problem(f"dask: the cluster at {address} has no workers.", "Start some: dask worker ADDRESS.")) from None
        yield Pool(client.get_executor, max(1, sum(client.nthreads().values())), lost, local=False)
    finally:
        client.close()


def _count(workers: int | None) -> int:
    if workers is not None and workers < 1:
        raise InvalidInput(Problem(f"workers: {workers} is not at least 1.", "Give a whole number from 1 on."))
    return workers or (len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()) or 1


def _attend(halt: Any) -> None:
    """In a worker: leave Ctrl-C to the parent, and end when the parent has died without a word."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _own.halt = halt
    parent = multiprocessing.parent_process()

    def watch() -> None:
        if parent is not None:
            ended([parent.sentinel])
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


# ---------------------------------------------------------------- one chunk

@lru_cache(maxsize=2)
def _plan(source: bytes | tuple[Path, str]) -> Plan:
    """Return the plan pickled by the process that called `sweep`; from a file, only if it is the one that process wrote."""
    pickled = source if isinstance(source, bytes) else source[0].read_bytes()
    if isinstance(source, tuple) and hashlib.sha256(pickled).hexdigest() != source[1]:
        raise InvalidInput(Problem("was changed while the sweep ran.", "Start the sweep again.", Place(source[0])))
    plan: Plan = pickle.loads(pickled)
    return plan


def _encoded(source: bytes | tuple[Path, str], digest: str, kernel: Kernel, index: int, start: int, stop: int) -> tuple[bytes | Path, int]:
    """Compute a chunk; return its Parquet file (its path, if the plan came by a file) and the number of nonfinite runs."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    plan = _plan(source)
    if plan.digest != digest:
        raise InvalidInput(Problem("a worker has other software, or another model, than the process that started the sweep.",
                                   "Install the same versions on all machines."))
    halt = getattr(_own, "halt", None)
    table = rows(plan, start, stop, kernel, lambda: halt is not None and bool(halt.value))
    nonfinite = stop - start - table["finite"].combine_chunks().true_count
    stamp = {"simulate": FORMAT, "schema": str(SCHEMA), "plan": digest, "kernel": kernel_name(kernel), "chunk": str(index),
             "first": str(start), "end": str(stop), "nonfinite": str(nonfinite)}
    words = [f.name for f in table.schema if pa.types.is_dictionary(f.type)]
    buffer = BytesIO()
    # uncompressed: nothing but noise is in these numbers (zstd after byte-splitting would save 12 % of the disk)
    pq.write_table(table.replace_schema_metadata(stamp), buffer, compression="NONE", use_dictionary=words,
                   write_page_checksum=True, row_group_size=stop - start)
    content = buffer.getvalue()
    return (_spooled(source[0].parent, part(index), content) if isinstance(source, tuple) else content), nonfinite


def kernel_name(kernel: Kernel) -> str:
    """Return the name by which a manifest knows a kernel."""
    full = f"{getattr(kernel, '__module__', '?')}:{getattr(kernel, '__qualname__', type(kernel).__qualname__)}"
    return next((name for name, path in KERNELS.items() if path == full), full)


def kernel_named(name: str, place: Place | None = None) -> Kernel:
    """Return the kernel `name`. Raises InvalidInput if this program has none of that name; `place` is the manifest that says so."""
    if name not in KERNELS:
        raise InvalidInput(Problem(f"there is no kernel {name!r}.", f"Kernels: {', '.join(KERNELS)}. One of your own is passed as kernel=.",
                                   place))
    if name == "numba" and not fast.available():
        raise MissingExtra("numba", "fast")
    found: Kernel = pkgutil.resolve_name(KERNELS[name])
    return found


def choose_kernel(plan: Plan, pool: Pool) -> Kernel:
    """Return the kernel that serves a new sweep best: the fused one where it is installed and what it saves pays for it."""
    pays = plan.design.size >= PAYS and pool.local and fast.available() and all(
        plan.design.size >= COMPILING_PAYS or fast.ready(setup, case.kept) for case, setup in zip(plan.cases, plan.setups, strict=True))
    return fast.project if pays else runs.project


# ---------------------------------------------------------------- the folder

@dataclass(frozen=True)
class Outcome:
    """What a call of `sweep` did: runs in all, runs computed now, and files that were broken and made again."""

    folder: Path
    runs: int
    computed: int
    nonfinite: int
    remade: tuple[str, ...]
    kernel: str


def part(index: int) -> str:
    """Return the name of a chunk's file."""
    return f"part-{index:06d}.parquet"


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """Return a sweep's manifest, or None where the folder has none. Raises InvalidInput for one that is not whole."""
    file = folder / MANIFEST
    try:
        with file.open("rb") as stream:
            found = json.loads(stream.read())
        if found["format"] == FORMAT and found["schema"] != SCHEMA:
            raise InvalidInput(Problem(f"the files here are of schema {found['schema']}; this program reads schema {SCHEMA}.",
                                       "Use the version of simulate that wrote them.", Place(file)))
        if found["format"] == FORMAT and found["sha256"] == _sealed(found) and isinstance(found["chunk"], int) and found["chunk"] > 0:
            return dict(found)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InvalidInput(Problem(f"cannot be read: {error.strerror}.", "Check the path.", Place(file))) from None
    except (ValueError, KeyError, TypeError, RecursionError):
        pass
    raise InvalidInput(Problem("is not the manifest of a sweep, or was changed by hand.", "Use another folder, or remove this one.",
                               Place(file)))


def _sealed(manifest: dict[str, Any]) -> str:
    content = {k: v for k, v in manifest.items() if k != "sha256"}
    return hashlib.sha256(json.dumps(content, ensure_ascii=False, sort_keys=True).encode()).hexdigest()


def manifest(plan: Plan, kernel: str, chunk: int, build: str = "") -> dict[str, Any]:
    """Return what a sweep's folder says of itself: its plan, kernel and columns, and the targets to judge it by.

    `build` says what decides the last bits of a kernel that is compiled here.
    """
    cases = []
    for case, setup in zip(plan.cases, plan.setups, strict=True):
        region = case.scenario.region
        cases.append({
            "scenario": case.scenario.id, "label": plain(case.scenario.label), "structure": dict(case.structure), "region": region,
            "base_year": setup.base_year, "horizon": case.scenario.horizon,
            "path_points": plain(setup.path_points),
            "outputs": {id: {"variable": o.variable, "unit": o.unit, "label": _label(plan, id)} for id, o in case.outputs.items()},
            "targets": [plain(s) | {"label": _label(plan, s.indicator),
                                    "higher_is_better": plan.registry.catalogue[s.indicator].higher_is_better}
                        for s in plan.registry.targets(region)]})
    content = {"format": FORMAT, "schema": SCHEMA, "plan_sha256": plan.digest, "kernel": kernel, "kernel_build": build,
               "runs": plan.runs, "chunk": chunk,
               "points": plan.design.size, "columns": {f.name: {k.decode(): v.decode() for k, v in (f.metadata or {}).items()}
                                                       for f in schema(plan)},
               "plan": plan.description, "cases": cases}
    return {**content, "sha256": _sealed(content)}


def _label(plan: Plan, id: str) -> dict[str, str]:
    known = plan.registry.catalogue
    return {"zh": known[id].zh, "en": known[id].en} if id in known else {"zh": id, "en": id}


def _spooled(folder: Path, name: str, content: bytes) -> Path:
    """Write a file under a temporary name, so that it outlives a power cut; return that name."""
    temporary = folder / f".{name}.{os.getpid()}.tmp"
    try:
        with temporary.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    return temporary


def _write(folder: Path, name: str, content: bytes | Path) -> None:
    """Put a file in its place; nothing half-written ever bears its name."""
    os.replace(content if isinstance(content, Path) else _spooled(folder, name, content), folder / name)


def _tidy(folder: Path) -> None:
    """Remove what was being written when something died."""
    for leftover in folder.glob(".*.tmp"):
        if leftover.name.startswith((".part-", ".plan.", f".{MANIFEST}.")):
            with suppress(FileNotFoundError):
                leftover.unlink()


def check_part(file: Path, expected: dict[str, str], columns: Any) -> int | None:
    """Return a chunk's number of nonfinite runs if every page of its file is whole, else None.

    Raises InvalidInput, naming it, for a file that belongs to another plan, kernel or program.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(file, page_checksum_verification=True) as opened:
            found = opened.schema_arrow
            stamp = said(file, found, expected)
            count = int(expected["end"]) - int(expected["first"])
            if opened.metadata.num_rows != count or not found.equals(columns):
                return None
            for _ in opened.iter_batches(batch_size=65_536):
                pass
            return int(stamp["nonfinite"])
    except (pa.ArrowException, OSError, ValueError, KeyError):
        return None


def said(file: Path, found: Any, expected: dict[str, str]) -> dict[str, str]:
    """Return what a file says of itself in its schema `found`. Raises InvalidInput, naming it, if it is not the one expected."""
    stamp = {k.decode("utf-8", "replace"): v.decode("utf-8", "replace") for k, v in (found.metadata or {}).items()}
    differs = [k for k, v in expected.items() if stamp.get(k) != v]
    if differs:
        raise InvalidInput(Problem(f"belongs to another sweep: its {differs[0]} differs." if stamp.get("simulate") == FORMAT else
                                   "is a Parquet file of something else.", "Move it elsewhere, or use another folder.", Place(file)))
    return stamp


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Let only one sweep at a time work in a folder; the lock goes with the process that holds it."""
    try:
        import fcntl
    except ImportError:  # Windows: two sweeps of one plan would write the same bytes twice
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InvalidInput(Problem("another sweep is at work in this folder.", "Wait for it, or stop it.", Place(folder))) from None
        except OSError:  # a file system without locks
            pass
        yield
    finally:
        os.close(handle)


@contextmanager
def _faults(folder: Path, done: Callable[[], str]) -> Iterator[None]:
    """Turn what the disk refuses into invalid input that says how to go on."""
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        what = f"the disk is full{done()}." if full else f"cannot be written: {error.strerror or error}{done()}."
        remedy = "Make room" if full else "Check the folder and its permissions, or name another"
        raise InvalidInput(Problem(what, f"{remedy}, then give the same command again: it goes on from here.", Place(folder))) from error


# ---------------------------------------------------------------- the sweep

def sweep(plan: Plan, folder: Path | str, *, pool: Pool | Executor | None = None, chunk: int | None = None, kernel: Kernel | None = None,
          progress: Callable[[int, int], None] | None = None) -> Outcome:
    """Compute a plan into `folder` (made if missing), or what is missing of it there.

    One Parquet file a `chunk` of runs, and manifest.json. `pool`: `processes()` (default), `threads()`, `serial()`,
    `dask(address)`, or any executor. `kernel` integrates a block (default: the kernel that began the folder, else
    what `choose_kernel` says). `progress(done, runs)` is called at the start and after every chunk. The files' bytes depend on plan,
    kernel and chunk size alone; rows not on the chunk size.
    Raises InvalidInput for a folder of another plan, files that are not this sweep's, a disk that is full or read-only,
    and workers that keep dying; whatever is finished then stays, and a further call goes on from there.
    """
    folder = Path(folder)
    total, finished = plan.runs, 0
    pool = pool if isinstance(pool, Pool) else existing(pool) if pool else processes()
    disk = partial(_faults, folder, lambda: f"; {finished:,} of {total:,} runs are kept" if finished else "")
    with disk():
        folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder), disk():
        try:
            work = _Work(plan, folder, chunk, kernel, pool)
            if work.kernel is fast.project and work.todo and pool.local:  # once, before several processes would
                for case, setup in zip(plan.cases, plan.setups, strict=True):
                    if not fast.ready(setup, case.kept):
                        fast.project(setup, setup.draw(0, 2, 0), 2, case.kept)
            missing = sum(stop - start for start, stop in work.todo.values())
            finished = total - missing
            if progress:
                progress(finished, total)
            with closing(_results(work, pool, folder)) as results:
                for index, content, nonfinite in results:
                    _write(folder, part(index), content)
                    work.nonfinite += nonfinite
                    finished += work.todo[index][1] - work.todo[index][0]
                    if progress:
                        progress(finished, total)
        finally:
            with suppress(OSError):
                _tidy(folder)
    return Outcome(folder, total, missing, work.nonfinite, tuple(work.remade), kernel_name(work.kernel))


class _Work:
    """What there is in a folder and what is missing; the manifest is written if there is none."""

    def __init__(self, plan: Plan, folder: Path, chunk: int | None, kernel: Kernel | None, pool: Pool) -> None:
        place = Place(folder / MANIFEST)
        if chunk is not None and not 1 <= chunk <= MAX_CHUNK:
            raise InvalidInput(Problem(f"chunk: {chunk:,} is not between 1 and {MAX_CHUNK:,}.",
                                       "A chunk is held in memory: 16,384 is usual."))
        known = read_manifest(folder)
        _tidy(folder)
        if known is None:
            refuse_foreign(folder, range(0))
            self.kernel, self.chunk = kernel or choose_kernel(plan, pool), chunk or CHUNK
            made = manifest(plan, kernel_name(self.kernel), self.chunk, fast.build() if self.kernel is fast.project else "")
            _write(folder, MANIFEST, (json.dumps(made, ensure_ascii=False, indent=1) + "\n").encode())
        else:
            differs = [k for k in plan.description if known["plan"].get(k) != plan.description[k]]
            if known["plan_sha256"] != plan.digest:
                raise InvalidInput(Problem(f"the folder holds a sweep of another plan; {', '.join(differs) or 'its plan'} differ.",
                                           "Name another folder, or give the plan that began this one.", place))
            if chunk not in (None, known["chunk"]):
                raise InvalidInput(Problem(f"chunk: the sweep here was begun with {known['chunk']:,} runs a chunk.", "Leave chunk out.",
                                           place))
            self.kernel, self.chunk = kernel or kernel_named(known["kernel"], place), known["chunk"]
            if kernel_name(self.kernel) != known["kernel"]:
                raise InvalidInput(Problem(f"the sweep was begun with the kernel {known['kernel']!r}, not {kernel_name(self.kernel)!r}.",
                                           "A sweep keeps its kernel: leave kernel out, or name another folder.", place))
            if self.kernel is fast.project and known.get("kernel_build") != fast.build():
                raise InvalidInput(Problem(f"it was begun by machine code of {known.get('kernel_build')}; here it is {fast.build()}.",
                                           "Its last bits would differ: go on where it was begun, or name another folder.", place))
        self.plan = plan
        self.spans = {k: (start, min(start + self.chunk, plan.runs)) for k, start in enumerate(range(0, plan.runs, self.chunk))}
        refuse_foreign(folder, range(len(self.spans)))
        self.todo: dict[int, tuple[int, int]] = {}
        self.remade: list[str] = []
        self.nonfinite = 0
        wanted = schema(plan)
        for index, (start, stop) in self.spans.items():
            file = folder / part(index)
            found = check_part(file, expected(plan.digest, kernel_name(self.kernel), index, start, stop), wanted) if file.exists() else None
            if found is None:
                self.todo[index] = (start, stop)
                self.remade += [file.name] if file.exists() else []
            else:
                self.nonfinite += found


def expected(digest: str, kernel: str, index: int, start: int, stop: int) -> dict[str, str]:
    """Return what the stamp of a chunk must say."""
    return {"simulate": FORMAT, "schema": str(SCHEMA), "plan": digest, "kernel": kernel, "chunk": str(index), "first": str(start),
            "end": str(stop)}


def refuse_foreign(folder: Path, known: range) -> None:
    """Refuse a folder with Parquet files that are not chunks of the sweep."""
    names = {part(k) for k in known}
    found = sorted(f for f in folder.glob("*.parquet") if f.name not in names)
    if found:
        raise InvalidInput(Problem("is not a file of this sweep" + (f" (nor are {len(found) - 1} more)." if len(found) > 1 else "."),
                                   "Move it elsewhere, or name another folder.", Place(found[0])))


def _results(work: _Work, pool: Pool, folder: Path) -> Generator[tuple[int, bytes | Path, int], None, None]:
    """Yield (index, file, nonfinite runs) of the chunks to do as they are finished; chunks of dead workers are done again."""
    waiting = deque(work.todo)
    if not waiting:
        return
    pickled, digest = pickle.dumps(work.plan), work.plan.digest
    # not through a pool's pipes: who dies while something long is half-way through one leaves the other side waiting for ever
    source = (_spooled(folder, "plan", pickled), hashlib.sha256(pickled).hexdigest()) if pool.spools else pickled
    pending: dict[Future[tuple[bytes | Path, int]], int] = {}
    executor, losses = pool.make(), 0
    try:
        while waiting or pending:
            lost = False
            try:
                while waiting and len(pending) <= pool.workers:  # one beyond the workers, so that none waits for the disk
                    pending[executor.submit(_encoded, source, digest, work.kernel, waiting[0], *work.todo[waiting[0]])] = waiting[0]
                    waiting.popleft()
            except pool.lost:
                lost = True
            for future in wait(pending, return_when=FIRST_COMPLETED).done:
                index = pending.pop(future)
                try:
                    content, nonfinite = future.result()
                except pool.lost:
                    waiting.appendleft(index)
                    lost = True
                    continue
                losses = 0
                yield index, content, nonfinite
            if lost:
                losses += 1
                if losses >= LOSSES or not pool.owned:
                    raise InvalidInput(Problem("the workers were lost while they computed.", "Perhaps memory ran out (use fewer), or the "
                                               "cluster ended. Give the same command again: it goes on from here."))
                waiting.extendleft(pending.values())
                pending.clear()
                executor.shutdown(wait=True)
                executor = pool.make()
    finally:
        for future in pending:
            future.cancel()
        if pool.owned:
            if pending and isinstance(executor, _Processes | _Threads):
                executor.halt.value = 1
            executor.shutdown(wait=True)
