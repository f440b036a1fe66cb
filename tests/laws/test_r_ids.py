"""Every rule of requirements.md is named by a test, or stands here with the reason why not yet."""

import re

from tests.laws.sources import text_of_tests

R_IDS = [
    *(f"R-ROOM-{number}" for number in range(1, 11)),
    "R-FORM-1",
    *(f"R-ROST-{number}" for number in range(1, 4)),
    *(f"R-DAY-{number}" for number in range(1, 19)),
    *(f"R-END-{number}" for number in range(5)),
    "R-SCORE-1",
    "R-SCORE-2",
]

NOT_YET: dict[str, str] = {
    "R-ROOM-4": "identity devices are an issue of their own",
    "R-ROOM-5": "a calendar of the centre; nothing of the station depends on it",
    "R-ROOM-8": "moves between rooms are an issue of their own; a candidate at a wrong station is told so",
    "R-FORM-1": "forms and reprints are an issue of their own",
    "R-DAY-17": "the inspector's visits are recorded with the forms",
    "R-END-3": "backups are made; archived forms and the site's totals come with the forms",
}


def is_named(r_id, text):
    written = r_id.replace("-", "[-_]")
    return re.search(rf"(?<![A-Za-z0-9]){written}(?![0-9])", text, re.IGNORECASE) is not None


def test_every_rule_is_named_by_a_test():
    tests = text_of_tests(without="test_r_ids.py")
    nameless = [r_id for r_id in R_IDS if r_id not in NOT_YET and not is_named(r_id, tests)]
    assert not nameless, f"no test names {nameless}"


def test_a_rule_leaves_the_list_once_a_test_names_it():
    tests = text_of_tests(without="test_r_ids.py")
    assert not [r_id for r_id in NOT_YET if is_named(r_id, tests)]


def test_the_list_of_exceptions_holds_known_rules_only():
    assert set(NOT_YET) <= set(R_IDS)


def test_r_day_1_is_not_taken_for_found_where_r_day_11_stands():
    assert is_named("R-DAY-11", "def test_r_day_11_x")
    assert not is_named("R-DAY-1", "def test_r_day_11_x")
    assert is_named("R-DAY-1", "def test_r_day_1_x")
    assert is_named("R-DAY-1", "As R-DAY-1, but later.")
