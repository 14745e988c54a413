"""A few pictures, to notice that the look changed; what it means is asserted elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from textual.pilot import Pilot

from tests.tui import fake
from tests.tui.conftest import settled
from workbench.sources import SourceKind, SourceRequest
from workbench.tui.app import WorkbenchApp

Compare = Callable[..., bool]


def app(theme: str = "dark") -> WorkbenchApp:
    return WorkbenchApp(SourceRequest(SourceKind.SAMPLE, name="shop"), theme=theme, loader=fake.loader(fake.audit()))


def pressing(*keys: str) -> Callable[[Pilot[Any]], Any]:
    async def run(pilot: Pilot[Any]) -> None:
        await settled(pilot)
        for key in keys:
            await pilot.press(key)
            await settled(pilot)
        # How long a toast stays is a matter of the clock.
        pilot.app.clear_notifications()
        await pilot.pause()

    return run


@pytest.mark.parametrize("theme", ["dark", "light", "mono"])
def test_paths(snap_compare: Compare, theme: str) -> None:
    keys = ("2", "enter", "down", "down", "down")
    assert snap_compare(app(theme), terminal_size=(120, 36), run_before=pressing(*keys))


def test_paths_in_a_small_terminal(snap_compare: Compare) -> None:
    assert snap_compare(app(), terminal_size=(80, 24), run_before=pressing("2", "enter", "down"))


def test_paths_from_left_to_right(snap_compare: Compare) -> None:
    keys = ("2", "enter", "down", "vertical_line", "right")
    assert snap_compare(app(), terminal_size=(160, 45), run_before=pressing(*keys))


def test_overview(snap_compare: Compare) -> None:
    assert snap_compare(app(), terminal_size=(120, 36), run_before=pressing())


def test_fixes(snap_compare: Compare) -> None:
    assert snap_compare(app(), terminal_size=(120, 36), run_before=pressing("7", "space"))


@pytest.mark.parametrize("theme", ["dark", "light", "mono"])
def test_resources(snap_compare: Compare, theme: str) -> None:
    assert snap_compare(app(theme), terminal_size=(120, 36), run_before=pressing("3", "down", "greater_than_sign"))


def test_resources_in_a_large_terminal(snap_compare: Compare) -> None:
    assert snap_compare(app(), terminal_size=(220, 60), run_before=pressing("3"))


NETWORK = ("6", "down", "right", "space", "down", "down", "right", "right")


@pytest.mark.parametrize("theme", ["dark", "light", "mono"])
def test_network(snap_compare: Compare, theme: str) -> None:
    assert snap_compare(app(theme), terminal_size=(120, 36), run_before=pressing(*NETWORK))


@pytest.mark.parametrize("size", [(80, 24), (220, 60)])
def test_network_at_other_sizes(snap_compare: Compare, size: tuple[int, int]) -> None:
    assert snap_compare(app(), terminal_size=size, run_before=pressing(*NETWORK))
