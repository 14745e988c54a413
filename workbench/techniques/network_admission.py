"""NET_ADMISSION_NGINX: containers that reach the admission webhook of a vulnerable ingress-nginx (catalogue 2.9)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from workbench.graph import nodes
from workbench.graph.graph import Edge, Fact
from workbench.inventory.evidence import Evidence
from workbench.inventory.inventory import Inventory
from workbench.inventory.pods import PodInstance
from workbench.techniques.api import Blocked, Declaration, Reason, SubjectType, Technique
from workbench.techniques.many import Many, ManyTechnique, Record
from workbench.techniques.network_common import FAMILY, FromContainers
from workbench.techniques.pod_fields import IMAGE, PLACE, TOKENS
from workbench.techniques.resolve import distinct, reach
from workbench.techniques.resolve.ingress_nginx import Admission, admissions, vulnerability
from workbench.techniques.resolve.reached import changed_ways_out, class_of, hub_of
from workbench.techniques.resolve.token import api_tokens, token_evidence

ADMISSIONS = "ingress-nginx-accounts"
"""The hubs of the accounts of controllers that the same containers reach."""

Reached = dict[tuple[Fact, ...], list[str]]
"""Accounts by what it takes to get to them."""


class NetAdmissionNginx(FromContainers):
    """NET_ADMISSION_NGINX: the webhook tests a configuration that the caller writes, and with it loads a library."""

    declaration = Declaration(
        id="NET_ADMISSION_NGINX",
        title="runs code, by the admission webhook of ingress-nginx, as",
        source=("Container",),
        target=("ServiceAccount",),
        description=(
            "The container reaches the admission webhook of an ingress-nginx before 1.11.5 or 1.12.1, which anybody "
            "may call, and has its controller load a library (CVE-2025-1974). The controller's account reads, as a "
            "rule, the Secrets of the cluster."
        ),
        mitre=("T1210",),
        effort=7,
        reason=Reason.VERSION,
        reads=reach.READS | {"Secret", "ServiceAccount"},
        subject_type=SubjectType.SCOPE,
        pod_fields=reach.POD_FIELDS | TOKENS | PLACE | IMAGE | {"command", "args"},
        fixes=("F-IMG-UP", "F-NP-IN"),
        references=("https://kubernetes.io/blog/2025/03/24/ingress-nginx-cve-2025-1974/",),
        family=FAMILY,
    )

    def touched(self, view: Inventory) -> set[str] | None:
        return _touched(view)

    def pointless(self, view: Inventory) -> bool:
        return not admissions(view)

    def of_pod(self, view: Inventory, pod: PodInstance) -> Iterator[Record | Blocked]:
        found = _reached(view, pod)
        for container in pod.containers:
            for missing, accounts in found.items():
                if accounts != [pod.account]:
                    target = accounts[0] if len(accounts) == 1 else hub_of(ADMISSIONS, accounts)
                    yield container.id, target, 7, missing, None
            if pod.spec.host_network:
                yield from _at_home(view, pod, container.id)

    def denied(self, view: Inventory) -> Iterable[Blocked]:
        for each in admissions(view):
            for pod in view.pods:
                if pod.containers and pod is not each.container.pod:
                    passage = reach.to_pod(view, pod, each.container.pod, each.port)
                    if not passage.open:
                        yield from (Blocked(one.id, each.account, passage.mitigation) for one in pod.containers)

    def evidence(self, view: Inventory, edge: Edge) -> list[Evidence]:
        source = view.containers.get(edge.source)
        if source is None:
            return []
        for each in admissions(view):
            passage = reach.to_pod(view, source.pod, each.container.pod, each.port)
            if each.account != edge.target or not passage.open:
                continue
            container = each.container
            pod = container.pod
            out = [
                view.evidence(pod.obj, container.field("image")),
                Evidence(pod.obj.id, container.field("image"), ", ".join(vulnerability().cves), builtin=True),
                view.evidence(pod.obj, container.field("args")),
                view.evidence(pod.obj, container.field("command")),
            ]
            for token in api_tokens(view, container)[:1]:
                out += token_evidence(view, container, token)
            return [*out[:2], *distinct([*out[2:], *reach.evidence(view, source.pod, pod, each.port)])]
        return []


def _touched(view: Inventory) -> set[str] | None:
    assert view.base is not None, "only an overlay has changes"
    before, after = _targets(view.base), _targets(view)
    if not before and not after:
        return set()
    found = changed_ways_out(view)
    if before != after or found is None:
        return None
    # What concerns the controllers concerns whoever gets to them.
    return None if any(each.container.pod.namespace in found for each in admissions(view)) else found


def _targets(view: Inventory) -> list[tuple[str, str, int, tuple[Fact, ...], str]]:
    return [
        (each.container.id, each.account, each.port, each.missing, each.container.pod.node) for each in admissions(view)
    ]


def _reached(view: Inventory, pod: PodInstance) -> Reached:
    """The accounts of the controllers that the pods of a class get to from other nodes."""
    known = view.memo("ingress-nginx by class", NetAdmissionNginx.declaration.reads)
    number = class_of(view, pod)
    if number not in known:
        best: dict[str, tuple[Fact, ...]] = {}
        for each in admissions(view):
            start = _abroad(view, pod, each)
            passage = reach.to_pod(view, start, each.container.pod, each.port) if start is not None else None
            if passage is None or not passage.open:
                continue
            missing = tuple(sorted({*each.missing, *passage.missing}))
            if each.account not in best or len(missing) < len(best[each.account]):
                best[each.account] = missing
        out: Reached = {}
        for account in sorted(best):
            out.setdefault(best[account], []).append(account)
        known[number] = out
    found: Reached = known[number]
    return found


def _abroad(view: Inventory, pod: PodInstance, target: Admission) -> PodInstance | None:
    """A pod of the class of a pod that does not use the network of the very node that the target runs on."""
    number = class_of(view, pod)
    if number is None or not reach.at_home(pod, target.container.pod):
        return pod if number is not None else None
    alike = reach.network_of(view).reach.columns.classes[number].pods
    return next((each for each in alike if not reach.at_home(each, target.container.pod)), None)


def _at_home(view: Inventory, pod: PodInstance, container: str) -> Iterator[Record]:
    """The controllers on the very node whose network a pod uses, from which no policy keeps it."""
    for each in admissions(view):
        if reach.at_home(pod, each.container.pod) and pod is not each.container.pod:
            yield container, each.account, 7, each.missing, None


class AdmissionMembers(ManyTechnique):
    """The accounts of the hubs of :class:`NetAdmissionNginx`."""

    declaration = Declaration(
        id="MEMBER_INGRESS_NGINX_ACCOUNTS",
        title="stands for",
        source=(nodes.HUB,),
        target=("ServiceAccount",),
        description="The hub of the controllers that the same containers reach stands for their accounts.",
        mitre=(),
        effort=0,
        reason=Reason.POSSESSED,
        reads=NetAdmissionNginx.declaration.reads,
        subject_type=SubjectType.SINGLETON,
        pod_fields=NetAdmissionNginx.declaration.pod_fields,
        family=FAMILY,
        internal=True,
    )

    def subjects(self, view: Inventory) -> Iterable[str]:
        return (nodes.ANYWHERE,)

    def touched(self, view: Inventory) -> set[str] | None:
        return set() if _touched(view) == set() else {nodes.ANYWHERE}

    def many(self, view: Inventory, subject: str) -> Iterator[Many | Blocked]:
        made: set[str] = set()
        for each in reach.network_of(view).reach.columns.classes if len(admissions(view)) > 1 else ():
            for accounts in _reached(view, each.pods[0]).values() if each.pods else ():
                hub = hub_of(ADMISSIONS, accounts)
                if len(accounts) > 1 and hub not in made:
                    made.add(hub)
                    yield Many(hub, accounts, 0)

    def evidence(self, view: Inventory, edge: Edge) -> list[Evidence]:
        return []


TECHNIQUES: tuple[Technique, ...] = (NetAdmissionNginx(), AdmissionMembers())
