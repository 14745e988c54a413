"""Steps through host paths: traps T35, T36, T39 to T43, and each technique on, nearly and off."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from tests.builders import (
    IMAGE,
    NODE,
    blocked,
    claim,
    container,
    daemon_set,
    deployment,
    edges,
    evidence,
    findings,
    host_path,
    inventory,
    mount,
    node,
    obj,
    pairs,
    persistent_volume,
    pod,
    proof,
    runtime_class,
    token_mount,
    token_volume,
)
from workbench.inventory.inventory import Inventory

SOURCE = "Container:default/web/app"
TARGET = f"Node:{NODE}"
ROOT = {"runAsUser": 0}
KEPT = {"runAsUser": 1000, "allowPrivilegeEscalation": False}
MOUNTS = "spec.containers[name=app].volumeMounts[mountPath=/host]"
READ_ONLY = {"readOnly": True}
RECURSIVE = {"readOnly": True, "recursiveReadOnly": "Enabled"}


def granted(
    *resources: str, verb: str = "get", namespace: str = "", of: str = "default", names: Sequence[str] = ()
) -> list[Any]:
    """A role ``logs`` bound to the account of namespace ``default``, in the whole cluster or in one namespace."""
    kind = "Role" if namespace else "ClusterRole"
    return [
        obj(
            kind,
            "logs",
            namespace,
            rules=[
                {"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]},
                {"verbs": [verb], "apiGroups": [""], "resources": list(resources), "resourceNames": list(names)},
            ],
        ),
        obj(
            f"{kind}Binding",
            "logs",
            namespace,
            roleRef={"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": "logs"},
            subjects=[{"kind": "ServiceAccount", "name": of, "namespace": "default"}],
        ),
    ]


def logger(path: str, **fields: Any) -> Any:
    """A live pod whose root user mounts a path of the host and holds a token."""
    return pod(
        "web",
        container(securityContext=ROOT, volumeMounts=[mount("host", "/host", **fields), token_mount()]),
        volumes=[host_path("host", path), token_volume()],
    )


def host(path: str, own: dict[str, Any] | None = None, /, name: str = "web", **fields: Any) -> Any:
    """A live pod whose container mounts a path of the host at ``/host``."""
    spec = {
        key: fields.pop(key)
        for key in ("hostUsers", "runtimeClassName", "namespace", "securityContext")
        if key in fields
    }
    return pod(
        name,
        container(securityContext=ROOT if own is None else own, volumeMounts=[mount("host", "/host", **fields)]),
        volumes=[host_path("host", path)],
        **spec,
    )


def verdict(view: Inventory, identifier: str) -> str:
    """``on``, ``off`` (blocked), ``none``, or the conditions; with the effort after it."""
    found = edges(view, identifier)
    if not found:
        return "off" if blocked(view, identifier) else "none"
    best = min(found, key=lambda edge: edge.rank)
    assert (best.source, best.target) == (SOURCE, TARGET)
    return f"{'+'.join(best.conditions) or 'on'} {best.effort}"


WRITE, READ, CORE, LOGS, SOCKET, TRAVERSE = (
    "EXPLOIT_HOST_WRITE",
    "EXPLOIT_HOST_READ",
    "CE_UMH_CORE_PATTERN",
    "CE_VAR_LOG_SYMLINK",
    "EXPLOIT_CONTAINERD_SOCK",
    "EXPLOIT_HOST_TRAVERSE",
)


@pytest.mark.parametrize(
    ("path", "fields", "write", "read"),
    [
        ("/etc", {}, "on 3", "on 3"),
        ("/etc", READ_ONLY, "none", "on 3"),
        ("/", {}, "on 3", "on 3"),
        ("/", READ_ONLY, "on 3", "on 3"),  # T39
        ("/", RECURSIVE, "none", "on 3"),  # T39
        ("/etc", {"subPath": "localtime"}, "none", "none"),  # T41
        ("/etc/localtime", {}, "none", "none"),  # T43
        ("/etc", {"subPath": "cron.d"}, "on 3", "none"),
        ("/etc", {"subPathExpr": "$(NAME)"}, "C-SUBPATH 5", "C-SUBPATH 5"),
        ("/data", {}, "C-PATH 8", "C-PATH 8"),
        ("/data", READ_ONLY, "none", "C-PATH 8"),
        ("/mnt", {}, "C-PATH 8", "C-PATH 8"),
        ("/var/lib/kubelet/plugins/x", {}, "C-PATH 8", "on 3"),
        ("/usr/share/zoneinfo", {}, "none", "none"),
        ("/var/run/docker.sock", {}, "none", "none"),
        ("/dev/sda", {}, "none", "none"),
        ("/dev/shm", {}, "none", "none"),
    ],
)
def test_read_and_write_by_path(path: str, fields: dict[str, Any], write: str, read: str) -> None:
    view = inventory(host(path, **fields), node())
    assert (verdict(view, WRITE), verdict(view, READ)) == (write, read)


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        (ROOT, "on 3"),
        ({}, "C-USER 5"),
        ({"runAsUser": 1000}, "C-SETUID 5"),
        (KEPT, "off"),
    ],
)
@pytest.mark.parametrize("identifier", [WRITE, READ, CORE])
def test_root_is_needed(identifier: str, own: dict[str, Any], expected: str) -> None:
    assert verdict(inventory(host("/", own), node()), identifier) == expected


@pytest.mark.parametrize(
    ("own", "os_image", "runtime", "expected"),
    [
        (ROOT, "Ubuntu 22.04.4 LTS", "containerd://1.7", "on"),
        (ROOT, "Amazon Linux 2023", "containerd://1.7", "on"),
        (ROOT, "Red Hat Enterprise Linux CoreOS 416.94", "cri-o://1.29", "C-LSM"),
        (ROOT, "Red Hat Enterprise Linux 9.4", "containerd://1.7", "C-LSM"),
        (ROOT, "Talos (v1.7)", "containerd://1.7", "C-LSM"),
        ({**ROOT, "privileged": True}, "Talos (v1.7)", "containerd://1.7", "on"),
        ({**ROOT, "seLinuxOptions": {"type": "spc_t"}}, "Bottlerocket OS 1.20", "containerd://1.7", "on"),
        ({**ROOT, "appArmorProfile": {"type": "Unconfined"}}, "Talos (v1.7)", "containerd://1.7", "C-LSM"),
    ],
)
@pytest.mark.parametrize("identifier", [WRITE, READ, CORE, SOCKET])
def test_security_module_of_the_host(
    identifier: str, own: dict[str, Any], os_image: str, runtime: str, expected: str
) -> None:
    view = inventory(host("/", own), node(os_image=os_image, runtime=runtime))
    assert verdict(view, identifier).split()[0] == expected


def test_t35_t36_host_paths_ignore_user_namespaces_and_sandboxes() -> None:
    own = {"privileged": True, "runAsUser": 0}
    for pod_ in (host("/etc", own, hostUsers=False), host("/etc", own, runtimeClassName="kata")):
        view = inventory(pod_, runtime_class("kata", "kata"), node())
        assert verdict(view, WRITE) == "on 3"
        assert verdict(view, READ) == "on 3"
        assert not edges(view, "CE_PRIV_MOUNT")


@pytest.mark.parametrize(
    ("path", "fields", "expected"),
    [
        ("/", {}, "on 3"),
        ("/", READ_ONLY, "on 3"),  # T39
        ("/", RECURSIVE, "off"),  # T39
        ("/proc", {}, "on 3"),
        ("/proc", READ_ONLY, "off"),
        ("/proc/sys", {}, "on 3"),
        ("/proc/sys/kernel", {}, "on 3"),
        ("/proc/sys/net", {}, "none"),
        ("/proc/1", {}, "none"),
        ("/sys", {}, "none"),
        ("/", {"hostUsers": False}, "off"),
        ("/", {"runtimeClassName": "kata"}, "off"),
        ("/", {"runtimeClassName": "unread"}, "C-RUNTIMECLASS 5"),
    ],
)
def test_core_pattern(path: str, fields: dict[str, Any], expected: str) -> None:
    assert verdict(inventory(host(path, **fields), runtime_class("kata", "kata"), node()), CORE) == expected


def test_core_pattern_says_what_turns_it_off() -> None:
    (off,) = blocked(inventory(host("/proc", **READ_ONLY), node()), CORE)
    assert off == (SOURCE, TARGET, "readOnly: true on the mount of /proc keeps the core pattern as it is")


@pytest.mark.parametrize(
    ("path", "fields", "expected"),
    [
        ("/var/run/docker.sock", READ_ONLY, "on 2"),  # T40
        ("/run/docker.sock", {}, "on 2"),
        ("/run/containerd", READ_ONLY, "on 2"),
        ("/run", {}, "on 2"),
        ("/", RECURSIVE, "on 2"),
        ("/run/k3s/containerd/containerd.sock", {}, "on 2"),
        ("/run/docker.sock.bak", {}, "none"),
        ("/run/flannel", {}, "none"),
        ("/etc", {}, "none"),
        ("/var", {}, "C-PATH 4"),
        ("/var/snap/microk8s/common/run", {}, "on 2"),
        ("/run/systemd", {}, "C-PATH 4"),
        ("/run/dbus/system_bus_socket", {}, "C-PATH 4"),
        ("/run/docker.sock", {"hostUsers": False}, "C-GID 4"),
        ("/run/docker.sock", {"runtimeClassName": "kata"}, "off"),
    ],
)
def test_runtime_socket(path: str, fields: dict[str, Any], expected: str) -> None:
    assert verdict(inventory(host(path, **fields), runtime_class("kata", "kata"), node()), SOCKET) == expected


def test_runtime_socket_without_root() -> None:
    path = "/run/docker.sock"
    assert verdict(inventory(host(path, KEPT), node()), SOCKET) == "C-GID 4"
    assert verdict(inventory(host(path, {}), node()), SOCKET) == "C-USER 4"
    found = edges(inventory(host(path, {"runAsUser": 7}), node()), SOCKET)
    assert [edge.missing for edge in found] == [(("C-SETUID", f"Image:{IMAGE}"),), (("C-GID", TARGET),)]
    assert verdict(inventory(host("/run/systemd/private", KEPT), node()), SOCKET) == "off"


def test_microk8s_nodes_have_their_socket_below_var() -> None:
    view = inventory(host("/var"), node(labels={"microk8s.io/cluster": "true"}))
    assert verdict(view, SOCKET) == "on 2"


def test_t42_only_the_container_that_mounts_it() -> None:
    view = inventory(
        pod(
            "web",
            container("a", securityContext=ROOT),
            container("b", securityContext=ROOT, volumeMounts=[mount("host", "/host")]),
            volumes=[host_path("host", "/")],
        ),
        node(),
    )
    for identifier in (WRITE, READ, CORE, SOCKET):
        assert pairs(view, identifier) == [("Container:default/web/b", TARGET)]


def test_claims_lead_to_the_host_path_of_their_volume() -> None:
    web = pod(
        "web",
        container(securityContext=ROOT, volumeMounts=[mount("data", "/data")]),
        volumes=[{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}],
    )
    bound = [claim("data", "pv"), persistent_volume("pv", hostPath={"path": "/etc/kubernetes"})]
    view = inventory(web, node(), *bound)
    (edge,) = edges(view, WRITE)
    assert [(e.object, e.field, e.value) for e in evidence(view, edge)][:3] == [
        ("PersistentVolume:pv", "spec.hostPath.path", "/etc/kubernetes"),
        ("PersistentVolumeClaim:default/data", "spec.volumeName", "pv"),
        ("Pod:default/web", "spec.volumes[name=data].persistentVolumeClaim.claimName", "data"),
    ]
    assert not findings(inventory(web, node()), WRITE)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/var/lib/rancher/k3s/storage/pvc-1_default_data", "none"),
        ("/opt/local-path-provisioner/pvc-1_default_data", "none"),
        ("/var/lib/rancher/k3s/storage/../server/manifests", "on 3"),
    ],
)
@pytest.mark.parametrize("source", ["hostPath", "local"])
def test_the_folder_of_a_provisioned_volume_does_not_give_the_node(path: str, source: str, expected: str) -> None:
    web = pod(
        "web",
        container(securityContext=ROOT, volumeMounts=[mount("data", "/data")]),
        volumes=[{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}],
    )
    view = inventory(web, node(), claim("data", "pv"), persistent_volume("pv", **{source: {"path": path}}))
    assert (verdict(view, WRITE), verdict(view, READ)) == (expected, expected)


def test_a_driver_that_exposes_the_host_is_conditional() -> None:
    web = pod(
        "web",
        container(securityContext=ROOT, volumeMounts=[mount("v", "/v")]),
        volumes=[{"name": "v", "csi": {"driver": "hostpath.csi.k8s.io"}}],
    )
    (edge,) = edges(inventory(web, node()), WRITE)
    assert (edge.effort, edge.missing) == (8, (("C-CSI", "Pod:default/web"),))


def test_windows_paths_are_left_alone() -> None:
    view = inventory(host("/etc"), node(operating_system="windows"))
    assert not findings(view, WRITE)
    assert not findings(inventory(host("/"), node(operating_system="windows")), TRAVERSE)


def test_evidence_begins_with_the_path() -> None:
    view = inventory(host("/", **READ_ONLY), node())
    (edge,) = edges(view, WRITE)
    assert edge.cause == ("/host", "/proc")
    assert list(proof(view, edge).items()) == [
        (("Pod:default/web", "spec.volumes[name=host].hostPath.path"), "/"),
        (("Pod:default/web", f"{MOUNTS}.mountPath"), "/host"),
        (("Pod:default/web", f"{MOUNTS}.readOnly"), True),
        (("Pod:default/web", f"{MOUNTS}.recursiveReadOnly"), "Disabled"),
        (("Pod:default/web", "spec.containers[name=app].securityContext.runAsUser"), 0),
        (("Pod:default/web", "spec.nodeName"), NODE),
        ((TARGET, "status.nodeInfo.osImage"), "Ubuntu 22.04.4 LTS"),
        ((TARGET, "status.nodeInfo.containerRuntimeVersion"), "containerd://1.7.20"),
        ((TARGET, "status.nodeInfo.operatingSystem"), "linux"),
    ]
    (edge,) = edges(view, CORE)
    assert ("Pod:default/web", "spec.hostUsers") in proof(view, edge)


def test_manifests_go_to_the_unknown_node() -> None:
    view = inventory(
        deployment(
            "web",
            container(securityContext=ROOT, volumeMounts=[mount("host", "/host")]),
            volumes=[host_path("host", "/etc")],
        )
    )
    (edge,) = edges(view, WRITE)
    assert (edge.target, edge.missing) == ("Node:*", (("C-LSM", "Node:*"),))
    assert evidence(view, edge)[0].field == "spec.template.spec.volumes[name=host].hostPath.path"


# --- logs ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "fields", "expected"),
    [
        ("/var/log", {}, "on 3"),
        ("/var", {}, "on 3"),
        ("/", {}, "on 3"),
        ("/var/log", READ_ONLY, "none"),
        ("/", READ_ONLY, "none"),
        ("/var/log/pods", {}, "none"),
        ("/var/lib", {}, "none"),
    ],
)
@pytest.mark.parametrize(
    ("verb", "resource"), [("get", "nodes/log"), ("get", "nodes/proxy"), ("create", "nodes/proxy"), ("*", "*")]
)
def test_log_links(verb: str, resource: str, path: str, fields: dict[str, Any], expected: str) -> None:
    view = inventory(logger(path, **fields), node(), *granted(resource, verb=verb))
    assert verdict(view, LOGS) == expected


@pytest.mark.parametrize(
    ("objects", "expected"),
    [
        ([], "C-EXEC 5"),
        (granted("nodes/log", of="other"), "C-EXEC 5"),
        (granted("nodes"), "C-EXEC 5"),
        (granted("nodes/log", verb="list"), "C-EXEC 5"),
        (granted("nodes/log", names=[NODE]), "on 3"),
        (granted("nodes/log", names=["worker-2"]), "C-EXEC 5"),
        (granted("pods/log"), "on 6"),
        (granted("pods/log", names=["db"]), "C-EXEC 5"),
        (granted("pods/log", namespace="default"), "on 6"),
        (granted("pods/log", namespace="away"), "C-EXEC 5"),
        (granted("pods/log", "nodes/log"), "on 3"),
        # a RoleBinding gives no rights on nodes
        (granted("nodes/log", namespace="default"), "C-EXEC 5"),
    ],
)
def test_who_reads_the_log(objects: list[Any], expected: str) -> None:
    assert verdict(inventory(logger("/var/log"), node(), *objects), LOGS) == expected


def test_log_links_without_a_token_need_another_reader() -> None:
    (edge,) = edges(inventory(host("/var/log"), node(), *granted("nodes/log")), LOGS)
    assert (edge.effort, edge.missing) == (5, (("C-EXEC", "Pod:default/web"),))


def test_log_evidence_has_the_role_and_the_token() -> None:
    view = inventory(logger("/var/log"), node(), *granted("nodes/log"))
    (edge,) = edges(view, LOGS)
    found = [(e.object, e.field) for e in evidence(view, edge)]
    assert found[0] == ("Pod:default/web", "spec.volumes[name=host].hostPath.path")
    assert ("ClusterRole:logs", "rules[1]") in found
    assert ("ClusterRole:logs", "rules[0]") not in found
    assert ("ClusterRoleBinding:logs", "roleRef") in found
    assert ("Pod:default/web", "spec.volumes[name=kube-api-access-x].projected") in found


# --- tokens on the node's disk --------------------------------------------------------------------------


def with_token(name: str, account: str, **options: Any) -> Any:
    return pod(
        name,
        container(volumeMounts=[token_mount()]),
        serviceAccountName=account,
        volumes=[token_volume(audience=options.pop("audience", None))],
        **options,
    )


def account(name: str, namespace: str = "default") -> str:
    return f"ServiceAccount:{namespace}/{name}"


@pytest.mark.parametrize(
    ("path", "fields", "expected"),
    [
        ("/", {}, True),
        ("/", READ_ONLY, True),
        ("/var", {}, True),
        ("/var/lib/kubelet", {}, True),
        ("/var/lib/kubelet/pods", RECURSIVE, True),
        ("/var/lib/kubelet/pods/uid", {}, False),
        ("/var/lib/kubelet/plugins", {}, False),
        ("/var/log", {}, False),
        ("/var/lib/kube", {}, False),
    ],
)
def test_traverse_by_path(path: str, fields: dict[str, Any], expected: bool) -> None:
    view = inventory(host(path, **fields), with_token("db", "db"), node())
    assert pairs(view, TRAVERSE) == ([(SOURCE, account("db"))] if expected else [])


def test_traverse_takes_the_tokens_of_this_node_only() -> None:
    view = inventory(
        host("/"),
        with_token("a", "a"),
        with_token("a2", "a"),
        with_token("b", "b", namespace="other"),
        with_token("vault", "vault", audience="vault"),
        with_token("far", "far", node="worker-2"),
        with_token("done", "done", phase="Succeeded"),
        pod("none", serviceAccountName="none"),
        node(),
        node("worker-2"),
    )
    assert pairs(view, TRAVERSE) == [(SOURCE, account("a")), (SOURCE, account("b", "other"))]
    assert {edge.missing for edge in edges(view, TRAVERSE)} == {()}
    assert {edge.effort for edge in edges(view, TRAVERSE)} == {2}


@pytest.mark.parametrize(
    ("own", "missing"),
    [
        (ROOT, ()),
        ({}, (("C-USER", f"Image:{IMAGE}"),)),
        ({"runAsUser": 7}, (("C-SETUID", f"Image:{IMAGE}"),)),
        (KEPT, None),
    ],
)
def test_traverse_needs_root(own: dict[str, Any], missing: tuple[tuple[str, str], ...] | None) -> None:
    view = inventory(host("/", own), with_token("db", "db"), node())
    assert [edge.missing for edge in edges(view, TRAVERSE)] == ([] if missing is None else [missing])
    assert bool(blocked(view, TRAVERSE)) is (missing is None)


def test_traverse_in_manifests_asks_whether_the_pods_share_a_node() -> None:
    agent = deployment(
        "agent",
        container(securityContext={**ROOT, "privileged": True}, volumeMounts=[mount("host", "/host")]),
        volumes=[host_path("host", "/")],
        serviceAccountName="agent",
    )
    view = inventory(
        agent,
        deployment("db", serviceAccountName="db"),
        deployment("db2", serviceAccountName="shared"),
        daemon_set("log", serviceAccountName="log"),
        daemon_set("shared", serviceAccountName="shared"),
        daemon_set("gpu", serviceAccountName="gpu", nodeSelector={"gpu": "yes"}),
    )
    found = {edge.target: edge.missing for edge in edges(view, TRAVERSE)}
    assert found == {
        account("agent"): (),
        account("db"): (("C-NODE", "Node:*"),),
        account("log"): (),
        account("shared"): (),
        account("gpu"): (("C-NODE", "Node:*"),),
    }


def test_traverse_evidence_has_the_path_and_the_token() -> None:
    view = inventory(host("/"), with_token("db", "db"), node())
    (edge,) = edges(view, TRAVERSE)
    found = [(e.object, e.field) for e in evidence(view, edge)]
    assert found[0] == ("Pod:default/web", "spec.volumes[name=host].hostPath.path")
    assert ("Pod:default/web", "spec.containers[name=app].securityContext.runAsUser") in found
    assert ("Pod:default/db", "spec.volumes[name=kube-api-access-x].projected") in found
    assert ("Pod:default/db", "spec.nodeName") in found


@pytest.mark.parametrize(
    ("own", "of_pod", "expected"),
    [
        ({"runAsGroup": 65534}, {}, "off"),
        ({}, {"runAsGroup": 65534}, "off"),
        ({"runAsGroup": 0}, {}, "C-GID 4"),
        ({"runAsGroup": 65534}, {"fsGroup": 999}, "C-GID 4"),
        ({"runAsGroup": 65534}, {"supplementalGroups": [999]}, "C-GID 4"),
        ({"runAsGroup": 0}, {"runAsGroup": 65534}, "C-GID 4"),
        ({}, {}, "C-GID 4"),
    ],
)
def test_the_group_of_a_process_that_is_not_root_decides_about_the_socket(
    own: dict[str, Any], of_pod: dict[str, Any], expected: str
) -> None:
    view = inventory(host("/run/docker.sock", {**KEPT, **own}, securityContext=of_pod), node())
    assert verdict(view, SOCKET) == expected
    if expected != "off":
        (edge,) = edges(view, SOCKET)
        fields = {field.rpartition(".")[2] for _, field in proof(view, edge)}
        assert {"runAsGroup", "fsGroup", "supplementalGroups"} <= fields
