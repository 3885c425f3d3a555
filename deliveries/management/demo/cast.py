"""Who plays: a merchant with a login, and its webhooks: five endpoints, three event buses and a feed, all verifying."""

from __future__ import annotations

import secrets
import threading
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from django.contrib.auth.models import User

from deliveries.management.demo import bus
from deliveries.management.demo.bus import Bus
from deliveries.management.receiver import FOREVER, Receiver, Seen
from deliveries.models import DeadLetter
from deliveries.review import manual_actions
from subscriptions import event_types, services
from subscriptions.models import ApiKey, Merchant, Webhook
from subscriptions.webhook_rules import HTTPS, PULL

NAME, EMAIL, DOMAIN = "Demo shop", "demo@shop.example", "demo-shop.example"
SHORT_POLICY: dict[str, Any] = {"delays": [1, 2, 3]}
"""Seconds; the default's 5, 25 and 125 would keep people waiting."""


NOTES_MAX = 100_000


@dataclass(frozen=True)
class Role:
    """What a webhook and its receiver play.

    `source`: whose document's events it subscribes to; all of them where it is empty. `attempts`: how many each takes
    until it is delivered, or given up where `is_given_up`.
    """

    name: str
    manner: str
    dialect: str = "standard"
    source: str = ""
    kind: str = HTTPS
    fail: float = 0
    policy: dict[str, Any] | None = None
    attempts: int = 1
    is_given_up: bool = False


ROLES = (
    Role("alva", "recovers", "alva", "alva", fail=2, policy=SHORT_POLICY, attempts=3),
    Role("litestore", "well-behaved", "litestore", "litestore"),
    Role("cryptlex", "never recovers", "cryptlex", "cryptlex", fail=FOREVER, policy=SHORT_POLICY, attempts=4,
         is_given_up=True),
    Role("shopery", "well-behaved", "shopery", "shopery"),
    Role("standard", "well-behaved"),
    Role("bus", "takes all", kind="eventbridge"),
    Role("throttled bus", "recovers", source="litestore", kind="eventbridge", fail=2, policy=SHORT_POLICY, attempts=3),
    Role("denied bus", "denies access", source="cryptlex", kind="eventbridge", fail=FOREVER, is_given_up=True),
    Role("feed", "is fetched", kind=PULL),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Note:
    """What a receiver remembers of a request: when it came (unix seconds), why it didn't verify, what it answered."""

    message_id: str
    received_at: float
    problem: str
    status: int


class Log:
    """What a receiver has seen, in order; shared between its threads and ours. The oldest of too many are forgotten."""

    def __init__(self) -> None:
        self._notes: deque[Note] = deque(maxlen=NOTES_MAX)
        self._lock = threading.Lock()
        self.came = self.verified = 0

    def add(self, seen: Seen) -> None:
        """Take note."""
        with self._lock:
            self.came += 1
            self.verified += not seen.problem
            self._notes.append(Note(seen.message_id, seen.request.received_at, seen.problem, seen.status))

    def all(self) -> list[Note]:
        """Return a copy."""
        with self._lock:
            return list(self._notes)


@dataclass
class Player:
    """A role with its receiver and its webhook."""

    role: Role
    receiver: Receiver | Bus
    webhook: Webhook
    log: Log


@dataclass
class Cast:
    """Everybody, and what it takes to log in as them."""

    merchant: Merchant
    username: str
    password: str
    api_key: str
    players: list[Player] = field(default_factory=list)

    @property
    def webhooks(self) -> list[Webhook]:
        """The webhooks."""
        return [player.webhook for player in self.players]

    def player(self, name: str) -> Player:
        """Return the player of a role."""
        return next(player for player in self.players if player.role.name == name)

    def stop(self) -> None:
        """Close the receivers."""
        for player in self.players:
            player.receiver.stop()


def assemble() -> Cast:
    """Make the demo's merchant, or clear what an earlier demo left of it, and give it its webhooks with receivers."""
    cast = _merchant()
    for role in ROLES:
        log = Log()
        receiver, place = _receiver(role, log)
        new = services.create_webhook(
            merchant=cast.merchant,
            name=f"{_title(role)} ({role.manner})",
            kind=role.kind,
            dialect=role.dialect,
            events=_events(role),
            retry_policy=role.policy,
            **place,
        )
        if isinstance(receiver, Receiver):
            receiver.secret = new.secret
        cast.players.append(Player(role, receiver, new.webhook, log))
    return cast


def _title(role: Role) -> str:
    of_kinds = {"eventbridge": "EventBridge", PULL: "Feed"}
    return of_kinds.get(role.kind) or event_types.titles().get(role.dialect, "Standard Webhooks")


def _receiver(role: Role, log: Log) -> tuple[Receiver | Bus, dict[str, Any]]:
    """Return a role's receiver, which listens, and where its webhook is to lead."""
    if role.kind == "eventbridge":
        secret = secrets.token_urlsafe(30)
        denies = role.fail == FOREVER
        taker = Bus(secret=secret, throttle=0 if denies else role.fail, denies=denies, on_seen=log.add).start()
        place = {"region": bus.REGION, "bus": bus.BUS, "endpoint": taker.url}
        return taker, {
            "destination": place,
            "credentials": {"access_key_id": bus.KEY_ID, "secret_access_key": secret},
        }
    receiver = Receiver(dialect=role.dialect, fail=role.fail, on_seen=log.add).start()
    return receiver, {} if role.kind == PULL else {"url": f"{receiver.url}/webhooks/{role.name}"}


def _events(role: Role) -> list[str]:
    return [entry.name for entry in event_types.load() if entry.source == role.source] if role.source else ["*"]


def _merchant() -> Cast:
    merchant = Merchant.objects.filter(name=NAME, email=EMAIL).order_by("id").first()
    if merchant is None:
        new = services.create_merchant(name=NAME, email=EMAIL, domain=DOMAIN, existing_account=True)
        if new.password:
            return Cast(new.merchant, new.user.get_username(), new.password, new.api_key)
        merchant = new.merchant
    _clear(merchant)
    user = User.objects.get(username=EMAIL)
    password = secrets.token_urlsafe(12)
    user.set_password(password)
    user.save(update_fields=["password"])
    key = services.create_api_key(merchant=merchant, name="Demo", created_by=user)
    return Cast(merchant, user.get_username(), password, key.text)


def _clear(merchant: Merchant) -> None:
    """End what an earlier demo left: its receivers are gone. The log stays."""
    for webhook in merchant.webhooks.alive():
        services.delete_webhook(webhook=webhook)
    dead_letters = DeadLetter.objects.filter(merchant=merchant, resolved_at=None)
    manual_actions.discard_all(dead_letters, by="demo", note="An earlier demo's; its receiver is gone.")
    for key in ApiKey.objects.filter(merchant=merchant, revoked_at=None):
        services.revoke_api_key(api_key=key)
