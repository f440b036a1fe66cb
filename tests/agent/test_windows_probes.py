"""What the room check reads of Windows, against the written model of a PC (tests/agent/windows_fake.py)."""

import pytest

from client_agent.checks.probes import Installed, Screen, Unreadable
from client_agent.windows import probes as windows_probes
from client_agent.windows.api import RegistryValue, dword, text
from client_agent.windows.probes import WindowsProbes
from tests.agent.windows_fake import PERSON, FakeWindows, InMemory

PERSON_KEY = f"HKU\\{PERSON}"
UNINSTALL = windows_probes.UNINSTALL


class Calls:
    """The calls besides the lockdown's interface."""

    def __init__(self, sizes=((1920, 1080),), health=0):
        self.sizes, self.health = sizes, health

    def screen_sizes(self):
        return self.sizes

    def antivirus_health(self):
        return self.health


@pytest.fixture
def windows():
    return FakeWindows(InMemory(), version=(6, 1, 7601))


def put(windows, key, **values):
    for name, value in values.items():
        windows.set_value(key, name, value)


def test_the_system_is_named_with_its_service_pack_and_version(windows):
    put(windows, windows_probes.CURRENT, ProductName=text("Windows 7 Professional"), CSDVersion=text("Service Pack 1"))
    system = WindowsProbes(windows, Calls()).system()
    assert (system.family, system.version) == ("windows", "6.1.7601")
    assert system.name == "Windows 7 Professional Service Pack 1 6.1.7601"


def test_windows_11_is_not_taken_for_the_10_that_it_calls_itself():
    windows = FakeWindows(InMemory(), version=(10, 0, 22631))
    put(windows, windows_probes.CURRENT, ProductName=text("Windows 10 Pro"))
    assert WindowsProbes(windows, Calls()).system().name == "Windows 11 Pro 10.0.22631"


@pytest.mark.parametrize(
    ("name", "value", "size"),
    [
        ("HardwareInformation.qwMemorySize", RegistryValue("REG_QWORD", 4 * 2**30), 4 * 2**30),
        ("HardwareInformation.MemorySize", dword(2**30), 2**30),
        ("HardwareInformation.MemorySize", RegistryValue("REG_BINARY", "00000040"), 2**30),
    ],
)
def test_video_memory_is_read_as_new_and_old_drivers_write_it(windows, name, value, size):
    windows.set_value(f"{windows_probes.CARDS}\\0000", name, value)
    assert WindowsProbes(windows, Calls()).video_memory_bytes() == size


def test_a_card_that_does_not_tell_its_memory_is_unknown(windows):
    with pytest.raises(Unreadable):
        WindowsProbes(windows, Calls()).video_memory_bytes()


def test_disks_are_named_by_their_device(windows):
    disk = r"SCSI\Disk&Ven_KINGSTON&Prod_SA400\4&1"
    put(windows, f"{windows_probes.SERVICES}\\Disk\\Enum", **{"0": text(disk), "Count": dword(1)})
    assert WindowsProbes(windows, Calls()).disks() == [disk]


def test_a_twin_screen_counts_though_it_shows_the_same(windows):
    windows.pc["plugged_screens"], windows.pc["topology"] = 2, 2
    assert WindowsProbes(windows, Calls()).screens() == [Screen(1920, 1080)] * 2
    windows.pc["plugged_screens"] = 1
    assert WindowsProbes(windows, Calls()).screens() == [Screen(1920, 1080)]
    assert WindowsProbes(windows, Calls(sizes=())).screens() == []


def test_keyboard_and_mouse_are_counted(windows):
    probes = WindowsProbes(windows, Calls())
    assert (probes.has_keyboard(), probes.has_mouse()) == (False, False)
    put(windows, f"{windows_probes.SERVICES}\\kbdclass\\Enum", Count=dword(1))
    put(windows, f"{windows_probes.SERVICES}\\mouclass\\Enum", Count=dword(2))
    assert (probes.has_keyboard(), probes.has_mouse()) == (True, True)


@pytest.mark.parametrize(
    ("layouts", "languages"),
    [(["00000804"], ["en", "zh"]), (["00000409"], ["en"]), (["e0010804"], ["en", "zh"]), (["00000411"], []), ([], [])],
)
def test_r_room_3_input_methods_of_who_is_logged_in(windows, layouts, languages):
    values = {str(place): text(layout) for place, layout in enumerate(layouts, 1)}
    put(windows, f"{PERSON_KEY}\\Keyboard Layout\\Preload", **values)
    assert WindowsProbes(windows, Calls()).input_languages() == languages


def test_nobody_logged_in_is_told(windows):
    windows.pc["loaded"] = []
    with pytest.raises(Unreadable) as told:
        WindowsProbes(windows, Calls()).input_languages()
    assert "没有人登录" in told.value.text[0]


def test_chinese_fonts_are_known_by_file_and_by_name(windows):
    put(
        windows,
        f"{windows_probes.CURRENT}\\Fonts",
        **{
            "Arial (TrueType)": text("arial.ttf"),
            "SimSun & NSimSun (TrueType)": text("simsun.ttc"),
            "方正小标宋 (TrueType)": text("FZXBS.TTF"),
        },
    )
    assert WindowsProbes(windows, Calls()).chinese_fonts() == ["宋体", "方正小标宋"]


def test_programs_are_listed_from_machine_and_person_in_both_widths(windows):
    put(windows, f"{UNINSTALL[0]}\\{{A}}", DisplayName=text("Adobe Photoshop CS6"), DisplayVersion=text("13.0"))
    put(windows, f"{UNINSTALL[1]}\\B", DisplayName=text("Adobe Fireworks CS6"))
    put(windows, f"{UNINSTALL[0]}\\KB1", ReleaseType=text("Update"))
    own = f"{PERSON_KEY}\\Software\\Microsoft\\Windows\\CurrentVersion\\Uninstall\\C"
    put(windows, own, DisplayName=text("Firefox"), DisplayVersion=text("115.0"))
    assert WindowsProbes(windows, Calls()).installed() == [
        Installed("Adobe Photoshop CS6", "13.0"),
        Installed("Adobe Fireworks CS6", ""),
        Installed("Firefox", "115.0"),
    ]


def test_a_program_is_found_where_windows_looks_for_it_when_it_is_started(windows, tmp_path):
    program = tmp_path / "photoshop.exe"
    put(windows, f"{windows_probes.APP_PATHS}\\photoshop.exe", **{"": text(f'"{program}"')})
    probes = WindowsProbes(windows, Calls())
    assert probes.find_program("photoshop") is None  # registered, but gone
    program.write_bytes(b"MZ")
    assert probes.find_program("photoshop") == Installed("photoshop")
    assert probes.find_program("fireworks") is None


def test_running_programs_and_those_with_a_window_are_told_apart(windows):
    windows.start("QQ.exe", window=True)
    windows.start("updater.exe")
    probes = WindowsProbes(windows, Calls())
    assert {"QQ.exe", "updater.exe"} <= set(probes.running())
    assert "QQ.exe" in probes.windowed()
    assert "updater.exe" not in probes.windowed()


def test_a_pc_that_allows_remote_desktop_is_told(windows):
    probes = WindowsProbes(windows, Calls())
    put(windows, windows_probes.REMOTE_DESKTOP, fDenyTSConnections=dword(1))
    assert probes.remote_control() == []
    put(windows, windows_probes.REMOTE_DESKTOP, fDenyTSConnections=dword(0))
    assert [(way.text[0], way.is_active) for way in probes.remote_control()] == [("已允许远程桌面连接", False)]
    windows.pc["remote"] = True
    assert [way.is_active for way in probes.remote_control()] == [True, False]


@pytest.mark.parametrize(("health", "is_on"), [(0, True), (1, False), (2, False), (3, False)])
def test_the_security_center_says_whether_antivirus_is_on(windows, health, is_on):
    assert WindowsProbes(windows, Calls(health=health)).antivirus().is_on is is_on


def test_a_server_without_security_center_is_unknown(windows):
    with pytest.raises(Unreadable):
        WindowsProbes(windows, Calls(health=None)).antivirus()


@pytest.mark.parametrize(
    ("card", "kind"),
    [
        ({"*PhysicalMediaType": 14, "Characteristics": 0x84}, "wired"),
        ({"DriverDesc": "Realtek PCIe GBE", "Characteristics": 0x84}, "wired"),
        ({"*PhysicalMediaType": 9, "Characteristics": 0x84}, "wireless"),
        ({"DriverDesc": "Intel(R) Wi-Fi 6 AX201", "Characteristics": 0x84}, "wireless"),
        ({"DriverDesc": "802.11n USB", "Characteristics": 0x84}, "wireless"),
        ({"DriverDesc": "Bluetooth Device (Personal Area Network)", "Characteristics": 0x84}, "bluetooth"),
        ({"DriverDesc": "VMware Virtual Ethernet Adapter", "Characteristics": 0x1}, "virtual"),
        ({"DriverDesc": "WAN Miniport (IP)", "Characteristics": 0x29, "*PhysicalMediaType": 0}, "virtual"),
    ],
)
def test_r_room_9_cards_are_told_apart_by_medium_and_name(windows, card, kind):
    values = {name: dword(value) if isinstance(value, int) else text(value) for name, value in card.items()}
    put(windows, f"{windows_probes.ADAPTERS}\\0007", NetCfgInstanceId=text("{G}"), **values)
    put(windows, f"{windows_probes.CONNECTIONS}\\{{G}}\\Connection", Name=text("本地连接"))
    assert WindowsProbes(windows, Calls())._kinds() == {"本地连接": kind}


def test_gateways_and_name_servers_of_living_cards_are_read_and_others_passed_over(windows):
    multi = "REG_MULTI_SZ"
    put(
        windows,
        f"{windows_probes.INTERFACES}\\{{LIVE}}",
        IPAddress=RegistryValue(multi, ["127.0.0.1"]),
        DefaultGateway=RegistryValue(multi, ["192.168.1.1"]),
        NameServer=text("192.168.1.1,223.5.5.5"),
    )
    put(
        windows,
        f"{windows_probes.INTERFACES}\\{{GONE}}",
        DhcpIPAddress=text("203.0.113.77"),
        DhcpDefaultGateway=RegistryValue(multi, ["203.0.113.1"]),
    )
    network = WindowsProbes(windows, Calls()).network()
    assert network.gateways == ["192.168.1.1"]
    assert network.name_servers == ["192.168.1.1", "223.5.5.5"]


@pytest.mark.parametrize(
    ("enabled", "server", "proxies"),
    [
        (1, "10.0.0.1:3128", ["10.0.0.1:3128"]),
        (1, "http=10.0.0.1:3128;https=10.0.0.2:8080", ["10.0.0.1:3128", "10.0.0.2:8080"]),
        (1, "http://proxy.school", ["proxy.school:80"]),
        (0, "10.0.0.1:3128", []),
    ],
)
def test_r_room_2_a_proxy_that_is_set_is_found_to_be_tried(windows, enabled, server, proxies):
    key = f"{PERSON_KEY}\\Software\\Microsoft\\Windows\\CurrentVersion\\Internet Settings"
    put(windows, key, ProxyEnable=dword(enabled), ProxyServer=text(server))
    assert WindowsProbes(windows, Calls()).network().proxies == proxies


def test_the_firewall_is_told_by_profile(windows):
    put(windows, f"{windows_probes.PROFILES}\\PublicProfile", EnableFirewall=dword(1))
    put(windows, f"{windows_probes.PROFILES}\\StandardProfile", EnableFirewall=dword(0))
    told = WindowsProbes(windows, Calls()).firewall()
    assert {"public on", "private off"} <= set(told)


def test_the_loopback_is_no_card(windows):
    assert not [one for one in WindowsProbes(windows, Calls()).adapters() if "127.0.0.1" in one.addresses]
