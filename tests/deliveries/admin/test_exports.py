"""The log as a file: what is filtered, up to a bound, harmless in a spreadsheet."""

from __future__ import annotations

import csv
import io
import json
import random
import re
import unicodedata
from typing import Any

import pytest
from django.test import Client

from deliveries.admin import exports
from deliveries.models import Delivery
from tests.support.desk import Shop, add_delivery, make_shop

pytestmark = pytest.mark.django_db

LOG = "/admin/webhooks_deliveries/delivery/"


def test_the_export_streams_what_is_filtered(shop: Shop, browser: Client) -> None:
    add_delivery(shop.webhook)
    make_shop("borage")
    answer = browser.get(f"{LOG}export/csv/?outcome=failed")
    assert answer.streaming
    found = list(csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode())))
    assert [row["id"] for row in found] == [shop.delivery.public_id]
    assert found[0]["event_type"] == "order.created"
    records = json.loads(b"".join(browser.get(f"{LOG}export/json/?all=true").streaming_content))
    assert {record["id"] for record in records} == set(
        Delivery.objects.filter(merchant=shop.merchant).values_list("public_id", flat=True)
    )


@pytest.mark.parametrize(("rows", "is_cut"), [(3, True), (4, False), (5, False)])
def test_an_export_is_cut_at_its_bound_and_says_so(
    rows: int, is_cut: bool, shop: Shop, browser: Client, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    monkeypatch.setattr(exports, "ROWS_A_FETCH", 2)
    settings.WEBHOOKS_EXPORT_ROWS_MAX = rows
    for _ in range(3):
        add_delivery(shop.webhook)
    found = list(
        csv.DictReader(io.StringIO(b"".join(browser.get(f"{LOG}export/csv/?all=true").streaming_content).decode()))
    )
    newest = list(Delivery.objects.order_by("-pk").values_list("public_id", flat=True))
    assert [row["id"] for row in found if row["id"]] == newest[:rows]
    assert [row["created_at"] for row in found if not row["id"]] == ([exports.CUT.format(most=3)] if is_cut else [])


def test_an_empty_export_is_valid_json(browser: Client) -> None:
    assert json.loads(b"".join(browser.get(f"{LOG}export/json/?outcome=cancelled").streaming_content)) == []


UNSEEN = [letter for letter in map(chr, range(1, 0x10000)) if unicodedata.category(letter)[0] in "ZC"]
UNSEEN = [letter for letter in UNSEEN if unicodedata.category(letter) != "Cs"]  # no text that is stored has surrogates
STARTS = "=+-@\uff1d\uff0b\uff0d\uff20\ufe66\ufe62\ufe63\ufe6b"


def cells_of(browser: Client) -> list[dict[str, str]]:
    text = b"".join(browser.get(f"{LOG}export/csv/?all=true").streaming_content).decode()
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_a_cell_that_a_spreadsheet_would_run_is_disarmed(shop: Shop, browser: Client) -> None:
    draw = random.Random(5)
    some = ["\t", "\r", "\n", " ", "\u00a0", "\u3000", "\u200b", "\ufeff", "\u202e", "\x01", "\x7f"]
    prefixes = ["", *some, *("".join(draw.choices([*some, *UNSEEN], k=draw.randint(1, 6))) for _ in range(30))]
    for prefix in prefixes:
        for start in STARTS:
            Delivery.objects.filter(pk=shop.delivery.pk).update(last_error=f"{prefix}{start}cmd|'/C calc'!A0")
            before, cut, after = re.fullmatch(r"(?s)(.*?)(?:([;\t\r\n])([^;\t\r\n]*))?", prefix).groups("")
            told = f"'{before}{cut}{chr(39) if cut else ''}{after}{start}cmd|'/C calc'!A0"
            assert cells_of(browser)[0]["error"] == told, ascii(prefix + start)


@pytest.mark.parametrize("separator", [";", "\t", "\r", "\n"])
@pytest.mark.parametrize("before", ["", " ", '"', ' "\u200b'])
def test_no_piece_of_a_cell_is_run_where_lists_are_written_with_semicolons(
    separator: str, before: str, shop: Shop, browser: Client
) -> None:
    value = f"a{separator}{before}=cmd|' /C calc'!A0{separator}b"
    Delivery.objects.filter(pk=shop.delivery.pk).update(last_error=value)
    assert cells_of(browser)[0]["error"] == f"a{separator}'{before}=cmd|' /C calc'!A0{separator}b"


def test_what_a_program_may_take_for_a_separator_is_quoted(shop: Shop, browser: Client) -> None:
    Delivery.objects.filter(pk=shop.delivery.pk).update(last_error="gone; try later")
    text = b"".join(browser.get(f"{LOG}export/csv/?all=true").streaming_content).decode()
    assert ',"gone; try later",' in text


@pytest.mark.parametrize("column", ["event_type", "last_error"])
def test_no_column_of_text_is_left_out(column: str, shop: Shop, browser: Client) -> None:
    Delivery.objects.filter(pk=shop.delivery.pk).update(**{column: " =1+1"})
    assert "' =1+1" in cells_of(browser)[0].values()


@pytest.mark.parametrize(
    "text", ["timed out", " a = b", "https://a.example/?b=-1", "\u200btext", "\u2010 dash", "a;b", 'a, "b"', ""]
)
def test_other_text_is_exported_as_it_is(text: str, shop: Shop, browser: Client) -> None:
    Delivery.objects.filter(pk=shop.delivery.pk).update(last_error=text)
    assert cells_of(browser)[0]["error"] == text


def test_an_unknown_export_is_not_found(browser: Client) -> None:
    assert browser.get(f"{LOG}export/xml/").status_code == 404
