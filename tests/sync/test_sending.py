"""Sending a package: over real HTTP, through real interruptions; every call ends as one of three values."""

from __future__ import annotations

import base64
import hashlib
import random
import re
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import requests

from station.rehearsal.premises import free_port
from sync import central, keys
from sync.central import Fatal, Sent, Transient, fetch_receipt, next_delay, send_package
from sync.container import Member
from sync.reference_platform.stations import add_station
from tests.sync.builders import Centre, Site, central_of, sha256_of

PATIENCE_S = 30


def until_sent(platform: central.Central, path: Path, package_id: str, **how) -> Sent:
    """Call again, as the outbox does, until the receipt is there."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        outcome = send_package(platform, path, package_id=package_id, **how)
        if isinstance(outcome, Sent):
            return outcome
        assert isinstance(outcome, Transient), outcome
        time.sleep(0.2)
    raise AssertionError("no receipt in time")


class PlatformProcess:
    """The platform as a process that can be killed and started again on its port."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()

    def start(self) -> None:
        command = [sys.executable, "-u", "-m", "sync", "platform", "--folder", str(self.folder)]
        self._process = subprocess.Popen(
            [*command, "--port", str(self.port)], stdout=subprocess.PIPE, text=True, encoding="utf-8"
        )
        assert self._process.stdout is not None
        lines = [self._process.stdout.readline() for _ in range(4)]
        self.port = int(re.search(r":(\d+)\s*$", lines[0])[1])
        self.url = f"http://127.0.0.1:{self.port}"
        self.recipient, self.verify_key = (line.partition("：")[2].strip() for line in lines[2:])

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()


@pytest.fixture
def killable(tmp_path: Path, site: Site) -> Iterator[tuple[PlatformProcess, str]]:
    folder = tmp_path / "platform"
    public = keys.verify_key_to_text(site.signing_key.public_key())
    token = add_station(folder, id="site-1", name="示例考点", verify_key=public)
    process = PlatformProcess(folder)
    process.start()
    yield process, token
    process.kill()


def test_a_package_arrives_and_its_receipt_names_it(centre: Centre) -> None:
    path, made = centre.pack(members=[Member("big", b"x" * 300_000)])
    seen: list[tuple[int, int]] = []
    sent = until_sent(centre.central, path, made.id, progress=lambda done, total: seen.append((done, total)))
    assert (sent.receipt.package_id, sent.receipt.package_sha256) == (made.id, sha256_of(path))
    assert sent.receipt.size == path.stat().st_size == seen[-1][0] == seen[-1][1]
    assert sent.receipt.confirmed_at is None
    assert len(seen) > 4


def test_a_package_whose_receipt_got_lost_is_not_sent_twice(centre: Centre) -> None:
    path, made = centre.pack()
    until_sent(centre.central, path, made.id)
    seen: list[int] = []
    again = send_package(centre.central, path, package_id=made.id, progress=lambda done, total: seen.append(done))
    assert isinstance(again, Sent)
    assert not seen


def test_an_upload_goes_on_where_a_killed_platform_left_it(killable: tuple[PlatformProcess, str], site: Site) -> None:
    process, token = killable
    path, made = site.pack(members=[Member("big", b"x" * 1_000_000)], recipients=[process.recipient])
    platform = central_of(process.url, token, process.verify_key)
    remembered: list[str | None] = []

    def kill_half_way(done: int, total: int) -> None:
        if done >= total // 2:
            process.kill()

    first = send_package(platform, path, package_id=made.id, remember=remembered.append, progress=kill_half_way)
    assert isinstance(first, Transient)
    assert first.reason.code == "central_unreachable"
    process.start()
    seen: list[int] = []
    until_sent(
        platform, path, made.id, upload_url=remembered[-1], remember=remembered.append,
        progress=lambda done, total: seen.append(done),
    )  # fmt: skip
    assert len(remembered) == 1
    assert seen[0] >= path.stat().st_size // 2
    kept = process.folder / "packages" / made.id / "package.exam"
    assert sha256_of(kept) == sha256_of(path)


def test_a_platform_killed_in_the_middle_of_a_chunk_keeps_what_it_acknowledged(
    killable: tuple[PlatformProcess, str], site: Site
) -> None:
    process, token = killable
    path, made = site.pack(members=[Member("big", b"x" * 300_000)], recipients=[process.recipient])
    content = path.read_bytes()
    talk = {"Authorization": f"Bearer {token}", "Tus-Resumable": "1.0.0"}
    address = announce(process.url, talk, made.id, content)
    patch = {**talk, "Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
    assert requests.patch(address, data=content[:1000], headers=patch, timeout=10).headers["Upload-Offset"] == "1000"
    with socket.create_connection(("127.0.0.1", process.port)) as line:
        head = f"PATCH {address.removeprefix(process.url)} HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in {**patch, "Upload-Offset": "1000"}.items())
        line.sendall(head.encode() + b"\r\n" + content[1000:40_000])
        time.sleep(0.2)
        process.kill()
    process.start()
    assert requests.head(address, headers=talk, timeout=10).headers["Upload-Offset"] == "1000"
    until_sent(central_of(process.url, token, process.verify_key), path, made.id, upload_url=address)


def announce(url: str, talk: dict[str, str], package_id: str, content: bytes) -> str:
    fields = {"package_id": package_id, "sha256": hashlib.sha256(content).hexdigest()}
    metadata = ",".join(f"{name} {base64.b64encode(value.encode()).decode()}" for name, value in fields.items())
    headers = {**talk, "Upload-Length": str(len(content)), "Upload-Metadata": metadata}
    reply = requests.post(f"{url}/uploads", headers=headers, timeout=10)
    assert reply.status_code == 201
    return url + reply.headers["Location"]


def test_an_upload_that_the_platform_has_forgotten_starts_again(centre: Centre) -> None:
    path, made = centre.pack()
    remembered: list[str | None] = []
    until_sent(
        centre.central, path, made.id, upload_url=f"{centre.running.url}/uploads/gone", remember=remembered.append
    )
    assert remembered[0] is None
    assert remembered[1].startswith(f"{centre.running.url}/uploads/")


def test_a_stored_address_on_another_host_never_sees_the_token(centre: Centre) -> None:
    path, made = centre.pack()
    with socket.create_server(("127.0.0.1", 0)) as trap:
        trap.settimeout(0.1)
        stranger = f"http://127.0.0.1:{trap.getsockname()[1]}/uploads/x"
        until_sent(centre.central, path, made.id, upload_url=stranger)
        with pytest.raises(TimeoutError):
            trap.accept()


def test_a_chunk_at_the_wrong_offset_or_damaged_on_the_way_changes_nothing(centre: Centre) -> None:
    path, made = centre.pack()
    content = path.read_bytes()
    talk = {"Authorization": f"Bearer {centre.token}", "Tus-Resumable": "1.0.0"}
    address = announce(centre.running.url, talk, made.id, content)
    patch = {**talk, "Upload-Offset": "7", "Content-Type": "application/offset+octet-stream"}
    wrong = requests.patch(address, data=content[7:], headers=patch, timeout=10)
    assert (wrong.status_code, wrong.json()["code"]) == (409, "upload_offset_wrong")
    patch["Upload-Offset"] = "0"
    damaged = requests.patch(address, data=content, headers={**patch, "Upload-Checksum": "sha256 AAAA"}, timeout=10)
    assert (damaged.status_code, damaged.json()["code"]) == (460, "upload_checksum_wrong")
    long = requests.patch(address, data=content + b"!", headers=patch, timeout=10)
    assert (long.status_code, long.json()["code"]) == (413, "upload_too_long")
    assert requests.head(address, headers=talk, timeout=10).headers["Upload-Offset"] == "0"
    until_sent(centre.central, path, made.id, upload_url=address)


def test_a_package_damaged_as_a_whole_is_thrown_away_and_sent_again(centre: Centre) -> None:
    path, made = centre.pack()
    talk = {"Authorization": f"Bearer {centre.token}", "Tus-Resumable": "1.0.0"}
    address = announce(centre.running.url, talk, made.id, path.read_bytes())
    patch = {**talk, "Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
    reply = requests.patch(address, data=bytes(path.stat().st_size), headers=patch, timeout=10)
    assert (reply.status_code, reply.json()["code"]) == (460, "package_damaged_on_the_way")
    until_sent(centre.central, path, made.id, upload_url=address)


def test_nobody_at_the_address_is_a_reason_to_try_later(site: Site) -> None:
    path, made = site.pack()
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    public = keys.verify_key_to_text(site.signing_key.public_key())
    outcome = send_package(central_of(url, "token", public), path, package_id=made.id)
    assert isinstance(outcome, Transient)
    assert outcome.reason.code == "central_unreachable"


def test_a_server_that_hangs_is_given_up_after_the_timeout(site: Site) -> None:
    path, made = site.pack()
    public = keys.verify_key_to_text(site.signing_key.public_key())
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        platform = replace(central_of(url, "token", public), read_timeout_s=0.3)
        outcome = send_package(platform, path, package_id=made.id)
    assert isinstance(outcome, Transient)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"token": "wrong"}, "central_not_allowed"),
        ({"token": "line\nbreak"}, "central_address_unusable"),
        ({"token": "空"}, "central_address_unusable"),
        ({"url": "no address"}, "central_address_unusable"),
        ({"url": "ftp://127.0.0.1/"}, "central_address_unusable"),
        ({"url": "http://[::1"}, "central_address_unusable"),
        ({"url": "https://127.0.0.1:1/", "ca_file": Path("missing.pem")}, "central_address_unusable"),
        ({"receipt_keys": {}}, "receipt_signer_unknown"),
    ],
)
def test_what_a_person_must_put_right_is_fatal(change: dict, code: str, centre: Centre) -> None:
    path, made = centre.pack()
    if "receipt_keys" in change:
        until_sent(centre.central, path, made.id)
    outcome = send_package(replace(centre.central, **change), path, package_id=made.id)
    assert isinstance(outcome, Fatal)
    assert outcome.reason.code == code
    assert outcome.reason.sentence("zh") != outcome.reason.sentence("en")


def test_a_package_file_that_is_gone_is_fatal(centre: Centre, tmp_path: Path) -> None:
    outcome = send_package(centre.central, tmp_path / "missing", package_id=str(uuid.uuid4()))
    assert isinstance(outcome, Fatal)
    assert outcome.reason.code == "package_unreadable"


def test_a_package_larger_than_the_platform_takes_is_fatal_before_the_first_byte(centre: Centre) -> None:
    path, made = centre.pack()
    centre.running.platform.max_bytes = 100
    outcome = send_package(centre.central, path, package_id=made.id)
    assert isinstance(outcome, Fatal)
    assert outcome.reason.code == "central_rejected"


def test_asking_for_the_receipt_of_a_package_never_sent_is_fatal(centre: Centre) -> None:
    outcome = fetch_receipt(centre.central, package_id=str(uuid.uuid4()), package_sha256="0" * 64)
    assert isinstance(outcome, Fatal)


def test_the_waits_double_from_five_seconds_to_a_quarter_of_an_hour() -> None:
    pick = random.Random(1)
    first = [next_delay(1, pick) for _ in range(200)]
    assert 5 <= min(first) < 5.5
    assert 9.5 < max(first) <= 10
    assert min(next_delay(20, pick) for _ in range(200)) >= 450
    assert max(next_delay(2_000_000, pick) for _ in range(200)) <= 900
