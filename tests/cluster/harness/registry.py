"""Where and how the API server keeps its objects in etcd, to put them there directly.

Source: the storage of Kubernetes 1.37, read from a running one.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from tests.cluster.harness.client import Client

PREFIX = "/registry/"
_CREATED = "2026-01-01T00:00:00Z"
_PLACES = {
    "nodes": "minions",
    "services": "services/specs",
    "endpoints": "services/endpoints",
    "replicationcontrollers": "controllers",
    "ingresses": "ingress",
}
"""Where the folder is not the plural."""
_GROUPS_WITHOUT_FOLDER = {
    "",
    "admissionregistration.k8s.io",
    "apps",
    "autoscaling",
    "batch",
    "coordination.k8s.io",
    "discovery.k8s.io",
    "networking.k8s.io",
    "node.k8s.io",
    "policy",
    "rbac.authorization.k8s.io",
    "scheduling.k8s.io",
    "storage.k8s.io",
}
"""Objects of all other groups, custom ones and CustomResourceDefinitions among them, lie in a folder of the group."""


def entries(admin: Client, objects: Iterable[Mapping[str, Any]]) -> dict[str, bytes]:
    """Key and value for each object; what it lacks of uid and creation time is made up, always in the same way."""
    return dict(_entry(admin, one) for one in objects)


def _entry(admin: Client, one: Mapping[str, Any]) -> tuple[str, bytes]:
    kind = admin.kind(one)
    group = one["apiVersion"].rpartition("/")[0]
    place = _PLACES.get(kind.plural, kind.plural) if group in _GROUPS_WITHOUT_FOLDER else f"{group}/{kind.plural}"
    metadata = dict(one["metadata"])
    inside = f"{metadata['namespace']}/" if kind.namespaced else ""
    key = f"{PREFIX}{place}/{inside}{metadata['name']}"
    metadata.setdefault("uid", str(uuid5(NAMESPACE_URL, key)))
    metadata.setdefault("creationTimestamp", _CREATED)
    metadata.pop("resourceVersion", None)
    return key, json.dumps({**one, "metadata": metadata}).encode()
