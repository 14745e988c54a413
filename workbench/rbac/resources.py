"""What Kubernetes' resources are called, and where a request for one is checked: in a namespace or in the cluster.

A snapshot has no discovery document, so this is knowledge of our own about the APIs that Kubernetes serves (1.28 to
1.37) and about a few well-known extensions. A resource that is not listed counts as namespaced; the custom resources
of a source can be added by the caller.
"""

from __future__ import annotations

import enum
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from workbench.inventory.objects import CustomResourceDefinition
from workbench.rbac.rules import NOTHING, RBAC, Names


class Scope(enum.Enum):
    """Where the authoriser looks for a right, and so what a RoleBinding is worth."""

    NAMESPACE = "namespace"
    """In the request's namespace: a RoleBinding there counts."""
    OWN_NAMESPACE = "own-namespace"
    """The request is about the namespace itself: a RoleBinding counts for that one namespace."""
    CLUSTER = "cluster"
    """Without a namespace: only a ClusterRoleBinding counts."""


_CLUSTER_SCOPED: Final = {
    "": "componentstatuses groups namespaces nodes persistentvolumes users",
    "admissionregistration.k8s.io": (
        "mutatingadmissionpolicies mutatingadmissionpolicybindings mutatingwebhookconfigurations"
        " validatingadmissionpolicies validatingadmissionpolicybindings validatingwebhookconfigurations"
    ),
    "apiextensions.k8s.io": "customresourcedefinitions",
    "apiregistration.k8s.io": "apiservices",
    "authentication.k8s.io": "groups nodes selfsubjectreviews tokenreviews uids userextras users",
    "authorization.k8s.io": "selfsubjectaccessreviews selfsubjectrulesreviews subjectaccessreviews",
    "certificates.k8s.io": "certificatesigningrequests clustertrustbundles signers",
    "flowcontrol.apiserver.k8s.io": "flowschemas prioritylevelconfigurations",
    "internal.apiserver.k8s.io": "storageversions",
    "metrics.k8s.io": "nodes",
    "networking.k8s.io": "ingressclasses ipaddresses servicecidrs",
    "node.k8s.io": "runtimeclasses",
    "policy": "podsecuritypolicies",
    RBAC: "clusterrolebindings clusterroles",
    "resource.k8s.io": "deviceclasses devicetaintrules resourceslices",
    "scheduling.k8s.io": "priorityclasses",
    "storage.k8s.io": "csidrivers csinodes storageclasses volumeattachments volumeattributesclasses",
    "storagemigration.k8s.io": "storageversionmigrations",
    # Extensions that some technique or mitigation is about.
    "cert-manager.io": "clusterissuers",
    "cilium.io": "ciliumclusterwidenetworkpolicies",
    "external-secrets.io": "clusterexternalsecrets clustersecretstores",
    "gateway.networking.k8s.io": "gatewayclasses",
    "kyverno.io": "clustercleanuppolicies clusterpolicies",
    "policy.networking.k8s.io": "adminnetworkpolicies baselineadminnetworkpolicies clusternetworkpolicies",
    "projectcalico.org": "globalnetworkpolicies globalnetworksets",
    "crd.projectcalico.org": "globalnetworkpolicies globalnetworksets",
    "security.openshift.io": "securitycontextconstraints",
    "templates.gatekeeper.sh": "constrainttemplates",
}

CLUSTER_SCOPED_RESOURCES: Final[frozenset[tuple[str, str]]] = frozenset(
    (group, resource) for group, resources in _CLUSTER_SCOPED.items() for resource in resources.split()
)
"""(API group, plural) of the resources without a namespace, the virtual ones of impersonation among them."""

_IN_NAMESPACE: Final = frozenset(
    {
        # Checked in the namespace of the binding that is created (BindingAuthorized, pkg/registry/rbac).
        ("bind", RBAC, "clusterroles"),
        # OpenShift checks it in the namespace of the pod, too.
        ("use", "security.openshift.io", "securitycontextconstraints"),
    }
)
_ON_OWN_NAMESPACE: Final = frozenset({"get", "patch", "update", "delete"})


def scope_of(verb: str, group: str, resource: str, cluster_scoped: Collection[tuple[str, str]] = frozenset()) -> Scope:
    """Where a right to this is looked for.

    A request for ``/api/v1/namespaces/shop`` is one within the namespace ``shop``, so a RoleBinding there covers
    reading, changing and deleting that very namespace, but not listing (``NewRequestInfo`` of ``k8s.io/apiserver``).
    ``bind`` on ``clusterroles`` is asked in the namespace of the new RoleBinding.

    Args:
        verb: The verb of the request.
        group: The API group.
        resource: The plural name.
        cluster_scoped: More resources without a namespace, such as ``cluster_scoped_customs`` gives.
    """
    if (group, resource) not in CLUSTER_SCOPED_RESOURCES and (group, resource) not in cluster_scoped:
        return Scope.NAMESPACE
    if (verb, group, resource) in _IN_NAMESPACE:
        return Scope.NAMESPACE
    if group == "" and resource == "namespaces" and verb in _ON_OWN_NAMESPACE:
        return Scope.OWN_NAMESPACE
    return Scope.CLUSTER


def names_in_namespace(names: Names, scope: Scope, namespace: str) -> Names:
    """What is left of a right when it comes by a RoleBinding of the namespace instead of a ClusterRoleBinding."""
    if scope is Scope.NAMESPACE:
        return names
    if scope is Scope.OWN_NAMESPACE and (names is None or namespace in names):
        return frozenset({namespace})
    return NOTHING


def cluster_scoped_customs(definitions: Collection[CustomResourceDefinition]) -> frozenset[tuple[str, str]]:
    """(API group, plural) of the custom resources without a namespace."""
    return frozenset(
        (definition.spec.group or "", definition.spec.names.plural)
        for definition in definitions
        if definition.spec and definition.spec.scope == "Cluster" and definition.spec.names
        if definition.spec.names.plural
    )


def custom_groups(definitions: Collection[CustomResourceDefinition]) -> dict[str, str]:
    """The API group of each custom resource by plural; where two share a plural, the first in order of the group."""
    pairs = sorted(
        (definition.spec.group or "", definition.spec.names.plural)
        for definition in definitions
        if definition.spec and definition.spec.names and definition.spec.names.plural
    )
    return {plural: group for group, plural in reversed(pairs)}


# Plural, then the short names that kubectl takes; the singular follows by rule or stands with them.
_RESOURCES: Final = {
    "": (
        "bindings componentstatuses=cs configmaps=cm endpoints=ep events=ev groups limitranges=limits namespaces=ns"
        " nodes=no persistentvolumeclaims=pvc persistentvolumes=pv pods=po podtemplates replicationcontrollers=rc"
        " resourcequotas=quota secrets serviceaccounts=sa services=svc users"
    ),
    "apps": "controllerrevisions daemonsets=ds deployments=deploy replicasets=rs statefulsets=sts",
    "batch": "cronjobs=cj jobs",
    "networking.k8s.io": "ingressclasses ingresses=ing ipaddresses networkpolicies=netpol servicecidrs",
    RBAC: "clusterrolebindings clusterroles rolebindings roles",
    "admissionregistration.k8s.io": _CLUSTER_SCOPED["admissionregistration.k8s.io"],
    "apiextensions.k8s.io": "customresourcedefinitions=crd=crds",
    "apiregistration.k8s.io": "apiservices",
    "authentication.k8s.io": "selfsubjectreviews tokenreviews uids userextras",
    "authorization.k8s.io": _CLUSTER_SCOPED["authorization.k8s.io"] + " localsubjectaccessreviews",
    "autoscaling": "horizontalpodautoscalers=hpa",
    "certificates.k8s.io": "certificatesigningrequests=csr clustertrustbundles podcertificaterequests signers",
    "coordination.k8s.io": "leases leasecandidates",
    "discovery.k8s.io": "endpointslices",
    "flowcontrol.apiserver.k8s.io": _CLUSTER_SCOPED["flowcontrol.apiserver.k8s.io"],
    "node.k8s.io": "runtimeclasses",
    "policy": "poddisruptionbudgets=pdb podsecuritypolicies=psp",
    "resource.k8s.io": _CLUSTER_SCOPED["resource.k8s.io"] + " resourceclaims resourceclaimtemplates",
    "scheduling.k8s.io": "priorityclasses=pc",
    "storage.k8s.io": "csidrivers csinodes csistoragecapacities storageclasses=sc volumeattachments"
    " volumeattributesclasses=vac",
}

_SUBRESOURCES: Final = {
    "certificatesigningrequests": "approval nodeclient selfnodeclient selfnodeserver status",
    "deployments": "rollback scale status",
    "namespaces": "finalize status",
    "nodes": "configz healthz log metrics pods proxy spec stats status",
    "pods": "attach binding ephemeralcontainers eviction exec log portforward proxy resize status",
    "serviceaccounts": "token",
    "services": "proxy status",
}
_COMMON_SUBRESOURCES: Final = frozenset({"finalizers", "scale", "status"})


def _singular(plural: str) -> str:
    if plural.endswith("ies"):
        return plural[:-3] + "y"
    if plural.endswith(("sses", "ddresses")):
        return plural[:-2]
    return plural if plural in {"endpoints", "componentstatuses"} else plural.removesuffix("s")


def _spellings() -> dict[str, tuple[str, str]]:
    found: dict[str, tuple[str, str]] = {}
    for group, listed in _RESOURCES.items():
        for entry in listed.split():
            plural, *short = entry.split("=")
            for spelling in (plural, _singular(plural), *short):
                found.setdefault(spelling, (group, plural))
    return found


_SPELLINGS: Final = _spellings()


@dataclass(frozen=True, slots=True)
class ResourceQuery:
    """What ``who-can`` asks about: a resource, one of its objects, or a path outside the resources."""

    group: str = ""
    resource: str = ""
    subresource: str = ""
    name: str = ""
    """The object; empty for any."""
    url: str = ""
    """A path such as ``/healthz``; then the other fields are empty."""
    known: bool = True
    """Whether the resource is one that we or the source know; else the group is as written, or the core group."""


def parse_resource(text: str, customs: Mapping[str, str] | None = None) -> ResourceQuery:
    """Read a resource as ``kubectl auth can-i`` writes it.

    ``pods``, ``deploy``, ``deployments.apps``, ``deployments.v1.apps``, ``secrets/db`` (an object), ``pods/exec`` (a
    subresource, if the resource has one of that name), ``pods/web-0/exec`` (both), ``/healthz`` (a path), ``*``.

    Args:
        text: The resource as the user wrote it.
        customs: The API group of each custom resource by plural (``custom_groups``).

    Returns:
        The query; ``known`` is false where the resource is not one we know, as kubectl warns and goes on too.
    """
    if text.startswith("/"):
        return ResourceQuery(url=text)
    head, *rest = text.split("/", 2)
    plural, _, group = head.partition(".")
    first, _, remainder = group.partition(".")
    if first[:1] == "v" and first[1:2].isdigit():
        group = remainder
    plural = plural.lower()
    known = True
    if group:
        known_group, known_plural = _SPELLINGS.get(plural, (group, plural))
        plural = known_plural if known_group == group else plural
    elif plural == "*":
        group = "*"
    elif plural in _SPELLINGS:
        group, plural = _SPELLINGS[plural]
    elif customs and plural in customs:
        group = customs[plural]
    else:
        known = False
    if len(rest) == 2:
        return ResourceQuery(group, plural, rest[1], rest[0], known=known)
    if not rest:
        return ResourceQuery(group, plural, known=known)
    listed = _SUBRESOURCES.get(plural)
    subresource = rest[0] in (listed.split() if listed else _COMMON_SUBRESOURCES) or plural == "*"
    if subresource:
        return ResourceQuery(group, plural, rest[0], known=known)
    return ResourceQuery(group, plural, name=rest[0], known=known)


def resource_names() -> list[str]:
    """Every spelling of a resource that :func:`parse_resource` knows, sorted."""
    return sorted(_SPELLINGS)
