"""Every route with every credential: whoever adds a route is asked here what may become of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import timezone
from rest_framework_simplejwt.tokens import AccessToken

from deliveries.models import DeadLetter, Delivery
from examples.storefront.models import File
from subscriptions import services
from subscriptions.api.base import ApiView, NotFoundView
from subscriptions.api.permissions import scope_of
from subscriptions.api.tokens import PublicView
from subscriptions.models import ApiKey
from subscriptions.services import NewMerchant
from tests.support.api import Client
from tests.support.hostile import HostileServer, answers

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
ORDER = {"event": "order.created", "data": {}}


@dataclass(frozen=True)
class Route:
    path: str
    method: str
    view: type[ApiView]

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def scope(self) -> str:
        return scope_of(self.view, self.method)  # type: ignore[arg-type]

    def at(self, places: dict[str, str]) -> str:
        kind = self.path.strip("/").removeprefix("api/v1/").removeprefix("api/").partition("/<")[0]
        kind = "feed" if self.path.endswith("/feed") else kind
        return self.path.replace("<str:id>", places.get(kind, "none"))


def routes() -> list[Route]:
    """All of them, but for the catch-all."""

    def walk(patterns: Any, prefix: str) -> Iterator[Route]:
        for pattern in patterns:
            path = prefix + str(pattern.pattern)
            if isinstance(pattern, URLResolver):
                if not path.startswith("/admin"):
                    yield from walk(pattern.url_patterns, path)
            elif isinstance(pattern, URLPattern):
                view = getattr(pattern.callback, "view_class", None) or getattr(pattern.callback, "cls", None)
                if isinstance(view, type) and issubclass(view, ApiView) and view is not NotFoundView:
                    yield from (Route(path, method, view) for method in METHODS if hasattr(view, method.lower()))

    return list(walk(get_resolver().url_patterns, "/"))


ALL = routes()
GUARDED = [route for route in ALL if not issubclass(route.view, PublicView)]


@pytest.fixture(autouse=True)
def no_limits(settings: Any) -> None:
    settings.WEBHOOKS_API_RATE_HOUR = settings.WEBHOOKS_API_RATE_MINUTE = 0


@pytest.fixture
def places(api: Client, shop: NewMerchant) -> Iterator[dict[str, str]]:
    """Something of the merchant's for every address that names one."""
    with HostileServer(answers()) as server:
        body = {"url": server.url, "events": ["*"]}
        webhook = api.post("/api/v1/webhooks", body).json()["id"]
        feed = api.post("/api/v1/webhooks", {"kind": "pull", "events": ["order.paid"]}).json()["id"]
        company = api.post("/company/webhooks", body).json()["id"]
        event = api.post("/api/v1/events", ORDER).json()["id"]
        Delivery.objects.update(status="dead", due_at=None, closed_at=timezone.now())
        first = Delivery.objects.order_by("id")[0]
        DeadLetter.objects.create(
            delivery=first, merchant_id=first.merchant_id, webhook_id=first.webhook_id, reason_code="attempts_exhausted"
        )
        second = Delivery.objects.order_by("id")[1]
        Delivery.objects.filter(pk=second.pk).update(status="retrying", due_at=timezone.now() + timedelta(hours=1))
        yield {
            "webhooks": webhook,
            "feed": feed,
            "company/webhooks": company,
            "events": event,
            "deliveries": second.public_id,
            "dead-letters": first.public_id,
            "api-keys": services.create_api_key(merchant=shop.merchant).api_key.public_id,
            "files": File.objects.create(merchant=shop.merchant, filename="a.pdf", size=1).public_id,
            "jobs": api.post("/api/v1/dead-letters/replay", {"ids": ["dlv_none"]}).json()["job"]["id"],
        }


def body_of(route: Route, places: dict[str, str]) -> Any:
    """A body that the route takes."""
    if route.method in {"GET", "DELETE"}:
        return None
    last = route.path.rsplit("/", 1)[-1]
    if last == "events":
        return ORDER
    if last == "batch":
        return {"events": [ORDER]}
    if last == "portal-links":
        return {"role": "viewer", "person": "anna@shop.example"}
    if last == "webhooks" or route.method == "PUT":
        body = {"url": "http://127.0.0.1:9/", "events": ["*"]}
        # Another URL of a dialect that sends its secret needs one along with it.
        return body if last == "webhooks" else {**body, "secret": "another-secret-of-theirs"}
    if last == "generate":
        return {"file_id": places.get("files", ""), "customer_email": "customer@example.com"}
    if last in {"replay", "discard"} and "<" not in route.path:
        return {"all": True}
    return {}


def send(client: Client, route: Route, places: dict[str, str]) -> Any:
    return client.request(route.method, route.at(places), body_of(route, places))


def test_the_routes_are_those_we_know() -> None:
    known = {str(route) for route in ALL}

    assert len(known) == len(ALL) >= 43
    assert {str(route) for route in ALL if route not in GUARDED} == {"POST /api/v1/token", "POST /api/v1/token/refresh"}
    assert all(route.at(dict.fromkeys(["x"], "y")).count("none") == route.path.count("<") for route in ALL)


@pytest.mark.parametrize("route", GUARDED, ids=str)
def test_the_right_credential_is_let_in(api: Client, places: dict[str, str], route: Route) -> None:
    answer = send(api, route, places)

    assert 200 <= answer.status_code < 300, answer.content


BY_KEYS_ALONE = {"/api/v1/portal-links"}
"""What ends with the key that made it."""


@pytest.mark.parametrize("route", GUARDED, ids=str)
def test_a_token_with_its_tenant_is_let_in(shop: NewMerchant, places: dict[str, str], route: Route) -> None:
    client = Client(str(AccessToken.for_user(shop.user)), **{"X-tenant-ID": shop.merchant.public_id})

    status = send(client, route, places).status_code
    assert status == 403 if route.path in BY_KEYS_ALONE else 200 <= status < 300


@pytest.mark.parametrize("credential", ["none", "expired", "revoked", "token without tenant"])
@pytest.mark.parametrize("route", GUARDED, ids=str)
def test_an_invalid_credential_is_401(shop: NewMerchant, credential: str, route: Route) -> None:
    made = services.create_api_key(merchant=shop.merchant)
    client = Client(made.text)
    if credential == "none":
        client = Client(None)
    elif credential == "expired":
        ApiKey.objects.filter(pk=made.api_key.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    elif credential == "revoked":
        services.revoke_api_key(api_key=made.api_key)
    else:
        client = Client(str(AccessToken.for_user(shop.user)))

    answer = send(client, route, {})

    assert answer.status_code == 401, answer.content
    assert answer["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("route", GUARDED, ids=str)
def test_a_missing_scope_is_403_and_named(shop: NewMerchant, places: dict[str, str], route: Route) -> None:
    others = [scope for scope in ApiKey.Scope.values if scope != route.scope]
    client = Client(services.create_api_key(merchant=shop.merchant, scopes=others).text)

    answer = send(client, route, places)

    assert answer.status_code == 403, answer.content
    assert f'"{route.scope}"' in answer.json()["errors"][0]["detail"]


@pytest.mark.parametrize("route", GUARDED, ids=str)
def test_another_tenant_neither_sees_nor_touches_anything(
    shop: NewMerchant, stranger: Client, places: dict[str, str], route: Route
) -> None:
    before = list(Delivery.objects.order_by("pk").values("pk", "status", "replays", "reason_code"))
    answer = send(stranger, route, places)

    if "<" in route.path:
        assert answer.status_code == 404, answer.content
    elif route.path.endswith("/generate"):  # names the file in its body
        assert answer.status_code == 422, answer.content
    else:
        assert 200 <= answer.status_code < 300, answer.content
        shown = json.dumps(answer.json())
        assert not [place for place in [*places.values(), shop.merchant.public_id] if place in shown]
    assert list(Delivery.objects.filter(merchant=shop.merchant).order_by("pk").values(*before[0])) == before


@pytest.mark.parametrize("route", GUARDED, ids=str)
def test_a_token_for_another_tenant_is_403(
    shop: NewMerchant, other_shop: NewMerchant, places: dict[str, str], route: Route
) -> None:
    client = Client(str(AccessToken.for_user(other_shop.user)), **{"X-tenant-ID": shop.merchant.public_id})

    assert send(client, route, places).status_code == 403
