"""Writes what is encrypted at rest anew under the newest key, and says which older keys are still needed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from cryptography.fernet import Fernet, InvalidToken
from django.db import models, transaction
from django.db.models import TextField, Value
from django.db.models.functions import Cast

from subscriptions import encryption
from subscriptions.conf import settings
from subscriptions.models import IdempotencyKey, Invitation, SecondFactor, SigningSecret, Webhook

BATCH: Final = 500
"""Rows read and written in one transaction."""
UNREADABLE: Final = -1
"""In the place of a key's number: no key decrypts it."""


@dataclass(frozen=True)
class Place:
    """A column that holds encrypted text; nothing encrypted is stored elsewhere but in sessions, for minutes.

    Attributes:
        name: For people.
    """

    name: str
    model: type[models.Model]
    column: str

    def rows(self) -> models.QuerySet[models.Model]:
        """Return the rows that hold something, each with it as it is stored: `stored`."""
        kept = self.model._default_manager.annotate(stored=Cast(self.column, TextField()))
        return kept.exclude(stored="")


PLACES: Final = (
    Place("signing secrets", SigningSecret, "value"),
    Place("credentials of webhooks", Webhook, "credentials"),
    Place("answers kept for repeated requests", IdempotencyKey, "answer"),
    Place("invitations to be mailed", Invitation, "token"),
    Place("second factors", SecondFactor, "key"),
)


@dataclass
class Step:
    """What came of a batch: how many values were looked at, and how many each key (from 0) had encrypted."""

    looked_at: int = 0
    keys: Counter[int] = field(default_factory=Counter)


def rotate(place: Place) -> Iterator[Step]:
    """Encrypt a column's values under the newest key, a batch a transaction; may be ended and begun anew anywhere.

    What somebody changes at the same time is left as they wrote it.
    """
    for rows in _batches(place):
        step = Step()
        with transaction.atomic():
            for pk, token in rows:
                key = _key(token)
                step.looked_at += 1
                step.keys[key] += 1
                if key > 0:
                    _replace(place, pk, token)
        yield step


def count(place: Place) -> Iterator[Step]:
    """Count as `rotate` does, and write nothing."""
    for rows in _batches(place):
        yield Step(len(rows), Counter(_key(token) for _pk, token in rows))


def _batches(place: Place) -> Iterator[list[tuple[int, str]]]:
    last = 0
    while rows := list(place.rows().filter(pk__gt=last).order_by("pk").values_list("pk", "stored")[:BATCH]):
        last = rows[-1][0]
        yield rows


def _key(token: str) -> int:
    """Return the number of the key that a stored text was encrypted under, or UNREADABLE."""
    for number, key in enumerate(settings.WEBHOOKS_ENCRYPTION_KEYS):
        try:
            Fernet(key).decrypt(token.encode())
        except InvalidToken:
            continue
        return number
    return UNREADABLE


def _replace(place: Place, pk: int, token: str) -> None:
    anew = Value(encryption.encrypt(encryption.decrypt(token)), output_field=TextField())  # not encrypted twice
    place.rows().filter(pk=pk, stored=token).update(**{place.column: anew})
