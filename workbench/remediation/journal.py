"""The journal: what was applied where, by whom, and how to take it back (``remediation.md`` 1.7).

One file for each run, below a directory for each server and context; one JSON document a line, written before the
request that it is about and after its answer, so that a run which was cut off leaves what is needed to undo it. Files
are for their owner only. No value of an environment variable or a Secret gets in: what would hold one is not kept and
said to be irreversible.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import msgspec

from workbench.errors import UsageError
from workbench.kube.api import Endpoint
from workbench.preferences import PRIVATE_DIRECTORY, PRIVATE_FILE, state_directory
from workbench.remediation.live import State

SCHEMA = "workbench/journal/1"


class Begun(msgspec.Struct, tag="run", tag_field="line", frozen=True, kw_only=True):
    """The first line of a file: who does what where."""

    schema: str
    id: str
    action: Literal["apply", "undo"]
    when: str
    """ISO 8601, UTC."""
    user: str
    context: str
    server: str
    undoes: str = ""
    """Of an undo, the id of the run that it takes back."""


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """One field that was changed."""

    path: str
    before: Any = None
    after: Any = None


class Sent(msgspec.Struct, tag="object", tag_field="line", frozen=True, kw_only=True):
    """One object, written before its patch is sent."""

    api_version: str
    kind: str
    namespace: str
    name: str
    uid: str
    resource_version: str
    fixes: tuple[str, ...] = ()
    """The ids of the fixes."""
    rules: tuple[str, ...] = ()
    """The kinds of the fixes, such as ``F-PRIV``, in the same order."""
    titles: tuple[str, ...] = ()
    patch_type: str
    """``strategic`` or ``json``, or ``create`` or ``delete``."""
    forward: Any
    reverse: Any
    """``None`` where the change cannot be taken back."""
    fields: tuple[Field, ...]
    before: str
    """A hash of the fields that the analysis reads."""


class Done(msgspec.Struct, tag="result", tag_field="line", frozen=True, kw_only=True):
    """What became of the object of the line before."""

    state: str
    message: str = ""
    resource_version: str = ""
    uid: str = ""
    """Of the object as it is now; of one that was created nothing was known before."""
    after: str = ""
    """As ``before``, of the server's answer."""


class Settled(msgspec.Struct, tag="settled", tag_field="line", frozen=True, kw_only=True):
    """An object of which an undo found nothing left to take back."""

    id: str


Line = Begun | Sent | Done | Settled
_DECODER = msgspec.json.Decoder(Line)


@dataclass(frozen=True, slots=True)
class Item:
    """One object of a run."""

    sent: Sent
    done: Done | None = None

    @property
    def id(self) -> str:
        """The node id of the object."""
        name = f"{self.sent.namespace}/{self.sent.name}" if self.sent.namespace else self.sent.name
        return f"{self.sent.kind}:{name}"

    @property
    def state(self) -> State:
        """What became of it; unknown if the run was cut off before the answer came."""
        return State(self.done.state) if self.done is not None else State.UNKNOWN

    @property
    def may_be_in_force(self) -> bool:
        """Whether the change was made, or may have been."""
        return self.state in (State.APPLIED, State.UNKNOWN)


@dataclass(slots=True)
class Entry:
    """One run, as its file tells it."""

    begun: Begun
    items: list[Item] = field(default_factory=list)
    settled: list[str] = field(default_factory=list)
    """The ids of objects of which it found nothing left to take back."""
    undone: set[str] = field(default_factory=set)
    """The ids of its objects that a later run took back."""

    @property
    def id(self) -> str:
        """The id that ``workbench undo`` takes."""
        return self.begun.id

    @property
    def in_force(self) -> list[Item]:
        """What was changed and not taken back, in the order in which it was made."""
        return [item for item in self.items if item.may_be_in_force and item.id not in self.undone]


class Journal:
    """The journal of one server and context."""

    def __init__(self, endpoint: Endpoint, directory: Path | None = None) -> None:
        """Open it; nothing is made or read yet.

        Args:
            endpoint: The server and the context.
            directory: Where journals lie; ``journal`` in the state directory by default.
        """
        self.endpoint = endpoint
        self._root = directory or state_directory() / "journal"
        self.directory = self._root / directory_name(endpoint)

    def begin(self, action: Literal["apply", "undo"], user: str, undoes: str = "") -> Run:
        """Start the file of a run.

        Raises:
            UsageError: It cannot be written; then nothing may be changed.
        """
        now = datetime.now(UTC)
        begun = Begun(
            schema=SCHEMA,
            id=f"{now:%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}",
            action=action,
            when=now.isoformat(),
            user=user,
            context=self.endpoint.context,
            server=self.endpoint.server,
            undoes=undoes,
        )
        path = self.directory / f"{begun.id}.jsonl"
        try:
            for directory in (self._root.parent, self._root, self.directory):
                directory.mkdir(mode=PRIVATE_DIRECTORY, parents=True, exist_ok=True)
                directory.chmod(PRIVATE_DIRECTORY)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_NOFOLLOW
            return Run(begun, path, os.open(path, flags, PRIVATE_FILE))
        except OSError as error:
            raise _unwritable(path, error) from error

    def entries(self) -> list[Entry]:
        """The runs, the oldest first. A file that is none, or a line that is cut off, is passed over."""
        try:
            paths = sorted(path for path in self.directory.iterdir() if path.suffix == ".jsonl")
        except OSError:
            return []
        found = [entry for entry in map(_read, paths) if entry is not None]
        found.sort(key=lambda entry: (entry.begun.when, entry.id))
        by_id = {entry.id: entry for entry in found}
        for entry in found:
            undone = by_id.get(entry.begun.undoes)
            if undone is not None:
                undone.undone |= {item.id for item in entry.items if item.state is State.APPLIED}
                undone.undone.update(entry.settled)
        return found

    def last(self) -> Entry | None:
        """The last applied run of which something is in force."""
        return next((entry for entry in reversed(self.entries()) if _can_be_undone(entry)), None)

    def find(self, identifier: str) -> tuple[Entry, list[Item]]:
        """The run of an id, or of a fix, and the objects that are meant.

        Args:
            identifier: The id of a run or of a fix, or a unique beginning of it. Of a fix the last run counts, and
                of that the object which the fix changed, with all that was changed there.

        Raises:
            UsageError: The id names nothing, or several; or what it names is not in force any more.
        """
        entries = [entry for entry in self.entries() if entry.begun.action == "apply"]
        runs = [entry for entry in entries if entry.id.startswith(identifier)] if identifier else []
        if len(runs) > 1:
            raise UsageError(f"{identifier} begins the ids of {len(runs)} runs: give more of it")
        if runs:
            if not runs[0].in_force:
                raise UsageError(f"{runs[0].id} is not in force: nothing of it was applied, or it was taken back")
            return runs[0], runs[0].in_force
        fixes = {fix for entry in entries for item in entry.items for fix in item.sent.fixes}
        named = {fix for fix in fixes if identifier and fix.startswith(identifier)}
        if len(named) != 1:
            where = f" in context {self.endpoint.context}" if self.endpoint.context else ""
            problem = f"begins the ids of {len(named)} fixes: give more of it" if named else f"is not known{where}"
            raise UsageError(f"{identifier!r} {problem} (workbench undo --list)")
        fix = named.pop()
        for entry in reversed(entries):
            items = [item for item in entry.in_force if fix in item.sent.fixes]
            if items:
                return entry, items
        raise UsageError(f"{fix} is not in force: it was taken back")

    def applied(self, identifier: str) -> list[Item]:
        """The objects in force that a fix changed, by its id, a beginning of it, or its kind (``F-PRIV``)."""
        kind = identifier.upper() if identifier.upper().startswith("F-") else ""
        out: dict[str, Item] = {}
        for entry in self.entries():
            for item in entry.in_force if entry.begun.action == "apply" else ():
                known = item.sent.rules if kind else item.sent.fixes
                if item.state is State.APPLIED and any(
                    one == kind if kind else one.startswith(identifier) for one in known
                ):
                    out[item.id] = item
        return list(out.values())


class Run:
    """The file of a run that is under way."""

    def __init__(self, begun: Begun, path: Path, handle: int) -> None:
        self.begun = begun
        self.path = path
        self._handle = handle
        self._used = False
        self._write(begun)

    @property
    def id(self) -> str:
        """The id that ``workbench undo`` takes."""
        return self.begun.id

    def sent(self, line: Sent) -> None:
        """Note what is about to be sent.

        Raises:
            UsageError: It cannot be written; then it must not be sent.
        """
        self._used = True
        self._write(line)

    def done(self, line: Done) -> None:
        """Note the answer.

        Raises:
            UsageError: It cannot be written.
        """
        self._write(line)

    def settled(self, object_id: str) -> None:
        """Note that nothing of an object is left to take back.

        Raises:
            UsageError: It cannot be written.
        """
        self._used = True
        self._write(Settled(id=object_id))

    def close(self) -> None:
        """End the file; one in which nothing is noted is taken away."""
        os.close(self._handle)
        if not self._used:
            self.path.unlink(missing_ok=True)

    def _write(self, line: Line) -> None:
        try:
            data = msgspec.json.encode(line) + b"\n"
            while data:
                data = data[os.write(self._handle, data) :]
            os.fsync(self._handle)
        except OSError as error:
            raise _unwritable(self.path, error) from error


def fingerprint(data: Any) -> str:
    """A hash of plain data, to compare states of an object without keeping them."""
    return "sha256:" + hashlib.sha256(msgspec.json.encode(data, order="deterministic")).hexdigest()


_UNSAFE = re.compile(r"[^a-z0-9]+")


def directory_name(endpoint: Endpoint) -> str:
    """A slug of the context and a hash of server and context: names of contexts hold ``:`` and ``/``."""
    slug = _UNSAFE.sub("-", (endpoint.context or "in-cluster").lower()).strip("-")[:40].strip("-") or "context"
    key = f"{endpoint.server}\n{endpoint.context}".encode()
    return f"{slug}-{hashlib.sha256(key).hexdigest()[:12]}"


def _items(lines: Iterable[Sent | Done]) -> Iterator[Item]:
    """The objects of a run from its lines."""
    waiting: Sent | None = None
    for line in lines:
        if isinstance(line, Sent):
            if waiting is not None:
                yield Item(waiting)
            waiting = line
        elif waiting is not None:
            yield Item(waiting, line)
            waiting = None
    if waiting is not None:
        yield Item(waiting)


def _can_be_undone(entry: Entry) -> bool:
    return entry.begun.action == "apply" and bool(entry.in_force)


def _read(path: Path) -> Entry | None:
    lines: list[Line] = []
    try:
        for text in path.read_bytes().splitlines():
            lines.append(_DECODER.decode(text))
    except OSError:
        return None
    except msgspec.MsgspecError:
        pass  # the line that was being written when the program was killed
    if not lines or not isinstance(lines[0], Begun) or lines[0].schema != SCHEMA:
        return None
    items = list(_items(line for line in lines if isinstance(line, (Sent, Done))))
    return Entry(lines[0], items, [line.id for line in lines if isinstance(line, Settled)])


def _unwritable(path: Path, error: OSError) -> UsageError:
    return UsageError(
        f"{path} cannot be written: {error.strerror or error}; nothing is changed that could not be taken back"
    )
