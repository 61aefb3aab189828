"""Scenarios: every bad file with its messages, and what a scenario takes from the one it extends."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from simulate import documents
from simulate.errors import InvalidInput
from simulate.parameters import LEVERS
from simulate.region import regional_model
from simulate.registry import load_registry
from simulate.scenarios import LeverSetting, Scenario, default_scenario, find, list_scenarios, load_scenario, parameter_and_element
from simulate.setups import resolve

HEAD = """\
region: thz
horizon: 2030
"""

BAD: dict[str, tuple[str, list[str]]] = {
    "lever": (
        HEAD + "levers: {rd_suport: {level: 1}, talent: {level: 1.2, start: 20255, ramp: -1}}\n",
        ["3:10 levers.rd_suport: no such lever. | Did you mean 'rd_support'? Levers: …",
         "3:49 levers.talent.level: 1.2 is not between 0 (none) and 1 (full). | Give a share of full strength.",
         "3:61 levers.talent.start: 20255 is not a date in a year of four digits. | Write it like 2025, or "
         "2025.5 for the middle of the year.",
         "3:74 levers.talent.ramp: -1 is negative. | Give the years until full strength, 0 for at once."]),
    "param": (
        HEAD + "parameters: {rd_lagg: 1, capital_share: 1.5, rd_lag: 0, 'rd_lag[industry]': 1, base_year: "
               "2019, sector_share: 0.3, 'capital_share[a b]': 1, renewal_share: -0.1, productivity_growth: "
               "0.9, gdp_base: 0, zzz: 1}\nuncertainties: {deprecation_rate: {uniform: [0, 1]}, rd_lag: {normal: "
               "[1, 2]}, utilisation_base: {lognormal: [1, 1000]}}\n",
        ["3:14 parameters.rd_lagg: the model has no such parameter. | Did you mean 'rd_lag'?",
         "3:41 parameters.capital_share: 1.5 is not between 0.1 and 0.8. | Output elasticity of capital; default …",
         "3:54 parameters.rd_lag: 0 is not between 0.25 and 20 [year]. | Lag from R&D to usable knowledge; default …",
         "3:57 parameters.rd_lag[industry]: rd_lag is one number, not one for each sector or cluster. | Write rd_lag.",
         "3:80 parameters.base_year: it follows from the region's description. | Change the region in a seed file.",
         "3:97 parameters.sector_share: it is one number for each sector. | Name the sector: sector_share[…].",
         "3:116 parameters.capital_share[a b]: the model has no such parameter. | Did you mean 'capital_share' "
         "or 'capital_formation_share'?",
         "3:156 parameters.renewal_share: -0.1 is not between 0 and 1. | Expired certificates renewed; default …",
         "3:183 parameters.productivity_growth: 0.9 is not between -0.05 and 0.05 [1/year]. | Exogenous growth "
         "of total factor productivity; default …",
         "3:198 parameters.gdp_base: 0 is not above 0 [CNY100M/year]. | Base-year GDP; the region supplies it.",
         "3:201 parameters.zzz: the model has no such parameter. | `simulate model` lists all.",
         "4:17 uncertainties.deprecation_rate: the model has no such parameter. | Did you mean 'depreciation_rate' "
         "or 'deregistration_rate' or 'recognition_rate'?",
         "4:62 uncertainties.rd_lag: it reaches -5.18046, which is not between 0.25 and 20 [year]. | Lag from R&D to "
         "usable knowledge; default …",
         "4:98 uncertainties.utilisation_base: it reaches 0, which is not between 0.2 and 1.5. | Capacity utilisation "
         "in the base year, relative to normal; default …"]),
    "paths": (
        HEAD + "paths:\n  gpd: {from_plan: true}\n  rd_intensity: {}\n  gdp: {total: 100}\n  fixed_asset_investment: "
               "{total: 100, values: {2021: 1}, period: [2021, 2025]}\n  market_entities: {total: -1, period: "
               "[2025, 2021]}\n  labour_supply_growth: {values: {}}\n  employment: {values: {202: 1}, unit: "
               "家}\n  rd_expenditure: {values: {2021: 5}, unit: '%'}\n",
        ["4:3 paths.gpd: the model computes no such variable. | Did you mean 'gdp'?",
         "5:17 paths.rd_intensity: a path is given in exactly one form. | Write values: {2021: …}, or total: "
         "with period: [2021, 2025], or from_plan: true.",
         "6:8 paths.gdp: a cumulative total needs its period, and a period its total. | Write total: 937 "
         "and period: [2021, 2025].",
         "7:27 paths.fixed_asset_investment: a path is given in exactly one form. | Write values: {2021: "
         "…}, or total: with period: [2021, 2025], or from_plan: true.",
         "8:3 paths.market_entities: a stock follows from its flows. | Give a path to one of them: registrations, deregistrations.",
         "8:28 paths.market_entities.total: -1 is not above 0. | Give the sum over the period.",
         "8:40 paths.market_entities.period: [2025, 2021] is not a first and a last year. | Write period: [2021, 2025].",
         "9:34 paths.labour_supply_growth.values: no year is given. | Write values: {2021: …, 2025: …}.",
         "10:24 paths.employment.values: 202 is not a date in a year of four digits. | Write it like 2025, "
         "or 2025.5 for the middle of the year.",
         "11:45 paths.rd_expenditure.unit: '%' does not fit CNY100M/year. | Leave unit out, or write CNY100M/year."]),
    "paths2": (
        HEAD + "paths:\n  labour_supply_growth: {total: 5, period: [2021, 2025]}\n  gdp: {values: {2021: "
               "-5}, unit: 亿圆}\n  completion: {total: 5, period: [2021, 2025]}\n  rd_expenditure: {values: "
               "{2021: 5}, unit: furlong}\n  high_tech_enterprises: {period: [2021]}\n",
        ["4:33 paths.labour_supply_growth.total: a cumulative total needs a variable with a base-year value "
         "to grow from. | Give values: by year instead.",
         "5:24 paths.gdp.values.2021: -5 is below 0. | gdp cannot be negative.",
         "5:35 paths.gdp.unit: '亿圆' is not in the unit vocabulary. | Did you mean '亿吨' or '亿元'?",
         "6:23 paths.completion.total: a cumulative total needs a variable with a base-year value to grow "
         "from. | Give values: by year instead.",
         "7:45 paths.rd_expenditure.unit: 'furlong' does not fit CNY100M/year. | Leave unit out, or write CNY100M/year.",
         "8:26 paths.high_tech_enterprises: a path is given in exactly one form. | Write values: {2021: …}, "
         "or total: with period: [2021, 2025], or from_plan: true.",
         "8:26 paths.high_tech_enterprises: a cumulative total needs its period, and a period its total. "
         "| Write total: 937 and period: [2021, 2025].",
         "8:35 paths.high_tech_enterprises.period: [2021] is not a first and a last year. | Write period: [2021, 2025]."]),
    "shock": (
        HEAD + "shocks: {covid: {start: 2020, size: 1.0}, b: {start: 2020, size: -0.1, duration: 0}, c: {start: "
               "99999, size: 0.1, on: demand}, d: null}\n",
        ["3:37 shocks.covid.size: 1 is not a share from 0 to below 1. | 0.03 loses 3 %.",
         "3:66 shocks.b.size: -0.1 is not a share from 0 to below 1. | 0.03 loses 3 %.",
         "3:82 shocks.b.duration: 0 is not above 0. | Give years; 1 spreads the loss over a year.",
         "3:119 shocks.c.on: 'demand' is not allowed. | Allowed: investment, utilisation.",
         "3:128 shocks.d: there is no such shock to take away. | Inherited: none."]),
    "dist": (
        HEAD + "uncertainties:\n  rd_lag: {}\n  renewal_share: {uniform: [1, 0]}\n  capital_share: {triangular: "
               "[0.3, 0.2, 0.6]}\n  hiring_time: {normal: [1, 0]}\n  recovery_time: {lognormal: [-1, 0.1]}\n"
               "  construction_time: {beta: [0, 1, 1, 2]}\n  wage_response: {choice: []}\n  firm_rd_elasticity: "
               "{uniform: [1, 2], normal: [1, 2]}\n  rd_real_share: {uniform: [0.1]}\n  entry_elasticity: "
               "{lognormal: [1, -0.1]}\n  certified_rd_share: {beta: [1, 2, 3]}\n  budget_elasticity: {uniform: "
               "5}\n",
        ["4:11 uncertainties.rd_lag: exactly one distribution must be named here. | Write one of uniform: "
         "[low, high], triangular: [low, mode, high], normal: [mean, sd], …",
         "5:28 uncertainties.renewal_share.uniform: low 1 is not below high 0. | Write [low, high].",
         "6:31 uncertainties.capital_share.triangular: the numbers must rise: low <= mode <= high. | Write [low, mode, high].",
         "7:25 uncertainties.hiring_time.normal: the spread 0 must be above 0. | Write [centre, spread].",
         "8:30 uncertainties.recovery_time.lognormal: the median -1 must be above 0. | Write [median, sigma].",
         "9:29 uncertainties.construction_time.beta: a and b must be above 0, and low below high. | Write [a, b, low, high].",
         "10:18 uncertainties.wage_response: exactly one distribution must be named here. | Write one of "
         "uniform: [low, high], triangular: [low, mode, high], normal: [mean, sd], …",
         "11:23 uncertainties.firm_rd_elasticity: exactly one distribution must be named here. | Write one "
         "of uniform: [low, high], triangular: [low, mode, high], normal: [mean, sd], …",
         "12:28 uncertainties.rd_real_share.uniform: 1 numbers given, 2 needed. | Write uniform: [low, high], "
         "triangular: [low, mode, high], normal: [mean, sd], lognormal: …",
         "13:33 uncertainties.entry_elasticity.lognormal: the spread -0.1 must be above 0. | Write [centre, spread].",
         "14:30 uncertainties.certified_rd_share.beta: 3 numbers given, 4 needed. | Write uniform: [low, "
         "high], triangular: [low, mode, high], normal: [mean, sd], lognormal: …",
         "15:32 uncertainties.budget_elasticity.uniform: a list is needed here, not 5. | Write [a, b, …] "
         "or one item per line with '- '."]),
    "unset": (
        HEAD + "levers: {talent: {level: 1}}\nuncertainties: {levers.talnt: {uniform: [0, 1]}, levers.talent: "
               "{uniform: [0, 1.5]}, shocks.covid: {uniform: [0, 0.1]}}\n",
        ["4:17 uncertainties.levers.talnt: the scenario sets no such lever. | Did you mean 'talent'? Set: talent.",
         "4:50 uncertainties.levers.talent: uniform [0, 1.5] does not lie between 0 and 1. | Give a range "
         "of strengths (levers) or of shares lost (shocks).",
         "4:86 uncertainties.shocks.covid: the scenario sets no such shock. | Set: none."]),
    "runs": (
        HEAD + "runs: 0\nseed: -1\nsteps_per_year: 0\n",
        ["3:7 runs: 0 is not between 1 and 100,000,000. | Give a number of runs; 2000 is usual.",
         "4:7 seed: -1 is negative. | Give a whole number from 0 on.",
         "5:17 steps_per_year: 0 is not between 1 and 1024. | 4 is exact enough with rk4, 16 with euler."]),
    "runs2": (
        HEAD + "runs: 1000000001\nsteps_per_year: 5000\nreport_years: [2040, 203]\n",
        ["3:7 runs: 1000000001 is not between 1 and 100,000,000. | Give a number of runs; 2000 is usual.",
         "4:17 steps_per_year: 5000 is not between 1 and 1024. | 4 is exact enough with rk4, 16 with euler.",
         "5:1 report_years: 2040 lies after the horizon 2030. | Move the horizon, or drop the year.",
         "5:15 report_years: 203 is not a year of four digits. | Write it like 2035."]),
    "missing": (
        "runs: 5\n",
        ["1:1 'region' is missing. | Add region: …, or extends: a scenario that has it.",
         "1:1 'horizon' is missing. | Add horizon: …, or extends: a scenario that has it."]),
    "missing2": (
        "region: thz\nhorizon: soon\n",
        ["2:10 horizon: 'soon' is not a whole number. | Write a plain whole number, without unit, separators or quotes."]),
    "years": (
        "region: thz\nhorizon: 20350\nreport_years: [2025]\n",
        ["2:10 horizon: 20350 is not a year of four digits. | Write it like 2035."]),
    "mixed": (
        "region: thz\nhorizon: soon\nlevers: {rd_suport: {level: 1}, talent: {levl: 1}}\nruns: 0\nparameters: "
        "{rd_lagg: 1}\nuncertainties: {levers.talent: {uniform: [0, 1]}}\n",
        ["2:10 horizon: 'soon' is not a whole number. | Write a plain whole number, without unit, separators or quotes.",
         "3:10 levers.rd_suport: no such lever. | Did you mean 'rd_support'? Levers: …",
         "3:42 levers.talent.levl: no such key. | Did you mean 'level'? Keys: level, ramp, start.",
         "4:7 runs: 0 is not between 1 and 100,000,000. | Give a number of runs; 2000 is usual.",
         "5:14 parameters.rd_lagg: the model has no such parameter. | Did you mean 'rd_lag'?"]),
}
"""A scenario file, and each message it gets: line:column, what | remedy. A final " …" stands for more of a text."""


def matches(found: list[str], expected: list[str]) -> bool:
    """Whether the messages are those expected."""
    return len(found) == len(expected) and all(
        f.startswith(e[:-1]) if e.endswith(" …") else f == e for f, e in zip(found, expected, strict=True))


def write(folder: Path, **files: str) -> Path:
    """Write scenario files; return the last."""
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text)
    return folder / f"{name}.yaml"


def problems(file: Path) -> list[str]:
    """What is wrong with a scenario, each problem as [file:]line:column what | remedy (the file itself is not named)."""
    with pytest.raises(InvalidInput) as caught:
        load_scenario(file)
    return [f"{p.where} {p.what} | {p.remedy}".replace(f"{file}:", "").replace(f"{file.parent}/", "") for p in caught.value.problems]


@pytest.mark.parametrize("name", BAD)
def test_every_message_with_its_place(name: str, tmp_path: Path) -> None:
    text, expected = BAD[name]
    found = problems(write(tmp_path, bad=text))
    assert matches(found, expected), "\n".join(found)


# --- extends


def test_an_unknown_scenario_to_extend(tmp_path: Path) -> None:
    assert problems(write(tmp_path, bad="extends: thz-baselin\nruns: 0\n"))[0].startswith(
        "1:10 scenario: there is no 'thz-baselin', neither as a file nor by name. | Did you mean 'thz-baseline'")


@pytest.mark.parametrize("name", ["x" * 3000, "a\\0b", "folder", ""], ids=["long", "nul", "folder", "empty"])
def test_a_name_that_is_no_file(name: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    [found] = problems(write(tmp_path, bad=f'extends: "{name}"\n'))
    assert found.startswith("1:10 scenario: there is no ")


def test_a_scenario_that_is_nowhere() -> None:
    with pytest.raises(InvalidInput, match=r"there is no 'thz-plam', neither as a file nor by name\.\n    Did you mean 'thz-plan'"):
        load_scenario("thz-plam")


@pytest.mark.parametrize(("files", "expected"), [
    ({"a": "extends: a"}, ["1:10 extends: the scenarios extend each other in a circle: a -> a. | Let one of them stand alone."]),
    ({"c": "extends: a", "b": "extends: ./c.yaml", "a": "extends: b"},
     ["c.yaml:1:10 extends: the scenarios extend each other in a circle: a -> b -> c -> a. | Let one of them stand alone."]),
    ({"b": "extends: folder/../a.yaml", "a": "extends: folder/../b.yaml"},  # the path grows with every turn
     ["folder/../b.yaml:1:10 extends: the scenarios extend each other in a circle: a -> b -> a. | Let one of them stand alone."]),
], ids=["itself", "three", "through a folder"])
def test_circles(files: dict[str, str], expected: list[str], tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    assert problems(write(tmp_path, **files)) == expected


def test_problems_of_the_whole_chain_are_told_at_once(tmp_path: Path) -> None:
    write(tmp_path, base="region: thz\nhorizon: soon\nruns: 0\n")
    found = problems(write(tmp_path, mine="extends: base\nlevers: {talnt: {level: 2}}\nparameters: {rd_lagg: high}\npaths: {gpd: {}}\n"))
    assert matches(found, [
        "2:10 levers.talnt: no such lever. | Did you mean 'talent'? Levers: …",
        "2:25 levers.talnt.level: 2 is not between 0 (none) and 1 (full). | Give a share of full strength.",
        "3:14 parameters.rd_lagg: the model has no such parameter. | Did you mean 'rd_lag'?",
        "3:23 parameters.rd_lagg: 'high' is not a number. | Write a plain number: …",
        "4:9 paths.gpd: the model computes no such variable. | Did you mean 'gdp'?",
        "4:14 paths.gpd: a path is given in exactly one form. | Write values: …",
        "base.yaml:2:10 horizon: 'soon' is not a whole number. | Write a plain whole number, without unit, separators or quotes.",
        "base.yaml:3:7 runs: 0 is not between 1 and 100,000,000. | Give a number of runs; 2000 is usual."])


BASE = """\
region: thz
horizon: 2030
report_years: [2025, 2030]
runs: 100
seed: 5
default: true
levers: {talent: {level: 0.5, start: 2021}, green: {level: 1, start: 2021}}
shocks: {covid: {start: 2020, size: 0.03}, trade: {start: 2025, size: 0.02}}
parameters: {rd_lag: 2, hiring_time: 1}
uncertainties:
  renewal_share: {uniform: [0.6, 0.9]}
  recovery_time: {uniform: [1, 2]}
  levers.talent: {uniform: [0.4, 0.6]}
  shocks.covid: {uniform: [0.02, 0.04]}
paths: {rd_intensity: {from_plan: true}}
"""


def child(folder: Path, text: str) -> Scenario:
    return load_scenario(write(folder, base=BASE, mine="extends: base\n" + text))


def test_a_child_takes_what_it_does_not_say(tmp_path: Path) -> None:
    base, mine = load_scenario(write(tmp_path, base=BASE)), child(tmp_path, "runs: 7\n")
    assert (mine.id, mine.runs, mine.seed, mine.region, mine.horizon, mine.report_years) == ("mine", 7, 5, "thz", 2030, (2025, 2030))
    assert (mine.levers, mine.shocks, mine.parameters, mine.uncertainties, mine.paths) == (
        base.levers, base.shocks, base.parameters, base.uncertainties, base.paths)
    assert (base.default, mine.default) == (True, False)
    assert set(mine.digests) == {"base.yaml", "mine.yaml"}


def test_a_childs_value_ends_the_parents_uncertainty(tmp_path: Path) -> None:
    mine = child(tmp_path, "parameters: {renewal_share: 0.7}\n")
    assert mine.parameters["renewal_share"] == 0.7
    assert "renewal_share" not in mine.uncertainties
    assert "recovery_time" in mine.uncertainties


def test_a_childs_uncertainty_ends_the_parents_value(tmp_path: Path) -> None:
    mine = child(tmp_path, "uncertainties: {rd_lag: {uniform: [1, 3]}}\n")
    assert "rd_lag" not in mine.parameters
    assert mine.uncertainties["rd_lag"].numbers == (1, 3)
    assert mine.parameters == {"hiring_time": 1}


def test_a_childs_lever_ends_the_parents_uncertainty_of_it(tmp_path: Path) -> None:
    mine = child(tmp_path, "levers: {talent: {level: 0.9}}\nshocks: {covid: {start: 2022, size: 0.1}}\n")
    assert mine.levers["talent"] == LeverSetting(level=0.9)
    assert not [key for key in mine.uncertainties if "." in key]
    again = child(tmp_path, "levers: {talent: {level: 0.9}}\nuncertainties: {levers.talent: {uniform: [0.8, 1]}}\n")
    assert again.uncertainties["levers.talent"].numbers == (0.8, 1)


def test_null_takes_away_what_is_inherited_and_nothing_else(tmp_path: Path) -> None:
    mine = child(tmp_path, "levers: {talent: null}\nshocks: {covid: ~}\nparameters: {rd_lag: }\nuncertainties: {renewal_share: null}\n"
                           "paths: {rd_intensity: null}\n")
    assert (set(mine.levers), set(mine.shocks), set(mine.parameters), set(mine.uncertainties), set(mine.paths)) == (
        {"green"}, {"trade"}, {"hiring_time"}, {"recovery_time"}, set())
    kept = child(tmp_path, "parameters: {renewal_share: null}\nuncertainties: {rd_lag: null}\n")
    assert "renewal_share" in kept.uncertainties
    assert "rd_lag" in kept.parameters


def test_null_for_a_shock_that_is_not_inherited(tmp_path: Path) -> None:
    write(tmp_path, base=BASE)
    assert problems(write(tmp_path, mine="extends: base\nshocks: {covd: null}\n")) == [
        "2:10 shocks.covd: there is no such shock to take away. | Did you mean 'covid'? Inherited: covid, trade."]


def test_a_nearer_horizon_than_the_parents_report_years(tmp_path: Path) -> None:
    write(tmp_path, base=BASE)
    assert problems(write(tmp_path, mine="extends: base\nhorizon: 2026\n")) == [
        "base.yaml:3:1 report_years: 2030 lies after the horizon 2026. | Move the horizon, or drop the year."]


def test_a_grandchild(tmp_path: Path) -> None:
    write(tmp_path, base=BASE, mine="extends: base\nlevers: {talent: null}\nparameters: {rd_lag: 3}\n")
    third = load_scenario(write(tmp_path, third="extends: mine\nlevers: {talent: {level: 0.1}}\n"))
    assert third.levers["talent"].level == 0.1
    assert (third.parameters["rd_lag"], third.seed) == (3, 5)
    assert "levers.talent" not in third.uncertainties
    place = third.place("levers", "talent")
    assert place is not None
    assert (place.file.name, place.line, place.column) == ("third.yaml", 2, 10)
    above = third.place("parameters", "rd_lag")
    assert above is not None
    assert (above.file.name, above.line) == ("mine.yaml", 3)


def test_beside_the_asking_file_comes_before_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    write(tmp_path / "here", base=BASE.replace("seed: 5", "seed: 6"))
    assert child(tmp_path, "").seed == 5
    assert load_scenario("base").seed == 6
    assert find("thz-baseline") == documents.data_folder("scenarios") / "thz-baseline.yaml"


# --- against a region: what only the registry can tell


@pytest.mark.parametrize(("text", "place", "what"), [
    ("region: thzz\nhorizon: 2030\n", None, r"region: 'thzz' is not known"),
    ("region: thz\nhorizon: 2019\n", (2, 1), r"horizon: 2019 is not after the base year 2020"),
    (HEAD + "report_years: [2020, 2025]\n", (3, 1), r"report_years: 2020 is not after the base year 2020"),
    (HEAD + "parameters: {'capital_share[nosuch]': 0.4}\n", (3, 14),
     r"parameters\.capital_share\[nosuch\]: the region has no sector 'nosuch'"),
    (HEAD + "uncertainties: {'capital_share[nosuch]': {uniform: [0.4, 0.5]}}\n", (3, 17), r"the region has no sector 'nosuch'"),
    (HEAD + "paths: {employment: {from_plan: true}}\n", (3, 9), r"paths\.employment: the plan of 'thz' states no target for it"),
], ids=["region", "horizon", "report year", "element", "uncertain element", "path from plan"])
def test_what_does_not_fit_the_region(text: str, place: tuple[int, int] | None, what: str, tmp_path: Path) -> None:
    scenario = load_scenario(write(tmp_path, bad=text))
    with pytest.raises(InvalidInput, match=what) as caught:
        resolve(load_registry(), scenario)
    [problem] = caught.value.problems
    assert problem.remedy
    if place is not None:
        assert problem.where is not None
        assert (problem.where.file.name, problem.where.line, problem.where.column) == ("bad.yaml", *place)


# --- the package's own scenarios, and changes in code


def test_every_scenario_of_the_package_resolves() -> None:
    registry = load_registry()
    found = list_scenarios()
    assert {f"{region}-{kind}" for region in ("thz", "teda", "tianjin") for kind in (
        "baseline", "plan", "strong-policy", "shock", "low-investment", "talent-and-rd")} <= {s.id for s in found}
    for scenario in found:
        assert resolve(registry, scenario).base_year < scenario.horizon


def test_default_scenario() -> None:
    assert default_scenario("thz").id == "thz-baseline"
    with pytest.raises(InvalidInput, match="no scenario for the region 'nowhere'"):
        default_scenario("nowhere")


def test_with_levers() -> None:
    scenario = load_scenario("thz-baseline").with_levers(rd_support=0.8)
    assert scenario.levers["rd_support"].level == 0.8
    with pytest.raises(InvalidInput, match=r"levers\.rd_suport: no such lever\.\n    Did you mean 'rd_support'"):
        scenario.with_levers(rd_suport=1)
    for level in (1.5, -0.1, float("nan")):
        with pytest.raises(InvalidInput, match=r"levers\.talent: .* is not between 0 \(none\) and 1 \(full\)"):
            scenario.with_levers(talent=level)


def test_parameter_and_element() -> None:
    assert parameter_and_element("capital_share[industry]") == ("capital_share", "industry")
    assert parameter_and_element("capital_share") == ("capital_share", None)
    assert parameter_and_element("capital_share[a b]") == ("capital_share[a b]", None)


def test_every_default_and_prior_lies_in_its_own_domain() -> None:
    for p in regional_model().parameters:
        low, high = p.bounds
        priors = p.prior.values() if isinstance(p.prior, Mapping) else [p.prior] if p.prior else []
        ends = [end for prior in priors for end in prior.support]
        defaults = list(p.default.values()) if isinstance(p.default, Mapping) else [p.default] if p.default is not None else []
        if p.name not in ("base_year", "eaglet_enterprises_base", "gazelle_enterprises_base", "listed_enterprises_base"):
            assert all(low <= x <= high for x in (*ends, *defaults)), p.name


# --- whatever a file of known keys holds: a scenario or InvalidInput

NUMBERS = st.integers(-3, 3000) | st.floats() | st.sampled_from([0.5, 2025, 1e308, 1e-308]) | st.booleans() | st.none()
KINDS = ["uniform", "triangular", "normal", "lognormal", "beta", "choice"]
DISTRIBUTIONS = st.dictionaries(st.sampled_from(KINDS), st.lists(NUMBERS, max_size=4), max_size=2)
PARAMETERS = [p.name for p in regional_model().parameters]
PATHS = st.fixed_dictionaries({}, optional={
    "values": st.dictionaries(st.integers(2000, 2040).map(str) | st.just("x"), NUMBERS, max_size=3), "total": NUMBERS, "from_plan": NUMBERS,
    "period": st.lists(st.integers(2015, 2040), max_size=3), "unit": st.sampled_from(["亿元", "%", "家", "1", "x", None]),
    "after": st.sampled_from(["hold", "resume", "stop"])})
FILES = st.fixed_dictionaries({}, optional={
    "region": st.sampled_from(["thz", "teda", "nowhere", 5, None]), "horizon": NUMBERS, "report_years": st.lists(NUMBERS, max_size=3),
    "runs": NUMBERS, "seed": NUMBERS, "steps_per_year": NUMBERS,
    "extends": st.sampled_from(["thz-plan", "fuzz", "nowhere", None, "/", ".."]),
    "levers": st.dictionaries(st.sampled_from([*list(LEVERS)[:4], "nosuch"]), st.none() | st.fixed_dictionaries(
        {}, optional={"level": NUMBERS, "start": NUMBERS, "ramp": NUMBERS}), max_size=3),
    "shocks": st.dictionaries(st.sampled_from(["covid", "b"]), st.none() | st.fixed_dictionaries(
        {"start": NUMBERS, "size": NUMBERS}, optional={"duration": NUMBERS, "on": st.sampled_from(["investment", "x"])}), max_size=2),
    "parameters": st.dictionaries(st.sampled_from(PARAMETERS) | st.text(max_size=5), NUMBERS, max_size=3),
    "uncertainties": st.dictionaries(st.sampled_from([*PARAMETERS, "levers.talent", "shocks.covid", "levers.", "."]),
                                     DISTRIBUTIONS | st.none(), max_size=3),
    "paths": st.dictionaries(st.sampled_from([e.name for e in regional_model().equations] + ["capital"]), PATHS | st.none(), max_size=3)})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


@settings(deadline=None, max_examples=200)
@example(data={"region": "thz", "horizon": 2030, "uncertainties": {"rd_lag": {"lognormal": [1, 300]}}})
@given(data=FILES)
def test_any_file_of_known_keys_is_a_scenario_or_invalid(folder: Path, data: dict[str, Any]) -> None:
    import json

    registry = load_registry()
    file = folder / "fuzz.yaml"
    file.write_text(json.dumps(data))
    try:
        scenario = load_scenario(file)
        setup = resolve(registry, scenario)
        parameters = setup.parameters(setup.draw(0, 2, 1)) if len(json.dumps(data)) < 60 else None
    except InvalidInput as invalid:
        found = invalid.problems
    else:
        assert scenario.region in registry.regions
        assert parameters is None or parameters
        return
    assert found
    assert all(re.search(r"\w", p.what) for p in found)
