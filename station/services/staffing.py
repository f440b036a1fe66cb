"""Accounts of the staff, their log-ins, and which PCs may open the staff app."""

from __future__ import annotations

import base64
import hashlib
import hmac
import ipaddress
import secrets
from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from station.domain.staff import Role
from station.errors import Invalid, Missing, Refused, Unauthenticated, problem
from station.services import journal
from station.store.models import AllowedAddress, Staff, StaffLogin

STAFF_LOGIN_WRONG = problem("staff_login_wrong", "账号或口令不正确。", "The user name or the password is wrong.")
STAFF_NOT_LOGGED_IN = problem("staff_not_logged_in", "请先登录监考台。", "Please log in to the console first.")
PASSWORD_TOO_SHORT = problem(
    "password_too_short", "口令至少 {minimum} 个字符。", "A password has at least {minimum} characters."
)
USERNAME_TAKEN = problem("username_taken", "账号 {username} 已存在。", "The user name {username} exists already.")
STAFF_FIELD_WRONG = problem(
    "staff_field_wrong",
    "账号、姓名不能为空（账号限字母、数字、. _ -，不超过 64 个），角色须为已有角色。",
    "User name (letters, digits, . _ -, up to 64) and name are needed, and a known role.",
)
STAFF_UNKNOWN = problem("staff_unknown", "没有该工作人员账号。", "There is no such staff account.")
ADDRESS_WRONG = problem("address_wrong", "“{address}”不是有效的 IP 地址。", "{address} is not an IP address.")

SHORTEST_PASSWORD = 8
LOGIN_LASTS = timedelta(hours=14)
_NAME_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
_SCRYPT = {"n": 2**14, "r": 8, "p": 1}


def add_staff(
    db: Session, *, username: str, name: str, role: str, password: str, at: datetime, by: int | None = None
) -> Staff:
    """Make an account whose password must be changed at the first log-in."""
    if not username or len(username) > 64 or not set(username) <= _NAME_LETTERS or not name.strip():
        raise Invalid(STAFF_FIELD_WRONG)
    if role not in {one.value for one in Role}:
        raise Invalid(STAFF_FIELD_WRONG)
    if db.scalars(select(Staff.id).where(Staff.username == username)).one_or_none() is not None:
        raise Refused(USERNAME_TAKEN, username=username)
    person = Staff(username=username, name=name.strip(), role=role, password_hash=hash_password(password))
    db.add(person)
    db.flush()
    journal.append(db, "staff_added", at=at, by=by, username=username, role=role)
    return person


def first_password() -> str:
    """Make a password that is easy to read out and to type: three groups of four letters and digits."""
    letters = "abcdefghjkmnpqrstuvwxyz23456789"
    return "-".join("".join(secrets.choice(letters) for _ in range(4)) for _ in range(3))


def log_in_staff(db: Session, username: str, password: str, *, address: str, at: datetime) -> tuple[str, StaffLogin]:
    """Log somebody in; unknown name and wrong password are one refusal and take the same time."""
    person = db.scalars(select(Staff).where(Staff.username == username, Staff.active)).one_or_none()
    if not check_password(person.password_hash if person else _NOBODY, password) or person is None:
        raise Unauthenticated(STAFF_LOGIN_WRONG)
    token = secrets.token_urlsafe(32)
    login = StaffLogin(
        token_hash=hashlib.sha256(token.encode()).hexdigest(),
        staff_id=person.id,
        csrf_token=secrets.token_urlsafe(24),
        address=address,
        created_at=at,
    )
    db.add(login)
    db.flush()
    journal.append(db, "staff_logged_in", at=at, by=person.id, name=person.name, address=address)
    return token, login


def record_failed_staff_login(db: Session, username: str, *, address: str, at: datetime) -> None:
    """Put a failed log-in into the journal."""
    journal.append(db, "staff_login_failed", at=at, username=username[:64], address=address)


def check_second_person(db: Session, username: str, password: str) -> Staff:
    """Find the person who confirms beside the one logged in, by own name and password."""
    person = db.scalars(select(Staff).where(Staff.username == username, Staff.active)).one_or_none()
    if not check_password(person.password_hash if person else _NOBODY, password) or person is None:
        raise Unauthenticated(STAFF_LOGIN_WRONG)
    return person


def staff_of(db: Session, token: str, *, at: datetime) -> tuple[Staff, StaffLogin]:
    """Find who is behind a cookie; raises `staff_not_logged_in` for a stranger or an old log-in."""
    login = None
    if token:
        digest = hashlib.sha256(token.encode()).hexdigest()
        login = db.scalars(select(StaffLogin).where(StaffLogin.token_hash == digest)).one_or_none()
    if login is None or login.ended_at is not None or at - login.created_at > LOGIN_LASTS:
        raise Unauthenticated(STAFF_NOT_LOGGED_IN)
    person = db.get_one(Staff, login.staff_id)
    if not person.active:
        raise Unauthenticated(STAFF_NOT_LOGGED_IN)
    return person, login


def log_out_staff(db: Session, login: StaffLogin, *, at: datetime) -> None:
    """End one log-in."""
    login.ended_at = at
    name = db.get_one(Staff, login.staff_id).name
    journal.append(db, "staff_logged_out", at=at, by=login.staff_id, name=name)


def change_password(db: Session, person: Staff, *, old: str, new: str, at: datetime) -> None:
    """Change one's own password; the old one must be right."""
    if not check_password(person.password_hash, old):
        raise Unauthenticated(STAFF_LOGIN_WRONG)
    if len(new) < SHORTEST_PASSWORD:
        raise Invalid(PASSWORD_TOO_SHORT, minimum=SHORTEST_PASSWORD)
    person.password_hash, person.must_change_password = hash_password(new), False
    journal.append(db, "password_changed", at=at, by=person.id, name=person.name)


def reset_password(db: Session, username: str, *, at: datetime, by: int | None = None) -> str:
    """Give an account a new first password, end its log-ins, and return the password to be told once."""
    person = db.scalars(select(Staff).where(Staff.username == username)).one_or_none()
    if person is None:
        raise Missing(STAFF_UNKNOWN)
    password = first_password()
    person.password_hash, person.must_change_password = hash_password(password), True
    db.execute(
        update(StaffLogin).where(StaffLogin.staff_id == person.id, StaffLogin.ended_at.is_(None)).values(ended_at=at)
    )
    journal.append(db, "password_changed", at=at, by=by, name=person.name)
    return password


def allow_address(db: Session, address: str, *, at: datetime) -> None:
    """Let the PC at an address open the staff app, at once and without a restart."""
    normal = check_address(address)
    if db.get(AllowedAddress, normal) is None:
        db.add(AllowedAddress(address=normal, created_at=at))
        journal.append(db, "address_allowed", at=at, address=normal)


def check_address(address: str) -> str:
    """Give an IP address in its usual form, or refuse what is none."""
    try:
        return str(ipaddress.ip_address(address.strip()))
    except ValueError:
        raise Invalid(ADDRESS_WRONG, address=address[:64]) from None


def is_address_allowed(db: Session, address: str) -> bool:
    """Say whether a PC may open the staff app: the server itself always, others when let in."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    return parsed.is_loopback or db.get(AllowedAddress, str(parsed)) is not None


def hash_password(password: str) -> str:
    """Derive what is kept of a password: scrypt (n=2^14, r=8, p=1) with a salt of 16 bytes."""
    salt = secrets.token_bytes(16)
    derived = hashlib.scrypt(password.encode(), salt=salt, dklen=32, **_SCRYPT)
    return f"scrypt${base64.b64encode(salt).decode()}${base64.b64encode(derived).decode()}"


def check_password(kept: str, password: str) -> bool:
    """Say whether a password is the one of which `kept` was derived."""
    _, salt, derived = kept.split("$")
    tried = hashlib.scrypt(password.encode(), salt=base64.b64decode(salt), dklen=32, **_SCRYPT)
    return hmac.compare_digest(tried, base64.b64decode(derived))


_NOBODY = hash_password(secrets.token_urlsafe(16))
