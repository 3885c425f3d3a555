"""Accounts: a password that somebody gave is checked, one that was made up is taken as it came."""

from __future__ import annotations

import pytest
from django.core.exceptions import ValidationError

from subscriptions.services import accounts

pytestmark = pytest.mark.django_db

EASY = ["quick@shop.example", "quick@shop.exampl", "QUICK@SHOP.EXAMPLE", "password", "1234567890", "short"]


@pytest.mark.parametrize("given", EASY)
def test_a_password_that_is_easily_guessed_is_refused(given: str) -> None:
    with pytest.raises(ValidationError) as refused:
        accounts.make("quick@shop.example", given)
    assert list(refused.value.message_dict) == ["password"]


@pytest.mark.parametrize("made_up", EASY)
def test_one_that_was_made_up_is_never_refused(made_up: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Chance makes some look like the account's name: one run in dozens failed at that."""
    monkeypatch.setattr("secrets.token_urlsafe", lambda _count: made_up)
    user, password = accounts.make("quick@shop.example")
    assert password == made_up
    assert user.check_password(made_up)
