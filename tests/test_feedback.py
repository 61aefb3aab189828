"""Feedback structure: signs against derivatives known by hand, loops against a plain search, the regional model's named loops."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest

from simulate.errors import InvalidInput
from simulate.feedback import (
    Loop,
    admissible_points,
    canonical,
    causal_graph,
    elementary_loops,
    feedback_loops,
    independent_loops,
    link_signs,
    partial_derivatives,
    polarity,
)
from simulate.model import Model, Parameter, Stock, equation, formula
from simulate.region import LOOPS, regional_model


@pytest.fixture(scope="module")
def region():
    model = regional_model()
    points = admissible_points(model)
    return model, points, link_signs(model, points)


def wolves_and_hares() -> Model:
    """Lotka and Volterra: two loops on each stock, one around both."""
    parameters = [Parameter(n, "1/year", 0.5, n) for n in ("fertility", "mortality")]
    parameters += [Parameter(n, "1/year/firm", 0.01, n) for n in ("hunting", "feeding")]
    parameters += [Parameter("hares_base", "firm", 30.0, "x"), Parameter("wolves_base", "firm", 4.0, "x")]
    return Model((Stock("hares", "firm", "hares_base", ("births",), ("kills",)),
                  Stock("wolves", "firm", "wolves_base", ("cubs",), ("deaths",))), tuple(parameters), (), (
        formula("births", "fertility * hares", "firm/year", ""), formula("kills", "hunting * hares * wolves", "firm/year", ""),
        formula("cubs", "feeding * hares * wolves", "firm/year", ""), formula("deaths", "mortality * wolves", "firm/year", "")))


def test_signs_and_loops_of_a_textbook_model():
    model = wolves_and_hares()
    signs = link_signs(model, admissible_points(model))
    assert signs == {("hares", "births"): "+", ("hares", "kills"): "+", ("wolves", "kills"): "+", ("hares", "cubs"): "+",
                     ("wolves", "cubs"): "+", ("wolves", "deaths"): "+", ("births", "hares"): "+", ("kills", "hares"): "-",
                     ("cubs", "wolves"): "+", ("deaths", "wolves"): "-"}
    found = {frozenset(x.variables): x.polarity for x in feedback_loops(model, signs)}
    assert found == {frozenset({"hares", "births"}): "R", frozenset({"hares", "kills"}): "B", frozenset({"wolves", "cubs"}): "R",
                     frozenset({"wolves", "deaths"}): "B", frozenset({"hares", "cubs", "wolves", "kills"}): "B"}


def test_a_link_whose_sign_depends_on_the_state_leaves_the_polarity_open():
    @equation("1/year")
    def pull(level, goal, pace):
        """Towards the goal, with a hump."""
        return pace * level * (goal - level)

    model = Model((Stock("level", "1", "level_base", ("pull",)),), tuple(
        Parameter(n, "1", None, n) for n in ("level_base", "goal", "pace")), (), (pull,))
    points = {"level": np.array([0.1, 0.9]), "goal": np.ones(1), "pace": np.ones(1), "pull": np.array([0.09, 0.09])}
    signs = link_signs(model, points)
    assert signs["level", "pull"] == "±"
    assert [x.polarity for x in feedback_loops(model, signs)] == ["U"]


def test_what_cancels_is_no_link():
    @equation("1/year")
    def idle(level, pace):
        """Nothing, in the end."""
        return pace * (1 + level - level)

    parameters = tuple(Parameter(n, "1", None, n) for n in ("level_base", "pace"))
    model = Model((Stock("level", "1", "level_base", ("idle",)),), parameters, (), (idle,))
    points = {"level": np.array([0.3, 7.1]), "pace": np.ones(1), "idle": np.ones(2)}
    assert link_signs(model, points)["level", "idle"] == "0"


def test_partial_derivatives_are_those_of_cobb_douglas(region):
    model, points, _ = region
    capacity = next(e for e in model.equations if e.name == "capacity")
    for argument, share in (("capital", points["capital_share"]), ("labour", 1 - points["capital_share"])):
        for row, found in enumerate(partial_derivatives(capacity, points, argument)):
            expected = np.zeros_like(points["capacity"])
            expected[row] = share[row] * points["capacity"][row] / points[argument][row]
            np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-9)


def loops_by_plain_search(graph: nx.DiGraph) -> set[tuple]:
    """Every elementary circuit, by walking every path from every node to larger nodes only."""
    rank = {n: k for k, n in enumerate(graph)}
    found = set()

    def walk(path: list) -> None:
        for after in graph.successors(path[-1]):
            if after == path[0]:
                found.add(tuple(path))
            elif rank[after] > rank[path[0]] and after not in path:
                walk([*path, after])

    for n in graph:
        walk([n])
    return found


@pytest.mark.parametrize("seed", range(5))
def test_loops_are_those_of_a_plain_search(seed: int):
    graph = nx.gnp_random_graph(9, 0.3, seed=seed, directed=True)
    found = elementary_loops(graph)
    assert len(found) == len(set(found))
    assert set(found) == loops_by_plain_search(graph)
    assert [len(x) for x in found] == sorted(len(x) for x in found)


def test_all_loops_of_the_regional_model(region):
    model, _, signs = region
    found = feedback_loops(model, signs, LOOPS)
    assert len({x.variables for x in found}) == len(found) == len(loops_by_plain_search(causal_graph(model)))
    assert [x.name for x in found[:len(LOOPS)]] == [x.name for x in LOOPS]
    others = [x.name for x in found[len(LOOPS):]]
    assert len(set(others)) == len(others)
    assert "depreciation" in others  # a stock and its own outflow: called by the flow


@pytest.mark.parametrize("loop", LOOPS, ids=lambda x: x.name)
def test_a_named_loop_has_the_polarity_stated(loop: Loop, region):
    model, _, signs = region
    assert all(link in signs for link in loop.links)
    assert polarity(signs[x] for x in loop.links) == loop.polarity
    # other random points say the same
    again = link_signs(model, admissible_points(model, runs=64, seed=9), causal_graph(model).subgraph(loop.variables))
    assert polarity(again[x] for x in loop.links) == loop.polarity


def test_loops_of_one_name_have_one_polarity_and_differ():
    for loop in LOOPS:
        assert {x.polarity for x in LOOPS if x.name == loop.name} == {loop.polarity}
    rank = {n: k for k, n in enumerate(causal_graph(regional_model()))}
    assert len({canonical(x.variables, rank) for x in LOOPS}) == len(LOOPS)


def test_a_path_from_outside_cuts_the_loops_through_it(region):
    model, _, signs = region
    free, imposed = feedback_loops(model, signs, LOOPS), feedback_loops(model, signs, LOOPS, given=["rd_intensity"])
    assert any("rd_intensity" in x.variables for x in free)
    assert not any("rd_intensity" in x.variables for x in imposed)
    assert {x.variables for x in imposed} < {x.variables for x in free}


def test_independent_loops_are_short_and_hold_every_link():
    triangle = [Loop("ab", "R", ("a", "b")), Loop("bc", "B", ("b", "c")), Loop("around", "R", ("a", "b", "c")),
                Loop("back", "R", ("c", "b", "a")), Loop("twice", "R", ("a", "b", "c", "b"))]
    found = independent_loops(triangle)
    assert [x.name for x in found] == ["ab", "bc", "around", "back"]  # around brings c -> a, back brings a -> c
    assert {link for x in found for link in x.links} == {link for x in triangle for link in x.links}
    ring = [Loop("12", "R", (1, 2)), Loop("23", "R", (2, 3)), Loop("1232", "R", (1, 2, 3))]
    assert [x.name for x in independent_loops([*ring[:2], Loop("long", "R", ("a", "b", "a", "b"))])] == ["12", "23"]


def test_admissible_points_are_finite_and_repeatable():
    model = regional_model()
    first, second = admissible_points(model, runs=40, seed=3), admissible_points(model, runs=40, seed=3)
    assert set(first) == set(model.units)
    for name, values in first.items():
        assert np.isfinite(values).all(), name
        np.testing.assert_array_equal(values, second[name])
    assert (admissible_points(model, runs=40, seed=4)["gdp"] != first["gdp"]).any()
    assert (first["funding"] < 1).any()  # the budget binds in some


@pytest.mark.parametrize(("variables", "missing"), [
    (("capital", "output"), "capital -> output"), (("capital", "capacity", "output", "capacity", "output"), "a variable stands twice")])
def test_a_named_loop_that_is_none_is_refused(variables, missing, region):
    model, _, signs = region
    with pytest.raises(InvalidInput, match="loop 'wrong': the model has no link") as refused:
        feedback_loops(model, signs, [Loop("wrong", "R", variables)])
    if missing == "capital -> output":
        assert missing in str(refused.value)


def test_too_many_loops_are_refused():
    with pytest.raises(InvalidInput, match="more than 100 feedback loops"):
        elementary_loops(nx.complete_graph(8, nx.DiGraph), most=100)
