"""The command that puts the model to the standard tests: validate."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from simulate.cli import Data, Json, Lang, app, emit, guarded, language, registry_with, table

if TYPE_CHECKING:
    from simulate.validation import Measure, Report

WORDS = {
    "zh": {"test": "检验", "question": "问题", "figure": "起决定作用的数字", "verdict": "结论", "worries": "最令评审者担心的三项：",
           "written": "已写入", "value": "值", "demand": "要求", "running": "检验", "passed": "通过", "weak": "薄弱", "failed": "未通过",
           "not testable": "无法检验"},
    "en": {"test": "test", "question": "question", "figure": "the figure that decides", "verdict": "verdict",
           "worries": "The three findings that would most worry a reviewer:", "written": "written", "value": "value", "demand": "demand",
           "running": "testing", "passed": "passed", "weak": "weak", "failed": "failed", "not testable": "not testable"},
}


@contextmanager
def _progress(what: str) -> Iterator[Callable[[int, int], None] | None]:
    """Show on a terminal how many tests are done."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    with Progress(TextColumn(what), BarColumn(), MofNCompleteColumn(), console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@app.command()
@guarded
def validate(
    region: Annotated[str | None, typer.Argument(help="Region. [default: that of the default scenario; with --page every region "
                                                 "that has a scenario]")] = None,
    only: Annotated[list[str] | None, typer.Option(help="Only this test, with all its figures. Repeatable.")] = None,
    page: Annotated[Path | None, typer.Option(help="Write the report as a Markdown page, with its charts in figures/ beside it.")] = None,
    data: Data = None, as_json: Json = False, lang: Lang = None,
) -> None:
    """Put the model to the standard tests of the field: what was done, the figures, the verdict (exit code 0 whatever it is)."""
    from simulate import scenarios, validation
    from simulate.validation import pages

    lang = language(lang)
    w = WORDS[lang]
    registry = registry_with(data)
    if page is not None:
        pages.check_writable(page)
    if region is not None:
        chosen = [region]
    elif page is not None:
        chosen = validation.regions_to_validate(registry)
    else:
        chosen = [scenarios.default_scenario().region]
    cases = {id: validation.case_for(registry, id) for id in chosen}  # every region is known to have a scenario before any test
    reports: list[Report] = []
    for id, case in cases.items():
        with _progress(f"{w['running']} {id}") as advance:
            reports.append(validation.validate(registry, id, only=only, case=case, progress=advance))
    written = pages.write_page(reports, page, lang) if page is not None else []
    if as_json:
        emit([r.to_json() for r in reports] if region is None and page is not None else reports[0].to_json())
        return
    for report in reports:
        show(report, lang, every=bool(only))
    for file in written:
        print(f"{w['written']}: {file}")  # noqa: T201


def show(report: Report, lang: str, *, every: bool) -> None:
    """Print a report: a line a test with the figure that decides, or `every` figure; then what would worry a reviewer."""
    from simulate.validation import TESTS

    w = WORDS[lang]
    known = {t.id: t for t in TESTS}

    def row(m: Measure) -> list[str]:
        demand = m.demand.label(lang) if m.demand else ""
        return [m.label.label(lang), m.shown(lang), demand, w[m.verdict] if m.verdict else ""]

    name = f"{report.case.registry.regions[report.region].label(lang)} · {report.case.scenario.id}"
    if every:
        for f in report.findings:
            table(f"{name} · {known[f.test].title.label(lang)}: {known[f.test].question.label(lang)}",
                  [w["test"], w["value"], w["demand"], w["verdict"]], map(row, f.figures),
                  notes=[f.done.label(lang), *([f.note.label(lang)] if f.note else [])])
    else:
        table(name, [w["test"], w["question"], w["figure"], w["verdict"]],
              [[f"{t.title.label(lang)} ({t.id})", t.question.label(lang), ": ".join(row(f.main)[:2]), w[f.verdict]]
               for f in report.findings for t in [known[f.test]]])
    worries = report.worries()
    if worries:
        print(w["worries"])  # noqa: T201
        for k, worry in enumerate(worries, 1):
            print(f"{k}. {known[worry.test].title.label(lang)}: {worry.text.label(lang)}")  # noqa: T201
