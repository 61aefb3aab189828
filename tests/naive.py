"""The regional model once more: one run at a time, in plain Python floats, written from the equations' docstrings and the
specification, not from their code. Slow and plain on purpose: it shares no arithmetic with `simulate`.

A parameter is a float, or {element: float} for sectors and clusters. Times are model times: a calendar date less half a year.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Values = dict[str, Any]
HALF_YEAR = 0.5

LEVERS = ("investment_promotion", "rd_support", "enterprise_cultivation", "business_environment", "talent", "ai_digital", "green",
          "finance", "trade_consumption", "lead_clusters")


@dataclass(frozen=True)
class Lever:
    """Strength, calendar date of its start, years until full strength."""

    level: float
    start: float
    ramp: float


@dataclass(frozen=True)
class Shock:
    """A loss of `size` from the calendar date `start` on, within `duration` years, on utilisation or investment."""

    on: str
    start: float
    size: float
    duration: float


@dataclass(frozen=True)
class Path:
    """Values by year, or a total over a period; after its last year it holds or lets go."""

    hold: bool
    values: Mapping[int, float] | None = None
    total: float | None = None
    period: tuple[int, int] | None = None


@dataclass(frozen=True)
class World:
    """All that one run needs; `cluster_sector` says which sector each cluster moves with (None: all)."""

    p: Mapping[str, Any]
    base_year: int
    sectors: tuple[str, ...]
    cluster_sector: Mapping[str, str | None]
    levers: Mapping[str, Lever] = field(default_factory=dict)
    shocks: tuple[Shock, ...] = ()
    paths: Mapping[str, Path] = field(default_factory=dict)


# ---------------------------------------------------------------- what is given over time

def risen(start: float, years: float, t: float, middle: float) -> float:
    """How much of a rise that begins at the date `start` and takes `years` is there at t; a jump shows from the step after it on."""
    begin = start - HALF_YEAR
    if years == 0:
        return 1.0 if middle >= begin else 0.0
    if t <= begin:
        return 0.0
    return 1.0 if t >= begin + years else (t - begin) / years


def shock_rate(shocks: tuple[Shock, ...], middle: float) -> float:
    """Continuous rate of loss that leaves 1 - size of utilisation after the shock's duration."""
    rate = 0.0
    for s in shocks:
        if s.on == "utilisation" and s.start - HALF_YEAR <= middle < s.start - HALF_YEAR + s.duration:
            rate -= math.log(1 - s.size) / s.duration
    return rate


def investment_shift(shocks: tuple[Shock, ...], t: float, middle: float) -> float:
    """What investment shocks leave of firms' usual investment."""
    left = 1.0
    for s in shocks:
        if s.on == "investment":
            left *= 1 - s.size * risen(s.start, s.duration, t, middle)
    return left


def growth_to_total(base: float, total: float, years: int) -> float:
    """Yearly rate at which `years` flows after the base flow sum to `total`, by bisection."""
    low, high = -1.0, 1.0 + total / base
    for _ in range(200):
        rate = (low + high) / 2
        reached = sum(base * (1 + rate) ** k for k in range(1, years + 1))
        low, high = (rate, high) if reached < total else (low, rate)
    return (low + high) / 2


def points_of(path: Path, base_year: int, base: float | None) -> dict[int, float]:
    """The path's value in each year it names, and in the base year."""
    if path.values is not None:
        points = dict(path.values)
    else:
        assert path.period is not None
        assert path.total is not None
        assert base is not None
        first, last = path.period
        rate = growth_to_total(base, path.total, last - first + 1)
        points = {year: base * (1 + rate) ** (year - first + 1) for year in range(first, last + 1)}
    if base_year < min(points):
        points[base_year] = points[min(points)] if base is None else base
    return points


def imposed(points: Mapping[int, float], hold: bool, t: float, middle: float) -> float | None:
    """The path's value at t: straight lines between years; after the last year the last value, if it holds."""
    years = sorted(points)
    last = years[-1]
    if middle < years[0] or (middle > last and not hold):
        return None
    if t >= last:
        return points[last]
    for a, b in itertools.pairwise(years):
        if a <= t <= b:
            return points[a] + (points[b] - points[a]) * (t - a) / (b - a)
    return points[years[0]]


# ---------------------------------------------------------------- base year

def base_values(w: World) -> Values:
    """What follows from the parameters alone."""
    p, c = w.p, {}
    gdp = p["gdp_base"]
    va = {s: gdp * p["sector_share"][s] for s in w.sectors}
    c["value_added_base"] = va
    c["investment_ratio"] = ratio = p["fixed_asset_investment_base"] / gdp
    formed = {s: p["capital_formation_share"] * ratio * va[s] for s in w.sectors}
    c["capital_base"] = {s: formed[s] / (p["depreciation_rate"][s] + p["trend_growth_base"]) for s in w.sectors}
    c["pipeline_base"] = {s: formed[s] * p["construction_time"] for s in w.sectors}
    c["employment_base"] = gdp / p["labour_productivity_base"]
    c["labour_base"] = {s: c["employment_base"] * p["sector_share"][s] for s in w.sectors}

    c["rd_expenditure_base"] = rd = gdp * p["rd_intensity_base"]
    c["rd_in_progress_base"] = rd * p["rd_real_share"] * p["rd_lag"]
    c["knowledge_base"] = rd * p["rd_real_share"] / (p["knowledge_obsolescence_rate"] + p["trend_growth_base"])

    c["registrations_base"] = p["market_entities_base"] * max(p["deregistration_rate"] + p["entity_growth_base"], 0.0)
    firms, year = p["high_tech_enterprises_base"], p["certificate_step"]
    ratio = c["certificate_ratio"] = 1 + year * (p["certified_growth_base"] + p["certified_closure_rate"])
    first = firms / (1 + ratio ** -1 + ratio ** -2)
    c["certified_1_base"], c["certified_2_base"], c["certified_3_base"] = first, first / ratio, first / ratio ** 2
    lapsing = (1 - p["renewal_share"]) * c["certified_3_base"] / year
    c["recognitions_base"] = new = max(firms * (p["certified_growth_base"] + p["certified_closure_rate"]) + lapsing, 0.0)
    c["candidates_base"] = new / p["recognition_rate"]
    outflow = new + p["candidate_exit_rate"] * c["candidates_base"]
    wanted = p["replenishment"] * outflow - p["reapplication_share"] * lapsing
    c["startup_share"] = max(wanted, 0.0) / max(c["registrations_base"] * p["firms_per_10k"], p["negligible_firms"] / year)

    growing, leaving = p["ladder_growth_base"], p["ladder_exit_rate"]
    c["listings_base"] = p["listed_enterprises_base"] * max(growing + p["listed_exit_rate"], 0.0)
    c["gazelle_promotions_base"] = p["gazelle_enterprises_base"] * max(growing + leaving, 0.0) + c["listings_base"]
    c["value_added_ratio_base"] = sum(va[s] for s in w.sectors if p["industrial"][s] == 1) / p["gross_industrial_output_base"]
    return c


def initial(w: World, c: Values) -> Values:
    """State in the base year."""
    p = w.p
    state = {(name, s): c[f"{name}_base"][s] for name in ("capital", "pipeline", "labour") for s in w.sectors}
    state |= {("cluster_position", k): p["cluster_position_base"][k] for k in w.cluster_sector}
    state["labour_supply"] = c["employment_base"]
    for name in ("rd_in_progress", "knowledge", "candidates", "certified_1", "certified_2", "certified_3", "value_added_ratio"):
        state[name] = c[f"{name}_base"]
    for name in ("utilisation", "technology", "market_entities", "eaglet_enterprises", "gazelle_enterprises", "listed_enterprises",
                 "energy_intensity"):
        state[name] = p[f"{name}_base"]
    return state


# ---------------------------------------------------------------- equations

def variables(w: World, c: Values, points: Mapping[str, Callable[[str | None], dict[int, float]]], state: Values, t: float,
              middle: float) -> Values:
    """Every variable at time t, in whose step `middle` is the middle; points: what each path says of an element, by year."""
    p = w.p
    v: Values = dict(c)
    for key, level in state.items():
        if isinstance(key, tuple):
            v.setdefault(key[0], {})[key[1]] = level
        else:
            v[key] = level
    v.setdefault("cluster_position", {})

    def put(name: str, value: Any) -> Any:
        if name in points:
            def course(element: str | None, computed: float) -> float:
                given = imposed(points[name](element), w.paths[name].hold, t, middle)
                return computed if given is None else given

            value = {k: course(k, x) for k, x in value.items()} if isinstance(value, dict) else course(None, value)
        v[name] = value
        return value

    def by_sector(name: str, value: Callable[[str], float]) -> None:
        put(name, {s: value(s) for s in w.sectors})

    years = put("elapsed", t - w.base_year)
    levers = {n: w.levers[n].level * risen(w.levers[n].start, w.levers[n].ramp, t, middle) if n in w.levers else 0.0 for n in LEVERS}
    v["shock_rate"] = shock_rate(w.shocks, middle)
    v["investment_shift"] = investment_shift(w.shocks, t, middle)

    # production
    put("total_factor_productivity", v["technology"] * (v["knowledge"] / c["knowledge_base"]) ** p["knowledge_elasticity"])
    put("human_capital", math.exp(p["human_capital_growth"] * years))
    by_sector("capacity", lambda s: c["value_added_base"][s] / p["utilisation_base"] * v["total_factor_productivity"]
              * (v["capital"][s] / c["capital_base"][s]) ** p["capital_share"][s]
              * (v["human_capital"] * v["labour"][s] / c["labour_base"][s]) ** (1 - p["capital_share"][s]))
    by_sector("output", lambda s: v["utilisation"] * v["capacity"][s])
    gdp = put("gdp", sum(v["output"].values()))
    put("log_gdp_index", math.log(gdp / p["gdp_base"]))
    index = math.exp(v["log_gdp_index"])

    # budget, and with it what the levers come to
    put("planned_policy_cost", sum(p["gdp_base"] * p[f"cost_{n}"] * levers[n] for n in LEVERS))
    put("general_budget_revenue", p["budget_share_base"] * p["gdp_base"] * index ** p["budget_elasticity"])
    affordable = p["policy_budget_share"] * v["general_budget_revenue"]
    put("funding", 1.0 if affordable >= v["planned_policy_cost"] else affordable / v["planned_policy_cost"])
    put("policy_cost", v["funding"] * v["planned_policy_cost"])
    for n in LEVERS:
        v[f"lever_{n}"] = levers[n]
        put(f"policy_{n}", levers[n] * v["funding"])
    promotion, cultivation = v["policy_investment_promotion"], 1 + p["cultivation_effect"] * v["policy_enterprise_cultivation"]

    # investment
    by_sector("return_index", lambda s: (v["output"][s] / c["value_added_base"][s]) / (v["capital"][s] / c["capital_base"][s]))
    by_sector("attracted_investment", lambda s: v["output"][s] * p["attraction_effect"] * promotion)
    by_sector("own_investment", lambda s: v["output"][s] * c["investment_ratio"] * v["investment_shift"]
              * v["return_index"][s] ** p["return_response"] * (1 + p["investment_effect"] * promotion)
              * (1 + p["finance_effect"] * v["policy_finance"]))
    put("investment_demand", sum(v["own_investment"][s] + v["attracted_investment"][s] for s in w.sectors))
    put("fixed_asset_investment", v["investment_demand"])
    by_sector("capital_formation", lambda s: p["capital_formation_share"] * v["fixed_asset_investment"]
              * (v["own_investment"][s] + v["attracted_investment"][s]) / v["investment_demand"])
    by_sector("completion", lambda s: v["pipeline"][s] / p["construction_time"])
    by_sector("depreciation", lambda s: v["capital"][s] * p["depreciation_rate"][s])
    put("technology_growth", v["technology"] * (p["productivity_growth"] + p["ai_productivity_effect"] * v["policy_ai_digital"]))
    put("normal_utilisation", 1 + p["demand_effect"] * v["policy_trade_consumption"])
    put("recovery", (v["normal_utilisation"] - v["utilisation"]) / p["recovery_time"])
    put("shock_loss", v["shock_rate"] * v["utilisation"])

    # labour
    put("employment", sum(v["labour"].values()))
    put("labour_productivity", gdp / v["employment"])
    put("real_wage", (v["employment"] / v["labour_supply"]) ** p["wage_response"]
        * v["labour_productivity"] / p["labour_productivity_base"])
    put("outside_wage", math.exp(p["outside_wage_growth"] * years))
    by_sector("desired_labour", lambda s: c["labour_base"][s] * v["output"][s] / c["value_added_base"][s] / v["real_wage"])
    by_sector("net_hiring", lambda s: (v["desired_labour"][s] - v["labour"][s]) / p["hiring_time"])
    gap = (v["real_wage"] - v["outside_wage"]) / v["outside_wage"]
    put("migration", p["migration_limit"] * math.tanh(p["migration_response"] * gap / p["migration_limit"]))
    put("labour_supply_growth", p["natural_labour_growth"] + p["talent_effect"] * v["policy_talent"] + v["migration"])
    put("labour_inflow", v["labour_supply_growth"] * v["labour_supply"])

    # firms
    firms = put("high_tech_enterprises", v["certified_1"] + v["certified_2"] + v["certified_3"])
    relative = firms / p["high_tech_enterprises_base"]
    year = p["certificate_step"]
    put("registrations", c["registrations_base"] * index ** p["entry_elasticity"]
        * (1 + p["business_effect"] * v["policy_business_environment"]))
    put("deregistrations", v["market_entities"] * p["deregistration_rate"])
    put("technology_startups", v["registrations"] * p["firms_per_10k"] * c["startup_share"])
    put("recognitions", p["recognition_rate"] * cultivation * v["candidates"])
    put("candidate_exits", p["candidate_exit_rate"] * v["candidates"])
    put("ageing_1", v["certified_1"] / year)
    put("ageing_2", v["certified_2"] / year)
    put("expiries", v["certified_3"] / year)
    lapsing = (1 - p["renewal_share"]) * (1 - p["renewal_effect"] * v["policy_finance"])
    put("renewals", v["expiries"] - lapsing * v["expiries"])
    put("reapplicants", p["reapplication_share"] * (v["expiries"] - v["renewals"]))
    put("relocations", p["high_tech_enterprises_base"] * p["relocation_effect"] * promotion)
    for k in ("1", "2", "3"):
        put(f"closures_{k}", p["certified_closure_rate"] * v[f"certified_{k}"])

    # growth ladder
    def promoted(base: float, rung: str, entering: float) -> float:
        followed = p[f"{rung}_base"] > p["negligible_firms"]
        return base * v[rung] / p[f"{rung}_base"] if followed else entering

    steady = p["eaglet_enterprises_base"] * max(p["ladder_growth_base"] + p["ladder_exit_rate"], 0.0) + c["gazelle_promotions_base"]
    put("eaglet_entries", steady * relative * cultivation)
    put("gazelle_promotions", promoted(c["gazelle_promotions_base"], "eaglet_enterprises", v["eaglet_entries"]))
    put("listings", promoted(c["listings_base"], "gazelle_enterprises", v["gazelle_promotions"]))
    put("eaglet_exits", p["ladder_exit_rate"] * v["eaglet_enterprises"])
    put("gazelle_exits", p["ladder_exit_rate"] * v["gazelle_enterprises"])
    put("delistings", p["listed_exit_rate"] * v["listed_enterprises"])

    # research
    certified = relative ** p["firm_rd_elasticity"] * index ** (1 - p["firm_rd_elasticity"])
    put("rd_demand", c["rd_expenditure_base"] * (
        p["certified_rd_share"] * certified * (1 + p["rd_effect"] * v["policy_rd_support"])
        + (1 - p["certified_rd_share"]) * gdp / p["gdp_base"]))
    put("rd_intensity", v["rd_demand"] / gdp)
    put("rd_expenditure", gdp * v["rd_intensity"])
    put("rd_effective", v["rd_expenditure"] * p["rd_real_share"])
    put("rd_matured", v["rd_in_progress"] / p["rd_lag"])
    put("knowledge_obsolescence", v["knowledge"] * p["knowledge_obsolescence_rate"])

    # gross output, clusters, energy, prices
    ratio, at_base = v["value_added_ratio"], c["value_added_ratio_base"]
    put("value_added_ratio_gain", (p["value_added_ratio_drift"] + p["ai_value_added_effect"] * v["policy_ai_digital"])
        * (ratio * max(1 - ratio, 0.0)) / (at_base * max(1 - at_base, 0.05)))
    put("industrial_value_added", sum(v["output"][s] for s in w.sectors if p["industrial"][s] == 1))
    put("gross_industrial_output", v["industrial_value_added"] / v["value_added_ratio"])
    put("industrial_share", v["industrial_value_added"] / gdp)
    place = v["cluster_position"]
    put("cluster_gain", {k: place[k] * p["cluster_premium"][k] * (1 + p["cluster_effect"] * v["policy_lead_clusters"]) for k in place})
    put("cluster_saturation", {k: v["cluster_gain"][k] * place[k] / p["cluster_ceiling"][k] for k in place})
    produced = {s: v["output"][s] / c["value_added_base"][s] for s in w.sectors} | {None: sum(v["output"].values()) / p["gdp_base"]}
    put("cluster_revenue", {k: place[k] * p["cluster_revenue_base"][k] * produced[s] for k, s in w.cluster_sector.items()})
    put("energy_saving", v["energy_intensity"] * (p["energy_saving_rate"] + p["green_effect"] * v["policy_green"]))
    put("price_level", math.exp(p["deflator_growth"] * years))
    put("nominal_gdp", gdp * v["price_level"])
    return v


def slopes(w: World, v: Values) -> Values:
    """d/dt of every stock: what comes in less what goes out."""
    d: Values = {}
    for s in w.sectors:
        d["capital", s] = v["completion"][s] - v["depreciation"][s]
        d["pipeline", s] = v["capital_formation"][s] - v["completion"][s]
        d["labour", s] = v["net_hiring"][s]
    for k in w.cluster_sector:
        d["cluster_position", k] = v["cluster_gain"][k] - v["cluster_saturation"][k]
    d["labour_supply"] = v["labour_inflow"]
    d["utilisation"] = v["recovery"] - v["shock_loss"]
    d["technology"] = v["technology_growth"]
    d["rd_in_progress"] = v["rd_effective"] - v["rd_matured"]
    d["knowledge"] = v["rd_matured"] - v["knowledge_obsolescence"]
    d["market_entities"] = v["registrations"] - v["deregistrations"]
    d["candidates"] = v["technology_startups"] + v["reapplicants"] - v["recognitions"] - v["candidate_exits"]
    d["certified_1"] = v["recognitions"] + v["renewals"] + v["relocations"] - v["ageing_1"] - v["closures_1"]
    d["certified_2"] = v["ageing_1"] - v["ageing_2"] - v["closures_2"]
    d["certified_3"] = v["ageing_2"] - v["expiries"] - v["closures_3"]
    d["eaglet_enterprises"] = v["eaglet_entries"] - v["gazelle_promotions"] - v["eaglet_exits"]
    d["gazelle_enterprises"] = v["gazelle_promotions"] - v["listings"] - v["gazelle_exits"]
    d["listed_enterprises"] = v["listings"] - v["delistings"]
    d["value_added_ratio"] = v["value_added_ratio_gain"]
    d["energy_intensity"] = -v["energy_saving"]
    return d


# ---------------------------------------------------------------- time

def euler(rate: Callable[[Values, float, float], Values], state: Values, t: float, dt: float) -> Values:
    """One step along the slope at its start."""
    slope = rate(state, t, t + dt / 2)
    return {k: x + dt * slope[k] for k, x in state.items()}


def rk4(rate: Callable[[Values, float, float], Values], state: Values, t: float, dt: float) -> Values:
    """One step along the weighted mean of four slopes."""
    middle = t + dt / 2
    a = rate(state, t, middle)
    b = rate({k: x + dt / 2 * a[k] for k, x in state.items()}, middle, middle)
    c = rate({k: x + dt / 2 * b[k] for k, x in state.items()}, middle, middle)
    d = rate({k: x + dt * c[k] for k, x in state.items()}, t + dt, middle)
    return {k: x + dt * (a[k] + 2 * b[k] + 2 * c[k] + d[k]) / 6 for k, x in state.items()}


def simulate(w: World, years: int, steps: int, step: Callable[..., Values]) -> list[Values]:
    """Every variable at the base year and each of the `years` after it, with `steps` steps a year."""
    c = base_values(w)
    bases = {**{k: x for k, x in w.p.items() if k.endswith("_base")}, **{k: x for k, x in c.items() if k.endswith("_base")}}

    def course(name: str, path: Path) -> Callable[[str | None], dict[int, float]]:
        base = bases.get(f"{name}_base")
        return functools.cache(lambda element: points_of(path, w.base_year, base[element] if element and base else base))

    points = {name: course(name, path) for name, path in w.paths.items()}

    def rate(state: Values, t: float, middle: float) -> Values:
        return slopes(w, variables(w, c, points, state, t, middle))

    state = initial(w, c)
    dt = 1 / steps
    rows = []
    for year in range(years + 1):
        t = float(w.base_year + year)
        rows.append(variables(w, c, points, state, t, t - dt / 2 if year else t + dt / 2))  # seen from the step that led here
        if year < years:
            for k in range(steps):
                state = step(rate, state, t + k * dt, dt)
    return rows
