"""Commands on what the plans say: check, targets, explain, measures, new-plan."""

from __future__ import annotations

from typing import Annotated

import typer

from simulate.cli import Data, Json, Lang, app, emit, guarded, language, printed, registry_with, sense, table

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


@app.command()
@guarded
def check(
    region: Annotated[str, typer.Argument(help="Region whose plan to check.")],
    data: Data = None, as_json: Json = False, lang: Lang = None,
) -> None:
    """Show what a plan's numbers imply: base, target, implied and stated growth, and what headline claims presuppose."""
    from simulate import claims, units

    lang = language(lang)
    registry = registry_with(data)
    registry.region(region)
    if as_json:
        emit(claims.as_data(registry, region))
        return
    w = WORDS[lang]
    rows = []
    for r in claims.implied(registry, region):
        implied = "" if r.change is None else w["points"].format(r.change)
        if r.growth is not None:
            implied = w["growth"].format(r.growth)
        stated = r.value if r.value is not None else r.target.value
        shown = "" if stated is None else sense(r.target.sense) + printed(stated)
        rows.append([r.indicator.label(lang), units.label(r.indicator.unit, lang), printed(r.base_value), shown, r.target.when, implied, f"{r.stated:g} %" if r.stated is not None else "", w.get(r.remark, r.remark)])
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
