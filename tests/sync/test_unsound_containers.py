"""Every way for a container to be unsound, each with the refusal that it must meet."""

from __future__ import annotations

import json
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from sync import frame, keys, manifest
from sync.container import Member, open_container, verify_container
from sync.errors import ContainerRefused
from sync.files import canonical_json
from tests.sync.builders import Site


def zipped(entries: list[tuple[str, bytes]]) -> bytes:
    """Put entries into a frame as this format wants it, whatever they hold."""
    whole, listed = b"", []
    for name, content in entries:
        listed.append(frame.FrameEntry(name, len(whole), len(content), zlib.crc32(content)))
        whole += frame.local_header(name, len(content), zlib.crc32(content)) + content
    return whole + frame.frame_end(listed)


def parts_of(path: Path) -> list[tuple[str, bytes]]:
    with zipfile.ZipFile(path) as outer:
        return [(entry.filename, outer.read(entry)) for entry in outer.infolist()]


def resigned(site: Site, parts: list[tuple[str, bytes]], raw: bytes) -> bytes:
    """Return a container with another manifest, rightly signed."""
    signature = manifest.sign_manifest(raw, site.signing_key).encode()
    return zipped([("manifest.json", raw), ("manifest.jws", signature), *parts[2:]])


def with_document(site: Site, parts: list[tuple[str, bytes]], change: Callable[[dict], object]) -> bytes:
    document = json.loads(parts[0][1])
    change(document)
    return resigned(site, parts, canonical_json(document))


def compressed(site: Site, parts: list[tuple[str, bytes]]) -> bytes:
    """Make the ZIP bomb: the first entry deflated, as another program would pack it."""
    target = site.folder / "bomb.zip"
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as outer:
        for name, content in parts:
            outer.writestr(name, content * 1000)
    return target.read_bytes()


def repacked(site: Site, parts: list[tuple[str, bytes]]) -> bytes:
    target = site.folder / "repacked.zip"
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as outer:
        for name, content in parts:
            outer.writestr(name, content)
    return target.read_bytes()


def with_comment(site: Site, parts: list[tuple[str, bytes]]) -> bytes:
    sound = zipped(parts)
    return sound[:-2] + struct.pack("<H", 5) + b"hello"


def sealed_for_another(site: Site, parts: list[tuple[str, bytes]]) -> bytes:
    """Say in the manifest that the reader can open what was encrypted to somebody else."""
    path, _ = site.pack("other.exam", recipients=[keys.recipient_of(keys.make_identity())])
    return with_document(
        site, parts_of(path), lambda document: document["members"][0].update({"for": [site.recipient]})
    )


VECTORS: dict[str, tuple[str, Callable[[Site, list[tuple[str, bytes]]], bytes]]] = {
    "an empty file": ("not_a_container", lambda site, parts: b""),
    "some text": ("not_a_container", lambda site, parts: b"PK is not enough"),
    "an ordinary ZIP": ("not_a_container", lambda site, parts: zipped([("a.txt", b"a"), ("b.txt", b"b")])),
    "no signature": ("not_a_container", lambda site, parts: zipped([parts[0], parts[2]])),
    "manifest not first": ("not_a_container", lambda site, parts: zipped([parts[2], *parts[:2]])),
    "compressed": ("member_compressed", compressed),
    "packed again": ("frame_damaged", repacked),
    "a comment behind the end": ("frame_damaged", with_comment),
    "bytes in front": ("not_a_container", lambda site, parts: b"#!" + zipped(parts)),
    "a member twice": ("member_duplicate", lambda site, parts: zipped([*parts, parts[2]])),
    "a member twice but for case": (
        "member_duplicate",
        lambda site, parts: zipped([*parts, ("RESULT.json.age", b"")]),
    ),
    "a path out of the folder": (
        "member_name_unsafe",
        lambda site, parts: zipped([*parts, ("../../etc/cron.d/x", b"")]),
    ),
    "a member not listed": ("member_unlisted", lambda site, parts: zipped([*parts, ("extra.age", b"x")])),
    "a member missing": ("member_missing", lambda site, parts: zipped(parts[:2])),
    "a member exchanged": (
        "member_changed",
        lambda site, parts: zipped([*parts[:2], (parts[2][0], parts[2][1][::-1])]),
    ),
    "a signature of nothing": (
        "signature_wrong",
        lambda site, parts: zipped([parts[0], ("manifest.jws", b"eyJ9"), parts[2]]),
    ),
    "a signature with spare bits": (
        "signature_wrong",
        lambda site, parts: zipped([parts[0], (parts[1][0], parts[1][1] + b"="), parts[2]]),
    ),
    "alg none": (
        "signature_wrong",
        lambda site, parts: zipped(
            [
                parts[0],
                (
                    "manifest.jws",
                    manifest.base64url_encode(
                        canonical_json({"alg": "none", "b64": False, "crit": ["b64"], "kid": site.fingerprint})
                    )
                    + b"..",
                ),
                parts[2],
            ]
        ),
    ),
    "another manifest under the old signature": (
        "signature_wrong",
        lambda site, parts: zipped([(parts[0][0], parts[0][1].replace(b"site-1", b"site-2")), *parts[1:]]),
    ),
    "a signed manifest of a newer format": (
        "format_unknown",
        lambda site, parts: with_document(site, parts, lambda d: d.update(format="exam-container/2")),
    ),
    "a signed manifest that names another signer": (
        "signature_wrong",
        lambda site, parts: with_document(site, parts, lambda d: d["made_by"].update(key="aaaa")),
    ),
    "a signed manifest with an unknown field": (
        "manifest_unreadable",
        lambda site, parts: with_document(site, parts, lambda d: d.update(extra=1)),
    ),
    "a signed manifest without a field": (
        "manifest_unreadable",
        lambda site, parts: with_document(site, parts, lambda d: d.pop("number")),
    ),
    "a signed manifest with blanks": (
        "manifest_unreadable",
        lambda site, parts: resigned(site, parts, json.dumps(json.loads(parts[0][1])).encode()),
    ),
    "a signed manifest that is no JSON": (
        "manifest_unreadable",
        lambda site, parts: resigned(site, parts, b"[" * 100_000),
    ),
    "a signed list": ("manifest_unreadable", lambda site, parts: resigned(site, parts, b"[]")),
    "half a letter in a label": (
        "manifest_unreadable",
        lambda site, parts: resigned(site, parts, parts[0][1].replace("第一考场".encode(), b"\\ud800")),
    ),
    "a signed time zone": (
        "manifest_unreadable",
        lambda site, parts: with_document(site, parts, lambda d: d.update(made_at="2026-11-21T09:30:00+08:00")),
    ),
    "a signed wrong size": (
        "member_changed",
        lambda site, parts: with_document(site, parts, lambda d: d["members"][0].update(size=400)),
    ),
    "a signed wrong plain size": (
        "member_plain_size_wrong",
        lambda site, parts: with_document(site, parts, lambda d: d["members"][0].update(plain_size=3)),
    ),
    "a signed member for someone else": ("decryption_failed", sealed_for_another),
}


@pytest.mark.parametrize("name", VECTORS)
def test_an_unsound_container_is_refused_by_name_and_leaves_no_plaintext(name: str, site: Site, tmp_path: Path) -> None:
    code, make = VECTORS[name]
    path, _ = site.pack()
    path.write_bytes(make(site, parts_of(path)))
    with pytest.raises(ContainerRefused) as refusal:
        open_container(path, verify_keys=site.verify_keys, identity=site.identity, into=tmp_path / "out")
    assert refusal.value.code == code
    assert refusal.value.sentence("zh") != refusal.value.sentence("en")
    assert not [found for found in tmp_path.iterdir() if found.name.startswith("out")]


def test_plaintext_of_members_before_a_bad_one_is_removed(site: Site, tmp_path: Path) -> None:
    path, _ = site.pack(members=[Member("secret", b"s" * 100_000), Member("second", b"t" * 200_000)])
    parts = parts_of(path)
    spoiled = bytearray(parts[3][1])
    spoiled[-10] ^= 1
    path.write_bytes(zipped([*parts[:3], (parts[3][0], bytes(spoiled))]))
    with pytest.raises(ContainerRefused) as refusal:
        open_container(path, verify_keys=site.verify_keys, identity=site.identity, into=tmp_path / "out")
    assert refusal.value.code == "member_changed"
    assert [found.name for found in tmp_path.iterdir()] == [path.name]


def test_too_many_members_and_too_large_a_file_are_refused(site: Site, tmp_path: Path) -> None:
    many = tmp_path / "many.exam"
    many.write_bytes(zipped([(f"m{at}", b"") for at in range(frame.MAX_ENTRIES + 1)]))
    with pytest.raises(ContainerRefused) as refusal:
        verify_container(many, site.verify_keys)
    assert refusal.value.code == "too_many_members"
    huge = tmp_path / "huge.exam"
    with huge.open("wb") as stream:
        stream.truncate(frame.MAX_CONTAINER_BYTES + 1)
    with pytest.raises(ContainerRefused) as refusal:
        verify_container(huge, site.verify_keys)
    assert refusal.value.code == "container_too_large"
