"""One kubeconfig file: its entries with the types that Kubernetes gives them, and the lines on which they stand.

Source: Kubernetes documentation, reference "kubeconfig (v1)".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import msgspec
import yaml
from yaml.nodes import MappingNode, Node, SequenceNode

from workbench.errors import Fault, KubeconfigError
from workbench.text import shown

LIMIT = 4 * 1024 * 1024
"""Bytes of one file that are read at most; kubeconfigs with hundreds of contexts have a tenth of it."""


def _kebab(name: str) -> str:
    return {"token_file": "tokenFile", "as_user": "as"}.get(name, name.replace("_", "-"))


class _Record(msgspec.Struct, rename=_kebab, kw_only=True, omit_defaults=True):
    """Base of what a kubeconfig holds: its keys are words joined by hyphens."""


class Extension(_Record):
    name: str | None = None
    extension: Any = None


class Cluster(_Record):
    server: str | None = None
    certificate_authority: str | None = None
    certificate_authority_data: str | None = None
    insecure_skip_tls_verify: bool | None = None
    tls_server_name: str | None = None
    proxy_url: str | None = None
    disable_compression: bool | None = None
    extensions: list[Extension] | None = None


class Variable(_Record):
    name: str = ""
    value: str = ""


class Exec(msgspec.Struct, rename="camel", kw_only=True, omit_defaults=True):
    """A credential plugin."""

    api_version: str | None = None
    command: str | None = None
    args: list[str] | None = None
    env: list[Variable] | None = None
    install_hint: str | None = None
    provide_cluster_info: bool | None = None
    interactive_mode: str | None = None


class AuthProvider(_Record):
    name: str | None = None
    config: dict[str, str] | None = None


class User(_Record):
    token: str | None = None
    token_file: str | None = None
    username: str | None = None
    password: str | None = None
    client_certificate: str | None = None
    client_certificate_data: str | None = None
    client_key: str | None = None
    client_key_data: str | None = None
    as_user: str | None = None
    as_uid: str | None = None
    as_groups: list[str] | None = None
    as_user_extra: dict[str, list[str]] | None = None
    exec: Exec | None = None
    auth_provider: AuthProvider | None = None


class Context(_Record):
    cluster: str | None = None
    user: str | None = None
    namespace: str | None = None


class NamedCluster(_Record):
    name: str
    cluster: Cluster | None = None


class NamedContext(_Record):
    name: str
    context: Context | None = None


class NamedUser(_Record):
    name: str
    user: User | None = None


class _Config(_Record):
    kind: str | None = None
    current_context: str | None = None
    clusters: list[NamedCluster] | None = None
    contexts: list[NamedContext] | None = None
    users: list[NamedUser] | None = None


@dataclass(frozen=True, slots=True)
class KubeconfigFile:
    """The entries of one file, each with its line (from 1), in their order."""

    current: str
    current_line: int
    contexts: list[tuple[NamedContext, int]]
    clusters: list[tuple[NamedCluster, int]]
    users: list[tuple[NamedUser, int]]


_EMPTY = KubeconfigFile("", 1, [], [], [])


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """As the safe loader, but a date stays the text that Kubernetes takes it for."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in found if tag != "tag:yaml.org,2002:timestamp"]
    for first, found in _Loader.yaml_implicit_resolvers.items()
}


def load(path: str) -> KubeconfigFile:
    """Read one file; an empty one holds nothing.

    Raises:
        KubeconfigError: It cannot be read, is no YAML, or a field has the wrong type.
    """
    try:
        with open(path, "rb") as stream:
            data = stream.read(LIMIT + 1)
    except OSError as error:
        raise _bad(path, (error.strerror or str(error)).lower()) from error
    if len(data) > LIMIT:
        raise _bad(path, f"too large: more than the {LIMIT:,} bytes that are read")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _bad(path, f"not UTF-8 text: byte 0x{data[error.start]:02x}") from error
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        content = loader.construct_document(node) if node is not None else None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None)
        raise _bad(path, f"not YAML{f': {problem}' if problem else ''}", mark.line + 1 if mark else None) from error
    finally:
        loader.dispose()
    if content is None or node is None:
        return _EMPTY
    if not isinstance(content, dict):
        raise _bad(path, "no kubeconfig: its content is no mapping", 1)
    try:
        config = msgspec.convert(content, _Config)
    except msgspec.ValidationError as error:
        problem, _, where = str(error).partition(" - at `$")
        field = where.rstrip("`").lstrip(".")
        raise _bad(path, problem[:1].lower() + problem[1:], _line(node, field), field) from error
    if config.kind not in (None, "Config"):
        raise _bad(path, f"no kubeconfig: its kind is '{shown(config.kind)}'", _line(node, "kind"), "kind")
    return KubeconfigFile(
        config.current_context or "",
        _line(node, "current-context"),
        [(entry, _line(node, f"contexts[{at}]")) for at, entry in enumerate(config.contexts or ())],
        [(entry, _line(node, f"clusters[{at}]")) for at, entry in enumerate(config.clusters or ())],
        [(entry, _line(node, f"users[{at}]")) for at, entry in enumerate(config.users or ())],
    )


_STEP = re.compile(r"\[(\d+)\]|([^.\[\]]+)")


def _line(node: Node, path: str) -> int:
    """The line of a field, or of its nearest parent that is written."""
    line = node.start_mark.line + 1
    for index, key in _STEP.findall(path):
        if index and isinstance(node, SequenceNode) and int(index) < len(node.value):
            node = node.value[int(index)]
            line = node.start_mark.line + 1
            continue
        if not isinstance(node, MappingNode):
            break
        for name, value in node.value:
            if name.value == key:
                line, node = name.start_mark.line + 1, value
                break
        else:
            break
    return int(line)


def _bad(path: str, problem: str, line: int | None = None, field: str = "") -> KubeconfigError:
    return KubeconfigError(Fault(shown(path), problem, line=line, field=field or None))
