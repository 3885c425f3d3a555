"""Values that a filter of the admin doesn't know: 422 with the filter's name and its values, in lists, files, bulks."""

from __future__ import annotations

from html import unescape
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from deliveries.models import Job
from tests.support.desk import Shop

pytestmark = pytest.mark.django_db

LOG = "/admin/webhooks_deliveries/delivery/"
VALUES = [
    # list, filter, value, what is named of the filter's values
    *((LOG, "outcome", value, "failed, undelivered, open, pending") for value in ("lost", "Dead", "failed,dead", "*")),
    *((LOG, "within", value, "1h, 24h, 7d, 30d") for value in ("25h", "24", "1H", "1d")),
    *((LOG, "answer", value, "2, 3, 4, 5, none") for value in ("6", "500", "None", "2xx")),
    *((LOG, "error", value, "dns_failed") for value in ("timed out", "HTTP_ERROR", "http_error,internal", "none")),
    *((LOG, "event_type", value, "order.created") for value in ("order.craeted", "order.*", "Order.Created")),
    *((LOG, "created_at_from_0", value, "is no time") for value in ("yesterday", "2024-13-01", "1705332600")),
    *((LOG, "webhook__id__exact", value, "There is no webhook") for value in ("a", "-1", "1.5", "9" * 30)),
    ("/admin/webhooks_deliveries/attempt/", "result", "lost", "delivered, failed, interrupted"),
    ("/admin/webhooks_deliveries/attempt/", "error", "lost", "dns_failed"),
    ("/admin/webhooks_deliveries/deadletter/", "decision", "lost", "replayed, discarded, all"),
    ("/admin/webhooks_deliveries/deadletter/", "error", "lost", "dns_failed"),
    ("/admin/webhooks_deliveries/event/", "event_type", "lost", "order.created"),
    ("/admin/webhooks_deliveries/notice/", "kind__exact", "lost", "There are: "),
    ("/admin/webhooks_subscriptions/webhook/", "state", "lost", "active, failing, paused, off"),
    ("/admin/webhooks_subscriptions/eventtype/", "group", "lost", "order"),
]


@pytest.mark.parametrize(("address", "name", "value", "told"), VALUES)
def test_a_list_says_which_values_its_filter_has(
    browser: Client, address: str, name: str, value: str, told: str
) -> None:
    answer = browser.get(address, {name: value})
    page = unescape(answer.content.decode())
    assert answer.status_code == 422
    assert list(answer.context["cl"].result_list) == []
    assert told in page
    assert value[:60] in page


@pytest.mark.parametrize("kind", ["csv", "json"])
@pytest.mark.parametrize(("name", "value", "told"), [(*one, told) for where, *one, told in VALUES if where == LOG])
def test_an_export_is_refused_with_the_values_there_are(
    browser: Client, kind: str, name: str, value: str, told: str
) -> None:
    answer = browser.get(f"{LOG}export/{kind}/", {name: value})
    assert answer.status_code == 422
    assert answer.content.decode().startswith("Nothing was exported: ")
    assert told in answer.content.decode()


@pytest.mark.parametrize("what", ["replay", "discard"])
@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        *(("error", value, "There is no error") for value in ("lost", "HTTP_ERROR", "500", "*", "http_error,internal")),
        *(("status_code", value, "") for value in ("5xx", "99", "600", "-500", "500.5")),
        *(("webhook", value, "") for value in ("a", "0", "wbh_1", "1,2")),
        *(("until", value, "") for value in ("now", "-1")),
    ],
)
def test_a_bulk_decision_is_refused_by_the_fields_name(
    shop: Shop, browser: Client, what: str, name: str, value: str, told: str
) -> None:
    address = reverse("admin:webhooks_deliveries_deadletter_all", args=[what])
    sent: dict[str, Any] = {"note": "fixed", "all": "on", name: value}
    for answer in (browser.get(address, {name: value}), browser.post(address, sent)):
        assert answer.status_code == 422
        assert f"{name}: {told}" in unescape(answer.content.decode())
    assert not Job.objects.filter(by=shop.people["developer"].username).exists()
