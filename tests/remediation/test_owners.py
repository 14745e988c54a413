"""Where a fix is aimed, who manages the object, and what follows (``remediation.md`` 1.5)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.builders import container, daemon_set, deployment, inventory, obj, owner, pod, workload
from workbench.inventory import fields
from workbench.inventory.changes import Op
from workbench.inventory.objects import KubernetesObject
from workbench.remediation.catalogue import all_fixes
from workbench.remediation.owners import management, owns
from workbench.remediation.records import Fix, Route, Status

BAD = container("c", securityContext={"privileged": True})
OPERATED = {"apiVersion": "monitoring.coreos.com/v1", **owner("Prometheus", "k8s")}


def privileged(*objects: KubernetesObject) -> list[Fix]:
    """The F-PRIV fixes of some objects."""
    return [fix for fix in all_fixes(inventory(*objects)) if fix.fix == "F-PRIV"]


def chain(*, top: bool = True, middle: bool = True, uid: str = "d", count: int = 3) -> list[KubernetesObject]:
    """Live pods of a ReplicaSet of a Deployment, with some of them not read."""
    out: list[KubernetesObject] = [
        pod(f"web-7d9f-{number}", BAD, namespace="shop", owners=[owner("ReplicaSet", "web-7d9f", "r")])
        for number in range(count)
    ]
    if middle:
        out.append(
            workload("ReplicaSet", "web-7d9f", BAD, namespace="shop", uid="r", owners=[owner("Deployment", "web", "d")])
        )
    if top:
        out.append(deployment("web", BAD, namespace="shop", uid=uid))
    return out


@pytest.mark.parametrize(
    ("objects", "target", "route", "status", "reason"),
    [
        pytest.param(chain(), "Deployment:shop/web", "direct", "ready", "", id="the top owner"),
        pytest.param(
            chain(middle=False),
            "Pod:shop/web-7d9f-0",
            "direct",
            "blocked",
            "owner-unknown: ReplicaSet:shop/web-7d9f could not be read",
            id="the ReplicaSet is missing",
        ),
        pytest.param(
            chain(top=False),
            "Pod:shop/web-7d9f-0",
            "direct",
            "blocked",
            "owner-unknown: Deployment:shop/web could not be read",
            id="the Deployment is missing",
        ),
        pytest.param(
            [*chain(top=False), deployment("web", namespace="shop", uid="another")],
            "Pod:shop/web-7d9f-0",
            "direct",
            "blocked",
            "owner-unknown: Deployment:shop/web is not the object that owns it (another uid)",
            id="another of its name",
        ),
        pytest.param(
            [
                pod(
                    "kube-apiserver-n1",
                    BAD,
                    namespace="kube-system",
                    node="n1",
                    annotations={"kubernetes.io/config.mirror": "x"},
                )
            ],
            "Pod:kube-system/kube-apiserver-n1",
            "static",
            "advisory",
            "static: edit its file in the manifest directory of node n1 (usually /etc/kubernetes/manifests)",
            id="mirror pod",
        ),
        pytest.param(
            [pod("p", BAD, owners=[owner("Node", "n1")], node="n1")],
            "Pod:default/p",
            "static",
            "advisory",
            "static: edit its file in the manifest directory of node n1 (usually /etc/kubernetes/manifests)",
            id="owned by a node",
        ),
        pytest.param(
            [
                pod("prometheus-k8s-0", BAD, namespace="m", owners=[owner("StatefulSet", "prometheus-k8s", "s")]),
                workload("StatefulSet", "prometheus-k8s", BAD, namespace="m", uid="s", owners=[OPERATED]),
            ],
            "Pod:m/prometheus-k8s-0",
            "operator",
            "advisory",
            "operator: change Prometheus:m/k8s (monitoring.coreos.com/v1) instead; its operator undoes a patch",
            id="an operator",
        ),
        pytest.param(
            [
                pod("a-0", BAD, owners=[{"apiVersion": "apps.kruise.io/v1", **owner("StatefulSet", "a")}]),
                workload("StatefulSet", "a", uid="s"),
            ],
            "Pod:default/a-0",
            "operator",
            "advisory",
            "operator: change StatefulSet:default/a (apps.kruise.io/v1) instead",
            id="another group's kind of the same name",
        ),
        pytest.param([pod("p", BAD)], "Pod:default/p", "direct", "advisory", "recreate: ", id="a bare live pod"),
        pytest.param(
            [workload("Job", "j", BAD, uid="j")], "Job:default/j", "direct", "advisory", "recreate: ", id="a live Job"
        ),
        pytest.param([workload("CronJob", "j", BAD)], "CronJob:default/j", "direct", "ready", "", id="a CronJob"),
    ],
)
def test_targets(objects: list[KubernetesObject], target: str, route: str, status: str, reason: str) -> None:
    found = privileged(*objects)
    assert len(found) == 1
    fix = found[0]
    assert (fix.target.id, fix.route.value, fix.status.value) == (target, route, status)
    assert fix.reason.startswith(reason)
    assert bool(fix.reason) is (fix.status is not Status.READY)


def test_three_replicas_give_one_fix_that_was_seen_on_each() -> None:
    fix = privileged(*chain())[0]
    assert fix.observed_on == ("Pod:shop/web-7d9f-0", "Pod:shop/web-7d9f-1", "Pod:shop/web-7d9f-2")


def test_several_workloads_of_one_operator_are_told_apart() -> None:
    sets = [workload("StatefulSet", name, BAD, uid=name, owners=[OPERATED]) for name in ("a", "b")]
    pods = [pod(f"{name}-{i}", BAD, owners=[owner("StatefulSet", name, name)]) for name in ("a", "b") for i in (0, 1)]
    assert [fix.observed_on for fix in sorted(privileged(*sets, *pods), key=lambda fix: fix.observed_on)] == [
        ("Pod:default/a-0", "Pod:default/a-1"),
        ("Pod:default/b-0", "Pod:default/b-1"),
    ]


def labelled(kind: str = "Deployment", api: str = "", **meta: Any) -> KubernetesObject:
    """An object with labels and annotations."""
    made = obj(kind, meta.pop("name", "web"), "shop", **meta)
    made.api_version = api or made.api_version
    return made


HELM = {"labels": {"app.kubernetes.io/managed-by": "Helm"}, "annotations": {"meta.helm.sh/release-name": "shop"}}


def argo(value: str) -> dict[str, Any]:
    """The annotation of Argo CD."""
    return {"annotations": {"argocd.argoproj.io/tracking-id": value}}


@pytest.mark.parametrize(
    ("item", "route", "managers", "status", "reason"),
    [
        (labelled(), "direct", (), "ready", ""),
        (labelled(**HELM), "helm", ("Helm (shop)",), "ready", ""),
        (labelled(labels=HELM["labels"]), "direct", (), "ready", ""),
        (labelled(**argo("a:apps/Deployment:shop/web")), "git", ("Argo CD (a)",), "ready", ""),
        (labelled(**argo("a:apps/Deployment:dev/web")), "direct", (), "ready", ""),
        (labelled("Service", **argo("a:apps/Deployment:shop/web")), "direct", (), "ready", ""),
        (labelled("Service", **argo("a:/Service:shop/web")), "git", ("Argo CD (a)",), "ready", ""),
        (
            labelled("ClusterRole", **argo("a:rbac.authorization.k8s.io/ClusterRole:argocd/web")),
            "git",
            ("Argo CD (a)",),
            "ready",
            "",
        ),
        (labelled(labels={"kustomize.toolkit.fluxcd.io/name": "apps"}), "git", ("Flux (apps)",), "ready", ""),
        (
            labelled(labels={"helm.toolkit.fluxcd.io/name": "x", **HELM["labels"]}, annotations=HELM["annotations"]),
            "git",
            ("Flux (x)", "Helm (shop)"),
            "ready",
            "",
        ),
        (
            labelled(labels={"addonmanager.kubernetes.io/mode": "Reconcile"}),
            "addon",
            ("addon-manager",),
            "blocked",
            "managed",
        ),
        (
            labelled(labels={"addonmanager.kubernetes.io/mode": "EnsureExists"}),
            "direct",
            ("addon-manager",),
            "ready",
            "",
        ),
        (
            labelled(labels={"olm.owner": "etcd.v1", "olm.owner.namespace": "operators"}),
            "operator",
            ("OLM (etcd.v1)",),
            "advisory",
            "operator: change ClusterServiceVersion:operators/etcd.v1 instead; OLM undoes",
        ),
        (
            labelled("RoleBinding", owners=[OPERATED]),
            "operator",
            ("Prometheus:shop/k8s",),
            "advisory",
            "operator: change Prometheus:shop/k8s (monitoring.coreos.com/v1) instead",
        ),
        (
            labelled("ClusterRole", name="edit", annotations={"rbac.authorization.kubernetes.io/autoupdate": "true"}),
            "outside",
            ("Kubernetes",),
            "blocked",
            "managed",
        ),
        (
            labelled("ClusterRole", name="mine", annotations={"rbac.authorization.kubernetes.io/autoupdate": "true"}),
            "direct",
            (),
            "ready",
            "",
        ),
        (
            labelled(
                "ClusterRole",
                name="mine",
                labels={"kubernetes.io/bootstrapping": "rbac-defaults"},
                annotations={"rbac.authorization.kubernetes.io/autoupdate": "true"},
            ),
            "outside",
            ("Kubernetes",),
            "blocked",
            "managed",
        ),
        (
            labelled(
                "ClusterRole", name="sum", aggregationRule={"clusterRoleSelectors": [{"matchLabels": {"a": "b"}}]}
            ),
            "outside",
            ("clusterrole-aggregation-controller",),
            "blocked",
            "managed",
        ),
        (
            labelled(annotations={"kubectl.kubernetes.io/last-applied-configuration": "{}"}),
            "direct",
            ("kubectl apply",),
            "ready",
            "",
        ),
    ],
)
def test_managers(item: KubernetesObject, route: str, managers: tuple[str, ...], status: str, reason: str) -> None:
    found = management(inventory(item), item)
    assert (found.route.value, tuple(found.managers), found.status.value) == (route, managers, status)
    assert found.reason.partition(":")[0] == reason.partition(":")[0]
    assert found.reason.startswith(reason)


def test_what_the_program_knows_is_not_patched() -> None:
    item = obj("ClusterRole", "view")
    found = management(inventory(builtins=[item]), item)
    assert (found.route, found.status) == (Route.OUTSIDE, Status.BLOCKED)


OWNED = {
    "f:spec": {
        "f:template": {
            "f:spec": {
                "f:containers": {
                    'k:{"name":"web"}': {".": {}, "f:securityContext": {"f:privileged": {}}},
                    "k:{bad": {},
                },
                "f:tolerations": {},
            }
        }
    }
}


@pytest.mark.parametrize(
    ("path", "owned"),
    [
        ("spec.template.spec.containers[name=web].securityContext.privileged", True),
        ("spec.template.spec.containers[name=web].securityContext", True),
        ("spec.template.spec.containers[name=side].securityContext.privileged", False),
        ("spec.template.spec.containers[name=web].image", False),
        ("spec.template.spec.tolerations[0]", True),
        ("metadata.labels.x", False),
    ],
)
def test_owned_fields(path: str, owned: bool) -> None:
    assert owns(OWNED, fields.parse(path)) is owned
    assert not owns(None, fields.parse(path))


@pytest.mark.parametrize(
    ("manager", "operation", "path", "status", "noted"),
    [
        ("eks", "Apply", "/spec/template/spec/containers[name=web]/securityContext/privileged", "advisory", False),
        ("eks", "Apply", "/spec/template/spec/hostPID", "ready", False),
        ("flagger", "Apply", "/spec/template/spec/containers[name=web]/securityContext/privileged", "ready", True),
        ("flagger", "Update", "/spec/template/spec/containers[name=web]/securityContext/privileged", "ready", False),
    ],
)
def test_managers_of_the_very_field(manager: str, operation: str, path: str, status: str, noted: bool) -> None:
    item = daemon_set("agent", container("web"))
    entry = {"manager": manager, "operation": operation, "fieldsV1": OWNED}
    item = obj("DaemonSet", "agent", spec={}, uid="u")
    item.metadata.managed_fields = obj_fields(entry)
    found = management(inventory(item), item, [Op("set", path, False)])
    assert found.status.value == status
    assert any("conflict" in note for note in found.notes) is noted


def obj_fields(*entries: dict[str, Any]) -> Any:
    """Managed fields as an object holds them."""
    import msgspec

    from workbench.inventory.objects import ManagedField

    return msgspec.json.decode(msgspec.json.encode(entries), type=list[ManagedField])
