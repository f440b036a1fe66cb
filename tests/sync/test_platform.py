"""The reference platform: who may send, what is refused, what the duty desk sees and does."""

from __future__ import annotations

import json
import re
import time
import uuid
from dataclasses import replace
from pathlib import Path

import pytest
import requests

from sync import keys
from sync.central import Fatal, Sent, Transient, fetch_receipt, send_package
from sync.container import Member
from sync.errors import KeyRefused, TransferFailed
from sync.reference_platform.contents import read_contents
from sync.reference_platform.desk import DESK_CODE_WRONG, NAME_MISSING
from sync.reference_platform.serve import start_platform
from sync.reference_platform.stations import add_station, read_stations
from sync.reference_platform.uploads import Uploads
from tests.sync.builders import AT, Centre, Site, sha256_of

RESULT = {
    "sitting": {
        "room": "第一考场", "certificate": "网店运营推广", "level": "初级", "subject": "理论",
        "planned_start_at": "2026-11-21T06:00:00Z", "started_at": "2026-11-21T06:00:03Z", "closed_at": None,
    },
    "attempts": [
        {"ticket_number": "37020026110400000001", "name": "<b>张三</b>", "seat_number": "1", "state": "handed_in",
         "revision_count": 61, "late_count": 0, "points": "87.50", "receipt_code": "ABCD-1234"},
        {"ticket_number": "37020026110400000002"},
    ],
    "absent": [{"ticket_number": "37020026110400000003", "name": "李四"}],
}  # fmt: skip


def settled(centre: Centre, path: Path, package_id: str):
    """Send, and wait until the platform has kept or refused the package."""
    outcome = send_package(centre.central, path, package_id=package_id)
    end = time.monotonic() + 30
    while isinstance(outcome, Transient) and time.monotonic() < end:
        time.sleep(0.1)
        outcome = fetch_receipt(centre.central, package_id=package_id, package_sha256=sha256_of(path))
    return outcome


def full_package(centre: Centre):
    return centre.pack(
        members=[
            Member("result.json", json.dumps(RESULT).encode()),
            Member("revisions.jsonl", b"{}\n" * 122),
            Member("journal.jsonl", b"{}\n" * 17),
            Member("marks.json", json.dumps({"attempts": [{"marks": [{"item": "t001"}] * 30}] * 2}).encode()),
            Member("files/" + "ab" * 32, b"<script>alert(1)</script>"),
        ]
    )


@pytest.fixture
def desk(centre: Centre) -> requests.Session:
    session = requests.Session()
    reply = session.post(f"{centre.running.url}/desk", data={"code": centre.vault.desk_code}, timeout=10)
    assert reply.status_code == 200
    yield session
    session.close()


def test_the_desk_sees_what_is_in_a_package(centre: Centre, desk: requests.Session) -> None:
    path, made = full_package(centre)
    sent = settled(centre, path, made.id)
    assert isinstance(sent, Sent)
    listed = desk.get(centre.running.url, timeout=10).text
    assert "第一考场" in listed
    assert "网店运营推广 · 初级 · 理论" in listed
    page = desk.get(f"{centre.running.url}/packages/{made.id}", timeout=10).text
    for word in ("37020026110400000001", "87.50", "122", "17", "60", made.made_by_key, sent.receipt.code):
        assert f">{word}<" in page
    assert "37020026110400000003 李四" in page
    assert "已交卷" in page
    assert "&lt;b&gt;张三" in page
    assert "<b>张三" not in page
    english = desk.get(f"{centre.running.url}/packages/{made.id}?lang=en", timeout=10).text
    assert "Candidates" in english
    assert "考生" not in english
    assert "Candidates" in desk.get(centre.running.url, timeout=10).text


def test_an_upload_of_a_candidate_is_given_out_as_a_download_only(centre: Centre, desk: requests.Session) -> None:
    path, made = full_package(centre)
    settled(centre, path, made.id)
    base = f"{centre.running.url}/packages/{made.id}/files"
    reply = desk.get(f"{base}/files/{'ab' * 32}", timeout=10)
    assert reply.content == b"<script>alert(1)</script>"
    assert reply.headers["Content-Disposition"].startswith("attachment")
    assert reply.headers["Content-Type"] == "application/octet-stream"
    assert reply.headers["X-Content-Type-Options"] == "nosniff"
    for name in ("../record.json", "..%2frecord.json", "%2e%2e/record.json", "missing"):
        assert desk.get(f"{base}/{name}", timeout=10).status_code == 404


def test_r_end_1_the_duty_desk_confirms_and_the_receipt_says_so(centre: Centre, desk: requests.Session) -> None:
    path, made = full_package(centre)
    first = settled(centre, path, made.id)
    address = f"{centre.running.url}/packages/{made.id}/confirm"
    nameless = desk.post(address, data={"by": " "}, timeout=10)
    assert (nameless.status_code, NAME_MISSING.zh in nameless.text) == (409, True)
    assert desk.post(address, data={"by": "值班员甲"}, timeout=10).status_code == 200
    desk.post(address, data={"by": "值班员乙"}, timeout=10)
    again = fetch_receipt(centre.central, package_id=made.id, package_sha256=sha256_of(path))
    assert isinstance(again, Sent)
    assert again.receipt.confirmed_by == "值班员甲"
    assert again.receipt.confirmed_at is not None
    assert again.receipt.code == first.receipt.code


def test_a_package_not_yet_checked_cannot_be_confirmed(centre: Centre) -> None:
    with pytest.raises(TransferFailed) as refusal:
        centre.running.platform.confirm(str(uuid.uuid4()), by="值班员", at=AT)
    assert refusal.value.code == "package_not_kept"


def test_the_desk_is_closed_to_who_has_not_its_code(centre: Centre) -> None:
    url, somewhere = centre.running.url, f"/packages/{uuid.uuid4()}"
    for path in ("/", somewhere, f"{somewhere}/files/result.json"):
        reply = requests.get(url + path, timeout=10, allow_redirects=False)
        assert (reply.status_code, reply.headers["Location"]) == (302, "/desk")
    for path in (f"{somewhere}/confirm", f"{somewhere}/check"):
        assert requests.post(url + path, timeout=10, allow_redirects=False).status_code == 302
    wrong = requests.post(f"{url}/desk?lang=en", data={"code": "0000-0000-0000-0000"}, timeout=10)
    assert wrong.status_code == 403
    assert DESK_CODE_WRONG.en.replace("'", "&#39;") in wrong.text
    assert requests.post(f"{url}/desk", timeout=10).status_code == 403


def test_another_sites_page_cannot_act_for_the_desk(centre: Centre, desk: requests.Session) -> None:
    path, made = full_package(centre)
    settled(centre, path, made.id)
    reply = desk.post(
        f"{centre.running.url}/packages/{made.id}/confirm",
        data={"by": "x"}, headers={"Origin": "http://evil.example"}, timeout=10,
    )  # fmt: skip
    assert reply.status_code == 403
    assert (
        "SameSite=Strict"
        in requests.post(
            f"{centre.running.url}/desk", data={"code": centre.vault.desk_code}, timeout=10, allow_redirects=False
        ).headers["Set-Cookie"]
    )


def test_every_route_but_the_listed_ones_is_guarded(centre: Centre) -> None:
    app = start_app(centre)
    reached = set()
    for rule in app.url_map.iter_rules():
        path = re.sub(r"<[^>]+>", "x", rule.rule)
        for method in rule.methods - {"HEAD", "OPTIONS"} | ({"HEAD"} if rule.methods == {"HEAD"} else set()):
            reply = requests.request(method, centre.running.url + path, timeout=10, allow_redirects=False)
            if reply.status_code not in (401, 302, 403):
                reached.add(rule.endpoint)
    assert reached <= {"static", "station_api.keys", "desk.login"}


def start_app(centre: Centre):
    from sync.reference_platform.app import create_app

    return create_app(centre.running.platform)


def test_a_package_signed_with_an_unknown_key_is_refused_by_name_and_can_be_checked_again(
    centre: Centre, desk: requests.Session, tmp_path: Path
) -> None:
    other = Site(tmp_path)
    path, made = other.pack("other.exam", recipients=[centre.vault.recipient])
    outcome = settled(centre, path, made.id)
    assert isinstance(outcome, Fatal)
    assert other.fingerprint in outcome.reason.sentence("zh")
    assert "已拒绝" in desk.get(centre.running.url, timeout=10).text

    public = keys.verify_key_to_text(other.signing_key.public_key())
    token = add_station(centre.running.platform.folder, id="site-1", name="换钥考点", verify_key=public, replace=True)
    desk.post(f"{centre.running.url}/packages/{made.id}/check", timeout=10)
    renewed = replace(centre, token=token)
    end = time.monotonic() + 20
    while not isinstance(outcome, Sent) and time.monotonic() < end:
        time.sleep(0.1)
        outcome = fetch_receipt(renewed.central, package_id=made.id, package_sha256=sha256_of(path))
    assert isinstance(outcome, Sent)


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("another id", "package_mislabelled"),
        ("exam package", "package_mislabelled"),
        ("not for the centre", "not_for_this_key"),
        ("no container", "not_a_container"),
    ],
)
def test_what_is_no_result_package_of_this_id_is_refused(fault: str, code: str, centre: Centre) -> None:
    path, made = centre.pack(kind="exam_package" if fault == "exam package" else "result_package")
    if fault == "not for the centre":
        path, made = centre.site.pack("unreadable.exam")
    if fault == "no container":
        path.write_bytes(b"not a package")
    package_id = str(uuid.uuid4()) if fault == "another id" else made.id
    outcome = settled(centre, path, package_id)
    assert isinstance(outcome, Fatal)
    cabinet = centre.running.platform.cabinet
    assert cabinet.find(package_id).refusal["code"] == code
    assert not cabinet.opened(package_id).exists()


def test_a_station_sees_nothing_of_anothers(centre: Centre) -> None:
    path, made = centre.pack()
    settled(centre, path, made.id)
    public = keys.verify_key_to_text(keys.make_signing_key().public_key())
    token = add_station(centre.running.platform.folder, id="site-2", name="另一考点", verify_key=public)
    talk = {"Authorization": f"Bearer {token}", "Tus-Resumable": "1.0.0"}
    assert requests.get(f"{centre.running.url}/receipts/{made.id}", headers=talk, timeout=10).status_code == 404
    upload = centre.running.platform.uploads.create(
        station_id="site-1", package_id=str(uuid.uuid4()), sha256="0" * 64, length=10
    )
    address = f"{centre.running.url}/uploads/{upload.id}"
    for method in ("HEAD", "PATCH", "DELETE"):
        assert requests.request(method, address, headers=talk, timeout=10).status_code == 404
    stranger = replace(centre, token=token)
    outcome = send_package(stranger.central, path, package_id=made.id)
    assert isinstance(outcome, Fatal)
    assert "package_id_taken" in outcome.reason.sentence() or made.id in outcome.reason.sentence()


def test_malformed_requests_are_refused_by_name(centre: Centre) -> None:
    talk = {"Authorization": f"Bearer {centre.token}", "Tus-Resumable": "1.0.0"}
    url = f"{centre.running.url}/uploads"
    for headers, status, code in (
        ({"Authorization": "Bearer x"}, 401, "token_wrong"),
        ({"Authorization": "Basic x"}, 401, "token_wrong"),
        ({"Tus-Resumable": "0.2"}, 412, "upload_malformed"),
        ({}, 400, "upload_malformed"),
        ({"Upload-Length": "-1"}, 400, "upload_malformed"),
        ({"Upload-Length": "9" * 18}, 413, "upload_too_large"),
        ({"Upload-Length": "5", "Upload-Metadata": "package_id !!"}, 400, "upload_malformed"),
        ({"Upload-Length": "5", "Upload-Metadata": "package_id Li4v"}, 400, "upload_malformed"),
    ):
        reply = requests.post(url, headers={**talk, **headers}, timeout=10)
        assert (reply.status_code, reply.json()["code"]) == (status, code), headers
    upload = centre.running.platform.uploads.create(
        station_id="site-1", package_id=str(uuid.uuid4()), sha256="0" * 64, length=10
    )
    for headers, status in (
        ({"Upload-Offset": "0"}, 415),
        ({"Upload-Offset": "x", "Content-Type": "application/offset+octet-stream"}, 400),
        ({"Upload-Offset": "0", "Content-Type": "application/offset+octet-stream", "Upload-Checksum": "md5 x"}, 400),
    ):
        reply = requests.patch(f"{url}/{upload.id}", data=b"x", headers={**talk, **headers}, timeout=10)
        assert (reply.status_code, reply.json()["code"]) == (status, "upload_malformed")
    assert requests.delete(f"{url}/{upload.id}", headers=talk, timeout=10).status_code == 204
    assert requests.head(f"{url}/{upload.id}", headers=talk, timeout=10).status_code == 404


def test_two_connections_cannot_write_one_upload(tmp_path: Path) -> None:
    uploads = Uploads(tmp_path)
    upload = uploads.create(station_id="a", package_id=str(uuid.uuid4()), sha256="0" * 64, length=10)

    class Inner:
        def read(self, size: int) -> bytes:
            with pytest.raises(TransferFailed) as refusal:
                uploads.append(upload, 0, self)
            assert refusal.value.code == "upload_busy"
            return b""

    assert uploads.append(upload, 0, Inner()) == 0


def test_a_package_that_came_whole_before_a_stop_is_checked_after_the_start(centre: Centre, tmp_path: Path) -> None:
    path, made = centre.pack()
    other = tmp_path / "second"
    add_station(
        other, id="site-1", name="考点", verify_key=keys.verify_key_to_text(centre.site.signing_key.public_key())
    )
    first = start_platform(other)
    path, made = centre.site.pack("second.exam", recipients=[first.platform.vault.recipient])
    first.platform.intake.stop()
    upload = first.platform.uploads.create(
        station_id="site-1", package_id=made.id, sha256=sha256_of(path), length=path.stat().st_size
    )
    with path.open("rb") as stream:
        first.platform.uploads.append(upload, 0, stream)
    first.platform.finish_upload(upload, AT)
    assert first.platform.cabinet.find(made.id).state == "arrived"
    first.close()
    second = start_platform(other)
    end = time.monotonic() + 20
    while second.platform.cabinet.find(made.id).state == "arrived" and time.monotonic() < end:
        time.sleep(0.1)
    assert second.platform.cabinet.find(made.id).state == "kept"
    second.close()


def test_a_station_that_was_struck_off_is_named(centre: Centre, desk: requests.Session) -> None:
    path, made = centre.pack()
    settled(centre, path, made.id)
    centre.running.platform.cabinet.change(made.id, station_id="gone", state="refused")
    desk.post(f"{centre.running.url}/packages/{made.id}/check", timeout=10)
    end = time.monotonic() + 10
    while centre.running.platform.cabinet.find(made.id).refusal is None and time.monotonic() < end:
        time.sleep(0.05)
    assert centre.running.platform.cabinet.find(made.id).refusal["code"] == "station_unknown"


def test_a_package_whose_file_is_gone_stays_to_be_checked(centre: Centre, desk: requests.Session) -> None:
    path, made = centre.pack()
    settled(centre, path, made.id)
    platform = centre.running.platform
    platform.cabinet.change(made.id, state="arrived")
    platform.cabinet.package(made.id).unlink()
    desk.post(f"{centre.running.url}/packages/{made.id}/check", timeout=10)
    end = time.monotonic() + 10
    while platform.cabinet.find(made.id).refusal is None and time.monotonic() < end:
        time.sleep(0.05)
    assert platform.cabinet.find(made.id).state == "arrived"
    assert platform.cabinet.find(made.id).refusal["code"] == "job_broken"
    assert "job_broken" not in desk.get(f"{centre.running.url}/packages/{made.id}", timeout=10).text


def test_a_fault_of_the_platforms_disk_is_not_put_on_the_package(centre: Centre) -> None:
    platform = centre.running.platform
    path, made = centre.pack()
    settled(centre, path, made.id)
    platform.cabinet.change(made.id, state="arrived")
    stations = platform.folder / "stations.json"
    stations.unlink()
    stations.mkdir()
    platform.intake.add(made.id)
    end = time.monotonic() + 10
    while platform.cabinet.find(made.id).refusal is None and time.monotonic() < end:
        time.sleep(0.05)
    record = platform.cabinet.find(made.id)
    assert (record.state, record.refusal["code"]) == ("arrived", "platform_disk")


def test_contents_of_another_station_version_are_shown_as_far_as_they_go(tmp_path: Path) -> None:
    assert read_contents(tmp_path).attempts == []
    (tmp_path / "result.json").write_text('{"sitting": 5, "attempts": ["0042", {"name": "x"}], "absent": null}')
    (tmp_path / "marks.json").write_text('{"attempts": [{"marks": [{}, {}]}, {}, 5]}')
    contents = read_contents(tmp_path)
    assert [row.get("ticket_number") for row in contents.attempts] == ["0042", None]
    assert (contents.sitting, contents.absent, contents.marked_count) == ({}, [], 2)
    (tmp_path / "result.json").write_bytes(b"\xff")
    assert read_contents(tmp_path).attempts == []


def test_a_station_is_registered_once_and_its_token_kept_only_as_a_hash(tmp_path: Path) -> None:
    public = keys.verify_key_to_text(keys.make_signing_key().public_key())
    token = add_station(tmp_path, id="site-1", name="考点", verify_key=public)
    assert token not in (tmp_path / "stations.json").read_text("utf-8")
    with pytest.raises(KeyRefused) as refusal:
        add_station(tmp_path, id="site-1", name="考点", verify_key=public)
    assert refusal.value.code == "station_known"
    with pytest.raises(KeyRefused) as refusal:
        add_station(tmp_path, id="../x", name="考点", verify_key=public)
    assert refusal.value.code == "station_id_unusable"
    with pytest.raises(KeyRefused):
        add_station(tmp_path, id="site-2", name="考点", verify_key="x")
    assert list(read_stations(tmp_path)) == ["site-1"]


def test_the_keys_outlive_a_restart_and_are_told_to_everyone(centre: Centre) -> None:
    told = requests.get(f"{centre.running.url}/keys", timeout=10).json()
    assert told["recipient"] == centre.vault.recipient
    assert told["receipt_verify_key"] == centre.vault.verify_key
    again = start_platform(centre.running.platform.folder)
    assert again.platform.vault.recipient == centre.vault.recipient
    again.close()


@pytest.mark.parametrize("kind", ["trial", "rehearsal"])
def test_the_package_of_a_trial_or_a_rehearsal_is_no_result(centre: Centre, kind: str) -> None:
    path, made = centre.pack(
        members=[Member("result.json", json.dumps(RESULT).encode())], labels={"sitting_kind": kind}
    )
    outcome = settled(centre, path, made.id)
    assert isinstance(outcome, Fatal)
    assert centre.running.platform.cabinet.find(made.id).refusal["code"] == "no_real_result"
