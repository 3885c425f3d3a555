"""An invitation accepted at the moment at which somebody accepts, withdraws or replaces it: one of them is first."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError

from subscriptions import services
from subscriptions.models import Invitation, Membership, Merchant
from tests.support.at_once import Beside, uncommitted
from tests.support.factories import make_member, make_merchant, make_user

ADDRESS = "new@mail.example"
ROUNDS = 200
at_once = pytest.mark.django_db(transaction=True)
alone = pytest.mark.django_db

Invited = tuple[Merchant, User, str]


def invited(role: str = "developer") -> Invited:
    """Return a merchant, the person it invited, and the link's token."""
    merchant, person = make_merchant(), make_user(email=ADDRESS)
    owner = make_member(merchant, "owner")
    _invitation, token = services.invite(merchant=merchant, email=ADDRESS, role=role, invited_by=owner)
    return merchant, person, token


def accept(given: Invited) -> bool:
    _merchant, person, token = given
    try:
        services.accept_invitation(token=token, user=person)
    except ValidationError:
        return False
    return True


def withdraw(given: Invited) -> bool:
    for invitation in Invitation.objects.filter(merchant=given[0]):
        services.withdraw_invitation(invitation=invitation)
    return True


def replace(given: Invited) -> bool:
    try:
        services.invite(merchant=given[0], email=ADDRESS, role="viewer")
    except ValidationError:  # a member by now
        return False
    return True


def close(given: Invited) -> bool:
    Merchant.objects.filter(pk=given[0].pk).update(is_active=False)
    return True


def shut_out_the_inviter(given: Invited) -> bool:
    merchant = given[0]
    Membership.objects.create(merchant=merchant, user=make_user(), role="owner")
    inviter = merchant.memberships.filter(role="owner").earliest("pk")
    services.remove_member(membership=inviter)
    return True


AGAINST = [withdraw, replace, close]


@at_once
@pytest.mark.parametrize("other", [accept, *AGAINST])
def test_what_came_first_counts_when_an_invitation_is_accepted_meanwhile(other: Callable[[Invited], bool]) -> None:
    given = invited()
    with uncommitted(lambda: other(given)):
        beside = Beside(lambda: accept(given))
        assert beside.waits
    assert beside.join() is False
    assert given[0].memberships.filter(user=given[1]).count() == (other is accept)


@at_once
@pytest.mark.parametrize("other", [withdraw, replace])
def test_what_was_accepted_first_stays(other: Callable[[Invited], bool]) -> None:
    given = invited()
    with uncommitted(lambda: accept(given)):
        beside = Beside(lambda: other(given))
        assert beside.waits
    beside.join()
    assert given[0].memberships.get(user=given[1]).role == "developer"
    assert not given[0].invitations.exists()


@pytest.mark.slow
@at_once
def test_of_two_hundred_random_rounds_an_invitation_is_accepted_once_or_was_ended() -> None:
    draw = random.Random(7)
    person = make_user(email=ADDRESS)
    for _ in range(ROUNDS):
        merchant = make_merchant()
        _invitation, token = services.invite(merchant=merchant, email=ADDRESS, role="developer")
        given, other, start = (merchant, person, token), draw.choice([accept, withdraw, replace]), threading.Barrier(2)

        def run(what: Callable[[Invited], bool], given: Invited = given, start: Any = start) -> bool:
            start.wait(60)
            return what(given)

        besides = [Beside(lambda run=run, what=what: run(what)) for what in (accept, other)]
        joined, done = (beside.join() for beside in besides)
        members = merchant.memberships.filter(user=person)
        assert members.count() == (joined or (other is accept and done)), other
        if other is accept:
            assert joined != done
        assert merchant.invitations.count() == (other is replace and done), other


@alone
def test_who_may_invite_no_more_leaves_no_open_invitation_behind() -> None:
    given = invited(role="owner")
    shut_out_the_inviter(given)
    assert services.find_invitation(given[2]) is None
    assert accept(given) is False


@alone
def test_an_invitation_changes_no_role_that_its_person_has_meanwhile() -> None:
    given = invited(role="owner")
    Membership.objects.create(merchant=given[0], user=given[1], role="viewer")
    assert accept(given)
    assert given[0].memberships.get(user=given[1]).role == "viewer"
