"""Examples for the OpenAPI document: operation id → what is sent and what comes back."""

from __future__ import annotations

from typing import Any, Final

_MOMENT: Final = "2024-01-15T15:30:00Z"

WEBHOOK: Final = {
    "id": "wbh_01HA4XCG60CT4G3EWF4CKYM1MF",
    "events": ["order.*", "download.accessed"],
    "name": "Accounting",
    "url": "https://accounting.example.com/hooks/orders",
    "dialect": "alva",
    "is_enabled": True,
    "disabled_reason": "",
    "headers": {"X-Shop": "42"},
    "retry_policy": None,
    "timeout": None,
    "max_in_flight": None,
    "rate_limit": None,
    "ordering": "resource",
    "expire_after": None,
    "filter": "data.order.currency == 'EUR'",
    "fields": [],
    "body_style": "compact",
    "api_version": "2024-01",
    "paused_at": None,
    "paused_by": "",
    "created_at": _MOMENT,
    "updated_at": _MOMENT,
}
_PAUSED: Final = WEBHOOK | {"paused_at": _MOMENT, "paused_by": "API key ak_live_3hWq9ZpT…"}
_SETTINGS: Final = {
    name: WEBHOOK[name] for name in ("name", "url", "events", "dialect", "headers", "filter", "is_enabled")
}
_COMPANY_SETTINGS: Final = {
    "name": "webhook test",
    "url": "https://test.com/wh",
    "events": ["order-created"],
    "isEnabled": True,
}
_COMPANY: Final = {"id": WEBHOOK["id"], **_COMPANY_SETTINGS}
_KEY: Final = {
    "id": "key_01HA4XCG60CT4G3EWF4CKYM1MF",
    "name": "Nightly import",
    "prefix": "ak_live_3hWq9ZpT",
    "scopes": ["read"],
    "created_at": _MOMENT,
    "expires_at": "2030-01-31T00:00:00Z",
    "last_used_at": None,
    "revoked_at": None,
}
_EVENT_TYPE: Final = {
    "name": "license.created",
    "aliases": [],
    "group": "license",
    "description": "A license was created.",
    "schema": {"type": "object", "required": ["id"], "properties": {"id": {"type": "string"}}},
    "example": {"id": "0e4c5ba4-3ca6-4dcd-9f8f-3ba8b4d1e4a5"},
}
_TOKEN: Final = "eyJhbGciOiJIUzI1NiJ9.eyJ1c2VyX2lkIjoiMSJ9.c2lnbmF0dXJl"  # noqa: S105 - an example


def page(*rows: Any, following: str = "") -> dict[str, Any]:
    """Return a page as lists answer it."""
    return {"next": following or None, "previous": None, "results": list(rows)}


_EXAMPLES: dict[str, dict[str, Any]] = {
    "list_webhooks": {"response": page(WEBHOOK, following="https://hooks.example/api/v1/webhooks?cursor=a41")},
    "create_a_webhook": {
        "request": _SETTINGS | {"secret": "a-secret-of-mine"},
        "response": WEBHOOK | {"secret": "a-secret-of-mine"},
    },
    "read_a_webhook": {"response": WEBHOOK},
    "change_a_webhook": {"request": {"is_enabled": False}, "response": WEBHOOK | {"is_enabled": False}},
    "delete_a_webhook": {},
    "pause_a_webhook": {"response": _PAUSED},
    "resume_a_webhook": {"response": WEBHOOK},
    "rotate_the_secret": {
        "request": {"overlap": 86400},
        "response": {
            "id": WEBHOOK["id"],
            "secret": "Zk8x2PqT7vWm4RbN9cLd",
            "old_secret_expires_at": "2024-01-16T15:30:00Z",
        },
    },
    "list_event_types": {"response": page(_EVENT_TYPE)},
    "list_api_keys": {"response": page(_KEY)},
    "make_an_api_key": {
        "request": {"name": "Nightly import", "scopes": ["read"], "expires_at": "2030-01-31T00:00:00Z"},
        "response": _KEY | {"key": "ak_live_3hWq9ZpT5vXnB7kLmR2sYcDfGjQtUwEa8oPi4HzMxNb"},
    },
    "read_an_api_key": {"response": _KEY},
    "revoke_an_api_key": {},
    "sign_in": {
        "request": {"username": "owner@shop.example", "password": "correct horse battery staple"},
        "response": {"access": _TOKEN, "refresh": _TOKEN},
    },
    "refresh_a_token": {"request": {"refresh": _TOKEN}, "response": {"access": _TOKEN}},
    "list_company_webhooks": {"response": page(_COMPANY)},
    "create_a_company_webhook": {
        "request": _COMPANY_SETTINGS,
        "response": {"id": WEBHOOK["id"], "secret": "Zk8x2PqT7vWm4RbN9cLd"},
    },
    "read_a_company_webhook": {"response": _COMPANY},
    "change_a_company_webhook": {"request": {"isEnabled": False}, "response": _COMPANY | {"isEnabled": False}},
    "replace_a_company_webhook": {"request": _COMPANY_SETTINGS, "response": _COMPANY},
    "delete_a_company_webhook": {},
}


def example_of(operation: str, kind: str) -> Any:
    """Return the example `request` or `response` of an operation, None where it has none."""
    return _EXAMPLES.get(operation, {}).get(kind)


def register(examples: dict[str, dict[str, Any]]) -> None:
    """Add examples of another app's operations."""
    _EXAMPLES.update(examples)
