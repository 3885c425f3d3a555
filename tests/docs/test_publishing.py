"""docs/publishing.md's code, executed as it is printed, from top to bottom."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
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
