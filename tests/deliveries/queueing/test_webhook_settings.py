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
    monkeypatch.setattr(webhook_settings, "_held", 0)


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


@pytest.mark.parametrize("most", [1, 3])
def test_so_many_webhooks_are_remembered(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    monkeypatch.setattr(webhook_settings, "KNOWN_MAX", most)
    for _ in range(4):
        versions(1)
        assert len(webhook_settings._known) <= most


@pytest.mark.parametrize(
    "large",
    [
        {"url": "https://shop.example.com/" + "a" * 1_500},
        {"headers": {"X-Shop": "b" * 1_500}},
        {"fields": [f"order.{'c' * 40}{n}" for n in range(30)]},
        {"transform": "{id: '" + "d" * 1_500 + "'}"},
    ],
    ids=lambda each: next(iter(each)),
)
def test_so_many_characters_of_settings_are_remembered(monkeypatch: pytest.MonkeyPatch, large: dict[str, Any]) -> None:
    """Large settings cost a process no more than small ones: fewer of them are kept."""
    monkeypatch.setattr(webhook_settings, "KNOWN_CHARACTERS", 6_000)
    most = 0
    for _ in range(8):
        webhook = make_webhook(**large)
        webhook_settings.read(webhook.pk)
        most = max(most, len(webhook_settings._known))
    assert 2 <= most <= 4
    webhook_settings.read(webhook.pk)
    assert webhook.pk in webhook_settings._known


def test_whose_a_webhook_is_is_asked_once_and_remembered_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    webhooks = [make_webhook() for _ in range(4)]
    keys = [webhook.pk for webhook in webhooks]
    assert [webhook_settings.merchant_of(pk) for pk in keys] == [None] * 4
    with statements() as seen:
        webhook_settings.meet([*keys, 0])
        webhook_settings.meet(keys)
    assert len(seen) == 1
    assert [webhook_settings.merchant_of(pk) for pk in keys] == [webhook.merchant_id for webhook in webhooks]
    assert webhook_settings.merchant_of(0) is None, "no such webhook"
    monkeypatch.setattr(webhook_settings, "MERCHANTS_KNOWN_MAX", 4)
    other = make_webhook()
    webhook_settings.meet([other.pk])
    assert (webhook_settings.merchant_of(other.pk), webhook_settings.merchant_of(keys[0])) == (other.merchant_id, None)


def test_headers_and_fields_count_for_what_is_kept() -> None:
    lean, fat = make_webhook(), make_webhook(headers={f"X-{number}": "x" * 2000 for number in range(20)})
    before = webhook_settings._held
    webhook_settings.read(lean.pk)
    small = webhook_settings._held - before
    webhook_settings.read(fat.pk)
    assert webhook_settings._held - before - small > 40_000
