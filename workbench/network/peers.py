"""How the command line names the ends of a connection, and the ports.

A peer: ``namespace/name[Kind]`` as connections are printed, ``namespace/name``, a node id (``Deployment:shop/web``), a
kind alone, each with ``*`` too; ``label:k=v``; ``internet``, an address or a block of them; ``ingress-controller``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches

from workbench.errors import UsageError
from workbench.inventory.objects import KINDS
from workbench.network.addresses import EVERYWHERE, Span, span
from workbench.network.connections import CONTROLLER, Network, Workload
from workbench.network.ports import LAST_PORT, PROTOCOLS, PortRange

_NEAREST = 3
_PORTS = re.compile(r"(\d{1,6})(?:-(\d{1,6}))?(?:/(\w+))?")
_KIND_NAMES = {kind.lower(): kind for kind in KINDS}


@dataclass(slots=True)
class Ends:
    """Peers that one side of a connection may be."""

    workloads: list[Workload] = field(default_factory=list)
    blocks: list[Span] = field(default_factory=list)
    """Addresses outside of the cluster."""
    controller: bool = False

    def within(self, found: Span) -> list[Span]:
        """The parts of a range that are among the addresses."""
        if EVERYWHERE[0] in self.blocks and EVERYWHERE[1] in self.blocks:
            return [found]
        return [
            Span(found.family, max(found.low, each.low), min(found.high, each.high))
            for each in self.blocks
            if each.family == found.family and each.low <= found.high and found.low <= each.high
        ]


def everybody(network: Network) -> Ends:
    """Every peer."""
    return Ends(list(network.workloads), list(EVERYWHERE), True)


def ends(network: Network, selectors: Sequence[str]) -> Ends:
    """The peers that some selectors name, several in one with commas; all without a selector.

    Raises:
        UsageError: A selector matches nothing; the message names the nearest peers.
    """
    if not selectors:
        return everybody(network)
    chosen: dict[str, Workload] = {}
    out = Ends()
    parts = [part.strip() for given in selectors for part in given.split(",") if part.strip()]
    if not parts:
        raise UsageError("an empty selector: name a workload (shop/web), label:k=v, internet, or an address")
    for part in parts:
        lowered = part.lower()
        if lowered == "internet":
            out.blocks.extend(EVERYWHERE)
        elif lowered in ("ingress-controller", CONTROLLER):
            out.controller = True
        elif (block := _addresses(part)) is not None:
            out.blocks.append(block)
        else:
            found = [workload for workload in network.workloads if _matches(part, workload, network)]
            if not found:
                raise UsageError(_no_match(network, part))
            chosen.update((workload.name, workload) for workload in found)
    out.workloads = [chosen[name] for name in sorted(chosen)]
    return out


def _addresses(text: str) -> Span | None:
    low, dash, high = text.partition("-")
    try:
        if not dash:
            return span(text)
        first, last = span(low), span(high)
    except ValueError:
        return None
    if "/" in text or first.family != last.family or first.low > last.low:
        return None
    return Span(first.family, first.low, last.low)


def _matches(text: str, workload: Workload, network: Network) -> bool:
    kind, _, rest = workload.id.partition(":")
    if text.startswith("label:"):
        key, equals, value = text.removeprefix("label:").partition("=")
        return key in workload.labels and (not equals or workload.labels[key] == value)
    own = _KIND_NAMES.get(text.lower())
    if own is not None:
        return own == kind
    given, colon, name = text.partition(":")
    if colon:
        given = _KIND_NAMES.get(given.lower(), given)
        if given == "Pod" and kind != "Pod":
            return any(_fits(f"Pod:{name}", pod.id) for pod in network.pods_of(workload))
        if given == "Namespace":
            return _fits(name, workload.namespace)
        return _fits(f"{given}:{name}", workload.id)
    return _fits(text, workload.name) or _fits(text, rest)


def _fits(pattern: str, text: str) -> bool:
    """Whether a text is what a pattern says, in which ``*`` stands for anything."""
    if "*" not in pattern:
        return pattern == text
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), text, re.DOTALL) is not None


def _no_match(network: Network, text: str) -> str:
    if text.startswith("label:"):
        return f"no workload has the label {text.removeprefix('label:')}"
    names = [name for each in network.workloads for name in (each.name, each.name.partition("[")[0])]
    near = list(dict.fromkeys(get_close_matches(text, names[:5000], _NEAREST, 0.5)))
    hint = f"; the nearest are {', '.join(near)}" if near else ""
    return f"no workload matches {text!r}{hint}"


def ports(texts: Iterable[str]) -> list[PortRange]:
    """Ports as people write them: ``80``, ``80/tcp``, ``8000-8010/udp``; without a protocol, of each.

    Raises:
        UsageError: One of them is no port.
    """
    out: list[PortRange] = []
    for text in (part.strip() for given in texts for part in given.split(",")):
        match = _PORTS.fullmatch(text)
        if match is None:
            raise UsageError(f"{text!r} is no port, such as 80, 80/tcp or 8000-8010/udp")
        low, high = int(match[1]), int(match[2] or match[1])
        if not 1 <= low <= high <= LAST_PORT:
            raise UsageError(f"{text!r}: ports go from 1 to {LAST_PORT}")
        protocol = (match[3] or "").upper()
        if protocol and protocol not in PROTOCOLS:
            raise UsageError(f"{text!r}: {match[3]} is none of {', '.join(PROTOCOLS).lower()}")
        out.extend(PortRange(each, low, high) for each in ([protocol] if protocol else PROTOCOLS))
    return out
