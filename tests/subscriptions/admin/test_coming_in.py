"""Coming in, attacked from outside: forged hosts, planted sessions, `next` that leads away, other sites' forms."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.core import mail
from django.test import Client as Browser
from django.urls import get_resolver, reverse

from subscriptions import invitation_mail, services
from tests.support.api import Client
from tests.support.desk import Shop, make_shop, sign_in
from tests.support.factories import make_api_key, make_user

pytestmark = pytest.mark.django_db

ADDRESS = "new@mail.example"


@pytest.fixture
def shop() -> Shop:
    return make_shop("aster")


POISON = [
    {"host": "evil.example"},
    {"x-forwarded-host": "evil.example"},
    {"host": "localhost:8000@evil.example"},
    {"host": "localhost", "x-forwarded-proto": "javascript", "forwarded": "host=evil.example"},
]


@pytest.mark.parametrize("headers", POISON, ids=str)
def test_no_link_that_is_mailed_or_made_takes_the_host_of_a_request(
    headers: dict[str, str], shop: Shop, settings: Any
) -> None:
    settings.ALLOWED_HOSTS = ["*"]
    sign_in(shop.people["owner"]).post(
        "/admin/webhooks_subscriptions/invitation/add/",
        {"merchant": shop.merchant.pk, "email": ADDRESS, "role": "viewer"},
        headers=headers,
    )
    services.invite(merchant=shop.merchant, email="other@mail.example", role="viewer")
    assert invitation_mail.send_due() >= 1
    answer = Client(make_api_key(shop.merchant).text).post(
        "/api/v1/portal-links", {"role": "viewer", "person": "x"}, **headers
    )
    texts = [str(each.body) for each in mail.outbox] + [answer.content.decode()]
    assert not any("evil" in text or "javascript:" in text for text in texts)


def test_signing_in_changes_the_sessions_key(shop: Shop) -> None:
    browser = Browser()
    planted = browser.session
    planted["x"] = 1
    planted.save()
    browser.cookies["sessionid"] = planted.session_key
    person = make_user()
    browser.post("/admin/login/", {"username": person.username, "password": "password"})
    assert browser.cookies["sessionid"].value != planted.session_key
    assert not Session.objects.filter(session_key=planted.session_key).exists()


NEXT = [
    "https://evil.example/",
    "//evil.example/",
    "///evil.example",
    "\\\\evil.example",
    "/\\evil.example",
    "https:evil.example",
    "http:///evil.example",
    "javascript:alert(1)",
    "\t//evil.example",
    "//evil.example%2f..",
    "https://testserver@evil.example/",
    "//testserver.evil.example/",
    "\x00//evil.example",
    "data:text/html,x",
]


@pytest.mark.parametrize("target", NEXT, ids=ascii)
def test_no_page_leads_out_of_this_site(target: str, shop: Shop) -> None:
    person = shop.people["owner"]
    places = []
    for form, query in (({}, {"next": target}), ({"next": target}, {})):
        browser = Browser()
        address = reverse("admin:login", query=query)
        places.append(browser.post(address, {"username": person.username, "password": "password", **form}))
    owner = sign_in(person)
    places += [owner.get(reverse("admin:login", query={"next": target})), owner.get(f"/admin/?next={target!a}")]
    places.append(owner.post(reverse("admin:logout", query={"next": target}), {"next": target}))
    for answer in places:
        location = answer.headers.get("Location", "/")
        assert location.startswith("/"), location
        assert not re.match(r"[/\\]{2}", location)


def changing_pages() -> list[str]:
    found = set()

    def walk(patterns: Any, before: str) -> None:
        for each in patterns:
            path = before + str(each.pattern)
            if hasattr(each, "url_patterns"):
                walk(each.url_patterns, path)
            else:
                found.add(re.sub(r"<\w+:\w+>|<\w+>|\(\?P?<?.*?\)", "1", path).replace("^", "").replace("$", ""))

    walk(get_resolver().url_patterns, "/")
    return sorted(found)


def test_no_page_changes_anything_for_another_site(shop: Shop) -> None:
    """Every address that takes POST with a session wants the token, the API's aside, which know no sessions."""
    browser = Browser(enforce_csrf_checks=True, raise_request_exception=False)
    browser.force_login(make_user(is_superuser=True))
    pages = [page for page in changing_pages() if page.startswith(("/admin/", "/invitations/", "/portal/"))]
    assert len(pages) > 60
    statuses = {page: browser.post(page, {"post": "yes"}, headers={"Origin": "https://evil.example"}) for page in pages}
    assert {page: answer.status_code for page, answer in statuses.items() if answer.status_code != 403} == {}
    api = [page for page in changing_pages() if page.startswith(("/api/v1/", "/company"))]
    for page in api:
        assert browser.post(page, {}, content_type="application/json").status_code in {400, 401, 404, 405, 415, 422}
