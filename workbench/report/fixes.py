"""Fixes on paper."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table

from workbench.remediation.records import as_dict
from workbench.report.documents import document
from workbench.report.tables import console, text

if TYPE_CHECKING:
    from workbench.engine import Audit


def as_json(audit: Audit) -> str:
    """The document of ``fixes -o json``."""
    return document("fixes", fixes=[as_dict(fix) for fix in audit.fixes()])


def print_table(audit: Audit) -> None:
    """Print one line a fix, those that cut most first."""
    out = console()
    fixes = audit.fixes()
    if not fixes:
        out.print(text("No fix applies."))
        return
    table = Table(box=None, pad_edge=False)
    for column in ("ID", "FIX", "CUTS", "RISK", "STATUS", "WHAT"):
        table.add_column(column, no_wrap=column not in ("WHAT", "STATUS"))
    for fix in fixes:
        status = fix.status if fix.status == "ready" else f"{fix.status}: {fix.reason}"
        table.add_row(
            text(fix.id), text(fix.fix), text(fix.paths_cut), text(fix.risk.level), text(status), text(fix.title)
        )
    out.print(table)
