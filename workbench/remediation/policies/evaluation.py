"""What the policies of workloads let through, asked of the engine: the proof of flows kept and cut.

One reachability holds the policies of the source and those of all workloads, so that thousands of them are proved with
one sorting of pods into classes. A synthesized policy selects its own workload alone, so what the source's policies and
this one say together of a workload is its gate when this policy alone is made; the gates of all others stay.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from workbench.inventory.decode import from_data
from workbench.inventory.inventory import Inventory
from workbench.inventory.objects import NetworkPolicy, ObjectMeta, Pod, PodSpec
from workbench.network import network_policy
from workbench.network.addresses import span
from workbench.network.bits import bits_of
from workbench.network.checks import Faults
from workbench.network.policies import READS as POLICIES
from workbench.network.policies import parse_policies
from workbench.network.ports import PROTOCOLS, PortRange
from workbench.network.reach import Reachability
from workbench.network.rows import Row
from workbench.network.rules import Direction, Policy
from workbench.remediation.policies.flows import READS as FLOWS
from workbench.remediation.policies.flows import Addresses, End, Flow, Flows, Labelled, Place, flows
from workbench.remediation.policies.surroundings import node_blocks
from workbench.remediation.policies.synthesis import Plain, Synthesized, synthesize
from workbench.remediation.policies.workloads import Workload
from workbench.techniques.endpoints import READS as LISTENERS
from workbench.techniques.endpoints import endpoints_of, namespaces

READS = FLOWS | POLICIES | LISTENERS | {"Namespace"}
"""The kinds that an evaluation depends on."""


def parsed(policy: Plain | NetworkPolicy) -> Policy:
    """A policy as the engine reads it.

    Raises:
        ValueError: The API would not take it.
    """
    obj = policy if isinstance(policy, NetworkPolicy) else from_data(NetworkPolicy, policy)
    assert isinstance(obj, NetworkPolicy)
    report = Faults(obj)
    found = network_policy.parse(obj, report)
    if report.found:
        fault = report.found[0]
        raise ValueError(f"{obj.id}: {fault.field}: {fault.problem}")
    return found


@dataclass(frozen=True, slots=True)
class Count:
    """What a policy does to the traffic of its workload."""

    flows: int
    """The known flows that were possible before."""
    kept: int
    """Those that still are."""
    removed: int
    """The workloads that could reach it, or that it could reach, at any port, and no more."""

    @property
    def lost(self) -> int:
        """The flows that are not possible any more."""
        return self.flows - self.kept


class Evaluation:
    """The gates of the workloads of a view, before and with the policies made for them."""

    READS = READS

    def __init__(self, view: Inventory, flows: Flows) -> None:
        """Prepare it; nothing is computed before something is asked.

        Args:
            view: The objects.
            flows: The flows of the view.
        """
        self._view = view
        self._flows = flows

    @cached_property
    def drafts(self) -> Mapping[str, Synthesized]:
        """The policies that workloads would have, with all their flows, by the ids of the owners.

        A workload without labels has none, and neither has one of whose policy the API would refuse a label or a name.
        """
        return {owner: draft for owner, (draft, _) in self._drafts.items()}

    @cached_property
    def _drafts(self) -> dict[str, tuple[Synthesized, Policy]]:
        out: dict[str, tuple[Synthesized, Policy]] = {}
        for workload in self._flows.workloads.all.values():
            if workload.selector is not None:
                draft = synthesize(self._view, self._flows, workload)
                try:
                    out[workload.id] = draft, parsed(draft.policy)
                except ValueError:
                    continue
        return out

    @cached_property
    def has_policies(self) -> bool:
        """Whether the source holds any policy."""
        return bool(self._existing)

    @cached_property
    def _existing(self) -> list[Policy]:
        return parse_policies(self._view).policies

    @cached_property
    def reach(self) -> Reachability:
        """The classes, told apart by all that any policy looks at, the synthesized ones included."""
        own = [policy for _, policy in self._drafts.values()]
        self._own = frozenset(own)
        ports = [port for flow in self._all_flows() for port in flow.ports]
        view = self._flows.workloads.view
        dns = self._flows.dns
        if dns.assumed:
            view = view.overlay({_stand_in(dns.namespace, dns.selector).id: _stand_in(dns.namespace, dns.selector)})
        # As in the graph: a block of addresses may or may not mean the pods whose addresses lie in it.
        return Reachability(view, [*self._existing, *own], ports=[*ports, *_listening(view)], blocks_cover_pods=True)

    def _all_flows(self) -> Iterator[Flow]:
        for owner in self._flows.workloads.all:
            known = self._flows.of(owner)
            yield from known.incoming
            yield from known.outgoing

    # --- what the source's own policies say -------------------------------------------------------

    def existing(self, workload: Workload, direction: Direction) -> tuple[Policy, ...]:
        """The policies of the source that touch a direction of any pod of a workload."""
        if not self._existing:
            return ()
        found = dict.fromkeys(
            policy
            for number in self._classes(workload)
            for policy in self.reach.selecting(direction, number)
            if policy not in self._own
        )
        return tuple(found)

    def isolated(self, workload: Workload, direction: Direction) -> bool:
        """Whether the source's policies deny a workload all that they do not allow, in one direction."""
        return any(direction in policy.isolates for policy in self.existing(workload, direction))

    def possible(self, workload: Workload, direction: Direction, flow: Flow) -> bool:
        """Whether the source's policies of a workload let a flow of it through, or may."""
        return self._lets(workload, direction, self.existing(workload, direction), flow)

    def wider(self, workload: Workload, direction: Direction, policy: Plain) -> list[str]:
        """The ids of the source's policies that let a workload do, or have done to it, what a policy does not."""
        own = parsed(policy)
        out: set[str] = set()
        for number in self._classes(workload):
            allowed = self.reach.row_of([own], direction, number)
            for other in self.existing(workload, direction):
                if direction in other.isolates and _exceeds(self.reach.row_of([other], direction, number), allowed):
                    out.add(other.object)
        return sorted(out)

    def lets(self, number: int, direction: Direction, *policies: Policy) -> list[tuple[int, int]]:
        """What a class may exchange with the columns: masks of ports, sets of columns.

        Args:
            number: The class.
            direction: The direction.
            policies: What is added to the source's policies, or takes the place of those of the same object.
        """
        there = [each for each in self.reach.selecting(direction, number) if each not in self._own]
        row = self.reach.row_of(_with(there, policies), direction, number)
        return [(allowed | unknown, columns) for (allowed, unknown), columns in row.items() if allowed or unknown]

    def selects_only(self, policy: str, workload: Workload) -> bool:
        """Whether a NetworkPolicy of the source, by its id, picks pods of one workload alone, and all of them."""
        found = next((each for each in self._existing if each.object == policy), None)
        if found is None or not policy.startswith("NetworkPolicy:"):
            return False
        return self.reach.columns.subject(found.subject) == bits_of(
            self._classes(workload), len(self.reach.columns.classes)
        )

    # --- the proof --------------------------------------------------------------------------------

    def count(self, workload: Workload, policy: Plain) -> Count:
        """What a policy that selects a workload alone does to its traffic."""
        known = self._flows.of(workload.id)
        before = {direction: self.existing(workload, direction) for direction in Direction}
        own = parsed(policy)
        after = {direction: _with(found, [own]) for direction, found in before.items() if own.touches(direction)}
        possible = kept = 0
        for direction, listed in ((Direction.INGRESS, known.incoming), (Direction.EGRESS, known.outgoing)):
            for flow in listed if direction in after else ():
                if self._lets(workload, direction, before[direction], flow):
                    possible += 1
                    kept += self._lets(workload, direction, after[direction], flow)
        removed = sum(
            (self._peers(workload, each, before[each]) & ~self._peers(workload, each, after[each])).bit_count()
            for each in after
        )
        return Count(possible, kept, removed)

    def _lets(self, workload: Workload, direction: Direction, policies: Sequence[Policy], flow: Flow) -> bool:
        ports = 0
        for port in flow.ports:
            ports |= self.reach.space.mask(port)
        ends = flow.sources if direction is Direction.INGRESS else flow.targets
        wanted = 0
        for end in ends:
            wanted |= self._columns(end)
        for number in self._classes(workload):
            through = 0
            for (allowed, unknown), columns in self.reach.row_of(policies, direction, number).items():
                if not ports & ~(allowed | unknown):
                    through |= columns
            if wanted & ~through:
                return False
        return True

    def _peers(self, workload: Workload, direction: Direction, policies: Sequence[Policy]) -> int:
        """The workloads, as one column of each, that some policies let a workload exchange anything with."""
        found = 0
        for number in self._classes(workload):
            for (allowed, unknown), columns in self.reach.row_of(policies, direction, number).items():
                if allowed or unknown:
                    found |= columns
        own = 0
        for number in self._classes(workload):
            own |= 1 << number
        return found & self._first & ~own

    @cached_property
    def _first(self) -> int:
        """One column for each workload."""
        out = 0
        for workload in self._flows.workloads.all.values():
            numbers = self._classes(workload)
            if numbers:
                out |= 1 << numbers[0]
        return out

    def _classes(self, workload: Workload) -> list[int]:
        found = (self.reach.class_of(pod) for pod in workload.pods)
        return list(dict.fromkeys(number for number in found if number is not None))

    def _columns(self, end: End) -> int:
        """The columns that an end of a flow is."""
        columns = self.reach.columns
        match end:
            case Place.ANYWHERE:
                return columns.all
            case Place.PODS:
                return columns.pods
            case Addresses():
                return self._of_blocks(end.blocks)
            case Labelled():
                number = self.reach.class_of(_stand_in(end.namespace, end.labels).id)
                return 0 if number is None else 1 << number
        workload = self._flows.workloads.get(str(end))
        if workload is None:
            return 0
        blocks = node_blocks(self._view, workload.nodes) if workload.on_host else ()
        out = self._of_blocks(blocks)
        for number in self._classes(workload):
            if not (columns.classes[number].host_network and blocks):
                out |= 1 << number
        return out

    def _of_blocks(self, blocks: Sequence[str]) -> int:
        columns = self.reach.columns
        out = 0
        for block in blocks:
            out |= columns.addresses.bits(span(block))
        return out << columns.first_address


def _listening(view: Inventory) -> Iterator[PortRange]:
    """Every port at a pod that an Endpoint leads to."""
    found = {
        (endpoint.protocol, target.port)
        for namespace in namespaces(view)
        for endpoint in endpoints_of(view, namespace)
        for target in endpoint.targets
        if target.port and endpoint.protocol in PROTOCOLS
    }
    return (PortRange(protocol, port, port) for protocol, port in sorted(found))


def evaluation(view: Inventory) -> Evaluation:
    """The evaluation of a view with its declared flows, made once for it."""
    return view.derived("evaluation of policies", READS, lambda over: Evaluation(over, flows(over)))


def _stand_in(namespace: str, labels: Sequence[tuple[str, str]]) -> Pod:
    """A pod in the place of those that have some labels by convention and were not read."""
    meta = ObjectMeta(name="not-read.0", namespace=namespace, labels=dict(labels))
    return Pod(api_version="v1", metadata=meta, spec=PodSpec())


def _with(policies: Sequence[Policy], more: Sequence[Policy]) -> list[Policy]:
    """Policies with others added, or in the place of those of the same object."""
    replaced = {policy.object for policy in more}
    kept = [policy for policy in policies if policy.object not in replaced]
    return sorted([*kept, *more], key=lambda policy: (policy.tier, policy.rank))


def _exceeds(row: Row, other: Row) -> bool:
    """Whether a row lets through what another does not."""
    for (allowed, unknown), columns in row.items():
        for (theirs, perhaps), others in other.items():
            if columns & others and (allowed & ~theirs or unknown & ~(theirs | perhaps)):
                return True
    return False
