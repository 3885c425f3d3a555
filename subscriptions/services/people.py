"""The project's accounts, whatever model they have: found by user name or e-mail, and made from an e-mail."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import FieldDoesNotExist
from django.db.models import Q

from subscriptions import desk


def name_field() -> str:
    """Return the field that people sign in with: `username`, or what the project's model has in its place."""
    return str(get_user_model().USERNAME_FIELD)


def email_field() -> str:
    """Return the field of the e-mail address; that of the name where accounts have none."""
    model: Any = get_user_model()
    return str(model.get_email_field_name()) if _has(model.get_email_field_name()) else name_field()


def by_address(email: str, prefix: str = "") -> Q:
    """Return the condition that an account has this address as user name or e-mail; `prefix` leads to the account."""
    return has(f"{prefix}{name_field()}", email) | has(f"{prefix}{email_field()}", email)


def has(field: str, email: str) -> Q:
    """Return the condition that a field holds this address, in whatever case.

    Not where it holds other letters than ASCII's: PostgreSQL folds an `i` without its dot to `I`, too, and an address
    with such a letter is somebody else's.
    """
    return Q(**{f"{field}__iexact": email}) & Q(**{f"{field}__regex": r"^[\x01-\x7f]+$"})


def new(email: str) -> Any:
    """Return an account that is not saved yet, with the address as user name and e-mail, which may enter the desk."""
    return get_user_model()(**{email_field(): email, name_field(): email.lower(), **_entry()})


def let_in(user: Any) -> None:
    """Let an account into the desk."""
    changed = [name for name, value in _entry().items() if getattr(user, name) != value]
    for name in changed:
        setattr(user, name, True)
    if changed:
        user.save(update_fields=changed)


def shown(user: Any) -> str:
    """Return how people read an account's name."""
    return str((user.get_full_name() if hasattr(user, "get_full_name") else "") or user.get_username())


def address(user: Any) -> str:
    """Return an account's e-mail address."""
    return str(getattr(user, email_field()) or "")


def _entry() -> dict[str, bool]:
    """Return what lets an account into the desk; a site of our own asks for memberships alone."""
    return {} if desk.is_beside() or not _has("is_staff") else {"is_staff": True}


def _has(field: str) -> bool:
    try:
        get_user_model()._meta.get_field(field)
    except FieldDoesNotExist:
        return False
    return True
