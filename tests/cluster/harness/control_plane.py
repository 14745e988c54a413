"""Starts and stops etcd, kube-apiserver and kube-controller-manager on loopback: no container, no node, no scheduler.

The data goes with the servers, so they are killed rather than stopped, each before what it depends on: kube-apiserver
ignores signals for minutes once etcd is gone.
"""

from __future__ import annotations

import http.client
import json
import shutil
import socket
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from tests.cluster.harness import processes
from tests.cluster.harness.audit import POLICY
from tests.cluster.harness.certificates import Authority, TokenKey
from tests.cluster.harness.client import Client
from tests.cluster.harness.identity import Identity, write_kubeconfig
from tests.cluster.harness.processes import Process, Watchdog
from tests.cluster.harness.waiting import wait_until

ISSUER = "https://kubernetes.default.svc"
ADMIN = "admin"
_PORTS_TRIED = 5


class StartError(Exception):
    """The servers do not come up; the message ends with what they said."""


@dataclass(frozen=True)
class Options:
    """What a control plane is started with."""

    controllers: bool = False
    """Whether kube-controller-manager runs: it makes pods of Deployments, a ``default`` account in each namespace."""
    audit: bool = True
    """Whether every request is logged with its bodies; costs a copy of every answer."""
    feature_gates: Mapping[str, bool] = field(default_factory=dict)
    flags: tuple[str, ...] = ()
    """Further flags of kube-apiserver."""


@dataclass
class ControlPlane:
    """Running servers and what they keep on disk."""

    binaries: Path
    directory: Path
    options: Options
    watchdog: Watchdog
    authority: Authority
    token_key: TokenKey
    admin: Client
    """As ``system:masters``."""
    etcd: Process
    api_server: Process
    controllers: Process | None = None

    @property
    def server(self) -> str:
        """The URL of the API server."""
        return self.admin.server

    @property
    def etcd_socket(self) -> Path:
        """Where etcd listens."""
        return _etcd_socket(self.directory)

    @property
    def audit_log(self) -> Path:
        """The API server's log of requests."""
        return _audit_log(self.directory)

    def close(self) -> None:
        """End everything and remove the data."""
        for process in (self.controllers, self.api_server, self.etcd):
            if process is not None:
                process.kill()
        shutil.rmtree(self.directory)
        self.watchdog.close()


def launch(binaries: Path, options: Options = Options()) -> ControlPlane:
    """Start a control plane and wait until it takes requests.

    Args:
        binaries: The folder of the programs.
        options: How.

    Raises:
        StartError: A server ended, or did not become ready.
    """
    # In the system's temporary folder and not in the test's: the path of a Unix socket has some 100 bytes at most.
    directory = Path(tempfile.mkdtemp(prefix="workbench-"))
    watchdog = Watchdog(directory)
    started: list[Process] = []
    try:
        return _launch(binaries, directory, options, watchdog, started)
    except BaseException:
        for process in reversed(started):
            process.kill()
        shutil.rmtree(directory)
        watchdog.close()
        raise


def _launch(
    binaries: Path, directory: Path, options: Options, watchdog: Watchdog, started: list[Process]
) -> ControlPlane:
    def start(name: str, *flags: str) -> Process:
        process = processes.start([binaries / name, *flags], directory / f"{name}.log", directory, watchdog)
        started.append(process)
        return process

    etcd = start("etcd", *_etcd_flags(directory))
    authority = Authority.create(directory / "ca")
    token_key = TokenKey.create(directory)
    admin = Identity(ADMIN, ("system:masters",), authority.for_client(ADMIN, ("system:masters",)))
    flags = _api_server_flags(directory, options, authority, token_key)
    for attempt in range(1, _PORTS_TRIED + 1):
        port = _free_port()
        api_server = start("kube-apiserver", *flags, f"--secure-port={port}")
        client = Client(f"https://127.0.0.1:{port}", authority.pair.certificate.read_text(), admin)
        try:
            _wait_until_ready(client, api_server, "/readyz", "/api/v1/namespaces/default")
        except StartError:
            # Somebody else took the port between our look and the server's.
            if attempt < _PORTS_TRIED and "address already in use" in api_server.said():
                api_server.kill()
                continue
            raise
        break
    plane = ControlPlane(
        binaries, directory, options, watchdog, authority, token_key, client, etcd=etcd, api_server=api_server
    )
    if options.controllers:
        plane.controllers = start("kube-controller-manager", *_controller_flags(plane))
        _wait_until_ready(client, plane.controllers, "/api/v1/namespaces/default/serviceaccounts/default")
    return plane


def _etcd_flags(directory: Path) -> list[str]:
    return [
        f"--data-dir={directory / 'etcd'}",
        f"--listen-client-urls=unix://{_etcd_socket(directory)}",
        # Both must be there; nobody listens on the first, nobody calls the second.
        "--advertise-client-urls=http://127.0.0.111:0",
        "--listen-peer-urls=http://127.0.0.1:0",
        "--unsafe-no-fsync",
        "--log-level=warn",
        "--max-txn-ops=1024",
    ]


def _api_server_flags(directory: Path, options: Options, authority: Authority, token_key: TokenKey) -> list[str]:
    certificate = authority.for_server()
    flags = [
        f"--etcd-servers=unix://{_etcd_socket(directory)}",
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1",
        # With a reconciler it refuses to announce an address on loopback.
        "--endpoint-reconciler-type=none",
        f"--tls-cert-file={certificate.certificate}",
        f"--tls-private-key-file={certificate.key}",
        f"--client-ca-file={authority.pair.certificate}",
        "--authorization-mode=Node,RBAC",
        f"--service-account-issuer={ISSUER}",
        f"--service-account-key-file={token_key.public}",
        f"--service-account-signing-key-file={token_key.private}",
        "--service-cluster-ip-range=10.0.0.0/16",
        "--allow-privileged=true",
        # No controller takes the taint of a new node away.
        "--disable-admission-plugins=TaintNodesByCondition",
    ]
    if options.audit:
        policy = directory / "audit-policy.json"
        policy.write_text(json.dumps(POLICY))
        flags += [
            f"--audit-policy-file={policy}",
            f"--audit-log-path={_audit_log(directory)}",
            "--audit-log-maxsize=100000",
        ]
    if options.feature_gates:
        gates = ",".join(f"{name}={str(on).lower()}" for name, on in sorted(options.feature_gates.items()))
        flags.append(f"--feature-gates={gates}")
    return [*flags, *options.flags]


def _controller_flags(plane: ControlPlane) -> list[str]:
    user = "system:kube-controller-manager"
    kubeconfig = write_kubeconfig(
        plane.directory / "kube-controller-manager.json",
        server=plane.server,
        ca=plane.authority.pair.certificate,
        credentials=Identity(user, (), plane.authority.for_client(user)).credentials(),
    )
    return [
        f"--kubeconfig={kubeconfig}",
        "--leader-elect=false",
        "--secure-port=0",
        "--kube-api-qps=1000",
        "--kube-api-burst=2000",
        "--use-service-account-credentials=true",
        f"--service-account-private-key-file={plane.token_key.private}",
        f"--root-ca-file={plane.authority.pair.certificate}",
        f"--cluster-signing-cert-file={plane.authority.pair.certificate}",
        f"--cluster-signing-key-file={plane.authority.pair.key}",
        f"--flex-volume-plugin-dir={plane.directory / 'flex'}",
        # No kubelet keeps a node alive.
        "--controllers=*,-node-lifecycle-controller,-taint-eviction-controller",
    ]


def _etcd_socket(directory: Path) -> Path:
    return directory / "etcd.sock"


def _audit_log(directory: Path) -> Path:
    return directory / "audit.log"


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _wait_until_ready(client: Client, process: Process, *paths: str) -> None:
    # A short limit: whoever else may hold the port takes connections and may never answer.
    asking = Client(client.server, client.ca, client.identity, timeout=2)

    def ready(path: str) -> bool:
        if not process.running:
            raise StartError(f"{process.log.stem} ended with status {process.popen.returncode}\n{_tail(process)}")
        try:
            return asking.request("GET", path).status == 200
        except (OSError, http.client.HTTPException):
            return False

    for path in paths:
        try:
            wait_until(partial(ready, path), path)
        except AssertionError as error:
            raise StartError(f"{process.log.stem}: {error}\n{_tail(process)}") from None


def _tail(process: Process) -> str:
    return process.said()[-3000:]
