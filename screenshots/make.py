"""Draw the pictures that the README shows, from the sample clusters: ``python screenshots/make.py``."""

from __future__ import annotations

import asyncio
import os
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path

from workbench.sources import SourceKind, SourceRequest
from workbench.tui.app import WorkbenchApp

HERE = Path(__file__).parent

PICTURES: dict[str, tuple[str, tuple[int, int], Sequence[str]]] = {
    "overview": ("shop", (120, 36), ()),
    "paths": ("shop", (120, 36), ("2", "enter", "down")),
    "left-to-right": (
        "shop",
        (160, 45),
        ("2", "down", "down", "down", "down", "enter", "down", "down", "vertical_line"),
    ),
    "resources": ("shop", (120, 36), ("3",)),
    "network": (
        "shop",
        (120, 36),
        ("6", "G", "dollar_sign", "space", "down", "down", "down", "right", "enter", "down", "down", "escape"),
    ),
    "fixes": ("shop", (120, 36), ("2", "enter", "down", "s", "7")),
    "paths-80x24": ("shop", (80, 24), ("2", "enter", "down")),
    "hardened": ("hardened", (120, 36), ("2",)),
}
"""For each picture the sample, the size, and the keys to press."""


async def draw(name: str, sample: str, size: tuple[int, int], keys: Sequence[str]) -> None:
    """Draw one picture."""
    app = WorkbenchApp(SourceRequest(SourceKind.SAMPLE, name=sample))
    async with app.run_test(size=size) as pilot:
        await _settled(app, pilot)
        for key in keys:
            await pilot.press(key)
            await _settled(app, pilot)
        app.clear_notifications()
        await pilot.pause()
        picture = app.export_screenshot(title="workbench", simplify=True)
    # The exporter numbers its style classes by a hash of the time; the picture shall be the same for the same screen.
    picture = re.sub(r"terminal-\d+", f"terminal-{name}", picture)
    (HERE / f"{name}.svg").write_text(picture, encoding="utf-8")


async def _settled(app: WorkbenchApp, pilot: object) -> None:
    for _ in range(2):
        await pilot.pause()  # type: ignore[attr-defined]
        await app.wait_for_jobs()
    await pilot.pause()  # type: ignore[attr-defined]


def main() -> None:
    """Draw all pictures, with a state directory of their own."""
    with tempfile.TemporaryDirectory() as state:
        os.environ.update(XDG_STATE_HOME=state, TEXTUAL_ANIMATIONS="none")
        os.environ.pop("NO_COLOR", None)
        for name, (sample, size, keys) in PICTURES.items():
            asyncio.run(draw(name, sample, size, keys))
            print(f"{name}.svg")


if __name__ == "__main__":
    main()
