"""Pictures of consistency for briefings: implied against stated intervals, and a conflict as a small graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from math import cos, isfinite, pi, sin
from typing import TYPE_CHECKING, Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from simulate.indicators import Indicator

if TYPE_CHECKING:
    from simulate.consistency import Conflict, Range


def _font() -> Any:
    """A context with a font that holds Chinese, where `plots.chinese_font` is there."""
    try:
        from simulate import plots

        found = plots.chinese_font()
    except (ImportError, AttributeError):
        return nullcontext()
    from matplotlib import rc_context

    name = found if isinstance(found, str) else getattr(found, "get_name", lambda: None)()
    return rc_context({"font.family": [name, "sans-serif"]}) if name else nullcontext()


def _figure(width: float, height: float) -> Figure:
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def interval_chart(ranges: Sequence[Range], indicators: Mapping[str, Indicator] | None = None, lang: str = "zh") -> Figure:
    """Implied (bar) against stated (mark) values, one line a quantity, each as a multiple of the middle of its range.

    An arrow shows an open end. `indicators`: labels by id, as `Identities.indicators`; without, ids are shown.
    """
    with _font():
        figure = _figure(8, 0.9 + 0.45 * max(len(ranges), 1))
        axes = figure.add_subplot()
        for y, r in enumerate(ranges):
            stated = [c.value for c in r.stated]
            known = [x for x in (r.low, r.high, *stated) if x is not None and isfinite(x)]
            unit = max((abs(x) for x in known), default=1.0) or 1.0
            low, high = (r.low or 0.0) / unit, (r.high / unit if r.high is not None else 1.3)
            axes.plot([low, high], [y, y], linewidth=7, color="#7fa8d1", solid_capstyle="butt", zorder=1)
            if r.high is None:
                axes.annotate("", (1.38, y), (1.29, y), arrowprops={"arrowstyle": "->", "color": "#7fa8d1"})
            axes.plot([x / unit for x in stated], [y] * len(stated), "D", color="#b03a2e", markersize=6, zorder=2)
            ends = [("…" if x is None else f"{x:.4g}") for x in (r.low, r.high)]
            axes.annotate(f"{ends[0]} – {ends[1]} {r.unit}", (1.42, y), va="center", fontsize=8, annotation_clip=False)
        known_labels = indicators or {}
        ids = [r.quantity.indicator for r in ranges]
        names = [known_labels[id].label(lang) if id in known_labels else id for id in ids]
        axes.set_yticks(range(len(ranges)), [f"{name} {r.quantity.when}" for name, r in zip(names, ranges, strict=True)])
        axes.set_xlim(min(0.0, *axes.get_xlim()), 2.0)
        axes.set_xticks([])
        axes.invert_yaxis()
        axes.set_title("其他表述推出的区间（条）与表述值（菱形）" if lang == "zh"
                       else "Implied by the other statements (bar) and stated (diamond)")
        for side in ("top", "right", "bottom"):
            axes.spines[side].set_visible(False)
        figure.canvas.draw()
    return figure


def conflict_graph(conflict: Conflict, indicators: Mapping[str, Indicator] | None = None, lang: str = "zh") -> Figure:
    """A conflict as a graph: its statements (boxes; plausibility bands dashed) around the identities that tie them."""
    with _font():
        figure = _figure(8.5, 6)
        axes = figure.add_subplot()
        axes.set_axis_off()
        centre = "\n".join(conflict.identities) or ("直接矛盾" if lang == "zh" else "contradiction")
        count, labels = len(conflict.claims), indicators or {}
        for k, claim in enumerate(conflict.claims):
            x, y = cos(pi / 2 + 2 * pi * k / count), 0.85 * sin(pi / 2 + 2 * pi * k / count)
            axes.plot([0, x], [0, y], color="#999999", linewidth=1, zorder=1)
            name = labels[claim.indicator].label(lang) if claim.indicator in labels else claim.indicator
            sign = "≥" if claim.side == "at_least" else "≤"
            axes.text(x, y, f"{name} {claim.time}\n{sign} {claim.value:g} {claim.unit}\n{claim.source[:40]}",
                      ha="center", va="center", fontsize=7,
                      bbox={"boxstyle": "round", "facecolor": "white", "edgecolor": "#b03a2e",
                            "linestyle": "--" if claim.kind == "prior" else "-"}, zorder=2)
        axes.text(0, 0, centre, ha="center", va="center", fontsize=8,
                  bbox={"boxstyle": "square", "facecolor": "#e8eef5", "edgecolor": "#4c6e91"},
                  zorder=3)
        axes.set_xlim(-1.6, 1.6)
        axes.set_ylim(-1.3, 1.3)
        figure.canvas.draw()
    return figure
