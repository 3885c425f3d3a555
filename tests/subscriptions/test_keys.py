"""API keys: their form, who they let in, and what is kept of them."""

from __future__ import annotations

import hashlib
import re
from datetime import datetime, timedelta

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

from subscriptions import selectors, services
from subscriptions.models import ApiKey
from tests.support.factories import make_api_key, make_merchant, make_user

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(("live", "kind"), [(True, "live"), (False, "test")])
def test_a_key_is_its_kind_and_43_characters_nobody_mistakes(live, kind):
    text = make_api_key(live=live).text
    assert re.fullmatch(rf"ak_{kind}_[0-9A-Za-z]{{43}}", text)
    assert not set(text[8:]) & set("0OIl")


def test_two_keys_differ_in_what_is_stored_in_the_clear():
    assert make_api_key().api_key.prefix != make_api_key().api_key.prefix


def test_only_the_first_characters_and_a_hash_are_stored():
    made = make_api_key()
    stored = ApiKey.objects.values().get()
    assert stored["prefix"] == made.text[:16]
    assert stored["digest"] == hashlib.sha256(made.text.encode()).hexdigest()
    assert made.text[16:] not in str(stored)
    assert made.text not in repr(made)


def test_a_key_has_all_scopes_unless_told_otherwise():
    assert make_api_key().api_key.scopes == ["publish", "read", "manage", "receive"]
    assert make_api_key(scopes=["read", "publish", "read"]).api_key.scopes == ["publish", "read"]


def test_a_key_knows_who_made_it_and_for_what():
    user = make_user()
    key = ApiKey.objects.get(pk=make_api_key(name=" backend ", created_by=user).api_key.pk)
    assert (key.name, key.created_by) == ("backend", user)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "x" * 101),
        ("name", "a\x00b"),
        ("scopes", []),
        ("scopes", "read"),
        ("scopes", ["read", "fly"]),
        ("scopes", [["read"]]),
        ("expires_at", datetime(2100, 1, 1)),
        ("expires_at", "2100-01-01"),
        ("expires_at", timezone.now() - timedelta(seconds=1)),
    ],
)
def test_a_key_with_settings_that_make_no_sense_is_refused(field, value):
    with pytest.raises(ValidationError) as caught:
        make_api_key(**{field: value})
    assert list(caught.value.message_dict) == [field]
    assert not ApiKey.objects.exists()


# --- who is let in ----------------------------------------------------------------------------------------------


def test_a_key_opens_its_own_merchant_in_one_query(django_assert_num_queries):
    merchant = make_merchant()
    text = make_api_key(merchant).text
    make_api_key()
    selectors.authenticate_key(text)
    with django_assert_num_queries(1):
        key = selectors.authenticate_key(text)
        assert key is not None
        assert key.merchant == merchant


def test_a_key_with_one_character_changed_opens_nothing():
    text = make_api_key().text
    for position in (8, 15, 16, 50):
        other = "x" if text[position] != "x" else "y"
        assert selectors.authenticate_key(text[:position] + other + text[position + 1 :]) is None


def test_a_live_key_is_not_a_test_key():
    assert selectors.authenticate_key(make_api_key().text.replace("ak_live_", "ak_test_")) is None


def test_an_unknown_prefix_costs_what_a_known_one_costs(django_assert_num_queries, monkeypatch):
    compared: list[tuple[str, str]] = []
    known = make_api_key().text
    unknown = "ak_live_" + "x" * 43
    monkeypatch.setattr(selectors.hmac, "compare_digest", lambda a, b: compared.append((a, b)) or a == b)
    for text in (known[:-1] + ("x" if known[-1] != "x" else "y"), unknown):
        with django_assert_num_queries(1):
            assert selectors.authenticate_key(text) is None
    assert [(len(ours), len(theirs)) for ours, theirs in compared] == [(64, 64), (64, 64)]


@pytest.mark.parametrize("text", ["", "ak_live_", "x" * 51, "ak_live_" + "\x00" * 43, "ak_live_é" + "x" * 42, None, 5])
def test_text_that_cannot_be_a_key_is_refused_without_asking_the_database(text, django_assert_num_queries):
    with django_assert_num_queries(0):
        assert selectors.authenticate_key(text) is None


def test_a_key_with_a_line_break_at_its_end_is_refused():
    assert selectors.authenticate_key(make_api_key().text + "\n") is None


def test_a_revoked_key_opens_nothing_and_keeps_the_first_moment():
    made = make_api_key()
    services.revoke_api_key(api_key=made.api_key)
    moment = made.api_key.revoked_at
    assert moment is not None
    services.revoke_api_key(api_key=ApiKey.objects.get())
    assert ApiKey.objects.get().revoked_at == moment
    assert selectors.authenticate_key(made.text) is None


def test_an_expired_key_opens_nothing():
    made = make_api_key(expires_at=timezone.now() + timedelta(hours=1))
    assert selectors.authenticate_key(made.text) is not None
    ApiKey.objects.update(expires_at=timezone.now())
    assert selectors.authenticate_key(made.text) is None


def test_a_key_of_an_inactive_merchant_opens_nothing():
    made = make_api_key(make_merchant(is_active=False))
    assert selectors.authenticate_key(made.text) is None


# --- when it was used -------------------------------------------------------------------------------------------


def test_a_use_is_recorded_at_most_once_a_minute():
    made = make_api_key()
    selectors.authenticate_key(made.text)
    first = ApiKey.objects.get().last_used_at
    assert first is not None
    selectors.authenticate_key(made.text)
    assert ApiKey.objects.get().last_used_at == first
    a_while_ago = first - timedelta(seconds=61)
    ApiKey.objects.update(last_used_at=a_while_ago)
    key = selectors.authenticate_key(made.text)
    assert ApiKey.objects.get().last_used_at >= first
    assert key.last_used_at == ApiKey.objects.get().last_used_at


def test_of_two_requests_that_find_a_use_due_one_writes(monkeypatch):
    made = make_api_key()
    stale = ApiKey.objects.get()
    selectors.authenticate_key(made.text)
    first = ApiKey.objects.get().last_used_at
    selectors._record_use(stale, first + timedelta(seconds=30))
    assert ApiKey.objects.get().last_used_at == first


def test_a_refused_key_was_not_used():
    made = make_api_key(expires_at=timezone.now() + timedelta(hours=1))
    ApiKey.objects.update(expires_at=timezone.now())
    selectors.authenticate_key(made.text)
    assert ApiKey.objects.get().last_used_at is None
