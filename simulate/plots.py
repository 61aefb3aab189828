"""Charts for briefings, in Chinese or English: fans of projections with the plan's targets, and how far each is reached.

Every function returns a matplotlib Figure that carries all its settings: nothing is set globally, pyplot is not used.
Colours are told apart by the colour-blind too (Okabe and Ito), and shape or text repeats what colour says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    pass

DPI = 150
"""Dots per inch of figures and files."""

BANDS = ((0.05, 0.95), (0.25, 0.75))
"""Quantiles between which a fan is shaded: the 90 % band, and within it the 50 % band."""

INK, GREY, GRID = "#1F2933", "#5F6B76", "#E3E7EB"
FAN = ("#C9DDF0", "#8DB8DD")
MEDIAN, TARGET = "#0B4F8A", "#C04A00"
LIKELY, OPEN, UNLIKELY = "#0072B2", "#7A7A7A", "#D55E00"

SENSES = {
    "zh": {"equal": "{}", "at_least": "{}以上", "more_than": "超过{}", "about": "约{}", "at_most": "不超过{}", "less_than": "低于{}"},
    "en": {"equal": "{}", "at_least": "at least {}", "more_than": "more than {}", "about": "about {}", "at_most": "at most {}",
           "less_than": "below {}"},
}
"""The sense of a target in words, around its number."""

WORDS = {
    "zh": {
        "runs": "{:,}次模拟", "one run": "1次模拟", "left out": "（另有{:,}次数值失稳，未计入）", "prices": "{unit}（{year}年价）", "unit": "{unit}",
        "median": "中位数", "band": "{:.0f}%的模拟在此范围内", "stated base": "{}年基准值（文件所载）",
        "estimated base": "{}年基准值（推算，取中位数）",
        "stated mark": "规划目标", "derived mark": "按目标折算的水平", "target": "目标", "vision": "远景目标",
        "level": "{when}{kind}：{value}", "growth": "{when}增速{kind}：{value}（折合{level}）",
        "mean growth": "{when}年均增速{kind}：{value}（折合{level}）", "sum": "{when}累计{kind}：{value}（年均{level}）",
        "mean": "{when}年均{kind}：{value}", "relative": "{when}{kind}：{base}年的{value}（折合{level}）",
        "year": "{}年", "period": "{}—{}年", "of base": "{base}年的{value}",
        "sum when": "{}累计", "mean when": "{}年均",
        "probability": "实现概率 {}", "nominal": "按现价 {}", "average": "按五年年均 {}", "imposed": "由情景给定，不作概率判断",
        "given": "情景给定", "brackets": "{}（{}）", "under": "不足1%", "over": "99%以上",
        "note": "概率为达到目标的模拟所占比例，以模型及所列假设为前提。", "about note": "“约”：不低于目标的{:.0f}%即视为达到。",
        "attainment": "规划目标实现情况", "title": "{region}：{what}", "axis": "预测值相当于目标值的百分比（横条：5%—95%范围；圆点：中位数）",
        "line": "目标 = 100%", "columns": "时间|目标|预测中位数|实现概率",
        "likely": "较有把握（概率2/3以上）", "open": "难以判断", "unlikely": "较难实现（概率1/3以下）", "given mark": "情景给定",
        "headline": "主要指标预测与规划目标", "missing": "本次运行未预测该指标",
    },
    "en": {
        "runs": "{:,} runs", "one run": "1 run", "left out": " ({:,} more broke down and are left out)", "prices": "{unit}, {year} prices",
        "unit": "{unit}",
        "median": "Median", "band": "{:.0f}% of runs", "stated base": "{} (stated)", "estimated base": "{} (median estimate)",
        "stated mark": "Target", "derived mark": "Level that the target implies", "target": "target", "vision": "vision",
        "level": "{when} {kind}: {value}", "growth": "{when} growth {kind}: {value} (level {level})",
        "mean growth": "{when} mean growth {kind}: {value} (level {level})", "sum": "{when} total {kind}: {value} ({level} a year)",
        "mean": "{when} mean {kind}: {value}", "relative": "{when} {kind}: {value} {base} ({level})",
        "year": "{}", "period": "{}–{}", "of base": "{value} {base}",
        "sum when": "{} total", "mean when": "{} mean",
        "probability": "probability {}", "nominal": "{} at current prices", "average": "{} as 5-year mean", "imposed": "set by the scenario, not judged",
        "given": "set", "brackets": "{} ({})", "under": "under 1%", "over": "over 99%",
        "note": "Probability: share of runs that reach the target, given the model and its assumptions.",
        "about note": "“About” counts as reached from {:.0f}% of the target.",
        "attainment": "Will the plan's targets be reached?", "title": "{region}: {what}",
        "axis": "Projection as a percentage of the target (bar: 5–95% range; mark: median)",
        "line": "target = 100%", "columns": "When|Target|Median|Probability",
        "likely": "Likely (2/3 or more)", "open": "Open", "unlikely": "Unlikely (1/3 or less)", "given mark": "Set by the scenario",
        "headline": "headline indicators and targets", "missing": "not projected in this run",
    },
}
