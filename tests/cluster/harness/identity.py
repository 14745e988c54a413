"""Who talks to an API server, and the kubeconfigs that say so."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.cluster.harness.certificates import Pair


@dataclass(frozen=True)
class Identity:
    """A user, by client certificate or by token."""

    user: str
    """As the server knows it: ``jane``, ``system:serviceaccount:shop:web``."""
    groups: tuple[str, ...] = ()
    """Those of the certificate; a service account's come from the server."""
    pair: Pair | None = None
    token: str = ""

    @property
    def account(self) -> tuple[str, str] | None:
        """Namespace and name, if it is a service account."""
        parts = self.user.split(":")
        return (parts[2], parts[3]) if parts[:2] == ["system", "serviceaccount"] and len(parts) == 4 else None

    def credentials(self) -> dict[str, Any]:
        """The ``user`` of a kubeconfig, with everything in it."""
        found: dict[str, Any] = {}
        if self.pair is not None:
            found["client-certificate-data"] = _base64(self.pair.certificate)
            found["client-key-data"] = _base64(self.pair.key)
        if self.token:
            found["token"] = self.token
        return found


def write_kubeconfig(
    path: Path,
    *,
    server: str,
    ca: Path | None,
    credentials: Mapping[str, Any],
    context: str = "test",
    namespace: str = "",
    cluster: Mapping[str, Any] | None = None,
) -> Path:
    """Write a kubeconfig with one context.

    Args:
        path: Where; its folder exists.
        server: The URL.
        ca: The certificates to trust; ``None`` for those of the system.
        credentials: The ``user``: :meth:`Identity.credentials`, or an ``exec`` plugin.
        context: The name of the context and of its cluster; the user's is this with ``-user``.
        namespace: That of the context; empty for none.
        cluster: Further fields of the ``cluster``, such as ``insecure-skip-tls-verify`` or ``proxy-url``.

    Returns:
        The path.
    """
    place = {"server": server, **({"certificate-authority-data": _base64(ca)} if ca else {}), **(cluster or {})}
    user = f"{context}-user"
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": context,
        "clusters": [{"name": context, "cluster": place}],
        "users": [{"name": user, "user": dict(credentials)}],
        "contexts": [
            {
                "name": context,
                "context": {"cluster": context, "user": user, **({"namespace": namespace} if namespace else {})},
            }
        ],
    }
    # YAML is a superset of JSON, and every reader of kubeconfigs takes YAML.
    path.write_text(json.dumps(config, indent=1))
    path.chmod(0o600)
    return path


def exec_plugin(command: str, *arguments: str, env: Mapping[str, str] | None = None, **fields: Any) -> dict[str, Any]:
    """Credentials of a kubeconfig that come from a program; ``fields`` are further ones of ``exec``."""
    return {
        "exec": {
            "apiVersion": "client.authentication.k8s.io/v1",
            "interactiveMode": "Never",
            "command": command,
            "args": list(arguments),
            "env": [{"name": name, "value": value} for name, value in (env or {}).items()],
            **fields,
        }
    }


def _base64(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
