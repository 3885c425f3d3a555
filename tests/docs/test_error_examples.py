"""What errors and help texts name as an example ("such as …") is what the product takes, each tried here."""

from __future__ import annotations

import ast
import json
import re
import uuid
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from django.db.models import Model

from deliveries.payloads import filters, transformations
from deliveries.publishing import publish
from deliveries.retries.policy import RetryPolicy
from deliveries.transport import AddressPolicy, ErrorClass
from deliveries.transport.urls import read_url
from examples.storefront.models import File
from subscriptions import patterns, services, validators, webhook_rules
from subscriptions.admin import text_settings
from subscriptions.services.accounts import clean_email
from tests.support.api import Client
from tests.support.factories import make_api_key, make_merchant

pytestmark = pytest.mark.django_db

ROOT = Path(__file__).resolve().parents[2]
LEAD = re.compile(r"(?:such as|reads like|write it as|Write it as|[Ee]\.g\.|for example) +(\S.*)", re.DOTALL)
PROSE = {
    "when a webhook keeps failing.", "after an outage of your server", "events.3.data", "an order number; in any case",
    "updated_at, to receive every event", "request.get_data() in Flask", "express.raw({ type: () => true })",
    "with timezone.now()", "https://your-host.example/path", "“shop backend”", "“CRM”", "one.",
}  # fmt: skip
"""What is no value for a field: `timezone.now()` and the receivers' calls are run where the page's code is."""
Check = Callable[[str], Any]


def printed() -> list[tuple[str, str]]:
    """Return (module, what follows "such as") of every text in the code that is no docstring."""
    found = []
    for package in ("subscriptions", "deliveries", "examples", "webhooks_project"):
        for path in sorted((ROOT / package).rglob("*.py")):
            if "migrations" not in path.parts:
                name = str(path.relative_to(ROOT))
                found += [(name, match[1]) for text in texts(path) if (match := LEAD.search(text))]
    return found


def texts(path: Path) -> list[str]:
    tree = ast.parse(path.read_text("utf-8"))
    alone = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    constants = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in alone]
    return [node.value for node in constants if isinstance(node.value, str)]


def webhook(**settings: Any) -> Any:
    return validators.clean_webhook(settings, dialect="standard")


def api(address: str) -> None:
    answer = Client(make_api_key().text).get(address)
    assert answer.status_code == 200, answer.content


def queue(kind: str, **settings: str) -> None:
    places = {
        "eventbridge": {"region": "eu-central-1", "bus": "orders"},
        "sqs": {"queue_url": "https://sqs.eu-central-1.amazonaws.com/1/orders"},
        "pubsub": {"project": "shop-123456", "topic": "orders"},
    }
    webhook_rules.rules().check_destination(kind, places[kind] | settings, None)


def lists(text: str) -> None:
    for parameter in ("since", "until", "created_at_min"):
        api(f"/api/v1/deliveries?{parameter}={text}")


def moment(text: str) -> None:
    lists(text)
    answer = Client(make_api_key().text).post(
        "/api/v1/events", {"event": "order.created", "data": {}, "occurred_at": text}
    )
    assert answer.status_code == 201, answer.content


def expiry(text: str) -> None:
    services.create_api_key(merchant=make_merchant(), expires_at=datetime.fromisoformat(text))


def published(text: str) -> None:
    publish("order.created", json.loads(text.replace("…", "")), merchant=make_merchant())


def event(text: str) -> None:
    assert Client(make_api_key().text).post("/api/v1/events", text.encode()).status_code == 201


def url(host: str) -> None:
    assert read_url(f"https://{host}/path", AddressPolicy(allowed_networks=["198.51.100.0/24"]))


def tags(value: list[str]) -> None:
    row: Model = File(merchant=make_merchant(), filename="a.pdf", size=1, tags=value)
    row.full_clean()


def pattern(text: str) -> None:
    webhook(events=[text])


CHECKS: dict[str, Check] = {
    "5s, 25s, 2m": lambda text: RetryPolicy.from_dict(text_settings.policy_of(text) or {}),
    "24h": text_settings.seconds_of,
    "“X-Shop: 42”": lambda text: webhook(headers=text_settings.headers_of(text.strip("“”"))),
    "a UUID": lambda _text: Client(make_api_key().text).post(
        "/api/v1/events", {"event": "order.created", "data": {}}, **{"Idempotency-Key": str(uuid.uuid4())}
    ),
    "2030-01-31T00:00:00Z": expiry,
    "`order.*`, or `*`": lambda _text: webhook(events=["order.*", "*"]),
    "order.*": pattern,
    "`data.order.currency == 'EUR'`": lambda text: filters.check_expression(text.strip("`")),
    "data.order.currency == 'EUR'": filters.check_expression,
    "{text: data.order.name}": transformations.check_expression,
    "2024-01-15T15:30:00Z": moment,
    "shop.example.com": lambda text: services.create_merchant(name="Shop", email="a@b.example", domain=text),
    "order.created, a prefix such as order.* or orders-*, or * for all events": lambda _text: [
        patterns.validate_pattern(one) for one in ("order.created", "order.*", "orders-*", "*")
    ],
    "order.created": lambda text: publish(text, {}, merchant=make_merchant()),
    "owner@shop.example": clean_email,
    '["order.created", "file.*"]': lambda text: webhook(events=json.loads(text)),
    '{"X-Shop": "42"}': lambda text: webhook(headers=json.loads(text)),
    '["id", "customer.email"]': lambda text: webhook(fields=json.loads(text)),
    '{"event": "order.created", "data": {"id": "1045"}}': event,
    "30m, 24h or 7d": lambda _text: [api(f"/api/v1/stats?window={one}") for one in ("30m", "24h", "7d")],
    "`dns_failed`": lambda text: ErrorClass(text.strip("`")),
    "response_timeout": lambda text: [api(f"/api/v1/dead-letters?error={one}") for one in (text, "none")],
    "503": lambda text: api(f"/api/v1/dead-letters?status_code={text}"),
    "order.id": lambda text: filters.check_field_paths([text]),
    "order.customer.email": lambda text: filters.check_field_paths([text]),
    '{"order": {…}}': published,
    '{"delays": [5, 25, 125]}': lambda text: RetryPolicy.from_dict(json.loads(text)),
    "['127.0.0.0/8']": lambda text: AddressPolicy(allowed_networks=ast.literal_eval(text)),
    "127.0.0.0/8 or ::1/128": lambda text: AddressPolicy(allowed_networks=text.split(" or ")),
    "hooks.example.com": url,
    "198.51.100.7": url,
    "course, chapter1": lambda text: tags(text.split(", ")),
    '["course", "chapter1"]': lambda text: tags(json.loads(text)),
    "2024-01-15": datetime.fromisoformat,
    "customer@example.com": clean_email,
    "2024-01-31 15:30:00": datetime.fromisoformat,
    "eu-central-1": lambda text: queue("eventbridge", region=text),
    "default": lambda text: queue("eventbridge", bus=text),
    "https://vpce-1a2b.events.eu-central-1.vpce.amazonaws.com": lambda text: queue("eventbridge", endpoint=text),
    "my-shop-123456": lambda text: queue("pubsub", project=text),
    "https://sqs.eu-central-1.amazonaws.com/123456789012/orders": lambda text: queue("sqs", queue_url=text),
}  # fmt: skip


def example_of(text: str) -> str:
    """Return the example at the start of a text: the longest that is known, or the text itself."""
    known = [one for one in (*CHECKS, *PROSE) if text.startswith(one) and not text[len(one) : len(one) + 1].isalnum()]
    return max(known, key=len, default=text)


FOUND = printed()


def test_every_example_of_a_text_is_known_here() -> None:
    unknown = [(module, text[:60]) for module, text in FOUND if example_of(text) not in {*CHECKS, *PROSE}]
    assert unknown == []
    assert len(FOUND) > 40
    assert {example_of(text) for _module, text in FOUND} >= set(CHECKS)


@pytest.mark.parametrize("example", sorted(CHECKS))
def test_an_example_is_taken(example: str, settings: Any) -> None:
    CHECKS[example](example)
