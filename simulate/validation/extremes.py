"""Extreme conditions: what must hold of every equation at the ends of its inputs, and of the whole model in worlds nobody expects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from simulate.model import Array, Model
from simulate.parameters import LEVERS
from simulate.runs import Trajectories
from simulate.scenarios import Shock
from simulate.validation.findings import Case, Finding, Labels, Measure, judged, words

STATES = 512
"""Random states at which every equation is evaluated."""

TINY = 1e-12
"""A stock this small, relative to its base value, counts as empty: zero itself has no logarithm."""


def evaluate(model: Model, given: Mapping[str, Array]) -> dict[str, Array]:
    """Return every variable where parameters, inputs, stocks and time are `given`: one evaluation, no integration."""
    values = dict(given)
    for e in model.order:
        values[e.name] = np.asarray(e.function(*(values[a] for a in e.arguments)))
    return values


def random_states(case: Case, spread: float = 100.0) -> dict[str, Array]:
    """Return parameters from their priors, levers and time at random, and stocks within a factor `spread` of their base values."""
    rng = np.random.default_rng(case.scenario.seed + 3)
    setup = case.setup
    given = setup.parameters(case.draw(STATES))
    base = evaluate_constants(case.model, given)
    values = dict(given)
    values[case.model.time] = setup.base_year + (case.horizon - setup.base_year) * rng.random(STATES)
    for i in case.model.inputs:
        values[i.name] = rng.random(STATES)
    for s in case.model.stocks:
        shape = (setup.elements[s.over], STATES) if s.over else (STATES,)
        values[s.name] = base[s.initial] * spread ** rng.uniform(-1, 1, shape)
    return values


def evaluate_constants(model: Model, given: Mapping[str, Array]) -> dict[str, Array]:
    """Return the parameters with what follows from them alone: the stocks' base values among it."""
    base = dict(given)
    for e in model.constants:
        base[e.name] = np.asarray(e.function(*(base[a] for a in e.arguments)))
    return base


@dataclass(frozen=True)
class Boundary:
    """What a stock does when it is empty: its outflows and its net rate, over the outflows (or the change a year) in a full state.

    `years` is how long the base value lasts at the fastest loss where the net rate stays negative at zero, else infinite.
    """

    stock: str
    outflow: float
    net: float
    years: float


def boundaries(case: Case) -> list[Boundary]:
    """Empty every stock in turn at random states, the rest as it is: outflows must vanish, and the stock must not fall further.

    If at every point of the boundary the rate points inwards, no trajectory of the differential equation leaves the
    positive orthant (Nagumo 1942): a proof for the equations, where sampling of runs is only evidence.
    """
    full = random_states(case)
    found = []
    with np.errstate(all="ignore"):
        at_full = evaluate(case.model, full)
        for s in case.model.stocks:
            base = at_full[s.initial]
            followed = np.broadcast_to(np.abs(base) > 0, np.shape(full[s.name]))  # eaglets are 0 where a region does not follow them
            if not followed.any():
                continue
            at_empty = evaluate(case.model, {**full, s.name: np.broadcast_to(base * TINY, np.shape(full[s.name]))})
            shape = np.shape(full[s.name])

            def rate(values: Mapping[str, Array], names: tuple[str, ...], shape: tuple[int, ...] = shape) -> Array:
                return sum((np.broadcast_to(values[n], shape) for n in names), np.zeros(shape))

            out_full, out_empty = rate(at_full, s.outflows), rate(at_empty, s.outflows)
            net = rate(at_empty, s.inflows) - out_empty
            scale = np.abs(rate(at_full, s.inflows)) + np.abs(out_full) + 1e-300
            outflow = float(np.max(np.where(followed, np.abs(out_empty) / (np.abs(out_full) + 1e-300), 0), initial=0)) if s.outflows else 0.0
            falling = np.minimum(net, 0.0)
            years = float(np.min(np.where(falling < -1e-6 * scale, np.broadcast_to(base, shape) / np.maximum(-falling, 1e-300), np.inf)))
            found.append(Boundary(s.name, outflow, float(np.min(falling / scale)), years))
    return found


def equation_checks(case: Case) -> list[Measure]:
    """Return what must hold of every equation: outflows vanish with their stock, flows have their sign, shares are shares, all is finite."""
    edges = boundaries(case)
    leaking = [b.stock for b in edges if not b.outflow <= 1e-3]
    years = case.horizon - case.setup.base_year
    sinking = [b for b in edges if np.isfinite(b.years)]
    soonest = min(sinking, key=lambda b: b.years, default=None)
    names = "、".join(b.stock for b in sinking), ", ".join(b.stock for b in sinking)
    figures = [
        judged(words("存量趋零而流出不趋零者", "outflows that do not vanish with their stock"), len(leaking), "", words("0", "0"), ok=not leaking,
               ratio=1.0 + len(leaking), worry=words(f"空存量仍有流出：{'、'.join(leaking)}", f"flows out of an empty stock: {', '.join(leaking)}")),
        judged(words("存量为零时仍在下降者（Nagumo 条件）", "stocks that go on falling at zero (Nagumo's condition)"), len(sinking), "", words("0", "0"),
               ok=not sinking, soft=soonest is None or soonest.years > years, ratio=1 + years / soonest.years if soonest else 1,
               worry=words(f"{names[0]} 可跌破零，最快 {soonest.years:.0f} 年", f"{names[1]} can fall below zero, in {soonest.years:.0f} years at the fastest")
               if soonest else None),
    ]
    outflows = {f for s in case.model.stocks for f in s.outflows}
    inflows = {f for s in case.model.stocks for f in s.inflows} - outflows
    negative, two_way, wild, unshared = [], [], [], []
    for spread in (1.5, 100.0):
        with np.errstate(all="ignore"):
            values = evaluate(case.model, random_states(case, spread))
        for e in case.model.order:
            x = values[e.name]
            if not np.isfinite(x).all():
                wild.append(e.name)
            elif e.name in outflows and (x < -1e-9 * np.abs(x).max(initial=0)).any():
                negative.append(e.name)
            elif e.name in inflows and (x < -1e-9 * np.abs(x).max(initial=0)).any():
                two_way.append(e.name)
            if (e.unit == "1" and e.name.endswith("_share") and e.name != "startup_share" or e.name == "funding") and (
                    (x < 0) | (x > 1 + 1e-9)).any():
                unshared.append(e.name)
    for zh, en, held in (("为负的流出", "outflows that turn negative", negative), ("非有限数的方程", "equations that leave the finite numbers", wild),
                         ("越出 0–1 的份额", "shares outside 0 to 1", unshared)):
        who = sorted(set(held))
        figures.append(judged(words(f"{len(case.model.equations)} 个方程在 {2 * STATES} 个随机状态：{zh}",
                                    f"{len(case.model.equations)} equations at {2 * STATES} random states: {en}"), len(who), "", words("0", "0"),
                              ok=not who, ratio=1.0 + len(who), worry=words(f"{zh}：{'、'.join(who)}", f"{en}: {', '.join(who)}")))
    both = sorted(set(two_way))
    figures.append(Measure(words("净流量（可正可负，按设计）", "net flows (of either sign, by design)"), words("、".join(both), ", ".join(both))))
    return figures


# ---------------------------------------------------------------- the whole model

@dataclass(frozen=True)
class World:
    """A world nobody expects: what was expected beforehand, what came, and whether it agreed."""

    name: Labels
    expected: Labels
    found: Labels
    ok: bool

    def measure(self) -> Measure:
        """Return the figure with its verdict."""
        return Measure(self.name, self.found, "", "passed" if self.ok else "failed", self.expected, None if self.ok else words(
            f"极端条件“{self.name.zh}”：{self.found.zh}", f"extreme condition “{self.name.en}”: {self.found.en}"), 2.0)


def _last(t: Trajectories, name: str) -> float:
    return float(np.sum(t.values[name][-1]))


def worlds(case: Case) -> list[World]:
    """Project the baseline at its medians in extreme worlds and hold each against what was expected, by formula where there is one."""
    base, drawn, setup = case.central, case.medians, case.setup
    p = {k: np.asarray(v) for k, v in setup.parameters(drawn).items()}
    years = case.horizon - setup.base_year
    found: list[World] = []

    def drift(name: str, other: Trajectories) -> float:
        """Return by how many per cent the last value differs from the baseline's."""
        return 100 * (_last(other, name) / _last(base, name) - 1)

    def world(zh: str, en: str, expected: tuple[str, str], seen: tuple[str, str], *, ok: bool) -> None:
        found.append(World(words(zh, en), words(*expected), words(*seen), bool(ok)))

    # a two-stage chain without inflow: K' = P/τ - δK with P = P0·exp(-t/τ)
    def run_off(stock: Array, before: Array, rate: Array, lag: Array) -> Array:
        return stock * np.exp(-rate * years) + before / lag * (np.exp(-years / lag) - np.exp(-rate * years)) / (rate - 1 / lag)

    none = case.project(setup, drawn, fixed={"fixed_asset_investment": np.zeros(1)})
    v = none.values
    expected = run_off(v["capital"][0], v["pipeline"][0], p["depreciation_rate"], p["construction_time"])
    off = float(np.abs(v["capital"][-1] / expected - 1).max())
    world("无投资", "no investment", ("资本按折旧衰减（解析解，误差 ≤ 0.1 %），GDP 低于基准", "capital runs off as the analytic solution (within 0.1 %), GDP below the baseline"),
          (f"偏离解析解 {off:.0e}；GDP {drift('gdp', none):+.0f} %", f"off the solution by {off:.0e}; GDP {drift('gdp', none):+.0f} %"),
          ok=off <= 1e-3 and drift("gdp", none) < 0)

    none = case.project(setup, drawn, fixed={"rd_intensity": np.zeros(1)})
    v = none.values
    expected = run_off(v["knowledge"][0], v["rd_in_progress"][0], p["knowledge_obsolescence_rate"], p["rd_lag"])
    off = float(np.abs(v["knowledge"][-1] / expected - 1).max())
    tfp = _last(none, "total_factor_productivity") / _last(none, "technology")
    world("无研发", "no R&D", ("知识按解析解衰减（≤ 0.1 %），生产率低于外生技术，GDP 低于基准",
                            "knowledge runs off as the analytic solution (within 0.1 %), productivity below exogenous technology, GDP below the baseline"),
          (f"偏离 {off:.0e}；生产率/技术 {tfp:.2f}；GDP {drift('gdp', none):+.0f} %",
           f"off by {off:.0e}; productivity over technology {tfp:.2f}; GDP {drift('gdp', none):+.0f} %"),
          ok=off <= 1e-3 and tfp < 1 and drift("gdp", none) < 0)

    moved = {}
    for share in (0.0, 1.0):
        # recognitions are set to the base, so a new renewal share must not move them: hold what the base was made for
        constants = evaluate_constants(case.model, p)
        moved[share] = case.project(setup, {**drawn, "renewal_share": np.array([share])}, keep=("expiries", "renewals"), fixed={
            n: constants[n] for n in ("recognitions_base", "candidates_base", "startup_share")})
    lapses = float(np.abs(moved[1.0].values["expiries"] - moved[1.0].values["renewals"]).max())
    renewed = float(np.abs(moved[0.0].values["renewals"]).max())
    low, high = (drift("high_tech_enterprises", moved[s]) for s in (0.0, 1.0))
    world("续期率 0 与 1", "renewal 0 and 1", ("0：无续期，企业数低于基准；1：无失效，高于基准", "0: none renewed, fewer firms; 1: none lapse, more firms"),
          (f"0：{low:+.0f} %；1：{high:+.0f} %", f"0: {low:+.0f} %; 1: {high:+.0f} %"), ok=low < 0 < high and lapses < 1e-9 and renewed < 1e-9)

    none = case.project(setup, drawn, fixed={"labour_supply_growth": np.zeros(1)})
    supply = none.values["labour_supply"]
    inflow = _last(base, "labour_supply") / float(base.values["labour_supply"][0].sum()) - 1
    gap = drift("gdp", none)
    world("无劳动力流入", "no labour inflow", ("劳动力供给不变；GDP 变动与基准流入反号", "the supply stays; GDP moves against the baseline's inflow"),
          (f"供给变动 {float(np.abs(supply / supply[0] - 1).max()):.0e}；GDP {gap:+.1f} %（基准流入 {100 * inflow:+.0f} %）",
           f"supply moves by {float(np.abs(supply / supply[0] - 1).max()):.0e}; GDP {gap:+.1f} % (baseline inflow {100 * inflow:+.0f} %)"),
          ok=np.allclose(supply, supply[0], rtol=1e-12) and (gap < 0) == (inflow > 0))

    start = setup.base_year + 2.0
    fallen = case.project(case.settle(shocks={**case.scenario.shocks, "half": Shock(start=start, size=0.5, duration=0.25)}), drawn)
    path = fallen.values["gdp"][:, 0] / base.values["gdp"][:, 0] - 1
    trough, end = 100 * float(path.min()), 100 * float(path[-1])
    world("开工率骤降一半", "half of utilisation lost", ("GDP 大跌而后恢复；期末留痕不超过 10 %，且不高于基准", "GDP drops and recovers; at the end within 10 % of the baseline, not above it"),
          (f"最低 {trough:.0f} %，期末 {end:+.2f} %", f"lowest {trough:.0f} %, at the end {end:+.2f} %"), ok=trough < -10 and -10 < end <= 0.01)

    half = case.project(setup, {**drawn, "utilisation_base": np.array([0.5])})
    first = float(half.values["gdp"][0, 0] / base.values["gdp"][0, 0] - 1)
    rise = float(half.values["gdp"][min(5, years), 0] / half.values["gdp"][0, 0])
    world("基年开工率 0.5", "base utilisation 0.5", ("基年 GDP 不变；随产能恢复约翻一番（1.8–3 倍）", "base GDP as stated; about doubles as slack is taken up (1.8 to 3 times)"),
          (f"基年偏差 {first:.0e}；五年后 {rise:.2f} 倍", f"base off by {first:.0e}; after five years {rise:.2f} times"), ok=abs(first) < 1e-9 and 1.8 < rise < 3)

    idle = case.project(case.levered(**dict.fromkeys(LEVERS, 0.0)), drawn)
    same = max(float(np.abs(idle.values[n] / np.where(base.values[n] == 0, 1, base.values[n]) - (base.values[n] != 0)).max())
               for n in ("gdp", "high_tech_enterprises", "rd_intensity", "gross_industrial_output"))
    world("全部政策为 0", "levers all 0", ("与基准相同", "the baseline itself"), (f"差 {same:.0e}", f"apart by {same:.0e}"), ok=same < 1e-12 or bool(case.scenario.levers))
    full = case.project(case.pushed, drawn)
    rises = {n: drift(n, full) for n in ("gdp", "gross_industrial_output", "high_tech_enterprises")}
    pace = 100 * ((1 + rises["gdp"] / 100) ** (1 / years) - 1)
    world("全部政策为 1", "levers all 1", ("GDP 高于基准且每年多增不超过 3 点；企业数高于基准", "GDP above the baseline, by at most 3 points of growth a year; more firms"),
          (f"GDP {rises['gdp']:+.0f} %（每年 {pace:+.2f} 点），企业 {rises['high_tech_enterprises']:+.0f} %",
           f"GDP {rises['gdp']:+.0f} % ({pace:+.2f} points a year), firms {rises['high_tech_enterprises']:+.0f} %"),
          ok=0 < pace <= 3 and rises["high_tech_enterprises"] > 0)

    zero = {n: np.zeros(1) for n in ("knowledge_elasticity", "return_response", "wage_response", "migration_response", "entry_elasticity",
                                     "firm_rd_elasticity", "budget_elasticity")}
    flat = case.project(setup, {**drawn, **zero}, keep=("technology",))
    v = flat.values
    same = float(np.abs(v["total_factor_productivity"] / v["technology"] - 1).max())
    natural = float(np.abs(v["labour_supply"][-1] / (v["labour_supply"][0] * np.exp(p["natural_labour_growth"] * years)) - 1).max())
    finite = bool(flat.finite.all())
    world("弹性全为 0", "elasticities 0", ("生产率等于外生技术，劳动力按自然增速（解析解）", "productivity is technology alone, labour grows at its natural rate (analytic)"),
          (f"偏离 {same:.0e} 与 {natural:.0e}", f"off by {same:.0e} and {natural:.0e}"), ok=finite and same < 1e-9 and natural < 1e-6)
    return found


def extremes(case: Case) -> Finding:
    """Extreme conditions, per equation and of the whole model."""
    return Finding("extremes", words(
        "逐方程：随机状态下逐一清空存量，看流出与净变化；整体：若干极端世界，事先写明预期（有解析解者对照解析解），取各输入中位数运行",
        "equations: at random states every stock is emptied in turn, flows and signs read off; whole model: extreme worlds with the outcome "
        "written down beforehand (a formula where there is one), every input at its median"),
        (*equation_checks(case), *(w.measure() for w in worlds(case))))
