"""KubeHound dumps: every layout gives the same objects, and what a dump cannot say is a gap."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.sources.dumps import (
    CLUSTER_ROLES,
    METADATA,
    NODES,
    PODS,
    SLICES,
    Objects,
    archive,
    directory,
    fetched,
    files,
    sample_objects,
    typed,
)
from workbench.engine import Audit
from workbench.errors import InputError
from workbench.inventory.evidence import Gap, Problem
from workbench.inventory.inventory import Inventory, ServerVersion
from workbench.inventory.objects import KINDS, Pod, Service
from workbench.inventory.pods import PodInstance
from workbench.sources import SourceKind, SourceRequest, load, parse_source, write_snapshot
from workbench.sources.detect import Content, detect

NODE = json.dumps(typed([{"metadata": {"name": "n"}}])).encode()


@pytest.fixture(scope="module")
def objects() -> Objects:
    """What KubeHound dumps of the sample ``shop``."""
    return sample_objects("shop")


def loaded(path: Path, **options: Any) -> Inventory:
    return load(SourceRequest(SourceKind.SNAPSHOT, (str(path),), **options))


def held(view: Inventory) -> dict[str, Any]:
    """Every object that comes from the source, by id."""
    return {obj.id: obj for kind in KINDS.values() for obj in view.all(kind) if not view.is_builtin(obj.id)}


def pod_of(view: Inventory) -> PodInstance:
    """The pod that is in most of the dumps."""
    pod = view.pods.get("Pod:shop/a")
    assert pod is not None
    return pod


def gaps(view: Inventory, *problems: Problem) -> list[tuple[str, str | None, int, str]]:
    """The gaps, of some problems only, without those for what no dump holds."""
    return [
        (gap.kind, gap.namespace, gap.count, gap.detail)
        for gap in view.coverage
        if gap.problem in (problems or tuple(Problem)) and not gap.detail.startswith(("not in a dump", "a dump holds"))
    ]


# --- layouts ------------------------------------------------------------------------------------------


def _wrapped(contents: Mapping[str, bytes], prefix: str) -> dict[str, bytes]:
    return {f"{prefix}{path}": content for path, content in contents.items()}


Layout = Callable[[Path, Objects], Path]

RUN = "kubehound_prod-eu.example_01j2qs8th6yarr5hkafysekn0j"

LAYOUTS: dict[str, Layout] = {
    "directory": lambda at, objects: directory(at / "dump", files(objects)),
    "archive": lambda at, objects: archive(at / "dump.tar.gz", files(objects)),
    "archive, not compressed": lambda at, objects: archive(at / "dump.tar", files(objects), "w"),
    "archive of GNU tar": lambda at, objects: archive(at / "d.tgz", files(objects), form=tarfile.GNU_FORMAT),
    "archive of old tar": lambda at, objects: archive(at / "d.tgz", files(objects), form=tarfile.USTAR_FORMAT),
    "archive with ./": lambda at, objects: archive(at / "d.tgz", _wrapped(files(objects), "./")),
    "archive with a wrapping directory": lambda at, objects: archive(at / "d.tgz", _wrapped(files(objects), f"{RUN}/")),
    "archive with long names": lambda at, objects: archive(at / "d.tgz", _wrapped(files(objects), "very-long/" * 30)),
    "GNU archive with long names": lambda at, objects: archive(
        at / "d.tgz", _wrapped(files(objects), "very-long/" * 30), form=tarfile.GNU_FORMAT
    ),
    "directories around it": lambda at, objects: directory(at, _wrapped(files(objects), "dump/prod/")) / "dump",
    "namespaces one level down": lambda at, objects: directory(
        at / "dump",
        {(f"namespaces/{path}" if "/" in path else path): content for path, content in files(objects).items()},
    ),
    "collect.sh": lambda at, objects: directory(at / "dump", files(objects, by_hand=True)),
    "collect.sh, packed": lambda at, objects: archive(at / "d.tgz", files(objects, by_hand=True)),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(tmp_path: Path, objects: Objects, layout: str) -> None:
    path = LAYOUTS[layout](tmp_path, objects)
    view = loaded(path)
    wanted = {
        f"{obj['kind']}:{namespace}/{obj['metadata']['name']}"
        if (namespace := obj["metadata"].get("namespace"))
        else f"{obj['kind']}:{obj['metadata']['name']}"
        for obj in objects
    }
    found = held(view)
    assert {node for node in found if not node.startswith("Service:")} == wanted
    assert gaps(view) == []
    assert view.server_version == ServerVersion(1, 33)
    assert detect(str(path)) is Content.KUBEHOUND_DUMP
    assert parse_source(str(path)).kind is SourceKind.SNAPSHOT
    # Kind and version come from the file's name where the items have none.
    assert found["RoleBinding:shop/frontend-report-runner"].api_version == "rbac.authorization.k8s.io/v1"
    assert found["Node:cp-1"].api_version == "v1"
    assert all(pod.live for pod in view.pods)
    assert view.is_live(found["Node:cp-1"])
    # Nothing was unpacked beside it.
    assert sorted(tmp_path.iterdir()) == [path]


def test_what_one_layout_reads_another_does(tmp_path: Path, objects: Objects) -> None:
    views = [held(loaded(LAYOUTS[name](tmp_path / f"{index}", objects))) for index, name in enumerate(_made(tmp_path))]
    assert all(view == views[0] for view in views[1:])


def _made(root: Path) -> list[str]:
    names = ["directory", "archive", "collect.sh"]
    for index in range(len(names)):
        (root / f"{index}").mkdir()
    return names


# --- what it leads to ---------------------------------------------------------------------------------


def test_paths_are_those_of_the_same_objects_as_manifests(tmp_path: Path, objects: Objects) -> None:
    dump = archive(tmp_path / "dump.tar.gz", files(objects))
    audit = Audit.load(SourceRequest(SourceKind.SNAPSHOT, (str(dump),)))
    services = [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": obj["metadata"]["labels"]["kubernetes.io/service-name"], "namespace": namespace},
            "spec": {"ports": obj["ports"]},
        }
        for obj in objects
        if obj["kind"] == "EndpointSlice" and (namespace := obj["metadata"]["namespace"])
    ]
    manifests = directory(tmp_path / "m", {"all.json": json.dumps(fetched([*objects, *services]))})
    same = Audit.load(SourceRequest(SourceKind.MANIFESTS, (str(manifests),), server_version="v1.33"))

    found = {(edge.source, edge.target, edge.technique): edge for edge in audit.graph.edges()}
    wanted = {(edge.source, edge.target, edge.technique): edge for edge in same.graph.edges()}
    assert len(found) > 500
    assert found.keys() == wanted.keys()
    # Whether admission lets a pod in is not known, as a dump holds neither policies nor the labels of namespaces.
    unknown = {key: set(edge.missing) - set(wanted[key].missing) for key, edge in found.items()}
    assert {fact for facts in unknown.values() for fact, _ in facts} == {"C-POLICY", "C-PSAEXEMPT"}
    assert {key[2] for key, facts in unknown.items() if facts} == {"POD_CREATE", "WORKLOAD_CREATE"}
    assert {(edge.source, edge.target, edge.technique) for edge in audit.graph.blocked} == {
        (edge.source, edge.target, edge.technique) for edge in same.graph.blocked
    }
    ends = {(path.source, path.target) for path in audit.paths().paths}
    assert len(ends) > 50
    assert ends == {(path.source, path.target) for path in same.paths().paths}


def test_replicas_merge_and_their_owner_is_unknown(tmp_path: Path, objects: Objects) -> None:
    frontends = [obj for obj in objects if obj["kind"] == "Pod" and obj["metadata"]["name"].startswith("frontend-")]
    template = frontends[0]
    copies = []
    for suffix in ("aaaaa", "bbbbb"):
        copy = json.loads(json.dumps(template))
        copy["metadata"]["name"] = template["metadata"]["name"][:-5] + suffix
        copy["metadata"]["uid"] = suffix
        copies.append(copy)
    dump = directory(tmp_path / "dump", files([*objects, *copies]))
    audit = Audit.load(SourceRequest(SourceKind.SNAPSHOT, (str(dump),)))
    reference = template["metadata"]["ownerReferences"][0]
    pods = [pod for pod in audit.inventory.pods if pod.name.startswith("frontend-")]
    assert len(pods) == len(frontends) + 2
    assert {(pod.owner, pod.owner_known) for pod in pods} == {(f"ReplicaSet:shop/{reference['name']}", False)}
    first = [path for path in audit.paths().paths if path.steps[0].source.startswith("Container:shop/frontend-")]
    assert first
    assert {path.count for path in first} == {len(pods)}
    fixes = [fix for fix in audit.fixes() if fix.target.name.startswith("frontend-") and fix.target.kind == "Pod"]
    assert {(fix.status.value, fix.reason.partition(":")[0]) for fix in fixes} == {("blocked", "owner-unknown")}


def test_services_are_inferred_from_slices(tmp_path: Path) -> None:
    dump = directory(
        tmp_path / "dump",
        {
            f"shop/{SLICES}": json.dumps(
                typed(
                    [
                        slice_of("web", "web-1", 8080, name="http"),
                        slice_of("web", "web-2", 8080, name="http", protocol="TCP"),
                        slice_of("web", "web-1", 53, protocol="UDP"),
                        slice_of("headless", "web-1", None),
                        slice_of(None, "web-1", 1),
                    ]
                ),
                indent=2,
            ),
            f"shop/{PODS}": json.dumps(typed([running("web-1"), running("web-2")])),
        },
    )
    audit = Audit.load(SourceRequest(SourceKind.SNAPSHOT, (str(dump),)))
    view = audit.inventory
    assert {
        service.id: [(port.name, port.port, port.protocol) for port in service.spec.ports or () if service.spec]
        for service in view.all(Service)
        if service.spec is not None
    } == {
        "Service:shop/web": [(None, 53, "UDP"), ("http", 8080, "TCP")],
        "Service:shop/headless": [],
    }
    web = view.get(Service, "web", "shop")
    assert web is not None
    assert web.spec is not None
    assert (web.metadata.uid, web.spec.type, web.spec.selector, web.spec.cluster_ip) == ("u-web", None, None, None)
    # It stands where the slice does.
    text = (dump / f"shop/{SLICES}").read_text().splitlines()
    evidence = view.evidence(web, "spec.ports")
    assert evidence.file == str(dump / f"shop/{SLICES}")
    assert evidence.line == text.index('      "ports": [') + 1
    assert view.evidence(web).line == text.index("    {") + 1
    origin = view.origin(web.id)
    assert origin is not None
    assert origin.text() is None
    # The slices resolve it, and nothing says that anything outside reaches it.
    edges = {(edge.source, edge.target) for edge in audit.graph.edges() if edge.technique == "ENDPOINT_EXPLOIT"}
    assert edges == {
        ("Endpoint:shop/web/8080", "Container:shop/web-1/app"),
        ("Endpoint:shop/web/8080", "Container:shop/web-2/app"),
        ("Endpoint:shop/web/53-udp", "Container:shop/web-1/app"),
        ("Endpoint:shop/web/53-udp", "Container:shop/web-2/app"),
    }
    assert not [
        edge for edge in audit.graph.edges() if edge.source == "Internet" and edge.technique.startswith("EXPOSE")
    ]


def slice_of(service: str | None, pod: str, port: int | None, **fields: Any) -> dict[str, Any]:
    label = {} if service is None else {"kubernetes.io/service-name": service}
    owners = [] if service is None else [{"kind": "Service", "name": service, "uid": f"u-{service}"}]
    return {
        "metadata": {
            "name": f"{service}-{pod}-{port}",
            "namespace": "shop",
            "labels": label,
            "ownerReferences": owners,
        },
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["10.0.0.1"], "targetRef": {"kind": "Pod", "name": pod, "namespace": "shop"}}],
        "ports": [{"port": port, **fields}],
    }


def running(name: str, **metadata: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "namespace": "shop", "uid": f"u-{name}", **metadata},
        "spec": {"nodeName": "worker-1", "containers": [{"name": "app", "image": "registry.example/app:1"}]},
        "status": {"phase": "Running"},
    }


def test_a_dump_that_holds_services_needs_none_inferred(tmp_path: Path) -> None:
    service = {"metadata": {"name": "other", "namespace": "shop"}, "spec": {"type": "NodePort", "ports": []}}
    dump = directory(
        tmp_path,
        {
            f"shop/{SLICES}": json.dumps(typed([slice_of("web", "web-1", 8080)])),
            "shop/services.json": json.dumps(typed([service])),
            "shop/deployments.apps.json": json.dumps(
                fetched([{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d", "namespace": "s"}}])
            ),
        },
    )
    view = loaded(dump)
    assert [obj.id for obj in view.all(Service)] == ["Service:shop/other"]
    assert "Deployment:s/d" in held(view)
    missing = {gap.kind for gap in view.coverage if gap.problem is Problem.NOT_COLLECTED}
    assert not missing & {"Service", "Deployment", "EndpointSlice"}
    assert {"Secret", "ReplicaSet", "Pod", "Node"} <= missing


def test_what_a_dump_cannot_say_is_a_gap(tmp_path: Path, objects: Objects) -> None:
    view = loaded(directory(tmp_path / "dump", files(objects)))
    found = {gap.kind: gap for gap in view.coverage}
    assert len(found) == len(view.coverage)
    held_kinds = {obj["kind"] for obj in objects} - {"Pod"}
    assert found.keys() == KINDS.keys() - held_kinds
    assert {(gap.problem, gap.namespace, gap.count) for gap in found.values()} == {(Problem.NOT_COLLECTED, None, 1)}
    for kind, said in {
        "ServiceAccount": "by the pods that run as them and the bindings",
        "Service": "inferred from the labels of EndpointSlices",
        "Secret": "by the pods that name them",
        "ConfigMap": "by the pods that name them",
        "NetworkPolicy": "not known",
        "Namespace": "inferred from the objects in them",
        "Ingress": "not known",
        "PersistentVolume": "not known",
        "PersistentVolumeClaim": "by the pods that mount them",
        "ReplicaSet": "owner references",
        "Deployment": "owner-unknown",
        "Pod": "holds the pods that run",
    }.items():
        assert said in found[kind].detail
    # What Kubernetes itself brings was dumped, so nothing is added from knowledge of it.
    assert view.namespaces() == sorted({ns for obj in objects if (ns := obj["metadata"].get("namespace"))})


def test_kinds_of_a_dump_that_are_absent_are_gaps(tmp_path: Path) -> None:
    view = loaded(directory(tmp_path, {f"shop/{PODS}": json.dumps(typed([running("a")]))}))
    said = {gap.kind: gap.detail for gap in view.coverage if gap.detail.startswith("no ")}
    assert said == {
        "Node": "no nodes.json in the dump",
        "Role": "no roles.rbac.authorization.k8s.io.json in the dump",
        "ClusterRole": "no clusterroles.rbac.authorization.k8s.io.json in the dump",
        "RoleBinding": "no rolebindings.rbac.authorization.k8s.io.json in the dump",
        "ClusterRoleBinding": "no clusterrolebindings.rbac.authorization.k8s.io.json in the dump",
        "EndpointSlice": "no endpointslices.discovery.k8s.io.json in the dump",
    }
    # Then Kubernetes' own are known all the same.
    assert view.is_builtin("ClusterRole:cluster-admin")


@pytest.mark.parametrize(
    ("status", "runs"),
    [
        ({"phase": "Running"}, True),
        ({}, True),
        (None, True),
        ({"phase": "Succeeded"}, False),
        ({"phase": "Pending"}, False),
    ],
)
def test_pods_of_a_dump_run(tmp_path: Path, status: Any, runs: bool) -> None:
    pod = running("a")
    pod["status"] = status
    view = loaded(directory(tmp_path, {f"shop/{PODS}": json.dumps(typed([pod]))}))
    assert bool(pod_of(view).containers) is runs


# --- evidence -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("packed", [False, True], ids=["directory", "archive"])
@pytest.mark.parametrize("by_hand", [False, True], ids=["one line", "kubectl"])
def test_evidence_names_the_file_and_the_line(tmp_path: Path, objects: Objects, packed: bool, by_hand: bool) -> None:
    contents = files(objects, by_hand=by_hand)
    path = archive(tmp_path / "d.tgz", contents) if packed else directory(tmp_path / "d", contents)
    view = loaded(path)
    pod = next(pod for pod in view.all(Pod) if pod.namespace == "shop" and pod.name.startswith("frontend-"))
    evidence = view.evidence(pod, "spec.nodeName")
    inside = f"shop/{PODS}"
    assert evidence.file == (inside if packed else str(path / inside))
    lines = contents[inside].decode().splitlines()
    if not by_hand:
        assert evidence.line == 1
        return
    assert evidence.line is not None
    assert json.loads("{" + lines[evidence.line - 1].strip().rstrip(",") + "}") == {"nodeName": evidence.value}
    origin = view.origin(pod.id)
    assert origin is not None
    text = origin.text()
    assert text is not None
    assert json.loads(text[0])["metadata"]["name"] == pod.name
    assert lines[text[1] - 1].strip() == "{"


def test_an_archive_that_changed_has_no_lines(tmp_path: Path, objects: Objects) -> None:
    path = archive(tmp_path / "d.tgz", files(objects, by_hand=True))
    view = loaded(path)
    path.unlink()
    evidence = view.evidence("Node:cp-1", "spec")
    assert (evidence.file, evidence.line) == (NODES, None)
    origin = view.origin("Node:cp-1")
    assert origin is not None
    assert origin.text() is None


def test_it_can_be_collected_into_a_snapshot(tmp_path: Path, objects: Objects) -> None:
    before = loaded(archive(tmp_path / "d.tgz", files(objects)))
    write_snapshot(before, str(tmp_path / "s.gz"))
    after = loaded(tmp_path / "s.gz")
    assert held(after) == held(before)
    assert after.coverage == before.coverage
    assert (after.source, after.server_version) == ("KubeHound dump of shop", ServerVersion(1, 33))
    assert after.evidence("Service:shop/frontend", "spec.ports").file == f"shop/{SLICES}"


def test_values_of_the_environment_are_not_kept(tmp_path: Path) -> None:
    pod = running("a")
    pod["spec"]["containers"][0]["env"] = [{"name": "PASSWORD", "value": "hunter2-canary"}]
    path = archive(tmp_path / "d.tgz", {f"shop/{PODS}": json.dumps(typed([pod])).encode()})
    view = loaded(path)
    assert "canary" not in str(held(view))


# --- metadata -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cluster", "version", "faults"),
    [
        ({"version_major": "1", "version_minor": "31"}, (1, 31), 0),
        ({"version_major": "1", "version_minor": "31+"}, (1, 31), 0),
        ({"version_major": 1, "version_minor": 30}, (1, 30), 0),
        ({"version_major": "", "version_minor": ""}, None, 0),
        ({"name": "x"}, None, 0),
        ({"version_major": "1", "version_minor": "x"}, None, 1),
        ({"version_major": "1"}, None, 1),
        ({"version_major": ["1"], "version_minor": {}}, None, 1),
        (None, None, 0),
        ("prod", None, 0),
    ],
)
def test_server_version(tmp_path: Path, cluster: Any, version: tuple[int, int] | None, faults: int) -> None:
    contents = {
        NODES: json.dumps(typed([{"metadata": {"name": "n"}}])),
        "metadata.json": json.dumps({"cluster": cluster}),
    }
    view = loaded(directory(tmp_path, contents))
    assert view.server_version.assumed is (version is None)
    if version is not None:
        assert view.server_version.pair == version
    found = gaps(view, Problem.INVALID)
    assert [gap[:3] for gap in found] == [("Document", None, 1)] * faults
    assert all(f"{tmp_path}/metadata.json, cluster.version_minor: " in gap[3] for gap in found)
    assert loaded(tmp_path, server_version="v1.29.1").server_version == ServerVersion(1, 29, 1)


def test_without_metadata_the_api_server_pod_tells_the_version(tmp_path: Path, objects: Objects) -> None:
    view = loaded(directory(tmp_path / "dump", files(objects, metadata=None)))
    assert view.server_version == ServerVersion(1, 33, 13)
    assert gaps(view) == []


@pytest.mark.parametrize(
    ("path", "prefix", "metadata", "name"),
    [
        ("d.tgz", "", METADATA, "shop"),
        (f"{RUN}.tar.gz", "", None, "prod-eu.example"),
        (f"{RUN}.tar.gz", "", {"cluster": {"name": " "}}, "prod-eu.example"),
        (f"{RUN}.tar.gz", "", {"cluster": {"name": 1}}, "prod-eu.example"),
        ("d.tgz", f"{RUN}/", None, "prod-eu.example"),
        ("d.tgz", "staging/", None, "staging"),
        ("staging.tar.gz", "", None, "staging"),
        ("staging.tgz", "", None, "staging"),
        (f"{RUN}/", "", None, "prod-eu.example"),
        ("staging/", "", None, "staging"),
        ("out/", "staging/", None, "staging"),
        ("a\x1b[1mb/", "", None, r"a\x1b[1mb"),
    ],
)
def test_cluster_name(tmp_path: Path, path: str, prefix: str, metadata: Any, name: str) -> None:
    contents = {f"{prefix}{NODES}": NODE}
    if metadata is not None:
        contents[f"{prefix}metadata.json"] = json.dumps(metadata).encode()
    target = tmp_path / path.rstrip("/")
    made = directory(target, contents) if path.endswith("/") else archive(target, contents)
    assert loaded(made).source == f"KubeHound dump of {name}"


@pytest.mark.parametrize("content", [b"{", b"[]", b"1", b"", b"\xff"])
def test_metadata_that_cannot_be_read_is_a_gap(tmp_path: Path, content: bytes) -> None:
    view = loaded(directory(tmp_path / "c", {NODES: NODE, "metadata.json": content}))
    assert view.source == "KubeHound dump of c"
    ((kind, namespace, count, detail),) = gaps(view, Problem.INVALID)
    assert (kind, namespace, count) == ("Document", None, 1)
    assert "metadata.json" in detail


def test_the_metadata_nearest_to_the_top_counts(tmp_path: Path) -> None:
    inner = {"cluster": {"name": "inner"}}
    contents = {NODES: NODE, "metadata.json": json.dumps(METADATA), "a/metadata.json": json.dumps(inner)}
    for reverse in (False, True):
        made = archive(
            tmp_path / f"{reverse}.tgz",
            {k: v if isinstance(v, bytes) else v.encode() for k, v in sorted(contents.items(), reverse=reverse)},
        )
        assert loaded(made).source == "KubeHound dump of shop"


# --- what cannot be read ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "problem", "said"),
    [
        (b'{"items": [', Problem.INVALID, "shop/pods.json:1, document 1: not JSON"),
        (b'{"items": []} {}', Problem.INVALID, "not JSON: malformed: trailing characters"),
        (b"\xff\xff", Problem.INVALID, "not "),
        (b"[]", Problem.INVALID, "expected an object that holds a list of items"),
        (b'"x"', Problem.INVALID, "expected an object"),
        (b'{"items": {}}', Problem.INVALID, "items: expected a list"),
        (b'{"items": "x"}', Problem.INVALID, "items: expected a list"),
        (b'{"things": []}', Problem.INVALID, "no items"),
        (b'{"items": [1]}', Problem.INVALID, "expected"),
        (b'{"items": [{"metadata": {}}]}', Problem.INVALID, "metadata.name: an object needs a name"),
        (b'{"items": [{"metadata": {"name": 1}}]}', Problem.INVALID, "metadata.name: expected a string"),
        (b'{"items": [{"metadata": {"name": "\xff"}}]}', Problem.INVALID, "not UTF-8"),
        (b"", Problem.NOT_COLLECTED, "shop/pods.json: is empty"),
        (b" \n", Problem.NOT_COLLECTED, "shop/pods.json: is empty"),
        (b'{"error":true}\n', Problem.FORBIDDEN, "shop/pods.json: the dump holds an error"),
        (b'{"items": [' + b"[" * 100_000, Problem.INVALID, "nested too deeply"),
    ],
)
def test_what_cannot_be_read_is_a_gap(tmp_path: Path, content: bytes, problem: Problem, said: str) -> None:
    good = json.dumps(typed([running("b", namespace="bank")])).encode()
    contents = {NODES: NODE, f"shop/{PODS}": content, f"bank/{PODS}": good}
    for path in (archive(tmp_path / "d.tgz", contents), directory(tmp_path / "d", contents)):
        view = loaded(path)
        assert held(view).keys() == {"Node:n", "Pod:bank/b"}
        ((kind, namespace, count, detail),) = [
            gap for gap in gaps(view, problem) if not gap[3].startswith("no ") or gap[3].startswith("no items")
        ]
        assert (kind, count) == ("Pod", 1)
        assert namespace == ("shop" if problem is not Problem.INVALID else None)
        assert said in detail


@pytest.mark.parametrize("content", [b"{}", b'{"metadata":{}}', b'{"metadata":{},"items":null}', b'{"items":[]}'])
def test_empty_lists_are_no_gap(tmp_path: Path, content: bytes) -> None:
    view = loaded(directory(tmp_path, {NODES: NODE, CLUSTER_ROLES: content}))
    assert "ClusterRole" not in {gap.kind for gap in view.coverage}


def test_a_fault_has_its_field_and_line_and_the_rest_is_read(tmp_path: Path) -> None:
    bad, worse = running("bad"), running("worse")
    bad["spec"]["hostPID"] = "yes"
    worse["spec"]["containers"][0]["image"] = 1
    text = json.dumps(fetched([running("a"), bad, running("b"), worse, running("c")]), indent=1)
    for path in (
        archive(tmp_path / "d.tgz", {f"shop/{PODS}": text.encode()}),
        directory(tmp_path / "d", {f"shop/{PODS}": text}),
    ):
        view = loaded(path)
        assert [pod.name for pod in view.pods] == ["a", "b", "c"]
        lines = text.splitlines()
        first = lines.index('    "hostPID": "yes"') + 1
        second = lines.index('      "image": 1') + 1
        details = [gap[3] for gap in gaps(view, Problem.INVALID)]
        assert len(details) == 2
        assert f"{PODS}:{first}, document 1, spec.hostPID: expected true or false, got a string" in details[0]
        assert f"{PODS}:{second}, document 1, spec.containers[0].image: expected a string" in details[1]
        nodes = [number for number, line in enumerate(lines, 1) if '"nodeName"' in line]
        assert view.evidence("Pod:shop/c", "spec.nodeName").line == nodes[-1]


def test_many_faults_are_counted(tmp_path: Path) -> None:
    bad = [{"metadata": {"name": f"p{number}", "labels": 1}} for number in range(50)]
    view = loaded(directory(tmp_path, {NODES: NODE, f"shop/{PODS}": json.dumps(typed(bad))}))
    found = gaps(view, Problem.INVALID)
    assert sum(gap[2] for gap in found) == 50
    assert len(found) == 21


def test_one_list_in_several_directories_is_no_loss(tmp_path: Path) -> None:
    """collect.sh may write the objects of the current namespace into the directory of every namespace."""
    same = json.dumps(fetched([running("a")]))
    other = running("a")
    other["spec"]["hostPID"] = True
    contents = {NODES: NODE, f"one/{PODS}": same, f"two/{PODS}": same}
    assert gaps(loaded(directory(tmp_path / "same", contents)), Problem.INVALID) == []
    contents[f"two/{PODS}"] = json.dumps(fetched([other]))
    view = loaded(directory(tmp_path / "other", contents))
    assert gaps(view, Problem.INVALID) == [
        ("Pod", None, 1, "a name that another object has already; the first counts"),
    ]
    assert not pod_of(view).spec.host_pid


def test_an_item_that_says_what_it_is_counts_before_the_name_of_the_file(tmp_path: Path) -> None:
    items = [
        {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}},
        {
            "kind": "Role",
            "apiVersion": "rbac.authorization.k8s.io/v1beta1",
            "metadata": {"name": "r"},
        },
        {"apiVersion": "v1", "kind": "Event", "metadata": {"name": "e"}},
        {"kind": "Pod", "metadata": {"name": "p"}},
    ]
    view = loaded(directory(tmp_path, {f"shop/{PODS}": json.dumps({"items": items})}))
    # What names no namespace stands in that of the directory.
    assert held(view).keys() == {"Node:n", "Role:shop/r", "Pod:shop/p"}
    assert held(view)["Role:shop/r"].api_version == "rbac.authorization.k8s.io/v1beta1"
    assert gaps(view, Problem.SKIPPED) == [("Event", None, 1, "v1 Event is not analysed")]


def test_a_typed_list_and_a_single_object(tmp_path: Path) -> None:
    roles = {"kind": "RoleList", "apiVersion": "rbac.authorization.k8s.io/v1", "items": [{"metadata": {"name": "r"}}]}
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}}
    view = loaded(directory(tmp_path, {f"shop/{PODS}": json.dumps(roles), NODES: json.dumps(node)}))
    assert held(view).keys() == {"Role:shop/r", "Node:n"}


def test_other_files_are_counted(tmp_path: Path) -> None:
    contents = {NODES: NODE, "shop/events.json": b"{}", "shop/pods.metrics.k8s.io.json": b"{}", "README": b"x"}
    view = loaded(directory(tmp_path, contents))
    ((kind, _, count, detail),) = gaps(view, Problem.SKIPPED)
    assert (kind, count) == ("Document", 2)
    assert "shop/events.json" in detail


def test_dumps_of_several_clusters_are_refused(tmp_path: Path) -> None:
    directory(tmp_path, {f"east/{NODES}": NODE, f"west/{NODES}": NODE})
    with pytest.raises(InputError, match=r"several clusters \(east, west\): name the directory of one"):
        loaded(tmp_path)
    assert held(loaded(tmp_path / "east")).keys() == {"Node:n"}


def test_an_empty_archive_is_no_dump(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no snapshot"):
        loaded(archive(tmp_path / "d.tgz", {}))


@pytest.mark.parametrize("contents", [{"README": b"x"}, {"a.json": b"{}"}])
def test_no_dump(tmp_path: Path, contents: dict[str, bytes]) -> None:
    with pytest.raises(InputError, match=r"no file of a KubeHound dump in it .*use --manifests"):
        loaded(directory(tmp_path, contents))
    with pytest.raises(InputError, match=r"no file of a KubeHound dump in it \(nodes.json, <namespace>/pods.json"):
        loaded(archive(tmp_path / "d.tgz", contents))


def test_nothing_that_can_be_read_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        loaded(directory(tmp_path, {NODES: b"{", f"shop/{PODS}": b'{"items": []}'}))
    assert "nodes.json:1, document 1: not JSON" in str(caught.value)
    assert "no Kubernetes object in it that can be read" in str(caught.value)


def test_a_dump_is_no_manifest(tmp_path: Path, objects: Objects) -> None:
    dump = directory(tmp_path / "dump", files(objects))
    with pytest.raises(InputError, match="a KubeHound dump, no manifests: use --snapshot"):
        load(SourceRequest(SourceKind.MANIFESTS, (str(dump),)))


def test_progress(tmp_path: Path) -> None:
    heard: list[tuple[str, int, int]] = []
    path = directory(tmp_path, {NODES: NODE, f"shop/{PODS}": NODE})
    load(SourceRequest(SourceKind.SNAPSHOT, (str(path),)), lambda *args: heard.append(args))
    assert heard == [("reading the dump: files", 1, 0), ("reading the dump: files", 2, 0)]


def test_gaps_are_recorded_once(tmp_path: Path) -> None:
    view = loaded(directory(tmp_path, {NODES: b'{"error": true}', f"shop/{PODS}": json.dumps(typed([running("a")]))}))
    assert [gap for gap in view.coverage if gap.kind == "Node"] == [
        Gap("Node", None, Problem.FORBIDDEN, 1, "nodes.json: the dump holds an error")
    ]
