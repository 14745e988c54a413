"""Reading a real API server as somebody who may read all, some, or nothing of it; what leaves the server."""

from __future__ import annotations

import base64
import json
from pathlib import Path

from tests.cluster.harness.cluster import Cluster
from tests.cluster.harness.rights import READ_ALL, rule
from tests.cluster.live.reading import CANARY, PODS, Run, gap, names, read
from workbench.inventory.objects import Namespace, Node, Pod, Secret
from workbench.kube.api import ConnectOptions
from workbench.sources import SourceRequest, load


def test_who_may_read_all_reads_all_and_sends_nothing_but_reads(populated: Cluster) -> None:
    reader = populated.user("jane")
    populated.grant(reader, READ_ALL)
    mark = populated.audit.mark()
    view = read(populated.kubeconfig(reader))
    events = populated.audit.since(mark, user="jane")
    assert (len(view.all(Pod)), len(view.all(Node)), view.coverage) == (PODS, 3, [])
    assert str(view.server_version) == "v1.37.2"
    assert {event.verb for event in events} <= {"list", "get"}
    assert not any("dryRun" in event.uri for event in events)
    pages = [event for event in events if event.resource == "pods"]
    assert len(pages) == 5


def test_no_value_of_a_secret_leaves_the_server(populated: Cluster, tmp_path: Path, run: Run) -> None:
    written = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "applied", "namespace": "team-0"},
               "stringData": {"password": CANARY, "user": "eve"}, "type": "kubernetes.io/basic-auth"}  # fmt: skip
    populated.kubectl("apply", "-f", "-", data=json.dumps(written))
    settings = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "own", "namespace": "team-0"},
                "data": {"a": CANARY}}  # fmt: skip
    populated.create(settings)
    reader = populated.user("jane")
    populated.grant(reader, READ_ALL)
    path = populated.kubeconfig(reader)
    mark = populated.audit.mark()
    snapshot = tmp_path / "snapshot"
    assert run("collect", "--kubeconfig", str(path), "-o", str(snapshot)).status == 0
    events = populated.audit.since(mark, user="jane")
    encoded = base64.b64encode(CANARY.encode()).decode()
    asked = [event for event in events if event.resource in ("secrets", "configmaps")]
    assert asked
    for event in asked:
        items = (event.response or {}).get("items") or []
        assert not any(set(item) - {"kind", "apiVersion", "metadata"} for item in items)
        assert encoded not in event.line
    assert not any(event.verb == "get" and event.resource == "secrets" for event in events)
    view = load(SourceRequest("snapshot", (str(snapshot),)))
    applied = view.get(Secret, "applied", "team-0")
    assert applied is not None
    assert (applied.type, applied.data_keys) == ("kubernetes.io/basic-auth", ["password", "user"])
    assert CANARY not in repr(list(view.all(Secret)))
    assert len([one for one in view.all(Secret) if one.name == "keys"]) == 5


def test_in_two_namespaces_only(populated: Cluster) -> None:
    reader = populated.user("jane")
    for name in ("team-1", "team-3"):
        populated.grant(reader, READ_ALL, namespace=name)
    view = read(populated.kubeconfig(reader, namespace="team-1"), also=("team-3", "team-9"))
    assert {one.namespace for one in view.all(Pod)} == {"team-1", "team-3"}
    assert len(view.all(Pod)) == PODS // 5 * 2
    assert gap(view, "Pod").startswith("forbidden * list pods: 403: ")
    assert gap(view, "Pod").endswith("only these were tried: team-1, team-3, team-9; read in team-1, team-3")
    assert 'User "jane" cannot list resource "nodes"' in gap(view, "Node")


def test_where_namespaces_can_be_listed_all_are_tried(populated: Cluster) -> None:
    reader = populated.user("jane")
    populated.grant(reader, rule("namespaces"))
    populated.grant(reader, rule("pods"), namespace="team-2")
    view = read(populated.kubeconfig(reader))
    assert len(names(view, Namespace)) >= 9
    assert {one.namespace for one in view.all(Pod)} == {"team-2"}
    refused = {one.namespace for one in view.coverage if one.kind == "Pod"}
    assert {"team-0", "team-1", "default", "kube-system"} <= refused
    assert "team-2" not in refused


def test_without_secrets(populated: Cluster) -> None:
    reader = populated.user("jane")
    populated.grant(reader, rule("pods,nodes,namespaces,serviceaccounts,configmaps,services"))
    view = read(populated.kubeconfig(reader))
    assert len(view.all(Pod)) == PODS
    assert names(view, Secret) == []
    assert 'cannot list resource "secrets" in API group "" at the cluster scope' in gap(view, "Secret")


def test_without_nodes(populated: Cluster) -> None:
    reader = populated.user("jane")
    populated.grant(reader, rule("pods,namespaces,secrets"))
    view = read(populated.kubeconfig(reader))
    assert (len(view.all(Pod)), names(view, Node)) == (PODS, [])
    assert gap(view, "Node").startswith("forbidden * list nodes: 403: ")


def test_the_operators_namespaces_limit_what_is_read(populated: Cluster) -> None:
    reader = populated.user("jane")
    populated.grant(reader, READ_ALL)
    mark = populated.audit.mark()
    view = read(populated.kubeconfig(reader), namespaces=("team-4",))
    assert {one.namespace for one in view.all(Pod)} == {"team-4"}
    assert len(view.all(Node)) == 3
    assert gap(view, "Pod") == "not-collected * only namespace team-4 (--namespace)"
    asked = [event for event in populated.audit.since(mark, user="jane") if event.resource == "pods"]
    assert {event.namespace for event in asked} == {"team-4"}


def test_impersonation(populated: Cluster) -> None:
    populated.grant(populated.user("jane"), READ_ALL)
    options = ConnectOptions(kubeconfig=str(populated.kubeconfig()), as_user="jane", as_groups=("auditors",))
    mark = populated.audit.mark()
    assert len(load(SourceRequest("context", connect=options)).all(Pod)) == PODS
    events = populated.audit.since(mark)
    assert any('"impersonatedUser":{"username":"jane","groups":["auditors"' in event.line for event in events)
