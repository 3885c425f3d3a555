"""Signing by key pairs: made, rotated, shown by their public keys only, and refused where a dialect knows none."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.exceptions import ValidationError

from deliveries.dialects import key_pairs
from subscriptions import services
from subscriptions.models import SigningSecret, Webhook
from tests.support.api import Client, attrs
from tests.support.factories import PLAIN_SECRET, STANDARD_SECRET, make_merchant, make_webhook

pytestmark = pytest.mark.django_db

PATH = "/api/v1/webhooks"


def problems(**settings: Any) -> dict[str, list[str]]:
    with pytest.raises(ValidationError) as caught:
        services.create_webhook(
            merchant=make_merchant(), events=["*"], **{"url": "https://shop.example.com/hooks", **settings}
        )
    return caught.value.message_dict


def api_of(webhook: Webhook) -> Client:
    return Client(services.create_api_key(merchant=webhook.merchant).text)


def test_a_key_pair_is_made_on_request_and_only_its_public_key_is_shown() -> None:
    merchant = make_merchant()
    api = Client(services.create_api_key(merchant=merchant).text)
    body = {"url": "https://shop.example.com/hooks", "events": ["*"], "signature": "ed25519"}
    made = api.post(PATH, body)
    assert made.status_code == 201, made.content
    [key] = made.json()["public_keys"]
    assert made.json()["secret"] == ""
    assert key.startswith("whpk_")
    stored = SigningSecret.objects.get()
    assert stored.value.startswith("whsk_")
    for answer in (made, api.get(PATH), api.get(f"{PATH}/{made.json()['id']}")):
        assert "whsk_" not in answer.content.decode()
        assert key in answer.content.decode()


def test_a_pair_is_rotated_with_an_overlap_and_into_a_shared_secret_and_back() -> None:
    webhook = make_webhook(secret=STANDARD_SECRET)
    path = f"{PATH}/{webhook.public_id}"
    api = api_of(webhook)
    first = api.post(f"{path}/rotate-secret", {"signature": "ed25519"}).json()
    assert (first["secret"], first["old_secret_expires_at"] is not None) == ("", True)
    second = api.post(f"{path}/rotate-secret", {}).json()
    assert second["public_key"] not in ("", first["public_key"])
    assert api.get(path).json()["public_keys"] == [first["public_key"], second["public_key"]]
    third = api.post(f"{path}/rotate-secret", {"signature": "hmac", "overlap": 0}).json()
    assert third["secret"].startswith("whsec_")
    assert third["public_key"] == ""
    assert api.get(path).json()["public_keys"] == []


def test_what_a_signature_may_be_is_said() -> None:
    assert "hmac, ed25519" in str(problems(signature="rsa")["signature"])
    assert "hmac, ed25519" in str(problems(signature=["ed25519"])["signature"])
    assert "dialect alva knows no ed25519" in str(problems(signature="ed25519", dialect="alva")["signature"])
    assert "one of the two" in str(problems(signature="ed25519", secret=STANDARD_SECRET)["signature"])
    webhook = make_webhook(dialect="alva", secret=PLAIN_SECRET)
    answer = api_of(webhook).post(f"{PATH}/{webhook.public_id}/rotate-secret", {"signature": "ed25519"})
    assert answer.status_code == 422
    assert "signature" in attrs(answer)


def test_a_private_key_of_ones_own_is_taken_and_never_shown_again() -> None:
    mine = key_pairs.make()
    merchant = make_merchant()
    api = Client(services.create_api_key(merchant=merchant).text)
    made = api.post(PATH, {"url": "https://shop.example.com/hooks", "events": ["*"], "secret": mine})
    assert made.status_code == 201, made.content
    assert made.json()["secret"] == ""
    assert made.json()["public_keys"] == [key_pairs.public_key_of(mine)]
    for dialect in ("alva", "shopery"):  # nobody else knows it, so nobody could verify
        answer = api.patch(f"{PATH}/{made.json()['id']}", {"dialect": dialect})
        assert answer.status_code == 422
        assert "private key of a pair" in attrs(answer)["secret"]
