"""Opening a source: the worker that loads it, its progress, and what is said where it fails."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from textual import on
from textual.worker import WorkerCancelled, get_current_worker

from workbench.errors import WorkbenchError
from workbench.tui.failures import failure_lines
from workbench.tui.jobs import kept
from workbench.tui.listing import Listing, listed_paths
from workbench.tui.messages import JobDone, Progress
from workbench.tui.screens.base import WorkbenchScreen
from workbench.tui.session import Session
from workbench.tui.shared import SessionApp
from workbench.tui.text import Spans, count, shown

if TYPE_CHECKING:
    from workbench.analysis.choke import ChokePoint
    from workbench.engine import Audit
    from workbench.inventory.evidence import Gap
    from workbench.remediation.records import Fix
    from workbench.sources import Live, SourceRequest
    from workbench.tui.screens.coverage import Coverage

Loader = Callable[["SourceRequest", Callable[[str, int, int], None], "Live | None"], "Audit"]

CHOKE_POINTS = 50
"""How many are asked for: nodes and edges come mixed, and some of each are shown."""


def load_audit(request: SourceRequest, progress: Callable[[str, int, int], None], live: Live | None = None) -> Audit:
    """Load a source; the engine is imported here, in the worker."""
    from workbench.engine import Audit

    return Audit.load(request, progress, live)


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a worker has loaded."""

    audit: Audit
    listing: Listing
    namespaces: Sequence[str]
    staged: list[Fix]
    """Those of the basket that still apply."""
    lost: int
    """How many do not."""


class LoadingApp(SessionApp):
    """An app that opens sources."""

    def __init__(self, request: SourceRequest | None, loader: Loader, *, ansi_color: bool | None) -> None:
        super().__init__(ansi_color=ansi_color)
        self.request = request
        self.loader = loader
        self.loading = request is not None
        self._progress = "starting"
        self.failure: tuple[str, list[Spans]] | None = None
        self._refused: Sequence[Gap] = ()
        """What was asked where a cluster gave nothing at all."""
        self._namespace = ""
        """What lists are limited to once the source is loaded."""

    def open_source(self, text: str) -> None:
        """Open a SOURCE (``:open``)."""

        def ask() -> SourceRequest:
            from workbench.sources import parse_source

            return parse_source(text)

        self.in_background("request", ask, self.load)

    def load(self, request: SourceRequest, keep: Sequence[Fix] = ()) -> None:
        """Load a source.

        Args:
            request: What to read.
            keep: The fixes that stay staged, as far as they still apply.
        """
        if self.is_changing:
            # It would end the connection under the batch.
            self.say("a cluster is being changed; esc stops after the object it is at", "warning")
            return
        again = request == self.request and self.session is not None
        self._namespace = self.session.namespace if again and self.session is not None else ""
        self.request = request
        self.failure = None
        self._refused = ()
        self.loading = True
        self._progress = "starting"
        self.begin_loading(request, again=again)

        def job() -> Loaded:
            worker = get_current_worker()

            def progress(phase: str, done: int, total: int) -> None:
                if worker.is_cancelled:
                    raise WorkerCancelled("another source was opened")
                self.post_message(Progress(worker, phase, done, total))

            audit = self.read(request, progress)
            self.post_message(Progress(worker, "searching paths", 0, 0))
            listing = Listing.of(audit.paths(listed_paths()))
            staged = [fix for fix in (_applying(audit, staged) for staged in keep) if fix is not None]
            return kept(Loaded(audit, listing, tuple(audit.namespaces), staged, len(keep) - len(staged)))

        self.in_background("load", job, self._loaded, self._load_failed)
        self.tell_screens()

    def begin_loading(self, request: SourceRequest, *, again: bool) -> None:
        """Show what is going on.

        Args:
            request: What is being read.
            again: Whether it is what is loaded.
        """
        self.session = None
        self.come_to("overview")

    def read(self, request: SourceRequest, progress: Callable[[str, int, int], None]) -> Audit:
        """Read a source (in a worker)."""
        return self.loader(request, progress, None)

    @on(Progress)
    def _progressed(self, event: Progress) -> None:
        if not event.worker.is_cancelled and self.loading:
            total = f" of {event.total:,}" if event.total else ""
            self._progress = event.phase + (f" {event.done:,}{total}" if event.done or event.total else "")
            if isinstance(self.screen, WorkbenchScreen):
                self.screen.session_changed()

    def _loaded(self, loaded: Loaded) -> None:
        self.loading = False
        self.session = Session(
            loaded.audit,
            loaded.listing,
            coverage=tuple(loaded.audit.coverage),
            namespaces=loaded.namespaces,
            namespace=self._namespace if self._namespace in loaded.namespaces else "",
            basket=loaded.staged,
        )
        if loaded.lost:
            self.say(f"{count(loaded.lost, 'staged fix does', 'staged fixes do')} not apply any more", "warning")
        self.tell_screens()
        self._rank()
        self.session_loaded()

    def _load_failed(self, error: Exception) -> None:
        self.loading = False
        self.failure = failure_lines(error, str(self.request))
        self._refused = getattr(error, "gaps", ())
        self.tell_screens()

    def _rank(self) -> None:
        session = self.require_session()

        def job() -> list[Fix]:
            worker = get_current_worker()

            def progress(fixes: Sequence[Fix], done: int, total: int) -> None:
                if worker.is_cancelled:
                    raise WorkerCancelled("another source was opened")
                self.post_message(JobDone(worker, deliver, (fixes, f"ranking {done:,} of {total:,}")))

            return kept(list(session.audit.fixes(progress, self.turns.step_back)))

        def deliver(found: tuple[Sequence[Fix], str]) -> None:
            session.fixes, session.ranking = found
            self.tell_screens()

        def ranked(fixes: list[Fix]) -> None:
            deliver((fixes, ""))
            self.fixes_ranked()

        def counted(points: list[ChokePoint]) -> None:
            session.choke_points = points
            self.tell_screens()

        self.in_background("choke points", lambda: session.audit.choke_points(CHOKE_POINTS), counted)
        self.in_background("rank", job, ranked, patient=True)

    def message_lines(self) -> tuple[str, list[Spans]]:
        """What stands where there is nothing to show: a title and lines."""
        if self.failure is not None:
            return self.failure
        if self.loading:
            lines: list[Spans] = [
                ((shown(f"reading {self.request}"), "strong"),),
                ((shown(self._progress), ""),),
                (("esc goes back to Connect", "muted"),),
            ]
            return "Loading", lines
        return "Nothing open", [
            (("no source is open", "strong"),),
            ((":open SOURCE opens one, esc goes to Connect", "muted"),),
        ]

    def action_reload(self) -> None:
        """Read the source again; the basket stays."""
        if self.request is not None and not self.loading:
            self.load(self.request, self.basket)

    @property
    def basket(self) -> list[Fix]:
        """What is staged."""
        return list(self.session.basket) if self.session is not None else []

    # -- coverage

    def action_coverage(self) -> None:
        """What could not be read."""
        session, refused = self.session, self._refused
        if session is None and not refused:
            self.say("nothing is loaded")
            return

        def ask() -> Coverage:
            from workbench.analysis.coverage import closing_roles, weaknesses
            from workbench.techniques.limits import limits
            from workbench.techniques.registry import all_techniques
            from workbench.tui.screens.coverage import Coverage

            not_looked_at = [limit.what for limit in limits()]
            if session is None:
                return Coverage(weaknesses(refused, all_techniques()), (), closing_roles(refused), not_looked_at)
            roles = closing_roles(session.coverage)
            return Coverage(session.audit.weaknesses(), session.audit.notes, roles, not_looked_at)

        self.in_background("coverage", ask, self._show_coverage)

    def _show_coverage(self, found: Coverage) -> None:
        from workbench.tui.screens.coverage import CoverageSheet, write_roles

        def written(path: Path) -> None:
            self.say(f"wrote {path.name}; next: kubectl apply -f {path.name}")

        def answered(roles: str | None) -> None:
            if roles:
                self.in_background("roles", lambda: write_roles(roles, Path.cwd()), written)

        if not isinstance(self.screen, CoverageSheet):
            self.push_screen(CoverageSheet(found), answered)

    def cancel_loading(self) -> None:
        """Stop loading; its result is void."""
        self.loading = False
        self.workers.cancel_group(self, "load")
        self.say("loading was cancelled")


def _applying(audit: Audit, staged: Fix) -> Fix | None:
    """A staged fix with its answers as it is now, if it still applies."""
    try:
        return audit.fix(staged.id).answered(dict(staged.answers))
    except WorkbenchError:
        return None
