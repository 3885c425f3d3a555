"""The subscriptions side of the database."""

from subscriptions.models.api import ApiRates, IdempotencyKey
from subscriptions.models.catalogue import EventType
from subscriptions.models.invitations import Invitation
from subscriptions.models.keys import ApiKey
from subscriptions.models.merchants import Membership, Merchant
from subscriptions.models.webhooks import SigningSecret, Subscription, Webhook

__all__ = [
    "ApiKey",
    "ApiRates",
    "EventType",
    "IdempotencyKey",
    "Invitation",
    "Membership",
    "Merchant",
    "SigningSecret",
    "Subscription",
    "Webhook",
]
