"""Commands on sweeps: sweep, summarise."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Annotated, Any

import typer

from simulate.cli import Data, Json, Lang, app, emit, guarded, language, number, percent, printed, registry_with, sense, table
from simulate.errors import InvalidInput, Place, Problem, nearest

if TYPE_CHECKING:
    from simulate.designs import SweepSetting

WORDS = {
    "zh": {"done": "共 {runs:,} 次模拟，在 {folder}；本次计算 {computed:,} 次，用时 {seconds:.0f} 秒（每秒 {rate:,.0f} 次，内核 {kernel}）",
           "remade": "损坏并已重做的文件：{names}", "nonfinite": "{n:,} 次模拟数值溢出：保留并标记，不计入概率与分位数",
           "interrupted": "已中断：{done:,}/{total:,} 次已保存；重复同一命令即从此处继续", "remaining": "剩余",
           "indicator": "指标", "unit": "单位", "year": "年份", "mean": "均值", "target": "目标", "probability": "达标概率",
           "current": "现价口径", "runs": "次模拟", "partial": "尚未完成：计划 {n:,} 次", "input": "输入", "case": "情景",
           "imposed": "*：情景直接给定该变量，概率不说明地区本身", "correlations": "输入与结果的相关系数（绝对值最大者）"},
    "en": {"done": "{runs:,} runs in {folder}; {computed:,} computed now in {seconds:.0f} s ({rate:,.0f} a second, kernel {kernel})",
           "remade": "broken files made anew: {names}",
           "nonfinite": "{n:,} runs left the finite numbers: kept and flagged, not counted in probabilities and quantiles",
           "interrupted": "interrupted: {done:,} of {total:,} runs are kept; the same command goes on from there", "remaining": "left",
           "indicator": "indicator", "unit": "unit", "year": "year", "mean": "mean", "target": "target", "probability": "P(reached)",
           "current": "at current prices", "runs": "runs", "partial": "unfinished: {n:,} runs are planned", "input": "input",
           "case": "case",
           "imposed": "*: the scenario gives the variable itself; the probability says nothing about the region",
           "correlations": "Correlation of inputs with results (the largest)"},
}


def _split(option: str, text: str, form: str, first: bool = False) -> tuple[str, str]:
    name, equals, rest = text.partition("=") if first else text.rpartition("=")
    if not equals or not name or not rest:
        raise InvalidInput(Problem(f"--{option}: {text!r} is not {form}.", f"Write --{option} {form}."))
    return name.strip(), rest.strip()


def _numbers(option: str, text: str) -> tuple[float, ...]:
    try:
        return tuple(float(x) for x in text.split(","))
    except ValueError:
        raise InvalidInput(Problem(f"--{option}: {text!r} are not numbers.", "Write numbers with commas between: 0,0.5,1.")) from None


def _made(option: str, make: Callable[[], Any]) -> Any:
    """Return what `make` makes; what a record refuses becomes a problem of the option."""
    try:
        return make()
    except (ValueError, TypeError) as error:
        what, _, remedy = str(error).partition("\n")
        raise InvalidInput(Problem(f"--{option}: {what}", remedy)) from None


def _points(file: Path) -> tuple[dict[str, float], ...]:
    """Read a list of points: a CSV file with the inputs' names in its first line."""
    import csv

    try:
        with file.open(newline="", encoding="utf-8-sig") as stream:
            rows = list(csv.DictReader(stream))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InvalidInput(Problem(f"cannot be read: {error}.", "Give a CSV file.", Place(file))) from None
    points = []
    for line, row in enumerate(rows, 2):
        try:
            points.append({str(k): float(v) for k, v in row.items()})
        except (TypeError, ValueError):
            raise InvalidInput(Problem("a line needs a number for every input named in the first line.", "", Place(file, line))) from None
    if not points:
        raise InvalidInput(Problem("holds no points.", "The first line names the inputs, each further line is a point.", Place(file)))
    return tuple(points)


@contextmanager
def _progress(what: str, left: str) -> Iterator[Callable[[int, int], None]]:
    """Show how far a sweep is, its rate and the time left: a bar on a terminal, else a line every ten seconds."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    terminal = sys.stderr.isatty()
    bar = Progress(TextColumn(what), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[pace]}"), console=Console(stderr=True),
                   transient=True) if terminal else None
    begun: list[float] = []  # runs at the start, time of the start, time of the last line
    task = bar.add_task(what, total=None, pace="") if bar else None

    def advance(done: int, total: int) -> None:
        now = monotonic()
        if not begun:
            begun.extend((done, now, now))
        rate = (done - begun[0]) / max(now - begun[1], 1e-9)
        seconds = (total - done) / rate if rate > 0 else 0.0
        pace = f"{rate:,.0f}/s, {left} {int(seconds // 3600)}:{int(seconds // 60) % 60:02}:{int(seconds) % 60:02}" if rate > 0 else ""
        if bar is not None and task is not None:
            bar.update(task, total=total, completed=done, pace=pace)
        elif now - begun[2] >= 10:
            begun[2] = now
            print(f"{what}: {done:,}/{total:,}, {pace}", file=sys.stderr, flush=True)  # noqa: T201

    with bar or nullcontext():
        yield advance


@app.command()
@guarded
def sweep(
    scenario: Annotated[str, typer.Argument(help="Scenario by name or file; its sweep: section, if any, is the plan.")],
    out: Annotated[Path, typer.Option(help="Folder of the results; a part of the same sweep there is continued.")],
    runs: Annotated[int | None, typer.Option(help="Points of the sampled part. [default: sweep.runs, else the scenario's runs]")] = None,
    sample: Annotated[str | None, typer.Option(help="random, sobol, latin_hypercube, or none: what no option names stays at its median. "
                                                    "[default: random; none beside a grid, a list or --one-at-a-time]")] = None,
    grid: Annotated[list[str] | None, typer.Option(help="NAME=0,0.5,1 or NAME=levels:5. Repeatable: all combinations.")] = None,
    fraction: Annotated[int | None, typer.Option(help="Only every so manieth combination of the grid, balanced.")] = None,
    one_at_a_time: Annotated[str | None, typer.Option(help="NAME,NAME or all: each at its 5 % and 95 % quantile in turn.")] = None,
    points: Annotated[Path | None, typer.Option(help="CSV file of points: a column an input.")] = None,
    given: Annotated[list[str] | None, typer.Option("--input", help="NAME=uniform:0,1: a distribution for this sweep. Repeatable.")] = None,
    correlate: Annotated[list[str] | None, typer.Option(help="NAME,NAME=0.4: correlation of two inputs. Repeatable.")] = None,
    structure: Annotated[list[str] | None, typer.Option(help="EQUATION=FORMULA: with the model's own equation and with this one. "
                                                        "Repeatable: all combinations.")] = None,
    also: Annotated[list[str] | None, typer.Option(help="A further scenario, on the same points. Repeatable.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed. [default: the scenario's]")] = None,
    keep: Annotated[list[str] | None, typer.Option(help="Indicator or variable to keep. Repeatable. "
                                                   "[default: every projected indicator]")] = None,
    years: Annotated[list[int] | None, typer.Option(help="Year to keep. Repeatable. [default: the scenario's report years]")] = None,
    inputs: Annotated[bool, typer.Option(help="Keep the inputs drawn.")] = True,
    chunk: Annotated[int | None, typer.Option(help="Runs a file. [default: 16384]")] = None,
    kernel: Annotated[str | None, typer.Option(help="What integrates: numpy or numba (extra fast). [default: what began the folder, else "
                                         "what is faster here]")] = None,
    workers: Annotated[int | None, typer.Option(help="Number of processes or threads. [default: all cores]")] = None,
    threads: Annotated[bool, typer.Option("--threads", help="Threads instead of processes.")] = False,
    serial: Annotated[bool, typer.Option("--serial", help="This process alone.")] = False,
    dask: Annotated[str | None, typer.Option(help="A running Dask cluster: tcp://host:port.")] = None,
    data: Data = None, as_json: Json = False, lang: Lang = None,
) -> None:
    """Compute many runs of a scenario into Parquet files: resumable, on all cores or a cluster."""
    from simulate import experiments, scenarios, sweeps

    w = WORDS[language(lang)]
    if sum((threads, serial, dask is not None)) > 1:
        raise InvalidInput(Problem("--threads, --serial and --dask exclude each other.", "Give one of them."))
    base = scenarios.load_scenario(scenario)
    setting = _setting(base.sweep, sample, grid, fraction, one_at_a_time, points, given, correlate, structure, also)
    plan = experiments.plan_sweep(base, registry_with(data), setting=setting, points=runs, seed=seed, keep=keep, years=years, inputs=inputs)
    begun = monotonic()
    reached = [0, plan.runs]
    pool = sweeps.serial() if serial else sweeps.threads(workers) if threads else sweeps.processes(workers)
    try:
        with sweeps.dask(dask) if dask is not None else nullcontext(pool) as chosen, _progress(base.id, w["remaining"]) as advance:
            def noted(done: int, total: int) -> None:
                reached[0] = done
                advance(done, total)

            outcome = sweeps.sweep(plan, out, pool=chosen, chunk=chunk, progress=noted,
                                   kernel=sweeps.kernel_named(kernel) if kernel else None)
    except KeyboardInterrupt:
        print(w["interrupted"].format(done=reached[0], total=reached[1]), file=sys.stderr)  # noqa: T201
        raise typer.Exit(130) from None
    seconds = monotonic() - begun
    if as_json:
        emit({"folder": str(outcome.folder), "runs": outcome.runs, "computed": outcome.computed, "nonfinite_runs": outcome.nonfinite,
              "remade": outcome.remade, "kernel": outcome.kernel, "seconds": seconds, "plan_sha256": plan.digest})
        return
    print(w["done"].format(runs=outcome.runs, folder=outcome.folder, computed=outcome.computed, seconds=seconds, kernel=outcome.kernel,  # noqa: T201
                           rate=outcome.computed / seconds))
    if outcome.remade:
        print(w["remade"].format(names=", ".join(outcome.remade)))  # noqa: T201
    if outcome.nonfinite:
        print(w["nonfinite"].format(n=outcome.nonfinite))  # noqa: T201


def _setting(base: SweepSetting | None, sample: str | None, grid: list[str] | None, fraction: int | None, one_at_a_time: str | None,
             points: Path | None, given: list[str] | None, correlate: list[str] | None, structure: list[str] | None,
             also: list[str] | None) -> SweepSetting | None:
    """Return the scenario's own sweep with what the options say in place of its parts; None where they say nothing."""
    from simulate import designs
    from simulate.distributions import Distribution

    changes: dict[str, Any] = {}
    if sample is not None:
        kinds = ("random", "sobol", "latin_hypercube", "none")
        if sample not in kinds:
            raise InvalidInput(Problem(f"--sample: {sample!r} is not a kind of sample.", nearest(sample, kinds, "Kinds")))
        changes["sample"] = sample
    if grid:
        axes = {}
        for text in grid:
            name, values = _split("grid", text, "NAME=0,0.5,1")
            axes[name] = _made("grid", lambda v=values: designs.Axis(levels=int(v[7:])) if v.startswith("levels:")  # type: ignore[misc]
                               else designs.Axis(values=_numbers("grid", v)))
        changes["grid"] = axes
    if fraction is not None:
        changes["fraction"] = fraction
    if one_at_a_time is not None:
        names = None if one_at_a_time == "all" else tuple(n.strip() for n in one_at_a_time.split(","))
        changes["one_at_a_time"] = designs.OneAtATimeSetting(inputs=names)
    if points is not None:
        changes["points"] = _points(points)
    if given:
        found = {}
        for text in given:
            name, form = _split("input", text, "NAME=uniform:0,1")
            kind, _, values = form.partition(":")
            found[name] = _made("input", lambda k=kind, v=values: Distribution(**{k: _numbers("input", v)}))  # type: ignore[misc]
        changes["inputs"] = found
    if correlate:
        pairs = []
        for text in correlate:
            name, value = _split("correlate", text, "NAME,NAME=0.4")
            two = tuple(n.strip() for n in name.split(","))
            if len(two) != 2:
                raise InvalidInput(Problem(f"--correlate: {text!r} does not name two inputs.", "Write --correlate NAME,NAME=0.4."))
            pairs.append(_made("correlate", lambda t=two, v=value: designs.Correlation(  # type: ignore[misc]
                between=t, value=_numbers("correlate", v)[0])))
        changes["correlations"] = tuple(pairs)
    if structure:
        questions: dict[str, dict[str, dict[str, str]]] = {}
        for text in structure:
            name, formula = _split("structure", text, "EQUATION=FORMULA", first=True)
            answers = questions.setdefault(name, {})
            answers[f"changed {len(answers) + 1}" if answers else "changed"] = {name: formula}
        changes["structures"] = questions
    if also:
        changes["scenarios"] = tuple(also)
    return dataclasses.replace(base or designs.SweepSetting(), **changes) if changes else None


@app.command()
@guarded
def summarise(
    folder: Annotated[Path, typer.Argument(help="Folder of a sweep.")],
    quantile: Annotated[list[float] | None, typer.Option(help="Quantile, 0 to 1. Repeatable. [default: 0.05, 0.5, 0.95]")] = None,
    by: Annotated[list[str] | None, typer.Option(help="Tabulate results by the values of this column. Repeatable.")] = None,
    column: Annotated[list[str] | None, typer.Option(help="Result columns for --by and --correlations, as gdp@2035. Repeatable.")] = None,
    correlations: Annotated[bool, typer.Option("--correlations", help="Show how results go with inputs.")] = False,
    partial: Annotated[bool, typer.Option("--partial", help="Summarise what there is of an unfinished sweep.")] = False,
    as_json: Json = False, lang: Lang = None,
) -> None:
    """Summarise a sweep: quantiles, probabilities of reaching each target, correlations, tables."""
    from simulate import summaries

    lang = language(lang)
    w = WORDS[lang]
    points = quantile or [0.05, 0.5, 0.95]
    found = summaries.summarise(folder, points, partial=partial)
    results = summaries.open_results(folder, partial=partial)
    related: Any = summaries.correlations(results, column) if correlations else None
    tabled: Any = summaries.table(results, by, column) if by else None
    if as_json:
        for name, frame in (("correlations", related), ("table", tabled)):
            if frame is not None:
                frame = frame.set_axis([" ".join(filter(None, c)) if isinstance(c, tuple) else c for c in frame.columns], axis=1)
                found[name] = frame.reset_index().to_dict("records")
        emit(found)
        return
    show(found, points, lang, results.kinds)
    wanted = [n for n in results.named("result") if n in (column or ()) or (not column and results.kinds[n]["kept_for"] == "report")]
    if related is not None:
        best = [(n, key, r) for n in wanted for _, one in related[n].dropna().groupby(level=related.index.names[:-1])
                for key, r in one.sort_values(key=abs, ascending=False).head(5).items()]
        table(w["correlations"], ["", w["case"], w["input"], "r"], [[n, " · ".join(key[:-1]), key[-1], f"{r:+.2f}"] for n, key, r in best],
              right=(3,))
    if tabled is not None:
        keys = len(tabled.index.names)
        table("", [*tabled.index.names, w["runs"], *(f"{n} {w['mean']}" for n in wanted)],
              [[*key, int(row["", "runs"]), *(number(row[n, "mean"]) for n in wanted)] for key, row in tabled.iterrows()],
              right=range(keys, keys + 1 + len(wanted)))


def show(found: dict[str, Any], points: list[float], lang: str, kinds: dict[str, dict[str, str]]) -> None:
    """Print a sweep's answer as tables, one case after the other."""
    from simulate import units

    w = WORDS[lang]
    for case in found["cases"]:
        answers = "".join(f" · {q}: {a}" for q, a in case["structure"].items())
        notes = [w["nonfinite"].format(n=found["nonfinite_runs"])] if found["nonfinite_runs"] else []
        notes += [w["partial"].format(n=found["runs_planned"])] if found["runs"] < found["runs_planned"] else []
        rows = [[held["label"][lang], units.label(held["unit"], lang), year, number(cell["mean"]),
                 *(number(v) for v in cell["quantiles"].values())]
                for id, held in case["indicators"].items() for year, cell in held["years"].items()
                if cell and kinds[f"{id}@{year}"]["kept_for"] == "report"]
        table(f"{case['scenario']} · {case['label'][lang]}{answers} · {case['finite_runs']:,} {w['runs']}",
              [w["indicator"], w["unit"], w["year"], w["mean"], *(f"{100 * p:g} %" for p in points)], rows,
              right=range(3, 4 + len(points)), notes=notes)
        rows = [[t["label"][lang], units.label(t["unit"], lang), t["when"], sense(t["sense"]) + printed(t["value"]),
                 percent(t["probability"]) + ("*" if t["imposed"] else ""), percent(t["probability_at_current_prices"])]
                for t in case["targets"]]
        if rows:
            table("", [w["indicator"], w["unit"], w["year"], w["target"], w["probability"], w["current"]], rows, right=(3, 4, 5),
                  notes=[w["imposed"]] if any(t["imposed"] for t in case["targets"]) else [])
