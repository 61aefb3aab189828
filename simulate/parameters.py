"""Parameters of the regional model: defaults, priors and the grounds for each. Pure.

"Judgement" is a ground too, if said. Ranges are those of `docs/model.md`; a scenario or a region's data may replace
any of them.
"""

from __future__ import annotations

from simulate.distributions import Distribution
from simulate.model import Over, Parameter

LEVERS: dict[str, str] = {
    "investment_promotion": "raises firms' own investment, draws investment and certified firms from outside",
    "rd_support": "raises R&D of certified firms",
    "enterprise_cultivation": "raises the rate at which candidates are certified and firms climb the growth ladder",
    "business_environment": "raises registrations of market entities",
    "talent": "raises the inflow of labour",
    "ai_digital": "raises productivity growth and the share of value added in gross output",
    "green": "speeds the decline of energy use per unit of GDP",
    "finance": "raises firms' own investment and the renewal of certificates",
    "trade_consumption": "raises normal capacity utilisation through demand",
    "lead_clusters": "raises the gain of the lead clusters on their sectors",
}
"""Policy levers of the model, each 0 (none) to 1 (full), and what each does."""

_COSTS = {"investment_promotion": 0.004, "rd_support": 0.003, "enterprise_cultivation": 0.001, "business_environment": 0.0005,
          "talent": 0.002, "ai_digital": 0.002, "green": 0.002, "finance": 0.001, "trade_consumption": 0.002, "lead_clusters": 0.003}


_BOUNDS = {"year": (0.25, 20.0), "1/year": (0.0, 1.0), "1": (0.0, 2.0)}
"""What makes sense for a lag (no shorter than the default step), a rate, and a ratio or elasticity that says nothing else."""
SHARE, SIGNED = (0.0, 1.0), (-0.05, 0.05)


def _three(name: str, unit: str, low: float, mode: float, high: float, doc: str, source: str = "judgement",
           over: Over = None, bounds: tuple[float, float] | None = None) -> Parameter:
    """A parameter with a triangular prior; its default is the mode."""
    usual = SHARE if name.endswith("_share") else SIGNED if low < 0 else _BOUNDS[unit]
    return Parameter(name, unit, mode, doc, source, Distribution(triangular=(low, mode, high)), over, bounds=bounds or usual)


def _base(name: str, unit: str, indicator: str, indicator_unit: str, doc: str, scale: float = 1.0,
          default: float | None = None, bounds: tuple[float, float] | None = None) -> Parameter:
    """A base-year value that the region's data supply."""
    return Parameter(name, unit, default, doc, f"base-year value of {indicator}", indicator=indicator,
                     indicator_unit=indicator_unit, scale=scale, bounds=bounds or (1e-12 if default is None else 0.0, float("inf")))


BASE_VALUES: tuple[Parameter, ...] = (
    _base("gdp_base", "CNY100M/year", "gdp", "亿元", "Base-year GDP"),
    _base("gross_industrial_output_base", "CNY100M/year", "gross_industrial_output", "亿元", "Base-year gross industrial output"),
    _base("labour_productivity_base", "CNY100M/year/person10k", "labour_productivity", "万元/人", "Base-year GDP per person employed"),
    _base("fixed_asset_investment_base", "CNY100M/year", "fixed_asset_investment", "亿元", "Base-year fixed-asset investment"),
    _base("rd_intensity_base", "1", "rd_intensity", "%", "Base-year R&D expenditure over GDP", scale=0.01, bounds=(1e-12, 1.0)),
    _base("high_tech_enterprises_base", "firm", "high_tech_enterprises", "家", "Base-year national high-tech enterprises"),
    _base("market_entities_base", "firm10k", "market_entities", "万家", "Base-year market entities"),
    _base("eaglet_enterprises_base", "firm", "eaglet_enterprises", "家", "Base-year eaglet enterprises (0: not followed)", default=0.0),
    _base("gazelle_enterprises_base", "firm", "gazelle_enterprises", "家", "Base-year gazelle enterprises (0: not followed)", default=0.0),
    _base("listed_enterprises_base", "firm", "listed_companies", "家", "Base-year listed enterprises (0: not followed)", default=0.0),
)

STRUCTURE: tuple[Parameter, ...] = (
    Parameter("base_year", "year", None, "Base year", "the plan"),
    Parameter("sector_share", "1", None, "Share of each sector in base-year GDP", "the region's data", over="sector", bounds=SHARE),
    Parameter("industrial", "1", None, "1 for sectors whose value added is industrial, else 0", "the region's data", over="sector"),
    Parameter("cluster_revenue_base", "CNY100M/year", None, "Base-year revenue of each cluster", "the region's data", over="cluster"),
    Parameter("cluster_membership", "1", None, "1 where a cluster moves with a sector, else 0; shares of GDP where with the whole economy",
              "the region's data", over="cluster"),
    Parameter("firms_per_10k", "firm/firm10k", 1e4, "Firms in ten thousand firms", "definition"),
    Parameter("certificate_step", "year", 1.0, "Time a certificate spends in each of its three years", "certificate rules: three years",
              bounds=(0.25, 3.0)),
    Parameter("negligible_flow", "CNY100M/year", 1e-9, "Guard against division by zero money", "technical", bounds=(1e-12, 1.0)),
    Parameter("negligible_firms", "firm", 1e-9, "Guard against division by zero firms", "technical", bounds=(1e-12, 1.0)),
    Parameter("price_unit", "CNY100M_nominal/CNY100M", 1.0, "Price level in the base year", "definition"),
    Parameter("energy_intensity_base", "1", 1.0, "Base-year energy use per unit of GDP (index)", "definition"),
    Parameter("technology_base", "1", 1.0, "Base-year technology (index)", "definition"),
    Parameter("cluster_position_base", "1", 1.0, "Base-year position of each cluster in its sector (index)", "definition", over="cluster"),
)

BEHAVIOUR: tuple[Parameter, ...] = (
    # production
    Parameter("capital_share", "1", {"industry": 0.50, "services": 0.45, "*": 0.48}, "Output elasticity of capital",
              "Penn World Table 11 (labour share .561), Total Economy Database (.430)", over="sector",
              prior={"industry": Distribution(triangular=(0.41, 0.50, 0.57)), "*": Distribution(triangular=(0.41, 0.45, 0.57))},
              bounds=(0.1, 0.8)),
    Parameter("depreciation_rate", "1/year", {"industry": 0.096, "services": 0.07, "*": 0.08}, "Depreciation",
              "Zhang Jun 2004 (9.6 %), Shan Haojie 2008 (10.96 %), Penn World Table (about 5 %)", over="sector",
              prior={"industry": Distribution(triangular=(0.07, 0.096, 0.11)), "*": Distribution(triangular=(0.05, 0.07, 0.096))},
              bounds=(0.01, 0.5)),
    _three("trend_growth_base", "1/year", 0.02, 0.04, 0.06, "Growth that base capital and knowledge were keeping up with",
           bounds=(0.0, 0.3)),
    _three("capital_formation_share", "1", 0.70, 0.85, 1.0, "Fixed-asset investment that becomes capital (the rest: land, fees)",
           bounds=(0.01, 1.0)),
    _three("productivity_growth", "1/year", -0.005, 0.006, 0.02, "Exogenous growth of total factor productivity",
           "Total Economy Database 1.13 %, Penn World Table 10 1.16 % over 20 years include the R&D part"),
    _three("knowledge_elasticity", "1", 0.03, 0.10, 0.18, "Elasticity of output to the knowledge stock",
           "surveys .01-.25, centre .08; doubling R&D gives +9 % productivity (AER 111(7))", bounds=(0.0, 0.3)),
    _three("human_capital_growth", "1/year", 0.003, 0.006, 0.009, "Growth of human capital per worker",
           "Long Term Growth Model data: .56-.77 %/yr", bounds=(0.0, 0.1)),
    _three("utilisation_base", "1", 0.95, 0.975, 1.0, "Capacity utilisation in the base year, relative to normal", bounds=(0.2, 1.5)),
    _three("recovery_time", "year", 0.5, 1.0, 2.0, "Time in which utilisation returns to normal"),
    # investment
    _three("construction_time", "year", 1.5, 2.0, 3.0, "Construction time"),
    _three("return_response", "1", 0.0, 0.5, 1.0, "Response of investment to returns", bounds=(0.0, 1.5)),
    # labour
    _three("natural_labour_growth", "1/year", -0.008, 0.005, 0.02, "Growth of labour supply at equal wages",
           "Tianjin's population -0.6 %/yr; zones attract: judgement"),
    _three("migration_response", "1/year", 0.0, 0.3, 0.6, "Response of labour inflow to the wage gap"),
    _three("migration_limit", "1/year", 0.02, 0.03, 0.05, "Fastest net migration, as a share of the labour supply",
           "judgement: Binhai and Shenzhen at their fastest drew some 5 % a year", bounds=(0.001, 0.5)),
    _three("outside_wage_growth", "1/year", 0.015, 0.03, 0.045, "Growth of real wages elsewhere",
           "as productivity elsewhere: at TED's 1.13 % of total factor productivity, a labour share of .54 and human capital +.6 %, 2.7 % "
           "a year in the long run, and more while capital deepens: judgement", bounds=(0.0, 0.2)),
    _three("wage_response", "1", 0.3, 1.0, 2.0, "Response of wages to scarcity of labour"),
    _three("hiring_time", "year", 0.5, 1.0, 1.5, "Time in which firms adjust employment"),
    # research and knowledge
    _three("rd_lag", "year", 1.0, 2.0, 3.0, "Lag from R&D to usable knowledge", "one year (Goh, Li, Xu) to three"),
    _three("knowledge_obsolescence_rate", "1/year", 0.05, 0.15, 0.30, "Obsolescence of knowledge",
           "convention .15; market-value method 20-40 % (NBER 13473)", bounds=(0.01, 1.0)),
    _three("rd_real_share", "1", 0.70, 0.75, 0.78, "Reported R&D that is not relabelled spending (22-30 % is)",
           "Chen, Liu, Serrato and Xu 2021 (AER 111(7))", bounds=(0.01, 1.0)),
    _three("firm_rd_elasticity", "1", 0.3, 0.6, 0.9, "Elasticity of certified firms' R&D to their number: marginal firms are smaller",
           bounds=(0.0, 1.0)),
    _three("certified_rd_share", "1", 0.5, 0.7, 0.85, "Share of R&D done by certified firms"),
    # firms
    _three("certified_growth_base", "1/year", 0.05, 0.13, 0.22, "Net yearly growth of certified firms at the base",
           "city counts 2017 and 2020: +22 %/yr; zones were slower", bounds=(-0.2, 1.0)),
    _three("renewal_share", "1", 0.60, 0.80, 0.95, "Expired certificates renewed", "no statistics found: wide judgement"),
    _three("reapplication_share", "1", 0.3, 0.5, 0.7, "Lapsed firms that become candidates again"),
    _three("recognition_rate", "1/year", 0.10, 0.25, 0.40, "Candidates certified per year", bounds=(0.01, 1.0)),
    _three("candidate_exit_rate", "1/year", 0.05, 0.10, 0.20, "Candidates that close or give up per year",
           "SAIC 2013: 6-9 % of firms exit per year"),
    _three("certified_closure_rate", "1/year", 0.005, 0.015, 0.03, "Certified firms that close per year",
           "below the 6-9 % of all firms (SAIC 2013): judgement"),
    _three("replenishment", "1", 0.6, 0.9, 1.1, "Part of the base outflow from the candidate pool that new firms replace"),
    _three("entity_growth_base", "1/year", 0.02, 0.08, 0.14, "Net yearly growth of market entities at the base", bounds=(-0.2, 1.0)),
    _three("deregistration_rate", "1/year", 0.06, 0.09, 0.12, "Market entities closed per year", "SAIC 2013"),
    _three("entry_elasticity", "1", 0.3, 0.8, 1.2, "Elasticity of registrations to output"),
    _three("ladder_growth_base", "1/year", 0.0, 0.06, 0.12, "Net yearly growth of eaglets, gazelles and listed firms at the base",
           bounds=(-0.2, 1.0)),
    _three("ladder_exit_rate", "1/year", 0.05, 0.10, 0.20, "Eaglets and gazelles that fall out per year"),
    _three("listed_exit_rate", "1/year", 0.0, 0.01, 0.03, "Listed firms that leave the market per year"),
    # gross output, clusters, energy, prices
    _three("value_added_ratio_drift", "1/year", -0.002, 0.0, 0.002, "Yearly change of value added over gross output", bounds=(-0.05, 0.05)),
    _three("cluster_premium", "1/year", 0.0, 0.05, 0.12, "Pace at which a lead cluster gains on its sector", over="cluster",
           bounds=(0.0, 0.5)),
    _three("cluster_ceiling", "1", 1.5, 2.5, 4.0, "Ceiling of a cluster's position in its sector, base = 1", over="cluster",
           bounds=(1.0, 20.0)),
    _three("energy_saving_rate", "1/year", 0.02, 0.03, 0.04, "Decline of energy use per unit of GDP",
           "national target of the 14th five-year plan 13.5 % in five years"),
    _three("deflator_growth", "1/year", 0.0, 0.015, 0.03, "Growth of the GDP deflator", bounds=(-0.1, 0.3)),
    # budget
    _three("budget_share_base", "1", 0.06, 0.10, 0.14, "Base-year general public budget revenue over GDP", bounds=SHARE),
    _three("budget_elasticity", "1", 0.7, 1.0, 1.2, "Elasticity of budget revenue to GDP"),
    _three("policy_budget_share", "1", 0.10, 0.15, 0.25, "Part of budget revenue that the levers may take"),
    # effects of the levers at full strength
    _three("investment_effect", "1", 0.0, 0.06, 0.15, "Investment promotion: rise of firms' own investment", bounds=SHARE),
    _three("attraction_effect", "1", 0.0, 0.012, 0.03, "Investment promotion: investment from outside, of output", bounds=(0.0, 0.5)),
    _three("relocation_effect", "1/year", 0.0, 0.01, 0.03, "Investment promotion: certified firms moving in, of the base number",
           bounds=(0.0, 0.5)),
    _three("rd_effect", "1", 0.0, 0.12, 0.30, "R&D support: rise of certified firms' R&D", bounds=SHARE),
    _three("cultivation_effect", "1", 0.0, 0.20, 0.50, "Enterprise cultivation: rise of recognition and promotion rates", bounds=SHARE),
    _three("business_effect", "1", 0.0, 0.15, 0.35, "Business environment: rise of registrations", bounds=SHARE),
    _three("talent_effect", "1/year", 0.0, 0.004, 0.010, "Talent: added growth of labour supply", bounds=(0.0, 0.2)),
    _three("ai_productivity_effect", "1/year", 0.0, 0.002, 0.006, "AI and digital: added productivity growth", bounds=(0.0, 0.1)),
    _three("ai_value_added_effect", "1/year", 0.0, 0.001, 0.003, "AI and digital: added yearly change of the value-added ratio",
           bounds=(0.0, 0.05)),
    _three("green_effect", "1/year", 0.0, 0.012, 0.03, "Green: added decline of energy use per unit of GDP"),
    _three("finance_effect", "1", 0.0, 0.02, 0.05, "Finance: rise of firms' own investment", bounds=SHARE),
    _three("renewal_effect", "1", 0.0, 0.10, 0.30, "Finance: part of the gap to full renewal that is closed", bounds=(0.0, 1.0)),
    _three("demand_effect", "1", 0.0, 0.005, 0.015, "Trade and consumption: rise of normal utilisation", bounds=(0.0, 0.5)),
    _three("cluster_effect", "1", 0.0, 0.5, 1.0, "Lead clusters: rise of the clusters' gain"),
    *(Parameter(f"cost_{lever}", "1", cost, f"Yearly cost of the lever {lever} at full strength, of base-year GDP", "judgement",
                Distribution(uniform=(0.5 * cost, 1.5 * cost)), bounds=SHARE) for lever, cost in _COSTS.items()),
)
