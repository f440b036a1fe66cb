"""A wheel that installs on Windows 7 and then does not load there is found before it is shipped."""

import importlib.util
import struct
import zipfile

import pytest

from tests.laws.sources import ROOT

SPEC = importlib.util.spec_from_file_location("check_wheels", ROOT / "installers" / "check_wheels.py")
check_wheels = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(check_wheels)

SECTION_AT, RAW_AT = 0x1000, 0x400
BASE = 0x10000000


def program(imports, *, bits=64, subsystem=(6, 0), delayed=(), addresses_are_absolute=False):
    """Build a portable executable that imports functions (a number is an import by ordinal) and does nothing."""
    section = bytearray(0x100)  # the tables of libraries go first

    def put(content):
        at = len(section)
        section.extend(content)
        return SECTION_AT + at

    def put_names(functions):
        form, by_number = ("<Q", 1 << 63) if bits == 64 else ("<I", 1 << 31)
        entries = [
            by_number | one if isinstance(one, int) else put(b"\0\0" + one.encode() + b"\0") for one in functions
        ]
        return put(b"".join(struct.pack(form, entry) for entry in [*entries, 0]))

    at = 0
    for library, functions in imports:
        section[at : at + 20] = struct.pack("<IIIII", put_names(functions), 0, 0, put(library.encode() + b"\0"), 0)
        at += 20
    delay_at = 0x80
    at = delay_at
    for library, functions in delayed:
        base = BASE if addresses_are_absolute else 0
        names, name = put_names(functions) + base, put(library.encode() + b"\0") + base
        section[at : at + 20] = struct.pack("<IIIII", 0 if base else 1, name, 0, 0, names)
        at += 32
    directories = [0] * 32
    directories[2] = SECTION_AT if imports else 0
    directories[26] = SECTION_AT + delay_at if delayed else 0
    optional = bytearray(112 if bits == 64 else 96)
    struct.pack_into("<H", optional, 0, 0x20B if bits == 64 else 0x10B)
    struct.pack_into("<Q" if bits == 64 else "<I", optional, 24 if bits == 64 else 28, BASE)
    struct.pack_into("<HH", optional, 48, *subsystem)
    struct.pack_into("<I", optional, len(optional) - 4, 16)
    optional += struct.pack("<32I", *directories)
    head = b"MZ" + bytes(0x3A) + struct.pack("<I", 0x40)
    coff = b"PE\0\0" + struct.pack("<HHIIIHH", 0x8664 if bits == 64 else 0x14C, 1, 0, 0, 0, len(optional), 0)
    sections = struct.pack("<8sIIII16x", b".rdata", len(section), SECTION_AT, len(section), RAW_AT)
    return (head + coff + bytes(optional) + sections).ljust(RAW_AT, b"\0") + bytes(section)


OLD = ("KERNEL32.dll", ["CreateFileW", "CloseHandle", 17])
CRT = ("api-ms-win-crt-runtime-l1-1-0.dll", ["_initterm"])


def wheel(folder, name="some-1.0-cp38-cp38-win_amd64.whl", **members):
    path = folder / name
    with zipfile.ZipFile(path, "w") as archive:
        for member, content in members.items():
            archive.writestr(f"some/{member.replace('__', '.')}", content)
    return path


def reasons(path):
    return [finding.reason for finding in check_wheels.check_wheel(path)]


@pytest.mark.parametrize("bits", [32, 64])
def test_a_program_of_old_functions_loads(tmp_path, bits):
    assert reasons(wheel(tmp_path, a__pyd=program([OLD, CRT], bits=bits), readme__txt=b"MZ")) == []


@pytest.mark.parametrize("bits", [32, 64])
@pytest.mark.parametrize(
    ("library", "function"),
    [
        ("bcryptprimitives.dll", "ProcessPrng"),
        ("api-ms-win-core-synch-l1-2-0.dll", "WaitOnAddress"),
        ("KERNEL32.dll", "GetSystemTimePreciseAsFileTime"),
        ("kernel32.dll", "SetThreadDescription"),
    ],
)
def test_what_windows_7_lacks_is_refused_by_name(tmp_path, bits, library, function):
    found = reasons(wheel(tmp_path, a__pyd=program([OLD, (library, [5, function])], bits=bits)))
    assert any(function in reason for reason in found)


def test_a_library_that_came_later_is_refused_whatever_is_taken_of_it(tmp_path):
    assert reasons(wheel(tmp_path, a__dll=program([("api-ms-win-core-synch-l1-2-0.dll", [1])]))) == [
        "api-ms-win-core-synch-l1-2-0.dll: Windows 8"
    ]
    assert reasons(wheel(tmp_path, a__dll=program([("api-ms-win-core-brandnew-l1-1-0.dll", [1])]))) == [
        "api-ms-win-core-brandnew-l1-1-0.dll: not known on Windows 7"
    ]


@pytest.mark.parametrize("absolute", [False, True], ids=["offsets", "addresses"])
def test_a_delayed_import_counts_as_well(tmp_path, absolute):
    content = program([OLD], bits=32, delayed=[("kernel32.dll", ["CreateFile2"])], addresses_are_absolute=absolute)
    assert reasons(wheel(tmp_path, a__pyd=content)) == ["CreateFile2 of kernel32.dll: Windows 8"]


def test_a_program_marked_for_a_later_windows_is_refused(tmp_path):
    assert reasons(wheel(tmp_path, a__exe=program([OLD], subsystem=(10, 0)))) == ["is made for Windows 10.0"]


def test_a_library_that_comes_along_is_not_the_systems(tmp_path):
    assert reasons(wheel(tmp_path, a__pyd=program([("shcore.dll", ["x"])]), shcore__dll=program([OLD]))) == []


@pytest.mark.parametrize(
    "content", [b"", b"MZ", b"no program", program([OLD])[:0x90], program([OLD])[:RAW_AT], b"MZ" + b"\xff" * 100]
)
def test_what_cannot_be_read_is_refused_and_not_passed(tmp_path, content):
    (reason,) = reasons(wheel(tmp_path, a__pyd=content))
    assert reason.startswith("cannot be read")


def test_the_command_looks_through_a_wheelhouse(tmp_path, capsys):
    wheel(tmp_path, "good-1-cp38-cp38-win32.whl", a__pyd=program([OLD], bits=32))
    assert check_wheels.main([str(tmp_path)]) == 0
    bad = wheel(tmp_path, "bad-1-cp38-cp38-win32.whl", a__pyd=program([("kernel32.dll", ["WaitOnAddress"])], bits=32))
    assert check_wheels.main([str(tmp_path)]) == 1
    assert "bad-1-cp38-cp38-win32.whl: some/a.pyd: WaitOnAddress of kernel32.dll" in capsys.readouterr().out
    bad.write_bytes(b"no archive")
    assert check_wheels.main([str(bad)]) == 1
    assert check_wheels.main([]) == 2
