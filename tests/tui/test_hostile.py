"""Names from a cluster are hostile text: what the driver writes must hold none of their control characters."""

from __future__ import annotations

import re

import pytest
from textual.drivers.headless_driver import HeadlessDriver

from tests.remediation import live as remote
from tests.tui import fake
from tests.tui.conftest import settled
from workbench.inventory.evidence import Gap, Problem
from workbench.kube.api import Endpoint
from workbench.sources import SourceKind, SourceRequest
from workbench.tui.app import WorkbenchApp
from workbench.tui.screens.dialogs import ExportDialog
from workbench.tui.text import shown

HOSTILE = "a\x1b]0;owned\x07b\x9b31mc\u202ed\u200be\x7ff\x00[bold red]g[/]\u2066h"
ESCAPES = ("\x1b]0;", "\x07", "\x9b", "\u202e", "\u200b", "\x7f", "\x00", "\u2066")

ALLOWED = re.compile(r"\x1b\]22;[a-z]*\x07|\x1b\[[0-9;?<>=]*[A-Za-z]|\x1b\[[0-9;]*\$p")
"""What Textual itself writes: the shape of the pointer, colour, cursor and modes."""


@pytest.mark.parametrize("size", [(80, 24), (120, 36), (220, 60)])
async def test_no_control_character_of_a_name_reaches_the_terminal(
    monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
) -> None:
    written: list[str] = []
    monkeypatch.setattr(HeadlessDriver, "write", lambda _self, data: written.append(data))
    # Textual paints nothing for a driver that says that nobody looks.
    monkeypatch.setattr(HeadlessDriver, "is_headless", property(lambda _self: False))
    monkeypatch.setattr(WorkbenchApp, "_take_signals", lambda _self: None)
    audit = fake.audit(
        web=HOSTILE,
        namespace="ns",
        objects=fake.network(HOSTILE, f"ns{HOSTILE}"),
        title=f"title {HOSTILE}",
        coverage=[Gap(f"Kind{HOSTILE}", f"ns{HOSTILE}", Problem.FORBIDDEN, 1, f"detail {HOSTILE}")],
        notes=[f"note {HOSTILE}"],
    )
    app = WorkbenchApp(SourceRequest(SourceKind.SAMPLE, name=HOSTILE), loader=fake.loader(audit))
    async with app.run_test(size=size, notifications=True) as pilot:
        await settled(pilot)
        keys = ["exclamation_mark", "escape", "2", "slash", *"web", "escape", "enter", "down", "down", "down", "s"]
        keys += ["enter", "greater_than_sign", "f", "y", "question_mark", "escape", "escape", "right", "7"]
        keys += [
            "3",
            "down",
            "greater_than_sign",
            "greater_than_sign",
            "greater_than_sign",
            "o",
            "escape",
            "tab",
            "tab",
        ]
        keys += ["6", "G", "dollar_sign", "space", "down", "down", "right", "right", "enter", "greater_than_sign"]
        keys += ["greater_than_sign", "escape", "d", "escape", "slash", *"b9", "escape"]
        keys += ["3", "escape", "p", "7", "down", "space", "enter", "tab", "x"]
        for key in keys:
            await pilot.press(key)
            await settled(pilot)
        assert isinstance(app.screen, ExportDialog)
        await pilot.press("escape")
        app.say(f"toast {HOSTILE}", "error")
        app.run_command(f"open {HOSTILE}")
        await settled(pilot)
        app.run_command(f"theme {HOSTILE}")
        await settled(pilot)
    # The bell is a write of its own.
    text = "".join(data for data in written if data != "\x07")
    assert shown(HOSTILE)[:12] in text, "the name was on the screen"
    rest = ALLOWED.sub("", text)
    for escape in ESCAPES:
        assert escape not in rest, repr(escape)
    assert "\x1b" not in rest
    assert "[bold red]g[/]" in rest


def test_shown_leaves_nothing_that_a_terminal_obeys() -> None:
    every = "".join(map(chr, [*range(0x20), 0x7F, *range(0x80, 0xA0), 0x200B, 0x200E, 0x202A, 0x202E, 0x2066, 0x2069]))
    text = shown(every, 4096)
    assert text.isprintable()
    assert "\\x1b" in text
    assert "\\u202e" in text
    assert len(shown("x" * 600)) == 512


async def test_no_control_character_of_a_cluster_reaches_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a server answers, warns and names is hostile too."""
    written: list[str] = []
    monkeypatch.setattr(HeadlessDriver, "write", lambda _self, data: written.append(data))
    monkeypatch.setattr(HeadlessDriver, "is_headless", property(lambda _self: False))
    monkeypatch.setattr(WorkbenchApp, "_take_signals", lambda _self: None)
    name = HOSTILE.replace("\x00", "")
    server = remote.server()
    server.endpoint = Endpoint(f"ctx {name}", f"https://{name}", f"user {name}", impersonates=f"as {name}")
    server.warning = "warned \x9b31m"
    app = WorkbenchApp(
        SourceRequest(SourceKind.CONTEXT, name=f"ctx {name}"), connector=lambda options, terminal: server
    )
    async with app.run_test(size=(120, 36), notifications=True) as pilot:
        await settled(pilot)
        app.stage(next(fix for fix in app.session.fixes if fix.fix == "F-PRIV"))
        for key in ("7", "A", "escape", "down", "down"):
            await pilot.press(key)
            await settled(pilot)
        server.admission = lambda data: f"denied {HOSTILE}"
        app.changes = None
        for key in ("v", "U"):
            await pilot.press(key)
            await settled(pilot)
        app.run_command("journal")
        await settled(pilot)
        await pilot.press("escape")
        app.banner_says(f"lost {HOSTILE}")
        app.run_command(f"ctx {name}")
        app.run_command(f"ns {name}")
        await settled(pilot)
    text = "".join(data for data in written if data != "\x07")
    assert "denied" in text
    rest = ALLOWED.sub("", text)
    for escape in ESCAPES:
        assert escape not in rest, repr(escape)
    assert "\x1b" not in rest
