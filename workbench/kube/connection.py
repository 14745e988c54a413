"""Connect to a cluster as its kubeconfig says: settings by the official client, login plugins by us, requests raw."""

from __future__ import annotations

import base64
import contextlib
import ipaddress
import logging
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import unquote, urlencode, urlsplit

import kubernetes.config
from kubernetes.client import Configuration
from urllib3 import HTTPHeaderDict
from urllib3.util import make_headers

import workbench
from workbench.errors import Cancelled, Fault, KubeconfigError, LoginError, UsageError
from workbench.kube import kubeconfig
from workbench.kube.api import JSON, Answer, ConnectOptions, Endpoint
from workbench.kube.credentials import Credentials, Plugin, Terminal
from workbench.kube.kubeconfig import ACCOUNT, Selected
from workbench.kube.kubeconfig_files import User
from workbench.kube.transport import BadCertificate, Transport
from workbench.text import shown

# These log tokens; what a user sends us from --debug must hold none.
for _name in ("requests_oauthlib", "oauthlib", "kubernetes.client.rest"):
    logging.getLogger(_name).setLevel(logging.WARNING)

_TOKEN_AGE = 60.0
"""Seconds after which a token's file is read again, as client-go does."""


def connect(options: ConnectOptions, terminal: Terminal | None = None) -> KubeConnection:
    """Make a connection; nothing is sent, and no login plugin runs, before the first request.

    Args:
        options: Which cluster, and as whom.
        terminal: Where a login plugin may ask a person; ``None`` if there is nobody.

    Raises:
        KubeconfigError: There is no kubeconfig, or what it says cannot be followed.
        UsageError: Groups to impersonate without a user.
    """
    if not options.context and kubeconfig.is_absent(options.kubeconfig) and kubeconfig.in_cluster():
        return KubeConnection(None, options, terminal)
    return KubeConnection(kubeconfig.read(options.kubeconfig).select(options.context), options, terminal)


class KubeConnection:
    """A :class:`workbench.kube.api.Connection` to a real API server."""

    def __init__(self, selected: Selected | None, options: ConnectOptions, terminal: Terminal | None) -> None:
        """Prepare a connection.

        Args:
            selected: The context; ``None`` for the account of the pod that we run in.
            options: As whom, and how long a request may take.
            terminal: As for :func:`connect`.

        Raises:
            KubeconfigError: A certificate or a key cannot be used.
            UsageError: Groups to impersonate without a user.
        """
        self._selected = selected
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._timeout = options.request_timeout
        self._impersonation = _impersonation(selected.user.value if selected and selected.user else User(), options)
        self._plugin: Plugin | None = None
        self._credentials: Credentials | None = None
        self._logins = 0
        """How often the plugin was asked."""
        self._login_failed: LoginError | None = None
        """How the last time ended, if it gave nothing."""
        self._token_file = _TokenFile.of(selected)
        if selected is not None and self._token_file is None and _uses_plugin(selected):
            self._plugin = Plugin(selected, terminal, self._stop)
        self._configuration, self._transport = self._prepared(None)
        self._compressed = not _loopback(self._transport.base) and not (
            selected is not None and selected.cluster.value.disable_compression
        )
        endpoint = selected.endpoint if selected is not None else _pod_endpoint(self._transport.base)
        impersonates = options.as_user or endpoint.impersonates
        self._endpoint = replace(endpoint, server=self._transport.base, impersonates=impersonates)

    @property
    def endpoint(self) -> Endpoint:
        """Where it leads."""
        return self._endpoint

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
        """Send one request and wait for the answer (see :class:`workbench.kube.api.Connection`).

        A 401 makes a login plugin, or the file of a token, be asked anew, once.
        """
        url = f"{path}?{urlencode(query)}" if query else path
        transport, token, fresh = self._login(None)
        answer = transport.request(method, url, self._headers(token, accept, content_type), body)
        if answer.status == 401 and not fresh and (self._plugin is not None or self._token_file is not None):
            transport, token, _ = self._login(token)
            answer = transport.request(method, url, self._headers(token, accept, content_type), body)
        return answer

    def wait(self, seconds: float) -> None:
        """Wait, at most until :meth:`cancel`."""
        if self._stop.wait(seconds):
            raise Cancelled(f"the connection to {shown(self._transport.base)} was ended")

    def cancel(self) -> None:
        """End the requests under way, and a login plugin, and refuse all later requests."""
        self._transport.cancel()

    def close(self) -> None:
        """Let go of its sockets."""
        self._transport.close()

    def _login(self, refused: str | None) -> tuple[Transport, str, bool]:
        """The transport and token to use, and whether they were just made.

        Args:
            refused: The token that the server refused; another thread may have replaced it meanwhile.
        """
        if self._token_file is not None:
            token = self._token_file.read(anew=refused is not None)
            return self._transport, f"Bearer {token}", False
        if self._plugin is None:
            return self._transport, self._static_token(), True
        asked = self._logins
        with self._lock:
            if self._login_failed is not None and self._logins != asked:
                # Another request asked it while this one waited: nobody is to be asked, or made to wait, once each.
                raise LoginError(str(self._login_failed))
            known = self._credentials
            fresh = False
            if known is None or known.expired or (refused is not None and _bearer(known) == refused):
                known = self._run_plugin(self._plugin)
                fresh = True
                before = self._credentials
                if known.certificate and (before is None or before.certificate != known.certificate):
                    old = self._transport
                    self._configuration, self._transport = self._prepared(known)
                    old.close()
                self._credentials = known
            return self._transport, _bearer(known), fresh

    def _run_plugin(self, plugin: Plugin) -> Credentials:
        try:
            found = plugin.run()
        except LoginError as error:
            self._login_failed = error
            raise
        finally:
            self._logins += 1
        self._login_failed = None
        return found

    def _prepared(self, credentials: Credentials | None) -> tuple[Configuration, Transport]:
        """The settings and the transport, with the certificate that a plugin gave."""
        # Keys stand in temporary files for as long as it takes to read them into the TLS settings.
        with tempfile.TemporaryDirectory(prefix="workbench-") as directory:
            configuration = _configuration(self._selected, credentials, directory)
            try:
                return configuration, Transport(configuration, self._stop, self._timeout)
            except BadCertificate as error:
                if credentials is not None:
                    raise LoginError(f"the login plugin gave a certificate that cannot be used: {error}") from error
                if self._selected is None:
                    raise LoginError(f"the account of this pod: {error}") from error
                at = self._selected.cluster if "authority" in str(error) else self._selected.user
                place = at or self._selected.cluster
                fault = Fault(shown(place.file), str(error), line=place.line, field=f"name={shown(place.name)}")
                raise KubeconfigError(fault) from error

    def _static_token(self) -> str:
        """What the official client sends: a token, a password, or a token that it gets from an OpenID provider."""
        try:
            settings = self._configuration.auth_settings()
        except Exception as error:  # the official client lets through whatever its HTTP and OAuth libraries raise
            raise LoginError(f"the login failed: {shown(f'{type(error).__name__}: {error}')}") from error
        return next((str(found["value"]) for found in settings.values() if found.get("value")), "")

    def _headers(self, token: str, accept: str, content_type: str) -> HTTPHeaderDict:
        headers = HTTPHeaderDict(self._impersonation)
        headers["User-Agent"] = f"workbench/{workbench.__version__}"
        headers["Accept"] = accept
        headers["Accept-Encoding"] = "gzip" if self._compressed else "identity"
        if content_type:
            headers["Content-Type"] = content_type
        if token:
            headers["Authorization"] = token
        return headers


def _bearer(credentials: Credentials) -> str:
    return f"Bearer {credentials.token}" if credentials.token else ""


class _TokenFile:
    """A token that something else keeps fresh in a file."""

    def __init__(self, path: str, otherwise: str) -> None:
        self._path = path
        self._token = otherwise
        self._read_at = float("-inf")

    @classmethod
    def of(cls, selected: Selected | None) -> _TokenFile | None:
        """That of the context's user, or of the pod."""
        if selected is None:
            return cls(f"{ACCOUNT}/token", "")
        user = selected.user
        if user is None or not user.value.token_file:
            return None
        return cls(user.path(user.value.token_file), user.value.token or "")

    def read(self, *, anew: bool) -> str:
        """The token.

        Raises:
            LoginError: The file cannot be read, and no token was read before.
        """
        now = time.monotonic()
        if anew or now - self._read_at > _TOKEN_AGE:
            try:
                with open(self._path, encoding="utf-8") as stream:
                    self._token = stream.read().strip() or self._token
                self._read_at = now
            except (OSError, UnicodeDecodeError) as error:
                if not self._token:
                    said = getattr(error, "strerror", None) or "not text"
                    raise LoginError(f"the token's file {shown(self._path)}: {said.lower()}") from error
        if not self._token:
            raise LoginError(f"the token's file {shown(self._path)} is empty")
        return self._token


def _uses_plugin(selected: Selected) -> bool:
    """Whether the plugin is asked: as in client-go, a token or a password goes before it."""
    user = selected.user.value if selected.user is not None else User()
    return user.exec is not None and not user.token and not user.username


def _impersonation(user: User, options: ConnectOptions) -> HTTPHeaderDict:
    """The headers of ``--as`` and of the kubeconfig's ``as``.

    Source: Kubernetes documentation, "User impersonation".
    """
    headers = HTTPHeaderDict()
    name = options.as_user or user.as_user or ""
    groups = options.as_groups or tuple(user.as_groups or ())
    if not name:
        if groups:
            raise UsageError("--as-group needs --as: groups are impersonated together with a user")
        return headers
    headers["Impersonate-User"] = name
    if user.as_uid:
        headers["Impersonate-Uid"] = user.as_uid
    for group in groups:
        headers.add("Impersonate-Group", group)
    for key, values in (user.as_user_extra or {}).items():
        for value in values:
            headers.add(f"Impersonate-Extra-{key}", value)
    for value in headers.values():
        if not value.isprintable():
            raise UsageError(f"'{shown(value)}' cannot be impersonated")
    return headers


def _configuration(selected: Selected | None, credentials: Credentials | None, directory: str) -> Configuration:
    """The official client's settings of a context, with the certificate that a plugin gave.

    Args:
        selected: The context; ``None`` for the account of the pod.
        credentials: What the plugin gave.
        directory: Where the client may write what it must have as files.

    Raises:
        LoginError: The account of the pod cannot be used, or the OpenID provider gave no token.
    """
    configuration = Configuration()
    if selected is None:
        try:
            kubernetes.config.load_incluster_config(client_configuration=configuration)
        except kubernetes.config.ConfigException as error:
            raise LoginError(f"the account of this pod: {shown(str(error))}") from error
        return _with_proxy(configuration, "")
    data = _plain(selected, credentials)
    try:
        kubernetes.config.load_kube_config_from_dict(
            data,
            context=selected.endpoint.context,
            client_configuration=configuration,
            persist_config=False,
            temp_file_path=directory,
        )
    except Exception as error:  # as in _static_token: it may talk to an OpenID provider
        raise LoginError(f"the login failed: {shown(f'{type(error).__name__}: {error}')}") from error
    user = selected.user.value if selected.user is not None else None
    if user is not None and "auth-provider" in data["users"][0]["user"] and not configuration.api_key:
        raise LoginError(
            f"the login of {shown(selected.endpoint.user)} failed: its id-token is none, and no other came"
        )
    return _with_proxy(configuration, selected.cluster.value.proxy_url or "")


def _plain(selected: Selected, credentials: Credentials | None) -> dict[str, Any]:
    """A kubeconfig of one context for the official client: absolute paths, and one way to log in."""
    cluster = kubeconfig.plain(selected.cluster.value)
    _absolute(cluster, "certificate-authority", selected.cluster)
    cluster.pop("extensions", None)
    user: dict[str, Any] = {}
    if selected.user is not None:
        user = kubeconfig.plain(selected.user.value)
        for key in ("client-certificate", "client-key"):
            _absolute(user, key, selected.user)
        for key in ("exec", "tokenFile", "as", "as-uid", "as-groups", "as-user-extra"):
            user.pop(key, None)
        if "token" in user or "username" in user:
            user.pop("auth-provider", None)
        if credentials is not None and credentials.certificate:
            user |= {
                "client-certificate-data": base64.b64encode(credentials.certificate.encode()).decode(),
                "client-key-data": base64.b64encode(credentials.key.encode()).decode(),
            }
    server = cluster["server"]
    if "://" not in server:
        # As client-go: without a scheme it is https if there are settings of TLS.
        tls = any(key in cluster for key in ("certificate-authority", "certificate-authority-data"))
        cluster["server"] = f"{'https' if tls or 'client-certificate-data' in user else 'http'}://{server}"
    name = selected.endpoint.context
    return {
        "current-context": name,
        "contexts": [{"name": name, "context": {"cluster": "cluster", "user": "user"}}],
        "clusters": [{"name": "cluster", "cluster": cluster}],
        "users": [{"name": "user", "user": user}],
    }


def _absolute(data: dict[str, Any], key: str, entry: kubeconfig.Entry[Any]) -> None:
    if f"{key}-data" in data:
        data.pop(key, None)
    elif key in data:
        data[key] = entry.path(data[key])


def _with_proxy(configuration: Configuration, given: str) -> Configuration:
    if not given and _loopback(configuration.host):
        # As Go does: what the environment says of proxies is not about this machine.
        configuration.proxy = None
    proxy = urlsplit(configuration.proxy or "")
    if proxy.username is not None:
        password = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
        configuration.proxy_headers = make_headers(proxy_basic_auth=password)
    return configuration


def _pod_endpoint(server: str) -> Endpoint:
    namespace = ""
    with contextlib.suppress(OSError), open(f"{ACCOUNT}/namespace", encoding="utf-8") as stream:
        namespace = stream.read().strip()
    return Endpoint(context="", server=server, user="the pod's service account", namespace=namespace)


def _loopback(server: str) -> bool:
    host = urlsplit(server).hostname or ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
