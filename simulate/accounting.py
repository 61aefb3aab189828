"""What a growth target needs: investment, capital and productivity, each held against its plausibility band, in words.

The engine gives the range of each need that the plan's own investment and employment leave; `path` follows the years of
one economy with `growth.growth_from_investment` and `growth.tfp_for_growth`, as a check by other means.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from simulate import growth
from simulate.identities import Identities, Prior, Template


@dataclass(frozen=True)
class Need:
    """One need of a growth target: the implied range, the band it is held against, and the finding in both languages."""

    indicator: str
    period: tuple[int, int]
    low: float | None
    high: float | None
    unit: str
    band: tuple[float, float]
    verdict: str
    zh: str
    en: str

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {"indicator": self.indicator, "period": list(self.period), "low": self.low, "high": self.high, "unit": self.unit,
                "band": list(self.band), "verdict": self.verdict, "zh": self.zh, "en": self.en}


def bands(identities: Identities) -> dict[str, Prior]:
    """The bands on means over a span, by the one indicator they bound."""
    def lone(t: Template) -> bool:
        return len(t.refs) == 1 and t.refs[0].time == "mean"

    return {t.refs[0].indicator: t.spec for t in identities.templates if isinstance(t.spec, Prior) and lone(t)}


def held_against(low: float | None, high: float | None, band: tuple[float, float]) -> str:
    """Where a range lies: within, partly outside, above, below a band; open where an end is not known."""
    if low is not None and low > band[1]:
        return "above"
    if high is not None and high < band[0]:
        return "below"
    if low is None or high is None:
        return "open"
    return "within" if band[0] <= low and high <= band[1] else "partly"


_WORDS = {"above": ("高于合理区间", "above what is plausible"), "below": ("低于合理区间", "below what is plausible"),
          "partly": ("部分超出合理区间", "partly outside what is plausible"), "within": ("在合理区间内", "plausible"),
          "open": ("范围未定", "not bounded by the plan")}


def need(identities: Identities, indicator: str, period: tuple[int, int], low: float | None, high: float | None,
         target: float | None) -> Need:
    """The finding on one need of growth at `target` %/year."""
    spec, described = bands(identities)[indicator], identities.indicator(indicator)
    band, unit = (spec.low, spec.high), described.unit
    verdict = held_against(low, high, band)

    def span(a: float | None, b: float | None) -> str:
        ends = ["…" if x is None else f"{x:.1f}" for x in (a, b)]
        return ends[0] if ends[0] == ends[1] else "–".join(ends)

    zh, en = _WORDS[verdict]
    of_zh, of_en = ("", "") if target is None else (f"年均增长 {target:.3g} % 需要", f"{target:.3g} % a year needs ")
    symbol = {"年": ("年", "years")}.get(unit, (unit, unit))
    return Need(indicator, period, low, high, unit, band, verdict,
                f"{of_zh}{described.zh} {span(low, high)} {symbol[0]}（合理区间 {span(*band)}），{zh}。",
                f"{of_en}{described.en.lower()} of {span(low, high)} {symbol[1]} (band {span(*band)}): {en}.")


def path(start: float, rate: float, base_flow: float, flow_rate: float, years: int, labour_rate: float, constants: Mapping[str, float],
         capital_output_ratio: float) -> dict[str, float]:
    """Productivity growth, ICOR and investment share over `years`, year by year, for one economy.

    GDP `start` grows at `rate`, investment `base_flow` at `flow_rate`, labour at `labour_rate` (shares per year); capital is
    `capital_output_ratio` times GDP at the start. Investment of a year works the next. Returns means over the span.
    """
    steps = np.arange(years)
    gdp, flow = start * (1 + rate) ** steps, base_flow * (1 + flow_rate) ** steps
    human = constants.get("human_capital", 1.0) - 1.0
    ratio, tfp = capital_output_ratio, []
    for y, i in zip(gdp, flow, strict=True):
        share = constants["formation"] * i / y
        shares = constants["capital_share"], constants["depreciation"]
        tfp.append(float(growth.tfp_for_growth(rate, share, ratio, *shares, labour_rate, human)))
        ratio = float(growth.growth_from_investment(share, ratio, constants["capital_share"], constants["depreciation"], tfp[-1],
                                                    labour_rate, human)[1])
    whole = float(np.sum(base_flow * (1 + flow_rate) ** (steps + 1)) / np.sum(start * (1 + rate) ** (steps + 1)))
    return {"tfp_growth": float(growth.mean_growth(tfp)), "icor": float(growth.icor(whole, rate)), "investment_share": whole,
            "capital_output_ratio": ratio}
