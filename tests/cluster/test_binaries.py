"""Where the servers' binaries come from, and that doing without them is never silent."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cluster.controlplane import build
from tests.cluster.plugin import find_binaries

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def no_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without Go; gives the only folder on its PATH."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(build, "GO_PLACES", ())
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    return tmp_path


def install_go(folder: Path, version: str) -> None:
    command = folder / "go"
    command.write_text(f"#!/bin/sh\necho go{version}\n")
    command.chmod(0o755)


def test_without_go_the_reason_names_it_and_the_version(no_go: Path) -> None:
    del no_go
    assert find_binaries().folder is None
    assert find_binaries().reason.startswith("needs Go 1.26.0 or newer: no go on the PATH")


@pytest.mark.parametrize("version", ["1.25.9", "1.9", ""])
def test_an_older_go_is_refused_by_its_version(no_go: Path, version: str) -> None:
    install_go(no_go, version)
    with pytest.raises(build.BuildError, match=rf"needs Go 1\.26\.0 or newer: .*/go is {version or 'of no known'}"):
        build.find_go()


@pytest.mark.parametrize("version", ["1.26.0", "1.26.8", "1.27rc1", "1.100.0"])
def test_the_needed_go_and_newer_ones_are_taken(no_go: Path, version: str) -> None:
    install_go(no_go, version)
    assert build.find_go() == (str(no_go / "go"), version)


def test_binaries_in_the_cache_need_no_go_but_a_go_wants_its_own(no_go: Path) -> None:
    """The second run finds what the first has built with the same Go."""
    cache = Path(os.environ["XDG_CACHE_HOME"]) / "workbench" / "control-plane"
    install_go(no_go, "1.26.8")
    built = cache / build.key("1.26.8")
    built.mkdir(parents=True)
    assert find_binaries().folder == built
    install_go(no_go, "1.27.0")
    assert find_binaries().folder is None
    (no_go / "go").unlink()
    assert find_binaries().folder == built


@pytest.mark.parametrize(
    ("environment", "workers", "status"),
    [({"CI": "false"}, "0", 0), ({"CI": "true"}, "1", 1), ({"WORKBENCH_CLUSTER_TESTS": "required"}, "0", 1)],
    ids=["no CI", "CI", "required"],
)
def test_skipping_is_loud_and_fails_where_it_may_not_be(
    tmp_path: Path, environment: dict[str, str], workers: str, status: int
) -> None:
    """In a run of its own, also of a worker's, whose folder of binaries is empty."""
    inherited = {name: value for name, value in os.environ.items() if name not in ("CI", "WORKBENCH_CLUSTER_TESTS")}
    test = "tests/cluster/test_harness.py::test_kubectl_and_the_server_agree_on_their_version"
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-n", workers, test],
        cwd=REPOSITORY,
        env={**inherited, "KUBEBUILDER_ASSETS": str(tmp_path), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == status, run.stdout
    assert "NOT TESTED AGAINST A REAL API SERVER" in run.stdout
    assert f"1 tests did not run: {tmp_path} has no etcd, kube-apiserver, kubectl." in run.stdout
