"""F-NP-IN, F-NP-EG and F-NP-DENY: network policies as fixes (``catalogue.md`` 4, ``remediation.md`` 2).

A policy is made for each workload, in both directions at once: a workload that may only be called by its callers and
still calls everybody is half a cut, and two policies of one workload would have to be read together. So there is one
record for each workload, whose id says what its policy mainly does:

* **F-NP-IN**, something may come in: its known callers and nobody else;
* **F-NP-EG**, nothing is known to come in and no Service says that something does: what it may call, and no entry;
* **F-NP-DENY**, of a workload that nobody is known to talk to: names, the API server if it holds a token, and nothing
  else. It is unobserved: silence is no proof that nothing needs it, so the record is advisory unless the user says that
  unobserved workloads are to be denied.

**F-NP-DENY** of a namespace is its default deny of ingress, for the pods to come: it is made last, after the policies
of the workloads (``remediation.md`` 1.2), and blocked while it would cut a known flow. It leaves egress alone, for a
pod to come could not even look up a name.

Where the source's own policies isolate a workload already, a policy more only adds to what is allowed: none is made
that would open what they deny, and where they allow more they are named instead.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from workbench.inventory.changes import Op, Target
from workbench.inventory.decode import plain
from workbench.inventory.inventory import PODS_BY_OWNER, Inventory
from workbench.inventory.objects import NetworkPolicy
from workbench.network.enforcement import Enforces, enforcement
from workbench.network.rules import Direction
from workbench.remediation.candidates import SYSTEM_NAMESPACES
from workbench.remediation.owners import management
from workbench.remediation.policies.evaluation import Count, Evaluation, evaluation
from workbench.remediation.policies.flows import Addresses, Flow, Flows, flows
from workbench.remediation.policies.synthesis import (
    API_VERSION,
    Plain,
    Synthesized,
    default_deny,
    policy_name,
    synthesize,
)
from workbench.remediation.policies.workloads import Workload
from workbench.remediation.records import Effect, Fix, Risk, RiskLevel, Status

_SHOWN = 3


@dataclass(frozen=True)
class _Proof:
    """The proof of the policy of one workload."""

    evaluation: Evaluation
    workload: Workload
    policy: Plain

    @cached_property
    def _count(self) -> Count:
        return self.evaluation.count(self.workload, self.policy)

    @property
    def flows(self) -> int:
        return self._count.flows

    @property
    def kept(self) -> int:
        return self._count.kept

    @property
    def lost(self) -> int:
        return self._count.lost

    @property
    def removed(self) -> int:
        return self._count.removed


@dataclass(frozen=True)
class _ProofOfAll:
    """The proof of a policy that selects the pods of several workloads."""

    parts: Sequence[_Proof]

    @property
    def flows(self) -> int:
        return sum(part.flows for part in self.parts)

    @property
    def kept(self) -> int:
        return sum(part.kept for part in self.parts)

    @property
    def lost(self) -> int:
        return sum(part.lost for part in self.parts)

    @property
    def removed(self) -> int:
        return sum(part.removed for part in self.parts)


def policy_fixes(view: Inventory, *, deny_unobserved: bool = False) -> Iterator[Fix]:
    """The policies of all workloads and namespaces of a view.

    Args:
        view: The objects.
        deny_unobserved: Whether workloads that nobody is known to talk to are denied everything, too.
    """
    known = flows(view)
    makers = _Maker(view, known, evaluation(view), deny_unobserved=deny_unobserved)
    for workload in known.workloads.all.values():
        yield from makers.of_workload(workload)
    by_namespace: dict[str, list[Workload]] = {}
    for workload in known.workloads.all.values():
        if not workload.on_host:
            by_namespace.setdefault(workload.namespace, []).append(workload)
    for namespace, workloads in by_namespace.items():
        yield from makers.of_namespace(namespace, workloads)


class _Maker:
    def __init__(self, view: Inventory, known: Flows, evaluation: Evaluation, *, deny_unobserved: bool) -> None:
        self._view = view
        self._flows = known
        self._evaluation = evaluation
        self._deny_unobserved = deny_unobserved
        self._warnings = _warnings(view)

    # --- one workload -----------------------------------------------------------------------------

    def of_workload(self, workload: Workload) -> Iterator[Fix]:
        """The record of a workload's policy; none if its policies are as narrow already."""
        made = self._evaluation.drafts.get(workload.id)
        if made is None:
            return
        stopped = self._stopped(workload)
        if stopped is not None:
            yield self._record(workload, made, *stopped)
            return
        directions = self._evaluation.has_policies
        closed = [each for each in Direction if directions and self._evaluation.isolated(workload, each)]
        left_out = {(direction, flow) for direction in closed for flow in self._denied(workload, direction)}
        if left_out:
            made = synthesize(self._view, self._flows, workload, left_out)
        wider = sorted({name for each in closed for name in self._evaluation.wider(workload, each, made.policy)})
        notes = [f"{direction}: existing policies deny what {flow.why}: left out" for direction, flow in left_out]
        if len(closed) == len(Direction):
            if wider:
                yield self._narrowing(workload, made, wider, closed, sorted(notes))
            return
        notes += [f"{name} allows more already: narrow it, for policies add up" for name in wider]
        status, reason = Status.READY, ""
        silent = self._silence(workload, closed)
        if silent and not self._deny_unobserved:
            status, reason = Status.ADVISORY, _unobserved(silent)
        elif silent:
            notes.append(f"unobserved: {silent}")
        yield self._record(workload, made, status, reason, sorted(notes))

    def _narrowing(
        self,
        workload: Workload,
        made: Synthesized,
        wider: Sequence[str],
        closed: Sequence[Direction],
        notes: Sequence[str],
    ) -> Fix:
        """The record that takes an existing policy down to the known traffic; advisory where it is not this one's own.

        A policy of its own would tighten nothing, for the existing ones add up with it.
        """
        found = self._view.by_id(wider[0])
        if (
            len(wider) > 1
            or not isinstance(found, NetworkPolicy)
            or not self._evaluation.selects_only(found.id, workload)
        ):
            reason = f"adds-up: {_names(wider)}: allows more than is known to be used; narrow it, for policies add up"
            return self._record(workload, made, Status.ADVISORY, reason, notes)
        spec, wanted = plain(found)["spec"], made.policy["spec"]
        narrow = {
            **made.policy,
            "metadata": plain(found)["metadata"],
            "spec": {**wanted, "podSelector": spec["podSelector"]},
        }
        ops = tuple(
            Op("set", f"/spec/{key}", wanted[key], spec.get(key))
            for key in ("policyTypes", "ingress", "egress")
            if spec.get(key) != wanted[key]
        )
        managed = management(self._view, found, ops)
        silent = self._silence(workload, closed)
        if silent and not self._deny_unobserved:
            managed.stop(Status.ADVISORY, _unobserved(silent))
        return Fix(
            fix=self._kind(workload),
            title=f"{_TITLES[self._kind(workload)]} {_called(workload)}, by {found.id}",
            target=Target.of(found),
            ops=ops,
            risk=self._risk(workload, f"whoever wrote {found.id} may have known of more traffic"),
            effect=Effect.NONE,
            status=managed.status,
            reason=managed.reason,
            route=managed.route,
            managed_by=tuple(dict.fromkeys(managed.managers)),
            observed_on=self._observed(workload),
            notes=(*self._warnings, *dict.fromkeys(managed.notes), *notes, *_notes(made)),
            proof=_Proof(self._evaluation, workload, narrow),
        )

    def _stopped(self, workload: Workload) -> tuple[Status, str] | None:
        """Why a workload gets no policy, whatever its traffic is."""
        if workload.on_host:
            where = "its pods are on the network of their node, where no NetworkPolicy applies to them"
            return Status.ADVISORY, f"host-network: {where}"
        if workload.obj is None:
            return (
                Status.BLOCKED,
                f"owner-unknown: {workload.id} is not in the source, and so its selector is not known",
            )
        others = self._flows.workloads.others(workload)
        if others:
            return Status.BLOCKED, f"ambiguous-selector: its selector picks pods of {_names(others)} too"
        return None

    def _denied(self, workload: Workload, direction: Direction) -> Iterator[Flow]:
        known = self._flows.of(workload.id)
        for flow in known.incoming if direction is Direction.INGRESS else known.outgoing:
            if not self._evaluation.possible(workload, direction, flow):
                yield flow

    def _kind(self, workload: Workload) -> str:
        if self._called(workload):
            return "F-NP-IN"
        return "F-NP-EG" if self._calls(workload) else "F-NP-DENY"

    def _called(self, workload: Workload) -> list[Flow]:
        """What others are known to ask of a workload."""
        return [flow for flow in self._flows.of(workload.id).incoming if flow.sources != (workload.id,)]

    def _calls(self, workload: Workload) -> list[Flow]:
        """What a workload is known to ask of others, apart from what every pod asks."""
        return [
            flow
            for flow in self._flows.of(workload.id).outgoing
            if not flow.ordinary and flow.targets != (workload.id,)
        ]

    def _silence(self, workload: Workload, closed: Sequence[Direction]) -> str:
        """Why too little is known of a workload to deny the rest, in directions that are open; empty if enough is."""
        if Direction.INGRESS in closed:
            return "" if self._calls(workload) else "it is not known to call anybody"
        if self._called(workload):
            return ""
        services = self._flows.of(workload.id).services
        if services:
            return f"nobody is known to call it, though there is {_names(services)}"
        return "" if self._calls(workload) else "nobody is known to talk to it, and it to nobody"

    def _record(
        self,
        workload: Workload,
        made: Synthesized,
        status: Status,
        reason: str,
        notes: Sequence[str] = (),
    ) -> Fix:
        kind = self._kind(workload)
        target = Target(API_VERSION, "NetworkPolicy", workload.namespace, policy_name(workload))
        there = self._view.by_id(target.id)
        if there is not None:
            status, reason = Status.BLOCKED, reason or f"name-taken: {target.id} is there and is about other pods"
        return Fix(
            fix=kind,
            title=f"{_TITLES[kind]} {_called(workload)}",
            target=target if there is None else Target.of(there),
            ops=_ops(made.policy, plain(there) if there is not None else {}),
            risk=self._risk(workload),
            effect=Effect.NONE,
            status=status,
            reason=reason,
            observed_on=self._observed(workload),
            notes=(*self._warnings, *notes, *_notes(made)),
            creates=there is None,
            proof=_Proof(self._evaluation, workload, made.policy),
        )

    def _observed(self, workload: Workload) -> tuple[str, ...]:
        return tuple(sorted(pod.id for pod in self._view.index(PODS_BY_OWNER)[workload.id])) or (workload.id,)

    def _risk(self, workload: Workload, more: str = "") -> Risk:
        """By coverage (``remediation.md`` 1.8): objects declare only a part of what pods do."""
        reasons = ["made from what objects declare, without a log of flows: traffic that none declares is cut"]
        if not any(
            isinstance(end, Addresses) and not end.volatile for flow in self._calls(workload) for end in flow.targets
        ):
            reasons.append("nothing says that it needs addresses outside of the cluster: they are cut")
        if _configured_elsewhere(workload):
            reasons.append("it is configured by ConfigMaps or Secrets, whose values are not read")
        platform = workload.namespace in SYSTEM_NAMESPACES or workload.kind == "DaemonSet"
        if platform:
            reasons.append("it belongs to the cluster rather than to an application")
        if more:
            reasons.append(more)
        return Risk(RiskLevel.HIGH if platform or more else RiskLevel.MEDIUM, tuple(reasons))

    # --- one namespace ----------------------------------------------------------------------------

    def of_namespace(self, namespace: str, workloads: Sequence[Workload]) -> Iterator[Fix]:
        """The record of a namespace's default deny; none if all its workloads are denied by default already."""
        has = self._evaluation.has_policies
        open_ = [each for each in workloads if not (has and self._evaluation.isolated(each, Direction.INGRESS))]
        policy = default_deny(namespace)
        target = Target(API_VERSION, "NetworkPolicy", namespace, policy["metadata"]["name"])
        if not open_ or self._view.by_id(target.id) is not None:
            return
        called = [each for each in open_ if self._flows.of(each.id).incoming]
        silent = [each for each in open_ if each not in called and self._flows.of(each.id).services]
        status, reason = Status.READY, ""
        if called:
            count = sum(len(self._flows.of(each.id).incoming) for each in called)
            whose = _names([each.id for each in called])
            status, reason = (
                Status.BLOCKED,
                f"allow-lists: it would cut {_flows(count)}: apply the policies of {whose} first",
            )
        elif silent and not self._deny_unobserved:
            whose = _names([each.id for each in silent])
            status, reason = Status.ADVISORY, f"unobserved: {whose} have Services, and nobody is known to call them"
        platform = namespace in SYSTEM_NAMESPACES
        yield Fix(
            fix="F-NP-DENY",
            title=f"default-deny ingress, ns {namespace}",
            target=target,
            ops=_ops(policy, {}),
            risk=Risk(
                RiskLevel.HIGH if platform else RiskLevel.MEDIUM,
                (f"what no policy lets into ns {namespace} stays out, pods to come included",),
            ),
            effect=Effect.NONE,
            status=status,
            reason=reason,
            observed_on=(f"Namespace:{namespace}",),
            notes=self._warnings,
            creates=True,
            proof=_ProofOfAll([_Proof(self._evaluation, each, policy) for each in open_]),
        )


_TITLES = {
    "F-NP-IN": "only known traffic to and from",
    "F-NP-EG": "only known traffic from, and none to,",
    "F-NP-DENY": "no traffic to or from",
}


def _ops(policy: Plain, there: Plain) -> tuple[Op, ...]:
    """The edits that make a policy out of its name, or out of what is there by that name."""
    meta, known = policy["metadata"], there.get("metadata", {})
    ops = [Op("set", f"/metadata/{key}", meta[key], known.get(key)) for key in ("labels", "annotations") if key in meta]
    return (*ops, Op("set", "/spec", policy["spec"], there.get("spec")))


def _unobserved(silent: str) -> str:
    return f"unobserved: {silent}; --deny-unobserved denies it all the same"


def _called(workload: Workload) -> str:
    return f"{workload.kind} {workload.namespace}/{workload.name}"


def _notes(made: Synthesized) -> Iterator[str]:
    if made.volatile:
        yield f"volatile: the addresses {', '.join(made.volatile)} change when nodes come and go: make it anew then"
    yield from made.notes


def _warnings(view: Inventory) -> tuple[str, ...]:
    """What to know about the network plugin before any policy is made."""
    found = enforcement(view)
    if found.verdict is Enforces.NO:
        return (f"warning: {found.plugin} ({found.object}): {found.detail}: a policy has no effect here",)
    if found.verdict is Enforces.UNKNOWN:
        plugin = f"{found.plugin} ({found.object}): " if found.plugin else ""
        return (f"whether policies have an effect is not known: {plugin}{found.detail}",)
    return ()


def _configured_elsewhere(workload: Workload) -> bool:
    """Whether what a workload talks to may stand where it is not read."""
    for pod in workload.pods:
        spec = pod.spec
        if any(volume.config_map is not None or volume.secret is not None for volume in spec.volumes or ()):
            return True
        for container in (*(spec.containers or ()), *(spec.init_containers or ())):
            if container.env_from:
                return True
            for variable in container.env or ():
                source = variable.value_from
                if source is not None and (source.config_map_key_ref is not None or source.secret_key_ref is not None):
                    return True
    return False


def _names(names: Sequence[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _flows(count: int) -> str:
    return "1 known flow" if count == 1 else f"{count} known flows"
