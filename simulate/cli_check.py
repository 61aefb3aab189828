"""Commands on whether a plan's numbers can be true: check, implied, repair, what-if, identities."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from simulate.cli import Data, Json, Lang, app, emit, guarded, language, number, printed, registry_with, sense, table, working
from simulate.errors import InvalidInput, Problem, nearest

if TYPE_CHECKING:
    from simulate.consistency import Claim, Conflict, Repair, Verdict
    from simulate.registry import Registry

Reading = Annotated[str, typer.Option("--reading", help="plan: the plan describes one world; floor: its targets are floors.")]

WORDS = {
    "zh": {"base": "基年", "target": "目标", "implied": "隐含年均增速", "stated": "规划所述增速", "remark": "备注", "indicator": "指标",
           "growth": "{:.2f} %/年", "points": "{:+.2f} 个百分点", "delegated": "完成上级下达任务", "no base stated": "文件未给出基数",
           "title": "{region}：基数、目标与隐含增速（{year}年为基年）", "claims": "主要口号的门槛形式",
           "threshold": "{label}：年均增长{rate:g} %、{years}年后达到{level:,.0f}{unit}，基年至少须为{base:,.1f}{unit}。",
           "unstated": "  没有任何文件给出该基数。", "is_stated": "  文件给出的基数：{:,.1f}{unit}。",
           "range": "  其他表述意味着基数在{low:,.0f}至{high:,.0f}之间：",
           "prices": "  若目标按现价、增速按不变价，且平减指数年增{rates}，则门槛为{bases}。"},
    "en": {"base": "base", "target": "target", "implied": "implied growth", "stated": "stated growth", "remark": "remark",
           "indicator": "indicator", "growth": "{:.2f} %/yr", "points": "{:+.2f} points", "delegated": "delegated to a higher authority",
           "no base stated": "no base stated", "title": "{region}: bases, targets and the growth they imply (base year {year})",
           "claims": "Headline claims in threshold form",
           "threshold": "{label}: growth of {rate:g} % a year reaches {level:,.0f} {unit} in {years} years only from a base of "
                        "at least {base:,.1f}.",
           "unstated": "  No document states that base.", "is_stated": "  The base is stated: {:,.1f} {unit}.",
           "range": "  What other statements imply about the base, {low:,.0f} to {high:,.0f}:",
           "prices": "  If the level is at current prices, growth is real and the deflator grows {rates} a year, "
                     "the base needed is {bases}."},
}


VERDICTS = {
    "zh": {"consistent": "自洽：存在一个使全部表述同时成立的经济", "strained": "勉强自洽：须突破下列合理区间",
           "inconsistent": "不自洽：下列表述不能同时成立", "undecided": "未定：求解达到上限，不作判断"},
    "en": {"consistent": "consistent: an economy exists in which every statement holds",
           "strained": "strained: consistent only outside the plausibility bands below",
           "inconsistent": "inconsistent: the statements below cannot all be true",
           "undecided": "undecided: the solver's limit was reached"},
}


def readable(reading: str) -> str:
    """Return the reading if there is such a one."""
    if reading not in ("plan", "floor"):
        raise InvalidInput(Problem(f"--reading: {reading!r} is not known.", nearest(reading, ("plan", "floor"), "Readings")))
    return reading


def claim_rows(registry: Registry, claims: tuple[Claim, ...], lang: str) -> list[list[object]]:
    """Rows of a conflict: statement, place, time, side, value, source."""
    rows: list[list[object]] = []
    for c in claims:
        name = registry.catalogue[c.indicator].label(lang) if c.indicator in registry.catalogue else c.indicator
        rows.append([name, c.place, c.time, f"{'≤' if c.side == 'at_most' else '≥'} {printed(c.value)} {c.unit}",
                     c.source if c.kind == "statement" else f"prior: {c.source}"])
    return rows


def show_conflict(registry: Registry, conflict: Conflict, title: str, lang: str) -> None:
    """Print one conflict as a table."""
    notes = ["identities: " + ", ".join(conflict.identities)] if conflict.identities else []
    if conflict.dissolves_if:
        notes.append("dissolves if: " + "; or ".join(f"{d['reading']} is {d['option']}" for d in conflict.dissolves_if))
    table(title, ["statement", "place", "when", "side", "source"], claim_rows(registry, conflict.claims, lang), right=(3,), notes=notes)


def show_verdict(registry: Registry, verdict: Verdict, lang: str) -> None:
    """Print a verdict with its certificate."""
    print(f"{registry.region(verdict.region).label(lang)}: {VERDICTS[lang][verdict.verdict]}")  # noqa: T201
    for k, conflict in enumerate(verdict.conflicts, 1):
        show_conflict(registry, conflict, f"conflict {k} of {len(verdict.conflicts)}", lang)
    for k, strain in enumerate(verdict.strains, 1):
        show_conflict(registry, strain, f"strain {k} of {len(verdict.strains)}", lang)
    if verdict.give_way:
        print("bands that would have to give way: " + "; or ".join(", ".join(g) for g in verdict.give_way))  # noqa: T201
    if verdict.witness:
        own = {q: v for q, v in verdict.witness.items() if q.place == verdict.region and q.indicator in registry.catalogue}
        print(f"witness: an economy of {len(verdict.witness)} quantities (--json lists it); {len(own)} of this region.")  # noqa: T201
    other = [r for r in verdict.readings if not r["used"] and r["verdict"] != verdict.verdict]
    for r in other:
        print(f"read otherwise ({r['reading']} is {r['option']}): {r['verdict']}")  # noqa: T201
    for note in verdict.notes:
        print(note)  # noqa: T201
    if not verdict.complete:
        print("the list of conflicts is cut at its limit.")  # noqa: T201


def show_claims(registry: Registry, region: str, lang: str) -> None:
    """Print what the plan's numbers imply by arithmetic."""
    from simulate import claims, units

    w = WORDS[lang]
    rows = []
    for r in claims.implied(registry, region):
        implied = "" if r.change is None else w["points"].format(r.change)
        if r.growth is not None:
            implied = w["growth"].format(r.growth)
        stated = r.value if r.value is not None else r.target.value
        shown = "" if stated is None else sense(r.target.sense) + printed(stated)
        rows.append([r.indicator.label(lang), units.label(r.indicator.unit, lang), printed(r.base_value), shown, r.target.when, implied,
                     f"{r.stated:g} %" if r.stated is not None else "", w.get(r.remark, r.remark)])
    table(w["title"].format(region=registry.region(region).label(lang), year=registry.base_year(region)),
          [w["indicator"], "", w["base"], w["target"], "", w["implied"], w["stated"], w["remark"]], rows, right=(2, 3, 5, 6))
    found = claims.thresholds(registry, region)
    lines = []
    for t in found:
        unit = units.label(t.unit, lang)
        lines.append(w["threshold"].format(label=registry.catalogue[t.indicator].label(lang), rate=t.rate, level=t.level, unit=unit,
                                           years=t.years, base=t.base))
        lines.append(w["unstated"] if t.stated is None else w["is_stated"].format(t.stated, unit=unit))
        if t.low is not None and t.high is not None:
            lines.append(w["range"].format(low=t.low, high=t.high))
            lines += [f"    {g}" for g in t.grounds]
        lines.append(w["prices"].format(rates=" / ".join(f"{100 * d:g} %" for d in claims.DEFLATOR),
                                        bases=" / ".join(f"{b:,.0f}" for b in t.real_base)))
    if lines:
        print("\n".join([w["claims"], *lines]))  # noqa: T201


@app.command()
@guarded
def check(
    region: Annotated[str | None, typer.Argument(help="Region whose plan to check; --all for every plan.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Check every region that has a plan.")] = False,
    reading: Reading = "plan",
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 where a plan is inconsistent.")] = False,
    out: Annotated[Path | None, typer.Option(help="Folder for charts: implied against stated, and each conflict as a graph.")] = None,
    data: Data = None, as_json: Json = False, lang: Lang = None,
) -> None:
    """Say whether a plan's targets can all be true at once, with proof, and what growth its numbers imply."""
    from simulate import claims, consistency

    lang, reading = language(lang), readable(reading)
    registry = registry_with(data)
    if every == (region is not None):
        raise InvalidInput(Problem("check: name one region, or --all.", f"Regions: {', '.join(registry.regions)}."))
    if region is not None:
        registry.region(region)
        registry.base_year(region)
    with working("checking"):
        found = consistency.check_all(registry, reading=reading) if region is None else [
            consistency.check(registry, region, reading=reading)]
        needs = consistency.accounting(registry, region) if region is not None else []
    verdicts = {v.region: v for v in found}
    if out is not None:
        with working("drawing"):
            write_charts(registry, verdicts, out, lang)
    if as_json:
        rows = [v.to_json() | {k: x for k, x in claims.as_data(registry, id).items() if k != "region"}
                 | ({"needs": [n.to_json() for n in needs]} if region is not None else {})
                for id, v in verdicts.items()]
        emit(rows[0] if region is not None else rows)
    else:
        for id, verdict in verdicts.items():
            if region is not None:
                show_claims(registry, id, lang)
                print()  # noqa: T201
            show_verdict(registry, verdict, lang)
            for need in needs:
                print(need.zh if lang == "zh" else need.en)  # noqa: T201
            print()  # noqa: T201
    if strict and any(v.verdict == "inconsistent" for v in verdicts.values()):
        raise typer.Exit(1)


def write_charts(registry: Registry, verdicts: dict[str, Verdict], out: Path, lang: str) -> None:
    """Write the interval chart (of GDP and what the conflicts speak of) and the conflict graphs of each verdict."""
    from simulate import consistency, plots, plots_consistency
    from simulate.identities import load_identities

    if out.exists() and not out.is_dir():
        raise InvalidInput(Problem(f"--out: {out} is a file.", "Name a folder."))
    out.mkdir(parents=True, exist_ok=True)
    identities = load_identities(registry.catalogue)
    names = {key: scope.en if lang == "en" else scope.zh for key, scope in registry.scopes.items()}
    names |= {key: region.label(lang) for key, region in registry.regions.items()}
    names |= {key: document.title.label(lang) for key, document in registry.documents.items()}
    for id, verdict in verdicts.items():
        base, plan = registry.base_year(id), registry.documents.get(registry.region(id).plan or "")
        last = (plan.period[1] if plan.period else plan.horizon) if plan else None
        last = last or max((s.year or 0 for s in registry.targets(id)), default=base)
        ranges = []
        for indicator, year in plots_consistency.wanted(verdict, base, last):
            try:
                ranges += consistency.implied(registry, id, indicator, year, reading=verdict.reading["targets"], identities=identities)
            except InvalidInput:  # nothing touches GDP in this plan
                continue
        if ranges:
            chart = plots_consistency.interval_chart(ranges, identities.indicators, lang, place=names[id], years=(base, last),
                                                     reading=verdict.reading)
            plots.save(chart, out / f"{id}-implied.png")
        for what, clashes in (("conflict", verdict.conflicts), ("strain", verdict.strains)):
            for k, clash in enumerate(clashes, 1):
                graph = plots_consistency.conflict_graph(clash, identities.indicators, lang, identities=identities, names=names)
                plots.save(graph, out / f"{id}-{what}-{k}.png")


@app.command()
@guarded
def implied(
    region: Annotated[str, typer.Argument(help="Region.")],
    quantity: Annotated[str, typer.Argument(help="Indicator by id.")],
    year: Annotated[str | None, typer.Argument(
        help="Year, or mean:2021-2025, or sum:2021-2025. [default: every time anything touches]")] = None,
    reading: Reading = "plan", data: Data = None, as_json: Json = False, lang: Lang = None,
) -> None:
    """Show the range that all other statements leave for a quantity, and which of them bind at each end."""
    from simulate import consistency, units
    from simulate.identities import load_identities

    lang, reading = language(lang), readable(reading)
    registry = registry_with(data)
    registry.region(region)
    known = load_identities(registry.catalogue).indicators  # the catalogue's, and those that identities bring in
    with working("solving"):
        found = consistency.implied(registry, region, quantity, int(year) if year and year.isdecimal() else year, reading=reading)
    if as_json:
        emit([r.to_json() for r in found])
        return
    for r in found:
        low, high = ("open" if end is None else number(end, 5) for end in (r.low, r.high))
        stated = ", ".join(f"{'≤' if c.side == 'at_most' else '≥'} {printed(c.value)}" for c in r.stated)
        print(f"{known[quantity].label(lang)} {r.quantity.when}: {low} to {high} {units.label(r.unit, lang)} "  # noqa: T201
              f"({'stated: ' + stated if stated else 'not stated'}){'' if r.decided else '; not decided within limits'}")
        for side, claims in (("lower end", r.low_binding), ("upper end", r.high_binding)):
            if claims:
                table(side, ["statement", "place", "when", "side", "source"], claim_rows(registry, claims, lang), right=(3,))
        if r.left_out:
            print("left out, since the rest clashes: " + ", ".join(r.left_out))  # noqa: T201


@app.command()
@guarded
def repair(
    region: Annotated[str, typer.Argument(help="Region whose plan to mend.")],
    reading: Reading = "plan",
    within_bands: Annotated[bool, typer.Option("--within-bands", help="Bring every plausibility band to hold as well.")] = False,
    data: Data = None, as_json: Json = False, lang: Lang = None,
) -> None:
    """Show the smallest change of targets that makes a plan consistent, with alternatives."""
    from simulate import consistency

    lang, reading = language(lang), readable(reading)
    registry = registry_with(data)
    registry.region(region)
    with working("solving"):
        found = consistency.repair(registry, region, reading=reading, within_bands=within_bands)
    if as_json:
        emit(found.to_json())
        return
    show_repair(registry, found, lang, "")
    for k, other in enumerate(found.alternatives, 1):
        show_repair(registry, other, lang, f"alternative {k}" + (" (tied)" if other.tied else ""))
    for conflict in found.facts:
        show_conflict(registry, conflict, "a clash of facts, which no target can mend", lang)


def show_repair(registry: Registry, found: Repair, lang: str, title: str) -> None:
    """Print one repair as a table: stated, needed, change."""
    if not found.changes:
        print({"none": "nothing to mend: the plan is consistent.", "impossible": "no change of targets mends this plan."}.get(  # noqa: T201
            found.tier, found.tier))
        return
    rows: list[list[Any]] = [[registry.catalogue[c.indicator].label(lang), c.place, c.time, f"{printed(c.stated)} {c.unit}",
                              f"{number(c.needed, 5)} {c.unit}", f"{100 * c.change:+.1f} %", "binding" if c.binding else "", c.source]
                             for c in found.changes]
    table(title, ["target", "place", "when", "stated", "needed", "change", "", "source"], rows, right=(3, 4, 5),
          notes=[f"summed relative change: {100 * found.cost:.1f} %"])


@app.command("what-if")
@guarded
def what_if(
    region: Annotated[str, typer.Argument(help="Region.")],
    settings: Annotated[list[str], typer.Option("--set", help="indicator@year=value; value may start with >= or <=. Repeatable.")],
    reading: Reading = "plan", data: Data = None, as_json: Json = False, lang: Lang = None,
) -> None:
    """Add or replace statements and see the verdict change."""
    from simulate import consistency

    lang, reading = language(lang), readable(reading)
    registry = registry_with(data)
    registry.region(region)
    pairs: dict[str, str | float] = {}
    for given in settings:
        name, equals, value = given.partition("=")
        if name.endswith((">", "<")):  # gdp@2025>=900
            name, value = name[:-1], f"{name[-1]}={value}"
        if not equals:
            raise InvalidInput(Problem(f"--set: {given!r} is not understood.", "Write indicator@year=value, as gdp@2025=900."))
        pairs[name.strip()] = value.strip()
    with working("solving"):
        found = consistency.what_if(registry, region, pairs, reading=reading)
    if as_json:
        emit(found)
        return
    print(f"before: {found['before']['verdict']}\nafter:  {found['after']['verdict']}")  # noqa: T201
    for what in ("dissolved", "appeared"):
        for conflict in found[what]:
            rows = [[c["indicator"], c["place"], c["time"], f"{'≤' if c['side'] == 'at_most' else '≥'} {printed(c['value'])} {c['unit']}",
                     c["source"]] for c in conflict["statements"]]
            table(what, ["statement", "place", "when", "side", "source"], rows, right=(3,))


@app.command()
@guarded
def identities(data: Data = None, as_json: Json = False, lang: Lang = None) -> None:
    """List the identities and plausibility bands that plans are checked against."""
    from simulate import identities as module

    rows = module.listing(module.load_identities(registry_with(data).catalogue), language(lang))
    if as_json:
        emit(rows)
        return
    table("", ["id", "kind", "formula", "applies where", "what it says"],
          [[r["id"], r["kind"], r["formula"] + (f" in [{r['low']:g}, {r['high']:g}] {r['unit']}" if r["kind"] == "prior" else ""),
            "; ".join(f"{k} is {v}" for k, v in r["when"].items()), r["label"]] for r in rows], notes=[f"{len(rows)}"])
