"""Keys that are typed faster than the screen is: each does what it would do if it were typed alone."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from textual import events
from textual.app import App
from textual.keys import key_to_character
from textual.pilot import Pilot

from tests.tui import fake
from tests.tui.conftest import Opened, settled
from tests.tui.test_flow import toasts
from workbench.tui.app import WorkbenchApp
from workbench.tui.screens.connect import ConnectScreen
from workbench.tui.screens.dialogs import AnswerDialog, ExportDialog
from workbench.tui.screens.fixes import FixesScreen
from workbench.tui.screens.help import HelpScreen
from workbench.tui.screens.network import NetworkScreen
from workbench.tui.screens.overview import OverviewScreen
from workbench.tui.screens.paths import PathsScreen


def post(app: App[Any], *keys: str) -> None:
    """All keys are there before the first is looked at."""
    for key in keys:
        app.post_message(events.Key(key, key_to_character(key)))


async def typed(pilot: Pilot[None], *keys: str) -> None:
    """Type keys in one go."""
    post(pilot.app, *keys)
    await settled(pilot)


@asynccontextmanager
async def held(app: WorkbenchApp, audit: Any) -> AsyncIterator[None]:
    """What is opened within is loaded at the end."""
    go, load = threading.Event(), fake.loader(audit)

    def loader(*given: Any) -> Any:
        assert go.wait(30)
        return load(*given)

    app.loader = loader
    try:
        yield
    finally:
        go.set()


async def until_loading(app: WorkbenchApp, pilot: Pilot[None], source: str) -> None:
    """Open a source, as what was typed a moment ago does, and wait until it is being loaded."""
    app.open_source(source)
    while not app.loading:
        await pilot.pause()
    for _ in range(5):
        await pilot.pause()


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


@pytest.mark.parametrize(
    "keys",
    [
        ("1", "tab", "down", "enter", "s"),
        ("2", "down", "down", "enter", "down", "greater_than_sign"),
        ("7", "down", "down", "s", "tab"),
        ("1", "enter", "7", "down", "2", "tab", "question_mark", "escape", "shift+tab"),
    ],
    ids=" ".join,
)
async def test_keys_in_one_go_do_what_they_do_one_by_one(opened: Opened, keys: tuple[str, ...]) -> None:
    ends = []
    for groups in (keys,), [(key,) for key in keys]:
        async with opened(fake.audit()) as (app, pilot):
            for group in groups:
                await typed(pilot, *group)
            path = app.screen_of("paths").path_list.current if app.view == "paths" else None
            ends.append((app.view, [fix.id for fix in app.basket], app.focused.id, path))
    assert ends[0] == ends[1], "no key here needs what a job finds"


@pytest.mark.parametrize(
    "keys", [("ctrl+q", "7"), ("q", "2", "s"), ("q", "question_mark"), ("colon", "q", "enter", "6")]
)
async def test_nothing_is_carried_out_after_quitting(opened: Opened, keys: tuple[str, ...]) -> None:
    async with opened(fake.audit()) as (app, pilot):
        post(app, *keys)
        while app.is_running:
            await pilot.pause()
        assert app.view == "overview"
    assert app.return_code == 0


@pytest.mark.parametrize("over", ["colon", "question_mark"])
async def test_a_source_that_begins_to_load_waits_for_what_is_open(opened: Opened, over: str) -> None:
    async with opened(fake.audit()) as (app, pilot):
        await typed(pilot, "6", over)
        async with held(app, fake.audit(title="sample platform")):
            await until_loading(app, pilot, "sample:platform")
            assert app.view == "network"
            post(app, *("theme light" if over == "colon" else ()), "escape")
            while app.view == "network":
                await pilot.pause()
            assert isinstance(app.screen, OverviewScreen)
            assert app.loading, "esc left what was open and nothing more"
        await settled(pilot)
        assert app.session.audit.title == "sample platform"


async def test_the_help_over_connect_is_left_without_ending_what_loads(opened: Opened) -> None:
    async with opened() as (app, pilot):
        assert isinstance(app.screen, ConnectScreen)
        await typed(pilot, "question_mark")
        async with held(app, fake.audit()):
            await until_loading(app, pilot, "sample:shop")
            assert isinstance(app.screen, HelpScreen)
            post(app, "escape")
            while isinstance(app.screen, HelpScreen):
                await pilot.pause()
            assert app.loading
        await settled(pilot)
        assert isinstance(app.screen, OverviewScreen)
        assert app.session is not None


async def test_paths_that_were_asked_for_wait_for_what_is_typed(opened: Opened) -> None:
    async with opened(fake.audit()) as (app, pilot):
        await typed(pilot, "colon", *"theme")
        app.find_paths(["ClusterAdmin"])
        await settled(pilot)
        assert isinstance(app.screen, OverviewScreen)
        assert app.screen.command_bar.value == "theme"
        await typed(pilot, *" light", "enter")
        assert app.theme == "light"
        assert isinstance(app.screen, PathsScreen)


async def test_an_input_that_the_mouse_left_holds_nothing_up(opened: Opened) -> None:
    async with opened(fake.audit()) as (app, pilot):
        await typed(pilot, "colon", *"theme")
        app.find_paths(["ClusterAdmin"])
        await settled(pilot)
        await pilot.click("#box-counts")
        await settled(pilot)
        assert isinstance(app.screen, PathsScreen)


async def test_another_window_takes_nothing_from_what_is_typed(opened: Opened) -> None:
    async with opened(fake.audit()) as (app, pilot):
        await typed(pilot, "colon", *"theme")
        app.post_message(events.AppBlur())
        await settled(pilot)
        app.find_paths(["ClusterAdmin"])
        await settled(pilot)
        app.post_message(events.AppFocus())
        await settled(pilot)
        assert isinstance(app.screen, OverviewScreen)
        await typed(pilot, *" light", "enter")
        assert app.theme == "light"
        assert isinstance(app.screen, PathsScreen)


@pytest.mark.parametrize("loaded", [False, True])
@pytest.mark.parametrize("dialog", [ExportDialog, AnswerDialog])
async def test_an_answer_about_another_source_counts_for_nothing(
    opened: Opened, isolated: Path, dialog: type[ExportDialog | AnswerDialog], loaded: bool
) -> None:
    async with opened(fake.audit()) as (app, pilot):
        if dialog is ExportDialog:
            await typed(pilot, "7", "s", "x")
        else:
            app.stage(next(fix for fix in app.session.fixes if fix.needs))
            await settled(pilot)
        assert isinstance(app.screen, dialog)
        async with held(app, fake.audit(title="sample platform")):
            await until_loading(app, pilot, "sample:platform")
            if not loaded:
                post(app, *"100", "enter")
                while isinstance(app.screen, dialog):
                    await pilot.pause()
        await settled(pilot)
        if loaded:
            await typed(pilot, *"100", "enter")
        assert "something else was loaded meanwhile; nothing was done" in toasts(app)
        assert app.basket == []
        assert list(isolated.iterdir()) == []
        assert isinstance(app.screen, OverviewScreen)
