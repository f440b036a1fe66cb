"""Papers from canonical JSON: a folder or ZIP with paper.json, keys.json and assets/ (design §7)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from station.domain.paper import AnswerKeys, Paper, paper_sha256, parse_keys, parse_paper
from station.errors import Invalid, StationError, problem
from station.importers.archives import Entry, open_archive
from station.importers.markup import sanitised
from station.importers.media import MAX_ASSET_BYTES, described
from station.importers.rejections import Faults, reject, reject_error

PAPER_FILE_MISSING = problem(
    "paper_file_missing", "缺少文件 {name}。请检查试卷包是否完整。", "The file {name} is missing. Is the package whole?"
)
PAPER_FILE_UNREADABLE = problem(
    "paper_file_unreadable",
    "{name} 不是有效的 JSON（{reason}）。请重新导出试卷包。",
    "{name} is not valid JSON ({reason}). Export the package again.",
)
ASSET_DIFFERS = problem(
    "asset_differs",
    "附件“{name}”与试卷登记的{what_zh}不一致，文件可能损坏或被替换。请重新获取试卷包。",
    "The asset {name} differs from the paper's entry ({what_en}): get the package again.",
)
ASSET_FILE_MISSING = problem(
    "asset_file_missing", "试卷登记的附件“{name}”不在包中。", "The asset {name} of the paper is not in the package."
)

MAX_JSON_BYTES = 20 * 1024 * 1024
MAX_PACKAGE_BYTES = 1024 * 1024 * 1024
MAX_FILES = 2_000
# What each object of a paper holds (design §7); objects that are found by name hold objects of one kind.
_FIELDS = {
    "paper": {"format", "code", "title", "certificate", "level", "subject", "full_points", "sections", "assets"},
    "sections": {"id", "title", "instructions", "items"},
    "items": {"id", "kind", "points", "body", "policy", "interaction", "materials", "difficulty"},
    "interaction": {"options", "shuffle", "blanks", "lines", "max_length", "columns", "rows", "files"},
    "options": {"id", "html"},
    "blanks": {"id", "width"},
    "columns": {"id", "title", "input", "options"},
    "rows": {"id", "cells"},
    "cell": {"text"},
    "files": {"id", "label", "extensions", "max_bytes", "required"},
    "materials": {"asset", "name"},
    "asset": {"sha256", "media_type", "size"},
}
_BY_NAME = {"cells": "cell", "assets": "asset"}


@dataclass(frozen=True)
class PaperImport:
    """A paper ready to be kept: documents as they are stored, `paper` and `keys` read from them, assets by name.

    `keys_document` and `keys` are None when no keys came along: the centre marks.
    """

    paper_document: Mapping[str, Any]
    keys_document: Mapping[str, Any] | None
    assets: Mapping[str, bytes]
    paper: Paper
    keys: AnswerKeys | None


def read_paper_folder(path: Path) -> PaperImport:
    """Read a paper from a folder or a ZIP. Raises ImportRejected with all that is wrong in it.

    1. Paper and keys are checked as they came; the keys must be those of just this paper.
    2. All HTML is sanitised; where that changed the paper, the keys are bound to its new hash.
    3. Every asset must be there, with the hash, size and media type that the paper names; others are left out.
    """
    files = _files_in_folder(path) if path.is_dir() else _files_in_archive(path)
    document = _document(files, "paper.json")
    keys_document = _document(files, "keys.json") if "keys.json" in files else None
    paper_document, bound = _checked("paper.json", document, keys_document)
    assets = _assets(files, paper_document)
    paper = parse_paper(paper_document)
    return PaperImport(paper_document, bound, assets, paper, parse_keys(bound, paper) if bound else None)


def checked_import(
    document: Mapping[str, Any], keys_document: Mapping[str, Any] | None, assets: Mapping[str, bytes]
) -> PaperImport:
    """Check documents that an importer has made itself; raise ImportRejected for what the domain refuses."""
    try:
        paper = parse_paper(document)
        keys = parse_keys(keys_document, paper) if keys_document is not None else None
    except StationError as refusal:
        raise reject_error(refusal) from refusal
    return PaperImport(document, keys_document, assets, paper, keys)


def _checked(
    name: str, document: dict[str, Any], keys_document: dict[str, Any] | None
) -> tuple[dict[str, Any], dict[str, Any] | None]:
    try:
        paper = parse_paper(document)
        if keys_document is not None:
            parse_keys(keys_document, paper)
        clean = _sanitised_paper(document)
        bound = None if keys_document is None else {**keys_document, "paper_sha256": paper_sha256(clean)}
        parse_paper(clean)
    except StationError as refusal:
        raise reject_error(refusal, sheet=name) from refusal
    return clean, bound


def _sanitised_paper(document: dict[str, Any]) -> dict[str, Any]:
    """Copy a checked paper: the fields that a paper has and no others, every piece of HTML sanitised.

    Candidates receive the copy as it is: an answer that an authoring tool left in a field of its own stays behind.
    """
    clean: dict[str, Any] = _known_fields(document, "paper")
    for section in clean["sections"]:
        if "instructions" in section:
            section["instructions"] = sanitised(section["instructions"] or "")
        for item in section["items"]:
            item["body"] = sanitised(item["body"])
            for option in item.get("interaction", {}).get("options", ()):
                option["html"] = sanitised(option["html"])
    return clean


def _known_fields(node: Any, kind: str) -> Any:
    if isinstance(node, list):
        return [_known_fields(one, kind) for one in node]
    if not isinstance(node, dict):
        return node
    if kind in _BY_NAME:
        return {name: _known_fields(one, _BY_NAME[kind]) for name, one in node.items()}
    return {name: _known_fields(one, name) for name, one in node.items() if name in _FIELDS.get(kind, ())}


def _assets(files: Mapping[str, bytes], document: Mapping[str, Any]) -> dict[str, bytes]:
    faults, assets = Faults(), dict[str, bytes]()
    for name, entry in (document.get("assets") or {}).items():
        raw = files.get(f"assets/{name}")
        if raw is None:
            faults.add(ASSET_FILE_MISSING, sheet="paper.json", name=name)
            continue
        assets[name] = raw
        try:
            _check_asset(name, entry, described(name, raw))
        except Invalid as refusal:
            faults.add_error(refusal, sheet=f"assets/{name}")
    faults.check()
    return assets


def _check_asset(name: str, said: Mapping[str, object], found: Mapping[str, object]) -> None:
    for field, zh, en in (("size", "大小", "size"), ("sha256", "校验值", "hash"), ("media_type", "类型", "media type")):
        if said[field] != found[field]:
            raise Invalid(ASSET_DIFFERS, name=name, what_zh=zh, what_en=en)


def _document(files: Mapping[str, bytes], name: str) -> dict[str, Any]:
    if name not in files:
        raise reject(PAPER_FILE_MISSING, name=name)
    try:
        document = json.loads(files[name].decode("utf-8-sig"))
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise reject(PAPER_FILE_UNREADABLE, name=name, reason=str(error)[:80]) from error
    if not isinstance(document, dict):
        raise reject(PAPER_FILE_UNREADABLE, name=name, reason=type(document).__name__)
    return document


def _files_in_folder(path: Path) -> dict[str, bytes]:
    """Read the package's files; one byte more than an asset may have is enough to refuse it."""
    wanted = [path / "paper.json", path / "keys.json", *sorted((path / "assets").glob("*"))]
    files: dict[str, bytes] = {}
    for place in wanted:
        if place.is_file() and not place.is_symlink():
            with place.open("rb") as file:
                files[place.relative_to(path).as_posix()] = file.read(MAX_ASSET_BYTES + 1)
    return files


def _files_in_archive(path: Path) -> dict[str, bytes]:
    """Read the package's files; it may lie in one folder of the ZIP."""
    with open_archive(path, max_bytes=MAX_PACKAGE_BYTES, max_entries=MAX_FILES) as entries:
        top = next((entry.name[: -len("paper.json")] for entry in entries if entry.file_name == "paper.json"), "")
        return _unpacked([entry for entry in entries if entry.name.startswith(top)], len(top))


def _unpacked(entries: list[Entry], cut: int) -> dict[str, bytes]:
    faults, files = Faults(), dict[str, bytes]()
    for entry in entries:
        name = entry.name[cut:]
        if name not in {"paper.json", "keys.json"} and not name.startswith("assets/"):
            continue
        try:
            files[name] = entry.read(MAX_JSON_BYTES if name.endswith(".json") else MAX_ASSET_BYTES)
        except Invalid as refusal:
            faults.add_error(refusal, sheet=entry.name)
    faults.check()
    return files
