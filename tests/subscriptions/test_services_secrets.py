"""Rotation: which secrets sign when, for dialects that sign with one and for those that sign with all."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.core.exceptions import ValidationError
from django.utils import timezone

from deliveries.queueing import webhook_settings
from subscriptions import encryption, selectors, services
from subscriptions.models import SigningSecret, Webhook
from subscriptions.services.secrets import ACTIVE_SECRETS_MAX, OVERLAP_MAX
from subscriptions.signals import webhook_changed
from tests.support.factories import PLAIN_SECRET, STANDARD_SECRET, make_webhook

pytestmark = pytest.mark.django_db


@pytest.fixture
def told():
    actions: list[str] = []

    def listen(*, action: str, **_: Any) -> None:
        actions.append(action)

    webhook_changed.connect(listen)
    yield actions
    webhook_changed.disconnect(listen)


def signing(webhook: Webhook, after: timedelta = timedelta(0)) -> list[str]:
    return selectors.signing_secrets([webhook.pk], timezone.now() + after)[webhook.pk]


def test_after_a_rotation_the_old_secret_signs_until_the_overlap_ends(settings, told):
    settings.WEBHOOKS_SECRET_OVERLAP = 3600.0
    webhook = make_webhook(dialect="alva", secret=PLAIN_SECRET)
    told.clear()
    new = services.rotate_secret(webhook=webhook)
    assert new != PLAIN_SECRET
    assert signing(webhook) == [PLAIN_SECRET, new]
    assert signing(webhook, timedelta(minutes=59)) == [PLAIN_SECRET, new]
    assert signing(webhook, timedelta(minutes=61)) == [new]
    assert told == ["secret_rotated"]


def test_the_new_secret_may_be_the_merchants_own():
    webhook = make_webhook(dialect="alva")
    assert services.rotate_secret(webhook=webhook, secret=PLAIN_SECRET) == PLAIN_SECRET
    assert signing(webhook)[-1] == PLAIN_SECRET


def test_a_rotation_without_overlap_ends_the_old_secret_at_once():
    webhook = make_webhook(dialect="alva", secret=PLAIN_SECRET)
    new = services.rotate_secret(webhook=webhook, overlap=timedelta(0))
    assert signing(webhook) == [new]


def test_a_second_rotation_never_prolongs_what_the_first_promised():
    webhook = make_webhook(dialect="alva", secret=PLAIN_SECRET)
    services.rotate_secret(webhook=webhook, overlap=timedelta(hours=1))
    services.rotate_secret(webhook=webhook, overlap=timedelta(hours=9))
    assert PLAIN_SECRET not in signing(webhook, timedelta(hours=2))


def test_a_second_rotation_may_shorten_what_the_first_promised():
    webhook = make_webhook(dialect="alva", secret=PLAIN_SECRET)
    services.rotate_secret(webhook=webhook, overlap=timedelta(hours=9))
    services.rotate_secret(webhook=webhook, overlap=timedelta(hours=1))
    assert PLAIN_SECRET not in signing(webhook, timedelta(hours=2))


@pytest.mark.parametrize("dialect", ["alva", "litestore", "cryptlex", "shopery"])
def test_where_one_secret_signs_the_one_between_two_rotations_ends_at_once(dialect):
    webhook = make_webhook(dialect=dialect, secret=PLAIN_SECRET)
    between = services.rotate_secret(webhook=webhook)
    newest = services.rotate_secret(webhook=webhook)
    assert between not in signing(webhook)
    assert signing(webhook) == [PLAIN_SECRET, newest]


def test_where_all_sign_each_secret_keeps_its_overlap_up_to_a_limit():
    webhook = make_webhook(secret=STANDARD_SECRET)
    second = services.rotate_secret(webhook=webhook)
    third = services.rotate_secret(webhook=webhook)
    assert signing(webhook) == [STANDARD_SECRET, second, third]
    fourth = services.rotate_secret(webhook=webhook)
    assert signing(webhook) == [second, third, fourth]
    assert len(signing(webhook)) == ACTIVE_SECRETS_MAX


def test_switching_leaves_only_the_newest(told):
    webhook = make_webhook(dialect="alva", secret=PLAIN_SECRET)
    new = services.rotate_secret(webhook=webhook)
    told.clear()
    services.switch_secret(webhook=webhook)
    services.switch_secret(webhook=webhook)
    assert signing(webhook) == [new]
    assert told == ["secret_rotated"]


def test_old_secrets_stay_as_history():
    webhook = make_webhook(dialect="alva", secret=PLAIN_SECRET)
    services.rotate_secret(webhook=webhook, overlap=timedelta(0))
    assert SigningSecret.objects.filter(webhook=webhook).count() == 2


@pytest.mark.parametrize("overlap", [timedelta(seconds=-1), OVERLAP_MAX + timedelta(seconds=1)])
def test_an_overlap_out_of_bounds_is_refused(overlap):
    webhook = make_webhook(dialect="alva", secret=PLAIN_SECRET)
    with pytest.raises(ValidationError) as caught:
        services.rotate_secret(webhook=webhook, overlap=overlap)
    assert "30 days" in caught.value.message_dict["overlap"][0]
    assert signing(webhook) == [PLAIN_SECRET]


@pytest.mark.parametrize("secret", ["short", PLAIN_SECRET, "whsec_not base64 at all!"])
def test_a_rotation_to_a_secret_the_dialect_cannot_use_is_refused(secret):
    webhook = make_webhook(secret=STANDARD_SECRET)
    with pytest.raises(ValidationError) as caught:
        services.rotate_secret(webhook=webhook, secret=secret)
    assert list(caught.value.message_dict) == ["secret"]
    assert signing(webhook) == [STANDARD_SECRET]


def test_a_rotation_to_a_secret_that_signs_already_is_refused():
    webhook = make_webhook(dialect="alva", secret=PLAIN_SECRET)
    with pytest.raises(ValidationError) as caught:
        services.rotate_secret(webhook=webhook, secret=PLAIN_SECRET)
    assert "already" in caught.value.message_dict["secret"][0]


def test_an_update_with_a_secret_replaces_all_others_at_once(told):
    webhook = make_webhook(dialect="alva")
    services.rotate_secret(webhook=webhook)
    told.clear()
    services.update_webhook(webhook=webhook, secret=PLAIN_SECRET)
    assert signing(webhook) == [PLAIN_SECRET]
    assert told == ["secret_rotated"]


@pytest.mark.parametrize("empty", ["", None])
def test_an_update_with_an_empty_secret_keeps_the_present_one(empty):
    webhook = make_webhook(dialect="alva", secret=PLAIN_SECRET)
    services.update_webhook(webhook=webhook, secret=empty, name="x")
    assert signing(webhook) == [PLAIN_SECRET]


def test_another_dialect_keeps_a_secret_that_fits_it():
    webhook = make_webhook(dialect="standard", secret=STANDARD_SECRET)
    services.update_webhook(webhook=webhook, dialect="alva")
    assert webhook.dialect == "alva"
    assert signing(webhook) == [STANDARD_SECRET]


def test_another_dialect_with_a_secret_that_does_not_fit_asks_for_a_new_one():
    webhook = make_webhook(dialect="alva", secret=PLAIN_SECRET)
    with pytest.raises(ValidationError) as caught:
        services.update_webhook(webhook=webhook, dialect="standard")
    text = caught.value.message_dict["secret"][0]
    assert "give a new one along with it" in text
    assert PLAIN_SECRET not in text
    webhook.refresh_from_db()
    assert webhook.dialect == "alva"


def test_another_dialect_may_bring_its_secret_along():
    webhook = make_webhook(dialect="alva", secret=PLAIN_SECRET)
    services.update_webhook(webhook=webhook, dialect="standard", secret=STANDARD_SECRET)
    assert webhook.dialect == "standard"
    assert signing(webhook) == [STANDARD_SECRET]


def test_a_new_secret_is_measured_by_the_new_dialect():
    webhook = make_webhook(dialect="alva", secret="another-fine-secret")
    with pytest.raises(ValidationError) as caught:
        services.update_webhook(webhook=webhook, dialect="standard", secret=PLAIN_SECRET)
    assert list(caught.value.message_dict) == ["secret"]


def test_a_secret_whose_encryption_key_is_lost_can_be_rotated_away(settings):
    webhook = make_webhook(dialect="alva", secret=PLAIN_SECRET)
    settings.WEBHOOKS_ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    with pytest.raises(encryption.UndecryptableSecret):
        list(SigningSecret.objects.all())
    services.rotate_secret(webhook=webhook, secret="a-brand-new-secret")
    assert signing(webhook) == ["a-brand-new-secret"]
    services.switch_secret(webhook=webhook)
    assert SigningSecret.objects.filter(webhook=webhook, expires_at=None).count() == 1


def test_a_creation_time_slightly_ahead_of_our_clock_does_not_stop_a_switch():
    webhook = make_webhook(dialect="alva", secret=PLAIN_SECRET)
    SigningSecret.objects.update(created_at=timezone.now() + timedelta(seconds=2))
    new = services.rotate_secret(webhook=webhook, overlap=timedelta(0))
    assert signing(webhook, timedelta(seconds=3)) == [new]


def replaced(webhook: Webhook) -> None:
    services.update_webhook(webhook=webhook, url="https://new.example.com/hook", secret="NEW-SECRET-123456")


def switched(webhook: Webhook) -> None:
    services.rotate_secret(webhook=webhook)
    services.switch_secret(webhook=webhook)


def rotated(webhook: Webhook) -> None:
    services.rotate_secret(webhook=webhook, overlap=timedelta(0))


@pytest.mark.parametrize("ahead", [0.0, 0.5, 3600.0, -3600.0])
@pytest.mark.parametrize("change", [replaced, switched, rotated])
def test_what_ends_at_once_has_ended_for_workers_whatever_the_web_hosts_clock_says(
    change: Callable[[Webhook], None], ahead: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Promise 10: a new URL never sees the secret of the old one."""
    there = timezone.now
    monkeypatch.setattr(timezone, "now", lambda: there() + timedelta(seconds=ahead))
    webhook = make_webhook(dialect="shopery", secret="OLD-SECRET-123456")
    change(webhook)
    assert len(webhook_settings.read(webhook.pk).secrets) == 1
    assert "OLD-SECRET-123456" not in webhook_settings.read(webhook.pk).secrets


def test_an_overlap_is_counted_by_the_databases_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    webhook = make_webhook(secret=STANDARD_SECRET)
    there = timezone.now
    monkeypatch.setattr(timezone, "now", lambda: there() + timedelta(hours=5))
    services.rotate_secret(webhook=webhook, overlap=timedelta(hours=1))
    end = SigningSecret.objects.filter(webhook=webhook).order_by("id")[0].expires_at
    assert end is not None
    assert abs(end - there() - timedelta(hours=1)) < timedelta(minutes=1)


def test_an_ended_secret_is_not_even_read_by_a_worker_whose_clock_is_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    webhook = make_webhook(dialect="shopery", secret="OLD-SECRET-123456")
    replaced(webhook)
    monkeypatch.setattr(webhook_settings.clock, "at", lambda _moment: timezone.now() - timedelta(hours=1))
    assert webhook_settings.read(webhook.pk).secrets == ["NEW-SECRET-123456"]
