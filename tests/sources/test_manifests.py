"""Manifests: lists, streams, directories, standard input, and where each object stands."""

from __future__ import annotations

import io
import json
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from workbench.inventory.evidence import Origin, Problem
from workbench.inventory.inventory import Inventory
from workbench.inventory.objects import Deployment, Pod
from workbench.sources import SourceKind, SourceRequest, load
from workbench.sources.manifests import read_manifests


def pod(name: str, **spec: Any) -> dict[str, Any]:
    """A pod as plain data."""
    spec = {"containers": [{"name": "app", "image": "nginx"}], **spec}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}


def ids(path: Path | str, **options: Any) -> list[str]:
    """The ids of the objects that are read from a path."""
    return [obj.id for obj, _ in read_manifests([str(path)], **options).objects]


def written(tmp_path: Path, text: str | bytes, name: str = "m.yaml") -> Path:
    path = tmp_path / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


POD = "apiVersion: v1\nkind: Pod\nmetadata: {name: %s}\n"
A, B, C = (POD % name for name in "abc")

FORMS: dict[str, tuple[str | bytes, list[str]]] = {
    "one document": (A, ["a"]),
    "several": (f"{A}---\n{B}---\n{C}", ["a", "b", "c"]),
    "leading and trailing separators": (f"---\n---\n{A}\n---\n---\n{B}---\n", ["a", "b"]),
    "comments between": (f"# x\n---\n# y\n{A}--- # z\n{B}", ["a", "b"]),
    "content after the separator": ("--- {apiVersion: v1, kind: Pod, metadata: {name: a}}\n---\n" + B, ["a", "b"]),
    "document end marks": (f"{A}...\n---\n{B}...\n", ["a", "b"]),
    "directive": (f"%YAML 1.1\n---\n{A}...\n%YAML 1.1\n---\n{B}", ["a", "b"]),
    "separator inside a block": (A + "data: |\n  ---\n  x\n" + f"---\n{B}", ["a", "b"]),
    "separator inside a quoted text": (A + 'data: "x\n  --- y"\n' + f"---\n{B}", ["a", "b"]),
    "dashes that separate nothing": (A + "data: ---x\n" + f"---\n{B}", ["a", "b"]),
    "crlf": (f"{A}---\n{B}".replace("\n", "\r\n"), ["a", "b"]),
    "byte order mark": ("\ufeff" + A, ["a"]),
    "byte order marks of joined files": (f"\ufeff{A}\ufeff---\n{B}", ["a", "b"]),
    "utf-16": (f"{A}---\n{B}".encode("utf-16"), ["a", "b"]),
    "no line break at the end": (A.rstrip(), ["a"]),
    "flow mapping, no json": ("{apiVersion: v1, kind: Pod, metadata: {name: a}}", ["a"]),
    "json": (json.dumps(pod("a")), ["a"]),
    "json, kind last": ('{"metadata": {"name": "a"}, "spec": {}, "apiVersion": "v1", "kind": "Pod"}', ["a"]),
    "json with a byte order mark": ("\ufeff" + json.dumps(pod("a")), ["a"]),
    "json after json": (json.dumps(pod("a")) + "\n" + json.dumps(pod("b"), indent=1) + "\n", ["a", "b"]),
    "json in a yaml stream": (json.dumps(pod("a")) + f"\n---\n{B}", ["a", "b"]),
    "json list": (json.dumps({"apiVersion": "v1", "kind": "List", "items": [pod("a"), pod("b")]}), ["a", "b"]),
    "json list, kind last": (
        json.dumps({"items": [pod("a"), pod("b")], "kind": "List", "apiVersion": "v1"}, indent=2),
        ["a", "b"],
    ),
    "json list in a list": (
        json.dumps(
            {
                "apiVersion": "v1",
                "kind": "List",
                "items": [{"apiVersion": "v1", "kind": "List", "metadata": {}, "items": [pod("a")]}, pod("b")],
            }
        ),
        ["a", "b"],
    ),
    "json typed list": (
        json.dumps({"kind": "PodList", "apiVersion": "v1", "items": [{"metadata": {"name": "a"}}, pod("b")]}),
        ["a", "b"],
    ),
    "json list with hostile text": (
        json.dumps(
            {
                "apiVersion": "v1",
                "metadata": {"annotations": {"x": '"items": [{"apiVersion"', "items": [pod("x")]}},
                "kind": "List",
                "items": [pod("a"), pod("b")],
            }
        ),
        ["a", "b"],
    ),
    "empty list beside an object": (f"apiVersion: v1\nkind: List\nitems: []\n---\n{A}", ["a"]),
    "null list beside an object": (f"apiVersion: v1\nkind: PodList\nitems:\n---\n{A}", ["a"]),
    "yaml list": (f"apiVersion: v1\nkind: List\nitems:\n- {A.replace(chr(10), chr(10) + '  ')}", ["a"]),
    "yaml typed list": (
        "apiVersion: v1\nkind: PodList\nitems:\n- metadata: {name: a}\n- metadata: {name: b}\n",
        ["a", "b"],
    ),
    "anchors": (A.replace("name: a", "name: &n a") + "spec: {serviceAccountName: *n}\n", ["a"]),
}


@pytest.mark.parametrize("form", FORMS)
def test_forms(form: str, tmp_path: Path) -> None:
    text, names = FORMS[form]
    assert ids(written(tmp_path, text)) == [f"Pod:default/{name}" for name in names]


def test_typed_list_items_get_their_version(tmp_path: Path) -> None:
    items = [{"metadata": {"name": "a"}, "spec": {"replicas": 2}}]
    for name, text in {
        "m.json": json.dumps({"kind": "DeploymentList", "apiVersion": "apps/v1", "items": items}),
        "m.yaml": "kind: DeploymentList\napiVersion: apps/v1\nitems:\n- metadata: {name: a}\n  spec: {replicas: 2}\n",
    }.items():
        [(obj, _)] = read_manifests([str(written(tmp_path, text, name))]).objects
        assert isinstance(obj, Deployment)
        assert obj.api_version == "apps/v1"
        assert obj.spec is not None
        assert obj.spec.replicas == 2


def test_a_custom_kind_that_ends_in_list_is_no_list(tmp_path: Path) -> None:
    read = read_manifests([str(written(tmp_path, "apiVersion: a.io/v1\nkind: AllowList\nmetadata: {name: a}\n"))])
    assert [(gap.kind, gap.count, gap.problem) for gap in read.gaps] == [("AllowList", 1, Problem.SKIPPED)]


def test_what_is_passed_over_is_counted(tmp_path: Path) -> None:
    foo = "apiVersion: a.io/v1\nkind: Foo\nmetadata: {name: %s}\n"
    text = "---\n".join([A, foo % "x", foo % "y", "values: 1\n", "- a\n", "text\n", "apiVersion: b/v1\nkind: Bar\n"])
    read = read_manifests([str(written(tmp_path, text))])
    assert [(gap.kind, gap.count, gap.problem.value) for gap in read.gaps] == [
        ("Foo", 2, "skipped"),
        ("Bar", 1, "skipped"),
        ("Document", 3, "skipped"),
    ]


def test_only_kinds_that_are_not_analysed_is_no_error(tmp_path: Path) -> None:
    view = load(SourceRequest(SourceKind.MANIFESTS, (str(written(tmp_path, "apiVersion: a.io/v1\nkind: Foo\n")),)))
    assert len(view.pods) == 0
    assert [gap.kind for gap in view.coverage] == ["Foo"]


@pytest.mark.parametrize(
    ("namespace", "text", "expected"),
    [
        ("", A, "Pod:default/a"),
        ("shop", A, "Pod:shop/a"),
        ("shop", A.replace("{name: a}", "{name: a, namespace: other}"), "Pod:other/a"),
        ("shop", "apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n", "Namespace:a"),
        ("shop", "apiVersion: v1\nkind: Namespace\nmetadata: {name: a, namespace: b}\n", "Namespace:a"),
    ],
)
def test_namespaces(tmp_path: Path, namespace: str, text: str, expected: str) -> None:
    assert ids(written(tmp_path, text), default_namespace=namespace) == [expected]


@pytest.mark.parametrize(
    ("version", "kind"),
    [
        ("rbac.authorization.k8s.io/v1beta1", "Role"),
        ("batch/v1beta1", "CronJob"),
        ("extensions/v1beta1", "Ingress"),
        ("extensions/v1beta1", "Deployment"),
    ],
)
def test_old_versions_are_read_like_todays(tmp_path: Path, version: str, kind: str) -> None:
    text = f"apiVersion: {version}\nkind: {kind}\nmetadata: {{name: a}}\n"
    assert ids(written(tmp_path, text)) == [f"{kind}:default/a"]


def test_same_name_in_another_group_is_another_object(tmp_path: Path) -> None:
    text = "".join(
        f"---\napiVersion: {version}\nkind: {kind}\nmetadata: {{name: a{extra}}}\n"
        for version, kind, extra in [
            ("apps/v1", "Deployment", ""),
            ("apps/v1", "Deployment", ", namespace: b"),
            ("apps/v1", "StatefulSet", ""),
            ("a.io/v1", "Deployment", ""),
            ("b.io/v1", "Deployment", ""),
        ]
    )
    assert len(ids(written(tmp_path, text))) == 3


def test_objects_named_by_the_server(tmp_path: Path) -> None:
    text = "---\n".join("apiVersion: batch/v1\nkind: Job\nmetadata: {generateName: run-}\n" for _ in range(3))
    assert ids(written(tmp_path, text)) == ["Job:default/run-*", "Job:default/run-*2", "Job:default/run-*3"]


def test_directories(tmp_path: Path) -> None:
    (tmp_path / "sub" / "deep").mkdir(parents=True)
    written(tmp_path, C, "c.yml")
    written(tmp_path, B, "sub/b.yaml")
    written(tmp_path, json.dumps(pod("a")), "sub/deep/a.json")
    written(tmp_path, "not read: [", "notes.txt")
    written(tmp_path, "not read: [", "sub/x.yaml.bak")
    assert ids(tmp_path) == ["Pod:default/c", "Pod:default/b", "Pod:default/a"]


def test_a_named_file_is_read_whatever_its_name(tmp_path: Path) -> None:
    assert ids(written(tmp_path, A, "notes.txt")) == ["Pod:default/a"]


def test_links(tmp_path: Path) -> None:
    real = tmp_path / "real"
    real.mkdir()
    written(real, A, "a.yaml")
    root = tmp_path / "root"
    root.mkdir()
    (root / "dir").symlink_to(real)
    (root / "loop").symlink_to(root)
    (real / "up").symlink_to(root)
    (root / "z.yaml").symlink_to(real / "a.yaml")
    assert ids(root) == ["Pod:default/a"]


def test_a_file_named_twice_is_read_once(tmp_path: Path) -> None:
    path = written(tmp_path, A)
    assert len(read_manifests([str(path), str(tmp_path), str(tmp_path)]).objects) == 1


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(f"{A}---\n{B}spec:\n  hostPID: yes\n".encode())))
    view = load(SourceRequest(SourceKind.MANIFESTS, ("-",)))
    assert view.source == "standard input"
    evidence = view.evidence("Pod:default/b", "spec.hostPID")
    assert (evidence.file, evidence.line, evidence.value) == ("-", 9, True)
    origin = view.origin("Pod:default/b")
    assert origin is not None
    assert origin.text() == (f"---\n{B}spec:\n  hostPID: yes", 4)


def test_a_pipe_is_read_once_and_kept(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=(A + "spec:\n  hostPID: true\n",))
    writer.start()
    try:
        [(_, origin)] = read_manifests([str(pipe)]).objects
    finally:
        writer.join()
    assert origin is not None
    assert origin.line("spec.hostPID") == 5


def test_progress(tmp_path: Path) -> None:
    for name, text in (("a.yaml", A), ("b.yaml", B)):
        written(tmp_path, text, name)
    heard: list[tuple[str, int, int]] = []
    load(SourceRequest(SourceKind.MANIFESTS, (str(tmp_path),)), lambda *args: heard.append(args))
    assert heard == [("reading manifests", 0, 2), ("reading manifests", 1, 2), ("reading manifests", 2, 2)]


def test_progress_within_a_file(tmp_path: Path) -> None:
    path = written(tmp_path, "---\n".join(POD % f"p{number}" for number in range(450)))
    heard: list[tuple[str, int, int]] = []
    read_manifests([str(path)], progress=lambda *args: heard.append(args))
    what = f"reading {path}: document"
    assert heard[1:-1] == [(what, 200, 0), (what, 400, 0)]


def test_our_own_configuration_may_lie_beside_manifests(tmp_path: Path) -> None:
    written(tmp_path, "apiVersion: workbench/v1\ngate: {severity: high}\n", "workbench.yaml")
    written(tmp_path, A)
    assert ids(tmp_path) == ["Pod:default/a"]


def test_deep_schemas_are_read(tmp_path: Path) -> None:
    deep = "x: &x " + "{properties: " * 150 + "1" + "}" * 150
    assert ids(written(tmp_path, A + deep)) == ["Pod:default/a"]
    assert ids(written(tmp_path, json.dumps({**pod("a"), "x": json.loads('{"p":' * 150 + "1" + "}" * 150)}))) == [
        "Pod:default/a"
    ]


# --- where things stand -------------------------------------------------------------------------------

WORKLOAD = """\
# a comment

apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  labels: {app.kubernetes.io/name: web}
spec:
  template:
    spec:
      hostPID: true
      containers:
      - name: side
        image: side
      - image: nginx
        name: web
        securityContext:
          privileged: true
"""

LINES = [
    ("", 3),
    ("kind", 4),
    ("metadata.labels[app.kubernetes.io/name]", 7),
    ("spec.template.spec.hostPID", 11),
    ("spec.template.spec.containers[name=side]", 13),
    ("spec.template.spec.containers[1]", 15),
    ("spec.template.spec.containers[name=web]", 15),
    ("spec.template.spec.containers[name=web].securityContext.privileged", 18),
    ("spec.template.spec.containers[name=web].securityContext.capabilities.add", 17),
    ("spec.template.spec.hostIPC", 10),
    ("spec.template.spec.containers[name=none].image", 12),
    ("spec.template.spec.containers[9].image", 12),
    ("status.phase", 3),
    ("metadata.name.x", 6),
]


def placed(origin: Origin | None) -> Callable[[str], int | None]:
    assert origin is not None
    return origin.line


@pytest.mark.parametrize(("field", "line"), LINES)
def test_lines_of_yaml(tmp_path: Path, field: str, line: int) -> None:
    [(_, origin)] = read_manifests([str(written(tmp_path, WORKLOAD))]).objects
    assert placed(origin)(field) == line
    [_, (_, origin)] = read_manifests([str(written(tmp_path, f"{A}---\r\n{WORKLOAD}"))]).objects
    assert placed(origin)(field) == line + 4


@pytest.mark.parametrize(("field", "line"), LINES)
def test_lines_of_an_item_of_a_yaml_list(tmp_path: Path, field: str, line: int) -> None:
    item = WORKLOAD.split("\n\n", 1)[1].replace("\n", "\n  ").rstrip()
    text = f"apiVersion: v1\nkind: List\nitems:\n- {A.replace(chr(10), chr(10) + '  ').rstrip()}\n- {item}\n"
    [_, (_, origin)] = read_manifests([str(written(tmp_path, text))]).objects
    assert placed(origin)(field) == line + 4
    assert origin is not None
    shown = origin.text()
    assert shown is not None
    assert shown[1] == 7
    assert shown[0].splitlines()[0] == "apiVersion: apps/v1"
    assert shown[0].splitlines()[4] == "  labels: {app.kubernetes.io/name: web}"


JSON_ITEM = """\
{"apiVersion": "v1", "kind": "List", "items": [
  {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "first"}},
  {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "web", "annotations": {
        "a/b": "\\u007b \\"spec\\": [ } \\ud83d\\ude00 \\\\"}},
    "spec": {
      "containers": [
        {"name": "side", "image": "x"},
        {"image": "x", "name": "we\\u0062",
         "securityContext": {
           "privileged": true}}],
      "deep": [[[[[[[[[[[[[[{"a": "]"}]]]]]]]]]]]]]],
      "hostPID": true
    }
  }
]}
"""


@pytest.mark.parametrize(
    ("field", "line"),
    [
        ("", 3),
        ("kind", 5),
        ("metadata.annotations[a/b]", 7),
        ("spec", 8),
        ("spec.containers", 9),
        ("spec.containers[0]", 10),
        ("spec.containers[name=web]", 11),
        ("spec.containers[1].securityContext.privileged", 13),
        ("spec.containers[name=web].securityContext.runAsUser", 12),
        ("spec.containers[name=none].image", 9),
        ("spec.hostPID", 15),
        ("spec.hostIPC", 8),
        ("status", 3),
    ],
)
def test_lines_of_json(tmp_path: Path, field: str, line: int) -> None:
    objects = list(read_manifests([str(written(tmp_path, JSON_ITEM))]).objects)
    assert [placed(origin)("") for _, origin in objects] == [2, 3]
    assert placed(objects[1][1])(field) == line
    origin = objects[1][1]
    assert origin is not None
    text = origin.text()
    assert text is not None
    assert text[1] == 3
    assert text[0].startswith("{\n")
    assert text[0].endswith("\n}")
    assert json.loads(text[0])["metadata"]["name"] == "web"


@pytest.mark.parametrize("part", [1, 40, 100, 10_000])
@pytest.mark.parametrize("order", [[0, 1, 2, 3], [3, 2, 1, 0], [1, 3, 0, 2]])
def test_lines_of_a_large_file_are_counted_a_part_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: int, order: list[int]
) -> None:
    monkeypatch.setattr("workbench.sources.origin._PART", part)
    items = [json.dumps(pod(name), indent=1) for name in "abcd"]
    text = '{"apiVersion": "v1", "kind": "List", "items": [\n' + ",\n\n".join(items) + "]}"
    objects = list(read_manifests([str(written(tmp_path, text))]).objects)
    first = [text.count("\n", 0, text.index(item)) + 1 for item in items]
    assert [placed(objects[at][1])("") for at in order] == [first[at] for at in order]


def test_fields_that_come_from_an_anchor(tmp_path: Path) -> None:
    text = A + "x: &x\n  hostPID: true\nspec:\n  <<: *x\n  hostIPC: true\n"
    [(obj, origin)] = read_manifests([str(written(tmp_path, text))]).objects
    assert isinstance(obj, Pod)
    assert obj.spec is not None
    assert obj.spec.host_pid is True
    assert placed(origin)("spec.hostPID") == 5
    assert placed(origin)("spec.hostIPC") == 8


@pytest.mark.parametrize("text", [f"{A}spec: {{hostPID: true}}\n", json.dumps(pod("a", hostPID=True))])
def test_a_file_that_changed_gives_no_line(tmp_path: Path, text: str) -> None:
    path = written(tmp_path, text)
    [(_, origin)] = read_manifests([str(path)]).objects
    path.write_text("# one line more\n" + text)
    assert placed(origin)("spec.hostPID") is None
    assert origin is not None
    assert origin.text() is None
    path.unlink()
    assert origin.text() is None


def test_no_text_of_files_is_held(tmp_path: Path) -> None:
    path = written(tmp_path, json.dumps({"apiVersion": "v1", "kind": "List", "items": [pod("a"), pod("b")]}))
    [(_, origin), _] = read_manifests([str(path)]).objects
    places = getattr(origin, "_places", None)
    assert places is not None
    assert places.file._kept is None


def test_representatives_point_into_the_workload(tmp_path: Path) -> None:
    view: Inventory = load(SourceRequest(SourceKind.MANIFESTS, (str(written(tmp_path, WORKLOAD)),)))
    [instance] = view.pods
    assert instance.id == "Pod:default/web"
    evidence = view.evidence(instance.obj, instance.containers[1].field("securityContext.privileged"), False)
    assert evidence.object == "Deployment:default/web"
    assert (evidence.value, evidence.line) == (True, 18)
    assert evidence.file == str(tmp_path / "m.yaml")
