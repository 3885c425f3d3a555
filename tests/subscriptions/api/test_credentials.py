"""Who may come in, and what each may do."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from rest_framework_simplejwt.tokens import AccessToken

from subscriptions import services
from subscriptions.models import ApiKey, Membership
from subscriptions.services import NewMerchant
from tests.support.api import Client, attrs

PATH = "/api/v1/webhooks"


def key(shop: NewMerchant, **settings: Any) -> Client:
    return Client(services.create_api_key(merchant=shop.merchant, **settings).text)


def person(shop: NewMerchant, role: str) -> User:
    user = User.objects.create_user(f"a-{role}@shop.example", password="a good password")
    Membership.objects.create(merchant=shop.merchant, user=user, role=role)
    return user


def token_client(user: User, shop: NewMerchant) -> Client:
    return Client(str(AccessToken.for_user(user)), **{"X-tenant-ID": shop.merchant.public_id})


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer ",
        "Basic YTpi",
        "ak_live_alone",
        "Bearer ak_live_" + "x" * 43,
        "Bearer ak_",
        "Bearer not.a.token",
        "Bearer é",
        "Bearer a b c",
        "Bearer " + "x" * 10_000,
    ],
)
def test_no_valid_credential_is_401_with_a_challenge(db: None, header: str) -> None:
    answer = Client(None).get(PATH, Authorization=header) if header else Client(None).get(PATH)

    assert answer.status_code == 401, answer.content
    assert answer["WWW-Authenticate"].startswith('Bearer realm="api"')
    assert ("invalid_token" in answer["WWW-Authenticate"]) == bool(header)
    assert answer.json()["type"] == "client_error"


def test_a_revoked_key_is_401_at_once(shop: NewMerchant) -> None:
    made = services.create_api_key(merchant=shop.merchant)
    client = Client(made.text)
    assert client.get(PATH).status_code == 200

    services.revoke_api_key(api_key=made.api_key)

    assert client.get(PATH).status_code == 401


def test_an_expired_key_is_401(shop: NewMerchant) -> None:
    made = services.create_api_key(merchant=shop.merchant, expires_at=timezone.now() + timedelta(hours=1))
    ApiKey.objects.filter(pk=made.api_key.pk).update(expires_at=timezone.now() - timedelta(seconds=1))

    assert Client(made.text).get(PATH).status_code == 401


def test_a_key_of_an_inactive_merchant_is_401(shop: NewMerchant, api: Client) -> None:
    shop.merchant.is_active = False
    shop.merchant.save()

    assert api.get(PATH).status_code == 401


@pytest.mark.parametrize(
    ("scope", "allowed", "refused"),
    [
        ("read", ("GET", PATH, None), ("POST", PATH, "manage")),
        (
            "publish",
            ("POST", "/api/v1/events", {"event": "order.created", "data": {}}),
            ("GET", "/api/v1/events", "read"),
        ),
        ("manage", ("POST", "/api/v1/dead-letters/replay", {"all": True}), ("POST", "/api/v1/events", "publish")),
    ],
)
def test_a_scope_allows_its_own_and_a_403_names_the_missing_one(
    shop: NewMerchant, scope: str, allowed: Any, refused: Any
) -> None:
    client = key(shop, scopes=[scope])

    method, path, body = allowed
    assert client.request(method, path, body).status_code in {200, 201}
    method, path, missing = refused
    answer = client.request(method, path)
    assert answer.status_code == 403
    assert answer.json()["errors"][0]["code"] == "missing_scope"
    assert f'"{missing}"' in answer.json()["errors"][0]["detail"]


# --- tokens -----------------------------------------------------------------------------------------------------


def test_a_token_works_with_its_tenant(shop: NewMerchant) -> None:
    client = token_client(person(shop, "developer"), shop)

    assert client.post("/company/webhooks", {"url": "http://127.0.0.1:9/", "events": ["*"]}).status_code == 201
    assert len(client.get(PATH).json()["results"]) == 1


def test_a_token_without_a_tenant_is_401_and_says_so(shop: NewMerchant) -> None:
    answer = Client(str(AccessToken.for_user(shop.user))).get(PATH)

    assert answer.status_code == 401
    assert "X-tenant-ID" in answer.json()["errors"][0]["detail"]


@pytest.mark.parametrize("tenant", ["mch_nope", "%00", "a" * 300, "é"])
def test_a_tenant_that_is_not_there_is_403(shop: NewMerchant, tenant: str) -> None:
    answer = Client(str(AccessToken.for_user(shop.user)), **{"X-tenant-ID": tenant}).get(PATH)

    assert answer.status_code == 403


def test_a_token_of_a_stranger_is_403_with_the_same_words_as_for_no_tenant(
    shop: NewMerchant, other_shop: NewMerchant
) -> None:
    token = str(AccessToken.for_user(shop.user))
    foreign = Client(token, **{"X-tenant-ID": other_shop.merchant.public_id}).get(PATH)
    nowhere = Client(token, **{"X-tenant-ID": "mch_nope"}).get(PATH)

    assert foreign.status_code == 403
    assert foreign.content == nowhere.content


def test_roles_decide_what_a_token_may_do(shop: NewMerchant) -> None:
    viewer = token_client(person(shop, "viewer"), shop)
    developer = token_client(person(shop, "developer"), shop)
    owner = token_client(shop.user, shop)
    body = {"url": "http://127.0.0.1:9/", "events": ["*"]}

    assert [client.get(PATH).status_code for client in (viewer, developer, owner)] == [200, 200, 200]
    assert [client.post(PATH, body).status_code for client in (viewer, developer, owner)] == [403, 201, 201]
    assert [client.get("/api/v1/api-keys").status_code for client in (viewer, developer, owner)] == [403, 403, 200]


def test_a_token_ends_when_its_person_leaves_closes_the_account_or_changes_the_password(shop: NewMerchant) -> None:
    leaver, closed, changed = (person(shop, role) for role in ("owner", "developer", "viewer"))
    clients = [token_client(user, shop) for user in (leaver, closed, changed)]
    assert [client.get(PATH).status_code for client in clients] == [200, 200, 200]

    Membership.objects.filter(user=leaver).delete()
    User.objects.filter(pk=closed.pk).update(is_active=False)
    changed.set_password("another good password")
    changed.save()

    assert [client.get(PATH).status_code for client in clients] == [403, 401, 401]


def test_an_expired_token_is_401(shop: NewMerchant) -> None:
    token = AccessToken.for_user(shop.user)
    token.set_exp(lifetime=-timedelta(seconds=1))

    answer = Client(str(token), **{"X-tenant-ID": shop.merchant.public_id}).get(PATH)

    assert answer.status_code == 401


def test_a_person_signs_in_and_stays_signed_in(shop: NewMerchant) -> None:
    user = person(shop, "developer")
    pair = Client(None).post("/api/v1/token", {"username": user.username, "password": "a good password"}).json()
    fresh = Client(None).post("/api/v1/token/refresh", {"refresh": pair["refresh"]}).json()

    for token in (pair["access"], fresh["access"]):
        assert Client(token, **{"X-tenant-ID": shop.merchant.public_id}).get(PATH).status_code == 200
    assert Client(pair["refresh"], **{"X-tenant-ID": shop.merchant.public_id}).get(PATH).status_code == 401


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("token", {"username": "owner@shop.example", "password": "wrong"}, 401),
        ("token", {"username": "nobody", "password": "wrong"}, 401),
        ("token", {"username": "owner@shop.example"}, 422),
        ("token", {"username": 5, "password": []}, 422),
        ("token/refresh", {"refresh": "nonsense"}, 401),
        ("token/refresh", {"refresh": 5}, 422),
        ("token/refresh", {}, 422),
    ],
)
def test_signing_in_wrongly_is_refused(shop: NewMerchant, path: str, body: Any, status: int) -> None:
    answer = Client(None).post(f"/api/v1/{path}", body, **{"Idempotency-Key": "k"})

    assert answer.status_code == status, answer.content
    assert status != 401 or answer["WWW-Authenticate"] == 'Bearer realm="api"'


def test_a_refresh_token_of_a_deleted_person_is_401(shop: NewMerchant) -> None:
    user = person(shop, "developer")
    pair = Client(None).post("/api/v1/token", {"username": user.username, "password": "a good password"}).json()
    user.delete()

    assert Client(None).post("/api/v1/token/refresh", {"refresh": pair["refresh"]}).status_code == 401


def test_guessing_a_password_is_slowed(shop: NewMerchant, settings: Any) -> None:
    settings.WEBHOOKS_SIGN_IN_RATE_MINUTE = 3
    statuses = [
        Client(None).post("/api/v1/token", {"username": "owner@shop.example", "password": str(n)}).status_code
        for n in range(5)
    ]

    assert statuses == [401, 401, 401, 429, 429]


# --- API keys ---------------------------------------------------------------------------------------------------


def test_a_key_is_made_shown_once_used_and_revoked(api: Client) -> None:
    answer = api.post("/api/v1/api-keys", {"name": "CI", "scopes": ["read"], "expires_at": "2100-01-01T00:00:00Z"})

    assert answer.status_code == 201, answer.content
    made = answer.json()
    client = Client(made["key"])
    assert client.get(PATH).status_code == 200
    assert client.get("/api/v1/api-keys").status_code == 403
    shown = api.get(f"/api/v1/api-keys/{made['id']}").json()
    assert "key" not in shown
    assert shown["last_used_at"]
    assert api.delete(f"/api/v1/api-keys/{made['id']}").status_code == 204
    assert client.get(PATH).status_code == 401
    assert len(api.get("/api/v1/api-keys").json()["results"]) == 2


def test_a_key_cannot_make_one_that_may_more_than_itself(shop: NewMerchant) -> None:
    client = key(shop, scopes=["manage"])

    assert client.post("/api/v1/api-keys", {"scopes": ["manage", "publish"]}).status_code == 403
    assert client.post("/api/v1/api-keys", {}).json()["scopes"] == ["manage"]


def test_keys_of_another_merchant_are_not_there(api: Client, stranger: Client) -> None:
    theirs = stranger.get("/api/v1/api-keys").json()["results"][0]["id"]

    assert api.get(f"/api/v1/api-keys/{theirs}").status_code == 404
    assert api.delete(f"/api/v1/api-keys/{theirs}").status_code == 404


@pytest.mark.parametrize(
    ("body", "attr"),
    [
        ({"name": 5}, "name"),
        ({"scopes": "read"}, "scopes"),
        ({"scopes": []}, "scopes"),
        ({"scopes": ["rule"]}, "scopes"),
        ({"expires_at": "2001-01-01T00:00:00Z"}, "expires_at"),
        ({"expires_at": "2100-01-01T00:00:00"}, "expires_at"),
        ({"expires_at": 5}, "expires_at"),
        ({"live": "no"}, "live"),
    ],
)
def test_a_wrong_key_is_refused(api: Client, body: Any, attr: str) -> None:
    answer = api.post("/api/v1/api-keys", body)

    assert answer.status_code == 422, answer.content
    assert set(attrs(answer)) == {attr}


def test_a_test_key_says_so(api: Client) -> None:
    assert api.post("/api/v1/api-keys", {"live": False}).json()["key"].startswith("ak_test_")


# --- everything else --------------------------------------------------------------------------------------------


def test_an_address_that_leads_nowhere_is_404_in_the_one_shape(api: Client) -> None:
    for path in ("/api/v1/nothing", "/api/v1/", "/api/v1", "/company/x", "/api/v1/webhooks/"):
        answer = api.get(path)
        assert answer.status_code == 404, path
        assert answer.json()["type"] == "client_error"
    assert "slash" in api.post("/api/v1/events/", {}).json()["errors"][0]["detail"]
    assert Client(None).get("/api/v1/nothing").status_code == 401


def test_other_methods_and_media_types_are_refused(api: Client) -> None:
    answer = api.put(PATH, {})
    assert answer.status_code == 405
    assert "POST" in answer["Allow"]
    assert api.request("OPTIONS", PATH).status_code == 405
    assert api.get(PATH, Accept="text/html").status_code == 406
    assert api.post(PATH, "a=b", **{"Content-Type": "application/x-www-form-urlencoded"}).status_code == 415
