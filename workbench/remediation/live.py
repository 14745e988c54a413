"""One object at the API server: read it, ask whether it may be changed, patch it, create it, delete it.

Nothing here decides what to change. Secrets are never read: fixes are aimed at workloads, roles, bindings, accounts and
services, and only these are.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from workbench.inventory.changes import Target, skeleton
from workbench.inventory.decode import DecodeError, from_data, from_json, plain
from workbench.inventory.objects import KubernetesObject, kind_of
from workbench.kube.api import FIELD_MANAGER, JSON, JSON_PATCH, STRATEGIC_PATCH, Answer, Connection
from workbench.kube.paging import TRIES, Patient, asked_pause
from workbench.kube.resources import Resource, builtin
from workbench.remediation.differences import environment_values, without_values

CONTENT_TYPES = {"strategic": STRATEGIC_PATCH, "json": JSON_PATCH}
"""The content type of each type of patch."""

_NEVER = frozenset({"Secret", "ConfigMap"})
"""Kinds whose objects are read as metadata only."""


class State(enum.StrEnum):
    """How it stands with the change of one object."""

    NOT_STARTED = "not started"
    ACCEPTED = "accepted"
    """The server's dry run took it."""
    APPLIED = "applied"
    ALREADY = "already applied"
    """Nothing is left to do."""
    REFUSED = "refused"
    """By the server (no permission, validation, admission) or by us: somebody would undo it."""
    CONFLICT = "conflict"
    """The object changes faster than it can be patched."""
    NOT_FOUND = "not found"
    STALE = "stale"
    """The object is not any more what the change was made for."""
    UNKNOWN = "unknown"
    """The patch was sent and no answer came."""


class Stopped(Exception):
    """Why the change of one object goes no further; no error of the program."""

    def __init__(self, state: State, message: str) -> None:
        super().__init__(message)
        self.state = state
        self.message = message


@dataclass(frozen=True, slots=True)
class LiveObject:
    """An object as the API server gives it. It may hold environment values: never log it."""

    resource: Resource
    decoded: KubernetesObject
    data: dict[str, Any] = field(repr=False)

    @property
    def absent(self) -> bool:
        """Whether there is no such object; what is held is only its name."""
        return not self.version

    @property
    def uid(self) -> str:
        """Which object it is, also if another one takes its name."""
        return self.decoded.metadata.uid or ""

    @property
    def version(self) -> str:
        """Its resource version."""
        return self.decoded.metadata.resource_version or ""

    @property
    def trimmed(self) -> dict[str, Any]:
        """The fields that the analysis reads, as plain data."""
        return plain(self.decoded)


@dataclass(frozen=True, slots=True)
class Patched:
    """The server's answer to a change that it took."""

    live: LiveObject
    """The object as it is, or after a dry run would be; an absent one if it was deleted."""
    warnings: tuple[str, ...] = ()
    """What the server remarks (the ``Warning`` header)."""


def resource_of(target: Target) -> Resource:
    """Where a target is.

    Raises:
        Stopped: It is of a kind that nothing here patches.
    """
    found = builtin(target.api_version, target.kind)
    if found is None or found.kind in _NEVER:
        raise Stopped(State.REFUSED, f"objects of kind {target.kind} ({target.api_version}) are not patched")
    return found


def read(connection: Connection, target: Target) -> LiveObject:
    """The object as it is now.

    Raises:
        Stopped: It is gone, may not be read, or is another one of the same name.
        ClusterError: There was no answer.
    """
    resource = resource_of(target)
    answer = Patient(connection).get(resource.path(target.namespace, target.name))
    if not answer.ok:
        raise _refused(answer)
    live = _decoded(resource, answer)
    if target.uid and live.uid != target.uid:
        raise Stopped(State.STALE, "it was deleted and created anew: another object has its name now")
    if live.decoded.metadata.deletion_timestamp:
        raise Stopped(State.STALE, "it is being deleted")
    return live


def read_or_absent(connection: Connection, target: Target) -> LiveObject:
    """The object as it is now, an absent one where there is none; otherwise as :func:`read`."""
    try:
        return read(connection, target)
    except Stopped as stopped:
        if stopped.state is not State.NOT_FOUND:
            raise
        return absent(target)


def absent(target: Target) -> LiveObject:
    """What stands for an object that is not there.

    Raises:
        Stopped: It is of a kind that nothing here changes.
    """
    resource = resource_of(target)
    kind = kind_of(resource.api_version, resource.kind)
    assert kind is not None, "kinds of Kubernetes itself are known"
    data = skeleton(target)
    return LiveObject(resource, from_data(kind, data, target.namespace), data)


VERBS = {"create": "create", "delete": "delete"}
"""The verbs of changes that are no patches."""


def may(connection: Connection, target: Target, type: str) -> None:
    """Ask whether the user may change an object (SelfSubjectAccessReview); a server that does not say is not believed
    to refuse.

    Args:
        connection: The way to the server.
        target: The object.
        type: ``create``, ``delete``, or a type of patch.

    Raises:
        Stopped: The user may not.
        ClusterError: There was no answer.
    """
    resource = resource_of(target)
    verb = VERBS.get(type, "patch")
    asked = {"verb": verb, "group": resource.group, "version": resource.version, "resource": resource.plural}
    asked |= {"namespace": target.namespace} if resource.namespaced else {}
    # A request to create is authorised without a name (Kubernetes documentation, "Authorization").
    asked |= {"name": target.name} if verb != "create" else {}
    body = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": asked},
    }
    answer = _post(connection, "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", body)
    status = _status(answer)
    if answer.ok and status.get("allowed") is False:
        where = f" in {target.namespace}" if target.namespace else ""
        reason = status.get("reason") or status.get("evaluationError")
        raise Stopped(
            State.REFUSED,
            f"forbidden: no permission to {verb} {resource.name}{where}{f': {reason}' if reason else ''}",
        )


def username(connection: Connection) -> str:
    """Who the server takes us for (SelfSubjectReview), or the kubeconfig's word for it where it does not say.

    Raises:
        ClusterError: There was no answer.
    """
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    answer = _post(connection, "/apis/authentication.k8s.io/v1/selfsubjectreviews", body)
    info = _status(answer).get("userInfo") if answer.ok else None
    name = info.get("username") if isinstance(info, dict) else None
    return str(name or connection.endpoint.impersonates or connection.endpoint.user)


def send(
    connection: Connection, target: Target, live: LiveObject, type: str, content: Any, *, dry_run: bool
) -> Patched:
    """Change an object as it was read: if it has changed since, the server answers with a conflict.

    Args:
        connection: The way to the server.
        target: The object.
        live: As it was read last.
        type: ``strategic``, ``json``, ``create`` or ``delete``.
        content: The patch, without a resource version; what to create; nothing to delete.
        dry_run: Let the server go all the way but for the last step.

    Raises:
        Stopped: The server refuses.
        ClusterError: There was no answer; without ``dry_run`` nobody knows whether it was done.
    """
    for left in range(TRIES - 1, -1, -1):
        answer = _requested(connection, target, live, type, content, dry_run=dry_run)
        if answer.status != 429 or not left:
            break
        # Nothing was done: the server has too much to do (API priority and fairness).
        connection.wait(asked_pause(answer, 1.0))
    values = environment_values(live.data)
    if not answer.ok:
        stopped = _refused(answer, values)
        if stopped.state is State.REFUSED and type == "json" and "/metadata/resourceVersion" in stopped.message:
            # The failed test of a JSON patch is no conflict to the server.
            raise Stopped(State.CONFLICT, stopped.message)
        if answer.status in _NO_ANSWER and not dry_run:
            raise Stopped(State.UNKNOWN, stopped.message)
        raise stopped
    warnings = tuple(without_values(text, values) for text in _warnings(answer))
    return Patched(absent(target) if type == "delete" else _decoded(live.resource, answer), warnings)


def _requested(
    connection: Connection, target: Target, live: LiveObject, type: str, content: Any, *, dry_run: bool
) -> Answer:
    resource = live.resource
    query = {"dryRun": "All"} if dry_run else {}
    if type == "delete":
        # Not another object that took the name meanwhile, and not one that was changed meanwhile.
        conditions = {"uid": live.uid, "resourceVersion": live.version}
        options = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": conditions}
        path = resource.path(target.namespace, target.name)
        return connection.send("DELETE", path, query=query, body=msgspec.json.encode(options), content_type=JSON)
    query = {"fieldManager": FIELD_MANAGER, "fieldValidation": "Strict", **query}
    if type == "create":
        path = resource.path(target.namespace)
        return connection.send("POST", path, query=query, body=msgspec.json.encode(content), content_type=JSON)
    path = resource.path(target.namespace, target.name)
    body = msgspec.json.encode(_versioned(type, content, live.version))
    return connection.send("PATCH", path, query=query, body=body, content_type=CONTENT_TYPES[type])


_NO_ANSWER = (502, 503, 504)
"""Statuses with which something between us and the server gives up: whether it was done, nobody knows."""


def _versioned(type: str, content: Any, version: str) -> Any:
    if type == "json":
        return [{"op": "test", "path": "/metadata/resourceVersion", "value": version}, *content]
    return {**content, "metadata": {**content.get("metadata", {}), "resourceVersion": version}}


def _decoded(resource: Resource, answer: Answer) -> LiveObject:
    kind = kind_of(resource.api_version, resource.kind)
    try:
        data = msgspec.json.decode(answer.body)
        if kind is None or not isinstance(data, dict):
            raise Stopped(State.REFUSED, "the server's answer is no object of this kind")
        # An object within a list, and one by name, may come without its kind; decoding by name needs none.
        data = {"apiVersion": resource.api_version, "kind": resource.kind, **data}
        return LiveObject(resource, from_json(kind, answer.body), data)
    except DecodeError as error:
        where = f" at {error.field}" if error.field else ""
        raise Stopped(State.REFUSED, f"the server's answer cannot be read{where}: {error.problem}") from error
    except msgspec.DecodeError as error:
        raise Stopped(State.REFUSED, "the server's answer is no JSON") from error


def _post(connection: Connection, path: str, body: dict[str, Any]) -> Answer:
    return connection.send("POST", path, body=msgspec.json.encode(body), content_type=JSON)


def _status(answer: Answer) -> dict[str, Any]:
    try:
        data = msgspec.json.decode(answer.body)
    except msgspec.DecodeError:
        return {}
    status = data.get("status") if isinstance(data, dict) else None
    return status if isinstance(status, dict) else {}


def _refused(answer: Answer, values: Iterable[str] = ()) -> Stopped:
    """What a refusal means; the server's own words follow, without environment values that it may quote."""
    told = without_values(answer.message, values) or f"status {answer.status}"
    match answer.status:
        case 401:
            return Stopped(State.REFUSED, f"not logged in: {told}")
        case 404:
            return Stopped(State.NOT_FOUND, told)
        case 409:
            return Stopped(State.CONFLICT, told)
        case 403:
            return Stopped(State.REFUSED, f"forbidden: {told}")
    return Stopped(State.REFUSED, told)


_WARNING = re.compile(r'\d{3} \S+ "((?:[^"\\]|\\.)*)"')


def _warnings(answer: Answer) -> Iterable[str]:
    """The texts of the ``Warning`` header (RFC 7234, 5.5)."""
    for match in _WARNING.finditer(answer.headers.get("warning", "")):
        yield re.sub(r"\\(.)", r"\1", match[1])
