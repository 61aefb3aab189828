"""Diagrams: everything of the model is drawn, nothing overlaps, the same figure is the same file."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch
from matplotlib.text import Text

from simulate import diagrams, layouts
from simulate.dominance import dominance, principal
from simulate.errors import InvalidInput
from simulate.feedback import admissible_points, causal_graph, link_signs
from simulate.region import LOOPS, regional_model

MODEL = regional_model()
GRAPH = causal_graph(MODEL)
SIGNS = link_signs(MODEL, admissible_points(MODEL))
each_part = pytest.mark.parametrize("part", layouts.PARTS, ids=lambda p: p.id)


def labels(figure: Figure) -> list[Text]:
    """The texts that name a variable or loop."""
    return [t for axes in figure.axes for t in axes.texts if t.get_gid()]


def overlaps(texts: list[Text]) -> list[tuple[str, str]]:
    """Pairs of texts whose boxes touch, give or take a pixel."""
    boxes = [(t.get_text(), t.get_window_extent().shrunk(0.97, 0.9)) for t in texts]
    return [(a, b) for (a, x), (b, y) in combinations(boxes, 2) if x.overlaps(y)]


# ---------------------------------------------------------------- layouts

def test_every_variable_that_moves_has_one_place_and_two_names():
    placed = [n for p in layouts.PARTS for n in p.places]
    assert sorted(placed) == sorted(GRAPH.nodes)
    assert set(layouts.NAMES) == set(GRAPH.nodes)
    for loop in LOOPS:
        assert layouts.loop_name(loop.name, "zh") != loop.name
    assert set(layouts.LOOP_NAMES) == {x.name for x in LOOPS}


@each_part
def test_a_part_holds_all_that_its_equations_need_and_no_more(part):
    needed = {u for n in part.places for u in GRAPH.predecessors(n)} - set(part.places)
    assert needed == set(part.shadows)
    for group in (part.clouds, part.beside, part.below):
        assert set(group) <= set(part.places)
    assert all(GRAPH.has_edge(*link) for link in part.bends)


def test_overview_names_variables_and_loops_of_the_model():
    assert set(layouts.CENTRES) <= set(GRAPH.nodes)
    assert set(layouts.EMBLEMS) <= {x.name for x in LOOPS}
    assert {n for link in layouts.MAP_BENDS for n in link} <= set(layouts.CENTRES)


def test_names_fall_back_to_the_variables_own():
    assert layouts.name("some_thing", "zh") == "some_thing"
    assert layouts.name("some_thing", "en") == "some thing"
    assert layouts.loop_name("capital > depreciation", "en") == "capital > depreciation"
    assert layouts.loop_name("depreciation", "zh") == "折旧"
    assert layouts.loop_name("migration", "zh") == "人口迁移"  # the loop, not the variable


# ---------------------------------------------------------------- stocks and flows

@pytest.mark.parametrize("lang", ["zh", "en"])
@each_part
def test_a_part_draws_every_link_and_no_names_overlap(part, lang):
    figure = diagrams.stock_flow(MODEL, part.id, lang)
    shown = labels(figure)
    assert sorted(t.get_gid() for t in shown) == sorted([*part.places, *part.shadows])
    for t in shown:
        expected = layouts.name(t.get_gid(), lang).replace(" ", "")
        assert t.get_text().replace("\n", "").replace(" ", "").strip("‹›") == expected
    assert overlaps(shown) == []
    axes = figure.axes[0]
    inside = axes.get_window_extent()
    for t in shown:
        box = t.get_window_extent()
        assert inside.x0 < box.x0 and box.x1 < inside.x1 and inside.y0 < box.y0 and box.y1 < inside.y1, t.get_text()
    arrows = [a for a in axes.patches if isinstance(a, FancyArrowPatch)]
    links = [(u, n) for n in part.places for u in GRAPH.predecessors(n) if GRAPH.edges[u, n]["flow"] == 0]
    assert len(arrows) == len(links)


def test_the_whole_sheet_names_every_variable():
    shown = labels(diagrams.stock_flow(MODEL, None, "zh"))
    assert {t.get_gid() for t in shown} == set(GRAPH.nodes)
    assert overlaps(shown) == []


# ---------------------------------------------------------------- causal loops

@pytest.mark.parametrize("lang", ["zh", "en"])
def test_every_named_loop_has_a_panel_with_all_its_variables_and_signs(lang):
    figure = diagrams.causal_loops(LOOPS, SIGNS, lang)
    first = {loop.name: loop for loop in reversed(LOOPS)}
    assert len(figure.axes) == len(first)
    drawn = {}
    for axes in figure.axes:
        texts = [t for t in axes.texts if t.get_gid()]
        title = next(t for t in texts if t.get_gid() in first and t.get_text().replace("\n", " ").replace(" ", "")
                     == layouts.loop_name(t.get_gid(), lang).replace(" ", "") and t.get_color() in diagrams.POLARITY.values())
        loop = first[title.get_gid()]
        assert [t.get_gid() for t in texts if t is not title] == list(loop.variables)
        signs = [t.get_text().replace("−", "-") for t in axes.texts if t.get_text() in ("+", "−", "±")]
        assert signs == [SIGNS[x] for x in loop.links]
        assert loop.polarity in [t.get_text() for t in axes.texts]
        assert overlaps(texts) == []
        drawn[loop.name] = loop
    assert set(drawn) == set(first)


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_the_overview_carries_signs_along_its_chains(lang):
    figure = diagrams.causal_map(LOOPS, SIGNS, lang)
    shown = labels(figure)
    assert overlaps(shown) == []
    assert {t.get_gid() for t in shown} == set(layouts.CENTRES) | set(layouts.EMBLEMS)
    signs = [t.get_text() for t in figure.axes[0].texts if t.get_text() in ("+", "−", "±")]
    arrows = [a for a in figure.axes[0].patches if isinstance(a, FancyArrowPatch)]
    assert len(signs) == len(arrows)
    # by hand: what works against its end is capital -> return index, labour -> productivity, wage -> desired labour,
    # labour supply -> wage, expiries -> certified_3, renewals -> reapplicants
    assert signs.count("−") == 6
    assert "±" not in signs


# ---------------------------------------------------------------- dominance

@pytest.fixture(scope="module")
def scores():
    return dominance("thz-baseline", runs=20)


def test_areas_of_the_dominance_chart_are_mean_scores(scores):
    figure = diagrams.dominance_chart(scores, "title", variables=["capital"], lang="en")
    axes = figure.axes[0]
    view = scores.among(principal(scores)).through("capital")
    assert axes.get_title(loc="left") == "loops through capital"
    for k, loop in enumerate(view.loops):
        area = next((c for c in axes.collections if c.get_gid() == f"capital: {loop.name}"), None)
        if area is None:
            continue
        mean = view.scores[k].mean(axis=-1)
        corners = area.get_paths()[0].vertices
        years = view.years
        for year, expected in zip(years[1:-1], mean[1:-1], strict=True):
            ends = np.unique(np.round(corners[corners[:, 0] == year, 1], 12))
            assert ends.max() - ends.min() == pytest.approx(abs(expected), abs=1e-9)
    legend = [t.get_text() for t in figure.legends[0].get_texts()]
    assert any("diminishing returns" in t and t.startswith("B") for t in legend)


def test_the_dominance_chart_sets_groups_beside_each_other(scores):
    half = np.arange(20) < 10
    figure = diagrams.dominance_chart(scores, "题", groups={"未达标": half, "达标": ~half}, lang="zh")
    assert len(figure.axes) == 2 * len(layouts.FOCUS)
    assert figure.axes[0].get_title(loc="left").endswith("未达标")
    assert figure.axes[1].get_title(loc="left").endswith("达标")


# ---------------------------------------------------------------- files and wrong input

@pytest.mark.parametrize("suffix", [".svg", ".png"])
def test_the_same_figure_is_the_same_file(tmp_path: Path, suffix):
    files = [diagrams.save(diagrams.stock_flow(MODEL, "labour", "zh"), tmp_path / f"{k}{suffix}") for k in range(2)]
    assert files[0].read_bytes() == files[1].read_bytes()
    assert sorted(tmp_path.iterdir()) == sorted(files)  # nothing temporary is left
    if suffix == ".svg":
        assert ElementTree.parse(files[0]).getroot().tag.endswith("svg")


@pytest.mark.parametrize(("call", "message"), [
    (lambda d: diagrams.stock_flow(MODEL, "labor"), "there is no part 'labor'(.|\n)*labour"),
    (lambda d: diagrams.stock_flow(MODEL, "labour", "fr"), "no language 'fr'"),
    (lambda d: diagrams.causal_loops([], SIGNS), "no loop to draw"),
    (lambda d: diagrams.causal_map([x for x in LOOPS if x.name == "cluster saturation"], SIGNS), "no loop joins two"),
    (lambda d: diagrams.dominance_chart(d, "t", groups={"none": np.zeros(20, dtype=bool)}), "no finite run in a group"),
    (lambda d: diagrams.save(diagrams.stock_flow(MODEL, "ladder"), "model.pdf"), "SVG or PNG"),
    (lambda d: diagrams.check_name("nowhere/model.svg"), "no such folder")])
def test_wrong_input_is_refused(call, message, scores):
    with pytest.raises(InvalidInput, match=message):
        call(scores)
