"""Pictures of consistency for briefings: implied against stated values, and a conflict as a sketch of what ties its statements."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from math import isfinite
from typing import TYPE_CHECKING

from simulate import units
from simulate.errors import InvalidInput, Problem
from simulate.identities import Identities, Prior, load_identities
from simulate.indicators import Catalogue, Indicator
from simulate.plots import GREY, GRID, INK, MEDIAN, SENSES, SHADES, TARGET, _figure, _fit, _frame, _number, _say, _style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from simulate.consistency import Claim, Conflict, Range, Verdict

ROWS = 20
"""Most rows of an interval chart; statements that clash are kept first."""

WIDTH = 11.7
"""Inches across: an A4 page in landscape."""

COLUMNS = (0.025, 0.262, 0.35, 0.575, 0.755, 0.9)
"""Where the interval chart's columns begin, as shares of its width: name, when, bar, implied, stated, verdict."""

VERDICTS = {
    "zh": {"consistent": "一致", "clash": "冲突", "none": "未给出", "undecided": "未定"},
    "en": {"consistent": "consistent", "clash": "clash", "none": "not stated", "undecided": "undecided"},
}
COLOURS = {"consistent": MEDIAN, "clash": TARGET, "none": GREY, "undecided": GREY}


def wanted(verdict: Verdict, base: int, last: int) -> list[tuple[str, int]]:
    """What an interval chart of a verdict shows, as (indicator, year) for `implied`, at most ROWS of them.

    GDP in the base year and the plan's last year, then the region's quantities in conflicts and strains, of years from one to
    the other. Means and totals are left out: the range of mean GDP growth alone can take longer than all others together.
    """
    found: dict[tuple[str, int], None] = {("gdp", base): None, ("gdp", last): None}
    for conflict in (*verdict.conflicts, *verdict.strains):
        for claim in conflict.claims:
            years, kind = _time(claim.time)
            if claim.place == verdict.region and claim.kind == "statement" and not kind and _within(claim.time, (base, last)):
                found[claim.indicator, years[0]] = None
    return list(found)[:ROWS]


def interval_chart(ranges: Sequence[Range], indicators: Mapping[str, Indicator] | None = None, lang: str = "zh", *, place: str = "",
                   years: tuple[int, int] | None = None, reading: Mapping[str, str] | None = None) -> Figure:
    """Return implied (bar) against stated (diamond) values, a row a quantity, each on a scale of its own.

    `indicators`: labels by id, as a catalogue or `Identities.indicators`; without, ids are shown. `place`: the region's name, for
    the title. Multiples and changes are left out, and times outside `years`. A star marks rows for which statements had to be left
    out, or read otherwise than in `reading`, since the others clash among themselves. InvalidInput where nothing is left.
    """
    _known(lang)
    rows = [r for r in ranges if _within(r.quantity.when, years)]
    if not rows:
        raise InvalidInput(Problem("plots: there is no range to show.", "Give ranges of years, means or totals."))
    best = sorted(range(len(rows)), key=lambda k: _verdict(rows[k]) != "clash")[:ROWS]
    shown = [rows[k] for k in sorted(best)]
    with _style():
        above, pitch, below = 1.3, 0.335, 0.72
        height = above + pitch * len(shown) + below
        figure = _figure(WIDTH, height)
        axes = figure.add_axes((0.0, below / height, 1.0, pitch * len(shown) / height))
        axes.set_axis_off()
        axes.set_xlim(0, 1)
        axes.set_ylim(len(shown) - 0.5, -0.5)
        heads = _say(lang, "指标|时间|推算区间与表述值|推算区间|文件表述|判断", "Quantity|When|Implied and stated|Implied|Stated|Verdict")
        for x, head in zip(COLUMNS, heads.split("|"), strict=True):
            axes.text(x, -0.68, head, fontsize=10, color=GREY)
        starred = [bool(r.left_out) or (reading is not None and dict(r.reading) != dict(reading)) for r in shown]
        for k, (r, star) in enumerate(zip(shown, starred, strict=True)):
            _interval(axes, k, r, indicators or {}, lang, star)
        axes.plot([COLUMNS[0], 1 - COLUMNS[0]], [len(shown) - 0.5] * 2, color=GRID, linewidth=0.8, clip_on=False)
        title = _say(lang, "规划数字与其余表述推算结果对照", "What the plan states and what its other numbers imply")
        note = _say(lang, "星号（*）：其余表述自身互相冲突，推算时略去其中一部分或改用另一种读法。",
                    "*: the other statements clash among themselves; some were left out, or read otherwise, to find the range. ") \
            if any(starred) else ""
        if len(rows) > len(shown):
            note += _say(lang, f"另有{len(rows) - len(shown)}项未列出。", f"{len(rows) - len(shown)} more are not shown.")
        _frame(figure, (place + _say(lang, "：", ": ") if place else "") + title, _say(
            lang, "横条：不看该数字本身，由其余表述、恒等关系和合理区间推算的范围（箭头：无界或过远）；菱形：文件所载数值。每行刻度不同。",
            "Bar: what all other statements, identities and plausibility bands leave (arrow: no end, or far off). "
            "Diamond: as stated. Scales differ by row."), note, COLUMNS[0])
        _key(figure, lang, 0.44 / height)
        figure.canvas.draw()
    return figure


def conflict_graph(conflict: Conflict, indicators: Mapping[str, Indicator] | None = None, lang: str = "zh", *,
                   identities: Identities | None = None, names: Mapping[str, str] | None = None) -> Figure:
    """Return a conflict as a sketch: its statements at both sides, lower bounds first, and between them the identities that tie them.

    Plausibility bands have dashed borders. `indicators`: labels by id, as a catalogue or `Identities.indicators`; `identities`: those
    of the check (without: the package's); `names`: labels of places and documents by id. What has no label is shown by its id.
    """
    _known(lang)
    if identities is None and indicators is not None:
        try:
            identities = load_identities(indicators if isinstance(indicators, Catalogue) else Catalogue(indicators))
        except InvalidInput:  # labels of some indicators only
            identities = None
    words = _Words({**(identities.indicators if identities else {}), **(indicators or {})}, identities, names or {}, lang)
    claims = sorted(conflict.claims, key=lambda c: (c.side != "at_least", c.kind == "prior"))
    half = -(-len(claims) // 2)
    with _style():
        probe = _Pen(_figure(WIDTH, 1.0))
        side, middle, margin = 3.95, 2.4, 0.3
        blocks = [probe.block(words.claim(c), side - 0.3) for c in claims]
        tied = [line for id in conflict.identities if not words.drawn(id, claims) for line in words.identity(id)] or [
            (_say(lang, "直接矛盾：同一数量有两种说法", "A direct contradiction: one quantity, stated in two ways"), 10.5, INK)]
        centre = probe.block([(_say(lang, "联系它们的关系", "Tied by"), 8.5, MEDIAN), *tied], middle - 0.3)
        foot = probe.block([(words.outcome(conflict), 11.5, INK)], WIDTH - 2 * margin)
        columns = [blocks[:half], blocks[half:]]
        gap, above, below = 0.14, 1.05, 0.3 + foot.height
        tall = max(*(sum(b.height for b in column) + gap * (len(column) - 1) for column in columns), centre.height)
        height = above + tall + below
        figure = _figure(WIDTH, height)
        pen = _Pen(figure)
        axes = figure.add_axes((0.0, 0.0, 1.0, 1.0), label="sketch")
        axes.set_axis_off()
        axes.set_xlim(0, WIDTH)
        axes.set_ylim(0, height)
        level = below + tall / 2
        left, right = (WIDTH - middle) / 2, (WIDTH + middle) / 2
        pen.box(axes, centre, left, level + centre.height / 2, middle, MEDIAN, SHADES[0], "-", "identities")
        for column, (x, near, end) in zip((0, 1), ((margin, margin + side, left), (WIDTH - margin - side, WIDTH - margin - side, right)),
                                          strict=True):
            listed = columns[column]
            spare = (tall - sum(b.height for b in listed)) / (len(listed) + 1)
            top = below + tall - spare
            if tall - sum(b.height for b in listed) <= gap * (len(listed) + 1):
                spare = (tall - sum(b.height for b in listed)) / max(len(listed) - 1, 1)
                top = below + tall
            for k, block in enumerate(listed):
                claim = claims[k + half * column]
                target = level + centre.height * (0.5 - (k + 1) / (len(listed) + 1)) * 0.8
                y = top - block.height / 2
                band = claim.kind == "prior"
                turn = (near + end) / 2
                pen.link(axes, [(near, y), (turn, y), (turn, target), (end, target)])
                pen.box(axes, block, x, top, side, GREY if band else TARGET, "white", "--" if band else "-", f"claim {claim.id}")
                top -= block.height + spare
        bands = sum(c.kind == "prior" for c in claims)
        stated = len(claims) - bands
        title = _say(lang, f"不能同时成立的{stated}项表述" + (f"与{bands}个合理区间" if bands else ""), f"{stated} statements "
                     + (f"and {bands} plausibility band{'s' if bands > 1 else ''} " if bands else "") + "that cannot all hold")
        _frame(figure, title,
               _say(lang, "方框：各项表述及其出处" + ("（虚线框：经验上的合理区间，并非文件所载）" if bands else "")
                    + "；中间：把它们联系起来的关系。",
                    "Boxes: the statements and where they stand" + (" (dashed: a plausibility band, not a statement)" if bands else "")
                    + ". Between: what ties them."),
               "", margin / WIDTH)
        pen.write(axes, foot, margin, 0.08 + foot.height)
        figure.canvas.draw()
    return figure


# --- words

def _known(lang: str) -> None:
    if lang not in SENSES:
        raise InvalidInput(Problem(f"lang: there is no language {lang!r}.", "Choose zh or en."))


_KINDS = {"⌀": "mean", "Σ": "sum", "multiple": "multiple", "change": "change"}


def _time(when: str) -> tuple[list[int], str]:
    """The years of a time as `Quantity.when` writes it, and its kind: empty for a year, mean, sum, multiple or change."""
    return [int(y) for y in re.findall(r"\d{4}", when)], next((kind for sign, kind in _KINDS.items() if sign in when), "")


def _within(when: str, years: tuple[int, int] | None) -> bool:
    """Whether a time is a year, mean or total, and within `years`."""
    found, kind = _time(when)
    return bool(found) and kind in ("", "mean", "sum") and (years is None or all(years[0] <= y <= years[1] for y in found))


def _when(when: str, lang: str, brief: bool = False) -> str:
    """Write a time in words; `brief`: in few of them."""
    years, kind = _time(when)
    span = "–".join(map(str, years))
    if brief:
        return span + {"mean": _say(lang, "年均", " mean"), "sum": _say(lang, "累计", " total")}.get(kind, "")
    zh = {"": "{}年", "mean": "{}年年均", "sum": "{}年累计", "multiple": "{}年倍数", "change": "{}年变化"}
    en = {"": "{}", "mean": "{}, yearly mean", "sum": "{}, total", "multiple": "{}, as a multiple", "change": "{}, change"}
    return _say(lang, zh[kind], en[kind]).format(span)


def _label(id: str, indicators: Mapping[str, Indicator], lang: str) -> str:
    plain, _, basis = id.partition("~")
    name = indicators[plain].label(lang) if plain in indicators else plain
    return name + {"nominal": _say(lang, "（现价）", " (current prices)"),
                   "constant": _say(lang, "（不变价）", " (constant prices)")}.get(basis, "")


def _digits(value: float) -> str:
    """Write a number to four significant digits, with thousands separators."""
    value = float(f"{value:.4g}")
    return (f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}").replace("-", "−")


def _unit(symbol: str, lang: str) -> str:
    name = units.label(symbol, lang)
    return name if lang == "zh" or name == "%" else f" × {name}" if name[:1].isdigit() else f" {name}"


def _range_text(r: Range, lang: str) -> str:
    unit = _unit(r.unit, lang)
    if not r.decided and r.low is None and r.high is None:
        return "—"
    if r.low is None and r.high is None:
        return _say(lang, "无界", "no bound")
    if r.low is None or r.high is None:
        end, word = (r.high, _say(lang, "不超过{}", "at most {}")) if r.low is None else (r.low, _say(lang, "不低于{}", "at least {}"))
        return word.format(_digits(end or 0.0) + unit)
    low, high = _digits(r.low), _digits(r.high)
    return (low if low == high else f"{low} – {high}") + unit


def _clashes(claim: Claim, r: Range) -> bool:
    """Whether the side of a statement (after rounding) is out of reach in a range."""
    limit = units.convert(claim.limit, claim.unit, r.unit)
    slack = 1e-6 * abs(limit)
    if claim.side == "at_least":
        return r.high is not None and limit > r.high + slack
    return r.low is not None and limit < r.low - slack


def _verdict(r: Range) -> str:
    if not r.stated:
        return "none"
    if any(_clashes(c, r) for c in r.stated):
        return "clash"
    return "consistent" if r.decided else "undecided"


def _stated(r: Range) -> dict[float, set[str]]:
    """The values stated, in the range's unit, and for each the sides that they bound."""
    found: dict[float, set[str]] = {}
    for claim in r.stated:
        found.setdefault(units.convert(claim.value, claim.unit, r.unit), set()).add(claim.side)
    return found


def _stated_text(r: Range, lang: str) -> str:
    signs = {"at_least": "≥ ", "at_most": "≤ "}
    parts = [("" if len(sides) > 1 else signs[next(iter(sides))]) + _number(value, exact=True)
             for value, sides in _stated(r).items()]
    return _say(lang, "、", "; ").join(parts) + _unit(r.unit, lang) if parts else "—"


class _Words:
    """What stands in the boxes of a conflict."""

    def __init__(self, indicators: Mapping[str, Indicator], identities: Identities | None, names: Mapping[str, str], lang: str) -> None:
        self.indicators, self.names, self.lang = indicators, names, lang
        self.identities = identities
        specs = [t.spec for t in identities.templates] if identities else []
        self.labels = {s.id: s.label(lang) for s in specs if not isinstance(s, Prior)}
        self.bands = {s.id: s.label(lang) for s in specs if isinstance(s, Prior)}

    def claim(self, c: Claim) -> list[tuple[str, float, str]]:
        """Name, place and time; side and value; source."""
        lang = self.lang
        id = c.id.removeprefix("prior:")
        name = self.bands.get(id, id) if c.kind == "prior" else _label(c.indicator, self.indicators, lang)
        unit = _say(lang, c.unit, _unit(c.unit, lang))
        value = f"{'≥' if c.side == 'at_least' else '≤'} {_number(c.value, exact=True)}{unit}"
        source = c.source
        document, colon, rest = source.partition(": ")
        if c.kind == "prior":
            source = _say(lang, "合理区间：", "Plausibility band: ") + source
        elif colon and document in self.names:
            source = self.names[document] + _say(lang, "，", ", ") + rest
        if abs(c.limit - c.value) > 1e-9 * abs(c.value):
            limit = _number(c.limit, exact=True)
            source = _say(lang, f"（按舍入计：{limit}）", f"(before rounding: {limit}) ") + source
        where = _say(lang, f"{self.names.get(c.place, c.place)}，{_when(c.time, lang)}",
                     f"{self.names.get(c.place, c.place)}, {_when(c.time, lang)}")
        return [(name, 11.0, INK), (where, 9.5, INK), (value, 12.0, GREY if c.kind == "prior" else TARGET), (source, 8.0, GREY)]

    def drawn(self, id: str, claims: Iterable[Claim]) -> bool:
        """Whether an identity of a conflict is a band that has a box of its own."""
        return any(c.kind == "prior" and c.id.removeprefix("prior:") == _parts(id)[0] for c in claims)

    def identity(self, id: str) -> list[tuple[str, float, str]]:
        """Name an identity: label and of which indicator, then where and when."""
        name, of, when, place = _parts(id)
        known = self.labels.get(name) or self.bands.get(name)
        if known is None:
            return [(id, 10.5, INK)]
        text = known + (_say(self.lang, f"：{_label(of, self.indicators, 'zh')}", f": {_label(of, self.indicators, 'en')}") if of else "")
        where = self.names.get(place, place)
        when = when.replace("-", "–")
        return [(text, 10.5, INK), (_say(self.lang, f"{where}，{when}年", f"{where}, {when}"), 8.5, GREY)]

    def outcome(self, conflict: Conflict) -> str:
        """Say in one sentence that these clash, and which other readings dissolve it."""
        lang = self.lang
        banded = any(c.kind == "prior" for c in conflict.claims)
        text = _say(lang, "以上各项" + ("（含合理区间）" if banded else "") + "不能同时成立；",
                    "These cannot all hold" + (", plausibility bands included; " if banded else "; "))
        ways = []
        for d in conflict.dissolves_if:
            reading = self.identities.readings.get(d["reading"]) if self.identities else None
            option = reading.options.get(d["option"]) if reading else None
            subject, value = (_say(lang, reading.zh, reading.en), option.label(lang)) if reading and option else (d["reading"], d["option"])
            ways.append(_say(lang, f"“{subject}”理解为“{value}”", f'"{subject}" is read as "{value}"'))
        if not ways:
            return text + _say(lang, "没有任何一种其他读法能单独化解。", "no other single reading of the documents dissolves this.")
        return text + _say(lang, f"若将{'，或将'.join(ways)}，则冲突化解。", f"the clash dissolves if {', or if '.join(ways)}.")


def _parts(id: str) -> tuple[str, str, str, str]:
    """An identity's id, indicator, time and place, of the id of its instance."""
    match = re.fullmatch(r"([^\[@]+)(?:\[([^\]]*)\])?@(\S+) \((.*)\)", id)
    return (match[1], match[2] or "", match[3], match[4]) if match else (id, "", "", "")


# --- a row of the interval chart

def _interval(axes: Axes, k: int, r: Range, indicators: Mapping[str, Indicator], lang: str, star: bool) -> None:
    """Draw one row: its bar, diamonds and texts."""
    room = axes.figure.bbox.width
    axes.plot([COLUMNS[0], 1 - COLUMNS[0]], [k - 0.5] * 2, color=GRID, linewidth=0.8, clip_on=False, zorder=0)
    verdict = _verdict(r)
    cells = {0: _label(r.quantity.indicator, indicators, lang), 1: _when(r.quantity.when, lang, brief=True),
             3: _range_text(r, lang) + (" *" if star else ""), 4: _stated_text(r, lang), 5: VERDICTS[lang][verdict]}
    ends = (*COLUMNS[1:], 1 - COLUMNS[0])
    pen = _Pen(axes.figure)  # type: ignore[arg-type]
    for column, text in cells.items():
        width = (ends[column] - COLUMNS[column] - (0.01 if column < 5 else 0.0)) * room
        lines = pen.wrap(text, 8.5, width) if column == 0 and pen.width(text, 10) > 1.15 * width else [text]
        colour = COLOURS[verdict] if column == 5 else INK
        several = len(lines) > 1
        cell = axes.text(COLUMNS[column], k if several else k + 0.14, "\n".join(lines), fontsize=8.5 if several else 10, color=colour,
                         va="center" if several else "baseline", linespacing=1.1, gid=f"cell {column}")
        _fit(cell, width)
    stated = _stated(r)
    reach = 20 * max((abs(x) for x in (*stated, r.low or 0.0)), default=0.0) if stated else float("inf")
    top = None if r.high is None or r.high > reach > 0 else r.high  # an end far beyond would press all else to one side
    known = [x for x in (r.low, top, *stated) if x is not None and isfinite(x)]
    low, high = min(known, default=0.0), max(known, default=1.0)
    least = 0.03 * max(abs(low), abs(high)) or 1.0
    if high - low < least:
        low, high = (low + high - least) / 2, (low + high + least) / 2
    pad = 0.14 * (high - low)
    left, right = COLUMNS[2] + 0.004, COLUMNS[3] - 0.02

    def across(x: float) -> float:
        return left + (right - left) * (x - low + pad) / (high - low + 2 * pad)

    axes.plot([left, right], [k, k], color=GRID, linewidth=1.2, zorder=1)
    if r.decided or r.low is not None or r.high is not None:
        start, end = (left if r.low is None else across(r.low)), (right if top is None else across(top))
        if end - start < 0.003:
            start, end = (start + end) / 2 - 0.0015, (start + end) / 2 + 0.0015
        tip = 0.007
        axes.plot([start + tip * (r.low is None), end - tip * (top is None)], [k, k], color=SHADES[1], linewidth=8,
                  solid_capstyle="butt", zorder=2, gid="implied")
        for open_, x, away in ((r.low is None, left, 1), (top is None, right, -1)):
            if open_:
                axes.fill([x, x + away * tip * 1.1, x + away * tip * 1.1], [k, k - 0.32, k + 0.32], color=SHADES[1], linewidth=0, zorder=2,
                          gid="open")
    for value, sides in stated.items():
        clash = any(_clashes(c, r) for c in r.stated if units.convert(c.value, c.unit, r.unit) == value)
        axes.plot([across(value)], [k], linestyle="", marker="D", markersize=6.5, color=TARGET if clash else MEDIAN,
                  markeredgecolor="white", markeredgewidth=0.8, zorder=4, gid="stated")
        if len(sides) == 1:  # a bound: a line to the side that it allows
            step = 0.016 if "at_least" in sides else -0.016
            axes.plot([across(value), across(value) + step], [k, k], color=TARGET if clash else MEDIAN, linewidth=1.6, zorder=3,
                      gid="bound")


def _key(figure: Figure, lang: str, y: float) -> None:
    """Write the legend in one line."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles = [Patch(color=SHADES[1]), *(Line2D([], [], linestyle="", marker="D", markersize=6.5, color=c) for c in (MEDIAN, TARGET)),
               Line2D([], [], color=INK, linewidth=1.6)]
    labels = [_say(lang, "推算区间", "Implied"), _say(lang, "表述值与区间相容", "Stated, agrees with the range"),
              _say(lang, "表述值与区间冲突", "Stated, clashes with it"),
              _say(lang, "菱形旁短线：下限或上限的方向", "Line at a diamond: a bound, and its side")]
    figure.legend(handles, labels, loc="center", bbox_to_anchor=(0.5, y), ncols=4, frameon=False, fontsize=9.5, labelcolor=INK,
                  columnspacing=1.6, handletextpad=0.6)


# --- boxes of text

class _Block:
    """Lines of text with their sizes and colours; `height` in inches, with a border."""

    def __init__(self, lines: list[tuple[str, float, str]]) -> None:
        self.lines = lines
        self.height = sum(self.pitch(size) for _, size, _ in lines) + 0.2

    @staticmethod
    def pitch(size: float) -> float:
        """Inches from one line to the next."""
        return size * 1.42 / 72


class _Pen:
    """Measures and writes text on one figure."""

    def __init__(self, figure: Figure) -> None:
        from matplotlib.font_manager import FontProperties

        self.figure, self.properties = figure, FontProperties

    def width(self, text: str, size: float) -> float:
        """Pixels across."""
        renderer = self.figure.canvas.get_renderer()  # type: ignore[attr-defined]
        return float(renderer.get_text_width_height_descent(text, self.properties(size=size), False)[0])

    def wrap(self, text: str, size: float, room: float) -> list[str]:
        """Break a text into lines of at most `room` pixels: at spaces, between Chinese characters, and within words that are too long."""
        pieces = re.findall(r"[“（《]?[\u2e80-\uffff][，。；、）”》：]*|[^\s\u2e80-\uffff]+?(?:[_/]|(?=[\s\u2e80-\uffff])|$)|\s+", text)
        lines = [""]
        for piece in pieces:
            if self.width((lines[-1] + piece).rstrip(), size) <= room:
                lines[-1] += piece
            elif self.width(piece.strip(), size) <= room:
                lines.append(piece.lstrip())
            else:
                for sign in piece:
                    if self.width(lines[-1] + sign, size) > room:
                        lines.append("")
                    lines[-1] += sign
        return [line.strip() for line in lines if line.strip()]

    def block(self, paragraphs: Sequence[tuple[str, float, str]], room: float) -> _Block:
        """Wrap paragraphs (text, size, colour) to `room` inches."""
        return _Block([(line, size, colour) for text, size, colour in paragraphs
                       for line in self.wrap(text, size, room * self.figure.dpi)])

    def write(self, axes: Axes, block: _Block, x: float, top: float) -> None:
        """Write the lines of a block from its top (inches)."""
        y = top - 0.1
        for text, size, colour in block.lines:
            axes.text(x, y - block.pitch(size) / 2, text, fontsize=size, color=colour, va="center_baseline", zorder=4)
            y -= block.pitch(size)

    def box(self, axes: Axes, block: _Block, x: float, top: float, width: float, edge: str, face: str, line: str, gid: str) -> None:
        """Draw a block in a box with its upper left corner at (x, top), in inches."""
        from matplotlib.patches import FancyBboxPatch

        axes.add_patch(FancyBboxPatch((x, top - block.height), width, block.height, boxstyle="round,pad=0,rounding_size=0.06",
                                      facecolor=face, edgecolor=edge, linestyle=line, linewidth=1.3, zorder=3, gid=gid))
        self.write(axes, block, x + 0.15, top)

    def link(self, axes: Axes, points: list[tuple[float, float]]) -> None:
        """Draw a smooth line through two ends and two control points."""
        from matplotlib.patches import PathPatch
        from matplotlib.path import Path

        axes.add_patch(PathPatch(Path(points, [Path.MOVETO, Path.CURVE4, Path.CURVE4, Path.CURVE4]), facecolor="none", edgecolor=GREY,
                                 linewidth=1.1, zorder=2, gid="link"))
