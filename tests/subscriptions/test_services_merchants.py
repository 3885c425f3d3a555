"""Merchants: made with their owner and key, for new people and for people who have an account."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.urls import reverse

from subscriptions import selectors, services
from subscriptions.models import ApiKey, Membership, Merchant
from tests.support.desk import make_shop, sign_in
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


ODD_NAMES = (
    "Acme\r\nBcc: all@mail.example", "Acme\nBcc", "Acme\x1b[31m", "Acme\x85Next", "Acme\u2028Next", "Acme\u2029Next",
    "\u202eemcA", "Ac\u2066me", "Ac\u200eme", "Ac\u200bme", "Ac\ufeffme", "Ac\xadme", "Ac\u2060me",
    "Acme: see https://evil.example/", "http://evil.example",
)  # fmt: skip
GOOD_NAMES = (
    "Acme & Söhne",
    "شركة",
    "\u0646\u06cc\u0645\u200c\u062e\u0637",
    "👩\u200d💻 Shop",
    "A/B",
    "shop.example.com",
    "商店",
)


@pytest.mark.parametrize("name", ODD_NAMES)
def test_a_name_is_one_line_that_reads_as_it_is_written_and_no_address(name: str) -> None:
    assert refused(name=name).keys() == {"name"}
    merchant = services.create_merchant(name="Acme", email="ann@acme.example").merchant
    with pytest.raises(ValidationError):
        services.update_merchant(merchant=merchant, name=name)
    merchant.refresh_from_db()
    assert merchant.name == "Acme"


@pytest.mark.parametrize("name", GOOD_NAMES)
def test_names_of_all_scripts_are_kept_as_they_are(name: str) -> None:
    merchant = services.create_merchant(name=name, email="ann@acme.example").merchant
    assert merchant.name == name
    assert services.update_merchant(merchant=merchant, name=name, domain="").name == name


@pytest.mark.parametrize("name", ODD_NAMES[:13])
def test_names_of_webhooks_and_keys_are_one_line_too(name: str) -> None:
    merchant = services.create_merchant(name="Acme", email="ann@acme.example").merchant
    with pytest.raises(ValidationError):
        services.create_webhook(merchant=merchant, url="https://shop.example.com/", events=["order.created"], name=name)
    with pytest.raises(ValidationError):
        services.create_api_key(merchant=merchant, name=name)


@pytest.mark.parametrize("name", ODD_NAMES)
def test_an_owner_cannot_give_the_shop_such_a_name_on_its_page(name: str) -> None:
    shop = make_shop("aster")
    address = reverse("admin:webhooks_subscriptions_merchant_change", args=[shop.merchant.pk])
    given = {"name": name, "email": "ann@acme.example", "domain": ""}
    answer = sign_in(shop.people["owner"]).post(address, given)
    assert answer.status_code == 200
    assert "name" in answer.context["adminform"].form.errors
    shop.merchant.refresh_from_db()
    assert shop.merchant.name != name
