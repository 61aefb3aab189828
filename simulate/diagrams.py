"""Diagrams of the model's structure: stocks and flows, causal loops, and which loop dominates when.

What is linked is read off the model; only places and names come from `layouts`. Every function returns a matplotlib Figure that
carries all its settings; `save` writes SVG or PNG, the same figure as the same bytes.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from math import cos, hypot, pi, sin
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from simulate.dominance import Dominance, principal
from simulate.errors import InvalidInput, Place, Problem, nearest
from simulate.feedback import Link, Loop, causal_graph
from simulate.layouts import CENTRES, EMBLEMS, FOCUS, MAP_BENDS, PARTS, Part, loop_name, name
from simulate.model import Model
from simulate.plots import DPI, GREY, GRID, INK, _bare, _figure, _fit, _frame, _say, _style, _ticks

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Text

SUFFIXES = (".svg", ".png")
STOCK, PIPE, ARROW, LEVER, SHADOW = "#E8F0F8", "#6B7B8C", "#3B78B0", "#B3541E", "#8A949E"
POLARITY = {"R": "#0B6E4F", "B": "#A23B3B", "U": "#6B7280"}
PALETTE = ("#0B4F8A", "#E08E0B", "#0B6E4F", "#A23B3B", "#7A4FA3", "#4FA3A0", "#C77CA6", "#8C6D31", "#5B8DB8", "#B7C34B", "#D65F5F",
           "#3D5A45")
_BOX = (1.36, 0.62)


def stock_flow(model: Model, part: str | None = None, lang: str = "zh") -> Figure:
    """Return the stock-and-flow diagram: one `part` (see `layouts.PARTS`), or all of them on one sheet.

    Boxes are stocks, double lines with a valve flows, clouds what lies outside; blue arrows show what an equation depends on.
    Names in grey brackets are defined on another part, names in brown are policy levers as funded; parameters are left out.
    Raises InvalidInput for an unknown part.
    """
    _checked(lang)
    parts = {p.id: p for p in PARTS}
    if part is not None and part not in parts:
        raise InvalidInput(Problem(f"part: there is no part {part!r} of the diagram.", nearest(part, parts, "Parts")))
    with _style():
        if part is not None:
            width, height = parts[part].size
            figure = _figure(width, height + 0.35)
            _draw_part(figure, model, parts[part], (0.0, 0.35, width, height), lang)
            _key(figure, lang, 0.12)
            return figure
        rows = (("production", "labour"), ("firms",), ("research", "budget"), ("ladder", "clusters"))
        width = max(sum(parts[p].size[0] for p in row) for row in rows)
        heights = [max(parts[p].size[1] for p in row) for row in rows]
        figure = _figure(width, sum(heights) + 1.4)
        top = sum(heights) + 0.5
        figure.text(0.015, 1 - 0.3 / figure.get_figheight(), _say(lang, "模型的存量—流量图", "The model's stocks and flows"), fontsize=22,
                    color=INK, va="top")
        for row, height in zip(rows, heights, strict=True):
            top -= height
            spare = (width - sum(parts[p].size[0] for p in row)) / len(row)
            left = 0.0
            for p in row:
                _draw_part(figure, model, parts[p], (left, top, parts[p].size[0] + spare, height), lang)
                left += parts[p].size[0] + spare
        _key(figure, lang, 0.15)
    return figure


def _draw_part(figure: Figure, model: Model, part: Part, room: tuple[float, float, float, float], lang: str) -> None:
    """Draw a part in the middle of its room: left, bottom, width and height in inches."""
    width, height = room[2:]
    axes = _sheet(figure, room, _say(lang, part.zh, part.en), ((width - part.size[0]) / 2, (height - part.size[1]) / 2))
    graph = causal_graph(model)
    boxes: dict[str, Any] = {}
    flows: dict[str, list[Any]] = {n: [None, None] for n in part.places if graph.nodes[n]["kind"] == "flow"}
    vertical = {}
    for s in model.stocks:
        if s.name in part.places:
            for n in s.outflows:
                flows[n][0] = s.name
            for n in s.inflows:
                flows[n][1] = s.name
    for n, ends in flows.items():
        vertical[n] = _pipe(axes, part, n, ends)
    for n, at in {**part.places, **part.shadows}.items():
        kind = graph.nodes[n]["kind"] if n in part.places else "shadow"
        boxes[n] = _node(axes, n, at, kind, lang, vertical.get(n, False), n in part.beside, n in part.below)
    for target in part.places:
        if graph.nodes[target]["kind"] == "stock":
            continue
        for source in graph.predecessors(target):
            if graph.edges[source, target]["flow"] == 0:
                bend = part.bends.get((source, target), 0.18)
                if source in flows.get(target, ()):  # a stock's arrow to its own flow keeps clear of the flow's name
                    (x0, y0), (x1, y1) = part.places[source], part.places[target]
                    bend *= (-1 if y1 > y0 else 1) * (-1 if target in part.beside else 1) if vertical[target] else 1 if x1 > x0 else -1
                _arrow(axes, boxes[source], boxes[target], bend, source.startswith("policy_"))


def _sheet(figure: Figure, room: tuple[float, float, float, float], title: str, margin: tuple[float, float] = (0.0, 0.0)) -> Axes:
    """Return framed axes in inches that fill a room of the figure, with the origin at `margin` from its lower left corner."""
    from matplotlib.patches import FancyBboxPatch

    (left, bottom, width, height), (dx, dy) = room, margin
    whole_width, whole_height = figure.get_size_inches()
    axes = figure.add_axes((left / whole_width, bottom / whole_height, width / whole_width, height / whole_height))
    axes.set(xlim=(-dx, width - dx), ylim=(-dy, height - dy))
    axes.axis("off")
    axes.add_patch(FancyBboxPatch((0.1 - dx, 0.08 - dy), width - 0.2, height - 0.16, boxstyle="round,pad=0,rounding_size=0.15",
                                  facecolor="none", edgecolor=GRID, linewidth=1.2))
    axes.text(0.3 - dx, height - dy - 0.22, title, fontsize=13, color=INK, va="top")
    return axes


def _pipe(axes: Axes, part: Part, flow: str, ends: Sequence[str | None]) -> bool:
    """Draw a flow's pipe, valve and clouds; return whether its pipe is vertical at the valve."""
    from matplotlib.patches import Polygon

    x, y = part.places[flow]
    stock = part.places[next(e for e in ends if e is not None)]
    dx, dy = x - stock[0], y - stock[1]
    upright = abs(dx) < _BOX[0] / 2
    points = []
    for end in ends:
        if end is not None:
            at = part.places[end]
            points.append((x, at[1] + (_BOX[1] / 2 if y > at[1] else -_BOX[1] / 2)) if upright
                          else (at[0] + (_BOX[0] / 2 if x > at[0] else -_BOX[0] / 2), y))
        else:
            cloud = part.clouds.get(flow, (x, y + (0.85 if dy > 0 else -0.85)) if upright else (x + (1.25 if dx > 0 else -1.25), y))
            _cloud(axes, *cloud)
            length = hypot(x - cloud[0], y - cloud[1])
            points.append((cloud[0] + 0.3 * (x - cloud[0]) / length, cloud[1] + 0.22 * (y - cloud[1]) / length))
    (x0, y0), (x1, y1) = points
    length = hypot(x1 - x0, y1 - y0)
    ux, uy = (x1 - x0) / length, (y1 - y0) / length
    hx, hy = x1 - 0.17 * ux, y1 - 0.17 * uy
    for colour, line in ((PIPE, 5.5), ("white", 3.2)):
        axes.plot([x0, hx], [y0, hy], color=colour, linewidth=line, solid_capstyle="butt", zorder=1)
    axes.add_patch(Polygon([(x1, y1), (hx - 0.1 * uy, hy + 0.1 * ux), (hx + 0.1 * uy, hy - 0.1 * ux)], facecolor="white", edgecolor=PIPE,
                           linewidth=1.1, zorder=2))
    for side in (0.13, -0.13):
        corners = [(0.0, 0.0), (0.12, side), (-0.12, side)] if upright else [(0.0, 0.0), (side, 0.12), (side, -0.12)]
        axes.add_patch(Polygon([(x + a, y + b) for a, b in corners], facecolor="#C9D3DD", edgecolor=PIPE, linewidth=1.0, zorder=3))
    return upright


def _cloud(axes: Axes, x: float, y: float) -> None:
    from matplotlib.patches import Circle

    puffs = [(-0.16, -0.02, 0.12), (0.0, 0.07, 0.15), (0.17, -0.01, 0.12), (0.02, -0.07, 0.12)]
    for face, edge, z in (("white", SHADOW, 2.0), ("white", "none", 2.1)):
        for dx, dy, r in puffs:
            axes.add_patch(Circle((x + dx, y + dy), r, facecolor=face, edgecolor=edge, linewidth=1.1, zorder=z))


def _wrapped(text: str, lang: str, width: int) -> str:
    import textwrap

    if lang == "zh":
        return text if len(text) <= width // 2 else f"{text[:(len(text) + 1) // 2]}\n{text[(len(text) + 1) // 2:]}"
    return "\n".join(textwrap.wrap(text, width, break_long_words=False))


def _node(axes: Axes, variable: str, at: tuple[float, float], kind: str, lang: str, upright: bool, beside: bool, below: bool) -> Any:
    """Draw a variable; return the patch that arrows end at."""
    from matplotlib.patches import FancyBboxPatch, Rectangle

    x, y = at
    lever = variable.startswith("policy_") and variable != "policy_cost"
    text = _wrapped(name(variable, lang), lang, 26 if lever and kind != "shadow" else 18 if kind == "flow" else 16)
    if kind == "stock":
        axes.add_patch(FancyBboxPatch((x - _BOX[0] / 2, y - _BOX[1] / 2), *_BOX, boxstyle="square,pad=0", facecolor=STOCK, edgecolor=INK,
                                      linewidth=1.4, zorder=3))
        axes.text(x, y, text, ha="center", va="center", fontsize=9.5, color=INK, zorder=5, linespacing=1.12, gid=variable)
        return axes.add_patch(Rectangle((x - _BOX[0] / 2, y - _BOX[1] / 2), *_BOX, visible=False))
    if kind == "shadow":
        text = f"‹{text}›"
    colour = LEVER if lever else SHADOW if kind == "shadow" else INK
    if kind == "flow":
        if upright:
            offset = (-0.2, 0.0, "right", "center") if beside else (0.2, 0.0, "left", "center")
        else:
            offset = (0.0, -0.18, "center", "top") if below else (0.0, 0.18, "center", "bottom")
        axes.text(x + offset[0], y + offset[1], text, ha=offset[2], va=offset[3], fontsize=8.5, color=INK, zorder=5, linespacing=1.1,
                  gid=variable)
        return axes.add_patch(Rectangle((x - 0.15, y - 0.14), 0.3, 0.28, visible=False))
    shown = axes.text(x, y, text, ha="center", va="center", fontsize=9, color=colour, zorder=5, linespacing=1.12, gid=variable)
    return _hull(axes, shown)


def _hull(axes: Axes, text: Text, pad: float = 0.05) -> Any:
    """Return an invisible rectangle around a text, in data units."""
    from matplotlib.patches import Rectangle

    extent = text.get_window_extent()
    (x0, y0), (x1, y1) = axes.transData.inverted().transform(extent.get_points())
    return axes.add_patch(Rectangle((x0 - pad, y0 - pad), x1 - x0 + 2 * pad, y1 - y0 + 2 * pad, visible=False))


def _middle(box: Any) -> tuple[float, float]:
    return box.get_x() + box.get_width() / 2, box.get_y() + box.get_height() / 2


def _arrow(axes: Axes, source: Any, target: Any, bend: float, lever: bool, colour: str | None = None) -> Any:
    from matplotlib.patches import FancyArrowPatch

    return axes.add_patch(FancyArrowPatch(
        _middle(source), _middle(target), patchA=source, patchB=target, connectionstyle=f"arc3,rad={bend}",
        arrowstyle="-|>,head_length=4.5,head_width=2.2", shrinkA=1, shrinkB=1.5, linewidth=1.0, zorder=2.5, alpha=0.9,
        color=colour or (LEVER if lever else ARROW)))


def causal_loops(loops: Iterable[Loop], signs: Mapping[Link, str], lang: str = "zh") -> Figure:
    """Return every loop as a panel: its variables in a circle, the signs of its links, whether it is reinforcing (R) or balancing (B).

    Of loops of one name (variants of one mechanism) the first is drawn. Raises InvalidInput where there is none.
    """
    _checked(lang)
    shown = list({loop.name: loop for loop in reversed(list(loops))}.values())[::-1]
    if not shown:
        raise InvalidInput(Problem("diagram: there is no loop to draw.", "Name other loops."))
    shown.sort(key=lambda loop: len(loop.variables) > 12)
    columns = min(3, len(shown))
    width, height = 5.6, 3.9
    rows = -(-len(shown) // columns)
    with _style():
        figure = _figure(columns * width, rows * height + 1.25)
        top = rows * height + 0.4
        figure.text(0.02, 1 - 0.25 / figure.get_figheight(), _say(lang, "主要反馈回路", "Named feedback loops"), fontsize=18,
                    color=INK, va="top")
        for k, loop in enumerate(shown):
            room = (k % columns * width, top - (k // columns + 1) * height, width, height)
            _draw_loop(_sheet(figure, room, ""), loop, signs, (width, height), lang)
        text = _say(lang, "R：增强回路；B：调节回路。＋：同向变化；－：反向变化（其他条件不变）。",
                    "R: reinforcing. B: balancing. +: moves the same way; −: the opposite way (all else equal). ±: depends on the state.")
        _fit(figure.text(0.02, 0.12 / figure.get_figheight(), text, fontsize=9.5, color=GREY, va="bottom"), figure.bbox.width * 0.96)
    return figure


def causal_map(loops: Iterable[Loop], signs: Mapping[Link, str], lang: str = "zh") -> Figure:
    """Return the named loops in one causal-loop diagram of the chief variables (`layouts.CENTRES`).

    A link stands for the chain of links between two chief variables, its sign for their product. Loops that join fewer than two
    chief variables are left out. Raises InvalidInput where no link is left.
    """
    _checked(lang)
    chains: dict[Link, set[str]] = {}
    letters: dict[str, str] = {}
    for loop in loops:
        at = [k for k, v in enumerate(loop.variables) if v in CENTRES]
        if len(at) < 2:
            continue
        letters.setdefault(loop.name, loop.polarity)
        links = [signs[x] for x in loop.links]
        for k, end in zip(at, [*at[1:], at[0] + len(links)], strict=True):
            chain = [links[j % len(links)] for j in range(k, end)]
            sign = "±" if "±" in chain or "0" in chain else "-" if chain.count("-") % 2 else "+"
            chains.setdefault((loop.variables[k], loop.variables[end % len(links)]), set()).add(sign)
    if not chains:
        raise InvalidInput(Problem("diagram: no loop joins two of the chief variables.", "Give the model's named loops."))
    width, height = 16.6, 11.4
    with _style():
        figure = _figure(width, height + 0.35)
        axes = _sheet(figure, (0.0, 0.35, width, height), _say(lang, "因果回路总览", "Causal loops: overview"))
        boxes = {}
        for v in dict.fromkeys(n for link in chains for n in link):
            text = axes.text(*CENTRES[v], _wrapped(name(v, lang), lang, 16), ha="center", va="center", fontsize=11, zorder=5,
                             linespacing=1.1, color=LEVER if v.startswith("policy_") else INK, gid=v)
            boxes[v] = _hull(axes, text, 0.07)
        for (source, target), found in sorted(chains.items()):
            _signed(axes, boxes[source], boxes[target], MAP_BENDS.get((source, target), -0.16), found.pop() if len(found) == 1 else "±")
        for loop_id, at_ in EMBLEMS.items():
            if loop_id in letters:
                _emblem(axes, at_, letters[loop_id], 0.24)
                axes.text(at_[0], at_[1] - 0.36, _wrapped(loop_name(loop_id, lang), lang, 14), ha="center", va="top", fontsize=8.5,
                          color=POLARITY[letters[loop_id]], linespacing=1.1, gid=loop_id)
        text_ = _say(lang, "每个箭头代表一串因果联系，符号为其乘积。R：增强回路；B：调节回路。",
                     "An arrow stands for a chain of links, its sign for their product. R: reinforcing. B: balancing.")
        _fit(figure.text(0.02, 0.12 / figure.get_figheight(), text_, fontsize=9.5, color=GREY, va="bottom"), figure.bbox.width * 0.96)
    return figure


def _draw_loop(axes: Axes, loop: Loop, signs: Mapping[Link, str], size: tuple[float, float], lang: str) -> None:
    """Draw one loop clockwise, the first variable on top."""
    (width, height), n = size, len(loop.variables)
    a, b = width / 2 - 0.85, height / 2 - 0.5
    small = 7.6 if n > 12 else 8.5
    angles = np.linspace(0, 2 * pi, 721)
    power = 0.45 if n > 8 else 1.0  # many names stand on a rounded rectangle rather than an ellipse
    xs, ys = (size * np.sign(f(angles)) * np.abs(f(angles)) ** power for size, f in ((a, np.sin), (b, np.cos)))
    taller = 1.8 if n > 8 else 1.0  # names are wide rather than tall: they stand closer down the sides
    along = np.concatenate([[0.0], np.cumsum(np.hypot(np.diff(xs), taller * np.diff(ys)))])
    start = 0.75 if n == 2 else 0.0  # two face each other across the letter
    at = np.interp((np.arange(n) / n + start) % 1 * along[-1], along, np.arange(len(along)))
    boxes = {}
    for v, place in zip(loop.variables, at, strict=True):
        x, y = (float(np.interp(place, np.arange(len(c)), c)) for c in (xs, ys))
        text = axes.text(width / 2 + x, height / 2 + y - 0.05, _wrapped(name(v, lang), lang, 14 if n > 8 else 16), ha="center",
                         va="center", fontsize=small, color=LEVER if v.startswith("policy_") else INK, linespacing=1.1, zorder=5, gid=v)
        boxes[v] = _hull(axes, text)
    for source, target in loop.links:
        _signed(axes, boxes[source], boxes[target], -0.35 if n == 2 else -0.12 if n <= 8 else -0.04, signs[source, target])
    _emblem(axes, (width / 2, height / 2 + 0.1), loop.polarity)
    axes.text(width / 2, height / 2 - 0.36, _wrapped(loop_name(loop.name, lang), lang, 24), ha="center", va="center", fontsize=10,
              color=POLARITY[loop.polarity], linespacing=1.1, gid=loop.name)


def _signed(axes: Axes, source: Any, target: Any, bend: float, sign: str, colour: str | None = None) -> None:
    """Draw a causal arrow with its sign beside the head."""
    (x0, y0), (x1, y1) = _middle(source), _middle(target)
    cx, cy = (x0 + x1) / 2 + bend * (y1 - y0), (y0 + y1) / 2 - bend * (x1 - x0)
    t = 1.0
    while t > 0.3:
        x, y = ((1 - t) ** 2 * p0 + 2 * t * (1 - t) * c + t * t * p1 for p0, c, p1 in ((x0, cx, x1), (y0, cy, y1)))
        if not (target.get_x() - 0.1 < x < target.get_x() + target.get_width() + 0.1
                and target.get_y() - 0.1 < y < target.get_y() + target.get_height() + 0.1):
            break
        t -= 0.01
    dx, dy = 2 * (1 - t) * (cx - x0) + 2 * t * (x1 - cx), 2 * (1 - t) * (cy - y0) + 2 * t * (y1 - cy)
    length = hypot(dx, dy) or 1.0
    side = 1 if bend < 0 else -1  # outside the curve
    colour = colour or {"+": ARROW, "-": POLARITY["B"]}.get(sign, GREY)
    _arrow(axes, source, target, bend, False, colour)
    axes.text(x - side * 0.13 * dy / length, y + side * 0.13 * dx / length, {"-": "−"}.get(sign, sign), ha="center",
              va="center", fontsize=11, color=colour, zorder=6)


def _emblem(axes: Axes, at: tuple[float, float], polarity: str, size: float = 0.26) -> None:
    """Draw the letter of a loop's polarity within a turning arrow."""
    from matplotlib.patches import Arc, Polygon

    (x, y), colour = at, POLARITY[polarity]
    axes.add_patch(Arc((x, y), 2 * size, 2 * size, theta1=-220, theta2=60, edgecolor=colour, linewidth=1.4))
    tip = -220 * pi / 180  # clockwise: the head sits where the arc begins
    hx, hy = x + size * cos(tip), y + size * sin(tip)
    ux, uy = sin(tip), -cos(tip)
    corners = [(hx + 0.11 * ux, hy + 0.11 * uy), (hx - 0.07 * uy, hy + 0.07 * ux), (hx + 0.07 * uy, hy - 0.07 * ux)]
    axes.add_patch(Polygon(corners, facecolor=colour, edgecolor="none"))
    axes.text(x, y, polarity, ha="center", va="center", fontsize=12, color=colour)


def dominance_chart(found: Dominance, title: str, subtitle: str = "", *, variables: Sequence[str] = (),
                    groups: Mapping[str, Any] | None = None, lang: str = "zh") -> Figure:
    """Return the relative loop scores over time as stacked areas, reinforcing above zero and balancing below.

    A row for each of `variables` (default: those of `layouts.FOCUS` that have a loop), with the principal loops through it in relation
    to each other; a column for each of `groups` (heading -> mask of runs; default: all runs). Areas are means over the runs, so that
    they add up. Raises InvalidInput where no loop acts or no run is left in a group.
    """
    from matplotlib.patches import Patch
    from matplotlib.ticker import PercentFormatter

    _checked(lang)
    chosen = found.among(principal(found))
    held = {v for loop in chosen.loops for v in loop.variables}
    shown = [v for v in variables or FOCUS if v in held] or list(dict.fromkeys(loop.variables[0] for loop in chosen.loops))[:4]
    finite = np.isfinite(chosen.scores).all(axis=(0, 1))
    columns = {_say(lang, "全部模拟", "all runs"): finite} if groups is None else {k: m & finite for k, m in groups.items()}
    if not shown or not columns or any(not m.any() for m in columns.values()):
        raise InvalidInput(Problem("dominance: there is no acting loop, or no finite run in a group, to show.",
                                   "Take more runs, or another target."))
    views = {v: chosen.through(v) for v in shown}
    weight: dict[str, float] = {}
    for view in views.values():
        for k, loop in enumerate(view.loops):
            weight[loop.name] = weight.get(loop.name, 0.0) + float(np.abs(view.scores[k][:, finite]).mean())
    legend = sorted(weight, key=lambda n: -weight[n])[:len(PALETTE)]
    colours = dict(zip(legend, PALETTE, strict=False))
    many = len(columns) if len(columns) > 1 else min(2, len(shown))
    rows = len(shown) if len(columns) > 1 else -(-len(shown) // many)
    kinds = {loop.name: loop.polarity for loop in chosen.loops}
    lines = -(-(len(legend) + 1) // 3)
    height = 2.9 * rows + 0.95 + 0.26 * lines + 0.4
    with _style() as family:
        figure = _figure(11.0, height)
        for at, (v, (heading, mask)) in enumerate(product(shown, columns.items())):
            view = views[v]
            left, bottom = 0.07 + (at % many) * 0.93 / many, height - 1.25 - 2.9 * (at // many) - 2.1
            axes = figure.add_axes((left, bottom / height, 0.93 / many - 0.045, 2.1 / height))
            means = {loop.name: view.scores[k][:, mask].mean(axis=-1) for k, loop in enumerate(view.loops)}
            for side in (1, -1):
                base = np.zeros(len(view.years))
                rest = base.copy()
                for n in sorted(means, key=lambda n: legend.index(n) if n in legend else len(legend)):
                    part = np.where(side * means[n] > 0, means[n], 0.0)
                    if n not in colours:
                        rest = rest + part
                    elif part.any():
                        axes.fill_between(view.years, base, base + part, facecolor=colours[n], linewidth=0.4, edgecolor="white",
                                          gid=f"{v}: {n}")
                        base = base + part
                axes.fill_between(view.years, base, base + rest, color="#C9CFD6", linewidth=0)
            axes.axhline(0, color=INK, linewidth=0.9)
            axes.set(ylim=(-1, 1), xlim=(view.years[0], view.years[-1]))
            axes.set_yticks(np.linspace(-1, 1, 5))
            axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
            axes.set_xticks(_ticks(int(view.years[0]), int(view.years[-1])))
            _bare(axes, family, 9)
            head = _say(lang, f"经过“{name(v, lang)}”的回路", f"loops through {name(v, lang)}")
            axes.set_title(head + (_say(lang, "：", ": ") + heading if len(columns) > 1 else ""), loc="left", fontsize=11, color=INK, pad=6)
        handles = [Patch(color=colours[n], label=f"{kinds[n]}  {_short(loop_name(n, lang))}") for n in legend]
        if len(weight) > len(legend):
            handles.append(Patch(color="#C9CFD6", label=_say(lang, "其他回路", "other loops")))
        figure.legend(handles=handles, loc="lower left", bbox_to_anchor=(0.05, 0.4 / height), ncols=3, frameon=False, fontsize=9.5,
                      labelcolor=INK)
        coverage = float(np.median(chosen.coverage[0][:, finite]))
        note = _say(lang, "Loops That Matter相对得分（各次模拟平均）；增强在上，调节在下。只比较主要回路与最短独立回路，"
                          f"占全部回路得分的{coverage:.0%}（中位数）。",
                    "Loops That Matter relative scores, mean over runs; reinforcing above zero, balancing below. Named and shortest "
                    f"independent loops only: {coverage:.0%} of all loops' scores (median).")
        _frame(figure, title, subtitle, note, left=0.03)
    return figure


def _short(text: str, most: int = 44) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _key(figure: Figure, lang: str, y: float) -> None:
    text = _say(lang, "方框：存量；双线与阀门：流量；云：模型之外；蓝色箭头：方程所依赖的变量；‹灰色›：在其他部分定义；"
                      "棕色：已落实资金的政策。参数从略。",
                "Box: stock. Double line with valve: flow. Cloud: outside the model. Arrow: what an equation depends on. "
                "‹Grey›: defined on another part. Brown: policy lever as funded. Parameters are left out.")
    _fit(figure.text(0.02, y / figure.get_figheight(), text, fontsize=9, color=GREY, va="bottom"), figure.bbox.width * 0.96)


def _checked(lang: str) -> None:
    if lang not in ("zh", "en"):
        raise InvalidInput(Problem(f"lang: there is no language {lang!r}.", "Choose zh or en."))


def check_name(path: Path | str) -> Path:
    """Return `path`. Raises InvalidInput for an ending other than .svg and .png and for a folder that is not there."""
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES:
        raise InvalidInput(Problem("diagrams are written as SVG or PNG.", "Give a name that ends in .svg or .png.", Place(path)))
    if not path.parent.is_dir():
        raise InvalidInput(Problem("there is no such folder.", "Make it first, or give another.", Place(path.parent)))
    return path


def save(figure: Figure, path: Path | str) -> Path:
    """Write `figure` as SVG or PNG by the name's ending, whole or not at all; the same figure gives the same bytes.

    Raises InvalidInput as `check_name` does.
    """
    import matplotlib as mpl

    path = check_name(path)
    kind = path.suffix.lower()[1:]
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with _style(), mpl.rc_context({"svg.hashsalt": "simulate"}):
            figure.savefig(temporary, format=kind, dpi=DPI, metadata={"Date": None} if kind == "svg" else {"Software": "simulate"})
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return path
