"""Two change one webhook, its merchant's members or its keys at the same moment: as if one had come after the other.

Each pair is forced into the order that a race needs: the second has seen the webhook before the first commits. Random
rounds leave the order to the machine. Either way the rows, what was told of them, and who was refused must be what one
of the two orders gives without any race.
"""

from __future__ import annotations

import itertools
import random
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError

from subscriptions import services, signals
from subscriptions.models import Membership, Merchant, Webhook
from subscriptions.services import keys
from tests.support.at_once import Beside, uncommitted
from tests.support.factories import make_member, make_merchant, make_webhook

pytestmark = pytest.mark.django_db(transaction=True)

Change = Callable[[Webhook], Any]
ROUNDS = 200
HOUR = timedelta(hours=1)
CHANGES: dict[str, Change] = {
    "pause by Ann": lambda webhook: services.pause(webhook=webhook, by="Ann"),
    "pause by Bob": lambda webhook: services.pause(webhook=webhook, by="Bob"),
    "resume": lambda webhook: services.resume(webhook=webhook, by="Ann"),
    "disable for one": lambda webhook: services.disable(webhook=webhook, reason="One."),
    "disable for another": lambda webhook: services.disable(webhook=webhook, reason="Another."),
    "enable": lambda webhook: services.enable(webhook=webhook),
    "delete": lambda webhook: services.delete_webhook(webhook=webhook),
    "rotate": lambda webhook: services.rotate_secret(webhook=webhook, overlap=HOUR),
    "rotate at once": lambda webhook: services.rotate_secret(webhook=webhook, overlap=timedelta(0)),
    "end the overlap": lambda webhook: services.switch_secret(webhook=webhook),
    "set a timeout": lambda webhook: services.update_webhook(webhook=webhook, timeout=7),
    "listen to all": lambda webhook: services.update_webhook(webhook=webhook, events=["*"]),
    "listen to one": lambda webhook: services.update_webhook(webhook=webhook, events=["order.paid"]),
    "switch off": lambda webhook: services.update_webhook(webhook=webhook, is_enabled=False),
}
PAIRS = list(itertools.product(CHANGES, repeat=2))


class _Told:
    """What was told of each webhook, in order."""

    def __init__(self) -> None:
        self.actions: dict[int, list[str]] = {}

    def __call__(self, *, webhook: Webhook, action: str, **_: Any) -> None:
        self.actions.setdefault(webhook.pk, []).append(action)


@pytest.fixture
def told() -> Any:
    receiver = _Told()
    signals.webhook_changed.connect(receiver)
    yield receiver
    signals.webhook_changed.disconnect(receiver)


def fresh(merchant: Merchant, held: bool) -> Webhook:
    """Return a webhook with an old secret beside the new one; `held`: paused and disabled."""
    webhook = make_webhook(merchant, events=["order.created"])
    services.rotate_secret(webhook=webhook, overlap=HOUR)
    if held:
        services.pause(webhook=webhook, by="Zoe")
        services.disable(webhook=webhook, reason="Zero.")
    return webhook


def seen(webhook: Webhook) -> Webhook:
    """Return the webhook as somebody reads it who changes it next."""
    return Webhook.objects.get(pk=webhook.pk)


def tried(change: str, webhook: Webhook) -> str:
    """Change it; return what whoever asked is told."""
    try:
        CHANGES[change](webhook)
    except ValidationError as error:
        return " ".join(error.messages).replace(webhook.public_id, "It")
    return ""


def state(webhook: Webhook, told: _Told) -> tuple[Any, ...]:
    now = seen(webhook)
    active = [secret for secret in now.secrets.all() if secret.is_active()]
    patterns = sorted(now.subscriptions.filter(ended_at=None).values_list("pattern", flat=True))
    switches = (now.is_enabled, now.disabled_reason, now.paused_at is not None, now.paused_by, now.deleted_at is None)
    return (*switches, now.timeout, len(active), patterns, told.actions[webhook.pk])


def in_turn(first: str, second: str, merchant: Merchant, held: bool, told: _Told) -> tuple[Any, ...]:
    """Return what comes of one after the other."""
    webhook = fresh(merchant, held)
    answers = [tried(first, seen(webhook)), tried(second, seen(webhook))]
    return answers, state(webhook, told)


@pytest.mark.parametrize("held", [False, True], ids=["running", "held"])
@pytest.mark.parametrize("first", CHANGES)
def test_who_comes_second_finds_what_the_first_left_however_early_it_looked(
    first: str, held: bool, told: _Told
) -> None:
    merchant = make_merchant()
    for second in CHANGES:
        wanted = in_turn(first, second, merchant, held, told)
        webhook = fresh(merchant, held)
        early, answers = seen(webhook), []
        with uncommitted(lambda webhook=webhook, answers=answers: answers.append(tried(first, seen(webhook)))):
            beside = Beside(lambda second=second, early=early: tried(second, early))
        answers.append(beside.join())
        assert (answers, state(webhook, told)) == wanted, (first, second)


@pytest.mark.slow
def test_random_rounds_of_two_changes_come_out_as_one_after_the_other(told: _Told) -> None:
    merchant, draw = make_merchant(), random.Random(13)
    for _ in range(ROUNDS):
        (first, second), held = draw.choice(PAIRS), draw.choice([False, True])
        webhook, start, answers = fresh(merchant, held), threading.Barrier(2), ["", ""]

        def run(
            place: int, change: str, webhook: Webhook = webhook, start: Any = start, answers: Any = answers
        ) -> None:
            mine = seen(webhook)
            start.wait(60)
            answers[place] = tried(change, mine)

        for beside in [Beside(lambda run=run, each=each: run(*each)) for each in enumerate((first, second))]:
            beside.join()
        got = (answers, state(webhook, told))
        there = in_turn(first, second, merchant, held, told)
        back_answers, back_state = in_turn(second, first, merchant, held, told)
        assert got in (there, (back_answers[::-1], back_state)), (first, second, held)


def test_random_rounds_of_two_owners_leave_one() -> None:
    draw = random.Random(14)
    ways: list[Callable[[Membership], Any]] = [
        lambda membership: services.change_role(membership=membership, role="viewer"),
        lambda membership: services.remove_member(membership=membership),
    ]
    users = [make_member(make_merchant(), "owner") for _ in range(2)]
    for _ in range(ROUNDS):
        merchant, start = make_merchant(), threading.Barrier(2)
        pair = [Membership.objects.create(merchant=merchant, user=user, role="owner") for user in users]

        def run(membership: Membership, way: Any, start: Any = start) -> int:
            start.wait(60)
            try:
                way(membership)
            except ValidationError:
                return 0
            return 1

        chosen = zip(pair, draw.choices(ways, k=2), strict=True)
        besides = [Beside(lambda run=run, each=each: run(*each)) for each in chosen]
        assert sum(beside.join() for beside in besides) == 1, "one is told that it is the last owner"
        assert merchant.memberships.filter(role="owner").count() == 1


def test_random_rounds_of_keys_never_make_one_too_many_and_revoke_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "API_KEYS_MAX", 2)
    merchant, draw = make_merchant(), random.Random(15)
    for _ in range(ROUNDS):
        merchant.api_keys.all().delete()
        kept, start = services.create_api_key(merchant=merchant).api_key, threading.Barrier(3)

        def run(what: str, kept: Any = kept, start: Any = start) -> Any:
            mine = type(kept).objects.get(pk=kept.pk)
            start.wait(60)
            if what == "revoke":
                return services.revoke_api_key(api_key=mine).revoked_at
            try:
                return services.create_api_key(merchant=merchant).api_key.pk
            except ValidationError:
                return None

        names = draw.choice([["make"] * 3, ["make", "make", "revoke"], ["revoke"] * 3, ["make", "revoke", "revoke"]])
        besides = [(name, Beside(lambda run=run, name=name: run(name))) for name in names]
        answers = [(name, beside.join()) for name, beside in besides]
        assert len({answer for name, answer in answers if name == "revoke"}) <= 1, "all are told of the first moment"
        made = sum(answer is not None for name, answer in answers if name == "make")
        revoked = "revoke" in names
        assert merchant.api_keys.filter(revoked_at=None).count() == made + (not revoked) <= 2
        assert made >= ("make" in names)
