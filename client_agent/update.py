"""Fetching the installer that the station serves: resumed, and checked before anybody runs it."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any, Mapping

from client_agent.errors import AgentError, problem
from client_agent.station_link import STATION_UNREACHABLE, Link

NO_INSTALLER = problem(
    "no_installer",
    "考站没有适合本系统的安装程序。请把安装程序放入服务器的安装文件夹。",
    "The station has no installer for this system. Put one into its folder of installers.",
)
INSTALLER_DAMAGED = problem(
    "installer_damaged",
    "下载的安装程序 {name} 校验不符，没有运行。请重试；仍不行时检查服务器上的文件。",
    "The installer {name} is not the one announced, and was not run. Try again; else look at the server's file.",
)
INSTALLER_UNSIGNED = problem(
    "installer_unsigned",
    "安装程序没有考站的签名，没有下载。请通知技术人员，并检查网络中是否有冒充的设备。",
    "The installer bears no signature of the station and was not fetched. Tell the technician; another device may "
    "pose as the station.",
)
INSTALLER_NOT_STARTED = problem(
    "installer_not_started",
    "安装程序 {name} 无法启动（{reason}）。请在本机手动运行它。",
    "The installer {name} cannot be started ({reason}). Run it at this PC by hand.",
)
UPDATE_WHILE_LOCKED = problem(
    "update_while_locked",
    "本机已锁定（考试期间），不能更新程序。请在考试结束后更新。",
    "This PC is locked for a test: the program is not replaced now. Update it afterwards.",
)

PATH = "/api/agent/installer"


def fetch_installer(link: Link, installer: Mapping[str, Any] | None, folder: Path) -> Path:
    """Fetch the installer of `hello` into a folder; what lies there of an earlier try is gone on with.

    Raises no_installer, installer_unsigned and installer_damaged, the latter with what was fetched removed.
    """
    name, size, digest = _described(installer)
    folder.mkdir(parents=True, exist_ok=True)
    target, part = folder / name, folder / f"{name}.{digest[:12]}.part"
    if not (target.is_file() and _sha256(target) == digest):
        have = part.stat().st_size if part.exists() else 0
        if have < size:
            with part.open("ab") as file:
                for piece in link.get_bytes(f"{PATH}?name={name}", have):
                    file.write(piece)
                    have += len(piece)
                    if have > size:  # found out below; nobody fills this disk
                        break
        if part.stat().st_size < size:
            raise AgentError(STATION_UNREACHABLE, address=link.origin, reason="the file was cut off")
        if part.stat().st_size != size or _sha256(part) != digest:
            part.unlink()
            raise AgentError(INSTALLER_DAMAGED, name=name)
        part.replace(target)
    return target


def _described(installer: Mapping[str, Any] | None) -> tuple[str, int, str]:
    """Take name, size and hash; a name that is more than a file's name is no installer of ours."""
    if installer is None:
        raise AgentError(NO_INSTALLER)
    if not installer:
        raise AgentError(INSTALLER_UNSIGNED)
    name, size, digest = installer.get("name"), installer.get("size"), installer.get("sha256")
    if not isinstance(name, str) or not re.fullmatch(r"exam-agent-[\w.+-]+\.(exe|tar\.gz)", name):
        raise AgentError(NO_INSTALLER)
    if not isinstance(size, int) or not isinstance(digest, str) or not re.fullmatch(r"[0-9a-f]{64}", digest):
        raise AgentError(NO_INSTALLER)
    return name, size, digest


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for piece in iter(lambda: file.read(1024 * 1024), b""):
            digest.update(piece)
    return digest.hexdigest()
