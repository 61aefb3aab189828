"""Where the regional model's variables stand in its diagrams, and what they are called: data, with the names in Chinese and English.

Links are never listed here: the diagrams draw those of the model. A variable of the model without a place fails a test.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

Point = tuple[float, float]
Link = tuple[str, str]


@dataclass(frozen=True)
class Part:
    """A page of the stock-and-flow diagram: `places` of the variables that it defines, `shadows` of those it takes from elsewhere.

    Inches from the lower left corner. A flow's place is its valve. `clouds` are the ends of flows outside the model, where they
    do not lie opposite the stock; `bends` curve an information arrow otherwise than usual; `beside` are the flows whose name
    stands left of their vertical pipe, `below` those whose name stands below their horizontal one.
    """

    id: str
    zh: str
    en: str
    size: Point
    places: Mapping[str, Point]
    shadows: Mapping[str, Point]
    clouds: Mapping[str, Point] = field(default_factory=dict)
    bends: Mapping[Link, float] = field(default_factory=dict)
    beside: frozenset[str] = frozenset()
    below: frozenset[str] = frozenset()


PARTS: tuple[Part, ...] = (
    Part("production", "资本与产出", "Capital and output", (13.4, 8.4), {
        "capital_formation": (3.1, 7.0), "pipeline": (5.2, 7.0), "completion": (7.2, 7.0), "capital": (9.2, 7.0),
        "depreciation": (11.2, 7.0), "fixed_asset_investment": (1.3, 6.0), "investment_demand": (2.3, 4.9), "own_investment": (4.6, 5.0),
        "attracted_investment": (2.2, 3.4), "return_index": (7.2, 5.3), "output": (6.2, 3.3), "capacity": (9.2, 4.1), "gdp": (4.3, 2.4),
        "total_factor_productivity": (11.6, 4.3), "human_capital": (9.6, 2.9), "technology": (11.3, 1.2), "technology_growth": (9.5, 1.2),
        "utilisation": (4.5, 1.0), "recovery": (2.6, 1.0), "shock_loss": (6.2, 1.0), "normal_utilisation": (1.4, 1.9),
    }, {
        "labour": (11.4, 5.6), "knowledge": (12.6, 3.0), "elapsed": (8.0, 2.3), "policy_investment_promotion": (4.0, 3.95),
        "policy_finance": (6.0, 6.1), "policy_ai_digital": (9.9, 0.4), "policy_trade_consumption": (0.9, 2.8),
    }, bends={("attracted_investment", "capital_formation"): 0.3, ("own_investment", "investment_demand"): 0.1,
              ("output", "own_investment"): 0.1}),
    Part("labour", "劳动力", "Labour", (9.4, 8.4), {
        "net_hiring": (2.6, 7.0), "labour": (4.8, 7.0), "employment": (7.0, 6.2), "labour_productivity": (7.8, 4.9),
        "real_wage": (5.8, 4.1), "desired_labour": (2.6, 5.5), "labour_supply": (7.2, 1.3), "labour_inflow": (4.8, 1.3),
        "labour_supply_growth": (3.2, 2.5), "migration": (4.7, 3.1), "outside_wage": (2.6, 3.9),
    }, {"output": (0.9, 4.9), "gdp": (8.6, 6.0), "elapsed": (1.0, 3.3), "policy_talent": (1.2, 2.0)}),
    Part("firms", "企业与高新认定", "Firms and high-tech certificates", (17.6, 7.4), {
        "registrations": (2.8, 6.2), "market_entities": (4.6, 6.2), "deregistrations": (6.3, 6.2), "technology_startups": (1.9, 3.3),
        "candidates": (3.7, 3.3), "recognitions": (5.5, 3.3), "candidate_exits": (3.7, 4.5), "reapplicants": (3.7, 1.8),
        "certified_1": (7.4, 3.3), "ageing_1": (9.2, 3.3), "certified_2": (10.9, 3.3), "ageing_2": (12.6, 3.3), "certified_3": (14.2, 3.3),
        "expiries": (15.8, 3.3), "renewals": (7.4, 1.8), "relocations": (7.0, 4.6), "closures_1": (7.9, 4.6), "closures_2": (11.35, 4.6),
        "closures_3": (14.65, 4.6), "high_tech_enterprises": (10.3, 6.3),
    }, {"log_gdp_index": (1.0, 5.0), "policy_business_environment": (5.0, 5.1), "policy_enterprise_cultivation": (5.4, 2.1),
        "policy_investment_promotion": (5.7, 5.4), "policy_finance": (9.2, 2.3)},
        bends={("expiries", "renewals"): -0.25, ("expiries", "reapplicants"): -0.33, ("renewals", "reapplicants"): -0.12,
               ("certified_1", "high_tech_enterprises"): 0.32, ("certified_2", "high_tech_enterprises"): -0.1,
               ("certified_3", "high_tech_enterprises"): 0.34, ("registrations", "technology_startups"): 0.25,
               ("policy_investment_promotion", "relocations"): -0.1},
        beside=frozenset({"relocations", "renewals", "reapplicants"}), below=frozenset({"technology_startups"})),
    Part("research", "研发与知识", "R&D and knowledge", (12.0, 6.0), {
        "rd_effective": (2.4, 4.6), "rd_in_progress": (4.4, 4.6), "rd_matured": (6.3, 4.6), "knowledge": (8.2, 4.6),
        "knowledge_obsolescence": (10.1, 4.6), "rd_expenditure": (2.4, 3.0), "rd_intensity": (4.6, 2.6), "rd_demand": (6.8, 2.6),
    }, {"gdp": (3.4, 1.2), "log_gdp_index": (5.6, 0.9), "high_tech_enterprises": (8.4, 1.2), "policy_rd_support": (9.2, 2.7)}),
    Part("ladder", "企业成长梯队", "Growth ladder of firms", (11.8, 4.4), {
        "eaglet_entries": (2.4, 2.0), "eaglet_enterprises": (4.1, 2.0), "gazelle_promotions": (5.8, 2.0), "gazelle_enterprises": (7.4, 2.0),
        "listings": (9.0, 2.0), "listed_enterprises": (10.5, 2.0), "delistings": (10.5, 2.95), "eaglet_exits": (4.1, 2.95),
        "gazelle_exits": (7.4, 2.95),
    }, {"high_tech_enterprises": (1.3, 0.6), "policy_enterprise_cultivation": (3.2, 0.6)},
        bends={("eaglet_entries", "gazelle_promotions"): 0.4, ("gazelle_promotions", "listings"): 0.4}),
    Part("clusters", "工业总产值、集群与能耗", "Gross output, clusters, energy", (13.0, 6.4), {
        "cluster_gain": (2.4, 4.9), "cluster_position": (4.4, 4.9), "cluster_saturation": (6.4, 4.9), "cluster_revenue": (5.2, 3.3),
        "value_added_ratio_gain": (2.4, 1.6), "value_added_ratio": (4.4, 1.6), "gross_industrial_output": (7.0, 2.0),
        "industrial_value_added": (8.6, 3.3), "industrial_share": (10.6, 3.9), "energy_intensity": (9.1, 1.2), "energy_saving": (11.0, 1.2),
    }, {"output": (7.4, 4.0), "gdp": (11.9, 3.2), "policy_lead_clusters": (2.3, 3.6), "policy_ai_digital": (2.3, 0.5),
        "policy_green": (10.9, 0.4)}, bends={("cluster_gain", "cluster_saturation"): 0.34}),
    Part("budget", "财政、政策与价格", "Budget, policy, prices", (11.0, 6.0), {
        "log_gdp_index": (2.2, 5.1), "general_budget_revenue": (2.8, 4.0), "planned_policy_cost": (1.4, 2.7), "funding": (4.2, 3.0),
        "policy_cost": (2.8, 1.9), "policy_investment_promotion": (9.0, 5.3), "policy_rd_support": (9.0, 4.8),
        "policy_enterprise_cultivation": (9.0, 4.3), "policy_business_environment": (9.0, 3.8), "policy_talent": (9.0, 3.3),
        "policy_ai_digital": (9.0, 2.8), "policy_green": (9.0, 2.3), "policy_finance": (9.0, 1.8), "policy_trade_consumption": (9.0, 1.3),
        "policy_lead_clusters": (9.0, 0.8), "elapsed": (5.4, 0.5), "price_level": (3.4, 0.5), "nominal_gdp": (1.3, 0.8),
    }, {"gdp": (0.8, 4.5)}, bends={("funding", "policy_cost"): -0.15, **{("funding", f"policy_{x}"): 0.0 for x in (
        "investment_promotion", "rd_support", "enterprise_cultivation", "business_environment", "talent", "ai_digital", "green", "finance",
        "trade_consumption", "lead_clusters")}}),
)

NAMES: Mapping[str, tuple[str, str]] = {
    "ageing_1": ("满一年", "first year over"), "ageing_2": ("满两年", "second year over"),
    "attracted_investment": ("引进投资", "attracted investment"), "candidate_exits": ("候选退出", "exits of candidates"),
    "candidates": ("待认定科技企业", "candidates"), "capacity": ("产能", "capacity"), "capital": ("资本存量", "capital"),
    "capital_formation": ("资本形成", "capital formation"), "certified_1": ("高新企业第1年", "first-year certificates"),
    "certified_2": ("高新企业第2年", "second-year certificates"), "certified_3": ("高新企业第3年", "third-year certificates"),
    "closures_1": ("第1年倒闭", "closures, year 1"), "closures_2": ("第2年倒闭", "closures, year 2"),
    "closures_3": ("第3年倒闭", "closures, year 3"),
    "cluster_gain": ("集群增势", "cluster gain"), "cluster_position": ("集群相对地位", "cluster position"),
    "cluster_revenue": ("集群营业收入", "cluster revenue"), "cluster_saturation": ("集群饱和", "cluster saturation"),
    "completion": ("竣工投产", "completion"), "delistings": ("退市", "delistings"), "depreciation": ("折旧", "depreciation"),
    "deregistrations": ("注销", "deregistrations"), "desired_labour": ("劳动需求", "desired labour"),
    "eaglet_enterprises": ("雏鹰企业", "eaglets"), "eaglet_entries": ("雏鹰新增", "eaglet entries"),
    "eaglet_exits": ("雏鹰退出", "eaglet exits"), "elapsed": ("距基年年数", "years since base"), "employment": ("就业", "employment"),
    "energy_intensity": ("单位GDP能耗", "energy intensity"), "energy_saving": ("节能", "energy saving"),
    "expiries": ("证书到期", "expiries"), "fixed_asset_investment": ("固定资产投资", "fixed-asset investment"),
    "funding": ("资金保障", "funding"), "gazelle_enterprises": ("瞪羚企业", "gazelles"), "gazelle_exits": ("瞪羚退出", "gazelle exits"),
    "gazelle_promotions": ("晋级瞪羚", "promotions"), "gdp": ("地区生产总值", "GDP"),
    "general_budget_revenue": ("一般公共预算收入", "budget revenue"),
    "gross_industrial_output": ("工业总产值", "gross industrial output"),
    "high_tech_enterprises": ("高新技术企业", "high-tech enterprises"), "human_capital": ("人力资本", "human capital"),
    "industrial_share": ("工业占比", "industrial share"), "industrial_value_added": ("工业增加值", "industrial value added"),
    "investment_demand": ("投资意愿", "investment demand"), "knowledge": ("知识存量", "knowledge"),
    "knowledge_obsolescence": ("知识老化", "obsolescence"), "labour": ("从业人员", "labour"),
    "labour_inflow": ("劳动力净流入", "labour inflow"), "labour_productivity": ("劳动生产率", "labour productivity"),
    "labour_supply": ("劳动力供给", "labour supply"), "labour_supply_growth": ("劳动力增速", "labour supply growth"),
    "listed_enterprises": ("上市企业", "listed firms"), "listings": ("上市", "listings"),
    "log_gdp_index": ("GDP指数（对数）", "log GDP index"), "market_entities": ("市场主体", "market entities"),
    "migration": ("迁移", "migration"), "net_hiring": ("净招工", "net hiring"), "nominal_gdp": ("现价GDP", "nominal GDP"),
    "normal_utilisation": ("正常利用率", "normal utilisation"), "output": ("增加值", "output"),
    "outside_wage": ("外地工资", "outside wage"), "own_investment": ("自主投资", "own investment"),
    "pipeline": ("在建项目", "pipeline"), "planned_policy_cost": ("计划政策支出", "planned policy cost"),
    "policy_ai_digital": ("智能与数字政策", "AI and digital"), "policy_business_environment": ("营商环境政策", "business environment"),
    "policy_cost": ("政策支出", "policy cost"), "policy_enterprise_cultivation": ("企业培育政策", "enterprise cultivation"),
    "policy_finance": ("金融政策", "finance"), "policy_green": ("绿色政策", "green"),
    "policy_investment_promotion": ("招商引资政策", "investment promotion"), "policy_lead_clusters": ("主导集群政策", "lead clusters"),
    "policy_rd_support": ("研发支持政策", "R&D support"), "policy_talent": ("人才政策", "talent"),
    "policy_trade_consumption": ("外贸消费政策", "trade, consumption"), "price_level": ("价格水平", "price level"),
    "rd_demand": ("研发意愿", "R&D demand"), "rd_effective": ("有效研发投入", "effective R&D"),
    "rd_expenditure": ("研发经费", "R&D expenditure"), "rd_in_progress": ("在研投入", "R&D in progress"),
    "rd_intensity": ("研发强度", "R&D intensity"), "rd_matured": ("研发成熟", "R&D matured"), "real_wage": ("实际工资", "real wage"),
    "reapplicants": ("重新申报", "reapplicants"), "recognitions": ("新认定", "recognitions"), "recovery": ("恢复", "recovery"),
    "registrations": ("新登记", "registrations"), "relocations": ("迁入", "relocations"), "renewals": ("复审通过", "renewals"),
    "return_index": ("资本回报指数", "return index"), "shock_loss": ("冲击损失", "shock loss"),
    "technology": ("技术水平", "technology"), "technology_growth": ("技术进步", "technology growth"),
    "technology_startups": ("科技创业", "technology startups"),
    "total_factor_productivity": ("全要素生产率", "total factor productivity"), "utilisation": ("产能利用率", "utilisation"),
    "value_added_ratio": ("增加值率", "value-added ratio"), "value_added_ratio_gain": ("增加值率提升", "ratio gain"),
}
"""What a variable is called in diagrams: Chinese, English."""

LOOP_NAMES: Mapping[str, str] = {
    "investment, capital, output": "投资—资本—产出", "attracted investment": "引进投资", "diminishing returns": "资本报酬递减",
    "output and returns": "产出与回报", "R&D, knowledge, productivity": "研发—知识—生产率", "labour and output": "劳动—产出",
    "labour scarcity and wage": "劳动稀缺—工资", "output and wage": "产出—工资", "employment and wage": "就业摊薄—工资",
    "migration": "人口迁移",
    "certificate renewal": "证书复审", "certificate lapse": "证书失效", "return of lapsed firms": "失效企业重新申报",
    "renewed, not lapsed": "复审减少失效", "draining pool of candidates": "后备企业池消耗",
    "certified firms, R&D, output, entry": "高新企业—研发—产出—新设", "budget, policy, investment": "财政—政策—投资",
    "cluster saturation": "集群饱和",
}
"""Names of the named feedback loops in Chinese."""

FOCUS = ("capital", "labour", "knowledge", "certified_1")
"""Stocks whose driving loops the dominance chart shows first."""

CENTRES: Mapping[str, Point] = {
    "capital": (3.6, 9.0), "output": (7.2, 7.9), "own_investment": (3.1, 5.8), "return_index": (3.9, 7.35),
    "attracted_investment": (5.2, 7.15),
    "gdp": (10.4, 7.3), "rd_demand": (13.5, 7.7), "knowledge": (11.3, 10.1), "high_tech_enterprises": (14.9, 7.0),
    "labour": (6.8, 5.0), "real_wage": (4.4, 2.9), "desired_labour": (2.6, 3.9), "labour_productivity": (8.2, 4.2), "migration": (2.6, 1.3),
    "labour_supply": (6.4, 1.3), "candidates": (10.4, 4.4), "registrations": (10.4, 5.9), "certified_1": (13.4, 4.4),
    "certified_3": (15.8, 4.4), "expiries": (15.4, 2.5), "renewals": (12.9, 2.3), "reapplicants": (11.2, 1.5),
    "general_budget_revenue": (7.4, 10.4), "policy_investment_promotion": (1.2, 10.2),
}
"""Places of the variables in the overview of causal loops; what is not here is passed over (its sign is carried along)."""

EMBLEMS: Mapping[str, Point] = {
    "investment, capital, output": (5.35, 8.4), "diminishing returns": (2.85, 7.75), "R&D, knowledge, productivity": (12.1, 8.9),
    "labour scarcity and wage": (4.6, 4.3), "output and wage": (7.7, 6.2), "migration": (4.4, 2.0), "certificate renewal": (14.2, 3.6),
    "return of lapsed firms": (11.5, 3.3), "certified firms, R&D, output, entry": (12.6, 6.2), "budget, policy, investment": (5.2, 9.95),
}
"""Places of the loops' letters in the overview."""


MAP_BENDS: Mapping[Link, float] = {
    ("own_investment", "capital"): -0.7, ("attracted_investment", "capital"): 0.1,
    ("capital", "return_index"): 0.05, ("return_index", "own_investment"): 0.05,
    ("policy_investment_promotion", "own_investment"): 0.12, ("output", "return_index"): -0.1, ("output", "own_investment"): -0.2,
    ("output", "desired_labour"): -0.05, ("rd_demand", "knowledge"): 0.16, ("gdp", "rd_demand"): -0.1,
    ("gdp", "knowledge"): -0.12, ("renewals", "certified_1"): -0.3, ("migration", "labour_supply"): 0.16,
    ("general_budget_revenue", "policy_investment_promotion"): 0.08, ("expiries", "reapplicants"): -0.25, ("renewals", "reapplicants"): 0.0,
    ("expiries", "renewals"): 0.0, ("gdp", "registrations"): 0.0, ("registrations", "candidates"): 0.0,
    ("gdp", "general_budget_revenue"): -0.1,
}
"""Curves of the overview's arrows, where they are not the usual one."""


def name(variable: str, lang: str) -> str:
    """Return what a variable is called in diagrams; one without an entry by its own name."""
    zh, en = NAMES.get(variable, (variable, variable.replace("_", " ")))
    return zh if lang == "zh" else en


def loop_name(loop: str, lang: str) -> str:
    """Return what a loop is called: a named one in the language, one called by its flow by that flow's name."""
    if loop in NAMES and loop not in LOOP_NAMES:
        return name(loop, lang)
    if " > " in loop:  # one that has no name
        return " > ".join(name(v, lang) for v in loop.split(" > "))
    return LOOP_NAMES.get(loop, loop) if lang == "zh" else loop
