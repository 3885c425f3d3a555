"""Amazon's and Google's queues for tests: moto's server, asked over the wire, and a Pub/Sub of our own.

moto checks signatures and policies once `guard` is called, as IAM does. The Pub/Sub server checks what Google documents
of `topics.publish` over REST: the token and its signature, the topic, who may publish, and each member's bounds; the
emulator that Google offers needs Java and checks no token.
"""

from __future__ import annotations

import base64
import contextlib
import json
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.client import HTTPConnection
from typing import Any

import boto3
import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from deliveries.management.receiver import Answer
from deliveries.management.receiver.server import HttpServer
from tests.support.processes import Process, environment, wait_for
from webhooks_project.embedded import free_port

REGION = "eu-central-1"
AWS_KEYS = {"access_key_id": "AKIAIOSFODNN7EXAMPLE", "secret_access_key": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}
"""Documentation's own; moto takes any until it is guarded."""


class Amazon:
    """moto's server: `events`, `sqs` and `iam` are clients of it, `url` is what webhooks name as their endpoint."""

    def __init__(self, port: int) -> None:
        self.port, self.url = port, f"http://127.0.0.1:{port}"
        self.events, self.sqs, self.iam = (self._client(name) for name in ("events", "sqs", "iam"))

    def _client(self, service: str) -> Any:
        return boto3.client(
            service,
            region_name=REGION,
            endpoint_url=self.url,
            aws_access_key_id=AWS_KEYS["access_key_id"],
            aws_secret_access_key=AWS_KEYS["secret_access_key"],
        )

    def reset(self) -> None:
        self._tell("/moto-api/reset", "")
        self._tell("/moto-api/reset-auth", "inf")

    def guard(self) -> None:
        """Check signatures and policies from now on."""
        self._tell("/moto-api/reset-auth", "0")

    def key(self, *actions: str) -> dict[str, str]:
        """Return the access key of a new user who may do these actions."""
        name = f"user{time.monotonic_ns()}"
        self.iam.create_user(UserName=name)
        if actions:
            allowed = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": actions, "Resource": "*"}]}
            self.iam.put_user_policy(UserName=name, PolicyName="sends", PolicyDocument=json.dumps(allowed))
        made = self.iam.create_access_key(UserName=name)["AccessKey"]
        return {"access_key_id": made["AccessKeyId"], "secret_access_key": made["SecretAccessKey"]}

    def queue(self, name: str, **attributes: str) -> str:
        return self.sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]

    def taken(self, queue_url: str) -> list[dict[str, Any]]:
        """Return what waits in a queue, up to ten messages."""
        found = self.sqs.receive_message(
            QueueUrl=queue_url, MaxNumberOfMessages=10, MessageAttributeNames=["All"], AttributeNames=["All"]
        )
        return found.get("Messages", [])

    def bus_into(self, bus: str, queue: str) -> str:
        """Make a bus whose events all go to a queue, and return the queue's URL."""
        url = self.queue(queue)
        arn = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        if bus != "default":
            self.events.create_event_bus(Name=bus)
        self.events.put_rule(Name="all", EventBusName=bus, EventPattern=json.dumps({"source": [{"prefix": ""}]}))
        self.events.put_targets(Rule="all", EventBusName=bus, Targets=[{"Id": "1", "Arn": arn}])
        return url

    def _tell(self, path: str, body: str) -> None:
        with contextlib.closing(HTTPConnection("127.0.0.1", self.port, timeout=10)) as connection:
            connection.request("POST", path, body)
            assert connection.getresponse().status == 200


@contextlib.contextmanager
def amazon() -> Iterator[Amazon]:
    """Run moto's server."""
    port = free_port()
    child = Process("-m", "moto.server", "-H", "127.0.0.1", "-p", str(port), variables=environment())
    try:
        wait_for(lambda: _listens(port), 30, "moto's server")
        yield Amazon(port)
    finally:
        child.stop()


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


# --- Google -------------------------------------------------------------------------------------------------------

_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EMAIL = "webhooks@my-shop-123456.iam.gserviceaccount.com"
GOOGLE_KEYS = {
    "type": "service_account",
    "project_id": "my-shop-123456",
    "client_email": EMAIL,
    "private_key_id": "4f2c91d0c7e14f0b8d1b",
    "private_key": _KEY.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode(),
    "token_uri": "https://oauth2.googleapis.com/token",
}
"""A key file as Google writes it."""


class _Refused(Exception):
    def __init__(self, code: int, status: str, message: str) -> None:
        super().__init__(message)
        self.code, self.status = code, status


@dataclass
class PubSub:
    """A project with topics. `taken` are the messages published, `revoked` the ids of keys that open nothing more."""

    topics: set[str] = field(default_factory=lambda: {"orders"})
    publishers: set[str] = field(default_factory=lambda: {EMAIL})
    revoked: set[str] = field(default_factory=set)
    taken: list[dict[str, Any]] = field(default_factory=list)
    url: str = ""

    def handle(self, request: Any) -> Answer:
        """Answer a request as Google does."""
        try:
            self._authenticate(request)
            messages = self._read(request)
        except _Refused as refused:
            error = {"code": refused.code, "message": str(refused), "status": refused.status}
            return _json(refused.code, {"error": error})
        ids = [str(len(self.taken) + number) for number in range(1, len(messages) + 1)]
        self.taken += messages
        return _json(200, {"messageIds": ids})

    def _authenticate(self, request: Any) -> None:
        scheme, _, token = dict(_lower(request.headers)).get("authorization", "").partition(" ")
        try:
            head = jwt.get_unverified_header(token)
            claims = jwt.decode(token, _KEY.public_key(), algorithms=["RS256"], audience=f"{self.url}/", leeway=5)
            is_right = (
                scheme == "Bearer"
                and head["kid"] == GOOGLE_KEYS["private_key_id"] not in self.revoked
                and claims["iss"] == claims["sub"]
                and claims["exp"] - claims["iat"] <= 3600
            )
        except (jwt.InvalidTokenError, KeyError):
            is_right = False
        if not is_right:
            raise _Refused(401, "UNAUTHENTICATED", "Request had invalid authentication credentials.")
        if claims["iss"] not in self.publishers:
            raise _Refused(403, "PERMISSION_DENIED", "User not authorized to perform this action.")

    def _read(self, request: Any) -> list[dict[str, Any]]:
        place, colon, action = request.path.rpartition(":")
        words = place.split("/")
        if request.method != "POST" or (colon, action) != (":", "publish") or words[1:3] != ["v1", "projects"]:
            raise _Refused(404, "NOT_FOUND", "Method not found.")
        if words[5] not in self.topics:
            raise _Refused(404, "NOT_FOUND", f"Resource not found (resource={words[5]}).")
        if len(request.body) > 10_000_000:
            raise _Refused(400, "INVALID_ARGUMENT", "Request payload size exceeds the limit: 10485760 bytes.")
        try:
            body = json.loads(request.body)
            messages = body.pop("messages")
            _need(not body and 1 <= len(messages) <= 1000, "Unknown name, or no messages.")
            return [_message(each) for each in messages]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise _Refused(400, "INVALID_ARGUMENT", str(error)) from error


def _message(given: dict[str, Any]) -> dict[str, Any]:
    _need(not given.keys() - {"data", "attributes", "orderingKey"}, "Unknown name.")
    data = base64.b64decode(given.get("data", ""), validate=True)
    attributes = given.get("attributes", {})
    _need(bool(data or attributes), "One or more messages in the publish request is empty.")
    _need(len(attributes) <= 100, "Too many attributes.")
    for name, value in attributes.items():
        _need(0 < len(name.encode()) <= 256 and not name.startswith("goog"), "Attribute key.")
        _need(isinstance(value, str) and len(value.encode()) <= 1024, "Attribute value.")
    _need(len(given.get("orderingKey", "").encode()) <= 1024, "Ordering key.")
    return {"data": data, "attributes": attributes, "key": given.get("orderingKey", "")}


def _need(holds: bool, complaint: str) -> None:
    if not holds:
        raise ValueError(complaint)


def _lower(headers: Any) -> list[tuple[str, str]]:
    pairs = headers.items() if hasattr(headers, "items") else headers
    return [(name.lower(), value) for name, value in pairs]


def _json(status: int, document: Any) -> Answer:
    return Answer(status, json.dumps(document).encode(), (("Content-Type", "application/json"),))


@contextlib.contextmanager
def pubsub() -> Iterator[PubSub]:
    """Run a Pub/Sub with the topic `orders`."""
    cloud = PubSub()
    with HttpServer(cloud.handle) as server:
        cloud.url = server.url
        yield cloud


# --- webhooks -----------------------------------------------------------------------------------------------------


def eventbridge_settings(endpoint: str, bus: str = "default", **others: Any) -> dict[str, Any]:
    """Return what `make_webhook` takes for a bus."""
    place = {"region": REGION, "bus": bus, "endpoint": endpoint, **others}
    return {"kind": "eventbridge", "url": "", "destination": place, "credentials": AWS_KEYS}


def sqs_settings(queue_url: str, **others: Any) -> dict[str, Any]:
    """Return what `make_webhook` takes for a queue."""
    return {
        "kind": "sqs",
        "url": "",
        "destination": {"queue_url": queue_url, "region": REGION, **others},
        "credentials": AWS_KEYS,
    }


def pubsub_settings(endpoint: str, topic: str = "orders", **others: Any) -> dict[str, Any]:
    """Return what `make_webhook` takes for a topic."""
    place = {"project": "my-shop-123456", "topic": topic, "endpoint": endpoint, **others}
    return {"kind": "pubsub", "url": "", "destination": place, "credentials": GOOGLE_KEYS}
