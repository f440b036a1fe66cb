"""The practice paper that every station has: for trials before the real papers are here, and for rehearsals."""

from __future__ import annotations

from typing import Any

PRACTICE_CERTIFICATE = "practice"
PRACTICE_PAPER = "practice-1"
FILE_ITEM, FILE_PART = "f1", "file"
LARGEST_FILE = 20 * 2**20


def practice_paper() -> dict[str, Any]:
    """Give the paper: one item of each kind, about the page itself, so that nobody learns anything of a real one."""
    return {
        "format": "exam-paper/1",
        "code": PRACTICE_PAPER,
        "title": "试考练习卷",
        "certificate": PRACTICE_CERTIFICATE,
        "level": "",
        "subject": "试考",
        "full_points": "16.00",
        "sections": [
            {"id": "s1", "title": "一、熟悉答题页面", "instructions": "试考不计分。", "items": _chosen()},
            {"id": "s2", "title": "二、录入与文件", "instructions": "请检查输入法和文件上传。", "items": _written()},
        ],
        "assets": {},
    }


def _chosen() -> list[dict[str, Any]]:
    return [
        _single(
            "q1", "选择一个选项后，页面上方显示什么？", ("已保存和时间", "考生成绩", "其他考生的答案", "什么也不显示")
        ),
        _single("q2", "答题时遇到机器故障，应当？", ("举手报告监考员", "自行重启", "更换考位", "离开考场")),
        _single("q3", "网络断开时，已输入的答案会怎样？", ("暂存本机，恢复后自动上传", "全部丢失", "自动交卷", "清空")),
        {
            "id": "q4",
            "kind": "multiple",
            "points": "2.00",
            "body": "<p>下列哪些可以在本页面操作？（多选）</p>",
            "policy": "exact",
            "interaction": {
                "options": [
                    {"id": "A", "html": "标记试题"},
                    {"id": "B", "html": "调整字号"},
                    {"id": "C", "html": "查看历史答案"},
                    {"id": "D", "html": "访问其他网站"},
                ],
                "shuffle": False,
            },
        },
        {
            "id": "q5",
            "kind": "true_false",
            "points": "1.00",
            "body": "<p>考试时间由服务器统一计时。</p>",
            "policy": "exact",
            "interaction": {},
        },
    ]


def _written() -> list[dict[str, Any]]:
    return [
        {
            "id": "q6",
            "kind": "fill_in",
            "points": "2.00",
            "body": '<p>用中文输入法输入“考试”二字：<span data-blank="b1"></span>。</p>',
            "policy": "blank_each",
            "interaction": {"blanks": [{"id": "b1", "width": 8}]},
        },
        {
            "id": "q7",
            "kind": "short_answer",
            "points": "3.00",
            "body": "<p>请输入一段文字，检查键盘和输入法。</p>",
            "policy": "manual",
            "interaction": {"lines": 5, "max_length": 1000},
        },
        {
            "id": FILE_ITEM,
            "kind": "file",
            "points": "5.00",
            "body": "<p>上传任意一个文件，检查文件上传。</p>",
            "policy": "manual",
            "interaction": {
                "files": [
                    {
                        "id": FILE_PART,
                        "label": "练习文件",
                        "extensions": [".txt", ".docx", ".xlsx", ".pdf", ".png", ".jpg", ".zip"],
                        "max_bytes": LARGEST_FILE,
                        "required": False,
                    }
                ]
            },
        },
    ]


def _single(item_id: str, text: str, options: tuple[str, ...]) -> dict[str, Any]:
    return {
        "id": item_id,
        "kind": "single",
        "points": "1.00",
        "body": f"<p>{text}</p>",
        "policy": "exact",
        "interaction": {
            "options": [{"id": letter, "html": html} for letter, html in zip("ABCD", options, strict=True)],
            "shuffle": False,
        },
    }


def is_practice_code(code: str) -> bool:
    """Say whether a paper's code makes it a practice paper: given to no real sitting, offered for trials."""
    return code.upper().startswith("SK-")
