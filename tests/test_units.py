"""The unit vocabulary: conversions, what does not convert, and that every unit in use is in it."""

from __future__ import annotations

from pathlib import Path

import pint
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulate import units
from simulate.errors import InvalidInput, Place
from simulate.region import OUTPUTS, regional_model
from simulate.registry import load_registry

SYMBOLS = st.sampled_from(sorted(units.VOCABULARY))


@pytest.mark.parametrize(("value", "source", "target", "expected"), [
    (2.7, "万亿元", "亿元", 27_000), (937, "亿元", "万元", 9_370_000), (1, "万元", "元", 10_000), (51.5, "%", "倍", 0.515),
    (3, "百分点", "%", 3), (2.5, "万家", "家", 25_000), (3, "万人", "人", 30_000), (12, "名", "人", 12), (2, "万件", "件", 20_000),
    (5, "项", "个", 5), (21.7, "万元/人", "元/人", 217_000), (103, "人年/万人", "人/千人", 10.3), (2, "平方公里", "公顷", 200),
    (15, "亩", "公顷", 1), (3, "公里", "米", 3000), (3, "公里", "千米", 3), (1, "天", "小时", 24), (90, "分钟", "小时", 1.5),
    (1, "年", "天", 365.25), (1, "亿吨", "万吨", 10_000), (2, "万方", "立方米", 20_000), (1, "亿立方米", "万立方米", 10_000),
    (1, "亿美元", "万美元", 10_000), (35, "MW", "万千瓦", 3.5), (7, "家", "家", 7), (46, "件/万人", "件/万人", 46),
])
def test_conversions(value: float, source: str, target: str, expected: float) -> None:
    assert units.convert(value, source, target) == pytest.approx(expected, rel=1e-12)
    assert units.convert(expected, target, source) == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize(("source", "target"), [
    ("家", "人"), ("亿元", "亿美元"), ("家", "亿元"), ("%", "家"), ("家", "%"), ("平方米", "公里"), ("人", "个"), ("元/人", "元"),
    ("年", "公里"), ("件/万人", "%"), ("人年/万人", "件/万人"), ("吨", "立方米"), ("指数", "%"),
])
def test_what_measures_something_else_does_not_convert(source: str, target: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        units.convert(1, source, target)
    [problem] = caught.value.problems
    assert problem.what == f"unit: {source!r} cannot be read as {target!r}: they measure different things."
    assert problem.remedy == f"Give the value in a unit like {target!r}."


@pytest.mark.parametrize(("symbol", "remedy"), [
    ("亿圆", "Did you mean '亿吨' or '亿元'?"), ("平方", "Did you mean '平方米' or '方' or '平方公里'?"),
    ("CNY 100 million", "Write 亿元."), ("KM", "Write 公里."), ("furlong", "Units: %, KV, "), ("", "Units: "),
])
def test_an_unknown_unit_gets_the_nearest(symbol: str, remedy: str) -> None:
    for pair in ((symbol, "亿元"), ("亿元", symbol)):
        with pytest.raises(InvalidInput) as caught:
            units.factor(*pair)
        [problem] = caught.value.problems
        assert problem.what == f"unit: {symbol!r} is not in the unit vocabulary."
        assert problem.remedy.startswith(remedy)


def test_check_and_unknown() -> None:
    units.check("亿元")
    with pytest.raises(InvalidInput, match="'亿' is not in the unit vocabulary"):
        units.check("亿")
    where = Place(Path("a.yaml"), 3, 4)
    assert units.unknown("亿", where).where == where


def test_money_at_constant_and_at_current_prices_are_different_dimensions() -> None:
    registry = units.registry()
    for one, other in (("CNY100M", "CNY100M_nominal"), ("CNY", "CNY_nominal"), ("CNY", "CNY_stated"), ("CNY_nominal", "CNY_stated"),
                       ("CNY", "USD")):
        assert registry.Quantity(1.0, one).dimensionality != registry.Quantity(1.0, other).dimensionality
        with pytest.raises(pint.DimensionalityError):
            registry.Quantity(1.0, one).to(other)
    assert registry.Quantity(1.0, "CNY100M").to("CNY").magnitude == 1e8
    assert registry.Quantity(1.0, "CNY100M_nominal").to("CNY_nominal").magnitude == 1e8
    assert registry.Quantity(2.0, "person10k").to("person").magnitude == 2e4


def test_what_is_counted_is_a_dimension() -> None:
    registry = units.registry()
    counted = ["person", "firm", "item", "index"]
    for one in counted:
        for other in counted:
            assert registry.Quantity(1.0, one).is_compatible_with(other) == (one == other)


def test_the_short_cut_gives_what_pint_gives() -> None:
    parse = units.registry().parse_expression
    for symbol, (definition, english) in units.VOCABULARY.items():
        size, rest = units._split(symbol)
        assert english, symbol
        assert 1.0 * parse(definition) / (size * parse(rest or "1")) == pytest.approx(1, rel=1e-12), symbol


@given(one=SYMBOLS, other=SYMBOLS, third=SYMBOLS)
def test_factors_compose(one: str, other: str, third: str) -> None:
    try:
        there, on = units.factor(one, other), units.factor(other, third)
    except InvalidInput:
        return
    assert there > 0
    assert there * on == pytest.approx(units.factor(one, third), rel=1e-12)
    assert there * units.factor(other, one) == pytest.approx(1, rel=1e-12)


def test_every_unit_in_use_is_in_the_vocabulary_and_fits_its_indicator() -> None:
    registry = load_registry()
    assert {i.unit for i in registry.catalogue.values()} <= set(units.VOCABULARY)
    for record in (*registry.statements, *registry.outturns, *registry.assumptions):
        if record.indicator is not None:
            assert record.unit in units.VOCABULARY
            if not getattr(record, "relative_to", None):
                assert units.factor(record.unit, registry.catalogue[record.indicator].unit) > 0
    for output in OUTPUTS:
        assert units.factor(output.unit, registry.catalogue[output.indicator].unit) == 1


def test_every_unit_of_the_model_is_read() -> None:
    registry = units.registry()
    for name, unit in regional_model().units.items():
        assert registry.Quantity(1.0, unit) is not None, name


def test_labels() -> None:
    assert (units.label("亿元"), units.label("亿元", "en"), units.label("斤", "en")) == ("亿元", "CNY 100 million", "斤")
