"""What went over the wire, as the API server saw it: its audit log, with every request and every body of an answer."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

from tests.cluster.harness.waiting import wait_until

POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [{"level": "RequestResponse"}],
}
"""Everything, with the bodies as they are sent: after the server has cut them down to metadata."""


_MARKER = "audit-settled-"


@dataclass(frozen=True)
class Event:
    """One request that the server has answered."""

    line: str
    """As it is in the log, bodies included: search it for what must not be there."""
    user: str
    groups: tuple[str, ...]
    verb: str
    """``list``, ``get``, ``patch``, ``create``, ...; the HTTP method in lower case for paths that are no objects."""
    uri: str
    """With the query."""
    resource: str
    """The plural, with the subresource after a slash; empty for paths that are no objects."""
    namespace: str
    name: str
    status: int
    agent: str
    """The ``User-Agent``."""
    impersonated: str
    """As whom, with impersonation."""

    @property
    def path(self) -> str:
        """The URI without the query."""
        return urlsplit(self.uri).path

    @property
    def query(self) -> dict[str, str]:
        """The parameters; of several with one name the last."""
        return {name: values[-1] for name, values in parse_qs(urlsplit(self.uri).query).items()}

    @property
    def request(self) -> Any:
        """The body that was sent, decoded; ``None`` if there was none."""
        return json.loads(self.line).get("requestObject")

    @property
    def response(self) -> Any:
        """The body that was answered, decoded; ``None`` if there was none."""
        return json.loads(self.line).get("responseObject")


_CONTROL_PLANE = ("system:apiserver", "system:kube-", "system:serviceaccount:kube-system:")
"""How the names begin that the server and its controllers go by."""


class AuditLog:
    """The log of one server.

    Args:
        path: The file.
        touch: Sends a request with a given parameter in its query.
    """

    def __init__(self, path: Path, touch: Callable[[str], object]) -> None:
        self.path = path
        self._touch = touch

    def mark(self) -> int:
        """Here: what comes later is what :meth:`since` gives."""
        self._settle()
        return self.path.stat().st_size

    def since(self, mark: int = 0, *, user: str = "") -> list[Event]:
        """The requests answered after a mark, in the order of the answers.

        Args:
            mark: Where to begin.
            user: Whose; without it everybody's but those that the control plane sends itself, for it renews leases
                and reconciles at times of its own.
        """
        self._settle()
        events = [_event(line) for line in self._text(mark).splitlines() if _MARKER not in line]
        if user:
            return [event for event in events if event.user == user]
        return [event for event in events if not event.user.startswith(_CONTROL_PLANE)]

    def _settle(self) -> None:
        """Wait for all that was answered before: the server writes an entry when its answer is out."""
        start = self.path.stat().st_size
        marker = f"{_MARKER}{uuid4().hex}"
        self._touch(marker)
        wait_until(lambda: marker in self._text(start), "the audit log goes on")

    def _text(self, start: int) -> str:
        with self.path.open("rb") as log:
            log.seek(start)
            return log.read().decode()


def _event(line: str) -> Event:
    entry = json.loads(line)
    about = entry.get("objectRef", {})
    resource = about.get("resource", "")
    if about.get("subresource"):
        resource += "/" + about["subresource"]
    return Event(
        line=line,
        user=entry["user"].get("username", ""),
        groups=tuple(entry["user"].get("groups", ())),
        verb=entry["verb"],
        uri=entry["requestURI"],
        resource=resource,
        namespace=about.get("namespace", ""),
        name=about.get("name", ""),
        status=entry.get("responseStatus", {}).get("code", 0),
        agent=entry.get("userAgent", ""),
        impersonated=entry.get("impersonatedUser", {}).get("username", ""),
    )
