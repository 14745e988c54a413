"""The rights that attack techniques need, each declared once with the requests that exercise it."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from workbench.rbac.resources import Scope, scope_of
from workbench.rbac.rules import AUTHENTICATION, CERTIFICATES, RBAC, Names, name_allowed

ADMISSION: Final = "admissionregistration.k8s.io"
SIGNERS: Final = (CERTIFICATES, "signers")

POD_LIKE: Final[tuple[tuple[str, str], ...]] = (
    ("tekton.dev", "taskruns"),
    ("tekton.dev", "pipelineruns"),
    ("argoproj.io", "workflows"),
    ("argoproj.io", "cronworkflows"),
    ("argoproj.io", "rollouts"),
    ("serving.knative.dev", "services"),
    ("kubevirt.io", "virtualmachines"),
    ("kubevirt.io", "virtualmachineinstances"),
    ("sparkoperator.k8s.io", "sparkapplications"),
    ("sparkoperator.k8s.io", "scheduledsparkapplications"),
    ("ray.io", "rayclusters"),
    ("ray.io", "rayjobs"),
    ("ray.io", "rayservices"),
    ("kubeflow.org", "notebooks"),
    ("apps.kruise.io", "clonesets"),
    ("apps.kruise.io", "statefulsets"),
    ("apps.kruise.io", "daemonsets"),
    ("jobset.x-k8s.io", "jobsets"),
    ("batch.volcano.sh", "jobs"),
    ("monitoring.coreos.com", "prometheuses"),
    ("monitoring.coreos.com", "alertmanagers"),
)
"""(API group, plural) of custom resources whose controllers create pods in the same namespace (catalogue 2.8)."""


@dataclass(frozen=True, slots=True)
class Request:
    """A kind of request to the API server; any of the verbs will do."""

    verbs: tuple[str, ...]
    group: str
    resource: str
    subresource: str = ""

    @property
    def creates(self) -> bool:
        """Whether it makes a new object, so that server-side apply may do in place of ``POST``."""
        return self.verbs == ("create",) and not self.subresource

    def scope(self, verb: str) -> Scope:
        """Where the right is looked for (``resources.scope_of``)."""
        return scope_of(verb, self.group, self.resource)


def _to(verbs: str, group: str, resource: str) -> Request:
    plural, _, subresource = resource.partition("/")
    return Request(tuple(verbs.split()), group, plural, subresource)


class Ability(enum.IntEnum):
    """One right that some technique needs. The value is the number of its bit in a mask, from 1."""

    # That of an enumeration is a function in Python, and every permission set is asked for most abilities.
    __hash__ = int.__hash__

    requests: tuple[Request, ...]
    """The requests that exercise it; one of them is enough."""
    bit: int
    """Its bit in a mask."""

    def __new__(cls, *requests: Request) -> Ability:
        number = len(cls.__members__) + 1
        member = int.__new__(cls, number)
        member._value_ = number
        member.bit = 1 << number
        member.requests = requests
        return member

    # Pods. "Modify" is patch or update everywhere.
    CREATE_PODS = _to("create", "", "pods")
    MODIFY_PODS = _to("patch update", "", "pods")
    DELETE_PODS = _to("delete deletecollection", "", "pods")
    CREATE_PODS_EXEC = _to("create", "", "pods/exec")
    GET_PODS_EXEC = _to("get", "", "pods/exec")
    CREATE_PODS_ATTACH = _to("create", "", "pods/attach")
    GET_PODS_ATTACH = _to("get", "", "pods/attach")
    CREATE_PODS_PORTFORWARD = _to("create", "", "pods/portforward")
    GET_PODS_PORTFORWARD = _to("get", "", "pods/portforward")
    USE_PODS_PROXY = _to("get create update patch delete", "", "pods/proxy")
    USE_SERVICES_PROXY = _to("get create update patch delete", "", "services/proxy")
    MODIFY_PODS_EPHEMERALCONTAINERS = _to("patch update", "", "pods/ephemeralcontainers")
    MODIFY_PODS_STATUS = _to("patch update", "", "pods/status")
    GET_PODS_LOG = _to("get", "", "pods/log")
    CREATE_PODS_BINDING = _to("create", "", "pods/binding")
    CREATE_BINDINGS = _to("create", "", "bindings")
    CREATE_PODS_EVICTION = _to("create", "", "pods/eviction")

    # Workloads. The template of a Job cannot be changed, so there is no MODIFY_JOBS.
    CREATE_DEPLOYMENTS = _to("create", "apps", "deployments")
    CREATE_DAEMONSETS = _to("create", "apps", "daemonsets")
    CREATE_STATEFULSETS = _to("create", "apps", "statefulsets")
    CREATE_REPLICASETS = _to("create", "apps", "replicasets")
    CREATE_REPLICATIONCONTROLLERS = _to("create", "", "replicationcontrollers")
    CREATE_JOBS = _to("create", "batch", "jobs")
    CREATE_CRONJOBS = _to("create", "batch", "cronjobs")
    CREATE_POD_LIKE = tuple(Request(("create",), group, plural) for group, plural in POD_LIKE)
    """Create one of ``POD_LIKE``; which of them: ``Grant.allows``."""
    MODIFY_DEPLOYMENTS = _to("patch update", "apps", "deployments")
    MODIFY_DAEMONSETS = _to("patch update", "apps", "daemonsets")
    MODIFY_STATEFULSETS = _to("patch update", "apps", "statefulsets")
    MODIFY_REPLICASETS = _to("patch update", "apps", "replicasets")
    MODIFY_REPLICATIONCONTROLLERS = _to("patch update", "", "replicationcontrollers")
    MODIFY_CRONJOBS = _to("patch update", "batch", "cronjobs")

    # Secrets, configuration, service accounts.
    GET_SECRETS = _to("get", "", "secrets")
    LIST_SECRETS = _to("list", "", "secrets")
    WATCH_SECRETS = _to("watch", "", "secrets")
    CREATE_SECRETS = _to("create", "", "secrets")
    PATCH_SECRETS = _to("patch", "", "secrets")
    UPDATE_SECRETS = _to("update", "", "secrets")
    DELETECOLLECTION_SECRETS = _to("deletecollection", "", "secrets")
    CREATE_CONFIGMAPS = _to("create", "", "configmaps")
    MODIFY_CONFIGMAPS = _to("patch update", "", "configmaps")
    CREATE_SERVICEACCOUNTS = _to("create", "", "serviceaccounts")
    MODIFY_SERVICEACCOUNTS = _to("patch update", "", "serviceaccounts")
    CREATE_SERVICEACCOUNTS_TOKEN = _to("create", "", "serviceaccounts/token")

    # Volumes, nodes, namespaces.
    CREATE_PERSISTENTVOLUMES = _to("create", "", "persistentvolumes")
    CREATE_PERSISTENTVOLUMECLAIMS = _to("create", "", "persistentvolumeclaims")
    GET_NODES_PROXY = _to("get", "", "nodes/proxy")
    CREATE_NODES_PROXY = _to("create", "", "nodes/proxy")
    GET_NODES_LOG = _to("get", "", "nodes/log")
    MODIFY_NODES = _to("patch update", "", "nodes")
    MODIFY_NODES_STATUS = _to("patch update", "", "nodes/status")
    DELETE_NODES = _to("delete deletecollection", "", "nodes")
    CREATE_NAMESPACES = _to("create", "", "namespaces")
    MODIFY_NAMESPACES = _to("patch update", "", "namespaces")

    # RBAC itself.
    CREATE_ROLES = _to("create", RBAC, "roles")
    MODIFY_ROLES = _to("patch update", RBAC, "roles")
    CREATE_CLUSTERROLES = _to("create", RBAC, "clusterroles")
    MODIFY_CLUSTERROLES = _to("patch update", RBAC, "clusterroles")
    CREATE_ROLEBINDINGS = _to("create", RBAC, "rolebindings")
    MODIFY_ROLEBINDINGS = _to("patch update", RBAC, "rolebindings")
    CREATE_CLUSTERROLEBINDINGS = _to("create", RBAC, "clusterrolebindings")
    MODIFY_CLUSTERROLEBINDINGS = _to("patch update", RBAC, "clusterrolebindings")
    BIND_ROLES = _to("bind", RBAC, "roles")
    BIND_CLUSTERROLES = _to("bind", RBAC, "clusterroles")
    ESCALATE_ROLES = _to("escalate", RBAC, "roles")
    ESCALATE_CLUSTERROLES = _to("escalate", RBAC, "clusterroles")

    # Impersonation: the plain verb, then the constrained modes of 1.36, which live in another API group.
    IMPERSONATE_USERS = _to("impersonate", "", "users")
    IMPERSONATE_GROUPS = _to("impersonate", "", "groups")
    IMPERSONATE_SERVICEACCOUNTS = _to("impersonate", "", "serviceaccounts")
    IMPERSONATE_UIDS = _to("impersonate", AUTHENTICATION, "uids")
    IMPERSONATE_USER_INFO_USERS = _to("impersonate:user-info", AUTHENTICATION, "users")
    IMPERSONATE_USER_INFO_GROUPS = _to("impersonate:user-info", AUTHENTICATION, "groups")
    IMPERSONATE_SERVICEACCOUNT = _to("impersonate:serviceaccount", AUTHENTICATION, "serviceaccounts")
    IMPERSONATE_ARBITRARY_NODE = _to("impersonate:arbitrary-node", AUTHENTICATION, "nodes")
    IMPERSONATE_ASSOCIATED_NODE = _to("impersonate:associated-node", AUTHENTICATION, "nodes")

    # Certificates.
    CREATE_CERTIFICATESIGNINGREQUESTS = _to("create", CERTIFICATES, "certificatesigningrequests")
    READ_CERTIFICATESIGNINGREQUESTS = _to("get list watch", CERTIFICATES, "certificatesigningrequests")
    MODIFY_CERTIFICATESIGNINGREQUESTS_APPROVAL = _to(
        "update patch", CERTIFICATES, "certificatesigningrequests/approval"
    )
    CREATE_CERTIFICATESIGNINGREQUESTS_NODECLIENT = _to("create", CERTIFICATES, "certificatesigningrequests/nodeclient")
    APPROVE_SIGNERS = _to("approve", *SIGNERS)
    """Its names are those of signers, and may be ``domain/*``."""

    # Admission and other guard rails. "Remove" is deleting, or changing so that it no longer guards.
    CREATE_MUTATINGWEBHOOKCONFIGURATIONS = _to("create", ADMISSION, "mutatingwebhookconfigurations")
    MODIFY_MUTATINGWEBHOOKCONFIGURATIONS = _to("patch update", ADMISSION, "mutatingwebhookconfigurations")
    CREATE_VALIDATINGWEBHOOKCONFIGURATIONS = _to("create", ADMISSION, "validatingwebhookconfigurations")
    MODIFY_VALIDATINGWEBHOOKCONFIGURATIONS = _to("patch update", ADMISSION, "validatingwebhookconfigurations")
    CREATE_MUTATINGADMISSIONPOLICIES = _to("create", ADMISSION, "mutatingadmissionpolicies")
    MODIFY_MUTATINGADMISSIONPOLICIES = _to("patch update", ADMISSION, "mutatingadmissionpolicies")
    CREATE_MUTATINGADMISSIONPOLICYBINDINGS = _to("create", ADMISSION, "mutatingadmissionpolicybindings")
    MODIFY_MUTATINGADMISSIONPOLICYBINDINGS = _to("patch update", ADMISSION, "mutatingadmissionpolicybindings")
    REMOVE_MUTATINGWEBHOOKCONFIGURATIONS = _to(
        "delete deletecollection patch update", ADMISSION, "mutatingwebhookconfigurations"
    )
    REMOVE_VALIDATINGWEBHOOKCONFIGURATIONS = _to(
        "delete deletecollection patch update", ADMISSION, "validatingwebhookconfigurations"
    )
    REMOVE_VALIDATINGADMISSIONPOLICIES = _to(
        "delete deletecollection patch update", ADMISSION, "validatingadmissionpolicies"
    )
    REMOVE_VALIDATINGADMISSIONPOLICYBINDINGS = _to(
        "delete deletecollection patch update", ADMISSION, "validatingadmissionpolicybindings"
    )
    REMOVE_NETWORKPOLICIES = _to("delete deletecollection patch update", "networking.k8s.io", "networkpolicies")
    REMOVE_KYVERNO_CLUSTERPOLICIES = _to("delete deletecollection patch update", "kyverno.io", "clusterpolicies")
    REMOVE_KYVERNO_POLICIES = _to("delete deletecollection patch update", "kyverno.io", "policies")
    REMOVE_CONSTRAINTTEMPLATES = _to(
        "delete deletecollection patch update", "templates.gatekeeper.sh", "constrainttemplates"
    )
    USE_SECURITYCONTEXTCONSTRAINTS = _to("use", "security.openshift.io", "securitycontextconstraints")

    # Extensions of the API.
    CREATE_APISERVICES = _to("create", "apiregistration.k8s.io", "apiservices")
    MODIFY_APISERVICES = _to("patch update", "apiregistration.k8s.io", "apiservices")
    CREATE_CUSTOMRESOURCEDEFINITIONS = _to("create", "apiextensions.k8s.io", "customresourcedefinitions")
    MODIFY_CUSTOMRESOURCEDEFINITIONS = _to("patch update", "apiextensions.k8s.io", "customresourcedefinitions")

    # Services and what leads to them.
    CREATE_SERVICES = _to("create", "", "services")
    MODIFY_SERVICES = _to("patch update", "", "services")
    MODIFY_SERVICES_STATUS = _to("patch update", "", "services/status")
    CREATE_ENDPOINTS = _to("create", "", "endpoints")
    MODIFY_ENDPOINTS = _to("patch update", "", "endpoints")
    CREATE_ENDPOINTSLICES = _to("create", "discovery.k8s.io", "endpointslices")
    MODIFY_ENDPOINTSLICES = _to("patch update", "discovery.k8s.io", "endpointslices")
    CREATE_INGRESSES = _to("create", "networking.k8s.io", "ingresses")
    MODIFY_INGRESSES = _to("patch update", "networking.k8s.io", "ingresses")
    CREATE_ROUTES = _to("create", "route.openshift.io", "routes")
    CREATE_HTTPROUTES = _to("create", "gateway.networking.k8s.io", "httproutes")


CREATE_WORKLOADS: Final = (
    Ability.CREATE_DEPLOYMENTS,
    Ability.CREATE_DAEMONSETS,
    Ability.CREATE_STATEFULSETS,
    Ability.CREATE_REPLICASETS,
    Ability.CREATE_REPLICATIONCONTROLLERS,
    Ability.CREATE_JOBS,
    Ability.CREATE_CRONJOBS,
)
"""Any of them creates pods (WORKLOAD_CREATE), beside ``CREATE_POD_LIKE``."""

MODIFY_WORKLOADS: Final = (
    Ability.MODIFY_DEPLOYMENTS,
    Ability.MODIFY_DAEMONSETS,
    Ability.MODIFY_STATEFULSETS,
    Ability.MODIFY_CRONJOBS,
    Ability.MODIFY_REPLICASETS,
    Ability.MODIFY_REPLICATIONCONTROLLERS,
)
"""Any of them changes a pod template (WORKLOAD_PATCH); the last two only for pods yet to come."""


def mask_of(abilities: Iterable[Ability]) -> int:
    """The mask with the bits of these abilities."""
    mask = 0
    for ability in abilities:
        mask |= ability.bit
    return mask


def ability_covers(ability: Ability, names: Names, name: str) -> bool:
    """Whether the names of a holding include this one; ``domain/*`` counts for signers."""
    if names is None:
        return True
    request = ability.requests[0]
    return name_allowed(names, name, request.group, request.resource)
