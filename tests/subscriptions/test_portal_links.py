"""Portal links: opened once, in time, by whoever holds them; the session can do what its role can and no more."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.core.exceptions import ValidationError
from django.test import Client as Browser
from django.urls import reverse
from django.utils import timezone

from subscriptions import portal_sessions, services
from subscriptions.models import Membership, PortalLink
from subscriptions.services import portal
from tests.support.api import Client, attrs
from tests.support.desk import Shop, make_shop
from tests.support.desk_fixtures import shop
from tests.support.factories import make_api_key, make_merchant

__all__ = ["shop"]

pytestmark = pytest.mark.django_db

WEBHOOK = {"role": "developer", "person": "anna@shop.example"}


def ask(shop: Shop, **more: Any) -> Any:
    return Client(make_api_key(shop.merchant).text).post("/api/v1/portal-links", {**WEBHOOK, **more})


def opened(shop: Shop, **more: Any) -> Browser:
    browser = Browser()
    path = "/portal/" + ask(shop, **more).json()["url"].partition("/portal/")[2]
    assert browser.get(path).status_code == 302
    return browser


def session_of(browser: Browser) -> Any:
    """Return the session that a link opened."""
    return SessionStore(browser.cookies[portal_sessions.COOKIE].value)


def pause(browser: Browser, shop: Shop) -> int:
    return browser.post(f"/admin/webhooks_subscriptions/webhook/{shop.webhook.pk}/do/pause/").status_code


def test_a_link_signs_in_once_and_leads_where_it_was_asked_to(shop: Shop) -> None:
    answer = ask(shop, target="/admin/webhooks_deliveries/delivery/?outcome=failed")
    assert answer.status_code == 201
    path = "/portal/" + answer.json()["url"].partition("/portal/")[2]
    assert Browser().head(path).status_code == 405
    browser = Browser()
    assert browser.get(path)["Location"] == "/admin/webhooks_deliveries/delivery/?outcome=failed"
    assert browser.get("/admin/webhooks_deliveries/delivery/").status_code == 200
    assert Browser().get(path).status_code == Browser().post(path).status_code == 410


def test_a_link_is_good_for_ten_minutes(shop: Shop) -> None:
    made = services.create_portal_link(merchant=shop.merchant, **WEBHOOK)
    late = timezone.now() + timedelta(minutes=10, seconds=1)
    assert services.open_portal_link(made.token, now=late) is None
    PortalLink.objects.update(expires_at=timezone.now())
    assert services.open_portal_link(made.token) is None


@pytest.mark.parametrize("token", ["", "x", "\ud800", "a" * 5000])
def test_a_link_that_never_was_opens_nothing(token: str) -> None:
    assert services.open_portal_link(token) is None


def test_of_a_link_only_a_hash_is_kept(shop: Shop) -> None:
    made = services.create_portal_link(merchant=shop.merchant, **WEBHOOK)
    assert made.token not in str(list(PortalLink.objects.values_list()))


@pytest.mark.parametrize(("role", "status"), [("developer", 302), ("viewer", 403)])
def test_the_session_can_do_what_its_role_can(role: str, status: int, shop: Shop) -> None:
    browser, other = opened(shop, role=role), make_shop("borage")
    assert pause(browser, shop) == status
    assert pause(browser, other) == 404
    for page in ("apikey", "invitation"):
        assert browser.get(reverse(f"admin:webhooks_subscriptions_{page}_changelist")).status_code == 403
    assert "borage" not in browser.get("/admin/webhooks_subscriptions/webhook/").content.decode()


def test_the_record_names_the_person_as_the_platform_does(shop: Shop) -> None:
    pause(opened(shop), shop)
    newest = shop.webhook.changes.first()
    assert newest is not None
    assert newest.by == "anna@shop.example (portal)"
    shop.webhook.refresh_from_db()
    assert shop.webhook.paused_by == "anna@shop.example (portal)"


def test_the_session_replaces_what_was_signed_in_before_once_the_person_agrees_and_ends_by_itself(shop: Shop) -> None:
    browser = Browser()
    browser.force_login(shop.people["owner"])
    before = browser.session.session_key
    made = services.create_portal_link(merchant=shop.merchant, role="viewer", person="anna")
    browser.post(f"/portal/{made.token}/")
    assert not Session.objects.filter(session_key=before).exists()
    assert browser.get(reverse("admin:webhooks_subscriptions_apikey_changelist")).status_code == 403
    assert 0 < session_of(browser).get_expiry_age() <= portal.SESSION_SECONDS


ACTS = [
    "logout/",
    "logout",
    "login/",
    "password_change/",
    "account/",
    "jsi18n/",
    "autocomplete/",
    "search/",
    "nothing/",
]
ACTS += ["%6cogout/", "logout/?next=/admin/", "webhooks_subscriptions/webhook/1/do/pause/", "r/1/1/"]
ACTS += [
    "webhooks_deliveries/deadletter/1/do/replay/",
    "webhooks_subscriptions/webhook/views/",
    "password_reset/NQ/a-b/",
]
ACTS += ["webhooks_deliveries/delivery/live/", "webhooks_deliveries/delivery/export/csv/", "webhooks_nothing/nothing/"]
READ = ["", "webhooks_deliveries/", "webhooks_deliveries/delivery/", "webhooks_deliveries/delivery?outcome=failed"]
READ += [
    "webhooks_deliveries/delivery/1/change/",
    "webhooks_deliveries/delivery/1/",
    "webhooks_subscriptions/webhook/add/",
]
READ += ["webhooks_subscriptions/webhook/wh_1/history/", "webhooks_deliveries/deadletter/#top"]


@pytest.mark.parametrize("path", ACTS)
def test_a_link_leads_to_no_address_that_does_something(path: str, shop: Shop) -> None:
    answer = ask(shop, target=f"/admin/{path}")
    assert (answer.status_code, set(attrs(answer))) == (422, {"target"})


@pytest.mark.parametrize("path", READ)
def test_a_link_leads_to_a_page_that_is_read(path: str, shop: Shop) -> None:
    assert ask(shop, target=f"/admin/{path}").status_code == 201


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ({"role": "owner"}, "role"),
        ({"role": "staff"}, "role"),
        ({"person": " "}, "person"),
        ({"target": "https://evil.example/"}, "target"),
        ({"target": "//evil.example/admin/"}, "target"),
        ({"target": "/admin/../download"}, "target"),
        ({"target": "/admin/\\evil"}, "target"),
        ({"target": "/admin/%2e%2e/download"}, "target"),
        ({"target": "/admin/%2E./download"}, "target"),
        ({"target": "/admin/x/.%2e/%2e%2e/download?a=b"}, "target"),
        ({"target": "/admin/%5c%5cevil.example"}, "target"),
        ({"target": "/admin/..%2f..%2fdownload"}, "target"),
        ({"target": "/adm%69n/../download"}, "target"),
        ({"target": "/download"}, "target"),
    ],
)
def test_what_a_link_may_not_be_is_refused_by_its_name(change: dict[str, str], wrong: str, shop: Shop) -> None:
    answer = ask(shop, **change)
    assert answer.status_code == 422
    assert set(attrs(answer)) == {wrong}
    assert not PortalLink.objects.exists()


@pytest.mark.parametrize("scopes", [["read"], ["publish"], ["manage"], ["publish", "manage"]])
def test_a_key_needs_to_read_and_to_manage(scopes: list[str], shop: Shop) -> None:
    key = make_api_key(shop.merchant, scopes=scopes)
    assert Client(key.text).post("/api/v1/portal-links", WEBHOOK).status_code == 403


def test_an_inactive_merchants_link_opens_nothing(shop: Shop) -> None:
    made = services.create_portal_link(merchant=shop.merchant, **WEBHOOK)
    type(shop.merchant).objects.filter(pk=shop.merchant.pk).update(is_active=False)
    assert services.open_portal_link(made.token) is None


def test_links_that_wait_have_an_end_and_old_ones_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(portal, "LINKS_MAX", 1)
    merchant = make_merchant()
    services.create_portal_link(merchant=merchant, **WEBHOOK)
    with pytest.raises(ValidationError, match="wait to be opened"):
        services.create_portal_link(merchant=merchant, **WEBHOOK)
    PortalLink.objects.update(expires_at=timezone.now())
    services.create_portal_link(merchant=merchant, **WEBHOOK)


# --- frames -----------------------------------------------------------------------------------------------------------

PLATFORM = "https://platform.example"


def framing(browser: Browser, path: str = "/admin/") -> tuple[str, str]:
    headers = browser.get(path).headers
    policy = headers["Content-Security-Policy"].split("frame-ancestors ")[1].split(";")[0]
    return policy, headers.get("X-Frame-Options", "")


def test_only_the_listed_origins_frame_a_session_that_a_link_opened(settings: Any, shop: Shop) -> None:
    browser, person = opened(shop), Browser()
    person.force_login(shop.people["owner"])
    assert framing(browser) == ("'none'", "DENY")
    settings.PORTAL_ORIGINS = [PLATFORM]
    assert framing(browser) == (PLATFORM, "")
    assert framing(person) == ("'none'", "DENY")
    assert framing(Browser(), "/admin/login/") == ("'none'", "DENY")


def test_a_link_gives_the_role_it_was_made_for_whatever_its_account_had_become(shop: Shop) -> None:
    opened(shop, role="viewer")
    Membership.objects.filter(user__username__endswith=".viewer").update(role="owner")
    browser = opened(shop, role="viewer")
    assert browser.get(reverse("admin:webhooks_subscriptions_apikey_changelist")).status_code == 403
    assert pause(browser, shop) == 403


def test_a_session_that_was_shut_out_stays_out_when_the_next_link_is_opened(shop: Shop) -> None:
    first = opened(shop)
    Membership.objects.get(user__username__endswith=".developer").delete()
    opened(shop)
    assert pause(first, shop) == 302
    shop.webhook.refresh_from_db()
    assert shop.webhook.paused_at is None


def test_the_session_ends_eight_hours_after_the_link_whatever_is_done_in_it(shop: Shop) -> None:
    browser = opened(shop)
    session = session_of(browser)
    [before] = Session.objects.filter(session_key=session.session_key).values_list("expire_date", flat=True)
    session["something"] = "written"
    session.save()
    [after] = Session.objects.filter(session_key=session.session_key).values_list("expire_date", flat=True)
    assert before == after
    assert abs(before - timezone.now() - timedelta(hours=8)) < timedelta(minutes=1)
