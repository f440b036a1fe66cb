"""Containers: built, checked, opened; and every way to be unsound, with its declared outcome."""

from __future__ import annotations

import random
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pyrage
import pytest

from sync import container, frame, keys, manifest
from sync.container import Member, open_container, read_locked_identity, verify_container
from sync.errors import ContainerRefused, KeyRefused, SyncError
from tests.sync.builders import AT, Site


def test_what_was_packed_comes_out_again(site: Site, tmp_path: Path) -> None:
    big = tmp_path / "revisions.jsonl"
    big.write_bytes(b"\x00line\n" * 50_000)
    members = [
        Member("result.json", b"{}", "application/json"),
        Member("revisions.jsonl", big),
        Member("files/" + "a" * 64, b""),
    ]
    path, made = site.pack(members=members, labels={"考场": "第一考场", "seats": 45})
    read = open_container(path, verify_keys=site.verify_keys, identity=site.identity, into=tmp_path / "out")
    assert read == made == verify_container(path, site.verify_keys)
    assert (tmp_path / "out/result.json").read_bytes() == b"{}"
    assert (tmp_path / "out/revisions.jsonl").read_bytes() == big.read_bytes()
    assert (tmp_path / "out/files" / ("a" * 64)).read_bytes() == b""
    assert read.made_at == AT
    assert [entry.plain_size for entry in read.members] == [2, 300_000, 0]


def test_the_site_cannot_read_its_own_result_package_back(site: Site, tmp_path: Path) -> None:
    path, _ = site.pack()
    with pytest.raises(ContainerRefused) as refusal:
        open_container(path, verify_keys=site.verify_keys, identity=keys.make_identity(), into=tmp_path / "out")
    assert refusal.value.code == "not_for_this_key"
    assert not (tmp_path / "out").exists()


def test_any_zip_program_and_any_age_program_can_read_a_container(site: Site) -> None:
    path, made = site.pack()
    with zipfile.ZipFile(path) as outer:
        assert outer.testzip() is None
        assert outer.namelist() == ["manifest.json", "manifest.jws", "result.json.age"]
        assert outer.read("manifest.json") == made.to_bytes()
        sealed = outer.read("result.json.age")
    identity = pyrage.x25519.Identity.from_str(site.identity)
    assert pyrage.decrypt(sealed, [identity]) == b'{"sitting":{}}'


def test_an_unfinished_package_leaves_the_old_one_and_no_traces(site: Site, tmp_path: Path) -> None:
    path, _ = site.pack()
    before = path.read_bytes()
    with pytest.raises(FileNotFoundError):
        site.pack(members=[Member("a", b"1"), Member("b", tmp_path / "missing")])
    with pytest.raises(KeyRefused):
        site.pack(recipients=["age1nonsense"])
    assert path.read_bytes() == before
    assert [found.name for found in tmp_path.iterdir()] == [path.name]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_a_full_disk_is_never_taken_for_a_finished_member(site: Site) -> None:
    with open("/dev/full", "r+b", buffering=0) as full, pytest.raises(OSError, match="No space left"):
        container._encrypt(b"x" * 100, container.Tally(full), [site.recipient])


def test_the_maker_keeps_to_the_bounds_that_the_reader_checks(site: Site) -> None:
    for changes, code in (
        ({"kind": "holiday_photos"}, "manifest_unreadable"),
        ({"number": 0}, "manifest_unreadable"),
        ({"id": "1"}, "manifest_unreadable"),
        ({"labels": {"weight": 0.5}}, "manifest_unreadable"),
        ({"members": []}, "manifest_unreadable"),
        ({"members": [Member("a", b""), Member("A", b"")]}, "manifest_unreadable"),
        ({"members": [Member("a", b""), Member("a/b", b"")]}, "manifest_unreadable"),
        ({"members": [Member("../a", b"")]}, "member_name_unsafe"),
        ({"members": [Member("a", b"not an age file", code_label="x")]}, "locked_identity_unusable"),
        ({"recipients": []}, "manifest_unreadable"),
    ):
        with pytest.raises(SyncError) as refusal:
            site.pack(**changes)
        assert refusal.value.code == code, changes


@pytest.mark.parametrize(
    "name",
    ["../x", "/x", "a//b", "a/../b", "C:x", "a\\b", ".hidden", "a/.b", "con", "a/NUL.txt", "dot.", "空", "a" * 101,
     "a/b/c/d/e", "-x", "a b", "a\n", ""],
)  # fmt: skip
def test_a_name_that_is_unsafe_on_any_system_is_refused(name: str) -> None:
    with pytest.raises(ContainerRefused) as refusal:
        frame.check_member_name(name)
    assert refusal.value.code == "member_name_unsafe"


def test_a_package_that_needs_more_than_this_program_can_is_refused_by_name(site: Site, tmp_path: Path) -> None:
    path, _ = site.pack(requires=("policy:qti_map", "interaction:hotspot", "policy:exact"))
    with pytest.raises(ContainerRefused) as refusal:
        open_container(
            path,
            verify_keys=site.verify_keys,
            identity=site.identity,
            into=tmp_path / "out",
            capabilities=["policy:exact"],
        )
    assert refusal.value.code == "capability_missing"
    assert "interaction:hotspot, policy:qti_map" in refusal.value.sentence("zh")


def test_a_folder_that_exists_is_not_opened_into(site: Site, tmp_path: Path) -> None:
    path, _ = site.pack()
    with pytest.raises(ContainerRefused) as refusal:
        open_container(path, verify_keys=site.verify_keys, identity=site.identity, into=tmp_path)
    assert refusal.value.code == "destination_exists"


def test_one_changed_byte_anywhere_is_refused(site: Site, tmp_path: Path) -> None:
    path, _ = site.pack(members=[Member("result.json", b"{}"), Member("files/a", b"x" * 3000)])
    sound = path.read_bytes()
    pick = random.Random(7)
    for at in range(len(sound)):
        changed = bytearray(sound)
        changed[at] ^= 1 << pick.randrange(8)
        path.write_bytes(changed)
        with pytest.raises(ContainerRefused):
            verify_container(path, site.verify_keys)


def test_a_package_cut_off_or_lengthened_is_refused(site: Site) -> None:
    path, _ = site.pack()
    sound = path.read_bytes()
    for length in [*range(0, len(sound), 37), len(sound) - 1]:
        path.write_bytes(sound[:length])
        with pytest.raises(ContainerRefused):
            verify_container(path, site.verify_keys)
    path.write_bytes(sound + b"\0")
    with pytest.raises(ContainerRefused):
        verify_container(path, site.verify_keys)


def test_an_unknown_signer_is_refused_by_fingerprint(site: Site) -> None:
    path, _ = site.pack()
    with pytest.raises(ContainerRefused) as refusal:
        verify_container(path, {})
    assert refusal.value.code == "signer_unknown"
    assert site.fingerprint in refusal.value.sentence("en")


def test_a_key_filed_under_the_name_of_another_opens_nothing(site: Site) -> None:
    path, _ = site.pack()
    other = keys.make_signing_key().public_key()
    with pytest.raises(ContainerRefused) as refusal:
        verify_container(path, {site.fingerprint: other})
    assert refusal.value.code == "signer_unknown"


def test_an_exam_package_holds_members_for_different_readers(site: Site, tmp_path: Path) -> None:
    from sync.codes import make_code, unwrap_identity, wrap_identity

    paper_identity, code = keys.make_identity(), make_code()
    path, _ = site.pack(
        kind="exam_package",
        members=[
            Member("roster.json", b"roster"),
            Member("papers/a.json", b"paper", recipients=(keys.recipient_of(paper_identity),)),
            Member("codes/a", wrap_identity(paper_identity, code), code_label="a"),
        ],
    )
    open_container(path, verify_keys=site.verify_keys, identity=site.identity, into=tmp_path / "before")
    assert [found.name for found in (tmp_path / "before").iterdir()] == ["roster.json"]

    opened = unwrap_identity(read_locked_identity(path, site.verify_keys, "a"), code)
    open_container(path, verify_keys=site.verify_keys, identity=opened, into=tmp_path / "released")
    assert (tmp_path / "released/papers/a.json").read_bytes() == b"paper"
    with pytest.raises(ContainerRefused) as refusal:
        read_locked_identity(path, site.verify_keys, "b")
    assert refusal.value.code == "member_missing"


MEASURED = """
import sys
from pathlib import Path
from sync.container import Member, build_container, open_container
from sync import clock, keys
folder = Path(sys.argv[1])
key, identity = keys.make_signing_key(), keys.make_identity()
build_container(folder / "big.exam", kind="result_package", id="6f9619ff-8b86-4d01-b42d-00c04fc964ff", number=1,
    labels={}, members=[Member("big", folder / "big")], recipients=[keys.recipient_of(identity)], signing_key=key,
    made_at=clock.now(), made_by="site-1")
open_container(folder / "big.exam", verify_keys={keys.fingerprint(key.public_key()): key.public_key()},
    identity=identity, into=folder / "out")
# Not getrusage: its peak is inherited from the process that started this one.
print(next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")) // 1024)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="peak memory is read from /proc")
def test_a_member_of_200_mb_needs_less_than_150_mb_of_memory(tmp_path: Path) -> None:
    with (tmp_path / "big").open("wb") as stream:
        stream.truncate(200_000_000)
    done = subprocess.run([sys.executable, "-c", MEASURED, str(tmp_path)], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 150
    assert (tmp_path / "out/big").stat().st_size == 200_000_000
    for left in ("big", "big.exam", "out/big"):
        (tmp_path / left).unlink()


def test_the_manifest_is_a_value_that_survives_writing_and_reading(site: Site) -> None:
    _, made = site.pack(number=3)
    assert manifest.read_manifest(made.to_bytes()) == made
    assert replace(made, number=4).to_bytes() != made.to_bytes()
