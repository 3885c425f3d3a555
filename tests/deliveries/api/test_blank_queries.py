"""Queries that name a parameter without a value: refused by its name on every address."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest
from django.urls import URLResolver, get_resolver

from deliveries.models import Delivery
from examples.storefront.models import File
from subscriptions.api.base import ApiView
from subscriptions.models import ApiRates
from subscriptions.services import NewMerchant
from tests.support.api import Client, attrs
from tests.support.blanks import UNSEEN, name_of


def lists(patterns: list[Any], prefix: str = "/") -> list[tuple[str, tuple[str, ...]]]:
    """Return the address and the query parameters of each route that has some."""
    found: list[tuple[str, tuple[str, ...]]] = []
    for one in patterns:
        if isinstance(one, URLResolver):
            found += lists(one.url_patterns, prefix + str(one.pattern))
        elif hasattr(view := getattr(one.callback, "cls", None), "get") and issubclass(view, ApiView):
            found.append((prefix + str(one.pattern), (*view.query, "fields")))
    return found


ROUTES = lists(get_resolver().url_patterns)


@pytest.fixture
def places(api: Client, shop: NewMerchant, webhook: dict[str, Any], deliveries: list[Delivery]) -> dict[str, str]:
    """What the addresses of single resources name, by their collection; many requests may be made."""
    ApiRates.objects.create(merchant=shop.merchant, per_hour=1_000_000, per_minute=1_000_000)
    file = File.objects.create(merchant=shop.merchant, filename="a.pdf", size=1)
    return {
        "webhooks": webhook["id"], "events": "e-0", "deliveries": deliveries[0].public_id, "files": file.public_id,
        "company": webhook["id"],
    }  # fmt: skip


def test_every_list_is_asked() -> None:
    asked = {path for path, names in ROUTES if len(names) > 1}
    assert {f"/api/v1/{name}" for name in ("deliveries", "events", "dead-letters", "undelivered", "jobs")} <= asked
    assert {"/api/v1/webhooks", "/api/v1/event-types", "/api/v1/api-keys", "/api/files", "/company/webhooks"} <= asked
    assert sum(len(names) for _path, names in ROUTES) > 60


@pytest.mark.parametrize("blank", ["", ",", " , ,", "\0", *UNSEEN], ids=name_of)
def test_a_blank_parameter_is_refused_by_its_name(api: Client, places: dict[str, str], blank: str) -> None:
    for path, names in ROUTES:
        address = path.replace("<str:id>", places.get(path.split("/")[-2 if path.count("<") else 0], "x"))
        for name in names:
            answer = api.get(f"{address}?{name}={quote(blank)}")
            assert answer.status_code == 422, (address, name, answer.content)
            assert list(attrs(answer)) == [name]
            assert answer.json()["errors"][0]["code"] == "blank"


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("status", ["status"]),
        ("status=", ["status"]),
        ("status=%20", ["status"]),
        ("status=,", ["status"]),
        ("status=%2C%E3%80%80", ["status"]),
        ("status=&webhook=%20", ["status", "webhook"]),
        ("status=dead&status=", ["status"]),
        ("status=&status=dead", ["status"]),
        ("webhook=%E2%80%8B&status=dead", ["webhook"]),
        ("search=%0A&limit=5", ["search"]),
        ("cursor=&event=order.paid", ["cursor"]),
        ("fields=,", ["fields"]),
        ("since=+", ["since"]),
    ],
)
def test_blanks_beside_what_is_given_are_refused_too(
    api: Client, deliveries: list[Delivery], query: str, names: list[str]
) -> None:
    for address in ("deliveries", "deliveries?limit=2"):
        answer = api.get(f"/api/v1/{address}{'&' if '?' in address else '?'}{query}")
        if query.endswith("limit=5") and "?" in address:
            continue
        assert answer.status_code == 422, answer.content
        assert sorted(attrs(answer)) == names


def test_what_is_given_selects_as_it_did(api: Client, deliveries: list[Delivery]) -> None:
    for query in ("", "status=pending,", "status=%20pending", "fields=id,", "search=order-1%20"):
        assert api.get(f"/api/v1/deliveries?{query}").status_code == 200, query


def test_the_document_says_so(client: Any) -> None:
    document = client.get("/api/schema/", headers={"Accept": "application/json"}).json()

    for path, operations in document["paths"].items():
        if "get" not in operations:
            continue
        assert "422" in operations["get"]["responses"], path
        for one in operations["get"].get("parameters", []):
            if one["in"] == "query" and one["schema"]["type"] == "string":
                assert {"pattern", "format", "enum"} & set(one["schema"]), (path, one)
            if one["in"] == "query" and one["schema"]["type"] == "array":
                assert one["schema"]["minItems"] == 1, (path, one)
