"""Photos: what is taken, and what is refused by name."""

from __future__ import annotations

import struct
import zipfile
import zlib
from io import BytesIO

import pytest
from PIL import Image

from station.domain.roster import Roster, RosterHead, RosterRow
from station.importers.photos import assign_photos, read_photos
from station.importers.rejections import ImportRejected

FULL = "990000200501011118"
OTHER = "H12345678"


@pytest.fixture
def write_zip(tmp_path):
    def write(files, *, compression=zipfile.ZIP_DEFLATED):
        path = tmp_path / "photos.zip"
        with zipfile.ZipFile(path, "w", compression) as archive:
            for name, content in files.items():
                archive.writestr(name, content)
        return path

    return write


def codes(path):
    with pytest.raises(ImportRejected) as refused:
        read_photos(path)
    return [found.code for found in refused.value.rejections]


def roster(*id_numbers):
    rows = [RosterRow("示例", f"{n:022d}", id_number) for n, id_number in enumerate(id_numbers)]
    return Roster("理论", RosterHead(), tuple(rows))


def test_r_rost_3_photos_are_taken_from_any_folder_and_written_anew(write_zip, picture):
    files = {
        f"照片/一班/{FULL}.jpg": picture(590, 826),
        f"{OTHER.lower()}.PNG": picture(100, 200, "PNG"),
        "__MACOSX/._x.jpg": b"x",
        "照片/Thumbs.db": b"x",
    }
    seen = []
    photos = read_photos(write_zip(files), progress=lambda done, total: seen.append((done, total)))
    assert {photo.id_number for photo in photos} == {FULL, OTHER}
    sizes = {photo.id_number: Image.open(BytesIO(photo.jpeg)).size for photo in photos}
    assert sizes == {FULL: (295, 413), OTHER: (100, 200)}
    assert seen == [(1, 2), (2, 2)]


@pytest.mark.parametrize(
    ("mode", "kind"), [("CMYK", "JPEG"), ("L", "JPEG"), ("P", "PNG"), ("RGBA", "PNG"), ("1", "PNG")]
)
def test_a_photo_in_any_colour_mode_is_taken(write_zip, mode, kind):
    out = BytesIO()
    Image.new(mode, (295, 826)).save(out, kind)
    (photo,) = read_photos(write_zip({f"{FULL}.{kind.lower()}": out.getvalue()}))
    assert Image.open(BytesIO(photo.jpeg)).size == (148, 413)
    if mode == "RGBA":
        assert Image.open(BytesIO(photo.jpeg)).getpixel((5, 5)) == (255, 255, 255)


def test_metadata_does_not_stay_in_a_photo(write_zip):
    exif = Image.Exif()
    exif[0x010E] = "secret place"
    out = BytesIO()
    Image.new("RGB", (30, 40)).save(out, "JPEG", exif=exif, comment=b"secret")
    (photo,) = read_photos(write_zip({f"{FULL}.jpg": out.getvalue()}))
    assert b"secret" not in photo.jpeg


def test_names_packed_by_chinese_windows_are_read(tmp_path, picture):
    path = tmp_path / "gbk.zip"
    path.write_bytes(_stored_zip(f"考生照片\\{FULL}.jpg".encode("gbk"), picture()))
    assert [photo.id_number for photo in read_photos(path)] == [FULL]


def _stored_zip(name, content):
    """Write a ZIP by hand: Python's own marks such names as UTF-8, Chinese Windows does not."""
    crc, size = zlib.crc32(content), len(content)
    local = struct.pack("<IHHHHHIIIHH", 0x04034B50, 20, 0, 0, 0, 33, crc, size, size, len(name), 0) + name + content
    central = struct.pack(
        "<IHHHHHHIIIHHHHHII", 0x02014B50, 20, 20, 0, 0, 0, 33, crc, size, size, len(name), 0, 0, 0, 0, 0, 0
    )
    end = struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, 1, 1, len(central) + len(name), len(local), 0)
    return local + central + name + end


def test_every_file_that_cannot_be_taken_is_named(write_zip, picture):
    files = {
        "张三.jpg": picture(),
        "990000200501011119.jpg": picture(),
        f"{FULL}.gif": picture(kind="GIF"),
        f"../{FULL}.jpg": picture(),
        f"{OTHER}.jpg": b"<html>not a picture</html>",
        "E12345678.jpg": picture()[:400],
        "E12345679.jpg": b"\xff\xd8\xff" + bytes(5 * 1024 * 1024 + 1),
    }
    assert codes(write_zip(files)) == [
        "photo_name_wrong", "photo_name_wrong", "photo_name_wrong", "entry_name_unsafe",
        "not_a_picture", "not_a_picture", "entry_too_large",
    ]  # fmt: skip


def test_two_photos_of_one_number_are_refused(write_zip, picture):
    assert codes(write_zip({f"a/{FULL}.jpg": picture(), f"b/{FULL}.png": picture(kind="PNG")})) == ["photo_twice"]


def test_a_small_file_that_unpacks_into_a_huge_picture_is_refused_unread(write_zip):
    out = BytesIO()
    Image.new("1", (20_000, 20_000)).save(out, "PNG")
    assert len(out.getvalue()) < 1024 * 1024
    assert codes(write_zip({f"{FULL}.png": out.getvalue()})) == ["picture_too_large"]


def test_an_archive_that_unpacks_too_far_or_is_none_is_refused(tmp_path, write_zip):
    path = write_zip({f"{number}.jpg": b"" for number in range(5001)})
    assert codes(path) == ["zip_too_large"]
    assert codes(write_zip({})) == ["no_photos"]
    (tmp_path / "rar.zip").write_bytes(b"Rar!\x1a\x07")
    assert codes(tmp_path / "rar.zip") == ["file_not_zip"]


def test_an_encrypted_or_damaged_entry_is_refused_by_name(tmp_path, write_zip, picture):
    path = write_zip({f"{FULL}.jpg": picture()}, compression=zipfile.ZIP_STORED)
    raw = bytearray(path.read_bytes())
    locked = bytearray(raw)
    locked[6] |= 1
    locked[raw.rindex(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(locked)
    assert codes(path) == ["entry_encrypted"]
    raw[200] ^= 0xFF
    path.write_bytes(raw)
    assert codes(path) == ["entry_damaged"]


def test_r_rost_3_photos_go_to_whom_they_belong_and_an_unclear_one_is_refused(write_zip, picture):
    photos = read_photos(write_zip({f"{FULL}.jpg": picture(), f"{OTHER}.jpg": picture()}))
    found = assign_photos(photos, [roster("990000*****1118", OTHER), roster("990000*****1118", OTHER)])
    assert {ticket: photo.id_number for ticket, photo in found.items()} == {f"{0:022d}": FULL, f"{1:022d}": OTHER}
    with pytest.raises(ImportRejected) as refused:
        assign_photos(photos, [roster("990000*****1118", "9900***1118")])
    assert refused.value.rejections[0].code == "photo_ambiguous"
    assert FULL not in refused.value.sentence()
