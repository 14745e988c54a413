"""What the rows and the columns of the network's matrix are: folds, filter, findings. Pure functions."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.tui import filtering
from workbench.tui.text import shown

if TYPE_CHECKING:
    from workbench.network.matrix import Matrix, Party

MANY = 40
"""From so many namespaces on, rows without findings are listed only when they are asked for."""

TO = "to:"
FROM = "from:"


@dataclass(frozen=True, slots=True)
class Line:
    """A row or a column."""

    party: Party
    label: str
    """The name, escaped, without its namespace."""
    note: str = ""
    """The kind of a workload."""
    unfolded: bool | None = None
    """Whether its workloads are listed; ``None`` where there are none to list."""


@dataclass(frozen=True, slots=True)
class World:
    """Everybody, with what the filter searches; made in a worker."""

    matrix: Matrix
    names: Sequence[str]
    """The names of the workloads in lower case, by their places."""
    findings: Mapping[str, int]
    """How many of the listed attack paths go through each namespace; none for those that no path touches."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be listed."""

    text: str = ""
    """The filter."""
    namespace: str = ""
    """What lists are limited to; empty for all."""
    unfolded: Collection[str] = ()
    """The ids of the parties whose workloads are listed."""
    also: Collection[str] = ()
    """Namespaces that are listed whether they have findings or not."""


@dataclass(frozen=True, slots=True)
class Axes:
    """Rows and columns."""

    rows: Sequence[Line]
    columns: Sequence[Line]
    hidden: int = 0
    """How many namespaces are no row, for want of findings."""


def world(matrix: Matrix, touched: Collection[Collection[str]]) -> World:
    """Everybody of a matrix (in a worker).

    Args:
        matrix: The matrix.
        touched: For each listed attack path the namespaces that it touches.
    """
    findings: dict[str, int] = {}
    for namespaces in touched:
        for name in namespaces:
            if name in matrix.groups:
                findings[name] = findings.get(name, 0) + 1
    return World(matrix, [workload.name.lower() for workload in matrix.network.workloads], findings)


def axes(everybody: World, wish: Wish) -> Axes:
    """The rows and the columns that there are to be."""
    words = wish.text.split()
    row_words = " ".join(word.replace(FROM, "", 1) for word in words if TO not in word)
    column_words = " ".join(word.replace(TO, "", 1) for word in words if TO in word)
    parties = everybody.matrix.parties
    groups = [party for party in parties if party.namespace]
    many = len(groups) > MANY
    # Where there are many, those that attack paths go through come first, and are all the rows that there are.
    ahead = [party for party in groups if party.namespace == wish.namespace]
    found = [party for party in groups if many and party.namespace in everybody.findings]
    ordered = list(dict.fromkeys([*(party for party in parties if not party.namespace), *ahead, *found, *groups]))
    rows, hidden = ordered, 0
    if many and not row_words:
        first = found or groups[:MANY]
        wanted = (
            {party.id for party in first} | {party.id for party in ahead} | {f"Namespace:{one}" for one in wish.also}
        )
        rows = [party for party in ordered if not party.namespace or party.id in wanted]
        hidden = len(ordered) - len(rows)
    # The ingress controller forwards; nobody is told of as connecting to it by that name.
    columns = [party for party in ordered if party.namespace or party is parties[0]]
    return Axes(
        _lines(everybody, rows, wish.unfolded, row_words),
        _lines(everybody, columns, wish.unfolded, column_words),
        hidden,
    )


def _lines(everybody: World, parties: Sequence[Party], unfolded: Collection[str], text: str) -> list[Line]:
    """Some parties with the workloads of those that are unfolded; with a filter what it matches."""
    if not text:
        return [line for party in parties for line in _group(everybody, party, party.id in unfolded)]
    kept = {parties[at].id for at in filtering.matching([_name(party).lower() for party in parties], text)}
    if "-l" in text.split():
        kept = set()
    workloads = everybody.matrix.network.workloads

    def labels(at: int, parts: Sequence[str]) -> bool:
        from workbench.analysis.object_tables import labels_match

        return labels_match(workloads[at].labels, parts)

    matched = set(filtering.matching(everybody.names, text, labels=labels))
    out: list[Line] = []
    for party in parties:
        if party.id in kept:
            out += _group(everybody, party, party.id in unfolded)
            continue
        own = [at for at in party.workloads if at in matched]
        if own:
            out += _group(everybody, party, True, own)
    return out


def _group(everybody: World, party: Party, unfolded: bool, only: Sequence[int] | None = None) -> list[Line]:
    if not party.namespace:
        return [Line(party, _name(party))]
    out = [Line(party, shown(party.namespace), "", unfolded)]
    if unfolded:
        chosen = None if only is None else set(only)
        for member in everybody.matrix.members(party):
            if chosen is None or member.workloads[0] in chosen:
                kind, _, name = member.id.partition(":")
                out.append(Line(member, shown(name.partition("/")[2]), shown(kind)))
    return out


def _name(party: Party) -> str:
    from workbench.network.matrix import OUTSIDE

    return party.namespace or ("internet" if party.id == OUTSIDE else party.id)


def touches(namespace: str, row: Party, column: Party) -> bool:
    """Whether a pair is listed while lists are limited to a namespace."""
    return not namespace or namespace in (row.namespace, column.namespace)
