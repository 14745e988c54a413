"""The network of a source: who reaches whom, without the graph, and as the faces look at it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.engine.records import Progress
from workbench.errors import InputError
from workbench.inventory.evidence import Gap, Problem
from workbench.inventory.inventory import Inventory
from workbench.sources import SourceKind, SourceRequest, collection_paused, load

if TYPE_CHECKING:
    from workbench.network.around import Around
    from workbench.network.connections import Network
    from workbench.network.explain import Reason
    from workbench.network.matrix import Matrix, Party
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
        note = unenforced(self.network)
        return [note] if note else []


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


def unenforced(network: Network) -> str:
    """That nothing enforces the policies that there are, as a sentence; empty if something does or may."""
    from workbench.network.enforcement import Enforces, enforcement

    if not network.parsed.policies:
        return ""
    found = enforcement(network.view)
    if found.verdict is not Enforces.NO:
        return ""
    return f"{found.plugin} ({found.object}): {found.detail}; what policies say here has no effect"


@dataclass(frozen=True, slots=True)
class Where:
    """Where a rule stands."""

    file: str
    line: int | None


@dataclass(frozen=True, slots=True)
class NetworkView:
    """The reachability of a view, to look at in any direction. Safe to call from several threads."""

    matrix: Matrix
    warnings: tuple[str, ...]
    """What makes the whole doubtful: nothing enforces policies, or some were not read or are not valid."""
    remark: str
    """What is not known of the network plugin; empty if it is."""

    @classmethod
    def of(cls, view: Inventory) -> NetworkView:
        """The reachability of a view; what another view shares with it is computed once."""
        from workbench.network import invalid
        from workbench.network.enforcement import Enforces, enforcement
        from workbench.network.matrix import Matrix
        from workbench.network.policies import READS

        matrix = Matrix.of(view)
        parsed = matrix.network.parsed
        note = unenforced(matrix.network)
        warnings = [note] if note else []
        unread = {Problem.FORBIDDEN: "refused", Problem.NOT_COLLECTED: "not read", Problem.INVALID: "not readable"}
        for gap in view.coverage:
            if gap.kind in READS and gap.problem in unread:
                where = f" in {gap.namespace}" if gap.namespace else ""
                warnings.append(f"{gap.kind}{where}: {unread[gap.problem]}: what one might decide is unknown")
        warnings += [f"{gap.detail}: it may decide either way" for gap in invalid.gaps(parsed.faults)]
        found = enforcement(view)
        doubtful = bool(parsed.policies) and found.verdict is Enforces.UNKNOWN
        plugin = f"{found.plugin}: " if found.plugin else ""
        remark = f"whether policies are enforced is not known: {plugin}{found.detail}" if doubtful else ""
        return cls(matrix, tuple(warnings), remark)

    def around(self, about: str) -> Around | None:
        """The connections of a pod, a workload or a Service; ``None`` for what is none."""
        from workbench.network.around import around

        return around(self.matrix, about)

    def why(self, source: Party, target: Party) -> list[tuple[Reason, Where | None]]:
        """The rules that decide a cell of two single parties, each with where it stands, if that is known."""
        from workbench.network.around import deciding

        out: list[tuple[Reason, Where | None]] = []
        for reason in deciding(self.matrix, source, target):
            origin = self.matrix.network.view.origin(reason.policy) if reason.policy else None
            file = origin.file if origin is not None else None
            line = origin.line(reason.field) if origin is not None else None
            out.append((reason, Where(file, line) if file else None))
        return out
