"""Answers to what fixes ask for, as ``export --set [ID:]NAME=VALUE`` gives them (DESIGN.md, "Fixes, export")."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

from workbench.errors import FixError, UsageError
from workbench.remediation.records import Fix


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer."""

    name: str
    value: str
    fix: str = ""
    """The id of a record or the beginning of one, or an F-id; empty for whatever fix asks."""
    text: str = ""
    """As it was written."""

    def concerns(self, fix: Fix) -> bool:
        """Whether it is meant for a fix, whatever that asks for."""
        if self.fix.upper().startswith("F-"):
            return fix.fix == self.fix.upper()
        return fix.id.startswith(self.fix)


def parse_answer(text: str) -> Answer:
    """Read ``[ID:]NAME=VALUE``; the value may hold colons and equals signs.

    Raises:
        UsageError: It is not of that form.
    """
    head, equals, value = text.partition("=")
    fix, colon, name = head.rpartition(":")
    if not equals or not name or not value or (colon and not fix):
        raise UsageError(f"{text!r} is no answer: write NAME=VALUE, or ID:NAME=VALUE for one fix")
    return Answer(name, value, fix, text)


def answered(fixes: Sequence[Fix], answers: Sequence[Answer]) -> list[Fix]:
    """The fixes with their needs answered; in the same order.

    An answer without an id goes to every fix that asks the same question: one digest cannot be that of two images.

    Raises:
        UsageError: An answer is to nothing that these fixes ask, to different questions, or a second one.
        FixError: A value is none of those that the fix can take.
    """
    given: dict[str, dict[str, Answer]] = {}
    for answer in answers:
        for fix in _asking(fixes, answer):
            before = given.setdefault(fix.id, {}).setdefault(answer.name, answer)
            if before.value != answer.value:
                raise UsageError(f"{before.text} and {answer.text}: two answers to one question of {fix.id}")
    out: list[Fix] = []
    for fix in fixes:
        found = given.get(fix.id, {})
        try:
            out.append(fix.answered({name: answer.value for name, answer in found.items()}) if found else fix)
        except FixError as error:
            raise FixError(f"{fix.id} ({fix.fix}): {error}") from error
    return out


def _asking(fixes: Sequence[Fix], answer: Answer) -> list[Fix]:
    meant = [fix for fix in fixes if answer.concerns(fix)]
    if not meant:
        raise UsageError(f"{answer.text}: no chosen fix has the id {answer.fix!r}{_hint(_open(fixes))}")
    asking = [fix for fix in meant if any(need.name == answer.name for need in fix.needs)]
    if not asking:
        raise UsageError(f"{answer.text}: no chosen fix asks for {answer.name!r}{_hint(_open(meant), answer.name)}")
    questions = {need.question for fix in asking for need in fix.needs if need.name == answer.name}
    if len(questions) > 1:
        each = ", ".join(f"{fix.id}:{answer.name}" for fix in asking)
        raise UsageError(f"{answer.text}: {len(asking)} fixes ask for it, each for another: name them ({each})")
    return asking


def _open(fixes: Sequence[Fix]) -> list[tuple[str, str]]:
    return [(fix.id, need.name) for fix in fixes for need in fix.needs]


def _hint(asked: Sequence[tuple[str, str]], name: str = "") -> str:
    if not asked:
        return "; they ask for nothing"
    near = difflib.get_close_matches(name, {each for _, each in asked}, 1, 0.6) if name else []
    if near:
        return f"; did you mean {near[0]}?"
    listed = [f"{fix}:{each}" for fix, each in asked]
    more = f" and {len(listed) - 5} more" if len(listed) > 5 else ""
    return f"; they ask for {', '.join(listed[:5])}{more}"
