"""The model language: toy models with known solutions, every error it can raise, and its check of units."""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from simulate.distributions import Distribution
from simulate.errors import InvalidInput
from simulate.integrators import METHODS, euler, rk4
from simulate.model import FUNCTIONS, Array, Equation, Input, Model, Parameter, Stock, equation, formula, power, total
from simulate.region import regional_model

REGIONAL = regional_model()


def parameter(name: str, unit: str, over: Any = None) -> Parameter:
    return Parameter(name, unit, 1.0, f"What {name} is", over=over)


def project(model: Model, parameters: Mapping[str, Any], years: int = 3, steps: int = 8, step: Any = rk4, runs: int = 1,
            **options: Any) -> dict[str, Array]:
    """Simulate a toy model from year 2000; parameters are lists by run, or lists of them by sector."""
    given = {name: np.array(value, dtype=float) for name, value in parameters.items()}
    elements = {"sector": options.pop("sectors", 1), "cluster": 1}
    inputs = options.pop("inputs", {})
    return model.simulate(given, inputs, start=2000.0, years=years, steps_per_year=steps, step=step, runs=runs, elements=elements,
                          **options)


def refused(make: Callable[[], Any]) -> str:
    with pytest.raises(InvalidInput) as caught:
        make()
    return str(caught.value)


# ---------------------------------------------------------------- toy models with known solutions

@equation("kg/year")
def decay(mass, rate):
    """Mass lost."""
    return rate * mass


DECAY = Model((Stock("mass", "kg", "mass_base", (), ("decay",)),),
              (parameter("mass_base", "kg"), parameter("rate", "1/year")), (), (decay,))


def test_decay_by_runge_kutta() -> None:
    found = project(DECAY, {"mass_base": [2.0], "rate": [0.1, 0.5]}, steps=16, runs=2)
    assert found["mass"].shape == (4, 2)
    assert found["mass"] == pytest.approx(2 * np.exp(-np.outer(np.arange(4), [0.1, 0.5])), rel=1e-7)
    assert (found["decay"] == np.array([0.1, 0.5]) * found["mass"]).all()


def test_decay_by_euler() -> None:
    """(1 - k dt)^n, exactly what Euler's method gives."""
    found = project(DECAY, {"mass_base": [2.0], "rate": [0.5]}, steps=4, step=euler)
    assert found["mass"][:, 0] == pytest.approx(2 * (1 - 0.5 / 4) ** (4 * np.arange(4)), rel=1e-14)


@equation("person/year")
def infection(susceptible, infected, contact_rate, population):
    """New infections."""
    return contact_rate * susceptible * infected / population


@equation("person/year")
def cure(infected, cure_rate):
    """Recoveries."""
    return cure_rate * infected


SIR = Model(
    (Stock("susceptible", "person", "susceptible_base", (), ("infection",)),
     Stock("infected", "person", "infected_base", ("infection",), ("cure",)),
     Stock("immune", "person", "immune_base", ("cure",), ())),
    tuple(parameter(n, u) for n, u in (("susceptible_base", "person"), ("infected_base", "person"), ("immune_base", "person"),
                                       ("population", "person"), ("contact_rate", "1/year"), ("cure_rate", "1/year"))),
    (), (infection, cure))


@pytest.mark.parametrize("method", METHODS)
def test_epidemic(method: str) -> None:
    """Nobody is lost; those never infected solve log(S/S0) = -R0 (1 - S/N) when it is over (Kermack and McKendrick 1927)."""
    ratio, steps = np.array([1.5, 2.0, 3.0]), {"rk4": 8, "euler": 512}[method]
    found = project(SIR, {"susceptible_base": [999.0], "infected_base": [1.0], "immune_base": [0.0], "population": [1000.0],
                          "contact_rate": ratio, "cure_rate": [1.0]}, years=80, steps=steps, step=METHODS[method], runs=3)
    assert found["susceptible"] + found["infected"] + found["immune"] == pytest.approx(np.full((81, 3), 1000.0), rel=1e-12)
    left = found["susceptible"][-1]
    assert np.log(left / 999) == pytest.approx(-ratio * (1 - left / 1000), rel={"rk4": 1e-4, "euler": 1e-2}[method])
    assert (np.diff(found["susceptible"][:20], axis=0) < 0).all()


@equation("kg/year", over="sector")
def carried(heap, carry_rate):
    """What leaves each heap."""
    return carry_rate * heap


@equation("kg/year")
def gathered(carried):
    """What leaves all heaps."""
    return total(carried)


HEAPS = Model((Stock("heap", "kg", "heap_base", (), ("carried",), "sector"), Stock("store", "kg", "store_base", ("gathered",), ())),
              (parameter("heap_base", "kg", "sector"), parameter("carry_rate", "1/year", "sector"), parameter("store_base", "kg")),
              (), (gathered, carried))


def test_arrays_over_sectors() -> None:
    """What three heaps lose the store gains, run by run; equations may stand in any order."""
    found = project(HEAPS, {"heap_base": [[1.0], [2.0], [3.0]], "carry_rate": [[0.1, 0.2], [0.3, 0.3], [0.0, 1.0]], "store_base": [5.0]},
                    steps=16, runs=2, sectors=3)
    assert found["heap"].shape == (4, 3, 2)
    assert found["heap"][3, :, 1] == pytest.approx(np.array([1, 2, 3]) * np.exp([-0.6, -0.9, -3.0]), rel=1e-6)
    assert found["heap"][:, 2, 0].tolist() == [3.0] * 4
    assert found["heap"].sum(axis=1) + found["store"] == pytest.approx(np.full((4, 2), 11.0), rel=1e-14)
    assert [e.name for e in HEAPS.order] == ["carried", "gathered"]


@equation("kg/year")
def poured(tap, strength, time, first_year, growth):
    """What a tap gives that opens and widens."""
    return strength * tap * (1 + growth * (time - first_year))


TAP = Model((Stock("tub", "kg", "tub_base", ("poured",)),),
            (parameter("tub_base", "kg"), parameter("strength", "kg/year"), parameter("first_year", "year"), parameter("growth", "1/year")),
            (Input("tap", "1", "Whether the tap is open"),), (poured,))
FILLING = {"tub_base": [1.0], "strength": [2.0, 4.0], "first_year": [2000.0], "growth": [0.5]}


def test_inputs_and_time() -> None:
    """Opened in the middle of 2000: the tub holds the integral of the widening flow, exactly."""
    found = project(TAP, FILLING, steps=2, runs=2, inputs={"tap": lambda t, within: np.array([float(within >= 2000.5)])})
    expected = 1 + np.array([2.0, 4.0]) * np.array([[0.0], [0.5 + 0.25 * 0.75], [1.5 + 0.25 * 3.75], [2.5 + 0.25 * 8.75]])
    assert found["tub"] == pytest.approx(expected, rel=1e-14)
    assert found["poured"][:, 0] == pytest.approx([0.0, 3.0, 4.0, 5.0], rel=1e-14)


def test_a_path_takes_an_equations_place_while_it_lasts() -> None:
    found = project(TAP, FILLING, steps=2, runs=2, inputs={"tap": lambda t, within: np.ones(1)},
                    paths={"poured": lambda t, within: np.array([7.0]) if within < 2001 else None})
    assert found["tub"][1] == pytest.approx([8.0, 8.0], rel=1e-14)
    assert found["poured"][:2].tolist() == [[7.0, 7.0]] * 2  # the year in which it ends is still its own
    assert found["poured"][2] == pytest.approx([4.0, 8.0], rel=1e-14)
    assert found["tub"][2] == pytest.approx([8 + 2 + 0.5 * 1.5 * 2, 8 + 4 + 0.5 * 1.5 * 4], rel=1e-14)


def test_fixed_equations() -> None:
    found = project(DECAY, {"mass_base": [2.0], "rate": [0.5]}, steps=1, fixed={"decay": np.array([0.25])})
    assert found["mass"][:, 0].tolist() == [2.0, 1.75, 1.5, 1.25]
    assert found["decay"][:, 0].tolist() == [0.25] * 4


def test_kept_variables() -> None:
    everything = project(TAP, FILLING, runs=2, inputs={"tap": lambda t, within: np.ones(1)})
    assert set(everything) == {"tub", "poured"}
    some = project(TAP, FILLING, runs=2, inputs={"tap": lambda t, within: np.ones(1)}, keep=["tub", "tap"])
    assert set(some) == {"tub", "tap"}
    assert (some["tub"] == everything["tub"]).all()
    assert some["tap"].tolist() == [[1.0, 1.0]] * 4


# ---------------------------------------------------------------- the pieces

def test_an_equation_is_its_function() -> None:
    assert (decay.name, decay.unit, decay.over, decay.arguments) == ("decay", "kg/year", None, ("mass", "rate"))
    assert decay.documentation == "Mass lost."
    assert decay(3.0, 0.5) == 1.5


def test_formula_from_text() -> None:
    made = formula("area", "width * maximum(height, width) / 2", "m**2", "Half an area", over="sector")
    assert (made.arguments, made.over, made.documentation) == (("width", "height"), "sector", "Half an area")
    assert made(np.array([2.0, 5.0]), np.array([3.0, 3.0])).tolist() == [3.0, 12.5]


def test_functions() -> None:
    x = np.array([0.5, 1.0, 3.0])
    assert power(x, 2.5) == pytest.approx(x**2.5, rel=1e-14)
    assert total(np.array([[1.0, 2.0], [3.0, 5.0]])).tolist() == [4.0, 7.0]
    assert {name: FUNCTIONS[name] for name in ("exp", "log", "minimum", "maximum", "where")} == {
        "exp": np.exp, "log": np.log, "minimum": np.minimum, "maximum": np.maximum, "where": np.where}


def test_defaults_and_priors_by_element() -> None:
    wide, narrow = Distribution(uniform=(0.0, 1.0)), Distribution(uniform=(0.4, 0.6))
    p = Parameter("share", "1", {"industry": 0.5, "*": 0.4}, "Share", over="sector", prior={"industry": narrow, "*": wide})
    assert [p.default_for(e) for e in ("industry", "mining")] == [0.5, 0.4]
    assert [p.prior_for(e) for e in ("industry", "mining")] == [narrow, wide]
    q = Parameter("rate", "1/year", 0.1, "Rate", prior=wide)
    assert (q.default_for(None), q.prior_for("industry")) == (0.1, wide)


def test_constants_and_needed() -> None:
    twice = formula("twice", "2 * mass_base", "kg", "Twice the base")
    again = formula("again", "twice + mass_base", "kg", "Thrice the base")
    aside = formula("aside", "mass + again", "kg", "Nothing needs it")
    model = dataclasses.replace(DECAY, equations=(aside, again, decay, twice))
    assert [e.name for e in model.constants] == ["twice", "again"]
    assert [e.name for e in model.needed()] == ["decay"]
    assert model.needed({"decay"}) == ()


# ---------------------------------------------------------------- errors

def test_circular_equations_name_the_cycle() -> None:
    circle = tuple(formula(a, b, "kg", "Part of a circle") for a, b in (("one", "mass + two"), ("two", "three"), ("three", "one / 2")))
    message = refused(lambda: dataclasses.replace(DECAY, equations=(decay, *circle)))
    assert "circular equations: one -> two -> three -> one." in message
    assert "Break the circle with a stock" in message


def test_an_equation_that_needs_itself() -> None:
    assert "circular equations: one -> one." in refused(
        lambda: dataclasses.replace(DECAY, equations=(decay, formula("one", "one + 1", "1", "Itself"))))


def test_a_cycle_through_a_stock_is_none() -> None:
    """mass -> decay -> mass takes time: allowed."""
    assert [e.name for e in DECAY.order] == ["decay"]


def test_unknown_argument_names_the_nearest() -> None:
    message = refused(lambda: dataclasses.replace(DECAY, equations=(formula("decay", "rate * mas", "kg/year", "Loss"),)))
    assert "equation decay: nothing defines its argument 'mas'." in message
    assert "Did you mean 'mass'" in message


@pytest.mark.parametrize(("field", "value"), [("initial", "mas_base"), ("inflows", ("decya",)), ("outflows", ("decya",))])
def test_unknown_flow_or_initial_value(field: str, value: Any) -> None:
    message = refused(lambda: dataclasses.replace(DECAY, stocks=(dataclasses.replace(DECAY.stocks[0], **{field: value}),)))
    name = value if isinstance(value, str) else value[0]
    assert f"stock mass: nothing defines {name!r}." in message
    assert f"Did you mean '{'mass_base' if field == 'initial' else 'decay'}'" in message


@pytest.mark.parametrize("change", [
    {"equations": (decay, decay)},
    {"equations": (decay, formula("rate", "2 * mass_base", "kg", "Also a parameter"))},
    {"stocks": DECAY.stocks * 2},
    {"parameters": (*DECAY.parameters, parameter("mass", "kg"))},
    {"inputs": (Input("rate", "1", "Also a parameter"),)},
    {"parameters": (*DECAY.parameters, parameter("time", "year"))},
], ids=["equations", "equation and parameter", "stocks", "stock and parameter", "input and parameter", "time"])
def test_duplicate_names(change: dict[str, Any]) -> None:
    message = refused(lambda: dataclasses.replace(DECAY, **change))
    assert "is defined twice.\n    Rename one of them." in message


def test_all_problems_at_once() -> None:
    message = refused(lambda: dataclasses.replace(DECAY, equations=(formula("decay", "a * b", "kg", "Loss"), decay)))
    assert all(f"argument {name!r}" in message for name in ("a", "b"))
    assert "'decay' is defined twice." in message


@equation("kg/year")
def two_statements(mass, rate):
    """Loss in two statements."""
    half = mass / 2
    return rate * half


@equation("kg/year")
def no_return(mass, rate):
    """Loss never returned."""
    rate * mass


@equation("kg/year")
def returns_nothing(mass, rate):
    """Nothing."""
    return


@equation("kg/year")
def branches(mass, rate):
    """Loss if any."""
    if rate > 0:
        return rate * mass
    return 0 * mass


@pytest.mark.parametrize("bad", [two_statements, no_return, returns_nothing, branches], ids=lambda e: e.name)
def test_a_body_is_one_return(bad: Equation) -> None:
    expected = f"equation {bad.name}: the body must be one return.\n    Split it into several equations."
    assert refused(lambda: bad.formula) == expected
    model = dataclasses.replace(DECAY, stocks=(dataclasses.replace(DECAY.stocks[0], outflows=(bad.name,)),), equations=(bad,))
    assert refused(model.check_units) == expected


@equation("kg/year")
def conditional(mass, rate):
    """Loss if any."""
    return rate * mass if rate > 0 else mass


@equation("kg/year")
def method_call(mass, rate):
    """Loss by a method."""
    return rate * mass.sum()


@equation("kg/year")
def other_function(mass, rate):
    """Loss of the absolute value."""
    return rate * abs(mass)


@equation("kg/year")
def row(mass, rate):
    """Loss of a row."""
    return rate * mass[0]


@equation("kg/year")
def both(mass, rate):
    """Loss, or not."""
    return rate and mass


@equation("kg/year")
def remainder(mass, rate):
    """Loss by remainder."""
    return rate * (mass % 2)


@pytest.mark.parametrize(("bad", "part"), [
    (conditional, "rate * mass if rate > 0 else mass"), (method_call, "mass.sum()"), (other_function, "abs(mass)"), (row, "mass[0]"),
    (both, "rate and mass"), (remainder, "%"),
], ids=lambda x: getattr(x, "name", ""))
def test_a_body_is_arithmetic(bad: Equation, part: str) -> None:
    message = refused(lambda: bad.formula)
    assert message.startswith(f"equation {bad.name}: `")
    assert part in message
    assert "is not arithmetic.\n    Use + - * / **" in message


# ---------------------------------------------------------------- units

def test_the_regional_model_passes() -> None:
    REGIONAL.check_units()
    for model in (DECAY, SIR, HEAPS, TAP):
        model.check_units()


def neighbourhood(changed: Equation) -> Model:
    """The model cut down to one equation, what it needs given as parameters, so that a fault in it is all there is to find."""
    needs = tuple(parameter(a, REGIONAL.units[a], REGIONAL.over[a]) for a in changed.arguments if a != "time")
    return Model((), needs, (), (changed,))


def faults_of(model: Model) -> list[str]:
    with pytest.raises(InvalidInput) as caught:
        model.check_units()
    return [p.what for p in caught.value.problems]


SAME_DIMENSION = {"CNY100M": "CNY", "firm": "firm10k", "firm10k": "firm", "person10k": "person", "CNY100M_nominal": "CNY_nominal"}


def other_scale(unit: str) -> str:
    """A unit of the same dimension and another size."""
    if unit == "1":
        return "percent"
    first, _, rest = unit.partition("/")
    if first in SAME_DIMENSION:
        return SAME_DIMENSION[first] + (f"/{rest}" if rest else "")
    return {"year": "day", "1/year": "1/day"}[unit]


each_equation = pytest.mark.parametrize("e", REGIONAL.equations, ids=lambda e: e.name)


@each_equation
def test_neighbourhood_is_sound(e: Equation) -> None:
    """The one-equation model that the two tests below break is accepted unbroken."""
    neighbourhood(e).check_units()


@each_equation
def test_wrong_dimension_is_caught(e: Equation) -> None:
    for unit in (f"({e.unit}) * year", f"({e.unit}) * firm"):
        (fault,) = faults_of(neighbourhood(dataclasses.replace(e, unit=unit)))
        assert fault.startswith(f"equation {e.name}: Cannot convert from")


@each_equation
def test_wrong_scale_is_caught(e: Equation) -> None:
    changed = dataclasses.replace(e, unit=other_scale(e.unit))
    assert changed.unit != e.unit
    assert faults_of(neighbourhood(changed)) == [f"equation {e.name}: a factor between units is missing."]


@each_equation
def test_forgotten_argument_is_caught(e: Equation) -> None:
    """A bare number in place of an argument that has a unit, but for the bounds of maximum(), whose dimension stays."""
    for k, name in enumerate(e.arguments):
        if REGIONAL.units[name] == "1" or name in ("negligible_flow", "negligible_firms"):
            continue
        number = np.full({"sector": (2, 1), "cluster": (3, 1), None: (1,)}[REGIONAL.over[name]], 0.7)

        def forgetful(*given: Any, k: int = k, number: Array = number) -> Any:
            return e.function(*given[:k], number, *given[k:])

        changed = dataclasses.replace(e, function=forgetful, arguments=e.arguments[:k] + e.arguments[k + 1 :], source="1")
        faults = faults_of(neighbourhood(changed))
        assert all(f.startswith(f"equation {e.name}:") for f in faults), name


WHOLE = ("capacity", "technology_startups", "price_level", "policy_talent", "rd_intensity", "cluster_gain", "certified_3_base")


@pytest.mark.parametrize("name", WHOLE)
def test_a_fault_in_the_whole_model_is_named(name: str) -> None:
    changed = tuple(dataclasses.replace(e, unit=f"({e.unit}) * year") if e.name == name else e for e in REGIONAL.equations)
    faults = faults_of(dataclasses.replace(REGIONAL, equations=changed))
    assert any(f.startswith(f"equation {name}:") for f in faults)


def test_the_message_names_the_arguments_units() -> None:
    bad = dataclasses.replace(DECAY, equations=(dataclasses.replace(decay, unit="kg"),))
    message = refused(bad.check_units)
    assert "equation decay: Cannot convert from 'kilogram / year'" in message
    assert "Its unit is declared as kg; arguments: mass [kg], rate [1/year]" in message
    assert "stock mass [kg]: its flow decay is in kg.\n    A flow of it is in kg/year." in message


def with_stock(name: str, **changes: Any) -> Model:
    stocks = tuple(dataclasses.replace(s, **changes) if s.name == name else s for s in REGIONAL.stocks)
    return dataclasses.replace(REGIONAL, stocks=stocks)


@pytest.mark.parametrize("stock", REGIONAL.stocks, ids=lambda s: s.name)
def test_stock_that_does_not_fit_its_flows(stock: Stock) -> None:
    """Another unit for the stock: its initial value and each of its flows no longer fit, in dimension or in scale."""
    for unit in (f"({stock.unit}) * year", other_scale(stock.unit)):
        message = refused(with_stock(stock.name, unit=unit).check_units)
        for flow in (*stock.inflows, *stock.outflows):
            assert f"stock {stock.name} [{unit}]: its flow {flow} is in {REGIONAL.units[flow]}." in message
        assert f"stock {stock.name} [{unit}]: its initial value {stock.initial} is in {stock.unit}." in message


@pytest.mark.parametrize(("stock", "flow"), [("knowledge", "registrations"), ("candidates", "registrations"), ("capital", "gdp_base"),
                                             ("capital", "pipeline")])
def test_flow_of_another_unit(stock: str, flow: str) -> None:
    """Firms into knowledge, tens of thousands of firms into firms, a stock as a flow; money per year into money is right."""
    model = with_stock(stock, inflows=(flow,))
    if flow == "gdp_base":
        model.check_units()
    else:
        assert faults_of(model) == [f"stock {stock} [{REGIONAL.units[stock]}]: its flow {flow} is in {REGIONAL.units[flow]}."]


@pytest.mark.parametrize(("stock", "initial"), [("knowledge", "rd_expenditure_base"), ("candidates", "market_entities_base"),
                                                ("technology", "rd_lag")])
def test_initial_value_of_another_unit(stock: str, initial: str) -> None:
    assert faults_of(with_stock(stock, initial=initial)) == [
        f"stock {stock} [{REGIONAL.units[stock]}]: its initial value {initial} is in {REGIONAL.units[initial]}."]


def test_every_unit_fault_is_reported() -> None:
    changed = tuple(dataclasses.replace(e, unit="kilogram") if e.name in ("gdp", "employment") else e for e in REGIONAL.equations)
    faults = faults_of(dataclasses.replace(REGIONAL, equations=changed))
    assert {"gdp", "employment", "labour_productivity", "log_gdp_index", "real_wage"} <= {
        f.split()[1].rstrip(":") for f in faults if f.startswith("equation")}


# ---------------------------------------------------------------- documentation

@functools.cache
def rows() -> dict[str, dict[str, str]]:
    return {row["name"]: row for row in REGIONAL.describe()}


def test_describe_has_every_variable_once() -> None:
    groups: tuple[tuple[Any, ...], ...] = (REGIONAL.stocks, REGIONAL.equations, REGIONAL.parameters, REGIONAL.inputs)
    assert sorted(rows()) == sorted(x.name for group in groups for x in group)
    assert len(REGIONAL.describe()) == len(rows())


@pytest.mark.parametrize("name", sorted({*REGIONAL.units} - {REGIONAL.time}))
def test_describe_says_what_a_variable_is(name: str) -> None:
    row = rows()[name]
    assert row["unit"] == REGIONAL.units[name]
    assert row["over"] == (REGIONAL.over[name] or "")
    assert len(row["documentation"]) > 3
    assert row["equation"]
    if row["kind"] == "parameter":
        assert row["source"]


def test_describe_kinds() -> None:
    kinds = {name: row["kind"] for name, row in rows().items()}
    expected = {"capital": "stock", "completion": "flow", "gdp": "auxiliary", "capital_base": "constant", "capital_share": "parameter",
                "lever_talent": "input"}
    assert {name: kinds[name] for name in expected} == expected
    assert rows()["capital"]["equation"] == "d/dt = completion - depreciation; initial capital_base"
    assert rows()["energy_intensity"]["equation"] == "d/dt = 0 - energy_saving; initial energy_intensity_base"
    assert rows()["rd_matured"]["equation"] == "rd_in_progress / rd_lag"
    assert rows()["policy_talent"]["equation"] == "lever_talent * funding"
    assert rows()["gdp_base"]["equation"] == "base-year gdp"
    assert rows()["rd_lag"]["equation"] == "2; triangular [1, 2, 3]; admissible 0.25 to 20"


def test_formulas_are_the_functions() -> None:
    """The printed equation, evaluated as text, gives what the function gives: what is documented is what is run."""
    generator = np.random.default_rng(7)
    shapes = {"sector": (2, 1), "cluster": (3, 1), None: (1,)}
    for e in REGIONAL.equations:
        values = {a: generator.uniform(0.3, 0.9, (3, 2, 1) if a == "cluster_membership" else shapes[REGIONAL.over[a]]) for a in e.arguments}
        printed = eval(rows()[e.name]["equation"], dict(FUNCTIONS), values)
        assert np.array_equal(printed, e.function(*values.values())), e.name
