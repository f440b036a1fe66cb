"""Marking: scoring policies, pass rules, and the test that keys pass before they are used."""

from station.domain.marking.key_test import KeyFinding, check_keys_against_themselves
from station.domain.marking.marks import Mark, Outcome, PaperMark, PartMark
from station.domain.marking.pass_rules import Condition, PassResult, judge
from station.domain.marking.policies import mark_item, mark_paper, mark_responses

__all__ = [
    "Condition",
    "KeyFinding",
    "Mark",
    "Outcome",
    "PaperMark",
    "PartMark",
    "PassResult",
    "check_keys_against_themselves",
    "judge",
    "mark_item",
    "mark_paper",
    "mark_responses",
]
