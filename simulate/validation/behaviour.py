"""Tests of behaviour: loops cut one by one, the same code on every region, and behaviour that nobody asked for."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from simulate.feedback import Loop
from simulate.model import Array, Equation, Model, Parameter
from simulate.parameters import BASE_VALUES, LEVERS
from simulate.region import LOOPS
from simulate.runs import Trajectories
from simulate.scenarios import Shock
from simulate.setups import Setup
from simulate.validation.findings import RUNS, Case, Finding, Labels, Measure, below, case_for, judged, regions_to_validate, words

Link = tuple[str, str]

FEW = 5
"""Recorded values below which a share of them says nothing: coverage and shares of error are not judged."""


# ---------------------------------------------------------------- loops cut

def cut(model: Model, link: Link) -> tuple[Model, str]:
    """Return a copy of `model` in which the target of a link no longer sees its source, and the name that stands in its place.

    The name is a parameter, to be given the value at which the source is held; the source itself is still computed. A link
    runs from an argument to its equation, or from a flow to its stock. Raises ValueError where there is no such link.
    """
    source, target = link
    held = f"held_{source}"
    parameter = Parameter(held, model.units[source], None, f"{source}, held", over=model.over[source])

    def without(names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(held if n == source else n for n in names)

    stocks, equations = list(model.stocks), list(model.equations)
    for k, s in enumerate(stocks):
        if s.name == target and source in (*s.inflows, *s.outflows):
            stocks[k] = dataclasses.replace(s, inflows=without(s.inflows), outflows=without(s.outflows))
            break
    else:
        for k, e in enumerate(equations):
            if e.name == target and source in e.arguments:
                equations[k] = Equation(e.name, e.function, e.unit, e.over, without(e.arguments), e.documentation, e.source)
                break
        else:
            raise ValueError(f"{source} -> {target} is no link of the model")
    return dataclasses.replace(model, stocks=tuple(stocks), equations=tuple(equations), parameters=(*model.parameters, parameter)), held


def own_link(loops: Sequence[Loop], name: str) -> tuple[Link, list[str]]:
    """Return the link to cut for the mechanism `name`, and the other mechanisms that use it too.

    The link lies on every variant of the mechanism where there is one, and on as few other mechanisms as possible; among equals an
    argument of an equation rather than a flow into a stock, and an early rather than a late one.
    """
    variants = [x for x in loops if x.name == name]
    links = {x: _links(x) for x in loops}
    stocklike = {x.variables[0] for x in loops}
    best: tuple[tuple[int, int, bool, int], Link, list[str]] | None = None
    for position, link in enumerate(dict.fromkeys(k for x in variants for k in links[x])):
        missing = sum(link not in links[x] for x in variants)
        others = sorted({x.name for x in loops if x.name != name and link in links[x]})
        rank = (missing, len(others), link[1] in stocklike, position)
        if best is None or rank < best[0]:
            best = (rank, link, others)
    assert best is not None
    return best[1], best[2]


def _links(loop: Loop) -> tuple[Link, ...]:
    return tuple(zip(loop.variables, (*loop.variables[1:], loop.variables[0]), strict=True))


def loop_cuts(case: Case, loops: Sequence[Loop] = LOOPS) -> list[dict[str, Any]]:
    """Cut every named mechanism in turn, at its own link; return what that does.

    The source of the link is held at its base-year value for its target alone. `closed` and `open` are how far the source itself
    moves from its base value until the horizon with and without the link. A reinforcing loop amplifies (closed > open), a
    balancing one dampens (closed < open). `effect` is the change in each headline indicator, in per cent of the uncut run.
    """
    found = []
    for name in dict.fromkeys(x.name for x in loops):
        (source, target), others = own_link(loops, name)
        polarity = next(x.polarity for x in loops if x.name == name)
        model, held = cut(case.model, (source, target))
        whole, without = _without(case, case.setup, model, source, held)
        if np.array_equal(whole.values["gdp"], without.values["gdp"]) and np.array_equal(whole.values[source], without.values[source]):
            whole, without = _without(case, case.pushed, model, source, held)  # a loop that acts under policy only
        scale = np.abs(whole.values[source]).max(axis=0).sum()  # not the base value: a logarithm starts at 0
        moved = [float(np.abs(t.values[source][-1] - t.values[source][0]).sum() / max(scale, 1e-300)) for t in (whole, without)]
        effect = {i: float(100 * (without.indicator(i)[-1, 0] / whole.indicator(i)[-1, 0] - 1)) for i in case.headline}
        still = max(map(abs, effect.values())) < 1e-9 and abs(moved[0] - moved[1]) < 1e-9
        agrees = None if still or not np.isfinite(moved).all() else moved[0] > moved[1] if polarity == "R" else moved[0] < moved[1]
        found.append({"loop": name, "polarity": polarity, "link": [source, target], "others": others, "closed": moved[0], "open": moved[1],
                      "effect": effect, "agrees": agrees})
    return found


def _without(case: Case, setup: Setup, model: Model, source: str, held: str) -> tuple[Trajectories, Trajectories]:
    """Return the run of `setup` at the medians, and that of the cut `model` with the source held at its base-year value."""
    whole = case.project(setup, case.medians, keep=(source,))
    names = {"sector": setup.sectors, "cluster": setup.clusters}.get(model.over[held] or "")
    keys = [f"{held}[{n}]" for n in names] if names is not None else [held]
    first = np.ravel(whole.values[source][0])
    values = {**setup.values, **{k: float(v) for k, v in zip(keys, first, strict=True)}}
    return whole, case.project(dataclasses.replace(setup, model=model, values=values), case.medians, keep=(source,))


def anomaly(case: Case, loops: Sequence[Loop] = LOOPS) -> Finding:
    """Behaviour anomaly: what becomes of the region without each of its named loops."""
    cuts = loop_cuts(case, loops)
    figures = []
    main = case.headline[0]
    for c in cuts:
        named = f"{c['loop']} ({c['polarity']}): {c['link'][0]} → {c['link'][1]}"
        told = sorted(c["effect"].items(), key=lambda ix: (ix[0] != main, -abs(ix[1])))[:2]
        effect = "; ".join(f"{case.label(i).en} {x:+.1f} %" for i, x in told)
        effect_zh = "；".join(f"{case.label(i).zh} {x:+.1f} %" for i, x in told)
        size = f"{100 * c['closed']:.1f} % / {100 * c['open']:.1f} %"
        demand = words("增强：闭合＞断开" if c["polarity"] == "R" else "调节：闭合＜断开",
                       "R: moves more closed than cut" if c["polarity"] == "R" else "B: moves less closed than cut")
        if c["agrees"] is None:
            figures.append(Measure(words(named, named), words("在此地区不起作用", "does not act in this region")))
            continue
        figures.append(Measure(
            words(named, named), words(f"{size}；{effect_zh}", f"{size}; {effect}"), "",
            "passed" if c["agrees"] else "weak" if c["others"] else "failed", demand, None if c["agrees"] else words(
                f"回路“{c['loop']}”断开后的变化与其极性 {c['polarity']} 不符（{size}）",
                f"cutting the loop “{c['loop']}” does not move behaviour as its polarity {c['polarity']} says ({size}): "
                + (f"the link serves {', '.join(c['others'])} too" if c["others"] else "no other named loop uses the link")),
            1 + abs(c["closed"] - c["open"]) / max(c["closed"], c["open"], 1e-9)))
    figures.append(leading_loop(case))
    largest = max((c for c in cuts if c["agrees"] is not None), key=lambda c: abs(c["effect"][main]), default=None)
    note = None if largest is None else words(
        f"对“{case.label(main).zh}”影响最大的是“{largest['loop']}”：断开后 {case.horizon} 年 {largest['effect'][main]:+.1f} %。",
        f"The loop that matters most to {case.label(main).en} is “{largest['loop']}”: without it {largest['effect'][main]:+.1f} % in "
        f"{case.horizon}.")
    return Finding("anomaly", words(
        f"逐一断开 {len(cuts)} 个命名机制：只让一个环节看到源变量的基年值，其余照常；源变量至期末的变动，闭合 / 断开",
        f"{len(cuts)} named mechanisms cut in turn: one link sees its source at the base-year value, all else is as it was; shown is how "
        "far the source moves until the horizon, closed / cut, and what the headline indicators lose or gain"), tuple(figures), note,
        {"cuts": cuts, "horizon": case.horizon})


def leading_loop(case: Case) -> Measure:
    """Return the loop with the greatest Loops-That-Matter score in the last year, among the named and the shortest independent ones.

    A second opinion by another method: it weighs loops where the run is, a cut asks what the run would be without one.
    """
    from simulate.dominance import dominance, principal

    every = dominance(case.central)
    found = every.among(principal(every))
    scores = [float(x) if found.partition[k] == 0 else 0.0 for k, x in enumerate(found.median()[:, -1])]
    k = int(np.argmax(np.abs(scores)))
    name = found.loops[k].name
    return Measure(words(
        f"Loops That Matter：{case.horizon} 年得分最大的回路",
        f"Loops That Matter: the loop with the greatest score in {case.horizon}"),
                   f"{name} ({found.loops[k].polarity}) {100 * scores[k]:+.0f} %")


# ---------------------------------------------------------------- family

def base_errors(t: Trajectories) -> dict[str, float]:
    """Return the relative error, in the base year, of every variable for which the region's data give a base value."""
    parameters = t.setup.parameters(t.drawn)
    found = {}
    for p in BASE_VALUES:
        variable = p.name.removesuffix("_base")
        if variable in t.values and (parameters[p.name] > 0).all():
            found[variable] = float(np.abs(t.values[variable][0] / parameters[p.name] - 1).max())
    return found


def growth_rates(t: Trajectories, id: str, years: int | None = None) -> Array:
    """Return the mean yearly growth in per cent of an indicator over the first `years` (None: all), shape (runs,)."""
    x = t.indicator(id)
    last = len(x) - 1 if years is None else min(years, len(x) - 1)
    return np.asarray(100 * ((x[last] / x[0]) ** (1 / last) - 1))


def family(case: Case) -> Finding:
    """Family member: the same equations, without a word of code changed, on every region of the registry."""
    figures = []
    rows: list[dict[str, Any]] = []
    for id in regions_to_validate(case.registry):
        other = case if id == case.region else dataclasses.replace(case_for(case.registry, id), model=case.model)
        t = other.ensemble
        label = case.registry.regions[id]
        errors = base_errors(t)
        worst = max(errors, key=errors.__getitem__)
        rates = growth_rates(t, "gdp")[t.finite]
        low, middle, high = (float(q) for q in np.quantile(rates, (0.05, 0.5, 0.95)))
        firms = float(np.median(growth_rates(t, "high_tech_enterprises"))) if "high_tech_enterprises" in t.outputs else float("nan")
        rows.append({"region": id, "from": int(t.years[0]), "to": int(t.years[-1]), "low": low, "median": middle, "high": high,
                     "firms": firms})
        figures += [
            below(words(
                f"{label.zh}：基年 {len(errors)} 项数据的最大相对误差",
                f"{label.en}: largest relative error of {len(errors)} base-year values"),
                  errors[worst], 1e-9, strict=True, worry=words(
                      f"{label.zh}基年 {worst} 未被复现",
                      f"{label.en}: base-year {worst} is not reproduced")),
            judged(words(f"{label.zh}：{rows[-1]['from']}–{rows[-1]['to']} 年均 GDP 增速，中位数（5–95 %）",
                         f"{label.en}: GDP growth a year {rows[-1]['from']}-{rows[-1]['to']}, median (5-95 %)"),
                   round(middle, 2), f"% ({low:.1f} – {high:.1f})", words(
                       "-3 至 15 %（判断）",
                       "-3 to 15 % (judgement)"), ok=low >= -3 and high <= 15, soft=True,
                   ratio=max(high / 15, 1.01), worry=words(f"{label.zh}的增速区间 {low:.1f}–{high:.1f} % 超出经验范围",
                                                          f"{label.en}: growth from {low:.1f} to {high:.1f} % lies outside experience")),
        ]
    starts = [r["from"] for r in rows]
    alike = [r for r in rows if r["from"] == max(starts, key=starts.count)]  # the base year that most of them share
    if len(alike) > 1:
        apart = max(r["median"] for r in alike) - min(r["median"] for r in alike)
        told = apart / float(np.mean([r["high"] - r["low"] for r in alike]))
        figures.append(judged(
            words(f"{len(alike)} 个同基年地区增速中位数之差 / 单个地区的 5–95 % 宽度",
                  f"spread of median growth over {len(alike)} regions of one base year, over one region's 5-95 % width"), told, "",
            words("≥ 0.25（判断）", "≥ 0.25 (judgement)"), ok=told >= 0.25, soft=True, ratio=0.25 / max(told, 0.01), worry=words(
                f"{len(alike)} 个地区的增速中位数只差 {apart:.2f} 点：行为先验相同，模型分不出地区之间的差别",
                f"median growth of {len(alike)} regions differs by {apart:.2f} points only: they share their priors, and the model cannot "
                "tell one region from another")))
    return Finding("family", words(
        f"{len(rows)} 个地区各运行其默认情景 {RUNS:,} 次",
        f"the default scenario of each of {len(rows)} regions, {RUNS:,} runs"),
                   tuple(figures), None, {"regions": rows})


# ---------------------------------------------------------------- surprise

def oscillating(x: Array, amplitude: float = 0.1) -> Array:
    """Return which runs of (years, runs) swing: growth turns at least three times, by more than `amplitude` points each time."""
    growth = 100 * np.diff(np.log(np.maximum(x, 1e-300)), axis=0)
    steps = np.diff(growth, axis=0)
    steps[np.abs(steps) < amplitude] = 0
    turns = np.zeros(x.shape[1], dtype=int)
    last = np.zeros(x.shape[1])
    for row in np.sign(steps):
        turns += (row != 0) & (last != 0) & (row != last)
        last = np.where(row != 0, row, last)
    return np.asarray(turns >= 3)


def overshooting(x: Array, fall: float = 0.02) -> Array:
    """Return which runs of (years, runs) rise above their start and end more than `fall` below their peak."""
    peak = x.max(axis=0)
    return np.asarray((peak > (1 + fall) * x[0]) & (x[-1] < (1 - fall) * peak))


def lever_effects(case: Case, runs: int = 256) -> dict[str, dict[str, Array]]:
    """Return for every lever alone at full strength its effect on each indicator in the last year, in per cent: shape (runs,)."""
    drawn = case.draw(runs)
    base = case.project(case.setup, drawn)
    found: dict[str, dict[str, Array]] = {}
    for lever in LEVERS:
        t = case.project(case.levered(**{lever: 1.0}), drawn)
        with np.errstate(all="ignore"):
            found[lever] = {i: np.asarray(100 * (t.indicator(i)[-1] / base.indicator(i)[-1] - 1)) for i in base.outputs}
    return found


def responses(case: Case) -> list[str]:
    """Return the levers (and `all`) whose strength moves a headline indicator now up, now down, at the medians."""
    found = []
    levels = np.linspace(0, 1, 6)
    drawn = {k: np.repeat(a, len(levels)) for k, a in case.medians.items()}
    for name in (*LEVERS, "all"):
        levers = dict.fromkeys(LEVERS, 1.0) if name == "all" else {name: 1.0}
        t = case.project(case.levered(**levers), {**drawn, **{f"levers.{n}": levels for n in levers}})
        for i in case.headline:
            steps = np.diff(t.indicator(i)[-1])
            scale = 1e-9 * np.abs(t.indicator(i)[-1]).max()
            if (steps > scale).any() and (steps < -scale).any():
                found.append(f"{name} → {i}")
    return found


@dataclass(frozen=True)
class Loss:
    """What losing half of utilisation once takes from GDP, in per cent of the baseline: at the worst, in the last year, three before.

    `supply` and `capital` are what labour supply and capital lack in the last year; `years` lie between shock and horizon.
    """

    worst: float
    last: float
    before: float
    supply: float
    capital: float
    years: int

    @property
    def healing(self) -> bool:
        """Whether the loss still shrinks by more than a twentieth in the last three years."""
        return self.last < 0.95 * self.before


def lasting_loss(case: Case) -> Loss:
    """Lose half of utilisation once, two years after the base year and within a quarter, at the medians."""
    start = case.setup.base_year + 2.0
    t = case.project(case.settle(shocks={**case.scenario.shocks, "once": Shock(start=start, size=0.5, duration=0.25)}), case.medians)

    def lacking(name: str, year: int = -1) -> float:
        return float(100 * (1 - t.values[name][year].sum() / case.central.values[name][year].sum()))

    path = [lacking("gdp", k) for k in range(len(t.years))]
    return Loss(max(path), path[-1], path[-4], lacking("labour_supply"), lacking("capital"), case.horizon - int(start))


def _shock_figure(loss: Loss) -> Measure:
    share = 100 * loss.last / loss.worst
    tail = words("，且仍在缩小", ", and shrinking") if loss.healing else words(
        "，且不再缩小：外流的劳动力不回流，没有令地区规模回归的力量",
        ", and no longer shrinking: who left does not come back, and nothing pulls the region's size back")
    return below(
        words(f"一次性冲击（开工率减半一季）{loss.years} 年后仍缺失的 GDP / 最大损失",
              f"of GDP's largest loss to a single shock, still missing {loss.years} years later"), share, 10.0, "%", worry=words(
            f"开工率一次性减半一季，GDP 最多少 {loss.worst:.0f} %，{loss.years} 年后仍少 {loss.last:.1f} %"
            f"（劳动力供给少 {loss.supply:.1f} %，资本少 {loss.capital:.1f} %）{tail.zh}",
            f"half of utilisation lost for a quarter costs {loss.worst:.0f} % of GDP at the worst and still {loss.last:.1f} % {loss.years} "
            f"years later, with {loss.supply:.1f} % less labour supply and {loss.capital:.1f} % less capital{tail.en}"))


def surprise(case: Case) -> Finding:
    """Surprise behaviour: an automatic search for what nobody asked for."""
    t = case.ensemble
    gdp = t.indicator("gdp")[:, t.finite]
    rates = growth_rates(t, "gdp")[t.finite]
    swing, over = 100 * float(oscillating(gdp).mean()), 100 * float(overshooting(gdp).mean())
    fast, shrink = 100 * float((rates > 10).mean()), 100 * float((rates < 0).mean())
    figures = [
        below(words("GDP 增速振荡的模拟", "runs in which GDP growth swings"), swing, 5.0, "%",
              worry=words(f"{swing:.0f} % 的模拟出现振荡", f"GDP growth swings in {swing:.0f} % of runs")),
        below(words("GDP 先升后降（回落 2 % 以上）的模拟", "runs in which GDP peaks and falls back by more than 2 %"), over, 5.0, "%",
              worry=words(
                  f"{over:.0f} % 的模拟 GDP 见顶回落，无任何冲击",
                  f"without any shock, GDP peaks and falls back in {over:.0f} % of runs")),
        below(words("GDP 年均增速超过 10 % 的模拟", "runs with GDP growth above 10 % a year"), fast, 5.0, "%",
              worry=words(f"{fast:.0f} % 的模拟增速超过 10 %", f"GDP grows by more than 10 % a year in {fast:.0f} % of runs")),
        below(words("GDP 期末低于基年的模拟", "runs in which GDP ends below its base"), shrink, 10.0, "%",
              worry=words(f"{shrink:.0f} % 的模拟期末 GDP 低于基年", f"GDP ends below its base value in {shrink:.0f} % of runs")),
    ]
    fallen = []
    for s in case.model.stocks:
        x = t.values[s.name]
        if s.name == "energy_intensity" or not x.size or (x[0] == 0).all():
            continue
        x = x.reshape(len(x), -1, x.shape[-1])
        share = float((x[-1] < 0.2 * x[0]).any(axis=0).mean())
        if share > 0:
            fallen.append(f"{s.name} ({100 * share:.1f} %)")
    figures.append(judged(words(
        "跌至基年五分之一以下的存量",
        "stocks that fall below a fifth of their base"), len(fallen), "", words("0", "0"), ok=not fallen,
                          soft=True, ratio=1.0 + len(fallen), worry=words(f"有模拟中跌去八成的存量：{'、'.join(fallen)}",
                                                                        f"stocks that lose four fifths in some runs: {', '.join(fallen)}")))
    central = case.central.indicator("gdp")[:, 0]
    yearly = 100 * np.diff(np.log(central))
    jump = float(yearly[0] - yearly[1:4].mean()) if len(yearly) > 3 else 0.0
    figures.append(below(words(
        "首年增速高出随后三年均值（初始调整）",
        "first-year growth above the mean of the three years after (initial transient)"), abs(jump), 1.0,
                         words("点", "points"), worry=words(
                             f"首年增速与随后相差 {jump:+.1f} 点：基年未处于均衡",
                             f"the first year grows {jump:+.1f} points off the three after it: the base year is not in balance")))
    figures.append(_shock_figure(lasting_loss(case)))
    effects = lever_effects(case)
    backward = [(lever, i, float(np.median(x))) for lever, by in effects.items() for i, x in by.items() if i in case.headline
                and np.isfinite(np.median(x)) and np.median(x) < -0.01]
    on_gdp = [b for b in backward if b[1] == "gdp"]
    figures += [
        judged(words(
            "令 GDP 变小的政策",
            "levers that make GDP smaller"), len(on_gdp), "", words("0", "0"), ok=not on_gdp, ratio=1.0 + len(on_gdp),
               worry=words(f"令 GDP 变小的政策：{on_gdp}", f"levers that lower GDP: {on_gdp}")),
        Measure(words(
            "令某主要指标变差的政策（单独全力，中位数）",
            "levers that worsen a headline indicator (alone, full strength, median)"), words(
            "；".join(f"{lever} → {case.label(i).zh} {x:+.2f} %" for lever, i, x in backward) or "无",
            "; ".join(f"{lever} → {case.label(i).en} {x:+.2f} %" for lever, i, x in backward) or "none")),
    ]
    bent = responses(case)
    figures.append(judged(words(
        "随强度忽增忽减的政策响应",
        "responses to a lever's strength that go up and down"), len(bent), "", words("0", "0"), ok=not bent,
                          soft=True, ratio=1.0 + len(bent), worry=words(
                              f"非单调响应：{'；'.join(bent)}",
                              f"non-monotone responses: {'; '.join(bent)}")))
    return Finding("surprise", words(
        f"在 {RUNS:,} 次模拟中自动查找振荡、超调、崩塌与过快增长；一次性冲击的余波；每项政策对每个指标的符号；强度响应是否单调",
        f"{RUNS:,} runs searched for swings, overshoot, collapse and runaway growth; what a single shock leaves behind; the sign of every "
        "lever on every indicator; whether responses to strength are monotone"), tuple(figures))


# ---------------------------------------------------------------- reproduction

def _skill(label: Labels, errors: Mapping[str, float], n: int) -> Measure:
    """Return the model's mean absolute error over that of the best naive forecast; a tenth better is asked, as few points are noisy."""
    from simulate.backtest import NAIVE

    best = min((name for name in NAIVE if name in errors), key=lambda name: errors[name])
    ratio = errors["model"] / errors[best] if errors[best] > 0 else float("inf")
    return below(words(
        f"{label.zh}：平均绝对误差 / 最好的朴素预测（{NAIVE[best]['zh']}）",
        f"{label.en}: mean absolute error over that of the best naive forecast ({NAIVE[best]['en']})"), ratio, 0.9, worry=words(
            f"“{label.zh}”的平均绝对误差 {errors['model']:.2f}，朴素预测“{NAIVE[best]['zh']}”为 {errors[best]:.2f}（n = {n}）："
            "几无额外预测力",
            f"{label.en}: mean absolute error {errors['model']:.2f} against {errors[best]:.2f} of “{NAIVE[best]['en']}” (n = {n}): hardly "
            "any skill of its own"))


def reproduction(case: Case, runs: int = RUNS) -> Finding:
    """Behaviour reproduction: a back-test from the base year against the recorded values of later years."""
    from simulate.backtest import backtest
    from simulate.errors import InvalidInput

    done = words(
        f"自基年起的后验检验，{runs:,} 次模拟：Theil 不等系数及偏差、方差、协方差份额，区间覆盖，与朴素预测比较",
        f"back-test from the base year, {runs:,} runs: Theil's inequality coefficients with the shares of bias, variance and covariance, "
        "coverage, naive forecasts beside it")
    try:
        b = backtest(case.registry, case.scenario, runs=runs, seed=case.scenario.seed)
    except InvalidInput:
        return Finding("reproduction", done, (Measure(
            words(
                "可对照的记录值",
                "recorded values to hold the projection against"), 0, "", "not testable", words("至少 1 个", "at least 1"),
            words("没有一个记录值可与投影对照", "not one recorded value can be held against the projection"), 2.0),))
    figures: list[Measure] = []
    counted = len(b.counted)
    if not counted:
        figures.append(Measure(words(
            "可计分的记录值（全年、同口径、独立）",
            "recorded values that count (whole year, same basis, independent)"), 0, "", "not testable",
                               words("至少 1 个", "at least 1"), words(
                                   "记录全为半年、非独立或换了口径，区间未经检验",
                                   "all records are half-years, not independent or on another basis: the bands stay untested"), 2.0))
    for id, u in b.theil.items():
        label = case.label(id)
        better = u.u2 is None or u.u2 < 1
        figures.append(judged(
            words(f"{label.zh}：Theil U2（对照“{u.against}”），n = {u.n}", f"{label.en}: Theil's U2 (against “{u.against}”), n = {u.n}"),
            float("nan") if u.u2 is None else u.u2, "", words("< 1", "< 1"), ok=better, soft=True, ratio=u.u2 or 1.0, worry=words(
                f"“{label.zh}”的预测不优于朴素预测（U2 = {u.u2 or 0:.2f}，n = {u.n}）",
                f"{label.en}: no better than the naive forecast (U2 = {u.u2 or 0:.2f}, n = {u.n})")))
        figures.append(Measure(words(
            f"{label.zh}：U1；偏差 / 方差 / 协方差份额",
            f"{label.en}: U1; shares of bias / variance / covariance"),
                               f"{u.u1:.3f}; {100 * u.bias:.0f} / {100 * u.variance:.0f} / {100 * u.covariance:.0f} %"))
        systematic = 100 * (u.bias + u.variance)
        if u.n < FEW:
            continue
        figures.append(_skill(label, b.errors[id], u.n))
        figures.append(below(words(
            f"{label.zh}：均方误差中的系统部分（偏差与方差）",
            f"{label.en}: systematic part of the mean square error (bias and variance)"), systematic, 50.0,
                             "%", worry=words(
                                 f"“{label.zh}”的误差有 {systematic:.0f} % 是系统性的（偏差 {100 * u.bias:.0f} %，方差 "
                                 f"{100 * u.variance:.0f} %，n = {u.n}）",
                                 f"{systematic:.0f} % of the error of {label.en} is systematic (bias {100 * u.bias:.0f} %, variance "
                                 f"{100 * u.variance:.0f} %, n = {u.n}): the model misses level or swing, not only noise")))
    for band in (50, 90):
        raw, full = b.coverage(band), b.coverage(band, predictive=True)
        if 0 < raw.n < FEW:
            figures.append(Measure(
                words(
                    f"{band} % 区间内的记录值",
                    f"records inside the {band} % band"), 100 * raw.share, f"% (n = {raw.n})", "not testable", words(
                    f"至少 {FEW} 个", f"at least {FEW}"), words(f"可计分的记录值只有 {raw.n} 个：区间未经检验",
                                                                f"only {raw.n} recorded values count: the bands stay untested"), 2.0))
        elif raw.n:
            low, high = full.interval
            ok = low <= band / 100 <= high
            figures.append(judged(
                words(f"{band} % 区间（含年度扰动）内的记录值；95 % 置信区间 {100 * low:.0f}–{100 * high:.0f} %",
                      f"records inside the {band} % band (with yearly disturbances); 95 % interval {100 * low:.0f}-{100 * high:.0f} %"),
                100 * full.share, f"% (n = {full.n})", words(f"区间含 {band} %", f"interval holds {band} %"), ok=ok, soft=True, ratio=1.5,
                worry=words(
                    f"{band} % 区间只含 {full.inside}/{full.n} 个记录值",
                    f"the {band} % band holds {full.inside} of {full.n} records only")))
            low, high = raw.interval
            ok = low <= band / 100 <= high
            figures.append(judged(
                words(
                    f"{band} % 区间（仅模型自身）内的记录值",
                    f"records inside the {band} % band of the runs alone"), 100 * raw.share, f"% (n = {raw.n})",
                words(
                    f"置信区间含 {band} %",
                    f"95 % interval holds {band} %"), ok=ok, soft=True, ratio=(band / 100) / max(raw.share, 0.01), worry=words(
                        f"不加年度扰动时，{band} % 区间只含 {raw.inside}/{raw.n} 个记录值：集合过窄，逐年波动不在模型内",
                        f"without yearly disturbances the {band} % band holds {raw.inside} of {raw.n} records: the ensemble is too narrow, "
                        "swings of single years are not in the model")))
    points = [{"indicator": h.point.indicator, "year": h.point.year, "value": h.point.value, "unit": h.point.unit, "status": h.point.status,
               "quantiles": list(h.quantiles), "predictive": list(h.predictive)} for h in b.held]
    return Finding("reproduction", done, tuple(figures), words(
        "模型结构与先验成文晚于这些年份：回测不能抹去作者的事后知识。",
        "Structure and priors were written after these years: no back-test undoes what their authors knew."),
                   {"points": points, "split": b.split})
