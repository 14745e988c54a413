"""Which cloud a node runs in, and the identity that its metadata service hands out.

No object names the role, the account or the managed identity of a node, so that it is called after the instance.

Sources: the cloud providers' ``providerID`` formats (``cloud-provider-aws``, ``-gcp``, ``-azure``); AWS documentation,
"Instance metadata" (hop limit); GKE documentation, "Workload Identity Federation"; AKS documentation, "Managed
identities".
"""

from __future__ import annotations

from typing import NamedTuple

from workbench.inventory.inventory import Inventory
from workbench.inventory.objects import Node

ADDRESS = "169.254.169.254"
PORT = 80
"""The metadata service of all three."""

METADATA_SERVER = "iam.gke.io/gke-metadata-server-enabled"
_FARGATE = "eks.amazonaws.com/compute-type"
_SCHEMES = {"aws": "aws", "gce": "gcp", "azure": "azure"}


class Instance(NamedTuple):
    """A machine of a cloud."""

    provider: str
    """``aws``, ``gcp`` or ``azure``."""
    identity: str
    """The node id of its identity."""
    workload_identity: bool
    """Whether GKE's metadata server answers pods in the place of the cloud's, with the pods' own identities."""


def instance_of(view: Inventory, node_id: str) -> Instance | None:
    """The machine of a node, ``None`` if it is of none of these clouds, or has no metadata service (Fargate)."""
    node = view.by_id(node_id)
    provider_id = node.spec.provider_id if isinstance(node, Node) and node.spec is not None else None
    if node is None or not provider_id:
        return None
    scheme, divider, rest = provider_id.partition("://")
    provider = _SCHEMES.get(scheme)
    name = rest.strip("/")
    if not divider or provider is None or not name:
        return None
    labels = node.metadata.labels or {}
    if provider == "aws":
        name = name.rpartition("/")[2]
        if labels.get(_FARGATE) == "fargate" or name.startswith("fargate-"):
            return None
    return Instance(provider, f"CloudIdentity:{provider}/{name}", labels.get(METADATA_SERVER) == "true")
