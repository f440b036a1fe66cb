"""A candidate PC for the room check that is in order, until a test says otherwise."""

from pathlib import Path

from client_agent.checks import Item, Requirements
from client_agent.checks.probes import (
    Adapter,
    Antivirus,
    Installed,
    Network,
    Screen,
    System,
    Unreadable,
)
from client_agent.checks.run import run_checks
from client_agent.machine import Browser, Identity

NOT_TOLD = Unreadable("系统没有报告。", "The system does not tell.")


class Probes:
    """Answers what it is given by name; an exception is raised."""

    def __init__(self, **answers):
        self.answers = {
            "system": System("windows", "Windows 7", "6.1.7601"),
            "cores": 4,
            "clock_ghz": 3.2,
            "memory_bytes": 8 * 10**9,
            "video_memory_bytes": 2 * 10**9,
            "disk_bytes": (500 * 10**9, 100 * 10**9),
            "disks": ["KINGSTON 240 GB"],
            "screens": [Screen(1920, 1080)],
            "has_keyboard": True,
            "has_mouse": True,
            "input_languages": ["en", "zh"],
            "chinese_fonts": ["SimSun", "Microsoft YaHei"],
            "installed": [Installed("Adobe Photoshop CS6", "13.0")],
            "find_program": None,
            "running": ["explorer.exe", "svchost.exe"],
            "windowed": ["explorer.exe"],
            "remote_control": [],
            "virtual_machine": "",
            "antivirus": Antivirus(True, ("已开启", "on")),
            "adapters": [Adapter("本地连接", "wired", True, 1000, ["192.168.1.11"])],
            "network": Network(),
            "battery": None,
            "firewall": ["public on"],
        }
        assert set(answers) <= set(self.answers)
        self.answers.update(answers)

    def __getattr__(self, name):
        if name not in self.answers:
            raise AttributeError(name)
        return lambda *_arguments: self.answer(name)

    def answer(self, name):
        answer = self.answers[name]
        if isinstance(answer, BaseException):
            raise answer
        return answer() if callable(answer) else answer


class Pc:
    """A PC whose folders are the test's own."""

    def __init__(self, folder, *browsers, maker="LENOVO", model="M710", boot="monday", **answers):
        self.folder = Path(folder)
        self.browsers = browsers
        self.maker, self.model, self.boot = maker, model, boot
        self.asked = Probes(**answers)

    def find_browsers(self):
        return self.browsers

    def state_folder(self):
        return self.folder / "not" / "there" / "yet"

    def work_drives(self):
        return [self.folder]

    def boot_id(self):
        return self.boot

    def identity(self):
        return Identity("m1", "PC-12", ["00:1b:21:aa:bb:cc"], "Windows 7", self.maker, self.model, "i5", 8 * 10**9)

    def probes(self):
        return self.asked


def chrome(version="109.0.5414.120"):
    return Browser("Google Chrome", Path("/c/chrome.exe"), version)


def check(pc, check, station=None, **wanted):
    """Run one check."""
    (finding,) = run_checks(Requirements((Item(check, **wanted),)), pc, station)
    return finding
