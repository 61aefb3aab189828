"""The command line: argument parsing and printing, nothing else. Heavy modules are imported where a command needs them."""

from __future__ import annotations

import functools
import json
import math
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from simulate.errors import InvalidInput, Problem

if TYPE_CHECKING:
    from simulate.registry import Registry
    from simulate.runs import Trajectories
    from simulate.scenarios import Scenario

F = TypeVar("F", bound=Callable[..., Any])

app = typer.Typer(
    name="simulate", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None,
    help="Tells a planner the truth about a growth plan: can its targets all be true at once, and will the region get there?")

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")]
Lang = Annotated[str | None, typer.Option("--lang", help="Language of labels: zh or en. [default: from SIMULATE_LANG or the locale]")]
Data = Annotated[list[Path] | None, typer.Option("--data", help="More plan data: a YAML file or a folder of them. Repeatable.")]


def guarded(command: F) -> F:
    """Turn invalid input into one message on standard error and exit code 2, and Ctrl-C into exit code 130."""

    @functools.wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except InvalidInput as invalid:
            print(invalid, file=sys.stderr)  # noqa: T201
            raise typer.Exit(2) from None
        except KeyboardInterrupt:
            print("interrupted", file=sys.stderr)  # noqa: T201
            raise typer.Exit(130) from None
        except BrokenPipeError:  # the reader of a pipe (head, less) has seen enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(0) from None

    return wrapped  # type: ignore[return-value]


def language(lang: str | None) -> str:
    """Return zh or en: as asked, else from SIMULATE_LANG, else from the locale."""
    chosen = lang or os.environ.get("SIMULATE_LANG") or (
        "zh" if os.environ.get("LC_ALL", os.environ.get("LANG", "")).startswith("zh") else "en")
    if chosen not in ("zh", "en"):
        raise InvalidInput(Problem(f"lang: {chosen!r} is not a language of this program.", "Choose zh or en."))
    return chosen


def registry_with(data: Sequence[Path] | None) -> Registry:
    """Return the registry with the user's own plan data added."""
    from simulate.registry import load_registry

    return load_registry(*(data or ()))


def emit(value: Any) -> None:
    """Print plain data as JSON; what is not finite becomes null."""

    def plain(x: Any) -> Any:
        if isinstance(x, float) and not math.isfinite(x):
            return None
        if isinstance(x, dict):
            return {str(k): plain(v) for k, v in x.items()}
        return [plain(v) for v in x] if isinstance(x, list | tuple) else x

    print(json.dumps(plain(value), ensure_ascii=False, indent=2, default=str))  # noqa: T201


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], right: Iterable[int] = (),
          notes: Iterable[str] = ()) -> None:
    """Print a table that fits the terminal, with notes below. `right` are the columns of numbers."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(soft_wrap=False, highlight=False)
    if not console.is_terminal:
        console.width = 140
    made = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    numbers = set(right)
    for k, column in enumerate(columns):
        made.add_column(column, justify="right" if k in numbers else "left", no_wrap=k in numbers, overflow="fold")
    for row in rows:
        made.add_row(*(Text("" if cell is None else str(cell)) for cell in row))
    console.print(made)
    for note in notes:
        console.print(Text(note))


def number(x: float | None, digits: int = 4) -> str:
    """Show a number with thousands separators and about `digits` significant digits."""
    if x is None or not math.isfinite(x):
        return "-"
    if x == 0:
        return "0"
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(x))))
    shown = f"{x:,.{min(decimals, 4)}f}"
    return shown if any(c in "123456789" for c in shown) else "0"  # a solver's zero may be a little off


def percent(p: float | None) -> str:
    """Show a probability; never as certain when it is only estimated."""
    if p is None or not math.isfinite(p):
        return "-"
    return "<1 %" if p < 0.005 else ">99 %" if p > 0.995 else f"{100 * p:.0f} %"


def printed(x: float | None) -> str:
    """Show a stated number as it was printed, with thousands separators."""
    return "" if x is None else f"{x:,.10g}"


def sense(word: str) -> str:
    """Show the sense of a statement as a sign before its number."""
    return {"equal": "", "at_least": "≥ ", "more_than": "> ", "about": "≈ ", "at_most": "≤ ", "less_than": "< "}[word]


WORDS = {
    "zh": {"indicator": "指标", "year": "年份", "median": "中位数", "range": "5–95 %", "target": "目标", "probability": "达标概率",
           "current": "现价口径", "unit": "单位", "stated": "规划表述", "region": "地区", "scenario": "情景", "runs": "次模拟",
           "constant": "金额按{year}年不变价；“现价口径”按平减指数折算后再与目标比较。",
           "unstated": "文件未给出、按区间抽样的基年数据：", "nonfinite": "次模拟数值溢出，已列入结果文件，不计入概率",
           "imposed": "由情景给定", "written": "已写入", "name": "名称", "label": "标签"},
    "en": {"indicator": "indicator", "year": "year", "median": "median", "range": "5–95 %", "target": "target",
           "probability": "P(reached)", "current": "at current prices", "unit": "unit", "stated": "as stated", "region": "region",
           "scenario": "scenario", "runs": "runs",
           "constant": "Money at constant {year} prices; 'at current prices' inflates by the GDP deflator before comparing.",
           "unstated": "Base-year inputs that no document states, sampled within their range:",
           "nonfinite": "runs left the finite numbers; they are listed in the result and not counted in probabilities",
           "imposed": "given", "written": "written", "name": "name", "label": "label"},
}


@app.command()
@guarded
def run(
    scenario: Annotated[str | None, typer.Argument(help="Scenario by name or file. [default: the one marked default]")] = None,
    region: Annotated[str | None, typer.Option(help="Region: its default scenario, or the named scenario moved there.")] = None,
    runs: Annotated[int | None, typer.Option(help="Number of runs. [default: the scenario's]")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of the random draws. [default: the scenario's]")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for trajectories, fan charts and result.json.")] = None,
    all_targets: Annotated[bool, typer.Option("--all", help="Judge every target that the model projects.")] = False,
    data: Data = None, as_json: Json = False, lang: Lang = None,
) -> None:
    """Project a scenario and judge it against the plan's targets."""
    import dataclasses

    from simulate import attainment, scenarios
    from simulate import runs as engine

    lang = language(lang)
    registry = registry_with(data)
    if region is not None:
        registry.region(region)
    chosen: Scenario
    if scenario is None:
        chosen = scenarios.default_scenario(region)
    else:
        chosen = scenarios.load_scenario(scenario)
        if region is not None and region != chosen.region:
            chosen = dataclasses.replace(chosen, region=region, id=f"{chosen.id}@{region}")
    if out is not None and out.exists() and not out.is_dir():
        raise InvalidInput(Problem(f"--out: {out} is a file.", "Name a folder."))
    count = runs if runs is not None else chosen.runs
    with progress(count, f"{chosen.id}") as advance:
        result = engine.run(chosen, registry, runs=runs, seed=seed, progress=advance)
    summary = attainment.summary(result)
    written: list[Path] = []
    if out is not None:
        from simulate import results

        written = results.write(result, summary, out, lang)
    if as_json:
        emit(summary)
        return
    show_run(result, summary, lang, all_targets)
    for file in written:
        print(f"{WORDS[lang]['written']}: {file}")  # noqa: T201


def progress(total: int, what: str) -> Any:
    """Return a context that yields a callback (done, total); it shows a bar for runs that take more than a moment."""
    from contextlib import contextmanager, nullcontext

    if total < 20_000 or not sys.stderr.isatty():
        return nullcontext(None)
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    @contextmanager
    def shown() -> Any:
        bar = Progress(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
                       console=Console(stderr=True), transient=True)
        with bar:
            task = bar.add_task(what, total=total)
            yield lambda done, _: bar.update(task, completed=done)

    return shown()


def working(what: str) -> Any:
    """Return a context that shows, on a terminal, that something of unknown length is under way."""
    from contextlib import nullcontext

    if not sys.stderr.isatty():
        return nullcontext()
    from rich.console import Console

    return Console(stderr=True).status(what)


def show_run(result: Trajectories, summary: dict[str, Any], lang: str, all_targets: bool) -> None:
    """Print a run's answer as tables."""
    from simulate import attainment, units

    w = WORDS[lang]
    setup, catalogue = result.setup, result.registry.catalogue
    rows: list[list[object]] = []
    for id, cell in summary["indicators"].items():
        for year, found in cell["years"].items():
            target = found["target"]
            stated = ""
            if target and "stated" in target:
                s = target["stated"]
                stated = f" ({sense(target['sense'])}{s['value']:g} {units.label(s['unit'], lang)} {s['when']})"
            goal = "-" if not target else number(target["value"]) + stated if stated else sense(target["sense"]) + printed(target["value"])
            rows.append([catalogue[id].label(lang), units.label(cell["unit"], lang), year, number(found["median"]),
                         f"{number(found['p05'])} – {number(found['p95'])}", goal,
                         w["imposed"] if found["imposed"] else percent(found["probability"]),
                         "-" if found["imposed"] else percent(found.get("probability_at_current_prices"))])
    title = f"{setup.region.label(lang)} · {setup.scenario.label.label(lang)} · {result.runs:,} {w['runs']}"
    notes = [w["constant"].format(year=setup.base_year)]
    if setup.unstated:
        notes.append(w["unstated"])
        notes += [f"  {o.name}: {o.value} {units.label(o.unit, lang)} [{o.grade}]" for o in setup.unstated]
    bad = summary["nonfinite_runs"]
    if bad:
        notes.append(f"{bad} {w['nonfinite']}")
    table(title, [w["indicator"], w["unit"], w["year"], w["median"], w["range"], w["target"], w["probability"], w["current"]], rows,
          right=(3, 4, 6, 7), notes=notes)
    if all_targets:
        more = [[catalogue[a.statement.indicator].label(lang), units.label(a.unit, lang), a.statement.when, number(a.projected[1]),
                 f"{number(a.projected[0])} – {number(a.projected[2])}", f"{sense(a.statement.sense)}{printed(a.value)}",
                 w["imposed"] if a.imposed else percent(a.probability), "-" if a.imposed else percent(a.nominal)]
                for a in attainment.judge_all(result)]
        table("", [w["indicator"], w["unit"], w["year"], w["median"], w["range"], w["target"], w["probability"], w["current"]], more,
              right=(3, 4, 5, 6, 7))


@app.command()
@guarded
def scenarios(as_json: Json = False, lang: Lang = None) -> None:
    """List the scenarios that come with the package."""
    from simulate.scenarios import list_scenarios

    lang = language(lang)
    found = list_scenarios()
    if as_json:
        emit([{"id": s.id, "region": s.region, "label": {"zh": s.label.zh, "en": s.label.en}, "horizon": s.horizon, "runs": s.runs,
               "report_years": list(s.report_years), "levers": sorted(s.levers), "shocks": sorted(s.shocks), "paths": sorted(s.paths),
               "default": s.default} for s in found])
        return
    w = WORDS[lang]
    table("", [w["name"], w["region"], w["label"], "levers", "shocks", "paths"],
          [[s.id + (" *" if s.default else ""), s.region, s.description.label(lang) if s.description else s.label.label(lang),
            len(s.levers) or "", len(s.shocks) or "", len(s.paths) or ""] for s in found], right=(3, 4, 5), notes=["* default"])


@app.command()
@guarded
def regions(data: Data = None, as_json: Json = False, lang: Lang = None) -> None:
    """List the regions, their plans, and how many statements speak of each."""
    lang = language(lang)
    registry = registry_with(data)
    rows: list[dict[str, Any]] = []
    for id, region in registry.regions.items():
        plan = registry.documents.get(region.plan or "")
        rows.append({"id": id, "zh": region.zh, "en": region.en, "within": region.within, "plan": region.plan,
                     "base_year": region.base_year or (plan.base_year if plan else None), "sectors": list(region.sectors),
                     "clusters": list(region.clusters), "statements": sum(1 for _ in registry.find(region=id))})
    if as_json:
        emit(rows)
        return
    w = WORDS[lang]
    table("", ["id", w["name"], "within", "plan", "base year", "statements", "sectors", "clusters"],
          [[r["id"], r[lang], r["within"], r["plan"], r["base_year"], r["statements"], len(r["sectors"]) or "", len(r["clusters"]) or ""]
           for r in rows], right=(4, 5, 6, 7))


@app.command()
@guarded
def indicators(
    search: Annotated[str | None, typer.Argument(help="Show only indicators whose id or label contains this.")] = None,
    data: Data = None, as_json: Json = False, lang: Lang = None,
) -> None:
    """List the catalogue of indicators."""
    from simulate import units

    lang = language(lang)
    registry = registry_with(data)
    found = [i for i in registry.catalogue.values()
             if search is None or search.lower() in f"{i.id} {i.zh} {i.en}".lower()]
    if as_json:
        emit([{"id": i.id, "zh": i.zh, "en": i.en, "unit": i.unit, "kind": i.kind, "share_of": i.share_of,
               "higher_is_better": i.higher_is_better} for i in found])
        return
    w = WORDS[lang]
    table("", ["id", w["label"], w["unit"], "kind", "share of"],
          [[i.id, i.label(lang), units.label(i.unit, lang), i.kind, i.share_of] for i in found], notes=[f"{len(found)}"])


exports = typer.Typer(no_args_is_help=True, help="Write the model for other programs.")
app.add_typer(exports, name="export")


@exports.command()
@guarded
def xmile(
    scenario: Annotated[str, typer.Argument(help="Scenario by name or file, whose values the file carries.")],
    out: Annotated[Path, typer.Option(help="File to write: .xmile, .stmx or .xml.")],
    run: Annotated[int | None, typer.Option(help="Values of this run of the ensemble. [default: every input at its median]")] = None,
    steps: Annotated[int, typer.Option(help="Euler steps per year, a power of two.")] = 16,
    data: Data = None,
) -> None:
    """Write the model with one scenario's values as XMILE 1.0, for PySD, Stella, Vensim and others."""
    from simulate import scenarios, setups
    from simulate.interop.xmile import write_xmile

    if run is not None and run < 0:
        raise InvalidInput(Problem(f"--run: {run} is negative.", "Runs are numbered from 0."))
    chosen = scenarios.load_scenario(scenario)
    setup = setups.resolve(registry_with(data), chosen)
    drawn = None if run is None else setup.draw(run, run + 1, chosen.seed)
    print(f"written: {write_xmile(out, setup, drawn, steps_per_year=steps)}")  # noqa: T201
