"""Durations as kubectl takes them."""

from __future__ import annotations

import pytest

from workbench.errors import UsageError
from workbench.kube.durations import parse_timeout


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30", 30), ("0", 0), ("3s", 3), ("1m", 60), ("1m30s", 90), ("1.5h", 5400), ("500ms", 0.5), (".5s", 0.5)],
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_timeout(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "s", "3 s", "3x", "-3s", "3s4", "1,5s", "\x1b", "٣s"])
def test_no_durations(text: str) -> None:
    with pytest.raises(UsageError, match="no duration; write it as 30, 3s or 1m"):
        parse_timeout(text)
