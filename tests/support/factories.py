"""What tests need to stand on: merchants, people, webhooks, keys and event types, with defaults that make sense.

Everything goes through the services where that is cheap, so that a test's webhook is one a merchant could have made.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from django.contrib.auth.models import User

from subscriptions import services
from subscriptions.models import EventType, Membership, Merchant, Webhook
from subscriptions.services import NewApiKey

STANDARD_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo="
"""A secret that fits every dialect, standard included."""
PLAIN_SECRET = "a-secret-of-the-merchant"
"""A secret that fits every dialect but standard."""

_numbers = itertools.count(1)


def make_merchant(name: str = "", **columns: Any) -> Merchant:
    """Make a merchant without people or keys."""
    number = next(_numbers)
    columns = {"email": f"owner{number}@shop.example", "domain": f"shop{number}.example.com", **columns}
    return Merchant.objects.create(name=name or f"Shop {number}", **columns)


def make_user(**columns: Any) -> User:
    """Make a person who may log in to the admin, with the password `password`."""
    number = next(_numbers)
    columns = {"username": f"person{number}@shop.example", "is_staff": True, "password": "password", **columns}
    return User.objects.create_user(**{"email": columns["username"], **columns})


def make_member(merchant: Merchant, role: str = Membership.Role.OWNER, **columns: Any) -> User:
    """Make a person who has `role` at the merchant."""
    user = make_user(**columns)
    Membership.objects.create(merchant=merchant, user=user, role=role)
    return user


def make_webhook(merchant: Merchant | None = None, *, events: Sequence[str] = ("*",), **settings: Any) -> Webhook:
    """Make a webhook of `merchant` (by default of a new one) that listens to everything in the standard dialect.

    `settings` are those of `services.create_webhook`; `secret=STANDARD_SECRET` where the test must know the secret.
    """
    settings.setdefault("url", f"https://shop.example.com/hooks/{next(_numbers)}")
    return services.create_webhook(merchant=merchant or make_merchant(), events=list(events), **settings).webhook


def make_api_key(merchant: Merchant | None = None, **settings: Any) -> NewApiKey:
    """Make an API key of `merchant` (by default of a new one) with all scopes; its text is in the answer."""
    return services.create_api_key(merchant=merchant or make_merchant(), **settings)


def make_event_type(name: str = "", **columns: Any) -> EventType:
    """Add an event to the catalogue."""
    columns = {"group": "tests", "description": "Something happened.", "example": "{}", **columns}
    return EventType.objects.create(name=name or f"thing.happened_{next(_numbers)}", **columns)
