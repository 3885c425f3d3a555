"""Signing in to the admin by its real page, with guessing slowed by a real Valkey."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

pytestmark = pytest.mark.django_db

NAME, PASSWORD = "ann@shop.example", "a good password"


@pytest.fixture(autouse=True)
def ann() -> User:
    return User.objects.create_user(NAME, password=PASSWORD, is_staff=True)


def attempt(password: str, *, name: str = NAME, browser: Client | None = None, **headers: Any) -> HttpResponse:
    return (browser or Client()).post(reverse("admin:login"), {"username": name, "password": password}, **headers)


def test_the_right_password_leads_to_the_desk() -> None:
    browser = Client()
    assert attempt(PASSWORD, browser=browser).headers["Location"] == reverse("admin:index")
    assert browser.get(reverse("admin:index")).status_code == 200


def test_one_attempt_too_many_is_429_and_says_when_to_try_again(settings: Any) -> None:
    settings.WEBHOOKS_SIGN_IN_RATE_MINUTE = 3
    answers = [attempt(f"guess {n}") for n in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert 55 <= int(answers[3].headers["Retry-After"]) <= 60
    page = answers[3].content.decode()
    assert f"Too many attempts to sign in. Try again in {answers[3].headers['Retry-After']} seconds." in page
    assert "correct username and password" not in page  # nothing is said of the password


def test_while_refused_even_the_right_password_is_not_looked_at(settings: Any) -> None:
    settings.WEBHOOKS_SIGN_IN_RATE_MINUTE = 1
    attempt("guess")
    browser = Client()
    assert attempt(PASSWORD, browser=browser).status_code == 429
    assert "_auth_user_id" not in browser.session


def test_names_that_do_not_exist_are_counted_alike(settings: Any) -> None:
    """Otherwise the answer would tell which accounts exist."""
    settings.WEBHOOKS_SIGN_IN_RATE_MINUTE = 1
    assert [attempt("x", name="nobody").status_code for _ in range(2)] == [200, 429]


def test_the_api_and_the_admin_count_together(settings: Any) -> None:
    settings.WEBHOOKS_SIGN_IN_RATE_MINUTE = 2
    for _ in range(2):
        body = {"username": NAME, "password": "guess"}
        assert Client().post("/api/v1/token", body, content_type="application/json").status_code == 401
    assert attempt(PASSWORD).status_code == 429


def test_a_forged_forwarded_header_makes_no_new_address(settings: Any) -> None:
    settings.WEBHOOKS_SIGN_IN_RATE_MINUTE = 1
    forged = [
        attempt("x", name=f"person {n}", headers={"X-Forwarded-For": f"203.0.113.{n}"}).status_code for n in range(8)
    ]
    assert forged == [200] * 6 + [429] * 2


def test_behind_a_proxy_each_client_has_its_own_count(settings: Any) -> None:
    settings.WEBHOOKS_SIGN_IN_RATE_MINUTE, settings.WEBHOOKS_TRUSTED_PROXIES = 1, 1
    statuses = [
        attempt("x", name=f"person {n}", headers={"X-Forwarded-For": f"203.0.113.{n}"}).status_code for n in range(8)
    ]
    assert statuses == [200] * 8


def test_with_redis_away_people_sign_in(settings: Any) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/2"
    assert attempt(PASSWORD).status_code == 302


def test_guesses_of_the_old_password_inside_a_session_are_slowed(settings: Any) -> None:
    settings.WEBHOOKS_SIGN_IN_RATE_MINUTE = 3
    browser = Client()
    browser.force_login(User.objects.get(username=NAME))
    page = reverse("admin:password_change")

    def change(old: str) -> HttpResponse:
        new = "another good password"
        return browser.post(page, {"old_password": old, "new_password1": new, "new_password2": new})

    answers = [change(f"guess {n}") for n in range(4)] + [change(PASSWORD)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
    assert "Retry-After" in answers[-1].headers
    assert User.objects.get(username=NAME).check_password(PASSWORD)
    assert browser.get(page).status_code == 200


def test_there_is_one_door_only() -> None:
    """Every address of the admin leads strangers to the page that counts."""
    answer = Client().get(reverse("admin:webhooks_subscriptions_webhook_changelist"))
    assert answer.headers["Location"].startswith("/admin/login/?")
    assert reverse("admin:login") == "/admin/login/"
