"""`simulate model`: its options together, its messages, its files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

import simulate.cli_model
from simulate.cli import app
from simulate.region import LOOPS

assert simulate.cli_model  # importing it registers the command


def model(*arguments: object, code: int = 0) -> str:
    done = CliRunner().invoke(app, ["model", *map(str, arguments)])
    assert done.exit_code == code, done.output
    return done.output


def test_variables_are_listed_searched_and_filtered():
    every = json.loads(model("--json"))["variables"]
    assert f"{len(every)} variables; units agree." in model("--lang", "en")
    found = json.loads(model("--kind", "stock", "--json"))
    assert len(found["variables"]) == 19
    assert {x["name"] for x in found["loops"]} == {x.name for x in LOOPS}
    assert "1 variables; units agree." in model("human_capital_growth", "--lang", "en")
    assert "单位一致" in model("human_capital_growth", "--lang", "zh")


def test_loops_are_listed_with_their_signs():
    found = json.loads(model("--loops", "--json"))
    assert found["count"] == len(found["loops"]) > len(LOOPS)
    returns = next(x for x in found["loops"] if x["name"] == "diminishing returns")
    assert returns["polarity"] == "B"
    assert returns["zh"] == "资本报酬递减"
    assert returns["signs"] == ["-", "+", "+", "+", "+", "+"]
    for x in found["loops"]:
        if x["polarity"] != "U":
            assert x["polarity"] == ("B" if x["signs"].count("-") % 2 else "R")
    text = model("--loops", "migration", "--lang", "en")
    assert "labour_supply →- real_wage →+ migration" in text
    assert f"{found['count']} feedback loops" in text
    assert "人口迁移" in model("--loops", "迁移", "--lang", "zh")


def test_dominance_tells_the_missed_from_the_reached():
    found = json.loads(model("--dominance", "thz-talent-and-rd", "--runs", 40, "--target", "high_tech_enterprises", "--json"))
    assert found["target"]["runs_missed"] + found["target"]["runs_reached"] == 40
    assert found["target"]["runs_missed"] > 0 < found["target"]["runs_reached"]
    first = found["loops"][0]
    year = str(found["target"]["year"])
    assert set(first["years"][year]) == {"score", "leads", "missed", "reached"}
    assert 0 < found["coverage"] < 1
    # in each year one loop leads in each run
    main = [x for x in found["loops"] if x["partition"] == 0]
    assert sum(x["years"][year]["leads"] for x in main) == pytest.approx(1)
    assert {"capital", "knowledge", "certified_1"} <= {x["stock"] for x in found["stocks"]}
    text = model("--dominance", "thz-talent-and-rd", "--runs", 40, "--target", "high_tech_enterprises", "--lang", "zh")
    assert "未达标" in text and "达标" in text and "各存量由哪条回路主导" in text
    narrow = json.loads(model("--dominance", "thz-baseline", "--runs", 20, "--through", "capital", "--json"))
    assert {x["name"] for x in narrow["loops"]} >= {"diminishing returns", "depreciation"}
    assert all("capital" in x["variables"] for x in narrow["loops"])


@pytest.mark.parametrize("options", [
    ["--part", "ladder"], ["--which", "causal-loop"], ["--dominance", "thz-baseline", "--runs", "20", "--through", "capital"]])
def test_diagrams_are_written(options, tmp_path: Path):
    file = tmp_path / "diagram.svg"
    assert f"written: {file}" in model("--diagram", file, *options, "--lang", "en").replace("\n", "")
    assert file.stat().st_size > 10_000
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize(("arguments", "what", "remedy"), [
    (["--diagram", "model.pdf"], "written as SVG or PNG", ".svg or .png"),
    (["--diagram", "nowhere/model.svg"], "no such folder", "Make it first"),
    (["--diagram", "m.svg", "--which", "flows"], "--which: there is no diagram 'flows'", "stock-flow"),
    (["--diagram", "m.svg", "--which", "dominance"], "--which dominance: it needs a scenario", "--dominance SCENARIO"),
    (["--diagram", "m.svg", "--part", "labor"], "no part 'labor'", "labour"),
    (["--diagram", "m.svg", "--which", "loops", "--part", "labour"], "--part: only the stock-and-flow diagram", "--which stock-flow"),
    (["--which", "loops"], "--which: it needs a file", "--diagram FILE.svg"),
    (["--part", "labour"], "--part: it needs a file", "--diagram FILE.svg"),
    (["--runs", "5"], "--runs: it needs a scenario", "--dominance SCENARIO"),
    (["--target", "gdp"], "--target: it needs a scenario", "--dominance SCENARIO"),
    (["--page", "model.html"], "written as Markdown", ".md"),
    (["--page", "nowhere/model.md"], "no such folder", "Make it first"),
    (["--loops", "captial"], "no loop is called 'captial'", "capital"),
    (["--dominance", "thz-basline"], "there is no 'thz-basline'", "thz-baseline"),
    (["--dominance", "thz-baseline", "--runs", "0"], "runs: 0 is not at least 1", "whole number"),
    (["--dominance", "thz-baseline", "--runs", "100000"], "would need some 20 GB", "at most 20000"),
    (["--dominance", "thz-baseline", "--runs", "5", "--target", "gdb"], "no target of 'gdb'", "gdp"),
    (["--dominance", "thz-baseline", "--runs", "5", "--through", "captial"], "passes through 'captial'", "capital"),
    (["--kind", "stocks"], "--kind: 'stocks'", "stock"),
    (["--lang", "fr"], "lang: 'fr'", "zh or en")])
def test_wrong_input_gets_one_message_and_exit_code_2(arguments, what, remedy, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = model(*arguments, code=2)
    assert what in text
    assert remedy in text
    assert "Traceback" not in text
    assert list(tmp_path.iterdir()) == []
