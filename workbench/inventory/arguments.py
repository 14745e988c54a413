"""Program arguments: which of their values are kept, for a value may be a secret."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

_VALUES = re.compile(
    r"""^--?(
      (election-id|controller-class|ingress-class(-by-name)?|publish-service|watch-ingress-without-class
      |providers\.kubernetesingress(\.ingressclass)?|entrypoints\.[^=]*|configmap|report-node-internal-ip-address)
    | (admission-control-config-file|enable-admission-plugins|disable-admission-plugins|anonymous-auth
      |authorization-mode|authorization-config|feature-gates|service-account-issuer|api-audiences
      |use-service-account-credentials|controllers|enable-bootstrap-token-auth|client-cert-auth|listen-client-urls
      |secure-port|bind-address|insecure-.*|kubelet-.*|cluster-signing-.*|allow-privileged|localip)
    | (default-service-account|no-cross-namespace-refs|namespaced|application-namespaces|auth-mode|authentication-mode)
    | (enable-skip-login|protected-mode|bind|port|address|tls|tlsverify|validating-webhook|expack\.security\.enabled)
    )$""",
    re.VERBOSE | re.IGNORECASE,
)
"""The program arguments whose values some rule reads; of all others ``--name=…`` stays as ``--name``."""

_SOCKET = re.compile(r"(tcp|unix|fd|npipe)://[\w.:*/\[\]-]*")
"""Where a daemon listens: kept whatever the flag is called."""
_DIVIDER = re.compile(r"=|\s+")

DROPPED = "…"
"""What stands for an argument whose value is not kept."""


def trimmed_arguments(
    arguments: Iterable[str], kept: Callable[[str, str], str | None] = lambda flag, value: None
) -> list[str]:
    """Program arguments with only those values that some rule reads; scripts after ``-c`` go too.

    Args:
        arguments: The arguments.
        kept: What stays of the value of any other flag; nothing by default.
    """
    out: list[str] = []
    previous = ""
    for argument in arguments:
        # Some programs take a flag and its value as one word with a blank between them (redis-server).
        name, *rest = _DIVIDER.split(argument, maxsplit=1)
        if name.startswith("-"):
            # That there is no token at all is no secret.
            whole = not any(value.strip("'\"") and not _SOCKET.fullmatch(value) for value in rest)
            whole = whole or _VALUES.match(name) is not None
            left = None if whole else kept(name, rest[0])
            out.append(argument if whole else name if left is None else f"{name}={left}")
        elif previous.startswith("-"):
            whole = _VALUES.match(previous) is not None or _SOCKET.fullmatch(argument) is not None
            out.append(argument if whole else kept(previous, argument) or DROPPED)
        elif not rest and len(argument) <= 64 and re.fullmatch(r"[\w./:@-]+", argument):
            out.append(argument)
        else:
            out.append(DROPPED)
        previous = name if name.startswith("-") and not rest else ""
    return out
