"""Long jobs step back while somebody waits for a short one."""

from __future__ import annotations

import threading

import pytest

from workbench.tui import jobs
from workbench.tui.jobs import Turns


def test_a_long_job_waits_for_the_short_ones_and_goes_on_after_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "_PATIENCE", 20.0)
    turns, done = Turns(), threading.Event()

    def long() -> None:
        turns.step_back()
        done.set()

    with turns.taken():
        with turns.taken():
            thread = threading.Thread(target=long)
            thread.start()
            assert not done.wait(0.05)
        assert not done.wait(0.05), "one of two is still running"
    assert done.wait(10)
    thread.join()


def test_a_short_job_that_fails_holds_nobody_up() -> None:
    turns = Turns()
    with pytest.raises(ValueError, match="no"), turns.taken():
        raise ValueError("no")
    waited = threading.Thread(target=turns.step_back)
    waited.start()
    waited.join(0.5)
    assert not waited.is_alive()


def test_a_long_job_does_not_stand_still_for_a_short_one_that_takes_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "_PATIENCE", 0.01)
    turns = Turns()
    with turns.taken():
        turns.step_back()


def test_a_long_job_lets_the_screen_answer_a_key_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "_ANSWER", 20.0)
    slept: list[float] = []
    monkeypatch.setattr(jobs, "sleep", slept.append)
    turns = Turns()
    turns.step_back()
    assert slept == []
    monkeypatch.setattr(jobs, "_WORK", 0.0)
    turns.pressed()
    turns.step_back()
    with turns.taken():
        turns.step_back(awaited=True)  # for the short job waits for this one
    assert len(slept) == 2
    assert all(19 < seconds <= 20 for seconds in slept)


def test_a_long_job_gets_on_while_keys_repeat(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "_ANSWER", 20.0)
    slept: list[float] = []
    monkeypatch.setattr(jobs, "sleep", slept.append)
    monkeypatch.setattr(jobs, "_WORK", 1000.0)
    turns = Turns()
    for _ in range(50):
        turns.pressed()
        turns.step_back(awaited=True)
    assert len(slept) == 1
