"""A PC made of files: a registry, policy files and running programs, all on disk, with operations that change them.

Every change is one call of `os`, so that a process can be killed before and after each.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
from pathlib import Path
from typing import Any, Callable, Dict, List

from client_agent.lockdown.operation import Before, NotHeld, describe_failure
from client_agent.lockdown.profile import LockProfile

CHANGING = ("open", "write", "fsync", "replace", "unlink", "rmdir", "mkdir")


class Ground:
    """A PC as it is before: settings, a forbidden program that runs, a policy folder of somebody else."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.registry = folder / "registry.json"
        self.files = folder / "files"
        self.programs = folder / "programs"

    @classmethod
    def build(cls, folder: Path) -> Ground:
        ground = cls(folder)
        for one in (ground.files / "policies", ground.programs):
            one.mkdir(parents=True)
        write_whole(ground.registry, json.dumps({"DisableTaskMgr": 0, "Wallpaper": "学校.jpg", "Start": 3}))
        (ground.files / "policies" / "school.json").write_text('{"HomepageLocation": "http://学校"}', encoding="utf-8")
        (ground.programs / "qq").write_text("since 07:31", encoding="utf-8")
        return ground

    def snapshot(self) -> Dict[str, Any]:
        """Read all that is on this PC: every folder, and every file's bytes."""
        return {
            str(path.relative_to(self.folder)): path.read_bytes() if path.is_file() else None
            for path in sorted(self.folder.rglob("*"))
            if not path.name.endswith(".new")
        }

    def values(self) -> Dict[str, Any]:
        return json.loads(self.registry.read_text(encoding="utf-8"))

    def operations(self) -> List[Any]:
        return [
            RegistryValues(self, "awake", {"ScreenSaver": 0}, needed=False),
            Programs(self),
            RegistryValues(self, "drives", {"Start": 4, "Deny_All": 1}, needed=False),
            PolicyFile(self),
            RegistryValues(self, "keys", {"DisableTaskMgr": 1, "NoLogoff": 1, "Wallpaper": None}, needed=True),
        ]


class RegistryValues:
    """Sets values one by one; None removes one."""

    def __init__(self, ground: Ground, name: str, values: Dict[str, Any], *, needed: bool) -> None:
        self.ground, self.name, self.values, self.needed = ground, name, values, needed
        self.title = ("注册表" + name, "registry " + name)

    def wanted(self, profile: LockProfile) -> bool:
        return not (self.name == "drives" and profile.removable_drives)

    def read(self) -> Before:
        present = self.ground.values()
        return {key: {"value": present[key]} if key in present else None for key in self.values}

    def perform(self, profile: LockProfile) -> None:
        for key, value in self.values.items():
            self._set(key, None if value is None else {"value": value})

    def revert(self, before: Before) -> None:
        for key, value in before.items():
            self._set(key, value)

    def holds(self, profile: LockProfile) -> NotHeld | None:
        present = self.ground.values()
        wrong = [key for key, value in self.values.items() if present.get(key) != value]
        return describe_failure(self, ", ".join(wrong)) if wrong else None

    def _set(self, key: str, value: Any) -> None:
        present = self.ground.values()
        # The order of a registry is nobody's: sorted, so that equal registries are equal bytes.
        present.pop(key, None)
        if value is not None:
            present[key] = value["value"]
        write_whole(self.ground.registry, json.dumps(present))


class PolicyFile:
    """Makes two folders and a file in them."""

    name, needed = "policies", True
    title = ("浏览器策略", "browser policies")

    def __init__(self, ground: Ground) -> None:
        self.folders = [ground.files / "chrome", ground.files / "chrome" / "managed"]
        self.file = self.folders[-1] / "exam.json"

    def wanted(self, profile: LockProfile) -> bool:
        return True

    def read(self) -> Before:
        return {"missing": [one.name for one in self.folders if not one.exists()]}

    def perform(self, profile: LockProfile) -> None:
        for folder in self.folders:
            with contextlib.suppress(FileExistsError):
                os.mkdir(str(folder))
        write_whole(self.file, json.dumps(profile.origins))

    def revert(self, before: Before) -> None:
        for leftover in (self.file, self.file.with_name(self.file.name + ".new")):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(str(leftover))
        for folder in reversed(self.folders):
            if folder.name in before["missing"]:
                with contextlib.suppress(FileNotFoundError):
                    os.rmdir(str(folder))

    def holds(self, profile: LockProfile) -> NotHeld | None:
        with contextlib.suppress(OSError, ValueError):
            if json.loads(self.file.read_text()) == list(profile.origins):
                return None
        return describe_failure(self, self.file.name)


class Programs:
    """Stops what runs in a folder of programs and starts it again."""

    name, needed = "programs", False
    title = ("禁用程序", "forbidden programs")

    def __init__(self, ground: Ground) -> None:
        self.folder = ground.programs

    def wanted(self, profile: LockProfile) -> bool:
        return True

    def read(self) -> Before:
        return {"running": {one.name: one.read_text(encoding="utf-8") for one in self._running()}}

    def perform(self, profile: LockProfile) -> None:
        for one in self._running():
            os.unlink(str(one))

    def revert(self, before: Before) -> None:
        for name, content in before["running"].items():
            write_whole(self.folder / name, content)

    def holds(self, profile: LockProfile) -> NotHeld | None:
        running = self._running()
        return describe_failure(self, running[0].name) if running else None

    def _running(self) -> List[Path]:
        return sorted(one for one in self.folder.iterdir() if not one.name.endswith(".new"))


def write_whole(path: Path, content: str) -> None:
    temporary = str(path) + ".new"
    number = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    os.write(number, content.encode("utf-8"))
    os.close(number)
    os.replace(temporary, str(path))


def in_a_process(act: Callable[[], None], *, die_at: int = 0, started: Callable[[int], None] = lambda pid: None) -> int:
    """Run in a child process that is killed with SIGKILL at the given step; each change of the disk is two steps.

    Gives the exit status, as `os.waitpid` does: 9 is killed. 1 << 8 is an exception, printed.
    """
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            if die_at:
                _kill_self_at(die_at)
            act()
            status = 0
        except BaseException:
            import traceback

            traceback.print_exc()
        finally:
            os._exit(status)
    started(pid)
    return os.waitpid(pid, 0)[1]


def _kill_self_at(step: int) -> None:
    left = [step]

    def count() -> None:
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def killing(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            count()
            result = real(*arguments, **named)
            count()
            return result

        return call

    for name in CHANGING:
        setattr(os, name, killing(getattr(os, name)))
