"""The sample's theory paper: counts, points, and every number worked out again."""

import ast
import io
import operator
import re
from collections import Counter
from decimal import Decimal
from fractions import Fraction

import openpyxl
import pytest

from station.sample.theory import SHEETS, theory_source, theory_workbook

SOURCE = theory_source()
ITEMS = [(kind, item) for kind in SHEETS for item in SOURCE[kind]]
WITH_SUMS = [(kind, item) for kind, item in ITEMS if "working" in item]
_ACTS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv}


def right_texts(kind, item):
    """List what the right answer says: the right options' texts, or the first accepted text of each blank."""
    if kind == "fill_in":
        return [accepted[0] for accepted in item["answers"]]
    return [item["options"][ord(letter) - ord("A")] for letter in item["answer"]]


def leading_number(text):
    found = re.match(r"\d+(\.\d+)?", text)
    return Fraction(found[0]) if found else None


def test_the_paper_holds_60_items_of_100_points():
    assert {kind: len(SOURCE[kind]) for kind in SHEETS} == {
        "single": 25,
        "multiple": 12,
        "true_false": 12,
        "fill_in": 8,
        "short_answer": 3,
    }
    assert sum(Decimal(item["points"]) for _, item in ITEMS) == 100


def test_no_stem_stands_twice_and_every_item_is_explained():
    assert len({item["stem"] for _, item in ITEMS}) == len(ITEMS)
    assert all(item["explanation"] and item["difficulty"] in {"易", "中", "难"} for _, item in ITEMS)


@pytest.mark.parametrize("kind", ["single", "multiple"])
def test_answers_name_options_and_no_place_is_favoured(kind):
    letters = Counter()
    for item in SOURCE[kind]:
        assert len(set(item["options"])) == len(item["options"]) == 4
        assert set(item["answer"]) <= set("ABCD")
        assert list(item["answer"]) == sorted(set(item["answer"]))
        letters.update(item["answer"])
    assert all(sum(letters.values()) / 6 < letters[letter] < sum(letters.values()) / 3 for letter in "ABCD")


def test_multiple_items_have_two_right_answers_or_more_and_some_give_partial_points():
    assert all(len(item["answer"]) >= 2 for item in SOURCE["multiple"])
    partial = [Decimal(item["partial"]) for item in SOURCE["multiple"] if "partial" in item]
    assert 0 < len(partial) < 12
    assert all(0 < points < 2 for points in partial)


def test_true_and_false_are_both_common():
    answers = Counter(item["answer"] for item in SOURCE["true_false"])
    assert set(answers) == {"对", "错"}
    assert min(answers.values()) >= 4


def test_blanks_in_the_stem_equal_the_answers_at_2_points_each():
    for item in SOURCE["fill_in"]:
        assert item["stem"].count("____") == len(item["answers"])
        assert Decimal(item["points"]) == 2 * len(item["answers"])
        assert not any(mark in text for accepted in item["answers"] for text in accepted for mark in "|;；")
    assert sum(len(item["answers"]) == 2 for item in SOURCE["fill_in"]) >= 2


@pytest.mark.parametrize(("kind", "item"), WITH_SUMS, ids=lambda value: str(value)[:30])
def test_every_stated_sum_is_right_and_only_the_right_answer_has_it(kind, item):
    sums = item["working"] if isinstance(item["working"], list) else [item["working"]]
    rights = right_texts(kind, item)
    assert len(sums) == len(rights)
    for stated, right in zip(sums, rights, strict=True):
        left, _, result = stated.partition(" = ")
        assert work_out(left) == Fraction(result) == leading_number(right)
    if kind == "single":
        same = [option for option in item["options"] if leading_number(option) == leading_number(rights[0])]
        assert same == rights


@pytest.mark.parametrize(("kind", "item"), WITH_SUMS, ids=lambda value: str(value)[:30])
def test_every_number_of_a_sum_stands_in_the_item(kind, item):
    sums = item["working"] if isinstance(item["working"], list) else [item["working"]]
    given = item["stem"] + " ".join(str(value) for value in picture_values(item))
    for stated in sums:
        for number in numbers_of(stated.partition(" = ")[0]):
            # 100 makes a percentage, 1000 a price per thousand.
            assert number in given or number in {"100", "1000"}, number


def test_every_accepted_form_of_a_number_is_the_same_number():
    for item in SOURCE["fill_in"]:
        if "working" in item:
            for accepted in item["answers"]:
                assert len({Fraction(text) for text in accepted}) == 1


def test_the_table_item_asks_for_the_highest_return():
    item = next(item for item in SOURCE["single"] if "\n|" in item["stem"])
    rows = [line.strip("| ").split(" | ") for line in item["stem"].splitlines() if line.startswith("|")][1:]
    returns = {word: Fraction(sales) / Fraction(cost) for word, _, _, cost, sales in rows}
    assert list(returns) == item["options"]
    assert list(returns.values()) == [4, 6, 2, 5]
    assert right_texts("single", item) == [max(returns, key=returns.get)]


def test_the_chart_item_asks_for_the_highest_bar():
    item = next(item for item in SOURCE["single"] if "picture" in item)
    values = picture_values(item)
    days = ["周一", "周二", "周三", "周四", "周五", "周六", "周日"]
    assert right_texts("single", item) == [days[values.index(max(values))]]
    assert values.count(max(values)) == 1


def test_the_workbook_holds_a_sheet_a_kind_two_pictures_and_no_number_as_an_answer():
    workbook = openpyxl.load_workbook(io.BytesIO(theory_workbook()))
    assert workbook.sheetnames == list(SHEETS.values())
    assert sum(len(sheet._images) for sheet in workbook) == 2
    for sheet, kind in zip(workbook, SHEETS, strict=True):
        rows = list(sheet.iter_rows(min_row=2, values_only=True))
        titles = [cell.value for cell in sheet[1]]
        assert len(rows) == len(SOURCE[kind])
        assert all(isinstance(row[titles.index("答案")], str) for row in rows)


def test_a_picture_is_anchored_in_the_row_of_its_item():
    sheet = openpyxl.load_workbook(io.BytesIO(theory_workbook()))["单选题"]
    (picture,) = sheet._images
    row = picture.anchor._from.row + 1
    assert "picture" in SOURCE["single"][row - 2]
    assert sheet.cell(row, 2).value == SOURCE["single"][row - 2]["stem"]


def test_the_workbook_is_the_same_bytes_each_time():
    assert theory_workbook() == theory_workbook()


def picture_values(item):
    return SOURCE["pictures"][item["picture"]]["values"] if "picture" in item else []


def work_out(sum_text: str) -> Fraction:
    """Work out `sum_text` without rounding."""

    def value(node: ast.expr) -> Fraction:
        if isinstance(node, ast.BinOp):
            return _ACTS[type(node.op)](value(node.left), value(node.right))
        assert isinstance(node, ast.Constant), ast.dump(node)
        return Fraction(ast.get_source_segment(sum_text, node))

    return value(ast.parse(sum_text, mode="eval").body)


def numbers_of(sum_text: str) -> list[str]:
    """List the numbers that stand in `sum_text`, as written."""
    tree = ast.parse(sum_text, mode="eval")
    return [ast.get_source_segment(sum_text, node) for node in ast.walk(tree) if isinstance(node, ast.Constant)]
