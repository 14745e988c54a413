"""An API server that is none: lists in pages, refusals, and whatever else a test scripts."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import msgspec

from workbench.errors import Cancelled
from workbench.kube.api import JSON, METADATA_LIST, Answer, ConnectOptions, Endpoint
from workbench.kube.resources import BUILTIN, Resource

Reply: TypeAlias = Answer | Exception
Script: TypeAlias = Callable[["Request"], Reply | None]


@dataclass(frozen=True)
class Request:
    """What was sent."""

    method: str
    path: str
    query: Mapping[str, str]
    accept: str


def answer(status: int, data: Any = None, **headers: str) -> Answer:
    return Answer(
        status, msgspec.json.encode(data or {}), {key.replace("_", "-"): value for key, value in headers.items()}
    )


def refusal(status: int, message: str, reason: str = "", *, retry_after: str = "", **more: Any) -> Answer:
    headers = {"retry_after": retry_after} if retry_after else {}
    return answer(status, {"kind": "Status", "message": message, "reason": reason, **more}, **headers)


def forbidden(path: str) -> Answer:
    return refusal(403, f'User "jane" cannot list {path}', "Forbidden")


PROD = Endpoint("prod", "https://api.prod:6443", "jane")


@dataclass
class FakeConnection:
    """Speaks the protocol of :class:`workbench.kube.api.Connection`."""

    objects: Sequence[Mapping[str, Any]] = ()
    denied: Callable[[str], bool] = lambda path: False
    """Whether a list's path is refused."""
    script: Script = lambda request: None
    """Goes before all else."""
    resources: Sequence[Resource] = BUILTIN
    endpoint: Endpoint = PROD
    options: ConnectOptions | None = None
    """What it was made with, if a command made it."""
    requests: list[Request] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    cancelled: threading.Event = field(default_factory=threading.Event)

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
        if self.cancelled.is_set():
            raise Cancelled("ended")
        request = Request(method, path, query or {}, accept)
        self.requests.append(request)
        reply = self.script(request)
        if isinstance(reply, Exception):
            raise reply
        return reply or self._answer(request)

    def wait(self, seconds: float) -> None:
        if self.cancelled.is_set():
            raise Cancelled("ended")
        self.waits.append(seconds)

    def cancel(self) -> None:
        self.cancelled.set()

    def close(self) -> None:
        """Nothing to let go of."""

    def _answer(self, request: Request) -> Answer:
        if request.path == "/version":
            return answer(200, {"gitVersion": "v1.34.2"})
        if request.path in ("/api", "/apis"):
            return self._discovery(request.path)
        for resource in self.resources:
            found = self._of(resource, request)
            if found is not None:
                return found
        return refusal(404, "the server could not find the requested resource", "NotFound")

    def _of(self, resource: Resource, request: Request) -> Answer | None:
        everywhere = resource.path()
        namespace, name = "", ""
        if request.path != everywhere:
            prefix = everywhere.rpartition("/")[0]
            match request.path.removeprefix(prefix).strip("/").split("/"):
                case ["namespaces", namespace, resource.plural] if resource.namespaced:
                    pass
                case ["namespaces", namespace, resource.plural, name] if resource.namespaced:
                    pass
                case [resource.plural, name]:
                    pass
                case _:
                    return None
        if self.denied(request.path):
            return forbidden(request.path)
        items = [
            obj
            for obj in self.objects
            if (obj["kind"], obj["apiVersion"]) == (resource.kind, resource.api_version)
            and (not namespace or obj["metadata"]["namespace"] == namespace)
        ]
        if name:
            one = next((obj for obj in items if obj["metadata"]["name"] == name), None)
            return answer(200, one) if one else refusal(404, "not found", "NotFound")
        return self._list(items, request)

    def _list(self, items: list[Mapping[str, Any]], request: Request) -> Answer:
        for term in filter(None, request.query.get("fieldSelector", "").split(",")):
            unequal = "!=" in term
            value = term.rpartition("=")[2]
            items = [obj for obj in items if (obj.get("type", "Opaque") == value) != unequal]
        start = int(request.query.get("continue", "0"))
        limit = int(request.query.get("limit", "500"))
        meta: dict[str, Any] = {"resourceVersion": "7"}
        if start + limit < len(items):
            meta |= {"continue": str(start + limit), "remainingItemCount": len(items) - start - limit}
        part = [{key: value for key, value in obj.items() if key not in ("kind", "apiVersion")} for obj in items]
        if request.accept == METADATA_LIST:
            part = [{"kind": "PartialObjectMetadata", "metadata": obj["metadata"]} for obj in part]
        return answer(200, {"kind": "SomeList", "metadata": meta, "items": part[start : start + limit] or None})

    def _discovery(self, path: str) -> Answer:
        groups: dict[str, dict[str, list[Resource]]] = {}
        for resource in self.resources:
            if (resource.group == "") == (path == "/api"):
                groups.setdefault(resource.group, {}).setdefault(resource.version, []).append(resource)
        items = [
            {
                "metadata": {"name": group} if group else {},
                "versions": [
                    {"version": version, "resources": [_served(resource) for resource in of], "freshness": "Current"}
                    for version, of in versions.items()
                ],
            }
            for group, versions in groups.items()
        ]
        return answer(200, {"kind": "APIGroupDiscoveryList", "items": items})

    def paths(self) -> list[str]:
        """What was asked for, without what it has."""
        return [request.path for request in self.requests if request.path not in ("/version", "/api", "/apis")]


def _served(resource: Resource) -> dict[str, Any]:
    return {
        "resource": resource.plural,
        "responseKind": {"kind": resource.kind},
        "scope": "Namespaced" if resource.namespaced else "Cluster",
        "verbs": ["get", "list"],
    }


def obj(kind: str, name: str, namespace: str = "", **more: Any) -> dict[str, Any]:
    """An object as the API server gives it."""
    found = next(resource for resource in BUILTIN if resource.kind == kind)
    meta: dict[str, Any] = {"name": name, "uid": f"uid-{kind}-{namespace}-{name}", **more.pop("metadata", {})}
    if namespace:
        meta["namespace"] = namespace
    return {"kind": kind, "apiVersion": found.api_version, "metadata": meta, **more}


def pod(name: str, namespace: str, **spec: Any) -> dict[str, Any]:
    """A pod that runs."""
    status = {"phase": "Running", "containerStatuses": [{"name": "main", "state": {"running": {}}}]}
    spec = {"nodeName": "n1", "containers": [{"name": "main", "image": "i"}], **spec}
    return obj("Pod", name, namespace, spec=spec, status=status)


def in_turn(replies: Iterable[Reply | None], when: Callable[[Request], bool] = lambda request: True) -> Script:
    """Replies to the requests of a kind one after the other; afterwards, and to others, none."""
    left = iter(replies)
    return lambda request: next(left, None) if when(request) else None
