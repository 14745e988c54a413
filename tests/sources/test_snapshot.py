"""Snapshots: what was written is what is read, no secret is in them, and damage is found."""

from __future__ import annotations

import gzip
import json
import os
import stat
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import workbench
from workbench.errors import InputError, SnapshotError, UsageError
from workbench.inventory.decode import from_data
from workbench.inventory.evidence import Gap, Problem
from workbench.inventory.inventory import Inventory, ServerVersion
from workbench.inventory.objects import KINDS
from workbench.sources import SourceKind, SourceRequest, load, write_snapshot
from workbench.sources.origin import RecordedOrigin
from workbench.sources.snapshot import read

MANIFESTS = """\
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {team: null}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      hostPID: true
      containers: [{name: web, image: nginx, securityContext: {privileged: true}}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: x}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}
subjects: [{kind: User, name: bob}]
"""


def loaded(path: Path | str, kind: SourceKind = SourceKind.SNAPSHOT, **options: Any) -> Inventory:
    return load(SourceRequest(kind, (str(path),), **options))


@pytest.fixture
def snapshot(tmp_path: Path) -> Path:
    """A snapshot of a few manifests."""
    (tmp_path / "m.yaml").write_text(MANIFESTS)
    path = tmp_path / "s.gz"
    write_snapshot(loaded(tmp_path / "m.yaml", SourceKind.MANIFESTS), str(path))
    return path


def contents(view: Inventory) -> dict[str, list[Any]]:
    """All objects that come from the source."""
    return {name: [obj for obj in view.all(kind) if not view.is_builtin(obj.id)] for name, kind in KINDS.items()}


def lines(path: Path) -> list[bytes]:
    return gzip.decompress(path.read_bytes()).splitlines(keepends=True)


def test_round_trip(snapshot: Path, tmp_path: Path) -> None:
    before = loaded(tmp_path / "m.yaml", SourceKind.MANIFESTS)
    after = loaded(snapshot)
    assert contents(after) == contents(before)
    assert [pod.id for pod in after.pods] == [pod.id for pod in before.pods]
    assert after.source == "manifests (1 file)"
    assert after.server_version.assumed
    origin = after.origin("Deployment:shop/web")
    assert origin is not None
    assert (origin.file, origin.document, origin.line("")) == (str(tmp_path / "m.yaml"), 2, 5)
    assert origin.line("spec.template.spec.hostPID") == 5
    assert origin.text() is None
    second = tmp_path / "second.gz"
    write_snapshot(after, str(second))
    assert second.read_bytes() == snapshot.read_bytes()


def test_file_is_private_and_appears_at_once(snapshot: Path, tmp_path: Path) -> None:
    assert stat.S_IMODE(snapshot.stat().st_mode) == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.yaml", "s.gz"]


def test_it_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be written: no such file"):
        write_snapshot(Inventory([]), str(tmp_path / "absent" / "s.gz"))
    (tmp_path / "dir").mkdir()
    with pytest.raises(UsageError, match="cannot be written"):
        write_snapshot(Inventory([]), str(tmp_path / "dir"))
    assert os.listdir(tmp_path) == ["dir"]


def test_header(tmp_path: Path) -> None:
    gap = Gap("Secret", "shop", Problem.FORBIDDEN, 3, "denied")
    live = from_data(
        KINDS["Pod"],
        {"metadata": {"name": "a", "uid": "1"}, "spec": {"nodeName": "n"}, "status": {"phase": "Running"}},
    )
    view = Inventory([(live, None)], source="prod", coverage=[gap], server_version=ServerVersion(1, 33, 4))
    path = tmp_path / "s.gz"
    write_snapshot(view, str(path), collected="2025-01-02T03:04:05Z")
    header, _, _ = read(str(path))
    assert (header.format, header.version, header.program) == ("workbench-snapshot", 2, workbench.__version__)
    assert (header.server_version, header.source, header.live) == ("v1.33.4", "prod", True)
    assert header.counts == {"Pod": 1}
    assert header.collected == "2025-01-02T03:04:05Z"
    after = loaded(path)
    assert after.coverage == [gap]
    assert after.server_version == ServerVersion(1, 33, 4)
    assert after.is_live(next(iter(after.all(KINDS["Pod"]))))
    assert loaded(path, server_version=ServerVersion(1, 30)).server_version == ServerVersion(1, 30)
    assert loaded(path, users={"alice": ["admins"]}).users == {"alice": ("admins",)}


def test_it_can_be_read_uncompressed(snapshot: Path, tmp_path: Path) -> None:
    plain = tmp_path / "s.jsonl"
    plain.write_bytes(b"".join(lines(snapshot)))
    assert contents(loaded(plain)) == contents(loaded(snapshot))


CANARY = "hunter2-canary"
CANARIES = f"""\
apiVersion: v1
kind: Pod
metadata:
  name: a
  annotations:
    kubectl.kubernetes.io/last-applied-configuration: '{{"env": "{CANARY}-1"}}'
    note: {CANARY}-2
  managedFields: [{{manager: {CANARY}-3}}]
spec:
  containers:
  - name: a
    image: nginx
    command: [sh, -c, "PGPASSWORD={CANARY}-4 run"]
    args: ["--password={CANARY}-5", "--token", "{CANARY}-6", "{CANARY}=7"]
    env: [{{name: PASSWORD, value: {CANARY}-8}}]
    livenessProbe: {{exec: {{command: ["{CANARY}-9"]}}}}
  initContainers:
  - name: b
    env: [{{name: PASSWORD, value: {CANARY}-10}}]
---
apiVersion: v1
kind: Secret
metadata:
  name: s
  annotations:
    kubectl.kubernetes.io/last-applied-configuration: '{{"data": {{"p": "{CANARY}-11"}}}}'
data: {{password: {CANARY}-12}}
stringData: {{token: {CANARY}-13}}
---
apiVersion: v1
kind: ConfigMap
metadata: {{name: c}}
data: {{config: {CANARY}-14}}
binaryData: {{blob: {CANARY}-15}}
---
apiVersion: batch/v1
kind: CronJob
metadata: {{name: j}}
spec:
  jobTemplate:
    spec:
      template:
        metadata: {{annotations: {{note: {CANARY}-16}}}}
        spec:
          containers:
          - name: a
            env: [{{name: PASSWORD, value: {CANARY}-17}}]
            args: [-c, "{CANARY} 18"]
"""


def as_json(text: str) -> str:
    from workbench.sources import yaml_nodes

    items = [item.data for item in yaml_nodes.parse(text.encode()) if isinstance(item, yaml_nodes.YamlDocument)]
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": items})


@pytest.mark.parametrize("form", ["yaml", "json"])
def test_no_secret_value_is_in_it(tmp_path: Path, form: str) -> None:
    source = tmp_path / f"m.{form}"
    source.write_text(CANARIES if form == "yaml" else as_json(CANARIES))
    path = tmp_path / "s.gz"
    view = loaded(source, SourceKind.MANIFESTS)
    write_snapshot(view, str(path))
    text = b"".join(lines(path))
    assert CANARY.encode() not in text
    for kept in (b"PASSWORD", b'"password"', b'"token"', b'"config"', b'"blob"', b"last-applied-configuration"):
        assert kept in text
    assert CANARY not in repr([*view.all(KINDS["Secret"]), *view.all(KINDS["ConfigMap"])])


def test_a_cut_off_snapshot_is_found_wherever_it_is_cut(snapshot: Path, tmp_path: Path) -> None:
    for data, name in ((snapshot.read_bytes(), "c.gz"), (b"".join(lines(snapshot)), "c.jsonl")):
        path = tmp_path / name
        for percent in range(0, 100, 10):
            path.write_bytes(data[: len(data) * percent // 100])
            with pytest.raises(SnapshotError) as caught:
                loaded(path)
            assert str(path) in str(caught.value)
            if percent > 50:
                assert "cut off" in str(caught.value)
        path.write_bytes(data[:-1])
        with pytest.raises(SnapshotError, match="cut off"):
            loaded(path)


def test_whole_lines_that_are_missing_are_found(snapshot: Path, tmp_path: Path) -> None:
    whole = lines(snapshot)
    path = tmp_path / "x.gz"
    for missing in range(len(whole)):
        path.write_bytes(gzip.compress(b"".join(whole[:missing] + whole[missing + 1 :])))
        with pytest.raises(SnapshotError):
            loaded(path)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda text: text.replace(b'"privileged":true', b'"privileged":false'), "checksum does not match"),
        (lambda text: text + b"{}\n", "more after its end"),
        (lambda text: text.replace(b'{"section"', b'{"sec'), "damaged"),
        (lambda text: text.replace(b'"version":2', b'"version":"x"'), "first line does not say"),
        (lambda text: text.replace(b'"source":', b'"source":1,"x":', 1), "its first line is damaged"),
        (lambda text: text.replace(b'"nginx"', b'"\xff"'), "line 5 of it is damaged"),
    ],
)
def test_changes_are_found(snapshot: Path, tmp_path: Path, change: Any, problem: str) -> None:
    path = tmp_path / "x.gz"
    path.write_bytes(gzip.compress(change(b"".join(lines(snapshot)))))
    with pytest.raises(SnapshotError, match=problem):
        loaded(path)


def test_damaged_compression(snapshot: Path, tmp_path: Path) -> None:
    data = bytearray(snapshot.read_bytes())
    path = tmp_path / "x.gz"
    for at in range(10, len(data), 7):
        damaged = data.copy()
        damaged[at] ^= 0x55
        path.write_bytes(damaged)
        with pytest.raises(SnapshotError):
            read(str(path))
    path.write_bytes(bytes(data) + gzip.compress(b"more"))
    with pytest.raises(SnapshotError, match="more after its end"):
        loaded(path)


def test_a_newer_version(snapshot: Path, tmp_path: Path) -> None:
    path = tmp_path / "x.gz"
    newer = b"".join(lines(snapshot)).replace(b'"version":2', b'"version":3', 1)
    program = f'"program":"{workbench.__version__}"'.encode()
    path.write_bytes(gzip.compress(newer.replace(program, b'"program":"9.9.9","shape":[{}]', 1)))
    with pytest.raises(SnapshotError) as caught:
        loaded(path)
    message = str(caught.value)
    for part in (str(path), "format version 3", "workbench 9.9.9", f"workbench {workbench.__version__}", "version 2"):
        assert part in message


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "the file is empty"),
        (MANIFESTS.encode(), "--manifests"),
        (b'{"apiVersion": "v1"}', "--manifests"),
        (gzip.compress(MANIFESTS.encode()), "holds no snapshot"),
        (b"\x1f\x8b\x08\x00garbage", "holds no snapshot"),
        (b"\x7fELF", "no snapshot"),
    ],
)
def test_other_files(tmp_path: Path, data: bytes, problem: str) -> None:
    path = tmp_path / "x"
    path.write_bytes(data)
    with pytest.raises(SnapshotError, match=problem):
        loaded(path)


def test_absent_file_and_directory(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        loaded(tmp_path / "absent")
    with pytest.raises(InputError, match=r"no file of a KubeHound dump in it .*use --manifests"):
        loaded(tmp_path)
    with pytest.raises(UsageError, match="one snapshot"):
        load(SourceRequest(SourceKind.SNAPSHOT, ("a", "b")))


def test_what_this_version_does_not_know_is_a_gap(snapshot: Path, tmp_path: Path) -> None:
    import hashlib

    whole = lines(snapshot)
    strange = [
        *whole[:-1],
        b'{"section":"Fabric","count":1}\n',
        b'{"object":{"metadata":{"name":"f"}}}\n',
        b'{"section":"Pod","count":2}\n',
        b'{"object":{"metadata":{"name":"p","namespace":"a"},"spec":{"hostPID":"x"}}}\n',
        b'{"object":{"metadata":{"namespace":"a"}}}\n',
    ]
    end = {"end": {"objects": 6, "sha256": hashlib.sha256(b"".join(strange)).hexdigest()}}
    path = tmp_path / "x.gz"
    path.write_bytes(gzip.compress(b"".join(strange) + json.dumps(end, separators=(",", ":")).encode() + b"\n"))
    view = loaded(path)
    assert [(gap.kind, gap.problem, gap.count) for gap in view.coverage] == [
        ("Fabric", Problem.SKIPPED, 1),
        ("Pod", Problem.INVALID, 1),
        ("Pod", Problem.INVALID, 1),
    ]
    assert contents(view) == contents(loaded(snapshot))


def test_an_archive_is_taken_for_a_dump(tmp_path: Path) -> None:
    (tmp_path / "nodes.json").write_text('{"items": [{"metadata": {"name": "n"}}]}')
    path = tmp_path / "dump.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        archive.add(tmp_path / "nodes.json", "nodes.json")
    assert [obj.id for obj in contents(loaded(path))["Node"]] == ["Node:n"]


def test_a_snapshot_is_no_manifest(snapshot: Path) -> None:
    with pytest.raises(InputError, match="use --snapshot"):
        loaded(snapshot, SourceKind.MANIFESTS)


def test_reading_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, snapshot: Path) -> None:
    path = tmp_path / "bomb.gz"
    first = lines(snapshot)[0]
    path.write_bytes(gzip.compress(first + b" " * 5_000_000))
    monkeypatch.setattr("workbench.sources.snapshot._MAX_LINE", 1_000_000)
    with pytest.raises(SnapshotError, match="longer than 1,000,000 bytes"):
        loaded(path)
    path.write_bytes(gzip.compress(first + b"\n" * 5_000_000))
    monkeypatch.setattr("workbench.sources.snapshot._MAX_SIZE", 1000)
    with pytest.raises(SnapshotError, match="too large"):
        loaded(path)


# --- any inventory ------------------------------------------------------------------------------------

_text = st.text(max_size=8)
_names = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=8)
_labels = st.none() | st.dictionaries(_text, st.none() | _text, max_size=3)
_container = st.fixed_dictionaries(
    {"name": _names, "image": _text},
    optional={
        "securityContext": st.fixed_dictionaries(
            {}, optional={"privileged": st.booleans() | st.none(), "runAsUser": st.integers(0, 2**31)}
        ),
        "env": st.lists(st.fixed_dictionaries({"name": _text, "value": _text}), max_size=2),
        "args": st.lists(_text, max_size=2),
    },
)
_spec = st.fixed_dictionaries(
    {"containers": st.lists(_container, max_size=2)},
    optional={"hostPID": st.booleans(), "nodeName": _names, "nodeSelector": _labels, "affinity": st.just({"a": [1]})},
)
_objects = st.one_of(
    st.tuples(st.just("Pod"), st.fixed_dictionaries({"spec": _spec, "status": st.just({"phase": "Running"})})),
    st.tuples(
        st.just("Deployment"),
        st.fixed_dictionaries({"spec": st.fixed_dictionaries({"template": st.fixed_dictionaries({"spec": _spec})})}),
    ),
    st.tuples(st.just("Secret"), st.fixed_dictionaries({"data": st.dictionaries(_text, _text, max_size=3)})),
    st.tuples(st.just("ConfigMap"), st.fixed_dictionaries({"data": st.dictionaries(_text, _text, max_size=3)})),
    st.tuples(
        st.just("Role"),
        st.fixed_dictionaries(
            {"rules": st.lists(st.fixed_dictionaries({"verbs": st.lists(_text, max_size=2)}), max_size=2)}
        ),
    ),
    st.tuples(st.just("Service"), st.just({"spec": {"ports": [{"port": 80, "targetPort": "http"}]}})),
)
_origins = st.none() | st.builds(
    RecordedOrigin, st.none() | _names, st.none() | st.integers(1, 9), st.none() | st.integers(1, 99)
)
_inventories = st.lists(st.tuples(_objects, _names, _labels, st.none() | _names, _origins), max_size=8)


@given(drawn=_inventories, source=_text)
@settings(
    max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None
)
def test_any_inventory_survives(drawn: list[Any], source: str, tmp_path: Path) -> None:
    objects = {}
    for (kind, fields), name, labels, uid, origin in drawn:
        metadata = {"name": name, "namespace": "n", "labels": labels, "uid": uid}
        obj = from_data(KINDS[kind], {"apiVersion": "v1", "metadata": metadata, **fields})
        objects[obj.id] = (obj, origin)
    before = Inventory(objects.values(), source=source)
    first, second = tmp_path / "1.gz", tmp_path / "2.gz"
    write_snapshot(before, str(first))
    after = loaded(first)
    assert contents(after) == contents(before)
    assert after.has_live_pods == before.has_live_pods
    for key, (_, origin) in objects.items():
        read = after.origin(key)
        known = None if origin is None else (origin.file, origin.document, origin.line(""))
        assert (None if read is None else (read.file, read.document, read.line(""))) == known
    write_snapshot(after, str(second))
    assert first.read_bytes() == second.read_bytes()


def test_bytes_do_not_depend_on_the_process(snapshot: Path, tmp_path: Path) -> None:
    script = (
        "from workbench.sources import *\n"
        f"write_snapshot(load(SourceRequest(SourceKind.SNAPSHOT, ({str(snapshot)!r},))), {str(tmp_path / 'o.gz')!r})"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "7", "PYTHONPATH": str(Path(workbench.__file__).parent.parent)}
    subprocess.run([sys.executable, "-c", script], check=True, env=environment)
    assert (tmp_path / "o.gz").read_bytes() == snapshot.read_bytes()


def test_every_line_is_json(snapshot: Path) -> None:
    for line in lines(snapshot):
        msgspec.json.decode(line)
