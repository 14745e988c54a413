"""Edits of objects, and the pods that follow."""

from __future__ import annotations

from typing import Any

import pytest

from tests.builders import container, deployment, inventory, mount, owner, pod, token_mount, token_volume, workload
from workbench.errors import Conflict, FixError
from workbench.inventory.changes import Change, Op, Target, contradicts, edited, holds, merged, overlay, replaced
from workbench.inventory.decode import plain
from workbench.inventory.objects import KubernetesObject, Pod

SPEC = "/spec/template/spec"
DATA: dict[str, Any] = {"spec": {"containers": [{"name": "a"}, {"name": "b", "args": ["x"]}], "hostPID": True}}


@pytest.mark.parametrize(
    ("op", "spec"),
    [
        (Op("set", "/spec/hostPID", False), {"containers": DATA["spec"]["containers"], "hostPID": False}),
        (Op("remove", "/spec/hostPID"), {"containers": DATA["spec"]["containers"]}),
        (Op("remove", "/spec/nothing/there"), DATA["spec"]),
        (Op("remove", "/spec/containers[name=a]"), {"containers": [{"name": "b", "args": ["x"]}], "hostPID": True}),
        (
            Op("set", "/spec/containers[name=b]/securityContext/privileged", False),
            {
                "containers": [{"name": "a"}, {"name": "b", "args": ["x"], "securityContext": {"privileged": False}}],
                "hostPID": True,
            },
        ),
        (
            Op("set", "/spec/containers[0]", {"name": "c"}),
            {"containers": [{"name": "c"}, DATA["spec"]["containers"][1]], "hostPID": True},
        ),
    ],
)
def test_edited(op: Op, spec: dict[str, Any]) -> None:
    before = repr(DATA)
    assert edited(DATA, [op]) == {"spec": spec}
    assert repr(DATA) == before


@pytest.mark.parametrize(
    "path",
    [
        "/spec/containers[name=z]/image",
        "/spec/containers[name=z]",
        "/spec/containers[5]/image",
        "/spec/hostPID/deeper/still",
        "/spec/containers/name/first",
        "/spec/containers/name",
        "/spec[name=a]/x",
        "",
    ],
)
def test_what_does_not_fit_is_refused(path: str) -> None:
    with pytest.raises(FixError):
        edited(DATA, [Op("set", path, 1)])
    assert edited(DATA, [Op("set", path, 1)], lenient=True) == DATA


def test_a_selector_removes_every_item_that_it_fits() -> None:
    data = {"subjects": [{"kind": "User", "name": "a"}, {"kind": "User", "name": "b"}, {"kind": "User", "name": "a"}]}
    after = edited(data, [Op("remove", "/subjects[kind=User,name=a]")])
    assert after == {"subjects": [{"kind": "User", "name": "b"}]}


@pytest.mark.parametrize(
    ("op", "held"),
    [
        (Op("set", "/spec/hostPID", False, True), True),
        (Op("set", "/spec/hostPID", False, False), False),
        (Op("set", "/spec/hostIPC", False, None), True),
        (Op("remove", "/spec/containers[name=a]", None, {"name": "a"}), True),
    ],
)
def test_holds(op: Op, held: bool) -> None:
    assert holds(DATA, op) is held


TARGET = Target("apps/v1", "Deployment", "default", "web")
PRIVILEGED = Op("set", f"{SPEC}/containers[name=app]/securityContext/privileged", False, True)


@pytest.mark.parametrize(
    ("one", "other", "conflict"),
    [
        (Op("set", "/a/b", 1), Op("set", "/a/b", 2), True),
        (Op("set", "/a/b", 1), Op("remove", "/a/b"), True),
        (Op("set", "/a/b", 1), Op("set", "/a/b", 1), False),
        (Op("remove", "/a/b"), Op("set", "/a/b/c", 1), True),
        (Op("set", "/a/b", 1), Op("set", "/a/bc", 2), False),
        (Op("remove", "/l[name=x]"), Op("set", "/l[name=x]/readOnly", True), True),
        (Op("remove", "/l[name=x]"), Op("set", "/l[name=y]/readOnly", True), False),
    ],
)
def test_contradictions(one: Op, other: Op, conflict: bool) -> None:
    assert contradicts(one, other) is conflict
    assert contradicts(other, one) is conflict
    changes = [Change(TARGET, (one,)), Change(TARGET, (other,))]
    if conflict:
        with pytest.raises(Conflict, match="Deployment:default/web"):
            merged(changes)
    else:
        assert len(merged(changes)) == 1


def test_merged_keeps_the_order_and_what_is_equal_once() -> None:
    other = Target("v1", "Pod", "default", "p")
    change = Change(TARGET, (PRIVILEGED, Op("set", f"{SPEC}/hostPID", False)))
    found = merged([change, Change(other, (PRIVILEGED,)), Change(TARGET, (PRIVILEGED,))])
    assert found == [change, Change(other, (PRIVILEGED,))]


def live(workload_kind: str = "Deployment") -> list[KubernetesObject]:
    """A live workload with two pods; one pod has a container that admission added."""
    spec = {"volumes": [token_volume()]}
    app = container(securityContext={"privileged": True}, volumeMounts=[token_mount(), mount("x", "/x")])
    side = container("injected", volumeMounts=[token_mount()])
    owners = [owner(workload_kind, "web")]
    return [
        workload(workload_kind, "web", container(securityContext={"privileged": True}), uid="w"),
        pod("web-1", app, owners=owners, **spec),
        pod("web-2", app, side, owners=owners, node="other", **spec),
    ]


def test_the_pods_follow_the_template() -> None:
    view = inventory(*live())
    found = replaced(view, [Change(TARGET, (PRIVILEGED,))])
    assert set(found) == {"Deployment:default/web", "Pod:default/web-1", "Pod:default/web-2"}
    over = overlay(view, [Change(TARGET, (PRIVILEGED,))])
    assert [each.privileged for each in over.containers if each.name == "app"] == [False, False]
    second = over.pods.get("Pod:default/web-2")
    assert second is not None
    assert second.node == "Node:other"
    assert [each.name for each in second.containers] == ["app", "injected"]


@pytest.mark.parametrize("kind", ["Job", "CronJob"])
def test_running_pods_of_a_job_stay(kind: str) -> None:
    view = inventory(*live(kind))
    target = Target("batch/v1", kind, "default", "web")
    prefix = "/spec/jobTemplate/spec/template/spec" if kind == "CronJob" else SPEC
    op = Op("set", f"{prefix}/containers[name=app]/securityContext/privileged", False)
    assert set(replaced(view, [Change(target, (op,))])) == {target.id}


def test_without_automount_the_token_goes_from_the_pods() -> None:
    change = Change(TARGET, (Op("set", f"{SPEC}/automountServiceAccountToken", False),))
    found = replaced(inventory(*live()), [change])
    for name in ("web-1", "web-2"):
        each = found[f"Pod:default/{name}"]
        assert isinstance(each, Pod)
        assert each.spec is not None
        assert each.spec.automount_service_account_token is False
        assert not each.spec.volumes
        assert all(m.name == "x" for c in each.spec.containers or () for m in c.volume_mounts or ())
    template = plain(found["Deployment:default/web"])["spec"]["template"]["spec"]
    assert template["automountServiceAccountToken"] is False


def test_without_automount_a_bare_live_pod_has_no_token() -> None:
    lonely = pod("lonely", container(volumeMounts=[token_mount()]), volumes=[token_volume()])
    change = Change(Target.of(lonely), (Op("set", "/spec/automountServiceAccountToken", False),))
    after = replaced(inventory(lonely), [change])[lonely.id]
    assert isinstance(after, Pod)
    assert after.spec is not None
    assert not after.spec.volumes


def test_a_token_that_the_template_asks_for_stays() -> None:
    explicit = pod(
        "web-1",
        container(volumeMounts=[token_mount("mine")]),
        volumes=[token_volume("mine")],
        owners=[owner("Deployment", "web")],
    )
    change = Change(TARGET, (Op("set", f"{SPEC}/automountServiceAccountToken", False),))
    after = replaced(inventory(deployment("web", uid="w"), explicit), [change])[explicit.id]
    assert isinstance(after, Pod)
    assert after.spec is not None
    assert [volume.name for volume in after.spec.volumes or ()] == ["mine"]


def test_a_pod_without_what_is_edited_is_passed_over() -> None:
    old = pod("web-1", container("older"), owners=[owner("Deployment", "web")])
    view = inventory(deployment("web", container(), uid="w"), old)
    after = replaced(view, [Change(TARGET, (PRIVILEGED,))])[old.id]
    assert after is not None
    assert plain(after) == plain(old)


def test_labels_of_the_template_reach_the_pods() -> None:
    op = Op("set", "/spec/template/metadata/labels[app.kubernetes.io/x]", "1")
    after = replaced(inventory(*live()), [Change(TARGET, (op,))])["Pod:default/web-1"]
    assert after is not None
    assert (after.metadata.labels or {})["app.kubernetes.io/x"] == "1"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (Change(Target("apps/v1", "Deployment", "default", "gone"), ()), "Deployment:default/gone is not in"),
        (Change(TARGET, (Op("set", "/spec/replicas", "many"),)), "Deployment:default/web: spec.replicas"),
        (Change(TARGET, (Op("set", f"{SPEC}/containers[name=zzz]/image", "x"),)), "no item"),
    ],
)
def test_refused(change: Change, message: str) -> None:
    with pytest.raises(FixError, match=message):
        replaced(inventory(*live()), [change])
