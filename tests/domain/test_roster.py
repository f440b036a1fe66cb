"""Ticket numbers, ID numbers and masks, photos, seats."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from station.domain.roster import (
    IdKind,
    RosterRow,
    check_ticket_number,
    id_number_kind,
    initial_password,
    is_valid_id_number,
    mask_id_number,
    match_photos,
    matches_mask,
    seat_number,
    seat_order,
    tidy_name,
)
from station.errors import Invalid

FULL = "990000200501011118"
OTHER = "990000200601011116"


def row(ticket: int, id_number: str) -> RosterRow:
    return RosterRow(name="示例", ticket_number=f"{ticket:022d}", id_number=id_number)


@pytest.mark.parametrize("length", [20, 23, 26])
def test_r_rost_2_ticket_numbers_have_20_to_26_digits(length):
    check_ticket_number("1" * length)


@pytest.mark.parametrize("text", ["1" * 19, "1" * 27, "1" * 21 + "x", "", "３" * 22, "1" * 21 + " "])
def test_r_rost_2_anything_else_is_no_ticket_number(text):
    with pytest.raises(Invalid) as refused:
        check_ticket_number(text)
    assert refused.value.code == "ticket_malformed"


def test_the_first_password_is_the_last_six_digits():
    assert initial_password("37028500000000000123456") == "123456"


def test_r_rost_3_the_check_digit_of_gb_11643_is_checked():
    assert is_valid_id_number(FULL)
    assert is_valid_id_number("11010519491231002X")  # the example printed in the standard
    assert not any(is_valid_id_number(FULL[:17] + digit) for digit in "012345679X")
    assert not is_valid_id_number("11010519491231002x")
    assert not is_valid_id_number("1")


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (FULL, IdKind.RESIDENT),
        ("H12345678", IdKind.HONG_KONG_MACAO),
        ("A123456(7)", IdKind.HONG_KONG_MACAO),
        ("12345678", IdKind.TAIWAN),
        ("E12345678", IdKind.PASSPORT),
        ("370285*****5910", IdKind.MASKED),
        ("无", IdKind.UNKNOWN),
        ("", IdKind.UNKNOWN),
        ("PASSPORT", IdKind.UNKNOWN),
    ],
)
def test_r_rost_3_the_kind_of_an_id_number_is_told_by_its_form(number, kind):
    assert id_number_kind(number) is kind


def test_r_rost_3_masks_may_lose_the_length():
    full = "370285200501015910"
    assert matches_mask(full, "370285*****5910")
    assert matches_mask(full, "370285********5910")
    assert not matches_mask(full, "370285*****5911")
    assert matches_mask("370682200501068643", "370682*****068643")
    assert matches_mask("11010519491231002X", "110105****002x")
    assert matches_mask(full, full)
    assert not matches_mask("3702855910", "370285*5910")


@given(st.from_regex(r"[0-9]{17}[0-9X]|[A-Z][0-9]{8}", fullmatch=True))
def test_a_number_always_fits_its_own_mask_and_the_mask_hides_something(number):
    masked = mask_id_number(number)
    assert matches_mask(number, masked)
    assert "*" in masked
    assert len(masked) == len(number)


def test_r_rost_3_photos_are_matched_where_it_is_certain():
    rows = [row(1, FULL), row(2, "990000*****1116"), row(3, "110105*****002X"), row(1, FULL)]
    found = match_photos([FULL, OTHER, "12345678"], rows)
    assert found.by_ticket == {rows[0].ticket_number: FULL, rows[1].ticket_number: OTHER}
    assert found.ambiguous == {}
    assert found.photos_without_row == ("12345678",)
    assert found.tickets_without_photo == (rows[2].ticket_number,)


def test_r_rost_3_a_photo_that_fits_two_masked_rows_is_refused():
    rows = [row(1, "990000*****1116"), row(2, "9900*****1116")]
    found = match_photos([OTHER], rows)
    assert found.by_ticket == {}
    assert found.ambiguous == {OTHER: (rows[0].ticket_number, rows[1].ticket_number)}


def test_r_rost_3_two_photos_that_fit_one_masked_row_are_refused():
    found = match_photos([OTHER, "990000200701011116"], [row(1, "990000*****1116")])
    assert found.by_ticket == {}
    assert len(found.ambiguous) == 2


def test_a_photo_named_by_a_rows_full_number_is_nobody_elses():
    rows = [row(1, OTHER), row(2, "990000*****1116")]
    found = match_photos([OTHER], rows)
    assert found.by_ticket == {rows[0].ticket_number: OTHER}
    assert found.ambiguous == {}


def test_one_person_with_two_tickets_has_one_photo_for_both():
    found = match_photos([FULL], [row(1, FULL), row(2, FULL)])
    assert len(found.by_ticket) == 2


@pytest.mark.parametrize(
    ("written", "seat"),
    [("57", "57"), ("57.0", "57"), ("０５７号", "57"), ("座位号 7", "7"), ("a01", "A01"), ("12号机", "12"), ("", "")],
)
def test_r_rost_2_a_seat_is_read_however_it_is_written(written, seat):
    assert seat_number(written) == seat


def test_seats_are_sorted_as_people_count():
    assert sorted(["10", "A2", "2", "A10", "57", "B1"], key=seat_order) == ["2", "10", "57", "A2", "A10", "B1"]


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("张　三", "张三"),
        (" 库尔班•热合曼 ", "库尔班·热合曼"),
        ("Zhang  Sanfeng", "Zhang Sanfeng"),
        ("郎一", "郎一"),
    ],
)
def test_r_rost_3_names_keep_their_dot_and_their_rare_characters(written, name):
    assert tidy_name(written) == name
