"""Command line of the client agent; the only module that knows which system it runs on."""

from __future__ import annotations

import argparse
import io
import signal
import sys
import threading
from pathlib import Path
from typing import Callable, Sequence

from client_agent import __version__, technician
from client_agent.agent_run import Agent, Parts
from client_agent.browser import KioskRun, choose_browser
from client_agent.checks import is_fit
from client_agent.checks.check import UNDO_NAME
from client_agent.checks.command import check_by_hand
from client_agent.checks.run import check_and_report
from client_agent.errors import AgentError
from client_agent.lockdown.sequence import Lockdown
from client_agent.lockdown.undo import UndoFile
from client_agent.machine import Machine
from client_agent.report import as_json, as_table
from client_agent.station_link import Link, station_origin, wait_for_station
from client_agent.store import Store
from client_agent.work_folder.files import PlainFiles
from client_agent.work_folder.folder import WorkFolder

WANTED = Path(__file__).with_name("wanted.json")
AUTO = "auto"
NOT_LOCKED = (
    "此命令不锁定考试机：不屏蔽键盘、其他程序和网络。 "
    "This command does not lock the PC: keys, other programs and the network stay open."
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; 0 is done or fit, 1 is refused or not fit, 2 is a wrong command line."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # an old Windows console may lack Chinese characters
    chosen = build_parser().parse_args(arguments)
    try:
        return int(chosen.command(chosen, this_machine()))
    except AgentError as failure:
        print(failure.sentence(chosen.lang), file=sys.stderr)
        return 1


def build_parser() -> argparse.ArgumentParser:
    """Describe the commands; each has a help text."""
    parser = argparse.ArgumentParser(prog="exam-agent", description="考试机程序。Program for a candidate's PC.")
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(title="commands", dest="name", required=True)
    language = argparse.ArgumentParser(add_help=False)
    language.add_argument("--lang", choices=["zh", "en"], default="zh", help="语言 language (default: zh)")

    def command(name: str, act: Callable[[argparse.Namespace, Machine], int], text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, parents=[language], help=text, description=text)
        added.set_defaults(command=act)
        return added

    pair = command("pair", _pair, "向考站登记本机。Register this PC with the station.")
    pair.add_argument("station", nargs="?", default=AUTO, help="地址，或 auto 自动查找 address, or auto to look for it")
    pair.add_argument("--seat", default="", help="考位号 seat number")
    pair.add_argument("--room", default="", help="考场（有多个考场时）room, where there are several")
    pair.add_argument("--fingerprint", default="", help="考站编号 the station's fingerprint (12 letters will do)")
    pair.add_argument("--later", action="store_true", help="只记下地址，运行时登记 only keep the address")
    pair.add_argument("--forget", action="store_true", help="先忘记原考站 forget the station first")
    run = command("run", _run, "按考站的指令锁定本机、打开考试页面。Lock this PC and show the test as ordered.")
    run.add_argument("station", nargs="?", default=AUTO, help="地址，默认为已登记的 address (default: as paired)")
    run.add_argument("--fingerprint", default="", help="考站编号 the station's fingerprint")
    check = command("check", _check, "检查本机和网络是否符合考试要求。Measure this PC and its way to the station.")
    check.add_argument("station", metavar="STATION_URL", nargs="?", help="考站地址，可不填 address; may be left out")
    check.add_argument("--json", action="store_true", help="输出一行 JSON。Print one line of JSON.")
    check.add_argument("--wanted", type=Path, default=WANTED, help="要求文件 file of requirements")
    status = command("status", _status, "显示本机登记和锁定情况。Say how this PC is registered, and if it is locked.")
    status.add_argument("--json", action="store_true", help="输出一行 JSON。Print one line of JSON.")
    restore = command(
        "restore", _restore, "把本机恢复原状（锁定中也可以）。Put this PC back as it was, also if locked."
    )
    restore.add_argument(
        "--set-aside", action="store_true",
        help="手工还原后，把读不出的还原文件改名留存 rename an unreadable undo file, once all is put back by hand",
    )  # fmt: skip
    restore.add_argument(
        "--unless-locked", action="store_true",
        help="考试锁定中则拒绝（安装、卸载程序用） refuse while locked for a test (for set-up programs)",
    )  # fmt: skip
    unlock = command("unlock", _unlock, "用监考员的解锁码解锁本机。Free this PC by an invigilator's code.")
    unlock.add_argument("code", help="解锁码 the code")
    command("service", _service, "系统服务用：开机恢复并启动考试程序。For the service: restore, keep `run` running.")
    page_help = "全屏打开一个考位链接，退出后自动重开。Keep a seat's link open full screen until Ctrl+C."
    page = command("page", _page, f"{page_help} {NOT_LOCKED}")
    page.add_argument("station", metavar="SEAT_LINK", help="http://服务器地址:8080/seat/…, the seat's link")
    return parser


def this_machine() -> Machine:
    """Choose the platform module for the system this runs on."""
    if sys.platform == "win32":
        from client_agent.windows.machine import WindowsMachine

        return WindowsMachine()
    else:
        from client_agent.linux.machine import LinuxMachine

        return LinuxMachine()


def this_lockdown(folder: Path) -> Lockdown:
    """Choose the operations of this system; the way back is kept in the agent's folder."""
    undo = UndoFile(folder / UNDO_NAME)
    if sys.platform == "win32":
        from client_agent.windows import lock as windows_lock

        return Lockdown(windows_lock.operations(state_folder=folder), undo)
    else:
        from client_agent.linux import lock as linux_lock

        return Lockdown(linux_lock.operations(), undo)


def these_parts(machine: Machine, folder: Path) -> Parts:
    """Put together what a run needs. The browser runs as the person at the desktop, not as the service."""

    def work(link: Link, boot_id: str) -> WorkFolder:
        if sys.platform == "win32":
            from client_agent.windows.files import SharedFiles

            return WorkFolder(link, folder, drives=machine.work_drives, boot_id=boot_id, files=SharedFiles())
        else:
            from client_agent.linux.person import person_here

            files = PlainFiles(person_here())
            return WorkFolder(link, folder, drives=machine.work_drives, boot_id=boot_id, files=files)

    def check(link: Link) -> object:
        return check_and_report(link, machine)

    def lockdown() -> Lockdown:
        return this_lockdown(folder)

    browsers = folder.with_name("exam-agent-browser")
    if sys.platform == "win32":
        from client_agent.windows.files import SharedFiles
        from client_agent.windows.lock_kiosk import desktop_for_programs
        from client_agent.windows.native import this_windows
        from client_agent.windows.profiles import Profiles

        windows, profiles = this_windows(), Profiles(SharedFiles())

        def start(command: Sequence[str]) -> int:
            return windows.start_as_person(command, desktop_for_programs(windows)).pid

        return Parts(lockdown, work, check, start, browsers, profiles.make, profiles.remove)
    else:
        from client_agent.linux.person import person_here, preparer_for, starter_for

        person = person_here()
        if person:
            return Parts(lockdown, work, check, starter_for(person, browsers), browsers, preparer_for(person))
        return Parts(lockdown, work, check)


def _pair(chosen: argparse.Namespace, machine: Machine) -> int:
    store = Store(machine.state_folder())
    say = _sayer(chosen)
    if chosen.forget:
        technician.forget(store, say)
    wish = technician.Wish(_address(chosen), chosen.seat, chosen.room, chosen.fingerprint, chosen.later)
    technician.pair(machine, store, wish, say)
    return 0


def _run(chosen: argparse.Namespace, machine: Machine) -> int:
    store = Store(machine.state_folder())
    store.make_folder()
    agent = Agent(
        machine, store, these_parts(machine, store.folder),
        say=_sayer(chosen), address=_address(chosen), fingerprint=chosen.fingerprint,
    )  # fmt: skip
    ending = _ending()
    if sys.platform == "win32":
        from client_agent.windows.service import end_when_asked

        end_when_asked(store.folder, ending)
    agent.run(ending)
    return 0


def _service(chosen: argparse.Namespace, machine: Machine) -> int:
    store = Store(machine.state_folder())
    store.make_folder()
    # Its parts look for modules only where the service itself does.
    agent = [sys.executable, *(["-I"] if sys.flags.isolated else []), "-m", "client_agent"]
    if sys.platform == "win32":
        from client_agent.windows.native import this_windows
        from client_agent.windows.service import Supervisor

        def lockdown() -> Lockdown:
            return this_lockdown(store.folder)

        Supervisor(this_windows(), lockdown, store.folder, agent=agent, say=_sayer(chosen)).run(_ending())
    else:
        from client_agent.linux import service as on_linux

        on_linux.Supervisor(store.folder, agent=agent, say=_sayer(chosen)).run(_ending())
    return 0


def _check(chosen: argparse.Namespace, machine: Machine) -> int:
    def tell(zh: str, en: str) -> None:
        print(en if chosen.lang == "en" else zh, file=sys.stderr)  # the answer itself may be read by a program

    store = Store(machine.state_folder())
    findings = check_by_hand(
        machine, store, station=chosen.station, wanted=chosen.wanted, is_own=chosen.wanted == WANTED, say=tell
    )
    print(as_json(findings) if chosen.json else as_table(findings, chosen.lang))
    return 0 if is_fit(findings) else 1


def _status(chosen: argparse.Namespace, machine: Machine) -> int:
    store = Store(machine.state_folder())
    facts = technician.status(machine, store, this_lockdown(store.folder))
    print(technician.as_text(facts, "json" if chosen.json else chosen.lang))
    return 0


def _restore(chosen: argparse.Namespace, machine: Machine) -> int:
    store = Store(machine.state_folder())
    say = _sayer(chosen)
    aside = UndoFile(store.folder / "undo.json").set_aside() if chosen.set_aside else None
    if aside is not None:
        say(
            f"读不出的还原文件已改名为 {aside}，本机可以再次锁定。",
            f"The undo file is {aside} now; this PC can be locked.",
        )
    is_back = technician.restore(store, this_lockdown(store.folder), say, unless_locked=chosen.unless_locked)
    return 0 if is_back else 1


def _unlock(chosen: argparse.Namespace, machine: Machine) -> int:
    store = Store(machine.state_folder())
    return 0 if technician.unlock(store, this_lockdown(store.folder), chosen.code, _sayer(chosen)) else 1


def _page(chosen: argparse.Namespace, machine: Machine) -> int:
    station_origin(chosen.station)
    browser = choose_browser(machine)
    say = _sayer(chosen)
    say(
        f"用 {browser.name} {browser.version} 打开 {chosen.station}。按 Ctrl+C 结束。",
        f"Opening {chosen.station} in {browser.name} {browser.version}. Ctrl+C ends it.",
    )
    print(NOT_LOCKED, flush=True)
    ending = _ending()
    wait_for_station(chosen.station, say, ending)
    KioskRun(browser, chosen.station, machine.state_folder()).keep_open(say, ending)
    return 0


def _address(chosen: argparse.Namespace) -> str:
    return "" if chosen.station == AUTO else station_origin(chosen.station)


def _sayer(chosen: argparse.Namespace) -> Callable[[str, str], None]:
    return lambda zh, en: print(en if chosen.lang == "en" else zh, flush=True)


def _ending() -> threading.Event:
    """Give what Ctrl+C and a service manager's SIGTERM set: whoever waits for it ends in order."""
    ending = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: ending.set())
    return ending


if __name__ == "__main__":
    sys.exit(main())
