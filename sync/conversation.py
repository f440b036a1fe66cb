"""One conversation with a central platform: how it is held, and how it can end."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import requests
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from sync import clock
from sync.errors import SyncError, TransferFailed, problem
from sync.receipts import Receipt

UNREACHABLE = problem(
    "central_unreachable",
    "无法连接上级平台 {url}（{why}）。系统会自动重试；请检查服务器的外网。",
    "The central platform {url} cannot be reached ({why}). It is tried again by itself; check the line.",
)
BUSY = problem(
    "central_busy",
    "上级平台暂时无法处理（{status}）。系统会自动重试。",
    "The central platform cannot take the package now ({status}). It is tried again by itself.",
)
RECEIPT_NOT_READY = problem(
    "receipt_not_ready",
    "数据包已传完，上级平台正在核对。系统会自动索取回执。",
    "The package has been uploaded; the central platform is checking it. The receipt is asked for by itself.",
)
NOT_ALLOWED = problem(
    "central_not_allowed",
    "上级平台不认可本考点的凭证（{status}）。请联系上级平台核对考点登记。",
    "The central platform does not accept this site's token ({status}). Ask it to check the registration.",
)
REJECTED = problem(
    "central_rejected",
    "上级平台拒绝了数据包（{status}）：{why}。请联系上级平台；本地数据保持不变。",
    "The central platform rejected the package ({status}): {why}. Call the centre; nothing is lost here.",
)
NO_TUS = problem(
    "central_no_tus",
    "{url} 不是支持断点续传（tus 1.0）的上级平台。请核对地址。",
    "{url} is no central platform with resumable uploads (tus 1.0). Check the address.",
)
ADDRESS_UNUSABLE = problem(
    "central_address_unusable",
    "上级平台的地址或凭证设置有误（{why}）。请检查配置文件。",
    "The central platform's address or token cannot be used ({why}). Check the configuration.",
)
PACKAGE_UNREADABLE = problem(
    "package_unreadable",
    "数据包文件 {path} 无法读取（{why}）。请检查磁盘。",
    "The package file {path} cannot be read ({why}). Check the disk.",
)

MAX_RETRY_AFTER_S = 3600.0
TRANSIENT_STATUSES = {408, 409, 423, 425, 429, 460}


@dataclass(frozen=True)
class Central:
    """How to talk to a central platform; `receipt_keys` are its keys by fingerprint."""

    url: str
    token: str = field(repr=False)
    receipt_keys: Mapping[str, Ed25519PublicKey]
    ca_file: Path | None = None
    proxy: str | None = None
    connect_timeout_s: float = 10.0
    read_timeout_s: float = 60.0
    chunk_bytes: int = 2 * 1024 * 1024


@dataclass(frozen=True)
class Sent:
    """The package is there: the receipt that was checked, and the signed text to keep."""

    receipt: Receipt
    receipt_jws: str


@dataclass(frozen=True)
class Transient:
    """Try again after `retry_after_s`, or after `next_delay` where the platform does not say."""

    reason: SyncError
    retry_after_s: float | None = None


@dataclass(frozen=True)
class Fatal:
    """Trying again will not help: a person must read the reason."""

    reason: SyncError


Outcome = Sent | Transient | Fatal


class Ended(Exception):
    """Carries the outcome out of a conversation that cannot go on."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__()
        self.outcome = outcome


class Conversation:
    """The requests of one call; what goes wrong in the network becomes an `Ended` with its outcome."""

    def __init__(self, central: Central, session: requests.Session) -> None:
        self.central = central
        self._session = session
        session.trust_env = False  # a .netrc would replace the token
        session.headers["Authorization"] = f"Bearer {central.token}"
        if central.proxy is not None:
            session.proxies = {"http": central.proxy, "https": central.proxy}
        if central.ca_file is not None:
            session.verify = str(central.ca_file)

    def address(self, name: str) -> str:
        """Return the address of a thing on the platform, named as the platform or this program names it."""
        try:
            return urljoin(self.central.url.rstrip("/") + "/", name)
        except ValueError as error:
            raise Ended(Fatal(TransferFailed(ADDRESS_UNUSABLE, why=str(error)))) from error

    def request(
        self, method: str, url: str, *, headers: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> requests.Response:
        """Send one request; redirects are not followed, so that the token goes nowhere else."""
        central = self.central
        try:
            return self._session.request(
                method,
                url,
                headers=headers,
                data=None if body is None else io.BytesIO(body),  # sent block by block: a slow line is no timeout
                timeout=(central.connect_timeout_s, central.read_timeout_s),
                allow_redirects=False,
            )
        except (ValueError, requests.exceptions.InvalidURL) as error:  # an address or header that cannot be
            raise Ended(Fatal(TransferFailed(ADDRESS_UNUSABLE, why=type(error).__name__))) from error
        except requests.RequestException as error:
            why = type(error).__name__
            raise Ended(Transient(TransferFailed(UNREACHABLE, url=central.url, why=why))) from error
        except OSError as error:  # no such CA file
            raise Ended(Fatal(TransferFailed(ADDRESS_UNUSABLE, why=str(error)[:200]))) from error

    def is_own(self, url: str) -> bool:
        """Say whether an address lies on the platform itself, so that the token may go there."""
        try:
            return _origin(url) == _origin(self.central.url)
        except ValueError:
            return False


def hold(central: Central, act: Callable[[Conversation], Outcome]) -> Outcome:
    """Hold a conversation and return how it ended."""
    with requests.Session() as session:
        try:
            return act(Conversation(central, session))
        except Ended as end:
            return end.outcome


def failure_of(reply: requests.Response) -> Transient | Fatal:
    """Return what an answer that is not the hoped-for one means."""
    status = reply.status_code
    if status in TRANSIENT_STATUSES or status >= 500 or status < 300:
        return Transient(TransferFailed(BUSY, status=status), retry_after(reply))
    if status in (401, 403):
        return Fatal(TransferFailed(NOT_ALLOWED, status=status))
    return Fatal(TransferFailed(REJECTED, status=status, why=_words(reply)))


def _words(reply: requests.Response) -> str:
    """Return the platform's own sentence, if its answer is one of ours."""
    try:
        document = reply.json()
        return f"{document['zh']} {document['en']}"[:500]
    except (ValueError, KeyError, TypeError):
        return str(reply.reason)[:200]


def retry_after(reply: requests.Response) -> float | None:
    """Read Retry-After, seconds or a date; at most an hour, so that a wrong clock does not stop the upload."""
    text = reply.headers.get("Retry-After", "").strip()
    if text.isdecimal():
        return min(float(text), MAX_RETRY_AFTER_S)
    try:
        seconds = (parsedate_to_datetime(text) - clock.now()).total_seconds()
    except (ValueError, TypeError):
        return None
    return min(max(seconds, 0.0), MAX_RETRY_AFTER_S)


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc
