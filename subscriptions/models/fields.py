"""Model fields of our own: public ids and encrypted text."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.db import models

from subscriptions import encryption, ids


class PublicIdField(models.CharField):  # type: ignore[type-arg]
    """A prefixed ULID that stands beside the bigint key wherever a row is named outside the database."""

    def __init__(self, prefix: str = "", **kwargs: Any) -> None:
        self.prefix = prefix
        kwargs.setdefault("max_length", 40)
        kwargs.setdefault("editable", False)
        if prefix:
            kwargs["default"] = partial(ids.new_id, prefix)
        super().__init__(**kwargs)

    def deconstruct(self) -> Any:
        """Keep the prefix in migrations, so that they rebuild the same default."""
        name, path, args, kwargs = super().deconstruct()
        kwargs.pop("default", None)
        return name, path, args, {"prefix": self.prefix, **kwargs}


class EncryptedTextField(models.TextField):  # type: ignore[type-arg]
    """Text that is encrypted at rest with MultiFernet under WEBHOOKS_ENCRYPTION_KEYS, the first key writing."""

    def get_prep_value(self, value: Any) -> Any:
        """Encrypt on the way in."""
        return None if value is None else encryption.encrypt(str(value))

    def from_db_value(self, value: Any, *_: Any) -> Any:
        """Decrypt on the way out."""
        return None if value is None else encryption.decrypt(value)
