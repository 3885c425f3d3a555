"""If-Match is honoured on every changing route whose address shows an ETag."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from subscriptions import services
from subscriptions.models import SigningSecret
from subscriptions.services import NewMerchant
from tests.support.api import Client

HOOK = {"url": "http://127.0.0.1:9/", "events": ["*"]}
ROUTES = [
    ("PATCH", "/api/v1/webhooks", {"name": "New"}),
    ("DELETE", "/api/v1/webhooks", None),
    ("PATCH", "/company/webhooks", {"name": "New"}),
    ("PUT", "/company/webhooks", HOOK),
    ("DELETE", "/company/webhooks", None),
    ("DELETE", "/api/v1/api-keys", None),
]
ACTIONS = [("pause", {}), ("resume", {}), ("rotate-secret", {}), ("rotate-secret", {"overlap": 0})]


@pytest.mark.parametrize("tag", ['"stale"', 'W/"stale"', '"a", "b"', "nonsense"])
@pytest.mark.parametrize(("method", "path", "body"), ROUTES, ids=str)
def test_a_stale_tag_changes_nothing_and_the_present_one_does(
    method: str, path: str, body: Any, tag: str, api: Client, shop: NewMerchant
) -> None:
    if "keys" in path:
        place = f"{path}/{services.create_api_key(merchant=shop.merchant).api_key.public_id}"
    else:
        place = f"{path}/{api.post(path, HOOK).json()['id']}"
    before = api.get(place)
    stale = api.request(method, place, body, **{"If-Match": tag})
    assert (stale.status_code, stale.json()["errors"][0]["code"]) == (412, "precondition_failed")
    assert api.get(place).json() == before.json()
    answer = api.request(method, place, body, **{"If-Match": f'"other", {before["ETag"]}'})
    assert answer.status_code in {200, 204}
    assert method == "DELETE" or answer["ETag"] == api.get(place)["ETag"]


@pytest.mark.parametrize("tag", ['"stale"', 'W/"stale"', '"a", "b"', "nonsense"])
@pytest.mark.parametrize(("action", "body"), ACTIONS, ids=str)
def test_a_stale_tag_keeps_an_action_from_a_webhook_and_the_present_one_does_not(
    action: str, body: Any, tag: str, api: Client
) -> None:
    place = f"/api/v1/webhooks/{api.post('/api/v1/webhooks', HOOK).json()['id']}"
    if action == "resume":
        api.post(f"{place}/pause", {})
    secrets = SigningSecret.objects.count()
    before = api.get(place)
    stale = api.post(f"{place}/{action}", body, **{"If-Match": tag})
    assert (stale.status_code, stale.json()["errors"][0]["code"]) == (412, "precondition_failed")
    assert (api.get(place).json(), SigningSecret.objects.count()) == (before.json(), secrets)
    answer = api.post(f"{place}/{action}", body, **{"If-Match": f'"other", {before["ETag"]}'})
    assert answer.status_code == 200
    assert action == "rotate-secret" or answer["ETag"] == api.get(place)["ETag"]
    assert api.get(place)["ETag"] != before["ETag"]


def test_every_changing_route_below_an_address_with_an_etag_documents_if_match(api: Client) -> None:
    """So that one that is added doesn't go without. `test` and `preview` change nothing."""
    paths = yaml.safe_load(api.get("/api/schema/").content)["paths"]
    without = {
        f"{method} {path}"
        for path, methods in paths.items()
        for method, shown in methods.items()
        if "{id}" in path and method in {"post", "put", "patch", "delete"} and not path.endswith(("/test", "/preview"))
        if "If-Match" not in {each["name"] for each in shown.get("parameters", ())}
    }
    assert without == set()
