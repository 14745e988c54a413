"""A live cluster as a source: connect as the request says, collect, and let go."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from workbench.errors import ClusterError
from workbench.kube.api import Connection, Endpoint
from workbench.kube.credentials import Terminal
from workbench.preferences import read_preferences
from workbench.sources.cluster import Collected, KindProgress, Observer, Scope, State, collect
from workbench.sources.manifests import Progress
from workbench.sources.request import SourceRequest
from workbench.text import shown


@dataclass(frozen=True, slots=True)
class Live:
    """What a face brings along to read a live cluster."""

    connection: Connection | None = None
    """An open one, which stays open; without it one is made, and closed at the end."""
    terminal: Terminal | None = None
    """Where a login plugin may ask a person."""
    observer: Observer | None = None
    """Hears how far each kind is."""
    keep_partial: bool = False
    """Take what was read if the reading is cancelled or the server is lost, with gaps for the rest."""
    ended: Callable[[ClusterError], None] | None = None
    """Hears why the rest was not read, where :attr:`keep_partial` takes what was."""


def read_live(request: SourceRequest, progress: Progress | None, live: Live) -> tuple[Collected, str]:
    """Read the cluster of a request.

    Returns:
        What was read, and a name for it.

    Raises:
        KubeconfigError: There is no kubeconfig, or it cannot be followed.
        ConfigError: The preferences, which name namespaces to try, are wrong.
        ClusterError: The server cannot be reached, refuses everything, or was lost.
        Cancelled: The connection was cancelled.
    """
    if progress is not None:
        progress("connecting", 0, 0)
    connection = live.connection
    own = None
    if connection is None:
        # Only here, for it takes a third of a second to import.
        from workbench.kube.connection import connect

        connection = own = connect(request.options, live.terminal)
    try:
        scope = Scope(request.namespaces, (*request.also, *read_preferences().namespaces))
        found = collect(connection, scope, _observer(progress, live.observer))
        if found.ended is not None and not live.keep_partial:
            raise _ended(found, connection.endpoint)
        if found.ended is not None and live.ended is not None:
            live.ended(found.ended)
        return found, _name(connection.endpoint, request.namespaces)
    finally:
        if own is not None:
            own.close()


def _ended(found: Collected, endpoint: Endpoint) -> ClusterError:
    assert found.ended is not None
    said = f"{shown(endpoint.context or endpoint.server)}: {found.ended}; {len(found.objects):,} objects had been read"
    return type(found.ended)(said)


def _name(endpoint: Endpoint, namespaces: tuple[str, ...]) -> str:
    name = f"context {shown(endpoint.context)}" if endpoint.context else f"the cluster at {shown(endpoint.server)}"
    if namespaces:
        name += f", {'namespace' if len(namespaces) == 1 else 'namespaces'} {', '.join(map(shown, namespaces))}"
    return name


def _observer(progress: Progress | None, observer: Observer | None) -> Observer | None:
    """What hears of each kind, told to a line of progress as sums."""
    if progress is None:
        return observer
    kinds: dict[str, KindProgress] = {}

    def hear(news: KindProgress) -> None:
        kinds[news.kind] = news
        left = sum(one.state in (State.WAITING, State.READING) for one in kinds.values())
        done = sum(one.done for one in kinds.values())
        expected = sum(one.expected for one in kinds.values())
        progress(f"reading {len(kinds)} kinds, {left} left, objects:", done, expected if expected > done else 0)
        if observer is not None:
            observer(news)

    return hear
