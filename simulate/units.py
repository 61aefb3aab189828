"""The unit vocabulary: the units that plan documents use, and those of the model. The only module that imports pint.

Money at constant prices and money at current prices are different dimensions (`CNY100M`, `CNY100M_nominal`).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from simulate.errors import InvalidInput, Place, Problem, nearest

# Base units of our own: what is counted is a dimension, so that firms are never added to persons.
_DEFINITIONS = """
CNY = [money_constant]
CNY_nominal = [money_nominal]
CNY_stated = [money_stated]
USD = [money_foreign]
person = [person]
firm = [firm]
item = [item]
index = [index]
CNY100M = 1e8 * CNY
CNY100M_nominal = 1e8 * CNY_nominal
person10k = 1e4 * person
firm10k = 1e4 * firm
"""

# symbol as in the source: (definition, English label). `CNY_stated`: money as a document states it, price basis apart.
VOCABULARY: dict[str, tuple[str, str]] = {
    "元": ("CNY_stated", "CNY"),
    "万元": ("1e4 CNY_stated", "CNY 10,000"),
    "亿元": ("1e8 CNY_stated", "CNY 100 million"),
    "万亿元": ("1e12 CNY_stated", "CNY trillion"),
    "亿美元": ("1e8 USD", "USD 100 million"),
    "万美元": ("1e4 USD", "USD 10,000"),
    "%": ("0.01", "%"),
    "百分点": ("0.01", "percentage points"),
    "倍": ("1", "times"),
    "家": ("firm", "firms"),
    "万家": ("1e4 firm", "10,000 firms"),
    "个": ("item", "items"),
    "万个": ("1e4 item", "10,000 items"),
    "项": ("item", "items"),
    "件": ("item", "items"),
    "万件": ("1e4 item", "10,000 items"),
    "座": ("item", "items"),
    "所": ("item", "institutions"),
    "只": ("item", "items"),
    "条": ("item", "items"),
    "张": ("item", "items"),
    "台": ("item", "units"),
    "套": ("item", "sets"),
    "处": ("item", "places"),
    "名": ("person", "persons"),
    "人": ("person", "persons"),
    "万人": ("1e4 person", "10,000 persons"),
    "人次": ("item", "person-times"),
    "万人次": ("1e4 item", "10,000 person-times"),
    "户": ("item", "households"),
    "万户": ("1e4 item", "10,000 households"),
    "元/人": ("CNY_stated/person", "CNY per person"),
    "万元/人": ("1e4 CNY_stated/person", "CNY 10,000 per person"),
    "件/万人": ("item/(1e4 person)", "per 10,000 people"),
    "人年/万人": ("person/(1e4 person)", "person-years per 10,000"),
    "人/千人": ("person/(1e3 person)", "per 1,000 people"),
    "人/万人": ("person/(1e4 person)", "per 10,000 people"),
    "年": ("year", "years"),
    "岁": ("year", "years of age"),
    "天": ("day", "days"),
    "小时": ("hour", "hours"),
    "分钟": ("minute", "minutes"),
    "平方米": ("meter**2", "m²"),
    "万平方米": ("1e4 meter**2", "10,000 m²"),
    "平方米/人": ("meter**2/person", "m² per person"),
    "平方公里": ("1e6 meter**2", "km²"),
    "公顷": ("1e4 meter**2", "ha"),
    "亩": ("666.6666666666666 meter**2", "mu"),
    "公里": ("1e3 meter", "km"),
    "米": ("meter", "m"),
    "立方米": ("meter**3", "m³"),
    "万立方米": ("1e4 meter**3", "10,000 m³"),
    "亿立方米": ("1e8 meter**3", "100 million m³"),
    "吨": ("1e3 kilogram", "t"),
    "万吨": ("1e7 kilogram", "10,000 t"),
    "亿吨": ("1e11 kilogram", "100 million t"),
    "类": ("index", "class"),
    "KV": ("kilovolt", "kV"),
    "种/人": ("item/person", "kinds per person"),
    "千米": ("1e3 meter", "km"),
    "万方": ("1e4 meter**3", "10,000 m³"),
    "方": ("meter**3", "m³"),
    "层": ("item", "storeys"),
    "万项": ("1e4 item", "10,000 items"),
    "μg/m3": ("microgram/meter**3", "µg/m³"),
    "MW": ("1e6 watt", "MW"),
    "万千瓦": ("1e7 watt", "10 MW"),
    "位": ("index", "rank"),
    "指数": ("index", "index"),
}


@lru_cache(maxsize=1)
def registry() -> Any:
    """Return the pint registry with our units (built once; slow to import, so only when needed)."""
    import pint

    made: Any = pint.UnitRegistry(autoconvert_offset_to_baseunit=True)
    for line in _DEFINITIONS.strip().splitlines():
        made.define(line)
    return made


def unknown(symbol: str, where: Place | None = None) -> Problem:
    """Return the problem (at `where`) that `symbol` is not in the vocabulary, with the nearest units as its remedy."""
    same = [unit for unit, (_, english) in VOCABULARY.items() if english.lower() == symbol.lower()]
    remedy = f"Write {same[0]}." if same else nearest(symbol, VOCABULARY, "Units", cutoff=0.5)  # units are short: one sign of two
    return Problem(f"unit: {symbol!r} is not in the unit vocabulary.", remedy, where)


def check(symbol: str) -> None:
    """Raise InvalidInput, with the nearest names, where `symbol` is not in the vocabulary."""
    if symbol not in VOCABULARY:
        raise InvalidInput(unknown(symbol))


@lru_cache(maxsize=512)
def factor(source: str, target: str) -> float:
    """Return what a value in `source` is multiplied by to be in `target`.

    Raises InvalidInput where either is unknown or they measure different things (firms in 亿元).
    """
    check(source)
    check(target)
    (size, base), (target_size, target_base) = _split(source), _split(target)
    if base == target_base:  # most often; spares the import of pint
        return size / target_size
    import pint

    parse = registry().parse_expression
    try:
        return float((1.0 * parse(VOCABULARY[source][0]) / (1.0 * parse(VOCABULARY[target][0]))).to("").magnitude)
    except pint.DimensionalityError:
        raise InvalidInput(Problem(f"unit: {source!r} cannot be read as {target!r}: they measure different things.",
                                   f"Give the value in a unit like {target!r}.")) from None


def _split(symbol: str) -> tuple[float, str]:
    """Return the leading number of a definition and the rest."""
    head, _, rest = VOCABULARY[symbol][0].partition(" ")
    try:
        return float(head), rest
    except ValueError:
        return 1.0, VOCABULARY[symbol][0]


def convert(value: float, source: str, target: str) -> float:
    """Return `value`, given in the unit `source`, in the unit `target`."""
    return value * factor(source, target)


def label(symbol: str, lang: str = "zh") -> str:
    """Return the unit as shown to a reader of `lang` (zh: as in the documents; en: its English label)."""
    return VOCABULARY[symbol][1] if lang == "en" and symbol in VOCABULARY else symbol
