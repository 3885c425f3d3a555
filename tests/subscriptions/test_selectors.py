"""Who sees and may do what, which secrets sign, and names looked up in the catalogue."""

from __future__ import annotations

from datetime import timedelta

import pytest
from cryptography.fernet import Fernet
from django.contrib.auth.models import AnonymousUser
from django.utils import timezone

from subscriptions import selectors, services
from subscriptions.models import Membership, SigningSecret, Webhook
from subscriptions.selectors import Action
from tests.support.factories import (
    PLAIN_SECRET,
    STANDARD_SECRET,
    make_event_type,
    make_member,
    make_merchant,
    make_user,
    make_webhook,
)

pytestmark = pytest.mark.django_db

ALLOWED = {
    "owner": {"view", "publish", "replay", "manage_webhooks", "manage_keys", "manage_members"},
    "developer": {"view", "publish", "replay", "manage_webhooks"},
    "viewer": {"view"},
}


def allowed(user, merchant) -> set[str]:
    return {action.value for action in Action if selectors.can(user, merchant, action)}


# --- people -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", Membership.Role.values)
def test_a_role_allows_what_it_says_at_its_own_merchant_only(role):
    merchant, other = make_merchant(), make_merchant()
    user = make_member(merchant, role)
    make_member(other)
    assert selectors.role_of(user, merchant) == role
    assert allowed(user, merchant) == ALLOWED[role]
    assert selectors.role_of(user, other) is None
    assert allowed(user, other) == set()
    assert list(selectors.merchants_of(user)) == [merchant]


def test_one_person_may_have_several_roles():
    first, second = make_merchant(), make_merchant()
    user = make_member(first, "owner")
    Membership.objects.create(merchant=second, user=user, role="viewer")
    assert list(selectors.merchants_of(user)) == [first, second]
    assert [selectors.role_of(user, merchant) for merchant in (first, second)] == ["owner", "viewer"]


def test_a_superuser_owns_every_merchant_even_an_inactive_one():
    merchants = [make_merchant(), make_merchant(is_active=False)]
    root = make_user(is_superuser=True)
    assert list(selectors.merchants_of(root)) == merchants
    for merchant in merchants:
        assert selectors.role_of(root, merchant) == "owner"
        assert allowed(root, merchant) == ALLOWED["owner"]


def test_staff_without_membership_see_nothing():
    merchant, user = make_merchant(), make_user(is_staff=True)
    assert not selectors.merchants_of(user).exists()
    assert allowed(user, merchant) == set()


def test_at_an_inactive_merchant_people_may_only_look():
    merchant = make_merchant(is_active=False)
    assert allowed(make_member(merchant, "owner"), merchant) == {"view"}


@pytest.mark.parametrize("is_superuser", [True, False])
def test_a_closed_account_may_nothing(is_superuser):
    merchant = make_merchant()
    user = make_member(merchant, "owner", is_active=False, is_superuser=is_superuser)
    assert not selectors.merchants_of(user).exists()
    assert selectors.role_of(user, merchant) is None
    assert allowed(user, merchant) == set()


def test_nobody_signed_in_may_nothing():
    merchant = make_merchant()
    assert not selectors.merchants_of(AnonymousUser()).exists()
    assert allowed(AnonymousUser(), merchant) == set()


def test_a_misspelt_action_is_an_error_and_not_a_refusal():
    with pytest.raises(ValueError, match="manage_webhook"):
        selectors.can(make_user(), make_merchant(), "manage_webhook")


# --- secrets ----------------------------------------------------------------------------------------------------


def test_secrets_of_many_webhooks_come_in_one_query_oldest_first(django_assert_num_queries):
    one, two = make_webhook(secret=STANDARD_SECRET), make_webhook(dialect="alva", secret=PLAIN_SECRET)
    make_webhook()
    new = services.rotate_secret(webhook=one)
    with django_assert_num_queries(1):
        found = selectors.signing_secrets([one.pk, two.pk])
    assert found == {one.pk: [STANDARD_SECRET, new], two.pk: [PLAIN_SECRET]}


def test_an_expired_secret_does_not_sign_from_the_moment_it_expires():
    webhook = make_webhook(secret=STANDARD_SECRET)
    moment = timezone.now() + timedelta(hours=1)
    SigningSecret.objects.update(expires_at=moment)
    assert selectors.signing_secrets([webhook.pk], moment - timedelta(microseconds=1))[webhook.pk] == [STANDARD_SECRET]
    assert selectors.signing_secrets([webhook.pk], moment)[webhook.pk] == []


def test_every_webhook_asked_for_is_in_the_answer():
    webhook = make_webhook()
    SigningSecret.objects.all().delete()
    assert selectors.signing_secrets([webhook.pk, 4711]) == {webhook.pk: [], 4711: []}
    assert selectors.signing_secrets([]) == {}


def test_one_webhooks_lost_key_does_not_stop_the_others(settings, caplog):
    lost = make_webhook()
    settings.WEBHOOKS_ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    fine = make_webhook(secret=STANDARD_SECRET)
    assert selectors.signing_secrets([lost.pk, fine.pk]) == {lost.pk: [], fine.pk: [STANDARD_SECRET]}
    assert f"webhook {lost.pk}" in caplog.text
    assert "WEBHOOKS_ENCRYPTION_KEYS" in caplog.text


# --- webhooks and the catalogue ---------------------------------------------------------------------------------


def test_patterns_come_from_a_prefetch_where_there_is_one(django_assert_num_queries):
    webhook = make_webhook(events=["order.created", "file.*"])
    services.update_webhook(webhook=webhook, events=["file.*", "download.*"])
    read = Webhook.objects.prefetch_related("subscriptions").get()
    with django_assert_num_queries(0):
        assert selectors.patterns_of(read) == ["file.*", "download.*"]


def test_an_event_type_is_found_by_name_and_by_alias():
    gadget = make_event_type("gadget-made", aliases=["gadgets-made", "gadgets.made"])
    for name in ("gadget-made", "gadgets-made", "gadgets.made"):
        assert selectors.event_type_named(name) == gadget


def test_a_document_with_two_spellings_of_one_event_is_served_in_both():
    both = [selectors.event_type_named(name) for name in ("orders-created", "order-created")]
    assert both[0] is not None
    assert both[0] == both[1]


@pytest.mark.parametrize("name", ["gadget.unmade", "", "gadget", "Gadget.made", "*", "gadget.*", "a\x00b", "a\ud800b"])
def test_what_the_catalogue_does_not_hold_is_none(name):
    make_event_type("gadget.made", aliases=["gadgets.made"])
    assert selectors.event_type_named(name) is None


def test_what_staff_took_out_is_none():
    make_event_type("gadget.made", aliases=["gadgets.made"], is_active=False)
    assert selectors.event_type_named("gadget.made") is None
    assert selectors.event_type_named("gadgets.made") is None


def test_a_name_beats_another_entrys_alias():
    make_event_type("gadget.made", aliases=["gadget.built"])
    built = make_event_type("gadget.built")
    assert selectors.event_type_named("gadget.built") == built


def test_many_names_are_looked_up_in_two_queries(django_assert_num_queries):
    make_event_type("gadget.made", aliases=["gadgets.made"])
    with django_assert_num_queries(2):
        found = selectors.event_types_named(["order.created", "gadgets.made", "nobody.knows", "order.paid"])
    assert {name: entry.name for name, entry in found.items()} == {
        "order.created": "order.created",
        "order.paid": "order.paid",
        "gadgets.made": "gadget.made",
    }


def test_names_spelt_as_the_catalogue_does_need_one_query(django_assert_num_queries):
    with django_assert_num_queries(1):
        selectors.event_types_named(["order.created", "order.paid"])


def test_a_form_can_warn_of_patterns_that_match_nothing():
    make_event_type("gadget.made", aliases=["widgets-made"])
    wanted = ["*", "order.*", "widgets-*", "ordr.*", "gadget.made", "gadget.sold"]
    assert selectors.patterns_without_events(wanted) == ["ordr.*", "gadget.sold"]
