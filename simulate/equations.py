"""The equations of the regional model: capital, labour, knowledge, firms and revenue of one region. Pure.

Time is in years; a flow at time t is that calendar year's flow. Money is in CNY 100 million (亿元) at constant
base-year prices unless the unit says nominal. Shares and rates are fractions, not per cent. Names ending in `_base`
are base-year values. Names equal the ids of the indicator catalogue where a variable is one of its indicators.

No region, year or sector is named here: sectors, clusters and base-year values come from data.
"""

from __future__ import annotations

from simulate.model import equation, exp, log, maximum, minimum, of_sector, power, total, where

# ---------------------------------------------------------------- production and capital

@equation("CNY100M/year", over="sector")
def value_added_base(gdp_base, sector_share):
    """Base-year value added by sector."""
    return gdp_base * sector_share


@equation("1")
def investment_ratio(fixed_asset_investment_base, gdp_base):
    """Base-year fixed-asset investment as a share of GDP, taken to be the same in every sector."""
    return fixed_asset_investment_base / gdp_base


@equation("CNY100M", over="sector")
def capital_base(capital_formation_share, investment_ratio, value_added_base, depreciation_rate, trend_growth_base):
    """Base-year capital that the base investment keeps growing at the trend: investment, depreciation and growth are one set."""
    return capital_formation_share * investment_ratio * value_added_base / (depreciation_rate + trend_growth_base)


@equation("CNY100M", over="sector")
def pipeline_base(construction_time, capital_formation_share, investment_ratio, value_added_base):
    """Projects under construction such that completions equal investment in the base year."""
    return construction_time * capital_formation_share * investment_ratio * value_added_base


@equation("year")
def elapsed(time, base_year):
    """Years since the base year."""
    return time - base_year


@equation("1")
def total_factor_productivity(technology, knowledge, knowledge_base, knowledge_elasticity):
    """Total factor productivity relative to the base year: exogenous technology times the effect of the knowledge stock."""
    return technology * power(knowledge / knowledge_base, knowledge_elasticity)


@equation("1")
def human_capital(human_capital_growth, elapsed):
    """Human capital per worker relative to the base year."""
    return exp(human_capital_growth * elapsed)


@equation("CNY100M/year", over="sector")
def capacity(value_added_base, utilisation_base, total_factor_productivity, capital, capital_base, capital_share,
             human_capital, labour, labour_base):
    """Value added at full utilisation: Cobb-Douglas in capital and skilled labour, constant returns, written in logarithms."""
    return (value_added_base / utilisation_base * total_factor_productivity) * exp(
        capital_share * log(capital / capital_base) + (1 - capital_share) * log(human_capital * labour / labour_base))


@equation("CNY100M/year", over="sector")
def output(utilisation, capacity):
    """Value added by sector, constant prices."""
    return utilisation * capacity


@equation("CNY100M/year")
def gdp(output):
    """Gross domestic product, constant base-year prices."""
    return total(output)


@equation("1")
def log_gdp_index(gdp, gdp_base):
    """Logarithm of GDP relative to the base year: taken once, for all that scales with a power of GDP."""
    return log(gdp / gdp_base)


@equation("1", over="sector")
def return_index(output, capital, value_added_base, capital_base):
    """Output per unit of capital relative to the base year: falls as capital deepens (diminishing returns)."""
    return (output / capital) / (value_added_base / capital_base)


@equation("CNY100M/year", over="sector")
def attracted_investment(attraction_effect, policy_investment_promotion, output):
    """Investment that promotion draws from outside the region, on top of firms' own."""
    return attraction_effect * policy_investment_promotion * output


@equation("CNY100M/year", over="sector")
def own_investment(investment_ratio, investment_shift, output, return_index, return_response, investment_effect,
                   policy_investment_promotion, finance_effect, policy_finance):
    """Fixed-asset investment that firms in the region want: a share of output that follows returns."""
    return (investment_ratio * investment_shift * (1 + investment_effect * policy_investment_promotion)
            * (1 + finance_effect * policy_finance)) * output * power(return_index, return_response)


@equation("CNY100M/year")
def investment_demand(own_investment, attracted_investment):
    """Fixed-asset investment wanted in all sectors."""
    return total(own_investment) + total(attracted_investment)


@equation("CNY100M/year")
def fixed_asset_investment(investment_demand):
    """Fixed-asset investment made; a scenario may impose a plan's path here."""
    return investment_demand


@equation("CNY100M/year", over="sector")
def capital_formation(capital_formation_share, own_investment, attracted_investment, fixed_asset_investment, investment_demand,
                      negligible_flow):
    """Investment by sector that becomes capital: fixed-asset investment less land and fees, in proportion to what is wanted."""
    return (own_investment + attracted_investment) * (
        capital_formation_share * fixed_asset_investment / maximum(investment_demand, negligible_flow))


@equation("CNY100M/year", over="sector")
def completion(pipeline, construction_time):
    """Projects finished: capital put to use."""
    return pipeline / construction_time


@equation("CNY100M/year", over="sector")
def depreciation(depreciation_rate, capital):
    """Capital worn out."""
    return depreciation_rate * capital


@equation("1/year")
def technology_growth(technology, productivity_growth, ai_productivity_effect, policy_ai_digital):
    """Yearly gain of exogenous technology, with the effect of AI and digital policy."""
    return technology * (productivity_growth + ai_productivity_effect * policy_ai_digital)


@equation("1")
def normal_utilisation(demand_effect, policy_trade_consumption):
    """Utilisation that recovery leads to: 1, and slightly above where demand is supported."""
    return 1 + demand_effect * policy_trade_consumption


@equation("1/year")
def recovery(normal_utilisation, utilisation, recovery_time):
    """Return of utilisation to normal."""
    return (normal_utilisation - utilisation) / recovery_time


@equation("1/year")
def shock_loss(utilisation, shock_rate):
    """Utilisation lost to the scenario's shocks."""
    return utilisation * shock_rate


# ---------------------------------------------------------------- labour

@equation("person10k")
def employment_base(gdp_base, labour_productivity_base):
    """Base-year employment: GDP over labour productivity."""
    return gdp_base / labour_productivity_base


@equation("person10k", over="sector")
def labour_base(employment_base, sector_share):
    """Base-year employment by sector, in proportion to value added (only its total matters: growth is in ratios)."""
    return employment_base * sector_share


@equation("person10k")
def employment(labour):
    """Employment in all sectors."""
    return total(labour)


@equation("CNY100M/year/person10k")
def labour_productivity(gdp, employment):
    """GDP per person employed, constant prices (万元/人)."""
    return gdp / employment


@equation("1")
def real_wage(labour_productivity, labour_productivity_base, employment, labour_supply, wage_response):
    """Real wage relative to the base year: productivity times the pressure of scarce labour."""
    return labour_productivity / labour_productivity_base * power(employment / labour_supply, wage_response)


@equation("1")
def outside_wage(outside_wage_growth, elapsed):
    """Real wage elsewhere relative to the base year."""
    return exp(outside_wage_growth * elapsed)


@equation("person10k", over="sector")
def desired_labour(labour_base, output, value_added_base, real_wage):
    """Labour that firms want: the wage bill follows output."""
    return labour_base * (output / value_added_base) / real_wage


@equation("person10k/year", over="sector")
def net_hiring(desired_labour, labour, hiring_time):
    """Hiring less separations."""
    return (desired_labour - labour) / hiring_time


@equation("1/year")
def migration(migration_response, migration_limit, real_wage, outside_wage):
    """Net migration on the wage gap, as a share of the labour supply: proportional to small gaps, bounded for large ones (tanh)."""
    return migration_limit * (1 - 2 / (1 + exp(2 * migration_response * (real_wage / outside_wage - 1) / migration_limit)))


@equation("1/year")
def labour_supply_growth(natural_labour_growth, migration, talent_effect, policy_talent):
    """Growth of the labour supply: trend, migration, talent policy; a scenario may impose a path here."""
    return natural_labour_growth + migration + talent_effect * policy_talent


@equation("person10k/year")
def labour_inflow(labour_supply, labour_supply_growth):
    """Net inflow to the labour supply."""
    return labour_supply * labour_supply_growth


# ---------------------------------------------------------------- research and knowledge

@equation("CNY100M/year")
def rd_expenditure_base(rd_intensity_base, gdp_base):
    """Base-year R&D expenditure."""
    return rd_intensity_base * gdp_base


@equation("CNY100M")
def rd_in_progress_base(rd_lag, rd_real_share, rd_expenditure_base):
    """R&D under way such that what matures equals what is spent in the base year."""
    return rd_lag * rd_real_share * rd_expenditure_base


@equation("CNY100M")
def knowledge_base(rd_real_share, rd_expenditure_base, knowledge_obsolescence_rate, trend_growth_base):
    """Base-year knowledge stock that base R&D keeps growing at the trend."""
    return rd_real_share * rd_expenditure_base / (knowledge_obsolescence_rate + trend_growth_base)


@equation("CNY100M/year")
def rd_demand(rd_expenditure_base, certified_rd_share, high_tech_enterprises, high_tech_enterprises_base, firm_rd_elasticity,
              log_gdp_index, gdp, gdp_base, rd_effect, policy_rd_support):
    """R&D that firms and institutions want: certified firms' part grows with their number and output, the rest with GDP."""
    return rd_expenditure_base * (
        certified_rd_share * (1 + rd_effect * policy_rd_support)
        * exp(firm_rd_elasticity * log(high_tech_enterprises / high_tech_enterprises_base)
              + (1 - firm_rd_elasticity) * log_gdp_index)
        + (1 - certified_rd_share) * (gdp / gdp_base))


@equation("1")
def rd_intensity(rd_demand, gdp):
    """R&D expenditure over GDP: an outcome, since GDP fights it from below; a scenario may impose a plan's path here."""
    return rd_demand / gdp


@equation("CNY100M/year")
def rd_expenditure(rd_intensity, gdp):
    """R&D expenditure."""
    return rd_intensity * gdp


@equation("CNY100M/year")
def rd_effective(rd_real_share, rd_expenditure):
    """R&D that is truly research: a share of what is reported is relabelled other spending."""
    return rd_real_share * rd_expenditure


@equation("CNY100M/year")
def rd_matured(rd_in_progress, rd_lag):
    """R&D that becomes usable knowledge."""
    return rd_in_progress / rd_lag


@equation("CNY100M/year")
def knowledge_obsolescence(knowledge_obsolescence_rate, knowledge):
    """Knowledge that loses its use."""
    return knowledge_obsolescence_rate * knowledge


# ---------------------------------------------------------------- firms

@equation("firm10k/year")
def registrations_base(deregistration_rate, entity_growth_base, market_entities_base):
    """Base-year registrations: what replaces deregistrations and makes the base growth; none where it falls faster than that."""
    return maximum(deregistration_rate + entity_growth_base, 0 * deregistration_rate) * market_entities_base


@equation("firm10k/year")
def registrations(registrations_base, log_gdp_index, entry_elasticity, business_effect, policy_business_environment):
    """New market entities: follow output."""
    return registrations_base * exp(entry_elasticity * log_gdp_index) * (1 + business_effect * policy_business_environment)


@equation("firm10k/year")
def deregistrations(deregistration_rate, market_entities):
    """Market entities closed."""
    return deregistration_rate * market_entities


@equation("1")
def certificate_ratio(certified_growth_base, certified_closure_rate, certificate_step):
    """Certificates of one year of validity over those of the next, in a population that grows steadily at its base rate."""
    return 1 + (certified_growth_base + certified_closure_rate) * certificate_step


@equation("firm")
def certified_1_base(high_tech_enterprises_base, certificate_ratio):
    """Certificates in their first year at the base (a third where nothing grows or closes)."""
    return high_tech_enterprises_base / (1 + 1 / certificate_ratio + 1 / (certificate_ratio * certificate_ratio))


@equation("firm")
def certified_2_base(certified_1_base, certificate_ratio):
    """Certificates in their second year at the base."""
    return certified_1_base / certificate_ratio


@equation("firm")
def certified_3_base(high_tech_enterprises_base, certified_1_base, certified_2_base):
    """Certificates in their third year at the base."""
    return high_tech_enterprises_base - certified_1_base - certified_2_base


@equation("firm/year")
def recognitions_base(certified_growth_base, certified_closure_rate, high_tech_enterprises_base, renewal_share, certified_3_base,
                      certificate_step):
    """Base-year new certificates: what makes the base growth, and replaces lapses and closures; none where it falls faster."""
    return maximum((certified_growth_base + certified_closure_rate) * high_tech_enterprises_base + (
        1 - renewal_share) * certified_3_base / certificate_step, 0 * high_tech_enterprises_base / certificate_step)


@equation("firm")
def candidates_base(recognitions_base, recognition_rate):
    """Technology firms not yet certified at the base: the pool that base recognitions are drawn from."""
    return recognitions_base / recognition_rate


@equation("1")
def startup_share(replenishment, recognitions_base, candidate_exit_rate, candidates_base, reapplication_share, renewal_share,
                  certified_3_base, certificate_step, registrations_base, firms_per_10k, negligible_firms):
    """Technology firms among new registrations, such that the base inflow replaces a given part of the pool's outflow."""
    return maximum(replenishment * (recognitions_base + candidate_exit_rate * candidates_base) - reapplication_share * (
        1 - renewal_share) * certified_3_base / certificate_step, 0 * recognitions_base) / maximum(
            registrations_base * firms_per_10k, negligible_firms / certificate_step)


@equation("firm/year")
def technology_startups(startup_share, registrations, firms_per_10k):
    """New technology firms."""
    return startup_share * registrations * firms_per_10k


@equation("firm/year")
def recognitions(candidates, recognition_rate, cultivation_effect, policy_enterprise_cultivation):
    """Candidates newly certified."""
    return candidates * recognition_rate * (1 + cultivation_effect * policy_enterprise_cultivation)


@equation("firm/year")
def candidate_exits(candidates, candidate_exit_rate):
    """Candidates that close or give up."""
    return candidates * candidate_exit_rate


@equation("firm/year")
def ageing_1(certified_1, certificate_step):
    """Certificates that pass from the first to the second year."""
    return certified_1 / certificate_step


@equation("firm/year")
def ageing_2(certified_2, certificate_step):
    """Certificates that pass from the second to the third year."""
    return certified_2 / certificate_step


@equation("firm/year")
def expiries(certified_3, certificate_step):
    """Certificates that run out after three years."""
    return certified_3 / certificate_step


@equation("firm/year")
def renewals(renewal_share, renewal_effect, policy_finance, expiries):
    """Expired certificates renewed; finance closes part of the gap to all."""
    return (1 - (1 - renewal_share) * (1 - renewal_effect * policy_finance)) * expiries


@equation("firm/year")
def reapplicants(reapplication_share, expiries, renewals):
    """Lapsed firms that come back as candidates."""
    return reapplication_share * (expiries - renewals)


@equation("firm/year")
def relocations(relocation_effect, high_tech_enterprises_base, policy_investment_promotion):
    """Certified firms that move in from outside."""
    return relocation_effect * high_tech_enterprises_base * policy_investment_promotion


@equation("firm/year")
def closures_1(certified_1, certified_closure_rate):
    """First-year certificate holders that close."""
    return certified_1 * certified_closure_rate


@equation("firm/year")
def closures_2(certified_2, certified_closure_rate):
    """Second-year certificate holders that close."""
    return certified_2 * certified_closure_rate


@equation("firm/year")
def closures_3(certified_3, certified_closure_rate):
    """Third-year certificate holders that close."""
    return certified_3 * certified_closure_rate


@equation("firm")
def high_tech_enterprises(certified_1, certified_2, certified_3):
    """National high-tech enterprises: certificates in force."""
    return certified_1 + certified_2 + certified_3


# The growth ladder: eaglets, gazelles, listed. Overlaps with certified firms; never added to them.

@equation("firm/year")
def listings_base(ladder_growth_base, listed_exit_rate, listed_enterprises_base):
    """Base-year listings."""
    return maximum(ladder_growth_base + listed_exit_rate, 0 * listed_exit_rate) * listed_enterprises_base


@equation("firm/year")
def gazelle_promotions_base(ladder_growth_base, ladder_exit_rate, gazelle_enterprises_base, listings_base):
    """Base-year promotions of eaglets to gazelles."""
    return maximum(ladder_growth_base + ladder_exit_rate, 0 * ladder_exit_rate) * gazelle_enterprises_base + listings_base


@equation("firm/year")
def eaglet_entries(ladder_growth_base, ladder_exit_rate, eaglet_enterprises_base, gazelle_promotions_base, high_tech_enterprises,
                   high_tech_enterprises_base, cultivation_effect, policy_enterprise_cultivation):
    """Firms that become eaglets: follow the number of certified firms."""
    return (maximum(ladder_growth_base + ladder_exit_rate, 0 * ladder_exit_rate) * eaglet_enterprises_base + gazelle_promotions_base) * (
        high_tech_enterprises / high_tech_enterprises_base) * (1 + cultivation_effect * policy_enterprise_cultivation)


@equation("firm/year")
def gazelle_promotions(gazelle_promotions_base, eaglet_enterprises, eaglet_enterprises_base, eaglet_entries, negligible_firms):
    """Eaglets that become gazelles; where eaglets are not followed, firms pass straight on."""
    return where(eaglet_enterprises_base > negligible_firms, gazelle_promotions_base * eaglet_enterprises / maximum(
        eaglet_enterprises_base, negligible_firms), eaglet_entries)


@equation("firm/year")
def listings(listings_base, gazelle_enterprises, gazelle_enterprises_base, gazelle_promotions, negligible_firms):
    """Gazelles that are listed; where gazelles are not followed, firms pass straight on."""
    return where(gazelle_enterprises_base > negligible_firms, listings_base * gazelle_enterprises / maximum(
        gazelle_enterprises_base, negligible_firms), gazelle_promotions)


@equation("firm/year")
def eaglet_exits(eaglet_enterprises, ladder_exit_rate):
    """Eaglets that fall out."""
    return eaglet_enterprises * ladder_exit_rate


@equation("firm/year")
def gazelle_exits(gazelle_enterprises, ladder_exit_rate):
    """Gazelles that fall out."""
    return gazelle_enterprises * ladder_exit_rate


@equation("firm/year")
def delistings(listed_enterprises, listed_exit_rate):
    """Listed firms that leave the market."""
    return listed_enterprises * listed_exit_rate


# ---------------------------------------------------------------- gross output, clusters, energy

@equation("1")
def value_added_ratio_base(industrial, value_added_base, gross_industrial_output_base):
    """Base-year industrial value added over gross industrial output."""
    return total(industrial * value_added_base) / gross_industrial_output_base


@equation("1/year")
def value_added_ratio_gain(value_added_ratio_drift, ai_value_added_effect, policy_ai_digital, value_added_ratio, value_added_ratio_base):
    """Yearly change of value added over gross output: drift and the effect of AI and digital policy; logistic, as it is a share."""
    return (value_added_ratio_drift + ai_value_added_effect * policy_ai_digital) * value_added_ratio / value_added_ratio_base * (
        maximum(1 - value_added_ratio, 0) / maximum(1 - value_added_ratio_base, 0.05))


@equation("CNY100M/year")
def industrial_value_added(industrial, output):
    """Value added of the industrial sectors."""
    return total(industrial * output)


@equation("CNY100M/year")
def gross_industrial_output(industrial_value_added, value_added_ratio):
    """Gross industrial output, constant prices: value added over the value-added ratio."""
    return industrial_value_added / value_added_ratio


@equation("1")
def industrial_share(industrial_value_added, gdp):
    """Industrial value added in GDP."""
    return industrial_value_added / gdp


@equation("1/year", over="cluster")
def cluster_gain(cluster_premium, cluster_effect, policy_lead_clusters, cluster_position):
    """Gain of a cluster on its sector."""
    return cluster_premium * (1 + cluster_effect * policy_lead_clusters) * cluster_position


@equation("1/year", over="cluster")
def cluster_saturation(cluster_gain, cluster_position, cluster_ceiling):
    """Loss of pace as a cluster nears its ceiling."""
    return cluster_gain * cluster_position / cluster_ceiling


@equation("CNY100M/year", over="cluster")
def cluster_revenue(cluster_revenue_base, cluster_membership, output, value_added_base, cluster_position):
    """Operating revenue of the lead clusters, constant prices: moves with the sector and the cluster's position in it."""
    return cluster_revenue_base * of_sector(cluster_membership, output / value_added_base) * cluster_position


@equation("1/year")
def energy_saving(energy_intensity, energy_saving_rate, green_effect, policy_green):
    """Yearly decline of energy use per unit of GDP."""
    return energy_intensity * (energy_saving_rate + green_effect * policy_green)


# ---------------------------------------------------------------- prices, budget, policy

@equation("CNY100M_nominal/CNY100M")
def price_level(price_unit, deflator_growth, elapsed):
    """GDP deflator, base year 1."""
    return price_unit * exp(deflator_growth * elapsed)


@equation("CNY100M_nominal/year")
def nominal_gdp(gdp, price_level):
    """GDP at current prices."""
    return gdp * price_level


@equation("CNY100M/year")
def general_budget_revenue(budget_share_base, gdp_base, log_gdp_index, budget_elasticity):
    """General public budget revenue, constant prices."""
    return budget_share_base * gdp_base * exp(budget_elasticity * log_gdp_index)


@equation("1")
def funding(policy_budget_share, general_budget_revenue, planned_policy_cost, negligible_flow):
    """Part of the planned policy that the budget can pay for."""
    return minimum(policy_budget_share * general_budget_revenue / maximum(planned_policy_cost, negligible_flow), 1.0)


@equation("CNY100M/year")
def policy_cost(planned_policy_cost, funding):
    """Yearly cost of the policy that is carried out."""
    return planned_policy_cost * funding
