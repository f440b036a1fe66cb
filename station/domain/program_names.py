"""Programs that items name by their file (photoshop.exe, gimp*), and what people call them."""

from __future__ import annotations

# The command by which a PC opens a program, and the capability of an agent that can.
OPEN_PROGRAM = "open"
_ENDINGS = (".exe", ".bin")
_TITLES = {
    "photoshop": "Photoshop",
    "illustrator": "Illustrator",
    "dreamweaver": "Dreamweaver",
    "fireworks": "Fireworks",
    "flash": "Flash",
    "afterfx": "After Effects",
    "coreldrw": "CorelDRAW",
    "winword": "Word",
    "excel": "Excel",
    "powerpnt": "PowerPoint",
    "wps": "WPS 文字",
    "et": "WPS 表格",
    "wpp": "WPS 演示",
    "pycharm64": "PyCharm",
    "pycharm": "PyCharm",
    "code": "VS Code",
    "idle": "IDLE",
    "gimp": "GIMP",
    "inkscape": "Inkscape",
    "libreoffice": "LibreOffice",
    "soffice": "LibreOffice",
    "notepad": "记事本",
    "mspaint": "画图",
    "calc": "计算器",
}


def is_same_program(one: str, other: str) -> bool:
    """Compare two names of a program without regard to case."""
    return one.strip().lower() == other.strip().lower()


def program_title(name: str) -> str:
    """Say what people call a program; an unknown one is called as its file is."""
    stem = name.strip().lower().rstrip("*")
    for ending in _ENDINGS:
        stem = stem.removesuffix(ending)
    return _TITLES.get(stem) or name.strip().rstrip("*").removesuffix(".exe") or name
