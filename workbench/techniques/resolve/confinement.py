"""R4: what confines a container's processes beyond capabilities: AppArmor, SELinux and seccomp.

Source: Kubernetes documentation, "Restrict a Container's Access to Resources with AppArmor" and "Restrict a
Container's Syscalls with seccomp"; which security module a distribution enables from the distributions.
"""

from __future__ import annotations

import enum
from typing import NamedTuple

from workbench.inventory.evidence import Evidence
from workbench.inventory.inventory import Inventory
from workbench.inventory.objects import AppArmorProfile, PodSecurityContext, SELinuxOptions
from workbench.inventory.pods import ContainerInstance
from workbench.techniques.resolve import HOLDS, Answer, needs, ruled_out
from workbench.techniques.resolve.container import node_evidence, node_info, node_of, runtime_of

APPARMOR_ANNOTATION = "container.apparmor.security.beta.kubernetes.io/"

_NO_CONTEXT = PodSecurityContext()


class SecurityModule(enum.StrEnum):
    """The Linux security module that confines containers on a host."""

    APPARMOR = "AppArmor"
    SELINUX = "SELinux"
    NONE = "none"
    UNKNOWN = "unknown"


_APPARMOR = ("ubuntu", "debian", "container-optimized os")
_SELINUX = ("red hat enterprise linux coreos", "rhcos", "bottlerocket")
_RED_HAT = ("red hat", "rhel", "centos", "rocky", "almalinux", "oracle linux", "scientific linux", "fedora")
_NONE = ("amazon linux", "flatcar", "azure linux", "cbl-mariner", "mariner", "alpine")


def security_module(os_image: str | None, runtime: str | None) -> SecurityModule:
    """The security module of a host, by ``nodeInfo.osImage`` and the container runtime.

    The Red Hat family confines containers under CRI-O; containerd's ``enable_selinux`` is off by default and
    not in the API. SUSE moved from AppArmor to SELinux with 16: unknown.
    """
    image = (os_image or "").lower().removeprefix("microsoft ")
    if image.startswith(_SELINUX):
        return SecurityModule.SELINUX
    if image.startswith(_APPARMOR):
        return SecurityModule.APPARMOR
    if image.startswith(_RED_HAT):
        return SecurityModule.SELINUX if runtime == "cri-o" else SecurityModule.UNKNOWN
    if image.startswith(_NONE):
        return SecurityModule.NONE
    return SecurityModule.UNKNOWN


def module_of(view: Inventory, container: ContainerInstance) -> SecurityModule:
    """The security module of the host that a container runs on."""
    node = node_of(view, container.pod)
    if node is None:
        return SecurityModule.UNKNOWN
    return security_module(node_info(node).os_image, runtime_of(view, container))


class Profile(NamedTuple):
    """A profile that a container names, and where."""

    type: str
    """``Unconfined``, ``RuntimeDefault`` or ``Localhost``."""
    field: str


def apparmor_profile(container: ContainerInstance) -> Profile | None:
    """The AppArmor profile that a container names: by field (container, then pod) or annotation."""
    pod = container.pod
    own = container.security_context.app_armor_profile
    of_pod = (pod.spec.security_context or _NO_CONTEXT).app_armor_profile
    found: tuple[AppArmorProfile | None, str]
    for found in (
        (own, container.field("securityContext.appArmorProfile.type")),
        (of_pod, pod.field("securityContext.appArmorProfile.type")),
    ):
        profile, field = found
        if profile is not None and profile.type:
            return Profile(profile.type, field)
    key = APPARMOR_ANNOTATION + container.name
    value = pod.annotations.get(key)
    if not value:
        return None
    kind = {"unconfined": "Unconfined", "runtime/default": "RuntimeDefault"}.get(value, "Localhost")
    return Profile(kind, pod.annotation_field(key))


def selinux_type(container: ContainerInstance) -> tuple[str | None, str]:
    """The SELinux type that a container asks for, and the field; the container's options replace the pod's."""
    own: SELinuxOptions | None = container.security_context.se_linux_options
    if own is not None:
        return own.type, container.field("securityContext.seLinuxOptions.type")
    of_pod = (container.pod.spec.security_context or _NO_CONTEXT).se_linux_options
    if of_pod is not None:
        return of_pod.type, container.pod.field("securityContext.seLinuxOptions.type")
    return None, container.field("securityContext.seLinuxOptions.type")


def selinux_unconfined(container: ContainerInstance) -> bool:
    """Whether SELinux, where a host has it, leaves a container alone."""
    return container.privileged or selinux_type(container)[0] == "spc_t"


def no_security_module(view: Inventory, container: ContainerInstance) -> Answer:
    """Whether neither AppArmor nor SELinux confines a container; C-LSM where the host does not show.

    A Localhost profile and an SELinux type of one's own may allow anything: C-LSM too.
    """
    pod = container.pod
    profile = apparmor_profile(container)
    kind = profile.type if profile is not None else None
    if container.privileged and kind != "Localhost":
        return HOLDS
    if kind == "RuntimeDefault":
        # The kubelet refuses a pod that asks for AppArmor on a host without it.
        return ruled_out("appArmorProfile: RuntimeDefault confines the container")
    match module_of(view, container):
        case SecurityModule.NONE:
            return HOLDS
        case SecurityModule.APPARMOR:
            if kind == "Unconfined":
                return HOLDS
            if kind == "Localhost":
                return needs("C-LSM", pod.node)
            return ruled_out("appArmorProfile: the runtime's default AppArmor profile confines the container")
        case SecurityModule.SELINUX:
            if selinux_unconfined(container):
                return HOLDS
            if selinux_type(container)[0] not in (None, "", "container_t", "svirt_lxc_net_t"):
                return needs("C-LSM", pod.node)
            return ruled_out("seLinuxOptions: SELinux confines the container as container_t")
        case _:
            if kind == "Unconfined" and selinux_unconfined(container):
                return HOLDS
            return needs("C-LSM", pod.node)


def host_files_open(view: Inventory, container: ContainerInstance) -> Answer:
    """Whether the security module lets a container use files of the host that it mounts.

    SELinux denies them by type (C-LSM: it may be permissive) unless the container is privileged or ``spc_t``;
    AppArmor's default profile does not.
    """
    if selinux_unconfined(container):
        return HOLDS
    if module_of(view, container) in (SecurityModule.SELINUX, SecurityModule.UNKNOWN):
        return needs("C-LSM", container.pod.node)
    return HOLDS


def other_processes_open(view: Inventory, container: ContainerInstance) -> Answer:
    """Whether SELinux categories let a container at the processes and memory of others (C-MCS)."""
    if selinux_unconfined(container):
        return HOLDS
    if module_of(view, container) in (SecurityModule.SELINUX, SecurityModule.UNKNOWN):
        return needs("C-MCS", container.pod.node)
    return HOLDS


def seccomp_profile(container: ContainerInstance) -> Profile | None:
    """The seccomp profile that a container names (its own, then the pod's); privileged ones have none."""
    pod = container.pod
    if container.privileged:
        return Profile("Unconfined", container.field("securityContext.privileged"))
    own = container.security_context.seccomp_profile
    if own is not None and own.type:
        return Profile(own.type, container.field("securityContext.seccompProfile.type"))
    of_pod = (pod.spec.security_context or _NO_CONTEXT).seccomp_profile
    if of_pod is not None and of_pod.type:
        return Profile(of_pod.type, pod.field("securityContext.seccompProfile.type"))
    return None


def system_calls_of_capabilities_open(container: ContainerInstance) -> Answer:
    """Whether seccomp leaves the system calls that a container's capabilities are for.

    The runtimes' default profile allows them along with the capability, so only a profile of the node's own
    may deny them: C-SECCOMPDEFAULT, the one fact about seccomp.
    """
    profile = seccomp_profile(container)
    if profile is not None and profile.type == "Localhost":
        return needs("C-SECCOMPDEFAULT", container.pod.node)
    return HOLDS


def unfiltered(container: ContainerInstance) -> Answer:
    """Whether no seccomp profile filters system calls; no profile depends on the kubelet's ``seccompDefault``."""
    profile = seccomp_profile(container)
    if profile is None:
        return needs("C-SECCOMPDEFAULT", container.pod.node)
    if profile.type == "Unconfined":
        return HOLDS
    return ruled_out(f"seccompProfile: {profile.type} filters system calls")


def module_evidence(view: Inventory, container: ContainerInstance) -> list[Evidence]:
    """The fields that decide on AppArmor and SELinux: the host's system, and the profile asked for."""
    pod = container.pod
    module = module_of(view, container)
    out: list[Evidence] = []
    profile = apparmor_profile(container)
    if module in (SecurityModule.APPARMOR, SecurityModule.UNKNOWN) or profile is not None:
        field = profile.field if profile else container.field("securityContext.appArmorProfile.type")
        out.append(view.evidence(pod.obj, field, "RuntimeDefault where the host has AppArmor"))
    if module in (SecurityModule.SELINUX, SecurityModule.UNKNOWN):
        out.append(view.evidence(pod.obj, selinux_type(container)[1], "container_t where the host has SELinux"))
    out += node_evidence(view, pod, "osImage", "containerRuntimeVersion")
    return out


def host_files_evidence(view: Inventory, container: ContainerInstance) -> list[Evidence]:
    """The fields that decide whether SELinux guards the host's files."""
    pod = container.pod
    if container.privileged:
        return [view.evidence(pod.obj, container.field("securityContext.privileged"), False)]
    out = node_evidence(view, pod, "osImage", "containerRuntimeVersion")
    if module_of(view, container) in (SecurityModule.SELINUX, SecurityModule.UNKNOWN):
        out.append(view.evidence(pod.obj, selinux_type(container)[1], "container_t where the host has SELinux"))
    return out


def seccomp_evidence(view: Inventory, container: ContainerInstance) -> list[Evidence]:
    """The field that decides on seccomp."""
    profile = seccomp_profile(container)
    field = profile.field if profile else container.field("securityContext.seccompProfile.type")
    return [view.evidence(container.pod.obj, field, "Unconfined unless the kubelet sets seccompDefault")]
