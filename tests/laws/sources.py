"""The project's own files, as the laws read them."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGES = ("station", "sync", "invigilator_console", "client_agent")
FOLDERS = (*PACKAGES, "installers", "tests", "docs", ".ci")
LEFT_OUT = {"__pycache__", "build", ".ruff_cache", ".mypy_cache", ".pytest_cache"}


@cache
def project_files() -> tuple[Path, ...]:
    """List every file that belongs to the project, relative to its root."""
    found = [path for path in ROOT.iterdir() if path.is_file() and path.name != ".git"]
    for folder in FOLDERS:
        found += [path for path in (ROOT / folder).rglob("*") if path.is_file()]
    kept = [path.relative_to(ROOT) for path in found]
    return tuple(
        path
        for path in sorted(kept)
        if not LEFT_OUT & set(path.parts) and not any(part.endswith(".egg-info") for part in path.parts)
    )


def python_files(*folders: str) -> Iterator[Path]:
    """List the Python files under some of the top folders."""
    return (path for path in project_files() if path.suffix == ".py" and path.parts[0] in folders)


@cache
def text_of(path: Path) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


@cache
def text_of_tests(*, without: str) -> str:
    """Join all test files but the one that asks: it would find its own list."""
    return "\n".join(text_of(path) for path in python_files("tests") if path.name != without)


def import_everything(package: str) -> None:
    """Import every module of a package, so that all that is declared on import has been declared."""
    root = importlib.import_module(package)
    for module in pkgutil.walk_packages(root.__path__, f"{package}."):
        if "migrations" not in module.name:
            importlib.import_module(module.name)
