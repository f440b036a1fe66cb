"""The room's settings, from one TOML file; an unknown key, a wrong kind or a missing secret stops the start."""

from __future__ import annotations

import dataclasses
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_type_hints
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from station.errors import Invalid, Unsound, problem

CONFIG_NAME = "config.toml"

CONFIG_UNREADABLE = problem(
    "config_unreadable",
    "配置文件 {path} 无法读取：{reason}。",
    "The configuration {path} cannot be read: {reason}.",
)
CONFIG_KEY_UNKNOWN = problem(
    "config_key_unknown",
    "配置项 [{section}] {key} 不存在，请对照 config.example.toml 更正。",
    "There is no setting [{section}] {key}; compare config.example.toml.",
)
CONFIG_VALUE_WRONG = problem(
    "config_value_wrong",
    "配置项 [{section}] {key} 的值不对：应为 {wanted}。",
    "The setting [{section}] {key} is wrong: {wanted} is wanted.",
)
SECRET_MISSING = problem(
    "secret_missing",
    "缺少密钥文件 {path}。请从备份恢复；新考站请运行 exam-station init。",
    "The key file {path} is missing. Restore it from the backup; for a new station run exam-station init.",
)


@dataclass(frozen=True)
class Site:
    """Names shown on pages, and the language and time zone of the room."""

    name: str = "示例考核站点"
    language: str = "zh"
    time_zone: str = "Asia/Shanghai"


@dataclass(frozen=True)
class StoreSettings:
    """Where everything is kept. An empty `url` is the SQLite file `station.db` in `folder`."""

    folder: str = "data"
    url: str = ""


@dataclass(frozen=True)
class CandidateListener:
    """The address that candidate PCs open."""

    host: str = "0.0.0.0"
    port: int = 8080
    threads: int = 2
    connection_limit: int = 600
    admit_unlinked: bool = False


@dataclass(frozen=True)
class StaffListener:
    """The address that the invigilator's PC opens; other PCs than the server need `exam-station allow`."""

    host: str = "127.0.0.1"
    port: int = 8081
    threads: int = 12
    behind_tls: bool = False


@dataclass(frozen=True)
class Central:
    """The certificate body's central platform: where result packages go, and the keys to trust."""

    url: str = ""
    token: str = ""
    recipient: str = ""
    verify_key: str = ""
    ca_file: str = ""
    timeout_s: int = 30


@dataclass(frozen=True)
class Backup:
    """Automatic backups during a sitting into `folder` (empty: none), `keep` of them; the folder must be there."""

    folder: str = ""
    every_min: int = 5
    keep: int = 24


@dataclass(frozen=True)
class Log:
    """The technical log (not the journal): files of at most `megabytes`, `files` of them."""

    level: str = "INFO"
    megabytes: int = 10
    files: int = 5


@dataclass(frozen=True)
class DiskSettings:
    """Bounds of the data folder's disk, in megabytes, and from how many hours left on the board warns."""

    floor_mb: int = 256
    ballast_mb: int = 64
    warn_hours: int = 4


@dataclass(frozen=True)
class AgentSettings:
    """How candidate PCs with an agent find the station: `port` 0 answers nobody; `url` empty is the own address."""

    port: int = 8079
    url: str = ""


@dataclass(frozen=True)
class Config:
    """All settings. `home` is the folder that holds the configuration, keys and, by default, the store."""

    home: Path
    site: Site = field(default_factory=Site)
    store: StoreSettings = field(default_factory=StoreSettings)
    candidate_listener: CandidateListener = field(default_factory=CandidateListener)
    staff_listener: StaffListener = field(default_factory=StaffListener)
    central: Central = field(default_factory=Central)
    backup: Backup = field(default_factory=Backup)
    log: Log = field(default_factory=Log)
    disk: DiskSettings = field(default_factory=DiskSettings)
    agent: AgentSettings = field(default_factory=AgentSettings)

    @property
    def folder(self) -> Path:
        """Folder of the store."""
        return self.home / self.store.folder

    @property
    def store_url(self) -> str:
        return self.store.url or f"sqlite:///{(self.folder / 'station.db').as_posix()}"

    @property
    def backup_folder(self) -> Path | None:
        """Folder of the automatic backups; None where none are made."""
        return self.home / self.backup.folder if self.backup.folder else None

    @property
    def keys(self) -> Path:
        """Folder of the station's own keys."""
        return self.home / "keys"

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.site.time_zone)


SECTIONS: dict[str, type] = {
    "site": Site,
    "store": StoreSettings,
    "candidate_listener": CandidateListener,
    "staff_listener": StaffListener,
    "central": Central,
    "backup": Backup,
    "log": Log,
    "disk": DiskSettings,
    "agent": AgentSettings,
}


def load_config(home: Path) -> Config:
    """Read `config.toml` of a station's folder; refuses the first key that is unknown or of a wrong kind."""
    path = home / CONFIG_NAME
    try:
        document = tomllib.loads(path.read_text("utf-8-sig"))
    except FileNotFoundError:
        raise Unsound(CONFIG_UNREADABLE, path=path, reason="文件不存在 not found") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise Unsound(CONFIG_UNREADABLE, path=path, reason=error) from None
    return parse_config(document, home=home)


def parse_config(document: dict[str, Any], *, home: Path) -> Config:
    """Turn a TOML document into settings."""
    parts: dict[str, Any] = {}
    for section, values in document.items():
        if section not in SECTIONS or not isinstance(values, dict):
            raise Invalid(CONFIG_KEY_UNKNOWN, section=section, key="")
        parts[section] = _parse_section(section, SECTIONS[section], values)
    config = Config(home=home, **parts)
    _check_values(config)
    return config


def read_secret(config: Config, name: str) -> bytes:
    """Read a key file of the station, or stop with `secret_missing`."""
    path = config.keys / name
    try:
        return path.read_bytes()
    except OSError:
        raise Unsound(SECRET_MISSING, path=path) from None


def _parse_section(section: str, kind: type, values: dict[str, Any]) -> Any:
    wanted = get_type_hints(kind)
    known = {one.name for one in dataclasses.fields(kind)}
    for key, value in values.items():
        if key not in known:
            raise Invalid(CONFIG_KEY_UNKNOWN, section=section, key=key)
        if type(value) is not wanted[key]:
            raise Invalid(CONFIG_VALUE_WRONG, section=section, key=key, wanted=wanted[key].__name__)
    return kind(**values)


def _check_values(config: Config) -> None:
    for section, port in (
        ("candidate_listener", config.candidate_listener.port),
        ("staff_listener", config.staff_listener.port),
        ("agent", config.agent.port),
    ):
        if not 0 <= port <= 65535:
            raise Invalid(CONFIG_VALUE_WRONG, section=section, key="port", wanted="0–65535")
    for key, value in dataclasses.asdict(config.disk).items():
        if not 0 <= value <= 1_000_000:
            raise Invalid(CONFIG_VALUE_WRONG, section="disk", key=key, wanted="0–1000000")
    if config.site.language not in {"zh", "en"}:
        raise Invalid(CONFIG_VALUE_WRONG, section="site", key="language", wanted='"zh" | "en"')
    try:
        ZoneInfo(config.site.time_zone)
    except (ZoneInfoNotFoundError, ValueError):
        raise Invalid(CONFIG_VALUE_WRONG, section="site", key="time_zone", wanted='"Asia/Shanghai"') from None
    for key, number in (("every_min", config.backup.every_min), ("keep", config.backup.keep)):
        if number < 1:
            raise Invalid(CONFIG_VALUE_WRONG, section="backup", key=key, wanted="≥ 1")
    if config.log.level not in {"DEBUG", "INFO", "WARNING", "ERROR"}:
        raise Invalid(CONFIG_VALUE_WRONG, section="log", key="level", wanted="DEBUG | INFO | WARNING | ERROR")
