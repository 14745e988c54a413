"""Fixes on paper."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workbench.engine.records import PathQuery
from workbench.remediation.effects import WORST
from workbench.remediation.records import as_dict
from workbench.report.documents import document
from workbench.report.tables import Output, count

if TYPE_CHECKING:
    from workbench.engine import Audit


def as_json(audit: Audit) -> str:
    """The document of ``fixes -o json``."""
    return document(
        "fixes",
        fixes=[as_dict(fix) for fix in audit.fixes()],
        coverage=[gap.as_dict() for gap in audit.coverage],
    )


def print_table(audit: Audit) -> None:
    """Print one line a fix, those that cut most first."""
    out = Output()
    fixes = audit.fixes()
    if not fixes:
        out.line("No fix applies.")
        return
    rows = [
        (
            fix.id,
            fix.fix,
            fix.paths_cut,
            fix.reroutes,
            str(fix.risk.level),
            str(fix.status),
            fix.title + (f" ({fix.reason})" if fix.status != "ready" and fix.reason else ""),
        )
        for fix in fixes
    ]
    out.table(("ID", "FIX", "CUTS", "REROUTES", "RISK", "STATUS", "WHAT"), rows)
    worst = min(audit.paths(PathQuery(limit=0)).total, WORST)
    cutting = sum(1 for fix in fixes if fix.paths_cut)
    out.line()
    sentence = (
        f"{count(len(fixes), 'fix', 'fixes')}, {cutting:,} of them cut paths (CUTS: pairs of an entry point "
        "and a crown jewel that lose every path; REROUTES: of the worst "
        f"{worst:,} paths those that lose a step). Write patches with: workbench export --fix ID ... -o DIR"
    )
    out.fold(sentence.split(" "))
