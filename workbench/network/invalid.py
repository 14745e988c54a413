"""What is wrong with policies, as faults of the input (manifests) or as gaps of the coverage (clusters, snapshots)."""

from __future__ import annotations

from collections.abc import Sequence

from workbench.errors import Fault
from workbench.inventory.evidence import Gap, Problem
from workbench.inventory.inventory import Inventory
from workbench.network.checks import PolicyFault
from workbench.text import shown


def faults(view: Inventory, found: Sequence[PolicyFault]) -> list[Fault]:
    """Every place with its file, document, line and field."""
    out: list[Fault] = []
    for each in found:
        origin = view.origin(each.object.id)
        out.append(
            Fault(
                file=shown((origin.file if origin is not None else None) or view.source),
                problem=f"{each.object.id}: {shown(each.problem)}",
                document=origin.document if origin is not None else None,
                line=origin.line(each.field) if origin is not None else None,
                field=shown(each.field),
            )
        )
    return out


def gaps(found: Sequence[PolicyFault]) -> list[Gap]:
    """One gap for each object: what it selects is unknown as far as it might decide."""
    by_object: dict[str, list[PolicyFault]] = {}
    for each in found:
        by_object.setdefault(each.object.id, []).append(each)
    return [
        Gap(
            group[0].object.kind,
            group[0].object.namespace or None,
            Problem.INVALID,
            1,
            shown(f"{name}: {'; '.join(f'{each.field}: {each.problem}' for each in group)}"),
        )
        for name, group in sorted(by_object.items())
    ]
