"""Mappings: what a row of each known data set becomes, what is left out, and what is wrong with a mapping file."""

import gzip
from collections import Counter
from pathlib import Path
from typing import Any

import orjson
import pytest

from segments.definitions.errors import DefinitionErrors
from segments.events import EventDecoder
from segments.mapping import (
    EventMapping,
    MappingError,
    load_mapping,
    ordered,
    parse_mapping,
    read_events,
    shipped_mappings,
)

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"


def events_of(path: Path, mapping: str | None, skipped: Counter[str] | None = None) -> list[dict[str, Any]]:
    return [orjson.loads(event) for event in read_events(path, mapping, skipped)]


def csv_file(folder: Path, *lines: str) -> Path:
    path = folder / "rows.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


GOLDEN = [
    (
        "retailrocket",
        ["timestamp,visitorid,event,itemid,transactionid", "1433221332117,257597,view,355908,"],
        "257597", "2015-06-02T05:02:12.117Z", "Product Viewed", {"product_id": "355908"},
    ),
    (
        "retailrocket",
        ["timestamp,visitorid,event,itemid,transactionid", "1433222276276,599528,transaction,356475,4000"],
        "599528", "2015-06-02T05:17:56.276Z", "Order Completed", {"product_id": "356475", "order_id": "4000"},
    ),
    (
        "retailrocket",
        ["timestamp,visitorid,event,itemid,transactionid", "1433222276276,7,addtocart,9,"],
        "7", "2015-06-02T05:17:56.276Z", "Product Added", {"product_id": "9"},
    ),
    (
        "rees46",
        [
            "event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session",
            "2019-10-02 00:00:09 UTC,remove_from_cart,11,22,shoes.boots,acme,12.50,33,s-1",
        ],
        "33", "2019-10-02T00:00:09.000Z", "Product Removed",
        {"product_id": "11", "category": "shoes.boots", "category_id": "22", "brand": "acme", "price": 12.5,
         "session_id": "s-1"},
    ),
    (
        "rees46",
        [
            "event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session",
            "2019-10-02 00:00:09 UTC,purchase,11,22,,,3,33,s-1",
        ],
        "33", "2019-10-02T00:00:09.000Z", "Order Completed",
        {"product_id": "11", "category_id": "22", "price": 3.0, "total": 3.0, "session_id": "s-1"},
    ),
    (
        "taobao",
        ["user_id,item_id,category_id,behavior,ts", "5,600,70,fav,1511544070"],
        "5", "2017-11-24T17:21:10.000Z", "Product Added to Wishlist", {"product_id": "600", "category": "70"},
    ),
    (
        "taobao",
        ["5,600,70,buy,1511544070"],
        "5", "2017-11-24T17:21:10.000Z", "Order Completed", {"product_id": "600", "category": "70"},
    ),
    (
        "completejourney",
        [
            "household_id,basket_id,product_id,quantity,sales_value,retail_disc,coupon_disc,transaction_timestamp",
            "2261,31625220889,940996,1.0,3.86,0.43,0.0,2017-01-28 19:06:53",
        ],
        "2261", "2017-01-29T00:06:53.000Z", "Order Completed",
        {"order_id": "31625220889", "product_id": "940996", "quantity": 1.0, "total": 3.86,
         "discount": 0.43, "coupon": 0.0},
    ),
    (
        "online_retail",
        [
            "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country",
            '900001,A1,"MUG, BLUE",2.0,2011-06-01 09:30:00,1.25,42,France',
            "900001,B2,TRAY,1.0,2011-06-01 09:31:00,10.1,42,France",
        ],
        "42", "2011-06-01T08:30:00.000Z", "Order Completed",
        {"order_id": "900001", "total": 12.6, "products": [
            {"product_id": "A1", "name": "MUG, BLUE", "quantity": 2, "price": 1.25},
            {"product_id": "B2", "name": "TRAY", "quantity": 1, "price": 10.1},
        ]},
    ),
    (
        "online_retail",
        [
            "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country",
            "C900002,A1,MUG,-2.0,2011-01-05 09:30:00,1.25,42,France",
        ],
        "42", "2011-01-05T09:30:00.000Z", "Order Refunded",
        {"order_id": "C900002", "total": -2.5, "products": [
            {"product_id": "A1", "name": "MUG", "quantity": -2, "price": 1.25}]},
    ),
]  # fmt: skip


@pytest.mark.parametrize(("mapping", "lines", "user", "time", "name", "properties"), GOLDEN)
def test_golden_rows(
    tmp_path: Path, mapping: str, lines: list[str], user: str, time: str, name: str, properties: dict[str, Any]
) -> None:
    skipped = Counter[str]()
    events = events_of(csv_file(tmp_path, *lines), mapping, skipped)
    assert len(events) == 1
    assert not skipped
    event = events[0]
    assert (event["type"], event["userId"], event["timestamp"], event["event"]) == ("track", user, time, name)
    assert event["properties"] == properties
    assert event["context"]["library"] == {"name": mapping}


def test_every_shipped_mapping_has_a_golden_row_and_a_description() -> None:
    assert {case[0] for case in GOLDEN} == set(shipped_mappings())
    assert all(load_mapping(name).description for name in shipped_mappings())


def test_context_takes_columns(tmp_path: Path) -> None:
    rows = GOLDEN[-1][1]
    assert events_of(csv_file(tmp_path, *rows), "online_retail")[0]["context"]["location"] == {"country": "France"}


def test_message_ids_are_repeatable_and_differ_for_equal_rows(tmp_path: Path) -> None:
    path = csv_file(tmp_path, "user_id,item_id,category_id,behavior,ts", *["5,600,70,pv,1511544070"] * 3)
    first = [event["messageId"] for event in events_of(path, "taobao")]
    assert len(set(first)) == 3
    assert first == [event["messageId"] for event in events_of(path, "taobao")]


def test_rows_left_out_are_counted_by_reason(tmp_path: Path) -> None:
    path = csv_file(
        tmp_path,
        "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country",
        "1,A,X,1.0,2011-01-05 09:30:00,1.0,,France",
        "1,B,X,1.0,2011-01-05 09:30:00,1.0,,France",
        "A2,B,Adjust bad debt,1.0,2011-01-05 09:30:00,1.0,7,France",
        "3,B,X,1.0,05.01.2011,1.0,7,France",
        "4,B,X,1.5,2011-01-05 09:30:00,1.0,7,France",
        "5,B,X,1,2011-01-05 09:30:00,free,7,France",
        "6",
    )
    skipped = Counter[str]()
    assert events_of(path, "online_retail", skipped) == []
    assert skipped == {
        "no user": 3,
        "event left out by the mapping (A*)": 1,
        "unreadable time": 1,
        "Quantity is no integer": 1,
        "UnitPrice is no number": 1,
    }


def test_unknown_events_are_counted(tmp_path: Path) -> None:
    skipped = Counter[str]()
    path = csv_file(tmp_path, "user_id,item_id,category_id,behavior,ts", "5,6,7,look,1511544070", "5,6,7,,1511544070")
    assert events_of(path, "taobao", skipped) == []
    assert skipped == {"unknown event": 1, "no event": 1}


def test_json_records_and_gzip(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl.gz"
    with gzip.open(path, "wb") as file:
        file.write(b'{"user_id": 5, "item_id": 6, "category_id": 7, "behavior": "cart", "ts": 1511544070}\n[]\n{\n')
    skipped = Counter[str]()
    assert [event["event"] for event in events_of(path, "taobao", skipped)] == ["Product Added"]
    assert skipped == {"no JSON object": 2}


def test_events_pass_unchanged_without_a_mapping(tmp_path: Path) -> None:
    path = tmp_path / "events.ndjson"
    path.write_bytes(b'{"a": 1}\r\n\nnot json\n')
    assert list(read_events(path)) == [b'{"a": 1}', b"not json"]


def test_ordered_sorts_by_time_and_keeps_ties_and_unreadable_in_place(tmp_path: Path) -> None:
    def event(name: str, time: int) -> bytes:
        return b'{"type":"track","event":"%b","userId":"u","timestamp":%d}' % (name.encode(), time)

    later, earlier = tmp_path / "b.ndjson", tmp_path / "a.ndjson"
    later.write_bytes(b"\n".join([event("x", 1_511_544_070_000), b"broken", event("y", 1_511_544_070_000)]))
    earlier.write_bytes(event("z", 1_511_544_069_999))
    names = [line if line == b"broken" else orjson.loads(line)["event"] for line in ordered(later, earlier)]
    assert names == ["z", "x", b"broken", "y"]


def test_mistakes_in_a_mapping_are_all_named_with_their_lines() -> None:
    text = "user: a\ntime: {colum: t, format: soon, zone: Mars/Base}\nevent: {column: e, names: {}}\npropertys: {}\n"
    with pytest.raises(DefinitionErrors) as caught:
        parse_mapping(text, "my.yaml")
    message = str(caught.value)
    assert "my.yaml:2: time.colum: unknown field (did you mean 'column'?)" in message
    assert "my.yaml:2: time.format: 'soon' is none of epoch_ms" in message
    assert "my.yaml:2: time.zone: 'Mars/Base' is no time zone" in message
    assert "my.yaml:3: event.names:" in message
    assert "my.yaml:4: propertys: unknown field (did you mean 'properties'?)" in message


@pytest.mark.parametrize(
    ("name", "mapping", "says"),
    [
        ("rows.csv", "taobaoo", "did you mean taobao"),
        ("rows.csv", None, "needs a mapping"),
        ("rows.parquet", "taobao", ".csv[.gz]"),
        ("rows.csv", "rees46", "has no column user_id, event_time, event_type; its columns are a, b"),
    ],
)
def test_files_that_do_not_fit_say_why(tmp_path: Path, name: str, mapping: str | None, says: str) -> None:
    path = tmp_path / name
    path.write_text("a,b\n1,2\n", encoding="utf-8")
    with pytest.raises(MappingError) as caught:
        list(read_events(path, mapping))
    assert says in str(caught.value)


def test_time_formats() -> None:
    def time_of(value: str, spec: str) -> str:
        model = parse_mapping(f"user: u\ntime: {spec}\nevent: {{column: e, names: {{x: X}}}}\n")
        events = list(EventMapping(model).events([{"u": "1", "e": "x", "t": value}], Counter()))
        return str(orjson.loads(events[0])["timestamp"])

    assert time_of("2026-03-29 01:30:00", "{column: t, format: iso, zone: Europe/London}") == "2026-03-29T01:30:00.000Z"
    assert time_of("2026-07-01T12:00:00+02:00", "{column: t, format: iso}") == "2026-07-01T10:00:00.000Z"
    assert time_of("1511544070.25", "{column: t, format: epoch_s}") == "2017-11-24T17:21:10.250Z"
    assert time_of("01/02/2026 03:04", '{column: t, format: "%d/%m/%Y %H:%M"}') == "2026-02-01T03:04:00.000Z"


REAL = [
    (
        "taobao_users/UserBehavior.csv.gz", "taobao",
        {"Product Viewed": 75_872, "Product Added": 4_497,
         "Order Completed": 1_750, "Product Added to Wishlist": 2_356},
        {},
    ),
    (
        "rees46_2019oct_slice/2019-Oct_first17k.csv.gz", "rees46",
        {"Product Viewed": 17_055, "Product Added": 165, "Order Completed": 214},
        {},
    ),
    pytest.param(
        "completejourney_sample/transactions_sample.csv.gz", "completejourney", {"Order Completed": 75_000}, {},
        marks=pytest.mark.slow,
    ),
    pytest.param(
        "online_retail/online_retail.csv.gz", "online_retail",
        {"Order Completed": 18_537, "Order Refunded": 3_654},
        {"no user": 135_080},
        marks=pytest.mark.slow,
    ),
]  # fmt: skip


@pytest.mark.parametrize(("file", "mapping", "names", "left_out"), REAL)
def test_real_files(file: str, mapping: str, names: dict[str, int], left_out: dict[str, int]) -> None:
    if not (DATA / file).exists():
        pytest.skip(f"the data set {file} is not beside this checkout")
    skipped = Counter[str]()
    decode = EventDecoder().decode
    events = [decode(event) for event in read_events(DATA / file, mapping, skipped)]
    assert Counter(event.name for event in events) == names
    assert skipped == left_out
    assert len({event.message_id for event in events}) == len(events)
