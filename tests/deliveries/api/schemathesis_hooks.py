"""What Schemathesis can't know: ids that are there, names that mean something. For its own process.

The document says what a well-formed request is; which ids exist is nobody's to guess. So before each call that should
succeed, something of the merchant's is made for the address to name, in the state that the operation is for.
"""

from __future__ import annotations

import base64
import itertools
import json
import os
import re
import secrets
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, Final

import django
import schemathesis

django.setup()

from django.utils import timezone  # noqa: E402 - Django must stand before its models are imported

from deliveries.models import DeadLetter, Delivery, Event, Job  # noqa: E402
from examples.storefront.models import File  # noqa: E402
from subscriptions import services  # noqa: E402
from subscriptions.models import EventType, Merchant, Webhook  # noqa: E402
from subscriptions.services import keys  # noqa: E402

keys.API_KEYS_MAX = 1_000_000
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"  # Schemathesis drives its cases from a thread with an event loop

RECEIVER: Final = os.environ["SCHEMATHESIS_RECEIVER"]
MERCHANT: Final = Merchant.objects.get(public_id=os.environ["SCHEMATHESIS_MERCHANT"])
PERSON: Final = (os.environ["SCHEMATHESIS_USER"], os.environ["SCHEMATHESIS_PASSWORD"])
REFRESH: Final = os.environ["SCHEMATHESIS_REFRESH"]
NAMES: Final = sorted(EventType.objects.values_list("name", flat=True))
PATTERNS: Final = ["*", "order.*", *NAMES]
FILTERS: Final = ("data.order.currency == 'EUR'", "event == 'order.created'", "data.items[?price > `10`]", "!data.test")

PATHS: Final = ("order", "order.id", "order.customer.email", "items", "größe.wert")
KEYS_KEPT: Final = 50
_KEY: Final = re.compile("[!-~]{1,255}")
_numbers = itertools.count(1)
_contents: dict[str, str] = {}
"""What was published under an id of the caller's."""


def new_webhook(dialect: str = "standard") -> Webhook:
    # It listens to what is seldom published: with each case there is one more of them.
    return services.create_webhook(merchant=MERCHANT, url=RECEIVER, events=["review.approved"], dialect=dialect).webhook


def new_event() -> Event:
    return Event.objects.create(
        merchant=MERCHANT, type="order.created", data='{"order":1}', size=11, occurred_at=timezone.now()
    )


def new_feed() -> Webhook:
    """Make a webhook whose events are fetched."""
    return services.create_webhook(merchant=MERCHANT, kind="pull", events=["order.*"]).webhook


def new_delivery(status: str) -> Delivery:
    """Make a delivery that is dead, with its dead letter, or waits for a retry an hour away."""
    event, webhook = new_event(), new_webhook()
    columns = {"due_at": timezone.now() + timedelta(hours=1)} if status == "retrying" else {"closed_at": timezone.now()}
    delivery = Delivery.objects.create(
        merchant=MERCHANT,
        event=event,
        webhook=webhook,
        event_type=event.type,
        status=status,
        attempt_count=1,
        **({"due_at": None} | columns),
    )
    if status == "dead":
        DeadLetter.objects.create(delivery=delivery, merchant=MERCHANT, webhook=webhook, reason_code="final_status")
    return delivery


PLACES: Final[dict[str, Callable[[], Any]]] = {
    "/api/v1/webhooks/": new_webhook,
    "/company/webhooks/": lambda: new_webhook("shopery"),
    "/api/v1/events/": new_event,
    "/api/v1/deliveries/": lambda: new_delivery("retrying"),
    "/api/v1/dead-letters/": lambda: new_delivery("dead"),
    "/api/v1/jobs/": lambda: Job.objects.create(merchant=MERCHANT, kind="replay", source="deliveries", by="tests"),
    "/api/v1/api-keys/": lambda: services.create_api_key(merchant=MERCHANT).api_key,
    "/api/files/": lambda: File.objects.create(merchant=MERCHANT, filename=f"{next(_numbers)}.pdf", size=1),
}


def place(path: str) -> str:
    """Make what an address of this form names; return its id."""
    return next(make for prefix, make in PLACES.items() if path.startswith(prefix))().public_id


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    """Let requests that should succeed name what is there, and no request be taken for an earlier one's twin."""
    headers = case.headers or {}
    if _KEY.fullmatch(headers.get("Idempotency-Key", "")):
        headers["Idempotency-Key"] = f"key-{os.getpid()}-{next(_numbers)}"  # one value for all would be 409
    if "If-Match" in headers:
        headers["If-Match"] = "*"  # a made-up ETag is 412 before anything else is looked at
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    if case.path.endswith("/feed"):  # of its kind; no cursor is made up, and nothing waited for
        case.path_parameters["id"] = new_feed().public_id
        case.query = {name: value for name, value in (case.query or {}).items() if name not in {"after", "wait"}}
    elif case.meta.phase.name != "stateful" and "{id}" in case.path:
        case.path_parameters["id"] = place(case.path)
    if (case.query or {}).get("event"):
        case.query["event"] = chosen(NAMES, str(case.query["event"]))
    if isinstance(case.body, dict):
        settle(case.operation.label, case.body)


def settle(label: str, body: dict[str, Any]) -> None:
    """Put names that mean something into a body, where the document can't list them."""
    if label == "POST /api/v1/token":
        body["username"], body["password"] = PERSON
        body.pop("code", None)
    elif label == "POST /api/v1/token/refresh":
        body["refresh"] = REFRESH
    elif label == "POST /api/downloads/generate":
        body["file_id"] = place("/api/files/")
    elif label == "POST /api/orders":
        body.clear()
        body["steps"] = ["pay"]
    elif label == "POST /api/v1/events/batch":
        for event in body["events"]:
            settle_event(event)
    elif label == "POST /api/v1/events":
        settle_event(body)
    elif label.endswith(("/replay", "/discard")):
        Job.objects.filter(merchant=MERCHANT, status__in=Job.OPEN).update(status="stopped")  # no worker ends any here
        if "event" in body:
            body["event"] = chosen(NAMES, body["event"])
    elif "/webhooks" in label:
        settle_kind(body)
        if label == "POST /api/v1/webhooks":
            body["url"] = ""
        if label.startswith(("PATCH", "PUT")):
            settle_change(body)
        body.pop("transform", None)  # some dialects have none: tests/deliveries/sending/test_transformations.py
        settle_webhook(body)
    elif label == "POST /api/v1/portal-links":
        body.pop("target", None)
        body["person"] = "anna@shop.example"
    elif label == "POST /api/v1/api-keys":
        drop_keys()
        if body.get("expires_at"):
            body["expires_at"] = f"9{body['expires_at'][1:]}"  # a moment in the future


def drop_keys() -> None:
    """Leave room for one more key: there are more cases than keys that a merchant may have."""
    own = MERCHANT.api_keys.filter(revoked_at=None).order_by("pk")
    own.filter(pk__in=own.values("pk")[KEYS_KEPT:]).update(revoked_at=timezone.now())


def settle_event(event: dict[str, Any]) -> None:
    event["event"] = chosen(NAMES, event["event"])
    event["data"] = as_kept(event["data"])
    if event.get("id"):  # the same event again is 200, another under its id is 409
        if event["id"] not in _contents and Event.objects.filter(merchant=MERCHANT, public_id=event["id"]).exists():
            event["id"] = f"e-{next(_numbers)}"  # an answer's, of an event that was given no id
        content = json.dumps([event["event"], event["data"], event.get("resource_id")], sort_keys=True)
        if _contents.setdefault(event["id"], content) != content:
            event["id"] = f"e-{next(_numbers)}"
            _contents[event["id"]] = content
    if event.get("occurred_at"):
        event["occurred_at"] = f"2{event['occurred_at'][1:]}"  # the edges of the calendar have no moment in UTC


def settle_kind(body: dict[str, Any]) -> None:
    """The document can't say which members go with which kind: tests/subscriptions/test_destinations.py does."""
    if "kind" in body:
        body["kind"] = "https"
    body.pop("destination", None)
    body.pop("credentials", None)
    body.pop("sign_in", None)  # its members go with credentials: tests/subscriptions/test_endpoint_sign_in.py


def settle_change(body: dict[str, Any]) -> None:
    """A webhook that sends its secret in clear needs another for a new place; without a new place none is taken."""
    if body.keys() & {"url", "dialect"}:
        body["secret"] = "new"
    else:
        body.pop("secret", None)


def settle_webhook(body: dict[str, Any]) -> None:
    """An address is decided by where it leads, a pattern by the catalogue, a filter or a path by its grammar."""
    if "url" in body:
        body["url"] = f"{RECEIVER}{next(_numbers)}"
    if "events" in body:
        body["events"] = [chosen(PATTERNS, name) for name in body["events"]]
    if body.get("event"):
        body["event"] = chosen(NAMES, body["event"])
    if body.get("filter"):
        body["filter"] = chosen(FILTERS, body["filter"])
    body.pop("signature", None)  # goes with neither a secret nor most dialects: tests/subscriptions/test_key_pairs.py
    if body.get("fields"):
        body["fields"] = [chosen(PATHS, name) for name in body["fields"]]
    if body.get("secret"):  # one for every dialect, and new to the webhook
        body["secret"] = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
    if body.get("headers"):  # case doesn't count in names
        body["headers"] = {f"X-{name.lower()}"[:100]: value for name, value in body["headers"].items()}


def chosen(words: Sequence[str], text: str) -> str:
    """Return a word of the list, the same for the same text."""
    return words[sum(text.encode()) % len(words)]


def as_kept(value: Any) -> Any:
    """Return data without what canonical JSON refuses: U+0000, and numbers that JavaScript would change."""
    if isinstance(value, dict):
        return {as_kept(name): as_kept(one) for name, one in value.items()}
    if isinstance(value, list):
        return [as_kept(one) for one in value]
    if isinstance(value, str):
        return value.replace("\0", "")
    is_unsafe = isinstance(value, (int, float)) and abs(value) > 2**53
    return str(value) if is_unsafe else value
