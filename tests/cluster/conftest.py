"""Tests against a real API server: RBAC on, several identities, every request in the audit log.

``cluster`` is what most tests want. All tests of a worker share its servers, one after another, and each finds them as
they were before the last one, so names need not be unique. All tests of this folder run in one worker
(``--dist loadgroup``); without that each worker starts servers of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.harness.cluster import Cluster
from tests.cluster.harness.control_plane import Options, launch
from tests.cluster.plugin import Binaries, find_binaries

_FOLDER = Path(__file__).resolve().parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of this folder, and keep them together."""
    for item in items:
        if item.path.is_relative_to(_FOLDER):
            item.add_marker(pytest.mark.cluster)
            item.add_marker(pytest.mark.xdist_group("cluster"))


@pytest.fixture(scope="session")
def binaries() -> Binaries:
    """The programs; found while the environment is still the user's."""
    return find_binaries()


@pytest.fixture(scope="session")
def shared_cluster(binaries: Binaries) -> Iterator[Cluster]:
    """The servers that tests share, without controllers.

    For fixtures of a module that seed much: ``with shared_cluster.restored(): shared_cluster.seed(...); yield ...``.
    What tests of that module do through ``cluster`` is undone down to that.
    """
    # Lists come from the store and not from memory, so that compaction makes old pages expire.
    cluster = _start(binaries, Options(feature_gates={"ListFromCacheSnapshot": False}))
    yield cluster
    cluster.close()


@pytest.fixture
def cluster(shared_cluster: Cluster) -> Iterator[Cluster]:
    """A cluster with nothing in it but what Kubernetes itself makes; all that a test does to it is undone."""
    with shared_cluster.restored():
        yield shared_cluster


@pytest.fixture(scope="module")
def managed_cluster(binaries: Binaries) -> Iterator[Cluster]:
    """A cluster of the module's own with kube-controller-manager: Deployments get pods, owners take theirs along.

    Nothing is undone between its tests. There is no scheduler and no node.
    """
    cluster = _start(binaries, Options(controllers=True))
    yield cluster
    cluster.close()


@pytest.fixture
def start_cluster(binaries: Binaries) -> Iterator[Callable[..., Cluster]]:
    """Starts clusters of the test's own, to be killed, suspended or given flags; takes the fields of ``Options``."""
    started: list[Cluster] = []

    def start(**options: Any) -> Cluster:
        started.append(_start(binaries, Options(**options)))
        return started[-1]

    yield start
    for cluster in started:
        cluster.close()


def _start(binaries: Binaries, options: Options) -> Cluster:
    controllers = ("kube-controller-manager",) if options.controllers else ()
    plane = launch(binaries.having("etcd", "kube-apiserver", "kubectl", *controllers), options)
    try:
        return Cluster(plane)
    except BaseException:
        plane.close()
        raise
