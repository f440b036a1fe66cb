"""Roles, and what each may do."""

from __future__ import annotations

import pytest

from station.domain.staff import ACT_NAMES, MAY, ROLE_NAMES, Role, may, not_allowed


def test_every_act_has_words_and_every_role_a_name():
    assert set(MAY) <= set(ACT_NAMES)
    assert set(ROLE_NAMES) == set(Role)


def test_a_refusal_says_who_may_not_do_what():
    refusal = not_allowed(Role.TECHNICIAN, "decide_violation")
    assert "裁定违纪" in refusal.sentence("zh")
    assert "decide a violation" in refusal.sentence("en")


@pytest.mark.parametrize(
    ("role", "act", "allowed"),
    [
        (Role.EXAM_OFFICER, "start_sitting", True),
        (Role.INVIGILATOR, "decide_violation", False),
        (Role.TECHNICIAN, "close_sitting", True),
        (Role.TECHNICIAN, "manage_staff", False),
        (Role.INSPECTOR, "collect_attempts", False),
        (Role.TECHNICAL_SUPPORT, "decide_extension_body", True),
    ],
)
def test_r_day_13_who_may_stand_in_for_whom(role: Role, act: str, allowed: bool):
    assert may(role, act) is allowed
