"""Whose session a portal link may take, with whose key it ends, and what its cookies let in."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.test import Client as Browser
from django.urls import reverse
from django.utils import timezone

from subscriptions import portal_sessions, services
from subscriptions.models import ApiKey, PortalLink
from tests.support.api import Client
from tests.support.at_once import Beside, uncommitted
from tests.support.desk import Shop, make_shop
from tests.support.desk_fixtures import shop
from tests.support.factories import make_api_key, make_user

__all__ = ["shop"]

pytestmark = pytest.mark.django_db

LIST = "/admin/webhooks_subscriptions/webhook/"


def link(key: ApiKey, role: str = "developer", person: str = "anna") -> str:
    made = services.create_portal_link(merchant=key.merchant, role=role, person=person, api_key=key)
    return f"/portal/{made.token}/"


def key_of(shop: Shop) -> ApiKey:
    return make_api_key(shop.merchant).api_key


def signed_in(user: Any) -> Browser:
    browser = Browser()
    browser.force_login(user)
    return browser


def by_link(shop: Shop, **whose: str) -> Browser:
    browser = Browser()
    assert browser.get(link(key_of(shop), **whose)).status_code == 302
    return browser


# --- the key's end ----------------------------------------------------------------------------------------------------


def test_a_revoked_keys_links_open_nothing_and_its_sessions_end(shop: Shop) -> None:
    key, other = key_of(shop), key_of(shop)
    waits, kept = link(key), link(other)
    browser, beside = Browser(), Browser()
    browser.get(link(key))
    beside.get(link(other))
    services.revoke_api_key(api_key=key)
    assert Browser().get(waits).status_code == 410
    assert browser.get(LIST).status_code == 302
    assert beside.get(LIST).status_code == 200
    assert Browser().get(kept).status_code == 302
    assert not PortalLink.objects.filter(api_key=key).exists()


def test_an_expired_keys_links_open_nothing_and_its_sessions_end_with_it(shop: Shop) -> None:
    key = make_api_key(shop.merchant, expires_at=timezone.now() + timedelta(hours=1)).api_key
    browser, waits = Browser(), link(key)
    browser.get(link(key))
    [ends] = Session.objects.values_list("expire_date", flat=True)
    assert ends == key.expires_at
    ApiKey.objects.filter(pk=key.pk).update(expires_at=timezone.now())
    assert Browser().get(waits).status_code == 410


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("first", ["open", "revoke"])
def test_a_key_that_is_revoked_while_its_link_is_opened_leaves_no_session(first: str, shop: Shop) -> None:
    key, browser = key_of(shop), Browser()
    path = link(key)
    steps: dict[str, Callable[[], Any]] = {
        "open": lambda: browser.get(path).status_code,
        "revoke": lambda: services.revoke_api_key(api_key=ApiKey.objects.get(pk=key.pk)),
    }
    second = "revoke" if first == "open" else "open"
    with uncommitted(steps[first]):
        beside = Beside(steps[second])
        assert beside.waits
    beside.join()
    assert Session.objects.count() == PortalLink.objects.count() == 0
    assert browser.get(LIST).status_code == 302


@pytest.mark.django_db(transaction=True)
def test_a_link_that_two_open_at_once_lets_one_in(shop: Shop) -> None:
    path, browsers = link(key_of(shop)), [Browser(), Browser()]
    statuses: list[int] = []
    with uncommitted(lambda: statuses.append(browsers[0].get(path).status_code)):
        beside = Beside(lambda: browsers[1].get(path).status_code)
        assert beside.waits
    assert [*statuses, beside.join()] == [302, 410]
    assert Session.objects.count() == 1


def test_a_persons_token_makes_no_link(shop: Shop) -> None:
    owner = shop.people["owner"]
    owner.set_password("a good password")
    owner.save()
    body = {"username": owner.get_username(), "password": "a good password"}
    token = Client("").post("/api/v1/token", body).json()["access"]
    answer = Client(token).post(
        "/api/v1/portal-links", {"role": "viewer", "person": "x"}, **{"X-tenant-ID": shop.merchant.public_id}
    )
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (403, "key_needed")


# --- somebody else's session ------------------------------------------------------------------------------------------


def owner(shop: Shop) -> Browser:
    return signed_in(shop.people["owner"])


def stranger(_shop: Shop) -> Browser:
    return signed_in(make_user(is_staff=True, is_superuser=True))


def colleague(shop: Shop) -> Browser:
    return by_link(shop, person="bob")


def in_another_role(shop: Shop) -> Browser:
    return by_link(shop, role="viewer")


def namesake_elsewhere(_shop: Shop) -> Browser:
    return by_link(make_shop("borage"))


OTHERS = [owner, stranger, colleague, in_another_role, namesake_elsewhere]


@pytest.mark.parametrize("somebody", OTHERS)
def test_a_link_asks_before_it_takes_the_place_of_somebody_else(
    somebody: Callable[[Shop], Browser], shop: Shop
) -> None:
    browser, path = somebody(shop), link(key_of(shop))
    before = set(Session.objects.values_list("session_key", flat=True))
    page = browser.get(path)
    assert (page.status_code, "Somebody is signed in here" in page.content.decode()) == (200, True)
    assert set(Session.objects.values_list("session_key", flat=True)) == before
    assert browser.get("/admin/").status_code == 200
    assert browser.post(path).status_code == 302
    assert not before & set(Session.objects.values_list("session_key", flat=True))
    assert browser.get(LIST).status_code == 200
    assert browser.get(reverse("admin:webhooks_subscriptions_apikey_changelist")).status_code == 403


def test_another_site_cannot_agree_in_the_persons_place(shop: Shop) -> None:
    browser = Browser(enforce_csrf_checks=True)
    browser.force_login(shop.people["owner"])
    path = link(key_of(shop))
    browser.get(path)
    assert browser.post(path, headers={"Origin": "https://evil.example"}).status_code == 403
    assert browser.get(reverse("admin:webhooks_subscriptions_apikey_changelist")).status_code == 200


def test_the_same_person_is_not_asked(shop: Shop) -> None:
    browser = by_link(shop)
    assert browser.get(link(key_of(shop))).status_code == 302


def test_the_page_that_asks_shows_names_as_text(shop: Shop) -> None:
    page = owner(shop).get(link(key_of(shop), person="<b>anna</b>")).content.decode()
    assert "<b>anna" not in page
    assert "&lt;b&gt;anna" in page


# --- cookies ----------------------------------------------------------------------------------------------------------


def cookies(browser: Browser) -> dict[str, tuple[str, bool]]:
    return {name: (cookie["samesite"], bool(cookie["secure"])) for name, cookie in browser.cookies.items()}


def test_only_sessions_of_links_are_sent_into_frames(settings: Any, shop: Shop) -> None:
    settings.PORTAL_ORIGINS = ["https://platform.example"]
    user = shop.people["owner"]
    user.set_password("a good password")
    user.save()
    person = Browser()
    person.get("/admin/login/")
    person.post("/admin/login/", {"username": user.get_username(), "password": "a good password"})
    assert person.get(LIST).status_code == 200
    assert {name: sent for name, (sent, _) in cookies(person).items()} == {"sessionid": "Lax", "csrftoken": "Lax"}
    framed = by_link(shop)
    assert framed.get(LIST).status_code == 200
    assert cookies(framed) == {portal_sessions.COOKIE: ("None", True), "csrftoken": ("None", True)}


def test_without_frames_a_links_cookies_stay_at_home(shop: Shop) -> None:
    assert {sent for sent, _ in cookies(by_link(shop)).values()} == {"Lax"}


def test_a_link_in_a_frame_leaves_the_persons_own_session_alone(settings: Any, shop: Shop) -> None:
    """Their cookie isn't sent there, so nobody can ask; at the top it is, and counts."""
    settings.PORTAL_ORIGINS = ["https://platform.example"]
    person = owner(shop)
    own = person.cookies.pop("sessionid")
    person.get(link(key_of(shop)))  # in the frame
    assert "sessionid" not in person.cookies
    keys = reverse("admin:webhooks_subscriptions_apikey_changelist")
    assert person.get(keys).status_code == 403
    person.cookies["sessionid"] = own.value
    assert person.get(keys).status_code == 200


def test_signing_out_ends_the_session_and_its_cookie(shop: Shop) -> None:
    browser = by_link(shop)
    browser.post("/admin/logout/")
    assert not Session.objects.exists()
    assert browser.cookies[portal_sessions.COOKIE].value == ""
    assert browser.get(LIST).status_code == 302


@pytest.mark.parametrize("cookie", ["sessionid", portal_sessions.COOKIE])
def test_a_session_key_that_somebody_else_chose_is_not_the_one_that_is_signed_in(cookie: str, shop: Shop) -> None:
    """Session fixation: the key changes whenever somebody comes in."""
    store = Browser().session
    store["planted"] = 1
    store.save()
    browser = Browser()
    browser.cookies[cookie] = store.session_key
    browser.get(link(key_of(shop)))
    assert browser.cookies[portal_sessions.COOKIE].value != store.session_key
    watcher = Browser()
    watcher.cookies[cookie] = store.session_key
    assert watcher.get(LIST).status_code == 302
