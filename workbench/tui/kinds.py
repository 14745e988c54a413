"""The words for kinds of objects in the command bar, as kubectl and k9s take them: ``:pods``, ``:po``, ``:deploy``."""

from __future__ import annotations

SHORT: dict[str, tuple[str, ...]] = {
    "Pod": ("pods", "po"),
    "Deployment": ("deployments", "deploy", "dp"),
    "StatefulSet": ("statefulsets", "sts"),
    "DaemonSet": ("daemonsets", "ds"),
    "ReplicaSet": ("replicasets", "rs"),
    "ReplicationController": ("replicationcontrollers", "rc"),
    "Job": ("jobs",),
    "CronJob": ("cronjobs", "cj"),
    "ServiceAccount": ("serviceaccounts", "sa"),
    "Secret": ("secrets", "sec"),
    "ConfigMap": ("configmaps", "cm"),
    "Service": ("services", "svc"),
    "Ingress": ("ingresses", "ing"),
    "IngressClass": ("ingressclasses",),
    "EndpointSlice": ("endpointslices",),
    "NetworkPolicy": ("networkpolicies", "netpol", "np"),
    "Role": ("roles",),
    "RoleBinding": ("rolebindings", "rb"),
    "ClusterRole": ("clusterroles", "cr"),
    "ClusterRoleBinding": ("clusterrolebindings", "crb"),
    "Node": ("nodes", "no"),
    "Namespace": ("namespaces",),
    "PersistentVolume": ("persistentvolumes", "pv"),
    "PersistentVolumeClaim": ("persistentvolumeclaims", "pvc"),
    "RuntimeClass": ("runtimeclasses",),
    "CustomResourceDefinition": ("customresourcedefinitions", "crd", "crds"),
    "ValidatingAdmissionPolicy": ("validatingadmissionpolicies", "vap"),
    "ValidatingAdmissionPolicyBinding": ("validatingadmissionpolicybindings",),
    "ClusterPolicy": ("clusterpolicies", "cpol"),
    "Policy": ("policies", "pol"),
    "AdminNetworkPolicy": ("adminnetworkpolicies", "anp"),
    "BaselineAdminNetworkPolicy": ("baselineadminnetworkpolicies", "banp"),
    "ClusterNetworkPolicy": ("clusternetworkpolicies",),
    "CiliumNetworkPolicy": ("ciliumnetworkpolicies", "cnp"),
    "CiliumClusterwideNetworkPolicy": ("ciliumclusterwidenetworkpolicies", "ccnp"),
    "CalicoNetworkPolicy": ("caliconetworkpolicies",),
    "CalicoGlobalNetworkPolicy": ("globalnetworkpolicies", "gnp"),
    "CalicoNetworkSet": ("networksets", "netsets"),
    "CalicoGlobalNetworkSet": ("globalnetworksets",),
    "GatewayClass": ("gatewayclasses", "gc"),
    "Gateway": ("gateways", "gtw"),
    "HTTPRoute": ("httproutes",),
    "GRPCRoute": ("grpcroutes",),
    "TLSRoute": ("tlsroutes",),
    "TCPRoute": ("tcproutes",),
    "UDPRoute": ("udproutes",),
    "ReferenceGrant": ("referencegrants", "refgrant"),
    "Route": ("routes",),
    "SecurityContextConstraints": ("securitycontextconstraints", "scc"),
}
"""For each kind its plural, which kubectl takes, and its short names; ``ns`` is the limit of what is listed."""

_KINDS = {word: kind for kind, words in SHORT.items() for word in (kind.lower(), *words)}

WORDS = tuple(sorted(words[0] for words in SHORT.values()))
"""The plurals, for completion."""


def kind_named(word: str) -> str | None:
    """The kind that a word of the command bar means, ``None`` if it means none."""
    return _KINDS.get(word.lower())


def plural(kind: str) -> str:
    """``Pods``, ``NetworkPolicies``: several of a kind, as Kubernetes writes it."""
    # Only here: the first screen is there before what reads objects is imported.
    from workbench.inventory.records import plural_of

    known = plural_of(kind)
    return kind[:-1] + "ies" if known.endswith("ies") else kind + known[len(kind) :]
