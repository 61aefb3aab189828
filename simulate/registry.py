"""The registry: every statement of every document, checked together, with where each stands."""

from __future__ import annotations

import dataclasses
from collections import ChainMap
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simulate import documents, units
from simulate.distributions import Distribution
from simulate.errors import InvalidInput, Place, Problem, in_order, nearest
from simulate.indicators import Catalogue, Indicator
from simulate.targets import (
    Assumption,
    DocumentInfo,
    Labels,
    Lever,
    Measure,
    Outturn,
    Region,
    Scope,
    SeedFile,
    Statement,
)

if TYPE_CHECKING:
    import pandas as pd

Steps = tuple[str | int, ...]
"""A way into a document: keys, and indices of lists."""


@dataclass(frozen=True)
class Registry:
    """Everything known about all regions: frozen; `places` says where each statement stands in its file."""

    catalogue: Catalogue
    documents: Mapping[str, DocumentInfo]
    regions: Mapping[str, Region]
    scopes: Mapping[str, Scope]
    statements: tuple[Statement, ...]
    assumptions: tuple[Assumption, ...]
    outturns: tuple[Outturn, ...] = ()
    departments: Mapping[str, Labels] = field(default_factory=dict)
    levers: Mapping[str, Lever] = field(default_factory=dict)
    measures: tuple[Measure, ...] = ()
    safeguards: tuple[Measure, ...] = ()
    digests: Mapping[str, str] = field(default_factory=dict)
    places: Mapping[str, Place] = field(default_factory=dict, repr=False)

    @cached_property
    def superseded(self) -> frozenset[str]:
        """Ids of statements that another one is preferred over."""
        return frozenset(id for s in self.statements if s.prefers for id in s.prefers.over)

    def region(self, id: str, where: Place | None = None) -> Region:
        """Return the region `id`; raise InvalidInput (at `where`) with the nearest names if there is none."""
        if id not in self.regions:
            raise InvalidInput(Problem(f"region: {id!r} is not known.", nearest(id, self.regions, "Regions"), where))
        return self.regions[id]

    def base_year(self, region: str) -> int:
        """Return the base year of `region`: its own, else its plan's."""
        info = self.region(region)
        plan = self.documents.get(info.plan or "")
        year = info.base_year or (plan.base_year if plan else None)
        if year is None:
            raise InvalidInput(Problem(f"region {region!r} has no base year.",
                                       "Give base_year: under the region, or in the document its plan: names."))
        return year

    def find(self, *, region: str | None = None, scope: str | None = None, indicator: str | None = None,
             year: int | None = None, roles: Iterable[str] = (), document: str | None = None,
             used: bool = False) -> Iterator[Statement]:
        """Yield the statements that match every filter given; `used` leaves out superseded ones.

        `year` matches the year, or the last year of a period.
        """
        wanted = tuple(roles)
        for s in self.statements:
            if ((region is None or s.region == region) and (scope is None or s.scope == scope)
                    and (indicator is None or s.indicator == indicator) and (year is None or s.last_year == year)
                    and (not wanted or s.role in wanted) and (document is None or s.document == document)
                    and not (used and s.id in self.superseded)):
                yield s

    def stated(self, region: str, indicator: str, year: int) -> Statement | None:
        """Return the statement used for the value of `indicator` in `year`, or None.

        Baselines before achieved values before contexts; tables before text; exact before bounds.
        """
        def rank(s: Statement) -> tuple[int, int, int]:
            return (("baseline", "achieved", "context").index(s.role),
                    ("equal", "about", "at_least", "more_than", "at_most", "less_than").index(s.sense),
                    ("table", "note", "box", "text").index(s.at.locus))

        found = [s for s in self.find(region=region, indicator=indicator, roles=("baseline", "achieved", "context"), used=True)
                 if s.year == year and s.value is not None and s.relative_to is None]
        return min(found, key=rank) if found else None

    def targets(self, region: str, indicator: str | None = None) -> list[Statement]:
        """Return the targets and visions of `region` in use, one a quantity and time (tables before text)."""
        best: dict[tuple[object, ...], Statement] = {}
        for s in self.find(region=region, indicator=indicator, roles=("target", "vision"), used=True):
            known = best.get(s.key)
            if known is None or (s.at.locus == "table" and known.at.locus != "table"):
                best[s.key] = s
        return list(best.values())

    def assumption(self, region: str, *, indicator: str | None = None, parameter: str | None = None) -> Assumption | None:
        """Return the assumption on an indicator's base value or on a parameter, or None."""
        return next((a for a in self.assumptions if a.region == region and a.indicator == indicator
                     and a.parameter == parameter), None)

    def select(self, region: str | None = None, indicator: str | None = None, year: int | None = None,
               role: str | None = None, document: str | None = None, scope: str | None = None) -> pd.DataFrame:
        """Return the statements that match every filter given, one a row, as a pandas DataFrame."""
        import pandas as pd

        rows = [self.row(s) for s in self.find(region=region, scope=scope, indicator=indicator, year=year,
                                               roles=(role,) if role else (), document=document)]
        return pd.DataFrame(rows, columns=list(self.row(self.statements[0])) if self.statements else None)

    def row(self, s: Statement) -> dict[str, Any]:
        """Return a statement as one flat row: fields as in the file, the source place spelt out."""
        flat = {f.name: getattr(s, f.name) for f in dataclasses.fields(s) if f.name not in ("at", "prefers")}
        flat["period"] = list(s.period) if s.period else None
        flat["locus"], flat["section"], flat["row"] = s.at.locus, s.at.section, s.at.row
        flat["used"] = s.id not in self.superseded
        return flat


class _Loader:
    """Merges seed files into one registry; gathers every problem on the way.

    An entry with a problem is left out, but its name counts as declared: what refers to it is not at fault.
    """

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.indicators: dict[str, Indicator] = {}
        self.parts: dict[str, Any] = {name: {} for name in ("documents", "regions", "scopes", "departments", "levers", "digests")}
        self.files: list[tuple[documents.Document, SeedFile]] = []
        self.declared: dict[str, set[object]] = {}
        self.first: dict[tuple[str, str], Place] = {}  # where a document or an indicator was described first
        self.titled: set[Path] = set()  # files that describe their document, well or badly
        self.unknown: dict[tuple[str, str, Path], list[Place]] = {}  # every place of a name that no file declares
        self.blind = False  # a file could not be read: nobody knows what it would have declared
        self.incomplete = False  # a statement was left out
        self.left_out: list[tuple[Mapping[str, object], documents.Document, Steps]] = []
        self.by_id: dict[str, Place] = {}

    def problem(self, what: str, remedy: str, where: Place) -> None:
        self.problems.append(Problem(what, remedy, where))

    def known(self, section: str, name: str, what: str, document: documents.Document, path: Steps, heading: str = "",
              otherwise: str = "") -> bool:
        """Whether `name` is held in `section`; note the problem at `path` where no file declares it.

        The remedy: the nearest names (with `heading`: or all of them), else what to do `otherwise`.
        """
        held: Mapping[str, object] = self.indicators if section == "indicators" else self.parts[section]
        if name not in held and not self.blind and name not in self.declared.get(section, ()):
            places = self.unknown.setdefault((section, name, document.file), [])
            if not places:  # told once a file, whatever the number of lines that use the name
                self.problem(what, nearest(name, held, heading) or otherwise, document.place(path))
            places.append(document.place(path))
        return name in held

    def add(self, file: Path) -> None:
        try:
            document = documents.read(file)
        except InvalidInput as invalid:
            self.problems.extend(invalid.problems)
            self.blind = True
            return
        self.declare(document)
        whole = document
        seed, document, problems = documents.usable(SeedFile, whole)
        self.problems.extend(problems)
        if seed is None:
            self.blind = True
            return
        if problems:
            self.leave_out(whole, document)
        self.parts["digests"][file.name] = document.digest
        self.files.append((document, seed))
        if seed.document:
            self.once("documents", seed.document.id, document, ("document", "id"))
            self.parts["documents"].setdefault(seed.document.id, seed.document)
        for name in ("regions", "scopes", "departments", "levers"):
            for key, value in getattr(seed, name).items():
                if self.parts[name].setdefault(key, value) != value:
                    self.problem(f"{name}: {key!r} is already described otherwise in another file.",
                                 "Keep one description, or use another id.", document.place((name, key), of_key=True))
        for index, indicator in enumerate(seed.indicators):
            self.indicator(indicator, document, ("indicators", index))

    def leave_out(self, whole: documents.Document, rest: documents.Document) -> None:
        """Note the records of `whole` that are not in `rest`: their names can still be checked."""
        for section in ("statements", "assumptions", "outturns"):
            written, kept = whole.data.get(section, ()), {id(entry) for entry in rest.data.get(section, ())}
            gone = [(i, entry) for i, entry in enumerate(written if isinstance(written, tuple) else ()) if id(entry) not in kept]
            self.left_out.extend((entry, whole, (section, i)) for i, entry in gone if isinstance(entry, dict))
            if section == "statements" and (gone or not isinstance(written, tuple)):
                self.incomplete = True

    def declare(self, document: documents.Document) -> None:
        """Note every name that a file declares, whether the entry is valid or not."""
        def note(section: str, names: Iterable[object]) -> None:
            self.declared.setdefault(section, set()).update(names)

        def named(entries: object) -> list[object]:
            return [entry.get("id") for entry in entries if isinstance(entry, dict)] if isinstance(entries, tuple) else []

        data = document.data
        if isinstance(data, dict):
            for section in ("regions", "scopes", "departments", "levers"):
                note(section, data[section] if isinstance(data.get(section), dict) else ())
            note("indicators", named(data.get("indicators")))
            note("documents", named((data.get("document"),)))
            if "document" in data:
                self.titled.add(document.file)

    def once(self, section: str, name: str, document: documents.Document, path: Steps) -> None:
        """Note the place of `name`, or the problem that it stands twice."""
        where = document.place(path)
        first = self.first.setdefault((section, name), where)
        if first != where:
            self.problem(f"{path[-1]}: {name!r} stands twice, first at {first}.", "Give one of them another id.", where)

    def indicator(self, indicator: Indicator, document: documents.Document, path: Steps) -> None:
        known = self.indicators.setdefault(indicator.id, indicator)
        first = self.first.setdefault(("indicators", indicator.id), document.place(path))
        if known != indicator:
            self.problem(f"indicator: {indicator.id!r} is already defined otherwise at {first}.", "Use the known one, or another id.",
                         document.place((*path, "id")))
        self.unit(indicator.unit, document, path)

    def unit(self, unit: str, document: documents.Document, path: Steps) -> bool:
        """Whether `unit` is in the vocabulary; note the problem where it is not."""
        if unit not in units.VOCABULARY:
            self.problems.append(units.unknown(unit, document.place((*path, "unit"))))
        return unit in units.VOCABULARY

    def place(self, region: str | None, scope: str | None, document: documents.Document, path: Steps) -> None:
        """Check that region and scope are declared."""
        if region is not None:
            is_scope = f"It is a scope: write scope: {region}." if region in self.parts["scopes"] else ""
            self.known("regions", region, f"region: {region!r} is not known.", document, (*path, "region"),
                       "" if is_scope else "Regions", is_scope)
        if scope is not None:
            is_region = f"It is a region: write region: {scope}." if scope in self.parts["regions"] else "Declare it under `scopes:`."
            self.known("scopes", scope, f"scope: {scope!r} is not declared.", document, (*path, "scope"), otherwise=is_region)

    def names(self, indicator: str | None, unit: str | None, region: str | None, scope: str | None, document: documents.Document,
              path: Steps) -> None:
        """Check that the names in a record are known."""
        self.place(region, scope, document, path)
        if unit is not None:
            self.unit(unit, document, path)
        if indicator is not None:
            self.known("indicators", indicator, f"indicator: {indicator!r} is not in the catalogue.", document, (*path, "indicator"),
                       otherwise="Define it under `indicators:` in this file.")

    def measured(self, record: Statement | Outturn | Assumption, document: documents.Document, path: Steps) -> None:
        """Check place, indicator, unit and size of one record."""
        unit = record.unit if record.indicator is not None else None
        self.names(record.indicator, unit, record.region, getattr(record, "scope", None), document, path)
        if record.indicator not in self.indicators:
            return
        known = self.indicators[record.indicator]
        fits = unit in (None, known.unit) or unit not in units.VOCABULARY or known.unit not in units.VOCABULARY
        if unit is not None and not fits and not getattr(record, "relative_to", None):
            try:
                units.factor(unit, known.unit)
            except InvalidInput as invalid:
                what, remedy = invalid.problems[0].what, invalid.problems[0].remedy
                self.problem(f"unit: {record.indicator}: {what.removeprefix('unit: ')}", remedy, document.place((*path, "unit")))
        key = "value" if record.value is not None else "range"
        given: Distribution | None = getattr(record, "range", None)
        for number in given.support if given is not None else (record.value,):
            if known.kind == "share" and unit == "%" and number is not None and not 0 <= number <= 100:
                self.problem(f"{key}: {record.indicator} is a share of {known.share_of}; {number:g} % is not between 0 and 100.",
                             "Check the number, or the indicator's kind.", document.place((*path, key)))

    def statements(self) -> tuple[Statement, ...]:
        """Complete the statements (document, id), check each, and find contradictions without a preference."""
        result: dict[str, Statement] = {}
        paths: dict[str, tuple[documents.Document, Steps]] = {}
        taken: dict[str, int] = {}
        for document, seed in self.files:
            info, id = seed.document, seed.document.id if seed.document else document.file.stem
            if seed.statements and info is None and document.file not in self.titled:
                self.problem("statements: it is not said which document they come from.",
                             "Add document: {id: …, kind: plan, title: {zh: …, en: …}} to this file.",
                             document.place(("statements",), of_key=True))
            for index, s in enumerate(seed.statements):
                path = ("statements", index)
                self.measured(s, document, path)
                base = info.base_year if info else None
                if s.role in ("target", "vision") and base is not None and s.last_year <= base:
                    key = "year" if s.year else "period"
                    self.problem(f"{key}: the target of {s.indicator} is set for {s.last_year}, not after the base year {base}.",
                                 "Check the year, or the role.", document.place((*path, key)))
                name = s.id or f"{id}:{s.indicator}{f'[{s.scope}]' if s.scope else ''}@{s.when.replace(' ', '')}"
                if s.id and s.id in taken:
                    self.problem(f"id: {s.id!r} stands twice, first at {self.by_id[s.id]}.", "Give one of them another id.",
                                 document.place((*path, "id")))
                taken[name] = taken.get(name, 0) + 1
                if taken[name] > 1:
                    name = f"{name}#{taken[name]}"
                result[name] = dataclasses.replace(s, id=name, document=id)
                paths[name], self.by_id[name] = (document, path), document.place(path)
        for s in result.values():
            self.preference(s, result, *paths[s.id])
        self.contradictions(result.values())
        return tuple(result.values())

    def preference(self, s: Statement, held: Mapping[str, Statement], document: documents.Document, path: Steps) -> None:
        """Check that `s` is preferred over other statements on the same quantity, and not in a circle."""
        for index, over in enumerate(s.prefers.over if s.prefers else ()):
            other, where = held.get(over), document.place((*path, "prefers", "over", index))
            if other is None:
                if not (self.blind or self.incomplete):
                    self.problem(f"prefers: there is no statement {over!r}.", nearest(over, held) or "Give the other statement an id:.",
                                 where)
            elif over == s.id:
                self.problem(f"prefers: {over!r} cannot be used instead of itself.", "Name the other statement.", where)
            elif (other.indicator, other.place) != (s.indicator, s.place):
                self.problem(f"prefers: {over!r} is about {other.indicator} ({other.place}), not {s.indicator} ({s.place}).",
                             "Prefer only over statements on the same quantity.", where)
            elif s.id in self.preferred_over(over, held):
                self.problem(f"prefers: {s.id!r} and {over!r} are each used instead of the other.", "Keep one of the preferences.", where)

    def preferred_over(self, id: str, held: Mapping[str, Statement]) -> set[str]:
        """Return `id` and all that is set aside for it, directly or through others."""
        found, waiting = set[str](), [id]
        while waiting:
            name = waiting.pop()
            s = held.get(name)
            if s is not None and name not in found:
                found.add(name)
                waiting.extend(s.prefers.over if s.prefers else ())
        return found

    def contradictions(self, statements: Iterable[Statement]) -> None:
        groups: dict[tuple[object, ...], list[Statement]] = {}
        superseded = {id for s in statements for id in (s.prefers.over if s.prefers else ())}
        for s in statements:
            if s.value is not None and s.id not in superseded and s.indicator in self.indicators and s.unit in units.VOCABULARY:
                groups.setdefault(s.key, []).append(s)
        for group in groups.values():
            for index, s in enumerate(group):
                first = next((other for other in group[:index] if self.clash(s, other)), None)
                if first is not None:
                    self.problem(f"value: {s.indicator} ({s.place}, {s.when}) is {_said(s)} here and {_said(first)} "
                                 f"at {self.by_id[first.id]}.",
                                 "Say which is used and why: id: on the other, and on this one prefers: {over: [its id], why: …}.",
                                 self.by_id[s.id])

    def clash(self, one: Statement, other: Statement) -> bool:
        """Whether no number satisfies both as printed."""
        try:
            (a, b), (c, d) = self.interval(one), self.interval(other)
        except InvalidInput:  # a unit that does not fit is reported where it stands
            return False
        low, high = max(a, c), min(b, d)
        return low - high > 1e-12 * max(abs(low), abs(high)) if isfinite(low) and isfinite(high) else low > high

    def interval(self, s: Statement) -> tuple[float, float]:
        unit = self.indicators[s.indicator].unit
        factor = 1.0 if s.relative_to or unit not in units.VOCABULARY else units.factor(s.unit, unit)
        low, high = s.interval()
        return low * factor, high * factor

    def finish(self) -> Registry:
        lists: dict[str, list[Any]] = {name: [] for name in ("assumptions", "outturns", "measures", "safeguards")}
        for document, seed in self.files:
            if seed.document and seed.document.region:
                self.place(seed.document.region, None, document, ("document",))
            for index, assumption in enumerate(seed.assumptions):
                self.measured(assumption, document, ("assumptions", index))
            for index, outturn in enumerate(seed.outturns):
                self.measured(outturn, document, ("outturns", index))
            for name in lists:
                lists[name].extend(getattr(seed, name))
            for name in ("measures", "safeguards"):
                for index, measure in enumerate(getattr(seed, name)):
                    for kind in ("departments", "levers"):
                        for step, id in enumerate(getattr(measure, kind)):
                            self.known(kind, id, f"{kind}: {id!r} is not declared.", document, (name, index, kind, step),
                                       kind.capitalize())
        for entry, document, path in self.left_out:
            words = {key: word for key in ("indicator", "unit", "region", "scope") if isinstance(word := entry.get(key), str)}
            self.names(words.get("indicator"), words.get("unit"), words.get("region"), words.get("scope"), document, path)
        statements = self.statements()
        for document, seed in self.files:
            for id, region in seed.regions.items():
                self.region(id, region, document, ("regions", id))
            for id, scope in seed.scopes.items():
                self.scope(id, scope, document, ("scopes", id))
        more = {places[0]: len(places) - 1 for places in self.unknown.values() if len(places) > 1}
        if self.problems:
            raise InvalidInput(in_order(
                dataclasses.replace(p, remedy=f"{p.remedy} ({more[p.where]} more in this file.)") if p.where in more else p
                for p in self.problems))
        made: dict[str, Any] = {**self.parts, **{name: tuple(found) for name, found in lists.items()}}
        return Registry(Catalogue(self.indicators), statements=statements, places=self.by_id, **made)

    def region(self, id: str, region: Region, document: documents.Document, path: Steps) -> None:
        """Check what a region's description refers to."""
        wanted: list[tuple[Steps, str]] = [(("inputs", name), indicator) for name, indicator in region.inputs.items()]
        wanted += [(("sectors", name, "share"), sector.share) for name, sector in region.sectors.items() if sector.share]
        wanted += [(("clusters", name, "revenue"), cluster.revenue) for name, cluster in region.clusters.items()]
        wanted += [(("headline", index), indicator) for index, indicator in enumerate(region.headline)]
        for inner, indicator in wanted:
            self.known("indicators", indicator, f"indicator: {indicator!r} is not in the catalogue.", document, (*path, *inner),
                       otherwise="`simulate indicators` lists all.")
        for name, cluster in region.clusters.items():
            if cluster.sector is not None and cluster.sector not in region.sectors:
                self.problem(f"sector: {cluster.sector!r} is not a sector of {id}.", nearest(cluster.sector, region.sectors, "Sectors"),
                             document.place((*path, "clusters", name, "sector")))
        if region.plan is not None:
            self.known("documents", region.plan, f"plan: {region.plan!r} is not known.", document, (*path, "plan"), "Documents")
        self.within(id, region.within, document, (*path, "within"))
        rest = [name for name, sector in region.sectors.items() if not sector.share]
        if region.sectors and len(rest) != 1:
            self.problem(f"sectors: {len(rest)} sectors of {id} have no share; exactly one takes the rest of GDP.",
                         "Give share: (an indicator) to all sectors but one.", document.place((*path, "sectors"), of_key=True))

    def scope(self, id: str, scope: Scope, document: documents.Document, path: Steps) -> None:
        """Check that a scope is not a region, and what it lies in."""
        if id in self.parts["regions"]:
            self.problem(f"scopes: {id!r} is a region.", "Use another id, or write region: where it is meant.",
                         document.place(path, of_key=True))
        self.within(id, scope.within, document, (*path, "within"))

    def within(self, id: str, outer: str | None, document: documents.Document, path: Steps) -> None:
        """Check that `outer` is a region or scope, and does not lie within `id`."""
        if outer is None:
            return
        places = ChainMap(self.parts["regions"], self.parts["scopes"])
        if outer not in places and outer not in self.declared.get("scopes", ()):
            self.known("regions", outer, f"within: {outer!r} is neither a region nor a scope.", document, path, "Regions")
        chain = [id]
        while outer in places and outer not in chain:
            chain.append(outer)
            outer = places[outer].within
        if outer == id:
            self.problem(f"within: a place cannot lie within itself ({' -> '.join([*chain, id])}).", "Let within: name the larger place.",
                         document.place(path))


def _said(s: Statement) -> str:
    """Return a statement's number with its sense: at least 100 亿元."""
    return f"{'' if s.sense == 'equal' else s.sense.replace('_', ' ') + ' '}{s.value:g} {s.unit}"


@lru_cache(maxsize=8)
def _load(files: tuple[Path, ...], stamps: tuple[tuple[int, int], ...]) -> Registry:
    loader = _Loader()
    catalogue = documents.read(Path(__file__).with_name("indicators.yaml"))
    indicators: tuple[Indicator, ...] = documents.validate(tuple[Indicator, ...], catalogue)
    for index, indicator in enumerate(indicators):
        loader.indicator(indicator, catalogue, (index,))
    for file in files:
        loader.add(file)
    return loader.finish()


def _seed_files(place: Path) -> list[Path]:
    """Return the YAML files of a folder, or the one file given. Raises InvalidInput where there is none."""
    try:
        if not place.is_dir():
            place.stat()
            return [place]
        found = sorted(file for file in place.iterdir() if file.suffix in (".yaml", ".yml"))
    except (FileNotFoundError, NotADirectoryError):
        raise InvalidInput(Problem("there is no such file or folder.", "Check the path of the plan data.", Place(place))) from None
    except (OSError, ValueError) as error:
        raise InvalidInput(Problem(f"cannot be read: {getattr(error, 'strerror', None) or error}.", "Check the path of the plan data.",
                                   Place(place))) from None
    if not found:
        raise InvalidInput(Problem("the folder holds no plan data.", "Plan data are files that end in .yaml.", Place(place)))
    return found


def load_registry(*folders: Path | str, builtin: bool = True) -> Registry:
    """Read all seed files: the package's own (unless `builtin` is false), then the YAML files or folders given.

    A file named twice is read once. Raises InvalidInput with every problem of every file.
    """
    places = [documents.data_folder("seeds")] if builtin else []
    files: dict[Path, tuple[Path, tuple[int, int]]] = {}
    problems: list[Problem] = []
    for place in [*places, *map(Path, folders)]:
        try:
            for file in _seed_files(place):
                stat = file.stat()
                files.setdefault(file.resolve(), (file.absolute(), (stat.st_mtime_ns, stat.st_size)))
        except OSError as error:
            problems.append(Problem(f"cannot be read: {error.strerror}.", "Check the link or the rights.",
                                    Place(Path(error.filename or place))))
        except InvalidInput as invalid:
            problems.extend(invalid.problems)
    if problems:
        raise InvalidInput(problems)
    return _load(tuple(file for file, _ in files.values()), tuple(stamp for _, stamp in files.values()))
