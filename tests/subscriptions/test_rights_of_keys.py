"""Rights don't grow: what a key makes is bounded by it, and a merchant's keys are bounded in number."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import connections

from subscriptions import services
from subscriptions.models import ApiKey, Merchant
from subscriptions.services import keys
from tests.support.api import Client, attrs
from tests.support.desk import sign_in
from tests.support.factories import make_api_key, make_member, make_merchant

pytestmark = pytest.mark.django_db

PATH = "/api/v1/api-keys"
SOON, LATER = datetime(2090, 1, 1, tzinfo=UTC), datetime(2091, 1, 1, tzinfo=UTC)
ALL = ApiKey.Scope.values


def post(made_by: services.NewApiKey, body: dict[str, Any]) -> Any:
    return Client(made_by.text).post(PATH, body)


@pytest.mark.parametrize(
    "asked",
    [LATER, SOON + timedelta(microseconds=1), datetime.max.replace(tzinfo=UTC)],
    ids=["later", "just later", "at the end of time"],
)
def test_a_key_with_an_expiry_makes_none_that_works_longer(asked: datetime) -> None:
    answer = post(make_api_key(expires_at=SOON), {"expires_at": asked.isoformat()})
    assert answer.status_code == 422
    assert "none it makes lasts longer" in attrs(answer)["expires_at"]
    assert ApiKey.objects.count() == 1


@pytest.mark.parametrize(
    ("body", "ends"),
    [
        ({}, SOON),
        ({"expires_at": None}, SOON),
        ({"expires_at": SOON.isoformat()}, SOON),
        ({"expires_at": "2089-12-31T23:00:00-01:00"}, SOON),
        ({"expires_at": "2080-01-01T00:00:00Z"}, datetime(2080, 1, 1, tzinfo=UTC)),
    ],
    ids=str,
)
def test_what_it_makes_ends_with_it_or_before(body: dict[str, Any], ends: datetime) -> None:
    made = post(make_api_key(expires_at=SOON), body).json()
    assert ApiKey.objects.get(public_id=made["id"]).expires_at == ends


@pytest.mark.parametrize("body", [{}, {"expires_at": None}, {"expires_at": LATER.isoformat()}], ids=str)
def test_a_key_without_an_expiry_is_free_to_give_one(body: dict[str, Any]) -> None:
    assert post(make_api_key(), body).status_code == 201


@pytest.mark.parametrize("held", [["manage"], ["manage", "read"], ["manage", "publish"]], ids=str)
def test_a_key_with_fewer_scopes_makes_none_with_more(held: list[str]) -> None:
    key = make_api_key(scopes=held)
    for scope in ALL:
        assert post(key, {"scopes": [scope]}).status_code == (201 if scope in held else 403)
    assert post(key, {"scopes": ALL}).status_code == 403
    assert set(post(key, {}).json()["scopes"]) == set(held)
    grandchild = services.NewApiKey(key.api_key, post(key, {}).json()["key"])
    assert post(grandchild, {"scopes": ALL}).status_code == 403


@pytest.mark.parametrize(
    ("asked", "field"), [({"scopes": ALL}, "scopes"), ({"expires_at": LATER}, "expires_at")], ids=["scopes", "expiry"]
)
def test_the_rule_stands_in_the_service(asked: dict[str, Any], field: str) -> None:
    key = make_api_key(scopes=["manage"], expires_at=SOON).api_key
    with pytest.raises(ValidationError) as caught:
        services.create_api_key(merchant=key.merchant, within=key, **asked)
    assert list(caught.value.message_dict) == [field]
    made = services.create_api_key(merchant=key.merchant, within=key).api_key
    assert (made.scopes, made.expires_at) == (["manage"], SOON)


# --- how many -------------------------------------------------------------------------------------------------------


def end_none(_key: ApiKey) -> None:
    pass


def end_by_revoking(key: ApiKey) -> None:
    services.revoke_api_key(api_key=key)


def end_by_age(key: ApiKey) -> None:
    ApiKey.objects.filter(pk=key.pk).update(expires_at=datetime(2020, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize(("end", "expected"), [(end_none, 422), (end_by_revoking, 201), (end_by_age, 201)])
def test_the_number_of_usable_keys_is_bounded(end: Any, expected: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "API_KEYS_MAX", 3)
    first = make_api_key()
    made = [post(first, {}) for _ in range(2)]
    assert [answer.status_code for answer in made] == [201, 201]
    end(ApiKey.objects.get(public_id=made[0].json()["id"]))
    answer = post(first, {})
    assert answer.status_code == expected
    assert expected == 201 or "has 3 API keys" in attrs(answer)["merchant"]
    assert make_api_key().api_key.is_usable()  # another merchant's


def test_the_page_says_that_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "API_KEYS_MAX", 0)
    merchant = make_merchant()
    browser = sign_in(make_member(merchant))
    answer = browser.post("/admin/webhooks_subscriptions/apikey/add/", {"merchant": merchant.pk, "scopes": ["read"]})
    assert "Revoke one first" in str(answer.context["adminform"].form.errors)


@pytest.mark.django_db(transaction=True)
def test_requests_at_once_never_make_one_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "API_KEYS_MAX", 5)
    merchant = make_merchant()
    start = threading.Barrier(8)

    def make(merchant: Merchant) -> None:
        try:
            start.wait(20)
            for _ in range(3):
                try:
                    services.create_api_key(merchant=merchant)
                except ValidationError:
                    return
        finally:
            connections.close_all()

    threads = [threading.Thread(target=make, args=(merchant,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert merchant.api_keys.count() == 5
