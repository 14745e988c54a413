"""What the Network screen says of cells and pairs, as lines of spans. Pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.network.connections import CONTROLLER
from workbench.network.matrix import OUTSIDE, Cell, Matrix, Party, PartyKind, State
from workbench.network.ports import Ranges
from workbench.network.rules import Direction
from workbench.report.connectivity import ports_text
from workbench.tui.names import full
from workbench.tui.text import Span, Spans, count, shown, span
from workbench.tui.widgets.line_list import Row

if TYPE_CHECKING:
    from workbench.engine import NetworkView
    from workbench.network.around import Around, Side
    from workbench.network.explain import Reason

GLYPHS = {State.ALL: "■", State.SOME: "▣", State.NOTHING: "·", State.UNKNOWN: "?", State.NO_PAIR: " "}
LOOKS = {State.ALL: "high", State.SOME: "", State.NOTHING: "muted", State.UNKNOWN: "warning", State.NO_PAIR: "muted"}

LISTED = 500
"""How many pairs, or other ends of connections, are listed at most."""

SPANS_LISTED = 20
EVERY = "every port"
THOUSAND = 1000


@dataclass(frozen=True, slots=True)
class Look:
    """A cell as it is painted, with what is said of it."""

    text: str
    look: str
    sentence: str
    change: str = ""
    """What staged fixes do to it: ``-`` closed, ``+`` opened, ``~`` both or neither; empty for nothing."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A row and a column to go to, by the ids of their parties."""

    source: str
    target: str


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy to go to, by its id."""

    id: str


def party_name(party: Party | str) -> str:
    """A party in words: ``internet``, ``namespace shop``, ``Deployment shop/cart``."""
    identifier = party if isinstance(party, str) else party.id
    if identifier == OUTSIDE:
        return "internet"
    if identifier == CONTROLLER:
        return CONTROLLER
    if identifier.startswith("Namespace:"):
        return f"namespace {shown(identifier.partition(':')[2])}"
    return full(identifier)


# --- cells --------------------------------------------------------------------------------------------


def cell_look(
    matrix: Matrix, cell: Cell, source: Party, target: Party, before: tuple[Matrix, Cell] | None = None
) -> Look:
    """How a cell is painted.

    Args:
        matrix: Whose cell it is.
        cell: The cell.
        source: Its row.
        target: Its column.
        before: Where staged fixes change it: the matrix and the cell without them.
    """
    state = cell.state
    text = GLYPHS[state]
    if state is State.SOME:
        text += f" {_number(matrix, cell)}"
    sentence = cell_sentence(matrix, cell, source, target)
    change = ""
    if before is not None:
        change = _change(before, (matrix, cell))
        sentence += f"   staged; before: {cell_sentence(*before, source, target)}"
    return Look(text, LOOKS[state], sentence, change)


def _number(matrix: Matrix, cell: Cell) -> str:
    unsure = "?" if cell.unknown else ""
    if matrix.is_every_port(cell.allowed):
        return f"*{unsure}"
    ports = matrix.port_count(cell.allowed)
    return f"{ports if ports < THOUSAND else f'{ports // THOUSAND}k'}{unsure}"


def _change(before: tuple[Matrix, Cell], after: tuple[Matrix, Cell]) -> str:
    old, new = _extent(*before), _extent(*after)
    if old != new and all(one >= other for one, other in zip(old, new, strict=True)):
        return "-"
    if old != new and all(one <= other for one, other in zip(old, new, strict=True)):
        return "+"
    return "~"


def _extent(matrix: Matrix, cell: Cell) -> tuple[int, int, int, int]:
    possible = matrix.port_count(cell.allowed | cell.unknown)
    return cell.linked, cell.open, matrix.port_count(cell.allowed), possible


def cell_sentence(matrix: Matrix, cell: Cell, source: Party, target: Party) -> str:
    """What the pairs of a cell may do: ``TCP 7070``, ``TCP 80 443 (4 of 30 pairs)``."""
    state = cell.state
    if state is State.NO_PAIR:
        return "no pair" if source.id != target.id else "itself: its own replicas are not told apart"
    of = f" ({cell.linked:,} of {count(cell.pairs, 'pair')})" if cell.pairs > 1 else ""
    unsure = f"; cannot tell: {_few(matrix.ranges(cell.unknown))}" if cell.unknown else ""
    if state is State.NOTHING:
        return "nothing" + (f" (of {count(cell.pairs, 'pair')})" if cell.pairs > 1 else "")
    if state is State.UNKNOWN:
        return unsure.removeprefix("; ") + (f" (of {cell.unsure:,} of {cell.pairs:,} pairs)" if cell.pairs > 1 else "")
    if state is State.ALL:
        return EVERY + (f" (all {cell.pairs:,} pairs)" if cell.pairs > 1 else "")
    ports = _few(matrix.ranges(cell.allowed))
    if PartyKind.OUTSIDE in (source.kind, target.kind):
        ports += ", some addresses" if cell.pairs == 1 else ""
    return ports + of + unsure


def _few(found: Ranges) -> str:
    text = ports_text(found)
    if text == "all":
        return EVERY
    return text if len(text) <= 60 else f"{text[:57]}…"


# --- the reasons of a pair ----------------------------------------------------------------------------

HEADINGS = {Direction.EGRESS: "leaving", Direction.INGRESS: "entering"}
SURE = ("allow", "deny", "pass")


def why_rows(view: NetworkView, source: Party, target: Party, look: Look) -> list[Row]:
    """The rules that decide a pair, by direction; or the pairs of a cell of many (in a worker)."""
    matrix = view.matrix
    head = [Row(((("ports  ", "muted"), (look.sentence, "strong")),), "")]
    if PartyKind.NAMESPACE in (source.kind, target.kind):
        return head + _pair_rows(matrix, source, target)
    rows = head + _address_rows(matrix, source, target)
    last = None
    for reason, where in view.why(source, target):
        if reason.direction is not last:
            last = reason.direction
            near = source if last is Direction.EGRESS else target
            heading = f"{HEADINGS[last]} {party_name(near)} ({last.value})"
            rows.append(Row((((heading, "heading"),),)))
        place = "" if where is None else shown(where.file) + (f":{where.line}" if where.line else "")
        rows.append(_reason_row(matrix, reason, place))
    return rows


def _reason_row(matrix: Matrix, reason: Reason, place: str) -> Row:
    look = "strong" if reason.action in SURE else "warning"
    line: list[Span] = [("  ", ""), (f"{reason.action:<9} ", look), (_few(matrix.ranges(reason.ports)), "")]
    if reason.policy:
        line += [
            ("  ", ""),
            span(full(reason.policy), "strong"),
            span(f"  {reason.field}" if reason.field else "", "proof"),
        ]
        line.append((f"  {place}", "muted"))
    detail = reason.detail or ("" if reason.policy else "no rule decides it")
    if detail:
        line.append(span(f"  {detail}", "muted", 2048))
    return Row((tuple(line),), Policy(reason.policy) if reason.policy else "")


def _address_rows(matrix: Matrix, source: Party, target: Party) -> list[Row]:
    """From or to which addresses, where they are one end."""
    out = target.kind is PartyKind.OUTSIDE
    workload = matrix.workload(source if out else target)
    if workload is None or not (out or source.kind is PartyKind.OUTSIDE):
        return []
    found = matrix.outside(workload, out=out)
    rows = [
        Row(
            (
                (
                    ("  ", ""),
                    (f"{addresses_text(each)}  ", ""),
                    *verdict_spans(matrix.ranges(one), matrix.ranges(other)),
                ),
            ),
            "",
        )
        for each, (one, other) in found[:SPANS_LISTED]
    ]
    if len(found) > SPANS_LISTED:
        rows.append(Row((((f"  and {len(found) - SPANS_LISTED:,} more ranges", "muted"),),), ""))
    if not out and found:
        rows.append(Row(((("  if something leads there: a Service, a host port, the node's address", "muted"),),), ""))
    return rows


def addresses_text(found: object) -> str:
    """``10.0.0.1-10.0.0.9``; one address once, all of them as ``every address``."""
    low, _, high = str(found).partition("-")
    if (low, high) in (("0.0.0.0", "255.255.255.255"), ("::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff")):
        return "every address" if "." in low else "every IPv6 address"
    return low if low == high else f"{low}-{high}"


def verdict_spans(allowed: Ranges, unknown: Ranges) -> Spans:
    """The ports of a verdict."""
    out: list[Span] = []
    if allowed:
        text = _few(allowed)
        out.append((text, "high" if text == EVERY else "strong"))
    if unknown:
        out.append((f"{'; ' if out else ''}cannot tell: {_few(unknown)}", "warning"))
    return tuple(out) or (("nothing", "muted"),)


def _pair_rows(matrix: Matrix, source: Party, target: Party) -> list[Row]:
    """The pairs of a cell, those that may talk first."""
    whole = matrix.cell(source, target)
    linked: list[Row] = []
    unsure: list[Row] = []
    found = (len(linked), len(unsure))
    for one, other, (allowed, unknown) in matrix.pairs(source, target) if whole.linked or whole.unsure else ():
        line: Spans = (
            ("  ", ""),
            (f"{party_name(one)} -> {party_name(other)}  ", ""),
            *verdict_spans(matrix.ranges(allowed), matrix.ranges(unknown)),
        )
        (linked if allowed else unsure).append(Row((line,), Pair(one.id, other.id)))
        found = (found[0] + bool(allowed), found[1] + bool(unknown))
        if len(linked) == LISTED or found == (whole.linked, whole.unsure):
            break
    rows = [*linked, *unsure[: LISTED - len(linked)]]
    if found != (whole.linked, whole.unsure) or len(unsure) > LISTED - len(linked):
        more = f"  and more: {whole.linked:,} pairs may talk, of {whole.unsure:,} something cannot be told"
        rows.append(Row((((more, "muted"),),), ""))
    return rows


# --- the connections of one party ---------------------------------------------------------------------


def around_rows(found: Around, *, sources: bool = True, targets: bool = True) -> list[Row]:
    """Who may connect to an object, and what it may reach; a row goes to the pair in the matrix.

    Args:
        found: The connections.
        sources: Whether to tell who may connect to it.
        targets: Whether to tell what it may reach.
    """
    if found.note:
        return [Row((((found.note, "muted"),),), "")]
    rows: list[Row] = []
    if sources:
        rows += _direction_rows("may connect to it", found, Direction.INGRESS)
        rows += _side_rows(found.sources, found.party, incoming=True)
    if targets and found.targets is None:
        rows.append(Row(((("a Service sends nothing by itself: see what is behind it", "muted"),),), ""))
    elif targets and found.targets is not None:
        rows += _direction_rows("it may reach", found, Direction.EGRESS)
        rows += _side_rows(found.targets, found.party, incoming=False)
    return rows


def _direction_rows(title: str, found: Around, direction: Direction) -> list[Row]:
    policies = found.selected.get(direction, ())
    rows = [Row((((title.upper(), "heading"),),))]
    if not policies:
        rows.append(Row((((f"  no policy selects its pods ({direction.value})", "warning"),),), ""))
    for policy in policies:
        rows.append(Row(((("  selected by ", "muted"), (full(policy), "")),), Policy(policy)))
    return rows


def _side_rows(sides: Sequence[Side], party: str, *, incoming: bool) -> list[Row]:
    # What is allowed comes first; what cannot be told does not hide it.
    ordered = sorted(sides, key=lambda side: not side.ports)
    rows = [_side_row(side, party, incoming=incoming) for side in ordered[:LISTED]]
    if len(ordered) > LISTED:
        rows.append(Row((((f"  and {len(ordered) - LISTED:,} more", "muted"),),), ""))
    return rows or [Row(((("  nobody" if incoming else "  nothing", "muted"),),), "")]


def _side_row(side: Side, party: str, *, incoming: bool) -> Row:
    if not side.id:
        name = f"every workload of the cluster ({side.workloads:,})"
    elif side.addresses is not None:
        name = f"internet, {addresses_text(side.addresses)}"
    else:
        name = party_name(side.id) + (f" ({count(side.workloads, 'workload')})" if side.workloads > 1 else "")
    line: Spans = (("  ", ""), (f"{name}  ", ""), *verdict_spans(side.ports, side.unknown))
    other = side.id or party
    return Row((line,), Pair(other, party) if incoming else Pair(party, other))


def axis_rows(matrix: Matrix, about: Party, *, out: bool) -> list[Row]:
    """What a namespace, the internet or the ingress controller reaches (``out``), or who reaches it (in a worker)."""
    parties = matrix.parties
    if out:
        pairs: Iterable[tuple[Party, Cell]] = zip(parties, matrix.row(about, parties), strict=True)
    else:
        pairs = ((party, matrix.cell(party, about)) for party in parties)
    rows = [Row(((("IT MAY REACH" if out else "MAY CONNECT TO IT", "heading"),),))]
    for party, cell in pairs:
        if cell.allowed or cell.unknown:
            source, target = (about, party) if out else (party, about)
            sentence = cell_sentence(matrix, cell, source, target)
            look = LOOKS[cell.state]
            line: Spans = (("  ", ""), (f"{party_name(party)}  ", ""), (sentence, look))
            rows.append(Row((line,), Pair(source.id, target.id)))
    if len(rows) == 1:
        rows.append(Row(((("  nothing" if out else "  nobody", "muted"),),), ""))
    return rows
