"""Papers from packages: sanitised, their assets proven, their keys bound."""

from __future__ import annotations

import hashlib
import json
import zipfile

import pytest

from station.domain.paper import paper_sha256
from station.importers.markup import sanitised
from station.importers.paper_json import read_paper_folder
from station.importers.rejections import ImportRejected


@pytest.fixture
def package(tmp_path, picture):
    """Write a package; `change` may alter its documents and files before."""

    def write(change=lambda documents, files: None, *, folder=False, top=""):
        chart, notes = picture(kind="PNG"), "素材".encode("gbk")
        files = {"assets/chart.png": chart, "assets/notes.txt": notes}
        kinds = {"chart.png": "image/png", "notes.txt": "text/plain"}
        paper = {
            "format": "exam-paper/1", "code": "P-1", "title": "示例", "certificate": "示例", "level": "初级",
            "subject": "practical", "full_points": "2.00",
            "sections": [{"id": "s1", "title": "一", "instructions": "<p>说明</p>", "items": [{
                "id": "p1", "kind": "single", "points": "2.00", "policy": "exact",
                "body": '<p>看图<img src="asset:chart.png" alt="图"></p>',
                "interaction": {"options": [{"id": "A", "html": "甲"}, {"id": "B", "html": "乙"}]},
                "materials": [{"asset": "notes.txt", "name": "素材.txt"}],
            }]}],
            "assets": {
                name: {"sha256": hashlib.sha256(raw).hexdigest(), "media_type": kinds[name], "size": len(raw)}
                for name, raw in (("chart.png", chart), ("notes.txt", notes))
            },
        }  # fmt: skip
        keys = {"p1": {"policy": "exact", "answer": {"base": {"identifier": "B"}}}}
        documents = {"paper": paper, "keys": {"format": "exam-keys/1", "paper_code": "P-1", "keys": keys}}
        change(documents, files)
        documents["keys"].setdefault("paper_sha256", paper_sha256(paper))
        for name, document in documents.items():
            files.setdefault(f"{name}.json", json.dumps(document).encode())
        return _folder(tmp_path / "paper", files) if folder else _zip(tmp_path / "paper.zip", files, top)

    return write


def _folder(path, files):
    for name, raw in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(raw)
    return path


def _zip(path, files, top):
    with zipfile.ZipFile(path, "w") as archive:
        for name, raw in files.items():
            if raw is not None:
                archive.writestr(top + name, raw)
    return path


def codes(path):
    with pytest.raises(ImportRejected) as refused:
        read_paper_folder(path)
    return [found.code for found in refused.value.rejections]


@pytest.mark.parametrize("where", [{"folder": True}, {"folder": False}, {"top": "试卷/"}])
def test_a_package_is_read_from_a_folder_a_zip_and_a_folder_in_a_zip(package, where):
    found = read_paper_folder(package(**where))
    assert found.paper.code == "P-1"
    assert found.keys.keys["p1"]["answer"] == {"base": {"identifier": "B"}}
    assert found.assets.keys() == {"chart.png", "notes.txt"}


def test_html_is_sanitised_and_the_keys_are_bound_to_what_is_kept(package):
    def poison(documents, files):
        item = documents["paper"]["sections"][0]["items"][0]
        item["body"] += '<script>alert(1)</script><img src="https://x.example/a.png"><a href="javascript:x">链接</a>'
        item["interaction"]["options"][0]["html"] = '<b onclick="x">甲</b>'
        documents["paper"]["sections"][0]["instructions"] = '<p style="x">说明<iframe src="/"></iframe></p>'

    found = read_paper_folder(package(poison))
    text = json.dumps(found.paper_document, ensure_ascii=False)
    for bad in ("script", "https:", "javascript", "onclick", "iframe", "style"):
        assert bad not in text
    assert "链接" in text
    assert found.keys_document["paper_sha256"] == paper_sha256(found.paper_document) == found.paper.sha256


def test_an_answer_in_a_field_of_its_own_stays_behind(package):
    def change(documents, files):
        item = documents["paper"]["sections"][0]["items"][0]
        item["kind"], item["policy"] = "table", "table_cells"
        item["interaction"] = {
            "columns": [{"id": "a", "title": "<b>科目</b>", "x_source": "LEAK"}],
            "rows": [{"id": "r1", "cells": {"a": {"x_right": "LEAK"}}, "x_note": "LEAK"}],
            "x_marking": {"r1.a": "LEAK"},
        }
        item["x_right"] = ["LEAK"]
        documents["paper"]["x_comment"] = documents["paper"]["sections"][0]["x_comment"] = "LEAK"
        cells = {"r1.a": {"accepted": ["银行存款"], "points": "2.00"}}
        documents["keys"]["keys"] = {"p1": {"policy": "table_cells", "cells": cells}}

    imported = read_paper_folder(package(change))
    assert "LEAK" not in json.dumps(imported.paper_document)
    assert imported.keys.keys["p1"]["cells"], "the keys are bound to what is kept"
    column = imported.paper_document["sections"][0]["items"][0]["interaction"]["columns"][0]
    assert column == {"id": "a", "title": "<b>科目</b>"}, "a title is text; the page shows it as text"


def test_the_keys_of_another_paper_are_refused_though_sanitising_would_bind_them(package):
    def exchange(documents, files):
        documents["keys"]["paper_sha256"] = "0" * 64

    assert codes(package(exchange)) == ["keys_of_another_paper"]


def test_a_paper_without_keys_is_for_the_centre_to_mark(package):
    found = read_paper_folder(package(lambda documents, files: files.update({"keys.json": None})))
    assert found.keys is None
    assert found.keys_document is None


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"paper.json": None}, "paper_file_missing"),
        ({"paper.json": b"{"}, "paper_file_unreadable"),
        ({"paper.json": b"[]"}, "paper_file_unreadable"),
        ({"paper.json": b"[" * 100_000}, "paper_file_unreadable"),
        ({"paper.json": b"\xff\xfe{"}, "paper_file_unreadable"),
        ({"assets/notes.txt": None}, "asset_file_missing"),
        ({"assets/notes.txt": b"other"}, "asset_differs"),
        ({"assets/chart.png": b"<svg></svg>"}, "not_a_picture"),
        ({"assets/notes.txt": bytes(20 * 1024 * 1024 + 1)}, "entry_too_large"),
        ({"../../x": b"x"}, None),
    ],
)
def test_a_package_that_is_not_whole_is_refused_by_name(package, changed, code):
    path = package(lambda documents, files: files.update(changed))
    if code is None:
        assert read_paper_folder(path)
    else:
        assert codes(path) == [code]


def test_an_asset_above_20_megabytes_in_a_folder_is_refused_by_name(package):
    path = package(lambda documents, files: files.update({"assets/notes.txt": bytes(21 * 1024 * 1024)}), folder=True)
    assert codes(path) == ["asset_too_large"]


@pytest.mark.parametrize(
    ("name", "raw", "code"),
    [
        ("tool.exe", b"MZ", "asset_kind_unknown"),
        ("page.html", b"<p>", "asset_kind_unknown"),
        ("shop.xlsx", b"PK\x03\x04 not a workbook", "asset_content_differs"),
        ("task.pdf", b"<html>", "asset_content_differs"),
        ("task.txt", b"\x00\x01\x02", "asset_content_differs"),
        ("clip.mp4", b"none", "asset_content_differs"),
    ],
)
def test_an_asset_that_is_not_what_it_says_is_refused_by_name(package, name, raw, code):
    def add(documents, files):
        files[f"assets/{name}"] = raw
        entry = {"sha256": hashlib.sha256(raw).hexdigest(), "media_type": "x/y", "size": len(raw)}
        documents["paper"]["assets"][name] = entry

    assert codes(package(add)) == [code]


def test_a_missing_capability_is_refused_by_name_at_import(package):
    def need(documents, files):
        documents["paper"]["sections"][0]["items"][0]["policy"] = "qti_rules"

    assert codes(package(need)) == ["capability_missing"]


@pytest.mark.parametrize(
    ("markup", "kept"),
    [
        ('<td colspan="2" onclick="x">a</td>', "a"),
        ('<table><tbody><tr><td colspan="2" rowspan="x">a</td></tr></tbody></table>',
         '<table><tbody><tr><td colspan="2">a</td></tr></tbody></table>'),
        ('<img src="asset:图.png" alt="图" width="100" height="9e9">', '<img src="asset:图.png" alt="图" width="100">'),
        ('<img src="javascript:1"><img src="data:image/png;base64,x">', "<img><img>"),
        ('<span data-blank="b1" class="x">字</span>', '<span data-blank="b1">字</span>'),
        ("<svg><style><img src=asset:x onerror=x></style></svg>", '<img src="asset:x">'),
        ("a < b & c", "a &lt; b &amp; c"),
    ],
)  # fmt: skip
def test_only_the_allowed_markup_stays_and_a_second_pass_changes_nothing(markup, kept):
    assert sanitised(markup) == kept
    assert sanitised(kept) == kept
