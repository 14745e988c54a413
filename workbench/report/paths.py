"""Attack paths on paper: JSON, CSV, Markdown, and a table that reads like a story."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

from workbench.report.cells import cell
from workbench.report.documents import dumps, parts
from workbench.report.markdown import code
from workbench.report.tables import Output, Piece, count
from workbench.report.values import value_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from workbench.analysis.blocked import Blocking
    from workbench.analysis.paths import Path, PathStep
    from workbench.engine import Audit, PathReport
    from workbench.inventory.evidence import Evidence

_BLOCKED = 50
"""How many blocked steps people are shown; JSON has all."""


# --- JSON -------------------------------------------------------------------------------------------


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


def _paths(audit: Audit, paths: Iterable[Path]) -> Iterator[str]:
    """The JSON of each path; of steps, which many paths share, it is made once."""
    known: dict[PathStep, str] = {}
    for path in paths:
        steps: list[str] = []
        for step in path.steps:
            text = known.get(step)
            if text is None:
                text = known[step] = dumps(step_dict(audit, step))
            steps.append(text)
        own = dumps(
            {
                "id": path.id,
                "source": path.source,
                "target": path.target,
                "effort": path.effort,
                "risk": path.risk,
                "severity": path.severity,
                "verdict": path.verdict,
                "missing": list(path.missing),
                "count": path.count,
            }
        )
        yield f'{own[:-1]}, "steps": [{", ".join(steps)}]}}'


def as_json(audit: Audit, report: PathReport, blocked: Sequence[Blocking] | None = None) -> Iterator[str]:
    """The document of ``paths -o json``, piece by piece: of a large cluster it is over a gigabyte.

    Args:
        audit: The loaded source.
        report: The paths.
        blocked: What ``--explain`` adds, ``None`` without it.
    """
    content: dict[str, Any] = {
        "paths": _paths(audit, report.paths),
        "summary": {
            "entry_points": report.entry_points,
            "crown_jewels": report.crown_jewels,
            "pairs_with_a_path": report.pairs_with_a_path,
        },
        "coverage": [gap.as_dict() for gap in audit.coverage],
        "not_analysed": audit.limits,
    }
    if blocked is not None:
        content["blocked"] = [
            {
                "source": item.edge.source,
                "target": item.edge.target,
                "technique": item.edge.technique,
                "mitigation": item.edge.mitigation,
                "pairs": item.pairs,
                "examples": [{"source": source, "target": target} for source, target in item.examples],
            }
            for item in blocked
        ]
    return parts("paths", **content)


# --- CSV --------------------------------------------------------------------------------------------


def as_csv(report: PathReport) -> str:
    """One line a path; nothing in it is what a spreadsheet takes for a formula."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["id", "severity", "risk", "source", "target", "steps", "effort", "verdict", "missing", "count"])
    for path in report.paths:
        writer.writerow(
            cell(value)
            for value in (
                path.id,
                path.severity,
                path.risk,
                path.source,
                path.target,
                " > ".join(path.nodes),
                path.effort,
                path.verdict,
                " ".join(path.missing),
                path.count,
            )
        )
    return out.getvalue()


# --- Markdown ---------------------------------------------------------------------------------------


def as_markdown(audit: Audit, report: PathReport, blocked: Sequence[Blocking] | None = None) -> str:
    """A page with one section a path; everything from outside stands in code, where nothing is interpreted."""
    lines = [f"# Attack paths: {code(audit.title)}", "", *_summary(audit, report), ""]
    for number, path in enumerate(report.paths, 1):
        lines += [
            f"## {number}. {path.severity.upper()} {path.risk}: {code(path.source)} to {code(path.target)}",
            "",
            f"{_facts(path)}, {code(path.id)}",
            "",
        ]
        for at, step in enumerate(path.steps, 1):
            lines.append(f"{at}. **{step.title}** {code(step.target)} ({step.technique})")
            lines += [f"    - assumes {code(fact)} of {code(about)}" for fact, about in step.facts]
            lines += [f"    - {code(' '.join(_proof(evidence)))}" for evidence in audit.evidence(step)]
        lines.append("")
    if blocked is not None:
        lines += ["## What is blocked", "", _blocked_summary(blocked), ""]
        lines += [
            f"- {code(item.edge.source)} to {code(item.edge.target)} ({item.edge.technique}, "
            f"{count(item.pairs, 'pair')}): {code(item.edge.mitigation)}"
            for item in blocked[:_BLOCKED]
        ]
    return "\n".join(lines).rstrip() + "\n"


# --- text -------------------------------------------------------------------------------------------


def print_table(audit: Audit, report: PathReport, blocked: Sequence[Blocking] | None = None) -> None:
    """Print the paths for people: each with all its steps and what proves them."""
    out = Output()
    for number, path in enumerate(report.paths, 1):
        severity = f"{out.bar(path.severity)} {path.severity.upper():<8} {path.risk:>4} "
        head: list[Piece] = [f"{number:>3} ", (severity, path.severity)]
        out.fold([*head, (path.source, "strong"), (f"{out.arrow} {path.target}", "strong")], hang=5)
        out.fold([(_facts(path), "muted"), (path.id, "muted")], indent=5, hang=5, gap="  ")
        for at, step in enumerate(path.steps, 1):
            out.fold(
                [f"{at}. {step.title}", (step.target, "strong"), (f" {step.technique}", "technique")], indent=5, hang=8
            )
            for fact, about in step.facts:
                out.fold([("assumes", "assumed"), (f"{fact} of {about}", "assumed")], indent=8, hang=10)
            for evidence in audit.evidence(step):
                out.fold([(part, "muted") for part in _proof(evidence)], indent=8, hang=10)
        out.line()
    for sentence in _summary(audit, report):
        out.fold(sentence.split(" "))
    if blocked is not None:
        out.line()
        out.fold(_blocked_summary(blocked).split(" "))
        for item in blocked[:_BLOCKED]:
            out.line()
            out.fold([(item.edge.source, "strong"), (f"{out.arrow} {item.edge.target}", "strong")], indent=2, hang=4)
            out.fold(
                [f"is blocked: {item.edge.mitigation}", (f" {item.edge.technique}", "technique")], indent=4, hang=6
            )
            examples = [f"{source} {out.arrow} {target}" for source, target in item.examples]
            more = item.pairs - len(examples)
            out.fold(
                [(f"{part}{';' if at < len(examples) else ''}", "muted") for at, part in enumerate(examples, 1)]
                + [(f"and {more:,} more", "muted")] * bool(more),
                indent=4,
                hang=6,
            )


def _facts(path: Path) -> str:
    verdict = "certain" if path.verdict == "on" else "conditional: " + ", ".join(path.missing)
    replicas = f", {path.count} replicas" if path.count > 1 else ""
    return f"{count(len(path.steps), 'step')}, effort {path.effort}, {verdict}{replicas}"


def _proof(evidence: Evidence) -> list[str]:
    """Object, field, value, place: the pieces that a line breaks between."""
    out = [evidence.object]
    if evidence.field:
        out += [evidence.field, f"= {value_text(evidence.value, evidence.default)}"]
    if evidence.file:
        out.append(f"({evidence.file}:{evidence.line})" if evidence.line else f"({evidence.file})")
    elif evidence.builtin:
        out.append("(built into Kubernetes)")
    return out


def _summary(audit: Audit, report: PathReport) -> list[str]:
    ends = f"from {count(report.entry_points, 'entry point')} to {count(report.crown_jewels, 'crown jewel')}"
    unread = [f"Not everything was read: see {count(len(audit.coverage), 'gap')} on standard error, or in -o json."]
    unread *= bool(audit.coverage)
    if report.total:
        severities = ", ".join(f"{number} {severity}" for severity, number in report.severities.items() if number)
        hidden = report.total - len(report.paths)
        more = [f"{hidden:,} of them not shown: --limit {report.total} shows all, and so does -o json or csv."]
        return [
            f"{count(report.total, 'path')} ({severities}) {ends}.",
            *more * bool(hidden),
            *unread,
            "What this version does not look at: workbench techniques.",
        ]
    checked = ", ".join(count(number, what.removesuffix("s"), what) for what, number in audit.checked())
    limits = f"Not looked at by this version: {'; '.join(audit.limits)}."
    return [f"No path {ends}.", f"Checked: {checked}.", limits, *unread]


def _blocked_summary(blocked: Sequence[Blocking]) -> str:
    if not blocked:
        return "No mitigation alone stands between an entry point and a crown jewel that have no path."
    first = f", the first {_BLOCKED} of them here, all in -o json" if len(blocked) > _BLOCKED else ""
    return (
        f"{count(len(blocked), 'blocked step')} would each open a path between an entry point and a crown jewel "
        f"that have none{first}:"
    )
