"""Secrets at rest: unreadable in the database, readable through rotations of the encryption key."""

from __future__ import annotations

import pytest
from cryptography.fernet import Fernet
from django.core import checks
from django.core.exceptions import ImproperlyConfigured
from django.db import connection

from subscriptions import encryption
from subscriptions.models import SigningSecret
from tests.support.factories import PLAIN_SECRET, make_webhook


def new_key() -> str:
    return Fernet.generate_key().decode()


def test_what_is_encrypted_comes_back():
    assert encryption.decrypt(encryption.encrypt("sesame é 🔑")) == "sesame é 🔑"


def test_one_text_is_never_encrypted_to_the_same_twice():
    assert encryption.encrypt("sesame") != encryption.encrypt("sesame")


@pytest.mark.django_db
def test_the_database_holds_no_secret_in_the_clear():
    make_webhook(dialect="alva", secret=PLAIN_SECRET)
    with connection.cursor() as cursor:
        cursor.execute("SELECT value FROM webhooks_subscriptions_signingsecret")
        (stored,) = cursor.fetchone()
    assert PLAIN_SECRET not in stored
    assert encryption.decrypt(stored) == PLAIN_SECRET
    assert SigningSecret.objects.get().value == PLAIN_SECRET


def test_the_newest_key_writes_and_older_ones_still_read(settings):
    old, new = new_key(), new_key()
    settings.WEBHOOKS_ENCRYPTION_KEYS = [old]
    before = encryption.encrypt("sesame")
    settings.WEBHOOKS_ENCRYPTION_KEYS = [new, old]
    assert encryption.decrypt(before) == "sesame"
    after = encryption.encrypt("sesame")
    settings.WEBHOOKS_ENCRYPTION_KEYS = [new]
    assert encryption.decrypt(after) == "sesame"


def test_a_text_whose_key_is_gone_says_how_to_mend_it_even_if_it_was_read_before(settings):
    before = encryption.encrypt("sesame")
    assert encryption.decrypt(before) == "sesame"
    settings.WEBHOOKS_ENCRYPTION_KEYS = [new_key()]
    with pytest.raises(encryption.UndecryptableSecret, match="WEBHOOKS_ENCRYPTION_KEYS"):
        encryption.decrypt(before)


def test_text_that_was_tampered_with_is_not_read():
    token = encryption.encrypt("sesame")
    middle = len(token) // 2
    changed = token[:middle] + ("A" if token[middle] != "A" else "B") + token[middle + 1 :]
    with pytest.raises(encryption.UndecryptableSecret):
        encryption.decrypt(changed)


@pytest.mark.parametrize("keys", [["too-short"], ["é" * 44], []])
def test_a_malformed_key_stops_the_start_by_name(settings, keys):
    settings.WEBHOOKS_ENCRYPTION_KEYS = keys
    with pytest.raises(ImproperlyConfigured, match="WEBHOOKS_ENCRYPTION_KEYS"):
        encryption.encrypt("sesame")
    assert "webhooks_subscriptions.E001" in {error.id for error in checks.run_checks()}


def test_a_good_key_passes_the_start_up_check():
    assert "webhooks_subscriptions.E001" not in {error.id for error in checks.run_checks()}
