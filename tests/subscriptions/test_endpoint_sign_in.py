"""Settings of an endpoint's sign-in: what is stored and shown, what is refused and how, where credentials may go."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from django.core.exceptions import ValidationError

from subscriptions import encryption, services, webhook_rules
from subscriptions.models import Webhook
from tests.support.api import Client, attrs
from tests.support.authority import Authority, pem_of
from tests.support.factories import make_merchant, make_webhook

pytestmark = pytest.mark.django_db

PATH = "/api/v1/webhooks"
TOKEN_URL = "https://login.example.com/oauth2/token"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


_CERTIFICATE: dict[str, Any] = {}


@pytest.fixture(autouse=True)
def certificate(authority: Authority) -> None:
    if not _CERTIFICATE:
        chain, key = authority.client()
        _CERTIFICATE.update(sign_in={"method": "certificate", "certificate": chain}, credentials={"private_key": key})


def given(method: str) -> dict[str, Any]:
    """Return what a webhook is given that signs in so."""
    return {
        "basic": {"sign_in": {"method": "basic", "username": "shop"}, "credentials": {"password": "pass word: ä"}},
        "bearer": {"sign_in": {"method": "bearer"}, "credentials": {"token": "abc.DEF-123_~+/="}},
        "oauth2": {
            "sign_in": {"method": "oauth2", "token_url": TOKEN_URL, "client_id": "shop:42"},
            "credentials": {"client_secret": "client secret"},
        },
        "certificate": _CERTIFICATE,
    }[method]


METHODS = ("basic", "bearer", "oauth2", "certificate")


def secrets_of(method: str) -> list[str]:
    texts = given(method)["credentials"].values()
    return [line for text in texts for line in text.splitlines() if len(line) > 5 and "-----" not in line]


def make(method: str, **changes: Any) -> Webhook:
    webhook = make_webhook(**given(method), **changes)
    webhook.refresh_from_db()
    return webhook


def problems(**settings: Any) -> dict[str, list[str]]:
    with pytest.raises(ValidationError) as caught:
        services.create_webhook(
            merchant=make_merchant(), events=["*"], **{"url": "https://shop.example.com/hooks", **settings}
        )
    return caught.value.message_dict


def api_of(webhook: Webhook) -> Client:
    return Client(services.create_api_key(merchant=webhook.merchant).text)


def test_every_way_that_is_offered_is_one_of_these() -> None:
    assert tuple(method.name for method in webhook_rules.rules().sign_in_methods()) == METHODS


@pytest.mark.parametrize("method", METHODS)
def test_credentials_are_stored_encrypted_and_the_rest_in_clear(method: str) -> None:
    webhook = make(method)
    assert webhook.sign_in["method"] == method
    stored = json.loads(encryption.decrypt(webhook.credentials))
    assert {name: text.strip() for name, text in given(method)["credentials"].items()} == stored
    for secret in secrets_of(method):
        assert secret not in json.dumps(webhook.sign_in) + webhook.credentials


def test_a_certificates_end_is_known(authority: Authority) -> None:
    webhook = make("certificate")
    assert webhook.certificate_ends_at is not None
    assert timedelta(days=29) < webhook.certificate_ends_at - datetime.now(UTC) < timedelta(days=30)
    services.update_webhook(webhook=webhook, **given("basic"))
    webhook.refresh_from_db()
    assert (webhook.certificate_ends_at, webhook.sign_in["method"]) == (None, "basic")


@pytest.mark.parametrize("kind", ["rsa", "ec", "ed25519"])
def test_keys_of_these_kinds_are_taken(authority: Authority, kind: str) -> None:
    key: Any = {
        "rsa": lambda: rsa.generate_private_key(65537, 2048),
        "ec": lambda: ec.generate_private_key(ec.SECP384R1()),
        "ed25519": ed25519.Ed25519PrivateKey.generate,
    }[kind]()
    chain, pem = authority.client(key=key)
    assert make_webhook(
        sign_in={"method": "certificate", "certificate": chain + chain}, credentials={"private_key": pem}
    )


WRONG: list[tuple[str, dict[str, Any], dict[str, Any], str, str]] = [
    ("basic", {"method": "digest"}, {}, "sign_in.method", "Use one of basic, bearer"),
    ("basic", {"method": 7}, {}, "sign_in.method", "Use one of"),
    ("basic", {"method": ["basic"]}, {}, "sign_in.method", "Use one of"),
    ("basic", {"username": ""}, {}, "sign_in.username", "needed"),
    ("basic", {"username": "a:b"}, {}, "sign_in.username", "colon"),
    ("basic", {"username": "a\nb"}, {}, "sign_in.username", "one line"),
    ("basic", {"user": "a"}, {}, "sign_in.user", "There are: username"),
    ("basic", {}, {"password": ""}, "credentials.password", "needed"),
    ("basic", {}, {"password": 7}, "credentials.password", "text"),
    ("basic", {}, {"password": "x" * 2000}, "credentials.password", "at most 1024"),
    ("basic", {}, {"token": "x"}, "credentials.token", "There are: password"),
    ("bearer", {}, {"token": "a b"}, "credentials.token", "without spaces"),
    ("bearer", {}, {"token": "a\r\nX: y"}, "credentials.token", "one line"),
    ("bearer", {}, {"token": "tökén"}, "credentials.token", "ASCII"),
    ("bearer", {"username": "x"}, {}, "sign_in.username", "no such field"),
    ("oauth2", {"token_url": ""}, {}, "sign_in.token_url", "needed"),
    ("oauth2", {"token_url": "ftp://x.example"}, {}, "sign_in.token_url", "https://"),
    ("oauth2", {"token_url": "https://10.0.0.7/token"}, {}, "sign_in.token_url", "10.0.0.7"),
    ("oauth2", {"token_url": "https://169.254.169.254/token"}, {}, "sign_in.token_url", "169.254.169.254"),
    ("oauth2", {"token_url": "https://[fd00::1]/token"}, {}, "sign_in.token_url", "fd00::1"),
    ("oauth2", {"token_url": "https://u:p@login.example.com/"}, {}, "sign_in.token_url", "user name or password"),
    ("oauth2", {"client_id": None}, {}, "sign_in.client_id", "needed"),
    ("oauth2", {"scope": "a  b"}, {}, "sign_in.scope", "single spaces"),
    ("oauth2", {"scope": 'a"b'}, {}, "sign_in.scope", "single spaces"),
    ("oauth2", {"client_authentication": "jwt"}, {}, "sign_in.client_authentication", "basic or body"),
    ("oauth2", {}, {"client_secret": None}, "credentials.client_secret", "needed"),
    ("certificate", {"certificate": "nothing"}, {}, "sign_in.certificate", "no certificate in PEM"),
    ("certificate", {"certificate": "-----BEGIN CERTIFICATE-----"}, {}, "sign_in.certificate", "no certificate"),
    ("certificate", {"certificate": "x" * 20_000}, {}, "sign_in.certificate", "at most"),
    ("certificate", {}, {"private_key": "nothing"}, "credentials.private_key", "no private key in PEM"),
    ("certificate", {}, {"private_key": ""}, "credentials.private_key", "needed"),
]


@pytest.mark.parametrize(("method", "settings", "keys", "field", "said"), WRONG, ids=str)
def test_a_wrong_setting_is_named_with_the_fix_and_no_credential_repeated(
    method: str, settings: dict[str, Any], keys: dict[str, Any], field: str, said: str
) -> None:
    right = given(method)
    found = problems(sign_in=right["sign_in"] | settings, credentials=right["credentials"] | keys)
    assert said in " ".join(found[field]), found
    assert not any(secret in str(found) for secret in secrets_of(method))


@pytest.mark.parametrize("wrong", ["basic", 7, ["basic"], True, False, 0, "", []], ids=str)
def test_a_sign_in_that_is_no_object_is_refused(wrong: Any) -> None:
    assert "sign_in" in problems(sign_in=wrong, credentials={"password": "x"})


@pytest.mark.parametrize("wrong", ["key", 7, ["key"], True, False, 0, "", []], ids=str)
def test_credentials_that_are_no_object_are_refused(wrong: Any) -> None:
    assert "credentials" in problems(sign_in=given("basic")["sign_in"], credentials=wrong)


def test_credentials_without_a_sign_in_are_refused() -> None:
    assert "Give sign_in along" in str(problems(credentials={"password": "x"}))


def test_a_certificate_that_can_t_serve_is_refused_at_once(authority: Authority) -> None:
    chain, key = authority.client()
    _other_chain, other_key = authority.client()
    ended, ended_key = authority.client(days=-1)
    early, early_key = authority.client(starts=2)
    short = rsa.generate_private_key(65537, 1024)
    short_chain, short_key = authority.client(key=short)
    for certificate, private, field, said in (
        (chain, other_key, "credentials.private_key", "does not belong to the certificate"),
        (ended, ended_key, "sign_in.certificate", "expired on"),
        (early, early_key, "sign_in.certificate", "valid only from"),
        (short_chain, short_key, "credentials.private_key", "1024 bits"),
        (chain, pem_of(ec.generate_private_key(ec.SECP256R1()), b"phrase"), "credentials.private_key", "encrypted"),
        (chain, pem_of(dsa.generate_private_key(2048)), "credentials.private_key", "Use an RSA"),
        (key, key, "sign_in.certificate", "no certificate"),
    ):
        way = {"method": "certificate", "certificate": certificate}
        found = problems(sign_in=way, credentials={"private_key": private})
        assert said in " ".join(found[field]), found
        assert "PRIVATE KEY-----\nMI" not in str(found)


# --- credentials stay at home -------------------------------------------------------------------------------------

ELSEWHERE: list[tuple[str, dict[str, Any]]] = [
    *((method, {"url": "https://attacker.example.com/hooks"}) for method in METHODS),
    ("basic", {"sign_in": {"method": "basic", "username": "admin"}}),
    ("oauth2", {"sign_in": {"method": "oauth2", "token_url": "https://attacker.example.com/", "client_id": "shop:42"}}),
    ("oauth2", {"sign_in": {"method": "oauth2", "token_url": TOKEN_URL, "client_id": "another"}}),
    ("oauth2", {"sign_in": {"method": "oauth2", "token_url": TOKEN_URL, "client_id": "shop:42", "audience": "x"}}),
    ("bearer", {"sign_in": {"method": "basic", "username": "x"}}),
]


@pytest.mark.parametrize(("method", "change"), ELSEWHERE, ids=str)
def test_another_place_needs_the_credentials_at_every_door(method: str, change: dict[str, Any]) -> None:
    webhook = make(method)
    before = (webhook.url, webhook.sign_in, webhook.credentials)
    with pytest.raises(ValidationError) as caught:
        services.update_webhook(webhook=webhook, **change)
    assert caught.value.error_dict["credentials"][0].code == "secret_needed"
    answer = api_of(webhook).patch(f"{PATH}/{webhook.public_id}", change)
    assert answer.status_code == 422
    assert "new place" in attrs(answer)["credentials"]
    webhook.refresh_from_db()
    assert before == (webhook.url, webhook.sign_in, webhook.credentials)
    new = given(change.get("sign_in", webhook.sign_in)["method"])["credentials"]
    answer = api_of(webhook).patch(f"{PATH}/{webhook.public_id}", change | {"credentials": new})
    assert answer.status_code == 200, answer.content


@pytest.mark.parametrize("method", METHODS)
def test_other_changes_keep_the_credentials(method: str) -> None:
    webhook = make(method)
    before = webhook.credentials
    shown = api_of(webhook).get(f"{PATH}/{webhook.public_id}").json()["sign_in"]
    services.update_webhook(webhook=webhook, name="CRM", url=webhook.url, sign_in=shown)
    if method == "oauth2":
        services.update_webhook(webhook=webhook, sign_in=shown | {"scope": "hooks:write"})
    webhook.refresh_from_db()
    assert webhook.credentials == before


def test_an_ended_certificate_hinders_no_other_change(authority: Authority) -> None:
    webhook = make("certificate")
    ended, _key = authority.client(days=-1)
    Webhook.objects.filter(pk=webhook.pk).update(sign_in={"method": "certificate", "certificate": ended.strip()})
    webhook.refresh_from_db()
    services.update_webhook(webhook=webhook, name="CRM", sign_in=webhook.sign_in)
    webhook.refresh_from_db()
    assert webhook.name == "CRM"


@pytest.mark.parametrize("none", [None, {}, {"method": None}, {"method": ""}], ids=str)
def test_no_sign_in_forgets_the_credentials(none: Any) -> None:
    webhook = make("basic")
    services.update_webhook(webhook=webhook, sign_in=none)
    webhook.refresh_from_db()
    assert (webhook.sign_in, webhook.credentials) == ({}, "")
    services.update_webhook(webhook=webhook, url="https://elsewhere.example.com/hooks")


@pytest.mark.parametrize("method", METHODS)
def test_a_custom_authorization_is_refused_beside_a_sign_in_that_sends_it(method: str) -> None:
    custom = {"headers": {"authorization": "Bearer mine"}}
    if method == "certificate":
        assert make(method, **custom).headers
        return
    assert "set by the webhook's sign-in" in str(problems(**given(method), **custom)["headers"])
    webhook = make(method)
    with pytest.raises(ValidationError, match="set by the webhook's sign-in"):
        services.update_webhook(webhook=webhook, **custom)
    plain = make_webhook(**custom)
    with pytest.raises(ValidationError, match="set by the webhook's sign-in"):
        services.update_webhook(webhook=plain, **given(method))


def test_a_queue_has_no_sign_in() -> None:
    queue = {"kind": "sqs", "url": "", "destination": {"queue_url": "https://sqs.eu-central-1.amazonaws.com/1/orders"}}
    assert "sign_in" in problems(**queue, sign_in={"method": "bearer"}, credentials={"token": "x"})


# --- the API ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_the_api_makes_and_shows_a_sign_in_and_never_what_opens_it(method: str) -> None:
    merchant = make_merchant()
    api = Client(services.create_api_key(merchant=merchant).text)
    body = {"url": "https://shop.example.com/hooks", "events": ["*"], **given(method)}
    made = api.post(PATH, body)
    assert made.status_code == 201, made.content
    path = f"{PATH}/{made.json()['id']}"
    answers = [made, api.get(path), api.get(PATH), api.patch(path, {"name": "CRM"})]
    for answer in answers:
        assert "credentials" not in json.dumps(answer.json())
        for secret in secrets_of(method):
            assert secret not in answer.content.decode()
    shown = answers[1].json()
    assert shown["sign_in"]["method"] == method
    assert (shown["certificate_ends_at"] is not None) == (method == "certificate")
    assert api.patch(path, {"sign_in": shown["sign_in"]}).status_code == 200
    assert api.patch(path, {"sign_in": None}).json()["sign_in"] == {}
