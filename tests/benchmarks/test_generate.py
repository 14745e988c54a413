"""The generated cluster: the same bytes every time, and objects that the program reads without a gap in them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from benchmarks.generate import generate
from workbench.inventory.evidence import Problem
from workbench.inventory.objects import (
    ClusterRoleBinding,
    Node,
    Pod,
    Secret,
    Service,
)
from workbench.sources import load
from workbench.sources.request import SourceKind, SourceRequest


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("cluster")
    generate(directory, 400)
    return directory


def _digests(directory: Path) -> dict[str, str]:
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in directory.iterdir()}


def test_the_same_number_and_seed_give_the_same_bytes(cluster: Path, tmp_path: Path) -> None:
    summary = generate(tmp_path, 400)
    assert summary.pods == 400
    assert _digests(tmp_path) == _digests(cluster)


def test_another_seed_gives_another_cluster(cluster: Path, tmp_path: Path) -> None:
    generate(tmp_path, 400, seed=1)
    assert _digests(tmp_path)["pods.json"] != _digests(cluster)["pods.json"]


def test_a_cluster_without_room_for_applications_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least 100 pods"):
        generate(tmp_path, 99)
    assert not list(tmp_path.iterdir())


def test_pods_have_the_size_and_the_noise_of_real_ones(cluster: Path) -> None:
    pods = json.loads((cluster / "pods.json").read_bytes())["items"]
    sizes = sorted(len(json.dumps(pod, separators=(",", ":"))) for pod in pods)
    assert 6_500 < sizes[len(sizes) // 2] < 10_000
    assert all(pod["metadata"]["managedFields"] and pod["status"]["conditions"] for pod in pods)


def test_the_program_reads_every_object(cluster: Path) -> None:
    inventory = load(SourceRequest(SourceKind.MANIFESTS, paths=(str(cluster),)))
    assert len(inventory.all(Pod)) == 400
    assert inventory.has_live_pods
    assert len(inventory.all(Node)) == 17
    assert {gap.kind for gap in inventory.coverage if gap.problem is not Problem.SKIPPED} == set()


def test_the_faults_that_paths_are_made_of_are_there(cluster: Path) -> None:
    inventory = load(SourceRequest(SourceKind.MANIFESTS, paths=(str(cluster),)))
    assert any(container.privileged for container in inventory.containers)
    assert any(
        binding.role_ref and binding.role_ref.name == "cluster-admin" for binding in inventory.all(ClusterRoleBinding)
    )
    assert any(service.spec and service.spec.type == "LoadBalancer" for service in inventory.all(Service))
    assert any("workbench/crown-jewel" in (secret.metadata.labels or {}) for secret in inventory.all(Secret))
