"""From how the lists of a cluster ended to coverage gaps, in words that say what was asked and what was answered."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from workbench.errors import Cancelled, ClusterError
from workbench.inventory.evidence import Gap, Problem
from workbench.inventory.objects import CustomResourceDefinition, kind_of
from workbench.kube.resources import Resource
from workbench.sources.cluster_lists import Listing, Outcome
from workbench.text import shown

_SINGLE = 10
"""Up to so many refused namespaces of one kind are a gap each."""


@dataclass(frozen=True, slots=True)
class Request:
    """How one list ended."""

    namespace: str
    outcome: Outcome
    reason: str = ""


class Reading:
    """How all lists of one kind went."""

    def __init__(self, resource: Resource) -> None:
        self.resource = resource
        self._requests: dict[str, Request | None] = {}

    def started(self, listing: Listing) -> None:
        """A list is to be read."""
        self._requests.setdefault(listing.namespace, None)

    def ended(self, listing: Listing, outcome: Outcome, reason: str) -> None:
        """A list has ended."""
        self._requests[listing.namespace] = Request(listing.namespace, outcome, reason)

    def requests(self) -> list[Request]:
        """Those that have ended."""
        return [request for request in self._requests.values() if request is not None]

    @property
    def everywhere(self) -> Request | None:
        """The list of the whole cluster."""
        return self._requests.get("")

    @property
    def whole(self) -> bool:
        """Whether the list of the whole cluster was read to its end."""
        return self.everywhere is not None and self.everywhere.outcome is Outcome.DONE

    @property
    def refused(self) -> bool:
        """Whether the list of the whole cluster, or every other, was refused."""
        if self.everywhere is not None:
            return self.everywhere.outcome is Outcome.REFUSED
        found = self.requests()
        return bool(found) and all(request.outcome is Outcome.REFUSED for request in found)

    @property
    def done(self) -> list[str]:
        """The namespaces that were read to their end."""
        return sorted(one.namespace for one in self.requests() if one.namespace and one.outcome is Outcome.DONE)

    @property
    def unfinished(self) -> bool:
        """Whether something was not even asked for."""
        return any(request is None or request.outcome is Outcome.ENDED for request in self._requests.values())


def gaps_of(
    readings: Sequence[Reading], *, tried: Sequence[str], all_namespaces: bool, ended: ClusterError | None
) -> list[Gap]:
    """A gap for each kind that was not read, or not everywhere.

    Args:
        readings: How the lists of each kind went.
        tried: The namespaces that were tried one by one.
        all_namespaces: Whether these are all that there are.
        ended: Why the reading as a whole ended early.
    """
    out: list[Gap] = []
    for reading in readings:
        out.extend(_of(reading, tried, all_namespaces, ended))
    return out


def _of(reading: Reading, tried: Sequence[str], all_namespaces: bool, ended: ClusterError | None) -> Iterable[Gap]:
    kind = reading.resource.kind
    if reading.unfinished:
        reason = "cancelled" if isinstance(ended, Cancelled) else f"the connection was lost: {ended}"
        yield Gap(kind, None, Problem.NOT_COLLECTED, 1, shown(reason), ())
        return
    for request in reading.requests():
        if request.outcome in (Outcome.FAILED, Outcome.PARTIAL):
            part = ", some of it was read" if request.outcome is Outcome.PARTIAL else ""
            detail = shown(request.reason) + part
            yield Gap(kind, request.namespace or None, Problem.NOT_COLLECTED, 1, detail, ())
    refused = [one for one in reading.requests() if one.namespace and one.outcome is Outcome.REFUSED]
    if reading.everywhere is None:
        # Only some namespaces were asked for.
        for one in refused:
            yield Gap(kind, one.namespace, Problem.FORBIDDEN, 1, shown(one.reason))
        return
    if not reading.refused:
        return
    read = reading.done
    if all_namespaces and reading.resource.namespaced and read and len(refused) <= _SINGLE:
        for one in refused:
            yield Gap(kind, one.namespace, Problem.FORBIDDEN, 1, shown(one.reason))
        return
    detail = shown(reading.everywhere.reason)
    if reading.resource.namespaced and tried:
        if not all_namespaces:
            detail += f"; only these were tried: {_names(tried)}"
        detail += f"; read in {_names(read)}" if read else ""
    yield Gap(kind, None, Problem.FORBIDDEN, 1, detail, tuple(read) or None)


def limited(resources: Iterable[Resource], only: Sequence[str]) -> list[Gap]:
    """That the operator asked for some namespaces only."""
    detail = f"only {'namespace' if len(only) == 1 else 'namespaces'} {_names(only)} (--namespace)"
    read = tuple(sorted(only))
    return [
        Gap(resource.kind, None, Problem.NOT_COLLECTED, 1, detail, read)
        for resource in resources
        if resource.namespaced
    ]


def not_analysed(definitions: Iterable[CustomResourceDefinition]) -> list[Gap]:
    """That there are kinds of custom resources that no rule here reads; none of their objects was asked for."""
    names = []
    for one in definitions:
        group, kind = (one.spec.group, one.spec.names) if one.spec is not None else (None, None)
        if group and kind is not None and kind.kind and kind_of(f"{group}/v1", kind.kind) is None:
            names.append(one.name)
    if not names:
        return []
    return [Gap("custom resources", None, Problem.SKIPPED, len(names), f"not analysed: {_names(sorted(names))}")]


def _names(names: Sequence[str]) -> str:
    more = f" and {len(names) - 20:,} more" if len(names) > 20 else ""
    return ", ".join(shown(name) for name in names[:20]) + more
