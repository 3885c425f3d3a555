"""A form that was opened before somebody else's change undoes nothing: every change form of the admin."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib import admin
from django.test import Client

from subscriptions.models import Membership, Merchant, Webhook
from tests.support.desk import Shop, make_row, make_shop, sign_in
from tests.support.factories import make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def shop() -> Shop:
    return make_shop("aster")


def opened(browser: Client, address: str) -> dict[str, Any]:
    """What a browser would post of the page as it stands."""
    form = browser.get(address).context["adminform"].form
    values: dict[str, Any] = {"_opened_with": form.opened_with}
    for name in form.fields:
        value = form[name].initial
        if value is True:
            values[name] = "on"
        elif value not in (None, False, ""):
            values[name] = value
    return values


CASES = [
    (Webhook, {"is_enabled": False}, {"name": "mine"}),
    (Webhook, {"url": "https://theirs.example.com/"}, {"name": "mine"}),
    (Webhook, {"filter": "data.a"}, {"filter": "data.b"}),
    (Webhook, {"headers": {"X-Shop": "2"}}, {"name": "mine"}),
    (Webhook, {"name": "theirs"}, {"name": "mine"}),
    (Merchant, {"email": "theirs@mail.example"}, {"name": "mine"}),
    (Merchant, {"validate_events": True}, {"domain": "mine.example"}),
    (Membership, {"role": "viewer"}, {"role": "owner"}),
]


@pytest.mark.parametrize(("model", "theirs", "mine"), CASES, ids=str)
def test_a_stale_form_is_shown_what_changed_and_saved_when_sent_again(
    model: Any, theirs: dict[str, Any], mine: dict[str, Any], shop: Shop
) -> None:
    row = {Webhook: shop.webhook, Merchant: shop.merchant}.get(model) or shop.merchant.memberships.get(
        user=shop.people["developer"]
    )
    browser = sign_in(shop.people["owner"])
    address = f"/admin/webhooks_subscriptions/{model._meta.model_name}/{row.pk}/change/"
    values = opened(browser, address) | mine
    model.objects.filter(pk=row.pk).update(**theirs)
    before = model.objects.filter(pk=row.pk).values(*theirs, *mine).get()

    answer = browser.post(address, values)
    assert model.objects.filter(pk=row.pk).values(*theirs, *mine).get() == before
    page = answer.content.decode()
    assert "Somebody changed this after you opened the page" in page
    assert "Stored now" in page
    again = values | {"_opened_with": answer.context["adminform"].form.opened_with}
    assert browser.post(address, again).status_code == 302
    assert model.objects.filter(pk=row.pk, **mine).exists()


@pytest.mark.parametrize("noise", ["", "{", "[]", "null", '{"name": 5}', "\x00"])
def test_noise_in_the_hidden_field_is_no_error(noise: str, shop: Shop) -> None:
    browser = sign_in(shop.people["owner"])
    address = f"/admin/webhooks_subscriptions/merchant/{shop.merchant.pk}/change/"
    values = {"name": "Aster", "email": "ops@aster.example", "_opened_with": noise}
    assert browser.post(address, values).status_code in {200, 302}


CHANGEABLE = [model for model, each in admin.site._registry.items() if each.needs.get("change", "nobody") != "nobody"]


@pytest.mark.parametrize("model", CHANGEABLE, ids=lambda model: model._meta.label)
def test_every_change_form_carries_what_it_was_opened_with(model: Any, shop: Shop) -> None:
    row = model._default_manager.first() or make_row(model, shop.merchant)
    staff = sign_in(make_user(is_superuser=True))
    answer = staff.get(f"/admin/{model._meta.app_label}/{model._meta.model_name}/{row.pk}/change/")
    form = getattr((getattr(answer, "context", None) or {}).get("adminform"), "form", None)
    if answer.status_code != 200 or form is None or not form.fields:
        return  # a page of its own, without a form
    assert 'name="_opened_with"' in answer.content.decode()
