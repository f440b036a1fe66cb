"""What files may be handed in: by name, by first bytes, never a program."""

from __future__ import annotations

import pytest

from station.domain.file_kind import check_content, check_name, extension_of, media_type_of
from station.errors import Invalid


@pytest.mark.parametrize(
    ("name", "head"),
    [
        ("方案.docx", b"PK\x03\x04rest"),
        ("方案.DOC", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"),
        ("表.et", b"PK\x03\x04"),
        ("图.png", b"\x89PNG\r\n\x1a\n"),
        ("图.psd", b"8BPS\x00\x01"),
        ("数据.csv", "店铺,访客\n".encode("gbk")),
        ("数据.csv", "店铺,访客\n".encode("utf-16")),
        ("程序.py", b"#!/usr/bin/python3\n"),
        ("设计.fw", b"\x00\x01anything"),
    ],
)
def test_a_file_that_is_what_it_says_is_taken(name: str, head: bytes) -> None:
    check_content(name, head)


@pytest.mark.parametrize(
    ("name", "head"),
    [
        ("方案.docx", b"%PDF-1.7"),
        ("方案.pdf", b"PK\x03\x04"),
        ("图.jpg", b"\x89PNG\r\n\x1a\n"),
        ("数据.txt", b"\x00\x01\x02"),
        ("数据.txt", b"MZ\x90"),
        ("设计.fw", b"MZ\x90\x00"),
        ("设计.fw", b"\x7fELF\x02"),
        ("设计.fw", b""),
    ],
)
def test_a_file_that_is_something_else_is_refused(name: str, head: bytes) -> None:
    with pytest.raises(Invalid) as refused:
        check_content(name, head)
    assert refused.value.code == "upload_content_wrong"


def test_names_are_tidied_and_kept_in_chinese() -> None:
    assert check_name("  推广方案（终稿）.XLSX ", (".xlsx",)) == "推广方案（终稿）.XLSX"


@pytest.mark.parametrize("name", ["", " ", "a/b.xlsx", "a\\b.xlsx", "a\x00.xlsx", "长" * 200 + ".xlsx", 'a".xlsx'])
def test_names_that_no_folder_could_hold_are_refused(name: str) -> None:
    with pytest.raises(Invalid) as refused:
        check_name(name, (".xlsx",))
    assert refused.value.code == "upload_name_wrong"


def test_another_extension_is_refused_and_the_wanted_ones_are_named() -> None:
    with pytest.raises(Invalid) as refused:
        check_name("方案.exe", (".docx", ".pdf"))
    assert ".docx、.pdf" in refused.value.sentence()


def test_extensions_and_media_types() -> None:
    assert extension_of("a.tar.GZ") == ".gz"
    assert extension_of(".hidden") == ""
    assert media_type_of("方案.pdf") == "application/pdf"
    assert media_type_of("设计.fw") == "application/octet-stream"
