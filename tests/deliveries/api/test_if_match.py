"""If-Match is honoured by what is done with deliveries, dead letters and events, whose addresses show an ETag."""

from __future__ import annotations

import pytest

from deliveries.models import Delivery
from tests.support.api import Client
from tests.support.delivery_log import close

ACTIONS = [
    ("deliveries", "retry", "dead"),
    ("deliveries", "cancel", "pending"),
    ("dead-letters", "replay", "dead"),
    ("dead-letters", "discard", "dead"),
    ("events", "expunge", "dead"),
]


@pytest.mark.parametrize("tag", ['"stale"', 'W/"stale"', '"a", "b"', "nonsense"])
@pytest.mark.parametrize(("resource", "action", "state"), ACTIONS, ids=str)
def test_a_stale_tag_changes_nothing_and_the_present_one_does(
    resource: str, action: str, state: str, tag: str, api: Client, deliveries: list[Delivery]
) -> None:
    delivery = deliveries[0] if state == "pending" else close(deliveries[0], state)
    rows = Delivery.objects.filter(pk=delivery.pk)
    place = f"/api/v1/{resource}/{delivery.event.public_id if resource == 'events' else delivery.public_id}"
    before = api.get(place)
    stale = api.post(f"{place}/{action}", {}, **{"If-Match": tag})
    assert (stale.status_code, stale.json()["errors"][0]["code"]) == (412, "precondition_failed")
    assert api.get(place).json() == before.json()
    assert rows.get().status == state
    answer = api.post(f"{place}/{action}", {}, **{"If-Match": f'"other", {before["ETag"]}'})
    assert answer.status_code == 200
    assert action == "expunge" or rows.get().status != state
