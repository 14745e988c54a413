"""Connections on paper: a table, JSON, CSV, DOT; streamed, one line a connection."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

from workbench.network.connections import CONTROLLER, Connection, Workload
from workbench.network.explain import Reason, why
from workbench.network.peers import Ends
from workbench.network.ports import LAST_PORT, PROTOCOLS, PortRange, Ranges
from workbench.network.reach import NOTHING
from workbench.network.rows import Verdict
from workbench.report.cells import cell
from workbench.report.documents import dumps
from workbench.report.tables import Output
from workbench.text import shown

if TYPE_CHECKING:
    from workbench.engine import NetworkAudit


@dataclass(frozen=True, slots=True)
class Query:
    """Which connections are wanted, and whether with the rules that decided."""

    sources: Ends
    targets: Ends
    ports: Sequence[PortRange] = field(default_factory=tuple)
    """Empty for all."""
    explain: bool = False
    denied: bool = False
    """Whether pairs without a connection are listed, too."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A connection with its two ends as the explanation knows them."""

    connection: Connection
    ends: tuple[Workload | int, Workload | int]


def write(audit: NetworkAudit, query: Query, form: str) -> None:
    """Stream the connections to standard output.

    Args:
        audit: The loaded source.
        query: What is wanted.
        form: ``table``, ``json``, ``csv`` or ``dot``.
    """
    writers: dict[str, Callable[[NetworkAudit, Query], Iterator[str]]] = {"json": _json, "csv": _csv, "dot": _dot}
    if form in writers:
        for line in writers[form](audit, query):
            sys.stdout.write(f"{line}\n")
    else:
        _table(audit, query)


def connections(audit: NetworkAudit, query: Query) -> Iterator[Listed]:
    """The connections: into the cluster, out of it, within it, and by the ingress controller; each by its names."""
    network, sources, targets = audit.network, query.sources, query.targets
    mask = network.reach.space.all
    if query.ports:
        mask = 0
        for port in query.ports:
            mask |= network.reach.space.mask(port)
    column_of = network.column_of
    if sources.blocks:
        for target in targets.workloads:
            for span, verdict in network.incoming(target):
                for part in sources.within(span):
                    yield from _kept(str(part), target.name, verdict, mask, (column_of(part), target))
    if targets.blocks:
        for source in sources.workloads:
            for span, verdict in network.outgoing(source):
                for part in targets.within(span):
                    yield from _kept(source.name, str(part), verdict, mask, (source, column_of(part)))
    by_name = {workload.name: workload for workload in network.workloads}
    every = len(targets.workloads) == len(network.workloads)
    for each in network.between(sources.workloads, None if every else targets.workloads):
        ends = (by_name[each.source], by_name[each.target])
        yield from _kept(each.source, each.target, each.verdict, mask, ends)
    if sources.controller:
        wanted = {workload.name for workload in targets.workloads}
        for name, verdict in network.let_in().items():
            if name in wanted:
                ends_of_controller = (network.controller_column, by_name[name])
                yield from _kept(CONTROLLER, name, verdict, mask, ends_of_controller)


def _kept(
    source: str, target: str, verdict: Verdict, mask: int, ends: tuple[Workload | int, Workload | int]
) -> Iterator[Listed]:
    left = (verdict[0] & mask, verdict[1] & mask)
    if left != NOTHING:
        yield Listed(Connection(source, target, left), ends)


def denied(audit: NetworkAudit, query: Query) -> Iterator[tuple[Workload, Workload]]:
    """Pairs of the chosen workloads of which nothing is let through."""
    for source in query.sources.workloads:
        for target in query.targets.workloads:
            if source is not target and audit.network.pair(source, target) == NOTHING:
                yield source, target


# --- JSON ---------------------------------------------------------------------------------------------


def _json(audit: NetworkAudit, query: Query) -> Iterator[str]:
    ranges = audit.network.reach.space.ranges

    @cache
    def ports_of(verdict: Verdict) -> str:
        text = f'"ports": {dumps(ranges(verdict[0]))}'
        return f'{text}, "unknown": {dumps(ranges(verdict[1]))}' if verdict[1] else text

    @cache
    def quoted(name: str) -> str:
        return dumps(name)

    def rows() -> Iterator[str]:
        for listed in connections(audit, query):
            each = listed.connection
            more = f', "why": {dumps(_reasons(audit, listed.ends))}' if query.explain else ""
            yield (
                f'{{"source": {quoted(each.source)}, "target": {quoted(each.target)}, {ports_of(each.verdict)}{more}}}'
            )

    yield '{"schema": "workbench/connectivity/1",'
    yield ' "connections": ['
    yield from _items(rows())
    if query.denied:
        yield ' ], "denied": ['
        yield from _items(
            dumps({"source": source.name, "target": target.name, "why": _reasons(audit, (source, target))})
            for source, target in denied(audit, query)
        )
    yield f' ], "coverage": {dumps([gap.as_dict() for gap in audit.coverage])}}}'


def _items(items: Iterator[str]) -> Iterator[str]:
    previous: str | None = None
    for item in items:
        if previous is not None:
            yield f"  {previous},"
        previous = item
    if previous is not None:
        yield f"  {previous}"


def _reasons(audit: NetworkAudit, ends: tuple[Workload | int, Workload | int]) -> list[dict[str, Any]]:
    out: list[dict[str, Any]] = []
    for reason in why(audit.network, *ends):
        item: dict[str, Any] = {
            "direction": reason.direction.value,
            "tier": reason.tier or None,
            "action": reason.action,
            "policy": reason.policy or None,
            "rule": reason.field or None,
            "ports": audit.network.reach.space.ranges(reason.ports),
        }
        origin = audit.inventory.origin(reason.policy) if reason.policy else None
        if origin is not None and origin.file is not None:
            item["file"] = origin.file
            line = origin.line(reason.field)
            if line is not None:
                item["line"] = line
        if reason.detail:
            item["detail"] = reason.detail
        out.append(item)
    return out


# --- CSV and DOT --------------------------------------------------------------------------------------


def _csv(audit: NetworkAudit, query: Query) -> Iterator[str]:
    ranges = audit.network.reach.space.ranges
    yield "source,target,protocol,ports,verdict"
    for listed in connections(audit, query):
        each = listed.connection
        for verdict, mask in zip(("allowed", "unknown"), each.verdict, strict=True):
            for protocol, found in ranges(mask).items():
                out = io.StringIO()
                row = (cell(each.source), cell(each.target), protocol, _spans(found), verdict)
                csv.writer(out, lineterminator="").writerow(row)
                yield out.getvalue()


def _dot(audit: NetworkAudit, query: Query) -> Iterator[str]:
    ranges = audit.network.reach.space.ranges
    yield "digraph workbench {"
    yield '  rankdir=LR; node [shape=box, fontname="monospace"];'
    for listed in connections(audit, query):
        each = listed.connection
        for mask, style in zip(each.verdict, ("", ", style=dashed"), strict=True):
            if mask:
                label = _quoted(ports_text(ranges(mask)))
                yield f"  {_quoted(each.source)} -> {_quoted(each.target)} [label={label}{style}];"
    yield "}"


def _quoted(value: str) -> str:
    """A quoted string of DOT. A backslash is doubled, or a label would read ``\\N`` as the node's name."""
    return '"' + shown(value, sys.maxsize).replace("\\", "\\\\").replace('"', '\\"') + '"'


# --- tables -------------------------------------------------------------------------------------------


def _spans(found: list[list[int]]) -> str:
    return " ".join(str(low) if low == high else f"{low}-{high}" for low, high in found)


def ports_text(found: Ranges) -> str:
    """Ports for people: ``all``, or ``TCP 80 443, UDP all``."""
    everything = [[1, LAST_PORT]]
    if all(found.get(protocol) == everything for protocol in PROTOCOLS):
        return "all"
    return ", ".join(
        f"{protocol} {'all' if spans == everything else _spans(spans)}" for protocol, spans in found.items()
    )


def _table(audit: NetworkAudit, query: Query) -> None:
    out = Output()
    ranges = audit.network.reach.space.ranges
    if query.explain:
        _explained(audit, query, out)
        return
    rows: list[tuple[str, str, str]] = []
    for listed in connections(audit, query):
        allowed, unknown = listed.connection.verdict
        parts = [ports_text(ranges(allowed))] if allowed else []
        parts += [f"unknown: {ports_text(ranges(unknown))}"] if unknown else []
        rows.append((listed.connection.source, listed.connection.target, "; ".join(parts)))
    if rows:
        out.table(("FROM", "TO", "PORTS"), rows)
    else:
        out.line("No connection is allowed.")


def _explained(audit: NetworkAudit, query: Query, out: Output) -> None:
    ranges = audit.network.reach.space.ranges
    shown_any = False
    for listed in connections(audit, query):
        shown_any = True
        each = listed.connection
        for word, mask, style in (("", each.verdict[0], "strong"), ("unknown: ", each.verdict[1], "assumed")):
            if mask:
                ends = f"{each.source} {out.arrow} {each.target}"
                out.fold([(ends, style), f"{word}{ports_text(ranges(mask))}"], hang=4, gap="  ")
        _print_reasons(audit, out, listed.ends)
    if query.denied:
        for source, target in denied(audit, query):
            shown_any = True
            out.fold([(f"{source.name} {out.arrow} {target.name}", "strong"), "nothing"], hang=4, gap="  ")
            _print_reasons(audit, out, (source, target))
    if not shown_any:
        out.line("No connection is allowed.")


def _print_reasons(audit: NetworkAudit, out: Output, ends: tuple[Workload | int, Workload | int]) -> None:
    for reason in why(audit.network, *ends):
        out.fold(_reason_words(audit, reason), indent=4, hang=8)


def _reason_words(audit: NetworkAudit, reason: Reason) -> list[str]:
    words = [f"{reason.direction.value}:", reason.action, ports_text(audit.network.reach.space.ranges(reason.ports))]
    if reason.policy:
        words += ["by", f"{reason.policy} {reason.field}".rstrip()]
        origin = audit.inventory.origin(reason.policy)
        if origin is not None and origin.file is not None:
            line = origin.line(reason.field)
            words.append(f"({origin.file}{f':{line}' if line else ''})")
    if reason.detail:
        words.append(f"({reason.detail})")
    return words
