"""Who holds a permission, on paper."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.table import Table

from workbench.report.documents import document
from workbench.report.tables import console, text

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
            }
            for holder in holders
        ],
        coverage=[gap.as_dict() for gap in audit.coverage],
    )


def print_table(verb: str, resource: str, namespace: str | None, holders: Sequence[Holder]) -> None:
    """Print one line a holder."""
    out = console()
    if not holders:
        where = f" in {namespace}" if namespace else ""
        out.print(text(f"Nobody may {verb} {resource}{where}."))
        return
    table = Table(box=None, pad_edge=False)
    for column in ("SUBJECT", "WHERE", "THROUGH", "ROLE", "RULE", "ONLY"):
        table.add_column(column, no_wrap=True)
    for holder in holders:
        table.add_row(
            text(holder.subject),
            text(holder.namespace or "everywhere"),
            text(holder.binding),
            text(holder.role + (" (built in)" if holder.builtin else "")),
            text(f"rules[{holder.rule}]"),
            text(", ".join(holder.names)),
        )
    out.print(table)
