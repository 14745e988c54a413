"""What surrounds workloads: cluster DNS, the API server, the nodes, and the controllers of Ingress and Gateway objects.

Sources: Kubernetes documentation, "DNS for Services and Pods", "Using NodeLocal DNSCache in Kubernetes Clusters";
OpenShift documentation, "DNS Operator" (its pods listen on 5353).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from workbench.inventory.inventory import PODS_BY_NODE, IndexOf, Inventory
from workbench.inventory.network_objects import Gateway, ParentReference, Route
from workbench.inventory.objects import Ingress, Node, SecurityContextConstraints, Service
from workbench.inventory.pods import UNKNOWN_NODE, PodInstance
from workbench.network import gateway
from workbench.remediation.policies.workloads import Workload, Workloads
from workbench.techniques.resolve import ingress as _ingress
from workbench.techniques.resolve.egress import api_server

READS = gateway.READS | {"Ingress", "IngressClass", "Route", "Node", "Service", "Pod", "EndpointSlice"}

DNS_PORT = 53
_DNS_LABELS = ("kube-dns", "coredns", "dns")
_OPENSHIFT_DNS = ("openshift-dns", "dns-default")

NODE_LOCAL_ADDRESS = "169.254.20.10"
_NODE_LOCAL = re.compile(r"(^|/)(k8s-dns-)?node-?(local-dns|cache)([:@]|$)|k8s-dns-node-cache")

WHOLE = ("0.0.0.0/0", "::/0")
"""Every address."""

_GATEWAY_NAMES = (
    ("gateway.networking.k8s.io/gateway-name", ""),
    ("gateway.envoyproxy.io/owning-gateway-name", "gateway.envoyproxy.io/owning-gateway-namespace"),
)
"""The labels by which pods say which Gateway they serve, and its namespace where they may stand in another (Gateway
API, GEP-1762; Envoy Gateway's documentation)."""


@dataclass(frozen=True, slots=True)
class Dns:
    """Where pods look names up."""

    workloads: tuple[Workload, ...]
    """Those that answer."""
    ports: tuple[int, ...]
    """Of the pods."""
    addresses: tuple[str, ...]
    """Of NodeLocal DNS, as blocks."""
    selector: tuple[tuple[str, str], ...] = ()
    """The labels that its pods have by convention, where none were read."""
    namespace: str = ""

    @property
    def assumed(self) -> bool:
        """Whether nothing was read of it."""
        return bool(self.selector)


def cluster_dns(view: Inventory, workloads: Workloads, targets: Iterable[tuple[Workload, int]]) -> Dns:
    """The pods that answer DNS.

    Args:
        view: The view.
        workloads: Its workloads.
        targets: What the Services of :func:`dns_services` lead to, with the ports of the pods.
    """
    found: dict[Workload, set[int]] = {}
    for workload, port in targets:
        found.setdefault(workload, set()).add(port)
    local = tuple(_node_local(workloads))
    if found:
        ports = tuple(sorted({port for each in found.values() for port in each}))
        return Dns(tuple(sorted(found, key=lambda each: each.id)), ports, local)
    if len(view.all(SecurityContextConstraints)) or len(view.all(Route)):
        labels = (("dns.operator.openshift.io/daemonset-dns", "default"),)
        return Dns((), (5353,), local, labels, "openshift-dns")
    return Dns((), (DNS_PORT,), local, (("k8s-app", "kube-dns"),), "kube-system")


def dns_services(view: Inventory) -> Iterator[Service]:
    """The Services that pods look names up at."""
    found = view.get(Service, _OPENSHIFT_DNS[1], _OPENSHIFT_DNS[0])
    if found is not None:
        yield found
    for service in view.in_namespace(Service, "kube-system"):
        app = (service.metadata.labels or {}).get("k8s-app")
        if service.name in _DNS_LABELS or app in _DNS_LABELS:
            yield service


def _node_local(workloads: Workloads) -> Iterator[str]:
    seen: set[str] = set()
    for workload in workloads.all.values():
        if workload.kind not in ("DaemonSet", "Pod"):
            continue
        for pod in workload.pods:
            for container in pod.spec.containers or ():
                if _NODE_LOCAL.search(container.image or "") or "node-local-dns" in workload.name:
                    seen.update(_local_addresses([*(container.command or ()), *(container.args or ())]))
    yield from sorted(seen)


def _local_addresses(words: list[str]) -> Iterator[str]:
    """The addresses after ``-localip``, as blocks; what a template has not filled in yet is none."""
    value = ""
    for at, word in enumerate(words):
        flag, equals, rest = word.partition("=")
        if flag.lstrip("-") == "localip":
            value = rest if equals else (words[at + 1] if at + 1 < len(words) else "")
    found = [block for block in map(host_block, value.split(",")) if block is not None]
    yield from found or [f"{NODE_LOCAL_ADDRESS}/32"]


def host_block(address: str | None) -> str | None:
    """One address as a block, ``None`` if it is none."""
    try:
        parsed = ipaddress.ip_address((address or "").strip())
    except ValueError:
        return None
    return f"{parsed}/{parsed.max_prefixlen}"


# --- the API server and the nodes ---------------------------------------------------------------------


def api_blocks(view: Inventory) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """The addresses of the API server as blocks, and its ports; no addresses where none were read."""
    addresses, ports = api_server(view)
    blocks = sorted(block for block in map(host_block, addresses) if block is not None)
    return tuple(blocks), tuple(sorted(ports))


def node_blocks(view: Inventory, nodes: Iterable[str] | None = None) -> tuple[str, ...]:
    """The addresses of nodes as blocks, sorted; those of all nodes if it is not known which are meant.

    Args:
        view: The view.
        nodes: The ids of the nodes; ``None`` for all.
    """
    wanted = None if nodes is None or UNKNOWN_NODE in nodes else set(nodes)
    out: set[str] = set()
    for node in view.all(Node):
        if wanted is None or node.id in wanted:
            for address in (node.status.addresses if node.status is not None else None) or ():
                block = host_block(address.address) if address.type == "InternalIP" else None
                if block is not None:
                    out.add(block)
    for name in wanted or ():
        for pod in view.index(PODS_BY_NODE)[name]:
            block = host_block(pod.status.host_ip) if pod.status is not None else None
            if block is not None:
                out.add(block)
                break
    return tuple(sorted(out))


# --- the edge of the cluster --------------------------------------------------------------------------


def _gateway_keys(pod: PodInstance) -> Iterator[tuple[str, str]]:
    for name, namespace in _GATEWAY_NAMES:
        found = pod.labels.get(name)
        if found:
            yield (pod.labels.get(namespace) if namespace else None) or pod.namespace, found


_BY_GATEWAY: IndexOf[tuple[str, str], PodInstance] = IndexOf("pods by gateway", "pods", _gateway_keys)

_ROUTER = "ingresscontroller.operator.openshift.io/deployment-ingresscontroller"


@dataclass(frozen=True, slots=True)
class Forwarder:
    """Who sends what an Ingress, a Gateway or a Route lets in."""

    owners: tuple[str, ...] = ()
    """The ids of the workloads; none if it is not known, or is not in the cluster."""
    outside: bool = False
    """Whether a load balancer of the cloud sends it."""


def forwarder(view: Inventory, obj: str) -> Forwarder:
    """Who sends what an object at the edge lets in.

    Args:
        view: The view.
        obj: The id of an Ingress, of a route of a Gateway, or of an OpenShift Route.
    """
    found = view.by_id(obj)
    if isinstance(found, Ingress):
        name, of = _ingress.ingress_class(view, found)
        controller = _ingress.controller_name(name, of)
        if controller in _ingress.CLOUD:
            return Forwarder(outside=True)
        serving = _ingress.controllers(view, name, controller)
        return Forwarder(tuple(sorted({each.pod.owner for each in serving})))
    if isinstance(found, Route):
        routers = view.index(_ROUTERS)[""]
        return Forwarder(tuple(sorted({pod.owner for pod in routers})))
    spec = getattr(found, "spec", None)
    parents: list[ParentReference] = list(getattr(spec, "parent_refs", None) or ())
    owners: set[str] = set()
    for parent in parents:
        namespace = parent.namespace or (found.namespace if found is not None else "")
        if parent.name and view.get(Gateway, parent.name, namespace) is not None:
            owners.update(pod.owner for pod in view.index(_BY_GATEWAY)[namespace, parent.name])
    return Forwarder(tuple(sorted(owners)))


_ROUTERS: IndexOf[str, PodInstance] = IndexOf(
    "routers of OpenShift", "pods", lambda pod: ("",) if _ROUTER in pod.labels else ()
)
