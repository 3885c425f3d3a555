"""docs/publishing.md's code, executed as it is printed, from top to bottom."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.db.models.signals import post_save

from deliveries.models import Delivery, Event
from deliveries.sending import resolvers
from tests.support.factories import make_user, make_webhook

PAGE = Path(__file__).resolve().parents[2] / "docs" / "publishing.md"
CODE = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The page's names after its code has run, for a shop with one webhook."""
    monkeypatch.setattr(resolvers, "_resolvers", {})
    kept = list(post_save.receivers)
    names: dict[str, Any] = {"__name__": "page", "shop": make_webhook().merchant}
    for block in CODE.findall(PAGE.read_text()):
        exec(compile(block, str(PAGE), "exec"), names)
    yield names
    post_save.receivers = kept
    post_save.sender_receivers_cache.clear()


@pytest.mark.django_db
def test_the_pages_code_works_as_it_is_printed(page: dict[str, Any]) -> None:
    page["test_fulfilling_an_order_tells_the_merchant"]()
    user = make_user()
    user.save()  # no second event
    assert list(Event.objects.order_by("pk").values_list("type", flat=True)) == [
        "order.created",
        "order.fulfilled",
        *["order.paid"] * 5,
        "order.fulfilled",
        "user.registered",
    ]
    assert Event.objects.get(type="user.registered").resource_id == f"user-{user.pk}"
    assert Delivery.objects.count() == 9
    assert resolvers._resolvers["orders-created"](1, "1045") == {"id": "1045", "status": "paid"}


@pytest.mark.django_db
def test_the_readmes_code_works_as_it_is_printed() -> None:
    readme = (PAGE.parents[1] / "README.md").read_text()
    code = "\n".join(re.findall(r"^ {4}(from deliveries\.\S+ import .*|publish\(.*)$", readme, re.MULTILINE))
    shop = make_webhook().merchant
    exec(compile(code, "README.md", "exec"), {"shop": shop})
    assert Event.objects.get(merchant=shop).data == '{"order":{"id":"1045","total":"49.99"}}'


@pytest.mark.django_db
def test_the_receivers_guides_statements_drop_duplicates_and_old_states() -> None:
    guide = PAGE.with_name("receivers.md").read_text()
    [insert] = re.findall(r"^ +(INSERT INTO seen .*?)\s+--", guide, re.MULTILINE)
    [update] = re.findall(r"^ +(UPDATE orders .*)$", guide, re.MULTILINE)
    update = update.replace("… ,", "state = %(state)s,").replace("$time", "%(time)s").replace("$id", "%(id)s")
    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE seen (webhook_id text PRIMARY KEY) ON COMMIT DROP")
        cursor.execute("CREATE TEMPORARY TABLE orders (id int, state text, changed_at text) ON COMMIT DROP")
        for rows in (1, 0):
            cursor.execute(insert.replace("$1", "%s"), ["evt_1"])
            assert cursor.rowcount == rows
        cursor.execute("INSERT INTO orders VALUES (7, 'created', '2024-01-15T15:30:00.000000Z')")
        for state, time, rows in (
            ("paid", "2024-01-15T15:30:00.000001Z", 1),
            ("created", "2024-01-15T15:30:00.000000Z", 0),
            ("paid", "2024-01-15T15:30:00.000001Z", 0),
            ("shipped", "2024-01-15T15:31:00.000000Z", 1),
        ):
            cursor.execute(update, {"state": state, "time": time, "id": 7})
            assert cursor.rowcount == rows, (state, time)
