"""Merchants, with the person who owns them and their first API key."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from django.contrib.auth import password_validation
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.core.validators import validate_domain_name, validate_email
from django.db import IntegrityError, transaction

from subscriptions.models import Membership, Merchant
from subscriptions.services.keys import create_api_key
from subscriptions.validators import single_line

NAME_MAX = 200
EMAIL_MAX = 150
"""Characters of an e-mail address: it is the owner's user name too, and Django's user names end there."""
DOMAIN_MAX = 253
GENERATED_PASSWORD_BYTES = 15


@dataclass(frozen=True, slots=True)
class NewMerchant:
    """A merchant just made: its owner, its API key in the clear, and the password if it was set now (else None)."""

    merchant: Merchant
    user: User
    api_key: str = field(repr=False)
    password: str | None = field(repr=False)


@transaction.atomic
def create_merchant(*, name: str, email: str, domain: str = "", password: str | None = None) -> NewMerchant:
    """Make a merchant, its owner (user name = e-mail in lower case, allowed into the admin) and a key with all scopes.

    Somebody who has an account by this e-mail becomes the owner with it and keeps their password; one given here must
    then be theirs. A person can't own two merchants of one name, so that a command run twice makes one merchant.

    Raises ValidationError for every field that is wrong.
    """
    values = _clean(name=name, email=email, domain=domain)
    user, set_password = _account(values["email"], password)
    twin = Merchant.objects.filter(name=values["name"], memberships__user=user, memberships__role=Membership.Role.OWNER)
    if found := twin.first():
        problem = f"{values['email']} owns a merchant of this name already: {found.public_id}. Choose another name."
        raise ValidationError({"name": [problem]})
    merchant = Merchant.objects.create(**values)
    Membership.objects.create(merchant=merchant, user=user, role=Membership.Role.OWNER)
    key = create_api_key(merchant=merchant, name="First key", created_by=user)
    return NewMerchant(merchant, user, key.text, set_password)


def _clean(**given: Any) -> dict[str, str]:
    problems: dict[str, list[str]] = {}
    cleaned: dict[str, str] = {}
    checks: dict[str, Callable[[Any], str]] = {"name": _clean_name, "email": _clean_email, "domain": _clean_domain}
    for key, check in checks.items():
        try:
            cleaned[key] = check(given[key])
        except ValueError as error:
            problems[key] = [str(error)]
    if problems:
        raise ValidationError(problems)
    return cleaned


def _clean_name(value: Any) -> str:
    name = single_line(value, NAME_MAX, "A merchant's name")
    if not name:
        raise ValueError("A merchant needs a name. Give the shop's.")
    return name


def _clean_email(value: Any) -> str:
    email = single_line(value, EMAIL_MAX, "An e-mail address")
    try:
        validate_email(email)
    except ValidationError:
        raise ValueError(f"{email!r} is not an e-mail address. Give one such as owner@shop.example.") from None
    return email


def _clean_domain(value: Any) -> str:
    domain = single_line(value, DOMAIN_MAX, "A domain")
    try:
        if domain:
            validate_domain_name(domain)
    except ValidationError:
        raise ValueError(f"{domain!r} is not a domain. Give the bare name, such as shop.example.com.") from None
    return domain


def _account(email: str, password: str | None) -> tuple[User, str | None]:
    """Return the account of this e-mail, made if there is none, and the password if it was set just now."""
    user = _existing(email)
    if user is None:
        fresh = User(username=email.lower(), email=email, is_staff=True)
        chosen = password or secrets.token_urlsafe(GENERATED_PASSWORD_BYTES)
        try:
            password_validation.validate_password(chosen, fresh)
        except ValidationError as error:
            raise ValidationError({"password": error.messages}) from error
        fresh.set_password(chosen)
        _insert(fresh)
        return fresh, chosen
    if not user.is_active:
        raise ValidationError({"email": [f"The account of {email} is closed. Activate it or give another address."]})
    if password and not user.check_password(password):
        problem = f"{email} has an account with another password. Leave the password out, or give theirs."
        raise ValidationError({"password": [problem]})
    if not user.is_staff:
        user.is_staff = True
        user.save(update_fields=["is_staff"])
    return user, None


def _insert(user: User) -> None:
    try:
        with transaction.atomic():
            user.save(force_insert=True)
    except IntegrityError:  # the same command ran at the same moment, and got there first
        raise ValidationError({"email": [f"{user.email} got an account at this very moment. Try again."]}) from None


def _existing(email: str) -> User | None:
    # Locked, so that the second of two commands for one person sees the first one's merchant.
    users = User.objects.select_for_update(no_key=True)
    named = users.filter(username=email.lower()).first()
    if named is not None:
        return named
    found = list(users.filter(email__iexact=email)[:2])
    if len(found) > 1:
        raise ValidationError({"email": [f"Several accounts have the address {email}. Give another address."]})
    return found[0] if found else None
