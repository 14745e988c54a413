"""Network policies of every API, the Gateway API, and OpenShift's Route, trimmed to what reachability reads.

Sources: the API types of ``networking.k8s.io/v1``, of network-policy-api (``policy.networking.k8s.io``, v1alpha1 and
v1alpha2), of the Gateway API, of Cilium (``cilium.io/v2``), of Calico (``projectcalico.org/v3``), and of OpenShift
(``route.openshift.io/v1``). A field of type ``Any`` is only looked at for whether it is there.
"""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec

from workbench.inventory.records import IntOrString, KubernetesObject, LabelSelector, Record

# --- NetworkPolicy ----------------------------------------------------------------------------------


class IPBlock(Record):
    cidr: str | None = None
    except_: list[str] | None = msgspec.field(default=None, name="except")


class NetworkPolicyPeer(Record):
    pod_selector: LabelSelector | None = None
    namespace_selector: LabelSelector | None = None
    ip_block: IPBlock | None = None


class NetworkPolicyPort(Record):
    port: IntOrString | None = None
    end_port: int | None = None
    protocol: str | None = None


class NetworkPolicyIngressRule(Record):
    from_: list[NetworkPolicyPeer] | None = msgspec.field(default=None, name="from")
    ports: list[NetworkPolicyPort] | None = None


class NetworkPolicyEgressRule(Record):
    to: list[NetworkPolicyPeer] | None = None
    ports: list[NetworkPolicyPort] | None = None


class NetworkPolicySpec(Record):
    pod_selector: LabelSelector | None = None
    policy_types: list[str] | None = None
    ingress: list[NetworkPolicyIngressRule] | None = None
    egress: list[NetworkPolicyEgressRule] | None = None


class NetworkPolicy(KubernetesObject):
    """Of Kubernetes itself; Calico's is :class:`CalicoNetworkPolicy`."""

    spec: NetworkPolicySpec | None = None


# --- AdminNetworkPolicy, BaselineAdminNetworkPolicy (v1alpha1), ClusterNetworkPolicy (v1alpha2) ------


class NamespacedPods(Record):
    namespace_selector: LabelSelector | None = None
    pod_selector: LabelSelector | None = None


class AdminSubject(Record):
    namespaces: LabelSelector | None = None
    pods: NamespacedPods | None = None


class AdminPeer(Record):
    namespaces: LabelSelector | None = None
    pods: NamespacedPods | None = None
    nodes: LabelSelector | None = None
    networks: list[str] | None = None
    domain_names: list[str] | None = None
    """Of v1alpha2, and of the experimental v1alpha1."""


class AdminPortNumber(Record):
    protocol: str | None = None
    port: int | None = None


class AdminPortRange(Record):
    protocol: str | None = None
    start: int | None = None
    end: int | None = None


class AdminPort(Record):
    port_number: AdminPortNumber | None = None
    port_range: AdminPortRange | None = None
    named_port: str | None = None


class DestinationPort(Record):
    number: int | None = None
    range: AdminPortRange | None = None


class ProtocolPorts(Record):
    destination_port: DestinationPort | None = None


class ClusterProtocol(Record):
    """An entry of ``protocols`` (v1alpha2)."""

    tcp: ProtocolPorts | None = None
    udp: ProtocolPorts | None = None
    sctp: ProtocolPorts | None = None
    destination_named_port: str | None = None


class AdminRule(Record):
    """Of either direction and either version: ``from`` and ``ports`` are None where the other is meant."""

    name: str | None = None
    action: str | None = None
    from_: list[AdminPeer] | None = msgspec.field(default=None, name="from")
    to: list[AdminPeer] | None = None
    ports: list[AdminPort] | None = None
    protocols: list[ClusterProtocol] | None = None


class AdminPolicySpec(Record):
    tier: str | None = None
    """Of ClusterNetworkPolicy: ``Admin`` or ``Baseline``."""
    priority: int | None = None
    subject: AdminSubject | None = None
    ingress: list[AdminRule] | None = None
    egress: list[AdminRule] | None = None


class AdminNetworkPolicy(KubernetesObject):
    spec: AdminPolicySpec | None = None


class BaselineAdminNetworkPolicy(KubernetesObject):
    spec: AdminPolicySpec | None = None


class ClusterNetworkPolicy(KubernetesObject):
    spec: AdminPolicySpec | None = None


# --- Cilium -----------------------------------------------------------------------------------------


class CiliumPort(Record):
    port: IntOrString | None = None
    end_port: int | None = None
    protocol: str | None = None


class CiliumPortRule(Record):
    ports: list[CiliumPort] | None = None
    rules: Any = None
    listener: Any = None
    originating_tls: Any = msgspec.field(default=None, name="originatingTLS")
    terminating_tls: Any = msgspec.field(default=None, name="terminatingTLS")
    server_names: Any = None


class CiliumCIDRRule(Record):
    cidr: str | None = None
    except_: list[str] | None = msgspec.field(default=None, name="except")
    cidr_group_ref: Any = None
    cidr_group_selector: Any = None


class CiliumRule(Record):
    """A rule of either direction, allowing or denying."""

    from_endpoints: list[LabelSelector] | None = None
    to_endpoints: list[LabelSelector] | None = None
    from_requires: Any = None
    to_requires: Any = None
    from_cidr: list[str] | None = msgspec.field(default=None, name="fromCIDR")
    to_cidr: list[str] | None = msgspec.field(default=None, name="toCIDR")
    from_cidr_set: list[CiliumCIDRRule] | None = msgspec.field(default=None, name="fromCIDRSet")
    to_cidr_set: list[CiliumCIDRRule] | None = msgspec.field(default=None, name="toCIDRSet")
    from_entities: list[str] | None = None
    to_entities: list[str] | None = None
    from_nodes: Any = None
    to_nodes: Any = None
    from_groups: Any = None
    to_groups: Any = None
    to_services: Any = None
    to_fqdns: Any = msgspec.field(default=None, name="toFQDNs")
    to_ports: list[CiliumPortRule] | None = None
    icmps: Any = None
    authentication: Any = None


class CiliumDefaultDeny(Record):
    ingress: bool | None = None
    egress: bool | None = None


class CiliumSpec(Record):
    endpoint_selector: LabelSelector | None = None
    node_selector: LabelSelector | None = None
    ingress: list[CiliumRule] | None = None
    ingress_deny: list[CiliumRule] | None = None
    egress: list[CiliumRule] | None = None
    egress_deny: list[CiliumRule] | None = None
    enable_default_deny: CiliumDefaultDeny | None = None


class CiliumNetworkPolicy(KubernetesObject):
    spec: CiliumSpec | None = None
    specs: list[CiliumSpec] | None = None


class CiliumClusterwideNetworkPolicy(KubernetesObject):
    spec: CiliumSpec | None = None
    specs: list[CiliumSpec] | None = None


# --- Calico -----------------------------------------------------------------------------------------


class CalicoServiceAccounts(Record):
    names: list[str] | None = None
    selector: str | None = None


class CalicoEntity(Record):
    """The source or the destination of a rule."""

    nets: list[str] | None = None
    not_nets: list[str] | None = None
    selector: str | None = None
    not_selector: str | None = None
    namespace_selector: str | None = None
    ports: list[IntOrString] | None = None
    not_ports: list[IntOrString] | None = None
    service_accounts: CalicoServiceAccounts | None = None
    services: Any = None
    domains: Any = None


class CalicoRule(Record):
    action: str | None = None
    ip_version: int | None = None
    protocol: IntOrString | None = None
    not_protocol: IntOrString | None = None
    icmp: Any = None
    not_icmp: Any = msgspec.field(default=None, name="notICMP")
    source: CalicoEntity | None = None
    destination: CalicoEntity | None = None
    http: Any = None


class CalicoSpec(Record):
    tier: str | None = None
    order: float | None = None
    selector: str | None = None
    namespace_selector: str | None = None
    service_account_selector: str | None = None
    types: list[str] | None = None
    ingress: list[CalicoRule] | None = None
    egress: list[CalicoRule] | None = None
    do_not_track: bool | None = None
    pre_dnat: bool | None = msgspec.field(default=None, name="preDNAT")
    apply_on_forward: bool | None = None


class CalicoNetworkPolicy(KubernetesObject):
    wire: ClassVar[str] = "NetworkPolicy"

    spec: CalicoSpec | None = None


class CalicoGlobalNetworkPolicy(KubernetesObject):
    wire: ClassVar[str] = "GlobalNetworkPolicy"

    spec: CalicoSpec | None = None


class CalicoNetworkSetSpec(Record):
    nets: list[str] | None = None


class CalicoNetworkSet(KubernetesObject):
    wire: ClassVar[str] = "NetworkSet"

    spec: CalicoNetworkSetSpec | None = None


class CalicoGlobalNetworkSet(KubernetesObject):
    wire: ClassVar[str] = "GlobalNetworkSet"

    spec: CalicoNetworkSetSpec | None = None


# --- Gateway API ------------------------------------------------------------------------------------


class Condition(Record):
    type: str | None = None
    status: str | None = None
    reason: str | None = None


class GatewayClassSpec(Record):
    controller_name: str | None = None


class GatewayClass(KubernetesObject):
    spec: GatewayClassSpec | None = None


class RouteNamespaces(Record):
    from_: str | None = msgspec.field(default=None, name="from")
    selector: LabelSelector | None = None


class RouteGroupKind(Record):
    group: str | None = None
    kind: str | None = None


class AllowedRoutes(Record):
    namespaces: RouteNamespaces | None = None
    kinds: list[RouteGroupKind] | None = None


class Listener(Record):
    name: str | None = None
    hostname: str | None = None
    port: int | None = None
    protocol: str | None = None
    allowed_routes: AllowedRoutes | None = None


class GatewayAddress(Record):
    type: str | None = None
    value: str | None = None


class GatewaySpec(Record):
    gateway_class_name: str | None = None
    listeners: list[Listener] | None = None
    addresses: list[GatewayAddress] | None = None


class GatewayStatus(Record):
    addresses: list[GatewayAddress] | None = None


class Gateway(KubernetesObject):
    spec: GatewaySpec | None = None
    status: GatewayStatus | None = None


class ParentReference(Record):
    group: str | None = None
    kind: str | None = None
    namespace: str | None = None
    name: str | None = None
    section_name: str | None = None
    port: int | None = None


class BackendReference(Record):
    group: str | None = None
    kind: str | None = None
    namespace: str | None = None
    name: str | None = None
    port: int | None = None
    weight: int | None = None


class RouteFilter(Record):
    type: str | None = None
    request_mirror: MirrorFilter | None = None
    extension_ref: Any = None


class MirrorFilter(Record):
    backend_ref: BackendReference | None = None


class RouteRule(Record):
    backend_refs: list[BackendReference] | None = None
    filters: list[RouteFilter] | None = None


class RouteSpec(Record):
    parent_refs: list[ParentReference] | None = None
    hostnames: list[str] | None = None
    rules: list[RouteRule] | None = None


class RouteParent(Record):
    """What a Gateway's controller says about a route."""

    parent_ref: ParentReference | None = None
    conditions: list[Condition] | None = None


class RouteStatus(Record):
    parents: list[RouteParent] | None = None


class HTTPRoute(KubernetesObject):
    spec: RouteSpec | None = None
    status: RouteStatus | None = None


class GRPCRoute(KubernetesObject):
    spec: RouteSpec | None = None
    status: RouteStatus | None = None


class TLSRoute(KubernetesObject):
    spec: RouteSpec | None = None
    status: RouteStatus | None = None


class TCPRoute(KubernetesObject):
    spec: RouteSpec | None = None
    status: RouteStatus | None = None


class UDPRoute(KubernetesObject):
    spec: RouteSpec | None = None
    status: RouteStatus | None = None


class ReferenceGrantFrom(Record):
    group: str | None = None
    kind: str | None = None
    namespace: str | None = None


class ReferenceGrantTo(Record):
    group: str | None = None
    kind: str | None = None
    name: str | None = None


class ReferenceGrantSpec(Record):
    from_: list[ReferenceGrantFrom] | None = msgspec.field(default=None, name="from")
    to: list[ReferenceGrantTo] | None = None


class ReferenceGrant(KubernetesObject):
    spec: ReferenceGrantSpec | None = None


# --- OpenShift --------------------------------------------------------------------------------------


class RouteTarget(Record):
    kind: str | None = None
    name: str | None = None
    weight: int | None = None


class RoutePort(Record):
    target_port: IntOrString | None = None


class OpenShiftRouteSpec(Record):
    host: str | None = None
    to: RouteTarget | None = None
    alternate_backends: list[RouteTarget] | None = None
    port: RoutePort | None = None


class RouteIngress(Record):
    """What a router says about a Route."""

    router_name: str | None = None
    conditions: list[Condition] | None = None


class OpenShiftRouteStatus(Record):
    ingress: list[RouteIngress] | None = None


class Route(KubernetesObject):
    """Of OpenShift."""

    spec: OpenShiftRouteSpec | None = None
    status: OpenShiftRouteStatus | None = None


NETWORK_GROUPS: dict[str, tuple[type[KubernetesObject], ...]] = {
    "policy.networking.k8s.io": (AdminNetworkPolicy, BaselineAdminNetworkPolicy, ClusterNetworkPolicy),
    "gateway.networking.k8s.io": (
        GatewayClass,
        Gateway,
        HTTPRoute,
        GRPCRoute,
        TLSRoute,
        TCPRoute,
        UDPRoute,
        ReferenceGrant,
    ),
    "route.openshift.io": (Route,),
    "cilium.io": (CiliumNetworkPolicy, CiliumClusterwideNetworkPolicy),
    "projectcalico.org": (
        CalicoNetworkPolicy,
        CalicoGlobalNetworkPolicy,
        CalicoNetworkSet,
        CalicoGlobalNetworkSet,
    ),
    "crd.projectcalico.org": (
        CalicoNetworkPolicy,
        CalicoGlobalNetworkPolicy,
        CalicoNetworkSet,
        CalicoGlobalNetworkSet,
    ),
}
"""The kinds of this module by API group, but for those of ``networking.k8s.io``."""

NETWORK_CLUSTER_SCOPED = frozenset(
    {
        "AdminNetworkPolicy",
        "BaselineAdminNetworkPolicy",
        "ClusterNetworkPolicy",
        "CiliumClusterwideNetworkPolicy",
        "CalicoGlobalNetworkPolicy",
        "CalicoGlobalNetworkSet",
        "GatewayClass",
    }
)
"""Those of them whose objects have no namespace."""

GATEWAY_ROUTES: tuple[type[KubernetesObject], ...] = (HTTPRoute, GRPCRoute, TLSRoute, TCPRoute, UDPRoute)
