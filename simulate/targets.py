"""What the documents say: statements with their sources, and what is assumed where they are silent.

A statement is one number of one document (or a target delegated to a higher authority). Its *interval* is what the
printed number allows: rounding, and the sense of the words around it (at least, about, more than).
"""

from __future__ import annotations

from dataclasses import field
from decimal import Decimal
from math import inf
from typing import Literal

from simulate.distributions import Distribution
from simulate.indicators import Indicator
from simulate.records import record

Sense = Literal["equal", "at_least", "more_than", "about", "at_most", "less_than"]
Role = Literal["baseline", "target", "achieved", "context", "vision"]
Grade = Literal["recorded", "derived", "judgement"]

ABOUT = 0.05
"""Half-width of `about` (规模, 左右, 级), as a share of the value: our reading, disclosed wherever it is used."""


def _raise(problems: list[str]) -> None:
    """Raise all `problems` as one ValueError, parted by empty lines as `documents` reads them."""
    if problems:
        raise ValueError("\n\n".join(problems))


def _years(**years: int | tuple[int, ...] | None) -> list[str]:
    """Return a problem for each of `years` that has not four digits (20205 for 2025)."""
    return [f"{name}: {year} is not a year of four digits.\nWrite it like 2025."
            for name, given in years.items() if given is not None
            for year in (given if isinstance(given, tuple) else (given,)) if not 1000 <= year <= 9999]


@record
class Labels:
    """A name in both languages."""

    zh: str
    en: str

    def label(self, lang: str = "zh") -> str:
        """Name for a reader of `lang` (zh or en)."""
        return self.en if lang == "en" else self.zh


@record
class Source:
    """Where in its document a number stands."""

    locus: Literal["table", "text", "box", "note"]
    section: str
    row: str | None = None

    def __str__(self) -> str:
        """Section and row."""
        return f"{self.section} / {self.row}" if self.row else self.section


@record
class Preference:
    """Which other statements (by id) this one is used instead of, and why."""

    over: tuple[str, ...]
    why: str


@record
class Statement:
    """One number of one document; `value` and `unit` as printed there."""

    indicator: str
    unit: str
    sense: Sense
    role: Role
    at: Source
    region: str | None = None
    scope: str | None = None
    year: int | None = None
    period: tuple[int, ...] | None = None
    aggregate: Literal["sum", "mean"] | None = None
    value: int | float | None = None
    nature: Literal["expected", "binding"] | None = None
    delegated: bool = False
    relative_to: int | None = None
    price_basis: Literal["constant", "nominal"] | None = None
    id: str = ""
    prefers: Preference | None = None
    note: str | None = None
    document: str = ""

    def __post_init__(self) -> None:
        """Check what the fields mean together."""
        problems = _years(year=self.year, period=self.period, relative_to=self.relative_to)
        if (self.region is None) == (self.scope is None):
            problems.append(f"{'scope: ' if self.scope else ''}a statement speaks for exactly one place.\nGive either region: or scope:.")
        if (self.year is None) == (self.period is None):
            problems.append(f"{'year: ' if self.year else ''}a statement needs exactly one time.\n"
                            "Give either year: 2025 or period: [2021, 2025].")
        if self.period is not None and len(self.period) != 2:
            problems.append(f"period: {list(self.period)} needs a first and a last year.\nWrite period: [2021, 2025].")
        elif self.period is not None and self.period[0] >= self.period[1]:
            problems.append(f"period: {list(self.period)} does not run forward.\nWrite [first year, last year].")
        if self.aggregate is None and self.period is not None:
            problems.append("period: a period needs to say what its number is.\n"
                            "Add aggregate: sum (a cumulative total) or aggregate: mean (a yearly mean).")
        if self.aggregate is not None and self.period is None:
            problems.append("aggregate: a cumulative total or mean needs its period.\nWrite period: [2021, 2025] instead of year.")
        if (self.value is None) != self.delegated:
            problems.append("value: a statement has a value, or delegated: true, not both or neither.\n"
                            "Give value:, or delegated: true for a target set by a higher authority.")
        if self.prefers is not None and not self.prefers.over:
            problems.append("prefers: over: names no statement.\nName the statement that this one is used instead of, by its id.")
        _raise(problems)

    @property
    def place(self) -> str:
        """Region or scope id."""
        return self.region or self.scope or ""

    @property
    def last_year(self) -> int:
        """The year, or the end of the period."""
        return self.year if self.year is not None else self.period[1]  # type: ignore[index]

    @property
    def when(self) -> str:
        """Time for tables: 2025, or 2021-2025 Σ (sum), or 2021-2025 ⌀ (mean)."""
        if self.period is None:
            return str(self.year)
        return f"{self.period[0]}-{self.period[1]} {'Σ' if self.aggregate == 'sum' else '⌀'}"

    @property
    def key(self) -> tuple[object, ...]:
        """What it speaks of: two statements with one key and different values are a conflict."""
        kind = "goal" if self.role in ("target", "vision") else "fact"
        return (self.indicator, self.region, self.scope, self.year, self.period, self.aggregate, self.relative_to, kind)

    @property
    def rounding(self) -> float:
        """Half a unit of the last printed digit (38 -> 0.5; 5.16 -> 0.005); for a multiple ("three times"), as for about."""
        if self.relative_to is not None:
            return ABOUT * abs(float(self.value or 0))
        digits = Decimal(repr(self.value)).as_tuple().exponent
        return 0.5 * 10.0 ** (int(digits) if self.value is not None and isinstance(digits, int) and digits < 0 else 0)

    def interval(self) -> tuple[float, float]:
        """Least and greatest value, in its own unit, that the printed statement allows (±inf: open)."""
        if self.value is None:
            return -inf, inf
        value, half = float(self.value), self.rounding
        match self.sense:
            case "equal":
                return value - half, value + half
            case "about":
                return value - max(half, ABOUT * abs(value)), value + max(half, ABOUT * abs(value))
            case "at_least" | "more_than":
                return value, inf
            case _:
                return -inf, value


@record
class Assumption:
    """An input that no document states: a value or a distribution, how well it is known, and on what grounds.

    It stands for an `indicator` in a `year` (the base year if left out), or for a model `parameter`.
    """

    region: str
    grade: Grade
    basis: str
    indicator: str | None = None
    parameter: str | None = None
    year: int | None = None
    unit: str | None = None
    value: float | None = None
    range: Distribution | None = None

    def __post_init__(self) -> None:
        """Check what the fields mean together."""
        problems = _years(year=self.year)
        if (self.indicator is None) == (self.parameter is None):
            problems.append("an assumption stands for exactly one thing.\nGive either indicator: or parameter:.")
        if (self.value is None) == (self.range is None):
            problems.append("an assumption has exactly one number.\nGive either value: or range: {triangular: [low, mode, high]}.")
        if self.indicator is not None and self.unit is None:
            problems.append("'unit' is missing.\nAn assumption on an indicator states its unit.")
        _raise(problems)

    @property
    def best(self) -> float:
        """The value, or the middle of the range."""
        return self.value if self.value is not None else self.range.centre  # type: ignore[union-attr]


@record
class Sector:
    """A part of the economy; `share` names the indicator of its share in GDP (none: the rest of GDP)."""

    zh: str
    en: str
    share: str | None = None
    industrial: bool = False


@record
class Cluster:
    """A lead industry: `revenue` names its indicator, `sector` the sector it moves with (none: the whole economy)."""

    zh: str
    en: str
    revenue: str
    sector: str | None = None


@record
class Region:
    """A place that can be projected: its parts, its plan, which indicators feed the model's inputs, which come first in tables."""

    zh: str
    en: str
    plan: str | None = None
    base_year: int | None = None
    within: str | None = None
    sectors: dict[str, Sector] = field(default_factory=dict)
    clusters: dict[str, Cluster] = field(default_factory=dict)
    inputs: dict[str, str] = field(default_factory=dict)
    headline: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check the year."""
        _raise(_years(base_year=self.base_year))

    def label(self, lang: str = "zh") -> str:
        """Name for a reader of `lang` (zh or en)."""
        return self.en if lang == "en" else self.zh


@record
class DocumentInfo:
    """What a source document is."""

    id: str
    kind: Literal["plan", "measures", "statistics"]
    title: Labels
    region: str | None = None
    issuer: Labels | None = None
    published: str | None = None
    base_year: int | None = None
    period: tuple[int, int] | None = None
    horizon: int | None = None

    def __post_init__(self) -> None:
        """Check that the years run forward."""
        problems = _years(base_year=self.base_year, period=self.period, horizon=self.horizon)
        if self.period is not None and self.period[0] >= self.period[1]:
            problems.append(f"period: {list(self.period)} does not run forward.\nWrite [first year, last year].")
        if self.base_year is not None and self.horizon is not None and self.horizon <= self.base_year:
            problems.append(f"horizon: {self.horizon} is not after the base year {self.base_year}.\nCheck both years.")
        _raise(problems)


@record
class Scope:
    """A place or part that statements speak of and that is not a region of its own."""

    zh: str
    en: str
    within: str | None = None


@record
class Outturn:
    """A recorded value, with vintage, source and grade (A official or direct report, B mirror, C weak)."""

    indicator: str
    year: int
    value: float
    unit: str
    source: str
    grade: Literal["A", "B", "C"]
    region: str | None = None
    scope: str | None = None
    months: tuple[int, int] | None = None
    sense: Sense = "equal"
    role: Role = "achieved"
    price_basis: Literal["constant", "nominal"] | None = None
    vintage: str | None = None
    note: str | None = None

    def __post_init__(self) -> None:
        """Check what the fields mean together."""
        problems = _years(year=self.year)
        if (self.region is None) == (self.scope is None):
            problems.append("a recorded value speaks for exactly one place.\nGive either region: or scope:.")
        if self.months is not None and not 1 <= self.months[0] <= self.months[1] <= 12:
            problems.append(f"months: {list(self.months)} are not months of one year.\nWrite [1, 6] for the first half of the year.")
        _raise(problems)


@record
class Lever:
    """A policy lever: what it acts on, and the model input it drives."""

    zh: str
    en: str
    acts_on: str


@record
class Measure:
    """One policy measure: title in our words, label of the document, departments and levers by id."""

    number: int
    title: str
    zh: str
    section: str
    departments: tuple[str, ...] = ()
    levers: tuple[str, ...] = ()


@record
class SeedFile:
    """All that a seed file may hold; every section is optional."""

    document: DocumentInfo | None = None
    regions: dict[str, Region] = field(default_factory=dict)
    scopes: dict[str, Scope] = field(default_factory=dict)
    indicators: tuple[Indicator, ...] = ()
    statements: tuple[Statement, ...] = ()
    assumptions: tuple[Assumption, ...] = ()
    outturns: tuple[Outturn, ...] = ()
    departments: dict[str, Labels] = field(default_factory=dict)
    levers: dict[str, Lever] = field(default_factory=dict)
    measures: tuple[Measure, ...] = ()
    safeguards: tuple[Measure, ...] = ()
