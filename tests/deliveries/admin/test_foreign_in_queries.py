"""What an address asks about another merchant's row is answered as for one that isn't there."""

from __future__ import annotations

import re

import pytest
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse, reverse_lazy

from deliveries.models import Job
from tests.support.desk import Shop, make_shop

pytestmark = pytest.mark.django_db

MISSING = 987654321
PAGES = [reverse_lazy(f"admin:webhooks_{page}_changelist") for page in (
    "deliveries_delivery", "deliveries_deadletter", "deliveries_event", "deliveries_attempt", "subscriptions_webhook",
)]  # fmt: skip


@pytest.fixture
def borage() -> Shop:
    return make_shop("borage")


def told(answer: HttpResponse, key: int) -> tuple[int, str, str]:
    """Return what an answer tells, without the key that was asked for, tokens and tickets."""
    text = re.sub(r'csrfmiddlewaretoken" value="\w+"|"?ticket"?[^,>]+', "", answer.content.decode())
    return answer.status_code, answer.headers.get("Location", ""), re.sub(rf"(?<![\w-]){key}\b", "KEY", text)


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize("what", ["replay", "discard"])
@pytest.mark.parametrize("more", [{}, {"error": "http_error"}, {"all": "1", "note": "x"}], ids=str)
def test_a_bulk_of_a_foreign_webhook_is_no_bulk(
    method: str, what: str, more: dict[str, str], shop: Shop, borage: Shop, browser: Client
) -> None:
    page, jobs = reverse("admin:webhooks_deliveries_deadletter_all", args=[what]), Job.objects.count()
    foreign, missing = (
        getattr(browser, method)(page, {"webhook": key, **more}) for key in (borage.webhook.pk, MISSING)
    )
    assert foreign.status_code == 404
    assert told(foreign, borage.webhook.pk) == told(missing, MISSING)
    assert Job.objects.count() == jobs


def asked(browser: Client, path: str) -> list[str]:
    """Return the parameters that a list's filters take."""
    answer = browser.get(path)
    if answer.status_code != 200 or "cl" not in (answer.context or {}):
        return []
    specs = answer.context["cl"].filter_specs
    return sorted({name for spec in specs for name in (spec.expected_parameters() or ())})


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_no_filter_of_a_list_tells_a_foreign_row_from_a_missing_one(
    page: str, shop: Shop, borage: Shop, browser: Client
) -> None:
    names = [name for name in asked(browser, page) if "webhook" in name or "merchant" in name]
    for name in names:
        key = (borage.merchant if "merchant" in name else borage.webhook).pk
        foreign, missing = (browser.get(page, {name: each}) for each in (key, MISSING))
        assert told(foreign, key) == told(missing, MISSING), name
