"""Answers to what fixes ask for."""

from __future__ import annotations

import pytest

from workbench.errors import FixError, UsageError
from workbench.inventory.changes import Op, Target
from workbench.remediation.answers import Answer, answered, parse_answer
from workbench.remediation.records import Effect, Fix, Need, Risk, RiskLevel, Status


@pytest.mark.parametrize(
    ("text", "fix", "name", "value"),
    [
        ("digest=sha256:ab", "", "digest", "sha256:ab"),
        ("d8c3:digest=sha256:ab", "d8c3", "digest", "sha256:ab"),
        ("F-IMG-PIN:digest.web=a=b", "F-IMG-PIN", "digest.web", "a=b"),
    ],
)
def test_forms(text: str, fix: str, name: str, value: str) -> None:
    assert parse_answer(text) == Answer(name, value, fix, text)


@pytest.mark.parametrize("text", ["", "digest", "digest=", "=x", "d8c3:=x", ":digest=x"])
def test_what_is_no_answer(text: str) -> None:
    with pytest.raises(UsageError, match="is no answer: write NAME=VALUE"):
        parse_answer(text)


def pin(name: str, image: str, *names: str) -> Fix:
    """A fix that asks for the digest of an image, once for each name."""
    paths = [f"/spec/template/spec/containers[name={each}]/image" for each in names]
    return Fix(
        "F-IMG-PIN",
        f"pin {image}",
        Target("apps/v1", "Deployment", "shop", name),
        tuple(Op("set", path, None, image) for path in paths),
        Risk(RiskLevel.NONE),
        Effect.ROLLOUT,
        status=Status.NEEDS_INPUT,
        reason="needs-input: digest",
        needs=tuple(
            Need(each, f"the digest of {image}", path, f"{image}@{{}}", "sha256:[0-9a-f]+")
            for each, path in zip(names, paths, strict=True)
        ),
    )


A, SAME, OTHER, TWO = (
    pin("a", "x:1", "digest"),
    pin("b", "x:1", "digest"),
    pin("c", "y:1", "digest"),
    pin("d", "z", "p", "q"),
)


def answer(fixes: list[Fix], *texts: str) -> list[Fix]:
    return answered(fixes, [parse_answer(text) for text in texts])


def test_an_answer_goes_to_all_that_ask_the_same() -> None:
    found = answer([A, SAME, TWO], "digest=sha256:ab")
    assert [fix.status for fix in found] == [Status.READY, Status.READY, Status.NEEDS_INPUT]
    assert [fix.id for fix in found] == [A.id, SAME.id, TWO.id]
    assert [fix.ops[0].value for fix in found[:2]] == ["x:1@sha256:ab"] * 2
    assert found[2] is TWO


def test_by_id_by_the_beginning_of_one_and_by_kind() -> None:
    one, two = answer([A, OTHER], f"{A.id}:digest=sha256:aa", f"{OTHER.id[:8]}:digest=sha256:bb")
    assert (one.ops[0].value, two.ops[0].value) == ("x:1@sha256:aa", "y:1@sha256:bb")
    assert answer([A], "f-img-pin:digest=sha256:aa")[0].status is Status.READY


def test_a_fix_is_ready_when_all_is_answered() -> None:
    assert [fix.status for fix in answer([TWO], "p=sha256:aa")] == [Status.NEEDS_INPUT]
    assert [fix.status for fix in answer([TWO], "p=sha256:aa", "q=sha256:bb")] == [Status.READY]
    assert [fix.status for fix in answer([A], "digest=sha256:aa", "digest=sha256:aa")] == [Status.READY]


@pytest.mark.parametrize(
    ("fixes", "texts", "message"),
    [
        ([A], ["digets=sha256:aa"], "no chosen fix asks for 'digets'; did you mean digest?"),
        ([A], ["user=1"], f"no chosen fix asks for 'user'; they ask for {A.id}:digest"),
        ([A], ["0000:digest=sha256:aa"], f"no chosen fix has the id '0000'; they ask for {A.id}:digest"),
        ([], ["digest=sha256:aa"], "no chosen fix has the id ''"),
        ([A, OTHER], ["digest=sha256:aa"], f"2 fixes ask for it, each for another: name them ({A.id}:digest, "),
        ([A], ["digest=sha256:aa", f"{A.id}:digest=sha256:bb"], "two answers to one question"),
        (
            answer([A], "digest=sha256:aa"),
            ["digest=sha256:bb"],
            "no chosen fix asks for 'digest'; they ask for nothing",
        ),
        ([TWO], ["F-IMG-PIN:r=sha256:aa"], f"no chosen fix asks for 'r'; they ask for {TWO.id}:p, {TWO.id}:q"),
    ],
)
def test_what_means_nothing_is_refused(fixes: list[Fix], texts: list[str], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        answer(fixes, *texts)
    assert message in str(caught.value)


def test_a_value_of_another_form_is_refused() -> None:
    with pytest.raises(FixError) as caught:
        answer([A], "digest=latest")
    assert str(caught.value) == f"{A.id} (F-IMG-PIN): 'latest' is not the digest of x:1"
