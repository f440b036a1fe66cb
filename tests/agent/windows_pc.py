"""A school's PC with Windows, as the lockdown finds it: what the model in `windows_fake` begins with."""

from __future__ import annotations

POLICY = r"HKLM\SYSTEM\CurrentControlSet\Services\SharedAccess\Parameters\FirewallPolicy"
RULES = f"{POLICY}\\FirewallRules"
WINLOGON = r"HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion\Winlogon"
PERSON = "S-1-5-21-1-2-3-1001"
OLD_RULES = {
    "{A1}": "v2.10|Action=Allow|Active=TRUE|Dir=In|Protocol=6|LPort=5900|Name=VNC|",
    "{A2}": "v2.10|Action=Allow|Active=TRUE|Dir=Out|Protocol=17|RPort=53|Name=DNS|",
    "{A3}": "v2.10|Action=Block|Active=FALSE|Dir=Out|Name=an old one|",
}
SESSION = 1
# Processes of the model have numbers that Linux gives to none: the tests' own process is one of the PC's, too.
FIRST_PID = 10_000_000


def with_parents(registry, *keys):
    """Have the keys and all above them, as a registry has."""
    for key in keys:
        parts = key.split("\\")
        for count in range(2, len(parts) + 1):
            registry.setdefault("\\".join(parts[:count]), {})
    return registry


def new_pc(version):
    """A school's PC with settings of its own at every place that the lock touches."""
    profile = {"EnableFirewall": ["REG_DWORD", 0], "DefaultInboundAction": ["REG_DWORD", 1]}
    chrome = r"HKLM\SOFTWARE\Policies\Google\Chrome"
    registry = {
        r"HKLM\SOFTWARE": {}, r"HKLM\SOFTWARE\Policies": {}, r"HKLM\SOFTWARE\Policies\Google": {},
        r"HKLM\SOFTWARE\Policies\Microsoft\Windows": {},
        chrome: {"HomepageLocation": ["REG_SZ", "http://学校.example/"], "PrintingEnabled": ["REG_DWORD", 1]},
        f"{chrome}\\URLBlocklist": {"1": ["REG_SZ", "games.example"], "2": ["REG_SZ", "*.video.example"]},
        WINLOGON: {"AutoRestartShell": ["REG_DWORD", 1], "Shell": ["REG_SZ", "explorer.exe"]},
        r"HKLM\SYSTEM\CurrentControlSet\Services\USBSTOR": {"Start": ["REG_DWORD", 3], "Type": ["REG_DWORD", 1]},
        r"HKLM\SYSTEM\CurrentControlSet\Control\Terminal Server": {"fDenyTSConnections": ["REG_DWORD", 0]},
        r"HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\Policies\System": {"EnableLUA": ["REG_DWORD", 1]},
        f"HKU\\{PERSON}": {}, f"HKU\\{PERSON}\\Software\\Microsoft\\Windows\\CurrentVersion": {},
        **{f"{POLICY}\\{one}": dict(profile) for one in ("DomainProfile", "StandardProfile", "PublicProfile")},
        RULES: {name: ["REG_SZ", line] for name, line in OLD_RULES.items()},
    }  # fmt: skip
    with_parents(registry, *list(registry))
    scheme = "381b4222-f694-41f0-9685-ff5bb260df2e"
    sleep = "238c9fa8-0aad-41ed-83f4-97be242c8f20/29f6c1db-86da-48c5-9fdb-f2b67b1f44da"
    dark = "7516b95f-f776-4464-8c53-06167f40cc99/3c0bc021-c8a8-4e07-a973-6b14cbcb2b7e"
    processes = [
        (4, 0, "System", 0), (500, 4, "services.exe", 0), (600, 500, "nssm.exe", 0), (700, 4, "winlogon.exe", 1),
        (800, 700, "explorer.exe", 1), (820, 500, "dwm.exe", 1), (830, 800, "ctfmon.exe", 1),
        (840, 800, "HipsTray.exe", 1),
    ]  # fmt: skip
    return {
        "version": list(version), "boot": 1, "loaded": True, "remote": False, "registry": registry,
        "processes": [
            {"pid": FIRST_PID + pid, "parent": FIRST_PID + parent, "name": name, "session": session, "started": pid,
             "path": f"C:\\Windows\\System32\\{name}", "original": "", "window": False, "desktop": "Default"}
            for pid, parent, name, session in processes
        ],
        "next_pid": FIRST_PID + 1001, "immortal": [], "services": ["MpsSvc"], "shell_is_deaf": False,
        "desktops": {"Default": [FIRST_PID + 800, FIRST_PID + 830]}, "shown": "Default",
        "clipboard": {"content": "notes", "number": 7},
        "plugged_screens": 1, "topology": 1, "screen_saver": True,
        "key_aids": {"sticky": 0x1FE, "toggle": 0x3E, "filter": 0x7E}, "drives": [["C", False], ["D", False]],
        "stuck_drives": [], "scheme": scheme,
        "power": {f"{scheme} {dark} True": 600, f"{scheme} {dark} False": 300, f"{scheme} {sleep} True": 1800},
    }  # fmt: skip
