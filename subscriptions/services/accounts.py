"""Accounts of people: found by their address, made with a password, let into the admin."""

from __future__ import annotations

import secrets
from typing import Any, Final

from django.contrib.auth import get_user_model, password_validation
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction

from subscriptions.services import people
from subscriptions.validators import single_line

EMAIL_MAX: Final = 150
"""Characters of an e-mail address: it is the user name too, and Django's user names end there."""
GENERATED_PASSWORD_BYTES: Final = 15


def clean_email(value: Any) -> str:
    """Return an e-mail address as it is stored. Raises ValueError for anything else.

    ASCII only: letters that look alike, or fold into each other (an `i` without its dot is an `I`, too), would let one
    address pass for another. Mail servers know other domains as `xn--…`.
    """
    if isinstance(value, str) and not value.isascii():
        wrong = next(character for character in value if not character.isascii())
        raise ValueError(
            f"An e-mail address here has plain letters only, and {wrong!r} is none. "
            "Write the domain as xn--… if it has others."
        )
    email = single_line(value, EMAIL_MAX, "An e-mail address")
    try:
        validate_email(email)
    except ValidationError:
        raise ValueError(f"{email!r} is not an e-mail address. Give one such as owner@shop.example.") from None
    return email


def existing(email: str) -> Any:
    """Return the account of this address, by user name or e-mail, locked until the transaction ends; None if none has.

    Raises ValidationError where several accounts have the address.
    """
    # Locked, so that the second of two commands for one person sees the first one's merchant.
    users = get_user_model()._default_manager.select_for_update(no_key=True)
    named = users.filter(**{people.name_field(): email.lower()}).first()
    if named is not None:
        return named
    found = list(users.filter(people.has(people.email_field(), email))[:2])
    if len(found) > 1:
        raise ValidationError({"email": [f"Several accounts have the address {email}. Give another address."]})
    return found[0] if found else None


def make(email: str, password: str | None = None) -> tuple[Any, str]:
    """Make an account that may enter the admin; return it and its password, which is made up when none is given.

    Raises ValidationError for a password that is too easily guessed.
    """
    user = people.new(email)
    if password:
        check_password(password, user)
    # One made up isn't checked: by chance it looks like the name of one account in thousands.
    chosen = password or secrets.token_urlsafe(GENERATED_PASSWORD_BYTES)
    user.set_password(chosen)
    try:
        with transaction.atomic():
            user.save(force_insert=True)
    except IntegrityError:  # another request made it at the same moment, and got there first
        raise ValidationError({"email": [f"{email} got an account at this very moment. Try again."]}) from None
    return user, chosen


def admit(user: Any, email: str, password: str | None) -> None:
    """Let an account that is there into the admin. Raises ValidationError if it is closed, or the password another."""
    if not user.is_active:
        raise ValidationError({"email": [f"The account of {email} is closed. Activate it or give another address."]})
    if password and not user.check_password(password):
        problem = f"{email} has an account with another password. Leave the password out, or give theirs."
        raise ValidationError({"password": [problem]})
    people.let_in(user)


def check_password(password: str, user: Any) -> None:
    """Refuse a password that is too easily guessed. Raises ValidationError for the field `password`."""
    try:
        password_validation.validate_password(password, user)
    except ValidationError as error:
        raise ValidationError({"password": error.messages}) from error
