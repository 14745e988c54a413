"""R7: host paths, mounts, and classes of paths."""

from __future__ import annotations

from typing import Any

import pytest

from tests.builders import (
    claim,
    container,
    container_status,
    deployment,
    host_path,
    inventory,
    mount,
    persistent_volume,
    pod,
)
from workbench.inventory.inventory import Inventory
from workbench.techniques.resolve.host_paths import (
    Danger,
    HostMount,
    cleaned,
    host_mounts,
    mount_evidence,
    read_danger,
    write_danger,
)


@pytest.mark.parametrize(
    ("path", "below", "expected"),
    [
        ("/", "", "/"),
        ("", "", "/"),
        ("//", "", "/"),
        ("/etc/", "", "/etc"),
        ("/etc//cron.d/.", "", "/etc/cron.d"),
        ("/etc", "localtime", "/etc/localtime"),
        ("/", "var/run/docker.sock", "/run/docker.sock"),
        ("/var/run", "", "/run"),
        ("/var/run/docker.sock", "", "/run/docker.sock"),
        ("/var/runner", "", "/var/runner"),
        ("/a/../etc", "", "/etc"),
    ],
)
def test_cleaned(path: str, below: str, expected: str) -> None:
    assert cleaned(path, below) == expected


@pytest.mark.parametrize(
    ("path", "write", "read"),
    [
        ("/", 2, 2),
        ("/etc", 2, 2),
        ("/opt", 2, 0),
        ("/opt/app", 1, 1),
        ("/opt/cni", 2, 0),
        ("/opt/cni/bin", 2, 0),
        ("/home", 2, 2),
        ("/home/bob/.ssh", 2, 2),
        ("/home/bob/.ssh/authorized_keys", 2, 2),
        ("/home/bob/.kube", 1, 2),
        ("/home/kubernetes/bin", 2, 0),
        ("/var", 2, 2),
        ("/var/lib", 2, 2),
        ("/var/log", 1, 1),
        ("/var/spool", 2, 0),
        ("/var/spool/cron/root", 2, 0),
        ("/usr", 2, 0),
        ("/usr/local/bin", 2, 0),
        ("/lib/modules", 2, 0),
        ("/lib64", 2, 0),
        ("/library", 2, 0),
        ("/root", 2, 2),
        ("/root/.kube/config", 2, 2),
        ("/boot", 2, 0),
        ("/etc/cron.d", 2, 0),
        ("/etc/crontab", 2, 0),
        ("/etc/kubernetes/manifests", 2, 2),
        ("/etc/sudoers.d", 2, 0),
        ("/etc/shadow", 2, 0),
        ("/etc/nginx", 1, 1),
        ("/var/lib/kubelet", 2, 2),
        ("/var/lib/kubelet/pods", 2, 2),
        ("/var/lib/kubelet/pods/uid/volumes", 2, 2),
        ("/var/lib/kubelet/device-plugins", 2, 2),
        ("/var/lib/kubelet/plugins/csi", 1, 2),
        ("/var/lib/etcd/member", 2, 2),
        ("/var/lib/cloud", 1, 2),
        ("/var/lib/postgres", 1, 1),
        ("/run", 2, 0),
        ("/run/containerd", 2, 0),
        ("/run/flannel", 1, 1),
        ("/proc", 2, 2),
        ("/sys", 2, 0),
        ("/sys/fs/cgroup", 2, 0),
        ("/mnt/disks/ssd", 1, 1),
        ("/data", 1, 1),
        # exact matches are harmless; what lies around them is not
        ("/etc/localtime", 0, 0),
        ("/etc/ssl/certs", 0, 0),
        ("/etc/ssl", 1, 1),
        ("/sys/fs/bpf", 0, 0),
        ("/run/xtables.lock", 0, 0),
        ("/dev/shm", 0, 0),
        ("/usr/share/zoneinfo", 0, 0),
        # a folder of one volume, and the folder of all of them
        ("/var/lib/rancher/k3s/storage/pvc-1_shop_data", 0, 0),
        ("/var/lib/rancher/k3s/storage/pvc-1_shop_data/sub", 0, 0),
        ("/var/lib/rancher/k3s/storage", 2, 2),
        ("/var/lib/rancher/k3s/storages/x", 2, 2),
        ("/var/lib/rancher/k3s/server/manifests", 2, 2),
        ("/opt/local-path-provisioner/pvc-1_shop_data", 0, 0),
        ("/opt/local-path-provisioner", 1, 1),
        ("/var/local-path-provisioner/pvc-1_shop_data", 0, 0),
        # sockets have a technique of their own
        ("/run/docker.sock", 0, 0),
        ("/run/containerd/containerd.sock", 0, 0),
        ("/run/dbus/system_bus_socket", 0, 0),
    ],
)
def test_classes_of_paths(path: str, write: int, read: int) -> None:
    assert (write_danger(path), read_danger(path)) == (Danger(write), Danger(read))


def mounts_of(view: Inventory) -> list[HostMount]:
    (found,) = view.containers
    return host_mounts(view, found)


def with_mount(volume: dict[str, Any], **fields: Any) -> Any:
    return pod("web", container(volumeMounts=[mount(volume["name"], "/m", **fields)]), volumes=[volume])


def test_a_volume_that_is_not_mounted_gives_nothing() -> None:
    assert not mounts_of(inventory(pod("web", volumes=[host_path("host", "/")])))


def test_sub_path() -> None:
    (found,) = mounts_of(inventory(with_mount(host_path("v", "/etc"), subPath="localtime")))
    assert (found.path, found.missing) == ("/etc/localtime", ())


def test_sub_path_expression() -> None:
    spec = container(env=[{"name": "DIR", "value": "cron.d"}], volumeMounts=[mount("v", "/m", subPathExpr="$(DIR)/x")])
    (found,) = mounts_of(inventory(pod("web", spec, volumes=[host_path("v", "/etc")])))
    assert (found.path, found.missing) == ("/etc/cron.d/x", ())
    (found,) = mounts_of(inventory(with_mount(host_path("v", "/etc"), subPathExpr="$(UNKNOWN)")))
    assert (found.path, found.missing) == ("/etc", (("C-SUBPATH", "Pod:default/web"),))


def claim_volume(**fields: Any) -> dict[str, Any]:
    return {"name": "v", "persistentVolumeClaim": {"claimName": "data", **fields}}


@pytest.mark.parametrize(
    ("objects", "path"),
    [
        ([claim("data", "pv"), persistent_volume("pv", hostPath={"path": "/etc"})], "/etc"),
        ([claim("data", "pv"), persistent_volume("pv", local={"path": "/mnt/ssd"})], "/mnt/ssd"),
        (
            [persistent_volume("pv", hostPath={"path": "/etc"}, claimRef={"namespace": "default", "name": "data"})],
            "/etc",
        ),
        (
            [persistent_volume("pv", hostPath={"path": "/etc"}, claimRef={"namespace": "other", "name": "data"})],
            None,
        ),
        ([claim("data", "pv"), persistent_volume("pv", csi={"driver": "ebs.csi.aws.com"})], None),
        ([claim("data"), persistent_volume("pv", hostPath={"path": "/etc"})], None),
        ([claim("data", "pv", "other"), persistent_volume("pv", hostPath={"path": "/etc"})], None),
        ([claim("data", "gone")], None),
        ([], None),
    ],
)
def test_claims(objects: list[Any], path: str | None) -> None:
    found = mounts_of(inventory(with_mount(claim_volume()), *objects))
    assert [item.path for item in found] == ([path] if path else [])


def test_claim_evidence_and_read_only_source() -> None:
    view = inventory(
        with_mount(claim_volume(readOnly=True)), claim("data", "pv"), persistent_volume("pv", hostPath={"path": "/etc"})
    )
    (found,) = mounts_of(view)
    assert found.read_only
    (holder,) = view.containers
    assert [(e.object, e.field, e.value) for e in mount_evidence(view, holder, found)] == [
        ("PersistentVolume:pv", "spec.hostPath.path", "/etc"),
        ("PersistentVolumeClaim:default/data", "spec.volumeName", "pv"),
        ("Pod:default/web", "spec.volumes[name=v].persistentVolumeClaim.claimName", "data"),
        ("Pod:default/web", "spec.volumes[name=v].persistentVolumeClaim.readOnly", True),
        ("Pod:default/web", "spec.containers[name=app].volumeMounts[mountPath=/m].mountPath", "/m"),
        ("Pod:default/web", "spec.containers[name=app].volumeMounts[mountPath=/m].readOnly", None),
        ("Pod:default/web", "spec.containers[name=app].volumeMounts[mountPath=/m].recursiveReadOnly", None),
    ]


def test_access_mode_read_only_many_enforces_nothing() -> None:
    volume = persistent_volume("pv", hostPath={"path": "/etc"}, accessModes=["ReadOnlyMany"])
    (found,) = mounts_of(inventory(with_mount(claim_volume()), claim("data", "pv"), volume))
    assert not found.read_only


@pytest.mark.parametrize(
    ("volume", "expected"),
    [
        ({"name": "v", "csi": {"driver": "hostpath.csi.k8s.io"}}, True),
        ({"name": "v", "flexVolume": {"driver": "example.com/local-path"}}, True),
        ({"name": "v", "csi": {"driver": "secrets-store.csi.k8s.io"}}, False),
        ({"name": "v", "emptyDir": {}}, False),
        ({"name": "v", "configMap": {"name": "x"}}, False),
    ],
)
def test_drivers_that_expose_the_host(volume: dict[str, Any], expected: bool) -> None:
    found = mounts_of(inventory(with_mount(volume)))
    assert [(m.path, m.missing) for m in found] == ([(None, (("C-CSI", "Pod:default/web"),))] if expected else [])


def writable(view: Inventory) -> list[str]:
    return [path for item in mounts_of(view) for path, _ in item.writable()]


SUBMOUNTS = ["/proc", "/sys", "/run", "/dev"]


@pytest.mark.parametrize(
    ("path", "fields", "expected"),
    [
        ("/", {}, ["/"]),
        ("/", {"readOnly": False}, ["/"]),
        ("/", {"readOnly": True}, SUBMOUNTS),
        ("/", {"readOnly": True, "recursiveReadOnly": "Disabled"}, SUBMOUNTS),
        ("/", {"readOnly": True, "recursiveReadOnly": "Enabled"}, []),
        ("/proc", {"readOnly": True}, []),
        ("/etc", {"readOnly": True}, []),
        ("/etc", {}, ["/etc"]),
    ],
)
def test_read_only_mounts_and_their_submounts(path: str, fields: dict[str, Any], expected: list[str]) -> None:
    assert writable(inventory(with_mount(host_path("v", path), **fields))) == expected


@pytest.mark.parametrize(("in_force", "expected"), [("Enabled", []), ("Disabled", SUBMOUNTS), (None, SUBMOUNTS)])
def test_if_possible_is_decided_by_the_status(in_force: str | None, expected: list[str]) -> None:
    status = {"name": "v", "mountPath": "/m"} | ({"recursiveReadOnly": in_force} if in_force else {})
    view = inventory(
        pod(
            "web",
            container(volumeMounts=[mount("v", "/m", readOnly=True, recursiveReadOnly="IfPossible")]),
            volumes=[host_path("v", "/")],
            status={"containerStatuses": [container_status("app", volumeMounts=[status])]},
        )
    )
    assert writable(view) == expected


@pytest.mark.parametrize(
    ("wish", "version", "expected"),
    [
        ("Enabled", "1.31.0", []),
        ("Enabled", "1.30.9", [("/proc", ())]),
        ("Enabled", None, [("/proc", (("C-GATE", "Cluster"),))]),
        ("IfPossible", "1.33.0", [("/proc", (("C-GATE", "Cluster"),))]),
        ("IfPossible", "1.30.0", [("/proc", ())]),
    ],
)
def test_recursive_read_only_in_manifests(wish: str, version: str | None, expected: list[Any]) -> None:
    spec = container(volumeMounts=[mount("v", "/m", readOnly=True, recursiveReadOnly=wish)])
    (found,) = mounts_of(inventory(deployment("web", spec, volumes=[host_path("v", "/")]), version=version))
    assert list(found.writable())[:1] == expected
