"""CiliumNetworkPolicy and CiliumClusterwideNetworkPolicy (``cilium.io/v2``) as rules of the core.

Their rules on pods, entities, addresses and ports are decided exactly. What depends on more (requests, domain names,
cloud groups, nodes, ICMP, mutual authentication) makes what it covers unknown. Denials win over everything, also over
what NetworkPolicy allows, and take part in the same decision as it.

Source: Cilium documentation, "Network Policy": layer 3, layer 4, deny policies, policy enforcement modes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from workbench.inventory.inventory import Inventory
from workbench.inventory.network_objects import (
    CiliumCIDRRule,
    CiliumClusterwideNetworkPolicy,
    CiliumNetworkPolicy,
    CiliumPortRule,
    CiliumRule,
    CiliumSpec,
)
from workbench.inventory.objects import EndpointSlice
from workbench.inventory.records import LabelSelector
from workbench.network.addresses import Span, span
from workbench.network.checks import Faults, excepted, number, port_name, ports_between
from workbench.network.classes import ACCOUNT_NAME
from workbench.network.labels import EVERYTHING, NAMESPACE_NAME, Requirement, Selector, selector
from workbench.network.ports import PROTOCOLS, NamedPort, Port, PortRange
from workbench.network.rules import (
    Action,
    Anyone,
    Blocks,
    Direction,
    Nodes,
    Outside,
    Peer,
    Perhaps,
    Pods,
    Policy,
    Rule,
    Tier,
    opaque,
)

_NAMESPACE = "io.kubernetes.pod.namespace"
_NAMESPACE_LABELS = "io.cilium.k8s.namespace.labels."
_ACCOUNT = "io.cilium.k8s.policy.serviceaccount"
_CLUSTER = "io.cilium.k8s.policy.cluster"
_SERVICE_LABEL = "kubernetes.io/service-name"

_BEFORE, _AMONG = 0.0, 1000.0
"""Ranks in the tier: denials before all that allows."""

_NODE_ENTITIES = ("host", "remote-node", "health", "ingress")
_ENTITIES = ("all", "cluster", "world", "world-ipv4", "world-ipv6", "kube-apiserver", "init", "unmanaged", "none")


def parse(
    view: Inventory, policy: CiliumNetworkPolicy | CiliumClusterwideNetworkPolicy, report: Faults
) -> list[Policy]:
    """A policy as rules, one for each of its specs, and another where a spec denies."""
    out: list[Policy] = []
    specs = [("spec", policy.spec)] if policy.spec is not None else []
    specs += [(f"specs[{index}]", spec) for index, spec in enumerate(policy.specs or ())]
    for where, spec in specs:
        if spec.node_selector is None:
            out.extend(_Spec(view, policy.id, policy.namespace, where, report).parse(spec))
        # One with a nodeSelector is about nodes themselves, not about pods.
    return out


class _Spec:
    """One spec of a policy."""

    def __init__(self, view: Inventory, policy: str, namespace: str, where: str, report: Faults) -> None:
        self.view = view
        self.policy = policy
        self.namespace = namespace
        self.where = where
        self.report = report

    def parse(self, spec: CiliumSpec) -> Iterator[Policy]:
        if spec.endpoint_selector is None:
            self.report(f"{self.where}.endpointSelector", "a policy needs endpointSelector or nodeSelector")
        subject, unclear = self._selected(spec.endpoint_selector, f"{self.where}.endpointSelector")
        if unclear:
            yield opaque(self.policy, Tier.NAMESPACE, subject, frozenset(Direction), unclear)
            return
        allow = {
            Direction.INGRESS: self._rules(spec.ingress, "ingress", Action.ALLOW),
            Direction.EGRESS: self._rules(spec.egress, "egress", Action.ALLOW),
        }
        deny = {
            Direction.INGRESS: self._rules(spec.ingress_deny, "ingressDeny", Action.DENY),
            Direction.EGRESS: self._rules(spec.egress_deny, "egressDeny", Action.DENY),
        }
        given = {
            Direction.INGRESS: bool(spec.ingress) or bool(spec.ingress_deny),
            Direction.EGRESS: bool(spec.egress) or bool(spec.egress_deny),
        }
        default = spec.enable_default_deny
        wanted = {
            Direction.INGRESS: default.ingress if default else None,
            Direction.EGRESS: default.egress if default else None,
        }
        isolates = frozenset(
            direction for direction in Direction if given[direction] and wanted[direction] is not False
        ) | frozenset(direction for direction in Direction if wanted[direction])
        if any(deny.values()):
            yield Policy(self.policy, Tier.NAMESPACE, (_BEFORE, self.policy), subject, deny)
        yield Policy(self.policy, Tier.NAMESPACE, (_AMONG, self.policy), subject, allow, isolates)

    def _rules(self, rules: Sequence[CiliumRule] | None, name: str, action: Action) -> tuple[Rule, ...]:
        out: list[Rule] = []
        for index, rule in enumerate(rules or ()):
            where = f"{self.where}.{name}[{index}]"
            peers = self._peers(rule, where, inward=name.startswith("ingress"))
            doubt = self._doubt(rule)
            if not rule.to_ports:
                out.append(Rule(action, peers, None, where, doubt))
            for at, group in enumerate(rule.to_ports or ()):
                within = f"{where}.toPorts[{at}]"
                ports = self._ports(group, within, inward=name.startswith("ingress"))
                out.append(Rule(action, peers, ports, within, doubt or _of_requests(group)))
        return tuple(out)

    @staticmethod
    def _doubt(rule: CiliumRule) -> str:
        if rule.icmps:
            return "it is about ICMP"
        if rule.authentication:
            return "it asks for mutual authentication"
        if rule.from_requires or rule.to_requires:
            return "it has fromRequires or toRequires"
        return ""

    # --- peers ------------------------------------------------------------------------------------

    def _peers(self, rule: CiliumRule, where: str, *, inward: bool) -> tuple[Peer, ...]:
        """The peers of a rule: without any field for them, everybody if it names ports, and else nobody."""
        side = "from" if inward else "to"
        endpoints = rule.from_endpoints if inward else rule.to_endpoints
        blocks = rule.from_cidr if inward else rule.to_cidr
        sets = rule.from_cidr_set if inward else rule.to_cidr_set
        entities = rule.from_entities if inward else rule.to_entities
        unclear: dict[str, Any] = (
            {"fromNodes": rule.from_nodes, "fromGroups": rule.from_groups}
            if inward
            else {
                "toNodes": rule.to_nodes,
                "toGroups": rule.to_groups,
                "toServices": rule.to_services,
                "toFQDNs": rule.to_fqdns,
            }
        )
        given = (endpoints, blocks, sets, entities, *unclear.values())
        if all(each is None for each in given):
            return (Anyone(),) if rule.to_ports or rule.icmps else ()
        out: list[Peer] = []
        for index, each in enumerate(endpoints or ()):
            out.append(self._pods(each, f"{where}.{side}Endpoints[{index}]"))
        for index, text in enumerate(blocks or ()):
            found = self._block(text, f"{where}.{side}CIDR[{index}]")
            out.extend([Blocks(((found, ()),))] if found is not None else [])
        for index, item in enumerate(sets or ()):
            out.append(self._set(item, f"{where}.{side}CIDRSet[{index}]"))
        for index, name in enumerate(entities or ()):
            out.extend(self._entity(name, f"{where}.{side}Entities[{index}]"))
        for name, value in unclear.items():
            if value is not None:
                peer: Peer = Nodes() if name.endswith("Nodes") else Outside()
                out.append(Perhaps(Anyone() if name == "toServices" else peer, f"{name} is not decided"))
        return tuple(out)

    def _block(self, text: str | None, where: str) -> Span | None:
        try:
            return span(text or "")
        except ValueError:
            self.report(where, f"{text or ''!r} is neither a CIDR block nor an address")
            return None

    def _set(self, item: CiliumCIDRRule, where: str) -> Peer:
        if item.cidr is None:
            return Perhaps(Outside(), "it names a CIDR group")
        whole = self._block(item.cidr, f"{where}.cidr")
        out = excepted(item.except_, whole, f"{where}.except", self.report)
        return Blocks(((whole, out),) if whole is not None else ())

    def _entity(self, name: str, where: str) -> tuple[Peer, ...]:
        match name:
            case "all":
                return (Anyone(),)
            case "cluster":
                return Pods(EVERYTHING, EVERYTHING), Nodes()
            case "world":
                return (Outside(),)
            case "world-ipv4":
                return (Outside(4),)
            case "world-ipv6":
                return (Outside(6),)
            case "kube-apiserver":
                addresses = _api_server(self.view)
                if addresses:
                    return Nodes(), Blocks(tuple((each, ()) for each in addresses))
                return Nodes(), Perhaps(Outside(), "the address of the API server is not known")
        if name in _NODE_ENTITIES:
            return (Nodes(),)
        if name not in _ENTITIES:
            self.report(where, f"{name!r} is no entity of Cilium")
        return ()

    def _pods(self, found: LabelSelector | None, where: str) -> Peer:
        peer, unclear = self._selected(found, where)
        return Perhaps(peer, unclear) if unclear else peer

    def _selected(self, found: LabelSelector | None, where: str) -> tuple[Pods, str]:
        """The pods of a selector, whose keys may mean the namespace, its labels, or the service account; and why
        it may be fewer."""
        checked = selector(_without_sources(found), where, self.report)
        pods: list[Requirement] = []
        namespaces: list[Requirement] = []
        accounts: list[Requirement] = []
        unclear = False
        for each in checked.requirements:
            if each.key == _NAMESPACE:
                namespaces.append(Requirement(NAMESPACE_NAME, each.operator, each.values))
            elif each.key.startswith(_NAMESPACE_LABELS):
                namespaces.append(Requirement(each.key.removeprefix(_NAMESPACE_LABELS), each.operator, each.values))
            elif each.key == _ACCOUNT:
                accounts.append(Requirement(ACCOUNT_NAME, each.operator, each.values))
            elif each.key == _CLUSTER or each.key.startswith("reserved."):
                unclear = True
            else:
                pods.append(each)
        own = bool(self.namespace) and not namespaces
        peer = Pods(
            Selector(tuple(pods)),
            None if own else Selector(tuple(namespaces)),
            self.namespace if own else "",
            Selector(tuple(accounts)) if accounts else None,
        )
        return peer, "it selects by cluster or by a reserved label" if unclear else ""

    # --- ports ------------------------------------------------------------------------------------

    def _ports(self, group: CiliumPortRule, where: str, *, inward: bool) -> tuple[Port, ...] | None:
        if not group.ports:
            return None
        out: list[Port] = []
        for index, each in enumerate(group.ports):
            at = f"{where}.ports[{index}]"
            which = (each.protocol or "ANY").upper()
            if which not in (*PROTOCOLS, "ANY"):
                if not which.startswith(("ICMP", "VRRP", "IGMP")):
                    self.report(f"{at}.protocol", f"{each.protocol!r} is none of {', '.join(PROTOCOLS)}, ANY")
                continue
            protocols = PROTOCOLS if which == "ANY" else (which,)
            text = str(each.port if each.port is not None else 0)
            if not text.isdecimal():
                name = port_name(text.lower(), f"{at}.port", self.report)
                out.append(NamedPort(name, None if which == "ANY" else which))
            elif int(text) == 0:
                out.extend(PortRange(protocol) for protocol in protocols)
            else:
                low = number(int(text), f"{at}.port", self.report)
                high = number(each.end_port, f"{at}.endPort", self.report) if each.end_port else low
                out.extend(ports_between(protocol, low, high, f"{at}.endPort", self.report) for protocol in protocols)
        return tuple(out)


def _of_requests(group: CiliumPortRule) -> str:
    """Why a group of ports lets through less than the connections to them."""
    if group.rules or group.listener or group.terminating_tls or group.originating_tls or group.server_names:
        return "it is about requests, not connections"
    return ""


def _without_sources(found: LabelSelector | None) -> LabelSelector | None:
    """A selector without the sources that Cilium lets stand before keys (``k8s:app``, ``any:app``)."""
    if found is None:
        return None

    def plain(key: str) -> str:
        source, colon, rest = key.partition(":")
        if not colon:
            return key
        return f"reserved.{rest}" if source == "reserved" else rest

    return LabelSelector(
        match_labels={plain(key): value for key, value in (found.match_labels or {}).items()},
        match_expressions=[
            type(each)(key=plain(each.key or ""), operator=each.operator, values=each.values)
            for each in found.match_expressions or ()
        ],
    )


def _api_server(view: Inventory) -> list[Span]:
    """The addresses of the API server, as its EndpointSlice has them."""
    out: list[Span] = []
    for piece in view.in_namespace(EndpointSlice, "default"):
        if (piece.metadata.labels or {}).get(_SERVICE_LABEL) == "kubernetes":
            for endpoint in piece.endpoints or ():
                for address in endpoint.addresses or ():
                    try:
                        out.append(span(address))
                    except ValueError:
                        continue
    return out
