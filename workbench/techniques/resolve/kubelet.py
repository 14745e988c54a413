"""Whether kubelets ask who it is, as far as objects show it: by the configuration that kubeadm gives to all.

Source: Kubernetes documentation, "Kubelet authentication/authorization"; the kubelet's own defaults, which let
everybody in, do not count, for kubeadm and every managed cluster set others.
"""

from __future__ import annotations

from workbench.inventory.evidence import Evidence
from workbench.inventory.inventory import Inventory
from workbench.inventory.objects import ConfigMap
from workbench.techniques.resolve import HOLDS, Answer, ruled_out

PORT = 10250
NAMESPACE, NAME, KEY = "kube-system", "kubelet-config", "kubelet"
CONFIG = f"ConfigMap:{NAMESPACE}/{NAME}"
READS = frozenset({"ConfigMap"})


def anonymous_kubelets(view: Inventory) -> Answer | None:
    """Whether kubelets let in everybody, to everything; ``None`` if nothing says how they are configured."""
    found: Answer | None = view.derived("anonymous kubelets", READS, _anonymous)
    return found


def _anonymous(view: Inventory) -> Answer | None:
    config = view.get(ConfigMap, NAME, NAMESPACE)
    text = (config.data or {}).get(KEY) if config is not None else None
    if not text:
        return None
    anonymous = setting(text, "authentication", "anonymous", "enabled")
    mode = setting(text, "authorization", "mode")
    if anonymous != "true":
        return ruled_out(f"{CONFIG} has authentication.anonymous.enabled: {anonymous or 'false'}")
    if mode != "AlwaysAllow":
        return ruled_out(f"{CONFIG} has authorization.mode: {mode or 'Webhook'}, which asks the API server")
    return HOLDS


def setting(text: str, *path: str) -> str | None:
    """A scalar of a YAML text in block style, such as kubeadm writes, by the keys on the way to it."""
    place: list[tuple[int, str]] = []
    for line in text.splitlines():
        content = line.split(" #")[0].strip()
        key, colon, value = content.partition(":")
        if not colon or content.startswith(("#", "-")):
            continue
        indent = len(line) - len(line.lstrip())
        while place and place[-1][0] >= indent:
            place.pop()
        place.append((indent, key))
        if tuple(name for _, name in place) == path and value.strip():
            return value.strip().strip("'\"")
    return None


def kubelet_evidence(view: Inventory) -> list[Evidence]:
    """The configuration that says so."""
    return [view.evidence(CONFIG, f"data[{KEY}]")]
