"""Lists in pages, with patience: what the server asks to try again is tried again, within bounds."""

from __future__ import annotations

import email.utils
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import msgspec

from workbench.errors import ClusterError, Unreachable
from workbench.kube.api import JSON, Answer, Connection

PAGE = 500
"""Objects that are asked for at once."""

TRIES = 4
"""How often one request is sent at most."""
LONGEST_WAIT = 30.0
"""Seconds between two tries at most, whatever the server asks for."""
_FIRST_WAIT = 0.5
_AGAIN = frozenset({429, 500, 502, 503, 504})

GIVE_UP = 16
"""After so many requests in a row that got no answer, whatever they were for, the connection is taken for lost."""


class Lost(ClusterError):
    """Nothing is answered any more, or the credentials are refused in the middle: there is no use in going on."""

    title = "lost"


class Refused(Exception):
    """The server answered, and not with what was asked for."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(f"{answer.status}: {answer.message}")
        self.answer = answer

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self.answer.status


class Garbled(Exception):
    """The answer is not what a Kubernetes API server sends."""


class Patient:
    """Sends requests, and tries again where that may help. Safe to use from several threads."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self._unanswered = 0

    def get(
        self, path: str, *, query: Mapping[str, str] | None = None, accept: str = JSON, tries: int = TRIES
    ) -> Answer:
        """The answer to a GET, also one of refusal.

        429 and 5xx wait as long as ``Retry-After`` says; a connection that was cut is made anew.

        Args:
            path: As for :meth:`workbench.kube.api.Connection.send`.
            query: The parameters.
            accept: The form of the answer.
            tries: How often to send it at most.

        Raises:
            Unreachable: There was no answer, however often it was sent.
            Lost: There is no answer to anything any more.
            LoginError, Cancelled: As of the connection.
        """
        for left in range(tries - 1, -1, -1):
            pause = _FIRST_WAIT * 2 ** (tries - 1 - left)
            try:
                answer = self._connection.send("GET", path, query=query, accept=accept)
            except Unreachable as error:
                self._count(error)
                if not left:
                    raise
                self._connection.wait(pause)
                continue
            with self._lock:
                self._unanswered = 0
            if answer.status == 401:
                raise Lost(f"the credentials are refused: {answer.message or 'Unauthorized'} (401)")
            if answer.status not in _AGAIN or not left:
                return answer
            self._connection.wait(asked_pause(answer, pause))
        raise AssertionError("unreachable")

    def _count(self, error: Unreachable) -> None:
        with self._lock:
            self._unanswered += 1
            lost = self._unanswered >= GIVE_UP
        if lost:
            raise Lost(str(error)) from error


def asked_pause(answer: Answer, otherwise: float) -> float:
    """The seconds that ``Retry-After`` asks for, within bounds: a number, or a date (RFC 9110, 10.2.3)."""
    said = answer.headers.get("retry-after", "").strip()
    if said.isdecimal():
        return min(float(said), LONGEST_WAIT)
    try:
        date = email.utils.parsedate_to_datetime(said)
    except ValueError:
        return otherwise
    return min(max(date.timestamp() - time.time(), 0.0), LONGEST_WAIT)


class _ListMeta(msgspec.Struct, rename="camel"):
    continue_: str | None = msgspec.field(default=None, name="continue")
    remaining_item_count: int | None = None


class _List(msgspec.Struct):
    kind: str | None = None
    metadata: _ListMeta | None = None
    items: list[msgspec.Raw] | None = None


_DECODER = msgspec.json.Decoder(_List)


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list."""

    items: list[msgspec.Raw]
    remaining: int
    """How many the server expects to follow; it does not say so for lists with a field selector."""
    first: bool
    """Whether the list begins, or begins anew: what earlier pages held is void."""


def pages(
    patient: Patient, path: str, *, query: Mapping[str, str] | None = None, accept: str = JSON, limit: int = PAGE
) -> Iterator[Page]:
    """The pages of a list.

    A continue token that has expired (410) makes the list begin anew, once; the second time the server's own token for
    an inconsistent rest is used, for then it is either that or nothing.

    Args:
        patient: Sends the requests.
        path: The path of the list.
        query: Selectors.
        accept: The form of the list.
        limit: How many objects a page may hold.

    Raises:
        Refused: The server does not give the list.
        Garbled: The answer is no list.
        Unreachable, Lost, LoginError, Cancelled: As of :meth:`Patient.get`.
    """
    token = ""
    restarted = False
    first = True
    while True:
        parameters = {**(query or {}), "limit": str(limit)}
        if token:
            parameters["continue"] = token
        answer = patient.get(path, query=parameters, accept=accept)
        if answer.status == 410 and token:
            rest = _metadata(answer).continue_ or ""
            if restarted and not rest:
                raise Refused(answer)
            token, first = (rest, False) if restarted else ("", True)
            restarted = True
            continue
        if not answer.ok:
            raise Refused(answer)
        try:
            found = _DECODER.decode(answer.body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise Garbled("the answer is no list of objects") from error
        if not (found.kind or "").endswith("List"):
            raise Garbled("the answer is no list of objects")
        meta = found.metadata or _ListMeta()
        yield Page(found.items or [], meta.remaining_item_count or 0, first)
        first = False
        token = meta.continue_ or ""
        if not token:
            return


def _metadata(answer: Answer) -> _ListMeta:
    try:
        return msgspec.json.decode(answer.body, type=_List).metadata or _ListMeta()
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _ListMeta()
