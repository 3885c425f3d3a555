"""A webhook's form: how its endpoint knows us, with credentials that go in and never come out; key pairs."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from deliveries.management.receiver import Answer
from subscriptions import encryption
from subscriptions.admin import sign_in_fields
from subscriptions.models import SigningSecret, Webhook
from tests.support.authority import Authority
from tests.support.desk import Shop, make_shop, sign_in
from tests.support.factories import make_member, make_webhook
from tests.support.receiver import TestReceiver
from tests.support.token_server import CLIENT_ID, CLIENT_SECRET, TokenServer, protected_by

pytestmark = pytest.mark.django_db

URL = "https://shop.example.com/hooks"
FORM = {"name": "ERP", "events": ["*"], "patterns": "", "is_enabled": "on", "body_style": "compact",
        "api_version": "2024-01", "url": URL, "dialect": "standard"}  # fmt: skip
WAYS: dict[str, dict[str, str]] = {
    "basic": {"username": "shop", "password": "a pass word"},
    "bearer": {"token": "tok-123456789"},
    "oauth2": {"token_url": "https://login.example.com/token", "client_id": "shop", "client_secret": "sesame open",
               "scope": "a b", "client_authentication": "body"},
    "certificate": {},
}  # fmt: skip


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(autouse=True)
def certificate(authority: Authority) -> None:
    if not WAYS["certificate"]:
        chain, key = authority.client()
        browsers = {"certificate": chain.replace("\n", "\r\n"), "private_key": key.replace("\n", "\r\n")}
        WAYS["certificate"].update(browsers)


@pytest.fixture
def shop() -> Shop:
    return make_shop("aster")


@pytest.fixture
def browser(shop: Shop) -> Client:
    return sign_in(make_member(shop.merchant))


def url(page: str, *args: Any) -> str:
    return reverse(f"admin:webhooks_subscriptions_webhook_{page}", args=args)


def errors(answer: Any) -> dict[str, Any]:
    return answer.context["adminform"].form.errors


def typed(method: str, **changes: Any) -> dict[str, Any]:
    return {**FORM, "sign_in_method": method, **WAYS[method], **changes}


def without_credentials(method: str) -> dict[str, str]:
    return {name: text for name, text in WAYS[method].items() if name not in sign_in_fields.CREDENTIALS}


def add(browser: Client, shop: Shop, method: str, **changes: Any) -> Any:
    return browser.post(url("add"), {**typed(method), "merchant": shop.merchant.pk, "kind": "https", **changes})


@pytest.mark.parametrize("method", WAYS)
def test_a_sign_in_is_made_shown_and_changed_without_its_credentials(method: str, browser: Client, shop: Shop) -> None:
    answer = add(browser, shop, method)
    assert answer.status_code == 302, errors(answer)
    webhook = Webhook.objects.get(name="ERP")
    sealed = webhook.credentials
    page = browser.get(url("change", webhook.pk)).content.decode()
    for name, text in without_credentials(method).items():
        assert text.splitlines()[0] in page, name
    for text in json.loads(encryption.decrypt(sealed)).values():
        assert text.splitlines()[-1] not in page or "-----" in text
        assert text not in page
    answer = browser.post(url("change", webhook.pk),
                          {**FORM, "sign_in_method": method, **without_credentials(method), "name": "CRM"})  # fmt: skip
    assert answer.status_code == 302, errors(answer)
    webhook.refresh_from_db()
    assert (webhook.name, webhook.credentials) == ("CRM", sealed)
    answer = browser.post(url("change", webhook.pk), {**FORM, "sign_in_method": ""})
    assert answer.status_code == 302, errors(answer)
    webhook.refresh_from_db()
    assert (webhook.sign_in, webhook.credentials) == ({}, "")


@pytest.mark.parametrize("method", WAYS)
def test_another_url_asks_for_the_credentials_beside_their_field_and_tests_nothing(
    method: str, browser: Client, shop: Shop
) -> None:
    add(browser, shop, method)
    webhook = Webhook.objects.get(name="ERP")
    moved = {**FORM, "sign_in_method": method, **without_credentials(method), "url": "https://attacker.example.com/"}
    answer = browser.post(url("change", webhook.pk), moved)
    assert "new place" in str(errors(answer)[sign_in_fields.credential_of(method)])
    for page in ("preview", "test"):
        tried = browser.post(url(page, webhook.pk), {**moved, "sample": "order.created"})
        assert "new place" in tried.content.decode()


@pytest.mark.parametrize(
    ("method", "field", "value"),
    [("basic", "username", ""), ("basic", "password", ""), ("basic", "username", "a:b"), ("bearer", "token", "a b"),
     ("oauth2", "token_url", "https://10.0.0.7/"), ("oauth2", "client_secret", ""), ("oauth2", "scope", "a  b"),
     ("certificate", "certificate", "x"), ("certificate", "private_key", "x"), ("certificate", "private_key", "")],
)  # fmt: skip
def test_a_wrong_setting_is_told_beside_it(method: str, field: str, value: str, browser: Client, shop: Shop) -> None:
    answer = add(browser, shop, method, **{field: value})
    assert answer.status_code == 200
    assert field in errors(answer)


def test_a_key_of_another_certificate_is_told_beside_it(browser: Client, shop: Shop, authority: Authority) -> None:
    answer = add(browser, shop, "certificate", private_key=authority.client()[1])
    assert "does not belong to the certificate" in str(errors(answer)["private_key"])


def test_what_was_typed_for_another_way_or_kind_is_dropped(browser: Client, shop: Shop) -> None:
    answer = add(browser, shop, "bearer", username="x", password="y", token_url="z")
    assert answer.status_code == 302, errors(answer)
    webhook = Webhook.objects.get(name="ERP")
    assert webhook.sign_in == {"method": "bearer"}
    queue = {"kind": "sqs", "queue_url": "https://sqs.eu-central-1.amazonaws.com/123456789012/orders",
             "access_key_id": "AKIAIOSFODNN7EXAMPLE", "secret_access_key": "x" * 40, "name": "Queue"}  # fmt: skip
    answer = add(browser, shop, "basic", **queue)
    assert answer.status_code == 302, errors(answer)
    made = Webhook.objects.get(name="Queue")
    assert made.sign_in == {}
    page = browser.get(url("change", made.pk)).content.decode()
    assert not any(f'name="{name}"' in page for name in sign_in_fields.NAMES)


def test_a_test_from_the_form_signs_in_with_what_was_typed_and_shows_nothing_of_it(browser: Client, shop: Shop) -> None:
    with TestReceiver() as receiver:
        answers = browser.post(url("test", "new"), {**typed("basic", url=receiver.url), "merchant": shop.merchant.pk,
                                                    "kind": "https", "sample": "order.created"})  # fmt: skip
        assert "It works" in answers.content.decode()
        assert receiver.requests[0].headers["Authorization"].startswith("Basic ")
        assert receiver.requests[0].headers["Authorization"] not in answers.content.decode()
        receiver.script(Answer(200, b"a pass word"))
        saved = make_webhook(shop.merchant, url=receiver.url, sign_in={"method": "basic", "username": "shop"},
                             credentials={"password": "a pass word"})  # fmt: skip
        form = {**FORM, "url": receiver.url, "sign_in_method": "basic", "username": "shop", "sample": "order.created"}
        answer = browser.post(url("test", saved.pk), form).content.decode()
        assert "It works" in answer
        assert "a pass word" not in answer
        assert receiver.requests[1].headers["Authorization"].startswith("Basic ")


def test_a_test_from_the_form_fetches_a_token_and_tells_the_token_servers_fault_from_the_endpoints(
    browser: Client, shop: Shop
) -> None:
    with TokenServer() as server, protected_by(server) as endpoint:
        form = typed("oauth2", url=f"{endpoint.url}/hooks", token_url=f"{server.url}/token", client_id=CLIENT_ID,
                     client_secret=CLIENT_SECRET, scope="hooks", client_authentication="basic")  # fmt: skip
        form |= {"merchant": shop.merchant.pk, "kind": "https", "sample": "order.created"}
        answer = browser.post(url("test", "new"), form).content.decode()
        assert "It works" in answer
        assert server.given[0] not in answer  # the endpoint says thanks for it
        assert "Authorization: ••••••" in answer
        answer = browser.post(url("test", "new"), form | {"client_secret": "wrong"}).content.decode()
        assert "invalid_client" in answer
        assert "Your endpoint was not asked" in answer
        endpoint.refuses_all = True
        answer = browser.post(url("test", "new"), form).content.decode()
        assert "knows its user, token or client" in answer
        assert len(server.given) == 2  # one a test


def test_a_key_pair_is_made_from_the_form_and_by_rotation_and_its_public_key_stands_on_the_page(
    browser: Client, shop: Shop
) -> None:
    answer = browser.post(url("add"), {**FORM, "merchant": shop.merchant.pk, "kind": "https", "signature": "ed25519"})
    assert answer.status_code == 302, errors(answer)
    webhook = Webhook.objects.get(name="ERP")
    shown = browser.get(answer["Location"]).content.decode()
    key = SigningSecret.objects.get(webhook=webhook).public_key
    assert key in shown
    page = browser.get(url("change", webhook.pk)).content.decode()
    assert key in page
    assert "v1a," in page  # the snippets verify with it
    assert "whsk_" not in shown + page
    plain = make_webhook(shop.merchant, name="plain")
    assert url("pair", plain.pk) in browser.get(url("change", plain.pk)).content.decode()
    browser.post(url("pair", plain.pk))
    assert SigningSecret.objects.filter(webhook=plain).exclude(public_key="").count() == 1
    assert url("pair", plain.pk) not in browser.get(url("change", plain.pk)).content.decode()


def test_who_may_only_read_sees_no_credentials(shop: Shop) -> None:
    webhook = make_webhook(shop.merchant, sign_in={"method": "basic", "username": "shop"},
                           credentials={"password": "a pass word"})  # fmt: skip
    page = sign_in(make_member(shop.merchant, "viewer")).get(url("change", webhook.pk)).content.decode()
    assert "a pass word" not in page
