"""The command line as its users meet it: whole processes, their output, files and exit codes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def simulate(*arguments, cwd=None, **environment):
    env = {**os.environ, "SIMULATE_LANG": "en", "PYTHONWARNINGS": "error", **environment}
    return subprocess.run([sys.executable, "-m", "simulate", *map(str, arguments)], cwd=cwd, capture_output=True, text=True,
                          encoding="utf-8", env=env)


def answer(*arguments, **options):
    done = simulate(*arguments, **options)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_run_prints_one_json_object_of_the_agreed_form():
    found = answer("run", "thz-baseline", "--runs", 50, "--json")
    assert set(found) >= {"region", "scenario", "runs", "nonfinite_runs", "provenance", "indicators"}
    assert (found["region"], found["scenario"], found["runs"], found["nonfinite_runs"]) == ("thz", "thz-baseline", 50, 0)
    assert list(found["indicators"]) == ["gdp", "gross_industrial_output", "high_tech_enterprises", "rd_intensity"]
    for id, unit in (("gdp", "亿元"), ("gross_industrial_output", "亿元"), ("high_tech_enterprises", "家"), ("rd_intensity", "%")):
        cell = found["indicators"][id]
        assert cell["unit"] == unit
        assert list(cell["years"]) == ["2025", "2035"]
        for year in cell["years"].values():
            assert year["p05"] <= year["median"] <= year["p95"]
    target = found["indicators"]["high_tech_enterprises"]["years"]["2025"]
    assert (target["target"]["value"], target["target"]["sense"]) == (2500, "equal")
    assert 0 <= target["probability"] <= 1
    assert found["indicators"]["gdp"]["years"]["2035"]["target"] is None
    provenance = found["provenance"]
    assert provenance["seed"] == 20210601
    assert {i["input"]: i["grade"] for i in provenance["unstated_inputs"]} == {"gdp_base": "derived"}
    assert all(len(digest) == 64 for digest in provenance["inputs_sha256"].values())


def test_the_default_run_needs_no_argument_and_seed_decides_the_draws():
    first, again, other = (answer("run", "--runs", 20, "--seed", seed, "--json") for seed in (0, 0, 1))
    assert first == again
    assert first["indicators"] != other["indicators"]


def test_run_writes_its_files_and_nothing_half_written(tmp_path):
    done = simulate("run", "teda-plan", "--runs", 40, "--out", tmp_path / "new" / "out", "--lang", "zh")
    assert done.returncode == 0, done.stderr
    assert "天津经开区" in done.stdout
    files = {f.name for f in (tmp_path / "new" / "out").iterdir()}
    assert files == {"trajectories.parquet", "trajectories.csv", "result.json", "headline.png", "attainment.png", "gdp.png",
                     "gross_industrial_output.png", "high_tech_enterprises.png", "rd_intensity.png"}
    import pyarrow.parquet as pq

    table = pq.read_table(tmp_path / "new" / "out" / "trajectories.parquet")
    assert table.num_rows == 40 * 16
    assert table.schema.field("gdp").metadata[b"unit"].decode() == "亿元"
    written = json.loads((tmp_path / "new" / "out" / "result.json").read_text(encoding="utf-8"))
    assert written["scenario"] == "teda-plan"
    lines = (tmp_path / "new" / "out" / "trajectories.csv").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 40 * 16 + 1


def test_a_region_alone_runs_its_own_scenario_and_a_scenario_can_be_moved():
    assert answer("run", "--region", "tianjin", "--runs", 5, "--json")["scenario"] == "tianjin-baseline"
    moved = answer("run", "thz-shock", "--region", "teda", "--runs", 5, "--json")
    assert (moved["region"], moved["scenario"]) == ("teda", "thz-shock@teda")


def test_all_shows_every_projected_target():
    done = simulate("run", "thz-baseline", "--runs", 20, "--all")
    assert "Eaglet enterprises" in done.stdout
    assert "biomedicine" in done.stdout


@pytest.mark.parametrize("command", [
    ["scenarios"], ["regions"], ["indicators"], ["model"], ["targets", "--region", "thz"], ["measures"], ["explain", "gdp"],
    ["check", "thz"], ["implied", "thz", "gdp", "2020"], ["repair", "teda"], ["identities"],
    ["what-if", "teda", "--set", "invention_patents_per_10k_people@2025=150"]])
def test_every_command_speaks_json_and_tables_in_both_languages(command):
    assert answer(*command, "--json")
    shown = simulate(*command)
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.strip()
    if command != ["model"]:
        chinese = simulate(*command, "--lang", "zh")
        assert chinese.returncode == 0, chinese.stderr


def test_check_puts_the_headline_claim_in_threshold_form():
    found = answer("check", "thz", "--json")
    claim = next(t for t in found["thresholds"] if t["indicator"] == "gdp")
    assert claim["base_needed"] == pytest.approx(1000 / 1.1**5)
    assert claim["base_stated"] is None
    assert claim["base_implied_low"] == pytest.approx(0.18 * 718.245 / 0.265)
    assert claim["base_implied_high"] == pytest.approx(1050 / 1.1**5)
    assert claim["base_needed_at_current_prices"]["1.5 %"] == pytest.approx(1000 / (1.1 * 1.015) ** 5)
    text = simulate("check", "thz").stdout
    assert "620.9" in text
    assert "No document states that base" in text
    growth = {r["indicator"]: r["implied_growth_percent"] for r in found["implied"] if r["when"] == "2025"}
    assert growth["gross_industrial_output"] == pytest.approx(100 * ((1200 / 718.25) ** 0.2 - 1))
    flow = next(r for r in found["implied"] if r["indicator"] == "fixed_asset_investment")["implied_growth_percent"] / 100
    assert sum(140.62 * (1 + flow) ** k for k in range(1, 6)) == pytest.approx(937)


def test_check_gives_a_verdict_with_its_certificate_and_strict_exits_with_1():
    done = simulate("check", "thz", "--strict", "--json")
    assert done.returncode == 1
    found = json.loads(done.stdout)
    assert found["verdict"] == "inconsistent"
    assert {"region", "verdict", "readings", "conflicts", "witness"} <= set(found)
    clusters = next(c for c in found["conflicts"] if any(s["indicator"] == "services_revenue" for s in c["statements"]))
    assert clusters["dissolves_if"]
    for row in clusters["statements"]:
        assert {"id", "indicator", "year", "side", "value", "unit", "source"} <= set(row)
        assert row["side"] in ("at_least", "at_most")
    assert simulate("check", "nidz", "--strict").returncode == 0
    assert "deflator" in simulate("implied", "thz", "deflator_growth", "mean:2021-2025").stdout  # in no document: identities bring it in
    low, high = (answer("implied", "thz", "gdp", "2020", "--json")[0][end] for end in ("low", "high"))
    assert (low, high) == (pytest.approx(0.18 * 718.245 / 0.265, rel=1e-4), pytest.approx(1050 / 1.1**5, rel=1e-4))


def test_what_if_shows_a_conflict_dissolve():
    found = answer("what-if", "teda", "--set", "invention_patents_per_10k_people@2025=240", "--json")
    assert found["before"]["verdict"] == "inconsistent"
    assert found["dissolved"]


def test_targets_as_csv_reads_back_with_a_csv_reader():
    import csv

    done = simulate("targets", "--region", "tianjin", "--role", "target", "--format", "csv")
    rows = list(csv.DictReader(done.stdout.splitlines()))
    assert {"indicator", "region", "year", "value", "unit", "sense", "role", "locus", "section", "row"} <= set(rows[0])
    assert {r["role"] for r in rows} == {"target"}
    assert any(r["indicator"] == "high_tech_enterprises" and r["value"] == "11600" for r in rows)


def test_conflicts_name_the_value_in_use_and_the_reason():
    rows = {(r["indicator"], r["value"]): r for r in answer("targets", "--conflicts", "--json")}
    assert rows["strategic_industry_share", 51.5]["used"]
    assert not rows["strategic_industry_share", 47]["used"]
    assert rows["rd_intensity", 3.2]["why"]
    assert not rows["rd_intensity", 3.28]["used"]


def test_measures_of_a_lever():
    assert [m["number"] for m in answer("measures", "--lever", "talent", "--json")] == [23, 24, 25]
    assert len([m for m in answer("measures", "--json") if m["kind"] == "measure"]) == 25


BAD = [
    (["run", "thz-basline"], "there is no 'thz-basline'", "thz-baseline"),
    (["run", "--region", "tdea"], "region: 'tdea' is not known", "teda"),
    (["run", "--runs", "0"], "runs: 0 is not at least 1", "whole number"),
    (["run", "--seed", "-1", "--runs", "5"], "seed: -1 is negative", "from 0 on"),
    (["run", "--lang", "fr"], "lang: 'fr'", "zh or en"),
    (["run", "--data", "nowhere.yaml"], "no such file or folder", "Check the path"),
    (["run", "nidz-baseline", "--region", "thz"], "horizon: 2020 is not after the base year 2020", "later year"),
    (["check", "atlantis"], "region: 'atlantis' is not known", "thz"),
    (["explain", "gpd"], "indicator: 'gpd' is not in the catalogue", "gdp"),
    (["targets", "--role", "goal"], "--role: 'goal' is not known", "target"),
    (["targets", "--format", "xml"], "--format: 'xml' is not known", "csv"),
    (["measures", "--lever", "talents"], "there is no lever 'talents'", "talent"),
    (["model", "--kind", "stocks"], "--kind: 'stocks'", "stock"),
    (["check"], "name one region, or --all", "Regions"),
    (["check", "thz", "--reading", "ceiling"], "--reading: 'ceiling'", "floor"),
    (["what-if", "thz", "--set", "gdp"], "--set: 'gdp' is not understood", "gdp@2025=900"),
    (["export", "xmile", "thz-plan", "--out", "plan.pdf"], "plan.pdf does not end in", "xmile"),
    (["new-plan", "nowhere/plan.yaml"], "is not a folder", "Make it first"),
]


@pytest.mark.parametrize(("command", "what", "remedy"), BAD, ids=[" ".join(b[0]) for b in BAD])
def test_bad_input_gets_one_message_a_remedy_and_exit_code_2(command, what, remedy, tmp_path):
    done = simulate(*command, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert what in done.stderr
    assert remedy in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_faulty_scenario_is_reported_with_all_its_faults_and_places(tmp_path):
    text = "region: thz\nhorizon: 2035\nlevers:\n  rd_suport: {level: 1, start: 2026}\nruns: 0\n"
    (tmp_path / "bold.yaml").write_text(text, encoding="utf-8")
    done = simulate("run", "bold.yaml", "--out", "out", cwd=tmp_path)
    assert done.returncode == 2
    assert "bold.yaml:4:3  levers.rd_suport: no such lever." in done.stderr
    assert "Did you mean 'rd_support'?" in done.stderr
    assert "bold.yaml:5:7  runs: 0" in done.stderr
    assert not (tmp_path / "out").exists()


def test_out_that_is_a_file_is_refused_before_anything_runs(tmp_path):
    (tmp_path / "out").write_text("mine", encoding="utf-8")
    done = simulate("run", "--runs", 5, "--out", "out", cwd=tmp_path)
    assert done.returncode == 2
    assert (tmp_path / "out").read_text(encoding="utf-8") == "mine"


def test_wrong_usage_exits_with_2():
    assert simulate("run", "--no-such-option").returncode == 2
    assert simulate("nonsense").returncode == 2
