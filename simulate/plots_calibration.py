"""Charts of a back-test: the projection as a fan, recorded values before and after the split, and the naive forecasts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from simulate import outturns, units
from simulate.backtest import NAIVE, Backtest, Held
from simulate.errors import InvalidInput, Problem, nearest
from simulate.plots import BANDS, GREY, INK, MEDIAN, SHADES, TARGET, _bare, _figure, _frame, _legend, _say, _style, _title

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from simulate.model import Array

LINES = {"unchanged": ((0, (1, 2)), "#6B7280"), "last": ((0, (5, 2)), "#8A5A00"), "average": ((0, (3, 1, 1, 1)), "#007A5E")}
"""Dashes and colour of the naive forecasts."""
MARKS = {"counted": ("o", True), "bound": ("^", False), "part of a year": ("|", False)}
"""Marker of a recorded value after the split and whether it is filled, by status; all others are hollow circles."""


def backtest_chart(found: Backtest, indicator: str, lang: str = "zh") -> Figure:
    """Return one indicator's projection as a fan with recorded values and naive forecasts.

    The fan has the median, the 50 % and 90 % bands of the runs, and as thin lines the 90 % band with yearly disturbances. Money is
    at the prices of the records. Raises InvalidInput where the back-test holds no value of the indicator.
    """
    held = [h for h in found.held if h.point.indicator == indicator]
    if not held:
        raise InvalidInput(Problem(f"indicator: the back-test holds no value of {indicator!r}.",
                                   nearest(indicator, {h.point.indicator for h in found.held}, "Held")))
    if lang not in ("zh", "en"):
        raise InvalidInput(Problem(f"lang: there is no language {lang!r}.", "Choose zh or en."))
    point = held[0].point
    base = found.setup.base_year
    first = base + 1 if point.kind == "growth" else base
    years = np.arange(first, found.trajectories.years[-1] + 1)
    x = _course(found, held[0], years)
    past = outturns.history(found.registry, point.region, indicator, found.split)
    with _style() as family:
        figure = _figure(10.0, 6.0)
        axes = figure.add_axes((0.085, 0.22, 0.885, 0.59))
        prices = _say(lang, "（现价）", ", current prices") if point.nominal else ""
        axes.set_ylabel(units.label(point.unit, lang) + prices, rotation=0, ha="left", va="bottom", fontsize=11, color=GREY)
        axes.yaxis.set_label_coords(0.0, 1.03)
        handles = _draw(axes, found, held, past, years, x, lang)
        _bare(axes, family, 10.5)
        axes.set_xticks(np.arange(min([first, *past]), years[-1] + 1))
        axes.xaxis.set_major_formatter(lambda v, _: f"{v:.0f}")
        axes.yaxis.set_major_formatter(lambda v, _: f"{v:,.10g}".replace("-", "−"))
        name = found.registry.catalogue[indicator].label(lang)
        subtitle = _say(lang, f"{found.setup.scenario.label.zh}  |  已知至{found.split}年，{found.runs:,}次模拟",
                        f"{found.setup.scenario.label.en}  |  known up to {found.split}, {found.runs:,} runs")
        title = _title(found.trajectories, _say(lang, f"{name}回测", f"{name}, back-test"), lang)
        _frame(figure, title, subtitle, _note(held, lang), left=0.03)
        _legend_rows(figure, handles)
    return figure


def _course(found: Backtest, held: Held, years: Array) -> Array:
    """Return what the runs say of the indicator in every year, (years, finite runs), in the point's unit."""
    import dataclasses

    points = [dataclasses.replace(held.point, year=int(y)) for y in years]
    return outturns.predicted(found.trajectories, points)[:, found.trajectories.finite]


def _draw(axes: Axes, found: Backtest, held: list[Held], past: dict[int, float], years: Array, x: Array, lang: str) -> dict[str, Artist]:
    handles: dict[str, Artist] = {}
    for band, shade in zip(BANDS, SHADES, strict=True):
        low, high = np.quantile(x, band, axis=1)
        share = f"{band[1] - band[0]:.0%}"
        handles[_say(lang, f"{share}的模拟", f"{share} of runs")] = axes.fill_between(years, low, high, color=shade, linewidth=0)
    handles[_say(lang, "中位数", "Median")] = axes.plot(years, np.median(x, axis=1), color=MEDIAN, linewidth=2.2)[0]
    whole = sorted((h for h in held if h.point.band is None), key=lambda h: h.point.year)
    for h in whole:
        wide = axes.plot([h.point.year] * 2, [h.predictive[0], h.predictive[4]], color=MEDIAN, linewidth=1.0, zorder=3)[0]
        axes.plot([h.point.year] * 2, [h.predictive[0], h.predictive[4]], linestyle="", marker="_", color=MEDIAN, markersize=9, zorder=3)
        handles[_say(lang, "加单年扰动的90%区间", "90% with yearly disturbances")] = wide
    if past:
        handles[_say(lang, f"记录值，至{found.split}年", f"Recorded up to {found.split}")] = axes.plot(
            list(past), list(past.values()), color=INK, linewidth=1.2, marker="o", markersize=5, zorder=5)[0]
    for name, (dashes, colour) in LINES.items():
        told = [(h.point.year, h.naive[name]) for h in whole if name in h.naive]
        if told:
            start = [(max(past), past[max(past)])] if past and held[0].point.kind != "growth" else []
            when, value = zip(*start, *told, strict=True)
            what = NAIVE[name][lang]
            line = axes.plot(when, value, color=colour, linestyle=dashes, linewidth=1.6, marker=".", zorder=4)[0]
            handles[what[:1].upper() + what[1:]] = line
    for h in held:
        p = h.point
        if p.band is not None:
            mark = axes.plot([p.year] * 2, p.band, color=TARGET, linewidth=5, alpha=0.45, solid_capstyle="butt", zorder=5)[0]
            handles[_say(lang, "由半年等推得的全年范围", "Year's range from part of it")] = mark
            continue
        marker, filled = MARKS.get(p.status, ("o", False))
        mark = axes.plot([p.year], [p.value], linestyle="", marker=marker, markersize=8, color=TARGET, markeredgewidth=1.6, zorder=6,
                         markerfacecolor=TARGET if filled else "white", gid=f"recorded {p.name}")[0]
        words = {"counted": _say(lang, f"记录值，{found.split}年后", f"Recorded after {found.split}"),
                 "bound": _say(lang, "记录为一侧界限", "Recorded as a bound")}
        handles[words.get(p.status, _say(lang, "记录值，不计分", "Recorded, not scored"))] = mark
    return handles


def _note(held: list[Held], lang: str) -> str:
    grades = ", ".join(f"{h.point.year} {h.point.grade}" for h in held)
    return _say(lang, f"记录值来源等级：{grades}（A 官方或直接报道，B 转载，C 较弱）。",
                f"Grades of the records: {grades} (A official, B mirror, C weak).")


def _legend_rows(figure: Figure, handles: dict[str, Artist]) -> None:
    """Lay the legend out in two lines where one does not hold it."""
    if len(handles) <= 5:
        _legend(figure, handles, 0.07)
        return
    figure.legend(handles=list(handles.values()), labels=list(handles), loc="lower center", bbox_to_anchor=(0.5, 0.045),
                  ncols=-(-len(handles) // 2), frameon=False, fontsize=9.5, labelcolor=INK, columnspacing=1.4, handletextpad=0.6)
