"""Settings of queues: what is refused at save and how it is said, at every door; what is stored, and what is shown."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.core.exceptions import ValidationError

from subscriptions import encryption, services, webhook_rules
from subscriptions.models import Webhook
from tests.support.api import Client, attrs
from tests.support.clouds import AWS_KEYS, GOOGLE_KEYS
from tests.support.factories import make_merchant, make_webhook

pytestmark = pytest.mark.django_db

BUS = {"region": "eu-central-1", "bus": "orders"}
QUEUE = {"queue_url": "https://sqs.eu-central-1.amazonaws.com/123456789012/orders"}
TOPIC = {"project": "my-shop-123456", "topic": "orders"}
GIVEN: dict[str, dict[str, Any]] = {
    "eventbridge": {"kind": "eventbridge", "destination": BUS, "credentials": AWS_KEYS},
    "sqs": {"kind": "sqs", "destination": QUEUE, "credentials": AWS_KEYS},
    "pubsub": {"kind": "pubsub", "destination": TOPIC, "credentials": GOOGLE_KEYS},
}
STORED = {
    "eventbridge": ("https://events.eu-central-1.amazonaws.com/", BUS | {"source": "merchant-webhooks"}),
    "sqs": ("https://sqs.eu-central-1.amazonaws.com/", QUEUE | {"region": "eu-central-1"}),
    "pubsub": ("https://pubsub.googleapis.com/v1/projects/my-shop-123456/topics/orders:publish", TOPIC),
}
WORDS = {
    "eventbridge": "EventBridge bus orders in eu-central-1",
    "sqs": "SQS queue orders in eu-central-1",
    "pubsub": "Pub/Sub topic orders of project my-shop-123456",
}


def make(kind: str, **changes: Any) -> Webhook:
    return make_webhook(**{"url": "", **GIVEN[kind], **changes})


def problems(**settings: Any) -> dict[str, list[str]]:
    with pytest.raises(ValidationError) as caught:
        services.create_webhook(merchant=make_merchant(), events=["*"], **settings)
    return caught.value.message_dict


@pytest.mark.parametrize("kind", GIVEN)
def test_a_queue_is_stored_with_its_address_and_shown_in_words(kind: str) -> None:
    webhook = make(kind)
    webhook.refresh_from_db()
    assert (webhook.url, webhook.destination) == STORED[kind]
    assert webhook.place == str(webhook) == WORDS[kind]
    stored = json.loads(encryption.decrypt(webhook.credentials))
    given = GIVEN[kind]["credentials"]
    assert stored == {name: given[name].strip() for name in stored}
    assert len(stored) >= 2


def test_every_kind_that_is_offered_is_one_of_these() -> None:
    assert [kind.name for kind in webhook_rules.rules().kinds()] == ["https", *GIVEN, "pull"]


@pytest.mark.parametrize("host", ["sqs.eu-central-1.amazonaws.com", "eu-central-1.queue.amazonaws.com"])
def test_a_queues_region_is_read_from_its_address(host: str) -> None:
    webhook = make("sqs", destination={"queue_url": f"https://{host}/123456789012/orders.fifo"})
    assert webhook.destination["region"] == "eu-central-1"


def test_china_has_addresses_of_its_own() -> None:
    webhook = make("eventbridge", destination=BUS | {"region": "cn-north-1"})
    assert webhook.url == "https://events.cn-north-1.amazonaws.com.cn/"


WRONG: list[tuple[str, dict[str, Any], str, str]] = [
    ("eventbridge", {"region": "Frankfurt"}, "destination.region", "eu-central-1"),
    ("eventbridge", {"region": None}, "destination.region", "needed"),
    ("eventbridge", {"region": "eu-central-1.evil.example/"}, "destination.region", "region of AWS"),
    ("eventbridge", {"region": 1}, "destination.region", "text"),
    ("eventbridge", {"bus": ""}, "destination.bus", "needed"),
    ("eventbridge", {"bus": "bus with spaces"}, "destination.bus", "ARN"),
    ("eventbridge", {"bus": "b" * 2000}, "destination.bus", "at most"),
    ("eventbridge", {"source": "aws.events"}, "destination.source", "Amazon's own"),
    ("eventbridge", {"queue": "x"}, "destination.queue", "There are: region, bus"),
    ("eventbridge", {"endpoint": "ftp://x.example"}, "destination.endpoint", "scheme and host"),
    ("eventbridge", {"endpoint": "https://user:pw@x.example"}, "destination.endpoint", "scheme and host"),
    ("eventbridge", {"endpoint": "https://x.example/path"}, "destination.endpoint", "scheme and host"),
    ("eventbridge", {"endpoint": "https://10.0.0.7"}, "destination.endpoint", "10.0.0.7"),
    ("eventbridge", {"endpoint": "https://169.254.169.254"}, "destination.endpoint", "169.254.169.254"),
    ("eventbridge", {"endpoint": "https://[fd00::1]"}, "destination.endpoint", "fd00"),
    ("sqs", {"queue_url": "orders"}, "destination.queue_url", "as AWS shows it"),
    ("sqs", {"queue_url": "https://sqs.eu-central-1.amazonaws.com/1/a b"}, "destination.queue_url", "as AWS shows it"),
    ("sqs", {"queue_url": "https://queues.example.com/1/orders"}, "destination.region", "doesn't name its region"),
    ("sqs", {"queue_url": "https://10.0.0.7/1/orders", "region": "eu-central-1"}, "destination.endpoint", "10.0.0.7"),
    ("pubsub", {"project": "My Shop"}, "destination.project", "project's id"),
    ("pubsub", {"project": "../../x-12345"}, "destination.project", "project's id"),
    ("pubsub", {"topic": "t"}, "destination.topic", "3 to 255"),
    ("pubsub", {"topic": "goog-orders"}, "destination.topic", "3 to 255"),
    ("pubsub", {"topic": "orders:publish/../x"}, "destination.topic", "3 to 255"),
]


@pytest.mark.parametrize(("kind", "wrong", "field", "said"), WRONG, ids=str)
def test_a_wrong_setting_is_named_with_how_to_write_it(kind: str, wrong: dict[str, Any], field: str, said: str) -> None:
    given = GIVEN[kind]
    found = problems(**given | {"destination": given["destination"] | wrong})
    assert said in " ".join(found[field]), found


@pytest.mark.parametrize(
    ("kind", "wrong", "field"),
    [
        ("eventbridge", None, "credentials.access_key_id"),
        ("eventbridge", {}, "credentials.secret_access_key"),
        ("eventbridge", "AKIA…", "credentials"),
        ("eventbridge", AWS_KEYS | {"access_key_id": "short"}, "credentials.access_key_id"),
        ("eventbridge", AWS_KEYS | {"secret_access_key": "with space"}, "credentials.secret_access_key"),
        ("eventbridge", AWS_KEYS | {"token": "x"}, "credentials.token"),
        ("eventbridge", GOOGLE_KEYS, "credentials.access_key_id"),
        ("sqs", AWS_KEYS | {"session_token": 7}, "credentials.session_token"),
        ("pubsub", AWS_KEYS, "credentials.private_key"),
        ("pubsub", GOOGLE_KEYS | {"private_key": "-----BEGIN"}, "credentials.private_key"),
        ("pubsub", GOOGLE_KEYS | {"client_email": ""}, "credentials.client_email"),
        ("pubsub", [GOOGLE_KEYS], "credentials"),
    ],
    ids=lambda each: str(each)[:40],
)
def test_wrong_credentials_are_named_and_never_repeated(kind: str, wrong: Any, field: str) -> None:
    found = problems(**GIVEN[kind] | {"credentials": wrong})
    assert field in found
    assert not any(value in str(found) for value in AWS_KEYS.values())
    assert "BEGIN" not in str(found)


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"url": "https://shop.example.com/"}, "url"),
        ({"dialect": "alva"}, "dialect"),
        ({"headers": {"X-Shop": "42"}}, "headers"),
        ({"kind": "kafka"}, "kind"),
        ({"kind": "carrier-pigeon"}, "kind"),
        ({"kind": 7}, "kind"),
        ({"destination": "orders"}, "destination"),
        ({"destination": ["orders"]}, "destination"),
        ({"destination": None}, "destination.region"),
        ({"kind": "https", "url": "https://shop.example.com/"}, "destination"),
        ({"kind": "https", "url": "https://shop.example.com/", "destination": {}}, "credentials"),
        ({"kind": "https", "destination": {}, "credentials": {}}, "url"),
        *(
            (
                {"kind": "https", "url": "https://shop.example.com/", "destination": wrong, "credentials": {}},
                "destination",
            )
            for wrong in (False, 0, "", [])
        ),
        *(
            (
                {"kind": "https", "url": "https://shop.example.com/", "destination": {}, "credentials": wrong},
                "credentials",
            )
            for wrong in (False, 0, "", [])
        ),
        *(({"destination": wrong}, "destination") for wrong in (False, 0, "", [])),
        *(({"credentials": wrong}, "credentials") for wrong in (False, 0, "", [])),
    ],
    ids=str,
)
def test_what_has_no_meaning_for_a_kind_is_refused(settings: dict[str, Any], field: str) -> None:
    assert field in problems(**GIVEN["eventbridge"] | settings)


@pytest.mark.parametrize("kind", GIVEN)
def test_a_kind_stays(kind: str) -> None:
    webhook = make(kind)
    for other in {"https", *GIVEN} - {kind}:
        with pytest.raises(ValidationError, match="Make another webhook"):
            services.update_webhook(webhook=webhook, kind=other)
    services.update_webhook(webhook=webhook, kind=kind, name="the same")


# --- credentials stay at home -------------------------------------------------------------------------------------

ELSEWHERE: list[tuple[str, dict[str, Any]]] = [
    ("eventbridge", {"region": "us-east-1"}),
    ("eventbridge", {"bus": "default"}),
    ("eventbridge", {"endpoint": "https://attacker.example.com"}),
    ("sqs", {"queue_url": "https://sqs.eu-central-1.amazonaws.com/999999999999/theirs"}),
    ("sqs", {"endpoint": "https://attacker.example.com"}),
    ("sqs", {"region": "us-east-1"}),
    ("pubsub", {"topic": "theirs"}),
    ("pubsub", {"project": "their-project-1"}),
    ("pubsub", {"endpoint": "https://attacker.example.com"}),
]


@pytest.mark.parametrize(("kind", "change"), ELSEWHERE, ids=str)
def test_another_place_needs_the_credentials_at_every_door(kind: str, change: dict[str, Any]) -> None:
    webhook = make(kind)
    wanted = {"destination": GIVEN[kind]["destination"] | change}
    with pytest.raises(ValidationError) as caught:
        services.update_webhook(webhook=webhook, **wanted)
    assert caught.value.error_dict["credentials"][0].code == "secret_needed"
    api = Client(services.create_api_key(merchant=webhook.merchant).text)
    answer = api.request("PATCH", f"/api/v1/webhooks/{webhook.public_id}", wanted)
    assert answer.status_code == 422
    assert "new place" in attrs(answer)["credentials"]
    assert (Webhook.objects.get(pk=webhook.pk).url, webhook.destination) == STORED[kind]
    body = wanted | {"credentials": GIVEN[kind]["credentials"]}
    answer = api.request("PATCH", f"/api/v1/webhooks/{webhook.public_id}", body)
    assert answer.status_code == 200, answer.content


@pytest.mark.parametrize("kind", GIVEN)
def test_other_changes_keep_the_credentials(kind: str) -> None:
    webhook = make(kind)
    before = webhook.credentials
    services.update_webhook(webhook=webhook, name="CRM", destination=dict(webhook.destination), url=webhook.url)
    if kind == "eventbridge":
        services.update_webhook(webhook=webhook, destination=BUS | {"source": "com.example"})
    webhook.refresh_from_db()
    assert webhook.credentials == before


# --- the API ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", GIVEN)
def test_the_api_makes_shows_and_changes_a_queue_and_never_shows_what_opens_it(kind: str) -> None:
    api = Client(services.create_api_key(merchant=make_merchant()).text)
    answer = api.request("POST", "/api/v1/webhooks", {"events": ["*"], **GIVEN[kind]})
    assert answer.status_code == 201, answer.content
    made = answer.json()
    assert (made["kind"], made["url"], made["destination"]) == (kind, *STORED[kind])
    shown = api.request("GET", f"/api/v1/webhooks/{made['id']}").json()
    changed = api.request("PATCH", f"/api/v1/webhooks/{made['id']}", {"name": "CRM", "kind": kind}).json()
    listed = api.request("GET", "/api/v1/webhooks").json()["results"][0]
    for document in (made, shown, changed, listed):
        assert "credentials" not in document
        for secret in GIVEN[kind]["credentials"].values():
            if secret not in {"service_account", "my-shop-123456"}:
                assert secret not in json.dumps(document)


def test_the_api_shows_an_endpoint_as_before() -> None:
    webhook = make_webhook()
    shown = Client(services.create_api_key(merchant=webhook.merchant).text).request(
        "GET", f"/api/v1/webhooks/{webhook.public_id}"
    ).json()  # fmt: skip
    assert (shown["kind"], shown["destination"], shown["url"]) == ("https", {}, webhook.url)
