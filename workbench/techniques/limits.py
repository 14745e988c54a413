"""What the catalogue describes and no technique looks at: said in every report, for silence never means "safe"."""

from __future__ import annotations

from dataclasses import dataclass

from workbench.techniques.registry import all_techniques


@dataclass(frozen=True, slots=True)
class Limit:
    """One thing that is not looked at."""

    what: str
    """For people, as a noun."""
    techniques: tuple[str, ...]
    """The ids in the catalogue."""


def _limit(what: str, techniques: str) -> Limit:
    return Limit(what, tuple(techniques.split()))


_CATALOGUE = (
    _limit(
        "what else the network and localhost give: listeners of the same pod, port-forwarding, the node's own routes",
        "SHARE_NETNS POD_PORTFORWARD POD_PROXY CE_NET_ADMIN",
    ),
    _limit(
        "vulnerabilities of images, nodes and runtimes (C-VULN stands for those of listeners)",
        "CE_KERNEL_CVE CE_RUNTIME_CVE CE_GPU_CVE",
    ),
    _limit(
        "Windows host processes and raw devices",
        "CE_WIN_HOSTPROCESS CE_RAW_DEVICE",
    ),
    _limit(
        "cloud identities",
        "NODE_CLOUD CLOUD_IRSA CLOUD_POD_IDENTITY CLOUD_GKE_WI CLOUD_AKS_WI CLOUD_BOOTSTRAP "
        "CLOUD_TO_CLUSTER SA_PATCH AWS_AUTH",
    ),
    _limit(
        "credentials guessed from names, logs and registries",
        "CRED_LEAK LOG_READ REGISTRY_PUSH TOKEN_BRUTEFORCE SECRET_READ_ECHO",
    ),
    _limit(
        "permissions to attach to and debug pods, to claim volumes, and to make tokens and accounts",
        "POD_ATTACH_API POD_DEBUG PVC_CLAIM SECRET_TOKEN_CREATE BOOTSTRAP_TOKEN_CREATE SA_RECREATE "
        "IMPERSONATE_CONSTRAINED",
    ),
    _limit(
        "permissions on certificates, admission, namespaces, nodes, services and cluster configuration",
        "CSR_ISSUE CSR_NODE WEBHOOK_MUTATE WEBHOOK_SNOOP ADMISSION_POLICY_MUTATE GUARDRAIL_REMOVE NAMESPACE_PATCH "
        "PV_HOSTPATH API_EXTENSION DNS_CONFIG NODE_CONFIG_CM CONFIG_OVERWRITE SERVICE_HIJACK SERVICE_EXPOSE "
        "INGRESS_INJECT POD_STATUS POD_BINDING NODE_STEER NODE_STEAL_PODS",
    ),
    _limit(
        "custom resources and the controllers that act on them",
        "CONTROLLER_COMMAND CONTROLLER_IDENTITY",
    ),
)


def limits() -> list[Limit]:
    """What is not looked at, without what plug-ins bring."""
    known = {technique.id for technique in all_techniques()}
    left = (Limit(limit.what, tuple(i for i in limit.techniques if i not in known)) for limit in _CATALOGUE)
    return [limit for limit in left if limit.techniques]


def limit_of(identifier: str) -> Limit | None:
    """The limit that a technique of the catalogue falls under, ``None`` if it is looked at or in no catalogue."""
    return next((limit for limit in limits() if identifier.upper() in limit.techniques), None)
