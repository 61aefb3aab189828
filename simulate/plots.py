"""Charts for briefings, in Chinese or English: projections as fans with the plan's targets, and how far each is reached.

Every function returns a matplotlib Figure that carries all its settings: nothing is set globally and pyplot is not used.
The colours are told apart by colour-blind readers, and shape or words repeat what colour says.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from simulate import units
from simulate.attainment import Attainment, judge_all
from simulate.errors import InvalidInput, Place, Problem
from simulate.model import Array
from simulate.runs import Trajectories
from simulate.targets import ABOUT

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Text

DPI = 150
"""Dots per inch of figures and files."""

BANDS = ((0.05, 0.95), (0.25, 0.75))
"""Quantiles between which a fan is shaded: the 90 % band and, within it, the 50 % band."""

INK, GREY, GRID = "#1F2933", "#5F6B76", "#E3E7EB"
SHADES, MEDIAN, TARGET = ("#CFE1F2", "#8DB8DD"), "#0B4F8A", "#C04A00"
MARKS = {"likely": ("o", "#0072B2", True), "open": ("s", "#6B7280", True), "unlikely": ("D", "#C04A00", True),
         "given": ("o", "#6B7280", False)}
"""Marker, colour and whether it is filled, by how likely a target is to be reached."""

COLUMNS = (0.025, 0.572, 0.685, 0.782, 0.862)
"""Where the columns of the attainment chart begin, as shares of its width; the ranges stand after the first."""

SENSES = {
    "zh": {"equal": "{}", "at_least": "{}以上", "more_than": "超过{}", "about": "约{}", "at_most": "不超过{}", "less_than": "低于{}"},
    "en": {"equal": "{}", "at_least": "at least {}", "more_than": "more than {}", "about": "about {}", "at_most": "at most {}",
           "less_than": "below {}"},
}
"""The sense of a target in words, around its number."""


@lru_cache(maxsize=1)
def chinese_font() -> str:
    """Register the Chinese font that the package zhplot carries with matplotlib, once, and return its family name.

    zhplot itself is not imported: importing it changes matplotlib's settings for the whole process.
    """
    from matplotlib.font_manager import FontProperties, fontManager

    spec = find_spec("zhplot")
    folders = list(spec.submodule_search_locations or ()) if spec else []
    file = next((f for f in (Path(d, "fonts", "NotoSansSC-Regular.ttf") for d in folders) if f.is_file()), None)
    if file is None:
        raise InvalidInput(Problem("plots: the Chinese font of the package zhplot is not there.", "Install it again: pip install zhplot."))
    fontManager.addfont(file)
    return FontProperties(fname=str(file)).get_name()


def fan_chart(trajectories: Trajectories, indicator: str, lang: str = "zh") -> Figure:
    """Return the projection of `indicator` as a fan: median, 50 % and 90 % bands, base year, and the plan's targets.

    Every judged target of the indicator has one mark: filled at its year and level; hollow where the level is ours (a
    growth rate, a multiple of an earlier year); hollow at the yearly mean, in mid-period, where the target is a sum or mean
    over years. Raises InvalidInput where the run does not project the indicator or no run stayed finite.
    """
    _check(trajectories, lang)
    trajectories.indicator(indicator)
    with _style() as family:
        figure = _figure(10.0, 5.8)
        axes = figure.add_axes((0.085, 0.185, 0.885, 0.615))
        _unit_label(axes, trajectories, indicator, lang, 11)
        handles, judged = _fan(axes, trajectories, indicator, lang, family, size=10.5)
        name = trajectories.registry.catalogue[indicator].label(lang)
        _frame(figure, _title(trajectories, name, lang), _subtitle(trajectories, lang), _note(judged, lang), left=0.03)
        _legend(figure, _named(handles, trajectories, lang), 0.055)
    return figure


def headline_panel(trajectories: Trajectories, lang: str = "zh") -> Figure:
    """Return the region's headline indicators as fan charts in one figure, two in a row (four of them fill an A4 page across).

    Raises InvalidInput where the run projects none of them or no run stayed finite.
    """
    _check(trajectories, lang)
    shown = trajectories.headline
    if not shown:
        raise InvalidInput(Problem("plots: the run projects none of the headline indicators.",
                                   "Run it without keep, or keep their variables."))
    rows = -(-len(shown) // 2)
    below, pitch, tall, above = 0.91, 3.515, 2.357, 1.493  # inches
    height = below + pitch * (rows - 1) + tall + above
    with _style() as family:
        figure = _figure(11.7, height)
        handles: dict[str, Artist] = {}
        judged: list[Attainment] = []
        for k, id in enumerate(shown):
            bottom = below + pitch * (rows - 1 - k // 2)
            axes = figure.add_axes((0.06 + 0.49 * (k % 2), bottom / height, 0.43, tall / height))
            title = axes.set_title(trajectories.registry.catalogue[id].label(lang), loc="left", fontsize=13, color=INK, pad=24)
            _fit(title, axes.bbox.width)
            _unit_label(axes, trajectories, id, lang, 9.5)
            found, here = _fan(axes, trajectories, id, lang, family, size=9)
            handles.update(found)
            judged += here
        _frame(figure, _title(trajectories, _say(lang, "主要指标预测与规划目标", "headline indicators and the plan's targets"), lang),
               _subtitle(trajectories, lang), _note(judged, lang), left=0.025)
        _legend(figure, _named(handles, trajectories, lang), 0.29 / height)
    return figure


def attainment_chart(trajectories: Trajectories, lang: str = "zh") -> Figure:
    """Return every judged target as a row: projected 5-95 % range and median in per cent of the target, and its probability.

    A growth target is compared rate by rate. The likeliest stands first. Raises InvalidInput where no target is judged or
    no run stayed finite.
    """
    _check(trajectories, lang)
    judged = judge_all(trajectories)
    if not judged:
        raise InvalidInput(Problem(f"region {trajectories.setup.scenario.region!r}: no target can be judged in this run.",
                                   "Move the scenario's horizon beyond the target years, or run a region whose plan sets targets."))
    rows = sorted(judged, key=lambda a: (a.imposed, -round(a.probability, 2),
                                         -a.projected[1] / a.value if a.value else 0.0))
    with _style() as family:
        middle, below, above = 0.4 * len(rows), 1.35, 1.25
        height = below + middle + above
        figure = _figure(12.6, height)
        axes = figure.add_axes((0.3, below / height, 0.255, middle / height))
        handles = _rows(axes, trajectories, rows, lang, family)
        _frame(figure, _title(trajectories, _say(lang, "规划目标能否实现", "will the plan's targets be reached?"), lang),
               _subtitle(trajectories, lang), _note(rows, lang, levels=False), left=COLUMNS[0])
        _legend(figure, handles, 0.33 / height)
    return figure


def save(figure: Figure, path: Path | str) -> Path:
    """Write `figure` as a PNG file at 150 dpi, whole or not at all, and return its path; the same figure gives the same bytes.

    Raises InvalidInput for a name that does not end in .png and for a folder that is not there.
    """
    path = Path(path)
    if path.suffix.lower() != ".png":
        raise InvalidInput(Problem("charts are written as PNG.", "Give a name that ends in .png.", Place(path)))
    if not path.parent.is_dir():
        raise InvalidInput(Problem("there is no such folder.", "Make it first, or give another.", Place(path.parent)))
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with _style():
            figure.savefig(temporary, format="png", dpi=DPI, metadata={"Software": "simulate"})
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return path


# --- words

def _say(lang: str, zh: str, en: str) -> str:
    return en if lang == "en" else zh


def _number(value: float, exact: bool = False) -> str:
    """Write a number with thousands separators: `exact` as stated, else to three digits."""
    digits = 10 if exact else 3
    shown = f"{value:,.0f}" if abs(value) >= 100 and not exact else f"{value:,.{digits}g}"
    return shown.replace("-", "−")


def _chance(p: float, lang: str) -> str:
    """Write a probability: shares of an ensemble never show that something is impossible or certain."""
    if not np.isfinite(p):
        return "—"
    if p < 0.01:
        return _say(lang, "不足1%", "under 1%")
    return _say(lang, "99%以上", "over 99%") if p > 0.99 else f"{p:.0%}"


def _times(a: Attainment, lang: str) -> str:
    """When a target is set for: a year, or the years it is a sum or mean over."""
    s = a.statement
    if s.period is None:
        return _say(lang, f"{a.year}年", f"{a.year}")
    span = f"{s.period[0]}–{s.period[1]}"
    kind = _say(lang, "累计", " total") if s.aggregate == "sum" else _say(lang, "年均", " mean")
    return _say(lang, f"{span}年{kind}", f"{span}{kind}")


def _quantity(value: float, a: Attainment, lang: str, exact: bool = False) -> str:
    """Write a number of the kind that target `a` speaks of; English leaves the unit to the axis or row."""
    number = _number(value, exact)
    if a.statement.relative_to is not None:
        return _say(lang, f"{a.statement.relative_to}年的{number}倍", f"{number} × {a.statement.relative_to} level")
    return f"{number}%" if a.unit == "%" else number + _say(lang, units.label(a.unit), "")


def _stated(a: Attainment, lang: str) -> str:
    """Write what the target states, with its sense: 1,000亿元以上, at least 1,000."""
    return SENSES[lang][a.statement.sense].format(_quantity(a.value, a, lang, exact=True))


def _probability(trajectories: Trajectories, a: Attainment, lang: str) -> list[str]:
    """Write the probability of reaching a target, then its other readings where they say otherwise."""
    if a.imposed:
        return [_say(lang, "由情景给定", "set by the scenario")]
    base = trajectories.setup.base_year
    main = _chance(a.probability, lang)
    readings = [(_say(lang, "按现价：{}", "{} at current prices"), a.nominal),
                (_say(lang, f"按{base}年起年均：{{}}", f"{{}} as mean since {base}"), a.average)]
    others = [text.format(_chance(p, lang)) for text, p in readings if p is not None and _chance(p, lang) != main]
    return [main, *others]


def _note(judged: Sequence[Attainment], lang: str, levels: bool = True) -> str:
    """What a reader must know about the probabilities; `levels`: growth targets are drawn at the level that they imply."""
    if not judged:
        return ""
    text = _say(lang, "实现概率：达到目标的模拟所占比例，以模型及其假设为前提。",
                "Probability: the share of runs that reach the target, given the model and its assumptions.")
    if any(a.statement.sense == "about" for a in judged):
        text += _say(lang, f"“约”按不低于目标{1 - ABOUT:.0%}计。", f' "About" is read as {1 - ABOUT:.0%} of the target or more.')
    if levels and any(a.growth for a in judged):
        text += _say(lang, "增速目标按各次模拟自身的增速判断，折算水平仅为中位示意。",
                     " Growth is judged on each run's own base; the level shown is its median.")
    return text


def _title(trajectories: Trajectories, what: str, lang: str) -> str:
    place = trajectories.setup.region.label(lang)
    return _say(lang, f"{place}：{what}", f"{place}: {what}")


def _subtitle(trajectories: Trajectories, lang: str) -> str:
    runs, lost = int(trajectories.finite.sum()), int((~trajectories.finite).sum())
    count = _say(lang, f"{runs:,}次模拟", f"{runs:,} run{'s' if runs != 1 else ''}")
    if lost:
        count += _say(lang, f"（另有{lost:,}次数值失稳，未计入）", f" ({lost:,} more left the finite numbers and are not counted)")
    return f"{trajectories.setup.scenario.label.label(lang)}  |  {count}"


def _unit_label(axes: Axes, trajectories: Trajectories, id: str, lang: str, size: float) -> None:
    """Label the y axis with the unit, upright above it; money with the year of its prices."""
    symbol = trajectories.outputs[id].unit
    text = units.label(symbol, lang)
    if "CNY" in units.VOCABULARY[symbol][0]:
        base = trajectories.setup.base_year
        text = _say(lang, f"{text}（{base}年价）", f"{text}, {base} prices")
    axes.set_ylabel(text, rotation=0, ha="left", va="bottom", fontsize=size, color=GREY)
    axes.yaxis.set_label_coords(0.0, 1.045)


# --- parts of a figure

@contextmanager
def _style() -> Iterator[str]:
    """Matplotlib's own defaults with the Chinese font, whatever the caller has set, and undone afterwards."""
    from matplotlib import style

    family = chinese_font()
    with style.context(["default", {"font.family": [family], "text.color": INK}]):
        yield family


def _check(trajectories: Trajectories, lang: str) -> None:
    if lang not in SENSES:
        raise InvalidInput(Problem(f"lang: there is no language {lang!r}.", "Choose zh or en."))
    if not trajectories.finite.any():
        raise InvalidInput(Problem("plots: no run stayed within the finite numbers, so there is nothing to show.",
                                   "Look at Trajectories.nonfinite for the parameters that led there."))


def _figure(width: float, height: float) -> Figure:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def _frame(figure: Figure, title: str, subtitle: str, note: str, left: float) -> None:
    """Write title, subtitle and note, each made small enough to fit across the figure."""
    height = figure.get_figheight()
    for text, size, y, colour in ((title, 17, 1 - 0.2 / height, INK), (subtitle, 11.5, 1 - 0.57 / height, GREY)):
        _fit(figure.text(left, y, text, fontsize=size, color=colour, va="top"), figure.bbox.width * (1 - 2 * left))
    _fit(figure.text(left, 0.13 / height, note, fontsize=9, color=GREY, va="bottom"), figure.bbox.width * (1 - 2 * left))


def _fit(text: Text, room: float) -> None:
    """Make a text small enough for `room` pixels."""
    text.set_fontsize(float(text.get_fontsize()) * min(1.0, room / max(text.get_window_extent().width, 1.0)))


def _legend(figure: Figure, handles: dict[str, Artist], y: float) -> None:
    """Lay the legend out in one line below the axes, where it covers no data."""
    figure.legend(handles=list(handles.values()), labels=list(handles), loc="lower center", bbox_to_anchor=(0.5, y), ncols=len(handles),
                  frameon=False, fontsize=9.5, labelcolor=INK, columnspacing=1.6, handletextpad=0.6)


def _named(handles: dict[str, Artist], trajectories: Trajectories, lang: str) -> dict[str, Artist]:
    """Return what stands in a fan's legend, by label and in a fixed order."""
    base = trajectories.setup.base_year
    inner, outer = (f"{high - low:.0%}" for low, high in reversed(BANDS))
    labels = {
        "median": _say(lang, "中位数", "Median"),
        "inner": _say(lang, f"{inner}的模拟", f"{inner} of runs"),
        "outer": _say(lang, f"{outer}的模拟", f"{outer} of runs"),
        "stated base": _say(lang, f"{base}年基数（文件所载）", f"{base}, as stated"),
        "estimated base": _say(lang, f"{base}年基数（推算中位数）", f"{base}, median estimate"),
        "target": _say(lang, "规划目标", "Target"),
        "implied": _say(lang, "由规划目标折算的水平", "Level implied by a target"),
    }
    return {label: handles[key] for key, label in labels.items() if key in handles}


def _point(axes: Axes, x: float, y: float, marker: str, colour: str, filled: bool, id: str) -> Artist:
    return axes.plot([x], [y], linestyle="", marker=marker, markersize=8, color=colour, markeredgewidth=1.6, zorder=6, clip_on=False,
                     markerfacecolor=colour if filled else "white", gid=id)[0]


def _bare(axes: Axes, family: str, size: float) -> None:
    """Take away what is not data; fix the font of ticks, which are made only when the figure is drawn."""
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(GREY)
    axes.tick_params(labelsize=size, labelcolor=INK, color=GREY, labelfontfamily=family)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="y", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)


def _ticks(first: int, last: int) -> list[int]:
    """Return the years to name: both ends, and round years between them that keep clear of the ends."""
    step = next(s for s in (1, 5, 10, 20, 50, 100, last) if (last - first) / s <= 8)
    return [first, *(y for y in range(first - first % step, last, step) if y - first > 0.4 * step and last - y > 0.4 * step), last]


def _fan(axes: Axes, trajectories: Trajectories, id: str, lang: str, family: str,
         size: float) -> tuple[dict[str, Artist], list[Attainment]]:
    """Draw one fan with its targets; return what the legend shows, by kind, and the targets."""
    from matplotlib.ticker import FuncFormatter

    years = trajectories.years
    x = trajectories.indicator(id)[:, trajectories.finite]
    outer, inner = (np.quantile(x, band, axis=1) for band in BANDS)
    median = np.median(x, axis=1)
    handles: dict[str, Artist] = {
        "outer": axes.fill_between(years, *outer, color=SHADES[0], linewidth=0),
        "inner": axes.fill_between(years, *inner, color=SHADES[1], linewidth=0),
        "median": axes.plot(years, median, color=MEDIAN, linewidth=2.4)[0],
    }
    base = trajectories.setup.base_year
    stated = trajectories.registry.stated(trajectories.setup.scenario.region, id, base) is not None
    certain = stated and bool(np.ptp(x[0]) <= 1e-9 * abs(median[0]))
    handles["stated base" if certain else "estimated base"] = _point(axes, base, float(median[0]), "o", INK, certain, "base")
    judged = [a for a in judge_all(trajectories) if a.indicator == id]
    callouts = [_target(axes, trajectories, a, lang, handles) for a in judged]
    ends = [float(outer.min()), float(outer.max()), *(c.y for c in callouts)]
    span = max(ends) - min(ends) or abs(max(ends)) or 1.0
    low = min(ends) - 0.08 * span
    axes.set_ylim(0.0 if low < 0 <= min(ends) else low, max(ends) + (0.06 + 0.07 * len(judged)) * span)
    axes.set_xlim(years[0] - 0.25, years[-1] + 0.25)
    axes.set_xticks(_ticks(int(years[0]), int(years[-1])))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:.0f}"))
    axes.locator_params(axis="y", nbins=6)
    step = float(np.diff(axes.get_yticks()[:2])[0])
    decimals = next(d for d in range(13) if d == 12 or abs(round(step, d) - step) < 1e-6 * step)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:,.{decimals}f}".replace("-", "−")))
    _bare(axes, family, size)
    _call_out(axes, callouts, years, outer, size)
    return handles, judged


@dataclass(frozen=True)
class _Callout:
    """A label that belongs to the mark at (x, y), in data coordinates; `span`: the years that a line there runs through."""

    x: float
    y: float
    text: str
    span: tuple[float, float]


def _target(axes: Axes, trajectories: Trajectories, a: Attainment, lang: str, handles: dict[str, Artist]) -> _Callout:
    """Mark one target on a fan; return its label."""
    s = a.statement
    unit = units.label(trajectories.outputs[a.indicator].unit)
    x, y, filled, implied = float(a.year), a.level, True, ""
    span = (x, x)
    if a.growth or s.relative_to is not None:
        filled, implied = False, _say(lang, f"（合{_number(y)}{unit}）", f" ({_number(y)})")
    elif s.period is not None:  # a sum or mean over years: the yearly mean, across them
        span, filled = (float(s.period[0]), float(s.period[1])), False
        x = sum(span) / 2
        if s.aggregate == "sum":
            y /= span[1] - span[0] + 1
            implied = _say(lang, f"（年均{_number(y)}{unit}）", f" ({_number(y)} a year)")
        axes.plot(span, [y, y], color=TARGET, linewidth=1.4, zorder=5)
    handles["target" if filled else "implied"] = _point(axes, x, y, "D", TARGET, filled, f"target {s.id}")
    kind = _say(lang, "远景目标" if s.role == "vision" else "目标", "vision" if s.role == "vision" else "target")
    rate = _say(lang, "增速", " growth") if a.growth else ""
    head = _say(lang, f"{_times(a, lang)}{rate}{kind}：", f"{_times(a, lang)}{rate} {kind}: ")
    chance, *others = _probability(trajectories, a, lang)
    if not a.imposed:
        chance = _say(lang, "实现概率：", "probability: ") + chance
    chance += "".join(_say(lang, f"（{other}）", f" ({other})") for other in others)
    return _Callout(x, y, f"{head}{_stated(a, lang)}{implied}\n{chance}", span)


def _call_out(axes: Axes, callouts: Sequence[_Callout], years: Array, band: Array, size: float) -> None:
    """Write the labels where they cover least of the fan `band`, the marks and each other, and near their marks."""
    from matplotlib.patheffects import withStroke

    box = axes.get_window_extent()
    points = DPI / 72  # pixels per point
    pad = 4 * points

    def pixels(x: Array, y: Array) -> Array:
        return np.asarray(axes.transData.transform(np.column_stack([x, y])))

    columns = pixels(years, band[0])[:, 0]
    fine = np.linspace(columns[0], columns[-1], 20 * len(years))
    low, high = (np.interp(fine, columns, pixels(years, edge)[:, 1]) for edge in band)
    low, high = low - 2 * points, high + 2 * points  # a fan without width is still a line
    ends = [pixels(np.array(c.span), np.full(2, c.y)) for c in callouts] + [pixels(years[:1], band[:, 0].mean(keepdims=True))]
    marks = [(e[0, 0] - pad, e[0, 1] - pad, e[-1, 0] + pad, e[0, 1] + pad) for e in ends]
    notes = [axes.annotate(c.text, (c.x, c.y), xytext=(0, 0), textcoords="axes pixels", fontsize=size, linespacing=1.35, zorder=7,
                           va="bottom", ha="left", path_effects=[withStroke(linewidth=2.5, foreground="white")])
             for c in callouts]
    sizes = [(extent.width, extent.height) for extent in (note.get_window_extent() for note in notes)]
    placed: dict[int, tuple[float, float, float, float]] = {}
    for k in [*range(len(callouts))] * 2:  # a second time, now that all are known
        width, height = sizes[k]
        x, y = pixels(np.array([callouts[k].x]), np.array([callouts[k].y]))[0]
        lefts = np.linspace(box.x0 + pad, max(box.x1 - width - pad, box.x0 + pad), 40)[:, None]
        bottoms = np.linspace(box.y0 + pad, max(box.y1 - height - pad, box.y0 + pad), 40)[None, :]
        under = (fine >= lefts - pad) & (fine <= lefts + width + pad)
        depth = np.minimum(high, bottoms[0, :, None] + height) - np.maximum(low, bottoms[0, :, None])
        covered = under.astype(float) @ np.clip(depth, 0, None).T * (fine[1] - fine[0])
        away = np.hypot(x - np.clip(x, lefts, lefts + width), y - np.clip(y, bottoms, bottoms + height))
        cost = 15 * covered / (width * height) + away / height
        for r in [*marks, *(r for j, r in placed.items() if j != k)]:
            cost += 20 * ((lefts < r[2] + pad) & (r[0] < lefts + width + pad) & (bottoms < r[3] + pad) & (r[1] < bottoms + height + pad))
        i, j = np.unravel_index(int(np.argmin(cost)), cost.shape)
        left, bottom = float(lefts[i, 0]), float(bottoms[0, j])
        placed[k] = (left, bottom, left + width, bottom + height)
    for note, callout, (left, bottom, right, top) in zip(notes, callouts, (placed[k] for k in range(len(notes))), strict=True):
        note.set_position((left - box.x0, bottom - box.y0))
        mark = pixels(np.array([callout.x]), np.array([callout.y]))[0]
        end = np.clip(mark, (left, bottom), (right, top))
        away = float(np.hypot(*(end - mark)))
        if away > 14 * points:  # a leader from the mark's edge to the label's
            line = np.array([mark + (end - mark) * d / away for d in (7 * points, away - 2 * points)])
            across = axes.transAxes.inverted().transform(line)
            axes.plot(across[:, 0], across[:, 1], transform=axes.transAxes, color=TARGET, linewidth=0.9, zorder=4, clip_on=False)


# --- rows of the attainment chart

def _class(trajectories: Trajectories, a: Attainment) -> str:
    """Return how likely a target is in words: the key of its mark."""
    if a.imposed:
        return "given"
    return "likely" if a.probability >= 2 / 3 else "open" if a.probability >= 1 / 3 else "unlikely"


def _rows(axes: Axes, trajectories: Trajectories, rows: Sequence[Attainment], lang: str, family: str) -> dict[str, Artist]:
    """Draw the ranges of the attainment chart and write its columns; return what its legend shows, by label."""
    from matplotlib.lines import Line2D
    from matplotlib.ticker import FuncFormatter
    from matplotlib.transforms import blended_transform_factory

    percent = np.array([[100 * q / a.value if a.value else np.nan for q in a.projected] for a in rows])
    across = blended_transform_factory(axes.figure.transFigure, axes.transData)
    left = max(1.05 * float(np.nanmin(percent, initial=0.0)), -100.0)
    right = min(max(1.05 * float(np.nanmax(percent, initial=0.0)), 115.0), 220.0)
    axes.set_xlim(left, right)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.axvline(100, color=INK, linewidth=1.4)
    for k, (a, (low, middle, high)) in enumerate(zip(rows, percent, strict=True)):
        marker, colour, filled = MARKS[_class(trajectories, a)]
        marker = ">" if middle > right else "<" if middle < left else marker  # beyond the axis
        axes.plot([low, high], [k, k], color=colour, alpha=0.35, linewidth=8, solid_capstyle="butt", gid=f"range {a.statement.id}")
        _point(axes, float(np.clip(middle, left, right)), k, marker, colour, filled, f"median {a.statement.id}")
        axes.plot([COLUMNS[0], 1 - COLUMNS[0]], [k - 0.5] * 2, color=GRID, linewidth=0.8, transform=across, clip_on=False, zorder=0)
        chance, *others = _probability(trajectories, a, lang)
        cells = (_times(a, lang), _stated(a, lang), _middle(a, lang), chance)
        for x, text in zip(COLUMNS[1:], cells, strict=True):
            axes.text(x, k + (0.12 if text is not chance or not others else -0.08), text, transform=across, fontsize=10)
        axes.text(COLUMNS[-1], k + 0.32, "; ".join(others), transform=across, fontsize=8.5, color=GREY)
        name = _row_label(trajectories, a, lang)
        lines = "\n" in name
        label = axes.text(COLUMNS[0], k if lines else k + 0.12, name, transform=across, fontsize=10, linespacing=1.15,
                          va="center" if lines else "baseline")
        _fit(label, axes.get_window_extent().x0 - (COLUMNS[0] + 0.01) * axes.figure.bbox.width)
    heads = _say(lang, "指标|时间|目标|预测中位数|实现概率", "Indicator|When|Target|Median|Probability").split("|")
    for x, head in zip(COLUMNS, heads, strict=True):
        axes.text(x, -0.72, head, transform=across, fontsize=10, color=GREY)
    axes.text(100, -0.72, _say(lang, "目标=100%", "target = 100%"), fontsize=10, color=GREY, ha="center")
    axes.set_yticks([])
    axes.locator_params(axis="x", nbins=6)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:.0f}%".replace("-", "−")))
    _bare(axes, family, 9.5)
    axes.set_xlabel(_say(lang, "预测值相当于目标的百分比（横条：5%至95%区间，点：中位数）",
                         "Projection as a percentage of the target (bar: 5–95% range, mark: median)"), fontsize=9.5, color=GREY, labelpad=6)
    labels = {
        "likely": _say(lang, "较有把握（概率2/3以上）", "Likely (2/3 or more)"),
        "open": _say(lang, "难以判断", "Open"),
        "unlikely": _say(lang, "较难实现（概率不足1/3）", "Unlikely (under 1/3)"),
        "given": _say(lang, "由情景给定", "Set by the scenario"),
    }
    used = {_class(trajectories, a) for a in rows}
    return {label: Line2D([], [], linestyle="", marker=MARKS[key][0], markersize=8, color=MARKS[key][1], markeredgewidth=1.6,
                          markerfacecolor=MARKS[key][1] if MARKS[key][2] else "white")
            for key, label in labels.items() if key in used or key != "given"}


def _row_label(trajectories: Trajectories, a: Attainment, lang: str) -> str:
    """Name what a target speaks of; in English with its unit, which the numbers leave out."""
    name = trajectories.registry.catalogue[a.statement.indicator].label(lang)
    if lang != "en":
        return "\n".join(name[k: k + 22] for k in range(0, len(name), 22))
    unit = f", {units.label(a.unit, lang)}" if a.unit != "%" and a.statement.relative_to is None else ""
    return name + unit if len(name + unit) <= 46 else "\n".join(line for line in (name + unit[:1], unit[2:]) if line)


def _middle(a: Attainment, lang: str) -> str:
    """Write the projected median of what a target speaks of."""
    if a.statement.relative_to is not None:
        return _number(a.projected[1]) + _say(lang, "倍", " ×")
    return _quantity(a.projected[1], a, lang)
