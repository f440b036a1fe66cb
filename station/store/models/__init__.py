"""Tables, one module a subject; everybody takes them from here.

Moments are whole milliseconds since 1970 UTC in the store and aware datetimes in Python. Tables name each other in
their foreign keys, so none of the modules imports another but `columns`.

Only portable types and constraints are used (SQLite, PostgreSQL, SQL Server 2008 R2): JSON is text,
a UNIQUE never stands on a nullable column, states are short strings under a CHECK.
"""

from station.store.models.attempts import Attempt, CurrentAnswer, Place, Revision, SaveConflict, Upload
from station.store.models.columns import Base, Moment, from_milliseconds, milliseconds
from station.store.models.devices import Device, DeviceCommand, ScreenPicture, UnlockCode
from station.store.models.invigilation import Extension, Incident, Interruption, Message, SeatMove
from station.store.models.journal import JournalEntry, JournalHead, SignedHeads, StationLife
from station.store.models.papers import Asset, Paper, PaperAsset, Plan, Subject
from station.store.models.readiness import ReadinessReport, RoomSeal, SealBreak
from station.store.models.rehearsals import Rehearsal, RehearsalPlayer
from station.store.models.results import Mark, PackageState, ResultPackage, Score
from station.store.models.room import Room, Seat, Workstation, WorkstationState
from station.store.models.sittings import Attendance, Candidate, CandidateLogin, Entry, Sitting
from station.store.models.staff import AllowedAddress, Staff, StaffLogin
from station.store.models.work_folders import WorkContent, WorkFolder, WorkVersion

__all__ = [
    "AllowedAddress",
    "Asset",
    "Attempt",
    "Attendance",
    "Base",
    "Candidate",
    "CandidateLogin",
    "CurrentAnswer",
    "Device",
    "DeviceCommand",
    "Entry",
    "Extension",
    "Incident",
    "Interruption",
    "JournalEntry",
    "JournalHead",
    "Mark",
    "Message",
    "Moment",
    "PackageState",
    "Paper",
    "PaperAsset",
    "Place",
    "Plan",
    "ReadinessReport",
    "Rehearsal",
    "RehearsalPlayer",
    "ResultPackage",
    "Revision",
    "Room",
    "RoomSeal",
    "SaveConflict",
    "Score",
    "ScreenPicture",
    "SealBreak",
    "Seat",
    "SeatMove",
    "SignedHeads",
    "Sitting",
    "Staff",
    "StaffLogin",
    "StationLife",
    "Subject",
    "UnlockCode",
    "Upload",
    "WorkContent",
    "WorkFolder",
    "WorkVersion",
    "Workstation",
    "WorkstationState",
    "from_milliseconds",
    "milliseconds",
]
