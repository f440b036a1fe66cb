"""What rings each second goes on ringing, and trouble is told once."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

import pytest

from station.bell import Bell


def wait_for(condition: Callable[[], bool]) -> None:
    for _ in range(500):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("did not come about")


def test_a_job_that_raises_is_called_again_and_its_alarm_given_once(caplog: pytest.LogCaptureFixture):
    calls: list[int] = []
    alarms: list[str] = []

    def job() -> None:
        calls.append(1)
        raise ValueError("the same each time")

    bell = Bell("tick", job, every_s=0.005, alarm=lambda name, error: alarms.append(f"{name}: {error}"))
    with caplog.at_level(logging.ERROR):
        bell.start()
        wait_for(lambda: len(calls) > 10)
        bell.stop(timeout_s=5)
    assert alarms == ["tick: the same each time"]
    assert len([one for one in caplog.records if one.levelno == logging.ERROR]) == 1


def test_an_alarm_that_could_not_be_given_is_given_later_also_when_all_is_well_again():
    turns: list[int] = []
    alarms: list[str] = []

    def job() -> None:
        turns.append(1)
        if len(turns) == 1:
            raise OSError("disk full")

    def alarm(name: str, error: Exception) -> None:
        if len(turns) < 4:
            raise OSError("disk full")
        alarms.append(str(error))

    bell = Bell("tick", job, every_s=0.005, alarm=alarm)
    bell.start()
    wait_for(lambda: len(turns) > 8)
    bell.stop(timeout_s=5)
    assert alarms == ["disk full"]


def test_two_kinds_of_trouble_are_two_alarms():
    turns: list[int] = []
    alarms: list[str] = []

    def job() -> None:
        turns.append(1)
        raise OSError("first" if len(turns) < 3 else "second")

    bell = Bell("tick", job, every_s=0.005, alarm=lambda name, error: alarms.append(str(error)))
    bell.start()
    wait_for(lambda: len(turns) > 6)
    bell.stop(timeout_s=5)
    assert alarms == ["first", "second"]
