"""Images and the registries that they come from (catalogue 2.2)."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Iterator
from typing import Any

from workbench.graph.graph import Edge
from workbench.inventory.evidence import Evidence
from workbench.inventory.inventory import CONTAINERS_BY_IMAGE, IndexOf, Inventory
from workbench.inventory.objects import ClusterPolicy, Container
from workbench.inventory.pods import ContainerType, PodInstance
from workbench.techniques.api import Blocked, Declaration, Found, Reason, SubjectType, Technique
from workbench.techniques.many import Many, ManyTechnique
from workbench.techniques.pod_fields import IMAGE

DEFAULT_REGISTRY = "docker.io"
_DOCKER_HUB = frozenset({"index.docker.io", "registry-1.docker.io", "registry.hub.docker.com"})


def registry_of(reference: str) -> str:
    """The registry's host of an image reference as written.

    As docker and containerd read it: the part before the first slash is a host if it holds a dot or a colon or is
    ``localhost``; else the image is on Docker Hub, whose other names count as ``docker.io``.

    Source: github.com/distribution/reference, ``ParseNormalizedNamed``.
    """
    head, slash, _ = reference.partition("/")
    if not slash or not ("." in head or ":" in head or head == "localhost" or head.lower() != head):
        return DEFAULT_REGISTRY
    return DEFAULT_REGISTRY if head in _DOCKER_HUB else head


def is_pinned(reference: str) -> bool:
    """Whether a reference names a digest, so that the registry cannot change what it stands for."""
    return "@sha256:" in reference or "@sha512:" in reference


def _images(pod: PodInstance) -> Iterable[str]:
    spec = pod.spec
    containers: list[Container] | None = spec.containers
    if not spec.init_containers and not spec.ephemeral_containers:
        if containers and len(containers) == 1:
            return (f"Image:{containers[0].image}",) if containers[0].image else ()
        return dict.fromkeys(f"Image:{container.image}" for container in containers or () if container.image)
    groups = (containers, spec.init_containers, spec.ephemeral_containers)
    return dict.fromkeys(f"Image:{item.image}" for group in groups for item in group or () if item.image)


PODS_BY_IMAGE: IndexOf[str, PodInstance] = IndexOf("pods by image", "pods", _images, of_replicas=True)
"""The pods by the id of every image that they name, those of init containers too."""


class ImageBackdoor(ManyTechnique):
    """IMAGE_BACKDOOR: who controls an image controls the containers that run it."""

    declaration = Declaration(
        id="IMAGE_BACKDOOR",
        title="runs in",
        source=("Image",),
        target=("Container",),
        description="The image holds the attacker's code, which runs in every container that is started from it.",
        mitre=("T1525",),
        effort=1,
        reason=Reason.POSSESSED,
        reads=frozenset({"Pod"}),
        subject_type=SubjectType.IMAGE,
        pod_fields=IMAGE,
        fixes=("F-IMG-PIN",),
        references=("https://attack.mitre.org/techniques/T1525/",),
        family="images",
    )

    def subjects(self, view: Inventory) -> Iterable[str]:
        images = view.index(CONTAINERS_BY_IMAGE).keys()
        return (image for image in images if image != "Image:")

    def many(self, view: Inventory, subject: str) -> Iterator[Many | Blocked]:
        if subject != "Image:":
            yield Many(subject, view.index(CONTAINERS_BY_IMAGE)[subject], 1)

    def evidence(self, view: Inventory, edge: Edge) -> list[Evidence]:
        container = view.containers.get(edge.target)
        if container is None:
            return []
        pod = container.pod
        found = [view.evidence(pod.obj, container.field("image"))]
        if container.status is not None and container.type is ContainerType.CONTAINER:
            found.append(view.evidence(pod.obj, f"status.containerStatuses[name={container.name}].imageID"))
        return found


class ImageMutableTag(Technique):
    """IMAGE_MUTABLE_TAG: without a digest, the registry decides what an image is."""

    declaration = Declaration(
        id="IMAGE_MUTABLE_TAG",
        title="can replace the image",
        source=("Registry",),
        target=("Image",),
        description=(
            "The image is named by a tag. Who may push to the registry lets the tag point to an image of their own, "
            "and waits for a pod to pull it."
        ),
        mitre=("T1195.002",),
        effort=5,
        reason=Reason.WAITING,
        reads=frozenset({"Pod", "ClusterPolicy"}),
        subject_type=SubjectType.IMAGE,
        pod_fields=IMAGE,
        fixes=("F-IMG-PIN", "F-REG-POL"),
        references=("https://kubernetes.io/docs/concepts/containers/images/#image-names",),
        family="images",
    )

    def subjects(self, view: Inventory) -> Iterable[str]:
        return view.index(PODS_BY_IMAGE).keys()

    def detect(self, view: Inventory, subject: str) -> Iterator[Found | Blocked]:
        reference = subject.removeprefix("Image:")
        if is_pinned(reference) or not view.index(PODS_BY_IMAGE)[subject]:
            return
        registry = f"Registry:{registry_of(reference)}"
        policy = _verifying_policy(view, reference)
        if policy is not None:
            yield Blocked(registry, subject, f"{policy} admits only images of this name with a verified signature")
        else:
            yield Found(registry, subject, 5)

    def evidence(self, view: Inventory, edge: Edge) -> list[Evidence]:
        found: list[Evidence] = []
        reference = edge.target.removeprefix("Image:")
        for pod in view.index(PODS_BY_IMAGE)[edge.target]:
            groups = (
                ("containers", pod.spec.containers),
                ("initContainers", pod.spec.init_containers),
                ("ephemeralContainers", pod.spec.ephemeral_containers),
            )
            for key, containers in groups:
                for container in containers or ():
                    if container.image == reference:
                        found.append(view.evidence(pod.obj, pod.field(f"{key}[name={container.name}].image")))
            if found:
                break
        return found


def _verifying_policy(view: Inventory, reference: str) -> str | None:
    """The id of a Kyverno policy that enforces a signature on an image in every namespace, or ``None``.

    Source: Kyverno documentation, "Verify Images Rules".
    """
    patterns: list[tuple[str, str]] = view.derived(
        "images with verified signatures", frozenset({"ClusterPolicy"}), _verified_patterns
    )
    if not patterns:
        return None
    name = reference if reference.partition("/")[0] == registry_of(reference) else f"docker.io/{reference}"
    for policy, pattern in patterns:
        if fnmatch.fnmatchcase(reference, pattern) or fnmatch.fnmatchcase(name, pattern):
            return policy
    return None


def _verified_patterns(view: Inventory) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for policy in view.all(ClusterPolicy):
        spec = policy.spec
        if spec is None:
            continue
        for rule in spec.rules or ():
            for check in rule.get("verifyImages") or ():
                action = check.get("failureAction") or spec.validation_failure_action or "Audit"
                if str(action).lower() == "enforce" and _covers_all_pods(rule) and check.get("required", True):
                    found.extend((policy.id, str(pattern)) for pattern in check.get("imageReferences") or ())
    return found


def _covers_all_pods(rule: dict[str, Any]) -> bool:
    """Whether a rule looks at every pod: no exceptions, no names, namespaces or selectors."""
    if rule.get("exclude") or rule.get("preconditions"):
        return False
    match = rule.get("match") or {}
    for item in [*(match.get("any") or ()), *(match.get("all") or ()), match]:
        resources = item.get("resources") or {}
        if "Pod" in (resources.get("kinds") or ()) and not set(resources) - {"kinds", "operations"}:
            return len(match.get("all") or ()) <= 1
    return False


TECHNIQUES: tuple[Technique, ...] = (ImageBackdoor(), ImageMutableTag())
