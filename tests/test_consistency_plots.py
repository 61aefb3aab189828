from simulate.consistency import check, implied
from simulate.identities import load_identities
from simulate.plots_consistency import conflict_graph, interval_chart
from simulate.registry import load_registry


def test_pictures_hold_every_row():
    registry = load_registry()
    labels = load_identities(registry.catalogue).indicators
    ranges = implied(registry, "tianjin", "high_tech_enterprises", 2020)
    chart = interval_chart(ranges, labels, lang="en")
    assert len(chart.axes[0].get_yticks()) == len(ranges)
    conflict = check(registry, "tianjin", alternatives=False).conflicts[0]
    graph = conflict_graph(conflict, labels, lang="en")
    assert len(graph.axes[0].texts) == len(conflict.claims) + 1
