"""What the PC is made of."""

from __future__ import annotations

from pathlib import Path

from client_agent.checks.check import Bounded, Pc, Yes
from client_agent.checks.finding import Finding, Item, both
from client_agent.checks.probes import Text

GIGABYTE = 10**9
# The graphics card and the firmware keep a part of the memory that was paid for.
MEMORY_KEPT_BACK = 0.15
# A disk sold as 500 GB shows less once it is formatted and has its recovery partition.
DISK_KEPT_BACK = 0.1
# A processor sold with 3.0 GHz tells 2.99.
CLOCK_TOLD_LESS = 0.02
ANOTHER_PC: Text = ("换用配置更高的考试机。", "Use a better PC.")


class Cores(Bounded):
    id = "cpu_cores"
    title = ("处理器核数", "CPU cores")
    to_do = ("换用配置更高的考试机。", "Use a PC with more cores.")

    def measure(self, pc: Pc) -> float:
        return pc.probes.cores()


class ClockSpeed(Bounded):
    id = "cpu_ghz"
    title = ("处理器主频", "CPU clock")
    to_do = ANOTHER_PC
    unit = " GHz"

    def measure(self, pc: Pc) -> float:
        return pc.probes.clock_ghz()

    def counted(self, value: float) -> float:
        return value / (1 - CLOCK_TOLD_LESS)


class Memory(Bounded):
    id = "memory_gb"
    title = ("内存", "Memory")
    to_do = ("增加内存或换用其他考试机。", "Add memory or use another PC.")
    unit = " GB"

    def measure(self, pc: Pc) -> float:
        return pc.probes.memory_bytes() / GIGABYTE

    def counted(self, value: float) -> float:
        return value / (1 - MEMORY_KEPT_BACK)


class VideoMemory(Bounded):
    id = "video_memory_gb"
    title = ("显存", "Video memory")
    to_do = ANOTHER_PC
    unit = " GB"

    def measure(self, pc: Pc) -> float:
        return pc.probes.video_memory_bytes() / GIGABYTE


class DiskSize(Bounded):
    id = "disk_gb"
    title = ("硬盘容量", "Disk size")
    to_do = ANOTHER_PC
    unit = " GB"

    def measure(self, pc: Pc) -> float:
        size, _free = pc.probes.disk_bytes(work_place(pc))
        return size / GIGABYTE

    def counted(self, value: float) -> float:
        return value / (1 - DISK_KEPT_BACK)


class DiskFree(Bounded):
    id = "disk_free_gb"
    title = ("可用磁盘", "Free disk")
    to_do = ("清理磁盘。", "Free space.")
    unit = " GB"

    def measure(self, pc: Pc) -> float:
        _size, free = pc.probes.disk_bytes(work_place(pc))
        return free / GIGABYTE

    def advice(self, pc: Pc) -> Text:
        place = work_place(pc)
        return f"清理 {place} 所在磁盘。", f"Free space on the disk that holds {place}."


class Screens(Bounded):
    id = "screens"
    title = ("显示器个数", "Screens")
    to_do = ("拔掉多余的显示器，只留一台。", "Unplug the further screens.")
    at_most = True

    def measure(self, pc: Pc) -> float:
        return len(pc.probes.screens())


class ScreenWidth(Bounded):
    id = "screen_width"
    title = ("屏幕宽度", "Screen width")
    to_do = ("调高分辨率，或换用更大的显示器。", "Set a higher resolution, or use a larger screen.")

    def measure(self, pc: Pc) -> float:
        return max((screen.width for screen in pc.probes.screens()), default=0)


class ScreenHeight(Bounded):
    id = "screen_height"
    title = ("屏幕高度", "Screen height")
    to_do = ScreenWidth.to_do

    def measure(self, pc: Pc) -> float:
        return max((screen.height for screen in pc.probes.screens()), default=0)


class InputDevices(Yes):
    id = "input_devices"
    title = ("键盘和鼠标", "Keyboard and mouse")
    wanted = ("都有", "both")

    def run(self, item: Item, pc: Pc) -> Finding:
        names = (("键盘", "keyboard", pc.probes.has_keyboard()), ("鼠标", "mouse", pc.probes.has_mouse()))
        there = [(zh, en) for zh, en, is_there in names if is_there]
        missing = [(zh, en) for zh, en, is_there in names if not is_there]
        measured = ("、".join(zh for zh, _ in there) or "无", " and ".join(en for _, en in there) or "none")
        zh, en = ("、".join(zh for zh, _ in missing), " and ".join(en for _, en in missing))
        to_do = (f"接好{zh}。", f"Connect the {en}.")
        return self.found(item, measured, is_so=not missing, to_do=to_do)


class PowerSupply(Yes):
    id = "power"
    title = ("供电", "Power")
    wanted = ("外接电源", "mains")

    def run(self, item: Item, pc: Pc) -> Finding:
        battery = pc.probes.battery()
        if battery is None:
            return self.found(item, ("外接电源", "mains"), is_so=True, to_do=both(""))
        level_zh, level_en = "", ""
        if battery.percent is not None:
            level_zh, level_en = f"，电量 {battery.percent:.0f}%", f", {battery.percent:.0f} %"
        if battery.is_plugged_in:
            measured = (f"外接电源，有电池或 UPS{level_zh}", f"mains, with battery or UPS{level_en}")
        else:
            measured = (f"正在用电池{level_zh}", f"on battery{level_en}")
        to_do = ("接上外接电源。", "Connect it to the mains.")
        return self.found(item, measured, is_so=battery.is_plugged_in, to_do=to_do)


def work_place(pc: Pc) -> Path:
    """Name an existing folder on the disk where the work folder would be, else the one that holds the agent's own."""
    drives = pc.machine.work_drives()
    if drives:
        return drives[0]
    state = pc.machine.state_folder()
    return next(place for place in (state, *state.parents) if place.exists())
