"""The sample's practical paper: structure, keys, and every number of its tables worked out again."""

import io
import json
import re
import zipfile
from decimal import ROUND_HALF_UP, Decimal

import nh3
import openpyxl
import pytest

from station.domain.answer_keys import parse_keys
from station.domain.paper import parse_paper
from station.sample.practical import practical_archive, practical_assets, practical_documents, practical_source

ASSETS = practical_assets()
PAPER, KEYS = practical_documents(ASSETS)
ITEMS = {item["id"]: item for section in PAPER["sections"] for item in section["items"]}
CENT = Decimal("0.01")


def rounded(value):
    return value.quantize(CENT, ROUND_HALF_UP)


def rows_of(item_id):
    return {row["id"]: row["cells"] for row in ITEMS[item_id]["interaction"]["rows"]}


def cells_of(item_id):
    return KEYS["keys"][item_id]["cells"]


def number_in(item_id, cell):
    return Decimal(cells_of(item_id)[cell]["number"])


def sheet_rows(title):
    sheet = openpyxl.load_workbook(io.BytesIO(ASSETS["shop_data.xlsx"]))[title]
    head, *rows = sheet.iter_rows(values_only=True)
    return [dict(zip(head, row, strict=True)) for row in rows]


def test_the_paper_and_its_keys_are_sound():
    paper = parse_paper(PAPER)
    parse_keys(KEYS, paper)
    assert [item["kind"] for item in ITEMS.values()] == [
        "table",
        "table",
        "fill_in",
        "multiple",
        "short_answer",
        "file",
        "long_answer",
    ]
    assert sum(Decimal(item["points"]) for item in ITEMS.values()) == Decimal(PAPER["full_points"]) == 100


@pytest.mark.parametrize("item_id", ["p01", "p02", "p03", "p05"])
def test_the_parts_of_a_key_add_up_to_the_item(item_id):
    key = KEYS["keys"][item_id]
    parts = key["points"] if "points" in key else (key.get("cells") or key["blanks"]).values()
    assert sum(Decimal(part["points"]) for part in parts) == Decimal(ITEMS[item_id]["points"])


def test_all_right_options_together_earn_the_item():
    key = KEYS["keys"]["p04"]
    right = len(key["answer"]["list"]["identifier"])
    assert right * Decimal(key["each"]) == Decimal(ITEMS["p04"]["points"])


def test_the_bid_sheet_asks_for_exactly_the_cells_that_the_key_holds():
    for item_id in ("p01", "p02"):
        columns = [column["id"] for column in ITEMS[item_id]["interaction"]["columns"]]
        empty = {
            f"{row}.{column}" for row, cells in rows_of(item_id).items() for column in columns if column not in cells
        }
        assert empty == set(cells_of(item_id))


def test_choices_in_the_keys_are_offered():
    for item_id in ("p01", "p02"):
        offered = {
            column["id"]: column["options"]
            for column in ITEMS[item_id]["interaction"]["columns"]
            if column["input"] == "choice"
        }
        for name, cell in cells_of(item_id).items():
            column = name.partition(".")[2]
            if column in offered:
                assert set(cell["accepted"]) <= set(offered[column])


@pytest.mark.parametrize("row", ["r1", "r2", "r3", "r4", "r5", "total"])
def test_the_rates_of_the_bid_sheet_are_right(row):
    cells = rows_of("p01")[row]
    shown, clicks = Decimal(cells["shown"]["text"]), Decimal(cells["clicks"]["text"])
    if row == "total":
        cost, sales = number_in("p01", "total.cost"), number_in("p01", "total.sales")
    else:
        cost, sales = Decimal(cells["cost"]["text"]), Decimal(cells["sales"]["text"])
    assert number_in("p01", f"{row}.ctr") == rounded(clicks / shown * 100)
    assert number_in("p01", f"{row}.cpc") == rounded(cost / clicks)
    assert number_in("p01", f"{row}.roi") == rounded(sales / cost)


def test_the_totals_of_the_bid_sheet_are_right():
    rows = rows_of("p01")
    words = [cells for row, cells in rows.items() if row != "total"]
    for column in ("shown", "clicks"):
        assert sum(int(cells[column]["text"]) for cells in words) == int(rows["total"][column]["text"])
    for column in ("cost", "sales"):
        assert sum(Decimal(cells[column]["text"]) for cells in words) == number_in("p01", f"total.{column}")


@pytest.mark.parametrize("row", ["r1", "r2", "r3", "r4", "r5"])
def test_the_bid_follows_the_rule_in_the_stem(row):
    cells = rows_of("p01")[row]
    roi = Decimal(cells["sales"]["text"]) / Decimal(cells["cost"]["text"])
    wanted = "提高出价" if roi >= 4 else "保持出价" if roi >= 2 else "降低出价"
    assert cells_of("p01")[f"{row}.bid"]["accepted"] == [wanted]


def test_the_settlement_follows_the_business_in_the_stem():
    count, price, share, promotion, cost = map(
        Decimal,
        re.search(
            r"收货 (\d+) 个.*单价 (\d+) 元.*的 (\d+)% .*花费 ([\d.]+) 元.*每个 (\d+) 元", ITEMS["p02"]["body"]
        ).groups(),
    )
    sales = count * price
    commission = sales * share / 100
    amounts = {
        "r1.debit": sales - commission,
        "r2.debit": commission,
        "r3.credit": sales,
        "r4.debit": promotion,
        "r5.credit": promotion,
        "r6.debit": count * cost,
        "r7.credit": count * cost,
    }
    for side in ("debit", "credit"):
        amounts[f"total.{side}"] = sum(value for name, value in amounts.items() if name.endswith(side))
    assert amounts["total.debit"] == amounts["total.credit"]
    assert {name: number_in("p02", name) for name in amounts} == amounts


def test_the_forecast_follows_from_the_numbers_in_the_stem():
    budget, click_price, rate, spend = map(
        Decimal,
        re.search(r"推广 (\d+) 元.*单价 ([\d.]+) 元.*转化率 (\d+)%.*客单价 (\d+) 元", ITEMS["p03"]["body"]).groups(),
    )
    clicks = budget / click_price
    orders = clicks * rate / 100
    worked_out = {"b1": clicks, "b2": orders, "b3": orders * spend / budget}
    for blank, key in KEYS["keys"]["p03"]["blanks"].items():
        assert {Decimal(text) for text in key["accepted"]} == {worked_out[blank]}


def test_the_materials_tell_the_same_story_as_the_items():
    week, goods, words = sheet_rows("近七日数据"), sheet_rows("商品"), sheet_rows("关键词")
    sold = sum(day["支付买家数"] for day in week)
    taken = sum(day["支付金额（元）"] for day in week)
    assert (sold, taken) == (306, 306 * 60)
    assert sum(one["近七日销量（个）"] for one in goods) == sold
    assert sum(one["近七日销量（个）"] * one["售价（元）"] for one in goods) == taken
    assert sum(one["近七日销量（个）"] * one["成本（元）"] for one in goods) == 306 * 28
    assert sum(day["推广花费（元）"] for day in week) == sum(one["花费（元）"] for one in words) == 1539.5
    in_stem = [cells for row, cells in rows_of("p01").items() if row != "total"]
    assert [one["关键词"] for one in words] == [cells["word"]["text"] for cells in in_stem]
    for column, title in (("shown", "展现量"), ("clicks", "点击量"), ("cost", "花费（元）"), ("sales", "成交额（元）")):
        assert [Decimal(one[title]) for one in words] == [Decimal(cells[column]["text"]) for cells in in_stem]


def test_the_chart_shows_the_visitors_of_the_materials():
    with (
        zipfile.ZipFile(io.BytesIO(practical_archive())) as archive,
        archive.open("assets/week.png") as picture,
    ):
        assert picture.read(8) == b"\x89PNG\r\n\x1a\n"
    bars = practical_source()["materials"]["week.png"]["bars"]
    assert bars == [day["访客数"] for day in sheet_rows("近七日数据")]


def test_bodies_are_as_sanitising_leaves_them():
    for item in ITEMS.values():
        assert (
            nh3.clean(
                item["body"],
                tags={"p", "ol", "ul", "li", "span", "img"},
                attributes={"span": {"data-blank"}, "img": {"src", "alt", "width", "height"}},
                url_schemes={"asset"},
            )
            == item["body"]
        )


def test_every_asset_is_used_and_every_use_is_an_asset():
    used = set(re.findall(r"asset:([\w.]+)", json.dumps(PAPER))) | {
        material["asset"] for item in ITEMS.values() for material in item.get("materials", ())
    }
    assert used == set(PAPER["assets"]) == set(ASSETS)


def test_no_key_stands_in_the_paper():
    text = json.dumps(PAPER, ensure_ascii=False)
    for word in ("accepted", "tolerance", "guide", "评分要点", '"answer"', "28467.50", "5301.00"):
        assert word not in text


def test_the_archive_is_the_same_bytes_each_time():
    assert practical_archive() == practical_archive()
