"""A small client of the API server for what tests do themselves; it shares no code with what they test."""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from tests.cluster.harness.identity import Identity
from tests.cluster.harness.waiting import wait_until

JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"
METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"


class Refused(AssertionError):
    """The server did not do what a test took for granted."""


@dataclass(frozen=True)
class Response:
    """The answer to one request."""

    status: int
    headers: Mapping[str, str]
    """By lower-case name."""
    body: bytes

    def json(self) -> Any:
        """The body, decoded."""
        return json.loads(self.body)


@dataclass(frozen=True)
class Kind:
    """Where the objects of one kind are, as discovery tells."""

    api_version: str
    plural: str
    namespaced: bool

    def path(self, namespace: str = "", name: str = "") -> str:
        """The URL path of a list, or with a name of one object."""
        parts = ["apis" if "/" in self.api_version else "api", *self.api_version.split("/")]
        if self.namespaced and namespace:
            parts += ["namespaces", namespace]
        parts += [part for part in (self.plural, name) if part]
        return "/" + "/".join(quote(part, safe="") for part in parts)


@dataclass
class Client:
    """Requests to one API server as one identity, each on a connection of its own.

    Errors of the connection are those of the standard library: ``OSError`` or ``http.client.HTTPException``.
    """

    server: str
    """The URL."""
    ca: str
    """PEM."""
    identity: Identity
    timeout: float = 60.0
    """Seconds for each step of a request."""
    _kinds: dict[str, dict[str, Kind]] = field(default_factory=dict, init=False, repr=False)

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        query: Mapping[str, str | int] | None = None,
        accept: str = JSON,
        content_type: str = JSON,
    ) -> Response:
        """Send one request and give the answer, whatever its status.

        Args:
            method: An HTTP method.
            path: From the root, escaped.
            body: What to send: bytes as they are, anything else as JSON.
            query: The parameters.
            accept: The form of the answer.
            content_type: The form of the body.
        """
        context = ssl.create_default_context(cadata=self.ca)
        headers = {"Accept": accept}
        if self.identity.pair is not None:
            context.load_cert_chain(self.identity.pair.certificate, self.identity.pair.key)
        if self.identity.token:
            headers["Authorization"] = f"Bearer {self.identity.token}"
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        if data is not None:
            headers["Content-Type"] = content_type
        place = urlsplit(self.server)
        connection = http.client.HTTPSConnection(
            place.hostname or "", place.port, timeout=self.timeout, context=context
        )
        try:
            connection.request(method, path + (f"?{urlencode(query)}" if query else ""), data, headers)
            answer = connection.getresponse()
            return Response(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def do(self, method: str, path: str, body: Any = None, **options: Any) -> Any:
        """As :meth:`request`, for what must succeed: the body of the answer, decoded.

        Raises:
            Refused: The status is not 2xx.
        """
        answer = self.request(method, path, body, **options)
        if not 200 <= answer.status < 300:
            raise Refused(f"{method} {path}: {answer.status} {answer.body[:1000].decode(errors='replace')}")
        return answer.json()

    def get(self, path: str, **query: str | int) -> Any:
        """The object or list at a path, which must be readable."""
        return self.do("GET", path, query=query)

    def create(self, *objects: Mapping[str, Any]) -> list[Any]:
        """Create objects as they are written, in this order, and give them as the server answers."""
        return [
            self.do("POST", self.kind(found).path(found["metadata"].get("namespace", "")), found) for found in objects
        ]

    def read(self, kind: str, name: str, namespace: str = "", api_version: str = "v1") -> Any:
        """One object, which must be there."""
        return self.get(self.kind({"apiVersion": api_version, "kind": kind}).path(namespace, name))

    def wait_for(self, *paths: str) -> None:
        """Return when all paths can be read: others make what is there."""
        for path in paths:
            wait_until(partial(self._readable, path), path)

    def _readable(self, path: str) -> bool:
        return self.request("GET", path).status == 200

    def walk(self, path: str, limit: int, **query: str | int) -> Iterator[Any]:
        """The pages of a list, decoded."""
        following = ""
        while True:
            page = self.get(path, limit=limit, **query, **({"continue": following} if following else {}))
            yield page
            following = page["metadata"].get("continue", "")
            if not following:
                return

    def kind(self, of: Mapping[str, Any]) -> Kind:
        """Where objects of an object's kind are."""
        api_version, kind = of["apiVersion"], of["kind"]
        if kind not in self._kinds.get(api_version, {}):
            # Again where it is not known: a custom resource may have come since.
            root = "apis" if "/" in api_version else "api"
            self._kinds[api_version] = {
                entry["kind"]: Kind(api_version, entry["name"], entry["namespaced"])
                for entry in self.get(f"/{root}/{api_version}")["resources"]
                if "/" not in entry["name"]
            }
        return self._kinds[api_version][kind]
