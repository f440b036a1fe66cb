"""What the room check reads of Linux: from a tree of files as /proc and /sys have them, and from this very system."""

import os
import socket

import psutil
import pytest

from client_agent.checks.probes import Installed, Screen, Unreadable
from client_agent.errors import AgentError
from client_agent.linux.probes import LinuxProbes
from tests.agent.x_ground import XScreen, until

pytestmark = pytest.mark.skipif(os.name != "posix", reason="probes of Linux")
KEYBOARD = """I: Bus=0003 Vendor=046d Product=c31c Version=0110
N: Name="Logitech USB Keyboard"
H: Handlers=sysrq kbd event3 leds
B: EV=120013
B: KEY=1000000000007 ff9f207ac14057ff febeffdfffefffff fffffffffffffffe"""
POWER_BUTTON = """I: Bus=0019 Vendor=0000 Product=0001 Version=0000
N: Name="Power Button"
H: Handlers=kbd event0
B: KEY=10000000000000 0"""
MOUSE = """I: Bus=0003 Vendor=046d Product=c077 Version=0111
N: Name="Logitech USB Optical Mouse"
H: Handlers=mouse0 event4
B: KEY=ff0000 0 0 0 0"""


@pytest.fixture
def tree(tmp_path):
    return Tree(tmp_path)


class Tree:
    """The files of a PC."""

    def __init__(self, root):
        self.root = root

    def write(self, path, content):
        place = self.root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(content, encoding="utf-8")

    def probes(self, **environment):
        return LinuxProbes(self.root, environment)


def test_the_system_is_named(tree):
    tree.write("etc/os-release", 'PRETTY_NAME="UnionTech OS Desktop 20"\nVERSION_ID="20"\n')
    system = tree.probes().system()
    assert (system.family, system.name, system.version) == ("linux", "UnionTech OS Desktop 20", "20")
    assert LinuxProbes().system().name


def test_video_memory_is_told_by_some_drivers_and_unknown_of_others(tree):
    with pytest.raises(Unreadable):
        tree.probes().video_memory_bytes()
    tree.write("sys/class/drm/card0/device/mem_info_vram_total", "2147483648\n")
    assert tree.probes().video_memory_bytes() == 2**31


def test_disks_and_sticks_are_named_and_loops_are_not(tree):
    for name, size in (("sda", "468862128"), ("sdb", "31116288"), ("loop0", "8"), ("ram1", "8")):
        tree.write(f"sys/block/{name}/size", size)
    tree.write("sys/block/sda/device/model", "KINGSTON SA400S3")
    assert tree.probes().disks() == ["KINGSTON SA400S3 240 GB", "sdb 15 GB"]


def test_a_power_button_is_no_keyboard(tree):
    tree.write("proc/bus/input/devices", POWER_BUTTON)
    assert (tree.probes().has_keyboard(), tree.probes().has_mouse()) == (False, False)
    tree.write("proc/bus/input/devices", "\n\n".join([POWER_BUTTON, KEYBOARD, MOUSE]))
    assert (tree.probes().has_keyboard(), tree.probes().has_mouse()) == (True, True)


def test_a_system_that_lists_no_devices_is_unknown_and_not_without_keyboard(tree):
    with pytest.raises(Unreadable):
        tree.probes().has_keyboard()


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("usr/share/ibus/component/libpinyin.xml", "<engine><language>zh_CN</language></engine>"),
        ("usr/share/fcitx5/inputmethod/pinyin.conf", "[InputMethod]\nName=Pinyin\nLangCode=zh_CN\n"),
    ],
)
def test_r_room_3_a_chinese_input_method_is_found(tree, path, content):
    assert tree.probes().input_languages() == ["en"]
    tree.write(path, content)
    assert tree.probes().input_languages() == ["en", "zh"]


def test_this_systems_fonts_and_packages_are_listed():
    probes = LinuxProbes()
    try:
        assert all(probes.chinese_fonts())
        installed = probes.installed()
    except Unreadable as missing:
        pytest.skip(str(missing))
    if any(one.name == "dpkg" for one in installed):
        assert next(one for one in installed if one.name == "dpkg").version[0].isdigit()


def test_a_program_is_found_on_the_path_with_its_version(tree, monkeypatch):
    program = tree.root / "bin" / "libre-office"
    tree.write("bin/libre-office", "#!/bin/sh\necho 'LibreOffice 7.4.7.2 build'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent))
    assert tree.probes().find_program("Libre Office") == Installed("Libre Office", "7.4.7.2")
    assert tree.probes().find_program("Photoshop") is None


def test_entries_of_the_menu_are_programs(tree, monkeypatch):
    monkeypatch.setenv("PATH", str(tree.root))
    tree.write("usr/share/applications/gimp.desktop", "[Desktop Entry]\nName=GIMP\nName[zh_CN]=图像处理\n")
    assert tree.probes().installed() == [Installed("GIMP")]


def net(tree, name, *, state="up", **files):
    for file, content in {"address": "00:1b:21:aa:bb:cc", "operstate": state, "type": "1", **files}.items():
        tree.write(f"sys/class/net/{name}/{file}", content)


def test_r_room_9_cards_are_told_apart_by_what_the_kernel_says(tree):
    net(tree, "enp3s0", **{"device/vendor": "0x8086"})
    net(tree, "wlp2s0", state="down", **{"device/vendor": "0x8086", "wireless/status": "0"})
    net(tree, "docker0")
    net(tree, "lo")
    tree.write("sys/class/bluetooth/hci0/address", "x")
    tree.write("sys/class/rfkill/rfkill0/type", "bluetooth")
    tree.write("sys/class/rfkill/rfkill0/state", "1")
    told = {(one.name, one.kind, one.is_up) for one in tree.probes().adapters()}
    assert told == {("enp3s0", "wired", True), ("wlp2s0", "wireless", False), ("hci0", "bluetooth", True)}
    tree.write("sys/class/rfkill/rfkill0/state", "0")
    assert ("hci0", "bluetooth", False) in {(one.name, one.kind, one.is_up) for one in tree.probes().adapters()}


def test_a_system_whose_only_card_is_made_up_has_it_as_wired(tree):
    net(tree, "eth0")
    assert [(one.name, one.kind) for one in tree.probes().adapters()] == [("eth0", "wired")]


def test_gateways_name_servers_and_proxies_are_read(tree):
    head = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n"
    tree.write(
        "proc/net/route",
        head
        + "eth0\t00000000\t0101A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n"
        + "eth0\t0001A8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0\n",
    )
    tree.write("etc/resolv.conf", "# made by hand\nnameserver 192.168.1.1\nsearch room\n")
    network = tree.probes(HTTPS_PROXY="http://10.0.0.1:3128/", all_proxy="10.0.0.2").network()
    assert network.gateways == ["192.168.1.1"]
    assert network.name_servers == ["192.168.1.1"]
    assert network.proxies == ["10.0.0.1:3128", "10.0.0.2:80"]


@pytest.mark.parametrize(
    ("environment", "said"),
    [({"XRDP_SESSION": "1"}, "xrdp"), ({"SSH_CONNECTION": "10.0.0.1 1 10.0.0.2 22"}, "SSH")],
)
def test_a_session_from_elsewhere_is_told(tree, environment, said):
    (way,) = tree.probes(**environment).remote_control()
    assert said in way.text[0]
    assert way.is_active


def test_a_port_of_remote_control_that_listens_to_the_room_is_told(tree):
    line = "   {}: {} 00000000:0000 {} 00000000:00000000 00:00000000 00000000 0 0 1\n"
    listens, connected = "0A", "01"
    tree.write(
        "proc/net/tcp",
        "  sl  local_address rem_address   st\n"
        + line.format(0, "00000000:170C", listens)  # 5900, all addresses
        + line.format(1, "0100007F:0D3D", listens)  # 3389, this PC only
        + line.format(2, "00000000:0D3D", connected),
    )
    assert [way.text[1] for way in tree.probes().remote_control()] == ["VNC on port 5900"]


@pytest.mark.parametrize("name", ["antivirus", "firewall", "virtual_machine", "battery", "clock_ghz", "disks"])
def test_what_this_system_has_not_is_unknown_with_its_reason_and_no_other_error(name):
    reason = None
    try:
        getattr(LinuxProbes(), name)()
    except Unreadable as told:
        reason = told.text
    assert reason is None or all(reason)
    assert reason is not None or name != "antivirus"


def test_this_pc_answers(tmp_path):
    probes = LinuxProbes()
    assert probes.cores() >= 1
    assert probes.memory_bytes() > 0
    assert probes.disk_bytes(tmp_path)[0] >= probes.disk_bytes(tmp_path)[1] > 0
    assert psutil.Process().name() in probes.running()
    for one in probes.adapters():
        assert one.kind in ("wired", "wireless", "bluetooth", "virtual")
    assert all(socket.inet_aton(one) for one in probes.network().gateways)


def test_without_a_screen_the_screen_is_unknown(monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    with pytest.raises(AgentError) as told:
        LinuxProbes().screens()
    assert told.value.code == "no_screen"


@pytest.fixture
def screen(tmp_path):
    made = XScreen(tmp_path)
    yield made
    made.close()


def test_on_a_real_screen_monitors_and_programs_with_windows_are_found(screen, monkeypatch):
    monkeypatch.setenv("DISPLAY", screen.name)
    probes = LinuxProbes()
    assert probes.screens() == [Screen(1366, 768)]
    assert probes.windowed() == []
    program = screen.start("xev", "-name", "unrelated")
    assert until(lambda: screen.says("xdotool", "search", "--name", "unrelated").strip())
    window = screen.says("xdotool", "search", "--name", "unrelated").split()[0]
    # What every toolkit sets by itself, and so small a program does not.
    screen.says("xprop", "-id", window, "-f", "_NET_WM_PID", "32c", "-set", "_NET_WM_PID", str(program.pid))
    assert until(lambda: probes.windowed() == ["xev"])
