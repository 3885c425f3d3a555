"""How many exports may be open at once, and when their places are free again."""

from __future__ import annotations

import gc
from typing import Any

import pytest
from django.test import Client

from deliveries.admin import open_exports
from tests.support.desk import Shop, make_shop, sign_in
from tests.support.factories import make_member

pytestmark = pytest.mark.django_db
PATH = "/admin/webhooks_deliveries/delivery/export/csv/?all=true"


@pytest.fixture(autouse=True)
def none_open() -> None:
    """Forget those that earlier tests left unread."""
    gc.collect()


def test_a_person_has_so_many_exports_open_and_no_more(shop: Shop, browser: Client) -> None:
    most = open_exports.OF_PERSON_MAX
    held = [browser.get(PATH) for _ in range(most)]
    refused = browser.get(PATH)
    assert (refused.status_code, refused["Retry-After"]) == (429, "30")
    assert f"{most} exports of yours are open already" in refused.content.decode()
    assert sign_in(make_member(shop.merchant)).get(PATH).status_code == 200
    assert {answer.status_code for answer in held} == {200}


@pytest.mark.parametrize("how", ["read whole", "dropped"])
def test_an_export_that_has_ended_leaves_its_place(how: str, browser: Client) -> None:
    for _ in range(open_exports.OF_PERSON_MAX + 1):
        answer: Any = browser.get(PATH)
        assert answer.status_code == 200
        if how == "read whole":
            assert b"".join(answer.streaming_content)
        else:
            del answer
            gc.collect()


def test_a_merchant_has_so_many_exports_open_whoever_asks_for_them(shop: Shop) -> None:
    people = [sign_in(make_member(shop.merchant)) for _ in range(open_exports.OF_MERCHANT_MAX + 1)]
    held = [person.get(PATH) for person in people]
    assert [answer.status_code for answer in held] == [200] * open_exports.OF_MERCHANT_MAX + [429]
    assert "of your merchant" in held[-1].content.decode()
    other = make_shop("borage")
    assert sign_in(make_member(other.merchant)).get(PATH).status_code == 200


def test_a_process_has_so_many_exports_open(shop: Shop, browser: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open_exports, "OPEN_MAX", 1)
    held = browser.get(PATH)
    assert held.status_code == 200
    other = sign_in(make_member(make_shop("borage").merchant))
    refused = other.get(PATH)
    assert refused.status_code == 429
    assert "exports are open already" in refused.content.decode()


def test_a_refused_export_takes_no_place(browser: Client) -> None:
    for _ in range(open_exports.OF_PERSON_MAX + 2):
        assert browser.get(PATH.replace("?all=true", "")).status_code == 422
    assert browser.get(PATH).status_code == 200
