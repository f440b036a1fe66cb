"""The lock order of the station, read as PROTOCOL.md writes it."""

import json
import re
from pathlib import Path

import pytest

from client_agent.errors import AgentError
from client_agent.linux.lock_files import run
from client_agent.lockdown.operation import describe_failure, not_held
from client_agent.lockdown.profile import LockProfile
from client_agent.lockdown.sequence import UNDO_UNKNOWN
from client_agent.machine import Browser
from tests.agent.lock_ground import Ground
from tests.agent.lock_laws import a_profile

PROTOCOL = Path(__file__).resolve().parent.parent.parent / "client_agent" / "PROTOCOL.md"


def read(lock, **over):
    values = {
        "station_url": "http://192.168.1.2:8080/seat/x",
        "local_port": 4001,
        "browser": Browser("Chromium", Path("/usr/bin/chromium"), "109.0"),
        **over,
    }
    return LockProfile.from_orders(lock, **values)


def test_the_example_of_the_protocol_is_read():
    text = PROTOCOL.read_text(encoding="utf-8")
    example = re.search(r"<!-- example: orders\.answer -->\s*```json\n(.*?)```", text, re.S).group(1)
    profile = read(json.loads(example)["lock"])
    assert profile.programs_allowed == ("photoshop.exe",)
    assert profile.programs_forbidden == ("qq.exe", "wechat.exe")
    assert (profile.clipboard, profile.screens, profile.removable_drives, profile.firewall) == (
        "inside",
        1,
        False,
        True,
    )
    assert profile.accessibility == {"magnifier"}
    assert profile.pictures is True
    assert profile.origins == ("http://192.168.1.2:8080", "http://127.0.0.1:4001")
    assert (profile.station_host, profile.station_port) == ("192.168.1.2", 8080)


def test_what_is_absent_gets_the_stricter_value_and_what_is_unknown_is_passed_over():
    profile = read({"later": "unheard of", "programs_forbidden": ["QQ.exe"]})
    assert (profile.clipboard, profile.screens, profile.removable_drives, profile.firewall) == (
        "inside",
        1,
        False,
        True,
    )
    assert profile.programs_forbidden == ("qq.exe",)
    assert read({"clipboard": "a later rule"}).clipboard == "off"
    assert read({"clipboard": "open"}).clipboard == "open"


@pytest.mark.parametrize(
    "lock",
    [
        {"screens": "1"}, {"screens": 0}, {"screens": True}, {"firewall": "no"}, {"removable_drives": 1},
        {"programs_allowed": "photoshop.exe"}, {"programs_forbidden": [""]}, {"accessibility": [3]},
        {"clipboard": None},
    ],
)  # fmt: skip
def test_a_wrong_kind_of_value_is_refused_by_its_name(lock):
    with pytest.raises(AgentError) as refusal:
        read(lock)
    assert refusal.value.code == "lock_order_wrong"
    assert next(iter(lock)) in refusal.value.sentence("zh")


def test_the_digest_names_a_profile():
    assert a_profile().digest == a_profile().digest
    assert read({"accessibility": ["b", "a"]}).digest == read({"accessibility": ["a", "b"]}).digest
    different = {a_profile().digest, a_profile(screens=2).digest, a_profile(programs_allowed=("gimp",)).digest}
    assert len(different) == 3
    assert a_profile(station_url="https://exam.school").station_port == 443
    assert a_profile(station_url="http://exam.school").station_port == 80


def test_a_failure_is_told_in_both_languages_on_one_line(tmp_path):
    operation = Ground.build(tmp_path / "pc").operations()[0]
    told = describe_failure(operation, OSError(28, "No space\nleft"))
    assert told.as_json() == {
        "code": "lock_not_held",
        "zh": "注册表awake未生效：OSError: [Errno 28] No space left",
        "en": "registry awake does not hold: OSError: [Errno 28] No space left",
        "mended": False,
    }
    refused = describe_failure(operation, AgentError(UNDO_UNKNOWN, name="x"))
    assert "不认识" in refused.zh
    assert "does not know" in refused.en
    assert not_held(UNDO_UNKNOWN, name="x").as_mended().mended


def test_a_program_of_the_system_that_is_missing_or_fails_is_named():
    for command, code in (("exam-no-such-program", "lock_program_missing"), ("false", "lock_program_failed")):
        with pytest.raises(AgentError) as refusal:
            run(command)
        assert refusal.value.code == code
        assert command in refusal.value.sentence("zh")
