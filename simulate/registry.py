"""The registry: every statement of every document, checked together, with where each stands."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simulate import documents, units
from simulate.errors import InvalidInput, Place, Problem, nearest
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

    def region(self, id: str) -> Region:
        """Return the region `id`; raise InvalidInput with the nearest names if there is none."""
        if id not in self.regions:
            raise InvalidInput(Problem(f"region: {id!r} is not known.", nearest(id, self.regions, "Regions")))
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
    """Merges seed files into one registry; gathers every problem on the way."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.indicators: dict[str, Indicator] = {}
        self.parts: dict[str, Any] = {name: {} for name in ("documents", "regions", "scopes", "departments", "levers", "digests")}
        self.lists: dict[str, list[Any]] = {n: [] for n in ("statements", "assumptions", "outturns", "measures", "safeguards")}
        self.where: dict[int, Place] = {}  # id() of a record -> its place
        self.files: list[tuple[documents.Document, SeedFile]] = []

    def problem(self, what: str, remedy: str, where: Place) -> None:
        self.problems.append(Problem(what, remedy, where))

    def add(self, file: Path) -> None:
        try:
            document = documents.read(file)
            seed: SeedFile = documents.validate(SeedFile, document)
        except InvalidInput as invalid:
            self.problems.extend(invalid.problems)
            return
        self.parts["digests"][file.name] = document.digest
        self.files.append((document, seed))
        if seed.document:
            self.parts["documents"][seed.document.id] = seed.document
        for name in ("regions", "scopes", "departments", "levers"):
            for key, value in getattr(seed, name).items():
                known = self.parts[name].get(key)
                if known is not None and known != value:
                    self.problem(f"{name}: {key!r} is already described otherwise in another file.",
                                 "Keep one description, or use another id.", document.place((name, key), of_key=True))
                self.parts[name].setdefault(key, value)
        for index, indicator in enumerate(seed.indicators):
            self.indicator(indicator, document.place(("indicators", index)))

    def indicator(self, indicator: Indicator, where: Place) -> None:
        known = self.indicators.get(indicator.id)
        if known is not None and known != indicator:
            self.problem(f"indicator: {indicator.id!r} is already defined otherwise.", "Use the known one, or another id.", where)
        if indicator.unit not in units.VOCABULARY:
            self.problem(f"unit: {indicator.unit!r} is not in the unit vocabulary.",
                         nearest(indicator.unit, units.VOCABULARY, "Units"), where)
        self.indicators.setdefault(indicator.id, indicator)

    def measured(self, record: Statement | Outturn | Assumption, document: documents.Document, path: tuple[str | int, ...]) -> None:
        """Check indicator, unit, place and size of one record."""
        if record.indicator is None:
            return
        if record.indicator not in self.indicators:
            remedy = nearest(record.indicator, self.indicators) or "Define it under `indicators:` in this file."
            self.problem(f"indicator: {record.indicator!r} is not in the catalogue.", remedy, document.place((*path, "indicator")))
            return
        known = self.indicators[record.indicator]
        if record.unit not in units.VOCABULARY:
            self.problem(f"unit: {record.unit!r} is not in the unit vocabulary.",
                         nearest(str(record.unit), units.VOCABULARY, "Units"), document.place((*path, "unit")))
        elif record.unit != known.unit and known.unit in units.VOCABULARY and not getattr(record, "relative_to", None):
            try:
                units.factor(record.unit, known.unit)
            except InvalidInput as invalid:
                what, remedy = invalid.problems[0].what, invalid.problems[0].remedy
                self.problem(f"{record.indicator}: {what.removeprefix('unit: ')}", remedy, document.place((*path, "unit")))
        scope = getattr(record, "scope", None)
        if record.region is not None and record.region not in self.parts["regions"]:
            self.problem(f"region: {record.region!r} is not known.", nearest(record.region, self.parts["regions"], "Regions"),
                         document.place((*path, "region")))
        if scope is not None and scope not in self.parts["scopes"]:
            self.problem(f"scope: {scope!r} is not declared.", nearest(scope, self.parts["scopes"]) or "Declare it under `scopes:`.",
                         document.place((*path, "scope")))
        value = getattr(record, "value", None)
        if known.kind == "share" and value is not None and record.unit == "%" and not 0 <= value <= 100:
            self.problem(f"value: {record.indicator} is a share of {known.share_of}; {value:g} % is not between 0 and 100.",
                         "Check the number, or the indicator's kind.", document.place((*path, "value")))

    def statements(self) -> tuple[Statement, ...]:
        """Complete the statements (document, id), check each, and find contradictions without a preference."""
        result: list[Statement] = []
        taken: dict[str, int] = {}
        self.by_id: dict[str, Place] = {}
        for document, seed in self.files:
            info = seed.document
            for index, s in enumerate(seed.statements):
                path = ("statements", index)
                if info is None:
                    self.problem("statements need to say which document they come from.",
                                 "Add document: {id:, kind: plan, title: {zh:, en:}} to this file.", document.place(path))
                    break
                self.measured(s, document, path)
                base = info.base_year
                if s.role in ("target", "vision") and base is not None and s.last_year <= base:
                    self.problem(f"year: the target of {s.indicator} is set for {s.last_year}, not after the base year {base}.",
                                 "Check the year, or the role.", document.place((*path, "year" if s.year else "period")))
                name = s.id or f"{info.id}:{s.indicator}{f'[{s.scope}]' if s.scope else ''}@{s.when.replace(' ', '')}"
                if s.id and s.id in taken:
                    self.problem(f"id: {s.id!r} stands twice.", "Ids are unique.", document.place((*path, "id")))
                taken[name] = taken.get(name, 0) + 1
                if not s.id and taken[name] > 1:
                    name = f"{name}#{taken[name]}"
                result.append(dataclasses.replace(s, id=name, document=info.id))
                self.by_id[name] = document.place(path)
        for s in result:
            for other in s.prefers.over if s.prefers else ():
                if other not in self.by_id:
                    self.problem(f"prefers: there is no statement {other!r}.", nearest(other, self.by_id), self.by_id[s.id])
        self.contradictions(result)
        return tuple(result)

    def contradictions(self, statements: Iterable[Statement]) -> None:
        groups: dict[tuple[object, ...], list[Statement]] = {}
        superseded = {id for s in statements for id in (s.prefers.over if s.prefers else ())}
        for s in statements:
            if s.value is not None and s.id not in superseded and s.indicator in self.indicators:
                groups.setdefault(s.key, []).append(s)
        for group in groups.values():
            first, (low, high) = group[0], self.interval(group[0])
            for s in group[1:]:
                a, b = self.interval(s)
                if max(a, low) > min(b, high) * (1 + 1e-12):
                    self.problem(f"{s.indicator} ({s.place}, {s.when}) is {s.value:g} {s.unit} here and {first.value:g} {first.unit} "
                                 f"at {self.by_id[first.id]}.",
                                 "Say which is used and why: id: on the other, and on this one prefers: {over: [its id], why: …}.",
                                 self.by_id[s.id])

    def interval(self, s: Statement) -> tuple[float, float]:
        unit = self.indicators[s.indicator].unit
        factor = 1.0 if s.relative_to or s.unit not in units.VOCABULARY else units.factor(s.unit, unit)
        low, high = s.interval()
        return low * factor, high * factor

    def finish(self) -> Registry:
        for document, seed in self.files:
            for index, assumption in enumerate(seed.assumptions):
                self.measured(assumption, document, ("assumptions", index))
            for index, outturn in enumerate(seed.outturns):
                self.measured(outturn, document, ("outturns", index))
            for name in ("assumptions", "outturns", "measures", "safeguards"):
                self.lists[name].extend(getattr(seed, name))
            for name in ("measures", "safeguards"):
                for index, measure in enumerate(getattr(seed, name)):
                    for kind in ("departments", "levers"):
                        for id in getattr(measure, kind):
                            if id not in self.parts[kind]:
                                self.problem(f"{kind}: {id!r} is not declared.", nearest(id, self.parts[kind], kind.capitalize()),
                                             document.place((name, index, kind)))
        statements = self.statements()
        self.regions()
        if self.problems:
            raise InvalidInput(self.problems)
        return Registry(Catalogue(self.indicators), statements=statements, places=self.by_id,
                        assumptions=tuple(self.lists["assumptions"]), outturns=tuple(self.lists["outturns"]),
                        measures=tuple(self.lists["measures"]), safeguards=tuple(self.lists["safeguards"]),
                        documents=self.parts["documents"], **{n: self.parts[n] for n in (
                            "regions", "scopes", "departments", "levers", "digests")})

    def regions(self) -> None:
        """Check what the region descriptions refer to."""
        for document, seed in self.files:
            for id, region in seed.regions.items():
                path: tuple[str | int, ...] = ("regions", id)
                wanted = [(("inputs", name), indicator) for name, indicator in region.inputs.items()]
                wanted += [(("sectors", name, "share"), sector.share) for name, sector in region.sectors.items() if sector.share]
                wanted += [(("clusters", name, "revenue"), cluster.revenue) for name, cluster in region.clusters.items()]
                for inner, indicator in wanted:
                    if indicator not in self.indicators:
                        self.problem(f"indicator: {indicator!r} is not in the catalogue.", nearest(indicator, self.indicators),
                                     document.place((*path, *inner)))
                for name, cluster in region.clusters.items():
                    if cluster.sector is not None and cluster.sector not in region.sectors:
                        self.problem(f"sector: {cluster.sector!r} is not a sector of {id}.",
                                     nearest(cluster.sector, region.sectors, "Sectors"), document.place((*path, "clusters", name)))
                for key, known in (("within", self.parts["regions"]), ("plan", self.parts["documents"])):
                    value = getattr(region, key)
                    if value is not None and value not in known:
                        self.problem(f"{key}: {value!r} is not known.", nearest(value, known, "Known"), document.place((*path, key)))
                rest = [name for name, sector in region.sectors.items() if not sector.share]
                if region.sectors and len(rest) != 1:
                    self.problem(f"sectors: {len(rest)} sectors of {id} have no share; exactly one takes the rest of GDP.",
                                 "Give share: (an indicator) to all sectors but one.", document.place((*path, "sectors")))


@lru_cache(maxsize=8)
def _load(files: tuple[Path, ...], stamps: tuple[tuple[int, int], ...]) -> Registry:
    loader = _Loader()
    catalogue = documents.read(Path(__file__).with_name("indicators.yaml"))
    for index, indicator in enumerate(documents.validate(tuple[Indicator, ...], catalogue)):
        loader.indicator(indicator, catalogue.place((index,)))
    for file in files:
        loader.add(file)
    return loader.finish()


def load_registry(*folders: Path | str, builtin: bool = True) -> Registry:
    """Read all seed files: the package's own (unless `builtin` is false), then the YAML files or folders given.

    Raises InvalidInput with every problem of every file.
    """
    files = sorted(documents.data_folder("seeds").glob("*.yaml")) if builtin else []
    for folder in map(Path, folders):
        if folder.is_dir():
            files.extend(sorted(folder.glob("*.yaml")))
        elif folder.exists():
            files.append(folder)
        else:
            raise InvalidInput(Problem("there is no such file or folder.", "Check the path of the plan data.", Place(folder)))
    stats = [file.stat() for file in files]
    return _load(tuple(files), tuple((stat.st_mtime_ns, stat.st_size) for stat in stats))
