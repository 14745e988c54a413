"""Folding and tables: no width loses a character, and no text from outside is interpreted."""

from __future__ import annotations

import re

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from workbench.report.tables import Output, count
from workbench.text import shown

WORDS = st.text(st.sampled_from("ab:=/ {}[],\u4e2d\u0301\U0001f600\x1b\u202e\n"), min_size=1, max_size=60)


def packed(text: str) -> str:
    return re.sub(r"\s", "", text)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    pieces=st.lists(WORDS, min_size=1, max_size=6),
    width=st.one_of(st.none(), st.integers(24, 120)),
    indent=st.integers(0, 8),
    hang=st.integers(0, 12),
)
@example(pieces=["::\x1b\u202e\u202e\u202e"], width=24, indent=1, hang=0)
def test_folding_keeps_every_character_and_the_width(
    pieces: list[str], width: int | None, indent: int, hang: int, capsys: pytest.CaptureFixture[str]
) -> None:
    out = Output()
    out.width = width
    capsys.readouterr()
    out.fold(pieces, indent=indent, hang=hang)
    text = capsys.readouterr().out
    lines = text.splitlines()
    assert packed(text) == packed("".join(shown(piece, 9999) for piece in pieces))
    assert all(line == line.rstrip(" ") for line in lines)
    if width is None:
        assert len(lines) <= 1
    else:
        assert all(cell_len(line) <= width for line in lines)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.tuples(WORDS, WORDS, WORDS), min_size=1, max_size=5), width=st.integers(40, 160))
def test_a_table_keeps_every_character_and_the_width(
    rows: list[tuple[str, str, str]], width: int, capsys: pytest.CaptureFixture[str]
) -> None:
    out = Output()
    out.width = width
    capsys.readouterr()
    out.table(("A", "B", "C"), rows)
    text = capsys.readouterr().out
    assert all(cell_len(line) <= width for line in text.splitlines())
    for row in rows:
        for cell in row:
            for word in shown(cell, 9999).split():
                assert all(char in text for char in word)


@pytest.mark.parametrize(
    ("width", "expected"),
    [
        (
            None,
            "ID     SIZE  WHAT IT DOES\n"
            "alpha    12  one two three four five six seven eight nine ten\n"
            "b         3  short\n",
        ),
        (
            56,
            "ID     SIZE  WHAT IT DOES\n"
            "alpha    12  one two three four five six seven eight\n"
            "             nine ten\n"
            "b         3  short\n",
        ),
        (
            40,
            "ID     SIZE\n"
            "alpha    12\n"
            "    one two three four five six seven\n"
            "    eight nine ten\n"
            "b         3\n"
            "    short\n",
        ),
    ],
)
def test_a_table_by_width(width: int | None, expected: str, capsys: pytest.CaptureFixture[str]) -> None:
    out = Output()
    out.width = width
    rows = [("alpha", 12, "one two three four five six seven eight nine ten"), ("b", 3, "short")]
    out.table(("ID", "SIZE", "WHAT IT DOES"), rows)
    assert capsys.readouterr().out == expected


def test_a_table_too_wide_for_its_columns_becomes_blocks(capsys: pytest.CaptureFixture[str]) -> None:
    out = Output()
    out.width = 40
    out.table(("SUBJECT", "THROUGH", "ONLY"), [("S" * 30, "T" * 50, ""), ("s", "t", "one")])
    assert capsys.readouterr().out == (
        f"{'S' * 30}\n  through  {'T' * 29}\n           {'T' * 21}\ns\n  through  t\n  only     one\n"
    )


def test_an_empty_table_has_its_titles(capsys: pytest.CaptureFixture[str]) -> None:
    Output().table(("A", "B"), [])
    assert capsys.readouterr().out == "A  B\n"


def test_markup_is_text(capsys: pytest.CaptureFixture[str]) -> None:
    out = Output()
    out.line("[bold]a[/] :smile: ", ("\x1b[31mred", "critical"), "  ")
    assert capsys.readouterr().out == "[bold]a[/] :smile: \\x1b[31mred\n"


@pytest.mark.parametrize(("number", "text"), [(0, "0 paths"), (1, "1 path"), (2, "2 paths"), (1204, "1,204 paths")])
def test_count(number: int, text: str) -> None:
    assert count(number, "path") == text
    assert count(number, "fix", "fixes") == text.replace("paths", "fixes").replace("path", "fix")
