"""Where the objects of a kind are at the API server.

Source: Kubernetes documentation, API concepts, "Resource URIs". Kinds of Kubernetes itself are known here; those of
custom resources are asked for (discovery).
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote


@dataclass(frozen=True, slots=True)
class Resource:
    """One kind of objects in one version, as discovery names it."""

    group: str
    """Empty for the core group."""
    version: str
    plural: str
    kind: str
    namespaced: bool

    @property
    def api_version(self) -> str:
        """As objects write it: ``v1``, ``apps/v1``."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def name(self) -> str:
        """As ``kubectl`` takes it: ``pods``, ``deployments.apps``."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """The URL path of a list (no name) or of one object."""
        parts = ["api", self.version] if not self.group else ["apis", self.group, self.version]
        if namespace and self.namespaced:
            parts += ["namespaces", quote(namespace, safe="")]
        parts.append(self.plural)
        if name:
            parts.append(quote(name, safe=""))
        if subresource:
            parts.append(subresource)
        return "/" + "/".join(parts)


def _known(group: str, version: str, namespaced: bool, **plurals: str) -> list[Resource]:
    return [Resource(group, version, plural, kind, namespaced) for kind, plural in plurals.items()]


BUILTIN: tuple[Resource, ...] = (
    *_known("", "v1", False, Node="nodes", Namespace="namespaces", PersistentVolume="persistentvolumes"),
    *_known(
        "",
        "v1",
        True,
        Pod="pods",
        ServiceAccount="serviceaccounts",
        Secret="secrets",
        ConfigMap="configmaps",
        Service="services",
        PersistentVolumeClaim="persistentvolumeclaims",
        ReplicationController="replicationcontrollers",
    ),
    *_known(
        "apps",
        "v1",
        True,
        Deployment="deployments",
        ReplicaSet="replicasets",
        StatefulSet="statefulsets",
        DaemonSet="daemonsets",
    ),
    *_known("batch", "v1", True, Job="jobs", CronJob="cronjobs"),
    *_known("rbac.authorization.k8s.io", "v1", True, Role="roles", RoleBinding="rolebindings"),
    *_known(
        "rbac.authorization.k8s.io",
        "v1",
        False,
        ClusterRole="clusterroles",
        ClusterRoleBinding="clusterrolebindings",
    ),
    *_known("networking.k8s.io", "v1", True, Ingress="ingresses", NetworkPolicy="networkpolicies"),
    *_known("networking.k8s.io", "v1", False, IngressClass="ingressclasses"),
    *_known("discovery.k8s.io", "v1", True, EndpointSlice="endpointslices"),
    *_known("node.k8s.io", "v1", False, RuntimeClass="runtimeclasses"),
    *_known("apiextensions.k8s.io", "v1", False, CustomResourceDefinition="customresourcedefinitions"),
    *_known(
        "admissionregistration.k8s.io",
        "v1",
        False,
        ValidatingAdmissionPolicy="validatingadmissionpolicies",
        ValidatingAdmissionPolicyBinding="validatingadmissionpolicybindings",
    ),
)
"""The kinds of Kubernetes itself that we read or write, in their present version."""

_BY_KIND = {(resource.group, resource.kind): resource for resource in BUILTIN}


def builtin(api_version: str, kind: str) -> Resource | None:
    """The resource of an object of Kubernetes itself, in the version that is served today; ``None`` for others."""
    group = api_version.rpartition("/")[0]
    return _BY_KIND.get((group, kind))
