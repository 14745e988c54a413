"""The network of a source: who reaches whom, without the graph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.engine.records import Progress
from workbench.errors import InputError
from workbench.inventory.evidence import Gap
from workbench.inventory.inventory import Inventory
from workbench.sources import SourceKind, SourceRequest, collection_paused, load

if TYPE_CHECKING:
    from workbench.network.connections import Network
    from workbench.network.ports import PortRange
    from workbench.sources import Live


@dataclass(frozen=True, slots=True)
class NetworkAudit:
    """The network of one loaded source: who reaches whom, without the graph."""

    inventory: Inventory
    network: Network
    coverage: list[Gap]
    """What could not be read; a policy that is not valid makes unknown what it might decide."""

    @classmethod
    def load(
        cls,
        request: SourceRequest,
        progress: Progress | None = None,
        live: Live | None = None,
        *,
        ports: Sequence[PortRange] = (),
    ) -> NetworkAudit:
        """Read a source and its policies.

        Args:
            request: What to read, and how.
            progress: Hears what is being done.
            live: What the caller brings along for a live cluster.
            ports: Ports that will be asked about.

        Raises:
            InputError: The source is not what it claims to be, or a policy of manifests is not valid and
                ``keep_going`` is not set; lists every place.
            UsageError: There is no such sample.
            ClusterError: A live cluster cannot be reached, refuses everything, or was lost.
        """
        from workbench.network.connections import Network

        with collection_paused():
            inventory = load(request, progress, live)
            if progress is not None:
                progress("reading network policies", 0, 0)
            network = Network(inventory, ports=ports)
            gaps = invalid_policies(request, network)
        return cls(inventory, network, [*inventory.coverage, *gaps])

    @property
    def notes(self) -> list[str]:
        """What the user should know about the answers."""
        from workbench.network.enforcement import Enforces, enforcement

        if not self.network.parsed.policies:
            return []
        found = enforcement(self.inventory)
        if found.verdict is not Enforces.NO:
            return []
        return [f"{found.plugin} ({found.object}): {found.detail}; what policies say here has no effect"]


def invalid_policies(request: SourceRequest, network: Network) -> list[Gap]:
    """What is wrong with the policies of a source, as gaps of its coverage.

    Raises:
        InputError: They come from manifests, and ``keep_going`` is not set; lists every place.
    """
    from workbench.network import invalid

    found = network.parsed.faults
    if found and request.kind in (SourceKind.MANIFESTS, SourceKind.SAMPLE) and not request.keep_going:
        raise InputError(invalid.faults(network.view, found))
    return invalid.gaps(found)
