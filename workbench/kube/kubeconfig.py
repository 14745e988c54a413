"""Kubeconfig files: read with PyYAML alone, merged as kubectl merges them, every fault with its file and entry.

Source: Kubernetes documentation, "Organizing Cluster Access Using kubeconfig Files" (merging, file references);
client-go ``tools/clientcmd`` (what is refused).
"""

from __future__ import annotations

import base64
import binascii
import difflib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, NoReturn, TypeVar

import msgspec

from workbench.errors import Fault, KubeconfigError
from workbench.kube.api import Endpoint
from workbench.kube.kubeconfig_files import Cluster, Context, User, load
from workbench.text import shown

T = TypeVar("T")

ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
"""Where a pod has the token of its service account."""

_EXEC_VERSIONS = ("client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1")
_MODES = ("Never", "IfAvailable", "Always")


@dataclass(frozen=True, slots=True)
class Entry(Generic[T]):
    """One named entry, and where it stands."""

    name: str
    value: T
    file: str
    line: int

    def path(self, path: str) -> str:
        """A path of the entry: relative ones start at the file that holds it."""
        return os.path.join(os.path.dirname(os.path.abspath(self.file)), path)


@dataclass(frozen=True, slots=True)
class Selected:
    """What one context says, followed and checked; paths are absolute."""

    endpoint: Endpoint
    cluster: Entry[Cluster]
    user: Entry[User] | None
    """``None`` where the context names none: such a client is anonymous."""


@dataclass(frozen=True, slots=True)
class Kubeconfig:
    """The merged files."""

    files: tuple[str, ...]
    """Those that were read."""
    current: str
    """The name of the current context, empty if there is none."""
    current_at: tuple[str, int] | None
    contexts: Mapping[str, Entry[Context]]
    clusters: Mapping[str, Entry[Cluster]]
    users: Mapping[str, Entry[User]]

    def endpoint(self, name: str) -> Endpoint:
        """Where a context leads, as far as the files say it; nothing is checked."""
        context = self.contexts[name].value
        cluster = self.clusters.get(context.cluster or "")
        user = self.users.get(context.user or "")
        return Endpoint(
            context=name,
            server=(cluster.value.server if cluster else None) or "",
            user=context.user or "",
            namespace=context.namespace or "",
            impersonates=(user.value.as_user if user else None) or "",
            verified=not (cluster and cluster.value.insecure_skip_tls_verify),
        )

    def select(self, name: str = "") -> Selected:
        """Follow a context to its cluster and user.

        Args:
            name: The context; empty for the current one.

        Raises:
            KubeconfigError: It is unknown, or what it leads to is missing or wrong.
        """
        chosen = name or self.current
        if not chosen:
            if not self.contexts:
                _refuse(self.files[0], "no contexts in it" if _size(self.files[0]) else "the file is empty")
            _refuse(
                self.files[0],
                f"no current-context; name one with --context ({_names(self.contexts)})",
                field="current-context",
            )
        context = self.contexts.get(chosen)
        if context is None:
            file, line = (self.files[0], None) if name or self.current_at is None else self.current_at
            said = f"there is no context '{shown(chosen)}'{_nearest(chosen, self.contexts)}"
            if not self.contexts:
                said = f"there is no context '{shown(chosen)}': " + (
                    "it holds no contexts" if _size(self.files[0]) else "the file is empty"
                )
            _refuse(file, said, line=line, field="" if name else "current-context")
        wanted = context.value.cluster or ""
        at = f"contexts[name={shown(chosen)}].context"
        if not wanted:
            _refuse(context.file, "the context names no cluster", line=context.line, field=f"{at}.cluster")
        cluster = self.clusters.get(wanted)
        if cluster is None:
            said = f"there is no cluster '{shown(wanted)}'{_nearest(wanted, self.clusters)}"
            _refuse(context.file, said, line=context.line, field=f"{at}.cluster")
        wanted = context.value.user or ""
        user = self.users.get(wanted)
        if user is None and wanted:
            said = f"there is no user '{shown(wanted)}'{_nearest(wanted, self.users)}"
            _refuse(context.file, said, line=context.line, field=f"{at}.user")
        _check_cluster(cluster)
        if user is not None:
            _check_user(user)
        return Selected(self.endpoint(chosen), cluster, user)


def read(explicit: str = "") -> Kubeconfig:
    """The kubeconfig that kubectl would use.

    Args:
        explicit: The value of ``--kubeconfig``: this one file, which has to be there. Empty for the files that
            ``KUBECONFIG`` lists, of which those that are absent are passed over, else ``~/.kube/config``.

    Returns:
        The merged files: of two entries with one name the first counts.

    Raises:
        KubeconfigError: There is none, or a file cannot be read as one.
    """
    paths = [explicit] if explicit else default_paths()
    contexts: dict[str, Entry[Context]] = {}
    clusters: dict[str, Entry[Cluster]] = {}
    users: dict[str, Entry[User]] = {}
    current, current_at = "", None
    files: list[str] = []
    for path in paths:
        if not os.path.lexists(path):
            continue
        files.append(path)
        found = load(path)
        if found.current and not current:
            current, current_at = found.current, (path, found.current_line)
        for context, line in found.contexts:
            contexts.setdefault(context.name, Entry(context.name, context.context or Context(), path, line))
        for cluster, line in found.clusters:
            clusters.setdefault(cluster.name, Entry(cluster.name, cluster.cluster or Cluster(), path, line))
        for user, line in found.users:
            users.setdefault(user.name, Entry(user.name, user.user or User(), path, line))
    if not files:
        raise KubeconfigError([_absent(path, explicit) for path in paths])
    return Kubeconfig(tuple(files), current, current_at, contexts, clusters, users)


def default_paths() -> list[str]:
    """Where kubectl looks without ``--kubeconfig``."""
    listed = [part for part in os.environ.get("KUBECONFIG", "").split(os.pathsep) if part]
    return listed or [os.path.join(os.path.expanduser("~"), ".kube", "config")]


def in_cluster() -> bool:
    """Whether this is a pod that has the token of a service account and is told where the API server is."""
    told = os.environ.get("KUBERNETES_SERVICE_HOST") and os.environ.get("KUBERNETES_SERVICE_PORT")
    return bool(told) and os.path.isfile(f"{ACCOUNT}/token")


def is_absent(explicit: str = "") -> bool:
    """Whether there is no kubeconfig at all, so that a pod's own account is used instead, as kubectl does."""
    return not explicit and not any(os.path.lexists(path) for path in default_paths())


def _absent(path: str, explicit: str) -> Fault:
    if explicit:
        return Fault(shown(path), "no such file")
    said = "no kubeconfig: no such file; name one with --kubeconfig or KUBECONFIG"
    return Fault(shown(path), f"{said}, or read --snapshot, --manifests or --sample")


def _size(path: str) -> int:
    try:
        return os.path.getsize(path)
    except OSError:
        return 0


# --- what an entry may say ----------------------------------------------------------------------------


def _check_cluster(cluster: Entry[Cluster]) -> None:
    value, at = cluster.value, f"clusters[name={shown(cluster.name)}].cluster"
    if not value.server:
        _refuse(cluster.file, "the cluster names no server", line=cluster.line, field=f"{at}.server")
    scheme = value.server.partition("://")[0] if "://" in value.server else "https"
    if scheme not in ("http", "https"):
        said = f"'{shown(value.server)}' is no address of an API server (https://HOST:PORT)"
        _refuse(cluster.file, said, line=cluster.line, field=f"{at}.server")
    if value.insecure_skip_tls_verify and (value.certificate_authority or value.certificate_authority_data):
        said = "insecure-skip-tls-verify and a certificate authority exclude each other"
        _refuse(cluster.file, said, line=cluster.line, field=f"{at}.insecure-skip-tls-verify")
    if value.certificate_authority_data:
        _check_data(cluster, f"{at}.certificate-authority-data", value.certificate_authority_data)
    elif value.certificate_authority:
        _check_file(cluster, f"{at}.certificate-authority", value.certificate_authority)
    if value.proxy_url and value.proxy_url.partition("://")[0] not in ("http", "https", "socks5", "socks5h"):
        said = f"'{shown(value.proxy_url)}' is no address of a proxy (http://, https:// or socks5://)"
        _refuse(cluster.file, said, line=cluster.line, field=f"{at}.proxy-url")


def _check_user(user: Entry[User]) -> None:
    value, at = user.value, f"users[name={shown(user.name)}].user"
    certificate = bool(value.client_certificate_data or value.client_certificate)
    if certificate != bool(value.client_key_data or value.client_key):
        missing = "client-key" if certificate else "client-certificate"
        said = f"{'client-certificate' if certificate else 'client-key'} without {missing}"
        _refuse(user.file, said, line=user.line, field=f"{at}.{missing}")
    for key, data, path in (
        ("client-certificate", value.client_certificate_data, value.client_certificate),
        ("client-key", value.client_key_data, value.client_key),
    ):
        if data:
            _check_data(user, f"{at}.{key}-data", data)
        elif path:
            _check_file(user, f"{at}.{key}", path)
    if value.token_file:
        _check_file(user, f"{at}.tokenFile", value.token_file)
    if (value.token or value.token_file) and value.username:
        _refuse(user.file, "a token and a password exclude each other", line=user.line, field=at)
    if (value.as_groups or value.as_uid or value.as_user_extra) and not value.as_user:
        _refuse(user.file, "groups to impersonate without a user (as)", line=user.line, field=f"{at}.as")
    if value.exec is not None and value.auth_provider is not None:
        _refuse(user.file, "exec and auth-provider exclude each other", line=user.line, field=f"{at}.exec")
    if value.auth_provider is not None and value.auth_provider.name != "oidc":
        said = (
            f"the auth-provider '{shown(value.auth_provider.name or '')}' is no more; kubectl dropped it in 1.26 "
            "for an exec plugin"
        )
        _refuse(user.file, said, line=user.line, field=f"{at}.auth-provider.name")
    if value.exec is not None:
        plugin = value.exec
        if not plugin.command:
            _refuse(user.file, "the plugin names no command", line=user.line, field=f"{at}.exec.command")
        if plugin.api_version not in _EXEC_VERSIONS:
            said = f"'{shown(plugin.api_version or '')}' is none of {', '.join(_EXEC_VERSIONS)}"
            _refuse(user.file, said, line=user.line, field=f"{at}.exec.apiVersion")
        if plugin.interactive_mode not in (None, *_MODES) or (
            plugin.interactive_mode is None and plugin.api_version == _EXEC_VERSIONS[0]
        ):
            said = f"'{shown(plugin.interactive_mode or '')}' is none of {', '.join(_MODES)}"
            _refuse(user.file, said, line=user.line, field=f"{at}.exec.interactiveMode")


def _check_data(entry: Entry[Any], field: str, data: str) -> None:
    try:
        base64.b64decode("".join(data.split()), validate=True)
    except (binascii.Error, ValueError):
        _refuse(entry.file, "not base64", line=entry.line, field=field)


def _check_file(entry: Entry[Any], field: str, path: str) -> None:
    full = entry.path(path)
    try:
        with open(full, "rb") as stream:
            empty = not stream.read(1)
    except OSError as error:
        said = f"{shown(full)}: {(error.strerror or str(error)).lower()}"
        _refuse(entry.file, said, line=entry.line, field=field)
    if empty:
        _refuse(entry.file, f"{shown(full)}: the file is empty", line=entry.line, field=field)


def _refuse(file: str, problem: str, *, line: int | None = None, field: str = "") -> NoReturn:
    raise KubeconfigError(Fault(shown(file), problem, line=line, field=field or None))


def _names(known: Iterable[str]) -> str:
    names = list(known)
    more = f", and {len(names) - 10} more" if len(names) > 10 else ""
    return ", ".join(map(shown, names[:10])) + more


def _nearest(given: str, known: Mapping[str, Any]) -> str:
    near = difflib.get_close_matches(given, list(known), 3, 0.6)
    if near:
        return f"; did you mean {' or '.join(map(shown, near))}?"
    return f"; there are {_names(known)}" if known else ""


def plain(entry: Cluster | User) -> dict[str, Any]:
    """An entry with the file's own keys, what is absent or empty left out."""
    data: dict[str, Any] = msgspec.to_builtins(entry)
    return {key: value for key, value in data.items() if value not in (None, "", [], {})}
