"""What the parsers of all policy kinds share: noting faults, and reading ports and blocks of addresses."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from workbench.inventory.records import KubernetesObject
from workbench.network.addresses import Span, span
from workbench.network.ports import LAST_PORT, PROTOCOLS, NamedPort, Port, PortRange


@dataclass(frozen=True, slots=True)
class PolicyFault:
    """One field of a policy that the API does not take."""

    object: KubernetesObject
    field: str
    """The dotted path."""
    problem: str


@dataclass(slots=True)
class Faults:
    """Gathers what is wrong with one object."""

    object: KubernetesObject
    found: list[PolicyFault] = field(default_factory=list)

    def __call__(self, where: str, problem: str) -> None:
        self.found.append(PolicyFault(self.object, where, problem))


_PORT_NAME = re.compile(r"(?=.*[a-z])[a-z0-9]([a-z0-9]|-(?!-)){0,13}[a-z0-9]|[a-z]")
"""RFC 6335 (IANA service names), as the API server takes them."""


def block(text: str | None, where: str, report: Faults) -> Span | None:
    """A CIDR block, ``None`` if it is none, which is reported."""
    if text and "/" in text:
        try:
            return span(text)
        except ValueError:
            pass
    report(where, f"{text or ''!r} is no CIDR block, such as 10.0.0.0/8")
    return None


def excepted(texts: Sequence[str] | None, whole: Span | None, where: str, report: Faults) -> tuple[Span, ...]:
    """What is taken out of a block; anything that is not inside of it is reported, as the API server does."""
    out: list[Span] = []
    for index, text in enumerate(texts or ()):
        found = block(text, f"{where}[{index}]", report)
        if found is None or whole is None:
            continue
        inside = found.family == whole.family and whole.low <= found.low and found.high <= whole.high
        if not inside or found == whole:
            report(f"{where}[{index}]", f"{text!r} is not within the block that it is taken out of")
        out.append(found)
    return tuple(out)


def protocol(text: str | None, where: str, report: Faults) -> str:
    """A protocol; TCP if absent, or if it is none, which is reported."""
    if text is None or text in PROTOCOLS:
        return text or "TCP"
    report(where, f"{text!r} is none of {', '.join(PROTOCOLS)}")
    return "TCP"


def number(value: int | None, where: str, report: Faults) -> int:
    """The number of a port; 1 if it is none, which is reported."""
    if value is not None and 1 <= value <= LAST_PORT:
        return value
    report(where, "no port is given" if value is None else f"{value} is no port: 1 to {LAST_PORT}")
    return 1


def port_name(text: str, where: str, report: Faults) -> str:
    """The name of a container's port; what cannot be one is reported."""
    if not _PORT_NAME.fullmatch(text):
        report(where, f"{text!r} is no name of a port: at most 15 of a-z, 0-9 and -, with a letter among them")
    return text


def ports_between(which: str, low: int, high: int, where: str, report: Faults) -> Port:
    """A range of ports; one that ends before it begins is reported."""
    if high < low:
        report(where, f"{high} is below {low}, where the range begins")
        high = low
    return PortRange(which, low, high)


def port(value: int | str | None, end: int | None, which: str, where: str, report: Faults) -> Port:
    """A port of NetworkPolicy: a number, a range, a name, or (absent) all of a protocol."""
    if value is None:
        if end is not None:
            report(f"{where}.endPort", "endPort needs port")
        return PortRange(which)
    if isinstance(value, str):
        if end is not None:
            report(f"{where}.endPort", "endPort needs a number in port, not a name")
        return NamedPort(port_name(value, f"{where}.port", report), which)
    low = number(value, f"{where}.port", report)
    if end is None:
        return PortRange(which, low, low)
    return ports_between(which, low, number(end, f"{where}.endPort", report), f"{where}.endPort", report)
