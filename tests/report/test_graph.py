"""``workbench graph``: the part that is chosen, and hubs."""

from __future__ import annotations

import json
from typing import Any

import networkx
import pytest

from workbench.cli import main
from workbench.engine import Audit, subgraph
from workbench.graph import nodes
from workbench.report.graph import write
from workbench.sources import SourceKind, SourceRequest


@pytest.fixture(scope="module")
def shop() -> Audit:
    return Audit.load(SourceRequest(SourceKind.SAMPLE, name="shop"))


def part(audit: Audit, capsys: pytest.CaptureFixture[str], **selection: Any) -> dict[str, Any]:
    capsys.readouterr()
    write(audit, audit.subgraph(**selection), "json")
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    return document


def of(document: dict[str, Any]) -> networkx.MultiDiGraph:
    graph = networkx.MultiDiGraph()
    graph.add_nodes_from(node["id"] for node in document["nodes"])
    for edge in document["edges"]:
        graph.add_edge(edge["source"], edge["target"], edge["technique"], **edge)
    return graph


def test_hubs_are_expanded_into_the_same_reach(shop: Audit, capsys: pytest.CaptureFixture[str]) -> None:
    flat, hubs = of(part(shop, capsys)), of(part(shop, capsys, hubs=True))
    kept = {node for node in hubs if nodes.is_hub(node)}
    assert kept
    assert set(flat) == set(hubs) - kept
    for node in flat:
        assert networkx.descendants(flat, node) - {node} == networkx.descendants(hubs, node) - kept - {node}


def test_the_order_is_stable_and_ends_are_nodes(shop: Audit, capsys: pytest.CaptureFixture[str]) -> None:
    document = part(shop, capsys)
    ids = [node["id"] for node in document["nodes"]]
    keys = [(edge["source"], edge["target"], edge["technique"]) for edge in document["edges"]]
    assert ids == sorted(set(ids))
    assert keys == sorted(set(keys))
    assert {end for key in keys for end in key[:2]} <= set(ids)
    assert {tuple(node) for node in document["nodes"]} == {("id", "kind", "namespace", "name", "properties")}
    assert {tuple(edge) for edge in document["edges"]} == {
        ("source", "target", "technique", "effort", "verdict", "missing", "facts", "evidence")
    }
    assert all(edge["evidence"] for edge in document["edges"])
    assert all(edge["missing"] == sorted({fact["fact"] for fact in edge["facts"]}) for edge in document["edges"])


def test_from_and_to(shop: Audit, capsys: pytest.CaptureFixture[str]) -> None:
    whole = of(part(shop, capsys))
    start, goal = "Container:shop/frontend-7c9d8b6f5-4xk2p/frontend", "ClusterAdmin"
    forward = of(part(shop, capsys, sources=[start]))
    assert set(forward) == networkx.descendants(whole, start) | {start}
    backward = of(part(shop, capsys, targets=[goal]))
    assert set(backward) == networkx.ancestors(whole, goal) | {goal}
    between = of(part(shop, capsys, sources=[start], targets=[goal]))
    assert set(between) == set(forward) & set(backward)
    for graph in (forward, backward, between):
        assert set(graph.edges(keys=True)) == set(whole.subgraph(graph).edges(keys=True))
    assert 0 < len(between) < len(forward) < len(whole)


@pytest.mark.parametrize("centre", ["Node:worker-1", "ServiceAccount:shop/frontend", "Internet", "ClusterAdmin"])
def test_around(centre: str, shop: Audit, capsys: pytest.CaptureFixture[str]) -> None:
    whole = of(part(shop, capsys))
    near = of(part(shop, capsys, around=[centre]))
    assert set(near) == {centre, *whole.successors(centre), *whole.predecessors(centre)}
    assert len(near) > 1
    kept = of(part(shop, capsys, around=[centre], hubs=True))
    with_hubs = of(part(shop, capsys, hubs=True))
    assert set(kept) == {centre, *with_hubs.successors(centre), *with_hubs.predecessors(centre)}


def test_too_large_a_graph_is_refused_before_anything_is_written(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(subgraph, "EDGE_LIMIT", 3000)
    for form in ("json", "graphml", "dot"):
        assert main(["graph", "--sample", "shop", "-o", form]) == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert "edges with its hubs expanded: narrow it with --from, --to or --around, or use --hubs" in err
    for narrowed in (["--around", "Node:worker-1"], ["--from", "internet", "--to", "Node:cp-1"], ["--hubs"]):
        assert main(["graph", "--sample", "shop", *narrowed]) == 0
        assert json.loads(capsys.readouterr().out)["edges"]


@pytest.mark.parametrize(
    ("node", "expected"),
    [
        ("Pod:shop/web", ("Pod", "shop", "web")),
        ("Node:worker-1", ("Node", "", "worker-1")),
        ("User:corp/alice", ("User", "", "corp/alice")),
        ("Group:https://issuer/groups", ("Group", "", "https://issuer/groups")),
        ("User:oidc:sam", ("User", "", "oidc:sam")),
        ("Image:registry.example/web:1", ("Image", "", "registry.example/web:1")),
        ("Endpoint:shop/web/80", ("Endpoint", "shop", "web/80")),
        ("Endpoint:node.worker-1/10250", ("Endpoint", "", "node.worker-1/10250")),
        ("PermissionSet:shop/reader@web", ("PermissionSet", "shop", "reader@web")),
        ("PermissionSet:cluster-admin@web", ("PermissionSet", "", "cluster-admin@web")),
        ("Internet", ("Internet", "", "Internet")),
    ],
)
def test_the_parts_of_an_id(node: str, expected: tuple[str, str, str]) -> None:
    assert (nodes.kind(node), nodes.namespace(node), nodes.name(node)) == expected
