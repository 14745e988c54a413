"""The fixes of pod specs: when they apply, their edits, their risk."""

from __future__ import annotations

from typing import Any

import pytest

from tests.builders import (
    claim,
    container,
    daemon_set,
    deployment,
    host_path,
    inventory,
    mount,
    obj,
    owner,
    persistent_volume,
    pod,
    token_mount,
    token_volume,
    workload,
)
from workbench.inventory.changes import overlay
from workbench.inventory.objects import KubernetesObject
from workbench.remediation.catalogue import all_fixes
from workbench.remediation.records import Fix, Status, ready_together

SPEC = "/spec/template/spec"
C = f"{SPEC}/containers[name=c]"


def fixes(identifier: str, *objects: KubernetesObject, version: str | None = "1.33.2") -> list[Fix]:
    """The fixes of one kind."""
    return [fix for fix in all_fixes(inventory(*objects, version=version)) if fix.fix == identifier]


def edits(fix: Fix) -> dict[str, Any]:
    """The edits by path: the value, or ``-`` for what goes."""
    return {op.path: op.value if op.op == "set" else "-" for op in fix.ops}


def with_context(**context: Any) -> dict[str, Any]:
    """A container of a security context."""
    ports = [{"containerPort": port} for port in context.pop("ports", ())]
    return container("c", securityContext=context, ports=ports)


# --- privileges and namespaces ------------------------------------------------------------------------


def test_privileged_off_in_every_container_that_is() -> None:
    web = deployment(
        "web",
        with_context(privileged=True),
        container("side"),
        initContainers=[container("i", securityContext={"privileged": True})],
    )
    (fix,) = fixes("F-PRIV", web)
    assert edits(fix) == {
        f"{C}/securityContext/privileged": False,
        f"{SPEC}/initContainers[name=i]/securityContext/privileged": False,
    }
    assert fix.risk.level.value == "medium"


@pytest.mark.parametrize(
    "item",
    [
        deployment("web", with_context(privileged=True), namespace="kube-system"),
        daemon_set("web", with_context(privileged=True)),
        deployment("web", with_context(privileged=True), volumes=[host_path("x", "/data")]),
        deployment(
            "web",
            container("c", securityContext={"privileged": True}, volumeDevices=[{"name": "d", "devicePath": "/dev/x"}]),
        ),
    ],
)
def test_what_works_on_the_node_may_need_it(item: KubernetesObject) -> None:
    assert [fix.risk.level.value for fix in fixes("F-PRIV", item)] == ["high"]


@pytest.mark.parametrize("identifier", ["F-PRIV", "F-HOSTNS", "F-CAPS", "F-HP-RO"])
def test_a_windows_workload_has_no_fields_of_linux(identifier: str) -> None:
    web = deployment("web", with_context(privileged=True), os={"name": "windows"}, hostNetwork=True)
    assert not fixes(identifier, web)


def test_host_namespaces() -> None:
    (fix,) = fixes("F-HOSTNS", deployment("web", container("c"), hostPID=True, hostIPC=False, hostNetwork=True))
    assert edits(fix) == {f"{SPEC}/hostPID": False, f"{SPEC}/hostNetwork": False}
    assert any("source address" in reason for reason in fix.risk.reasons)
    assert not fixes("F-HOSTNS", deployment("web", container("c"), hostPID=False))


# --- capabilities -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "add", "drop"),
    [
        pytest.param(
            with_context(capabilities={"add": ["NET_ADMIN", "NET_BIND_SERVICE"], "drop": ["MKNOD"]}),
            ["NET_BIND_SERVICE"],
            ["ALL"],
            id="acceptance 3",
        ),
        pytest.param(container("c"), None, ["ALL"], id="nothing said"),
        pytest.param(with_context(ports=[80]), ["NET_BIND_SERVICE"], ["ALL"], id="a low port"),
        pytest.param(with_context(ports=[1024]), None, ["ALL"], id="not low"),
        pytest.param(
            with_context(ports=[443], capabilities={"add": ["CHOWN"]}),
            ["CHOWN", "NET_BIND_SERVICE"],
            ["ALL"],
            id="both",
        ),
        pytest.param(
            with_context(capabilities={"add": ["SYS_ADMIN"], "drop": ["ALL"]}), "-", None, id="only what is added"
        ),
        pytest.param(with_context(capabilities={"add": ["ALL"]}), "-", ["ALL"], id="add ALL"),
        pytest.param(
            with_context(capabilities={"add": ["cap_chown", "sys_time"]}), ["cap_chown"], ["ALL"], id="spelling"
        ),
        pytest.param(
            with_context(capabilities={"add": ["CHOWN"], "drop": ["CHOWN"]}), "-", ["ALL"], id="a drop beats an add"
        ),
        pytest.param(
            with_context(ports=[80], capabilities={"drop": ["all"], "add": ["SYS_ADMIN"]}),
            "-",
            None,
            id="it did without",
        ),
    ],
)
def test_capabilities(spec: dict[str, Any], add: Any, drop: Any) -> None:
    (fix,) = fixes("F-CAPS", deployment("web", spec))
    base = f"{C}/securityContext/capabilities"
    wanted = {f"{base}/add": add, f"{base}/drop": drop}
    assert edits(fix) == {path: value for path, value in wanted.items() if value is not None}
    assert fix.risk.level.value == "medium"


@pytest.mark.parametrize(
    "spec",
    [
        with_context(capabilities={"drop": ["ALL"]}),
        with_context(capabilities={"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]}, ports=[80]),
        with_context(privileged=True, capabilities={"add": ["SYS_ADMIN"]}),
    ],
)
def test_capabilities_that_are_well(spec: dict[str, Any]) -> None:
    assert not fixes("F-CAPS", deployment("web", spec))


# --- host paths ---------------------------------------------------------------------------------------

SOCK = deployment(
    "web",
    container("c", volumeMounts=[mount("sock", "/var/run/docker.sock"), mount("other", "/o")]),
    initContainers=[container("i1", volumeMounts=[mount("sock", "/s")])],
    volumes=[host_path("sock", "/var/run/docker.sock"), {"name": "other", "emptyDir": {}}],
    namespace="kube-system",
)


def test_a_volume_goes_with_every_mount() -> None:
    (fix,) = fixes("F-HP-DEL", SOCK)
    assert edits(fix) == {
        f"{C}/volumeMounts[mountPath=/var/run/docker.sock]": "-",
        f"{SPEC}/initContainers[name=i1]/volumeMounts[mountPath=/s]": "-",
        f"{SPEC}/volumes[name=sock]": "-",
    }
    assert fix.risk.level.value == "high"
    assert fix.title == "no hostPath /var/run/docker.sock on Deployment kube-system/web"
    assert not fixes("F-HP-RO", SOCK), "a socket takes connections on a read-only mount as well"


def mounted(path: str, *, volume: dict[str, Any] | None = None, **fields: Any) -> KubernetesObject:
    """A Deployment that mounts a host path."""
    made = volume or host_path("v", path)
    return deployment("web", container("c", volumeMounts=[mount("v", "/v", **fields)]), volumes=[made])


@pytest.mark.parametrize(
    ("item", "removed", "read_only"),
    [
        pytest.param(mounted("/etc"), True, {"readOnly": True, "recursiveReadOnly": "Enabled"}, id="writable"),
        pytest.param(mounted("/etc", readOnly=True), True, None, id="read-only already"),
        pytest.param(mounted("/", readOnly=True), True, {"recursiveReadOnly": "Enabled"}, id="submounts of the root"),
        pytest.param(mounted("/etc", mountPropagation="HostToContainer"), True, {"readOnly": True}, id="propagation"),
        pytest.param(mounted("/etc/localtime"), False, None, id="benign"),
        pytest.param(mounted("/etc", subPath="localtime"), False, None, id="benign by its subPath"),
        pytest.param(
            mounted("/unheard/of"), True, {"readOnly": True, "recursiveReadOnly": "Enabled"}, id="nobody knows"
        ),
        pytest.param(mounted("", volume={"name": "v", "emptyDir": {}}), False, None, id="no host path"),
        pytest.param(
            mounted("", volume={"name": "v", "hostPath": {"path": "/x.sock", "type": "Socket"}}),
            True,
            None,
            id="a socket",
        ),
    ],
)
def test_host_paths(item: KubernetesObject, removed: bool, read_only: dict[str, Any] | None) -> None:
    assert bool(fixes("F-HP-DEL", item)) is removed
    found = [edits(fix) for fix in fixes("F-HP-RO", item)]
    base = f"{C}/volumeMounts[mountPath=/v]"
    assert found == ([{f"{base}/{name}": value for name, value in read_only.items()}] if read_only else [])


@pytest.mark.parametrize(("version", "deep"), [("1.30.9", False), ("1.31.0", True), (None, True)])
def test_recursive_only_where_the_server_knows_it(version: str | None, deep: bool) -> None:
    (fix,) = fixes("F-HP-RO", mounted("/etc"), version=version)
    assert (f"{C}/volumeMounts[mountPath=/v]/recursiveReadOnly" in edits(fix)) is deep


def test_a_claim_stays_and_so_does_what_nobody_mounts() -> None:
    pvc = {"name": "v", "persistentVolumeClaim": {"claimName": "c"}}
    item = mounted("", volume=pvc)
    others = [claim("c", "pv"), persistent_volume("pv", hostPath={"path": "/etc"})]
    unmounted = deployment("idle", container("c"), volumes=[host_path("v", "/etc")])
    assert not fixes("F-HP-DEL", item, unmounted, *others)
    assert not fixes("F-HP-RO", item, unmounted, *others)


def test_taking_away_and_making_read_only_contradict_each_other() -> None:
    view = inventory(mounted("/etc"))
    found = {fix.fix: fix for fix in all_fixes(view) if fix.fix.startswith("F-HP")}
    assert found["F-HP-DEL"].conflicts_with == (found["F-HP-RO"].id,)
    assert found["F-HP-RO"].conflicts_with == (found["F-HP-DEL"].id,)
    assert ready_together(found.values()) == [next(iter(found.values()))]


def test_an_expanded_sub_path_cannot_be_restored() -> None:
    spec = container("c", env=[{"name": "P", "value": "secret"}], volumeMounts=[mount("v", "/v", subPathExpr="$(P)")])
    (fix,) = fixes("F-HP-DEL", deployment("web", spec, volumes=[host_path("v", "/etc")]))
    assert fix.status is Status.ADVISORY
    assert fix.reason.startswith("rollback-lost: ")


# --- tokens -------------------------------------------------------------------------------------------


def live(**spec: Any) -> list[KubernetesObject]:
    """A live Deployment and its pod with the token that admission added."""
    item = container("c", volumeMounts=[token_mount()])
    return [
        deployment("web", container("c"), uid="u", **spec),
        pod("web-1", item, volumes=[token_volume()], owners=[owner("Deployment", "web")], **spec),
    ]


BOUND = obj(
    "RoleBinding",
    "b",
    subjects=[{"kind": "ServiceAccount", "name": "default", "namespace": "default"}],
    roleRef={"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "r"},
)
GROUP_BOUND = obj(
    "RoleBinding",
    "b",
    subjects=[{"kind": "Group", "apiGroup": "rbac.authorization.k8s.io", "name": "system:serviceaccounts:default"}],
    roleRef={"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "r"},
)


@pytest.mark.parametrize(("more", "risk"), [([], "low"), ([BOUND], "medium"), ([GROUP_BOUND], "medium")])
def test_automount(more: list[KubernetesObject], risk: str) -> None:
    (fix,) = fixes("F-AUTOMOUNT", *live(), *more)
    assert edits(fix) == {f"{SPEC}/automountServiceAccountToken": False}
    assert fix.target.id == "Deployment:default/web"
    assert fix.observed_on == ("Pod:default/web-1",)
    assert fix.risk.level.value == risk


@pytest.mark.parametrize(
    "objects",
    [
        pytest.param([deployment("web", container("c"), automountServiceAccountToken=False)], id="off in the template"),
        pytest.param(
            [deployment("web", container("c")), obj("ServiceAccount", "default", automountServiceAccountToken=False)],
            id="off in the account",
        ),
        pytest.param(
            [
                deployment(
                    "web",
                    container("c", volumeMounts=[token_mount("own")]),
                    volumes=[token_volume("own")],
                    automountServiceAccountToken=False,
                )
            ],
            id="the template asks for a token itself",
        ),
    ],
)
def test_nothing_is_automounted(objects: list[KubernetesObject]) -> None:
    assert not fixes("F-AUTOMOUNT", *objects)


def test_without_pods_the_template_tells() -> None:
    (fix,) = fixes("F-AUTOMOUNT", workload("CronJob", "job", container("c"), uid="j", fields={"suspend": True}))
    assert list(edits(fix)) == ["/spec/jobTemplate/spec/template/spec/automountServiceAccountToken"]
    assert any("next run" in note for note in fix.notes)
    assert fix.effect.value == "none"


# --- digests ------------------------------------------------------------------------------------------

ONE, TWO = "sha256:" + "a" * 64, "sha256:" + "b" * 64


def running(*image_ids: str | None, image: str = "nginx:1.25") -> list[KubernetesObject]:
    """A live Deployment and one pod for each image id."""
    out: list[KubernetesObject] = [deployment("web", container("c", image="nginx:1.25"), uid="u")]
    for number, image_id in enumerate(image_ids):
        status = {"name": "c", "state": {"running": {}}, **({"imageID": image_id} if image_id else {})}
        out.append(
            pod(
                f"web-{number}", container("c", image=image), owners=[owner("Deployment", "web")],
                status={"containerStatuses": [status]},
            )
        )  # fmt: skip
    return out


@pytest.mark.parametrize(
    ("objects", "status", "value", "needs"),
    [
        (running(f"docker-pullable://nginx@{ONE}"), "ready", f"nginx:1.25@{ONE}", ()),
        (running(f"docker.io/library/nginx@{ONE}", f"nginx@{ONE}"), "ready", f"nginx:1.25@{ONE}", ()),
        (running(f"nginx@{ONE}", None), "ready", f"nginx:1.25@{ONE}", ()),
        (running(f"nginx@{ONE}", f"nginx@{TWO}"), "blocked", None, ("digest",)),
        (running(ONE), "blocked", None, ("digest",)),
        (running(f"nginx@{ONE}", ONE), "blocked", None, ("digest",)),
        (running(None), "needs-input", None, ("digest",)),
        (running(f"nginx@{ONE}", image="nginx:1.24"), "needs-input", None, ("digest",)),
        ([deployment("web", container("c", image="nginx:1.25"))], "needs-input", None, ("digest",)),
    ],
)
def test_digests(objects: list[KubernetesObject], status: str, value: str | None, needs: tuple[str, ...]) -> None:
    (fix,) = fixes("F-IMG-PIN", *objects)
    assert (fix.status.value, edits(fix), tuple(need.name for need in fix.needs)) == (
        status,
        {f"{C}/image": value},
        needs,
    )
    assert fix.risk.level.value == "none"
    word = {"ready": "", "blocked": "image-digest", "needs-input": "needs-input"}[status]
    assert fix.reason.partition(":")[0] == word


def test_different_digests_are_named_with_their_pods() -> None:
    (fix,) = fixes("F-IMG-PIN", *running(f"nginx@{ONE}", f"nginx@{TWO}"))
    assert f"nginx@{ONE} (Pod:default/web-0)" in fix.reason
    assert f"nginx@{TWO} (Pod:default/web-1)" in fix.reason


def test_an_answer_makes_it_ready_and_keeps_its_id() -> None:
    (fix,) = fixes("F-IMG-PIN", deployment("web", container("c", image="nginx:1.25")))
    ready = fix.answered({"digest": ONE})
    assert (ready.status, ready.id, ready.reason, ready.needs) == (Status.READY, fix.id, "", ())
    after = overlay(inventory(deployment("web", container("c", image="nginx:1.25"))), [ready.change])
    assert [each.image for each in after.containers] == [f"Image:nginx:1.25@{ONE}"]


def test_several_unknown_digests_have_names_of_their_own() -> None:
    web = deployment("web", container("a", image="x"), container("b", image="y"), container("p", image=f"z@{ONE}"))
    (fix,) = fixes("F-IMG-PIN", web)
    assert [need.name for need in fix.needs] == ["digest.a", "digest.b"]
    half = fix.answered({"digest.a": ONE})
    assert half.status is Status.NEEDS_INPUT
    assert half.answered({"digest.b": TWO}).status is Status.READY


def test_pinned_images_stay() -> None:
    assert not fixes("F-IMG-PIN", deployment("web", container("c", image=f"nginx@{ONE}")))
