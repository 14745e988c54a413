"""The screens over the real engine and a sample that ships with the program."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from textual.widgets import Input

from tests.tui.conftest import settled
from workbench.sources.samples import samples
from workbench.tui.app import WorkbenchApp
from workbench.tui.screens.overview import OverviewScreen
from workbench.tui.widgets.line_list import RowList
from workbench.tui.widgets.painting import TextPane

NAMES = [sample.name for sample in samples()]


@pytest.mark.skipif("shop" not in NAMES, reason="the sample does not ship")
@pytest.mark.parametrize("size", [(80, 24), (120, 36)])
async def test_a_sample_from_the_list_to_a_written_patch(isolated: Path, size: tuple[int, int]) -> None:
    app = WorkbenchApp(None)
    async with app.run_test(size=size, notifications=True) as pilot:
        await settled(pilot)
        offers = app.screen.query_one(RowList)
        offers.cursor = next(
            at for at, row in enumerate(offers.items) if getattr(row.target, "source", "") == "sample:shop"
        )
        await pilot.press("enter")
        await settled(pilot)
        assert isinstance(app.screen, OverviewScreen)
        assert app.session is not None
        before = app.session.report.total
        assert before
        await pilot.press("2")
        await settled(pilot)
        await pilot.press("enter")
        await settled(pilot)
        screen = app.screen
        for _ in range(len(screen.drawing.path.steps)):
            await pilot.press("down")
            await settled(pilot)
            details = app.session.details[(screen.step.source, screen.step.target, screen.step.technique)]
            assert details.evidence, screen.step
            if details.recommended is not None:
                break
        await pilot.press("f", "s")
        await settled(pilot)
        staged = app.session.basket[0]
        assert any(
            notification.message.startswith(
                f"staged: {staged.title}, cuts {staged.paths_cut} path{'s' * (staged.paths_cut != 1)}"
            )
            for notification in app._notifications
        )
        what_if = app.session.what_if
        assert app.session.staged_text.startswith(f"staged 1: {before} -> {what_if.paths_after} paths")
        lowered = [(name, *pair) for name, pair in what_if.severities.items() if pair[0] != pair[1]]
        assert what_if.paths_after < before or lowered[0][1] > lowered[0][2]
        if lowered:
            name, old, new = lowered[0]
            assert app.session.staged_text.endswith(f", {old} -> {new} {name}")
        await pilot.press("7")
        await settled(pilot)
        diff = app.screen.query_one("#diff", TextPane).content_text
        assert any(line.startswith(("+ ", "- ")) for line in diff.splitlines())
        await pilot.press("x")
        await settled(pilot)
        directory = app.screen.query_one(Input).value
        listed = {line.strip() for line in app.screen.query_one(TextPane).content_text.splitlines()}
        await pilot.press("enter")
        await settled(pilot)
        written = {
            str(path.relative_to(isolated / directory)) for path in (isolated / directory).rglob("*") if path.is_file()
        }
        assert written <= listed, "the dialog named every file"
        records = json.loads((isolated / directory / "fixes.json").read_text(encoding="utf-8"))
        assert [record["id"] for record in records] == [staged.id]
        assert "next: kubectl" in list(app._notifications)[-1].message
        await pilot.press("2", "y")
        await settled(pilot)
        marked = [line for line in app.screen.detail.query_one(TextPane).content_text.splitlines() if line[:1] == ">"]
        assert marked, "the YAML shows which lines prove the step"


@pytest.mark.skipif("hardened" not in NAMES, reason="the sample does not ship")
async def test_the_hardened_sample_has_no_path(isolated: Path) -> None:
    app = WorkbenchApp(None)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        app.open_source("sample:hardened")
        await settled(pilot)
        assert app.session.report.total == 0
        assert "no path from any default start" in app.screen.query_one("#box-paths", RowList).content_text


async def test_broken_manifests_are_a_sentence_and_another_source_opens(isolated: Path) -> None:
    (isolated / "broken.yaml").write_text("apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: 7\n", encoding="utf-8")
    app = WorkbenchApp(None)
    async with app.run_test(size=(120, 36)) as pilot:
        await settled(pilot)
        app.open_source("broken.yaml")
        await settled(pilot)
        text = app.screen.query_one("#overview-message", TextPane).content_text
        assert "broken.yaml cannot be read: 1 place in it is wrong." in text
        (isolated / "broken.yaml").write_text(
            "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: [{name: c, image: i}]}\n",
            encoding="utf-8",
        )
        await pilot.press("r")
        await settled(pilot)
        assert app.session is not None
        assert app.session.audit.counts["Container"] == 1
