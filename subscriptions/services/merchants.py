"""Merchants, with the person who owns them and their first API key."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import validate_domain_name
from django.db import transaction

from subscriptions.models import Membership, Merchant
from subscriptions.services import accounts
from subscriptions.services.keys import create_api_key
from subscriptions.validators import single_line

NAME_MAX = 200
DOMAIN_MAX = 253


@dataclass(frozen=True, slots=True)
class NewMerchant:
    """A merchant just made: its owner, its API key in the clear, and the password if it was set now (else None)."""

    merchant: Merchant
    user: Any
    api_key: str = field(repr=False)
    password: str | None = field(repr=False)


def update_merchant(*, merchant: Merchant, **given: Any) -> Merchant:
    """Change name, email, domain or validate_events. Raises ValidationError for every field that is wrong."""
    values = given | _clean(**{name: value for name, value in given.items() if name in _CHECKS})
    for name, value in values.items():
        setattr(merchant, name, value)
    merchant.full_clean()
    merchant.save(update_fields=[*values, "updated_at"])
    return merchant


@transaction.atomic
def create_merchant(
    *, name: str, email: str, domain: str = "", password: str | None = None, existing_account: bool = False
) -> NewMerchant:
    """Make a merchant, its owner (user name = e-mail in lower case, allowed into the admin) and a key with all scopes.

    Somebody who has an account by this e-mail becomes the owner only where the operator says `existing_account`: an
    address proves nothing about who made the account. They keep their password; one given here must then be theirs.
    A person can't own two merchants of one name, so that a command run twice makes one merchant.

    Raises ValidationError for every field that is wrong; for an account that exists unasked with the code `exists`.
    """
    values = _clean(name=name, email=email, domain=domain)
    user = accounts.existing(values["email"])
    set_password = None
    if user is None:
        user, set_password = accounts.make(values["email"], password)
    else:
        _refuse_twin(user, values)
        if not existing_account:
            problem = f"{values['email']} has an account already. Say that it is to own this merchant, if it is theirs."
            raise ValidationError({"email": [ValidationError(problem, "exists")]})
        accounts.admit(user, values["email"], password)
    merchant = Merchant.objects.create(**values)
    Membership.objects.create(merchant=merchant, user=user, role=Membership.Role.OWNER)
    key = create_api_key(merchant=merchant, name="First key", created_by=user)
    return NewMerchant(merchant, user, key.text, set_password)


def _refuse_twin(user: Any, values: dict[str, str]) -> None:
    twin = Merchant.objects.filter(name=values["name"], memberships__user=user, memberships__role=Membership.Role.OWNER)
    if found := twin.first():
        problem = f"{values['email']} owns a merchant of this name already: {found.public_id}. Choose another name."
        raise ValidationError({"name": [problem]})


def _clean(**given: Any) -> dict[str, str]:
    problems: dict[str, list[str]] = {}
    cleaned: dict[str, str] = {}
    for key, value in given.items():
        try:
            cleaned[key] = _CHECKS[key](value)
        except ValueError as error:
            problems[key] = [str(error)]
    if problems:
        raise ValidationError(problems)
    return cleaned


def _clean_name(value: Any) -> str:
    name = single_line(value, NAME_MAX, "A merchant's name")
    if not name:
        raise ValueError("A merchant needs a name. Give the shop's.")
    if "://" in name:  # invitations and notices are mailed with it, to people who don't know who wrote it
        raise ValueError("A merchant's name is no address. Give the shop's name.")
    return name


def _clean_domain(value: Any) -> str:
    domain = single_line(value, DOMAIN_MAX, "A domain")
    try:
        if domain:
            validate_domain_name(domain)
    except ValidationError:
        raise ValueError(f"{domain!r} is not a domain. Give the bare name, such as shop.example.com.") from None
    return domain


_CHECKS: dict[str, Callable[[Any], str]] = {
    "name": _clean_name,
    "email": accounts.clean_email,
    "domain": _clean_domain,
}
