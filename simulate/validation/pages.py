"""The validation report as a page: Markdown with its charts, the same on every machine up to the digits shown."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from simulate.errors import InvalidInput, Place, Problem
from simulate.validation import COMMON, TESTS, Report, StandardTest, Worry, worst
from simulate.validation.findings import Case, Finding, words

SIGNS = {"passed": words("通过", "passed"), "weak": words("薄弱", "weak"), "failed": words("**未通过**", "**failed**"),
         "not testable": words("无法检验", "not testable")}

_TEXT = {
    "title": words("模型检验", "Validation"),
    "made": words(
        "本页由 `simulate validate --page` 生成：每个数字都在命令运行时测得，种子固定，没有一个写死。",
        "This page is written by `simulate validate --page docs/validation.md`: every figure is measured when the command runs, from "
        "fixed seeds; none is written by hand."),
    "list": words(
        "检验清单为系统动力学的标准清单（Forrester 与 Senge 1980；Barlas 1996；Sterman 2000 第 21 章）。每项列出做了什么、数字、"
        "事先的要求与结论。",
        "The tests are the standard list of system dynamics (Forrester and Senge 1980; Barlas 1996; Sterman 2000, chapter 21), each with "
        "what was done, the figures, what was demanded beforehand, and the verdict."),
    "verdicts": words(
        "结论取所有受评数字中最差者：**未通过**重于薄弱，薄弱重于通过；不受评的数字只供参考。严重程度先按结论，再按超出要求的倍数排序。",
        "A test's verdict is the worst of its figures': failed before weak before passed; figures without a demand inform and are not "
        "judged. Worries are ordered by verdict, then by how many times the demand was missed."),
    "tests": words(
        "全部检验",
        "All tests"), "glance": words("概览", "At a glance"), "test": words("检验", "test"), "question": words("问题", "question"),
    "worries": words(
        "最令评审者担心的三项",
        "The three findings that would most worry a reviewer"), "more": words("其余未通过的要求", "What else did not hold"),
    "figure": words(
        "数字",
        "figure"), "value": words("值", "value"), "demand": words("要求", "demand"), "verdict": words("结论", "verdict"),
    "done": words(
        "做法",
        "Done"), "note": words("说明", "Note"), "all": words("与地区无关的检验", "Tests that do not depend on the region"),
}


def _t(key: str, lang: str) -> str:
    return _TEXT[key].label(lang)


def page(reports: Sequence[Report], lang: str = "en", figures: str | None = "figures") -> str:
    """Return the Markdown page of some reports; `figures` is the folder of the charts as seen from the page, None for none."""
    return re.sub(r"\n{3,}", "\n\n", "\n".join(_lines(reports, lang, figures))).rstrip() + "\n"


def _lines(reports: Sequence[Report], lang: str, figures: str | None) -> Iterator[str]:
    known = {t.id: t for t in TESTS}
    regions = {r.region: r.case.registry.regions[r.region] for r in reports}
    yield from (f"# {_t('title', lang)}", "", _t("made", lang), "", _t("list", lang), "", _t("verdicts", lang), "")
    yield from (f"## {_t('glance', lang)}", "")
    yield from _table([_t("test", lang), _t("question", lang), *(region.label(lang) for region in regions.values())], [
        [t.title.label(lang), t.question.label(lang), *(SIGNS[f.verdict].label(lang) for f in held)]
        for t in TESTS if (held := [f for r in reports for f in r.findings if f.test == t.id])])
    yield from ("", f"## {_t('worries', lang)}", "")
    top = worst(reports)
    for k, w in enumerate(top, 1):
        where = _colon(lang, ", ", "，") + _where(w, reports, lang) + _colon(lang)
        yield f"{k}. **{known[w.test].title.label(lang)}**{where}{_sentence(w.text.label(lang), lang)}"
    common = [f for f in (reports[0].findings if reports else ()) if f.test in COMMON]
    for k, r in enumerate(reports):
        yield from ("", f"## {regions[r.region].label(lang)}{_colon(lang)}{r.case.scenario.id}", "")
        if k:  # a reader finds one region open, the others at a click
            yield from ("<details>", f"<summary>{_t('tests', lang)}</summary>", "")
        for f in r.findings:
            if f.test not in COMMON:
                yield from _finding(known[f.test], f, r.case, lang, figures)
        rest = [w for w in r.all_worries() if w.text not in [x.text for x in top] and w.test not in COMMON]
        if k:
            yield from ("</details>", "")
        if rest:
            yield from (f"### {_t('more', lang)}", "")
            yield from (f"- {known[w.test].title.label(lang)}{_colon(lang)}{_sentence(w.text.label(lang), lang)}" for w in rest)
            yield ""
    if common:
        yield from (f"## {_t('all', lang)}", "")
        for f in common:
            yield from _finding(known[f.test], f, reports[0].case, lang, None)
            yield from (f"- {_sentence(m.worry.label(lang), lang)}" for m in f.figures if m.worry)


def _where(w: Worry, reports: Sequence[Report], lang: str) -> str:
    """Name the region of a worry, and the others whose test has the same verdict."""
    names = {r.region: r.case.registry.regions[r.region].label(lang) for r in reports}
    others = [names[r.region] for r in reports if r.region != w.region for f in r.findings
              if f.test == w.test and f.verdict == w.measure.verdict]
    if not others:
        return names[w.region]
    also = "；".join(others) if lang == "zh" else "; ".join(others)
    return f"{names[w.region]}（{also} 同样）" if lang == "zh" else f"{names[w.region]} (likewise {also})"


def _colon(lang: str, en: str = ": ", zh: str = "：") -> str:
    return zh if lang == "zh" else en


def _sentence(text: str, lang: str) -> str:
    """Write a text as a sentence of its own."""
    first = text.partition(" ")[0]
    whole = text if "_" in first else text[:1].upper() + text[1:]  # a variable's name stays as it is
    return whole if whole.endswith((".", "。")) else whole + ("。" if lang == "zh" else ".")


def _finding(test: StandardTest, f: Finding, case: Case, lang: str, figures: str | None) -> Iterator[str]:
    source = f"（{test.source}）" if lang == "zh" else f" ({test.source})"
    done = f.done.label(lang) + ("。" if lang == "zh" else ".")
    yield from (f"### {test.title.label(lang)}{_colon(lang)}{SIGNS[f.verdict].label(lang)}", "", f"{test.question.label(lang)}{source}", "",
                f"{_t('done', lang)}{_colon(lang)}{done}", "")
    yield from _table([_t("figure", lang), _t("value", lang), _t("demand", lang), _t("verdict", lang)], [
        [m.label.label(lang), m.shown(lang), m.demand.label(lang) if m.demand else "",
         SIGNS[m.verdict].label(lang) if m.verdict else ""] for m in f.figures])
    yield ""
    if f.note:
        yield from (_sentence(f.note.label(lang), lang), "")
    name = CHARTS.get(f.test)
    if figures is not None and name is not None and drawn(f, case):
        yield from (f"![{test.title.label(lang)}]({figures}/{chart_name(f, case)})", "")


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield "| " + " | ".join(columns) + " |"
    yield "|" + "---|" * len(columns)
    for row in rows:
        yield "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in row) + " |"


_ELSEWHERE = "Name a file in a folder you may write to."

CHARTS = {"reproduction": "reproduction_chart", "anomaly": "cuts_chart", "sensitivity": "tornado_chart"}
"""The chart of a test, by its function in `simulate.validation.charts`."""


def drawn(f: Finding, case: Case) -> bool:
    """Whether a finding has something to draw."""
    if f.test == "reproduction":
        names = [p["indicator"] for p in f.data.get("points", ()) if p["status"] in ("counted", "bound", "new basis", "not independent")]
        return any(names.count(n) >= 2 for n in names)
    return bool(f.data)


def chart_name(f: Finding, case: Case) -> str:
    """Return the file name of a finding's chart."""
    return f"validation-{f.test}-{case.region}.png"


def write_page(reports: Sequence[Report], path: Path, lang: str = "en") -> list[Path]:
    """Write the page and its charts (into `figures/` beside it); return the files written, the page last.

    Raises InvalidInput where the page's folder is not there, or cannot be written to.
    """
    from simulate.validation import charts

    check_writable(path)
    folder = path.parent / "figures"
    written: list[Path] = []
    try:
        folder.mkdir(exist_ok=True)
        for r in reports:
            for f in r.findings:
                if f.test in CHARTS and drawn(f, r.case):
                    figure = getattr(charts, CHARTS[f.test])(f, r.case, lang)
                    written.append(charts.save_small(figure, folder / chart_name(f, r.case)))
        temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        try:
            temporary.write_text(page(reports, lang), encoding="utf-8")
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise InvalidInput(Problem(f"--page: cannot be written: {error.strerror or error}.", _ELSEWHERE, Place(path))) from None
    return [*written, path]


def check_writable(path: Path) -> None:
    """Raise InvalidInput where a page cannot be written to `path`: known before the tests run, not after."""
    if path.is_dir():
        raise InvalidInput(Problem("--page: is a folder.", "Name a file: docs/validation.md.", Place(path)))
    if not path.parent.is_dir():
        raise InvalidInput(Problem("--page: there is no such folder.", "Make it first, or give another.", Place(path.parent)))
    if not os.access(path.parent, os.W_OK):
        raise InvalidInput(Problem("--page: the folder cannot be written to.", _ELSEWHERE, Place(path.parent)))


