"""The fused kernel against NumPy: the text it is made of for every scenario, the machine code for one of every kind."""

import ctypes
import dataclasses
import functools
import json
import math
import os
import re
import sys
import types
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata

import numpy as np
import pytest
from typer.testing import CliRunner

from simulate import algebra, cli, cli_sweeps, experiments, fast, runs, sweeps
from simulate.compiler import Compiled, Node, Record, needed
from simulate.distributions import Distribution
from simulate.errors import InvalidInput, MissingExtra
from simulate.integrators import METHODS
from simulate.model import Blend
from simulate.registry import load_registry
from simulate.scenarios import LeverSetting, list_scenarios, load_scenario
from simulate.setups import resolve

numba = pytest.importorskip("numba")
assert cli_sweeps

SCENARIOS = [s.id for s in list_scenarios()]
NATIVE = SCENARIOS if os.environ.get("SIMULATE_PEERS") else ["thz-measures-2025", "tianjin-plan"]
"""Compiling takes ten seconds a scenario: all of them in CI, else one with levers and one with paths that end."""


@pytest.fixture(autouse=True)
def cache(monkeypatch, request, tmp_path_factory):
    """Machine code is kept beside pytest's own cache, where it has one, not in the user's."""
    kept = getattr(request.config, "cache", None)
    monkeypatch.setenv("SIMULATE_CACHE", str(kept.mkdir("kernels") if kept else tmp_path_factory.getbasetemp() / "kernels"))


@pytest.fixture(scope="module")
def registry():
    return load_registry()


def everything(setup):
    """All variables that change in time."""
    constant = {e.name for e in setup.model.constants}
    return [s.name for s in setup.model.stocks] + [e.name for e in setup.model.order if e.name not in constant]


def greatest_difference(found, expected):
    """Difference of values, relative to the variable's greatest over years and runs (a net flow is a small difference of two great
    numbers); NaN and inf must coincide.
    """
    worst = 0.0
    for name, reference in expected.items():
        value = found[name]
        assert value.shape == reference.shape
        finite = np.isfinite(reference)
        np.testing.assert_array_equal(np.isfinite(value), finite, err_msg=name)
        scale = np.where(finite, np.abs(reference), 0.0).max(axis=(0, -1), keepdims=True)[0]
        difference = np.where(finite, np.abs(np.where(finite, value, 0.0) - np.where(finite, reference, 0.0)), 0.0).max(axis=0)
        some = np.broadcast_to(scale > 0, difference.shape)
        share = np.divide(difference, scale, out=difference, where=some)  # where all is 0: the difference itself
        worst = max(worst, float(np.max(share, initial=0.0)))
    return worst


def interpreted(source):
    """The kernel of a text, run by Python itself on lanes of two runs, with NumPy's exp and log."""
    body = re.sub(r"^(from|import|compiled =).*$", "", source, flags=re.M)
    with np.errstate(all="ignore"):
        space = {"np": np, "compiled": lambda f: f, "choose": lambda c, a, b: a if c else b, "exp": np.exp, "log": np.log,
                 "row_at": lambda address: np.ctypeslib.as_array(ctypes.cast(int(address), ctypes.POINTER(ctypes.c_double)), (10_000,)),
                 "minimum": np.minimum, "maximum": np.maximum, "inf": math.inf, "nan": math.nan, "sqrt": np.sqrt}
        exec(re.sub(r"LANE = \d+", "LANE = 2", body), space)
    return space["kernel"]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", SCENARIOS)
def test_the_text_computes_every_variable_of_every_scenario(registry, monkeypatch, name, method):
    setup = resolve(registry, dataclasses.replace(load_scenario(name), method=method, steps_per_year=2))
    drawn, keep = setup.draw(0, 3, 1), everything(setup)
    monkeypatch.setattr(fast, "load", interpreted)
    with np.errstate(all="ignore"):
        found = fast.project(setup, drawn, 3, keep)
    assert greatest_difference(found, runs.project(setup, drawn, 3, keep)) < 1e-12


@pytest.mark.parametrize("name", NATIVE)
def test_the_machine_code_agrees_with_numpy_in_every_variable(registry, name):
    setup = resolve(registry, load_scenario(name))
    drawn, keep = setup.draw(0, 300, 1), everything(setup)
    assert greatest_difference(fast.project(setup, drawn, 300, keep), runs.project(setup, drawn, 300, keep)) < 1e-12


@pytest.fixture(scope="module")
def setup(registry):
    """Levers of uncertain strength, one of them negative in effect, and a jump; Euler."""
    scenario = load_scenario("thz-strong-policy")
    levers = {**scenario.levers, "talent": LeverSetting(level=1.0, start=2023.0, ramp=0.0)}
    return resolve(registry, dataclasses.replace(
        scenario, method="euler", steps_per_year=2, levers=levers,
        uncertainties={**scenario.uncertainties, "levers.talent": Distribution(uniform=(0.0, 1.0))}))


KEPT = ("gdp", "capital", "rd_intensity", "cluster_revenue")


def test_a_run_does_not_depend_on_its_neighbours(setup):
    drawn = setup.draw(0, 200, 1)
    whole = fast.project(setup, drawn, 200, KEPT)
    for part in (slice(0, 1), slice(199, 200), slice(3, 70), slice(64, 128), slice(1, 200)):
        alone = fast.project(setup, {k: a[part] for k, a in drawn.items()}, part.stop - part.start, KEPT)
        for name in KEPT:
            np.testing.assert_array_equal(alone[name], whole[name][..., part])


def test_what_leaves_the_finite_numbers_is_not_hidden_and_stays_alone(setup):
    drawn = {k: a.copy() for k, a in setup.draw(0, 100, 1).items()}
    clean = fast.project(setup, drawn, 100, KEPT)
    drawn["labour_productivity_base" if "labour_productivity_base" in drawn else "gdp_base"][7] = np.nan
    drawn["capital_share[industry]"][11] = 1e300  # powers overflow
    drawn["gdp_base"][90] = -1.0  # logarithms of negative numbers
    found, expected = fast.project(setup, drawn, 100, KEPT), runs.project(setup, drawn, 100, KEPT)
    for k in range(100):
        for name in KEPT:
            if k in (7, 11, 90):
                assert np.isfinite(found[name][..., k]).all() == np.isfinite(expected[name][..., k]).all(), (k, name)
            else:
                np.testing.assert_array_equal(found[name][..., k], clean[name][..., k])
    assert not any(np.isfinite(found["gdp"][:, k]).all() for k in (7, 11, 90))


def test_loops_become_vector_instructions(setup):
    """Else the kernel is no faster than NumPy: products of vectors, and no call of exp or log."""
    texts = []

    def look(compiled, state, start, years, steps, step):
        texts.append(fast._prepared(compiled, start, years, steps, step)[1].source)
        return {}

    runs.project(setup, setup.draw(0, 2, 1), 2, KEPT, look)
    space = {"__name__": "looked_at"}
    exec(texts[0].replace("cache=True, ", ""), space)
    row, table, number = numba.types.float64[::1], numba.types.float64[:, ::1], numba.types.float64
    rates = next(space[name] for name in ("rates0", "rates1") if name in space)
    rates.compile((row, row, table, table, numba.types.int64, number, number))
    code = next(iter(rates.inspect_llvm().values()))
    assert len(re.findall(r"fmul [a-z ]*<\d+ x double>", code)) > 200
    assert not re.findall(r"call [^\n]*@(exp|log|llvm\.exp|llvm\.log)\b", code)


# ---------------------------------------------------------------- arithmetic

@pytest.fixture(scope="module")
def vector():
    from simulate import vectormath

    @numba.njit
    def each(function, x):
        result = np.empty_like(x)
        for i in range(len(x)):
            result[i] = function(x[i])
        return result

    return types.SimpleNamespace(exp=lambda x: each(vectormath.exp, x), log=lambda x: each(vectormath.log, x), module=vectormath)


def test_exp_and_log_are_exact_to_the_last_places(vector):
    draw = np.random.default_rng(0)
    x = np.concatenate([draw.uniform(-700, 709, 20_000), draw.uniform(-1, 1, 20_000), draw.normal(size=1000) * 1e-9])
    error = np.abs(vector.exp(x) / np.exp(x) - 1)
    assert (error < 3.5e-16 + 4e-17 * np.abs(x)).all()
    x = np.concatenate([np.exp(draw.uniform(-700, 700, 20_000)), draw.uniform(0.5, 2, 20_000), 1 + draw.normal(size=1000) * 1e-9])
    assert (np.abs(vector.log(x) / np.log(x) - 1) < 5e-16).all()


def test_exp_and_log_at_the_ends_of_the_numbers(vector):
    special = np.array([0.0, -0.0, -1.0, np.inf, -np.inf, np.nan, 1.0, 1e308, 2.3e-308])
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(vector.log(special), np.log(special), rtol=1e-15)
        x = np.array([-np.inf, -1e300, -746.0, -700.0, 0.0, 709.7, 709.79, 1e300, np.inf, np.nan])
        np.testing.assert_allclose(vector.exp(x), np.exp(x), rtol=3e-14, atol=1e-307)
    module = vector.module
    for a in special:
        for b in special:
            np.testing.assert_equal(module.minimum(a, b), np.minimum(a, b))
            np.testing.assert_equal(module.maximum(a, b), np.maximum(a, b))


def value(node: Node, leaves):
    if node.literal is not None:
        return node.literal
    return leaves[node.name] if node.given else getattr(np, node.name)(*(value(a, leaves) for a in node.arguments))


def test_algebra_takes_each_logarithm_once_and_merges_powers():
    record = Record()
    a, b, c = (record.leaf(n, wide=True, moving=True) for n in "abc")
    k = record.leaf("k", wide=True)
    op = record.operation

    def power(x, y):
        return op("exp", op("multiply", y, op("log", x)))

    output = op("multiply", op("multiply", a, power(op("divide", b, k), k)), power(op("divide", c, k), k))
    roots = [output, power(op("divide", output, b), k), power(op("divide", c, b), k)]
    after = algebra.simplified(record, roots)
    count = {name: sum(n.name == name and n.moving for n in needed(after)) for name in ("exp", "log")}
    assert count == {"exp": 3, "log": 3}  # of a, b and c; before: 4 and 4
    assert algebra.cost(after) < algebra.cost(roots)
    leaves = {"a": 1.3, "b": 0.7, "c": 2.9, "k": 0.4}
    for one, other in zip(roots, after, strict=True):
        assert value(other, leaves) == pytest.approx(value(one, leaves), rel=1e-14)


# ---------------------------------------------------------------- users' own formulas

@pytest.mark.parametrize("formulas", [
    {"total_factor_productivity": "technology * power((knowledge - 20 * knowledge_base) / (knowledge_base - 20 * knowledge_base), "
                                  "knowledge_elasticity)"},  # the logarithm of a quotient of two negative numbers
    {"normal_utilisation": "1 + 0 * exp(800 * utilisation) * exp(0 - 800 * utilisation)"},  # infinity times zero
    {"normal_utilisation": "where(log(utilisation - 2 * utilisation) < 1, 1.0, 0.9)"},
    {"energy_saving": "energy_intensity * energy_saving_rate * (0.5 + 0.1 * (-2.0) ** (2 * energy_intensity / energy_intensity))"},
    {"energy_saving": "energy_intensity * energy_saving_rate * minimum(utilisation ** 3, utilisation ** -2)"},
])
def test_formulas_of_users(registry, formulas, monkeypatch):
    setup = resolve(registry, load_scenario("thz-baseline"))
    setup = dataclasses.replace(setup, model=experiments.swapped(tuple(formulas.items())))
    monkeypatch.setattr(fast, "load", interpreted)
    drawn, keep = setup.draw(0, 4, 1), ["gdp", "utilisation", "energy_intensity"]
    with np.errstate(all="ignore"):
        found = fast.project(setup, drawn, 4, keep)
    assert greatest_difference(found, runs.project(setup, drawn, 4, keep)) < 1e-12


def test_one_model_serves_regions_with_and_without_clusters(registry, monkeypatch):
    model = experiments.swapped((("cluster_gain", "0 * cluster_position / certificate_step"),
                                 ("cluster_saturation", "0 * cluster_position / certificate_step")))
    monkeypatch.setattr(fast, "load", interpreted)
    for name in ("thz-baseline", "teda-baseline"):
        setup = dataclasses.replace(resolve(registry, load_scenario(name)), model=model)
        drawn = setup.draw(0, 3, 1)
        with np.errstate(all="ignore"):
            found = fast.project(setup, drawn, 3, ["gross_industrial_output"])
        assert greatest_difference(found, runs.project(setup, drawn, 3, ["gross_industrial_output"])) < 1e-12


# ---------------------------------------------------------------- the edges

TINY = "from numba import njit\n\ncompiled = njit(cache=True, nogil=True)\n\n\n@compiled\ndef kernel(x):\n    return 2 * x\n"


@pytest.fixture
def empty(monkeypatch, tmp_path):
    """Nothing is kept yet, in memory or on disk."""
    fast._loaded.cache_clear()
    monkeypatch.setenv("SIMULATE_CACHE", str(tmp_path / "kernels"))
    yield tmp_path / "kernels"
    fast._loaded.cache_clear()


def test_without_a_folder_to_keep_it_in_the_kernel_is_compiled_anew(empty):
    empty.write_text("")  # no folder, and none can be made there
    assert fast.load(TINY)(2.0) == 4.0


def test_a_damaged_cache_is_not_used(empty, setup):
    drawn = setup.draw(0, 3, 1)
    before = fast.project(setup, drawn, 3, ["gdp"])
    (code,) = empty.glob("__pycache__/*.kernel-*.nbc")
    code.write_bytes(b"")
    for name in [n for n in sys.modules if n.startswith("kernel_")]:
        del sys.modules[name]
    fast._loaded.cache_clear()
    np.testing.assert_array_equal(fast.project(setup, drawn, 3, ["gdp"])["gdp"], before["gdp"])


def test_many_threads_may_load_at_once(empty):
    texts = [TINY.replace("2 * x", f"{k} * x") for k in range(20)]
    with ThreadPoolExecutor(8) as pool:
        kernels = list(pool.map(fast.load, texts * 4))
    assert len(set(kernels)) == 20
    assert len(list(empty.glob("*.py"))) == 20
    assert not list(empty.glob(".*"))


def test_machine_code_is_known_by_versions_and_processor(empty, monkeypatch):
    name = fast._name("x")
    assert metadata.version("numba") in fast.build()
    monkeypatch.setattr(fast, "build", lambda: "another")
    assert fast._name("x") != name


def test_what_the_kernel_cannot_do_is_said(setup):
    drawn = setup.draw(0, 2, 1)

    def other(rates, t, state, dt):
        return state

    def wrong_method(compiled, state, start, years, steps, step):
        return fast.integrate(compiled, state, start, years, steps, other)

    with pytest.raises(ValueError, match="methods euler and rk4"):
        runs.project(setup, drawn, 2, ["gdp"], wrong_method)

    def opaque(compiled: Compiled, *rest):
        compiled.given = tuple((n, functools.partial(Blend.__call__, f)) for n, f in compiled.given)
        return fast.integrate(compiled, *rest)

    with pytest.raises(ValueError, match="must be a Blend"):
        runs.project(setup, drawn, 2, ["gdp"], opaque)


def test_a_blend_is_the_sum_of_its_rows():
    blend = Blend((np.array([1.0, 2.0]), np.array([10.0, 20.0])), lambda t, within: {0: 0.5, 1: 2.0} if t < 1 else {} if t < 2 else None)
    np.testing.assert_array_equal(blend(0.0, 0.0), [20.5, 41.0])
    np.testing.assert_array_equal(blend(1.0, 1.0), [0.0])
    assert blend(2.0, 2.0) is None


# ---------------------------------------------------------------- sweeps

@pytest.fixture(scope="module")
def plan():
    scenario = dataclasses.replace(load_scenario("thz-baseline"), method="euler", steps_per_year=2)
    return experiments.plan_sweep(scenario, points=300, keep=["gdp"])


def test_a_sweep_by_the_fused_kernel(plan, tmp_path, monkeypatch):
    """The same rows by every executor and chunk size; the manifest names the kernel, and what goes on keeps it."""
    import pyarrow.parquet as pq

    found = {}
    for name, pool, chunk in (("one", sweeps.serial(), 300), ("small", sweeps.threads(2), 64), ("processes", sweeps.processes(2), 77)):
        outcome = sweeps.sweep(plan, tmp_path / name, pool=pool, chunk=chunk, kernel=fast.project)
        assert outcome.kernel == "numba"
        assert json.loads((tmp_path / name / "manifest.json").read_text(encoding="utf-8"))["kernel"] == "numba"
        found[name] = [pq.read_table(f)["gdp@2035"].to_numpy() for f in sorted((tmp_path / name).glob("part-*"))]
    for name in ("small", "processes"):
        np.testing.assert_array_equal(np.concatenate(found[name]), found["one"][0])
    (tmp_path / "small" / sweeps.part(2)).unlink()
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(fast, "build", lambda: "another processor")
        with pytest.raises(InvalidInput, match="begun by machine code of numba"):
            sweeps.sweep(plan, tmp_path / "small", pool=sweeps.serial())
    assert sweeps.sweep(plan, tmp_path / "small", pool=sweeps.serial()).kernel == "numba"
    again = [pq.read_table(f)["gdp@2035"].to_numpy() for f in sorted((tmp_path / "small").glob("part-*"))]
    np.testing.assert_array_equal(np.concatenate(again), found["one"][0])
    outcome = sweeps.sweep(plan, tmp_path / "numpy", pool=sweeps.serial(), kernel=runs.project)
    by_numpy = pq.read_table(tmp_path / "numpy" / sweeps.part(0))["gdp@2035"].to_numpy()
    np.testing.assert_allclose(found["one"][0], by_numpy, rtol=1e-12)


def test_the_kernel_is_chosen_where_it_pays(plan, monkeypatch):
    local, far = sweeps.serial(), dataclasses.replace(sweeps.serial(), local=False)
    assert sweeps.choose_kernel(plan, local) is runs.project  # 300 runs
    monkeypatch.setattr(sweeps, "PAYS", 300)
    monkeypatch.setattr(fast, "ready", lambda setup, keep: False)
    assert sweeps.choose_kernel(plan, local) is runs.project  # it would have to be compiled
    monkeypatch.setattr(sweeps, "COMPILING_PAYS", 300)
    assert sweeps.choose_kernel(plan, local) is fast.project
    assert sweeps.choose_kernel(plan, far) is runs.project  # who knows what is installed there
    monkeypatch.setattr(sweeps, "COMPILING_PAYS", 301)
    monkeypatch.setattr(fast, "ready", lambda setup, keep: True)
    assert sweeps.choose_kernel(plan, local) is fast.project
    monkeypatch.setattr(fast, "available", lambda: False)
    assert sweeps.choose_kernel(plan, local) is runs.project


def test_ready_says_whether_the_machine_code_lies_on_disk(setup, empty):
    assert not fast.ready(setup, ["gdp"])
    fast.project(setup, setup.draw(0, 2, 1), 2, ["gdp"])
    assert fast.ready(setup, ["gdp"])
    assert not fast.ready(setup, ["gdp", "capital"])


def test_without_numba_the_extra_is_named(plan, monkeypatch, tmp_path, setup):
    monkeypatch.setattr(fast, "available", lambda: False)
    with pytest.raises(MissingExtra, match="fast"):
        fast.project(setup, setup.draw(0, 2, 1), 2, ["gdp"])
    result = CliRunner().invoke(cli.app, ["sweep", "thz-baseline", "--runs", "10", "--out", str(tmp_path / "x"), "--kernel", "numba"])
    assert result.exit_code == 2
    assert "fast" in result.output + result.stderr
    assert not (tmp_path / "x").exists()
