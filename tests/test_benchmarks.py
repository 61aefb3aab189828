"""The benchmarks' own parts: the C kernel computes the model and is vectorised; what is missing is said, not raised. No times."""

import dataclasses
import platform
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from simulate import runs
from simulate.region import HEADLINE
from simulate.scenarios import LeverSetting

ROOT = Path(__file__).resolve().parent.parent
if not (ROOT / "benchmarks" / "kernel.c").exists():
    pytest.skip("the benchmarks are not here", allow_module_level=True)
if str(ROOT) not in sys.path:
    sys.path.append(str(ROOT))

from benchmarks import kernel as module  # noqa: E402
from benchmarks import measure, peers, scale  # noqa: E402
from benchmarks.kernel import Kernel  # noqa: E402
from benchmarks.measure import Unavailable, default_setup  # noqa: E402

TOLERANCE = 1e-9  # what is promised; it is within about 1e-13


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    try:
        module.compiler()
    except Unavailable as reason:
        pytest.skip(str(reason))
    return tmp_path_factory.mktemp("kernels")


@pytest.fixture(scope="module", params=[(), ("-DLIBMVEC",)], ids=["own exp and log", "the library's"])
def kernel(request: pytest.FixtureRequest, folder: Path) -> Kernel:
    return Kernel(default_setup("rk4", 4), folder, request.param)


# 200 runs are no multiple of the lanes: the last lane is part empty
@pytest.mark.parametrize(("method", "steps"), [("euler", 8), ("rk4", 4), ("rk4", 1)])
def test_c_kernel_gives_what_the_engine_gives(kernel: Kernel, method: str, steps: int) -> None:
    setup = default_setup(method, steps)
    drawn = setup.draw(0, 200, 7)
    expected = runs.project(setup, drawn, 200, HEADLINE)
    found = kernel.project(setup, drawn, 200)
    assert set(found) == set(HEADLINE)
    for name in HEADLINE:
        np.testing.assert_allclose(found[name], expected[name], rtol=TOLERANCE, atol=0, err_msg=name)
        assert np.ptp(expected[name][-1]) > 0.01 * abs(expected[name][-1].mean())  # the runs differ: nothing is compared with itself


def test_c_kernel_in_threads_and_in_other_company_gives_the_same_bits(kernel: Kernel) -> None:
    setup = default_setup("euler", 2)
    drawn = setup.draw(0, 333, 3)
    whole = kernel.project(setup, drawn, 333)
    threads = kernel.project(setup, drawn, 333, threads=2)
    alone = kernel.project(setup, {k: a[332:] for k, a in drawn.items()}, 1)
    for name in HEADLINE:
        assert np.array_equal(whole[name], threads[name])
        assert np.array_equal(whole[name][:, 332:], alone[name])


def test_c_kernel_refuses_what_it_does_not_have(kernel: Kernel) -> None:
    setup = default_setup("euler", 2)
    bolder = dataclasses.replace(setup, scenario=dataclasses.replace(setup.scenario, levers={"talent": LeverSetting(level=1.0)}))
    with pytest.raises(Unavailable, match="no levers, shocks and paths"):
        kernel.project(bolder, bolder.draw(0, 2, 1), 2)


def test_loading_the_kernel_leaves_this_process_its_denormal_numbers(kernel: Kernel) -> None:
    assert kernel.lanes == 32
    assert np.array([5e-324]) * 1 > 0
    assert float(np.finfo(float).tiny) / 2 > 0


def test_vectorisation_report(kernel: Kernel) -> None:
    report = kernel.report()
    said = subprocess.run([module.compiler(), "--version"], capture_output=True, text=True, check=True).stdout
    if "Free Software Foundation" in said:  # gcc tells what it vectorised
        assert report.main >= 16
    if shutil.which("objdump") is None or not report.registers:
        pytest.skip("no objdump")
    if not any(report.registers.values()):
        pytest.skip("no x86")
    assert sum(report.registers.values()) > 300
    if "-DLIBMVEC" in kernel.flags:
        if platform.libc_ver()[0] != "glibc":
            pytest.skip("no libmvec")
        assert {"exp", "log"} <= {name.rpartition("_")[2] for name in report.calls}
    else:
        assert not report.calls
        assert report.registers[128] < 0.1 * sum(report.registers.values())


def test_a_loop_that_is_not_vectorised_is_found(folder: Path) -> None:
    kernel = Kernel(default_setup("rk4", 4), folder, ("-fno-tree-vectorize", "-DLANES=8"))
    assert kernel.report().main == 0
    assert kernel.lanes == 8


def test_what_is_missing_is_a_row(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.delenv("SDEVERYWHERE", raising=False)
    monkeypatch.setitem(sys.modules, "simlin", None)
    chosen = tuple(e for e in peers.ENGINES if e.prepare in (peers.simlin, peers.sdeverywhere, peers.c_kernel, peers.compiled_blocks))
    assert len(chosen) == 4
    monkeypatch.setattr(peers, "ENGINES", tuple(dataclasses.replace(e, count=16) for e in chosen))
    found = peers.measure(tmp_path, quick=True)
    assert {name for name, _ in found.one} == {peers.NUMPY}
    assert "no C compiler" in found.missing[peers.BY_HAND]
    text = peers.table(found).markdown()
    assert "no C compiler" in text
    assert "no node" in text
    assert "pip install 'simulate[peers]'" in text
    table, best = peers.kernel_table(tmp_path, quick=True)
    assert "no C compiler" in table.markdown()
    assert best == {}
    assert [aim.met for aim in peers.aims(found, best)] == [None] * 5


def test_a_peer_that_fails_is_a_row(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def broken(*_: object) -> peers.Run:
        raise ZeroDivisionError("of its own")

    monkeypatch.setattr(peers, "ENGINES", (peers.Engine("broken", broken, 1),))
    found = peers.measure(tmp_path, quick=True)
    assert found.missing == {"broken": "fails: ZeroDivisionError: of its own"}


@pytest.mark.parametrize("prepare", [peers.python_loop, peers.plain_loop, peers.compiled_loop, peers.plain_blocks])
def test_loops_give_what_the_engine_gives(prepare: object, tmp_path: Path) -> None:
    setup = default_setup("euler", 1)
    assert peers.disagreement(prepare(setup, tmp_path), setup, 3) < 1e-12  # type: ignore[operator]


def test_disagreement_sees_a_small_fault(tmp_path: Path) -> None:
    setup = default_setup("euler", 1)
    right = peers.compiled_blocks(setup, tmp_path)

    def wrong(drawn: object, count: int) -> object:
        found = dict(right(drawn, count))  # type: ignore[arg-type]
        found["rd_intensity"] = found["rd_intensity"] + np.eye(*found["rd_intensity"].shape, k=1) * 1e-9
        return found

    assert peers.disagreement(wrong, setup, 4) > 1e-9  # type: ignore[arg-type]


def test_peers_are_given_the_inputs_that_results_depend_on(tmp_path: Path) -> None:
    setup = default_setup("euler", 1)
    _, names = peers.exported(setup, tmp_path)
    drawn = setup.draw(0, 2, 1)
    fixed = {k: a if k in names else np.repeat(a[:1], 2) for k, a in drawn.items()}
    given, expected = (runs.project(setup, d, 2, HEADLINE) for d in (fixed, drawn))
    assert 30 < len(names) < len(drawn)
    assert all(np.array_equal(given[n], expected[n]) for n in HEADLINE)


def sweep(seconds: float, together: float = 300.0) -> scale.Sweep:
    return scale.Sweep([seconds], 1000, together / 2, together)


def test_aims_are_read_from_the_figures() -> None:
    # start 1 s; 20 µs a run; at a thousand runs 22 µs
    one = {1: sweep(1.0), 1000: sweep(1.02198), 100_000: sweep(2.99998), 1_000_000: sweep(20.99998)}
    two = {1: sweep(3.0), 1_000_000: sweep(13.0, 1100.0)}
    linear, twice, *_, memory = scale.aims({("numpy", 1): one, ("numpy", 2): two})
    assert linear.met is True
    assert linear.measured.startswith("10% apart (1,000: 22.0 µs")
    assert (twice.measured, twice.met) == ("1.62 (without the workers' start 2.00)", False)
    assert memory.met is False
    assert scale.aims({})[-1].met is None
    assert scale.cost(one, 7) is None
    assert measure.at_least("x", float("nan"), 1, ".2f").row()["met"] == "not measured"


def test_a_sweep_is_measured_in_a_process_of_its_own() -> None:
    found = scale.measure("numpy", 1, [1, 64])
    assert list(found) == [1, 64]
    assert found[64].size > found[1].size > 0
    if Path("/proc/self/status").exists():
        assert 40 < found[64].largest < 4000
        assert 20 < found[64].together < 4000
    with pytest.raises(Unavailable, match="there is no kernel"):
        scale.measure("nothing", 1, [1])


def test_turns_are_taken() -> None:
    said: list[str] = []
    times = measure.in_turns({"a": partial(said.append, "a"), "b": partial(said.append, "b")}, 3, 60)
    assert said == ["a", "b"] * 3
    assert {k: len(v) for k, v in times.items()} == {"a": 3, "b": 3}
    assert measure.figure([3.0, 1.0, 2.0]) == "2 (1 to 3; 3)"
