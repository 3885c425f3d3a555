"""Addresses that look like somebody else's, or fold into theirs, are nobody's."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError

from subscriptions import services
from subscriptions.services import people
from tests.support.factories import make_merchant, make_user

pytestmark = pytest.mark.django_db

ADDRESS = "new@mail.example"
LOOKALIKES = [
    "m\u0131ke@mail.example",  # an i without its dot
    "mike@ma\u0131l.example",
    "M\u0130KE@mail.example",  # an I with one
    "mi\u212ae@mail.example",  # Kelvin
    "\u017fmike@mail.example",  # a long s
    "mike@m\u0430il.example",  # Cyrillic
    "\uff4d\uff49\uff4b\uff45@mail.example",  # as wide as Chinese
    "mike@mail\u3002example",
    "mike\u200b@mail.example",  # nothing to see
    "mike@mail.example\u200d",
    "mi\u00adke@mail.example",
]


@pytest.mark.parametrize("address", LOOKALIKES, ids=ascii)
def test_an_address_that_looks_like_anothers_is_refused(address: str) -> None:
    with pytest.raises(ValidationError, match="plain letters"):
        services.invite(merchant=make_merchant(), email=address, role="viewer")
    with pytest.raises(ValidationError, match="plain letters"):
        services.create_merchant(name="x", email=address)


@pytest.mark.parametrize("address", LOOKALIKES, ids=ascii)
def test_an_account_of_a_lookalike_is_not_the_addresss(address: str) -> None:
    """A host's own sign-up may have let it in."""
    lookalike = make_user()
    User.objects.filter(pk=lookalike.pk).update(username=address, email=address)  # Django's own would fold some
    for wanted in ("mike@mail.example", "smike@mail.example"):
        assert not User.objects.filter(people.by_address(wanted)).exists()
        merchant = make_merchant()
        invitation, token = services.invite(merchant=merchant, email=wanted, role="owner")
        assert not services.is_invited(invitation, lookalike)
        with pytest.raises(ValidationError):
            services.accept_invitation(token=token, user=lookalike)
        made = services.create_merchant(name="y", email=wanted, existing_account=False)
        assert made.user != lookalike


@pytest.mark.parametrize("case", [str.upper, str.title, str.swapcase])
def test_an_address_is_its_accounts_in_whatever_case(case: Callable[[str], str]) -> None:
    person = make_user(username="ann", email=case(ADDRESS))
    invitation, _token = services.invite(merchant=make_merchant(), email=case(ADDRESS), role="viewer")
    assert services.is_invited(invitation, person)
