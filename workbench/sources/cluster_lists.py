"""Several lists of a cluster at once: threads wait for the network, the pages come to one place in turn."""

from __future__ import annotations

import contextlib
import enum
import queue
import threading
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass

from workbench.errors import Cancelled, ClusterError, LoginError, Unreachable
from workbench.kube.api import JSON, METADATA_LIST, Connection
from workbench.kube.paging import Garbled, Lost, Page, Patient, Refused, pages
from workbench.kube.resources import Resource

THREADS = 6
"""Requests at once: enough to hide a far server's latency, few enough for its fairness limits."""

_AHEAD = 4
"""Pages that may wait to be decoded."""

SECRET_TYPES = (
    "Opaque",
    "kubernetes.io/service-account-token",
    "kubernetes.io/tls",
    "kubernetes.io/dockerconfigjson",
    "kubernetes.io/dockercfg",
    "kubernetes.io/basic-auth",
    "kubernetes.io/ssh-auth",
    "bootstrap.kubernetes.io/token",
    "helm.sh/release.v1",
)
"""The types of Secrets that are told apart, by field selectors: metadata says nothing of them.

Source: Kubernetes documentation, "Types of Secret"; Helm stores its releases in the last.
"""


class Outcome(enum.StrEnum):
    """How a list ended."""

    DONE = "done"
    ABSENT = "absent"
    REFUSED = "refused"
    FAILED = "failed"
    PARTIAL = "partial"
    """Some pages came, and then it failed."""
    ENDED = "ended"
    """The reading as a whole was ended: cancelled, or the server was lost."""


@dataclass(frozen=True, slots=True)
class Listing:
    """One list to read."""

    resource: Resource
    namespace: str = ""
    """Empty for the whole cluster."""

    @property
    def metadata_only(self) -> bool:
        """Whether only metadata is asked for, as values must not reach us."""
        return self.resource.group == "" and self.resource.kind in ("Secret", "ConfigMap")

    @property
    def parts(self) -> tuple[tuple[str, dict[str, str]], ...]:
        """The parts in which it is read: the type that all of a part have, and the selector. No object is in two."""
        if self.resource.group or self.resource.kind != "Secret":
            return (("", {}),)
        others = ",".join(f"type!={kind}" for kind in SECRET_TYPES)
        return (*((kind, {"fieldSelector": f"type={kind}"}) for kind in SECRET_TYPES), ("", {"fieldSelector": others}))


@dataclass(frozen=True, slots=True)
class Event:
    """A page of a list, or its end."""

    listing: Listing
    part: str = ""
    page: Page | None = None
    outcome: Outcome = Outcome.DONE
    reason: str = ""
    """Why it is not whole, with the server's words."""
    error: Exception | None = None


def listed(connection: Connection, patient: Patient, listings: Sequence[Listing]) -> Generator[Event, None, None]:
    """Read lists, several at once.

    Args:
        connection: Cancelled if the consumer stops early.
        patient: Sends the requests.
        listings: What to read.

    Yields:
        The pages as they come, and one end for each listing, also for those that were not begun because the reading
        as a whole has ended.
    """
    todo: queue.SimpleQueue[Listing | None] = queue.SimpleQueue()
    for listing in listings:
        todo.put(listing)
    count = min(THREADS, len(listings))
    for _ in range(count):
        todo.put(None)
    events: queue.Queue[Event] = queue.Queue(_AHEAD)
    stop = threading.Event()
    over: list[ClusterError] = []

    def put(event: Event) -> None:
        while not stop.is_set():
            with contextlib.suppress(queue.Full):
                events.put(event, timeout=0.1)
                return

    def work() -> None:
        while (listing := todo.get()) is not None and not stop.is_set():
            if over:
                put(_end(listing, over[0], begun=False))
                continue
            begun = False
            try:
                for part, page in _pages(patient, listing):
                    begun = True
                    put(Event(listing, part, page))
                put(Event(listing))
            except Exception as error:  # handed to the thread that asked: nothing may end a worker in silence
                if isinstance(error, _ENDING):
                    over.append(error)
                put(_end(listing, error, begun=begun))

    threads = [threading.Thread(target=work, name=f"list-{at}", daemon=True) for at in range(count)]
    for thread in threads:
        thread.start()
    left = len(listings)
    try:
        while left:
            event = events.get()
            if event.page is None:
                left -= 1
                if event.outcome in (Outcome.FAILED, Outcome.PARTIAL) and not isinstance(event.error, _EXPECTED):
                    assert event.error is not None
                    raise event.error
            yield event
    except (GeneratorExit, KeyboardInterrupt):
        # The consumer went away.
        connection.cancel()
        raise
    finally:
        stop.set()
        for thread in threads:
            thread.join(1.0)


def _pages(patient: Patient, listing: Listing) -> Iterator[tuple[str, Page]]:
    path = listing.resource.path(listing.namespace)
    accept = METADATA_LIST if listing.metadata_only else JSON
    for part, query in listing.parts:
        for page in pages(patient, path, query=query, accept=accept):
            yield part, page


_ENDING = (Cancelled, Lost, LoginError)
"""After these nothing more can be read."""
_EXPECTED = (Refused, Garbled, Unreachable)
"""After these the next list may still be read."""


def _end(listing: Listing, error: Exception, *, begun: bool) -> Event:
    """How a list ended that was not read to its end."""
    where = f" in {listing.namespace}" if listing.namespace else ""
    what = f"list {listing.resource.name}{where}"
    if isinstance(error, _ENDING):
        return Event(listing, outcome=Outcome.ENDED, reason=str(error), error=error)
    if isinstance(error, Refused) and not begun:
        if error.status == 403:
            said = error.answer.message or "Forbidden"
            return Event(listing, outcome=Outcome.REFUSED, reason=f"{what}: 403: {said}", error=error)
        if error.status in (404, 405):
            return Event(listing, outcome=Outcome.ABSENT, error=error)
    outcome = Outcome.PARTIAL if begun else Outcome.FAILED
    return Event(listing, outcome=outcome, reason=f"{what}: {error}", error=error)
