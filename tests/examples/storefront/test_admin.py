from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib import admin
from django.urls import reverse

from examples.storefront import services
from examples.storefront.models import Customer, Download, File, Order, Product
from subscriptions.admin.row_actions import WithRowActions
from tests.examples.storefront.conftest import Shop
from tests.support.desk import sign_in
from tests.support.factories import make_member, make_user

Read = Callable[[], list[Any]]
MODELS = [Customer, Download, File, Order, Product]
ROLES = ("owner", "developer", "viewer")


def url_of(model: Any, page: str, *args: Any) -> str:
    return reverse(f"admin:storefront_{model._meta.model_name}_{page}", args=args)


@pytest.fixture
def rows(shop: Shop) -> dict[Any, Any]:
    """A row of each model of the shop, and as many of another's."""
    order = shop.order(financial_status="paid")
    [link] = services.fulfill_order(order=order)
    return {Customer: shop.customer, Download: link, File: shop.file, Order: order, Product: shop.product}


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("model", MODELS)
def test_a_merchants_people_see_its_rows_and_others_none(
    model: Any, role: str, shop: Shop, other_shop: Shop, rows: dict[Any, Any]
) -> None:
    browser = sign_in(make_member(shop.merchant, role))
    answer = browser.get(url_of(model, "changelist"))
    assert list(answer.context["cl"].result_list) == [rows[model]]
    assert browser.get(url_of(model, "change", rows[model].pk)).status_code == 200

    stranger = sign_in(make_member(other_shop.merchant, role))
    assert rows[model] not in list(stranger.get(url_of(model, "changelist")).context["cl"].result_list)
    for page in ("change", "delete", "history"):
        assert stranger.get(url_of(model, page, rows[model].pk)).status_code == 404
    assert stranger.post(url_of(model, "change", rows[model].pk), {}).status_code == 404
    assert sign_in(make_user()).get(url_of(model, "changelist")).status_code == 403


def test_a_viewer_changes_nothing(shop: Shop, rows: dict[Any, Any], told: Read) -> None:
    told()
    browser = sign_in(make_member(shop.merchant, "viewer"))
    for model in MODELS:
        assert browser.get(url_of(model, "add")).status_code == 403
        assert browser.post(url_of(model, "delete", rows[model].pk), {"post": "yes"}).status_code == 403
        page = admin.site._registry[model]
        for each in type(page).all_row_actions() if isinstance(page, WithRowActions) else []:
            assert browser.post(url_of(model, each.name, rows[model].pk)).status_code == 403
    assert told() == []


def test_a_file_is_added_changed_and_deleted_at_the_desk_and_told(shop: Shop, told: Read) -> None:
    browser = sign_in(make_member(shop.merchant, "developer"))
    values = {
        "merchant": shop.merchant.pk,
        "filename": "two.pdf",
        "size": 7,
        "tags": "course, new",
        "products": [shop.product.pk],
    }
    answer = browser.post(url_of(File, "add"), values)
    assert answer.status_code == 302, answer.context["adminform"].form.errors
    file = File.objects.get(filename="two.pdf")
    assert file.tags == ["course", "new"]
    assert [event.name for event in told()] == ["file.uploaded", "file.mapped"]

    page = browser.get(url_of(File, "change", file.pk)).content.decode()
    assert 'value="course, new"' in page
    browser.post(url_of(File, "change", file.pk), values)
    assert told() == []
    browser.post(url_of(File, "change", file.pk), {**values, "tags": "course"})
    [event] = told()
    assert event.data["file"]["changed"] == ["tags"]
    browser.post(url_of(File, "delete", file.pk), {"post": "yes"})
    assert [event.name for event in told()] == ["file.deleted"]


def test_a_file_form_refuses_what_is_another_merchants(shop: Shop, other_shop: Shop) -> None:
    person = make_member(shop.merchant, "developer")
    other_shop.merchant.memberships.create(user=person, role="developer")
    browser = sign_in(person)
    values = {"merchant": shop.merchant.pk, "filename": "x", "size": 1, "products": [other_shop.product.pk]}
    form = browser.post(url_of(File, "add"), values).context["adminform"].form
    assert list(form.errors) == ["products"]
    form = browser.post(url_of(File, "change", shop.file.pk), values).context["adminform"].form
    assert list(form.errors) == ["products"]
    assert not File.objects.filter(filename="x").exists()


def test_an_order_takes_its_steps_at_the_desk(shop: Shop, told: Read) -> None:
    order = shop.order()
    told()
    browser = sign_in(make_member(shop.merchant, "developer", username="anna@shop.example"))
    steps = [
        ("pay", ["order.paid", "customer.first_purchase"]),
        ("approve", ["order.approved"]),
        ("fulfill", ["download.created", "order.fulfilled"]),
        ("refund", ["order.refunded", "download.revoked"]),
    ]
    for step, events in steps:
        page = browser.get(url_of(Order, "change", order.pk)).content.decode()
        assert url_of(Order, step, order.pk) in page
        assert browser.post(url_of(Order, step, order.pk)).status_code == 302
        assert [event.name for event in told()] == events
    assert Download.objects.get().revoked_by == "anna@shop.example"
    page = browser.get(url_of(Order, "change", order.pk)).content.decode()
    assert "Complete Course Bundle" in page
    assert url_of(Order, "pay", order.pk) not in page


def test_an_order_is_rejected_and_a_link_revoked_at_the_desk(shop: Shop, rows: dict[Any, Any], told: Read) -> None:
    told()
    browser = sign_in(make_member(shop.merchant, "owner"))
    browser.post(url_of(Order, "reject", rows[Order].pk))
    browser.post(url_of(Download, "revoke", rows[Download].pk))
    assert [event.name for event in told()] == ["order.rejected", "download.revoked"]
    assert "revoked" in browser.get(url_of(Download, "changelist")).content.decode()
