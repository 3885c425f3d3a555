"""What a process remembers of a webhook: read once for each version, whatever other threads do meanwhile."""

from __future__ import annotations

from typing import Any

import pytest

from deliveries.queueing import webhook_settings
from deliveries.queueing.webhook_settings import current
from tests.support.engine import claim, due, statements, widen
from tests.support.factories import make_webhook

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _nothing_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook_settings, "_known", {})


def versions(count: int) -> dict[int, str]:
    """Return key → version of new webhooks, as a claim told them."""
    webhooks = [make_webhook() for _ in range(count)]
    for webhook in webhooks:
        due(webhook)
    widen(*webhooks)
    claim(*webhooks)
    return {webhook.pk: webhook_settings._known[webhook.pk][0] for webhook in webhooks}


def test_a_version_is_read_once() -> None:
    told = versions(3)
    webhook_settings._known.clear()
    with statements() as asked:
        assert current(told).keys() == told.keys()
    assert len(asked) == 1
    with statements() as asked:
        assert current(told).keys() == told.keys()
    assert asked == []


def test_another_version_is_another_object() -> None:
    told = versions(1)
    [before] = current(told).values()
    [after] = current(dict.fromkeys(told, "another")).values()
    assert after == before
    assert after is not before


def test_a_webhook_that_is_gone_is_left_out() -> None:
    told = versions(1)
    assert current(told | {max(told) + 1000: "1 1 "}).keys() == told.keys()


def test_another_thread_may_forget_while_this_one_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    class Forgotten(dict[int, Any]):
        def get(self, *arguments: Any) -> Any:
            found = super().get(*arguments)
            self.clear()
            return found

        def __contains__(self, key: object) -> bool:
            found = super().__contains__(key)
            self.clear()
            return found

    told = versions(3)
    monkeypatch.setattr(webhook_settings, "_known", Forgotten(webhook_settings._known))
    for _ in range(2):
        assert current(told).keys() == told.keys()


def test_the_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook_settings, "KNOWN_MAX", 1)
    for _ in range(4):
        versions(1)
        assert len(webhook_settings._known) <= 2
