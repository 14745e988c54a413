"""What one fix does to the graph: the pairs of nodes that nothing joins any more, from what it touches recomputed.

Thousands of fixes apply to a large cluster, most of which touch nothing that lies on any way from an entry point to a
crown jewel. Those are told apart before anything is recomputed: between the entry points and the jewels lies what
the entries lead to and what leads to the jewels, and a fix that neither end of a lost edge can be there cuts nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from workbench.analysis.arrays import Bools, Int32s, reached
from workbench.analysis.session import Analysis
from workbench.graph.nodes import INTERNET, is_hub
from workbench.inventory.changes import Op, Target, overlay, replaced
from workbench.inventory.differences import changed_fields
from workbench.inventory.inventory import PODS_BY_OWNER, Inventory
from workbench.inventory.objects import ClusterRoleBinding, NetworkPolicy, RoleBinding
from workbench.inventory.pods import PodInstance
from workbench.rbac import grant_of
from workbench.rbac.subjects import subject_id
from workbench.remediation.forest import Cuts, Pair
from workbench.remediation.nearby import HELD, RBAC, exposes
from workbench.remediation.policies.cuts import NetworkCut, network_cut
from workbench.remediation.policies.effects import PolicyEffects
from workbench.remediation.records import RISK_WEIGHT, Fix
from workbench.techniques.api import SubjectType
from workbench.techniques.recompute import Bucket
from workbench.techniques.resolve import permissions as rights
from workbench.techniques.resolve.anonymous import WITHOUT_CREDENTIALS
from workbench.techniques.touched import key_of, subject_of, touched

_OURS = "workbench.techniques."
_LATELY = 64
"""Of so many network policies what they let through is remembered."""
_OWN = frozenset({SubjectType.CONTAINER, SubjectType.POD, SubjectType.NODE})
_EXISTENCE = frozenset({SubjectType.GRANT, SubjectType.IDENTITY, SubjectType.SINGLETON})
"""Subjects of techniques that ask only which pods there are, where, with which account: no fix changes that."""


@dataclass(slots=True)
class Effect:
    """A fix with what it cuts alone, and the pairs of nodes, hubs included, that nothing joins any more."""

    fix: Fix
    removed: frozenset[tuple[str, str]] = frozenset()
    added: frozenset[tuple[str, str]] = frozenset()
    """The pairs that are joined only now: who leaves one hub for another may reach the same by it."""
    ways: frozenset[tuple[str, str]] = frozenset()
    """Of a network policy, the ways over hubs of what it selects; some of what they lead to it still lets through."""
    doubtful: frozenset[tuple[str, str]] = frozenset()
    """Of a network policy, pairs that it may remove and that were not asked for yet."""
    measured: bool = True
    """Whether it was recomputed; what was not removes nothing between the entry points and the crown jewels."""

    @property
    def pairs(self) -> frozenset[tuple[str, str]]:
        """The pairs of nodes of which some edge may go."""
        return self.removed | self.ways | self.doubtful

    @property
    def merit(self) -> tuple[float, float]:
        """What orders recommendations: pairs cut for each unit of risk, then worst paths that lose a step."""
        weight = RISK_WEIGHT[self.fix.risk.level]
        return self.fix.paths_cut / weight, self.fix.reroutes / weight


class _Difference(NamedTuple):
    """The pairs of nodes that a fix removes, and those that it brings."""

    removed: list[Pair]
    added: list[Pair]
    new: tuple[str, ...] = ()
    """The nodes that the graph lacks; they are numbered on from its size."""


class Measure:
    """What is computed once for all fixes."""

    def __init__(self, analysis: Analysis) -> None:
        self._analysis = analysis
        paths = analysis.paths()
        compiled = self._compiled = paths.compiled
        self._size = len(compiled.nodes)
        forward = reached(compiled.forward, paths.starts.numbers.tolist())
        backward = reached(compiled.reverse, compiled.numbers(paths.jewels).tolist())
        self._between: Bools = forward & backward
        graph = analysis.graph
        self._source, self._target = np.array(graph.source, np.int64), np.array(graph.target, np.int64)
        relevant = self._between[self._source] & self._between[self._target]
        self._relevant = np.concatenate([[0], np.cumsum(relevant)])
        self._keys = np.sort(self._source * self._size + self._target)
        self._cuts = Cuts(paths)
        self._policies = PolicyEffects(analysis, self._between)
        self._lately: dict[str, NetworkCut] = {}
        self._together = self._sources_of_several()
        self._held, self._holding = self._by_holder()
        self._bindings = {grant.id: grant.binding for grant in rights.real_grants(analysis.view)}

    def between(self, *nodes: str) -> bool:
        """Whether all of some nodes lie between the entry points and the crown jewels."""
        numbers = [self._compiled.number(node) for node in nodes]
        return all(number is not None and bool(self._between[number]) for number in numbers)

    def effect(self, fix: Fix) -> Effect:
        """What a fix does."""
        if fix.target.kind == "NetworkPolicy":
            return self._of_policy(fix) if fix.ops else Effect(fix)
        difference = self._difference(fix)
        if difference is None:
            return Effect(fix, measured=False)
        total, jewels = self._cuts.of(difference.removed, difference.added)
        return Effect(
            fix.with_cuts(total, jewels) if total else fix, self._named(difference.removed), self._by_hubs(difference)
        )

    def recomputed(self, fix: Fix) -> tuple[frozenset[tuple[str, str]], frozenset[tuple[str, str]]]:
        """The pairs that a fix removes anywhere, and those with hubs that it brings."""
        difference = self._everything(fix) if fix.ops else _Difference([], [])
        return self._named(difference.removed), self._by_hubs(difference)

    def lets(self, fix: Fix, source: str, target: str) -> bool:
        """Whether a network policy lets a container reach an Endpoint, of which it removed ways over hubs."""
        if fix.id not in self._lately:
            while len(self._lately) >= _LATELY:
                self._lately.pop(next(iter(self._lately)))
            self._lately[fix.id] = network_cut(self._analysis.view, self._policy(fix))
        return self._lately[fix.id].lets(source, target)

    def joined(self, effect: Effect, source: str, target: str) -> bool:
        """Whether a node leads to another, directly or by hubs, once a fix is made."""
        compiled = self._compiled
        after: dict[str, list[str]] = {}
        for one, other in effect.added:
            after.setdefault(one, []).append(other)
        seen, queue = {source}, [source]
        while queue:
            node = queue.pop()
            number = compiled.number(node)
            row = compiled.indices[slice(*compiled.indptr[number : number + 2])].tolist() if number is not None else []
            kept = [name for name in map(compiled.nodes.__getitem__, row) if (node, name) not in effect.removed]
            for name in (*kept, *after.get(node, ())):
                if name == target:
                    return True
                if is_hub(name) and name not in seen:
                    seen.add(name)
                    queue.append(name)
        return False

    def _by_hubs(self, difference: _Difference) -> frozenset[tuple[str, str]]:
        """The pairs by name that a fix brings and of which one is a hub."""
        named = self._named(difference.added, difference.new)
        return frozenset(pair for pair in named if is_hub(pair[0]) or is_hub(pair[1]))

    def _difference(self, fix: Fix) -> _Difference | None:
        view = self._analysis.view
        match fix.target.kind:
            case "RoleBinding" | "ClusterRoleBinding":
                return self._of_binding(fix)
            case "Role" | "ClusterRole":
                return self._of_role(fix)
        pods = _pods(view, fix.target)
        if not any(self.between(node) for pod in pods for node in self._near(fix, pod)):
            return None
        kept = {node: new for node, new in replaced(view, [fix.change]).items() if self._may_count(node)}
        changed = view.overlay(kept)
        buckets = list(self._of_pods(changed, fix.ops))
        difference = self._pairs(buckets)
        if difference.removed and exposes(fix.ops):
            # What the fix brings may stand in for what it takes; elsewhere no fix brings a way.
            buckets += self._of_pods(changed, fix.ops, brings=True)
            difference = self._pairs(buckets)
        return difference

    def _may_count(self, node: str) -> bool:
        """Whether something of a pod, or its node, lies between the entry points and the jewels; of others it is so."""
        pod = self._analysis.view.pods.get(node)
        return pod is None or any(self.between(part) for part in (*_neighbourhood(pod), pod.node))

    def _near(self, fix: Fix, pod: PodInstance) -> Iterable[str]:
        """The nodes one of which every step that a fix of a pod may take away leads from or to."""
        fields = {op.steps[-1] for op in fix.ops}
        if fields == {"image"}:
            # Another name for the same image: only what is said of the name itself changes.
            return {container.image for container in pod.containers}
        if fields == {"automountServiceAccountToken"}:
            uses = [c.id for c in pod.containers if c.id in self._together or pod.node in self._together]
            return {pod.account, *uses}
        return _neighbourhood(pod)

    def _of_pods(self, changed: Inventory, ops: Sequence[Op], *, brings: bool = False) -> Iterator[Bucket]:
        """The buckets that a change of pods may take something relevant from, computed anew.

        What our own techniques read of pods is known: those of permissions and identities, and the membership of
        hubs, ask which pods there are; exposure asks for ports, images and the network namespace. A bucket that holds
        no relevant record from or to the pods has nothing to lose.

        Args:
            changed: The overlay.
            ops: The edits.
            brings: Instead, the buckets of exposure that have nothing to lose, and may come to hold something.
        """
        exposed = exposes(ops)
        fields = changed_fields(changed)
        own = np.zeros(self._size, np.bool_)
        token = any(op.steps[-1] == "automountServiceAccountToken" for op in ops)
        for old, _ in changed.replaced.get("pods", ()):
            if old is not None:
                nodes = [node for node in _neighbourhood(old) if token or node != old.account]
                own[self._compiled.numbers(nodes)] = True
        for number, technique in enumerate(self._analysis.techniques):
            declaration = technique.declaration
            of = declaration.subject_type
            ours = type(technique).__module__.startswith(_OURS)
            through = ours and declaration.family == "network"
            networked = through and of not in _OWN
            if networked or (ours and of is SubjectType.OBJECT):
                read = declaration.pod_fields
                if not exposed and not (networked and (fields is None or read is None or fields & read)):
                    continue
            elif ours and (declaration.internal or of in _EXISTENCE):
                continue
            # Who leaves the network of the node may spoof what it listened in on.
            if brings and of in _OWN and not through:
                continue
            keys = touched(technique, changed)
            if keys is None:
                keys = set(self._analysis.graph.subjects(number))
                if brings:
                    # The graph has no bucket of a subject without records.
                    keys |= {key_of(subject) for subject in technique.subjects(changed)}
            for key in sorted(keys):
                anywhere = of is SubjectType.OBJECT or networked or not ours
                if brings != self._loses(number, key, None if anywhere else own):
                    subject = subject_of(technique, changed, key)
                    yield Bucket.of(
                        technique, number, key, technique.detect(changed, subject) if subject is not None else ()
                    )

    def _loses(self, technique: int, key: str, own: Bools | None) -> bool:
        """Whether a bucket holds a relevant record, from or to some nodes."""
        places = self._analysis.graph.bucket(technique, key)
        if not len(places) or self._relevant[places.stop] == self._relevant[places.start]:
            return False
        if own is None:
            return True
        part = slice(places.start, places.stop)
        source, target = self._source[part], self._target[part]
        return bool(np.any((own[source] | own[target]) & self._between[source] & self._between[target]))

    # --- network policies -------------------------------------------------------------------------

    def _of_policy(self, fix: Fix) -> Effect:
        """The effect of a policy, which moves what it selects between the network's hubs.

        What it brings in their place is not kept, for it may be much and is asked of few fixes (:meth:`lets`).
        """
        found = self._policies.of(self._policy(fix))
        if found is None:
            return Effect(fix, measured=False)
        ways = frozenset(found.cut.removed)
        most, _ = self._cuts.of(np.concatenate((found.removed, found.doubtful)), found.added)
        if not most:
            # Nothing is lost even if all goes that policies decide: the techniques are asked if somebody wants to know.
            return Effect(fix, ways=ways, doubtful=self._named(map(tuple, found.doubtful.tolist())))
        others = self._others(fix, found.cut)
        total, jewels = self._cuts.of(
            np.concatenate((np.array(others.removed, np.int64).reshape(-1, 2), found.removed)),
            np.concatenate((np.array(others.added, np.int64).reshape(-1, 2), found.added)),
        )
        return Effect(fix.with_cuts(total, jewels) if total else fix, self._named(others.removed), ways=ways)

    def decided(self, fix: Fix) -> frozenset[tuple[str, str]]:
        """The pairs of other techniques than those of the network's hubs that a policy removes."""
        return self._named(self._others(fix, network_cut(self._analysis.view, self._policy(fix), self.between)).removed)

    def _others(self, fix: Fix, cut: NetworkCut) -> _Difference:
        return self._pairs(self._policies.others(overlay(self._analysis.view, [fix.change]), cut))

    def _policy(self, fix: Fix) -> NetworkPolicy:
        policy = overlay(self._analysis.view, [fix.change]).by_id(fix.target.id)
        assert isinstance(policy, NetworkPolicy)
        return policy

    # --- RBAC -------------------------------------------------------------------------------------

    def _of_binding(self, fix: Fix) -> _Difference | None:
        """Taking a subject away removes its edge to the permission set, and what it could do by several sets."""
        binding = self._analysis.view.by_id(fix.target.id)
        assert isinstance(binding, (RoleBinding, ClusterRoleBinding))
        paths = [op.steps for op in fix.ops]
        if not all(op.op == "remove" and steps[0] == "subjects" for op, steps in zip(fix.ops, paths, strict=True)):
            return self._everything(fix)
        identity = fix.observed_on[0]
        if len(fix.observed_on) > 1 or self._takes_several([identity]):
            return self._everything(fix)
        granted = f"PermissionSet:{_granted(binding)}"
        if not self.between(identity, granted):
            return None
        left = overlay(self._analysis.view, [fix.change]).by_id(fix.target.id)
        assert isinstance(left, (RoleBinding, ClusterRoleBinding))
        if any(subject_id(subject, left.namespace) == identity for subject in left.subjects or ()):
            return None
        pair = (self._number(identity), self._number(granted))
        only = {edge.technique for edge in self._compiled.records(*pair)} == {"PERMISSION_DISCOVER"}
        return _Difference([pair] if only else [], [])

    def _of_role(self, fix: Fix) -> _Difference | None:
        if self._takes_several(fix.observed_on):
            return self._everything(fix)
        if not any(self.between(node) for node in fix.observed_on):
            return None
        changed = overlay(self._analysis.view, [fix.change])
        roles = rights.roles(changed)
        grants = [grant_of(self._bindings[node], roles) for node in fix.observed_on if node in self._bindings]
        return self._pairs(
            Bucket.of(technique, number, grant.id, technique.detect(changed, grant))
            for number, technique in enumerate(self._analysis.techniques)
            if technique.declaration.subject_type is SubjectType.GRANT
            for grant in grants
        )

    def _takes_several(self, holders: Iterable[str]) -> bool:
        """Whether somebody who holds a permission has a relevant step that may take it together with others."""
        affected = set(holders)
        new = affected
        while new and not affected & self._together:
            new = {above for node in new for above in self._above(node)} - affected
            affected |= new
        return bool(affected & self._together)

    def _above(self, node: str) -> list[str]:
        """Who holds a permission set, is in a group, has the token of an account, or runs such a container."""
        container = self._analysis.view.containers.get(node)
        if container is not None:
            return [container.pod.node]
        number = self._compiled.number(node)
        if number is None:
            return []
        begin, end = np.searchsorted(self._held, (number, number + 1))
        return [self._compiled.nodes[source] for source in self._holding[begin:end]]

    def _by_holder(self) -> tuple[Int32s, Int32s]:
        """Who is granted a permission set, is in a group, or has a token: the held, sorted, and the holders."""
        chosen = np.array([technique.id in HELD for technique in self._analysis.techniques], np.bool_)
        source, target, _ = self._compiled.select(chosen)
        order = np.argsort(target, kind="stable")
        return target[order], source[order]

    def _sources_of_several(self) -> frozenset[str]:
        """Where relevant steps start that ask for the rights of a holder, not for one permission set."""
        chosen = np.array(
            [
                bool(technique.declaration.reads & RBAC)
                and technique.declaration.subject_type is not SubjectType.GRANT
                and not technique.declaration.internal
                and technique.id != "GROUP_MEMBER"
                for technique in self._analysis.techniques
            ],
            np.bool_,
        )
        source, target, _ = self._compiled.select(chosen)
        relevant = self._between[source] & self._between[target]
        found = frozenset(self._compiled.nodes[number] for number in np.unique(source[relevant]).tolist())
        # Whoever has no credentials is reached from the internet for as long as there is a right to be had.
        return found | {identity for identity in WITHOUT_CREDENTIALS if INTERNET in found}

    # --- differences ------------------------------------------------------------------------------

    def _everything(self, fix: Fix) -> _Difference:
        return self._pairs(self._analysis.recomputed([fix.change])[1])

    def _number(self, node: str) -> int:
        number = self._compiled.number(node)
        assert number is not None
        return number

    def _pairs(self, buckets: Iterable[Bucket]) -> _Difference:
        """The pairs of nodes that are joined no more, and those that are now; new nodes get numbers of their own."""
        graph = self._analysis.graph
        numbers: dict[str, int] = {}

        def number(node: str) -> int:
            known = graph.numbers.get(node)
            if known is not None:
                return known
            if node not in numbers:
                numbers[node] = self._size + len(numbers)
            return numbers[node]

        change: dict[Pair, int] = {}
        for bucket in buckets:
            went, came = bucket.difference(graph)
            for position in went:
                pair = (graph.source[position], graph.target[position])
                change[pair] = change.get(pair, 0) - 1
            for edge in came:
                pair = (number(edge.source), number(edge.target))
                change[pair] = change.get(pair, 0) + 1
        changed = [(pair, difference) for pair, difference in change.items() if difference]
        known = np.array([pair for pair, _ in changed if max(pair) < self._size], np.int64).reshape(-1, 2)
        keys = known[:, 0] * self._size + known[:, 1]
        counts = np.searchsorted(self._keys, keys, side="right") - np.searchsorted(self._keys, keys)
        before = dict(zip(keys.tolist(), counts.tolist(), strict=True))
        removed, added = [], []
        for pair, difference in changed:
            had = before.get(pair[0] * self._size + pair[1], 0) if max(pair) < self._size else 0
            if had and had + difference == 0:
                removed.append(pair)
            elif not had:
                added.append(pair)
        return _Difference(removed, added, tuple(numbers))

    def _named(self, pairs: Iterable[Pair], new: Sequence[str] = ()) -> frozenset[tuple[str, str]]:
        nodes, size = self._compiled.nodes, self._size

        def name(number: int) -> str:
            return nodes[number] if number < size else new[number - size]

        return frozenset((name(source), name(target)) for source, target in pairs)


def _granted(binding: RoleBinding | ClusterRoleBinding) -> str:
    role = binding.role_ref.name if binding.role_ref else ""
    place = f"{binding.namespace}/{role}" if binding.namespace else role
    return f"{place}@{binding.name}"


def _pods(view: Inventory, target: Target) -> list[PodInstance]:
    """The pods that a change of a workload, or of a pod, changes."""
    if target.kind == "Pod":
        found = view.pods.get(target.id)
        return [found] if found is not None else []
    return list(view.index(PODS_BY_OWNER)[target.id])


def _neighbourhood(pod: PodInstance) -> Iterable[str]:
    """The nodes that a step which depends on a pod leads from or to."""
    yield pod.id
    yield pod.account
    for container in pod.containers:
        yield container.id
        yield container.image
    for volume in pod.spec.volumes or ():
        yield pod.volume_id(volume.name or "")
