"""The papers of the small room: one item of every kind, with assets and keys."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from station.domain.paper import canonical_bytes, paper_sha256
from station.store.files import keep_file
from station.store.models import Asset, Paper, PaperAsset, Subject
from station.web.edge import Edge

# Papers by subject code: the document, and its assets as (media type, content).
Papers = Mapping[str, tuple[Mapping[str, Any], Mapping[str, tuple[str, bytes]]]]
# A PNG of one pixel, and a workbook's first bytes.
PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d4944415478"
    "9c6360000002000001e221bc330000000049454e44ae426082"
)
WORKBOOK = b"PK\x03\x04" + b"workbook of the sample " * 20


def keep_paper(
    db: Session,
    edge: Edge,
    subject: Subject,
    given: Mapping[str, Any],
    assets: Mapping[str, tuple[str, bytes]],
    *,
    at: datetime,
) -> Paper:
    """Put a paper of the room into the store."""
    code = f"T-{subject.code}"
    document = {
        **given,
        "code": code,
        "subject": subject.code,
        "assets": {
            name: {"sha256": keep_file(edge.assets, content), "media_type": media_type, "size": len(content)}
            for name, (media_type, content) in assets.items()
        },
    }
    paper = Paper(
        subject_id=subject.id,
        code=code,
        title=str(document["title"]),
        sha256=paper_sha256(document),
        document=canonical_bytes(document).decode(),
        keys=json.dumps(KEYS, ensure_ascii=False),
        item_count=sum(len(section["items"]) for section in given["sections"]),
        imported_at=at,
    )
    db.add(paper)
    db.flush()
    for name, (media_type, content) in assets.items():
        sha256 = hashlib.sha256(content).hexdigest()
        db.merge(Asset(sha256=sha256, media_type=media_type, size=len(content)))
        db.flush()
        db.add(PaperAsset(paper_id=paper.id, name=name, sha256=sha256))
    return paper


ASSETS: dict[str, tuple[str, bytes]] = {
    "chart.png": ("image/png", PIXEL),
    "bid.xlsx": ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", WORKBOOK),
}
_OPTIONS = [{"id": letter, "html": f"选项{letter}"} for letter in "ABCD"]
PAPER: dict[str, Any] = {
    "format": "exam-paper/1",
    "title": "示例试卷",
    "certificate": "网店运营推广",
    "level": "初级",
    "full_points": "100.00",
    "sections": [
        {
            "id": "s1",
            "title": "一、选择与判断",
            "instructions": "<p>每题 10 分</p>",
            "items": [
                {
                    "id": "c1",
                    "kind": "single",
                    "points": "10.00",
                    "policy": "exact",
                    "body": '<p>看图选择。<img src="asset:chart.png" alt="图"></p>',
                    "interaction": {"options": _OPTIONS, "shuffle": False},
                },
                {
                    "id": "c2",
                    "kind": "multiple",
                    "points": "10.00",
                    "policy": "exact",
                    "body": "<p>多项选择。</p>",
                    "interaction": {"options": _OPTIONS, "shuffle": False},
                },
                {
                    "id": "c3",
                    "kind": "true_false",
                    "points": "10.00",
                    "policy": "exact",
                    "body": "<p>判断。</p>",
                    "interaction": {},
                },
            ],
        },
        {
            "id": "s2",
            "title": "二、填写",
            "instructions": "",
            "items": [
                {
                    "id": "b1",
                    "kind": "fill_in",
                    "points": "10.00",
                    "policy": "blank_each",
                    "body": '<p>一天有<span data-blank="h"></span>小时。</p>',
                    "interaction": {"blanks": [{"id": "h", "width": 6}, {"id": "m", "width": 6}]},
                },
                {
                    "id": "w1",
                    "kind": "short_answer",
                    "points": "10.00",
                    "policy": "manual",
                    "body": "<p>简答。</p>",
                    "interaction": {"lines": 3, "max_length": 200},
                },
                {
                    "id": "w2",
                    "kind": "long_answer",
                    "points": "20.00",
                    "policy": "manual",
                    "body": "<p>论述。</p>",
                    "interaction": {"lines": 6, "max_length": 2000},
                },
                {
                    "id": "g1",
                    "kind": "table",
                    "points": "20.00",
                    "policy": "table_cells",
                    "body": "<p>填表。</p>",
                    "interaction": {
                        "columns": [
                            {"id": "a", "title": "科目", "input": "text"},
                            {"id": "b", "title": "金额", "input": "number"},
                            {"id": "c", "title": "方向", "input": "choice", "options": ["借", "贷"]},
                        ],
                        "rows": [{"id": "r1", "cells": {"a": {"text": "银行存款"}}}, {"id": "r2", "cells": {}}],
                    },
                },
                {
                    "id": "f1",
                    "kind": "file",
                    "points": "10.00",
                    "policy": "manual",
                    "body": "<p>提交文件。</p>",
                    "materials": [{"asset": "bid.xlsx", "name": "投标素材.xlsx"}],
                    "interaction": {
                        "files": [
                            {
                                "id": "plan",
                                "label": "推广方案",
                                "extensions": [".xlsx", ".docx", ".pdf"],
                                "max_bytes": 200_000,
                                "required": True,
                            }
                        ]
                    },
                },
            ],
        },
    ],
}
ITEM_IDS = [item["id"] for section in PAPER["sections"] for item in section["items"]]
KEYS: dict[str, Any] = {"format": "exam-keys/1", "keys": {"b1": {"blanks": {"h": {"accepted": ["二十四小时整"]}}}}}
A, B = {"base": {"identifier": "A"}}, {"base": {"identifier": "B"}}


def text(value: str) -> dict[str, object]:
    """A text response."""
    return {"base": {"string": value}}
