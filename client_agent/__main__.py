"""Command line of the client agent: exam-agent check, exam-agent run."""

from __future__ import annotations

import argparse
import io
import signal
import sys
import threading
from pathlib import Path
from typing import Sequence

from client_agent import __version__
from client_agent.browser import KioskRun, choose_browser
from client_agent.checks import is_fit, load_requirements
from client_agent.checks.run import run_checks
from client_agent.errors import AgentError
from client_agent.machine import Machine
from client_agent.report import as_json, as_table
from client_agent.station_link import station_origin, wait_for_station

WANTED = Path(__file__).with_name("wanted.json")
NOT_LOCKED = (
    "本版本不锁定考试机：不屏蔽键盘、其他程序和网络。 "
    "This version does not lock the PC: keys, other programs and the network stay open."
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
    parser = argparse.ArgumentParser(
        prog="exam-agent", description="考试机程序。Program for a candidate's PC.", epilog=NOT_LOCKED
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(title="commands", dest="name", required=True)
    language = argparse.ArgumentParser(add_help=False)
    language.add_argument("--lang", choices=["zh", "en"], default="zh", help="语言 language (default: zh)")
    common = argparse.ArgumentParser(add_help=False, parents=[language])
    common.add_argument("station", metavar="STATION_URL", help="http://服务器地址:8080, the station's address")

    check_help = "检查本机和网络是否符合考试要求。Measure this PC and its way to the station."
    check = commands.add_parser("check", parents=[language], help=check_help, description=check_help)
    check.add_argument(
        "station", metavar="STATION_URL", nargs="?", help="考试站地址，可不填。The station's address; may be left out."
    )
    check.add_argument("--json", action="store_true", help="输出一行 JSON。Print one line of JSON.")
    check.add_argument("--wanted", type=Path, default=WANTED, help="要求文件 file of requirements")
    check.set_defaults(command=_check)

    run_help = "全屏打开考试页面，退出后自动重开，直到 Ctrl+C。Keep the page open full screen until Ctrl+C."
    run = commands.add_parser("run", parents=[common], help=run_help, description=run_help, epilog=NOT_LOCKED)
    run.set_defaults(command=_run)
    return parser


def this_machine() -> Machine:
    """Choose the platform module for the system this runs on."""
    if sys.platform == "win32":
        from client_agent.windows.machine import WindowsMachine

        return WindowsMachine()
    else:
        from client_agent.linux.machine import LinuxMachine

        return LinuxMachine()


def _check(chosen: argparse.Namespace, machine: Machine) -> int:
    findings = run_checks(load_requirements(chosen.wanted), machine, chosen.station)
    print(as_json(findings) if chosen.json else as_table(findings, chosen.lang))
    return 0 if is_fit(findings) else 1


def _run(chosen: argparse.Namespace, machine: Machine) -> int:
    station_origin(chosen.station)
    browser = choose_browser(machine)

    def say(zh: str, en: str) -> None:
        print(en if chosen.lang == "en" else zh, flush=True)

    say(
        f"用 {browser.name} {browser.version} 打开 {chosen.station}。按 Ctrl+C 结束。",
        f"Opening {chosen.station} in {browser.name} {browser.version}. Ctrl+C ends it.",
    )
    print(NOT_LOCKED, flush=True)
    ending = threading.Event()
    # A service manager ends with SIGTERM: the browser must go then as with Ctrl+C.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: ending.set())
    wait_for_station(chosen.station, say, ending)
    KioskRun(browser, chosen.station, machine.state_folder()).keep_open(say, ending)
    return 0


if __name__ == "__main__":
    sys.exit(main())
