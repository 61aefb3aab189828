"""Summaries of a sweep larger than memory: quantiles, probabilities of targets, correlations, tables, over its Parquet files.

Files are read batch by batch with Arrow, which is there anyway, rather than with DuckDB: targets are judged by the very
code that judges a run in memory (`attainment.judge`), quantiles are exact, and every page read is checked against its
checksum. Memory does not depend on the number of runs. Runs that left the finite numbers are counted and left out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

from simulate import attainment
from simulate.attainment import GROWTH
from simulate.errors import InvalidInput, Place, Problem, nearest
from simulate.experiments import target_columns
from simulate.model import Array
from simulate.region import Output
from simulate.scenarios import PathSetting
from simulate.sweeps import MANIFEST, expected, part, read_manifest, refuse_foreign, said
from simulate.targets import Preference, Source, Statement

if TYPE_CHECKING:
    import pandas as pd

BATCH = 65_536
"""Runs read at once."""
BINS = 4096
"""Intervals into which a quantile's neighbourhood is divided at every pass."""
FEW = 65_536
"""Values of a column that are sorted in memory once a quantile's neighbourhood holds no more."""
GROUPS = 10_000
_SIGN = np.uint64(1 << 63)


@dataclass(frozen=True)
class Results:
    """A sweep's folder opened for reading; `parts` are the chunks there, as (index, first run, end), `nonfinite` counts runs."""

    folder: Path
    manifest: Mapping[str, Any]
    parts: tuple[tuple[int, int, int], ...]
    nonfinite: int

    @property
    def runs(self) -> int:
        """Number of runs that are there."""
        return sum(stop - start for _, start, stop in self.parts)

    @property
    def cases(self) -> list[dict[str, Any]]:
        """What the manifest says of every scenario and structure."""
        found: list[dict[str, Any]] = self.manifest["cases"]
        return found

    @cached_property
    def kinds(self) -> dict[str, dict[str, str]]:
        """What the manifest says of every column: kind (case, input, result), unit, and of results id and year."""
        return dict(self.manifest["columns"])

    def named(self, kind: str) -> list[str]:
        """Return the names of the columns of a kind."""
        return [n for n, about in self.kinds.items() if about.get("kind") == kind]

    def results_of(self, case: Mapping[str, Any]) -> list[str]:
        """Return the result columns that a case has."""
        return [n for n in self.named("result") if self.kinds[n]["id"] in case["outputs"]
                and case["base_year"] <= int(self.kinds[n]["year"]) <= case["horizon"]]

    def batches(self, columns: Iterable[str], number: int | None = None, finite: bool = True) -> Iterator[Any]:
        """Yield Arrow record batches of `columns`, of the case `number` (all cases if None), of finite runs (or others) alone."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        names = [*dict.fromkeys(columns), "finite"]
        size = self.manifest["points"]
        low, high = (0, self.manifest["runs"]) if number is None else (number * size, (number + 1) * size)
        for index, start, stop in self.parts:
            if stop <= low or start >= high:
                continue
            file = self.folder / part(index)
            at = start
            try:
                with pq.ParquetFile(file, page_checksum_verification=True) as opened:
                    for batch in opened.iter_batches(batch_size=BATCH, columns=names):
                        begin, end = max(low - at, 0), min(high - at, len(batch))
                        at += len(batch)
                        if begin < end:
                            batch = batch.slice(begin, end - begin)
                            flag = batch.column("finite")
                            yield batch.filter(flag if finite else pa.compute.invert(flag))
            except (pa.ArrowException, OSError) as error:
                raise InvalidInput(Problem(f"is broken: {str(error).splitlines()[0]}",
                                           "Give the sweep command again: it makes this file anew.", Place(file))) from None


def open_results(folder: Path | str, *, partial: bool = False) -> Results:
    """Open a sweep's folder; every file must be this sweep's. With `partial`, some may still be missing.

    Raises InvalidInput naming what is missing, broken, or of another sweep.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    folder = Path(folder)
    manifest = read_manifest(folder)
    if manifest is None:
        raise InvalidInput(Problem("holds no sweep: there is no manifest.json.", "Name the folder given to `simulate sweep --out`.",
                                   Place(folder)))
    starts = range(0, manifest["runs"], manifest["chunk"])
    refuse_foreign(folder, range(len(starts)))
    parts, missing, problems, nonfinite = [], [], [], 0
    for index, start in enumerate(starts):
        file, stop = folder / part(index), min(start + manifest["chunk"], manifest["runs"])
        if not file.exists():
            missing.append(file)
            continue
        try:
            with pq.ParquetFile(file) as opened:
                stamp = said(file, opened.schema_arrow, expected(manifest["plan_sha256"], manifest["kernel"], index, start, stop))
                whole = opened.schema_arrow.names == list(manifest["columns"]) and opened.metadata.num_rows == stop - start
        except (pa.ArrowException, OSError):
            whole = False
        if whole:
            parts.append((index, start, stop))
            nonfinite += int(stamp["nonfinite"])
        else:
            problems.append(Problem("is broken.", "Give the sweep command again: it makes this file anew.", Place(file)))
    if missing and (not partial or not parts):
        problems.append(Problem(f"the sweep is unfinished: {len(missing):,} of {len(starts):,} files are missing.",
                                "Give the sweep command again: it goes on from here. --partial summarises what is there.",
                                Place(folder / MANIFEST)))
    if problems:
        raise InvalidInput(problems)
    return Results(folder, manifest, tuple(parts), nonfinite)


def _arrays(batch: Any) -> dict[str, Array]:
    return {n: batch.column(n).to_numpy(zero_copy_only=False) for n in batch.schema.names if n != "finite"}


# ---------------------------------------------------------------- moments and quantiles

@dataclass
class Moments:
    """Count, mean, squares about the mean, least and greatest of columns, gathered batch by batch (Chan, Golub and LeVeque 1979)."""

    count: int
    mean: Array
    squares: Array
    least: Array
    greatest: Array

    @staticmethod
    def of(x: Array) -> Moments:
        """Return those of `x`, shape (columns, runs)."""
        if not x.shape[1]:
            empty = np.zeros(len(x))
            return Moments(0, empty, empty.copy(), np.full(len(x), np.inf), np.full(len(x), -np.inf))
        mean = x.mean(axis=1)
        return Moments(x.shape[1], mean, ((x - mean[:, None]) ** 2).sum(axis=1), x.min(axis=1), x.max(axis=1))

    def add(self, other: Moments) -> None:
        """Take in those of further runs."""
        total = self.count + other.count
        if not other.count:
            return
        apart = other.mean - self.mean
        self.mean = self.mean + apart * (other.count / total)
        self.squares = self.squares + other.squares + apart**2 * (self.count * other.count / total)
        self.least, self.greatest = np.minimum(self.least, other.least), np.maximum(self.greatest, other.greatest)
        self.count = total

    @property
    def deviation(self) -> Array:
        """Standard deviation of the sample."""
        return np.sqrt(self.squares / (self.count - 1)) if self.count > 1 else np.full(len(self.mean), np.nan)


def moments(results: Results, number: int, columns: Iterable[str]) -> Moments:
    """Return the moments of columns over the finite runs of a case."""
    names = list(columns)
    found = Moments.of(np.empty((len(names), 0)))
    for batch in results.batches(names, number):
        arrays = _arrays(batch)
        found.add(Moments.of(np.stack([arrays[n] for n in names]) if names else np.empty((0, len(batch)))))
    return found


def exact_quantiles(read: Callable[[list[str]], Iterator[Mapping[str, Array]]], known: Mapping[str, tuple[float, float]], count: int,
                    probabilities: Iterable[float]) -> dict[str, Array]:
    """Return quantiles equal to `np.quantile`'s, bit for bit, of columns too long for memory.

    `read(names)` yields the columns' values batch by batch, as often as asked; `known` holds their least and greatest
    values, `count` their length. Each pass counts how many values lie below each of BINS edges around every order statistic
    wanted, until few enough lie between two edges to be sorted: two or three passes as a rule, six at most.
    """
    places = [(count - 1) * p for p in probabilities]
    ranks = sorted({r for h in places for r in (math.floor(h), min(math.floor(h) + 1, count - 1))}) if count else []
    statistics: dict[tuple[str, int], float] = {}
    open_: dict[tuple[str, int], tuple[float, float, int, int]] = {}  # values in [low, high) hold the rank: below low, within
    for name, (least, greatest) in known.items():
        for rank in ranks:
            open_[name, rank] = (least, np.nextafter(greatest, np.inf), 0, count)
    while open_:
        for key, (low, high, _, _) in list(open_.items()):
            if np.nextafter(low, np.inf) >= high:
                statistics[key] = low
                del open_[key]
        spans: dict[str, dict[tuple[float, float], tuple[int, int]]] = {}
        for (name, _), (low, high, below, within) in open_.items():
            spans.setdefault(name, {})[low, high] = (below, within)
        edges = {(n, s): _edges(*s) for n, held in spans.items() for s, (_, within) in held.items() if within > FEW}
        counts = {k: np.zeros(len(e), dtype=np.int64) for k, e in edges.items()}
        gathered: dict[tuple[str, tuple[float, float]], list[Array]] = {
            (n, s): [] for n, held in spans.items() for s, (_, within) in held.items() if within <= FEW}
        for arrays in read(list(spans)) if spans else ():
            for name, held in spans.items():
                values = np.sort(arrays[name])
                for span in held:
                    if (name, span) in edges:
                        counts[name, span] += np.searchsorted(values, edges[name, span])
                    else:
                        gathered[name, span].append(values[slice(*np.searchsorted(values, span))].copy())  # not a view: it would hold all
        sorted_ = {k: np.sort(np.concatenate(v)) for k, v in gathered.items()}
        for (name, rank), (low, high, below, _) in list(open_.items()):
            if (name, (low, high)) in sorted_:
                statistics[name, rank] = float(sorted_[name, (low, high)][rank - below])
                del open_[name, rank]
            else:
                cut, beneath = edges[name, (low, high)], counts[name, (low, high)]
                k = int(np.searchsorted(beneath, rank, side="right")) - 1
                open_[name, rank] = (float(cut[k]), float(cut[k + 1]), int(beneath[k]), int(beneath[k + 1] - beneath[k]))
    return {name: np.array([_between(statistics, name, h, count) for h in places]) for name in known}


def _edges(low: float, high: float) -> Array:
    """Return edges from `low` to `high` with equally many floating-point numbers between them: any span is used up in few steps."""
    bits = np.array([low, high]).view(np.uint64)
    first, last = np.where(bits >> np.uint64(63), ~bits, bits | _SIGN)  # numbers in the order of their values
    bins = np.uint64(min(BINS, int(last - first)))
    steps = np.append(first + (last - first) // bins * np.arange(bins, dtype=np.uint64), last)
    return np.where(steps & _SIGN, steps & ~_SIGN, ~steps).view(np.float64)


def _between(statistics: Mapping[tuple[str, int], float], name: str, h: float, count: int) -> float:
    """Interpolate between two order statistics as NumPy does."""
    if not count:
        return math.nan
    low, share = math.floor(h), h - math.floor(h)
    a, b = statistics[name, low], statistics[name, min(low + 1, count - 1)]
    return b - (b - a) * (1 - share) if share >= 0.5 else a + (b - a) * share


def _quantiles(results: Results, number: int, columns: list[str], probabilities: Iterable[float], found: Moments) -> dict[str, Array]:
    known = {n: (float(found.least[k]), float(found.greatest[k])) for k, n in enumerate(columns)}
    return exact_quantiles(lambda names: (_arrays(b) for b in results.batches(names, number)), known, found.count, probabilities)


def _key(case: Mapping[str, Any]) -> tuple[str, ...]:
    return (case["scenario"], *case["structure"].values())


def _levels(results: Results) -> list[str]:
    return ["scenario", *(f"structure.{q}" for q in results.cases[0]["structure"])]


def quantiles(results: Results, probabilities: Iterable[float] = (0.05, 0.5, 0.95), columns: Iterable[str] | None = None) -> pd.DataFrame:
    """Return exact quantiles over the finite runs: one row a case, indicator and year, one column a probability; catalogue units."""
    import pandas as pd

    points = _probabilities(probabilities)
    rows = {}
    for number, case in enumerate(results.cases):
        names = _chosen(results, columns, results.results_of(case))
        found = _quantiles(results, number, names, points, moments(results, number, names))
        rows.update({(*_key(case), results.kinds[n]["id"], int(results.kinds[n]["year"])): found[n] for n in names})
    frame = pd.DataFrame.from_dict(rows, orient="index", columns=points)
    frame.index = pd.MultiIndex.from_tuples(rows, names=[*_levels(results), "indicator", "year"])
    return frame


def _probabilities(given: Iterable[float]) -> list[float]:
    points = list(given)
    wrong = [p for p in points if not 0 <= p <= 1]
    if wrong or not points:
        raise InvalidInput(Problem(f"quantile: {wrong[0] if wrong else 'none'} is not between 0 and 1.", "0.05 is the 5 % quantile."))
    return points


def _chosen(results: Results, asked: Iterable[str] | None, available: list[str]) -> list[str]:
    if asked is None:
        return available
    names = list(asked)
    for name in names:
        if name not in results.kinds:
            raise InvalidInput(Problem(f"columns: the sweep kept no {name!r}.", nearest(name, results.kinds, "Kept")))
    return [n for n in names if n in available]


# ---------------------------------------------------------------- targets

def _statement(kept: Mapping[str, Any]) -> Statement:
    """Return a statement from the manifest."""
    plain = {k: v for k, v in kept.items() if k not in ("is", "label", "higher_is_better")}
    plain["at"] = Source(**{k: v for k, v in plain["at"].items() if k != "is"})
    if plain["prefers"]:
        plain["prefers"] = Preference(over=tuple(plain["prefers"]["over"]), why=plain["prefers"]["why"])
    if plain["period"]:
        plain["period"] = tuple(plain["period"])
    return Statement(**plain)


def _path(kept: Mapping[str, Any]) -> PathSetting:
    """Return a path from the manifest."""
    plain = {k: v for k, v in kept.items() if k != "is"}
    if plain["values"]:
        plain["values"] = {int(year): value for year, value in plain["values"].items()}
    return PathSetting(**{**plain, "period": tuple(plain["period"]) if plain["period"] else None})


class _Batch:
    """A batch of runs as `attainment.judge` asks for them; years that were not kept are NaN."""

    def __init__(self, case: Mapping[str, Any], arrays: Mapping[str, Array], count: int) -> None:
        self.years = np.arange(case["base_year"], case["horizon"] + 1.0)
        self.finite = np.ones(count, dtype=bool)
        self.setup = SimpleNamespace(scenario=SimpleNamespace(region=case["region"]), path_points={
            name: _path(kept) for name, kept in case["path_points"].items()})
        self.registry = SimpleNamespace(catalogue={t["indicator"]: SimpleNamespace(higher_is_better=t["higher_is_better"])
                                                   for t in case["targets"]})
        self.outputs = {id: Output(about["variable"], id, about["unit"]) for id, about in case["outputs"].items()}
        self.values: dict[str, Array] = {}
        for name, array in arrays.items():
            id, _, year = name.rpartition("@")
            self.values.setdefault(id, np.full((len(self.years), count), np.nan))[self.index(int(year))] = array

    def index(self, year: int) -> int:
        return int(year - self.years[0])

    def indicator(self, id: str) -> Array:
        return self.values[id]


@dataclass
class Verdict:
    """How often a target was reached: runs counted, and those that reached it (at current prices, as average growth: or None).

    `imposed`: the scenario gives the variable itself, so that the probability says nothing about the region.
    """

    statement: Statement
    label: Mapping[str, str]
    id: str
    year: int
    value: float
    unit: str
    runs: int = 0
    reached: int = 0
    nominal: int | None = None
    average: int | None = None
    imposed: bool = False

    def probability(self, count: int | None) -> float | None:
        """Return a count as a share of the runs."""
        return None if count is None else count / self.runs if self.runs else math.nan


def verdicts(results: Results, number: int) -> list[Verdict]:
    """Hold every target whose columns were kept against the finite runs of a case, as `attainment.judge` does."""
    case = results.cases[number]
    wanted: dict[int, set[str]] = {}
    statements = [_statement(t) for t in case["targets"]]
    for k, s in enumerate(statements):
        id = GROWTH.get(s.indicator, s.indicator)
        needed = {f"{i}@{y}" for i, y in target_columns(s, id, case["base_year"], case["horizon"])}
        if id in case["outputs"] and needed and needed <= set(results.kinds):
            wanted[k] = needed
    found: dict[int, Verdict] = {}
    for batch in results.batches(sorted(set().union(*wanted.values())), number) if wanted else ():
        if not len(batch):
            continue
        asked: Any = _Batch(case, _arrays(batch), len(batch))
        for k in wanted:
            judged = attainment.judge(asked, statements[k])
            if judged is None:
                continue
            v = found.setdefault(k, Verdict(
                statements[k], case["targets"][k]["label"], judged.indicator, judged.year, judged.value, judged.unit,
                nominal=None if judged.nominal is None else 0, average=None if judged.average is None else 0, imposed=judged.imposed))
            v.runs += len(batch)
            v.reached += round(judged.probability * len(batch))
            if v.nominal is not None and judged.nominal is not None:
                v.nominal += round(judged.nominal * len(batch))
            if v.average is not None and judged.average is not None:
                v.average += round(judged.average * len(batch))
    return list(found.values())


def probabilities(results: Results) -> pd.DataFrame:
    """Return the probability of reaching each target, one row a case and target."""
    import pandas as pd

    rows = [{**dict(zip(_levels(results), _key(case), strict=True)), **_verdict(v)}
            for number, case in enumerate(results.cases) for v in verdicts(results, number)]
    return pd.DataFrame(rows)


def _verdict(v: Verdict) -> dict[str, Any]:
    return {"indicator": v.statement.indicator, "year": v.year, "when": v.statement.when, "sense": v.statement.sense, "value": v.value,
            "unit": v.unit, "source": v.statement.id, "runs": v.runs, "probability": v.probability(v.reached),
            "probability_at_current_prices": v.probability(v.nominal), "probability_as_average_growth": v.probability(v.average),
            "imposed": v.imposed}


# ---------------------------------------------------------------- correlations and tables

def correlations(results: Results, columns: Iterable[str] | None = None) -> pd.DataFrame:
    """Return Pearson's correlation of inputs and results over the finite runs: one row a case and input, one column a result.

    NaN where an input or result does not vary. Raises InvalidInput for a sweep that did not keep its inputs.
    """
    import pandas as pd

    inputs = results.named("input")
    if not inputs:
        raise InvalidInput(Problem("the sweep did not keep its inputs.", "Sweep again without --no-inputs.", Place(results.folder)))
    frames = []
    for number, case in enumerate(results.cases):
        names = _chosen(results, columns, results.results_of(case))
        both = [*inputs, *names]
        found = moments(results, number, both)
        products = np.zeros((len(inputs), len(names)))
        for batch in results.batches(both, number):
            arrays = _arrays(batch)
            apart = np.stack([arrays[n] for n in both]) - found.mean[:, None]
            products += apart[:len(inputs)] @ apart[len(inputs):].T
        with np.errstate(all="ignore"):
            spread = np.sqrt(np.where(found.greatest > found.least, found.squares, np.nan))
            r = products / spread[:len(inputs), None] / spread[None, len(inputs):]
        index = pd.MultiIndex.from_tuples([(*_key(case), n) for n in inputs], names=[*_levels(results), "input"])
        frames.append(pd.DataFrame(np.clip(r, -1, 1), index=index, columns=names))
    return pd.concat(frames)


def table(results: Results, by: Iterable[str], columns: Iterable[str] | None = None) -> pd.DataFrame:
    """Return runs, mean, standard deviation, least and greatest of results for every combination of the values of `by`.

    `by` names scenario, structure.… or inputs with few values, such as those of a grid. Raises InvalidInput for columns that
    were not kept, and for more than 10,000 combinations.
    """
    import pandas as pd

    keys = list(by)
    for name in keys:
        if results.kinds.get(name, {}).get("kind") not in ("case", "input"):
            raise InvalidInput(Problem(f"by: the sweep kept no input {name!r}.",
                                       nearest(name, results.named("case") + results.named("input"), "Kept")))
    groups: dict[tuple[Any, ...], Moments] = {}
    names = _chosen(results, columns, results.named("result"))
    for batch in results.batches([*keys, *names]):
        if not len(batch):
            continue
        arrays = _arrays(batch)
        coded = [np.unique(arrays[k].astype(str) if arrays[k].dtype == object else arrays[k], return_inverse=True) for k in keys]
        combined, place = np.unique(np.stack([c for _, c in coded]), axis=1, return_inverse=True)
        order = np.argsort(place, kind="stable")
        x = np.stack([arrays[n] for n in names])[:, order] if names else np.empty((0, len(batch)))
        ends = np.searchsorted(place[order], np.arange(combined.shape[1] + 1))
        for g in range(combined.shape[1]):
            key = tuple(values[c].item() for (values, _), c in zip(coded, combined[:, g], strict=True))
            part_ = Moments.of(x[:, ends[g]:ends[g + 1]])
            if key in groups:
                groups[key].add(part_)
            else:
                groups[key] = part_
        if len(groups) > GROUPS:
            raise InvalidInput(Problem(f"by: {', '.join(keys)} have more than {GROUPS:,} combinations of values.",
                                       "Name inputs with few values, such as those of a grid."))
    rows: dict[tuple[Any, ...], dict[tuple[str, str], float]] = {}
    for key, m in sorted(groups.items()):
        parts = {"mean": m.mean, "sd": m.deviation, "min": m.least, "max": m.greatest}
        rows[key] = {("", "runs"): m.count} | {(n, what): float(a[k]) for k, n in enumerate(names) for what, a in parts.items()}
    frame = pd.DataFrame.from_dict(rows, orient="index")
    frame.index = pd.MultiIndex.from_tuples(list(rows), names=keys)
    frame.columns = pd.MultiIndex.from_tuples(list(next(iter(rows.values()))), names=["column", "statistic"])
    return frame


def nonfinite(results: Results, most: int = 20) -> list[dict[str, Any]]:
    """Return the first runs that left the finite numbers: their number, case and inputs."""
    found: list[dict[str, Any]] = []
    if results.nonfinite:
        for batch in results.batches(["run", *results.named("case"), *results.named("input")], finite=False):
            found += [{k: v for k, v in row.items() if k != "finite" and v is not None}
                      for row in batch.slice(0, most - len(found)).to_pylist()]
            if len(found) >= most:
                break
    return found


def summarise(folder: Path | str, probabilities: Iterable[float] = (0.05, 0.5, 0.95), *, partial: bool = False) -> dict[str, Any]:
    """Return a sweep's answer as plain data: per case the moments and quantiles of every column, and every target's probability."""
    results = open_results(folder, partial=partial)
    points = _probabilities(probabilities)
    cases = []
    for number, case in enumerate(results.cases):
        names = results.results_of(case)
        m = moments(results, number, names)
        q = _quantiles(results, number, names, points, m)
        indicators: dict[str, Any] = {}
        for k, name in enumerate(names):
            about = results.kinds[name]
            held = indicators.setdefault(about["id"], {"unit": about["unit"], "label": case["outputs"][about["id"]]["label"], "years": {}})
            held["years"][about["year"]] = {
                "mean": float(m.mean[k]), "sd": float(m.deviation[k]), "min": float(m.least[k]), "max": float(m.greatest[k]),
                "quantiles": {f"{p:g}": float(v) for p, v in zip(points, q[name], strict=True)}} if m.count else None
        cases.append({"scenario": case["scenario"], "label": case["label"], "structure": case["structure"], "region": case["region"],
                      "base_year": case["base_year"], "finite_runs": m.count, "indicators": indicators,
                      "targets": [_verdict(v) | {"label": v.label} for v in verdicts(results, number)]})
    return {"folder": str(results.folder), "runs": results.runs, "runs_planned": results.manifest["runs"],
            "nonfinite_runs": results.nonfinite, "nonfinite": nonfinite(results), "kernel": results.manifest["kernel"],
            "plan_sha256": results.manifest["plan_sha256"], "seed": results.manifest["plan"]["seed"], "cases": cases}
