"""What a terminal acts on, or hides, becomes visible."""

from __future__ import annotations

import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.text import shown, shown_lines

VISIBLE_FORMAT = {0x600, 0x601, 0x602, 0x603, 0x604, 0x605, 0x6DD, 0x70F, 0x890, 0x891, 0x8E2, 0x110BD, 0x110CD}
"""Signs of Arabic, Syriac and Kaithi numbers: called format characters, and seen."""


def test_every_control_format_and_separator_character_is_escaped() -> None:
    for code in range(sys.maxunicode + 1):
        if unicodedata.category(chr(code)) in ("Cc", "Cf", "Cs", "Zl", "Zp") and code not in VISIBLE_FORMAT:
            text = shown(chr(code))
            assert text.isascii(), hex(code)
            assert text.startswith("\\"), hex(code)
            assert int(text[2:], 16) == code


@pytest.mark.parametrize(
    "code", [0x34F, 0x115F, 0x1160, 0x17B4, 0x180B, 0x3164, 0xFE0F, 0xFFA0, 0xFFFE, 0xFFFF, 0xE01EF]
)
def test_invisible_characters_are_escaped(code: int) -> None:
    assert shown(chr(code)).isascii()


@pytest.mark.parametrize("text", ["web-1", "Zoë", "中文", "😀", "a b", "[bold]", "C:\\N", "\ufffd"])
def test_the_rest_stays(text: str) -> None:
    assert shown(text) == text


@given(st.text(st.characters(codec=None)), st.integers(1, 64))
def test_shown_twice_is_shown_once(text: str, limit: int) -> None:
    once = shown(text)
    assert shown(once) == once
    assert len(shown(text, limit)) <= limit
    once.encode("utf-8")


@pytest.mark.parametrize(("limit", "text"), [(5, "abcde"), (4, "abc…"), (1, "…"), (0, "…")])
def test_the_cut_is_marked(limit: int, text: str) -> None:
    assert shown("abcde", limit) == text


def test_lines() -> None:
    assert shown_lines("a\tb\n\x1bc\r\nd") == ["a   b", "\\x1bc", "d"]
