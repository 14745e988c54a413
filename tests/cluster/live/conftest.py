"""A full cluster to read, and the program to read it with."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cluster.harness.cluster import Cluster
from tests.cluster.harness.objects import node, pod, secret
from tests.cluster.live.reading import CANARY, PODS, Result, Run
from workbench.cli import main


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the program with some arguments."""

    def runner(*arguments: str) -> Result:
        capsys.readouterr()
        status = main(list(arguments))
        return Result(int(status), *capsys.readouterr())

    return runner


@pytest.fixture(scope="module")
def full(shared_cluster: Cluster) -> Iterator[Cluster]:
    """Five namespaces with 2,100 pods on three nodes, and a secret in each."""
    names = [f"team-{at}" for at in range(5)]
    with shared_cluster.restored():
        shared_cluster.create_namespaces(*names)
        shared_cluster.create(*(secret("keys", name, password=CANARY) for name in names))
        shared_cluster.seed(
            [
                *(node(f"node-{at}") for at in range(3)),
                *(pod(f"web-{at:04}", names[at % 5], node=f"node-{at % 3}") for at in range(PODS)),
            ]
        )
        yield shared_cluster


@pytest.fixture
def populated(full: Cluster) -> Iterator[Cluster]:
    """The full cluster; what a test adds is undone."""
    with full.restored():
        yield full
