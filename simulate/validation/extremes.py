"""Extreme conditions: what must hold of every equation at the ends of its inputs, and of the whole model in worlds nobody expects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from simulate.model import Array, Model
from simulate.parameters import LEVERS
from simulate.runs import Trajectories
from simulate.scenarios import Shock
from simulate.validation.findings import Case, Finding, Labels, Measure, Verdict, judged, shown, words

STATES = 512
"""Random states at which every equation is evaluated."""

AGES = 1e6
"""Years that no projection lasts."""

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
    with np.errstate(all="ignore"):  # what is not finite is found where it is looked for
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
    """What a stock does when it is empty: its outflows over those of a full state, and whether it goes on falling.

    `years` is how long the base value lasts at the fastest loss that stays at zero; infinite where none does (a loss in
    proportion to what is left takes ages).
    """

    stock: str
    outflow: float
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
            left = np.where(followed, np.abs(out_empty) / (np.abs(out_full) + 1e-300), 0)
            outflow = float(np.max(left)) if s.outflows else 0.0
            lasts = np.broadcast_to(base, shape) / np.maximum(-net, 1e-300)
            years = float(np.min(np.where(followed & (net < 0), lasts, np.inf)))
            found.append(Boundary(s.name, outflow, years if years < AGES else np.inf))
    return found


def equation_checks(case: Case) -> list[Measure]:
    """Return what must hold of every equation: outflows vanish with their stock and keep their sign, shares are shares, all is finite."""
    edges = boundaries(case)
    leaking = [b.stock for b in edges if not b.outflow <= 1e-3]
    years = case.horizon - case.setup.base_year
    sinking = [b for b in edges if np.isfinite(b.years)]
    soonest = min(sinking, key=lambda b: b.years, default=None)
    names = "、".join(b.stock for b in sinking), ", ".join(b.stock for b in sinking)
    figures = [
        judged(words(
            "存量趋零而流出不趋零者",
            "outflows that do not vanish with their stock"), len(leaking), "", words("0", "0"), ok=not leaking,
               ratio=1.0 + len(leaking), worry=words(
                   f"空存量仍有流出：{'、'.join(leaking)}",
                   f"flows out of an empty stock: {', '.join(leaking)}")),
        judged(words(
            "存量为零时仍在下降者（Nagumo 条件）",
            "stocks that go on falling at zero (Nagumo's condition)"), len(sinking), "", words("0", "0"),
               ok=not sinking, soft=soonest is None or soonest.years > years, ratio=1 + years / soonest.years if soonest else 1,
               worry=words(
                   f"{names[0]} 可跌破零，最快 {soonest.years:.0f} 年",
                   f"{names[1]} can fall below zero, in {soonest.years:.0f} years at the fastest")
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
            if ((e.unit == "1" and e.name.endswith("_share") and e.name != "startup_share") or e.name == "funding") and (
                    (x < 0) | (x > 1 + 1e-9)).any():
                unshared.append(e.name)
    for zh, en, held in (("为负的流出", "outflows that turn negative", negative),
                         ("非有限数的方程", "equations that leave the finite numbers", wild),
                         ("越出 0–1 的份额", "shares outside 0 to 1", unshared)):
        who = sorted(set(held))
        figures.append(judged(words(
            f"{len(case.model.equations)} 个方程在 {2 * STATES} 个随机状态：{zh}",
            f"{len(case.model.equations)} equations at {2 * STATES} random states: {en}"), len(who), "", words("0", "0"),
                              ok=not who, ratio=1.0 + len(who), worry=words(f"{zh}：{'、'.join(who)}", f"{en}: {', '.join(who)}")))
    both = sorted(set(two_way))
    figures.append(Measure(words(
        "净流量（可正可负，按设计）",
        "net flows (of either sign, by design)"), words("、".join(both), ", ".join(both))))
    return figures


# ---------------------------------------------------------------- the whole model

@dataclass(frozen=True)
class World:
    """A world nobody expects: what was expected beforehand, what came, and whether it agreed (`soft`: else it is weak, not failed)."""

    name: Labels
    expected: Labels
    found: Labels
    ok: bool
    soft: bool = False

    def measure(self) -> Measure:
        """Return the figure with its verdict."""
        verdict: Verdict = "passed" if self.ok else "weak" if self.soft else "failed"
        worry = words(f"极端条件“{self.name.zh}”：{self.found.zh}，而预期为：{self.expected.zh}",
                      f"extreme condition “{self.name.en}”: {self.found.en}, where this was expected: {self.expected.en}")
        return Measure(self.name, self.found, "", verdict, self.expected, None if self.ok else worry, 2.0)


def _last(t: Trajectories, name: str) -> float:
    return float(np.sum(t.values[name][-1]))


def _drift(case: Case, other: Trajectories, name: str) -> float:
    """Return by how many per cent the last value of a variable differs from the baseline's."""
    return 100 * (_last(other, name) / _last(case.central, name) - 1)


def _central_parameters(case: Case) -> dict[str, Array]:
    return case.setup.parameters(case.medians)


def _years(case: Case) -> int:
    return case.horizon - case.setup.base_year


def run_off(stock: Array, before: Array, rate: Array, lag: Array, years: float) -> Array:
    """Return a stock with S' = P/lag - rate·S after `years`, fed by what is left in P = P0·exp(-t/lag) and nothing else."""
    fed = before / lag * (np.exp(-years / lag) - np.exp(-rate * years)) / (rate - 1 / lag)
    return np.asarray(stock * np.exp(-rate * years) + fed)


def no_investment(case: Case) -> World:
    """No fixed-asset investment from the base year on: capital runs off."""
    p = _central_parameters(case)
    t = case.project(case.setup, case.medians, fixed={"fixed_asset_investment": np.zeros(1)})
    v = t.values
    expected = run_off(v["capital"][0], v["pipeline"][0], p["depreciation_rate"], p["construction_time"], _years(case))
    off, gdp = float(np.abs(v["capital"][-1] / expected - 1).max()), _drift(case, t, "gdp")
    return World(words("无投资", "no investment"), words(
        "资本按解析解衰减（误差 ≤ 0.1 %），GDP 低于基准",
        "capital runs off as the analytic solution (within 0.1 %), GDP below the baseline"), words(
            f"偏离解析解 {shown(off)}；GDP {gdp:+.0f} %", f"off the solution by {shown(off)}; GDP {gdp:+.0f} %"), off <= 1e-3 and gdp < 0)


def no_research(case: Case) -> World:
    """No R&D from the base year on: knowledge runs off, productivity falls below exogenous technology."""
    p = _central_parameters(case)
    t = case.project(case.setup, case.medians, fixed={"rd_intensity": np.zeros(1)})
    v = t.values
    expected = run_off(v["knowledge"][0], v["rd_in_progress"][0], p["knowledge_obsolescence_rate"], p["rd_lag"], _years(case))
    off, gdp = float(np.abs(v["knowledge"][-1] / expected - 1).max()), _drift(case, t, "gdp")
    tfp = _last(t, "total_factor_productivity") / _last(t, "technology")
    return World(words("无研发", "no R&D"), words(
        "知识按解析解衰减（≤ 0.1 %），生产率低于外生技术，GDP 低于基准",
        "knowledge runs off as the analytic solution (within 0.1 %), productivity below technology, GDP below the baseline"), words(
            f"偏离 {shown(off)}；生产率/技术 {tfp:.2f}；GDP {gdp:+.0f} %",
            f"off by {shown(off)}; productivity over technology {tfp:.2f}; GDP {gdp:+.0f} %"), off <= 1e-3 and tfp < 1 and gdp < 0)


def renewal(case: Case) -> World:
    """No certificate renewed, and every one: the base-year flows stay as they were, so that only what follows is tested."""
    constants = evaluate_constants(case.model, _central_parameters(case))
    base = {n: constants[n] for n in ("recognitions_base", "candidates_base", "startup_share")}
    none, every = (case.project(case.setup, {**case.medians, "renewal_share": np.array([share])}, keep=("expiries", "renewals"), fixed=base)
                   for share in (0.0, 1.0))
    renewed = float(np.abs(none.values["renewals"]).max())
    lapsed = float(np.abs(every.values["expiries"] - every.values["renewals"]).max())
    low, high = _drift(case, none, "high_tech_enterprises"), _drift(case, every, "high_tech_enterprises")
    return World(words("续期率 0 与 1", "renewal 0 and 1"), words(
        "0：无续期，企业数低于基准；1：无失效，高于基准", "0: none renewed, fewer firms; 1: none lapse, more firms"), words(
            f"0：{low:+.0f} %；1：{high:+.0f} %", f"0: {low:+.0f} %; 1: {high:+.0f} %"),
        low < 0 < high and lapsed < 1e-9 and renewed < 1e-9)


def no_labour_inflow(case: Case) -> World:
    """The labour supply neither grows nor shrinks."""
    t = case.project(case.setup, case.medians, fixed={"labour_supply_growth": np.zeros(1)})
    supply = t.values["labour_supply"]
    moved = float(np.abs(supply / supply[0] - 1).max())
    usual, gdp = 100 * (_last(case.central, "labour_supply") / float(supply[0].sum()) - 1), _drift(case, t, "gdp")
    return World(words("无劳动力流入", "no labour inflow"), words(
        "劳动力供给不变；GDP 变动与基准流入反号", "the supply stays; GDP moves against the baseline's inflow"), words(
            f"供给变动 {shown(moved)}；GDP {gdp:+.1f} %（基准流入 {usual:+.0f} %）",
            f"supply moves by {shown(moved)}; GDP {gdp:+.1f} % (baseline inflow {usual:+.0f} %)"),
            moved < 1e-12 and (gdp < 0) == (usual > 0))


def half_lost(case: Case) -> World:
    """Half of utilisation is lost within a quarter, once."""
    shock = Shock(start=case.setup.base_year + 2.0, size=0.5, duration=0.25)
    t = case.project(case.settle(shocks={**case.scenario.shocks, "half": shock}), case.medians)
    path = 100 * (t.values["gdp"][:, 0] / case.central.values["gdp"][:, 0] - 1)
    trough, end = float(path.min()), float(path[-1])
    return World(words("开工率骤降一半", "half of utilisation lost"), words(
        "GDP 大跌而后恢复；期末留痕不超过 10 %，且不高于基准",
        "GDP drops and recovers; at the end within 10 % of the baseline, not above it"), words(
            f"最低 {trough:.0f} %，期末 {end:+.2f} %", f"lowest {trough:.0f} %, at the end {end:+.2f} %"),
        trough < -10 and -10 < end <= 0.01)


def idle_base(case: Case) -> World:
    """Half of capacity lies idle in the base year: once it is used, what else can follow is what capital adds in a steady state."""
    p = _central_parameters(case)
    t = case.project(case.setup, {**case.medians, "utilisation_base": np.array([0.5])})
    first = float(t.values["gdp"][0, 0] / case.central.values["gdp"][0, 0] - 1)
    rise = _last(t, "gdp") / _last(case.central, "gdp")
    slack = float(p["utilisation_base"][0]) / 0.5
    most = slack ** (1 / (1 - float(p["capital_share"].max())))
    return World(words("基年开工率 0.5", "base utilisation 0.5"), words(
        f"基年 GDP 不变；期末为基准的 {slack:.2f}（闲置产能）至 {most:.2f} 倍（资本完全跟上）",
        f"base GDP as stated; in the end {slack:.2f} (slack taken up) to {most:.2f} times the baseline (capital caught up)"), words(
            f"基年偏差 {shown(first)}；期末 {rise:.2f} 倍", f"base off by {shown(first)}; at the end {rise:.2f} times"),
        abs(first) < 1e-9 and slack - 1e-9 <= rise <= most, soft=True)


def no_levers(case: Case) -> World:
    """All levers set, at strength 0."""
    t = case.project(case.levered(**dict.fromkeys(LEVERS, 0.0)), case.medians)
    same = 0.0
    for n in ("gdp", "high_tech_enterprises", "rd_intensity", "gross_industrial_output"):
        base = case.central.values[n]
        same = max(same, float(np.abs(t.values[n] - base).max() / np.abs(base).max()))
    return World(words("全部政策为 0", "levers all 0"), words("与无政策的基准相同", "the baseline itself, where that has no levers"), words(
        f"差 {shown(same)}", f"apart by {shown(same)}"), same < 1e-12 or bool(case.scenario.levers))


def all_levers(case: Case) -> World:
    """All levers at full strength."""
    t = case.project(case.pushed, case.medians)
    gdp, firms = _drift(case, t, "gdp"), _drift(case, t, "high_tech_enterprises")
    pace = 100 * ((1 + gdp / 100) ** (1 / _years(case)) - 1)
    return World(words("全部政策为 1", "levers all 1"), words(
        "GDP 高于基准且每年多增不超过 3 点；企业数高于基准",
        "GDP above the baseline, by at most 3 points of growth a year; more firms"), words(
            f"GDP {gdp:+.0f} %（每年 {pace:+.2f} 点），企业 {firms:+.0f} %",
            f"GDP {gdp:+.0f} % ({pace:+.2f} points a year), firms {firms:+.0f} %"),
        0 < pace <= 3 and firms > 0)


def no_elasticities(case: Case) -> World:
    """Every elasticity and response at 0: what is left has a formula."""
    p = _central_parameters(case)
    zero = {n: np.zeros(1) for n in ("knowledge_elasticity", "return_response", "wage_response", "migration_response", "entry_elasticity",
                                     "firm_rd_elasticity", "budget_elasticity")}
    t = case.project(case.setup, {**case.medians, **zero})
    v = t.values
    same = float(np.abs(v["total_factor_productivity"] / v["technology"] - 1).max())
    natural = v["labour_supply"][0] * np.exp(p["natural_labour_growth"] * _years(case))
    off = float(np.abs(v["labour_supply"][-1] / natural - 1).max())
    return World(words("弹性全为 0", "elasticities 0"), words(
        "生产率等于外生技术，劳动力按自然增速（解析解）",
        "productivity is technology alone, labour grows at its natural rate (analytic)"), words(
            f"偏离 {shown(same)} 与 {shown(off)}",
            f"off by {shown(same)} and {shown(off)}"), bool(t.finite.all()) and same < 1e-9 and off < 1e-6)


WORLDS = (no_investment, no_research, renewal, no_labour_inflow, half_lost, idle_base, no_levers, all_levers, no_elasticities)
"""The extreme worlds, each with every uncertain input at its median."""


def worlds(case: Case) -> list[World]:
    """Project the baseline in extreme worlds and hold each against what was expected, by formula where there is one."""
    return [world(case) for world in WORLDS]


def extremes(case: Case) -> Finding:
    """Extreme conditions, per equation and of the whole model."""
    return Finding("extremes", words(
        "逐方程：随机状态下逐一清空存量，看流出与净变化；整体：若干极端世界，事先写明预期（有解析解者对照解析解），取各输入中位数运行",
        "equations: at random states every stock is emptied in turn, flows and signs read off; whole model: extreme worlds with the "
        "outcome written down beforehand (a formula where there is one), every input at its median"),
        (*equation_checks(case), *(w.measure() for w in worlds(case))))
