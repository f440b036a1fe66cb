"""The sample's candidates: nobody's numbers, and every difficulty that rosters bring."""

from itertools import pairwise

import pytest

from station.sample.candidates import HOME_INSTITUTION, MOST_CANDIDATES, check_digit, invent_candidates

CANDIDATES = invent_candidates(45)


def test_r_rost_2_ticket_numbers_are_unique_and_of_22_to_24_digits():
    tickets = [candidate.ticket_number for candidate in invent_candidates(MOST_CANDIDATES)]
    assert len(set(tickets)) == MOST_CANDIDATES
    assert {len(ticket) for ticket in tickets} == {22, 24}
    assert all(ticket.isascii() and ticket.isdigit() for ticket in tickets)


def test_r_rost_2_the_first_password_does_not_follow_the_seat():
    passwords = [int(candidate.ticket_number[-6:]) for candidate in CANDIDATES]
    assert len(set(passwords)) == 45
    assert min(abs(one - next_one) for one, next_one in pairwise(passwords)) > 1000


def test_r_rost_3_id_numbers_have_a_right_check_digit_and_no_region():
    # The check digit of GB 11643's own example.
    assert check_digit("11010519491231002") == "X"
    for candidate in CANDIDATES:
        assert candidate.id_number[17] == check_digit(candidate.id_number[:17])
        assert candidate.id_number.startswith("99")
    assert len({candidate.id_number for candidate in CANDIDATES}) == 45


def test_r_rost_3_a_masked_number_fits_one_candidate_only():
    masked = [candidate for candidate in CANDIDATES if "*" in candidate.shown_id_number]
    assert len(masked) >= 8
    assert any(len(candidate.shown_id_number) != 18 for candidate in masked)
    for candidate in masked:
        head, tail = candidate.shown_id_number.split("*")[0], candidate.shown_id_number.split("*")[-1]
        fitting = [one for one in CANDIDATES if one.id_number.startswith(head) and one.id_number.endswith(tail)]
        assert fitting == [candidate]


def test_r_rost_3_names_and_schools_hold_the_difficult_cases():
    assert len({candidate.name for candidate in CANDIDATES}) == 45
    assert sum("·" in candidate.name for candidate in CANDIDATES) == 2
    assert max(len(candidate.name) for candidate in CANDIDATES) > 15
    assert [one.number for one in CANDIDATES if one.institution != HOME_INSTITUTION] == [11]


def test_no_two_of_the_most_candidates_share_a_name():
    assert len({candidate.name for candidate in invent_candidates(MOST_CANDIDATES)}) == MOST_CANDIDATES


@pytest.mark.parametrize("count", [0, -1, MOST_CANDIDATES + 1])
def test_an_impossible_number_of_candidates_is_refused(count):
    with pytest.raises(ValueError, match="candidates"):
        invent_candidates(count)
