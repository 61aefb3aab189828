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
    from simulate.errors import InvalidInput, Problem
    from simulate.region import regional_model
    from simulate.registry import Registry, load_registry
    from simulate.runs import Trajectories, run
    from simulate.scenarios import Scenario, default_scenario, list_scenarios, load_scenario

_HOME = {
    "InvalidInput": "errors", "Problem": "errors", "Registry": "registry", "Scenario": "scenarios", "Trajectories": "runs",
    "default_scenario": "scenarios", "judge_all": "attainment", "list_scenarios": "scenarios",
    "load_registry": "registry", "load_scenario": "scenarios",
    "regional_model": "region", "run": "runs", "summary": "attainment",
}

__all__ = [
    "InvalidInput", "Problem", "Registry", "Scenario", "Trajectories", "default_scenario", "judge_all", "list_scenarios", "load_registry",
    "load_scenario", "regional_model", "run", "summary",
]


def __getattr__(name: str) -> Any:
    """Import a public name from its module on first use."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
