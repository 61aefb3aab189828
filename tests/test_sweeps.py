"""Sweeps: the same bytes by every executor, nothing lost when something dies, nothing foreign read as data."""

import dataclasses
import errno
import hashlib
import json
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from simulate import cli, cli_sweeps, experiments, runs, setups, sweeps
from simulate.designs import Axis, Correlation, SweepSetting
from simulate.distributions import Distribution
from simulate.errors import InvalidInput, MissingExtra
from simulate.experiments import plan_sweep, swapped
from simulate.registry import load_registry
from simulate.scenarios import load_scenario

assert cli_sweeps
COMMAND = [sys.executable, "-c", "from simulate import cli_sweeps; from simulate.cli import app; app()"]


def digests(folder):
    return {f.name: hashlib.sha256(f.read_bytes()).hexdigest() for f in sorted(Path(folder).iterdir())}


def values(folder):
    return pa.concat_tables([pq.read_table(f) for f in sorted(Path(folder).glob("part-*"))]).replace_schema_metadata(None)


@pytest.fixture(scope="module")
def plan():
    """Two scenarios and a grid: chunks that lie across cases."""
    setting = SweepSetting(grid={"levers.talent": Axis(values=(0.0, 1.0))}, sample="latin_hypercube", scenarios=("thz-shock",))
    return plan_sweep("thz-baseline", setting=setting, points=100, keep=["gdp", "rd_intensity", "capital"])


@pytest.fixture(scope="module")
def reference(plan, tmp_path_factory):
    folder = tmp_path_factory.mktemp("reference")
    outcome = sweeps.sweep(plan, folder, pool=sweeps.serial(), chunk=64)
    assert (outcome.runs, outcome.computed, outcome.nonfinite, outcome.remade) == (400, 400, 0, ())
    return folder


# ---------------------------------------------------------------- what is computed

def test_a_random_sweep_is_a_plain_run_bit_for_bit(tmp_path):
    plan = plan_sweep("teda-shock", points=150)
    sweeps.sweep(plan, tmp_path, pool=sweeps.serial(), chunk=64)
    table, plain = values(tmp_path), runs.run("teda-shock", runs=150)
    assert table["run"].to_pylist() == list(range(150))
    for name in plan.inputs:
        np.testing.assert_array_equal(table[name].to_numpy(), plain.drawn[name])
    for id in plain.outputs:
        for year in (2025, 2035):
            np.testing.assert_array_equal(table[f"{id}@{year}"].to_numpy(), plain.indicator(id)[plain.index(year)])
    assert table["finite"].to_pylist() == [True] * 150


def test_rows_do_not_depend_on_chunks_or_blocks(plan, reference, tmp_path, monkeypatch):
    whole = values(reference)
    for chunk in (37, 399, 5000):
        sweeps.sweep(plan, tmp_path / str(chunk), pool=sweeps.serial(), chunk=chunk)
        assert values(tmp_path / str(chunk)).equals(whole)
    monkeypatch.setattr(runs, "BLOCK", 31)
    sweeps.sweep(plan, tmp_path / "block", pool=sweeps.serial(), chunk=150)
    assert values(tmp_path / "block").equals(whole)


def test_files_say_what_they_hold(plan, reference):
    found = pq.read_schema(reference / "part-000001.parquet")
    assert found.field("gdp@2035").metadata == {b"kind": b"result", b"id": b"gdp", b"year": b"2035", b"unit": "亿元".encode(),
                                                b"kept_for": b"report"}
    assert found.field("capital[industry]@2025").metadata[b"unit"] == b"CNY100M"
    assert found.field("depreciation_rate[industry]").metadata == {b"kind": b"input", b"unit": b"1/year"}
    assert found.field("gdp@2020").metadata[b"kept_for"] == b"target"  # the base year of the growth target
    assert {k.decode(): v.decode() for k, v in found.metadata.items()} == {
        "simulate": "simulate sweep", "schema": "1", "plan": plan.digest, "kernel": "numpy", "chunk": "1", "first": "64", "end": "128",
        "nonfinite": "0"}
    manifest = json.loads((reference / "manifest.json").read_text(encoding="utf-8"))
    assert (manifest["kernel"], manifest["runs"], manifest["plan"]["seed"]) == ("numpy", 400, 20210601)
    assert {c["scenario"] for c in manifest["cases"]} == {"thz-baseline", "thz-shock"}


def test_cases_stand_on_the_same_points_and_lack_only_what_they_do_not_have(plan, reference):
    table = values(reference)
    baseline, shock = table.slice(0, 200), table.slice(200)
    assert set(baseline["scenario"].to_pylist()) == {"thz-baseline"}
    assert baseline["productivity_growth"].to_pylist() == shock["productivity_growth"].to_pylist()
    assert baseline["shocks.trade"].null_count == 200
    assert shock["shocks.trade"].null_count == 0
    assert baseline["levers.talent"].to_pylist() == [0.0] * 100 + [1.0] * 100
    np.testing.assert_array_equal(baseline["gdp@2020"].to_numpy()[:100], baseline["gdp@2020"].to_numpy()[100:])
    assert (baseline["gdp@2035"].to_numpy()[:100] < baseline["gdp@2035"].to_numpy()[100:]).mean() > 0.9


def test_scenarios_of_two_regions_and_times_share_a_sweep(tmp_path):
    plan = plan_sweep("thz-baseline", setting=SweepSetting(scenarios=("nidz-baseline",)), points=10, keep=["gdp", "cluster_revenue"])
    sweeps.sweep(plan, tmp_path, pool=sweeps.serial())
    table = values(tmp_path)
    assert table["gdp@2017"].null_count == 10
    assert table["gdp@2020"].null_count == 0
    np.testing.assert_array_equal(table["gdp@2020"].to_numpy()[10:], runs.run("nidz-baseline", runs=10, seed=plan.seed).indicator("gdp")[6])


def test_correlated_inputs_are_correlated_in_the_files(tmp_path):
    pairs = (Correlation(between=("productivity_growth", "knowledge_elasticity"), value=0.8),)
    plan = plan_sweep("thz-baseline", setting=SweepSetting(correlations=pairs), points=2000, keep=["gdp"])
    sweeps.sweep(plan, tmp_path, pool=sweeps.serial())
    table = values(tmp_path)
    r = np.corrcoef(table["productivity_growth"].to_numpy(), table["knowledge_elasticity"].to_numpy())[0, 1]
    assert 0.75 < r < 0.85


def test_a_lever_a_scenario_lacks_and_a_base_value_can_be_swept():
    setting = SweepSetting(inputs={"levers.finance": Distribution(uniform=(0.0, 1.0)), "utilisation_base": Distribution(choice=(0.9, 1.0))})
    plan = plan_sweep("thz-baseline", setting=setting, points=50, keep=["policy_finance"])
    table = experiments.rows(plan, 0, 50)
    assert 0 < min(table["levers.finance"].to_pylist()) < max(table["levers.finance"].to_pylist()) < 1
    assert set(table["utilisation_base"].to_pylist()) == {0.9, 1.0}
    np.testing.assert_array_equal(table["policy_finance@2035"].to_numpy(), table["levers.finance"].to_numpy())  # funded in full


# ---------------------------------------------------------------- structures

def test_an_equation_swapped_for_another():
    answers = {"wage": {"rigid": {"real_wage": "labour_productivity / labour_productivity_base"}}}
    plan = plan_sweep("thz-baseline", setting=SweepSetting(structures=answers), points=40, keep=["gdp", "real_wage"])
    table = experiments.rows(plan, 0, 80)
    assert table["structure.wage"].to_pylist() == ["model"] * 40 + ["rigid"] * 40
    plain = runs.run("thz-baseline", runs=40)
    np.testing.assert_array_equal(table["gdp@2035"].to_numpy()[:40], plain.indicator("gdp")[15])
    assert not np.isclose(table["gdp@2035"].to_numpy()[:40], table["gdp@2035"].to_numpy()[40:]).any()
    same = swapped((("real_wage", "labour_productivity / labour_productivity_base * power(employment / labour_supply, wage_response)"),))
    setup = setups.resolve(load_registry(), load_scenario("thz-baseline"))
    found = runs.project(dataclasses.replace(setup, model=same), plain.drawn, 40, ["gdp"])
    np.testing.assert_array_equal(found["gdp"], plain.values["gdp"])


@pytest.mark.parametrize(("name", "text", "message"), [
    ("real_wag", "1", "Did you mean 'real_wage'"),
    ("real_wage", "labour_productivity", "Cannot convert"),
    ("real_wage", "wage_response +", "is not a formula"),
    ("real_wage", "1, __import__('os').abort()", "is not a number|is not arithmetic"),
    ("real_wage", "__import__(1)", "is not arithmetic"),
    ("real_wage", "wage_response.__class__", "is not arithmetic"),
    ("real_wage", "(lambda: 1)()", "is not arithmetic"),
    ("real_wage", "[x for x in y]", "is not arithmetic"),
    ("real_wage", "total(x=1)", "names an argument"),
    ("real_wage", "exp(1, 2, 3, 4)", "cannot be evaluated"),
    ("real_wage", "wage_responce", "Did you mean 'wage_response'"),
    ("real_wage", "capital_share", "values per sector"),
    ("real_wage", "gdp / gdp * outside_wage * real_wage", "circular"),
    ("real_wage", "+".join(["1"] * 2000), "is not a formula"),
    ("real_wage", "(" * 900 + "1" + ")" * 900, "is not a formula"),
])
def test_what_a_structure_refuses(name, text, message):
    with pytest.raises(InvalidInput, match=message):
        swapped(((name, text),))


# ---------------------------------------------------------------- what a plan refuses

@pytest.mark.parametrize(("options", "message"), [
    ({"keep": ["gpd"]}, "Did you mean 'gdp'"),
    ({"keep": ["capital_share"]}, "neither an indicator nor a variable"),
    ({"years": [2050]}, "years: 2050 lies outside"),
    ({"seed": -1}, "seed: -1"),
    ({"points": 0}, "runs: 0"),
    ({"points": 10**9}, "not between 1 and 100,000,000"),
    ({"setting": SweepSetting(grid={"levers.talnt": Axis(levels=2)})}, "'levers.talnt' is not uncertain"),
    ({"setting": SweepSetting(grid={"levers.talnt": Axis(values=(1.0,))})}, "Did you mean 'talent'"),
    ({"setting": SweepSetting(grid={"levers.talent": Axis(values=(0.0, 2.0))})}, "2 lies outside 0 to 1"),
    ({"setting": SweepSetting(grid={"shocks.trade": Axis(values=(0.1,))})}, "has no such shock"),
    ({"setting": SweepSetting(grid={"capital_share": Axis(levels=2)})}, r"capital_share\[industry\]"),
    ({"setting": SweepSetting(inputs={"depreciation_rate": Distribution(uniform=(-1.0, 1.0))})}, "-1 lies outside"),
    ({"setting": SweepSetting(scenarios=("thz-nowhere",))}, "no 'thz-nowhere'"),
    ({"setting": SweepSetting(structures={"a": {"x": {"real_wage": "outside_wage"}}, "b": {"y": {"real_wage": "outside_wage"}}})},
     "two questions change the same equation"),
])
def test_what_a_plan_refuses(options, message):
    with pytest.raises(InvalidInput, match=message):
        plan_sweep("thz-baseline", **options)


def test_a_problem_of_a_scenario_file_is_shown_at_its_place(tmp_path):
    file = tmp_path / "wide.yaml"
    file.write_text("extends: thz-baseline\nsweep:\n  runs: 10\n  grid:\n    levers.talent: {values: [0, 3]}\n")
    with pytest.raises(InvalidInput, match=r"wide.yaml:5:5  sweep: levers.talent: 3 lies outside 0 to 1"):
        plan_sweep(str(file))
    file.write_text("extends: thz-baseline\nsweep:\n  sample: sobol\n  runs: 16\n  grid:\n    levers.talent: {values: [0, 1]}\n")
    assert plan_sweep(str(file)).runs == 32


# ---------------------------------------------------------------- executors

def test_every_executor_writes_the_same_bytes(plan, reference, tmp_path):
    wanted = digests(reference)
    with ThreadPoolExecutor(3) as own, ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as lone:
        for name, pool in {"threads": sweeps.threads(2), "processes": sweeps.processes(2), "own": own, "lone": lone}.items():
            sweeps.sweep(plan, tmp_path / name, pool=pool, chunk=64)
            assert digests(tmp_path / name) == wanted, name


def test_a_killed_worker_is_replaced(plan, reference, tmp_path):
    victims = []

    def kill(done, total):
        if done and not victims:
            victims.append(multiprocessing.active_children()[0].pid)
            os.kill(victims[0], signal.SIGKILL)

    sweeps.sweep(plan, tmp_path, pool=sweeps.processes(2), chunk=64, progress=kill)
    assert victims
    assert digests(tmp_path) == digests(reference)


def die(setup, drawn, runs_, keep):
    os.kill(os.getpid(), signal.SIGKILL)


def test_workers_that_keep_dying_end_the_sweep_and_it_can_be_taken_up(plan, reference, tmp_path, monkeypatch):
    monkeypatch.setitem(sweeps.KERNELS, "numpy", f"{__name__}:die")  # so that the folder may be finished by another kernel
    with pytest.raises(InvalidInput, match="the workers were lost"):
        sweeps.sweep(plan, tmp_path, pool=sweeps.processes(1), chunk=200, kernel=die)
    assert not [f for f in tmp_path.iterdir() if f.name != "manifest.json"]


def test_dask_with_a_worker_killed(plan, reference, tmp_path):
    pytest.importorskip("distributed")
    env = {**os.environ, "DASK_DISTRIBUTED__SCHEDULER__WORK_STEALING": "False", "PYTHONWARNINGS": "ignore"}
    started = []

    def start(module, *arguments):
        started.append(subprocess.Popen([sys.executable, "-m", module, *arguments], env=env, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL))
        return started[-1]

    try:
        file = tmp_path / "scheduler.json"
        start("distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(file))
        until = time.monotonic() + 60
        while not (file.exists() and file.stat().st_size) and time.monotonic() < until:
            time.sleep(0.05)
        address = json.loads(file.read_text())["address"]
        assert address.startswith("tcp://127.0.0.1:")
        workers = [start("distributed.cli.dask_worker", address, "--host", "127.0.0.1", "--nthreads", "1", "--no-nanny", "--no-dashboard",
                         "--local-directory", str(tmp_path / f"w{k}")) for k in range(2)]
        killed = []

        def kill(done, total):
            if done and not killed:
                workers[0].kill()
                killed.append(done)

        seen = 0
        while seen < 2 and time.monotonic() < until:
            with sweeps.dask(address) as pool:
                seen = pool.workers
        with sweeps.dask(address) as pool:
            assert pool.workers == 2
            outcome = sweeps.sweep(plan, tmp_path / "out", pool=pool, chunk=64, progress=kill)
        assert outcome.computed == 400
        assert killed
        assert killed[0] < 400
        assert digests(tmp_path / "out") == digests(reference)
    finally:
        for process in started:
            process.kill()
            process.wait()


def test_dask_without_its_extra_or_without_a_scheduler(monkeypatch):
    with monkeypatch.context() as patched:
        patched.setitem(sys.modules, "distributed", None)
        with pytest.raises(MissingExtra, match=r"pip install 'simulate\[dask\]'"), sweeps.dask("tcp://127.0.0.1:1"):
            pass
    pytest.importorskip("distributed")
    with pytest.raises(InvalidInput, match="no scheduler answers at nonsense"), sweeps.dask("nonsense://x"):
        pass


# ---------------------------------------------------------------- resuming

def test_a_finished_sweep_is_not_computed_again(plan, reference):
    outcome = sweeps.sweep(plan, reference, pool=sweeps.serial())  # the chunk size is the folder's
    assert (outcome.computed, outcome.runs) == (0, 400)


def test_another_plan_is_refused_by_name(plan, reference, tmp_path):
    before = digests(reference)
    others = {"seed": plan_sweep("thz-baseline", points=400, seed=2), "design": plan_sweep("thz-baseline", points=399)}
    for word, other in others.items():
        with pytest.raises(InvalidInput, match=rf"manifest.json  the folder holds a sweep of another plan; .*{word}"):
            sweeps.sweep(other, reference, pool=sweeps.serial())
    with pytest.raises(InvalidInput, match="begun with 64 runs a chunk"):
        sweeps.sweep(plan, reference, chunk=65)
    with pytest.raises(InvalidInput, match=r"begun with the kernel 'numpy', not '.*:die'"):
        sweeps.sweep(plan, reference, kernel=die)
    assert digests(reference) == before


def doubled(setup, drawn, count, keep):
    return {n: 2 * a for n, a in runs.project(setup, drawn, count, keep).items()}


def test_a_resumed_sweep_keeps_its_kernel(tmp_path, monkeypatch):
    plan = plan_sweep("thz-baseline", points=64, keep=["gdp"])
    sweeps.sweep(plan, tmp_path, pool=sweeps.serial(), chunk=32, kernel=doubled)
    (tmp_path / "part-000001.parquet").unlink()
    assert json.loads((tmp_path / "manifest.json").read_text(encoding="utf-8"))["kernel"] == f"{__name__}:doubled"
    with pytest.raises(InvalidInput, match=r"there is no kernel '.*:doubled'"):  # code is never found by what a file names
        sweeps.sweep(plan, tmp_path, pool=sweeps.serial())
    sweeps.sweep(plan, tmp_path, pool=sweeps.serial(), kernel=doubled)
    monkeypatch.setitem(sweeps.KERNELS, "double", f"{__name__}:doubled")
    sweeps.sweep(plan, tmp_path / "named", pool=sweeps.serial(), chunk=32, kernel=doubled)
    (tmp_path / "named" / "part-000001.parquet").unlink()
    sweeps.sweep(plan, tmp_path / "named", pool=sweeps.serial())
    plain = runs.run("thz-baseline", runs=64).indicator("gdp")[15]
    np.testing.assert_array_equal(values(tmp_path / "named")["gdp@2035"].to_numpy(), 2 * plain)


def test_broken_files_are_named_and_made_again(plan, reference, tmp_path):
    sweeps.sweep(plan, tmp_path, pool=sweeps.serial(), chunk=64)
    names = [sweeps.part(k) for k in range(5)]
    whole = (tmp_path / names[0]).read_bytes()
    (tmp_path / names[0]).write_bytes(whole[: len(whole) // 2])
    (tmp_path / names[1]).write_bytes(b"")
    (tmp_path / names[2]).write_text("not Parquet at all")
    flipped = bytearray((tmp_path / names[3]).read_bytes())
    flipped[len(flipped) // 3] ^= 1  # one bit of one number
    (tmp_path / names[3]).write_bytes(flipped)
    (tmp_path / f".{names[4]}.123.tmp").write_bytes(b"half")
    outcome = sweeps.sweep(plan, tmp_path, pool=sweeps.serial())
    assert (outcome.remade, outcome.computed) == (tuple(names[:4]), 256)
    assert digests(tmp_path) == digests(reference)


@pytest.mark.parametrize("kind", ["another program's", "another plan's", "another chunk's", "an unknown name"])
def test_foreign_files_are_named_and_refused(kind, plan, reference, tmp_path):
    sweeps.sweep(plan, tmp_path, pool=sweeps.serial(), chunk=64)
    victim = tmp_path / sweeps.part(2)
    if kind == "another program's":
        pq.write_table(pa.table({"run": [1]}), victim)
    elif kind == "another plan's":
        other = plan_sweep("thz-baseline", points=400, keep=["gdp"])
        sweeps.sweep(other, tmp_path / "other", pool=sweeps.serial(), chunk=64)
        victim.write_bytes((tmp_path / "other" / victim.name).read_bytes())
    elif kind == "another chunk's":
        victim.write_bytes((tmp_path / sweeps.part(1)).read_bytes())
    else:
        victim = tmp_path / "stray.parquet"
        pq.write_table(pa.table({"run": [1]}), victim)
    content = victim.read_bytes()
    with pytest.raises(InvalidInput, match=victim.name):
        sweeps.sweep(plan, tmp_path, pool=sweeps.serial())
    assert victim.read_bytes() == content


def test_a_folder_with_parquet_files_of_something_else_is_not_begun(plan, tmp_path):
    pq.write_table(pa.table({"run": [1]}), tmp_path / "part-000000.parquet")
    with pytest.raises(InvalidInput, match=r"part-000000.parquet  is not a file of this sweep"):
        sweeps.sweep(plan, tmp_path, pool=sweeps.serial())


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"format": "simulate sweep", "schema": 1}', "\x00", "[" * 100_000])
def test_a_broken_manifest_is_refused(text, plan, tmp_path):
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(InvalidInput, match=r"manifest.json  is not the manifest of a sweep"):
        sweeps.sweep(plan, tmp_path, pool=sweeps.serial())


def test_a_changed_or_future_manifest_is_refused(plan, reference, tmp_path):
    manifest = json.loads((reference / "manifest.json").read_text(encoding="utf-8"))
    (tmp_path / "manifest.json").write_text(json.dumps({**manifest, "kernel": "other"}))
    with pytest.raises(InvalidInput, match="changed by hand"):
        sweeps.sweep(plan, tmp_path, pool=sweeps.serial())
    (tmp_path / "manifest.json").write_text(json.dumps({**manifest, "schema": 2}))
    with pytest.raises(InvalidInput, match="schema 2"):
        sweeps.sweep(plan, tmp_path, pool=sweeps.serial())


def test_one_sweep_at_a_time_works_in_a_folder(plan, tmp_path):
    pytest.importorskip("fcntl")
    entered, leave = threading.Event(), threading.Event()

    def hold(done, total):
        entered.set()
        leave.wait(60)

    first = threading.Thread(target=lambda: sweeps.sweep(plan, tmp_path, pool=sweeps.serial(), chunk=400, progress=hold))
    first.start()
    assert entered.wait(60)
    try:
        with pytest.raises(InvalidInput, match="another sweep is at work"):
            sweeps.sweep(plan, tmp_path, pool=sweeps.serial(), chunk=400)
    finally:
        leave.set()
        first.join()


# ---------------------------------------------------------------- what dies

def test_killed_at_random_moments_the_sweep_ends_with_the_same_files(plan, reference, tmp_path):
    """The short form of tests/faults.py."""
    arguments = ["sweep", "thz-baseline", "--also", "thz-shock", "--grid", "levers.talent=0,1", "--sample", "latin_hypercube",
                 "--runs", "100", "--keep", "gdp", "--keep", "rd_intensity", "--keep", "capital", "--chunk", "64", "--out", str(tmp_path),
                 "--serial"]
    chance = random.Random(5)
    for _ in range(3):
        process = subprocess.Popen([*COMMAND, *arguments], stderr=subprocess.PIPE)
        deadline = time.monotonic() + 60
        wanted = len(list(tmp_path.glob("part-*"))) + 1
        while len(list(tmp_path.glob("part-*"))) < wanted and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.002)
        time.sleep(chance.uniform(0, 0.05))
        process.kill()
        process.communicate()
    done = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert digests(tmp_path) == digests(reference)


def test_ctrl_c_leaves_a_state_that_goes_on(plan, reference, tmp_path):
    def interrupt(done, total):
        if done >= 128:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sweeps.sweep(plan, tmp_path, pool=sweeps.processes(2), chunk=64, progress=interrupt)
    assert not multiprocessing.active_children()
    assert 0 < len(list(tmp_path.glob("part-*"))) < 7
    assert not list(tmp_path.glob(".*"))
    sweeps.sweep(plan, tmp_path, pool=sweeps.serial())
    assert digests(tmp_path) == digests(reference)


def test_a_full_disk(plan, reference, tmp_path, monkeypatch):
    sync, count = os.fsync, []

    def full(handle):
        count.append(handle)
        if len(count) == 4:
            raise OSError(errno.ENOSPC, "No space left on device")
        sync(handle)

    with monkeypatch.context() as patched:
        patched.setattr(sweeps.os, "fsync", full)
        with pytest.raises(InvalidInput, match=r"the disk is full; 128 of 400 runs are kept.\n.*Make room"):
            sweeps.sweep(plan, tmp_path, pool=sweeps.serial(), chunk=64)
    assert {f.name for f in tmp_path.iterdir()} == {"manifest.json", sweeps.part(0), sweeps.part(1)}
    sweeps.sweep(plan, tmp_path, pool=sweeps.serial())
    assert digests(tmp_path) == digests(reference)


def test_a_folder_that_cannot_be_written(plan, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidInput, match="cannot be written: Not a directory"):
        sweeps.sweep(plan, tmp_path / "file" / "out", pool=sweeps.serial())

    def denied(source, target):
        raise PermissionError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(sweeps.os, "replace", denied)
    with pytest.raises(InvalidInput, match=r"cannot be written: Read-only file system.\n.*Check the folder"):
        sweeps.sweep(plan, tmp_path / "out", pool=sweeps.serial())
    assert not list((tmp_path / "out").iterdir())


def failing(setup, drawn, count, keep):
    raise InvalidInput(sweeps.Problem("the kernel refuses."))


@pytest.mark.parametrize("pool", [sweeps.serial(), sweeps.threads(2), sweeps.processes(1)], ids=["serial", "threads", "processes"])
def test_an_error_in_a_worker_comes_back_whole(pool, plan, tmp_path):
    with pytest.raises(InvalidInput, match="the kernel refuses"):
        sweeps.sweep(plan, tmp_path, pool=pool, kernel=failing)


def test_a_worker_with_other_software_is_refused(plan, tmp_path, monkeypatch):
    work = experiments.metadata.version
    assert plan.digest
    monkeypatch.setattr(experiments.metadata, "version", lambda name: "0.0" if name == "numpy" else work(name))
    sweeps._plan.cache_clear()
    with pytest.raises(InvalidInput, match="a worker has other software"):
        sweeps.sweep(plan, tmp_path, pool=sweeps.serial())


# ---------------------------------------------------------------- command line

def test_the_command_line(tmp_path, monkeypatch):
    monkeypatch.setenv("SIMULATE_LANG", "en")
    (tmp_path / "points.csv").write_text("levers.talent,levers.finance\n0,1\n0.5,0\n")
    arguments = ["sweep", "thz-baseline", "--out", str(tmp_path / "out"), "--runs", "30", "--sample", "latin_hypercube", "--keep", "gdp",
                 "--points", str(tmp_path / "points.csv"), "--input", "productivity_growth=uniform:0,0.01", "--years", "2030",
                 "--correlate", "productivity_growth,knowledge_elasticity=0.5", "--serial", "--json"]
    done = CliRunner().invoke(cli.app, arguments)
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["runs"] == 60
    table = values(tmp_path / "out")
    assert table["levers.talent"].to_pylist() == [0.0] * 30 + [0.5] * 30
    assert max(table["productivity_growth"].to_pylist()) <= 0.01
    assert [n for n in table.schema.names if "@" in n] == ["gdp@2020", "gdp@2024", "gdp@2025", "gdp@2030", "price_level@2025"]


def test_another_equation_on_the_command_line(tmp_path):
    options = ["--runs", "5", "--keep", "real_wage", "--keep", "outside_wage", "--years", "2030", "--serial"]
    for name, formula in (("yes", "real_wage=where(outside_wage >= 0, outside_wage, 1)"), ("no", None)):
        done = CliRunner().invoke(cli.app, ["sweep", "thz-baseline", "--out", str(tmp_path / name), *options,
                                            *(["--structure", formula] if formula else [])])
        assert done.exit_code == 0, done.output
    both, own = values(tmp_path / "yes").to_pydict(), values(tmp_path / "no").to_pydict()
    assert both["structure.real_wage"] == ["model"] * 5 + ["changed"] * 5
    assert both["real_wage@2030"] == own["real_wage@2030"] + both["outside_wage@2030"][5:]


@pytest.mark.parametrize(("options", "message"), [
    (["--grid", "levers.talent"], "is not NAME=0,0.5,1"),
    (["--grid", "levers.talent=a,b"], "are not numbers"),
    (["--grid", "levers.talent=levels:x"], "--grid"),
    (["--grid", "levers.talent=levels:0"], "levels: 0"),
    (["--sample", "sobel"], "Did you mean 'sobol'"),
    (["--input", "x=normal:1"], "1 numbers given, 2 needed"),
    (["--input", "x=gauss:1,2"], "--input"),
    (["--correlate", "a=0.5"], "does not name two inputs"),
    (["--correlate", "a,b=2"], "not between -1 and 1"),
    (["--points", "nowhere.csv"], "cannot be read"),
    (["--structure", "real_wage"], "is not EQUATION=FORMULA"),
    (["--structure", "real_wages=outside_wage"], "Did you mean 'real_wage'"),
    (["--structure", "real_wage=outside_wage * (1 + (gdp < gdp_base))"], "`gdp < gdp_base` is a comparison, not a number"),
    (["--structure", "real_wage=where(0 < utilisation < 2, outside_wage, outside_wage)"], "is a comparison, not a number"),
    (["--structure", "deregistrations=where(deregistration_rate > 0.09, 1, 1) * market_entities"], "equation deregistrations"),
    (["--structure", "real_wage=" + "+".join(["1"] * 900)], "is not a formula"),
    (["--structure", "real_wage=outside_wage**gdp.x"], "equation real_wage: `gdp.x` is not arithmetic"),
    (["--threads", "--serial"], "exclude each other"),
    (["--workers", "0"], "workers: 0"),
    (["--kernel", "fortran"], "there is no kernel 'fortran'"),
    (["--chunk", "0"], "chunk: 0"),
    (["--chunk", "2000000"], "chunk: 2,000,000 is not between"),
])
def test_what_the_command_line_refuses(options, message, tmp_path, monkeypatch):
    monkeypatch.setenv("SIMULATE_LANG", "en")
    done = CliRunner().invoke(cli.app, ["sweep", "thz-baseline", "--out", str(tmp_path / "out"), *options])
    assert done.exit_code == 2
    assert message in done.output + (done.stderr or "")
