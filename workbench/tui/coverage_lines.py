"""The coverage sheet as lines of spans. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from workbench.tui.lines import BLANK
from workbench.tui.text import Spans, count, shown, span, width

if TYPE_CHECKING:
    from workbench.analysis.coverage import Weakness

NAMESPACE = 20
TECHNIQUES = 6
"""How many techniques of a gap are named."""

FULL = "everything that the source holds was read"


def coverage_lines(
    found: Sequence[Weakness], notes: Sequence[str], roles: str, limits: Sequence[str] = ()
) -> list[Spans]:
    """What was asked and answered, what it weakens, and the rights that would close it.

    Args:
        found: The gaps.
        notes: What else is to be known of the source.
        roles: The roles that would close the refusals, as YAML; empty if there is none.
        limits: What no technique looks at, whatever the source holds.
    """
    out: list[Spans] = []
    if found:
        wide = max(len("RESOURCE"), *(width(_resource(one)) for one in found)) + 1
        head = f"{'VERB':<6}{'RESOURCE':<{wide}}{'NAMESPACE':<{NAMESPACE}}STATUS"
        out.append(((head, "heading"),))
        for one in found:
            out += _gap_lines(one, wide)
    else:
        out.append((("FULL", "added"), (f"  {FULL}", "")))
    if notes:
        out += [BLANK, *((span(note, "muted", 2048),) for note in notes)]
    if roles:
        out += [BLANK, (("the rights that would close the refusals, to be applied by who holds them:", "heading"),)]
        out += [((shown(line, 4096), ""),) for line in roles.splitlines()]
    if limits:
        out += [BLANK, (("This version does not look at", "heading"),)]
        out += [(("  ", ""), span(limit, "", 2048)) for limit in limits]
    return out


def _resource(one: Weakness) -> str:
    return one.resource or shown(one.gap.kind)


def _gap_lines(one: Weakness, wide: int) -> list[Spans]:
    gap = one.gap
    resource = _resource(one)
    verb = "list" if one.resource else ""
    status = " ".join(part for part in (str(one.status or ""), str(gap.problem)) if part)
    lines: list[Spans] = [
        (
            (f"{verb:<6}", "muted"),
            (resource + " " * (wide - width(resource)), "strong"),
            (f"{shown(gap.namespace or 'all', NAMESPACE - 1):<{NAMESPACE - 1}} ", ""),
            (status, "warning"),
            (f"  ×{gap.count:,}" if gap.count > 1 else "", "muted"),
        ),
        (("      ", ""), span(one.conclusion)),
    ]
    if one.techniques:
        named = ", ".join(one.techniques[:TECHNIQUES])
        more = f" and {len(one.techniques) - TECHNIQUES} more" if len(one.techniques) > TECHNIQUES else ""
        lines.append((("      ", ""), (f"weakens {count(len(one.techniques), 'technique')}: {named}{more}", "muted")))
    if gap.detail:
        lines.append((("      ", ""), span(gap.detail, "muted", 2048)))
    return lines
