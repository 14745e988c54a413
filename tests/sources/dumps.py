"""KubeHound dumps for tests: objects laid out as its writer does, as a directory or an archive."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

Objects = list[dict[str, Any]]

NODES = "nodes.json"
PODS = "pods.json"
ROLES = "roles.rbac.authorization.k8s.io.json"
ROLE_BINDINGS = "rolebindings.rbac.authorization.k8s.io.json"
CLUSTER_ROLES = "clusterroles.rbac.authorization.k8s.io.json"
CLUSTER_ROLE_BINDINGS = "clusterrolebindings.rbac.authorization.k8s.io.json"
SLICES = "endpointslices.discovery.k8s.io.json"
FILES = {
    "Node": NODES,
    "Pod": PODS,
    "Role": ROLES,
    "RoleBinding": ROLE_BINDINGS,
    "ClusterRole": CLUSTER_ROLES,
    "ClusterRoleBinding": CLUSTER_ROLE_BINDINGS,
    "EndpointSlice": SLICES,
}
"""The file of each kind that a dump holds."""


def sample_objects(sample: str) -> Objects:
    """What KubeHound would dump of a sample cluster, with an EndpointSlice for every Service that has a selector."""
    found: Objects = []
    directory = Path(__file__).parents[2] / "sample-clusters" / sample / "cluster"
    for path in sorted(directory.glob("*.yaml")):
        for document in yaml.load_all(path.read_bytes(), Loader=yaml.CSafeLoader):
            if document is not None:
                found.extend(document["items"] if document["kind"].endswith("List") else [document])
    objects: Objects = json.loads(json.dumps(found, default=str))
    pods = [obj for obj in objects if obj["kind"] == "Pod" and obj["status"]["phase"] == "Running"]
    slices = [endpoint_slice(obj, pods) for obj in objects if obj["kind"] == "Service" and obj["spec"].get("selector")]
    return [obj for obj in objects if obj["kind"] in FILES and (obj["kind"] != "Pod" or obj in pods)] + slices


def endpoint_slice(service: dict[str, Any], pods: Objects) -> dict[str, Any]:
    """The EndpointSlice that the controller makes for a Service."""
    meta, spec = service["metadata"], service["spec"]
    behind = [
        pod
        for pod in pods
        if pod["metadata"]["namespace"] == meta["namespace"]
        and spec["selector"].items() <= pod["metadata"].get("labels", {}).items()
    ]
    declared = {
        port.get("name"): port["containerPort"]
        for pod in behind
        for container in pod["spec"]["containers"]
        for port in container.get("ports", ())
    }
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": f"{meta['name']}-x1y2z",
            "namespace": meta["namespace"],
            "labels": {"kubernetes.io/service-name": meta["name"]},
            "ownerReferences": [{"kind": "Service", "name": meta["name"], "uid": meta["uid"], "controller": True}],
        },
        "addressType": "IPv4",
        "endpoints": [
            {
                "addresses": [pod["status"].get("podIP", "10.0.0.1")],
                "conditions": {"ready": True},
                "targetRef": {"kind": "Pod", "name": pod["metadata"]["name"], "namespace": meta["namespace"]},
            }
            for pod in behind
        ],
        "ports": [
            {
                "name": port.get("name", ""),
                "protocol": port.get("protocol", "TCP"),
                "port": declared.get(port.get("targetPort"), port.get("targetPort", port["port"])),
            }
            for port in spec["ports"]
        ],
    }


def typed(objects: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """A list as Go marshals typed structs: nothing says what it is, and empty values are written."""
    items = [{key: value for key, value in obj.items() if key not in ("kind", "apiVersion")} for obj in objects]
    for item in items:
        item["metadata"] = {**item["metadata"], "creationTimestamp": None}
    return {"metadata": {}, "items": items}


def fetched(objects: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """A list as ``kubectl get -o json`` prints it."""
    return {"apiVersion": "v1", "items": list(objects), "kind": "List", "metadata": {"resourceVersion": ""}}


METADATA = {
    "run_id": "01j2qs8th6yarr5hkafysekn0j",
    "cluster": {"name": "shop", "version_major": "1", "version_minor": "33"},
    "metrics": {"dump_time": "2025-01-02T03:04:05Z", "run_duration": 1, "total_wait_time": 2},
}


def files(objects: Objects, *, metadata: Any = METADATA, by_hand: bool = False, prefix: str = "") -> dict[str, bytes]:
    """The files of a dump by path, in the order in which KubeHound writes them."""
    groups: dict[str, Objects] = {}
    for obj in objects:
        namespace = obj["metadata"].get("namespace")
        base = FILES[obj["kind"]]
        groups.setdefault(f"{namespace}/{base}" if namespace else base, []).append(obj)
    out = {
        f"{prefix}{path}": (
            json.dumps(fetched(group), indent=4).encode() if by_hand else json.dumps(typed(group)).encode()
        )
        for path, group in groups.items()
    }
    if metadata is not None:
        out[f"{prefix}metadata.json"] = json.dumps(metadata).encode()
    return out


def directory(root: Path, contents: Mapping[str, bytes | str]) -> Path:
    """Write files below a directory."""
    for path, content in contents.items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content.encode() if isinstance(content, str) else content)
    return root


def member(name: str, content: bytes = b"", **fields: Any) -> tuple[tarfile.TarInfo, bytes]:
    """A member of an archive; ``fields`` are attributes of its ``TarInfo``."""
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for key, value in fields.items():
        setattr(info, key, value)
    return info, content


def archive(
    path: Path,
    contents: Mapping[str, bytes] | Iterable[tuple[tarfile.TarInfo, bytes]],
    mode: str = "w:gz",
    form: int = tarfile.PAX_FORMAT,
) -> Path:
    """Write an archive of files, or of members."""
    members = [member(*item) for item in contents.items()] if isinstance(contents, Mapping) else contents
    with tarfile.open(path, mode, format=form) as tar:  # type: ignore[call-overload]
        for info, content in members:
            tar.addfile(info, io.BytesIO(content))
    return path
