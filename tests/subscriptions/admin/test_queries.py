"""Lists of the admin answer declared filters only: an address is no way to ask the database anything else."""

from __future__ import annotations

from html import unescape
from typing import Any

import pytest
from django.contrib import admin
from django.urls import reverse

from deliveries.models import Delivery
from subscriptions.admin.scoping import MerchantScoped, filter_names
from tests.support.desk import Shop, make_row, make_shop, sign_in
from tests.support.factories import make_user

pytestmark = pytest.mark.django_db

MODELS = sorted(admin.site._registry, key=lambda model: model._meta.label)
LOOKUPS = ("exact", "in", "startswith", "regex", "isnull", "nonsense")
HOSTILE = (
    "\x00", "a\x00b", "9" * 17, "9" * 19, "9" * 300, "-1", "1e9", "٣", "NaN", "None", "true", "[]", "{}", "0001-01-01",
    "9999-12-31", "0000-00-00", "2024-02-30", "10000-01-01", "99:99", "\ud7ff", "%", "\\", "'", '"', "(" * 200, ",",
    "\u202e", "x" * 5000,
)  # fmt: skip
COMMON = ("q", "o", "p", "all", "e", "_popup", "_to_field", "_facets", "after", "before", "_changelist_filters")


@pytest.fixture
def shop() -> Shop:
    shop = make_shop("aster")
    for model in MODELS:
        if admin.site._registry[model].merchant_path is not None and not model.objects.exists():
            make_row(model, shop.merchant)
    return shop


def url_of(model: Any, page: str = "changelist") -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}")


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label)
def test_a_lookup_that_is_not_declared_is_refused_by_its_name(model: Any, shop: Shop) -> None:
    """10 of issue 13: `data__regex` held the database for 42 s, `token__startswith` read a token letter by letter."""
    browser = sign_in(make_user(is_superuser=True, is_staff=True))
    declared = filter_names(admin.site._registry[model])
    asked = [field.name for field in model._meta.get_fields()]
    asked += [f"{field.name}__{lookup}" for field in model._meta.get_fields() for lookup in LOOKUPS]
    asked += ["merchant__email__startswith", "webhook__secrets__value__regex", "pk", "nothing", "delivery__event__data"]
    for name in set(asked) - set(declared):
        answer = browser.get(url_of(model), {name: "a"})
        assert answer.status_code == 400, name
        assert f"no filter {name[:60]}" in unescape(answer.content.decode())


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label)
def test_no_value_of_a_declared_filter_is_an_error_of_ours(model: Any, shop: Shop) -> None:
    browser = sign_in(make_user(is_superuser=True, is_staff=True))
    declared, common = filter_names(admin.site._registry[model]), HOSTILE if model is Delivery else HOSTILE[:6]
    for name in (*declared, *COMMON):
        for value in HOSTILE if name in declared else common:
            answer = browser.get(url_of(model), {name: value}, follow=True)
            assert answer.status_code in {200, 400, 422}, (name, value)


def test_values_that_cant_be_read_are_told_on_every_list(shop: Shop) -> None:
    browser = sign_in(shop.people["viewer"])
    answer = browser.get("/admin/webhooks_deliveries/delivery/", {"event_type": "a\x00"})
    assert answer.status_code == 400
    assert "The value of event_type can't be read" in unescape(answer.content.decode())


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("/admin/webhooks_deliveries/delivery/?outcome=lost", "There is no outcome “lost”"),
        ("/admin/webhooks_deliveries/delivery/?webhook__id__exact=a", "There is no webhook “a”"),
        ("/admin/webhooks_deliveries/delivery/?created_at_from_0=yesterday", "“yesterday” is no time"),
        ("/admin/webhooks_subscriptions/webhook/?state=lost", "There is no state “lost”"),
        ("/admin/webhooks_deliveries/notice/?kind__exact=lost", "There is no kind “lost”"),
    ],
)
def test_a_value_that_makes_no_sense_shows_nothing_and_says_so(shop: Shop, address: str, told: str) -> None:
    answer = sign_in(shop.people["owner"]).get(address)
    assert answer.status_code == 422
    assert list(answer.context["cl"].result_list) == []
    assert told in unescape(answer.content.decode())


def test_the_export_refuses_what_the_list_refuses(shop: Shop) -> None:
    browser = sign_in(shop.people["viewer"])
    for query in (
        {"event__data__regex": "(a+)+$"},
        {"event_type": "a\x00"},
        {"webhook__secrets__value__startswith": "w"},
    ):
        answer = browser.get("/admin/webhooks_deliveries/delivery/export/csv/", query)
        assert answer.status_code == 400


def test_every_kind_of_filter_says_what_it_asks(shop: Shop) -> None:
    """A kind of filter that `filter_names` doesn't know can't come in unnoticed."""
    for model in MODELS:
        model_admin = admin.site._registry[model]
        assert isinstance(model_admin, MerchantScoped)
        assert len(filter_names(model_admin)) >= len(model_admin.list_filter)
