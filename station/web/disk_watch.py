"""Watch the data folder's disk and let everything else give way to answers when it fills (design §5, issue of faults).

What gives way, in this order: the rotated technical logs and the log itself, what crashes left half written,
candidates' files (refused, the pages try again), and at last the ballast, which is there for nothing else.
Answers, uploads, packages and backups are never touched. Measures only the data folder's disk.
"""

from __future__ import annotations

import logging
import shutil
import threading
import time
from collections import deque
from contextlib import suppress
from pathlib import Path

from station.clock import system_time
from station.domain.disk_budget import (
    Budget,
    Limits,
    Space,
    budget_text,
    fall_per_s,
    hours_left,
    hours_text,
    size_text,
)
from station.errors import Unsound, problem
from station.services.disk_space import Disk, Noted
from station.store.ballast import Ballast
from station.technical_log import log_of

NO_SPACE_FOR_FILES = problem(
    "no_space_for_files",
    "服务器磁盘空间不足，暂时不能接收文件，答案照常保存。请报告监考员；请保留原文件，腾出空间后再传。",
    "The server's disk is nearly full: no files can be taken for now, answers are saved as before. Tell the "
    "invigilator and keep the file; it can be sent once there is room.",
)

SAMPLE_EVERY_S = 10.0
WINDOW_S = 900.0
# The ballast goes when so small a part of the floor is left, or as soon as an answer was refused.
LAST_PART = 8
# Space must be back by so much more than the floor before anything is taken up again.
BACK = 1.25
REFUSED_SHOWN_S = 30.0
LEFTOVER_S = 3600.0
LEFTOVERS = ("uploads/*.incoming", "uploads/*/*.part", "uploads/pieces/*.piece", "assets/*/*.part")
log = logging.getLogger(__name__)


class DiskWatch:
    """What is known of the disk. One thread calls `look`; any may ask the rest."""

    def __init__(self, folder: Path, limits: Limits) -> None:
        self.limits = limits
        self.budget = Budget()
        self.hours: float | None = None
        self.is_low = False
        self.is_full = False
        self.is_filling = False
        self._folder = folder
        self._ballast = Ballast(folder, limits.ballast)
        self.free = self.disk().free  # the board may ask before the first look
        self._samples: deque[tuple[float, int]] = deque()
        self._refused = 0
        self._refused_at: float | None = None
        self._untold: list[Noted] = []
        self._looking = threading.Lock()

    def disk(self) -> Disk:
        """Measure now; `free` is what answers can use."""
        return Disk(self._bare() + self._ballast.held, str(self._folder), self.limits)

    def takes_file(self, length: int | None) -> bool:
        """Say whether a file would leave the floor free: answers come first."""
        return self._bare() - (length or 0) >= self.limits.floor

    def check_takes_file(self, length: int | None) -> None:
        """Refuse a file for which there is no room."""
        if not self.takes_file(length):
            raise Unsound(NO_SPACE_FOR_FILES)

    @property
    def is_refusing(self) -> bool:
        """Say whether an answer could not be written within the last half minute."""
        return self._refused_at is not None and time.monotonic() - self._refused_at < REFUSED_SHOWN_S

    @property
    def space(self) -> Space:
        """Judge what was free when last looked."""
        return self.budget.space(self.free)

    def look(self, *, refused: int) -> list[Noted]:
        """Measure, and give way or take up again; `refused` counts the saves that were ever refused.

        Returns what the journal has not been told yet; `told` strikes it off.
        """
        with self._looking:
            if refused > self._refused:
                self._refused, self._refused_at = refused, time.monotonic()
            self._step(is_refused=self.is_refusing)
            bare = self._bare()
            self.free = bare + self._ballast.held
            self._sample()
            return list(self._untold)

    def told(self, count: int) -> None:
        """Note that the journal has the first so many."""
        del self._untold[:count]

    def status(self) -> tuple[tuple[str, str], str]:
        """Say how the disk stands, in Chinese and English, and how loud: ok, warn or alarm."""
        level = "alarm" if self.is_low or self.is_refusing or self.space is Space.SHORT else "ok"
        if level == "ok" and (self.is_filling or self.space is Space.TIGHT):
            level = "warn"
        free = size_text(self.free)
        if self.hours is None and level != "ok":  # that it does not fill further is no comfort then
            return (f"磁盘空闲 {free}", f"{free} of disk free"), level
        zh, en = hours_text(self.hours)
        return (f"磁盘空闲 {free}，{zh}", f"{free} of disk free, {en}"), level

    def alarms(self) -> list[tuple[str, tuple[str, str], str]]:
        """List what somebody has to do something about: code, text in Chinese and English, level."""
        found: list[tuple[str, tuple[str, str], str]] = []
        free = size_text(self.free)
        if self.is_refusing:
            text = (
                "答案暂时无法写入服务器，考生机已暂存并自动重发。请立即通知技术人员检查磁盘，考生可继续作答",
                "Answers cannot be written at the moment; the PCs keep them and send them again. Call the technician",
            )
            found.append(("saves_refused", text, "alarm"))
        if self.is_low:
            text = (
                f"磁盘空间不足（空闲 {free}）：已停写运行日志、暂停接收考生文件，答案照常保存。请清理磁盘",
                f"Disk nearly full ({free} free): no log, no files are taken, answers are saved. Make room",
            )
            found.append(("disk_low", text, "alarm"))
        elif self.is_filling:
            zh, en = hours_text(self.hours)
            found.append(("disk_filling", (f"磁盘{zh}，请清理磁盘", f"The disk is {en}: make room"), "alarm"))
        if self.space is not Space.ENOUGH and not self.is_low:
            level = "alarm" if self.space is Space.SHORT else "warn"
            found.append(("disk_budget", budget_text(self.budget, self.free), level))
        return found

    def _bare(self) -> int:
        return shutil.disk_usage(self._folder).free

    def _step(self, *, is_refused: bool) -> None:
        """Give way, or take up again: low and full each begin at one bound and end above another."""
        bare, floor = self._bare(), self.limits.floor
        if (bare < floor // LAST_PART or is_refused) and not self.is_full:
            self.is_full = True
            self._give_up_ballast()
        if bare < floor and not self.is_low:
            self.is_low = True
            self._shed()
            self._note("disk_low", free=size_text(bare))
        if bare < floor * BACK or is_refused:
            return
        if self.is_low or self.is_full:
            self.is_low = self.is_full = False
            self._take_up_again()
            self._note("disk_recovered", free=size_text(bare))
        if self.limits.ballast and not self._ballast.held and bare >= floor * BACK + self.limits.ballast:
            self._make_ballast()

    def _sample(self) -> None:
        now = time.monotonic()
        if self._samples and now - self._samples[-1][0] < SAMPLE_EVERY_S:
            return
        self._samples.append((now, self.free))
        while now - self._samples[0][0] > WINDOW_S:
            self._samples.popleft()
        self.hours = hours_left(self.free, fall_per_s(self._samples))
        was_filling, warn_h = self.is_filling, self.limits.warn_h
        # Once warned, the warning ends well above its bound, so that a rate at the bound does not ring for ever.
        self.is_filling = self.hours is not None and self.hours < (warn_h * BACK if was_filling else warn_h)
        if self.is_filling and not was_filling:
            assert self.hours is not None
            self._note("disk_filling", free=size_text(self.free), hours=round(self.hours, 1))

    def _shed(self) -> None:
        kept = log_of(self._folder)
        freed = kept.fall_silent() if kept is not None else 0
        oldest = system_time().timestamp() - LEFTOVER_S
        for pattern in LEFTOVERS:
            for part in self._folder.glob(pattern):
                with suppress(OSError):
                    if part.stat().st_mtime < oldest:
                        freed += part.stat().st_size
                        part.unlink()
        log.info("%s set free", size_text(freed))

    def _give_up_ballast(self) -> None:
        try:
            freed = self._ballast.release()
        except OSError as error:  # a disk that takes no change: nothing to be had there
            log.error("the ballast could not be released: %s", error)
            return
        if freed:
            self._note("ballast_released", size=size_text(freed))

    def _take_up_again(self) -> None:
        kept = log_of(self._folder)
        if kept is not None:
            kept.speak_again()

    def _make_ballast(self) -> None:
        try:
            self._ballast.make()
        except OSError as error:
            log.warning("no ballast could be made: %s", error)

    def _note(self, event: str, **details: object) -> None:
        self._untold.append(Noted(event, details))
