"""The page docs/adding-a-plan.md is carried out as written: its files, its commands."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "adding-a-plan.md").read_text(encoding="utf-8")


@pytest.fixture
def folder(tmp_path):
    for block in re.findall(r"```yaml\n(.*?)```", PAGE, flags=re.S):
        name = re.match(r"# file: (\S+)", block)[1]
        (tmp_path / name).write_text(block, encoding="utf-8")
    return tmp_path


def simulate(folder, *arguments):
    return subprocess.run([sys.executable, "-m", "simulate", *arguments], cwd=folder, capture_output=True, text=True, encoding="utf-8")


def test_the_commands_of_the_page_run(folder):
    commands = [line.split() for block in re.findall(r"```sh\n(.*?)```", PAGE, flags=re.S) for line in block.splitlines()]
    assert len(commands) == 3
    for command in commands:
        done = simulate(folder, *command[1:])
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
    assert (folder / "results" / "riverport" / "result.json").is_file()


def test_the_plan_is_judged_from_its_own_base_year(folder):
    done = simulate(folder, "run", "riverport-plan.yaml", "--data", "riverport.yaml", "--json")
    answer = json.loads(done.stdout)
    assert answer["region"] == "riverport"
    assert answer["provenance"]["base_year"] == 2025
    assert answer["indicators"]["gdp"]["years"]["2030"]["target"]["value"] == 1250
    assert answer["indicators"]["gdp"]["years"]["2035"]["target"] is None
    shipbuilding = next(t for t in answer["targets"] if t["indicator"] == "cluster_revenue_shipbuilding")
    assert 0 <= shipbuilding["probability"] <= 1
    investment = next(t for t in answer["targets"] if t["indicator"] == "fixed_asset_investment")
    assert investment["median"] == pytest.approx(1600)  # the path is imposed


def test_a_missing_input_is_named_with_its_remedy(folder):
    plan = folder / "riverport.yaml"
    plan.write_text(re.sub(r"  - \{indicator: market_entities.*\n", "", plan.read_text(encoding="utf-8")), encoding="utf-8")
    done = simulate(folder, "run", "riverport-plan.yaml", "--data", "riverport.yaml")
    assert done.returncode == 2
    assert "no document states 'market_entities' for 2025" in done.stderr
    assert "assumptions:" in done.stderr
    assert "Traceback" not in done.stderr


def test_new_plan_writes_a_template_that_loads_and_never_overwrites(tmp_path):
    assert simulate(tmp_path, "new-plan", "mine.yaml").returncode == 0
    done = simulate(tmp_path, "check", "exampleton", "--data", "mine.yaml", "--json")
    assert done.returncode == 0, done.stderr
    growth = {row["indicator"]: row["implied_growth_percent"] for row in json.loads(done.stdout)["implied"]}
    assert growth["gross_industrial_output"] == pytest.approx(100 * ((2900 / 2100) ** 0.2 - 1))
    before = (tmp_path / "mine.yaml").read_bytes()
    again = simulate(tmp_path, "new-plan", "mine.yaml")
    assert again.returncode == 2
    assert "exists already" in again.stderr
    assert (tmp_path / "mine.yaml").read_bytes() == before
