"""If-Match is honoured on every changing route whose address shows an ETag."""

from __future__ import annotations

from typing import Any

import pytest

from subscriptions import services
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
