"""From the list of sources to a written patch, by keys alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual import events
from textual.widgets import Input

from tests.tui import fake
from tests.tui.conftest import Opened, settled
from workbench.tui.canvas.ways import Place
from workbench.tui.screens.base import Asked
from workbench.tui.screens.connect import ConnectScreen
from workbench.tui.screens.coverage import CoverageSheet
from workbench.tui.screens.dialogs import AlternativesDialog, AnswerDialog, ExportDialog, QuitDialog
from workbench.tui.screens.fixes import FixesScreen
from workbench.tui.screens.help import HelpScreen
from workbench.tui.screens.overview import OverviewScreen
from workbench.tui.screens.paths import PathsScreen
from workbench.tui.widgets.basket import Basket
from workbench.tui.widgets.frame import HintBar, StatusHeader
from workbench.tui.widgets.line_list import RowList
from workbench.tui.widgets.painting import TextPane
from workbench.tui.widgets.path_drawing import PathDrawing
from workbench.tui.widgets.path_list import PathList
from workbench.tui.widgets.step_detail import FIXES, YAML, StepDetail

SIZES = [(80, 24), (120, 36)]


def typed(text: str) -> list[str]:
    """The keys that type a text."""
    return ["space" if letter == " " else letter for letter in text]


async def press(pilot, *keys: str) -> None:  # type: ignore[no-untyped-def]
    for key in keys:
        await pilot.press(key)
        await settled(pilot)


async def command(pilot, text: str) -> None:  # type: ignore[no-untyped-def]
    await press(pilot, "colon")
    await pilot.press(*typed(text))
    await press(pilot, "enter")


def header(app) -> str:  # type: ignore[no-untyped-def]
    return "".join(text for text, _ in app.screen.query_one(StatusHeader).first_row(app.size.width))


def toasts(app) -> list[str]:  # type: ignore[no-untyped-def]
    return [notification.message for notification in app._notifications]


@pytest.mark.parametrize("size", SIZES)
async def test_from_connect_to_a_written_patch(opened: Opened, isolated: Path, size: tuple[int, int]) -> None:
    async with opened(None, size=size) as (app, pilot):
        assert isinstance(app.screen, ConnectScreen)
        app.open_source("sample:shop")
        await settled(pilot)
        assert isinstance(app.screen, OverviewScreen)
        await press(pilot, "2")
        assert isinstance(app.screen, PathsScreen)
        assert isinstance(app.focused, PathList)
        await press(pilot, "enter")
        assert isinstance(app.focused, PathDrawing)
        await press(pilot, "down", "down", "down")
        assert app.screen.step.technique == "CE_PRIV_MOUNT"
        assert "mounts the node's disk" in str(app.screen.detail.border_title)
        await press(pilot, "f")
        assert app.screen.detail.tab == FIXES
        await press(pilot, "s")
        assert "staged: privileged: false on Deployment shop/web, cuts 1 path" in toasts(app)
        assert "staged 1: 5 -> 4 paths" in header(app)
        await press(pilot, "7")
        assert isinstance(app.screen, FixesScreen)
        assert isinstance(app.focused, Basket)
        await press(pilot, "down", "space")
        assert "staged 2: 5 -> 1 path" in header(app)
        assert "1 paths" not in header(app)
        await press(pilot, "x")
        assert isinstance(app.screen, ExportDialog)
        listed = app.screen.query_one(TextPane).content_text
        assert "README.md" in listed
        assert "rollout of Deployment:shop/web" in listed
        directory = app.screen.query_one(Input).value
        assert directory.startswith("./workbench-export-sample-shop-")
        await press(pilot, "enter")
        assert isinstance(app.screen, FixesScreen)
        assert (isolated / directory / "README.md").read_text(encoding="utf-8") == "written\n"
        last = toasts(app)[-1]
        assert Path(directory).name in last
        assert "next: kubectl patch deployment web" in last
        await press(pilot, "q")
    assert app.return_code == 0


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "no kubeconfig"),
        ("", "no contexts in it"),
        ("a: b: c", ":1: "),
        ("kind: Config\n", "no contexts in it"),
        ("contexts: [{name: a, context: {}}]\n", "no current-context in"),
    ],
)
async def test_faults_of_the_kubeconfig_are_sentences(
    opened: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str | None, said: str
) -> None:
    config = tmp_path / "config"
    if content is not None:
        config.write_text(content, encoding="utf-8")
    monkeypatch.setenv("KUBECONFIG", str(config))
    async with opened(None) as (app, _):
        text = app.screen.query_one(RowList).content_text
        assert said in text
        assert str(config) in text


async def test_escape_leaves_one_thing_a_press_and_restores_the_list(opened: Opened) -> None:
    async with opened(fake.audit()) as (app, pilot):
        await press(pilot, "2", "slash", *"shop", "enter", "down", "down")
        screen = app.screen
        assert isinstance(screen, PathsScreen)
        path = screen.path_list.current
        assert path is not None
        await press(pilot, "enter", "down", "enter")
        assert screen.pane is not None
        assert screen.pane.id == "step"
        await press(pilot, "colon", "x")
        assert screen.command_bar.is_prompting
        await press(pilot, "escape")
        assert not screen.command_bar.is_prompting
        assert screen.filter_text == "shop"
        await press(pilot, "escape")
        assert screen.filter_text == ""
        assert screen.path_list.current is path
        await press(pilot, "escape")
        assert isinstance(app.focused, PathDrawing)
        assert screen.drawing.at == 1
        await press(pilot, "escape")
        assert isinstance(app.focused, PathList)
        assert screen.path_list.current is path
        await press(pilot, "escape")
        assert isinstance(app.screen, OverviewScreen)
        await press(pilot, "2")
        assert app.screen is screen
        assert screen.path_list.current is path
        await press(pilot, "enter")
        assert screen.drawing.at == 1


async def test_the_tabs_of_a_step(opened: Opened) -> None:
    async with opened(fake.audit()) as (app, pilot):
        await press(pilot, "2", "enter", "down", "down", "down")
        detail = app.screen.query_one(StepDetail)
        text = detail.query_one(TextPane).content_text
        assert "> spec.template.spec.containers[name=web].securityContext.privileged = true   web.yaml:12" in text
        assert "> spec.template.spec.hostPID = not set, which means false" in text
        await press(pilot, "greater_than_sign")
        text = detail.query_one(TextPane).content_text
        assert "T1611" in text
        assert "pod-security-standards" in text
        await press(pilot, "y")
        assert detail.tab == YAML
        marked = [line for line in detail.query_one(TextPane).content_text.splitlines() if line.startswith(">")]
        assert marked == [">     8     spec:", ">    12             privileged: true"]
        await press(pilot, "less_than_sign")
        assert detail.tab == FIXES


async def test_a_stub_unfolds_and_folds(opened: Opened) -> None:
    async with opened(fake.audit()) as (app, pilot):
        await press(pilot, "2", "enter", "down", "down", "down", "right", "right")
        drawing = app.screen.query_one(PathDrawing)
        before = len(drawing.picture.rows)
        assert "► CTR +25 more" in "".join(text for row in drawing.picture.rows for text, _ in row.spans)
        await press(pilot, "space")
        assert len(drawing.picture.rows) == before + 21
        assert (drawing.at, drawing.column) == (3, 1)
        await press(pilot, "space")
        assert len(drawing.picture.rows) == before


async def test_a_node_beside_the_path_is_described(opened: Opened) -> None:
    async with opened(fake.audit()) as (app, pilot):
        await press(pilot, "2", "enter", "down", "down", "right", "right")
        detail = app.screen.query_one(StepDetail)
        assert "registry.example/shop:1" in str(detail.border_title)
        await press(pilot, "left", "left")
        assert str(detail.border_title).startswith("Step 2 of 4")


async def test_across_goes_to_the_alternatives_of_the_node_one_came_from(opened: Opened) -> None:
    async with opened(fake.audit()) as (app, pilot):
        await press(pilot, "2", "enter", "down", "down", "down")
        drawing = app.screen.query_one(PathDrawing)
        detail = app.screen.query_one(StepDetail)
        assert "alternative 1 of 3" in str(drawing.border_title)
        await press(pilot, "right")
        assert drawing.node == "ServiceAccount:shop/other"
        assert "alternative 2 of 3" in str(drawing.border_title)
        title = str(detail.border_title)
        assert title == "Alternative 2, step 3 of 5: CTR shop/web/web, uses the mounted token, SA shop/other"
        await press(pilot, "down")
        assert drawing.node == "User:carol"
        await press(pilot, "down")
        assert drawing.place == Place(0, 4), "it joins the path"
        await press(pilot, "up")
        assert drawing.node == "User:carol", "back is where one came from"
        await press(pilot, "up", "up")
        assert drawing.place == Place(0, 2)
        await press(pilot, "up")
        assert drawing.place == Place(0, 1)
        await press(pilot, "right")
        assert drawing.place == Place(0, 1), "at the end it does not move"


async def test_the_list_of_alternatives(opened: Opened) -> None:
    async with opened(fake.audit()) as (app, pilot):
        await press(pilot, "2", "a")
        assert isinstance(app.screen, AlternativesDialog)
        listed = app.screen.query_one(RowList)
        assert str(listed.border_title) == "3 other ways from internet"
        assert listed.content_text.splitlines() == [
            " 1 ▂▄▆  HIGH  7.7  5 steps  assumes C-LOG",
            "   via sec shop/token",
            " 2 ▂▄▆  HIGH  7.5  5 steps  assumes C-VULN",
            "   via sa shop/other, usr carol",
            " 3 ▂▄▆  HIGH  7.3  3 steps  assumes C-VULN",
            "   without nod worker-1",
        ]
        await press(pilot, "down", "enter")
        drawing = app.screen.drawing
        assert app.focused is drawing
        assert drawing.node == "ServiceAccount:shop/other"
        await press(pilot, "a")
        assert app.screen.query_one(RowList).cursor == 1
        await press(pilot, "down", "enter")
        assert (drawing.place, drawing.shown_line) == (Place(0, 4), 3)
        await press(pilot, "escape", "down", "a")
        assert toasts(app)[-1] == "there is no other way between these two ends"


async def test_alternatives_are_asked_for_once_a_path(opened: Opened) -> None:
    audit = fake.audit()
    async with opened(audit) as (app, pilot):
        await press(pilot, "2", "down", "up", "down", "up")
        assert sorted(audit.asked.count(name) for name in ("alternatives",)) == [2]
        assert set(app.session.alternatives) == {one.id for one in app.session.paths[:2]}


async def test_the_picture_turns(opened: Opened) -> None:
    async with opened(fake.audit()) as (app, pilot):
        await press(pilot, "2", "enter", "down", "vertical_line")
        drawing = app.screen.query_one(PathDrawing)
        assert drawing.sideways is not None
        assert "left/right along" in app.screen.query_one(HintBar).lead
        await press(pilot, "right")
        assert drawing.place == Place(0, 2)
        await press(pilot, "up")
        assert drawing.node == "Secret:shop/token"
        await press(pilot, "right")
        assert drawing.place == Place(0, 2)
        await press(pilot, "left")
        assert drawing.node == "Secret:shop/token", "back is where one came from"
        await press(pilot, "left")
        assert drawing.place == Place(0, 1)
        await press(pilot, "right", "right")
        assert drawing.place == Place(0, 3)
        boxes = drawing.sideways.column_of(drawing.sideways.box_of(drawing.place))
        place, order = drawing.place, [boxes.index(drawing.node)]
        while True:
            await press(pilot, "down")
            if drawing.place == place:
                break
            place = drawing.place
            order.append(boxes.index(drawing.sideways.box_of(place)))
        assert order == list(range(order[0], len(boxes))), "down goes down the column and stops at its end"
        await press(pilot, "vertical_line")
        assert drawing.sideways is None
        assert drawing.place == place


async def test_a_short_path_is_drawn_from_left_to_right_where_it_fits(opened: Opened) -> None:
    async with opened(fake.audit()) as (app, pilot):
        await press(pilot, "2")
        assert app.screen.drawing.sideways is None
        await press(pilot, "G")
        assert app.screen.path_list.current.id.endswith("5")
        assert app.screen.drawing.sideways is not None


async def test_a_click_selects_a_box(opened: Opened) -> None:
    async with opened(fake.audit(), size=(220, 60)) as (app, pilot):
        await press(pilot, "2", "enter", "vertical_line")
        drawing = app.screen.drawing
        placed = drawing.sideways.layout.placed["Endpoint:shop/web/80"]
        left, top = drawing._margins
        x, y = placed.x + left - round(drawing.scroll_x), placed.y + top
        await pilot.click("#canvas", offset=(x + 3, y + 1))
        await settled(pilot)
        assert drawing.place == Place(0, 1)


async def test_an_unfolded_stub_moves_nothing_to_another_column(opened: Opened) -> None:
    async with opened(fake.audit()) as (app, pilot):
        await press(pilot, "2", "enter", "vertical_line", "right", "right", "right")
        drawing = app.screen.drawing
        before = {box: placed.rank for box, placed in drawing.sideways.layout.placed.items()}
        await press(pilot, "space")
        after = {box: placed.rank for box, placed in drawing.sideways.layout.placed.items()}
        assert len(after) == len(before) + 20
        assert {box: after[box] for box in before} == before
        row = drawing.sideways.row_of("Node:worker-1") + drawing._margins[1] - round(drawing.scroll_y)
        assert 0 <= row < drawing.size.height
        await press(pilot, "space")
        assert set(drawing.sideways.layout.placed) == set(before)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("is:critical", 2),
        ("!is:critical", 3),
        ("kind:node", 1),
        ("secret_read", 3),
        ("!secret_read", 2),
        ("is:certain", 3),
        ("-f wbops", 1),
        ("nothing-like-it", 0),
    ],
)
async def test_the_filter(opened: Opened, text: str, kept: int) -> None:
    async with opened(fake.audit()) as (app, pilot):
        await press(pilot, "2")
        app.screen.filter_text = text
        app.screen.apply_filter()
        await settled(pilot)
        assert len(app.screen.path_list.items) == kept
        assert f"{kept}/5" in str(app.screen.path_list.border_title)


async def test_every_kind_of_row_of_the_overview_opens_something(opened: Opened) -> None:
    async with opened(fake.partial()) as (app, pilot):
        overview = app.screen
        assert isinstance(overview, OverviewScreen)
        visited = set()
        opened_before = set()
        for pane in overview.PANES:
            box = overview.query_one(pane.selector, RowList)
            for at, row in enumerate(box.items):
                # One of a kind is enough.
                asked = row.target and (row.target.asked or Asked())
                if row.target is None or (pane.id, row.target.view, bool(asked.path)) in opened_before:
                    continue
                opened_before.add((pane.id, row.target.view, bool(asked.path)))
                overview.go_to_pane(pane)
                box.cursor = at
                await press(pilot, "enter")
                assert app.screen is not overview, (pane.id, at)
                visited.add(type(app.screen))
                if isinstance(app.screen, PathsScreen) and asked.path:
                    assert app.screen.path_list.current.id == asked.path
                elif isinstance(app.screen, PathsScreen):
                    assert app.screen.filter_text == asked.filter
                if isinstance(app.screen, FixesScreen):
                    assert app.screen.basket.fix.id == asked.fix
                while app.screen is not overview:
                    await press(pilot, "escape")
        assert visited == {PathsScreen, FixesScreen, CoverageSheet}


async def test_unstaging(opened: Opened) -> None:
    async with opened(fake.audit()) as (app, pilot):
        await press(pilot, "2", "enter", "down", "down", "down", "s", "u")
        assert app.session.basket == []
        assert "staged 0" in header(app)
        await press(pilot, "u")
        assert toasts(app)[-1] == "nothing is staged"
        await press(pilot, "7", "space")
        assert [one.fix for one in app.session.basket] == ["F-RBAC-RULE"]
        await press(pilot, "space")
        assert app.session.basket == []


async def test_what_cannot_be_staged_says_why(opened: Opened) -> None:
    async with opened(fake.audit()) as (app, pilot):
        await press(pilot, "2", "enter", "down", "s")
        assert toasts(app)[-1] == "no fix is known for this step (exposed by load balancer)"
        await press(pilot, "7")
        app.screen.basket.select_fix(next(one.id for one in app.session.fixes if one.fix == "F-OWNER"))
        await press(pilot, "space")
        assert "blocked: owner-unknown: no such owner" in toasts(app)[-1]
        assert app.session.basket == []


async def test_a_fix_that_needs_a_value_asks_for_it(opened: Opened) -> None:
    async with opened(fake.audit()) as (app, pilot):
        await press(pilot, "2", "enter", "down", "down", "s")
        dialog = app.screen
        assert isinstance(dialog, AnswerDialog)
        assert "the number of the user that the image runs as" in dialog.query_one(TextPane).content_text
        await press(pilot, "enter", "escape")
        assert app.session.basket == []
        await press(pilot, "s", *typed("web"), "enter")
        assert isinstance(app.screen, AnswerDialog)
        assert "'web' is not the number of the user" in app.screen.query_one(TextPane).content_text
        await press(pilot, "backspace", "backspace", "backspace", *typed("1000"), "enter")
        (staged,) = app.session.basket
        assert (staged.fix, staged.answers, str(staged.status)) == ("F-NONROOT", (("runAsUser", "1000"),), "ready")
        assert toasts(app)[-1].startswith("staged: runAsNonRoot")
        assert "staged 1" in header(app)
        # The same question is not asked again, as the id stays.
        await press(pilot, "s")
        assert toasts(app)[-1].startswith("already staged")
        await press(pilot, "r")
        assert [one.answers for one in app.session.basket] == [staged.answers]


async def test_a_conflict_is_shown_and_blocks_the_export(opened: Opened) -> None:
    async with opened(fake.audit(raising={"conflict": ValueError()})) as (app, pilot):
        await press(pilot, "7")
        for one in app.session.fixes[:3]:
            app.stage(one)
        await settled(pilot)
        assert "staged 3: conflict" in header(app)
        assert "two fixes change one field differently" in app.screen.query_one("#whatif", TextPane).content_text
        await press(pilot, "x")
        assert not isinstance(app.screen, ExportDialog)
        assert "cannot be exported" in toasts(app)[-1]


async def test_a_directory_that_is_not_empty_asks(opened: Opened, isolated: Path) -> None:
    full = isolated / "full"
    full.mkdir()
    (full / "mine.txt").write_text("mine", encoding="utf-8")
    async with opened(fake.audit()) as (app, pilot):
        await press(pilot, "7", "space", "x")
        app.screen.query_one(Input).value = "full"
        await press(pilot, "enter")
        assert isinstance(app.screen, ExportDialog)
        assert "is not empty" in app.screen.query_one(TextPane).content_text
        await press(pilot, "enter")
        assert isinstance(app.screen, ExportDialog)
        await press(pilot, "escape")
        assert app.screen.query_one(Input).value == "full"
        await press(pilot, "enter", "y")
        assert isinstance(app.screen, FixesScreen)
        assert sorted(path.name for path in full.iterdir()) == ["README.md", "fixes.json", "mine.txt"]


async def test_quitting_asks_once_if_staged_fixes_would_be_lost(opened: Opened) -> None:
    async with opened(fake.audit()) as (app, pilot):
        await press(pilot, "7", "space", "q")
        assert isinstance(app.screen, QuitDialog)
        await press(pilot, "escape")
        assert isinstance(app.screen, FixesScreen)
        await press(pilot, "x")
        await press(pilot, "ctrl+q")
        assert isinstance(app.screen, QuitDialog)
        await pilot.press("ctrl+q")
    assert app.return_code == 0
    assert app._exit


async def test_ctrl_c_does_not_quit(opened: Opened) -> None:
    async with opened(fake.audit()) as (app, pilot):
        await press(pilot, "ctrl+c")
        assert toasts(app)[-1] == "press q to quit"
        assert app.is_running


async def test_single_letters_type_into_an_input(opened: Opened) -> None:
    async with opened(fake.audit()) as (app, pilot):
        await press(pilot, "2", "slash", *"qsux127y")
        assert app.screen.filter_input.value == "qsux127y"
        assert isinstance(app.screen, PathsScreen)
        assert app.session.basket == []


async def test_commands(opened: Opened) -> None:
    async with opened(fake.audit()) as (app, pilot):
        await command(pilot, "path secret")
        assert isinstance(app.screen, PathsScreen)
        assert len(app.screen.path_list.items) == 3
        assert "to secret x" in header(app)
        await press(pilot, "escape")
        assert len(app.screen.path_list.items) == 5
        await command(pilot, "path nowhere")
        assert "matches nothing" in toasts(app)[-1]
        await command(pilot, "theme light")
        assert app.theme == "light"
        await command(pilot, "theme nope")
        assert "no theme nope" in toasts(app)[-1]
        await command(pilot, "frobnicate")
        assert "no command :frobnicate" in toasts(app)[-1]
        await command(pilot, "fix")
        assert isinstance(app.screen, FixesScreen)
        await command(pilot, "help")
        assert isinstance(app.screen, HelpScreen)
        await press(pilot, "escape")
        await command(pilot, "q")
    assert app._exit


async def test_tab_completes_a_command(opened: Opened) -> None:
    async with opened(fake.audit()) as (app, pilot):
        await press(pilot, "colon", *typed("theme da"), "tab")
        assert app.screen.command_bar.value == "theme dark"


async def test_reload_keeps_what_is_staged(opened: Opened) -> None:
    async with opened(fake.audit()) as (app, pilot):
        await press(pilot, "7", "space")
        first = app.session
        await press(pilot, "r")
        assert app.session is not first
        assert [one.fix for one in app.session.basket] == ["F-RBAC-RULE"]
        assert "staged 1: 5 -> 2 paths" in header(app)


async def test_the_mouse_selects_and_opens(opened: Opened) -> None:
    async with opened(fake.audit()) as (app, pilot):
        await pilot.click("#status", offset=(15, 1))
        await settled(pilot)
        assert isinstance(app.screen, PathsScreen)
        await pilot.click("#path-list", offset=(5, 8))
        await settled(pilot)
        assert app.screen.path_list.cursor == 2
        await pilot.click("#canvas", offset=(3, 5))
        await settled(pilot)
        by_mouse = (app.screen.drawing.at, app.screen.step)
        app.screen.drawing.go(0)
        await press(pilot, "down", "down")
        assert by_mouse == (app.screen.drawing.at, app.screen.step)
        await pilot.click("#path-list", offset=(5, 2), times=2)
        await settled(pilot)
        assert app.screen.path_list.cursor == 0
        assert isinstance(app.focused, PathDrawing)


async def test_no_question_is_asked_on_the_thread_of_the_screen(opened: Opened) -> None:
    audit = fake.audit()
    async with opened(audit) as (app, pilot):
        await press(pilot, "2", "enter", "down", "right", "s", "f", "y", "7", "space", "down", "x", "escape", "r")
    assert app.session is not None
    assert audit.main_thread_calls == []


@pytest.mark.parametrize(("opens", "of"), [("colon", "command_bar"), ("slash", "filter_input")])
async def test_what_is_typed_right_after_the_key_that_opens_an_input_is_in_it(
    opened: Opened, opens: str, of: str
) -> None:
    async with opened() as (app, pilot):
        await press(pilot, "2")
        for key in (opens, "s", "colon", "slash", "q"):
            app.post_message(events.Key(key, {"colon": ":", "slash": "/"}.get(key, key)))
        await settled(pilot)
        typed = getattr(app.screen, of)
        assert isinstance(typed, Input)
        assert (typed.is_prompting, typed.value) == (True, "s:/q")


async def test_the_filter_of_the_fixes_leaves_what_is_staged_and_the_numbers(opened: Opened) -> None:
    def listed(app) -> list[tuple[int, str, bool]]:  # type: ignore[no-untyped-def]
        return [
            (row.number, row.fix.fix, row.staged) for row in app.screen.query_one(Basket).items if row.fix is not None
        ]

    async with opened(fake.audit()) as (app, pilot):
        await press(pilot, "7", "space")
        before = listed(app)
        assert before[0][2]
        wanted = before[-1]
        await press(pilot, "slash")
        await pilot.press(*typed(wanted[1].lower()))
        await settled(pilot)
        kept = [row for row in before if row[2] or row[1] == wanted[1]]
        assert listed(app) == kept
        assert len(kept) < len(before)
        await press(pilot, "escape")
        assert listed(app) == before
        await press(pilot, "slash")
        await pilot.press(*typed("qqq"))
        await settled(pilot)
        assert [row for row in listed(app) if not row[2]] == []
        assert "no fix matches" in app.screen.query_one(Basket).content_text
