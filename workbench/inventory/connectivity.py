"""Connectivity: the Services that environment values and program arguments name, all that is kept of such texts.

A value is read while its object is decoded and forgotten at once, but for ``host:port`` in it (a URL loses its user,
password and path). What names no Service of the source is forgotten when the source is read, for ``admin:12345`` may
be a password. Sources: Kubernetes documentation, "DNS for Services and Pods" (the names of Services), RFC 3986 (URLs).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

_TOKENS = re.compile(r"[\s,;|]+")
_HOST_PORT = re.compile(r"([a-z0-9](?:[-a-z0-9.]*[a-z0-9])?)\.?(?::([0-9]{1,5}))?", re.IGNORECASE)
_SCHEME = re.compile(r"(?:[a-z][a-z0-9+.-]*:)?([a-z][a-z0-9+.-]*)://", re.IGNORECASE)
_URL = re.compile(
    r"(?:[a-z][a-z0-9+.-]*:)?([a-z][a-z0-9+.-]*)://(?:[^/?#\s,;|]*@)?"
    r"([a-z0-9](?:[-a-z0-9.]*[a-z0-9])?)\.?(?::([0-9]{1,5}))?(?:[/?#][^\s,;|]*)?",
    re.IGNORECASE,
)
"""A value that is one URL and nothing else, which most values with an address are."""
_SAYS_HOST = re.compile(
    r"(^|[_.-])(host|hosts|hostname|addr|address|addresses|server|servers|endpoint|endpoints|url|urls|uri|service"
    r"|broker|brokers|upstream|backend|target|origin)$",
    re.IGNORECASE,
)
"""Names of variables and flags whose value is a host even where it is a single word."""

_PORTS = {
    "http": 80,
    "ws": 80,
    "https": 443,
    "wss": 443,
    "postgres": 5432,
    "postgresql": 5432,
    "mysql": 3306,
    "redis": 6379,
    "rediss": 6379,
    "mongodb": 27017,
    "amqp": 5672,
    "amqps": 5671,
    "nats": 4222,
    "memcached": 11211,
    "ldap": 389,
    "ldaps": 636,
    "smtp": 25,
}
"""The ports that a URL means when it names none (IANA, and the projects' own documentation)."""

_LONGEST = 4096
_LAST_PORT = 65535


@dataclass(frozen=True, slots=True)
class Address:
    """A host, and the port if one is named."""

    host: str
    port: int | None = None

    def __str__(self) -> str:
        return self.host if self.port is None else f"{self.host}:{self.port}"


def addresses(name: str, value: object) -> Iterator[Address]:
    """The addresses that a value names.

    Args:
        name: The variable or the flag that holds it, which may say that a single word is a host.
        value: The value; anything but a text names nothing.
    """
    if not isinstance(value, str) or not value or len(value) > _LONGEST:
        return
    named = _says_host(name)
    if ":" not in value and ".svc" not in value and not named:
        return
    default: int | None = None
    for token in _TOKENS.split(value.strip()):
        scheme = _SCHEME.match(token)
        rest = token[scheme.end() :] if scheme else token
        if scheme:
            default = _PORTS.get(scheme[1].lower())
        rest = re.split(r"[/?#]", rest, maxsplit=1)[0].rpartition("@")[2].strip("\"'()")
        rest = rest[4:] if rest.lower().startswith("tcp(") else rest
        match = _HOST_PORT.fullmatch(rest)
        if match is None:
            continue
        host, port = match[1].lower(), int(match[2]) if match[2] else default
        if port is not None and not 1 <= port <= _LAST_PORT:
            continue
        # A word alone may be anything: the port, the name of the variable or the form has to say that it is a host.
        if port is not None or named or ".svc" in host:
            yield Address(host, port)


@lru_cache(maxsize=4096)
def _says_host(name: str) -> bool:
    """Whether the name of a variable or a flag says that its value is a host; names are no secret, and few."""
    return _SAYS_HOST.search(name) is not None


def kept(name: str, value: object) -> str | None:
    """What is kept of a value: the addresses in it, ``None`` if there are none."""
    if not isinstance(value, str):
        return None
    # There are as many values as there are containers, so the usual ones are told without being taken apart.
    if ":" not in value and ".svc" not in value and not _says_host(name):
        return None
    url = _URL.fullmatch(value) if len(value) <= _LONGEST else None
    if url is not None and url[3] is not None and 1 <= int(url[3]) <= _LAST_PORT:
        return f"{url[2].lower()}:{int(url[3])}"
    return ",".join(dict.fromkeys(map(str, addresses(name, value)))) or None


def read(text: str) -> Iterator[Address]:
    """The addresses of a text that :func:`kept` made."""
    for item in text.split(","):
        host, colon, port = item.rpartition(":")
        yield Address(host, int(port)) if colon and port.isdecimal() else Address(item)


def service_names(host: str, namespace: str) -> Iterator[tuple[str, str]]:
    """The Services that a host may be: namespace and name, the likeliest first.

    Args:
        host: A name as resolvers see it: ``db``, ``db.data``, ``db.data.svc.cluster.local``, or the name of a pod of a
            StatefulSet before it.
        namespace: Of the pod that looks it up.
    """
    parts = host.split(".")
    if "svc" in parts[2:]:
        at = parts.index("svc", 2)
        yield parts[at - 1], parts[at - 2]
    elif len(parts) == 1:
        yield namespace, host
    elif len(parts) == 2:
        yield parts[1], parts[0]
        yield namespace, parts[1]
    elif len(parts) == 3:
        yield parts[2], parts[1]


class Services:
    """The Services of a source by name and by cluster IP."""

    def __init__(self, found: Iterable[tuple[str, str, str | None]]) -> None:
        """Index them.

        Args:
            found: Namespace, name and cluster IP of each.
        """
        self._names: set[tuple[str, str]] = set()
        self._by_ip: dict[str, tuple[str, str]] = {}
        for namespace, name, ip in found:
            self._names.add((namespace, name))
            if ip and ip != "None":
                self._by_ip[ip] = (namespace, name)

    def of(self, host: str, namespace: str) -> tuple[str, str] | None:
        """Namespace and name of the Service that a host is, seen from a namespace; ``None`` if it is none."""
        known = self._by_ip.get(host)
        if known is not None:
            return known
        return next((key for key in service_names(host, namespace) if key in self._names), None)

    def known(self, text: str, namespace: str) -> str | None:
        """What is left of a text that :func:`kept` made when only Services of the source count."""
        found = [str(each) for each in read(text) if self.of(each.host, namespace) is not None]
        return ",".join(found) or None
