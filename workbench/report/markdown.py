"""Markdown in which text from outside stays what it is."""

from __future__ import annotations

import re

from workbench.text import shown


def code(value: object) -> str:
    """A text as a code span: no markup, HTML, link, mention or footnote in it is read.

    The fence is longer than any run of backticks inside (CommonMark, Code spans).
    """
    text = shown(value, 4096) or " "
    fence = "`" * (max((len(run) for run in re.findall("`+", text)), default=0) + 1)
    # One space on each side is taken away again, unless there is nothing else.
    pad = " " if text.strip(" ") and (text[0] in "` " or text[-1] in "` ") else ""
    return f"{fence}{pad}{text}{pad}{fence}"
