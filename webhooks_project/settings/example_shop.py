"""The example shop, an app beside the service's own: there in a checkout, absent from the wheel."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

SHOP = "examples.storefront"

APPS = [SHOP] if find_spec("examples") and find_spec(SHOP) else []

SCHEDULE: dict[str, dict[str, Any]] = {
    "expire downloads": {
        "task": "storefront.expire_downloads",
        "schedule": 60.0,
        "options": {"queue": "housekeeping"},
    }
}
