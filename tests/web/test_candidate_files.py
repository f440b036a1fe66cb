"""Files that candidates hand in, over real HTTP."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select

from station.store.models import Upload
from tests.web.seated_paper import WORKBOOK
from tests.web.seating import Browser, SeatedRoom, refusal


def test_a_file_is_taken_named_in_the_answer_and_given_back(candidate: Browser, room: SeatedRoom) -> None:
    file = candidate.upload(WORKBOOK).json()["file"]
    assert (file["name"], file["size"]) == ("方案.xlsx", len(WORKBOOK))
    named = {key: file[key] for key in ("name", "sha256", "size", "media_type")}
    response = {"record": [{"name": "plan", "base": {"file": named}}]}
    assert candidate.save((1, "f1", response)).json()["refused"] == []
    back = candidate.get(f"/api/files/{candidate.attempt_id}/{file['sha256']}")
    assert back.content == WORKBOOK
    assert back.headers["Content-Disposition"].startswith("attachment")
    assert candidate.upload(WORKBOOK).json()["file"]["uploaded_at"] == file["uploaded_at"]
    with room.store.reading() as db:
        assert db.scalar(select(func.count()).select_from(Upload)) == 1
    assert not list(room.edge.uploads.glob("*.incoming"))


@pytest.mark.parametrize(
    ("content", "query", "status", "code"),
    [
        (WORKBOOK, {"name": "程序.exe"}, 400, "upload_kind_wrong"),
        (WORKBOOK, {"name": "../x.xlsx"}, 400, "upload_name_wrong"),
        (WORKBOOK, {"name": ""}, 400, "upload_name_wrong"),
        (b"MZ" + b"\0" * 100, {"name": "方案.xlsx"}, 400, "upload_content_wrong"),
        (b"just text", {"name": "方案.docx"}, 400, "upload_content_wrong"),
        (WORKBOOK, {"name": "方案.pdf"}, 400, "upload_content_wrong"),
        (b"", {"name": "方案.xlsx"}, 400, "upload_empty"),
        (WORKBOOK * 500, {"name": "方案.xlsx"}, 400, "upload_too_large"),
        (WORKBOOK, {"name": "方案.xlsx", "part": "other"}, 404, "upload_part_unknown"),
        (WORKBOOK, {"name": "方案.xlsx", "item_id": "c1"}, 404, "upload_part_unknown"),
        (WORKBOOK, {"name": "方案.xlsx", "item_id": "zz"}, 404, "item_unknown"),
    ],
)
def test_a_wrong_or_too_large_file_is_refused_by_name_and_leaves_nothing(
    candidate: Browser, room: SeatedRoom, content: bytes, query: dict[str, str], status: int, code: str
) -> None:
    assert refusal(candidate.upload(content, **query)) == (status, code)
    assert [path for path in room.edge.uploads.rglob("*") if path.is_file()] == []


def test_one_version_too_many_is_refused_and_the_same_file_again_is_not(candidate: Browser) -> None:
    for number in range(60):
        assert candidate.upload(WORKBOOK + b"%d" % number).status_code == 200
    assert refusal(candidate.upload(WORKBOOK + b"one more")) == (409, "too_many_versions")


def test_a_file_of_unknown_length_is_refused_when_it_grows_too_large(candidate: Browser) -> None:
    query = {"attempt_id": candidate.attempt_id, "item_id": "f1", "part": "plan", "name": "方案.xlsx"}
    chunks = (WORKBOOK for _ in range(1000))
    reply = candidate.request("POST", "/api/files", params=query, data=chunks)
    assert reply.status_code in {400, 413}
    assert reply.json()["error"]["code"] in {"upload_too_large", "request_too_large"}
