"""Merchants: made with their owner and key, for new people and for people who have an account."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError

from subscriptions import selectors, services
from subscriptions.models import ApiKey, Membership, Merchant
from tests.support.factories import make_user

pytestmark = pytest.mark.django_db

PASSWORD = "correct-horse-battery"


def refused(**settings: str | bool | None) -> dict[str, list[str]]:
    """What `create_merchant` objects to; nothing may be stored."""
    before = Merchant.objects.count(), User.objects.count()
    with pytest.raises(ValidationError) as caught:
        services.create_merchant(**{"name": "Acme", "email": "ann@acme.example", **settings})
    assert before == (Merchant.objects.count(), User.objects.count())
    return caught.value.message_dict


def test_a_new_merchant_has_an_owner_who_can_log_in_and_a_key_that_works():
    new = services.create_merchant(
        name=" Acme ", email="Ann@acme.example", domain="shop.acme.example", password=PASSWORD
    )
    merchant = Merchant.objects.get()
    assert new.merchant == merchant
    assert (merchant.name, merchant.email, merchant.domain) == ("Acme", "Ann@acme.example", "shop.acme.example")
    user = User.objects.get()
    assert (user.username, user.email, user.is_staff, user.is_superuser) == (
        *("ann@acme.example", "Ann@acme.example", True, False),
    )
    assert user.check_password(PASSWORD)
    assert selectors.role_of(user, merchant) == "owner"
    key = selectors.authenticate_key(new.api_key)
    assert key is not None
    assert (key.merchant, key.created_by) == (merchant, user)
    assert key.scopes == ApiKey.Scope.values


def test_a_password_is_made_up_when_none_is_given():
    new = services.create_merchant(name="Acme", email="ann@acme.example")
    assert new.password is not None
    assert len(new.password) >= 20
    assert User.objects.get().check_password(new.password)


def test_neither_key_nor_password_show_when_the_answer_is_printed():
    new = services.create_merchant(name="Acme", email="ann@acme.example", password=PASSWORD)
    assert new.api_key not in repr(new)
    assert PASSWORD not in repr(new)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("name", "   "),
        ("name", "x" * 201),
        ("name", "a\x00b"),
        ("email", "ann"),
        ("email", ""),
        ("email", "ann@acme.example\x00"),
        ("email", "a" * 150 + "@acme.example"),
        ("domain", "https://acme.example"),
        ("domain", "acme.example/shop"),
        ("domain", "acme .example"),
        ("password", "12345"),
        ("password", "password"),
        ("password", "ann@acme.example"),
    ],
)
def test_what_makes_no_sense_is_refused_by_field(field, value):
    assert list(refused(**{field: value})) == [field]


def test_every_wrong_field_is_named_at_once():
    assert set(refused(name="", email="ann", domain="a b")) == {"name", "email", "domain"}


def test_somebody_with_an_account_owns_the_new_merchant_too_and_keeps_their_password():
    first = services.create_merchant(name="Acme", email="ann@acme.example", password=PASSWORD)
    second = services.create_merchant(name="Bolt", email="ANN@acme.example", existing_account=True)
    assert second.user == first.user
    assert second.password is None
    assert User.objects.get().check_password(PASSWORD)
    assert list(selectors.merchants_of(first.user)) == [first.merchant, second.merchant]
    assert Membership.objects.filter(role="owner").count() == 2


def test_an_account_is_known_by_its_address_under_any_user_name():
    user = make_user(username="ann", email="ann@acme.example", is_staff=False)
    assert services.create_merchant(name="Acme", email="Ann@acme.example", existing_account=True).user == user
    user.refresh_from_db()
    assert user.is_staff


def test_the_password_of_an_account_may_be_repeated_but_not_changed():
    services.create_merchant(name="Acme", email="ann@acme.example", password=PASSWORD)
    second = services.create_merchant(name="Bolt", email="ann@acme.example", password=PASSWORD, existing_account=True)
    assert second.password is None
    assert list(refused(name="Cog", password="another-good-password", existing_account=True)) == ["password"]
    assert User.objects.get().check_password(PASSWORD)


def test_made_twice_it_is_made_once():
    first = services.create_merchant(name="Acme", email="ann@acme.example", password=PASSWORD)
    assert first.merchant.public_id in refused()["name"][0]


def test_two_people_may_have_shops_of_one_name():
    services.create_merchant(name="Acme", email="ann@acme.example")
    services.create_merchant(name="Acme", email="bob@acme.example")
    assert Merchant.objects.filter(name="Acme").count() == 2


def test_a_closed_account_gets_no_merchant():
    make_user(username="ann@acme.example", is_active=False)
    assert "closed" in refused(existing_account=True)["email"][0]


def test_an_address_of_several_accounts_is_refused():
    make_user(username="ann", email="ann@acme.example")
    make_user(username="anna", email="ann@acme.example")
    assert "Several" in refused()["email"][0]
