"""Whether the cluster's etcd asks its clients for certificates, by the arguments of its mirror pods.

Source: etcd documentation, "Configuration options" and "Transport security model": without ``--client-cert-auth``, and
on every address without TLS, whoever connects reads and writes everything.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple
from urllib.parse import urlsplit

from workbench.inventory.inventory import IndexOf
from workbench.inventory.pods import ContainerInstance, PodInstance
from workbench.techniques.endpoints import is_loopback
from workbench.techniques.resolve import CLUSTER, HOLDS, Answer, needs, ruled_out
from workbench.techniques.resolve.command import CommandLine, command_line

PORT = 2379

_FILE = "config-file"
_VARIABLES = frozenset({"ETCD_CLIENT_CERT_AUTH", "ETCD_LISTEN_CLIENT_URLS", "ETCD_CONFIG_FILE"})


class Access(NamedTuple):
    """How clients get to an etcd."""

    answer: Answer
    """Whether they need no certificate."""
    addresses: tuple[tuple[str, int], ...]
    """The addresses at which they need none, with their ports; ``0.0.0.0`` for all of the pod's."""
    local: Answer | None = None
    """Whether those on the network of its own pod need none, ``None`` if they do."""


def _keys(pod: PodInstance) -> Iterable[str]:
    return ("etcd",) if etcd_of(pod) is not None else ()


ETCD_PODS: IndexOf[str, PodInstance] = IndexOf("etcd of the cluster", "pods", _keys)
"""The mirror pods that hold the cluster's state; those that hold its events alone are none of them."""


def etcd_of(pod: PodInstance) -> ContainerInstance | None:
    """The container of etcd in a mirror pod that holds the cluster's state."""
    if not pod.mirror or not pod.name.startswith("etcd-") or pod.name.startswith(("etcd-events", "etcd-manager")):
        return None
    return next((each for each in pod.containers if _is_etcd(each)), None)


def _is_etcd(container: ContainerInstance) -> bool:
    line = command_line(container.spec)
    image = (container.spec.image or "").partition("@")[0].rpartition("/")[2].partition(":")[0]
    return line.program == "etcd" or (image == "etcd" and not container.spec.command)


def client_access(container: ContainerInstance) -> Access:
    """Whether an etcd serves clients without a certificate, and where."""
    line = command_line(container.spec)
    urls = [url for text in line.values("listen-client-urls") for url in text.split(",") if url]
    unseen = _unseen(container, line)
    if not urls:
        if unseen:
            return Access(_HIDDEN, (("0.0.0.0", PORT),), _HIDDEN)
        return Access(ruled_out("without --listen-client-urls etcd listens on loopback only"), (), HOLDS)
    parsed = [url for url in map(_parsed, urls) if url is not None]
    asks = line.is_true("client-cert-auth")
    open_urls = [url for url in parsed if url.scheme == "http" or not asks]
    certain = any(url.scheme == "http" for url in open_urls) or not unseen or line.has("client-cert-auth")
    answer = HOLDS if certain else _HIDDEN
    local = answer if open_urls else None
    if all(_is_local(url) for url in parsed):
        return Access(ruled_out("--listen-client-urls leaves loopback only"), (), local)
    reached = [url for url in open_urls if not _is_local(url)]
    if not reached:
        return Access(ruled_out("--client-cert-auth asks clients for a certificate"), (), local)
    plain = [url for url in reached if url.scheme == "http"]
    if plain:
        reached, answer = plain, HOLDS
    return Access(answer, tuple((url.hostname or "0.0.0.0", url.port or PORT) for url in reached), local)


_HIDDEN = needs("C-ANON", CLUSTER)


def _is_local(url: _Url) -> bool:
    return url.hostname == "localhost" or is_loopback(url.hostname or "")


def _unseen(container: ContainerInstance, line: CommandLine) -> bool:
    """Whether a file, a script or the environment, none of which is read, may decide."""
    names = {variable.name for variable in container.spec.env or ()}
    return line.hidden or line.has(_FILE) or bool(container.spec.env_from) or not names.isdisjoint(_VARIABLES)


def _parsed(url: str) -> _Url | None:
    try:
        parts = urlsplit(url)
        return _Url(parts.scheme, parts.hostname, parts.port)
    except ValueError:
        return None


class _Url(NamedTuple):
    scheme: str
    hostname: str | None
    port: int | None
