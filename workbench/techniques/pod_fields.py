"""What of a pod the resolvers read, by the names of the fields (``Declaration.pod_fields``)."""

from __future__ import annotations

PLACE = frozenset({"node_name", "node_selector", "affinity", "os"})
"""With whom it shares a node, and of what system (``resolve.container``)."""
ACCOUNT = frozenset({"service_account_name", "service_account"})
IMAGE = frozenset({"image"})
USER = IMAGE | {"run_as_user", "run_as_non_root", "allow_privilege_escalation"}
"""Whether an attacker acts as root (``resolve.user``)."""
CAPABILITIES = frozenset({"privileged", "capabilities"})
"""``resolve.capabilities``."""
ISOLATION = frozenset({"host_users", "runtime_class_name"})
"""``resolve.isolation``."""
CONFINEMENT = frozenset({"privileged", "se_linux_options", "app_armor_profile", "seccomp_profile", "annotations"})
"""``resolve.confinement``."""
MOUNTS = frozenset({"volumes", "volume_mounts", "volume_devices"})
ENVIRONMENT = frozenset({"env", "env_from"})
TOKENS = MOUNTS | ENVIRONMENT | ACCOUNT | {"automount_service_account_token"}
"""``resolve.token``."""
API_SERVER = frozenset({"labels", "host_network"})
"""Whether it reaches the API server (``resolve.egress``)."""
REFERENCES = ENVIRONMENT | ACCOUNT | {"volumes", "image_pull_secrets"}
"""What the node may read for a pod (``resolve.references``)."""
ESCAPE = PLACE | USER | CAPABILITIES | ISOLATION | CONFINEMENT | {"host_pid", "host_ipc", "host_network"}
"""What decides on a way out of a container that needs no mount."""
LISTENING = (
    PLACE | IMAGE | {"ports", "command", "args", "host_network", "labels", "annotations", "hostname", "subdomain"}
)
"""What listens, where, as what, and what selects it (``techniques.endpoints``, ``resolve.exposure``)."""
