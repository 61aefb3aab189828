"""The registry: every bad plan document with its messages, and the real documents recounted."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from simulate import documents, units
from simulate.errors import InvalidInput
from simulate.indicators import Indicator
from simulate.registry import Registry, load_registry
from simulate.scenarios import load_scenario
from simulate.setups import resolve
from simulate.targets import Source, Statement

HEAD = """\
document: {id: my, kind: plan, title: {zh: 甲, en: A}, base_year: 2020, region: here}
regions: {here: {zh: 此, en: Here, plan: my}}
statements:
"""
PERCENT = '"%"'


def said(**changes: str | None) -> str:
    """One statement in a line: a sound one, but for the keys changed (None leaves a key out)."""
    keys = {"indicator": "gdp", "region": "here", "year": "2025", "value": "100", "unit": "亿元", "sense": "equal", "role": "target",
            "at": "{locus: table, section: 表1}", **changes}
    return "  - {" + ", ".join(f"{key}: {value}" for key, value in keys.items() if value is not None) + "}\n"


BAD_STATEMENTS: dict[str, tuple[str, list[str]]] = {
    "unit": (
        said(unit="亿圆"),
        ["4:66 unit: '亿圆' is not in the unit vocabulary. | Did you mean '亿吨' or '亿元'?"]),
    "unit2": (
        said(unit="furlong"),
        ["4:66 unit: 'furlong' is not in the unit vocabulary. | Units: …"]),
    "fit": (
        said(unit="家"),
        ["4:66 unit: gdp: '家' cannot be read as '亿元': they measure different things. | Give the value in a unit like '亿元'."]),
    "indicator": (
        said(indicator="gpd"),
        ["4:17 indicator: 'gpd' is not in the catalogue. | Did you mean 'gdp'?"]),
    "indicator2": (
        said(indicator="zzzzqq"),
        ["4:17 indicator: 'zzzzqq' is not in the catalogue. | Define it under `indicators:` in this file."]),
    "region": (
        said(region="teda2"),
        ["4:30 region: 'teda2' is not known. | Did you mean 'teda'? Regions: …"]),
    "region2": (
        said(region="zzz"),
        ["4:30 region: 'zzz' is not known. | Regions: …"]),
    "region_is_scope": (
        said(region="national"),
        ["4:30 region: 'national' is not known. | It is a scope: write scope: national."]),
    "scope": (
        said(region=None, scope="binhaii"),
        ["4:124 scope: 'binhaii' is not declared. | Did you mean 'binhai'?"]),
    "scope_is_region": (
        said(region=None, scope="teda"),
        ["4:124 scope: 'teda' is not declared. | It is a region: write region: teda."]),
    "share": (
        said(indicator="manufacturing_share", unit=PERCENT, value="120"),
        ["4:71 value: manufacturing_share is a share of gdp; 120 % is not between 0 and 100. | Check the "
         "number, or the indicator's kind."]),
    "neg": (
        said(indicator="manufacturing_share", unit=PERCENT, value="-1"),
        ["4:71 value: manufacturing_share is a share of gdp; -1 % is not between 0 and 100. | Check the number, "
         "or the indicator's kind."]),
    "before": (
        said(year="2019"),
        ["4:42 year: the target of gdp is set for 2019, not after the base year 2020. | Check the year, or the role."]),
    "beforeperiod": (
        said(year=None, period="[2015, 2020]", aggregate="sum"),
        ["4:127 period: the target of gdp is set for 2020, not after the base year 2020. | Check the year, or the role."]),
    "oneend": (
        said(year=None, period="[2021]", aggregate="sum"),
        ["4:127 period: [2021] needs a first and a last year. | Write period: [2021, 2025]."]),
    "backwards": (
        said(year=None, period="[2025, 2021]", aggregate="sum"),
        ["4:127 period: [2025, 2021] does not run forward. | Write [first year, last year]."]),
    "noaggr": (
        said(year=None, period="[2021, 2025]"),
        ["4:127 period: a period needs to say what its number is. | Add aggregate: sum (a cumulative total) "
         "or aggregate: mean (a yearly mean)."]),
    "noperiod": (
        said(aggregate="sum"),
        ["4:142 aggregate: a cumulative total or mean needs its period. | Write period: [2021, 2025] instead of year."]),
    "both": (
        said(delegated="true"),
        ["4:55 value: a statement has a value, or delegated: true, not both or neither. | Give value:, or "
         "delegated: true for a target set by a higher authority."]),
    "neither": (
        said(value=None),
        ["4:5 value: a statement has a value, or delegated: true, not both or neither. | Give value:, or "
         "delegated: true for a target set by a higher authority."]),
    "rs": (
        said(scope="national"),
        ["4:138 scope: a statement speaks for exactly one place. | Give either region: or scope:."]),
    "none": (
        said(region=None),
        ["4:5 a statement speaks for exactly one place. | Give either region: or scope:."]),
    "yp": (
        said(period="[2021, 2025]", aggregate="sum"),
        ["4:42 year: a statement needs exactly one time. | Give either year: 2025 or period: [2021, 2025]."]),
    "notime": (
        said(year=None),
        ["4:5 a statement needs exactly one time. | Give either year: 2025 or period: [2021, 2025]."]),
    "clash": (
        said() + said(value="200"),
        ["5:5 value: gdp (here, 2025) is 200 亿元 here and 100 亿元 at 4:5. | Say which is used and why: "
         "id: on the other, and on this one prefers: {over: [its id], why: …}."]),
    "clash3": (
        said(sense="at_least", value="50",) + said(value="70") + said(value="90"),
        ["6:5 value: gdp (here, 2025) is 90 亿元 here and 70 亿元 at 5:5. | Say which is used and why: "
         "id: on the other, and on this one prefers: {over: [its id], why: …}."]),
    "clashunit": (
        said() + said(value="0.02", unit="万亿元"),
        ["5:5 value: gdp (here, 2025) is 0.02 万亿元 here and 100 亿元 at 4:5. | Say which is used and "
         "why: id: on the other, and on this one prefers: {over: [its id], why: …}."]),
    "prefers": (
        said(prefers="{over: [my:gdp@2026], why: x}"),
        ["4:148 prefers: there is no statement 'my:gdp@2026'. | Did you mean 'my:gdp@2025' or 'thz-14fyp:gdp@2025'?"]),
    "prefers_self": (
        said(id="a", prefers="{over: [a], why: x}"),
        ["4:155 prefers: 'a' cannot be used instead of itself. | Name the other statement."]),
    "prefers_circle": (
        said(id="a", prefers="{over: [b], why: x}") + said(id="b", value="3", prefers="{over: [a], why: x}"),
        ["4:155 prefers: 'a' and 'b' are each used instead of the other. | Keep one of the preferences.",
         "5:153 prefers: 'b' and 'a' are each used instead of the other. | Keep one of the preferences."]),
    "prefers_other": (
        said(id="a", prefers="{over: [b], why: x}") + said(id="b", indicator="rd_intensity", unit=PERCENT, value="3"),
        ["4:155 prefers: 'b' is about rd_intensity (here), not gdp (here). | Prefer only over statements on the same quantity."]),
    "prefers_empty": (
        said(prefers="{over: [], why: x}"),
        ["4:140 prefers: over: names no statement. | Name the statement that this one is used instead of, by its id."]),
    "dup": (
        said(id="a") + said(id="a", year="2026"),
        ["5:135 id: 'a' stands twice, first at 4:5. | Give one of them another id."]),
    "enum": (
        said(sense="atleast", role="goal", nature="hard", at="{locus: tabel, section: x}", price_basis="real"),
        ["4:77 sense: 'atleast' is not allowed. | Did you mean 'at_least'? Allowed: about, at_least, at_most, "
         "equal, less_than, more_than.",
         "4:92 role: 'goal' is not allowed. | Allowed: achieved, baseline, context, target, vision.",
         "4:110 at.locus: 'tabel' is not allowed. | Did you mean 'table'? Allowed: box, note, table, text.",
         "4:138 nature: 'hard' is not allowed. | Allowed: binding, expected.",
         "4:157 price_basis: 'real' is not allowed. | Allowed: constant, nominal."]),
    "unknown": (
        said(vaule="3", value=None, at="{locus: table, sektion: x}"),
        ["4:90 'at.section' is missing. | Add the key 'section'.",
         "4:105 at.sektion: no such key. | Did you mean 'section'? Keys: locus, row, section.",
         "4:118 vaule: no such key. | Did you mean 'value'? Keys: aggregate, at, delegated, document, id, indicator, nature, …"]),
    "yr": (
        said(year="20255"),
        ["4:42 year: 20255 is not a year of four digits. | Write it like 2025."]),
    "yrbool": (
        said(year="true"),
        ["4:42 year: true is not a whole number. | Write a plain whole number, without unit, separators or quotes."]),
    "strnum": (
        said(value="'100'"),
        ["4:55 value: '100' is not a number. | Write a plain number: digits with at most one point, without "
         "unit, separators or quotes."]),
    "valnan": (
        said(value=".nan"),
        ["4:55 value: nan is not a finite number. | Write a finite number."]),
    "valbig": (
        said(value="1e999"),
        ["4:55 value: inf is not a finite number. | Write a finite number."]),
    "many": (
        said(unit="亿圆") + said(indicator="gpd") + said(indicator="manufacturing_share", unit=PERCENT, value="120")
        + said(year="2019") + said(year=None, period="[2021]", aggregate="sum") + said(aggregate="sum") + said(id="q") + said(value="200"),
        ["4:66 unit: '亿圆' is not in the unit vocabulary. | Did you mean '亿吨' or '亿元'?",
         "5:17 indicator: 'gpd' is not in the catalogue. | Did you mean 'gdp'?",
         "6:71 value: manufacturing_share is a share of gdp; 120 % is not between 0 and 100. | Check the "
         "number, or the indicator's kind.",
         "7:42 year: the target of gdp is set for 2019, not after the base year 2020. | Check the year, or the role.",
         "8:127 period: [2021] needs a first and a last year. | Write period: [2021, 2025].",
         "9:142 aggregate: a cumulative total or mean needs its period. | Write period: [2021, 2025] instead of year.",
         "11:5 value: gdp (here, 2025) is 200 亿元 here and 100 亿元 at 10:5. | Say which is used and "
         "why: id: on the other, and on this one prefers: {over: [its id], why: …}."]),
}
"""Statements below HEAD, and each message they get: line:column, what | remedy. A final " …" stands for more of a list."""

BAD_FILES: dict[str, tuple[str, list[str]]] = {
    "nodoc": (
        "statements:\n  - {indicator: gdp, region: thz, year: 2031, value: 100, unit: 亿元, sense: equal, role: "
        "target, at: {locus: table, section: 表1}}\n",
        ["1:1 statements: it is not said which document they come from. | Add document: {id: …, kind: plan, "
         "title: {zh: …, en: …}} to this file."]),
    "docbad": (
        "document: {id: my, kind: plann, title: {zh: 甲}, period: [2025], base_year: 2025, horizon: 2020}\n"
        "statements:\n  - {indicator: gdp, region: thz, year: 2031, value: 100, unit: 亿元, sense: equal, role: "
        "target, at: {locus: table, section: 表1}}\n",
        ["1:26 document.kind: 'plann' is not allowed. | Did you mean 'plan'? Allowed: measures, plan, statistics.",
         "1:40 'document.title.en' is missing. | Add the key 'en'.",
         "1:57 document.period: too few values. | Give 2."]),
    "docbad2": (
        "document: {id: my, kind: plan, title: {zh: 甲, en: A}, period: [2025,2021,2022], region: thz2}\n",
        ["1:63 document.period: too many values. | Give 2.",
         "1:89 region: 'thz2' is not known. | Did you mean 'thz'? Regions: …"]),
    "docbad3": (
        "document: {id: my, kind: plan, title: {zh: 甲, en: A}, period: [2025,2021], region: thz, base_year: "
        "2025, horizon: 2024}\n",
        ["1:63 document.period: [2025, 2021] does not run forward. | Write [first year, last year].",
         "1:115 document.horizon: 2024 is not after the base year 2025. | Check both years."]),
    "regions": (
        "regions:\n  thz: {zh: x, en: y}\n  new: {zh: a, en: b, plan: noplan, within: tianjn, inputs: {gdp: "
        "gpd}, headline: [gdpp], sectors: {a: {zh: a, en: a, share: x_share}, b: {zh: a, en: b, share: gdp}}, "
        "clusters: {c: {zh: a, en: b, revenue: gdp, sector: d}}}\nscopes:\n  teda: {zh: a, en: b}\n  q: {zh: "
        "a, en: b, within: nowhere}\n  r: {zh: a, en: b, within: s}\n  s: {zh: a, en: b, within: r}\n",
        ["2:3 regions: 'thz' is already described otherwise in another file. | Keep one description, or use another id.",
         "3:29 plan: 'noplan' is not known. | Documents: …",
         "3:45 within: 'tianjn' is neither a region nor a scope. | Did you mean 'tianjin'? Regions: …",
         "3:67 indicator: 'gpd' is not in the catalogue. | Did you mean 'gdp'?",
         "3:84 indicator: 'gdpp' is not in the catalogue. | Did you mean 'gdp'?",
         "3:91 sectors: 0 sectors of new have no share; exactly one takes the rest of GDP. | Give share: "
         "(an indicator) to all sectors but one.",
         "3:126 indicator: 'x_share' is not in the catalogue. | `simulate indicators` lists all.",
         "3:219 sector: 'd' is not a sector of new. | Sectors: a, b.",
         "5:3 scopes: 'teda' is a region. | Use another id, or write region: where it is meant.",
         "6:29 within: 'nowhere' is neither a region nor a scope. | Regions: …",
         "7:29 within: a place cannot lie within itself (r -> s -> r). | Let within: name the larger place.",
         "8:29 within: a place cannot lie within itself (s -> r -> s). | Let within: name the larger place."]),
    "indicators": (
        "indicators:\n- {id: gdp, zh: a, en: b, unit: 亿元, kind: level}\n- {id: my_share, zh: a, en: b, unit: "
        "'%', kind: share}\n- {id: x, zh: a, en: b, unit: 斤, kind: lvl}\n- {id: y, zh: a, en: b, unit: 斤, "
        "kind: level}\n",
        ["2:8 indicator: 'gdp' is already defined otherwise at …",
         "3:49 kind: a share must say of which whole. | Add share_of: an indicator id or a short phrase.",
         "4:40 kind: 'lvl' is not allowed. | Did you mean 'level'? Allowed: count, flow, index, level, rate, ratio, share.",
         "5:31 unit: '斤' is not in the unit vocabulary. | Units: …"]),
    "assume": (
        "assumptions:\n- {region: thz, grade: judgement, basis: x}\n- {region: thz, grade: guess, basis: "
        "x, indicator: gdp, unit: 亿元, value: 1}\n- {region: thzz, grade: judgement, basis: x, parameter: "
        "rd_lag, value: 1, range: {uniform: [2, 1]}}\n- {region: thzz, grade: judgement, basis: x, indicator: "
        "gdp, value: 1}\n- {region: thz, grade: judgement, basis: x, indicator: gdp, unit: 家, value: 1, range: "
        "{uniform: [1, 2]}}\n- {region: thzz, grade: judgement, basis: x, parameter: rd_lag, value: 1}\n- "
        "{region: thz, grade: judgement, basis: x, indicator: manufacturing_share, unit: '%', range: {uniform: "
        "[1, 200]}}\n",
        ["2:3 an assumption stands for exactly one thing. | Give either indicator: or parameter:.",
         "2:3 an assumption has exactly one number. | Give either value: or range: {triangular: [low, mode, high]}.",
         "3:24 grade: 'guess' is not allowed. | Allowed: derived, judgement, recorded.",
         "4:92 range.uniform: low 2 is not below high 1. | Write [low, high].",
         "5:3 'unit' is missing. | An assumption on an indicator states its unit.",
         "6:3 an assumption has exactly one number. | Give either value: or range: {triangular: [low, mode, high]}.",
         "7:12 region: 'thzz' is not known. | Did you mean 'thz'? Regions: …",
         "8:95 range: manufacturing_share is a share of gdp; 200 % is not between 0 and 100. | Check the "
         "number, or the indicator's kind."]),
    "outturn": (
        "outturns:\n- {indicator: gdp, year: 2020, value: 1, unit: 亿元, source: x, grade: D, region: thz}\n"
        "- {indicator: gdp, year: 2020, value: 1, unit: 亿元, source: x, grade: A}\n- {indicator: gdp, year: "
        "2020, value: 1, unit: 亿元, source: x, grade: A, region: thz, months: [7, 3]}\n- {indicator: gdpp, "
        "year: 2020, value: 1, unit: 亿, source: x, grade: A, region: thzz}\n",
        ["2:70 grade: 'D' is not allowed. | Allowed: A, B, C.",
         "3:3 a recorded value speaks for exactly one place. | Give either region: or scope:.",
         "4:94 months: [7, 3] are not months of one year. | Write [1, 6] for the first half of the year.",
         "5:15 indicator: 'gdpp' is not in the catalogue. | Did you mean 'gdp'?",
         "5:49 unit: '亿' is not in the unit vocabulary. | Did you mean '亿吨' or '亿元' or '亿美元'?",
         "5:81 region: 'thzz' is not known. | Did you mean 'thz'? Regions: …"]),
    "measures": (
        "measures:\n- {number: 1, title: a, zh: b, section: c, departments: [nodep], levers: [talents]}\n"
        "- {number: one, title: a, zh: b, section: c}\nlevers:\n  talent: {zh: a, en: b, acts_on: c}\n",
        ["2:58 departments: 'nodep' is not declared. | Departments: …",
         "2:75 levers: 'talents' is not declared. | Did you mean 'talent'? Levers: …",
         "3:12 number: 'one' is not a whole number. | Write a plain whole number, without unit, separators or quotes.",
         "5:3 levers: 'talent' is already described otherwise in another file. | Keep one description, or use another id."]),
    "brokenregion": (
        "document: {id: my, kind: plan, title: {zh: 甲, en: A}, base_year: 2020, region: here}\nregions: {here: "
        "{zh: 此, en: 5}}\nindicators:\n- {id: odd, zh: a, unit: 亿元, kind: level}\nstatements:\n  - {indicator: "
        "gdp, region: here, year: 2025, value: 100, unit: 亿元, sense: equal, role: target, at: {locus: table, "
        "section: 表1}}\n  - {indicator: odd, region: here, year: 2025, value: 100, unit: 亿元, sense: equal, "
        "role: target, at: {locus: table, section: 表1}}\n  - {indicator: gdp, region: here, year: 2025, value: "
        "100, unit: 亿圆, sense: equal, role: target, at: {locus: table, section: 表1}}\n",
        ["2:29 regions.here.en: 5 is not text. | Write a word, in quotes if it looks like a number.",
         "4:3 'en' is missing. | Add the key 'en'.",
         "8:66 unit: '亿圆' is not in the unit vocabulary. | Did you mean '亿吨' or '亿元'?"]),
    "syntax": (
        "regions: {here: {zh: 此\n",
        ["2:1 is not YAML: ',' or '}' is expected here, in the bracket opened at 1:17. | Close the bracket, "
         "part its entries by commas, and put text that holds ': ' in quotes."]),
}
"""Whole files and their messages, as above."""


def matches(found: list[str], expected: list[str]) -> bool:
    """Whether the messages are those expected."""
    return len(found) == len(expected) and all(
        f.startswith(e[:-1]) if e.endswith(" …") else f == e for f, e in zip(found, expected, strict=True))


def problems(folder: Path, **files: str) -> list[str]:
    """What is wrong with plan files, each problem as [file:]line:column what | remedy (`my` is not named)."""
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text)
    with pytest.raises(InvalidInput) as caught:
        load_registry(folder)
    return [f"{p.where} {p.what} | {p.remedy}".replace(f"{folder}/my.yaml:", "").replace(f"{folder}/", "")
            for p in caught.value.problems]


@pytest.mark.parametrize("name", BAD_STATEMENTS)
def test_every_bad_statement(name: str, tmp_path: Path) -> None:
    text, expected = BAD_STATEMENTS[name]
    found = problems(tmp_path, my=HEAD + text)
    assert matches(found, expected), "\n".join(found)


@pytest.mark.parametrize("name", BAD_FILES)
def test_every_bad_file(name: str, tmp_path: Path) -> None:
    text, expected = BAD_FILES[name]
    found = problems(tmp_path, my=text)
    assert matches(found, expected), "\n".join(found)


def test_a_sound_plan_loads(tmp_path: Path) -> None:
    (tmp_path / "my.yaml").write_text(
        HEAD + said() + said(year="2020", role="baseline", value="80")
        + said(year=None, period="[2021, 2025]", aggregate="sum", value="450")
        + said(indicator="rd_intensity", unit=PERCENT, delegated="true", value=None))
    registry = load_registry(tmp_path)
    assert [s.id for s in registry.find(document="my")] == ["my:gdp@2025", "my:gdp@2020", "my:gdp@2021-2025Σ", "my:rd_intensity@2025"]
    assert registry.base_year("here") == 2020


SECOND = "document: {id: other, kind: plan, title: {zh: 乙, en: B}, base_year: 2020, region: here}\nstatements:\n"


def test_contradictions_across_files(tmp_path: Path) -> None:
    assert problems(tmp_path, my=HEAD + said(), other=SECOND + said(value="300")) == [
        "other.yaml:3:5 value: gdp (here, 2025) is 300 亿元 here and 100 亿元 at 4:5. | "
        "Say which is used and why: id: on the other, and on this one prefers: {over: [its id], why: …}."]


def test_a_preference_settles_a_contradiction_across_files(tmp_path: Path) -> None:
    (tmp_path / "my.yaml").write_text(HEAD + said(id="mine"))
    (tmp_path / "other.yaml").write_text(SECOND + said(value="300", prefers="{over: [mine], why: later}"))
    registry = load_registry(tmp_path)
    assert [s.value for s in registry.find(region="here", used=True)] == [300]
    assert "mine" in registry.superseded


def test_ids_are_unique_across_files(tmp_path: Path) -> None:
    assert problems(tmp_path, my=HEAD + said(id="k"), other=SECOND.replace("id: other", "id: my") + said(id="k", year="2026")) == [
        "other.yaml:1:16 id: 'my' stands twice, first at 1:16. | Give one of them another id.",
        "other.yaml:3:135 id: 'k' stands twice, first at 4:5. | Give one of them another id."]


def test_a_file_that_cannot_be_read_is_not_held_against_the_others(tmp_path: Path) -> None:
    found = problems(tmp_path, my="regions: {here: {zh: 此\n", other=SECOND + said() + said(unit="亿圆", year="2026"))
    assert found == ["2:1 is not YAML: ',' or '}' is expected here, in the bracket opened at 1:17. | Close the bracket, part its "
                     "entries by commas, and put text that holds ': ' in quotes.",
                     "other.yaml:4:66 unit: '亿圆' is not in the unit vocabulary. | Did you mean '亿吨' or '亿元'?"]


def test_the_names_in_a_faulty_record_are_checked_with_the_rest(tmp_path: Path) -> None:
    found = problems(tmp_path, my=HEAD + said(indicator="gpd", unit="亿圆", region="tedaa", year=None, period="[2021]", aggregate="sum"))
    assert [f.partition(" |")[0] for f in found] == [
        "4:17 indicator: 'gpd' is not in the catalogue.", "4:30 region: 'tedaa' is not known.",
        "4:55 unit: '亿圆' is not in the unit vocabulary.", "4:128 period: [2021] needs a first and a last year."]


def test_a_name_used_often_is_told_once(tmp_path: Path) -> None:
    [found] = problems(tmp_path, my=HEAD + "".join(said(region="tedaa", year=year) for year in ("2025", "2026", "2027")))
    assert found.startswith("4:30 region: 'tedaa' is not known. | Did you mean 'teda'?")
    assert found.endswith("(2 more in this file.)")


@pytest.mark.parametrize(("name", "what"), [
    ("nowhere", "there is no such file or folder."), ("empty", "the folder holds no plan data."),
    ("a\0b", "cannot be read: embedded null byte."), ("x" * 5000, "cannot be read: File name too long."),
    ("dangling", "cannot be read: No such file or directory."),
])
def test_a_place_without_plan_data(name: str, what: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "dangling").mkdir()
    (tmp_path / "dangling" / "a.yaml").symlink_to(tmp_path / "gone")
    with pytest.raises(InvalidInput) as caught:
        load_registry(tmp_path / name)
    assert [p.what for p in caught.value.problems] == [what]
    assert caught.value.problems[0].remedy


def test_a_file_named_twice_is_read_once(tmp_path: Path) -> None:
    (tmp_path / "my.yml").write_text(HEAD + said(id="k"))
    registry = load_registry(tmp_path, tmp_path / "my.yml", documents.data_folder("seeds"))
    assert len(list(registry.find(document="my"))) == 1


# --- contradictions, as a property


def statement(id: str, value: float, sense: str) -> Statement:
    return Statement(indicator="gdp", region="here", year=2025, value=value, unit="亿元", sense=sense, role="target",  # type: ignore[arg-type]
                     id=id, at=Source(locus="table", section="1"))


SENSES = st.sampled_from(["equal", "at_least", "more_than", "about", "at_most", "less_than"])


@settings(deadline=None, max_examples=200)
@given(said=st.lists(st.tuples(st.integers(-20, 20) | st.sampled_from([-2.5, 0.5, 12.25]), SENSES), min_size=2, max_size=4))
def test_every_pair_that_no_number_satisfies_is_a_contradiction(said: list[tuple[float, str]]) -> None:
    from simulate.registry import _Loader

    statements = [statement(str(i), value, sense) for i, (value, sense) in enumerate(said)]
    loader = _Loader()
    loader.indicators["gdp"] = Indicator(id="gdp", zh="x", en="x", unit="亿元", kind="flow")
    loader.by_id = {s.id: documents.Place(Path("a.yaml"), int(s.id)) for s in statements}
    loader.contradictions(statements)
    bounds = [s.interval() for s in statements]
    clashing = {j for i, j in combinations(range(len(said)), 2) if max(bounds[i][0], bounds[j][0]) > min(bounds[i][1], bounds[j][1])}
    assert {p.where.line for p in loader.problems if p.where} == clashing


# --- whatever a plan file holds: a registry or InvalidInput, nothing else

WORDS = st.sampled_from(["gdp", "gpd", "here", "my", "亿元", "%", "家", "斤", "equal", "target", "a", "b", "x", "judgement", "rd_lag",
                         "manufacturing_share"])
NUMBERS = st.integers(-5, 5) | st.sampled_from([2019, 2020, 2025, 20255, 120, 1.5, float("nan"), 1e300, True, None, "x", 10**25])


def some(**values: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Mappings with any of these keys."""
    return st.fixed_dictionaries({}, optional=values)


STATEMENTS = some(
    indicator=WORDS, unit=WORDS, region=WORDS, scope=WORDS, year=NUMBERS, value=NUMBERS, period=st.lists(NUMBERS, max_size=3), id=WORDS,
    sense=st.sampled_from(["equal", "about", "at_most", "x"]), role=st.sampled_from(["target", "baseline", "x"]), delegated=NUMBERS,
    aggregate=st.sampled_from(["sum", "mean", "x", None]), at=st.just({"locus": "table", "section": "1"}) | WORDS,
    prefers=some(over=st.lists(WORDS, max_size=2), why=WORDS), relative_to=NUMBERS)
SOUND = st.fixed_dictionaries({
    "indicator": st.sampled_from(["gdp", "mine", "manufacturing_share"]), "unit": st.sampled_from(["亿元", "%"]), "region": st.just("here"),
    "year": st.sampled_from([2020, 2025]), "value": st.integers(-200, 200), "sense": st.sampled_from(["equal", "about", "at_most"]),
    "role": st.sampled_from(["target", "baseline"]), "at": st.just({"locus": "table", "section": "1"})}, optional={
    "id": WORDS, "prefers": st.fixed_dictionaries({"over": st.lists(WORDS, max_size=2), "why": WORDS})})
PLANS = some(
    document=some(id=WORDS, kind=st.just("plan"), title=st.just({"zh": "x", "en": "x"}), base_year=NUMBERS, region=WORDS),
    regions=st.dictionaries(WORDS, some(zh=WORDS, en=WORDS, plan=WORDS, within=WORDS, base_year=NUMBERS,
                                        headline=st.lists(WORDS, max_size=2),
                                        sectors=st.dictionaries(WORDS, some(zh=WORDS, en=WORDS, share=WORDS), max_size=2),
                                        clusters=st.dictionaries(WORDS, some(zh=WORDS, en=WORDS, revenue=WORDS, sector=WORDS), max_size=1),
                                        inputs=st.dictionaries(WORDS, WORDS, max_size=1)), max_size=2),
    scopes=st.dictionaries(WORDS, st.fixed_dictionaries({"zh": WORDS, "en": WORDS}, optional={"within": WORDS}), max_size=2),
    indicators=NUMBERS | st.lists(some(id=WORDS, zh=WORDS, en=WORDS, unit=WORDS, kind=st.sampled_from(["level", "share", "x"]),
                                       share_of=WORDS), max_size=2),
    statements=st.lists(SOUND | STATEMENTS, max_size=4) | NUMBERS | some(a=WORDS),
    assumptions=st.lists(some(region=WORDS, grade=WORDS, basis=WORDS, indicator=WORDS, parameter=WORDS, unit=WORDS, value=NUMBERS,
                              range=some(uniform=st.lists(NUMBERS, max_size=3), normal=st.lists(NUMBERS, max_size=2))), max_size=2),
    measures=st.lists(some(number=NUMBERS, title=WORDS, zh=WORDS, section=WORDS, levers=st.lists(WORDS, max_size=2)), max_size=1))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


@settings(deadline=None, max_examples=250)
@given(plan=PLANS, sound=st.lists(SOUND, min_size=1, max_size=4))
def test_any_plan_of_known_keys_is_a_registry_or_invalid(folder: Path, plan: dict[str, Any], sound: list[dict[str, Any]]) -> None:
    file = folder / "fuzz.yaml"
    for text in (plan, {**yaml.safe_load(HEAD), "statements": sound, **{k: v for k, v in plan.items() if k in ("indicators", "scopes")}}):
        file.write_text(json.dumps(text))
        try:
            registry = load_registry(file, builtin=False)
        except InvalidInput as invalid:
            found = invalid.problems
        else:
            assert len({s.id for s in registry.statements}) == len(registry.statements)
            continue
        assert found
        assert all(p.what and p.remedy and p.where is not None and p.where.file == file.absolute() and p.where.line for p in found)


# --- a region that lacks what the model needs

REGION = """\
document: {id: my, kind: plan, title: {zh: 甲, en: A}, base_year: 2025, region: here}
regions:
  here:
    zh: 此
    en: Here
    plan: my
    sectors:
      industry: {zh: 工业, en: Industry, share: manufacturing_share, industrial: true}
      services: {zh: 服务业, en: Services}
statements:
  - {indicator: gdp, region: here, year: 2025, value: 100, unit: 亿元, sense: equal, role: baseline, at: {locus: table, section: 表1}}
"""
NEEDED = {"gross_industrial_output": "亿元", "labour_productivity": "万元/人", "fixed_asset_investment": "亿元", "rd_intensity": "%",
          "high_tech_enterprises": "家", "market_entities": "万家", "manufacturing_share": "%"}


def scenario(folder: Path) -> Path:
    file = folder / "scenario" / "mine.yaml"
    file.parent.mkdir(exist_ok=True)
    file.write_text("region: here\nhorizon: 2030\n")
    return file


def test_a_region_without_what_the_model_needs_is_told_each_and_how_to_supply_it(tmp_path: Path) -> None:
    (tmp_path / "my.yaml").write_text(REGION)
    with pytest.raises(InvalidInput) as caught:
        resolve(load_registry(tmp_path), load_scenario(scenario(tmp_path)))
    found = {p.what.split("'")[3]: p for p in caught.value.problems}
    assert set(found) == set(NEEDED)
    for indicator, unit in NEEDED.items():
        assert found[indicator].what.startswith(f"region 'here': no document states {indicator!r} for 2025")
        assert f"{{indicator: {indicator}, region: here, year: 2025, value: …, unit: {unit}" in found[indicator].remedy
        assert f"{{indicator: {indicator}, region: here, unit: {unit}, range: {{uniform: [low, high]}}" in found[indicator].remedy


def test_what_the_message_says_is_enough(tmp_path: Path) -> None:
    supplied = "".join(f"  - {{indicator: {indicator}, region: here, unit: {unit!r}, range: {{uniform: [5, 6]}}, "
                       f"grade: judgement, basis: x}}\n"
                       for indicator, unit in NEEDED.items())
    (tmp_path / "my.yaml").write_text(f"{REGION}assumptions:\n{supplied}")
    setup = resolve(load_registry(tmp_path), load_scenario(scenario(tmp_path)))
    assert {o.name.partition("[")[0].removesuffix("_base") for o in setup.unstated} == {*NEEDED, "sector_share"} - {"manufacturing_share"}


def test_a_region_that_is_only_described_cannot_be_projected(tmp_path: Path) -> None:
    (tmp_path / "my.yaml").write_text(HEAD + said())
    with pytest.raises(InvalidInput, match="names no sectors, so it cannot be projected"):
        resolve(load_registry(tmp_path), load_scenario(scenario(tmp_path)))


# --- the real documents, counted and read a second time

SEEDS = sorted(documents.data_folder("seeds").glob("*.yaml"))


@pytest.fixture(scope="module")
def registry() -> Registry:
    return load_registry()


@pytest.fixture(scope="module")
def raw() -> dict[str, Mapping[str, Any]]:
    """Every seed file as another reader sees it."""
    return {file.name: yaml.safe_load(file.read_text()) for file in SEEDS}


def stated(raw: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for seed in raw.values():
        for s in seed.get("statements", ()):
            yield seed["document"]["id"], s


def test_counts_by_document_and_locus(registry: Registry, raw: dict[str, Mapping[str, Any]]) -> None:
    counted = Counter((document, s["at"]["locus"]) for document, s in stated(raw))
    assert Counter((s.document, s.at.locus) for s in registry.statements) == counted
    assert sum(counted.values()) == len(registry.statements) > 450
    lines = {file.name: file.read_text().count("- {indicator:") + file.read_text().count("- {id:") for file in SEEDS}
    assert sum(counted.values()) == sum(lines[name] for name, seed in raw.items() if seed.get("statements"))


def test_every_other_section_is_complete(registry: Registry, raw: dict[str, Mapping[str, Any]]) -> None:
    for section in ("assumptions", "outturns", "measures", "safeguards"):
        assert len(getattr(registry, section)) == sum(len(seed.get(section, ())) for seed in raw.values()), section
    assert [m.number for m in registry.measures] == list(range(1, 26))
    assert set(registry.documents) == {seed["document"]["id"] for seed in raw.values() if "document" in seed}


def test_every_statement_is_what_another_reader_reads(registry: Registry, raw: dict[str, Mapping[str, Any]]) -> None:
    for s, (document, other) in zip(registry.statements, stated(raw), strict=True):
        assert s.document == document
        for key, value in other.items():
            mine = getattr(s, key)
            if key == "at":
                assert (mine.locus, mine.section, mine.row) == (value["locus"], value["section"], value.get("row"))
            elif key == "prefers":
                assert (list(mine.over), mine.why) == (value["over"], value["why"])
            else:
                assert (list(mine) if isinstance(mine, tuple) else mine) == value


def test_every_statement_stands_where_its_place_says(registry: Registry) -> None:
    lines = {file: file.read_text().splitlines() for file in SEEDS}
    for s in registry.statements:
        where = registry.places[s.id]
        assert where.line is not None
        line = lines[where.file][where.line - 1]
        assert f"indicator: {s.indicator}," in line
        assert s.value is None or f"value: {s.value}," in line


def test_every_name_is_known(registry: Registry) -> None:
    for s in registry.statements:
        assert s.indicator in registry.catalogue
        assert s.place in registry.regions or s.place in registry.scopes
        assert s.unit in units.VOCABULARY
    assert len({s.id for s in registry.statements}) == len(registry.statements)


def value(registry: Registry, indicator: str, year: int, **where: str) -> float:
    """The number stated for an indicator, if all who state it agree."""
    found = {float(s.value) for s in registry.find(indicator=indicator, region=where.get("region"), scope=where.get("scope"))
             if s.year == year and s.value is not None}
    assert len(found) == 1, found
    return found.pop()


def test_sums_that_the_documents_state(registry: Registry) -> None:
    industrial, services = ({year: value(registry, f"{sector}_share", year, region="thz") for year in (2016, 2020)}
                            for sector in ("secondary", "tertiary"))
    assert (industrial[2020], services[2020]) == (35.6, 64.4)
    assert [industrial[year] + services[year] for year in (2016, 2020)] == pytest.approx([100, 100])
    assert services[2020] - services[2016] == pytest.approx(value(registry, "tertiary_share_change", 2020, region="thz"))
    parts = ("beijing_noncapital_projects_signed", "beijing_noncapital_projects_in_talks")
    text = next(s for s in registry.find(indicator="beijing_noncapital_projects") if s.at.locus == "text")
    assert [value(registry, part, 2020, region="thz") for part in parts] == [100, 83]
    assert text.value == 183
    parks = [value(registry, "branch_parks", 2020, scope=scope)
             for scope in ("central_city", "ring_districts", "binhai", "outer_districts")]
    assert (parks, value(registry, "branch_parks", 2020, region="nidz")) == ([6, 4, 6, 5], sum(parks))
    carriers = [value(registry, indicator, 2025, region="thz") for indicator in ("national_incubators", "national_makerspaces")]
    assert (carriers, value(registry, "national_incubation_carriers", 2025, region="thz")) == ([11, 10], 21)


@pytest.mark.parametrize(("region", "indicator"), [
    ("thz", "energy_intensity_reduction"), ("thz", "co2_intensity_reduction"), ("thz", "good_air_days_share"),
    ("thz", "surface_water_class3_share"), ("teda", "energy_intensity_reduction"), ("teda", "co2_intensity_reduction"),
    ("teda", "good_air_days_share"),
])
def test_targets_set_by_a_higher_authority_are_recorded_without_a_number(region: str, indicator: str, registry: Registry) -> None:
    found = [s for s in registry.find(region=region, indicator=indicator, roles=("target",)) if s.delegated]
    assert found
    assert all(s.value is None and s.interval() == (float("-inf"), float("inf")) for s in found)


@pytest.mark.parametrize(("indicator", "region", "used", "superseded"), [
    ("strategic_industry_share", "thz", 51.5, 47), ("high_tech_manufacturing_share", "thz", 39.9, 30.9),
    ("rd_intensity", "tianjin", 3.2, 3.28), ("beijing_noncapital_projects", "thz", 100, 183),
])
def test_conflicts_are_recorded_with_what_is_used_and_why(indicator: str, region: str, used: float, superseded: float,
                                                          registry: Registry) -> None:
    chosen = registry.stated(region, indicator, 2020)
    assert chosen is not None
    assert chosen.value == used
    assert chosen.prefers is not None
    assert chosen.prefers.why
    assert [s.value for s in registry.statements if s.id in chosen.prefers.over] == [superseded]


def test_no_contradiction_is_left_without_a_preference(registry: Registry) -> None:
    groups: dict[tuple[object, ...], list[Statement]] = {}
    for s in registry.statements:
        if s.value is not None and s.id not in registry.superseded:
            groups.setdefault(s.key, []).append(s)
    for group in groups.values():
        for one, other in combinations(group, 2):
            factor = units.factor(other.unit, one.unit)
            (a, b), (c, d) = one.interval(), other.interval()
            assert max(a, c * factor) <= min(b, d * factor) * (1 + 1e-9) or min(b, d * factor) < 0, (one.id, other.id)


def test_select_filters_into_a_table(registry: Registry) -> None:
    table = registry.select(region="nidz", indicator="total_revenue")
    assert sorted(table["value"]) == [2.7, 6]
    assert set(table["unit"]) == {"万亿元"}
    assert registry.select(region="nowhere").empty


def test_unknown_names_get_the_nearest(registry: Registry) -> None:
    with pytest.raises(InvalidInput, match=r"region: 'tedda' is not known\.\n    Did you mean 'teda'\?"):
        registry.region("tedda")
    with pytest.raises(InvalidInput, match=r"indicator: 'gpd' is not in the catalogue\.\n    Did you mean 'gdp'\?"):
        registry.catalogue.find("gpd")
