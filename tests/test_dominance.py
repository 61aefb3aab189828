"""Loop scores against analytic cases, the published difference formulas written plainly, and Simlin, which computes them itself."""

from __future__ import annotations

from pathlib import Path

import networkx as nx
import numpy as np
import pytest

from simulate import runs as engine
from simulate.attainment import judge_all
from simulate.dominance import dominance, keep_for, loop_scores, principal, reached_by_run
from simulate.errors import InvalidInput
from simulate.feedback import Loop
from simulate.integrators import rk4
from simulate.model import Model, Parameter, Stock, formula
from simulate.registry import load_registry
from simulate.scenarios import load_scenario


def stock(name: str, inflows: tuple = (), outflows: tuple = ()) -> Stock:
    return Stock(name, "1", f"{name}_base", inflows, outflows)


def model_of(stocks: list[Stock], equations: dict[str, str]) -> Model:
    """A model of pure numbers; what nothing defines is a parameter."""
    made = [formula(n, text, "1/year", n) for n, text in equations.items()]
    known = {s.name for s in stocks} | set(equations)
    wanted = dict.fromkeys([a for e in made for a in e.arguments] + [s.initial for s in stocks])
    return Model(tuple(stocks), tuple(Parameter(n, "1", None, n) for n in wanted if n not in known), (), tuple(made))


def scored(model: Model, values: dict, years: int, **options):
    """Scores along the model's own course."""
    parameters = {n: np.atleast_1d(np.asarray(v, float)) for n, v in values.items()}
    runs = max(a.shape[-1] for a in parameters.values())
    course = model.simulate(parameters, {}, start=0.0, years=years, steps_per_year=16, step=rk4, runs=runs, elements={},
                            keep=[s.name for s in model.stocks])
    return course, loop_scores(model, parameters, {}, course, np.arange(years + 1.0), **options)


def score(found, *variables: str, raw: bool = False):
    k = next(k for k, x in enumerate(found.loops) if set(x.variables) == set(variables))
    return (found.raw if raw else found.scores)[k]


# ---------------------------------------------------------------- analytic

def test_one_reinforcing_loop_scores_one():
    model = model_of([stock("money", ("interest",))], {"interest": "rate * money"})
    _, found = scored(model, {"rate": [0.02, 0.1, 0.5], "money_base": 1.0}, 10)
    np.testing.assert_allclose(score(found, "money", "interest", raw=True), 1.0, rtol=1e-6)
    np.testing.assert_allclose(score(found, "money", "interest"), 1.0)
    assert [x.polarity for x in found.loops] == ["R"]


def test_logistic_growth_shifts_at_half_its_capacity():
    model = model_of([stock("yeast", ("births",), ("deaths",))], {"births": "rate * yeast", "deaths": "rate * yeast * yeast / room"})
    course, found = scored(model, {"rate": [0.3, 0.5], "room": [1.0, 7.0], "yeast_base": 0.01}, 30)
    y = course["yeast"] / np.array([1.0, 7.0])
    np.testing.assert_allclose(score(found, "yeast", "births"), 1 / (1 + 2 * y), rtol=1e-7)
    np.testing.assert_allclose(score(found, "yeast", "deaths"), -2 * y / (1 + 2 * y), rtol=1e-7)
    leading = np.where(found.leader[0] == [x.variables[1] for x in found.loops].index("births"), "R", "B")
    np.testing.assert_array_equal(leading, np.where(y < 0.5, "R", "B"))
    # raw scores divide by the curvature, which is rate·(1 - 2y) of the growth
    np.testing.assert_allclose(score(found, "yeast", "births", raw=True), 1 / np.abs(1 - 2 * y), rtol=1e-4)


def test_diffusion_shifts_when_half_have_adopted():
    """Bass without advertising: word of mouth against saturation; the example that introduced the method."""
    model = model_of([stock("potential", (), ("adoption",)), stock("adopters", ("adoption",))],
                     {"adoption": "contacts * potential * adopters / (potential + adopters)"})
    course, found = scored(model, {"contacts": 0.9, "potential_base": 990.0, "adopters_base": 10.0}, 15)
    share = course["adopters"] / (course["adopters"] + course["potential"])
    # the derivatives carry the denominator too: ∂/∂A = c·P²/N², ∂/∂P = c·A²/N²
    total = (1 - share) ** 2 + share ** 2
    np.testing.assert_allclose(score(found, "adoption", "adopters"), (1 - share) ** 2 / total, rtol=1e-6)
    np.testing.assert_allclose(score(found, "adoption", "potential"), -share ** 2 / total, rtol=1e-6, atol=1e-9)
    lead = np.sign(found.scores[found.leader[0], np.arange(16)[:, None], 0])
    np.testing.assert_array_equal(lead[:, 0], np.where(share[:, 0] < 0.5, 1, -1))


def test_a_stock_that_stands_still_has_no_score():
    model = model_of([stock("tea", (), ("cooling",))], {"cooling": "(tea - room) / delay"})
    _, found = scored(model, {"tea_base": 20.0, "room": 20.0, "delay": 4.0}, 3)
    assert found.loops == ()
    assert found.scores.shape == (0, 4, 1)


def test_separate_loops_are_separate_partitions():
    model = model_of([stock("a", ("fa",)), stock("b", ("fb",))], {"fa": "r * a", "fb": "r * b + a"})
    _, found = scored(model, {"r": 0.1, "a_base": 1.0, "b_base": 5.0}, 4)
    assert len(found.partitions) == 2
    np.testing.assert_allclose(np.abs(found.scores), 1.0)


# ---------------------------------------------------------------- the published formulas, plainly

def plain_scores(step: float, years: int) -> dict[str, np.ndarray]:
    """Lotka and Volterra by Euler's steps; link scores by differences over a step as printed in 2020, flow to stock as of 2023."""
    a, b, c, d, x, y = 0.5, 0.02, 0.01, 0.4, 30.0, 12.0
    flows = {"births": lambda x, y: a * x, "kills": lambda x, y: b * x * y, "cubs": lambda x, y: c * x * y, "deaths": lambda x, y: d * y}
    net = {"x": ("births", "kills"), "y": ("cubs", "deaths")}
    before = None
    kept: dict[str, list] = {}
    for n in range(round(years / step) + 1):
        now = (x, y, {k: f(x, y) for k, f in flows.items()})
        if before is not None and n % round(1 / step) == 0:
            x0, y0, f0 = before
            link = {}
            for k, f in flows.items():
                change = now[2][k] - f0[k]
                for s, part, moved in (("x", f(x, y0) - f0[k], x - x0), ("y", f(x0, y) - f0[k], y - y0)):
                    link[s, k] = 0.0 if change == 0 or moved == 0 else abs(part / change) * np.sign(part / moved)
            for s, (inflow, outflow) in net.items():
                change_in, change_out = now[2][inflow] - f0[inflow], now[2][outflow] - f0[outflow]
                link[inflow, s] = abs(change_in / (change_in - change_out))
                link[outflow, s] = -abs(change_out / (change_in - change_out))
            loops = {"births": ("x", "births"), "kills": ("x", "kills"), "cubs": ("y", "cubs"), "deaths": ("y", "deaths"),
                     "around": ("x", "cubs", "y", "kills")}
            for k, around in loops.items():
                kept.setdefault(k, []).append(np.prod([link[u, v] for u, v in zip(around, (*around[1:], around[0]), strict=True)]))
        before = now
        x, y = x + step * (now[2]["births"] - now[2]["kills"]), y + step * (now[2]["cubs"] - now[2]["deaths"])
    return {k: np.array(v) for k, v in kept.items()}


def test_the_difference_formulas_tend_to_our_scores_as_steps_shrink():
    model = model_of([stock("x", ("births",), ("kills",)), stock("y", ("cubs",), ("deaths",))],
                     {"births": "a * x", "kills": "b * x * y", "cubs": "c * x * y", "deaths": "d * y"})
    values = {"a": 0.5, "b": 0.02, "c": 0.01, "d": 0.4, "x_base": 30.0, "y_base": 12.0}
    _, found = scored(model, values, 12)
    ours = {"around": score(found, "x", "cubs", "y", "kills", raw=True)[1:, 0]}
    ours |= {k: score(found, s, k, raw=True)[1:, 0] for s, k in (("x", "births"), ("x", "kills"), ("y", "cubs"), ("y", "deaths"))}
    errors = []
    for step in (1 / 64, 1 / 256, 1 / 1024):
        theirs = plain_scores(step, 12)
        errors.append(max(np.median(np.abs(theirs[k] / ours[k] - 1)) for k in ours))  # of the loop that agrees least
    assert errors[2] < 0.01
    assert 3 < errors[0] / errors[1] < 5.5  # first order: a quarter of the step, a quarter of the error
    assert 3 < errors[1] / errors[2] < 5.5
    assert {k: np.sign(v[-1]) for k, v in plain_scores(1 / 64, 12).items()} == {k: np.sign(v[-1]) for k, v in ours.items()}


def test_a_netted_variable_leaves_what_a_model_without_it_has():
    plain = model_of([stock("k", ("put",), ("gone",))], {"put": "s * k", "gone": "d * k * k"})
    wordy = model_of([stock("k", ("put",), ("gone",))],
                     {"wanted": "s * k", "made": "1 * wanted", "put": "s * k * made / wanted", "gone": "d * k * k"})
    values = {"s": 0.3, "d": 0.02, "k_base": 1.0}
    _, one = scored(plain, values, 8)
    _, other = scored(wordy, values, 8, netted=["wanted", "made"])
    _, swollen = scored(wordy, values, 8)
    assert {x.variables for x in one.loops} == {x.variables for x in other.loops}
    np.testing.assert_allclose(other.scores, one.scores, rtol=1e-7)
    assert len(swollen.loops) == len(one.loops) + 2
    with pytest.raises(InvalidInput, match="'k' is no auxiliary"):
        scored(wordy, values, 2, netted=["k"])


def test_variants_of_one_name_are_added_up():
    model = model_of([stock("k", ("put",))], {"one": "0.1 * k", "two": "0.2 * k", "put": "one + two"})
    _, found = scored(model, {"k_base": 1.0}, 3, named=[Loop("growth", "R", ("k", "one", "put")), Loop("growth", "R", ("k", "two", "put"))])
    assert [x.name for x in found.loops] == ["growth"]
    np.testing.assert_allclose(found.scores, 1.0)
    assert found.enumerated == 2


# ---------------------------------------------------------------- Simlin

def test_simlin_scores_every_loop_of_the_regional_model_alike(tmp_path: Path):
    """Every loop, element by element: the product of Simlin's link scores tends to ours as its step shrinks."""
    simlin = pytest.importorskip("simlin")
    from simulate import setups
    from simulate.dominance import _Path
    from simulate.interop.xmile import expanded_names, write_xmile
    from simulate.parameters import LEVERS

    scenario = load_scenario("thz-baseline")
    setup = setups.resolve(load_registry(), scenario)
    course = engine.run(scenario, central=True, keep=keep_for(scenario))
    stocks = {s.name: course.values[s.name] for s in setup.model.stocks}
    drawn = {k: np.array([d.centre]) for k, d in setup.drawn.items()}
    fixed = {f"policy_{n}": np.zeros(1) for n in LEVERS}
    with np.errstate(all="ignore"):
        gains, ratios = _Path(setup.model, setup.parameters(drawn), setup.inputs(drawn), {}, fixed, stocks, course.years, 1).measure()
    names, elements = expanded_names(setup), {"sector": setup.sectors, "cluster": setup.clusters}

    def called(node: tuple[str, int]) -> str:
        over = setup.model.over[node[0]]
        return names[(node[0], elements[over][node[1]]) if over else (node[0],)]

    cycles = list(nx.simple_cycles(nx.DiGraph(list(gains))))
    assert len(cycles) > 150
    errors = []
    for steps in (16, 64):
        loaded = simlin.load(str(write_xmile(tmp_path / f"{steps}.stmx", setup, steps_per_year=steps)))
        simulated = loaded.simulate(enable_ltm=True)
        simulated.run_to_end()
        link = {(x.from_var, x.to_var): x.score for x in simulated.get_links()}
        at = np.arange(2, 16) * steps
        found = []
        for cycle in cycles:
            around = list(zip(cycle, (*cycle[1:], cycle[0]), strict=True))
            theirs = np.prod([link[called(u), called(v)][at] for u, v in around], axis=0)
            ours = np.prod([gains[x][2:, 0] for x in around], axis=0) * np.exp(sum(ratios[n][2:, 0] for n in cycle if n in ratios))
            found.append(np.abs(theirs / ours - 1))
        errors.append(np.median(found))
    assert errors[1] < 0.01
    assert 3 < errors[0] / errors[1] < 5.5


XMILE = """<?xml version="1.0" encoding="utf-8"?>
<xmile version="1.0" xmlns="http://docs.oasis-open.org/xmile/ns/XMILE/v1.0">
<header><vendor>test</vendor><product version="1">test</product><name>wolves and hares</name></header>
<sim_specs method="euler" time_units="year"><start>0</start><stop>12</stop><dt>{step}</dt></sim_specs>
<model><variables>
<stock name="x"><eqn>30</eqn><inflow>births</inflow><outflow>kills</outflow></stock>
<stock name="y"><eqn>12</eqn><inflow>cubs</inflow><outflow>deaths</outflow></stock>
<flow name="births"><eqn>0.5 * x</eqn></flow><flow name="kills"><eqn>0.02 * x * y</eqn></flow>
<flow name="cubs"><eqn>0.01 * x * y</eqn></flow><flow name="deaths"><eqn>0.4 * y</eqn></flow>
</variables></model></xmile>"""


def test_simlin_finds_the_same_loops_and_relative_scores(tmp_path: Path):
    simlin = pytest.importorskip("simlin")
    model = model_of([stock("x", ("births",), ("kills",)), stock("y", ("cubs",), ("deaths",))],
                     {"births": "a * x", "kills": "b * x * y", "cubs": "c * x * y", "deaths": "d * y"})
    _, found = scored(model, {"a": 0.5, "b": 0.02, "c": 0.01, "d": 0.4, "x_base": 30.0, "y_base": 12.0}, 12)
    errors = []
    for steps in (64, 256):
        file = tmp_path / f"{steps}.stmx"
        file.write_text(XMILE.format(step=1 / steps))
        simulated = simlin.load(str(file)).simulate(enable_ltm=True)
        simulated.run_to_end()
        theirs = simulated.get_loops_runtime()
        assert len(theirs) == len(found.loops) == 5
        worst = []
        for loop in theirs:
            k = next(k for k, x in enumerate(found.loops) if set(x.variables) == set(loop.variables))
            assert str(loop.polarity) == found.loops[k].polarity
            worst.append(np.abs(simulated.get_relative_loop_score(loop.id)[np.arange(1, 13) * steps] - found.scores[k, 1:, 0]).max())
        errors.append(max(worst))
    assert errors[1] < 0.005
    assert 3 < errors[0] / errors[1] < 5.5


# ---------------------------------------------------------------- ensembles

@pytest.fixture(scope="module")
def ensemble():
    scenario = load_scenario("thz-talent-and-rd")
    trajectories = engine.run(scenario, runs=60, keep=keep_for(scenario))
    return trajectories, dominance(trajectories)


def test_absolute_scores_of_a_partition_sum_to_one(ensemble):
    _, found = ensemble
    assert np.isfinite(found.scores).all()
    for p in range(len(found.partitions)):
        whole = np.abs(found.scores[np.array(found.partition) == p]).sum(axis=0)
        assert (whole <= 1 + 1e-9).all()
        assert np.median(whole) > 0.99
    assert (found.coverage == 1).all()
    kinds = {"R": found.scores >= 0, "B": found.scores <= 0}
    for k, loop in enumerate(found.loops):
        assert loop.polarity == "U" or kinds[loop.polarity][k].all(), loop.name


def test_a_run_scores_alone_as_it_does_among_others(ensemble):
    trajectories, found = ensemble
    mask = np.zeros(trajectories.runs, dtype=bool)
    mask[17] = True
    alone = dominance(trajectories, where=mask)
    at = {x.variables: k for k, x in enumerate(found.loops)}
    for k, loop in enumerate(alone.loops):
        np.testing.assert_allclose(alone.scores[k, :, 0], found.scores[at[loop.variables], :, 17], rtol=1e-6, atol=1e-9)


def test_views_set_the_chosen_loops_in_relation(ensemble):
    _, found = ensemble
    chosen = found.among(principal(found))
    assert 5 < len(chosen.loops) < len(found.loops)
    assert (chosen.coverage < 1).any()
    first = np.array(chosen.partition) == 0
    np.testing.assert_allclose(np.abs(chosen.scores[first]).sum(axis=0), 1.0, atol=1e-9)
    at = {x.variables: k for k, x in enumerate(found.loops)}
    a, b = (at[chosen.loops[k].variables] for k in (0, 1))
    np.testing.assert_allclose(chosen.scores[0] * found.scores[b], chosen.scores[1] * found.scores[a], rtol=1e-9, atol=1e-12)
    capital = chosen.through("capital")
    assert all("capital" in x.variables for x in capital.loops)
    np.testing.assert_allclose(np.abs(capital.scores).sum(axis=0)[1:], 1.0, atol=1e-9)
    assert {"investment, capital, output", "diminishing returns", "depreciation"} <= {x.name for x in capital.loops}
    np.testing.assert_allclose(capital.leading().sum(axis=0), 1.0)  # one loop leads in every run and year


def test_summaries_by_group_are_those_of_the_runs(ensemble):
    trajectories, found = ensemble
    mask = np.arange(trajectories.runs) % 3 == 0
    np.testing.assert_allclose(found.median(mask), np.median(found.scores[..., mask], axis=-1))
    assert np.isnan(found.median(np.zeros(trajectories.runs, dtype=bool))).all()
    led = found.leading(mask)
    p = np.array(found.partition)
    for k in range(5):
        rivals = np.abs(found.scores[p == p[k]])[..., mask]
        np.testing.assert_allclose(led[k], (np.abs(found.scores[k][:, mask]) == rivals.max(axis=0)).mean(axis=-1))


def test_runs_that_reach_a_target_are_those_that_count_in_its_probability(ensemble):
    trajectories, _ = ensemble
    reached, target = reached_by_run(trajectories, "high_tech_enterprises")
    assert 0 < reached.mean() < 1
    assert reached.mean() == pytest.approx(target.probability)
    level = trajectories.indicator("high_tech_enterprises")[trajectories.index(target.year)]
    assert level[reached].min() >= target.value > level[~reached].max()
    for a in judge_all(trajectories):
        assert np.mean(a.by_run) == pytest.approx(a.probability)


def test_an_imposed_path_cuts_the_loops_through_it():
    """The plan gives R&D intensity for good, and the labour supply's growth to 2025."""
    found = dominance("thz-plan", runs=3)
    names = [x.name for x in found.loops]
    assert "certified firms, R&D, output, entry" not in names
    assert "R&D, knowledge, productivity" in names  # a given intensity still follows GDP
    migration = found.scores[names.index("migration")]
    assert not migration[:6].any()
    assert (migration[6:] < 0).all()


@pytest.mark.parametrize(("call", "message"), [
    (lambda t, d: dominance(t, where=np.ones(3, dtype=bool)), "does not fit 60 runs"),
    (lambda t, d: dominance(engine.run("thz-baseline", runs=2)), "were not kept"),
    (lambda t, d: d.through("captial"), "no feedback loop passes through 'captial'"),
    (lambda t, d: reached_by_run(t, "gdb"), "no target of 'gdb'"),
    (lambda t, d: reached_by_run(t, "gdp", 1999), "no target of 'gdp' in 1999")])
def test_wrong_input_is_refused(call, message, ensemble):
    with pytest.raises(InvalidInput, match=message):
        call(*ensemble)
