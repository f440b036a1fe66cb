"""Automatic backups while a sitting goes on, in a child process that gives way to everything else.

The child is `exam-station backup` itself: copying, encrypting and reading back hold neither this process's
interpreter lock nor its writer, and a stick that hangs holds up nobody but the child.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from station.backup.recovery import RECOVERY_NAME, read_recovery
from station.backup.target import Target, named_trouble
from station.bell import Bell
from station.clock import Clock
from station.config import Config
from station.errors import StationError, Unsound, problem
from station.services import backing_up
from station.store import Store

BACKUP_BROKE_OFF = problem(
    "backup_broke_off",
    "备份进程没有完成：{reason}。",
    "The backup process did not finish: {reason}.",
)

LOOK_EVERY_S = 1.0
ALIVE_EVERY_S = 10.0
CHILD_LIMIT_S = 900.0
STOP_WAITS_S = 10.0


class AutomaticBackup:
    """Makes a backup whenever one is due, until stopped; what goes wrong is told on the board and tried again."""

    def __init__(
        self,
        config: Config,
        store: Store,
        clock: Clock,
        signing_key: Ed25519PrivateKey,
        *,
        alarm: Callable[[str, Exception], None],
    ) -> None:
        self._config = config
        self._store = store
        self._clock = clock
        self._key = signing_key
        self._folder = config.backup_folder or config.home
        self._every = timedelta(minutes=config.backup.every_min)
        self._is_stopping = threading.Event()
        self._alive_at = -ALIVE_EVERY_S
        self._bell = Bell("backup", self._turn, every_s=LOOK_EVERY_S, alarm=alarm)

    def start(self) -> None:
        """Look from now on whether a backup is due; nothing is done where no backup folder is set."""
        if self._config.backup_folder is not None:
            self._bell.start()

    def stop(self) -> None:
        """Make no more; one that is being written is broken off and does not count."""
        self._is_stopping.set()
        self._bell.stop(timeout_s=STOP_WAITS_S)

    def _turn(self) -> None:
        with self._store.reading() as db:
            is_active = backing_up.is_active(db)
            is_due = backing_up.is_due(db, every=self._every, at=self._clock.now())
        try:
            if is_active:
                self._note_alive()
            if is_due:
                self._back_up()
        except StationError as error:
            with self._store.transaction() as db:
                backing_up.note_failed(db, reason=error.sentence(), at=self._clock.now())

    def _back_up(self) -> None:
        began_at = self._clock.now()
        with self._store.transaction() as db:
            if not backing_up.claim(db, every=self._every, at=began_at):
                return
        self._check_medium()
        made = self._in_child()
        if made is None:
            return
        with self._store.transaction() as db:
            backing_up.note_made(
                db,
                number=made["number"],
                folder=str(self._folder),
                began_at=began_at,
                flaws=[*made["broken"], *made["missing"]],
                is_on_same_disk=made["is_on_same_disk"],
                by_hand=False,
                at=self._clock.now(),
            )

    def _check_medium(self) -> Target:
        """Find out cheaply, before a child is started, that the stick is out."""
        recovery = read_recovery(self._config.keys / RECOVERY_NAME)
        target = Target.of(self._folder, self._key.public_key(), recovery.recipient)
        with named_trouble(self._folder):
            target.prepare()
        return target

    def _note_alive(self) -> None:
        if time.monotonic() - self._alive_at < ALIVE_EVERY_S:
            return
        self._alive_at = time.monotonic()
        target = self._check_medium()
        with named_trouble(self._folder):
            target.write_alive(self._clock.now(), self._key)

    def _in_child(self) -> dict[str, Any] | None:
        """Run the child; None when the station stops meanwhile."""
        root = str(Path(__file__).resolve().parent.parent.parent)
        path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH", ""))))
        words = ["backup", str(self._config.home.resolve()), str(self._folder.resolve()), "--automatic", "--json"]
        child = subprocess.Popen(
            [sys.executable, "-P", "-X", "utf8", "-m", "station", *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": path},
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
        try:
            return self._answer_of(child)
        finally:
            if child.poll() is None:
                child.kill()
            child.communicate()

    def _answer_of(self, child: subprocess.Popen[bytes]) -> dict[str, Any] | None:
        until = time.monotonic() + CHILD_LIMIT_S
        while True:
            try:
                written, said = child.communicate(timeout=LOOK_EVERY_S)
                break
            except subprocess.TimeoutExpired:
                if self._is_stopping.is_set():
                    return None
                if time.monotonic() > until:
                    raise Unsound(BACKUP_BROKE_OFF, reason=f"> {CHILD_LIMIT_S:.0f} s") from None
                self._note_alive()
        lines = written.decode("utf-8", "replace").strip().splitlines()
        try:
            answer: dict[str, Any] = json.loads(lines[-1])
        except (ValueError, IndexError):
            last = said.decode("utf-8", "replace").strip().splitlines()[-1:]
            raise Unsound(BACKUP_BROKE_OFF, reason=(last or [f"exit status {child.returncode}"])[0]) from None
        if "refused" in answer:
            raise _Told(answer["refused"])
        return answer


class _Told(StationError):
    """What the child refused, in the child's own words."""

    def __init__(self, refused: dict[str, str]) -> None:
        super().__init__(BACKUP_BROKE_OFF, reason=refused["en"])
        self._words = refused

    def sentence(self, language: str = "zh") -> str:
        return self._words["en" if language == "en" else "zh"]
