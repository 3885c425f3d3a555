"""The demo's event bus takes what Amazon's own client signs, and refuses what is signed otherwise."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
import requests
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from deliveries.management.demo import bus
from deliveries.management.demo.bus import Bus
from deliveries.management.receiver import Seen

SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"


class Place:
    """A bus, what it has seen, and Amazon's client for it."""

    def __init__(self, **manner: Any) -> None:
        self.seen: list[Seen] = []
        self.bus = Bus(secret=SECRET, on_seen=self.seen.append, **manner).start()

    def put(self, event_id: str = "evt_1", secret: str = SECRET, **entry: Any) -> Any:
        client = boto3.client(
            "events", region_name=bus.REGION, endpoint_url=self.bus.url,
            aws_access_key_id=bus.KEY_ID, aws_secret_access_key=secret,
            config=boto3.session.Config(retries={"total_max_attempts": 1}),
        )  # fmt: skip
        whole = {"EventBusName": bus.BUS, "Source": "s", "DetailType": "order.created", "Time": 1705332600}
        return client.put_events(Entries=[whole | {"Detail": json.dumps({"id": event_id})} | entry])


@pytest.fixture
def place() -> Iterator[Place]:
    made = Place()
    yield made
    made.bus.stop()


def refused(call: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call()
    return str(caught.value.response["Error"]["Code"])


def test_what_amazons_client_signs_is_taken(place: Place) -> None:
    answer = place.put()
    assert (answer["FailedEntryCount"], answer["Entries"]) == (0, [{"EventId": "evt_1"}])
    assert [(seen.message_id, seen.problem, seen.status) for seen in place.seen] == [("evt_1", "", 200)]


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        ({"secret": SECRET[::-1]}, "its signature is another"),
        ({"EventBusName": "default"}, "it is no entry of the bus"),
        ({"Detail": "{}"}, "it is no entry of the bus"),
    ],
    ids=str,
)
def test_a_wrong_call_is_refused(place: Place, wrong: dict[str, str], problem: str) -> None:
    assert refused(lambda: place.put(**wrong)) == "InvalidSignatureException"
    assert [seen.problem for seen in place.seen] == [problem]


def test_a_call_that_was_changed_or_is_old_is_refused(place: Place) -> None:
    def send(body: bytes, *, signed: bytes, ago: timedelta = timedelta()) -> int:
        request = AWSRequest("POST", place.bus.url + "/", data=signed, headers={"X-Amz-Target": "AWSEvents.PutEvents"})
        signer = SigV4Auth(Credentials(bus.KEY_ID, SECRET), "events", bus.REGION)
        request.context["timestamp"] = (datetime.now(UTC) - ago).strftime("%Y%m%dT%H%M%SZ")
        request.headers["X-Amz-Date"] = request.context["timestamp"]
        text = signer.string_to_sign(request, signer.canonical_request(request))
        signer._inject_signature_to_request(request, signer.signature(text, request))
        return requests.post(place.bus.url + "/", data=body, headers=dict(request.headers), timeout=10).status_code

    entry = {"EventBusName": bus.BUS, "Source": "s", "DetailType": "t", "Time": 1, "Detail": '{"id": "evt_1"}'}
    good = json.dumps({"Entries": [entry]}).encode()
    assert send(good, signed=good) == 200
    assert send(good.replace(b"evt_1", b"evt_2"), signed=good) == 400
    assert send(good, signed=good, ago=timedelta(minutes=6)) == 400
    assert requests.post(place.bus.url, data=good, timeout=10).status_code == 400
    assert [seen.problem for seen in place.seen] == [
        "", "its signature is another", "its signature is old", "it isn't signed with our key",
    ]  # fmt: skip


def test_it_throttles_or_denies_until_it_is_mended() -> None:
    throttled, denied = Place(throttle=2), Place(denies=True)
    try:
        assert [refused(throttled.put) for _ in range(2)] == ["ThrottlingException"] * 2
        assert throttled.put()["FailedEntryCount"] == 0
        assert refused(denied.put) == "AccessDeniedException"
        denied.bus.repair()
        assert denied.put()["FailedEntryCount"] == 0
    finally:
        throttled.bus.stop()
        denied.bus.stop()
