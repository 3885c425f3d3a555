"""Values of custom headers may be credentials of the merchant's server: only who may change them sees them."""

from __future__ import annotations

import json

import pytest

from deliveries.models import Delivery
from deliveries.publishing import publish
from subscriptions import services
from tests.support.api import Client
from tests.support.desk import add_attempt, sign_in
from tests.support.factories import make_member, make_merchant, make_webhook

pytestmark = pytest.mark.django_db

VALUE = "a-value-of-theirs"
NAMES = ["X-Shop", "Authorization", "X-Route", "x-webhookish"]


@pytest.fixture
def delivery() -> Delivery:
    webhook = make_webhook(make_merchant(), headers=dict.fromkeys(NAMES, VALUE))
    publish("order.created", {}, merchant=webhook.merchant)
    delivery = Delivery.objects.get()
    add_attempt(delivery, request_headers=json.dumps([["webhook-id", "evt_1"], *([name, VALUE] for name in NAMES)]))
    return delivery


@pytest.mark.parametrize("path", ["webhooks", "webhooks/{webhook}", "deliveries/{delivery}", "webhooks?fields=headers"])
@pytest.mark.parametrize(
    ("scopes", "sees"), [(["read"], False), (["read", "publish"], False), (["read", "manage"], True)], ids=str
)
def test_a_key_that_only_reads_sees_names(scopes: list[str], sees: bool, path: str, delivery: Delivery) -> None:
    api = Client(services.create_api_key(merchant=delivery.webhook.merchant, scopes=scopes).text)
    at = path.format(webhook=delivery.webhook.public_id, delivery=delivery.public_id)
    text = api.get(f"/api/v1/{at}").content.decode()
    assert (VALUE in text) == sees
    assert all(name in text for name in NAMES)
    assert path != "deliveries/{delivery}" or "evt_1" in text


@pytest.mark.parametrize(("role", "sees"), [("viewer", False), ("developer", True), ("owner", True)])
@pytest.mark.parametrize("page", ["delivery/{delivery}", "webhook/{webhook}"])
def test_so_do_viewers_in_the_admin(page: str, role: str, sees: bool, delivery: Delivery) -> None:
    browser = sign_in(make_member(delivery.webhook.merchant, role))
    app = "deliveries" if page.startswith("delivery") else "subscriptions"
    at = page.format(webhook=delivery.webhook_id, delivery=delivery.pk)
    assert (VALUE in browser.get(f"/admin/webhooks_{app}/{at}/change/").content.decode()) == sees
