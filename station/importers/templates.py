"""Templates to download: workbooks with one example row a kind, which import as they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import BytesIO

from openpyxl import Workbook
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.worksheet import Worksheet

Row = Sequence[str | int | float | None]

_ROSTER_HEAD: Sequence[Row] = (
    ("考场签到表",),
    ("考场名称：第一机房", None, "考核站点：示例职业学院"),
    ("考试科目：理论", None, "考试证书：网店运营推广", "证书等级：初级"),
    ("考试时间：2026年11月21日 14:00—15:00", None, None, "监考老师：监考甲、监考乙", "巡考老师：巡考丙"),
    ("应考人数：2", None, "实考人数：", "缺考人数："),
)
_ROSTER_COLUMNS: Row = ("序号", "学生姓名", "姓名拼音", "身份证号码", "准考证号", "所属院校", "座位号")
_ROSTER_ROWS: Sequence[Row] = (
    (1, "张示例", "Zhang Shili", "990000200501011118", "20261121000000000000000001", "示例职业学院", 1),
    (2, "库尔班·示例", "Kuerban Shili", "990000*****1116", "20261121000000000000000002", "示例职业学院", 2),
)
_ROSTER_NOTES = (
    "一、一张工作表是一个考场的一个场次。表格上方的项目可以写成“考场名称：…”，也可以写在相邻两格。",
    "二、列的次序不限；序号、拼音可以没有。座位号不必从 1 开始，也不必连续。",
    "三、准考证号（20–26 位数字）和身份证号码必须是文本格式的单元格。数值单元格只保留 15 位，会被拒绝。",
    "四、身份证号码可以遮盖（如 990000*****1116）；完整的号码会核对校验位。",
    "五、从报名平台导出的报考数据（没有座位号）可以直接导入，不必改成本模板。",
    "六、文件中有任何错误时，什么都不会导入；请按提示的工作表、行、列改正后重新导入。",
)
_PAPER_COLUMNS: Row = (
    *("题型", "题干", "选项A", "选项B", "选项C", "选项D"),
    *("答案", "分值", "部分分", "解析", "难度", "图片"),
)
_TABLE_STEM = """根据下表，分析哪个关键词应当提价。
| 关键词 | 点击率 | 转化率 |
| 保温杯 | 2% | 1% |
| 便携保温杯 | 4% | 5% |"""
_PAPER_ROWS: Sequence[Mapping[str, str | int | float]] = (
    {
        "题型": "单选题",
        "题干": "点击率的计算方法是（　）。",
        "选项A": "点击量÷展现量",
        "选项B": "成交额÷花费",
        "选项C": "花费÷点击量",
        "选项D": "展现量÷点击量",
        "答案": "A",
        "分值": 1,
        "解析": "点击率即点击量与展现量之比。",
        "难度": "易",
    },
    {
        "题型": "多选题",
        "题干": "下列属于搜索推广数据指标的有（　）。",
        "选项A": "展现量",
        "选项B": "点击量",
        "选项C": "花费",
        "选项D": "店铺名称",
        "答案": "ABC",
        "分值": 2,
        "部分分": 0.5,
        "解析": "前三项都是推广数据。",
        "难度": "中",
    },
    {"题型": "判断题", "题干": "商品标题可以使用“全网第一”等绝对化用语。", "答案": "错", "分值": 1, "难度": "易"},
    {
        "题型": "填空题",
        "题干": "打开网店首页不滚动就能看到的区域称为____，CPC 表示按____付费。",
        "答案": "首屏|首页首屏；点击",
        "分值": 2,
        "难度": "中",
    },
    {
        "题型": "简答题",
        "题干": "简述提高点击率的两种做法。",
        "答案": "评分要点：优化主图（2 分）；优化标题（2 分）。",
        "分值": 4,
    },
    {"题型": "论述题", "题干": _TABLE_STEM, "答案": "便携保温杯:6；提价|提高出价:4", "分值": 10, "难度": "难"},
)
_PAPER_NOTES = (
    "一、题型：单选题、多选题、判断题、填空题、简答题、论述题。也可以每种题型一张工作表，以题型命名，不写题型列。",
    "二、答案：单选写一个字母；多选写 ABC 或 A,B,C；判断写 对/错、√/×、正确/错误 或 T/F。",
    "三、填空处在题干中写成 ____ 或（　）；多处答案用“；”隔开，一处的多个正确答案用“|”隔开。",
    "四、简答题、论述题的答案是给阅卷人的评分要点；全部写成“关键词:分”（分值只写数字）时按关键词评分。",
    "五、题干中连续几行以“|”开头和结尾，显示为表格，第一行是表头。",
    "六、图片：插入为浮动图片，左上角放在该题所在的行；或在“图片”列写文件名，与试卷一起提供。",
    "七、部分分：多选题选对一部分且没有选错时的得分；不填则必须全对。",
    "八、表格填写题、文件提交题请用 JSON 试卷包导入。",
)


def roster_template() -> bytes:
    """Write the template of a room's roster."""
    book = Workbook()
    _fill(book.worksheets[0], "名单", [*_ROSTER_HEAD, _ROSTER_COLUMNS, *_ROSTER_ROWS], header=len(_ROSTER_HEAD) + 1)
    _add_notes(book, _ROSTER_NOTES)
    return _bytes(book)


def paper_template() -> bytes:
    """Write the template of a paper's question sheets."""
    book = Workbook()
    rows = [[row.get(str(column)) for column in _PAPER_COLUMNS] for row in _PAPER_ROWS]
    _fill(book.worksheets[0], "试题", [_PAPER_COLUMNS, *rows], header=1)
    _add_notes(book, _PAPER_NOTES)
    return _bytes(book)


def _fill(sheet: Worksheet, title: str, rows: Sequence[Row], *, header: int) -> None:
    sheet.title = title
    for row in rows:
        sheet.append(list(row))
    for cell in sheet[header]:
        cell.font, cell.fill = Font(bold=True), PatternFill("solid", fgColor="DDE7F5")
    for cells in sheet.iter_rows(min_row=header):
        for cell in cells:
            cell.alignment = Alignment(wrap_text=True, vertical="top")
            if not isinstance(cell.value, int | float):
                cell.number_format = "@"
    # Rows still to be typed must be text as well, or Excel turns the numbers into numbers.
    for number, column in enumerate(sheet.iter_cols(min_row=header, values_only=True), 1):
        dimension = sheet.column_dimensions[get_column_letter(number)]
        dimension.width = min(48, max(10, 1.6 * max(len(str(value or "")) for value in column)))
        dimension.number_format = "@"
    sheet.freeze_panes = f"A{header + 1}"


def _add_notes(book: Workbook, notes: Sequence[str]) -> None:
    sheet = book.create_sheet("填写说明")
    for note in notes:
        sheet.append([note])
    sheet.column_dimensions["A"].width = 110


def _bytes(book: Workbook) -> bytes:
    out = BytesIO()
    book.save(out)
    return out.getvalue()
