"""The stations that may send: `stations.json`, read anew at every request so that a new one needs no restart."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from sync.errors import KeyRefused, problem
from sync.files import replace_file
from sync.keys import fingerprint, verify_key_from_text

STATION_KNOWN = problem(
    "station_known",
    "考点 {id} 已登记。要更换密钥和凭证，请使用 --replace。",
    "The station {id} is registered already. Use --replace to give it a new key and token.",
)
STATION_ID_UNUSABLE = problem(
    "station_id_unusable",
    "考点编号 {id} 不可用：只能由 1 至 64 个字母、数字、点、横线组成。",
    "The station id {id} cannot be used: 1 to 64 letters, digits, dots and dashes.",
)


@dataclass(frozen=True)
class Station:
    """A registered station; of its token only the hash is kept."""

    id: str
    name: str
    verify_key: str
    token_sha256: str

    @property
    def verify_keys(self) -> dict[str, Ed25519PublicKey]:
        """Return the one key that may sign this station's packages, by its fingerprint."""
        key = verify_key_from_text(self.verify_key)
        return {fingerprint(key): key}


def read_stations(folder: Path) -> dict[str, Station]:
    """Return the registered stations by id."""
    path = folder / "stations.json"
    if not path.exists():
        return {}
    return {entry["id"]: Station(**entry) for entry in json.loads(path.read_text("utf-8"))["stations"]}


def add_station(folder: Path, *, id: str, name: str, verify_key: str, replace: bool = False) -> str:
    """Register a station and return its token, which is shown this once only."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.-]{0,63}", id):
        raise KeyRefused(STATION_ID_UNUSABLE, id=ascii(id)[:80])
    verify_key_from_text(verify_key)
    stations = read_stations(folder)
    if id in stations and not replace:
        raise KeyRefused(STATION_KNOWN, id=id)
    token = secrets.token_urlsafe(32)
    stations[id] = Station(id, name, verify_key.strip(), _hash(token))
    document = {"stations": [asdict(stations[known]) for known in sorted(stations)]}
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(document, ensure_ascii=False, indent=1)
    replace_file(folder / "stations.json", text.encode("utf-8"))
    return token


def station_of_token(folder: Path, token: str) -> Station | None:
    """Return the station that the token belongs to."""
    offered = _hash(token)
    for station in read_stations(folder).values():
        if hmac.compare_digest(station.token_sha256, offered):
            return station
    return None


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8")).hexdigest()
