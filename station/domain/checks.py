"""The checks of the room's machines: which there are, how each is judged, and what the station wants of itself.

The agent measures candidate PCs and shares no code with this; PROTOCOL.md is the contract. A check that a plan names
and this table lacks is refused at import.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class MachineRole(StrEnum):
    """What a machine is for."""

    CANDIDATE_PC = "candidate_pc"
    SERVER = "server"
    INVIGILATOR_PC = "invigilator_pc"


class Rule(StrEnum):
    """How a measured value is held against what is wanted."""

    AT_LEAST = "at_least"
    AT_MOST = "at_most"
    VERSION = "version"
    PROGRAMS = "programs"
    NAMES = "names"
    STATE = "state"


class Severity(StrEnum):
    """What short of the minimum means: not fit, or fit with advice."""

    FAIL = "fail"
    ADVICE = "advice"


@dataclass(frozen=True)
class Check:
    """One check. `is_frozen`: once the room is sealed, a result that gets worse breaks the seal.

    `to_do` is for the machines that the station itself judges (server, invigilator's PC).
    """

    rule: Rule
    title: tuple[str, str]
    roles: frozenset[MachineRole]
    unit: str = ""
    severity: Severity = Severity.FAIL
    is_frozen: bool = False
    to_do: tuple[str, str] = ("", "")


_PC, _SERVER, _STAFF = MachineRole.CANDIDATE_PC, MachineRole.SERVER, MachineRole.INVIGILATOR_PC
_ALL = frozenset(MachineRole)
_PCS = frozenset({_PC, _STAFF})
_FIXED = frozenset({_PC, _SERVER})
_ONLY_PC, _ONLY_SERVER = frozenset({_PC}), frozenset({_SERVER})

CHECKS: Mapping[str, Check] = {
    "station": Check(Rule.STATE, ("考站", "Station"), _PCS, is_frozen=True),
    "round_trip_ms": Check(
        Rule.AT_MOST, ("往返时间", "Round trip"), _PCS, " ms",
        to_do=("检查网线和交换机，停用无线网络。", "Check cable and switch; switch wireless off."),
    ),
    "loss_percent": Check(Rule.AT_MOST, ("丢包", "Loss"), _ONLY_PC, " %"),
    "clock_offset_s": Check(
        Rule.AT_MOST, ("时钟偏差", "Clock offset"), _ALL, " s", Severity.ADVICE,
        to_do=("校准本机时间。", "Set the clock of this machine."),
    ),
    "internet": Check(Rule.STATE, ("外网隔离", "Internet closed"), _ONLY_PC, is_frozen=True),
    "wired": Check(Rule.STATE, ("有线网络", "Wired network"), _FIXED, is_frozen=True,
                   to_do=("接好网线，停用无线网卡和蓝牙。", "Connect the cable; switch wireless and Bluetooth off.")),
    "link_speed_mbps": Check(
        Rule.AT_LEAST, ("网络速率", "Link speed"), _FIXED, " Mbit/s",
        to_do=("换千兆网线、网口或交换机端口。", "Use a gigabit cable, card and switch port."),
    ),
    "fixed_address": Check(
        Rule.STATE, ("固定 IP 地址", "Fixed IP address"), _ONLY_SERVER, is_frozen=True,
        to_do=("在网卡设置中改为手动 IP 地址，再检查一次。", "Give the card a manual address, then check again."),
    ),
    "central_platform": Check(
        Rule.STATE, ("上级平台", "Central platform"), _ONLY_SERVER, severity=Severity.ADVICE,
        to_do=("检查服务器外网和 [central] 设置；没有外网可考后导出成果包。",
               "Check the server's Internet and [central]; without it, results are exported to a stick afterwards."),
    ),
    "cpu_cores": Check(Rule.AT_LEAST, ("处理器核数", "CPU cores"), _ALL,
                       to_do=("换用配置更高的机器。", "Use a machine with more cores.")),
    "cpu_ghz": Check(Rule.AT_LEAST, ("处理器主频", "CPU clock"), _ALL, " GHz", Severity.ADVICE,
                     to_do=("换用配置更高的机器。", "Use a faster machine.")),
    "memory_gb": Check(Rule.AT_LEAST, ("内存", "Memory"), _ALL, " GB",
                       to_do=("增加内存或换用其他机器。", "Add memory or use another machine.")),
    "disk_gb": Check(Rule.AT_LEAST, ("硬盘容量", "Disk size"), _ALL, " GB", Severity.ADVICE,
                     to_do=("换用更大的硬盘。", "Use a larger disk.")),
    "disk_free_gb": Check(Rule.AT_LEAST, ("可用磁盘", "Free disk"), _ALL, " GB",
                          to_do=("清理磁盘。", "Free space on the disk.")),
    "disk_budget": Check(
        Rule.STATE, ("磁盘预算", "Disk budget"), _ONLY_SERVER,
        to_do=("删除或移走数据磁盘上与考试无关的文件。", "Remove what is not the exam's from the disk."),
    ),
    "write_mb_s": Check(Rule.AT_LEAST, ("磁盘写入速度", "Disk write speed"), _FIXED, " MB/s",
                        to_do=("关闭占用磁盘的程序，或更换硬盘。", "Close what uses the disk, or replace it.")),
    "video_memory_gb": Check(Rule.AT_LEAST, ("显存", "Video memory"), _PCS, " GB", Severity.ADVICE,
                             to_do=("换用显卡配置更高的机器。", "Use a machine with a better graphics card.")),
    "screens": Check(Rule.AT_MOST, ("显示器个数", "Screens"), _PCS, is_frozen=True,
                     to_do=("拔掉多余的显示器。", "Unplug further screens.")),
    "screen_width": Check(Rule.AT_LEAST, ("屏幕宽度", "Screen width"), _PCS,
                          to_do=("调高分辨率。", "Set a higher resolution.")),
    "screen_height": Check(Rule.AT_LEAST, ("屏幕高度", "Screen height"), _PCS,
                           to_do=("调高分辨率。", "Set a higher resolution.")),
    "input_devices": Check(Rule.STATE, ("键盘和鼠标", "Keyboard and mouse"), _ONLY_PC),
    "power": Check(
        Rule.STATE, ("供电", "Power"), _FIXED, severity=Severity.ADVICE,
        to_do=("给服务器接上不间断电源（UPS）。", "Put the server on a UPS."),
    ),
    "system_version": Check(
        Rule.VERSION, ("操作系统", "System"), _ALL, is_frozen=True,
        to_do=("请升级系统。考站须装在 Windows 8.1 / Server 2012 R2 或以上，或 Linux；"
               "Server 2008 R2 只能通过网络提供 SQL Server 数据库。",
               "Update the system. The station needs Windows 8.1 / Server 2012 R2 or later, or Linux; "
               "Server 2008 R2 can only serve as SQL Server over the network."),
    ),
    "browser_version": Check(
        Rule.AT_LEAST, ("浏览器", "Browser"), _PCS, is_frozen=True,
        to_do=("安装 Chrome 109 或更高版本。", "Install Chrome 109 or later."),
    ),
    "input_methods": Check(Rule.NAMES, ("输入法", "Input methods"), _ONLY_PC),
    "fonts": Check(Rule.NAMES, ("中文字体", "Chinese fonts"), _ONLY_PC),
    "programs": Check(Rule.PROGRAMS, ("考试软件", "Programs for the test"), _ONLY_PC, is_frozen=True),
    "forbidden_programs": Check(Rule.NAMES, ("禁用程序", "Forbidden programs"), _ONLY_PC, is_frozen=True),
    "other_programs": Check(
        Rule.NAMES, ("无关程序", "Unrelated programs"), _ONLY_PC, severity=Severity.ADVICE, is_frozen=True
    ),
    "remote_desktop": Check(Rule.STATE, ("远程控制", "Remote control"), _ONLY_PC, is_frozen=True),
    "virtual_machine": Check(Rule.STATE, ("虚拟机", "Virtual machine"), _ONLY_PC, severity=Severity.ADVICE),
    "antivirus": Check(Rule.STATE, ("防病毒", "Antivirus"), _FIXED, severity=Severity.ADVICE),
    "restore_card": Check(Rule.STATE, ("硬盘还原", "Disk reset"), _ONLY_PC, severity=Severity.ADVICE),
    "ports": Check(
        Rule.NAMES, ("其他网络服务", "Other network services"), _ONLY_SERVER, severity=Severity.ADVICE,
        to_do=("停用不需要的服务，或确认它们与考试无冲突。", "Stop services that are not needed."),
    ),
    "open_files": Check(
        Rule.AT_LEAST, ("可打开文件数", "Open files limit"), _ONLY_SERVER,
        to_do=("调高打开文件数上限（服务单元 LimitNOFILE 或 ulimit -n）后重启考站。",
               "Raise the limit of open files (LimitNOFILE in the unit, or ulimit -n) and restart the station."),
    ),
}  # fmt: skip

_REMOTE_AND_CHAT = [
    "qq.exe", "tim.exe", "wechat.exe", "weixin.exe", "wxwork.exe", "dingtalk.exe", "feishu.exe", "skype.exe",
    "telegram.exe", "teamviewer.exe", "todesk.exe", "sunloginclient.exe", "anydesk.exe", "rustdesk.exe",
    "vncviewer.exe", "cheatengine.exe",
    "qq", "wechat", "dingtalk", "telegram-desktop", "teamviewer", "todesk", "anydesk", "rustdesk", "sunloginclient",
]  # fmt: skip

# What the station wants of each machine, whatever the certificate.
DEFAULTS: Mapping[MachineRole, list[Mapping[str, object]]] = {
    MachineRole.CANDIDATE_PC: [
        {"check": "station"},
        {"check": "round_trip_ms", "recommended": 50, "minimum": 1000},
        {"check": "loss_percent", "recommended": 0, "minimum": 5},
        {"check": "clock_offset_s", "recommended": 5, "minimum": 60},
        {"check": "internet"},
        {"check": "wired"},
        {"check": "link_speed_mbps", "recommended": 1000, "minimum": 100},
        {"check": "cpu_cores", "recommended": 2, "minimum": 2},
        {"check": "memory_gb", "recommended": 8, "minimum": 4},
        {"check": "disk_free_gb", "recommended": 20, "minimum": 5},
        {"check": "write_mb_s", "recommended": 30, "minimum": 5},
        {"check": "screens", "recommended": 1, "minimum": 1},
        {"check": "screen_width", "recommended": 1366, "minimum": 1024},
        {"check": "screen_height", "recommended": 768, "minimum": 720},
        {"check": "input_devices"},
        {"check": "power"},
        {"check": "system_version", "recommended": "6.1", "minimum": "6.1"},
        {"check": "browser_version", "recommended": 109, "minimum": 109},
        {"check": "input_methods", "names": ["zh", "en"]},
        {"check": "fonts", "names": ["zh"]},
        {"check": "forbidden_programs", "names": _REMOTE_AND_CHAT},
        {"check": "other_programs"},
        {"check": "remote_desktop"},
        {"check": "virtual_machine"},
        {"check": "antivirus"},
        {"check": "restore_card"},
    ],
    MachineRole.SERVER: [
        {"check": "fixed_address"},
        {"check": "central_platform"},
        {"check": "clock_offset_s", "recommended": 2, "minimum": 30},
        {"check": "wired"},
        {"check": "link_speed_mbps", "recommended": 1000, "minimum": 1000, "severity": "advice"},
        {"check": "cpu_cores", "recommended": 4, "minimum": 2},
        {"check": "memory_gb", "recommended": 8, "minimum": 4},
        {"check": "disk_free_gb", "recommended": 50, "minimum": 5},
        {"check": "disk_budget"},
        {"check": "write_mb_s", "recommended": 50, "minimum": 5},
        {"check": "power"},
        {"check": "system_version", "recommended": "6.3", "minimum": "6.3"},
        {"check": "ports"},
        # 45 PCs with 6 connections each, and what the station itself has open.
        {"check": "open_files", "recommended": 1024, "minimum": 512},
    ],
    MachineRole.INVIGILATOR_PC: [
        {"check": "station"},
        {"check": "round_trip_ms", "recommended": 50, "minimum": 1000},
        {"check": "clock_offset_s", "recommended": 5, "minimum": 60},
        {"check": "screen_width", "recommended": 1366, "minimum": 1366, "severity": "advice"},
        {"check": "screen_height", "recommended": 768, "minimum": 720, "severity": "advice"},
        {"check": "browser_version", "recommended": 109, "minimum": 109},
    ],
}
