"""One registry of actions: bindings, footer, help and command bar agree."""

from __future__ import annotations

import pytest
from textual.screen import Screen
from textual.widget import Widget

from tests.tui import fake
from tests.tui.conftest import Opened, settled
from workbench.tui.actions import ACTIONS, PRIORITY, SHADOWED, VIEWS, actions_of, alias, commands, hints
from workbench.tui.app import WorkbenchApp
from workbench.tui.commands import UnknownCommand, parse
from workbench.tui.screens.apply import ApplyDialog
from workbench.tui.screens.base import WorkbenchScreen
from workbench.tui.screens.coverage import CoverageSheet
from workbench.tui.screens.dialogs import ExportDialog, QuitDialog
from workbench.tui.screens.help import DIALOGS, INSIDE, PLACE_TITLES, help_lines
from workbench.tui.text import flat
from workbench.tui.widgets.frame import HintBar

OURS = {(one, action.id) for action in ACTIONS for key in action.keys for one in alias(key)}


def carries_out(node: object, action: str) -> bool:
    name = action.partition("(")[0]
    return callable(getattr(node, f"action_{name}", None))


def chains(screen: Screen[object]) -> list[list[Widget | Screen[object] | WorkbenchApp]]:
    """Who gets a key, for every widget that can have the focus: the widget, its parents, the screen, the app."""
    out = []
    for widget in screen.query("*"):
        if widget.can_focus:
            out.append([widget, *(node for node in widget.ancestors)])
    return out


@pytest.mark.parametrize(
    "view", ["connect", "collecting", "overview", "paths", "resources", "network", "fixes", "help"]
)
async def test_bindings_of_every_focus_chain(opened: Opened, view: str) -> None:
    async with opened(fake.audit()) as (app, pilot):
        if view == "help":
            app.action_help()
        else:
            app.show_view(view)
        await settled(pilot)
        seen = set()
        for chain in chains(app.screen):
            claimed: dict[str, str] = {}
            for node in chain:
                for key, bindings in node._bindings.key_to_bindings.items():
                    for binding in bindings:
                        ours = (binding.id or "").count(".") >= 2
                        seen.add(binding.id)
                        if not ours:
                            continue
                        target = app if binding.action.startswith("app.") else node
                        assert carries_out(target, binding.action.removeprefix("app.")), (key, binding.action, node)
                        assert claimed.setdefault(key, binding.action) == binding.action, (key, node)
        inside = [place for place in INSIDE[view] if place not in DIALOGS]
        expected = [place for place in inside if actions_of(place)]
        for place in expected:
            assert any((binding or "").startswith(f"{place}.") for binding in seen), place


async def test_ours_win_over_the_framework_only_where_listed(opened: Opened) -> None:
    async with opened(fake.audit()) as (app, pilot):
        for view in VIEWS:
            app.show_view(view.id)
            await settled(pilot)
            framework = set(Screen._merge_bindings().key_to_bindings) | {"ctrl+q", "ctrl+c"}
            for action in actions_of(view.id, "app"):
                for key in action.keys:
                    assert key not in framework or key in SHADOWED, key
    assert set(SHADOWED) <= {key for action in ACTIONS for key in action.keys}


@pytest.mark.parametrize("size", [(80, 24), (120, 36), (220, 60)])
@pytest.mark.parametrize(
    "view", ["connect", "collecting", "overview", "paths", "resources", "network", "fixes", "help"]
)
async def test_every_key_of_the_footer_works(opened: Opened, view: str, size: tuple[int, int]) -> None:
    async with opened(fake.audit(), size=size) as (app, pilot):
        for pane in range(4):
            app.show_view(view if view != "help" else "paths")
            await settled(pilot)
            if view == "help":
                app.action_help()
                await settled(pilot)
            screen = app.screen
            assert isinstance(screen, WorkbenchScreen)
            if pane >= len(screen.PANES):
                break
            screen.go_to_pane(screen.PANES[pane])
            await settled(pilot)
            bar = screen.query_one(HintBar)
            shown = bar.hints(bar.size.width)
            assert shown[-1].action.id == "help"
            assert shown[-1].end <= bar.size.width
            for hint in shown:
                if hint.action.id in ("quit", "help"):
                    continue
                key = hint.action.keys[0]
                chain = [app.focused, *app.focused.ancestors] if app.focused is not None else [screen, app]
                assert any(key in node._bindings.key_to_bindings for node in chain), (view, pane, key)


@pytest.mark.parametrize("view", ["connect", "collecting", "overview", "paths", "resources", "network", "fixes"])
def test_every_action_is_in_the_help(view: str) -> None:
    text = "\n".join(flat(line) for line in help_lines(view))
    for action in ACTIONS:
        assert action.help in text, action
    own = text.split("OTHER SCREENS")[0]
    for action in actions_of(view):
        assert action.help in own, action


def test_places_have_titles_and_keys_have_aliases() -> None:
    assert {place for action in ACTIONS for place in action.places} <= set(PLACE_TITLES)
    assert alias("G") == ("G", "shift+g")
    assert alias("space") == ("space", "shift+space")
    assert alias("g") == ("g",)
    assert {"q", "ctrl+q"} <= {key for key, action in OURS if action == "quit"}
    assert {"ctrl+q"} == PRIORITY


def test_hints_show_the_innermost_meaning_of_a_key_once() -> None:
    found = hints(["canvas", "text", "list", "paths", "app"])
    keys = [action.keys[0] for action in found]
    assert len(keys) == len(set(keys))
    assert next(action.label for action in found if action.keys[0] == "enter") == "step"


def test_commands_are_derived_from_the_registry() -> None:
    assert {"overview", "paths", "resources", "fixes", "help", "q", "reload", "export"} <= set(commands())
    assert parse("  ") is None
    with pytest.raises(UnknownCommand, match=":open needs"):
        parse("open")
    command = parse(":path internet cluster-admin")
    assert command is not None
    assert command.arguments == ("internet", "cluster-admin")
    command = parse("open my dir/with spaces")
    assert command is not None
    assert command.arguments == ("my dir/with spaces",)


@pytest.mark.parametrize("dialog", [ApplyDialog, CoverageSheet, ExportDialog, QuitDialog])
def test_dialogs_carry_out_what_they_bind(dialog: type) -> None:
    for binding in dialog._merge_bindings().key_to_bindings.values():
        for one in binding:
            if (one.id or "").split(".")[0] in DIALOGS:
                assert callable(getattr(dialog, f"action_{one.action}"))
