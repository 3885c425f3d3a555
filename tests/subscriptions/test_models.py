"""What the database itself holds to, whoever writes to it."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from subscriptions.models import ApiKey, Membership, SigningSecret, Subscription, Webhook
from tests.support.factories import make_api_key, make_member, make_merchant, make_webhook

pytestmark = pytest.mark.django_db


def test_public_ids_are_prefixed_ulids_and_differ():
    webhook = make_webhook()
    key = make_api_key(webhook.merchant).api_key
    for prefix, row in {"mch": webhook.merchant, "wbh": webhook, "key": key}.items():
        assert re.fullmatch(rf"{prefix}_[0-7][0-9A-HJKMNP-TV-Z]{{25}}", row.public_id)
    assert make_webhook().public_id != webhook.public_id


def test_a_person_is_a_member_once():
    merchant = make_merchant()
    user = make_member(merchant, "viewer")
    with pytest.raises(IntegrityError), transaction.atomic():
        Membership.objects.create(merchant=merchant, user=user, role="owner")


def test_a_pattern_is_subscribed_to_once_at_a_time_but_may_return():
    webhook = make_webhook(events=["order.*"])
    again = {"merchant": webhook.merchant, "webhook": webhook, "pattern": "order.*"}
    with pytest.raises(IntegrityError), transaction.atomic():
        Subscription.objects.create(**again)
    Subscription.objects.update(ended_at=timezone.now())
    assert Subscription.objects.create(**again).pk


def test_a_secret_cannot_have_expired_before_it_was_made():
    secret = make_webhook().secrets.get()
    secret.expires_at = secret.created_at - timedelta(seconds=1)
    with pytest.raises(IntegrityError), transaction.atomic():
        secret.save()


def test_two_keys_cannot_share_a_prefix():
    key = make_api_key().api_key
    with pytest.raises(IntegrityError), transaction.atomic():
        ApiKey.objects.create(merchant=key.merchant, prefix=key.prefix, digest="0" * 64)


def test_a_secret_is_active_until_the_moment_it_expires():
    moment = timezone.now()
    secret = SigningSecret(expires_at=moment)
    assert secret.is_active(moment - timedelta(microseconds=1))
    assert not secret.is_active(moment)
    assert SigningSecret().is_active()


def test_the_name_of_a_webhook_is_its_url_where_it_has_none():
    assert str(Webhook(url="https://shop.example.com/hooks")) == "https://shop.example.com/hooks"
    assert str(Webhook(url="https://shop.example.com/hooks", name="Warehouse")) == "Warehouse"


def test_a_webhook_without_a_cap_of_its_own_has_the_platforms(settings):
    settings.WEBHOOKS_MAX_IN_FLIGHT = 7
    assert Webhook().in_flight_cap == 7
    assert Webhook(max_in_flight=3).in_flight_cap == 3


def test_a_secret_shows_in_no_printed_row():
    webhook = make_webhook()
    secret = webhook.secrets.get()
    assert secret.value not in f"{secret} {secret!r} {webhook!r}"
