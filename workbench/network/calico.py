"""Calico's NetworkPolicy and GlobalNetworkPolicy (``projectcalico.org/v3``) as rules of the core.

The policies of the default tier are decided exactly, in one order with NetworkPolicy, which Calico puts at 1000 there.
Those of other tiers make unknown what they select, for the order of tiers is another object's. Their ``nets`` match
pods by address, unlike the blocks of other APIs.

Source: Calico documentation, NetworkPolicy, GlobalNetworkPolicy, NetworkSet and Tier.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from workbench.inventory.inventory import Inventory
from workbench.inventory.network_objects import (
    CalicoEntity,
    CalicoGlobalNetworkPolicy,
    CalicoGlobalNetworkSet,
    CalicoNetworkPolicy,
    CalicoNetworkSet,
    CalicoRule,
    CalicoSpec,
)
from workbench.network import calico_selector
from workbench.network.addresses import Span, span
from workbench.network.calico_selector import ALL, Expression, SelectorError
from workbench.network.checks import Faults, number, ports_between
from workbench.network.classes import ACCOUNT_NAME, namespace_labels
from workbench.network.labels import LabelIndex, Matcher, Requirement, Selector, plain_labels
from workbench.network.ports import LAST_PORT, PROTOCOLS, NamedPort, Port, PortRange
from workbench.network.rules import (
    Action,
    Anyone,
    Blocks,
    Both,
    Direction,
    Not,
    Outside,
    Peer,
    Perhaps,
    Pods,
    Policy,
    Rule,
    Tier,
    opaque,
)

_ACTIONS = {"allow": Action.ALLOW, "deny": Action.DENY, "pass": Action.PASS, "log": None}
_NUMBERS = {6: "TCP", 17: "UDP", 132: "SCTP"}
_LAST = float("inf")


def parse(view: Inventory, policy: CalicoNetworkPolicy | CalicoGlobalNetworkPolicy, report: Faults) -> list[Policy]:
    """A policy as rules; one about forwarded traffic at the interfaces of nodes leaves open what comes from outside."""
    spec = policy.spec or CalicoSpec()
    if spec.pre_dnat or spec.do_not_track:
        return [_at_nodes(policy, spec)]
    parser = _Parser(view, policy.namespace, report)
    subject = parser.subject(spec)
    directions = _directions(spec)
    if spec.tier not in (None, "", "default"):
        return [opaque(policy.id, Tier.ADMIN, subject, directions, f"it is in the tier {spec.tier}")]
    rules = {
        direction: tuple(
            rule
            for index, each in enumerate((spec.ingress if direction is Direction.INGRESS else spec.egress) or ())
            for rule in parser.rule(each, direction, f"spec.{direction}[{index}]")
        )
        for direction in directions
    }
    order = _LAST if spec.order is None else spec.order
    found = Policy(policy.id, Tier.NAMESPACE, (order, policy.id), subject, rules, directions)
    return [_at_nodes(policy, spec), found] if spec.apply_on_forward else [found]


def _at_nodes(policy: CalicoNetworkPolicy | CalicoGlobalNetworkPolicy, spec: CalicoSpec) -> Policy:
    """What a policy may do at the interfaces of nodes, which are other objects, to traffic of pods with the outside.

    Source: Calico documentation, "Summary of host endpoint policies": to what a node forwards apply policies before
    DNAT, untracked ones (they can only deny), and those with ``applyOnForward``.
    """
    directions = frozenset({Direction.INGRESS}) if spec.pre_dnat else _directions(spec)
    doubt = "it may apply to what nodes forward, by host endpoints that are not read"
    rules = {
        direction: (Rule(Action.DENY, (Outside(),), None, f"spec.{direction}", doubt),) for direction in directions
    }
    return Policy(policy.id, Tier.ADMIN, (float("-inf"), policy.id), Pods(ALL, ALL), rules)


def _directions(spec: CalicoSpec) -> frozenset[Direction]:
    if spec.types is not None:
        return frozenset(each for each in Direction if each.value.capitalize() in spec.types)
    if spec.egress is not None:
        return frozenset(Direction) if spec.ingress is not None else frozenset({Direction.EGRESS})
    return frozenset({Direction.INGRESS})


class _Parser:
    """The rules of one policy."""

    def __init__(self, view: Inventory, namespace: str, report: Faults) -> None:
        self.view = view
        self.namespace = namespace
        self.report = report

    def subject(self, spec: CalicoSpec) -> Pods:
        """Whom the policy selects."""
        pods = self._expression(spec.selector, "spec.selector")
        accounts = None
        if spec.service_account_selector:
            accounts = self._expression(spec.service_account_selector, "spec.serviceAccountSelector")
        if self.namespace:
            return Pods(pods, namespace=self.namespace, accounts=accounts)
        return Pods(pods, self._expression(spec.namespace_selector, "spec.namespaceSelector"), accounts=accounts)

    def rule(self, rule: CalicoRule, direction: Direction, where: str) -> Iterable[Rule]:
        """The rule, nothing for one that only logs."""
        action = (rule.action or "").lower()
        if action not in _ACTIONS:
            self.report(f"{where}.action", f"{rule.action or ''!r} is none of Allow, Deny, Pass, Log")
        meant = _ACTIONS.get(action)
        if meant is None:
            return
        source, destination = rule.source or CalicoEntity(), rule.destination or CalicoEntity()
        remote, local = (source, destination) if direction is Direction.INGRESS else (destination, source)
        side, other = ("source", "destination") if direction is Direction.INGRESS else ("destination", "source")
        doubt = ""
        if source.ports or source.not_ports:
            doubt = "it asks for the port that a connection comes from"
        elif _narrows(local):
            doubt = f"its {other} narrows the pods that the policy selects"
        elif rule.http is not None:
            doubt = "it is about requests, not connections"
        elif rule.ip_version == 6:
            doubt = "it is for IPv6 only"
        peer = self.entity(remote, f"{where}.{side}")
        if rule.ip_version == 4:
            peer = Both((peer, Not(Outside(6))))
        ports, by_name = self._ports(rule, destination, where)
        yield Rule(meant, (peer,), ports, where, doubt or by_name)

    # --- peers ------------------------------------------------------------------------------------

    def entity(self, found: CalicoEntity, where: str) -> Peer:
        """A peer: all conditions have to hold."""
        parts: list[Peer] = []
        if found.nets:
            parts.append(self._nets(found.nets, f"{where}.nets"))
        if found.not_nets:
            parts.append(Not(self._nets(found.not_nets, f"{where}.notNets")))
        if found.selector or found.namespace_selector or found.service_accounts:
            parts.append(self._selected(found, found.selector, f"{where}.selector", where))
        if found.not_selector:
            parts.append(Not(self._selected(CalicoEntity(), found.not_selector, f"{where}.notSelector", where)))
        if found.services is not None or found.domains is not None:
            parts.append(Perhaps(Anyone(), "it names Services or domains"))
        return parts[0] if len(parts) == 1 else Both(tuple(parts)) if parts else Anyone()

    def _nets(self, texts: Sequence[str], where: str) -> Blocks:
        return Blocks(tuple((each, ()) for each in self._spans(texts, where)), with_pods=True)

    def _spans(self, texts: Sequence[str], where: str) -> list[Span]:
        out: list[Span] = []
        for index, text in enumerate(texts):
            try:
                out.append(span(text))
            except ValueError:
                self.report(f"{where}[{index}]", f"{text!r} is neither a CIDR block nor an address")
        return out

    def _selected(self, found: CalicoEntity, text: str | None, where: str, entity: str) -> Peer:
        """The pods and the network sets of a selector, within the namespaces that it is about."""
        pods = self._expression(text, where)
        namespaces: Expression | None = None
        if found.namespace_selector:
            namespaces = self._expression(found.namespace_selector, f"{entity}.namespaceSelector")
        elif not self.namespace:
            namespaces = ALL
        accounts: Matcher | None = None
        if found.service_accounts is not None:
            accounts = self._accounts(found, f"{entity}.serviceAccounts")
        inside = Pods(pods, namespaces, "" if namespaces is not None else self.namespace, accounts)
        sets = [] if accounts is not None else self._sets(pods, namespaces)
        # Not (neither of them), as peers are joined by Both and Not alone.
        return Not(Both((Not(inside), Not(Blocks(tuple((each, ()) for each in sets)))))) if sets else inside

    def _accounts(self, found: CalicoEntity, where: str) -> Matcher:
        accounts = found.service_accounts
        assert accounts is not None
        names = tuple(sorted(accounts.names or ()))
        if not accounts.selector:
            return Selector((Requirement(ACCOUNT_NAME, "In", names),)) if names else ALL
        chosen = self._expression(accounts.selector, f"{where}.selector")
        if not names:
            return chosen
        named = calico_selector.Compared(ACCOUNT_NAME, "in", names)
        return Expression(calico_selector.Combined("&&", (named, chosen.root)))

    def _sets(self, pods: Expression, namespaces: Expression | None) -> list[Span]:
        """The addresses of the network sets that a selector matches."""
        found: list[CalicoNetworkSet | CalicoGlobalNetworkSet] = []
        if namespaces is None:
            found.extend(self.view.in_namespace(CalicoNetworkSet, self.namespace))
        else:
            own = list(self.view.all(CalicoNetworkSet))
            within = namespaces.bits(LabelIndex([namespace_labels(self.view, each.namespace) for each in own]))
            found.extend(each for at, each in enumerate(own) if within >> at & 1)
            if namespaces.everything or namespaces.only_global:
                found.extend(self.view.all(CalicoGlobalNetworkSet))
        matched = pods.bits(LabelIndex([plain_labels(each.metadata.labels) for each in found]))
        out: list[Span] = []
        for at, each in enumerate(found):
            if matched >> at & 1 and each.spec is not None:
                for text in each.spec.nets or ():
                    try:
                        out.append(span(text))
                    except ValueError:
                        continue
        return out

    def _expression(self, text: str | None, where: str) -> Expression:
        try:
            return calico_selector.parse(text)
        except SelectorError as error:
            self.report(where, f"{text!r} is no selector: {error}")
            return ALL

    # --- ports ------------------------------------------------------------------------------------

    def _ports(self, rule: CalicoRule, target: CalicoEntity, where: str) -> tuple[tuple[Port, ...] | None, str]:
        """The ports of a rule, ``None`` for all; and why they may be fewer."""
        protocols = _protocols(rule)
        if protocols is None and (target.ports or target.not_ports):
            self.report(f"{where}.protocol", "ports need a protocol")
        if not target.ports and not target.not_ports:
            return (None if protocols is None else tuple(map(PortRange, protocols))), ""
        out: list[Port] = []
        doubt = ""
        excluded = self._values(target.not_ports or (), f"{where}.destination.notPorts")
        if any(isinstance(each, str) for each in excluded):
            doubt = "it leaves out a port by name"
        gaps = [each for each in excluded if isinstance(each, tuple)]
        wanted = self._values(target.ports, f"{where}.destination.ports") if target.ports else [(1, LAST_PORT)]
        for protocol in protocols or ():
            for each in wanted:
                if isinstance(each, str):
                    out.append(NamedPort(each, protocol))
                    doubt = doubt or ("it takes ports by name and leaves out others" if gaps else "")
                else:
                    out.extend(PortRange(protocol, low, high) for low, high in _without(each, gaps))
        return tuple(out), doubt

    def _values(self, values: Sequence[int | str], where: str) -> list[tuple[int, int] | str]:
        out: list[tuple[int, int] | str] = []
        for index, value in enumerate(values):
            at = f"{where}[{index}]"
            low, colon, high = str(value).partition(":")
            if not low.isdecimal():
                out.append(str(value))
                continue
            first = number(int(low), at, self.report)
            last = number(int(high) if high.isdecimal() else None, at, self.report) if colon else first
            found = ports_between("TCP", first, last, at, self.report)
            assert isinstance(found, PortRange)
            out.append((found.low, found.high))
        return out


def _narrows(found: CalicoEntity) -> bool:
    return any(
        (
            found.nets,
            found.not_nets,
            found.selector,
            found.not_selector,
            found.namespace_selector,
            found.service_accounts,
            found.services,
        )
    )


def _protocol(value: int | str | None) -> str | None:
    if isinstance(value, str) and value.isdecimal():
        value = int(value)
    return _NUMBERS.get(value) if isinstance(value, int) else value.upper() if value else None


def _protocols(rule: CalicoRule) -> tuple[str, ...] | None:
    """The protocols of a rule, ``None`` for all; one that has no ports (ICMP) leaves none."""
    if rule.protocol is not None:
        found = _protocol(rule.protocol)
        return (found,) if found in PROTOCOLS else ()
    if rule.not_protocol is not None:
        return tuple(each for each in PROTOCOLS if each != _protocol(rule.not_protocol))
    return None


def _without(whole: tuple[int, int], gaps: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    out: list[tuple[int, int]] = []
    low, end = whole
    for first, last in sorted(gaps):
        if first > low:
            out.append((low, min(first - 1, end)))
        low = max(low, last + 1)
    out.append((low, end))
    return [(first, last) for first, last in out if first <= last]
