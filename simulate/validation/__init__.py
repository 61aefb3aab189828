"""Validation of the model by the standard tests of the field, each with what was done, the figures and a verdict.

    from simulate.validation import validate
    report = validate(load_registry(), "thz")
    report.worries(3)

The list: Forrester and Senge 1980 ("Tests for building confidence in system dynamics models"), Barlas 1996 ("Formal aspects of
model validity and validation in system dynamics"), Sterman 2000 (Business Dynamics, chapter 21). Every figure is measured
when asked for, from fixed seeds. Verdicts are given by demands written beside the figures; a test may fail.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from simulate.registry import Registry
from simulate.validation import behaviour, extremes, sensitivity, structure
from simulate.validation.findings import (
    RANK,
    Case,
    Finding,
    Labels,
    Measure,
    StandardTest,
    Verdict,
    case_for,
    choose,
    regions_to_validate,
    words,
)

__all__ = ["RANK", "TESTS", "Case", "Finding", "Measure", "Report", "StandardTest", "Verdict", "Worry", "case_for", "regions_to_validate",
           "validate", "worst"]

_FS, _B, _S = "Forrester & Senge 1980", "Barlas 1996", "Sterman 2000"

TESTS: tuple[StandardTest, ...] = (
    StandardTest("boundary", words("边界充分性", "Boundary adequacy"), words(
        "重要的概念是否内生？结果在多大程度上取决于边界之外？",
        "Are the important concepts inside? How much hangs on what is not?"), f"{_FS}; {_S}",
        sensitivity.boundary),
    StandardTest("structure", words("结构核对", "Structure verification"), words(
        "企业、资本、资金是否守恒？任何可行输入下存量是否非负？",
        "Are firms, capital and money conserved, and stocks never negative for any admissible input?"),
        f"{_FS}; {_B}; {_S}", structure.structure),
    StandardTest("dimensions", words("量纲一致", "Dimensional consistency"), words(
        "每个方程的单位是否相符，检查能否发现错误？",
        "Do the units of every equation agree, and would the check find a fault?"), f"{_FS}; {_B}; {_S}",
        structure.dimensions),
    StandardTest("parameters", words("参数评估", "Parameter assessment"), words(
        "参数有何依据，数据能否识别它们？",
        "What do parameters rest on, and what can data say of them?"), f"{_FS}; {_B}; {_S}", sensitivity.parameters),
    StandardTest("extremes", words("极端条件", "Extreme conditions"), words(
        "输入取极端值时，每个方程与整个模型是否仍合理？",
        "Does every equation, and the whole model, make sense at the ends of its inputs?"), f"{_FS}; {_B}; {_S}",
        extremes.extremes),
    StandardTest("integration", words("积分误差", "Integration error"), words(
        "结果是否依赖步长与积分方法？", "Do results depend on the step or the method of integration?"), _S, structure.integration),
    StandardTest("reproduction", words("行为再现", "Behaviour reproduction"), words(
        "自基年起的投影是否再现了此后的记录？",
        "Does a projection from the base year reproduce what was recorded later?"), f"{_FS}; {_B}; {_S}",
        behaviour.reproduction),
    StandardTest("anomaly", words("行为异常", "Behaviour anomaly"), words(
        "去掉某个回路会出现什么，与其极性是否相符？",
        "What happens without each loop, and does it agree with the loop's polarity?"), f"{_FS}; {_S}",
        behaviour.anomaly),
    StandardTest("family", words("同族成员", "Family member"), words(
        "同一代码能否用于其他地区？", "Does the same code serve other members of the family?"), f"{_FS}; {_S}", behaviour.family),
    StandardTest("surprise", words("意外行为", "Surprise behaviour"), words(
        "有没有人未曾要求的行为？", "Is there behaviour that nobody asked for?"), f"{_FS}; {_S}", behaviour.surprise),
    StandardTest("sensitivity", words("敏感性", "Sensitivity"), words(
        "数值、行为形态与政策排序随假设变化多少？",
        "How do numbers, patterns of behaviour and the ranking of policies change with assumptions?"), f"{_FS}; {_B}; {_S}",
        sensitivity.sensitivity),
    StandardTest("improvement", words("系统改进", "System improvement"), words(
        "依模型行事是否改进了系统？", "Did acting on the model improve the system?"), f"{_FS}; {_S}", sensitivity.improvement),
)
"""The standard list, in the order of the books: structure, behaviour, policy."""

COMMON = ("dimensions", "family")
"""Tests whose answer is the same whatever the region."""


@dataclass(frozen=True)
class Worry:
    """A figure that did not hold, with its test and region: what a reviewer would ask about."""

    region: str
    test: str
    measure: Measure

    @property
    def text(self) -> Labels:
        """The sentence, made from the figure; the figure's label where it has none."""
        return self.measure.worry or self.measure.label

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {"region": self.region, "test": self.test, "verdict": self.measure.verdict, "severity": self.measure.severity,
                "text": {"zh": self.text.zh, "en": self.text.en}}


@dataclass(frozen=True)
class Report:
    """All findings for one region, in the order of the list."""

    case: Case
    findings: tuple[Finding, ...]

    @property
    def region(self) -> str:
        """Id of the region."""
        return self.case.region

    def all_worries(self) -> list[Worry]:
        """Every figure that was judged and did not pass, the gravest first."""
        found = [Worry(self.region, f.test, m) for f in self.findings for m in f.figures if m.verdict not in (None, "passed")]
        return sorted(found, key=lambda w: -w.measure.severity)

    def worries(self, most: int = 3) -> list[Worry]:
        """Return the `most` findings that would most worry a reviewer, one a test; see `worst`."""
        return worst([self], most)

    def to_json(self) -> dict[str, Any]:
        """Plain data: what `simulate validate --json` prints for a region."""
        by_id = {t.id: t for t in TESTS}
        return {"region": self.region, "scenario": self.case.scenario.id, "tests": [
            {"title": {"zh": by_id[f.test].title.zh, "en": by_id[f.test].title.en},
             "question": {"zh": by_id[f.test].question.zh, "en": by_id[f.test].question.en}, "source": by_id[f.test].source, **f.to_json()}
            for f in self.findings], "worries": [w.to_json() for w in self.worries()]}


def worst(reports: Iterable[Report], most: int = 3) -> list[Worry]:
    """Return the gravest worries over some reports, one a test: failed ones first, then by how many times a demand was missed."""
    every = sorted((w for r in reports for w in r.all_worries()), key=lambda w: -w.measure.severity)
    first: dict[str, Worry] = {}
    for w in every:
        first.setdefault(w.test, w)
    return list(first.values())[:most]


def validate(registry: Registry, region: str, *, only: Sequence[str] | None = None, case: Case | None = None,
             progress: Callable[[int, int], None] | None = None) -> Report:
    """Put the default scenario of `region` (or `case`) to the tests named in `only` (default: all).

    `progress(done, tests)` is called after every test. Raises InvalidInput for an unknown region or test, and for a region
    that cannot be projected.
    """
    tests = choose(TESTS, only)
    case = case or case_for(registry, region)
    case.setup  # noqa: B018  (a region that cannot be projected is refused before any test)
    findings = []
    for done, test in enumerate(tests, 1):
        findings.append(test.check(case))
        if progress:
            progress(done, len(tests))
    return Report(case, tuple(findings))
