"""The server version that a source says by itself."""

from __future__ import annotations

import pytest

from tests.builders import container, pod
from workbench.inventory.objects import KubernetesObject
from workbench.sources.versions import version_of_api_server

MIRROR = {"kubernetes.io/config.mirror": "x"}


def api_server(
    image: str, name: str = "kube-apiserver-cp-1", annotations: dict[str, str] | None = None
) -> KubernetesObject:
    """A mirror pod of the API server, unless the annotations say otherwise."""
    only = container("kube-apiserver", image=image)
    return pod(name, only, namespace="kube-system", annotations=annotations or MIRROR)


@pytest.mark.parametrize(
    ("pods", "version"),
    [
        ([api_server("registry.k8s.io/kube-apiserver:v1.33.5")], "v1.33.5"),
        ([api_server("reg:5000/kube-apiserver:v1.31.2@sha256:abc")], "v1.31.2"),
        ([api_server("k:v1.33.5"), api_server("k:v1.32.9", "kube-apiserver-cp-2")], "v1.32.9"),
        ([api_server("registry.k8s.io/kube-apiserver:latest")], None),
        ([api_server("k:v1.33.5", annotations={"other": "x"})], None),
        ([api_server("k:v1.33.5", "shop-apiserver")], None),
        ([], None),
    ],
)
def test_version_of_the_api_servers_image(pods: list[KubernetesObject], version: str | None) -> None:
    found = version_of_api_server({pod.id: pod for pod in pods})
    assert (str(found) if found else None) == version
