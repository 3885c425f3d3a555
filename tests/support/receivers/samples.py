"""A message that every dialect is asked to encode, with all that is hard to get right, and its way to a receiver."""

import base64
from datetime import UTC, datetime
from typing import Any

from deliveries.dialects import Encoded, Message
from tests.support.receivers.node import NodeScript

DATA = '{"order":{"id":"1045","total":25.5,"note":"Grüße 😀 </script>","rate":1e-7}}'
EVENT_ID = "evt_01HA4XCG60CT4G3EWF4CKYM1MF"

COMMON_HEADERS = (
    ("webhook-id", EVENT_ID),
    ("webhook-timestamp", "1705332605"),
    ("webhook-event", "order.created"),
    ("webhook-event-time", "2024-01-15T15:30:00.123456Z"),
    ("webhook-attempt", "2"),
)


def message(**changes: Any) -> Message:
    fields = {
        "event_id": EVENT_ID,
        "event": "order.created",
        "occurred_at": datetime(2024, 1, 15, 15, 30, 0, 123456, tzinfo=UTC),
        "data": DATA,
        "shop": "yourshop.myshopify.com",
        "api_version": "2024-01",
        "attempt": 2,
        "sent_at": datetime(2024, 1, 15, 15, 30, 5, 999_999, tzinfo=UTC),
    }
    return Message(**(fields | changes))


def as_received(encoded: Encoded) -> dict[str, str]:
    """The headers as Node and Flask show them: one value a name, names in lower case."""
    names = [name.lower() for name, _ in encoded.headers]
    assert len(names) == len(set(names))
    return {name.lower(): value for name, value in encoded.headers}


def node_says(node: NodeScript, way: str, encoded: Encoded, secret: str) -> Any:
    body = base64.b64encode(encoded.body).decode()
    return node.ask({"way": way, "headers": as_received(encoded), "body": body, "secret": secret})
