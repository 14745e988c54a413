"""Plain objects to create or to seed, with all that the API server requires and nothing else."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

IMAGE = "registry.example/app:1"


def namespace(name: str, **labels: str) -> dict[str, Any]:
    """A namespace to seed; :meth:`Cluster.create_namespaces` also makes its ``default`` account."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def node(name: str) -> dict[str, Any]:
    """A node that is ready; its status stays when it is created, too."""
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux"}},
        "spec": {},
        "status": {
            "allocatable": {"cpu": "64", "memory": "256Gi", "pods": "500"},
            "conditions": [{"type": "Ready", "status": "True"}],
            "nodeInfo": {
                **dict.fromkeys(("machineID", "systemUUID", "bootID", "kernelVersion", "osImage"), ""),
                "containerRuntimeVersion": "containerd://2.1.0",
                "kubeletVersion": "v1.37.2",
                "kubeProxyVersion": "",
                "operatingSystem": "linux",
                "architecture": "amd64",
            },
        },
    }


def pod(
    name: str, namespace: str, *, node: str = "node-1", labels: Mapping[str, str] | None = None, **spec: Any
) -> dict[str, Any]:
    """A running pod on a node, to seed; ``spec`` holds further fields of its spec."""
    containers = spec.get("containers") or [{"name": "app", "image": IMAGE}]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": dict(labels or {})},
        "spec": {"serviceAccountName": "default", "nodeName": node, **spec, "containers": containers},
        "status": {
            "phase": "Running",
            "containerStatuses": [
                {
                    "name": container["name"],
                    "image": container["image"],
                    "imageID": "",
                    "ready": True,
                    "restartCount": 0,
                    "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}},
                }
                for container in containers
            ],
        },
    }


def deployment(name: str, namespace: str, *, replicas: int = 1, **spec: Any) -> dict[str, Any]:
    """A Deployment to create; ``spec`` holds further fields of its pods' spec."""
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{"name": "app", "image": IMAGE}], **spec},
            },
        },
    }


def secret(name: str, namespace: str, *, type: str = "Opaque", **values: str) -> dict[str, Any]:
    """A Secret with some values in clear."""
    data = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": namespace},
        "type": type,
        "data": data,
    }
