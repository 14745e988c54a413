"""An API server in memory that speaks the protocol of a connection: objects, patches, reviews, and what goes wrong.

It patches as the API does where our patches go: strategic merge by the merge keys, JSON 6902, resource versions,
dry run, and the fields that the API drops when they are empty.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.kube.fake import FakeConnection
from workbench.errors import Unreachable
from workbench.kube.api import JSON, JSON_PATCH, STRATEGIC_PATCH, Answer, Endpoint
from workbench.kube.resources import builtin
from workbench.remediation.patches import MERGE_KEYS

Data = dict[str, Any]
DROPPED_IF_FALSE = ("hostPID", "hostIPC", "hostNetwork", "readOnly")


@dataclass
class Request:
    """What was sent."""

    method: str
    path: str
    query: Mapping[str, str]
    body: Any

    @property
    def writes(self) -> bool:
        """Whether it changes an object that is kept."""
        return (self.method in ("PATCH", "DELETE") and "dryRun" not in self.query) or self.creates

    @property
    def creates(self) -> bool:
        """Whether it makes an object that is kept; reviews are posted too, and not kept."""
        return self.method == "POST" and "reviews" not in self.path and "dryRun" not in self.query


@dataclass
class FakeServer:
    """A connection to a server that is not there."""

    objects: dict[str, Data] = field(default_factory=dict)
    """By URL path."""
    requests: list[Request] = field(default_factory=list)
    forbidden: set[str] = field(default_factory=set)
    """Paths that the user may not patch, by the reviews and by the server."""
    unreviewed: bool = False
    """Reviews are refused themselves."""
    admission: Callable[[Data], Data | str] = lambda data: data
    """What becomes of an object on its way in; text is a denial."""
    on_patch: Callable[[FakeServer, Request], Answer | None] = lambda server, request: None
    """Called before a patch; an answer of its own stands for the server's."""
    warning: str = ""
    endpoint: Endpoint = field(default_factory=lambda: Endpoint("prod", "https://k8s.example:6443", "alice"))
    cancelled: bool = False
    waited: list[float] = field(default_factory=list)
    _version: int = 100

    # --- setting up -------------------------------------------------------------------------------

    def add(self, *objects: Data) -> None:
        """Put objects in place."""
        for data in objects:
            path = self.path(data)
            kept = copy.deepcopy(data)
            meta = kept["metadata"]
            meta.setdefault("uid", f"uid-{data['kind']}-{meta['name']}")
            self._store(path, kept)

    def path(self, data: Data) -> str:
        """Where an object is."""
        resource = builtin(data["apiVersion"], data["kind"])
        assert resource is not None
        meta = data["metadata"]
        return resource.path(meta.get("namespace", ""), meta["name"])

    def edit(self, path: str, change: Callable[[Data], None]) -> None:
        """Change an object as somebody else would."""
        data = copy.deepcopy(self.objects[path])
        change(data)
        self._store(path, data)

    def _store(self, path: str, data: Data) -> None:
        self._version += 1
        data["metadata"]["resourceVersion"] = str(self._version)
        self.objects[path] = data

    # --- the protocol -----------------------------------------------------------------------------

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
        request = Request(method, path, dict(query or {}), json.loads(body) if body else None)
        self.requests.append(request)
        if method == "POST" and "reviews" in path:
            return self._review(path, request.body)
        if method == "POST":
            return self._create(request)
        if method == "DELETE":
            return self._delete(request)
        if method == "GET" and path in self.objects:
            return _ok(self.objects[path])
        if method == "GET":
            return FakeConnection(list(self.objects.values())).send(method, path, query=query, accept=accept)
        assert method == "PATCH"
        assert query is not None
        assert query["fieldManager"] == "workbench"
        assert query["fieldValidation"] == "Strict"
        return self.on_patch(self, request) or self._patch(request, content_type)

    def wait(self, seconds: float) -> None:
        self.waited.append(seconds)

    def cancel(self) -> None:
        self.cancelled = True

    def close(self) -> None:
        pass

    def _review(self, path: str, body: Data) -> Answer:
        if self.unreviewed:
            return _status(403, "Forbidden", "no reviews")
        if path.endswith("/selfsubjectreviews"):
            return _ok({**body, "status": {"userInfo": {"username": "alice@example.com"}}})
        asked = body["spec"]["resourceAttributes"]
        assert asked["verb"] in ("patch", "create", "delete")
        place = f"/namespaces/{asked['namespace']}" if "namespace" in asked else ""
        named = f"/{asked['name']}" if asked["verb"] != "create" else ""
        denied = any(place in path and path.endswith(f"/{asked['resource']}{named}") for path in self.forbidden)
        return _ok({**body, "status": {"allowed": not denied, **({"reason": "no rule"} if denied else {})}})

    def _create(self, request: Request) -> Answer:
        assert request.query["fieldManager"] == "workbench"
        assert request.query["fieldValidation"] == "Strict"
        if request.path in self.forbidden:
            return _status(403, "Forbidden", f'User "alice" cannot create {request.path}')
        path = f"{request.path}/{request.body['metadata']['name']}"
        if path in self.objects:
            return _status(409, "AlreadyExists", f"{path} already exists")
        admitted = self.admission(copy.deepcopy(request.body))
        if isinstance(admitted, str):
            return _status(422, "Invalid", admitted)
        made = dropped(admitted)
        made["metadata"] |= {"uid": f"uid-{len(self.requests)}", "creationTimestamp": "2026-01-01T00:00:00Z"}
        if request.creates:
            self._store(path, made)
        return Answer(201, json.dumps({**made, "metadata": {"resourceVersion": "1", **made["metadata"]}}).encode())

    def _delete(self, request: Request) -> Answer:
        if request.path not in self.objects:
            return _status(404, "NotFound", "gone")
        if request.path in self.forbidden:
            return _status(403, "Forbidden", f'User "alice" cannot delete {request.path}')
        meta = self.objects[request.path]["metadata"]
        for key, value in request.body["preconditions"].items():
            if meta[key] != value:
                return _status(409, "Conflict", f"the {key} in the precondition is not the one of the object")
        if request.writes:
            del self.objects[request.path]
        return _ok({"kind": "Status", "apiVersion": "v1", "status": "Success"})

    def _patch(self, request: Request, content_type: str) -> Answer:
        if request.path not in self.objects:
            return _status(404, "NotFound", "gone")
        if request.path in self.forbidden:
            return _status(403, "Forbidden", f'User "alice" cannot patch {request.path}')
        live = self.objects[request.path]
        try:
            if content_type == JSON_PATCH:
                made = json_patched(live, request.body)
            else:
                assert content_type == STRATEGIC_PATCH
                if request.body["metadata"]["resourceVersion"] != live["metadata"]["resourceVersion"]:
                    return _status(409, "Conflict", "the object has been modified; please apply your changes")
                made = merged(live, request.body)
        except ValueError as error:
            return _status(422, "Invalid", str(error))
        admitted = self.admission(copy.deepcopy(made))
        if isinstance(admitted, str):
            return _status(422, "Invalid", admitted)
        made = dropped(admitted)
        if "dryRun" not in request.query:
            made["metadata"].setdefault("managedFields", []).append({"manager": "workbench", "operation": "Update"})
            made["metadata"]["generation"] = made["metadata"].get("generation", 1) + 1
            self._store(request.path, made)
        headers = {"warning": f'299 - "{self.warning}"'} if self.warning else {}
        return Answer(200, json.dumps(made).encode(), headers)

    @property
    def writes(self) -> list[Request]:
        """The requests that changed something, or would have."""
        return [request for request in self.requests if request.writes]

    @property
    def patches(self) -> list[Request]:
        """The patches, dry runs too."""
        return [request for request in self.requests if request.method == "PATCH"]


def lost(after: int) -> Callable[[FakeServer, Request], Answer | None]:
    """A connection that is cut when a number of patches have been written and another one is under way."""

    def cut(server: FakeServer, request: Request) -> Answer | None:
        if request.writes and len(server.writes) > after:
            raise Unreachable("connection reset by peer")
        return None

    return cut


def _ok(data: Data) -> Answer:
    return Answer(200, json.dumps(data).encode())


def _status(code: int, reason: str, message: str) -> Answer:
    data = {"kind": "Status", "status": "Failure", "code": code, "reason": reason, "message": message}
    return Answer(code, json.dumps(data).encode())


# --- patches ------------------------------------------------------------------------------------------


def merged(data: Any, patch: Any) -> Any:
    """An object after a strategic merge patch."""
    out = copy.deepcopy(data) if isinstance(data, dict) else {}
    for key, value in patch.items():
        if key.startswith("$"):
            continue
        if value is None:
            out.pop(key, None)
        elif isinstance(value, dict):
            out[key] = merged(out.get(key), value)
        elif isinstance(value, list) and key in MERGE_KEYS:
            out[key] = _merged_list(out.get(key) or [], value, MERGE_KEYS[key], patch.get(f"$setElementOrder/{key}"))
        else:
            out[key] = copy.deepcopy(value)
    return out


def _merged_list(items: list[Data], patch: list[Data], key: str, order: list[Data] | None) -> list[Data]:
    out = {item[key]: copy.deepcopy(item) for item in items}
    for item in patch:
        if item.get("$patch") == "delete":
            out.pop(item[key], None)
        else:
            out[item[key]] = merged(out.get(item[key]), item)
    if order is not None:
        places = {item[key]: place for place, item in enumerate(order)}
        return sorted(out.values(), key=lambda item: places.get(item[key], len(places)))
    return list(out.values())


def json_patched(data: Data, ops: list[Data]) -> Data:
    """An object after a JSON 6902 patch."""
    out = copy.deepcopy(data)
    for op in ops:
        *way, last = [step.replace("~1", "/").replace("~0", "~") for step in op["path"].split("/")[1:]]
        holder: Any = out
        for step in way:
            holder = holder[int(step)] if isinstance(holder, list) else holder[step]
        at: Any = int(last) if isinstance(holder, list) else last
        match op["op"]:
            case "test":
                if holder[at] != op["value"]:
                    raise ValueError(f"testing value {op['path']} failed")
            case "remove":
                del holder[at]
            case "add" if isinstance(holder, list):
                holder.insert(at, op["value"])
            case _:
                holder[at] = op["value"]
    return out


def dropped(data: Any) -> Any:
    """An object without what the API drops on its way."""
    if isinstance(data, list):
        return [dropped(item) for item in data]
    if not isinstance(data, dict):
        return data
    kept = {key: dropped(value) for key, value in data.items()}
    return {
        key: value
        for key, value in kept.items()
        if not (key in DROPPED_IF_FALSE and value is False) and not (key in ("subjects", "add") and value == [])
    }
