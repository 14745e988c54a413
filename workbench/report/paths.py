"""Attack paths on paper: JSON, CSV, Markdown, and a table that reads like a story."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

from workbench.report.documents import document
from workbench.report.tables import SEVERITY_BARS, SEVERITY_STYLES, console, text, value_text
from workbench.text import shown

if TYPE_CHECKING:
    from workbench.analysis.paths import Path, PathStep
    from workbench.engine import Audit, PathReport
    from workbench.inventory.evidence import Evidence


def step_dict(audit: Audit, step: PathStep) -> dict[str, Any]:
    """One step with its evidence."""
    return {
        "source": step.source,
        "target": step.target,
        "technique": step.technique,
        "title": step.title,
        "effort": step.effort,
        "verdict": step.verdict,
        "missing": list(step.missing),
        "facts": [{"fact": fact, "object": about} for fact, about in step.facts],
        "evidence": [evidence.as_dict() for evidence in audit.evidence(step)],
    }


def path_dict(audit: Audit, path: Path) -> dict[str, Any]:
    """One path with its steps."""
    return {
        "id": path.id,
        "source": path.source,
        "target": path.target,
        "effort": path.effort,
        "risk": path.risk,
        "severity": path.severity,
        "verdict": path.verdict,
        "missing": list(path.missing),
        "count": path.count,
        "steps": [step_dict(audit, step) for step in path.steps],
    }


def as_json(audit: Audit, report: PathReport, *, explain: bool = False) -> str:
    """The document of ``paths -o json``."""
    content: dict[str, Any] = {
        "paths": [path_dict(audit, path) for path in report.paths],
        "summary": {
            "entry_points": report.entry_points,
            "crown_jewels": report.crown_jewels,
            "pairs_with_a_path": report.pairs_with_a_path,
        },
        "coverage": [gap.as_dict() for gap in audit.coverage],
    }
    if explain:
        content["blocked"] = [
            {"source": edge.source, "target": edge.target, "technique": edge.technique, "mitigation": edge.mitigation}
            for edge in audit.blocked()
        ]
    return document("paths", **content)


def as_csv(report: PathReport) -> str:
    """One line a path; a cell never begins with what a spreadsheet takes for a formula."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["id", "severity", "risk", "source", "target", "steps", "effort", "verdict", "missing", "count"])
    for path in report.paths:
        writer.writerow(
            _cell(value)
            for value in (
                path.id,
                path.severity,
                path.risk,
                path.source,
                path.target,
                " > ".join([path.source, *(step.target for step in path.steps)]),
                path.effort,
                path.verdict,
                " ".join(path.missing),
                path.count,
            )
        )
    return out.getvalue()


def _cell(value: object) -> str:
    safe = shown(value, 4096)
    return "'" + safe if safe[:1] in ("=", "+", "-", "@") else safe


def as_markdown(audit: Audit, report: PathReport, *, explain: bool = False) -> str:
    """A page with one section a path."""
    lines = [f"# Attack paths: {_md(audit.title)}", "", _summary(audit, report), ""]
    for number, path in enumerate(report.paths, 1):
        lines += [
            f"## {number}. {path.severity.upper()} {path.risk}: {_md(path.source)} to {_md(path.target)}",
            "",
            f"Effort {path.effort}, {_verdict(path)}{_count(path)}. `{path.id}`",
            "",
        ]
        for at, step in enumerate(path.steps, 1):
            lines.append(f"{at}. {_md(step.source)} **{_md(step.title)}** ({step.technique}) {_md(step.target)}")
            lines += [f"    - {_md(_evidence_line(evidence))}" for evidence in audit.evidence(step)]
        lines.append("")
    if explain:
        lines += ["## What is blocked", ""]
        lines += [
            f"- {_md(edge.source)} to {_md(edge.target)} ({edge.technique}): {_md(edge.mitigation)}"
            for edge in audit.blocked()
        ]
    return "\n".join(lines).rstrip() + "\n"


_MARKDOWN = str.maketrans({char: f"\\{char}" for char in "\\`*_{}[]<>#|!&"})


def _md(value: object) -> str:
    return shown(value).translate(_MARKDOWN)


def _verdict(path: Path | PathStep) -> str:
    return "certain" if path.verdict == "on" else "conditional: " + ", ".join(path.missing)


def _count(path: Path) -> str:
    return f", {path.count} replicas" if path.count > 1 else ""


def _evidence_line(evidence: Evidence) -> str:
    where = ""
    if evidence.file:
        where = f"  ({evidence.file}" + (f":{evidence.line}" if evidence.line else "") + ")"
    elif evidence.builtin:
        where = "  (built into Kubernetes)"
    field = f" {evidence.field}" if evidence.field else ""
    value = f" = {value_text(evidence.value, evidence.default)}" if evidence.field else ""
    return f"{evidence.object}{field}{value}{where}"


def _summary(audit: Audit, report: PathReport) -> str:
    if report.total:
        severities = ", ".join(f"{count} {severity}" for severity, count in report.severities.items() if count)
        shown_part = f", {len(report.paths)} shown" if len(report.paths) < report.total else ""
        return (
            f"{report.total} paths ({severities}){shown_part}, from {report.entry_points} entry points "
            f"to {report.crown_jewels} crown jewels."
        )
    checked = ", ".join(f"{count:,} {what}" for what, count in audit.checked())
    unread = f" What could not be read: {len(audit.coverage)} kinds." if audit.coverage else ""
    return (
        f"No path from {report.entry_points} entry points to {report.crown_jewels} crown jewels. "
        f"Checked: {checked}.{unread}"
    )


def print_table(audit: Audit, report: PathReport, *, explain: bool = False) -> None:
    """Print the paths for people: each with all its steps and what proves them."""
    out = console()
    for number, path in enumerate(report.paths, 1):
        head = text(f"{number:>3}  ")
        severity = f"{SEVERITY_BARS[path.severity]} {path.severity.upper():<8} {path.risk:>4}  "
        head.append(severity, SEVERITY_STYLES[path.severity])
        head.append_text(text(f"{path.source} → {path.target}", "bold"))
        out.print(head)
        out.print(
            text(
                f"     {len(path.steps)} steps, effort {path.effort}, {_verdict(path)}{_count(path)}  {path.id}", "dim"
            )
        )
        for at, step in enumerate(path.steps, 1):
            line = text(f"     {at}. {step.title}")
            line.append(f"  {step.technique}", "cyan")
            line.append(" → ")
            line.append_text(text(step.target, "bold"))
            if step.missing:
                line.append_text(text("  if " + ", ".join(step.missing), "yellow"))
            out.print(line)
            for evidence in audit.evidence(step):
                out.print(text(f"          {_evidence_line(evidence)}", "dim"))
        out.print()
    out.print(text(_summary(audit, report)))
    if explain:
        for edge in audit.blocked():
            out.print(text(f"blocked  {edge.technique}  {edge.source} → {edge.target}: {edge.mitigation}"))
