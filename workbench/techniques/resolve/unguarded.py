"""Servers that let in whoever connects, known by their image or their command line, and what proves that they do.

Each entry says when the server asks nobody who it is, and what it gives: code in its container, or the requests that it
sends to the API server with its own account. What only a configuration file, a script or the environment decides, of
which the inventory has names alone, is a condition (C-INGRESS: nothing in front asks who it is).

Sources: the documentation of each: Kubernetes Dashboard (arguments), Argo Workflows ("Argo Server Auth Mode"), Jupyter
Server ("Security"), Kubeflow (profiles and ``kubeflow-userid``), Redis ("Security"; redis/redis#6257), Elasticsearch
("Security settings"), Docker ("Protect the Docker daemon socket").
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache

from workbench.inventory.image_names import without_version
from workbench.inventory.inventory import IndexOf
from workbench.inventory.pods import ContainerInstance
from workbench.techniques.resolve import HOLDS, Answer, all_of, needs, ruled_out
from workbench.techniques.resolve.command import CommandLine, command_line


@dataclass(frozen=True)
class Server:
    """A kind of server."""

    name: str
    ports: tuple[tuple[str, int], ...]
    """Where it listens: the flags that say it, and what each is by default."""
    decide: Callable[[ContainerInstance, CommandLine], Answer]
    """Whether it lets everybody in."""
    account: bool = False
    """Whether it acts with its account for whoever connects; else it runs what one wants in its container."""
    http: bool = True
    """Whether it speaks HTTP, so that an Ingress can forward to it."""


def _unknown(container: ContainerInstance) -> Answer:
    return needs("C-INGRESS", container.pod.owner)


def _version(container: ContainerInstance) -> tuple[int, ...] | None:
    """The version that the tag of the image names, ``None`` if it names none."""
    return _tagged(container.spec.image or "")


@lru_cache(maxsize=4096)
def _tagged(image: str) -> tuple[int, ...] | None:
    tag = image.partition("@")[0].rpartition("/")[2].partition(":")[2]
    match = re.match(r"v?(\d+)(?:\.(\d+))?(?:\.(\d+))?(?![\d.])", tag)
    return tuple(int(part) for part in match.groups() if part is not None) if match is not None else None


def _environment(container: ContainerInstance) -> set[str]:
    return {variable.name or "" for variable in container.spec.env or ()}


# --- those that act with their account ------------------------------------------------------------------


def _dashboard(container: ContainerInstance, line: CommandLine) -> Answer:
    # From 1.10.1 on the login can be skipped only if a flag allows it; before, always.
    version = _version(container)
    if line.is_true("enable-skip-login") or (version is not None and version < (1, 10, 1)):
        return HOLDS
    return _unknown(container) if line.hidden else ruled_out("args have no --enable-skip-login")


def _argo_workflows(container: ContainerInstance, line: CommandLine) -> Answer:
    modes = line.values("auth-mode")
    if "server" in modes:
        return HOLDS
    if modes:
        return ruled_out(f"--auth-mode={','.join(modes)} asks each user for a token")
    if line.hidden:
        return _unknown(container)
    version = _version(container)
    if version is not None and version < (3,):
        return HOLDS
    if version is None and "latest" not in (container.spec.image or ""):
        return _unknown(container)
    return ruled_out("without --auth-mode the server asks for a token (mode client, since 3.0)")


def _kubeflow(container: ContainerInstance, line: CommandLine) -> Answer:
    # They believe the header that says who it is; only a mesh, which no object here shows, sets it.
    return _unknown(container)


# --- those that run what one wants ----------------------------------------------------------------------

_JUPYTER_CLASSES = ("NotebookApp", "ServerApp", "IdentityProvider", "LabApp")


def _jupyter(container: ContainerInstance, line: CommandLine) -> Answer:
    tokens = [f"{name}.token" for name in _JUPYTER_CLASSES]
    passwords = [f"{name}.{key}" for name in _JUPYTER_CLASSES for key in ("password", "hashed_password")]
    given = {word.partition("=")[0].lstrip("-"): word for word in line.words if word.startswith("--")}
    for password in passwords:
        if password in given and not _is_empty(given[password]):
            return ruled_out(f"args set --{password}")
    for token in tokens:
        if token in given:
            return HOLDS if _is_empty(given[token]) else ruled_out(f"args set --{token}")
    return _unknown(container) if line.hidden else ruled_out("without --ServerApp.token='' the server makes a token")


def _is_empty(word: str) -> bool:
    _, equals, value = word.partition("=")
    return bool(equals) and not value.strip("'\"")


def _kubeflow_notebook(container: ContainerInstance, line: CommandLine) -> Answer:
    # The images turn tokens off, for the mesh in front of them asks.
    if any(other.name == "istio-proxy" for other in container.pod.containers):
        return _unknown(container)
    return HOLDS


_LOOPBACK = ("127.0.0.1", "::1", "-::1", "localhost")


def _redis(container: ContainerInstance, line: CommandLine) -> Answer:
    if line.has("requirepass"):
        return ruled_out("args set --requirepass")
    if line.values("protected-mode")[-1:] == ["yes"]:
        return ruled_out("--protected-mode yes answers loopback only")
    if line.values("bind") and all(value in _LOOPBACK for value in line.values("bind")):
        return ruled_out("--bind leaves loopback only")
    environment = _environment(container)
    bitnami = "bitnami" in (container.spec.image or "")
    for name in ("REDIS_PASSWORD", "REDIS_PASSWORD_FILE", "VALKEY_PASSWORD", "VALKEY_PASSWORD_FILE"):
        if bitnami and name in environment:
            return ruled_out(f"env {name} sets a password")
    # Replication writes a file, which 4.0 learned to load as a module, and 6.0 no more: it is not executable.
    version = _version(container)
    code = HOLDS if version is not None and (4,) <= version < (6,) else needs("C-VULN", container.image)
    told_elsewhere = line.hidden or line.has("aclfile", "user") or any(word.endswith(".conf") for word in line.words)
    if told_elsewhere or (bitnami and not environment & {"ALLOW_EMPTY_PASSWORD"}):
        return all_of(_unknown(container), code)
    return code


def _elasticsearch(container: ContainerInstance, line: CommandLine) -> Answer:
    image = container.spec.image or ""
    # It gives its data to everybody, and runs code only by a defect.
    code = needs("C-VULN", container.image)
    if line.is_true("Expack.security.enabled"):
        return ruled_out("args turn xpack.security on")
    if line.is_false("Expack.security.enabled") or "elasticsearch-oss" in image:
        return code
    configured = any((mount.mount_path or "").startswith(_ELASTIC) for mount in container.spec.volume_mounts or ())
    told_elsewhere = configured or line.hidden or bool(container.spec.env_from)
    if told_elsewhere or "xpack.security.enabled" in _environment(container):
        return all_of(_unknown(container), code)
    version = _version(container)
    if version is None:
        return all_of(_unknown(container), code)
    if version >= (8,):
        return ruled_out("xpack.security is on by default (since 8.0)")
    return code


_ELASTIC = "/usr/share/elasticsearch/config"


def _docker(container: ContainerInstance, line: CommandLine) -> Answer:
    sockets = [word for word in _sockets(line) if not _on_loopback(word)]
    if sockets:
        return ruled_out("--tlsverify asks for certificates") if line.is_true("tlsverify") else HOLDS
    if _sockets(line):
        return ruled_out("--host leaves loopback only")
    if line.hidden or container.spec.env_from or "DOCKER_TLS_CERTDIR" in _environment(container):
        # Empty, it makes the image listen without certificates.
        return _unknown(container)
    return ruled_out("the image makes certificates and asks for them (DOCKER_TLS_CERTDIR)")


def _sockets(line: CommandLine) -> list[str]:
    return [value for value in line.values("host", "H") if value.startswith("tcp://")]


def _on_loopback(socket: str) -> bool:
    host = socket.removeprefix("tcp://").rpartition(":")[0].strip("[]")
    return host in _LOOPBACK


# --- which they are -------------------------------------------------------------------------------------

_DASHBOARD = Server("Kubernetes Dashboard", (("port", 8443), ("insecure-port", 9090)), _dashboard, account=True)
_ARGO = Server("Argo Workflows", (("port", 2746),), _argo_workflows, account=True)
_KUBEFLOW = Server("Kubeflow", (("", 5000), ("", 8082), ("", 8888)), _kubeflow, account=True)
_NOTEBOOK = Server("a Kubeflow notebook", (("ServerApp.port", 8888),), _kubeflow_notebook)
_JUPYTER = Server("Jupyter", (("port", 8888),), _jupyter)
_REDIS = Server("Redis", (("port", 6379),), _redis, http=False)
_ELASTICSEARCH = Server("Elasticsearch", (("Ehttp.port", 9200),), _elasticsearch)
_DOCKER = Server("the Docker daemon", (("", 2375),), _docker)

_BY_IMAGE: tuple[tuple[re.Pattern[str], Server], ...] = tuple(
    (re.compile(pattern), server)
    for pattern, server in (
        (r"(^|/)kubernetesui/dashboard([:@]|$)|(^|/)kubernetes-dashboard(-amd64|-arm64)?([:@]|$)", _DASHBOARD),
        (r"(^|/)argocli([:@]|$)", _ARGO),
        (r"(^|/)(centraldashboard|jupyter-web-app|kfp-api-server)([:@]|$)|ml-pipeline/api-server([:@]|$)", _KUBEFLOW),
        (r"notebook-servers/[\w.-]+([:@]|$)|kubeflownotebookswg/(jupyter|codeserver)[\w.-]*([:@]|$)", _NOTEBOOK),
        (r"(^|/)jupyter/[\w.-]+-notebook([:@]|$)", _JUPYTER),
        (r"(^|/)(redis|redis-stack|redis-stack-server|valkey)([:@]|$)", _REDIS),
        (r"(^|/)elasticsearch(-oss)?([:@]|$)", _ELASTICSEARCH),
    )
)
_DIND = re.compile(r"(^|/)docker:[\w.-]*dind[\w.-]*(@|$)")
"""The one whose tag says what is in it."""
_BY_PROGRAM = {
    "jupyter": _JUPYTER,
    "jupyter-lab": _JUPYTER,
    "jupyter-notebook": _JUPYTER,
    "start-notebook.sh": _JUPYTER,
    "start-notebook.py": _JUPYTER,
    "redis-server": _REDIS,
    "dockerd": _DOCKER,
}
"""The programs that are told by their names, whatever the image is called."""


@lru_cache(maxsize=4096)
def _by_image(image: str) -> Server | None:
    return next((server for pattern, server in _BY_IMAGE if pattern.search(image)), None)


def server_of(container: ContainerInstance) -> Server | None:
    """The server that runs in a container, ``None`` if it is none of those that are known."""
    spec = container.spec
    first = next(iter(spec.command or spec.args or ()), "")
    by_program = _BY_PROGRAM.get(first.rpartition("/")[2])
    if by_program is not None:
        return by_program
    image = spec.image or ""
    found = _by_image(without_version(image))
    if found is None and "dind" in image and _DIND.search(image):
        found = _DOCKER
    if found is _ARGO and "server" not in (*(spec.command or ()), *(spec.args or ())):
        return None
    return found


def listens(container: ContainerInstance, server: Server, port: int | None) -> bool:
    """Whether a server listens on a port of its pod, as its arguments say, or by default; any port is its own."""
    if port is None:
        return True
    line = command_line(container.spec)
    told = [socket.rpartition(":")[2] for socket in _sockets(line)] if server is _DOCKER else []
    for flag, number in server.ports if not told else ():
        told += [value for value in line.values(flag) if value.isdecimal()][-1:] or [str(number)]
    return str(port) in told


def _keys(container: ContainerInstance) -> Iterable[str]:
    return (container.pod.namespace,) if server_of(container) is not None else ()


SETTINGS = frozenset(
    {
        "ALLOW_EMPTY_PASSWORD",
        "DOCKER_TLS_CERTDIR",
        "REDIS_PASSWORD",
        "REDIS_PASSWORD_FILE",
        "VALKEY_PASSWORD",
        "VALKEY_PASSWORD_FILE",
        "xpack.security.enabled",
    }
)
"""The environment variables that are looked for."""

SERVERS: IndexOf[str, ContainerInstance] = IndexOf("known servers by namespace", "containers", _keys, of_replicas=True)
"""The containers with a known server, by namespace."""


def lets_everybody_in(container: ContainerInstance, server: Server) -> Answer:
    """Whether a server asks nobody who it is."""
    return server.decide(container, command_line(container.spec))
