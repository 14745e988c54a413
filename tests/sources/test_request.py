"""Requests, samples, versions, and what a path is."""

from __future__ import annotations

import gc
import gzip
import sys
from pathlib import Path

import pytest

from workbench.errors import NotYetSupported, UsageError
from workbench.inventory.inventory import NEWEST_KNOWN, ServerVersion
from workbench.sources import SourceKind, SourceRequest, collection_paused, load, parse_source, parse_version
from workbench.sources.detect import Content, detect
from workbench.sources.samples import sample, samples

POD = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n"
SNAPSHOT = b'{"format":"workbench-snapshot","version":1}\n'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sample:shop", SourceRequest(SourceKind.SAMPLE, name="shop")),
        ("context:kind-a:b", SourceRequest(SourceKind.CONTEXT, name="kind-a:b")),
        ("context:", SourceRequest(SourceKind.CONTEXT)),
        ("-", SourceRequest(SourceKind.MANIFESTS, ("-",))),
    ],
)
def test_sources(text: str, expected: SourceRequest) -> None:
    assert parse_source(text) == expected


@pytest.mark.parametrize(
    ("name", "data", "kind"),
    [
        ("a.yaml", POD.encode(), SourceKind.MANIFESTS),
        ("a.jsonl", SNAPSHOT, SourceKind.SNAPSHOT),
        ("misleading.yaml", gzip.compress(SNAPSHOT), SourceKind.SNAPSHOT),
        ("misleading.gz", POD.encode(), SourceKind.MANIFESTS),
        ("sample:x", POD.encode(), SourceKind.MANIFESTS),
        ("dir", None, SourceKind.MANIFESTS),
    ],
    ids=["yaml", "json lines", "gzip by content", "yaml by content", "colon", "directory"],
)
def test_paths_are_told_apart_by_content(tmp_path: Path, name: str, data: bytes | None, kind: SourceKind) -> None:
    path = tmp_path / name
    if data is None:
        path.mkdir()
    else:
        path.write_bytes(data)
    assert parse_source(str(path)) == SourceRequest(kind, (str(path),))


def test_a_dump_is_recognised(tmp_path: Path) -> None:
    dump = tmp_path / "unpacked" / "prod"
    dump.mkdir(parents=True)
    (dump / "nodes.json").write_text("{}")
    assert detect(str(dump)) is Content.MANIFESTS
    (dump / "clusterroles.rbac.authorization.k8s.io.json").write_text("{}")
    assert detect(str(dump)) is Content.KUBEHOUND_DUMP
    assert parse_source(str(dump)) == SourceRequest(SourceKind.SNAPSHOT, (str(dump),))
    assert detect(str(tmp_path)) is Content.KUBEHOUND_DUMP
    # What holds something else too is not taken for one.
    (tmp_path / "a.yaml").write_text(POD)
    assert detect(str(tmp_path)) is Content.MANIFESTS


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("", UsageError, "a source is sample:NAME"),
        ("sample:", UsageError, "name the sample"),
        ("absent.yaml", UsageError, "absent.yaml: no such file or directory; a source is sample:NAME"),
        ("smaple:shop", UsageError, "no such file or directory"),
        ("a\x1b[1m", UsageError, r"a\\x1b\[1m: no such"),
        ("git:main", NotYetSupported, "git worktree add"),
        ("git:main:deploy", NotYetSupported, "cannot be read yet"),
    ],
)
def test_wrong_sources(text: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        parse_source(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("v1.34.2", (1, 34, 2)),
        ("1.34.2", (1, 34, 2)),
        ("v1.34", (1, 34, 0)),
        ("v1.34.2-eks-113cf36", (1, 34, 2)),
        ("v1.33.5-gke.1080000", (1, 33, 5)),
        ("v1.32.4+k3s1", (1, 32, 4)),
        ("v1.31.0-rc.1+abc", (1, 31, 0)),
        ("1.30+", (1, 30, 0)),
        (" v1.29.3 ", (1, 29, 3)),
    ],
)
def test_versions(text: str, expected: tuple[int, int, int]) -> None:
    assert parse_version(text) == ServerVersion(*expected)
    assert not parse_version(text).assumed


@pytest.mark.parametrize(
    "text", ["", "latest", "v1", "34", "v2.0.0", "v1.x", "1.34.2 x", "v1.34.2/..", "v1.34.2\n\x1b[1m"]
)
def test_no_versions(text: str) -> None:
    with pytest.raises(UsageError, match="no Kubernetes version"):
        parse_version(text)


def test_the_version_given_counts(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(POD)
    given = load(SourceRequest(SourceKind.MANIFESTS, (str(path),), server_version=ServerVersion(1, 30)))
    assert given.server_version == ServerVersion(1, 30)
    assumed = load(SourceRequest(SourceKind.MANIFESTS, (str(path),)))
    assert assumed.server_version.assumed
    assert assumed.server_version.pair == NEWEST_KNOWN


def made(root: Path, name: str, readme: str | None) -> None:
    (root / name / "cluster").mkdir(parents=True)
    (root / name / "cluster" / "a.yaml").write_text(POD)
    if readme is not None:
        (root / name / "README.md").write_text(readme)


def test_samples_are_described_by_their_readme(tmp_path: Path) -> None:
    made(tmp_path, "shop", "# A shop\n\nTwo lines\nof text.\n\nMore.\n\n## Next\n")
    made(tmp_path, "bank", None)
    made(tmp_path, "bare", "# Only a title\n## Another\n\ntext\n")
    (tmp_path / "no-cluster").mkdir()
    assert [(s.name, s.title, s.description) for s in samples(tmp_path)] == [
        ("bank", "bank", ""),
        ("bare", "Only a title", "text"),
        ("shop", "A shop", "Two lines of text."),
    ]
    assert samples(tmp_path / "absent") == []
    found = sample("shop", tmp_path)
    assert found.shown(str(tmp_path / "shop" / "cluster" / "a.yaml")) == "sample-clusters/shop/cluster/a.yaml"


@pytest.mark.parametrize("name", ["shpo", "../shop", "", "shop/cluster", "\x1b[1m"])
def test_unknown_samples(tmp_path: Path, name: str) -> None:
    made(tmp_path, "shop", None)
    made(tmp_path, "bank", None)
    with pytest.raises(UsageError) as caught:
        sample(name, tmp_path)
    assert "the samples are bank, shop" in str(caught.value)
    assert ("did you mean shop?" in str(caught.value)) == (name not in ("", "\x1b[1m"))
    assert "\x1b" not in str(caught.value)


def test_no_samples(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no samples"):
        sample("shop", tmp_path)


def test_a_sample_loads_and_names_its_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made(tmp_path, "shop", None)
    monkeypatch.setattr(sys.modules[sample.__module__], "directory", lambda: tmp_path)
    view = load(SourceRequest(SourceKind.SAMPLE, name="shop"))
    assert view.source == "sample shop"
    evidence = view.evidence("Pod:default/a", "metadata.name")
    assert (evidence.file, evidence.line) == ("sample-clusters/shop/cluster/a.yaml", 3)


def test_the_collector_runs_again_afterwards(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        load(SourceRequest(SourceKind.SAMPLE, name="\x00"))
    assert gc.isenabled()
    with collection_paused():
        assert not gc.isenabled()
        with collection_paused():
            pass
        assert not gc.isenabled()
    assert gc.isenabled()
    assert gc.get_freeze_count() > 0
    gc.unfreeze()
