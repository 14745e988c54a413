"""Bad manifests: every fault is reported, with the file, the document, the line and the field."""

from __future__ import annotations

import io
import json
import os
import sys
from pathlib import Path

import pytest

from workbench.errors import InputError, UsageError
from workbench.inventory.evidence import Problem
from workbench.sources import SourceKind, SourceRequest, load
from workbench.sources.documents import Limits
from workbench.sources.manifests import read_manifests

POD = """\
apiVersion: v1
kind: Pod
metadata:
  name: web
spec:
  containers:
  - name: app
    image: nginx
"""


def faults(
    tmp_path: Path, *texts: str | bytes, name: str = "m.yaml"
) -> list[tuple[str, int | None, int | None, str | None, str]]:
    """What is reported of files that hold these texts: document, line, field and problem of each."""
    for number, text in enumerate(texts):
        target = tmp_path / (name if len(texts) == 1 else f"{number}-{name}")
        target.write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(InputError) as caught:
        read_manifests([str(tmp_path)])
    assert all(fault.file.startswith(str(tmp_path)) for fault in caught.value.faults)
    return [
        (os.path.basename(fault.file), fault.document, fault.line, fault.field, fault.problem)
        for fault in caught.value.faults
    ]


CASES = {
    "broken yaml": (f"{POD}---\na: [1, 2\nb: 3\n", 2, 11, None, "not YAML: while parsing a flow sequence"),
    "tab indentation": ("apiVersion: v1\nkind: Pod\nmetadata:\n\tname: x\n", 1, 4, None, "cannot start any token"),
    "unclosed quote": ('a: "b\nc: d\n', 1, 2, None, "not YAML"),
    "helm template": ("apiVersion: v1\nkind: {{ .Values.kind }}\n", 1, 2, None, "helm template"),
    "helm template at the start": ("{{- if .Values.x }}\napiVersion: v1\n", 1, 1, None, "helm template"),
    "control character": ("apiVersion: v1\nkind: P\x01od\n", 1, 2, None, r"the control character \x01"),
    "not utf-8": (b"apiVersion: v1\nkind: P\xffod\n", 1, 2, None, "not UTF-8 text: byte 0xff"),
    "broken utf-16": (b"\xff\xfea", None, None, None, "not UTF-16 text"),
    "duplicate key": (POD.replace("    image: nginx", "    name: b"), 1, 8, None, "'name' stands twice"),
    "duplicate quoted key": ('a: 1\n"a": 2\n', 1, 2, None, "'a' stands twice"),
    "null key": ("~: 1\n", 1, 1, None, "must not be null"),
    "mapping as a key": ("? {a: 1}\n: 2\n", 1, 1, None, "must be a plain value"),
    "unknown anchor": ("a: *b\n", 1, 1, None, "undefined alias"),
    "alias into itself": ("x: 1\na: &a\n- *a\n", 1, 2, None, "refers to what it stands in"),
    "deep nesting": ("a: " + "[" * 900 + "]" * 900, 1, 1, None, "nested"),
    "deeper nesting": ("a: " + "[" * 90_000, 1, 1, None, "nesting depth"),
    "deep json": ('{"apiVersion": "v1", "kind": "Pod", "x": ' + "[" * 90_000, 1, None, None, "nested too deeply"),
    "kind missing, apiVersion": ("apiVersion: v1\n", 1, 1, "kind", "no kind"),
    "kind missing, metadata": ("a: 1\nmetadata: {name: x}\n", 1, 1, "kind", "no kind"),
    "kind missing, spec": ("\n\nspec:\n  a: 1\n", 1, 3, "kind", "no kind"),
    "kind null": ("metadata: {}\nkind:\n", 1, 2, "kind", "no kind"),
    "kind a number": ("apiVersion: v1\nkind: 1\n", 1, 2, "kind", "expected a string"),
    "apiVersion missing": (POD.removeprefix("apiVersion: v1\n"), 1, 1, "apiVersion", "no apiVersion"),
    "apiVersion a number": ("apiVersion: 1\nkind: Pod\n", 1, 1, "apiVersion", "expected a string"),
    "apiVersion of another group": ("apiVersion: v1\nkind: Deployment\n", 1, 1, "apiVersion", "it is in apps/v1"),
    "name missing": ("apiVersion: v1\nkind: Pod\nmetadata: {}\n", 1, 3, "metadata.name", "needs a name"),
    "metadata missing": ("apiVersion: v1\nkind: Pod\nspec: {}\n", 1, 1, "metadata.name", "needs a name"),
    "bare list": ("- apiVersion: v1\n  kind: Pod\n", 1, 1, None, "kind: List"),
    "list item a text": ("apiVersion: v1\nkind: List\nitems:\n- x\n", 1, 4, None, "has to be an object"),
    "list item null": ("apiVersion: v1\nkind: List\nitems:\n-\n", 1, 4, None, "has to be an object"),
    "list items a mapping": ("apiVersion: v1\nkind: List\nitems: {a: 1}\n", 1, 3, "items", "expected a list"),
    "list item without kind": (
        "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  metadata: {name: x}\n",
        1,
        4,
        "kind",
        "no kind",
    ),
    "string for a boolean": (POD + "  hostPID: 'true'\n", 1, 9, "spec.hostPID", "expected true or false, got a string"),
    "null label is fine, number is not": (
        POD.replace("  name: web", "  name: web\n  labels:\n    a:\n    b: 1.10"),
        1,
        7,
        "metadata.labels.b",
        "expected a string, got a number with a fraction",
    ),
    "boolean label": (
        POD.replace("  name: web", "  name: web\n  labels: {expose: yes}"),
        1,
        5,
        "metadata.labels.expose",
        "expected a string, got the boolean true",
    ),
    "mapping for a list": (
        POD.replace("  - name: app\n    image: nginx\n", "    name: app\n    image: nginx\n"),
        1,
        6,
        "spec.containers",
        "expected a list, got a mapping",
    ),
    "port a word": (
        POD + "    ports:\n    - containerPort: http\n",
        1,
        10,
        "spec.containers[0].ports[0].containerPort",
        "expected an integer, got a string",
    ),
    "timestamp is a string": (
        POD + "    securityContext: {runAsUser: 2024-01-01}\n",
        1,
        9,
        "spec.containers[0].securityContext.runAsUser",
        "expected an integer, got a string",
    ),
    "wrong type in a template": (
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\nspec:\n  replicas: two\n",
        1,
        5,
        "spec.replicas",
        "expected an integer, got a string",
    ),
    "literal of a subPathExpr": (
        POD + "    env:\n    - {name: A, value: 1}\n    volumeMounts:\n    - {name: v, subPathExpr: $(A)}\n",
        1,
        9,
        "spec.containers[name=app].env",
        "expected `str | null`, got `int`",
    ),
    "second of its name": (f"{POD}---\n{POD}", 2, 13, "metadata.name", "a second Pod default/web; the first is in "),
    "second, in an old version": (
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\n---\n"
        "apiVersion: extensions/v1beta1\nkind: Deployment\nmetadata: {name: a, namespace: default}\n",
        2,
        7,
        "metadata.name",
        "a second Deployment default/a",
    ),
    "second, cluster-scoped with a namespace": (
        "apiVersion: v1\nkind: Namespace\nmetadata: {name: a, namespace: x}\n---\n"
        "apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n",
        2,
        7,
        "metadata.name",
        "a second Namespace a",
    ),
    "second of a kind that is not analysed": (
        "---\n".join(["apiVersion: a.io/v1\nkind: Foo\nmetadata: {name: a}\n"] * 2),
        2,
        7,
        "metadata.name",
        "a second Foo a",
    ),
    "tag": (POD.replace("name: web", "name: !!python/name:os.system web"), 1, 4, None, "the tag tag:yaml.org,2002:py"),
    "merge of a scalar": ("<<: 1\n", 1, 1, None, "a merge key (<<) needs a mapping"),
}


@pytest.mark.parametrize("case", CASES)
def test_one_fault(case: str, tmp_path: Path) -> None:
    text, document, line, field, problem = CASES[case]
    [found] = faults(tmp_path, text)
    assert found[0] == "m.yaml"
    assert found[1:4] == (document, line, field), found
    assert problem in found[4]


JSON_CASES = {
    "cut off": ('{"apiVersion": "v1",\n "kind": "Pod",\n', 1, 2, None, "truncated"),
    "colon missing": ('{"apiVersion": "v1",\n "kind" "Pod"\n}', 1, 2, None, "malformed"),
    "wrong type": (
        '{"apiVersion": "v1", "kind": "Pod",\n "metadata": {"name": "a"},\n "spec": {"hostPID":\n "yes"}}',
        1,
        3,
        "spec.hostPID",
        "expected true or false, got a string",
    ),
    "wrong type in an item": (
        '{"apiVersion": "v1", "kind": "List", "items": [\n{"apiVersion": "v1", "kind": "Pod",\n'
        ' "metadata": {"name": "a"}},\n{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "b",\n'
        '"labels": {"x": 1}}}]}',
        1,
        5,
        "metadata.labels.x",
        "expected a string, got an integer",
    ),
    "second document": ('{"a": 1}\n{"apiVersion": "v1",\n "metadata": {}}', 2, 2, "kind", "no kind"),
    "kind missing in an item": (
        '{"apiVersion": "v1", "kind": "List", "items": [\n{"metadata": {"name": "a"}}]}',
        1,
        2,
        "kind",
        "no kind",
    ),
    "items no list": ('{"apiVersion": "v1", "kind": "List",\n "items": 3}', 1, 2, "items", "expected a list"),
    "bare list": ('[{"apiVersion": "v1", "kind": "Pod"}]', 1, 1, None, "kind: List"),
    "item no object": ('{"apiVersion": "v1", "kind": "List", "items": [\n3]}', 1, 2, None, "has to be an object"),
    "second of its name": (
        '{"apiVersion": "v1", "kind": "PodList", "items": [{"metadata": {"name": "a"}},\n{"metadata": {"name": "a"}}]}',
        1,
        2,
        "metadata.name",
        "a second Pod default/a; the first is in",
    ),
    "not utf-8": (
        b'{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "\xff"}}',
        1,
        1,
        None,
        "not UTF-8 text: byte 0xff",
    ),
}


@pytest.mark.parametrize("case", JSON_CASES)
def test_one_fault_in_json(case: str, tmp_path: Path) -> None:
    text, document, line, field, problem = JSON_CASES[case]
    [found] = faults(tmp_path, text, name="m.json")
    assert found[1:4] == (document, line, field), found
    assert problem in found[4]


def test_every_fault_of_every_file_is_reported_in_order(tmp_path: Path) -> None:
    bad = POD.replace("name: app", "name: 1") + "  hostPID: x\n  hostIPC: 3\n---\nspec: {}\n---\n[\n---\nkind: x\n"
    found = faults(tmp_path, bad, "a: b: c\n", POD)
    assert [(name, document, line, field) for name, document, line, field, _ in found] == [
        ("0-m.yaml", 1, 7, "spec.containers[0].name"),
        ("0-m.yaml", 1, 9, "spec.hostPID"),
        ("0-m.yaml", 1, 10, "spec.hostIPC"),
        ("0-m.yaml", 2, 12, "kind"),
        ("0-m.yaml", 3, 14, None),
        ("1-m.yaml", 1, 1, None),
    ]


def test_the_message_names_all_places(tmp_path: Path) -> None:
    path = tmp_path / "m.yaml"
    path.write_text(POD + "  hostPID: x\n---\nspec: {}\n")
    with pytest.raises(InputError) as caught:
        load(SourceRequest(SourceKind.MANIFESTS, (str(path),)))
    assert str(caught.value).splitlines() == [
        f"{path}:9, document 1, spec.hostPID: expected true or false, got a string",
        f"{path}:11, document 2, kind: no kind, so this is no Kubernetes object",
    ]


def test_keep_going_analyses_the_rest_and_records_the_gaps(tmp_path: Path) -> None:
    path = tmp_path / "m.yaml"
    path.write_text(f"{POD}---\n{POD.replace('web', 'b')}  hostPID: x\n---\nspec: {{}}\n---\n{POD}---\na: [\n")
    view = load(SourceRequest(SourceKind.MANIFESTS, (str(path),), keep_going=True))
    assert [pod.id for pod in view.pods] == ["Pod:default/web"]
    invalid = [gap for gap in view.coverage if gap.problem is Problem.INVALID]
    assert sorted(gap.kind for gap in invalid) == ["Document", "Document", "Pod", "Pod"]
    assert any("spec.hostPID" in gap.detail and f"{path}:18, document 2" in gap.detail for gap in invalid)


def test_lines_after_a_fault_in_one_json_list(tmp_path: Path) -> None:
    path = tmp_path / "m.json"
    items = [
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": {"hostPID": value}}
        for name, value in (("a", "no"), ("b", True), ("c", 1), ("d", True))
    ]
    path.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": items}, indent=1))
    view = load(SourceRequest(SourceKind.MANIFESTS, (str(path),), keep_going=True))
    text = path.read_text().splitlines()
    assert [gap.detail.partition(",")[0] for gap in view.coverage] == [
        f"{path}:{text.index(wanted) + 1}" for wanted in ('    "hostPID": "no"', '    "hostPID": 1')
    ]
    lines = [number for number, line in enumerate(text, 1) if line == '    "hostPID": true']
    assert [view.evidence(f"Pod:default/{name}", "spec.hostPID").line for name in "bd"] == lines


def test_keep_going_with_nothing_readable_is_a_gap(tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text("a: [\n")
    view = load(SourceRequest(SourceKind.MANIFESTS, (str(tmp_path),), keep_going=True))
    assert len(view.pods) == 0
    assert [gap.problem for gap in view.coverage] == [Problem.INVALID]


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        ({}, "no .yaml, .yml or .json file in it"),
        ({"README.md": "x"}, "no .yaml, .yml or .json file in it"),
        ({"a.yaml": ""}, "no Kubernetes object (1 file read, 0 other documents passed over)"),
        ({"a.yaml": "hello"}, "no Kubernetes object (1 file read, 1 other document passed over)"),
        ({"a.yaml": "# only a comment\n---\n"}, "no Kubernetes object (1 file read"),
        ({"a.yaml": "a: 1\n---\nb: 2\n", "b.json": "[1]"}, "no Kubernetes object (2 files read, 3 other documents"),
    ],
)
def test_nothing_to_analyse(tmp_path: Path, files: dict[str, str], problem: str) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(InputError) as caught:
        read_manifests([str(tmp_path)])
    [fault] = caught.value.faults
    assert fault.file == str(tmp_path)
    assert problem in fault.problem


def test_one_empty_directory_of_several(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "pod.yaml").write_text(POD)
    (tmp_path / "b").mkdir()
    with pytest.raises(InputError) as caught:
        read_manifests([str(tmp_path / "a"), str(tmp_path / "b")])
    assert [fault.file for fault in caught.value.faults] == [str(tmp_path / "b")]


@pytest.mark.parametrize("make", ["absent", "dangling", "loop", "forbidden"])
def test_paths_that_cannot_be_read(tmp_path: Path, make: str) -> None:
    path = tmp_path / "x.yaml"
    expected = "no such file or directory"
    if make == "dangling":
        path.symlink_to(tmp_path / "nowhere")
        expected = "leads nowhere"
    elif make == "loop":
        path.symlink_to(path)
        expected = "leads nowhere"
    elif make == "forbidden":
        if os.geteuid() == 0:
            pytest.skip("root reads everything")
        path.write_text(POD)
        path.chmod(0)
        expected = "permission denied"
    with pytest.raises(InputError) as caught:
        read_manifests([str(path)])
    assert caught.value.faults[0].file == str(path)
    assert expected in caught.value.faults[0].problem


def test_an_alias_bomb_is_refused(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    [found] = faults(tmp_path, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n" + "\n".join(lines))
    assert "aliases expand to more than 1,000,000 values" in found[4]
    merge = ["a0: &a0 {" + ", ".join(f"k{n}: v" for n in range(10)) + "}"]
    merge += [f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 10)}]}}" for n in range(1, 12)]
    [found] = faults(tmp_path, "\n".join(merge))
    assert "aliases expand" in found[4]


def test_tags_are_never_run(tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    (tmp_path / "m.yaml").write_text(
        f'x: !!python/object/apply:os.system ["touch {canary}"]\n---\n{POD}---\nr: !Ref Bucket\n'
    )
    read = read_manifests([str(tmp_path)])
    assert not canary.exists()
    assert [obj.id for obj, _ in read.objects] == ["Pod:default/web"]
    assert [(gap.kind, gap.count) for gap in read.gaps] == [("Document", 2)]


@pytest.mark.parametrize(
    ("limits", "problem", "document"),
    [
        (Limits(json_file=50), "too large: 8,000 bytes, at most 50 are read", None),
        (Limits(yaml_file=50), "write it as JSON (kubectl get -o json)", None),
        (Limits(yaml_document=50), "too large: 8,000 bytes, at most 50 are read", 1),
    ],
)
def test_sizes_are_bounded(tmp_path: Path, limits: Limits, problem: str, document: int | None) -> None:
    path = tmp_path / "m.yaml"
    path.write_text((POD + "#").ljust(7999, "x") + "\n")
    with pytest.raises(InputError) as caught:
        read_manifests([str(path)], limits=limits)
    [fault] = caught.value.faults
    assert problem in fault.problem
    assert fault.document == document


def test_the_number_of_files_is_bounded(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / f"{number}.yaml").write_text("")
    with pytest.raises(UsageError, match="more than 2 files"):
        read_manifests([str(tmp_path)], limits=Limits(files=2))


def test_standard_input_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(POD.encode())))
    with pytest.raises(InputError) as caught:
        read_manifests(["-"], limits=Limits(json_file=20))
    assert caught.value.faults[0].file == "-"
    assert "more than the 20 bytes" in caught.value.faults[0].problem


def test_usage() -> None:
    with pytest.raises(UsageError, match="only once"):
        read_manifests(["-", "-"])
    with pytest.raises(UsageError, match="at least one"):
        read_manifests([])


HOSTILE = "x\x1b[31m\u202e[bold]</b>\nname"


def test_hostile_text_is_escaped_in_messages(tmp_path: Path) -> None:
    path = tmp_path / "a\x1b[31m\n\u202e.yaml"
    path.write_text(f'"{HOSTILE.encode("unicode_escape").decode()}": 1\n' * 2)
    with pytest.raises(InputError) as caught:
        read_manifests([str(path)])
    message = str(caught.value)
    assert not set(message) & set("\x1b\n\u202e")
    assert r"\x1b[31m" in message


def test_names_that_are_not_utf8(tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/\xff.yaml"
    with open(path, "w", encoding="utf-8") as stream:
        stream.write(POD)
    read = read_manifests([str(tmp_path)])
    [(_, origin)] = read.objects
    assert origin is not None
    assert origin.file == f"{tmp_path}/\\xff.yaml"
    assert origin.line("spec.containers") == 6


def test_values_do_not_get_into_messages(tmp_path: Path) -> None:
    found = faults(tmp_path, POD + "  hostPID: hunter2\n  hostIPC: 20240731\n---\nmetadata: hunter2\n")
    assert "hunter2" not in str(found)
    assert "20240731" not in str(found)
