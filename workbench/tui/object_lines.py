"""What the detail of an object shows, as lines of spans. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from workbench.tui.names import full, short
from workbench.tui.text import Spans, count, shown, span
from workbench.tui.widgets.line_list import Row
from workbench.tui.widgets.severity import severity_span

if TYPE_CHECKING:
    from workbench.analysis.object_tables import ObjectRow, ObjectTable
    from workbench.analysis.paths import Path
    from workbench.analysis.relations import Relation
    from workbench.engine import Document

NOT_READ = "it was not read: something that was read refers to it"


def summary_lines(table: ObjectTable, row: ObjectRow, properties: Sequence[tuple[str, str]]) -> list[Spans]:
    """The cells of an object with their titles, what else is known of it, its labels."""
    facts = [(column.title.lower(), str(cell)) for column, cell in zip(table.columns, row.cells, strict=True)]
    said = {label for label, _ in facts}
    facts += [(label, value) for label, value in properties if label not in said and label not in ("id", "kind")]
    widest = max(len(label) for label, _ in facts)
    lines: list[Spans] = [(span(row.id, "strong"),)]
    if not row.read:
        lines.append(((NOT_READ, "warning"),))
    lines += [((f"{shown(label):<{widest}}  ", "muted"), span(value)) for label, value in facts if value != ""]
    if row.labels:
        lines.append((("labels", "heading"),))
        lines += [((" ", ""), span(f"{key}={value or ''}")) for key, value in sorted(row.labels.items())]
    return lines


def path_rows(paths: Sequence[Path], places: Sequence[int]) -> list[Row]:
    """The paths through an object, one line each; a row opens the path."""
    return [Row((_path_line(paths[at]),), paths[at].id) for at in places]


def _path_line(path: Path) -> Spans:
    facts = f"assumes {shown(', '.join(path.missing))}" if path.missing else "certain"
    return (
        severity_span(path.severity),
        (f" {path.risk:>4.1f}  ", "muted"),
        (f"{short(path.source)} -> {short(path.target)}", ""),
        (f"  {count(len(path.steps), 'step')}, {facts}", "muted"),
    )


def relation_rows(relations: Sequence[Relation], limit: int) -> list[Row]:
    """What an object has to do with others, one line each; a row of what was read opens it."""
    widest = max((len(one.role) for one in relations), default=0)
    rows = []
    last = ""
    for one in relations[:limit]:
        role = one.role if one.role != last else ""
        last = one.role
        line: Spans = (
            (f"{role:<{widest}}  ", "muted"),
            (full(one.id), "" if one.read else "muted"),
            ("" if one.read else "  not read", "warning"),
        )
        rows.append(Row((line,), one.id))
    if len(relations) > limit:
        rows.append(Row((((f"and {len(relations) - limit:,} more", "muted"),),)))
    return rows


def document_lines(document: Document | None) -> list[Spans]:
    """An object's text with the numbers of its lines."""
    if document is None:
        return [(("there is no text of it: " + NOT_READ, "muted"),)]
    out: list[Spans] = [(span(document.title, "heading"),)]
    out += [
        ((f"{number:>5} ", "muted"), (shown(text.expandtabs(4)), ""))
        for number, text in enumerate(document.text.splitlines(), document.first_line)
    ]
    return out
