"""Commands that hold the model against recorded values: backtest, calibrate."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from simulate.cli import Data, Json, Lang, app, emit, guarded, language, number, progress, registry_with, sense, table, working
from simulate.errors import InvalidInput, Place, Problem

if TYPE_CHECKING:
    from simulate.backtest import Backtest
    from simulate.calibration import Calibration, Check

WORDS = {
    "zh": {"indicator": "指标", "year": "年份", "recorded": "记录值", "grade": "等级", "median": "中位数", "rank": "分位",
           "inside": "在区间内", "naive": "天真预测：延续上期 / 平均", "series": "序列", "mae": "平均绝对误差", "model": "模型",
           "unchanged": "维持上年", "last": "延续上期", "average": "延续平均", "not_scored": "不计分", "bound": "界限",
           "ranks": "分位：低于记录值的模拟所占比例。等级：A 官方或直接报道，B 转载，C 较弱。",
           "theil": "U1、U2：Theil不等系数（U2<1优于“延续上期”）；偏误、方差、协方差：均方误差的构成。CRPS越小越好。",
           "bias": "偏误", "variance": "方差", "covariance": "协方差", "written": "已写入", "no": "否",
           "parameter": "参数", "prior": "先验 均值±标准差", "posterior": "后验 均值±标准差", "contraction": "收缩", "ess": "有效样本",
           "quick": "快速拟合（最小二乘，众数处正态近似）", "sampled": "后验抽样（emcee）", "observation": "观测", "before": "拟合前 90%",
           "after": "拟合后 90%", "silent": "数据对这些参数几乎没有信息（收缩低于{least:.0%}）：{names}",
           "pairs": "后验相关（绝对值大于0.5）：{pairs}", "no_pairs": "没有任何一对参数的后验相关超过0.5（最大：{pair} {r:+.2f}）",
           "converged": "已收敛：R-hat最大{r_hat:.3f}，自相关时间最大{time:.0f}步（链长{steps}步），接受率{acceptance:.2f}",
           "not": "尚未收敛：R-hat最大{r_hat:.3f}（应低于{most}），自相关时间最大{time:.0f}步而链长只有{steps}步（应至少{length:.0f}倍），"
                  "有效样本最少{least:,.0f}（应至少{enough:.0f}）；增加 --steps",
           "alone": "`simulate run` 与 `simulate sweep` 均按拟合的相关关系抽样。其余参数保持先验。", "range": "应在",
           "check": "模拟检验：{n}次，真值落入中心区间的次数", "p": "秩均匀性 p", "passed": "检验通过", "failed": "检验未通过"},
    "en": {"indicator": "indicator", "year": "year", "recorded": "recorded", "grade": "grade", "median": "median", "rank": "rank",
           "inside": "inside", "naive": "naive: last / average", "series": "series", "mae": "mean absolute error", "model": "model",
           "unchanged": "unchanged", "last": "last growth", "average": "average growth", "not_scored": "not scored", "bound": "bound",
           "ranks": "Rank: share of runs below the recorded value. Grades: A official or direct report, B mirror, C weak.",
           "theil": "U1, U2: Theil's inequality coefficients (U2 below 1 beats 'last growth'); bias, variance, covariance: shares of the "
                    "mean square error. CRPS: less is better.",
           "bias": "bias", "variance": "variance", "covariance": "covariance", "written": "written", "no": "no",
           "parameter": "parameter", "prior": "prior mean ± sd", "posterior": "fitted mean ± sd", "contraction": "contraction",
           "ess": "effective draws", "quick": "quick fit (least squares, normal approximation at the mode)", "sampled": "posterior (emcee)",
           "observation": "observation", "before": "90 % before", "after": "90 % after",
           "silent": "The data tell next to nothing (contraction below {least:.0%}) of: {names}",
           "pairs": "Correlated after the fit (above 0.5): {pairs}",
           "no_pairs": "No two parameters are correlated above 0.5 after the fit (largest: {pair} {r:+.2f})",
           "converged": "Converged: R-hat at most {r_hat:.3f}, autocorrelation time at most {time:.0f} steps of {steps}, acceptance "
                        "{acceptance:.2f}",
           "not": "NOT CONVERGED: R-hat at most {r_hat:.3f} (wanted below {most}), autocorrelation time at most {time:.0f} steps of only "
                  "{steps} (wanted {length:.0f} times as long), effective draws at least {least:,.0f} (wanted {enough:.0f}); raise --steps",
           "alone": "`simulate run` and `simulate sweep` draw the fitted parameters with their correlations. All others keep their priors.",
           "check": "Simulation-based check: {n} replications, true value inside the central interval", "range": "wanted",
           "p": "uniform ranks, p", "passed": "The check is passed", "failed": "The check is FAILED"},
}


@app.command()
@guarded
def backtest(
    scenario: Annotated[str | None, typer.Argument(help="Scenario by name or file. [default: the region's default one]")] = None,
    region: Annotated[str | None, typer.Option(help="Region: its default scenario, or the named scenario moved there.")] = None,
    split: Annotated[int | None, typer.Option(help="Last year known. [default: the base year, or the last year fitted to]")] = None,
    runs: Annotated[int, typer.Option(help="Number of runs.")] = 2000,
    seed: Annotated[int | None, typer.Option(help="Seed of the random draws. [default: the scenario's]")] = None,
    priors: Annotated[bool, typer.Option("--priors", help="Do not fit to the record up to the base year: priors as they are.")] = False,
    out: Annotated[Path | None, typer.Option(help="Folder for a chart of every series.")] = None,
    data: Data = None, as_json: Json = False, lang: Lang = None,
) -> None:
    """Project from what was known by a year and hold it against what was recorded later, beside naive forecasts."""
    from simulate import backtest as tests

    lang = language(lang)
    if out is not None and out.exists() and not out.is_dir():
        raise InvalidInput(Problem(f"--out: {out} is a file.", "Name a folder."))
    registry = registry_with(data)
    with progress(runs, "backtest") as advance:
        found = tests.backtest(registry, scenario, region=region, split=split, runs=runs, seed=seed, fit=not priors, progress=advance)
    written = _charts(found, out, lang) if out is not None else []
    if as_json:
        emit(found.plain() | {"written": [str(f) for f in written]})
        return
    show_backtest(found, lang)
    for file in written:
        print(f"{WORDS[lang]['written']}: {file}")  # noqa: T201


def _charts(found: Backtest, out: Path, lang: str) -> list[Path]:
    from simulate import plots, plots_calibration

    try:
        out.mkdir(parents=True, exist_ok=True)
        return [plots.save(plots_calibration.backtest_chart(found, name, lang), out / f"backtest-{name}.png")
                for name in dict.fromkeys(h.point.indicator for h in found.held)]
    except OSError as error:
        raise InvalidInput(Problem(f"--out: {out} cannot be written: {error.strerror}.", "Choose another folder.")) from None


def show_backtest(found: Backtest, lang: str) -> None:
    """Print a back-test: every recorded value, then the scores by series, then what it says in words."""
    w, catalogue = WORDS[lang], found.registry.catalogue
    rows: list[list[object]] = []
    for h in found.held:
        p, q = h.point, h.quantiles
        when = f"{p.year}" + (f" {p.months[0]}-{p.months[1]}" if p.months else "")
        place = {True: "50 %", False: "90 %" if h.inside(90) else w["no"]}[h.inside(50)]
        if p.status != "counted":
            place = w["bound"] if p.status == "bound" else w["not_scored"]
        last, average = (number(h.naive.get(n)) for n in ("last", "average"))
        rows.append([catalogue[p.indicator].label(lang), when, sense(p.sense) + number(p.value), p.grade, number(q[2]),
                     f"{number(q[1])} – {number(q[3])}", f"{number(q[0])} – {number(q[4])}", place, f"{h.rank:.2f}", f"{last} / {average}"])
    s = found.setup
    table(f"{s.region.label(lang)} · {s.scenario.label.label(lang)} · {found.split} → {int(found.trajectories.years[-1])}",
          [w["indicator"], w["year"], w["recorded"], w["grade"], w["median"], "50 %", "90 %", w["inside"], w["rank"], w["naive"]], rows,
          right=(2, 4, 5, 6, 8, 9), notes=[w["ranks"]])
    rows = []
    for name, e in found.errors.items():
        t = found.theil.get(name)
        shares = [f"{x:.2f}" for x in (t.bias, t.variance, t.covariance)] if t else ["-"] * 3
        errors = [number(e.get(n), 3) for n in ("model", "unchanged", "last", "average", "crps")]
        rows.append([catalogue[name].label(lang), len(found.series[name]), *errors, f"{t.u1:.2f}" if t else "-",
                     f"{t.u2:.2f}" if t and t.u2 is not None else "-", *shares])
    if rows:
        table(w["mae"], [w["series"], "n", w["model"], w["unchanged"], w["last"], w["average"], "CRPS", "U1", "U2",
                         w["bias"], w["variance"], w["covariance"]], rows, right=range(1, 12), notes=[w["theil"]])
    for sentence in found.sentences(lang):
        print(f"- {sentence}")  # noqa: T201


@app.command()
@guarded
def calibrate(
    scenario: Annotated[str, typer.Argument(help="Scenario by name or file.")],
    out: Annotated[Path | None, typer.Option(help="Scenario file to write: extends the scenario by what was fitted.")] = None,
    until: Annotated[int | None, typer.Option(help="Fit to records up to this year only; the base year: to what was known then. "
                                              "[default: all]")] = None,
    parameters: Annotated[str | None, typer.Option(help="NAME,NAME: what to fit. [default: what the data can tell of, at most 12]")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Least squares only.")] = False,
    walkers: Annotated[int | None, typer.Option(help="Walkers of each of two ensembles. [default: 128]")] = None,
    steps: Annotated[int | None, typer.Option(help="Steps; the first third is burnt. [default: 1000]")] = None,
    seed: Annotated[int, typer.Option(help="Seed.")] = 1,
    check: Annotated[int | None, typer.Option(help="Instead: draw parameters, make data, fit them, so many times: "
                                             "by weighing prior draws; with --walkers or --steps by the sampler.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file that --out names.")] = False,
    data: Data = None, as_json: Json = False, lang: Lang = None,
) -> None:
    """Fit parameters to recorded values: what the data say of each, and a scenario that carries it on."""
    from simulate import calibration
    from simulate.scenarios import load_scenario

    lang = language(lang)
    if check is None and out is not None:
        _writable(out, force)
    if check is not None and out is not None:
        raise InvalidInput(Problem("--check writes no scenario.", "Leave --out or --check out."))
    names = [n.strip() for n in parameters.split(",") if n.strip()] if parameters is not None else None
    registry, chosen = registry_with(data), load_scenario(scenario)
    if check is not None:
        sampled = walkers is not None or steps is not None
        by_sampler = calibration.by_sampler(32 if walkers is None else walkers, 400 if steps is None else steps)
        fit = calibration.by_least_squares if quick else by_sampler if sampled else None
        target = calibration.posterior(registry, chosen, until=until, parameters=names, seed=seed)
        with working(f"{chosen.id}: 0/{check}") as status:
            def tell(done: int, total: int) -> None:
                if status is not None:
                    status.update(f"{chosen.id}: {done}/{total}")

            checked = calibration.sbc(target, check, fit=fit, seed=seed, progress=tell)
        show_check(checked, lang, as_json)
        return
    walkers, steps = 128 if walkers is None else walkers, 1000 if steps is None else steps
    evaluations = 0 if quick else calibration.ENSEMBLES * walkers * steps
    with progress(evaluations, chosen.id) as advance:
        found = calibration.calibrate(
            registry, chosen, until=until, parameters=names, quick=quick, walkers=walkers, steps=steps, seed=seed,
            progress=None if advance is None else lambda done, total: advance(done * walkers, total * walkers))
    if out is not None:
        _write(out, calibration.overlay(found, _extends(scenario, out)))
    if as_json:
        emit(plain(found) | {"written": str(out) if out else None})
        return
    show_calibration(found, lang)
    if out is not None:
        print(f"{WORDS[lang]['written']}: {out}")  # noqa: T201


def _writable(out: Path, force: bool) -> None:
    """Raise InvalidInput now, not after minutes, where the file cannot be written."""
    if out.suffix not in (".yaml", ".yml"):
        raise InvalidInput(Problem(f"--out: {out} is not a YAML file.", "Give a name that ends in .yaml."))
    if not out.parent.is_dir():
        raise InvalidInput(Problem(f"--out: {out.parent} is not a folder.", "Make it first, or choose another place."))
    if out.is_dir() or (out.exists() and not force):
        raise InvalidInput(Problem(f"--out: {out} exists already.", "Choose another name, or add --force; nothing was overwritten."))
    if not os.access(out.parent, os.W_OK):
        raise InvalidInput(Problem(f"--out: no permission to write in {out.parent}.", "Choose another place."))


def _write(out: Path, text: str) -> None:
    temporary = out.with_name(f".{out.name}.{os.getpid()}.part")
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(out)
    except OSError as error:
        raise InvalidInput(Problem(f"cannot be written: {error.strerror}.", "Choose another place.", Place(out))) from None
    finally:
        temporary.unlink(missing_ok=True)


def _extends(scenario: str, out: Path) -> str:
    """Return how the file written names the scenario: by name where the package has it, else by its path from there."""
    from simulate import documents
    from simulate.scenarios import find

    file = find(scenario)
    if file.resolve().parent == documents.data_folder("scenarios").resolve():
        return file.stem
    return os.path.relpath(file.resolve(), out.resolve().parent)


def plain(found: Calibration) -> dict[str, Any]:
    """Return a calibration as plain data for JSON."""
    import dataclasses

    from simulate import calibration

    c = found.chains
    return {"region": found.scenario.region, "scenario": found.scenario.id, "method": "least squares" if c is None else "emcee",
            "seed": found.seed, "converged": found.converged, "parameters": [dataclasses.asdict(row) for row in found.learnt],
            "untold": [row.name for row in found.learnt if row.contraction < calibration.LEARNT],
            "correlations": [{"between": list(names), "value": r} for names, r in found.correlations.items()],
            "observations": found.comparison, "fitted": {n: list(years) for n, years in found.fitted.items()},
            "diagnostics": None if c is None else {
                "ensembles": c.z.shape[0], "walkers": c.z.shape[2], "steps": c.z.shape[1] + c.burnt, "burnt": c.burnt,
                "autocorrelation_time": float(c.times.max()), "r_hat": float(c.r_hat.max()), "acceptance": c.acceptance,
                "effective": float(c.effective.min())}}


def show_calibration(found: Calibration, lang: str) -> None:
    """Print a calibration: what was learnt of each parameter, how the observations fare, and whether it can be trusted."""
    from simulate import calibration

    w, chains, catalogue = WORDS[lang], found.chains, found.posterior.registry.catalogue
    rows = [[x.name, f"{number(x.prior[0])} ± {number(x.prior[1], 2)}", f"{number(x.posterior[0])} ± {number(x.posterior[1], 2)}",
             f"{number(x.quantiles[0])} – {number(x.quantiles[2])}", f"{x.contraction:.2f}",
             *([f"{x.r_hat:.3f}", f"{x.effective:,.0f}"] if x.r_hat is not None and x.effective is not None else [])] for x in found.learnt]
    notes = []
    if chains is not None:
        key = "converged" if chains.converged else "not"
        notes.append(w[key].format(r_hat=chains.r_hat.max(), time=chains.times.max(), steps=chains.z.shape[1], acceptance=chains.acceptance,
                                   most=calibration.R_HAT, length=calibration.LENGTHS, least=chains.effective.min(),
                                   enough=calibration.ENOUGH))
    silent = [x.name for x in found.learnt if x.contraction < calibration.LEARNT]
    if silent:
        notes.append(w["silent"].format(least=calibration.LEARNT, names=", ".join(silent)))
    strong = [f"{a} ~ {b} {r:+.2f}" for (a, b), r in found.correlations.items() if abs(r) > 0.5]
    if strong:
        notes.append(w["pairs"].format(pairs=", ".join(strong)))
    elif found.correlations:
        (a, b), r = next(iter(found.correlations.items()))
        notes.append(w["no_pairs"].format(pair=f"{a} ~ {b}", r=r))
    region = found.posterior.setup.region.label(lang)
    trust = ["R-hat", w["ess"]] if chains is not None else []
    table(f"{region} · {found.scenario.label.label(lang)} · {w['quick' if chains is None else 'sampled']}",
          [w["parameter"], w["prior"], w["posterior"], "90 %", w["contraction"], *trust], rows, right=range(1, 5 + len(trust)), notes=notes)
    def named(x: dict[str, Any]) -> str:
        return str(x["label"][lang]) if "label" in x else f"{catalogue[x['indicator']].label(lang)} {x['year']}"

    table("", [w["observation"], w["recorded"], w["grade"], w["before"], w["after"]],
          [[named(x), sense(x["sense"]) + number(x["recorded"]), x["grade"],
            *(f"{number(x[k][1])} ({number(x[k][0])} – {number(x[k][2])})" for k in ("prior", "fitted"))] for x in found.comparison],
          right=(1, 3, 4), notes=[w["alone"]])


def show_check(checked: Check, lang: str, as_json: bool) -> None:
    """Print a simulation-based check."""
    w, half, nine, p = WORDS[lang], checked.covered(0.5), checked.covered(0.9), checked.uniformity()
    if as_json:
        emit({"replications": len(checked.ranks), "effective": checked.effective, "passed": checked.passed, "parameters": [
            {"name": n, "inside_50": half[n][0], "range_50": half[n][1], "inside_90": nine[n][0], "range_90": nine[n][1], "p": p[n],
             "ranks": checked.ranks[:, k].tolist()} for k, n in enumerate(checked.names)]})
        return
    table(w["check"].format(n=len(checked.ranks)), [w["parameter"], "50 %", w["range"], "90 %", w["range"], w["p"]],
          [[n, half[n][0], "{} – {}".format(*half[n][1]), nine[n][0], "{} – {}".format(*nine[n][1]), f"{p[n]:.2f}"]
           for n in checked.names], right=range(1, 6), notes=[w["passed" if checked.passed else "failed"]])
