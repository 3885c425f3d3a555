"""The search boxes of the admin's lists: words as they are written, in any case, and nothing special in them."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib import admin
from django.contrib.admin import ModelAdmin
from django.test import Client
from django.urls import reverse

from subscriptions.admin.scoping import MerchantScoped
from subscriptions.models import Webhook
from tests.support.desk import Shop, make_shop, sign_in
from tests.support.factories import make_webhook

pytestmark = pytest.mark.django_db

NAMES = [
    ('The "big" one', '"big"'),
    ('The "big" one', '"big" one'),
    ('12" pizza', '"'),
    ("it's the bakery's", "'"),
    ("it's the bakery's", "it's the"),
    ("C:\\New", "c:\\new"),
    ("back\\slash", "\\"),
    ("100% wool", "100%"),
    ("snake_case", "snake_c"),
    ("Äpfel & Birnen", "äPFEL"),
    ("Äpfel & Birnen", "birnen Äpfel"),
    ("東京 store", "東京"),
    ("a-'quoted'-word", "'quoted'"),
]


@pytest.fixture
def shop() -> Shop:
    return make_shop("aster")


@pytest.mark.parametrize(("name", "term"), NAMES)
def test_a_name_is_found_by_what_stands_in_it(name: str, term: str, shop: Shop) -> None:
    wanted = make_webhook(shop.merchant, name=name)
    make_webhook(shop.merchant, name="Another")

    page = sign_in(shop.people["developer"]).get("/admin/webhooks_subscriptions/webhook/", {"q": term})

    assert list(page.context["cl"].result_list) == [wanted]


def test_every_list_with_a_search_box_looks_for_quotes_as_they_are(shop: Shop, client: Client) -> None:
    boxes: list[tuple[Any, ModelAdmin[Any]]] = [
        (model, one) for model, one in admin.site._registry.items() if one.search_fields
    ]
    assert len(boxes) > 8
    root = shop.people["owner"]
    root.is_superuser = True
    root.save()
    browser = sign_in(root)
    for model, one in boxes:
        assert isinstance(one, MerchantScoped), model
        address = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
        for term in ("''", '"\u2026"', "'\"", "\\\\", "%%", "%_%"):
            found = list(browser.get(address, {"q": term}).context["cl"].result_list)
            assert found == [], (model, term)
    assert Webhook.objects.exists()
