"""What was encrypted under a key that was removed: nobody gets a fault of ours, and the log says what to do."""

from __future__ import annotations

import logging
import time
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.contrib.admin import site
from django.test import Client as Browser
from django.urls import reverse

from subscriptions import services
from subscriptions.models import Invitation, Webhook
from subscriptions.services import second_factors
from subscriptions.services.second_factors import _totp, new_key
from tests.support.api import Client
from tests.support.desk import Shop, make_shop, sign_in
from tests.support.factories import make_api_key, make_webhook

pytestmark = pytest.mark.django_db

LOGIN, CODE = "/admin/login/", "/admin/login/code/"
PASSWORD = "a good password"


@pytest.fixture
def shop() -> Shop:
    return make_shop("aster")


@pytest.fixture
def remove_key(settings: Any) -> Any:
    def remove() -> None:
        settings.WEBHOOKS_ENCRYPTION_KEYS = [Fernet.generate_key().decode()]

    return remove


@pytest.fixture
def codes(shop: Shop) -> tuple[str, list[str]]:
    """The code of the owner's app, and recovery codes."""
    owner, key = shop.people["owner"], new_key()
    owner.set_password(PASSWORD)
    owner.save()
    code = _totp(key).generate(int(time.time()) + 30).decode()
    return code, second_factors.turn_on(user=owner, key=key, code=_totp(key).generate(int(time.time())).decode())


def test_only_recovery_codes_open_the_admin_and_the_log_says_why(
    shop: Shop, codes: tuple[str, list[str]], remove_key: Any, caplog: pytest.LogCaptureFixture
) -> None:
    remove_key()
    browser = Browser()
    name = shop.people["owner"].get_username()
    browser.post(LOGIN, {"username": name, "password": PASSWORD})
    with caplog.at_level(logging.ERROR):
        assert second_factors.WRONG in browser.post(CODE, {"code": codes[0]}).content.decode()
    assert "WEBHOOKS_ENCRYPTION_KEYS" in caplog.text
    browser.post(CODE, {"code": codes[1][0]})
    assert browser.get("/admin/").status_code == 200
    body = {"username": name, "password": PASSWORD}
    assert Client("").post("/api/v1/token", {**body, "code": codes[0]}).status_code == 401
    assert Client("").post("/api/v1/token", {**body, "code": codes[1][1]}).status_code == 200


def test_pages_stay_readable(shop: Shop, codes: tuple[str, list[str]], remove_key: Any) -> None:
    webhook = make_webhook(shop.merchant)
    services.invite(merchant=shop.merchant, email="new@mail.example", role="viewer", invited_by=shop.people["owner"])
    browser = sign_in(shop.people["owner"])
    remove_key()
    answers = {}
    for model in site._registry:
        address = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
        answers[address] = browser.get(address).status_code
    for row in (webhook, Invitation.objects.defer("token").get()):
        address = reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])
        answers[address] = browser.get(address).status_code
    assert {address: status for address, status in answers.items() if status not in {200, 403, 404}} == {}
    assert list(answers.values()).count(200) > 10


def test_an_invitation_whose_mail_cannot_be_made_any_more_opens_all_the_same(shop: Shop, remove_key: Any) -> None:
    services.invite(merchant=shop.merchant, email="new@mail.example", role="viewer", invited_by=shop.people["owner"])
    token = Invitation.objects.get().token
    remove_key()
    assert Browser().get(reverse("invitation", args=[token])).status_code == 200


@pytest.mark.parametrize("path", ["/api/v1/webhooks", "/api/v1/events"])
def test_a_kept_answer_that_cannot_be_read_is_no_fault_and_nothing_is_made_twice(
    shop: Shop, remove_key: Any, path: str
) -> None:
    api, key = Client(make_api_key(shop.merchant).text), {"Idempotency-Key": "6f1c"}
    body: dict[str, Any] = {"url": "https://shop.example.com/hook", "events": ["order.created"]}
    if path == "/api/v1/events":
        body = {"event": "order.created", "data": {"order": {"id": "1"}}}
    assert api.post(path, body, **key).status_code == 201
    before = Webhook.objects.count()
    remove_key()
    answer = api.post(path, body, **key)
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (409, "answer_unreadable")
    assert Webhook.objects.count() == before
