"""What panes show, as lines of spans: evidence, techniques, YAML, what-if, diffs. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING

from workbench.graph import nodes
from workbench.tui.names import short, tagged, value_of
from workbench.tui.text import Spans, count, shown, span, wrapped
from workbench.tui.widgets.severity import SEVERITIES, severity_span

if TYPE_CHECKING:
    from workbench.analysis.paths import PathStep
    from workbench.engine import Document, Preview, WhatIfReport
    from workbench.inventory.evidence import Evidence, Gap
    from workbench.remediation.records import Fix
    from workbench.techniques.api import Declaration

BLANK: Spans = (("", ""),)

TABLE_LABEL = 46


def verdict_text(step: PathStep) -> str:
    """``certain``, or what is assumed."""
    return f"assumed: {', '.join(step.missing)}" if step.missing else "verdict: certain"


def place(evidence: Evidence) -> str:
    """Where an evidence stands: ``cart.yaml:12``."""
    if evidence.file and evidence.line:
        return f"{evidence.file}:{evidence.line}"
    return evidence.file or ""


def evidence_lines(evidence: Sequence[Evidence], step: PathStep) -> list[Spans]:
    """Object, field, value and place; the lines that prove the step are marked ``>``."""
    out: list[Spans] = []
    last = None
    for one in evidence:
        if one.object != last:
            if out:
                out.append(BLANK)
            out.append((span(one.object, "strong"), ("   built into Kubernetes" if one.builtin else "", "muted")))
            last = one.object
        if one.field:
            out.append(
                (
                    ("> ", "proof"),
                    span(one.field, "", 1024),
                    (" = ", "muted"),
                    (value_of(one.value, one.default), "proof"),
                    (f"   {shown(place(one))}", "muted"),
                )
            )
        else:
            out.append((("> ", "proof"), ("the object exists", ""), (f"   {shown(place(one))}", "muted")))
    if not out:
        out.append((("nothing in the objects has to hold for this step", "muted"),))
    for fact, about in step.facts:
        out += [BLANK, (("? ", "warning"), (f"{shown(fact)} is not known", "warning"), (f" about {shown(about)}", ""))]
    return out


def technique_lines(declaration: Declaration, step: PathStep) -> list[Spans]:
    """What the attacker does, and where the rule comes from."""
    out: list[Spans] = [
        (span(declaration.id, "strong"), ("  ", ""), span(declaration.title)),
        (span(declaration.description, "", 4096),),
        BLANK,
        (("effort  ", "muted"), (str(step.effort), "")),
        (("verdict ", "muted"), span(verdict_text(step), "warning" if step.missing else "")),
    ]
    if declaration.mitre:
        out.append((("ATT&CK  ", "muted"), span(", ".join(declaration.mitre))))
    if declaration.fixes:
        out.append((("fixes   ", "muted"), span(", ".join(declaration.fixes))))
    out += [(("see     ", "muted"), span(reference, "", 2048)) for reference in declaration.references]
    return out


def yaml_lines(documents: Sequence[Document], proving: Mapping[str, AbstractSet[int]]) -> tuple[list[Spans], int]:
    """The objects' text with the proving lines marked, and the first of them.

    Args:
        documents: The objects.
        proving: The lines (from 0) that prove the step, by object.

    Returns:
        The lines, and the position of the first proving one.
    """
    out: list[Spans] = []
    first: int | None = None
    for document in documents:
        marked = proving.get(document.object, frozenset())
        if out:
            out.append(BLANK)
        out.append((span(document.title, "heading"), ("  ", ""), span(document.object, "muted")))
        for at, text in enumerate(document.text.splitlines()):
            number = f"{at + document.first_line:>5} "
            if at in marked:
                first = len(out) if first is None else first
                out.append((("> ", "proof"), (number, "muted"), (shown(text.expandtabs(4)), "proof")))
            else:
                out.append((("  ", ""), (number, "muted"), (shown(text.expandtabs(4)), "")))
    if not out:
        out.append((("no text of these objects is kept: Kubernetes' own, or only referred to", "muted"),))
    return out, first or 0


def node_lines(node: str, rows: Sequence[tuple[str, str]]) -> list[Spans]:
    """A node beside the path: label and value rows."""
    widest = max((len(label) for label, _ in rows), default=0)
    return [
        ((tagged(node), "strong"),),
        BLANK,
        *(((f"{shown(label):<{widest}}  ", "muted"), span(value)) for label, value in rows),
    ]


def status_text(fix: Fix) -> str:
    """The status and its reason, which may begin with the same word."""
    status, reason = str(fix.status), shown(fix.reason)
    return reason if reason.startswith(status) else f"{status}: {reason}" if reason else status


def cuts_text(fix: Fix) -> str:
    """How many paths it cuts, and how many of the worst ones it makes go another way."""
    return f"cuts {fix.paths_cut}" + (f", reroutes {fix.reroutes}" if fix.reroutes else "")


def fix_lines(fix: Fix, cells: int, *, number: int = 0, staged: bool, recommended: bool = False) -> list[Spans]:
    """What it is, in as many lines as it takes, and what it cuts and risks.

    Args:
        fix: The fix.
        cells: The width.
        number: Its number in the basket, if it is listed there.
        staged: Whether it is staged.
        recommended: Whether it cuts most per risk.
    """
    box = "[x]" if staged else "[ ]"
    shown_number = f"{number} " if number else ""
    second: Spans = (
        (f"    {shown(fix.fix)}  {cuts_text(fix)}  risk {fix.risk.level}", "muted"),
        ("  recommended" if recommended else "", "proof"),
    )
    if str(fix.status) != "ready":
        second = (*second, (f"  {status_text(fix)}", "warning"))
    elif str(fix.effect) != "none":
        second = (*second, (f"  {fix.effect}", "muted"))
    first: Spans = ((f"{box} ", "added" if staged else ""), (shown_number, "muted"), span(fix.title, "strong"))
    return [*wrapped(first, cells, 4 + len(shown_number)), *wrapped(second, cells, 4)]


def what_if_lines(report: WhatIfReport, numbers: Mapping[str, int]) -> list[Spans]:
    """Before and after, what is cut, what stays, what opens.

    Args:
        report: What the basket leads to.
        numbers: The number of each fix of the list beside it, by id.
    """
    out: list[Spans] = [((f"  {'':<{TABLE_LABEL}}{'before':>8}{'after':>8}", "muted"),)]
    severities = [(f"{name} paths", *both) for name, both in report.severities.items() if any(both)]
    for label, before, after in (*severities, *report.rows):
        change = after - before
        text = f"{change:+,d}" if change else "="
        out.append(
            (
                (f"  {shown(label, TABLE_LABEL - 1):<{TABLE_LABEL}}{before:>8,}{after:>8,}", ""),
                (f"{text:>7}", "added" if change < 0 else "removed" if change else "muted"),
            )
        )
    out.append(BLANK)
    for path in report.opened:
        out.append(
            (
                ("  NEW   ", "removed"),
                severity_span(path.severity),
                (f"  {short(path.source)} -> {short(path.target)}", ""),
            )
        )
    for path, by in report.cut:
        fixes = ", ".join(f"fix {numbers[one]}" for one in by if one in numbers)
        out.append(
            (
                ("  CUT   ", "added"),
                severity_span(path.severity),
                (f"  {short(path.source)} -> {short(path.target)}", ""),
                (f"   by {fixes}" if fixes else "", "muted"),
            )
        )
    for path, following in report.stays:
        fixes = ", ".join(f"fix {numbers[one]}" for one in following if one in numbers)
        out.append(
            (
                ("  STAYS ", "warning"),
                severity_span(path.severity),
                (f"  {short(path.source)} -> {short(path.target)}", ""),
                (f"   next: {fixes}" if fixes else "", "muted"),
            )
        )
    return out


def risk_lines(fixes: Sequence[Fix]) -> list[Spans]:
    """What staged fixes may break."""
    out: list[Spans] = []
    for number, fix in enumerate(fixes, 1):
        reasons = [*fix.risk.reasons, *fix.notes] or ["no reason known"]
        out.append(((f"  ! fix {number}: risk {fix.risk.level}", "warning"), (f", effect {fix.effect}", "muted")))
        out += [(("      ", ""), span(reason)) for reason in reasons]
        if fix.managed_by:
            out.append(
                (
                    ("      ", ""),
                    span(f"managed by {', '.join(fix.managed_by)}: the change has to be made there to last"),
                )
            )
    return [BLANK, (("  Side effects", "heading"),), *out] if out else []


def diff_lines(previews: Sequence[Preview]) -> list[Spans]:
    """The diffs, each line with its sign."""
    looks = {"+": "added", "-": "removed"}
    out: list[Spans] = []
    for preview in previews:
        if out:
            out.append(BLANK)
        out.append((span(preview.title, "heading"),))
        for written, text in preview.diff:
            if written == "@":
                out.append((("  …", "muted"),))
                continue
            sign = written.strip() or " "
            out.append(((f"{sign} ", looks.get(sign, "")), (shown(text.expandtabs(4)), looks.get(sign, ""))))
    return out


def gap_lines(gaps: Sequence[Gap]) -> list[Spans]:
    """What could not be read."""
    if not gaps:
        return [(("FULL", "added"), ("  everything that the source holds was read", ""))]
    out: list[Spans] = []
    for gap in gaps:
        where = f" in {gap.namespace}" if gap.namespace else ""
        out.append(
            (
                (f"{gap.problem!s:<14}", "warning"),
                span(f"{gap.kind}{where}", "strong"),
                (f"  ×{gap.count}" if gap.count > 1 else "", "muted"),
            )
        )
        if gap.detail:
            out.append((("    ", ""), span(gap.detail, "muted", 2048)))
    return out


def empty_lines(checked: Sequence[tuple[str, int]], gaps: Sequence[Gap]) -> list[Spans]:
    """A hardened source: the good news, and how far it goes."""
    out: list[Spans] = [
        (("no path from any default start", "strong"), (", and these things were checked:", "")),
        # The engine names what it counts in the plural, always a regular one.
        *(((f"  {number:>8,}  ", "strong"), span(what[:-1] if number == 1 else what)) for what, number in checked),
    ]
    if gaps:
        out += [BLANK, ((f"{count(len(gaps), 'part')} could not be read: press !", "warning"),)]
    out += [BLANK, (("what this version does not look at: press !", "muted"),)]
    return out


def legend_lines() -> list[Spans]:
    """The glyphs of the screens."""
    tags = ", ".join(f"{tag} {kind}" for kind, tag in nodes.TAGS.items() if kind not in ("Internet", "ClusterAdmin"))
    return [
        (("◎ ", "path"), ("where the attacker starts", "")),
        (("★ ", "path"), ("what must not be lost", "")),
        (("┃ ", "path"), ("the objects prove the step", "")),
        (("┋ ", "path"), ("the step takes facts that the objects do not show; they are named after 'assumed'", "")),
        (("► ◄ ", "path"), ("a neighbour beside the path: the edge leads to it, or comes from it", "")),
        *((severity_span(severity), (f"  {severity}", "")) for severity in SEVERITIES),
        (("> ", "proof"), ("in evidence and YAML: a line that proves the step; elsewhere the cursor", "")),
        (("■ ", "high"), ("network: every pair may use every port", "")),
        (
            ("▣ ", "strong"),
            (
                "network: some; how many ports some pair may use, * for all; ? after it: more cannot be told",
                "",
            ),
        ),
        (("· ", "muted"), ("network: nothing is allowed", "")),
        (("? ", "warning"), ("network: it cannot be told; enter says why", "")),
        (("- + ~ ", "strong"), ("network: what is staged closes it, opens it, changes it otherwise", "")),
        ((f"NET internet, ADM cluster admin, WRK workload, {tags}", "muted"),),
    ]


CONCEPTS: tuple[tuple[str, str], ...] = (
    (
        "path",
        "how an attacker gets from where they can start (an entry) to what must not be lost (a goal), step by step",
    ),
    ("current step", "the edge that enters the node under the cursor; at the entry the one that leaves it"),
    ("evidence", "the object, the field and its value that prove a step; every step has it"),
    (
        "certain / assumed",
        "certain: the objects prove it; assumed: it also takes facts that no object shows, such as a vulnerability",
    ),
    ("stage", "put a fix into the basket; nothing is written, the effect is computed on the patched objects"),
    ("export", "write what is staged as patch files, each with its rollback and the command that applies it"),
    ("coverage", "FULL: all was read; PARTIAL: something could not be read, so that 'no path' is not proved"),
)
