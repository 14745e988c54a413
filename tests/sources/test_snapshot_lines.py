"""What objects have in common stands once in a snapshot, and comes back as it was."""

from __future__ import annotations

import copy
import gzip
import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.builders import TOKEN_PATH, container, mount, token_mount, token_volume
from workbench.errors import SnapshotError
from workbench.inventory.decode import from_data
from workbench.inventory.evidence import Problem
from workbench.inventory.inventory import Inventory
from workbench.inventory.objects import KINDS, ConfigMap, Deployment, Pod, ReplicaSet
from workbench.sources import SourceKind, SourceRequest, load, write_snapshot

FIELDS = {
    "f:spec": {"f:replicas": {}, "f:template": {"f:spec": {"f:containers": {'k:{"name":"web"}': {"f:image": {}}}}}}
}
TEMPLATE: dict[str, Any] = {
    "containers": [
        container(
            "web", image="registry.example/web:1", env=[{"name": "MODE"}], volumeMounts=[mount("config", "/etc/web")]
        )
    ],
    "initContainers": [container("wait", image="registry.example/wait:1")],
    "volumes": [{"name": "config", "configMap": {"name": "web"}}],
    "securityContext": {"runAsNonRoot": True},
}


def meta(name: str, owner: tuple[str, str] | None = None, **fields: Any) -> dict[str, Any]:
    """Metadata of a live object, controlled by the one of a kind and name."""
    out: dict[str, Any] = {"name": name, "namespace": "shop", "uid": f"uid-{name}", "resourceVersion": "7", **fields}
    if owner is not None:
        kind, controller = owner
        reference = {"apiVersion": "apps/v1", "kind": kind, "name": controller, "uid": f"uid-{controller}"}
        out["ownerReferences"] = [{**reference, "controller": True}]
    return out


def pod(name: str, owner: tuple[str, str], template: dict[str, Any], node: str = "worker-1") -> dict[str, Any]:
    """A live pod as the API server makes it of a template: with a node, an account, and the volume of its token."""
    spec = copy.deepcopy(template)
    token = f"kube-api-access-{name[-5:]}"
    spec["nodeName"] = node
    spec["serviceAccountName"] = spec["serviceAccount"] = "default"
    spec.setdefault("volumes", []).append(token_volume(token))
    statuses: dict[str, list[dict[str, Any]]] = {}
    for field, into in (("containers", "containerStatuses"), ("initContainers", "initContainerStatuses")):
        for each in spec.get(field, ()):
            each.setdefault("volumeMounts", []).append(token_mount(token))
            since = f"2026-01-01T00:00:0{name[-1]}Z"
            state = {"running": {"startedAt": since}} if field == "containers" else {}
            digest = hashlib.sha256((name + each["name"]).encode()).hexdigest()
            statuses.setdefault(into, []).append(
                {"name": each["name"], "imageID": f"{each['image']}@sha256:{digest}", "ready": True, "state": state}
            )
    conditions = [{"type": "Ready", "status": "True"}]
    status = {"phase": "Running", "podIP": "10.1.0.1", "hostIP": "10.0.0.1", "conditions": conditions, **statuses}
    return {"kind": "Pod", "metadata": meta(name, owner, labels={"app": "web"}), "spec": spec, "status": status}


def family(name: str = "web", replicas: int = 3) -> list[dict[str, Any]]:
    """A live Deployment as plain data, with its ReplicaSet, one of an older revision, and its pods."""
    older = copy.deepcopy(TEMPLATE)
    older["containers"][0]["image"] = "registry.example/web:0"
    managed = [{"manager": "helm", "operation": "Update", "fieldsV1": FIELDS}]

    def workload(kind: str, metadata: dict[str, Any], spec: dict[str, Any]) -> dict[str, Any]:
        template = {"metadata": {"labels": {"app": "web"}}, "spec": copy.deepcopy(spec)}
        return {"kind": kind, "metadata": metadata, "spec": {"replicas": replicas, "template": template}}

    return [
        workload("Deployment", meta(name, managedFields=managed), TEMPLATE),
        workload("ReplicaSet", meta(f"{name}-2", ("Deployment", name)), TEMPLATE),
        workload("ReplicaSet", meta(f"{name}-1", ("Deployment", name)), older),
        *(pod(f"{name}-2-{number:05}", ("ReplicaSet", f"{name}-2"), TEMPLATE) for number in range(replicas)),
    ]


def inventory(objects: Sequence[dict[str, Any]]) -> Inventory:
    return Inventory([(from_data(KINDS[each["kind"]], {"apiVersion": "v1", **each}), None) for each in objects])


def loaded(path: Path) -> Inventory:
    return load(SourceRequest(SourceKind.SNAPSHOT, (str(path),)))


def contents(view: Inventory) -> dict[str, list[Any]]:
    return {name: [obj for obj in view.all(kind) if not view.is_builtin(obj.id)] for name, kind in KINDS.items()}


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]


def section(found: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    """The lines of a section."""
    for at, line in enumerate(found):
        if line.get("section") == name:
            return found[at + 1 : at + 1 + line["count"]]
    return []


def written(found: list[dict[str, Any]], path: Path) -> Path:
    """A snapshot of some lines, with the checksum that belongs to them."""
    text = b"".join(json.dumps(line).encode() + b"\n" for line in found[:-1])
    end = {"end": {**found[-1]["end"], "sha256": hashlib.sha256(text).hexdigest()}}
    path.write_bytes(gzip.compress(text + json.dumps(end, separators=(",", ":")).encode() + b"\n"))
    return path


@pytest.fixture
def snapshot(tmp_path: Path) -> Path:
    """A snapshot of two Deployments and their pods."""
    path = tmp_path / "s.gz"
    write_snapshot(inventory([*family(), *family("api")]), str(path))
    return path


def test_what_is_equal_stands_once(snapshot: Path) -> None:
    found = lines(snapshot)
    text = gzip.decompress(snapshot.read_bytes()).decode()
    assert text.count('"runAsNonRoot"') == 2  # the template, and that of the older revision
    assert text.count('"f:replicas"') == 1
    pods = section(found, "Pod")
    assert ["object" in line for line in pods] == [True, False, False, True, False, False]
    assert [line.get("like") for line in pods] == [None, 0, 0, None, 3, 3]
    assert pods[0]["object"]["spec"].keys() == {"nodeName", "serviceAccountName", "serviceAccount", "volumes"}
    assert pods[1]["volume"] == ["kube-api-access-00000", "kube-api-access-00001"]


def test_it_comes_back_and_is_shared(snapshot: Path, tmp_path: Path) -> None:
    before = inventory([*family(), *family("api")])
    view = loaded(snapshot)
    assert contents(view) == contents(before)
    # What says the same is one object: a cluster's pods are thousands of copies of a few hundred templates.
    one, other = (view.get(Pod, f"web-2-0000{number}", "shop") for number in (1, 2))
    [deployment, replica_set] = view.get(Deployment, "web", "shop"), view.get(ReplicaSet, "web-2", "shop")
    assert one is not None
    assert other is not None
    assert one.spec is not None
    assert other.spec is not None
    assert one.spec.containers is not None
    assert other.spec.containers is not None
    assert one.spec.containers[0].env is other.spec.containers[0].env
    assert one.metadata.labels is other.metadata.labels
    assert deployment is not None
    assert deployment.spec is not None
    assert replica_set is not None
    assert replica_set.spec is not None
    assert deployment.spec.template is not None
    assert replica_set.spec.template is not None
    assert deployment.spec.template.spec is replica_set.spec.template.spec
    # A snapshot of it says the same.
    again = tmp_path / "again.gz"
    write_snapshot(view, str(again))
    assert again.read_bytes() == snapshot.read_bytes()


def test_replicas_are_known_as_such(snapshot: Path) -> None:
    view, before = loaded(snapshot), inventory([*family(), *family("api")])
    alike = [(pod.id, pod.alike.id, pod.renamed, [each.alike.id for each in pod.containers]) for pod in view.pods]
    assert alike == [
        (pod.id, pod.alike.id, pod.renamed, [each.alike.id for each in pod.containers]) for pod in before.pods
    ]
    assert [first for _, first, _, _ in alike] == ["Pod:shop/web-2-00000"] * 3 + ["Pod:shop/api-2-00000"] * 3


def edit(path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    """Set, or with ``None`` take away, a field of plain data."""

    def apply(data: Any) -> None:
        *steps, last = [int(step) if step.isdigit() else step for step in path.split("/")]
        for step in steps:
            data = data[step]
        if value is None:
            del data[last]
        else:
            data[last] = value

    return apply


EDITS = {
    "another node": edit("spec/nodeName", "worker-2"),
    "no node": edit("spec/nodeName", None),
    "an affinity": edit("spec/affinity", {"nodeAffinity": {}}),
    "another image": edit("spec/containers/0/image", "registry.example/other:1"),
    "a debug container": edit("spec/ephemeralContainers", [{"name": "debug", "image": "busybox"}]),
    "another account": edit("spec/serviceAccountName", "admin"),
    "host network": edit("spec/hostNetwork", True),
    "host users": edit("spec/hostUsers", False),
    "no security context": edit("spec/securityContext", None),
    "no token volume": edit("spec/volumes/1", None),
    "a token elsewhere": edit("spec/containers/0/volumeMounts/1/mountPath", "/var/run/token"),
    "no init containers": edit("spec/initContainers", None),
    "no containers": edit("spec/containers", None),
    "empty mounts": edit("spec/initContainers/0/volumeMounts", []),
    "a mount of the host": edit("spec/volumes/0", {"name": "config", "hostPath": {"path": "/"}}),
    "a sidecar": edit("spec/initContainers/0/restartPolicy", "Always"),
    "a pull secret": edit("spec/imagePullSecrets", [{"name": "registry"}]),
    "no spec": edit("spec", None),
    "no status": edit("status", None),
    "not ready": edit("status/conditions/0/status", "False"),
    "no conditions": edit("status/conditions", None),
    "pending": edit("status/phase", "Pending"),
    "no address": edit("status/podIP", None),
    "no statuses": edit("status/containerStatuses", None),
    "no init statuses": edit("status/initContainerStatuses", None),
    "no image id": edit("status/containerStatuses/0/imageID", None),
    "running since the start": edit("status/containerStatuses/0/state", {"running": {}}),
    "ended": edit("status/containerStatuses/0/state", {}),
    "a label": edit("metadata/labels/version", "2"),
    "no labels": edit("metadata/labels", None),
    "an annotation": edit("metadata/annotations", {"kubernetes.io/config.source": "api"}),
    "no uid": edit("metadata/uid", None),
    "no version": edit("metadata/resourceVersion", None),
    "deleted": edit("metadata/deletionTimestamp", "2026-01-01T00:00:00Z"),
    "no owner": edit("metadata/ownerReferences", None),
    "another owner": edit("metadata/ownerReferences/0/uid", "uid-gone"),
    "an unknown owner": edit("metadata/ownerReferences/0/kind", "Rollout"),
}


@pytest.mark.parametrize("which", [3, 4, 5], ids=["first", "second", "third"])
@pytest.mark.parametrize("name", EDITS)
def test_a_pod_that_differs_comes_back_too(name: str, which: int, tmp_path: Path) -> None:
    objects = family()
    EDITS[name](objects[which])
    before = inventory(objects)
    path = tmp_path / "s.gz"
    write_snapshot(before, str(path))
    assert contents(loaded(path)) == contents(before)


@given(edits=st.lists(st.tuples(st.sampled_from(sorted(EDITS)), st.integers(3, 6)), max_size=4))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_whatever_differs_comes_back(edits: list[tuple[str, int]], tmp_path: Path) -> None:
    objects = family(replicas=4)
    for name, which in edits:
        try:
            EDITS[name](objects[which])
        except (KeyError, IndexError, TypeError):
            continue  # another edit took away what this one is about
    before = inventory(objects)
    first, second = tmp_path / "1.gz", tmp_path / "2.gz"
    write_snapshot(before, str(first))
    view = loaded(first)
    assert contents(view) == contents(before)
    assert [(pod.id, pod.alike.id) for pod in view.pods] == [(pod.id, pod.alike.id) for pod in before.pods]
    write_snapshot(view, str(second))
    assert first.read_bytes() == second.read_bytes()


def test_the_template_of_a_cron_job_is_one_with_that_of_its_jobs(tmp_path: Path) -> None:
    template = {"metadata": {"labels": {"app": "web"}}, "spec": TEMPLATE}
    before = inventory(
        [
            {"kind": "CronJob", "metadata": meta("c"), "spec": {"jobTemplate": {"spec": {"template": template}}}},
            {"kind": "Job", "metadata": meta("c-1", ("CronJob", "c")), "spec": {"template": template}},
            pod("c-1-00000", ("Job", "c-1"), TEMPLATE),
        ]
    )
    path = tmp_path / "s.gz"
    write_snapshot(before, str(path))
    assert gzip.decompress(path.read_bytes()).count(b'"runAsNonRoot"') == 1
    assert contents(loaded(path)) == contents(before)


@pytest.mark.parametrize(
    ("where", "change", "invalid"),
    [
        ("Pod/1", {"like": 1}, 1),
        ("Pod/1", {"like": -1}, 1),
        ("Pod/1", {"like": 99}, 1),
        ("Pod/1", {"like": None}, 1),
        ("Pod/1", {"name": None}, 1),
        ("Pod/1", {"name": ""}, 1),
        ("Pod/1", {"nodeName": None}, 1),
        ("Pod/1", {"like": "0"}, 1),
        ("Pod/1", {"volume": ["config", "other"]}, 1),
        ("Pod/1", {"volume": ["absent", "other"]}, 1),
        ("Pod/1", {"volume": ["kube-api-access-00000", "config"]}, 1),
        ("Pod/0", {"object": {"metadata": {"name": "p"}}, "podSpec": None}, 3),  # and its replicas
        ("Pod/0", {"object": {"metadata": {}}}, 3),
        ("Pod/0", {"podSpec": 99}, 3),
        ("Pod/0", {"podSpec": -1}, 3),
        ("Pod/0", {"object": {"metadata": {"name": "p"}}}, 3),
        ("Deployment/0", {"podSpec": 99}, 1),
        ("Deployment/0", {"managedFields": [99]}, 1),
        ("Deployment/0", {"managedFields": [-1]}, 1),
        ("Deployment/0", {"object": {"metadata": {"name": "d"}}}, 1),
    ],
)
def test_a_line_that_names_nothing_is_a_gap(
    snapshot: Path, tmp_path: Path, where: str, change: dict[str, Any], invalid: int
) -> None:
    found = lines(snapshot)
    kind, _, line = where.partition("/")
    target = section(found, kind)[int(line)]
    target.update(change)
    for field in [field for field, value in target.items() if value is None]:
        del target[field]
    view = loaded(written(found, tmp_path / "x.gz"))
    before = loaded(snapshot)
    gaps = [gap for gap in view.coverage if gap.problem is Problem.INVALID]
    if "object" in change and change["object"]["metadata"] and "podSpec" in change:
        # It is whole now, and has neither spec nor status, so that only its replicas are lost.
        invalid -= 1
    assert [(gap.kind, gap.count) for gap in gaps] == [(kind, 1)] * invalid
    lost = sum(map(len, contents(before).values())) - sum(map(len, contents(view).values()))
    assert lost == invalid


@pytest.mark.parametrize(
    ("name", "broken", "kinds"),
    [
        ("podSpecs", {"containers": "x"}, {"podSpecs", "Deployment", "ReplicaSet", "Pod"}),
        ("managedFields", {"manager": 1}, {"managedFields", "Deployment"}),
        ("managedFields", {"manager": "helm", "fieldsV1": []}, {"managedFields", "Deployment"}),
    ],
)
def test_a_part_that_is_not_valid_is_a_gap_and_so_is_what_names_it(
    snapshot: Path, tmp_path: Path, name: str, broken: dict[str, Any], kinds: set[str]
) -> None:
    found = lines(snapshot)
    part = section(found, name)[0]
    part.clear()
    part.update(broken)
    view = loaded(written(found, tmp_path / "x.gz"))
    assert {gap.kind for gap in view.coverage} == kinds


def test_a_few_lines_cannot_stand_for_more_than_a_cluster_holds(
    snapshot: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workbench.sources.snapshot_lines.MOST", 60)
    with pytest.raises(SnapshotError, match="too large: its pods have more than the"):
        loaded(snapshot)
    path = tmp_path / "small.gz"
    write_snapshot(inventory(family(replicas=2)), str(path))
    loaded(path)


def test_the_statuses_of_replicas_count_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    objects = family(replicas=2)
    statuses = objects[3]["status"]["containerStatuses"]
    statuses += [{"name": f"gone-{number}"} for number in range(90)]
    objects[4]["status"]["containerStatuses"] += statuses[1:]
    path = tmp_path / "s.gz"
    write_snapshot(inventory(objects), str(path))
    assert "like" in section(lines(path), "Pod")[1]
    monkeypatch.setattr("workbench.sources.snapshot_lines.MOST", 60)
    with pytest.raises(SnapshotError, match="too large"):
        loaded(path)


def test_a_replica_of_a_pod_that_does_not_run_is_a_gap(snapshot: Path, tmp_path: Path) -> None:
    """What the first replica is not, no other one may be taken for."""
    found = lines(snapshot)
    del section(found, "Pod")[0]["object"]["spec"]["nodeName"]
    view = loaded(written(found, tmp_path / "x.gz"))
    assert [gap.kind for gap in view.coverage if gap.problem is Problem.INVALID] == ["Pod", "Pod"]


def test_true_is_not_one(tmp_path: Path) -> None:
    objects = family(replicas=2)
    for each, value in ((objects[3], 1), (objects[4], True)):
        each["spec"]["affinity"] = {"nodeAffinity": {"x": value}}
    before = inventory(objects)
    path = tmp_path / "s.gz"
    write_snapshot(before, str(path))
    read = [json.dumps(obj.spec.affinity) for obj in contents(loaded(path))["Pod"]]
    assert read == ['{"nodeAffinity": {"x": 1}}', '{"nodeAffinity": {"x": true}}']


def test_the_first_version_had_no_parts_and_may_hold_addresses_of_strangers(tmp_path: Path) -> None:
    spec = {"containers": [container("a", env=[{"name": "DB", "value": "db.internal:5432"}], args=["--db=db:5432"])]}
    objects = [
        {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": name, "namespace": "a"}, "spec": spec} for name in "ab"
    ]
    found: list[dict[str, Any]] = [
        {"format": "workbench-snapshot", "version": 1, "files": ["m.yaml"]},
        {"section": "Pod", "count": 2},
        *({"object": obj, "at": [0, 1, 2]} for obj in objects),
        {"section": "ConfigMap", "count": 1},
        {"object": {"apiVersion": "v1", "metadata": {"name": "c", "namespace": "a"}, "dataKeys": ["k"]}},
        {"end": {"objects": 3}},
    ]
    view = loaded(written(found, tmp_path / "old.gz"))
    assert [pod.id for pod in view.pods] == ["Pod:a/a", "Pod:a/b"]
    assert view.get(ConfigMap, "c", "a") is not None
    read = view.get(Pod, "a", "a")
    assert read is not None
    assert read.spec is not None
    assert read.spec.containers is not None
    assert "5432" not in repr(read.spec.containers)
    origin = view.origin("Pod:a/b")
    assert origin is not None
    assert (origin.file, origin.line("")) == ("m.yaml", 2)


def test_a_token_that_is_mounted_in_some_containers_alone(tmp_path: Path) -> None:
    """Admission skips a container that mounts something at the place of the token."""
    template = copy.deepcopy(TEMPLATE)
    template["containers"].append(container("own", volumeMounts=[mount("config", TOKEN_PATH)]))
    objects = [each for each in family() if each["kind"] != "Pod"]
    made = pod("web-2-00000", ("ReplicaSet", "web-2"), template)
    made["spec"]["containers"][1]["volumeMounts"].pop()
    for each in objects:
        each["spec"]["template"]["spec"] = copy.deepcopy(template)
    before = inventory([*objects, made])
    path = tmp_path / "s.gz"
    write_snapshot(before, str(path))
    assert contents(loaded(path)) == contents(before)
