"""What is installed on the PC, and what runs on it."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path
from typing import List, Sequence, Tuple

from client_agent.browser import NO_BROWSER
from client_agent.checks.check import Pc, Yes, bounded_state, bounds_text
from client_agent.checks.finding import (
    ADVICE,
    OK,
    Finding,
    Item,
    WantedProgram,
    both,
    joined,
    version_key,
)
from client_agent.checks.known import known
from client_agent.checks.probes import Installed, Probes, RemoteWay, Text

LANGUAGES = {"zh": ("中文", "Chinese"), "en": ("英文", "English")}


class SystemVersion:
    """Versions of Windows are compared; other systems have none that could be."""

    id = "system_version"
    title = ("操作系统", "System")

    def run(self, item: Item, pc: Pc) -> Finding:
        system = pc.probes.system()
        state = OK
        if system.family == "windows" and item.minimum is not None:
            if version_key(system.version) < version_key(str(item.minimum)):
                state = item.short
            elif version_key(system.version) < version_key(str(item.recommended)):
                state = ADVICE
        to_do = (
            both("") if state == OK else ("升级操作系统，或换用其他考试机。", "Update the system or use another PC.")
        )
        zh, en = bounds_text(item, "")
        wanted = (f"Windows {zh}", f"Windows {en}")
        return Finding(self.id, state, self.title, both(system.name), wanted, to_do, system.version)


class BrowserVersion:
    id = "browser_version"
    title = ("浏览器", "Browser")
    to_do = ("安装 Chrome 109 或更高版本。", "Install Chrome 109 or later.")

    def run(self, item: Item, pc: Pc) -> Finding:
        browsers = pc.machine.find_browsers()
        wanted = both(f"Chrome / Chromium / Edge ≥ {item.minimum:g}" if item.minimum else "Chrome / Chromium / Edge")
        if not browsers:
            to_do = (NO_BROWSER.zh, NO_BROWSER.en)
            return Finding(self.id, item.short, self.title, ("未找到", "none found"), wanted, to_do)
        first = browsers[0]
        if first.major_version is None:
            unread = (f"{first.name}（版本未知）", f"{first.name} (version unknown)")
            look = ("在浏览器“关于”中查看版本。", "Look the version up in the browser's About page.")
            return Finding(self.id, ADVICE, self.title, unread, wanted, look)
        state = bounded_state(first.major_version, item, at_most=False)
        measured = both(f"{first.name} {first.version}")
        return Finding(
            self.id, state, self.title, measured, wanted, both("") if state == OK else self.to_do, first.major_version
        )


class InputMethods(Yes):
    id = "input_methods"
    title = ("输入法", "Input methods")

    def run(self, item: Item, pc: Pc) -> Finding:
        there = set(pc.probes.input_languages())
        missing = [name for name in item.names if name not in there]
        zh, en = _languages(missing)
        to_do = (f"安装{zh}输入法。", f"Install an input method for {en}.")
        return self.found(
            item,
            _languages(sorted(there)),
            is_so=not missing,
            to_do=to_do,
            value=sorted(there),
            wanted=_languages(item.names),
        )


class Fonts(Yes):
    """`zh` is any Chinese font; other names are font families."""

    id = "fonts"
    title = ("中文字体", "Chinese fonts")

    def run(self, item: Item, pc: Pc) -> Finding:
        fonts = list(pc.probes.chinese_fonts())
        there = {folded(font) for font in fonts}
        wanted = [name for name in item.names if name != "zh"]
        named = (joined(wanted), ", ".join(wanted)) if wanted else ("任一中文字体", "any Chinese font")
        missing = [name for name in wanted if folded(name) not in there] + ([] if fonts else ["宋体 / 微软雅黑"])
        shown = joined(fonts[:4]) + ("…" if len(fonts) > 4 else "")
        to_do = (f"安装字体：{joined(missing)}。", f"Install: {', '.join(missing)}.")
        measured = (shown or "无", shown or "none")
        return self.found(item, measured, is_so=not missing, to_do=to_do, wanted=named)


class Programs:
    """The programs that practical items need, each at least in a version."""

    id = "programs"
    title = ("考试软件", "Programs for the test")

    def run(self, item: Item, pc: Pc) -> Finding:
        installed = pc.probes.installed()
        looked = [(wanted, find_installed(wanted, installed, pc.probes)) for wanted in item.wanted]
        states = [_program_state(wanted, found) for wanted, found in looked]
        state = item.short if "short" in states else ADVICE if ADVICE in states else OK
        missing = [_named(wanted) for (wanted, _found), one in zip(looked, states) if one == "short"]
        unread = [_named(wanted) for (wanted, _found), one in zip(looked, states) if one == ADVICE]
        there = [f"{found.name} {found.version}".strip() for _wanted, found in looked if found is not None]
        wanted = both(joined([_named(one) for one, _found in looked]) or "—")
        measured = (joined(there) or "未找到", ", ".join(there) or "none found")
        to_do = both("")
        if missing:
            to_do = (f"安装或升级：{joined(missing)}。", f"Install or update: {', '.join(missing)}.")
        elif unread:
            to_do = (
                f"版本未知，请人工核对：{joined(unread)}。",
                f"Version unknown, look yourself: {', '.join(unread)}.",
            )
        return Finding(self.id, state, self.title, measured, wanted, to_do, there)


class ForbiddenPrograms(Yes):
    id = "forbidden_programs"
    title = ("禁用程序", "Forbidden programs")
    wanted = ("没有运行", "none running")

    def run(self, item: Item, pc: Pc) -> Finding:
        forbidden = {folded(name) for name in item.names}
        found = sorted({name for name in pc.probes.running() if folded(name) in forbidden})
        to_do = (
            f"退出并取消开机自启：{joined(found)}。",
            f"End it and keep it from starting by itself: {', '.join(found)}.",
        )
        measured = (joined(found) or "无", ", ".join(found) or "none")
        return self.found(item, measured, is_so=not found, to_do=to_do, value=found)


class OtherPrograms(Yes):
    """Programs that show a window and have nothing to do with the test. `names` are those that may."""

    id = "other_programs"
    title = ("无关程序", "Unrelated programs")
    wanted = ("没有打开", "none open")

    def run(self, item: Item, pc: Pc) -> Finding:
        found = unrelated(pc.probes.windowed(), item.names)
        to_do = (f"关闭：{joined(found)}。", f"Close: {', '.join(found)}.")
        measured = (joined(found) or "无", ", ".join(found) or "none")
        return self.found(item, measured, is_so=not found, to_do=to_do, value=found)


class RemoteDesktop(Yes):
    id = "remote_desktop"
    title = ("远程控制", "Remote control")
    wanted = ("没有", "none")

    def run(self, item: Item, pc: Pc) -> Finding:
        ways = list(pc.probes.remote_control())
        programs = {folded(name) for name in known("remote_programs")}
        ways += [RemoteWay((f"正在运行 {name}", f"{name} runs")) for name in _running(pc, programs)]
        measured = (joined([way.text[0] for way in ways]) or "无", ", ".join(way.text[1] for way in ways) or "none")
        to_do = ("关闭远程桌面和远程控制程序。", "Switch remote desktop and remote control programs off.")
        state = OK if not ways else item.short if any(way.is_active for way in ways) else ADVICE
        value = [way.text[1] for way in ways]
        return Finding(self.id, state, self.title, measured, self.wanted, to_do if ways else both(""), value)


class VirtualMachine(Yes):
    """Told and no obstacle by itself: names of makers may mislead."""

    id = "virtual_machine"
    title = ("虚拟机", "Virtual machine")
    wanted = ("不是", "no")

    def run(self, item: Item, pc: Pc) -> Finding:
        identity = pc.machine.identity()
        named = f"{identity.maker} {identity.model}".strip()
        marks = [mark for mark in known("virtual_machines") if mark in named.casefold()]
        told = pc.probes.virtual_machine() or (named if marks else "")
        measured = (f"像是虚拟机（{told}）", f"seems to be one ({told})") if told else ("不是", "no")
        to_do = ("考试应使用真实电脑；如确需使用虚拟机，请报告主考。", "Use a real PC, or tell the chief examiner.")
        return self.found(item, measured, is_so=not told, to_do=to_do, value=told)


class AntivirusOn(Yes):
    id = "antivirus"
    title = ("防病毒", "Antivirus")
    wanted = ("已开启", "on")

    def run(self, item: Item, pc: Pc) -> Finding:
        state = pc.probes.antivirus()
        to_do = ("开启防病毒软件，全盘查杀后再封场。", "Switch it on and scan the PC before the room is sealed.")
        return self.found(item, state.text, is_so=state.is_on, to_do=to_do)


def find_installed(wanted: WantedProgram, installed: Sequence[Installed], probes: Probes) -> Installed | None:
    """Find a program by its name among what is installed, the highest version first; else by its file name.

    Every word of the wanted name must stand in the installed one, in order: `Adobe Photoshop` finds
    `Adobe Photoshop CS6 (64 Bit)`. A set of programs of which the name is a part is found by it, too.
    """
    words = [re.escape(word) for word in folded(wanted.name).split()]
    pattern = re.compile(r"(?:^|\W)" + r"\b.*?\b".join(words)) if words else None
    alike = [one for one in installed if pattern and pattern.search(folded(one.name))]
    if alike:
        return max(alike, key=lambda one: (version_key(one.version), one.version))
    return probes.find_program(wanted.name)


def unrelated(windowed: Sequence[str], allowed: Sequence[str]) -> List[str]:
    """Leave out of programs with windows what belongs to the system, the agent and the test."""
    let_in = {folded(name) for name in (*allowed, *known("own_programs"))}
    return sorted({name for name in windowed if folded(name) not in let_in and folded(_stem(name)) not in let_in})


def folded(name: str) -> str:
    """Fold what is written in different ways but means the same."""
    return re.sub(r"\s+", " ", unicodedata.normalize("NFKC", name)).strip().casefold()


def _stem(name: str) -> str:
    return Path(name).stem if name.casefold().endswith(".exe") else name


def _running(pc: Pc, names: set[str]) -> List[str]:
    return sorted({name for name in pc.probes.running() if folded(name) in names})


def _program_state(wanted: WantedProgram, found: Installed | None) -> str:
    if found is None:
        return "short"
    if not wanted.minimum:
        return OK
    if not version_key(found.version):
        return ADVICE
    return OK if version_key(found.version) >= version_key(wanted.minimum) else "short"


def _named(wanted: WantedProgram) -> str:
    return f"{wanted.name} ≥ {wanted.minimum}" if wanted.minimum else wanted.name


def _languages(names: Sequence[str]) -> Tuple[str, str]:
    pairs: List[Text] = [LANGUAGES.get(name, both(name)) for name in names]
    return joined([zh for zh, _ in pairs]) or "无", ", ".join(en for _, en in pairs) or "none"
