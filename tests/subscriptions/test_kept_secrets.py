"""A stored secret never reaches a new place without the person who knows it: in the service, so at every door."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from django.core.exceptions import ValidationError

from deliveries import dialects
from deliveries.dialects.base import Message
from subscriptions import selectors, services
from subscriptions.models import Webhook
from tests.support.api import Client, attrs
from tests.support.desk import make_shop, sign_in
from tests.support.factories import PLAIN_SECRET, make_member, make_webhook

pytestmark = pytest.mark.django_db

HERE, ELSEWHERE = "https://shop.example.com/hooks/1", "https://attacker.example.com/"
NEW = "another-secret-of-theirs"
CLEAR = [name for name, _label in dialects.CHOICES if dialects.get(name).sends_secret]
HASHED = [name for name, _label in dialects.CHOICES if name != "standard" and name not in CLEAR]

CARRIES = [
    ("shopery", {"url": ELSEWHERE}),
    ("shopery", {"url": HERE + "/other"}),
    ("shopery", {"url": HERE.replace("https", "http")}),
    ("shopery", {"url": HERE, "dialect": "shopery", "name": "same but for its port", "secret": "", "events": ["*"]}),
    *((dialect, {"dialect": "shopery"}) for dialect in HASHED),
    *((dialect, {"dialect": "shopery", "url": ELSEWHERE}) for dialect in HASHED),
    *((dialect, {"dialect": "shopery", "secret": ""}) for dialect in HASHED),
    *((dialect, {"dialect": "shopery", "secret": None}) for dialect in HASHED),
]
CARRIES[3][1]["url"] = HERE.replace(".com/", ".com:8443/")
HARMLESS = [
    ("shopery", {"url": HERE}),
    ("shopery", {"name": "other", "dialect": "shopery"}),
    ("shopery", {"dialect": "alva"}),
    ("shopery", {"dialect": "alva", "url": ELSEWHERE}),
    *((dialect, {"url": ELSEWHERE}) for dialect in HASHED),
]


def secrets_of(webhook: Webhook) -> list[str]:
    return selectors.signing_secrets([webhook.pk])[webhook.pk]


def make(dialect: str, **settings: Any) -> Webhook:
    return make_webhook(url=HERE, dialect=dialect, secret=PLAIN_SECRET, **settings)


def test_a_dialect_says_that_it_sends_its_secret_by_what_it_sends() -> None:
    """Another dialect that sends it can't be forgotten."""
    now = datetime(2024, 1, 15, tzinfo=UTC)
    message = Message("evt_1", "order.created", now, "{}", "shop.example.com", "2024-01", 1, now)
    for name, _label in dialects.CHOICES:
        dialect = dialects.get(name)
        secret = dialect.make_secret()
        sent = dialect.encode(message, [secret])
        is_sent = any(secret in value for _name, value in sent.headers) or secret.encode() in sent.body
        assert dialect.sends_secret == is_sent, name


@pytest.mark.parametrize(("dialect", "changes"), CARRIES, ids=str)
def test_a_change_that_carries_the_secret_away_needs_a_secret(dialect: str, changes: dict[str, Any]) -> None:
    webhook = make(dialect)
    with pytest.raises(ValidationError) as caught:
        services.update_webhook(webhook=webhook, **changes)
    assert list(caught.value.message_dict)[-1] in {"secret", "url"}
    stored = Webhook.objects.get(pk=webhook.pk)
    assert (stored.url, stored.dialect, secrets_of(stored)) == (HERE, dialect, [PLAIN_SECRET])


@pytest.mark.parametrize("given", [NEW, PLAIN_SECRET], ids=["a new one", "the present one"])
@pytest.mark.parametrize("dialect", ["alva", "shopery"])
def test_whoever_gives_a_secret_may(given: str, dialect: str) -> None:
    webhook = make(dialect)
    services.rotate_secret(webhook=webhook, secret="one-that-overlaps-with-it")
    services.update_webhook(webhook=webhook, dialect="shopery", url=ELSEWHERE, secret=given)
    assert secrets_of(webhook) == [given]


@pytest.mark.parametrize(("dialect", "changes"), HARMLESS, ids=str)
def test_other_changes_keep_the_secret(dialect: str, changes: dict[str, Any]) -> None:
    webhook = make(dialect)
    services.update_webhook(webhook=webhook, **changes)
    assert secrets_of(webhook) == [PLAIN_SECRET]


# --- every door -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dialect", ["alva", "shopery"])
@pytest.mark.parametrize("path", ["/api/v1/webhooks/{}", "/company/webhooks/{}"])
@pytest.mark.parametrize("method", ["PATCH", "PUT"])
def test_the_api_asks_for_it(method: str, path: str, dialect: str) -> None:
    webhook = make(dialect)
    api = Client(services.create_api_key(merchant=webhook.merchant).text)
    body: dict[str, Any] = {"url": ELSEWHERE, "events": ["*"]}
    if "company" not in path:
        body["dialect"] = "shopery"
    answer = api.request(method, path.format(webhook.public_id), body)
    if method == "PUT" and "company" not in path:
        assert answer.status_code == 405
        return
    if "company" in path and dialect == "alva":
        assert answer.status_code == 404
        return
    assert answer.status_code == 422
    assert "new place" in attrs(answer)["secret"]
    webhook.refresh_from_db()
    assert (webhook.url, webhook.dialect) == (HERE, dialect)
    answer = api.request(method, path.format(webhook.public_id), {**body, "secret": NEW})
    assert answer.status_code == 200, answer.content
    assert "secret" not in answer.json()
    webhook.refresh_from_db()
    assert (webhook.url, secrets_of(webhook)) == (ELSEWHERE, [NEW])


FORM = {"dialect": "shopery", "events": ["*"], "is_enabled": "on", "body_style": "compact", "api_version": "2024-01"}


@pytest.mark.parametrize("dialect", ["alva", "shopery"])
def test_the_admins_form_asks_for_it(dialect: str) -> None:
    webhook = make(dialect)
    browser = sign_in(make_member(webhook.merchant))
    address = f"/admin/webhooks_subscriptions/webhook/{webhook.pk}/change/"
    answer = browser.post(address, {**FORM, "url": ELSEWHERE})
    assert "new place" in str(answer.context["adminform"].form.errors["secret"])
    webhook.refresh_from_db()
    assert (webhook.url, webhook.dialect) == (HERE, dialect)
    browser.post(address, {**FORM, "url": ELSEWHERE, "secret": NEW})
    webhook.refresh_from_db()
    assert (webhook.url, secrets_of(webhook)) == (ELSEWHERE, [NEW])


@pytest.mark.parametrize("page", ["preview", "test"])
@pytest.mark.parametrize("dialect", ["alva", "shopery"])
def test_a_test_from_the_form_never_carries_it_away(page: str, dialect: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from deliveries.admin import test_send_panel

    prepared: list[test_send_panel.Draft] = []
    prepare = test_send_panel.prepare
    monkeypatch.setattr(
        test_send_panel, "prepare", lambda *words, **named: prepared.append(prepare(*words, **named)) or prepared[-1]
    )
    webhook = make_shop("aster").webhook
    services.update_webhook(webhook=webhook, url=HERE, dialect=dialect, secret=PLAIN_SECRET)
    browser = sign_in(make_member(webhook.merchant))
    browser.post(f"/admin/webhooks_subscriptions/webhook/{webhook.pk}/{page}/", {**FORM, "url": "http://127.0.0.1:1/"})
    assert PLAIN_SECRET not in str(prepared[0].prepared.request)
