"""Small builders of real objects for tests, and helpers that run one technique over them.

Objects are built from plain data with the wire's names and decoded like any input, so a test reads like YAML:
``pod("web", container(securityContext={"privileged": True}), hostPID=True)``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from typing import Any

from workbench.graph.graph import SURCHARGE, Edge
from workbench.inventory.decode import from_data, pod_spec_prefix
from workbench.inventory.evidence import Evidence, Gap
from workbench.inventory.inventory import Inventory, ServerVersion
from workbench.inventory.objects import CLUSTER_SCOPED, GROUPS, KINDS, KubernetesObject
from workbench.techniques import access
from workbench.techniques.api import Blocked, Found, SubjectType, Technique
from workbench.techniques.registry import FAMILIES

NODE = "worker-1"
"""The node of live pods unless a test says otherwise."""
IMAGE = "registry.example/app:1"


# --- objects ----------------------------------------------------------------------------------------


def obj(
    kind: str,
    name: str,
    namespace: str = "",
    *,
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
    owners: Sequence[Mapping[str, Any]] = (),
    uid: str | None = None,
    **fields: Any,
) -> KubernetesObject:
    """An object of any kind that we analyse; ``fields`` are the top-level ones, such as ``spec`` or ``rules``."""
    group = next(group for group, kinds in GROUPS.items() if KINDS[kind] in kinds)
    metadata: dict[str, Any] = {"name": name}
    if kind not in CLUSTER_SCOPED:
        metadata["namespace"] = namespace or "default"
    for key, value in (
        ("labels", labels),
        ("annotations", annotations),
        ("ownerReferences", list(owners)),
        ("uid", uid),
    ):
        if value:
            metadata[key] = value
    return from_data(KINDS[kind], {"apiVersion": f"{group}/v1" if group else "v1", "metadata": metadata, **fields})


def owner(kind: str, name: str, uid: str | None = None) -> dict[str, Any]:
    """A controlling owner reference."""
    return {"kind": kind, "name": name, "controller": True, **({"uid": uid} if uid else {})}


def container(name: str = "app", /, *, image: str = IMAGE, **fields: Any) -> dict[str, Any]:
    """A container as plain data."""
    return {"name": name, "image": image, **fields}


def mount(name: str, path: str, /, **fields: Any) -> dict[str, Any]:
    """A volume mount as plain data: ``mount("host", "/host", readOnly=True)``."""
    return {"name": name, "mountPath": path, **fields}


def host_path(name: str, path: str, /) -> dict[str, Any]:
    """A hostPath volume as plain data."""
    return {"name": name, "hostPath": {"path": path}}


def token_volume(name: str = "kube-api-access-x", /, audience: str | None = None) -> dict[str, Any]:
    """The projected token volume that admission adds, as plain data."""
    token: dict[str, Any] = {"path": "token", "expirationSeconds": 3607}
    if audience is not None:
        token["audience"] = audience
    return {"name": name, "projected": {"sources": [{"serviceAccountToken": token}]}}


TOKEN_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"


def token_mount(name: str = "kube-api-access-x", /) -> dict[str, Any]:
    """The mount of :func:`token_volume`, as plain data."""
    return mount(name, TOKEN_PATH, readOnly=True)


def pod(
    name: str = "web",
    /,
    *containers: Mapping[str, Any],
    namespace: str = "default",
    node: str | None = NODE,
    phase: str = "Running",
    runtime: str = "containerd",
    live: bool = True,
    status: Mapping[str, Any] | None = None,
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
    owners: Sequence[Mapping[str, Any]] = (),
    uid: str | None = None,
    **spec: Any,
) -> KubernetesObject:
    """A pod; ``spec`` holds further fields of the pod spec by their wire names.

    A live pod gets a node and a status in which containers, sidecars and ephemeral containers run and plain
    init containers have ended; with another phase nothing runs. ``live=False`` is a Pod manifest: no node, no
    status. ``status`` replaces parts of the made status.
    """
    data: dict[str, Any] = {"containers": list(containers) or [container()], **spec}
    if not live:
        return obj("Pod", name, namespace, labels=labels, annotations=annotations, owners=owners, uid=uid, spec=data)
    if node is not None:
        data["nodeName"] = node
    running = phase == "Running"
    made: dict[str, Any] = {"phase": phase, "podIP": "10.0.0.1"}
    for key, statuses in (
        ("containers", "containerStatuses"),
        ("initContainers", "initContainerStatuses"),
        ("ephemeralContainers", "ephemeralContainerStatuses"),
    ):
        made[statuses] = [
            container_status(
                item["name"],
                running=running and (key != "initContainers" or item.get("restartPolicy") == "Always"),
                runtime=runtime,
            )
            for item in data.get(key, ())
        ]
    made.update(status or {})
    return obj(
        "Pod",
        name,
        namespace,
        labels=labels,
        annotations=annotations,
        owners=owners,
        uid=uid or f"uid-{name}",
        spec=data,
        status=made,
    )


def container_status(name: str, *, running: bool = True, runtime: str = "containerd", **fields: Any) -> dict[str, Any]:
    """An entry of ``status.containerStatuses`` as plain data."""
    state: dict[str, Any] = {"running": {"startedAt": "2025-01-01T00:00:00Z"}} if running else {"terminated": {}}
    return {"name": name, "ready": running, "containerID": f"{runtime}://{name}", "state": state, **fields}


def workload(
    kind: str,
    name: str,
    /,
    *containers: Mapping[str, Any],
    namespace: str = "default",
    labels: Mapping[str, str] | None = None,
    template_annotations: Mapping[str, str] | None = None,
    owners: Sequence[Mapping[str, Any]] = (),
    uid: str | None = None,
    fields: Mapping[str, Any] | None = None,
    **spec: Any,
) -> KubernetesObject:
    """A workload of any kind; ``spec`` is the pod template's, ``fields`` the workload's own (``replicas``)."""
    template: dict[str, Any] = {
        "metadata": {"labels": dict(labels or {"app": name}), "annotations": dict(template_annotations or {})},
        "spec": {"containers": list(containers) or [container()], **spec},
    }
    data: dict[str, Any] = {"template": template}
    if pod_spec_prefix(kind).startswith("spec.jobTemplate"):
        data = {"jobTemplate": {"spec": data}}
    elif kind == "ReplicationController":
        data["selector"] = template["metadata"]["labels"]
    elif kind not in ("Job",):
        data["selector"] = {"matchLabels": template["metadata"]["labels"]}
    return obj(kind, name, namespace, owners=owners, uid=uid, spec={**data, **(fields or {})})


def deployment(name: str = "web", /, *containers: Mapping[str, Any], **options: Any) -> KubernetesObject:
    """A Deployment manifest; options as for :func:`workload`."""
    return workload("Deployment", name, *containers, **options)


def daemon_set(name: str = "agent", /, *containers: Mapping[str, Any], **options: Any) -> KubernetesObject:
    """A DaemonSet manifest; options as for :func:`workload`."""
    return workload("DaemonSet", name, *containers, **options)


def node(
    name: str = NODE,
    /,
    *,
    os_image: str = "Ubuntu 22.04.4 LTS",
    runtime: str = "containerd://1.7.20",
    kubelet: str = "v1.33.2",
    kernel: str = "5.15.0-105-generic",
    operating_system: str = "linux",
    labels: Mapping[str, str] | None = None,
    addresses: Sequence[Mapping[str, str]] = (),
    provider_id: str | None = None,
    taints: Sequence[Mapping[str, str]] = (),
) -> KubernetesObject:
    """A Node with what the kubelet reports about it."""
    info = {
        "osImage": os_image,
        "containerRuntimeVersion": runtime,
        "kubeletVersion": kubelet,
        "kernelVersion": kernel,
        "operatingSystem": operating_system,
    }
    spec: dict[str, Any] = {"taints": list(taints)}
    if provider_id:
        spec["providerID"] = provider_id
    return obj("Node", name, labels=labels, spec=spec, status={"nodeInfo": info, "addresses": list(addresses)})


def service(
    name: str = "web",
    /,
    *ports: Mapping[str, Any],
    namespace: str = "default",
    address: str | None = None,
    annotations: Mapping[str, str] | None = None,
    uid: str | None = None,
    **spec: Any,
) -> KubernetesObject:
    """A Service that selects ``app: web``, port 80 to 8080 unless ports are given.

    ``address`` is what its load balancer got, an IP address or a host name.
    """
    data: dict[str, Any] = {
        "selector": {"app": "web"},
        "ports": list(ports) or [{"port": 80, "targetPort": 8080}],
        **spec,
    }
    status: dict[str, Any] = {}
    if address is not None:
        key = "ip" if address[0].isdigit() or ":" in address else "hostname"
        status = {"loadBalancer": {"ingress": [{key: address}]}}
    return obj("Service", name, namespace, annotations=annotations, uid=uid, spec=data, status=status)


def runtime_class(name: str, handler: str) -> KubernetesObject:
    """A RuntimeClass."""
    return obj("RuntimeClass", name, handler=handler)


def claim(name: str, volume: str | None = None, namespace: str = "default") -> KubernetesObject:
    """A PersistentVolumeClaim, bound to a volume if one is named."""
    return obj("PersistentVolumeClaim", name, namespace, spec={"volumeName": volume} if volume else {})


def persistent_volume(name: str, **spec: Any) -> KubernetesObject:
    """A PersistentVolume: ``persistent_volume("pv", hostPath={"path": "/etc"})``."""
    return obj("PersistentVolume", name, spec=spec)


# --- RBAC -------------------------------------------------------------------------------------------

RBAC_GROUP = "rbac.authorization.k8s.io"


def rule(verbs: str, resources: str, groups: str = "core", names: str | None = None) -> dict[str, Any]:
    """A rule as plain data, from words divided by blanks; ``core`` is the empty API group."""
    data: dict[str, Any] = {
        "verbs": verbs.split(),
        "apiGroups": ["" if group == "core" else group for group in groups.split()],
        "resources": resources.split(),
    }
    return data if names is None else {**data, "resourceNames": names.split()}


EVERYTHING = rule("*", "*", "*")


def subject(identity: str) -> dict[str, Any]:
    """The subject of a binding for ``ServiceAccount:ns/name``, ``User:name`` or ``Group:name``, as plain data."""
    kind, _, name = identity.partition(":")
    if kind == "ServiceAccount":
        namespace, _, account = name.partition("/")
        return {"kind": kind, "name": account, "namespace": namespace}
    return {"kind": kind, "apiGroup": RBAC_GROUP, "name": name}


def role(name: str, /, *rules: Mapping[str, Any], namespace: str = "default") -> KubernetesObject:
    """A Role."""
    return obj("Role", name, namespace, rules=list(rules))


def cluster_role(name: str, /, *rules: Mapping[str, Any], feeds: str = "", gathers: str = "") -> KubernetesObject:
    """A ClusterRole; one with ``feeds="edit"`` is aggregated by one with ``gathers="edit"``."""
    fields: dict[str, Any] = {"rules": list(rules)}
    if gathers:
        fields["aggregationRule"] = {"clusterRoleSelectors": [{"matchLabels": {f"to-{gathers}": "true"}}]}
    return obj("ClusterRole", name, labels={f"to-{feeds}": "true"} if feeds else None, **fields)


def role_binding(name: str, reference: str, /, *subjects: str, namespace: str = "default") -> KubernetesObject:
    """A RoleBinding to ``Role:name`` or ``ClusterRole:name``."""
    kind, _, role_name = reference.partition(":")
    return obj(
        "RoleBinding",
        name,
        namespace,
        subjects=[subject(identity) for identity in subjects],
        roleRef={"apiGroup": RBAC_GROUP, "kind": kind, "name": role_name},
    )


def cluster_role_binding(name: str, role_name: str, /, *subjects: str) -> KubernetesObject:
    """A ClusterRoleBinding."""
    return obj(
        "ClusterRoleBinding",
        name,
        subjects=[subject(identity) for identity in subjects],
        roleRef={"apiGroup": RBAC_GROUP, "kind": "ClusterRole", "name": role_name},
    )


def grant(
    name: str, /, *rules: Mapping[str, Any], to: Sequence[str] = ("User:eve",), namespace: str = ""
) -> list[KubernetesObject]:
    """A role and a binding of one name: in the namespace, or for the whole cluster if there is none."""
    if namespace:
        return [
            role(name, *rules, namespace=namespace),
            role_binding(name, f"Role:{name}", *to, namespace=namespace),
        ]
    return [cluster_role(name, *rules), cluster_role_binding(name, name, *to)]


def permission_set(name: str, /, namespace: str = "") -> str:
    """The id of the permission set of :func:`grant`."""
    return f"PermissionSet:{namespace}/{name}@{name}" if namespace else f"PermissionSet:{name}@{name}"


def namespace(name: str, /, enforce: str | None = None, **labels: str) -> KubernetesObject:
    """A Namespace, with the pod security level that it enforces."""
    level = {} if enforce is None else {"pod-security.kubernetes.io/enforce": enforce}
    return obj("Namespace", name, labels={**level, **labels})


def account(name: str, /, namespace: str = "default", **options: Any) -> KubernetesObject:
    """A ServiceAccount."""
    return obj("ServiceAccount", name, namespace, **options)


def secret(name: str, /, namespace: str = "default", *, token_of: str = "", **options: Any) -> KubernetesObject:
    """A Secret, or the token of a service account of its namespace."""
    if not token_of:
        return obj("Secret", name, namespace, type="Opaque", **options)
    annotations = {"kubernetes.io/service-account.name": token_of}
    token_type = "kubernetes.io/service-account-token"
    return obj("Secret", name, namespace, type=token_type, annotations=annotations, **options)


def api_server(*arguments: str, node: str = "cp-1") -> KubernetesObject:
    """The mirror pod of an API server with some arguments."""
    return pod(
        f"kube-apiserver-{node}",
        container("kube-apiserver", command=["kube-apiserver", *arguments]),
        namespace="kube-system",
        node=node,
        annotations={"kubernetes.io/config.mirror": "x"},
    )


# --- views ------------------------------------------------------------------------------------------


def inventory(
    *objects: KubernetesObject,
    version: str | None = "1.33.2",
    users: Mapping[str, Sequence[str]] | None = None,
    coverage: Sequence[Gap] = (),
    builtins: Iterable[KubernetesObject] = (),
) -> Inventory:
    """The inventory of some objects; ``version=None`` leaves the server's version to be assumed."""
    server = None
    if version is not None:
        major, minor, *rest = (int(part) for part in version.removeprefix("v").split("."))
        server = ServerVersion(major, minor, rest[0] if rest else 0)
    return Inventory(
        [(item, None) for item in objects],
        source="test",
        server_version=server,
        users=users,
        coverage=coverage,
        builtins=builtins,
    )


# --- techniques -------------------------------------------------------------------------------------


def technique(identifier: str) -> Technique:
    """The technique of an id, without loading families that do not come into it.

    Raises:
        LookupError: No family has it.
    """
    found: Technique
    for family in FAMILIES:
        try:
            module = import_module(f"workbench.techniques.{family}")
        except ModuleNotFoundError as error:
            if error.name is None or not error.name.startswith("workbench.techniques"):
                raise
            continue
        for found in module.TECHNIQUES:
            if found.id == identifier:
                return found
    raise LookupError(identifier)


def findings(view: Inventory, identifier: str) -> list[Found | Blocked]:
    """All that a technique says about a view: it runs through its subjects, as a build does.

    It also holds the technique to its contract: a container, pod or permission set that is no candidate has no
    finding, no subject comes twice, and a second run says the same.
    """
    chosen = technique(identifier)
    subjects = list(chosen.subjects(view))
    keys = [subject if isinstance(subject, str) else subject.id for subject in subjects]
    assert len(keys) == len(set(keys)), f"{identifier}: a subject comes twice"
    out = [found for subject in subjects for found in chosen.detect(view, subject)]
    again = [found for subject in subjects for found in chosen.detect(view, subject)]
    assert out == again, f"{identifier}: two runs differ"
    others: Iterable[Any] = ()
    if chosen.declaration.subject_type is SubjectType.CONTAINER:
        others = view.containers
    elif chosen.declaration.subject_type is SubjectType.POD:
        others = view.pods
    elif chosen.declaration.subject_type is SubjectType.GRANT:
        others = access.grants(view)
    for other in others:
        if other.id not in keys:
            assert not list(chosen.detect(view, other)), f"{identifier}: {other.id} is no candidate"
    return out


def edges(view: Inventory, identifier: str) -> list[Edge]:
    """The edges of one technique, with the surcharge of conditional verdicts."""
    return [
        Edge(
            found.source,
            found.target,
            identifier,
            found.effort + (SURCHARGE if found.missing else 0),
            found.missing,
            found.cause,
        )
        for found in findings(view, identifier)
        if isinstance(found, Found)
    ]


def blocked(view: Inventory, identifier: str) -> list[Blocked]:
    """What mitigations turn off in one technique."""
    return [found for found in findings(view, identifier) if isinstance(found, Blocked)]


def expanded(view: Inventory, identifier: str) -> dict[tuple[str, str], Edge]:
    """The edges of one technique by their ends, hubs replaced by their members; of several the best."""
    members: dict[str, list[str]] = {}
    for family in ("members", *(each for each in FAMILIES if each.startswith("network"))):
        for member in import_module(f"workbench.techniques.{family}").TECHNIQUES:
            for one in edges(view, member.id) if member.declaration.internal else ():
                members.setdefault(one.source, []).append(one.target)

    def concrete(node: str) -> Iterable[str]:
        if not node.startswith("Hub:"):
            return (node,)
        return (found for each in members.get(node, ()) for found in concrete(each))

    out: dict[tuple[str, str], Edge] = {}
    for edge in edges(view, identifier):
        for target in concrete(edge.target):
            found = Edge(edge.source, target, identifier, edge.effort, edge.missing, edge.cause)
            known = out.get((edge.source, target))
            if known is None or found.rank < known.rank:
                out[edge.source, target] = found
    return out


def targets(view: Inventory, identifier: str, source: str) -> list[str]:
    """What a technique reaches from a node, hubs replaced by their members; sorted."""
    return sorted(target for start, target in expanded(view, identifier) if start == source)


def pairs(view: Inventory, identifier: str) -> list[tuple[str, str]]:
    """The ends of the edges of one technique, sorted, each once."""
    return sorted({(edge.source, edge.target) for edge in edges(view, identifier)})


def evidence(view: Inventory, edge: Edge) -> list[Evidence]:
    """What proves an edge."""
    return technique(edge.technique).evidence(view, edge)


def proof(view: Inventory, edge: Edge) -> dict[tuple[str, str], Any]:
    """The evidence of an edge: the value (else the default) by object and field, in order."""
    return {
        (item.object, item.field): item.default if item.value is None else item.value for item in evidence(view, edge)
    }
