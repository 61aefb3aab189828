"""The regional model assembled: its stocks, its equations and parameters, its named loops and its outputs. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from simulate import equations, parameters
from simulate.feedback import Loop
from simulate.model import Equation, Input, Model, Stock, formula
from simulate.parameters import LEVERS

STOCKS: tuple[Stock, ...] = (
    Stock("capital", "CNY100M", "capital_base", ("completion",), ("depreciation",), "sector", "Capital in use"),
    Stock("pipeline", "CNY100M", "pipeline_base", ("capital_formation",), ("completion",), "sector", "Projects under construction"),
    Stock("labour", "person10k", "labour_base", ("net_hiring",), (), "sector", "Persons employed"),
    Stock("labour_supply", "person10k", "employment_base", ("labour_inflow",), (), None,
          "Labour supply at usual hours and participation: where employment exceeds it, wages rise"),
    Stock("utilisation", "1", "utilisation_base", ("recovery",), ("shock_loss",), None, "Capacity utilisation relative to normal"),
    Stock("technology", "1", "technology_base", ("technology_growth",), (), None, "Exogenous technology, base = 1"),
    Stock("rd_in_progress", "CNY100M", "rd_in_progress_base", ("rd_effective",), ("rd_matured",), None, "R&D under way"),
    Stock("knowledge", "CNY100M", "knowledge_base", ("rd_matured",), ("knowledge_obsolescence",), None, "Knowledge stock"),
    Stock("market_entities", "firm10k", "market_entities_base", ("registrations",), ("deregistrations",), None, "Market entities"),
    Stock("candidates", "firm", "candidates_base", ("technology_startups", "reapplicants"), ("recognitions", "candidate_exits"),
          None, "Technology firms not yet certified"),
    Stock("certified_1", "firm", "certified_1_base", ("recognitions", "renewals", "relocations"), ("ageing_1", "closures_1"),
          None, "High-tech certificates in their first year"),
    Stock("certified_2", "firm", "certified_2_base", ("ageing_1",), ("ageing_2", "closures_2"), None,
          "High-tech certificates in their second year"),
    Stock("certified_3", "firm", "certified_3_base", ("ageing_2",), ("expiries", "closures_3"), None,
          "High-tech certificates in their third year"),
    Stock("eaglet_enterprises", "firm", "eaglet_enterprises_base", ("eaglet_entries",), ("gazelle_promotions", "eaglet_exits"),
          None, "Eaglet enterprises"),
    Stock("gazelle_enterprises", "firm", "gazelle_enterprises_base", ("gazelle_promotions",), ("listings", "gazelle_exits"),
          None, "Gazelle enterprises"),
    Stock("listed_enterprises", "firm", "listed_enterprises_base", ("listings",), ("delistings",), None, "Listed enterprises"),
    Stock("cluster_position", "1", "cluster_position_base", ("cluster_gain",), ("cluster_saturation",), "cluster",
          "Share of a cluster's revenue relative to its sector, base = 1"),
    Stock("value_added_ratio", "1", "value_added_ratio_base", ("value_added_ratio_gain",), (), None,
          "Industrial value added over gross industrial output"),
    Stock("energy_intensity", "1", "energy_intensity_base", (), ("energy_saving",), None, "Energy use per unit of GDP, base = 1"),
)

INPUTS: tuple[Input, ...] = (
    *(Input(f"lever_{name}", "1", f"Planned strength of the lever {name}, 0 to 1: {what}") for name, what in LEVERS.items()),
    Input("shock_rate", "1/year", "Rate at which shocks take utilisation away"),
    Input("investment_shift", "1", "Firms' investment relative to their usual behaviour: below 1 after an investment shock"),
)

POLICIES: tuple[Equation, ...] = (
    *(formula(f"policy_{name}", f"lever_{name} * funding", "1", f"The lever {name} as far as it is funded") for name in LEVERS),
    formula("planned_policy_cost", "gdp_base * (" + " + ".join(f"cost_{name} * lever_{name}" for name in LEVERS) + ")",
            "CNY100M/year", "Yearly cost of the levers as the scenario sets them"),
)


_GROWTH = ("knowledge", "total_factor_productivity", "capacity", "output", "gdp")
_RESEARCH = ("rd_intensity", "rd_expenditure", "rd_effective", "rd_in_progress", "rd_matured")
_CERTIFICATES = ("candidates", "recognitions", "certified_1", "ageing_1", "certified_2", "ageing_2", "certified_3")
_ENTRY = ("high_tech_enterprises", "rd_demand", *_RESEARCH, *_GROWTH, "log_gdp_index", "registrations", "technology_startups")
_BUILDING = ("own_investment", "capital_formation", "pipeline", "completion")

LOOPS: tuple[Loop, ...] = (
    Loop("investment, capital, output", "R", ("capital", "capacity", "output", *_BUILDING)),
    Loop("attracted investment", "R", ("capital", "capacity", "output", "attracted_investment", *_BUILDING[1:])),
    Loop("diminishing returns", "B", ("capital", "return_index", *_BUILDING)),
    Loop("output and returns", "R", ("capital", "capacity", "output", "return_index", *_BUILDING)),
    Loop("R&D, knowledge, productivity", "R", (*_GROWTH, "rd_demand", *_RESEARCH)),
    Loop("R&D, knowledge, productivity", "R", (*_GROWTH, "log_gdp_index", "rd_demand", *_RESEARCH)),
    Loop("R&D, knowledge, productivity", "R", (*_GROWTH, *_RESEARCH[1:])),
    Loop("labour and output", "R", ("labour", "capacity", "output", "desired_labour", "net_hiring")),
    Loop("labour scarcity and wage", "B", ("labour", "employment", "real_wage", "desired_labour", "net_hiring")),
    Loop("output and wage", "B", ("labour", "capacity", "output", "gdp", "labour_productivity", "real_wage", "desired_labour",
                                  "net_hiring")),
    Loop("employment and wage", "R", ("labour", "employment", "labour_productivity", "real_wage", "desired_labour", "net_hiring")),
    Loop("migration", "B", ("labour_supply", "real_wage", "migration", "labour_supply_growth", "labour_inflow")),
    Loop("certificate renewal", "R", (*_CERTIFICATES[2:], "expiries", "renewals")),
    Loop("certificate lapse", "B", ("certified_3", "expiries")),
    Loop("return of lapsed firms", "R", (*_CERTIFICATES, "expiries", "reapplicants")),
    Loop("renewed, not lapsed", "B", (*_CERTIFICATES, "expiries", "renewals", "reapplicants")),
    Loop("draining pool of candidates", "B", ("candidates", "recognitions")),
    Loop("certified firms, R&D, output, entry", "R", (*_CERTIFICATES[:3], *_ENTRY)),
    Loop("certified firms, R&D, output, entry", "R", (*_CERTIFICATES[:5], *_ENTRY)),
    Loop("certified firms, R&D, output, entry", "R", (*_CERTIFICATES, *_ENTRY)),
    Loop("budget, policy, investment", "R", ("capital", "capacity", "output", "gdp", "log_gdp_index", "general_budget_revenue", "funding",
                                             "policy_investment_promotion", *_BUILDING)),
    Loop("cluster saturation", "B", ("cluster_position", "cluster_saturation")),
)
"""The named feedback loops; loops of one name are variants of one mechanism."""


@dataclass(frozen=True)
class Output:
    """A variable that is an indicator of the catalogue: value · scale is in the indicator's `unit`."""

    variable: str
    indicator: str
    unit: str
    scale: float = 1.0


HEADLINE = ("gdp", "gross_industrial_output", "high_tech_enterprises", "rd_intensity")
"""The four indicators that a run's table and plots show first."""

OUTPUTS: tuple[Output, ...] = (
    Output("gdp", "gdp", "亿元"),
    Output("gross_industrial_output", "gross_industrial_output", "亿元"),
    Output("high_tech_enterprises", "high_tech_enterprises", "家"),
    Output("rd_intensity", "rd_intensity", "%", 100.0),
    Output("labour_productivity", "labour_productivity", "万元/人"),
    Output("employment", "employment", "万人"),
    Output("fixed_asset_investment", "fixed_asset_investment", "亿元"),
    Output("market_entities", "market_entities", "万家"),
    Output("eaglet_enterprises", "eaglet_enterprises", "家"),
    Output("gazelle_enterprises", "gazelle_enterprises", "家"),
    Output("listed_enterprises", "listed_companies", "家"),
    Output("general_budget_revenue", "general_budget_revenue", "亿元"),
)

@lru_cache(maxsize=1)
def regional_model() -> Model:
    """Return the regional model."""
    found = tuple(x for x in vars(equations).values() if isinstance(x, Equation))
    return Model(STOCKS, (*parameters.BASE_VALUES, *parameters.STRUCTURE, *parameters.BEHAVIOUR), INPUTS, (*found, *POLICIES))
