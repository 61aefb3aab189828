"""The command on the model's structure: variables, feedback loops, which loop dominates, diagrams, the model page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from simulate.cli import Data, Json, Lang, app, emit, guarded, language, number, progress, registry_with, table, working
from simulate.errors import InvalidInput, Problem, nearest

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from simulate.attainment import Attainment
    from simulate.dominance import Dominance
    from simulate.feedback import Link, Loop
    from simulate.model import Model
    from simulate.runs import Trajectories

WHICH = ("stock-flow", "causal-loop", "loops", "dominance")

WORDS = {
    "zh": {"name": "名称", "kind": "类型", "unit": "单位", "equation": "方程", "what": "说明", "count": "共 {n} 个变量；单位一致。",
           "loop": "回路", "polarity": "极性", "links": "因果链", "written": "已写入",
           "loops": "共 {n} 条反馈回路（{r} 条增强，{b} 条调节，{u} 条不定），分部门变量按一个计；列出 {shown} 条。",
           "title": "{region} · {scenario} · {runs} 次模拟：回路相对得分中位数（领先的模拟占比）",
           "stocks": "各存量由哪条回路主导（占模拟的比例）", "stock": "存量", "missed": "未达标", "reached": "达标",
           "target": "目标：{what} {year} 年 {value}；{missed} 次未达标，{reached} 次达标。",
           "read": "Loops That Matter 得分：＋增强，－调节；只在所列的主要回路与最短独立回路之间比较，"
                   "它们占全部 {all} 条回路得分的 {share}（中位数）。",
           "more": "得分很小的回路从略；--json 给出全部。"},
    "en": {"name": "name", "kind": "kind", "unit": "unit", "equation": "equation", "what": "what it is",
           "count": "{n} variables; units agree.", "loop": "loop", "polarity": "R/B", "links": "links", "written": "written",
           "loops": "{n} feedback loops ({r} reinforcing, {b} balancing, {u} undetermined), arrayed variables as one; {shown} shown.",
           "title": "{region} · {scenario} · {runs} runs: median relative loop score (share of runs that it leads)",
           "stocks": "Which loop leads at each stock (share of runs)", "stock": "stock", "missed": "missed", "reached": "reached",
           "target": "Target: {what} {year} {value}; missed in {missed} runs, reached in {reached}.",
           "read": "Loops That Matter scores: + reinforcing, - balancing; in relation to the named and shortest independent loops "
                   "alone, which have {share} (median) of the scores of all {all} loops.",
           "more": "Loops of small score are left out; --json gives all."},
}


@app.command()
@guarded
def model(
    kind: Annotated[str | None, typer.Option(help="Only stocks, flows, auxiliaries, constants, parameters or inputs (singular).")] = None,
    search: Annotated[str | None, typer.Argument(help="Show only variables (with --loops: loops) whose name contains this.")] = None,
    loops: Annotated[bool, typer.Option("--loops", help="List the feedback loops: polarity, variables, signs of the links.")] = False,
    dominance: Annotated[str | None, typer.Option(help="Scenario by name or file: which loop dominates when in its ensemble.")] = None,
    runs: Annotated[int | None, typer.Option(help="Runs for --dominance. [default: 500, or the scenario's if fewer]")] = None,
    target: Annotated[str | None, typer.Option(help="Indicator: set the runs that miss its target against those that reach it.")] = None,
    through: Annotated[str | None, typer.Option(help="Only loops through this variable.")] = None,
    diagram: Annotated[Path | None, typer.Option(help="Draw a diagram into this file: .svg or .png.")] = None,
    which: Annotated[str | None, typer.Option(help="stock-flow, causal-loop (overview), loops (one by one) or dominance. "
                                                   "[default: stock-flow; dominance beside --dominance]")] = None,
    part: Annotated[str | None, typer.Option(help="One part of the stock-and-flow diagram: production, labour, firms, …")] = None,
    page: Annotated[Path | None, typer.Option(help="Write the model page: every equation, parameter and loop, as Markdown.")] = None,
    data: Data = None, as_json: Json = False, lang: Lang = None,
) -> None:
    """Show the model's structure: variables with equation and unit (which are checked first), loops, dominance, diagrams."""
    from simulate.region import regional_model

    lang = language(lang)
    _check(dominance, {"--runs": runs, "--target": target, "--through": through}, diagram, {"--which": which, "--part": part}, which)
    made = regional_model()
    made.check_units()
    written: list[Path] = []
    if diagram is not None:
        from simulate.diagrams import check_name, save

        check_name(diagram)  # before the work
    if page is not None:
        from simulate.model_page import write_page

        with working(str(page)):
            written += write_page(page, made)
    found = None
    if dominance is not None:
        found = _Scored(dominance, runs, target, through, data)
    if diagram is not None:
        with working(str(diagram)):
            written.append(save(_figure(made, which, part, found, lang), diagram))
    if found is not None:
        answer = found.answer()
        if as_json:
            emit({**answer, "written": [str(f) for f in written]})
        else:
            found.show(lang)
    elif loops:
        _loops(made, search, as_json, lang)
    elif as_json or not written:
        _variables(made, kind, search, as_json, lang)
    if not as_json:
        for file in written:
            print(f"{WORDS[lang]['written']}: {file}")  # noqa: T201


def _check(dominance: str | None, scored: dict[str, Any], diagram: Path | None, drawn: dict[str, Any], which: str | None) -> None:
    """Refuse options that would have no effect."""
    problems = []
    if dominance is None:
        problems += [Problem(f"{name}: it needs a scenario.", f"Add --dominance SCENARIO, or leave {name} out.")
                     for name, value in scored.items() if value is not None]
    if diagram is None:
        problems += [Problem(f"{name}: it needs a file to draw into.", f"Add --diagram FILE.svg, or leave {name} out.")
                     for name, value in drawn.items() if value is not None]
    if which is not None and which not in WHICH:
        problems.append(Problem(f"--which: there is no diagram {which!r}.", nearest(which, WHICH, "Diagrams")))
    elif which == "dominance" and dominance is None:
        problems.append(Problem("--which dominance: it needs a scenario.", "Add --dominance SCENARIO."))
    elif drawn["--part"] is not None and (which or ("stock-flow" if dominance is None else "dominance")) != "stock-flow":
        problems.append(Problem("--part: only the stock-and-flow diagram has parts.", "Add --which stock-flow, or leave --part out."))
    if problems:
        raise InvalidInput(problems)


def _variables(made: Model, kind: str | None, search: str | None, as_json: bool, lang: str) -> None:
    """Print the model's variables."""
    from simulate.region import LOOPS

    rows = made.describe()
    kinds = {row["kind"] for row in rows}
    if kind is not None and kind not in kinds:
        raise InvalidInput(Problem(f"--kind: {kind!r} is not a kind of variable.", f"Kinds: {', '.join(sorted(kinds))}."))
    rows = [r for r in rows if (kind is None or r["kind"] == kind) and (search is None or search in r["name"])]
    if as_json:
        emit({"variables": rows, "loops": [{"name": x.name, "polarity": x.polarity, "variables": list(x.variables)} for x in LOOPS]})
        return
    w = WORDS[lang]
    table("", [w["name"], w["kind"], w["unit"], w["equation"], w["what"]],
          [[r["name"] + (f"[{r['over']}]" if r["over"] else ""), r["kind"], r["unit"], r["equation"],
            r["documentation"] + (f" ({r['source']})" if r["source"] else "")] for r in rows], notes=[w["count"].format(n=len(rows))])


def structure(made: Model) -> tuple[list[Loop], dict[Link, str]]:
    """Return all feedback loops of the model, the named first, and the sign of every link."""
    from simulate.feedback import admissible_points, feedback_loops, link_signs
    from simulate.region import LOOPS

    signs = link_signs(made, admissible_points(made))
    return feedback_loops(made, signs, LOOPS), signs


def _loops(made: Model, search: str | None, as_json: bool, lang: str) -> None:
    """Print the feedback loops."""
    from simulate.layouts import loop_name

    found, signs = structure(made)
    shown = [x for x in found if search is None or any(search in text for text in (x.name, loop_name(x.name, lang), *x.variables))]
    if search is not None and not shown:
        raise InvalidInput(Problem(f"search: no loop is called {search!r} or passes through such a variable.",
                                   nearest(search, {n for x in found for n in (x.name, *x.variables)})))
    if as_json:
        emit({"count": len(found), "loops": [{
            "name": x.name, "zh": loop_name(x.name, "zh"), "polarity": x.polarity, "variables": list(x.variables),
            "signs": [signs[link] for link in x.links]} for x in shown]})
        return
    w = WORDS[lang]
    kinds = [x.polarity for x in found]
    table("", [w["loop"], w["polarity"], w["links"]],
          [[loop_name(x.name, lang), x.polarity, x.variables[0] + "".join(f" →{signs[link]} {link[1]}" for link in x.links)]
           for x in shown],
          notes=[w["loops"].format(n=len(found), r=kinds.count("R"), b=kinds.count("B"), u=kinds.count("U"), shown=len(shown))])


class _Scored:
    """A scenario's loop scores, and the groups of runs that they are asked for."""

    def __init__(self, scenario: str, runs: int | None, target: str | None, through: str | None, data: list[Path] | None) -> None:
        from simulate import dominance as scores
        from simulate import runs as engine
        from simulate.scenarios import load_scenario

        chosen = load_scenario(scenario)
        registry = registry_with(data)
        count = min(500, chosen.runs) if runs is None else runs
        if count > 20_000:
            raise InvalidInput(Problem(f"--runs: {count} runs would need some {count / 5_000:.0f} GB.",
                                       "Give at most 20000; 500 tell as much."))
        with progress(count, chosen.id) as advance:
            self.result: Trajectories = engine.run(chosen, registry, runs=count, keep=scores.keep_for(chosen), progress=advance)
        self.groups: dict[str, Any] = {}
        self.judged: Attainment | None = None
        if target is not None:
            reached, self.judged = scores.reached_by_run(self.result, target)
            self.groups = {"missed": ~reached & self.result.finite, "reached": reached}
        with working(chosen.id):
            self.all = scores.dominance(self.result)
            if through is not None:
                self.all = self.all.through(through)
        self.through = through
        self.shown: Dominance = self.all.among(scores.principal(self.all))
        years = chosen.report_years
        self.contrast = self.judged.year if self.judged else int(self.result.years[-1])
        self.years = sorted({int(self.result.years[1]), self.contrast, *years})

    def rows(self) -> list[dict[str, Any]]:
        """Return every loop shown, with medians and leading shares in the report years, by group where there are groups."""
        found = []
        groups = {"all": None, **{k: m for k, m in self.groups.items() if m.any()}}
        medians = {k: self.shown.median(m) for k, m in groups.items()}
        leads = {k: self.shown.leading(m) for k, m in groups.items()}
        for k, loop in enumerate(self.shown.loops):
            years = {str(y): {g: {"score": float(medians[g][k, i]), "leads": float(leads[g][k, i])} for g in groups}
                     for y in self.years for i in (self.result.index(y),)}
            found.append({"name": loop.name, "polarity": loop.polarity, "variables": list(loop.variables),
                          "partition": self.shown.partition[k], "years": {y: {**cells.pop("all"), **cells} for y, cells in years.items()}})
        return found

    def stocks(self) -> list[dict[str, Any]]:
        """Return for every stock of the largest partition the loop that leads most often among the runs, by year and group."""
        found = []
        acting = {v for loop in self.shown.loops for v in loop.variables}
        groups = {"all": None, **{k: m for k, m in self.groups.items() if m.any()}}
        for stock in (s for s in self.shown.partitions[0] if s in acting) if self.shown.partitions else ():
            view = self.shown.through(stock)
            leads = {g: view.leading(m) for g, m in groups.items()}
            found.append({"stock": stock, "years": {str(y): {g: self._first(view, leads[g][:, self.result.index(y)]) for g in groups}
                                                    for y in self.years}})
        return found

    @staticmethod
    def _first(view: Dominance, leads: Any) -> dict[str, Any]:
        best = int(np.argmax(leads))
        return {"loop": view.loops[best].name, "polarity": view.loops[best].polarity, "leads": float(leads[best])}

    def answer(self) -> dict[str, Any]:
        """Return all that is known, as plain data."""
        setup = self.result.setup
        target = None
        if self.judged is not None:
            a = self.judged
            target = {"indicator": a.statement.indicator, "year": a.year, "value": a.value, "unit": a.unit, "source": a.statement.id,
                      **{f"runs_{k}": int(m.sum()) for k, m in self.groups.items()}}
        return {"region": setup.scenario.region, "scenario": setup.scenario.id, "runs": self.result.runs, "through": self.through,
                "target": target, "loops_scored": self.all.enumerated, "coverage": self.coverage(),
                "partitions": [list(p) for p in self.shown.partitions], "loops": self.rows(), "stocks": self.stocks()}

    def coverage(self) -> float:
        """Return the median part of all loops' absolute scores that the loops shown have, in the largest partition."""
        cells = self.shown.coverage[0] if len(self.shown.coverage) else np.full((1, 1), np.nan)
        return float(np.nanmedian(cells))

    def show(self, lang: str) -> None:
        """Print the answer as tables."""
        from simulate import units
        from simulate.layouts import loop_name, name

        w = WORDS[lang]
        setup = self.result.setup
        rows = [r for r in self.rows() if r["partition"] == 0]
        last = str(self.contrast)
        groups = [g for g in self.groups if self.groups[g].any()]

        def cell(found: dict[str, float]) -> str:
            return f"{100 * found['score']:+.0f} ({100 * found['leads']:.0f} %)" if np.isfinite(found["score"]) else "-"

        big = [r for r in rows if any(abs(c["score"]) >= 0.005 or c["leads"] >= 0.05 for c in r["years"].values())] or rows[:5]
        notes = [w["read"].format(all=self.all.enumerated, share=f"{100 * self.coverage():.0f} %")]
        if self.judged is not None:
            a = self.judged
            label = self.result.registry.catalogue[a.statement.indicator].label(lang)
            notes.insert(0, w["target"].format(what=label, year=a.year, value=f"{number(a.value)} {units.label(a.unit, lang)}",
                                               missed=int(self.groups["missed"].sum()), reached=int(self.groups["reached"].sum())))
        if len(big) < len(rows):
            notes.append(w["more"])
        columns = [w["loop"], w["polarity"], *(str(y) for y in self.years), *(f"{w[g]} {last}" for g in groups)]
        title = w["title"].format(region=setup.region.label(lang), scenario=setup.scenario.label.label(lang), runs=f"{self.result.runs:,}")
        table(title, columns, [[loop_name(r["name"], lang), r["polarity"], *(cell(r["years"][str(y)]) for y in self.years),
                                *(cell(r["years"][last][g]) for g in groups)] for r in big], right=range(2, len(columns)), notes=notes)
        if self.through is None:
            def lead(found: dict[str, Any]) -> str:
                return f"{loop_name(found['loop'], lang)} {found['polarity']} {100 * found['leads']:.0f} %"

            table(w["stocks"], [w["stock"], *(str(y) for y in self.years), *(f"{w[g]} {last}" for g in groups)],
                  [[name(r["stock"], lang), *(lead(r["years"][str(y)]["all"]) for y in self.years),
                    *(lead(r["years"][last][g]) for g in groups)] for r in self.stocks()])

    def figure(self, lang: str) -> Figure:
        """Return the dominance chart."""
        from simulate.diagrams import dominance_chart

        setup = self.result.setup
        groups = {WORDS[lang][k]: m for k, m in self.groups.items() if m.any()} or None
        title = {"zh": "{}：哪些反馈回路起主导作用", "en": "{}: which feedback loops dominate"}[lang].format(setup.region.label(lang))
        subtitle = f"{setup.scenario.label.label(lang)}  |  {self.result.runs:,} " + {"zh": "次模拟", "en": "runs"}[lang]
        return dominance_chart(self.all, title, subtitle, variables=[self.through] if self.through else (), groups=groups, lang=lang)


def _figure(made: Model, which: str | None, part: str | None, found: _Scored | None, lang: str) -> Figure:
    """Return the diagram asked for."""
    from simulate import diagrams
    from simulate.region import LOOPS

    match which or ("stock-flow" if found is None else "dominance"):
        case "stock-flow":
            return diagrams.stock_flow(made, part, lang)
        case "causal-loop":
            return diagrams.causal_map(LOOPS, structure(made)[1], lang)
        case "loops":
            return diagrams.causal_loops(LOOPS, structure(made)[1], lang)
        case _:
            assert found is not None
            return found.figure(lang)
