"""Whether anything enforces network policies: told from the network plugin's pods, for no object says it outright.

The verdict is the fact C-CNI of the catalogue. Sources: the documentation of each plugin on NetworkPolicy; Kubernetes
documentation, "Network Policies", "Prerequisites": without an implementing plugin they have no effect.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass
from functools import lru_cache

from workbench.inventory.image_names import without_version
from workbench.inventory.inventory import Inventory
from workbench.inventory.objects import ConfigMap
from workbench.inventory.pods import PodInstance

READS = frozenset({"Pod", "DaemonSet", "ConfigMap"})
"""The kinds that the verdict is told from."""


class Enforces(enum.StrEnum):
    """Whether policies have an effect."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Enforcement:
    """What is known of the network plugin."""

    verdict: Enforces
    plugin: str
    """Its name; empty if none was recognised."""
    object: str
    """The id of what shows it; empty if nothing does."""
    detail: str
    bridge: bool = False
    """Whether pods of one node share a layer-2 bridge."""


@dataclass(frozen=True, slots=True)
class _Plugin:
    name: str
    image: re.Pattern[str]
    verdict: Enforces
    detail: str
    bridge: bool = False


def _plugin(name: str, image: str, verdict: Enforces, detail: str, *, bridge: bool = False) -> _Plugin:
    return _Plugin(name, re.compile(image), verdict, detail, bridge)


_PLUGINS = (
    _plugin(
        "Cilium", r"(^|/)cilium/cilium(-ci)?([:@]|$)", Enforces.YES, "it enforces NetworkPolicy and its own policies"
    ),
    _plugin(
        "Calico", r"calico/node([:@]|$)|(^|/)calico-node([:@]|$)", Enforces.YES, "it enforces NetworkPolicy and its own"
    ),
    _plugin("Antrea", r"antrea/antrea-(agent|ubuntu|ubi)", Enforces.YES, "it enforces NetworkPolicy"),
    _plugin("Weave Net", r"weaveworks/weave-npc|(^|/)weave-npc([:@]|$)", Enforces.YES, "it enforces NetworkPolicy"),
    _plugin(
        "kube-router", r"cloudnativelabs/kube-router", Enforces.YES, "it enforces NetworkPolicy unless told not to"
    ),
    _plugin(
        "OVN-Kubernetes", r"ovn-kube|ovn-kubernetes", Enforces.YES, "it enforces NetworkPolicy and AdminNetworkPolicy"
    ),
    _plugin("Kube-OVN", r"kubeovn/kube-ovn", Enforces.YES, "it enforces NetworkPolicy"),
    _plugin("Azure NPM", r"azure-npm", Enforces.YES, "it enforces NetworkPolicy"),
    _plugin("kube-network-policies", r"kube-network-policies", Enforces.YES, "it enforces NetworkPolicy"),
    _plugin("Amazon VPC CNI", r"aws-network-policy-agent", Enforces.UNKNOWN, "its policy agent has to be turned on"),
    _plugin("kindnet", r"kindest/kindnetd", Enforces.UNKNOWN, "it enforces NetworkPolicy since kind 0.24"),
    _plugin("Amazon VPC CNI", r"amazon-k8s-cni([:@]|$)", Enforces.NO, "without its policy agent it enforces nothing"),
    _plugin(
        "Flannel",
        r"flannel/flannel([:@]|$)|coreos/flannel([:@]|$)",
        Enforces.NO,
        "it enforces no policies",
        bridge=True,
    ),
)
"""In the order in which they count: a plugin that enforces may stand beside one that moves the packets (Canal)."""


def enforcement(view: Inventory) -> Enforcement:
    """Whether the cluster's network plugin enforces network policies; computed once for a view."""
    base = view.base
    if base is not None and not differs(view):
        return enforcement(base)
    return view.derived("enforcement of network policies", READS, _enforcement)


def differs(view: Inventory) -> bool:
    """Whether an overlay changes anything that the verdict is told from."""
    if "ConfigMap" in view.replaced:
        return True
    pods = (pod for pair in view.replaced.get("pods", ()) for pod in pair if pod is not None)
    return any(_ranks(container.spec.image or "") for pod in pods for container in pod.containers)


@lru_cache(maxsize=4096)
def _ranks(image: str) -> tuple[int, ...]:
    """The plugins that an image is of."""
    return _ranks_of(without_version(image))


@lru_cache(maxsize=1024)
def _ranks_of(image: str) -> tuple[int, ...]:
    return tuple(rank for rank, plugin in enumerate(_PLUGINS) if plugin.image.search(image))


def _enforcement(view: Inventory) -> Enforcement:
    found: dict[int, PodInstance] = {}
    seen: set[str] = set()
    for container in view.containers:
        image = container.spec.image or ""
        if image not in seen:
            seen.add(image)
            for rank in _ranks(image):
                found.setdefault(rank, container.pod)
    if not found:
        return Enforcement(Enforces.UNKNOWN, "", "", "no network plugin was recognised")
    first = min(found)
    plugin = _PLUGINS[first]
    bridge = any(_PLUGINS[rank].bridge for rank in found)
    if plugin.name == "Cilium":
        config = view.get(ConfigMap, "cilium-config", found[first].namespace)
        mode = (config.data or {}).get("enable-policy") if config is not None else None
        if mode == "never":
            detail = "its configuration has enable-policy: never"
            return Enforcement(Enforces.NO, plugin.name, config.id if config is not None else "", detail, bridge)
    return Enforcement(plugin.verdict, plugin.name, found[first].owner, plugin.detail, bridge)
