"""Pages, and patience: what may be tried again, how long, and when it is given up."""

from __future__ import annotations

import datetime
from email.utils import format_datetime
from typing import Any

import msgspec
import pytest

from tests.kube.fake import FakeConnection, Reply, answer, in_turn, pod, refusal
from workbench.errors import Unreachable
from workbench.kube.api import Answer
from workbench.kube.paging import GIVE_UP, Garbled, Lost, Patient, Refused, pages

PODS = "/api/v1/pods"
CUT = Unreachable("cut")


def read(connection: FakeConnection, limit: int = 2) -> list[tuple[list[str], int, bool]]:
    return [
        ([msgspec.json.decode(item)["metadata"]["name"] for item in page.items], page.remaining, page.first)
        for page in pages(Patient(connection), PODS, limit=limit)
    ]


def cluster(script: Any = None) -> FakeConnection:
    found = FakeConnection(objects=[pod(f"p{at}", "shop") for at in range(5)])
    if script is not None:
        found.script = script
    return found


def test_pages() -> None:
    assert read(cluster()) == [(["p0", "p1"], 3, True), (["p2", "p3"], 1, False), (["p4"], 0, False)]


def test_an_empty_list_has_null_items() -> None:
    assert read(FakeConnection()) == [([], 0, True)]


def test_a_token_that_expired_makes_the_list_begin_anew_once() -> None:
    connection = cluster(in_turn([None, None, refusal(410, "expired", "Expired")]))
    assert read(connection) == [
        (["p0", "p1"], 3, True), (["p2", "p3"], 1, False),
        (["p0", "p1"], 3, True), (["p2", "p3"], 1, False), (["p4"], 0, False),
    ]  # fmt: skip


def test_the_second_time_the_servers_own_token_is_taken() -> None:
    expired = refusal(410, "expired", "Expired", metadata={"continue": "4"})
    connection = cluster(in_turn([None, expired, None, expired]))
    assert [names for names, _, _ in read(connection)] == [["p0", "p1"], ["p0", "p1"], ["p4"]]


def test_the_second_time_without_a_token_it_is_given_up() -> None:
    expired = refusal(410, "expired", "Expired")
    with pytest.raises(Refused, match="410: expired"):
        read(cluster(in_turn([None, expired, None, expired])))


@pytest.mark.parametrize(
    ("replies", "waits"),
    [
        ([refusal(429, "slow", retry_after="7")], [7.0]),
        ([refusal(429, "slow", retry_after="0")], [0.0]),
        ([refusal(503, "busy", retry_after="3600")], [30.0]),
        ([refusal(500, "broken"), refusal(502, "x"), refusal(504, "y")], [0.5, 1.0, 2.0]),
        ([refusal(429, "slow", retry_after="soon")], [0.5]),
        ([CUT, CUT], [0.5, 1.0]),
    ],
)
def test_it_is_tried_again(replies: list[Reply], waits: list[float]) -> None:
    connection = cluster(in_turn(replies))
    assert len(read(connection)) == 3
    assert connection.waits == waits


def test_a_date_to_try_again() -> None:
    later = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=20)
    connection = cluster(in_turn([refusal(503, "busy", retry_after=format_datetime(later, usegmt=True))]))
    read(connection)
    assert 15 < connection.waits[0] <= 20


@pytest.mark.parametrize("status", [400, 403, 404, 405, 406, 501])
def test_a_refusal_is_not_tried_again(status: int) -> None:
    connection = cluster(lambda request: refusal(status, "no"))
    with pytest.raises(Refused, match=f"{status}: no"):
        read(connection)
    assert len(connection.requests) == 1


def test_a_server_that_stays_broken_is_given_up_with_its_reason() -> None:
    connection = cluster(lambda request: refusal(500, "storage is broken"))
    with pytest.raises(Refused, match="500: storage is broken"):
        read(connection)
    assert (len(connection.requests), connection.waits) == (4, [0.5, 1.0, 2.0])


def test_a_cut_connection_is_given_up() -> None:
    connection = cluster(lambda request: CUT)
    with pytest.raises(Unreachable):
        read(connection)
    assert len(connection.requests) == 4


def test_if_nothing_is_answered_any_more_the_connection_is_lost() -> None:
    connection = cluster(lambda request: CUT)
    patient = Patient(connection)
    for _ in range(GIVE_UP // 4 - 1):
        with pytest.raises(Unreachable):
            patient.get(PODS)
    with pytest.raises(Lost):
        patient.get(PODS)


def test_an_answer_in_between_says_that_it_is_not_lost() -> None:
    connection = cluster(lambda request: CUT if request.path == PODS else None)
    patient = Patient(connection)
    for _ in range(GIVE_UP):
        with pytest.raises(Unreachable):
            patient.get(PODS)
        patient.get("/version")


def test_credentials_that_are_refused_in_the_middle() -> None:
    with pytest.raises(Lost, match=r"Unauthorized \(401\)"):
        read(cluster(in_turn([None, refusal(401, "Unauthorized")])))


@pytest.mark.parametrize(
    "reply",
    [Answer(200, b"<html>"), answer(200, {"kind": "Pod"}), Answer(200, b'{"items": 3}'), Answer(200, b"[" * 100_000)],
    ids=["html", "no list", "wrong type", "deep"],
)
def test_an_answer_that_is_no_list(reply: Answer) -> None:
    with pytest.raises(Garbled):
        read(cluster(lambda request: reply))
