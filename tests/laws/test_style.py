"""House style that a machine can hold (design §2, §4, §12)."""

import ast
import re
from pathlib import Path

import pytest

from tests.laws.sources import PACKAGES, ROOT, project_files, python_files, text_of

LONGEST_MODULE = 400
NOT_USED = {
    "exam", "session", "student", "students", "user", "users", "submit", "submission", "data", "info",
    "manager", "handler", "helper", "helpers", "util", "utils", "type",
}  # fmt: skip
# module: why it is long
LONG_FOR_A_REASON = {
    "station/domain/events.py": "one list of events, without a line of logic",
}
TOP_LEVEL = {
    ".ci", ".git", ".gitignore", "CHANGELOG.md", "LICENSE", "README.md", "client_agent", "config.example.toml",
    "constraints.txt", "docs", "installers", "invigilator_console", "pyproject.toml", "station", "sync", "tests",
}  # fmt: skip
TEXT_KINDS = {".py", ".md", ".toml", ".txt", ".html", ".js", ".css", ".json", ".mako", ".svg", ""}
# Written in pieces, so that this file does not hold what it forbids.
REGISTRY_HOSTS = ["py" + "pi.org", "python" + "hosted.org", "npm" + "js.", "--index" + "-url", "PIP_INDEX" + "_URL"]
MACHINE_PATHS = ["/wo" + "rk/", "/ro" + "ot/", "/opt/" + "wheels", "/opt/py" + "pi", "/ho" + "me/"]
VENDORED = re.compile(r"(\.min\.(js|css)$)|jquery|bootstrap\.(css|js)|vue|react|htmx|alpine", re.IGNORECASE)


def words_of(name):
    return set(re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower().replace("-", "_").split("_"))


def test_no_module_is_longer_than_the_limit_but_those_with_a_reason():
    """A migration is not counted: it is written once and never read as code."""
    lines = {
        path.as_posix(): len(text_of(path).splitlines())
        for path in python_files(*PACKAGES, "installers", "tests")
        if "migrations" not in path.parts
    }
    long = {path: count for path, count in lines.items() if count > LONGEST_MODULE}
    assert long.keys() == LONG_FOR_A_REASON.keys(), long


def test_no_file_is_named_by_a_word_that_says_nothing():
    named = [
        str(path)
        for path in python_files(*PACKAGES)
        if words_of(path.stem) & (NOT_USED - {"exam"}) or path.stem == "exam"
    ]
    assert not named


def test_no_class_is_named_by_a_word_that_says_nothing():
    named = [
        f"{path}: {node.name}"
        for path in python_files(*PACKAGES)
        for node in ast.walk(ast.parse(text_of(path)))
        if isinstance(node, ast.ClassDef) and (words_of(node.name) & (NOT_USED - {"exam"}) or node.name == "Exam")
    ]
    assert not named


def test_only_what_the_design_lists_stands_at_the_top():
    caches = {".venv", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".import_linter_cache", ".hypothesis"}
    ignored = caches | {"build", "dist", "var", "demo-station", "screenshots", "__pycache__", "exam_station.egg-info"}
    assert {path.name for path in ROOT.iterdir()} - ignored <= TOP_LEVEL


@pytest.mark.parametrize("forbidden", [REGISTRY_HOSTS, MACHINE_PATHS], ids=["registry hosts", "machine paths"])
def test_no_file_names_the_place_it_was_made_at(forbidden):
    found = [
        f"{path}: {word}"
        for path in project_files()
        if path.suffix in TEXT_KINDS
        for word in forbidden
        if word in text_of(path)
    ]
    assert not found


def test_no_page_asset_of_others_is_copied_in():
    assert not [str(path) for path in project_files() if "static" in path.parts and VENDORED.search(path.name)]


def test_no_page_fetches_anything_from_outside():
    outside = re.compile(r"""(src|href)=["'](https?:)?//|@import\s+url|url\(["']?https?:""")
    pages = [path for path in project_files() if path.suffix in {".html", ".css", ".js"}]
    assert not [str(path) for path in pages if outside.search(text_of(path))]


def test_every_module_says_what_it_is():
    silent = [
        str(path)
        for path in python_files(*PACKAGES, "installers")
        if text_of(path).strip() and ast.get_docstring(ast.parse(text_of(path))) is None
    ]
    assert not silent


def test_nothing_is_left_to_do_in_a_comment():
    marks = re.compile("TO" + r"DO\b|FIX" + r"ME\b|XX" + r"X\b")
    assert not [str(path) for path in python_files(*PACKAGES, "installers", "tests") if marks.search(text_of(path))]


def test_the_project_has_a_licence_and_a_list_of_changes():
    assert "Apache License" in text_of(Path("LICENSE"))
    assert text_of(Path("CHANGELOG.md")).startswith("# ")


def test_the_candidates_page_reads_the_pcs_clock_in_one_place():
    """Its battery may be dead, and somebody may set it right in the middle of a test."""
    reading = re.compile(r"\bDate\.now\(|\bnew Date\(\s*\)")
    scripts = [
        path for path in project_files() if path.parts[:3] == ("station", "web", "static") and path.suffix == ".js"
    ]
    assert {path.name for path in scripts if reading.search(text_of(path))} == {"station_clock.js"}
