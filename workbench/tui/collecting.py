"""How far the reading of a cluster is: told by the thread that collects, shown by the screen."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.tui.kinds import plural
from workbench.tui.text import Spans, count, shown

if TYPE_CHECKING:
    from workbench.kube.api import Connection, Endpoint
    from workbench.sources.cluster import KindProgress

PAUSE = 0.1
"""Seconds between two messages about progress at the least."""

BAR = 12
STATE_LOOKS = {"waiting": "muted", "reading": "key", "done": "added", "denied": "warning", "failed": "removed"}


@dataclass(frozen=True, slots=True)
class KindReading:
    """One kind, how far it is and for how long it is being read."""

    kind: str
    state: str
    """``waiting``, ``reading``, ``done``, ``denied`` or ``failed``."""
    done: int = 0
    expected: int = 0
    """As many as the server expects; as many as were read where it does not say."""
    begun: float = 0.0
    """In the seconds of the clock; 0 while it waits."""
    ended: float = 0.0

    def elapsed(self, now: float) -> float:
        """For how many seconds it was read."""
        return (self.ended or now) - self.begun if self.begun else 0.0


class Collecting:
    """One reading. Written by one thread, read by another: what is read is replaced as a whole, never changed."""

    def __init__(self, name: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin.

        Args:
            name: The source, for people.
            clock: Seconds.
        """
        self.name = name
        self.clock = clock
        self.begun = clock()
        self.phase = "connecting"
        self.endpoint: Endpoint | None = None
        self.connection: Connection | None = None
        """To cancel; ``None`` until there is one."""
        self.stopped = False
        """Whether the user stopped it and keeps what was read."""
        self.kinds: Mapping[str, KindReading] = {}
        self._told = 0.0

    def connected(self, connection: Connection) -> None:
        """There is a connection."""
        self.connection, self.endpoint = connection, connection.endpoint
        if self.stopped:
            # Before there was anything to end.
            connection.cancel()

    def hear(self, news: KindProgress) -> bool:
        """Take news of a kind.

        Returns:
            Whether it is time to tell the screen again.
        """
        now = self.clock()
        old = self.kinds.get(news.kind)
        state = str(news.state)
        begun = old.begun if old is not None else 0.0
        if not begun and state != "waiting":
            begun = now
        ended = now if state in ("done", "denied", "failed") else 0.0
        fresh = KindReading(news.kind, state, news.done, news.expected, begun, ended)
        self.kinds = {**self.kinds, news.kind: fresh}
        if now - self._told < PAUSE:
            return False
        self._told = now
        return True

    @property
    def objects(self) -> int:
        """How many objects were read."""
        return sum(one.done for one in self.kinds.values())

    def cancel(self) -> None:
        """End all requests; the thread then ends on its own."""
        if self.connection is not None:
            self.connection.cancel()


def collecting_lines(reading: Collecting) -> list[Spans]:
    """The state of a reading, a line for each kind."""
    now = reading.clock()
    left = sum(one.state in ("waiting", "reading") for one in reading.kinds.values())
    lines: list[Spans] = [((shown(f"reading {reading.name}"), "strong"), (f"   {now - reading.begun:.0f} s", "muted"))]
    endpoint = reading.endpoint
    if endpoint is not None:
        who = f"as {shown(endpoint.impersonates or endpoint.user or 'nobody')}"
        lines.append(((f"{shown(endpoint.server)} {who}", "muted"),))
        if not endpoint.verified:
            lines.append((("TLS UNVERIFIED: the kubeconfig skips the check of the server's certificate", "warning"),))
    if not reading.kinds or not left:
        lines.append(((shown(reading.phase), ""),))
    if reading.kinds:
        done = len(reading.kinds) - left
        lines += [
            ((f"{count(reading.objects, 'object')}, {done} of {count(len(reading.kinds), 'kind')}", ""),),
            (("", ""),),
        ]
    lines += [_kind_line(one, now) for one in reading.kinds.values()]
    return lines


def _kind_line(one: KindReading, now: float) -> Spans:
    look = STATE_LOOKS.get(one.state, "")
    number = f"{one.done:,}"
    bar = " " * BAR
    if one.state == "reading" and one.expected > one.done:
        number += f" of ~{one.expected:,}"
        filled = min(BAR, BAR * one.done // one.expected)
        bar = "█" * filled + "░" * (BAR - filled)
    elapsed = one.elapsed(now)
    return (
        (f"  {shown(plural(one.kind)):<36}", "strong" if one.state == "reading" else ""),
        (f"{one.state:<9}", look),
        (bar, "key"),
        (f"  {number if one.done or one.state == 'done' else '':<20}", ""),
        (f"{elapsed:6.1f} s" if elapsed >= PAUSE else "", "muted"),
    )
