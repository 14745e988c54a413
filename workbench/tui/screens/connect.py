"""Connect: the contexts of the kubeconfig, files here, and samples. Nothing is contacted until one is opened."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import ClassVar

from textual import on
from textual.widget import Widget

from workbench.tui.discovery import Offer, Offers, offers
from workbench.tui.lines import BLANK
from workbench.tui.screens.base import Pane, WorkbenchScreen, screen_bindings
from workbench.tui.text import Spans, span
from workbench.tui.widgets.line_list import LineList, Row, RowList

FIRST_RUN = "first time here? enter opens a sample cluster   : takes commands   ? explains the keys   q quits"

TITLE = 28


class ConnectScreen(WorkbenchScreen):
    """What can be opened."""

    PLACE = "connect"
    PANES = (Pane("offers", "Open", "#offers"),)
    BINDINGS: ClassVar = screen_bindings("connect")

    def __init__(self) -> None:
        super().__init__()
        self.offers: Offers | None = None

    def body(self) -> Iterable[Widget]:
        """One list."""
        yield RowList(id="offers")

    def on_mount(self) -> None:
        """Look around once the screen is painted: a worker would take the interpreter's time before."""
        super().on_mount()
        self._fill()
        self.call_after_refresh(self._look_around)

    def _look_around(self) -> None:
        here = Path.cwd()
        self.workbench.in_background("offers", lambda: offers(here), self._found)

    def _found(self, found: Offers) -> None:
        self.offers = found
        self.workbench.samples = [offer.title for offer in found.samples]
        self.workbench.contexts = [offer.title for offer in found.contexts]
        self._fill()

    def session_changed(self) -> None:
        """The first-run line goes once something was opened."""
        if self.is_mounted:
            self._fill()

    def _fill(self) -> None:
        rows: list[Row] = []
        if self.workbench.is_first_run and self.session is None:
            rows += [Row((((FIRST_RUN, "key"),),)), Row((BLANK,))]
        found = self.offers
        if found is None:
            rows.append(Row((((("looking around …", "muted")),),)))
        else:
            rows += _section("KUBECONFIG CONTEXTS", found.contexts, found.kubeconfig)
            if found.contexts:
                rows[-1:] = [Row(((("  ", ""), span(found.kubeconfig, "muted", 2048)),)), Row((BLANK,))]
            rows += _section("FILES HERE", found.files, "no snapshot and no manifests here; : open PATH opens others")
            rows += _section("SAMPLE CLUSTERS", found.samples, "this installation holds none")
        listed = self.query_one(RowList)
        current = listed.current
        at = next((at for at, row in enumerate(rows) if current is not None and row.target == current.target), 0)
        listed.entitle("Open a source", "enter opens   : open PATH   nothing is contacted before")
        listed.set_items(rows, at)

    @on(LineList.Opened, "#offers")
    def _open(self, event: LineList.Opened) -> None:
        row = event.list.items[event.index]
        offer = row.target if isinstance(row, Row) else None
        if not isinstance(offer, Offer):
            return
        self.workbench.open_source(offer.source)


def _section(title: str, found: Iterable[Offer], otherwise: str) -> list[Row]:
    rows = [Row((((title, "heading"),),))]
    offers_found = list(found)
    for offer in offers_found:
        name = span(offer.title, "strong", 60)
        line: Spans = (("  ", ""), name, (" " * max(2, TITLE - len(name[0])), ""), span(offer.note, "muted"))
        rows.append(Row((line,), offer))
    if not offers_found:
        rows.append(Row(((("  ", ""), span(otherwise, "muted", 2048)),)))
    rows.append(Row((BLANK,)))
    return rows
