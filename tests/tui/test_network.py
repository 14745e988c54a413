"""Network: the matrix and its words, why a cell is as it is, what is staged, and the ways to other screens."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from textual.widgets import Input

from tests.network.worlds import view as view_of
from tests.tui import fake
from tests.tui.conftest import Opened, settled
from tests.tui.test_flow import command, press, toasts
from workbench.errors import Conflict, InputError
from workbench.inventory.evidence import Gap, Problem
from workbench.network.matrix import Cell, Matrix
from workbench.tui.app import WorkbenchApp
from workbench.tui.axes import Wish, axes, world
from workbench.tui.network_lines import addresses_text, cell_look
from workbench.tui.screens.base import Asked
from workbench.tui.screens.dialogs import ChoiceDialog
from workbench.tui.screens.network import NetworkScreen, Pair
from workbench.tui.screens.paths import PathsScreen
from workbench.tui.screens.resources import ResourcesScreen
from workbench.tui.widgets.line_list import Row, RowList
from workbench.tui.widgets.matrix import MatrixGrid
from workbench.tui.widgets.painting import TextPane

SHOP, CI = "Namespace:shop", "Namespace:ci"
WEB, DB, RUNNER = "Deployment:shop/web", "Deployment:shop/db", "Deployment:ci/runner"
POLICY = "NetworkPolicy:shop/web-to-db"


def screen(app: WorkbenchApp) -> NetworkScreen:
    found = app.screen
    assert isinstance(found, NetworkScreen)
    return found


def grid(app: WorkbenchApp) -> MatrixGrid:
    return screen(app).matrix.grid


def rows(app: WorkbenchApp) -> list[str]:
    return [line.party.id for line in grid(app).row_lines]


def columns(app: WorkbenchApp) -> list[str]:
    return [line.party.id for line in grid(app).column_lines]


def cell(app: WorkbenchApp, source: str, target: str) -> str:
    """What is painted in a cell, with the mark of what is staged."""
    found = grid(app)
    look = found.look_of(found.row_lines[rows(app).index(source)], found.column_lines[columns(app).index(target)])
    assert look is not None, (source, target)
    return f"{look.change}{look.text}"


def detail(app: WorkbenchApp) -> str:
    listed = screen(app).detail.query_one(RowList)
    return str(listed.content_text if listed.display else screen(app).detail.query_one(TextPane).content_text)


def said(app: WorkbenchApp) -> str:
    return str(app.screen.query_one("#matrix-message", TextPane).content_text)


def notes(app: WorkbenchApp) -> str:
    return str(app.screen.query_one("#matrix-notes").text)  # type: ignore[attr-defined]


def held_network(audit: fake.FakeAudit) -> threading.Event:
    """The network is computed once the event is set."""
    plain, go = audit.network, threading.Event()

    def network(fixes: Any = ()) -> Any:
        assert go.wait(30)
        return plain(fixes)

    audit.network = network  # type: ignore[method-assign]
    return go


async def stand_on(app: WorkbenchApp, pilot: Any, source: str, target: str) -> None:
    grid(app).move_to(rows(app).index(source), columns(app).index(target))
    await settled(pilot)


async def type_filter(app: WorkbenchApp, pilot: Any, text: str) -> None:
    await press(pilot, "slash")
    app.screen.query_one("#filter", Input).value = text
    await press(pilot, "enter")


async def choose_row(app: WorkbenchApp, pilot: Any, text: str) -> None:
    """Open the row of the detail that holds a text."""
    listed = screen(app).detail.query_one(RowList)
    at = next(
        at
        for at, row in enumerate(listed.items)
        if isinstance(row, Row) and text in "".join(part for line in row.lines for part, _ in line)
    )
    listed.focus()
    listed.cursor = at
    await settled(pilot)
    await press(pilot, "enter")


# --- the matrix ----------------------------------------------------------------------------------------


async def test_the_matrix_has_the_keys_and_every_cell_has_its_glyph(opened: Opened) -> None:
    async with opened(fake.audit()) as (app, pilot):
        await press(pilot, "6")
        assert isinstance(app.focused, MatrixGrid)
        assert rows(app) == ["Internet", CI, SHOP]
        assert columns(app) == ["Internet", CI, SHOP]
        assert [cell(app, one, other) for one, other in (("Internet", CI), ("Internet", SHOP), (CI, SHOP))] == [
            "■",
            "▣ *",
            "▣ *",
        ], "the database takes nothing from outside of its namespace"
        assert cell(app, "Internet", "Internet") == " "
        assert cell(app, CI, CI) == " ", "one workload has nobody to talk to in its namespace"
        assert app.session.audit.main_thread_calls == []


async def test_the_status_line_names_row_and_column_wherever_the_cursor_goes(opened: Opened) -> None:
    async with opened(fake.audit()) as (app, pilot):
        await press(pilot, "6")
        for key, expected in [
            ("down", "from namespace ci to namespace ci"),
            ("right", "from namespace ci to namespace shop\n  every port (1 of 2 pairs)"),
            ("j", "from namespace shop to namespace shop\n  every port (2 of 2 pairs)"),
            ("h", "from namespace shop to namespace ci\n  every port (all 2 pairs)"),
            ("g", "from internet to namespace ci\n  every port"),
            ("circumflex_accent", "from internet to internet\n  itself"),
            ("dollar_sign", "from internet to namespace shop\n  every port"),
            ("G", "from namespace shop to namespace shop"),
            ("pageup", "from internet to namespace shop"),
            ("pagedown", "from namespace shop to namespace shop"),
            ("k", "from namespace ci to namespace shop"),
            ("l", "from namespace ci to namespace shop"),
        ]:
            await press(pilot, key)
            text = screen(app).matrix.status_text
            if key == "j":
                assert text.startswith("from namespace shop to namespace shop\n"), text
            else:
                assert text.startswith(expected), (key, text)


async def test_space_unfolds_the_row_and_the_column_and_folds_them_again(opened: Opened) -> None:
    async with opened(fake.audit()) as (app, pilot):
        await press(pilot, "6")
        await stand_on(app, pilot, CI, SHOP)
        await press(pilot, "space")
        assert rows(app) == ["Internet", CI, RUNNER, SHOP, DB, WEB]
        assert columns(app) == rows(app)
        assert screen(app).pair == Pair(CI, SHOP), "the cursor stays on its cell"
        assert cell(app, WEB, DB) == "▣ 1"
        assert cell(app, RUNNER, DB) == "·"
        assert cell(app, DB, WEB) == "■"
        await stand_on(app, pilot, WEB, DB)
        assert "from Deployment shop/web to Deployment shop/db\n  TCP 5432" in screen(app).matrix.status_text
        await press(pilot, "space")
        assert rows(app) == ["Internet", CI, RUNNER, SHOP]
        assert screen(app).pair == Pair(SHOP, SHOP), "the cursor goes to what the workloads were folded into"
        await press(pilot, "Z")
        assert rows(app) == ["Internet", CI, SHOP]


async def test_a_click_goes_to_a_cell_and_a_double_click_opens_it(opened: Opened) -> None:
    async with opened(fake.audit()) as (app, pilot):
        await press(pilot, "6")
        found = grid(app)
        x = 1 + found.label_width + found.cell_width * 2 + 3
        await pilot.click(MatrixGrid, offset=(x, 1))
        await settled(pilot)
        assert screen(app).pair == Pair(CI, SHOP)
        await pilot.click(MatrixGrid, offset=(3, 2))
        await settled(pilot)
        assert screen(app).pair == Pair(SHOP, SHOP), "the name of a row keeps the column"
        await pilot.click(MatrixGrid, offset=(x, 1), times=2)
        await settled(pilot)
        assert screen(app).pane.id == "detail"


@pytest.mark.parametrize("size", [(80, 24), (120, 36), (160, 45), (220, 60)])
async def test_the_cursor_stays_in_view_at_every_size(opened: Opened, size: tuple[int, int]) -> None:
    async with opened(fake.audit(objects=fake.network(namespaces=30)), size=size) as (app, pilot):
        await press(pilot, "6", "G", "dollar_sign", "space")
        for new in (size, (80, 24), (60, 16), (220, 60), (120, 36)):
            await pilot.resize_terminal(*new)
            await settled(pilot)
            found = grid(app)
            assert 0 <= found.row - round(found.scroll_y) < found.size.height, new
            assert found.column in [at for at, _ in found.columns_in_view()], new
            text = found.render_line(found.row - round(found.scroll_y)).text
            assert text.startswith(">"), new


# --- why -----------------------------------------------------------------------------------------------


async def test_enter_says_which_rules_decide(opened: Opened) -> None:
    async with opened(fake.audit()) as (app, pilot):
        await press(pilot, "6")
        await stand_on(app, pilot, SHOP, SHOP)
        await press(pilot, "space")
        await stand_on(app, pilot, WEB, DB)
        await press(pilot, "enter")
        assert screen(app).pane.id == "detail"
        text = detail(app)
        assert "ports  TCP 5432" in text
        assert "leaving Deployment shop/web (egress)" in text
        assert "no policy selects it in this direction" in text
        assert "entering Deployment shop/db (ingress)" in text
        assert "allow     TCP 5432  NetworkPolicy shop/web-to-db  spec.ingress[0]" in text
        await press(pilot, "escape")
        assert isinstance(app.focused, MatrixGrid)
        await stand_on(app, pilot, DB, WEB)
        assert "NetworkPolicy" not in detail(app)
        await stand_on(app, pilot, "Internet", WEB)
        assert "every address  every port" in detail(app)
        assert "if something leads there" in detail(app)


async def test_a_cell_of_many_lists_its_pairs_and_esc_comes_back(opened: Opened) -> None:
    async with opened(fake.audit()) as (app, pilot):
        await press(pilot, "6")
        await stand_on(app, pilot, SHOP, SHOP)
        assert "Deployment shop/web -> Deployment shop/db  TCP 5432" in detail(app)
        await choose_row(app, pilot, "Deployment shop/web -> Deployment shop/db")
        assert screen(app).pair == Pair(WEB, DB)
        assert isinstance(app.focused, MatrixGrid)
        await press(pilot, "escape")
        assert screen(app).pair == Pair(SHOP, SHOP)


async def test_the_tabs_tell_what_the_row_reaches_and_who_reaches_the_column(opened: Opened) -> None:
    async with opened(fake.audit()) as (app, pilot):
        await press(pilot, "6")
        await stand_on(app, pilot, CI, SHOP)
        await press(pilot, "greater_than_sign")
        assert "IT MAY REACH" in detail(app)
        assert "namespace shop  every port (1 of 2 pairs)" in detail(app)
        await press(pilot, "greater_than_sign")
        assert "MAY CONNECT TO IT" in detail(app)
        assert "internet  every port (1 of 2 pairs)" in detail(app)
        await press(pilot, "space")
        await stand_on(app, pilot, RUNNER, DB)
        assert "selected by NetworkPolicy shop/web-to-db" in detail(app)
        assert "Deployment shop/web  TCP 5432" in detail(app)
        assert "Deployment ci/runner" not in detail(app)
        await choose_row(app, pilot, "Deployment shop/web")
        assert screen(app).pair == Pair(WEB, DB)


async def test_a_deciding_policy_opens_in_resources_and_esc_comes_back(opened: Opened) -> None:
    async with opened(fake.audit()) as (app, pilot):
        await press(pilot, "6")
        await stand_on(app, pilot, SHOP, SHOP)
        await press(pilot, "space")
        await stand_on(app, pilot, WEB, DB)
        await choose_row(app, pilot, "spec.ingress[0]")
        assert isinstance(app.screen, ResourcesScreen)
        assert app.screen.kind == "NetworkPolicy"
        await press(pilot, "escape", "escape")
        assert screen(app).pair == Pair(WEB, DB)


# --- filter and limits ---------------------------------------------------------------------------------


async def test_the_filter_finds_namespaces_and_workloads_and_narrows_columns(opened: Opened) -> None:
    async with opened(fake.audit()) as (app, pilot):
        await press(pilot, "6")
        await type_filter(app, pilot, "runner")
        assert rows(app) == [CI, RUNNER]
        assert columns(app) == ["Internet", CI, SHOP]
        await type_filter(app, pilot, "shop to:db")
        assert rows(app) == [SHOP]
        assert columns(app) == [SHOP, DB]
        await type_filter(app, pilot, "-l app=run")
        assert rows(app) == []
        assert said(app) == "no row matches '-l app=run'\nesc clears it"
        await type_filter(app, pilot, "-l app=runn")
        assert rows(app) == [CI, RUNNER]
        await type_filter(app, pilot, "to:nobody")
        assert said(app) == "no column matches 'to:nobody'\nesc clears it"
        await press(pilot, "escape")
        assert rows(app) == ["Internet", CI, SHOP]
        assert isinstance(app.focused, MatrixGrid)


async def test_a_namespace_limit_keeps_the_pairs_that_touch_it(opened: Opened) -> None:
    async with opened(fake.audit(objects=fake.network(namespaces=2))) as (app, pilot):
        await press(pilot, "6")
        await command(pilot, "ns shop")
        assert rows(app)[:4] == ["Internet", SHOP, DB, WEB], "it comes first, with its workloads"
        assert cell(app, CI, DB) == "·"
        assert cell(app, WEB, CI) == "■"
        assert cell(app, CI, "Namespace:team-000") == ""
        await stand_on(app, pilot, CI, "Namespace:team-000")
        assert "neither is in shop; 0 lists all" in screen(app).matrix.status_text
        await press(pilot, "0")
        assert cell(app, CI, "Namespace:team-000") == "■"


async def test_with_many_namespaces_rows_without_findings_are_left_to_the_filter(opened: Opened) -> None:
    async with opened(fake.audit(objects=fake.network(namespaces=60))) as (app, pilot):
        await press(pilot, "6")
        assert rows(app) == ["Internet", SHOP], "the listed paths go through shop only"
        assert columns(app)[:3] == ["Internet", SHOP, CI], "all are columns, those with findings first"
        assert len(columns(app)) == 63
        assert "61 more by /" in str(screen(app).matrix.border_title)
        known = len(screen(app)._looks)
        assert known < 2 * 63, "what is out of view is not computed"
        await type_filter(app, pilot, "team-05")
        assert len(rows(app)) == 10
        await press(pilot, "dollar_sign")
        assert cell(app, "Namespace:team-050", "Namespace:team-059") == "■"
        assert app.session.audit.main_thread_calls == []


def test_without_any_finding_the_first_rows_are_listed() -> None:
    matrix = Matrix.of(view_of(fake.network(namespaces=60)))
    found = axes(world(matrix, [{"elsewhere"}]), Wish())
    assert len(found.rows) == 1 + 40
    assert found.hidden == 22
    found = axes(world(matrix, []), Wish(also=["team-059"]))
    assert found.rows[-1].party.id == "Namespace:team-059"
    assert axes(world(matrix, []), Wish("!team")).hidden == 0


# --- what is staged ------------------------------------------------------------------------------------


async def test_what_is_staged_is_laid_over_and_marked(opened: Opened) -> None:
    closing = {"F-PRIV": [fake.policy("web-to-db", "shop", None)]}
    async with opened(fake.audit(staging=closing)) as (app, pilot):
        await press(pilot, "6")
        await stand_on(app, pilot, SHOP, SHOP)
        await press(pilot, "space")
        assert cell(app, WEB, DB) == "▣ 1"
        fix = next(fix for fix in app.session.fixes if fix.fix == "F-PRIV")
        app.stage(fix)
        await settled(pilot)
        assert cell(app, WEB, DB) == "-·"
        assert cell(app, SHOP, SHOP).startswith("-")
        assert cell(app, WEB, CI) == "■", "what stays as it is has no mark"
        assert "staged: - closes" in notes(app)
        await stand_on(app, pilot, WEB, DB)
        assert "nothing   staged; before: TCP 5432" in screen(app).matrix.status_text
        assert "deny      every port  NetworkPolicy shop/web-to-db" in detail(app)
        app.unstage(fix)
        await settled(pilot)
        assert cell(app, WEB, DB) == "▣ 1"
        assert "staged" not in notes(app)


async def test_what_is_staged_and_opens_something_says_so(opened: Opened) -> None:
    opening = {"F-PRIV": [fake.policy("web-to-db", "shop", {})]}
    async with opened(fake.audit(staging=opening, objects=[*fake.network(), *third()])) as (app, pilot):
        app.stage(next(fix for fix in app.session.fixes if fix.fix == "F-PRIV"))
        await press(pilot, "6")
        await stand_on(app, pilot, SHOP, SHOP)
        await press(pilot, "space")
        assert cell(app, "Deployment:shop/third", DB) == "+▣ 1"


def third() -> list[dict[str, Any]]:
    found = [each for each in fake.network("third") if each["metadata"]["name"] == "third"]
    assert found
    return found


async def test_what_is_staged_and_changes_nothing_here_says_so(opened: Opened) -> None:
    async with opened(fake.audit()) as (app, pilot):
        app.stage(next(fix for fix in app.session.fixes if fix.fix == "F-PRIV"))
        await press(pilot, "6")
        assert "staged: changes nothing here" in notes(app)


async def test_fixes_that_contradict_each_other_are_not_shown_and_that_is_said(opened: Opened) -> None:
    audit = fake.audit()
    plain = audit.network

    def network(fixes: Any = ()) -> Any:
        if fixes:
            raise Conflict("two fixes change one field differently")
        return plain()

    audit.network = network  # type: ignore[method-assign]
    async with opened(audit) as (app, pilot):
        app.stage(next(fix for fix in app.session.fixes if fix.fix == "F-PRIV"))
        await press(pilot, "6")
        assert "what is staged is not shown: two fixes change one field differently" in notes(app)
        assert cell(app, CI, SHOP) == "▣ *"


# --- states --------------------------------------------------------------------------------------------


async def test_policies_that_nothing_enforces_are_said_at_the_top(opened: Opened) -> None:
    flannel = [
        {
            "apiVersion": "apps/v1",
            "kind": "DaemonSet",
            "metadata": {"name": "kube-flannel", "namespace": "kube-system"},
            "spec": {"template": {"spec": {"containers": [{"name": "c", "image": "docker.io/flannel/flannel:v1"}]}}},
        }
    ]
    async with opened(fake.audit(objects=[*fake.network(), *flannel])) as (app, pilot):
        await press(pilot, "6")
        assert "Flannel" in notes(app)
        assert "what policies say here has no effect" in notes(app)
        await press(pilot, "3")


async def test_policies_that_were_not_read_are_said_at_the_top(opened: Opened) -> None:
    gap = Gap("NetworkPolicy", "shop", Problem.FORBIDDEN, 1, "403")
    async with opened(fake.audit(coverage=[gap])) as (app, pilot):
        await press(pilot, "6")
        assert "NetworkPolicy in shop: refused: what one might decide is unknown" in notes(app)
        assert "?" in cell(app, "Namespace:ci", "Namespace:shop"), "what is not known is neither open nor closed"


async def test_whether_policies_are_enforced_is_said_to_be_unknown(opened: Opened) -> None:
    async with opened(fake.audit()) as (app, pilot):
        await press(pilot, "6")
        assert "whether policies are enforced is not known: no network plugin was recognised" in notes(app)


async def test_a_source_without_pods_says_so(opened: Opened) -> None:
    async with opened(fake.audit(objects=[])) as (app, pilot):
        await press(pilot, "6")
        assert said(app).startswith("the source holds no pod that runs")
        await press(pilot, "enter", "space", "down", "Z", "p", "d", "escape")


async def test_an_error_is_a_sentence_and_the_rest_keeps_working(opened: Opened) -> None:
    audit = fake.audit()
    audit.raising["network"] = InputError([])
    async with opened(audit) as (app, pilot):
        await press(pilot, "6")
        assert "the network cannot be computed" in said(app)
        await press(pilot, "3")
        assert isinstance(app.screen, ResourcesScreen)
        assert app.screen.table.rows.items


async def test_while_it_is_computed_it_says_so(opened: Opened) -> None:
    audit = fake.audit()
    go = held_network(audit)
    async with opened(audit) as (app, pilot):
        await pilot.press("6")
        for _ in range(5):
            await pilot.pause()
        assert "computing who reaches whom" in said(app)
        await pilot.press("down", "enter", "space")
        go.set()
        await settled(pilot)
        assert rows(app) == ["Internet", CI, SHOP]


async def test_after_a_reload_the_new_network_is_shown(opened: Opened) -> None:
    audit = fake.audit()
    async with opened(audit) as (app, pilot):
        await press(pilot, "6")
        audit.inventory, audit.objects = None, fake.network(namespaces=1)
        await press(pilot, "r", "6")
        assert "Namespace:team-000" in rows(app)


# --- other screens -------------------------------------------------------------------------------------


async def test_paths_and_resources_of_one_end_or_the_other(opened: Opened) -> None:
    async with opened(fake.audit()) as (app, pilot):
        await press(pilot, "6")
        await stand_on(app, pilot, CI, SHOP)
        await press(pilot, "space")
        await stand_on(app, pilot, RUNNER, WEB)
        await press(pilot, "p")
        assert isinstance(app.screen, ChoiceDialog)
        assert app.screen.choices == ["Deployment ci/runner", "Deployment shop/web"]
        await press(pilot, "enter")
        assert isinstance(app.screen, PathsScreen)
        assert len(app.screen.path_list.items) == 3
        await press(pilot, "escape", "escape")
        assert screen(app).pair == Pair(RUNNER, WEB)
        await press(pilot, "p", "up", "enter")
        assert "no path goes through Deployment ci/runner" in toasts(app)
        await press(pilot, "greater_than_sign", "greater_than_sign", "d")
        assert isinstance(app.screen, ResourcesScreen), "the tab of the column means the column"
        assert app.screen.kind == "Deployment"
        assert app.screen.row.id == WEB
        await press(pilot, "escape", "less_than_sign")
        await stand_on(app, pilot, "Internet", WEB)
        await press(pilot, "d")
        assert "neither is an object of the cluster" in toasts(app)


async def test_resources_tell_the_connections_of_an_object_and_lead_here(opened: Opened) -> None:
    async with opened(fake.audit()) as (app, pilot):
        await command(pilot, "deploy")
        assert isinstance(app.screen, ResourcesScreen)
        for _ in range(3):
            await press(pilot, "greater_than_sign")
        listed = app.screen.detail.query_one(RowList)
        text = listed.content_text
        assert "MAY CONNECT TO IT" in text
        assert "no policy selects its pods (ingress)" in text
        assert "internet, every address  every port" in text
        assert "IT MAY REACH" in text
        assert "Deployment shop/db  TCP 5432" in text
        await press(pilot, "enter")
        listed.cursor = next(
            at for at, row in enumerate(listed.items) if isinstance(row, Row) and row.target == Pair(WEB, DB)
        )
        await press(pilot, "enter")
        assert screen(app).pair == Pair(WEB, DB)
        await press(pilot, "escape")
        assert isinstance(app.screen, ResourcesScreen)
        await press(pilot, "escape", "n")
        assert screen(app).pair == Pair(WEB, WEB)
        assert app.session.audit.main_thread_calls == []


async def test_somebody_who_comes_while_it_is_computed_still_gets_there(opened: Opened) -> None:
    audit = fake.audit()
    go = held_network(audit)
    async with opened(audit) as (app, pilot):
        app.show_view("network", Asked(source=WEB, target=WEB))
        for _ in range(5):
            await pilot.pause()
        assert "computing who reaches whom" in said(app)
        go.set()
        await settled(pilot)
        assert screen(app).pair == Pair(WEB, WEB)


async def test_a_service_in_resources_is_told_who_may_connect(opened: Opened) -> None:
    async with opened(fake.audit(yaml_name_of={"Service": "db"})) as (app, pilot):
        await command(pilot, "svc")
        for _ in range(3):
            await press(pilot, "greater_than_sign")
        text = app.screen.detail.query_one(RowList).content_text
        assert "selected by NetworkPolicy shop/web-to-db" in text
        assert "Deployment shop/web  TCP 5432" in text
        assert "a Service sends nothing by itself" in text
        await press(pilot, "n")
        assert screen(app).pair == Pair(DB, DB)


async def test_an_object_that_nothing_connects_to_says_so(opened: Opened) -> None:
    async with opened(fake.audit()) as (app, pilot):
        await command(pilot, "secrets")
        for _ in range(3):
            await press(pilot, "greater_than_sign")
        assert "nothing connects to it" in app.screen.detail.query_one(TextPane).content_text
        await press(pilot, "n")
        assert "Secret shop/web has no pods that run: nothing connects to it" in toasts(app)


async def test_somebody_who_comes_here_finds_what_the_filter_hid(opened: Opened) -> None:
    async with opened(fake.audit(objects=fake.network(namespaces=60))) as (app, pilot):
        await press(pilot, "6")
        await type_filter(app, pilot, "team-00")
        await command(pilot, "deploy")
        await press(pilot, "n")
        assert screen(app).pair == Pair(WEB, WEB)
        assert screen(app).filter_text == ""


# --- words ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.0.0.0-255.255.255.255", "every address"),
        ("10.0.0.1-10.0.0.1", "10.0.0.1"),
        ("10.0.0.0-10.0.0.9", "10.0.0.0-10.0.0.9"),
        ("::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "every IPv6 address"),
    ],
)
def test_addresses_in_words(text: str, expected: str) -> None:
    assert addresses_text(text) == expected


def test_cells_in_glyphs_numbers_and_words() -> None:
    ports = [{"port": 80, "endPort": 4079}, {"port": 53, "protocol": "UDP"}]
    rules = [{"from": [{"podSelector": {}}], "ports": ports}]
    objects = fake.network()
    objects[-1]["spec"]["ingress"] = rules
    matrix = Matrix.of(view_of(objects))
    source, target = matrix.party(WEB), matrix.party(DB)
    assert source is not None
    assert target is not None
    many = matrix.cell(source, target)
    full, some = matrix.network.reach.space.all, many.allowed

    def look(made: Cell, before: Cell | None = None) -> tuple[str, str, str]:
        found = cell_look(matrix, made, source, target, (matrix, before) if before is not None else None)
        return found.text, found.change, found.sentence

    assert look(many) == ("▣ 4k", "", "TCP 80-4079, UDP 53")
    assert look(Cell(4, 2, 1, 0, full)) == ("▣ *", "", "every port (2 of 4 pairs)")
    assert look(Cell(1, 1, 0, 1, some, full & ~some))[0] == "▣ 4k?"
    assert look(Cell(2, 0, 0, 1, 0, some)) == ("?", "", "cannot tell: TCP 80-4079, UDP 53 (of 1 of 2 pairs)")
    assert look(Cell(3)) == ("·", "", "nothing (of 3 pairs)")
    assert look(Cell(2, 1, 0, 0, some), Cell(2, 2, 0, 0, some))[1] == "-"
    assert look(Cell(2, 2, 1, 0, full), Cell(2, 2, 0, 0, some))[1] == "+"
    assert look(Cell(2, 1, 1, 0, full), Cell(2, 2, 0, 0, some))[1] == "~"
    assert "before: nothing" in look(many, Cell(1))[2]


async def test_glyphs_differ_without_colour(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    async with opened(fake.audit()) as (app, pilot):
        await press(pilot, "6")
        assert app.theme == "mono"
        await stand_on(app, pilot, CI, SHOP)
        await press(pilot, "space")
        assert len({cell(app, WEB, CI), cell(app, WEB, DB), cell(app, RUNNER, DB)}) == 3
        line = next(strip.text for strip in app.screen._compositor.render_strips() if ">- ci" in strip.text)
        assert "■" in line


async def test_the_help_explains_keys_and_glyphs(opened: Opened) -> None:
    async with opened(fake.audit()) as (app, pilot):
        await press(pilot, "6", "question_mark")
        text = app.screen.query_one(TextPane).content_text
        own = text.split("OTHER SCREENS")[0]
        assert "THE MATRIX OF THE NETWORK" in own
        assert "the ports of the cell, and the rules that decide them" in own
        assert "network: every pair may use every port" in text
