"""Cells of CSV that no spreadsheet takes for more than text."""

from __future__ import annotations

import re

from workbench.text import shown

_LONGEST = 4096
_FORMULA = re.compile(r"(^|;)(\s*)(?=[=+\-@\uff1d\uff0b\uff0d\uff20])")
"""What a spreadsheet takes for the beginning of a formula; a semicolon begins a cell where it separates them."""


def cell(value: object) -> str:
    """A value as text that is safe to show, and that begins no formula."""
    return _FORMULA.sub(r"\1\2'", shown(value, _LONGEST))
