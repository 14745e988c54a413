"""Manifests, a snapshot and the cluster itself give the same graph."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster.harness.cluster import Cluster
from tests.cluster.live.reading import Run
from workbench.kube.resources import builtin
from workbench.sources.samples import sample

KINDS = (
    "nodes,namespaces,pods,deployments,replicasets,statefulsets,daemonsets,jobs,cronjobs,replicationcontrollers,services,"
    "ingresses,ingressclasses,networkpolicies,endpointslices,serviceaccounts,secrets,configmaps,persistentvolumes,"
    "persistentvolumeclaims,roles,clusterroles,rolebindings,clusterrolebindings,runtimeclasses,"
    "customresourcedefinitions,validatingadmissionpolicies,validatingadmissionpolicybindings"
)


def sample_objects(name: str) -> Iterator[dict[str, Any]]:
    """The objects of a sample cluster that a server without custom resources has."""
    for path in sorted(Path(sample(name).path).rglob("*.yaml")):
        for one in yaml.safe_load_all(path.read_text(encoding="utf-8")):
            if builtin(one["apiVersion"], one["kind"]) is not None:
                yield one


def managed(one: dict[str, Any]) -> dict[str, Any]:
    """A seeded Secret or ConfigMap with managers, as what is created has: the names of its keys come from there."""
    if one["kind"] not in ("Secret", "ConfigMap"):
        return one
    owned = {f"f:{field}": {f"f:{key}": {} for key in one[field]} for field in ("data", "binaryData") if one.get(field)}
    entry = {"manager": "seed", "operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": owned}
    return {**one, "metadata": {**one["metadata"], "managedFields": [entry]}}


def comparable(document: str) -> Any:
    """A graph without what depends on the way it came."""
    graph = json.loads(document)
    del graph["coverage"]
    for edge in graph["edges"]:
        for evidence in edge["evidence"]:
            evidence.pop("file", None)
            evidence.pop("line", None)
    return graph


@pytest.mark.parametrize("name", ["shop", "platform"])
def test_manifests_a_snapshot_and_the_cluster_itself_give_the_same_graph(
    cluster: Cluster, tmp_path: Path, run: Run, name: str
) -> None:
    cluster.seed(map(managed, sample_objects(name)))
    path = str(cluster.kubeconfig())
    manifests, snapshot = tmp_path / "cluster.yaml", tmp_path / "snapshot"
    manifests.write_text(cluster.kubectl("get", "-A", "-o", "yaml", KINDS), encoding="utf-8")
    assert run("collect", "--kubeconfig", path, "-o", str(snapshot)).status == 0
    version = ("--server-version", "v1.37.2")
    live = run("graph", "--kubeconfig", path, *version)
    assert live.status == 0, live.err
    for other in (("--manifests", str(manifests)), ("--snapshot", str(snapshot))):
        done = run("graph", *other, *version)
        assert done.status == 0, done.err
        assert comparable(done.out) == comparable(live.out), other
