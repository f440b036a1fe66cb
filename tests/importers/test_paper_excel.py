"""Papers from question sheets: every usual way of writing them, and every refusal by cell."""

from __future__ import annotations

import time
from io import BytesIO

import pytest
from openpyxl.drawing.image import Image as Drawing
from PIL import Image

from station.importers.paper_excel import read_paper_workbook
from station.importers.rejections import ImportRejected

COLUMNS = ["题型", "题干", "选项A", "选项B", "选项C", "选项D", "答案", "分值", "部分分", "解析", "难度", "图片"]


def row(kind="单选题", stem="题干", options=("甲", "乙", "丙", "丁"), answer="A", points=1, partial=None, picture=None):
    return [kind, stem, *options, *[None] * (4 - len(options)), answer, points, partial, "解析", "易", picture]


@pytest.fixture
def read(write_book, sheet):
    def read(*rows, columns=COLUMNS, head=(), title="试题", change=None, **options):
        path = write_book(sheet(title=title, head=head, columns=columns, rows=rows), change=change)
        return read_paper_workbook(path, code="X", certificate="示例", level="初级", subject="theory", **options)

    return read


@pytest.fixture
def faults(read):
    def faults(*rows, **options):
        with pytest.raises(ImportRejected) as refused:
            read(*rows, **options)
        return [(found.code, found.row, found.column) for found in refused.value.rejections]

    return faults


def key(found, item_id="t001"):
    return {name: value for name, value in found.keys.keys[item_id].items() if name != "explanation"}


@pytest.mark.parametrize("answer", ["ABC", "A,B,C", "A、B、C", "cba", "Ａ；Ｂ；Ｃ", "A B C", "A|B|C"])
def test_a_multiple_choices_answer_is_read_however_it_is_written(read, answer):
    found = read(row("多选题", answer=answer))
    assert key(found) == {"policy": "exact", "answer": {"list": {"identifier": ["A", "B", "C"]}}}


@pytest.mark.parametrize(
    ("answer", "right"),
    [("对", True), ("√", True), ("正确", True), ("T", True), (True, True), ("错", False), ("×", False), ("X", False),
     ("错误", False), ("F", False), (False, False), ("✗", False)],
)  # fmt: skip
def test_a_true_or_false_answer_is_read_however_it_is_written(read, answer, right):
    assert key(read(row("判断题", options=(), answer=answer)))["answer"] == {"base": {"boolean": right}}


def test_a_true_or_false_answer_may_be_the_letter_of_its_option(read):
    assert key(read(row("判断", options=("正确", "错误"), answer="B")))["answer"] == {"base": {"boolean": False}}


def test_partial_points_make_a_multiple_choice_subset_fixed(read):
    found = read(row("多选题", answer="AB", points=2, partial=0.5))
    assert key(found)["policy"] == "subset_fixed"
    assert key(found)["partial"] == "0.50"


def test_blanks_and_their_accepted_answers_are_read(read):
    found = read(row("填空题", "首页上方是____，CPC 按＿＿付费（注）。", (), "首屏|首页首屏；点击", 3))
    assert key(found)["blanks"] == {
        "b1": {"accepted": ["首屏", "首页首屏"], "points": "1.50"},
        "b2": {"accepted": ["点击"], "points": "1.50"},
    }
    assert found.paper.items[0].body.count('<span data-blank="b') == 2
    assert "（注）" in found.paper.items[0].body


def test_brackets_are_blanks_where_there_are_no_underscores_and_points_are_parted_in_cents(read):
    found = read(row("填空题", "（　）、( )和（）", (), "甲；乙；丙", 1))
    assert [blank["points"] for blank in key(found)["blanks"].values()] == ["0.34", "0.33", "0.33"]


def test_a_fill_in_without_a_place_gets_its_blanks_below(read):
    found = read(row("填空题", "写出两个指标：", (), "点击率;转化率", 2))
    assert len(found.paper.items[0].interaction.blanks) == 2


def test_a_written_answer_is_a_guide_unless_every_part_is_keyword_and_points(read):
    found = read(
        row("简答题", options=(), answer="评分要点：主图（2 分）；标题：2分", points=4),
        row("简答题", options=(), answer="主图|图片:2；标题：2", points=4),
        row("论述题", options=(), answer="主图:1", points=4),
        row("论述题", options=(), answer=None, points=4),
    )
    assert [item.policy for item in found.paper.items] == ["manual", "points_list", "manual", "manual"]
    assert key(found, "t002")["points"][0] == {"any": ["主图", "图片"], "points": "2.00"}


def test_options_may_stand_in_one_column_with_their_marks(read):
    columns = ["类型", "试题内容", "选项", "正确答案", "分数"]
    found = read(
        ["单选", "题", "A. 甲\nB. 乙\nC. 丙", "C", "2分"],
        ["单选", "题", "甲|乙", "B", 2],
        columns=columns,
    )
    assert [option.html for option in found.paper.items[0].interaction.options] == ["甲", "乙", "丙"]
    assert len(found.paper.items[1].interaction.options) == 2


def test_a_sheet_named_by_its_kind_needs_no_kind_column_and_its_heading_may_give_the_points(read):
    found = read(
        ["题", "甲", "乙", "A"],
        columns=["题目", "A", "B", "标准答案"],
        head=[["一、单项选择题（每题 1.5 分，共 1 题）"], []],
        title="单选题",
    )
    assert found.paper.items[0].kind == "single"
    assert found.paper.document["full_points"] == "1.50"


def test_kinds_become_sections_in_order_and_explanations_stay_out_of_the_paper(read):
    found = read(row(), row("多选题", answer="AB", points=2), row(stem="又一题"), full_points="4.00")
    assert [section.title for section in found.paper.sections] == ["一、单项选择题", "二、多项选择题"]
    assert [item.id for item in found.paper.items] == ["t001", "t003", "t002"]
    assert "每题 1 分，共 2 分" in found.paper.sections[0].instructions
    assert "解析" not in str(found.paper_document)


def test_choice_without_more_is_single_or_multiple_as_its_answer_says(read):
    found = read(row("选择题", answer="B"), row("选择题", answer="BC"))
    assert [item.kind for item in found.paper.items] == ["single", "multiple"]


def test_a_cell_is_text_and_never_markup_and_its_table_and_lines_are_kept(read):
    stem = "<script>1</script> 第一行\n第二行\n| 词 | 价 |\n| --- | --- |\n| 甲 | <b> |"
    body = read(row(stem=stem, options=("<img src=x>", "a & b"))).paper.items[0].body
    assert "<script>" not in body
    assert "&lt;script&gt;1&lt;/script&gt; 第一行<br>第二行" in body
    assert "<table><thead><tr><th>词</th><th>价</th></tr></thead><tbody><tr><td>甲</td><td>&lt;b&gt;</td>" in body


def test_a_picture_in_a_row_and_a_picture_by_name_become_assets(read, picture):
    def place(book):
        book.worksheets[0].add_image(Drawing(BytesIO(picture(3000, 10, "PNG"))), "L2")

    found = read(row(), row(picture="图 一.jpg"), change=place, assets={"图 一.jpg": picture()})
    assert list(found.assets) == ["t001-1.png", "t002-1.jpg"]
    assert '<img src="asset:t001-1.png" alt="图 1">' in found.paper.item("t001").body
    assert Image.open(BytesIO(found.assets["t001-1.png"])).width == 1600
    assert found.paper.assets["t002-1.jpg"].size == len(found.assets["t002-1.jpg"])


@pytest.mark.parametrize(
    ("wrong", "code", "column"),
    [
        (row("连线题"), "kind_unknown", "A"),
        (row("文件题"), "kind_unknown", "A"),
        (row(None), "kind_unknown", "A"),
        (row(stem=None), "stem_missing", "B"),
        (row(stem="长" * 20_001), "stem_too_long", "B"),
        (row(stem='DISPIMG("ID_1",1)'), "picture_in_cell", "B"),
        (row(points=None), "points_missing", "H"),
        (row(points="一"), "points_wrong", "H"),
        (row(points=-1), "points_wrong", "H"),
        (row(points=0.333), "points_wrong", "H"),
        (row(options=("甲",)), "options_few", "C"),
        (row(options=("甲", None, "丙")), "option_gap", "D"),
        (row(options=("甲", "甲")), "option_twice", "D"),
        (row(answer=None), "answer_missing", "G"),
        (row(answer="E"), "answer_outside_options", "G"),
        (row(answer="AB"), "answer_unreadable", "G"),
        (row(answer="甲"), "answer_unreadable", "G"),
        (row("多选题", answer="AA"), "answer_unreadable", "G"),
        (row("多选题", answer="AF"), "answer_outside_options", "G"),
        (row("多选题", answer="AB", partial=1), "partial_wrong", "G"),
        (row("多选题", answer="AB", partial="半"), "partial_wrong", "I"),
        (row("判断题", options=(), answer="也许"), "answer_unreadable", "G"),
        (row("填空题", "____和____", (), "一"), "blanks_differ", "G"),
        (row("填空题", "____和____", (), "一；|"), "answer_unreadable", "G"),
        (row(picture="没有.png"), "picture_file_missing", "L"),
        (row(answer="#REF!"), "cell_error", "G"),
    ],
)
def test_a_wrong_cell_is_refused_by_name_and_place(faults, wrong, code, column):
    assert faults(row(), wrong) == [(code, 3, column)]


def test_an_answer_outside_its_options_says_where_and_what(read):
    with pytest.raises(ImportRejected) as refused:
        read(row(), row(answer="E"))
    assert refused.value.sentence() == (
        "文件有 1 处错误，未导入任何内容。试题，第 3 行，G 列：答案 E 不在选项之中（选项到 D 为止）。"
    )


def test_every_fault_is_told_and_a_picture_that_is_nobodys_is_one(faults, picture):
    def place(book):
        book.worksheets[0].add_image(Drawing(BytesIO(picture(kind="PNG"))), "L9")

    assert faults(row(answer="E"), row(points=None), change=place) == [
        ("picture_without_row", 9, "L"),
        ("answer_outside_options", 2, "G"),
        ("points_missing", 3, "H"),
    ]


def test_options_in_one_column_are_held_to_the_same_rules(faults):
    columns = ["题型", "题干", "选项", "答案", "分值"]
    rows = [["单选题", "题", options, "A", 1] for options in ("甲|甲", "甲", "\n".join("甲乙丙丁戊己庚辛壬"))]
    assert faults(*rows, columns=columns) == [
        ("option_twice", 2, "C"),
        ("options_few", 3, "C"),
        ("options_many", 4, "C"),
    ]


def test_points_that_do_not_add_up_and_a_book_without_questions_are_refused(faults):
    assert faults(row(), full_points="100.00")[0][0] == "points_do_not_add_up"
    assert faults(columns=["别的"])[0][0] == "no_questions"
    assert faults()[0][0] == "no_questions"


def test_a_paper_of_500_items_is_read_in_5_seconds(read):
    began = time.monotonic()
    seen = []
    found = read(*[row(stem=f"第 {n} 题") for n in range(500)], progress=lambda done, total: seen.append((done, total)))
    assert len(found.paper.items) == 500
    assert seen[-1] == (500, 500)
    assert len(seen) > 10
    assert time.monotonic() - began < 5
