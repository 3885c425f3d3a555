from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from subscriptions import selectors
from subscriptions.models import ApiKey, Membership, Merchant
from tests.support.desk import Shop, make_shop, sign_in
from tests.support.factories import make_user

pytestmark = pytest.mark.django_db

KEYS, MEMBERS = "/admin/webhooks_subscriptions/apikey/", "/admin/webhooks_subscriptions/membership/"


@pytest.fixture
def shop() -> Shop:
    return make_shop("aster")


@pytest.fixture
def owner(shop: Shop) -> Client:
    return sign_in(shop.people["owner"])


# --- keys -----------------------------------------------------------------------------------------------------------


def test_a_key_is_shown_once_and_works(shop: Shop, owner: Client) -> None:
    answer = owner.post(f"{KEYS}add/", {"merchant": shop.merchant.pk, "name": "backend", "scopes": ["publish"]})
    shown = owner.get(answer["Location"]).context["secrets"]["API key"]
    key = selectors.authenticate_key(shown)
    assert key is not None
    assert (key.name, key.scopes, key.created_by) == ("backend", ["publish"], shop.people["owner"])
    assert shown not in owner.get(answer["Location"]).content.decode()


def test_only_people_with_several_merchants_are_asked_for_one(shop: Shop, owner: Client) -> None:
    page = owner.get(f"{KEYS}add/").content.decode()
    assert f'<input type="hidden" name="merchant" value="{shop.merchant.pk}"' in page
    assert 'name="_addanother"' not in page
    Membership.objects.create(merchant=make_shop("borage").merchant, user=shop.people["owner"], role="owner")
    assert '<select name="merchant"' in owner.get(f"{KEYS}add/").content.decode()


def test_a_page_is_named_by_what_it_shows_as_it_is_written(shop: Shop, owner: Client) -> None:
    key = ApiKey.objects.get(merchant=shop.merchant)
    page = owner.get(f"{KEYS}{key.pk}/change/").content.decode()
    assert f"{key.prefix}…" in page
    assert f"{key.prefix}…".capitalize() not in page
    letter = owner.get(f"/admin/webhooks_deliveries/deadletter/{shop.dead_letter.pk}/change/").content.decode()
    assert f"order.created to {shop.webhook}" in letter


def test_a_revoked_key_is_refused_and_stays_listed(shop: Shop, owner: Client) -> None:
    answer = owner.post(f"{KEYS}add/", {"merchant": shop.merchant.pk, "name": "backend", "scopes": ["read"]})
    text = owner.get(answer["Location"]).context["secrets"]["API key"]
    key = ApiKey.objects.get(name="backend")
    owner.post(reverse("admin:webhooks_subscriptions_apikey_revoke", args=[key.pk]))
    assert selectors.authenticate_key(text) is None
    assert "revoked" in owner.get(KEYS).content.decode()


@pytest.mark.parametrize(
    ("values", "field"),
    [({"scopes": []}, "scopes"), ({"expires_at_0": "2020-01-01", "expires_at_1": "00:00"}, "expires_at")],
)
def test_a_wrong_key_is_told_beside_the_field(values: dict[str, object], field: str, shop: Shop, owner: Client) -> None:
    answer = owner.post(f"{KEYS}add/", {"merchant": shop.merchant.pk, "name": "x", "scopes": ["read"], **values})
    assert field in answer.context["adminform"].form.errors
    assert not ApiKey.objects.filter(name="x").exists()


@pytest.mark.parametrize("role", ["developer", "viewer"])
def test_keys_are_the_owners_business(role: str, shop: Shop) -> None:
    browser = sign_in(shop.people[role])
    assert browser.get(KEYS).status_code == 403
    assert browser.post(f"{KEYS}add/", {"merchant": shop.merchant.pk, "scopes": ["read"]}).status_code == 403
    assert "API keys" not in browser.get("/admin/").content.decode()


# --- members --------------------------------------------------------------------------------------------------------


def test_a_role_can_change_but_the_last_owner_stays(shop: Shop, owner: Client) -> None:
    viewer = shop.merchant.memberships.get(user=shop.people["viewer"])
    last = shop.merchant.memberships.get(user=shop.people["owner"])
    owner.post(f"{MEMBERS}{viewer.pk}/change/", {"role": "developer"})
    answer = owner.post(f"{MEMBERS}{last.pk}/change/", {"role": "viewer"})
    assert "the last owner" in str(answer.context["adminform"].form.errors)
    assert owner.post(f"{MEMBERS}{last.pk}/delete/", {"post": "yes"}).status_code == 403
    owner.post(f"{MEMBERS}{viewer.pk}/delete/", {"post": "yes"})
    assert set(Membership.objects.filter(merchant=shop.merchant).values_list("role", flat=True)) == {
        "owner",
        "developer",
    }


# --- merchants and accounts -------------------------------------------------------------------------------------------


def test_an_owner_changes_where_notices_go(shop: Shop, owner: Client) -> None:
    values = {"name": "Aster", "email": "ops@aster.example", "domain": "aster.example"}
    owner.post(f"/admin/webhooks_subscriptions/merchant/{shop.merchant.pk}/change/", values)
    shop.merchant.refresh_from_db()
    assert (shop.merchant.name, shop.merchant.email) == ("Aster", "ops@aster.example")


def test_staff_create_a_merchant_with_its_first_owner(shop: Shop) -> None:
    staff = sign_in(make_user(is_superuser=True))
    values = {"name": "Cedar", "email": "cedar@mail.example", "domain": "cedar.example"}
    answer = staff.post("/admin/webhooks_subscriptions/merchant/add/", values)
    secrets = staff.get(answer["Location"]).context["secrets"]
    assert set(secrets) == {"User name", "Password", "API key"}
    assert Merchant.objects.get(name="Cedar").memberships.get().role == "owner"
    assert sign_in(shop.people["owner"]).get("/admin/webhooks_subscriptions/merchant/add/").status_code == 403


def test_staff_give_a_merchant_to_an_account_only_by_saying_so() -> None:
    staff, person = sign_in(make_user(is_superuser=True)), make_user()
    values = {"name": "Cedar", "email": person.email, "domain": ""}
    answer = staff.post("/admin/webhooks_subscriptions/merchant/add/", values)
    assert "has an account already" in str(answer.context["adminform"].form.errors["email"])
    staff.post("/admin/webhooks_subscriptions/merchant/add/", {**values, "existing_account": "on"})
    assert Merchant.objects.get(name="Cedar").memberships.get().user == person


def test_accounts_are_the_staffs_business(shop: Shop, owner: Client) -> None:
    for page in ("", "add/", f"{shop.people['viewer'].pk}/change/", f"{shop.people['viewer'].pk}/password/"):
        assert owner.get(f"/admin/auth/user/{page}").status_code in {302, 403, 404}
    staff = sign_in(make_user(is_superuser=True))
    assert staff.get("/admin/auth/user/").status_code == 200
    assert staff.get(f"/admin/auth/user/{shop.people['viewer'].pk}/change/").status_code == 200
