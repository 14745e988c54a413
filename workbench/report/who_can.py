"""Who holds a permission, on paper."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from workbench.report.documents import document
from workbench.report.tables import Output

if TYPE_CHECKING:
    from workbench.engine import Audit, Holder


def as_json(audit: Audit, verb: str, resource: str, namespace: str | None, holders: Sequence[Holder]) -> str:
    """The document of ``who-can -o json``."""
    return document(
        "who-can",
        verb=verb,
        resource=resource,
        namespace=namespace,
        holders=[
            {
                "subject": holder.subject,
                "namespace": holder.namespace or None,
                "binding": holder.binding,
                "role": holder.role,
                "rule": holder.rule,
                "resource_names": list(holder.names),
                "builtin": holder.builtin,
                "evidence": [evidence.as_dict() for evidence in audit.proof_of(holder)],
            }
            for holder in holders
        ],
        coverage=[gap.as_dict() for gap in audit.coverage],
    )


def print_table(verb: str, resource: str, namespace: str | None, holders: Sequence[Holder]) -> None:
    """Print one line a holder: those that Kubernetes itself brings come last."""
    out = Output()
    if not holders:
        out.fold(f"Nobody may {verb} {resource}{f' in {namespace}' if namespace else ''}.".split(" "))
        return
    out.table(
        ("SUBJECT", "WHERE", "THROUGH", "ROLE", "ONLY"),
        [
            (
                holder.subject,
                holder.namespace or "everywhere",
                holder.binding,
                f"{holder.role} rules[{holder.rule}]" + (" (built in)" if holder.builtin else ""),
                ", ".join(holder.names),
            )
            for holder in holders
        ],
    )
