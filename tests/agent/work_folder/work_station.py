"""A small real HTTP server that keeps work folders as PROTOCOL.md says, and a PC that is stepped by a test's clock."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import shutil
import socket
import struct
import threading
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from client_agent.station_link import Link
from client_agent.work_folder.attempt_folder import AttemptFolder
from client_agent.work_folder.files import PlainFiles
from client_agent.work_folder.ledger import Ledger
from client_agent.work_folder.surroundings import Surroundings
from tests.agent.ports import serve

PIECE = 4 * 1024 * 1024
POSTER = "01_海报设计/海报.psd"
ROUTE = re.compile(r"/api/agent/folders/(\d+)(?:/(contents|versions|settled))?(?:/([0-9a-f]{64}))?")


def sha256(content):
    return hashlib.sha256(content).hexdigest()


class WorkStation:
    """One attempt's folder at a station. Contents are kept on disk; versions in memory, under a lock."""

    def __init__(self, folder: Path, attempt_id: int = 17) -> None:
        self.attempt_id = attempt_id
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.state = "answering"
        self.name = "实操_12_张三"
        self.materials: list[dict] = []
        self.versions: dict[str, list[dict]] = {}
        self.taken_back: list[dict] = []
        self.messages: dict[tuple[str, int], tuple[str, dict]] = {}
        self.settled: list[dict] = []
        self.largest_file = 2**31
        self.ahead_s = 0.0
        self.guard = threading.Lock()
        self.asked: list[str] = []
        self.received_bytes = 0
        self.fail: list = []  # what to do instead of answering, one for each request: "cut", "late cut", 503
        self.forget: set[str] = set()
        self.start()

    def start(self, port: int = 0) -> None:
        self.server = serve(_answers(self), port)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        self.address = f"http://127.0.0.1:{self.port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def add_material(self, path: str, content: bytes, item: str = "01_海报设计") -> None:
        (self.folder / sha256(content)).write_bytes(content)
        self.materials.append({"item": item, "path": path, "sha256": sha256(content), "size": len(content)})

    def add_version(self, path: str, content: bytes | None, modified_at: str = "2026-11-21T08:30:00+00:00") -> int:
        """Let a version come from elsewhere."""
        if content is not None:
            (self.folder / sha256(content)).write_bytes(content)
        one = {"sha256": sha256(content) if content is not None else None, "size": len(content or b"")}
        return self._add({"path": path, "modified_at": modified_at, "cause": "rested", **one})

    def take_back(self, path: str, version: int) -> None:
        old = self.versions[path][version - 1]
        number = self._add({**old, "cause": "taken_back"})
        stem, dot, suffix = path.rpartition(".")
        beside = f"{stem}（第{version}版）{dot}{suffix}"
        self.taken_back.append({"id": len(self.taken_back) + 1, "path": path, "from_version": version,
            "version": number, "sha256": old["sha256"], "size": old["size"], "beside": beside})  # fmt: skip

    def newest(self, path: str) -> bytes | None:
        found = self.versions[path][-1]["sha256"]
        return None if found is None else self.content(found)

    def content(self, name: str) -> bytes:
        content = (self.folder / name).read_bytes()
        assert sha256(content) == name, "a version was told whose content is another"
        return content

    def contents(self, path: str) -> list[bytes | None]:
        found = [version["sha256"] for version in self.versions.get(path, [])]
        return [None if name is None else self.content(name) for name in found]

    def files(self) -> dict[str, str]:
        """Give what the folder holds by the newest versions."""
        return {path: all_of[-1]["sha256"] for path, all_of in self.versions.items() if all_of[-1]["sha256"]}

    def _add(self, version: dict) -> int:
        known = self.versions.setdefault(version["path"], [])
        if not (known and version["cause"] != "taken_back" and known[-1]["sha256"] == version["sha256"]):
            known.append(dict(version))
        return len(known)

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, object]:
        parts = urlsplit(path)
        if parts.path == "/api/clock":
            now = datetime.now(timezone.utc) + timedelta(seconds=self.ahead_s)
            return 200, {"now": now.isoformat()}
        match = ROUTE.fullmatch(parts.path)
        if match is None or int(match.group(1)) != self.attempt_id:
            return 404, _refusal("not_your_folder")
        what, name = match.group(2), match.group(3)
        if what is None:
            return 200, self._plan()
        if what == "contents" and method == "POST":
            return self._offer(name, json.loads(body)["size"])
        if what == "contents" and method == "PUT":
            return self._put(name, int(parse_qs(parts.query)["offset"][0]), body)
        if what == "versions":
            return self._tell(json.loads(body))
        self.settled.append(json.loads(body))
        missing = [one["path"] for one in json.loads(body)["files"] if one["path"] in self.forget]
        for path in missing:
            self.versions.pop(path, None)
        self.forget.clear()
        return 200, {"complete": not missing, "missing": missing}

    def _plan(self) -> dict:
        folders = sorted({"01_海报设计", *(one["item"] for one in self.materials)})
        items = [
            {"item_id": folder, "folder": folder, "programs": [], "wanted": [],
             "materials": [{key: one[key] for key in ("path", "sha256", "size")}
                           for one in self.materials if one["item"] == folder]}
            for folder in folders
        ]  # fmt: skip
        files = [
            {**{key: all_of[-1][key] for key in ("path", "sha256", "size", "modified_at")}, "version": len(all_of)}
            for all_of in self.versions.values()
            if all_of[-1]["sha256"]
        ]
        return {"attempt_id": self.attempt_id, "entry_key": "9c4f", "state": self.state, "folder": self.name,
                "items": items, "files": files, "taken_back": self.taken_back,
                "largest_file": self.largest_file, "later": "passed over"}  # fmt: skip

    def _offer(self, name: str, size: int) -> tuple[int, object]:
        if (self.folder / name).exists():
            return 200, {"have": size}
        part = self.folder / f"{name}.part"
        (self.folder / f"{name}.size").write_text(str(size))
        if size == 0 and name == sha256(b""):
            (self.folder / name).write_bytes(b"")
        return 200, {"have": part.stat().st_size if part.exists() else 0}

    def _put(self, name: str, offset: int, body: bytes) -> tuple[int, object]:
        part, size = self.folder / f"{name}.part", int((self.folder / f"{name}.size").read_text())
        have = part.stat().st_size if part.exists() else 0
        if offset != have or len(body) > PIECE:
            return 409, _refusal("piece_misplaced", have=have)
        with part.open("ab") as opened:
            opened.write(body)
        self.received_bytes += len(body)
        if have + len(body) == size:
            digest = hashlib.sha256()
            with part.open("rb") as opened:
                for piece in iter(lambda: opened.read(PIECE), b""):
                    digest.update(piece)
            if digest.hexdigest() != name:
                part.unlink()
                return 409, _refusal("content_damaged")
            part.rename(self.folder / name)
        return 200, {"have": have + len(body)}

    def _tell(self, message: dict) -> tuple[int, object]:
        identity = (message["boot_id"], message["sequence"])
        told = json.dumps(message, sort_keys=True)
        if identity in self.messages:
            assert self.messages[identity][0] == told, "the same number with another message"
            return 200, self.messages[identity][1]
        lacking = [one for one in message["versions"] if one["sha256"] and not (self.folder / one["sha256"]).exists()]
        if lacking:
            return 409, _refusal("content_missing", sha256=lacking[0]["sha256"])
        bad = [one for one in message["versions"] if "BAD" in one["path"]]
        if bad:
            return 400, _refusal("path_unusable", path=bad[0]["path"])
        assert len(message["versions"]) <= 200
        answer = {"accepted": [{"path": one["path"], "version": self._add(one)} for one in message["versions"]]}
        self.messages[identity] = (told, answer)
        return 200, answer


def _refusal(code: str, **details: object) -> dict:
    return {"error": {"code": code, "sentence": f"refused: {code}", "details": details}}


def _answers(station: WorkStation):
    class Answers(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1

        def do_GET(self) -> None:
            self.serve("GET")

        def do_POST(self) -> None:
            self.serve("POST")

        def do_PUT(self) -> None:
            self.serve("PUT")

        def serve(self, method: str) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            failing = station.fail.pop(0) if station.fail else None
            if failing == "cut":
                self.rfile.read(length // 2)
                self.cut()
                return
            body = self.rfile.read(length)
            with station.guard:
                station.asked.append(f"{method} {self.path}")
                if failing == 503:
                    status, answer = 503, _refusal("no_space_for_files")
                elif method == "GET" and "/contents/" in self.path:
                    self.send_content(cut=failing == "cut content")
                    return
                else:
                    status, answer = station.answer(method, self.path, body)
            if failing == "late cut":
                self.cut()
                return
            told = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(told)))
            self.end_headers()
            self.wfile.write(told)

        def send_content(self, *, cut: bool) -> None:
            content = (station.folder / self.path.rpartition("/")[2]).read_bytes()
            offset = int((self.headers.get("Range") or "bytes=0-")[6:-1])
            self.send_response(206 if offset else 200)
            self.send_header("Content-Length", str(len(content) - offset))
            self.end_headers()
            rest = content[offset:]
            self.wfile.write(rest[: len(rest) // 2] if cut else rest)
            self.wfile.flush()
            if cut:
                self.cut()

        def cut(self) -> None:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            self.connection.close()

        def handle(self) -> None:
            with contextlib.suppress(OSError, ValueError):  # cut on purpose
                super().handle()

        def finish(self) -> None:
            with contextlib.suppress(OSError, ValueError):
                super().finish()

        def log_message(self, *_arguments: object) -> None:
            pass

    return Answers


class Clock:
    """A monotonic clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Pc:
    """A candidate's PC with one attempt's folder, stepped by hand: no thread, no waiting."""

    def __init__(
        self, station: WorkStation, home: Path, *, files=None, boot_id: str = "boot-1", attempt_id=None
    ) -> None:
        self.station, self.home, self.boot_id = station, home, boot_id
        self.files = files or PlainFiles()
        self.attempt_id = attempt_id or station.attempt_id
        self.clock = Clock()
        self.drive = home / "drive"
        self.drive.mkdir(parents=True, exist_ok=True)
        self.drives = [self.drive]
        self.offset_s: float | None = 0.0
        self.switch_on()

    def switch_on(self) -> None:
        self.link = Link(self.station.address)
        self.ledger = Ledger(self.home / "state" / "work")
        around = Surroundings(
            self.link, self.ledger, lambda: self.drives, self.boot_id, self.files, lambda: self.offset_s, self.clock
        )
        self.around = around
        self.folder = AttemptFolder(self.attempt_id, around)

    def switch_off(self) -> None:
        self.link.close()
        self.ledger.close()

    def reboot(self, boot_id: str = "boot-2") -> None:
        self.switch_off()
        self.boot_id = boot_id
        self.switch_on()

    def lose_ledger(self) -> None:
        self.switch_off()
        shutil.rmtree(self.home / "state")
        self.switch_on()

    def live(self, seconds: float, tick: float = 0.5) -> None:
        """Let so many seconds of the test's clock pass."""
        for _ in range(max(1, round(seconds / tick))):
            while self.folder.step():
                pass
            self.clock.now += tick

    def settle(self, seconds: float = 60.0) -> None:
        """Live until nothing waits; fails if that takes longer than so many seconds."""
        for _ in range(int(seconds * 2)):
            self.live(0.5)
            if self.root.is_dir() and self.folder.waiting()[0] == 0 and not self.is_busy:
                return
        raise AssertionError(f"still waiting: {self.folder.waiting()}, {self.folder.problems()}")

    @property
    def is_busy(self) -> bool:
        return self.folder._coming is not None or bool(self.folder._ending)

    @property
    def root(self) -> Path:
        return self.folder.path or Path("/nowhere")

    @property
    def item(self) -> Path:
        return self.root / "01_海报设计"
