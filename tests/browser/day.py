"""The sample day on a station that runs as a program of its own, to be sat and invigilated in browsers."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import requests
from playwright.sync_api import expect

from station.clock import system_time
from station.config import CONFIG_NAME
from station.rehearsal.premises import free_port
from station.sample import SampleDay, write_sample_day
from station.setup import make_station
from sync.reference_platform.serve import RunningPlatform, start_platform
from sync.reference_platform.stations import add_station
from tests.browser.pages import PATIENCE_S, Window

PASSWORD = "password-of-the-test"


@dataclass
class RunningDay:
    """A station with the sample day; `start` and `stop` its program."""

    home: Path
    sample: SampleDay
    candidate_port: int
    staff_port: int
    passwords: dict[str, str]
    platform: RunningPlatform
    process: subprocess.Popen[str] | None = None
    host: str = "127.0.0.1"
    links: dict[str, str] = field(default_factory=dict)

    @property
    def candidate_url(self) -> str:
        return f"http://{self.host}:{self.candidate_port}"

    @property
    def staff_url(self) -> str:
        return f"http://127.0.0.1:{self.staff_port}"

    def start(self) -> None:
        log = (self.home / "serve.log").open("a", encoding="utf-8")
        with log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "station", "serve", str(self.home)], stdout=log, stderr=log, text=True
            )
        until = time.monotonic() + PATIENCE_S
        while True:
            try:
                requests.get(f"{self.candidate_url}/api/clock", timeout=2)
                return
            except (requests.ConnectionError, requests.Timeout):
                assert time.monotonic() < until, (self.home / "serve.log").read_text("utf-8")
                time.sleep(0.2)

    def kill(self) -> None:
        """End the program without a word, as a power cut would."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(timeout=10)
        self.process = None

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(timeout=PATIENCE_S)
            self.process = None
        self.platform.close()


def prepare_day(folder: Path, host: str = "127.0.0.1") -> RunningDay:
    """Make a station with the sample day, both subjects planned now and early hand-in possible at any time.

    `host`: the address at which candidate PCs reach it.
    """
    now = system_time().replace(second=0, microsecond=0)
    sample = write_sample_day(folder / "sample", theory_start_at=now, practical_start_at=now)
    plan = json.loads(sample.plan.read_text("utf-8"))
    for subject in plan["certificates"][0]["subjects"]:
        subject["early_leave_min"] = subject["duration_min"]
    sample.plan.write_text(json.dumps(plan, ensure_ascii=False), encoding="utf-8")
    ports = [free_port(), free_port()]
    home = folder / "station"
    platform = start_platform(folder / "platform")
    vault = platform.platform.vault
    made = make_station(
        home,
        site_name="示例考点",
        settings={
            "candidate_listener.host": f'"{host}"',
            "candidate_listener.port": str(ports[0]),
            "staff_listener.port": str(ports[1]),
            "central.url": f'"{platform.url}"',
            "central.recipient": f'"{vault.recipient}"',
            "central.verify_key": f'"{vault.verify_key}"',
        },
    )
    token = add_station(folder / "platform", id="site-1", name="示例考点", verify_key=made.verify_key)
    settings = (home / CONFIG_NAME).read_text("utf-8").replace('token = ""', f'token = "{token}"')
    (home / CONFIG_NAME).write_text(settings, encoding="utf-8")
    passwords = {name: first for name, _, first in made.passwords}
    day = RunningDay(home, sample, ports[0], ports[1], passwords, platform, host=host)
    theory = ("--certificate", "网店运营推广", "--level", "初级", "--subject", "理论")
    for words in (
        ("plan", sample.plan),
        ("roster", sample.roster_theory, "--spares", ",".join(sample.spare_seats)),
        ("roster", sample.roster_practical),
        ("photos", sample.photos),
        ("paper", sample.theory, *theory),
        ("paper", sample.practical),
    ):
        _run("import", home, *words)
    listed = _run("seats", home, "--address", day.candidate_url)
    for line in listed.strip().splitlines():
        _, seat, link = line.split("\t")
        day.links[re.sub(r"\D", "", seat)] = link
    return day


class Pc(Window):
    """A candidate's PC."""

    def sit_down(self, day: RunningDay, ticket: str, seat: str) -> None:
        """Open the seat's link and log in."""
        self.page.goto(day.links[seat])
        self.page.goto(day.candidate_url)
        self.log_in(ticket)

    def confirm(self) -> None:
        self.page.get_by_role("button", name="信息无误").click()
        self.page.wait_for_selector(".waiting")

    def enter(self) -> None:
        self.page.locator(".doors button").first.click()
        self.page.wait_for_selector(".item")

    def wait_saved(self) -> None:
        self.page.wait_for_selector('.saved[data-state="good"]:has(svg)')


class ConsolePc(Window):
    """The invigilator's PC."""

    def log_in_staff(self, day: RunningDay, username: str) -> None:
        """Log in and, the first time, set the account's own password."""
        page = self.page
        self.log_in_as(username, day.passwords[username], address=day.staff_url)
        if day.passwords[username] != PASSWORD:
            page.fill("[name=old]", day.passwords[username])
            page.fill("[name=new]", PASSWORD)
            page.fill("[name=again]", PASSWORD)
            page.keyboard.press("Enter")
            page.wait_for_url(lambda url: not url.endswith("/password"))
            day.passwords[username] = PASSWORD

    def choose(self, seat: str) -> None:
        """Choose just this seat's tile."""
        none = self.page.get_by_role("button", name="取消选择")
        if none.is_visible():
            none.click()
        self.page.locator(f'#tiles .tile:has(:text-is("{seat}"))').first.click()

    def dialog(self, title: str):  # type: ignore[no-untyped-def]
        box = self.page.locator("dialog", has=self.page.get_by_role("heading", name=title))
        expect(box).to_be_visible()
        return box

    def confirm_dialog(self, title: str, button: str, **fields: str) -> None:
        """Fill a dialog's fields by name and confirm it; it must close."""
        box = self.dialog(title)
        for name, value in fields.items():
            box.locator(f"[name={name}]").fill(value)
        box.get_by_role("button", name=button, exact=True).click()
        expect(box).to_be_hidden()


def _run(*words: object) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "station", *map(str, words)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
