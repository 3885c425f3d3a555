"""The model field of public ids that are computed from the key: no column, and yet it filters like one."""

from __future__ import annotations

import hashlib
import secrets
from functools import lru_cache
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db import DEFAULT_DB_ALIAS, models
from django.db.models.expressions import Col
from django.db.models.functions import Now

from deliveries.db import codes
from subscriptions.conf import settings

NO_ROW = -1
"""The key that a wrong code stands for: no row has it, so it finds nothing."""


class Installation(models.Model):
    """What an installation is made with once and keeps. One row."""

    code_key = models.CharField(max_length=64, help_text="Hex. Public ids of deliveries and attempts are made with it.")
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    def __str__(self) -> str:
        return f"installation of {self.created_at:%F}"


def make_installation(using: str = DEFAULT_DB_ALIAS, **_kwargs: Any) -> None:
    """Make the row of this installation where there is none: after each migrate, which also follows a flush."""
    Installation.objects.using(using).get_or_create(pk=1, defaults={"code_key": secrets.token_hex(32)})
    code_key.cache_clear()


@lru_cache(maxsize=1)
def code_key() -> bytes:
    """Return the key of this installation's codes: WEBHOOKS_CODE_KEY, else what stands in the database.

    It is only read here. Made by whoever asks first, it would be gone with a transaction of the caller's that is rolled
    back, while ids made with it are out.

    Raises:
        ImproperlyConfigured: The database holds none: it was never migrated, or its row was deleted.
    """
    given: str | None = settings.WEBHOOKS_CODE_KEY
    if not given:
        given = Installation.objects.filter(pk=1).values_list("code_key", flat=True).first()
    if not given:
        raise ImproperlyConfigured("This database has no key for public ids. `manage.py migrate` makes one.")
    return hashlib.sha256(given.encode()).digest()


def encode(prefix: str, pk: int) -> str:
    """Return the public id of a row's key."""
    return codes.encode(code_key(), prefix, pk)


class CodeField(models.Field):  # type: ignore[type-arg]
    """`public_id`, computed from the primary key: read on instances, filtered and selected by as any field.

    A text that is no code of this kind matches nothing, without a query. It can't be assigned, ordered by usefully, or
    written: it has no column.
    """

    def __init__(self, prefix: str) -> None:
        super().__init__(editable=False, null=True, db_column=None)
        self.prefix = prefix

    def deconstruct(self) -> Any:
        """Return nothing a migration could need but the prefix."""
        name, path, _args, _kwargs = super().deconstruct()
        return name, path, [self.prefix], {}

    def contribute_to_class(self, cls: Any, name: str, private_only: bool = False) -> None:
        """Stand among the model's private fields: no column, no migration, no form."""
        super().contribute_to_class(cls, name, private_only=True)
        setattr(cls, name, property(lambda row: None if row.pk is None else encode(self.prefix, row.pk)))

    def get_attname_column(self) -> Any:
        """Have a name and no column."""
        return self.get_attname(), None

    def db_type(self, connection: Any) -> None:
        """Have no column, hence no type."""

    def get_internal_type(self) -> str:
        """Compare as keys do."""
        return "BigAutoField"

    def get_col(self, alias: str, output_field: Any = None) -> Any:
        """Read the primary key in this field's place."""
        return Col(alias, self.model._meta.pk, self)

    def get_prep_value(self, value: Any) -> Any:
        """Return the key a code stands for."""
        if value is None or isinstance(value, int):
            return value
        found = codes.decode(code_key(), self.prefix, str(value))
        return NO_ROW if found is None or found >= 2**63 else found

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:
        """Return the code of a selected key."""
        return None if value is None else encode(self.prefix, value)
