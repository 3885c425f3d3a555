"""`manage.py rotate_keys`: everything encrypted is under the newest key after it, whatever happens beside it."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from cryptography.fernet import Fernet
from django.apps import apps
from django.core.management import CommandError, call_command
from django.utils import timezone

from subscriptions import encryption, re_encryption
from subscriptions.models import IdempotencyKey, Invitation, SigningSecret, Webhook
from subscriptions.models.fields import EncryptedTextField
from subscriptions.re_encryption import PLACES
from tests.support.factories import PLAIN_SECRET, make_merchant, make_webhook

pytestmark = pytest.mark.django_db

OLD, OLDER, NEW = (Fernet.generate_key().decode() for _ in range(3))


@pytest.fixture(autouse=True)
def old_key(settings: Any) -> None:
    settings.WEBHOOKS_ENCRYPTION_KEYS = [OLD]


def fill(count: int = 1) -> None:
    """Store something encrypted in every place."""
    for number in range(count):
        webhook = make_webhook(dialect="alva", secret=PLAIN_SECRET)
        Webhook.objects.filter(pk=webhook.pk).update(credentials=encryption.encrypt('{"password": "p"}'))
        merchant = make_merchant()
        IdempotencyKey.objects.create(
            merchant=merchant, key=f"k{number}", claim="c", fingerprint="f", answer='{"secret": "s"}'
        )
        Invitation.objects.create(
            merchant=merchant, email="a@example.com", digest=f"d{number}", token="t", expires_at=timezone.now()
        )


def run(**options: Any) -> str:
    out = StringIO()
    call_command("rotate_keys", stdout=out, **options)
    return out.getvalue()


def stored() -> list[str]:
    """Return all that is stored encrypted, as it is stored."""
    return [text for place in PLACES for text in place.rows().values_list("stored", flat=True)]


def test_everything_is_under_the_newest_key_and_the_old_one_can_go(settings: Any) -> None:
    fill(3)
    settings.WEBHOOKS_ENCRYPTION_KEYS = [NEW, OLD]

    said = run()

    assert "Key 1 of 2: encrypts; 12 stored values are under it." in said
    [told] = [
        line for line in said.splitlines() if line.startswith("Key 2 of 2: not needed any more, unless a process")
    ]
    assert told.endswith("then take it out of WEBHOOKS_ENCRYPTION_KEYS.")
    settings.WEBHOOKS_ENCRYPTION_KEYS = [NEW]
    assert {secret.value for secret in SigningSecret.objects.all()} == {PLAIN_SECRET}
    assert {encryption.decrypt(webhook.credentials) for webhook in Webhook.objects.all()} == {'{"password": "p"}'}
    assert {row.answer for row in IdempotencyKey.objects.all()} == {'{"secret": "s"}'}
    assert {row.token for row in Invitation.objects.all()} == {"t"}
    assert "Key 1 of 1: encrypts; 12" in run(dry_run=True)


def test_a_dry_run_says_what_needs_which_key_and_writes_nothing(settings: Any) -> None:
    fill()
    settings.WEBHOOKS_ENCRYPTION_KEYS = [NEW, OLDER, OLD]
    before = stored()

    said = run(dry_run=True)

    assert "Key 1 of 3: encrypts; 0 stored values" in said
    assert "Key 2 of 3: not needed any more" in said
    assert "Key 3 of 3: still needed by 4 stored values." in said
    assert stored() == before


def test_what_no_key_decrypts_is_told_and_left_alone(settings: Any) -> None:
    fill()
    settings.WEBHOOKS_ENCRYPTION_KEYS = [NEW]
    before = stored()

    with pytest.raises(CommandError, match="4 stored values can't be decrypted"):
        run()

    assert stored() == before


def test_a_run_that_was_stopped_goes_on_where_it_ended(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(3)
    settings.WEBHOOKS_ENCRYPTION_KEYS = [NEW, OLD]
    monkeypatch.setattr(re_encryption, "BATCH", 2)
    next(re_encryption.rotate(PLACES[0]))
    assert "Key 2 of 2: still needed by 10" in run(dry_run=True)

    assert "Key 2 of 2: not needed any more" in run()


def test_what_is_changed_at_the_same_time_stays_as_it_was_changed(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill()
    settings.WEBHOOKS_ENCRYPTION_KEYS = [NEW, OLD]
    replace = re_encryption._replace

    def after_a_change(place: Any, pk: int, token: str) -> None:
        if place.model is SigningSecret:
            SigningSecret.objects.filter(pk=pk).update(value="changed meanwhile")
        replace(place, pk, token)

    monkeypatch.setattr(re_encryption, "_replace", after_a_change)
    run()

    assert SigningSecret.objects.get().value == "changed meanwhile"


def test_no_column_that_is_encrypted_is_left_out() -> None:
    """Another encrypted field can't be forgotten; credentials are encrypted by who writes them."""
    fields = {
        (model, field.name)
        for model in apps.get_models()
        for field in model._meta.get_fields()
        if isinstance(field, EncryptedTextField)
    }
    assert {(place.model, place.column) for place in PLACES} == fields | {(Webhook, "credentials")}


def test_a_secret_that_waited_to_be_shown_is_gone_when_its_key_is(settings: Any, rf: Any) -> None:
    from subscriptions.admin import shown_once

    request = rf.get("/")
    request.session = {}
    shown_once.keep(request, {"Signing secret": "s"})
    settings.WEBHOOKS_ENCRYPTION_KEYS = [NEW]

    assert shown_once.take(request) == {}
