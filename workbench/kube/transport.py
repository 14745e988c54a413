"""Requests over the official client's pool of connections: raw bytes, time limits, and an end at any moment."""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import urllib3
import urllib3.exceptions as faults
from kubernetes.client import Configuration
from kubernetes.client.rest import RESTClientObject
from urllib3.util.ssl_ import create_urllib3_context

from workbench.errors import Cancelled, Unreachable
from workbench.kube.api import Answer
from workbench.text import shown

CONNECT_LIMIT = 10.0
"""Seconds for a connection to come about."""
SILENCE_LIMIT = 65.0
"""Seconds without a byte: the API server itself ends a request after 60."""
ANSWER_LIMIT = 1 << 30
"""Bytes of one answer: 500 of the largest objects that etcd takes are 750 MB."""

_CHUNK = 1 << 16


class BadCertificate(Exception):
    """A certificate or a key cannot be used; the message says which, and why."""


class Transport:
    """The way to one server. Safe to use from several threads."""

    def __init__(self, configuration: Configuration, stop: threading.Event, timeout: float | None) -> None:
        """Prepare it; nothing is sent.

        Args:
            configuration: Server, certificates and proxy.
            stop: Set by :meth:`cancel`.
            timeout: Seconds for one request from its beginning to its end; ``None`` for limits of connecting and of
                silence, 0 for no limit.

        Raises:
            BadCertificate: A certificate or a key cannot be used.
        """
        self._stop = stop
        self._timeout = timeout
        self._sockets = _Sockets(stop)
        self.base: str = configuration.host.rstrip("/")
        self._name = shown(self.base)
        pool = RESTClientObject(configuration).pool_manager
        if urlsplit(self.base).scheme == "https":
            for key in ("ca_certs", "ca_cert_data", "cert_file", "key_file"):
                pool.connection_pool_kw.pop(key, None)
            # Read once and not for each connection, so that no key has to stay in a temporary file.
            pool.connection_pool_kw["ssl_context"] = _context(configuration)
        pool.pool_classes_by_scheme = {
            scheme: _watched(kind, self._sockets) for scheme, kind in pool.pool_classes_by_scheme.items()
        }
        self._pool = pool

    def request(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None) -> Answer:
        """Send one request.

        Raises:
            Unreachable: There was no answer, or no whole one.
            Cancelled: :meth:`cancel` was called.
        """
        started = time.monotonic()
        timer: threading.Timer | None = None
        with self._sockets.request() as request:
            if self._stop.is_set():
                raise Cancelled(f"the connection to {self._name} was ended")
            if self._timeout:
                # The time limits of sockets are for each read, and a server may send a byte now and then.
                timer = threading.Timer(self._timeout, request.end)
                timer.daemon = True
                timer.start()
            try:
                return self._request(method, path, headers, body)
            except (faults.HTTPError, http.client.HTTPException, OSError, ValueError) as error:
                if self._stop.is_set():
                    raise Cancelled(f"the connection to {self._name} was ended") from error
                late = bool(self._timeout) and time.monotonic() - started >= (self._timeout or 0)
                problem = f"no answer within {self._timeout:g} s" if late else _problem(error)
                raise Unreachable(f"{self._name}: {problem}") from error
            finally:
                if timer is not None:
                    timer.cancel()

    def _request(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None) -> Answer:
        connect, silence = CONNECT_LIMIT, SILENCE_LIMIT
        if self._timeout is not None:
            connect = silence = self._timeout or None  # type: ignore[assignment]
        response = self._pool.request(
            method,
            self.base + path,
            headers=headers,
            body=body,
            timeout=urllib3.Timeout(connect=connect, read=silence),
            preload_content=False,
            retries=False,
            redirect=False,
        )
        parts: list[bytes] = []
        size = 0
        try:
            for part in response.stream(_CHUNK, decode_content=True):
                parts.append(part)
                size += len(part)
                if size > ANSWER_LIMIT:
                    raise Unreachable(f"{self._name}: an answer of more than {ANSWER_LIMIT:,} bytes")
        except BaseException:
            response.close()
            raise
        response.release_conn()
        # A header that came several times (Warning) is one with commas (RFC 9110, 5.3).
        headers = {key.lower(): response.headers[key] for key in response.headers}
        return Answer(response.status, b"".join(parts), headers)

    def cancel(self) -> None:
        """End what is under way, and refuse what comes later."""
        self._stop.set()
        self._sockets.end_all()

    def close(self) -> None:
        """Let go of all sockets."""
        self._pool.clear()


class _Request(threading.local):
    """The sockets that one thread's request uses."""

    current: _Open | None = None


class _Open:
    """The request that is under way, as its thread and its timer see it."""

    def __init__(self) -> None:
        self.sockets: set[socket.socket] = set()
        self.retired: list[socket.socket] = []

    def end(self) -> None:
        """End it: a read that waits returns at once."""
        for one in tuple(self.sockets):
            _shut_down(one)


class _Sockets:
    """All sockets, as second handles, so that another thread can end what waits on them.

    A thread that waits in a read, or in a TLS handshake, cannot be reached through the connection object; shutting the
    socket down through another handle of it wakes the thread.
    """

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop
        self._lock = threading.Lock()
        self._all: set[socket.socket] = set()
        self._local = _Request()

    @contextlib.contextmanager
    def request(self) -> Any:
        """Around one request of this thread."""
        self._local.current = current = _Open()
        try:
            yield current
        finally:
            self._local.current = None
            for one in current.retired:
                self._forget(one)

    def use(self, handle: socket.socket) -> None:
        """This thread's request uses a socket."""
        if self._local.current is not None:
            self._local.current.sockets.add(handle)

    def open(self, make: Callable[[], socket.socket], limit: float | None) -> tuple[socket.socket, socket.socket]:
        """Make a socket in a thread of its own, for neither a look-up of a name nor connecting can be ended."""
        made: list[socket.socket] = []
        failed: list[BaseException] = []
        done = threading.Event()
        given_up = threading.Event()

        def work() -> None:
            try:
                found = make()
                if given_up.is_set():
                    found.close()
                else:
                    made.append(found)
            except BaseException as error:  # raised again in the thread that waits
                failed.append(error)
            done.set()

        threading.Thread(target=work, daemon=True).start()
        end = time.monotonic() + limit if limit else None
        while not done.wait(0.05):
            if self._stop.is_set() or (end is not None and time.monotonic() > end):
                given_up.set()
                raise TimeoutError("timed out")
        if failed:
            raise failed[0]
        handle = made[0].dup()
        with self._lock:
            self._all.add(handle)
        if self._stop.is_set():
            _shut_down(handle)
        return made[0], handle

    def retire(self, handle: socket.socket) -> None:
        """A connection closed its socket; an answer may still be read from it."""
        if self._local.current is not None:
            self._local.current.retired.append(handle)
        else:
            self._forget(handle)

    def end_all(self) -> None:
        """End every request."""
        with self._lock:
            for handle in self._all:
                _shut_down(handle)

    def _forget(self, handle: socket.socket) -> None:
        with self._lock:
            self._all.discard(handle)
        handle.close()


def _shut_down(handle: socket.socket) -> None:
    with contextlib.suppress(OSError):
        handle.shutdown(socket.SHUT_RDWR)


def _watched(pool: Any, sockets: _Sockets) -> Any:
    """The class of a pool whose connections are known to ``sockets``."""

    class Connection(pool.ConnectionCls):  # type: ignore[misc]
        handle: socket.socket | None = None

        def _new_conn(self) -> socket.socket:
            limit = self.timeout if isinstance(self.timeout, (int, float)) else None
            # One name may have several addresses, each of which may take the limit.
            made, self.handle = sockets.open(super()._new_conn, limit)
            sockets.use(self.handle)
            return made

        def request(self, *arguments: Any, **more: Any) -> None:
            if self.handle is not None:
                sockets.use(self.handle)
            super().request(*arguments, **more)

        def close(self) -> None:
            handle, self.handle = self.handle, None
            super().close()
            if handle is not None:
                sockets.retire(handle)

    return type(pool.__name__, (pool,), {"ConnectionCls": Connection})


def _context(configuration: Configuration) -> ssl.SSLContext:
    """The TLS settings that the kubeconfig asks for."""
    verified = bool(configuration.verify_ssl)
    context = create_urllib3_context(cert_reqs=ssl.CERT_REQUIRED if verified else ssl.CERT_NONE)
    # Newer Pythons ask for extensions that the authorities of many clusters lack; kubectl does not.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if not verified:
        context.check_hostname = False
        urllib3.disable_warnings(faults.InsecureRequestWarning)
    elif configuration.ssl_ca_cert:
        _load("certificate-authority", lambda: context.load_verify_locations(configuration.ssl_ca_cert))
    else:
        context.load_default_certs()
    if configuration.cert_file:

        def password() -> str:
            # Without this, OpenSSL would ask on the terminal.
            raise ValueError("the key is encrypted, which kubectl does not support either")

        _load(
            "client-certificate or client-key",
            lambda: context.load_cert_chain(configuration.cert_file, configuration.key_file, password),
        )
    return context


def _load(what: str, action: Callable[[], None]) -> None:
    try:
        action()
    except (OSError, ValueError) as error:
        said = error.reason if isinstance(error, ssl.SSLError) and error.reason else str(error)
        raise BadCertificate(f"{what} cannot be used: {shown(said.replace('_', ' ').lower())}") from error


def _problem(error: BaseException) -> str:
    """Why no answer came, in a few words."""
    chain: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and len(chain) < 8:
        chain.append(cause)
        inner = [one for one in cause.args if isinstance(one, BaseException)]
        cause = inner[0] if inner else cause.__cause__ or cause.__context__
    proxy = "the proxy: " if any(isinstance(one, faults.ProxyError) for one in chain) else ""
    for one in chain:
        if isinstance(one, ssl.SSLCertVerificationError):
            return f"{proxy}its certificate is not trusted: {shown(one.verify_message or one.reason or str(one))}"
        if isinstance(one, ssl.SSLError):
            return f"{proxy}TLS failed: {shown((one.reason or str(one)).replace('_', ' ').lower())}"
    for one in chain:
        if isinstance(one, (TimeoutError, faults.TimeoutError)) and not isinstance(one, faults.NewConnectionError):
            return f"{proxy}no answer in time"
        if isinstance(one, socket.gaierror):
            return f"{proxy}its name is not known ({shown(one.strerror or str(one))})"
        if isinstance(one, (http.client.IncompleteRead, faults.IncompleteRead)):
            return f"{proxy}the connection was cut in the middle of an answer"
        if isinstance(one, (ConnectionResetError, BrokenPipeError, http.client.RemoteDisconnected)):
            return f"{proxy}the connection was cut"
        if isinstance(one, OSError) and one.strerror:
            return proxy + shown(one.strerror.lower())
    return f"{proxy}{shown(str(error), 300)}"
