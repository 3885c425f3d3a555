"""Examples of this app's operations, for the OpenAPI document."""

from __future__ import annotations

from typing import Any, Final

from subscriptions.api.examples import WEBHOOK, page, register

_MOMENT: Final = "2024-01-15T15:30:00Z"
_LATER: Final = "2024-01-15T15:32:35.204000Z"
_BY: Final = "API key ak_live_3hWq9ZpT…"
_HOOK: Final = {"webhook": WEBHOOK["id"], "url": WEBHOOK["url"]}
_DATA: Final = {"order": {"id": "1045", "total": "49.99", "currency": "EUR"}}
_DLV: Final = "dlv_01HA4XCG6Y0M2QW8JX5T7VBN3K"

_EVENT: Final = {
    "id": "evt_01HA4XCG6X8F0Z5R9T2V4W6Y8A",
    "event": "order.created",
    "data": _DATA,
    "resource_id": "order-1045",
    "occurred_at": _MOMENT,
    "created_at": _MOMENT,
}
_NEW: Final = {"event": "order.created", "data": _DATA, "id": "order-1045-created", "resource_id": "order-1045"}
_RECEIPT: Final = {"id": "order-1045-created", "event": "order.created", "deliveries": 2, "duplicate": False}
_DELIVERY: Final = {
    "id": _DLV,
    "event_id": _EVENT["id"],
    "event": "order.created",
    "resource_id": "order-1045",
    **_HOOK,
    "status": "retrying",
    "reason": "",
    "attempt_count": 1,
    "retry_count": 0,
    "replays": 0,
    "is_held": False,
    "next_attempt_at": "2024-01-15T15:30:05Z",
    "last_attempt_at": _MOMENT,
    "last_status_code": 500,
    "last_error": "http_error",
    "response_ms": 87.2,
    "created_at": _MOMENT,
    "closed_at": None,
}
_ATTEMPT: Final = {
    "id": "att_01HA4XCG7A3C5E7G9J1L3N5Q7S",
    "number": 1,
    "result": "failed",
    "started_at": _MOMENT,
    "answered_at": "2024-01-15T15:30:00.087200Z",
    "status_code": 500,
    "error": "http_error",
    "detail": "The receiver answered 500.",
    "decision": "Retry 1 of 3 in 5 s.",
    "next_at": "2024-01-15T15:30:05Z",
    "url": WEBHOOK["url"],
    "request_size": 212,
    "request_digest": "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824",
    "response_size": 21,
    "response_truncated": False,
    "lateness_ms": 6.1,
    "dns_ms": 1.9,
    "connect_ms": 12.0,
    "tls_ms": 25.3,
    "first_byte_ms": 86.4,
    "total_ms": 87.2,
    "remote_address": "203.0.113.7",
    "reused_connection": False,
    "request_headers": [["webhook-id", _EVENT["id"]], ["Content-Type", "application/json"]],
    "response_headers": [["Content-Type", "text/plain"]],
    "response_body": "Internal Server Error",
    "response_body_base64": None,
}
_LETTER: Final = {
    "id": _DLV,
    "event_id": _EVENT["id"],
    "event": "order.created",
    "resource_id": "order-1045",
    **_HOOK,
    "reason": "Gave up after 4 attempts; the last answer was 500.",
    "error": "http_error",
    "status_code": 500,
    "attempt_count": 4,
    "replays": 0,
    "created_at": _LATER,
    "note": "",
}
_REPLAYED: Final = _DELIVERY | {"attempt_count": 4, "retry_count": 3, "replays": 1, "next_attempt_at": _LATER}
_JOB: Final = {
    "id": "job_01HA4XCG7D4F6H8K0M2P4R6T8V",
    "kind": "replay",
    "source": "dead-letters",
    "selection": {"webhook": WEBHOOK["id"]},
    "note": "The receiver is fixed.",
    "rate": 0,
    "by": _BY,
    "status": "done",
    "total": 12,
    "done": 12,
    "error": "",
    "created_at": _LATER,
    "updated_at": _LATER,
    "finished_at": _LATER,
}
_BULK: Final = {"count": 12, "dry_run": False, "job": _JOB}
_FIGURES: Final = {
    "attempts": 1250,
    "delivered": 1240,
    "failed": 10,
    "dead": 1,
    "skipped": 0,
    "success_rate": 0.992,
    "average_ms": 91.4,
    "p50_ms": 74.0,
    "p95_ms": 188.0,
    "p99_ms": 341.0,
}
_STATS: Final = {"window": "1h", **_FIGURES, "series": [{"at": _MOMENT, **_FIGURES}]}

_EXAMPLES: Final[dict[str, dict[str, Any]]] = {
    "list_events": {"response": page(_EVENT)},
    "publish_an_event": {"request": _NEW, "response": _RECEIPT},
    "publish_events": {"request": {"events": [_NEW]}, "response": {"events": [_RECEIPT]}},
    "read_an_event": {
        "response": _EVENT | {"webhooks": [{**_HOOK, "delivery": _DLV, "status": "retrying", "reason": ""}]}
    },
    "expunge_an_event": {
        "request": {"note": "Asked for by the customer, Art. 17."},
        "response": {
            "id": _EVENT["id"],
            "event": "order.created",
            "by": _BY,
            "note": "Asked for by the customer, Art. 17.",
            "attempts": 2,
            "cancelled": 0,
            "expunged_at": _LATER,
        },
    },
    "list_deliveries": {"response": page(_DELIVERY, following="https://hooks.example/api/v1/deliveries?cursor=a98")},
    "read_a_delivery": {"response": _DELIVERY | {"waits_for": None, "data": _DATA, "attempts": [_ATTEMPT]}},
    "retry_a_delivery": {"response": _DELIVERY},
    "cancel_a_delivery": {
        "response": _DELIVERY
        | {"status": "cancelled", "reason": f"Cancelled by {_BY}.", "next_attempt_at": None, "closed_at": _LATER}
    },
    "replay_deliveries": {"request": {"status": ["dead"], "since": _MOMENT}, "response": _BULK | {"job": _JOB}},
    "list_undelivered": {"response": page(_DELIVERY | {"occurred_at": _MOMENT, "data": _DATA})},
    "list_dead_letters": {"response": page(_LETTER)},
    "read_a_dead_letter": {"response": _LETTER},
    "replay_a_dead_letter": {"request": {"note": "The receiver is fixed."}, "response": _REPLAYED},
    "discard_a_dead_letter": {
        "request": {"note": "Corrected by hand."},
        "response": _REPLAYED | {"status": "discarded", "next_attempt_at": None, "closed_at": _LATER},
    },
    "replay_dead_letters": {"request": {"webhook": WEBHOOK["id"], "note": "Fixed."}, "response": _BULK},
    "discard_dead_letters": {
        "request": {"event": "order.created", "dry_run": True},
        "response": {"count": 12, "dry_run": True, "job": None},
    },
    "list_jobs": {"response": page(_JOB)},
    "read_a_job": {"response": _JOB},
    "list_source_ips": {"response": {"source_ips": ["203.0.113.10", "203.0.113.11"]}},
    "read_statistics": {"response": _STATS},
    "read_a_webhooks_statistics": {"response": _STATS},
    "test_a_webhook": {
        "request": {"event": "order.created"},
        "response": {
            "delivered": True,
            "verdict": "The endpoint answered 200.",
            "event": "order.created",
            "request": {
                "url": WEBHOOK["url"],
                "headers": [["webhook-test", "true"]],
                "body": '{"event":"order.created"}',
            },
            "response": {
                "status_code": 200,
                "headers": [["Content-Type", "text/plain"]],
                "body": "ok",
                "body_base64": None,
                "body_truncated": False,
            },
            "error": "",
            "detail": "",
            "remote_address": "203.0.113.7",
            "dns_ms": 1.9,
            "connect_ms": 12.0,
            "tls_ms": 25.3,
            "first_byte_ms": 40.1,
            "total_ms": 40.6,
        },
    },
}

register(_EXAMPLES)
