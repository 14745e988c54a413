"""Reachability pod by pod and port by port, straight from the documentation of each API, over plain objects.

It shares no code with the program, knows no classes and no masks, and tries every order where the API leaves the order
open. It is for small clusters only.
"""

from __future__ import annotations

import ipaddress
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Object = Mapping[str, Any]
Peer = Object | str
"""A pod, or an address outside of the cluster."""


@dataclass(frozen=True)
class Flow:
    """One connection as one of its ends sees it."""

    pod: Object
    """The near end, whose policies are asked."""
    peer: Peer
    direction: str
    target: Peer
    protocol: str
    port: int


def outcomes(objects: Sequence[Object], source: Peer, target: Peer, protocol: str, port: int) -> set[bool]:
    """Whether a connection is let through; both, where the API leaves that open."""
    leaving = (
        {True} if isinstance(source, str) else _side(objects, Flow(source, target, "egress", target, protocol, port))
    )
    entering = (
        {True} if isinstance(target, str) else _side(objects, Flow(target, source, "ingress", target, protocol, port))
    )
    return {one and other for one in leaving for other in entering}


def _side(objects: Sequence[Object], flow: Flow) -> set[bool]:
    admin = [each for each in objects if each["kind"] == "AdminNetworkPolicy"]
    admin += [each for each in objects if each["kind"] == "ClusterNetworkPolicy" and each["spec"]["tier"] == "Admin"]
    base = [each for each in objects if each["kind"] == "BaselineAdminNetworkPolicy"]
    base += [each for each in objects if each["kind"] == "ClusterNetworkPolicy" and each["spec"]["tier"] == "Baseline"]
    found: set[bool] = set()
    for above, below in itertools.product(_orders(admin), _orders(base)):
        verdict = _first(above, objects, flow)
        if verdict in ("Allow", "Accept", "Deny"):
            found.add(verdict != "Deny")
            continue
        decided = _namespaced(objects, flow)
        if decided is not None:
            found.add(decided)
            continue
        found.add(_first(below, objects, flow) != "Deny")
    return found


def _orders(policies: Sequence[Object]) -> Iterator[list[Object]]:
    by_priority: dict[int, list[Object]] = {}
    for each in policies:
        by_priority.setdefault(each["spec"].get("priority", 0), []).append(each)
    groups = [list(itertools.permutations(by_priority[priority])) for priority in sorted(by_priority)]
    for choice in itertools.product(*groups):
        yield [policy for group in choice for policy in group]


# --- labels -------------------------------------------------------------------------------------------


def selects(selector: Object | None, labels: Mapping[str, str]) -> bool:
    """Whether a label selector matches."""
    if selector is None:
        return True
    for key, value in (selector.get("matchLabels") or {}).items():
        if labels.get(key) != value:
            return False
    for each in selector.get("matchExpressions") or ():
        value = labels.get(each["key"])
        holds = {
            "In": lambda value=value, each=each: value in each["values"],
            "NotIn": lambda value=value, each=each: value not in each["values"],
            "Exists": lambda value=value: value is not None,
            "DoesNotExist": lambda value=value: value is None,
        }[each["operator"]]()
        if not holds:
            return False
    return True


def _namespace(objects: Sequence[Object], name: str) -> dict[str, str]:
    labels = {"kubernetes.io/metadata.name": name}
    for each in objects:
        if each["kind"] == "Namespace" and each["metadata"]["name"] == name:
            labels |= each["metadata"].get("labels") or {}
    return labels


def _labels(pod: Object) -> Mapping[str, str]:
    return pod["metadata"].get("labels") or {}


def _named(target: Peer, name: str) -> tuple[str, int] | None:
    if isinstance(target, str):
        return None
    for container in target["spec"]["containers"]:
        for port in container.get("ports") or ():
            if port.get("name") == name:
                return port.get("protocol", "TCP"), port["containerPort"]
    return None


def _within(address: str, cidr: str) -> bool:
    return ipaddress.ip_address(address) in ipaddress.ip_network(cidr, strict=False)


# --- the admin tiers ----------------------------------------------------------------------------------


def _first(policies: Sequence[Object], objects: Sequence[Object], flow: Flow) -> str | None:
    for policy in policies:
        if not _in_scope(policy["spec"]["subject"], objects, flow.pod):
            continue
        for rule in policy["spec"].get(flow.direction) or ():
            peers = rule["from" if flow.direction == "ingress" else "to"]
            if not any(_admin_peer(each, objects, flow.peer) for each in peers):
                continue
            if _admin_ports(rule, flow):
                return str(rule["action"])
    return None


def _in_scope(scope: Object, objects: Sequence[Object], pod: Object) -> bool:
    namespace = _namespace(objects, pod["metadata"]["namespace"])
    if "namespaces" in scope:
        return selects(scope["namespaces"], namespace)
    return selects(scope["pods"]["namespaceSelector"], namespace) and selects(
        scope["pods"]["podSelector"], _labels(pod)
    )


def _admin_peer(each: Object, objects: Sequence[Object], peer: Peer) -> bool:
    if isinstance(peer, str):
        return any(_within(peer, cidr) for cidr in each.get("networks") or ())
    return ("namespaces" in each or "pods" in each) and _in_scope(each, objects, peer)


def _admin_ports(rule: Object, flow: Flow) -> bool:
    target, protocol, port = flow.target, flow.protocol, flow.port
    if not rule.get("ports") and not rule.get("protocols"):
        return True
    for each in rule.get("ports") or ():
        if "portNumber" in each:
            wanted = each["portNumber"]
            if (wanted.get("protocol", "TCP"), wanted["port"]) == (protocol, port):
                return True
        elif "portRange" in each:
            wanted = each["portRange"]
            if wanted.get("protocol", "TCP") == protocol and wanted["start"] <= port <= wanted["end"]:
                return True
        elif _named(target, each["namedPort"]) == (protocol, port):
            return True
    for each in rule.get("protocols") or ():
        if "destinationNamedPort" in each:
            if _named(target, each["destinationNamedPort"]) == (protocol, port):
                return True
            continue
        name, value = next(iter(each.items()))
        wanted = value.get("destinationPort")
        if name.upper() != protocol:
            continue
        if wanted is None or wanted.get("number") == port:
            return True
        if "range" in wanted and wanted["range"]["start"] <= port <= wanted["range"]["end"]:
            return True
    return False


# --- NetworkPolicy, and Cilium's and Calico's beside it ---------------------------------------------------


def _namespaced(objects: Sequence[Object], flow: Flow) -> bool | None:
    """Allowed or denied, ``None`` where no policy selects the pod in this direction."""
    pod, direction = flow.pod, flow.direction
    own = pod["metadata"]["namespace"]
    isolated = False
    rules: list[tuple[tuple[float, str], int, str]] = []
    for policy in objects:
        meta, spec = policy["metadata"], policy.get("spec") or {}
        if policy["kind"] == "NetworkPolicy" and policy["apiVersion"].startswith("networking"):
            types = spec.get("policyTypes") or ["Ingress", *(["Egress"] if spec.get("egress") else [])]
            if meta["namespace"] != own or not selects(spec["podSelector"], _labels(pod)):
                continue
            if direction.capitalize() not in types:
                continue
            isolated = True
            for at, rule in enumerate(spec.get(direction) or ()):
                peers = rule.get("from" if direction == "ingress" else "to")
                if peers and not any(_peer(each, objects, own, flow.peer) for each in peers):
                    continue
                if _ports(rule.get("ports"), flow.target, flow.protocol, flow.port):
                    rules.append(((1000, f"{own}/{meta['name']}"), at, "Allow"))
        elif policy["kind"] == "CiliumNetworkPolicy":
            if meta["namespace"] != own or not selects(spec["endpointSelector"], _labels(pod)):
                continue
            for key, action, order in ((f"{direction}Deny", "Deny", 0.0), (direction, "Allow", 1000.0)):
                for at, rule in enumerate(spec.get(key) or ()):
                    isolated = True
                    if _cilium(rule, own, flow):
                        rules.append(((order, meta["name"]), at, action))
        elif policy["kind"] in ("NetworkPolicy", "GlobalNetworkPolicy"):
            if meta.get("namespace", own) != own or not _calico(spec.get("selector"), _labels(pod)):
                continue
            if direction.capitalize() not in spec["types"]:
                continue
            isolated = True
            prefix = "CalicoNetworkPolicy" if policy["kind"] == "NetworkPolicy" else "CalicoGlobalNetworkPolicy"
            name = f"{prefix}:{own}/{meta['name']}" if "namespace" in meta else f"{prefix}:{meta['name']}"
            for at, rule in enumerate(spec.get(direction) or ()):
                scope = meta.get("namespace")
                if _calico_rule(rule, objects, scope, flow):
                    rules.append(((spec.get("order", float("inf")), name), at, rule["action"]))
    for _, _, action in sorted(rules):
        if action == "Pass":
            return None
        return action == "Allow"
    return False if isolated else None


def _peer(each: Object, objects: Sequence[Object], own: str, peer: Peer) -> bool:
    if "ipBlock" in each:
        block = each["ipBlock"]
        if not isinstance(peer, str) or not _within(peer, block["cidr"]):
            return False
        return not any(_within(peer, cidr) for cidr in block.get("except") or ())
    if isinstance(peer, str):
        return False
    namespace = peer["metadata"]["namespace"]
    if "namespaceSelector" in each:
        if not selects(each["namespaceSelector"], _namespace(objects, namespace)):
            return False
    elif namespace != own:
        return False
    return selects(each.get("podSelector"), _labels(peer))


def _ports(ports: Sequence[Object] | None, target: Peer, protocol: str, port: int) -> bool:
    if not ports:
        return True
    for each in ports:
        if each.get("protocol", "TCP") != protocol:
            continue
        wanted = each.get("port")
        if wanted is None or wanted == port or ("endPort" in each and wanted <= port <= each["endPort"]):
            return True
        if isinstance(wanted, str) and _named(target, wanted) == (protocol, port):
            return True
    return False


def _cilium(rule: Object, own: str, flow: Flow) -> bool:
    peer, direction, protocol, port = flow.peer, flow.direction, flow.protocol, flow.port
    side = "from" if direction == "ingress" else "to"
    endpoints, cidrs, entities = (rule.get(f"{side}{name}") for name in ("Endpoints", "CIDR", "Entities"))
    if endpoints is None and cidrs is None and entities is None:
        matched = bool(rule.get("toPorts"))
    elif isinstance(peer, str):
        matched = any(_within(peer, cidr) for cidr in cidrs or ()) or bool({"world", "all"} & set(entities or ()))
    else:
        namespace = peer["metadata"]["namespace"]
        labels = {**_labels(peer), "io.kubernetes.pod.namespace": namespace}
        matched = any(
            selects(each, labels)
            and (namespace == own or "io.kubernetes.pod.namespace" in (each.get("matchLabels") or {}))
            for each in endpoints or ()
        ) or bool({"cluster", "all"} & set(entities or ()))
    if not matched or "toPorts" not in rule:
        return matched
    for group in rule["toPorts"]:
        for each in group["ports"]:
            low = int(each["port"])
            if each.get("protocol", "ANY") in ("ANY", protocol) and (
                low == 0 or low <= port <= each.get("endPort", low)
            ):
                return True
    return False


def _calico(expression: str | None, labels: Mapping[str, str]) -> bool:
    """Only ``key == 'value'``, ``key != 'value'``, ``has(key)``, and nothing."""
    if not expression:
        return True
    if expression.startswith("has("):
        return expression[4:-1] in labels
    key, operator, value = expression.split(" ")
    equal = labels.get(key) == value.strip("'")
    return equal if operator == "==" else not equal


def _calico_rule(rule: Object, objects: Sequence[Object], own: str | None, flow: Flow) -> bool:
    peer, direction, protocol, port = flow.peer, flow.direction, flow.protocol, flow.port
    entity = rule.get("source" if direction == "ingress" else "destination") or {}
    if rule.get("protocol", protocol) != protocol:
        return False
    wanted = (rule.get("destination") or {}).get("ports")
    if wanted and not any(_in_range(each, port) for each in wanted):
        return False
    if "nets" in entity:
        return isinstance(peer, str) and any(_within(peer, cidr) for cidr in entity["nets"])
    if "selector" in entity or "namespaceSelector" in entity:
        if isinstance(peer, str):
            return False
        namespace = peer["metadata"]["namespace"]
        if "namespaceSelector" in entity:
            if not _calico(entity["namespaceSelector"], _namespace(objects, namespace)):
                return False
        elif own is not None and namespace != own:
            return False
        return _calico(entity.get("selector"), _labels(peer))
    return True


def _in_range(wanted: int | str, port: int) -> bool:
    low, _, high = str(wanted).partition(":")
    return int(low) <= port <= int(high or low)
