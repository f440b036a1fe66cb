#!/usr/bin/env python3
"""Build the set-up of the client agent for Windows or Linux from given files, without any network.

    python installers/build_agent.py linux   --wheels FOLDER [--out dist]
    python installers/build_agent.py windows --nssm EXE SHA256 [--amd64 RUNTIME.zip SHA256 WHEELS]
                                             [--win32 RUNTIME.zip SHA256 WHEELS] [--out dist]

RUNTIME.zip is Python's embeddable package of 3.8, NSSM the service program of that name: whoever builds fetches
them and gives their SHA-256 as published. WHEELS hold what client_agent/constraints.txt names
(agent/windows/constraints-win32.txt where it differs) and are checked to load on Windows 7. Writes
exam-agent-VERSION.exe or .tar.gz, ready for the station's folder `data/installers`. Windows needs `makensis` (Debian:
nsis). 0: built; 1: an input is not what it must be, by name; 2: wrong command line. Python 3.11.
"""

from __future__ import annotations

import argparse
import ast
import base64
import gzip
import hashlib
import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from check_wheels import check_wheel

ROOT = Path(__file__).resolve().parent.parent
AGENT = ROOT / "client_agent"
PARTS = Path(__file__).resolve().parent / "agent"
SHIPPED = {".py", ".json", ".md", ".html", ".css", ".js"}
LEFT_OUT = {"__pycache__", "build"}
# What the agent imports besides Python itself; cryptography brings the other two.
NEEDED = ("psutil", "cryptography", "cffi", "pycparser")
RUNTIME_FILES = ("python.exe", "python38.dll", "python38.zip")
PATHS = "python38.zip\n.\n..\\app\n"
MADE_AT = 946_684_800  # 2000-01-01: the same input gives the same archive
ZIP_MADE_AT = (2000, 1, 1, 0, 0, 0)
WINDOWS_TAGS = {"amd64": "win_amd64", "win32": "win32"}
BOM = "\N{ZERO WIDTH NO-BREAK SPACE}"


class WrongInput(Exception):
    """A file that was given is missing or not the one wanted; the message names it."""


def main(arguments: Sequence[str]) -> int:
    """Build what is asked; print where it lies and its SHA-256."""
    chosen = parser().parse_args(arguments)
    try:
        with tempfile.TemporaryDirectory(prefix="exam-agent-") as folder:
            built = (
                build_linux(chosen, Path(folder)) if chosen.system == "linux" else build_windows(chosen, Path(folder))
            )
    except WrongInput as refusal:
        print(refusal, file=sys.stderr)
        return 1
    print(f"{built}  {built.stat().st_size} bytes  sha256 {sha256(built)}")
    return 0


def parser() -> argparse.ArgumentParser:
    """Describe the command line."""
    whole = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    systems = whole.add_subparsers(dest="system", required=True)
    linux = systems.add_parser("linux", help="exam-agent-VERSION.tar.gz")
    linux.add_argument("--wheels", type=Path, required=True, metavar="FOLDER", help="wheels for the PCs' Pythons")
    windows = systems.add_parser("windows", help="exam-agent-VERSION.exe")
    windows.add_argument("--nssm", nargs=2, required=True, metavar=("EXE", "SHA256"), help="service program")
    for kind, bits in (("amd64", 64), ("win32", 32)):
        words = ("RUNTIME.zip", "SHA256", "WHEELS")
        windows.add_argument(f"--{kind}", nargs=3, metavar=words, help=f"runtime and wheels for {bits} bit Windows")
    for system in (linux, windows):
        system.add_argument("--out", type=Path, default=ROOT / "dist", metavar="FOLDER", help="default: dist")
    return whole


# --- the agent itself -------------------------------------------------------------------------------


def agent_version() -> str:
    """Read the version without running the agent."""
    for line in (AGENT / "__init__.py").read_text(encoding="utf-8").splitlines():
        if line.startswith("__version__ = "):
            return str(ast.literal_eval(line.partition(" = ")[2]))
    raise WrongInput(f"{AGENT / '__init__.py'} names no version")


def agent_files() -> list[Path]:
    """List what of the agent's folder is part of the program."""
    return sorted(
        path
        for path in AGENT.rglob("*")
        if path.suffix in SHIPPED and not LEFT_OUT & set(path.relative_to(AGENT).parts)
    )


def write_agent_wheel(folder: Path) -> Path:
    """Write the agent as a wheel; a pure one is only a ZIP with four texts more, so no build tool is needed."""
    version, project = agent_version(), tomllib.loads((AGENT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    about = f"exam_station_agent-{version}.dist-info"
    members = {f"client_agent/{path.relative_to(AGENT).as_posix()}": path.read_bytes() for path in agent_files()}
    metadata = [
        "Metadata-Version: 2.1",
        f"Name: {project['name']}",
        f"Version: {version}",
        f"Summary: {project['description']}",
        f"License: {project['license']['text']}",
        f"Requires-Python: {project['requires-python']}",
        *(f"Requires-Dist: {one}" for one in project["dependencies"]),
    ]
    scripts = [f"{name} = {target}" for name, target in project["scripts"].items()]
    members[f"{about}/METADATA"] = _lines(metadata)
    members[f"{about}/WHEEL"] = _lines(
        ["Wheel-Version: 1.0", "Generator: build_agent", "Root-Is-Purelib: true", "Tag: py3-none-any"]
    )
    members[f"{about}/entry_points.txt"] = _lines(["[console_scripts]", *scripts])
    members[f"{about}/LICENSE"] = (ROOT / "LICENSE").read_bytes()
    record = [f"{name},sha256={_record_hash(content)},{len(content)}" for name, content in members.items()]
    members[f"{about}/RECORD"] = _lines([*record, f"{about}/RECORD,,"])
    wheel = folder / f"exam_station_agent-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name, ZIP_MADE_AT), content, zipfile.ZIP_DEFLATED)
    return wheel


def _lines(lines: Iterable[str]) -> bytes:
    return ("\n".join(lines) + "\n").encode("utf-8")


def _record_hash(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode("ascii")


# --- inputs -----------------------------------------------------------------------------------------


def checked_file(path: Path, wanted: str) -> Path:
    """Take a file whose SHA-256 is the one that was given."""
    if not path.is_file():
        raise WrongInput(f"{path}: no such file")
    found = sha256(path)
    if found != wanted.lower():
        raise WrongInput(f"{path.name}: sha256 is {found}, wanted was {wanted.lower()}")
    return path


def sha256(path: Path) -> str:
    """Hash a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def pins(*files: Path) -> dict[str, str]:
    """Read `name==version` lines; later files win."""
    lines = [line for path in files for line in path.read_text(encoding="utf-8").splitlines()]
    found = (re.fullmatch(r"([\w.-]+)==(\S+)", line.strip()) for line in lines)
    return {match[1].lower(): match[2] for match in found if match}


def checked_wheels(folder: Path, wanted: dict[str, str], platforms: re.Pattern[str]) -> list[Path]:
    """Take a wheelhouse that holds each needed package in the pinned version for these platforms, and nothing else."""
    wheels = sorted(folder.glob("*.whl"))
    held: dict[str, str] = {}
    for wheel in wheels:
        name, version, *_build, _python, _abi, platform = wheel.stem.split("-")
        name = name.lower().replace("_", "-")
        if name == "pip":
            continue
        if name not in NEEDED:
            raise WrongInput(f"{wheel.name}: the agent needs no such package")
        if version != wanted.get(name):
            raise WrongInput(f"{wheel.name}: version {wanted.get(name)} is pinned")
        if platform != "any" and not platforms.fullmatch(platform):
            raise WrongInput(f"{wheel.name}: not for this system")
        held[name] = version
    for name in NEEDED:
        if name not in held:
            raise WrongInput(f"{folder}: no wheel of {name} {wanted.get(name)} in it")
    return wheels


# --- Linux ------------------------------------------------------------------------------------------


def build_linux(chosen: argparse.Namespace, stage: Path) -> Path:
    """Put wheels, scripts and unit into one archive."""
    version = agent_version()
    wheels = checked_wheels(
        chosen.wheels, pins(AGENT / "constraints.txt"), re.compile(r"(manylinux|linux|musllinux).*")
    )
    members = {f"wheels/{wheel.name}": wheel.read_bytes() for wheel in (*wheels, write_agent_wheel(stage))}
    members |= {path.name: path.read_bytes() for path in (PARTS / "linux").iterdir()}
    members |= {"VERSION": f"{version}\n".encode(), "LICENSE": (ROOT / "LICENSE").read_bytes()}
    chosen.out.mkdir(parents=True, exist_ok=True)
    target = Path(chosen.out, f"exam-agent-{version}.tar.gz")
    content = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=content, mode="wb", mtime=MADE_AT) as packed,
        tarfile.open(fileobj=packed, mode="w") as archive,
    ):
        for name in sorted(members):
            member = tarfile.TarInfo(f"exam-agent-{version}/{name}")
            member.size, member.mtime = len(members[name]), MADE_AT
            member.mode = 0o755 if name.endswith(".sh") else 0o644
            archive.addfile(member, io.BytesIO(members[name]))
    target.write_bytes(content.getvalue())
    return target


# --- Windows ----------------------------------------------------------------------------------------


def build_windows(chosen: argparse.Namespace, stage: Path) -> Path:
    """Lay runtime and unpacked wheels out as they will lie on the PC, and have makensis pack them."""
    makensis = shutil.which("makensis")
    if makensis is None:
        raise WrongInput("makensis is not installed (Debian package nsis)")
    version, defines = agent_version(), []
    shutil.copyfile(checked_file(Path(chosen.nssm[0]), chosen.nssm[1]), stage / "nssm.exe")
    agent = write_agent_wheel(stage)
    for kind in WINDOWS_TAGS:
        given = getattr(chosen, kind)
        if given is not None:
            lay_out(stage / kind, kind, checked_file(Path(given[0]), given[1]), Path(given[2]), agent)
            write_file_list(stage, kind)
            defines.append(f"-DHAS_{kind.upper()}")
    if not defines:
        raise WrongInput("neither --amd64 nor --win32 was given")
    script = (PARTS / "windows" / "exam-agent.nsi").read_text(encoding="utf-8")
    (stage / "exam-agent.nsi").write_text(BOM + script, encoding="utf-8")
    (stage / "exam-agent.cmd").write_bytes(
        (PARTS / "windows" / "exam-agent.cmd").read_text(encoding="ascii").replace("\n", "\r\n").encode("ascii")
    )
    shutil.copyfile(ROOT / "LICENSE", stage / "LICENSE.txt")
    for path in stage.rglob("*"):
        os.utime(path, (MADE_AT, MADE_AT))
    chosen.out.mkdir(parents=True, exist_ok=True)
    target = Path(chosen.out, f"exam-agent-{version}.exe").resolve()
    settings = [f"-DVERSION={version}", f"-DSTAGE={stage}", f"-DOUTPUT={target}", *defines]
    done = subprocess.run(
        [makensis, "-V2", "-WX", *settings, str(stage / "exam-agent.nsi")],
        env={**os.environ, "SOURCE_DATE_EPOCH": str(MADE_AT)},
        capture_output=True, encoding="utf-8", errors="replace", check=False,
    )  # fmt: skip
    if done.returncode != 0:
        raise WrongInput(f"makensis: {done.stdout}{done.stderr}")
    return target


def lay_out(folder: Path, kind: str, runtime: Path, wheelhouse: Path, agent: Path) -> None:
    """Unpack the runtime and beside it, as `app`, all wheels; tell the runtime to look there and nowhere else."""
    extra = PARTS / "windows" / "constraints-win32.txt"
    wanted = pins(AGENT / "constraints.txt", *([extra] if kind == "win32" else []))
    wheels = checked_wheels(wheelhouse, wanted, re.compile(WINDOWS_TAGS[kind]))
    findings = [finding for wheel in wheels for finding in check_wheel(wheel)]
    if findings:
        reasons = "; ".join(f"{one.wheel}: {one.member}: {one.reason}" for one in findings)
        raise WrongInput(f"Windows 7 would not load: {reasons}")
    _unpack(runtime, folder / "runtime")
    for name in RUNTIME_FILES:
        if not (folder / "runtime" / name).is_file():
            raise WrongInput(f"{runtime.name}: no {name} in it, so no embeddable Python 3.8")
    for path in (folder / "runtime").glob("*._pth"):
        path.unlink()
    (folder / "runtime" / "python38._pth").write_text(PATHS, encoding="ascii", newline="\r\n")
    for wheel in (*wheels, agent):
        if wheel.name.startswith("pip-"):
            continue
        _unpack(wheel, folder / "app")
    if list((folder / "app").glob("*.data")):
        raise WrongInput(f"{wheelhouse}: a wheel with a .data folder cannot simply be unpacked")


def _unpack(archive: Path, folder: Path) -> None:
    try:
        with zipfile.ZipFile(archive) as opened:
            opened.extractall(folder)
    except zipfile.BadZipFile as damage:
        raise WrongInput(f"{archive.name}: {damage}") from None


def write_file_list(stage: Path, kind: str) -> None:
    """Write the File lines for NSIS in a fixed order; `File /r` would take the order of the disk."""
    lines, at = [], None
    for path in sorted(path for path in (stage / kind).rglob("*") if path.is_file()):
        inside = str(path.relative_to(stage / kind).parent).replace("/", "\\")
        if inside != at:
            lines.append(f'SetOutPath "$INSTDIR\\new\\{inside}"')
            at = inside
        lines.append(f'File "{path}"')
    (stage / f"files-{kind}.nsh").write_text(BOM + "\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
