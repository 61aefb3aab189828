"""Summaries over a sweep's files against the same answers worked out in memory."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from typer.testing import CliRunner

from simulate import attainment, cli, cli_sweeps, runs, summaries, sweeps
from simulate.designs import Axis, SweepSetting
from simulate.errors import InvalidInput
from simulate.experiments import plan_sweep
from simulate.registry import load_registry
from simulate.scenarios import list_scenarios

assert cli_sweeps
POINTS = (0.0, 0.05, 0.37, 0.5, 0.95, 1.0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sweep")
    setting = SweepSetting(grid={"levers.talent": Axis(values=(0.0, 1.0))}, sample="random", scenarios=("thz-shock",))
    plan = plan_sweep("thz-baseline", setting=setting, points=300)
    sweeps.sweep(plan, folder, pool=sweeps.serial(), chunk=170)
    return folder


def whole(folder):
    return pq.read_table(sorted(folder.glob("part-*"))).to_pandas()


# ---------------------------------------------------------------- against memory

@pytest.mark.parametrize("scenario", [s.id for s in list_scenarios()])
def test_probabilities_are_those_of_a_plain_run(scenario, tmp_path):
    sweeps.sweep(plan_sweep(scenario, points=60), tmp_path, pool=sweeps.serial(), chunk=25)
    judged = {a.statement: a for a in attainment.judge_all(runs.run(scenario, runs=60))}
    found = {v.statement: v for v in summaries.verdicts(summaries.open_results(tmp_path), 0)}
    assert set(found) == set(judged)
    for statement, a in judged.items():
        v = found[statement]
        assert (v.probability(v.reached), v.probability(v.nominal), v.probability(v.average)) == (a.probability, a.nominal, a.average)
        assert (v.runs, v.id, v.year, v.value, v.unit, v.imposed) == (60, a.indicator, a.year, a.value, a.unit, a.imposed)


def test_a_target_whose_indicator_was_not_kept_is_not_judged(tmp_path):
    sweeps.sweep(plan_sweep("thz-baseline", points=20, keep=["rd_intensity"]), tmp_path, pool=sweeps.serial())
    assert [v.id for v in summaries.verdicts(summaries.open_results(tmp_path), 0)] == ["rd_intensity"]


def test_quantiles_are_those_of_numpy(folder, monkeypatch):
    monkeypatch.setattr(summaries, "FEW", 12)
    monkeypatch.setattr(summaries, "BINS", 9)
    monkeypatch.setattr(summaries, "BATCH", 50)
    found = summaries.quantiles(summaries.open_results(folder), POINTS)
    table = whole(folder)
    assert len(found) > 40
    for (scenario, id, year), row in found.iterrows():
        column = table.loc[table["scenario"] == scenario, f"{id}@{year}"]
        np.testing.assert_array_equal(row.to_numpy(), np.quantile(column, POINTS))


@given(x=hnp.arrays(float, st.integers(1, 200), elements=st.one_of(
    st.floats(-1e300, 1e300), st.sampled_from([0.0, -0.0, 1.0, 1.0 + 2**-52, 5e-324, -1e308, 1e308]))),
    p=st.lists(st.floats(0, 1), min_size=1, max_size=3), few=st.integers(1, 50))
@settings(max_examples=80, deadline=None)
def test_exact_quantiles_of_anything(x, p, few):
    was = summaries.FEW, summaries.BINS
    summaries.FEW, summaries.BINS = few, 5
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            found = summaries.exact_quantiles(lambda names: ({"x": part} for part in np.array_split(x, 3)),
                                              {"x": (float(x.min()), float(x.max()))}, len(x), p)["x"]
            np.testing.assert_array_equal(found, np.quantile(x, p))
    finally:
        summaries.FEW, summaries.BINS = was


def test_moments_correlations_and_tables_are_those_of_pandas(folder):
    results, table = summaries.open_results(folder), whole(folder)
    names = ["gdp@2035", "rd_intensity@2025"]
    m = summaries.moments(results, 1, names)
    part = table[table["scenario"] == "thz-shock"]
    np.testing.assert_allclose(m.mean, part[names].mean(), rtol=1e-12)
    np.testing.assert_allclose(m.deviation, part[names].std(), rtol=1e-10)
    assert list(m.least) == list(part[names].min())
    assert list(m.greatest) == list(part[names].max())
    r = summaries.correlations(results, names).loc["thz-shock"]
    for name in ("productivity_growth", "shocks.trade", "levers.talent"):
        for column in names:
            np.testing.assert_allclose(r.loc[name, column], part[name].corr(part[column]), atol=1e-10)
    assert r.loc["certified_growth_base"].notna().all()
    assert summaries.correlations(results, names).loc["thz-baseline"].loc["shocks.trade"].isna().all()  # it has no such input
    by = summaries.table(results, ["scenario", "levers.talent"], names)
    want = table.groupby(["scenario", "levers.talent"], observed=True)[names].agg(["count", "mean", "std", "min", "max"])
    assert list(by.index) == list(want.index)
    assert list(by["", "runs"]) == [300] * 4
    for name in names:
        np.testing.assert_allclose(by[name][["mean", "sd", "min", "max"]], want[name][["mean", "std", "min", "max"]], rtol=1e-10)


# ---------------------------------------------------------------- runs that left the finite numbers

def spoilt(setup, drawn, count, keep):
    """As the model, but fast-growing runs overflow in gdp, and some turn NaN on the way to a kept year."""
    found = runs.project(setup, drawn, count, keep)
    fast = drawn["productivity_growth"] > 0.015
    found["gdp"] = np.where(fast, np.inf, found["gdp"])
    found["rd_intensity"][7, drawn["productivity_growth"] < -0.003] = np.nan
    return found


def test_nonfinite_runs_are_kept_flagged_counted_and_left_out(tmp_path, monkeypatch):
    plan = plan_sweep("thz-baseline", points=400)
    outcome = sweeps.sweep(plan, tmp_path, pool=sweeps.serial(), chunk=150, kernel=spoilt)
    table = whole(tmp_path)
    growth = table["productivity_growth"]
    bad = (growth > 0.015) | (growth < -0.003)
    assert len(table) == 400
    assert outcome.nonfinite == bad.sum() > 10
    assert (table["finite"] == ~bad).all()
    assert np.isinf(table.loc[growth > 0.015, "gdp@2035"]).all()
    results = summaries.open_results(tmp_path)
    assert results.nonfinite == bad.sum()
    row = summaries.quantiles(results, [0.5], ["gdp@2035"]).iloc[0]
    assert row[0.5] == np.quantile(table.loc[~bad, "gdp@2035"], 0.5)
    assert {v.runs for v in summaries.verdicts(results, 0)} == {(~bad).sum()}
    found = summaries.summarise(tmp_path)
    assert (found["runs"], found["nonfinite_runs"]) == (400, bad.sum())
    assert [r["run"] for r in found["nonfinite"]] == list(table.loc[bad, "run"][:20])
    assert found["nonfinite"][0]["productivity_growth"] == growth[bad].iloc[0]
    monkeypatch.setenv("SIMULATE_LANG", "en")
    assert f"{bad.sum()} runs left the finite numbers" in CliRunner().invoke(cli.app, ["summarise", str(tmp_path)]).output


def lost(setup, drawn, count, keep):
    return {n: np.full_like(a, np.nan) for n, a in runs.project(setup, drawn, count, keep).items()}


def test_a_sweep_without_a_finite_run_is_summarised_as_such(tmp_path):
    sweeps.sweep(plan_sweep("thz-baseline", points=20, keep=["gdp"]), tmp_path, pool=sweeps.serial(), kernel=lost)
    found = summaries.summarise(tmp_path)
    assert (found["nonfinite_runs"], found["cases"][0]["finite_runs"]) == (20, 0)
    assert found["cases"][0]["indicators"]["gdp"]["years"] == dict.fromkeys(("2020", "2024", "2025", "2035"))
    assert found["cases"][0]["targets"] == []


# ---------------------------------------------------------------- what is refused

def test_a_broken_or_foreign_or_missing_file_is_never_read_as_data(tmp_path):
    plan = plan_sweep("thz-baseline", points=90, keep=["gdp"])
    sweeps.sweep(plan, tmp_path, pool=sweeps.serial(), chunk=30)
    first, second, third = (tmp_path / sweeps.part(k) for k in range(3))
    content = second.read_bytes()

    def refused(match, **options):
        with pytest.raises(InvalidInput, match=match):
            summaries.summarise(tmp_path, **options)

    second.write_bytes(content[:-100])
    refused(r"part-000001.parquet  is broken")
    flipped = bytearray(content)
    group = pq.read_metadata(first).row_group(0)
    column = next(group.column(k) for k in range(group.num_columns) if group.column(k).path_in_schema == "gdp@2035")
    flipped[column.data_page_offset + column.total_compressed_size - 100] ^= 8  # one bit of one number
    second.write_bytes(flipped)
    refused(r"part-000001.parquet  is broken")
    second.write_bytes(first.read_bytes())
    refused(r"part-000001.parquet  belongs to another sweep: its chunk differs")
    pq.write_table(pq.read_table(first).select(["run"]).replace_schema_metadata(None), second)
    refused(r"part-000001.parquet  is a Parquet file of something else")
    second.unlink()
    refused(r"unfinished: 1 of 3 files are missing")
    assert summaries.summarise(tmp_path, partial=True)["runs"] == 60
    second.write_bytes(content)
    (tmp_path / "more.parquet").write_bytes(content)
    refused(r"more.parquet  is not a file of this sweep")
    (tmp_path / "more.parquet").unlink()
    assert summaries.summarise(tmp_path)["runs"] == 90
    (tmp_path / "manifest.json").unlink()
    refused("holds no sweep")
    del third


def test_what_summaries_refuse(folder, tmp_path):
    results = summaries.open_results(folder)
    for call, message in [
        (lambda: summaries.quantiles(results, [1.5]), "1.5 is not between 0 and 1"),
        (lambda: summaries.quantiles(results, columns=["gpd@2035"]), "Did you mean 'gdp@2035'"),
        (lambda: summaries.table(results, ["levers.talnt"]), "Did you mean 'levers.talent'"),
        (lambda: summaries.table(results, ["gdp@2035"]), "kept no input 'gdp@2035'"),
    ]:
        with pytest.raises(InvalidInput, match=message):
            call()
    sweeps.sweep(plan_sweep("thz-baseline", points=5, keep=["gdp"], inputs=False), tmp_path, pool=sweeps.serial())
    with pytest.raises(InvalidInput, match="did not keep its inputs"):
        summaries.correlations(summaries.open_results(tmp_path))


def test_too_many_groups(folder, monkeypatch):
    monkeypatch.setattr(summaries, "GROUPS", 100)
    with pytest.raises(InvalidInput, match="more than 100 combinations"):
        summaries.table(summaries.open_results(folder), ["productivity_growth"], ["gdp@2035"])


# ---------------------------------------------------------------- command line

@pytest.mark.parametrize("lang", ["zh", "en"])
def test_the_command_line(folder, lang):
    done = CliRunner().invoke(cli.app, ["summarise", str(folder), "--lang", lang, "--by", "levers.talent", "--correlations",
                                        "--column", "gdp@2035"])
    assert done.exit_code == 0, done.output
    assert ("达标概率" if lang == "zh" else "P(reached)") in done.output
    assert "productivity_growth" in done.output
    done = CliRunner().invoke(cli.app, ["summarise", str(folder), "--json", "--quantile", "0.25", "--by", "scenario", "--correlations"])
    found = json.loads(done.stdout)
    assert found["runs"] == 1200
    gdp = found["cases"][0]["indicators"]["gdp"]
    table = whole(folder)
    assert gdp["years"]["2035"]["quantiles"] == {
        "0.25": np.quantile(table.loc[table["scenario"] == "thz-baseline", "gdp@2035"], 0.25)}
    assert found["table"][0]["runs"] == 600
    assert any(row["input"] == "productivity_growth" and row["gdp@2035"] > 0.5 for row in found["correlations"])


def test_the_manifest_alone_tells_the_targets(folder):
    held = {t["id"] for c in json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["cases"] for t in c["targets"]}
    assert held == {s.id for s in load_registry().targets("thz")}
    again = [summaries._statement(t) for t in json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["cases"][0]["targets"]]
    assert again == load_registry().targets("thz")
