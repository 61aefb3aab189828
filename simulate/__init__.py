"""Tells a planner the truth about a growth plan.

    from simulate import load_registry, load_scenario, run
    trajectories = run(load_scenario("thz-baseline"))
    trajectories.quantiles()

Names are loaded when first used, so that `import simulate` is quick.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from simulate.attainment import judge_all, summary
    from simulate.calibration import calibrate
    from simulate.consistency import check
    from simulate.errors import InvalidInput, Problem
    from simulate.experiments import plan_sweep
    from simulate.region import regional_model
    from simulate.registry import Registry, load_registry
    from simulate.runs import Trajectories, run
    from simulate.scenarios import Scenario, default_scenario, list_scenarios, load_scenario
    from simulate.summaries import summarise
    from simulate.sweeps import sweep

_HOME = {
    "InvalidInput": "errors", "Problem": "errors", "Registry": "registry", "Scenario": "scenarios", "Trajectories": "runs",
    "calibrate": "calibration", "check": "consistency", "default_scenario": "scenarios", "judge_all": "attainment",
    "list_scenarios": "scenarios", "load_registry": "registry", "load_scenario": "scenarios", "plan_sweep": "experiments",
    "regional_model": "region", "run": "runs", "summarise": "summaries", "summary": "attainment", "sweep": "sweeps",
}

__all__ = [
    "InvalidInput", "Problem", "Registry", "Scenario", "Trajectories", "calibrate", "check", "default_scenario", "judge_all",
    "list_scenarios", "load_registry", "load_scenario", "plan_sweep", "regional_model", "run", "summarise", "summary", "sweep",
]


def __getattr__(name: str) -> Any:
    """Import a public name from its module on first use."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
