import dataclasses
import itertools

import pytest

from simulate.consistency import Range
from simulate.errors import InvalidInput
from simulate.identities import Quantity, load_identities
from simulate.plots import MEDIAN, TARGET
from simulate.plots_consistency import ROWS, conflict_graph, interval_chart, wanted
from simulate.registry import load_registry
from simulate.verdicts import Claim, Conflict, Verdict

IDENTITIES = load_identities(load_registry().catalogue)
NAMES = {"thz": "天津滨海高新区", "thz-14fyp": "天津滨海高新区“十四五”规划纲要"}


def claim(indicator, side, value, limit=None, unit="亿元", kind="statement", time="2025", place="thz"):
    source = "thz-14fyp: 表1 / 主导产业集群营业收入规模（亿元）：高端装备制造" if kind == "statement" else "a long judgement about it " * 4
    return Claim(f"prior:{indicator}" if kind == "prior" else f"thz-14fyp:{indicator}@{time}", indicator, place, time, side, value,
                 value if limit is None else limit, unit, source, kind)


def rng(indicator, low, high, *stated, time=2025, unit="亿元", **more):
    return Range(Quantity(indicator, "thz", time), unit, low, high, stated=stated, **more)


RANGES = [
    rng("gdp", 785.7, 1242.4, claim("gdp", "at_least", 1000), claim("gdp", "at_most", 1000)),
    rng("gross_industrial_output", 1448, 5833, claim("gross_industrial_output", "at_most", 1200)),
    rng("cluster_revenue_new_economy_services", None, 12526, claim("cluster_revenue_new_economy_services", "at_least", 1500)),
    rng("services_revenue", 2698, None),
    rng("gdp_growth", None, None, claim("gdp_growth", "at_least", 10, unit="%"), time=("mean", 2021, 2025), unit="%"),
    rng("high_tech_enterprises", 1599, 1606, claim("high_tech_enterprises", "at_most", 1598.6, 1599.2, unit="家"), unit="家", time=2020,
        left_out=("x",)),
    rng("gdp", 1.6, 2.1, time=("multiple", 2020, 2025)), rng("gdp", 500, 600, time=2019),
]


def whole(figure):
    """No text of a figure stands outside it, and none overlaps another."""
    renderer = figure.canvas.get_renderer()
    texts = [t for t in (*figure.texts, *(t for axes in figure.axes for t in axes.texts)) if t.get_text().strip()]
    boxes = [t.get_window_extent(renderer) for t in texts]
    for text, box in zip(texts, boxes, strict=True):
        assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= figure.bbox.x1 and box.y1 <= figure.bbox.y1, text.get_text()
    for (a, one), (b, other) in itertools.combinations(zip(texts, boxes, strict=True), 2):
        wide, tall = min(one.x1, other.x1) - max(one.x0, other.x0), min(one.y1, other.y1) - max(one.y0, other.y0)
        assert wide <= 1 or tall <= 0.35 * min(one.height, other.height), (a.get_text(), b.get_text())


def cells(figure, column):
    return [t.get_text() for t in figure.axes[0].texts if t.get_gid() == f"cell {column}"]


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_an_interval_chart_has_one_row_a_quantity_of_the_plan(lang):
    figure = interval_chart(RANGES, IDENTITIES.indicators, lang, place="Tianjin Binhai Hi-tech Zone", years=(2020, 2025))
    whole(figure)  # a missing glyph would warn, and warnings are errors
    assert len(cells(figure, 0)) == 6 and figure.get_figwidth() < 11.8
    marks = [line for line in figure.axes[0].lines if line.get_gid() == "stated"]
    assert [m.get_color() for m in marks] == [MEDIAN, TARGET, MEDIAN, MEDIAN, MEDIAN]
    words = {"zh": ["一致", "冲突", "一致", "未给出", "一致", "一致"],
             "en": ["consistent", "clash", "consistent", "not stated", "consistent", "consistent"]}
    assert cells(figure, 5) == words[lang]
    assert sum(p.get_gid() == "open" for p in figure.axes[0].patches) == 4
    shown = {"zh": ["785.7 – 1,242亿元", "1,448 – 5,833亿元", "不超过12,530亿元", "不低于2,698亿元", "无界", "1,599 – 1,606家 *"]}
    assert lang == "en" or cells(figure, 3) == shown["zh"]


def test_a_full_interval_chart_fits_a_page_and_keeps_what_clashes():
    figure = interval_chart([*[RANGES[0]] * 30, RANGES[1]], IDENTITIES.indicators, "en")
    whole(figure)
    assert len(cells(figure, 0)) == ROWS and cells(figure, 5)[-1] == "clash" and figure.get_figheight() < 8.9
    far = rng("resident_population", 34.9, 5e6, claim("resident_population", "at_most", 30, unit="万人"), unit="万人")
    assert [p.get_gid() for p in interval_chart([far]).axes[0].patches] == ["open"]  # else the gap from 30 to 34.9 would not be seen
    with pytest.raises(InvalidInput, match="no range"):
        interval_chart(RANGES[-2:], years=(2020, 2025))


NAMED = ["cluster_revenue_new_economy_services", "gdp", "labour_productivity", "resident_population", "employment",
         "fixed_asset_investment", "services_revenue", "gross_industrial_output", "high_tech_enterprises"]


@pytest.mark.parametrize("lang", ["zh", "en"])
@pytest.mark.parametrize("count", [2, 3, 6, 10])
def test_a_conflict_shows_every_statement_whole(count, lang):
    claims = [claim(id, "at_least" if k % 3 else "at_most", 1234.5, 1234.45) for k, id in enumerate(NAMED[:count - 1])]
    claims.append(claim("insured_with_employment", "at_least", 0.99, unit="倍", kind="prior", time="2021-2025 ⌀"))
    conflict = Conflict(tuple(claims), ("clusters_within_turnover@2025 (thz)", "share_of_parent[high_tech_enterprises]@2020 (thz)",
                                        "insured_with_employment@2020-2025 (thz)"),
                        ({"reading": "targets", "option": "floor"}, {"reading": "clusters", "option": "with_wholesale"}))
    figure = conflict_graph(conflict, IDENTITIES.indicators, lang, identities=IDENTITIES, names=NAMES)
    whole(figure)
    patches = figure.axes[0].patches
    boxes = [p for p in patches if str(p.get_gid()).startswith("claim ")]
    assert len(boxes) == count and sum(p.get_gid() == "link" for p in patches) == count
    assert [p.get_linestyle() for p in boxes].count("--") == 1
    extents = [p.get_window_extent() for p in patches if p.get_gid() != "link"]
    assert not any(a.overlaps(b) for a, b in itertools.combinations(extents, 2))
    text = "".join(t.get_text() for t in figure.axes[0].texts)
    said = {"zh": ["各集群收入不超过", "目标为下限", "≤ 1,234.5亿元"], "en": ["All clusters within", "targets are floors", "≤ 1,234.5 CNY"]}
    for word in said[lang]:
        assert word.replace(" ", "") in text.replace(" ", "")


def test_a_conflict_without_labels_shows_ids():
    conflict = Conflict((claim("gdp", "at_least", 2), claim("gdp", "at_most", 1)), (), ())
    texts = [t.get_text() for t in conflict_graph(conflict, lang="en").axes[0].texts]
    assert texts.count("gdp") == 2 and any("direct contradiction" in t for t in texts)


def test_only_quantities_of_the_plan_are_computed():
    claims = (claim("gdp", "at_least", 2), claim("employment", "at_most", 2, time="2035"),
              claim("employment", "at_most", 2, place="tianjin"),
              claim("services_revenue", "at_most", 2, time="2021"),
              claim("gdp_growth", "at_most", 2, time="2021-2025 ⌀"), claim("gdp", "at_most", 2, time="2020-2025 multiple"))
    verdict = dataclasses.replace(Verdict("thz", "inconsistent", {}), conflicts=(Conflict(claims, ()),))
    assert wanted(verdict, 2020, 2025) == [("gdp", 2020), ("gdp", 2025), ("services_revenue", 2021)]
