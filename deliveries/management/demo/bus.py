"""A stand-in for Amazon EventBridge on loopback: checks what the real one checks of a call, and misbehaves if told to.

`PutEvents` only: the signature (Signature Version 4) and its time, the bus, the entry.
"""

from __future__ import annotations

import hmac
import json
import re
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from deliveries.management.receiver.receiver import Seen
from deliveries.management.receiver.server import Answer, HttpServer, Request
from deliveries.sending.destinations import aws

REGION: Final = "eu-central-1"
BUS: Final = "demo"
KEY_ID: Final = "AKIADEMODEMODEMODEMO"
OLD_AFTER: Final = 300
"""Seconds for which a signature is taken."""
ENTRY: Final = frozenset({"EventBusName", "Source", "DetailType", "Detail", "Time"})
_AUTHORIZATION: Final = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(?P<key>\w+)/\d{8}/[\w-]+/events/aws4_request, "
    r"SignedHeaders=(?P<names>[\w;-]+), Signature=[0-9a-f]{64}"
)


class Bus:
    """Takes events until stopped.

    Args:
        secret: The secret access key of KEY_ID.
        throttle: Throttle the first so many calls of each event.
        denies: Deny access.
        on_seen: Called on the connection's thread for each call, before it is answered.
    """

    verifies = True

    def __init__(
        self, *, secret: str, throttle: float = 0, denies: bool = False, on_seen: Callable[[Seen], None]
    ) -> None:
        self._secret, self._throttle, self._denies, self._on_seen = secret, throttle, denies, on_seen
        self._times: dict[str, int] = {}
        self._server = HttpServer(self.receive)

    @property
    def url(self) -> str:
        """Its address."""
        return self._server.url

    def start(self) -> Bus:
        """Listen."""
        self._server.start()
        return self

    def stop(self) -> None:
        """Close all connections."""
        self._server.stop()

    def repair(self) -> None:
        """Take everything from now on."""
        self._throttle, self._denies = 0, False

    def receive(self, request: Request) -> Answer:
        """Return the answer to a call."""
        entry, problem = _entry(request.body), _problem(request, self._secret)
        event_id = str(json.loads(entry.get("Detail", "{}")).get("id", ""))
        if not problem and (entry.keys() != ENTRY or entry["EventBusName"] != BUS or not event_id):
            problem = "it is no entry of the bus"
        times = self._times[event_id] = self._times.get(event_id, 0) + 1
        answer = self._answer(event_id, times, problem)
        self._on_seen(Seen(request, event_id, times, problem, answer.status))
        return answer

    def _answer(self, event_id: str, times: int, problem: str) -> Answer:
        if problem:
            return _error("InvalidSignatureException", problem)
        if self._denies:
            return _error("AccessDeniedException", "User is not authorized to perform: events:PutEvents")
        if times <= self._throttle:
            return _error("ThrottlingException", "Rate exceeded")
        return Answer(200, json.dumps({"Entries": [{"EventId": event_id}], "FailedEntryCount": 0}).encode())


def _entry(body: bytes) -> Mapping[str, Any]:
    """Return the only entry; empty where there is none."""
    match json.loads(body):
        case {"Entries": [{**entry}]}:
            return {str(name): value for name, value in entry.items()}
    return {}


def _problem(request: Request, secret: str) -> str:
    """Return what is wrong with a call's signature; empty where nothing is."""
    given = request.headers.get("Authorization", "")
    match = _AUTHORIZATION.fullmatch(given)
    if match is None or match["key"] != KEY_ID:
        return "it isn't signed with our key"
    moment = request.headers.get("X-Amz-Date", "")
    signed_at = datetime.strptime(moment, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
    if abs(time.time() - signed_at) > OLD_AFTER:
        return "its signature is old"
    names = [name for name in match["names"].split(";") if name != "host"]
    headers = {name: request.headers.get(name, "") for name in names if name != "x-amz-date"} | {"X-Amz-Date": moment}
    url = f"http://{request.headers['Host']}{request.path}"
    expected = aws.sign(
        url, headers, request.body, key_id=KEY_ID, secret=secret, region=REGION, service="events"
    )  # which tests compare with botocore's
    return "" if hmac.compare_digest(given, expected) else "its signature is another"


def _error(code: str, message: str) -> Answer:
    return Answer(400, json.dumps({"__type": code, "message": message}).encode())
