"""Text search finds what people see on the page, in any case: in the log, the events, the API and bulk requests."""

from __future__ import annotations

import json
import unicodedata
from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client

from deliveries.models import Delivery
from deliveries.publishing import publish
from deliveries.review import selection, text_search
from tests.support import api as rest
from tests.support.desk import Shop
from tests.support.desk_fixtures import browser, shop
from tests.support.factories import make_api_key, make_webhook

__all__ = ["browser", "shop"]

pytestmark = pytest.mark.django_db

LOG = "/admin/webhooks_deliveries/delivery/"
EVENTS = "/admin/webhooks_deliveries/event/"

FAMILY = "\U0001f469\u200d\U0001f467"
"""An emoji of two that an invisible character joins."""
CASES = [
    # what the payload holds, what is looked for, what a payload must not hold to be found by it
    ('say "hi" there', 'say "hi"', "say hi"),
    ('say "hi" there', 'say \\"hi\\"', "say hi"),
    ('12" pizza', '12" pizza', "12 pizza"),
    ('"', '""', "'"),
    ("C:\\New\\table", "C:\\New", "C:/New"),
    ("C:\\New\\table", "C:\\\\New\\\\table", "C:/New/table"),
    ("back\\", "back\\", "back/"),
    ("line one\nline two", "one\nline", "one line"),
    ("line one\nline two", "one\\nline", "one line"),
    ("tab\there", "tab\there", "tab here"),
    ("carriage\r\nreturn", "carriage\r\nreturn", "carriage return"),
    ("bell\u0007rings", "bell\u0007rings", "bell rings"),
    ("100% wool", "100%", "1000 wool"),
    ("snake_case", "snake_case", "snake-case"),
    ("_%_", "_%_", "a1b"),
    ("Äpfel für Łódź", "äPFEL FÜR łódŹ", "Apfel fur Lodz"),
    ("ЖУРНАЛ", "журнал", "журна"),
    ("東京都", "東京", "京都"),
    ("Kaf\u0065\u0301", "kaf\u00e9", "kafe"),
    ("kaf\u00e9", "KAFE\u0301", "kafe"),
    (f"for the {FAMILY}", FAMILY, "\U0001f469\U0001f467"),
    ("49,99\u00a0€", "49,99\u00a0€", "49.99 €"),
    ("Order-XY", "oRDER-xy", "order xy"),
    ("<b>&amp;</b>", "<b>&amp;</b>", "<b>&</b>"),
    ("it's", "it's", "its"),
    ("😀", "😀", "😁"),
    ("a" * 300 + "b", "a" * 300 + "b", "a" * 300),
    ("x" * 250, "note\": \"" + "x" * 250, "x" * 249),
]  # fmt: skip


@pytest.fixture
def api(shop: Shop) -> rest.Client:
    shop.rows["rates"].delete()
    return rest.Client(make_api_key(shop.merchant).text)


def found_everywhere(term: str, shop: Shop, browser: Client, api: rest.Client) -> set[str]:
    """Return the ids of the deliveries that a search finds; every place must find the same."""
    query = urlencode({"search": term})
    answer = api.get(f"/api/v1/deliveries?{query}&limit=200")
    assert answer.status_code == 200, answer.content
    over_api = {row["id"] for row in answer.json()["results"]}
    assert {row.public_id for row in browser.get(LOG, {"q": term}).context["cl"].result_list} == over_api
    events = {row.pk for row in browser.get(EVENTS, {"q": term}).context["cl"].result_list}
    assert set(Delivery.objects.filter(event__in=events).values_list("pk", flat=True)) == {
        row.pk for row in Delivery.objects.all() if row.public_id in over_api
    }
    exported = json.loads(b"".join(browser.get(f"{LOG}export/json/", {"q": term}).streaming_content))
    assert {row["id"] for row in exported} == over_api
    chosen = {"search": term, "status": "undelivered"}
    counted = api.post("/api/v1/deliveries/replay", chosen | {"dry_run": True})
    assert counted.status_code == 200, counted.content
    selected = selection.rows(shop.merchant, "deliveries", chosen)
    assert {row.public_id for row in selected} == over_api
    return over_api


@pytest.mark.parametrize(("held", "term", "other"), CASES)
def test_text_of_a_payload_is_found_as_people_see_it(
    held: str, term: str, other: str, shop: Shop, browser: Client, api: rest.Client
) -> None:
    wanted = publish("order.created", {"note": held}, merchant=shop.merchant)
    publish("order.created", {"note": other}, merchant=shop.merchant)

    found = found_everywhere(term, shop, browser, api)

    assert found == {one.public_id for one in Delivery.objects.filter(event=wanted)}


@pytest.mark.parametrize(
    "term",
    [
        '"id": "1045"',
        '"total": 49.99',
        '"order": {\n    "id"',
        '{\n  "order": {\n    "id": "1045",\n    "total": 49.99',
        '{  "order": {    "id": "1045",',  # as an input takes what was copied: without its line breaks
        '1045",\n    "total"',
        '"tags": [\n      "new",\n      "to pack"\n    ]',
        '"rate": 1e-7',
        '"note": "say \\"hi\\", then: \\"go\\""',
        '"note": "say \\"hi\\", then:',
        'to pack"',
        "1E-7",
    ],
)
def test_what_is_copied_from_the_page_is_found(term: str, shop: Shop, browser: Client, api: rest.Client) -> None:
    data = {
        "order": {"id": "1045", "total": 49.99, "tags": ["new", "to pack"], "rate": 1e-7},
        "note": 'say "hi", then: "go"',
    }
    wanted = publish("order.created", data, merchant=shop.merchant)
    publish(
        "order.created",
        {"order": {"number": "1", "id": "10 45", "total": 49.98, "tags": ["new"]}},
        merchant=shop.merchant,
    )
    delivery = Delivery.objects.get(event=wanted)
    page = browser.get(f"{LOG}{delivery.pk}/row/").context["payload"]
    assert term.lower() in page.lower() or "  " in term

    assert found_everywhere(term, shop, browser, api) == {delivery.public_id}


def test_ids_are_taken_as_they_are_written_and_found_beside_texts_that_name_them(
    shop: Shop, browser: Client, api: rest.Client
) -> None:
    first = publish("order.created", {"n": 1}, merchant=shop.merchant, id="Event-A", resource_id="Order-7")
    naming = publish("order.created", {"about": "order-7", "of": "event-a"}, merchant=shop.merchant)
    own, other = (Delivery.objects.get(event=event).public_id for event in (first, naming))

    assert found_everywhere("Order-7", shop, browser, api) == {own, other}
    assert found_everywhere("order-7", shop, browser, api) == {other}
    assert found_everywhere("Event-A", shop, browser, api) == {own, other}


def test_a_delivery_is_found_by_its_id_and_by_the_start_of_its_webhooks_url(
    shop: Shop, browser: Client, api: rest.Client
) -> None:
    second = make_webhook(shop.merchant, url="https://elsewhere.example.com/Hooks")
    publish("order.created", {"n": 1}, merchant=shop.merchant)
    delivery = Delivery.objects.get(webhook=second)

    for term in (delivery.public_id, "https://elsewhere.example.com/", "HTTPS://Elsewhere.example.com/hooks"):
        rows: Any = browser.get(LOG, {"q": term}).context["cl"].result_list
        assert [row.public_id for row in rows] == [delivery.public_id], term
        answer = api.get(f"/api/v1/deliveries?{urlencode({'search': term})}").json()
        assert [row["id"] for row in answer["results"]] == [delivery.public_id], term


@pytest.mark.parametrize("text", ['a "b" c', "a: b", "a, b", "plain words", "\\", '\\"', "\n\n x", "ü"])
def test_a_terms_forms_are_few_and_the_plain_one_is_alone(text: str) -> None:
    forms = text_search.forms(text)

    assert len(forms) <= 12
    if text.isalnum() or text == "plain words":
        assert {unicodedata.normalize("NFC", form) for form in forms} == {text}
