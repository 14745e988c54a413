"""What the app holds for one source: the audit, the paths, the basket, and what was asked about steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from workbench.tui.lines import status_text
from workbench.tui.listing import Listing
from workbench.tui.text import count, shown

if TYPE_CHECKING:
    from workbench.analysis.choke import ChokePoint
    from workbench.analysis.paths import Path, PathStep
    from workbench.engine import Audit, Document, PathReport, Preview, WhatIfReport
    from workbench.inventory.evidence import Evidence, Gap
    from workbench.kube.api import Endpoint
    from workbench.remediation.records import Fix
    from workbench.techniques.api import Declaration

STALE_AFTER = timedelta(minutes=30)
"""When what was read of a live cluster counts as old."""

StepKey = tuple[str, str, str]
"""Source, target and technique of a step."""


@dataclass(frozen=True, slots=True)
class StepDetails:
    """What the step detail shows; put together in a worker."""

    evidence: Sequence[Evidence]
    documents: Sequence[Document]
    """The objects that the evidence names, each once, as far as their text is known."""
    proving: Mapping[str, AbstractSet[int]]
    """The lines of these texts (from 0) that hold a field of the evidence, by object."""
    declaration: Declaration
    fixes: Sequence[Fix] | None = None
    """``None`` until they are asked for: on a large cluster it takes seconds the first time."""
    recommended: Fix | None = None


@dataclass
class Session:
    """One loaded source. The app changes it, the screens show it."""

    audit: Audit
    whole: Listing
    """All paths."""
    coverage: Sequence[Gap] = ()
    endpoint: Endpoint | None = None
    """Of a live cluster: where it was read."""
    read_at: datetime | None = None
    """Of a live cluster: when."""
    cancelled: bool = False
    """Whether the user stopped the reading and kept what there was."""
    namespaces: Sequence[str] = ()
    """Every namespace that exists or that an object names, sorted."""
    namespace: str = ""
    """The namespace that lists are limited to, empty for all; the graph knows nothing of it."""
    fixes: Sequence[Fix] | None = None
    """The best first; ``None`` until a worker has ranked some."""
    ranking: str = "ranking"
    """How far that has come, empty once all are ranked."""
    choke_points: Sequence[ChokePoint] | None = None
    """``None`` until a worker has counted them."""
    basket: list[Fix] = field(default_factory=list)
    """What is staged, in order."""
    what_if: WhatIfReport | None = None
    """What the basket leads to; ``None`` while it is computed, or if the basket is empty."""
    previews: Sequence[Preview] = ()
    problem: str = ""
    """Why the basket's effect cannot be computed, as a sentence."""
    details: dict[StepKey, StepDetails] = field(default_factory=dict)
    alternatives: dict[str, Sequence[Path]] = field(default_factory=dict)
    """The other ways between the ends of paths that were looked at, by path id."""
    query: str = ""
    """How the paths were narrowed (``:path``), empty for all."""
    narrowed: Listing | None = None
    """The narrowed paths, of all namespaces."""

    def __post_init__(self) -> None:
        self._lists()

    def _lists(self) -> None:
        self._scoped = self.whole.within(self.namespace)
        self._listed = self._scoped if self.narrowed is None else self.narrowed.within(self.namespace)

    def narrow(self, query: str, found: Listing | None) -> None:
        """List what was asked for; ``None`` for all paths again."""
        self.query, self.narrowed = query, found
        self._lists()

    def limit_to(self, namespace: str) -> None:
        """List what touches a namespace; an empty name for all."""
        self.namespace = namespace
        self._lists()

    @property
    def report(self) -> PathReport:
        """All paths that touch the namespace."""
        return self._scoped.report

    @property
    def paths(self) -> Sequence[Path]:
        """The paths that the list shows."""
        paths: Sequence[Path] = self._listed.report.paths
        return paths

    @property
    def limit_text(self) -> str:
        """What the list says of the paths that it leaves out."""
        return self._listed.limit_text

    @property
    def hay(self) -> Sequence[str]:
        """What the filter searches for the paths that the list shows."""
        return self._listed.haystacks

    @property
    def cut(self) -> frozenset[str]:
        """The ids of the paths that the basket closes."""
        return frozenset(path.id for path, _ in self.what_if.cut) if self.what_if else frozenset()

    def staged(self, fix: Fix) -> bool:
        """Whether a fix is in the basket."""
        return any(staged.id == fix.id for staged in self.basket)

    @property
    def staged_text(self) -> str:
        """What the header says of the basket."""
        if not self.basket:
            return "staged 0"
        head = f"staged {len(self.basket)}"
        if self.problem:
            return f"{head}: conflict"
        if self.what_if is None:
            return f"{head}: …"
        text = f"{head}: {self.what_if.paths_before:,} -> {count(self.what_if.paths_after, 'path')}"
        # A pair keeps its place in the list by its next best path, so that the worst paths may go and none be closed.
        differing = ((name, *pair) for name, pair in self.what_if.severities.items() if pair[0] != pair[1])
        worst = next(differing, None)
        return text if worst is None else f"{text}, {worst[1]:,} -> {worst[2]:,} {worst[0]}"

    @property
    def coverage_text(self) -> str:
        """What the header says of what could not be read."""
        if self.cancelled:
            return "PARTIAL: cancelled"
        return f"PARTIAL: {len(self.coverage)}" if self.coverage else "FULL"

    def age_text(self, now: datetime) -> str:
        """When a live cluster was read, and how long ago: ``live 06:10 (4 min)``; empty for files."""
        if self.read_at is None:
            return ""
        minutes = int((now - self.read_at) / timedelta(minutes=1))
        ago = f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"
        return f"live {self.read_at.astimezone():%H:%M} ({ago})"

    def is_stale(self, now: datetime) -> bool:
        """Whether what was read of a live cluster is too old to be relied on."""
        return self.read_at is not None and now - self.read_at >= STALE_AFTER


def passes(path: Path, source: str, target: str | None) -> bool:
    """Whether a path goes through a node, or with a target over the edge between two, which may lead into a hub."""
    if target is None:
        return source in path.nodes
    return any(
        (step.source, step.target) == (source, target)
        or any((edge.source, edge.target) == (source, target) for edge in step.edges)
        for step in path.steps
    )


def step_key(step: PathStep) -> StepKey:
    """What a step's details are kept under."""
    return (step.source, step.target, step.technique)


def step_details(audit: Audit, step: PathStep) -> StepDetails:
    """Ask the engine all that the step detail shows, but for fixes (in a worker)."""
    evidence = audit.evidence(step)
    documents = []
    proving = {}
    for about in dict.fromkeys(one.object for one in evidence):
        document = audit.document(about)
        if document is not None:
            documents.append(document)
            lines = document.lines_of([one.field for one in evidence if one.object == about and one.value is not None])
            count_of_lines = document.text.count("\n") + 1
            for one in evidence:
                if one.object == about and one.line is not None and one.file == document.file:
                    lines.add(one.line - document.first_line)
            proving[document.object] = frozenset(line for line in lines if 0 <= line < count_of_lines)
    return StepDetails(evidence, documents, proving, audit.declaration(step.technique))


def with_fixes(audit: Audit, step: PathStep, details: StepDetails) -> StepDetails:
    """The same with the fixes of the step (in a worker)."""
    from workbench.remediation.records import first_ready

    fixes = audit.fixes_for(step)
    return replace(details, fixes=fixes, recommended=first_ready(fixes))


def staged_message(fix: Fix) -> str:
    """The toast after staging."""
    # Where it cuts none, what it does for the worst ones is all that it does.
    reroutes = f", reroutes {fix.reroutes}" if fix.reroutes and not fix.paths_cut else ""
    return f"staged: {shown(fix.title)}, cuts {count(fix.paths_cut, 'path')}{reroutes}"


def asks(fix: Fix) -> bool:
    """Whether a fix can be staged once its needs are answered."""
    return str(fix.status) == "needs-input" and bool(fix.needs)


def refusal(fix: Fix) -> str | None:
    """Why a fix cannot be staged, or ``None`` if it can."""
    status = str(fix.status)
    if status == "ready":
        return None
    if status == "needs-input":
        questions = "; ".join(shown(need.question) for need in fix.needs)
        return f"needs a value first: {questions or status_text(fix)}"
    return status_text(fix)


def default_directory(title: str) -> str:
    """Where patches go by default: ``./workbench-export-<source>-<UTC>``."""
    slug = "-".join("".join(char if char.isascii() and char.isalnum() else " " for char in title).split()).lower()[:40]
    return f"./workbench-export-{slug or 'source'}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
