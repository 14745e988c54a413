"""Credentials from the exec plugin that a kubeconfig names, which we run ourselves.

The official client swallows a plugin's failure and goes on without credentials; here a failure ends the login, and
nothing is sent to the server. Source: Kubernetes documentation, "client-go credential plugins".
"""

from __future__ import annotations

import base64
import contextlib
import datetime
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import IO, Any, NoReturn, TypeAlias

import msgspec

from workbench.errors import Cancelled, LoginError
from workbench.kube.kubeconfig import Entry, Selected, plain
from workbench.kube.kubeconfig_files import Cluster, Exec
from workbench.text import shown

Terminal: TypeAlias = Callable[[Callable[[], None]], None]
"""Runs an action while it has the terminal for itself, and returns after it (the TUI: under ``App.suspend()``)."""

LIMIT = 60.0
"""Seconds that a plugin may take."""
INTERACTIVE_LIMIT = 300.0
"""Seconds that a plugin may take while a person answers it."""
OUTPUT_LIMIT = 1 << 20
"""Bytes that a plugin may print."""

_EXTENSION = "client.authentication.k8s.io/exec"


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a plugin gave: a token, a client certificate with its key, or both."""

    token: str = ""
    certificate: str = ""
    key: str = ""
    expires: datetime.datetime | None = None

    @property
    def expired(self) -> bool:
        """Whether the plugin has to be asked anew."""
        return self.expires is not None and self.expires <= datetime.datetime.now(datetime.UTC)


class _Status(msgspec.Struct, rename="camel"):
    token: str | None = None
    client_certificate_data: str | None = None
    client_key_data: str | None = None
    expiration_timestamp: datetime.datetime | None = None


class _Credential(msgspec.Struct, rename="camel"):
    api_version: str | None = None
    kind: str | None = None
    status: _Status | None = None


def direct(action: Callable[[], None]) -> None:
    """The terminal of a command: there is no screen to put away."""
    action()


def terminal_of_process() -> Terminal | None:
    """The terminal of a command, ``None`` if standard input is none."""
    return direct if sys.stdin is not None and sys.stdin.isatty() else None


class Plugin:
    """The plugin of one kubeconfig user."""

    def __init__(self, selected: Selected, terminal: Terminal | None, stop: threading.Event) -> None:
        """Take a plugin's description.

        Args:
            selected: The context; its user names a plugin.
            terminal: Where the plugin may ask a person; ``None`` if there is nobody.
            stop: Ends a plugin that runs.
        """
        assert selected.user is not None
        assert selected.user.value.exec is not None
        self._user = selected.user
        self._exec: Exec = selected.user.value.exec
        self._cluster = selected.cluster
        mode = self._exec.interactive_mode or "IfAvailable"
        self._terminal = terminal if mode != "Never" else None
        self._missing_terminal = mode == "Always" and terminal is None
        self._stop = stop

    def run(self) -> Credentials:
        """Ask the plugin for credentials.

        Raises:
            LoginError: It is not installed, failed, took too long, printed something else, or wants a terminal where
                there is none; the message holds what it wrote to standard error.
            Cancelled: The connection was ended meanwhile.
        """
        if self._missing_terminal:
            self._fail("wants a terminal (interactiveMode: Always), and there is none")
        command = self._command()
        environment = {**os.environ, **{one.name: one.value for one in self._exec.env or ()}}
        environment["KUBERNETES_EXEC_INFO"] = msgspec.json.encode(self._info()).decode()
        arguments = [command, *(self._exec.args or ())]
        if self._terminal is None:
            return self._parsed(*self._run(arguments, environment, interactive=False))
        found: list[tuple[bytes, bytes]] = []
        failed: list[Exception] = []

        def action() -> None:
            try:
                found.append(self._run(arguments, environment, interactive=True))
            except (LoginError, Cancelled) as error:
                failed.append(error)

        self._terminal(action)
        if failed:
            raise failed[0]
        if not found:
            self._fail("could not be given the terminal")
        return self._parsed(*found[0])

    def _command(self) -> str:
        command = self._exec.command or ""
        # As client-go: a path is relative to the kubeconfig, a bare name is looked up.
        path = self._user.path(command) if os.path.basename(command) != command else shutil.which(command)
        if path is None or not os.path.exists(path):
            self._fail("is not installed")
        return path

    def _info(self) -> dict[str, Any]:
        spec: dict[str, Any] = {"interactive": self._terminal is not None}
        if self._exec.provide_cluster_info:
            spec["cluster"] = cluster_info(self._cluster)
        return {"apiVersion": self._exec.api_version, "kind": "ExecCredential", "spec": spec}

    def _run(self, arguments: list[str], environment: Mapping[str, str], *, interactive: bool) -> tuple[bytes, bytes]:
        """The plugin's standard output and standard error.

        Raises:
            LoginError: It failed or took too long.
            Cancelled: It was ended by :attr:`_stop`.
        """
        try:
            process = subprocess.Popen(
                arguments,
                env=dict(environment),
                stdin=None if interactive else subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=None if interactive else subprocess.PIPE,
                # What it starts ends with it; a plugin that asks keeps the terminal's session.
                start_new_session=not interactive,
            )
        except OSError as error:
            self._fail(f"cannot be run: {(error.strerror or str(error)).lower()}")
        readers = [_Reader(process.stdout), _Reader(process.stderr)]
        limit = INTERACTIVE_LIMIT if interactive else LIMIT
        end = time.monotonic() + limit
        ended = ""
        try:
            while process.poll() is None and not ended:
                if self._stop.wait(0.02):
                    raise Cancelled("the login was cancelled")
                if time.monotonic() > end:
                    ended = f"gave no answer within {limit:g} seconds"
                elif any(reader.full for reader in readers):
                    break
        finally:
            if process.poll() is None:
                _kill(process, group=not interactive)
        output, errors = (reader.result() for reader in readers)
        if any(reader.full for reader in readers):
            ended = f"printed more than {OUTPUT_LIMIT:,} bytes"
        if ended:
            self._fail(ended, errors)
        if process.returncode:
            self._fail(f"failed with status {process.returncode}", errors)
        return output, errors

    def _parsed(self, output: bytes, errors: bytes) -> Credentials:
        # What it printed is not shown: it may be half a token.
        try:
            credential = msgspec.json.decode(output, type=_Credential)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            self._fail("printed no ExecCredential", errors)
        if credential.kind != "ExecCredential":
            self._fail("printed no ExecCredential", errors)
        if credential.api_version != self._exec.api_version:
            said = f"speaks {credential.api_version}, and the kubeconfig says {self._exec.api_version}"
            self._fail(said, errors)
        status = credential.status
        if status is None:
            self._fail("gave no credentials: the status is missing", errors)
        certificate, key = status.client_certificate_data or "", status.client_key_data or ""
        if bool(certificate) != bool(key):
            self._fail(f"gave a {'certificate without a key' if certificate else 'key without a certificate'}", errors)
        if not status.token and not certificate:
            self._fail("gave no credentials: neither a token nor a certificate", errors)
        expires = status.expiration_timestamp
        if expires is not None and expires.tzinfo is None:
            expires = expires.replace(tzinfo=datetime.UTC)
        return Credentials(status.token or "", certificate, key, expires)

    def _fail(self, problem: str, errors: bytes = b"") -> NoReturn:
        """Raise what went wrong, with the plugin's own words and the hint of the kubeconfig."""
        command = shown(self._exec.command or "")
        lines = [f"the login plugin {command} of the user {shown(self._user.name)} {shown(problem)}"]
        said = [shown(line, 300) for line in errors.decode("utf-8", "replace").splitlines() if line.strip()]
        if len(said) > 20:
            said = [*said[:5], "…", *said[-14:]]
        lines += [f"  {line}" for line in said]
        hint = (self._exec.install_hint or "").strip()
        if hint and problem == "is not installed":
            lines += [f"  {shown(line, 300)}" for line in hint.splitlines()[:20] if line.strip()]
        raise LoginError("\n".join(lines))


def cluster_info(cluster: Entry[Cluster]) -> dict[str, Any]:
    """What ``KUBERNETES_EXEC_INFO`` says of a cluster.

    Raises:
        LoginError: The file of the certificate authority cannot be read any more.
    """
    keys = ("server", "tls-server-name", "insecure-skip-tls-verify", "certificate-authority-data", "proxy-url")
    data = plain(cluster.value)
    out = {key: data[key] for key in keys if key in data}
    path = cluster.value.certificate_authority
    if path and "certificate-authority-data" not in out:
        try:
            with open(cluster.path(path), "rb") as stream:
                out["certificate-authority-data"] = base64.b64encode(stream.read()).decode()
        except OSError as error:
            raise LoginError(f"{shown(path)}: {(error.strerror or str(error)).lower()}") from error
    for extension in cluster.value.extensions or ():
        if extension.name == _EXTENSION:
            out["config"] = extension.extension
    return out


class _Reader:
    """Reads a pipe in a thread, up to a limit."""

    def __init__(self, stream: IO[bytes] | None) -> None:
        self._parts: list[bytes] = []
        self.full = False
        self._thread: threading.Thread | None = None
        if stream is not None:
            self._thread = threading.Thread(target=self._read, args=(stream,), daemon=True)
            self._thread.start()

    def _read(self, stream: IO[bytes]) -> None:
        size = 0
        with contextlib.suppress(OSError, ValueError), stream:
            while part := os.read(stream.fileno(), 65536):
                size += len(part)
                if size > OUTPUT_LIMIT:
                    self.full = True
                    return
                self._parts.append(part)

    def result(self) -> bytes:
        """All that came; what the plugin left running may hold the pipe open, and is not waited for."""
        if self._thread is not None:
            self._thread.join(1.0)
        return b"".join(self._parts)


def _kill(process: subprocess.Popen[bytes], *, group: bool) -> None:
    with contextlib.suppress(OSError):
        if group:
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(1.0)
