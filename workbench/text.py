"""Text from outside made safe to show.

Names, labels, references and report texts may hold terminal control sequences, or characters that turn the
reading direction around. :func:`shown` makes them visible escapes; every face uses it for every such text.
"""

from __future__ import annotations

import re

LIMIT = 512
"""Where a shown text is cut, in characters."""

_HOSTILE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202f"
    "\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffc\ufffe\uffff\ud800-\udfff"
    "\U00013430-\U0001345f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
"""C0, C1, DEL, bidirectional and other format controls, invisible characters, lone surrogates, no characters at all."""


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def shown(text: object, limit: int = LIMIT) -> str:
    """One line of text that a terminal does not interpret.

    Args:
        text: Anything; it is turned into text first.
        limit: The length at which it is cut, with an ellipsis.
    """
    out = _HOSTILE.sub(_escape, text if isinstance(text, str) else str(text))
    return out if len(out) <= limit else out[: max(0, limit - 1)] + "…"


def shown_lines(text: str, limit: int = LIMIT) -> list[str]:
    """Several lines, each safe to show; tabs become spaces."""
    return [shown(line.expandtabs(4), limit) for line in text.splitlines()]
