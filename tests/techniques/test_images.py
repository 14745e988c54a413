"""Images and the registries that they come from."""

from __future__ import annotations

from typing import Any

import pytest

from tests.builders import (
    blocked,
    container,
    container_status,
    deployment,
    edges,
    inventory,
    obj,
    pairs,
    pod,
    proof,
)
from workbench.inventory.changes import Change, Op, Target, overlay
from workbench.techniques.images import registry_of

DIGEST = "sha256:" + "0" * 64


@pytest.mark.parametrize(
    ("reference", "host"),
    [
        ("nginx", "docker.io"),
        ("nginx:1.27", "docker.io"),
        ("library/nginx", "docker.io"),
        ("docker.io/library/nginx", "docker.io"),
        ("index.docker.io/library/nginx", "docker.io"),
        ("quay.io/team/app:1", "quay.io"),
        ("registry:5000/app", "registry:5000"),
        ("localhost/app", "localhost"),
        ("team/app@sha256:abc", "docker.io"),
        ("nginx:8080", "docker.io"),
    ],
)
def test_registry_of(reference: str, host: str) -> None:
    assert registry_of(reference) == host


@pytest.mark.parametrize(
    ("reference", "registry"),
    [
        ("nginx:1.27", "Registry:docker.io"),
        ("quay.io/team/app", "Registry:quay.io"),
        (f"quay.io/team/app@{DIGEST}", None),
        (f"quay.io/team/app:1@{DIGEST}", None),
    ],
)
def test_mutable_tags(reference: str, registry: str | None) -> None:
    view = inventory(deployment("web", container(image=reference)))
    image = f"Image:{reference}"
    assert pairs(view, "IMAGE_MUTABLE_TAG") == ([(registry, image)] if registry else [])
    assert pairs(view, "IMAGE_BACKDOOR") == [(image, "Container:default/web/app")]


def test_efforts_and_evidence() -> None:
    view = inventory(
        pod(
            "web",
            container(image="nginx:1.27"),
            status={"containerStatuses": [container_status("app", imageID=f"docker.io/library/nginx@{DIGEST}")]},
        )
    )
    (tag,) = edges(view, "IMAGE_MUTABLE_TAG")
    assert (tag.effort, tag.verdict) == (5, "on")
    assert proof(view, tag) == {("Pod:default/web", "spec.containers[name=app].image"): "nginx:1.27"}
    (backdoor,) = edges(view, "IMAGE_BACKDOOR")
    assert (backdoor.effort, backdoor.verdict) == (1, "on")
    assert proof(view, backdoor) == {
        ("Pod:default/web", "spec.containers[name=app].image"): "nginx:1.27",
        ("Pod:default/web", "status.containerStatuses[name=app].imageID"): f"docker.io/library/nginx@{DIGEST}",
    }


def test_images_of_init_containers_are_nodes_and_lead_to_no_container_that_ended() -> None:
    view = inventory(pod("web", container(image="app:1"), initContainers=[container("init", image="init:1")]))
    assert pairs(view, "IMAGE_MUTABLE_TAG") == [
        ("Registry:docker.io", "Image:app:1"),
        ("Registry:docker.io", "Image:init:1"),
    ]
    assert pairs(view, "IMAGE_BACKDOOR") == [("Image:app:1", "Container:default/web/app")]
    init = edges(view, "IMAGE_MUTABLE_TAG")[1]
    assert proof(view, init) == {("Pod:default/web", "spec.initContainers[name=init].image"): "init:1"}


def test_one_image_runs_in_many_containers() -> None:
    view = inventory(pod("a", container(image="app:1")), pod("b", container(image="app:1")))
    assert pairs(view, "IMAGE_MUTABLE_TAG") == [("Registry:docker.io", "Image:app:1")]
    assert pairs(view, "IMAGE_BACKDOOR") == [
        ("Image:app:1", "Container:default/a/app"),
        ("Image:app:1", "Container:default/b/app"),
    ]


def test_pinning_moves_the_container_to_the_pinned_image() -> None:
    web = deployment("web", container(image="app:1"))
    base = inventory(web)
    change = Change(Target.of(web), (Op("set", "/spec/template/spec/containers[name=app]/image", f"app@{DIGEST}"),))
    view = overlay(base, [change])
    assert pairs(view, "IMAGE_MUTABLE_TAG") == []
    assert pairs(view, "IMAGE_BACKDOOR") == [(f"Image:app@{DIGEST}", "Container:default/web/app")]
    assert pairs(base, "IMAGE_MUTABLE_TAG") == [("Registry:docker.io", "Image:app:1")]


def policy(action: str = "Enforce", pattern: str = "quay.io/team/*", **rule: Any) -> Any:
    return obj(
        "ClusterPolicy",
        "signed",
        spec={
            "validationFailureAction": action,
            "rules": [
                {
                    "name": "signed",
                    "match": {"any": [{"resources": {"kinds": ["Pod"]}}]},
                    "verifyImages": [{"imageReferences": [pattern]}],
                    **rule,
                }
            ],
        },
    )


@pytest.mark.parametrize(
    ("item", "closed"),
    [
        (policy(), True),
        (policy("Audit"), False),
        (policy(pattern="quay.io/other/*"), False),
        (policy(exclude={"any": [{"resources": {"namespaces": ["default"]}}]}), False),
        (policy(match={"any": [{"resources": {"kinds": ["Pod"], "namespaces": ["prod"]}}]}), False),
    ],
    ids=["enforced", "audited", "other images", "with exceptions", "one namespace"],
)
def test_verified_signatures(item: Any, closed: bool) -> None:
    view = inventory(item, deployment("web", container(image="quay.io/team/app:1")))
    assert bool(pairs(view, "IMAGE_MUTABLE_TAG")) is not closed
    refused = [(found.source, found.target) for found in blocked(view, "IMAGE_MUTABLE_TAG")]
    assert refused == ([("Registry:quay.io", "Image:quay.io/team/app:1")] if closed else [])
