"""An API server of a generated cluster on the loopback interface: ``python -m benchmarks.api_server --data DIR``.

It answers what reading a cluster asks: version, discovery, lists in pages, and single ConfigMaps. Its own time does not
count; whoever reads from it is another process. It prints its port, and ends when its standard input does.

Source: Kubernetes documentation, API concepts ("Retrieving large results sets in chunks", "Metadata-only fetches").
"""

from __future__ import annotations

import argparse
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

import msgspec

from workbench.kube.resources import BUILTIN, Resource

_METADATA_ONLY = frozenset({"secrets", "configmaps"})
_STATUS = b'{"kind":"Status","apiVersion":"v1","status":"Failure","code":404,"reason":"NotFound"}'


class _Listed(msgspec.Struct):
    items: list[msgspec.Raw]


class _Head(msgspec.Struct):
    metadata: msgspec.Raw
    type: str = ""


class _Meta(msgspec.Struct):
    name: str
    namespace: str = ""


class Store:
    """The objects of a cluster as they are sent.

    Attributes:
        lists: The JSON of the objects by the path of their list, each with the type that Secrets are selected by.
        single: ConfigMaps by their path.
        kinds: The kind of the objects of each list.
    """

    def __init__(self, data: Path) -> None:
        self.lists: dict[str, list[tuple[str, bytes]]] = {}
        self.single: dict[str, bytes] = {}
        self.kinds: dict[str, str] = {}
        for resource in BUILTIN:
            file = data / f"{resource.plural}.json"
            self.kinds[resource.path()] = resource.kind
            self.lists[resource.path()] = self._read(file, resource) if file.exists() else []

    def _read(self, file: Path, resource: Resource) -> list[tuple[str, bytes]]:
        items = msgspec.json.decode(file.read_bytes(), type=_Listed).items
        if resource.plural not in _METADATA_ONLY:
            return [("", bytes(item)) for item in items]
        out = []
        for item in items:
            head = msgspec.json.decode(item, type=_Head)
            meta = b'{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","metadata":%b}' % bytes(
                head.metadata
            )
            out.append((head.type or "Opaque", meta))
            if resource.plural == "configmaps":
                named = msgspec.json.decode(head.metadata, type=_Meta)
                self.single[resource.path(named.namespace, named.name)] = bytes(item)
        return out

    def page(self, path: str, query: dict[str, list[str]]) -> bytes:
        """A page of a list."""
        items = self.lists[path]
        selector = query.get("fieldSelector", [""])[0]
        if selector:
            # Of field selectors those by the type of Secrets are asked for: one type, or none of several.
            terms = selector.split(",")
            wanted = {term.removeprefix("type=") for term in terms if term.startswith("type=")}
            others = {term.removeprefix("type!=") for term in terms if term.startswith("type!=")}
            items = [item for item in items if (item[0] in wanted if wanted else item[0] not in others)]
        begin = int(query.get("continue", ["0"])[0])
        end = begin + int(query.get("limit", [str(len(items))])[0])
        left = len(items) - end
        more = b'"continue":"%d","remainingItemCount":%d' % (end, left) if left > 0 else b""
        kind = "PartialObjectMetadata" if path.rpartition("/")[2] in _METADATA_ONLY else self.kinds[path]
        head = b'{"kind":"%sList","metadata":{"resourceVersion":"1"%b},"items":[' % (
            kind.encode(),
            b"," + more if more else b"",
        )
        return head + b",".join(item for _, item in items[begin:end]) + b"]}"


def _discovery(core: bool) -> bytes:
    """The aggregated discovery of the core group, or of all others."""
    groups: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for resource in BUILTIN:
        if (resource.group == "") is core:
            groups.setdefault(resource.group, {}).setdefault(resource.version, []).append(
                {
                    "resource": resource.plural,
                    "responseKind": {"group": resource.group, "version": resource.version, "kind": resource.kind},
                    "scope": "Namespaced" if resource.namespaced else "Cluster",
                    "verbs": ["get", "list"],
                }
            )
    items = [
        {
            "metadata": {"name": name},
            "versions": [
                {"version": version, "resources": found, "freshness": "Current"} for version, found in each.items()
            ],
        }
        for name, each in groups.items()
    ]
    return msgspec.json.encode(
        {"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "items": items}
    )


class Handler(BaseHTTPRequestHandler):
    """Answers one connection."""

    protocol_version = "HTTP/1.1"
    # Head and body at once: in two parts the second waits for the first to be acknowledged.
    wbufsize = 1 << 16
    store: ClassVar[Store]
    latency: ClassVar[float] = 0.0
    _FIXED: ClassVar[dict[str, bytes]] = {
        "/version": b'{"major":"1","minor":"34","gitVersion":"v1.34.2"}',
        "/api": _discovery(core=True),
        "/apis": _discovery(core=False),
    }

    def do_GET(self) -> None:
        """A request, answered after the latency."""
        time.sleep(self.latency)
        url = urlsplit(self.path)
        body = self._FIXED.get(url.path) or self.store.single.get(url.path)
        if body is None and url.path in self.store.lists:
            body = self.store.page(url.path, parse_qs(url.query))
        self.send_response(200 if body is not None else 404)
        body = _STATUS if body is None else body
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


def main() -> None:
    """Serve until standard input ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before each answer")
    args = parser.parse_args()
    Handler.store, Handler.latency = Store(args.data), args.latency
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_address[1], flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
