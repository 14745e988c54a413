"""The catalogue on paper."""

from __future__ import annotations

import difflib
from typing import Any

from workbench.errors import NotYetSupported, UsageError
from workbench.report.documents import document
from workbench.report.tables import Output
from workbench.techniques.api import Declaration
from workbench.techniques.limits import limit_of, limits
from workbench.techniques.registry import public_techniques


def _chosen(identifier: str | None) -> list[Declaration]:
    declarations = [technique.declaration for technique in public_techniques()]
    if identifier is None:
        return declarations
    found = [declaration for declaration in declarations if declaration.id.upper() == identifier.upper()]
    if not found:
        limit = limit_of(identifier)
        if limit is not None:
            raise NotYetSupported(f"this version does not look at {identifier.upper()} ({limit.what})")
        near = difflib.get_close_matches(identifier.upper(), [declaration.id for declaration in declarations], 3, 0.4)
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        raise UsageError(f"no technique {identifier!r}{hint} (workbench techniques lists them)")
    return found


def _or(kinds: tuple[str, ...]) -> str:
    return " or ".join(kinds)


def _reason(declaration: Declaration) -> str:
    return declaration.reason.name.lower().replace("_", " ")


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
        "reason": _reason(declaration),
        "reads": sorted(declaration.reads),
        "fixes": list(declaration.fixes),
        "references": list(declaration.references),
    }


def as_json(identifier: str | None) -> str:
    """The document of ``techniques -o json``.

    Raises:
        UsageError: There is no such technique; names the nearest.
        NotYetSupported: The catalogue has it, and nothing looks at it.
    """
    content: dict[str, Any] = {"techniques": [as_dict(declaration) for declaration in _chosen(identifier)]}
    if identifier is None:
        content["not_analysed"] = [{"what": limit.what, "techniques": list(limit.techniques)} for limit in limits()]
    return document("techniques", **content)


def print_table(identifier: str | None) -> None:
    """Print the list, or one technique in full.

    Raises:
        UsageError: There is no such technique; names the nearest.
        NotYetSupported: The catalogue has it, and nothing looks at it.
    """
    chosen = _chosen(identifier)
    out = Output()
    if identifier is None:
        out.table(
            ("TECHNIQUE", "EFFORT", "ATT&CK", "WHAT THE ATTACKER DOES"),
            [
                (
                    item.id,
                    item.effort,
                    " ".join(item.mitre),
                    f"{item.title.rstrip(',')} ({_or(item.source)} {out.arrow} {_or(item.target)})",
                )
                for item in chosen
            ],
        )
        return
    item = chosen[0]
    out.line((f"{item.id}  {item.title.rstrip(',')}", "strong"))
    out.fold(item.description.split(" "))
    out.line()
    for label, value in (
        ("from", ", ".join(item.source)),
        ("to", ", ".join(item.target)),
        ("effort", f"{item.effort} ({_reason(item)})"),
        ("ATT&CK", ", ".join(item.mitre) or "none"),
        ("reads", ", ".join(sorted(item.reads)) or "nothing"),
        ("fixes", ", ".join(item.fixes) or "none"),
        ("references", ", ".join(item.references) or "none"),
    ):
        words = value.split(" ")
        out.fold([(f"{label:<11}", "muted"), *words], indent=2, hang=14)
