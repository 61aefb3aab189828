"""The exported XMILE file: run by PySD and by pysimlin it gives our Euler; a legal document; a diagram one can read."""

import dataclasses
import functools
import importlib
import itertools
import math
import os
import re
import warnings
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simulate import runs, setups
from simulate.distributions import Distribution
from simulate.errors import InvalidInput
from simulate.interop.xmile import NAMESPACE, RESERVED, expanded_names, write_xmile, xmile
from simulate.model import Equation, Input, Stock, formula
from simulate.parameters import LEVERS
from simulate.registry import load_registry
from simulate.scenarios import LeverSetting, PathSetting, Scenario, Shock, list_scenarios, load_scenario
from simulate.setups import Setup

TOLERANCE = 1e-12  # the promise is 1e-9; both programs are within about 1e-15 of us where nothing is lost on the way
SCENARIOS = {s.id: s for s in list_scenarios()}
PYSD = [f"{region}-{name}" for region in ("thz", "teda", "tianjin") for name in ("baseline", "strong-policy", "shock", "plan")]
THZ = SCENARIOS["thz-baseline"]

HARD: dict[str, Scenario] = {
    # ramps and jumps, on and off the edges of steps and on whole years, and a budget that binds
    "levers": dataclasses.replace(
        THZ, steps_per_year=4, parameters={"policy_budget_share": 0.03},
        levers={name: LeverSetting(level=0.3 + 0.07 * k, start=2019.5 + 0.6 * k, ramp=float(k % 4)) for k, name in enumerate(LEVERS)},
        uncertainties={"levers.rd_support": Distribution(uniform=(0.2, 1.0)), "cost_talent": Distribution(uniform=(0.0, 0.1))}),
    # shocks that overlap, begin before the base year, last part of a step; names that are no identifiers
    "shocks": dataclasses.replace(
        THZ, steps_per_year=8, levers={"trade_consumption": LeverSetting(level=1.0, start=2022.0)},
        shocks={"long": Shock(start=2021.1, size=0.3, duration=2.3), "over it": Shock(start=2022.5, size=0.2, duration=0.5),
                "over-it": Shock(start=2022.7, size=0.1, duration=0.01), "疫情": Shock(start=2030.5, size=0.1, duration=1.0),
                "slump": Shock(start=2020.0, size=0.4, duration=1.5, on="investment"),
                "second": Shock(start=2024.2, size=0.1, duration=0.7, on="investment")},
        uncertainties={"shocks.long": Distribution(uniform=(0.0, 0.5)), "shocks.second": Distribution(choice=(0.1, 0.9))}),
    # paths that end, hold, begin before the base year, have one point, go by elements, end at the horizon
    "paths": dataclasses.replace(
        THZ, steps_per_year=2, levers={"talent": LeverSetting(level=1.0, start=2021.0, ramp=5.0)},
        paths={"fixed_asset_investment": PathSetting(total=1500.0, period=(2022, 2026), after="hold"),
               "rd_intensity": PathSetting(values={2023: 9.0, 2024: 4.0, 2029: 6.5}, unit="%"),
               "labour_supply_growth": PathSetting(values={2022: 0.03, 2024: -0.02}, after="hold"),
               "registrations": PathSetting(values={2018: 0.5, 2021: 1.5, 2026: 0.1}),
               "cluster_revenue": PathSetting(values={2025: 300.0}),
               "real_wage": PathSetting(values={2035: 1.4}),
               "outside_wage": PathSetting(values={2020: 1.1}, after="hold"),
               "gdp": PathSetting(total=7000.0, period=(2021, 2030)),
               "policy_talent": PathSetting(values={2021: 0.2, 2030: 0.9}),
               "high_tech_enterprises": PathSetting(values={2022: 2500.0}, unit="家")}),
    # a jump in the very middle of a step, where >= decides, and one on a whole year
    "one step a year": dataclasses.replace(
        THZ, steps_per_year=1, shocks={"tie": Shock(start=2022.0, size=0.1, duration=2.0)},
        paths={"fixed_asset_investment": PathSetting(values={2020: 200.0})},  # over as soon as it begins
        levers={"finance": LeverSetting(level=1.0, start=2024.5), "rd_support": LeverSetting(level=1.0, start=2026.5),
                "talent": LeverSetting(level=1.0, start=2024.0)}),
}


@functools.cache
def peer(name: str) -> Any:
    """A program of the extra `peers`. Where SIMULATE_PEERS is set, as in CI, it must be there."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return importlib.import_module(name)
        except ImportError:
            if os.environ.get("SIMULATE_PEERS"):
                raise
            return pytest.skip(f"{name} is not installed: pip install 'simulate[peers]'")


def euler(scenario: Scenario, steps: int = 16) -> Scenario:
    return dataclasses.replace(scenario, method="euler", steps_per_year=steps)


def by_simlin(path: Path, years: Any, columns: list[str]) -> Mapping[str, Any]:
    model = peer("simlin").load(str(path))
    assert model.check() == ()
    assert model.check_units() == ()
    return model.run(analyze_loops=False).results.loc[list(years)]


def by_pysd(path: Path, years: Any, columns: list[str]) -> Mapping[str, Any]:
    pysd = peer("pysd")
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        builder = importlib.import_module("pysd.builders.python.python_model_builder")
        patch.setattr(builder.black, "format_file_contents", lambda text, **more: text)  # laying out the code takes half of the time
        return pysd.read_xmile(str(path)).run(return_columns=columns, return_timestamps=list(years))


def kept(setup: Setup) -> list[str]:
    """Every stock and every headline variable."""
    return list(dict.fromkeys([*(s.name for s in setup.model.stocks), *runs.KEPT]))


def assert_same(setup: Setup, ours: Mapping[str, Any], path: Path, program: Any) -> None:
    names = expanded_names(setup)
    there = {e.get("name") for e in ET.parse(path).getroot().iter() if e.get("name")}
    elements = {"sector": setup.sectors, "cluster": setup.clusters}
    wanted: dict[str, Any] = {}
    for name in kept(setup):
        over = setup.model.over[name]
        for k, at in enumerate([(e,) for e in elements[over]] if over else [()]):
            plain = names[(name, *at)]
            wanted[f"{plain}_reported" if f"{plain}_reported" in there else plain] = ours[name][:, k, 0] if over else ours[name][:, 0]
    assert all(np.isfinite(x).all() for x in wanted.values())
    years = setup.base_year + np.arange(setup.scenario.horizon - setup.base_year + 1.0)
    found = program(path, years, list(wanted))
    faults = [f"{n} in {years[k]:g}: {np.asarray(found[n])[k]!r}, we have {x[k]!r}" for n, x in wanted.items()
              for k in np.flatnonzero(~(np.abs(np.asarray(found[n]) - x) <= TOLERANCE * np.abs(x)))]
    assert not faults, "\n".join(faults[:20])


def run_and_compare(scenario: Scenario, run: int | None, path: Path, *programs: Any) -> None:
    """Run number `run`, or the central one, by us and by other programs."""
    names = kept(setups.resolve(load_registry(), scenario))
    found = runs.run(scenario, load_registry(), runs=1, first=run or 0, central=run is None, keep=names)
    write_xmile(path, found.setup, None if run is None else found.drawn, steps_per_year=scenario.steps_per_year)
    for program in programs:
        assert_same(found.setup, found.values, path, program)


# ---------------------------------------------------------------- other programs

@pytest.mark.parametrize("id", PYSD)
def test_pysd_gives_our_euler(id: str, tmp_path: Path) -> None:
    run = {"strong-policy": 3, "shock": 17}.get(id.partition("-")[2])
    run_and_compare(euler(SCENARIOS[id]), run, tmp_path / f"{id}.xmile", by_pysd)


@pytest.mark.parametrize("case", HARD)
def test_pysd_gives_our_euler_in_hard_cases(case: str, tmp_path: Path) -> None:
    run_and_compare(dataclasses.replace(HARD[case], method="euler"), 5, tmp_path / "hard.xmile", by_pysd)


@pytest.mark.parametrize("run", [None, 0, 11])
@pytest.mark.parametrize("id", SCENARIOS)
def test_pysimlin_gives_our_euler_and_finds_no_fault(id: str, run: int | None, tmp_path: Path) -> None:
    run_and_compare(euler(SCENARIOS[id], 16 if run is None else 4), run, tmp_path / f"{id}.xmile", by_simlin)


@pytest.mark.parametrize("steps", [None, 1, 2, 32])
@pytest.mark.parametrize("case", HARD)
def test_pysimlin_gives_our_euler_in_hard_cases(case: str, steps: int | None, tmp_path: Path) -> None:
    scenario = dataclasses.replace(HARD[case], method="euler", steps_per_year=steps or HARD[case].steps_per_year)
    run_and_compare(scenario, 8, tmp_path / "hard.xmile", by_simlin)


def with_equation(setup: Setup, equation: Equation) -> Setup:
    equations = tuple(equation if e.name == equation.name else e for e in setup.model.equations)
    return dataclasses.replace(setup, model=dataclasses.replace(setup.model, equations=equations))


@pytest.mark.parametrize("expression", [
    "where(capital > capital_base, depreciation_rate * capital, depreciation_rate * capital * 0.5)",
    "where(capital / capital_base >= 1.2, -depreciation_rate * -capital, depreciation_rate * (capital - 2 - 3))",
    "capital ** 2 / capital * depreciation_rate ** 1.5",
    "where(capital < 0, depreciation_rate, where(capital <= 1e-3, 2.5e-7 * capital, 1e-2 * capital - -1e-20 * capital))",
    "0.1 * maximum(exp(log(capital)), minimum(capital, 1)) - 0.01 * power(capital, -0.3)",
    "depreciation_rate * capital + 1e-3 * total(capital * sector_share) - 1e-4 * total(of_sector(cluster_membership, capital))",
])
def test_every_form_of_expression(expression: str, tmp_path: Path) -> None:
    setup = setups.resolve(load_registry(), euler(THZ, 4))
    setup = with_equation(setup, formula("depreciation", expression, "CNY100M/year", "Another law of wear.", "sector"))
    drawn = {k: np.array([d.centre]) for k, d in setup.drawn.items()}
    path = write_xmile(tmp_path / "other.xmile", setup, steps_per_year=4)

    def without_units(path: Path, years: Any, columns: list[str]) -> Any:  # these expressions have none
        return peer("simlin").load(str(path)).run(analyze_loops=False).results.loc[list(years)]

    assert_same(setup, runs.project(setup, drawn, 1, kept(setup)), path, without_units)


# ---------------------------------------------------------------- the document

def tag(name: str) -> str:
    return f"{{{NAMESPACE}}}{name}"


def root_of(setup: Setup, drawn: Mapping[str, Any] | None = None, steps: int = 16) -> ET.Element:
    return ET.fromstring(xmile(setup, drawn, steps_per_year=steps))


@functools.cache
def document(id: str) -> ET.Element:
    return root_of(setups.resolve(load_registry(), {**SCENARIOS, **HARD}[id]))


each_document = pytest.mark.parametrize("id", [*SCENARIOS, *HARD])


def variables(root: ET.Element) -> list[ET.Element]:
    return [e for e in root.find(f".//{tag('variables')}") if e.tag != tag("group")]  # type: ignore[union-attr]


def canonical(name: str) -> str:
    return re.sub(r"(\\n|[\s_])+", "_", name).lower()


@each_document
def test_header_and_specifications(id: str) -> None:
    root, scenario = document(id), {**SCENARIOS, **HARD}[id]
    assert (root.tag, root.get("version")) == (tag("xmile"), "1.0")
    header = {e.tag: e.text for e in root.find(tag("header"))}  # type: ignore[union-attr]
    assert header[tag("vendor")] == header[tag("product")] == "simulate"
    assert header[tag("name")] == scenario.id
    specs = root.find(tag("sim_specs"))
    assert specs is not None
    assert (specs.get("method"), specs.get("time_units")) == ("euler", "year")
    base = load_registry().base_year(scenario.region)
    assert {e.tag: e.text for e in specs} == {tag("start"): str(base), tag("stop"): str(scenario.horizon), tag("dt"): "0.0625"}


@each_document
def test_names_equations_units_and_documentation(id: str) -> None:
    root = document(id)
    names = [e.get("name", "") for e in variables(root)]
    assert len(set(map(canonical, names))) == len(names)
    for name in names:
        assert re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name), name
        assert name not in RESERVED or name in ("within_step", "within_step_reported", "half_step", "one_year", "date_shift"), name
        assert not name.startswith("not"), name  # PySD would read a negation
    used: set[str] = set()
    for e in variables(root):
        texts = {c.tag: c.text for c in e}
        assert all(texts.get(tag(t)) for t in ("doc", "eqn", "units")), e.get("name")
        words = set(re.findall(r"(?<![\w.])[A-Za-z_]\w*", texts[tag("eqn")] or ""))
        assert {w for w in words if w.isupper()} <= {"IF", "THEN", "ELSE", "EXP", "LN", "MIN", "MAX", "TIME"}
        assert {w for w in words if not w.isupper()} <= set(names)
        used |= words
    flows = Counter((c.tag, c.text) for e in variables(root) for c in e if c.tag in (tag("inflow"), tag("outflow")))
    assert set(flows.values()) == {1}
    assert {n for _, n in flows} == {e.get("name") for e in variables(root) if e.tag == tag("flow")}
    reported = {n for n in names if n.endswith("_reported") and canonical(n) != "within_step_reported"}
    assert {n.removesuffix("_reported") for n in reported} <= set(names)


def test_what_a_reader_wants_to_know_is_there() -> None:
    root = document("thz-strong-policy")
    found = {e.get("name"): {c.tag.partition("}")[2]: c.text for c in e} for e in variables(root)}
    assert found["capital_industry"] == {
        "doc": "Capital in use", "eqn": "capital_base_industry", "inflow": "completion_industry", "outflow": "depreciation_industry",
        "units": "CNY100M"}
    assert found["gdp"]["eqn"] == "(output_industry + output_services)"
    assert found["total_factor_productivity"]["eqn"] == "(technology * EXP(knowledge_elasticity * LN((knowledge / knowledge_base))))"
    assert found["sector_share_services"]["eqn"] == "(1 - sector_share_industry)"
    assert found["lever_talent"]["eqn"] == (
        "(lever_talent_level * MIN(MAX(((TIME - (lever_talent_date - date_shift)) / lever_talent_ramp), 0), 1))")
    assert found["lever_talent_date"]["eqn"] == "2021"
    assert found["date_shift"]["eqn"] == "0.5"
    assert "Penn World Table" in str(found["capital_share_industry"]["doc"])
    assert "its median" in str(found["capital_share_industry"]["doc"])
    assert not any(str(n).endswith("_reported") for n in found)


def test_a_reported_value_is_there_only_where_a_jump_falls_on_a_whole_year() -> None:
    def reported(id: str) -> set[str]:
        return {n for e in variables(document(id)) if (n := e.get("name", "")).endswith("_reported")}

    assert reported("thz-plan") == {"within_step_reported", "fixed_asset_investment_reported"}
    assert not reported("tianjin-plan")
    assert not reported("thz-shock")
    assert "rd_intensity_reported" in reported("one step a year")


@pytest.mark.parametrize("region", ["teda", "tianjin"])
def test_a_region_without_clusters(region: str) -> None:
    assert not setups.resolve(load_registry(), SCENARIOS[f"{region}-baseline"]).clusters
    assert not [e.get("name") for e in variables(document(f"{region}-baseline")) if e.get("name", "").startswith("cluster_rev")]


def test_a_cluster_that_moves_with_the_whole_economy() -> None:
    found = {e.get("name"): e.findtext(tag("eqn")) for e in variables(document("nidz-baseline"))}
    assert found["cluster_membership_total_revenue_industry"] == "sector_share_industry"


def renamed(setup: Setup, names: Mapping[str, str]) -> Setup:
    def key(k: str) -> str:
        return re.sub(r"\[(.+)\]", lambda m: f"[{names.get(m[1], m[1])}]", k)

    region = dataclasses.replace(
        setup.region, sectors={names.get(k, k): v for k, v in setup.region.sectors.items()},
        clusters={names.get(k, k): dataclasses.replace(v, sector=names.get(v.sector or "", v.sector))
                  for k, v in setup.region.clusters.items()})
    return dataclasses.replace(setup, region=region, sectors=tuple(region.sectors), clusters=tuple(region.clusters),
                               values={key(k): v for k, v in setup.values.items()})


def test_names_that_clash_or_are_no_identifiers(tmp_path: Path) -> None:
    setup = renamed(setups.resolve(load_registry(), euler(THZ, 4)),
                    {"services": "supply", "biomedicine": "生物医药", "new_energy": "New-Energy!", "it_innovation": "new energy"})
    names = expanded_names(setup)
    assert names[("labour", "supply")] == "labour_sector_supply"
    assert names[("labour_supply",)] == "labour_supply"
    assert names[("cluster_revenue", "生物医药")] == "cluster_revenue_3"
    assert {names[("cluster_gain", "New-Energy!")], names[("cluster_gain", "new energy")]} == {
        "cluster_gain_new_energy", "cluster_gain_cluster_new_energy"}
    drawn = {k: np.array([d.centre]) for k, d in setup.drawn.items()}
    path = write_xmile(tmp_path / "names.xmile", setup, steps_per_year=4)
    assert_same(setup, runs.project(setup, drawn, 1, kept(setup)), path, by_simlin)


# ---------------------------------------------------------------- the diagram

@each_document
def test_the_diagram_shows_everything_once_and_is_no_heap(id: str) -> None:
    root = document(id)
    view = root.find(f".//{tag('view')}")
    assert view is not None
    kinds = {canonical(e.get("name", "")): e.tag for e in variables(root)}
    shown = {canonical(e.get("name", "")): e for e in view if e.tag in (tag("stock"), tag("flow"), tag("aux"))}
    assert {n: e.tag for n, e in shown.items()} == kinds
    ghosts = {e.get("uid", ""): e for e in view if e.tag == tag("alias")}
    assert {e.findtext(tag("of")) for e in ghosts.values()} <= set(kinds)
    assert len({e.get("uid") for e in view if e.get("uid")}) == len([e for e in view if e.get("uid")])

    def place(e: ET.Element) -> tuple[float, float]:
        return float(e.get("x", "nan")), float(e.get("y", "nan"))

    symbols = [place(e) for e in (*shown.values(), *ghosts.values())]
    assert min(math.dist(a, b) for a, b in itertools.combinations(symbols, 2)) >= 40
    assert all(0 < x < float(view.get("width", "0")) and 0 < y < float(view.get("height", "0")) for x, y in symbols)
    frames = [(*place(e), float(e.get("width", "0")), float(e.get("height", "0"))) for e in view if e.tag == tag("group")]
    for (x, y, w, h), (x2, y2, w2, h2) in itertools.combinations(frames, 2):
        assert x + w < x2 or x2 + w2 < x or y + h < y2 or y2 + h2 < y
    assert all(any(x < a < x + w and y < b < y + h for x, y, w, h in frames) for a, b in symbols)

    groups = {e.get("name"): [c.get("name") for c in e] for e in root.iter(tag("group")) if len(e)}
    assert sorted(n or "" for members in groups.values() for n in members) == sorted(kinds)
    assert set(groups) == {e.get("name") for e in view if e.tag == tag("group")}
    links: dict[str, set[str]] = {}
    for e in view.iter(tag("connector")):
        start, end = e.find(tag("from")), e.findtext(tag("to"), "")
        assert start is not None
        alias = start.find(tag("alias"))
        source = start.text if alias is None else ghosts[alias.get("uid", "")].findtext(tag("of"))
        links.setdefault(end, set()).add(source or "")
        (x0, y0), (x1, y1) = place(shown[source or ""] if alias is None else ghosts[alias.get("uid", "")]), place(shown[end])
        assert math.dist((x0, y0), (x1, y1)) < 2500
        angle = math.radians(float(e.get("angle", "nan")))
        assert math.cos(angle) * (x1 - x0) - math.sin(angle) * (y1 - y0) == pytest.approx(math.dist((x0, y0), (x1, y1)), rel=1e-6)
    for e in variables(root):
        words = set(re.findall(r"(?<![\w.])[a-z]\w*", e.findtext(tag("eqn"), "")))
        assert links.get(e.get("name", ""), set()) == words


@each_document
def test_pipes_join_their_stocks_at_right_angles(id: str) -> None:
    root = document(id)
    view = root.find(f".//{tag('view')}")
    assert view is not None
    stocks = {canonical(e.get("name", "")): (float(e.get("x", "nan")), float(e.get("y", "nan"))) for e in view if e.tag == tag("stock")}
    ends = {(way, e.text or ""): stocks[canonical(s.get("name", ""))] for s in variables(root) for way in ("inflow", "outflow")
            for e in s.findall(tag(way))}
    for flow in view.findall(tag("flow")):
        points = [(float(p.get("x", "nan")), float(p.get("y", "nan"))) for p in flow.iter(tag("pt"))]
        assert len(points) >= 2
        assert all((a[0] == b[0]) != (a[1] == b[1]) for a, b in itertools.pairwise(points))
        for way, point in (("inflow", points[-1]), ("outflow", points[0])):
            distances = {s: math.dist(point, at) for s, at in stocks.items()}
            end = ends.get((way, canonical(flow.get("name", ""))))
            if end:
                assert abs(point[0] - end[0]) <= 22
                assert abs(point[1] - end[1]) <= 17
            else:
                assert min(distances.values()) > 50


def test_a_flow_back_and_over_a_stock_is_drawn() -> None:
    """No flow of ours leaps a stock; a model may have one."""
    setup = setups.resolve(load_registry(), THZ)
    stocks = tuple(dataclasses.replace(s, inflows=(*s.inflows, "expiries")) if s.name == "candidates" else s for s in setup.model.stocks)
    root = root_of(dataclasses.replace(setup, model=dataclasses.replace(setup.model, stocks=stocks)))
    flow = next(e for e in root.iter(tag("flow")) if e.get("name") == "expiries" and e.get("x"))
    assert len(list(flow.iter(tag("pt")))) == 4


# ---------------------------------------------------------------- bad input, files

def refused(setup: Setup, drawn: Mapping[str, Any] | None = None, steps: int = 16) -> str:
    with pytest.raises(InvalidInput) as caught:
        xmile(setup, drawn, steps_per_year=steps)
    return str(caught.value)


@pytest.mark.parametrize("steps", [0, -4, 3, 10, 2048])
def test_steps_that_are_no_plain_number(steps: int) -> None:
    assert refused(setups.resolve(load_registry(), THZ), steps=steps) == (
        f"steps_per_year: {steps} is not a power of two from 1 to 1024.\n"
        "    Only then is the step a plain number that adds up to whole years in every program: 4, 8, 16, 32.")


def test_drawn_values_that_are_not_one_run() -> None:
    setup = setups.resolve(load_registry(), THZ)
    text = refused(setup, {"wage_respose": np.array([1.0]), "hiring_time": np.array([1.0, 2.0])})
    assert "drawn: nothing uncertain is called 'wage_respose' here.\n    Did you mean 'wage_response'" in text
    assert "drawn: 2 values are given for 'hiring_time'; a file holds one run.\n    Choose a run." in text
    assert refused(setup, {"hiring_time": np.array([np.nan])}) == "hiring_time: nan cannot be written in XMILE.\n    Give a finite number."


def test_what_xmile_cannot_say() -> None:
    setup = setups.resolve(load_registry(), THZ)
    twice = with_equation(setup, formula("elapsed", "where(0 < time < 1, 1, time - base_year)", "year", "A chain of comparisons."))
    assert "`0 < time < 1` is a comparison, not a number.\n    Compare two numbers as the first argument of where()" in refused(twice)
    array = with_equation(setup, formula("gdp", "output", "CNY100M/year", "An array for a number."))
    assert refused(array) == "equation gdp: output is an array where one number is meant.\n    Write total() around it."
    teda = setups.resolve(load_registry(), SCENARIOS["teda-baseline"])
    empty = with_equation(teda, formula("elapsed", "0 * total(cluster_position) * time", "year", "A sum over nothing."))
    assert "equation elapsed: a sum over no elements has no value." in refused(empty)
    model = dataclasses.replace(setup.model, inputs=(*setup.model.inputs, Input("rain", "1", "Rain")))
    assert refused(dataclasses.replace(setup, model=model)).startswith("the input rain has no form in XMILE yet.")
    stocks = (*setup.model.stocks, Stock("twin", "CNY100M", "knowledge_base", ("rd_matured",), (), None, "A second end of one flow"))
    assert refused(dataclasses.replace(setup, model=dataclasses.replace(setup.model, stocks=stocks))) == (
        "rd_matured is among the inflows of several stocks; in XMILE a flow has one source and one end.\n"
        "    Give each stock a flow of its own.")


def test_the_file_is_the_document_and_nothing_else_is_left(tmp_path: Path) -> None:
    setup = setups.resolve(load_registry(), load_scenario("thz-shock"))
    path = write_xmile(tmp_path / "a.stmx", setup, steps_per_year=8)
    assert path.read_text(encoding="utf-8") == xmile(setup, steps_per_year=8) == xmile(setup, steps_per_year=8)
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(OSError, match="nowhere"):
        write_xmile(tmp_path / "nowhere" / "a.xmile", setup)
    with pytest.raises(InvalidInput) as caught:
        write_xmile(tmp_path / "a.mdl", setup)
    assert str(caught.value) == "path: a.mdl does not end in .xmile, .stmx, .xml: PySD and Stella would not open it.\n    Name it a.xmile."
    (tmp_path / "taken.xmile").mkdir()
    with pytest.raises(OSError, match="taken"):
        write_xmile(tmp_path / "taken.xmile", setup)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.stmx", "taken.xmile"]
