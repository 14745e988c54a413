"""Keys that are typed faster than the screen is: each does what it would do if it were typed alone."""

from __future__ import annotations

from pathlib import Path

from textual import events
from textual.keys import key_to_character
from textual.pilot import Pilot

from tests.tui import fake
from tests.tui.conftest import Opened, settled
from workbench.tui.screens.dialogs import ExportDialog
from workbench.tui.screens.fixes import FixesScreen
from workbench.tui.screens.help import HelpScreen
from workbench.tui.screens.network import NetworkScreen
from workbench.tui.screens.overview import OverviewScreen
from workbench.tui.screens.paths import PathsScreen


async def typed(pilot: Pilot[None], *keys: str) -> None:
    """Type keys in one go: all are there before the first is looked at."""
    for key in keys:
        pilot.app.post_message(events.Key(key, key_to_character(key)))
    await settled(pilot)


async def test_what_opens_an_input_does_not_overtake_a_key(opened: Opened) -> None:
    async with opened(fake.audit()) as (app, pilot):
        before = app.session
        await typed(pilot, "r", "colon", *"theme light")
        assert app.session is not before, "read again"
        assert app.screen.command_bar.value == "theme light"


async def test_a_command_comes_before_the_keys_after_it(opened: Opened) -> None:
    async with opened(fake.audit()) as (app, pilot):
        await typed(pilot, "colon", *"fixes", "enter", "s")
        assert isinstance(app.screen, FixesScreen)
        assert len(app.basket) == 1


async def test_a_screen_comes_before_the_keys_after_it(opened: Opened) -> None:
    async with opened(fake.audit()) as (app, pilot):
        await typed(pilot, "7", "s", "2", "enter", "down", "question_mark")
        assert len(app.basket) == 1
        assert isinstance(app.screen, HelpScreen)
        await typed(pilot, "escape", "1", "enter")
        assert isinstance(app.screen, PathsScreen), "the first row of Overview leads there"


async def test_a_filter_is_kept_before_the_keys_after_it(opened: Opened) -> None:
    async with opened(fake.audit()) as (app, pilot):
        await typed(pilot, "7", "slash", *"priv", "enter", "s", "tab", "u")
        assert app.screen.filter_text == "priv"
        assert app.basket == []
        await typed(pilot, "shift+tab", "s")
        assert len(app.basket) == 1


async def test_a_dialog_has_the_keys_before_it_is_painted(opened: Opened, isolated: Path) -> None:
    async with opened(fake.audit()) as (app, pilot):
        await typed(pilot, "7", "s", "x")
        assert isinstance(app.screen, ExportDialog)
        await typed(pilot, "escape", "x", "ctrl+u", *"out", "enter", "6", "1", "6")
        assert isinstance(app.screen, NetworkScreen)
        assert (isolated / "out" / "fixes.json").is_file()
        await typed(pilot, "escape")
        assert isinstance(app.screen, OverviewScreen)


async def test_what_is_pasted_keeps_its_place_among_the_keys(opened: Opened) -> None:
    async with opened(fake.audit()) as (app, pilot):
        app.post_message(events.Key("colon", ":"))
        app.post_message(events.Paste("network"))
        app.post_message(events.Key("enter", None))
        await settled(pilot)
        assert isinstance(app.screen, NetworkScreen)
