"""The store behind an API server, through etcd's JSON gateway: thousands of objects in a second, and compaction.

It skips admission and validation, so it is for volume and for states that the API would refuse.
"""

from __future__ import annotations

import base64
import http.client
import json
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_BATCH_OPERATIONS = 200
_BATCH_BYTES = 900_000
"""etcd takes requests of 1.5 MiB; base64 adds a third, but only on the way."""
_BARRIER = "/workbench/barrier"


class _Connection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("etcd", timeout=60)
        self._path = str(path)

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


@dataclass(frozen=True)
class Stored:
    """One value, and the store's revision at which it was written."""

    value: bytes
    revision: int


@dataclass(frozen=True)
class Etcd:
    """A running etcd."""

    socket: Path

    def put(self, values: Mapping[str, bytes]) -> None:
        """Write values, many to a transaction; a list that the API server gives after this sees all or more of them."""
        self._transactions(
            ({"requestPut": {"key": _encode(key.encode()), "value": _encode(value)}}, len(value))
            for key, value in values.items()
        )

    def delete(self, keys: Iterable[str]) -> None:
        """Remove keys."""
        self._transactions(({"requestDeleteRange": {"key": _encode(key.encode())}}, 0) for key in keys)

    def read(self, prefix: str) -> dict[str, Stored]:
        """All values whose key starts with a prefix."""
        answer = self._call(
            "range", {"key": _encode(prefix.encode()), "range_end": _encode(_after(prefix.encode())), "limit": "0"}
        )
        return {
            base64.b64decode(entry["key"]).decode(): Stored(
                base64.b64decode(entry.get("value", "")), int(entry["mod_revision"])
            )
            for entry in answer.get("kvs", [])
        }

    def compact(self) -> int:
        """Forget everything but the present; gives the revision.

        A ``continue`` token of an older page is expired then, if something was written since: the server must be told
        not to answer from memory (feature gate ``ListFromCacheSnapshot=false``).
        """
        self.put({_BARRIER: b"compact"})
        revision = int(self._call("range", {"key": _encode(_BARRIER.encode())})["header"]["revision"])
        self._call("compaction", {"revision": str(revision), "physical": True})
        return revision

    def _transactions(self, operations: Iterable[tuple[dict[str, Any], int]]) -> None:
        batch: list[dict[str, Any]] = []
        size = 0
        for operation, length in operations:
            if batch and (len(batch) == _BATCH_OPERATIONS or size + length > _BATCH_BYTES):
                self._call("txn", {"success": batch})
                batch, size = [], 0
            batch.append(operation)
            size += length
        if not batch:
            return
        self._call("txn", {"success": batch})
        # The keys of one transaction share a revision, and a list may be served from its middle: the next revision is
        # seen only after all of it.
        self._call("put", {"key": _encode(_BARRIER.encode()), "value": _encode(b"done")})

    def _call(self, method: str, body: Mapping[str, Any]) -> Any:
        connection = _Connection(self.socket)
        try:
            path = f"/v3/kv/{method}"
            connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
            answer = connection.getresponse()
            data = answer.read()
        finally:
            connection.close()
        assert answer.status == 200, f"etcd {method}: {answer.status} {data[:500]!r}"
        return json.loads(data)


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _after(prefix: bytes) -> bytes:
    """The first key after all that start with a prefix, whose last byte is not the largest one."""
    return prefix[:-1] + bytes([prefix[-1] + 1])
