"""Printing to a terminal or a file with ``rich``, without markup ever being read from data."""

from __future__ import annotations

import os
import sys

from rich.console import Console
from rich.text import Text

from workbench.text import shown

SEVERITY_STYLES = {"critical": "bold red", "high": "red", "medium": "yellow", "low": "blue"}
SEVERITY_BARS = {"critical": "▂▄▆█", "high": "▂▄▆ ", "medium": "▂▄  ", "low": "▂   "}


def console() -> Console:
    """A console on standard output; wide when it is not a terminal, so that nothing is cut."""
    width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else 200
    return Console(
        file=sys.stdout, width=width, markup=False, highlight=False, emoji=False, soft_wrap=not sys.stdout.isatty()
    )


def text(value: object, style: str = "") -> Text:
    """A value from outside as text that nothing interprets."""
    return Text(shown(value), style=style)


def value_text(value: object, default: object = None) -> str:
    """The value of an evidence, as YAML would write it in one line."""
    if value is None:
        return "absent" if default is None else f"absent, which means {value_text(default)}"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (dict, list)):
        import json

        return shown(json.dumps(value, sort_keys=True, ensure_ascii=False))
    return shown(value)
