"""A real Chromium in kiosk on a real X screen under the browser policies: only the station's page loads.

Each way out is tried without the policies first: a test that would pass without a lock shows nothing.
"""

import os
import shlex
import signal
import threading

import psutil
import pytest

from client_agent.browser import KioskRun
from client_agent.linux.lock_keyboard import Keyboard
from client_agent.linux.lock_policies import FILE, BrowserPolicies
from client_agent.linux.x11 import Screen
from client_agent.machine import Browser
from tests.agent.lock_laws import a_profile
from tests.agent.x_ground import PATIENCE_S, Site, XScreen, skip_unless_installed, until

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="policies need root"),
    pytest.mark.timeout(280),
]
CHROMIUM = "/usr/bin/chromium"
STATION_TITLE = "站点页面"
SWITCHES = (
    "--no-sandbox --no-first-run --disable-gpu --disable-quic --disable-background-networking "
    "--password-store=basic --disable-dev-shm-usage"
)


class Kiosk:
    """Chromium that reads its policies in a folder of the test's: other browsers of this PC are not touched."""

    def __init__(self, folder, screen):
        self.folder, self.screen = folder, screen
        (folder / "etc" / "chromium").mkdir(parents=True)
        self.policies = BrowserPolicies(folder)
        self.before = self.policies.read()
        self.program = folder / "browser"
        inside = f"mount --bind {shlex.quote(str(folder / 'etc' / 'chromium'))} /etc/chromium && "
        inside += f'exec {CHROMIUM} {SWITCHES} "$@"'
        self.program.write_text(f'#!/bin/sh\nexec unshare -m sh -c {shlex.quote(inside)} sh "$@"\n')
        self.program.chmod(0o755)
        self.opened = 0

    def titles_of(self, page, act=lambda: None, wanted=None):
        """Open a page full screen until a window shows something; gives the titles and what `act` gives.

        A title that is `wanted` is waited for: until a page has come, its address stands there.
        """
        return self.shown(["--kiosk", f"--app={page}"], act, wanted)

    def title_after_typing(self, start, address, wanted=""):
        """Type an address over the station's page, where an ordinary window has its address bar; gives the title then.

        A title that is `wanted` is waited for: until a page has come, its address stands there.
        """

        def title():
            return " ".join(self.screen.titles())

        def has_come():
            now = title()
            return wanted in now if wanted else now and STATION_TITLE not in now

        def act():
            assert until(lambda: STATION_TITLE in title()), "there is no page to type over"
            for _ in range(4):  # a window that is just being built does not listen yet
                self.screen.press("ctrl+l")
                self.screen.says("xdotool", "type", "--delay", "20", address)
                self.screen.press("Return")
                if until(has_come, patience_s=5):
                    break
            return title()

        return self.shown([start], act)[1]

    def shown(self, words, act, wanted=None):
        self.opened += 1
        self.process = self.screen.start(str(self.program), f"--user-data-dir={self.folder}/p{self.opened}", *words)
        try:
            empty = {"", "chromium", "Untitled", "about:blank"}
            assert until(lambda: set(self.screen.titles()) - empty), "the browser shows no window"
            assert until(lambda: len({tuple(self.screen.titles()) for _ in range(4)}) == 1)
            if wanted is not None:
                until(lambda: self.screen.titles() == [wanted])
            return self.screen.titles(), act()
        finally:
            end_family(self.process.pid)
            self.process.wait()
            assert until(lambda: not self.screen.titles())


def end_family(pid):
    parent = psutil.Process(pid)
    for process in [*parent.children(recursive=True), parent]:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue


@pytest.fixture
def screen(tmp_path):
    skip_unless_installed("chromium", "unshare")
    running = XScreen(tmp_path)
    yield running
    running.close()


@pytest.fixture
def station():
    site = Site(STATION_TITLE)
    yield site
    site.close()


@pytest.fixture
def elsewhere():
    site = Site("别处页面")
    yield site
    site.close()


def test_only_the_station_loads(tmp_path, screen, station, elsewhere):
    secret = tmp_path / "secret.html"
    secret.write_text("<title>SECRET-FILE</title>", encoding="utf-8")
    kiosk = Kiosk(tmp_path, screen)
    profile = a_profile(station_url=station.address, local_port=9)
    # What is opened, and the title that tells that it opened.
    pages = {
        f"{elsewhere.address}/other-port": "别处页面",
        f"http://localhost:{station.port}/other-host": "站点页面",
        f"file://{secret}": "SECRET-FILE",
        "data:text/html,<title>DATA-PAGE</title>": "DATA-PAGE",
    }
    typed = {
        f"view-source:{station.address}/source": "view-source:",
        "chrome://settings": "Settings -",
        "chrome://version": "About Version",
        f"{elsewhere.address}/typed": "别处页面",
    }
    for page, tells in pages.items():
        assert kiosk.titles_of(page, wanted=tells)[0] == [tells], f"{page} does not even open without the lock"
    for address, tells in typed.items():
        assert tells in kiosk.title_after_typing(f"{station.address}/", address, tells)
    assert elsewhere.fetched
    elsewhere.fetched.clear()
    kiosk.policies.perform(profile)
    assert kiosk.policies.holds(profile) is None
    assert kiosk.titles_of(f"{station.address}/page", wanted="站点页面")[0] == ["站点页面"]
    assert kiosk.titles_of(f"{station.address}/another", wanted="站点页面")[0] == ["站点页面"]
    station.fetched.clear()
    for page, tells in pages.items():
        assert tells not in kiosk.titles_of(page)[0], f"{page} opened"
    assert station.fetched == [], "the station answers by another name"
    for address, tells in typed.items():
        title = kiosk.title_after_typing(f"{station.address}/", address)
        assert "站点页面" not in title, "nothing was typed"
        assert tells not in title, f"{address} opened"
    assert "/source" not in station.fetched
    assert elsewhere.fetched == []
    kiosk.policies.revert(kiosk.before)
    assert kiosk.titles_of(f"{elsewhere.address}/after-unlock", wanted="别处页面")[0] == ["别处页面"]


def test_developer_tools_stay_shut_by_policy_and_by_keys(tmp_path, screen, station, monkeypatch):
    monkeypatch.setenv("DISPLAY", screen.name)
    kiosk = Kiosk(tmp_path, screen)
    profile = a_profile(station_url=station.address, local_port=9)

    def picture():
        with Screen() as seen:
            return seen.picture()[2]

    def still_picture():
        """Give the picture once nothing moves for two seconds; what F12 changes is seen then."""
        seen = [picture()]
        for _ in range(100):
            if len(seen) >= 5 and len(set(seen[-5:])) == 1:
                break
            threading.Event().wait(0.5)
            seen.append(picture())
        return seen[-1]

    def press_f12(patience_s=PATIENCE_S):
        before = still_picture()
        screen.press("F12")
        return until(lambda: picture() != before, patience_s=patience_s), before

    def press_f12_and_return(patience_s=PATIENCE_S):
        changed, before = press_f12()
        screen.press("Return")
        return changed, until(lambda: picture() == before, patience_s=patience_s)

    assert kiosk.titles_of(f"{station.address}/", press_f12)[1][0], "the key does not even arrive without the lock"
    # Full screen the browser opens none by itself, so that the policy is tried in an ordinary window.
    stays = kiosk.shown([f"{station.address}/"], lambda: press_f12_and_return(10))[1]
    assert stays == (True, False), "F12 opens nothing anyway"
    keyboard = Keyboard()
    keyboard.perform(profile)
    assert kiosk.titles_of(f"{station.address}/", lambda: press_f12(6))[1][0] is False
    keyboard.revert({})
    kiosk.policies.perform(profile)
    # The browser says that they are not allowed, and shows the page again: no tools are left open.
    assert kiosk.shown([f"{station.address}/"], press_f12_and_return)[1] == (True, True)


def test_a_browser_that_is_killed_comes_back_on_the_page(tmp_path, screen, station, monkeypatch):
    monkeypatch.setenv("DISPLAY", screen.name)
    monkeypatch.setenv("HOME", str(tmp_path))
    kiosk = Kiosk(tmp_path, screen)
    kiosk.policies.perform(a_profile(station_url=station.address, local_port=9))
    ending = threading.Event()
    run = KioskRun(Browser("Chromium", kiosk.program, ""), f"{station.address}/page", tmp_path / "state")
    thread = threading.Thread(target=run.keep_open, args=(lambda _zh, _en: None, ending))
    thread.start()
    try:
        assert until(lambda: screen.titles() == ["站点页面"])
        for times in (2, 3):
            (browser,) = [one for one in psutil.Process().children() if "chrom" in one.name()]
            os.kill(browser.pid, signal.SIGKILL)
            assert until(lambda times=times: station.fetched.count("/page") == times), "the page did not come back"
            assert until(lambda: screen.titles() == ["站点页面"])
    finally:
        ending.set()
        thread.join()
    assert until(lambda: not screen.titles())


def test_a_policy_file_that_is_changed_removed_or_outdone_is_found_and_mended(tmp_path):
    school = tmp_path / "etc" / "chromium" / "policies" / "managed" / "school.json"
    school.parent.mkdir(parents=True)
    school.write_text("{}", encoding="utf-8")
    policies, profile = BrowserPolicies(tmp_path), a_profile()
    before = policies.read()
    assert "zzz" in policies.holds(profile).zh
    policies.perform(profile)
    assert policies.holds(profile) is None
    ours = school.with_name(FILE)
    for spoil in (lambda: ours.write_text('{"URLBlocklist": []}'), ours.unlink):
        spoil()
        assert str(ours) in policies.holds(profile).en
        policies.perform(profile)
        assert policies.holds(profile) is None
    later = school.with_name("zzzz.json")
    later.write_text('{"URLBlocklist": []}', encoding="utf-8")
    assert str(later) in policies.holds(profile).en
    policies.revert(before)
    policies.revert(before)
    assert sorted(path.name for path in school.parent.iterdir()) == ["school.json", "zzzz.json"]
    assert not (tmp_path / "etc" / "opt").exists()


def test_the_station_is_allowed_by_its_exact_address_and_files_are_chosen_for_practical_work_only():
    from client_agent.lockdown.browser_policies import browser_policies

    by_address = browser_policies(a_profile(station_url="http://192.168.1.2:8080/x", local_port=4001))
    assert by_address["URLAllowlist"] == ["http://192.168.1.2:8080", "http://127.0.0.1:4001"]
    assert by_address["URLBlocklist"][:2] == ["*", "chrome://*"]
    assert by_address["AllowFileSelectionDialogs"] is False
    by_name = browser_policies(a_profile(station_url="https://exam.school", work_folder="/work"))
    assert by_name["URLAllowlist"][0] == "https://.exam.school"
    assert by_name["AllowFileSelectionDialogs"] is True
