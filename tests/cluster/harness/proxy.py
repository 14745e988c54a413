"""A bad network before a server: it passes connections on until it is told to be slow, to hang or to cut them."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit


class Proxy:
    """Forwards to a server, below TLS: clients check the server's own certificate, which is for all of loopback.

    Args:
        server: The URL to forward to.
        cut_after: Bytes from the server after which all connections are broken, and later ones at once; ``None`` for
            never.
        hold_after: Bytes from the server after which nothing more comes, until :meth:`release`; connections stay.
    """

    def __init__(self, server: str, *, cut_after: int | None = None, hold_after: int | None = None) -> None:
        place = urlsplit(server)
        self._target = (place.hostname or "", place.port or 443)
        self._cut_after = cut_after
        self._hold_after = hold_after
        self._passed = 0
        self._released = threading.Event()
        self._lock = threading.Lock()
        self._ended = False
        self._sockets: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))

    @property
    def url(self) -> str:
        """What a kubeconfig names as its server."""
        return f"https://127.0.0.1:{self._listener.getsockname()[1]}"

    @property
    def passed(self) -> int:
        """Bytes from the server so far."""
        return self._passed

    def cut(self) -> None:
        """Break all connections, now and from now on."""
        with self._lock:
            self._cut_after = 0
            for one in self._sockets:
                _break(one)

    def mend(self) -> None:
        """Let new connections through again."""
        with self._lock:
            self._cut_after = None

    def release(self) -> None:
        """Let what is held go on."""
        self._released.set()

    def __enter__(self) -> Self:
        self._run(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended = True
        self._released.set()
        # Closing alone does not wake a thread that waits in accept.
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for one in self._sockets:
                _break(one)
        for thread in self._threads:
            thread.join()
        for one in self._sockets:
            one.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(self._target)
            except OSError:
                _break(client)
                client.close()
                continue
            with self._lock:
                self._sockets |= {client, server}
                if self._ended or self._cut_after == 0:
                    _break(client)
            self._run(self._pump, client, server, False)
            self._run(self._pump, server, client, True)

    def _pump(self, source: socket.socket, target: socket.socket, from_server: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(16_384):
                if from_server and not self._may_pass(len(data)):
                    return
                target.sendall(data)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)

    def _may_pass(self, size: int) -> bool:
        with self._lock:
            self._passed += size
            passed = self._passed
        if self._cut_after is not None and passed > self._cut_after:
            self.cut()
            return False
        if self._hold_after is not None and passed > self._hold_after:
            self._released.wait()
        return True

    def _run(self, target: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()


def _break(one: socket.socket) -> None:
    """End a connection in both directions, in the middle of whatever was under way; who waits on it wakes."""
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
