"""Webhooks over the API."""

from __future__ import annotations

from typing import Any

import pytest

from subscriptions import selectors
from subscriptions.models import Webhook
from subscriptions.services import NewMerchant
from tests.support.api import Client, attrs

PATH = "/api/v1/webhooks"
URL = "http://127.0.0.1:9/hook"


def test_a_webhook_is_created_and_its_secret_shown_once(api: Client) -> None:
    answer = api.post(PATH, {"url": URL, "events": ["order.created"], "name": "Orders"})

    assert answer.status_code == 201
    made = answer.json()
    assert made["id"].startswith("wbh_")
    assert made["secret"].startswith("whsec_")
    assert answer["Location"] == f"{PATH}/{made['id']}"
    read = api.get(f"{PATH}/{made['id']}").json()
    assert "secret" not in read
    assert read == {name: value for name, value in made.items() if name != "secret"}
    assert "secret" not in api.get(PATH).json()["results"][0]


def test_every_setting_is_taken_and_shown(api: Client) -> None:
    settings = {
        "name": "All",
        "url": URL,
        "events": ["order.*", "file.uploaded"],
        "dialect": "alva",
        "is_enabled": False,
        "headers": {"X-Shop": "42"},
        "timeout": 5.0,
        "max_in_flight": 3,
        "rate_limit": 2.5,
        "filter": "data.order.currency == 'EUR'",
        "fields": ["order.id"],
        "body_style": "python",
        "api_version": "2025-01",
    }
    made = api.post(PATH, {**settings, "secret": "a secret of mine"}).json()

    assert made["secret"] == "a secret of mine"
    assert {name: made[name] for name in settings} == settings


@pytest.mark.parametrize(
    ("body", "attr"),
    [
        ({"events": ["*"]}, "url"),
        ({"url": URL}, "events"),
        ({"url": "ftp://127.0.0.1/", "events": ["*"]}, "url"),
        ({"url": "http://10.0.0.1/", "events": ["*"]}, "url"),
        ({"url": URL, "events": []}, "events"),
        ({"url": URL, "events": ["order.craeted"]}, "events"),
        ({"url": URL, "events": "order.created"}, "events"),
        ({"url": URL, "events": ["*"], "dialect": "morse"}, "dialect"),
        ({"url": URL, "events": ["*"], "secret": "short"}, "secret"),
        ({"url": URL, "events": ["*"], "timeout": "5"}, "timeout"),
        ({"url": URL, "events": ["*"], "timeout": 1e308}, "timeout"),
        ({"url": URL, "events": ["*"], "headers": {"Host": "x"}}, "headers"),
        ({"url": URL, "events": ["*"], "filter": "=="}, "filter"),
        ({"url": URL, "events": ["*"], "merchant": "mch_1"}, "merchant"),
        ({"url": URL, "events": ["*"], "isEnabled": True}, "isEnabled"),
    ],
)
def test_a_wrong_setting_is_named_and_nothing_is_stored(api: Client, body: Any, attr: str) -> None:
    answer = api.post(PATH, body)

    assert answer.status_code == 422, answer.content
    assert attr in attrs(answer)
    assert not Webhook.objects.exists()


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("{", 400),
        ('{"name": "a", "name": "b"}', 400),
        ('{"timeout": NaN}', 400),
        (b'{"name": "\xff"}', 400),
        ('{"a":' * 500, 400),
        ('{"a":' * 100_000, 422),
        ("[" * 200 + "]" * 200, 422),
        ('{"url": 1e999}', 422),
        ('{"timeout": ' + "9" * 5000 + "}", 422),
        ('{"name": "\\u0000"}', 422),
        ('{"name": "\\ud800"}', 422),
    ],
)
def test_hostile_bodies_are_refused(api: Client, body: Any, status: int) -> None:
    answer = api.post(PATH, body)

    assert answer.status_code == status, answer.content
    assert attrs(answer)


@pytest.mark.parametrize("body", ["[]", "5", '"text"', "true"])
def test_a_body_that_is_no_object_is_422(api: Client, body: str) -> None:
    assert api.post(PATH, body).status_code == 422


def test_a_webhook_is_changed_member_by_member(api: Client, webhook: dict[str, Any]) -> None:
    answer = api.patch(f"{PATH}/{webhook['id']}", {"name": "New", "events": ["file.*"], "timeout": None})

    assert answer.status_code == 200
    assert (answer.json()["name"], answer.json()["events"]) == ("New", ["file.*"])
    assert answer.json()["url"] == webhook["url"]
    assert api.patch(f"{PATH}/{webhook['id']}", {"secret": "another secret"}).status_code == 422


def test_a_deleted_webhook_is_gone(api: Client, webhook: dict[str, Any]) -> None:
    assert api.delete(f"{PATH}/{webhook['id']}").status_code == 204
    assert api.get(f"{PATH}/{webhook['id']}").status_code == 404
    assert api.delete(f"{PATH}/{webhook['id']}").status_code == 404
    assert api.get(PATH).json()["results"] == []


def test_a_webhook_is_paused_and_resumed(api: Client, webhook: dict[str, Any]) -> None:
    paused = api.post(f"{PATH}/{webhook['id']}/pause").json()
    resumed = api.post(f"{PATH}/{webhook['id']}/resume").json()

    assert paused["paused_at"]
    assert paused["paused_by"].startswith("API key ak_live_")
    assert resumed["paused_at"] is None


def test_a_secret_is_rotated_with_an_overlap(api: Client, webhook: dict[str, Any]) -> None:
    answer = api.post(f"{PATH}/{webhook['id']}/rotate-secret", {"overlap": 60})

    assert answer.status_code == 200
    row = Webhook.objects.get()
    assert selectors.signing_secrets([row.pk])[row.pk] == [webhook["secret"], answer.json()["secret"]]
    assert answer.json()["old_secret_expires_at"]


def test_a_rotation_without_overlap_ends_the_old_secret(api: Client, webhook: dict[str, Any]) -> None:
    answer = api.post(f"{PATH}/{webhook['id']}/rotate-secret", {"overlap": 0, "secret": "a secret of mine"})

    assert answer.json() == {
        "id": webhook["id"], "secret": "a secret of mine", "public_key": "", "old_secret_expires_at": None
    }  # fmt: skip
    row = Webhook.objects.get()
    assert selectors.signing_secrets([row.pk])[row.pk] == ["a secret of mine"]


@pytest.mark.parametrize("overlap", [-1, "60", 1e18, True, [], 9e99])
def test_a_wrong_overlap_is_refused(api: Client, webhook: dict[str, Any], overlap: Any) -> None:
    answer = api.post(f"{PATH}/{webhook['id']}/rotate-secret", {"overlap": overlap})

    assert answer.status_code == 422
    assert set(attrs(answer)) == {"overlap"}


def test_webhooks_of_another_merchant_are_not_there(api: Client, stranger: Client, webhook: dict[str, Any]) -> None:
    path = f"{PATH}/{webhook['id']}"

    assert stranger.get(PATH).json()["results"] == []
    assert stranger.get(path).status_code == 404
    assert stranger.patch(path, {"name": "mine"}).status_code == 404
    assert stranger.delete(path).status_code == 404
    for action in ("pause", "resume", "rotate-secret"):
        assert stranger.post(f"{path}/{action}").status_code == 404
    assert stranger.get(f"{path}/stats").status_code == 404


def test_filters_select_webhooks(api: Client, webhook: dict[str, Any]) -> None:
    api.post(PATH, {"url": URL, "events": ["file.*"], "is_enabled": False})

    assert len(api.get(f"{PATH}?is_enabled=true").json()["results"]) == 1
    assert len(api.get(f"{PATH}?event=file.*").json()["results"]) == 1
    assert len(api.get(f"{PATH}?updated_at_min=2000-01-01T00:00:00Z").json()["results"]) == 2
    assert api.get(f"{PATH}?is_enabled=perhaps").status_code == 422


def test_an_etag_spares_the_body_and_guards_a_change(api: Client, webhook: dict[str, Any]) -> None:
    path = f"{PATH}/{webhook['id']}"
    etag = api.get(path)["ETag"]

    same = api.get(path, **{"If-None-Match": etag})
    assert (same.status_code, same.content) == (304, b"")
    assert api.patch(path, {"name": "first"}, **{"If-Match": etag}).status_code == 200
    assert api.patch(path, {"name": "second"}, **{"If-Match": etag}).status_code == 412
    assert api.delete(path, **{"If-Match": etag}).status_code == 412
    assert api.get(path, **{"If-None-Match": etag}).json()["name"] == "first"


@pytest.mark.parametrize("name", ["wbh_nope", "%00", "a" * 200, "é", "..", "a.b"])
def test_an_id_that_is_none_is_404(api: Client, name: str) -> None:
    assert api.get(f"{PATH}/{name}").status_code == 404


def test_the_catalogue_is_listed_with_schemas_and_examples(api: Client) -> None:
    rows = api.get("/api/v1/event-types?limit=200").json()["results"]

    created = next(row for row in rows if row["name"] == "order.created")
    assert created["example"]["order"]["id"] == "1045"
    assert created["schema"]["type"] == "object"


def test_source_ips_are_what_the_operator_named(api: Client, settings: Any) -> None:
    settings.WEBHOOKS_SOURCE_IPS = ["203.0.113.7"]

    assert api.get("/api/v1/source-ips").json() == {"source_ips": ["203.0.113.7"]}


# --- Shopery's door ---------------------------------------------------------------------------------------------


def test_shoperys_documented_request_gets_the_documented_answer(
    shop: NewMerchant, api: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = """{
"name": "webhook test",
"url": "https://test.com/wh",
"events": [
"order-created"
],
"isEnabled": true
}"""
    answer = api.post("/company/webhooks", body)

    assert answer.status_code == 201, answer.content
    assert set(answer.json()) == {"id", "secret"}
    made = Webhook.objects.get()
    assert made.public_id == answer.json()["id"]
    assert (made.dialect, made.name, made.is_enabled) == ("shopery", "webhook test", True)


def test_shoperys_webhooks_are_listed_read_changed_and_deleted(api: Client, webhook: dict[str, Any]) -> None:
    door = "/company/webhooks"
    made = api.post(door, {"name": "S", "url": URL, "events": ["orders-created"], "isEnabled": False}).json()

    shown = {"id": made["id"], "name": "S", "url": URL, "events": ["orders-created"], "isEnabled": False}
    assert api.get(door).json()["results"] == [shown]
    assert api.get(f"{door}/{made['id']}").json() == shown
    assert api.get(f"{door}/{webhook['id']}").status_code == 404
    assert api.patch(f"{door}/{made['id']}", {"isEnabled": True}).json()["isEnabled"] is True
    replaced = api.put(f"{door}/{made['id']}", {"url": URL, "events": ["order-created"]}).json()
    assert (replaced["name"], replaced["events"]) == ("", ["order-created"])
    assert api.delete(f"{door}/{made['id']}").status_code == 204
    assert api.get(door).json()["results"] == []


def test_shoperys_door_names_what_is_wrong_in_its_own_words(api: Client) -> None:
    answer = api.post("/company/webhooks", {"url": URL, "events": ["*"], "isEnabled": "yes"})

    assert answer.status_code == 422
    assert set(attrs(answer)) == {"isEnabled"}


PROXIED = ['W/"{0}"', '"{0}-gzip"', 'W/"{0}-gzip"', '"{0}-br"', '"{0}-zstd"', '"{0}-deflate"', '"{0};gzip"',
           '"{0}:br"', '"{0}--gzip"', '"other", "{0}-gzip"', ' W/"{0}" , "x"', "*"]  # fmt: skip


@pytest.mark.parametrize("form", PROXIED)
def test_an_etag_is_known_as_proxies_that_compress_change_it(api: Client, webhook: dict[str, Any], form: str) -> None:
    path = f"{PATH}/{webhook['id']}"
    tag = form.format(api.get(path)["ETag"].strip('"'))

    assert api.get(path, **{"If-None-Match": tag}).status_code == 304
    assert api.patch(path, {"name": "first"}, **{"If-Match": tag}).status_code == 200
    if form != "*":
        assert api.patch(path, {"name": "second"}, **{"If-Match": tag}).status_code == 412
        assert api.get(path, **{"If-None-Match": tag}).status_code == 200


@pytest.mark.parametrize(
    "form",
    ['"{0}-gzi"', '"{0}-gzip-gzip"', '"{0}x"', '"x{0}"', "{0}", 'w/"{0}"', '"{0}', '"-gzip"', '"{0}-"', '"{0} gzip"'],
)
def test_what_is_no_etag_of_ours_changes_nothing(api: Client, webhook: dict[str, Any], form: str) -> None:
    path = f"{PATH}/{webhook['id']}"
    tag = form.format(api.get(path)["ETag"].strip('"'))

    assert api.get(path, **{"If-None-Match": tag}).status_code == 200
    assert api.patch(path, {"name": "second"}, **{"If-Match": tag}).status_code == 412
