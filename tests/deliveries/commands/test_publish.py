"""`manage.py publish`: what it stores, and what it says about bad input."""

from __future__ import annotations

import io
import json
import sys

import pytest
from django.core.management import CommandError, call_command

from deliveries.models import Event
from subscriptions.catalogue import load_event_types
from subscriptions.models import EventType
from tests.support.factories import make_merchant, make_webhook

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def catalogue():
    load_event_types()


@pytest.fixture
def merchant():
    return make_merchant()


def run(*words: str) -> str:
    out = io.StringIO()
    call_command("publish", *words, stdout=out)
    return out.getvalue()


def test_without_data_the_catalogues_example_is_published(merchant):
    webhook = make_webhook(merchant, events=["order.*"])
    answer = json.loads(run("order.created", "--merchant", merchant.public_id, "--json"))
    event = Event.objects.get()
    assert answer == {"id": event.public_id, "event": "order.created", "deliveries": 1, "skipped": 0}
    assert event.data == EventType.objects.get(name="order.created").example
    assert event.deliveries.get().webhook == webhook


def test_data_come_from_a_file_and_keep_their_canonical_form(merchant, tmp_path):
    (tmp_path / "data.json").write_text('{ "total": 25.50, "name": "Zoë" }', encoding="utf-8")
    run("order.created", "--merchant", merchant.public_id, "--data", str(tmp_path / "data.json"))
    assert Event.objects.get().data == '{"total":25.5,"name":"Zoë"}'


def test_data_come_from_standard_input(merchant, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b'{"a":1}')))
    run("order.created", "--merchant", merchant.public_id, "--data", "-")
    assert Event.objects.get().data == '{"a":1}'


def test_an_id_given_twice_is_published_once_and_the_resource_is_kept(merchant):
    words = ("order.created", "--merchant", merchant.public_id, "--id", "order-1", "--resource-id", "1045")
    assert run(*words).startswith("order-1 order.created")
    assert run(*words).startswith("order-1 order.created")
    assert Event.objects.get().resource_id == "1045"


def test_it_says_when_nobody_listens(merchant):
    assert "No webhook of this merchant listens" in run("order.created", "--merchant", merchant.public_id)


def test_an_alias_publishes_the_event_by_its_name(merchant):
    run("order-created", "--merchant", merchant.public_id)
    assert Event.objects.get().type == "orders-created"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("order.creted",), r"event: No event is named 'order.creted'. Did you mean 'order.created'\?"),
        (("order.created", "--data", "/nowhere.json"), "--data /nowhere.json: No such file or directory"),
        (("order.created", "--id", "a b"), "id: An event's id holds"),
    ],
)
def test_bad_input_is_told_by_field_and_nothing_is_stored(merchant, words, told):
    with pytest.raises(CommandError, match=told):
        run(*words, "--merchant", merchant.public_id)
    assert not Event.objects.exists()


@pytest.mark.parametrize(
    ("content", "told"),
    [(b"[1]", "^data: "), (b'{"a":', "^data: "), (b'{"a":"\xff"}', "byte 6 is not UTF-8"), (b"", "^data: ")],
)
def test_a_file_that_is_no_object_is_refused(merchant, tmp_path, content, told):
    (tmp_path / "data.json").write_bytes(content)
    with pytest.raises(CommandError, match=told):
        run("order.created", "--merchant", merchant.public_id, "--data", str(tmp_path / "data.json"))
    assert not Event.objects.exists()


def test_an_unknown_merchant_is_told():
    with pytest.raises(CommandError, match="merchant: There is no merchant 'mch_none'"):
        run("order.created", "--merchant", "mch_none")
