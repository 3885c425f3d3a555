"""Every example of a body in the OpenAPI document is sent, to what is there, and is answered as the document says."""

from __future__ import annotations

from typing import Any

import pytest
from drf_spectacular.generators import SchemaGenerator

from deliveries.models import Delivery
from examples.storefront import counter
from examples.storefront.models import File
from subscriptions import services
from subscriptions.models import Membership
from tests.support.api import Client
from tests.support.desk import Shop, add_delivery, make_dead, make_shop
from tests.support.factories import make_api_key, make_user, make_webhook
from tests.support.receiver import TestReceiver

DOCUMENT = SchemaGenerator().get_schema(request=None, public=True)
SENT = [
    (method.upper(), path, example["value"])
    for path, operations in DOCUMENT["paths"].items()
    for method, operation in operations.items()
    for example in operation.get("requestBody", {})
    .get("content", {})
    .get("application/json", {})
    .get("examples", {})
    .values()
]
READ = [path for path, operations in DOCUMENT["paths"].items() if "get" in operations]


@pytest.fixture
def shop(db: None) -> Shop:
    made = make_shop("aster")
    made.rows["rates"].delete()
    return made


@pytest.fixture
def api(shop: Shop) -> Client:
    return Client(make_api_key(shop.merchant).text)


def place(path: str, shop: Shop) -> str:
    """Return the address with the id of something that is there, in the state that the operation is for."""
    if "{id}" not in path:
        return path
    if path.startswith("/company/"):
        row: Any = services.create_webhook(
            # at the example's address: a new one needs the secret that is sent there
            merchant=shop.merchant,
            url="https://test.com/wh",
            events=["*"],
            dialect="shopery",
        ).webhook
    elif path.endswith("/feed"):
        row = make_webhook(shop.merchant, kind="pull", url="")
    elif "/dead-letters/" in path:
        row = add_delivery(shop.webhook)
        make_dead(row)
    elif "/deliveries/" in path:
        row = add_delivery(shop.webhook, status="retrying", last_error="http_error")
    elif "/files/" in path:
        row = File.objects.create(merchant=shop.merchant, filename="a.pdf", size=1)
    elif "/events/" in path:
        row = shop.event
    elif "/jobs/" in path:
        row = shop.rows["job"]
    elif "/api-keys/" in path:
        row = make_api_key(shop.merchant).api_key
    else:
        row = shop.webhook
    return path.replace("{id}", row.public_id)


def prepared(path: str, body: dict[str, Any], shop: Shop) -> dict[str, Any]:
    """Make what an example's values name."""
    if path == "/api/v1/token":
        user = make_user(username=body["username"], password=body["password"])
        Membership.objects.create(merchant=shop.merchant, user=user, role="owner")
    elif path == "/api/v1/token/refresh":
        user = make_user(username="anna", password="secret")
        Membership.objects.create(merchant=shop.merchant, user=user, role="owner")
        pair = Client(None).post("/api/v1/token", {"username": "anna", "password": "secret"}).json()
        return {"refresh": pair["refresh"]}
    elif path == "/api/orders":
        return body | {"product_id": counter.goods(shop.merchant)[0].public_id}
    elif path == "/api/downloads/generate":
        return body | {"file_id": File.objects.create(merchant=shop.merchant, filename="a.pdf", size=1).public_id}
    return body


@pytest.mark.parametrize(("method", "path", "body"), SENT, ids=lambda each: each if isinstance(each, str) else "")
def test_an_example_is_taken_as_it_is_printed(method: str, path: str, body: Any, shop: Shop, api: Client) -> None:
    codes = {int(code) for code in DOCUMENT["paths"][path][method.lower()]["responses"] if code.startswith("2")}
    with TestReceiver() as receiver:
        if path.endswith("/test"):
            type(shop.webhook).objects.filter(pk=shop.webhook.pk).update(url=receiver.url)
        client = Client(None) if "/token" in path else api
        answer = client.request(method, place(path, shop), prepared(path, body, shop))
    assert answer.status_code in codes, answer.content


@pytest.mark.parametrize("path", READ)
def test_every_example_of_a_query_is_taken(path: str, shop: Shop, api: Client) -> None:
    for parameter in DOCUMENT["paths"][path]["get"].get("parameters", []):
        if parameter["in"] == "query":
            schema = parameter["schema"]
            words = schema.get("enum") or schema.get("items", {}).get("enum") or []
            values = [*words, *([schema["default"]] if "default" in schema else [])]
            values += [example["value"] for example in parameter.get("examples", {}).values()]
            for value in values:
                answer = api.get(f"{place(path, shop)}?{parameter['name']}={value}")
                assert answer.status_code == 200, (parameter["name"], value, answer.content)


def test_there_are_examples() -> None:
    assert len(SENT) >= 19
    assert len(READ) >= 15
    assert Delivery.Status.values
