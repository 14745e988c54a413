"""The graph in exchange formats: node-link JSON of our own schema, GraphML, DOT."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape, quoteattr

from workbench.graph import nodes
from workbench.text import shown

if TYPE_CHECKING:
    from workbench.engine import Audit, Subgraph
    from workbench.graph.graph import Edge


def node_dict(audit: Audit, node: str) -> dict[str, Any]:
    """A node with its properties."""
    return {
        "id": node,
        "kind": nodes.kind(node),
        "namespace": nodes.namespace(node) or None,
        "name": nodes.name(node),
        "properties": audit.properties(node),
    }


def edge_dict(audit: Audit, edge: Edge) -> dict[str, Any]:
    """An edge with its evidence."""
    return {
        "source": edge.source,
        "target": edge.target,
        "technique": edge.technique,
        "effort": edge.effort,
        "verdict": edge.verdict,
        "missing": list(edge.conditions),
        "facts": [{"fact": fact, "object": about} for fact, about in edge.missing],
        "evidence": [evidence.as_dict() for evidence in audit.evidence(edge)],
    }


def write(audit: Audit, selection: Subgraph, form: str) -> None:
    """Stream the graph to standard output.

    Args:
        audit: The loaded source.
        selection: What to write.
        form: ``json``, ``graphml`` or ``dot``.
    """
    lines = {"json": _json, "graphml": _graphml, "dot": _dot}[form](audit, selection)
    for line in lines:
        sys.stdout.write(line)
        sys.stdout.write("\n")


def _json(audit: Audit, selection: Subgraph) -> Iterator[str]:
    yield '{"schema": "workbench/graph/1",'
    yield ' "nodes": ['
    yield from _items(node_dict(audit, node) for node in selection.nodes)
    yield ' ], "edges": ['
    yield from _items(edge_dict(audit, edge) for edge in selection.edges())
    yield f' ], "coverage": {json.dumps([gap.as_dict() for gap in audit.coverage])}}}'


def _items(items: Iterator[dict[str, Any]]) -> Iterator[str]:
    previous: str | None = None
    for item in items:
        if previous is not None:
            yield f"  {previous},"
        previous = json.dumps(item)
    if previous is not None:
        yield f"  {previous}"


def _graphml(audit: Audit, selection: Subgraph) -> Iterator[str]:
    yield '<?xml version="1.0" encoding="UTF-8"?>'
    yield '<graphml xmlns="http://graphml.graphdrawing.org/xmlns">'
    for key, target in (("kind", "node"), ("namespace", "node"), ("technique", "edge"), ("verdict", "edge")):
        yield f'  <key id="{key}" for="{target}" attr.name="{key}" attr.type="string"/>'
    yield '  <key id="effort" for="edge" attr.name="effort" attr.type="int"/>'
    yield '  <graph id="workbench" edgedefault="directed">'
    for node in selection.nodes:
        yield (
            f"    <node id={quoteattr(_xml(node))}>"
            f'<data key="kind">{escape(nodes.kind(node))}</data>'
            f'<data key="namespace">{escape(_xml(nodes.namespace(node)))}</data></node>'
        )
    for edge in selection.edges():
        yield (
            f"    <edge source={quoteattr(_xml(edge.source))} target={quoteattr(_xml(edge.target))}>"
            f'<data key="technique">{escape(edge.technique)}</data><data key="verdict">{edge.verdict}</data>'
            f'<data key="effort">{edge.effort}</data></edge>'
        )
    yield "  </graph>"
    yield "</graphml>"


def _xml(value: str) -> str:
    return shown(value, 4096)


def _dot(audit: Audit, selection: Subgraph) -> Iterator[str]:
    yield "digraph workbench {"
    yield '  rankdir=LR; node [shape=box, fontname="monospace"];'
    for node in selection.nodes:
        yield f"  {_quoted(node)} [label={_quoted(f'{nodes.tag(node)} {nodes.name(node)}')}];"
    for edge in selection.edges():
        style = ", style=dashed" if edge.missing else ""
        yield f"  {_quoted(edge.source)} -> {_quoted(edge.target)} [label={_quoted(edge.technique)}{style}];"
    yield "}"


def _quoted(value: str) -> str:
    return '"' + shown(value, 4096).replace("\\", "\\\\").replace('"', '\\"') + '"'
