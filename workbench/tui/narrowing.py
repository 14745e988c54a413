"""Which paths are listed: those of ``:path``, those through something, those that touch a namespace."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

from workbench.tui.listing import Listing, listed_paths
from workbench.tui.names import end_of, full
from workbench.tui.screens.base import Asked
from workbench.tui.session import Session, passes
from workbench.tui.shared import SessionApp

EVERY_NAMESPACE = "all"


class NarrowingApp(SessionApp):
    """An app whose list of paths can be narrowed."""

    def find_paths(self, arguments: Sequence[str]) -> None:
        """List the paths to something, or from something to something (``:path``)."""
        session = self.session
        if session is None:
            self.say("open a source first")
            return
        sources, targets = ((arguments[0],), (arguments[1],)) if len(arguments) > 1 else ((), (arguments[0],))
        query = f"from {sources[0]} to {targets[0]}" if sources else f"to {targets[0]}"

        def ask() -> Listing:
            return Listing.of(session.audit.paths(listed_paths(sources, targets)))

        self.in_background("query", ask, lambda found: self._narrowed(session, query, found))

    def show_paths_through(self, source: str, target: str | None = None) -> None:
        """List the paths through a node, or over the edge between two."""
        session = self.require_session()
        query = f"through {end_of(source)}" + (f" -> {end_of(target)}" if target else "")
        whole = session.whole

        def ask() -> Listing:
            return whole.only([at for at, path in enumerate(whole.report.paths) if passes(path, source, target)])

        self.in_background("query", ask, lambda found: self._narrowed(session, query, found))

    def show_paths_at(self, about: str, places: Sequence[int], path: str = "") -> None:
        """List the paths at some places of the whole list, and go to one of them.

        Args:
            about: The id of the object that they go through.
            places: Where they stand.
            path: The id of the one to select, the first by default.
        """
        session = self.require_session()
        session.narrow(f"through {full(about)}", session.whole.only(places))
        self.show_view("paths", Asked(path=path))
        self.tell_screens()

    def _narrowed(self, session: Session, query: str, found: Listing) -> None:
        session.narrow(query, found)
        self.come_to("paths")
        self.tell_screens()

    def clear_query(self) -> bool:
        """Show all paths again; whether they were narrowed."""
        session = self.session
        if session is None or not session.query:
            return False
        session.narrow("", None)
        self.tell_screens()
        return True

    def limit_to_namespace(self, namespace: str) -> None:
        """List only what touches a namespace (``:ns``); ``all`` or an empty name takes the limit away."""
        session = self.session
        if session is None:
            self.say("open a source first")
            return
        wanted = "" if namespace == EVERY_NAMESPACE else namespace
        known = session.namespaces
        if wanted and wanted not in known:
            near = get_close_matches(wanted, known, 3)
            self.say(f"no namespace {wanted}" + (f"; did you mean {' or '.join(near)}?" if near else ""), "warning")
            return
        session.limit_to(wanted)
        self.say(f"listing what touches {wanted}; 0 lists all" if wanted else "listing all namespaces")
        self.tell_screens()

    def action_all_namespaces(self) -> None:
        """List all namespaces again."""
        if self.session is not None and self.session.namespace:
            self.limit_to_namespace("")
