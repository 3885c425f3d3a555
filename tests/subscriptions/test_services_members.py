"""The last owner stays, whatever happens at once."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from django.core.exceptions import ValidationError
from django.db import connection, connections, transaction

from subscriptions import services
from subscriptions.models import Membership, Merchant
from subscriptions.services import portal
from tests.support.desk import sign_in
from tests.support.factories import make_member, make_merchant

pytestmark = pytest.mark.django_db

MEMBERS = "/admin/webhooks_subscriptions/membership/"


def demote(membership: Membership) -> None:
    services.change_role(membership=membership, role="viewer")


def remove(membership: Membership) -> None:
    services.remove_member(membership=membership)


def demote_on_the_page(membership: Membership) -> None:
    sign_in(membership.user).post(f"{MEMBERS}{membership.pk}/change/", {"role": "viewer"})


def remove_on_the_page(membership: Membership) -> None:
    sign_in(membership.user).post(f"{MEMBERS}{membership.pk}/delete/", {"post": "yes"})


WAYS = [demote, remove, demote_on_the_page, remove_on_the_page]
Way = Callable[[Membership], None]


def owners(merchant: Merchant) -> int:
    return merchant.memberships.filter(role="owner").count()


@pytest.mark.parametrize("way", [demote, remove])
def test_the_last_owner_stays(way: Way) -> None:
    merchant = make_merchant()
    make_member(merchant, "developer")
    make_member(merchant, "owner")
    with pytest.raises(ValidationError, match="last owner"):
        way(merchant.memberships.get(role="owner"))
    assert owners(merchant) == 1


def portal_membership(merchant: Merchant) -> Membership:
    made = portal.create_portal_link(merchant=merchant, role="developer", person="Ada")
    assert portal.open_portal_link(made.token) is not None
    return merchant.memberships.get(user__username__startswith="portal.")


def test_the_account_of_portal_links_cannot_be_made_an_owner() -> None:
    merchant = make_merchant()
    make_member(merchant, "owner")
    membership = portal_membership(merchant)
    with pytest.raises(ValidationError, match="portal links"):
        services.change_role(membership=membership, role="owner")
    services.change_role(membership=membership, role="viewer")
    assert owners(merchant) == 1


@pytest.mark.parametrize("way", [demote, remove])
def test_the_account_of_portal_links_does_not_count_as_an_owner(way: Way) -> None:
    merchant = make_merchant()
    make_member(merchant, "owner")
    person = merchant.memberships.get(role="owner")
    membership = portal_membership(merchant)
    Membership.objects.filter(pk=membership.pk).update(role="owner")  # as an earlier release allowed
    with pytest.raises(ValidationError, match="last owner"):
        way(person)
    membership.refresh_from_db()
    way(membership)
    assert owners(merchant) == 1


@pytest.mark.parametrize("way", [demote, remove])
def test_somebody_who_is_gone_is_no_fault_of_the_second(way: Way) -> None:
    merchant = make_merchant()
    for _ in range(2):
        make_member(merchant, "owner")
    gone = merchant.memberships.last()
    assert gone is not None
    remove(gone)
    if way is demote:
        with pytest.raises(ValidationError, match="no member any more"):
            way(gone)
    else:
        way(gone)
    assert owners(merchant) == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("second", WAYS)
@pytest.mark.parametrize("first", WAYS)
def test_two_owners_never_vanish_at_once(first: Way, second: Way) -> None:
    """Forced: both have looked, and wait for the merchant's row, which a third connection holds."""
    merchant = make_merchant()
    pair = [Membership.objects.get(user=make_member(merchant, "owner")) for _ in range(2)]

    def run(way: Way, membership: Membership) -> None:
        try:
            way(membership)
        except ValidationError:
            pass
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=each) for each in zip((first, second), pair, strict=True)]
    with transaction.atomic():
        Merchant.objects.select_for_update(no_key=True).get(pk=merchant.pk)
        for thread in threads:
            thread.start()
        for _ in range(200):
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_stat_clear_snapshot()")
                cursor.execute(
                    "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
                    " AND datname = current_database()"
                )
                [waiting] = cursor.fetchone()
            if waiting == len(threads):
                break
            threads[0].join(0.02)
        assert waiting == len(threads)
    for thread in threads:
        thread.join(30)
    assert owners(merchant) == 1
