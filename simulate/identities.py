"""Identities between indicators, as data: formulas over indicator ids, the readings a document leaves open, priors.

A formula is a restricted arithmetic expression; `identities.yaml` beside this file says what it may hold. It is never
executed: its syntax tree is walked, with floats (plain arithmetic) or with the terms of a solver.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, NamedTuple

from simulate import documents, units
from simulate.errors import InvalidInput, Place, Problem, nearest
from simulate.indicators import Catalogue, Indicator
from simulate.records import record

Time = int | tuple[str, int, int]
Clock = int | tuple[str, int, int] | tuple[int, int]
"""When an identity is applied: a year, a total over a period, or a span (start, end)."""

AGGREGATES = ("mean", "sum", "multiple", "change")


class Quantity(NamedTuple):
    """An indicator at a place and time; a time is a year or (mean | sum, first, last) or (multiple | change, base, year)."""

    indicator: str
    place: str
    time: Time

    @property
    def when(self) -> str:
        """Time for tables."""
        if isinstance(self.time, int):
            return str(self.time)
        kind, first, last = self.time
        return f"{first}-{last} {({'mean': '⌀', 'sum': 'Σ'}).get(kind, kind)}"

    def __str__(self) -> str:
        """Indicator and time, as a user writes it, then the place."""
        return f"{self.indicator}@{self.when.replace(' ', '')} ({self.place})"


@record
class Option:
    """One way to read what a document leaves open."""

    zh: str
    en: str

    def label(self, lang: str = "zh") -> str:
        """Name for a reader of `lang` (zh or en)."""
        return self.en if lang == "en" else self.zh


@record
class Reading:
    """Something documents leave open: its options, the one used unless told otherwise, and whether others are tried unasked."""

    zh: str
    en: str
    default: str
    options: dict[str, Option]
    tried: bool = True

    def __post_init__(self) -> None:
        """Check the default."""
        if self.default not in self.options:
            raise ValueError(f"default: {self.default!r} is not one of the options.\n{nearest(self.default, self.options, 'Options')}")


@record
class Identity:
    """One identity as written: see the head of identities.yaml."""

    id: str
    zh: str
    en: str
    formula: str
    each: dict[str, str | tuple[str, ...]] | None = None
    pairs: tuple[dict[str, str], ...] = ()
    when: dict[str, str] | None = None
    places: tuple[str, ...] | None = None
    needs: tuple[str, ...] = ()
    least: int = 1
    sums: bool = False
    unless_stated: str | None = None
    without: str | None = None

    def label(self, lang: str = "zh") -> str:
        """Name for a reader of `lang` (zh or en)."""
        return self.en if lang == "en" else self.zh


@record
class Prior(Identity):
    """A plausibility band: an expression and the values, in `unit`, that are thought plausible."""

    low: float
    high: float
    unit: str
    source: str

    def __post_init__(self) -> None:
        """Check the ends."""
        if not self.low < self.high:
            raise ValueError(f"low: {self.low:g} is not below high: {self.high:g}.\nWrite the lower end first.")


@record
class IdentityFile:
    """All that a file of identities may hold; every section is optional."""

    readings: dict[str, Reading] | None = None
    constants: dict[str, float] | None = None
    groups: dict[str, tuple[str, ...]] | None = None
    disjoint: tuple[tuple[str, ...], ...] = ()
    auxiliaries: tuple[Indicator, ...] = ()
    identities: tuple[Identity, ...] = ()
    priors: tuple[Prior, ...] = ()


class Ref(NamedTuple):
    """A quantity as a formula names it, place and time still relative."""

    indicator: str
    place: str
    time: str


@dataclass(frozen=True)
class Template:
    """An identity or prior for given indicators: its tree, the names in it, and when it applies."""

    spec: Identity
    tree: ast.expr
    refs: tuple[Ref, ...]
    summed: frozenset[Ref]
    needs: frozenset[str]
    unless_stated: str | None
    constants: Mapping[str, float]
    groups: Mapping[str, tuple[str, ...]]

    @property
    def formula(self) -> str:
        """The formula with its names filled in."""
        return ast.unparse(self.tree)

    @cached_property
    def indicators(self) -> frozenset[str]:
        """All indicators it names."""
        return frozenset(ref.indicator for ref in self.refs)

    @cached_property
    def span(self) -> bool:
        """Whether it speaks of a span, not of one time."""
        return any(ref.time in (*AGGREGATES, "start", "end") for ref in self.refs)

    @cached_property
    def lagged(self) -> bool:
        """Whether it speaks of the year before."""
        return any(ref.time == "t-1" for ref in self.refs)

    @cached_property
    def bound(self) -> bool:
        """Whether it bounds (<=, >=) rather than equates."""
        return isinstance(self.tree, ast.Compare) and not isinstance(self.tree.ops[0], ast.Eq)


_TIMES = {"start", "end", *AGGREGATES}
_WORDS = {"t", "years", "parent", "disjoint", "sum", "cumulative", "growth", "nominal", "constant", *_TIMES}


class _Fill(ast.NodeTransformer):
    """Puts indicator ids for bound names, and for growth(x), nominal(x), constant(x)."""

    def __init__(self, names: Mapping[str, str]) -> None:
        self.names = names

    def visit_Name(self, node: ast.Name) -> ast.Name:
        return ast.Name(self.names.get(node.id, node.id), node.ctx)

    def visit_Attribute(self, node: ast.Attribute) -> ast.Attribute:
        return ast.Attribute(node.value, self.names.get(node.attr, node.attr), node.ctx)

    def visit_Call(self, node: ast.Call) -> ast.expr:
        self.generic_visit(node)
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        if name in ("growth", "nominal", "constant") and len(node.args) == 1 and isinstance(node.args[0], ast.Name):
            return ast.Name(f"{node.args[0].id}_growth" if name == "growth" else f"{node.args[0].id}~{name}", ast.Load())
        return node


def _ref(node: ast.expr) -> Ref | None:
    """The quantity a node names, or None where it is something else. ValueError: a time that is not known."""
    time = "t"
    if isinstance(node, ast.Subscript):
        time = ast.unparse(node.slice).replace(" ", "")
        if time not in (*_TIMES, "t-1"):
            raise ValueError(f"[{time}] is not a time: use [t-1], [start], [end], [mean], [sum], [multiple] or [change]")
        node = node.value
    if isinstance(node, ast.Name):
        return Ref(node.id, "", time)
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return Ref(node.attr, node.value.id, time)
    return None


_Leaf = Callable[[Ref], Any]


def _walk(node: ast.expr, t: Template, leaf: _Leaf, members: Callable[[Ref], Iterable[Ref]], years: int) -> Any:
    """The value of an expression; `leaf` gives that of a quantity, `members` those a sum runs over."""
    def value(inner: ast.expr) -> Any:
        return _walk(inner, t, leaf, members, years)

    match node:
        case ast.Constant(value=int() | float() as number):
            return float(number)
        case ast.Name(id="years"):
            return years
        case ast.Name(id=name) if name in t.constants:
            return t.constants[name]
        case ast.Name() | ast.Attribute() | ast.Subscript():
            ref = _ref(node)
            if ref is not None:
                return leaf(ref)
        case ast.UnaryOp(op=ast.USub(), operand=inner):
            return -1.0 * value(inner)
        case ast.BinOp(left=left, op=op, right=right):
            a, b = value(left), value(right)
            match op:
                case ast.Add():
                    return a + b
                case ast.Sub():
                    return a - b
                case ast.Mult():
                    return a * b
                case ast.Div():
                    return a / b
                case ast.Pow():
                    return a**b
        case ast.Call(func=ast.Name(id="sum"), args=[inner]):
            ref = _ref(inner)
            if ref is not None:
                total: Any = 0.0
                for member in members(ref):
                    total = total + leaf(member)
                return total
        case ast.Call(func=ast.Name(id="cumulative"), args=[base, rate, count]):
            flow, factor, n = value(base), 1.0 + value(rate), int(value(count))
            total = 0.0
            for k in range(1, n + 1):
                total = total + flow * factor**k
            return total
    raise ValueError(f"{ast.unparse(node)!r} is not part of the language of formulas")


@dataclass(frozen=True)
class Instance:
    """An identity at a place and time: which quantities it ties, and its value in any arithmetic."""

    template: Template
    place: str
    clock: Clock
    resolve: Callable[[Ref], Quantity | None]
    members: Callable[[Ref], Iterable[Ref]]

    @property
    def id(self) -> str:
        """Identity, first indicator where it is repeated, place and time."""
        spec, when = self.template.spec, self.clock
        of = f"[{self.template.refs[0].indicator}]" if spec.each or spec.pairs else ""
        text = str(when) if isinstance(when, int) else f"{when[-2]}-{when[-1]}"
        return f"{spec.id}{of}@{text} ({self.place})"

    @property
    def relation(self) -> str:
        """The comparison: ==, <= or >=; empty for a prior's expression."""
        tree = self.template.tree
        return {ast.Eq: "==", ast.LtE: "<=", ast.GtE: ">="}[type(tree.ops[0])] if isinstance(tree, ast.Compare) else ""

    def sides(self, value: Callable[[Quantity], Any]) -> tuple[Any, Any]:
        """Both sides of the comparison (a prior: its expression and 0.0), quantities valued by `value`."""
        years = 0 if isinstance(self.clock, int) else self.clock[-1] - self.clock[-2] + (len(self.clock) == 3)

        def leaf(ref: Ref) -> Any:
            quantity = self.resolve(ref)
            if quantity is None:
                raise LookupError(ref)
            return value(quantity)

        tree = self.template.tree
        parts = [tree.left, tree.comparators[0]] if isinstance(tree, ast.Compare) else [tree]
        values = [_walk(part, self.template, leaf, self.members, years) for part in parts]
        return values[0], values[1] if len(values) > 1 else 0.0


@dataclass(frozen=True)
class Identities:
    """All identities, priors and readings, checked against a catalogue."""

    indicators: Mapping[str, Indicator]
    readings: Mapping[str, Reading]
    disjoint: tuple[tuple[str, ...], ...]
    templates: tuple[Template, ...]

    def defaults(self) -> dict[str, str]:
        """The option of each reading that is used unless told otherwise."""
        return {name: reading.default for name, reading in self.readings.items()}

    def chosen(self, **options: str) -> dict[str, str]:
        """The defaults with `options` instead; InvalidInput for an unknown reading or option."""
        problems = []
        for name, option in options.items():
            if name not in self.readings:
                problems.append(Problem(f"reading: {name!r} is not known.", nearest(name, self.readings, "Readings")))
            elif option not in self.readings[name].options:
                problems.append(Problem(f"reading {name}: {option!r} is not an option.",
                                        nearest(option, self.readings[name].options, "Options")))
        if problems:
            raise InvalidInput(problems)
        return {**self.defaults(), **options}

    def indicator(self, id: str) -> Indicator:
        """The indicator `id` (of the catalogue, auxiliary, or made); InvalidInput with the nearest names."""
        plain = id.partition("~")[0]
        if plain not in self.indicators:
            raise InvalidInput(Problem(f"indicator: {id!r} is not known.", nearest(id, self.indicators)))
        return self.indicators[plain]

    def is_growth(self, id: str) -> bool:
        """Whether the indicator is a growth rate: above -1, used as 1 + rate."""
        return id.endswith("_growth") and self.indicator(id).kind == "rate"

    def instances(self, stated: Mapping[tuple[str, str], set[Time]], spans: Mapping[str, set[tuple[int, int]]],
                  parents: Mapping[str, str | None], readings: Mapping[str, str]) -> list[Instance]:
        """Identities and priors that touch the quantities `stated` (indicator, place -> times), at the places of `parents`.

        Quantities that an equation makes count as stated for those after it.
        """
        known = {key: set(times) for key, times in stated.items()}
        made: dict[tuple[int, str, Clock], Instance] = {}
        active = [(n, t) for n, t in enumerate(self.templates)
                  if all(readings[name] == option for name, option in (t.spec.when or {}).items())]
        for final in (False, False, False, True):
            before = len(made)
            for number, template in active:
                if (template.bound or isinstance(template.spec, Prior)) == final:
                    for instance in self._of(template, known, stated, spans, parents):
                        if made.setdefault((number, instance.place, instance.clock), instance) is instance and not final:
                            for ref in template.refs:
                                q = instance.resolve(ref)
                                if q is not None:
                                    known.setdefault((q.indicator, q.place), set()).add(q.time)
            if before == len(made) and not final:
                continue
        return list(made.values())

    def _of(self, t: Template, known: Mapping[tuple[str, str], set[Time]], stated: Mapping[tuple[str, str], set[Time]],
            spans: Mapping[str, set[tuple[int, int]]], parents: Mapping[str, str | None]) -> Iterator[Instance]:
        every = isinstance(t.spec, Prior) or t.bound
        for place in t.spec.places or parents:
            if place not in parents:
                continue
            where = {ref.place: place if not ref.place else parents[place] if ref.place == "parent" else ref.place
                     for ref in t.refs}
            sets = [s for s in self.disjoint if all(parents.get(p) == place or _within(p, place, parents) for p in s)]
            if None in where.values() or ("disjoint" in where and not sets):
                continue
            clocks: set[Clock] = set()
            if t.span:
                clocks.update(spans.get(place, ()))
            else:
                source = stated if t.lagged else known
                for ref in t.refs:
                    if ref.time != "t" or (t.lagged and not self.is_growth(ref.indicator)):
                        continue
                    for p in (p for s in sets for p in s) if ref.place == "disjoint" else (where[ref.place],):
                        clocks.update(time for time in source.get((ref.indicator, str(p)), ())
                                      if isinstance(time, int) or (t.spec.sums and time[0] == "sum"))
            for clock in clocks:
                resolve = _resolver(where, clock)

                def present(ref: Ref, resolve: Callable[[Ref], Quantity | None] = resolve) -> bool:
                    q = resolve(ref)
                    return q is not None and q.time in known.get((q.indicator, q.place), ())

                def members(ref: Ref, present: Callable[[Ref], bool] = present, sets: list[tuple[str, ...]] = sets) -> list[Ref]:
                    if ref.place == "disjoint":
                        best = max(([r for p in s if present(r := Ref(ref.indicator, "=" + p, ref.time))] for s in sets), key=len)
                        return best
                    return [r for name in t.groups.get(ref.indicator, ()) if present(r := Ref(name, ref.place, ref.time))]

                plain = [ref for ref in t.refs if ref.place != "disjoint" and ref.indicator not in t.groups and ref not in t.summed]
                found = [present(ref) for ref in plain]
                needed = all(present(ref) for ref in t.refs if ref.indicator in t.needs)
                listed = [ref for ref in t.refs if ref.indicator in t.groups or ref.place == "disjoint"]
                enough = all(found) if every else sum(found) >= min(t.spec.least, len(found))
                if not needed or not enough or (listed and not any(members(r) for r in listed)):
                    continue
                if any(ref.place == "disjoint" for ref in listed) and all(len(members(r)) < 2 for r in listed):
                    continue
                if t.unless_stated and isinstance(clock, tuple) and len(clock) == 2 and any(
                        isinstance(y, int) and clock[0] < y <= clock[1] for y in stated.get((t.unless_stated, place), ())):
                    continue
                yield Instance(t, place, clock, resolve, members)


def _within(place: str | None, wider: str, parents: Mapping[str, str | None]) -> bool:
    while place is not None and place != wider:
        place = parents.get(place)
    return place == wider


def _resolver(where: Mapping[str, str | None], clock: Clock) -> Callable[[Ref], Quantity | None]:
    def resolve(ref: Ref) -> Quantity | None:
        place = ref.place[1:] if ref.place.startswith("=") else where.get(ref.place)
        if place is None or ref.place == "disjoint":
            return None
        if isinstance(clock, tuple) and len(clock) == 2:
            start, end = clock
            times: dict[str, Time] = {"start": start, "end": end, "mean": ("mean", start + 1, end), "sum": ("sum", start + 1, end),
                                      "multiple": ("multiple", start, end), "change": ("change", start, end)}
            return Quantity(ref.indicator, place, times[ref.time]) if ref.time in times else None
        if ref.time == "t":
            return Quantity(ref.indicator, place, clock)
        return Quantity(ref.indicator, place, clock - 1) if ref.time == "t-1" and isinstance(clock, int) else None

    return resolve


class _Compiler:
    """Checks identity files against a catalogue and makes templates; gathers every problem."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.problems: list[Problem] = []
        self.indicators = dict(catalogue)
        self.readings: dict[str, Reading] = {}
        self.constants: dict[str, float] = {}
        self.groups: dict[str, tuple[str, ...]] = {}
        self.disjoint: list[tuple[str, ...]] = []
        self.templates: list[Template] = []

    def add(self, file: Path) -> None:
        document = documents.read(file)
        content: IdentityFile = documents.validate(IdentityFile, document)
        self.readings.update(content.readings or {})
        self.constants.update(content.constants or {})
        self.disjoint.extend(content.disjoint)
        for auxiliary in content.auxiliaries:
            self.indicators.setdefault(auxiliary.id, auxiliary)
        for name, patterns in (content.groups or {}).items():
            self.groups[name] = tuple(self.matching(patterns, document.place(("groups", name))))
        sections: tuple[tuple[str, tuple[Identity, ...]], ...] = (("identities", content.identities), ("priors", content.priors))
        for section, specs in sections:
            for index, spec in enumerate(specs):
                where = document.place((section, index, "formula"))
                for name, option in (spec.when or {}).items():
                    if name not in self.readings or option not in self.readings[name].options:
                        self.problems.append(Problem(f"when: {name}: {option} is not a declared reading.",
                                                     nearest(name, self.readings, "Readings"), where))
                if isinstance(spec, Prior) and spec.unit not in units.VOCABULARY:
                    self.problems.append(Problem(f"unit: {spec.unit!r} is not in the unit vocabulary.",
                                                 nearest(spec.unit, units.VOCABULARY, "Units"), where))
                for names in self.bindings(spec, where):
                    self.template(spec, names, where)

    def matching(self, patterns: Iterable[str], where: Place) -> Iterator[str]:
        """Indicator ids that the patterns match; a plain name that matches none is a problem."""
        for pattern in patterns:
            if "*" in pattern:
                yield from (id for id in self.indicators if fnmatchcase(id, pattern) and not id.endswith("_growth"))
            elif pattern in self.indicators:
                yield pattern
            else:
                self.problems.append(Problem(f"indicator: {pattern!r} is not in the catalogue.", nearest(pattern, self.indicators), where))

    def bindings(self, spec: Identity, where: Place) -> Iterator[dict[str, str]]:
        if spec.each:
            (name, members), = spec.each.items()
            listed = self.groups.get(members, ()) if isinstance(members, str) else tuple(self.matching(members, where))
            if isinstance(members, str) and members not in self.groups:
                self.problems.append(Problem(f"each: there is no group {members!r}.", nearest(members, self.groups, "Groups"), where))
            left_out = self.groups.get(spec.without or "", ())
            yield from ({name: id} for id in listed if id not in left_out)
        elif spec.pairs:
            yield from spec.pairs
        else:
            yield {}

    def template(self, spec: Identity, names: Mapping[str, str], where: Place) -> None:
        try:
            parsed = ast.parse(spec.formula, mode="eval").body
        except SyntaxError:
            self.problems.append(Problem(f"formula of {spec.id}: {spec.formula!r} is not an expression.", "Example: gdp == a * b.", where))
            return
        tree = ast.fix_missing_locations(_Fill(names).visit(parsed))
        comparison = isinstance(tree, ast.Compare) and len(tree.ops) == 1 and isinstance(tree.ops[0], ast.Eq | ast.LtE | ast.GtE)
        if comparison == isinstance(spec, Prior) or isinstance(tree, ast.Compare) != comparison:
            self.problems.append(Problem(f"formula of {spec.id}: one comparison (==, <=, >=) is needed, in a prior none.",
                                         "Write left == right; a prior bounds one expression by low: and high:.", where))
            return
        refs: dict[Ref, None] = {}
        summed: set[Ref] = set()
        draft = Template(spec, tree, (), frozenset(), frozenset(), None, self.constants, self.groups)

        def leaf(ref: Ref) -> float:
            refs[ref] = None
            self.named(spec, ref.indicator, where)
            return 0.5

        def members(ref: Ref) -> Iterator[Ref]:
            if ref.place == "disjoint":
                self.named(spec, ref.indicator, where)
            elif ref.indicator not in self.groups:
                self.problems.append(Problem(f"formula of {spec.id}: there is no group {ref.indicator!r}.",
                                             nearest(ref.indicator, self.groups, "Groups"), where))
            refs[ref] = None
            for id in self.groups.get(ref.indicator, ()):
                summed.add(member := Ref(id, ref.place, ref.time))
                yield member

        try:
            for part in (tree.left, tree.comparators[0]) if isinstance(tree, ast.Compare) else (tree,):
                _walk(part, draft, leaf, members, 1)
        except ValueError as error:
            self.problems.append(Problem(f"formula of {spec.id}: {error}.",
                                         "The head of identities.yaml says what formulas may hold.", where))
            return
        needs = frozenset("~".join(names.get(part, part) for part in n.split("~")) for n in spec.needs)
        unless = names.get(spec.unless_stated, spec.unless_stated) if spec.unless_stated else None
        self.templates.append(Template(spec, tree, tuple(refs), frozenset(summed), needs, unless, self.constants, self.groups))

    def named(self, spec: Identity, id: str, where: Place) -> None:
        """Check an indicator id; make the growth rate of a known one."""
        plain = id.partition("~")[0]
        of = self.indicators.get(plain.removesuffix("_growth"))
        if plain not in self.indicators and plain.endswith("_growth") and of is not None:
            self.indicators[plain] = Indicator(id=plain, zh=f"{of.zh}增速", en=f"Growth: {of.en}", unit="%", kind="rate")
        elif plain not in self.indicators:
            self.problems.append(Problem(f"formula of {spec.id}: {id!r} is neither an indicator nor an auxiliary.",
                                         nearest(id, {*self.indicators, *_WORDS}) or "Add it under auxiliaries:.", where))
            self.indicators[plain] = Indicator(id=plain, zh=plain, en=plain, unit="%", kind="ratio")  # said once


_loaded: dict[tuple[object, ...], tuple[Catalogue, Identities]] = {}


def load_identities(catalogue: Catalogue, *files: Path | str) -> Identities:
    """The package's identities, then those of the `files` given, checked against `catalogue` (all problems at once)."""
    paths = [Path(__file__).with_name("identities.yaml"), *map(Path, files)]
    key = (id(catalogue), *((p, p.stat().st_mtime_ns) for p in paths if p.exists()), *(p for p in paths if not p.exists()))
    if key not in _loaded or _loaded[key][0] is not catalogue:
        compiler = _Compiler(catalogue)
        for path in paths:
            compiler.add(path)
        if compiler.problems:
            raise InvalidInput(compiler.problems)
        if len(_loaded) >= 8:
            _loaded.clear()
        _loaded[key] = (catalogue, Identities(compiler.indicators, compiler.readings, tuple(compiler.disjoint), tuple(compiler.templates)))
    return _loaded[key][1]


def listing(identities: Identities, lang: str = "zh") -> list[dict[str, Any]]:
    """Every identity and prior as plain rows: id, kind, label, formula as written, indicators, applicability."""
    rows: dict[str, dict[str, Any]] = {}
    for t in identities.templates:
        kind: Literal["prior", "identity"] = "prior" if isinstance(t.spec, Prior) else "identity"
        row = rows.setdefault(f"{kind} {t.spec.id}", {
            "id": t.spec.id, "kind": kind, "label": t.spec.label(lang), "formula": t.spec.formula, "when": t.spec.when or {},
            "places": list(t.spec.places or ()), "indicators": [],
            **({"low": t.spec.low, "high": t.spec.high, "unit": t.spec.unit, "source": t.spec.source}
               if isinstance(t.spec, Prior) else {})})
        row["indicators"] = list(dict.fromkeys([*row["indicators"], *(r.indicator for r in t.refs if r.indicator not in t.groups)]))
    return list(rows.values())
