"""The charts: every text renders, every judged target is marked, and nothing leaks out of a figure."""

import subprocess
import sys
from functools import cache

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from simulate import plots, units
from simulate.attainment import judge_all
from simulate.errors import InvalidInput
from simulate.runs import Trajectories, run

LANGS = ("zh", "en")


@cache
def ensemble(scenario: str = "thz-baseline") -> Trajectories:
    return run(scenario, runs=200)


def marks(figure: Figure, kind: str) -> list[str]:
    """Ids of the marks of one kind (target, base, median, range)."""
    return [str(line.get_gid()) for axes in figure.axes for line in axes.lines if str(line.get_gid() or "").split(" ")[0] == kind]


def words(figure: Figure) -> str:
    return "\n".join(text.get_text() for text in figure.findobj(Text))


def drawn(figure: Figure) -> np.ndarray:
    """Pixels of the figure; a glyph that the font lacks is a warning, and so an error."""
    figure.canvas.draw()
    return np.asarray(figure.canvas.buffer_rgba())  # type: ignore[attr-defined]


@pytest.mark.parametrize("lang", LANGS)
@pytest.mark.parametrize("scenario", ["thz-baseline", "teda-baseline", "tianjin-baseline", "thz-plan"])
def test_every_figure_renders_and_marks_every_judged_target(scenario, lang):
    trajectories = ensemble(scenario)
    judged = judge_all(trajectories)
    assert judged
    for indicator in trajectories.outputs:
        figure = plots.fan_chart(trajectories, indicator, lang)
        assert sorted(marks(figure, "target")) == sorted(f"target {a.statement.id}" for a in judged if a.indicator == indicator)
        assert marks(figure, "base") == ["base"]
        drawn(figure)
    panel = plots.headline_panel(trajectories, lang)
    drawn(panel)
    assert len(marks(panel, "target")) == sum(a.indicator in trajectories.headline for a in judged)
    chart = plots.attainment_chart(trajectories, lang)
    drawn(chart)
    assert len(marks(chart, "median")) == len(marks(chart, "range")) == len(judged)


@pytest.mark.parametrize("lang", LANGS)
def test_a_fan_names_indicator_region_scenario_runs_and_unit(lang):
    trajectories = ensemble()
    text = words(plots.fan_chart(trajectories, "gdp", lang))
    known = trajectories.registry.catalogue["gdp"].label(lang)
    setup = trajectories.setup
    for part in (known, setup.region.label(lang), setup.scenario.label.label(lang), "200", units.label("亿元", lang)):
        assert part in text
    prices = {"zh": "（2020年价）", "en": "2020 prices"}[lang]
    assert prices in text
    assert prices not in words(plots.fan_chart(trajectories, "rd_intensity", lang))


def test_the_year_of_prices_is_the_base_year_of_the_run():
    trajectories = ensemble()
    base = trajectories.setup.base_year
    assert f"{base}年价" in words(plots.fan_chart(trajectories, "labour_productivity"))


@pytest.mark.parametrize(("lang", "sense"), [("zh", "约1,000亿元"), ("en", "about 1,000")])
def test_a_target_reads_as_the_document_means_it(lang, sense):
    text = words(plots.fan_chart(ensemble(), "gdp", lang))
    assert f"{sense}\n" in text
    assert {"zh": "10%以上", "en": "at least 10%"}[lang] in text  # the growth target on the same chart
    assert "95%" in text  # what "about" is read as is said on the chart


def test_a_mark_is_hollow_where_the_level_is_ours_and_a_sum_stands_at_its_yearly_mean():
    trajectories = ensemble()
    lines = {str(line.get_gid()): line for line in plots.fan_chart(trajectories, "gdp").axes[0].lines if line.get_gid()}
    for a in judge_all(trajectories):
        if a.indicator == "gdp":
            line = lines[f"target {a.statement.id}"]
            assert list(line.get_xydata()[0]) == [a.year, a.level]
            assert (line.get_markerfacecolor() == "white") == a.growth
    total = next(a for a in judge_all(trajectories) if a.statement.aggregate == "sum")
    first, last = total.statement.period
    line = next(x for x in plots.fan_chart(trajectories, total.indicator).axes[0].lines if x.get_gid() == f"target {total.statement.id}")
    assert line.get_xydata()[0] == pytest.approx([(first + last) / 2, total.level / (last - first + 1)])


def test_what_the_scenario_itself_gives_is_not_called_probable():
    judged = [a for a in judge_all(ensemble("thz-plan")) if a.indicator == "rd_intensity"]
    assert judged[0].probability == 1
    assert "由情景给定" in words(plots.fan_chart(ensemble("thz-plan"), "rd_intensity"))
    assert "实现概率：99%以上" not in words(plots.fan_chart(ensemble("thz-plan"), "rd_intensity"))
    assert "由情景给定" not in words(plots.fan_chart(ensemble("thz-plan"), "gdp"))
    assert "由情景给定" in words(plots.attainment_chart(ensemble("thz-plan")))
    assert "由情景给定" not in words(plots.attainment_chart(ensemble()))


@pytest.mark.parametrize("lang", LANGS)
@pytest.mark.parametrize("scenario", ["thz-baseline", "teda-baseline"])
def test_texts_stay_inside_the_figure_and_off_each_other(scenario, lang):
    trajectories = ensemble(scenario)
    figures = [plots.fan_chart(trajectories, id, lang) for id in trajectories.outputs]
    for figure in (*figures, plots.headline_panel(trajectories, lang), plots.attainment_chart(trajectories, lang)):
        drawn(figure)
        shown = [t for t in figure.findobj(Text) if t.get_text().strip() and t.get_visible()]
        outside = {t for axes in figure.axes for axis, k in ((axes.xaxis, 0), (axes.yaxis, 1)) for t in axis.get_ticklabels()
                   if not min(axis.get_view_interval()) <= t.get_position()[k] <= max(axis.get_view_interval())}
        boxes = [(t.get_text(), t.get_window_extent()) for t in shown if t not in outside]
        for text, box in boxes:
            assert figure.bbox.x0 <= box.x0, text
            assert box.x1 <= figure.bbox.x1, text
            assert figure.bbox.y0 <= box.y0, text
            assert box.y1 <= figure.bbox.y1, text
        for k, (text, a) in enumerate(boxes):
            for other, b in boxes[k + 1:]:
                wide, high = min(a.x1, b.x1) - max(a.x0, b.x0), min(a.y1, b.y1) - max(a.y0, b.y0)
                assert wide <= 2 or high <= 3, (text, other)


def test_minus_signs_and_numbers_with_separators_render():
    figure = plots.fan_chart(ensemble(), "gdp")
    axes = figure.axes[0]
    axes.set_ylim(-2000, 2000)
    drawn(figure)
    labels = [t.get_text() for t in axes.get_yticklabels()]
    assert "−1,000" in labels
    assert "1,000" in labels


def test_nothing_global_changes_and_no_setting_of_the_caller_shows():
    before = matplotlib.rcParams.copy()
    plain = drawn(plots.fan_chart(ensemble(), "gdp"))
    assert matplotlib.rcParams.copy() == before
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "black", "text.color": "white", "lines.linewidth": 9}):
        styled = plots.fan_chart(ensemble(), "gdp")
    assert np.array_equal(drawn(styled), plain)
    code = ("import sys, matplotlib; before = matplotlib.rcParams.copy(); import simulate.plots as p; p.chinese_font();"
            "assert matplotlib.rcParams.copy() == before; assert not {'matplotlib.pyplot', 'zhplot'} & set(sys.modules)")
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)


def test_save_writes_the_same_bytes_whole_and_leaves_nothing_else(tmp_path):
    first = plots.save(plots.fan_chart(ensemble(), "gdp"), tmp_path / "一.png")
    second = plots.save(plots.fan_chart(ensemble(), "gdp"), str(tmp_path / "b.png"))
    assert first.read_bytes() == second.read_bytes()
    assert first.read_bytes().startswith(b"\x89PNG")
    assert not any(word in first.read_bytes() for word in (b"tIME", b"Creation Time", b"Matplotlib version"))
    plots.save(plots.headline_panel(ensemble()), first)  # takes the place of what was there
    assert first.read_bytes() != second.read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["b.png", "一.png"]


def test_save_that_fails_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = plots.save(plots.fan_chart(ensemble(), "gdp"), tmp_path / "a.png")
    old = path.read_bytes()

    def broken(self: Figure, file: object, **_: object) -> None:
        open(str(file), "wb").close()
        raise OSError("disk full")

    monkeypatch.setattr(Figure, "savefig", broken)
    with pytest.raises(OSError, match="disk full"):
        plots.save(Figure(), path)
    assert path.read_bytes() == old
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]


def test_what_cannot_be_drawn_is_refused_with_a_remedy(tmp_path):
    with pytest.raises(InvalidInput, match="the model does not project 'life_expectancy'"):
        plots.fan_chart(ensemble(), "life_expectancy")
    with pytest.raises(InvalidInput, match=r"(?s)no language 'fr'.*zh or en"):
        plots.fan_chart(ensemble(), "gdp", "fr")
    with pytest.raises(InvalidInput, match=r"(?s)written as PNG.*\.png"):
        plots.save(Figure(), tmp_path / "a.pdf")
    with pytest.raises(InvalidInput, match="no such folder"):
        plots.save(Figure(), tmp_path / "none" / "a.png")


def test_runs_that_broke_down_are_left_out_and_said_to_be():
    import dataclasses

    whole = ensemble()
    values = {n: a.copy() for n, a in whole.values.items()}
    values["gdp"][3:, :5] = np.nan
    broken = dataclasses.replace(whole, values=values)
    assert "195次模拟（另有5次" in words(plots.fan_chart(broken, "gdp"))
    drawn(plots.headline_panel(broken, "en"))
    values["gdp"][3:] = np.nan
    with pytest.raises(InvalidInput, match="no run stayed"):
        plots.fan_chart(dataclasses.replace(whole, values=values), "gdp")


def test_a_single_run_and_a_panel_with_fewer_indicators_are_drawn():
    central = run("thz-baseline", central=True)
    assert "1 run" in words(plots.fan_chart(central, "gdp", "en"))
    drawn(plots.fan_chart(central, "gdp", "en"))
    few = run("thz-baseline", runs=20, keep=["gdp"])
    panel = plots.headline_panel(few)
    drawn(panel)
    assert len(panel.axes) == 1
    drawn(plots.attainment_chart(few))
    with pytest.raises(InvalidInput, match="none of the headline"):
        plots.headline_panel(run("thz-baseline", runs=20, keep=["market_entities"]))
