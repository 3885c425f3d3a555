"""What a person reads on pages that hold little, are not there, or are not theirs."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape

import pytest
from django.conf import settings
from django.contrib.admin import site
from django.template.loader import get_template
from django.test import Client
from django.utils import timezone

from deliveries.models import Delivery, Notice, WebhookState
from deliveries.publishing import publish
from subscriptions import services
from subscriptions.admin.text_settings import wait_words
from subscriptions.models import ApiKey
from tests.support.desk import Shop, sign_in
from tests.support.factories import make_member, make_merchant

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner(shop: Shop) -> Client:
    return sign_in(shop.people["owner"])


@pytest.fixture
def newcomer() -> Client:
    return sign_in(make_member(make_merchant("borage"), "owner"))


def text(browser: Client, path: str) -> str:
    return browser.get(f"/admin/{path}").content.decode()


def test_an_empty_list_says_what_will_be_there(newcomer: Client) -> None:
    page = text(newcomer, "webhooks_deliveries/delivery/")
    assert "Each message we send, or try to send, to a webhook is listed here." in page
    assert "yielded" not in page


LISTS_WITH_A_HINT = re.findall(r'name == "(\w+)"', get_template("unfold/helpers/empty_results.html").template.source)


@pytest.mark.parametrize("name", LISTS_WITH_A_HINT)
def test_every_empty_list_says_what_will_be_there(name: str, newcomer: Client) -> None:
    [model] = [model for model in site._registry if model._meta.model_name == name]
    page = text(newcomer, f"{model._meta.app_label}/{name}/")
    assert re.search(r"<b>Nothing here yet\.</b></p>\s*<p>\w[^<]{20,}</p>", page)


def test_no_two_pages_have_one_name() -> None:
    groups = settings.UNFOLD["SIDEBAR"]["navigation"]
    names = [str(item["title"]) for group in groups for item in group["items"]]
    assert sorted(names) == sorted(set(names))


def test_a_search_that_finds_nothing_offers_the_way_back(owner: Client) -> None:
    page = text(owner, "webhooks_deliveries/delivery/?q=no-such-order")
    assert "Nothing matches." in page
    assert 'href="?">Show everything</a>' in page


def test_an_empty_queue_says_so_once_and_wears_no_badge(newcomer: Client) -> None:
    page = text(newcomer, "webhooks_deliveries/deadletter/")
    assert "Nothing waits for you" in page
    assert "Nothing here yet" not in page
    assert "desk-count" not in page


def test_a_page_that_is_not_there_leads_back_to_the_dashboard(owner: Client) -> None:
    answer = owner.get("/admin/webhooks_subscriptions/webhook/999999/change/")
    assert (answer.status_code, "There is nothing at this address" in answer.content.decode()) == (404, True)
    assert 'href="/admin/"' in answer.content.decode()


def test_a_page_above_ones_role_says_who_can_help(shop: Shop) -> None:
    answer = sign_in(shop.people["viewer"]).get("/admin/webhooks_subscriptions/webhook/add/")
    assert (answer.status_code, "Your role does not allow this" in answer.content.decode()) == (403, True)


@pytest.mark.parametrize(
    ("role", "shown", "hidden"),
    [
        ("viewer", "An owner of the merchant", "platform's staff"),
        ("developer", "An owner of the merchant", "platform's staff"),
        ("owner", "platform's staff", "An owner of the merchant"),
    ],
)
def test_an_owner_is_never_sent_to_an_owner(role: str, shown: str, hidden: str, shop: Shop) -> None:
    answer = sign_in(shop.people[role]).get("/admin/auth/user/")
    text = unescape(answer.content.decode())
    assert (answer.status_code, shown in text, hidden in text) == (403, True, False)


def test_a_notices_page_names_its_kind_in_words(shop: Shop, owner: Client) -> None:
    now = timezone.now()
    notice = Notice.objects.create(
        merchant=shop.merchant, webhook=shop.webhook, kind="recovered", first_at=now, last_at=now, due_at=now
    )
    page = text(owner, f"webhooks_deliveries/notice/{notice.pk}/change/")
    assert "Works now" in page
    assert "&#x27;recovered&#x27;" not in page
    assert "Its last attempt succeeded" in page


def test_a_notices_page_says_whether_it_still_fails_why_and_what_to_do(shop: Shop, owner: Client) -> None:
    now = timezone.now()
    WebhookState.objects.update_or_create(webhook=shop.webhook, defaults={"failures": 3})
    notice = Notice.objects.create(
        merchant=shop.merchant, webhook=shop.webhook, kind="failing", first_at=now, last_at=now, due_at=now
    )
    page = text(owner, f"webhooks_deliveries/notice/{notice.pk}/change/")
    assert "Still failing, 3 times in a row." in page
    assert "Your endpoint answered 503." in page
    assert "overloaded or in maintenance" in page


def test_a_keys_page_tells_what_it_was_named(shop: Shop, owner: Client) -> None:
    key = ApiKey.objects.create(merchant=shop.merchant, name="Label printer", prefix="ak_live_plain", digest="0" * 64)
    assert "Label printer" in text(owner, f"webhooks_subscriptions/apikey/{key.pk}/change/")


def test_a_rotated_secrets_page_tells_the_overlap_in_words(shop: Shop, owner: Client) -> None:
    answer = owner.post(f"/admin/webhooks_subscriptions/webhook/{shop.webhook.pk}/do/rotate/", follow=True)
    assert "goes on signing for at most 24 hours." in answer.content.decode()


def test_the_reason_somebody_gave_keeps_one_full_stop(shop: Shop) -> None:
    services.disable(webhook=shop.webhook, reason="We moved in May.")
    publish("order.created", {"order": {"id": "1"}}, merchant=shop.merchant)
    assert Delivery.objects.latest("pk").reason.endswith("We moved in May.")


@pytest.mark.parametrize(
    ("wait", "words"),
    [
        (timedelta(hours=24), "24 hours"),
        (timedelta(days=3), "3 days"),
        (timedelta(hours=1), "1 hour"),
        (timedelta(minutes=90), "90 minutes"),
        (timedelta(seconds=45), "45 seconds"),
    ],
)
def test_a_wait_is_told_in_its_largest_whole_unit(wait: timedelta, words: str) -> None:
    assert wait_words(wait) == words
