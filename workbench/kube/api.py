"""What the rest of the program knows of a cluster: a connection that takes requests and gives the server's answers.

Everything above speaks this protocol, so that tests can speak it with a fake.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

JSON = "application/json"
METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
"""The form in which Secrets and ConfigMaps are listed, so that no value of one reaches us.

Source: Kubernetes documentation, API concepts, "Metadata-only fetches".
"""

STRATEGIC_PATCH = "application/strategic-merge-patch+json"
MERGE_PATCH = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"

FIELD_MANAGER = "workbench"
"""Under which name our writes appear in ``managedFields``."""


@dataclass(frozen=True, slots=True)
class ConnectOptions:
    """Which cluster, and as whom: what the flags of a live cluster say."""

    kubeconfig: str = ""
    """A path; empty for ``KUBECONFIG``, then ``~/.kube/config``, then the service account of the pod we run in."""
    context: str = ""
    """Empty for the current one."""
    as_user: str = ""
    as_groups: tuple[str, ...] = ()
    request_timeout: float | None = None
    """Seconds for one request; ``None`` for the program's own default."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a connection leads, for people and for file names."""

    context: str
    """Empty in a pod of the cluster."""
    server: str
    """The URL of the API server."""
    user: str
    """The name of the kubeconfig's user."""
    namespace: str = ""
    """That of the context; empty if it names none."""
    impersonates: str = ""
    """The user of ``--as`` or of the kubeconfig's ``as``."""
    verified: bool = True
    """Whether the server's certificate is checked, as the kubeconfig says."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The server's answer to one request, whatever its status."""

    status: int
    body: bytes = field(repr=False)
    """May hold values that must not be seen, such as those of environment variables."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """By lower-case name."""

    @property
    def ok(self) -> bool:
        """Whether the server did as it was asked."""
        return 200 <= self.status < 300

    @property
    def message(self) -> str:
        """What the server says went wrong: the message of its Status, or the start of the body. Hostile text."""
        status = self._status()
        if status is None:
            return self.body[:300].decode("utf-8", "replace").strip()
        return str(status.get("message") or status.get("reason") or "")

    @property
    def reason(self) -> str:
        """The machine-readable reason of the server's Status (``Conflict``, ``Expired``), empty if there is none."""
        return str((self._status() or {}).get("reason") or "")

    def _status(self) -> dict[str, Any] | None:
        """The body as ``meta/v1`` Status, ``None`` if it is none."""
        try:
            read = json.loads(self.body)
        except (ValueError, RecursionError):
            return None
        return read if isinstance(read, dict) else None


class Connection(Protocol):
    """An open way to one API server as one user. Safe to use from several threads."""

    @property
    def endpoint(self) -> Endpoint:
        """Where it leads."""

    def send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: bytes | None = None,
        accept: str = JSON,
        content_type: str = "",
    ) -> Answer:
        """Send one request and wait for the answer.

        Args:
            method: ``GET``, ``POST``, ``PATCH`` or ``DELETE``.
            path: From the root, such as ``/api/v1/pods``; names in it are escaped already.
            query: The parameters.
            body: What to send.
            accept: The form of the answer.
            content_type: The form of the body.

        Returns:
            The answer, also one of refusal.

        Raises:
            Unreachable: There was no answer: no connection, TLS, a time limit, a connection that was cut.
            LoginError: The kubeconfig's credential plugin gave no credentials.
            Cancelled: :meth:`cancel` was called.
        """

    def wait(self, seconds: float) -> None:
        """Wait between two tries.

        Raises:
            Cancelled: :meth:`cancel` was called, at once.
        """

    def cancel(self) -> None:
        """End the requests under way and refuse all later ones, within a second."""

    def close(self) -> None:
        """Let go of its sockets and temporary files."""
