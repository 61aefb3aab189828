"""Tests of what drives results: the boundary, parameters and what data say of them, sensitivity, and whether policy can be judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from simulate import outturns
from simulate.attainment import judge_all
from simulate.model import Array, Parameter
from simulate.parameters import LEVERS
from simulate.runs import Trajectories
from simulate.scenarios import parameter_and_element
from simulate.validation.behaviour import growth_rates, lever_effects
from simulate.validation.findings import RUNS, Case, Finding, Measure, below, judged, shown, words

EXOGENOUS = {
    "productivity_growth": words("外生技术进步", "exogenous productivity growth"),
    "human_capital_growth": words("人力资本增长", "human capital growth"),
    "natural_labour_growth": words("劳动力自然增长", "natural growth of the labour supply"),
    "outside_wage_growth": words("区外工资增长", "growth of wages elsewhere"),
    "deflator_growth": words("价格上涨", "growth of the price level"),
    "value_added_ratio_drift": words("增加值率趋势", "drift of the value-added ratio"),
    "energy_saving_rate": words("节能趋势", "trend of energy saving"),
}
"""Parameters that are the course of something outside the model, not behaviour within it."""

EXCLUDED = (
    words(
        "需求、贸易与投入产出联系",
        "demand, trade and input-output links"), words("土地、住房与生活成本", "land, housing and the cost of living"),
    words("金融、债务与区外资金", "finance, debt and money from outside"), words("年龄结构与参与率", "age structure and participation"),
    words(
        "其他地区的竞争与转移效应",
        "rivalry with other regions and displacement"), words("环境与能源供给", "environment and energy supply"),
)
"""What the model leaves out, of what a reviewer would look for."""


def rank_coefficients(drawn: Mapping[str, Array], y: Array) -> tuple[dict[str, float], float]:
    """Return the standardised rank regression coefficient of every input that varies, and the R² of the regression.

    Inputs are drawn independently, so that the squares are shares of the ranks' variance (Saltelli and others 2008); R² well
    below 1 would mean that the response is not monotone. `y` has shape (runs,); runs that are not finite are left out.
    """
    from scipy.stats import rankdata

    good = np.isfinite(y)
    names = [k for k, a in drawn.items() if np.ptp(a) > 0]
    if not names or np.ptp(y[good]) == 0:
        return {}, float("nan")
    x = np.stack([rankdata(drawn[k][good]) for k in names], axis=1)
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    r = rankdata(y[good])
    r = (r - r.mean()) / r.std()
    b, *_ = np.linalg.lstsq(x, r, rcond=None)
    return dict(zip(names, map(float, b), strict=True)), float(1 - np.mean((r - x @ b) ** 2))


def headline_coefficients(case: Case) -> dict[str, tuple[dict[str, float], float]]:
    """Return the rank coefficients of every headline indicator in the last year over the baseline's ensemble."""
    t = case.ensemble
    return {i: rank_coefficients(t.drawn, t.indicator(i)[-1]) for i in case.headline}


# ---------------------------------------------------------------- boundary

def growth_range(case: Case, keys: Sequence[str]) -> tuple[float, float]:
    """Return the yearly GDP growth in per cent with the inputs `keys` at their 5 % and at their 95 % quantile, others at medians."""
    found = []
    for q in (0.05, 0.95):
        moved = {k: case.setup.drawn[k].quantile(np.array([q])) for k in keys}
        found.append(float(growth_rates(case.project(case.setup, {**case.medians, **moved}), "gdp")[0]))
    return found[0], found[1]


def boundary(case: Case) -> Finding:
    """Boundary adequacy: what is inside, what comes from outside, what is left out, and how much hangs on what comes from outside."""
    model = case.model
    fixed = {e.name for e in model.constants}
    inside = len(model.stocks) + sum(e.name not in fixed for e in model.equations)
    outside = {k: label for k, label in EXOGENOUS.items() if k in case.setup.drawn}
    y = growth_rates(case.ensemble, "gdp")
    b, fit = rank_coefficients(case.ensemble.drawn, y)
    whole = sum(x * x for x in b.values())
    share = 100 * sum(b.get(k, 0.0) ** 2 for k in outside) / whole
    moved = {k: growth_range(case, [k]) for k in outside}
    order = sorted(moved, key=lambda k: -abs(moved[k][1] - moved[k][0]))
    first = order[0]
    reach = abs(moved[first][1] - moved[first][0])
    rates = np.quantile(y[np.isfinite(y)], (0.05, 0.95))
    years = f"{case.setup.base_year}–{case.horizon}"
    figures = (
        Measure(words("内生变量（存量与随时间变化的方程）", "endogenous: stocks and equations that move in time"), inside),
        Measure(words(
            "外生：随时间给定的输入 / 外生趋势 / 其他参数",
            "exogenous: inputs over time / courses from outside / other parameters"),
                f"{len(model.inputs)} / {len(EXOGENOUS)} / {len(model.parameters) - len(EXOGENOUS)}"),
        Measure(words("未纳入", "left out"), words("；".join(x.zh for x in EXCLUDED), "; ".join(x.en for x in EXCLUDED))),
        below(words(
            f"{years} 年 GDP 增速的方差中来自外生趋势的份额",
            f"share of the variance of GDP growth {years} that comes from outside the boundary"), share, 50.0, "%",
              fail=90.0, worry=words(
                  f"GDP 增速方差的 {share:.0f} % 来自模型之外给定的趋势，首先是{outside[first].zh}：模型解释的是偏离趋势的部分，"
                  "不是趋势本身",
                  f"{share:.0f} % of the variance of GDP growth comes from courses given from outside, first {outside[first].en}: the "
                  "model explains what departs from the trend, not the trend")),
        *(Measure(words(f"{outside[k].zh}：5 % → 95 % 分位时的增速", f"{outside[k].en}: growth at its 5 % → 95 % quantile"),
                  f"{moved[k][0]:.2f} → {moved[k][1]:.2f}", words("%/年", "% a year"))
          for k in order if abs(moved[k][1] - moved[k][0]) >= 0.005),
        Measure(words("单个外生趋势的最大影响 / 集合 5–95 % 宽度", "largest reach of one of them over the ensemble's 5-95 % width"),
                reach / float(rates[1] - rates[0])),
    )
    return Finding("boundary", words(
        f"方程与输入逐一归类；{RUNS:,} 次模拟的秩回归把增速方差分给各输入（R² = {fit:.2f}）；外生趋势逐一移至 5 % 与 95 % 分位",
        f"equations and inputs classed; rank regression over {RUNS:,} runs shares the variance of growth out (R² = {fit:.2f}); every "
        "course from outside moved to its 5 % and 95 % quantile in turn"), figures, None, {"outside": {k: moved[k] for k in order}})


# ---------------------------------------------------------------- parameters

def grounds(p: Parameter) -> str:
    """Return what a parameter rests on: data, definition, literature, or judgement (also where judgement is part of it)."""
    if p.indicator is not None or p.source in ("the region's data", "the plan"):
        return "data"
    if p.prior is None:
        return "definition"
    return "judgement" if "judgement" in p.source else "literature"


def learned(t: Trajectories, points: Sequence[outturns.Point], base_year: int) -> tuple[dict[str, float], int]:
    """Return by how much the points reduce the variance of every uncertain input (0 nothing, 1 all), and how many directions they tell.

    Linear and Gaussian from the ensemble's covariances, as in an ensemble Kalman update (Evensen 1994): with D the predicted
    points, R their errors' covariance, the reduction of input x is C_xD (C_DD + R)⁻¹ C_Dx / C_xx. Directions: eigenvalues of
    R^-1/2 C_DD R^-1/2 above 1, where what the inputs spread exceeds what the errors hide.
    """
    told = np.array([outturns.on_error_scale(p, row) for p, row in zip(points, outturns.predicted(t, points), strict=True)])[:, t.finite]
    error = outturns.error_covariance(points, base_year)
    anomalies = told - told.mean(axis=1, keepdims=True)
    spread = anomalies @ anomalies.T / (anomalies.shape[1] - 1)
    values, vectors = np.linalg.eigh(error)
    root = vectors / np.sqrt(values) @ vectors.T
    directions = int((np.linalg.eigvalsh(root @ spread @ root) > 1).sum())
    solved = np.linalg.inv(spread + error)
    found = {}
    for k, a in t.drawn.items():
        x = a[t.finite] - a[t.finite].mean()
        if x.std() > 0:
            c = anomalies @ x / (len(x) - 1)
            found[k] = float(c @ solved @ c / (x @ x / (len(x) - 1)))
    return found, directions


def acting(case: Case) -> set[str]:
    """Return the uncertain inputs that move anything in the baseline: not those of levers it does not pull."""
    keys = list(case.setup.drawn)
    drawn = {k: np.repeat(a, 2 * len(keys)) for k, a in case.medians.items()}
    for column, k in enumerate(keys):
        drawn[k][2 * column: 2 * column + 2] = case.setup.drawn[k].quantile(np.array([0.05, 0.95]))
    t = case.project(case.setup, drawn)
    moved = np.zeros(len(keys), dtype=bool)
    for x in t.values.values():
        pairs = x.reshape(-1, len(keys), 2)
        moved |= (np.abs(pairs[..., 0] - pairs[..., 1]) > 1e-12 * np.abs(pairs[..., 0])).any(axis=0)
    return {k for k, yes in zip(keys, moved, strict=True) if yes}


def parameters(case: Case) -> Finding:
    """Parameter assessment: the ground of every parameter, the width of its prior, and what the record can say of it."""
    rows = [p for p in case.model.parameters if p.prior is not None]
    kinds = [grounds(p) for p in rows]
    judgement = kinds.count("judgement")
    share = 100 * judgement / len(rows)
    none = [p.name for p in case.model.parameters if not p.source]
    width = {k: (d.support[1] - d.support[0]) / max(abs(d.centre), 1e-12) for k, d in case.setup.drawn.items()
             if not d.support[0] < 0 < d.support[1]}
    broadest = sorted(width, key=lambda k: -width[k])[:3]
    wide = []
    for key, d in case.setup.drawn.items():
        low, high = d.support
        if low < 0 < high:
            wide.append(key)
    b = headline_coefficients(case)[case.headline[0]][0]
    judged_names = {p.name for p, kind in zip(rows, kinds, strict=True) if kind == "judgement"}
    weight = sum(x * x for k, x in b.items() if parameter_and_element(k)[0] in judged_names) / max(sum(x * x for x in b.values()), 1e-300)
    main = case.label(case.headline[0])
    figures = [
        judged(words("无来源的参数", "parameters without a ground"), len(none), "", words("0", "0"), ok=not none, ratio=1.0 + len(none),
               worry=words(f"无来源：{'、'.join(none[:5])}", f"no ground given: {', '.join(none[:5])}")),
        Measure(words(
            "有先验的参数：文献 / 判断",
            "parameters with a prior: literature / judgement"), f"{kinds.count('literature')} / {judgement}"),
        below(words("先验仅凭判断的份额", "share of priors that rest on judgement"), share, 50.0, "%", worry=words(
            f"{len(rows)} 个先验中 {judgement} 个（{share:.0f} %）凭判断，承担“{main.zh}”方差的 {100 * weight:.0f} %",
            f"{judgement} of {len(rows)} priors ({share:.0f} %) rest on judgement and carry {100 * weight:.0f} % of the variance of "
            f"{main.en}")),
        Measure(words(
            f"判断性先验在 {case.horizon} 年“{main.zh}”方差中的份额",
            f"their share of the variance of {main.en} in {case.horizon}"), 100 * weight, "%"),
        Measure(words("先验宽度 / 中位数：典型值，最宽者", "width of the prior over its median: typical, and the widest"),
                f"{np.median(list(width.values())):.2f}; " + ", ".join(f"{k} {width[k]:.1f}" for k in broadest)),
        Measure(words(
            "先验跨零（符号未定）的输入",
            "inputs whose prior spans zero (sign not settled)"), words("、".join(wide) or "无", ", ".join(wide) or "none")),
    ]
    recorded = outturns.recorded(case.registry, case.setup, case.setup.base_year, case.horizon)
    points = [p for p in recorded if p.status in ("counted", "fitted")]
    active = acting(case)
    uncertain = len(active)
    data: dict[str, Any] = {}
    if points:
        found, directions = learned(case.ensemble, points, case.setup.base_year)
        told = {k: x for k, x in sorted(found.items(), key=lambda kx: -kx[1]) if x >= 0.1 and k in active}
        best = "; ".join(f"{k} {100 * x:.0f} %" for k, x in list(told.items())[:6])
        data = {"learned": dict(sorted(found.items(), key=lambda kx: -kx[1])[:10])}
        figures += [
            below(words(f"{len(points)} 个记录值不能识别（方差缩减不足 10 %）的输入份额（共 {uncertain} 个）",
                        f"inputs of which {len(points)} recorded values tell nothing (variance reduced by less than 10 %), of {uncertain}"),
                  100 * (uncertain - len(told)) / uncertain, 50.0, "%", worry=words(
                      f"{uncertain} 个不确定输入中，记录只能约束 {directions} 个方向、{len(told)} 个参数（{best}）；其余后验等于先验",
                      f"of {uncertain} uncertain inputs the record tells {directions} direction(s) and {len(told)} parameter(s) ({best}): "
                      "for all others the answer is the prior put in")),
            Measure(words("可识别的参数（方差缩减）", "parameters it tells (variance reduced by)"), best or words("无", "none")),
            Measure(words("可识别的方向（信号大于误差）", "directions it tells (signal above error)"), directions),
        ]
    else:
        figures.append(Measure(
            words(
                "可用于识别的记录值",
                "recorded values that could tell parameters"), 0, "", "not testable", words("至少 1 个", "at least 1"), words(
                f"没有一个全年、同口径的记录值可用于识别 {uncertain} 个不确定输入",
                f"not one recorded value of a whole year on the same basis can tell any of {uncertain} uncertain inputs"), 2.0))
    return Finding("parameters", words(
        "逐一核对来源；先验是否跨零；以集合协方差计算记录值对每个输入方差的缩减（线性高斯近似）",
        "grounds read off; priors that span zero; how far the recorded values reduce the variance of every input, from the ensemble's "
        "covariances (linear, Gaussian)"), tuple(figures), None, data)


# ---------------------------------------------------------------- sensitivity

def agreement(ranks: Any) -> float:
    """Return Kendall's coefficient of concordance W of rankings, shape (draws, levers): 1 all alike, 0 no agreement."""
    draws, n = ranks.shape
    totals = ranks.sum(axis=0)
    return float(12 * ((totals - totals.mean()) ** 2).sum() / (draws**2 * (n**3 - n)))


def patterns(x: Array) -> dict[str, float]:
    """Return the shares of runs of (years, runs) that fall at the end, that grow faster at the end than at the start, and slower."""
    growth = np.diff(np.log(np.maximum(x, 1e-300)), axis=0)
    third = max(len(growth) // 3, 1)
    early, late = growth[:third].mean(axis=0), growth[-third:].mean(axis=0)
    falling, faster = late < 0, (late >= 0) & (late > early)
    return {"falling": float(falling.mean()), "accelerating": float(faster.mean()), "slowing": float((~falling & ~faster).mean())}


PATTERNS = {"falling": words("期末下降", "falls at the end"), "accelerating": words("加速", "speeds up"), "slowing": words("放缓", "slows")}


def sensitivity(case: Case) -> Finding:
    """Numerical, behavioural and policy sensitivity over the baseline's ensemble."""
    figures: list[Measure] = []
    tornado: dict[str, list[tuple[str, float]]] = {}
    for i, (b, fit) in headline_coefficients(case).items():
        top = sorted(b.items(), key=lambda kx: -abs(kx[1]))[:10]
        tornado[i] = top
        label = case.label(i)
        lead = sum(x * x for _, x in top[:3]) / max(sum(x * x for x in b.values()), 1e-300)
        figures += [
            Measure(words(f"{label.zh}（{case.horizon}）：影响最大的十个输入（标准化秩回归系数）",
                          f"{label.en} in {case.horizon}: the ten inputs that drive it most (standardised rank coefficients)"),
                    "; ".join(f"{k} {x:+.2f}" for k, x in top)),
            judged(words(
                f"{label.zh}：秩回归 R²（前三个输入占 {100 * lead:.0f} %）",
                f"{label.en}: R² of the rank regression (the first three make {100 * lead:.0f} %)"),
                   fit, "", words("≥ 0.9", "≥ 0.9"), ok=fit >= 0.9, soft=True, ratio=0.9 / max(fit, 0.01), worry=words(
                       f"“{label.zh}”对输入的响应不是单调的（R² {fit:.2f}）",
                       f"{label.en} does not answer its inputs monotonically (R² {fit:.2f})")),
        ]
    t = case.ensemble
    found = patterns(t.indicator("gdp")[:, t.finite])
    common = max(found, key=found.__getitem__)
    listed = {lang: "; ".join(f"{PATTERNS[k].label(lang)} {100 * x:.0f} %" for k, x in found.items()) for lang in ("zh", "en")}
    figures.append(judged(
        words(
            f"行为：最常见的 GDP 增长形态（{listed['zh']}）",
            f"behaviour: the commonest pattern of GDP growth ({listed['en']})"), 100 * found[common], "%",
        words("≥ 80 %", "≥ 80 %"), ok=found[common] >= 0.8, soft=True, ratio=0.8 / found[common], worry=words(
            f"增长形态随先验而变：{listed['zh']}", f"the pattern of growth depends on the priors: {listed['en']}")))
    effects = lever_effects(case)
    names = list(LEVERS)
    on_gdp = np.stack([effects[n]["gdp"] for n in names], axis=1)
    acting = [k for k in range(len(names)) if np.abs(on_gdp[:, k]).max() > 1e-6]
    on_gdp, names = on_gdp[:, acting], [names[k] for k in acting]
    on_gdp = on_gdp[np.isfinite(on_gdp).all(axis=1)]
    ranks = np.argsort(np.argsort(-on_gdp, axis=1, kind="stable"), axis=1, kind="stable") + 1.0
    first = int(np.median(on_gdp, axis=0).argmax())
    stays = 100 * float((on_gdp.argmax(axis=1) == first).mean())
    best, second = names[first], names[int(np.argsort(-np.median(on_gdp, axis=0))[1])]
    figures += [
        Measure(words(
            f"政策：单独全力实施对 {case.horizon} 年 GDP 的影响（中位数）",
            f"policy: effect of each lever alone, at full strength, on GDP in {case.horizon} (median)"),
                "; ".join(f"{n} {m:+.1f} %" for n, m in sorted(zip(names, np.median(on_gdp, axis=0), strict=True), key=lambda nm: -nm[1]))),
        below(words(
            f"政策：最优杠杆不再是“{best}”的抽样",
            f"policy: draws in which the best lever is no longer {best}"), 100 - stays, 33.0, "%",
              worry=words(
                  f"对 GDP 最有效的政策在 {100 - stays:.0f} % 的抽样中不是“{best}”（次选“{second}”）：排序随先验而变",
                  f"in {100 - stays:.0f} % of draws the best lever for GDP is not {best} (second: {second}): the ranking hangs on the "
                  "priors")),
        Measure(words("政策：各抽样排序的一致性（Kendall W）", "policy: agreement of the rankings (Kendall's W)"), agreement(ranks)),
    ]
    return Finding("sensitivity", words(
        f"{RUNS:,} 次模拟的标准化秩回归；增长形态归类；{len(on_gdp)} 次抽样中逐项政策的排序",
        f"standardised rank regression over {RUNS:,} runs; patterns of growth classed; levers ranked in {len(on_gdp)} draws"),
        tuple(figures), None, {"tornado": tornado, "horizon": case.horizon})


# ---------------------------------------------------------------- system improvement

def improvement(case: Case) -> Finding:
    """System improvement: would the record show whether a policy worked, and what would the plan's targets need?"""
    years = min(5, case.horizon - case.setup.base_year)
    drawn = case.draw(512)
    base, pushed = case.project(case.setup, drawn), case.project(case.pushed, drawn)
    effect = 100 * (pushed.indicator("gdp")[years] / base.indicator("gdp")[years] - 1)
    growth = growth_rates(base, "gdp", years)
    gain = growth_rates(pushed, "gdp", years) - growth
    middle = float(np.nanmedian(gain))
    width = float(np.nanquantile(growth, 0.95) - np.nanquantile(growth, 0.05))
    ratio = width / max(middle, 1e-9)
    zero = sum(d.support[0] <= 0 for k, d in case.setup.drawn.items() if k.endswith("_effect"))
    of = sum(k.endswith("_effect") for k in case.setup.drawn)
    figures = [
        Measure(words("全部政策五年对 GDP 的作用（中位数，5–95 %）", f"effect of all levers on GDP after {years} years (median, 5-95 %)"),
                f"{np.nanmedian(effect):+.1f} ({np.nanquantile(effect, 0.05):+.1f} to {np.nanquantile(effect, 0.95):+.1f})", "%"),
        Measure(words(
            "同期无政策增速的 90 % 区间宽度 / 全部政策的增速贡献",
            "90 % band of growth without policy, over what all levers add to growth"), ratio, "",
                "not testable" if ratio > 1 else "passed", words("< 1", "< 1"), words(
                    f"全部政策每年增速贡献 {middle:.2f} 点，而无政策增速本身的 90 % 区间宽 {width:.1f} 点（{ratio:.0f} 倍）："
                    "记录期不能判断政策是否有效；需要同类园区的对照或企业级政策享受数据",
                    f"all levers together add {middle:.2f} points of growth a year, while growth without them spans {width:.1f} points "
                    f"({ratio:.0f} times as much): no record of these years can tell whether policy worked; that needs zones without the "
                    "measures to compare, or firm-level records of who got support"),
                ratio),
        Measure(words("先验含零的政策效果参数", "policy effects whose prior includes zero"), f"{zero} / {of}"),
    ]
    judged_targets = [a for a in judge_all(case.ensemble) if a.indicator in case.headline and not a.imposed]
    for a in judged_targets[:6]:
        label = case.label(a.statement.indicator)
        figures.append(Measure(words(
            f"目标“{label.zh}”{a.statement.when}：{shown(a.value)}，基准中位数 {shown(a.projected[1])}，达到概率",
            f"target {label.en} {a.statement.when}: {shown(a.value)}; baseline median {shown(a.projected[1])}; probability of reaching it"),
                               100 * a.probability, "%"))
    from simulate import consistency, verdicts

    verdict = verdicts.check(case.registry, case.region)
    said = {"consistent": words(
        "一致",
        "consistent"), "inconsistent": words("不一致", "inconsistent"), "undecided": words("未定", "undecided")}
    figures.append(Measure(words("一致性检验：规划目标能否同时成立", "consistency engine: can the plan's targets all be true"),
                           said.get(verdict.verdict, words(verdict.verdict, verdict.verdict))))
    figures += [Measure(words("增长核算：目标所需", "growth accounting: what the target needs"), words(need.zh, need.en))
                for need in consistency.accounting(case.registry, case.region)]
    return Finding("improvement", words(
        "在 512 次抽样中比较全部政策的作用与无政策时的不确定性；引用一致性检验与增长核算",
        "effect of all levers against the uncertainty without them, in 512 draws; what the consistency engine and growth accounting say "
        "of the targets"), tuple(figures), words(
            "系统改进检验要看政策实施后的实际结果：需要实施前后同口径的年度数据与可比的未实施地区。",
            "The test of system improvement looks at what happened after a policy: it needs yearly data on one basis before and after, "
            "and comparable regions without it."))
