"""The graph in exchange formats: JSON of our own schema, GraphML, DOT; streamed, one line a node or edge."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from xml.sax.saxutils import escape, quoteattr

from workbench.graph import nodes
from workbench.report.documents import dumps
from workbench.text import shown

if TYPE_CHECKING:
    from workbench.engine import Audit, Subgraph
    from workbench.graph.graph import Edge

_KEYS = (
    ("kind", "node", "string"),
    ("namespace", "node", "string"),
    ("name", "node", "string"),
    ("technique", "edge", "string"),
    ("verdict", "edge", "string"),
    ("missing", "edge", "string"),
    ("effort", "edge", "int"),
)
"""The attributes of GraphML: key, what has it, type."""


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
    lines = _json(audit, selection) if form == "json" else {"graphml": _graphml, "dot": _dot}[form](selection)
    for line in lines:
        sys.stdout.write(f"{line}\n")


def _json(audit: Audit, selection: Subgraph) -> Iterator[str]:
    yield '{"schema": "workbench/graph/1",'
    yield ' "nodes": ['
    yield from _items(node_dict(audit, node) for node in selection.nodes)
    yield ' ], "edges": ['
    yield from _items(edge_dict(audit, edge) for edge in selection.edges())
    yield f' ], "coverage": {dumps([gap.as_dict() for gap in audit.coverage])}}}'


def _items(items: Iterator[dict[str, Any]]) -> Iterator[str]:
    previous: str | None = None
    for item in items:
        if previous is not None:
            yield f"  {previous},"
        previous = dumps(item)
    if previous is not None:
        yield f"  {previous}"


def _graphml(selection: Subgraph) -> Iterator[str]:
    yield '<?xml version="1.0" encoding="UTF-8"?>'
    yield '<graphml xmlns="http://graphml.graphdrawing.org/xmlns">'
    for key, target, form in _KEYS:
        yield f'  <key id="{key}" for="{target}" attr.name="{key}" attr.type="{form}"/>'
    yield '  <graph id="workbench" edgedefault="directed">'
    for node in selection.nodes:
        data = _data(kind=nodes.kind(node), namespace=nodes.namespace(node), name=nodes.name(node))
        yield f"    <node id={_attribute(node)}>{data}</node>"
    for edge in selection.edges():
        ends = f"source={_attribute(edge.source)} target={_attribute(edge.target)}"
        missing = " ".join(edge.conditions)
        data = _data(technique=edge.technique, verdict=edge.verdict, missing=missing, effort=str(edge.effort))
        yield f"    <edge {ends}>{data}</edge>"
    yield "  </graph>"
    yield "</graphml>"


def _data(**values: str) -> str:
    return "".join(f'<data key="{key}">{_ascii(escape(_whole(value)))}</data>' for key, value in values.items())


def _attribute(value: str) -> str:
    return _ascii(quoteattr(_whole(value)))


def _ascii(text: str) -> str:
    """XML that says the same in any encoding of standard output."""
    return text.encode("ascii", "xmlcharrefreplace").decode("ascii")


def _whole(value: str) -> str:
    """A text without control characters, and never cut, or two ids might become one."""
    return shown(value, sys.maxsize)


def _dot(selection: Subgraph) -> Iterator[str]:
    yield "digraph workbench {"
    yield '  rankdir=LR; node [shape=box, fontname="monospace"];'
    for node in selection.nodes:
        namespace = nodes.namespace(node)
        name = f"{namespace}/{nodes.name(node)}" if namespace else nodes.name(node)
        yield f"  {_quoted(node)} [label={_quoted(f'{nodes.tag(node)} {name}')}];"
    for edge in selection.edges():
        style = ", style=dashed" if edge.missing else ""
        yield f"  {_quoted(edge.source)} -> {_quoted(edge.target)} [label={_quoted(edge.technique)}{style}];"
    yield "}"


def _quoted(value: str) -> str:
    """A quoted string of DOT. A backslash is doubled, or a label would read ``\\N`` as the node's name."""
    return '"' + _whole(value).replace("\\", "\\\\").replace('"', '\\"') + '"'
