"""The validation tests are tested by faults: each fault put into a copy of the model must make the test that looks for it fail."""

import dataclasses
import json
import re
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from simulate.__main__ import COMMANDS
from simulate.backtest import theil
from simulate.errors import InvalidInput
from simulate.feedback import Loop
from simulate.model import Input, Model, Parameter, Stock, formula
from simulate.region import LOOPS, regional_model
from simulate.registry import load_registry
from simulate.scenarios import Shock
from simulate.validation import (
    TESTS,
    Case,
    Finding,
    Measure,
    Report,
    behaviour,
    case_for,
    extremes,
    pages,
    regions_to_validate,
    sensitivity,
    structure,
    validate,
    worst,
)
from simulate.validation.findings import below, shown, words

PAGE = Path(__file__).parents[1] / "docs" / "validation.md"


@pytest.fixture(scope="module")
def registry():
    return load_registry()


@pytest.fixture(scope="module")
def case(registry):
    return case_for(registry, "thz")


def with_model(case, **changes):
    """A case whose model has stocks or equations replaced by those of the same name."""
    model = case.model
    for group, new in changes.items():
        held = {x.name: x for x in getattr(model, group)} | {x.name: x for x in new}
        model = dataclasses.replace(model, **{group: tuple(held.values())})
    return Case(case.registry, case.scenario, model)


def stock(case, name):
    return next(s for s in case.model.stocks if s.name == name)


def equation(case, name, expression):
    e = next(e for e in case.model.equations if e.name == name)
    return formula(name, expression, e.unit, e.documentation, e.over)


def verdicts(figures, text):
    return {m.verdict for m in figures if text in m.label.en}


# ---------------------------------------------------------------- faults that must be found

@pytest.mark.parametrize(("name", "change", "ledger"), [
    ("capital", {"inflows": ()}, "construction"),  # projects are finished, and nobody has them
    ("knowledge", {"outflows": ()}, "under way"),
    ("certified_2", {"inflows": ()}, "certificates"),
    ("candidates", {"outflows": ("candidate_exits",)}, "certificates"),  # certified, and still a candidate
    ("gazelle_enterprises", {"outflows": ("listings",)}, "eaglets"),
    ("labour_supply", {"inflows": ()}, "labour supply"),
])
def test_a_leak_is_found(case, name, change, ledger):
    leaking = with_model(case, stocks=[dataclasses.replace(stock(case, name), **change)])
    drawn = case.draw(20, leaking.pushed)
    errors = {x.name.en: structure.ledger_error(leaking, leaking.pushed, x, drawn) for x in structure.LEDGERS}
    sound = {x.name.en: structure.ledger_error(case, case.pushed, x, drawn) for x in structure.LEDGERS}
    broken = [n for n, e in errors.items() if not e < structure.ROUNDING]
    assert len(broken) == 1 and ledger in broken[0]
    assert all(e < structure.ROUNDING for e in sound.values())


def test_a_flow_counted_twice_is_found(case):
    twice = with_model(case, stocks=[dataclasses.replace(stock(case, "knowledge"), inflows=("rd_matured", "rd_matured"))])
    assert structure.twice_counted(twice.model) == ["rd_matured"]
    assert structure.twice_counted(case.model) == []


def test_a_broken_identity_is_found(case):
    wrong = with_model(case, equations=[equation(case, "gdp", "1.01 * total(output)")])
    keep = ("industrial_value_added", "capital_formation", "rd_expenditure")
    errors = structure.identity_errors(wrong.project(wrong.setup, case.medians, keep=keep))
    assert errors["gdp"] == pytest.approx(0.01 / 1.01, rel=1e-6)
    assert max(structure.identity_errors(case.project(case.setup, case.medians, keep=keep)).values()) < structure.ROUNDING


@pytest.mark.parametrize(("name", "expression"), [
    ("candidate_exits", "candidate_exit_rate * (candidates + high_tech_enterprises_base)"),
    ("delistings", "listed_exit_rate * listed_enterprises_base"),
])
def test_an_outflow_that_does_not_vanish_with_its_stock_is_found(case, name, expression):
    figures = extremes.equation_checks(with_model(case, equations=[equation(case, name, expression)]))
    assert verdicts(figures, "outflows that do not vanish") == {"failed"}
    assert "failed" in verdicts(figures, "falling at zero") or "weak" in verdicts(figures, "falling at zero")
    assert verdicts(extremes.equation_checks(case), "outflows that do not vanish") == {"passed"}


def test_negative_outflows_and_wild_equations_are_found(case):
    negative = extremes.equation_checks(with_model(case, equations=[
        equation(case, "depreciation", "depreciation_rate * (capital - 2 * capital_base)")]))
    assert verdicts(negative, "turn negative") == {"failed"}
    wild = extremes.equation_checks(with_model(case, equations=[equation(case, "recovery", "log(utilisation_base - 1) / recovery_time")]))
    assert verdicts(wild, "leave the finite numbers") == {"failed"}
    shares = extremes.equation_checks(with_model(case, equations=[equation(case, "industrial_share", "gdp / industrial_value_added")]))
    assert verdicts(shares, "shares outside") == {"failed"}


def test_negative_stocks_are_counted(case):
    falling = with_model(case, equations=[equation(case, "delistings", "listed_enterprises_base")])
    found = structure.stress(falling, case.draw(200))
    assert found.negative == 200 and found.worst == "listed_enterprises"
    assert structure.stress(case, case.draw(200)).negative == 0


def test_the_input_at_fault_is_named(case):
    drawn = case.draw(400)
    drawn["knowledge_elasticity"] = np.where(np.arange(400) % 10 == 0, 40.0, drawn["knowledge_elasticity"])  # grows without bound
    found = structure.stress(case, drawn)
    assert found.bad.sum() == found.nonfinite == 40 and structure.blame(drawn, found.bad)[0] == "knowledge_elasticity"
    assert structure.blame(drawn, np.zeros(400, dtype=bool)) == []


@pytest.mark.parametrize(("name", "expression", "unit"), [
    ("completion", "pipeline * construction_time", None), ("gdp", "total(output)", "CNY100M"), ("nominal_gdp", "gdp", None)])
def test_a_wrong_unit_fails(case, name, expression, unit):
    wrong = equation(case, name, expression)
    finding = structure.dimensions(with_model(case, equations=[dataclasses.replace(wrong, unit=unit or wrong.unit)]))
    assert finding.verdict == "failed"
    assert name in (finding.main.worry.en if finding.main.worry else "")


def test_a_hidden_currency_is_found(case):
    hidden = with_model(case, equations=[equation(case, "recovery", "(normal_utilisation - utilisation) / recovery_time"
                                                  " + exp(0 - gdp / 1000) / recovery_time")])
    assert structure.numeraire_error(hidden) > 1e-9
    assert structure.numeraire_error(case) < 1e-9


def test_every_fault_of_dimension_is_made_and_caught():
    parameters = (Parameter("rate", "1/year", 0.1, "", ""), Parameter("share", "1", 0.5, "", ""))
    drain = formula("drain", "rate * share * tank", "firm/year", "")
    model = Model((Stock("tank", "firm", "start", (), ("drain",)),), (*parameters, Parameter("start", "firm", 1.0, "", "")), (), (drain,))
    assert structure.caught(model) == (3, [])
    assert {what for what, _ in structure.mutants(drain, model.units)} == {"rate dropped", "tank dropped", "rate * share * tank inverted"}
    more = dataclasses.replace(model, equations=(drain, formula("idle", "maximum(tank, 0 * tank)", "firm", "")))
    assert structure.caught(more) == (5, [])  # 0·tank made 0·1 is no fault: it is not counted


@pytest.mark.parametrize(("loop", "wrong"), [("diminishing returns", "R"), ("R&D, knowledge, productivity", "B"), ("migration", "R"),
                                             ("certificate lapse", "R")])
def test_a_wrong_polarity_is_found(case, loop, wrong):
    lied = [dataclasses.replace(x, polarity=wrong) if x.name == loop else x for x in LOOPS if x.name == loop]
    right = [x for x in LOOPS if x.name == loop]
    (said,), (true,) = behaviour.loop_cuts(case, lied), behaviour.loop_cuts(case, right)
    assert true["agrees"] is True and said["agrees"] is False
    figures = behaviour.anomaly(case, lied).figures
    assert figures[0].verdict == ("weak" if said["others"] else "failed")


def test_a_reversed_link_turns_the_polarity(case):
    turned = with_model(case, equations=[
        equation(case, "total_factor_productivity", "technology * power(knowledge_base / knowledge, knowledge_elasticity)")])
    loops = [x for x in LOOPS if x.name == "R&D, knowledge, productivity"]
    assert behaviour.loop_cuts(turned, loops)[0]["agrees"] is False


@pytest.mark.parametrize(("world", "name", "expression"), [
    (extremes.no_investment, "completion", "pipeline / construction_time + 0.1 * depreciation_rate * capital_base"),  # capital from nowhere
    (extremes.no_research, "knowledge_obsolescence", "0.5 * knowledge_obsolescence_rate * knowledge"),
    (extremes.renewal, "renewals", "0.8 * expiries"),
    (extremes.no_labour_inflow, "labour_inflow", "labour_supply * (labour_supply_growth + 0.001)"),
    (extremes.half_lost, "recovery", "0 * utilisation / recovery_time"),  # no way back
    (extremes.all_levers, "normal_utilisation", "1 - 100 * demand_effect * policy_trade_consumption"),
    (extremes.no_elasticities, "total_factor_productivity", "technology * power(knowledge / knowledge_base, 0.1)"),
])
def test_a_fault_shows_in_an_extreme_world(case, world, name, expression):
    assert world(case).ok
    assert not world(with_model(case, equations=[equation(case, name, expression)])).ok


def test_levers_that_act_at_strength_0_are_found(case, monkeypatch):
    """A cost or an effect that does not go to 0 with the strength: the levered run departs from the baseline."""
    assert extremes.no_levers(case).ok
    levered = case.settle(shocks={"hidden": Shock(start=case.setup.base_year + 1, size=0.001)})
    monkeypatch.setattr(Case, "levered", lambda self, **levels: levered)
    assert not extremes.no_levers(case).ok


def test_a_slow_or_stiff_integration_is_found(case):
    def error(**changes):
        made = Case(case.registry, dataclasses.replace(case.scenario, **changes))
        return next(m for m in structure.integration(made).figures if "largest relative error" in m.label.en)

    assert error().verdict == "passed"
    assert error(method="euler").verdict in ("weak", "failed")
    assert error(parameters={"hiring_time": 0.02}).verdict == "failed"


def test_a_base_year_that_is_missed_is_found(case):
    wrong = with_model(case, equations=[equation(case, "gdp", "1.01 * total(output)")])
    errors = behaviour.base_errors(wrong.project(wrong.setup, wrong.medians))
    assert errors["gdp"] == pytest.approx(0.01) and behaviour.base_errors(case.central)["gdp"] < 1e-9


def test_a_lever_that_harms_or_bends_is_found(case):
    harm = with_model(case, equations=[equation(case, "normal_utilisation", "1 - demand_effect * policy_trade_consumption")])
    assert np.median(behaviour.lever_effects(harm, runs=16)["trade_consumption"]["gdp"]) < 0
    assert np.median(behaviour.lever_effects(case, runs=16)["trade_consumption"]["gdp"]) > 0
    bent = with_model(case, equations=[equation(
        case, "normal_utilisation", "1 + demand_effect * policy_trade_consumption * (1 - 1.2 * policy_trade_consumption)")])
    assert "trade_consumption → gdp" in behaviour.responses(bent) and behaviour.responses(case) == []


def test_a_projection_far_from_the_record_is_found(registry):
    tianjin = case_for(registry, "tianjin")
    fast = Case(registry, dataclasses.replace(tianjin.scenario, parameters={**tianjin.scenario.parameters, "productivity_growth": 0.1}))
    finding = behaviour.reproduction(fast, runs=200)
    assert verdicts(finding.figures, "GDP growth: Theil's U2") == {"weak"}
    assert verdicts(finding.figures, "records inside the 90 % band of the runs alone") == {"weak"}
    assert verdicts(behaviour.reproduction(tianjin, runs=200).figures, "GDP growth: Theil's U2") == {"passed"}


def test_a_parameter_without_a_ground_is_found(case):
    first = case.model.parameters[-1]
    bare = with_model(case, parameters=[dataclasses.replace(first, source="")])
    assert verdicts(sensitivity.parameters(bare).figures, "without a ground") == {"failed"}


# ---------------------------------------------------------------- cuts, against formulas

def growing(rate=0.3, drain=0.1):
    parameters = (Parameter("rate", "1/year", rate, "", ""), Parameter("loss", "1/year", drain, "", ""),
                  Parameter("start", "firm", 1.0, "", ""))
    flows = (formula("birth", "rate * tank", "firm/year", ""), formula("death", "loss * tank", "firm/year", ""))
    return Model((Stock("tank", "firm", "start", ("birth",), ("death",)),), parameters, (Input("nothing", "1", ""),), flows)


@pytest.mark.parametrize(("link", "expected"), [
    (("tank", "birth"), lambda t: 3 - 2 * np.exp(-0.1 * t)),  # births at the first year's rate: 0.3/0.1 is approached
    (("tank", "death"), lambda t: np.exp(0.3 * t) - (np.exp(0.3 * t) - 1) / 3),
    (("birth", "tank"), lambda t: 3 - 2 * np.exp(-0.1 * t)), (("death", "tank"), lambda t: np.exp(0.3 * t) - (np.exp(0.3 * t) - 1) / 3)])
def test_a_cut_loop_follows_its_formula(link, expected):
    from simulate.integrators import rk4

    model, held = behaviour.cut(growing(), link)
    given = {p.name: np.array([p.default or 0.0]) for p in model.parameters}
    given[held] = np.array([{"tank": 1.0, "birth": 0.3, "death": 0.1}[link[0]]])
    x = model.simulate(given, {"nothing": lambda t, within: np.zeros(1)}, start=0.0, years=8, steps_per_year=8, step=rk4, runs=1,
                       elements={}, keep=["tank"])["tank"]
    assert x[:, 0] == pytest.approx(expected(np.arange(9.0)), rel=1e-5)


def test_a_link_that_is_not_there():
    with pytest.raises(ValueError, match="no link"):
        behaviour.cut(growing(), ("birth", "death"))


def test_the_link_cut_is_the_loops_own():
    loops = [Loop("growth", "R", ("tank", "birth")), Loop("decay", "B", ("tank", "death")), Loop("long", "B", ("tank", "birth", "x"))]
    assert behaviour.own_link(loops, "decay") == (("tank", "death"), [])
    assert behaviour.own_link(loops, "growth") == (("birth", "tank"), [])  # tank -> birth serves the long loop as well
    two = [Loop("one", "R", ("a", "b", "c")), Loop("one", "R", ("a", "b", "d"))]
    assert behaviour.own_link(two, "one")[0] == ("a", "b")  # the link of both variants


# ---------------------------------------------------------------- statistics, against numbers from outside

def test_theil_shares_of_known_series():
    actual = np.array([1.0, 2.0, 3.0, 4.0])
    assert theil(actual + 1, actual).bias == pytest.approx(1)  # level alone is wrong
    swing = theil(2.5 + 2 * (actual - 2.5), actual)
    assert (swing.bias, swing.variance) == pytest.approx((0, 1))  # swing alone
    crossed = theil(actual[::-1], actual)
    assert crossed.covariance == pytest.approx(1)


def test_kendalls_w():
    assert sensitivity.agreement(np.tile([1.0, 2, 3, 4], (5, 1))) == pytest.approx(1)
    assert sensitivity.agreement(np.array([[1.0, 2, 3], [3, 2, 1]])) == pytest.approx(0)
    # by hand: two judges, three objects, rank sums 3, 4, 5 about a mean of 4: W = 12·2/(2²·(27 - 3)) = 1/4
    assert sensitivity.agreement(np.array([[1.0, 3, 2], [2.0, 1, 3]])) == pytest.approx(0.25)


def test_rank_coefficients_of_a_known_response():
    rng = np.random.default_rng(1)
    drawn = {n: rng.random(4000) for n in ("a", "b", "idle")} | {"same": np.ones(4000)}
    b, fit = sensitivity.rank_coefficients(drawn, np.exp(3 * drawn["a"] - 1.5 * drawn["b"]))
    assert set(b) == {"a", "b", "idle"} and abs(b["idle"]) < 0.05
    assert b["a"] / b["b"] == pytest.approx(-2, abs=0.15) and fit > 0.95
    _, none = sensitivity.rank_coefficients(drawn, (drawn["a"] - 0.5) ** 2)
    assert none < 0.1  # not monotone: the regression says so


def test_learning_agrees_with_bayes_for_a_linear_model(case, monkeypatch):
    """A point that is an input itself, with an error of its own spread: its variance halves, others learn nothing."""
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(2, 40_000))
    t = dataclasses.replace(case.central, drawn={"x": x, "y": y}, values={"gdp": np.ones((2, 40_000))})
    monkeypatch.setattr(sensitivity.outturns, "predicted", lambda t, points: x[None])
    monkeypatch.setattr(sensitivity.outturns, "on_error_scale", lambda p, row: row)
    monkeypatch.setattr(sensitivity.outturns, "error_covariance", lambda points, base: np.array([[1.0]]))
    found, directions = sensitivity.learned(t, [None], 2020)
    assert found["x"] == pytest.approx(0.5, abs=0.01) and found["y"] < 0.001
    monkeypatch.setattr(sensitivity.outturns, "error_covariance", lambda points, base: np.array([[0.25]]))
    found, directions = sensitivity.learned(t, [None], 2020)
    assert found["x"] == pytest.approx(0.8, abs=0.01) and directions == 1


def test_inputs_of_levers_not_pulled_do_not_act(case):
    found = sensitivity.acting(case)
    assert {"productivity_growth", "renewal_share", "gdp_base"} <= found
    assert not {k for k in found if k.startswith("cost_") or k in ("rd_effect", "policy_budget_share")}


def test_a_shock_that_heals_is_told_from_one_that_does_not(case):
    """Where labour does not move with wages, what capital and knowledge lack is made up; where it does, the loss stays."""
    still = Case(case.registry, dataclasses.replace(case.scenario, parameters={**case.scenario.parameters, "migration_response": 0.0}))
    staying, open_ = behaviour.lasting_loss(still), behaviour.lasting_loss(case)
    assert staying.healing and staying.supply == pytest.approx(0, abs=1e-9) and staying.last < open_.last / 2
    assert open_.supply > 1 and open_.worst == pytest.approx(staying.worst, rel=0.1)


def test_patterns_swings_and_overshoot():
    years = np.arange(16.0)
    x = np.stack([np.exp(0.03 * years), 1 + np.sin(years / 5), np.exp(0.03 * years + 0.02 * np.sin(2 * years)), np.log(2 + years),
                  np.exp(0.002 * years**2)], axis=1)
    assert behaviour.oscillating(x).tolist() == [False, False, True, False, False]
    assert behaviour.overshooting(x).tolist() == [False, True, False, False, False]
    assert sensitivity.patterns(x[:, [1, 3, 4]]) == pytest.approx({"falling": 1 / 3, "accelerating": 1 / 3, "slowing": 1 / 3})


def test_boundary_shares_fall_on_what_drives_growth(case):
    """Without its own dynamics the region grows with exogenous technology alone, and all variance comes from outside."""
    alone = with_model(case, equations=[equation(case, "output", "0 * utilisation * capacity + value_added_base * technology")])
    share = next(m for m in sensitivity.boundary(alone).figures if "outside the boundary" in m.label.en)
    assert share.value > 99 and share.verdict == "failed"


# ---------------------------------------------------------------- the list, the verdicts, the worries

@pytest.fixture(scope="module")
def report(registry):
    return validate(registry, "thz")


def test_the_list_is_complete_and_every_test_answers(report):
    assert [t.id for t in TESTS] == ["boundary", "structure", "dimensions", "parameters", "extremes", "integration", "reproduction",
                                     "anomaly", "family", "surprise", "sensitivity", "improvement"]
    assert [f.test for f in report.findings] == [t.id for t in TESTS]
    for f in report.findings:
        order = ["not testable", "passed", "weak", "failed"]
        assert f.figures and f.verdict == max((m.verdict for m in f.figures if m.verdict), key=order.index)
        assert all(m.label.zh and m.label.en for m in f.figures)
    by_id = {f.test: f for f in report.findings}
    for id in ("dimensions", "integration", "anomaly"):
        assert by_id[id].verdict == "passed", by_id[id].main


def test_what_is_measured_twice_is_the_same(registry, report):
    again = validate(registry, "thz", only=["structure", "surprise"])
    first = {f.test: f.to_json() for f in report.findings}
    assert all(f.to_json() == first[f.test] for f in again.findings)


def test_worries_are_the_gravest_one_a_test(report):
    found = report.worries()
    assert len({w.test for w in found}) == len(found) == 3
    severities = [w.measure.severity for w in report.all_worries()]
    assert severities == sorted(severities, reverse=True) and found[0].measure.severity == severities[0]
    assert all(re.search(r"\d", w.text.en) and re.search(r"\d", w.text.zh) for w in found)  # composed of figures

    case = report.case
    mild = Finding("family", words("", ""), (below(words("a", "a"), 1.1, 1.0, worry=words("甲", "mild")),))
    grave = Finding("anomaly", words("", ""), (below(words("b", "b"), 1.1, 1.0, strict=True, worry=words("乙", "grave")),))
    far = Finding("surprise", words("", ""), (below(words("c", "c"), 9.0, 1.0, worry=words("丙", "far")), Measure(words("d", "d"), 1)))
    assert [w.text.en for w in worst([Report(case, (mild, grave, far))])] == ["grave", "far", "mild"]
    assert mild.verdict == "weak" and grave.verdict == "failed"
    assert Finding("x", words("", ""), (Measure(words("", ""), 1),)).verdict == "not testable"


def test_a_figure_shown_does_not_show_its_last_bits():
    assert shown(0.1 + 0.2) == shown(0.3) == "0.300"
    assert shown(3e-15) == "0" and shown(2.4e-7) == "2e-07" and shown(12345.6) == "12,346" and shown(7) == "7"


# ---------------------------------------------------------------- page and command

def invoke(*arguments):
    from importlib import import_module

    for name in COMMANDS:
        import_module(f"simulate.cli_{name}")
    from simulate.cli import app

    return CliRunner().invoke(app, ["validate", *arguments])


def headings(text):
    return re.findall(r"^#+ [^:\n]*", text, flags=re.M)


def test_the_committed_page_has_every_region_and_test(registry):
    text = PAGE.read_text(encoding="utf-8")
    for id in regions_to_validate(registry):
        assert f"## {registry.regions[id].en}: {case_for(registry, id).scenario.id}" in text
    for t in TESTS:
        assert f"| {t.title.en} | {t.question.en} |" in text and f"### {t.title.en}: " in text
    for image in re.findall(r"!\[[^\]]*\]\(([^)]*)\)", text):
        assert (PAGE.parent / image).is_file()


def test_the_page_is_made_of_the_findings(report, tmp_path):
    text = pages.page([report], "en")
    assert text == pages.page([report], "en") and text.count("\n### ") == len(TESTS) + 1
    assert headings(text)[0] == "# Validation"
    committed = PAGE.read_text(encoding="utf-8")
    assert set(headings(text)) - {"### What else did not hold"} <= set(headings(committed))
    files = pages.write_page([report], tmp_path / "page.md", "zh")
    assert files[-1].read_text(encoding="utf-8").startswith("# 模型检验")
    assert {f.name for f in files} == {"page.md", "validation-anomaly-thz.png", "validation-sensitivity-thz.png"}
    assert all(f.stat().st_size < 80_000 for f in files[:-1])
    assert sorted(p.name for p in tmp_path.iterdir()) == ["figures", "page.md"]  # no temporary file is left


def test_the_command_prints_tables_and_json():
    plain = invoke("teda", "--only", "integration", "--only", "dimensions", "--lang", "zh")
    assert plain.exit_code == 0 and "量纲一致" in plain.output and "通过" in plain.output
    found = json.loads(invoke("thz", "--only", "extremes", "--json").output)
    assert found["region"] == "thz" and [t["test"] for t in found["tests"]] == ["extremes"]
    assert {f["verdict"] for f in found["tests"][0]["figures"]} <= {None, "passed", "weak", "failed"}
    assert found["tests"][0]["source"].startswith("Forrester")


@pytest.mark.parametrize(("arguments", "message"), [
    (["nowhere"], "nowhere"),
    (["thz", "--only", "extreme"], "there is no test 'extreme'"),
    (["thz", "--page", "/no/such/folder/page.md"], "there is no such folder"),
    (["thz", "--lang", "de"], "is not a language"),
])
def test_bad_input_is_refused_with_a_message(arguments, message):
    refused = invoke(*arguments)
    assert refused.exit_code == 2 and message in refused.stderr


def test_a_page_where_a_folder_is_and_where_none_can_be_written(tmp_path, monkeypatch):
    assert "is a folder" in invoke("thz", "--page", str(tmp_path)).stderr
    monkeypatch.setattr(pages.os, "access", lambda *a: False)
    refused = invoke("thz", "--page", str(tmp_path / "page.md"))
    assert refused.exit_code == 2 and "cannot be written to" in refused.stderr


def test_a_region_that_cannot_be_projected(tmp_path):
    (tmp_path / "bare.yaml").write_text("document: {id: bare, kind: plan, title: {zh: 某, en: Bare}}\n"
                                        "regions:\n  bare: {zh: 某区, en: Bare, base_year: 2020}\n", encoding="utf-8")
    registry = load_registry(tmp_path)
    with pytest.raises(InvalidInput, match="no scenario for the region 'bare'"):
        validate(registry, "bare")
    assert "bare" not in regions_to_validate(registry)
    refused = invoke("bare", "--data", str(tmp_path))
    assert refused.exit_code == 2 and "no scenario for the region" in refused.stderr
    moved = Case(registry, dataclasses.replace(case_for(registry, "thz").scenario, region="bare"))
    with pytest.raises(InvalidInput, match="names no sectors"):
        validate(registry, "bare", case=moved)


def test_the_regional_model_is_what_is_tested(case):
    assert case.model is regional_model()
