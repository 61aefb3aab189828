"""Tests of structure: conservation, admissible inputs, units, and the error of integration."""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from simulate.errors import InvalidInput
from simulate.model import Array, Equation, Model, Parameter, Stock, formula
from simulate.parameters import BASE_VALUES, LEVERS
from simulate.runs import Trajectories
from simulate.scenarios import Shock, parameter_and_element
from simulate.setups import Setup
from simulate.validation.findings import RUNS, Case, Finding, Labels, Measure, below, judged, words

ROUNDING = 1e-11
"""Relative error that sums of some thousand additions may gather in double precision."""


# ---------------------------------------------------------------- conservation

@dataclass(frozen=True)
class Ledger:
    """A chain of stocks: what is in it changes only by what enters and leaves; transfers inside it cancel."""

    name: Labels
    stocks: tuple[str, ...]
    enters: tuple[str, ...]
    leaves: tuple[str, ...]


LEDGERS = (
    Ledger(words("投资—在建—资本", "capital formation, construction, capital"), ("pipeline", "capital"), ("capital_formation",),
           ("depreciation",)),
    Ledger(words("研发—在研—知识", "R&D, under way, knowledge"), ("rd_in_progress", "knowledge"), ("rd_effective",),
           ("knowledge_obsolescence",)),
    Ledger(words("候选企业与高企证书", "candidates and certificates"), ("candidates", "certified_1", "certified_2", "certified_3"),
           ("technology_startups", "reapplicants", "renewals", "relocations"),
           ("candidate_exits", "closures_1", "closures_2", "closures_3", "expiries")),
    Ledger(words("雏鹰—瞪羚—上市", "eaglets, gazelles, listed firms"), ("eaglet_enterprises", "gazelle_enterprises", "listed_enterprises"),
           ("eaglet_entries",), ("eaglet_exits", "gazelle_exits", "delistings")),
    Ledger(words("经营主体", "market entities"), ("market_entities",), ("registrations",), ("deregistrations",)),
    Ledger(words("劳动力供给", "labour supply"), ("labour_supply",), ("labour_inflow",), ()),
)
"""Chains of matter, money and persons, written down apart from the model, so that a leak in it shows."""


def ledger_error(case: Case, setup: Setup, ledger: Ledger, drawn: Mapping[str, Array]) -> float:
    """Return the greatest difference between a chain's stocks and its own account of what entered and left, over its size.

    The account is an extra stock of a copied model, so that it is integrated by the same method and steps as the chain.
    """
    model = setup.model
    over = model.over[ledger.stocks[0]]
    account = Stock("ledger_account", model.units[ledger.stocks[0]], "ledger_start", ledger.enters, ledger.leaves, over)
    extended = dataclasses.replace(model, stocks=(*model.stocks, account), parameters=(
        *model.parameters, Parameter("ledger_start", account.unit, 0.0, "", over=over)))
    start = np.zeros((setup.elements[over], 1)) if over else np.zeros(1)
    parameters = {**setup.parameters(drawn), "ledger_start": start}
    found = _simulate(extended, setup, parameters, drawn, [*ledger.stocks, "ledger_account"])
    held = sum((found[n] for n in ledger.stocks), np.zeros(1))
    change = held - held[0] - found["ledger_account"]
    scale = np.maximum(np.abs(held).max(), np.abs(found["ledger_account"]).max())
    return float(np.abs(change).max() / max(scale, 1e-300))


def _simulate(model: Model, setup: Setup, parameters: Mapping[str, Array], drawn: Mapping[str, Array], keep: Iterable[str],
              method: str | None = None, steps: int | None = None) -> dict[str, Array]:
    from simulate.integrators import METHODS

    scenario = setup.scenario
    with np.errstate(all="ignore"):  # what leaves the finite numbers is found by who looks at the result
        return model.simulate(parameters, setup.inputs(drawn), start=float(setup.base_year), years=scenario.horizon - setup.base_year,
                              steps_per_year=steps or scenario.steps_per_year, step=METHODS[method or scenario.method],
                              runs=max((len(a) for a in drawn.values()), default=1), elements=setup.elements,
                              paths=setup.paths(parameters), keep=keep)


def balance_error(case: Case) -> float:
    """Return the greatest error, over its stock, of change = inflows - outflows for every stock, by Euler's method once a year.

    Then a stock's change over a year is the year's reported flows exactly, with nothing between.
    """
    setup = case.pushed
    drawn = case.draw(64, setup)
    flows = {f for s in case.model.stocks for f in (*s.inflows, *s.outflows)}
    found = _simulate(case.model, setup, setup.parameters(drawn), drawn, [*(s.name for s in case.model.stocks), *flows], "euler", 1)
    worst = 0.0
    for s in case.model.stocks:
        x = found[s.name]
        net = sum((found[f][:-1] for f in s.inflows), np.zeros(1)) - sum((found[f][:-1] for f in s.outflows), np.zeros(1))
        worst = np.maximum(worst, (np.abs(np.diff(x, axis=0) - net) / np.maximum(np.abs(x[:-1]), 1e-9 + np.abs(net))).max(initial=0))
    return float(worst)


def twice_counted(model: Model) -> list[str]:
    """Return the flows that enter, or leave, more than one stock: matter would be made or lost."""
    ins = [f for s in model.stocks for f in s.inflows]
    outs = [f for s in model.stocks for f in s.outflows]
    return sorted({f for f in ins if ins.count(f) > 1} | {f for f in outs if outs.count(f) > 1})


def identity_errors(t: Trajectories) -> dict[str, float]:
    """Return the greatest relative error of each accounting identity of the regional model along an ensemble."""
    v = t.values

    def apart(one: Array, other: Array) -> float:
        return float(np.max(np.abs(one - other) / np.maximum(np.abs(other), 1e-300)))

    setup_share = t.setup.parameters(t.drawn)["capital_formation_share"]
    return {
        "gdp": apart(v["output"].sum(axis=1), v["gdp"]),
        "gross_industrial_output": apart(v["gross_industrial_output"] * v["value_added_ratio"], v["industrial_value_added"]),
        "capital_formation": apart(v["capital_formation"].sum(axis=1), setup_share * v["fixed_asset_investment"]),
        "high_tech_enterprises": apart(v["certified_1"] + v["certified_2"] + v["certified_3"], v["high_tech_enterprises"]),
        "rd_expenditure": apart(v["rd_intensity"] * v["gdp"], v["rd_expenditure"]),
        "nominal_gdp": apart(v["gdp"] * v["price_level"], v["nominal_gdp"]),
    }


def structure(case: Case) -> Finding:
    """Conservation of firms, capital and money, and no negative stock from any admissible input."""
    pushed = case.pushed
    drawn = case.draw(200, pushed)
    figures = [below(words(
        "每一存量：变化 = 流入 − 流出（逐年欧拉，最大相对误差）",
        "every stock: change = inflows - outflows (largest relative error)"),
                     balance_error(case), ROUNDING, strict=True)]
    for ledger in LEDGERS:
        figures.append(below(words(f"守恒账：{ledger.name.zh}", f"ledger: {ledger.name.en}"), ledger_error(case, pushed, ledger, drawn),
                             ROUNDING, strict=True, worry=words(f"“{ledger.name.zh}”不守恒", f"the chain “{ledger.name.en}” leaks")))
    twice = twice_counted(case.model)
    figures.append(judged(words("被计入两个存量的流量", "flows counted into two stocks"), len(twice), "", words("0", "0"), ok=not twice,
                          worry=words(f"重复计算的流量：{'、'.join(twice)}", f"flows counted twice: {', '.join(twice)}")))
    t = case.project(pushed, drawn, keep=("industrial_value_added", "capital_formation", "rd_expenditure", "funding"))
    errors = identity_errors(t)
    figures.append(below(words(
        f"{len(errors)} 个会计恒等式的最大相对误差",
        f"largest relative error of {len(errors)} accounting identities"),
                         max(errors.values()), ROUNDING, strict=True,
                         worry=words(f"恒等式不成立：{max(errors, key=errors.__getitem__)}",
                                     f"an accounting identity breaks: {max(errors, key=errors.__getitem__)}")))
    budget = pushed.parameters(drawn)["policy_budget_share"] * t.values["general_budget_revenue"]
    figures.append(below(words("政策支出 / 财力上限（最大）", "policy cost over what the budget allows (largest)"),
                         float((t.values["policy_cost"] / budget).max()), 1 + ROUNDING, strict=True))
    employed = case.ensemble.values["employment"] / case.ensemble.values["labour_supply"]
    over = float(employed[-1].max())
    share = 100 * float((employed[-1] > 1 + 1e-9).mean())
    figures.append(below(words(
        f"{case.horizon}年就业 / 劳动力供给（最大）",
        f"employment over labour supply in {case.horizon} (largest)"), over, 1.0, fail=1.25,
                         worry=words(
                             f"{share:.0f} % 的模拟在{case.horizon}年就业超过劳动力供给（最多 {over:.2f} 倍）：劳动力供给在模型中是指数，"
                             "不是人数上限",
                             f"in {share:.0f} % of runs employment exceeds the labour supply in {case.horizon} (up to {over:.2f} times): "
                             "the supply is an index of slack, not a bound")))
    t = case.ensemble
    firms = (t.values["candidates"] + t.values["high_tech_enterprises"]) / (1e4 * t.values["market_entities"])
    crowd = 100 * float(firms.max())
    figures.append(below(words(
        "科技企业（候选与高企）占全部经营主体（最大）",
        "technology firms (candidates and certified) in all market entities (largest)"),
                         crowd, 100.0, "%", strict=True, worry=words(
                             f"科技企业达全部经营主体的 {crowd:.0f} %", f"technology firms reach {crowd:.0f} % of all market entities")))
    outside = np.zeros(t.runs, dtype=bool)
    for name in ("value_added_ratio", "industrial_share", "rd_intensity"):
        outside |= ((t.values[name] < 0) | (t.values[name] > 1)).any(axis=0)
    figures.append(judged(words(
        "增加值率、工业占比或研发强度越出 0–1 的模拟",
        "runs in which value-added ratio, industrial share or R&D intensity leave 0 to 1"),
                          int(outside.sum()), "", words(
                              "0",
                              "0"), ok=not outside.any(), ratio=1.0 + 100 * float(outside.mean()), worry=words(
                              f"{int(outside.sum())} 次模拟中有比率越出 0–1", f"a ratio leaves 0 to 1 in {int(outside.sum())} runs")))
    used = case.ensemble.values["fixed_asset_investment"] + case.ensemble.values["rd_expenditure"]
    absorbed = float((used / case.ensemble.values["gdp"]).max())
    figures.append(below(words("投资与研发占 GDP（最大）", "investment and R&D over GDP (largest)"), absorbed, 1.0, worry=words(
        f"投资与研发合计最高达 GDP 的 {absorbed:.2f} 倍，需要区外资金而模型无资金约束",
        f"investment and R&D reach {absorbed:.2f} times GDP: money from outside that no equation accounts for")))
    figures += admissibility(case)
    return Finding("structure", words(
        "副本模型中为每条链另记一账，用同一积分法积分后比对；恒等式在强政策集合上核对；输入在整个可行域内抽样",
        "each chain gets an account of its own in a copy of the model, integrated alike and compared; identities along an ensemble with "
        "all levers on; inputs drawn over the whole admissible domain"), tuple(figures))


# ---------------------------------------------------------------- admissible inputs

@dataclass(frozen=True)
class Sampling:
    """What happened over a sample of inputs: runs, runs with a negative stock or no finite number, and the least stock over its base.

    `bad` says which runs, shape (runs,); `explosive` counts those that stay finite and end with more than a hundredfold GDP.
    """

    runs: int
    negative: int
    nonfinite: int
    explosive: int
    least: float
    worst: str
    bad: Any = field(repr=False)


def stress(case: Case, drawn: Mapping[str, Array]) -> Sampling:
    """Project random levers and shocks on inputs `drawn`; count what leaves the admissible states."""
    runs = max(len(a) for a in drawn.values())
    rng = np.random.default_rng(case.scenario.seed)
    start = case.setup.base_year + 1.0
    shocks = {"use": Shock(start=start, size=0.5, duration=1.0), "invest": Shock(start=start, size=0.5, duration=1.0, on="investment")}
    pushed = case.pushed.scenario
    setup = case.settle(levers=pushed.levers, shocks={**case.scenario.shocks, **shocks}, uncertainties=pushed.uncertainties)
    more = {**{f"levers.{n}": rng.random(runs) for n in LEVERS}, **{f"shocks.{n}": 0.99 * rng.random(runs) for n in shocks}}
    negative = np.zeros(runs, dtype=bool)
    broken = np.zeros(runs, dtype=bool)
    rise = np.ones(runs)
    least, worst = np.inf, ""
    for begin in range(0, runs, 4096):
        block = slice(begin, begin + 4096)
        t = case.project(setup, {k: a[block] for k, a in {**drawn, **more}.items()})
        rise[block] = t.values["gdp"][-1] / t.values["gdp"][0]
        for s in case.model.stocks:
            x = t.values[s.name]
            if not x.size:  # a region without clusters
                continue
            x = x.reshape(len(x), -1, x.shape[-1])
            low, start_value = x.min(axis=(0, 1)), np.abs(x[0]).max(axis=0)
            with np.errstate(all="ignore"):
                relative = low / np.maximum(start_value, 1e-300)
            bad = ~np.isfinite(x).all(axis=(0, 1))
            negative[block] |= ~bad & (relative < -1e-9)
            broken[block] |= bad
            candidates = np.where(bad | (start_value == 0), np.inf, relative)
            if candidates.min() < least:
                least, worst = float(candidates.min()), s.name
    bad = negative | broken
    return Sampling(runs, int(negative.sum()), int(broken.sum()), int((~bad & (rise > 100)).sum()), least, worst, bad)


def prior_draws(case: Case, runs: int) -> dict[str, Array]:
    """Draw every uncertain input from its prior."""
    return case.draw(runs)


def corner_draws(case: Case, runs: int) -> dict[str, Array]:
    """Draw every uncertain input at one of the two ends of its prior."""
    rng = np.random.default_rng(case.scenario.seed + 1)
    return {k: np.where(rng.random(runs) < 0.5, *d.support) for k, d in sorted(case.setup.drawn.items())}


def admissible(case: Case) -> dict[str, tuple[float, float, float, float]]:
    """Return for every input that a scenario may set: the ends of its domain, and the ends of its prior (or its value twice)."""
    known = {p.name: p for p in case.model.parameters}
    free = {p.name for p in case.model.parameters if p.prior is not None} | {p.name for p in BASE_VALUES if p.default is None}
    found = {}
    for key, value in case.setup.values.items():
        name, _ = parameter_and_element(key)
        if name not in free:
            continue
        low, high = (value, value) if isinstance(value, float | int) else value.support
        found[key] = (*known[name].bounds, float(low), float(high))
    return found


def wide_draws(case: Case, runs: int) -> dict[str, Array]:
    """Draw over the admissible domain: a tenth at its ends, the rest evenly; within a factor ten of the data where it has no end."""
    rng = np.random.default_rng(case.scenario.seed + 2)
    drawn = {}
    for key, (least, greatest, low, high) in admissible(case).items():
        u, edge = rng.random(runs), rng.random(runs) < 0.1
        if np.isfinite(greatest):
            drawn[key] = np.where(edge, np.where(u < 0.5, least, greatest), least + (greatest - least) * u)
        else:
            bottom, top = max(least, low / 10, 1e-12), 10 * max(high, 1e-12)
            drawn[key] = bottom * (top / bottom) ** u
    return drawn


def blame(drawn: Mapping[str, Array], bad: Any, most: int = 3) -> list[str]:
    """Return the inputs whose values differ most between the runs that are `bad` and the others, by Kolmogorov and Smirnov's distance.

    Monte Carlo filtering (Hornberger and Spear 1981). Empty where all runs are bad, or too few to tell.
    """
    if bad.all() or bad.sum() < 10:  # what two or three runs have in common is chance
        return []
    from scipy.stats import ks_2samp

    apart = {k: float(ks_2samp(a[bad], a[~bad], method="asymp").statistic) for k, a in drawn.items()}
    return sorted(apart, key=lambda k: -apart[k])[:most]


def edge_failures(case: Case) -> list[str]:
    """Return the inputs that, alone at an end of their domain (ten times the prior where it is open), break the run."""
    edges = [(k, end) for k, (least, greatest, _, high) in admissible(case).items()
             for end in (least, greatest if np.isfinite(greatest) else 10 * high)]
    drawn = {k: np.full(len(edges), float(a[0])) for k, a in case.medians.items()}
    for column, (key, end) in enumerate(edges):
        held = drawn.setdefault(key, np.full(len(edges), float(np.ravel(_given(case, key))[0])))
        held[column] = end
    t = case.project(case.setup, drawn)
    bad = ~t.finite
    for s in case.model.stocks:
        x = t.values[s.name].reshape(len(t.years), -1, len(edges))
        if not x.size:
            continue
        with np.errstate(all="ignore"):
            bad |= (x.min(axis=(0, 1)) < -1e-9 * np.abs(x[0]).max(axis=0)) | ~np.isfinite(x).all(axis=(0, 1))
    return [f"{key} = {end:g}" for (key, end), wrong in zip(edges, bad, strict=True) if wrong]


def _given(case: Case, key: str) -> Array:
    value = case.setup.values[key]
    return np.array([float(value)]) if isinstance(value, float | int) else np.array([value.centre])


def _stressed(name: Labels, drawn: Mapping[str, Array], s: Sampling, *, reported: bool) -> Measure:
    """Return the figure of one sample; `reported`: a run that leaves the finite numbers is weak, as the program says so itself."""
    bad = s.negative + s.nonfinite
    causes = ", ".join(blame(drawn, s.bad))
    told = words("", "")
    if causes:
        told = words(f"；与其余模拟相差最大的输入：{causes}", f"; inputs that tell them from the others: {causes}")
    return judged(
        words(f"{name.zh}，随机政策与冲击，{s.runs:,} 次：负存量或非有限数",
              f"inputs {name.en}, random levers and shocks, {s.runs:,} runs: negative stock or not finite"),
        bad, words("次", "runs"), words("0", "0"), ok=not bad, soft=reported and not s.negative, ratio=1 + 100 * bad / s.runs, worry=words(
            f"{name.zh}：{s.runs:,} 次模拟中 {s.negative:,} 次出现负存量而不作声，{s.nonfinite:,} 次溢出（会报告）{told.zh}",
            f"with inputs {name.en} {s.negative:,} of {s.runs:,} runs have a negative stock and say nothing, {s.nonfinite:,} leave the "
            f"finite numbers (those are reported){told.en}"))


def admissibility(case: Case) -> list[Measure]:
    """Return the figures on negative stocks: over the priors, at their corners, over the whole domain, and one input at a time."""
    figures = []
    for name, drawn in ((words("先验内", "from the priors"), prior_draws(case, 2 * RUNS)),
                        (words("先验的角点", "at corners of the priors"), corner_draws(case, 2 * RUNS))):
        figures.append(_stressed(name, drawn, stress(case, drawn), reported=False))
    drawn = wide_draws(case, 4 * RUNS)
    wide = stress(case, drawn)
    figures += [_stressed(words("整个可行域", "from the whole admissible domain"), drawn, wide, reported=True),
                Measure(words("其中：GDP 增至百倍以上而仍为有限数", "of these, finite but with more than a hundredfold GDP"),
                        wide.explosive, words("次", "runs"))]
    edges = edge_failures(case)
    figures.append(judged(
        words(
            "单个输入取可行域端点即令模型失效的个数",
            "inputs that break the run alone at an end of their domain"), len(edges), "", words("0", "0"),
        ok=not edges, ratio=1.0 + len(edges), worry=words(
            f"可行域允许但模型不能承受的输入：{'、'.join(edges[:6])}",
            f"admissible inputs that the model cannot bear: {', '.join(edges[:6])}{' …' if len(edges) > 6 else ''}")))
    return figures


# ---------------------------------------------------------------- units

def mutants(equation: Equation, units: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield faults of dimension put into an equation: (what, the formula): a factor dropped, a product made a quotient and back."""
    for index in range(len(_places(equation.formula, units))):
        tree: ast.AST = ast.parse(ast.unparse(equation.formula), mode="eval")
        assert isinstance(tree, ast.Expression)
        node = _places(tree.body, units)[index]
        if isinstance(node, ast.Name):
            what = f"{node.id} dropped"
            replacement = ast.Constant(1.0)
            _Swap(node, replacement).visit(tree)
        else:
            assert isinstance(node, ast.BinOp)
            what = f"{ast.unparse(node)} inverted"
            node.op = ast.Div() if isinstance(node.op, ast.Mult) else ast.Mult()
        yield what, ast.unparse(tree.body)


def _places(body: ast.expr, units: Mapping[str, str]) -> list[ast.AST]:
    """Return where a fault of dimension can be put: not at what is summed over sectors, which must stay an array."""
    summed = {id(a) for n in ast.walk(body) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)
              and n.func.id in ("total", "of_sector") for a in n.args}
    return [n for n in ast.walk(body) if _dimensioned(n, units) and id(n) not in summed]


class _Swap(ast.NodeTransformer):
    def __init__(self, old: ast.AST, new: ast.expr) -> None:
        self.old, self.new = old, new

    def visit(self, node: ast.AST) -> ast.AST:
        """Put the new node in the old one's place."""
        return self.new if node is self.old else super().generic_visit(node)


def _dimensioned(node: ast.AST, units: Mapping[str, str]) -> bool:
    """Whether a fault at `node` changes a dimension: a name with a unit, or a product whose right side is such a name."""
    if isinstance(node, ast.Name):
        return units.get(node.id, "1") != "1"
    return (isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult | ast.Div) and isinstance(node.right, ast.Name)
            and units.get(node.right.id, "1") != "1")


def caught(model: Model) -> tuple[int, list[str]]:
    """Put every single dimensional fault into every equation; return how many there are, and those the unit check misses."""
    made, missed = 0, []
    for e in model.equations:
        arguments = tuple(Parameter(a, model.units[a], 1.0, "", over=model.over[a]) for a in e.arguments if a != model.time)
        for what, text in mutants(e, model.units):
            made += 1
            try:
                fault = formula(e.name, text, e.unit, "", e.over)
                Model((), arguments, (), (fault,)).check_units()
            except (InvalidInput, ValueError):  # pint refuses to compare a quantity with a number by the latter
                continue
            if _same(e, fault):  # 0 · x for 0: no fault at all
                made -= 1
            else:
                missed.append(f"{e.name}: {what}")
    return made, missed


def _same(one: Equation, other: Equation) -> bool:
    """Whether two scalar equations agree at a random point."""
    values = dict(zip(one.arguments, np.random.default_rng(1).uniform(0.5, 2.0, (len(one.arguments), 1)), strict=True))
    if one.over:
        return False
    return bool(np.array_equal(one.function(*values.values()), other.function(*(values[a] for a in other.arguments))))


CURRENCY = 7.0
"""Factor by which the unit of money is changed (any would do: not a power of two, so that rounding shows)."""


def numeraire_error(case: Case) -> float:
    """Return how much any stock or output without money in its unit moves when all money inputs are given in another currency."""
    parameters = case.setup.parameters(case.medians)

    def power_of_money(unit: str) -> int:
        top, *bottom = unit.split("/")
        return (top == "CNY100M") - sum(b == "CNY100M" for b in bottom)

    money = {p.name: power_of_money(p.unit) for p in case.model.parameters}
    other = {n: a * CURRENCY ** money.get(n, 0) for n, a in parameters.items()}
    keep = [*(s.name for s in case.model.stocks), "gdp", "rd_intensity", "real_wage", "high_tech_enterprises", "gross_industrial_output"]
    keep = [n for n in dict.fromkeys(keep) if n in case.model.over]
    one, two = (_simulate(case.model, case.setup, p, case.medians, keep) for p in (parameters, other))
    worst = 0.0
    for n in keep:
        expected = one[n] * CURRENCY ** power_of_money(case.model.units[n])
        worst = np.maximum(worst, (np.abs(two[n] - expected) / np.maximum(np.abs(expected), 1e-9)).max(initial=0))
    return float(worst)


def dimensions(case: Case) -> Finding:
    """Units of every equation, seeded faults of dimension, and a change of currency."""
    problems: tuple[object, ...] = ()
    try:
        case.model.check_units()
    except InvalidInput as invalid:
        problems = invalid.problems
    first = str(problems[0]).splitlines()[0] if problems else ""
    made, missed = caught(case.model)
    figures = (
        judged(words(
            f"{len(case.model.equations)} 个方程与 {len(case.model.stocks)} 个存量中单位不符者",
            f"units that disagree, in {len(case.model.equations)} equations and {len(case.model.stocks)} stocks"), len(problems), "",
               words("0", "0"), ok=not problems, ratio=1.0 + len(problems), worry=words(f"单位不符：{first}", f"units disagree: {first}")),
        judged(words(f"种入的量纲错误被查出的比例（共 {made} 个）", f"faults of dimension put in and found (of {made})"),
               100 * (made - len(missed)) / max(made, 1), "%", words("100 %", "100 %"), ok=not missed, soft=len(missed) < 0.1 * made,
               worry=words(f"未查出：{'；'.join(missed[:3])}", f"not found: {'; '.join(missed[:3])}")),
        below(words("货币单位换成七分之一：其他变量的最大相对变化", "another currency (one seventh): largest relative move of all else"),
              numeraire_error(case), 1e-9, strict=True),
    )
    return Finding("dimensions", words(
        "每次运行前逐式以带单位的量求值；逐式去掉一个有量纲的因子或乘除互换，看检查是否发现；全部货币输入换算后重算",
        "every equation is evaluated on quantities with units before any run; in each, every factor with a unit is dropped and every such "
        "product inverted in turn; all money inputs in another currency"), figures,
        words("无量纲因子的缺失不可能由量纲检查发现。", "A missing factor without dimension cannot be found this way.") if made else None)


# ---------------------------------------------------------------- integration

def integration_errors(case: Case, setup: Setup) -> tuple[dict[str, float], float]:
    """Return the greatest relative error of any stock or headline at any year by method and steps, and RK4's observed order.

    The reference is RK4 with eight times the steps. Runs: 64 draws. Setup: whatever levers and shocks it has.
    """
    drawn = case.draw(64, setup)
    usual = case.scenario.steps_per_year
    keep = [*(s.name for s in case.model.stocks), *(case.central.outputs[i].variable.partition("[")[0] for i in case.headline)]
    parameters = setup.parameters(drawn)

    def solve(method: str, steps: int) -> dict[str, Array]:
        return _simulate(setup.model, setup, parameters, drawn, keep, method, steps)

    exact = solve("rk4", 8 * usual)

    def error(method: str, steps: int) -> float:
        found = solve(method, steps)
        return float(np.max([(np.abs(found[n] - exact[n]) / np.maximum(np.abs(exact[n]), 1e-9)).max(initial=0) for n in keep]))

    errors = {f"{m} × {n}": error(m, n) for m, n in (("rk4", max(usual // 2, 1)), ("rk4", usual), ("rk4", 2 * usual), ("euler", usual),
                                                     ("euler", 4 * usual))}
    order = float(np.log2(errors[f"rk4 × {usual}"] / max(errors[f"rk4 × {2 * usual}"], 1e-300)))
    return errors, order


def integration(case: Case) -> Finding:
    """Step halved and doubled, Euler against Runge-Kutta, on the baseline and under levers and shocks."""
    start = case.setup.base_year + 2.25
    shaken = case.settle(levers=case.pushed.scenario.levers, shocks={
        **case.scenario.shocks, "sharp": Shock(start=start, size=0.05, duration=0.75)}, uncertainties=case.pushed.scenario.uncertainties)
    usual = case.scenario.steps_per_year
    figures = []
    for zh, en, setup in (("基准", "baseline", case.setup), ("政策与冲击", "levers and a shock", shaken)):
        errors, order = integration_errors(case, setup)
        chosen = errors[f"{case.scenario.method} × {usual}"]
        figures += [
            below(words(
                f"{zh}：{case.scenario.method}，每年 {usual} 步，最大相对误差",
                f"{en}: {case.scenario.method}, {usual} steps a year, largest relative error"),
                  chosen, 1e-3, fail=1e-2, worry=words(f"{zh}的积分误差达 {chosen:.1e}", f"integration error reaches {chosen:.1e} ({en})")),
            Measure(words(f"{zh}：步长加倍 / 减半", f"{en}: step doubled / halved"),
                    f"{errors[f'rk4 × {max(usual // 2, 1)}']:.0e} / {errors[f'rk4 × {2 * usual}']:.0e}"),
            Measure(words(f"{zh}：欧拉法，每年 {usual} / {4 * usual} 步", f"{en}: Euler, {usual} / {4 * usual} steps a year"),
                    f"{errors[f'euler × {usual}']:.0e} / {errors[f'euler × {4 * usual}']:.0e}"),
            judged(words(f"{zh}：RK4 的实测阶数", f"{en}: order of RK4 as observed"), order, "", words("≥ 3.5", "≥ 3.5"), ok=order >= 3.5,
                   soft=True, ratio=4 / max(order, 0.1), worry=words(
                       f"RK4 只达到 {order:.1f} 阶（{zh}）",
                       f"RK4 reaches order {order:.1f} only ({en})"))
            if setup is case.setup else Measure(words(f"{zh}：RK4 的实测阶数（财力上限处有折点）",
                                                      f"{en}: order of RK4 as observed (the budget's limit is a kink)"), order),
        ]
    return Finding("integration", words(
        f"全部存量与主要指标、逐年、64 次抽样，对照每年 {8 * usual} 步的 RK4",
        f"all stocks and headline indicators, every year, 64 draws, against RK4 with {8 * usual} steps a year"), tuple(figures))
