"""The catalogue on paper."""

from __future__ import annotations

import difflib
from typing import Any

from rich.table import Table

from workbench.errors import UsageError
from workbench.report.documents import document
from workbench.report.tables import console, text
from workbench.techniques.api import Declaration
from workbench.techniques.registry import public_techniques


def _chosen(identifier: str | None) -> list[Declaration]:
    declarations = [technique.declaration for technique in public_techniques()]
    if identifier is None:
        return declarations
    found = [declaration for declaration in declarations if declaration.id == identifier.upper()]
    if not found:
        near = difflib.get_close_matches(identifier.upper(), [declaration.id for declaration in declarations], 3, 0.4)
        raise UsageError(f"no technique {identifier!r}" + (f"; near: {', '.join(near)}" if near else ""))
    return found


def as_dict(declaration: Declaration) -> dict[str, Any]:
    """One technique as plain data."""
    return {
        "id": declaration.id,
        "title": declaration.title,
        "family": declaration.family,
        "source": list(declaration.source),
        "target": list(declaration.target),
        "description": declaration.description,
        "mitre": list(declaration.mitre),
        "effort": declaration.effort,
        "reason": declaration.reason.name.lower().replace("_", " "),
        "reads": sorted(declaration.reads),
        "fixes": list(declaration.fixes),
        "references": list(declaration.references),
    }


def as_json(identifier: str | None) -> str:
    """The document of ``techniques -o json``."""
    return document("techniques", techniques=[as_dict(declaration) for declaration in _chosen(identifier)])


def print_table(identifier: str | None) -> None:
    """Print the list, or one technique in full."""
    out = console()
    chosen = _chosen(identifier)
    if identifier is None:
        table = Table(box=None, pad_edge=False)
        for column in ("TECHNIQUE", "FROM", "TO", "EFFORT", "ATT&CK", "WHAT THE ATTACKER DOES"):
            table.add_column(column, no_wrap=column != "WHAT THE ATTACKER DOES")
        for item in chosen:
            table.add_row(
                text(item.id),
                text(", ".join(item.source)),
                text(", ".join(item.target)),
                text(item.effort),
                text(" ".join(item.mitre)),
                text(item.title),
            )
        out.print(table)
        return
    item = chosen[0]
    out.print(text(f"{item.id}  {item.title}", "bold"))
    out.print(text(item.description))
    out.print()
    for label, value in (
        ("from", ", ".join(item.source)),
        ("to", ", ".join(item.target)),
        ("effort", f"{item.effort} ({item.reason.name.lower().replace('_', ' ')})"),
        ("ATT&CK", ", ".join(item.mitre)),
        ("reads", ", ".join(sorted(item.reads))),
        ("fixes", ", ".join(item.fixes) or "none"),
        ("references", ", ".join(item.references) or "none"),
    ):
        out.print(text(f"  {label:<11}{value}"))
