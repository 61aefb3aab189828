"""Small charts of validation findings: the back-test, what cutting each loop does, and what drives results.

Every function returns a matplotlib Figure that carries all its settings, in the colours and font of `simulate.plots`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from simulate import units
from simulate.plots import GREY, GRID, INK, MEDIAN, SHADES, TARGET, _figure, _say, _style
from simulate.validation.findings import Case, Finding

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = {"R": "#0072B2", "B": "#C04A00"}
"""Colour of a loop by polarity: reinforcing and balancing, told apart by colour-blind readers; the letter is written too."""


def reproduction_chart(finding: Finding, case: Case, lang: str = "en") -> Figure | None:
    """Return the projections beside the recorded values, a panel for each indicator with two records or more; None without any."""
    rows: dict[str, list[Any]] = {}
    for p in finding.data.get("points", ()):
        if p["status"] in ("counted", "bound", "new basis", "not independent"):
            rows.setdefault(p["indicator"], []).append(p)
    rows = {i: sorted(ps, key=lambda p: p["year"]) for i, ps in rows.items() if len(ps) >= 2}
    if not rows:
        return None
    from matplotlib.ticker import MaxNLocator

    with _style():
        figure = _figure(4.6 * len(rows), 3.0)
        for k, (id, points) in enumerate(rows.items()):
            axes = figure.add_axes(((k + 0.13) / len(rows), 0.22, 0.82 / len(rows), 0.6))
            years = [p["year"] for p in points]
            q = np.array([p["quantiles"] for p in points]).T
            wide = np.array([p["predictive"] for p in points]).T
            axes.fill_between(years, wide[0], wide[4], color=SHADES[0], lw=0,
                              label=_say(lang, "90 %（含年度扰动）", "90 %, with yearly disturbances"))
            axes.fill_between(years, q[0], q[4], color=SHADES[1], lw=0, label=_say(lang, "90 %（模型）", "90 % of runs"))
            axes.plot(years, q[2], color=MEDIAN, lw=1.6, label=_say(lang, "中位数", "median"))
            for counts, filled in ((True, TARGET), (False, "white")):
                some = [p for p in points if (p["status"] == "counted") == counts]
                if some:
                    axes.plot([p["year"] for p in some], [p["value"] for p in some], "o", ms=5, color=TARGET, mfc=filled, ls="none",
                              label=_say(lang, "记录值", "recorded") if counts else _say(lang, "记录值（不计分）", "recorded, not scored"))
            _plain(axes)
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            axes.set_title(f"{case.label(id).label(lang)} ({units.label(points[0]['unit'], lang)})", loc="left", fontsize=9.5, color=INK)
        found: dict[str, Any] = {}
        for axes in figure.axes:
            found.update({label: h for h, label in zip(*axes.get_legend_handles_labels(), strict=True)})
        figure.legend(list(found.values()), list(found), loc="lower center", ncols=len(found), frameon=False, fontsize=8, labelcolor=INK)
    return figure


def cuts_chart(finding: Finding, case: Case, lang: str = "en") -> Figure:
    """Return what cutting each named loop does to the first headline indicators in the last year, a bar a loop."""
    cuts = [c for c in finding.data["cuts"] if c["agrees"] is not None]
    shown = [i for i in case.headline if any(abs(c["effect"][i]) >= 0.05 for c in cuts)][:3]
    with _style():
        figure = _figure(9.4, 0.85 + 0.24 * len(cuts))
        low, high = 0.42 / figure.get_figheight(), 1 - 0.76 / figure.get_figheight()
        for k, id in enumerate(shown):
            axes = figure.add_axes((0.27 + 0.73 * k / len(shown), low, 0.66 / len(shown), high))
            limit = 1.05 * max(min(max(abs(c["effect"][id]) for c in cuts), 60.0), 0.1)
            for y, c in enumerate(cuts):
                x = c["effect"][id]
                cropped = min(max(x, -limit), limit)
                axes.barh(-y, cropped, color=COLOURS[c["polarity"]], height=0.66)
                beyond = abs(x) > limit
                number = f"{x:+,.0f}" if abs(x) >= 10 else f"{x:+.1f}" if abs(x) >= 0.05 else "0"
                side = "left" if (x >= 0) != beyond else "right"  # a bar cut off at the edge carries its number inside
                axes.text(cropped * (0.97 if beyond else 1), -y, f" {number} % ", fontsize=7, color="white" if beyond else GREY,
                          va="center", ha=side)
            axes.set_xlim(-1.45 * limit, 1.45 * limit)
            axes.set_ylim(-len(cuts) + 0.4, 0.6)
            axes.set_yticks([-y for y in range(len(cuts))], [f"{c['loop']} ({c['polarity']})" for c in cuts] if k == 0 else [], fontsize=8)
            axes.axvline(0, color=GREY, lw=0.8)
            _plain(axes)
            axes.set_title(_short(case.label(id).label(lang)) + ", %", loc="left", fontsize=9, color=INK)
    return figure


def tornado_chart(finding: Finding, case: Case, lang: str = "en", bars: int = 8) -> Figure:
    """Return the inputs that drive each headline indicator most: standardised rank coefficients, a panel an indicator."""
    tornado = finding.data["tornado"]
    columns = min(2, len(tornado))
    rows = -(-len(tornado) // columns)
    with _style():
        figure = _figure(9.4, 0.1 + 2.15 * rows)
        height = figure.get_figheight()
        for k, (id, top) in enumerate(tornado.items()):
            names = [name for name, _ in top[:bars]]
            axes = figure.add_axes(((k % columns) / columns + 0.22, 1 - (0.35 + 2.15 * (k // columns) + 1.5) / height, 0.26, 1.5 / height))
            for y, (_, x) in enumerate(top[:bars]):
                axes.barh(-y, x, color=COLOURS["R"] if x > 0 else COLOURS["B"], height=0.66)
                axes.text(x, -y, f" {x:+.2f} ", fontsize=7, color=GREY, va="center", ha="left" if x >= 0 else "right")
            axes.set_yticks([-y for y in range(len(names))], names, fontsize=7.5)
            axes.set_xlim(-1.25, 1.25)
            axes.axvline(0, color=GREY, lw=0.8)
            _plain(axes)
            axes.set_title(_short(case.label(id).label(lang)), loc="left", fontsize=9, color=INK)
    return figure


def save_small(figure: Figure, path: Path) -> Path:
    """Write `figure` as PNG of 64 colours, whole or not at all: a third of the size, and the same bytes for the same figure."""
    from io import BytesIO

    from PIL import Image

    with _style(), BytesIO() as stream:
        figure.savefig(stream, format="png", dpi=110)
        image = Image.open(stream).convert("RGB").quantize(64, method=Image.Quantize.MEDIANCUT)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        image.save(temporary, format="PNG", optimize=True)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return path


def _short(label: str) -> str:
    """Return a label without what stands in brackets."""
    return label.partition(" (")[0].partition("（")[0]


def _plain(axes: Axes) -> None:
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(GREY)
    axes.grid(axis="both", color=GRID, lw=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(length=0, colors=INK, labelsize=8)
