"""A model of a Windows PC that answers the calls of `client_agent.windows.api` as a real one would.

It lies in a JSON file, so that another process sees what one that was killed has left. Any changing call can fail or
end the process, before or after its change is made.
"""

from __future__ import annotations

import copy
import functools
import json
import os
from pathlib import Path

from client_agent.windows.api import Drive, RegistryValue, RunningProcess
from tests.agent.windows_pc import FIRST_PID, PERSON, POLICY, RULES, SESSION, WINLOGON, new_pc, with_parents


def changing(method):
    """Count the call, save the PC after it, and fail or die where the test said."""

    @functools.wraps(method)
    def call(self, *arguments):
        self.step += 1
        self.calls.append(method.__name__)
        self.disturb("before")
        try:
            return method(self, *arguments)
        finally:
            self.save()
            self.disturb("after")

    return call


class Ended(BaseException):
    """The agent's process ends here."""


class FakeStarted:
    """A process of the model, as who started it sees it."""

    def __init__(self, windows, pid):
        self.windows, self.pid = windows, pid

    def poll(self):
        return None if any(one["pid"] == self.pid for one in self.windows.pc["processes"]) else 0

    def wait(self):
        return self.poll() or 0


class InMemory:
    """Stands for the file where no other process looks at the PC: a great deal faster."""

    pc = None


class FakeWindows:
    """One PC; `FakeWindows(path)` for a path that exists is another process on the same PC."""

    is_saved_at_each_step = True

    def __init__(self, path, version=(10, 0, 19045)):
        self.path = path
        self.step = 0
        self.fail_at = self.die_at = None
        self.broken = set()
        self.hook = None
        self.hooked_on = ""
        self.held = set()
        self.session = SESSION
        self.is_admin = True
        self.netsh_is_a_stub = False
        self.die = os._exit
        self.console = SESSION
        self.started_as_system = []
        self.on_start = lambda _command, _pid: None
        self.calls = []
        if isinstance(path, InMemory):
            self.is_saved_at_each_step = False
            self.pc = path.pc = path.pc or new_pc(version)
        elif path.exists():
            self.pc = json.loads(path.read_text(encoding="utf-8"))
        else:
            self.pc = new_pc(version)
            self.save()

    # What the tests do to it

    def snapshot(self):
        """All that a lock may change, but for the programs it ends."""
        left_out = ("processes", "clipboard", "next_pid", "boot")
        kept = {key: value for key, value in self.pc.items() if key not in left_out}
        shells = [one["name"] for one in self.pc["processes"] if one["name"] == "explorer.exe"]
        now = {**kept, "desktops": sorted(self.pc["desktops"]), "shells": shells, "hook": self.hook is not None}
        return copy.deepcopy(now)

    def another_process(self):
        """Give the PC as the next process of the agent finds it."""
        if self.pc["desktops"].get("ExamAgent") == []:
            del self.pc["desktops"]["ExamAgent"]
            self.pc["shown"] = "Default"
        self.save()
        return FakeWindows(self.path)

    def reboot(self):
        """Start the PC anew: what only lived in the session is as it was at log-in."""
        first = new_pc(tuple(self.pc["version"]))
        for name in ("processes", "desktops", "shown", "screen_saver", "key_aids", "loaded"):
            self.pc[name] = first[name]
        self.pc["boot"] += 1
        self.save()

    def start(
        self, name, *, path="", parent=FIRST_PID + 600, session=SESSION, original="", window=False, desktop="Default"
    ):
        pid = self.pc["next_pid"]
        self.pc["next_pid"] += 1
        self.pc["processes"].append({
            "pid": pid, "parent": parent, "name": name, "path": path or f"C:\\Programs\\{name}", "session": session,
            "started": pid, "original": original, "window": window, "desktop": desktop,
        })  # fmt: skip
        if desktop in self.pc["desktops"]:
            self.pc["desktops"][desktop].append(pid)
        self.save()
        return pid

    def running(self):
        return [one["name"] for one in self.pc["processes"]]

    def disturb(self, moment):
        if (self.step, moment) == self.fail_at:
            raise OSError(5, f"step {self.step} {moment}")
        if (self.step, moment) == self.die_at:
            self.die(9)

    def save(self):
        if not self.is_saved_at_each_step:
            self.path.pc = self.pc
            return
        fresh = self.path.with_name(self.path.name + ".new")
        fresh.write_text(json.dumps(self.pc), encoding="utf-8")
        os.replace(str(fresh), str(self.path))

    def _ask(self, name):
        if name in self.broken:
            raise OSError(5, f"{name} is broken")

    # Registry

    def values(self, key):
        self._ask("values")
        if key.startswith("HKU\\") and not self.pc["loaded"]:
            return None
        found = self.pc["registry"].get(key)
        return None if found is None else {name: RegistryValue(*value) for name, value in found.items()}

    def subkeys(self, key):
        below = {one[len(key) + 1 :].partition("\\")[0] for one in self.pc["registry"] if one.startswith(key + "\\")}
        return sorted(below)

    @changing
    def set_value(self, key, name, value):
        self._ask("set_value")
        assert not key.startswith("HKU\\") or self.pc["loaded"], "a person's registry is not there"
        with_parents(self.pc["registry"], key)[key][name] = value.as_json()

    @changing
    def delete_value(self, key, name):
        self._ask("delete_value")
        self.pc["registry"].get(key, {}).pop(name, None)

    @changing
    def delete_key(self, key):
        self._ask("delete_key")
        if self.subkeys(key):
            raise PermissionError(key)
        self.pc["registry"].pop(key, None)

    # Processes

    def version(self):
        return tuple(self.pc["version"])

    def boot_id(self):
        return str(self.pc["boot"])

    def is_administrator(self):
        return self.is_admin

    def own_session(self):
        return self.session

    def console_session(self):
        return self.console

    def person(self):
        return PERSON if self.pc["loaded"] else None

    def is_remote_session(self):
        return self.pc["remote"]

    def processes(self):
        self._ask("processes")
        own = RunningProcess(
            os.getpid(), FIRST_PID + 600, "exam-agent.exe", "C:\\Exam\\exam-agent.exe", self.session, 1
        )
        fields = ("pid", "parent", "name", "path", "session", "started")
        return [own, *(RunningProcess(*(one[field] for field in fields)) for one in self.pc["processes"])]

    def original_name(self, path):
        return next((one["original"] for one in self.pc["processes"] if one["path"] == path), "")

    @changing
    def end_process(self, process):
        self._ask("end_process")
        name = process.name
        if name in self.pc["immortal"]:
            raise PermissionError(name)
        self.forget(process.pid)
        if name == "explorer.exe" and self.pc["registry"][WINLOGON].get("AutoRestartShell") != ["REG_DWORD", 0]:
            self.start("explorer.exe", path="C:\\Windows\\explorer.exe")

    @changing
    def start_as_person(self, command, desktop):
        self._ask("start_as_person")
        assert desktop in self.pc["desktops"]
        name = command[0].rpartition("\\")[2]
        return FakeStarted(self, self.start(name, path=command[0], parent=os.getpid(), desktop=desktop))

    @changing
    def start_as_system(self, command, session):
        self._ask("start_as_system")
        self.started_as_system.append((command[-1], session))
        started = FakeStarted(self, self.start("exam-agent.exe", parent=FIRST_PID + 4, session=session))
        self.on_start(command[-1], started.pid)
        return started

    @changing
    def run(self, command):
        self._ask("run")
        assert command[0].endswith("netsh.exe")
        if not self.netsh_is_a_stub:
            self._netsh(list(command[1:]))
        return 0

    def service_runs(self, name):
        return name in self.pc["services"]

    def forget(self, pid):
        self.pc["processes"] = [one for one in self.pc["processes"] if one["pid"] != pid]
        for on_it in self.pc["desktops"].values():
            if pid in on_it:
                on_it.remove(pid)

    def _netsh(self, words):
        registry = self.pc["registry"]
        assert words.pop(0) == "advfirewall"
        profiles = [f"{POLICY}\\{one}" for one in ("DomainProfile", "StandardProfile", "PublicProfile")]
        if words[0] == "export":
            kept = {key: value for key, value in registry.items() if key.startswith(POLICY)}
            Path(words[1]).write_text(json.dumps(kept), encoding="utf-8")
        elif words[0] == "import":
            kept = json.loads(Path(words[1]).read_text(encoding="utf-8"))
            self.pc["registry"] = {**{k: v for k, v in registry.items() if not k.startswith(POLICY)}, **kept}
        elif words == ["set", "allprofiles", "state", "on"]:
            for key in profiles:
                registry[key]["EnableFirewall"] = ["REG_DWORD", 1]
        elif words == ["set", "allprofiles", "firewallpolicy", "blockinbound,blockoutbound"]:
            for key in profiles:
                registry[key].update(DefaultInboundAction=["REG_DWORD", 1], DefaultOutboundAction=["REG_DWORD", 1])
        elif words == ["firewall", "delete", "rule", "name=all"]:
            registry[RULES] = {}
        else:
            assert words[:3] == ["firewall", "add", "rule"], words
            given = dict(word.split("=", 1) for word in words[3:])
            line = f"v2.10|Action={given['action'].title()}|Active=TRUE|Dir={given['dir'].title()}|"
            family = "RA6" if ":" in given.get("remoteip", "") else "RA4"
            line += f"{family}={given['remoteip']}|" if "remoteip" in given else ""
            registry[RULES][f"{{N{len(registry[RULES])}}}"] = ["REG_SZ", f"{line}Name={given['name']}|"]

    # Desktop

    @changing
    def create_desktop(self, name):
        self._ask("create_desktop")
        self.pc["desktops"].setdefault(name, [])
        self.held.add(name)

    @changing
    def release_desktop(self, name):
        self._ask("release_desktop")
        self.held.discard(name)
        if not self.pc["desktops"].get(name, [0]):
            del self.pc["desktops"][name]

    @changing
    def show_desktop(self, name):
        self._ask("show_desktop")
        if name not in self.pc["desktops"]:
            raise OSError(2, name)
        self.pc["shown"] = name

    def shown_desktop(self):
        self._ask("shown_desktop")
        return self.pc["shown"]

    def processes_on(self, desktop):
        return list(self.pc["desktops"].get(desktop, []))

    def processes_with_windows(self):
        return [one["pid"] for one in self.pc["processes"] if one["window"] and one["desktop"] == self.pc["shown"]]

    @changing
    def ask_shell_to_quit(self):
        self._ask("ask_shell_to_quit")
        if not self.pc["shell_is_deaf"]:
            for one in [one for one in self.pc["processes"] if one["name"] == "explorer.exe"]:
                self.forget(one["pid"])

    @changing
    def hook_keys(self, passes):
        self._ask("hook_keys")
        self.hook, self.hooked_on = passes, self.pc["shown"]

    @changing
    def unhook_keys(self):
        self._ask("unhook_keys")
        self.hook = None

    def keys_are_hooked(self):
        return self.hook is not None and self.hooked_on == self.pc["shown"]

    @changing
    def empty_clipboard(self):
        self._ask("empty_clipboard")
        self.pc["clipboard"] = {"content": "", "number": self.pc["clipboard"]["number"] + 1}

    def clipboard_number(self):
        return self.pc["clipboard"]["number"]

    def screens(self):
        return 1 if self.pc["topology"] in (1, 8) else self.pc["plugged_screens"]

    def topology(self):
        return self.pc["topology"]

    @changing
    def set_topology(self, topology):
        self._ask("set_topology")
        self.pc["topology"] = topology

    def accessibility_flags(self, kind):
        return self.pc["key_aids"][kind]

    @changing
    def set_accessibility_flags(self, kind, flags):
        self._ask("set_accessibility_flags")
        self.pc["key_aids"][kind] = flags

    def has_screen_saver(self):
        return self.pc["screen_saver"]

    @changing
    def set_screen_saver(self, on):
        self._ask("set_screen_saver")
        self.pc["screen_saver"] = on

    # Devices

    def drives(self):
        return [Drive(*one) for one in self.pc["drives"]]

    @changing
    def eject(self, drive):
        self._ask("eject")
        if drive.letter in self.pc["stuck_drives"]:
            raise OSError(5, "in use")
        self.pc["drives"] = [one for one in self.pc["drives"] if one[0] != drive.letter]

    def power_scheme(self):
        return self.pc["scheme"]

    def power_value(self, scheme, setting, plugged_in):
        return self.pc["power"].get(f"{scheme} {setting} {plugged_in}")

    @changing
    def set_power_value(self, scheme, setting, plugged_in, value):
        self._ask("set_power_value")
        assert f"{scheme} {setting} {plugged_in}" in self.pc["power"]
        self.pc["power"][f"{scheme} {setting} {plugged_in}"] = value
