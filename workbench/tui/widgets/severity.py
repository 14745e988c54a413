"""How severities look: a bar and a word, never colour alone."""

from __future__ import annotations

from workbench.tui.text import Span

BARS = {"critical": "▂▄▆█", "high": "▂▄▆ ", "medium": "▂▄  ", "low": "▂   "}
WORDS = {"critical": "CRIT", "high": "HIGH", "medium": "MED ", "low": "LOW "}
SEVERITIES = ("critical", "high", "medium", "low")


def severity_span(severity: str) -> Span:
    """The bar and the word."""
    return (f"{BARS.get(severity, '    ')} {WORDS.get(severity, severity)}", severity if severity in BARS else "")
