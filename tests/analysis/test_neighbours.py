"""The nodes next to a node, against all edges of the graph."""

from __future__ import annotations

import pytest

from workbench.analysis.neighbours import neighbours
from workbench.engine import Audit
from workbench.graph.nodes import is_hub
from workbench.sources import SourceKind, SourceRequest


@pytest.mark.parametrize("name", ["shop", "hardened"])
def test_what_stands_beside_each_node(name: str) -> None:
    audit = Audit.load(SourceRequest(SourceKind.SAMPLE, name=name))
    wanted: dict[str, set[tuple[bool, str, str]]] = {}
    for edge in audit.graph.edges():
        if not is_hub(edge.source) and not is_hub(edge.target):
            wanted.setdefault(edge.source, set()).add((False, edge.target, edge.technique))
            wanted.setdefault(edge.target, set()).add((True, edge.source, edge.technique))
    assert wanted
    for node in audit.graph.nodes:
        found = [
            (not outgoing, other, technique) for other, technique, outgoing in neighbours(audit.analysis.compiled, node)
        ]
        assert found == sorted(wanted.get(node, ())), "outgoing ones first, by id, each once"
    first = [(each.node, each.technique, each.outgoing) for each in audit.neighbours("Internet", 3)]
    assert first == list(neighbours(audit.analysis.compiled, "Internet"))[:3]
    assert audit.neighbours("Container:no/such/one") == []
